#!/bin/bash
# Headers and replicas on Ceph, in a pool with a user of its own: of payloads in files, and on Ceph in another
# pool. Guests are in header-guest.sh.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/images.sh"

HEADERS_UUID=0d7c1d5a-6f0e-4a6d-8a55-5d0c8e1b7f11
TEXT="what nobody on the cluster may know: $RANDOM $RANDOM"
SECRET="<secret type='passphrase' uuid='$SECRET_UUID'/>"

try "a daemon with a header pool and a pool on Ceph starts" images_start || finish
ceph_secret headers "$HEADERS_UUID"
try "a header pool on Ceph" ceph_pool keys headers "$HEADERS_UUID" "" vault || finish

# label IMAGE: the label's text, without NULs.
label() {
    tail -c +$((2 * MIB + 1)) "$(exported "vault/$1")" | tr -d '\0'
}
# link_keys ACTION PAYLOAD HEADER [SECRET]: XML that names what exists, the header in the pool "keys".
link_keys() {
    link_xml "$@" | sed "s/pool='vault'/pool='keys'/"
}
# clone_to SOURCE NAME [ATTRIBUTES [HEADER]]: a linked clone; HEADER is the attributes of its header's <source>.
clone_to() {
    image_xml "$2" 16 "$([ -n "${3:-}" ] || echo "$SECRET")" "${4:-pool='keys' volume='$2.luks'}" |
        sed "s/<header type='volume'/& ${3:-}/" >"$DAEMON_DIR/xml/clone.xml" &&
        virsh vol-create-from images "$DAEMON_DIR/xml/clone.xml" "$1"  --inputpool images
}
# image_share NAME HEADER: a linked volume that shares a header.
image_share() {
    image_xml "$1" 16 "" "pool='keys' volume='$2'" | sed "s/<header type='volume'/& link='share'/" | create_in images
}

note "A header on Ceph of a payload in a file"
try "a linked volume is made" create one raw "" "pool='keys' volume='one.luks'" || finish
same "the header's image has its full size" "$(size_of vault/one.luks)" $((4 * MIB))
try "it opens with the passphrase" opens "$(exported vault/one.luks)"
like "its label names the payload" "$(label one.luks)" '<payload pool="data" volume="one" format="raw"'
like "and itself, without the key" "$(label one.luks)" '<remote protocol="rbd"'
like "vol-dumpxml of the payload shows it" "$(shown one data)" "<source pool='keys' volume='one.luks'/>"
like "vol-dumpxml of the header shows the payload" "$(shown one.luks keys)" "<source pool='data' volume='one'/>"
try "pool-refresh data" virsh pool-refresh data
try "pool-refresh keys" virsh pool-refresh keys
like "it is shown still" "$(shown one data)" "<source pool='keys' volume='one.luks'/>"
refuse "the header alone is deleted" "holds the LUKS header of volume 'one'" virsh vol-delete one.luks keys
refuse "the header alone is wiped" "holds the LUKS header of volume 'one'" virsh vol-wipe one.luks keys
try "the tool lists it" vl list
like "as what it is" "$OUT" "^data/one +raw .* keys/one\.luks .* ok"
try "check" vl check
like "has nothing to say" "$OUT" "links checked: 1, things found: 0"

note "Its keys, and its bytes, through the API"
exported vault/one.luks >/dev/null && cp "$DAEMON_WORK/exported" "$DAEMON_WORK/kept"
try "it is downloaded" virsh vol-download one.luks "$DAEMON_WORK/down" keys
try "as it is in the cluster" cmp "$DAEMON_WORK/down" "$DAEMON_WORK/kept"
try "a part of it" virsh vol-download one.luks "$DAEMON_WORK/part" keys --offset 512 --length 1024
try "is that part" cmp "$DAEMON_WORK/part" <(tail -c +513 "$DAEMON_WORK/kept" | head -c 1024)
refuse "more than there is" "has 4194304 bytes" virsh vol-download one.luks "$DAEMON_WORK/part" keys --offset 4194300 --length 5
try "the tool saves it" vl header-backup data/one "$DAEMON_DIR/one.bak"
printf %s "another passphrase" >"$DAEMON_DIR/second"
printf %s "$PASSPHRASE" >"$DAEMON_DIR/first"
printf %s "a third passphrase" >"$DAEMON_DIR/third"
chmod 600 "$DAEMON_DIR/first" "$DAEMON_DIR/second" "$DAEMON_DIR/third"
try "a key is added" vl key-add data/one --passphrase-file "$DAEMON_DIR/first" --new-passphrase-file "$DAEMON_DIR/second" --iter-time 10
try "the header in the cluster opens with it" opens "$(exported vault/one.luks)" "another passphrase"
try "and with the first" opens "$(exported vault/one.luks)"
like "the label has a newer generation" "$(label one.luks)" 'generation="[0-9]+"'
try "check" vl check
like "has nothing to say" "$OUT" "links checked: 1, things found: 0"
exported vault/one.luks >/dev/null && cp "$DAEMON_WORK/exported" "$DAEMON_WORK/kept"
# spoil IMAGE: something else is in a key slot.
spoil() {
    qemu-io --object "$(image_key libvirt)" -c "write -P 0x5a 8192 512" "$(image_url "vault/$1" libvirt)" >/dev/null
}
try "somebody damages it" spoil one.luks
virsh pool-refresh keys
try "check" not vl check
like "sees it" "$OUT" "damaged"
try "it is put back" virsh vol-upload one.luks "$DAEMON_WORK/kept" keys
virsh pool-refresh keys
try "check again" vl check
like "has nothing to say" "$OUT" "links checked: 1, things found: 0"
try "it is as it was" cmp "$(exported vault/one.luks)" "$DAEMON_WORK/kept"
try "the tool saves it again" vl header-backup --force data/one "$DAEMON_DIR/one.bak"
try "somebody damages it again" spoil one.luks
try "the tool puts it back" vl header-restore data/one "$DAEMON_DIR/one.bak"
try "check after that" vl check
like "has nothing to say" "$OUT" "links checked: 1, things found: 0"
try "it opens" opens "$(exported vault/one.luks)" "another passphrase"
try "a key is changed" vl key-change data/one --passphrase-file "$DAEMON_DIR/second" \
    --new-passphrase-file "$DAEMON_DIR/third" --iter-time 10
try "the new one opens" opens "$(exported vault/one.luks)" "a third passphrase"
refuse "the old one does not" "No key available" opens "$(exported vault/one.luks)" "another passphrase"
try "it is removed" vl key-remove data/one --passphrase-file "$DAEMON_DIR/third"
try "what libvirt has opens" opens "$(exported vault/one.luks)"

note "Deletion"
exported vault/one.luks >/dev/null && cp "$DAEMON_WORK/exported" "$DAEMON_WORK/kept"
mkfifo "$DAEMON_WORK/hold"
_ceph_run rbd watch vault/one.luks <"$DAEMON_WORK/hold" >/dev/null 2>&1 &
HOLDER=$!
exec {HOLD}>"$DAEMON_WORK/hold"
waited watched vault/one.luks
refuse "while somebody has the header open" "in use, by a client of the Ceph cluster" virsh vol-delete one data
refuse "nor is it wiped" "in use, by a client of the Ceph cluster" virsh vol-wipe one data
try "the header opens still" opens "$(exported vault/one.luks)"
echo >&"$HOLD"
exec {HOLD}>&-
wait "$HOLDER"
waited not watched vault/one.luks
refuse "by another algorithm than zero" "use zero" virsh vol-wipe one data --algorithm dod
try "the header opens still" opens "$(exported vault/one.luks)"
try "the volume is wiped" virsh vol-wipe one data
try "nothing is left of the key material" erased "$(exported vault/one.luks)" "$DAEMON_WORK/kept"
same "the image is there, of its size" "$(size_of vault/one.luks)" $((4 * MIB))
try "and deleted" virsh vol-delete one data
same "no image is left" "$(rbd ls vault)" ""
nothing_left "all of it"

note "Header and payload on Ceph, each with a user of its own; replicas in either kind of pool"
try "a linked volume with three copies of its header" image two 16 "$SECRET" \
    "pool='keys' volume='two.luks'/><source pool='vault' volume='two.rep'/><source pool='keys' volume='two.rep'"
exported vault/two.luks >/dev/null && cp "$DAEMON_WORK/exported" "$DAEMON_WORK/kept"
try "the replica in a directory is the same" cmp "$VAULT/two.rep" "$DAEMON_WORK/kept"
try "so is the one on Ceph" cmp "$(exported vault/two.rep)" "$DAEMON_WORK/kept"
try "QEMU opens the two, and writes" into two "$DAEMON_WORK/kept" "$TEXT"
try "somebody damages both on Ceph" eval 'spoil two.luks && spoil two.rep'
try "pool-start mends them" eval 'virsh pool-destroy keys && virsh pool-start keys'
for copy in two.luks two.rep; do
    try "$copy" waited eval 'cmp -s "$(exported vault/'$copy')" "$DAEMON_WORK/kept"'
done
try "a key is added" vl key-add images/two --passphrase-file "$DAEMON_DIR/first" \
    --new-passphrase-file "$DAEMON_DIR/second" --iter-time 10
for copy in two.luks two.rep; do
    try "$copy opens with it" opens "$(exported vault/$copy)" "another passphrase"
done
try "the replica in a directory, too" opens "$VAULT/two.rep" "another passphrase"
try "it is cloned, with a header on Ceph" clone_to two three
exported vault/three.luks >/dev/null && cp "$DAEMON_WORK/exported" "$DAEMON_WORK/three"
same "what was written is in the clone" "$(out_of three "$DAEMON_WORK/three")" "$TEXT"
try "a copy of the header, in a file" clone_to two four "link='copy'" "pool='vault' volume='four.luks'"
same "opens the clone" "$(out_of four "$VAULT/four.luks")" "$TEXT"
try "a copy of a header in a file, on Ceph" clone_to four five "link='copy'" "pool='keys' volume='five.luks'"
exported vault/five.luks >/dev/null && cp "$DAEMON_WORK/exported" "$DAEMON_WORK/five"
same "opens the clone" "$(out_of five "$DAEMON_WORK/five")" "$TEXT"
try "somebody locks the image" rbd lock add vault/two.luks somebody
refuse "nobody shares the header meanwhile" "locked by hand" image_share six two.luks
unlike "the label names no other" "$(label two.luks)" 'volume="six"'
unlike "nothing was made" "$(rbd ls images)" six
refuse "nor is the volume deleted" "locked by hand" virsh vol-delete two images
try "its header opens still" opens "$(exported vault/two.luks)"
rbd lock rm vault/two.luks somebody "$(rbd lock ls vault/two.luks | awk '/^client/ { print $1 }')"
try "another volume shares the header" image_share six two.luks
like "the label has both" "$(label two.luks)" 'volume="six"'
for name in six two three four five; do
    try "$name is deleted" virsh vol-delete $name images
done
same "no image is left" "$(rbd ls vault; rbd ls images)" ""
nothing_left "all of it"

note "Volumes that exist"
header_of "$DAEMON_DIR/template"
head -c 2068480 "$DAEMON_DIR/template" >"$DAEMON_DIR/short"
rbd import "$DAEMON_DIR/short" vault/hand.luks --no-progress
rbd create images/hand --size 16M
virsh pool-refresh keys
virsh pool-refresh images
try "an image and a header on Ceph are linked" create_in images <<<"$(link_keys existing hand hand.luks "$SECRET")"
same "the header's image has its full size now" "$(size_of vault/hand.luks)" $((4 * MIB))
like "the label names the payload" "$(label hand.luks)" 'volume="hand"'
rbd create images/second --size 16M
virsh pool-refresh images
refuse "the header of another" "is a header already" create_in images <<<"$(link_keys existing second hand.luks "$SECRET")"
try "it is unlinked" create_in images <<<"$(link_keys unlink hand hand.luks)"
unlike "the label is gone" "$(label hand.luks)" 'LUKSHDR'
try "the header opens" opens "$(exported vault/hand.luks)"
try "it is linked again" create_in images <<<"$(link_keys existing hand hand.luks "$SECRET")"
exported vault/hand.luks >/dev/null && cp "$DAEMON_WORK/exported" "$DAEMON_WORK/kept"
id=$(link_show hand | grep -o 'type="rbd" id="[^"]*"' | tail -n 1)
try "the header's image is removed by hand" rbd rm vault/hand.luks --no-progress
virsh pool-refresh keys
try "that is noticed" waited eval 'virsh vol-dumpxml hand images | grep -q missing'
refuse "and the volume cannot be cloned" "no pool or image 'vault/hand.luks'|no storage vol" clone_to hand other
try "another image of that name holds something else" rbd create vault/hand.luks --size 4M
virsh pool-refresh keys
refuse "which nobody takes for the header" "rbd:vault/hand.luks|not a LUKS|no LUKS" clone_to hand other
rbd rm vault/hand.luks --no-progress
try "the header is put back from a backup" rbd import "$DAEMON_WORK/kept" vault/hand.luks --no-progress
virsh pool-refresh keys
try "it is taken, by what it holds" waited eval '! virsh vol-dumpxml hand images | grep -q missing'
unlike "as another image" "$(link_show hand)" "$id"
try "the volume is cloned" clone_to hand other
virsh vol-delete other images
virsh vol-delete hand images
virsh vol-delete second images

note "Who may write headers decides"
ceph auth caps client.headers mon 'profile rbd' osd 'profile rbd-read-only pool=vault'
refuse "a user that may only read" "failed to create volume" create bad raw "" "pool='keys' volume='bad.luks'"
ceph auth caps client.headers mon 'profile rbd' osd 'profile rbd pool=vault'
same "no image is left" "$(rbd ls vault)" ""
nothing_left "that"

note "Defaults and other hosts"
virsh pool-dumpxml keys --inactive | sed 's,</pool>,<target><headers/></target></pool>,' >"$DAEMON_DIR/xml/default.xml"
try "the pool is declared to hold headers" virsh pool-define "$DAEMON_DIR/xml/default.xml"
like "and says so" "$(virsh pool-dumpxml keys)" "<headers/>"
rbd create vault/stray --size 4M
virsh pool-refresh keys
refuse "an image there is nobody's disk" "declared to hold headers" virsh create /dev/stdin <<XML
<domain type='qemu'><name>stray</name><memory>16384</memory><os><type arch='x86_64'>hvm</type></os><devices>
$(network_disk vda vault/stray raw headers "$HEADERS_UUID")</devices></domain>
XML
rbd rm vault/stray --no-progress
try "a volume is made" image seven 16 "$SECRET" "pool='keys'"
exported vault/seven.luks >/dev/null && cp "$DAEMON_WORK/exported" "$DAEMON_WORK/kept"
one=$(link_show seven)
try "host two starts" linked_start two
quick_keys
ceph_secret libvirt "$CEPH_UUID" && ceph_pool images libvirt "$CEPH_UUID"
ceph_secret headers "$HEADERS_UUID" && ceph_pool keys headers "$HEADERS_UUID" "<headers/>" vault
try "finds it by its label" waited eval 'virsh vol-dumpxml seven images | grep -q "pool=.keys. volume=.seven.luks."'
like "and takes it" "$(link_show seven)" "$(grep -o '<uuid>[^<]*' <<<"$one" | head -n 1)"
try "deletes it" virsh vol-delete seven images
same "with the header" "$(rbd ls vault)" ""
linked_use host
finish
