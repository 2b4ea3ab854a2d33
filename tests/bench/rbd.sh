# shellcheck shell=bash
# Volumes on Ceph: a cluster of the measurement's own, which both daemons reach, and which keeps everything in
# memory. See bench.sh. Both daemons' pools "images" are one pool of the cluster; in turn they make there what
# goes again, and each has images of other names to keep.

. "$(dirname "${BASH_SOURCE[0]}")/../lib/ceph.sh"

RBD_UUID=6f3f1c1e-1e0c-4c63-9d8e-7d0f3a6b9c21

# rbd_start: the cluster, and the pools.
rbd_start() {
    local side
    on ours
    ceph_start >"$DAEMON_WORK/ceph.start" 2>&1 || {
        cat "$DAEMON_WORK/ceph.start" >&2
        bench_fail "a Ceph cluster cannot be set up"
    }
    for side in stock ours; do
        on "$side"
        { ceph_secret libvirt "$RBD_UUID" && ceph_pool images libvirt "$RBD_UUID"; } >/dev/null ||
            bench_fail "the cluster's pool cannot be set up ($side)"
    done
}

# rbd_attached IMAGE: an image of 256 MiB with attached LUKS. Stock makes none on Ceph, so QEMU does. Its secret's value
# is in the file key.
rbd_attached() {
    qemu-img create -q -f luks --object "secret,id=key,file=$DAEMON_DIR/xml/key" -o key-secret=key \
        "rbd:images/$1:conf=$CEPH_DIR/ceph.conf" 256M
}

# rbd_restart: "ours" is a daemon that has formatted nothing yet. Libvirt forgets that a pool of this type was active.
rbd_restart() {
    on ours
    { linked_launch && virsh pool-start images; } >/dev/null || bench_fail "libvirtd does not start again"
}

# rbd_create ROUNDS: the second time a header is copied, not made, which says what all the rest takes.
rbd_create() {
    local rounds=$1
    section "vol-create on Ceph" stock ours
    client create "$rounds" 1 stock images "$(xml_file raw plain)" ours images "$(xml_file raw plain)" \
        ours images "$(xml_file raw generated)" ours images "$(xml_file raw given)"
    row "plain : plain" 0 1 1
    row "plain : linked, generated secret" 0 2
    row "plain : linked, given secret" 0 3
    on ours
    quick_format || bench_fail "no header can be made"
    rbd_restart
    client create $((rounds * 2 + 1)) 1 stock images "$(xml_file raw plain)" ours images "$(xml_file raw generated)"
    row "plain : linked, but for QEMU's formatting" 0 1
    section "vol-delete on Ceph" stock ours
    client delete $((rounds * 2 + 1)) 1 stock images "$(xml_file raw plain)" ours images "$(xml_file raw plain)" \
        ours images "$(xml_file raw generated)"
    row "plain : plain" 0 1 1
    row "plain : linked, key material destroyed" 0 2
    rm -f "$BIN/qemu-img"
    rbd_restart
}

# rbd_guest KIND: the path of a file with the XML of a guest with that image.
rbd_guest() {
    local secret=
    [ "$1" != attached ] || secret=$SECRET_UUID
    guests_xml "1-$1-rbd" "$(network_disk vda "images/bench-$1-256.raw" raw libvirt "$RBD_UUID" "$secret")"
}

# rbd_guests ROUNDS: as bench_guests. The images stay, for vol-dumpxml.
rbd_guests() {
    local rounds=$1 kind argv
    on ours
    for kind in plain generated; do
        virsh vol-create images "$(xml_file raw $kind)" >/dev/null || bench_fail "no image for a guest"
    done
    (umask 077 && printf %s "$PASSPHRASE" >"$DAEMON_DIR/xml/key")
    rbd_attached bench-attached-256.raw || bench_fail "no image with attached LUKS"
    argv=$(virsh domxml-to-native qemu-argv "$(rbd_guest generated)") ||
        bench_fail "a guest's command line cannot be had"
    [[ $argv = *'"header"'* ]] || bench_fail "a linked disk is not opened with its header"
    client start "$rounds" 1 stock images "$(rbd_guest plain)" ours images "$(rbd_guest plain)" \
        ours images "$(rbd_guest generated)" stock images "$(rbd_guest attached)"
    section "start of a guest from Ceph" stock ours
    row "plain : plain" 0 1 1
    row "plain : linked, generated secret" 0 2 1.1
    row "attached : linked, generated secret" 3 2
}

# rbd_dumpxml ROUNDS: of the images that are there.
rbd_dumpxml() {
    local side image
    for side in stock ours; do
        on "$side"
        virsh pool-refresh images >/dev/null || bench_fail "the pool of images cannot be refreshed ($side)"
    done
    client dumpxml "$1" 3 stock images - ours images -
    section "vol-dumpxml on Ceph" stock ours
    row "three images, one of them linked" 0 1
    on ours
    for image in plain generated; do
        virsh vol-delete "bench-$image-256.raw" images >/dev/null || bench_fail "an image cannot be deleted"
    done
    rbd rm images/bench-attached-256.raw --no-progress || bench_fail "an image cannot be deleted"
}

# bench_rbd ROUNDS
bench_rbd() {
    local reason
    reason=$(need_ceph | sed -n 's/.*# SKIP //p')
    if [ -n "$reason" ]; then
        printf '\nOn Ceph: not measured, %s\n' "$reason"
        return
    fi
    rbd_start
    rbd_create "$1"
    rbd_guests "$1"
    rbd_dumpxml "$1"
    io_format "$1" rbd
    ceph_stop || bench_fail "the cluster does not end"
}
