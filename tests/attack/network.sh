#!/bin/bash
# This host itself exports the files of linked volumes: payload, header and replica by NBD (a socket, TCP, QEMU's
# exporter and another), and by ssh. A guest that got such an export as a disk, or behind one, would overwrite
# the file while others use it. No guest gets one, and no byte changes. An export that leads to no volume of a
# link is a disk as ever.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../lib/attack.sh"

need_command qemu-system-x86_64 qemu-img qemu-nbd nbdkit

# shellcheck disable=SC2034 # used by way of eval
TEXT="what a guest writes: $RANDOM $RANDOM"

# exported SOCKET COMMAND...: COMMAND, an exporter, runs where the daemon lives, until the script ends;
# whoever runs QEMU may use its socket.
exported() {
    local socket=$1 pid
    shift
    "$DAEMON_IN" "$@" </dev/null >/dev/null 2>&1 &
    pid=$!
    at_exit kill "$pid"
    waited test -S "$socket" && chmod 666 "$socket"
}

# listening PORT: somebody does.
listening() {
    grep -q ": 0100007F:$(printf %04X "$1") 00000000:0000 0A" /proc/net/tcp
}

# network FORMAT XML: a disk that is reached over a network; XML is its <source>.
network() {
    echo "<disk type='network' device='disk'><driver name='qemu' type='$1'/>$2
        <target dev='vdx' bus='virtio'/><serial>vdx</serial></disk>"
}

# by_socket NAME: its <source>.
by_socket() {
    echo "<source protocol='nbd'><host transport='unix' socket='$SOCKETS/$1'/></source>"
}

attach() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    virsh attach-device eve "$DAEMON_DIR/disk.xml" --live
}

detach() {
    virsh detach-disk eve vdx --live >/dev/null 2>&1 && disk_gone eve vdx
}

start_with() {
    virsh undefine victim >/dev/null 2>&1
    guest_define victim "$1" && virsh start victim
}

# refused HOW REGEX DISK: neither a running guest nor one that starts is given it. One that is, writes.
refused() {
    refuse "$1: a running guest is not given it" "$2" attach "$3"
    ! virsh domblklist eve | grep -qw vdx || guest_fill eve vdx "$TEXT" >/dev/null 2>&1
    detach
    refuse "$1: no guest starts with it" "$2" start_with "$3"
    virsh destroy victim >/dev/null 2>&1
    unharmed "$1: nothing has changed"
}

try "a host with a header pool and a payload pool" linked_start
VAULT2=$DAEMON_IMAGES/vault2
"$DAEMON_IN" mkdir -p "$VAULT2"
SOCKETS=$DAEMON_IMAGES/sockets
mkdir "$SOCKETS" && chmod 777 "$SOCKETS"
try "a pool for replicas" pool_make vault2 "$VAULT2"
try "a linked volume with a replica" eval \
    'linked_xml r.raw raw "" "pool=\"vault\"/><source pool=\"vault2\"" | create_xml'
try "another, in qcow2" create q.qcow2 qcow2
qemu-img create -q -f raw "$DAEMON_IMAGES/plain.raw" 16M
chmod 666 "$DAEMON_IMAGES/plain.raw"
try "a running guest" guest_boot eve
bystander "$VAULT"/* "$VAULT2"/* "$DATA"/*

# --- NBD, by a socket

# QEMU's own locks would keep its exporter and a guest apart only where both write: so without.
for file in "$DATA/r.raw" "$VAULT/r.raw.luks"; do
    try "QEMU's exporter serves ${file##*/}" exported "$SOCKETS/${file##*/}" \
        qemu-nbd -t -e 5 -k "$SOCKETS/${file##*/}" --image-opts \
        "driver=raw,file.driver=file,file.locking=off,file.filename=$file"
done
try "and the qcow2 payload" exported "$SOCKETS/q.qcow2" qemu-nbd -t -e 5 -k "$SOCKETS/q.qcow2" --image-opts \
    "driver=raw,file.driver=file,file.locking=off,file.filename=$DATA/q.qcow2"
try "and a file that is nobody's volume" exported "$SOCKETS/plain" \
    qemu-nbd -t -e 5 -k "$SOCKETS/plain" -f raw "$DAEMON_IMAGES/plain.raw"
refused "a payload by NBD" "nbd.*linked volume 'r\.raw'" "$(network raw "$(by_socket r.raw)")"
refused "a payload in qcow2, as raw" "nbd.*linked volume 'q\.qcow2'" "$(network raw "$(by_socket q.qcow2)")"
refused "a header by NBD" "nbd.*header volume 'r\.raw\.luks'" "$(network raw "$(by_socket r.raw.luks)")"
try "what is nobody's volume is a disk" attach "$(network raw "$(by_socket plain)")"
try "a guest writes to it and reads that" eval 'guest_fill eve vdx "$TEXT" && guest_filled eve vdx "$TEXT"'
detach

# An exporter that opens its file only when a client comes.
for file in "$DATA/r.raw" "$VAULT2"/*; do
    try "another exporter serves ${file##*/}" exported "$SOCKETS/lazy-${file##*/}" \
        nbdkit -f -U "$SOCKETS/lazy-${file##*/}" file "$file"
    refused "${file##*/} by an exporter that has not opened it" "nbd.*'r\.raw" \
        "$(network raw "$(by_socket "lazy-${file##*/}")")"
done
(cd "$DATA" && exec "$DAEMON_IN" sh -c 'cd "$1" && exec nbdkit -f -U "$2" file file=r.raw' sh "$DATA" \
    "$SOCKETS/relative" </dev/null >/dev/null 2>&1) &
at_exit kill $!
waited test -S "$SOCKETS/relative" && chmod 666 "$SOCKETS/relative"
refused "by a name that is relative to the exporter's directory" "nbd.*linked volume 'r\.raw'" \
    "$(network raw "$(by_socket relative)")"

# --- NBD, by TCP

port=$((20000 + RANDOM % 20000))
"$DAEMON_IN" nbdkit -f -i 127.0.0.1 -p "$port" file "$DATA/r.raw" </dev/null >/dev/null 2>&1 &
at_exit kill $!
try "an exporter listens on TCP port $port" waited listening "$port"
for host in localhost 127.0.0.1; do
    refused "a payload by NBD from $host" "nbd.*linked volume 'r\.raw'" \
        "$(network raw "<source protocol='nbd'><host name='$host' port='$port'/></source>")"
done

# --- as what is behind a disk

overlay=$DAEMON_IMAGES/over.qcow2
qemu-img create -q -f qcow2 -u -b "nbd+unix:///?socket=$SOCKETS/r.raw" -F raw "$overlay" 16M
refused "a payload by NBD behind an overlay" "nbd.*linked volume 'r\.raw'" "$(disk_xml vdx "$overlay" qcow2)"
qemu-img create -q -f qcow2 -u -F raw -b "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"nbd\",\"server\":{
    \"type\":\"unix\",\"path\":\"$SOCKETS/r.raw\"}}}" "$overlay" 16M
refused "the same, in JSON" "nbd.*linked volume 'r\.raw'" "$(disk_xml vdx "$overlay" qcow2)"

# --- other protocols, refused before anybody is asked over them

refused "a payload by ssh" "ssh.*linked volume 'r\.raw'" \
    "$(network raw "<source protocol='ssh' name='$DATA/r.raw'><host name='localhost' port='22'/></source>")"
refused "a payload by NFS" "nfs.*linked volume 'r\.raw'" \
    "$(network raw "<source protocol='nfs' name='$DATA/r.raw'><host name='127.0.0.1'/><identity user='0' group='0'/></source>")"
refused "a header by NFS" "nfs.*header volume 'r\.raw\.luks'" \
    "$(network raw "<source protocol='nfs' name='$VAULT/r.raw.luks'><host name='localhost'/><identity user='0' group='0'/></source>")"

guest_stop eve
finish
