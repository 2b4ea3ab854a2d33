#!/bin/bash
# Headers and replicas on Ceph, in a pool with a user of its own: of payloads in files, and on Ceph in another
# pool. Guests are in header-guest.sh.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/images.sh"

HEADERS_UUID=0d7c1d5a-6f0e-4a6d-8a55-5d0c8e1b7f11
TEXT="what nobody on the cluster may know: $RANDOM $RANDOM"
SECRET="<secret type='passphrase' uuid='$SECRET_UUID'/>"

try "a daemon with a header pool and a pool on Ceph starts" images_start || finish
ceph_secret headers "$HEADERS_UUID"
try "a header pool on Ceph" ceph_pool keys headers "$HEADERS_UUID" "" vault || finish

# key_file IMAGE: prints the name of a copy of that image of the pool "keys" in a file.
key_file() {
    rm -f "$DAEMON_WORK/key"
    rbd export "vault/$1" "$DAEMON_WORK/key" --no-progress && echo "$DAEMON_WORK/key"
}
# label IMAGE: the label's text, without NULs.
label() {
    tail -c +$((2 * MIB + 1)) "$(key_file "$1")" | tr -d '\0'
}
# size_of_key IMAGE: in bytes.
size_of_key() {
    rbd info "vault/$1" --format json | python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])'
}

note "A header on Ceph of a payload in a file"
try "a linked volume is made" create one raw "" "pool='keys' volume='one.luks'" || finish
same "the header's image has its full size" "$(size_of_key one.luks)" $((4 * MIB))
try "it opens with the passphrase" opens "$(key_file one.luks)"
like "its label names the payload" "$(label one.luks)" '<payload pool="data" volume="one" format="raw"'
like "and itself, without the key" "$(label one.luks)" '<remote protocol="rbd"'
like "vol-dumpxml of the payload shows it" "$(shown one data)" '<source pool="keys" volume="one.luks"/>'
like "vol-dumpxml of the header shows the payload" "$(shown one.luks keys)" '<source pool="data" volume="one"/>'
try "pool-refresh data" virsh pool-refresh data
try "pool-refresh keys" virsh pool-refresh keys
like "it is shown still" "$(shown one data)" '<source pool="keys" volume="one.luks"/>'
refuse "the header alone is deleted" "holds the LUKS header of volume 'one'" virsh vol-delete one.luks keys
refuse "the header alone is wiped" "holds the LUKS header of volume 'one'" virsh vol-wipe one.luks keys
try "the tool lists it" vl list
like "as what it is" "$OUT" "^data/one +raw .* keys/one\.luks .* ok"
finish
