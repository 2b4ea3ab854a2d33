# shellcheck shell=bash
# What the guest tests have in common beyond tests/lib/linked.sh: by whom header and payload of a linked
# volume can be opened, what QEMU makes of them, what a guest finds in them, what an implementation of
# LUKS that is not QEMU's finds in them.

. "$(dirname "${BASH_SOURCE[0]}")/../../lib/linked.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/guest.sh"
need_guest

# disk TARGET VOLUME: the XML of the linked volume of the pool data as a disk; VOLUME ends with its format.
disk() {
    disk_xml "$1" "$DATA/$2" "${2#*.}" "$SECRET_UUID"
}

# plug GUEST TARGET VOLUME: plugs it in.
plug() {
    disk "$2" "$3" >"$DAEMON_DIR/disk.xml"
    virsh attach-device "$1" "$DAEMON_DIR/disk.xml" --live
}

# unplug GUEST TARGET: unplugs it, and waits until it is gone.
unplug() {
    virsh detach-disk "$1" "$2" --live && disk_gone "$1" "$2"
}

# vdx SOURCE [FORMAT [SECRET]]: the XML of whatever it is as the disk vdx, see disk_xml; without SECRET there is no
# <encryption>.
vdx() {
    disk_xml vdx "$1" "${2:-raw}" "${3:-}"
}

# Loop devices, which are detached at the end.
LOOPS=()
_detach_loops() {
    local loop
    for loop in "${LOOPS[@]}"; do
        losetup -d "$loop"
    done
}
at_exit _detach_loops

# plugin_off, plugin_on: the daemon is started again without, and with, the plugin.
plugin_off() {
    PLUGIN=$LIBVIRT_DRIVER_DIR
    export -n LIBVIRT_DRIVER_DIR
    unset LIBVIRT_DRIVER_DIR
    daemon_restart
}
plugin_on() {
    export LIBVIRT_DRIVER_DIR=$PLUGIN
    linked_launch
}

# access FILE...: who may open them, as "owner:group mode" each, and what libvirt's security drivers
# remember of earlier owners.
access() {
    local file
    for file; do
        stat -c '%n %U:%G %a' "$file" | sed "s|^$DAEMON_IMAGES/||"
        getfattr --absolute-names -d -m - "$file" 2>/dev/null | grep libvirt
    done
}

# linked_access NAME...: the same of their headers and payloads.
linked_access() {
    local name
    for name; do
        access "$VAULT/$name.luks" "$DATA/$name"
    done
}

# records: the plugin's records of running guests; empty if there are none.
records() {
    local dir=/run/libvirt
    [ "$DAEMON_RUNS" = system ] || dir=$DAEMON_DIR/run/libvirt
    "$DAEMON_IN" sh -c 'cd "$1/lukshdr/guests" 2>/dev/null && ls -A' sh "$dir"
}

# record GUEST: its record.
record() {
    local dir=/run/libvirt
    [ "$DAEMON_RUNS" = system ] || dir=$DAEMON_DIR/run/libvirt
    "$DAEMON_IN" sh -c 'cat "$1"/lukshdr/guests/*"$2".xml' sh "$dir" "$1"
}

# qemu_pids GUEST: the number of its process, as seen by $DAEMON_IN.
qemu_pids() {
    "$DAEMON_IN" pgrep -f "^/[^ ]*qemu-system.* guest=$1,.*$DAEMON_DIR/"
}

# traces GUEST NAME...: all that a guest that does not run must not leave, beside linked_access.
traces() {
    local guest=$1
    shift
    linked_access "$@"
    records
    qemu_pids "$guest"
}

# qmp GUEST COMMAND: what QEMU answers.
qmp() {
    virsh qemu-monitor-command "$1" "$2"
}

# nodes GUEST: its block nodes, as "name driver".
nodes() {
    qmp "$1" '{"execute":"query-named-block-nodes","arguments":{"flat":true}}' |
        grep -o '"\(node-name\|drv\)":"[^"]*"' | cut -d'"' -f2,4 | tr '"' ' ' |
        awk '$1 == "node-name" { name = $2 } $1 == "drv" { driver = $2 }
            name && driver { print name, driver; name = driver = "" }' | sort -V
}

# edges GUEST: which node is what to which: "parent child-name child".
edges() {
    qmp "$1" '{"execute":"x-debug-query-block-graph"}' | python3 -c '
import json, sys
graph = json.load(sys.stdin)["return"]
names = {node["id"]: node["name"] for node in graph["nodes"] if node["type"] == "block-driver"}
for edge in graph["edges"]:
    if edge["parent"] in names:
        print(names[edge["parent"]], edge["name"], names[edge["child"]])' | sort -V
}

# objects GUEST: the user-created objects in QEMU, by their names.
objects() {
    qmp "$1" '{"execute":"qom-list","arguments":{"path":"/objects"}}' |
        grep -o '"name":"[^"]*"' | cut -d'"' -f4 | grep -vx type | sort -V
}

# disk_gone GUEST TARGET: waits until the disk has been unplugged.
disk_gone() {
    waited not _has_disk "$@"
}
_has_disk() {
    virsh domblklist "$1" | grep -qw "$2"
}

# guest_fill GUEST TARGET TEXT: the guest fills the second MiB and the last sector of its disk with the text.
guest_fill() {
    guest_run "$1" "set -e
        disk=\$(disk $2)
        last=\$((\$(blockdev --getsize64 \$disk) / 512 - 1))
        yes '$3' | head -c 1048576 >/tmp/text
        dd if=/tmp/text of=\$disk bs=1M seek=1 conv=fsync
        dd if=/tmp/text of=\$disk bs=512 seek=\$last count=1 conv=fsync
        echo 3 >/proc/sys/vm/drop_caches"
}

# guest_filled GUEST TARGET TEXT: whether it reads that back.
guest_filled() {
    guest_run "$1" "set -e
        disk=\$(disk $2)
        last=\$((\$(blockdev --getsize64 \$disk) / 512 - 1))
        yes '$3' | head -c 1048576 >/tmp/text
        head -c 512 /tmp/text >/tmp/sector
        echo 3 >/proc/sys/vm/drop_caches
        dd if=\$disk bs=1M skip=1 count=1 2>/dev/null | cmp - /tmp/text
        dd if=\$disk bs=512 skip=\$last 2>/dev/null | cmp - /tmp/sector"
}

# holds FILE TEXT: the file is what guest_fill wrote, at its places, the capacity being all of it.
holds() {
    local size
    size=$(stat -c %s "$1")
    cmp <(yes "$2" | head -c 1048576) <(tail -c +1048577 "$1" | head -c 1048576) &&
        cmp <(yes "$2" | head -c 512) <(tail -c +$((size - 511)) "$1")
}

# in_clear TEXT FILE...: prints which files hold the text, or a third of it, anywhere.
in_clear() {
    local text=$1
    shift
    grep -laF -e "$text" -e "${text:0:$((${#text} / 3 + 1))}" "$@"
}

# random FILE [OFFSET]: whether the MiB of the file at OFFSET (in MiB; 1) looks random: nothing to compress.
random() {
    [ "$(dd if="$1" bs=1M skip="${2:-1}" count=1 2>/dev/null | gzip -9 | wc -c)" -gt 1048000 ]
}

# open_pair HEADER PAYLOAD FORMAT FILE: decrypts the payload to FILE, with nbdkit, whose implementation of
# LUKS has nothing in common with QEMU's. It expects a header in front of its payload, so it gets a
# copy of the header that says that the payload begins at its end, and the payload behind it. qemu-img
# only unpacks the payload's own format, to what is ciphertext still.
open_pair() {
    local dir=$DAEMON_WORK/pair
    mkdir -p "$dir" && cp "$1" "$dir/header" && truncate -s 4M "$dir/header" || return
    # LUKS1: magic, "cipher", "mode", "hash", then at byte 104 payload-offset, in sectors, big-endian.
    printf '\0\0\x20\0' | dd of="$dir/header" bs=1 seek=104 conv=notrunc status=none &&
        printf %s "$PASSPHRASE" >"$dir/passphrase" && qemu-img convert -f "$3" -O raw "$2" "$dir/payload" &&
        nbdkit -U - -r --filter=luks split "$dir/header" "$dir/payload" passphrase=+"$dir/passphrase" \
            --run "nbdcopy \"\$uri\" '$4'"
}
