#!/bin/bash
# virt-lukshdr leaves no errors in the daemon's log: each command that it lists is run as one runs it, and the log is
# looked at. A command without a case here fails the test.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/vl.sh"
. "$(dirname "$0")/../lib/session.sh"

try "a daemon starts" linked_start || finish
quick_keys
printf %s "$PASSPHRASE" | secret_file
PASS=$DAEMON_DIR/xml/value
OPEN=11111111-2222-4333-8444-555555555555
NEW=$DAEMON_DIR/new
(umask 077 && printf second >"$NEW")
KEPT=$DAEMON_DIR/kept
mkdir -m 777 "$KEPT"
give "$NEW"
cat >"$DAEMON_DIR/guest.xml" <<XML
<domain type='qemu'><name>guest</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os></domain>
XML
try "a guest is defined" virsh define "$DAEMON_DIR/guest.xml"

complaints() {
    grep -cE ' (error|warning) : ' "$DAEMON_LOG"
}

COMMANDS=$("$VL" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
DONE=
# quiet ARGUMENT...: the command succeeds, and the log is as it was.
quiet() {
    local before
    before=$(complaints)
    DONE+="$1"$'\n'
    try "$*" vl "$@"
    same "$1: the log is as it was" "$(grep -E ' (error|warning) : ' "$DAEMON_LOG" | tail -n "+$((before + 1))")" ""
}

quiet list
quiet check
try "a linked volume is created" create one raw
try "another" create two.qcow2 qcow2
cat >"$DAEMON_DIR/xml/open.xml" <<XML
<secret private='no'><uuid>$OPEN</uuid><usage type='volume'><volume>open</volume></usage></secret>
XML
not_private() {
    local SECRET_UUID=$OPEN
    virsh secret-define "$DAEMON_DIR/xml/open.xml" && virsh secret-set-value "$OPEN" --file "$PASS" --plain &&
        create open raw
}
try "one with a secret that is not private" not_private
quiet list
quiet list --json --pool data
quiet info one
quiet info vault/one.luks
quiet check
quiet check data
quiet check data/one
quiet chain one
quiet chain --format json data/two.qcow2
quiet key-list one
quiet key-add one --passphrase-file "$PASS" --new-passphrase-file "$NEW" --iter-time 10
quiet key-remove one --slot 1 --passphrase-file "$PASS"
quiet key-change open --passphrase-file "$PASS" --new-passphrase-file "$NEW" --iter-time 10
# Of a private secret only the daemon can tell whether its value is the passphrase that goes: it refuses once, and says so.
before=$(complaints)
try "key-change of a private secret" vl key-change two.qcow2 --passphrase-file "$PASS" --new-passphrase-file "$NEW" \
    --iter-time 10
same "leaves one error in the log" "$(($(complaints) - before))" 1
like "which says what was found out" "$(tail -n 1 "$DAEMON_LOG")" 'the secret .* does not open header'
try "and back" vl key-change two.qcow2 --passphrase-file "$NEW" --new-passphrase-file "$PASS" --iter-time 10
quiet attach guest one vdb
quiet detach guest one
quiet header-backup one "$KEPT/one"
quiet header-restore --force one "$KEPT/one"
quiet convert one data/copy --secret "$SECRET_UUID"
quiet unlink copy
quiet link data/copy vault/copy.luks --secret "$SECRET_UUID"
quiet forget --yes data/copy
quiet link data/copy vault/copy.luks --secret "$SECRET_UUID"
quiet check --repair
quiet erase --yes copy
virsh vol-delete copy data
quiet list
quiet chain open
# trim has libvirt start a domain, of which libvirt has something to say on a host such as this; the plugin has not
FAKE=$DAEMON_WORK/guestfs
mkdir "$FAKE" && ln -s "$(preload guestfs)" "$FAKE/libguestfs.so.0"
printf '#!/bin/sh\nexec virsh -q start guestfs-x --paused\n' >"$FAKE/launch"
printf '#!/bin/sh\nexec virsh -q destroy guestfs-x\n' >"$FAKE/shutdown"
chmod 755 "$FAKE" "$FAKE/launch" "$FAKE/shutdown"
echo "ready 32768" >"$FAKE/begin"
echo 1 >"$FAKE/end"
printf '%s\n' 1/1 "D 8192 8192" >"$FAKE/trace"
give -R "$FAKE"
sed "s|<name>guest|<name>guestfs-x|; s|</domain>|<devices><disk type='file'><driver name='qemu' type='raw'/><source file='$DATA/one'/><target dev='vda' bus='virtio'/></disk></devices></domain>|" \
    "$DAEMON_DIR/guest.xml" >"$DAEMON_DIR/guestfs.xml"
try "a guest has a linked disk" virsh define "$DAEMON_DIR/guestfs.xml"
before=$(complaints)
DONE+=trim$'\n'
try "trim" env FAKE_GUESTFS="$FAKE" LD_LIBRARY_PATH="$FAKE" "$DAEMON_IN" "$VL" trim --yes one
same "trim: the plugin has nothing to say" \
    "$(grep -E ' (error|warning) : ' "$DAEMON_LOG" | tail -n "+$((before + 1))" | grep lukshdr)" ""
same "each command has a case here" "$(sort -u <<<"$DONE" | sed '/^$/d')" "$(sort -u <<<"$COMMANDS")"

# a daemon without the plugin
daemon_stop
LIBVIRT_DRIVER_DIR=$STOCK_MODULES linked_start stock >/dev/null || fail "a daemon without the plugin starts"
before=$(complaints)
status "without the plugin: list" 5 'runs without libvirt-lukshdr' vl list
status "and check" 5 'runs without libvirt-lukshdr' vl check
same "the log is as it was" "$(complaints)" "$before"
finish
