#!/bin/bash
# Builds the RPM packages of libvirt-lukshdr.spec with Debian's rpmbuild, which is not how Fedora builds them, and has
# rpmlint look at the spec and at the result. Usage: rpm.sh SOURCES DIR: DIR, a new directory, gets all of it.
set -eu
cd "$1"
dir=$2
mkdir "$dir" "$dir/SOURCES"
version=$(sed -n 's/^Version: *//p' libvirt-lukshdr.spec)
tar --exclude='./build*' --exclude='./.git*' --transform "s,^\.,libvirt-lukshdr-$version," \
    -cJf "$dir/SOURCES/libvirt-lukshdr-$version.tar.xz" .

# What systemd's and meson's packages define on Fedora. LIBDIR is Debian's, as libvirt's own is.
libdir=$(pkg-config --variable=libdir libvirt)
export LC_ALL=C.UTF-8
rpmbuild -ba --nodeps libvirt-lukshdr.spec \
    --define "_topdir $dir" --define "_libdir $libdir" --define '_unitdir %{_prefix}/lib/systemd/system' \
    --define 'meson meson setup --buildtype=plain --prefix=%{_prefix} --libdir=%{_libdir} -Dtests=false red-hat' \
    --define 'meson_build meson compile -C red-hat' \
    --define 'meson_install DESTDIR=%{buildroot} meson install -C red-hat --no-rebuild' \
    --define 'meson_test true' \
    --define 'autosetup(n:) %setup -q'

rpmlint --rpmlintrc tests/lib/rpmlintrc libvirt-lukshdr.spec "$dir"/SRPMS/*.rpm "$dir"/RPMS/*/*.rpm
