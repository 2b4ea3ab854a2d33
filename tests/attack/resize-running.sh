#!/bin/bash
# vol-resize of a payload that a guest uses is refused: the payload neither loses its end nor grows without the
# guest hearing of it.

# shellcheck disable=SC2317 # many functions are called by way of try
# shellcheck disable=SC2034 # read by eval
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_command qemu-system-x86_64 qemu-img

TEXT="what only the guest may know: $RANDOM $RANDOM"
try "a host with linked volumes" eval 'linked_start && quick_keys && create r raw && create q qcow2'
try "a guest uses both" guest_boot demo "$(disk_xml vda "$DATA/r" raw)" "$(disk_xml vdb "$DATA/q" qcow2)"
try "and writes to their last sectors" eval 'guest_fill demo vda "$TEXT" && guest_fill demo vdb "$TEXT"'
try "they are on the disk" guest_run demo sync

size=$(stat -c %s "$DATA/r")
for volume in r q; do
    for how in "8M data --shrink" "4M data --delta --shrink" "64M data" "4M data --delta"; do
        # shellcheck disable=SC2086 # words
        refuse "vol-resize $volume $how" "virsh blockresize.*in use by the running domain 'demo'" \
            virsh vol-resize "$volume" $how
    done
    refuse "its header is never resized" "LUKS header" virsh vol-resize "$volume.luks" 8M vault
done
same "the raw payload is as long as it was" "$(stat -c %s "$DATA/r")" "$size"
try "the guest reads what it wrote" eval 'guest_filled demo vda "$TEXT" && guest_filled demo vdb "$TEXT"'
try "blockresize does it" virsh blockresize demo vda 24M
try "the guest is told" waited guest_run demo '[ "$(blockdev --getsize64 "$(disk vda)")" -eq 25165824 ]'
head -c 65536 /dev/zero >"$DAEMON_DIR/zeroes"
refuse "nothing is written over it" "in use by the running domain" virsh vol-upload r "$DAEMON_DIR/zeroes" data
guest_stop demo >/dev/null 2>&1
try "stopped, it is made larger" virsh vol-resize r 32M data
same "to that size" "$(stat -c %s "$DATA/r")" $((32 * 1024 * 1024))
try "and cut off" virsh vol-resize r 8M data --shrink
virsh vol-delete r data >/dev/null
virsh vol-delete q data >/dev/null
nothing_left "in the end"
finish
