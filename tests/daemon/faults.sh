#!/bin/bash
# What goes wrong on the way: full disks, tools that fail, clients that want the same at once, crashes of
# the daemon at any step, damage to the link registry. Nothing half-made remains, or the log says what.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/faults.sh"

daemon_use host
faults_use

try "a daemon with a header pool and a payload pool starts" linked_start || finish
try "formatting is made quick" quick_format

as_root() {
    [ "$DAEMON_RUNS" = system ] || {
        skip "$1" "needs a system daemon"
        return 1
    }
}

# --- QEMU's tools

# fails WHAT REGEX: vol-create fails like that, and nothing is left.
fails() {
    refuse "$1" "$2" create new raw
    nothing_left "$1"
}

tool qemu-img <<'SH'
case " $* " in *detached-header*) echo "qemu-img: out of luck" >&2; exit 1 ;; esac
exec "$REAL" "$@"
SH
fails "qemu-img fails" "'qemu-img' failed with exit status 1: qemu-img: out of luck"
tool qemu-img <<'SH'
case " $* " in *detached-header*) kill -KILL $$ ;; esac
exec "$REAL" "$@"
SH
fails "qemu-img is killed" "'qemu-img' was killed by signal 9"
tool qemu-img <<'SH'
case " $* " in *detached-header*) exit 0 ;; esac
exec "$REAL" "$@"
SH
fails "qemu-img does nothing and says that all is well" "there is no LUKS header"
tool qemu-img <<'SH'
case " $* " in *detached-header*) head -c 3000000 /dev/urandom >"${!#}"; exit 0 ;; esac
exec "$REAL" "$@"
SH
fails "qemu-img writes nonsense" "there is no LUKS header"
tool qemu-img <<'SH'
case " $* " in *detached-header*) head -c 100 /dev/urandom | base64 -w 0 >&2; printf '\xff\xfe%%s%%n' >&2; exit 1 ;; esac
exec "$REAL" "$@"
SH
fails "qemu-img says what is no text" "'qemu-img' failed"

mkdir -m 777 "$DAEMON_DIR/shared"
tool qemu-img <<SH
case " \$* " in *detached-header*) echo \$\$ >"$DAEMON_DIR/shared/hangs"; exec sleep 1000 ;; esac
exec "\$REAL" "\$@"
SH
create new raw >"$DAEMON_DIR/create.out" 2>&1 &
client=$!
try "qemu-img hangs" waited test -s "$DAEMON_DIR/shared/hangs"
same "meanwhile the daemon serves others" "$("$DAEMON_IN" timeout "$TAP_PATIENCE" virsh pool-info data | grep -c running)" 1
refuse "the volume cannot be deleted meanwhile" "still being created" virsh vol-delete new data
"$DAEMON_IN" kill -KILL "$(cat "$DAEMON_DIR/shared/hangs")"
wait "$client"
like "and is killed" "$(cat "$DAEMON_DIR/create.out")" "killed by signal 9"
nothing_left "qemu-img hung"

tool qemu-img <<SH
case " \$* " in *detached-header*)
    echo "\$*" >>"$DAEMON_DIR/shared/calls"
    echo "qemu-img: \${!#}: Parameter 'detached-header' is unexpected" >&2
    exit 1 ;;
esac
exec "\$REAL" "\$@"
SH
tool qemu-storage-daemon <<'SH'
echo "qemu-storage-daemon: out of luck, too" >&2
exit 1
SH
fails "qemu-img does not know detached headers, qemu-storage-daemon fails" \
    "'qemu-storage-daemon' failed with exit status 1: .*out of luck, too"
tool qemu-storage-daemon <<'SH'
kill -KILL $$
SH
fails "qemu-storage-daemon is killed" "'qemu-storage-daemon' was killed by signal 9"
tool qemu-storage-daemon <<'SH'
echo nonsense
echo '{"return":'
SH
fails "qemu-storage-daemon does not speak QMP" "qemu-storage-daemon"
tool qemu-storage-daemon <<SH
echo \$\$ >"$DAEMON_DIR/shared/hangs2"
exec sleep 1000
SH
create new raw >"$DAEMON_DIR/create.out" 2>&1 &
client=$!
waited test -s "$DAEMON_DIR/shared/hangs2"
"$DAEMON_IN" kill -KILL "$(cat "$DAEMON_DIR/shared/hangs2")"
wait "$client"
like "qemu-storage-daemon hangs and is killed" "$(cat "$DAEMON_DIR/create.out")" "killed by signal 9"
nothing_left "qemu-storage-daemon hung"
rm "$BIN/qemu-storage-daemon"
try "a real qemu-storage-daemon steps in" create one raw
try "and again" create two raw
same "qemu-img was asked once in the daemon's life" "$(wc -l <"$DAEMON_DIR/shared/calls")" 1
try "the header is one" cryptsetup isLuks "$VAULT/two.luks"
try "deleted" virsh vol-delete one data
try "deleted" virsh vol-delete two data

# few PROGRAM...: from now on the daemon finds no tools of QEMU but these.
few() {
    local name
    rm -rf "$DAEMON_DIR/few" && mkdir "$DAEMON_DIR/few"
    cp -s /usr/bin/* /usr/sbin/* "$DAEMON_DIR/few/" 2>/dev/null
    rm -f "$DAEMON_DIR"/few/qemu-{img,storage-daemon}
    for name; do
        cp "$BIN/$name" "$DAEMON_DIR/few/"
    done
    DAEMON_WRAPPER="$SHIMMED PATH=$DAEMON_DIR/few" daemon_restart
}

try "a daemon that finds no QEMU" few
fails "qemu-img is missing" "Unable to run 'qemu-img'.*installed"
try "a daemon that finds an old qemu-img alone" few qemu-img
fails "qemu-storage-daemon is missing" "Unable to run 'qemu-storage-daemon'.*installed"
quick_format
try "a daemon with a qemu-img that can" linked_launch
tool qemu-storage-daemon <<'SH'
exit 1
SH
try "needs no qemu-storage-daemon" create one raw
try "deleted" virsh vol-delete one data
rm "$BIN/qemu-storage-daemon"

# --- full disks

if as_root "full disks"; then
    "$DAEMON_IN" mkdir "$DAEMON_IMAGES/tiny"
    "$DAEMON_IN" mount -t tmpfs -o size=1m,mode=755 lukshdr "$DAEMON_IMAGES/tiny"
    pool_make tiny "$DAEMON_IMAGES/tiny" >/dev/null
    tiny() {
        "$DAEMON_IN" find "$DAEMON_IMAGES/tiny" -mindepth 1
    }
    refuse "the header pool is full" "No space left" create new raw "" "pool='tiny'"
    nothing_left "the header pool is full"
    same "nor in it" "$(tiny)" ""
    linked_xml new raw | sed 's/<allocation>.*<.allocation>//' >"$DAEMON_DIR/new.xml"
    refuse "the payload pool is full" "No space left" virsh vol-create tiny "$DAEMON_DIR/new.xml"
    nothing_left "the payload pool is full"
    same "nor in it" "$(tiny)" ""
    virsh pool-destroy tiny >/dev/null && virsh pool-undefine tiny >/dev/null
fi

for point in "posix_fallocate 1 fail 28 /new.luks" "pwrite 1 fail 28 /new.luks" "pwrite 2 fail 28 /new.luks" \
    "pwrite 2 fail 5 /new.luks"; do
    meets "$point"
    refuse "at $point, in the header" "No space left|Input/output error" create new raw
    try "at $point: it was that" [ -s "$POINT.log" ]
    nothing_left "at $point"
done

# Any flush or rename of the link registry. Once all of them have been met vol-create succeeds.
for kind in fsync rename; do
    for ((n = 1; n <= 20; n++)); do
        meets "$kind $n fail 28 lukshdr/links"
        if create new raw >"$DAEMON_DIR/out" 2>&1; then
            [ -s "$POINT.log" ] || break
            # GLib flushes the directory as well as we do, and does not mind if it cannot
            try "no space for $kind $n of the registry, which does not matter: deleted" virsh vol-delete new data
            continue
        fi
        like "no space for $kind $n of the registry" "$(cat "$DAEMON_DIR/out")" "No space left"
        nothing_left "no space for $kind $n of the registry"
    done
    try "there were some of $kind ($((n - 1)))" [ "$n" -gt 3 ]
    : >"$POINT"
    try "deleted" virsh vol-delete new data
done

# --- the registry cannot be written

create there raw >/dev/null
before=$(lies_there)
if [ "$DAEMON_RUNS" = system ]; then
    "$DAEMON_IN" sh -c 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"' in "$LINKS"
else
    "$DAEMON_IN" chmod 500 "$LINKS"
fi
refuse "the registry is read-only: vol-create" "Read-only file system|Permission denied" create new raw
refuse "the registry is read-only: vol-delete" "Read-only file system|Permission denied" virsh vol-delete there data
same "and nothing changed" "$(lies_there)" "$before"
if [ "$DAEMON_RUNS" = system ]; then
    "$DAEMON_IN" umount "$LINKS"
else
    "$DAEMON_IN" chmod 700 "$LINKS"
fi
try "then it can be written again: vol-delete" virsh vol-delete there data
"$DAEMON_IN" sh -c 'rmdir "$1" && : >"$1"' in "$LINKS"
refuse "the registry is a file" "[Nn]ot a directory|File exists" create new raw
"$DAEMON_IN" rm "$LINKS"
nothing_left "the registry was a file"
try "the registry is missing: it is made" create new raw
try "deleted" virsh vol-delete new data

# --- two clients at once

tool qemu-img <<SH
case " \$* " in *detached-header*) sleep 0.3; exec cp "$DAEMON_DIR/template" "\${!#}" ;; esac
exec "\$REAL" "\$@"
SH
# at_once A B: creates both in the background and says how many succeeded.
at_once() {
    local won=0 a b
    eval "$1" >"$DAEMON_DIR/a.out" 2>&1 &
    a=$!
    eval "$2" >"$DAEMON_DIR/b.out" 2>&1 &
    b=$!
    ! wait "$a" || won=$((won + 1))
    ! wait "$b" || won=$((won + 1))
    echo "$won"
}

for round in 1 2 3 4 5; do
    same "round $round: of two clients creating one name one wins" "$(at_once 'create new raw' 'create new raw')" 1
    like "round $round: the other hears why" "$(cat "$DAEMON_DIR"/[ab].out)" "exists|in use|registered|being created"
    same "round $round: there is one link, a payload and a header" "$(links | wc -l) $(ls "$DATA") $(ls "$VAULT")" \
        "1 new new.luks"
    same "round $round: made whole" "$(head -c 2M "$VAULT/new.luks" | sha256sum)" \
        "$(head -c 2M "$DAEMON_DIR/template" | sha256sum)"
    try "round $round: deleted" virsh vol-delete new data
    nothing_left "round $round"
done
for round in 1 2 3; do
    same "round $round: of two payloads with one header one wins" \
        "$(at_once "create p1 raw '' \"pool='vault' volume='h'\"" "create p2 qcow2 '' \"pool='vault' volume='h'\"")" 1
    same "round $round: there is one link" "$(links | wc -l) $(ls "$VAULT")" "1 h"
    same "round $round: made whole" "$(head -c 2M "$VAULT/h" | sha256sum)" \
        "$(head -c 2M "$DAEMON_DIR/template" | sha256sum)"
    try "round $round: deleted" virsh vol-delete "$(ls "$DATA")" data
    nothing_left "round $round"
done
create new raw >/dev/null
same "of two clients deleting one volume one wins, or it is gone for both" \
    "$(at_once 'virsh vol-delete new data' 'virsh vol-delete new data' | tr 2 1)" 1
nothing_left "both deleted"

# --- crashes

tool qemu-img <<SH
case " \$* " in *detached-header*) 
    echo \$\$ >"$DAEMON_DIR/shared/formats"
    until [ -e "$DAEMON_DIR/shared/go" ]; do sleep 0.1; done
    exec cp "$DAEMON_DIR/template" "\${!#}" ;; esac
exec "\$REAL" "\$@"
SH
create new raw >/dev/null 2>&1 &
client=$!
waited test -s "$DAEMON_DIR/shared/formats"
try "the daemon is killed while a header is formatted" daemon_kill
wait "$client"
from=$(log_end)
try "it starts again" linked_launch
like "it reports what it found" "$(logged "$from")" "creation of linked volume 'new' of pool 'data' was interrupted"
nothing_left "killed while formatting"
quick_format
try "the name is free" create new raw
: >"$DAEMON_DIR/shared/go"
try "what formatted in vain comes to its end" \
    waited not "$DAEMON_IN" kill -0 "$(cat "$DAEMON_DIR/shared/formats")" 2>/dev/null
same "and what formatted in vain is no danger to it" \
    "$(dd if="$VAULT/new.luks" bs=1M skip=2 count=1 status=none | tr -d '\0' | grep -c '<payload pool="data" volume="new"')" 2
try "deleted" virsh vol-delete new data

# at_each KIND PATTERN COMMAND CHECK: COMMAND with the daemon dying at the first, second ... call of KIND;
# CHECK after each restart; until COMMAND lives through it.
at_each() {
    local kind=$1 pattern=$2 command=$3 check=$4 n
    for ((n = 1; n <= 40; n++)); do
        meets "$kind $n $pattern"
        eval "$command" >"$DAEMON_DIR/out" 2>&1
        crashed || break
        : >"$POINT"
        from=$(log_end)
        had=$(links | grep 'xml$')
        linked_launch || {
            fail "$command, killed at $kind $n: the daemon starts again"
            return
        }
        FAULTS_FROM=$from
        remove_reported
        "$check" "$command, killed at $kind $n ($(cut -d ' ' -f 2- "$POINT.log" | sed 's/.*\///;s/[0-9a-f]*-.*xml/UUID.xml/'))"
    done
    : >"$POINT"
    try "$command: killed at $((n - 1)) calls of $kind" [ "$n" -gt 1 ]
}

# Of a creation nothing is left, or it was complete.
after_create() {
    local left
    left=$(lies_there)
    if link_of new >/dev/null; then
        like "$1: it is active" "$(link_show new)" 'state="active"'
        same "$1: the header is whole" "$(head -c 2M "$VAULT/new.luks" | sha256sum)" \
            "$(head -c 2M "$DAEMON_DIR/template" | sha256sum)"
        try "$1: it is deleted" virsh vol-delete new data
    else
        same "$1: nothing is left" "$left" ""
    fi
    try "$1: the name is free" create new raw
    virsh vol-delete new data >/dev/null 2>&1
}

at_each fsync lukshdr/links "create new raw" after_create
virsh vol-delete new data >/dev/null
at_each rename lukshdr/links "create new raw" after_create
virsh vol-delete new data >/dev/null
at_each pwrite new.luks "create new raw" after_create

# A deletion that has begun is completed; one that has not left the volume whole.
after_delete() {
    local whole
    if [ -e "$DATA/new" ] && [ -e "$VAULT/new.luks" ] && link_of new >/dev/null; then
        whole=$(head -c 2M "$VAULT/new.luks" | sha256sum)
        same "$1: the volume is whole" "$whole" "$(head -c 2M "$DAEMON_DIR/template" | sha256sum)"
        like "$1: and active" "$(link_show new)" 'state="active"'
        [ -n "$(links | sed 1d)" ] && fail "$1: no temporary file is left" "$(links)"
        virsh vol-delete new data >/dev/null
    else
        nothing_left "$1"
        # the crash may have come after the last step
        [ -z "$had" ] || like "$1: the log says so" "$(logged "$from")" "deletion of linked volume 'new'.*(now complete|gone)"
    fi
    create new raw >/dev/null 2>&1
}

at_each fsync lukshdr/links "virsh vol-delete new data" after_delete
create new raw >/dev/null
at_each unlink new "virsh vol-delete new data" after_delete
create new raw >/dev/null
at_each unlink lukshdr/links "virsh vol-delete new data" after_delete
create new raw >/dev/null
meets "pwrite 7 new.luks"
virsh vol-delete new data >/dev/null 2>&1
try "the daemon dies in the middle of overwriting" crashed
: >"$POINT"
from=$(log_end)
linked_launch
nothing_left "killed in the middle of overwriting"

# The same, failing instead: what is begun is completed at the next start at the latest.
for point in "pwrite 3 fail 5 new.luks" "unlink 1 fail 5 data/new" "unlink 1 fail 5 new.luks" "unlink 1 fail 30 lukshdr/links"; do
    create new raw >/dev/null || fail "at $point: the name is free"
    meets "$point"
    refuse "vol-delete at $point" "Input/output error|Read-only" virsh vol-delete new data
    : >"$POINT"
    virsh vol-delete new data >/dev/null 2>&1
    [ -z "$(lies_there)" ] || linked_launch
    nothing_left "vol-delete at $point, and once more or a restart"
done

# --- damage

declare -A kept
for name in truncated digest absurd garbage foreign good; do
    create $name raw >/dev/null
    kept[$name]=$(link_of $name)
    link_show $name >"$DAEMON_DIR/$name.kept"
done
daemon_kill
damage() {
    "$DAEMON_IN" sh -c "$2" damage "${kept[$1]}"
}
damage truncated 'truncate -s 100 "$1"'
damage digest 'sed -i s/raw/qcow2/ "$1"'
damage absurd 'truncate -s 20M "$1"'
damage garbage 'head -c 700 /dev/urandom >"$1"'
damage foreign "cat '${kept[good]}' >\"\$1\""
from=$(log_end)
try "the daemon starts with a damaged registry" linked_launch
same "and shows all volumes" "$(virsh vol-list data | grep -c "$DATA/")" 6
for name in truncated digest absurd garbage foreign; do
    like "the log reports it: $name" "$(logged "$from")" "registry entry.*$(basename "${kept[$name]}").*damaged"
done
unlike "but not the good one" "$(logged "$from")" "$(basename "${kept[good]}")' is damaged"
like "the good one is there" "$(virsh vol-dumpxml good data)" "volume='good.luks'"
for command in "vol-delete digest data" "vol-wipe digest data" "vol-resize digest 32M data" \
    "vol-delete digest.luks vault" "vol-wipe digest.luks vault"; do
    # shellcheck disable=SC2086 # words
    refuse "a damaged entry that can be read protects: $command" "cannot be believed.*damaged|is uncertain" virsh $command
done
try "new volumes are created" create new raw
try "and deleted" virsh vol-delete new data
try "as is the good one" virsh vol-delete good data
for name in truncated digest absurd garbage foreign; do
    "$DAEMON_IN" sh -c 'cat >"$1"' in "${kept[$name]}" <"$DAEMON_DIR/$name.kept"
done
linked_launch
for name in truncated digest absurd garbage foreign; do
    try "mended, it is deleted: $name" virsh vol-delete $name data
done
nothing_left "after the damage"

# The registry decides, whatever the label says.
create new raw >/dev/null
dd if=/dev/urandom of="$VAULT/new.luks" bs=1k seek=2048 count=300 conv=notrunc status=none
linked_launch
like "a label of noise: the link is there" "$(virsh vol-dumpxml new data)" "volume='new.luks'"
printf 'LUKSHDR\n\0\0\0\1\377\377\377\377' | dd of="$VAULT/new.luks" bs=1k seek=2048 conv=notrunc status=none
linked_launch
like "a label that claims 4 GiB: the link is there" "$(virsh vol-dumpxml new data)" "volume='new.luks'"
try "deleted" virsh vol-delete new data

# What stands where a volume was, without being it, is not touched.
create new raw >/dev/null
mv "$VAULT/new.luks" "$DAEMON_DIR/new.luks"
"$DAEMON_IN" sh -c 'head -c 4M /dev/zero >"$1"' in "$VAULT/new.luks"
refuse "another file in the header's place: vol-delete" "not the volume|uncertain|no LUKS header" virsh vol-delete new data
same "it is not overwritten" "$(tr -d '\0' <"$VAULT/new.luks" | wc -c)" 0
try "the payload is there" [ -e "$DATA/new" ]
mv "$DAEMON_DIR/new.luks" "$VAULT/new.luks"
try "put back: vol-delete" virsh vol-delete new data
nothing_left "in the end"
finish
