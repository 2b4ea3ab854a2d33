#!/bin/bash
# Makes the root directory in which windows are tested (gui.sh): Debian with virt-manager, cockpit, libvirt and QEMU as
# Debian installs them, an X server that shows nobody anything and a browser; from Debian's packages alone. The plugin is not in it.
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

. "$(dirname "$0")/image.sh"

# shellcheck disable=SC2034 # for image.sh
packages=(
    # what is tested
    virt-manager gir1.2-gtk-vnc-2.0
    libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils
    cockpit-ws cockpit-machines libvirt-dbus chromium
    # a desktop: X, windows that can be moved, programs that can be asked what they show
    xvfb openbox xdotool x11-utils dbus-x11 at-spi2-core gir1.2-atspi-2.0 dconf-gsettings-backend libglib2.0-bin
    adwaita-icon-theme librsvg2-common fonts-dejavu-core imagemagick
    # the guest's disk, which a BIOS boots
    syslinux mtools dosfstools
    iproute2 procps jq
    # what the plugin depends on and none of these does: there is no network to fetch it from
    libjson-glib-1.0-0
)

image_begin "${GUI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/libvirt-lukshdr/gui}" "${1:-}"
echo "gui-image.sh: packages of $suite from $mirror" >&2
image_system --aptopt='APT::Install-Recommends "false"'
chroot "$new/root" dpkg-query -W >"$new/versions"
# where a test mounts its own changes on top, in a namespace of its own
mkdir "$new/over"
echo "gui-image.sh: made in $SECONDS s: $(du -sh "$new/root" | cut -f 1), $(wc -l <"$new/versions") packages" >&2
image_end
