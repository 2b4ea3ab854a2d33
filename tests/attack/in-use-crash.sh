#!/bin/bash
# A guest starts just when its volume is about to be deleted, wiped or unlinked. So the daemon must refuse, and
# must take back the state that it has noted; but it dies before that, or the disk is full. Afterwards the
# volume is whole, and can be used.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../lib/faults.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "one daemon is enough"
need_command qemu-system-x86_64 qemu-img

TEXT="what only the guest may know: $RANDOM $RANDOM"
daemon_use host
faults_use
try "a host with a linked volume" eval 'linked_start && quick_keys && create one raw && create other raw'
try "a guest uses it" guest_boot demo "$(disk_xml vda "$DATA/one" raw)"
try "and writes to it" guest_fill demo vda "$TEXT"
bystander "$DATA/other" "$VAULT/other.luks"
cp "$VAULT/one.luks" "$DAEMON_DIR/header"

state() {
    link_show one | sed -n 's/.*<link state="\([a-z]*\)".*/\1/p'
}
# half_done STATE: what a daemon leaves that died between the note and taking it back: it saw no guest at
# first. The guest's record is there.
half_done() {
    link_edit one "s/state=\"active\"/state=\"$1\"/"
}
whole() {
    same "$1: the link is active" "$(state)" active
    same "$1: the header is whole" "$(key_material "$VAULT/one.luks")" "$(key_material "$DAEMON_DIR/header")"
    try "$1: the guest reads what it wrote" guest_filled demo vda "$TEXT"
    unharmed "$1: nobody else's byte has changed"
}
unlinked() {
    cat >"$DAEMON_DIR/xml/link.xml" <<XML
<volume><name>one</name><target><encryption format='luks'>
  <header type='volume' link='unlink'><source pool='vault' volume='one.luks'/></header>
</encryption></target></volume>
XML
    virsh vol-create data "$DAEMON_DIR/xml/link.xml"
}

refuse "it is not deleted" "in use by the running domain 'demo'" virsh vol-delete one data
whole "refused"

# --- the daemon died

for what in deleting wiping unlinking; do
    try "the daemon dies" daemon_kill
    try "$what: as it has left it" half_done "$what"
    from=$(log_end)
    try "$what: the daemon starts" linked_launch
    whole "$what"
    like "$what: the log says so" "$(logged "$from")" "was in state '$what' and is whole; it is active again.*demo"
done

# --- not whole: the guest goes on, and nothing more is destroyed

try "the daemon dies" daemon_kill
try "while it was overwriting the header" half_done deleting
dd if=/dev/zero of="$VAULT/one.luks" bs=4096 count=1 conv=notrunc 2>/dev/null
from=$(log_end)
try "the daemon starts" linked_launch
same "the link stays as it was" "$(state)" deleting
like "the log says why" "$(logged "$from")" "is in state 'deleting'.*demo.*not whole"
try "the payload is there" test -e "$DATA/one"
try "the guest reads what it wrote" guest_filled demo vda "$TEXT"
dd if="$DAEMON_DIR/header" of="$VAULT/one.luks" bs=4096 count=1 conv=notrunc 2>/dev/null
virsh pool-refresh vault >/dev/null
try "the header is put back: after a refresh it is active" waited eval '[ "$(state)" = active ]'
whole "put back"

# --- noted, found in use, and no space to take that back. QEMU's lock comes between the two looks.

virsh destroy demo >/dev/null
virsh undefine demo >/dev/null
# qemu-nbd begins when the note has been written: the daemon waits there
need_command qemu-nbd
swapping() {
    meets "fsync 1 wait $LINKS|$(basename "$(link_of one)")"
    rm -f "$POINT.go"
    virsh vol-delete one data >"$DAEMON_DIR/delete.out" 2>&1 &
    client=$!
    waited test -s "$POINT.log" || return
    qemu-nbd --fork --persistent --pid-file="$DAEMON_DIR/nbd.pid" -k "$DAEMON_DIR/nbd.sock" -f raw "$DATA/one" || return
    # the first rename is that of the note, the second that of taking it back
    meets "rename 2 fail 28 $LINKS"
    touch "$POINT.go"
    wait "$client"
    grep -q "in use by QEMU" "$DAEMON_DIR/delete.out"
}
: >"$POINT"
try "a volume is exported while it is about to be deleted, which is refused" swapping
: >"$POINT"
same "the note is still there: taking it back has failed" "$(state)" deleting
try "it is there" test -e "$DATA/one"
same "its header is whole" "$(key_material "$VAULT/one.luks")" "$(key_material "$DAEMON_DIR/header")"
try "the daemon dies" daemon_kill
try "and starts" linked_launch
same "the link is active" "$(state)" active
same "its header is whole still" "$(key_material "$VAULT/one.luks")" "$(key_material "$DAEMON_DIR/header")"
kill "$(cat "$DAEMON_DIR/nbd.pid")"

# --- nobody uses it: what was begun is completed

waited not kill -0 "$(cat "$DAEMON_DIR/nbd.pid")" 2>/dev/null
try "the daemon dies" daemon_kill
try "in the middle of a deletion" half_done deleting
try "the daemon starts" linked_launch
try "of a volume that nobody uses nothing is left" not test -e "$DATA/one" -o -e "$VAULT/one.luks"
same "nor an entry" "$(link_of one)" ""
unharmed "nobody else's byte has changed"
virsh vol-delete other data >/dev/null
nothing_left "in the end"
finish
