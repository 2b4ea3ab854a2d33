#!/bin/sh
# Installs what building, demo and tests need and a Debian 12 (or newer) machine does not have; says so
# before. With nothing missing it does nothing and needs neither root nor a network.
# Usage: packages.sh [--list] [build|check|release|lab|gui|package|chroot]: "build" is what building and the demo need,
# "check" more, "release" what "./check releases" needs in the chroot of a release; "lab" is "build" and what makes and
# drives the lab's machines, "gui" what makes the desktop for programs with windows; "package" what ./package needs to
# build for this machine's Debian, "chroot" what it needs to build for another. With --list it prints the names, and
# does nothing else.
set -eu

# The oldest that will do. Debian 12 has an older QEMU: there both come from its backports.
min_libvirt=9.0
min_qemu=9.0

compile="gcc libc6-dev meson ninja-build pkg-config libglib2.0-dev libjson-glib-dev libxml2-dev
    libgnutls28-dev librbd-dev libiscsi-dev gettext"
build="$compile busybox-static cpio gzip xz-utils procps ca-certificates"
# One release of libvirt or QEMU for all of these, or apt finds that they contradict each other.
virt="libvirt-dev libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-driver-storage
    libvirt-daemon-driver-secret libvirt-clients qemu-system-x86 qemu-utils qemu-block-extra"
check="clang clang-format clang-tidy cppcheck valgrind shellcheck libxml2-utils nbdkit libnbd-bin
    cryptsetup-bin attr e2fsprogs parted jq tmux python3-docutils man-db virtinst polkitd dbus
    libglib2.0-bin rsync tgt ceph-mon ceph-osd ceph-common rpm rpmlint"

# for the suites that "./check releases" runs
release="libxml2-utils nbdkit libnbd-bin cryptsetup-bin attr e2fsprogs fdisk jq openssl python3 virtnbdbackup
    libguestfs0 linux-image-cloud-amd64"
lab="mmdebstrap debian-archive-keyring openssh-client e2fsprogs python3"

list=
[ "${1:-}" != --list ] || { list=1 && shift; }
case ${1:-build} in
    build) check= ;;
    release) check=$release ;;
    lab) check=$lab ;;
    gui) check="mmdebstrap debian-archive-keyring" ;;
    package)
        build="$compile" virt="libvirt-dev qemu-utils" check="build-essential debhelper lintian python3-docutils"
        ;;
    chroot) build='' virt='' check="mmdebstrap debian-archive-keyring" ;;
    check)
        virt="$virt libvirt-daemon-driver-storage-disk libvirt-daemon-driver-storage-iscsi-direct
            libvirt-daemon-driver-storage-rbd"
        ;;
    *)
        echo "usage: $0 [--list] [build|check|release|lab|gui|package|chroot]" >&2
        exit 2
        ;;
esac
if [ -n "$list" ]; then
    # shellcheck disable=SC2086 # lists
    printf '%s\n' $build $virt $check
    exit
fi

# installed PACKAGE: whether it is there; or, for a driver, that libvirt is older than its packaging as
# one package a driver or storage backend (Debian 12's own) and has it.
installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] && return
    case $1 in
        libvirt-daemon-driver-storage-*)
            set -- /usr/lib/*/libvirt/storage-backend/"libvirt_storage_backend_${1#libvirt-daemon-driver-storage-}.so"
            [ -e "$1" ]
            ;;
        libvirt-daemon-driver-*)
            set -- /usr/lib/*/libvirt/connection-driver/"libvirt_driver_${1##*-}.so"
            [ -e "$1" ]
            ;;
        # what Debian 13 calls those that it built anew for a time of 64 bits
        lib*[0-9]) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1t64" 2>/dev/null)" = installed ] ;;
        *) false ;;
    esac
}

# enough VERSION MINIMUM: compared without Debian's epoch.
enough() {
    [ -n "$1" ] && [ "$1" != "(none)" ] && dpkg --compare-versions "${1#*:}" ge "$2"
}

version() {
    dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true
}

missing() {
    for package; do
        installed "$package" || printf '%s ' "$package"
    done
}

# Those of $virt that are there and too old
old() {
    for package in $virt; do
        case $package in
            libvirt-daemon | libvirt-dev) minimum=$min_libvirt ;;
            qemu-system-x86 | qemu-utils) minimum=$min_qemu ;;
            *) continue ;;
        esac
        enough "$(version "$package")" "$minimum" || printf '%s (>= %s) ' "$package" "$minimum"
    done
}

# The indexes of the suite $1 that apt knows, as addresses.
index() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $1" | sed -n 1p
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086 # lists
    echo "packages.sh knows Debian only. Needed, under whatever names:" $build $virt $check >&2
    exit 1
fi

# shellcheck disable=SC2086 # lists
want=$(missing $build $check) want_virt=$(missing $virt)
[ -z "$(old)" ] || want_virt=$virt
[ -n "$want$want_virt" ] || exit 0

# shellcheck disable=SC2086
echo "packages.sh: installing" $want $want_virt
if [ "$(id -u)" -ne 0 ]; then
    echo "packages.sh: only root can install these. Run, as root: $0 ${1:-build}" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"
}

# An index that cannot be had matters only if a package then cannot.
apt update || echo "packages.sh: apt-get update had errors; going on" >&2

# in_release PACKAGE MINIMUM: whether the release itself has it new enough, backports left aside.
in_release() {
    for offered in $(apt-cache madison "$1" | grep -v -e '-backports/' | cut -d '|' -f 2); do
        ! enough "$offered" "$2" || return 0
    done
    return 1
}

suite=
if [ -n "$want_virt" ]; then
    if ! in_release qemu-system-x86 $min_qemu || ! in_release libvirt-daemon $min_libvirt; then
        codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
        suite=$codename-backports
        if [ -z "$(index "$suite")" ]; then
            uri=$(index "$codename")
            file=/etc/apt/sources.list.d/$suite.sources
            [ -n "$uri" ] || {
                echo "packages.sh: apt knows no archive of $codename to find $suite in" >&2
                exit 1
            }
            echo "packages.sh: adding $file (QEMU or libvirt of $codename itself is too old)"
            cat >"$file" <<SOURCES
# Added by libvirt-lukshdr: QEMU $min_qemu or later.
Types: deb
URIs: $uri
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
            apt update
        fi
    fi
    # All of them, so that those which are there do not stay behind the new ones.
    # shellcheck disable=SC2086
    apt install --no-install-recommends ${suite:+-t "$suite"} $virt
fi
# shellcheck disable=SC2086
[ -z "$want" ] || apt install --no-install-recommends $want

# shellcheck disable=SC2086
left=$(missing $build $virt $check)$(old)
[ -z "$left" ] || {
    echo "packages.sh: still missing: $left" >&2
    exit 1
}
