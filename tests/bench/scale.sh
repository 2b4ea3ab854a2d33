# shellcheck shell=bash
# What the number of links costs where it should cost nothing. See bench.sh.
#
# The links' volumes are in two pools. With both defined, stock looks at each volume when the daemon starts,
# which takes longer than all else; so the start is measured with the pools, against stock, and without.

SCALE=0

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
    section "with $SCALE links" "" ""
    client changed "$1" 1 ours data "$entry"
    alone "vol-dumpxml after a link has changed" "${MEDIAN[0]}"
    client delete "$1" 1 ours data "$(xml_file raw plain)" ours data "$(xml_file raw generated)"
    alone "vol-delete of a plain volume" "${MEDIAN[0]}"
    alone "vol-delete of a linked volume" "${MEDIAN[1]}"
    client create "$1" 1 ours data "$(xml_file raw generated)"
    alone "vol-create, formatting left out" "${MEDIAN[0]}"
    virsh vol-delete bench-plain-16.raw data >/dev/null
    rm -f "$BIN/qemu-img"
}

# scale_took ROUNDS SIDE: how long that daemon takes until it answers, microseconds, the least.
scale_took() {
    local round start answered least=
    on "$2"
    for ((round = 0; round < $1; round++)); do
        _daemon_signal TERM || bench_fail "libvirtd ($2) does not end"
        start=$(($(date +%s%N) / 1000))
        TAP_PATIENCE=900 linked_launch &
        answered=$("$BENCH/bench-client" answers "$(bench_uri "$2")")
        wait $! || bench_fail "libvirtd ($2) does not start again"
        [ -n "$least" ] && [ "$least" -le $((answered - start)) ] || least=$((answered - start))
    done
    TOOK=$least
}

# scale_start ROUNDS: the start, and what of it is a link's; ALONE is the daemon's time without links.
scale_start() {
    scale_took "$1" ours
    alone "start of the daemon, $SCALE links" "$TOOK"
    alone "of that, a link" "$(awk -v a="$TOOK" -v b="$SCALE_NONE" -v n="$SCALE" 'BEGIN { print (a - b) / n }')"
}

scale() {
    local count
    on ours
    scale_took "$1" ours
    SCALE_NONE=$TOOK
    section "without links" "" ""
    alone "start of the daemon" "$TOOK"
    for count in 1 10000 100000; do
        scale_grow "$count"
        scale_rows "$2"
        scale_start "$1"
    done
}
