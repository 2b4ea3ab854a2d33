#!/bin/bash
# virt-lukshdr attach and detach, with a guest that writes.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../tool/lib/vl.sh"
. "$(dirname "$0")/../lib/guest.sh"

need_guest
try "a daemon starts" linked_start || finish
quick_keys
create one.qcow2 qcow2 >/dev/null && create two raw >/dev/null
try "a guest boots" guest_boot demo || finish

targets() {
    virsh domblklist demo "$@" | awk 'NF { print $1 }' | xargs
}

status "no such domain" 4 'nobody' vl attach nobody one.qcow2 vdb
status "a volume that is not linked" 4 "no active pool has a volume 'three'" vl attach demo three vdb
status "no such disk" 4 "has no disk 'vdz'" vl detach demo vdz
try "a volume is attached to the running domain" vl attach demo data/one.qcow2 vdb --live --serial vdb
same "it has it" "$(targets)" "vdb"
like "named by its path, which AppArmor's rules are made of" "$(virsh dumpxml demo)" "<source file='$DATA/one.qcow2'"
same "its configuration has not" "$(targets --inactive)" ""
guest_run demo 'head -c 4096 /dev/zero | tr "\0" Q | dd of=$(disk vdb) bs=4096 seek=3 conv=fsync' >/dev/null 2>&1
like "the guest reads what it wrote" \
    "$(guest_run demo 'echo 3 >/proc/sys/vm/drop_caches; dd if=$(disk vdb) bs=4096 skip=3 count=1 2>/dev/null')" 'QQQQQQQQ'
same "the payload has not what it wrote" "$(grep -c QQQQQQQQ "$DATA/one.qcow2")" 0
refuse "twice is refused" 'vdb' vl attach demo data/one.qcow2 vdb --live
status "list says who uses it" 0 'in use by demo' vl list

# --- nothing is done to a header that a guest runs from

before=$(sha256sum <"$VAULT/one.qcow2.luks")
KEPT=$DAEMON_DIR/kept
mkdir -m 777 "$KEPT"
printf %s "$PASSPHRASE" | secret_file
PASS=$DAEMON_DIR/xml/value
printf new-one >"$KEPT/new"
chmod 644 "$KEPT/new"
try "a backup can be made" vl header-backup one.qcow2 "$KEPT/one"
status "header-restore" 6 "in use by domain 'demo'" vl header-restore --force --force one.qcow2 "$KEPT/one"
status "erase" 1 'in use' vl erase --yes one.qcow2
status "unlink" 1 'in use' vl unlink one.qcow2
status "convert" 1 "^virt-lukshdr: .*'one.qcow2' is in use by the running domain 'demo'" vl convert one.qcow2 data/copy
status "a copy with the same key" 1 'in use by the running domain' vl convert one.qcow2 data/copy --same-key
status "and vol-clone" 1 'in use by the running domain' virsh vol-clone one.qcow2 copy --pool data
same "nothing is left of them" "$(virsh vol-list data | grep -c copy)$(virsh vol-list vault | grep -c copy)" 00
same "the header is as it was" "$(sha256sum <"$VAULT/one.qcow2.luks")" "$before"

# --- but its keys

try "key-add" vl key-add one.qcow2 --passphrase-file "$PASS" --new-passphrase-file "$KEPT/new" --iter-time 10
try "key-remove" vl key-remove one.qcow2 --slot 1 --passphrase-file "$PASS"
status "check has nothing to say against it" 0 'links checked: 2, things found: 0' vl check
like "the guest goes on" \
    "$(guest_run demo 'echo 3 >/proc/sys/vm/drop_caches; dd if=$(disk vdb) bs=4096 skip=3 count=1 2>/dev/null')" 'QQQQQQQQ'

try "another one for good" vl attach demo two vdc --persistent --read-only
same "the domain has it" "$(targets)" "vdb vdc"
same "and its configuration" "$(targets --inactive)" "vdc"
like "with the secret, so that a daemon without the plugin refuses it" \
    "$(virsh dumpxml demo --inactive)" "uuid='$SECRET_UUID'"
try "what a guest only reads can be converted" vl convert two data/copy --secret "$SECRET_UUID"
virsh vol-delete copy data
try "detached by the volume's name" vl detach demo data/one.qcow2
same "it is gone" "$(targets)" "vdc"
try "detached by target, for good" vl detach demo vdc --persistent
same "it is gone" "$(targets)$(targets --inactive)" ""
virsh destroy demo
status "--live on a domain that does not run" 1 'not running; --config' vl attach demo two vdb --live
try "the configuration of one that does not run" vl attach demo two sda
like "on the bus that its name says" "$(virsh dumpxml demo)" "<target dev='sda' bus='scsi'/>"
try "and back" vl detach demo two
same "it is gone" "$(targets --inactive)" ""
printf 'XXXX' | dd of="$VAULT/two.luks" conv=notrunc status=none
status "a volume with a broken header" 1 "cannot be opened: there is no LUKS header" vl attach demo two vdb
guest_stop demo
finish
