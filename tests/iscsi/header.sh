#!/bin/bash
# Headers that are units of an iSCSI target: of payloads beside them, with the password of the target's user, and of
# payloads in files. Linked, shown; guests started, plugged in, unplugged by a daemon that came later; what is
# refused; the end of each.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/lib/units.sh"
. "$(dirname "$0")/../lib/states.sh"

TEXT="what only the guest may know: $RANDOM $RANDOM"
CHAP_UUID=7b8c9d0e-2f1a-4b3c-8d4e-5f6a7b8c9d0e

# on_unit LUN: a header that nobody has linked is written to the unit, as from another host.
on_unit() {
    header_of "$DAEMON_DIR/template" && dd if="$DAEMON_DIR/template" of="$ISCSI_UNITS/$1" conv=notrunc,fsync status=none
}

# with_password: the target wants one, and the pool has it. The secret is named by its usage.
with_password() {
    target_chap guest 'twelve-or-more' && secret_make "$CHAP_UUID" iscsi 'twelve-or-more' &&
        virsh pool-destroy units && virsh pool-undefine units && direct_pool units guest "$CHAP_UUID"
}

# file_volume: a plain volume, into which nothing was written.
file_volume() {
    virsh vol-create-as data file 16M --format raw
}

try "a daemon and a target with units start" units_start || finish
try "units have headers" eval 'on_unit 2 && on_unit 4' || finish
try "a file has none" file_volume

note "Another client"
try "it reserves a unit" unit_reserve 2
unchanged "linking" "reserved by another client" create_in units <<<"$(link_xml existing unit:0:0:1 unit:0:0:2 "$SECRET" units)"
try "it dies" unit_release
try "the target wants a password from now on" with_password || finish

note "Linking"
target_unit 5 1M unit-5 && on_unit 5
truncate -s 1M "$ISCSI_UNITS/5"
virsh pool-refresh units
unchanged "a unit that is too small" "." create_in units <<<"$(link_xml existing unit:0:0:1 unit:0:0:5 "$SECRET" units)"
unchanged "a unit as its own header" "." create_in units <<<"$(link_xml existing unit:0:0:2 unit:0:0:2 "$SECRET" units)"
try "payload and header are units" create_in units <<<"$(link_xml existing unit:0:0:1 unit:0:0:2 "$SECRET" units)" || finish
try "either shows the other" is_linked unit:0:0:1 unit:0:0:2 units
try "the payload is a file" create_in data <<<"$(link_xml existing file unit:0:0:4 "$SECRET" units)"
like "which shows the unit" "$(shown file data)" "<source pool='units' volume='unit:0:0:4'/>"
unchanged "a header of two" "already" create_in units <<<"$(link_xml existing unit:0:0:3 unit:0:0:2 "$SECRET" units)"
like "the tool lists both" "$(vl list)" '^data/file .*units/unit:0:0:4'
try "and has no complaint" vl check
try "a header is backed up" vl header-backup units/unit:0:0:1 "$DAEMON_WORK/backup"
unchanged "vol-delete of a header" "holds the LUKS header" virsh vol-delete unit:0:0:2 units
unchanged "vol-wipe of a header" "holds the LUKS header" virsh vol-wipe unit:0:0:2 units

note "A guest"
try "it starts" guest_boot demo "$(disk_xml vda units/unit:0:0:1 raw)" || finish
same "its disk is a luks node" "$(nodes demo | grep -c -- '-format luks$')" 1
try "the guest writes" guest_fill demo vda "$TEXT"
guest_run demo sync
same "the unit holds nothing of it" "$(in_clear "$TEXT" "$ISCSI_UNITS/1")" ""
# opens FILE: whether the passphrase in it opens the guest's header.
opens() {
    cryptsetup open --test-passphrase --type luks1 --header "$ISCSI_UNITS/2" --key-file "$1" "$ISCSI_UNITS/1"
}
printf %s "$PASSPHRASE" >"$DAEMON_DIR/xml/1"
printf new >"$DAEMON_DIR/xml/2"
chmod 644 "$DAEMON_DIR"/xml/[12]
try "a key is added meanwhile" vl key-add units/unit:0:0:1 --passphrase-file "$DAEMON_DIR/xml/1" \
    --new-passphrase-file "$DAEMON_DIR/xml/2" --iter-time 10
try "it opens the header" opens "$DAEMON_DIR/xml/2"
refuse "the secret's is not removed" "no key would be left that the secret" \
    vl key-remove units/unit:0:0:1 --passphrase-file "$DAEMON_DIR/xml/1"
try "the new one is" vl key-remove units/unit:0:0:1 --passphrase-file "$DAEMON_DIR/xml/2"
refuse "it opens no more" "No key available" opens "$DAEMON_DIR/xml/2"
try "the other does" opens "$DAEMON_DIR/xml/1"
try "the volume is in order" vl check units/unit:0:0:1
disk_xml vdb "$DATA/file" raw >"$DAEMON_DIR/disk.xml"
try "the other is plugged in" virsh attach-device demo "$DAEMON_DIR/disk.xml" --live
try "the guest writes there" guest_fill demo vdb "second $TEXT"
try "the daemon starts again meanwhile" linked_launch
try "the guest reads on" guest_filled demo vda "$TEXT"
unchanged "unlinking" "in use by the running domain 'demo'" \
    create_in units <<<"$(link_xml unlink unit:0:0:1 unit:0:0:2 "" units)"
disk_xml vdx units/unit:0:0:2 raw >"$DAEMON_DIR/disk.xml"
refuse "a header as a disk" "is the header volume" virsh attach-device demo "$DAEMON_DIR/disk.xml" --live
try "the other is unplugged" unplug demo vdb
same "one luks node is left" "$(nodes demo | grep -c -- '-format luks$')" 1
disk_xml vdb "$DATA/file" raw >"$DAEMON_DIR/disk.xml"
try "it is plugged in again" virsh attach-device demo "$DAEMON_DIR/disk.xml" --live
try "the guest reads what it wrote" guest_filled demo vdb "second $TEXT"
try "the guest ends" virsh destroy demo
same "there is no record of it" "$(records)" ""

note "The end"
unchanged "vol-delete of the file, whose header libvirt could not delete" "libvirt cannot delete" virsh vol-delete file data
try "it is wiped" virsh vol-wipe file data
same "of its header nothing is left" "$(head -c 4M "$ISCSI_UNITS/4" | tr -d '\0' | wc -c)" 0
try "then it can be unlinked" create_in data <<<"$(link_xml unlink file unit:0:0:4 "" units)"
try "and deleted" virsh vol-delete file data
try "the others are unlinked" create_in units <<<"$(link_xml unlink unit:0:0:1 unit:0:0:2 "" units)"
same "the header is one still" "$(head -c 4 "$ISCSI_UNITS/2")" LUKS
try "which nobody has" is_plain unit:0:0:2
same "nothing is registered" "$(links)" ""
try "they are linked again" create_in units <<<"$(link_xml existing unit:0:0:1 unit:0:0:2 "$SECRET" units)"
try "and unlinked" vl unlink units/unit:0:0:1

note "Every state has a way out"
# libvirt makes and deletes no units: what is left must be plain.
STATE_POOLS=(data vault)
U="$ISCSI_UNITS/2"
linked() { on_unit 2 && file_volume && create_in data <<<"$(link_xml existing file unit:0:0:2 "$SECRET" units)"; }
by_names() { vl forget --yes data/file; }
gone() { virsh vol-delete file data; }
settled() { waited virsh pool-refresh data && waited eval '! "$DAEMON_IN" grep -qr "state=.unlinking" "$LINKS"'; }
row "active" linked 'not gone' by_names gone 'is_plain unit:0:0:2'
row "wiped" linked 'virsh vol-wipe file data' by_names gone 'is_plain unit:0:0:2'
row "overwritten" linked "zeroed $U" by_names gone 'is_plain unit:0:0:2'
row "half-way wiping" linked 'state_set file wiping' 'virsh pool-refresh data' 'waited state_is file wiped' by_names gone
row "half-way deleting" linked 'state_set file deleting' "noise $U" by_names gone 'is_plain unit:0:0:2'
row "half-way unlinking" linked 'state_set file unlinking' settled gone 'is_plain unit:0:0:2'
row "without the payload" linked 'rm "$DATA/file"' 'virsh pool-refresh data' by_names 'is_plain unit:0:0:2'
row "another unit in its place" linked 'tgt --mode logicalunit --op update --tid 1 --lun 2 --params scsi_id=other' \
    'virsh pool-refresh units' by_names gone
virsh pool-destroy units >/dev/null
try "pool-undefine" virsh pool-undefine units
finish
