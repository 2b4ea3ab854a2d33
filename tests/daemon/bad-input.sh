#!/bin/bash
# Bad input to vol-create: a clear error, nothing lost, nothing left behind, and the daemon goes on.

# shellcheck disable=SC2317 # many functions are called by way of refuse
. "$(dirname "$0")/../lib/linked.sh"

# "with ... | bad ..." counts in this shell
shopt -s lastpipe

try "a daemon with a header pool and a payload pool starts" linked_start || finish
quick_format
try "a linked volume to be lost, if anything is" create there qcow2
virsh vol-create-as data plain 1M >/dev/null
virsh vol-create-as vault plain.luks 1M >/dev/null
before=$(lies_there)

# bad WHAT REGEX: the XML on stdin is refused with an error that matches REGEX, and that was all.
bad() {
    local after
    cat >"$DAEMON_DIR/bad.xml"
    refuse "$1" "$2" virsh vol-create data "$DAEMON_DIR/bad.xml"
    after=$(lies_there)
    [ "$after" = "$before" ] || {
        fail "$1: nothing changed" "$(diff <(echo "$before") <(echo "$after"))"
        before=$after
    }
    [ "$(virsh pool-list --name | sort | xargs)" = "data vault" ] ||
        fail "$1: the daemon answers, the pools are active"
}

# with OLD NEW: a good linked volume's XML, OLD replaced by NEW.
with() {
    local xml
    xml=$(linked_xml new raw "" "pool='vault' volume='new.luks'")
    case $xml in
        *"$1"*) printf '%s\n' "${xml/"$1"/$2}" ;;
        *) fail "the test finds $1 in its XML" ;;
    esac
}

# --- pools and names

with "pool='vault'" "pool='nowhere'" | bad "an unknown header pool" "Storage pool not found.*'?nowhere"
virsh pool-destroy vault >/dev/null
cat >"$DAEMON_DIR/bad.xml" < <(with "pool='vault'" "pool='vault'")
refuse "an inactive header pool is named, with what to do" "pool 'vault'.*not active.*virsh pool-start" \
    virsh vol-create data "$DAEMON_DIR/bad.xml"
same "and nothing changed" "$(lies_there)" "$before"
refuse "a volume whose header pool is inactive is not deleted, the pool is named" "pool 'vault'.*not active" \
    virsh vol-delete there data
like "and is still shown with its header" "$(virsh vol-dumpxml there data)" "pool='vault' volume='there.luks'"
virsh pool-start vault >/dev/null
same "nor did anything of it change" "$(lies_there)" "$before"
virsh pool-destroy data >/dev/null
cat >"$DAEMON_DIR/bad.xml" < <(with new new)
refuse "an inactive payload pool" "pool '?data'? is not active" virsh vol-create data "$DAEMON_DIR/bad.xml"
virsh pool-start data >/dev/null
same "and nothing changed" "$(lies_there)" "$before"

with "volume='new.luks'" "volume='there.luks'" | bad "a header of that name exists" "'there.luks' of pool 'vault', which is to become the header of 'new' .*exists already"
with "volume='new.luks'" "volume='plain.luks'" | bad "another volume of the header's name exists" "'plain.luks' of pool 'vault', which is to become the header of 'new' .*exists already"
with "<name>new" "<name>there" | bad "a payload of that name exists" "'there' exists"
with "<name>new" "<name>plain" | bad "another volume of the payload's name exists" "'plain' exists"
with "source pool='vault' volume='new.luks'" "source pool='data' volume='new'" |
    bad "a volume as its own header" "cannot be its own header"
with "pool='vault'" "" | bad "a header without a pool" "needs the name of a pool"

for name in '../escape' 'a/b' '/etc/passwd' '..' '.' ''; do
    with "volume='new.luks'" "volume='$name'" | bad "a header called '$name'" "cannot be the name of a volume"
    with "<name>new" "<name>$name" | bad "a payload called '$name'" "cannot be the name of a volume"
    with "pool='vault'" "pool='$name'" | bad "a header pool called '$name'" "cannot be the name of a pool"
done
with "<name>new</name>" "" | bad "no name" "exactly one name"
with "<name>new" "<name>other</name><name>new" | bad "two names" "exactly one name"
long=$(printf 'x%.0s' {1..300})
with "<name>new" "<name>$long" | bad "a payload's name of 300 bytes" "File name too long|cannot create path|too long"
with "volume='new.luks'" "volume='$long'" | bad "a header's name of 300 bytes" "File name too long|too long"

# --- the secret

other=11111111-2222-3333-4444-555555555555
with "$SECRET_UUID" "$other" | bad "an unknown secret" "no secret '$other' for volume 'new' of pool 'data'; define it"
secret_make $other volume >/dev/null
with "$SECRET_UUID" "$other" | bad "a secret without a value" "secret '$other' of volume 'new' of pool 'data' has no value.*secret-set-value $other"
printf '' | secret_file
if "$DAEMON_IN" virsh -q secret-set-value $other --file "$DAEMON_DIR/xml/value" --plain >/dev/null 2>&1; then
    with "$SECRET_UUID" "$other" | bad "a secret with an empty value" "empty value.*secret-set-value"
fi
iscsi=11111111-2222-3333-4444-666666666666
secret_make $iscsi iscsi value >/dev/null
with "$SECRET_UUID" "$iscsi" | bad "a secret of another usage type" "$iscsi.*usage type 'volume'"
with "uuid='$SECRET_UUID'" "usage='usage-$iscsi'" | bad "a usage of another type" "[Ss]ecret not found|no secret"
with "uuid='$SECRET_UUID'" "usage='nothing'" | bad "an unknown usage" "[Ss]ecret not found|no secret"
with "uuid='$SECRET_UUID'" "" | bad "a secret that is not named" "either 'uuid' or 'usage'"
with "uuid='$SECRET_UUID'" "uuid='$SECRET_UUID' usage='usage-$SECRET_UUID'" |
    bad "a secret that is named twice" "either 'uuid' or 'usage'"
with "$SECRET_UUID" "no-uuid" | bad "a secret's UUID that is none" "malformed UUID.*no-uuid"
with "type='passphrase'" "type='key'" | bad "another type of secret" "'key'.*must be 'passphrase'"

# --- ciphers, for which QEMU is asked in earnest

rm "$BIN/qemu-img"

with "<header" "<cipher name='rot' size='13'/><header" | bad "an unknown cipher" "rot-13"
with "<header" "<cipher name='aes' size='256' mode='zyx' hash='sha256'/><header" | bad "an unknown mode" "zyx"
with "<header" "<cipher name='aes' size='256' mode='xts' hash='crc32'/><header" | bad "an unknown hash" "crc32"
with "<header" "<ivgen name='plain65'/><header" | bad "an unknown ivgen" "plain65"
with "<header" "<cipher name='aes'/><header" | bad "a cipher without a size" "needs the attributes"
with "<header" "<cipher name='aes' size='256' mode='xts,size=1'/><header" | bad "an option in a cipher's mode" \
    "malformed attribute 'mode'"
with "<header" "<cipher name='aes' size='256'/><cipher name='aes' size='128'/><header" | bad "two ciphers" \
    "more than one 'cipher'"

quick_format

# --- <header> in places where it cannot be

with "format='luks'" "format='qcow'" | bad "<header> without luks" "only encryption of format 'luks'.*'qcow'"
with " format='luks'" "" | bad "<header> in encryption without a format" "only encryption of format 'luks'"
with "</encryption>" "<header type='volume'><source pool='vault'/></header></encryption>" |
    bad "<header> twice" "only one detached header"
with "</encryption>" "</encryption><encryption format='luks'/>" | bad "<encryption> twice" "must stand in the one"
with "</target>" "</target><target/>" | bad "<target> twice" "must stand in the one"
bad "<header> in <target>" "must stand in the one <encryption" <<'XML'
<volume><name>new</name><capacity>1048576</capacity>
<target><header type='volume'><source pool='vault'/></header></target></volume>
XML
bad "<header> in <volume>" "must stand in the one <encryption" <<'XML'
<volume><name>new</name><capacity>1048576</capacity><header type='volume'><source pool='vault'/></header></volume>
XML
bad "<header> in the backing store" "must stand in the one <encryption" <<'XML'
<volume><name>new</name><capacity>1048576</capacity>
<backingStore><path>/x</path><encryption format='luks'><header type='volume'><source pool='vault'/></header>
</encryption></backingStore></volume>
XML
with "<target>" "<backingStore><path>$DATA/plain</path><format type='raw'/></backingStore><target>" |
    bad "a backing store" "cannot have a backing store"
with "type='volume'" "type='file'" | bad "a header of another type" "'file'.*must be 'volume'"
with "<source pool" "<source pool='vault' volume='new.luks'/><source pool" | bad "one volume as two copies of a header" "is named for two copies"
with "<source pool='vault' volume='new.luks'/>" "" | bad "a header without a source" "needs a 'source'"
with "<source pool" "<path>/etc/passwd</path><source pool" | bad "a path in a header" "unexpected element 'path'"

# --- formats and sizes that stock refuses, after our header was made

with "format type='raw'" "format type='nonsense'" | bad "an unknown format" "nonsense"
with "format type='raw'" "format type='cow'" | bad "a format that qemu-img cannot make" "cow"
with "format type='raw'" "format type='iso'" | bad "a format that is not QEMU's" "iso"
with "unit='M'>16" "unit='E'>15" | bad "a capacity of 15 EiB" "."
with "unit='M'>16" "unit='M'>lots" | bad "a capacity in words" "capacity|malformed"
with "<capacity unit='M'>16</capacity>" "" | bad "no capacity" "capacity"

# --- XML that is none, or means harm

with "</encryption>" "" | bad "wrong nesting" "XML.*(malformed|mismatch)"
with "</volume>" "" | bad "XML that ends too early" "XML"
printf '' | bad "an empty document" "."
with "<volume>" "<domain>" | sed 's/<.volume>/<\/domain>/' | bad "another root element" "'volume'.*'domain'|domain"
# cpu: what the daemon has used of it, in hundredths of a second.
cpu() {
    "$DAEMON_IN" sed 's/.*) //' "/proc/$(daemon_pid)/stat" | awk '{ print $12 + $13 }'
}
used=$(cpu)
{
    echo '<!DOCTYPE volume [<!ENTITY a "aaaaaaaaaaaaaaaa">'
    last=a
    for e in b c d e f g h i j k l; do
        echo "<!ENTITY $e \"&$last;&$last;&$last;&$last;&$last;&$last;&$last;&$last;&$last;&$last;\">"
        last=$e
    done
    echo ']>'
    with "<name>new" "<name>&l;"
} | bad "a billion laughs" "document type|XML|entit|amplif"
try "which took the daemon no time" [ $(($(cpu) - used)) -le 500 ]
{
    echo '<!DOCTYPE volume [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    with "<name>new" "<name>&x;"
} | bad "an external entity" "document type|XML|entit"
unlike "which was not read" "$OUT" "lukshdr-host"
{
    echo '<!DOCTYPE volume SYSTEM "http://127.0.0.1:1/volume.dtd">'
    with new new
} | bad "an external document type" "document type"
{
    echo '<!DOCTYPE volume [<!ATTLIST header type CDATA "volume">]>'
    with "<header type='volume'>" "<header>"
} | bad "an internal document type" "document type"
# <header> that only shows once an entity is expanded must not be taken for a volume without one
{
    echo "<!DOCTYPE volume [<!ENTITY h \"<header type='volume'><source pool='vault'/></header>\">]>"
    with "<header type='volume'><source pool='vault' volume='new.luks'/></header>" "&h;"
} | bad "<header> in an entity" "document type"
# so with a spelling that a search of the text for "header" does not find
{
    echo "<!DOCTYPE volume [<!ENTITY h \"<&#104;eader type='volume'><source pool='vault'/></&#104;eader>\">]>"
    with "<header type='volume'><source pool='vault' volume='new.luks'/></header>" "&h;"
} | bad "<header> in an entity, spelt as another" "."
with new new | iconv -t UTF-16 | bad "UTF-16" "."
{ with new new | head -n 3 && printf '<!-- \xff\xfe -->' && with new new | tail -n +4; } |
    bad "bytes that are not UTF-8" "XML|UTF-8|malformed"
deep() {
    printf '<a>%.0s' {1..3000} && printf '</a>%.0s' {1..3000}
}
with "</target>" "</target>$(deep)" | bad "3000 elements in each other" "XML|depth|deep"
# 10 MB do not get as far as the daemon: libvirt's own protocol takes no string of more than 4 MiB
{ with "</volume>" "" && head -c 10000000 /dev/zero | tr '\0' ' ' && echo '</volume>'; } |
    bad "10 MB of blanks" "longer than the limit|Unable to encode message payload"
{ with "<header" "<header a='" && head -c 4190000 /dev/zero | tr '\0' 'x'; } |
    bad "an attribute of 4 MB without an end" "malformed"
{ with "<secret" "<header" | sed '/<.encryption>/,$d'; yes "<header>" | head -n 400000; } |
    bad "3 MB of <header>" "malformed"
{ with "</encryption>" "" | sed '/<.target>/,$d'
    yes "<header/>" | head -n 300000
    echo "</encryption></target></volume>"; } | bad "300,000 headers" "only one detached header"

same "after all that: only what was there before" "$(lies_there)" "$before"
try "and the next volume is created" create new raw
try "and deleted" virsh vol-delete new data
try "as is the one that was there" virsh vol-delete there data
unlike "no temporary file is anywhere" "$(find "$DAEMON_DIR" -name '*.tmp*' -o -name '.goutput*')" .
same "the link registry is empty" "$(links)" ""
finish
