#!/bin/bash
# External snapshots of guests with linked disks. The guests have no operating system: what is written and read goes
# through QEMU's monitor, as a guest's requests would.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/linked.sh"

need_command qemu-system-x86_64 qemu-img xmllint

# guest NAME DISK...: defines it.
guest() {
    cat >"$DAEMON_DIR/xml/$1.xml" <<XML
<domain type='qemu'><name>$1</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>${*:2}</devices></domain>
XML
    virsh define "$DAEMON_DIR/xml/$1.xml"
}

# disk TARGET FILE FORMAT
disk() {
    echo "<disk type='file' device='disk'><driver name='qemu' type='$3'/><source file='$2'/>
        <target dev='$1' bus='virtio'/></disk>"
}

# standing: what a refused operation must leave as it is.
standing() {
    find "$DATA" "$VAULT" | sort
    virsh dumpxml one --inactive
    virsh snapshot-list one --name
}

# refused WHAT REGEX COMMAND...
refused() {
    local before
    before=$(standing)
    refuse "$@"
    same "$1: nothing has changed" "$(standing)" "$before"
}

try "a host with a linked volume" eval 'linked_start && create a.qcow2 qcow2'
try "and a plain one" virsh vol-create-as data plain.qcow2 16M --format qcow2
try "a guest with both" guest one "$(disk vda "$DATA/a.qcow2" qcow2)" "$(disk vdb "$DATA/plain.qcow2" qcow2)"

# --- going back: libvirt puts overlays on all disks, also on those that the snapshot left out

try "a snapshot of the plain disk alone" virsh snapshot-create-as one alone --disk-only --diskspec vda,snapshot=no
refused "going back to it" "overlay above disk 'vda'.*volume 'a\.qcow2' of pool 'data' unencrypted" \
    virsh snapshot-revert one alone
virsh snapshot-delete one alone --metadata
finish
