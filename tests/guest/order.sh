#!/bin/bash
# In no order of operations does a guest get the ciphertext. Whatever was configured, saved or recorded before the
# volume was linked, without the plugin, or while something was missing: in the end the guest gets a luks node or
# nothing. (For names see recognised.sh, for configurations configuration.sh, for refusals refusals.sh.)

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "needs loop devices and a private /etc"
need_command qemu-system-x86_64 qemu-img losetup

TEXT="what only the guest may know: $RANDOM $RANDOM"

# payloads: what nobody but a luks node may change.
payloads() {
    sha256sum "$DATA"/r.raw "$DATA"/q.qcow2
}

define() {
    virsh undefine demo --managed-save --snapshots-metadata >/dev/null 2>&1
    guest_define demo "$@"
}

# encrypted WHAT COUNT COMMAND...: after the command the guest has so many luks nodes, and no device of the guest
# has anything else for its disk; then it is stopped.
encrypted() {
    local what=$1 count=$2
    shift 2
    try "$what: it works" "$@"
    same "$what: by way of a luks node" "$(nodes demo | grep -c -- '-format luks$')" "$count"
    same "$what: what the devices have is nothing else" "$(qmp demo '{"execute":"query-block"}' | python3 -c '
import json, sys
for drive in json.load(sys.stdin)["return"]:
    if "inserted" in drive and drive["inserted"]["drv"] not in ("luks",):
        print(drive["qdev"], drive["inserted"]["drv"])')" ""
    virsh destroy demo
}

# withheld WHAT REGEX COMMAND...: the command is refused and no byte changes.
withheld() {
    local sums
    sums=$(payloads)
    refuse "$@"
    same "$1: no byte of a payload has changed" "$(payloads)" "$sums"
}

stored() {
    virsh dumpxml demo --inactive
}

disk_file() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    echo "$DAEMON_DIR/disk.xml"
}

R=
ready() {
    linked_start && create r.raw raw && create q.qcow2 qcow2
}
try "a host with linked volumes in raw and qcow2" ready
R=$(disk_xml vda "$DATA/r.raw" raw)
try "a guest writes to both" eval 'guest_boot demo "$R" "$(disk_xml vdb data/q.qcow2 qcow2)" &&
    guest_fill demo vda "$TEXT" && guest_fill demo vdb "$TEXT" && guest_run demo sync'
virsh destroy demo

# --- between define and start

define "$R"
try "the daemon restarts" daemon_restart
encrypted "defined, the daemon restarted, started" 1 virsh start demo
define "$R"
virsh pool-destroy vault
withheld "defined, the header pool stopped, started" "'vault' is not active" virsh start demo
try "(the daemon restarts)" daemon_restart
virsh pool-destroy vault
withheld "and the daemon restarted" "'vault' is not active" virsh start demo
virsh pool-start vault
encrypted "and the pool started" 1 virsh start demo
virsh pool-destroy vault
define "$R"
like "defined while the header pool is not active: it has the <encryption>" "$(stored)" "<encryption"
withheld "and started" "'vault' is not active" virsh start demo
virsh pool-start vault
virsh pool-destroy data
define "$(disk_xml vda data/r.raw raw)"
withheld "by the volume of a payload pool that is not active" "'data' is not active|data" virsh start demo
define "$R"
encrypted "by path, while the payload's pool is not active" 1 virsh start demo
virsh pool-start data

# --- cold-plugged

define
virsh attach-disk demo "$DATA/r.raw" vda --subdriver raw --config
virsh attach-device demo "$(disk_file "$(disk_xml vdb data/q.qcow2 qcow2)")" --config
encrypted "plugged into the configuration, started" 2 virsh start demo
define
virsh start demo && guest_wait demo
virsh pool-destroy vault
withheld "hot-plugged while the header pool is not active" "'vault' is not active" \
    virsh attach-disk demo "$DATA/r.raw" vda --subdriver raw --live --config
unlike "it is not in the configuration either" "$(stored)" "r\.raw"
virsh pool-start vault
encrypted "hot-plugged, for now and later" 1 \
    virsh attach-disk demo "$DATA/r.raw" vda --subdriver raw --live --config
encrypted "started again" 1 virsh start demo

# --- drives

drive="<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>SOURCE
    <target dev='sda' bus='sata'/><readonly/></disk>"
full=${drive/SOURCE/<source file=\'$DATA/r.raw\'\/>}
define "${drive/SOURCE/}"
virsh start demo
encrypted "put into a drive that runs, by update-device" 1 virsh update-device demo "$(disk_file "$full")" --live
define "${drive/SOURCE/}"
virsh update-device demo "$(disk_file "$full")" --config
like "put into the drive of a configuration: it has the <encryption>" "$(stored)" "<encryption"
encrypted "put into the drive of a configuration, started" 1 virsh start demo

# --- as block devices

cp "$DATA/r.raw" "$DAEMON_IMAGES/block.img"
loop=$(losetup -f --show "$DAEMON_IMAGES/block.img") && LOOPS+=("$loop")
number=$((0x$(stat -c %t "$loop") << 8 | 0x$(stat -c %T "$loop")))
entry=$(link_of r.raw)
"$DAEMON_IN" cp "$entry" "$DAEMON_DIR/entry"
link_edit r.raw "/<payload/,/<\/payload>/{
    s|<path>.*</path>|<path>$loop</path>|
    s|<identity .*/>|<identity type=\"block\" dev=\"$number\"/>|}"
define "$(disk_xml vda "$loop" raw)"
try "a linked block device: a guest starts" guest_start demo
try "and reads its own text" guest_filled demo vda "$TEXT"
encrypted "a block device" 1 true
"$DAEMON_IN" ln -s "$loop" /run/block
refuse "by a symlink that is not udev's" "r\.raw.*not its name" define "$(disk_xml vda /dev/../run/block raw)"
name=/dev/${DAEMON_WORK##*/}
ln -s "$loop" "$name" && at_exit rm -f "$name"
define "$(disk_xml vda "$name" raw)"
encrypted "by a symlink below /dev" 1 virsh start demo
define "$(disk_xml vda "${loop/\/dev\//\/dev\/.\/\/}" raw)"
encrypted "with dots and slashes" 1 virsh start demo
define "$(disk_xml vda "$loop" raw | sed "s/type='block'/type='file'/; s/source dev=/source file=/")"
withheld "as a file, which QEMU opens no device as" "regular file|r\.raw" virsh start demo
define "$(disk_xml vda "$loop" raw)"
virsh pool-destroy vault
withheld "while the header pool is not active" "'vault' is not active" virsh start demo
virsh pool-start vault
"$DAEMON_IN" sh -c 'cp "$1" "$2.new" && mv "$2.new" "$2"' sh "$DAEMON_DIR/entry" "$entry"

# --- below other images

overlay=$DAEMON_IMAGES/overlay.qcow2
qemu-img create -q -f qcow2 -b "$DATA/r.raw" -F raw "$overlay"
define "$(disk_xml vda "$overlay" qcow2)"
refuse "as a backing file that the overlay alone names: a guest does not start" "'r.raw' of pool 'data' is its backing file" \
    virsh start demo
define "$(disk_xml vda "$overlay" qcow2 |
    sed "s|<target|<backingStore type='file'><format type='raw'/><source file='$DATA/r.raw'/><backingStore/></backingStore>&|")"
try "as a backing file: a guest starts" guest_start demo
same "as a backing file: it is a luks node" "$(nodes demo | grep -c -- '-format luks$')" 1
try "as a backing file: the guest reads its own text" guest_filled demo vda "$TEXT"
virsh destroy demo
virsh pool-destroy vault
withheld "as a backing file, while the header pool is not active" "'vault' is not active" virsh start demo
virsh pool-start vault
rm "$overlay"

# --- what was made without the plugin

sums=$(payloads)
try "the daemon starts without the plugin" plugin_off
define "$(disk_xml vda "$DATA/r.raw" raw)" "$(disk_xml vdb data/q.qcow2 qcow2)"
virsh detach-disk demo vdb --config
try "a guest starts with what it takes for a plain disk" virsh start demo
try "and is saved" virsh managedsave demo
try "the daemon starts with the plugin" plugin_on
encrypted "saved with a plain disk, which is a linked payload: restored" 1 virsh start demo
truncate -s 16M "$DAEMON_IMAGES/later.raw"
define "$(disk_xml vda "$DAEMON_IMAGES/later.raw" raw)"
try "a guest with a plain disk starts" virsh start demo
try "and is saved, too" virsh managedsave demo
rm "$DAEMON_IMAGES/later.raw" && ln "$DATA/r.raw" "$DAEMON_IMAGES/later.raw"
withheld "with a link to a linked payload in the disk's place" "r\.raw.*not its name" virsh start demo
rm "$DAEMON_IMAGES/later.raw"

try "without the plugin again" plugin_off
define "$(disk_xml vda "$DATA/q.qcow2" qcow2)"
unlike "a configuration without <encryption>" "$(stored)" "<encryption"
cat >"$DAEMON_DIR/snapshot.xml" <<XML
<domainsnapshot>
  <name>old</name><state>shutoff</state><creationTime>1</creationTime>
  <disks><disk name='vda' snapshot='internal'/></disks>
  $(stored)
</domainsnapshot>
XML
qemu-img snapshot -c old "$DATA/q.qcow2"
try "and a snapshot that has it without" virsh snapshot-create demo "$DAEMON_DIR/snapshot.xml" --redefine
try "with the plugin" plugin_on
try "one goes back to the snapshot" virsh snapshot-revert demo old
encrypted "gone back to a snapshot without <encryption>, started" 1 virsh start demo
virsh pool-destroy vault
withheld "the same, the header pool not active" "'vault' is not active" \
    eval 'virsh snapshot-revert demo old && virsh start demo'
virsh pool-start vault
qemu-img snapshot -d old "$DATA/q.qcow2"
same "not a byte of the raw payload has changed in all that" "$(payloads | grep r.raw)" "$(grep r.raw <<<"$sums")"

define "$R" "$(disk_xml vdb data/q.qcow2 qcow2)"
try "in the end a guest starts" guest_start demo
try "and reads what was written to both" eval 'guest_filled demo vda "$TEXT" && guest_filled demo vdb "$TEXT"'
virsh destroy demo
same "no file holds the text in clear" "$(in_clear "$TEXT" "$DATA"/* "$VAULT"/*)" ""
finish
