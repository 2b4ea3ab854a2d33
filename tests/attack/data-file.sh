#!/bin/bash
# Those who may write to a payload pool write into a linked volume of format qcow2 the name of another guest's
# disk, as its data file or as its backing file. QEMU's user may open that disk. On whatever way the volume
# comes to a guest, it is refused before QEMU hears of it, and the other disk is not touched; put back, it works.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_command qemu-system-x86_64 qemu-img

try "a host with a header pool and a payload pool" linked_start || finish
quick_keys
try "three linked volumes, of format qcow2 and raw" eval \
    'create q.qcow2 qcow2 && create other.qcow2 qcow2 && create r.raw raw'
TEXT="what the guest wrote: $RANDOM"

# Both names have one length, so that one can be written over the other.
neighbour=$DATA/neighbour.raw
decoy=$DATA/decoydeco.raw
yes "another guest's: $RANDOM" | head -c 16M >"$neighbour"
chmod 666 "$neighbour" # QEMU may open it
bystander "$neighbour"

# hostile_data, hostile_backing: images that name it. QEMU wipes the data file of an image that is made.
hostile_data() {
    qemu-img create -q -f qcow2 -o "data_file=$decoy,data_file_raw=on" "$DAEMON_DIR/image" 16M &&
        sed -i "s|$decoy|$neighbour|g" "$DAEMON_DIR/image" && rm "$decoy" && cat "$DAEMON_DIR/image" >"$DATA/q.qcow2"
}
hostile_backing() {
    qemu-img create -q -f qcow2 -b "$neighbour" -F raw "$DAEMON_DIR/image" 16M &&
        cat "$DAEMON_DIR/image" >"$DATA/q.qcow2"
}
put_back() {
    cat "$DAEMON_DIR/whole" >"$DATA/q.qcow2"
}

attach() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    virsh attach-device running "$DAEMON_DIR/disk.xml" --live
}
start_with() {
    virsh undefine victim >/dev/null 2>&1
    guest_define victim "$@" && virsh start victim
}
stopped() {
    virsh destroy victim
    virsh undefine victim --managed-save
} >/dev/null 2>&1

# refused WHY REGEX COMMAND...: no trace of the volume is in the guest that runs, and the neighbour's disk is whole.
refused() {
    refuse "$1" "q\.qcow2.*($2)" "${@:3}"
    stopped
    virsh detach-disk running vdx --live >/dev/null 2>&1 && disk_gone running vdx
    same "$1: the guest that runs has as many nodes as before" "$(nodes running | wc -l)" "$nodes"
    same "$1: QEMU may not open the header" "$(access "$VAULT/q.qcow2.luks")" "$before"
    unharmed "$1: the other guest's disk has not changed"
}

try "a guest that runs, with the second one and an empty drive" guest_boot running "$(disk vdb other.qcow2)" \
    "<disk type='file' device='cdrom'><driver name='qemu' type='qcow2'/><target dev='sdc' bus='sata'/><readonly/></disk>"
try "it writes to the second one" guest_fill running vdb "$TEXT"
try "a plain disk of it" qemu-img create -q -f raw "$DAEMON_IMAGES/plain.raw" 16M
cp "$DATA/q.qcow2" "$DAEMON_DIR/whole"
nodes=$(nodes running | wc -l)
before=$(access "$VAULT/q.qcow2.luks")
xml=$(disk vdx q.qcow2)
ln -s "$DATA/q.qcow2" "$DAEMON_IMAGES/link"
cp -p "$VAULT/q.qcow2.luks" "$DAEMON_IMAGES/loose"
printf "<disk type='file'><driver type='qcow2'/><source file='%s'/></disk>" "$DATA/q.qcow2" >"$DAEMON_DIR/copy.xml"

# explicit DISK: a guest whose metadata names another copy of the header for it.
explicit() {
    guest_xml victim "$1" | sed "s|<os>|<metadata><l:disks xmlns:l='urn:libvirt-lukshdr:domain:1.0'><l:disk target='vdx'>\
<l:header type='file'><l:source file='$DAEMON_IMAGES/loose'/></l:header></l:disk></l:disks></metadata>&|" \
        >"$DAEMON_DIR/guests/victim.xml" && virsh define "$DAEMON_DIR/guests/victim.xml" && virsh start victim
}

for how in data backing; do
    names="names (a backing file|an external data file)"
    [ $how = data ] || names="names a backing file|has a backing file|backing file.*decrypted"
    try "$how: a guest starts with the volume, and is saved" start_with "$xml"
    try "$how: it is saved" virsh managedsave victim
    try "$how: then the volume's content is replaced" hostile_$how
    refuse "$how: it does not come back from that" "q\.qcow2.*($names)" virsh start victim
    stopped
    refused "$how: a guest does not start" "$names" start_with "$xml"
    refused "$how: nor without <encryption>" "$names" start_with "$(disk_xml vdx "$DATA/q.qcow2" qcow2 "")"
    refused "$how: nor by pool and volume" "$names" start_with "$(disk_xml vdx data/q.qcow2 qcow2 "")"
    refused "$how: nor with another copy of its header" "$names" explicit "$xml"
    refused "$how: a running guest is not given it" "$names" attach "$xml"
    refused "$how: nor by a link, with its secret" "$names" attach "$(vdx "$DAEMON_IMAGES/link" qcow2 "$SECRET_UUID")"
    qemu-img create -q -f qcow2 -u -b "$DATA/q.qcow2" -F qcow2 "$DAEMON_IMAGES/overlay" 16M
    refused "$how: nor below an overlay" "$names" attach "$(vdx "$DAEMON_IMAGES/overlay" qcow2 |
        sed "s|<target|<backingStore type='file'><format type='qcow2'/><source file='$DATA/q.qcow2'/><backingStore/></backingStore>&|")"
    try "$how: a plain disk is" attach "$(vdx "$DAEMON_IMAGES/plain.raw")"
    refuse "$how: it is not copied to the volume" "q\.qcow2.*($names)" virsh blockcopy running vdx \
        --xml "$DAEMON_DIR/copy.xml" --reuse-external --transient-job
    virsh detach-disk running vdx --live >/dev/null && disk_gone running vdx
    refuse "$how: nor is it a medium" "q\.qcow2.*($names)" virsh change-media running sdc "$DATA/q.qcow2" --insert --live
    same "$how: nothing is left of all that" "$(nodes running | wc -l)" "$nodes"
    unharmed "$how: the other guest's disk has not changed"

    # a guest that runs has nothing to do with it
    try "$how: the daemon is started again" linked_launch
    try "$how: the guest goes on with its own" guest_filled running vdb "$TEXT"
    try "$how: and is given another" plug running vdx r.raw
    try "$how: which is taken away" unplug running vdx

    put_back
    try "$how: put back from a backup, it is a disk" attach "$xml"
    try "$how: and no more" unplug running vdx
done
unharmed "the other guest's disk has not changed in the end"
guest_stop running
finish
