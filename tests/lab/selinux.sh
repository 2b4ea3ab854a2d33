#!/bin/bash
# SELinux enforcing, as docs/installing.md sets it up: a guest starts from a linked volume and has another plugged in and
# out; its QEMU may open its own headers and nobody else's; what SELinux denied is looked at.
. "$(dirname "$0")/../lib/lab.sh"

need_lab
SELINUX="security=selinux selinux=1"
lab_machine lab1 "$SELINUX" || exit
lab_spent "boot"
# The guest has no disk. It needs execmem, as all emulated guests do.
refuse "without the plugin libvirt may give no guest a /dev of its own" "exited prior to exec" \
    on lab1 'setsebool virt_use_execmem 1; guest_make plain >/dev/null; setenforce 1; virsh start plain'
on lab1 'setenforce 0; virsh undefine plain' >/dev/null
try "the package installs" lab_install lab1
lab_spent "package"
like "libvirt confines guests" "$(on lab1 'virsh capabilities')" '<model>selinux</model>'
like "libvirtd runs in a domain of its own" "$(on lab1 'ps -o context= -p $(pidof libvirtd)')" 'virtd_t'
try "two pools, headers in a directory of images" on lab1 'pool_make vault /srv/vault && pool_make images /var/lib/libvirt/images &&
    semanage fcontext -a -t virt_image_t "/srv/vault(/.*)?" && restorecon -R /srv/vault'
try "guests share the host's /dev" on lab1 'echo "namespaces = []" >>/etc/libvirt/qemu.conf && systemctl restart libvirtd'
try "SELinux enforces" on lab1 'setenforce 1 && [ "$(getenforce)" = Enforcing ]'
on lab1 denied >/dev/null

# refused WHAT: nothing was, but that the registry is told of changes, and looks for itself then; and what QEMU asks of the
# host when it starts, which is about no file of a guest.
refused() {
    same "$1: nothing was denied" "$(on lab1 denied | grep -v -e '{ watch }.*path="/etc/libvirt/lukshdr/links"' \
        -e 'comm="qemu-system-x86".*tcontext=[^ ]*:\(sysfs_t\|sysctl_vm_t\|virtd_t\|svirt_t\):')" ""
}

try "linked volumes are created" on lab1 'volume_make one.qcow2 qcow2 32 images vault && volume_make two.raw raw 32 images vault &&
    volume_make other.raw raw 32 images vault'
refused creating
BEFORE=$(on lab1 'stat -c "%n %U %C" /srv/vault/*')
note "$BEFORE"
lab_spent "volumes"
try "a guest starts" on lab1 'guest_make guest "$(disk_xml vda /var/lib/libvirt/images/one.qcow2 qcow2)" && virsh start guest'
note "$(on lab1 'ps -o context= -p $(cat /run/libvirt/qemu/guest.pid); stat -c "%n %U %C" /srv/vault/*')"
try "it writes and reads" on lab1 'io guest vda "write -P 0x5a 1M 64k" && io guest vda "read -P 0x5a 1M 64k"'
try "another disk is plugged in" on lab1 'virsh attach-disk guest /var/lib/libvirt/images/two.raw vdb --subdriver raw'
try "it writes and reads there" on lab1 'io guest vdb "write -P 0xa5 0 64k" && io guest vdb "read -P 0xa5 0 64k"'
same "its headers have its category, and no other has" \
    "$(on lab1 'c=$(ps -o context= -p $(cat /run/libvirt/qemu/guest.pid) | sed "s/.*s0:/s0:/"); stat -c "%n %C" /srv/vault/* | grep "$c" | cut -d" " -f1')" \
    "/srv/vault/one.qcow2.luks
/srv/vault/two.raw.luks"
try "it is unplugged" on lab1 'unplugged guest vdb'
same "its header is as before" "$(on lab1 'stat -c "%n %U %C" /srv/vault/two.raw.luks')" "$(grep two.raw <<<"$BEFORE")"
try "the guest ends" on lab1 'virsh destroy guest'
same "all headers are as before" "$(on lab1 'stat -c "%n %U %C" /srv/vault/*')" "$BEFORE"
refused "start, plug, unplug, end"
lab_spent "guest"

note "It ends while the plugin is switched off"
try "the guest starts" on lab1 'virsh start guest'
try "the daemon runs without the plugin" on lab1 plugin_off
try "it destroys the guest" on lab1 destroyed guest
unlike "stock leaves the header as the guest had it" "$(on lab1 'stat -c "%n %U %C" /srv/vault/one.qcow2.luks')" "$(grep one.qcow2 <<<"$BEFORE")"
try "the plugin is there again" on lab1 plugin_on
same "all headers are as before" "$(on lab1 'stat -c "%n %U %C" /srv/vault/*')" "$BEFORE"
refused "start, end without the plugin, and the plugin back"
lab_spent "without the plugin"
finish
