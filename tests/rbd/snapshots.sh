#!/bin/bash
# Snapshots on a cluster keep what was in an image, whatever is written to it afterwards: old key material of a header.
# And the cluster removes no image that has some. So vol-delete and vol-wipe are refused before anything is destroyed, or,
# where vol-delete is told to take the snapshots along, all goes: first the key material, then the snapshots.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/images.sh"
. "$(dirname "$0")/../lib/faults.sh"

SECRET="<secret type='passphrase' uuid='$SECRET_UUID'/>"

daemon_use host
faults_use
try "a daemon with a header pool and a pool on Ceph starts" images_start || finish
try "and a header pool on Ceph" ceph_pool ceph-vault libvirt "$CEPH_UUID" "" vault || finish

# far NAME: a linked volume with its header on Ceph as well.
far() {
    image "$1" 16 "$SECRET" "pool='ceph-vault'"
}

# snap IMAGE@SNAPSHOT, unsnap IMAGE@SNAPSHOT
snap() {
    rbd snap create "$1" --no-progress
}
unsnap() {
    rbd snap rm "$1" --no-progress
}

# state: of both pools of the cluster, the headers there to the byte.
state() {
    local image
    for image in $(rbd ls images | sed 's/^/images\//') $(rbd ls vault | sed 's/^/vault\//'); do
        echo "$image"
        rbd snap ls --all "$image"
        [ "${image%/*}" != vault ] || rbd export --no-progress "$image" - | sha256sum
    done
    lies_there
}
delete_all() {
    virsh vol-delete "$1" images --delete-snapshots
}

note "Snapshots of a payload"
try "a linked volume" image one || finish
try "a snapshot" snap images/one@kept
unchanged "vol-delete" "image 'images/one' has snapshots, such as 'kept'.*vol-delete --delete-snapshots" virsh vol-delete one images
try "one that is protected" eval 'snap images/one@held && rbd snap protect images/one@held'
try "and has a clone" rbd clone images/one@held images/child
unchanged "vol-delete with its snapshots" "'images/child' was cloned from snapshot 'held' of image 'images/one'.*rbd flatten" \
    delete_all one
try "the clone is made whole" rbd flatten --no-progress images/child
cp "$VAULT/one.luks" "$DAEMON_WORK/kept"
exec {witness}<"$VAULT/one.luks"
try "vol-delete with its snapshots" delete_all one
try "no key material is left where it was" erased "/proc/self/fd/$witness" "$DAEMON_WORK/kept"
exec {witness}<&-
same "of the images the clone is left" "$(rbd ls images)" child
nothing_left "vol-delete"
rbd rm --no-progress images/child
try "a linked volume without any" image none
try "is deleted likewise" delete_all none
nothing_left "that"

note "A wipe"
try "a linked volume" image one
try "a snapshot of its payload" snap images/one@kept
try "has nothing that opens it, and is no reason not to wipe" virsh vol-wipe one images
try "it is deleted with its snapshots" delete_all one
nothing_left "that"

note "Snapshots of a header"
try "a linked volume with its header on Ceph" far two || finish
try "a snapshot of the header" snap vault/two.luks@old
for command in "vol-delete two images" "vol-wipe two images"; do
    # shellcheck disable=SC2086 # words
    unchanged "$command" "image 'vault/two.luks' holds key material and has snapshots, such as 'old', which would keep it" \
        virsh $command
done
try "the snapshot has a clone" eval 'rbd snap protect vault/two.luks@old && rbd clone vault/two.luks@old vault/child'
unchanged "vol-delete with its snapshots" "'vault/child' was cloned from snapshot 'old' of image 'vault/two.luks'" delete_all two
rbd rm --no-progress vault/child
try "and one of the payload" snap images/two@kept
try "vol-delete with all snapshots" delete_all two
same "no image is left" "$(rbd ls images)$(rbd ls vault)" ""
same "no link" "$(links)" ""
try "another" far two
try "a snapshot of its header" snap vault/two.luks@old
try "is removed" unsnap vault/two.luks@old
try "it is wiped" virsh vol-wipe two images
try "and deleted" virsh vol-delete two images

note "A header that others share stays, and so do its snapshots"
try "a linked volume with its header on Ceph" far first
try "one that shares it" create_in images < <(image_xml second 16 "" "pool='ceph-vault' volume='first.luks'" |
    sed "s/<header type='volume'>/<header type='volume' link='share'>/")
try "a snapshot of the header" snap vault/first.luks@old
try "the second is deleted" virsh vol-delete second images
same "the snapshot is there" "$(rbd snap ls vault/first.luks | grep -c old)" 1
unchanged "the first is not" "holds key material and has snapshots" virsh vol-delete first images
try "but with them" delete_all first

note "What is not a user's"
# clones of the second format need no protected snapshot: one that is removed is kept for them
try "the cluster makes clones of the second format" ceph osd set-require-min-compat-client mimic
try "a linked volume" image four
try "a clone of a snapshot of it" eval 'snap images/four@base && rbd clone --rbd-default-clone-format 2 images/four@base images/child'
unchanged "vol-delete with its snapshots" "'images/child' was cloned from snapshot 'base'" delete_all four
try "the snapshot is removed, which the clone needs" unsnap images/four@base
unchanged "vol-delete with its snapshots, also then" "belongs to a clone, a group or a mirror" delete_all four
rbd rm --no-progress images/child
try "without the clone it is deleted" virsh vol-delete four images

note "A crash"
try "the cluster forgets clients sooner" ceph config set osd osd_client_watch_timeout 5
# died: the daemon, and nothing is under way when it and its pools are there again.
died() {
    : >"$POINT"
    try "the daemon starts again" linked_launch
    # libvirt forgets that they were active
    try "with its pools" eval 'virsh pool-start images && virsh pool-start ceph-vault'
    # what a dead client had open is in use until the cluster forgets that client
    try "the deletion is completed" waited eval '[ -z "$(links)" ] || { virsh pool-refresh images && false; }'
    same "no image is left" "$(rbd ls images)$(rbd ls vault)" ""
}
try "a linked volume" image five
try "a snapshot" snap images/five@kept
meets "pwrite 7 /five.luks"
delete_all five >/dev/null 2>&1
try "the daemon dies while it is deleted with its snapshots" crashed
died
nothing_left "the crash"
try "a linked volume with its header on Ceph" far five
try "snapshots of both" eval 'snap images/five@kept && snap vault/five.luks@old'
meets "rename 2 wait $LINKS"
delete_all five >/dev/null 2>&1 &
client=$!
try "it is deleted with its snapshots" waited test -s "$POINT.log"
try "the header loses some of its bytes" rbd bench --io-type write --io-size 4096 --io-total 4096 vault/five.luks
try "the cluster stands still" ceph_pause osd
: >"$POINT.go"
try "while the deletion has begun" waited eval 'link_show five | grep -q "state=\"deleting\" snapshots=\"yes\""'
daemon_kill
wait "$client"
try "the cluster goes on" ceph_resume osd
died

note "Where there are no snapshots to delete"
try "a linked volume in a directory" create six raw
unchanged "vol-delete with snapshots" "unsupported flags" virsh vol-delete six data --delete-snapshots
try "without" virsh vol-delete six data
nothing_left "all of this"
finish
