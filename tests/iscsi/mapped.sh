#!/bin/bash
# A unit to which the host's kernel is logged in is a block device, /dev/sda, and the payload of a linked volume
# under another name; and the other way round, a linked volume on such a device is reached as a unit by QEMU. A
# guest that got either would read and overwrite ciphertext. The kernel here need not be able to log in: a loop
# device stands for the disk, in a /sys that says of it what the kernel says of such a disk
# (Documentation/ABI/testing/sysfs-block-device, sysfs-bus-scsi).

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/lib/units.sh"
need_command losetup

try "a daemon with a header pool, and a target with units, start" units_start || finish
try "a header is made" header_make one || finish
try "a linked volume" create_in units <<<"$(link_xml existing unit:0:0:1 one.luks "$SECRET")" || finish

truncate -s 16M "$DAEMON_WORK/disk.img"
LOOP=$(losetup -f --show "$DAEMON_WORK/disk.img") && LOOPS+=("$LOOP")
NUMBER=$("$DAEMON_IN" cat "/sys/block/${LOOP#/dev/}/dev")
SYS=$DAEMON_IMAGES/sys

# logged_in NAME [PARTITION]: the loop device is the kernel's disk of the unit that calls itself so, or a
# partition of it.
logged_in() {
    local disk=$SYS/target/block/sda
    "$DAEMON_IN" rm -rf "$SYS" && "$DAEMON_IN" mkdir -p "$disk/sda1" "$SYS/numbers" || return
    "$DAEMON_IN" ln -s ../.. "$disk/device"
    # page head; code set ASCII, type T10, length; the name
    printf '\0\203\0%b\002\001\0%b%s' "\\0$(printf %o $((${#1} + 4)))" "\\0$(printf %o ${#1})" "$1" |
        "$DAEMON_IN" tee "$SYS/target/vpd_pg83" >/dev/null
    echo "IET     " | "$DAEMON_IN" tee "$SYS/target/vendor" >/dev/null
    echo "VIRTUAL-DISK    " | "$DAEMON_IN" tee "$SYS/target/model" >/dev/null
    echo "t10.$1" | "$DAEMON_IN" tee "$SYS/target/wwid" >/dev/null
    echo 1 | "$DAEMON_IN" tee "$disk/sda1/partition" >/dev/null
    echo 2048 | "$DAEMON_IN" tee "$disk/sda1/start" >/dev/null
    "$DAEMON_IN" ln -sfn "$disk${2:+/sda1}" "$SYS/numbers/$NUMBER"
}

# define_with NAME: a domain with the disk.
define_with() {
    guest_xml "$1" "$(disk_xml vda "$LOOP" raw)" >"$DAEMON_DIR/xml/domain.xml" &&
        virsh define "$DAEMON_DIR/xml/domain.xml"
}

try "before that, a domain has the device for a disk" define_with before
try "the kernel logs in" logged_in unit-1
try "the daemon sees that" "$DAEMON_IN" mount --bind "$SYS/numbers" /sys/dev/block
refuse "a domain with it is refused" "'$LOOP' is the payload volume 'unit:0:0:1' of pool 'units', mapped on this host" \
    define_with after
refuse "as is the start of the one that was defined before" "mapped on this host" virsh start before
"$DAEMON_IN" umount /sys/dev/block
try "it is a partition of it" eval 'logged_in unit-1 1 && "$DAEMON_IN" mount --bind "$SYS/numbers" /sys/dev/block'
refuse "which is refused as well" "mapped on this host" define_with after
"$DAEMON_IN" umount /sys/dev/block
try "it is another unit" eval 'logged_in unit-3 && "$DAEMON_IN" mount --bind "$SYS/numbers" /sys/dev/block'
try "of which nobody knows anything: a domain with it is defined" define_with other

note "The other way round"
try "a file becomes a linked volume" create file raw
# as if that had been made on the kernel's disk of unit 3
link_edit file '0,/<identity /s|<identity type="file"[^>]*/>|<identity type="block" dev="1792" id="device_wwid=t10.unit-3"/>|'
as_unit() {
    guest_define unit "$(disk_xml vda "units/unit:0:0:$1" raw)" && virsh start unit
}
refuse "the unit as a disk" "is the payload volume 'file.*on this host" as_unit 3
finish
