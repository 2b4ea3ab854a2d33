#!/bin/bash
# An attacker can write to the directory of a replica's pool, and puts something else in the replica's place.
# Nobody writes to that when pools and guests start, or when the header is mended or put back.
# shellcheck disable=SC2154,SC2317 # set by linked.sh; functions called by way of waited
set -u
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../lib/attack.sh"

linked_start host || exit 1
quick_keys
VAULT2=$DAEMON_IMAGES/vault2
"$DAEMON_IN" mkdir -p "$VAULT2"
try "a pool of replicas" pool_make vault2 "$VAULT2"
try "a volume with a replica" create one.raw raw "" "pool='vault'/><source pool='vault2'"
header=$VAULT/one.raw.luks
replica=$VAULT2/one.raw.luks
good=$(sha256sum <"$header")
head -c 5M /dev/urandom | "$DAEMON_IN" dd of="$DAEMON_IMAGES/roots-own" status=none
bystander "$DAEMON_IMAGES/roots-own"
restart() {
    virsh pool-destroy "$1"
    virsh pool-start "$1"
}
log_says() {
    grep -q "$1" "$DAEMON_LOG"
}

note "A symbolic link to a file of root's"
"$DAEMON_IN" rm "$replica"
ln -s "$DAEMON_IMAGES/roots-own" "$replica"
restart vault2
try "is reported" waited log_says "one.raw.luks' is a symbolic link"
unharmed "and root's file is as it was"
virsh vol-create-from data <(echo "<volume><name>x</name><target><format type='raw'/></target></volume>") \
    one.raw --inputpool data >/dev/null && virsh vol-delete x data
unharmed "also when the volume was used"
virsh_start() {
    guest_define demo "$(disk_xml vda "$DATA/one.raw" raw)" && virsh start demo
}
try "a guest starts with the volume" virsh_start
virsh destroy demo >/dev/null
unharmed "also when a guest was started"
virsh vol-download one.raw.luks "$DAEMON_DIR/backup" vault
refuse "the header is not put back from a backup meanwhile" "symbolic link" \
    virsh vol-upload one.raw.luks "$DAEMON_DIR/backup" vault
same "it is as it was" "$(sha256sum <"$header")" "$good"
unharmed "and so is root's file"

note "The header itself"
"$DAEMON_IN" rm "$replica"
"$DAEMON_IN" cp "$header" "$replica"
"$DAEMON_IN" rm "$header"
ln -s "$DAEMON_IMAGES/roots-own" "$header"
restart vault
refuse "is not mended through a link" "symbolic link" virsh vol-create-from data \
    <(echo "<volume><name>x</name><target><format type='raw'/></target></volume>") one.raw --inputpool data
unharmed "and root's file is as it was"
"$DAEMON_IN" rm "$header"
restart vault
is_back() {
    [ "$(sha256sum <"$header")" = "$good" ]
}
try "what is gone comes back" waited is_back

note "Another file"
"$DAEMON_IN" rm "$replica"
head -c 4M /dev/urandom | "$DAEMON_IN" dd of="$replica" status=none
ln "$replica" "$DAEMON_IMAGES/other"
bystander "$DAEMON_IMAGES/other"
restart vault2
try "is reported, with both" waited log_says "was recorded, inode"
unharmed "and is as it was"
"$DAEMON_IN" rm "$replica"
restart vault2
replica_is_back() {
    [ "$(sha256sum <"$replica")" = "$good" ]
}
try "once it is gone the replica comes back" waited replica_is_back
daemon_stop
finish
