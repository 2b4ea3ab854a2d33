#!/bin/bash
# Linked volumes in pools of other types than directories, as far as this machine's kernel and libvirt have
# them: file systems that libvirt mounts, and partitions of a disk; the payload there, the header, or both.
# What needs more (NFS, LVM, iSCSI, Ceph) is tested by its XML alone, in tests/xml/pool.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/partitions.sh"

need_root
need_command losetup mkfs.ext4 qemu-io
CHAIN_JSON=$BUILDDIR/tests/chain-json
[ -x "$CHAIN_JSON" ] || skip_all "needs $CHAIN_JSON"

try "a daemon with a header pool and a payload pool starts" linked_start || finish
quick_keys

# io PAYLOAD COMMAND...: qemu-io on the chain that the link describes, where the daemon lives.
io() {
    local volume=$1 command json args=()
    shift
    link_show "$volume" | sed '/^<!--/d' >"$DAEMON_DIR/link.xml"
    json=$("$CHAIN_JSON" "$DAEMON_DIR/link.xml" libvirt-1 sec0) || return
    for command; do
        args+=(-c "$command")
    done
    "$DAEMON_IN" qemu-io --object "secret,id=sec0,data=$PASSPHRASE" "${args[@]}" "json:$json" 2>&1 |
        tee "$DAEMON_DIR/io"
    [ "${PIPESTATUS[0]}" -eq 0 ] && ! grep -Eqi 'fail|error|could not' "$DAEMON_DIR/io"
}

# held POOL PART: with a linked volume there, the pool is not formatted or removed.
held() {
    local command
    virsh pool-destroy "$1" >/dev/null
    for command in "pool-build --overwrite" "pool-start --build --overwrite" pool-delete pool-undefine; do
        # shellcheck disable=SC2086 # words
        refuse "$command of $1" "'$1' has the $2 of linked volume" virsh $command "$1"
    done
    try "pool-start of $1" virsh pool-start "$1"
}

# --- file systems

# fs_make NAME: a pool of type fs on a loop device, formatted and mounted by libvirt.
fs_make() {
    loop_make "$1" 96
    virsh pool-define-as "$1" fs --source-dev "$LOOP" --source-format ext4 --target "$DAEMON_IMAGES/$1" &&
        virsh pool-build "$1" --overwrite && virsh pool-start "$1"
}

try "fs: libvirt formats and mounts a pool for payloads" fs_make fsdata
try "fs: and one for headers" fs_make fsvault
like "fs: they are mounted where the daemon lives" "$("$DAEMON_IN" cat /proc/mounts)" "$DAEMON_IMAGES/fsdata ext4"
for format in raw qcow2; do
    for header in vault fsvault; do
        try "fs: a $format payload, its header in $header" eval \
            "linked_xml disk $format '' \"pool='$header'\" | create_in fsdata"
        like "fs: is shown" "$(virsh vol-dumpxml disk fsdata)" "<source pool='$header' volume='disk.luks'/>"
        try "fs: is written" io disk 'write -P 0x5a 0 1M' 'read -P 0x5a 0 1M'
        refuse "fs: other data is noticed" 'Pattern verification failed' io disk 'read -P 0x5b 0 1M'
        try "fs: grows" virsh vol-resize disk 24M --pool fsdata
        try "fs: is cloned" virsh vol-clone disk copy --pool fsdata
        try "fs: the clone has its content" io copy 'read -P 0x5a 0 1M'
        try "fs: the clone is wiped" virsh vol-wipe copy fsdata
        try "fs: and deleted" virsh vol-delete copy fsdata
        try "fs: as is the source" virsh vol-delete disk fsdata
    done
done
try "fs: the header alone on one" create disk raw '' "pool='fsvault'"
held fsvault header
like "fs: mounted again, it is known" "$(virsh vol-dumpxml disk.luks fsvault)" "<source pool='data' volume='disk'"
try "fs: deleted" virsh vol-delete disk data
try "fs: both on one" eval "linked_xml disk raw '' \"pool='fsdata'\" | create_in fsdata"
held fsdata payload
try "fs: is written" io disk 'write -P 0x5a 0 1M' 'read -P 0x5a 0 1M'

# Mounted by way of another device, as after a reboot.
virsh pool-destroy fsdata >/dev/null
before=$(link_show disk | sed -n 's/.* dev="\([0-9]*\)".*/\1/p' | sort -u)
other=$(losetup -f --show "$DAEMON_WORK/fsdata.img")
at_exit losetup -d "$other"
virsh pool-dumpxml fsdata | sed "s|<device path=.[^']*'|<device path='$other'|" >"$DAEMON_DIR/xml/pool.xml"
try "fs: the pool is defined on another device" virsh pool-define "$DAEMON_DIR/xml/pool.xml"
try "fs: and started" virsh pool-start fsdata
renewed() {
    [ "$(link_show disk | sed -n 's/.* dev="\([0-9]*\)".*/\1/p' | sort -u)" = \
        "$("$DAEMON_IN" stat -c %d "$DAEMON_IMAGES/fsdata/disk")" ]
}
try "fs: the link has the new device number" waited renewed
unlike "fs: which is another" "$("$DAEMON_IN" stat -c %d "$DAEMON_IMAGES/fsdata/disk")" "^$before\$"
try "fs: the content is there" io disk 'read -P 0x5a 0 1M'
try "fs: deleted" virsh vol-delete disk fsdata
nothing_left "fs"
try "fs: empty, a pool is formatted anew" eval \
    'virsh pool-destroy fsvault && virsh pool-build fsvault --overwrite && virsh pool-undefine fsvault'

# --- what is not started here

# xml_of TYPE: tests/xml/pool/TYPE.in.xml.
xml_of() {
    cp "$(dirname "$0")/../xml/pool/$1.in.xml" "$DAEMON_DIR/xml/pool.xml"
    chmod 644 "$DAEMON_DIR/xml/pool.xml"
}

for type in netfs netfs-namespace; do
    xml_of $type
    try "$type: with an encryption default, is defined" virsh pool-define --validate "$DAEMON_DIR/xml/pool.xml"
    xml=$(virsh pool-dumpxml images)
    like "$type: and shown with it" "$xml" "<source pool='vault-headers'/>"
    like "$type: and with the rest" "$xml" "<host name='nfs.example.org'/>"
    try "$type: is undefined" virsh pool-undefine images
done
xml_of rbd
try "rbd: with an encryption default, is defined" virsh pool-define --validate "$DAEMON_DIR/xml/pool.xml"
xml=$(virsh pool-dumpxml images)
like "rbd: and shown with it" "$xml" "<source pool='vault-headers'/>"
like "rbd: and with the rest" "$xml" "<secret uuid='2ec115d7-3a88-3ceb-bc12-0ac909a6fd87'/>"
virsh pool-dumpxml images >"$DAEMON_DIR/xml/pool.xml"
try "rbd: what is shown can be sent again" virsh pool-define --validate "$DAEMON_DIR/xml/pool.xml"
try "rbd: the daemon is restarted" linked_launch
like "rbd: the default is there" "$(virsh pool-dumpxml images)" "<source pool='vault-headers'/>"
sed -i '/<target>/,/<\/target>/d' "$DAEMON_DIR/xml/pool.xml"
try "rbd: defined without" virsh pool-define --validate "$DAEMON_DIR/xml/pool.xml"
unlike "rbd: it is gone" "$(virsh pool-dumpxml images)" "encryption"
try "rbd: is undefined" virsh pool-undefine images
xml_of rbd-headers
try "rbd: declared to hold headers" virsh pool-define --validate "$DAEMON_DIR/xml/pool.xml"
like "rbd: and shown so" "$(virsh pool-dumpxml images)" "<headers/>"
try "rbd: is undefined" virsh pool-undefine images
for type in gluster iscsi-direct; do
    xml_of refused-$type
    refuse "$type: a default that no volume could have" "type '$type'.* leave <encryption> and <headers> out" \
        virsh pool-define "$DAEMON_DIR/xml/pool.xml"
done

# --- partitions

if disk_there; then
    parted_repaired
    try "disk: libvirt writes a partition table" disk_make parts
    disk=$(basename "$LOOP")
    try "disk: a partition as payload, its header a file" eval \
        'partition_xml ${disk}p1 "pool=\"vault\" volume=\"p1.luks\"" | create_in parts'
    try "disk: is a block device" test -b "/dev/${disk}p1"
    like "disk: is shown" "$(virsh vol-dumpxml "${disk}p1" parts)" "<source pool='vault' volume='p1.luks'/>"
    try "disk: is written" io "${disk}p1" 'write -P 0x5a 0 1M' 'read -P 0x5a 0 1M'
    try "disk: a partition as header, its payload a file" create file qcow2 '' "pool='parts' volume='${disk}p2'"
    like "disk: is shown" "$(virsh vol-dumpxml "${disk}p2" parts)" "<source pool='data' volume='file'/>"
    try "disk: is written" io file 'write -P 0x41 0 1M' 'read -P 0x41 0 1M'
    try "disk: another file shares that header" eval 'linked_xml sharer qcow2 "" "pool=\"parts\" volume=\"${disk}p2\"" |
        sed "s/<header type=.volume.>/<header type=\"volume\" link=\"share\">/; /<secret /d" | create_xml'
    try "disk: and is deleted" virsh vol-delete sharer data
    held parts "(payload|header)"
    virsh pool-refresh parts
    like "disk: started and refreshed, the payload is known" "$(virsh vol-dumpxml "${disk}p1" parts)" "volume='p1.luks'"
    like "disk: and the header" "$(virsh vol-dumpxml "${disk}p2" parts)" "volume='file'"
    try "disk: the payload's content is there" io "${disk}p1" 'read -P 0x5a 0 1M'
    try "disk: decrypting it into a file" eval 'echo "<volume><name>plain</name><target><format type=\"raw\"/></target></volume>" \
        >"$DAEMON_DIR/xml/from.xml" &&
        virsh vol-create-from data "$DAEMON_DIR/xml/from.xml" "${disk}p1" --inputpool parts'
    same "disk: gives what was written" "$(head -c 1M "$DATA/plain" | tr -d Z | wc -c)" 0
    virsh vol-delete plain data >/dev/null
    try "disk: wiped" virsh vol-wipe "${disk}p1" parts
    try "disk: deleted, with its file" virsh vol-delete "${disk}p1" parts
    try "disk: deleted, with its partition" virsh vol-delete file data
    same "disk: no partition is left" "$(virsh vol-list parts | grep -c "$disk")" 0
    # the header is made first, and libvirt takes no other name than the next one
    try "disk: both partitions" eval \
        'partition_xml ${disk}p2 "pool=\"parts\" volume=\"${disk}p1\"" | create_in parts'
    try "disk: is written" io "${disk}p2" 'write -P 0x5a 0 1M' 'read -P 0x5a 0 1M'
    try "disk: the daemon is restarted" linked_launch
    try "disk: deleted" virsh vol-delete "${disk}p2" parts
    nothing_left "disk"
    virsh pool-destroy parts >/dev/null
    try "disk: pool-undefine" virsh pool-undefine parts
else
    skip "pools of partitions" "needs libvirt's disk backend, parted, and partitions on loop devices"
fi

finish
