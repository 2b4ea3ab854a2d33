#!/bin/bash
# What can be done with a linked disk beyond reading and writing it: each operation of libvirt's works, or is
# refused before anything happens and leaves nothing behind. docs/operations.md has the table.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 qemu-img nbdcopy

TEXT="what only the guest may know: $RANDOM $RANDOM"
OUT_DIR=

# create_sized NAME FORMAT MIB
create_sized() {
    linked_xml "$1" "$2" | sed "s|<capacity.*</capacity>|<capacity unit='MiB'>$3</capacity>|" | create_xml
}

capacity_in_guest() {
    guest_run demo "blockdev --getsize64 \$(disk $1)"
}

# write TARGET MIB TEXT, found TARGET MIB TEXT: the guest fills one MiB of the disk; or finds it so.
write() {
    guest_run demo "yes '$3' | head -c 1048576 >/tmp/text
        dd if=/tmp/text of=\$(disk $1) bs=1M seek=$2 conv=fsync"
}

found() {
    guest_run demo "yes '$3' | head -c 1048576 >/tmp/text; echo 3 >/proc/sys/vm/drop_caches
        dd if=\$(disk $1) bs=1M skip=$2 count=1 2>/dev/null | cmp - /tmp/text"
}

# snapshot_xml TARGET FILE [INNER]: of an external snapshot of that disk alone; INNER stands in its <source>.
snapshot_xml() {
    local other
    other=$(virsh domblklist demo | awk '$1 ~ /^vd/ { print $1 }' | grep -vx "$1")
    echo "<domainsnapshot><disks>${other:+<disk name='$other' snapshot='no'/>}
        <disk name='$1' snapshot='external'><driver type='qcow2'/><source file='$2'>${3:-}</source></disk>
        </disks></domainsnapshot>" >"$DAEMON_DIR/snapshot.xml"
    echo "$DAEMON_DIR/snapshot.xml"
}

ENCRYPTION="<encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption>"

# standing: what a refused operation must leave as it is.
standing() {
    find "$DAEMON_IMAGES" "$OUT_DIR" | sort
    virsh domblklist demo
    virsh dumpxml demo --inactive
    virsh snapshot-list demo --name
    virsh checkpoint-list demo --name 2>/dev/null
    [ "$(virsh domstate demo)" != running ] || nodes demo
}

# refused WHAT REGEX COMMAND...
refused() {
    local before
    before=$(standing)
    refuse "$@"
    same "$1: nothing has changed" "$(standing)" "$before"
}

# job_ended: waits for the end of a backup.
job_ended() {
    waited not backing_up
}
backing_up() {
    virsh domjobinfo demo 2>/dev/null | grep -q "Backup"
}

try "a host with linked volumes in raw and qcow2" eval 'linked_start && create r.raw raw && create q.qcow2 qcow2'
OUT_DIR=$DAEMON_DIR/out
mkdir -m 777 "$OUT_DIR"
try "a guest with both" guest_boot demo "$(disk_xml vda "$DATA/r.raw" raw)" \
    "$(disk_xml vdb "$DATA/q.qcow2" qcow2 | sed "s|type='qcow2'|& discard='unmap'|")"
for target in vda vdb; do
    try "it writes to $target" write "$target" 1 "$TEXT $target"
done

# --- looking

for target in vda vdb; do
    like "domblkinfo $target tells the capacity" "$(virsh domblkinfo demo "$target")" "Capacity: *16777216$"
    like "domblkstat $target tells what was written" "$(virsh domblkstat demo "$target")" "wr_bytes [1-9]"
    try "domblkthreshold $target is set" virsh domblkthreshold demo "$target" 1M
done
like "domstats --block tells the path of the payload" "$(virsh domstats --block demo)" "block\.0\.path=$DATA/r\.raw"

# --- discarding, which luks does not hand on

allocated=$(stat -c %b "$DATA/q.qcow2")
try "a guest that may discard does" guest_run demo 'blkdiscard -o 1048576 -l 1048576 $(disk vdb)'
try "it finds what was there" found vdb 1 "$TEXT vdb"
same "and nothing is freed" "$(stat -c %b "$DATA/q.qcow2")" "$allocated"

# --- resizing

for target in vda vdb; do
    try "blockresize $target" virsh blockresize demo "$target" 32M
    same "the guest sees the new capacity of $target" "$(capacity_in_guest "$target")" $((32 << 20))
    try "it finds what it wrote to $target" found "$target" 1 "$TEXT $target"
    try "and writes to the new end" write "$target" 31 "$TEXT end"
done
same "the payload in raw is as long" "$(stat -c %s "$DATA/r.raw")" $((32 << 20))
same "nothing is in clear" "$(in_clear "$TEXT" "$DATA"/* "$VAULT"/*)" ""

# --- overlays

for target in vda vdb; do
    refused "an overlay above $target that is not encrypted" "overlay above disk '$target'.*unencrypted.*shut off.*encryption" \
        virsh snapshot-create demo "$(snapshot_xml "$target" "$OUT_DIR/plain")" --disk-only
done
refused "a snapshot of all disks with overlays" "overlay above disk.*unencrypted" virsh snapshot-create-as demo --disk-only
refused "a snapshot with memory in a file" "overlay above disk.*unencrypted" \
    virsh snapshot-create-as demo --memspec "$OUT_DIR/memory" --diskspec vda,snapshot=external --diskspec vdb,snapshot=no
for target in vda vdb; do
    try "$target: an encrypted overlay" virsh snapshot-create demo \
        "$(snapshot_xml "$target" "$OUT_DIR/$target" "$ENCRYPTION")" --disk-only --no-metadata
    try "$target: the guest reads through it" found "$target" 1 "$TEXT $target"
    try "$target: it writes" write "$target" 2 "$TEXT over"
    same "$target: the overlay holds nothing in clear" "$(in_clear "$TEXT" "$OUT_DIR"/* "$DATA"/*)" ""
done
refused "vda: above it, one that is not encrypted" "overlay above disk 'vda'.*unencrypted" \
    virsh snapshot-create demo "$(snapshot_xml vda "$OUT_DIR/plain")" --disk-only
virsh destroy demo
try "the guest starts again with both overlays" guest_start demo
try "and finds what it wrote" eval 'found vda 2 "$TEXT over" && found vdb 1 "$TEXT vdb"'
try "vda: the overlay is committed (blockcommit)" virsh blockcommit demo vda --active --pivot --wait
same "vda: the payload is the disk again" "$(virsh domblklist demo | awk '$1 == "vda" { print $2 }')" "$DATA/r.raw"
try "vda: the guest finds what it wrote to the overlay" found vda 2 "$TEXT over"
try "vdb: the payload is pulled into the overlay (blockpull)" virsh blockpull demo vdb --wait
try "vdb: the guest finds what was in the payload" found vdb 1 "$TEXT vdb"
unlike "vdb: which it needs no more" "$(nodes demo)" "payload qcow2"
same "nothing is in clear" "$(in_clear "$TEXT" "$OUT_DIR"/* "$DATA"/*)" ""

# --- copies

try "vda is copied to a plain file" virsh blockcopy demo vda "$OUT_DIR/copy" --format raw --wait --finish --transient-job
same "which holds it in clear" "$(in_clear "$TEXT" "$OUT_DIR/copy")" "$OUT_DIR/copy"
like "and the log says so" "$(cat "$DAEMON_LOG")" "r\.raw' is being copied to '$OUT_DIR/copy', which is not encrypted"
rm -f "$OUT_DIR/copy"
try "a linked volume of the same capacity" create_sized t.qcow2 qcow2 32
echo "<disk type='file'><driver type='qcow2'/><source file='$DATA/t.qcow2'/></disk>" >"$DAEMON_DIR/target.xml"
refused "a copy that would format it" "already exists|ready for use" \
    virsh blockcopy demo vda --xml "$DAEMON_DIR/target.xml" --wait --pivot --transient-job
try "vda is moved to it" virsh blockcopy demo vda --xml "$DAEMON_DIR/target.xml" --reuse-external --wait --pivot \
    --transient-job
same "it is the disk now" "$(virsh domblklist demo | awk '$1 == "vda" { print $2 }')" "$DATA/t.qcow2"
try "the guest finds what it wrote" found vda 1 "$TEXT vda"
like "its configuration says <encryption>" "$(virsh dumpxml demo --inactive | grep -A1 t.qcow2)" "<encryption format='luks'"
same "nothing is in clear" "$(in_clear "$TEXT" "$OUT_DIR"/* "$DATA"/*)" ""
virsh destroy demo
try "the guest starts with it" guest_start demo
try "and finds what it wrote" found vda 1 "$TEXT vda"

# --- backups

backup_xml() {
    echo "<domainbackup><disks><disk name='vda' type='file'><driver type='$1'/><target file='$2'>${3:-}</target></disk>
        <disk name='vdb' backup='no'/></disks></domainbackup>" >"$DAEMON_DIR/backup.xml"
    echo "$DAEMON_DIR/backup.xml"
}
try "a backup to a plain file" virsh backup-begin demo "$(backup_xml raw "$OUT_DIR/backup")"
try "it ends" job_ended
same "it is what the guest sees" "$(tail -c +1048577 "$OUT_DIR/backup" | head -c 60)" \
    "$(yes "$TEXT vda" | head -c 60)"
try "a backup to an encrypted file" virsh backup-begin demo "$(backup_xml qcow2 "$OUT_DIR/secret" "$ENCRYPTION")"
try "it ends" job_ended
try "it is there" test -s "$OUT_DIR/secret"
same "it holds nothing in clear" "$(in_clear "$TEXT" "$OUT_DIR/secret")" ""
cat >"$DAEMON_DIR/pull.xml" <<XML
<domainbackup mode='pull'><server transport='unix' socket='$OUT_DIR/socket'/><disks>
<disk name='vda' exportname='vda' type='file'><driver type='qcow2'/><scratch file='$OUT_DIR/scratch'>$ENCRYPTION</scratch></disk>
<disk name='vdb' backup='no'/></disks></domainbackup>
XML
try "a backup that somebody pulls, with encrypted scratch space" virsh backup-begin demo "$DAEMON_DIR/pull.xml"
try "the guest writes meanwhile" write vda 1 "$TEXT later"
try "somebody pulls" "$DAEMON_IN" nbdcopy "nbd+unix:///vda?socket=$OUT_DIR/socket" "$OUT_DIR/pulled"
same "and has what was there at the beginning" "$(tail -c +1048577 "$OUT_DIR/pulled" | head -c 60)" \
    "$(yes "$TEXT vda" | head -c 60)"
same "the scratch space holds nothing in clear" "$(in_clear "$TEXT" "$OUT_DIR/scratch")" ""
try "the backup is ended" virsh domjobabort demo
try "the guest finds what it wrote" found vda 1 "$TEXT later"
rm -f "$OUT_DIR"/{backup,secret,pulled}

# --- what the luks node cannot do

virsh destroy demo
virsh undefine demo
rm -f "$OUT_DIR"/*
try "a guest with a linked disk in qcow2 alone" guest_boot demo "$(disk_xml vda "$DATA/t.qcow2" qcow2)"
refused "an internal snapshot while it runs" \
    "disk 'vda' is linked volume 't\.qcow2' of pool 'data': .*memory unencrypted.*shut the guest down.*while the domain is shut off" \
    virsh snapshot-create-as demo inside
refused "also where the XML asks for it" "disk 'vda' is linked volume" virsh snapshot-create-as demo inside \
    --diskspec vda,snapshot=internal
virsh destroy demo
try "an internal snapshot of the domain that does not run" virsh snapshot-create-as demo inside
try "the guest starts" guest_start demo
try "and writes something else" write vda 1 "$TEXT after"
virsh destroy demo
try "the domain goes back to the snapshot" virsh snapshot-revert demo inside
try "the guest starts" guest_start demo
try "and finds what was there" found vda 1 "$TEXT later"
virsh destroy demo
try "the snapshot is deleted" virsh snapshot-delete demo inside
refused "an overlay above the disk of the domain that does not run" "overlay above disk 'vda'.*unencrypted" \
    virsh snapshot-create-as demo --disk-only
try "the guest starts" guest_start demo
try "an external snapshot with an encrypted overlay" virsh snapshot-create demo \
    "$(snapshot_xml vda "$OUT_DIR/kept" "$ENCRYPTION")" --disk-only
kept=$(virsh snapshot-list demo --name | xargs)
virsh destroy demo
refused "going back to it, in a plain overlay" "overlay above disk 'vda'.*unencrypted" virsh snapshot-revert demo "$kept"
try "the guest starts where it was" guest_start demo
try "the overlay is committed" virsh blockcommit demo vda --active --pivot --wait
virsh snapshot-delete demo "$kept" --metadata
virsh destroy demo
try "a disk that forgets what is written" guest_define passing "$(disk_xml vda "$DATA/r.raw" raw | sed 's|<target|<transient/>&|')"
refuse "does not start, since that lies in a plain overlay" "overlay above disk 'vda'.*unencrypted" virsh start passing
virsh undefine passing

# --- a guest's life

try "the guest starts" guest_start demo
try "and is reset" virsh reset demo
try "it comes up" guest_wait demo
try "and finds what it wrote" found vda 1 "$TEXT later"
virsh destroy demo
try "the domain gets another name" virsh domrename demo other
try "and its old one" virsh domrename other demo
try "it starts" guest_start demo
try "it finds what it wrote" found vda 1 "$TEXT later"
finish
