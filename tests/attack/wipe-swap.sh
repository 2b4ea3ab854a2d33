#!/bin/bash
# A linked volume is wiped. While its key material is being destroyed, an attacker who may write to the header
# pool's directory puts a symbolic link to root's file under the header's name. The rest of the wipe goes to
# the header that was opened, and to nothing else.

. "$(dirname "$0")/../lib/linked.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_root

daemon_use host
swap_use
try "a daemon starts" linked_start || finish

create() {
    linked_xml "$1" raw | create_xml
}

victim=$DAEMON_DIR/victim
head -c 5M /dev/urandom >"$victim"
chmod 600 "$victim"
bystander "$victim"

try "a linked volume is made" create disk
swap_at sync 1 "$VAULT/disk.luks" \
    "ln '$VAULT/disk.luks' '$DAEMON_DIR/opened' && ln -s '$victim' '$VAULT/new.link' && mv -fT '$VAULT/new.link' '$VAULT/disk.luks'"
virsh vol-wipe disk data
swapped "while it is wiped its header's name becomes a symbolic link"
unharmed "where that leads nothing has changed"
same "the header that was opened is wiped, with zeroes" \
    "$(tr -d '\0' <"$DAEMON_DIR/opened" | wc -c)" 0

try "another one is made" create next
try "and wiped" virsh vol-wipe next data
same "its header is zeroes, too" "$(tr -d '\0' <"$VAULT/next.luks" | wc -c)" 0
alive "in the end"
finish
