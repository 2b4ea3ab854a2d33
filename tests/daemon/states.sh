#!/bin/bash
# Every state of a link has a way out through the libvirt API: for files, and for block devices without a lasting name,
# which are partitions of a loop device here. See ../lib/states.sh.

# shellcheck disable=SC2317,SC2016 # functions and commands in quotes are called by way of row
. "$(dirname "$0")/../lib/partitions.sh"
. "$(dirname "$0")/../lib/states.sh"

daemon_use host
try "a daemon with a header pool and a payload pool starts" linked_start || finish
quick_format
STATE_POOLS=(data vault vault2)
VAULT2=$DAEMON_IMAGES/vault2
"$DAEMON_IN" mkdir -p "$VAULT2"
try "and one for replicas" pool_make vault2 "$VAULT2"
POOL=vault

gone() { virsh vol-delete one data; }
# the other pool is refreshed meanwhile
refreshed() { waited virsh pool-refresh "$POOL" && waited virsh pool-refresh data; }
settled() { waited virsh pool-refresh "$POOL" && waited eval '! under_way' && refreshed; }
# settled_not: what was interrupted cannot be completed, and stays.
settled_not() { virsh pool-refresh data && waited cannot && under_way; }
cannot() { tail -n 5 "$DAEMON_LOG" | grep -q 'cannot be cleared up'; }
under_way() { "$DAEMON_IN" grep -qrE '<link state="(creating|deleting|wiping|unlinking)"' "$LINKS"; }
by_names() { vl forget --yes data/one; }
header_gone() { virsh vol-delete one.luks vault; }
both_gone() { gone && header_gone; }
replica_gone() { virsh vol-delete one.luks vault2; }
remove() { "$DAEMON_IN" rm "$1"; }
moved_away() { "$DAEMON_IN" mv "$1" "$1.away"; }
moved_back() { "$DAEMON_IN" mv "$1.away" "$1"; }
# replace FILE: another in its place.
replace() { "$DAEMON_IN" sh -c 'truncate -s 4M "$1.new" && mv "$1.new" "$1"' in "$1"; }
H='$VAULT/one.luks'
P='$DATA/one'
R='$VAULT2/one.luks'

# elsewhere POOL: it is defined anew in an empty directory, as after its disk has died.
elsewhere() {
    "$DAEMON_IN" mv "$DAEMON_IMAGES/$1" "$DAEMON_IMAGES/$1.dead" &&
        "$DAEMON_IN" mkdir -p "$DAEMON_IMAGES/$1.empty" && placed "$1" "$1.empty"
}
# back POOL: it has its directory again.
back() {
    "$DAEMON_IN" mv "$DAEMON_IMAGES/$1.dead" "$DAEMON_IMAGES/$1" && placed "$1" "$1"
}
placed() {
    virsh pool-destroy "$1"
    virsh pool-dumpxml "$1" | sed "s|<path>.*</path>|<path>$DAEMON_IMAGES/$2</path>|" >"$DAEMON_DIR/xml/pool.xml" &&
        virsh pool-define "$DAEMON_DIR/xml/pool.xml" && virsh pool-start "$1"
}

note "Files"
make='create one raw'
row "active" "$make" gone
row "unlinked" "$make" by_names both_gone
row "wiped" "$make" 'virsh vol-wipe one data' gone
row "wiped, and unlinked" "$make" 'virsh vol-wipe one data' by_names both_gone
for half in creating deleting; do
    row "half-way $half" "$make" "state_set one $half" settled
    row "half-way $half, nothing else left" "$make" "state_set one $half" "remove $H" "remove $P" settled
done
row "half-way deleting, and repeated" "$make" 'state_set one deleting' gone
row "half-way deleting, after the key material" "$make" 'state_set one deleting' "noise $H" settled
row "half-way deleting, another header in its place" "$make" 'state_set one deleting' "replace $H" settled_not \
    'refused_until_given_up gone' both_gone
row "half-way deleting, another payload in its place" "$make" 'state_set one deleting' "replace $P" settled_not \
    'refused_until_given_up gone' both_gone
row "half-way creating, another payload in its place" "$make" 'state_set one creating' "replace $P" settled_not \
    'refused_until_given_up gone' both_gone
row "half-way wiping" "$make" 'state_set one wiping' settled 'state_is one wiped' gone
row "half-way wiping, and deleted" "$make" 'state_set one wiping' "noise $H" gone
row "half-way wiping, another header in its place" "$make" 'state_set one wiping' "replace $H" settled_not by_names \
    both_gone
row "half-way unlinking" "$make" 'state_set one unlinking' settled both_gone
row "half-way unlinking, and repeated" "$make" 'state_set one unlinking' by_names both_gone
row "half-way unlinking, without the header" "$make" 'state_set one unlinking' "remove $H" settled gone
row "half-way unlinking, without the payload" "$make" 'state_set one unlinking' "remove $P" settled header_gone
row "half-way unlinking, another header in its place" "$make" 'state_set one unlinking' "replace $H" settled both_gone
row "without the header" "$make" "remove $H" gone
row "without the header, refreshed" "$make" "remove $H" refreshed gone
row "without the payload" "$make" "remove $P" refreshed 'refused_until_given_up create one raw' header_gone
row "without the payload, and deleted" "$make" "remove $P" 'refused_until_given_up gone' header_gone
row "without the payload, put back" "$make" "moved_away $P" 'not gone' "moved_back $P" 'vl check data/one' gone
row "without the payload, half-way deleting, and deleted" "$make" 'state_set one deleting' "remove $P" 'not gone' settled
row "without either" "$make" "remove $P" "remove $H" refreshed by_names
row "wiped, without the payload" "$make" 'virsh vol-wipe one data' "remove $P" refreshed by_names header_gone
row "wiped, without the payload, and deleted" "$make" 'virsh vol-wipe one data' "remove $P" 'refused_until_given_up gone' \
    header_gone
row "the header overwritten" "$make" "zeroed $H" gone
row "another header in its place" "$make" "replace $H" refreshed 'refused_until_given_up gone' both_gone
row "a directory in its place" "$make" "remove $H" "'$DAEMON_IN' mkdir $H" refreshed 'refused_until_given_up gone' gone \
    "'$DAEMON_IN' rmdir $H"
row "wiped, and another header in its place" "$make" 'virsh vol-wipe one data' "replace $H" refreshed both_gone
row "another payload in its place" "$make" "replace $P" refreshed 'refused_until_given_up gone' both_gone
row "the payload overwritten" "$make" "zeroed $P" refreshed gone

make='create one qcow2'
row "qcow2: wiped" "$make" 'virsh vol-wipe one data' gone
row "qcow2: half-way unlinking" "$make" 'state_set one unlinking' settled both_gone
row "qcow2: the payload overwritten" "$make" "zeroed $P" refreshed gone

make="create one raw '' \"pool='vault'/><source pool='vault2'\""
row "replica: half-way deleting, overwritten" "$make" 'state_set one deleting' "zeroed $R" settled
row "replica: without it" "$make" "remove $R" gone
row "replica: another in its place" "$make" "replace $R" 'refused_until_given_up gone' both_gone replica_gone
row "replica: half-way unlinking" "$make" 'state_set one unlinking' settled both_gone replica_gone
row "replica: half-way unlinking, without it" "$make" 'state_set one unlinking' "remove $R" settled both_gone
row "replica: its pool is lost" "$make" 'virsh pool-destroy vault2' 'not gone' 'elsewhere vault2' gone 'back vault2' \
    replica_gone

# what others need stays
share() {
    linked_xml two raw '' "pool='vault' volume='one.luks'" |
        sed "s/<header type='volume'>/<header type='volume' link='share'>/; /<secret /d" | create_xml
}
row "shared: half-way deleting" 'create one raw' share 'state_set one deleting' settled 'vl check data/two' \
    'virsh vol-delete two data'
row "shared: half-way unlinking, without the payload" 'create one raw' share 'state_set one unlinking' "remove $P" settled \
    'vl check data/two' 'virsh vol-delete two data'
row "shared: without the header" 'create one raw' share "remove $H" gone 'virsh vol-delete two data'
secret_lost() { virsh secret-undefine "$(virsh vol-dumpxml one data | sed -n 's/.*<secret .*uuid=.\([0-9a-f-]*\).*/\1/p')"; }
row "generated: its secret is lost" 'linked_xml one raw | sed "/<secret /d" | create_xml' secret_lost gone
row "generated: wiped, and unlinked" 'linked_xml one raw | sed "/<secret /d" | create_xml' \
    'virsh vol-wipe one data' by_names both_gone
same "its secret goes with it" "$(virsh -q secret-list | grep -vc "$SECRET_UUID")" 0

# Another entry of the registry has the same payload, as when part of it was put back from a backup.
twice() {
    local entry text uuid
    entry=$(link_of one) && uuid=$(cat /proc/sys/kernel/random/uuid) || return
    text=$("$DAEMON_IN" grep -v '^<!-- sha256' "$entry" | sed "s/$(basename "$entry" .xml)/$uuid/; s/one\.luks/two.luks/")
    printf '%s\n<!-- sha256: %s -->\n' "$text" "$(printf '%s\n' "$text" | sha256sum | cut -d' ' -f1)" |
        "$DAEMON_IN" sh -c 'cat >"$1"' sh "${entry%/*}/$uuid.xml"
}
both_named() {
    local said name='"virt-lukshdr forget data/one vault/(one|two).luks"'
    ! said=$(virsh vol-resize one 1G --pool data 2>&1) && echo "$said" && grep -Eq "$name or $name" <<<"$said"
}
row "recorded twice" 'create one raw' twice both_named 'vl forget --yes data/one vault/two.luks' gone

note "Pools that are lost"
row "the payload's, which is not active" 'create one raw' 'virsh pool-destroy data' by_names 'virsh pool-undefine data' \
    "pool_make data $DATA" refreshed both_gone
row "the header's, while the payload is there" 'create one raw' 'virsh pool-destroy vault' 'not by_names' 'not gone' \
    'elsewhere vault' gone 'back vault' header_gone
row "the header's, without the payload" 'create one raw' "remove $P" 'virsh pool-destroy vault' by_names \
    'virsh pool-start vault' header_gone
row "both" 'create one raw' 'virsh pool-destroy vault' 'virsh pool-destroy data' 'not by_names' \
    'elsewhere data' by_names 'back data' 'virsh pool-start vault' both_gone

note "Partitions"
if disk_there; then
    parted_repaired
    try "libvirt writes a partition table" disk_make parts
    disk=$(basename "$LOOP")
    one=${disk}p1
    STATE_POOLS=(data vault parts)
    D=/dev/$one
    make="create one raw '' \"pool='parts' volume='$one'\""
    by_names() { vl forget --yes data/one; }
    POOL=parts
    header_gone() { virsh vol-delete "$one" parts; }
    row "header: active" "$make" gone
    row "header: wiped" "$make" 'virsh vol-wipe one data' gone
    row "header: wiped, after a restart" "$make" 'virsh vol-wipe one data' linked_launch gone
    row "header: half-way creating" "$make" 'state_set one creating' settled
    row "header: half-way deleting" "$make" 'state_set one deleting' "noise $D" settled
    row "header: half-way wiping" "$make" 'state_set one wiping' "noise $D" settled 'state_is one wiped' gone
    row "header: half-way unlinking" "$make" 'state_set one unlinking' settled both_gone
    row "header: overwritten" "$make" "zeroed $D" 'refused_until_given_up gone' both_gone
    row "header: wiped, and overwritten" "$make" 'virsh vol-wipe one data' "zeroed $D" both_gone
    row "header: half-way deleting, overwritten" "$make" 'state_set one deleting' "zeroed $D" refreshed \
        'refused_until_given_up gone' both_gone
    row "header: without the payload" "$make" "remove $P" refreshed by_names header_gone
    row "header: without the partition" "$make" 'virsh pool-destroy parts' "parted -s $LOOP rm 1" \
        "[ ! -e $D ] || partx -d $LOOP" 'virsh pool-start parts' gone

    make="partition_xml $one \"pool='vault' volume='one.luks'\" | create_in parts"
    by_names() { vl forget --yes "parts/$one"; }
    gone() { virsh vol-delete "$one" parts; }
    header_gone() { virsh vol-delete one.luks vault; }
    row "payload: wiped" "$make" "virsh vol-wipe $one parts" gone
    row "payload: overwritten, without the header" "$make" "zeroed $D" "remove $H" refreshed gone
    row "payload: half-way unlinking" "$make" "state_set $one unlinking" settled both_gone
    row "payload: without the partition" "$make" 'virsh pool-destroy parts' "parted -s $LOOP rm 1" \
        "[ ! -e $D ] || partx -d $LOOP" 'virsh pool-start parts' by_names header_gone

    two=${disk}p2
    make="partition_xml $two \"pool='parts' volume='$one'\" | create_in parts"
    gone() { virsh vol-delete "$two" parts; }
    row "both: wiped" "$make" "virsh vol-wipe $two parts" gone
    virsh pool-destroy parts >/dev/null
    try "the pool is nobody's" virsh pool-undefine parts
else
    skip "partitions" "needs libvirt's disk backend, parted, and partitions on loop devices"
fi

for pool in data vault vault2; do
    virsh pool-destroy $pool >/dev/null
    try "pool-undefine of $pool" virsh pool-undefine $pool
done
unlike "the passphrase is in no log" "$(cat "$DAEMON_DIR"/*.log "$DAEMON_DIR/log"/* 2>/dev/null)" "$PASSPHRASE"
finish
