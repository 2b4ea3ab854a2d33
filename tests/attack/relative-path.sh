#!/bin/bash
# In a pool without host paths, libvirt gives volumes a path that is none: "ip-127.0.0.1:3260-iscsi-..." in an
# iscsi-direct pool, "images/one" in an rbd pool. The daemon's working directory has a file of just that name,
# the payload of a linked volume. What a client does to the one does not happen to the other. And a header's
# label may say that its payload is such a volume: no daemon crashes because of that.

. "$(dirname "$0")/../lib/linked.sh"
. "$(dirname "$0")/../lib/attack.sh"
. "$(dirname "$0")/../lib/label.sh"
. "$(dirname "$0")/../lib/iscsi.sh"

need_iscsi

daemon_use host
CWD=$(mktemp -d "$DAEMON_WORK/cwd.XXXXXX")
chmod 755 "$CWD"
export DAEMON_WRAPPER="${DAEMON_WRAPPER:-} env -C $CWD"
try "a daemon starts" linked_start || finish

# a_unit: a target with a unit that is full of something.
a_unit() {
    target_start && head -c 8M /dev/urandom >"$ISCSI_UNITS/1" && target_unit 1 8M
}

# create_in POOL NAME: a raw linked volume.
create_in() {
    linked_xml "$2" raw >"$DAEMON_DIR/xml/in.xml" && virsh vol-create "$1" "$DAEMON_DIR/xml/in.xml"
}

# clone_to_linked VOLUME POOL NAME
clone_to_linked() {
    linked_xml "$3" raw >"$DAEMON_DIR/xml/clone.xml" &&
        virsh vol-create-from data "$DAEMON_DIR/xml/clone.xml" "$1" --inputpool "$2"
}

# declare_headers POOL DIR: a declared header pool, started.
declare_headers() {
    echo "<pool type='dir'><name>$1</name><target><headers/><path>$2</path></target></pool>" \
        >"$DAEMON_DIR/xml/headers.xml"
    virsh pool-define "$DAEMON_DIR/xml/headers.xml" && virsh pool-start "$1" && virsh pool-autostart "$1"
}

try "an iSCSI target is there" a_unit || finish
UNIT=$ISCSI_UNITS/1
LURE=ip-127.0.0.1:$ISCSI_PORT-iscsi-$IQN-lun-1
try "and a pool over it" direct_pool direct || finish
unit=$(virsh vol-list direct | awk '/unit:0:0:1/ { print $1; exit }')
same "its volume's path is none" "$(virsh vol-path "$unit" direct)" "$LURE"

try "a pool over the daemon's own directory" pool_make here "$CWD"
try "with a linked volume of that name" create_in here "$LURE"
bystander "$CWD/$LURE" "$VAULT/$LURE.luks"
STRAYS=$DAEMON_IMAGES/strays
"$DAEMON_IN" mkdir "$STRAYS"
cp "$VAULT/$LURE.luks" "$STRAYS/stray.luks"

unlike "vol-dumpxml of the one does not show the other's header" "$(virsh vol-dumpxml "$unit" direct)" "vault"
virsh vol-delete "$unit" direct
unharmed "vol-delete"
virsh vol-resize "$unit" 32M --pool direct
unharmed "vol-resize"
try "vol-clone into a linked volume clones the unit" clone_to_linked "$unit" direct copy
unharmed "vol-clone"
try "that is deleted" virsh vol-delete copy data
try "vol-wipe wipes the unit" virsh vol-wipe "$unit" direct
unharmed "and nothing else"
same "the unit is zeroes" "$(tr -d '\0' <"$UNIT" | wc -c)" 0

# --- a label that names such a volume
label_claim "$unit" "" "" "$STRAYS/stray.luks" | sed 's/pool="data"/pool="direct"/' | label_write "$STRAYS/stray.luks"
virsh pool-autostart direct
try "a declared header pool has a header whose payload is such a volume" declare_headers strays "$STRAYS"
virsh pool-refresh strays
like "it is found" "$(waited eval 'virsh vol-dumpxml stray.luks strays | grep found')" "found"
try "the daemon answers after a refresh" virsh pool-list
shown_found() {
    virsh vol-dumpxml stray.luks strays 2>/dev/null | grep -q found
}
for i in first second; do
    try "the daemon starts again, $i time" linked_launch
    # it has looked at the label by then
    try "it lives to say the same" waited shown_found
done
unharmed "in the end"
try "the linked volume is deleted by its own name" virsh vol-delete "$LURE" here
finish
