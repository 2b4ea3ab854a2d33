# shellcheck shell=bash
# Pools with many volumes. See bench.sh. Both daemons look at the same two directories: raw payloads are
# to stock as many plain volumes, and headers are LUKS volumes.

MANY=0

# many_pools: the pools "payloads" and "headers" of both daemons.
many_pools() {
    local side pool
    for pool in payloads headers; do
        mkdir -p "$DAEMON_WORK/many/$pool" || return
        for side in stock ours; do
            on "$side"
            pool_make "$pool" "$DAEMON_WORK/many/$pool" >/dev/null || return
        done
    done
    on ours
    [ -e "$DAEMON_DIR/template" ] || header_of "$DAEMON_DIR/template"
}

# many_shows POOL VOLUME OTHER: whether VOLUME is shown as half of a linked volume whose other half is OTHER.
many_shows() {
    virsh vol-dumpxml "$2" "$1" | grep -qF "volume='$3'"
}

# many_grow N: from now on there are N linked volumes, by which one that vol-create did not make is shown
# as one by vol-dumpxml.
many_grow() {
    local side volume
    on ours
    "$DAEMON_IN" "$BENCH/bench-fill" "$LINKS" "$DAEMON_DIR/template" "$DAEMON_WORK/many/payloads" \
        "$DAEMON_WORK/many/headers" $((MANY + 1)) "$1" || bench_fail "volumes cannot be made"
    MANY=$1
    for side in stock ours; do
        on "$side"
        { virsh pool-refresh payloads && virsh pool-refresh headers; } >/dev/null ||
            bench_fail "the pools cannot be refreshed"
    done
    for volume in 1 $(((MANY + 1) / 2)) "$MANY"; do
        volume=$(printf 'volume-%05d.raw' "$volume")
        { many_shows payloads "$volume" "$volume.luks" && many_shows headers "$volume.luks" "$volume"; } ||
            bench_fail "$volume is no linked volume"
    done
}

# many_secrets: each of them gets a secret, as vol-create generates them, in both daemons.
many_secrets() {
    client secrets 1 "$MANY" stock payloads - ours payloads -
}

many_rows() {
    local rounds=$1 calls=$2 what
    section "with $MANY linked volumes : $MANY volumes" stock ours
    for what in "path, key:path" "look-up by name:by-name" "look-up by key and by path:by-key-and-path" \
        "vol-dumpxml:dumpxml"; do
        client "${what##*:}" "$rounds" "$calls" stock payloads - ours payloads -
        row "${what%:*}" 0 1
    done
    client dumpxml "$rounds" "$calls" stock headers - ours headers -
    row "vol-dumpxml of headers" 0 1
    client list "$rounds" 1 stock payloads - ours payloads -
    row "vol-list" 0 1
    client refresh "$rounds" 1 stock payloads - ours payloads - stock headers - ours headers -
    row "pool-refresh of payloads" 0 1 1.25
    row "pool-refresh of headers" 2 3 1.25
    row "pool-refresh, stock, plain : LUKS headers" 0 2
}

# many_unit: the link registry by itself, as the QEMU half asks it.
many_unit() {
    local plain=$DAEMON_WORK/plain name us
    on ours
    : >"$plain"
    section "the link registry with $MANY links" "" ""
    while read -r name us; do
        case $name in
            first) name="first look-up of a process" ;;
            linked) name="look-up of a payload" ;;
            plain) name="look-up of another file" ;;
            after-change) name="look-up after a link has changed" ;;
            store) name="writing a link" ;;
        esac
        alone "$name" "$us"
    done < <("$DAEMON_IN" "$BENCH/bench-registry" "$LINKS" \
        "$DAEMON_WORK/many/payloads/$(printf 'volume-%05d.raw' $(((MANY + 1) / 2)))" "$plain")
    rm -f "$plain"
}

# many_start ROUNDS: how long a daemon takes until it answers, its two pools and those of bench_start
# started. The daemons are new ones afterwards.
many_start() {
    local side round start answered
    local -A took=()
    for ((round = 0; round < $1; round++)); do
        for side in stock ours; do
            on "$side"
            _daemon_signal TERM || bench_fail "libvirtd ($side) does not end"
            start=$(($(date +%s%N) / 1000))
            linked_launch &
            answered=$("$BENCH/bench-client" answers "$(bench_uri "$side")")
            wait $! || bench_fail "libvirtd ($side) does not start again"
            took[$side]+="$((answered - start))"$'\n'
        done
    done
    of_rounds "${took[stock]}" "${took[ours]}"
    row "start of the daemon" 0 1
}

# many_create ROUNDS: what the number of links adds to each creation.
many_create() {
    on ours
    quick_format || bench_fail "no header can be made"
    client create "$1" 1 ours data "$(xml_file raw generated)"
    alone "vol-create, formatting left out" "${MEDIAN[0]}"
    rm -f "$BIN/qemu-img"
}
