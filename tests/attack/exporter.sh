#!/bin/bash
# Another QEMU serves a linked payload, as an administrator does with qemu-nbd. Meanwhile nobody can delete,
# wipe, unlink, resize or overwrite the volume, and afterwards it is as it was.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/linked.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_command qemu-nbd
try "a daemon with a header pool and a payload pool starts" linked_start || finish
quick_keys
try "a raw linked volume" create one raw
try "a qcow2 one" create two qcow2
link=$(link_show one)

# served FILE FORMAT: qemu-nbd has the file open.
served() {
    rm -f "$DAEMON_DIR/nbd.pid"
    qemu-nbd --fork --persistent --pid-file="$DAEMON_DIR/nbd.pid" -k "$DAEMON_DIR/nbd.sock" -f "$2" "${@:3}" "$1" &&
        at_exit served_off
}
served_off() {
    local pid
    pid=$(cat "$DAEMON_DIR/nbd.pid" 2>/dev/null) || return 0
    rm "$DAEMON_DIR/nbd.pid"
    kill "$pid" && waited not kill -0 "$pid" 2>/dev/null
}
unlinked() {
    cat >"$DAEMON_DIR/xml/link.xml" <<XML
<volume><name>$1</name><target><encryption format='luks'>
  <header type='volume' link='unlink'><source pool='vault' volume='$1.luks'/></header>
</encryption></target></volume>
XML
    virsh vol-create data "$DAEMON_DIR/xml/link.xml"
}

head -c 1048576 /dev/zero >"$DAEMON_DIR/zeroes"
bystander "$DATA/one" "$DATA/two" "$VAULT/one.luks" "$VAULT/two.luks"

# refused WHAT VOLUME FILE: whatever would change it.
refused() {
    local used="volume '$3' of pool '$4' is in use by QEMU"
    refuse "$1: it is not deleted" "$used" virsh vol-delete "$2" data
    refuse "$1: nor wiped" "$used" virsh vol-wipe "$2" data
    refuse "$1: nor unlinked" "$used" unlinked "$2"
    refuse "$1: nor overwritten" "$used" virsh vol-upload "$2" "$DAEMON_DIR/zeroes" data
    refuse "$1: nor is its header" "$used" virsh vol-upload "$2.luks" "$DAEMON_DIR/zeroes" vault
    unharmed "$1: nobody's byte has changed"
}

# resized VOLUME: neither way.
resized() {
    refuse "$1: not cut off" "virsh blockresize.*is in use by QEMU" virsh vol-resize "$1" 8M data --shrink
    refuse "$1: nor made larger" "virsh blockresize.*is in use by QEMU" virsh vol-resize "$1" 32M data
}

try "the raw payload is served" served "$DATA/one" raw
refused "raw" one one data
resized one
same "raw: the link is as it was" "$(link_show one)" "$link"
served_off
try "the qcow2 payload is served, for reading" served "$DATA/two" qcow2 --read-only
refused "qcow2" two two data
resized two
served_off
try "a header is served" served "$VAULT/one.luks" raw
refused "header" one one.luks vault
served_off

try "unserved, one is made larger" virsh vol-resize one 32M data
same "to that size" "$(stat -c %s "$DATA/one")" $((32 * 1024 * 1024))
try "so is two" virsh vol-resize two 32M data
try "one is unlinked" unlinked one
try "two is wiped" virsh vol-wipe two data
try "and deleted" virsh vol-delete two data
virsh vol-delete one data >/dev/null
virsh vol-delete one.luks vault >/dev/null
nothing_left "in the end"
finish
