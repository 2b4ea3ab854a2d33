#!/bin/bash
# The daemon comes and goes as systemd has it, with and without the plugin: a guest that ends while the plugin is switched off,
# or its package removed, leaves nothing behind once it is back; and a libvirtd that ends when it is idle, as Debian's
# does, and is started by its socket again, has links, pools and guests as before.
. "$(dirname "$0")/../lib/lab.sh"

need_lab
lab_installed lab1 || exit
lab_spent "boot"
try "two pools and two linked volumes" on lab1 'pool_make vault /srv/vault && pool_make images /srv/images &&
    volume_make one.qcow2 qcow2 32 images vault && volume_make two.raw raw 32 images vault'
try "a guest" on lab1 'guest_make guest "$(disk_xml vda /srv/images/one.qcow2 qcow2)" "$(disk_xml vdb /srv/images/two.raw raw)"'
BEFORE=$(on lab1 'stat -c "%n %U:%G %a" /srv/vault/* /srv/images/*')
on lab1 denied >/dev/null

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

like "systemd knows the plugin's drop-in" "$(on lab1 'systemctl show -P DropInPaths libvirtd')" 'lukshdr'
note "The drop-in is disabled while a guest runs"
try "the guest starts" on lab1 'virsh start guest && io guest vda "write -P 0x11 1M 64k"'
try "the drop-in is masked, and the daemon restarted" on lab1 plugin_off
try "it destroys the guest" on lab1 destroyed guest
left "destroyed"
try "the mask is removed" on lab1 plugin_on
put_right "switched on"
try "the guest starts again, and has its data" on lab1 'virsh start guest && io guest vda "read -P 0x11 1M 64k"'
lab_spent "drop-in"

note "The package is removed while a guest runs"
try "it is removed" on lab1 'DEBIAN_FRONTEND=noninteractive apt-get -q -y remove libvirt-lukshdr </dev/null'
same "that is libvirt without the plugin" "$(on lab1 'virsh -q list >/dev/null; grep -c lukshdr /proc/$(pidof libvirtd)/maps')" 0
like "the guest goes on" "$(on lab1 'virsh domstate guest && io guest vda "read -P 0x11 1M 64k"')" '^running'
try "it is destroyed" on lab1 destroyed guest
left "removed"
try "the package is installed again" lab_install lab1
put_right "installed"
try "the guest starts again, and has its data" on lab1 'virsh start guest && io guest vda "read -P 0x11 1M 64k"'
lab_spent "package"

note "A daemon that ends when it is idle"
try "libvirtd is told to end after three seconds" on lab1 \
    'sed -i "/^LIBVIRTD_ARGS/d" /etc/default/libvirtd; echo "LIBVIRTD_ARGS=\"--timeout 3\"" >>/etc/default/libvirtd
    systemctl restart libvirtd'
try "with a guest it is stopped by hand" on lab1 'systemctl stop libvirtd && ! systemctl is-active -q libvirtd'
same "QEMU's user has the headers" "$(on lab1 'stat -c %U /srv/vault/*' | sort -u)" libvirt-qemu
refuse "its socket starts it for a client, and the volume is known to be in use" "in use" \
    on lab1 'virsh vol-delete two.raw images'
same "by its socket" "$(on lab1 'systemctl is-active libvirtd')" active
try "the guest reads" on lab1 'io guest vda "read -P 0x11 1M 64k"'
try "a disk is unplugged" on lab1 'unplugged guest vdb'
same "and given back" "$(on lab1 'stat -c "%n %U:%G %a" /srv/vault/two.raw.luks')" "/srv/vault/two.raw.luks root:root 600"
try "the guest is destroyed" on lab1 'virsh destroy guest'
try "without one the daemon ends by itself" on lab1 \
    'for i in $(seq 600); do [ "$(systemctl is-active libvirtd)" != inactive ] || exit 0; sleep 0.5; done; exit 1'
same "it failed in nothing" "$(on lab1 'systemctl show -P Result libvirtd')" success
put_right "started by its socket"
like "the links are there" "$(on lab1 'virt-lukshdr list')" 'one\.qcow2.*ok'
same "the pools are active" "$(on lab1 'virsh -q pool-list --name' | sort | xargs)" "images vault"
try "the daemon ends again" on lab1 \
    'for i in $(seq 600); do [ "$(systemctl is-active libvirtd)" != inactive ] || exit 0; sleep 0.5; done; exit 1'
try "a client creates a linked volume" on lab1 'volume_make three.raw raw 16 images vault'
try "the guest starts, and has its data" on lab1 'virsh start guest && io guest vda "read -P 0x11 1M 64k"'
try "and ends" on lab1 'virsh destroy guest'
lab_spent "idle timeout"
same "AppArmor denied nothing" "$(on lab1 denied)" ""
finish
