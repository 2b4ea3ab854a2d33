#!/bin/bash
# An attacker may write to a directory of disks. He puts other files under the names that guests' configurations
# have: another guest's linked payload in the place of the guest's own, or of a plain disk, by rename, by
# symbolic link, by hard link. No guest gets a volume that it did not name: it starts with its own disk or not
# at all, its configuration gets nobody else's secret, and no byte of anybody's disk changes.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_command qemu-system-x86_64 qemu-img

# shellcheck disable=SC2034 # used by way of eval
ANN="what Ann alone may know: $RANDOM $RANDOM" BEN="what Ben alone may know: $RANDOM $RANDOM"

# create_own NAME FORMAT: a linked volume with a secret that is generated for it alone.
create_own() {
    linked_xml "$1" "$2" | sed '/<secret/d' | create_xml
}

# secret_of VOLUME: the UUID of the secret that opens it.
secret_of() {
    virsh vol-dumpxml "$1" data | sed -n "s/.*<secret .*uuid=[\"']\([^\"']*\).*/\1/p"
}

attach() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    virsh attach-device eve "$DAEMON_DIR/disk.xml" --live
}

# Or what follows would fail for another reason.
detach() {
    virsh detach-disk eve "$1" --live >/dev/null 2>&1 && disk_gone eve "$1"
}

# exchange ONE OTHER: each file gets the other's name.
exchange() {
    mv "$1" "$1.aside" && mv "$2" "$1" && mv "$1.aside" "$2"
}

# config GUEST: the secrets that its configuration names.
config() {
    virsh dumpxml "$1" --inactive | grep -o "<secret [^>]*>"
}

# not_started HOW REGEX GUEST: the guest does not start, in words that match, and its configuration names
# the secrets that it named before.
not_started() {
    local before
    before=$(config "$3")
    refuse "$1: $3 does not start" "$2" virsh start "$3"
    virsh destroy "$3" >/dev/null 2>&1
    same "$1: its configuration names nobody else's secret" "$(config "$3")" "$before"
    unharmed "$1: no disk has changed"
}

# not_attached HOW REGEX DISK: a running guest is not given it.
not_attached() {
    refuse "$1: a running guest is not given it" "$2" attach "$3"
    detach vdx
    unharmed "$1: no disk has changed by that"
}

# bystanders: from now on, these are all headers and whatever lies in the payload pool.
bystanders() {
    ATTACK_BYSTANDERS=() ATTACK_BEFORE=()
    bystander "$VAULT"/* "$DATA"/*
}

try "a host with a header pool and a payload pool" linked_start
try "two guests' linked volumes, each with its own secret" eval \
    'create_own ann.raw raw && create_own ben.raw raw && create_own ann.qcow2 qcow2 && create_own ben.qcow2 qcow2'
try "a guest that fills them" eval 'guest_boot eve "$(disk_xml vda "$DATA/ann.raw" raw)" \
    "$(disk_xml vdb "$DATA/ben.raw" raw)" "$(disk_xml vdc "$DATA/ann.qcow2" qcow2)" \
    "$(disk_xml vdd "$DATA/ben.qcow2" qcow2)" &&
    guest_fill eve vda "$ANN" && guest_fill eve vdb "$BEN" && guest_fill eve vdc "$ANN" &&
    guest_fill eve vdd "$BEN" && guest_run eve sync &&
    detach vda && detach vdb && detach vdc && detach vdd'
qemu-img create -q -f raw "$DATA/plain.raw" 16M
qemu-img create -q -f qcow2 "$DATA/plain.qcow2" 16M
try "Ann's guest is defined" guest_define ann "$(disk_xml vda "$DATA/ann.raw" raw)" \
    "$(disk_xml vdb data/ann.qcow2 qcow2)"
try "Ben's guest is defined" guest_define ben "$(disk_xml vda "$DATA/ben.raw" raw)"
try "a guest with plain disks is defined" guest_define carl "$(disk_xml vda "$DATA/plain.raw" raw)" \
    "$(disk_xml vdb "$DATA/plain.qcow2" qcow2)"
own=$(secret_of ann.raw) other=$(secret_of ben.raw)
unlike "the two have secrets of their own" "$other" "^($own)?$"

# --- exchanged

exchange "$DATA/ann.raw" "$DATA/ben.raw"
bystanders
not_started "the payloads of Ann and Ben exchanged" "ann\.raw.*exchanged" ann
not_started "the payloads of Ann and Ben exchanged" "ben\.raw.*exchanged" ben
not_attached "Ben's payload under Ann's name" "exchanged" "$(disk_xml vdx "$DATA/ann.raw" raw)"
not_attached "Ben's payload under Ann's name, by pool and volume" "exchanged" "$(disk_xml vdx data/ann.raw raw)"
not_attached "Ben's payload under Ann's name, with Ann's secret" "exchanged" \
    "$(disk_xml vdx "$DATA/ann.raw" raw "$own")"
not_attached "Ben's payload under Ann's name, with Ben's secret" "exchanged" \
    "$(disk_xml vdx "$DATA/ann.raw" raw "$other")"
refuse "Ann's guest is not defined anew as Ben's" "exchanged" virsh define "$DAEMON_DIR/guests/ann.xml"
exchange "$DATA/ann.raw" "$DATA/ben.raw"

exchange "$DATA/ann.raw" "$DATA/plain.raw"
bystanders
not_started "Ann's payload and a plain disk exchanged" "ann\.raw.*was replaced" ann
not_started "Ann's payload and a plain disk exchanged" "ann\.raw.*not its name" carl
exchange "$DATA/ann.raw" "$DATA/plain.raw"

exchange "$DATA/ann.qcow2" "$DATA/ben.qcow2"
bystanders
not_started "one disk of two, in qcow2" "ann\.qcow2.*exchanged" ann
exchange "$DATA/ann.qcow2" "$DATA/ben.qcow2"

try "all put back, Ann's guest starts" guest_start ann
try "and reads what is Ann's" eval 'guest_filled ann vda "$ANN" && guest_filled ann vdb "$ANN"'
try "its state is saved" virsh managedsave ann
exchange "$DATA/ann.raw" "$DATA/ben.raw"
refuse "the payloads exchanged after that: it does not go on" "ann\.raw.*exchanged" virsh start ann
exchange "$DATA/ann.raw" "$DATA/ben.raw"
try "put back, it does" eval 'virsh start ann && guest_filled ann vda "$ANN"'
virsh destroy ann

# --- links in the place of a plain disk

mv "$DATA/plain.raw" "$DAEMON_DIR/plain.raw"
ln -s "$DATA/ben.raw" "$DATA/plain.raw"
bystanders
not_started "a plain disk replaced by a symbolic link" "ben\.raw.*not its name" carl
not_attached "the symbolic link" "ben\.raw.*not its name" "$(disk_xml vdx "$DATA/plain.raw" raw)"
not_attached "the symbolic link, with another's secret" "ben\.raw.*not its name" \
    "$(disk_xml vdx "$DATA/plain.raw" raw "$own")"
not_attached "by pool and volume" "ben\.raw.*not its name|no storage vol" "$(disk_xml vdx data/plain.raw raw)"
try "a drive" eval 'guest_define drive "<disk type=\"file\" device=\"cdrom\"><driver name=\"qemu\" type=\"raw\"/>
    <target dev=\"sda\" bus=\"sata\"/><readonly/></disk>" && virsh start drive'
refuse "its medium is not changed to it" "ben\.raw.*not its name" \
    virsh change-media drive sda "$DATA/plain.raw" --insert --live
guest_stop drive
qemu-img create -q -f qcow2 -b "$DATA/plain.raw" -F raw "$DATA/above.qcow2"
not_attached "an overlay above it" "ben\.raw.*not its name" "$(disk_xml vdx "$DATA/above.qcow2" qcow2)"
rm "$DATA/plain.raw"

ln "$DATA/ben.raw" "$DATA/plain.raw"
bystanders
not_started "a plain disk replaced by a hard link" "ben\.raw.*not its name" carl
not_attached "the hard link" "ben\.raw.*not its name" "$(disk_xml vdx "$DATA/plain.raw" raw)"

qemu-img create -q -f raw "$DAEMON_IMAGES/spare.raw" 16M
try "a plain disk is plugged in" attach "$(disk_xml vdx "$DAEMON_IMAGES/spare.raw" raw)"
refuse "it is not copied over the hard link" "ben\.raw.*not its name" \
    virsh blockcopy eve vdx "$DATA/plain.raw" --format raw --reuse-external --transient-job
virsh blockjob eve vdx --abort >/dev/null 2>&1
detach vdx
unharmed "no disk has changed by that"
rm "$DATA/plain.raw"
mv "$DAEMON_DIR/plain.raw" "$DATA/plain.raw"

# --- a snapshot of a plain disk, and the disk replaced afterwards

try "a guest with a plain disk in qcow2" guest_define dora "$(disk_xml vda "$DATA/plain.qcow2" qcow2)"
try "a snapshot of it" virsh snapshot-create-as dora before
mv "$DATA/plain.qcow2" "$DAEMON_DIR/plain.qcow2"
ln -s "$DATA/ben.qcow2" "$DATA/plain.qcow2"
bystanders
refuse "the guest does not go back to it over Ben's disk" "ben\.qcow2.*not its name" virsh snapshot-revert dora before
refuse "no other is taken in Ben's disk" "ben\.qcow2.*not its name" virsh snapshot-create-as dora after
unharmed "no disk has changed by that"
rm "$DATA/plain.qcow2"
mv "$DAEMON_DIR/plain.qcow2" "$DATA/plain.qcow2"
try "with the plain disk put back it does" virsh snapshot-revert dora before

# --- another process's open file

bystanders
# shellcheck disable=SC2016 # for the other shell
"$DAEMON_IN" sh -c 'exec 9<"$1" && echo $$ >"$2" && exec sleep 1000' sh "$DATA/ben.raw" "$DAEMON_DIR/pid" &
holder=$!
at_exit kill "$holder"
waited test -s "$DAEMON_DIR/pid"
not_attached "a descriptor in /proc" "ben\.raw.*not its name" \
    "$(disk_xml vdx "/proc/$(cat "$DAEMON_DIR/pid")/fd/9" raw)"

try "Ben's guest starts with what is Ben's" eval 'guest_start ben && guest_filled ben vda "$BEN"'
guest_stop ben
guest_stop eve
same "no record is left" "$(records)" ""
finish
