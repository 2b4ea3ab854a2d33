# shellcheck shell=bash
# vol-create, vol-delete and vol-wipe. See bench.sh.

# Without QEMU's formatting: first of all, since the daemon remembers which of QEMU's tools can format.
bench_create_rest() {
    on ours
    quick_format || bench_fail "no header can be made"
    client create "$1" 1 stock data "$(xml_file raw plain)" ours data "$(xml_file raw plain)" \
        ours data "$(xml_file raw generated)"
    rm -f "$BIN/qemu-img"
    REST=${MEDIAN[2]}
}

bench_create() {
    local rounds=$1 format formatted
    bench_create_rest $((rounds * 3))
    section "vol-create" stock ours
    row "plain raw : plain raw" 0 1 1
    for format in raw qcow2; do
        client create "$rounds" 1 \
            stock data "$(xml_file $format attached)" ours data "$(xml_file $format generated)" \
            ours data "$(xml_file $format given)" stock data "$(xml_file $format plain)"
        row "$format, attached : linked, generated secret" 0 1 0.5
        row "$format, attached : linked, given secret" 0 2
        row "$format, plain : linked, generated secret" 3 1
    done
    formatted=$("$BENCH/bench-registry" --format "$DAEMON_WORK/format.luks") || bench_fail "no formatting"
    rm -f "$DAEMON_WORK/format.luks"
    alone "of that: QEMU formats, generated secret" "$(sed -n 's/^format //p' <<<"$formatted")"
    alone "  the first time in a daemon's life" "$(sed -n 's/^format-first //p' <<<"$formatted")"
    alone "of that: all the rest" "$REST"
}

bench_wipe() {
    local rounds=$1
    on ours
    quick_format || bench_fail "no header can be made"
    client wipe "$rounds" 1 ours data "$(xml_file raw generated 1024)" \
        ours data "$(xml_file raw generated 65536)" stock data "$(xml_file raw plain 1024)" \
        stock data "$(xml_file raw plain 65536)"
    section "vol-wipe, sparse raw" "" ""
    row "linked, 1 GiB : 64 GiB" 0 1 1
    row "stock plain (truncated only), 1 GiB : 64 GiB" 2 3
    client delete "$rounds" 1 stock data "$(xml_file raw plain)" ours data "$(xml_file raw generated)"
    section "vol-delete, sparse raw" stock ours
    row "plain : linked, key material destroyed" 0 1
    rm -f "$BIN/qemu-img"
}
