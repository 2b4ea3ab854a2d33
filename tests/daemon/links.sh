#!/bin/bash
# What joins payload and header: linking two that exist, unlinking them, sharing and copying headers,
# replicas, headers put back from a backup, links that come with a pool from another host.
# shellcheck disable=SC2154 # set by linked.sh
set -u
. "$(dirname "$0")/../lib/linked.sh"

linked_start host || exit 1
VAULT2=$DAEMON_IMAGES/vault2
"$DAEMON_IN" mkdir -p "$VAULT2"
pool_make vault2 "$VAULT2" || exit 1
quick_keys

# link_xml ACTION PAYLOAD HEADER [INNER [MORE]]: XML that names what exists; INNER stands in <encryption>,
# MORE in <header>. The header is in the pool HEADERS, or vault.
link_xml() {
    cat <<XML
<volume><name>$2</name><capacity>0</capacity><target><encryption format='luks'>${4:-}
<header type='volume' link='$1'><source pool='${HEADERS:-vault}' volume='$3'/>${5:-}</header></encryption></target></volume>
XML
}

secret="<secret type='passphrase' uuid='$SECRET_UUID'/>"

# into PAYLOAD HEADER TEXT, out_of PAYLOAD HEADER: through the chain, as qemu-io does it; raw payloads.
chain_name() {
    echo "json:{\"driver\":\"luks\",\"key-secret\":\"s\",\"file\":{\"driver\":\"file\",\"filename\":\"$1\"},\
\"header\":{\"driver\":\"file\",\"filename\":\"$2\"}}"
}
into() {
    printf %s "$3" >"$DAEMON_DIR/text"
    chmod 644 "$DAEMON_DIR/text"
    "$DAEMON_IN" qemu-io --object "secret,id=s,data=$PASSPHRASE" \
        -c "write -s $DAEMON_DIR/text 0 512" "$(chain_name "$1" "$2")" >/dev/null
}
out_of() {
    "$DAEMON_IN" qemu-img dd --object "secret,id=s,data=$PASSPHRASE" -O raw count=1 \
        "if=$(chain_name "$1" "$2")" "of=$DAEMON_IMAGES/out" && head -c 5 "$DAEMON_IMAGES/out"
    rm -f "$DAEMON_IMAGES/out"
}
digest() {
    head -c 2066432 "$1" | sha256sum
}
luks_uuid() {
    "$DAEMON_IN" cryptsetup luksUUID "$1"
}
log_of() {
    grep -c "$1" "$DAEMON_LOG"
}

note "Two volumes that exist become a linked volume"
"$DAEMON_IN" truncate -s 16M "$DATA/hand.raw"
printf %s "$PASSPHRASE" | "$DAEMON_IN" cryptsetup luksFormat -q --type luks1 --iter-time 10 \
    --header "$VAULT/hand.luks" "$DATA/hand.raw" -
into "$DATA/hand.raw" "$VAULT/hand.luks" hello
size=$(stat -c %s "$VAULT/hand.luks")
virsh pool-refresh data
virsh pool-refresh vault
before=$(digest "$VAULT/hand.luks")
payload=$(sha256sum <"$DATA/hand.raw")
refuse "without a secret" "<secret>" create_xml <<<"$(link_xml existing hand.raw hand.luks)"
refuse "with a cipher" "cipher" create_xml <<<"$(link_xml existing hand.raw hand.luks \
    "$secret<cipher name='aes' size='256'/>")"
OTHER=7b1d9c44-0f3a-4f8e-8a2b-1c2d3e4f5a6b
secret_make $OTHER volume wrong
refuse "with a secret that does not open it" "does not open" create_xml <<<"$(link_xml existing hand.raw hand.luks \
    "<secret type='passphrase' uuid='$OTHER'/>")"
refuse "a header that does not exist" "no storage vol" create_xml <<<"$(link_xml existing hand.raw none.luks "$secret")"
refuse "a payload that does not exist" "no storage vol" create_xml <<<"$(link_xml existing none.raw hand.luks "$secret")"
"$DAEMON_IN" truncate -s 16M "$DATA/alien.raw"
printf %s "$PASSPHRASE" | "$DAEMON_IN" cryptsetup luksFormat -q --type luks1 --iter-time 10 --hash whirlpool \
    --header "$VAULT/alien.luks" "$DATA/alien.raw" -
virsh pool-refresh data && virsh pool-refresh vault
refuse "a header with a hash that QEMU does not know" \
    "QEMU cannot open header 'alien.luks' .*'aes-xts-plain64'.*'whirlpool': .*not supported" \
    create_xml <<<"$(link_xml existing alien.raw alien.luks "$secret")"
unlike "the secret is not blamed" "$OUT" "does not open"
rm -f "$DATA/alien.raw" "$VAULT/alien.luks"
virsh pool-refresh data && virsh pool-refresh vault
same "all of which leaves the header as it was" "$(stat -c %s "$VAULT/hand.luks") $(digest "$VAULT/hand.luks")" \
    "$size $before"
same "and registers nothing" "$(links)" ""
try "a header that cryptsetup made is linked" create_xml <<<"$(link_xml existing hand.raw hand.luks "$secret")"
same "its content is as it was" "$(digest "$VAULT/hand.luks")" "$before"
same "and the payload's, too" "$(sha256sum <"$DATA/hand.raw")" "$payload"
like "the payload shows the header" "$(virsh vol-dumpxml hand.raw data)" "volume=.hand.luks"
like "the header shows the payload" "$(virsh vol-dumpxml hand.luks vault)" "volume=.hand.raw"
same "what was written is there" "$(out_of "$DATA/hand.raw" "$VAULT/hand.luks")" hello
like "the link has a digest" "$(link_show hand.raw)" "$(digest "$VAULT/hand.luks" | cut -c 1-64)"
try "it can be converted" virsh vol-create-from data <(echo "<volume><name>plain</name><target>
    <format type='raw'/></target></volume>") hand.raw --inputpool data
same "into what was written" "$(head -c 5 "$DATA/plain")" hello
refuse "a header that belongs to another" "header already" create_xml <<<"$(link_xml existing plain hand.luks "$secret")"
refuse "a payload as header" "is a payload" create_xml <<<"$(HEADERS=data link_xml existing plain hand.raw "$secret")"
refuse "itself" "is a payload|unlink them" create_xml <<<"$(HEADERS=data link_xml existing hand.raw hand.raw "$secret")"
"$DAEMON_IN" cp "$VAULT/hand.luks" "$VAULT/copied.luks"
virsh pool-refresh vault
refuse "a copy of a header that is registered" "is a header of volume" \
    create_xml <<<"$(link_xml existing plain copied.luks "$secret")"
rm "$VAULT/copied.luks"
for type in luks2 noise; do
    "$DAEMON_IN" rm -f "$VAULT/bad.luks"
    case $type in
        luks2) printf %s "$PASSPHRASE" | "$DAEMON_IN" cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 \
            --iter-time 10 --header "$VAULT/bad.luks" "$DATA/plain" - ;;
        noise) "$DAEMON_IN" dd if=/dev/urandom of="$VAULT/bad.luks" bs=1M count=4 status=none ;;
    esac
    virsh pool-refresh vault
    refuse "a header of $type" "LUKS" create_xml <<<"$(link_xml existing plain bad.luks "$secret")"
done
printf %s "$PASSPHRASE" | "$DAEMON_IN" cryptsetup luksFormat -q --type luks1 --iter-time 10 "$DATA/plain" -
"$DAEMON_IN" dd if="$DATA/plain" of="$VAULT/bad.luks" bs=1M count=4 status=none
virsh pool-refresh vault
refuse "an attached volume with its own header" "a LUKS header of its own" create_xml <<<"$(link_xml existing plain bad.luks "$secret")"
virsh pool-refresh data
refuse "a payload with attached LUKS" "of its own" create_xml <<<"$(link_xml existing plain bad.luks "$secret")"
rm "$VAULT/bad.luks"
virsh vol-delete plain data
virsh pool-refresh vault

note "Keys that were changed with another tool"
printf %s "$PASSPHRASE" >"$DAEMON_DIR/old"
printf second >"$DAEMON_DIR/new"
"$DAEMON_IN" cryptsetup luksAddKey -q --iter-time 10 --key-file "$DAEMON_DIR/old" "$VAULT/hand.luks" "$DAEMON_DIR/new"
refuse "are noticed" "damaged" virsh vol-create-from data <(echo "<volume><name>x</name><target>
    <format type='raw'/></target></volume>") hand.raw --inputpool data
try "linking again makes them known" create_xml <<<"$(link_xml existing hand.raw hand.luks)"
like "and counts them" "$(link_show hand.raw)" 'generation="1"'
try "and the volume can be read again" virsh vol-create-from data <(echo "<volume><name>x</name><target>
    <format type='raw'/></target></volume>") hand.raw --inputpool data
virsh vol-delete x data
rm "$DAEMON_DIR/old" "$DAEMON_DIR/new"

note "Unlinking"
refuse "from a header that is not its own" "not linked" create_xml <<<"$(link_xml unlink hand.raw other.luks)"
try "payload and header are unlinked" create_xml <<<"$(link_xml unlink hand.raw hand.luks)"
same "the registry is empty" "$(links)" ""
unlike "the payload shows no header" "$(virsh vol-dumpxml hand.raw data)" "<header"
same "there is no label" "$(grep -ac LUKSHDR "$VAULT/hand.luks")" 0
same "the content is there" "$(out_of "$DATA/hand.raw" "$VAULT/hand.luks")" hello
refuse "what is unlinked cannot be unlinked" "not linked" create_xml <<<"$(link_xml unlink hand.raw hand.luks)"
try "but linked again" create_xml <<<"$(link_xml existing hand.raw hand.luks "$secret")"
try "and deleted with its header" virsh vol-delete hand.raw data
nothing_left "a volume that was linked"

note "A header that several share"
try "one with a header" create a.raw raw
refuse "another on a header that is none" "cannot be shared" create_xml <<<"$(linked_xml b.raw raw \
    | sed "s/<header type='volume'>/<header type='volume' link='share'>/; /<secret /d")"
share() {
    linked_xml "$1" raw "" "pool='vault' volume='a.raw.luks'" |
        sed "s/<header type='volume'>/<header type='volume' link='share'>/; /<secret /d" | create_xml
}
try "another on the same" share b.raw
try "and a third" share c.raw
same "there is one header" "$(ls "$VAULT")" a.raw.luks
like "which shows all of them" "$(virsh vol-dumpxml a.raw.luks vault | xargs)" "a.raw.*b.raw.*c.raw|a.raw.*c.raw.*b.raw"
for volume in a b c; do
    like "$volume.raw says that it is shared" "$(virsh vol-dumpxml $volume.raw data)" "link=.share"
done
refuse "to wipe one would destroy the others" "shares its header" virsh vol-wipe a.raw data
"$DAEMON_IN" chmod 666 "$DATA"/*.raw "$VAULT"/*.luks
into "$DATA/b.raw" "$VAULT/a.raw.luks" bravo
before=$(digest "$VAULT/a.raw.luks")
try "the first is deleted" virsh vol-delete a.raw data
same "the header is as it was" "$(digest "$VAULT/a.raw.luks")" "$before"
same "the others can be read" "$(out_of "$DATA/b.raw" "$VAULT/a.raw.luks")" bravo
like "and still share" "$(virsh vol-dumpxml b.raw data)" "link=.share"
try "the second is deleted" virsh vol-delete c.raw data
unlike "the last has it alone" "$(virsh vol-dumpxml b.raw data)" "link=.share"
try "and is wiped" virsh vol-wipe b.raw data
refuse "which leaves nothing to share" "state is 'wiped'" share d.raw
try "the last takes the header with it" virsh vol-delete b.raw data
nothing_left "sharing"

note "A quick clone has the master key of its source"
try "the source" create one.raw raw
"$DAEMON_IN" chmod 666 "$DATA"/*.raw "$VAULT"/*.luks
into "$DATA/one.raw" "$VAULT/one.raw.luks" uno
copy() {
    cat >"$DAEMON_DIR/xml/from.xml" <<XML
<volume><name>$2</name><target><format type='raw'/><encryption format='luks'>${3:-}
<header type='volume' link='copy'><source pool='vault'/></header></encryption></target></volume>
XML
    virsh vol-create-from data "$DAEMON_DIR/xml/from.xml" "$1" --inputpool data
}
refuse "with a cipher of its own" "cipher" copy one.raw two.raw "<cipher name='aes' size='128'/>"
refuse "by vol-create" "vol-create-from" create_xml <<<"$(linked_xml two.raw raw |
    sed "s/<header type='volume'>/<header type='volume' link='copy'>/")"
try "is asked for by name" copy one.raw two.raw
unlike "it has a LUKS UUID of its own" "$(luks_uuid "$VAULT/one.raw.luks")" "$(luks_uuid "$VAULT/two.raw.luks")"
same "and the same key material" "$(tail -c +4097 "$VAULT/two.raw.luks" | head -c 2000000 | sha256sum)" \
    "$(tail -c +4097 "$VAULT/one.raw.luks" | head -c 2000000 | sha256sum)"
same "the same ciphertext" "$(sha256sum <"$DATA/two.raw")" "$(sha256sum <"$DATA/one.raw")"
same "its holes are holes" "$([ "$(stat -c %b "$DATA/two.raw")" -lt 1000 ] && echo yes)" yes
"$DAEMON_IN" chmod 666 "$DATA"/*.raw "$VAULT"/*.luks
same "the content is read" "$(out_of "$DATA/two.raw" "$VAULT/two.raw.luks")" unoun
try "the source goes" virsh vol-delete one.raw data
linked_xml gen.raw raw | sed '/<secret /d' | create_xml
try "a clone of one with a generated secret" copy gen.raw gen2.raw
try "the source of that goes, with its secret" virsh vol-delete gen.raw data
generated=$(virsh vol-dumpxml gen2.raw data | sed -n "s/.*<secret .*uuid=.\([0-9a-f-]*\).*/\1/p")
like "the clone has a secret record of its own" "$(virsh secret-list)" "$generated"
try "which opens it" virsh vol-create-from data <(echo "<volume><name>x</name><target>
    <format type='raw'/></target></volume>") gen2.raw --inputpool data
for volume in x two.raw gen2.raw; do virsh vol-delete $volume data; done
nothing_left "quick clones"

note "Replicas"
replicated() {
    linked_xml "$1" raw "" "pool='vault'/><source pool='vault2'" | create_xml
}
"$DAEMON_IN" touch "$VAULT2/taken.raw.luks"
virsh pool-refresh vault2
refuse "a replica in place of another volume" "taken.raw.luks" replicated taken.raw
nothing_left "a refused replica"
rm "$VAULT2/taken.raw.luks"
virsh pool-refresh vault2
try "a volume with a replica of its header" replicated rep.raw
same "which is the same" "$(cmp "$VAULT/rep.raw.luks" "$VAULT2/rep.raw.luks" && echo yes)" yes
same "of mode 0600" "$(stat -c %a "$VAULT2/rep.raw.luks")" 600
like "vol-dumpxml shows it" "$(virsh vol-dumpxml rep.raw data)" "pool=.vault2.*volume=.rep.raw.luks"
like "the replica shows the payload" "$(virsh vol-dumpxml rep.raw.luks vault2)" "volume=.rep.raw"
refuse "it is not deleted" "header" virsh vol-delete rep.raw.luks vault2
refuse "or wiped" "header" virsh vol-wipe rep.raw.luks vault2
refuse "or resized" "header" virsh vol-resize rep.raw.luks 8M vault2
good=$(digest "$VAULT/rep.raw.luks")
is_good() {
    [ "$(digest "$1" 2>/dev/null)" = "$good" ]
}
for what in "a bit of a key slot in use:5000" "a bit of a key slot not in use:1900000" "the cipher:40"; do
    flip "$VAULT/rep.raw.luks" "${what##*:}"
    virsh pool-destroy vault
    virsh pool-start vault
    try "a flipped ${what%%:*} is mended at pool-start" waited is_good "$VAULT/rep.raw.luks"
done
like "and the log says so" "$(log_of "has been replaced by its copy")" "^[1-9]"
rm "$VAULT/rep.raw.luks"
virsh pool-destroy vault
virsh pool-start vault
try "a header that is missing comes back" waited is_good "$VAULT/rep.raw.luks"
same "with nothing beside it" "$(ls "$VAULT")" rep.raw.luks
flip "$VAULT2/rep.raw.luks" 5000
virsh pool-destroy vault2
virsh pool-start vault2
try "and so does a replica" waited is_good "$VAULT2/rep.raw.luks"
create late.raw raw
"$DAEMON_IN" truncate -s 4M "$VAULT2/late.raw.luks"
virsh pool-refresh vault2
try "a replica is added by linking again" create_xml <<<"$(link_xml existing late.raw late.raw.luks "" "<source pool='vault2'/>")"
same "and is the same" "$(cmp "$VAULT/late.raw.luks" "$VAULT2/late.raw.luks" && echo yes)" yes
try "vol-delete" virsh vol-delete late.raw data
virsh pool-destroy vault2
refuse "a volume whose replica cannot be destroyed" "vault2" virsh vol-delete rep.raw data
virsh pool-start vault2
ln "$VAULT2/rep.raw.luks" "$DAEMON_DIR/witness"
before=$(sha256sum <"$DAEMON_DIR/witness")
try "is deleted with it" virsh vol-delete rep.raw data
unlike "and its key material" "$(sha256sum <"$DAEMON_DIR/witness")" "$before"
rm "$DAEMON_DIR/witness"
nothing_left "replicas"
same "nor in the pool of replicas" "$(ls "$VAULT2")" ""

note "Backup and restore with plain virsh"
create back.raw raw
create other.raw raw
try "vol-download of the header" virsh vol-download back.raw.luks "$DAEMON_DIR/backup" --pool vault
virsh vol-download other.raw.luks "$DAEMON_DIR/wrong" --pool vault
read_out() {
    virsh vol-create-from data <(echo "<volume><name>x</name><target><format type='raw'/></target></volume>") \
        back.raw --inputpool data && virsh vol-delete x data
}
try "the header of another volume is put there" virsh vol-upload back.raw.luks "$DAEMON_DIR/wrong" --pool vault
refuse "which is noticed" "label is that of volume .other.raw.* and not that of linked volume .back.raw" read_out
head -c 1000000 "$DAEMON_DIR/backup" >"$DAEMON_DIR/short"
try "half a header is put there" virsh vol-upload back.raw.luks "$DAEMON_DIR/short" --pool vault
refuse "which is noticed, too" "cannot be used" read_out
try "the backup is put back" virsh vol-upload back.raw.luks "$DAEMON_DIR/backup" --pool vault
try "and everything is as before" read_out
rm "$VAULT/back.raw.luks"
virsh pool-refresh vault
refuse "a header that has gone" "back.raw.luks" read_out
try "a volume in its place" virsh vol-create-as vault back.raw.luks 4M --format raw
try "takes the backup" virsh vol-upload back.raw.luks "$DAEMON_DIR/backup" --pool vault
virsh pool-refresh vault
try "and the link is back" read_out
"$DAEMON_IN" sh -c 'cp "$1" "$1.new" && mv "$1.new" "$1"' in "$VAULT/back.raw.luks"
try "the header in another file, before anybody looks at it" \
    virsh vol-upload back.raw.luks "$DAEMON_DIR/backup" --pool vault
virsh pool-refresh vault
try "and it is still the header" read_out
try "vol-delete" virsh vol-delete back.raw data
virsh vol-delete other.raw data
nothing_left "backup and restore"

note "Links come with their headers to another host"
create move.raw raw
"$DAEMON_IN" chmod 666 "$DATA"/*.raw "$VAULT"/*.luks
into "$DATA/move.raw" "$VAULT/move.raw.luks" moved
registry=$(link_of move.raw)
daemon_kill
"$DAEMON_IN" mv "$registry" "$DAEMON_IMAGES/entry"
linked_launch
unlike "a label in a pool that is not declared is not believed" "$(virsh vol-dumpxml move.raw data)" "<header"
declare_headers() {
    virsh pool-dumpxml vault --inactive | sed "s#<target>#<target>$1#" >"$DAEMON_DIR/xml/pool.xml"
    virsh pool-define "$DAEMON_DIR/xml/pool.xml"
}
declare_headers "<headers/>"
virsh pool-destroy vault
virsh pool-start vault
seen() {
    virsh vol-dumpxml "$1" data | grep -q '<header'
}
try "in a declared header pool it is" waited seen move.raw
like "with the names of this host" "$(virsh vol-dumpxml move.raw data)" "pool=.vault.*volume=.move.raw.luks"
like "under the link's own UUID" "$(link_of move.raw)" "$(basename "$registry")"
try "it can be read" virsh vol-create-from data <(echo "<volume><name>x</name><target>
    <format type='raw'/></target></volume>") move.raw --inputpool data
same "as it was written" "$(head -c 5 "$DATA/x")" moved
virsh vol-delete x data
"$DAEMON_IN" rm "$DAEMON_IMAGES/entry"
daemon_kill
"$DAEMON_IN" rm "$(link_of move.raw)"
linked_launch
try "also when the daemon starts" waited seen move.raw
"$DAEMON_IN" cp "$VAULT/move.raw.luks" "$VAULT/forged.luks"
virsh pool-refresh vault
waited grep -q "is a copy of the header" "$DAEMON_LOG"
same "a copy of a header is reported, once" "$(log_of "is a copy of the header")" 1
like "and not believed" "$(virsh vol-dumpxml move.raw data)" "volume=.move.raw.luks"
"$DAEMON_IN" rm "$VAULT/forged.luks"
virsh vol-delete move.raw data
nothing_left "links from elsewhere"


daemon_stop
finish
