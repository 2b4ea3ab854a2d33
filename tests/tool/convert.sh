#!/bin/bash
# virt-lukshdr convert: plain to linked, linked to linked, linked to plain; progress; interrupted.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/vl.sh"

need_command jq qemu-io
try "a daemon starts" linked_start || finish
quick_keys
virsh vol-create-as data plain.raw 32M >/dev/null
qemu-io -f raw -c 'write -P 0x51 1M 1M' "$DATA/plain.raw" >/dev/null

holds() {
    qemu-io -f "$2" -c 'read -P 0x51 1M 1M' "$DATA/$1" | tee "$DAEMON_DIR/io"
    ! grep -qi 'failed' "$DAEMON_DIR/io"
}

state() {
    said vl info "$1" --json | jq -r .link.state
}

status "a target without a pool" 2 'POOL/VOLUME' vl convert data/plain.raw one
status "--plain with a header" 2 'neither header nor secret' vl convert data/plain.raw data/one --plain --header vault
status "no such pool" 4 'nowhere' vl convert data/plain.raw nowhere/one
status "a target that exists" 1 'plain.raw' vl convert data/plain.raw data/plain.raw --header vault

try "plain to linked" vl convert data/plain.raw data/one --header vault --secret "$SECRET_UUID" --format qcow2
same "without a word, there being no terminal" "$OUT" ""
same "it is one" "$(state data/one)" ok
refuse "its payload has not the plaintext" 'Pattern verification failed' holds one qcow2
try "linked to linked, with a header of a name and a secret of its own" \
    vl convert data/one data/two --header vault/other --format raw
same "it is one" "$(state data/two)" ok
unlike "the secret is another" "$(said vl info data/two --json | jq -r .link.secret)" "$SECRET_UUID"
same "the header has that name" "$(said vl info data/two --json | jq -r .link.header.volume)" other
try "the header's pool is the old one's if none is named" vl convert data/two data/three
same "so it is" "$(said vl info data/three --json | jq -r .link.header.pool)" vault
try "the same key" vl convert data/one data/four --same-key
same "the same cipher text is opened by a copy of the header" "$(state data/four)" ok
status "with another secret that makes no sense" 2 'same secret' vl convert data/one data/five --same-key --secret x
try "linked to plain" vl convert data/three data/clear --plain --json
like "progress is JSON" "$(tail -n 1 <<<"$OUT")" '^{"done":[0-9]+,"total":[0-9]+,"percent":100}$'
try "the data came through all of that" holds clear raw
try "linked with the same key to plain" vl convert data/four data/clear4 --plain --quiet --format raw
same "quietly" "$OUT" ""
try "the data came through that" holds clear4 raw

# --- progress and interruption: a qemu-img that takes its time

tool qemu-img <<SH
case " \$* " in
    *" convert "*)
        : >"$DAEMON_DIR/shared/converting"
        "\$REAL" "\$@"
        status=\$?
        while [ -e "$DAEMON_DIR/shared/hold" ]; do sleep 0.1; done
        exit \$status ;;
esac
exec "\$REAL" "\$@"
SH
mkdir -m 777 "$DAEMON_DIR/shared"
: >"$DAEMON_DIR/shared/hold"
setsid "$DAEMON_IN" bash -c 'echo $$ >"$1/pid"; exec "${@:2}"' tool "$DAEMON_DIR/shared" \
    "$VL" convert data/plain.raw data/slow --header vault --secret "$SECRET_UUID" --json \
    >"$DAEMON_DIR/progress" 2>"$DAEMON_DIR/progress.err" </dev/null &
job=$!
try "progress is seen while it goes on" waited grep '"percent":99' "$DAEMON_DIR/progress"
"$DAEMON_IN" kill -INT "$(cat "$DAEMON_DIR/shared/pid")"
waited grep -q 'cannot be stopped' "$DAEMON_DIR/progress.err"
like "who interrupts is told" "$(cat "$DAEMON_DIR/progress.err")" 'when it is done the new volume is removed'
rm "$DAEMON_DIR/shared/hold"
got=0
wait "$job" || got=$?
same "and ends with the status for that" "$got" 130
status "the new volume is gone" 4 'slow' vl info data/slow
same "and its header" "$(virsh vol-list vault --details | grep -c slow)" 0

unset LIBVIRT_DRIVER_DIR
linked_launch
status "convert without the plugin" 5 'without libvirt-lukshdr' vl convert data/plain.raw data/six --header vault
refuse "makes no volume" 'six' virsh vol-info six data
finish
