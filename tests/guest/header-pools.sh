#!/bin/bash
# A volume in a declared header pool cannot be a disk, whether the link registry knows it or not, and whatever
# name the domain's XML has for it: neither for a guest that starts nor for one that runs. The error names the
# pool. Payloads of links are disks there as everywhere.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 qemu-img

attach() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    virsh attach-device running "$DAEMON_DIR/disk.xml" --live
}

start_with() {
    virsh undefine victim >/dev/null 2>&1
    guest_define victim "$1" && virsh start victim
}

# files: what a refusal must not change.
files() {
    (cd "$DAEMON_IMAGES" && find . -type f -exec sha256sum {} + | sort -k 2)
    access "$VAULT"/*
    nodes running
}

# refused WHAT DISK [REGEX]: by both.
refused() {
    local before regex=${3:-"in pool 'vault', which is declared to hold headers"}
    before=$(files)
    refuse "$1: a guest does not start" "$regex" start_with "$2"
    virsh destroy victim >/dev/null 2>&1
    refuse "$1: a running guest is not given it" "$regex" attach "$2"
    same "$1: nothing has changed" "$(files)" "$before"
    virsh detach-disk running vdx --live >/dev/null 2>&1 && disk_gone running vdx
}

accepted() {
    try "$1: a guest starts" start_with "$2"
    virsh destroy victim
    try "$1: a running guest is given it" attach "$2"
    try "$1: it is unplugged" eval 'virsh detach-disk running vdx --live && disk_gone running vdx'
}

# declare POOL INNER: the pool's definition gets INNER in its <target>.
declare_pool() {
    virsh pool-dumpxml "$1" --inactive | sed "s|</target>|$2&|" >"$DAEMON_DIR/xml/pool.xml" &&
        virsh pool-define "$DAEMON_DIR/xml/pool.xml"
}

undeclare_pool() {
    virsh pool-dumpxml "$1" --inactive | sed '/<headers/d; /<encryption/,/<\/encryption>/d' \
        >"$DAEMON_DIR/xml/pool.xml" && virsh pool-define "$DAEMON_DIR/xml/pool.xml"
}

plain() {
    qemu-img create -q -f raw "$1" 16M
}

linked_made() {
    linked_start && create r.raw raw && create here.raw raw
}
try "a host with linked volumes" linked_made
header_of "$DAEMON_DIR/lone" && chmod 600 "$DAEMON_DIR/lone"
# A header that this host has no link for, as it comes from a backup or from another host.
cp -p "$DAEMON_DIR/lone" "$VAULT/lone.luks"
plain "$DATA/plain.raw"
virsh pool-refresh vault
virsh pool-refresh data
try "a guest that runs" guest_boot running

# --- not declared: libvirt's business

accepted "a pool that is not declared" "$(vdx "$VAULT/lone.luks")"

# --- declared by <headers/>

try "the pool is declared to hold headers" declare_pool vault "<headers/>"
refused "by its path" "$(vdx "$VAULT/lone.luks")"
refused "by pool and volume" "$(vdx vault/lone.luks)"
refused "with <encryption>" "$(disk_xml vdx "$VAULT/lone.luks" raw "$SECRET_UUID")"
refused "read-only" "$(vdx "$VAULT/lone.luks" | sed 's|<target|<readonly/>&|')"
refused "with doubled slashes and dots" "$(vdx "/$DATA//.././vault/lone.luks")"
refused "as a relative path" "$(vdx "$VAULT/lone.luks" | sed "s|file='/|file='|")"
ln -s "$VAULT/lone.luks" "$DAEMON_IMAGES/soft"
refused "by a symlink" "$(vdx "$DAEMON_IMAGES/soft")"
ln "$VAULT/lone.luks" "$DAEMON_IMAGES/hard"
refused "by a hard link" "$(vdx "$DAEMON_IMAGES/hard")"
rm "$DAEMON_IMAGES/hard"
ln -s "$VAULT" "$DAEMON_IMAGES/elsewhere"
virsh pool-create-as again dir --target "$DAEMON_IMAGES/elsewhere"
refused "as a volume of another pool over the directory" "$(vdx again/lone.luks)"
virsh pool-destroy again
ln -s "$DATA/plain.raw" "$VAULT/leads.out"
refused "a symlink that leads out of the pool, by its own name" "$(vdx "$VAULT/leads.out")"
rm "$VAULT/leads.out"
overlay=$DAEMON_IMAGES/overlay.qcow2
plain "$VAULT/plain.raw"
qemu-img create -q -f qcow2 -b "$VAULT/plain.raw" -F raw "$overlay"
refused "as backing file of an image" "$(vdx "$overlay" qcow2)"
rm "$VAULT/plain.raw" "$overlay"
# libvirt sees a LUKS header in it and goes no further.
qemu-img create -q -f qcow2 -b "$VAULT/lone.luks" -F raw "$overlay"
refused "a header as backing file of an image" "$(vdx "$overlay" qcow2)" "declared to hold headers|StorageEncryptionEngine"
refused "as backing file that the XML names" "$(vdx "$DATA/plain.raw" qcow2 |
    sed "s|<target |<backingStore type='file'><format type='raw'/><source file='$VAULT/lone.luks'/><backingStore/></backingStore>&|")"
refused "on an SD bus" "$(vdx "$VAULT/lone.luks" | sed "s/vdx/sdx/; s/virtio/sd/; /serial/d")" \
    "declared to hold headers|cannot be hotplugged"
refused "the directory as a disk" "<disk type='dir' device='disk'><driver name='qemu' type='fat'/>
    <source dir='$VAULT'/><target dev='vdx' bus='virtio'/><readonly/></disk>" "cannot be a disk"
refused "a registered header" "$(vdx "$VAULT/r.raw.luks")" "header volume 'r\.raw\.luks'"
cp "$DATA/plain.raw" "$VAULT/plain.raw"
refused "what is no header, too" "$(vdx "$VAULT/plain.raw")"
rm "$VAULT/plain.raw"
if [ "$DAEMON_RUNS" = system ] && loop=$(losetup -f --show "$VAULT/lone.luks" 2>/dev/null); then
    refused "a loop device over it" "$(vdx "$loop")" "declared to hold headers"
    losetup -d "$loop"
else
    skip "a loop device over it" "needs root and loop devices"
fi

# --- other ways in

guest_define drive "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
    <target dev='sda' bus='sata'/><readonly/></disk>" && virsh start drive
refuse "as the medium of a drive it is not put in" "'vault', which is declared" \
    virsh change-media drive sda "$VAULT/lone.luks" --insert --live
guest_stop drive
try "(a plain disk)" attach "$(vdx "$DATA/plain.raw")"
refuse "a disk is not copied into the pool" "'vault', which is declared" \
    virsh blockcopy running vdx "$VAULT/copy.raw" --wait --transient-job
refuse "nor onto the header" "'vault', which is declared" \
    virsh blockcopy running vdx "$VAULT/lone.luks" --reuse-external --wait --transient-job
refuse "an overlay is not put there" "'vault', which is declared" \
    virsh snapshot-create-as running --disk-only --no-metadata --diskspec "vdx,file=$VAULT/over.qcow2"
same "nothing was made there" "$(cd "$VAULT" && echo *)" "here.raw.luks lone.luks r.raw.luks"
virsh detach-disk running vdx --live && disk_gone running vdx

# --- whatever state the pool is in

virsh pool-destroy vault
refused "while the pool is not active" "$(vdx "$VAULT/lone.luks")"
virsh pool-start vault
daemon_kill
try "the daemon is killed and starts again" linked_launch
refused "after that" "$(vdx "$VAULT/lone.luks")"

# --- linked payloads

accepted "a linked payload" "$(vdx "$DATA/r.raw")"
try "the payloads' pool holds headers as well" declare_pool data "<headers/>"
accepted "a linked payload in a header pool" "$(vdx "$DATA/r.raw")"
accepted "one by pool and volume" "$(vdx data/r.raw)"
refused "a volume there that is not linked" "$(vdx "$DATA/plain.raw")" "in pool 'data', which is declared"
try "it does no longer" undeclare_pool data
accepted "a volume there that is not linked" "$(vdx "$DATA/plain.raw")"

# --- declared by the encryption default of another pool

try "the pool is not declared any more" undeclare_pool vault
accepted "a volume in it" "$(vdx "$VAULT/lone.luks")"
try "an encryption default names it" declare_pool data \
    "<encryption format='luks'><header type='volume'><source pool='vault'/></header></encryption>"
refused "a volume in it, by path" "$(vdx "$VAULT/lone.luks")"
refused "and by name" "$(vdx vault/lone.luks)"
accepted "a volume in the pool that has the default" "$(vdx "$DATA/plain.raw")"

# --- a guest that has had it since before

try "the default goes" undeclare_pool data
try "a guest is given the file" attach "$(vdx "$VAULT/lone.luks")"
try "the pool is declared" declare_pool vault "<headers/>"
try "it is unplugged all the same" eval 'virsh detach-disk running vdx --live && disk_gone running vdx'
virsh destroy running
same "no record is left" "$(records)" ""
finish
