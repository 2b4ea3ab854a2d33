# shellcheck shell=bash
# What the tests of volumes on RBD have in common: a daemon with a header pool "vault" (a directory), and an rbd
# pool "images" on a cluster of the test's own; XML of linked volumes whose payload is there; what lies on both
# sides. A test sources it, after guest/lib/disks.sh where it has guests.

. "$(dirname "${BASH_SOURCE[0]}")/../../lib/linked.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/ceph.sh"
need_ceph
need_command cryptsetup qemu-io jq

CEPH_UUID=6f3f1c1e-1e0c-4c63-9d8e-7d0f3a6b9c21
MIB=1048576

# images_start [NAME]: a daemon, a cluster unless there is one, and the pools.
images_start() {
    linked_start "${1:-host}" && quick_keys || return
    [ -n "$CEPH_DIR" ] || ceph_start || return
    ceph_secret libvirt "$CEPH_UUID" && ceph_pool images libvirt "$CEPH_UUID"
}

# images_launch: the daemon starts again, and the pool of images with it: libvirt forgets that a pool of this
# type was active.
images_launch() {
    linked_launch && virsh pool-start images
}

# image_xml NAME [MIB [SECRET [HEADER]]]: XML of a raw linked volume; SECRET is its element (the test's
# secret), HEADER the attributes of the header's <source>.
image_xml() {
    local secret=${3-"<secret type='passphrase' uuid='$SECRET_UUID'/>"} source=${4:-"pool='vault'"}
    cat <<XML
<volume>
  <name>$1</name>
  <capacity unit='MiB'>${2:-16}</capacity>
  <target>
    <format type='raw'/>
    <encryption format='luks'>
      $secret
      <header type='volume'><source $source/></header>
    </encryption>
  </target>
</volume>
XML
}

# image NAME [MIB [SECRET [HEADER]]]: makes that volume.
image() {
    image_xml "$@" | create_in images
}

# link_xml ACTION PAYLOAD HEADER [SECRET]: XML that names what exists.
link_xml() {
    cat <<XML
<volume><name>$2</name><capacity>0</capacity><target><encryption format='luks'>${4:-}
<header type='volume' link='$1'><source pool='vault' volume='$3'/></header></encryption></target></volume>
XML
}

# shown VOLUME POOL: the <encryption> that vol-dumpxml shows, in one line.
shown() {
    virsh vol-dumpxml "$1" "$2" | tr -d '\n' | grep -o '<encryption .*</encryption>' | sed 's/> *</></g'
}

# is_linked IMAGE [HEADER]: either end shows the other.
is_linked() {
    local header=${2:-$1.luks}
    virsh vol-dumpxml "$1" images
    virsh vol-dumpxml "$header" vault
    shown "$1" images | grep -q "<header type='volume'><source pool='vault' volume='$header'/></header>" &&
        shown "$header" vault | grep -q "<payload type='volume'><source pool='images' volume='$1'/></payload>"
}

# is_plain IMAGE: it is there, and shows no <encryption>.
is_plain() {
    local xml
    xml=$(virsh vol-dumpxml "$1" images) && ! grep '<encryption' <<<"$xml"
}

# there IMAGE: Ceph has it.
there() {
    rbd ls images | grep -qx "$1"
}

# image_of IMAGE: POOL/IMAGE, in the pool of images if it names none.
image_of() {
    case $1 in
        */*) echo "$1" ;;
        *) echo "images/$1" ;;
    esac
}

# size_of IMAGE: in bytes, as Ceph has it.
size_of() {
    rbd info "$(image_of "$1")" --format json | python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])'
}

# instance: connects to the cluster, and prints the number that the cluster gave the connection. It gives them in
# order, in steps that are its own.
instance() {
    _ceph_run "$(sed -n '1s/^#! *//p' "$(type -P ceph)")" -c '
import rados
cluster = rados.Rados()
cluster.conf_read_file()
cluster.connect()
print(cluster.get_instance_id())
cluster.shutdown()'
}

# connections COMMAND...: CONNECTIONS is how often anybody connects to the cluster while the command runs.
connections() {
    local first second third status=0
    first=$(instance) && second=$(instance) || return
    "$@" || status=$?
    third=$(instance) || return
    # shellcheck disable=SC2034 # for the caller
    CONNECTIONS=$(((third - second) / (second - first) - 1))
    return "$status"
}

# exported IMAGE: prints the name of a copy of it in a file.
exported() {
    rm -f "$DAEMON_WORK/exported"
    rbd export "$(image_of "$1")" "$DAEMON_WORK/exported" --no-progress && echo "$DAEMON_WORK/exported"
}

# watched IMAGE: whether anybody has it open.
watched() {
    rbd status "$(image_of "$1")" | grep -q watcher=
}

# state: everything that must not change where something is refused: the images' names, sizes and snapshots,
# the headers to the byte, the link registry.
state() {
    local name
    for name in $(rbd ls images); do
        echo "$name $(size_of "$name") $(rbd snap ls "images/$name" | wc -l)"
    done
    lies_there
}

# opens HEADER [PASSPHRASE]: whether the header, a file, opens with it.
opens() {
    printf %s "${2:-$PASSPHRASE}" | cryptsetup open --test-passphrase --type luks1 --key-file - "$(whole "$1")"
}

# whole FILE: prints the name of a copy of the header as if a payload followed it: cryptsetup wants one.
whole() {
    cp "$1" "$DAEMON_WORK/whole" && truncate -s 5M "$DAEMON_WORK/whole" &&
        printf '\0\0\40\0' | dd of="$DAEMON_WORK/whole" bs=1 seek=104 conv=notrunc status=none
    echo "$DAEMON_WORK/whole"
}

# erased FILE KEPT: nothing of the key material of the header KEPT, a copy from before, is in FILE any more.
erased() {
    python3 -c '
import sys
now, before = (open(name, "rb").read(2 << 20) for name in sys.argv[1:3])
assert before[:6] == b"LUKS\xba\xbe", "the copy is no header"
left = [at for at in range(0, len(before), 512)
        if before[at:at + 512].strip(b"\0") and now[at:at + 512] == before[at:at + 512]]
print("sectors that are as they were:", left)
sys.exit(1 if left else 0)' "$1" "$2"
}

# chain IMAGE HEADER: the name under which QEMU's tools open the two.
chain() {
    local file
    file=$(image_url "images/$1" libvirt)
    echo "json:{\"driver\":\"luks\",\"key-secret\":\"s\",\"file\":${file#json:},\
\"header\":{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"$2\"}}}"
}

# into IMAGE HEADER TEXT: the second MiB of what is in the two is full of the text. out_of prints that.
into() {
    yes "$3" | head -c $MIB >"$DAEMON_WORK/text"
    qemu-io --object "$(image_key libvirt)" --object "secret,id=s,data=$PASSPHRASE" \
        -c "write -s $DAEMON_WORK/text $MIB $MIB" "$(chain "$1" "$2")" >/dev/null
}
out_of() {
    rm -f "$DAEMON_WORK/out"
    qemu-img dd -U --object "$(image_key libvirt)" --object "secret,id=s,data=$PASSPHRASE" -O raw bs=$MIB skip=1 \
        count=2 "if=$(chain "$1" "$2")" "of=$DAEMON_WORK/out" && head -n 1 "$DAEMON_WORK/out"
}
