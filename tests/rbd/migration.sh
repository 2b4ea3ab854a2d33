#!/bin/bash
# A guest whose payload and header are images of a cluster goes to another host and comes back; for a while both
# hosts have the images open. Without the key of the header's user the other host does not take it.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../guest/lib/hosts.sh"
. "$(dirname "$0")/lib/images.sh"

[ "${DAEMON_MODE:-system}" = system ] || skip_all "session daemons of one user are one host"
need_command qemu-system-x86_64

HEADERS_UUID=7e1d0a52-0c0b-4b57-9c3e-5a0f6d2b1c93
TEXT="what only the guest may know: $RANDOM $RANDOM"

# host NAME: with a pool of payloads and one of headers, each with a user of its own.
host() {
    hosts_start "$1" && quick_keys && secret_make "$SECRET_UUID" volume "$PASSPHRASE" || return
    [ -n "$CEPH_DIR" ] || ceph_start || return
    ceph_secret libvirt "$CEPH_UUID" && ceph_pool images libvirt "$CEPH_UUID" &&
        ceph_secret headers "$HEADERS_UUID" &&
        ceph_pool headers headers "$HEADERS_UUID" "<headers/>" vault
}

# linked_there: the host in use has the link.
linked_there() {
    virsh vol-dumpxml one images | grep -q "<source pool='headers' volume='one.luks'/>"
}

# open_at IMAGE NUMBER: so many clients have the image open.
open_at() {
    [ "$(rbd status "$1" | grep -c watcher=)" = "$2" ]
}

# runs WHERE OTHER: the guest, and nobody else has the images.
runs() {
    runs_on "$1" "$2"
    for image in images/one vault/one.luks; do
        try "$1 alone has $image open" waited open_at "$image" 1
    done
}

try "a host, and a cluster" host here || finish
try "a linked volume, header and payload there" eval 'image_xml one 16 "<secret type=\"passphrase\" uuid=\"$SECRET_UUID\"/>" \
    "pool=\"headers\"" | create_in images' || finish
try "another host" host there || finish
try "knows it by its header" waited linked_there || finish
hosts_use here
try "a guest starts" guest_boot demo "$(network_disk vda images/one raw libvirt "$CEPH_UUID" "$SECRET_UUID")" || finish
try "and writes" guest_fill demo vda "$TEXT"
runs here there
hosts_use here

for option in "" --p2p; do
    try "it moves to the other host ${option:-by the client}" migrate demo there --live --persistent $option
    runs there here
    hosts_use there
    try "reads there what it wrote here" guest_filled demo vda "$TEXT"
    TEXT="what it wrote there: $RANDOM $RANDOM"
    try "writes there" guest_fill demo vda "$TEXT"
    refuse "the volume is not deleted while it runs" "in use" virsh vol-delete one images
    hosts_use here
    refuse "nor by the host that it came from" "in use, by a client of the Ceph cluster" virsh vol-delete one images
    hosts_use there
    try "it comes back" migrate demo here --live --persistent $option
    runs here there
    hosts_use here
    try "and reads what it wrote there" guest_filled demo vda "$TEXT"
done

note "A host without the key of the header's user"
hosts_use there
virsh secret-undefine "$HEADERS_UUID"
hosts_use here
refuse "does not take the guest" "header volume 'one.luks' of pool 'headers'" migrate demo there --live --persistent
runs here there
hosts_use here
try "which goes on" guest_fill demo vda "$TEXT"
try "and reads" guest_filled demo vda "$TEXT"
virsh destroy demo
try "the volume is deleted" waited virsh vol-delete one images
same "no image is left" "$(rbd ls images; rbd ls vault)" ""
finish
