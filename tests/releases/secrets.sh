#!/bin/bash
# Where libvirt keeps the passphrases of volumes, which docs/recovery.md tells and on which the ways to another host
# depend: in base64 before 12.1, and encrypted from then on, if there is a key. The plugin's own need it, too: it makes
# secrets, keeps some ahead, and removes them with their volumes. Part of "./check releases".

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/linked.sh"

need_root
need_command qemu-img

STORE=/etc/libvirt/secrets

# stored UUID: the names of what libvirt keeps of a secret's value.
stored() {
    "$DAEMON_IN" sh -c 'cd "$1" && ls' sh "$STORE" | grep -v '\.xml$' | sed -n "s/^$1/UUID/p"
}

# cloned NAME: what is in the volume comes out of it in clear, by the secret that libvirt has of it.
cloned() {
    vl convert "$1" "data/$1.clear" --plain --format raw --quiet && cmp "$DATA/$1.clear" "$DAEMON_DIR/clear" &&
        virsh vol-delete "$1.clear" data
}

try "a host with linked volumes" eval 'linked_start && quick_keys'
head -c 16777216 /dev/zero | tr '\0' x >"$DAEMON_DIR/clear"
# filled NAME: a volume with that text and a generated secret, whose UUID is in $UUID.
filled() {
    virsh vol-create-as data text 16M --format raw && virsh vol-upload text "$DAEMON_DIR/clear" --pool data &&
        linked_xml "$1" raw | sed '/<secret/d' >"$DAEMON_DIR/xml/clone.xml" &&
        virsh vol-create-from data "$DAEMON_DIR/xml/clone.xml" text data && virsh vol-delete text data &&
        UUID=$(link_show "$1" | sed -n 's/.*secret uuid="\([^"]*\)".*/\1/p')
}

try "a volume with a generated secret" filled old
old=$UUID
same "without a key libvirt keeps the passphrase in base64" "$(stored "$old")" UUID.base64

"$DAEMON_IN" sh -c 'umask 077 && head -c 32 /dev/urandom >/etc/libvirt/key &&
    echo "secrets_encryption_key = \"/etc/libvirt/key\"" >/etc/libvirt/secret.conf'
try "the daemon starts anew, and has a key now" linked_launch
try "the volume that was there before opens" cloned old
same "its passphrase stays in base64" "$(stored "$old")" UUID.base64
try "another volume with a generated secret" filled new
new=$UUID
if libvirt_since 12.1; then
    same "libvirt encrypts its passphrase" "$(stored "$new")" UUID.aes256cbc
else
    same "this libvirt keeps its passphrase in base64, too" "$(stored "$new")" UUID.base64
fi
try "the volume opens" cloned new
try "the daemon starts anew" linked_launch
for volume in old new; do
    try "$volume opens" cloned $volume
    try "$volume and its secret are deleted" virsh vol-delete $volume data
done
same "libvirt has no passphrase of theirs any more" "$(stored "$old")$(stored "$new")" ""

try "a volume" filled lost
if libvirt_since 12.1; then
    "$DAEMON_IN" sh -c 'echo "encrypt_data = 0" >/etc/libvirt/secret.conf'
    try "the daemon starts without the key" linked_launch
    refuse "without it nobody opens the volume" "secret" vl convert lost data/lost.clear --plain --format raw --quiet
    try "a volume of now" filled plain
    same "has its passphrase in base64" "$(stored "$UUID")" UUID.base64
fi
finish
