#!/bin/bash
# What must not be given to a guest is not: for each reason, a guest that would start with the disk and a
# running guest that would be given it. Each time the user is told why, not a byte of payload or
# header changes, and neither access nor block nodes nor records nor processes are left behind.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 qemu-img

# What a refusal must not change.
state() {
    (cd "$DAEMON_IMAGES" && find . -type f -exec sha256sum {} + | sort -k 2)
    traces victim r.raw q.qcow2 2>&1
    nodes running
    objects running
    virsh domblklist running
    virsh list --name
}

start_with() {
    virsh undefine victim >/dev/null 2>&1
    guest_define victim "$1" && virsh start victim
}

attach() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    virsh attach-device running "$DAEMON_DIR/disk.xml" --live
}

# refused WHY REGEX DISK: both refuse the disk (XML), in words that match REGEX, and nothing changes.
refused() {
    local before
    before=$(state)
    refuse "$1: a guest does not start" "$2" start_with "$3"
    same "$1: nothing has changed" "$(state)" "$before"
    virsh destroy victim >/dev/null 2>&1
    refuse "$1: a running guest is not given it" "$2" attach "$3"
    same "$1: nothing has changed" "$(state)" "$before"
    # Or all that follows would fail for another reason.
    virsh detach-disk running vdx --live >/dev/null 2>&1 && disk_gone running vdx
}

# accepted WHEN DISK: the means of this test have been put back; a guest starts with the disk.
accepted() {
    local before
    before=$(state)
    try "$1, a guest starts" start_with "$2"
    virsh destroy victim
    same "$1, and stops as it should" "$(traces victim r.raw q.qcow2)" "$(grep -xF "$(traces victim r.raw q.qcow2)" <<<"$before")"
}

# disk NAME [FORMAT] [SECRET]: the linked volume as a disk, as it should be unless told otherwise.
disk() {
    disk_xml vdx "$DATA/$1" "${2:-${1#*.}}" "${3-$SECRET_UUID}"
}

header() {
    echo "$VAULT/$1.luks"
}

# copy FILE, put_back FILE: sets a file aside; puts its bytes back in place, the file staying what it is.
copy() {
    cp -p "$1" "$DAEMON_DIR/aside"
}

put_back() {
    cat "$DAEMON_DIR/aside" >"$1"
}

# overwrite FILE OFFSET: with bytes that have no meaning.
overwrite() {
    printf 'LUKSHDR is not here, nor a UUID\0' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

try "a host with a header pool and a payload pool" linked_start
try "linked volumes in raw and qcow2" eval 'create r.raw raw && create q.qcow2 qcow2'
try "a guest that runs" guest_boot running
accepted "with everything in order" "$(disk q.qcow2)"

# --- another format than the link's

refused "a qcow2 payload declared as raw" "q\.qcow2.*format 'qcow2'.*'raw'" "$(disk q.qcow2 raw)"
refused "a raw payload declared as qcow2" "r\.raw.*format 'raw'.*'qcow2'" "$(disk r.raw qcow2)"
refused "a qcow2 payload declared as raw, without <encryption>" "q\.qcow2.*format 'qcow2'.*'raw'" \
    "$(disk q.qcow2 raw "")"
refused "a raw payload declared as qcow2, without <encryption>" "r\.raw.*format 'raw'.*'qcow2'" \
    "$(disk r.raw qcow2 "")"
refused "a qcow2 payload declared as vmdk" "q\.qcow2|only with 'raw' and 'qcow2'" "$(disk q.qcow2 vmdk "")"

# --- another encryption than the link's

refused "<encryption> of another kind" "q\.qcow2.*'luks'|[Uu]nknown|not support" \
    "$(disk q.qcow2 | sed "s/format='luks'/format='qcow'/")"

# --- <encryption> on an image that is not linked

printf %s "$PASSPHRASE" >"$DAEMON_DIR/key"
attached_img() {
    qemu-img create -q -f "$1" --object secret,id=s,file="$DAEMON_DIR/key" -o "$2iter-time=10" "$DATA/attached.$3" 16M
}
no_header="disk 'vdx'.*has no LUKS header of its own.*virt-lukshdr link"
qemu-img create -q -f raw "$DATA/lost.raw" 16M
qemu-img create -q -f qcow2 "$DATA/lost.qcow2" 16M
refused "raw, as after a link that was lost" "$no_header" "$(disk lost.raw)"
refused "qcow2, as after a link that was lost" "$no_header" "$(disk lost.qcow2)"
virsh secret-undefine "$SECRET_UUID"
unknown="disk 'vdx', '$DATA/lost\.(raw|qcow2)', is encrypted with secret '$SECRET_UUID', which this host cannot use, .*$SECRET_UUID\.\* back into /etc/libvirt/secrets.*<headers/> .*virt-lukshdr link $DATA/lost"
refused "raw, as on a host that was installed anew" "$unknown" "$(disk lost.raw)"
refused "qcow2, as on a host that was installed anew" "$unknown" "$(disk lost.qcow2)"
secret_make "$SECRET_UUID" volume "$PASSPHRASE"
attached_img luks key-secret=s, raw
attached_img qcow2 encrypt.format=luks,encrypt.key-secret=s,encrypt. qcow2
accepted "with attached LUKS" "$(disk attached.raw)"
accepted "with attached LUKS in qcow2" "$(disk attached.qcow2)"
ln -s attached.raw "$DATA/attached.link"
virsh secret-undefine "$SECRET_UUID"
refused "with attached LUKS, its secret is gone" "no secret with matching uuid '$SECRET_UUID'$" "$(disk attached.raw)"
secret_make "$SECRET_UUID" volume "something else"
refused "with attached LUKS, its secret is the wrong one" "Invalid password, cannot unlock any keyslot$" "$(disk attached.raw)"
secret_make "$SECRET_UUID" volume "$PASSPHRASE"
accepted "with attached LUKS behind a symbolic link" "$(disk attached.link raw)"
{ head -c 1M /dev/zero && cat "$DATA/attached.raw"; } >"$DATA/slice.raw"
accepted "with attached LUKS in a slice" "$(disk slice.raw |
    sed "s|</source>|<slices><slice type='storage' offset='1048576' size='$(stat -c %s "$DATA/attached.raw")'/></slices></source>|")"

# --- a part of the payload

refused "a slice of a raw payload" "slice.*r\.raw" \
    "$(disk r.raw | sed "s|</source>|<slices><slice type='storage' offset='1048576' size='1048576'/></slices></source>|")"

# --- the header's pool

virsh pool-destroy vault
refused "the header pool is not active" "'vault' is not active" "$(disk q.qcow2)"
virsh pool-start vault
accepted "with the pool started" "$(disk q.qcow2)"

# --- the header

mv "$(header q.qcow2)" "$DAEMON_DIR/away"
refused "the header is gone" "q\.qcow2\.luks.*vault" "$(disk q.qcow2)"
mkfifo "$(header q.qcow2)"
refused "there is a FIFO in its place" "q\.qcow2\.luks.*vault" "$(disk q.qcow2)"
rm "$(header q.qcow2)"
cp -p "$(header r.raw)" "$(header q.qcow2)"
refused "another volume's header is in its place, as another file" "q\.qcow2\.luks.*vault" "$(disk q.qcow2)"
mv -f "$DAEMON_DIR/away" "$(header q.qcow2)"
copy "$(header q.qcow2)"
cat "$(header r.raw)" >"$(header q.qcow2)"
refused "another volume's header is in the same file" "q\.qcow2\.luks.*vault.*label" "$(disk q.qcow2)"
put_back "$(header q.qcow2)"
overwrite "$(header q.qcow2)" $((2 << 20))
accepted "with the first copy of the label damaged" "$(disk q.qcow2)"
copy2=$(grep -abo -m 3 LUKSHDR "$(header q.qcow2)" | cut -d: -f1 | tail -n 1)
overwrite "$(header q.qcow2)" "$copy2"
refused "both copies of its label are damaged" "q\.qcow2\.luks.*vault.*label" "$(disk q.qcow2)"
put_back "$(header q.qcow2)"
overwrite "$(header q.qcow2)" 168 # the LUKS UUID
refused "the LUKS UUID is another" "q\.qcow2\.luks.*vault.*LUKS" "$(disk q.qcow2)"
put_back "$(header q.qcow2)"
dd if="$(header r.raw)" of="$(header q.qcow2)" bs=1M count=2 conv=notrunc status=none
refused "the LUKS header is another volume's, the label its own" "q\.qcow2\.luks.*vault.*LUKS" "$(disk q.qcow2)"
put_back "$(header q.qcow2)"
truncate -s 0 "$(header q.qcow2)"
refused "the header is empty" "q\.qcow2\.luks.*vault" "$(disk q.qcow2)"
put_back "$(header q.qcow2)"
accepted "with the header put back" "$(disk q.qcow2)"
chmod 400 "$(header q.qcow2)"
try "with a header of mode 0400, as cryptsetup saves it, a guest starts" start_with "$(disk q.qcow2)"
virsh destroy victim
same "it can be written to from then on" "$(stat -c %a "$(header q.qcow2)")" 600

# --- the header as a disk

refused "a header volume as a disk, by its path" "header volume 'q\.qcow2\.luks'.*use.*q\.qcow2" \
    "$(disk_xml vdx "$(header q.qcow2)" raw)"
refused "a header volume as a disk, by its pool" "header volume 'q\.qcow2\.luks'" \
    "$(disk_xml vdx vault/q.qcow2.luks raw)"
refused "a header volume as a disk, with <encryption>" "header volume 'q\.qcow2\.luks'" \
    "$(disk_xml vdx vault/q.qcow2.luks raw "$SECRET_UUID")"
# What the CD drive would be plugged into; the one that libvirt makes by itself has no slot on this machine.
echo "<controller type='scsi' index='0' model='virtio-scsi'/>" >"$DAEMON_DIR/scsi.xml"
try "a SCSI controller" virsh attach-device running "$DAEMON_DIR/scsi.xml" --live
refused "a header volume as a read-only CD" "header volume 'q\.qcow2\.luks'" \
    "$(disk_xml sda "$(header q.qcow2)" raw | sed "s/virtio/scsi/; s/device='disk'/device='cdrom'/")"

if [ "$(id -u)" -eq 0 ]; then
    for file in "$(header q.qcow2)" "$DATA/r.raw"; do
        loop=$(losetup -f --show "$file")
        refused "a loop device over ${file##*/}" "loop device over the .*(q\.qcow2\.luks|r\.raw)" \
            "$(disk_xml vdx "$loop" raw)"
        losetup -d "$loop"
    done
else
    skip "a loop device over payload or header" "needs root"
fi

# --- a directory as a disk

directory() {
    echo "<disk type='dir' device='disk'><driver name='qemu' type='fat'/><source dir='$1'/>
        <target dev='vdx' bus='virtio'/><readonly/></disk>"
}
mkdir -p "$DAEMON_IMAGES/harmless"
ln -s "$VAULT" "$DAEMON_IMAGES/harmless.link"
refused "the header pool's directory" "cannot be a disk.*linked volume" "$(directory "$VAULT")"
refused "the payload pool's" "cannot be a disk.*linked volume" "$(directory "$DATA")"
refused "the one above both" "cannot be a disk.*linked volume" "$(directory "$DAEMON_IMAGES")"
refused "by another name" "cannot be a disk.*linked volume" "$(directory "$DAEMON_IMAGES/harmless.link/.")"
accepted "with a directory that holds neither" "$(directory "$DAEMON_IMAGES/harmless")"

# --- with another guest that writes

refused "shareable" "requires use of supported storage format|cannot be shared" \
    "$(disk r.raw | sed 's|<target|<shareable/>&|')"
refused "shareable, without <encryption>" "requires use of supported storage format|cannot be shared" \
    "$(disk r.raw raw "" | sed 's|<target|<shareable/>&|')"

# --- the secret

virsh secret-undefine "$SECRET_UUID"
refused "the secret is gone" "$SECRET_UUID" "$(disk q.qcow2)"
refused "the secret is gone, without <encryption>" "$SECRET_UUID" "$(disk q.qcow2 qcow2 "")"
secret_make "$SECRET_UUID" volume
refused "the secret has no value" "secret '$SECRET_UUID' of .*'q.qcow2' of pool 'data' has no value.*secret-set-value" "$(disk q.qcow2)"
secret_make "$SECRET_UUID" volume "something else"
wrong="[Ii]nvalid secret: secret '$SECRET_UUID' does not open header 'q.qcow2.luks' of pool 'vault', of linked volume 'q.qcow2' of pool 'data'.*secret-set-value $SECRET_UUID --interactive.*virt-lukshdr check data/q.qcow2"
refused "the secret is the wrong one" "$wrong" "$(disk q.qcow2)"
refused "the secret is the wrong one, without <encryption>" "$wrong" "$(disk q.qcow2 qcow2 "")"
secret_make "$SECRET_UUID" volume "$PASSPHRASE"
accepted "with the secret put back" "$(disk q.qcow2)"

# --- the payload

qemu-img create -q -f raw "$DATA/base.raw" 16M
copy "$DATA/q.qcow2"
qemu-img rebase -q -u -f qcow2 -b "$DATA/base.raw" -F raw "$DATA/q.qcow2"
refused "the payload has a backing file" "q\.qcow2.*backing" "$(disk q.qcow2)"
refused "the payload has a backing file, without <encryption>" "q\.qcow2.*backing" "$(disk q.qcow2 qcow2 "")"
put_back "$DATA/q.qcow2"
refused "the XML says that it has a backing file" "q\.qcow2.*backing" \
    "$(disk q.qcow2 | sed "s|<target |<backingStore type='file'><format type='raw'/><source file='$DATA/base.raw'/><backingStore/></backingStore><target |")"
mv "$DATA/q.qcow2" "$DAEMON_DIR/away"
cp -p "$DAEMON_DIR/away" "$DATA/q.qcow2"
refused "a copy is in the payload's place" "q\.qcow2.*was replaced" "$(disk q.qcow2)"
refused "a copy is in the payload's place, without <encryption>" "q\.qcow2.*was replaced" "$(disk q.qcow2 qcow2 "")"
mv -f "$DAEMON_DIR/away" "$DATA/q.qcow2"

copy "$DATA/r.raw"
printf XFSB | dd of="$DATA/r.raw" conv=notrunc status=none
refused "the payload holds an image in clear" "r\.raw.*holds an XFS file system in clear" "$(disk r.raw)"
put_back "$DATA/r.raw"

# --- a bus that has no chain

refused "on an SD bus" "q\.qcow2.*bus|cannot be hotplugged" "$(disk q.qcow2 | sed "s/vdx/sdx/; s/virtio/sd/; /serial/d")"
refused "on an SD bus, without <encryption>" "q\.qcow2.*bus|cannot be hotplugged" \
    "$(disk q.qcow2 qcow2 "" | sed "s/vdx/sdx/; s/virtio/sd/; /serial/d")"

# --- the registry

entry=$(link_of q.qcow2)
for state in creating deleting; do
    link_edit q.qcow2 "s/state=\"active\"/state=\"$state\"/"
    refused "the link is in state $state" "q\.qcow2.*(created|deleted)" "$(disk q.qcow2)"
    link_edit q.qcow2 "s/state=\"$state\"/state=\"active\"/"
done
accepted "with the link active again" "$(disk q.qcow2)"

"$DAEMON_IN" cp "$entry" "$DAEMON_DIR/entry"
damage_entry() {
    # By a rename, as every editor: what is changed in place is seen when the directory changes.
    "$DAEMON_IN" sh -c "{ $1; }"' <"$1" >"$2.new" && mv "$2.new" "$2"' sh "$DAEMON_DIR/entry" "$entry"
}
damage_entry 'sed s/qcow2.luks/other.luks/'
refused "the registry's entry has a wrong digest" "q\.qcow2.*cannot be believed" "$(disk q.qcow2 qcow2 "")"
damage_entry 'head -c 300'
refused "it is cut short" "registry|damaged" "$(disk q.qcow2 qcow2 "")"
damage_entry 'head -c 0'
refused "it is empty" "registry|damaged" "$(disk q.qcow2 qcow2 "")"
damage_entry 'head -c 1000000 /dev/zero'
refused "it holds nothing but zeroes" "registry|damaged" "$(disk q.qcow2 qcow2 "")"
damage_entry 'cat'
accepted "with the entry put back" "$(disk q.qcow2 qcow2 "")"

finish
