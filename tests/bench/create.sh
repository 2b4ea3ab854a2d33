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

# bench_burst N: N volumes with generated secrets in a row, beside what STOCK_LEAST and STOCK say that one with attached LUKS
# takes; and how long it takes then until headers are ready again.
bench_burst() {
    local from start
    from=$(bench_log)
    client burst 1 "$1" ours data "$(xml_file raw generated)"
    start=$(($(date +%s%N) / 1000))
    LEAST=("$STOCK_LEAST" "${LEAST[0]}") MEDIAN=("$STOCK" "${MEDIAN[0]}")
    row "attached : linked, burst of $1, each" 0 1 0.05
    bench_ready "$from"
    alone "  until headers are ready again" $(($(date +%s%N) / 1000 - start))
}

# bench_create ROUNDS BURST...
bench_create() {
    local rounds=$1 format formatted first from burst
    shift
    bench_create_rest $((rounds * 3))
    section "vol-create" stock ours
    row "plain raw : plain raw" 0 1 1
    # the first of all is not prepared
    from=$(bench_log)
    client create 1 1 ours data "$(xml_file raw generated)"
    first=${MEDIAN[0]}
    bench_ready "$from"
    for format in raw qcow2; do
        from=$(bench_log)
        client create "$rounds" 1 \
            stock data "$(xml_file $format attached)" ours data "$(xml_file $format generated)" \
            ours data "$(xml_file $format given)" stock data "$(xml_file $format plain)"
        row "$format, attached : linked, generated secret" 0 1 0.05
        row "$format, attached : linked, given secret" 0 2
        row "$format, plain : linked, generated secret" 3 1
        [ $format = qcow2 ] || STOCK_LEAST=${LEAST[0]} STOCK=${MEDIAN[0]}
    done
    alone "the first with a generated secret" "$first"
    bench_ready "$from"
    for burst; do
        bench_burst "$burst"
    done
    formatted=$("$BENCH/bench-registry" --format "$DAEMON_WORK/format.luks") || bench_fail "no formatting"
    rm -f "$DAEMON_WORK/format.luks"
    alone "to make a header for a generated secret" "$(sed -n 's/^format //p' <<<"$formatted")"
    alone "  the first time in a daemon's life" "$(sed -n 's/^format-first //p' <<<"$formatted")"
    alone "of vol-create: all the rest" "$REST"
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
