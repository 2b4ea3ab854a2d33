#!/bin/sh
# Checks that all places which name the release name the same one, and prints it. Usage: versions.sh DIRECTORY
cd "$1" || exit
status=0
release=$(sed -n "s/^  version: '\(.*\)',$/\1/p" meson.build)
[ -n "$release" ] || {
    echo "meson.build has no version" >&2
    exit 1
}
# agrees WHERE WHAT: WHAT is what stands in WHERE.
agrees() {
    [ "$2" = "$release" ] || {
        echo "meson.build has release '$release', $1 '$2'" >&2
        status=1
    }
}
agrees NEWS "$(sed -n 's/^v\([0-9][0-9.]*\).*/\1/p' NEWS | head -n 1)"
# ./package adds "~deb13", and that alone, for Debian 13
agrees debian/changelog "$(sed -n '1s/^libvirt-lukshdr (\([^)~]*\).*/\1/p' debian/changelog)"
agrees libvirt-lukshdr.spec "$(sed -n 's/^Version: *//p' libvirt-lukshdr.spec)"
agrees "libvirt-lukshdr.spec's %changelog" \
    "$(sed -n '/^%changelog/,$s/^\*.* - \([^-]*\)-[0-9]*$/\1/p' libvirt-lukshdr.spec | head -n 1)"

# The newest libvirt that the modules were tested with, and what the spec says
max=$(sed -n 's/^#define LUKSHDR_LIBVIRT_MAX \([0-9]*\)$/\1/p' src/util/abi.h)
next=$((max / 1000000)).$((max / 1000 % 1000 + 1))
spec=$(sed -n 's/^%global untested //p' libvirt-lukshdr.spec)
[ "$spec" = "$next" ] || {
    echo "libvirt $next is the first that was not tested (src/util/abi.h), libvirt-lukshdr.spec says '$spec'" >&2
    status=1
}
[ "$status" -ne 0 ] || echo "$release"
exit "$status"
