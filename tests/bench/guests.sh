# shellcheck shell=bash
# Starting guests, and what their disks cost in use. See bench.sh. A guest is started until its QEMU has all
# disks open, and goes no further.

# guest_volumes SIDE COUNT KIND FORMAT: volumes guest-KIND-N.FORMAT of that kind, where there are none yet.
guest_volumes() {
    local i name
    on "$1"
    for ((i = 1; i <= $2; i++)); do
        name=guest-$3-$i.$4
        ! virsh vol-path "$name" data >/dev/null 2>&1 || continue
        volume_xml "$4" "$3" | sed "s|<name>.*</name>|<name>$name</name>|" >"$DAEMON_DIR/xml/guest.xml"
        virsh vol-create data "$DAEMON_DIR/xml/guest.xml" >/dev/null ||
            bench_fail "volume $name ($1) cannot be made"
    done
}

# guests_xml NAME DISKS: the path of a file with the XML of a guest of that name, with the disks.
guests_xml() {
    local file=$DAEMON_DIR/xml/guest-$1.xml
    cat >"$file" <<XML
<domain type='qemu'>
  <name>bench-$1</name><memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <controller type='usb' model='none'/><memballoon model='none'/>$2
  </devices>
</domain>
XML
    echo "$file"
}

# guest_file SIDE COUNT KIND FORMAT: guests_xml of a guest that has as many disks of that kind, 0 for none.
guest_file() {
    local i disks='' inner='' letters=abcdefghijklmnopqrstuvwxyz
    on "$1"
    [ "$3" != attached ] ||
        inner="<encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption>"
    for ((i = 1; i <= $2; i++)); do
        disks+="<disk type='file' device='disk'><driver name='qemu' type='$4'/>
          <source file='$DATA/guest-$3-$i.$4'>$inner</source>
          <target dev='vd${letters:i-1:1}' bus='virtio'/></disk>"
    done
    guests_xml "$2-$3-$4" "$disks"
}

# guests_open ROUNDS COUNT: QEMU's own part of the difference, which no plugin can make less: a storage daemon opens as many
# plain images, or linked ones whose headers are stretched as little as QEMU allows.
guests_open() {
    local rounds=$1 count=$2 round i side start took=('' '') plain=() linked=() dir=$DAEMON_DIR/open
    { rm -rf "$dir" && mkdir "$dir" && (umask 077 && printf %s "$PASSPHRASE" >"$dir/key") &&
        header_of "$dir/header" 1; } || bench_fail "no header can be made"
    linked=(--object "secret,id=key,file=$dir/key")
    for ((i = 1; i <= count; i++)); do
        { truncate -s 256M "$dir/$i" && cp "$dir/header" "$dir/$i.luks"; } || bench_fail "no images can be made"
        plain+=(--blockdev "$(jq -cn --arg name "n$i" --arg file "$dir/$i" \
            '{driver: "raw", "node-name": $name, file: {driver: "file", filename: $file}}')")
        linked+=(--blockdev "$(jq -cn --arg name "n$i" --arg file "$dir/$i" \
            '{driver: "luks", "node-name": $name, "key-secret": "key", file: {driver: "file", filename: $file},
              header: {driver: "file", filename: ($file + ".luks"), "read-only": true}}')")
    done
    for ((round = 0; round < rounds; round++)); do
        for side in 0 1; do
            local args=("${plain[@]}")
            [ $side = 0 ] || args=("${linked[@]}")
            start=$(($(date +%s%N) / 1000))
            # it returns when it has opened all
            qemu-storage-daemon --daemonize --pidfile "$dir/pid" "${args[@]}" || bench_fail "QEMU cannot open the images"
            took[side]+="$(($(date +%s%N) / 1000 - start))"$'\n'
            kill "$(cat "$dir/pid")"
            for ((i = 0; i < 200; i++)); do
                [ -e "$dir/pid" ] || break
                sleep 0.05
            done
        done
    done
    of_rounds "${took[@]}"
    row "QEMU's part: opening $count, plain : linked" 0 1
    rm -rf "$dir"
}

# bench_guests ROUNDS: a guest of each kind in turn. That the linked ones are really started on their
# chain, and not as random bytes, is seen first.
bench_guests() {
    local rounds=$1 format argv
    section "start of a guest" stock ours
    for format in raw qcow2; do
        guest_volumes stock 1 plain $format
        guest_volumes ours 1 plain $format
        guest_volumes stock 1 attached $format
        guest_volumes ours 1 generated $format
        argv=$(virsh domxml-to-native qemu-argv "$(guest_file ours 1 generated $format)") ||
            bench_fail "a guest's command line cannot be had"
        [[ $argv = *'"header"'* ]] || bench_fail "a linked disk is not opened with its header"
        client start "$rounds" 1 \
            stock data "$(guest_file stock 1 plain $format)" ours data "$(guest_file ours 1 plain $format)" \
            ours data "$(guest_file ours 1 generated $format)" \
            stock data "$(guest_file stock 1 attached $format)"
        row "$format, plain : plain" 0 1 1
        row "$format, plain : linked, generated secret" 0 2 1.05
        row "$format, attached : linked, generated secret" 3 2
    done
    guest_volumes stock 16 plain raw
    guest_volumes ours 16 generated raw
    client start "$rounds" 1 stock data "$(guest_file stock 16 plain raw)" \
        ours data "$(guest_file ours 16 generated raw)" stock data "$(guest_file stock 0 plain raw)"
    row "16 disks, plain : linked, generated secret" 0 1 1.1
    row "no disk : 16 linked" 2 1
    guests_open "$rounds" 16

    section "stop of a guest" stock ours
    client stop "$rounds" 1 stock data "$(guest_file stock 16 plain raw)" \
        ours data "$(guest_file ours 16 generated raw)"
    row "16 disks, plain : linked, generated secret" 0 1
}
