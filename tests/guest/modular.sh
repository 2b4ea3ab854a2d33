#!/bin/bash
# The two halves in two processes, as virtqemud and virtstoraged are: one libvirtd has the QEMU driver alone, one
# the storage driver, one secrets, over one set of directories. Each is told that it is a modular daemon
# (tests/lib/modular.c) and finds the others by the sockets that those have; the halves know of each other by
# their files alone.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "needs the namespaces of a system daemon"
need_command qemu-system-x86_64 qemu-img

TEXT="what only the guest may know: $RANDOM $RANDOM"
ALL=$LIBVIRT_DRIVER_DIR
STORAGE=
MODULAR=

# virsh ARGUMENTS...: of the daemon that has it.
virsh() {
    case $1 in
        pool-* | vol-*) set -- -c storage:///system "$@" ;;
        secret-*) set -- -c secret:///system "$@" ;;
    esac
    "$DAEMON_IN" virsh -q "$@"
}

# modules NAME DRIVER...: a directory of modules that has these alone.
modules() {
    local dir=$DAEMON_WORK/$1 driver
    shift
    mkdir -m 755 "$dir"
    for driver; do
        ln -s "$ALL/libvirt_driver_$driver.so" "$dir/"
    done
    echo "$dir"
}

# side_prepare NAME: a daemon beside the one that the harness knows, which clients find as NAME.
side_prepare() {
    "$DAEMON_IN" sh -c 'mkdir -p "/run/side/$1" && cat >"/etc/libvirt/$1.side.conf" &&
        ln -sf "/run/side/$1/libvirt-sock" "/run/libvirt/$1-sock"' sh "$1" <<CONF
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_dir = "/run/side/$1"
log_outputs = "3:file:$DAEMON_DIR/$1.log"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
CONF
}

# side_start NAME DRIVERS
side_start() {
    PATH=$BIN:$PATH:/usr/sbin LIBVIRT_DRIVER_DIR=$2 "$DAEMON_IN" env "LD_PRELOAD=$MODULAR" libvirtd \
        -f "/etc/libvirt/$1.side.conf" -p "$DAEMON_DIR/$1.pid" </dev/null >>"$DAEMON_DIR/$1.out.log" 2>&1 &
    disown
    waited side_answers "$1" >/dev/null 2>&1 || {
        tail "$DAEMON_DIR/$1"*.log >&2
        return 1
    }
}

side_answers() {
    case $1 in
        virtstoraged) virsh pool-list ;;
        virtsecretd) virsh secret-list ;;
    esac
}

storage_start() {
    side_start virtstoraged "$STORAGE"
}

# storage_end SIGNAL
storage_end() {
    local pid
    pid=$(cat "$DAEMON_DIR/virtstoraged.pid") || return
    "$DAEMON_IN" kill -s "$1" "$pid"
    waited not "$DAEMON_IN" kill -0 "$pid" 2>/dev/null || return
    rm -f "$DAEMON_DIR/virtstoraged.pid"
}

# maps PIDFILE: which stock drivers the daemon has loaded.
maps() {
    "$DAEMON_IN" sed -n 's,.*/connection-driver/libvirt_driver_\(.*\)\.so$,\1,p' \
        "/proc/$(cat "$DAEMON_DIR/$1")/maps" | sort -u | xargs
}

attach() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    virsh attach-device demo "$DAEMON_DIR/disk.xml" --live
}

detach() {
    virsh detach-disk demo "$1" --live && disk_gone demo "$1"
}

# --- the two daemons

daemon_use host
export LIBVIRT_DRIVER_DIR
LIBVIRT_DRIVER_DIR=$(modules qemu qemu)
STORAGE=$(modules storage storage)
MODULAR=$(preload modular)
export DAEMON_WRAPPER="env LD_PRELOAD=$MODULAR"
try "a daemon with the QEMU driver alone" daemon_start host
linked_use host
mkdir -p "$BIN" "$DAEMON_DIR/xml"
"$DAEMON_IN" mkdir -p "$VAULT" "$DATA"
try "one with secrets alone" eval 'side_prepare virtsecretd && side_start virtsecretd "$(modules secret secret)"'
try "one with the storage driver alone" eval 'side_prepare virtstoraged && storage_start'
same "the first has that driver only" "$(maps libvirtd.pid)" "qemu"
same "the last has its only" "$(maps virtstoraged.pid)" "storage"
refuse "the first knows no pools" "not support|no connection driver" \
    "$DAEMON_IN" virsh -q -c qemu:///system pool-list
refuse "the last no domains" "not support|no connection driver" \
    "$DAEMON_IN" virsh -q -c storage:///system list

# --- from one to the other

pools() {
    pool_make vault "$VAULT" && pool_make data "$DATA" && secret_make "$SECRET_UUID" volume "$PASSPHRASE"
}
try "pools and a secret" pools
try "linked volumes in raw and qcow2" eval 'create r.raw raw && create q.qcow2 qcow2'
linked_xml g.raw raw | sed '/<secret/d' >"$DAEMON_DIR/xml/g.xml"
try "and one with a generated secret" virsh vol-create data "$DAEMON_DIR/xml/g.xml"
before=$(linked_access r.raw q.qcow2 g.raw)
try "a guest starts from one, without <encryption>" guest_boot demo "$(disk_xml vda "$DATA/r.raw" raw)"
like "its configuration has it" "$(virsh dumpxml demo --inactive)" "$SECRET_UUID"
try "it writes" guest_fill demo vda "$TEXT"
try "the others are plugged in, one by pool and volume" \
    eval 'attach "$(disk_xml vdb data/q.qcow2 qcow2)" && attach "$(disk_xml vdc "$DATA/g.raw" raw)"'
try "it writes to the qcow2 one" guest_fill demo vdb "$TEXT"
try "and to the one with a generated secret" guest_fill demo vdc "$TEXT"
guest_run demo sync
same "all three are luks nodes" "$(nodes demo | grep -c -- '-format luks$')" 3
same "no file holds the text in clear" "$(in_clear "$TEXT" "$DATA"/* "$VAULT"/*)" ""

# --- what the storage daemon knows of the guests of the other

for volume in r.raw q.qcow2 g.raw; do
    refuse "$volume in use is not deleted" "in use" virsh vol-delete "$volume" data
    refuse "$volume in use is not wiped" "in use" virsh vol-wipe "$volume" data
done
refuse "nor its header deleted" "r\.raw|in use" virsh vol-delete r.raw.luks vault

# --- what the QEMU daemon knows of the pools of the other

try "one is unplugged" detach vdb
try "the header pool is stopped" virsh pool-destroy vault
refuse "it is not plugged in then" "'vault' is not active" attach "$(disk_xml vdb "$DATA/q.qcow2" qcow2)"
refuse "nor with <encryption>" "'vault' is not active" \
    attach "$(disk_xml vdb "$DATA/q.qcow2" qcow2 "$SECRET_UUID")"
try "the guest goes on with the others" guest_filled demo vda "$TEXT"
try "the header pool is started" virsh pool-start vault
try "it is plugged in" attach "$(disk_xml vdb "$DATA/q.qcow2" qcow2)"
try "and has what was written" guest_filled demo vdb "$TEXT"
try "it is unplugged" detach vdb
try "a link that is deleted in the one" virsh vol-delete q.qcow2 data
try "and a plain volume in its place" virsh vol-create-as data q.qcow2 16M --format qcow2
try "is a plain disk in the other" attach "$(disk_xml vdb "$DATA/q.qcow2" qcow2)"
same "without a luks node" "$(nodes demo | grep -c -- '-format luks$')" 2
detach vdb
try "a volume that is made while the other runs" create n.raw raw
try "is recognised there at once" attach "$(disk_xml vdb "$DATA/n.raw" raw)"
same "by a luks node" "$(nodes demo | grep -c -- '-format luks$')" 3
detach vdb
declared=$(virsh pool-dumpxml vault --inactive | sed 's|</target>|<headers/>&|')
echo "$declared" >"$DAEMON_DIR/xml/pool.xml"
cp -p "$VAULT/n.raw.luks" "$VAULT/lone.luks"
try "a pool is declared to hold headers in the one" virsh pool-define "$DAEMON_DIR/xml/pool.xml"
refuse "and is one in the other" "'vault', which is declared" attach "$(disk_xml vdb "$VAULT/lone.luks" raw)"
rm "$VAULT/lone.luks"

# --- one without the other

try "the storage daemon ends, as it does when it is idle" storage_end TERM
try "a linked disk is plugged in by its path all the same" attach "$(disk_xml vdb "$DATA/n.raw" raw)"
same "by a luks node" "$(nodes demo | grep -c -- '-format luks$')" 3
detach vdb
refuse "by pool and volume it is not: libvirt has to ask for the path" "virtstoraged|socket|connect" \
    attach "$(disk_xml vdb data/n.raw raw)"
same "nothing of it is left" "$(nodes demo | grep -c -- '-format luks$')" 2
try "what is plugged in is unplugged" detach vdc
same "and its access restored" "$(linked_access g.raw)" "$(grep g.raw <<<"$before")"
try "the storage daemon is back" storage_start
try "the disk is plugged in" attach "$(disk_xml vdb "$DATA/g.raw" raw)"
try "the storage daemon is killed" storage_end KILL
daemon_kill
try "the other as well, and starts again alone" daemon_restart
try "the guest has its disks" guest_filled demo vdb "$TEXT"
try "one is unplugged" detach vdb
same "and its access restored" "$(linked_access g.raw)" "$(grep g.raw <<<"$before")"
try "the storage daemon is back" storage_start
refuse "it knows what is still in use" "in use" virsh vol-delete r.raw data
virsh destroy demo
same "access is as before" "$(linked_access r.raw)" "$(grep r.raw <<<"$before")"
same "no record is left" "$(records)" ""
try "what is not in use is deleted" eval 'virsh vol-delete r.raw data && virsh vol-delete g.raw data'
refuse "a guest does not start from it" "r\.raw" virsh start demo
finish
