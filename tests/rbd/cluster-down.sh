#!/bin/bash
# A cluster that does not answer: the OSD stands still, or the monitor. What is asked of it ends with an error
# and leaves nothing behind, a volume that cannot be looked at is not destroyed, the daemon's other pools go on,
# and all goes on when the cluster does.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/images.sh"
. "$(dirname "$0")/../lib/faults.sh"

daemon_use host
faults_use

# within COMMAND...: with a deadline that only what waits for ever meets.
within() {
    timeout -k 5 "$TAP_PATIENCE" "$DAEMON_IN" "$@"
}

# meanwhile NAME COMMAND...: begins the command where the daemon lives; its end is in $DAEMON_WORK/NAME.
meanwhile() {
    local name=$1
    shift
    rm -f "$DAEMON_WORK/$name" "$DAEMON_WORK/$name.status"
    {
        within "$@" >"$DAEMON_WORK/$name" 2>&1
        echo $? >"$DAEMON_WORK/$name.status"
    } &
}
ended() {
    test -s "$DAEMON_WORK/$1.status"
}

# gave_up WHAT NAME REGEX: what was begun as NAME ends by itself, with an error that matches.
gave_up() {
    try "$1: it ends" waited ended "$2"
    like "$1: with an error" "$(cat "$DAEMON_WORK/$2.status")" '^1$'
    like "$1: which says why" "$(cat "$DAEMON_WORK/$2")" "$3"
}

# The plugin's words, and those of stock, which knows no reason.
SILENT="has not answered|failed to (create volume|open the RBD image|connect to the RADOS monitor)"

others_answer() {
    try "$1: a directory's volumes are listed" within virsh -q vol-list data
    try "$1: a linked volume is made in a directory" create meanwhile raw
    try "$1: and deleted" within virsh -q vol-delete meanwhile data
}

# machine NAME DISKS: prints the name of a file with the XML of a guest with these disks, which does nothing.
machine() {
    cat >"$DAEMON_DIR/xml/$1.xml" <<XML
<domain type='qemu'>
  <name>$1</name><memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices><controller type='usb' model='none'/><memballoon model='none'/>$2</devices>
</domain>
XML
    echo "$DAEMON_DIR/xml/$1.xml"
}

# goes_on PART: the cluster does, and nothing has changed.
goes_on() {
    try "it goes on" ceph_resume "$1"
    try "the cluster answers" rbd ls images
    # started again if it was given up
    virsh pool-start images >/dev/null 2>&1
    try "the pool is refreshed" virsh pool-refresh images
    same "nothing has changed" "$(state)" "$before"
    try "both are linked still" eval 'is_linked one && is_linked two'
}

try "a daemon with a header pool and a pool on Ceph starts" images_start || finish
quick_format
try "two linked volumes are made" eval 'image one && image two' || finish
try "and one in a directory" create local raw
local=$(machine local "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$DATA/local'/>
    <target dev='vda' bus='virtio'/></disk>")
both=$(machine both "$(network_disk vda images/one raw libvirt "$CEPH_UUID")$(
    network_disk vdb images/two raw libvirt "$CEPH_UUID")")
plugged=$DAEMON_DIR/xml/plugged.xml
network_disk vdb images/two raw libvirt "$CEPH_UUID" >"$plugged"
before=$(state)
headers=$(sha256sum "$VAULT"/*.luks)
image_xml new >"$DAEMON_DIR/xml/new.xml"

note "The OSD stands still"
try "it is stopped" ceph_pause osd
meanwhile create virsh vol-create images "$DAEMON_DIR/xml/new.xml"
meanwhile show virsh vol-dumpxml one images
meanwhile delete virsh vol-delete one images
meanwhile wipe virsh vol-wipe two images
meanwhile resize virsh vol-resize two 32M images
others_answer "meanwhile"
try "vol-dumpxml of the header answers" within virsh -q vol-dumpxml one.luks vault
like "with its payload" "$OUT" "<source pool='images' volume='one'"
meanwhile both virsh create --paused "$both"
try "a guest without a disk there is started" within virsh create --paused "$local"
meanwhile plug virsh attach-device local "$plugged" --live
gave_up "vol-create" create "$SILENT"
gave_up "vol-delete" delete "$SILENT"
gave_up "vol-wipe" wipe "$SILENT"
gave_up "vol-resize" resize "$SILENT|is being resized, wiped or deleted"
gave_up "a guest with two disks there" both "uncertain.*'images/(one|two)'.*has not answered"
gave_up "a disk that is plugged in" plug "uncertain.*'images/two'.*has not answered"
same "one guest is there" "$(virsh list --all --name | xargs)" local
same "with one disk" "$(virsh domblklist local | awk '$1 ~ /^vd/ { print $1 }' | xargs)" vda
try "it ends" virsh destroy local
try "vol-dumpxml ends, too" waited ended show
same "no header was touched" "$(sha256sum "$VAULT"/*.luks)" "$headers"
goes_on osd
try "a volume is made" image new
try "and deleted" virsh vol-delete new images

note "The OSD stands still in the middle of an operation"
try "a third linked volume is made" image three
# held NAME POINT COMMAND...: the command has come to that point, and goes on when the OSD stands still.
held() {
    local name=$1
    rm -f "$POINT.go"
    meets "$2|#$((FAULTS_SERIAL += 1))"
    meanwhile "$name" "${@:3}"
    waited test -s "$POINT.log" && ceph_pause osd && : >"$POINT.go"
}
try "before key material is destroyed" held delete "rename 1 wait $LINKS" virsh vol-delete three images
gave_up "vol-delete" delete "$SILENT"
try "it goes on" ceph_resume osd
try "the volume is whole" eval 'waited virsh pool-refresh images && is_linked three && opens "$VAULT/three.luks"'
try "after that" held delete "unlink 1 wait /three.luks" virsh vol-delete three images
gave_up "vol-delete" delete "key material of volume 'three' has been destroyed, but not all of it could be removed"
others_answer "meanwhile"
try "it goes on" ceph_resume osd
try "the deletion is completed" waited eval '! link_of three || { virsh pool-refresh images && false; }'
same "nothing of it is left" "$(rbd ls images | grep three)$(find "$VAULT" -name 'three*')" ""

note "The monitor stands still"
try "it is stopped" ceph_pause mon
meanwhile create virsh vol-create images "$DAEMON_DIR/xml/new.xml"
meanwhile delete virsh vol-delete one images
others_answer "meanwhile"
gave_up "vol-create" create "$SILENT"
gave_up "vol-delete" delete "$SILENT"
try "the daemon starts again" linked_launch
others_answer "then"
same "no header was touched" "$(sha256sum "$VAULT"/*.luks)" "$headers"
goes_on mon
for name in one two; do
    try "$name is deleted" virsh vol-delete "$name" images
done
try "so is the one in a directory" virsh vol-delete local data
same "no image is left" "$(rbd ls images)" ""
nothing_left "all of this"
finish
