#!/bin/bash
# Headers that the XML of a domain names. In a disk's own <encryption> libvirt would ignore one, so only the link's
# own is accepted there. In the domain's metadata it is the header with which the disk is opened: a backup, or
# the header of a payload that is not linked at all. Any header that does not belong to the payload is refused.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_root
need_command qemu-system-x86_64 qemu-img nbdkit nbdcopy losetup

URI=urn:libvirt-lukshdr:domain:1.0
TEXT="what only the guest may know: $RANDOM $RANDOM"
BACKUPS=

# encrypted DISK HEADER: the disk's XML with the <header> in its <encryption>.
encrypted() {
    echo "${1/<\/encryption>/$2</encryption>}"
}

# header_volume POOL [VOLUME], header_file PATH, header_block PATH: the XML of a header.
header_volume() {
    echo "<header type='volume'><source pool='$1'${2:+ volume='$2'}/></header>"
}

header_file() {
    echo "<header type='file'><source file='$1'/></header>"
}

header_block() {
    echo "<header type='block'><source dev='$1'/></header>"
}

# with_headers NAME DISK TARGET HEADER...: defines a domain anew whose metadata names the headers.
with_headers() {
    local name=$1 disk=$2 inner=
    shift 2
    while [ $# -gt 0 ]; do
        inner+="<disk target='$1'>$2</disk>"
        shift 2
    done
    inner=${inner//<\//<\/lukshdr:}
    # shellcheck disable=SC2001 # a group is needed
    inner=$(sed 's|<\([a-z]\)|<lukshdr:\1|g' <<<"$inner")
    virsh undefine "$name" >/dev/null 2>&1
    guest_xml "$name" "$disk" | sed \
        "s|<os>|<metadata><lukshdr:disks xmlns:lukshdr='$URI'>$inner</lukshdr:disks></metadata>&|" \
        >"$DAEMON_DIR/guests/$name.xml" && virsh define "$DAEMON_DIR/guests/$name.xml"
}

define() {
    virsh undefine victim >/dev/null 2>&1
    guest_define victim "$@"
}

disk_file() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    echo "$DAEMON_DIR/disk.xml"
}

# files: what must not change where something is refused.
files() {
    (cd "$DAEMON_IMAGES" && find . -type f -exec sha256sum {} + | sort -k 2)
    access "$BACKUPS"/* "$DATA"/* "$VAULT"/*
    records
}

# refused WHY REGEX COMMAND...: the command is refused, and nothing changes.
refused() {
    local before
    before=$(files)
    refuse "$@"
    same "$1: nothing has changed" "$(files)" "$before"
}

start_with() {
    with_headers victim "$@" && virsh start victim
}

try "a host with linked volumes in raw and qcow2" \
    eval 'linked_start && create r.raw raw && create q.qcow2 qcow2'
BACKUPS=$DAEMON_IMAGES/backups
mkdir -m 755 "$BACKUPS"
try "and a pool of backups" pool_make backups "$BACKUPS"

# --- in a disk's own <encryption>

q=$(disk_xml vda "$DATA/q.qcow2" qcow2 "$SECRET_UUID")
for header in "$(header_volume vault)" "$(header_volume vault q.qcow2.luks)" "$(header_file "$VAULT/q.qcow2.luks")"; do
    try "the link's own header, as $header, may be named" define "$(encrypted "$q" "$header")"
    same "and is not in libvirt's XML" "$(virsh dumpxml victim --inactive | grep -c '<header\|<encryption')" 1
done
try "also where the schema is asked (--validate)" \
    virsh define --validate <(virsh dumpxml victim --inactive | sed "s|</encryption>|$(header_volume vault)&|")
OTHER="'header' in its 'encryption' that is not.*metadata.*$URI"
for header in "$(header_volume vault r.raw.luks)" "$(header_volume data q.qcow2.luks)" \
    "$(header_file "$VAULT/r.raw.luks")" "$(header_file /nowhere)" "<header/>" \
    "$(header_volume vault)$(header_volume vault r.raw.luks)"; do
    refuse "another, as $header, is not defined" "$OTHER" define "$(encrypted "$q" "$header")"
done
other=$(encrypted "$q" "$(header_volume vault r.raw.luks)")
older=$(sed "s|<source.*>|<source file='$DATA/q.qcow2'/>|; s|<target|<encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/>$(header_file /x)</encryption>&|" <<<"$q")
refuse "nor where <encryption> stands in its older place" "$OTHER" define "$older"
refuse "nor of a disk that is not linked" "$OTHER" \
    define "$(encrypted "$(disk_xml vda "$DATA/plain.raw" raw "$SECRET_UUID")" "$(header_volume vault)")"
refuse "nor of a disk without a source" "$OTHER" define "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/>
    <encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/><header/></encryption></disk>"
guest_xml passing "$other" >"$DAEMON_DIR/passing.xml"
refuse "nor is a guest created with it" "$OTHER" virsh create "$DAEMON_DIR/passing.xml"
try "a guest that runs" guest_boot running
refuse "it is not plugged in" "$OTHER" virsh attach-device running "$(disk_file "$other")"
refuse "nor with flags" "$OTHER" virsh attach-device running "$(disk_file "$other")" --live --config
try "the link's own is" virsh attach-device running "$(disk_file "$(encrypted "$q" "$(header_volume vault)")")" --live
refuse "a disk is not updated with another" "$OTHER" virsh update-device running "$(disk_file "$other")" --live
refuse "nor copied" "$OTHER" virsh blockcopy running vda --xml "$(disk_file "$other")" --reuse-external
try "the guest writes" guest_fill running vda "$TEXT"
virsh destroy running

# --- the backup of a header

for volume in r.raw q.qcow2; do
    cp "$VAULT/$volume.luks" "$BACKUPS/$volume.luks"
done
chmod 600 "$BACKUPS"/*
virsh pool-refresh backups
cp -p "$VAULT/q.qcow2.luks" "$DAEMON_DIR/primary"
head -c 4M /dev/urandom | dd of="$VAULT/q.qcow2.luks" conv=notrunc status=none
define "$q" >/dev/null
refused "with its header damaged, a guest does not start" "q\.qcow2\.luks" virsh start victim
LOOPS+=("$(losetup -f --show "$BACKUPS/q.qcow2.luks")")
before=$(files)
for header in "$(header_file "$BACKUPS/q.qcow2.luks")" "$(header_volume backups q.qcow2.luks)" \
    "$(header_block "${LOOPS[0]}")"; do
    try "with metadata that names the backup as $header, it is defined" \
        with_headers victim "$(disk_xml vda data/q.qcow2 qcow2)" vda "$header"
    try "and starts" guest_start victim
    try "it reads what was written" guest_filled victim vda "$TEXT"
    like "its record says which header it has" "$(record victim)" "explicit=\"yes\""
    virsh destroy victim
    same "all is as before" "$(files)" "$before"
done

bad() {
    refused "$1" "$2" start_with "$q" vda "$3"
}
bad "another volume's header" "LUKS header.*linked with" "$(header_file "$BACKUPS/r.raw.luks")"
bad "the damaged header" "q\.qcow2\.luks.*cannot be used|not.*LUKS" "$(header_file "$VAULT/q.qcow2.luks")"
bad "no file" "nowhere.*cannot be used.*No such file" "$(header_file /nowhere)"
bad "a file as a block device" "its type is 'file'" "$(header_block "$BACKUPS/q.qcow2.luks")"
bad "a block device as a file" "its type is 'block'" "$(header_file "${LOOPS[0]}")"
bad "a volume that is not there" "nothing.*No such file" "$(header_volume backups nothing)"
bad "a pool that is not there" "'nowhere' is not active" "$(header_volume nowhere x)"
mkfifo "$BACKUPS/fifo"
bad "a FIFO" "fifo.*cannot be used" "$(header_file "$BACKUPS/fifo")"
rm "$BACKUPS/fifo"
virsh pool-destroy backups
bad "a pool that is not active" "'backups' is not active" "$(header_volume backups q.qcow2.luks)"
virsh pool-start backups
cp "$BACKUPS/q.qcow2.luks" "$BACKUPS/other.luks"
# key slots cleared, everything else right
dd if=/dev/zero of="$BACKUPS/other.luks" bs=4096 seek=1 count=500 conv=notrunc status=none
bad "a header that the secret does not open" "[Pp]assword|key" "$(header_file "$BACKUPS/other.luks")"
rm "$BACKUPS/other.luks"
link_edit q.qcow2 's/state="active"/state="wiped"/'
bad "a volume that was wiped" "has been wiped" "$(header_file "$BACKUPS/q.qcow2.luks")"
link_edit q.qcow2 's/state="wiped"/state="active"/'

# --- metadata that makes no sense

for header in "<header type='volume'><source pool='vault'/></header>" "<header type='network'><source file='/x'/></header>" \
    "<header type='file'><source file='x'/></header>" "<header type='file'><source dev='/x'/></header>" \
    "<header type='file'/>" "$(header_file /x)$(header_file /y)" "<headers/>"; do
    refuse "as $header: a domain is not defined" "header|'source'|unexpected|exactly one" \
        with_headers victim "$q" vda "$header"
done
refuse "two headers of a disk are not defined" "attribute 'target' of its own" \
    with_headers victim "$q" vda "$(header_file /x)" vda "$(header_file /y)"
try "a domain" define "$q"
set_metadata() {
    virsh metadata victim --uri "$URI" --key lukshdr --set "$1" "${@:2}"
}
refuse "metadata is not set either" "unexpected|exactly one|header" \
    set_metadata "<disks><disk target='vda'><header type='file'/></disk></disks>" --config
refuse "nor other elements" "disks" set_metadata "<notes/>" --config
try "right metadata is" set_metadata \
    "<disks><disk target='vda'>$(header_file "$BACKUPS/q.qcow2.luks")</disk></disks>" --config
try "the guest starts with the header that it names" guest_start victim
try "and reads what was written" guest_filled victim vda "$TEXT"
refuse "it gets no overlay" "no overlay" virsh snapshot-create-as victim --disk-only --no-metadata \
    --diskspec "vda,file=$DAEMON_IMAGES/overlay.qcow2"
refuse "and is moved to no other image" "no other image" virsh blockcopy victim vda "$DAEMON_IMAGES/copy.img" \
    --wait --transient-job
virsh destroy victim

# --- while a guest runs

plug() {
    virsh attach-device running "$(disk_file "${q//vda/vdb}")" --live
}
try "a guest that runs" guest_start running
before=$(files)
refused "the disk is not plugged in with its header damaged" "q\.qcow2\.luks" plug
try "its metadata names the backup for vdb" virsh metadata running --uri "$URI" --key lukshdr --live \
    --set "<disks><disk target='vdb'>$(header_file "$BACKUPS/q.qcow2.luks")</disk></disks>"
try "the disk is plugged in" plug
try "and read" guest_filled running vdb "$TEXT"
unlike "the header is the guest's" "$(access "$BACKUPS/q.qcow2.luks")" "root:root"
try "the daemon restarts" linked_launch
try "the disk is there" guest_filled running vdb "$TEXT"
try "it is unplugged" virsh detach-disk running vdb --live
try "libvirt has it no more" disk_gone running vdb
same "all is as before" "$(files)" "$before"
try "it is plugged in again" plug
daemon_kill
try "the daemon is killed and starts again" linked_launch
virsh destroy running
same "when the guest has stopped, all is as before" "$(files)" "$before"
cat "$DAEMON_DIR/primary" >"$VAULT/q.qcow2.luks"
try "the primary is put back" with_headers victim "$q" vdz "$(header_file /nowhere)"
try "what metadata says of other disks does not matter" guest_start victim
try "the guest reads what was written" guest_filled victim vda "$TEXT"
virsh destroy victim

# --- a payload that is not linked

mkdir "$DAEMON_IMAGES/loose"
loose=$DAEMON_IMAGES/loose
header_of "$loose/header" && chmod 600 "$loose/header"
truncate -s 16M "$loose/p.raw"
qemu-img create -q -f qcow2 "$loose/p.qcow2" 16M
before=$(access "$loose"/*)
for format in raw qcow2; do
    disk=$(disk_xml vda "$loose/p.$format" "$format" "$SECRET_UUID")
    define "$disk" >/dev/null
    refuse "$format: no guest starts from it without its header" "LUKS|encrypt" virsh start victim
    refuse "$format: a disk without a secret is not defined" "no secret" \
        with_headers victim "$(disk_xml vda "$loose/p.$format" "$format")" vda "$(header_file "$loose/header")"
    try "$format: with metadata, a domain is defined" with_headers victim "$disk" vda "$(header_file "$loose/header")"
    try "$format: and starts" guest_start victim
    try "$format: it writes" guest_fill victim vda "$TEXT"
    try "$format: and reads" guest_filled victim vda "$TEXT"
    virsh destroy victim
    same "$format: access is as before" "$(access "$loose"/*)" "$before"
    same "$format: no file holds the text in clear" "$(in_clear "$TEXT" "$loose"/*)" ""
    try "$format: nbdkit opens the two" open_pair "$loose/header" "$loose/p.$format" "$format" "$DAEMON_DIR/clear"
    try "$format: and finds what was written" holds "$DAEMON_DIR/clear" "$TEXT"
done
disk=$(disk_xml vdb "$loose/p.raw" raw "$SECRET_UUID")
try "a domain's metadata names the header for vdb" with_headers running "" vdb "$(header_file "$loose/header")"
try "it starts" guest_start running
try "the disk is plugged in" virsh attach-device running "$(disk_file "$disk")" --live
try "and written to" guest_fill running vdb "$TEXT"
daemon_kill
try "the daemon is killed and starts again" linked_launch
try "the disk is unplugged" virsh detach-disk running vdb --live
try "libvirt has it no more" disk_gone running vdb
same "access is as before" "$(access "$loose"/*)" "$before"
refuse "one without a secret is not plugged in" "no secret" virsh attach-device running \
    "$(disk_file "$(disk_xml vdb "$loose/p.raw" raw)")" --live
same "access is as before" "$(access "$loose"/*)" "$before"
virsh destroy running
cat "$loose/header" "$loose/p.raw" >"$loose/attached.raw"
refuse "a payload that has a header of its own is refused" "begins with a LUKS header" start_with \
    "$(disk_xml vda "$loose/attached.raw" raw "$SECRET_UUID")" vda "$(header_file "$loose/header")"
finish
