#!/bin/bash
# What a guest sees of headers that are not one file for one disk: shared by several disks, mended from a
# replica, damaged without one, put back from a backup.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 qemu-img

share() {
    linked_xml "$1" "${1#*.}" "" "pool='vault' volume='$2'" |
        sed "s/<header type='volume'>/<header type='volume' link='share'>/; /<secret /d" | create_xml
}

# disk TARGET NAME: a linked volume as a disk.
disk() {
    disk_xml "$1" "$DATA/$2" "${2#*.}" "$SECRET_UUID"
}

plug() {
    disk "$2" "$3" >"$DAEMON_DIR/disk.xml"
    virsh attach-device "$1" "$DAEMON_DIR/disk.xml" --live
}

unplug() {
    virsh detach-disk "$1" "$2" --live && disk_gone "$1" "$2"
}

digest() {
    head -c 2066432 "$1" | sha256sum
}

flip() {
    printf '\xff' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

try "a host with a header pool and a payload pool" linked_start
VAULT2=$DAEMON_IMAGES/vault2
"$DAEMON_IN" mkdir -p "$VAULT2"
try "a pool for replicas" pool_make vault2 "$VAULT2"
quick_keys

note "Disks that share a header"
try "volumes on one header" eval 'create a.raw raw && share b.qcow2 a.raw.luks && share c.raw a.raw.luks'
before=$(access "$VAULT/a.raw.luks" "$DATA/a.raw" "$DATA/b.qcow2" "$DATA/c.raw")
try "a guest starts with two of them" guest_boot one "$(disk vda a.raw)$(disk vdb b.qcow2)"
try "it writes to the first" guest_fill one vda first
try "and to the second" guest_fill one vdb second
try "the third is plugged in" plug one vdc c.raw
try "and written to" guest_fill one vdc third
try "each has what was written to it: the first" guest_filled one vda first
try "the second" guest_filled one vdb second
try "the third" guest_filled one vdc third
refuse "the header is not deleted meanwhile" "header" virsh vol-delete a.raw.luks vault
virsh vol-download a.raw.luks "$DAEMON_DIR/backup" --pool vault
refuse "nor replaced" "in use by the running domain" virsh vol-upload a.raw.luks "$DAEMON_DIR/backup" --pool vault
refuse "nor is a payload replaced" "in use by the running domain" virsh vol-upload a.raw "$DAEMON_DIR/backup" --pool data
refuse "nor parted from it" "in use by the running domain" create_xml <<<"$(linked_xml a.raw raw |
    sed "s/<header type='volume'>/<header type='volume' link='part'>/")"
try "the one plugged in first goes" unplug one vda
try "the others go on: the second" guest_filled one vdb second
try "the third" guest_filled one vdc third
try "it comes back" plug one vda a.raw
try "with what it had" guest_filled one vda first
try "a second guest starts with none of them" guest_boot two
try "the third moves there" eval 'unplug one vdc && plug two vdc c.raw'
try "which reads it" guest_filled two vdc third
guest_stop one
try "when the first guest has gone, the second goes on" guest_filled two vdc third
try "also with writing" guest_fill two vdc again
guest_stop two
same "who may open them is as before" \
    "$(access "$VAULT/a.raw.luks" "$DATA/a.raw" "$DATA/b.qcow2" "$DATA/c.raw")" "$before"
same "no record is left" "$(records)" ""
for volume in a.raw b.qcow2 c.raw; do
    try "$volume is deleted" virsh vol-delete $volume data
done

note "Replicas mend a header before a guest needs it"
linked_xml rep.raw raw "" "pool='vault'/><source pool='vault2'" | create_xml
good=$(digest "$VAULT/rep.raw.luks")
try "a guest starts" guest_boot one "$(disk vda rep.raw)"
try "and writes" guest_fill one vda kept
guest_stop one
flip "$VAULT/rep.raw.luks" 5000
try "with a bit flipped in the header, it starts" guest_boot one "$(disk vda rep.raw)"
try "and reads" guest_filled one vda kept
guest_stop one
same "the header has been mended" "$(digest "$VAULT/rep.raw.luks")" "$good"
like "which the log says" "$(cat "$DAEMON_LOG")" "has been replaced by its copy 'rep.raw.luks' of pool 'vault2'"
rm "$VAULT/rep.raw.luks"
try "a running guest" guest_boot one
try "is given the volume without its header" plug one vdb rep.raw
try "and reads" guest_filled one vdb kept
try "and gives it back" unplug one vdb
same "the header is there again" "$(digest "$VAULT/rep.raw.luks")" "$good"
flip "$VAULT/rep.raw.luks" 5000
flip "$VAULT2/rep.raw.luks" 5000
refuse "with both damaged it is refused" "no header that is whole" plug one vdb rep.raw
virsh pool-destroy vault2 >/dev/null
refuse "also with the replica out of reach" "no header that is whole" plug one vdb rep.raw
virsh pool-start vault2 >/dev/null
guest_stop one

daemon_stop
finish
