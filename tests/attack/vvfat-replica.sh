#!/bin/bash
# A client gives a guest a directory as a disk (vvfat), and a header's replica is in it. The guest would read the
# key material and write to it. The disk is refused, as are the directories of the header and of the payload.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_command qemu-system-x86_64 qemu-img

directory() {
    echo "<disk type='dir' device='disk'><driver name='qemu' type='fat'/><source dir='$1'/>
        <target dev='vdx' bus='virtio'/><serial>vdx</serial><readonly/></disk>"
}

attach() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    virsh attach-device eve "$DAEMON_DIR/disk.xml" --live
}

start_with() {
    virsh undefine victim >/dev/null 2>&1
    guest_define victim "$1" && virsh start victim
}

# refused HOW DIRECTORY: neither a running guest nor one that starts is given it.
refused() {
    refuse "$1: a running guest is not given it" "cannot be a disk.*r\.raw" attach "$(directory "$2")"
    virsh detach-disk eve vdx --live >/dev/null 2>&1 && disk_gone eve vdx
    refuse "$1: no guest starts with it" "cannot be a disk.*r\.raw" \
        start_with "$(directory "$2")"
    virsh destroy victim >/dev/null 2>&1
    unharmed "$1: nothing has changed"
}

try "a host with a header pool and a payload pool" linked_start
COPIES=$DAEMON_IMAGES/copies
"$DAEMON_IN" mkdir -p "$COPIES/deep" "$DAEMON_IMAGES/harmless"
# Not declared to hold headers: it is the replica in it alone that makes it one that no guest may have.
try "a pool for replicas" pool_make copies "$COPIES/deep"
try "a linked volume with a replica" eval \
    'linked_xml r.raw raw "" "pool=\"vault\"/><source pool=\"copies\"" | create_xml'
replica=$(find "$COPIES" -type f)
try "which is a header" cryptsetup isLuks "$replica"
try "a running guest" guest_boot eve
bystander "$VAULT"/* "$DATA"/* "$replica"

refused "the replica's directory" "$COPIES/deep"
refused "the one above it" "$COPIES"
ln -s "$COPIES/deep" "$DAEMON_IMAGES/other"
refused "by another name" "$DAEMON_IMAGES/other/."
refused "the header's directory" "$VAULT"
refused "the payload's directory" "$DATA"

echo "for everybody" >"$DAEMON_IMAGES/harmless/file"
try "a directory with nothing of the kind is a disk" attach "$(directory "$DAEMON_IMAGES/harmless")"

guest_stop eve
finish
