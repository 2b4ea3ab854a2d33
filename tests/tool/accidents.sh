#!/bin/bash
# What happens to volumes by accident, and the one command out of each: a payload put back from a backup or moved, a
# volume that is lost.

# shellcheck disable=SC2317,SC2016 # functions and commands in quotes are called by way of try
. "$(dirname "$0")/lib/vl.sh"

need_command jq

# state [NAME]: what "list" says of it.
state() {
    said vl list --json | jq -r --arg name "${1:-one}" '.[]|select(.payload.volume==$name).state' | sort -u
}
# guest_of FORMAT FILE: a file with the XML of guest "moved" with that disk
guest_of() {
    cat >"$DAEMON_DIR/xml/moved.xml" <<XML
<domain type='qemu'><name>moved</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='$1'/><source file='$2'/><target dev='vda'/></disk></devices></domain>
XML
    echo "$DAEMON_DIR/xml/moved.xml"
}
# here COMMAND...: where the daemon lives
here() { "$DAEMON_IN" "$@"; }
# plain_of NAME FILE: the decrypted content becomes FILE, or that is refused.
plain_of() {
    virsh vol-delete clear data >/dev/null 2>&1
    printf "<volume><name>clear</name><capacity unit='M'>16</capacity><target><format type='raw'/></target></volume>" |
        from data "$1" data && here cp "$DATA/clear" "$2"
}

try "a daemon starts" linked_start || finish
quick_format
OTHER=$DAEMON_IMAGES/other
here mkdir -p "$OTHER"
pool_make other "$OTHER" >/dev/null
(yes 'what stands in it' | head -c 1M && head -c 15M /dev/zero) >"$DAEMON_DIR/content"
virsh vol-create-as data content 16M >/dev/null
virsh vol-upload content "$DAEMON_DIR/content" --pool data
# made NAME FORMAT: a linked volume with content
made() { linked_xml "$1" "$2" | from data content data; }

note "A payload that was put back from a backup"
for way in cp tar rsync 'qemu-img convert'; do
    name=$(tr -dc '[:lower:]' <<<"$way")
    command -v "${way%% *}" >/dev/null || {
        skip "$way" "there is no ${way%% *}"
        continue
    }
    made "$name" raw >/dev/null
    backup=$DAEMON_DIR/$name
    case $way in
        tar) here tar -C "$DATA" -cf "$backup" "$name" && here rm "$DATA/$name" && here tar -C "$DATA" -xf "$backup" ;;
        qemu-img*) here qemu-img convert -f raw -O raw "$DATA/$name" "$backup" && here mv "$backup" "$DATA/$name" ;;
        rsync) here rsync -a "$DATA/$name" "$backup" && here rsync -a -I "$backup" "$DATA/$name" ;;
        *) here cp "$DATA/$name" "$backup" && here rm "$DATA/$name" && here cp "$backup" "$DATA/$name" ;;
    esac
    same "$way: the list says so" "$(state "$name")" payload-replaced
    refuse "$way: it is not used" "was replaced: .*\"virt-lukshdr link data/$name\"" plain_of "$name" "$DAEMON_DIR/plain"
    command=$(sed -n 's/.*"virt-lukshdr \(link [^"]*\)".*/\1/p' <<<"$OUT" | head -n 1)
    try "$way: its header can be saved meanwhile" vl header-backup "data/$name" "$DAEMON_DIR/$name.header" --force
    status "$way: what the message says takes it again, and what is linked is said" 0 \
        "^Volume data/$name is linked to header vault/$name.luks, which secret $SECRET_UUID opens" eval "vl $command --yes"
    same "$way: it is well" "$(state "$name")" ok
    try "$way: it opens" plain_of "$name" "$DAEMON_DIR/plain"
    try "$way: it has its content" cmp "$DAEMON_DIR/plain" "$DAEMON_DIR/content"
    virsh vol-delete "$name" data >/dev/null
done

made one qcow2 >/dev/null
here cp "$DATA/one" "$DAEMON_DIR/one.kept"
here cp "$VAULT/one.luks" "$DAEMON_DIR/header.kept"
# back: as after a backup
back() { here cp "$DAEMON_DIR/one.kept" "$DATA/one.new" && here mv "$DATA/one.new" "$DATA/one"; }
back
status "info" 0 'payload replaced' vl info data/one
like "says what to do" "$OUT" 'virt-lukshdr link data/one;.*virt-lukshdr forget data/one'
status "check" 7 'data/one: payload replaced: .*virt-lukshdr link data/one' vl check
try "a refresh" virsh pool-refresh data
same "it is remembered" "$(state)" payload-replaced
try "a new daemon" linked_launch
same "also after a restart" "$(state)" payload-replaced
like "vol-dumpxml" "$(virsh vol-dumpxml one data)" '<header type=.volume. state=.payload-replaced.>'
virsh vol-dumpxml one data >"$DAEMON_DIR/xml/shown.xml"
try "is as the schema says" xmllint --noout --relaxng "$BUILDDIR/schemas/lukshdr-storagevol.rng" "$DAEMON_DIR/xml/shown.xml"

note "What is not the payload is not taken"
here truncate -s 16M "$DATA/one.new" && here mv "$DATA/one.new" "$DATA/one"
status "without a terminal it takes nothing" 6 "say --yes to: Volume 'one' in pool 'data' is another file" vl link data/one
same "nothing was taken" "$(state)" payload-replaced
status "another format" 1 "cannot be taken as the payload: its content is not of format 'qcow2'" vl link data/one --yes
truncate -s 16M "$DAEMON_DIR/disk"
printf 'EFI PART' | dd of="$DAEMON_DIR/disk" bs=512 seek=1 conv=notrunc status=none
for compressed in '' -c; do
    here qemu-img convert $compressed -f raw -O qcow2 "$DAEMON_DIR/disk" "$DATA/one.new" && here mv "$DATA/one.new" "$DATA/one"
    status "a plain image${compressed:+, compressed}" 1 "cannot be taken as the payload: it holds (a partition table|compressed data) in clear.*convert" \
        vl link data/one --yes
done
back
flip "$VAULT/one.luks"
status "a header that the secret does not open" 1 "does not open header 'one.luks' of pool 'vault': .*key material is damaged$" vl link data/one --yes
unlike "in words for a person" "$OUT" 'json:|qemu-img'
here cp "$DAEMON_DIR/header.kept" "$VAULT/one.new" && here mv "$VAULT/one.new" "$VAULT/one.luks"
try "payload and header put back: one command" vl link data/one --yes
same "all is well" "$(state)" ok
try "a new daemon" linked_launch
same "the label says the same" "$(state)" ok

note "A payload that was moved to another pool"
here mv "$DATA/one" "$OTHER/one"
virsh pool-refresh data && virsh pool-refresh other
same "the list says so" "$(state | xargs)" payload-moved
try "its header can be saved meanwhile" vl header-backup other/one "$DAEMON_DIR/moved.header"
status "check has that command alone" 7 '^other/one: payload moved: it was linked as data/one and stands here now: virt-lukshdr link other/one$' \
    vl check
unlike "and replaces no header" "$OUT" 'header-restore|changed its keys'
try "one command" vl link other/one --yes
same "it is known there" "$(said vl list --json | jq -r '.[]|.payload.pool+"/"+.payload.volume+" "+.state')" "other/one ok"
like "the label as well" "$(tail -c +2097201 "$VAULT/one.luks" | head -c 65536 | tr -d '\0')" 'pool="other" volume="one"'
try "its earlier name is free" virsh vol-create-as data one 1M
virsh vol-delete one data >/dev/null
here cp "$DATA/../other/one" "$DATA/two" && here rm "$OTHER/one"
virsh pool-refresh data && virsh pool-refresh other
status "a move to another file system: the header has a link" 1 \
    "'two' of pool 'data' is that volume.*\"virt-lukshdr forget other/one\", then link the two again" \
    vl link data/two vault/one.luks --secret "$SECRET_UUID"
try "the message's command" vl forget other/one --yes
try "and the link" vl link data/two vault/one.luks --secret "$SECRET_UUID"
try "it is deleted there" virsh vol-delete two data
same "with its header" "$(here ls "$VAULT")" ""

note "A volume that is lost, and its name is to be used again"
# new NAME: a plain volume of that name, which is removed again
new() { virsh vol-create-as data "$1" 1M && virsh vol-delete "$1" data; }
free() { create "$1" raw "" "pool='vault' volume='new.luks'" && virsh vol-delete "$1" data; }
# last_command TEXT: what a message says that is to be done
last_command() { sed -n 's/.*"virt-lukshdr \(forget [^"]*\)".*/\1/p' <<<"$1" | head -n 1; }
made one raw >/dev/null
here mv "$DATA/one" "$OTHER/one"
before="$(here sha256sum "$VAULT/one.luks") $(link_show one)"
refuse "the payload's file gone, vol-delete says so, and what to do" \
    "volume 'one' of pool 'data' is not there.*nothing was deleted.*moved: .*virt-lukshdr link POOL/VOLUME.*gone for good.*\"virt-lukshdr forget data/one\"" \
    virsh vol-delete one data
same "header and link are as they were" "$(here sha256sum "$VAULT/one.luks") $(link_show one)" "$before"
here mv "$OTHER/one" "$DATA/one"
try "it came back, and opens" plain_of one "$DAEMON_DIR/plain"
if [ "$(id -u)" -eq 0 ]; then
    here mount -t tmpfs none "$DATA"
    refuse "its disk not mounted, vol-delete says so" "'one' of pool 'data' is not there, .*another file system than it was: mount that" \
        virsh vol-delete one data
    here umount "$DATA"
    same "mounted, all is well" "$(state)" ok
else
    skip "its disk not mounted" "needs root"
fi
here rm "$DATA/one"
virsh pool-refresh data
same "the payload removed by hand: listed" "$(state)" payload-missing
refuse "its header is not deleted" "'data', which is not there.*gone for good.*\"virt-lukshdr forget data/one\", then delete 'one.luks'" \
    virsh vol-delete one.luks vault
refuse "its name is kept" 'is still registered.*"virt-lukshdr forget data/one"' free one
status "the message's command" 0 '^Payload data/one: lost' eval "vl $(last_command "$OUT") --yes"
like "says what is left" "$OUT" '^Header vault/one.luks: it stays, and opens.*virsh vol-delete one.luks vault'
like "and what opens it" "$OUT" "^Secret $SECRET_UUID: it stays; to link again: virt-lukshdr link data/one vault/one.luks --secret $SECRET_UUID"
try "the name is free" free one
try "the header is a volume like any other" virsh vol-delete one.luks vault

made one raw >/dev/null
here rm "$DATA/one"
virsh pool-refresh data
try "something else takes the name" virsh vol-create-as data one 1M
refuse "it is not used" 'was replaced: .* give up the link with "virt-lukshdr forget data/one"' virsh vol-delete one data
try "the message's command" eval "vl $(last_command "$OUT") --yes"
try "it is a volume like any other" virsh vol-delete one data
virsh vol-delete one.luks vault >/dev/null

made one raw >/dev/null
here rm "$VAULT/one.luks"
virsh pool-refresh vault
status "the header removed by hand" 0 '^Header vault/one.luks: lost, so nothing opens' vl forget --yes data/one
like "the payload stays" "$OUT" '^Payload data/one: it stays'
like "the secret stays for backups" "$OUT" "^Secret $SECRET_UUID: it stays, and opens backups of the header"
same "as a volume like any other" "$(virsh vol-dumpxml one data | grep -c encryption)" 0
try "it is deleted" virsh vol-delete one data

made one raw >/dev/null
here rm "$VAULT/one.luks"
try "the header removed by hand, and the volume deleted" virsh vol-delete one data
try "the header's name is free" made one raw
virsh vol-delete one data >/dev/null
virsh vol-create-as vault one.luks 4M >/dev/null
refuse "one that is there: the message says what it is" \
    "storage volume 'one.luks' of pool 'vault', which is to become the header of 'one' .delete it .*name another header., exists already" \
    made one raw
virsh vol-delete one.luks vault >/dev/null

made one raw >/dev/null
here rm "$VAULT/one.luks" "$DATA/one"
try "both removed by hand" vl forget --yes data/one
same "nothing is left" "$(links)" ""
try "the name is free" new one
made one raw >/dev/null
here rm "$DATA/one"
status "by the header's name" 0 '^Payload data/one: lost' vl forget --yes vault/one.luks
status "what is not linked" 1 "no link of a volume 'one' of pool 'data'" vl forget --yes data/one
unlike "nothing is said to be lost" "$OUT" lost
status "nor its pool" 4 'nowhere' vl forget --yes nowhere/one
virsh vol-delete one.luks vault >/dev/null
made one raw >/dev/null
refuse "without a terminal it does nothing" "say --yes to: Give up the link of volume 'one'" vl forget data/one
same "and nothing is what it did" "$(state)" ok
answered() { here script -qec "$VL forget data/one" /dev/null; }
like "on a terminal it asks" "$(answered <<<n)" "Give up the link of volume 'one' in pool 'data'\?"
same "no is no" "$(state)" ok
answered <<<y >/dev/null
same "yes is yes" "$(links)" ""
virsh vol-delete one data >/dev/null
virsh vol-delete one.luks vault >/dev/null

note "A symbolic link that was left where the payload was"
made one raw >/dev/null
here sh -c 'cp "$1/one" "$2/one" && mv "$1/one" "$1/../one.kept" && ln -s "$2/one" "$1/one"' sh "$DATA" "$OTHER"
virsh pool-refresh data >/dev/null
same "the list says so" "$(state)" payload-replaced
status "what can be done is said" 1 "'$DATA/one' is a symbolic link.*put the volume itself there" vl link data/one --yes
here mv "$DATA/../one.kept" "$DATA/one" && here rm "$OTHER/one"
virsh pool-refresh data >/dev/null
same "put back, all is well" "$(state)" ok
virsh vol-delete one data >/dev/null

note "What is uploaded into a payload"
# as a client sends it: whole, with holes left out
UPLOADS=("" --sparse)
here qemu-img convert -f raw -O qcow2 "$DAEMON_DIR/disk" "$DAEMON_DIR/plain.qcow2"
here qemu-img convert -c -f raw -O qcow2 "$DAEMON_DIR/disk" "$DAEMON_DIR/compressed.qcow2"
head -c 1024 "$DAEMON_DIR/disk" >"$DAEMON_DIR/head"
truncate -s 8M "$DAEMON_DIR/ext4" && mkfs.ext4 -q "$DAEMON_DIR/ext4"
here qemu-img convert -f raw -O qcow2 "$DAEMON_DIR/ext4" "$DAEMON_DIR/cloud.qcow2"
made two raw >/dev/null
made one qcow2 >/dev/null
virsh vol-download one "$DAEMON_DIR/one.kept" --pool data
virsh vol-download two "$DAEMON_DIR/two.kept" --pool data
convert="virt-lukshdr convert POOL/PLAIN data/NEW --header vault/NEW.luks"
# uploaded_not WHAT VOLUME FILE HOLDS
uploaded_not() {
    local how
    for how in "${UPLOADS[@]}"; do
        refuse "$1${how:+, $how}: refused" "linked volume '$2' of pool 'data' is encrypted.*$4.*nothing was written.*$convert" \
            virsh vol-upload ${how:+"$how"} "$2" "$DAEMON_DIR/$3" --pool data
        try "$1${how:+, $how}: nothing was written" here cmp "$DATA/$2" "$DAEMON_DIR/$2.kept"
    done
}
uploaded_not "a disk" two disk "a partition table in clear"
uploaded_not "less than is looked at" two head "a partition table in clear"
uploaded_not "a qcow2 into a raw volume" two plain.qcow2 "an image of format qcow2 in clear"
uploaded_not "a qcow2 image" one plain.qcow2 "a partition table in clear"
uploaded_not "a qcow2 image of a file system" one cloud.qcow2 "an ext4 file system in clear"
uploaded_not "a compressed one" one compressed.qcow2 "compressed data in clear"
uploaded_not "a disk into a qcow2 volume" one disk "a partition table in clear"
uploaded_not "another content into a qcow2 volume" one two.kept "has format 'qcow2', and what you upload has not"
for name in one two; do
    for how in "${UPLOADS[@]}"; do
        here dd if=/dev/urandom of="$DATA/$name" bs=64k count=2 conv=notrunc status=none
        try "$name: its own ciphertext${how:+, $how}" virsh vol-upload ${how:+"$how"} "$name" "$DAEMON_DIR/$name.kept" --pool data
        # what a hole was sent for may be longer now
        try "$name: is there, to the byte" here cmp -n "$(stat -c %s "$DAEMON_DIR/$name.kept")" "$DATA/$name" "$DAEMON_DIR/$name.kept"
        try "$name: opens" eval 'plain_of "$name" "$DAEMON_DIR/plain" && cmp "$DAEMON_DIR/plain" "$DAEMON_DIR/content"'
    done
done
printf 'EFI PART' >"$DAEMON_DIR/part"
try "what is uploaded behind the beginning is passed" virsh vol-upload two "$DAEMON_DIR/part" --pool data --offset 512 --length 8
same "and is where it should be" "$(head -c 520 "$DATA/two" | tail -c 8)" "EFI PART"
head -c 520 "$DAEMON_DIR/two.kept" >"$DAEMON_DIR/part"
try "a piece of ciphertext at the beginning" virsh vol-upload two "$DAEMON_DIR/part" --pool data --length 520
try "is there" here cmp "$DATA/two" "$DAEMON_DIR/two.kept"
try "the message's way: a plain volume" virsh vol-create-as data plain 16M
try "gets the image" virsh vol-upload plain "$DAEMON_DIR/disk" --pool data
try "and is made an encrypted one" eval "vl $(sed 's|^virt-lukshdr ||; s|POOL/PLAIN|data/plain|' <<<"$convert") --secret $SECRET_UUID"
for name in one two plain NEW; do
    virsh vol-delete "$name" data >/dev/null
done

note "list and check tell the truth"
made one qcow2 >/dev/null
here cp "$DATA/one" "$DAEMON_DIR/one.kept"
here sh -c 'cat "$1" >"$2"' sh "$DAEMON_DIR/plain.qcow2" "$DATA/one"
same "it is not encrypted" "$(state)" payload-plain
status "check says what to do" 7 'data/one: payload not encrypted: there is a partition table .*virt-lukshdr convert data/one' vl check
refuse "no guest starts with it" "'one' of pool 'data' .*holds a partition table in clear.*virt-lukshdr convert" \
    virsh create "$(guest_of qcow2 "$DATA/one")"
here sh -c 'cat "$1" >"$2"' sh "$DAEMON_DIR/content" "$DATA/one"
same "it has another format" "$(state)" payload-format
here sh -c 'cat "$1" >"$2"' sh "$DAEMON_DIR/one.kept" "$DATA/one"
same "all is well" "$(state)" ok
# what was written first lies behind the tables: cut in the data, in a table, where the tables are, in the first bytes
for length in 400K 300K 100K 100 0; do
    here truncate -s "$length" "$DATA/one"
    same "qcow2, cut to $length" "$(state)" payload-cut
    status "check says so" 7 "data/one: payload cut short: its end is not there: it has $(stat -c %s "$DATA/one") bytes and had more, .*virt-lukshdr link data/one;" \
        vl check
    here sh -c 'cat "$1" >"$2"' sh "$DAEMON_DIR/one.kept" "$DATA/one"
    same "and whole again" "$(state)" ok
done
virsh vol-delete one data >/dev/null

made one raw >/dev/null
for format in qcow2 vdi vmdk; do
    here qemu-img convert -f raw -O $format "$DATA/one" "$DAEMON_DIR/one.other"
    here mv "$DATA/one" "$DAEMON_DIR/one.kept" && here cp "$DAEMON_DIR/one.other" "$DATA/one"
    status "ciphertext that was converted to $format is not called clear" 1 \
        "its format as a payload is 'raw', and it holds an image of format $format; .*convert it back, or give up the link" \
        vl link data/one --yes
    unlike "nor is it" "$OUT" 'in clear'
    here rm "$DATA/one" && here mv "$DAEMON_DIR/one.kept" "$DATA/one"
done
here cp "$DATA/one" "$DAEMON_DIR/one.kept"
here qemu-img convert -f raw -O qcow2 "$DATA/one" "$DAEMON_DIR/one.other"
here sh -c 'cat "$1" >"$2"' sh "$DAEMON_DIR/one.other" "$DATA/one"
virsh pool-refresh data >/dev/null
same "the list says that it has another format" "$(state)" payload-format
status "check says so" 7 'data/one: payload of another format: it was linked as raw, and there is an image of format qcow2 in it' vl check
here sh -c 'cat "$1" >"$2"' sh "$DAEMON_DIR/plain.qcow2" "$DATA/one"
same "an image in clear is called that" "$(state)" payload-plain
here sh -c 'cat "$1" >"$2"' sh "$DAEMON_DIR/one.other" "$DATA/one"
try "the message's way: the link is given up" vl forget data/one --yes
try "and made anew" vl link data/one vault/one.luks --secret "$SECRET_UUID" --yes
try "it opens" plain_of one "$DAEMON_DIR/plain"
try "it has its content" cmp "$DAEMON_DIR/plain" "$DAEMON_DIR/content"
virsh vol-delete one data >/dev/null

made one qcow2 >/dev/null
here truncate -s +1M "$DATA/one"
same "a longer one has all that it needs" "$(state)" ok
made three raw >/dev/null
here truncate -s 0 "$DATA/three"
same "raw, nothing is left of it" "$(state three)" payload-cut
virsh vol-delete three data >/dev/null
made three qcow2 >/dev/null
for options in preallocation=off preallocation=metadata preallocation=falloc preallocation=full extended_l2=on; do
    here sh -c 'qemu-img create -q -f qcow2 -o "$1" "$2.new" 100M && cat "$2.new" >"$2" && rm "$2.new"' sh "$options" "$DATA/three"
    same "what qemu-img makes with $options is whole" "$(state three)" ok
done
virsh vol-delete three data >/dev/null
uuid=$(uuidgen)
SECRET_EPHEMERAL=no secret_make "$uuid" volume "$PASSPHRASE" >/dev/null
try "another secret" vl link data/one --secret "$uuid" --yes
virsh secret-undefine "$uuid" >/dev/null
same "it has gone" "$(state)" secret-missing
status "check says which, and what to do" 7 \
    "data/one: secret missing: libvirt has no secret $uuid.*put its files $uuid\\.\\* back into /etc/libvirt/secrets" vl check
cat >"$DAEMON_DIR/xml/secret.xml" <<XML
<secret private='no'><uuid>$uuid</uuid><usage type='volume'><volume>usage-$uuid</volume></usage></secret>
XML
virsh secret-define "$DAEMON_DIR/xml/secret.xml" >/dev/null
same "it is there again, without a value" "$(state)" secret-empty
status "link says so" 1 "secret '$uuid' of volume 'one' of pool 'data' has no value.*secret-set-value $uuid" \
    vl link data/one --yes
virsh vol-wipe one data >/dev/null
same "wiped" "$(state)" wiped
status "check says so" 7 'data/one: wiped: .*virsh vol-delete' vl check
virsh vol-delete one data >/dev/null
virsh secret-undefine "$uuid" >/dev/null

note "Headers that cryptsetup made"
# An attached volume, taken apart: everything behind its header is the payload.
printf %s "$PASSPHRASE" >"$DAEMON_DIR/key"
qemu-img convert -f raw -O luks --object secret,id=s,file="$DAEMON_DIR/key" -o key-secret=s,iter-time=10 \
    "$DAEMON_DIR/content" "$DAEMON_DIR/attached"
offset=$((512 * $(cryptsetup luksDump "$DAEMON_DIR/attached" | sed -n 's/^Payload offset:[[:space:]]*//p')))
apart() {
    here dd if="$DAEMON_DIR/attached" of="$DATA/apart" bs=4k skip=$((offset / 4096)) status=none
    virsh pool-refresh data && virsh pool-refresh vault
}
here cp "$DAEMON_DIR/attached" "$DATA/attached" && virsh pool-refresh data >/dev/null
virsh vol-create-as vault empty.luks 4M >/dev/null
status "attached: the message names the page" 1 "volume 'attached' of pool 'data' has a LUKS header of its own.*docs/linking.md" \
    vl link data/attached vault/empty.luks --secret "$SECRET_UUID"
refuse "a clone's does, too" "volume 'attached' of pool 'data' has a LUKS header of its own.*docs/linking.md" \
    eval 'linked_xml one raw | from data attached data'
virsh vol-delete attached data >/dev/null && virsh vol-delete empty.luks vault >/dev/null
for how in backup none short; do
    here rm -f "$VAULT/apart.luks"
    case $how in
        # a backup of the header that was linked first, which has no payload offset any more
        none) here cp -p "$DAEMON_DIR/none" "$VAULT/apart.luks" ;;
        backup) here cryptsetup luksHeaderBackup "$DAEMON_DIR/attached" --header-backup-file "$VAULT/apart.luks" ;;
        *) here sh -c 'head -c "$1" "$2" >"$3"' sh $((offset - 1024)) "$DAEMON_DIR/attached" "$VAULT/apart.luks" ;;
    esac
    apart >/dev/null
    [ "$how" = short ] || same "$how: nobody may write to it" "$(stat -c %a "$VAULT/apart.luks")" 400
    try "$how: it is linked" vl link data/apart vault/apart.luks --secret "$SECRET_UUID"
    same "$how: it can be written to" "$(stat -c %a "$VAULT/apart.luks" | grep -c '^6')" 1
    try "$how: it opens" plain_of apart "$DAEMON_DIR/plain"
    try "$how: it has its content" cmp -n 16777216 "$DAEMON_DIR/plain" "$DAEMON_DIR/content"
    same "$how: cryptsetup looks for it where it is" \
        "$(cryptsetup luksDump "$VAULT/apart.luks" | sed -n 's/^Payload offset:[[:space:]]*//p')" 0
    same "$how: all is well" "$(state apart)" ok
    [ "$how" != backup ] ||
        here cryptsetup luksHeaderBackup "$VAULT/apart.luks" --header-backup-file "$DAEMON_DIR/none"
    virsh vol-delete apart data >/dev/null
done

note "A header's disk that is not mounted"
made one raw >/dev/null
if [ "$(id -u)" -eq 0 ]; then
    before="$(sha256sum <"$VAULT/one.luks") $(link_show one)"
    here mount -t tmpfs none "$VAULT"
    virsh pool-refresh vault >/dev/null
    status "list tells of it" 0 "data/one: .*if its disk or share is not mounted, mount it, and refresh the pool: virsh pool-refresh vault" \
        vl list
    refuse "the volume is not deleted" "another file system than it was: mount that.*virt-lukshdr forget data/one" \
        virsh vol-delete one data
    refuse "nor wiped" "another file system than it was: mount that" virsh vol-wipe one data
    guest_of raw "$DATA/one" >/dev/null
    refuse "no guest starts with it" "another file system than it was: mount that" virsh create "$DAEMON_DIR/xml/moved.xml"
    here umount "$VAULT"
    virsh pool-refresh vault >/dev/null
    same "mounted, all is there" "$(sha256sum <"$VAULT/one.luks") $(link_show one)" "$before"
    same "and well" "$(state)" ok
else
    skip "a header's disk that is not mounted" "needs root"
fi
virsh vol-delete one data >/dev/null

note "An entry of the registry that cannot be believed"
made one raw >/dev/null
here sed -i 's/volume="one"/volume="one" /' "$(link_of one)"
refuse "no message says to remove a file" 'put it back from a backup, or give up the link with "virt-lukshdr forget data/one"' \
    plain_of one "$DAEMON_DIR/plain"
try "the message's command" eval "vl $(last_command "$OUT") --yes"
same "nothing is left of it" "$(links)" ""
virsh pool-dumpxml vault | sed 's|<target>|&<headers/>|' >"$DAEMON_DIR/xml/pool.xml"
virsh pool-define "$DAEMON_DIR/xml/pool.xml" >/dev/null
try "a pool that is declared to hold headers is looked at, and the label makes the link anew" \
    waited eval '[ "$(state)" = ok ]'
here sed -i 's/volume="one"/volume="one" /' "$(link_of one)"
status "by its name: that its label stays is said" 0 'Header vault/one.luks has its link label still' vl forget data/one --yes
status "list says to refresh it" 0 'vault/one.luks: no link leads here; .*: virsh pool-refresh vault; ' vl list
try "and makes the link anew" eval 'virsh pool-refresh vault && waited eval "[ \"\$(state)\" = ok ]"'
entry=$(link_of one)
here sh -c 'echo rubbish >"$1"' sh "$entry"
refuse "one that cannot be read" "virt-lukshdr forget $(basename "$entry" .xml)" plain_of one "$DAEMON_DIR/plain"
status "the message's command, and what comes of it" 0 'that makes the link again' eval "vl $(last_command "$OUT") --yes"
try "the link is made anew" eval 'virsh pool-refresh vault && waited eval "[ \"\$(state)\" = ok ]"'
try "it has its content" eval 'plain_of one "$DAEMON_DIR/plain" && cmp "$DAEMON_DIR/plain" "$DAEMON_DIR/content"'

unlike "the passphrase is in no log" "$(cat "$DAEMON_DIR"/*.log "$DAEMON_DIR/log"/* 2>/dev/null)" "$PASSPHRASE"
note "A pool whose directory was moved"
# moved POOL DIR NEW: its directory goes to another file system, and the pool says so
moved() {
    virsh pool-destroy "$1" && here mkdir -p "$3" && here mount -t tmpfs -o size=256m,mode=755 tmpfs "$3" &&
        here cp -a "$2/." "$3" && here find "$2" -type f -delete &&
        EDITOR="sed -i s,$2,$3," virsh pool-edit "$1" && virsh pool-start "$1"
}
made one raw >/dev/null
made two qcow2 >/dev/null
try "that of the headers goes to another file system" moved vault "$VAULT" "$DAEMON_IMAGES/vault2"
refuse "a header there is one at once" "holds the LUKS header of volume 'one'" virsh vol-delete one.luks vault
same "the list says that all is well" "$(state one) $(state two)" "ok ok"
try "it opens" plain_of one "$DAEMON_DIR/plain"
try "it has its content" cmp "$DAEMON_DIR/plain" "$DAEMON_DIR/content"
status "check finds nothing" 0 'things found: 0' vl check
try "that of the payloads goes to another file system" moved data "$DATA" "$DAEMON_IMAGES/data2"
refuse "a payload there is none to be deleted alone" "was replaced.*virt-lukshdr link data/one" virsh vol-delete one data
refuse "nor to be used in clear" "was replaced.*virt-lukshdr link data/one" virsh vol-clone one copy --pool data
same "the list says so" "$(state one) $(state two)" "payload-replaced payload-replaced"
refuse "no guest gets ciphertext" "was replaced.*virt-lukshdr link data/one" \
    virsh define "$(guest_of raw "$DAEMON_IMAGES/data2/one")"
DATA=$DAEMON_IMAGES/data2
for name in one two; do
    try "one command for $name" vl link "data/$name" --yes
    same "it is well" "$(state "$name")" ok
    try "it opens" plain_of "$name" "$DAEMON_DIR/plain"
    try "it has its content" cmp "$DAEMON_DIR/plain" "$DAEMON_DIR/content"
done
virsh vol-delete clear data >/dev/null
try "a new daemon" linked_launch
status "check finds nothing" 0 'things found: 0' vl check
try "one is deleted" virsh vol-delete one data
try "and the other" virsh vol-delete two data
same "with their headers" "$(here ls "$DAEMON_IMAGES/vault2")" ""
finish
