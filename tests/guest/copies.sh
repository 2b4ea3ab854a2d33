#!/bin/bash
# Guests whose disk's header is damaged: with a replica the header is mended first, without one the guest does not
# start. Headers that several disks share are in shared.sh.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 qemu-img

# disk TARGET NAME: a linked volume as a disk.
digest() {
    head -c 2066432 "$1" | sha256sum
}

try "a host with a header pool and a payload pool" linked_start
VAULT2=$DAEMON_IMAGES/vault2
"$DAEMON_IN" mkdir -p "$VAULT2"
try "a pool for replicas" pool_make vault2 "$VAULT2"
quick_keys

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
