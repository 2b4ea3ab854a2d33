#!/bin/bash
# virtnbdbackup, which pulls backups over NBD with the help of checkpoints, on a linked disk in qcow2 and on one with
# attached LUKS in qcow2 beside it, in the same guest: a full backup, an increment, a later one, and what is restored
# from each, byte for byte; and a copy of raw disks of both kinds, which have no checkpoints. The guest has no system
# and stays paused; its disks are written through QEMU's monitor, as the device would. Part of "./check releases", since
# the program brings much along.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"

need_root
need_command qemu-system-x86_64 qemu-img virtnbdbackup virtnbdrestore

OUT_DIR=
PLAIN=

# io TARGET COMMAND: of qemu-io, on the guest's disk. QEMU prints what came of it where libvirt has its log.
io() {
    qmp demo "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":
        \"qemu-io -d /machine/peripheral/virtio-disk$(($(printf %d "'${1#vd}") - 97))/virtio-backend \\\"$2\\\"\"}}"
}

# put KIB BYTE KIB-LONG: writes to all disks, and to the file that says what they must hold.
put() {
    local target
    for target in vda vdb vdc vdd; do
        io "$target" "write -P $2 ${1}k ${3}k" || return
    done
    head -c $(($3 << 10)) /dev/zero | tr '\0' "\\$(printf %03o "$2")" |
        dd of="$PLAIN" bs=1K seek="$1" conv=notrunc status=none
}

# backup LEVEL: both disks, to $OUT_DIR/set; and remembers what they held then, for restored.
backup() {
    BACKUPS=$((BACKUPS + 1))
    cp --sparse=always "$PLAIN" "$DAEMON_DIR/held.$BACKUPS"
    timeout -k 10 "$TAP_PATIENCE" "$DAEMON_IN" virtnbdbackup -U qemu:///system -n -d demo -l "$1" -o "$OUT_DIR/set" \
        --scratchdir "$OUT_DIR" -f "$OUT_DIR/socket"
}
BACKUPS=0

# copy: the raw disks, once.
copy() {
    timeout -k 10 "$TAP_PATIENCE" "$DAEMON_IN" virtnbdbackup -U qemu:///system -n -d demo -l copy -t raw -r -x vda,vdb \
        -o "$OUT_DIR/copy" --scratchdir "$OUT_DIR" -f "$OUT_DIR/socket"
}

# restore_copy: as the raw disks were then.
restore_copy() {
    timeout -k 10 "$TAP_PATIENCE" "$DAEMON_IN" virtnbdrestore -U qemu:///system -n -r -a restore -i "$OUT_DIR/copy" \
        -o "$OUT_DIR/restored.copy" -f "$OUT_DIR/socket" -L "$OUT_DIR/restore.log"
}

# restore NUMBER: as both disks were when that backup was made.
restore() {
    timeout -k 10 "$TAP_PATIENCE" "$DAEMON_IN" virtnbdrestore -U qemu:///system -n -a restore -i "$OUT_DIR/set" \
        -o "$OUT_DIR/restored.$1" -u "virtnbdbackup.$(($1 - 1))" -f "$OUT_DIR/socket" -L "$OUT_DIR/restore.log"
}

# restored NUMBER VOLUME: what was restored of the volume is what the guest had written by then.
restored() {
    qemu-img compare -f qcow2 "$OUT_DIR/restored.$1/$2" -F raw "$DAEMON_DIR/held.$1"
}

# pulled NUMBER: how many bytes the program wrote of each disk, of that backup.
pulled() {
    local kind=inc target
    [ "$1" -gt 1 ] || kind=full
    for target in vda vdb; do
        stat -c %s "$OUT_DIR/set/$target.$kind.virtnbdbackup.$(($1 - 1)).data" 2>/dev/null ||
            stat -c %s "$OUT_DIR/set/$target.$kind.data"
    done
}

# libvirt 9.0 makes version 2 of qcow2 if it is not told otherwise, and that has no room for bitmaps.
try "a host with linked volumes" eval 'linked_start && quick_keys && create r.raw raw &&
    linked_xml q.qcow2 qcow2 | sed "s|<target>|&<compat>1.1</compat>|" | create_xml'
OUT_DIR=$DAEMON_DIR/out
PLAIN=$DAEMON_DIR/plain
mkdir -m 777 "$OUT_DIR"
truncate -s 16M "$PLAIN"
printf %s "$PASSPHRASE" >"$DAEMON_DIR/passphrase"
attached() {
    qemu-img create -q -f "$2" --object "secret,id=s,file=$DAEMON_DIR/passphrase" \
        -o "$3key-secret=s,$3iter-time=10" "$OUT_DIR/$1" 16M && chmod 666 "$OUT_DIR/$1"
}
try "and attached LUKS" eval 'attached a.qcow2 qcow2 encrypt.format=luks,encrypt. && attached a.raw luks ""'
cat >"$DAEMON_DIR/demo.xml" <<XML
<domain type='qemu'>
  <name>demo</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
  <devices>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
$(disk_xml vda "$DATA/q.qcow2" qcow2 "$SECRET_UUID")
$(disk_xml vdb "$OUT_DIR/a.qcow2" qcow2 "$SECRET_UUID")
$(disk_xml vdc "$DATA/r.raw" raw "$SECRET_UUID")
$(disk_xml vdd "$OUT_DIR/a.raw" raw "$SECRET_UUID")
  </devices>
</domain>
XML
try "a guest with disks of both kinds" eval 'virsh define "$DAEMON_DIR/demo.xml" && virsh start demo --paused'
# What was never written is random in a linked volume.
try "its disks are written" put 0 0 16384
try "and hold something" put 1024 17 64

try "virtnbdbackup makes a full backup" backup full
try "the guest writes" eval 'put 2048 34 256 && put 0 35 64'
try "it makes an increment" backup inc
try "the guest writes" put 4096 51 128
virsh destroy demo
try "the guest and the daemon start anew" eval 'daemon_restart && virsh start demo --paused'
try "the guest writes" put 8192 52 64
try "it makes another increment" backup inc
same "of both disks all was pulled at first" "$(pulled 1 | awk '{ print ($1 >= 16 * 1024 * 1024) }')" "1
1"
for number in 2 3; do
    same "increment $number holds as much of the linked disk as of attached LUKS, and little" \
        "$(pulled $number | awk '{ print ($1 > 65536 && $1 < 1024 * 1024) }')$(pulled $number | uniq -d | wc -l)" "1
11"
done
same "raw disks have no checkpoints, and are left out" "$(find "$OUT_DIR/set" -name 'vd[cd]*')" ""
try "it copies the raw disks" copy
virsh destroy demo

for number in 1 2 3; do
    try "backup $number is restored" restore $number
    try "of the linked disk it is what the guest had written" restored $number q.qcow2
    try "as of attached LUKS" restored $number a.qcow2
done
refuse "(one backup is not another)" "Content mismatch" qemu-img compare -f qcow2 "$OUT_DIR/restored.1/q.qcow2" \
    -F raw "$DAEMON_DIR/held.3"
try "the copy is restored" restore_copy
for volume in r.raw a.raw; do
    try "of $volume it is what the guest had written" qemu-img compare -f raw "$OUT_DIR/restored.copy/$volume" \
        -F raw "$DAEMON_DIR/held.3"
done
# what is said of backups in docs/backup.md
like "the backup holds plaintext" "$(LC_ALL=C grep -laP '\x33{4096}' -r "$OUT_DIR/set")" "vda"
same "the payload does not" "$(LC_ALL=C grep -laP '\x33{4096}' -r "$DATA")" ""
finish
