#!/bin/bash
# Linked volumes on one header (link='share'): several of them in one guest, from its start and plugged in
# and out in either order, and in two guests at once. Each has its own content, the header stays within
# reach as long as anybody uses it and no longer, and it alone is not locked by QEMU.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 qemu-img qemu-io

share() {
    linked_xml "$1" "${1#*.}" "" "pool='vault' volume='$2'" |
        sed "s/<header type='volume'>/<header type='volume' link='share'>/; /<secret /d" | create_xml
}

# disk TARGET NAME: a linked volume as a disk.
# opened GUEST FILE: how often its QEMU has the file open, and how many of these hold a lock on it.
opened() {
    "$DAEMON_IN" sh -c '
        opened=0 locked=0
        for fd in "/proc/$1/fd"/*; do
            [ "$(readlink "$fd")" = "$2" ] || continue
            opened=$((opened + 1))
            ! grep -q "^lock:" "/proc/$1/fdinfo/${fd##*/}" || locked=$((locked + 1))
        done
        echo "$opened open, $locked locked"' sh "$(qemu_pids "$1")" "$2"
}

# reaches FILE: whether QEMU's user could open it, seen from the host.
reaches() {
    setpriv --reuid libvirt-qemu --regid "$(id -g libvirt-qemu)" --clear-groups -- test -r "$1"
}

# kept WHEN: the header is in use, and QEMU can open it.
kept() {
    [ -z "$OWNERS" ] || try "$1, QEMU can open the header" reaches "$HEADER"
}

# back WHEN: nobody has it any more.
back() {
    same "$1, who may open header and payloads is as before" "$(everything)" "$BEFORE"
    [ -z "$OWNERS" ] || refuse "$1, QEMU's user cannot open the header" '^$' reaches "$HEADER"
}

everything() {
    access "$HEADER" "$DATA/a.raw" "$DATA/b.qcow2" "$DATA/c.raw"
}

try "a host with a header pool and a payload pool" linked_start
quick_keys
HEADER=$VAULT/a.raw.luks
# Where the daemon is the user's own, so are all files, and access does not change.
OWNERS=
[ "$DAEMON_RUNS" = session ] || OWNERS=$("$DAEMON_IN" id -u libvirt-qemu 2>/dev/null)
try "volumes on one header" eval 'create a.raw raw && share b.qcow2 a.raw.luks && share c.raw a.raw.luks'
try "and one on a header of its own" create own.raw raw
BEFORE=$(everything)
back "at first"

note "Several in one guest"
try "a guest starts with two of them" guest_boot one "$(disk vda a.raw)$(disk vdb b.qcow2)"
kept "in use by two"
try "it writes to the first" guest_fill one vda first
try "and to the second" guest_fill one vdb second
try "the third is plugged in" plug one vdc c.raw
try "and written to" guest_fill one vdc third
try "one with a header of its own is plugged in" plug one vdd own.raw
same "the shared header is open for each of the three, and not locked" "$(opened one "$HEADER")" "3 open, 0 locked"
same "the other header is locked" "$(opened one "$VAULT/own.raw.luks")" "1 open, 1 locked"
same "as is a payload with a shared header" "$(opened one "$DATA/a.raw")" "1 open, 1 locked"
refuse "so that no second writer gets it" 'Failed to get "write" lock' \
    "$DAEMON_IN" qemu-io -f raw -c 'write 0 512' "$DATA/a.raw"
try "each has what was written to it: the first" guest_filled one vda first
try "the second" guest_filled one vdb second
try "the third" guest_filled one vdc third
refuse "the header is not deleted meanwhile" "header" virsh vol-delete a.raw.luks vault
# the very same header would be taken, and another one of its keys (keys.sh)
virsh vol-download a.raw.luks "$DAEMON_DIR/backup" --pool vault
head -c 4096 /dev/urandom | dd of="$DAEMON_DIR/backup" bs=4096 seek=1 conv=notrunc status=none
refuse "nor replaced" "in use by the running domain" virsh vol-upload a.raw.luks "$DAEMON_DIR/backup" --pool vault
refuse "nor is a payload replaced" "in use by the running domain" virsh vol-upload a.raw "$DAEMON_DIR/backup" --pool data
refuse "nor unlinked from it" "in use by the running domain" create_xml <<<"$(linked_xml a.raw raw |
    sed "s/<header type='volume'>/<header type='volume' link='unlink'>/")"
refuse "nor destroyed by wiping one of them" "shares its header" virsh vol-wipe c.raw data
same "and all of them are where they were" "$(opened one "$HEADER")" "3 open, 0 locked"
try "the one with a header of its own goes" unplug one vdd

note "Unplugged in either order"
try "the one plugged in first goes" unplug one vda
kept "the first one gone"
same "for the two that are left it is open" "$(opened one "$HEADER")" "2 open, 0 locked"
try "the others go on: the second" guest_filled one vdb second
try "the third" guest_filled one vdc third
try "the last one goes" unplug one vdc
kept "the third one gone"
try "the second goes on" guest_filled one vdb second
try "the daemon restarts" daemon_restart
kept "after that"
refuse "the header is not replaced for the second's sake either" "'b.qcow2' is in use by the running domain" \
    virsh vol-upload a.raw.luks "$DAEMON_DIR/backup" --pool vault
refuse "nor is the second deleted" "in use by the running domain" virsh vol-delete b.qcow2 data
try "and it goes, too" unplug one vdb
back "with all unplugged"
same "the guest's QEMU has the header no more" "$(opened one "$HEADER")" "0 open, 0 locked"
same "no record is left" "$(records)" ""

note "Plugged in, in either order, to a guest that had none"
for order in "vda a.raw first vdb b.qcow2 second" "vdb b.qcow2 second vda a.raw first"; do
    read -r target1 volume1 text1 target2 volume2 text2 <<<"$order"
    for out in "$target1 $target2 $text2" "$target2 $target1 $text1"; do
        read -r early late left <<<"$out"
        when="$volume1 before $volume2, $early out first"
        try "$when: the one is plugged in" plug one "$target1" "$volume1"
        try "$when: the other one" plug one "$target2" "$volume2"
        try "$when: the one is read" guest_filled one "$target1" "$text1"
        try "$when: the other one" guest_filled one "$target2" "$text2"
        try "$when: one is unplugged" unplug one "$early"
        kept "$when: one left"
        try "$when: what is left is written" guest_fill one "$late" "$left"
        try "$when: and read" guest_filled one "$late" "$left"
        try "$when: it is unplugged" unplug one "$late"
        back "$when: both unplugged"
    done
done

note "What cannot be plugged in takes nothing from the other"
try "one is plugged in" plug one vda a.raw
refuse "another that QEMU refuses at the last step" "queue-size" eval 'disk vdb b.qcow2 |
    sed "s|type=.qcow2.|& queue_size=\"2048\"|" >"$DAEMON_DIR/disk.xml" &&
    virsh attach-device one "$DAEMON_DIR/disk.xml" --live'
kept "the second refused"
try "the first goes on" guest_filled one vda first
guest_stop one
back "with the guest stopped"

note "In two guests at once"
try "a guest starts with one" guest_boot one "$(disk vda a.raw)"
try "another with another" guest_boot two "$(disk vdb b.qcow2)"
kept "in use by two guests"
same "neither locks the header: the one" "$(opened one "$HEADER")" "1 open, 0 locked"
same "the other" "$(opened two "$HEADER")" "1 open, 0 locked"
try "the one writes" guest_fill one vda mine
try "the other writes" guest_fill two vdb yours
try "the one reads" guest_filled one vda mine
try "the other reads" guest_filled two vdb yours
refuse "the other is not given the one's" "write" plug two vda a.raw
try "a third volume goes to the one" plug one vdc c.raw
try "which reads what it had in the other place" guest_filled one vdc third
try "and moves to the other" eval 'unplug one vdc && plug two vdc c.raw'
try "which reads it" guest_filled two vdc third
guest_stop one
kept "the first guest stopped"
try "the second goes on: reading" guest_filled two vdb yours
try "and writing" guest_fill two vdc again
try "the first comes back" guest_boot one "$(disk vda a.raw)"
try "and reads" guest_filled one vda mine
"$DAEMON_IN" kill -KILL "$(qemu_pids two)"
waited guest_off two
kept "the second guest's QEMU killed"
try "the first goes on" guest_fill one vda mine
guest_stop one
virsh undefine two
back "with both gone"
same "no record is left" "$(records)" ""

note "A volume that shares a header from now on"
try "a guest runs with a volume on a header of its own" guest_boot one "$(disk vda own.raw)"
try "which another begins to share" share late.raw own.raw.luks
try "and which is plugged in" plug one vdb late.raw
try "both are written: the one" guest_fill one vda own
try "the other" guest_fill one vdb late
try "and read: the one" guest_filled one vda own
try "the other" guest_filled one vdb late
try "the one goes" unplug one vda
try "and comes back" plug one vda own.raw
try "with what it had" guest_filled one vda own
guest_stop one

for volume in a.raw b.qcow2 c.raw own.raw late.raw; do
    try "$volume is deleted" virsh vol-delete $volume data
done
nothing_left "with all of them deleted"

daemon_stop
finish
