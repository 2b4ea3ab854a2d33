#!/bin/bash
# Keys while a guest runs. virt-lukshdr changes them below the guest, which has the master key and notices nothing of
# it (QEMU 10.0's own way, x-blockdev-amend, ends QEMU: docs/operations.md). Any other header is refused. What is changed on
# the host with cryptsetup is taken over by linking again.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"
. "$(dirname "$0")/../tool/lib/vl.sh"
. "$(dirname "$0")/../lib/label.sh"

need_command qemu-system-x86_64 qemu-img cryptsetup jq

share() {
    linked_xml "$1" "${1#*.}" "" "pool='vault' volume='$2'" |
        sed "s/<header type='volume'>/<header type='volume' link='share'>/; /<secret /d" | create_xml
}

# secret_value NUMBER: the qcow2 volume's own secret gets this passphrase.
OWN_UUID=0e2a0f9e-5f0e-4e36-8e0b-6f1f3a3f2b55
secret_value() {
    secret_file <"$P/$1" && virsh secret-set-value "$OWN_UUID" --file "$DAEMON_DIR/xml/value" --plain
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
printf %s "third-$PASSPHRASE" | (umask 077 && cat >"$P/3")
[ "$DAEMON_RUNS" = system ] || give "$P/3"
try "a qcow2 one with a replica and a secret of its own" eval 'secret_make "$OWN_UUID" volume "$PASSPHRASE" &&
    linked_xml q.qcow2 qcow2 "" "pool=\"vault\"/><source pool=\"vault2\"" | sed "s/$SECRET_UUID/$OWN_UUID/" | create_xml'
try "and two on one header" eval 'create a.raw raw && share b.raw a.raw.luks'
try "a guest runs with the first, the second of these, and the qcow2 one" guest_boot one \
    "$(disk vda k.raw)$(disk vdb b.raw)$(disk_xml vdc "$DATA/q.qcow2" qcow2 "$OWN_UUID")"
try "it writes" guest_fill one vda kept
try "also there" guest_fill one vdc kept
BEFORE=$(headers)

note "Changed by virt-lukshdr"
TIME=(--iter-time 10)
# copied NAME: the header of k.raw as it is now, as a file of that name.
copied() {
    cp "$VAULT/k.raw.luks" "$P/$1" && chmod 666 "$P/$1"
}
copied older
for volume in k.raw q.qcow2; do
    try "$volume gets a key" vl key-add "data/$volume" --passphrase-file "$P/1" --new-passphrase-file "$P/2" "${TIME[@]}"
    try "it opens" opens "$volume" 2
    try "so does the one before" opens "$volume" 1
    same "the label fits" "$(state "$volume")" ok
    try "the replica has followed" cmp -n 2300000 "$VAULT/$volume.luks" "$VAULT2/$volume.luks"
    status "the secret's is not removed" 1 "in use by the running domain 'one'; .*no key would be left that the secret" \
        vl key-remove "data/$volume" --passphrase-file "$P/1"
    try "it opens still" opens "$volume" 1
    same "nothing has happened" "$(state "$volume")" ok
    try "the new one is removed" vl key-remove "data/$volume" --passphrase-file "$P/2"
    refuse "it opens no more" "No key available" opens "$volume" 2
    same "the label fits" "$(state "$volume")" ok
done
try "the secret's passphrase is changed, and the secret" \
    vl key-change data/q.qcow2 --passphrase-file "$P/1" --new-passphrase-file "$P/2" "${TIME[@]}"
refuse "the old one opens no more" "No key available" opens q.qcow2 1
try "the new one does" opens q.qcow2 2
try "and the secret has it: the header is linked again" vl link data/q.qcow2 --yes
try "and back" vl key-change data/q.qcow2 --passphrase-file "$P/2" --new-passphrase-file "$P/1" "${TIME[@]}"
try "a header is changed that a guest uses by way of another volume" \
    vl key-add data/a.raw --passphrase-file "$P/1" --new-passphrase-file "$P/2" "${TIME[@]}"
same "which has it, too" "$(state b.raw)" ok
try "and changed back" vl key-remove data/a.raw --passphrase-file "$P/2"
try "the guest goes on: it reads" guest_filled one vda kept
try "and reads" guest_filled one vdc kept

note "Somebody else changes keys meanwhile"
# meanwhile COMMAND: a key is added; while its header is made, the daemon's client runs COMMAND.
meanwhile() {
    mkdir -p "$DAEMON_DIR/second"
    cat >"$DAEMON_DIR/second/qemu-img" <<SH
#!/bin/bash
export PATH=$PATH
$1 >&2 || exit
exec qemu-img "\$@"
SH
    chmod 755 "$DAEMON_DIR/second" "$DAEMON_DIR/second/qemu-img"
    env PATH="$DAEMON_DIR/second:$PATH" "$DAEMON_IN" "$VL" key-add data/k.raw --passphrase-file "$P/1" \
        --new-passphrase-file "$P/2" "${TIME[@]}"
}
# labelled FILE MORE: FILE, which was a header of k.raw, gets a label that fits it, MORE generations later.
labelled() {
    local digest generation
    digest=$(head -c 2066432 "$1" | sha256sum | cut -d' ' -f 1)
    generation=$(link_show k.raw | sed -n 's/.*generation="\([0-9]*\)".*/\1/p')
    label_write "$1" < <(link_show k.raw | sed '/^<!--/d' |
        sed "s/generation=\"[0-9]*\"/generation=\"$((generation + $2))\"/;s/\(<digest [^>]*>\)[0-9a-f]*</\1$digest</")
}
status "the later one is refused" 1 "nothing was done: .*it is an older header" \
    meanwhile "'$VL' key-add data/k.raw --passphrase-file '$P/1' --new-passphrase-file '$P/3' --iter-time 10"
try "the earlier one is there" opens k.raw 3
refuse "the later one is not" "No key available" opens k.raw 2
same "the label fits" "$(state k.raw)" ok
# the other one has not come to the end yet
copied newer
cryptsetup luksRemoveKey "$P/newer" "$P/3" && labelled "$P/newer" 1
status "also where the link is not renewed yet" 1 "nothing was done: somebody else has changed its keys meanwhile" \
    meanwhile "virsh -q vol-upload k.raw.luks '$P/newer' vault"
refuse "what the other has removed is not back" "No key available" opens k.raw 3
try "the link is renewed" vl link data/k.raw --yes

note "Refused, with what to do"
BEFORE=$(headers)
digest_at=112
used="volume '.*' is in use by the running domain 'one'; detach it or stop the domain first. Meanwhile its keys alone can be"
refuse "an older header" "$used.*it is an older header" virsh vol-upload k.raw.luks "$P/older" vault
refuse "another volume's" "$used.*its link label is that of volume '[ab].raw'" virsh vol-upload k.raw.luks "$VAULT/a.raw.luks" vault
head -c 1048576 "$VAULT/k.raw.luks" >"$P/part" && chmod 644 "$P/part"
refuse "a part of it" "$used.*no whole header" virsh vol-upload k.raw.luks "$P/part" vault
refuse "something at its end" "replaced as a whole" virsh vol-upload k.raw.luks "$P/part" vault --offset 1048576
refuse "a part of a whole one" "replaced as a whole" virsh vol-upload k.raw.luks "$VAULT/k.raw.luks" vault --length 2097152
# the same label before other keys, and before another master key
copied other && flip "$P/other"
refuse "one whose label does not fit it" "$used.*damaged, or another tool changed its keys" virsh vol-upload k.raw.luks "$P/other" vault
labelled "$P/other" 1
refuse "nor is one that is damaged and has a label that fits" "$used.*more than its keys would be another" \
    virsh vol-upload k.raw.luks "$P/other" vault
copied other && flip "$P/other" $digest_at && labelled "$P/other" 1
refuse "or one of another master key" "$used.*more than its keys would be another" virsh vol-upload k.raw.luks "$P/other" vault
try "it is itself taken" virsh vol-upload k.raw.luks "$VAULT/k.raw.luks" vault
status "an older header is not put back by virt-lukshdr either" 6 "in use by domain 'one'" \
    vl header-restore data/k.raw "$P/older"
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
