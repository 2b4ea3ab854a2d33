#!/bin/bash
# Linked volumes from vol-create to vol-delete: what libvirt shows of them, that other implementations of
# LUKS open them, that what must not be done to a header is refused, and that nothing is left in the end.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/linked.sh"

need_command qemu-io nbdkit cryptsetup openssl
CHAIN_JSON=$BUILDDIR/tests/chain-json
[ -x "$CHAIN_JSON" ] || skip_all "needs $CHAIN_JSON"

try "a daemon with a header pool and a payload pool starts" linked_start || finish

# --- the pair, opened by others

# io VOLUME COMMAND...: qemu-io on the chain that the link describes.
io() {
    local volume=$1 json command args=()
    shift
    link_show "$volume" >"$DAEMON_DIR/link.xml"
    sed -i '/^<!--/d' "$DAEMON_DIR/link.xml"
    json=$("$CHAIN_JSON" "$DAEMON_DIR/link.xml" libvirt-1 sec0) || return
    for command; do
        args+=(-c "$command")
    done
    qemu-io --object "secret,id=sec0,data=$PASSPHRASE" "${args[@]}" "json:$json" 2>&1 | tee "$DAEMON_DIR/io"
    [ "${PIPESTATUS[0]}" -eq 0 ] && ! grep -Eqi 'fail|error|could not' "$DAEMON_DIR/io"
}

# attached VOLUME: $DAEMON_DIR/whole is the header as if a payload followed it at 4 MiB: a detached
# header claims 0 sectors of it (the field at byte 104, in sectors of 512 bytes, big endian).
attached() {
    cp "$VAULT/$1.luks" "$DAEMON_DIR/whole" && truncate -s 4M "$DAEMON_DIR/whole" &&
        printf '\0\0\40\0' | dd of="$DAEMON_DIR/whole" bs=1 seek=104 conv=notrunc status=none
}

# nbdkit_reads VOLUME COMMAND...: the raw pair through nbdkit's own implementation of LUKS.
nbdkit_reads() {
    local volume=$1 command commands=''
    attached "$volume" || return
    shift
    for command; do
        commands+=" -c '$command'"
    done
    printf %s "$PASSPHRASE" >"$DAEMON_DIR/passphrase"
    timeout "$TAP_PATIENCE" nbdkit -U - --filter=luks split "$DAEMON_DIR/whole" "$DATA/$volume" \
        "passphrase=+$DAEMON_DIR/passphrase" --run "timeout $TAP_PATIENCE qemu-io -r -f raw $commands \"\$uri\"" \
        >"$DAEMON_DIR/io" 2>&1
    local status=$?
    cat "$DAEMON_DIR/io"
    rm -f "$DAEMON_DIR/passphrase"
    [ $status -eq 0 ] && grep -q '^read ' "$DAEMON_DIR/io" && ! grep -Eqi 'fail|error' "$DAEMON_DIR/io"
}

# master_key VOLUME: as cryptsetup gets it out of the header, in hexadecimal.
master_key() {
    attached "$1" && printf %s "$PASSPHRASE" |
        cryptsetup luksDump --dump-master-key --batch-mode --key-file - "$DAEMON_DIR/whole" |
        sed -n '/^MK dump:/,$p' | sed 's/MK dump://' | tr -d ' \t\n'
}

# essiv_reads VOLUME: the first sector, decrypted by openssl with what aes-cbc-essiv:sha256 is: the
# initialisation vector is the sector's number, encrypted with the key's digest.
essiv_reads() {
    local key salt iv
    key=$(master_key "$1")
    [ ${#key} -eq 64 ] || return
    salt=$(tohex <<<"$key" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
    iv=$(head -c 16 /dev/zero | openssl enc -aes-256-ecb -nopad -K "$salt" | od -An -v -tx1 | tr -d ' \n')
    head -c 512 "$DATA/$1" | openssl enc -d -aes-256-cbc -nopad -K "$key" -iv "$iv"
}

tohex() {
    local hex
    read -r hex
    while [ -n "$hex" ]; do
        printf "%b" "\\x${hex:0:2}"
        hex=${hex:2}
    done
}

holds_plaintext() {
    grep -q ZZZZZZZZZZZZZZZZ "$1"
}

no_plaintext() {
    [ -s "$1" ] && ! holds_plaintext "$1"
}

dumped() {
    cryptsetup luksDump "$VAULT/$1.luks" | sed -n "s/^$2:[[:space:]]*//p"
}

# --- a raw one, of the defaults that the issue names

try "a raw linked volume is created" create disk.raw raw \
    "<cipher name='aes' size='256' mode='xts' hash='sha256'/><ivgen name='plain64'/>"
same "the header's mode" "$(stat -c %a "$VAULT/disk.raw.luks")" 600
same "the header's size" "$(stat -c %s "$VAULT/disk.raw.luks")" $((4 * 1024 * 1024))
same "the payload's size is the capacity" "$(stat -c %s "$DATA/disk.raw")" $((16 * 1024 * 1024))
same "the cipher" "$(dumped disk.raw 'Cipher name') $(dumped disk.raw 'Cipher mode') \
$(dumped disk.raw 'Hash spec') $(dumped disk.raw 'MK bits')" "aes xts-plain64 sha256 512"
same "the header is detached" "$(dumped disk.raw 'Payload offset')" 0

xml=$(virsh vol-dumpxml disk.raw data)
like "vol-dumpxml of the payload shows the secret" "$xml" "<secret type='passphrase' uuid='$SECRET_UUID'/>"
like "vol-dumpxml of the payload shows the header" "$(tr -d '\n' <<<"$xml")" \
    "<encryption format='luks'>.*<header type='volume'> *<source pool='vault' volume='disk.raw.luks'/>"
like "vol-dumpxml of the payload shows its format" "$xml" "<format type='raw'/>"
xml=$(virsh vol-dumpxml disk.raw.luks vault)
like "vol-dumpxml of the header shows its payload" "$(tr -d '\n' <<<"$xml")" \
    "<encryption format='luks'>.*<payload type='volume'> *<source pool='data' volume='disk.raw'/>"
like "and that it is no disk" "$xml" "<format type='luks'/>"
virsh pool-refresh vault && virsh pool-refresh data
same "a refresh changes nothing of that" "$(virsh vol-dumpxml disk.raw.luks vault | grep -v time)" \
    "$(grep -v time <<<"$xml")"
same "one link is registered" "$(links | wc -l)" 1
same "its file is the daemon's alone" "$("$DAEMON_IN" stat -c %a "$(link_of disk.raw)")" 600
same "the LUKS UUID is the header's" "$(link_show disk.raw | sed -n 's/.*<luks uuid="\([^"]*\)".*/\1/p')" \
    "$(dumped disk.raw UUID)"
like "the label in the header names the payload" "$(dd if="$VAULT/disk.raw.luks" bs=1M skip=2 status=none |
    tr -d '\0')" '<payload pool="data" volume="disk.raw" format="raw">'

truncate -s 16M "$DAEMON_DIR/plain"
qemu-io -f raw -c 'write -P 0x5a 0 1M' "$DAEMON_DIR/plain" >/dev/null
try "plaintext is found where it is" holds_plaintext "$DAEMON_DIR/plain"
try "data is written through the chain" io disk.raw 'write -P 0x5a 0 1M' 'write -P 0x41 15M 64k'
try "nbdkit reads it" nbdkit_reads disk.raw 'read -P 0x5a 0 1M' 'read -P 0x41 15M 64k'
refuse "nbdkit notices other data" 'Pattern verification failed' nbdkit_reads disk.raw 'read -P 0x5b 0 1M'
try "the payload does not hold the plaintext" no_plaintext "$DATA/disk.raw"

# --- ciphers. That keys are stretched for seconds by default has been seen above.

quick_keys

try "aes-128: created" create small.raw raw "<cipher name='aes' size='128' mode='xts' hash='sha512'/>"
same "aes-128, sha512: the cipher" "$(dumped small.raw 'Cipher name') $(dumped small.raw 'Cipher mode') \
$(dumped small.raw 'Hash spec') $(dumped small.raw 'MK bits')" "aes xts-plain64 sha512 256"
try "aes-128: written" io small.raw 'write -P 0x5a 0 1M'
try "aes-128: nbdkit reads it" nbdkit_reads small.raw 'read -P 0x5a 0 1M'

try "cbc, essiv: created" create essiv.raw raw \
    "<cipher name='aes' size='256' mode='cbc' hash='sha1'/><ivgen name='essiv' hash='sha256'/>"
same "cbc, essiv: the cipher" "$(dumped essiv.raw 'Cipher name') $(dumped essiv.raw 'Cipher mode') \
$(dumped essiv.raw 'Hash spec') $(dumped essiv.raw 'MK bits')" "aes cbc-essiv:sha256 sha1 256"
try "cbc, essiv: written" io essiv.raw 'write -P 0x5a 0 1M'
if [ -n "$(master_key essiv.raw)" ]; then
    same "cbc, essiv: cryptsetup's key and openssl read it" "$(essiv_reads essiv.raw)" \
        "$(head -c 512 /dev/zero | tr '\0' Z)"
else
    skip "cbc, essiv: cryptsetup's key and openssl read it" "cryptsetup needs the kernel's AF_ALG"
fi

try "serpent: created" create serpent.raw raw "<cipher name='serpent' size='256' mode='xts' hash='sha256'/>"
same "serpent: the cipher" "$(dumped serpent.raw 'Cipher name') $(dumped serpent.raw 'MK bits')" "serpent 512"
try "serpent: written" io serpent.raw 'write -P 0x5a 0 64k'
try "serpent: the payload does not hold the plaintext" no_plaintext "$DATA/serpent.raw"

# --- what must not be done to a header

dd if=/dev/urandom of="$DAEMON_DIR/noise" bs=1k count=64 status=none
chmod 644 "$DAEMON_DIR/noise"
before=$(lies_there)
refuse "a header is not deleted" "holds the LUKS header of volume 'disk.raw' in pool 'data'" \
    virsh vol-delete disk.raw.luks vault
refuse "a header is not wiped" "holds the LUKS header" virsh vol-wipe disk.raw.luks vault
refuse "a header is not wiped by another algorithm" "holds the LUKS header" \
    virsh vol-wipe disk.raw.luks vault --algorithm random
refuse "a header is not resized" "holds the LUKS header" virsh vol-resize disk.raw.luks 8M vault
refuse "a header is not cloned" 'cannot be cloned' virsh vol-clone disk.raw.luks copy.luks vault
same "none of that changed anything" "$(lies_there)" "$before"
"$DAEMON_IN" sh -c ': >"$1/backup"' in "$DAEMON_IMAGES"
try "a header is downloaded" virsh vol-download disk.raw.luks "$DAEMON_IMAGES/backup" vault
try "the backup is the header" cmp "$DAEMON_IMAGES/backup" "$VAULT/disk.raw.luks"

# --- another pool over the same directories

"$DAEMON_IN" ln -s "$DATA" "$DAEMON_IMAGES/data2"
"$DAEMON_IN" ln -s "$VAULT" "$DAEMON_IMAGES/vault2"
try "second pools over both directories" eval \
    'pool_make data2 "$DAEMON_IMAGES/data2" && pool_make vault2 "$DAEMON_IMAGES/vault2"'
like "a second pool shows the header" "$(virsh vol-dumpxml small.raw data2)" "volume='small.raw.luks'"
like "a second pool shows the payload" "$(virsh vol-dumpxml small.raw.luks vault2)" "volume='small.raw'"
refuse "a second pool does not delete a header" 'holds the LUKS header' virsh vol-delete small.raw.luks vault2
"$DAEMON_IN" ln "$DATA/small.raw" "$DATA/hardlink"
virsh pool-refresh data
like "nor is a hard link of a payload a plain volume" "$(virsh vol-dumpxml hardlink data)" "volume='small.raw.luks'"
rm "$DATA/hardlink"
virsh pool-refresh data

# --- names that others put there

# Whoever may write to the directory of a pool makes a name of another's volume. To delete it removes the name.
"$DAEMON_IN" mkdir "$DAEMON_IMAGES/others"
try "a pool of others" pool_make others "$DAEMON_IMAGES/others"
kept=$(sha256sum <"$VAULT/small.raw.luks")
entry=$(link_show small.raw)
for how in hard symbolic; do
    "$DAEMON_IN" cp "--$([ $how = hard ] || echo symbolic-)link" "$DATA/small.raw" "$DAEMON_IMAGES/others/$how"
    virsh pool-refresh others
    like "$how link: the volume is known" "$(virsh vol-dumpxml $how others)" "volume='small.raw.luks'"
    like "$how link: list tells what it is" "$("$DAEMON_IN" "$BUILDDIR/tools/virt-lukshdr" list 2>&1)" \
        "others/$how: this is linked volume data/small.raw by another name"
    try "$how link: check finds nothing wrong" "$DAEMON_IN" "$BUILDDIR/tools/virt-lukshdr" check others
    refuse "$how link: it is not wiped by that name" "one more name of linked volume 'small.raw' of pool 'data'" \
        virsh vol-wipe $how others
    try "$how link: the name is deleted" virsh vol-delete $how others
    refuse "$how link: it is gone" "" "$DAEMON_IN" test -L "$DAEMON_IMAGES/others/$how" -o -e "$DAEMON_IMAGES/others/$how"
    try "$how link: the volume is there" test -e "$DATA/small.raw"
    same "$how link: with its key" "$(sha256sum <"$VAULT/small.raw.luks")" "$kept"
    same "$how link: and its link" "$(link_show small.raw)" "$entry"
done
virsh pool-destroy others

# --- deleting

# deleted VOLUME POOL: vol-delete; $kept, a hard link, is the header's content afterwards.
kept=$DAEMON_DIR/kept
deleted() {
    rm -f "$kept" "$DAEMON_DIR/backup" &&
        ln "$VAULT/$1.luks" "$kept" && cp "$kept" "$DAEMON_DIR/backup" &&
        virsh vol-delete "$1" "$2" && [ ! -e "$DATA/$1" ] && [ ! -e "$VAULT/$1.luks" ]
}

# in_common: of how many blocks of 4 KiB how many are as they were, and how many are zeroes.
in_common() {
    blocks() {
        od -An -v -tx8 -w4096 "$@"
    }
    awk 'FILENAME != last { last = FILENAME; file++; n = 0 }
         file == 1 { zero = $0; next }
         { n++ }
         file == 2 { was[n] = $0; next }
         { kept += $0 == was[n]; zeroes += $0 == zero }
         END { print n, kept + 0, zeroes + 0 }' \
        <(head -c 4096 /dev/zero | blocks) <(blocks "$DAEMON_DIR/backup") <(blocks "$kept")
}

for volume in "disk.raw data" "small.raw data2" "essiv.raw data" "serpent.raw data"; do
    # shellcheck disable=SC2086 # two words
    try "$volume: deleted, with its header" deleted $volume
    same "$volume: every block of the header was overwritten before, none by zeroes" "$(in_common)" "1024 0 0"
done
rm -f "$kept"
for pool in data2 vault2; do
    { virsh pool-destroy $pool && virsh pool-undefine $pool; } >/dev/null
done
nothing_left "after the last"

# --- formats

for format in qcow2 qcow qed vmdk vdi vpc; do
    try "$format: created" create "disk.$format" "$format"
    like "$format: vol-dumpxml" "$(virsh vol-dumpxml "disk.$format" data | tr -d '\n')" \
        "<format type='$format'/>.*<header type='volume'> *<source pool='vault' volume='disk.$format.luks'/>"
    like "$format: qemu-img calls it that" "$(qemu-img info "$DATA/disk.$format")" "file format: $format"
    try "$format: written through the chain" io "disk.$format" 'write -P 0x5a 0 1M' 'read -P 0x5a 0 1M'
    refuse "$format: other data is noticed" 'Pattern verification failed' io "disk.$format" 'read -P 0x5b 0 1M'
    try "$format: the payload does not hold the plaintext" no_plaintext "$DATA/disk.$format"
    if [ "$format" = qcow2 ]; then
        qemu-img convert -O raw "$DATA/disk.qcow2" "$DAEMON_DIR/content"
        cp "$DAEMON_DIR/content" "$DATA/content"
        cp "$VAULT/disk.qcow2.luks" "$VAULT/content.luks"
        try "qcow2: nbdkit reads what is in it" nbdkit_reads content 'read -P 0x5a 0 1M'
        rm -f "$DATA/content" "$VAULT/content.luks"
    fi
    try "$format: deleted" virsh vol-delete "disk.$format" data
done
nothing_left "after the formats"

# --- names

try "the header's own name" create own raw "" "pool='vault' volume='the header'"
like "is shown" "$(virsh vol-dumpxml own data)" "volume='the header'"
try "deleted" virsh vol-delete own data
name=$'a "b" \x27c\x27, d\\e {f} %s $g k\xc3\xa4\xe2\x82\xac'
try "an awkward name" create "${name//&/&amp;}" qcow2
try "deleted" virsh vol-delete "$name" data
name=$'two\nlines'
try "a name of two lines" create "$name" raw
like "is shown with its header" "$(virsh vol-dumpxml "$name" data | tr '\n' ' ')" "volume='two&#10;lines.luks'"
try "deleted" virsh vol-delete "$name" data
try "header and payload in one pool" create both raw "" "pool='data'"
try "deleted" virsh vol-delete both data
nothing_left "after the names"

# --- a label is a claim

try "a linked volume" create real raw
try "a plain volume" virsh vol-create-as data plain 8M
dd if="$VAULT/real.luks" of="$DATA/plain" bs=1M count=4 conv=notrunc 2>/dev/null
virsh pool-refresh data
unlike "a forged header and label on a plain volume make no link" "$(virsh vol-dumpxml plain data)" "<payload"
try "which is deleted as any other" virsh vol-delete plain data
like "and the real one is as it was" "$(virsh vol-dumpxml real.luks vault)" "<payload"
try "deleted" virsh vol-delete real data
nothing_left "after the forgery"

unlike "the log has no complaint of ours but the refusals" \
    "$(grep 'lukshdr[A-Z]' "$DAEMON_LOG" | grep -v 'info :\|holds the LUKS header\|cannot be cloned')" '.'
finish
