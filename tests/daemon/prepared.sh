#!/bin/bash
# Headers of volumes with generated secrets are made ahead: none before the first creation, each for one volume,
# and none is left of them when the daemon ends. Whether a creation used one is seen by QEMU's tool, which
# it did not need. In the tool's place is one that makes headers with cryptsetup, since QEMU takes seconds.

# shellcheck disable=SC2034 # read by the libraries
DAEMON_DEBUG='1:lukshdr'
. "$(dirname "$0")/../lib/linked.sh"

PATH=$PATH:/usr/sbin need_command cryptsetup
try "a daemon starts" linked_start || finish

DEPTH=$(sed -n 's/#define LUKSHDR_PREPARED_DEPTH //p' "$(dirname "$0")/../../src/link/prepared.h")
SHARED=$DAEMON_DIR/shared
mkdir -m 777 "$SHARED"
: >"$SHARED/calls" && chmod 666 "$SHARED/calls"

# With $SHARED/fail it fails. With $SHARED/hold it says so in $SHARED/held when it makes a header ahead, which it
# knows by its priority (proc(5): a policy of 5), and waits until that is gone.
make_tool() {
    tool qemu-img <<SH
case " \$* " in *detached-header*) ;; *) exec "\$REAL" "\$@" ;; esac
PATH=\$PATH:/usr/sbin
echo "\$*" >>"$SHARED/calls"
[ ! -e "$SHARED/fail" ] || { echo "not today" >&2; exit 1; }
if [ -e "$SHARED/hold" ] && sed 's/.*) //' /proc/\$\$/stat | awk '{exit \$39 != 5}'; then
    echo \$\$ >"$SHARED/held.new" && mv "$SHARED/held.new" "$SHARED/held"
    while [ -e "$SHARED/hold" ]; do sleep 0.1; done
fi
size=512
case "\$*" in *aes-128*) size=256 ;; esac
dir=\$(mktemp -d "$SHARED/XXXXXX") && truncate -s 4M "\$dir/header" && truncate -s 16M "\$dir/data" &&
    cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 --cipher aes-xts-plain64 --key-size "\$size" \\
        --hash sha256 --key-file /dev/fd/3 --header "\$dir/header" "\$dir/data" >&2 &&
    head -c 2068480 "\$dir/header" >"\${!#}"
status=\$?
rm -rf "\$dir"
exit "\$status"
SH
}
make_tool

# calls: how often the tool was asked for a header.
calls() {
    wc -l <"$SHARED/calls"
}

# ready: how often the daemon has said that a header is ready.
ready() {
    grep -c "headers are ready for volumes" "$DAEMON_LOG"
}

# filled N: N more headers than before $READY are ready.
filled() {
    waited eval '[ "$(ready)" -ge $((READY + '"$1"')) ]'
}

# threads: how many threads of the daemon make headers.
threads() {
    "$DAEMON_IN" sh -c 'cat /proc/$1/task/*/comm' sh "$(daemon_pid)" | grep -c '^lukshdr-prepare$'
}

# generated NAME [CIPHER]: a linked volume with a secret of its own, of its own value
generated() {
    linked_xml "$1" raw "${2:-}" | sed 's/<secret [^>]*>//' | create_xml
}

if [ "$DAEMON_RUNS" = system ]; then
    SECRETS=/etc/libvirt/secrets
else
    SECRETS=$DAEMON_DIR/config/libvirt/secrets
fi

# value VOLUME: of its secret
value() {
    local uuid
    uuid=$(virsh vol-dumpxml "$1" data | sed -n "s/.*<secret .*uuid=.\([0-9a-f-]*\).*/\1/p")
    "$DAEMON_IN" base64 -d "$SECRETS/$uuid.base64"
}

# master_key VOLUME: the key itself, if the volume's secret opens the header
master_key() {
    value "$1" | cryptsetup luksDump -q --dump-master-key --key-file - "$VAULT/$1.luks" |
        sed -n '/MK dump/,$p' | tr -d ' \t\n'
}

luks_uuid() {
    cryptsetup luksUUID "$VAULT/$1.luks"
}

# memory_files: the daemon's descriptors of files in memory for headers
memory_files() {
    "$DAEMON_IN" ls -l "/proc/$(daemon_pid)/fd" | grep 'memfd:lukshdr-header'
}

note "Nothing before there is a reason"
virsh vol-create-as data plain 8M --format raw >/dev/null
try "a volume with a given secret" create given raw
same "no thread makes headers, since no volume got a generated secret" "$(threads)" 0
same "the tool ran for the one volume" "$(calls)" 1
READY=$(ready)
: >"$SHARED/calls"
try "the first volume with a generated secret" generated one
like "was made as ever, by the tool" "$(head -n 1 "$SHARED/calls")" "detached-header=true.*iter-time=1 "
try "then as many headers are made ahead as shall be kept" filled "$DEPTH"
same "and no more" "$(calls)" $((DEPTH + 1))
same "by one thread" "$(threads)" 1
same "what the tool wrote to is closed" "$(memory_files)" ""

# held: a header is being made ahead, and the tool does not go on.
held() {
    rm -f "$SHARED/held"
    : >"$SHARED/hold"
    generated "$1" && waited test -e "$SHARED/held"
}

note "Used"
: >"$SHARED/fail"
core=
if [ "$DAEMON_RUNS" = system ] && command -v gcore >/dev/null; then
    "$DAEMON_IN" timeout "$TAP_PATIENCE" gcore -o "$SHARED/core" "$(daemon_pid)" >"$DAEMON_DIR/gcore.out" 2>&1
    core=$(echo "$SHARED"/core.*)
fi
: >"$SHARED/calls"
names=(one)
for ((i = 2; i <= DEPTH + 1; i++)); do
    try "volume $i is created while the tool can make no header" generated "volume$i"
    names+=("volume$i")
done
refuse "the one after that needs the tool" "not today" generated more
nothing=$(virsh vol-list data; virsh vol-list vault; links)
unlike "and leaves nothing" "$nothing" "more"
# the thread that makes headers runs when nobody else wants the processor
try "that no header could be made is in the log" waited grep -qE "No header can be made ahead .*: .*not today" "$DAEMON_LOG"
rm "$SHARED/fail"

keys=$(for name in "${names[@]}"; do master_key "$name" && echo; done)
same "each opens with its own secret, and has a master key of its own" \
    "$(grep -E 'MKdump:[0-9a-f]{128}$' <<<"$keys" | sort -u | wc -l)" $((DEPTH + 1))
same "and a secret of its own" "$(for name in "${names[@]}"; do value "$name" && echo; done | sort -u | wc -l)" $((DEPTH + 1))
same "and a UUID of its own" "$(for name in "${names[@]}"; do luks_uuid "$name"; done | sort -u | wc -l)" $((DEPTH + 1))
try "the last is whole and has its label" vl check "data/${names[-1]}"
same "as QEMU's headers it is detached" "$(cryptsetup luksDump "$VAULT/${names[-1]}.luks" | sed -n 's/Payload offset:[^0-9]*//p')" 0
same "and as long" "$(stat -c %s "$VAULT/${names[-1]}.luks")" "$(stat -c %s "$VAULT/one.luks")"
if [ -s "$core" ]; then
    like "a core dump of the daemon from when they were kept" "$(grep -caF "$SECRET_UUID" "$core")" '^[1-9]'
    for name in "${names[@]:1}"; do
        same "has no secret of $name" "$(grep -caF -e "$(value "$name")" "$core")" 0
        same "and no header" "$(grep -caF -e "$(luks_uuid "$name")" "$core")" 0
    done
    rm "$core"
else
    skip "core dump of the daemon" "needs gcore and a system daemon"
fi

note "Other parameters"
# full: more headers than before $READY are ready, and so are as many as are kept.
full() {
    [ "$(ready)" -gt "$READY" ] &&
        [ "$(sed -n 's/.* \([0-9]*\) headers are ready for volumes.*/\1/p' "$DAEMON_LOG" | tail -n 1)" = "$DEPTH" ]
}
READY=$(ready)
try "a volume with a generated secret" generated again
try "headers are ready again" waited full
READY=$(ready)
try "one more is being made" held held1
try "a volume is created meanwhile" generated held2
rm "$SHARED/hold"
try "the tool dies" "$DAEMON_IN" kill -KILL "$(cat "$SHARED/held")"
try "headers are made nevertheless, since somebody has asked for one" waited full
: >"$SHARED/fail"
refuse "another cipher's header is made by the tool" "not today" generated other "<cipher name='aes' size='128' mode='xts'/>"
refuse "one for a given secret as well" "not today" create given2 raw
READY=$(ready)
rm "$SHARED/fail"
try "a volume with that cipher" generated other "<cipher name='aes' size='128' mode='xts'/>"
try "from then on its headers are made ahead, too" filled "$DEPTH"
: >"$SHARED/fail"
try "another volume with that cipher" generated other2 "<cipher name='aes' size='128' mode='xts'/>"
like "has it" "$(cryptsetup luksDump "$VAULT/other2.luks")" "MK bits:[^0-9]*256$"
try "and the first cipher's are still there" generated again2
like "and have theirs" "$(cryptsetup luksDump "$VAULT/again2.luks")" "MK bits:[^0-9]*512$"
try "a clone gets one" from data again2 data \
    <<<"$(linked_xml clone raw | sed 's/<secret [^>]*>//')"

note "Another QEMU"
make_tool
refuse "headers of the tool that was there before are not used" "not today" generated late
rm "$SHARED/fail"

note "The end of the daemon"
for signal in TERM KILL; do
    try "a header is being made" held "end$signal"
    pid=$(cat "$SHARED/held")
    try "by a process" "$DAEMON_IN" kill -0 "$pid"
    try "the daemon ends: SIG$signal" _daemon_signal "$signal"
    try "and the tool with it" waited not "$DAEMON_IN" kill -0 "$pid"
    rm -f "$SHARED/hold"
    try "the daemon is started again" linked_launch
    same "and keeps nothing" "$(threads)" 0
done

# A client that stays, so that the daemon counts the time from when it goes.
cat >"$BIN/idle" <<'SH'
#!/bin/sh
exec "$@" --timeout 2
SH
cat >"$BIN/client" <<'SH'
#!/bin/sh
until virsh -q uri >/dev/null 2>&1; do sleep 0.1; done
echo $$ >"$1.new" && mv "$1.new" "$1"
exec virsh -q pool-event --all --loop
SH
chmod 755 "$BIN/idle" "$BIN/client"
_daemon_signal TERM
"$DAEMON_IN" "$BIN/client" "$SHARED/client" >/dev/null 2>&1 &
try "a daemon that ends when it is idle" eval 'DAEMON_WRAPPER=$BIN/idle linked_launch && waited test -e "$SHARED/client"'
try "makes a header" held idle
pid=$(cat "$SHARED/held")
"$DAEMON_IN" kill "$(cat "$SHARED/client")"
try "it ends nevertheless" waited not daemon_pid
try "and the tool with it" waited not "$DAEMON_IN" kill -0 "$pid"
rm -f "$SHARED/hold" "$DAEMON_DIR/libvirtd.pid"

dirs=("$DAEMON_DIR")
[ "$DAEMON_RUNS" != system ] || dirs+=(/etc/libvirt /run /var/lib/libvirt /var/cache/libvirt)
headers() {
    "$DAEMON_IN" env LC_ALL=C grep -rlaP '^LUKS\xba\xbe' --devices=skip "${dirs[@]}" 2>/dev/null | sort
}
same "no header is in any file but those of the volumes" "$(headers)" "$(printf '%s\n' "$VAULT"/* | sort)"
try "the daemon is started again" linked_launch
used=$(virsh vol-list data | awk '{print $1}' | while read -r name; do virsh vol-dumpxml "$name" data; done |
    sed -n "s/.*<secret .*uuid=.\([0-9a-f-]*\).*/\1/p" | sort -u)
same "and no secret but those of the volumes is libvirt's" "$(virsh secret-list | awk 'NF {print $1}' | sort -u)" "$used"
finish
