#!/bin/bash
# Plain volumes of an rbd pool are stock's: one session on a daemon without the plugin and on one with it, down
# to the words of the errors, then a guest on a plain image. Each image is looked at with Ceph's own tools.

# shellcheck disable=SC2317 # many functions are called by way of run and try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/lib/images.sh"
. "$(dirname "$0")/../lib/session.sh"

TEXT="what is on a plain disk: $RANDOM $RANDOM"

normal() {
    sed -e "s|$DAEMON_DIR|DIR|g" -e 's|<uuid>.*</uuid>|<uuid/>|' -e 's|^UUID:.*|UUID:|' \
        -e 's|^SNAPID .*|SNAPID|' -e '/^ *[0-9]\+ *libvirt-[0-9]* /c SNAPSHOT'
}

# content IMAGE: what is in it.
content() {
    rbd export "images/$1" - --no-progress | sha256sum
}

# volume XML...: vol-create in the rbd pool.
volume() {
    printf '%s\n' "$1" >"$DAEMON_DIR/xml/volume.xml"
    shift
    virsh vol-create images "$DAEMON_DIR/xml/volume.xml" "$@"
}

session() {
    local xml name
    run virsh pool-dumpxml images
    run virsh pool-info images
    run virsh vol-list images
    run virsh vol-create-as images one 16M
    run virsh vol-create-as images one 16M
    run virsh vol-create-as images two.qcow2 16M --format qcow2
    run virsh vol-create-as images backed 16M --backing-vol one --backing-vol-format raw
    run virsh vol-create-as images prealloc 1M --allocation 1M --prealloc-metadata
    for xml in '<volume/>' '<volume><name>x</name></volume>' \
        '<volume><name>sector</name><capacity>512</capacity></volume>' \
        '<volume><name>a/b</name><capacity>1048576</capacity></volume>' \
        '<volume><name>zzz</name><capacity>1048576</capacity><target><format type="zzz"/></target></volume>'; do
        run volume "$xml"
        run volume "$xml" --validate
    done
    run volume "<volume><name>attached</name><capacity>1048576</capacity><target><encryption format='luks'>
        <secret type='passphrase' uuid='$SECRET_UUID'/></encryption></target></volume>"
    run virsh vol-list images --details
    run virsh vol-dumpxml one images
    run virsh vol-info one images --bytes
    run virsh vol-path one images
    run virsh vol-key one images
    run virsh vol-pool images/one
    run virsh vol-dumpxml nothing images

    # Something to keep: one is 16 MiB of it.
    run rbd rm images/one --no-progress
    run rbd import "$DAEMON_WORK/random" images/one --no-progress
    run virsh pool-refresh images
    run content one
    run virsh vol-resize one 24M images
    run virsh vol-info one images --bytes
    run virsh vol-resize one 8M images
    run virsh vol-resize one 8M images --shrink
    run virsh vol-resize one 4M images --delta
    run virsh vol-info one images --bytes
    run content one

    run virsh vol-clone one clone images
    run virsh vol-clone one clone images
    run virsh vol-dumpxml clone images
    run content clone
    run rbd snap ls images/one
    run virsh vol-delete one images
    printf '<volume><name>from</name><capacity>12582912</capacity></volume>' >"$DAEMON_DIR/xml/from.xml"
    run virsh vol-create-from images "$DAEMON_DIR/xml/from.xml" clone --inputpool images
    run content from
    run virsh vol-create-from images "$DAEMON_DIR/xml/from.xml" file.raw --inputpool data
    run virsh vol-create-from data "$DAEMON_DIR/xml/from.xml" from --inputpool images

    run virsh vol-wipe from images
    run content from
    run virsh vol-wipe one images --algorithm trim
    run content one
    run virsh vol-wipe from images --algorithm trim
    run virsh vol-wipe from images --algorithm nnsa
    run virsh vol-wipe nothing images
    run virsh vol-upload from "$DAEMON_WORK/random" images
    run virsh vol-download from "$DAEMON_WORK/down" images
    run virsh pool-refresh images
    run virsh vol-list images --details

    run virsh pool-destroy images
    run virsh vol-list images
    run virsh pool-start images
    run linked_launch
    # It has forgotten that the pool was active, and starts pools by itself once in a host's life.
    run virsh pool-list
    run virsh pool-start images
    run virsh vol-list images
    for name in from clone one two.qcow2 backed prealloc sector attached a/b nothing; do
        run virsh vol-delete "$name" images
    done
    run virsh vol-list images
    run rbd ls images
}

# clear: no image is left, whatever became of the session.
clear() {
    local image
    # a clone before what it was cloned from: as often as there may be generations
    for image in $(rbd ls images) $(rbd ls images) $(rbd ls images); do
        rbd snap ls "images/$image" --format json 2>/dev/null | python3 -c '
import json, sys
for snap in json.load(sys.stdin):
    print(snap["name"])' 2>/dev/null | while read -r snap; do
            rbd snap unprotect "images/$image@$snap" 2>/dev/null
        done
        rbd snap purge "images/$image" --no-progress 2>/dev/null
        rbd rm "images/$image" --no-progress 2>/dev/null
    done
    [ -z "$(rbd ls images)" ]
}

# with NAME: the session with the daemon NAME, and a secret and a pool that go with it.
with() {
    linked_use "$1" && ceph_secret libvirt "$CEPH_UUID" && ceph_pool images libvirt "$CEPH_UUID" || return
    truncate -s 12M "$DATA/file.raw" && virsh pool-refresh data || return
    session 2>&1 | normal >"$DAEMON_WORK/$1.session"
    clear
}

try "a daemon with the plugin starts" linked_start plugin || finish
head -c 16M /dev/urandom >"$DAEMON_WORK/random"
try "a Ceph cluster is there" ceph_start || finish
PLUGIN=$LIBVIRT_DRIVER_DIR
LIBVIRT_DRIVER_DIR=$STOCK_MODULES
try "a daemon without the plugin starts" linked_start stock || finish
try "the session without the plugin" with stock
daemon_stop
LIBVIRT_DRIVER_DIR=$PLUGIN
try "the session with the plugin" with plugin
sessions_same

# --- a guest

# plain TARGET IMAGE: a disk.
plain() {
    network_disk "$1" "images/$2" raw libvirt "$CEPH_UUID"
}

try "two images" eval 'virsh vol-create-as images first 16M && virsh vol-create-as images second 16M'
try "a guest starts from the first" guest_boot demo "$(plain vda first)" || finish
try "it writes" guest_fill demo vda "$TEXT"
try "and reads that back" guest_filled demo vda "$TEXT"
try "somebody has the image open, says Ceph" watched first
plain vdb second >"$DAEMON_DIR/disk.xml"
try "the second is plugged in" virsh attach-device demo "$DAEMON_DIR/disk.xml" --live
try "the guest writes there" guest_fill demo vdb "second $TEXT"
same "neither is a luks node" "$(nodes demo | grep luks)" ""
refuse "an image that a guest has open is not deleted" "." virsh vol-delete first images
try "the daemon starts again meanwhile" images_launch
try "the guest reads on" guest_filled demo vda "$TEXT"
try "and from the second" guest_filled demo vdb "second $TEXT"
same "the guest's disks are what they were" "$(virsh domblklist demo | awk 'NF { print $1, $2 }' | xargs)" \
    "vda images/first vdb images/second"
try "the second is unplugged" unplug demo vdb
try "nobody has it open any more" waited not watched second
try "it holds what the guest wrote, in clear" holds "$(exported second)" "second $TEXT"
try "the second is deleted" virsh vol-delete second images
try "the guest ends" guest_stop demo
try "the first holds what the guest wrote, in clear" holds "$(exported first)" "$TEXT"
same "there is no record of the guest" "$(records)" ""
try "the first is deleted" virsh vol-delete first images
same "no image is left" "$(rbd ls images)" ""
same "and no link" "$(links)" ""
unlike "the plugin said nothing in the log" "$(grep -E 'lukshdr[A-Z]' "$DAEMON_LOG")" .
try "the cluster ends in good order" ceph_stop
finish
