#!/bin/bash
# Guests whose disk is a linked volume with its header on Ceph, with the key of a user of its own: the payload is
# in a file, or on Ceph with another user's key. Started, plugged in, unplugged, also by a daemon that came later;
# copied, committed, saved; what is refused; where the keys of the two users can be seen.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/lib/images.sh"
. "$(dirname "$0")/../lib/label.sh"

[ -x "$VL" ] || skip_all "needs $VL: build first, or set BUILDDIR"

HEADERS_UUID=7e1d0a52-0c0b-4b57-9c3e-5a0f6d2b1c93
GUEST_UUID=0f9a3e77-2a5d-4c1b-8a61-6d3c0e5b7f24
TEXT="what only the guest may know: $RANDOM $RANDOM"
URI=urn:libvirt-lukshdr:domain:1.0
ENCRYPTION="<encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption>"

# on_headers NAME [SECRET]: the XML of a linked volume with its header there.
on_headers() {
    image_xml "$1" 16 "${2-"<secret type='passphrase' uuid='$SECRET_UUID'/>"}" "pool='headers'"
}

# image_disk TARGET IMAGE [SECRET]: with the user who has nothing to do with headers.
image_disk() {
    network_disk "$1" "images/$2" raw guest "$GUEST_UUID" "${3:-}"
}

# file_disk TARGET VOLUME [OPTION]
file_disk() {
    disk_xml "$1" "$DATA/$2" raw | sed "s|</disk>|${3:-}</disk>|"
}

# header_disk TARGET IMAGE: the header itself.
header_disk() {
    network_disk "$1" "vault/$2" raw headers "$HEADERS_UUID"
}

# attach GUEST XML
attach() {
    echo "$2" >"$DAEMON_DIR/disk.xml" && virsh attach-device "$1" "$DAEMON_DIR/disk.xml" --live
}

# open_in_qemu GUEST: the images of headers that it has open, and the objects that it has for Ceph.
open_in_qemu() {
    qmp "$1" '{"execute":"query-named-block-nodes","arguments":{"flat":true}}' |
        jq -r '.return[] | select(.drv == "rbd") | .file | ltrimstr("json:") | fromjson | .image' | grep 'luks$'
    objects "$1" | grep -- '-auth-secret0$'
}

# watched_header NAME: whether anybody has it open.
watched_header() {
    watched "vault/$1.luks"
}

# unchanged_guest GUEST WHAT REGEX COMMAND...: refused, and the guest has what it had.
unchanged_guest() {
    local guest=$1 before
    shift
    before=$(nodes "$guest" && objects "$guest" && records && virsh domblklist "$guest")
    refuse "$@"
    same "$1: the guest has what it had" \
        "$(nodes "$guest" && objects "$guest" && records && virsh domblklist "$guest")" "$before"
}

# start_refused WHAT REGEX: the domain "refused", with the disk vda in its definition, does not start.
start_refused() {
    refuse "$@" virsh start refused
    same "$1: no record of it" "$(records)" ""
}

try "a daemon, a cluster, and a pool of images" images_start || finish
try "a pool of headers, with a user of its own" eval 'ceph_secret headers "$HEADERS_UUID" &&
    ceph_pool headers headers "$HEADERS_UUID" "" vault' || finish
try "the guests' user, who may not read there" ceph_secret guest "$GUEST_UUID"
try "a volume on Ceph with its header there" eval 'on_headers image | create_in images' || finish
try "a volume in a file with its header there" eval 'on_headers file | create_in data' || finish
same "the headers are there" "$(rbd ls vault | sort | tr '\n' ' ')" "file.luks image.luks "
same "and no file is" "$(ls "$VAULT")" ""

note "A guest"
try "it starts from the image, without <encryption>" guest_boot demo "$(image_disk vda image)" || finish
try "and writes" guest_fill demo vda "$TEXT"
try "and reads that back" guest_filled demo vda "$TEXT"
guest_run demo sync
same "the image holds nothing of it" "$(in_clear "$TEXT" "$(exported image)")" ""
# libvirt 9.0 has a format node for it as well.
header=$(edges demo | sed -n 's/^libvirt-1-format header \(libvirt-2-[a-z]*\)$/\1/p')
like "the header is a node of its own" "$header" '^libvirt-2-(storage|format)$'
before=$(nodes demo)
same "with a key of its own" "$(objects demo | grep -c -- '-auth-secret0$')" 2
try "it is open" watched_header image
same "the record says so" "$(record demo | grep -c "<header node=\"$header\">")" 1
refuse "the header is not deleted meanwhile" "." virsh vol-delete image.luks headers
refuse "nor the volume" "in use by the running domain 'demo'" virsh vol-delete image images
refuse "nor is anything else uploaded to it" "in use by the running domain 'demo'.*no whole header" \
    virsh vol-upload image.luks "$CEPH_DIR/guest.key" headers

note "Its keys"
P=$DAEMON_DIR/xml
for i in 1 2; do
    { [ $i = 1 ] || printf second-; } >"$P/$i"
    printf %s "$PASSPHRASE" >>"$P/$i"
    chmod 644 "$P/$i"
done
# keys COMMAND ARGUMENT...: of virt-lukshdr, about the guest's volume.
keys() {
    "$DAEMON_IN" "$VL" "$1" images/image "${@:2}"
}
# opens NUMBER: whether that passphrase opens the header.
opens() {
    local header status=0
    header=$(exported vault/image.luks) || return
    cryptsetup open --test-passphrase --type luks1 --header "$header" --key-file "$P/$1" "$BUILDDIR/config.h" || status=$?
    rm -f "$header"
    return "$status"
}
state() {
    keys info --json 2>/dev/null | jq -r .link.state
}
# kept FILE: the header as it is now.
kept() {
    local header
    header=$(exported vault/image.luks) && mv "$header" "$1" && chmod 644 "$1"
}
kept "$P/older"
try "one is added" keys key-add --passphrase-file "$P/1" --new-passphrase-file "$P/2" --iter-time 10
try "it opens" opens 2
try "so does the one before" opens 1
same "the label fits" "$(state)" ok
refuse "the secret's is not removed" "in use by the running domain 'demo'; .*no key would be left that the secret" \
    keys key-remove --passphrase-file "$P/1"
refuse "nor is an older header put in its place" "in use by the running domain 'demo'; .*it is an older header" \
    virsh vol-upload image.luks "$P/older" headers
try "it opens still" opens 1
try "the new one is removed" keys key-remove --passphrase-file "$P/2"
refuse "it opens no more" "No key available" opens 2
try "the secret's is changed, and the secret" \
    keys key-change --passphrase-file "$P/1" --new-passphrase-file "$P/2" --iter-time 10
refuse "the old one opens no more" "No key available" opens 1
try "and back" keys key-change --passphrase-file "$P/2" --new-passphrase-file "$P/1" --iter-time 10
same "the label fits" "$(state)" ok
try "the guest reads on" guest_filled demo vda "$TEXT"

note "An upload of keys that comes to nothing"
kept "$P/before"
cp "$P/before" "$P/newer"
cryptsetup luksAddKey --pbkdf-force-iterations 1000 --key-file "$P/1" "$P/newer" "$P/2"
label_write "$P/newer" < <(digest=$(head -c 2066432 "$P/newer" | sha256sum | cut -d' ' -f 1)
    generation=$(link_show image | sed -n 's/.*generation="\([0-9]*\)".*/\1/p')
    link_show image | sed '/^<!--/d' |
        sed "s/generation=\"[0-9]*\"/generation=\"$((generation + 9))\"/;s/\(<digest [^>]*>\)[0-9a-f]*</\1$digest</")
chmod 644 "$P/newer"
mkfifo "$P/pipe" && chmod 666 "$P/pipe"
# half: the first half of an upload of that is under way, by process UPLOAD; the rest goes to descriptor 8.
half() {
    virsh vol-upload image.luks "$P/pipe" headers >"$P/said" 2>&1 &
    UPLOAD=$!
    exec 8>"$P/pipe" && head -c 1048576 "$P/newer" >&8
}
rest() {
    tail -c +1048577 "$P/newer" >&8
    exec 8>&-
    wait "$UPLOAD"
}
as_before() {
    kept "$P/now" && cmp -n 2066432 "$P/now" "$P/before"
}
try "half of it is sent" half
try "the client dies" pkill -KILL -f "^virsh.* vol-upload image.luks $P/pipe"
exec 8>&-
wait "$UPLOAD"
try "the daemon notices" waited keys link --yes
try "the header is as it was" as_before
try "half of it is sent again" half
try "somebody else writes to the header, past the daemon" qemu-io -f raw -c 'write -q -P 0x5a 2065408 512' \
    "rbd:vault/image.luks:conf=$CEPH_DIR/ceph.conf"
kept "$P/before"
try "the rest is sent" rest
try "it is not written: the log says why" waited grep \
    "What was uploaded to volume 'image.luks' of pool 'headers' could not be.*somebody else is changing its keys; try again" \
    "$DAEMON_LOG"
try "the header is what somebody else made it" as_before
refuse "the new passphrase does not open it" "No key available" opens 2
try "the volume is linked again" keys link --yes
same "the label fits" "$(state)" ok
try "the same upload is written if nobody does that" eval 'half && rest && waited opens 2'
try "the volume is linked again" keys link --yes
try "the key goes" keys key-remove --passphrase-file "$P/2"
try "the guest writes on" guest_fill demo vda "$TEXT"

note "The cluster's keys"
# places PID: what others on the host may see of the process, and what is kept of it.
places() {
    "$DAEMON_IN" cat "/proc/$1/cmdline" "/proc/$1/environ" | tr '\0' '\n'
    "$DAEMON_IN" cat "/proc/$(daemon_pid)/environ" | tr '\0' '\n'
    "$DAEMON_IN" find "$DAEMON_DIR" /var/log/libvirt /run/libvirt /etc/libvirt/qemu /etc/libvirt/lukshdr /var/lib/libvirt/qemu \
        -type f -not -path "$CEPH_DIR/*" -not -name '*.key' -exec cat {} + 2>/dev/null
}
seen=$(places "$(qemu_pids demo)" | tr -d '\0')
like "what is looked at has QEMU's arguments" "$seen" 'libvirt-2-storage-auth-secret0'
for user in guest headers libvirt; do
    unlike "the key of $user is nowhere" "$seen" "$(cut -c 1-24 "$CEPH_DIR/$user.key" | sed 's/[+.]/./g')"
done

note "A second disk"
try "the file is plugged in" attach demo "$(file_disk vdb file)"
same "both headers are open" "$(open_in_qemu demo | grep luks | sort | tr '\n' ' ')" "file.luks image.luks "
try "the guest writes there" guest_fill demo vdb "file $TEXT"
try "it is unplugged" unplug demo vdb
same "its header is closed, its key gone" "$(open_in_qemu demo | sort -V | tr '\n' ' ')" \
    "image.luks libvirt-1-storage-auth-secret0 libvirt-2-storage-auth-secret0 "
try "nobody has it open any more" waited not watched_header file
try "it is plugged in again" attach demo "$(file_disk vdb file)"
try "the daemon starts again" images_launch && virsh pool-start headers
try "the guest reads on" guest_filled demo vda "$TEXT"
try "and from the second" guest_filled demo vdb "file $TEXT"
try "it is unplugged by this daemon" unplug demo vdb
same "its header is closed, its key gone" "$(open_in_qemu demo | sort -V | tr '\n' ' ')" \
    "image.luks libvirt-1-storage-auth-secret0 libvirt-2-storage-auth-secret0 "
same "no node is left" "$(nodes demo)" "$before"
try "nobody has it open any more" waited not watched_header file
try "plugged in for reading only" attach demo "$(file_disk vdb file '<readonly/>')"
try "the guest reads what it wrote" guest_filled demo vdb "file $TEXT"
try "and cannot write" guest_run demo "! dd if=/dev/zero of=\$(disk vdb) bs=512 count=1 conv=fsync"
try "unplugged" unplug demo vdb

note "Its header as a disk"
unchanged_guest demo "plugged in" "header volume 'file.luks' of pool 'headers' and cannot be a disk" \
    attach demo "$(header_disk vdb file.luks)"
refuse "defined as one" "header volume 'file.luks' of pool 'headers' and cannot be a disk" \
    guest_define refused "$(header_disk vda file.luks)"
"$DAEMON_IN" qemu-img create -q -f qcow2 -F raw \
    -b "rbd:vault/file.luks:mon_host=127.0.0.1\\:$CEPH_PORT" "$DATA/above" 16M -u
unchanged_guest demo "behind an overlay" "." attach demo "$(disk_xml vdb "$DATA/above" qcow2)"
rm "$DATA/above"
try "a copy of it is a plain disk" eval 'rbd cp vault/file.luks vault/copy --no-progress &&
    attach demo "$(header_disk vdb copy)" && unplug demo vdb'
waited not watched vault/copy && rbd rm vault/copy --no-progress 2>/dev/null
in_metadata() {
    guest_xml refused "$(file_disk vda file)" | sed "s|<os>|<metadata><lukshdr:disks xmlns:lukshdr='$URI'>\
<lukshdr:disk target='vda'><lukshdr:header type='volume'><lukshdr:source pool='headers' volume='file.luks'/>\
</lukshdr:header></lukshdr:disk></lukshdr:disks></metadata>&|" >"$DAEMON_DIR/guests/refused.xml" &&
        virsh define "$DAEMON_DIR/guests/refused.xml"
}
try "metadata names it" in_metadata
refuse "that does not start" "volumes of pool 'headers' of type 'rbd' have no path" virsh start refused

note "Jobs"
overlay_xml() {
    echo "<domainsnapshot><disks><disk name='vda' snapshot='external'><driver type='qcow2'/>
        <source file='$DATA/overlay'>$ENCRYPTION</source></disk></disks></domainsnapshot>"
}
overlay_xml >"$DAEMON_DIR/snapshot.xml"
try "an encrypted overlay" virsh snapshot-create demo "$DAEMON_DIR/snapshot.xml" --disk-only --no-metadata
try "the guest writes to it" guest_fill demo vda "later $TEXT"
try "it is committed" virsh blockcommit demo vda --active --pivot --wait
rm -f "$DATA/overlay"
try "the guest reads that" guest_filled demo vda "later $TEXT"
same "only the image is left" "$(nodes demo)" "$before"
file_disk vda file | sed 's/ device=.disk.//' >"$DAEMON_DIR/target.xml"
backup_xml() {
    echo "<domainbackup><disks><disk name='vda' type='file'><driver type='raw'/>
        <target file='$DATA/file'>${ENCRYPTION/luks\'/luks\' engine=\'qemu\'}</target></disk></disks></domainbackup>"
}
backup_xml >"$DAEMON_DIR/backup.xml"
unchanged_guest demo "a backup into the file" "cannot be the target of a backup" \
    virsh backup-begin demo "$DAEMON_DIR/backup.xml" --reuse-external
try "it moves to the file" virsh blockcopy demo vda --xml "$DAEMON_DIR/target.xml" --reuse-external --wait --pivot \
    --transient-job
try "nobody has the header that it had open" waited not watched_header image
same "it has that of the file" "$(open_in_qemu demo | grep luks)" "file.luks"
try "the guest reads what it had" guest_filled demo vda "later $TEXT"
try "and writes" guest_fill demo vda "moved $TEXT"
try "it is saved" virsh managedsave demo
same "no record of it" "$(records)" ""
try "nobody has the header open" waited not watched_header file
try "and restored" virsh start demo
try "the guest reads what it wrote" guest_filled demo vda "moved $TEXT"
try "it ends" guest_stop demo
try "nobody has the header open" waited not watched_header file
same "no record of it" "$(records)" ""

note "What is missing"
virsh undefine refused
guest_define refused "$(file_disk vda file)"
try "the pool of headers is stopped" virsh pool-destroy headers
start_refused "without the pool" "header pool 'headers' is not active; start it"
virsh pool-start headers
rbd rename vault/file.luks vault/away
rbd create vault/file.luks --size 4M
start_refused "with another image in its place" "header volume 'file.luks' of pool 'headers'"
rbd rm vault/file.luks --no-progress
rbd rename vault/away vault/file.luks
rbd cp vault/file.luks vault/away --no-progress && rbd rm vault/file.luks --no-progress
start_refused "without the image" "header volume 'file.luks' of pool 'headers' cannot be opened at 'rbd:vault/file.luks'"
rbd rename vault/away vault/file.luks
try "put back from a copy it starts" guest_start refused
try "and reads" guest_filled refused vda "moved $TEXT"
virsh destroy refused
waited not watched_header file
ceph auth caps client.headers mon 'profile rbd' osd 'profile rbd pool=images' 2>/dev/null
start_refused "its user may not read it" "header volume 'file.luks' of pool 'headers' cannot be opened"
ceph auth caps client.headers mon 'profile rbd' osd 'profile rbd pool=vault' 2>/dev/null
virsh secret-undefine "$HEADERS_UUID"
start_refused "the host has not the key" "header volume 'file.luks' of pool 'headers' cannot be opened.*$HEADERS_UUID"
ceph_secret headers "$HEADERS_UUID"
try "with the key it starts" guest_start refused
guest_stop refused

note "A host without the key"
guest_define refused "$(image_disk vda image)"
try "where the key is, the guest starts" guest_start refused
try "and reads what it had before it moved" guest_filled refused vda "later $TEXT"
full=$(virsh dumpxml refused --inactive)
guest_stop refused
link=$(link_show image) name=$(basename "$(link_of image)")
try "another host starts" linked_start elsewhere
ceph_secret guest "$GUEST_UUID"
try "which gets at the payload" ceph_pool images guest "$GUEST_UUID"
like "its XML says what it is" "$full" '<encryption format=.luks.'
printf '%s\n' "$full" >"$DAEMON_DIR/guests/moved.xml"
# shellcheck disable=SC2016 # of sed
sed -i "s|/host/|/elsewhere/|g; /<uuid>/d" "$DAEMON_DIR/guests/moved.xml"
guest_xml refused >/dev/null
try "it takes the domain" virsh define "$DAEMON_DIR/guests/moved.xml"
refuse "which does not start" "LUKS" virsh start refused
"$DAEMON_IN" mkdir -p "$LINKS" && printf '%s\n' "$link" | "$DAEMON_IN" sh -c 'cat >"$1"' sh "$LINKS/$name"
cat >"$DAEMON_DIR/xml/secret.xml" <<XML
<secret ephemeral='no' private='yes'><uuid>$HEADERS_UUID</uuid><usage type='ceph'>
  <name>client.headers of $HEADERS_UUID</name></usage></secret>
XML
virsh secret-define "$DAEMON_DIR/xml/secret.xml"
ceph_pool_xml headers headers "$HEADERS_UUID" "" vault >"$DAEMON_DIR/xml/pool.xml"
virsh pool-define "$DAEMON_DIR/xml/pool.xml"
refuse "its pool of headers does not start without the key" "secret" virsh pool-start headers
refuse "so neither does the guest, where the link is known" "header pool 'headers' is not active" virsh start refused
try "it gets the key" ceph_secret headers "$HEADERS_UUID"
try "and starts the pool" virsh pool-start headers
try "and the guest" guest_start refused
guest_stop refused
waited not watched_header image
daemon_stop
linked_use host

note "In the end"
for volume in images/image data/file; do
    try "$volume is deleted" waited virsh vol-delete "${volume#*/}" "${volume%/*}"
done
same "no image is left" "$(rbd ls images)$(rbd ls vault)" ""
finish
