#!/bin/bash
# Makes the root directory in which windows are tested (gui.sh): Debian with virt-manager, libvirt and QEMU as Debian
# installs them, and an X server that shows nobody anything; from Debian's packages alone. The plugin is not in it.
# Prints the directory that has it: "root", and "packages" (names and versions). Made once, and again where this script
# changes; what is not whole is never at its place. Needs root.
#
# Usage: gui-image.sh           makes it, if it is not there
#        gui-image.sh --where   where it is or would be
#
# Read from the environment:
#   LAB_SUITE     Debian's release (trixie)
#   LAB_MIRROR    where its packages come from (where the machine's own apt gets its own)
#   GUI_CACHE     the directory in which these are kept (~/.cache/libvirt-lukshdr/gui)
set -eu

suite=${LAB_SUITE:-trixie}
cache=${GUI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/libvirt-lukshdr/gui}

packages=(
    # what is tested
    virt-manager gir1.2-gtk-vnc-2.0
    libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils
    # a desktop: X, windows that can be moved, programs that can be asked what they show
    xvfb openbox xdotool x11-utils dbus-x11 at-spi2-core gir1.2-atspi-2.0 dconf-gsettings-backend libglib2.0-bin
    adwaita-icon-theme librsvg2-common fonts-dejavu-core imagemagick
    # the guest's disk, which a BIOS boots
    syslinux mtools dosfstools
    iproute2 procps jq
    # what the plugin depends on and none of these does: there is no network to fetch it from
    libjson-glib-1.0-0
)

dir=$cache/$suite-$(cat "$0" - <<<"$suite" | sha256sum | cut -c 1-16)
[ "${1:-}" != --where ] || {
    echo "$dir"
    exit
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
[ ! -e "$dir/packages" ] || {
    echo "$dir"
    exit
}
[ "$(id -u)" -eq 0 ] || {
    echo "gui-image.sh: needs root" >&2
    exit 1
}
mirror=${LAB_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
    "Codename: $(. /etc/os-release && echo "${VERSION_CODENAME:-}")" | sed -n 1p)}
[ -n "$mirror" ] || {
    echo "gui-image.sh: apt knows no archive of this machine's own release; set LAB_MIRROR" >&2
    exit 1
}

new=$dir.new
# whoever made this did not come to an end: there is the lock
rm -rf --one-file-system "$new"
mkdir "$new"
trap 'rm -rf --one-file-system "$new"' EXIT
echo "gui-image.sh: packages of $suite from $mirror" >&2
mmdebstrap --quiet --mode=root --variant=minbase --include="$(IFS=, && echo "${packages[*]}")" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$new/root" "$mirror" >&2
chroot "$new/root" dpkg-query -W >"$new/versions"
# where a test mounts its own changes on top, in a namespace of its own
mkdir "$new/over"
# last of all, since it says that all the others are whole
sync -f "$new"
mv "$new/versions" "$new/packages"
mv "$new" "$dir"
trap - EXIT
echo "gui-image.sh: made in $SECONDS s: $(du -sh "$dir/root" | cut -f 1), $(wc -l <"$dir/packages") packages" >&2
echo "$dir"
