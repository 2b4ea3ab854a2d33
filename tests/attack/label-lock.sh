#!/bin/bash
# Any process that may read a header volume can hold a lock on the bytes of its label. Only an operation that
# must write there waits for it, and only for seconds. The daemon still ends when it is told to.
# shellcheck disable=SC2154,SC2317 # set by linked.sh; functions called by way of waited
set -u
. "$(dirname "$0")/../lib/linked.sh"
. "$(dirname "$0")/../lib/attack.sh"
need_command python3

linked_start host || exit 1
quick_keys
try "a linked volume" create one.raw raw
"$DAEMON_IN" chmod 644 "$VAULT/one.raw.luks"

# hold FILE: a process that can only read FILE locks its label for itself, until let_go.
hold() {
    coproc HOLDER {
        exec "$DAEMON_IN" python3 -c '
import fcntl, os, sys
if os.getuid() == 0: os.setuid(65534)
f = open(sys.argv[1], "rb")
fcntl.lockf(f, fcntl.LOCK_SH, 256 * 1024, 2 * 1024 * 1024)
print(os.getpid(), flush=True)
sys.stdin.read()' "$1"
    }
    # shellcheck disable=SC2034 # for the caller
    IFS= read -r HOLDER_LOCKS <&"${HOLDER[0]}"
}
let_go() {
    # shellcheck disable=SC2153 # set by coproc
    local pid=$HOLDER_PID
    eval "exec ${HOLDER[1]}>&-"
    wait "$pid"
}

# soon COMMAND...: as COMMAND, which is given up after a minute.
soon() {
    local pid status=0 deadline=$((SECONDS + ${SOON:-60}))
    "$@" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "it does not end"
            return 124
        fi
        sleep 0.1
    done
    wait "$pid" || status=$?
    return "$status"
}

link_xml() {
    cat <<XML
<volume><name>$1</name><capacity unit='M'>16</capacity><target><format type='raw'/><encryption format='luks'>
<header type='volume' link='$2'><source pool='vault' volume='one.raw.luks'/></header></encryption></target></volume>
XML
}
act() {
    link_xml "$1" "$2" >"$DAEMON_DIR/xml/act.xml"
    virsh vol-create data "$DAEMON_DIR/xml/act.xml"
}

before=$(sha256sum <"$VAULT/one.raw.luks")
try "the label is locked" hold "$VAULT/one.raw.luks"
refuse "to renew the link is refused, naming who holds it" "process $HOLDER_LOCKS keeps a lock.*one.raw.luks.*try again when it has ended" \
    soon act one.raw existing
refuse "to share the header as well" "keeps a lock" soon act two.raw share
try "the volume is shown meanwhile" soon virsh vol-dumpxml one.raw data
same "nothing was written" "$(sha256sum <"$VAULT/one.raw.luks")" "$before"
try "the pool stops" soon virsh pool-destroy vault
try "and starts" soon virsh pool-start vault
act one.raw existing >/dev/null 2>&1 &
client=$!
try "the daemon ends when it is told to, with a client waiting" _daemon_signal TERM
wait "$client"
try "and starts again" linked_launch
let_go
try "once the lock is given back the link is renewed" soon act one.raw existing
gone() {
    [ "$(ls "$DATA")" = one.raw ]
}
virsh pool-refresh vault
try "and what was begun meanwhile is undone" waited gone
daemon_stop
finish
