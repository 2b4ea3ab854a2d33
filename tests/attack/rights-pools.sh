#!/bin/bash
# Clients that may not define a pool try to change its encryption default, or make it a header pool: one that may
# only connect, and a tenant with all rights in a pool of his own and none elsewhere. No file of ours may
# change before the right was asked for, not for a moment. A trace of the daemon's system calls shows that.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/polkit.sh"
. "$(dirname "$0")/../lib/faults.sh"

polkit_client connect '*'
polkit_client tenant 'storage-*@!mine'
polkit_client stopper storage-pool.read
daemon_use host
faults_use
polkit_use
try "a daemon with an access driver starts" linked_start host || finish
try "formatting is made quick" quick_format

DEFAULT="<encryption format='luks'><header type='volume'><source pool='vault'/></header></encryption>"
UUID=11111111-2222-3333-4444-555555555555
POOLS=$(dirname "$LINKS")/pools

# pool_file NAME UUID [TARGET]: a file with XML of a pool; TARGET is what else stands in <target>.
pool_file() {
    "$DAEMON_IN" mkdir -p "$DAEMON_IMAGES/$1"
    cat >"$DAEMON_DIR/xml/pool-$1.xml" <<XML
<pool type='dir'><name>$1</name>${2:+<uuid>$2</uuid>}<target><path>$DAEMON_IMAGES/$1</path>${3:-}</target></pool>
XML
    chmod 644 "$DAEMON_DIR/xml/pool-$1.xml"
    echo "$DAEMON_DIR/xml/pool-$1.xml"
}

# ours: all that the plugin keeps, to the byte.
ours() {
    "$DAEMON_IN" find "$(dirname "$LINKS")" -type f -exec sha256sum {} + | sort -k 2
}

# untouched WHAT REGEX COMMAND...: COMMAND is refused, and meanwhile nothing of ours has changed.
untouched() {
    local what=$1 before
    shift
    before=$(ours)
    : >"$POINT.log"
    echo "trace 0 lukshdr/pools|lukshdr/links|lukshdr/active" >"$POINT"
    refuse "$what" "$@"
    : >"$POINT"
    same "$what: nothing of ours has changed meanwhile" "$(cat "$POINT.log")" ""
    same "$what: nothing of ours is another" "$(ours)" "$before"
}

# encrypted WHAT POOL: a new volume that asks for nothing is a linked one.
encrypted() {
    virsh vol-create-as "$2" probe 4M >/dev/null
    like "$1: new volumes are encrypted" "$(virsh vol-dumpxml probe "$2")" "<header type='volume'"
    virsh vol-delete probe "$2" >/dev/null
}

try "a pool with an encryption default" virsh pool-define "$(pool_file crypt $UUID "$DEFAULT")"
try "is started" virsh pool-start crypt
encrypted "at first" crypt

note "Who may only connect"
for target in "" "<headers/>" "${DEFAULT//vault/data}"; do
    untouched "pool-define with ${target:-nothing} in <target>" "access denied" \
        as connect virsh -q pool-define "$(pool_file crypt $UUID "$target")"
done
untouched "pool-create" "access denied" as connect virsh -q pool-create "$(pool_file crypt $UUID)"
untouched "pool-define of a new pool" "access denied" \
    as connect virsh -q pool-define "$(pool_file new 11111111-2222-3333-4444-666666666666 "$DEFAULT")"
encrypted "and then" crypt

note "Who has a pool of his own"
try "a tenant defines his own pool" as tenant virsh -q pool-define "$(pool_file mine "${UUID//1/2}" "$DEFAULT")"
try "and starts it" as tenant virsh -q pool-start mine
like "it has its default" "$(virsh pool-dumpxml mine)" "<encryption"
untouched "his pool's name with the other's UUID" "already defined" \
    as tenant virsh -q pool-define "$(pool_file mine $UUID)"
# What stock reads is not what stands there first
sed -i "s|<uuid>|<x:uuid xmlns:x='urn:x'>$UUID</x:uuid><uuid>|" "$(pool_file mine "${UUID//1/2}")"
as tenant virsh -q pool-define "$DAEMON_DIR/xml/pool-mine.xml" >/dev/null
encrypted "the other's UUID in another namespace" crypt
try "the tenant's default is as it was" as tenant virsh -q pool-define "$(pool_file mine "${UUID//1/2}" "$DEFAULT")"
untouched "a default that makes another's pool a header pool" "'data' would become a header pool.*access denied" \
    as tenant virsh -q pool-define "$(pool_file mine "${UUID//1/2}" "${DEFAULT//vault/data}")"
untouched "or one that does not exist yet" "'later' would become a header pool.*access denied" \
    as tenant virsh -q pool-define "$(pool_file mine "${UUID//1/2}" "${DEFAULT//vault/later}")"
untouched "a volume whose header would lie in a pool that is not his" "access denied" \
    as tenant virsh -q vol-create-as mine probe 4M
same "nothing is made of it" "$(find "$VAULT" "$DAEMON_IMAGES/mine" -type f)" ""

note "What libvirt itself refuses"
untouched "a redefinition under another name" "already defined" virsh pool-define "$(pool_file other $UUID)"
before=$(ours)
refuse "a definition of an existing name under another UUID" "already exists" \
    virsh pool-define "$(pool_file crypt "${UUID//1/3}" "$DEFAULT")"
refuse "or without one" "already exists" virsh pool-define "$(pool_file crypt "" "$DEFAULT")"
same "nothing of ours is left of these" "$(ours)" "$before"
encrypted "and then" crypt

note "Spellings of a UUID"
upper=ABCDEFAB-CDEF-ABCD-EFAB-CDEFABCDEFAB
try "a pool whose UUID is in capitals" virsh pool-define "$(pool_file loud $upper "$DEFAULT")"
virsh pool-start loud >/dev/null
encrypted "of capitals" loud
try "it is redefined, with spaces" virsh pool-define "$(pool_file loud "${upper//-/ }")"
unlike "its default has gone" "$(virsh pool-dumpxml loud)" "<encryption"
virsh pool-destroy loud >/dev/null && virsh pool-undefine loud >/dev/null

note "A definition that is kept, and another for this once"
virsh pool-destroy crypt >/dev/null
refuse "pool-create with another default over a pool that is defined" "defined with another encryption default" \
    virsh pool-create "$(pool_file crypt $UUID "$DEFAULT<headers/>")"
try "pool-create without any" virsh pool-create "$(pool_file crypt $UUID)"
encrypted "as defined" crypt
virsh pool-destroy crypt >/dev/null
like "and afterwards" "$(virsh pool-dumpxml crypt)" "<encryption"
virsh pool-start crypt >/dev/null

note "Stopping and removing"
polkit_pools
virsh pool-destroy crypt >/dev/null
for what in Build Build:overwrite Create Create:overwrite Delete Undefine; do
    untouched "$what, by a tenant of another" "denied" call tenant "virStoragePool$what" crypt
done
virsh pool-start crypt >/dev/null
for what in Destroy Refresh GetXMLDesc; do
    untouched "$what, by a tenant of another" "denied" call tenant "virStoragePool$what" crypt
done
encrypted "after all that" crypt
try "who may stop pools and not look at them stops one" as stopper virsh -q pool-destroy mine
try "a transient pool" virsh pool-create "$(pool_file passing "${UUID//1/4}" "$DEFAULT")"
try "is stopped by him as well" as stopper virsh -q pool-destroy passing
refuse "and its default is gone with it" "No such file" "$DAEMON_IN" stat "$POOLS/${UUID//1/4}.xml"

note "Crashes"
# crash WHAT LINE COMMAND...: the daemon dies at the call that LINE says, while COMMAND runs.
crash() {
    local what=$1
    echo "$2" >"$POINT"
    shift 2
    refuse "$what: the daemon dies" . "$@"
    try "$what: and starts again" linked_launch
}
crash "redefined, before our file is written" "rename 1 lukshdr/pools" \
    virsh pool-define "$(pool_file crypt $UUID "<headers/>")"
encrypted "the old default holds" crypt
crash "defined, before libvirt's own file is written" "rename 1 storage/fresh.xml" \
    virsh pool-define "$(pool_file fresh "${UUID//1/5}" "$DEFAULT")"
refuse "there is no such pool" "no storage pool" virsh pool-uuid fresh
try "a file of ours is there" "$DAEMON_IN" stat "$POOLS/${UUID//1/5}.xml"
try "which the next definition replaces" virsh pool-define "$(pool_file fresh "${UUID//1/5}")"
unlike "with none" "$(virsh pool-dumpxml fresh)" "<encryption"

finish
