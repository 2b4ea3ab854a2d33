#!/bin/bash
# The life of pools that linked volumes need: what is refused while links name them, what is refused
# while an operation is under way there, and that all of it works again afterwards.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/linked.sh"

daemon_use host
mkdir -p "$DAEMON_WORK"
POINT=$DAEMON_WORK/point
: >"$POINT" && : >"$POINT.log" && chmod 666 "$POINT" "$POINT.log"
SHIM=$(preload crashpoint) || skip_all "no compiler for tests/lib/crashpoint.c"
export DAEMON_WRAPPER="env LD_PRELOAD=$SHIM CRASHPOINT=$POINT"

try "a daemon with a header pool and a payload pool starts" linked_start || finish
try "formatting is made quick" quick_format

# --- pools that links name

try "a linked volume" create one raw
pools="$(virsh pool-list --all --name | sort | xargs)"
for pool in data vault; do
    [ $pool = data ] && part=payload || part=header
    refuse "pool-undefine of $pool, active" "'$pool' has the $part of linked volume 'one' of pool 'data'" \
        virsh pool-undefine $pool
    try "pool-destroy of $pool" virsh pool-destroy $pool
    for command in pool-undefine pool-delete "pool-build --overwrite" "pool-start --build --overwrite"; do
        # shellcheck disable=SC2086 # words
        refuse "$command of $pool" "'$pool' has the $part of linked volume 'one' .*virt-lukshdr forget data/one" \
            virsh $command $pool
    done
    try "pool-build of $pool, which makes what is missing alone" virsh pool-build $pool
    try "pool-start of $pool" virsh pool-start $pool
done
same "all pools are there" "$(virsh pool-list --all --name | sort | xargs)" "$pools"
like "and the volume is linked" "$(virsh vol-dumpxml one data)" "volume='one.luks'"

virsh pool-destroy vault >/dev/null
like "while the header pool is stopped the payload still is one" "$(virsh vol-dumpxml one data)" "<header type='volume'"
refuse "vol-delete names the pool that is missing" "pool 'vault'.*not active.*pool-start" virsh vol-delete one data
try "pool-start" virsh pool-start vault

"$DAEMON_IN" sh -c 'printf "<link" >"$1/00000000-1111-2222-3333-444444444444.xml"' in "$LINKS"
virsh pool-destroy vault >/dev/null
refuse "with a damaged registry nobody knows" "uncertain whether linked volumes need storage pool 'vault'" \
    virsh pool-undefine vault
"$DAEMON_IN" rm "$LINKS/00000000-1111-2222-3333-444444444444.xml"
virsh pool-start vault >/dev/null

"$DAEMON_IN" mkdir -p "$DAEMON_IMAGES/free"
pool_make free "$DAEMON_IMAGES/free" >/dev/null
virsh pool-destroy free >/dev/null
try "a pool that no link names: pool-delete" virsh pool-delete free
try "and pool-undefine" virsh pool-undefine free

try "deleted" virsh vol-delete one data
nothing_left "after that"

# --- a transient pool

"$DAEMON_IN" mkdir -p "$DAEMON_IMAGES/passing"
passing() {
    virsh pool-create-as passing dir --target "$DAEMON_IMAGES/passing" "$@"
}
try "a transient pool of headers" passing
try "a volume with its header there" create one raw '' "pool='passing'"
try "pool-destroy of it" virsh pool-destroy passing
refuse "it is gone" "not found|no storage pool" virsh pool-info passing
like "the payload still is one" "$(virsh vol-dumpxml one data)" "<source pool='passing'"
refuse "vol-delete names the pool that is missing" "passing" virsh vol-delete one data
refuse "it is not made anew over its volumes" "'passing' has the header of linked volume 'one'" passing --build --overwrite
try "but as it was" passing
try "deleted" virsh vol-delete one data
virsh pool-destroy passing >/dev/null
nothing_left "after the transient pool"

# --- while a clone is under way

# The conversion, which is where a clone spends its time, waits for $DAEMON_DIR/shared/go.
mkdir -m 777 "$DAEMON_DIR/shared"
slow_convert() {
    rm -f "$DAEMON_DIR"/shared/*
    tool qemu-img <<SH
case " \$* " in
    *detached-header*) exec cp "$DAEMON_DIR/template" "\${!#}" ;;
    *" convert "*)
        : >"$DAEMON_DIR/shared/converts"
        until [ -e "$DAEMON_DIR/shared/go" ]; do sleep 0.1; done ;;
esac
exec "\$REAL" "\$@"
SH
}

# clone_begins COMMAND...: in the background, until the conversion has begun.
clone_begins() {
    slow_convert
    "$@" >"$DAEMON_DIR/clone.out" 2>&1 &
    client=$!
    waited test -e "$DAEMON_DIR/shared/converts"
}

clone_ends() {
    : >"$DAEMON_DIR/shared/go"
    wait "$client"
}

# create_from SOURCE: vol-create-from of the XML on stdin
create_from() {
    cat >"$DAEMON_DIR/xml/from.xml"
    virsh vol-create-from data "$DAEMON_DIR/xml/from.xml" "$1" --inputpool data
}

: >"$DAEMON_IMAGES/out" && chmod 666 "$DAEMON_IMAGES/out"
head -c 65536 /dev/zero >"$DAEMON_DIR/zeroes" && chmod 644 "$DAEMON_DIR/zeroes"

# nobody_but_readers NAME POOL WHY: NAME may be read and shown, and nothing else.
nobody_but_readers() {
    refuse "$1: vol-delete" "$3" virsh vol-delete "$1" "$2"
    refuse "$1: vol-wipe" "$3" virsh vol-wipe "$1" "$2"
    refuse "$1: vol-resize" "$3" virsh vol-resize "$1" 64M --pool "$2"
    refuse "$1: vol-upload" "$3" virsh vol-upload "$1" "$DAEMON_DIR/zeroes" "$2"
    try "$1: vol-info" virsh vol-info "$1" "$2"
    try "$1: vol-dumpxml" virsh vol-dumpxml "$1" "$2"
}

# pools_held WHY POOL...: with the code and the words that clients know from libvirt.
pools_held() {
    local said=$1 pool why
    shift
    for pool; do
        why="internal error: pool '$pool' has asynchronous jobs running.*($said)"
        refuse "pool-destroy of $pool" "$why" virsh pool-destroy "$pool"
        refuse "pool-refresh of $pool" "$why" virsh pool-refresh "$pool"
    done
}

cloned="is being cloned" created="still being created"
try "a linked volume" create one raw
try "a clone of it begins" clone_begins virsh vol-clone one two --pool data
nobody_but_readers one data "$cloned"
nobody_but_readers two data "$created"
refuse "two: vol-download" "$created" virsh vol-download two "$DAEMON_IMAGES/out" data
refuse "two: vol-clone" "$created" virsh vol-clone two three --pool data
try "one: vol-download" virsh vol-download one "$DAEMON_IMAGES/out" data
try "one.luks: vol-download" virsh vol-download one.luks "$DAEMON_IMAGES/out" vault
refuse "two.luks: vol-download" "$created" virsh vol-download two.luks "$DAEMON_IMAGES/out" vault
refuse "another is not created over it" "$created|exists" create two raw
pools_held "$cloned|$created" data vault
try "other volumes are created meanwhile" create other raw
try "and resized" virsh vol-resize other 32M --pool data
try "and deleted" virsh vol-delete other data
try "the clone ends well" clone_ends
try "and can be refreshed" virsh pool-refresh data
try "and deleted" virsh vol-delete two data

# Two clients that clone one volume read side by side.
try "a clone begins" clone_begins virsh vol-clone one two --pool data
virsh vol-clone one three --pool data >"$DAEMON_DIR/second.out" 2>&1 &
second=$!
try "and a second one of the same source" waited test -e "$DATA/three"
try "the first ends well" clone_ends
try "and so does the second" wait "$second"
try "deleted" virsh vol-delete two data
try "deleted" virsh vol-delete three data

# Plain volumes are in use as well, whichever side they are on.
try "a plain volume" virsh vol-create-as data plain 4M
try "encrypting it begins" eval 'linked_xml four raw "" >"$DAEMON_DIR/xml/from.xml"
    clone_begins virsh vol-create-from data "$DAEMON_DIR/xml/from.xml" plain --inputpool data'
nobody_but_readers plain data "$cloned"
try "encrypting ends well" clone_ends
echo "<volume><name>back</name><target><format type='raw'/></target></volume>" >"$DAEMON_DIR/xml/from.xml"
try "decrypting begins" clone_begins virsh vol-create-from data "$DAEMON_DIR/xml/from.xml" four --inputpool data
nobody_but_readers back data "$created"
nobody_but_readers four data "$cloned"
pools_held "$cloned|$created" data vault
try "decrypting ends well" clone_ends
for volume in plain four back; do
    try "deleted" virsh vol-delete $volume data
done

# A client that is gone leaves nothing that would hold a volume.
try "a clone begins" clone_begins virsh vol-clone one two --pool data
kill "$client"
wait "$client" 2>/dev/null
: >"$DAEMON_DIR/shared/go"
try "its client is killed: the volume can be deleted in the end" waited virsh vol-delete one data
waited virsh vol-delete two data >/dev/null 2>&1
nothing_left "after the clones"

# --- while a volume is deleted or wiped

# meets POINT COMMAND...: COMMAND in the background, until it waits at POINT.
meets() {
    : >"$POINT.log"
    rm -f "$POINT.go"
    echo "$1" >"$POINT"
    shift
    "$@" >"$DAEMON_DIR/meets.out" 2>&1 &
    client=$!
    waited test -s "$POINT.log"
}

goes_on() {
    : >"$POINT.go"
    wait "$client"
}

quick_format
changed="is being resized, wiped or deleted"
try "a linked volume" create one raw
try "vol-wipe begins" meets "pwrite 1 wait one.luks" virsh vol-wipe one data
nobody_but_readers one data "$changed"
refuse "one: vol-clone" "$changed" virsh vol-clone one two --pool data
refuse "one: vol-download" "$changed" virsh vol-download one "$DAEMON_IMAGES/out" data
pools_held "$changed" data vault
try "vol-wipe ends well" goes_on
try "a linked volume" create two raw
try "vol-delete begins" meets "pwrite 1 wait two.luks" virsh vol-delete two data
nobody_but_readers two data "$changed"
pools_held "$changed" data vault
try "vol-delete ends well" goes_on
try "the wiped one is deleted" virsh vol-delete one data
nothing_left "in the end"
finish
