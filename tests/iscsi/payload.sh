#!/bin/bash
# A unit of an iSCSI target and a header in a pool of files become a linked volume, and two volumes again; what
# libvirt cannot do to such volumes is refused before anything is done; targets that do not let anybody in, or
# do not answer.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/units.sh"

try "a daemon with a header pool, and a target with units, start" units_start || finish
try "a header is made for one" header_make one || finish

note "Linking"
unchanged "without a secret" "<secret>" create_in units <<<"$(link_xml existing unit:0:0:1 one.luks)"
unchanged "a unit that does not exist" "no storage vol" create_in units <<<"$(link_xml existing unit:0:0:9 one.luks "$SECRET")"
unchanged "vol-create" "makes no volumes" create_in units <<<"$(unit_xml unit:0:0:7)"
unchanged "vol-create by another name" "makes no volumes" create_in units <<<"$(unit_xml seven)"
try "unit and header are linked" create_in units <<<"$(link_xml existing unit:0:0:1 one.luks "$SECRET")"
try "either shows the other" is_linked unit:0:0:1 one.luks
like "the registry has where it is" "$(link_show unit:0:0:1)" "<remote protocol=\"iscsi\" name=\"$IQN/1\".*initiator=\"$INITIATOR\""
like "and what it calls itself" "$(link_show unit:0:0:1)" '<identity type="iscsi" id="t10.unit-1;target=iqn'
try "the daemon starts again" linked_launch
try "either shows the other" is_linked unit:0:0:1 one.luks
unchanged "to another header" "is linked to header" create_in units <<<"$(link_xml existing unit:0:0:1 other.luks "$SECRET")"
try "the tool lists it" vl list
like "with its header" "$OUT" '^units/unit:0:0:1 .*vault/one.luks'
try "and says where it is" vl info units/unit:0:0:1
like "by target and unit" "$OUT" "iscsi:$IQN/1"
try "it has no complaint" vl check

note "Its bytes"
# chained COMMAND...: qemu-io on the chain that the tool prints; prints what went wrong.
chained() {
    local json
    json=$(vl chain --format json units/unit:0:0:1 2>/dev/null) &&
        qemu-io --object "secret,id=$(jq -r '."key-secret"' <<<"${json#json:}"),data=$PASSPHRASE" \
            "${@/#/-c}" "$json" | grep -v '^wrote\|^read\|ops;'
}
same "QEMU writes through the chain that the tool prints" "$(chained "write -P 65 0 1M" "flush" 2>&1)" ""
same "and reads that" "$(chained "read -P 65 0 1M" 2>&1)" ""
same "the unit has ciphertext" "$(grep -c AAAAAAAAAAAAAAAA "$ISCSI_UNITS/1")" 0
copy_of() {
    linked_xml copy raw >"$DAEMON_DIR/xml/copy.xml" &&
        virsh vol-create-from data "$DAEMON_DIR/xml/copy.xml" unit:0:0:1 --inputpool units
}
try "it is cloned into a linked volume of another pool" copy_of
same "which has what was written" "$(virsh vol-info copy data | awk '/Capacity/ { print $2 }')" "16.00"
clear_of() {
    printf %s "<volume><name>clear</name><capacity unit='MiB'>16</capacity><target><format type='raw'/><encryption format='none'/></target></volume>" \
        >"$DAEMON_DIR/xml/clear.xml" &&
        virsh vol-create-from data "$DAEMON_DIR/xml/clear.xml" unit:0:0:1 --inputpool units
}
try "and into a plain one" clear_of
same "in which it is in clear" "$(head -c 1M "$DATA/clear" | tr -d A | wc -c)" 0
for name in copy clear; do virsh vol-delete "$name" data >/dev/null; done

note "What libvirt cannot do"
unchanged "vol-delete" "libvirt cannot delete" virsh vol-delete unit:0:0:1 units
unchanged "vol-resize" "." virsh vol-resize unit:0:0:1 64M units

note "By another name"
try "the target has a second name for the unit's file" target_second other 1
try "whose unit calls itself the same" tgt --mode logicalunit --op update --tid 2 --lun 1 --params scsi_id=unit-1
try "there is a pool over that" direct_pool others "" "" "$IQN:other"
refuse "which volume that is, is uncertain" "uncertain whether" virsh vol-wipe unit:0:0:1 others
try "another unit of it is plain" virsh vol-dumpxml unit:0:0:2 units

note "The unit is exchanged"
tgt --mode logicalunit --op update --tid 1 --lun 1 --params scsi_id=somebody-else
refuse "another unit in its place is not taken for it" "uncertain whether" virsh vol-wipe unit:0:0:1 units
tgt --mode logicalunit --op update --tid 1 --lun 1 --params scsi_id=unit-1
try "it is back" is_linked unit:0:0:1 one.luks

note "A target that does not answer"
target_pause
BEGIN=$SECONDS
refuse "vol-wipe says so" "has not answered within 15 seconds" virsh vol-wipe unit:0:0:1 units
like "after the deadline" "$((SECONDS - BEGIN >= 14))" 1
note "that took $((SECONDS - BEGIN)) seconds"
unlike "other pools go on" "$(virsh vol-list vault; virsh vol-info one.luks vault)" "rror"
target_resume
try "it goes on" is_linked unit:0:0:1 one.luks

note "The end"
cp "$VAULT/one.luks" "$DAEMON_WORK/kept"
try "they are unlinked" create_in units <<<"$(link_xml unlink unit:0:0:1 one.luks)"
try "the unit is plain" is_plain unit:0:0:1
same "no link is registered" "$(links)" ""
try "they are linked by the tool" vl link --secret "$SECRET_UUID" units/unit:0:0:1 vault/one.luks
try "and linked" is_linked unit:0:0:1 one.luks
try "it is wiped" virsh vol-wipe unit:0:0:1 units
like "which destroys the header" "$(head -c 6 "$VAULT/one.luks" | xxd -p)" "000000000000"
try "then it can be unlinked" create_in units <<<"$(link_xml unlink unit:0:0:1 one.luks)"
same "nothing is registered" "$(links)" ""
try "and is plain" is_plain unit:0:0:1
finish
