# shellcheck shell=bash
# What the parts of ../../bench share: two daemons, "stock" without the plugin and "ours" with it, in
# namespaces of their own, how they are asked the same things in turn, and the lines of the table.
#
# A value is the median of several rounds, in which each side has its turn; so is a ratio. "least" is the
# ratio of each side's least value, which says the same with less noise, if there were enough rounds.

. "$(dirname "${BASH_SOURCE[0]}")/../lib/linked.sh"

# it says when headers are ready
# shellcheck disable=SC2034 # daemon.sh reads it
DAEMON_DEBUG=1:lukshdr.storage

BENCH=$BUILDDIR/tests/bench
BENCH_MODULES=$LIBVIRT_DRIVER_DIR

bench_fail() {
    echo "bench: $1" >&2
    exit 1
}

# on SIDE: the following commands speak of that daemon, and a daemon that is started is of that kind.
on() {
    if [ "$1" = stock ]; then
        unset LIBVIRT_DRIVER_DIR
    else
        export LIBVIRT_DRIVER_DIR=$BENCH_MODULES
    fi
    linked_use "$1"
}

# bench_ready FROM: waits until the plugin's daemon keeps as many prepared headers as it shall, of which it speaks in
# line FROM of its log or later.
bench_ready() {
    on ours
    TAP_PATIENCE=3600 waited bench_ready_now "$1" || bench_fail "no headers are made ahead"
}

bench_ready_now() {
    [ "$(tail -n "+$1" "$DAEMON_LOG" | sed -n 's/.* \([0-9]*\) headers are ready for volumes.*/\1/p' | tail -n 1)" = \
        "$(sed -n 's/#define LUKSHDR_PREPARED_DEPTH //p' src/link/prepared.h)" ]
}

# bench_log: the line of the log that comes next.
bench_log() {
    on ours
    echo $(($(wc -l <"$DAEMON_LOG") + 1))
}

# bench_start: both daemons, each with pools "data" and "vault" and a secret. What the daemons keep in
# /etc/libvirt is on a disk, where flushing costs something, and not in the namespace's memory.
bench_start() {
    local side dir
    for side in stock ours; do
        on "$side"
        linked_start "$side" >"$DAEMON_WORK/$side.start" 2>&1 || {
            cat "$DAEMON_WORK/$side.start" >&2
            bench_fail "libvirtd ($side) does not start"
        }
        [ "$DAEMON_RUNS" = system ] || continue
        for dir in lukshdr secrets; do
            mkdir -p "$DAEMON_DIR/$dir" || return
            "$DAEMON_IN" mkdir -p "/etc/libvirt/$dir" &&
                "$DAEMON_IN" cp -a "/etc/libvirt/$dir/." "$DAEMON_DIR/$dir/" &&
                "$DAEMON_IN" mount --bind "$DAEMON_DIR/$dir" "/etc/libvirt/$dir" || return
        done
    done
}

# bench_uri SIDE: the daemon's, as a client outside of its namespace reaches it.
bench_uri() {
    local pid init
    if [ "$DAEMON_RUNS" = system ]; then
        read -r pid init <"$DAEMON_WORK/$1/holder.pid" || return
        echo "qemu+unix:///system?socket=/proc/$init/root/run/libvirt/libvirt-sock"
    else
        echo "qemu+unix:///session?socket=$DAEMON_WORK/$1/run/libvirt/libvirt-sock"
    fi
}

# client OPERATION ROUNDS CALLS [SIDE POOL ARGUMENT]...: bench-client's lines, "LEAST MEDIAN" of a side
# each, become the arrays LEAST and MEDIAN, in microseconds.
client() {
    local operation=$1 args=("$2" "$3") lines
    shift 3
    while [ $# -gt 0 ]; do
        args+=("$(bench_uri "$1")" "$2" "$3")
        shift 3
    done
    lines=$("$BENCH/bench-client" "$operation" "${args[@]}") || bench_fail "$operation failed"
    mapfile -t LEAST < <(cut -d ' ' -f 1 <<<"$lines")
    mapfile -t MEDIAN < <(cut -d ' ' -f 2 <<<"$lines")
}

# of_rounds VALUES...: LEAST and MEDIAN of sides that were timed here; VALUES are a side's microseconds, a line a round.
of_rounds() {
    local values
    LEAST=() MEDIAN=()
    for values; do
        values=$(sort -n <<<"${values%$'\n'}")
        LEAST+=("$(head -n 1 <<<"$values")")
        MEDIAN+=("$(sed -n "$((($(wc -l <<<"$values") + 1) / 2))p" <<<"$values")")
    done
}

# section TEXT HEADER1 HEADER2: a part of the table, and what the two sides are.
section() {
    printf '\n%-46s %12s %12s %7s %7s  %s\n' "$1" "$2" "$3" ratio least aim
}

# row WHAT A B [AIM]: the client's sides number A and B. An AIM is the ratio not to be exceeded.
row() {
    awk -v what="$1" -v a="${MEDIAN[$2]}" -v b="${MEDIAN[$3]}" -v c="${LEAST[$2]}" -v d="${LEAST[$3]}" \
        -v aim="${4:-}" '
        function time(us) {
            if (us < 1000) return sprintf("%.1f us", us)
            if (us < 1000000) return sprintf("%.2f ms", us / 1000)
            return sprintf("%.3f s", us / 1000000)
        }
        BEGIN {
            printf "  %-44s %12s %12s %7.2f %7.2f  %s\n", what, time(a), time(b), b / a, d / c, aim
        }'
}

# alone WHAT MICROSECONDS [AIM]: a measurement that is compared with none. An AIM is the time not to be exceeded.
alone() {
    awk -v what="$1" -v us="$2" -v aim="${3:-}" 'BEGIN {
        if (us < 1000) value = sprintf("%.1f us", us)
        else if (us < 1000000) value = sprintf("%.2f ms", us / 1000)
        else value = sprintf("%.3f s", us / 1000000)
        if (aim == "") printf "  %-44s %12s %12s\n", what, "", value
        else printf "  %-44s %12s %12s %7s %7s  %s\n", what, "", value, "", "", aim
    }'
}

# volume_xml FORMAT KIND [MIB]: a sparse volume, of 256 MiB unless told otherwise: plain, attached, or
# linked with the given or with a generated secret.
volume_xml() {
    local secret="<secret type='passphrase' uuid='$SECRET_UUID'/>" encryption=
    local header="<header type='volume'><source pool='vault'/></header>"
    case $2 in
        attached) encryption="<encryption format='luks'>$secret</encryption>" ;;
        given) encryption="<encryption format='luks'>$secret$header</encryption>" ;;
        generated) encryption="<encryption format='luks'>$header</encryption>" ;;
    esac
    cat <<XML
<volume>
  <name>bench-$2-${3:-256}.$1</name>
  <capacity unit='MiB'>${3:-256}</capacity><allocation>0</allocation>
  <target><format type='$1'/>$encryption</target>
</volume>
XML
}

# xml_file FORMAT KIND [MIB]: the path of a file with that XML.
xml_file() {
    local file=$DAEMON_WORK/volume-$1-$2-${3:-256}.xml
    volume_xml "$@" >"$file"
    echo "$file"
}
