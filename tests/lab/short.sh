#!/bin/bash
# One boot of a whole machine with AppArmor: the package is installed with apt, and a guest starts from a linked volume
# and has another plugged in and out. AppArmor lets it read its own headers, and nobody else's.
. "$(dirname "$0")/../lib/lab.sh"

need_lab
lab_machine lab1 || exit
lab_spent "boot"
try "the package installs" lab_install lab1
lab_spent "package"
like "the journal says that the plugin is there" \
    "$(on lab1 'virsh -q list >/dev/null; journalctl -b -u libvirtd -o cat')" "libvirt-lukshdr .*: volumes with detached headers can be managed in storage pools"

try "two pools and three linked volumes" on lab1 'pool_make vault /srv/vault && pool_make images /srv/images &&
    volume_make system.qcow2 qcow2 32 images vault && volume_make data.raw raw 32 images vault &&
    volume_make other.raw raw 32 images vault'
denied lab1 >/dev/null
lab_spent "volumes"

try "a guest starts" on lab1 'guest_make guest "$(disk_xml vda /srv/images/system.qcow2 qcow2)" && virsh start guest'
try "it writes and reads" on lab1 'io guest vda "write -P 0x5a 1M 64k" && io guest vda "read -P 0x5a 1M 64k"'
try "another disk is plugged in" on lab1 'virsh attach-disk guest /srv/images/data.raw vdb --subdriver raw'
try "it writes and reads there" on lab1 'io guest vdb "write -P 0xa5 0 64k" && io guest vdb "read -P 0xa5 0 64k"'
same "AppArmor's rules have the two headers, and no others" \
    "$(on lab1 'grep -o "/srv/vault/[^\"]*\" [a-z]*" "$(profile guest)" | sort')" \
    '/srv/vault/data.raw.luks" rwk
/srv/vault/system.qcow2.luks" rwk'
lab_spent "guest"
try "and out" on lab1 'unplugged guest vdb'
same "AppArmor's rules have one header" \
    "$(on lab1 'grep -o "/srv/vault/[^\"]*" "$(profile guest)"')" '/srv/vault/system.qcow2.luks'
same "the other header is root's again" "$(on lab1 'stat -c "%U %a" /srv/vault/data.raw.luks')" "root 600"
try "the guest stops" on lab1 'virsh destroy guest'
same "AppArmor denied nothing" "$(denied lab1)" ""
finish
