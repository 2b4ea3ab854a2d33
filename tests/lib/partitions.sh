# shellcheck shell=bash
# Pools on block devices that this machine makes: loop devices, and their partitions. They have no lasting name.

. "$(dirname "${BASH_SOURCE[0]}")/linked.sh"

# loop_make NAME MEGABYTES: $LOOP is a loop device over a new file.
loop_make() {
    truncate -s "$2M" "$DAEMON_WORK/$1.img"
    LOOP=$(losetup -P -f --show "$DAEMON_WORK/$1.img") && at_exit loop_free "$LOOP"
}

# Partitions that the kernel did not find by itself do not go by themselves.
loop_free() {
    partx -d "$1" 2>/dev/null
    losetup -d "$1"
}

# disk_there: whether this libvirt has pools of disks and this kernel partitions on loop devices.
disk_there() {
    virsh pool-capabilities | grep -q 'type=.disk. supported=.yes.' && command -v parted >/dev/null || return
    loop_make probe 16
    parted -s "$LOOP" mklabel gpt mkpart a 1MiB 8MiB 2>/dev/null && waited test -b "${LOOP}p1"
}

# disk_make NAME: a pool of partitions; $LOOP is the device.
disk_make() {
    loop_make "$1" 128
    virsh pool-define-as "$1" disk --source-dev "$LOOP" --source-format gpt --target /dev &&
        virsh pool-build "$1" --overwrite && virsh pool-start "$1"
}

# partition_xml NAME HEADER: as linked_xml, without a format, which a partition has none of.
partition_xml() {
    linked_xml "$1" raw '' "$2" | sed '/<format/d'
}

# parted_repaired: where a device's name ends with a digit libvirt asks parted to remove number "p1".
parted_repaired() {
    tool parted <<'SH'
args=()
for arg; do
    [[ $arg =~ ^p[0-9]+$ ]] && arg=${arg#p}
    args+=("$arg")
done
exec "$REAL" "${args[@]}"
SH
}
