#!/bin/bash
# Guests that go to another host with their disks, which are copied to linked volumes there: with keys of their
# own, with secrets of their own, made by hand or by libvirt; and never to what is not encrypted.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/hosts.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "session daemons of one user are one host"
need_command qemu-system-x86_64 nbdkit nbdcopy

TEXT="what only the guest may know: $RANDOM $RANDOM"

hosts() {
    local name
    for name in here there; do
        hosts_start "$name" && quick_keys && hosts_pools && secret_make "$SECRET_UUID" volume "$PASSPHRASE" || return
    done
}

try "two hosts with pools of their own" hosts

# --- disks that are copied

# local_make NAME FORMAT [SED]: a linked volume in the pools that are the host's own.
local_make() {
    linked_xml "$1" "$2" '' "pool='local-vault'" | sed "${3:-}" >"$DAEMON_DIR/xml/local.xml"
    virsh vol-create local-data "$DAEMON_DIR/xml/local.xml"
}

# copied GUEST HOST OPTIONS...: with all its disks.
copied() {
    migrate "$@" --live "${COPY:---copy-storage-all}" --disks-uri "unix://$DAEMON_WORK/sockets/nbd"
}

# lies_on HOST NAME FORMAT: the volume, decrypted with that host's header, is what the guest wrote, and it is
# nowhere to be seen.
lies_on() {
    local dir=$DAEMON_WORK/$1/images
    open_pair "$dir/vault/$2.luks" "$dir/data/$2" "$3" "$DAEMON_WORK/opened" && holds "$DAEMON_WORK/opened" "$TEXT" &&
        ! in_clear "$TEXT" "$dir/data/$2"
}

# local_access HOST: who may open what is that host's own.
local_access() {
    (cd "$DAEMON_WORK/$1/images" && stat -c '%n %U %a' vault/* data/*)
}

local_volumes() {
    local_make c.raw raw && local_make c.qcow2 qcow2
}

for host in here there; do
    hosts_use "$host"
    try "$host has linked volumes of the same names, with keys of its own" local_volumes
done
hosts_use here
LOCAL_BEFORE=$(local_access here)
try "a guest" guest_boot demo "$(disk_xml vda "$LOCAL/data/c.raw" raw)" "$(disk_xml vdb local-data/c.qcow2 qcow2)"
try "it writes" eval 'guest_fill demo vda "$TEXT" && guest_fill demo vdb "$TEXT"'
try "a checkpoint of the disk in qcow2" virsh checkpoint-create-as demo one --diskspec vda,checkpoint=no --diskspec vdb
virsh checkpoint-dumpxml demo one >"$DAEMON_WORK/one.xml"
# libvirt migrates the bitmap alone; a domain with checkpoints is not undefined below
virsh checkpoint-delete demo one --metadata
try "it moves with its disks" copied demo there
runs_on there here
same "the host that it left has taken back headers and payloads" "$(local_access here)" "$LOCAL_BEFORE"
same "on the other it has four" "$(local_access there | grep -c libvirt-qemu)" 4
try "it reads there what it wrote here" both_filled
same "the guest's nodes are those of linked disks" "$(nodes demo | cut -d' ' -f2 | sort | uniq -c | xargs)" \
    "4 file 2 luks 1 qcow2 2 raw"
try "the checkpoint's bitmap came along" virsh checkpoint-create demo "$DAEMON_WORK/one.xml" --redefine --redefine-validate
try "it writes there" eval 'guest_fill demo vda "$TEXT" && guest_fill demo vdb "$TEXT"'
like "libvirt tells what changed" "$(virsh checkpoint-dumpxml demo one --size)" "name='vdb'.* size='1114112'"
try "the checkpoint is deleted" virsh checkpoint-delete demo one
try "it comes back with its disks, without the client" copied demo here --p2p
runs_on here there
try "it reads here" both_filled
same "the other host has taken back headers and payloads" "$(local_access there)" "$LOCAL_BEFORE"
virsh destroy demo
same "and so has this one" "$(local_access here)" "$LOCAL_BEFORE"
for host in here there; do
    try "what lies on $host is encrypted with its own key" eval 'lies_on "$host" c.raw raw && lies_on "$host" c.qcow2 qcow2'
done
same "which is not the other's" \
    "$(cmp -s "$DAEMON_WORK"/{here,there}/images/data/c.raw && echo "the same ciphertext")" ""

# local_guest NAME FORMAT [SECRET]: the guest demo with that volume as its disk, in which it writes.
local_guest() {
    virsh undefine demo >/dev/null 2>&1
    guest_boot demo "$(disk_xml vda "$LOCAL/data/$1" "$2")" && guest_fill demo vda "$TEXT"
}

# secret_of NAME: of the link of the host in use.
secret_of() {
    link_show "$1" | grep -o 'secret uuid="[^"]*' | cut -d'"' -f2
}

for host in there here; do
    hosts_use "$host"
    try "$host has a volume with a secret that was generated there" local_make own.raw raw '/<secret/d'
done
try "a guest" local_guest own.raw raw
try "its disk is copied from the one to the other" copied demo there --persistent --undefinesource
runs_on there here
try "it reads there" guest_filled demo vda "$TEXT"
same "its disk has that host's secret now" "$(virsh dumpxml demo | grep -o "uuid='[^']*'/>" | xargs)" \
    "uuid=$(secret_of own.raw)/>"
try "it writes there" guest_fill demo vda "$TEXT-inc"
try "it goes back with --copy-storage-inc" eval 'COPY=--copy-storage-inc copied demo here'
runs_on here there
try "it reads what it wrote last" guest_filled demo vda "$TEXT-inc"
try "it writes again" guest_fill demo vda "$TEXT"
try "and comes once more" copied demo there
runs_on there here
virsh destroy demo
same "also when it is off" "$(inactive demo)" "uuid=$(secret_of own.raw)"
try "and starts" guest_start demo
try "and reads" guest_filled demo vda "$TEXT"
virsh destroy demo
virsh undefine demo >/dev/null

hosts_use there
truncate -s 16M "$DAEMON_WORK/there/images/data/plain.raw"
virsh pool-refresh local-data
before=$(sha256sum <"$DAEMON_WORK/there/images/data/plain.raw")
hosts_use here
local_make plain.raw raw
try "a guest with an encrypted disk, of which the other host has a plain one" local_guest plain.raw raw
refuse "that gets no copy" "disk .vda. .*has no LUKS header of its own" copied demo there
runs_on here there
same "and is as it was" "$(sha256sum <"$DAEMON_WORK/there/images/data/plain.raw")" "$before"
refuse "nor is it one where the XML leaves out the encryption" "'vda'.*no 'encryption'" copied demo there \
    --xml "$(edited '/<encryption/,/<\/encryption>/d' --migratable)"
refuse "nor p2p" "'vda'.*no 'encryption'" copied demo there --p2p \
    --xml "$(edited '/<encryption/,/<\/encryption>/d' --migratable)"
same "it still is as it was" "$(sha256sum <"$DAEMON_WORK/there/images/data/plain.raw")" "$before"
runs_on here there
hosts_use here
try "the guest reads" guest_filled demo vda "$TEXT"
hosts_use there
rm "$DAEMON_WORK/there/images/data/plain.raw"
virsh pool-refresh local-data
local_make plain.raw raw 's/16</17</'
hosts_use here
refuse "a linked volume of another size gets no copy" "size" copied demo there
runs_on here there
virsh destroy demo

# --- volumes that libvirt would make

# default_make [SECRET]: gives local-data of the other host an encryption default.
default_make() {
    hosts_use there
    virsh pool-dumpxml local-data --inactive | sed '/<encryption/,/<\/encryption>/d' | sed \
        "s|</target>|<encryption format='luks'>${1:+<secret type='passphrase' uuid='$1'/>}\
<header type='volume'><source pool='local-vault'/></header></encryption></target>|" >"$DAEMON_DIR/xml/default.xml"
    virsh pool-define "$DAEMON_DIR/xml/default.xml"
    hosts_use here
}

for volume in made.raw made.qcow2; do
    local_make "$volume" "${volume#*.}"
    try "a guest with a disk that the other host has no volume for" local_guest "$volume" "${volume#*.}"
    refuse "none is made that would be plain" "'vda' is encrypted, and pool 'local-data'.*virsh vol-create" copied demo there
    refuse "nor p2p" "'vda' is encrypted, and pool 'local-data'" copied demo there --p2p
    try "the other host's pool gets a default with generated secrets" default_make
    refuse "none is made that would have another secret" "'vda' is encrypted.*default with secret '$SECRET_UUID'" \
        copied demo there
    same "nothing is left there" "$(find "$DAEMON_WORK/there/images" -name "$volume*")" ""
    runs_on here there
    try "it gets one with the disk's secret" default_make "$SECRET_UUID"
    try "then the volume is made for the copy" copied demo there --persistent --undefinesource
    runs_on there here
    try "the guest reads there" guest_filled demo vda "$TEXT"
    try "it is a linked volume" link_of "$volume"
    virsh destroy demo
    try "in which nothing is in clear" lies_on there "$volume" "${volume#*.}"
    virsh undefine demo >/dev/null
    virsh pool-dumpxml local-data --inactive | sed '/<encryption/,/<\/encryption>/d' >"$DAEMON_DIR/xml/default.xml"
    virsh pool-define "$DAEMON_DIR/xml/default.xml" >/dev/null
    hosts_use here
done

# --- from plain to encrypted

truncate -s 16M "$DAEMON_WORK/here/images/data/becomes.raw"
virsh pool-refresh local-data
hosts_use there
local_make becomes.raw raw
hosts_use here
try "a guest with a plain disk" local_guest becomes.raw raw
try "it is copied to a linked volume" copied demo there --persistent --undefinesource
runs_on there here
try "the guest reads there" guest_filled demo vda "$TEXT"
virsh destroy demo
try "which is encrypted" lies_on there becomes.raw raw
same "in the configuration as well" "$(inactive demo)" "uuid=$SECRET_UUID"
try "the guest starts there" guest_start demo
try "and reads" guest_filled demo vda "$TEXT"
virsh destroy demo
virsh undefine demo >/dev/null
finish
