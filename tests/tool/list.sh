#!/bin/bash
# virt-lukshdr list, info and key-list; how volumes are named; what happens without the plugin.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/vl.sh"

need_command jq

# --- the command line itself, which needs no daemon

try "--help" "$VL" --help
like "lists the commands" "$OUT" '^ +list +List linked volumes'
try "COMMAND --help" "$VL" info --help
like "has an example" "$OUT" 'virt-lukshdr info images/data.qcow2'
try "help COMMAND" "$VL" help info
like "is the same" "$OUT" 'virt-lukshdr info images/data.qcow2'
try "--version" "$VL" --version
status "no command" 2 'no command given' "$VL"
status "no such command" 2 "no command 'frob'" "$VL" frob
status "no such option" 2 'Unknown option --frob' "$VL" list --frob
status "too few arguments" 2 'needs more arguments: info VOLUME' "$VL" info
status "too many arguments" 2 'takes no more than: info VOLUME' "$VL" info a b
status "no daemon" 3 'Unable to connect' "$VL" -c qemu+unix:///system?socket=/nonexistent list
status "a terminal's codes in a name are not sent to it" 2 'x1b\[31m' "$VL" $'\e[31mred'

# unread COMMAND...: its output goes to a pipe that nobody reads any more.
unread() {
    # shellcheck disable=SC2016 # Python's
    python3 -c '
import os, subprocess, sys
reader, writer = os.pipe()
os.close(reader)
sys.exit(subprocess.run(sys.argv[1:], stdout=writer).returncode % 256)' "$@"
}
status "nobody reads what it prints" 0 '^$' unread "$VL" --version
status "nobody reads what a command prints" 0 '^$' unread "$VL" list --help

# --- in another language: the catalogue of the build tree in the place of the installed one

MO=$(find "$BUILDDIR/po" -name 'libvirt-lukshdr.mo' -path '*/de/*' 2>/dev/null)
if [ -n "$MO" ] && [ -d /usr/share/locale/de/LC_MESSAGES ] && unshare --mount true 2>/dev/null; then
    german() {
        unshare --mount sh -c 'mount -t tmpfs none /usr/share/locale/de/LC_MESSAGES &&
            cp "$1" /usr/share/locale/de/LC_MESSAGES/ && shift && LC_ALL=C.UTF-8 LANGUAGE=de exec "$@"' sh "$MO" "$@"
    }
    try "--help in German" german "$VL" --help
    like "lists the commands" "$OUT" '^ +list +Verknüpfte Datenträger auflisten'
    try "that of a command" german "$VL" header-restore --help
    like "with its options" "$OUT" '--force +Einen Header ersetzen, der in Ordnung ist'
    try "of a command without arguments" german "$VL" list --help
    unlike "without the catalogue's own header" "$OUT" 'Content-Type'
    status "errors, too" 2 'es gibt keinen Befehl »frob«' german "$VL" frob
else
    skip "in another language" "needs root, msgfmt and /usr/share/locale/de"
fi

# --- nothing there

try "a daemon starts" linked_start || finish
quick_format
status "no linked volume" 0 'no linked volumes' vl list
like "nor a pool of headers" "$OUT" 'No pool is known as one of headers: .*docs/accidents.md'
same "none in JSON" "$(said vl list --json)" "[]"

# --- links

create one.qcow2 qcow2 >/dev/null && create two raw "" "pool='vault' volume='second'" >/dev/null
try "two linked volumes are listed" vl list
like "the first" "$OUT" "^data/one.qcow2 +qcow2 +16\.0.MiB +vault/one.qcow2.luks +$SECRET_UUID +ok"
like "the second" "$OUT" "^data/two +raw +16\.0.MiB +vault/second +$SECRET_UUID +ok"
unlike "no colours in a pipe" "$OUT" $'\e'
json=$(said vl list --json)
same "JSON has both" "$(jq -r '.[].payload.volume' <<<"$json" | sort | xargs)" "one.qcow2 two"
same "with all that is known" \
    "$(jq -c '.[]|select(.payload.volume=="two")|del(.payload.allocation,.header.allocation)' <<<"$json")" \
    "{\"state\":\"ok\",\"reason\":null,\"payload\":{\"pool\":\"data\",\"volume\":\"two\",\"path\":\"$DATA/two\",\
\"format\":\"raw\",\"capacity\":16777216},\
\"header\":{\"pool\":\"vault\",\"volume\":\"second\",\"path\":\"$VAULT/second\",\"format\":\"luks\",\
\"capacity\":4194304},\"replicas\":[],\"secret\":\"$SECRET_UUID\",\"shared\":false,\"in-use-by\":[]}"
same "--pool of headers" "$(said vl list --pool vault --json | jq length)" 2
virsh pool-create-as other dir --target "$DAEMON_IMAGES" >/dev/null
same "--pool without links" "$(said vl list --pool other --json)" "[]"
status "--pool that does not exist" 4 'nowhere' vl list --pool nowhere

# --- names

for name in data/two two "$DATA/two" vault/second second; do
    status "info $name" 0 '^Volume: +data/two$' vl info "$name"
done
uuid=$(cryptsetup luksUUID "$VAULT/second")
like "info shows the header's UUID" "$OUT" "^LUKS UUID: +$uuid\$"
like "its cipher" "$OUT" '^Cipher: +aes-xts-plain64, 512 bits$|^Cipher: +aes-xts-plain64, 256 bits$'
like "the slot in use" "$OUT" '^Key slot 0: +in use, [0-9]+ iterations$'
like "the free ones" "$OUT" '^Key slot 7: +free$'
like "what the payload looks like" "$OUT" 'random bytes: nothing shows'
same "info --json" "$(said vl info two --json | jq -c '[.luks.uuid,.luks.cipher,.luks.mode,(.luks.slots|length),.luks.slots[0].active]')" \
    "[\"$uuid\",\"aes\",\"xts-plain64\",8,true]"
same "iterations are the header's" "$(said vl info two --json | jq .luks.slots[0].iterations)" \
    "$(cryptsetup luksDump "$VAULT/second" | sed -n 's/^[[:space:]]*Iterations:[[:space:]]*//p' | head -n 1)"
status "key-list" 0 '^Key slot 0: +in use' vl key-list two

"$DAEMON_IN" mkdir "$DAEMON_IMAGES/more" && virsh pool-create-as more dir --target "$DAEMON_IMAGES/more" >/dev/null
virsh vol-create-as more two 1M >/dev/null
status "an ambiguous name" 4 'ambiguous.*(data/two, more/two|more/two, data/two)' vl info two
status "no such volume" 4 "no active pool has a volume 'three'" vl info three
status "no such volume in a pool" 4 "three" vl info data/three
status "no such pool" 4 "nowhere" vl info nowhere/two
status "no such path" 4 "no active pool has '/nowhere'" vl info /nowhere
status "a plain volume" 1 "'two' of pool 'more' is not a linked volume" vl info more/two

# --- states

cp "$VAULT/second" "$DAEMON_DIR/second.kept"
state() {
    said vl list --json | jq -r '.[]|select(.payload.volume=="two" or .header.volume=="second").state'
}
printf 'XXXX' | dd of="$VAULT/second" conv=notrunc status=none
same "no LUKS header: damaged" "$(state)" header-damaged
status "and says why, and what to do" 0 'two: there is no LUKS header; put a backup back: virt-lukshdr header-restore data/two FILE; gone for good and without a backup, the data is lost: virsh vol-delete two data$' \
    vl list
cp "$DAEMON_DIR/second.kept" "$VAULT/second"
head -c 131072 /dev/zero | dd of="$VAULT/second" bs=1 seek=2097152 count=64 conv=notrunc status=none
head -c 131072 /dev/zero | dd of="$VAULT/second" bs=64k seek=34 conv=notrunc status=none
same "no label: damaged" "$(state)" header-damaged
status "and says that it may be its header" 0 'no link label, as a backup by cryptsetup has none; if it is the header of this volume: virt-lukshdr link data/two; put a backup back' \
    vl list
truncate -s 100k "$VAULT/second"
same "cut short: damaged" "$(state)" header-damaged
status "and says where" 0 'cut short' vl info data/two
cp "$VAULT/one.qcow2.luks" "$VAULT/second"
same "another volume's header: damaged" "$(state)" header-damaged
cp "$DAEMON_DIR/second.kept" "$VAULT/second"
mv "$DATA/two" "$DAEMON_DIR/two.kept"
virsh pool-refresh data
same "without its payload: payload missing" "$(state | sort | xargs)" "payload-missing"
mv "$DAEMON_DIR/two.kept" "$DATA/two"
virsh pool-refresh data
rm "$VAULT/second"
virsh pool-refresh vault
same "no header volume: missing" "$(state)" header-missing
status "and says what to do" 0 'header-restore data/two FILE; gone for good and without a backup' vl list
virsh pool-destroy vault
same "its pool inactive: missing" "$(state | sort -u)" header-missing
status "and says what to do" 0 'virsh pool-start vault' vl list
virsh pool-start vault
cp "$DAEMON_DIR/second.kept" "$VAULT/second"
give "$VAULT/second"
virsh pool-refresh vault
same "put back: ok" "$(state)" ok

note "The order"
for name in b10 B2 a1 C; do
    create $name raw >/dev/null
done
create beyond raw "" "pool='vault' volume='0first'" >/dev/null
same "as virsh sorts them" "$(said vl list | sed -n 's|^data/\([^ ]*\) .*|\1|p' | xargs)" \
    "$(virsh vol-list data | sed -n 's/^ *\([^ ]*\) .*/\1/p' | xargs)"
same "JSON as well" "$(said vl list --json | jq -r '.[].payload.volume' | xargs)" \
    "$(virsh vol-list data | sed -n 's/^ *\([^ ]*\) .*/\1/p' | xargs)"
for name in b10 B2 C; do
    virsh vol-delete $name data >/dev/null
done
mv "$DATA/a1" "$DAEMON_DIR/a1.kept"
cp "$DAEMON_DIR/second.kept" "$VAULT/0stray"
give "$VAULT/0stray"
virsh pool-refresh data && virsh pool-refresh vault
same "a missing one has its place, headers without a volume come last" \
    "$(said vl list --json | jq -r '.[]|.state+":"+(.payload.volume//"-")+":"+.header.volume' | xargs)" \
    "payload-missing:a1:a1.luks ok:beyond:0first ok:one.qcow2:one.qcow2.luks ok:two:second orphaned:two:0stray"
mv "$DAEMON_DIR/a1.kept" "$DATA/a1"
rm "$VAULT/0stray"
virsh pool-refresh data && virsh pool-refresh vault
virsh vol-delete a1 data >/dev/null && virsh vol-delete beyond data >/dev/null

cp "$DAEMON_DIR/second.kept" "$VAULT/orphan"
give "$VAULT/orphan"
rm "$VAULT/one.qcow2.luks"
header_of "$VAULT/unlabelled"
echo 'no header' >"$VAULT/notes"
virsh pool-refresh vault
json=$(said vl list --json)
same "headers that no link leads to" \
    "$(jq -r '.[]|select(.state=="orphaned").header.volume' <<<"$json" | sort | xargs)" "orphan unlabelled"
status "one may be a copy" 0 'vault/orphan: no link leads here; .* the header of data/two, which has a header' vl list
like "of the other nobody knows the volume" "$OUT" \
    "vault/unlabelled: .*it is LUKS header $(cryptsetup luksUUID "$VAULT/unlabelled"); .*link POOL/VOLUME vault/unlabelled --secret with the UUID of the secret"
unlike "no word stands for what is not known" "$OUT" 'secret UUID'

# --- a daemon without the plugin

virsh pool-destroy more && virsh pool-destroy other
unset LIBVIRT_DRIVER_DIR
try "the daemon starts without the plugin" linked_launch
status "list says so" 5 'runs without libvirt-lukshdr' vl list
status "info says so" 5 'chain --header' vl info data/two
finish
