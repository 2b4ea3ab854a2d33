#!/bin/bash
# Makes the image of the lab's machines (lab.sh): Debian with systemd, its own kernel, libvirt and QEMU as Debian
# installs them, AppArmor, an SELinux policy and what a storage host has; from Debian's packages alone. The plugin is
# not in it. Prints the directory that has it: "disk" (raw, ext4, no partitions), "vmlinuz", "initrd", "key" (for
# ssh as root) and "packages" (names and versions). Made once, and again where this script changes; what is not whole
# is never at its place. Needs root.
#
# Usage: lab-image.sh           makes it, if it is not there
#        lab-image.sh --where   where it is or would be
#
# Read from the environment:
#   LAB_SUITE     Debian's release (trixie)
#   LAB_MIRROR    where its packages come from (where the machine's own apt gets its own)
#   LAB_CACHE     the directory in which images are kept (~/.cache/libvirt-lukshdr/lab)
set -eu

. "$(dirname "$0")/image.sh"

# shellcheck disable=SC2034 # for image.sh
packages=(
    # a machine that boots, and an administrator who looks around
    linux-image-cloud-amd64 initramfs-tools zstd systemd-sysv udev dbus openssh-server iproute2 kmod procps
    apparmor auditd attr file jq netcat-openbsd less ca-certificates
    # a virtualization host
    libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils qemu-block-extra
    polkitd gnutls-bin
    # a storage host
    libvirt-daemon-driver-storage-logical libvirt-daemon-driver-storage-iscsi libvirt-daemon-driver-storage-disk
    libvirt-daemon-driver-storage-scsi lvm2 thin-provisioning-tools nfs-kernel-server nfs-common
    open-iscsi tgt cryptsetup-bin parted e2fsprogs xfsprogs
    selinux-policy-default policycoreutils policycoreutils-python-utils
    # what the plugin depends on and none of these does: the machines have no network to fetch it from
    libjson-glib-1.0-0
)

image_begin "${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/libvirt-lukshdr/lab}" "${1:-}"
say() {
    echo "lab-image.sh: after $SECONDS s: $*" >&2
}

ssh-keygen -q -t ed25519 -N '' -C lab -f "$new/key"

# These run on the host; $1 is the machine's root directory. Before the kernel is there, what the initramfs is to have:
cat >"$new/early" <<'HOOK'
#!/bin/sh
set -eu
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\nFSTYPE=ext4\n' >"$1/etc/initramfs-tools/conf.d/lab"
printf '%s\n' virtio_pci virtio_blk ext4 >"$1/usr/share/initramfs-tools/modules.d/lab"
HOOK
# When all packages are there
cat >"$new/customize" <<'HOOK'
#!/bin/sh
set -eu
r=$1
echo lab >"$r/etc/hostname"
printf '127.0.0.1 localhost\n10.9.0.1 lab1\n10.9.0.2 lab2\n' >"$r/etc/hosts"
echo '/dev/vda / ext4 rw,relatime,discard 0 1' >"$r/etc/fstab"
: >"$r/etc/machine-id"
mkdir -p -m 700 "$r/root/.ssh"
cp "$LAB_NEW/key.pub" "$r/root/.ssh/authorized_keys"
# no login session for each command
printf 'UsePAM no\nUseDNS no\nMaxSessions 100\n' >"$r/etc/ssh/sshd_config.d/lab.conf"
# the first network card leads to the host, the second to the lab's other machine
while read -r mac address; do
    printf '[Match]\nMACAddress=%s\n[Network]\nAddress=%s\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n' \
        "$mac" "$address" >"$r/etc/systemd/network/lab-${mac##*:}.network"
done <<CARDS
52:54:00:1a:b0:00 10.0.2.15/24
52:54:00:1a:b0:01 10.9.0.1/24
52:54:00:1a:b0:02 10.9.0.2/24
CARDS
# what a machine that lives for minutes need not do
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    xfs_scrub_all.timer e2scrub_reap.service systemd-networkd-wait-online.service systemd-binfmt.service; do
    ln -sf /dev/null "$r/etc/systemd/system/$unit"
done
# a hundred profiles of programs that are not there take as long as all the rest of a boot
(cd "$r/etc/apparmor.d" && grep -d skip -lE '^profile .*flags=\((unconfined|default_allow)\)' -- *) | while read -r profile; do
    ln -s "/etc/apparmor.d/$profile" "$r/etc/apparmor.d/disable/$profile"
done
chroot "$r" systemctl -q enable systemd-networkd
# what a test starts itself, when it needs it
for unit in tgt nfs-server nfs-blkmap rpc-statd-notify open-iscsi iscsid rpcbind.socket rpcbind; do
    chroot "$r" systemctl -q disable "$unit" 2>/dev/null || :
done
printf 'blacklist %s\n' kvm_amd kvm_intel ahci >"$r/etc/modprobe.d/lab.conf"
printf 'SELINUX=permissive\nSELINUXTYPE=default\n' >"$r/etc/selinux/config"
# documentation was left out of the image; it is not of what is installed from now on
rm -f "$r/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
# the labels for a boot with SELinux; the host needs none for that
chroot "$r" setfiles -F /etc/selinux/default/contexts/files/file_contexts /
# nothing is to be brought up to date by the first boot
touch "$r/etc/.updated" "$r/var/.updated"
HOOK
chmod 755 "$new/early" "$new/customize"

say "packages of $suite from $mirror"
LAB_NEW=$new image_system --essential-hook="$new/early" --customize-hook="$new/customize"
mv "$new"/root/boot/vmlinuz-* "$new/vmlinuz"
mv "$new"/root/boot/initrd.img-* "$new/initrd"
chroot "$new/root" dpkg-query -W >"$new/versions"
say "disk"
mke2fs -q -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 -d "$new/root" "$new/disk" 10G >&2
rm -rf --one-file-system "$new/root" "$new/early" "$new/customize"
say "made: $(du -h "$new/disk" | cut -f 1), $(wc -l <"$new/versions") packages"
image_end
