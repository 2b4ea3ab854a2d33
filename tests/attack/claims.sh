#!/bin/bash
# Anybody who can write to a header pool can write a label, and so can another host. A label makes no link of a
# volume for which it was not written. Whatever it says, nobody overwrites, deletes or removes anything because
# of it.
# shellcheck disable=SC2154,SC2317 # set by linked.sh; functions called by way of waited
set -u
. "$(dirname "$0")/../lib/linked.sh"
. "$(dirname "$0")/../lib/attack.sh"
. "$(dirname "$0")/../lib/label.sh"

# declare_headers POOL DIR: POOL is a declared header pool, started.
declare_headers() {
    cat >"$DAEMON_DIR/xml/pool.xml" <<XML
<pool type='dir'><name>$1</name><target><headers/><path>$2</path></target></pool>
XML
    virsh pool-destroy "$1" >/dev/null 2>&1
    virsh pool-undefine "$1" >/dev/null 2>&1
    virsh pool-define "$DAEMON_DIR/xml/pool.xml" && virsh pool-start "$1" && virsh pool-autostart "$1"
}
found() {
    virsh vol-dumpxml "$1" "$2" | grep -q "state=.found"
}
tool_list() {
    "$DAEMON_IN" "$BUILDDIR/tools/virt-lukshdr" list "$@" 2>&1
}

note "Two hosts share a header pool; their local pools of payloads have the same name"
linked_start one || exit 1
quick_keys
try "host one makes a linked volume" create disk.raw raw
header=$VAULT/disk.raw.luks
shared=$VAULT
before=$(sha256sum <"$header")
linked_start two || exit 1
quick_keys
try "host two has a plain volume of that name" virsh vol-create-as data disk.raw 4M --format raw
yes content | head -c 4M | "$DAEMON_IN" dd of="$DATA/disk.raw" conv=notrunc status=none
try "and takes the header pool" declare_headers shared "$shared"
try "which shows the header as found" waited found disk.raw.luks shared
unlike "the plain volume stays plain" "$(virsh vol-dumpxml disk.raw data)" "<header|<encryption"
same "no link is made" "$(links)" ""
listed=$(tool_list)
like "list shows it" "$listed" "shared/disk.raw.luks .*found"
like "and how to take it" "$listed" \
    "virt-lukshdr link data/disk.raw shared/disk.raw.luks --secret $SECRET_UUID"
like "JSON, too" "$(tool_list --json)" '"state" *: *"found"'
try "the pool can be stopped and started" virsh pool-destroy shared
virsh pool-start shared
try "the volume is wiped" virsh vol-wipe disk.raw data
same "which means it" "$(tr -d '\0' <"$DATA/disk.raw" | wc -c)" 0
try "and deleted" virsh vol-delete disk.raw data
same "the header of host one is as it was" "$(sha256sum <"$header")" "$before"
daemon_stop
linked_use one
try "and opens its volume" virsh vol-create-from data <(echo "<volume><name>x</name><target><format type='raw'/></target>
    </volume>") disk.raw --inputpool data
virsh vol-delete x data
try "host one deletes its volume" virsh vol-delete disk.raw data

note "A label of somebody who can write to the pool"
OTHERS=$DAEMON_IMAGES/others
"$DAEMON_IN" mkdir -p "$OTHERS"
try "the header pool is declared" declare_headers vault "$VAULT"
try "a pool of others" pool_make others "$OTHERS"
head -c 4M /dev/urandom | "$DAEMON_IN" dd of="$OTHERS/bystander" status=none
CEPH=6e1f3d6b-0c3f-4a55-8a0e-2f2a9f1d7c11
try "a secret of something else" secret_make $CEPH iscsi cephs-own-key
truncate -s 4M "$OTHERS/empty"
virsh pool-refresh others
bystander "$OTHERS/bystander" "$OTHERS/empty"
header_of "$DAEMON_DIR/template"
# evil NAME: the label on stdin stands in the header NAME, as nobody of ours has made it.
evil() {
    "$DAEMON_IN" cp "$DAEMON_DIR/template" "$VAULT/$1"
    label_write "$VAULT/$1"
}
plain() {
    virsh vol-create-as data "$1" 1M --format raw >/dev/null
    yes content | head -c 1M | "$DAEMON_IN" dd of="$DATA/$1" conv=notrunc status=none
}
# looked_at: the pools have been stopped and started, and what that causes has been done: it is seen at a
# volume that is looked at after all others.
looked_at() {
    local uuid
    uuid=$(cat /proc/sys/kernel/random/uuid)
    "$DAEMON_IN" rm -f "$VAULT"/zz*
    plain "zz-$uuid"
    LABEL_UUID=$uuid label_claim "zz-$uuid" "" "" "$DAEMON_DIR/template" | evil "zz-$uuid.luks"
    local pool
    for pool in others vault; do
        virsh pool-destroy "$pool"
        virsh pool-start "$pool"
    done
    looked_at_is() {
        virsh vol-dumpxml "zz-$uuid.luks" vault | grep -q "<payload"
    }
    waited looked_at_is
    virsh vol-delete "zz-$uuid" data
    "$DAEMON_IN" rm -f "$VAULT/zz-$uuid.luks"
}
replicas="<replica pool='others' volume='bystander'><path>$OTHERS/bystander</path></replica>
    <replica pool='others' volume='empty'><path>$OTHERS/empty</path></replica>"

for true_identity in "" yes; do
    plain bare
    identity=
    [ -z "$true_identity" ] || identity=$(identity_of "$DATA/bare")
    LABEL_SECRET=$CEPH label_claim bare "$identity" "$replicas" "$DAEMON_DIR/template" | evil bare.luks
    try "its volume's identity being ${true_identity:-not} known, the pools are looked at" looked_at
    unharmed "volumes that it calls replicas are as they were"
    # what keeps the copies of a header alike runs when the pool of one is started, with the links that there are
    try "and once more" looked_at
    unharmed "neither is overwritten then"
    if [ -z "$true_identity" ]; then
        unlike "the volume stays plain" "$(virsh vol-dumpxml bare data)" "<header"
        try "it is wiped" virsh vol-wipe bare data
        same "which means it" "$(tr -d '\0' <"$DATA/bare" | wc -c)" 0
    fi
    unlike "the bystander is not shown as anything" "$(virsh vol-dumpxml bystander others)" "<encryption|<payload"
    try "the volume is deleted" virsh vol-delete bare data
    unharmed "which the bystander does not notice"
    like "and the secret is there" "$(virsh secret-list)" $CEPH
    "$DAEMON_IN" rm -f "$VAULT/bare.luks"
    virsh pool-refresh vault
done

note "What was found is taken by an explicit act"
plain bare
label_claim bare "" "$replicas" "$DAEMON_DIR/template" | evil bare.luks
try "it is looked at" looked_at
try "the command that list shows takes it" "$DAEMON_IN" "$BUILDDIR/tools/virt-lukshdr" \
    link data/bare vault/bare.luks --secret "$SECRET_UUID"
like "then the volume shows its header" "$(virsh vol-dumpxml bare data)" "volume=.bare.luks"
unlike "and nothing is found any more" "$(tool_list)" "found"
unharmed "the bystander is as it was"
try "the two are deleted" virsh vol-delete bare data
unharmed "and the bystander is as it was"
like "the client's secret is there" "$(virsh secret-list)" "$SECRET_UUID"

note "Labels that say nothing"
# complaints: GLib's of the daemon, such as of a name that is none
complaints() {
    grep -aE 'CRITICAL|WARNING|assertion' "$DAEMON_DIR/libvirtd.out.log"
}
# Any LUKS header would be that of a label that names none
for state in creating deleting wiping wiped; do
    plain bare
    LABEL_STATE=$state LABEL_LUKS="" \
        label_claim bare "$(identity_of "$DATA/bare")" "$replicas" "$DAEMON_DIR/template" | evil bare.luks
    try "$state: one without a LUKS UUID is looked at" looked_at
    try "$state: and once more" looked_at
    same "$state: it makes no link" "$(links)" ""
    unlike "$state: and no header" "$(virsh vol-dumpxml bare data)" "<header"
    unharmed "$state: the bystanders are as they were"
    same "$state: nothing was compared that is not there" "$(complaints)" ""
    unlike "$state: nor found fault with for another reason" "$(cat "$DAEMON_LOG")" "cannot be written as XML"
    virsh vol-delete bare data
    "$DAEMON_IN" rm -f "$VAULT/bare.luks"
done
alive_now() {
    virsh pool-list --name | grep -q others
}
try "the daemon lives" alive_now
daemon_stop
finish
