#!/bin/bash
# The plugin is switched off, as systemd has it, while a guest runs, and the guest ends meanwhile: once the plugin is back,
# nothing is left of the guest.
. "$(dirname "$0")/../lib/lab.sh"

need_lab
lab_installed lab1 || exit
lab_spent "boot"
try "two pools and two linked volumes" on lab1 'pool_make vault /srv/vault && pool_make images /srv/images &&
    volume_make one.qcow2 qcow2 32 images vault && volume_make two.raw raw 32 images vault'
try "a guest" on lab1 'guest_make guest "$(disk_xml vda /srv/images/one.qcow2 qcow2)" "$(disk_xml vdb /srv/images/two.raw raw)"'
BEFORE=$(on lab1 'stat -c "%n %U:%G %a" /srv/vault/* /srv/images/*')

# A daemon that has just started, and has not found its guests yet, kills the guest and says that it does not run.
GONE='virsh destroy guest; for i in $(seq 600); do [ "$(virsh domstate guest)" != "shut off" ] || exit 0; sleep 0.5; done; exit 1'

# left WHAT: what a daemon without the plugin has left.
left() {
    same "$1: stock leaves the headers to QEMU's user" "$(on lab1 'stat -c %U /srv/vault/*' | sort -u)" libvirt-qemu
    same "and the guest's record" "$(on lab1 'ls /run/libvirt/lukshdr/guests | wc -l')" 1
}

# put_right WHAT
put_right() {
    try "the plugin is there again" on lab1 'virt-lukshdr check'
    same "$1: headers and payloads are as before" "$(on lab1 'stat -c "%n %U:%G %a" /srv/vault/* /srv/images/*')" "$BEFORE"
    same "$1: no record is left" "$(on lab1 'ls /run/libvirt/lukshdr/guests')" ""
}

DROPIN=$(on lab1 'systemctl show -P DropInPaths libvirtd | tr " " "\n" | grep lukshdr')
like "systemd knows the plugin's drop-in" "$DROPIN" 'lukshdr'
MASK=/etc/systemd/system/libvirtd.service.d/${DROPIN##*/}

note "The drop-in is disabled while a guest runs"
try "the guest starts" on lab1 'virsh start guest && io guest vda "write -P 0x11 1M 64k"'
try "the drop-in is masked, and the daemon restarted" on lab1 \
    "mkdir -p ${MASK%/*} && ln -s /dev/null $MASK && systemctl daemon-reload && systemctl restart libvirtd"
same "that is libvirt without the plugin" "$(on lab1 'grep -c lukshdr /proc/$(pidof libvirtd)/maps')" 0
try "it destroys the guest" on lab1 "$GONE"
left "destroyed"
try "the mask is removed" on lab1 "rm $MASK && systemctl daemon-reload && systemctl restart libvirtd"
put_right "switched on"
try "the guest starts again, and has its data" on lab1 'virsh start guest && io guest vda "read -P 0x11 1M 64k"'
lab_spent "drop-in"
finish
