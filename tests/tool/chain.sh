#!/bin/bash
# virt-lukshdr chain: the program for which a form is made uses it, and data that was written through one form is
# read back through the others.

# shellcheck disable=SC2317 # many functions are called by way of try
# shellcheck disable=SC2034 # read by the libraries
SECRET_EPHEMERAL=no
. "$(dirname "$0")/lib/vl.sh"

need_command jq qemu-io qemu-system-x86_64
OPEN_SECRET=6b0e5a1a-0a44-4b8e-8f3f-2f0f8c1f9c22

try "a daemon starts" linked_start || finish
quick_keys
# As the first secret, but its value can be read
secret_open() {
    cat >"$DAEMON_DIR/xml/open.xml" <<XML
<secret ephemeral='no' private='no'><uuid>$OPEN_SECRET</uuid>
  <usage type='volume'><volume>open</volume></usage></secret>
XML
    virsh secret-define "$DAEMON_DIR/xml/open.xml" && printf %s "$PASSPHRASE" | secret_file &&
        virsh secret-set-value "$OPEN_SECRET" --file "$DAEMON_DIR/xml/value" --plain
}
try "a secret that is not private" secret_open
printf %s "$PASSPHRASE" | secret_file
PASS=$DAEMON_DIR/xml/value
create disk.qcow2 qcow2 >/dev/null && create disk.raw raw >/dev/null

# io [-r] FORMAT VOLUME COMMAND: qemu-io through the form json.
io() {
    local json key
    json=$(said vl chain --format json "$1") || return
    key=$(jq -r '."key-secret"' <<<"${json#json:}")
    "$DAEMON_IN" qemu-io --object "secret,id=$key,file=$PASS" -c "$2" "$json" 2>&1 | tee "$DAEMON_DIR/io"
    [ "${PIPESTATUS[0]}" -eq 0 ] && ! grep -Eqi 'fail|error|could not' "$DAEMON_DIR/io"
}

# machine ARGUMENT...: a QEMU that does not run its guest, spoken to with qmp.
machine() {
    coproc QEMU {
        exec "$DAEMON_IN" qemu-system-x86_64 -M q35 -accel tcg -m 64 -nodefaults -display none -S \
            -chardev stdio,id=m -mon chardev=m,mode=control "$@" 2>&1
    }
    qmp '{"execute":"qmp_capabilities"}'
}

# qmp COMMAND: what is answered is in $ANSWER; what else QEMU says on the way, as qemu-io does, is printed.
qmp() {
    printf '%s\n' "$1" >&"${QEMU[1]}" || return 1
    EVENTS=
    while IFS= read -t "$TAP_PATIENCE" -r ANSWER <&"${QEMU[0]}"; do
        ANSWER=${ANSWER%$'\r'}
        case $ANSWER in
            '{"return"'*) return 0 ;;
            '{"error"'*) break ;;
            '{"timestamp"'*) EVENTS+=$ANSWER ;;
            '{"QMP"'*) ;;
            *) echo "$ANSWER" ;;
        esac
    done
    echo "$ANSWER"
    return 1
}

# deleted: waits until the device that device_del spoke of is gone.
deleted() {
    local line
    [[ $EVENTS != *DEVICE_DELETED* ]] || return 0
    while IFS= read -t "$TAP_PATIENCE" -r line <&"${QEMU[0]}"; do
        [[ $line != *DEVICE_DELETED* ]] || return 0
    done
    return 1
}

# machine_io NODE-OR-DEVICE COMMAND: qemu-io in the machine.
machine_io() {
    qmp "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"qemu-io $1 \\\"$2\\\"\"}}" \
        >"$DAEMON_DIR/io" || return
    cat "$DAEMON_DIR/io"
    grep -q '^\(read\|wrote\) ' "$DAEMON_DIR/io" && ! grep -Eqi 'fail|error|could not' "$DAEMON_DIR/io"
}

machine_end() {
    local pid=$QEMU_PID
    qmp '{"execute":"quit"}'
    wait "$pid"
}

# --- pictures

LC_ALL=C.UTF-8 try "the picture" vl chain disk.qcow2
same "shows the graph" "$OUT" "lukshdr-1-format  luks  key-secret lukshdr-1-format-encryption-secret0
├─ file: lukshdr-1-payload  qcow2
│  └─ file: lukshdr-1-storage  file  $DATA/disk.qcow2
└─ header: lukshdr-1-header-format  raw
   └─ file: lukshdr-1-header-storage  file  $VAULT/disk.qcow2.luks"
LC_ALL=C try "without UTF-8" vl chain disk.raw
same "in ASCII" "$OUT" "lukshdr-1-format  luks  key-secret lukshdr-1-format-encryption-secret0
|- file: lukshdr-1-storage  file  $DATA/disk.raw
\`- header: lukshdr-1-header-format  raw
   \`- file: lukshdr-1-header-storage  file  $VAULT/disk.raw.luks"
if command -v dot >/dev/null; then
    try "dot takes the graph" eval 'said vl chain --format dot disk.qcow2 | dot -Tsvg >/dev/null'
else
    skip "dot takes the graph" "needs graphviz"
fi

# --- what is refused

status "no such form" 2 "no form 'xml'" vl chain --format xml disk.raw
status "--unplug without qmp" 2 'unplug' vl chain --unplug disk.raw
status "a secret in a form that has none" 2 'contains no secret' vl chain --format json --secret-in-clear disk.raw
status "--with-secret without a key" 2 'master-key' vl chain --format args --with-secret disk.raw
status "a prefix that QEMU refuses" 1 'cannot begin the names' vl chain --prefix 1x disk.raw
printf short >"$DAEMON_DIR/short"
chmod 644 "$DAEMON_DIR/short"
status "a master key that is none" 1 'must have 32 bytes' vl chain --format args --with-secret \
    --passphrase-file "$PASS" --master-key "$DAEMON_DIR/short" disk.raw
status "a private secret, and nobody to ask" 6 'private: libvirt gives its value to no client' \
    vl chain --format args --secret-in-clear disk.raw

for volume in disk.qcow2 disk.raw; do
    # --- json: QEMU's tools
    try "$volume: json, qemu-io writes" io "$volume" 'write -P 0x41 0 1M'

    # --- args: QEMU's command line, by way of a shell
    for secret in "--secret-file $PASS" "--secret-in-clear --secret $OPEN_SECRET" \
        "--with-secret --master-key $DAEMON_DIR/xml/key --passphrase-file $PASS"; do
        # shellcheck disable=SC2086 # several options
        args=$(said vl chain --format args $secret "$volume")
        eval "args=(${args//\\$'\n'/ })"
        try "$volume: args, QEMU starts with ${secret%% *}" machine "${args[@]}"
        try "$volume: and reads what qemu-io wrote" machine_io lukshdr-1-format 'read -P 0x41 0 1M'
        machine_end
        [ "$secret" = "--secret-file $PASS" ] ||
            unlike "$volume: the passphrase is not in clear" "$args" "$PASSPHRASE"
    done
    same "$volume: the master key is its owner's alone" "$(stat -c '%a %s' "$DAEMON_DIR/xml/key")" "600 32"

    # --- qmp: QEMU's monitor
    try "$volume: a machine without disks" machine -device virtio-scsi-pci,id=scsi0
    qmp '{"execute":"qom-list","arguments":{"path":"/objects"}}'
    objects=$ANSWER
    options=(--format qmp --with-secret --master-key "$DAEMON_DIR/xml/key" --passphrase-file "$PASS"
        --device scsi-hd --bus scsi0.0)
    number=0
    while read -r command; do
        number=$((number + 1))
        try "$volume: plugged in, step $number" qmp "$command"
    done < <(said vl chain "${options[@]}" "$volume")
    try "$volume: the machine reads" machine_io lukshdr-1-format 'read -P 0x41 0 1M'
    try "$volume: and writes" machine_io '-d lukshdr-1-disk' 'write -P 0x42 1M 1M'
    number=0
    while read -r command; do
        number=$((number + 1))
        try "$volume: unplugged, step $number" qmp "$command"
        [ $number -gt 1 ] || try "$volume: the device goes" deleted
    done < <(said vl chain "${options[@]}" --unplug "$volume")
    qmp '{"execute":"query-named-block-nodes"}'
    same "$volume: no node is left" "$ANSWER" '{"return": []}'
    qmp '{"execute":"qom-list","arguments":{"path":"/objects"}}'
    same "$volume: no object is left" "$ANSWER" "$objects"
    machine_end
    try "$volume: qemu-io reads what the machine wrote" io "$volume" 'read -P 0x42 1M 1M'
    refuse "$volume: other data would be noticed" 'Pattern verification failed' io "$volume" 'read -P 0x43 1M 1M'
done

# --- domain and commandline: libvirt's XML

# domain_xml NAME <<<XML: a domain that boots nothing, with XML among its devices or below it.
domain_xml() {
    local inner
    inner=$(cat)
    cat <<XML
<domain type='qemu'>
  <name>$1</name><memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>$([ "$2" = devices ] && echo "$inner")</devices>
  $([ "$2" = devices ] || echo "$inner")
</domain>
XML
}

# domain_io DOMAIN NODE COMMAND: what qemu-io says in there comes out in QEMU's log.
domain_io() {
    local log before
    log=$("$DAEMON_IN" find /var/log/libvirt "$DAEMON_DIR" -name "$1.log" -path '*qemu*' | head -n 1)
    before=$("$DAEMON_IN" stat -c %s "$log") || return
    virsh qemu-monitor-command --hmp "$1" "qemu-io $2 \"$3\"" || return
    "$DAEMON_IN" tail -c "+$((before + 1))" "$log" | tr -d '\0' | tee "$DAEMON_DIR/io"
    grep -q '^\(read\|wrote\) ' "$DAEMON_DIR/io" && ! grep -Eqi 'fail|error|could not' "$DAEMON_DIR/io"
}

said vl chain --format domain --target vda disk.qcow2 | domain_xml one devices >"$DAEMON_DIR/xml/domain.xml"
try "domain: a guest is defined with the disk" virsh define "$DAEMON_DIR/xml/domain.xml"
try "domain: it starts" virsh start one --paused
try "domain: it reads what the others wrote" domain_io one libvirt-1-format 'read -P 0x42 1M 1M'
status "list says who uses the volume" 0 '^data/disk.qcow2 .* in use by one$' vl list
same "and so does JSON" "$(said vl info disk.qcow2 --json | jq -c '.link["in-use-by"]')" '["one"]'
virsh destroy one

# Without the plugin the files are nobody's but their owner's.
chmod 666 "$VAULT"/* "$DATA"/*
cp "$PASS" "$DAEMON_DIR/pass"
chmod 644 "$DAEMON_DIR/pass"
said vl chain --format commandline --secret-file "$DAEMON_DIR/pass" disk.qcow2 >"$DAEMON_DIR/xml/line.xml"
unset LIBVIRT_DRIVER_DIR
try "the daemon starts without the plugin" linked_launch
domain_xml two below <"$DAEMON_DIR/xml/line.xml" >"$DAEMON_DIR/xml/domain.xml"
try "commandline: a guest is defined with it" virsh define "$DAEMON_DIR/xml/domain.xml"
try "commandline: it starts" virsh start two --paused
try "commandline: it reads what the others wrote" domain_io two lukshdr-1-format 'read -P 0x42 1M 1M'
try "commandline: and writes" domain_io two '-d /machine/peripheral/lukshdr-1-disk/virtio-backend' 'write -P 0x44 2M 1M'
virsh destroy two

status "the plugin is missing, and that is said" 5 'without libvirt-lukshdr' vl chain disk.qcow2
status "another volume's header" 6 'header of data/disk.raw' vl chain --header vault/disk.raw.luks disk.qcow2
status "no header at all" 1 'is no header' vl chain --header data/disk.raw disk.qcow2
try "with --header the chain can be had" vl chain --header vault/disk.qcow2.luks disk.qcow2
like "of the payload's real format" "$OUT" 'lukshdr-1-payload  qcow2'
json=$(said vl chain --format json --header vault/disk.qcow2.luks disk.qcow2)
try "and opens the volume" "$DAEMON_IN" qemu-io \
    --object "secret,id=lukshdr-1-format-encryption-secret0,file=$PASS" -c 'read -P 0x44 2M 1M' "$json"
unlike "with what was written" "$OUT" 'failed'
finish
