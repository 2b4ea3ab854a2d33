#!/bin/bash
# docs/installing.md leads from nothing to a guest with an encrypted disk: what it says is typed as root on a fresh machine
# under AppArmor, and README.md, which shows the same commands, shows no others.
. "$(dirname "$0")/../lib/docs.sh"
. "$(dirname "$0")/../lib/lab.sh"

SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
DOCS_LOOKS="^journalctl |$DOCS_LOOKS"

docs_host() {
    [ "$1" = host ]
}

docs_type() {
    printf '%s\n' "$1" >>"$LAB_DIR/typed"
    on lab1 "export LC_ALL=C.UTF-8
$1"
}

docs_file() {
    on lab1 "cat >$1"
}

need_lab
lab_debs || exit
lab_machine lab1 || exit
lab_spent "boot"
# What ./package trixie leaves there; somebody says yes to apt.
put lab1 "$LAB_DEBS"/*lukshdr_*.deb "/root/build-package/trixie"
on lab1 'echo "APT::Get::Assume-Yes \"true\";" >/etc/apt/apt.conf.d/yes; denied' >/dev/null

: >"$LAB_DIR/typed"
docs_page "$SOURCE/docs/installing.md" 3
same "AppArmor denied nothing" "$(on lab1 denied)" ""
like "the guest is under its profile" "$(on lab1 'tr -d "\0" </proc/$(cat /run/libvirt/qemu/guest.pid)/attr/current')" \
    "libvirt-.* \(enforce\)"
lab_spent "docs/installing.md"

shown=$(sed -n '/^## Install it/,/^## /{/^```sh/,/^```$/p}' "$SOURCE/README.md" | sed 's/ *#.*//; /^```/d')
like "README.md shows commands" "$shown" "virsh start guest"
same "and none that was not typed" "$(grep -vxFf "$LAB_DIR/typed" <<<"$shown")" "./package trixie"
finish
