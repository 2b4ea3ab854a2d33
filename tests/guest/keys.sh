#!/bin/bash
# Keys while a guest runs. virt-lukshdr refuses to change them, before anything has happened (QEMU 10.0's own way,
# x-blockdev-amend, ends QEMU: docs/operations.md). What is changed on the host with cryptsetup is taken over by
# linking again, and the guest, which has the master key, notices nothing of it.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"
. "$(dirname "$0")/../tool/lib/vl.sh"

need_command qemu-system-x86_64 qemu-img cryptsetup jq

share() {
    linked_xml "$1" "${1#*.}" "" "pool='vault' volume='$2'" |
        sed "s/<header type='volume'>/<header type='volume' link='share'>/; /<secret /d" | create_xml
}

# opens VOLUME NUMBER: whether passphrase NUMBER opens its header.
opens() {
    cryptsetup open --test-passphrase --type luks1 --header "$VAULT/$1.luks" --key-file "$P/$2" "$DATA/$1"
}

# untouched WHAT: headers and link registry are as they were.
untouched() {
    same "$1: headers and links are as before" "$(headers)" "$BEFORE"
}

headers() {
    sha256sum "$VAULT"/*.luks "$VAULT2"/*.luks
    link_show k.raw
}

state() {
    said vl info "$1" --json | jq -r .link.state
}

try "a host with a header pool and a payload pool" linked_start
VAULT2=$DAEMON_IMAGES/vault2
"$DAEMON_IN" mkdir -p "$VAULT2"
try "a pool for replicas" pool_make vault2 "$VAULT2"
quick_keys
P=$DAEMON_DIR/xml
printf %s "$PASSPHRASE" | (umask 077 && cat >"$P/1")
printf %s "second-$PASSPHRASE" | (umask 077 && cat >"$P/2")
[ "$DAEMON_RUNS" = system ] || give "$P/1" "$P/2"
try "a volume with a replica" eval \
    'linked_xml k.raw raw "" "pool=\"vault\"/><source pool=\"vault2\"" | create_xml'
try "a qcow2 one with a replica" eval \
    'linked_xml q.qcow2 qcow2 "" "pool=\"vault\"/><source pool=\"vault2\"" | create_xml'
try "and two on one header" eval 'create a.raw raw && share b.raw a.raw.luks'
try "a guest runs with the first, the second of these, and the qcow2 one" guest_boot one \
    "$(disk vda k.raw)$(disk vdb b.raw)$(disk vdc q.qcow2)"
try "it writes" guest_fill one vda kept
try "also there" guest_fill one vdc kept
BEFORE=$(headers)

note "Refused, with what to do"
status "a key is not added" 6 "in use by domain 'one'; detach the disk or shut the domain down first" \
    vl key-add data/k.raw --passphrase-file "$P/1" --new-passphrase-file "$P/2" --iter-time 10
status "nor removed" 6 "in use by domain 'one'; detach the disk" vl key-remove data/k.raw --passphrase-file "$P/1"
status "nor changed" 6 "in use by domain 'one'; detach the disk" \
    vl key-change data/k.raw --passphrase-file "$P/1" --new-passphrase-file "$P/2" --iter-time 10
status "nor by way of a volume that shares the header, which no guest uses" 1 \
    "volume 'b.raw' is in use by the running domain 'one'; detach it or stop the domain first" \
    vl key-add data/a.raw --passphrase-file "$P/1" --new-passphrase-file "$P/2" --iter-time 10
status "an older header is not put back either" 6 "in use by domain 'one'" \
    vl header-restore data/k.raw "$VAULT/k.raw.luks"
untouched "after all of this"
refuse "the new passphrase does not open" "No key available" opens k.raw 2

note "Changed on the host"
try "cryptsetup adds a key" "$DAEMON_IN" cryptsetup luksAddKey --pbkdf-force-iterations 1000 \
    --key-file "$P/1" "$VAULT/k.raw.luks" "$P/2"
like "which the label does not fit any more" "$(state k.raw)" "header-damaged"
try "the volume is linked again while the guest runs" vl link data/k.raw --yes
same "the label fits" "$(state k.raw)" ok
try "the replica has followed" cmp -n 2300000 "$VAULT/k.raw.luks" "$VAULT2/k.raw.luks"
try "the new passphrase opens" opens k.raw 2
try "cryptsetup adds one to the header that is shared" "$DAEMON_IN" cryptsetup luksAddKey \
    --pbkdf-force-iterations 1000 --key-file "$P/1" "$VAULT/a.raw.luks" "$P/2"
try "of the two volumes the one is linked again" vl link data/a.raw --yes
same "which does for the other" "$(state b.raw)" ok
try "the guest goes on: it reads" guest_filled one vda kept
try "and writes" guest_fill one vda more

note "Changed on the host, and looked at before the volume is linked again"
# add: cryptsetup adds a key to the qcow2 volume's header.
add() {
    "$DAEMON_IN" cryptsetup luksAddKey --pbkdf-force-iterations 1000 --key-file "$P/1" "$VAULT/q.qcow2.luks" "$P/2"
}
# looked: the pool of replicas is started, and the daemon has looked at the headers: it has mended a replica that was
# damaged for that.
GOOD=
is_good() {
    [ "$(sha256sum <"$VAULT2/k.raw.luks")" = "$GOOD" ]
}
looked() {
    GOOD=$(sha256sum <"$VAULT2/k.raw.luks")
    virsh pool-destroy vault2 && flip "$VAULT2/k.raw.luks" 5000 && virsh pool-start vault2 && waited is_good &&
        virsh pool-refresh vault
}
try "cryptsetup adds a key to the qcow2 volume's header" add
try "the daemon looks at all copies" looked
try "the new passphrase still opens" opens q.qcow2 2
same "the volume waits to be linked again" "$(state q.qcow2)" header-damaged
like "which the log says" "$(cat "$DAEMON_LOG")" "another tool changed its keys; if it was you, say: virt-lukshdr link data/q.qcow2"
status "check repairs nothing" 7 "nothing is repaired" vl check --repair
try "the new passphrase still opens" opens q.qcow2 2
try "it is linked again while the guest runs" vl link data/q.qcow2 --yes
same "the label fits" "$(state q.qcow2)" ok
try "the replica has followed" cmp -n 2300000 "$VAULT/q.qcow2.luks" "$VAULT2/q.qcow2.luks"
try "cryptsetup removes the key" "$DAEMON_IN" cryptsetup luksRemoveKey "$VAULT/q.qcow2.luks" "$P/2"
try "the daemon looks at all copies" looked
refuse "no replica has brought it back" "No key available" opens q.qcow2 2
try "it is linked again" vl link data/q.qcow2 --yes
refuse "it has gone from the replica, too" "No key available" cryptsetup open --test-passphrase --type luks1 \
    --header "$VAULT2/q.qcow2.luks" --key-file "$P/2" "$DATA/q.qcow2"
try "cryptsetup removes the secret's passphrase" eval 'add &&
    "$DAEMON_IN" cryptsetup luksRemoveKey "$VAULT/q.qcow2.luks" "$P/1"'
status "the volume is not linked again" 1 "does not open header 'q.qcow2.luks' of pool 'vault'" vl link data/q.qcow2 --yes
try "the secret's passphrase is back" "$DAEMON_IN" cryptsetup luksAddKey --pbkdf-force-iterations 1000 \
    --key-file "$P/2" "$VAULT/q.qcow2.luks" "$P/1"
try "it is linked again" vl link data/q.qcow2 --yes
try "the guest goes on: it reads" guest_filled one vdc kept
try "and writes" guest_fill one vdc more
virsh pool-refresh vault
virsh pool-refresh vault2
same "after a refresh of both pools the label still fits" "$(state k.raw)" ok
try "the new passphrase still opens" opens k.raw 2
try "the disk is unplugged" eval 'virsh detach-disk one vda --live && disk_gone one vda'
try "the secret gets the new passphrase" eval \
    'secret_file <"$P/2" && virsh secret-set-value "$SECRET_UUID" --file "$DAEMON_DIR/xml/value" --plain'
try "the old one is removed, since nobody uses the volume now" \
    vl key-remove data/k.raw --passphrase-file "$P/1"
refuse "it does not open any more" "No key available" opens k.raw 1
try "the volume is plugged in" eval 'disk vda k.raw >"$DAEMON_DIR/disk.xml" &&
    virsh attach-device one "$DAEMON_DIR/disk.xml" --live'
try "and has what was written" guest_filled one vda more
guest_stop one

daemon_stop
finish
