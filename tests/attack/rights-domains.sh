#!/bin/bash
# Domains with linked disks and clients with few rights. A client that may not read a domain must not get around
# what the plugin finds in its configuration. A client that may not do what it asks for learns nothing of links.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/polkit.sh"
. "$(dirname "$0")/../lib/linked.sh"

polkit_client connect '*' +domain.getattr
polkit_client snapshotter '*' +domain.getattr +domain.snapshot
polkit_client reverter '*' +domain.getattr +domain.read +domain.snapshot
polkit_client looker domain.snapshot domain.write domain.save domain.start domain.migrate
polkit_use
try "a daemon with an access driver starts" linked_start host || finish
try "formatting is made quick" quick_format
try "a linked volume" create one qcow2

cat >"$DAEMON_DIR/xml/off.xml" <<XML
<domain type='qemu'><name>off</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='$DATA/one'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>
XML
try "a domain that does not run" virsh define "$DAEMON_DIR/xml/off.xml"
like "its disk is encrypted" "$(virsh dumpxml off)" "<encryption format='luks'"

OVERLAY=$DAEMON_IMAGES/overlay
snapshot() {
    as "$1" virsh -q snapshot-create-as off s --disk-only --no-metadata \
        --diskspec "vda,snapshot=external,file=$OVERLAY"
}
# config: what the domain is, and what lies beside the pools
config() {
    virsh dumpxml off --inactive
    "$DAEMON_IN" ls "$DAEMON_IMAGES"
}

before=$(config)
for client in connect looker; do
    refuse "a snapshot as $client" "access denied" snapshot "$client"
    unlike "nothing else is said" "$OUT" "overlay|encrypted"
done
refuse "an unencrypted overlay, by who may make snapshots and not look at domains" "unencrypted" snapshot snapshotter
same "the domain is what it was" "$(config)" "$before"

try "an internal snapshot" virsh snapshot-create-as off inside
for client in connect looker; do
    refuse "going back to it as $client" "access denied" as "$client" virsh -q snapshot-revert off inside
done
try "by who may" as reverter virsh -q snapshot-revert off inside

note "What is refused of a configuration"
uncertain() {
    mv "$DATA/one" "$DATA/away" && cp "$DATA/away" "$DATA/one"
}
try "another file stands where the payload was" uncertain
sed 's/off/new/' "$DAEMON_DIR/xml/off.xml" >"$DAEMON_DIR/xml/new.xml"
chmod 644 "$DAEMON_DIR"/xml/*.xml
for client in connect looker; do
    refuse "define as $client" "access denied" as "$client" virsh -q define "$DAEMON_DIR/xml/new.xml"
    refuse "create as $client" "access denied" as "$client" virsh -q create "$DAEMON_DIR/xml/new.xml"
done

finish
