#!/bin/bash
# The life of a linked volume beyond creating and deleting it: generated secrets, encryption defaults of
# pools, resizing, wiping.
# shellcheck disable=SC2154 # set by linked.sh
set -u
. "$(dirname "$0")/../lib/linked.sh"

linked_start host || exit 1

# generated NAME FORMAT: a linked volume without a secret of its own
generated() {
    linked_xml "$@" | sed '/<secret /d' | create_xml
}

# create_from SOURCE: vol-create-from of the XML on stdin
create_from() {
    cat >"$DAEMON_DIR/xml/from.xml"
    virsh vol-create-from data "$DAEMON_DIR/xml/from.xml" "$1" --inputpool data
}

# plain_xml NAME FORMAT: of a plain volume without a size
plain_xml() {
    echo "<volume><name>$1</name><target><format type='$2'/></target></volume>"
}

# content VOLUME: of a plain volume, as a digest
content() {
    qemu-img convert -O raw "$DATA/$1" "$DAEMON_DIR/content" && sha256sum <"$DAEMON_DIR/content"
    rm -f "$DAEMON_DIR/content"
}

secrets() {
    virsh secret-list | sed '/^$/d' | grep -cv "$SECRET_UUID"
}

# pool_xml NAME DIR INNER [UUID]: a pool of directories with INNER in its <target>
pool_xml() {
    cat >"$DAEMON_DIR/xml/pool.xml" <<XML
<pool type='dir'><name>$1</name>${4:+<uuid>$4</uuid>}<target><path>$2</path>$3</target></pool>
XML
    echo "$DAEMON_DIR/xml/pool.xml"
}

note "A secret is generated where none is given"
try "vol-create without a secret" generated gen.raw raw
generated=$(virsh vol-dumpxml gen.raw data | sed -n "s/.*<secret .*uuid=.\([0-9a-f-]*\).*/\1/p")
like "its secret is a libvirt secret" "$(virsh secret-list)" "$generated"
xml=$(virsh secret-dumpxml "$generated")
like "private" "$xml" "private='yes'"
like "kept" "$xml" "ephemeral='no'"
like "of usage type volume, naming the payload" "$xml" "<volume>$DATA/gen.raw</volume>"
refuse "whose value is given to nobody" "private" virsh secret-get-value "$generated"
like "QEMU was asked for little stretching" \
    "$("$DAEMON_IN" cryptsetup luksDump "$VAULT/gen.raw.luks" | grep Iterations)" "Iterations:[^0-9]*[0-9]{4,5}\$"
try "vol-delete" virsh vol-delete gen.raw data
same "the secret has gone with it" "$(secrets)" 0
echo "<secret private='yes'><usage type='volume'><volume>$DATA/gen.raw</volume></usage></secret>" >"$DAEMON_DIR/xml/named.xml"
try "somebody's secret has the path as its usage" virsh secret-define "$DAEMON_DIR/xml/named.xml"
try "vol-create without a secret" generated gen.raw raw
named=$(virsh secret-list | sed -n "s|^ *\([0-9a-f-]*\) .*$DATA/gen\.raw\$|\1|p")
unlike "makes another" "$(virsh vol-dumpxml gen.raw data)" "$named"
like "the log says whose it is, and how that is used" "$(cat "$DAEMON_LOG")" \
    "'gen\.raw' of pool 'data' .*not with secret '$named'.*<secret type='passphrase' usage='$DATA/gen.raw'/>"
try "vol-delete" virsh vol-delete gen.raw data
try "leaves that secret" virsh secret-undefine "$named"
try "a volume with a secret of its own" create own.raw raw
try "is deleted" virsh vol-delete own.raw data
like "and the secret stays" "$(virsh secret-list)" "$SECRET_UUID"
rm -f "$BIN"/*
# A header that cannot be formatted: the secret was made by then.
refuse "a creation that fails late" "cipher" create_xml <<<"$(linked_xml bad.raw raw \
    "<cipher name='nosuch' size='256' mode='xts'/>" | sed '/<secret /s/<secret [^>]*>//')"
same "leaves no secret" "$(secrets)" 0
nothing_left "a creation that fails late"

try "a volume that asks for no encryption, in a pool without a default" create_xml <<<"<volume><name>none.raw</name>
    <capacity unit='M'>8</capacity><target><encryption format='none'/></target></volume>"
unlike "is plain" "$(virsh vol-dumpxml none.raw data)" "<encryption"
virsh vol-delete none.raw data

note "A pool's encryption default"
mkdir -p "$DATA/crypt"
"$DAEMON_IN" true
default="<encryption format='luks'><cipher name='aes' size='128' mode='xts'/><header type='volume'><source pool='vault'/></header></encryption>"
try "pool-define" virsh pool-define "$(pool_xml crypt "$DATA/crypt" "$default")"
uuid=$(virsh pool-uuid crypt)
[ "$DAEMON_RUNS" = system ] || chmod 755 "$DATA/crypt"
try "pool-build" virsh pool-build crypt
try "pool-start" virsh pool-start crypt
like "pool-dumpxml shows it" "$(virsh pool-dumpxml crypt)" "<source pool=.vault.*/>"
like "also --inactive" "$(virsh pool-dumpxml crypt --inactive)" "<source pool=.vault.*/>"
try "the daemon is restarted" linked_launch
virsh pool-start crypt 2>/dev/null
like "and knows it still" "$(virsh pool-dumpxml crypt --inactive)" "<source pool=.vault.*/>"
try "vol-create-as knows nothing of encryption" virsh vol-create-as crypt auto 8M --format qcow2
like "and makes a linked volume" "$(virsh vol-dumpxml auto crypt)" "<header type=.volume"
like "with the default's cipher" "$("$DAEMON_IN" cryptsetup luksDump "$VAULT/auto.luks")" "MK bits:[^0-9]*256"
own="<volume><name>own</name><capacity unit='M'>8</capacity><target><encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption></target></volume>"
try "a volume's own <encryption> wins" create_in crypt <<<"$own"
unlike "so it is attached LUKS" "$(virsh vol-dumpxml own crypt)" "<header"
plain="<volume><name>plain</name><capacity unit='M'>8</capacity><target><encryption format='none'/></target></volume>"
try "a plain volume can be asked for" create_in crypt <<<"$plain"
unlike "and is plain" "$(virsh vol-dumpxml plain crypt)" "<encryption"
try "a clone of it knows nothing of encryption" virsh vol-clone plain copy --pool crypt
like "and is a linked volume" "$(virsh vol-dumpxml copy crypt)" "<header type=.volume"
for volume in auto own plain copy; do
    try "$volume is deleted" virsh vol-delete "$volume" crypt
done
# What a default makes impossible says so: who creates a volume may not know that there is one.
iso="<volume><name>cd</name><capacity unit='M'>1</capacity><target><format type='iso'/></target></volume>"
over="<volume><name>over</name><capacity unit='M'>1</capacity><target><format type='qcow2'/></target>
<backingStore><path>$DATA/base</path><format type='raw'/></backingStore></volume>"
for xml in "$iso" "$over"; do
    refuse "what cannot be encrypted: $(sed -n 's/.*<name>\(.*\)<.name>.*/\1/p' <<<"$xml")" \
        "pool 'crypt' are encrypted by the pool's encryption default.*<encryption format='none'/>" \
        create_in crypt <<<"$xml"
done
try "as the message says, an iso is created" create_in crypt <<<"${iso/<format/<encryption format=\'none\'/><format}"
try "an empty backing store is none" create_in crypt <<<"${over/<path>*<\/backingStore>/<\/backingStore>}"
for volume in cd over; do
    try "$volume is deleted" virsh vol-delete "$volume" crypt
done
same "generated secrets are gone" "$(secrets)" 0
try "a default that names a pool that is not there" virsh pool-define \
    "$(pool_xml crypt "$DATA/crypt" "${default//vault/nowhere}" "$uuid")"
like "the log says so" "$(tail -n 1 "$DAEMON_LOG")" "default of pool 'crypt' names pool 'nowhere'.*does not exist"
refuse "a volume says where the name stands" "^error: Storage pool not found: the encryption default of pool 'crypt' \
.*names pool 'nowhere' for headers" virsh vol-create-as crypt auto 8M
try "the default from before" virsh pool-define "$(pool_xml crypt "$DATA/crypt" "$default" "$uuid")"

try "redefined without it" virsh pool-define "$(pool_xml crypt "$DATA/crypt" "" "$uuid")"
unlike "the default is gone" "$(virsh pool-dumpxml crypt --inactive)" "<encryption"
try "vol-create-as" virsh vol-create-as crypt auto 8M
unlike "makes a plain volume again" "$(virsh vol-dumpxml auto crypt)" "<encryption"
virsh vol-delete auto crypt
try "redefined with it" virsh pool-define "$(pool_xml crypt "$DATA/crypt" "$default" "$uuid")"
config=$(dirname "$LINKS")/pools/$uuid.xml
like "the file is root's alone" "$("$DAEMON_IN" stat -c %a "$config")" "^600\$"
"$DAEMON_IN" truncate -s 20 "$config"
refuse "with a damaged file nobody knows what to make" "uncertain" virsh vol-create-as crypt auto 8M
same "so nothing is made" "$(find "$DATA/crypt" -type f)" ""
try "a new definition mends it" virsh pool-define "$(pool_xml crypt "$DATA/crypt" "$default" "$uuid")"
virsh pool-destroy crypt
try "pool-undefine" virsh pool-undefine crypt
refuse "takes it away" "No such file" "$DAEMON_IN" stat "$config"

refuse "a default with a volume name" "must be of the form" virsh pool-define "$(pool_xml bad "$DATA/crypt" \
    "<encryption format='luks'><header type='volume'><source pool='vault' volume='one'/></header></encryption>")"
refuse "a default without a header" "must be of the form" virsh pool-define "$(pool_xml bad "$DATA/crypt" \
    "<encryption format='luks'/>")"
refuse "two defaults" "only one" virsh pool-define "$(pool_xml bad "$DATA/crypt" "$default$default")"
refuse "and none of them is defined" "failed to get pool" virsh pool-uuid bad
try "a transient pool" virsh pool-create "$(pool_xml passing "$DATA/crypt" "$default<headers/>")"
like "shows headers, too" "$(virsh pool-dumpxml passing)" "<headers/>"
uuid=$(virsh pool-uuid passing)
try "is destroyed" virsh pool-destroy passing
refuse "and forgotten" "No such file" "$DAEMON_IN" stat "$(dirname "$LINKS")/pools/$uuid.xml"
rmdir "$DATA/crypt"

note "Resizing"
for format in raw qcow2; do
    try "$format: a volume of 16 MiB" create "size.$format" "$format"
    try "$format: grows to 32 MiB" virsh vol-resize "size.$format" 32M --pool data
    like "$format: and says so" "$(virsh vol-info "size.$format" data --bytes)" "Capacity: +33554432 bytes"
    try "$format: by a difference" virsh vol-resize "size.$format" 8M --delta --pool data
    like "$format: exactly" "$(virsh vol-info "size.$format" data --bytes)" "Capacity: +41943040 bytes"
    like "$format: it is still linked" "$(virsh vol-dumpxml "size.$format" data)" "<header type=.volume"
done

note "Clients hear that a header pool has changed"
EVENTS=$DAEMON_DIR/events
"$DAEMON_IN" stdbuf -oL virsh -q pool-event --event refresh --loop >"$EVENTS" 2>&1 &
listener=$!
# It hears of other pools once it is there.
try "a client waits for events" waited eval 'virsh pool-refresh data && grep -q "pool data" "$EVENTS"'
heard() {
    grep -c "event 'refresh' for storage pool vault" "$EVENTS"
}
# hears COMMAND...: by COMMAND it hears of the header pool.
hears() {
    local before
    before=$(heard)
    "$@" && waited eval '[ "$(heard)" -gt "$before" ]'
}
try "by vol-create" hears create heard raw
try "by vol-clone" hears virsh vol-clone heard seen --pool data
try "by vol-delete" hears virsh vol-delete seen data
virsh vol-delete heard data
kill "$listener"
wait "$listener" 2>/dev/null

note "Cloning encrypts, decrypts and changes keys"
try "a plain volume with content" virsh vol-create-as data plain.raw 4M
head -c 4M /dev/urandom >"$DATA/plain.raw"
written=$(content plain.raw)
try "plain raw to linked qcow2" create_from plain.raw <<<"$(linked_xml one qcow2 | sed '/<capacity/d')"
like "as large as its source" "$(virsh vol-info one data --bytes)" "Capacity: +4194304 bytes"
head -c 64 "$DATA/plain.raw" >"$DAEMON_DIR/pattern"
if grep -qaF -f <(tr -d '\000\n' <"$DAEMON_DIR/pattern" | head -c 32) "$DATA/one"; then
    fail "ciphertext in the clone"
else
    ok "ciphertext in the clone"
fi
try "linked to linked, as virsh vol-clone does it" virsh vol-clone one two --pool data
xml=$(virsh vol-dumpxml two data)
like "with a header of its own" "$xml" "volume=.two.luks"
unlike "and other keys" "$("$DAEMON_IN" cryptsetup luksUUID "$VAULT/one.luks")" \
    "$("$DAEMON_IN" cryptsetup luksUUID "$VAULT/two.luks")"
try "the source is deleted" virsh vol-delete one data
try "linked qcow2 to linked raw, with a generated secret" create_from two \
    <<<"$(linked_xml three raw | sed '/<secret /d; s/>16</>1</')"
like "no smaller than its source" "$(virsh vol-info three data --bytes)" "Capacity: +4194304 bytes"
try "vol-clone of that" virsh vol-clone three four --pool data
same "has a secret of its own" "$(secrets)" 2
try "deleting the source" virsh vol-delete three data
same "takes the source's alone" "$(secrets)" 1
try "linked to plain" create_from four <<<"$(plain_xml back.qcow2 qcow2)"
unlike "which is plain" "$(virsh vol-dumpxml back.qcow2 data)" "<encryption"
same "and has what was written at first" "$(content back.qcow2)" "$written"
same "the registry has no entry of it" "$(links | wc -l)" 4
# Ciphertext is whole sectors of 512 bytes, plaintext is what it was.
for size in 1049088 1000; do
    linked_xml odd raw | sed "s|<capacity.*</allocation>|<capacity>$size</capacity>|" | create_xml
    try "vol-clone of $size bytes" virsh vol-clone odd even --pool data
    same "makes no more than whole sectors" "$(stat -c %s "$DATA/even")" $(((size + 511) / 512 * 512))
    try "decrypting $size bytes" create_from odd <<<"$(plain_xml exact raw)"
    same "makes as many" "$(stat -c %s "$DATA/exact")" $size
    for volume in odd even exact; do
        virsh vol-delete $volume data
    done
done
refuse "a clone that shares blocks" "share" virsh vol-clone four five --pool data --reflink
refuse "a clone with attached LUKS" "attached LUKS" create_from four <<<"<volume><name>five</name><target>
    <encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption></target></volume>"
refuse "a clone of a header" "vol-download" virsh vol-clone four.luks five --pool vault
cat >"$BIN/qemu-img" <<'SH'
#!/bin/sh
case " $* " in *" convert "*) kill -9 $$ ;; esac
PATH=${PATH#*:} exec qemu-img "$@"
SH
chmod 755 "$BIN/qemu-img"
before=$(lies_there)
refuse "a conversion that is killed" "killed" create_from four <<<"$(plain_xml five raw)"
refuse "also into a linked volume" "killed" virsh vol-clone four five --pool data
same "leaves nothing and the source as it was" "$(lies_there)" "$before"
rm "$BIN/qemu-img"
# The daemon dies in the middle of a conversion: the next one clears up.
cat >"$BIN/qemu-img" <<SH
#!/bin/sh
case " \$* " in *" convert "*) : >"$BIN/converting"; sleep 3600 ;; esac
PATH=\${PATH#*:} exec qemu-img "\$@"
SH
chmod 755 "$BIN/qemu-img"
chmod 777 "$BIN"
before=$(lies_there)
for target in "$(plain_xml five raw)" "$(linked_xml five qcow2)"; do
    rm -f "$BIN/converting"
    create_from four <<<"$target" >/dev/null 2>&1 &
    waited test -e "$BIN/converting"
    daemon_kill
    wait $!
    linked_launch
    same "a crash while converting is cleared up at the next start" "$(lies_there)" "$before"
done
rm "$BIN/qemu-img" "$BIN/converting"
for volume in plain.raw two four back.qcow2; do
    virsh vol-delete "$volume" data
done
same "generated secrets are gone" "$(secrets)" 0

note "Wiping is a cryptographic erase"
ln "$VAULT/size.raw.luks" "$DAEMON_DIR/witness"
before=$(sha256sum <"$DAEMON_DIR/witness")
payload=$(sha256sum <"$DATA/size.raw")
try "vol-wipe" virsh vol-wipe size.raw data
unlike "the key material is gone" "$before" "$(sha256sum <"$DAEMON_DIR/witness")"
refuse "there is no LUKS header any more" "not a valid LUKS" \
    "$DAEMON_IN" cryptsetup luksDump "$VAULT/size.raw.luks"
same "the payload was not read or written" "$(sha256sum <"$DATA/size.raw")" "$payload"
like "the link says so" "$(link_show size.raw)" 'state="wiped"'
try "vol-wipe once more" virsh vol-wipe size.raw data
try "the daemon is restarted" linked_launch
like "and knows" "$(link_show size.raw)" 'state="wiped"'
refuse "an algorithm that does not exist" "algorithm|argument" virsh vol-wipe size.qcow2 data --algorithm nosuch
like "touches nothing" "$(link_show size.qcow2)" 'state="active"'
before=$(sha256sum <"$VAULT/size.qcow2.luks")
! scrub=$(command -v scrub) || "$DAEMON_IN" mount --bind /dev/null "$scrub" # gone, for this daemon
refuse "one that needs a program which is missing" "'scrub', which is not installed" \
    virsh vol-wipe size.qcow2 data --algorithm random
like "touches nothing, either" "$(link_show size.qcow2)" 'state="active"'
same "least of all the key" "$(sha256sum <"$VAULT/size.qcow2.luks")" "$before"
try "a wiped volume is deleted" virsh vol-delete size.raw data
try "and so is one that is not" virsh vol-delete size.qcow2 data
rm "$DAEMON_DIR/witness"
nothing_left "all of this"

daemon_stop
finish
