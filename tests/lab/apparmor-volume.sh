#!/bin/bash
# Disks that a domain names by pool and volume, on a machine whose kernel enforces AppArmor: in a file and on a logical
# volume, from the start, plugged in, with the daemon restarted in between and after libvirt has rewritten the
# profile. Whether the guest may open a file is asked of its own QEMU, which opens it once more.
. "$(dirname "$0")/../lib/lab.sh"

need_lab
lab_installed lab1 || exit
lab_spent "machine"

cat >"$LAB_DIR/part.sh" <<'SH'
# opens GUEST FILE: its QEMU opens the file, without locking it, and closes it again
opens() {
    virsh qemu-monitor-command "$1" "{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"raw\",\"node-name\":\"probe\",
        \"file\":{\"driver\":\"$(test -b "$2" && echo host_device || echo file)\",\"filename\":\"$2\",\"locking\":\"off\"}}}" |
        tee /dev/stderr | grep -q '"return"' &&
        virsh qemu-monitor-command "$1" '{"execute":"blockdev-del","arguments":{"node-name":"probe"}}' >/dev/null
}

# all_open GUEST: its QEMU may open payloads and headers of its disks
all_open() {
    opens "$1" /srv/images/a.qcow2 && opens "$1" /dev/vg0/b.raw && opens "$1" /srv/vault/a.qcow2.luks &&
        opens "$1" /srv/vault/b.raw.luks
}
SH
put lab1 "$LAB_DIR/part.sh" /root
here() {
    on lab1 ". ./part.sh; $1"
}

try "pools of files and of logical volumes" here 'pool_make vault /srv/vault && pool_make images /srv/images &&
    vgcreate -q vg0 /dev/vdb && virsh pool-define-as vg logical --source-name vg0 --target /dev/vg0 &&
    virsh pool-start vg && virsh pool-autostart vg'
try "linked volumes" here 'volume_make a.qcow2 qcow2 32 images vault && volume_make b.raw raw 32 vg vault &&
    volume_make c.raw raw 32 images vault && volume_make other.raw raw 32 images vault'
here denied >/dev/null
lab_spent "volumes"

try "a guest starts from disks by pool and volume" here \
    'guest_make guest "$(disk_xml vda images/a.qcow2 qcow2)$(disk_xml vdb vg/b.raw raw)" && virsh start guest'
try "it writes to both" here 'io guest vda "write -P 0x5a 1M 64k" && io guest vdb "write -P 0xa5 1M 64k"'
try "another is plugged in by pool and volume" here \
    'disk_xml vdc images/c.raw raw >c.xml && virsh attach-device guest c.xml && io guest vdc "write -P 0x11 0 64k"'
try "its QEMU may open what it has" here 'all_open guest && opens guest /srv/images/c.raw'
lab_spent "guest"
try "the daemon restarts" here 'systemctl restart libvirtd && virsh domstate guest | grep running'
try "the disk that was plugged in goes, and libvirt rewrites the profile" here 'unplugged guest vdc'
try "its QEMU may open what it has" here 'all_open guest'
same "nothing of that was denied" "$(here denied | grep -v queue/)" ""
refuse "it may open no disk that it has not, any more" "Permission denied" here 'opens guest /srv/images/c.raw'
refuse "nor another guest's payload" "Permission denied" here 'opens guest /srv/images/other.raw'
refuse "nor another guest's header" "Permission denied" here 'opens guest /srv/vault/other.raw.luks'
here denied >/dev/null
lab_spent "restart and unplugging"
try "it is saved" here 'virsh managedsave guest'
try "and comes back" here 'virsh start guest'
try "it reads from both" here 'io guest vda "read -P 0x5a 1M 64k" && io guest vdb "read -P 0xa5 1M 64k" && all_open guest'
try "it ends, the daemon restarts, and it starts again" here \
    'virsh destroy guest && systemctl restart libvirtd && virsh start guest'
try "it reads from both" here 'io guest vda "read -P 0x5a 1M 64k" && io guest vdb "read -P 0xa5 1M 64k"'
try "it ends" here 'virsh destroy guest'
same "headers and payload are root's" \
    "$(here 'stat -c %U /srv/vault/*.luks /srv/images/*' | sort -u)" root
lab_spent "saved and started again"
try "virt-lukshdr attach gives a disk to a guest that does not run" here \
    'guest_make second && virt-lukshdr attach second images/c.raw vda && virt-lukshdr attach second vg/b.raw vdb'
same "named by file and by device" \
    "$(here 'virsh dumpxml second --xpath "//disk/source/@file | //disk/source/@dev"' | tr -d ' \r' | xargs)" \
    "file=/srv/images/c.raw dev=/dev/vg0/b.raw"
try "it starts after the daemon has restarted" here 'systemctl restart libvirtd && virsh start second'
try "it reads what the first wrote" here 'io second vda "read -P 0x11 0 64k" && io second vdb "read -P 0xa5 1M 64k"'
try "it ends" here 'virsh destroy second'
same "AppArmor denied nothing" "$(here denied | grep -v queue/)" ""
finish
