#!/bin/bash
# Linked volumes of format qcow2 whose payload is an image on Ceph: libvirt makes the image, the plugin what is in it.
# What it shows, its size, cloning to and from it, linking one that exists, the tool, and images whose content names
# other files. Guests are in qcow2-guest.sh.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/images.sh"

[ -x "$VL" ] || skip_all "needs $VL: build first, or set BUILDDIR"

TEXT="what nobody on the cluster may know: $RANDOM $RANDOM"

try "a daemon with a header pool and a pool on Ceph starts" images_start || finish
quick_format # whose key a header has is the business of other tests

# qcow NAME [MIB [SECRET [HEADER]]]: a linked volume of format qcow2; MORE is what else is in its <target>.
MORE=
qcow() {
    image_xml "$@" | sed "s|<format type='raw'/>|<format type='qcow2'/>$MORE|" | create_in images
}

# node NAME: the qcow2 in the image, for QEMU's tools. whole_of NAME: the linked volume.
node() {
    local image
    image=$(image_url "images/$1" libvirt)
    image=${image#json:}
    echo "${image/\"raw\"/\"qcow2\"}"
}
whole_of() {
    local file
    case $1 in
        */*) file="{\"driver\":\"${1##*.}\",\"file\":{\"driver\":\"file\",\"filename\":\"$1\"}}" ;;
        *) file=$(node "$1") ;;
    esac
    echo "json:{\"driver\":\"luks\",\"key-secret\":\"pass\",\"file\":$file,\
\"header\":{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"$VAULT/${1##*/}.luks\"}}}"
}

# inside NAME: how large the disk in the image is, as QEMU says.
inside() {
    qemu qemu-img info --output json "json:$(node "$1")" | jq '."virtual-size"'
}

# capacity NAME: as vol-dumpxml and vol-info have it.
capacity() {
    virsh vol-dumpxml "$1" images | sed -nE "s|.*<capacity unit=['\"]bytes['\"]>([0-9]+)<.*|\1|p"
    virsh vol-info "$1" images --bytes | sed -n 's/Capacity: *\([0-9]*\).*/\1/p'
}
both() {
    printf '%s\n%s' "$1" "$1"
}

# objects IMAGE: how many it has.
objects() {
    local prefix
    prefix=$(rbd info "images/$1" | sed -n 's/.*block_name_prefix: //p')
    _ceph_run timeout 60 rados -p images ls | grep -c "^$prefix\."
}

# bare IMAGE: it has nothing of the text.
bare() {
    rbd export "images/$1" - --no-progress | not grep -aqF "${TEXT:0:20}"
}

note "A linked volume of format qcow2"
try "is made" qcow one || finish
try "either end shows the other" is_linked one
like "it is shown as what it is" "$(virsh vol-dumpxml one images)" "<format type=.qcow2./>"
same "with the capacity of the disk" "$(capacity one)" "$(both $((16 * MIB)))"
same "which is QEMU's" "$(inside one)" $((16 * MIB))
same "the image has room for all of it" "$(($(size_of one) > 16 * MIB))" 1
same "and stores next to nothing" "$(objects one)" 1
like "the label has the format" "$(tail -c +$((2 * MIB + 1)) "$VAULT/one.luks" | tr -d '\0')" \
    '<payload pool="images" volume="one" format="qcow2"'
yes "$TEXT" | head -c $MIB >"$DAEMON_WORK/text"
try "QEMU opens the two, and writes" qemu qemu-io -c "write -s $DAEMON_WORK/text 5M 1M" "$(whole_of one)"
before=$(size_of one)
try "from end to end" qemu qemu-io -c "write -P 7 8M 8M" "$(whole_of one)"
same "for which the image need not grow" "$(size_of one)" "$before"
try "and reads" qemu qemu-io -r -c "read -P 7 8M 8M" "$(whole_of one)"
file=$(exported one)
same "the image begins as qcow2 does" "$(head -c 3 "$file")" QFI
same "it has nothing of the text" "$(grep -c -aF "${TEXT:0:20}" "$file")" 0
same "nor a word of LUKS" "$(grep -c -aF LUKS "$file")" 0
try "the daemon starts again" images_launch
try "it is the same then" is_linked one
same "with its capacity" "$(capacity one)" "$(both $((16 * MIB)))"
try "pool-refresh changes nothing" virsh pool-refresh images
same "nor the capacity" "$(capacity one)" "$(both $((16 * MIB)))"

note "Its size"
before=$(sha256sum <"$VAULT/one.luks")
try "it grows" virsh vol-resize one 24M images
same "to what was asked for" "$(capacity one)" "$(both $((24 * MIB)))"
same "so says QEMU" "$(inside one)" $((24 * MIB))
same "and the image with it" "$(($(size_of one) > 24 * MIB))" 1
try "by a difference" virsh vol-resize one 512 images --delta
same "of a sector" "$(inside one)" $((24 * MIB + 512))
same "the header knows nothing of it" "$(sha256sum <"$VAULT/one.luks")" "$before"
try "what was written is there" qemu qemu-io -r -c "read -P 7 8M 8M" "$(whole_of one)"
unchanged "vol-resize to less" "below the present one" virsh vol-resize one 20M images
same "has changed nothing within either" "$(inside one)" $((24 * MIB + 512))
try "but if that is said" virsh vol-resize one 16M images --shrink
same "it is cut" "$(capacity one)" "$(both $((16 * MIB)))"
same "for what was written the image is long enough" "$(($(size_of one) > 16 * MIB))" 1
try "and it is there" qemu qemu-io -r -c "read -P 7 8M 8M" "$(whole_of one)"
mkfifo "$DAEMON_WORK/hold"
hold() {
    qemu qemu-io -r "json:$(node one)" <"$DAEMON_WORK/hold" >"$DAEMON_WORK/hold.log" 2>&1 &
    HOLDER=$!
    exec {HOLD}>"$DAEMON_WORK/hold" && waited watched one
}
try "somebody has it open" hold
unchanged "vol-resize then" "in use" virsh vol-resize one 32M images
same "has changed nothing within either" "$(inside one)" $((16 * MIB))
unchanged "vol-delete then" "in use" virsh vol-delete one images
echo quit >&"$HOLD"
exec {HOLD}>&-
wait "$HOLDER"
waited not watched one

note "What it can be made of"
MORE="<compat>1.1</compat><clusterSize unit='KiB'>4</clusterSize><features><lazy_refcounts/></features>" \
    try "a small one, with clusters and features" qcow fine 1
same "is as small as that" "$(capacity fine)" "$(both $MIB)"
like "QEMU finds them" "$(qemu qemu-img info "json:$(node fine)" | tr '\n' ' ')" \
    'cluster_size: 4096 .*compat: 1.1 .*lazy refcounts: true'
try "it is deleted" virsh vol-delete fine images
before=$(state)
MORE="<compat>7.0</compat>" refuse "another level" "level '7.0'" qcow no
MORE="<features><other/></features>" refuse "an unknown feature" "other" qcow no
MORE="<clusterSize unit='parsec'>1</clusterSize>" refuse "an unknown unit" "parsec" qcow no
MORE="<clusterSize>1000</clusterSize>" refuse "clusters that QEMU does not make" "luster" qcow no
refuse "another format" "formats 'raw' and 'qcow2' alone" \
    eval 'image_xml no | sed "s/raw/vmdk/" | create_in images'
refuse "a plain one, as ever" "only RAW volumes" create_in images <<XML
<volume><name>no</name><capacity>16777216</capacity><target><format type='qcow2'/></target></volume>
XML
same "nothing has changed" "$(state)" "$before"

note "Copies"
# Sparse: 2 MiB of 16.
truncate -s 16M "$DATA/file.raw"
dd if="$DAEMON_WORK/text" of="$DATA/file.raw" bs=1M seek=5 conv=notrunc status=none
dd if=/dev/urandom of="$DATA/file.raw" bs=1M seek=9 count=1 conv=notrunc status=none
chmod 644 "$DATA/file.raw"
rbd import --no-progress "$DATA/file.raw" images/image
for pool in data images; do virsh pool-refresh $pool; done
FILE="json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"$DATA/file.raw\"}}"
try "of a file" eval 'linked_xml two qcow2 | from images file.raw data'
try "has its content" alike "$FILE" "$(whole_of two)"
same "and its size" "$(capacity two)" "$(both $((16 * MIB)))"
try "the cluster has nothing of it" bare two
try "of a raw image, into a larger one" eval 'linked_xml three qcow2 | sed "s|>16<|>24<|" | from images image images'
same "which is that large" "$(capacity three)" "$(both $((24 * MIB)))"
three=$(whole_of three)
try "has its content" alike "$FILE" "json:{\"driver\":\"raw\",\"size\":$((16 * MIB)),\"file\":${three#json:}}"
try "vol-clone" virsh vol-clone two four images
like "is of the same format" "$(virsh vol-dumpxml four images)" "<format type=.qcow2./>"
try "has its content" alike "$FILE" "$(whole_of four)"
try "into a raw image" eval 'linked_xml five raw | from images two images'
same "of the disk's size" "$(size_of five)" $((16 * MIB))
try "the same" alike "$(whole_of five | sed 's/"driver":"qcow2"/"driver":"raw"/')" "$FILE"
try "into a file" eval 'linked_xml six.qcow2 qcow2 | from data two images'
try "the same" alike "$FILE" "$(whole_of "$DATA/six.qcow2")"
try "and back" eval 'linked_xml seven qcow2 | from images six.qcow2 data'
try "the same" alike "$FILE" "$(whole_of seven)"
try "into a plain file" from data two images <<XML
<volume><name>eight.raw</name><capacity>0</capacity><target><format type='raw'/></target></volume>
XML
try "the same" cmp "$DATA/eight.raw" "$DATA/file.raw"
same "with its holes" "$(($(stat -c %b "$DATA/eight.raw") * 512 <= 4 * MIB))" 1
try "into a plain image" from images two images <<XML
<volume><name>nine</name><capacity>0</capacity><target><format type='raw'/></target></volume>
XML
try "the same" eval 'rbd export images/nine - --no-progress | cmp - "$DATA/file.raw"'
same "with its holes" "$(objects nine)" 2
copy_xml() {
    linked_xml "$1" "$2" | sed "s|<secret [^>]*/>||; s|<header type='volume'>|<header type='volume' link='copy'>|"
}
qcow thin && qemu qemu-io -c 'write -P 7 8M 1M' "$(whole_of thin)" >/dev/null
few=$(objects thin)
try "a quick one" eval 'copy_xml quick qcow2 | from images thin images'
try "opens" qemu qemu-io -r -c 'read -P 7 8M 1M' "$(whole_of quick)"
same "and has as few objects" "$(objects quick)" "$few"
unchanged "a plain qcow2" "only RAW volumes" from images two images <<XML
<volume><name>no</name><capacity>0</capacity><target><format type='qcow2'/></target></volume>
XML
for name in image three four five seven nine thin quick; do
    try "$name is deleted" virsh vol-delete "$name" images
done
for name in six.qcow2 eight.raw; do
    try "$name is deleted" virsh vol-delete "$name" data
done

note "A shared header"
share_xml() {
    image_xml "$1" 16 "" "pool='vault' volume='two.luks'" |
        sed "s|<format type='raw'/>|<format type='qcow2'/>|; s|<header type='volume'>|<header type='volume' link='share'>|"
}
try "a volume with the header of another" eval 'share_xml shares | create_in images'
like "is of its own format" "$(virsh vol-dumpxml shares images)" "<format type=.qcow2./>"
try "QEMU opens it" qemu qemu-io -c 'write -P 7 8M 1M' "json:{\"driver\":\"luks\",\"key-secret\":\"pass\",\
\"file\":$(node shares),\"header\":{\"driver\":\"file\",\"filename\":\"$VAULT/two.luks\"}}"
try "it is deleted" virsh vol-delete shares images
try "the other has its header still" alike "$FILE" "$(whole_of two)"

note "The header on the cluster as well"
try "a pool for it" ceph_pool cephvault libvirt "$CEPH_UUID" "" vault
try "a volume" qcow pair 16 "<secret type='passphrase' uuid='$SECRET_UUID'/>" "pool='cephvault'"
like "shows where it is" "$(shown pair images)" "<source pool='cephvault' volume='pair.luks'/>"
header=$(image_url vault/pair.luks libvirt)
PAIR="json:{\"driver\":\"luks\",\"key-secret\":\"pass\",\"file\":$(node pair),\"header\":${header#json:}}"
try "QEMU opens the two" qemu qemu-io -c "write -s $DAEMON_WORK/text 5M 1M" "$PAIR"
try "it grows" virsh vol-resize pair 24M images
same "and shows that" "$(capacity pair)" "$(both $((24 * MIB)))"
try "it is copied to one whose header is in a file" eval 'linked_xml apart qcow2 | from images pair images'
same "as large" "$(capacity apart)" "$(both $((24 * MIB)))"
try "with its content" qemu qemu-img compare "$(whole_of apart)" "$PAIR"
try "the cluster has nothing of it" bare pair
for name in pair apart; do
    try "$name is deleted" virsh vol-delete "$name" images
done
same "and the header with it" "$(rbd ls vault)" ""

note "The tool"
try "list" vl list
like "knows the format and the size" "$OUT" "^images/one +qcow2 +16\.0.MiB +vault/one\.luks +$SECRET_UUID +ok"
try "info" vl info one
like "as well" "$OUT" '^Format: +qcow2'
like "and where it is" "$OUT" '^Payload: +rbd:images/one'
try "check" vl check
like "has nothing to say against them" "$OUT" 'links checked: 2, things found: 0'
LC_ALL=C try "the chain" vl chain one
like "has a node for the qcow2" "$OUT" 'file: lukshdr-1-payload  qcow2'
like "over the image" "$OUT" 'file: lukshdr-1-storage  rbd  images/one'
json=$("$DAEMON_IN" "$VL" chain --format json one 2>/dev/null)
try "json opens it" qemu-io -r --object "secret,id=lukshdr-1-format-encryption-secret0,file=$DAEMON_WORK/pass" \
    --object "secret,id=lukshdr-1-storage-auth-secret0,format=base64,file=$CEPH_DIR/libvirt.key" \
    -c 'read -P 7 8M 8M' "$json"
try "domain" vl chain --format domain one
like "says qcow2" "$OUT" '<driver name="qemu" type="qcow2"/>'
try "convert to a raw image" vl convert images/two images/raw --format raw --secret "$SECRET_UUID"
like "is raw" "$(vl list)" '^images/raw +raw +16\.0.MiB'
try "and back" vl convert images/raw images/back --format qcow2 --secret "$SECRET_UUID"
like "is qcow2" "$(vl list)" '^images/back +qcow2 +16\.0.MiB'
try "it has the content" alike "$FILE" "$(whole_of back)"
for name in raw back; do
    try "$name is deleted" virsh vol-delete "$name" images
done

note "Unlinked and linked"
try "unlink" vl unlink images/two
try "the image is plain" is_plain two
like "and raw to libvirt" "$(virsh vol-dumpxml two images)" "<format type=.raw./>"
unchanged "as what it is not" "is of format 'qcow2', not 'raw'" create_in images \
    <<<"$(link_xml existing two two.luks "<secret type='passphrase' uuid='$SECRET_UUID'/>" |
        sed "s|<target>|&<format type='raw'/>|")"
try "link" vl link images/two vault/two.luks --secret "$SECRET_UUID"
like "finds what is in it" "$(vl list)" '^images/two +qcow2 +16\.0.MiB +vault/two\.luks .*ok'
try "the content is there" alike "$FILE" "$(whole_of two)"

note "What an image says of others"
# hostile OPTIONS...: an image made by hand says that there are others.
hostile() {
    rm -f "$DAEMON_WORK/hostile" "$DAEMON_WORK/secret"
    truncate -s 16M "$DAEMON_WORK/secret"
    qemu-img create -q -f qcow2 "$@" "$DAEMON_WORK/hostile" 16M &&
        rbd import --no-progress "$DAEMON_WORK/hostile" images/hostile && virsh pool-refresh images
}
try "a linked one" qcow victim
for how in backing data; do
    names="names a backing file"
    options="-b $DAEMON_WORK/secret -F raw"
    [ "$how" = backing ] || names="names an external data file" options="-o data_file=$DAEMON_WORK/secret"
    # shellcheck disable=SC2086 # several words
    try "$how: an image" hostile $options
    "$DAEMON_IN" cp "$VAULT/two.luks" "$VAULT/hostile.luks"
    virsh pool-refresh vault
    unchanged "$how: it is not linked" "'hostile' of pool 'images' cannot be a payload.*$names" create_in images \
        <<<"$(link_xml existing hostile hostile.luks "<secret type='passphrase' uuid='$SECRET_UUID'/>")"
    rbd rm images/hostile --no-progress
    virsh pool-refresh images
    virsh vol-delete hostile.luks vault
    # and what is in an image that is linked is replaced
    qemu-img convert -n -f raw -O raw --object "$(image_key libvirt)" "$DAEMON_WORK/hostile" \
        "$(image_url images/victim libvirt)"
    unchanged "$how: nor cloned" "'victim'.*$names" eval 'linked_xml no qcow2 | from images victim images'
    unchanged "$how: nor resized" "'victim'.*$names" virsh vol-resize victim 32M images
    like "$how: it is shown" "$(virsh vol-dumpxml victim images)" "<source pool='vault' volume='victim.luks'/>"
done
try "what is no qcow2 at all" qemu-io --object "$(image_key libvirt)" -c "write -z 0 64k" "$(image_url images/victim libvirt)"
unchanged "is not cloned" "'victim'.*not of format 'qcow2'" eval 'linked_xml no qcow2 | from images victim images'
like "its size is the image's" "$(virsh vol-dumpxml victim images)" "<capacity unit=.bytes.>$(size_of victim)</capacity>"
try "and can be deleted" virsh vol-delete victim images

note "The daemon dies while an image is formatted"
mv "$BIN/qemu-img" "$BIN/quick-qemu-img"
tool qemu-img <<SH
if [ "\$1" = convert ]; then
    : >"$DAEMON_DIR/begun"
    shift
    exec "$BIN/quick-qemu-img" convert -r 1k "\$@"
fi
exec "$BIN/quick-qemu-img" "\$@"
SH
try "the cluster forgets clients sooner" ceph config set osd osd_client_watch_timeout 5
before=$(state)
qcow no >/dev/null 2>&1 &
waiting=$!
try "it is under way" waited test -e "$DAEMON_DIR/begun"
try "on the cluster, too" waited watched no
daemon_kill
wait "$waiting" 2>/dev/null
mv "$BIN/quick-qemu-img" "$BIN/qemu-img"
try "the daemon starts again" linked_launch
try "the cluster forgets those who died" waited not watched no
try "the pool is started" virsh pool-start images
try "what there was is removed" waited eval '[ -z "$(link_of no)" ]'
same "all of it" "$(state)" "$before"

note "The end"
try "vol-wipe" virsh vol-wipe two images
like "is told" "$(link_show two)" 'state="wiped"'
exec {witness}<"$VAULT/one.luks"
cp "$VAULT/one.luks" "$DAEMON_WORK/kept"
try "vol-delete" virsh vol-delete one images
try "no key material is left where it was" erased "/proc/self/fd/$witness" "$DAEMON_WORK/kept"
exec {witness}<&-
try "the wiped one, too" virsh vol-delete two images
same "no image is left" "$(rbd ls images)" ""
rm "$DATA/file.raw"
nothing_left "that"
finish
