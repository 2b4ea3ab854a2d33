#!/bin/bash
# An attacker may write to a payload pool. He writes the name of a file that only root may read into a qcow2
# image, as its backing file or as its data file, and waits for somebody to clone the image. QEMU would open
# that file as root: its content would come out in the clone, or, if the image is the target, QEMU would
# overwrite it. However the image is cloned, it is refused with the reason, and the file does not change.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/linked.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_root
need_command qemu-img qemu-storage-daemon
try "a daemon starts" linked_start || finish
quick_keys

# Both names have one length, so that one can be written over the other.
secret=$DAEMON_DIR/root-secret
decoy=$DAEMON_DIR/decoy-decoy
marker="what root alone may read: $RANDOM$RANDOM"
yes "$marker" | head -c 1M >"$secret"
chmod 600 "$secret"

# overwrite FILE FROM: FILE's content becomes FROM's; it stays the same file.
overwrite() {
    cat "$2" >"$1"
}

# hostile_backing FILE [MIB]: an image of which all content is the secret.
hostile_backing() {
    qemu-img create -q -f qcow2 -b "$secret" -F raw "$DAEMON_DIR/image" "${2:-16}M" &&
        overwrite "$1" "$DAEMON_DIR/image"
}

# hostile_data FILE [MIB]: the same by a data file. QEMU wipes what is named when an image is made, so the
# name is written over that of another file.
hostile_data() {
    qemu-img create -q -f qcow2 -o "data_file=$decoy,data_file_raw=on" "$DAEMON_DIR/image" "${2:-16}M" &&
        sed -i "s|$decoy|$secret|g" "$DAEMON_DIR/image" && rm "$decoy" && overwrite "$1" "$DAEMON_DIR/image"
}

# come_out: prints the files of the pool in which the secret stands.
come_out() {
    grep -alF "$marker" "$DATA"/* 2>/dev/null | xargs -r -n 1 basename
}

# from SOURCE: vol-create-from of the XML on stdin.
from() {
    cat >"$DAEMON_DIR/xml/from.xml"
    virsh vol-create-from data "$DAEMON_DIR/xml/from.xml" "$1" --inputpool data
}

plain_xml() {
    echo "<volume><name>$1</name><target><format type='raw'/></target></volume>"
}

# copy_xml NAME: a clone with the same master key, which copies the ciphertext as it is.
copy_xml() {
    linked_xml "$1" raw | sed "/<secret/d; s/<header type='volume'>/<header type='volume' link='copy'>/"
}

bystander "$secret"

for how in backing data; do
    names="names (a backing file|an external data file)"
    try "a linked volume and a plain one, of format qcow2" create "linked-$how" qcow2
    try "the plain one" virsh vol-create-as data "plain-$how" 16M --format qcow2
    cp "$DATA/linked-$how" "$DAEMON_DIR/whole"

    try "the linked one is clonable as long as nobody touches it" eval "copy_xml copy | from linked-$how"
    virsh vol-delete copy data

    try "both are changed: they name root's file, as $how" eval \
        "hostile_$how '$DATA/linked-$how' && hostile_$how '$DATA/plain-$how'"
    # What must not come out is there to be read: by the image as it is.
    try "QEMU follows that name, if it is let" qemu-img convert -f qcow2 -O raw "$DATA/plain-$how" "$DAEMON_DIR/out"
    like "and finds root's secret" "$(head -c 100 "$DAEMON_DIR/out")" "$marker"

    refuse "$how: a copy with the source's header" "linked-$how.*$names" \
        eval "copy_xml copy | from linked-$how"
    refuse "$how: a clone with keys of its own" "linked-$how.*$names" \
        eval "linked_xml clone raw | from linked-$how"
    refuse "$how: a clone that is a plain volume" "linked-$how.*$names" \
        eval "plain_xml clone | from linked-$how"
    refuse "$how: a plain one cloned into a linked one" "plain-$how.*$names" \
        eval "linked_xml clone raw | from plain-$how"
    refuse "$how: linking it to its header again" "linked-$how.*$names" \
        eval "linked_xml linked-$how qcow2 '' \"pool='vault' volume='linked-$how.luks'\" |
            sed \"s/<header type='volume'>/<header type='volume' link='existing'>/\" | create_xml"
    same "$how: root's secret stands nowhere in the pool" "$(come_out)" ""
    unharmed "$how: root's file has not changed"
    same "$how: no clone is left" "$(cd "$DATA" && echo clone* copy*)" "clone* copy*"

    overwrite "$DATA/linked-$how" "$DAEMON_DIR/whole"
    try "$how: put back from a backup, it is clonable again" eval "linked_xml clone raw | from linked-$how"
    try "and away" virsh vol-delete clone data
done

alive "in the end"
finish
