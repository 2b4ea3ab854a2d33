#!/bin/bash
# A package's life on a host: installed on a fresh machine, there after a reboot, upgraded while a guest runs, removed and
# purged while one runs, installed again. All data outlive it, and the guests go on.
# shellcheck disable=SC2016 # for the machine
. "$(dirname "$0")/../lib/lab.sh"

# newer DIR: the packages once more, the same but for a higher version, in DIR
newer() {
    local deb version
    for deb in "$LAB_DEBS"/*lukshdr_*.deb; do
        version=$(dpkg-deb -f "$deb" Version)
        dpkg-deb -R "$deb" "$1/tree" && sed -i "s/${version//./\\.}/$version+lab1/" "$1/tree/DEBIAN/control" &&
            dpkg-deb --root-owner-group -Znone -b "$1/tree" "$1" >/dev/null && rm -rf "$1/tree" || return
    done
}

# data: all that is the user's, to the byte; but not what running guests write
data() {
    on lab1 'cd / && find srv/vault etc/libvirt/lukshdr etc/libvirt/secrets etc/libvirt/qemu etc/libvirt/storage -type f \
        ! -name "*.lock" -exec sha256sum {} + | sort -k 2; ls srv/images'
}

# plugin: the modules of ours that libvirtd has mapped
plugin() {
    on lab1 'grep -o "/[^ ]*lukshdr.*" "/proc/$(pidof libvirtd)/maps" | sort -u'
}

apt() {
    on lab1 "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 $*" </dev/null
}

need_lab
need_command dpkg-deb
lab_debs || exit
packages=$(for deb in "$LAB_DEBS"/*lukshdr_*.deb; do dpkg-deb -f "$deb" Package; done | xargs)
lab_machine lab1 || exit
lab_spent "boot"

# Nothing to start with
try "it installs on a fresh machine" lab_install lab1
unlike "without a question" "$OUT" "\[[Yy]/[Nn]\]|\?$"
journal=$(on lab1 'virsh -q list >/dev/null; journalctl -b -u libvirtd -o cat')
like "the journal says that the plugin is there" "$journal" "libvirt-lukshdr .*: volumes with detached headers can be managed in storage pools"
like "libvirtd has its modules" "$(plugin)" "/libvirt-lukshdr/connection-driver/libvirt_driver_qemu.so$"
lab_spent "package"
try "pools and a first linked volume" on lab1 'pool_make vault /srv/vault && pool_make images /srv/images &&
    volume_make first.qcow2 qcow2 32 images vault && volume_make second.raw raw 16 images vault'
try "a guest that starts with the host" on lab1 'guest_make guest "$(disk_xml vda /srv/images/first.qcow2 qcow2)" &&
    virsh autostart guest && virsh start guest'
try "another that does not" on lab1 'guest_make second "$(disk_xml vda /srv/images/second.raw raw)"'
# what has to be there after a reboot has to be flushed: by -f
try "it writes" on lab1 'io guest vda "write -f -P 0x5a 1M 64k"'
lab_spent "first volume, guest"

# Reboot. The guest has no system that would shut down, which libvirt would wait for.
on lab1 'echo SHUTDOWN_TIMEOUT=5 >>/etc/default/libvirt-guests'
try "the host reboots" lab_reboot lab1
lab_spent "reboot"
on lab1 'systemctl is-system-running --wait' >/dev/null
try "the guest is up" waited on lab1 'virsh list --name | grep -qx guest'
try "it reads what it wrote" on lab1 'io guest vda "read -P 0x5a 1M 64k"'
same "the volumes are well, one of them used by a guest" "$(on lab1 'virt-lukshdr list | awk "NR > 1 { print \$1, \$NF }" | sort')" "images/first.qcow2 guest
images/second.raw ok"
same "no unit failed" "$(on lab1 'systemctl --failed --no-legend')" ""
lab_spent "autostart"

# Upgrade
mkdir "$LAB_DIR/newer"
try "there is a newer version" newer "$LAB_DIR/newer"
before=$(data) pid=$(on lab1 'cat /run/libvirt/qemu/guest.pid')
try "it is upgraded while a guest runs" lab_install lab1 "$LAB_DIR/newer"
like "to that version" "$(on lab1 "dpkg-query -W -f '\${Version}\n' libvirt-lukshdr")" '\+lab1$'
try "the daemon answers" on lab1 'virsh list'
unlike "it has the new modules, and no old ones" "$(plugin)" "deleted"
like "it has any" "$(plugin)" "/libvirt-lukshdr/connection-driver/libvirt_driver_storage.so$"
same "the guest is the same process" "$(on lab1 'cat /run/libvirt/qemu/guest.pid; kill -0 "$(cat /run/libvirt/qemu/guest.pid)"')" "$pid"
same "nothing of the user's has changed" "$(data)" "$before"
try "the guest reads and writes" on lab1 'io guest vda "read -P 0x5a 1M 64k" && io guest vda "write -f -P 0x5b 2M 64k"'
try "it has a disk plugged in" on lab1 'virsh attach-disk guest /srv/images/second.raw vdb --subdriver raw'
try "and out" on lab1 'unplugged guest vdb'
lab_spent "upgrade"

# Removal
before=$(data)
# shellcheck disable=SC2086 # a list
try "it is removed while a guest runs" apt remove $packages
like "it says what stays" "$OUT" "/etc/libvirt/lukshdr"
try "the daemon answers" on lab1 'virsh list'
same "it is libvirt without the plugin" "$(plugin)" ""
same "the guest is the same process" "$(on lab1 'cat /run/libvirt/qemu/guest.pid; kill -0 "$(cat /run/libvirt/qemu/guest.pid)"')" "$pid"
try "the guest reads and writes" on lab1 'io guest vda "read -P 0x5b 2M 64k" && io guest vda "write -f -P 0x5c 3M 64k"'
refuse "a guest with a linked disk is not handed ciphertext" "LUKS" on lab1 'virsh start second'
try "one without starts" on lab1 'guest_make plain && virsh start plain && virsh destroy plain && virsh undefine plain'
# shellcheck disable=SC2086 # a list
try "it is purged" apt purge $packages
like "it says what stays" "$OUT" "/etc/libvirt/lukshdr"
same "nothing of the user's has changed" "$(data)" "$before"
same "nothing but that is left" "$(on lab1 'find / -xdev -iname "*lukshdr*" ! -path "/proc/*" ! -path "/root/*" ! -path "/srv/*" \
    ! -path "/etc/libvirt/lukshdr*" ! -path "/var/lib/dpkg/*" ! -path "/var/log/*"')" ""
lab_spent "removal, purge"

# Again
try "it is installed again" lab_install lab1
like "libvirtd has its modules" "$(plugin)" "/libvirt-lukshdr/connection-driver/libvirt_driver_qemu.so$"
try "the guest reads what it wrote meanwhile" on lab1 'io guest vda "read -P 0x5c 3M 64k"'
try "another one starts" on lab1 'virsh start second'
try "the guests stop" on lab1 'virsh destroy guest && virsh destroy second'
same "the headers are root's" "$(on lab1 'stat -c "%U %a" /srv/vault/* | sort -u')" "root 600"
same "AppArmor denied nothing in all this" "$(denied lab1)" ""
finish
