# shellcheck shell=bash
# shellcheck disable=SC2034 # bench.sh reads LEAST and MEDIAN
# Reading and writing through a linked volume's chain, through attached LUKS and in a plain volume. Each is
# exported by a qemu-storage-daemon of its own, and qemu-img bench asks them in turn, over NBD: QEMU's
# block layer without a guest. See bench.sh. A value is the time of one run.

IO_DAEMONS=()

# io_node KIND FORMAT: the block node of the volume of that kind; "rbd" is raw on Ceph. Its secret is called key.
io_node() {
    local path=$DATA/bench-$1-256.$2 pool=data volume=bench-$1-256.$2 image json
    [ "$2" != rbd ] || {
        pool=images volume=bench-$1-256.raw
        image=$(image_url "images/$volume" libvirt) && image=$(jq .file <<<"${image#json:}") || return
    }
    case $1,$2 in
        given,*)
            json=$("$DAEMON_IN" "$BUILDDIR/tools/virt-lukshdr" chain --format json "$pool/$volume" \
                2>/dev/null) || return
            # what names the tool gives is of no interest here
            jq '."key-secret" = "key" | if .file."key-secret" then .file."key-secret" = "ceph-libvirt" else . end' \
                <<<"${json#json:}"
            ;;
        plain,rbd) jq '{driver: "raw", file: .}' <<<"$image" ;;
        attached,rbd) jq '{driver: "luks", "key-secret": "key", file: .}' <<<"$image" ;;
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

# io_export KIND FORMAT DIRECT: exports it at the socket KIND; DIRECT, true or false, says whether the
# cache, which is the host's or librbd's, is gone around.
io_export() {
    local node socket=$DAEMON_DIR/$1.sock i objects=(--object "secret,id=key,file=$DAEMON_DIR/xml/key")
    [ "$2" != rbd ] || objects+=(--object "$(image_key libvirt)")
    node=$(io_node "$1" "$2" | jq -c --argjson direct "$3" \
        '."node-name" = "image" | .cache = {direct: $direct, "no-flush": false}') || return
    rm -f "$socket"
    qemu-storage-daemon "${objects[@]}" --blockdev "$node" \
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
    of_rounds "${took[@]}"
    row "$what, attached : linked" 1 2 1
    row "$what, plain : linked" 0 2
}

# io_volume KIND FORMAT: makes the volume. Stock makes no attached LUKS on Ceph, so QEMU does.
io_volume() {
    if [ "$2" != rbd ]; then
        virsh vol-create data "$(xml_file "$2" "$1")"
    elif [ "$1" != attached ]; then
        virsh vol-create images "$(xml_file raw "$1")"
    else
        rbd_attached "bench-attached-256.raw"
    fi
}

# io_format ROUNDS FORMAT: each volume is written to as a whole first, so that nothing measured has to be allocated.
io_format() {
    local rounds=$1 format=$2 kind direct host whose="the host's"
    [ "$format" != rbd ] || whose="librbd's"
    on ours
    (umask 077 && printf %s "$PASSPHRASE" >"$DAEMON_DIR/xml/key")
    for kind in plain attached given; do
        io_volume "$kind" "$format" >/dev/null || bench_fail "no volume for I/O"
    done
    for direct in false true; do
        for kind in plain attached given; do
            io_export "$kind" "$format" $direct || bench_fail "a volume cannot be exported"
            io_run "$kind" -w -c 256 -s 1M >/dev/null || bench_fail "a volume cannot be written to"
        done
        host="with $whose cache"
        [ $direct = false ] || host="without $whose cache"
        section "I/O, $format, $host" "" ""
        io_row "$rounds" "write, 64 KiB" -w -c 4096 -s 64k -d 8
        io_row "$rounds" "read, 64 KiB" -c 4096 -s 64k -d 8
        # steps of many MiB, which wrap around at the end
        io_row "$rounds" "write, 4 KiB here and there" -w -c 8192 -s 4k -S 165900288 -d 8
        io_row "$rounds" "read, 4 KiB here and there" -c 8192 -s 4k -S 165900288 -d 8
        io_end
    done
    for kind in plain attached given; do
        if [ "$format" != rbd ]; then
            virsh vol-delete "bench-$kind-256.$format" data
        elif [ "$kind" != attached ]; then
            virsh vol-delete "bench-$kind-256.raw" images
        else
            rbd rm "images/bench-$kind-256.raw" --no-progress
        fi
    done >/dev/null
}

bench_io() {
    at_exit io_end
    io_format "$1" raw
    io_format "$1" qcow2
}
