#!/bin/bash
# The chain on a real QEMU: what lukshdrChainToJSON and lukshdrChainToFormat write is opened by qemu-io and
# qemu-storage-daemon, for every format a payload can have, with file names that break careless quoting.
# Needs no libvirt; root only for the part on block devices.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/tap.sh"

need_command qemu-img qemu-io qemu-storage-daemon
CHAIN_JSON=${BUILDDIR:-build}/tests/chain-json
[ -x "$CHAIN_JSON" ] || skip_all "needs $CHAIN_JSON: build first, or set BUILDDIR"

DIR=$(mktemp -d) || exit 1
at_exit rm -rf "$DIR"
# ASan's report of a leak would be taken for an answer of the helper
export ASAN_OPTIONS=detect_leaks=1:log_path="$DIR/asan"

SECRET=secret,id=sec0,data=abc123
AWKWARD=$'a"b\'c\\d\\n,,e = {f} %s $g &<h>;i\tj k\xc3\xa4\xe2\x82\xac\nl'

# qsd_start ARGUMENT...: a qemu-storage-daemon, spoken to with qmp.
qsd_start() {
    coproc QSD { exec qemu-storage-daemon --chardev stdio,id=qmp --monitor chardev=qmp "$@" 2>&1; }
    qmp '{"execute":"qmp_capabilities"}'
}

# qmp COMMAND: sends it; what is answered is in $OUT, events on the way are not.
qmp() {
    printf '%s\n' "$1" >&"${QSD[1]}" || return 1
    while IFS= read -t "$TAP_PATIENCE" -r OUT <&"${QSD[0]}"; do
        OUT=${OUT%$'\r'}
        case $OUT in
        '{"return"'*) return 0 ;;
        '{"error"'*) return 1 ;;
        esac
        case $OUT in
        '{"timestamp"'* | '{"QMP"'*) ;;
        *) return 1 ;; # it does not run, and says why
        esac
    done
    return 1
}

# qmp_event REGEX: waits until an event matches it.
qmp_event() {
    local line
    while IFS= read -t "$TAP_PATIENCE" -r line <&"${QSD[0]}"; do
        [[ $line =~ $1 ]] && return 0
    done
    return 1
}

qsd_stop() {
    local pid=$QSD_PID
    qmp '{"execute":"quit"}'
    wait "$pid"
}

# make_header FILE: a detached LUKS header, made as QEMU 10.0.2 can (its qemu-img cannot).
make_header() {
    truncate -s 4M "$1" || return 1
    qsd_start --object "$SECRET" --blockdev driver=file,node-name=hdr,filename="$1" &&
        qmp '{"execute":"blockdev-create","arguments":{"job-id":"j","options":{"driver":"luks",
            "header":"hdr","size":0,"key-secret":"sec0","iter-time":10}}}' &&
        qmp_event '"status": "concluded"' && qmp '{"execute":"query-jobs"}' &&
        [[ $OUT != *'"error":'* ]] && qsd_stop
}

xml_text() {
    printf %s "$1" | sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/"/\&quot;/g'
}

# identity FILE: as the kernel has it, so that block devices are told from files.
identity() {
    if [ -b "$1" ]; then
        echo "<identity type='block' dev='1793'/>"
    else
        stat -c "<identity type='file' dev='%d' inode='%i' birth='0.000000000'/>" "$1"
    fi
}

# make_link XML PAYLOAD FORMAT HEADER [yes]: the link file, yes for a shared header.
make_link() {
    cat >"$1" <<XML
<link state='active'>
  <uuid>5a3d3a1c-6f0e-4b56-9d0c-3e3b7f5f2c11</uuid>
  <payload pool='images' volume='data' format='$3'>
    <path>$(xml_text "$2")</path>$(identity "$2")
  </payload>
  <header pool='vault' volume='data.luks' shared='${5:-no}'>
    <path>$(xml_text "$4")</path>$(identity "$4")
  </header>
  <luks uuid='0d1c8a55-7d2c-4a10-8c1d-9a4f5b6f7a33'/>
  <secret uuid='c4f0d4de-92f5-4f0e-8f25-6d1d5a0f3e77'/>
</link>
XML
}

# io [-r] JSON COMMAND...: qemu-io, which exits with 0 for most failures, so that its words count, too.
io() {
    local json command args=()
    if [ "$1" = -r ]; then
        args=(-r)
        shift
    fi
    json=$1
    shift
    for command; do
        args+=(-c "$command")
    done
    qemu-io --object "$SECRET" "${args[@]}" "json:$json" 2>&1 | tee "$DIR/io"
    [ "${PIPESTATUS[0]}" -eq 0 ] && ! grep -Eqi 'fail|error|could not' "$DIR/io"
}

# Sixteen bytes of the pattern in a row do not happen in ciphertext.
holds_plaintext() {
    grep -q ZZZZZZZZZZZZZZZZ "$1"
}

no_plaintext() {
    ! holds_plaintext "$1"
}

# round_trip WHAT PAYLOAD JSON: what is written through the chain comes back, and is not in the payload.
round_trip() {
    try "$1: data is written" io "$3" 'write -P 0x5a 0 1M' 'write -P 0x5a 3M 64k'
    try "$1: the same data is read" io "$3" 'read -P 0x5a 0 1M' 'read -P 0x5a 3M 64k'
    refuse "$1: other data is noticed" 'Pattern verification failed' io "$3" 'read -P 0x5b 0 1M'
    try "$1: the payload does not hold the plaintext" no_plaintext "$2"
}

# --- the means of this test tell one thing from the other

truncate -s 4M "$DIR/plain.img"
qemu-io -f raw -c 'write -P 0x5a 0 1M' "$DIR/plain.img" >/dev/null
try "plaintext is found where it is" holds_plaintext "$DIR/plain.img"

try "a detached header is made" make_header "$DIR/header"

# --- awkward names

mkdir "$DIR/$AWKWARD"
cp "$DIR/header" "$DIR/$AWKWARD/$AWKWARD.luks"
for format in raw qcow2; do
    payload=$DIR/$AWKWARD/json:$AWKWARD.$format
    qemu-img create -q -f "$format" "$DIR/payload" 16M
    mv "$DIR/payload" "$payload"
    make_link "$DIR/link.xml" "$payload" "$format" "$DIR/$AWKWARD/$AWKWARD.luks"
    try "$format, awkward names: the chain is written" "$CHAIN_JSON" "$DIR/link.xml" libvirt-2 sec0
    round_trip "$format, awkward names" "$payload" "$OUT"

    json=$("$CHAIN_JSON" "$DIR/link.xml" libvirt-2 sec0 ro)
    try "$format: a read-only chain is read" io -r "$json" 'read -P 0x5a 0 1M'
    refuse "$format: and cannot be opened for writing" 'Block node is read-only' io "$json" 'write 0 4k'

    json=$("$CHAIN_JSON" "$DIR/link.xml" libvirt-2 none)
    refuse "$format: without its secret it is not opened" "No secret with id" io "$json" 'read 0 4k'
done

# --- as -blockdev: all nodes have the names of the model, and vanish with the top

json=$("$CHAIN_JSON" "$DIR/link.xml" libvirt-2 sec0)
try "qemu-storage-daemon opens the chain" qsd_start --object "$SECRET" --blockdev "$json"
qmp '{"execute":"query-named-block-nodes","arguments":{"flat":true}}'
for name in format payload storage header-format header-storage; do
    like "node libvirt-2-$name is there" "$OUT" "\"node-name\": \"libvirt-2-$name\""
done
qmp '{"execute":"blockdev-del","arguments":{"node-name":"libvirt-2-format"}}'
qmp '{"execute":"query-named-block-nodes"}'
same "no node is left when the top is deleted" "$OUT" '{"return": []}'
qsd_stop

# --- names as long as QEMU takes them

for prefix in xxxxxxxxxxxxxxxx xxxxxxxxxxxxxxxxxxxxxxx; do
    json=$("$CHAIN_JSON" "$DIR/link.xml" "$prefix" sec0)
    try "QEMU takes the names of a prefix of ${#prefix} bytes" io "$json" 'read -P 0x5a 0 1M'
done

# --- every format that can hold a payload

for format in raw qcow2 qcow qed vmdk vdi vpc vhdx:vhd parallels:ploop; do
    payload=$DIR/data.${format%:*}
    try "a payload of format ${format%:*} is made" qemu-img create -f "${format%:*}" "$payload" 16M
    make_link "$DIR/link.xml" "$payload" "${format#*:}" "$DIR/header"
    round_trip "${format%:*}" "$payload" "$("$CHAIN_JSON" "$DIR/link.xml" libvirt-2 sec0)"
done

# --- in the place of libvirt's format layer, over libvirt's storage node

make_link "$DIR/link.xml" "$DIR/data.qcow2" qcow2 "$DIR/header"
cat >"$DIR/stock.json" <<'JSON'
{"node-name":"libvirt-2-format","read-only":false,"discard":"unmap","detect-zeroes":"unmap",
 "cache":{"direct":false,"no-flush":true},"driver":"qcow2",
 "encrypt":{"format":"luks","key-secret":"sec0"},"cache-size":33554432,"discard-no-unref":true,
 "file":"libvirt-2-storage","backing":null}
JSON
try "libvirt's format layer is rewritten" "$CHAIN_JSON" "$DIR/link.xml" --stock "$DIR/stock.json"
json=$OUT
try "QEMU takes it, over libvirt's storage node" qsd_start --object "$SECRET" \
    --blockdev "{\"driver\":\"file\",\"filename\":\"$DIR/data.qcow2\",\"node-name\":\"libvirt-2-storage\",
        \"auto-read-only\":true,\"discard\":\"unmap\",\"cache\":{\"direct\":false,\"no-flush\":true}}" \
    --blockdev "$json"
qmp '{"execute":"query-named-block-nodes","arguments":{"flat":true}}'
nodes=${OUT//'"iops_rd"'/$'\n'} # each node begins with it
for name in format payload header-format header-storage; do
    case $name in
    header-*) wanted=false ;;
    *) wanted=true ;;
    esac
    like "cache mode \"unsafe\", no-flush of libvirt-2-$name: $wanted" \
        "$(grep "\"node-name\": \"libvirt-2-$name\"" <<<"$nodes")" "\"no-flush\": $wanted"
done
qmp '{"execute":"blockdev-del","arguments":{"node-name":"libvirt-2-format"}}'
qmp '{"execute":"query-named-block-nodes","arguments":{"flat":true}}'
like "libvirt's storage node stays when the top is deleted" "$OUT" '"node-name": "libvirt-2-storage"'
same "and nothing else" "$(grep -o '"node-name": "[^"]*"' <<<"$OUT")" '"node-name": "libvirt-2-storage"'
qsd_stop

# --- one header, two disks of a machine (qemu-io would share what it writes to, a device does not)

machine() {
    echo quit | timeout "$TAP_PATIENCE" qemu-system-x86_64 -M pc -accel tcg -m 64 -nodefaults -display none -S \
        -monitor stdio -object "$SECRET" -blockdev "$1" -blockdev "$2" \
        -device virtio-blk-pci,drive=libvirt-1-format -device virtio-blk-pci,drive=libvirt-2-format
}

if command -v qemu-system-x86_64 >/dev/null; then
    qemu-img create -q -f qcow2 "$DIR/second.qcow2" 16M
    for shared in no yes; do
        make_link "$DIR/first.xml" "$DIR/data.qcow2" qcow2 "$DIR/header" $shared
        make_link "$DIR/second.xml" "$DIR/second.qcow2" qcow2 "$DIR/header" $shared
        first=$("$CHAIN_JSON" "$DIR/first.xml" libvirt-1 sec0)
        second=$("$CHAIN_JSON" "$DIR/second.xml" libvirt-2 sec0)
        if [ $shared = yes ]; then
            try "two disks of a machine use a shared header" machine "$first" "$second"
        else
            refuse "two disks of a machine cannot use a header that is not shared" \
                'Failed to get "write" lock' machine "$first" "$second"
        fi
    done
else
    skip "a shared header" "needs qemu-system-x86_64"
fi

# --- block devices

if [ "$(id -u)" -eq 0 ] && command -v losetup >/dev/null &&
    truncate -s 16M "$DIR/block.img" && cp "$DIR/header" "$DIR/block.luks" &&
    payload=$(losetup -f --show "$DIR/block.img" 2>/dev/null) && at_exit losetup -d "$payload" &&
    header=$(losetup -f --show "$DIR/block.luks" 2>/dev/null) && at_exit losetup -d "$header"; then
    make_link "$DIR/link.xml" "$payload" raw "$header"
    json=$("$CHAIN_JSON" "$DIR/link.xml" libvirt-2 sec0)
    like "block devices: the driver is host_device" "$json" '"host_device".*"host_device"'
    round_trip "block devices" "$payload" "$json"
else
    skip "block devices" "needs root and loop devices"
fi

same "a helper built with ASan reported nothing" "$(cat "$DIR"/asan.* 2>/dev/null)" ""
finish
