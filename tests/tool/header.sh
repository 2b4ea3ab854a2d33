#!/bin/bash
# virt-lukshdr header-backup, header-restore, link, unlink and erase.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/vl.sh"

need_command jq qemu-io cryptsetup
try "a daemon starts" linked_start || finish
quick_keys
create one raw >/dev/null && create two qcow2 >/dev/null
printf %s "$PASSPHRASE" | secret_file
PASS=$DAEMON_DIR/xml/value
KEPT=$DAEMON_DIR/kept
mkdir -m 777 "$KEPT"

# io VOLUME COMMAND: qemu-io on a linked volume, by way of "chain".
io() {
    local json
    json=$(said vl chain --format json "$1") || return
    "$DAEMON_IN" qemu-io --object "secret,id=lukshdr-1-format-encryption-secret0,file=$PASS" -c "$2" "$json" 2>&1 |
        tee "$DAEMON_DIR/io"
    [ "${PIPESTATUS[1]}" -eq 0 ] && ! grep -Eqi 'fail|error|could not' "$DAEMON_DIR/io"
}

state() {
    said vl info "$1" --json | jq -r .link.state
}

# cryptsetup_in ARGUMENT...: a passphrase more, by another tool than QEMU's.
cryptsetup_in() {
    "$DAEMON_IN" cryptsetup -q "$@"
}

# --- backup

try "data is written" io one 'write -P 0x61 0 1M'
try "a backup" vl header-backup data/one "$KEPT/one"
same "it is its owner's alone" "$(stat -c '%a %s' "$KEPT/one")" "600 4194304"
try "it is the header, to the byte" cmp "$KEPT/one" "$VAULT/one.luks"
status "a file that exists stays" 6 'exists already; --force' vl header-backup data/two "$KEPT/one"
try "and is as it was" cmp "$KEPT/one" "$VAULT/one.luks"
try "with --force it is replaced" vl header-backup --force data/two "$KEPT/one"
try "by the other" cmp "$KEPT/one" "$VAULT/two.luks"
vl header-backup --force data/one "$KEPT/one"
try "by the header's name, too" vl header-backup two.luks "$KEPT/two"
status "a directory that is not there" 1 'Unable to make' vl header-backup data/one "$KEPT/no/one"
same "nothing else is left behind" "$(find "$KEPT" -mindepth 1 -printf '%f\n' | sort | xargs)" "one two"
cp "$VAULT/one.luks" "$KEPT/now"
printf X | dd of="$VAULT/one.luks" bs=1 seek=5000 conv=notrunc status=none
status "one flipped byte of key material: no backup" 1 'not worth a backup: the key material' \
    vl header-backup data/one "$KEPT/bad"
refuse "and no file" 'No such file' stat "$KEPT/bad"

# --- restore

try "the header is put back" vl header-restore data/one "$KEPT/one"
same "the volume is well again" "$(state one)" ok
try "and has its data" io one 'read -P 0x61 0 1M'
rm "$VAULT/one.luks"
same "the header is gone" "$(state one)" header-missing
try "a header volume that is gone is made anew" vl header-restore data/one "$KEPT/one"
same "it is its owner's alone" "$(stat -c '%a %s' "$VAULT/one.luks")" "600 4194304"
try "and opens the data" io one 'read -P 0x61 0 1M'
head -c 4M /dev/urandom | dd of="$VAULT/one.luks" conv=notrunc status=none
try "one that was overwritten" vl header-restore data/one "$KEPT/one"
try "opens the data" io one 'read -P 0x61 0 1M'
before=$(sha256sum <"$VAULT/one.luks")

status "another volume's header" 6 'is the header of data/two, not of .one.*--force twice' \
    vl header-restore data/one "$KEPT/two"
status "even with --force" 6 'is the header of data/two' vl header-restore --force data/one "$KEPT/two"
head -c 100k "$KEPT/one" >"$KEPT/short"
status "a file cut short" 6 'opens no volume: .*cut short' vl header-restore -f -f data/one "$KEPT/short"
head -c 4M /dev/urandom >"$KEPT/random"
status "random bytes" 6 'opens no volume: there is no LUKS header' vl header-restore -f -f data/one "$KEPT/random"
: >"$KEPT/empty"
status "an empty file" 6 'opens no volume' vl header-restore data/one "$KEPT/empty"
cp "$(dirname "$0")/../golden/luks2-cryptsetup.phdr" "$KEPT/luks2"
status "LUKS2" 6 'opens no volume: .*version 2' vl header-restore data/one "$KEPT/luks2"
status "no such file" 1 "Unable to open '$KEPT/nothing'" vl header-restore data/one "$KEPT/nothing"
{ cat "$KEPT/one"; } >"$KEPT/flipped"
printf X | dd of="$KEPT/flipped" bs=1 seek=5000 conv=notrunc status=none
status "a backup with a flipped byte" 6 'do not fit together' vl header-restore data/one "$KEPT/flipped"
header_of "$KEPT/foreign"
status "a header that nobody labelled" 6 'no link label' vl header-restore data/one "$KEPT/foreign"
status "even with --force, since it has another UUID" 6 'has LUKS UUID .*--force twice' \
    vl header-restore --force data/one "$KEPT/foreign"
same "nothing of that touched the header" "$(sha256sum <"$VAULT/one.luks")" "$before"
head -c 2M "$KEPT/one" >"$KEPT/bare"
status "its own, as cryptsetup saves it" 6 "no link label, as a backup by cryptsetup has none.*--force" \
    vl header-restore data/one "$KEPT/bare"
give "$KEPT/bare"
"$DAEMON_IN" cp "$KEPT/bare" "$VAULT/one.luks"
status "in the header's place" 7 'if it is the header of this volume: virt-lukshdr link data/one' vl check data/one
try "is taken by that command" vl link data/one --yes
same "it is well" "$(state one)" ok
try "one is taken with --force" vl header-restore --force data/one "$KEPT/bare"
same "it is well again" "$(state one)" ok
"$DAEMON_IN" truncate -s 1M "$VAULT/one.luks"
refuse "one that is cut short: the daemon says so" \
    "cut short: its key material ends at [0-9]* bytes, and there are 1048576; .*virt-lukshdr header-restore data/one FILE; without a backup" \
    virsh vol-clone one clone --pool data
status "told twice it is done, and the daemon's refusal is told" 1 'is in place, but.*LUKS' \
    vl header-restore -f -f data/one "$KEPT/foreign"
try "the right one goes back" vl header-restore -f data/one "$KEPT/one"

# Keys that were changed since: the old header opens with the old passphrase.
printf new-passphrase >"$DAEMON_DIR/new"
chmod 644 "$DAEMON_DIR/new"
try "a key is added by another tool" cryptsetup_in --iter-time 10 luksAddKey --key-file "$PASS" "$VAULT/one.luks" "$DAEMON_DIR/new"
same "which the label does not know" "$(state one)" header-damaged
try "until the link is renewed" vl link data/one --yes
same "then it is well" "$(state one)" ok
status "the backup would take the new key back" 6 'in good order and its keys were changed.*--force' \
    vl header-restore data/one "$KEPT/one"
try "and does when told" vl header-restore --force data/one "$KEPT/one"
same "the link is renewed by itself" "$(state one)" ok
same "the new key is gone" "$(said vl info one --json | jq '[.luks.slots[]|select(.active)]|length')" 1
# a header of which the secret opens nothing
cp "$VAULT/one.luks" "$KEPT/locked"
give "$KEPT/locked"
cryptsetup_in --iter-time 10 luksAddKey --key-file "$PASS" "$KEPT/locked" "$DAEMON_DIR/new"
cryptsetup_in luksRemoveKey --key-file "$PASS" "$KEPT/locked"
before=$(sha256sum <"$VAULT/one.luks")
status "a header that the volume's secret does not open, labelled for the one before" 6 'do not fit' \
    vl header-restore --force data/one "$KEPT/locked"
same "leaves all as it was" "$(sha256sum <"$VAULT/one.luks")" "$before"

# --- unlink and link

try "unlinked" vl unlink data/one
like "what opens the header is said" "$OUT" "$SECRET_UUID"
status "it is no linked volume any more" 1 'is not a linked volume' vl info data/one
status "link without a secret" 2 'secret UUID' vl link data/one vault/one.luks
status "link with one that is not there" 1 'secret' vl link data/one vault/one.luks \
    --secret 11111111-2222-3333-4444-555555555555
status "link with another's header" 1 'header' vl link data/one vault/two.luks --secret "$SECRET_UUID"
virsh vol-create-as vault blank 4M
status "link with what is no header" 1 'LUKS' vl link data/one vault/blank --secret "$SECRET_UUID"
# bad WHAT FILE REGEX: linking with that in the place of a header is refused, and changes neither.
bad() {
    local payload
    payload=$(sha256sum <"$DATA/one")
    cp "$2" "$VAULT/blank"
    give "$VAULT/blank"
    virsh pool-refresh vault
    status "link with $1" 1 "$3" vl link data/one vault/blank --secret "$SECRET_UUID"
    try "which stays as it is" cmp "$2" "$VAULT/blank"
    same "and so does the payload" "$(sha256sum <"$DATA/one")" "$payload"
    status "and they are not linked" 1 'is not a linked volume' vl info data/one
}
bad "random bytes" "$KEPT/random" 'LUKS'
bad "a header that is cut short" "$KEPT/short" "volume 'blank' of pool 'vault' cannot be the header: "
bad "LUKS2" "$KEPT/luks2" 'version 2|LUKS2'
bad "a header that the secret does not open" "$KEPT/locked" 'blank'
bad "nothing at all" "$KEPT/empty" '.'
try "linked again" vl link data/one vault/one.luks --secret "$SECRET_UUID"
same "it is well" "$(state one)" ok
try "and has its data" io one 'read -P 0x61 0 1M'
virsh vol-create-as vault copy.luks 4M
try "with a replica" vl link data/one --yes --replica vault/copy.luks
same "it is listed" "$(said vl info one --json | jq -c .link.replicas)" '[{"pool":"vault","volume":"copy.luks"}]'
try "it is a copy" cmp -n 2097152 "$VAULT/one.luks" "$VAULT/copy.luks"
try "and without one" vl link data/one --yes --no-replicas
same "none is listed" "$(said vl info one --json | jq -c .link.replicas)" '[]'

# --- erase

status "erase asks, and there is nobody" 6 'no terminal to ask at.*--yes' vl erase data/two
same "nothing happened" "$(state two)" ok
try "erased" vl erase --yes data/two
same "the key material is gone" "$(state two)" wiped

unset LIBVIRT_DRIVER_DIR
linked_launch
status "link without the plugin" 5 'without libvirt-lukshdr' vl link data/two vault/copy.luks --secret "$SECRET_UUID"
finish
