#!/bin/bash
# A host with AppArmor, as Debian's are: what libvirt lets a guest do with its disks, it lets it do with their headers, from the
# moment on at which the disk is there until it is gone; never with the headers of other guests; and nothing is denied that
# an administrator has to ask about.
# shellcheck disable=SC2016 # for the machine
. "$(dirname "$0")/../lib/lab.sh"

# rules GUEST: what its rules say of headers
rules() {
    on lab1 "grep -oE '\"(/srv/vault|/data/hdr)/[^\"]*\" [a-z]+' \"\$(profile $1)\" | tr -d '\"' | LC_ALL=C sort"
}

# owners: who owns the headers, but for the guest's user, who may not be the same in every release
owners() {
    on lab1 'cd / && stat -c "%n %U %a" srv/vault/* data/hdr/* | sed "s/libvirt-qemu/QEMU/"'
}

# as_guest GUEST COMMAND: what root could do, with the guest's rules
as_guest() {
    on lab1 "aa-exec -p libvirt-\$(virsh domuuid $1 | head -n 1) -- $2"
}

need_lab
lab_installed lab1 || exit
lab_spent "machine"
like "AppArmor confines libvirtd" "$(on lab1 'cat /proc/$(pidof libvirtd)/attr/current | tr -d "\0"')" "^libvirtd \(enforce\)"
try "four pools and eight linked volumes" on lab1 'set -e
    pool_make vault /srv/vault; pool_make odd /data/hdr; pool_make images /srv/images
    volume_make a.qcow2 qcow2 32 images vault; volume_make b.raw raw 32 images vault
    volume_make c.qcow2 qcow2 32 images odd; volume_make other.raw raw 32 images vault
    virsh pool-define-as vg logical --source-dev /dev/vdb --source-name vg0 --target /dev/vg0
    virsh pool-build vg; virsh pool-start vg; virsh pool-autostart vg
    volume_make lv raw 32 vg vault; volume_make d.raw raw 32 images vg
    volume_make copy.qcow2 qcow2 32 images odd; volume_make unused.raw raw 8 images odd'
lab_spent "volumes"

# Start
try "a guest starts" on lab1 'guest_make guest "$(disk_xml vda /srv/images/a.qcow2 qcow2)" && virsh start guest'
try "another one starts" on lab1 'guest_make other "$(disk_xml vda /srv/images/other.raw raw)" && virsh start other'
like "QEMU is confined" "$(on lab1 'tr -d "\0" <"/proc/$(cat /run/libvirt/qemu/guest.pid)/attr/current"')" \
    "^libvirt-[-0-9a-f]{36} \(enforce\)"
same "the guest's rules have its header" "$(rules guest)" "/srv/vault/a.qcow2.luks rwk"
try "the guest writes and reads" on lab1 'io guest vda "write -P 0x11 1M 64k" && io guest vda "read -P 0x11 1M 64k"'

# Hot-plug
try "a disk is plugged in" on lab1 'virsh attach-disk guest /srv/images/b.raw vdb --subdriver raw'
try "one with its header in a directory that libvirt knows nothing of" \
    on lab1 'virsh attach-disk guest /srv/images/c.qcow2 vdc --subdriver qcow2'
same "the guest's rules have the headers of all three" "$(rules guest)" "/data/hdr/c.qcow2.luks rwk
/srv/vault/a.qcow2.luks rwk
/srv/vault/b.raw.luks rwk"
try "the guest writes and reads there" on lab1 'set -e
    io guest vdb "write -P 0x12 1M 64k"; io guest vdb "read -P 0x12 1M 64k"
    io guest vdc "write -P 0x13 1M 64k"; io guest vdc "read -P 0x13 1M 64k"'
try "a logical volume is plugged in" on lab1 'virsh attach-disk guest /dev/vg0/lv vdd --subdriver raw'
try "a disk is plugged in that has its header there" on lab1 'virsh attach-disk guest /srv/images/d.raw vde --subdriver raw'
try "the guest writes and reads there" on lab1 'set -e
    io guest vdd "write -P 0x14 1M 64k"; io guest vdd "read -P 0x14 1M 64k"
    io guest vde "write -P 0x15 1M 64k"; io guest vde "read -P 0x15 1M 64k"'
lab_spent "start, plug"
same "AppArmor denied nothing until here" "$(denied lab1)" ""

# What is not its own
same "with its rules, its header can be read" "$(as_guest guest 'head -c 4 /srv/vault/a.qcow2.luks')" "LUKS"
for file in /srv/vault/other.raw.luks /data/hdr/unused.raw.luks /etc/libvirt/lukshdr/links; do
    refuse "with its rules, $file cannot" "Permission denied" as_guest guest "head -c 4 $file"
done
refuse "with its rules, no header can be made" "Permission denied" as_guest guest "touch /srv/vault/new.luks"
denied=$(on lab1 denied)
for file in /srv/vault/other.raw.luks /data/hdr/unused.raw.luks /srv/vault/new.luks; do
    like "AppArmor denied that: $file" "$denied" "apparmor=\"DENIED\" operation=\"[a-z]*\" .*name=\"$file\""
done
lab_spent "what is not its own"

# Unplugging, with a restart of the daemon before
try "the daemon restarts" on lab1 'systemctl restart libvirtd && virsh list'
same "the guests go on" "$(on lab1 'virsh list --name | sort | xargs')" "guest other"
try "a disk is unplugged" on lab1 'unplugged guest vdb'
same "its header's rule has gone" "$(rules guest)" "/data/hdr/c.qcow2.luks rwk
/srv/vault/a.qcow2.luks rwk
/srv/vault/lv.luks rwk"
try "it is plugged in again" on lab1 'virsh attach-disk guest /srv/images/b.raw vdb --subdriver raw'
try "the guest reads what it wrote" on lab1 'set -e
    io guest vda "read -P 0x11 1M 64k"; io guest vdb "read -P 0x12 1M 64k"; io guest vdc "read -P 0x13 1M 64k"
    io guest vdd "read -P 0x14 1M 64k"; io guest vde "read -P 0x15 1M 64k"'
lab_spent "restart, unplug"

# Jobs
try "an external snapshot, encrypted as the volume" on lab1 'virsh snapshot-create guest /dev/stdin --disk-only --no-metadata <<XML
<domainsnapshot><disks><disk name="vda" snapshot="external"><driver type="qcow2"/><source file="/srv/images/a.overlay">
<encryption format="luks"><secret type="passphrase" uuid="$(secret_of images/a.qcow2)"/></encryption></source></disk>
$(printf "<disk name=\"%s\" snapshot=\"no\"/>" vdb vdc vdd vde)</disks></domainsnapshot>
XML'
try "the guest writes" on lab1 'io guest vda "write -P 0x21 2M 64k"'
like "the header is in the rules still" "$(rules guest)" "^/srv/vault/a.qcow2.luks rwk"
try "the overlay is committed" on lab1 'virsh blockcommit guest vda --active --pivot --wait'
same "the disk is the volume again" "$(on lab1 'virsh domblklist guest | sed -n "s/^ vda *//p"')" "/srv/images/a.qcow2"
try "the guest reads what it wrote before and since" on lab1 'io guest vda "read -P 0x11 1M 64k" && io guest vda "read -P 0x21 2M 64k"'
lab_spent "snapshot"
try "a copy to another linked volume" on lab1 'cat >copy.xml <<XML
<disk type="file"><driver type="qcow2"/><source file="/srv/images/copy.qcow2"><encryption format="luks">
<secret type="passphrase" uuid="$(secret_of images/copy.qcow2)"/></encryption></source></disk>
XML
    virsh blockcopy guest vda --xml copy.xml --reuse-external --transient-job --wait --pivot'
same "the rules have the copy's header" "$(rules guest | grep -v -e b.raw -e lv)" "/data/hdr/c.qcow2.luks rwk
/data/hdr/copy.qcow2.luks rwk"
try "the guest reads from it" on lab1 'io guest vda "read -P 0x11 1M 64k" && io guest vda "read -P 0x21 2M 64k"'
lab_spent "copy"

# Save
try "the guest is saved" on lab1 'virsh managedsave guest'
same "all headers but the other guest's are root's" "$(owners)" "srv/vault/a.qcow2.luks root 600
srv/vault/b.raw.luks root 600
srv/vault/lv.luks root 600
srv/vault/other.raw.luks QEMU 600
data/hdr/c.qcow2.luks root 600
data/hdr/copy.qcow2.luks root 600
data/hdr/unused.raw.luks root 600"
try "it goes on" on lab1 'virsh start guest'
try "the guest reads and writes" on lab1 'set -e
    io guest vda "read -P 0x21 2M 64k"; io guest vdb "write -P 0x31 3M 64k"; io guest vdd "read -P 0x14 1M 64k"
    io guest vde "write -P 0x35 3M 64k"'
lab_spent "save, restore"
try "the guests stop" on lab1 'virsh destroy guest && virsh destroy other'
unlike "all headers are root's" "$(owners)" "QEMU"
same "what running guests use is not recorded any more" "$(on lab1 'ls /run/libvirt/lukshdr/guests')" ""
same "AppArmor denied nothing in all this" "$(denied lab1)" ""
finish
