#!/bin/bash
# Hosts that share a header pool and a Ceph cluster. A label is followed by itself where the image of that name is the
# one that it was written for, by the ids of cluster, pool and image; a copy of the image, and an image of that name on
# another cluster, are not it: the header is shown as found, and nothing else is done.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../tool/lib/vl.sh"
. "$(dirname "$0")/../lib/ceph.sh"

need_ceph

CEPH_UUID=6f3f1c1e-1e0c-4c63-9d8e-7d0f3a6b9c21

# on_ceph NAME: a linked volume there.
on_ceph() {
    linked_xml "$1" raw >"$DAEMON_DIR/xml/in.xml" && virsh vol-create images "$DAEMON_DIR/xml/in.xml"
}

# with_cluster: the host in use gets at the cluster.
with_cluster() {
    ceph_secret libvirt "$CEPH_UUID" && ceph_pool images libvirt "$CEPH_UUID"
}

# declare_headers NAME DIR: a declared header pool, started.
declare_headers() {
    echo "<pool type='dir'><name>$1</name><target><headers/><path>$2</path></target></pool>" >"$DAEMON_DIR/xml/pool.xml"
    virsh pool-define "$DAEMON_DIR/xml/pool.xml" && virsh pool-start "$1"
}

# shows VOLUME POOL REGEX: what is shown of it matches.
shows() {
    virsh vol-dumpxml "$1" "$2" | grep -q -- "$3"
}

# identities VOLUME: what the registry says that the payload is.
identities() {
    link_show "$1" | grep -o 'type="rbd" id="[^"]*"'
}

try "host one starts" linked_start one || finish
quick_keys
try "with a Ceph cluster" eval 'ceph_start && with_cluster' || finish
for volume in same renamed copied; do
    try "it makes the linked volume $volume" on_ceph "$volume" || finish
done
shared=$VAULT
id=$(identities same)
like "whose ids it records" "$id" '^type="rbd" id="[0-9a-f-]{36}:[0-9]+::[0-9a-f]+"$'
like "as the cluster has them" "$id" ":$(rbd info images/same --format json | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')\""
# What stands there under the name of "copied" is a copy, under that of "renamed" nothing.
try "an image is copied and the copy put in its place" eval 'rbd mv images/copied images/original &&
    rbd cp images/original images/copied --no-progress'
try "another is renamed" rbd mv images/renamed images/elsewhere
before=$(sha256sum "$shared"/*)

try "host two starts" linked_start two || finish
quick_keys
try "with the same cluster" with_cluster || finish
try "and takes the header pool" declare_headers shared "$shared"
try "the volume is linked there, too" waited shows same images "<source pool='shared' volume='same.luks'"
like "its header shows whose it is" "$(virsh vol-dumpxml same.luks shared)" "<source pool='images' volume='same'/>"
same "by the same ids" "$(identities same)" "$id"
try "the tool lists it" vl list
like "as one that is whole" "$OUT" '^images/same .*shared/same\.luks .*ok'
try "the copy's header is found" waited shows copied.luks shared "state=.found"
unlike "the copy stays plain" "$(virsh vol-dumpxml copied images)" "<header|<encryption"
like "and the tool says what that means" "$(vl list 2>&1)" "not the volume that *the label was written for|virt-lukshdr link images/copied shared/copied.luks"
same "there is one link" "$(links | wc -l)" 1
try "the other comes back to its name" eval 'rbd mv images/elsewhere images/renamed && virsh pool-refresh images'
try "when the headers are looked at again it is linked as well" eval 'virsh pool-refresh shared &&
    waited shows renamed images "<source pool=.shared. volume=.renamed.luks."'
same "no header was touched" "$(sha256sum "$shared"/*)" "$before"
try "the copy is deleted" virsh vol-delete copied images
same "which no header notices" "$(sha256sum "$shared"/*)" "$before"

note "A pool of another name"
try "host four starts" linked_start four || finish
quick_keys
try "and calls the cluster's pool otherwise" eval 'ceph_secret libvirt "$CEPH_UUID" &&
    ceph_pool remote libvirt "$CEPH_UUID" "" images' || finish
try "it takes the header pool" declare_headers shared "$shared"
try "the volume is linked there, too" waited shows same remote "<source pool='shared' volume='same.luks'"
like "its header shows whose it is" "$(virsh vol-dumpxml same.luks shared)" "<source pool='remote' volume='same'/>"
same "by the same ids" "$(identities same)" "$id"
try "the tool lists it" vl list
like "as one that is whole" "$OUT" '^remote/same .*shared/same\.luks .*ok'
same "no header was touched" "$(sha256sum "$shared"/*)" "$before"
try "it ends" daemon_stop

note "Another cluster"
try "host three starts" linked_start three || finish
quick_keys
try "with a cluster of its own" eval 'ceph_start && with_cluster' || finish
try "which has an image of that name" virsh vol-create-as images same 16M
try "the header pool is taken" declare_headers shared "$shared"
try "the header is found" waited shows same.luks shared "state=.found"
unlike "the image stays plain" "$(virsh vol-dumpxml same images)" "<header|<encryption"
same "there is no link" "$(links)" ""
try "the image is deleted" virsh vol-delete same images
same "no header was touched" "$(sha256sum "$shared"/*)" "$before"
try "its cluster ends" ceph_stop
linked_use two
try "host two deletes the volume that it was given" virsh vol-delete same images
same "with its header" "$(find "$shared" -name same.luks)" ""
finish
