#!/bin/bash
# Guests that end, and disks that are unplugged, under a daemon without the plugin: stock gives the payload back, and
# the header's owner and the guest's record are left behind. The plugin puts that right when it is back.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "a session daemon has one user only"
need_command qemu-system-x86_64 getfattr

owner() {
    stat -c %U "$VAULT/$1.luks"
}

everything() {
    linked_access r.raw q.qcow2 b.qcow2
    records
}

# left WHAT NAME...: a header is not given back by stock.
left() {
    local what=$1 name
    shift
    for name; do
        same "$what: without the plugin the header of $name stays QEMU's" "$(owner "$name")" libvirt-qemu
    done
}

# as_before WHEN
as_before() {
    same "$1: headers and payloads are as before, and no record is left" "$(everything)" "$BEFORE"
}

define() {
    virsh undefine "$1" >/dev/null 2>&1
    guest_define "$@"
}

# destroy GUEST: a daemon that has just started, and has not found its guests yet, says that it does not run.
destroy() {
    virsh destroy "$1" >/dev/null 2>&1
    waited guest_off "$1"
}

start() {
    virsh start "$1" --paused
}

# host_down: what is left of daemon, guest and /run when a host loses its power.
host_down() {
    local pids
    # shellcheck disable=SC2086 # numbers
    pids=$(qemu_pids demo) && daemon_kill && "$DAEMON_IN" kill -KILL $pids &&
        "$DAEMON_IN" find /run/libvirt/qemu /run/libvirt/lukshdr -type f -delete && [ -z "$(records)" ]
}

try "a host with a header pool and a payload pool" linked_start
quick_keys
[ "$("$DAEMON_IN" id -u libvirt-qemu 2>/dev/null)" ] || skip_all "QEMU's user is not libvirt-qemu here"
try "linked volumes, two of them on one header" eval 'create r.raw raw && create q.qcow2 qcow2 &&
    linked_xml b.qcow2 qcow2 "" "pool='"'vault' volume='q.qcow2.luks'"'" |
        sed "s/<header type=.volume.>/<header type='"'volume' link='share'"'>/; /<secret /d" | create_xml'
ln "$VAULT/q.qcow2.luks" "$VAULT/b.qcow2.luks" # for linked_access: the same file
chown games:games "$VAULT/r.raw.luks"
chmod 640 "$VAULT/r.raw.luks"
BEFORE=$(everything)
define demo "$(disk vda r.raw)" "$(disk vdb q.qcow2)"
define other "$(disk vda b.qcow2)"

note "A guest that is destroyed"
try "a guest starts" start demo
same "QEMU's user has its headers" "$(owner r.raw) $(owner q.qcow2)" "libvirt-qemu libvirt-qemu"
try "a daemon without the plugin takes over" plugin_off
try "and destroys it" destroy demo
left "destroyed" r.raw q.qcow2
same "and its record is left" "$(records)" 1-demo.xml
try "the plugin is back" plugin_on
as_before "the plugin back"
try "the guest starts again" start demo
try "and is destroyed" destroy demo
as_before "destroyed with the plugin"
# From here on they are root's: a daemon that restarts can take the host's boot for a second earlier or later than the
# one before, and then forgets the owners that it remembers (virSecurityValidateTimestamp).
chown root:root "$VAULT/r.raw.luks"
BEFORE=$(everything)

note "The same, and the daemon without the plugin has another guest of that name and number"
start demo
plugin_off
destroy demo
define demo
try "without the plugin the daemon starts again, and counts its guests from one" daemon_restart
try "a guest of the same name, without the disks" start demo
try "the plugin is back" plugin_on
same "the guest runs" "$(virsh domstate demo)" paused
as_before "the plugin back"
destroy demo
define demo "$(disk vda r.raw)" "$(disk vdb q.qcow2)"

note "A host that goes down while a guest runs"
start demo
# as if the guest had started before the host's last boot
find "$DAEMON_DIR" -type f -exec sh -c 'getfattr -n trusted.libvirt.security.timestamp_dac "$1" &&
    setfattr -n trusted.libvirt.security.timestamp_dac -v 1000000000 "$1"' sh {} \; >/dev/null 2>&1
try "daemon and guest are killed, and /run is empty" host_down
left "after the boot" r.raw q.qcow2
try "the daemon starts" linked_launch
try "the guest starts" start demo
try "and is destroyed" destroy demo
same "the headers are their owner's, and no record is left" "$(owner r.raw) $(owner q.qcow2)$(records)" "root root"
# stock takes QEMU's user for the owner of the payloads from now on
chown root:root "$DATA"/*
as_before "with the payloads given back by hand"

note "Two guests on one header"
start demo
try "a second guest on the header of the first" start other
plugin_off
try "the first is destroyed without the plugin" destroy demo
plugin_on
same "the plugin back: what only the first had is its owner's" "$(owner r.raw)" root
same "what the second has stays QEMU's" "$(owner q.qcow2)" libvirt-qemu
like "and its record" "$(records)" '^[0-9]*-other.xml$'
try "it stops" destroy other
as_before "both stopped"
start demo
start other
plugin_off
destroy demo
destroy other
plugin_on
as_before "both destroyed without the plugin"

note "A daemon that comes and goes while the guest runs"
start demo
plugin_off
plugin_on
same "the guest has its headers" "$(owner r.raw) $(owner q.qcow2)" "libvirt-qemu libvirt-qemu"
like "its record has both disks" "$(record demo | grep -c '<disk ')" 2
destroy demo
as_before "stopped by the plugin"
try "a guest whose disk is named by pool and volume" \
    eval 'define demo "$(disk_xml vda data/r.raw raw "$SECRET_UUID")" && start demo'
plugin_off
plugin_on
same "has its header after both" "$(owner r.raw)" libvirt-qemu
destroy demo
as_before "stopped by the plugin"

note "A disk that is unplugged"
define demo "$(disk vda r.raw)"
try "a guest boots" eval 'guest_start demo && guest_wait demo && plug demo vdb q.qcow2'
plugin_off
try "a disk is unplugged without the plugin" unplug demo vdb
left "unplugged" q.qcow2
plugin_on
same "the plugin back: that header is root's" "$(owner q.qcow2)" root
same "the other is QEMU's" "$(owner r.raw)" libvirt-qemu
same "the record has one disk" "$(record demo | grep -c '<disk ')" 1
destroy demo
as_before "stopped"

note "The file is another by now"
start demo
plugin_off
destroy demo
cp -p "$VAULT/r.raw.luks" "$DAEMON_IMAGES/kept"
mv "$VAULT/r.raw.luks" "$DAEMON_IMAGES/moved"
cp "$DAEMON_IMAGES/kept" "$VAULT/r.raw.luks"
chown libvirt-qemu "$VAULT/r.raw.luks"
plugin_on
same "another file in the header's place is left as it is" "$(owner r.raw)" libvirt-qemu
like "and the log says what is to be done" "$(cat "$DAEMON_LOG")" "r\.raw\.luks' must be given back to its owner by hand"
same "no record is left" "$(records)" ""
mv "$DAEMON_IMAGES/moved" "$VAULT/r.raw.luks"
setfattr -x trusted.libvirt.security.dac "$VAULT/r.raw.luks"
setfattr -x trusted.libvirt.security.ref_dac "$VAULT/r.raw.luks"
setfattr -x trusted.libvirt.security.timestamp_dac "$VAULT/r.raw.luks"
chown root:root "$VAULT/r.raw.luks"
as_before "put back by hand"

note "A header on a block device"
truncate -s 8M "$DAEMON_IMAGES/block"
if loop=$(losetup -f --show "$DAEMON_IMAGES/block" 2>/dev/null); then
    LOOPS+=("$loop")
    at_exit chown "$(stat -c %u:%g "$loop")" "$loop"
    chown root:disk "$loop"
    dd if="$VAULT/r.raw.luks" of="$loop" conv=notrunc,fsync status=none
    number=$((0x$(stat -c %t "$loop") << 8 | 0x$(stat -c %T "$loop")))
    link_edit r.raw "/<header/,/<\/header>/{
        s|<path>.*</path>|<path>$loop</path>|
        s|<identity .*/>|<identity type=\"block\" dev=\"$number\"/>|}"
    was=$(access "$loop")
    try "a guest starts with it" start demo
    plugin_off
    destroy demo
    plugin_on
    same "the device is as before" "$(access "$loop")" "$was"
    same "no record is left" "$(records)" ""
    daemon_stop
    for DAEMON_QEMU_CONF in 'namespaces = [ ]' 'namespaces = [ ]
remember_owner = 0'; do
        note "$DAEMON_QEMU_CONF"
        linked_start "block${#DAEMON_QEMU_CONF}" >/dev/null || fail "another host starts"
        quick_keys
        create r.raw raw
        dd if="$VAULT/r.raw.luks" of="$loop" conv=notrunc,fsync status=none
        link_edit r.raw "/<header/,/<\/header>/{
            s|<path>.*</path>|<path>$loop</path>|
            s|<identity .*/>|<identity type=\"block\" dev=\"$number\"/>|}"
        was=$(access "$loop")
        define demo "$(disk vda r.raw)"
        try "a guest starts that shares the host's /dev" start demo
        same "QEMU's user has the device" "$(stat -c %U "$loop")" libvirt-qemu
        plugin_off
        destroy demo
        plugin_on
        same "no record is left" "$(records)" ""
        case $DAEMON_QEMU_CONF in
            *remember*) same "the device is root's" "$(stat -c %U:%G "$loop")" root:root ;;
            *) same "the device is as before" "$(access "$loop")" "$was" ;;
        esac
        chown root:disk "$loop"
        daemon_stop
    done
else
    skip "a header on a block device" "needs loop devices"
    daemon_stop
fi

note "libvirt remembers no owners"
DAEMON_QEMU_CONF='remember_owner = 0'
linked_start forgetful >/dev/null || fail "another host starts"
quick_keys
create r.raw raw
define demo "$(disk vda r.raw)"
start demo
plugin_off
destroy demo
same "without the plugin the header stays QEMU's" "$(owner r.raw)" libvirt-qemu
plugin_on
same "the plugin back: it is root's, as stock would make it" "$(stat -c %U:%G "$VAULT/r.raw.luks")" root:root
finish
