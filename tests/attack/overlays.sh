#!/bin/bash
# An image says itself which file is behind it, or has its data. An attacker who can write to the image writes
# the name of another guest's linked payload there; one who can write to the file that it names puts a symbolic
# link to such a payload in its place. A domain with the image as its disk names neither the volume nor its
# secret: it gets nothing of the volume's content, and writes nothing to it.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_command qemu-system-x86_64 qemu-img

# shellcheck disable=SC2034 # used by way of eval
BEN="what Ben alone may know: $RANDOM $RANDOM" PLAIN="what is no secret: $RANDOM $RANDOM"

# create_own NAME FORMAT: a linked volume with a secret that is generated for it alone.
create_own() {
    linked_xml "$1" "$2" | sed '/<secret/d' | create_xml
}

attach() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    virsh attach-device eve "$DAEMON_DIR/disk.xml" --live
}

# Or what follows would fail for another reason.
detach() {
    virsh detach-disk eve "$1" --live >/dev/null 2>&1 && disk_gone eve "$1"
}

# image FILE BACKING FORMAT [OPTIONS]: FILE becomes an overlay that says BACKING.
image() {
    qemu-img create -q -f qcow2 -u -b "$2" -F "$3" ${4:+-o "$4"} "$1" 16M
}

# bystanders: from now on, these are all headers and whatever lies in the payload pool.
bystanders() {
    ATTACK_BYSTANDERS=() ATTACK_BEFORE=()
    bystander "$VAULT"/* "$DATA"/*
}

start_with() {
    virsh undefine carl >/dev/null 2>&1
    guest_define carl "$1" && virsh start carl
}

# kept_out HOW REGEX DISK: neither a running guest nor one that starts is given it. What is given
# all the same is looked at, and written to.
kept_out() {
    refuse "$1: a running guest is not given it" "$2" attach "$3"
    if virsh domblklist eve | grep -qw vdx; then
        try "$1: the guest does not read what is Ben's" not guest_filled eve vdx "$BEN"
        guest_fill eve vdx "$PLAIN" >/dev/null 2>&1
        detach vdx
    fi
    refuse "$1: no guest starts with it" "$2" start_with "$3"
    virsh destroy carl >/dev/null 2>&1
    unharmed "$1: nobody's byte has changed"
}

try "a host with a header pool and a payload pool" linked_start
try "keys are made quickly" quick_keys
try "Ben's linked volumes" eval 'create_own ben.raw raw && create_own ben.qcow2 qcow2'
TENANT=$DAEMON_IMAGES/tenant
mkdir "$TENANT"
qemu-img create -q -f raw "$TENANT/base" 16M
image "$TENANT/above" "$TENANT/base" raw
try "a guest fills them, and the file behind an overlay" eval 'guest_boot eve "$(disk_xml vda "$DATA/ben.raw" raw)" \
    "$(disk_xml vdb "$DATA/ben.qcow2" qcow2)" "$(disk_xml vdc "$TENANT/base" raw)" &&
    guest_fill eve vda "$BEN" && guest_fill eve vdb "$BEN" && guest_fill eve vdc "$PLAIN" && guest_run eve sync'
owner=$(stat -c %u:%g "$DATA/ben.raw")
try "they are unplugged" eval 'detach vda && detach vdb && detach vdc'
bystanders

# --- what the image itself says

image "$TENANT/over.raw" "$DATA/ben.raw" raw
kept_out "an overlay above a raw payload" "ben\.raw.*is its backing file" "$(vdx "$TENANT/over.raw" qcow2)"
image "$TENANT/over.qcow2" "$DATA/ben.qcow2" qcow2
kept_out "an overlay above a qcow2 payload" "ben\.qcow2.*is its backing file" "$(vdx "$TENANT/over.qcow2" qcow2)"
image "$TENANT/relative" ../data/ben.raw raw
kept_out "an overlay that says a relative name" "ben\.raw.*is its backing file" "$(vdx "$TENANT/relative" qcow2)"
image "$TENANT/json" "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"$DATA/ben.raw\"}}" raw
kept_out "an overlay that says it in JSON" "ben\.raw.*is its backing file" "$(vdx "$TENANT/json" qcow2)"
image "$TENANT/twice" "$TENANT/over.raw" qcow2
kept_out "an overlay above an overlay" "ben\.raw.*is its backing file" "$(vdx "$TENANT/twice" qcow2)"
ln -s "$DATA/ben.raw" "$TENANT/symlink"
image "$TENANT/linked" "$TENANT/symlink" raw
kept_out "an overlay above a link of its own" "ben\.raw.*not its name" "$(vdx "$TENANT/linked" qcow2)"
image "$TENANT/header" "$VAULT/ben.raw.luks" raw
# libvirt itself sees LUKS and misses a secret
kept_out "an overlay above a header" "." "$(vdx "$TENANT/header" qcow2)"

try "Ben's guest starts" eval 'guest_define ben "$(disk_xml vda "$DATA/ben.raw" raw)" && virsh start ben'
bystanders
kept_out "an overlay above what another guest has" "ben\.raw.*is its backing file" "$(vdx "$TENANT/over.raw" qcow2)"
guest_stop ben
bystanders

# --- other ways to be given it

try "a drive" eval 'guest_define drive "<disk type=\"file\" device=\"cdrom\"><driver name=\"qemu\" type=\"qcow2\"/>
    <target dev=\"sda\" bus=\"sata\"/><readonly/></disk>" && virsh start drive'
echo "<disk type='file' device='cdrom'><driver name='qemu' type='qcow2'/><source file='$TENANT/over.raw'/>
    <target dev='sda' bus='sata'/><readonly/></disk>" >"$DAEMON_DIR/disk.xml"
refuse "its medium is not changed to such an overlay" "ben\.raw.*is its backing file" \
    virsh update-device drive "$DAEMON_DIR/disk.xml" --live
guest_stop drive
try "the overlay above the plain file is plugged in" attach "$(vdx "$TENANT/above" qcow2)"
try "and the guest reads what is its backing file" guest_filled eve vdx "$PLAIN"
refuse "its disk is not copied to such an overlay" "ben\.raw.*is its backing file" \
    virsh blockcopy eve vdx "$TENANT/over.raw" --format qcow2 --shallow --reuse-external --transient-job --wait --pivot
try "the guest reads what it read" guest_filled eve vdx "$PLAIN"
detach vdx
unharmed "nobody's byte has changed by that"

# --- what it says becomes a link

try "a guest's disk is the overlay above the plain file" guest_define dora "$(disk_xml vda "$TENANT/above" qcow2)"
try "it starts, and is saved" eval 'virsh start dora && virsh managedsave dora'
mv "$TENANT/base" "$TENANT/aside"
ln -s "$DATA/ben.raw" "$TENANT/base"
kept_out "what is behind becomes a symbolic link" "ben\.raw.*not its name" "$(vdx "$TENANT/above" qcow2)"
refuse "nor does the one go on that was saved before" "ben\.raw.*not its name" virsh start dora
virsh destroy dora >/dev/null 2>&1
rm "$TENANT/base"
ln "$DATA/ben.raw" "$TENANT/base"
bystanders
kept_out "what is behind becomes a hard link" "ben\.raw.*not its name" "$(vdx "$TENANT/above" qcow2)"
rm "$TENANT/base" && mv "$TENANT/aside" "$TENANT/base"
try "put back, the guest goes on" virsh start dora
guest_stop dora

# --- its data

# QEMU wipes what is named when an image is made, so the name is written over that of another file.
decoy=$DATA/decoyed # as long as ben.raw
qemu-img create -q -f qcow2 -o "data_file=$decoy,data_file_raw=on" "$TENANT/data" 16M
sed -i "s|$decoy|$DATA/ben.raw|g" "$TENANT/data" && rm "$decoy"
# as where libvirt does not take files back from QEMU, or where Ben's guest runs
chown "$owner" "$DATA/ben.raw" "$VAULT/ben.raw.luks"
bystanders
kept_out "an image whose data is said to be in a payload" "ben\.raw.*data file" "$(vdx "$TENANT/data" qcow2)"

# --- the domain names it

named() {
    vdx "$TENANT/over.raw" qcow2 | sed "s|<target|<backingStore type='file'><format type='raw'/>\
<source file='$DATA/ben.raw'/><backingStore/></backingStore>&|"
}
try "a domain that names it in a <backingStore> is given it" attach "$(named)"
try "and reads what is in it" guest_filled eve vdx "$BEN"
detach vdx
guest_stop eve
same "no record is left" "$(records)" ""
finish
