#!/bin/bash
# External snapshots of guests with linked disks, as a dialog makes them: nobody asks for encryption. The guests have no
# operating system: what is written and read goes through QEMU's monitor, as a guest's requests would.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/linked.sh"

need_command qemu-system-x86_64 qemu-img xmllint

# guest NAME DISK...: defines it.
guest() {
    cat >"$DAEMON_DIR/xml/$1.xml" <<XML
<domain type='qemu'><name>$1</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>${*:2}</devices></domain>
XML
    virsh define "$DAEMON_DIR/xml/$1.xml"
}

# disk TARGET FILE FORMAT
disk() {
    echo "<disk type='file' device='disk'><driver name='qemu' type='$3'/><source file='$2'/>
        <target dev='$1' bus='virtio'/></disk>"
}

# log: what QEMU has printed. It prints what came of a command of io there.
log() {
    local dir=/var/log/libvirt
    [ "$DAEMON_RUNS" = system ] || dir=$DAEMON_DIR/cache/libvirt
    "$DAEMON_IN" cat "$dir/qemu/log/one.log" 2>/dev/null || "$DAEMON_IN" cat "$dir/qemu/one.log"
}

# io TARGET COMMAND: of qemu-io, on the disk of the guest, which runs.
io() {
    local alias from
    alias=$(virsh dumpxml one | xmllint --xpath "string(//disk[target/@dev='$1']/alias/@name)" -)
    from=$(log | wc -c)
    virsh qemu-monitor-command one --hmp "qemu-io -d /machine/peripheral/$alias/virtio-backend \"$2\"" || return
    waited io_said "$from" || return
    SAID=$(log | tail -c "+$((from + 1))" | tr -d '\0')
    echo "$SAID"
    grep -Eq '(wrote|read) [0-9]+/[0-9]+ bytes' <<<"$SAID" && ! grep -Eq 'failed|rror' <<<"$SAID"
}
io_said() {
    log | tail -c "+$(($1 + 1))" | grep -aEq '(wrote|read) [0-9]+/[0-9]+ bytes|failed|rror'
}

# write PATTERN MIB, reads PATTERN MIB [TARGET]: 64 KiB of the byte, on the linked disk unless told otherwise.
write() {
    io "${3:-vda}" "write -P 0x$1 $2M 64k"
}
reads() {
    io "${3:-vda}" "read -P 0x$1 $2M 64k"
}

# holds PATTERN FILE...: which of the files have the byte 64 times.
holds() {
    local pattern=$1
    shift
    LC_ALL=C grep -laP "\\x$pattern{64}" "$@"
}

# image TARGET: what the guest has for it.
image() {
    virsh domblklist one | awk -v target="$1" '$1 == target { print $2 }'
}

# standing: what a refused operation must leave as it is.
standing() {
    find "$DATA" "$VAULT" "$OTHER" | sort
    virsh dumpxml one --inactive
    virsh snapshot-list one --name
}

# refused WHAT REGEX COMMAND...
refused() {
    local before
    before=$(standing)
    refuse "$@"
    same "$1: nothing has changed" "$(standing)" "$before"
}

ENCRYPTION="<encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption>"

# snapshot_xml FILE: of the linked disk alone, with that overlay, encrypted by the XML.
snapshot_xml() {
    echo "<domainsnapshot><disks><disk name='vdb' snapshot='no'/><disk name='vdc' snapshot='no'/><disk name='vda' snapshot='external'><driver type='qcow2'/>
        <source file='$1'>$ENCRYPTION</source></disk></disks></domainsnapshot>" >"$DAEMON_DIR/xml/snapshot.xml"
    echo "$DAEMON_DIR/xml/snapshot.xml"
}

# default ELEMENT: it becomes the encryption default of the pool with the payloads.
default() {
    virsh pool-dumpxml data | sed "/<encryption/,/<\\/encryption>/d; s|</target>|${1:-}&|" >"$DAEMON_DIR/xml/pool.xml"
    virsh pool-define "$DAEMON_DIR/xml/pool.xml"
}

try "a host with a linked volume" eval 'linked_start && create a.qcow2 qcow2'
OTHER=$DAEMON_IMAGES/other
"$DAEMON_IN" mkdir "$OTHER"
try "and a plain one" eval 'pool_make other "$OTHER" && virsh vol-create-as other plain.qcow2 16M --format qcow2'
try "a guest with both" guest one "$(disk vda "$DATA/a.qcow2" qcow2)" "$(disk vdb "$OTHER/plain.qcow2" qcow2)"

# --- where the pool has no encryption default

refused "an overlay of the domain that is shut off" "overlay above disk 'vda'.*unencrypted.*encryption default" \
    virsh snapshot-create-as one s --disk-only
try "the guest starts" virsh start one
refused "one of the guest that runs" "overlay above disk 'vda'.*unencrypted.*encryption default" \
    virsh snapshot-create-as one s --disk-only
try "it writes to both disks" eval 'write 11 1 && write 22 1 vdb'

# --- of a guest that runs

try "the pool gets an encryption default" default \
    "<encryption format='luks'><header type='volume'><source pool='vault'/></header></encryption>"
try "a snapshot" virsh snapshot-create-as one first --disk-only
same "it is listed" "$(virsh snapshot-list one --name)" "first"
same "the guest has the overlay" "$(image vda)" "$DATA/a.first"
like "which the snapshot says is encrypted" "$(virsh snapshot-dumpxml one first | grep -A2 a.first | xargs)" \
    "<encryption format=luks.*uuid=$SECRET_UUID"
same "the plain disk has one as ever" "$(image vdb)" "$OTHER/plain.first"
try "the guest writes to both disks" eval 'write 33 2 && write 44 2 vdb'
try "it reads what is below" eval 'reads 11 1 && reads 22 1 vdb'
try "the daemon starts again" daemon_restart
try "the guest reads and writes" eval 'reads 33 2 && reads 11 1 && write 55 3'
virsh destroy one
same "the linked disk's overlay holds nothing in clear" "$(holds 33 "$DATA"/*; holds 55 "$DATA"/*)" ""
same "the plain disk's does" "$(holds 44 "$OTHER"/*)" "$OTHER/plain.first"
try "the guest starts with the overlays" virsh start one
try "and reads what it wrote" eval 'reads 11 1 && reads 33 2 && reads 55 3'
try "a second snapshot, above the first's overlay" virsh snapshot-create-as one second --disk-only --diskspec vdb,snapshot=no
same "has an overlay as well" "$(image vda)" "$DATA/a.second"
try "the guest writes" write 66 4
same "nothing is in clear" "$(holds 33 "$DATA"/*; holds 55 "$DATA"/*; holds 66 "$DATA"/*)" ""
try "the first is deleted" virsh snapshot-delete one first
same "its overlay is gone" "$(ls "$DATA")" "$(printf '%s\n' a.qcow2 a.second)"
try "the guest reads all that it wrote" eval 'reads 11 1 && reads 33 2 && reads 55 3 && reads 66 4'
try "the second is deleted" virsh snapshot-delete one second
same "the volume is the disk again" "$(image vda) $(ls "$DATA")" "$DATA/a.qcow2 a.qcow2"
try "the guest reads all that it wrote" eval 'reads 11 1 && reads 33 2 && reads 55 3 && reads 66 4'
same "nothing is in clear" "$(holds 33 "$DATA"/*; holds 55 "$DATA"/*; holds 66 "$DATA"/*)" ""
try "a snapshot with memory" virsh snapshot-create-as one memory --memspec "$OTHER/memory" --diskspec vdb,snapshot=no
same "has an overlay" "$(image vda)" "$DATA/a.memory"
try "the guest writes" write 77 5
try "its overlay is committed" virsh blockcommit one vda --active --pivot --wait
same "the volume is the disk again" "$(image vda)" "$DATA/a.qcow2"
try "the guest reads what it wrote" reads 77 5
virsh snapshot-delete one memory --metadata
try "what is left is a volume, and can be deleted" eval 'virsh pool-refresh data && virsh vol-delete a.memory data'

# --- of a domain that is shut off

virsh destroy one
try "a raw volume, whose secret is generated" eval 'virsh vol-create-as data r.raw 16M --format raw &&
    virsh attach-disk one "$DATA/r.raw" vdc --subdriver raw --config'
try "a snapshot of the domain that is shut off" virsh snapshot-create-as one off --disk-only
same "it has the overlays" "$(image vda) $(image vdb) $(image vdc)" "$DATA/a.off $OTHER/plain.off $DATA/r.off"
[ "$DAEMON_RUNS" != system ] || same "the encrypted one is its owner's alone" "$(stat -c %a "$DATA/a.off")" 600
like "the configuration says what is below" "$(virsh dumpxml one --inactive | grep -A3 '<backingStore')" "a\.qcow2"
try "the guest starts" virsh start one
try "it reads what is below, and writes" eval 'reads 77 5 && reads 11 1 && write 88 6 && write 99 6 vdb && write cc 15 vdc'
virsh destroy one
same "nothing is in clear" "$(holds 88 "$DATA"/*; holds cc "$DATA"/*)" ""
same "but on the plain disk" "$(holds 99 "$OTHER"/*)" "$OTHER/plain.off"
try "a snapshot without a name, above it" virsh snapshot-create-as one --disk-only
try "the guest starts" virsh start one
try "it reads and writes" eval 'reads 88 6 && write aa 7'
virsh destroy one
same "nothing is in clear" "$(holds 88 "$DATA"/*; holds aa "$DATA"/*)" ""
printf new >"$DAEMON_DIR/xml/new"
refused "changing the volume's passphrase, which would not open the overlays any more" "one.*a\.off|one.*overlay.*delete the domain's snapshots" \
    vl key-change data/a.qcow2 --new-passphrase-file "$DAEMON_DIR/xml/new"
refused "another with the name of the first" "already exists" virsh snapshot-create-as one off --disk-only \
    --diskspec "vda,file=$DATA/new" --diskspec "vdb,file=$OTHER/new" --diskspec "vdc,file=$DATA/new2"
touch "$DATA/a.taken"
refused "one whose overlay is there already" "a\.taken. exists already|already exists" \
    virsh snapshot-create-as one taken --disk-only --diskspec "vda,file=$DATA/a.taken" --diskspec vdb,snapshot=no --diskspec vdc,snapshot=no
rm "$DATA/a.taken"
refused "two overlays of one name" "disks 'vda' and 'vdb' would get the same overlay" virsh snapshot-create-as one same \
    --disk-only --diskspec "vda,file=$DATA/same" --diskspec "vdb,file=$DATA/same"
refused "an overlay in a header pool" "vault" virsh snapshot-create one "$(snapshot_xml "$VAULT/over")" --disk-only
try "the older one is deleted" virsh snapshot-delete one off
try "the newer one is" eval 'virsh snapshot-delete one "$(virsh snapshot-list one --name | xargs)"'
same "no overlay is left" "$(ls "$DATA")" "$(printf '%s\n' a.qcow2 r.raw)"
try "the guest starts" virsh start one
try "it reads all that it wrote" eval 'reads 11 1 && reads 77 5 && reads 88 6 && reads aa 7 && reads 99 6 vdb && reads cc 15 vdc'
virsh destroy one

# --- going back: libvirt puts new overlays on all disks, also on those that the snapshot left out

try "a snapshot of the plain disk alone" virsh snapshot-create-as one back --disk-only --diskspec vda,snapshot=no \
    --diskspec vdc,snapshot=no
try "the guest starts" virsh start one
try "it writes to all disks" eval 'write dd 1 && write dd 6 vdb && write dd 15 vdc'
virsh destroy one
try "another of all disks" virsh snapshot-create-as one later --disk-only
try "the guest starts" virsh start one
try "and writes" write d1 1
virsh destroy one
try "a third, above the other's overlay" virsh snapshot-create-as one latest --disk-only
refused "going back to that" "overlay above disk 'vda'.*unencrypted, since the disk had an overlay" \
    virsh snapshot-revert one latest
for name in latest later; do
    try "the snapshot $name is deleted" virsh snapshot-delete one "$name"
done
try "the guest goes back to the first, and runs" virsh snapshot-revert one back --running
same "it runs" "$(virsh domstate one)" running
like "the linked disk has an encrypted overlay" "$(virsh dumpxml one --inactive | grep -A2 "$(image vda)" | xargs)" \
    "<encryption format=luks.*uuid=$SECRET_UUID"
try "it finds what was there at the snapshot" reads 99 6 vdb
try "and on disks that the snapshot left out, what is there" eval 'reads d1 1 && reads dd 15 vdc'
try "it writes" eval 'write ee 9 && write ee 14 vdc'
virsh destroy one
same "nothing is in clear" "$(holds ee "$DATA"/*; holds dd "$DATA"/*; holds d1 "$DATA"/*)" ""
try "the guest starts" virsh start one
try "it finds what it wrote" eval 'reads ee 9 && reads ee 14 vdc'
try "a snapshot with memory" virsh snapshot-create-as one memory2 --memspec "$OTHER/memory2" --diskspec vdb,snapshot=no \
    --diskspec vdc,snapshot=no
try "the guest writes" write ff 9
try "it goes back to it" virsh snapshot-revert one memory2
same "it runs" "$(virsh domstate one)" running
try "it finds what was there, and writes" eval 'reads ee 9 && reads d1 1 && write f1 10'
virsh destroy one
like "the configuration says that the overlay is encrypted" "$(virsh dumpxml one --inactive | grep -A2 "$(image vda)" | xargs)" \
    "<encryption format=luks.*uuid=$SECRET_UUID"
same "nothing is in clear" "$(holds ff "$DATA"/*; holds f1 "$DATA"/*)" ""
try "the guest starts" virsh start one
try "it finds what it wrote" eval 'reads f1 10 && reads ee 9 && reads ee 14 vdc'
virsh destroy one
for name in memory2 back; do
    try "the snapshot $name is deleted" virsh snapshot-delete one "$name"
done
try "the guest starts" virsh start one
try "it finds all that it wrote" eval 'reads f1 10 && reads ee 9 && reads d1 1 && reads ee 14 vdc'
virsh destroy one
same "no overlay is left" "$(ls "$DATA")" "$(printf '%s\n' a.qcow2 r.raw)"

# --- encrypted because the XML says so, without a default

try "the pool loses its default" default
refused "a linked volume as the overlay" "a\.qcow2.*cannot be the overlay" \
    virsh snapshot-create one "$(snapshot_xml "$DATA/a.qcow2")" --disk-only --reuse-external
try "a snapshot whose overlay the XML encrypts" virsh snapshot-create one "$(snapshot_xml "$DATA/asked")" --disk-only --no-metadata
try "the guest starts" virsh start one
try "it reads what is below, and writes" eval 'reads aa 7 && write bb 8'
try "the overlay is committed" virsh blockcommit one vda --active --pivot --wait
virsh destroy one
same "nothing is in clear" "$(holds bb "$DATA"/*)" ""
rm "$DATA/asked"
printf %s "$PASSPHRASE" >"$DAEMON_DIR/xml/passphrase"
try "an overlay that somebody has prepared" qemu-img create -q -f qcow2 -F qcow2 -b "$DATA/a.qcow2" \
    --object "secret,id=s,file=$DAEMON_DIR/xml/passphrase" -o encrypt.format=luks,encrypt.key-secret=s "$DATA/prepared"
try "is taken" virsh snapshot-create one "$(snapshot_xml "$DATA/prepared")" --disk-only --reuse-external
try "the guest starts" virsh start one
try "it reads what is below" reads bb 8
virsh destroy one
refused "going back, where there is no default" "overlay above disk 'vda'.*unencrypted.*encryption default" \
    virsh snapshot-revert one "$(virsh snapshot-list one --name | xargs)"
finish
