#!/bin/bash
# The plugin recognises a linked payload under any name, from clients that know nothing of encryption. By its own
# name the guest reads what was written through the link. By any other name it gets nothing, unless the domain
# names its secret. It never gets ciphertext.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 qemu-img

TEXT="what only the guest may know: $RANDOM $RANDOM"

attach() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    virsh attach-device demo "$DAEMON_DIR/disk.xml" --live
}

detach() {
    virsh detach-disk demo "$1" --live && disk_gone demo "$1"
}

# same_fate WHEN: header and payload belong to the same user, and remember the same of earlier ones.
same_fate() {
    local volume
    for volume in r.raw q.qcow2; do
        same "$1: header and payload of $volume have the same access" \
            "$(access "$VAULT/$volume.luks" | cut -d' ' -f2- | grep -v timestamp)" \
            "$(access "$DATA/$volume" | cut -d' ' -f2- | grep -v timestamp)"
    done
}

# recognised HOW DISK: plugged in by this XML, which has no <encryption>, it is what the guest wrote to it.
recognised() {
    if try "$1: it is plugged in" attach "$2"; then
        try "$1: the guest reads its own text" guest_filled demo vdx "$TEXT"
        like "$1: through a luks node" "$(nodes demo)" "^libvirt-[0-9]*-format luks$"
        detach vdx || fail "$1: it is unplugged"
    fi
}

# recognised_or_refused HOW DISK: where recognising is not to be had.
recognised_or_refused() {
    if attach "$2" >"$DAEMON_DIR/attach" 2>&1; then
        try "$1: it is plugged in, and the guest reads its own text" guest_filled demo vdx "$TEXT"
        detach vdx
    else
        like "$1: it is refused, with words on the linked volume" "$(cat "$DAEMON_DIR/attach")" "r\.raw|q\.qcow2"
    fi
}

# not_its_name HOW PATH: a road to the linked volume that is not its name. Whoever may write to a directory
# can make one, so the guest gets nothing by it, unless the domain names the volume's own secret.
not_its_name() {
    local before
    before=$(access "$VAULT/r.raw.luks" "$2"; records)
    refuse "$1: it is refused" "r\.raw.*(is not its name|stands here now)" attach "$(vdx "$2")"
    same "$1: nothing has changed" "$(access "$VAULT/r.raw.luks" "$2"; records)" "$before"
    recognised "$1, with its secret" "$(vdx "$2" raw "$SECRET_UUID")"
}

try "a host with a header pool and a payload pool" linked_start
try "linked volumes in raw and qcow2" eval 'create r.raw raw && create q.qcow2 qcow2'

# Mounted before there is a guest, which would not see what comes later.
bound='' over=''
mkdir -p "$DAEMON_IMAGES"/{bound,over,upper,work}
if [ "$DAEMON_RUNS" = system ]; then
    "$DAEMON_IN" mount --bind "$DATA" "$DAEMON_IMAGES/bound" && bound=yes
    "$DAEMON_IN" mount -t overlay -o \
        "lowerdir=$DATA,upperdir=$DAEMON_IMAGES/upper,workdir=$DAEMON_IMAGES/work" \
        overlay "$DAEMON_IMAGES/over" 2>/dev/null && over=yes
fi

# --- at the start of a guest

try "a guest starts from both, without <encryption>" guest_boot demo \
    "$(disk_xml vda "$DATA/r.raw" raw)" "$(disk_xml vdb data/q.qcow2 qcow2)"
try "it writes to the raw one" guest_fill demo vda "$TEXT"
try "and to the qcow2 one" guest_fill demo vdb "$TEXT"
guest_run demo sync
same "both are luks nodes" "$(nodes demo | grep -c -- '-format luks$')" 2
same "no file holds the text in clear" "$(in_clear "$TEXT" "$DATA"/* "$VAULT"/*)" ""
try "both are unplugged" eval 'detach vda && detach vdb'

# --- by the many names of one file

recognised "raw by its path" "$(vdx "$DATA/r.raw")"
recognised "qcow2 by its path" "$(vdx "$DATA/q.qcow2" qcow2)"
recognised "by pool and volume" "$(vdx data/r.raw)"
try "by attach-disk, which cannot say <encryption>: it is plugged in" \
    virsh attach-disk demo "$DATA/r.raw" vdx --subdriver raw --serial vdx --live
try "by attach-disk: the guest reads its own text" guest_filled demo vdx "$TEXT"
detach vdx

ln -s "$DATA/r.raw" "$DAEMON_IMAGES/symlink"
not_its_name "by a symlink" "$DAEMON_IMAGES/symlink"
ln "$DATA/r.raw" "$DAEMON_IMAGES/hardlink"
not_its_name "by a hard link" "$DAEMON_IMAGES/hardlink"
recognised "by a hard link, with its secret by usage" \
    "$(vdx "$DAEMON_IMAGES/hardlink" raw "$SECRET_UUID" | sed "s/uuid='/usage='usage-/")"
rm "$DAEMON_IMAGES/symlink" "$DAEMON_IMAGES/hardlink"
mv "$DATA/r.raw" "$DAEMON_IMAGES/moved"
refuse "moved: the message has the command" "was linked as volume 'r\.raw' of pool 'data'.*virt-lukshdr link $DAEMON_IMAGES/moved" \
    attach "$(vdx "$DAEMON_IMAGES/moved")"
mv "$DAEMON_IMAGES/moved" "$DATA/r.raw"
recognised "with doubled slashes" "$(vdx "${DATA//\///\/}//r.raw")"
recognised "with dots" "$(vdx "$DATA/../data/./../vault/../data/r.raw")"
ln -s "$DATA" "$DAEMON_IMAGES/elsewhere"
recognised "by a directory's symlink" "$(vdx "$DAEMON_IMAGES/elsewhere/r.raw")"
virsh pool-create-as again dir --target "$DAEMON_IMAGES/elsewhere"
recognised "by another pool over the same directory" "$(vdx again/r.raw)"
virsh pool-destroy again

if [ -n "$bound" ]; then
    not_its_name "by a bind mount" "$DAEMON_IMAGES/bound/r.raw"
else
    skip "by a bind mount" "needs root"
fi
if [ -n "$over" ]; then
    recognised_or_refused "through an overlay file system" "$(vdx "$DAEMON_IMAGES/over/r.raw")"
else
    skip "through an overlay file system" "none to be had here"
fi
mv "$DATA/r.raw" "$DAEMON_IMAGES/other.name"
not_its_name "moved elsewhere" "$DAEMON_IMAGES/other.name"
mv "$DAEMON_IMAGES/other.name" "$DATA/r.raw"

if [ "$DAEMON_RUNS" = system ] && loop=$(losetup -f --show "$DATA/r.raw" 2>/dev/null); then
    at_exit losetup -d "$loop"
    recognised_or_refused "through a loop device" "$(vdx "$loop")"
else
    skip "through a loop device" "needs root and loop devices"
fi

# --- a drive

guest_define drive "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
    <target dev='sda' bus='sata'/><readonly/></disk>" && virsh start drive
try "as the medium of a drive: it is put in" virsh change-media drive sda "$DATA/r.raw" --insert --live
like "as the medium of a drive: it is a luks node" "$(nodes drive)" "^libvirt-[0-9]*-format luks$"
guest_stop drive

# --- below an overlay

# below FILE FORMAT: the disk on stdin, whose image has FILE behind it.
below() {
    sed "s|<target|<backingStore type='file'><format type='$2'/><source file='$1'/><backingStore/></backingStore>&|"
}

for volume in r.raw q.qcow2; do
    overlay=$DAEMON_IMAGES/over.$volume.qcow2
    qemu-img create -q -f qcow2 -b "$DATA/$volume" -F "${volume#*.}" "$overlay"
    refuse "$volume below an overlay, which alone says so" "'$volume' of pool 'data' is its backing file or data file" \
        attach "$(vdx "$overlay" qcow2)"
    recognised "$volume below an overlay" "$(vdx "$overlay" qcow2 | below "$DATA/$volume" "${volume#*.}")"
    rm "$overlay"
    same_fate "the overlay unplugged"
    same "the overlay unplugged: the guest has no linked volume any more" "$(records)" ""
done

cat >"$DAEMON_DIR/snapshot.xml" <<XML
<domainsnapshot><disks><disk name='vdx' snapshot='external'><driver type='qcow2'/>
  <source file='$DAEMON_IMAGES/snap.qcow2'>
    <encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption>
  </source></disk></disks></domainsnapshot>
XML
try "a snapshot is taken of a guest's linked disk" eval 'attach "$(vdx "$DATA/q.qcow2" qcow2)" &&
    virsh snapshot-create demo "$DAEMON_DIR/snapshot.xml" --disk-only --no-metadata'
try "the guest reads its own text through the overlay" guest_filled demo vdx "$TEXT"
try "it writes another" guest_fill demo vdx "other $TEXT"
same "the overlay does not hold it in clear" "$(in_clear "other $TEXT" "$DAEMON_IMAGES/snap.qcow2")" ""
try "the overlay is committed" virsh blockcommit demo vdx --active --pivot --wait
try "the guest reads the other" guest_filled demo vdx "other $TEXT"
same "the payload does not hold it in clear" "$(in_clear "other $TEXT" "$DATA"/* "$VAULT"/*)" ""
try "it writes the first again" guest_fill demo vdx "$TEXT"
detach vdx
same_fate "the disk with the snapshot unplugged"
rm -f "$DAEMON_IMAGES/snap.qcow2"
refuse "a linked volume cannot be the overlay" "q\.qcow2.*(overlay|backing)|overlay.*q\.qcow2" eval \
    'qemu-img create -q -f raw "$DAEMON_IMAGES/plain.raw" 16M && attach "$(vdx "$DAEMON_IMAGES/plain.raw")" &&
    virsh snapshot-create-as demo --disk-only --no-metadata --reuse-external \
        --diskspec "vdx,file=$DATA/q.qcow2"'

# --- as the target of a copy

try "the guest writes to a plain disk" guest_fill demo vdx "plain $TEXT"
printf "<disk type='file'><driver type='raw'/><source file='%s'/></disk>" "$DATA/r.raw" >"$DAEMON_DIR/copy.xml"
try "a copy of the disk to a linked volume begins" virsh blockcopy demo vdx --xml "$DAEMON_DIR/copy.xml" \
    --reuse-external --transient-job
copied() {
    virsh blockjob demo vdx --info 2>&1 | grep -qE "100(\.00)? %"
}
waited copied
try "it is complete, and the guest goes over to it" virsh blockjob demo vdx --pivot
try "the guest goes on with the linked one" guest_filled demo vdx "plain $TEXT"
same "which does not hold the text in clear" "$(in_clear "$TEXT" "$DATA"/*)" ""
try "(the plain disk does)" in_clear "$TEXT" "$DAEMON_IMAGES/plain.raw"
detach vdx
same_fate "the copy unplugged"

# --- and nothing but linked payloads is taken for one

try "a plain disk stays plain" eval 'attach "$(vdx "$DAEMON_IMAGES/plain.raw")" &&
    guest_filled demo vdx "plain $TEXT"'
same "it has no luks node" "$(nodes demo | grep luks)" ""
detach vdx
guest_stop demo
same_fate "at the end"
same "no record is left" "$(records)" ""
note "below an overlay, libvirt gives a file to QEMU's user and leaves it there:
$(linked_access r.raw q.qcow2)"
finish
