# shellcheck shell=bash
# What the number of links costs where it should cost nothing. See bench.sh.
#
# The links' volumes are in two directories that no pool is defined for: stock would look at each volume when
# the daemon starts, which takes longer than all else. Then the pools are there, for both daemons: what a link
# costs is what ours uses more. Each value is the least of its rounds: what grows with the number of links does so
# in each, and what else the machine does is left out.

SCALE=0
# what the plugin's daemon may take of its start for a link
SCALE_AIM="50 us"
declare -A SCALE_ONE=()

# scale_guests: the directory of the guests' records, where the daemon lives.
scale_guests() {
    if [ "$DAEMON_RUNS" = session ]; then
        echo "$DAEMON_DIR/run/libvirt/lukshdr/guests"
    else
        echo /run/libvirt/lukshdr/guests
    fi
}

# scale_grow N: from now on there are N links, and a guest's record for each hundred of them.
scale_grow() {
    local pool
    on ours
    for pool in payloads headers; do
        mkdir -p "$DAEMON_WORK/scale/$pool" || bench_fail "no directory for pools"
    done
    [ -e "$DAEMON_DIR/template" ] || header_of "$DAEMON_DIR/template"
    "$DAEMON_IN" "$BENCH/bench-fill" "$LINKS" "$DAEMON_DIR/template" "$DAEMON_WORK/scale/payloads" \
        "$DAEMON_WORK/scale/headers" $((SCALE + 1)) "$1" "$(scale_guests)" || bench_fail "volumes cannot be made"
    SCALE=$1
}

# scale_row WHAT MICROSECONDS: with the first number of links alone, with each later one beside that.
scale_row() {
    if [ -z "${SCALE_ONE[$1]:-}" ]; then
        SCALE_ONE[$1]=$2
        alone "$1" "$2"
    else
        # shellcheck disable=SC2034 # row reads it
        local LEAST=("${SCALE_ONE[$1]}" "$2") MEDIAN=("${SCALE_ONE[$1]}" "$2")
        row "$1" 0 1 1
    fi
}

# scale_link WHAT MICROSECONDS: a link's part. That of a single one is lost in what else a start takes.
scale_link() {
    [ "$SCALE" -le 1 ] || alone "$1" "$2" "$SCALE_AIM"
}

# scale_rows ROUNDS: operations on one volume of pool "data", which holds few.
scale_rows() {
    local entry
    on ours
    quick_format || bench_fail "no header can be made"
    client create 1 1 ours data "$(xml_file raw generated)"
    printf '%s\n' "$(volume_xml raw plain 16)" >"$DAEMON_WORK/scale.xml"
    virsh vol-create data "$DAEMON_WORK/scale.xml" >/dev/null || bench_fail "no volume can be made"
    # the daemon must have read them once
    virsh vol-dumpxml bench-plain-16.raw data >/dev/null || bench_fail "no volume can be shown"
    entry=$LINKS
    [ "$DAEMON_RUNS" = session ] || entry=$DAEMON_DIR/lukshdr/links
    entry=$(find "$entry" -name '*.xml' -print -quit)
    if [ "${#SCALE_ONE[@]}" -eq 0 ]; then
        section "with $SCALE links" "" ""
    else
        section "with $SCALE links" "1 link" "$SCALE"
    fi
    client changed "$1" 1 ours data "$entry"
    scale_row "vol-dumpxml after a link has changed" "${LEAST[0]}"
    client delete "$1" 1 ours data "$(xml_file raw plain)" ours data "$(xml_file raw generated)"
    scale_row "vol-delete of a plain volume" "${LEAST[0]}"
    scale_row "vol-delete of a linked volume" "${LEAST[1]}"
    client create "$1" 1 ours data "$(xml_file raw generated)"
    scale_row "vol-create, formatting left out" "${LEAST[0]}"
    virsh vol-delete bench-plain-16.raw data >/dev/null
    rm -f "$BIN/qemu-img"
}

# scale_cpu: what the daemon in use has used of the processor, microseconds.
scale_cpu() {
    "$DAEMON_IN" cat "/proc/$(daemon_pid)/stat" |
        awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000000 / tick }'
}

# scale_took ROUNDS SIDE: how long that daemon takes until it answers, TOOK, and what it uses of the
# processor, CPU: microseconds, the least of each.
scale_took() {
    local round start answered
    on "$2"
    TOOK=
    CPU=
    for ((round = 0; round < $1; round++)); do
        _daemon_signal TERM || bench_fail "libvirtd ($2) does not end"
        start=$(($(date +%s%N) / 1000))
        TAP_PATIENCE=900 linked_launch &
        answered=$("$BENCH/bench-client" answers "$(bench_uri "$2")")
        wait $! || bench_fail "libvirtd ($2) does not start again"
        TOOK+="$((answered - start))"$'\n'
        CPU+="$(scale_cpu)"$'\n'
    done
    TOOK=$(sort -n <<<"${TOOK%$'\n'}" | head -n 1)
    CPU=$(sort -n <<<"${CPU%$'\n'}" | head -n 1)
}

# scale_start ROUNDS: the start, and what of it is a link's.
scale_start() {
    local all=$SCALE
    scale_took "$1" ours
    alone "start of the daemon" "$TOOK"
    scale_link "of that a link" "$(awk -v a="$TOOK" -v b="$NONE" -v n="$all" 'BEGIN { print (a - b) / n }')"
    scale_link "a link, on the processor" "$(awk -v a="$CPU" -v b="$NONE_CPU" -v n="$all" 'BEGIN { print (a - b) / n }')"
}

# scale_settled: waits until the daemon in use does nothing any more: it answers before it has looked at all
# volumes. Sets CPU.
scale_settled() {
    local before=
    CPU=$(scale_cpu)
    while [ "$CPU" != "$before" ]; do
        before=$CPU
        sleep 3
        CPU=$(scale_cpu)
    done
}

# scale_forget: there are no pools of all links any more. libvirt starts a pool of a directory that there is,
# whatever it was told, and ours refuses to undefine one that links name: so while nobody runs.
scale_forget() {
    local side dir run
    for side in stock ours; do
        on "$side"
        dir=/etc/libvirt/storage run=/run/libvirt/storage
        [ "$DAEMON_RUNS" = system ] || dir=$DAEMON_DIR/config/libvirt/storage run=$DAEMON_DIR/run/libvirt/storage/run
        _daemon_signal TERM || bench_fail "libvirtd ($side) does not end"
        "$DAEMON_IN" sh -c 'for pool in payloads headers; do
            rm -f "$1/$pool.xml" "$1/autostart/$pool.xml" "$2/$pool.xml"; done' sh "$dir" "$run"
        TAP_PATIENCE=900 linked_launch || bench_fail "libvirtd ($side) does not start again"
    done
}

# scale_active ROUNDS: the start with the pools of all links started, against stock's with the same volumes.
scale_active() {
    local side pool round start answered
    local -A took=() cpu=()
    for side in stock ours; do
        on "$side"
        for pool in payloads headers; do
            pool_make "$pool" "$DAEMON_WORK/scale/$pool" >/dev/null || bench_fail "pools cannot be made"
        done
    done
    for ((round = 0; round < $1; round++)); do
        for side in stock ours; do
            on "$side"
            scale_settled
            _daemon_signal TERM || bench_fail "libvirtd ($side) does not end"
            start=$(($(date +%s%N) / 1000))
            TAP_PATIENCE=900 linked_launch &
            answered=$("$BENCH/bench-client" answers "$(bench_uri "$side")")
            wait $! || bench_fail "libvirtd ($side) does not start again"
            scale_settled
            took[$side]+="$((answered - start))"$'\n'
            cpu[$side]+="$CPU"$'\n'
        done
    done
    for side in stock ours; do
        took[$side]=$(sort -n <<<"${took[$side]%$'\n'}" | head -n 1)
        cpu[$side]=$(sort -n <<<"${cpu[$side]%$'\n'}" | head -n 1)
    done
    section "with $SCALE links in pools that are started" stock ours
    LEAST=("${took[stock]}" "${took[ours]}" "${cpu[stock]}" "${cpu[ours]}")
    # shellcheck disable=SC2034 # row reads it
    MEDIAN=("${LEAST[@]}")
    row "start of the daemon" 0 1
    row "the same, on the processor, until it rests" 2 3
    scale_link "a link, on the processor" \
        "$(awk -v a="${cpu[ours]}" -v b="${cpu[stock]}" -v n="$SCALE" 'BEGIN { print (a - b) / n }')"
    scale_forget
}

scale() {
    local count
    on ours
    scale_took "$1" ours
    NONE=$TOOK
    NONE_CPU=$CPU
    section "without links" "" ""
    alone "start of the daemon" "$TOOK"
    for count in 1 10000 100000; do
        scale_grow "$count"
        scale_rows "$2"
        scale_start "$1"
        scale_active "$1"
    done
}
