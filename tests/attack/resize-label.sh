#!/bin/bash
# Two hosts share a file system without birth times, so a label recognises a payload by its size. One host
# resizes volumes; the other still recognises them. If a label cannot be written, the resize is not undone, and
# the log says so.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/linked.sh"

need_root
need_command mkfs.ext4 losetup

# Inodes of 128 bytes have no room for a birth time. Mounted before there are daemons, which both see it.
_daemon_work
STORE=$DAEMON_WORK/store
mount_store() {
    mkdir "$STORE" && truncate -s 256M "$STORE.img" && mkfs.ext4 -q -I 128 "$STORE.img" 2>/dev/null &&
        mount -o loop "$STORE.img" "$STORE"
}
mount_store || skip_all "no file system without birth times to be had here"
at_exit umount -l "$STORE"
mkdir "$STORE"/{vault,data,spare} && chmod 755 "$STORE" "$STORE"/*

# host NAME: a daemon whose pools are there; the pool of headers is declared to be one.
host() {
    linked_start "$1" && quick_keys || return
    local pool
    for pool in vault data spare; do
        virsh pool-destroy "$pool" && virsh pool-undefine "$pool"
        echo "<pool type='dir'><name>$pool</name><target><path>$STORE/$pool</path>$([ $pool = data ] || echo '<headers/>')</target></pool>" \
            >"$DAEMON_DIR/xml/pool.xml"
        virsh pool-define "$DAEMON_DIR/xml/pool.xml" && virsh pool-start "$pool" && virsh pool-autostart "$pool" || return
    done 2>"$DAEMON_DIR/pools.log"
}
# label_of FILE: the text of its label.
label_of() {
    dd if="$1" bs=1M skip=2 count=1 status=none | tr -d '\0' | sed -n '/<link/,/<\/link>/p' | head -n 40
}
taken() {
    virsh pool-refresh vault >/dev/null && virsh vol-dumpxml "$1" data | grep "<header type=.volume." | grep -qv "state="
}

try "one host" host one
same "the file system has no birth times" "$(stat -c %W "$STORE/data")" 0
for volume in raw qcow2; do
    try "it makes a volume with a replica, of format $volume" create "$volume" "$volume" "" "pool='vault'/><source pool='spare'"
    try "and resizes it" virsh vol-resize "$volume" 32M data
    for pool in vault spare; do
        like "its label in pool $pool says how long it is" "$(label_of "$STORE/$pool/$volume.luks")" \
            "size=\"$(stat -c %s "$STORE/data/$volume")\""
    done
    try "it opens the volume" eval "virsh vol-create-from data <(linked_xml copy raw) $volume --inputpool data &&
        virsh vol-delete copy data"
done
like "the registry says so as well" "$(link_show raw)" 'size="33554432"'

try "another host" host two
for volume in raw qcow2; do
    try "it takes the volume of format $volume for what it is" waited taken "$volume"
done
daemon_stop

linked_use one
echo nothing >"$DAEMON_DIR/nothing"
mv "$STORE/spare/raw.luks" "$DAEMON_DIR/away" && ln -s "$DAEMON_DIR/nothing" "$STORE/spare/raw.luks"
try "with something else in the place of a replica, it is resized as well" virsh vol-resize raw 48M data
same "to that size" "$(stat -c %s "$STORE/data/raw")" $((48 * 1024 * 1024))
like "the header's label says so" "$(label_of "$STORE/vault/raw.luks")" 'size="50331648"'
same "nothing is written to what is there instead" "$(cat "$DAEMON_DIR/nothing")" nothing
like "the log says which label does not" "$(cat "$DAEMON_LOG")" "label in volume 'raw.luks' of pool 'spare'.*how long"
finish
