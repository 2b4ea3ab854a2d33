#!/bin/bash
# Guests whose disk is a unit of an iSCSI target that is the payload of a linked volume: by pool and volume, and
# by target and unit; started, plugged in, unplugged, while the daemon comes and goes; what is refused while they
# run, and under another name.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/lib/units.sh"
need_command nbdkit nbdcopy

TEXT="what only the guest may know: $RANDOM $RANDOM"
CHAP_UUID=7b8c9d0e-2f1a-4b3c-8d4e-5f6a7b8c9d0e

# unit_disk TARGET LUN [SECRET]: by target and unit; without SECRET there is no <encryption>.
unit_disk() {
    local encryption=
    [ -z "${3:-}" ] || encryption="<encryption format='luks'><secret type='passphrase' uuid='$3'/></encryption>"
    cat <<XML
<disk type='network' device='disk'>
  <driver name='qemu' type='raw'/>
  <auth username='guest'><secret type='iscsi' uuid='$CHAP_UUID'/></auth>
  <source protocol='iscsi' name='$IQN/$2'>
    <host name='127.0.0.1' port='$ISCSI_PORT'/>
    <initiator><iqn name='$INITIATOR'/></initiator>$encryption
  </source>
  <target dev='$1' bus='virtio'/>
  <serial>$1</serial>
</disk>
XML
}

# plug_unit GUEST DISK...: DISK is a function with its arguments that prints XML.
plug_unit() {
    "${@:2}" >"$DAEMON_DIR/disk.xml" && virsh attach-device "$1" "$DAEMON_DIR/disk.xml" --live
}

# decrypts LUN HEADER TEXT: header and unit, opened by nbdkit, are what guest_fill wrote.
decrypts() {
    open_pair "$2" "$ISCSI_UNITS/$1" raw "$DAEMON_DIR/clear" && holds "$DAEMON_DIR/clear" "$3"
}

# link_units: units 1 and 2 become linked volumes.
link_units() {
    header_make one && header_make two &&
        create_in units <<<"$(link_xml existing unit:0:0:1 one.luks "$SECRET")" &&
        create_in units <<<"$(link_xml existing unit:0:0:2 two.luks "$SECRET")"
}

# with_password: the target wants one, and the pool has it. The secret is named by its usage.
with_password() {
    target_chap guest 'twelve-or-more' && secret_make "$CHAP_UUID" iscsi 'twelve-or-more' &&
        virsh pool-destroy units && virsh pool-undefine units && direct_pool units guest "$CHAP_UUID"
}

try "a daemon with a header pool, and a target with units, start" units_start || finish
try "the target wants a password" with_password || finish
try "two linked volumes are made" link_units || finish

note "A guest"
try "it starts from the first, by pool and volume" \
    guest_boot demo "$(disk_xml vda units/unit:0:0:1 raw)" || finish
same "the disk has got the link's secret" "$(virsh dumpxml demo | grep -c "$SECRET_UUID")" 1
same "it is a luks node" "$(nodes demo | grep -c -- '-format luks$')" 1
try "the guest writes" guest_fill demo vda "$TEXT"
try "and reads that back" guest_filled demo vda "$TEXT"
guest_run demo sync
same "the unit holds nothing of it" "$(in_clear "$TEXT" "$ISCSI_UNITS/1")" ""
like "the tool lists it as in use" "$(vl list)" '^units/unit:0:0:1 .*in use by demo'

note "While it runs"
unchanged "vol-wipe" "in use by the running domain 'demo'" virsh vol-wipe unit:0:0:1 units
unchanged "vol-delete" "." virsh vol-delete unit:0:0:1 units
unchanged "unlinking" "in use by the running domain 'demo'" \
    create_in units <<<"$(link_xml unlink unit:0:0:1 one.luks)"

note "A second disk"
try "it is plugged in, by target and unit" plug_unit demo unit_disk vdb 2
same "both are luks nodes" "$(nodes demo | grep -c -- '-format luks$')" 2
try "the guest writes there" guest_fill demo vdb "second $TEXT"
try "the daemon starts again meanwhile" linked_launch
try "the guest reads on" guest_filled demo vda "$TEXT"
try "and from the second" guest_filled demo vdb "second $TEXT"
unchanged "vol-wipe now" "in use by the running domain 'demo'" virsh vol-wipe unit:0:0:2 units
try "it is unplugged" unplug demo vdb
same "its node is gone" "$(nodes demo | grep -c -- '-format luks$')" 1
try "the two hold what the guest wrote" decrypts 2 "$VAULT/two.luks" "second $TEXT"
same "the unit does not" "$(in_clear "$TEXT" "$ISCSI_UNITS/2")" ""
try "it is plugged in again, its secret named" plug_unit demo unit_disk vdb 2 "$SECRET_UUID"
try "the guest reads what it wrote" guest_filled demo vdb "second $TEXT"
try "the daemon crashes" daemon_kill
try "and starts again" linked_launch
try "it is unplugged" unplug demo vdb
try "virt-lukshdr plugs it in" vl attach demo units/unit:0:0:2 vdb --live --serial vdb
like "by target and unit" "$(virsh dumpxml demo)" "<source protocol='iscsi' name='$IQN/2'"
try "the guest reads what it wrote" guest_filled demo vdb "second $TEXT"
try "and lets it go" vl detach demo units/unit:0:0:2 --live
try "the guest ends" virsh destroy demo
same "there is no record of it" "$(records)" ""
try "the first holds what the guest wrote" decrypts 1 "$VAULT/one.luks" "$TEXT"

note "A unit that is no payload"
guest_define plain "$(disk_xml vda units/unit:0:0:3 raw)"
try "it is a plain disk" guest_start plain
same "no luks node" "$(nodes plain | grep luks)" ""
guest_stop plain

note "A wrong password"
secret_make "$CHAP_UUID" iscsi 'neither-nor-this'
refuse "a guest is not started" "refuses access" guest_start demo
finish
