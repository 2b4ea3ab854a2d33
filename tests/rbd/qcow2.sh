#!/bin/bash
# Linked volumes of format qcow2 whose payload is an image on Ceph: libvirt makes the image, the plugin what is in it.
# What it shows, its size, cloning to and from it, linking one that exists, the tool, and images whose content names
# other files. Guests are in qcow2-guest.sh.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/images.sh"

[ -x "$VL" ] || skip_all "needs $VL: build first, or set BUILDDIR"

TEXT="what nobody on the cluster may know: $RANDOM $RANDOM"
SECRET="<secret type='passphrase' uuid='$SECRET_UUID'/>"

try "a daemon with a header pool and a pool on Ceph starts" images_start || finish

# qcow NAME [MIB [SECRET [HEADER]]]: a linked volume of format qcow2; MORE is what else is in its <target>.
MORE=
qcow() {
    image_xml "$@" | sed "s|<format type='raw'/>|<format type='qcow2'/>$MORE|" | create_in images
}

# from POOL SOURCE SOURCEPOOL: vol-create-from of the XML on stdin.
from() {
    cat >"$DAEMON_DIR/xml/from.xml" && virsh vol-create-from "$1" "$DAEMON_DIR/xml/from.xml" "$2" --inputpool "$3"
}

# node NAME: the qcow2 in the image, for QEMU's tools. whole_of NAME: the linked volume.
node() {
    local image
    image=$(image_url "images/$1" libvirt)
    echo "${image#json:}" | sed 's/"driver":"raw"/"driver":"qcow2"/'
}
whole_of() {
    local file
    case $1 in
        */*) file="{\"driver\":\"${1##*.}\",\"file\":{\"driver\":\"file\",\"filename\":\"$1\"}}" ;;
        *) file=$(node "$1") ;;
    esac
    echo "json:{\"driver\":\"luks\",\"key-secret\":\"s\",\"file\":$file,\
\"header\":{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"$VAULT/${1##*/}.luks\"}}}"
}

PASS=$DAEMON_WORK/pass
(umask 077 && printf %s "$PASSPHRASE" >"$PASS")
qemu() {
    local tool=$1
    shift
    "$tool" "$@" --object "secret,id=s,file=$PASS" --object "$(image_key libvirt)"
}
alike() {
    qemu qemu-img compare "$1" "$2"
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
try "is made" qcow one 64 || finish
try "either end shows the other" is_linked one
like "it is shown as what it is" "$(virsh vol-dumpxml one images)" "<format type=.qcow2./>"
same "with the capacity of the disk" "$(capacity one)" "$(both $((64 * MIB)))"
same "which is QEMU's" "$(inside one)" $((64 * MIB))
same "the image has room for all of it" "$(($(size_of one) > 64 * MIB))" 1
same "and stores next to nothing" "$(objects one)" 1
like "the label has the format" "$(tail -c +$((2 * MIB + 1)) "$VAULT/one.luks" | tr -d '\0')" \
    '<payload pool="images" volume="one" format="qcow2"'
yes "$TEXT" | head -c $MIB >"$DAEMON_WORK/text"
try "QEMU opens the two, and writes" qemu qemu-io -c "write -s $DAEMON_WORK/text 5M 1M" "$(whole_of one)"
before=$(size_of one)
try "from end to end" qemu qemu-io -c "write -P 7 8M 56M" "$(whole_of one)"
same "for which the image need not grow" "$(size_of one)" "$before"
try "and reads" qemu qemu-io -r -c "read -P 7 8M 56M" "$(whole_of one)"
file=$(exported one)
same "the image begins as qcow2 does" "$(head -c 3 "$file")" QFI
same "it has nothing of the text" "$(grep -c -aF "${TEXT:0:20}" "$file")" 0
same "nor a word of LUKS" "$(grep -c -aF LUKS "$file")" 0
try "the daemon starts again" images_launch
try "it is the same then" is_linked one
same "with its capacity" "$(capacity one)" "$(both $((64 * MIB)))"
try "pool-refresh changes nothing" virsh pool-refresh images
same "nor the capacity" "$(capacity one)" "$(both $((64 * MIB)))"
finish
