#!/bin/bash
# The main job as an ordinary user does it, without root's rights: a session daemon, its own pools,
# secrets, registry and guests.

# shellcheck disable=SC2317 # many functions are called by way of try
export DAEMON_MODE=session
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 nbdkit nbdcopy

TEXT="what only the guest may know: $RANDOM $RANDOM"

try "an ordinary user's daemon with a header pool and a payload pool" linked_start
same "it is not root's" "$("$DAEMON_IN" id -u)" "$("$DAEMON_IN" stat -c %u "$VAULT")"
unlike "(nor is the user root)" "$("$DAEMON_IN" id -u)" '^0$'
try "linked volumes in raw and qcow2" eval 'create r.raw raw && create q.qcow2 qcow2'
like "the user's own registry has them" "$(link_of q.qcow2)" "^$DAEMON_DIR/config/"
before=$(traces demo r.raw q.qcow2)

try "a guest starts from the raw one" guest_boot demo "$(disk_xml vda "$DATA/r.raw" raw "$SECRET_UUID")"
try "it writes to it" guest_fill demo vda "$TEXT"
disk_xml vdb data/q.qcow2 qcow2 "$SECRET_UUID" >"$DAEMON_DIR/vdb.xml"
try "the qcow2 one is plugged in" virsh attach-device demo "$DAEMON_DIR/vdb.xml" --live --config
try "it writes to that" guest_fill demo vdb "$TEXT"
same "both are luks nodes with headers" "$(nodes demo | grep -cE -- '-(format luks|header-format raw)$')" 4
same "the guest has one record" "$(records | wc -l)" 1
refuse "a volume in use is not deleted" "in use" virsh vol-delete q.qcow2 data

try "the daemon restarts while the guest runs" daemon_restart
try "both disks go on" eval 'guest_filled demo vda "$TEXT" && guest_filled demo vdb "$TEXT"'
refuse "a volume in use is still not deleted" "in use" virsh vol-delete q.qcow2 data
try "the qcow2 one is unplugged" eval 'virsh detach-disk demo vdb --live && disk_gone demo vdb'
try "and plugged in again, named by its path and without <encryption>" \
    virsh attach-disk demo "$DATA/q.qcow2" vdb --subdriver qcow2 --serial vdb --live
try "the guest finds in it what it wrote" guest_filled demo vdb "$TEXT"
same "neither payload nor header holds the text in clear" "$(in_clear "$TEXT" "$DATA"/* "$VAULT"/*)" ""
try "the guest switches itself off" guest_poweroff demo
same "all is as before" "$(traces demo r.raw q.qcow2)" "$before"

for volume in r.raw q.qcow2; do
    try "nbdkit opens header and payload of $volume" \
        open_pair "$VAULT/$volume.luks" "$DATA/$volume" "${volume#*.}" "$DAEMON_DIR/clear"
    try "and finds the very bytes that the guest wrote" holds "$DAEMON_DIR/clear" "$TEXT"
    rm -f "$DAEMON_DIR/clear"
done

virsh pool-destroy vault
refuse "with the header pool stopped, the guest does not start" "'vault' is not active" virsh start demo
virsh pool-start vault
virsh undefine demo
for volume in r.raw q.qcow2; do
    try "$volume is deleted" virsh vol-delete "$volume" data
done
same "nothing is left in either pool" "$(find "$VAULT" "$DATA" -mindepth 1)" ""
same "nor in the registry" "$(links)" ""
try "the daemon ends in good order" daemon_stop
finish
