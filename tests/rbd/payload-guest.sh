#!/bin/bash
# Guests whose disk is the payload of a linked volume on Ceph: started, plugged in, unplugged, while the daemon
# comes and goes; what is refused while they run; images under another name; another host.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/lib/images.sh"

[ -x "$VL" ] || skip_all "needs $VL: build first, or set BUILDDIR"
need_command nbdkit nbdcopy

TEXT="what only the guest may know: $RANDOM $RANDOM"

# image_disk TARGET IMAGE [SECRET]: without SECRET there is no <encryption>.
image_disk() {
    network_disk "$1" "images/$2" raw libvirt "$CEPH_UUID" "${3:-}"
}

# plug_image GUEST TARGET IMAGE [SECRET]
plug_image() {
    image_disk "$2" "$3" "${4:-}" >"$DAEMON_DIR/disk.xml"
    virsh attach-device "$1" "$DAEMON_DIR/disk.xml" --live
}

# decrypts IMAGE HEADER TEXT: header and exported image, opened by nbdkit, are what guest_fill wrote.
decrypts() {
    open_pair "$2" "$(exported "$1")" raw "$DAEMON_DIR/clear" && holds "$DAEMON_DIR/clear" "$3"
}

# encrypted GUEST TARGET [OPTIONS]: the secret that the disk's <encryption> names.
encrypted() {
    virsh dumpxml "$1" "${@:3}" | python3 -c '
import sys, xml.etree.ElementTree as tree
for disk in tree.parse(sys.stdin).iter("disk"):
    if disk.find("target").get("dev") == sys.argv[1]:
        for secret in disk.iterfind("source/encryption/secret"):
            print(secret.get("uuid"))' "$2"
}

try "a daemon with a header pool and a pool on Ceph starts" images_start || finish
try "two linked volumes are made" eval 'image first && image second' || finish

note "A guest"
try "it starts from the first, without <encryption>" guest_boot demo "$(image_disk vda first)" || finish
same "the disk has got the link's" "$(encrypted demo vda)" "$SECRET_UUID"
same "so has the configuration" "$(encrypted demo vda --inactive)" "$SECRET_UUID"
same "it is a luks node" "$(nodes demo | grep -c -- '-format luks$')" 1
try "the guest writes" guest_fill demo vda "$TEXT"
try "and reads that back" guest_filled demo vda "$TEXT"
guest_run demo sync
file=$(exported first)
same "the image holds nothing of it" "$(in_clear "$TEXT" "$file")" ""
unlike "it does not begin as LUKS does" "$(head -c 4 "$file" | tr -d '\0')" "LUKS"
try "it looks random" random "$file"
try "the tool lists it as in use" vl list
like "by whom" "$OUT" '^images/first .*in use by demo'
unlike "and not the other" "$(grep '^images/second' <<<"$OUT")" 'in use'

note "While it runs"
unchanged "vol-delete" "in use by the running domain 'demo'" virsh vol-delete first images
unchanged "vol-wipe" "in use by the running domain 'demo'" virsh vol-wipe first images
unchanged "vol-resize" "in use by the running domain 'demo'" virsh vol-resize first 24M images
unchanged "vol-delete of the header" "." virsh vol-delete first.luks vault
unchanged "unlinking" "in use by the running domain 'demo'" create_in images <<<"$(link_xml unlink first first.luks)"

note "The cluster stands still while the guest writes"
ceph_pause osd
guest_fill demo vda "later $TEXT" >"$DAEMON_WORK/writing" 2>&1 &
WRITING=$!
same "the daemon says that the guest runs" "$(virsh domstate demo)" running
try "another pool goes on" eval 'virsh vol-create-as data meanwhile 1M && virsh vol-delete meanwhile data'
refuse "the volume in use is not deleted, and that is said" "in use by the running domain 'demo'|has not answered" \
    virsh vol-delete first images
try "the guest still waits for its disk" kill -0 "$WRITING"
ceph_resume osd
try "once the cluster answers, what the guest wrote gets there" wait "$WRITING"
try "and is read back" guest_filled demo vda "later $TEXT"
try "the guest has the image open as before" waited watched first
try "it writes again" guest_fill demo vda "$TEXT"

note "A second disk"
try "it is plugged in" plug_image demo vdb second
same "both are luks nodes" "$(nodes demo | grep -c -- '-format luks$')" 2
try "the guest writes there" guest_fill demo vdb "second $TEXT"
same "QEMU has a secret for each, and for Ceph" "$(objects demo | grep -c secret)" 4
try "the daemon starts again meanwhile" images_launch
try "the guest reads on" guest_filled demo vda "$TEXT"
try "and from the second" guest_filled demo vdb "second $TEXT"
unchanged "vol-delete now" "in use by the running domain 'demo'" virsh vol-delete second images
try "it is unplugged" unplug demo vdb
try "nobody has the image open any more" waited not watched second
same "its node is gone" "$(nodes demo | grep -c -- '-format luks$')" 1
try "the two hold what the guest wrote" decrypts second "$VAULT/second.luks" "second $TEXT"
same "the image does not" "$(in_clear "$TEXT" "$(exported second)")" ""
try "it is plugged in again, its secret named" plug_image demo vdb second "$SECRET_UUID"
try "the guest reads what it wrote" guest_filled demo vdb "second $TEXT"
try "the daemon crashes" daemon_kill
try "and starts again, and its pool does not" linked_launch
try "unplugged without the pool" unplug demo vdb
try "the guest ends without the pool" virsh destroy demo
same "there is no record of it" "$(records)" ""
try "the pool is started" virsh pool-start images
try "the first holds what the guest wrote" decrypts first "$VAULT/first.luks" "$TEXT"
try "what is not in use can grow" virsh vol-resize first 24M images

note "An image under another name"
rbd rename images/second images/renamed
virsh pool-refresh images
like "it is the payload still" "$(shown renamed images)" "<source pool='vault' volume='second.luks'/>"
define_other() {
    virsh undefine other >/dev/null 2>&1
    guest_define other "$(image_disk vda renamed "${1:-}")"
}
unchanged "a guest that does not name its secret" "second" eval 'define_other && virsh start other'
try "one that does" eval "define_other $SECRET_UUID && guest_start other"
try "reads what was written under the old name" guest_filled other vda "second $TEXT"
guest_stop other
try "nobody has it open" waited not watched renamed
rbd rename images/renamed images/second
rbd cp images/first images/copy --no-progress
virsh pool-refresh images
guest_define copied "$(image_disk vda copy)"
try "a copy of an image is a plain disk" guest_start copied
same "no luks node" "$(nodes copied | grep luks)" ""
guest_stop copied
try "nobody has it open" waited not watched copy
try "it is deleted" virsh vol-delete copy images

note "Another host"
FIRST_VAULT=$VAULT
try "another host starts, which has no pool on Ceph" linked_start elsewhere
cat >"$DAEMON_DIR/xml/pool.xml" <<XML
<pool type='dir'><name>shared</name><target><path>$FIRST_VAULT</path><headers/></target></pool>
XML
try "it takes the header pool" eval 'virsh pool-define "$DAEMON_DIR/xml/pool.xml" && virsh pool-start shared'
found() {
    virsh vol-dumpxml first.luks shared | grep -q "state='found'"
}
try "whose payload is not here, says the tool" vl list
like "and which it is" "$OUT" 'shared/first\.luks.*orphaned header'
like "by its label" "$OUT" 'shared/first\.luks: no link leads here; its link label says that it is the header of images/first'
rbd create vault/first --size 16M
ceph_secret libvirt "$CEPH_UUID"
try "it gets a pool of that name, with another image of that name" \
    ceph_pool images libvirt "$CEPH_UUID" "" vault
virsh pool-refresh shared
try "which is plain" is_plain first
try "the header is found" waited found
like "so says the tool" "$(vl list 2>&1)" 'shared/first\.luks .*found'
same "no link is made" "$(links)" ""
virsh pool-destroy images && virsh pool-undefine images
rbd rm vault/first --no-progress
try "it gets the pool with the image itself" ceph_pool images libvirt "$CEPH_UUID"
known() {
    virsh pool-refresh shared
    shown first images | grep -q "<source pool='shared' volume='first.luks'/>"
}
try "that is linked by itself" waited known
daemon_stop
linked_use host

note "In the end"
guest_stop demo
for name in first second; do
    exec {witness}<"$VAULT/$name.luks"
    cp "$VAULT/$name.luks" "$DAEMON_WORK/kept"
    try "$name is deleted" virsh vol-delete "$name" images
    try "no key material is left where it was" erased "/proc/self/fd/$witness" "$DAEMON_WORK/kept"
    exec {witness}<&-
done
same "no image is left" "$(rbd ls images)" ""
nothing_left "all of this"
same "no record of a guest" "$(records)" ""
finish
