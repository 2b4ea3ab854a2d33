#!/bin/bash
# The life of a linked volume whose payload is on Ceph, interrupted: the daemon is killed before a call that changes
# something on this host's disks, or the call fails. Then nothing may be lost, nothing may be left that nobody owns, and
# the operation must work when it is repeated. What the daemon has open on the cluster is in use until the cluster
# forgets the dead client: what was interrupted is completed after that, when the pool is refreshed. (A resize changes
# nothing on this host.)
# Then every state that a link with an image can be in, and its way out: see ../lib/states.sh.
# FAULTS_FULL=1 tries every call: see ../lib/faults.sh; that takes long. Arguments: the operations to try, instead of all.

# shellcheck disable=SC2317,SC2034 # functions and variables are called by way of sweep
. "$(dirname "$0")/lib/images.sh"
. "$(dirname "$0")/../lib/faults.sh"
. "$(dirname "$0")/../lib/states.sh"

daemon_use host
faults_use
try "a daemon with a header pool and a pool on Ceph starts" images_start || finish
quick_format
try "the cluster forgets clients soon" ceph config set osd osd_client_watch_timeout 2
FAULTS_POOLS=("$DATA" "$VAULT")
FAULTS_SECRETS=/etc/libvirt/secrets
FAULTS_KEEPS=$CEPH_UUID
FAULTS_PATHS="/vault/|/lukshdr/|/secrets/"
[ $# -gt 0 ] || set -- create_image delete_image wipe_image clone_image link_image unlink_image

# linked_launch: as in linked.sh, with the pool of images, and with what was interrupted completed.
linked_launch() {
    PATH=$BIN:$PATH daemon_restart && virsh pool-start images || return
    waited eval '! under_way || { virsh pool-refresh images && false; }'
}

# IMAGES: names of images that are nobody's and may be there.
IMAGES=(plain)
# images_right WHAT: each image is a link's or in IMAGES, each link that is not under way has its image, and its header
# is the one that was recorded.
images_right() {
    local there file text name digest known=$'\n'
    there=$(rbd ls images)
    for file in $("$DAEMON_IN" find "$LINKS" -name '*.xml'); do
        text=$("$DAEMON_IN" cat "$file")
        name=$(_attribute payload volume "$text")
        known+=$name$'\n'
        [ "$(_attribute link state "$text")" = active ] || continue
        grep -qx -- "$name" <<<"$there" || fail "$1: image $name of a link is there" "$there"
        digest=$(sed -n 's/.*<digest [^>]*>\([0-9a-f]*\)<.*/\1/p' <<<"$text")
        [ "$(key_material "$VAULT/$(_attribute header volume "$text")")" = "$digest" ] ||
            fail "$1: the header of $name is the recorded one"
    done
    known+=$(printf '%s\n' "${IMAGES[@]}")$'\n'
    for name in $there; do
        [[ $known = *$'\n'"$name"$'\n'* ]] || fail "$1: image $name belongs to somebody" "$there"
    done
}
FAULTS_ALSO=images_right

# what lies beside it all the time
try "a plain image" rbd create images/plain --size 1M
try "a linked volume" image stays 1
bystanders() {
    local name
    for name in plain stays; do
        rbd export "images/$name" - --no-progress | sha256sum
    done
    sha256sum "$VAULT/stays.luks"
    link_show stays
}
gone() {
    virsh vol-delete "$1" images >/dev/null
}

create_image() { image new 1; }
before_create_image() { :; }
after_create_image() { gone new; }
DONE_create_image="'new'"

before_delete_image() { image new 1 >/dev/null; }
delete_image() { virsh vol-delete new images; }
after_delete_image() { :; }
DONE_delete_image="no storage vol|not found"
HALF_delete_image=deleting

before_wipe_image() { image new 1 >/dev/null; }
wipe_image() { virsh vol-wipe new images; }
after_wipe_image() { gone new; }
HALF_wipe_image=wiping

before_clone_image() { :; }
clone_image() {
    image_xml new 1 >"$DAEMON_DIR/xml/clone.xml" &&
        virsh vol-create-from images "$DAEMON_DIR/xml/clone.xml" stays --inputpool images
}
after_clone_image() { gone new; }
DONE_clone_image="'new'"

before_link_image() {
    IMAGES+=(hand)
    PLAIN+=("$VAULT/hand.luks")
    rbd create images/hand --size 1M && head -c 2068480 "$DAEMON_DIR/template" >"$VAULT/hand.luks"
    virsh pool-refresh vault && virsh pool-refresh images
} >/dev/null
link_image() { link_xml existing hand hand.luks "<secret type='passphrase' uuid='$SECRET_UUID'/>" | create_in images; }
after_link_image() {
    gone hand
    IMAGES=(plain)
    PLAIN=()
}

before_unlink_image() {
    IMAGES+=(new)
    PLAIN+=("$VAULT/new.luks")
    image new 1
} >/dev/null
unlink_image() { link_xml unlink new new.luks | create_in images; }
after_unlink_image() {
    virsh vol-delete new images && virsh vol-delete new.luks vault
    IMAGES=(plain)
    PLAIN=()
} >/dev/null
DONE_unlink_image="is not linked"
HALF_unlink_image=unlinking

for operation; do
    sweep "$operation" "${FAULTS_MOST:-3}"
done

note "Every state has a way out"
virsh vol-delete stays images >/dev/null
STATE_POOLS=(data vault images)
rbd rm images/plain --no-progress
H='$VAULT/one.luks'
refreshed() { waited virsh pool-refresh "$1" && waited virsh pool-refresh images; }
settled() { waited virsh pool-refresh images && waited eval '! under_way' && refreshed "$1"; }
# anew IMAGE: another of that name.
anew() { rbd rm "images/$1" --no-progress && rbd create "images/$1" --size 4M; }
# emptied IMAGE: the same, with nothing in it.
emptied() { rbd resize "images/$1" --size 0 --allow-shrink --no-progress && rbd resize "images/$1" --size 4M --no-progress; }
both_gone() { virsh vol-delete one images && virsh vol-delete one.luks vault; }
by_names() { vl forget --yes images/one; }
make='image one 1'
row "image: wiped" "$make" 'virsh vol-wipe one images' 'gone one'
row "image: half-way creating" "$make" 'state_set one creating' 'settled vault'
row "image: half-way deleting, without the header" "$make" 'state_set one deleting' "rm $H" 'settled vault'
row "image: half-way wiping" "$make" 'state_set one wiping' 'settled vault' 'state_is one wiped' 'gone one'
row "image: half-way unlinking, without it" "$make" 'state_set one unlinking' 'rbd rm images/one --no-progress' \
    'settled vault' 'virsh vol-delete one.luks vault'
row "image: without it" "$make" 'rbd rm images/one --no-progress' 'refreshed vault' by_names 'virsh vol-delete one.luks vault'
row "image: without it, and deleted" "$make" 'rbd rm images/one --no-progress' \
    'refused_until_given_up virsh vol-delete one images' 'virsh vol-delete one.luks vault'
row "image: another in its place" "$make" 'anew one' 'refreshed vault' 'refused_until_given_up virsh vol-delete one images' both_gone
row "image: its pool is not active" "$make" 'virsh pool-destroy images' by_names 'virsh pool-start images' both_gone

make='create one raw "" "pool=\"images\""'
gone() { virsh vol-delete one data; }
row "header: wiped" "$make" 'virsh vol-wipe one data' gone
row "header: half-way deleting, after the key material" "$make" 'state_set one deleting' 'emptied one.luks' 'settled data'
row "header: half-way unlinking" "$make" 'state_set one unlinking' 'settled data' gone 'virsh vol-delete one.luks images'
row "header: emptied" "$make" 'emptied one.luks' gone
row "header: without it" "$make" 'rbd rm images/one.luks --no-progress' 'refreshed data' gone
row "header: another in its place" "$make" 'anew one.luks' 'refreshed data' 'refused_until_given_up gone' gone \
    'virsh vol-delete one.luks images'
row "header: wiped, and another in its place" "$make" 'virsh vol-wipe one data' 'anew one.luks' 'refreshed data' gone \
    'virsh vol-delete one.luks images'
row "header: without the payload" "$make" 'rm $DATA/one' 'refreshed data' 'vl forget --yes data/one' \
    'virsh vol-delete one.luks images'
virsh pool-destroy images >/dev/null
try "pool-undefine" virsh pool-undefine images
unlike "the passphrase is in no log" "$(cat "$DAEMON_DIR"/*.log "$DAEMON_DIR/log"/* 2>/dev/null)" "$PASSPHRASE"
finish
