#!/bin/bash
# The main job as its user sees it: two linked volumes, a guest started from one and given the other while
# it runs; what is in the files on the host; what is in QEMU; and nothing of it left when the disk goes.

# shellcheck disable=SC2317 # many functions are called by way of try
# To be looked for, so it must be like nothing else.
PASSPHRASE=passphrase-$(head -c 18 /dev/urandom | base64 | tr +/ xy)
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 nbdkit nbdcopy python3

TEXT="what only the guest may know: $RANDOM $RANDOM"
# With debug messages, a secret has more places to slip out.
DAEMON_DEBUG=${DAEMON_DEBUG:-"1:lukshdr 1:storage 1:secret 1:qemu"}

# Looks for the passphrase in the arguments and environment of every process, for as long as it runs.
watch_processes() {
    while :; do
        "$DAEMON_IN" sh -c 'grep -lasF -f "$1" /proc/[0-9]*/cmdline /proc/[0-9]*/environ' sh \
            "$DAEMON_WORK/searched" >>"$DAEMON_DIR/leaks"
        echo >>"$DAEMON_DIR/looks"
        sleep 0.05
    done
}

stop_watching() {
    [ -z "$watcher" ] || kill "$watcher"
    watcher=
}

# create_sized NAME FORMAT MIB
create_sized() {
    linked_xml "$1" "$2" | sed "s|<capacity.*</capacity>|<capacity unit='MiB'>$3</capacity>|" | create_xml
}

capacity_in_guest() {
    guest_run "$1" "blockdev --getsize64 \$(disk $2)"
}

no_text_in() {
    same "neither payload nor header holds the text in clear" "$(in_clear "$TEXT" "$@")" ""
}

try "a host with a header pool and a payload pool" linked_start
: >"$DAEMON_DIR/leaks"
printf %s "$PASSPHRASE" >"$DAEMON_WORK/searched"
watch_processes &
watcher=$!
at_exit stop_watching

try "a linked volume in raw" create_sized system.raw raw 32
try "a linked volume in qcow2" create_sized data.qcow2 qcow2 48
before=$(traces demo system.raw data.qcow2)

# --- a guest starts from the first and is given the second

try "a guest starts from the raw one, named by its file" \
    guest_boot demo "$(disk_xml vda "$DATA/system.raw" raw "$SECRET_UUID")"
same "it has exactly the capacity" "$(capacity_in_guest demo vda)" $((32 << 20))
try "the guest writes to it" guest_fill demo vda "$TEXT"
nodes_before=$(nodes demo)
objects_before=$(objects demo)

disk_xml vdb data/data.qcow2 qcow2 "$SECRET_UUID" >"$DAEMON_DIR/vdb.xml"
try "the qcow2 one, named by its pool and volume, is plugged in while it runs" \
    virsh attach-device demo "$DAEMON_DIR/vdb.xml" --live
same "it has exactly the capacity" "$(capacity_in_guest demo vdb)" $((48 << 20))
try "the guest writes to it, too" guest_fill demo vdb "$TEXT"
try "and reads back what it wrote to the first" guest_filled demo vda "$TEXT"
try "and to the second" guest_filled demo vdb "$TEXT"
unlike "the running guest's XML, not the stored one's, has the disk" "$(virsh dumpxml demo --inactive)" data.qcow2

# --- what QEMU has

top=$(nodes demo | sed -n 's/^\(libvirt-[0-9]*\)-format luks$/\1/p')
one=$(head -n 1 <<<"$top") two=$(tail -n 1 <<<"$top")
same "the second disk is a luks node on the format of its payload, with a header" \
    "$(nodes demo | grep "^$two-")" \
    "$(printf "$two-%s\n" "format luks" "header-format raw" "header-storage file" "payload qcow2" "storage file")"
same "the first is the same without a format of its own, or with raw" \
    "$(nodes demo | grep "^$one-" | grep -v "^$one-payload raw$")" \
    "$(printf "$one-%s\n" "format luks" "header-format raw" "header-storage file" "storage file")"
same "each node of the second is what it must be to the next" "$(edges demo | grep "^$two-")" \
    "$(printf '%s\n' "$two-format file $two-payload" "$two-format header $two-header-format" \
        "$two-header-format file $two-header-storage" "$two-payload file $two-storage")"
same "no name is longer than QEMU's 31 bytes" "$(nodes demo | cut -d' ' -f1 | grep -E '.{32}')" ""
like "the second disk's secret is an object in QEMU" "$(objects demo)" "^$two-format-encryption-secret0$"

# --- what the files on the host hold

guest_run demo sync
no_text_in "$DATA"/* "$VAULT"/*
yes "$TEXT" | head -c 2M >"$DAEMON_DIR/plain"
same "(the search finds a text that is there)" "$(in_clear "$TEXT" "$DAEMON_DIR/plain")" "$DAEMON_DIR/plain"
try "where the guest wrote, the raw payload looks random" random "$DATA/system.raw"
refuse "(a text does not)" '^$' random "$DAEMON_DIR/plain"

# --- unplugged

try "the second disk is unplugged" virsh detach-device demo "$DAEMON_DIR/vdb.xml" --live
try "libvirt has it no more" disk_gone demo vdb
refuse "nor has the guest" "no disk vdb" guest_run demo "disk vdb 0"
same "its block nodes are gone from QEMU" "$(nodes demo)" "$nodes_before"
same "and its secret" "$(objects demo)" "$objects_before"
try "the first disk is there as before" guest_filled demo vda "$TEXT"

# --- stored in the domain's configuration

try "the second is plugged in now and for later (--live --config)" \
    virsh attach-device demo "$DAEMON_DIR/vdb.xml" --live --config
try "the guest finds in it what it wrote" guest_filled demo vdb "$TEXT"
like "the stored XML has it" "$(virsh dumpxml demo --inactive)" data.qcow2
same "a volume that a guest uses is not deleted" \
    "$(virsh vol-delete data.qcow2 data 2>&1 | grep -o 'in use by')" "in use by"
virsh destroy demo
same "when the guest has stopped, all is as before" "$(traces demo system.raw data.qcow2)" "$before"
try "started again, it has both" guest_start demo
try "and finds in the second what it wrote" guest_filled demo vdb "$TEXT"
try "unplugged now and for later (--persistent)" virsh detach-device demo "$DAEMON_DIR/vdb.xml" --persistent
try "libvirt has it no more" disk_gone demo vdb
unlike "the stored XML neither" "$(virsh dumpxml demo --inactive)" data.qcow2
try "plugged in again (--persistent)" virsh attach-device demo "$DAEMON_DIR/vdb.xml" --persistent
try "the guest finds in it what it wrote" guest_filled demo vdb "$TEXT"
try "the guest switches itself off" guest_poweroff demo
try "the stopped guest loses it (--config)" virsh detach-device demo "$DAEMON_DIR/vdb.xml" --config
try "and gets it again (--config)" virsh attach-device demo "$DAEMON_DIR/vdb.xml" --config
guest_stop demo

# --- a domain that is never defined

guest_xml passing "$(disk_xml vda data/data.qcow2 qcow2 "$SECRET_UUID")" >"$DAEMON_DIR/passing.xml"
try "a transient guest starts from the qcow2 one (virsh create)" virsh create "$DAEMON_DIR/passing.xml"
try "it is up" guest_wait passing
try "and finds what the other wrote" guest_filled passing vda "$TEXT"
try "it switches itself off" guest_poweroff passing
same "all is as before" "$(traces demo system.raw data.qcow2)$(qemu_pids passing)" "$before"

# --- by another implementation of LUKS

for volume in system.raw data.qcow2; do
    try "nbdkit opens header and payload of $volume" \
        open_pair "$VAULT/$volume.luks" "$DATA/$volume" "${volume#*.}" "$DAEMON_DIR/clear"
    try "and finds the very bytes that the guest wrote" holds "$DAEMON_DIR/clear" "$TEXT"
done
refuse "with the other's header it finds none" "differ|LUKS|luks" \
    eval 'open_pair "$VAULT/system.raw.luks" "$DATA/data.qcow2" qcow2 "$DAEMON_DIR/clear" &&
        holds "$DAEMON_DIR/clear" "$TEXT"'
no_text_in "$DATA"/* "$VAULT"/*

# --- the passphrase

note "processes were looked at $(wc -l <"$DAEMON_DIR/looks") times"
same "no process had the passphrase among its arguments or in its environment" "$(cat "$DAEMON_DIR/leaks")" ""
# by the shell, not by env(1), which would have it among its arguments first
LEAK=$(cat "$DAEMON_WORK/searched") "$DAEMON_IN" timeout "$TAP_PATIENCE" \
    sh -c 'until [ -s "$1" ]; do sleep 0.1; done' sh "$DAEMON_DIR/leaks"
stop_watching
like "(one that has it is noticed)" "$(cat "$DAEMON_DIR/leaks")" "^/proc/[0-9]*/environ$"
found=$("$DAEMON_IN" sh -c 'grep -rlaF -f "$1" /run /etc/libvirt /var/lib/libvirt /var/log/libvirt \
    /var/cache/libvirt "$2"' sh "$DAEMON_WORK/searched" "$DAEMON_DIR" 2>/dev/null | sort -u)
same "no log and no file of the daemon's holds it" "$found" ""
try "(the log has debug messages)" grep -q 'debug : ' "$DAEMON_LOG"

# --- gone

for volume in system.raw data.qcow2; do
    try "$volume is deleted" virsh vol-delete "$volume" data
done
same "nothing is left in either pool" "$(find "$VAULT" "$DATA" -mindepth 1)" ""
try "the daemon ends in good order" daemon_stop
finish
