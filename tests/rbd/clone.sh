#!/bin/bash
# Cloning where the source or the clone is an image on Ceph: each direction, with the content compared through QEMU's
# own chains; what is refused; what is noticed meanwhile; a crash in the middle; and where the key of Ceph's user goes.

# shellcheck disable=SC2317 # many functions are called by way of try
# shellcheck disable=SC2034 # variables are used there, too
. "$(dirname "$0")/../lib/faults.sh"
. "$(dirname "$0")/../lib/ceph.sh"

need_ceph
need_command qemu-io qemu-img

CEPH_UUID=6f3f1c1e-1e0c-4c63-9d8e-7d0f3a6b9c21
TEXT="what nobody on the cluster may know: $RANDOM $RANDOM"
MIB=1048576

daemon_use host
faults_use
try "a daemon starts" linked_start || finish
try "a Ceph cluster is there" ceph_start || finish
try "a pool on it" eval 'ceph_secret libvirt "$CEPH_UUID" && ceph_pool images libvirt "$CEPH_UUID"' || finish

# Every qemu-img: what it was told is noted. What a test puts into $HOOK runs around a conversion.
HOOK=$DAEMON_DIR/hook
NOTED=$DAEMON_DIR/noted
mkdir -m 777 "$NOTED"
quick_keys
mv "$BIN/qemu-img" "$BIN/quick-qemu-img"
tool qemu-img <<SH
{
    printf '%s\n' "\$@"
    tr '\0' '\n' </proc/\$\$/environ
} >>"$NOTED/told"
QUICK="$BIN/quick-qemu-img"
export CEPH_CONF="$CEPH_DIR/ceph.conf"
[ "\$1" != convert ] || [ ! -e "$HOOK" ] || . "$HOOK"
exec "\$QUICK" "\$@"
SH

# plain_xml NAME FORMAT: XML of a plain volume.
plain_xml() {
    echo "<volume><name>$1</name><capacity>0</capacity><target><format type='$2'/></target></volume>"
}

# copy_xml NAME: XML of a quick clone.
copy_xml() {
    cat <<XML
<volume><name>$1</name><capacity>0</capacity><allocation>0</allocation><target><format type='raw'/>
<encryption format='luks'><header type='volume' link='copy'><source pool='vault'/></header></encryption></target></volume>
XML
}

# place POOL NAME: the node that opens the volume as it is.
place() {
    local image
    if [ "$1" = images ]; then
        image=$(image_url "images/$2" libvirt)
        echo "${image#json:}"
    else
        echo "{\"driver\":\"${2#*.}\",\"file\":{\"driver\":\"file\",\"filename\":\"$DATA/$2\"}}"
    fi
}

# plain POOL NAME, linked POOL NAME: the volume for QEMU's tools.
plain() {
    echo "json:$(place "$@")"
}
linked() {
    echo "json:{\"driver\":\"luks\",\"key-secret\":\"pass\",\"file\":$(place "$@"),\
\"header\":{\"driver\":\"file\",\"filename\":\"$VAULT/$2.luks\"}}"
}

# bare IMAGE: it has nothing of the text.
bare() {
    rbd export "images/$1" - --no-progress | not grep -aqF "$TEXT"
}

# objects IMAGE: how many it has.
objects() {
    local prefix
    prefix=$(rbd info "images/$1" | sed -n 's/.*block_name_prefix: //p')
    _ceph_run timeout 60 rados -p images ls | grep -c "^$prefix\."
}

# watched IMAGE: whether somebody has it open.
watched() {
    rbd status "images/$1" | grep -q watcher=
}

# state: all that a refusal leaves as it was.
state() {
    rbd ls -l images
    lies_there
}

# drop POOL NAME...: the volumes go.
drop() {
    local pool=$1 name
    shift
    for name; do
        virsh vol-delete "$name" "$pool" || return
    done
}

# A hole, a text, noise, a hole: in a file, in a qcow2 file, and in an image
truncate -s 16M "$DATA/file.raw"
yes "$TEXT" | head -c $MIB | dd of="$DATA/file.raw" bs=1M seek=5 conv=notrunc status=none
dd if=/dev/urandom of="$DATA/file.raw" bs=1M seek=9 count=1 conv=notrunc status=none
qemu-img convert -O qcow2 "$DATA/file.raw" "$DATA/file.qcow2" && chmod 644 "$DATA"/file.*
try "a file in the pool" virsh pool-refresh data
try "and an image" rbd import --no-progress "$DATA/file.raw" images/image
try "which the pool knows" virsh pool-refresh images
FILE=$(plain data file.raw)
same "it has as few objects as there is content" "$(objects image)" 2

note "Into linked volumes"
try "a file" eval 'linked_xml one raw | from images file.qcow2 data'
try "has its content as a linked volume" alike "$FILE" "$(linked images one)"
try "of which the image shows nothing" bare one
same "it is written from end to end" "$(objects one)" 4
like "both show the link" "$(virsh vol-dumpxml one images)" "<source pool='vault' volume='one.luks'/>"
try "an image" eval 'linked_xml two raw | from images image images'
try "the same" alike "$FILE" "$(linked images two)"
try "and bare" bare two
try "an image into a file" eval 'linked_xml three.raw raw | from data image images'
try "the same" alike "$FILE" "$(linked data three.raw)"
try "an image into a qcow2 file" eval 'linked_xml four.qcow2 qcow2 | from data image images'
try "the same" alike "$FILE" "$(linked data four.qcow2)"
try "a file into a larger one" eval 'linked_xml five raw | sed "s|>16<|>24<|" | from images file.raw data'
try "the same, as far as that was" alike "$FILE" \
    "json:{\"driver\":\"raw\",\"size\":$((16 * MIB)),\"file\":$(linked images five | sed 's/^json://')}"
like "which is that large" "$(rbd info images/five)" 'size 24 MiB'
same "stock's copy of an image is stock's: it hangs on a snapshot" \
    "$(virsh vol-clone image stock images >/dev/null && rbd info images/stock | grep -c 'parent: images/image@')" 1

note "Between linked volumes"
try "vol-clone on Ceph" virsh vol-clone one six images
try "the same" alike "$FILE" "$(linked images six)"
try "and bare" bare six
unlike "with a key of its own" "$(rbd export images/six - --no-progress | sha256sum)" \
    "$(rbd export images/one - --no-progress | sha256sum)"
try "from Ceph into a file" eval 'linked_xml seven.raw raw | from data one images'
try "the same" alike "$FILE" "$(linked data seven.raw)"
try "from a file to Ceph" eval 'linked_xml eight raw | from images three.raw data'
try "the same" alike "$FILE" "$(linked images eight)"
try "a quick clone on Ceph" eval 'copy_xml nine | from images one images'
same "has the same ciphertext" "$(rbd export images/nine - --no-progress | sha256sum)" \
    "$(rbd export images/one - --no-progress | sha256sum)"
try "and opens" alike "$FILE" "$(linked images nine)"
try "a quick clone in a file" eval 'copy_xml ten.raw | from data one images'
try "opens" alike "$FILE" "$(linked data ten.raw)"
try "and of a file on Ceph" eval 'copy_xml eleven | from images three.raw data'
try "opens" alike "$FILE" "$(linked images eleven)"
# 1 MiB is written to, the rest never was
try "a linked volume with little in it" eval 'linked_xml thin raw | create_in images &&
    qemu qemu-io -c "write -P 7 8M 1M" "$(linked images thin)" >/dev/null'
same "has one object" "$(objects thin)" 1
try "a quick clone of it" eval 'copy_xml copy | from images thin images'
same "is as small" "$(objects copy)" 1
try "and reads so" qemu qemu-io -r -c 'read -P 7 8M 1M' "$(linked images copy)"

note "Into plain volumes"
try "from Ceph to Ceph" eval 'plain_xml p1 raw | from images one images'
try "the same" alike "$FILE" "$(plain images p1)"
same "where nothing is there are no objects" "$(objects p1)" 2
unlike "and it is plain" "$(virsh vol-dumpxml p1 images)" '<encryption'
try "from Ceph to a file" eval 'plain_xml p2.raw raw | from data one images'
try "the same" alike "$FILE" "$(plain data p2.raw)"
same "with its holes" "$(($(stat -c %b "$DATA/p2.raw") * 512 <= 4 * MIB))" 1
try "from Ceph to a qcow2 file" eval 'plain_xml p3.qcow2 qcow2 | from data one images'
try "the same" alike "$FILE" "$(plain data p3.qcow2)"
try "from a file to Ceph" eval 'plain_xml p4 raw | from images three.raw data'
try "the same" alike "$FILE" "$(plain images p4)"
same "no more objects than that" "$(objects p4)" 2

note "What cannot be"
unchanged "a format that is not made there" "linked volumes of formats 'raw' and 'qcow2' alone" \
    eval 'linked_xml no vmdk | from images one images'
unchanged "the same, plain" 'only RAW volumes' eval 'plain_xml no.qcow2 qcow2 | from images one images'
unchanged "shared blocks" 'cannot share blocks' eval 'linked_xml no raw >"$DAEMON_DIR/xml/from.xml" &&
    virsh vol-create-from images "$DAEMON_DIR/xml/from.xml" one --inputpool images --reflink'
# Somebody has it open, also only to read: an image has no locks that would tell the two apart.
for pair in one:one image:image; do
    coproc OPEN { exec qemu-io -r --object "$(image_key libvirt)" "$(plain images "${pair%:*}")"; }
    pid=$OPEN_PID
    waited watched "${pair%:*}"
    unchanged "what somebody has open: ${pair%:*}" 'is in use, by a client of the Ceph cluster at' \
        eval 'linked_xml no raw | from data "${pair%:*}" images'
    kill "$pid"
    wait "$pid" 2>/dev/null
    waited not watched "${pair%:*}"
done

note "What is noticed meanwhile"
rbd config image set images/two rbd_mtime_update_interval 1
rbd rename images/image images/kept
rbd import --no-progress "$DATA/file.raw" images/other
cat >"$HOOK" <<SH
sleep 1.1
rbd bench --io-type write --io-size 4096 --io-total 4096 images/two >/dev/null || exit 99
SH
unchanged "a source that is written to" "volume 'two' of pool 'images' was written to while its content was copied" \
    eval 'linked_xml no raw | from images two images'
rbd rename images/kept images/image
cat >"$HOOK" <<SH
rbd rename images/image images/moved && rbd rename images/other images/image || exit 99
SH
refuse "a source in whose place another is put" \
    "another image was put in the place of volume 'image' of pool 'images' while its content was copied" \
    eval 'linked_xml no raw | from images image images'
same "it is not made" "$(rbd ls images | grep -x no)" ""
rbd rename images/image images/other && rbd rename images/moved images/image
# Nor is the image deleted that was put in the place of a clone.
for to in linked plain; do
    before=$(state)
    cat >"$HOOK" <<SH
rbd rename images/swapped images/kept && rbd rename images/other images/swapped || exit 99
SH
    refuse "a clone, $to, in whose place another is put" \
        "another image was put in the place of volume 'swapped' of pool 'images' while its content was copied" \
        eval '"${to}_xml" swapped raw | from images three.raw data'
    rm "$HOOK"
    same "both are there" "$(rbd ls images | grep -Ex 'kept|swapped|other' | xargs)" 'kept swapped'
    rbd rename images/swapped images/other && rbd rename images/kept images/swapped
    try "once it has its name again" virsh pool-refresh images
    try "the clone is removed" waited eval '[ -z "$(link_of swapped)" ]'
    same "and nothing else" "$(state)" "$before"
done
rbd rm --no-progress images/other

note "A cluster that does not answer"
# The same deadline with fewer seconds; what is paused goes on once qemu-img has given up.
cat >"$HOOK" <<SH
conf=\$(printf '%s\n' "\$@" | grep -o '"conf":"/dev/fd/[0-9]*"' | head -n 1 | cut -d '"' -f 4)
cat "\$conf" >"$NOTED/conf"
sed 's/_timeout = .*/_timeout = 3/' "\$conf" >"$NOTED/short"
args=()
for arg; do
    args+=("\$(sed "s|\\"conf\\":\\"[^\\"]*\\"|\\"conf\\":\\"$NOTED/short\\"|" <<<"\$arg")")
done
: >"$NOTED/begun"
until [ -e "$NOTED/paused" ]; do sleep 0.05; done
"\$QUICK" "\${args[@]}"
status=\$?
: >"$NOTED/ended"
while [ -e "$NOTED/paused" ]; do sleep 0.05; done
exit \$status
SH
before=$(state)
linked_xml no raw >"$DAEMON_DIR/xml/from.xml"
virsh vol-create-from images "$DAEMON_DIR/xml/from.xml" file.raw --inputpool data >"$DAEMON_DIR/said" 2>&1 &
waiting=$!
try "a clone is under way" waited test -e "$NOTED/begun"
ceph_pause osd
: >"$NOTED/paused"
try "qemu-img gives up" waited test -e "$NOTED/ended"
ceph_resume osd
rm "$NOTED/paused" "$HOOK"
wait "$waiting"
same "and so does the clone" "$?" 1
like "for that reason" "$(cat "$DAEMON_DIR/said")" 'Connection timed out'
like "the deadline is that of conversions" "$(cat "$NOTED/conf")" '^rados_osd_op_timeout = 1800$'
# What the cluster did not forget at once goes later.
try "what was made is removed, at once or at a refresh" waited eval 'virsh pool-refresh images && [ -z "$(link_of no)" ]'
same "nothing has changed" "$(state)" "$before"

note "The daemon dies in the middle"
try "the cluster forgets clients sooner" ceph config set osd osd_client_watch_timeout 5
for to in linked plain; do
    before=$(state)
    rm -f "$NOTED/begun"
    cat >"$HOOK" <<SH
: >"$NOTED/begun"
shift
exec "\$QUICK" convert -r 64k "\$@"
SH
    if [ "$to" = linked ]; then linked_xml no raw; else plain_xml no raw; fi >"$DAEMON_DIR/xml/from.xml"
    virsh vol-create-from images "$DAEMON_DIR/xml/from.xml" three.raw --inputpool data >/dev/null 2>&1 &
    waiting=$!
    try "a clone into a $to volume is under way" waited test -e "$NOTED/begun"
    try "on the cluster, too" waited watched no
    daemon_kill
    wait "$waiting" 2>/dev/null
    rm "$HOOK"
    try "the daemon starts again" linked_launch
    try "the cluster forgets those who died" waited not watched no
    # libvirt forgets that the pool was active
    try "so does the pool" virsh pool-start images
    try "what there was is removed" waited eval '[ -z "$(link_of no)" ]'
    same "all of it" "$(state)" "$before"
done

note "A crash between libvirt's making of an image and our record of it"
from_log=$(log_end)
plain_xml no raw >"$DAEMON_DIR/xml/from.xml"
meets "rename 2 $LINKS"
virsh vol-create-from images "$DAEMON_DIR/xml/from.xml" one --inputpool images >/dev/null 2>&1
try "the daemon dies there" crashed
same "the image is there" "$(rbd ls images | grep -x no)" no
try "the daemon starts again" linked_launch
try "and the pool" virsh pool-start images
try "it says what may have been left" waited eval \
    'logged "$from_log" | grep -q "An empty volume .no. of pool .images. may have been left by the interrupted creation"'
same "whose it is is not certain: it stays" "$(rbd ls images | grep -x no)" no
same "and is nobody's" "$(link_of no)" ""
try "it can be deleted" virsh vol-delete no images

note "Where the key goes"
key=$(cat "$CEPH_DIR/libvirt.key")
try "the notes have what was told" grep -q '"key-secret":"target-user"' "$NOTED/told"
like "qemu-img gets the key as a descriptor" "$(cat "$NOTED/told")" '^secret,id=target-user,format=raw,file=/dev/fd/[0-9]'
unlike "no argument and no environment has it" "$(cat "$NOTED/told")" "${key:0:30}"
unlike "nor the passphrase" "$(cat "$NOTED/told")" "$PASSPHRASE"
unlike "nor has the log" "$(cat "$DAEMON_LOG")" "${key:0:30}"

note "The end"
try "all go" eval 'drop images one two five six eight nine eleven thin copy p1 p4 stock &&
    drop data three.raw four.qcow2 seven.raw ten.raw p2.raw p3.qcow2'
same "no link is left" "$(links)" ""
same "no header" "$(ls "$VAULT")" ""
same "no image but the first" "$(rbd ls images)" image
try "the cluster ends in good order" ceph_stop
finish
