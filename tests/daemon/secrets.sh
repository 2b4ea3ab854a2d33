#!/bin/bash
# The passphrase goes from libvirt's secret driver to QEMU's tools, and nowhere else: no argument, no
# environment, no log, no file, no core dump of a tool. The secret is ephemeral and private, so that not
# even libvirt's own store holds it.

# shellcheck disable=SC2317 # many functions are called by way of try
# shellcheck disable=SC2034 # read by the libraries
DAEMON_DEBUG='1:*'
# Of this run alone: in session mode all processes of the machine are looked at
PASSPHRASE=Xq7-$RANDOM-lukshdr-$RANDOM-Zw3
SECRET_EPHEMERAL=yes
. "$(dirname "$0")/../lib/linked.sh"

try "a daemon that logs everything starts" linked_start || finish

base64=$(printf %s "$PASSPHRASE" | base64)
hex=$(printf %s "$PASSPHRASE" | od -An -v -tx1 | tr -d ' \n')
# The three ways that base64 can begin in the middle of something, less what depends on the neighbours.
base64_1=$(printf 'x%s' "$PASSPHRASE" | base64) base64_2=$(printf 'xx%s' "$PASSPHRASE" | base64)
: >"$DAEMON_DIR/words"
for word in "$PASSPHRASE" "${base64:0:30}" "${base64_1:4:30}" "${base64_2:4:30}" "$hex" "${hex^^}"; do
    printf '%s\n' "$word" >>"$DAEMON_DIR/words"
done

# holds FILE...: the names of the files that hold the passphrase in any of its spellings.
holds() {
    grep -rlaFf "$DAEMON_DIR/words" "$@" 2>/dev/null
}

printf 'xx%syy' "$PASSPHRASE" | base64 >"$DAEMON_DIR/probe"
same "the passphrase is found where it is" "$(holds "$DAEMON_DIR/probe")" "$DAEMON_DIR/probe"
rm "$DAEMON_DIR/probe"

# --- what a child gets

# Each call that gets the passphrase is held until all processes have been looked at from beginning to end; it
# is the wrapper that is seen, which has the arguments and the environment that the tool is given.
mkdir -m 777 "$DAEMON_DIR/shared"
: >"$DAEMON_DIR/shared/looks" && chmod 666 "$DAEMON_DIR/shared/looks"
for name in qemu-img qemu-storage-daemon; do
    # stock's own calls of qemu-img have nothing to do with the passphrase
    tool $name <<SH
case " \$* " in *sec0*)
    ls -l /proc/\$\$/fd >>"$DAEMON_DIR/shared/$name.fds"
    {
        printf '%s\n' "\$0" "\$@"
        tr '\0' '\n' </proc/\$\$/environ
        cat /proc/\$\$/limits
    } >>"$DAEMON_DIR/shared/$name"
    from=\$(wc -l <"$DAEMON_DIR/shared/looks")
    # one look may have begun before
    until [ -e "$DAEMON_DIR/shared/enough" ] || [ \$((\$(wc -l <"$DAEMON_DIR/shared/looks") - from)) -ge 2 ]; do
        sleep 0.05
    done
    echo "$name" >>"$DAEMON_DIR/shared/held" ;;
esac
exec "\$REAL" "\$@"
SH
done

# Looks at the arguments and environment of every process where the daemon lives, again and again.
"$DAEMON_IN" bash -c '
    until [ -e "$2/enough" ]; do
        if cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | grep -aqFf "$1"; then
            echo "found" >>"$2/found"
            grep -alFf "$1" /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>"$2/found" 2>/dev/null
        fi
        echo >>"$2/looks"
    done' watch "$DAEMON_DIR/words" "$DAEMON_DIR/shared" </dev/null >/dev/null 2>&1 &
watch=$!
at_exit touch "$DAEMON_DIR/shared/enough"

# looked: waits until all processes have been looked at once from now on.
looked() {
    local from
    from=$(wc -l <"$DAEMON_DIR/shared/looks")
    waited eval '[ $(($(wc -l <"$DAEMON_DIR/shared/looks") - from)) -ge 2 ]'
}

# The one who looks sees what there is to see.
"$DAEMON_IN" env "SEEN=$PASSPHRASE" bash -c 'until [ -e "$1" ]; do sleep 0.1; done' seen "$DAEMON_DIR/shared/unseen" &
seen=$!
try "the passphrase is found in an environment where it is" \
    waited grep -qs "/proc/[0-9]*/environ" "$DAEMON_DIR/shared/found"
: >"$DAEMON_DIR/shared/unseen"
wait "$seen"
looked
: >"$DAEMON_DIR/shared/found"

try "a raw linked volume is created" create one raw
try "a qcow2 one, its secret named by usage" eval \
    'linked_xml two qcow2 | sed "s/uuid=.[^ ]*./usage=\"usage-$SECRET_UUID\"\/>/;s/\/>\/>/\/>/" | create_xml'
like "the other way of naming it gave the same secret" "$(virsh vol-dumpxml two data)" "uuid='$SECRET_UUID'"
for format in raw qcow2; do
    refuse "a cipher that QEMU refuses: $format" "rot" create three $format "<cipher name='rot' size='13'/>"
done
virsh vol-delete one data >/dev/null

looked
like "each tool was looked at while it had the passphrase" "$(sort "$DAEMON_DIR/shared/held" | uniq -c)" '^ *[1-9]'
: >"$DAEMON_DIR/shared/enough"
wait "$watch"
same "in no process's arguments or environment" "$(cat "$DAEMON_DIR/shared/found")" ""

for name in qemu-img qemu-storage-daemon; do
    if ! [ -e "$DAEMON_DIR/shared/$name" ]; then
        skip "$name as it is called" "this QEMU does not need it"
        continue
    fi
    same "$name has it in neither arguments nor environment" "$(holds "$DAEMON_DIR/shared/$name")" ""
    like "$name reads it from a descriptor" "$(cat "$DAEMON_DIR/shared/$name")" 'secret,id=sec0,.*file=/dev/fd/3'
    like "which is a pipe" "$(cat "$DAEMON_DIR/shared/$name.fds")" ' 3 -> pipe:'
    like "$name makes no core dump" "$(grep 'Max core file size' "$DAEMON_DIR/shared/$name" | sort -u | tail -n 1)" \
        'Max core file size +0 +0 '
    # 255 is the wrapper's script
    others=$(sed -n 's/.* \([0-9]*\) -> /\1 /p' "$DAEMON_DIR/shared/$name.fds" | awk '$1 > 3 && $1 != 255' | sort -u)
    like "$name has the volumes as descriptors" "$others" "^7 ($DATA|$VAULT)/"
    same "and no other one of the daemon's" "$(grep -vE "^([7-9]|10) ($DATA|$VAULT)/" <<<"$others")" ""
done

# --- what is left

like "the log is at the level of debugging" "$(cat "$DAEMON_DIR"/*.log "$DAEMON_DIR"/log/* 2>/dev/null)" ' debug : '
like "it has the tool's failure" "$(cat "$DAEMON_LOG")" 'rot-13'
dirs=("$DAEMON_DIR")
if [ "$DAEMON_RUNS" = system ]; then
    dirs+=(/etc/libvirt /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt)
fi
# --devices: sockets and pipes have no end
in_files() {
    "$DAEMON_IN" grep -rlaFf "$DAEMON_DIR/words" --devices=skip --exclude=words "${dirs[@]}" 2>/dev/null
}
same "in no log and no file, libvirt's own included" "$(in_files)" ""
printf '%s\n' "$PASSPHRASE" >"$DAEMON_DIR/shared/probe"
same "a file that has it would have been found" "$(in_files)" "$DAEMON_DIR/shared/probe"
rm "$DAEMON_DIR/shared/probe"
SECRET_EPHEMERAL=no secret_make 99999999-2222-3333-4444-555555555555 volume "$PASSPHRASE" >/dev/null
unlike "as would one in libvirt's store" "$(in_files)" '^$'
virsh secret-undefine 99999999-2222-3333-4444-555555555555 >/dev/null

# --- the daemon's memory. libvirt's secret driver holds the passphrase as long as the secret has a value.

copies() {
    "$DAEMON_IN" timeout "$TAP_PATIENCE" gcore -o "$DAEMON_DIR/shared/core" "$(daemon_pid)" >"$DAEMON_DIR/gcore.out" 2>&1
    cat "$DAEMON_DIR/shared"/core.* | grep -aoF "$PASSPHRASE" | wc -l
    rm -f "$DAEMON_DIR/shared"/core.*
}

if [ "$DAEMON_RUNS" = system ] && command -v gcore >/dev/null; then
    # Ours must add nothing to libvirt's own, however often it fetches the passphrase.
    quick_format
    before=$(copies)
    try "a core dump of the daemon can be made, and has libvirt's own copy" [ "$before" -ge 1 ]
    for i in 1 2 3 4 5 6 7 8; do
        create "m$i" raw >/dev/null && virsh vol-delete "m$i" data >/dev/null
    done
    after=$(copies)
    note "copies in a core dump: $before, after 8 more volumes: $after"
    try "8 more volumes leave no further copy in it" [ "$after" -le "$before" ]
else
    skip "core dump of the daemon" "needs gcore and a system daemon"
fi
virsh vol-delete two data >/dev/null
nothing_left "in the end"
finish
