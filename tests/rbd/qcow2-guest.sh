#!/bin/bash
# Guests whose disk is a linked volume of format qcow2 on Ceph: started, plugged in, resized, while the daemon comes and
# goes; the wrong format in the domain; an image whose content names another file; another host.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/lib/images.sh"

need_command nbdkit nbdcopy

TEXT="what only the guest may know: $RANDOM $RANDOM"

# image_disk TARGET IMAGE [FORMAT [SECRET]]: without SECRET there is no <encryption>.
image_disk() {
    network_disk "$1" "images/$2" "${3:-qcow2}" libvirt "$CEPH_UUID" "${4:-}"
}

# plug_image GUEST TARGET IMAGE [FORMAT [SECRET]]
plug_image() {
    image_disk "${@:2}" >"$DAEMON_DIR/disk.xml"
    virsh attach-device "$1" "$DAEMON_DIR/disk.xml" --live
}

# qcow NAME [MIB]: a linked volume of format qcow2.
qcow() {
    image_xml "$@" | sed "s|<format type='raw'/>|<format type='qcow2'/>|" | create_in images
}

# decrypts IMAGE HEADER TEXT: header and exported image, opened by nbdkit, are what guest_fill wrote.
decrypts() {
    open_pair "$2" "$(exported "$1")" qcow2 "$DAEMON_DIR/clear" && holds "$DAEMON_DIR/clear" "$3"
}

# capacity IMAGE: as vol-info has it.
capacity() {
    virsh vol-info "$1" images --bytes | sed -n 's/Capacity: *\([0-9]*\).*/\1/p'
}

# start_with XML...: a guest with those disks, which was not there before.
start_with() {
    virsh undefine other >/dev/null 2>&1
    guest_define other "$@" && virsh start other
}

try "a daemon with a header pool and a pool on Ceph starts" images_start || finish
try "three linked volumes are made" eval 'qcow first && qcow second && image plain' || finish

note "A guest"
try "it starts from the first, without <encryption>" guest_boot demo "$(image_disk vda first)" || finish
same "the disk is a luks node over a qcow2 node over the image" \
    "$(nodes demo | sed -E 's/^libvirt-[0-9]+-//' | grep -E '^(format|payload|storage) ' | sort)" \
    "$(printf '%s\n' 'format luks' 'payload qcow2' 'storage rbd')"
size=$(size_of first)
try "the guest writes" guest_fill demo vda "$TEXT"
try "and reads that back" guest_filled demo vda "$TEXT"
guest_run demo sync
file=$(exported first)
same "the image begins as qcow2 does" "$(head -c 3 "$file")" QFI
same "it holds nothing of it" "$(in_clear "$TEXT" "$file")" ""
same "nor of LUKS" "$(grep -c -aF LUKS "$file")" 0
same "and is as long as it was" "$(size_of first)" "$size"

note "While it runs"
unchanged "vol-delete" "in use by the running domain 'demo'" virsh vol-delete first images
unchanged "vol-resize" "in use by the running domain 'demo'" virsh vol-resize first 24M images
try "blockresize" virsh blockresize demo vda 24M
same "the guest has it" "$(guest_run demo 'blockdev --getsize64 "$(disk vda)"')" $((24 * MIB))
same "vol-info, too" "$(capacity first)" $((24 * MIB))
# shellcheck disable=SC2016 # of the guest's shell
try "it fills its disk" guest_run demo 'dd if=/dev/urandom of="$(disk vda)" bs=1M count=24 conv=fsync'
same "for which QEMU makes the image longer" "$(($(size_of first) > 24 * MIB))" 1
try "it writes to its new end" guest_fill demo vda "$TEXT"

note "A second disk"
unchanged "said to be raw" "has format 'qcow2', but the disk's <driver> says 'raw'" \
    plug_image demo vdb second raw "$SECRET_UUID"
unchanged "and what is raw said to be qcow2" "has format 'raw', but the disk's <driver> says 'qcow2'" \
    plug_image demo vdb plain qcow2 "$SECRET_UUID"
nodes=$(nodes demo | wc -l)
try "it is plugged in" plug_image demo vdb second
try "the guest writes there" guest_fill demo vdb "second $TEXT"
try "the daemon starts again meanwhile" images_launch
try "the guest reads on" guest_filled demo vda "$TEXT"
try "and from the second" guest_filled demo vdb "second $TEXT"
unchanged "vol-delete now" "in use by the running domain 'demo'" virsh vol-delete second images
try "it is unplugged" unplug demo vdb
try "nobody has the image open any more" waited not watched second
same "its nodes are gone" "$(nodes demo | wc -l)" "$nodes"
try "the two hold what the guest wrote" decrypts second "$VAULT/second.luks" "second $TEXT"

note "What an image says of others"
qemu-img create -q -f raw "$DAEMON_IMAGES/neighbour.raw" 16M && chmod 666 "$DAEMON_IMAGES/neighbour.raw"
whole=$(exported second) && mv "$whole" "$DAEMON_WORK/whole"
# put FILE: that is what the image second has from now on.
put() {
    qemu-img convert -n -f raw -O raw --object "$(image_key libvirt)" "$1" "$(image_url images/second libvirt)"
}
for how in backing data; do
    names="names a backing file"
    if [ "$how" = backing ]; then
        qemu-img create -q -f qcow2 -b "$DAEMON_IMAGES/neighbour.raw" -F raw "$DAEMON_WORK/hostile" 16M
    else
        names="names an external data file"
        qemu-img create -q -f qcow2 -o "data_file=$DAEMON_IMAGES/neighbour.raw" "$DAEMON_WORK/hostile" 16M
    fi
    put "$DAEMON_WORK/hostile"
    unchanged "$how: the guest that runs does not get it" "second.*$names" plug_image demo vdb second
    unchanged "$how: nor with its secret" "second.*$names" plug_image demo vdb second qcow2 "$SECRET_UUID"
    refuse "$how: no other guest starts" "second.*$names" start_with "$(image_disk vda second)"
    same "$how: nothing is left of all that" "$(nodes demo | wc -l)" "$nodes"
done
virsh undefine other >/dev/null 2>&1
put "$DAEMON_WORK/whole"
try "put back, it is a disk" plug_image demo vdb second
try "with what was in it" guest_filled demo vdb "second $TEXT"

note "Saved"
try "managed save" virsh managedsave demo
try "nobody has the images open" waited not watched first
try "it comes back" virsh start demo
try "and reads on" guest_filled demo vda "$TEXT"
guest_stop demo
try "the first holds what the guest wrote" decrypts first "$VAULT/first.luks" "$TEXT"

note "Another host"
FIRST_VAULT=$VAULT
try "another host starts" linked_start elsewhere
cat >"$DAEMON_DIR/xml/pool.xml" <<XML
<pool type='dir'><name>shared</name><target><path>$FIRST_VAULT</path><headers/></target></pool>
XML
try "with the images" eval 'ceph_secret libvirt "$CEPH_UUID" && ceph_pool images libvirt "$CEPH_UUID"'
try "and the headers" eval 'virsh pool-define "$DAEMON_DIR/xml/pool.xml" && virsh pool-start shared'
known() {
    virsh pool-refresh shared
    shown first images | grep -q "<source pool='shared' volume='first.luks'/>"
}
try "what is there is linked by itself" waited known
like "as what it is" "$(virsh vol-dumpxml first images)" "<format type=.qcow2./>"
same "with its size" "$(capacity first)" $((24 * MIB))
daemon_stop
linked_use host

note "In the end"
for name in first second plain; do
    try "$name is deleted" virsh vol-delete "$name" images
done
same "no image is left" "$(rbd ls images)" ""
nothing_left "all of this"
same "no record of a guest" "$(records)" ""
finish
