#!/bin/bash
# What the daemon notices of linked volumes while it runs, when pools are started or refreshed and when it is told
# to reload: volumes that have gone or are back, and operations that were interrupted.

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

# log_end: the line that the log comes to next.
log_end() {
    echo $(($(wc -l <"$DAEMON_LOG") + 1))
}

# said REGEX: how often the log says it since line $from.
said() {
    tail -n "+$from" "$DAEMON_LOG" | grep -Ec -- "$1"
}

# says REGEX: the log says it, in the end.
says() {
    try "the log says: $1" waited eval "[ \$(said \"$1\") -ge 1 ]"
}

shows_missing() {
    virsh vol-dumpxml "$1" "$2" | grep -q "<source pool='$3' volume='$4' state='missing'/>"
}

# --- what has gone, and is back

LOST="has lost volume"
try "a linked volume" create one raw
from=$(log_end)
virsh pool-refresh vault && virsh pool-refresh data
mv "$VAULT/one.luks" "$DAEMON_DIR/kept"
virsh pool-refresh vault
says "Linked volume 'one' of pool 'data' $LOST 'one.luks' of pool 'vault'.*there is nothing at"
try "the payload shows which header is missing" waited shows_missing one data vault one.luks
virsh pool-refresh vault && virsh pool-refresh data
virsh pool-destroy vault && virsh pool-start vault
mv "$DAEMON_DIR/kept" "$VAULT/one.luks"
virsh pool-refresh vault
says "Volume 'one.luks' of pool 'vault', of linked volume 'one' of pool 'data', is back"
same "that it was lost was said once" "$(said "$LOST")" 1
unlike "the payload shows its header as before" "$(virsh vol-dumpxml one data)" missing

from=$(log_end)
mv "$DATA/one" "$DAEMON_DIR/kept"
virsh pool-refresh data
says "$LOST 'one' of pool 'data'"
try "the header shows which payload is missing" waited shows_missing one.luks vault data one
"$DAEMON_IN" sh -c 'head -c 16M /dev/zero >"$1"' in "$DATA/one"
virsh pool-refresh data
says "$LOST 'one' of pool 'data'.*is not the volume.*that was recorded there"
rm "$DATA/one"
mv "$DAEMON_DIR/kept" "$DATA/one"
virsh pool-refresh data
says "Volume 'one' of pool 'data'.* is back"

# A header from a backup is another file with the same content.
"$DAEMON_IN" cp -p "$VAULT/one.luks" "$VAULT/backup"
rm "$VAULT/one.luks"
from=$(log_end)
virsh pool-refresh vault
says "$LOST 'one.luks'"
"$DAEMON_IN" mv "$VAULT/backup" "$VAULT/one.luks"
virsh pool-refresh vault
says "'one.luks' of pool 'vault'.* is back"
is_recorded() {
    link_show one | grep -q "inode=\"$(stat -c %i "$VAULT/one.luks")\""
}
try "a header that was put back from a backup is recorded anew" waited is_recorded
"$DAEMON_IN" sh -c 'head -c 4M /dev/zero >"$1.new" && mv "$1.new" "$1"' in "$VAULT/one.luks"
virsh pool-refresh vault
says "$LOST 'one.luks'.*(link label|LUKS header)"
unlike "another file is not" "$(link_show one)" "inode=\"$(stat -c %i "$VAULT/one.luks")\""
rm "$VAULT/one.luks"

# --- on SIGHUP

from=$(log_end)
try "deleted, its header being gone" virsh vol-delete one data
try "a linked volume" create two raw
rm "$VAULT/two.luks"
"$DAEMON_IN" sh -c 'printf "<link" >"$1/00000000-1111-2222-3333-444444444444.xml"' in "$LINKS"
"$DAEMON_IN" kill -HUP "$(daemon_pid)"
says "$LOST 'two.luks' of pool 'vault'"
says "registry entry is not used.*00000000-1111-2222-3333-444444444444"
"$DAEMON_IN" rm "$LINKS/00000000-1111-2222-3333-444444444444.xml"
try "deleted" virsh vol-delete two data
virsh pool-refresh vault
nothing_left "after that"

# --- a file system that is mounted again elsewhere

if [ "$DAEMON_RUNS" = system ] && command -v mkfs.ext4 >/dev/null && losetup -f >/dev/null 2>&1; then
    "$DAEMON_IN" mkdir -p "$DAEMON_IMAGES/disk"
    truncate -s 64M "$DAEMON_DIR/disk.img" && mkfs.ext4 -q "$DAEMON_DIR/disk.img"
    # disk_mount OFFSET: on a loop device that it did not have before
    disk_mount() {
        "$DAEMON_IN" mount -o loop "$DAEMON_DIR/disk.img" "$DAEMON_IMAGES/disk"
    }
    if disk_mount; then
        pool_make disk "$DAEMON_IMAGES/disk" >/dev/null
        try "a volume with its header on a file system of its own" create one raw '' "pool='disk'"
        before=$(link_show one | grep -c "dev=\"$("$DAEMON_IN" stat -c %d "$DAEMON_IMAGES/disk/one.luks")\"")
        same "its device is recorded" "$before" 1
        virsh pool-destroy disk >/dev/null
        "$DAEMON_IN" umount "$DAEMON_IMAGES/disk"
        other=$(losetup -f)
        losetup "$other" "$DAEMON_DIR/empty" 2>/dev/null || {
            truncate -s 1M "$DAEMON_DIR/empty"
            losetup "$other" "$DAEMON_DIR/empty"
        }
        at_exit losetup -d "$other"
        disk_mount
        dev=$("$DAEMON_IN" stat -c %d "$DAEMON_IMAGES/disk/one.luks")
        unlike "mounted again it is another device" "$(link_show one)" " dev=\"$dev\""
        virsh pool-start disk >/dev/null
        is_recorded_there() {
            link_show one | grep -q " dev=\"$dev\""
        }
        try "which is recorded when the pool is started" waited is_recorded_there
        try "deleted" virsh vol-delete one data
        virsh pool-destroy disk >/dev/null
        virsh pool-undefine disk >/dev/null
        "$DAEMON_IN" umount "$DAEMON_IMAGES/disk"
    else
        skip "a remount" "no loop device can be mounted"
    fi
    nothing_left "after the remount"
else
    skip "a remount" "needs a system daemon, mkfs.ext4 and a loop device"
fi

# --- what was interrupted, and could not be cleared up at the start

# crashed: whether the daemon has met its end.
crashed() {
    [ -s "$POINT.log" ] && ! daemon_pid >/dev/null
}

# crash POINT COMMAND...: COMMAND, in which the daemon dies; it is started without the pool vault.
crash() {
    : >"$POINT.log"
    echo "$1" >"$POINT"
    shift
    "$@" >"$DAEMON_DIR/out" 2>&1
    waited crashed || return
    : >"$POINT"
    # stock takes a pool whose directory is there for active
    mv "$VAULT" "$VAULT.away"
    from=$(log_end)
    linked_launch
    mv "$VAULT.away" "$VAULT"
}

virsh pool-autostart vault --disable >/dev/null
create one raw >/dev/null
try "the daemon dies in the middle of deleting, and starts without the header pool" \
    crash "pwrite 3 one.luks" virsh vol-delete one data
says "'one' of pool 'data' is in state 'deleting'.*cannot be cleared up.*'vault'.*not active"
like "the link is still there" "$(link_show one)" 'state="deleting"'
virsh pool-refresh data && virsh pool-refresh data
try "the header pool is started" virsh pool-start vault
says "deletion of linked volume 'one' of pool 'data' was interrupted and is now complete"
nothing_left "deleted"
same "that it could not be was said once" "$(said "cannot be cleared up")" 1

try "the daemon dies in the middle of creating" crash "pwrite 1 one.luks" create one raw
says "'one' of pool 'data' is in state 'creating'.*cannot be cleared up"
try "the header pool is started" virsh pool-start vault
says "creation of linked volume 'one' of pool 'data' was interrupted, what there was of it has been removed"
nothing_left "not created"

create one raw >/dev/null
try "the daemon dies in the middle of wiping" crash "pwrite 3 one.luks" virsh vol-wipe one data
says "'one' of pool 'data' is in state 'wiping'.*cannot be cleared up"
try "the header pool is started" virsh pool-start vault
says "wiping of linked volume 'one' of pool 'data' was interrupted and is now complete"
like "it is wiped" "$(link_show one)" 'state="wiped"'
try "deleted" virsh vol-delete one data

# A deletion that failed is completed as well, without the client having to ask again.
create one raw >/dev/null
: >"$POINT.log"
echo "unlink 1 fail 5 data/one" >"$POINT"
refuse "a deletion fails" "Input/output error" virsh vol-delete one data
virsh pool-refresh data
says "deletion of linked volume 'one' of pool 'data' was interrupted and is now complete"
nothing_left "deleted"

# --- all at once: what clients are at work on is left alone

from=$(log_end)
"$DAEMON_IN" sh -c 'while [ ! -e "$1" ]; do virsh -q pool-refresh data; virsh -q pool-refresh vault; done' \
    in "$DAEMON_DIR/enough" >/dev/null 2>&1 &
refresher=$!
for ((i = 0; i < 15; i++)); do
    create "many$i" raw >/dev/null 2>&1 || fail "round $i: vol-create among refreshes"
    virsh vol-delete "many$i" data >/dev/null 2>&1 || fail "round $i: vol-delete among refreshes"
done
: >"$DAEMON_DIR/enough"
wait "$refresher"
same "nothing was taken for interrupted" "$(said "was interrupted|cannot be cleared up")" 0
nothing_left "among refreshes"

try "the daemon ends in good order" daemon_stop
finish
