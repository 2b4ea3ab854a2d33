# shellcheck shell=bash
# shellcheck disable=SC2034 # bench.sh reads LEAST and MEDIAN
# Reading and writing through a linked volume's chain, through attached LUKS and in a plain volume. Each is
# exported by a qemu-storage-daemon of its own, and qemu-img bench asks them in turn, over NBD: QEMU's
# block layer without a guest. See bench.sh. A value is the time of one run.

IO_DAEMONS=()

# io_node KIND FORMAT: the block node of the volume of that kind. Its secret is called key.
io_node() {
    local path=$DATA/bench-$1-256.$2 json
    case $1,$2 in
        given,*)
            json=$("$DAEMON_IN" "$BUILDDIR/tools/virt-lukshdr" chain --format json "data/${path##*/}" \
                2>/dev/null) || return
            # what names the tool gives is of no interest here
            jq '."key-secret" = "key"' <<<"${json#json:}"
            ;;
        plain,*) jq -n --arg f "$path" --arg d "$2" '{driver: $d, file: {driver: "file", filename: $f}}' ;;
        attached,raw)
            jq -n --arg f "$path" '{driver: "luks", "key-secret": "key", file: {driver: "file", filename: $f}}'
            ;;
        attached,*)
            jq -n --arg f "$path" --arg d "$2" '{driver: $d, encrypt: {format: "luks", "key-secret": "key"},
                file: {driver: "file", filename: $f}}'
            ;;
    esac
}

# io_export KIND FORMAT DIRECT: exports it at the socket KIND; DIRECT, true or false, says whether the host's
# cache is gone around.
io_export() {
    local node socket=$DAEMON_DIR/$1.sock i
    node=$(io_node "$1" "$2" | jq -c --argjson direct "$3" \
        '."node-name" = "image" | .cache = {direct: $direct, "no-flush": false}') || return
    rm -f "$socket"
    qemu-storage-daemon --object "secret,id=key,file=$DAEMON_DIR/xml/key" --blockdev "$node" \
        --nbd-server "addr.type=unix,addr.path=$socket" \
        --export type=nbd,id=export,node-name=image,name=image,writable=on </dev/null &
    IO_DAEMONS+=($!)
    for ((i = 0; i < 200; i++)); do
        ! qemu-img info "$(io_uri "$1")" >/dev/null 2>&1 || return 0
        sleep 0.05
    done
    return 1
}

io_uri() {
    echo "nbd+unix:///image?socket=$DAEMON_DIR/$1.sock"
}

# io_end: ends all exports.
io_end() {
    local pid
    for pid in "${IO_DAEMONS[@]}"; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    IO_DAEMONS=()
}

# io_run KIND OPTION...: how long qemu-img bench takes, in microseconds.
io_run() {
    local uri said
    uri=$(io_uri "$1")
    shift
    said=$(qemu-img bench -f raw "$@" "$uri") || return
    said=$(sed -n 's/^Run completed in \([0-9.]*\) seconds.*/\1/p' <<<"$said")
    [ -n "$said" ] && awk -v s="$said" 'BEGIN { printf "%.0f\n", s * 1000000 }'
}

# io_row ROUNDS WHAT OPTION...: a row for each comparison.
io_row() {
    local rounds=$1 what=$2 round i us took=('' '' '') kinds=(plain attached given)
    shift 2
    for ((round = 0; round < rounds; round++)); do
        for i in 0 1 2; do
            us=$(io_run "${kinds[i]}" "$@") || bench_fail "an export does not answer"
            took[i]+=$us$'\n'
        done
    done
    LEAST=() MEDIAN=()
    for i in 0 1 2; do
        LEAST[i]=$(sort -n <<<"${took[i]%$'\n'}" | head -n 1)
        MEDIAN[i]=$(sort -n <<<"${took[i]%$'\n'}" | sed -n "$(((rounds + 1) / 2))p")
    done
    row "$what, attached : linked" 1 2 1
    row "$what, plain : linked" 0 2
}

# bench_io ROUNDS: each volume is written to as a whole first, so that nothing measured has to be allocated.
bench_io() {
    local rounds=$1 format kind direct host
    at_exit io_end
    on ours
    (umask 077 && printf %s "$PASSPHRASE" >"$DAEMON_DIR/xml/key")
    for format in raw qcow2; do
        for kind in plain attached given; do
            virsh vol-create data "$(xml_file $format $kind)" >/dev/null || bench_fail "no volume for I/O"
        done
        for direct in false true; do
            host="with the host's cache"
            [ $direct = false ] || host="without the host's cache"
            for kind in plain attached given; do
                io_export "$kind" $format $direct || bench_fail "a volume cannot be exported"
                io_run "$kind" -w -c 256 -s 1M >/dev/null || bench_fail "a volume cannot be written to"
            done
            section "I/O, $format, $host" "" ""
            io_row "$rounds" "write, 64 KiB" -w -c 4096 -s 64k -d 8
            io_row "$rounds" "read, 64 KiB" -c 4096 -s 64k -d 8
            # steps of many MiB, which wrap around at the end
            io_row "$rounds" "write, 4 KiB here and there" -w -c 8192 -s 4k -S 165900288 -d 8
            io_row "$rounds" "read, 4 KiB here and there" -c 8192 -s 4k -S 165900288 -d 8
            io_end
        done
        for kind in plain attached given; do
            virsh vol-delete "bench-$kind-256.$format" data >/dev/null
        done
    done
}
