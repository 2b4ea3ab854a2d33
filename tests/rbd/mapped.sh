#!/bin/bash
# An image that the host's kernel maps is a block device, /dev/rbd0, and the payload of a linked volume under
# another name: a guest that got it would read and overwrite ciphertext. The kernel here need not be able to map
# any: a loop device stands for it, in a /sys that says of it what the kernel says of such a device
# (Documentation/ABI/testing/sysfs-bus-rbd).

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../lib/ceph.sh"

need_ceph
need_command losetup

CEPH_UUID=6f3f1c1e-1e0c-4c63-9d8e-7d0f3a6b9c21

# images: a pool of images.
images() {
    ceph_secret libvirt "$CEPH_UUID" && ceph_pool images libvirt "$CEPH_UUID"
}

try "a host with a header pool" linked_start || finish
try "a Ceph cluster" ceph_start || finish
try "its key and a pool of images" images || finish

linked_xml one raw >"$DAEMON_DIR/xml/one.xml"
try "a linked volume on Ceph" virsh vol-create images "$DAEMON_DIR/xml/one.xml"

truncate -s 16M "$DAEMON_WORK/mapped.img"
LOOP=$(losetup -f --show "$DAEMON_WORK/mapped.img") && at_exit losetup -d "$LOOP"
NUMBER=$("$DAEMON_IN" cat "/sys/block/${LOOP#/dev/}/dev")
SYS=$DAEMON_IMAGES/sys

# map IMAGE: the loop device is that image, mapped.
map() {
    "$DAEMON_IN" mkdir -p "$SYS/rbd/0/block/rbd0" "$SYS/numbers" || return
    rbd info --format json "images/$1" | jq -r .id | "$DAEMON_IN" tee "$SYS/rbd/0/image_id" >/dev/null
    ceph fsid | "$DAEMON_IN" tee "$SYS/rbd/0/cluster_fsid" >/dev/null
    ceph osd dump --format json | jq -r '.pools[] | select(.pool_name == "images").pool' |
        "$DAEMON_IN" tee "$SYS/rbd/0/pool_id" >/dev/null
    echo | "$DAEMON_IN" tee "$SYS/rbd/0/pool_ns" >/dev/null
    "$DAEMON_IN" ln -sfn ../.. "$SYS/rbd/0/block/rbd0/device" &&
        "$DAEMON_IN" ln -sfn "$SYS/rbd/0/block/rbd0" "$SYS/numbers/$NUMBER"
}

# define_with NAME: a domain with the mapped device as its disk.
define_with() {
    guest_xml "$1" "$(disk_xml vda "$LOOP" raw)" >"$DAEMON_DIR/xml/domain.xml" &&
        virsh define "$DAEMON_DIR/xml/domain.xml"
}

try "before it is mapped, a domain has the device for a disk" define_with before
try "it is mapped" map one
try "the daemon sees that" "$DAEMON_IN" mount --bind "$SYS/numbers" /sys/dev/block
refuse "a domain with it is refused" "'$LOOP' is the payload volume 'one' of pool 'images', mapped on this host" \
    define_with after
refuse "as is the start of the one that was defined before" "mapped on this host" virsh start before

rbd cp images/one images/copy --no-progress
try "a copy of the image is mapped" map copy
try "of which nobody knows anything: a domain with it is defined" define_with copy

"$DAEMON_IN" umount /sys/dev/block
try "the linked volume is deleted" virsh vol-delete one images
finish
