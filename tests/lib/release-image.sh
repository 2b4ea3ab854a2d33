#!/bin/bash
# Makes the root directory of a release of Debian, in which "./check releases" builds and tests: libvirt and QEMU as
# that release has them, and what else packages.sh knows to be needed; from Debian's packages alone. The plugin is not
# in it. Prints the directory that has it: "root", and "packages" (names and versions). Made once, and again where this
# script or the list of packages changes; what is not whole is never at its place. Needs root.
#
# Usage: release-image.sh bookworm|trixie|sid           makes it, if it is not there
#        release-image.sh bookworm|trixie|sid --where   where it is or would be
#
# Read from the environment:
#   LAB_MIRROR      where the packages come from (where the machine's own apt gets its own)
#   RELEASE_CACHE   the directory in which these are kept (~/.cache/libvirt-lukshdr/releases). Remove it for
#                   today's sid
set -eu

. "$(dirname "$0")/image.sh"

# shellcheck disable=SC2034 # for image.sh
LAB_SUITE=$1
mapfile -t packages < <("$(dirname "$0")/packages.sh" --list release)
# as a host has it; before Debian 13 nothing else makes the user that QEMU runs as
packages+=(libvirt-daemon-system)
# In Debian 12 libvirt-daemon has these drivers.
[ "$LAB_SUITE" != bookworm ] || mapfile -t packages < <(printf '%s\n' "${packages[@]}" | grep -v 'driver-s')
cache=${RELEASE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/libvirt-lukshdr/releases}
# image.sh knows this script's text, not the list
image_begin "$cache/$(printf '%s\n' "${packages[@]}" | sha256sum | cut -c 1-8)" "${2:-}"

# Debian 12's own libvirt is the oldest that the plugin knows; its QEMU is too old, so that is the backports'. This runs
# on the host before apt looks for packages; $1 is the root directory.
cat >"$new/sources" <<'HOOK'
#!/bin/sh
set -eu
[ "$RELEASE_SUITE" = bookworm ] || exit 0
echo "deb $RELEASE_MIRROR bookworm-backports main" >>"$1/etc/apt/sources.list"
cat >"$1/etc/apt/preferences.d/qemu" <<PIN
Package: src:qemu src:seabios
Pin: release n=bookworm-backports
Pin-Priority: 990
PIN
HOOK
chmod 755 "$new/sources"

echo "release-image.sh: packages of $suite from $mirror" >&2
mapfile -t reach < <("$(dirname "$0")/reach.sh")
RELEASE_SUITE=$suite RELEASE_MIRROR=$mirror image_system --aptopt='APT::Install-Recommends "false"' \
    "${reach[@]}" --setup-hook="$new/sources"
rm "$new/sources"
chroot "$new/root" dpkg-query -W >"$new/versions"
echo "release-image.sh: made in $SECONDS s: $(du -sh "$new/root" | cut -f 1), $(wc -l <"$new/versions") packages" >&2
image_end
