#!/bin/bash
# Who may open a header, and when. As long as a guest uses it, QEMU's user may. Before and after, those may who
# could before, however the guest ended. Payload and header must be treated alike in all of this, and the
# plugin's record of the guest is removed when the guest ends.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "a session daemon has one user only"
need_command qemu-system-x86_64 getfattr python3

attach() {
    printf '%s\n' "$2" >"$DAEMON_DIR/disk.xml"
    virsh attach-device "$1" "$DAEMON_DIR/disk.xml" --live
}

# A second linked volume.
attach_vdb() {
    attach demo "$(disk_xml vdb data/q.qcow2 qcow2 "$SECRET_UUID")"
}

define() {
    virsh undefine "$1" >/dev/null 2>&1
    guest_define "$@"
}

owners() {
    stat -c %U:%a "$VAULT/$1.luks" "$DATA/$1" | tr '\n' ' '
}

# in_use WHEN NAME...: header and payload belong to the guest.
in_use() {
    local when=$1 name
    shift
    for name; do
        same "$when, QEMU's user has header and payload of $name" "$(owners "$name")" "$USED"
    done
}

# as_before WHEN: nothing is left of the guest.
as_before() {
    same "$1, header and payload are as before, and no record or process is left" \
        "$(traces demo r.raw q.qcow2)" "$BEFORE"
}

# ended GUEST: waits until libvirt has noticed the guest's end.
ended() {
    waited guest_off "$1"
}

try "a host with a header pool and a payload pool" linked_start
try "linked volumes in raw and qcow2" eval 'create r.raw raw && create q.qcow2 qcow2'
BEFORE=$(traces demo r.raw q.qcow2)
USED="libvirt-qemu:600 libvirt-qemu:600 "
[ "$("$DAEMON_IN" id -u libvirt-qemu 2>/dev/null)" ] || skip_all "QEMU's user is not libvirt-qemu here"
same "at first they belong to root alone" "$(owners r.raw)$(owners q.qcow2)" \
    "root:600 root:600 root:600 root:600 "
R=$(disk_xml vda "$DATA/r.raw" raw "$SECRET_UUID")

# --- nothing happens yet

define demo "$R"
try "the command line of a guest that does not run is shown" virsh domxml-to-native qemu-argv --domain demo
like "with the header" "$OUT" '"header"'
as_before "with the command line shown"

# --- start, hot-plug, unplug, stop

try "a guest starts" guest_start demo
in_use "while it runs" r.raw
same "its record is for root's eyes only" \
    "$("$DAEMON_IN" sh -c 'stat -c "%U %a" /run/libvirt/lukshdr/guests /run/libvirt/lukshdr/guests/*')" \
    "$(printf 'root 700\nroot 600')"
same "the record names one disk" "$(record demo | grep -c "<disk ")" 1
try "another is plugged in" attach_vdb
in_use "plugged in" r.raw q.qcow2
same "the record names two disks" "$(record demo | grep -c "<disk ")" 2
refuse "a volume in use is not deleted" "in use" virsh vol-delete q.qcow2 data
refuse "nor is its header" "q\.qcow2|in use" virsh vol-delete q.qcow2.luks vault
try "it is unplugged" eval 'virsh detach-disk demo vdb --live && disk_gone demo vdb'
same "the unplugged one is as before" "$(linked_access q.qcow2)" "$(grep q.qcow2 <<<"$BEFORE")"
in_use "the other one unplugged" r.raw
same "the record names one disk" "$(record demo | grep -c "<disk ")" 1

refuse "a hot-plug of it that QEMU refuses at the last step" "queue-size" attach demo \
    "$(disk_xml vdb data/q.qcow2 qcow2 "$SECRET_UUID" | sed "s|type='qcow2'|& queue_size='2048'|")"
same "after which it is as before" "$(linked_access q.qcow2)" "$(grep q.qcow2 <<<"$BEFORE")"
same "the record names one disk" "$(record demo | grep -c "<disk ")" 1

# --- the daemon comes and goes

attach_vdb
try "the daemon restarts while the guest runs" daemon_restart
in_use "after the daemon's restart" r.raw q.qcow2
refuse "a volume in use is still not deleted" "in use" virsh vol-delete q.qcow2 data
try "one is unplugged then" eval 'virsh detach-disk demo vdb --live && disk_gone demo vdb'
same "and is as before" "$(linked_access q.qcow2)" "$(grep q.qcow2 <<<"$BEFORE")"
try "and plugged in again" attach_vdb
in_use "plugged in again" r.raw q.qcow2
try "the daemon dies and a new one starts" eval 'daemon_kill && daemon_restart'
in_use "after the daemon's death" r.raw q.qcow2
virsh destroy demo
as_before "stopped by the new daemon"

# --- ends of other kinds

virsh start demo
"$DAEMON_IN" kill -KILL "$(qemu_pids demo)"
try "QEMU is killed" ended demo
as_before "QEMU killed"

virsh start demo
pid=$(qemu_pids demo)
daemon_kill
"$DAEMON_IN" kill -KILL "$pid"
try "QEMU is killed while there is no daemon" eval 'daemon_restart && ended demo'
as_before "with a new daemon"

virsh start demo
try "the guest is saved to a file" virsh save demo "$DAEMON_IMAGES/saved"
as_before "while it is saved"
try "and restored" virsh restore "$DAEMON_IMAGES/saved"
in_use "restored" r.raw
virsh destroy demo
as_before "stopped after that"

truncate -s 1M "$DAEMON_IMAGES/broken"
define demo "$R" "$(disk_xml vdb "$DAEMON_IMAGES/broken" qcow2)"
refuse "a start that QEMU refuses because of another disk" "qcow2" virsh start demo
as_before "after it"
define demo "$R" "$(disk_xml vdb "$DAEMON_IMAGES/none" raw)"
refuse "a start that fails before QEMU runs" "none" virsh start demo
as_before "after it"

# --- two guests

define demo "$R"
define other "$R"
virsh start demo
refuse "a second guest with the same disk" "lock|use|already" virsh start other
in_use "the second refused" r.raw
like "the record is the first's" "$(records)" "^[0-9]*-demo.xml$"
virsh destroy demo
as_before "the first stopped"

# What stock leaves to a guest of a read-only disk after its end, it leaves to it for ever, since another may
# use it. A header has the same fate. A disk that is <shareable/> is refused (refusals.sh).
shared=$(disk_xml vda "$DATA/r.raw" raw)
shared=${shared/<target/<readonly\/><target}
define demo "$shared"
define other "$shared"
try "a guest with a disk that is <readonly/>" virsh start demo
in_use "while it runs" r.raw
try "a second one" virsh start other
same "both have a record" "$(records | wc -l)" 2
virsh destroy demo
in_use "the first stopped" r.raw
virsh destroy other
same "both stopped, header and payload are the same user's" "$(owners r.raw | tr ' ' '\n' | sort -u | grep -c :)" 1
same "and no record is left" "$(records)" ""
note "then they belong to: $(owners r.raw)"
for file in "$VAULT/r.raw.luks" "$DATA/r.raw"; do
    chown root:root "$file"
    for name in dac ref_dac timestamp_dac; do
        setfattr -x "trusted.libvirt.security.$name" "$file" 2>/dev/null
    done
done
virsh undefine other

# --- a header on a block device

# block_device FILE: sets $loop to a device with the file's content, whose owner is that of a logical volume.
block_device() {
    loop=$(losetup -f --show "$1" 2>/dev/null) || return
    at_exit losetup -d "$loop"
    at_exit chown "$(stat -c %u:%g "$loop")" "$loop"
    chown root:disk "$loop"
}

cp "$VAULT/q.qcow2.luks" "$DAEMON_IMAGES/block"
truncate -s 1M "$DAEMON_IMAGES/plain"
if block_device "$DAEMON_IMAGES/plain" && plain=$loop && block_device "$DAEMON_IMAGES/block"; then
    number=$((0x$(stat -c %t "$loop") << 8 | 0x$(stat -c %T "$loop")))
    was=$(access "$loop")
    link_edit q.qcow2 "/<header/,/<\/header>/{
        s|<path>.*</path>|<path>$loop</path>|
        s|<identity .*/>|<identity type=\"block\" dev=\"$number\"/>|}"
    define demo "$R"
    virsh start demo && guest_wait demo
    # Where the guest has a /dev of its own, what its user has is seen there.
    note "the guest $([ "$("$DAEMON_IN" readlink "/proc/$(qemu_pids demo)/ns/mnt")" = \
        "$("$DAEMON_IN" readlink "/proc/$(daemon_pid)/ns/mnt")" ] && echo shares || echo has) a /dev of its own"
    try "a header on a block device is plugged in" attach_vdb
    try "the guest uses the disk" guest_fill demo vdb text
    try "it is unplugged" eval 'virsh detach-disk demo vdb --live && disk_gone demo vdb'
    virsh destroy demo
    same "the device is as before" "$(access "$loop")" "$was"
    define demo "$R" "$(disk_xml vdb data/q.qcow2 qcow2 "$SECRET_UUID")" "$(disk_xml vdc "$plain" raw)"
    try "a guest starts with it" virsh start demo
    virsh destroy demo
    # libvirt does not always remember the owner of a device: then it is root's group's afterwards
    same "the device is what libvirt makes of a plain disk's" "$(stat -c "%U:%G %a" "$loop")" "$(stat -c "%U:%G %a" "$plain")"
    as_before "after both"
else
    skip "a header on a block device" "needs loop devices"
fi

# --- several disks

# labellers: the processes that gave headers and payloads to QEMU's user. libvirt forks one for each transaction of its
# security drivers, which goes into the guest's namespace and logs to stderr.
labellers() {
    sed -n "s|^[^+]*+0000: \([0-9]*\): .*Setting DAC user and group on '$DAEMON_IMAGES/.*|\1|p" \
        "$DAEMON_DIR/libvirtd.out.log"
}

daemon_stop
try "a host that says what it labels" eval 'DAEMON_LIBVIRTD_CONF="log_level = 2" linked_start many'
try "three linked volumes" eval 'create a.raw raw && create b.raw raw && create q.qcow2 qcow2'
BEFORE=$(traces demo a.raw b.raw q.qcow2)
define demo "$(disk_xml vda "$DATA/a.raw" raw "$SECRET_UUID")" "$(disk_xml vdb data/b.raw raw)" \
    "$(disk_xml vdc "$DATA/q.qcow2" qcow2 "$SECRET_UUID")"
try "a guest starts with all" virsh start demo
in_use "with three disks" a.raw b.raw q.qcow2
same "libvirt labels three headers and payloads" "$(labellers | wc -l)" 6
same "in one process" "$(labellers | sort -u | wc -l)" 1
same "and libvirt counts one use of each header" "$(for name in a.raw b.raw q.qcow2; do
    getfattr --absolute-names --only-values -n trusted.libvirt.security.ref_dac "$VAULT/$name.luks"
done)" 111
TIME=$(getfattr --absolute-names --only-values -n trusted.libvirt.security.timestamp_dac "$VAULT/a.raw.luks")
# Nor when the guest stops is there a process for each header: what libvirt begins in its namespace of processes then, as
# many as when a guest with plain disks stops. begun [GUEST]: stops it and counts.
begun() {
    local before after
    before=$("$DAEMON_IN" cat /proc/sys/kernel/ns_last_pid)
    virsh destroy "${1:-demo}" || return
    after=$("$DAEMON_IN" cat /proc/sys/kernel/ns_last_pid)
    BEGUN=$((after - before))
}
try "it stops" begun
LINKED=$BEGUN
same "stopped, all is as before" "$(traces demo a.raw b.raw q.qcow2)" "$BEFORE"

for name in x y z; do
    try "a plain volume" virsh vol-create-as data $name.raw 1M
done
define plain "$(disk_xml vda "$DATA/x.raw" raw)" "$(disk_xml vdb "$DATA/y.raw" raw)" "$(disk_xml vdc "$DATA/z.raw" raw)"
try "a guest with plain disks starts" virsh start plain
try "and stops" begun plain
try "which takes as many processes as with linked ones" test $((LINKED - BEGUN)) -lt 3

# Headers of a guest that starts are read side by side, and each counts.
for name in a.raw b.raw q.qcow2; do
    cp -p "$VAULT/$name.luks" "$DAEMON_IMAGES/whole"
    dd if=/dev/urandom of="$VAULT/$name.luks" bs=512 seek=10 count=1 conv=notrunc status=none
    refuse "with the key material of $name damaged it does not start" \
        "'$name.luks' of pool 'vault'.*key material is damaged" virsh start demo
    cp "$DAEMON_IMAGES/whole" "$VAULT/$name.luks"
    same "and all is as before" "$(traces demo a.raw b.raw q.qcow2)" "$BEFORE"
done

# another user has it, as far as libvirt knows
for name in dac=+65534:+65534 ref_dac=1 "timestamp_dac=$TIME"; do
    setfattr -n "trusted.libvirt.security.${name%%=*}" -v "${name#*=}" "$VAULT/q.qcow2.luks"
done
chown 65534:65534 "$VAULT/q.qcow2.luks"
BEFORE=$(traces demo a.raw b.raw q.qcow2)
refuse "with a header that libvirt cannot label it does not start" "different DAC user" virsh start demo
same "what was labelled before that is as before" "$(traces demo a.raw b.raw q.qcow2)" "$BEFORE"
same "and no record is left" "$(records)" ""

# What libvirt restores in one transaction fails together. Headers are given back although a payload cannot be, and
# payloads although a header cannot be.
HEADERS=("$VAULT/a.raw.luks" "$VAULT/b.raw.luks")
PAYLOADS=("$DATA/a.raw" "$DATA/b.raw")
define demo "$(disk_xml vda "$DATA/a.raw" raw "$SECRET_UUID")" "$(disk_xml vdb "$DATA/b.raw" raw "$SECRET_UUID")"
# forgotten FILE...: they belong to root again, and libvirt remembers nothing of them.
forgotten() {
    local file name
    for file; do
        chown root:root "$file"
        for name in "" ref_ timestamp_; do
            setfattr -x "trusted.libvirt.security.${name}dac" "$file" 2>/dev/null
        done
    done
}
# locked FILE: the guest stops while somebody who can only read FILE holds the lock that libvirt wants.
locked() {
    local status=0 pid
    chmod 644 "$1"
    coproc HOLDER {
        exec "$DAEMON_IN" python3 -c '
import fcntl, os, sys
os.setuid(65534)
f = open(sys.argv[1], "rb")
fcntl.lockf(f, fcntl.LOCK_SH, 1, 1)
print(flush=True)
sys.stdin.read()' "$1"
    }
    # shellcheck disable=SC2153 # set by coproc
    pid=$HOLDER_PID
    IFS= read -r _ <&"${HOLDER[0]}"
    virsh destroy demo || status=$?
    eval "exec ${HOLDER[1]}>&-"
    wait "$pid"
    chmod 600 "$1"
    return "$status"
}
BEFORE=$(access "${HEADERS[@]}")
PAYLOADS_BEFORE=$(access "${PAYLOADS[@]}")
try "a guest starts with two" virsh start demo
in_use "with two disks" a.raw b.raw
try "it stops while a payload is locked" locked "${PAYLOADS[0]}"
unlike "libvirt gives no payload back" "$(access "${PAYLOADS[@]}")" root:root
same "and the headers are as before" "$(access "${HEADERS[@]}")" "$BEFORE"
forgotten "${PAYLOADS[@]}" "$DAEMON_DIR/guests/demo.console"
try "it starts again" virsh start demo
try "it stops while a header is locked" locked "${HEADERS[0]}"
same "and the payloads are as before" "$(access "${PAYLOADS[@]}")" "$PAYLOADS_BEFORE"
same "and so is the other header" "$(access "${HEADERS[1]}")" "$(tail -n "$(access "${HEADERS[1]}" | wc -l)" <<<"$BEFORE")"

# Where there may be SELinux, whose labels libvirt restores apart from owners, each header has a process of its own.
forgotten "${HEADERS[@]}" "$DAEMON_DIR/guests/demo.console"
try "it starts again" virsh start demo
try "it stops" begun
TOGETHER=$BEGUN
for header in "${HEADERS[@]}"; do
    setfattr -n security.selinux -v system_u:object_r:virt_image_t:s0 "$header"
done
try "the same with SELinux's labels" eval 'virsh start demo && begun'
try "which takes two processes more" test $((BEGUN - TOGETHER)) -ge 2
for header in "${HEADERS[@]}"; do
    setfattr -x security.selinux "$header"
done
same "all is as before" "$(access "${HEADERS[@]}")" "$BEFORE"

# Nor do they suffer for one that its owner protects.
: >"$DAEMON_IMAGES/protected"
if chattr +i "$DAEMON_IMAGES/protected" 2>/dev/null; then
    chattr -i "$DAEMON_IMAGES/protected"
    forgotten "${HEADERS[@]}"
    try "it starts again" virsh start demo
    try "a header becomes immutable" chattr +i "${HEADERS[0]}"
    try "it stops" virsh destroy demo
    try "and is not any more" chattr -i "${HEADERS[0]}"
    same "the payloads are as before" "$(access "${PAYLOADS[@]}")" "$PAYLOADS_BEFORE"
    same "and so is the other header" "$(access "${HEADERS[1]}")" "$(tail -n "$(access "${HEADERS[1]}" | wc -l)" <<<"$BEFORE")"
    forgotten "${HEADERS[@]}"
else
    skip "a header that becomes immutable" "there is no such attribute on this file system"
fi

# --- the administrator's own ownership

daemon_stop
try "a host where libvirt changes no owners" \
    eval 'DAEMON_QEMU_CONF="dynamic_ownership = 0" linked_start static'
try "a linked volume there" create r.raw raw
chown libvirt-qemu: "$VAULT/r.raw.luks" "$DATA/r.raw"
BEFORE=$(traces demo r.raw)
define demo "$(disk_xml vda "$DATA/r.raw" raw "$SECRET_UUID")"
try "a guest starts" virsh start demo
same "nobody's owner has changed" "$(linked_access r.raw)" "$BEFORE"
virsh destroy demo
same "nor after its end" "$(traces demo r.raw)" "$BEFORE"
finish
