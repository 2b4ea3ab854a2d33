#!/bin/bash
# virt-lukshdr trim with the real libguestfs: its domain finds what ext4 does not use on a disk with partitions, the payload
# gets smaller, and nothing that was in use is lost. What can go wrong is in tests/guest/trim.sh.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../tool/lib/vl.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "a session daemon has one user only"
need_command qemu-system-x86_64 qemu-img qemu-io mke2fs debugfs e2fsck sfdisk
ldconfig -p | grep -q 'libguestfs\.so\.0 ' || skip_all "there is no libguestfs"

# allocated VOLUME: KiB.
allocated() {
    echo $(($(stat -c %b "$DATA/$1") / 2))
}

# part NUMBER: the file system in that partition of the decrypted disk, which is $DAEMON_WORK/back.
part() {
    dd if="$DAEMON_WORK/back" of="$DAEMON_WORK/part" bs=1M skip=$((1 + ($1 - 1) * 48)) count=48 status=none
}

try "a host with a header pool and a payload pool" linked_start
quick_keys

# Two file systems of 48 MiB each, and a partition with nothing that is known
mkdir "$DAEMON_WORK/tree"
head -c 3000000 /dev/urandom >"$DAEMON_WORK/tree/kept"
head -c 5000000 /dev/urandom >"$DAEMON_WORK/tree/deleted"
truncate -s 144M "$DAEMON_WORK/disk"
printf 'start=2048, size=98304\nstart=100352, size=98304\nstart=198656\n' | sfdisk -q "$DAEMON_WORK/disk"
for start in 1 49; do
    rm -f "$DAEMON_WORK/fs" && truncate -s 48M "$DAEMON_WORK/fs" &&
        mke2fs -q -t ext4 -d "$DAEMON_WORK/tree" "$DAEMON_WORK/fs" &&
        debugfs -w -R "rm deleted" "$DAEMON_WORK/fs" 2>/dev/null &&
        dd if="$DAEMON_WORK/fs" of="$DAEMON_WORK/disk" bs=1M seek="$start" conv=notrunc status=none
done
head -c 8M /dev/urandom | dd of="$DAEMON_WORK/disk" bs=1M seek=97 conv=notrunc status=none
virsh vol-create-as data plain.raw 144M --format raw
try "a disk with two file systems" virsh vol-upload plain.raw "$DAEMON_WORK/disk" --pool data

# starts_nothing: whether libvirt has no way to start libguestfs' domain, which wants no ACPI: 9.0 has an option for that
# which QEMU knew until 9.0.
starts_nothing() {
    guest_xml plain | sed '/<acpi/d' >"$DAEMON_DIR/xml/plain.xml" &&
        virsh domxml-to-native qemu-argv "$DAEMON_DIR/xml/plain.xml" | grep -q -- -no-acpi &&
        ! qemu-system-x86_64 -help | grep -q -- -no-acpi
}

# The appliance is made once for both, and thrown away. It has no KVM where the guests of the tests have none.
export LIBGUESTFS_CACHEDIR=$DAEMON_WORK LIBGUESTFS_BACKEND_SETTINGS=force_tcg
for format in raw qcow2; do
    try "$format: it is encrypted" vl convert data/plain.raw "data/t.$format" --format "$format" --header vault \
        --secret "$SECRET_UUID"
    before=$(allocated "t.$format")
    try "$format: all of it is allocated" test "$before" -ge $((144 * 1024))
    if starts_nothing; then
        status "$format: this libvirt starts no domain of libguestfs" 1 'virt-lukshdr: libguestfs: internal error: .*-no-acpi' \
            vl trim --yes "data/t.$format"
        unlike "$format: the words are libvirt's alone" "$OUT" "LIBGUESTFS_BACKEND"
        same "$format: nothing is freed" "$(allocated "t.$format")" "$before"
        same "$format: nobody uses it any more" "$(said vl info "data/t.$format" --json | jq -r .link.state) $(records)" "ok "
        continue
    fi
    status "$format: it is trimmed" 0 "has [5-8].*MiB allocated, 14[45].*before" vl trim --yes "data/t.$format"
    like "$format: both file systems were looked at" "$OUT" "sda1: looked at.*
.*sda2: looked at"
    after=$(allocated "t.$format")
    note "$format: $before KiB before, $after after"
    # 2 * (48 - 3 - what ext4 needs), and the third partition stays
    try "$format: what they do not use is free" test "$after" -lt $((before - 60 * 1024))
    try "$format: the rest is not" test "$after" -gt $((48 * 1024))
    same "$format: nobody uses it any more" "$(said vl info "data/t.$format" --json | jq -r .link.state) $(records)" "ok "
    rm -f "$DAEMON_WORK/back"
    try "$format: it is decrypted" open_pair "$VAULT/t.$format.luks" "$DATA/t.$format" "$format" "$DAEMON_WORK/back"
    for number in 1 2; do
        part "$number"
        try "$format: file system $number is whole" e2fsck -fn "$DAEMON_WORK/part"
        debugfs -R "dump kept $DAEMON_WORK/out" "$DAEMON_WORK/part" 2>/dev/null
        try "$format: and the file in it" cmp "$DAEMON_WORK/tree/kept" "$DAEMON_WORK/out"
    done
    try "$format: what nobody knows was not touched" cmp -i $((97 * 1048576)) "$DAEMON_WORK/disk" "$DAEMON_WORK/back"
done

try "a guest starts from both" guest_boot one "$(disk vda t.raw)$(disk vdb t.qcow2)"
daemon_stop
finish
