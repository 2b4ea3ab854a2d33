#!/bin/bash
# If the QEMU half stays out of the way, guests are as with stock libvirt, and QEMU refuses a linked payload whose
# disk has an <encryption>: no guest gets ciphertext to overwrite.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64

daemon_use host
SHIM=$(preload unsuited) || skip_all "no compiler for tests/lib/unsuited.c"

attach() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    virsh attach-device plain "$DAEMON_DIR/disk.xml" --live
}

start_with() {
    virsh undefine victim >/dev/null 2>&1
    guest_define victim "$1" && virsh start victim
}

payloads() {
    (cd "$DAEMON_IMAGES" && sha256sum data/*.raw data/*.qcow2 vault/*)
}

# passive HOW REASON SETTING...: restarts the daemon with the environment SETTING.
passive() {
    local how=$1 reason=$2 lines
    shift 2
    lines=$(wc -l <"$DAEMON_LOG")
    export DAEMON_WRAPPER="env LD_PRELOAD=$SHIM $*"
    try "$how: the daemon starts" linked_launch
    like "$how: it says that the QEMU half does nothing, and why" \
        "$(tail -n "+$((lines + 1))" "$DAEMON_LOG" | grep 'error : ')" "stays out of the way.*cannot be used as disks.*$reason"
}

# refused HOW: no guest starts with a linked payload, nor is given one.
refused() {
    local volume format before
    before=$(payloads)
    for volume in r.raw q.qcow2; do
        format=${volume#*.}
        # QEMU's own words on what is no LUKS volume
        refuse "$1: no guest starts with $volume" "not in LUKS format|[Nn]o encryption|encrypt" \
            start_with "$(disk_xml vda "data/$volume" "$format" "$SECRET_UUID")"
        [ "$(virsh domstate plain 2>&1)" != running ] ||
            refuse "$1: $volume is not plugged in" "not in LUKS format|[Nn]o encryption|encrypt" \
                attach "$(disk_xml vdb "data/$volume" "$format" "$SECRET_UUID")"
    done
    same "$1: not a byte of payload and header has changed" "$(payloads)" "$before"
    same "$1: nor their access, and no record is left" "$(traces victim r.raw q.qcow2)" "$ACCESS"
}

try "a host with linked volumes in raw and qcow2" \
    eval 'linked_start && create r.raw raw && create q.qcow2 qcow2'
ACCESS=$(traces victim r.raw q.qcow2)
virsh vol-create-as data plain.img 16M --format raw
virsh vol-create-as data more.img 16M --format raw

passive "without a symbol" "virStorageEncryptionParseNode" UNSUITED=symbol=virStorageEncryptionParseNode
try "a guest with a plain disk starts" guest_boot plain "$(disk_xml vda data/plain.img raw)"
try "it writes to it" guest_fill plain vda text
refused "without a symbol"
try "another plain disk is plugged in" attach "$(disk_xml vdb "$DATA/more.img" raw)"
try "it writes to that" guest_fill plain vdb text
try "which is unplugged" eval 'virsh detach-disk plain vdb --live && disk_gone plain vdb'
same "plain disks are plain nodes" "$(nodes plain | grep -cE ' luks$')" 0

passive "on a libvirt too new" "99\.0\.0" UNSUITED=version
refused "on a libvirt too new"
try "the guest that was there goes on" guest_filled plain vda text
guest_stop plain
same "and leaves nothing" "$(traces plain r.raw q.qcow2)" "$ACCESS"

export DAEMON_WRAPPER=
try "the daemon starts as it should" linked_launch
try "and a guest starts with a linked volume" start_with "$(disk_xml vda data/q.qcow2 qcow2 "$SECRET_UUID")"
virsh destroy victim
same "and leaves nothing" "$(traces victim r.raw q.qcow2)" "$ACCESS"
finish
