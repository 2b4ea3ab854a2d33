#!/bin/bash
# An attacker may write to a header pool's directory. After libvirt has made the file of a header volume or
# of a replica, and right before QEMU's tool formats it, he puts something else under its name: a symbolic
# link to root's file, or another volume by rename. Nothing but the new file is ever formatted or written,
# and a volume that did not become linked is not called linked.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/linked.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_root
need_command qemu-storage-daemon cryptsetup

daemon_use host
swap_use
try "a daemon starts" linked_start || finish

# Both formatters name their passphrase so on the command line.
FORMATTER=id=sec0

victim=$DAEMON_DIR/victim
head -c 5M /dev/urandom >"$victim"
chmod 600 "$victim"

replicas="pool='vault' volume='%s.luks'/><source pool='vault' volume='%s.replica'"

# sum FILE: of its content.
sum() {
    sha256sum <"$1" | cut -d ' ' -f 1
}

# create_pair NAME: a raw linked volume with a replica.
create_pair() {
    # shellcheck disable=SC2059 # the format is ours
    linked_xml "$1" raw | sed "s|<source .*/></header>|<source $(printf "$replicas" "$1" "$1")/></header>|" |
        create_xml
}

try "nothing is in the way of a linked volume with a replica" create_pair plain

bystander "$victim" "$VAULT/plain.luks" "$VAULT/plain.replica" "$DATA/plain"

for part in luks replica; do
    swap_at exec 1 "$FORMATTER" \
        "ln -s '$victim' '$VAULT/new.link' && mv -fT '$VAULT/new.link' '$VAULT/link-$part.$part'"
    refuse "$part becomes a symbolic link: vol-create says so" "symbolic link" create_pair "link-$part"
    swapped "$part: it happened right before the formatting"
    unharmed "$part: where it leads nothing has changed, nor has any volume"
    rm -f "$VAULT/link-"* "$DATA/link-"*
    virsh pool-refresh vault

    # the file that takes the name, and the content that nobody may touch
    head -c 4M /dev/urandom >"$VAULT/moved"
    chmod 600 "$VAULT/moved"
    before=$(sum "$VAULT/moved")
    swap_at exec 1 "$FORMATTER" mv -fT "$VAULT/moved" "$VAULT/rename-$part.$part"
    refuse "$part becomes another file: vol-create says so" "rename-$part.$part' is not " \
        create_pair "rename-$part"
    swapped "$part, renamed: it happened right before the formatting"
    same "$part, renamed: the other file is as it was, under that name" "$(sum "$VAULT/rename-$part.$part")" "$before"
    unharmed "$part, renamed: nothing else has changed"
    rm -f "$VAULT/rename-"* "$DATA/rename-"*
    virsh pool-refresh vault
done

try "and afterwards linked volumes are made as before" create_pair last
try "with a header" cryptsetup isLuks "$VAULT/last.luks"
alive "in the end"
finish
