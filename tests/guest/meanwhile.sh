#!/bin/bash
# The next daemon looks after guests that were running when the daemon died, also if the link, the header pool or
# the header has changed meanwhile: it unplugs disks, takes and refuses snapshots as before, saves and stops
# guests, and gives headers back to their owners.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "a session daemon has one user only"
need_command qemu-system-x86_64 qemu-img getfattr

TEXT="what only the guest may know: $RANDOM $RANDOM"

owners() {
    stat -c %U:%a "$VAULT/$1.luks" "$DATA/$1" | tr '\n' ' '
}

# begin: a guest that has both disks, and no daemon.
begin() {
    guest_start demo && printf '%s\n' "$(disk_xml vdb data/q.qcow2 qcow2)" >"$DAEMON_DIR/disk.xml" &&
        virsh attach-device demo "$DAEMON_DIR/disk.xml" --live && guest_filled demo vda "$TEXT" &&
        guest_filled demo vdb "$TEXT" && daemon_kill
}

# in_guest_hands WHEN: the guest has not noticed.
in_guest_hands() {
    try "$1: the guest reads what it wrote" eval 'guest_filled demo vda "$TEXT" && guest_filled demo vdb "$TEXT"'
}

unplugged() {
    try "$1: a disk is unplugged" eval 'virsh detach-disk demo vdb --live && disk_gone demo vdb'
    same "$1: no node of it is left" "$(nodes demo | grep -c -- '-format luks$')" 1
}

snapshots() {
    refuse "$1: a plain overlay is refused as ever" "unencrypted" virsh snapshot-create-as demo --disk-only \
        --no-metadata --diskspec "vda,file=$DAEMON_IMAGES/plain.qcow2"
    cat >"$DAEMON_DIR/snapshot.xml" <<XML
<domainsnapshot><disks><disk name='vda' snapshot='external'><driver type='qcow2'/>
  <source file='$DAEMON_IMAGES/over.qcow2'>
    <encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption>
  </source></disk></disks></domainsnapshot>
XML
    try "$1: one that is encrypted is made" virsh snapshot-create demo "$DAEMON_DIR/snapshot.xml" --disk-only \
        --no-metadata
    try "$1: and committed" virsh blockcommit demo vda --active --pivot --wait
    try "$1: the guest reads through all that" guest_filled demo vda "$TEXT"
    rm -f "$DAEMON_IMAGES/over.qcow2" "$DAEMON_IMAGES/plain.qcow2"
}

stopped() {
    virsh destroy demo
    same "$1: the guest has stopped, and no record or process is left" "$(records)$(qemu_pids demo)" ""
}

# entries COMMAND: with the link registry's directory ($1) and where its files are kept aside ($2).
entries() {
    "$DAEMON_IN" sh -c "$1" sh "$LINKS" "$DAEMON_DIR/aside"
}

ready() {
    linked_start && create r.raw raw && create q.qcow2 qcow2 &&
        guest_define demo "$(disk_xml vda "$DATA/r.raw" raw)"
}
try "a host with linked volumes, and a domain" ready
before=$(linked_access r.raw q.qcow2)
try "a guest starts and writes to both" eval 'guest_start demo && guest_fill demo vda "$TEXT" &&
    virsh attach-disk demo "$DATA/q.qcow2" vdb --subdriver qcow2 --serial vdb --live &&
    guest_fill demo vdb "$TEXT" && guest_run demo sync'
virsh destroy demo

# --- the links are gone

what="the links removed"
try "a guest with both, and the daemon dies" begin
entries 'mkdir "$2" && mv "$1"/*.xml "$2"'
try "$what: the daemon starts" linked_launch
in_guest_hands "$what"
unplugged "$what"
same "$what: the disk's header and payload are as before" "$(linked_access q.qcow2)" "$(grep q.qcow2 <<<"$before")"
snapshots "$what"
refuse "$what: it is not plugged in as another disk with its <encryption>" "LUKS|encrypt" \
    virsh attach-device demo <(disk_xml vdb "$DATA/r.raw" raw "$SECRET_UUID") --live
stopped "$what"
same "$what: header and payload are as before" "$(linked_access r.raw q.qcow2)" "$before"
refuse "$what: the guest does not start any more, its configuration saying that the disk is encrypted" \
    "LUKS|encrypt" virsh start demo
entries 'cp -p "$2"/*.xml "$1" && rm -r "$2"'

# --- the header pool is not active

what="the header pool destroyed"
try "a guest with both" begin
try "$what: the daemon starts" linked_launch
# A pool of a directory is active after every start if the directory is there.
virsh pool-destroy vault
in_guest_hands "$what"
unplugged "$what"
same "$what: the disk's header and payload are as before" "$(linked_access q.qcow2)" "$(grep q.qcow2 <<<"$before")"
snapshots "$what"
refuse "$what: a linked disk is not plugged in" "'vault' is not active" virsh attach-device demo \
    "$DAEMON_DIR/disk.xml" --live
try "$what: the guest is saved" virsh managedsave demo
same "$what: header and payload are as before" "$(linked_access r.raw q.qcow2)" "$before"
refuse "$what: the guest does not start from there" "'vault' is not active" virsh start demo
virsh pool-start vault
try "with the pool started, it does" virsh start demo
try "and goes on" guest_filled demo vda "$TEXT"
stopped "$what"

# --- active without having been started

# The storage driver takes a pool whose directory is there for active when it starts, and keeps no file that says so.
what="the header pool found active"
virsh pool-destroy vault
refuse "$what: stopped before, it is not used" "'vault' is not active" virsh start demo
try "$what: the daemon restarts" linked_launch
same "$what: the pool is active" "$(virsh pool-list --name | sort | xargs)" "data vault"
try "$what: the guest starts" virsh start demo
virsh destroy demo
refuse "$what: and the pool cannot be started" "already active" virsh pool-start vault
daemon_kill
try "$what: the daemon is killed and starts again" linked_launch
try "$what: the guest starts" virsh start demo
virsh destroy demo
virsh pool-destroy data
virsh pool-destroy vault
refuse "$what: stopped, it is not used" "'vault' is not active" virsh start demo
try "$what: the daemon restarts" linked_launch
virsh dumpxml demo --inactive | sed "/<uuid/d; /<encryption/,/<\/encryption>/d; s|>demo<|>named<|
    s|<disk type='file'|<disk type='volume'|; s|<source file='$DATA/r.raw'|<source pool='data' volume='r.raw'|" \
    >"$DAEMON_DIR/named.xml"
try "$what: a domain that names the volume of such a pool" virsh define "$DAEMON_DIR/named.xml"
like "$what: it has the <encryption>" "$(virsh dumpxml named --inactive)" "<encryption"
virsh undefine named
virsh pool-destroy vault
virsh pool-start vault

# --- the directory of the header pool is another

what="the header pool's directory moved"
try "a guest with both, and the daemon dies again" begin
mv "$VAULT" "$VAULT.moved" && mkdir "$VAULT"
try "$what: the daemon starts" linked_launch
in_guest_hands "$what"
unplugged "$what"
stopped "$what"
same "$what: the payloads are as before" "$(linked_access r.raw q.qcow2 2>/dev/null | grep "^data")" \
    "$(grep ^data <<<"$before")"
rmdir "$VAULT" && mv "$VAULT.moved" "$VAULT"
note "headers that are not where they were keep what they had: $(owners r.raw)$(owners q.qcow2)"
for file in "$VAULT"/*; do
    chown root:root "$file"
    for name in dac ref_dac timestamp_dac; do
        setfattr -x "trusted.libvirt.security.$name" "$file" 2>/dev/null
    done
done
virsh pool-refresh vault

# --- the headers are other files

what="the headers replaced"
try "a guest with both, and the daemon dies once more" begin
for volume in r.raw q.qcow2; do
    cp "$VAULT/$volume.luks" "$VAULT/new" && chmod 600 "$VAULT/new" && chown root:root "$VAULT/new" &&
        mv "$VAULT/new" "$VAULT/$volume.luks"
done
try "$what: the daemon starts" linked_launch
in_guest_hands "$what"
unplugged "$what"
same "$what: the new header is root's" "$(owners q.qcow2)" "root:600 root:600 "
snapshots "$what"
try "$what: the disk is plugged in again, with the new header" virsh attach-device demo "$DAEMON_DIR/disk.xml" --live
try "$what: and read" guest_filled demo vdb "$TEXT"
stopped "$what"
same "$what: headers and payloads are root's" "$(owners r.raw)$(owners q.qcow2)" \
    "root:600 root:600 root:600 root:600 "
try "$what: the guest starts with the new ones" guest_start demo
try "$what: and reads what was written" guest_filled demo vda "$TEXT"
stopped "$what"
same "no file holds the text in clear" "$(in_clear "$TEXT" "$DATA"/* "$VAULT"/*)" ""
finish
