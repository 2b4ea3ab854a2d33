#!/bin/bash
# Checkpoints and incremental backups of a linked disk in qcow2, beside a disk with attached LUKS in qcow2 in the same
# guest: what can be done with one can be done with the other, both increments hold the same ranges, and what is
# restored from them is what was written, byte for byte. The guest has no system and stays paused; its disks are written
# through QEMU's monitor, as the device would.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 qemu-img nbdinfo nbdcopy

OUT_DIR=
PLAIN=
ENCRYPTION="<encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption>"

# bare NAME [DISK...]: the XML of a domain without a system.
bare() {
    local name=$1 i ports=
    shift
    for ((i = 1; i <= 8; i++)); do
        ports+="<controller type='pci' index='$i' model='pcie-root-port'/>"
    done
    cat <<XML
<domain type='qemu'>
  <name>$name</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><iothreads>1</iothreads>
  <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
  <devices>
    <controller type='pci' index='0' model='pcie-root'/>$ports
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
$(printf '%s\n' "$@")
  </devices>
</domain>
XML
}

# io TARGET COMMAND: of qemu-io, on the guest's disk. QEMU prints what came of it where libvirt has its log.
io() {
    qmp demo "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":
        \"qemu-io -d /machine/peripheral/virtio-disk$(($(printf %d "'${1#vd}") - 97))/virtio-backend \\\"$2\\\"\"}}"
}

# put KIB BYTE [KIB-LONG]: writes to both disks, and to the file that says what they must hold.
put() {
    local long=${3:-64} target
    for target in vda vdb; do
        io "$target" "write -P $2 ${1}k ${long}k" || return
    done
    head -c $((long << 10)) /dev/zero | tr '\0' "\\$(printf %03o "$2")" |
        dd of="$PLAIN" bs=1K seek="$1" conv=notrunc status=none
}

# backup NAME [SINCE [CHECKPOINT]]: pushes both disks to plain files NAME.vda and NAME.vdb, as a full backup or with what
# changed since the checkpoint SINCE, and makes CHECKPOINT at that moment.
backup() {
    local target
    {
        echo "<domainbackup>${2:+<incremental>$2</incremental>}<disks>"
        for target in vda vdb; do
            echo "<disk name='$target' type='file'><driver type='qcow2'/><target file='$OUT_DIR/$1.$target'/></disk>"
        done
        echo "</disks></domainbackup>"
    } >"$DAEMON_DIR/backup.xml"
    echo "<domaincheckpoint><name>${3:-}</name></domaincheckpoint>" >"$DAEMON_DIR/checkpoint.xml"
    virsh backup-begin demo "$DAEMON_DIR/backup.xml" ${3:+"$DAEMON_DIR/checkpoint.xml"} && waited not backing_up &&
        virsh domjobinfo demo --completed && [ -s "$OUT_DIR/$1.vda" ] && [ -s "$OUT_DIR/$1.vdb" ]
}
backing_up() {
    virsh domjobinfo demo 2>/dev/null | grep -q "Backup"
}

# restored NAME BASE: the increment NAME above BASE, which is a backup, is what was written, of both disks.
restored() {
    local target
    for target in vda vdb; do
        qemu-img rebase -u -f qcow2 -b "$OUT_DIR/$2.$target" -F qcow2 "$OUT_DIR/$1.$target" &&
            qemu-img compare -f qcow2 "$OUT_DIR/$1.$target" -F raw "$PLAIN" || return
    done
}

# ranges NAME: what the increment holds of each disk by itself, in KiB: "begin length"; both must have the same.
ranges() {
    local target
    for target in vda vdb; do
        qemu-img map -f qcow2 --output=json "$OUT_DIR/$1.$target" | python3 -c '
import json, sys
print(*(f"""{extent["start"] >> 10} {extent["length"] >> 10}""" for extent in json.load(sys.stdin)
        if extent["data"] and extent["depth"] == 0))'
    done | uniq
}

# sizes CHECKPOINT: what libvirt says changed since then, in KiB, of each disk; both must have the same.
sizes() {
    virsh checkpoint-dumpxml demo "$1" --size | grep -o "name='vd.'.* size='[0-9]*'" |
        sed "s/.* size='\([0-9]*\)'/\1/" | while read -r size; do echo $((size >> 10)); done | uniq
}

# alone TARGET: the --diskspec of virsh for a checkpoint of that disk alone.
alone() {
    local target
    for target in $DISKS; do
        echo "--diskspec $target,checkpoint=$([ "$target" = "$1" ] && echo bitmap || echo no)"
    done
}

# alike WHAT REGEX LINKED ATTACHED COMMAND...: the function is refused for both disks in the same words.
alike() {
    local what=$1 regex=$2 linked=$3 attached=$4 said
    shift 4
    refuse "$what: a linked disk" "$regex" "$@" "$linked"
    said=${OUT//$linked/DISK}
    refuse "$what: attached LUKS" "$regex" "$@" "$attached"
    same "$what: in the same words" "$said" "${OUT//$attached/DISK}"
}
checkpoint_alone() {
    # shellcheck disable=SC2046 # words
    virsh checkpoint-create-as demo "$1" $(alone "$2")
}

# bitmaps: which node of the linked disk has which bitmaps.
bitmaps() {
    qmp demo '{"execute":"query-named-block-nodes","arguments":{"flat":true}}' | python3 -c '
import json, sys
for node in json.load(sys.stdin)["return"]:
    name = node["node-name"].split("-", 2)[2]
    if name == "payload" or node["drv"] == "luks":
        print(name, *sorted(bitmap["name"] for bitmap in node.get("dirty-bitmaps", [])))' | sort
}

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
bare demo "$(disk_xml vda "$DATA/q.qcow2" qcow2 "$SECRET_UUID")" "$(disk_xml vdb "$OUT_DIR/a.qcow2" qcow2 "$SECRET_UUID")" \
    "$(disk_xml vdc "$DATA/r.raw" raw "$SECRET_UUID")" "$(disk_xml vdd "$OUT_DIR/a.raw" raw "$SECRET_UUID")" |
    sed "s|<driver |&iothread='1' |" >"$DAEMON_DIR/demo.xml"
try "a guest with a disk of each kind" eval 'virsh define "$DAEMON_DIR/demo.xml" && virsh start demo --paused'
# What was never written is random in a linked volume.
try "its disks in qcow2 are written" put 0 0 16384

# --- raw

DISKS="vda vdb vdc vdd"
alike "a checkpoint of a raw disk" "unsupported for storage type raw" vdc vdd checkpoint_alone raw
for target in vdc vdd; do
    try "$target is unplugged" virsh detach-disk demo $target --config
done
virsh destroy demo
try "the guest starts with the two in qcow2" virsh start demo --paused
DISKS="vda vdb"

# --- checkpoints and what is pushed

try "a checkpoint" virsh checkpoint-create-as demo one
same "the payload's node has it" "$(bitmaps)" "format
payload one"
try "the guest writes" put 1024 17
same "libvirt tells what changed" "$(sizes one)" 64
try "a full backup, with a checkpoint" backup full "" two
same "nothing is left on the luks node" "$(bitmaps)" "format
payload one two"
try "the guest writes" eval 'put 2048 34 256 && put 3000 35 1'
try "what changed is pushed, with a checkpoint" backup second two three
try "it is restored" restored second full
same "it holds what changed" "$(ranges second)" "2048 256 2944 64"
try "the guest writes" put 0 36 64
try "what changed since the first checkpoint is pushed" backup first one
try "it is restored" restored first full
same "it holds what changed" "$(ranges first)" "0 64 1024 64 2048 256 2944 64"

# --- restarts

virsh destroy demo
try "the daemon starts anew" daemon_restart
try "the guest, too" virsh start demo --paused
try "the guest writes" put 4096 51 128
try "the daemon starts anew" daemon_restart
try "what changed is pushed, with a checkpoint" backup third three four
try "it is restored" restored third second
same "it holds what changed" "$(ranges third)" "0 64 4096 128"

# --- somebody pulls

cat >"$DAEMON_DIR/pull.xml" <<XML
<domainbackup mode='pull'><incremental>four</incremental><server transport='unix' socket='$OUT_DIR/socket'/><disks>
<disk name='vda' type='file'><driver type='qcow2'/><scratch file='$OUT_DIR/scratch.vda'>$ENCRYPTION</scratch></disk>
<disk name='vdb' type='file'><driver type='qcow2'/><scratch file='$OUT_DIR/scratch.vdb'>$ENCRYPTION</scratch></disk>
</disks></domainbackup>
XML
try "the guest writes" put 5120 68 64
echo "<domaincheckpoint><name>five</name></domaincheckpoint>" >"$DAEMON_DIR/checkpoint.xml"
try "a backup that somebody pulls, with a checkpoint" virsh backup-begin demo "$DAEMON_DIR/pull.xml" "$DAEMON_DIR/checkpoint.xml"
cp "$PLAIN" "$PLAIN.five"
try "the guest writes meanwhile" put 6144 85 64
for target in vda vdb; do
    same "$target: what changed is told" "$("$DAEMON_IN" nbdinfo --map="qemu:dirty-bitmap:backup-$target" \
        "nbd+unix:///$target?socket=$OUT_DIR/socket" | awk '$3 == 1 { print $1 / 1024, $2 / 1024 }' | xargs)" "5120 64"
    try "$target: somebody pulls" "$DAEMON_IN" nbdcopy "nbd+unix:///$target?socket=$OUT_DIR/socket" "$OUT_DIR/pulled"
    try "$target: and has what was there at the beginning" cmp "$OUT_DIR/pulled" "$PLAIN.five"
    rm -f "$OUT_DIR/pulled"
done
try "the backup is ended" virsh domjobabort demo
same "nothing is left on the luks node" "$(bitmaps)" "format
payload five four one three two"

# --- overlays

overlay() {
    {
        echo "<domainsnapshot><disks>"
        for target in vda vdb; do
            echo "<disk name='$target' snapshot='external'><driver type='qcow2'/><source file='$OUT_DIR/over.$target'>$ENCRYPTION</source></disk>"
        done
        echo "</disks></domainsnapshot>"
    } >"$DAEMON_DIR/snapshot.xml"
    virsh snapshot-create demo "$DAEMON_DIR/snapshot.xml" --disk-only --no-metadata
}
try "external snapshots" overlay
try "the guest writes to the overlays" put 7168 102 64
same "libvirt tells what changed below and above" "$(sizes five)" 128
try "what changed is pushed, with a checkpoint" backup fourth four six
try "it is restored" restored fourth third
same "it holds what changed" "$(ranges fourth)" "5120 64 6144 64 7168 64"
virsh destroy demo
try "the guest starts with the overlays" virsh start demo --paused
try "the guest writes" put 8192 119 64
try "the daemon starts anew" daemon_restart
try "a checkpoint of below and above is deleted" virsh checkpoint-delete demo two
same "the payload's node has it no more" "$(bitmaps)" "format
payload five four one three"
try "what changed is pushed" backup fifth five
try "it is restored" restored fifth fourth
same "it holds what changed" "$(ranges fifth)" "6144 64 7168 64 8192 64"
for target in vda vdb; do
    try "$target: the overlay is committed" virsh blockcommit demo $target --active --pivot --wait
done
same "the payload's node has all of them" "$(bitmaps)" "format
payload five four one six three"
try "the guest writes" put 9216 136 64
try "what changed since long before is pushed" backup sixth three
try "it is restored" restored sixth second
same "it holds what changed" "$(ranges sixth)" "0 64 4096 128 5120 64 6144 64 7168 64 8192 64 9216 64"
try "what changed since the checkpoint above is pushed" backup seventh six
try "it is restored" restored seventh fourth
same "it holds what changed" "$(ranges seventh)" "8192 64 9216 64"

# --- what libvirt forgot

virsh checkpoint-dumpxml demo six >"$DAEMON_DIR/six.xml"
try "libvirt forgets a checkpoint" virsh checkpoint-delete demo six --metadata
try "it is told of it again" virsh checkpoint-create demo "$DAEMON_DIR/six.xml" --redefine --redefine-validate
sed -i 's/six/seven/g' "$DAEMON_DIR/six.xml"
refuse "but not of one that is not there" "missing or broken bitmap 'seven'" \
    virsh checkpoint-create demo "$DAEMON_DIR/six.xml" --redefine --redefine-validate

# --- a QEMU that is killed

"$DAEMON_IN" kill -KILL "$(qemu_pids demo)"
try "QEMU is killed" waited guest_off demo
try "the guest starts" virsh start demo --paused
since_alone() {
    local target
    {
        echo "<domainbackup><incremental>$1</incremental><disks>"
        for target in vda vdb; do
            [ "$target" = "$2" ] || echo "<disk name='$target' backup='no'/>"
        done
        echo "<disk name='$2' type='file'><driver type='qcow2'/><target file='$OUT_DIR/broken.$2'/></disk>"
        echo "</disks></domainbackup>"
    } >"$DAEMON_DIR/backup.xml"
    virsh backup-begin demo "$DAEMON_DIR/backup.xml"
}
alike "what changed since a bitmap that was in use" "missing or broken bitmap 'five'" vda vdb since_alone five
alike "what changed since one that was never written out" "missing or broken bitmap 'six'" vda vdb since_alone six
for name in one three four five; do
    try "checkpoint $name is deleted" virsh checkpoint-delete demo $name
done
refuse "that of which there is no bitmap is not" "bitmap 'six' not found" virsh checkpoint-delete demo six
try "it is forgotten" virsh checkpoint-delete demo six --metadata
same "nothing is left" "$(bitmaps)" "format
payload"
try "another" virsh checkpoint-create-as demo again
try "the guest writes" put 10240 153 64
same "libvirt tells what changed" "$(sizes again)" 64
same "nothing is in clear but backups" "$(in_clear "$(head -c 64 /dev/zero | tr '\0' '\021')" "$DATA"/* "$VAULT"/* "$OUT_DIR"/over.*)" ""
finish
