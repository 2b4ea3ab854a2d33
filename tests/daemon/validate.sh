#!/bin/bash
# virsh vol-create, vol-create-from and pool-define with --validate: our schemas validate XML that has something
# of ours, libvirt's validate what stock gets of it, and all that the daemon shows or keeps is valid by our
# schemas.

# shellcheck disable=SC2317 # many functions are called by way of try and refuse
. "$(dirname "$0")/../lib/linked.sh"

need_command xmllint
STOCK_SCHEMAS=$(sed -n 's,.*include href="\(.*\)/storagevol.rng".*,\1,p' \
    "$BUILDDIR/schemas/lukshdr-storagevol.rng")
[ -e "$STOCK_SCHEMAS/storagevol.rng" ] || skip_all "needs libvirt's schemas"

# The daemon's are a copy, so that they can be spoilt.
_daemon_work || exit
SCHEMAS=$DAEMON_WORK/schemas
mkdir "$SCHEMAS" && cp "$BUILDDIR"/schemas/*.rng "$SCHEMAS"
chmod -R a+rX "$SCHEMAS"
export LUKSHDR_SCHEMA_DIR=$SCHEMAS

try "a daemon with a header pool and a payload pool starts" linked_start || finish
quick_format
OURS="XML is not as '.*/lukshdr-storage(vol|pool)\.rng' describes it"
STOCKS='Unable to validate doc against .*/storage(vol|pool)\.rng'
if [ "$DAEMON_RUNS" = session ]; then
    POOLS=$DAEMON_DIR/config/libvirt/lukshdr/pools
else
    POOLS=/etc/libvirt/lukshdr/pools
fi

# xml: stdin becomes $XML.
XML=$DAEMON_DIR/xml/validate.xml
xml() {
    cat >"$XML"
}

# with OLD NEW: $XML is a good linked volume's XML, OLD replaced by NEW.
with() {
    local text
    text=$(linked_xml new raw)
    case $text in
        *"$1"*) printf '%s\n' "${text/"$1"/$2}" | xml ;;
        *) fail "the test finds $1 in its XML" ;;
    esac
}

# valid WHAT SCHEMA: the XML on stdin is as one of our schemas says.
valid() {
    try "$1" xmllint --noout --relaxng "$BUILDDIR/schemas/$2.rng" -
}

# stock_refuses WHAT SCHEMA: the XML on stdin is not as one of libvirt's schemas says.
stock_refuses() {
    refuse "$1" "fails to validate" xmllint --noout --relaxng "$STOCK_SCHEMAS/$2.rng" -
}

# label_text HEADER: the text of the link label; a head of bytes that are no text stands before it.
label_text() {
    dd if="$VAULT/$1" bs=4096 skip=512 count=2 status=none | tr -d '\0' |
        LC_ALL=C sed -n '/<link/,$p' | LC_ALL=C sed '1s/^.*<link/<link/'
}

# --- volumes

before=$(lies_there)
linked_xml new raw | xml
stock_refuses "libvirt's own schema refuses a <header>" storagevol <"$XML"
try "with --validate a linked volume is created" virsh vol-create data "$XML" --validate
virsh vol-dumpxml new data >"$DAEMON_DIR/payload.xml"
virsh vol-dumpxml new.luks vault >"$DAEMON_DIR/header.xml"
like "it is one" "$(cat "$DAEMON_DIR/payload.xml")" "<header type='volume'>"
valid "vol-dumpxml of the payload is valid" lukshdr-storagevol <"$DAEMON_DIR/payload.xml"
valid "vol-dumpxml of the header is valid" lukshdr-storagevol <"$DAEMON_DIR/header.xml"
stock_refuses "the payload's not by libvirt's own schema" storagevol <"$DAEMON_DIR/payload.xml"
stock_refuses "nor is the header's" storagevol <"$DAEMON_DIR/header.xml"
link_show new >"$DAEMON_DIR/link.xml"
valid "the registry's entry is valid" lukshdr-link <"$DAEMON_DIR/link.xml"
label_text new.luks >"$DAEMON_DIR/label.xml"
valid "the link label's text is valid" lukshdr-link <"$DAEMON_DIR/label.xml"
virsh vol-delete new data >/dev/null
same "nothing is left of it" "$(lies_there)" "$before"

# A volume's own XML, with what stock shows of it, makes another.
sed "s,<name>new</name>,<name>again</name>,; s,volume='new.luks',volume='again.luks'," \
    "$DAEMON_DIR/payload.xml" | xml
try "with --validate vol-dumpxml's own output makes a volume" virsh vol-create data "$XML" --validate
virsh vol-delete again data >/dev/null

# Replicas, and a header of two payloads.
linked_xml first raw "" "pool='vault'/><source pool='vault' volume='copy.luks'" | xml
try "with --validate a volume with a replica of its header is created" virsh vol-create data "$XML" --validate
virsh vol-dumpxml first data >"$DAEMON_DIR/payload.xml"
same "it is shown with both" "$(grep -c '<source pool' "$DAEMON_DIR/payload.xml")" 2
valid "and valid" lukshdr-storagevol <"$DAEMON_DIR/payload.xml"
link_show first >"$DAEMON_DIR/link.xml"
valid "as is the registry's entry" lukshdr-link <"$DAEMON_DIR/link.xml"
virsh vol-delete first data >/dev/null
create first raw >/dev/null
linked_xml second raw "" "pool='vault' volume='first.luks'" | sed "s/<header /&link='share' /" | xml
try "with --validate one with another's header is created" virsh vol-create data "$XML" --validate
virsh vol-dumpxml second data >"$DAEMON_DIR/payload.xml"
virsh vol-dumpxml first.luks vault >"$DAEMON_DIR/header.xml"
like "that it shares it is shown" "$(cat "$DAEMON_DIR/payload.xml")" "<header type='volume' link='share'>"
same "the header with both payloads" "$(grep -c '<source pool' "$DAEMON_DIR/header.xml")" 2
valid "the payload is shown as is valid" lukshdr-storagevol <"$DAEMON_DIR/payload.xml"
valid "the header, too" lukshdr-storagevol <"$DAEMON_DIR/header.xml"
label_text first.luks >"$DAEMON_DIR/label.xml"
same "its label has two links" "$(grep -c '<link ' "$DAEMON_DIR/label.xml")" 2
valid "and is valid" lukshdr-link <"$DAEMON_DIR/label.xml"
virsh vol-delete second data >/dev/null
virsh vol-delete first data >/dev/null
same "nothing is left of them" "$(lies_there)" "$before"

# only_validated WHAT OLD NEW: NEW in place of OLD is taken, and refused with --validate.
only_validated() {
    with "$2" "$3"
    refuse "$1: refused with --validate" "$OURS" virsh vol-create data "$XML" --validate
    same "$1: and nothing was made" "$(lies_there)" "$before"
    try "$1: taken without" virsh vol-create data "$XML"
    virsh vol-delete new data >/dev/null
}

only_validated "an element that libvirt does not know" "<target>" "<new/><target>"
only_validated "an attribute that nobody knows" "<header type='volume'>" "<header type='volume' new='1'>"
only_validated "an attribute of an element of ours" "<source pool='vault'/>" \
    "<source pool='vault' path='/x'/>"
only_validated "an engine, which is not for us to choose" "<encryption format='luks'>" \
    "<encryption format='luks' engine='qemu'>"
with "<format" "<new/><format"
refuse "line and element are named" "line 5: .*new" virsh vol-create data "$XML" --validate

# both WHAT OLD NEW REGEX: refused with --validate by our schema, without it by the words that match REGEX.
both() {
    with "$2" "$3"
    refuse "$1: refused with --validate" "$OURS" virsh vol-create data "$XML" --validate
    refuse "$1: refused without, too" "$4" virsh vol-create data "$XML"
    same "$1: and nothing was made" "$(lies_there)" "$before"
}

both "a header without a pool" "<source pool='vault'/>" "<source volume='x'/>" "needs the name of a pool"
both "a header of another type" "type='volume'" "type='file'" "unknown type 'file' of the header"
both "a header in the wrong place" "<target>" "<header/><target>" "only one detached header"
both "a cipher without a size" "<header" "<cipher name='aes'/><header" "needs the attributes 'name' and 'size'"

# --- what is not ours stays stock's

xml <<'XML'
<volume><name>plain</name><capacity>1</capacity><target><new/></target></volume>
XML
refuse "a plain volume is refused with --validate in stock's words" "$STOCKS" \
    virsh vol-create data "$XML" --validate
sed -i 's,<new/>,,' "$XML"
try "a good one is created" virsh vol-create data "$XML" --validate

# create_from VOLUME: vol-create-from of $XML.
create_from() {
    virsh vol-create-from data "$XML" "$1" --inputpool data --validate
}

linked_xml from raw | sed 's,<target>,<new/><target>,' | xml
refuse "vol-create-from validates, too" "$OURS" create_from plain
linked_xml from raw | xml
try "and takes what is right" create_from plain
like "a linked volume" "$(virsh vol-dumpxml from data)" "<header type='volume'>"
xml <<'XML'
<volume><name>back</name><capacity>1</capacity><target><format type='raw'/></target></volume>
XML
try "as it does from a linked one to a plain one" create_from from
sed -i 's,<target>,<new/><target>,; s,back,bad,' "$XML"
refuse "what of that is not ours, stock validates" "$STOCKS" create_from from
for volume in from plain back; do
    virsh vol-delete "$volume" data >/dev/null
done
same "nothing is left of them" "$(lies_there)" "$before"

# --- pools

mkdir "$DAEMON_IMAGES/pool"
chmod 777 "$DAEMON_IMAGES/pool"
UUID=0d1c8a55-7d2c-4a10-8c1d-9a4f5b6f7a33

# pool_xml CONTENT: $XML is that of a pool with CONTENT in its <target>.
pool_xml() {
    xml <<XML
<pool type='dir'>
  <name>pool</name><uuid>$UUID</uuid>
  <target>
    <path>$DAEMON_IMAGES/pool</path>
    $1
  </target>
</pool>
XML
}

DEFAULT="<encryption format='luks'><header type='volume'><source pool='vault'/></header></encryption>"

pool_xml "$DEFAULT<new/>"
refuse "a pool with an element that nobody knows is refused with --validate" "$OURS" \
    virsh pool-define "$XML" --validate
refuse "and is not defined" "not found|no storage pool" virsh pool-info pool
refuse "nor is anything kept of it" "No such file" "$DAEMON_IN" ls "$POOLS/$UUID.xml"
pool_xml "<headers>x</headers>"
refuse "<headers> is empty" "$OURS" virsh pool-define "$XML" --validate
pool_xml "<new/>"
refuse "a pool with nothing of ours is refused in stock's words" "$STOCKS" virsh pool-define "$XML" --validate

pool_xml "$DEFAULT<headers/>"
stock_refuses "libvirt's own schema refuses an encryption default" storagepool <"$XML"
try "with --validate a pool with a default is defined" virsh pool-define "$XML" --validate
"$DAEMON_IN" cat "$POOLS/$UUID.xml" >"$DAEMON_DIR/kept.xml"
valid "what is kept of it is valid" lukshdr-poolfile <"$DAEMON_DIR/kept.xml"
virsh pool-start pool >/dev/null
virsh pool-dumpxml pool >"$DAEMON_DIR/shown.xml"
like "pool-dumpxml shows the default" "$(cat "$DAEMON_DIR/shown.xml")" "format='luks'"
valid "and is valid" lukshdr-storagepool <"$DAEMON_DIR/shown.xml"
stock_refuses "though not by libvirt's own schema" storagepool <"$DAEMON_DIR/shown.xml"

# What virsh pool-edit does: shown, changed, defined.
virsh pool-dumpxml pool --inactive | sed '/<headers/d' | xml
valid "pool-dumpxml --inactive is valid" lukshdr-storagepool <"$XML"
try "and can be defined again with --validate" virsh pool-define "$XML" --validate
unlike "with what was changed in it" "$(virsh pool-dumpxml pool --inactive)" '<headers'
cat >"$DAEMON_DIR/editor" <<'SH'
#!/bin/sh
sed -i 's,</target>,<headers/></target>,' "$1"
SH
chmod 755 "$DAEMON_DIR/editor"
export EDITOR=$DAEMON_DIR/editor
try "pool-edit works on it" virsh pool-edit pool
virsh pool-dumpxml pool >"$DAEMON_DIR/shown.xml"
like "its change is there" "$(cat "$DAEMON_DIR/shown.xml")" '<headers/>'
valid "and valid" lukshdr-storagepool <"$DAEMON_DIR/shown.xml"

# --- volumes of a pool with a default

xml <<'XML'
<volume><name>default</name><capacity>1048576</capacity><target/></volume>
XML
try "with --validate a volume that says nothing gets the default" virsh vol-create pool "$XML" --validate
virsh vol-dumpxml default pool >"$DAEMON_DIR/payload.xml"
valid "and is shown as is valid" lukshdr-storagevol <"$DAEMON_DIR/payload.xml"
like "linked" "$(cat "$DAEMON_DIR/payload.xml")" "<header type='volume'>"
virsh vol-delete default pool >/dev/null
xml <<'XML'
<volume><name>none</name><capacity>1</capacity><target><encryption format='none'/></target></volume>
XML
stock_refuses "libvirt's own schema knows no encryption of format 'none'" storagevol <"$XML"
try "with --validate one that asks for none is created" virsh vol-create pool "$XML" --validate
unlike "plain" "$(virsh vol-dumpxml none pool)" '<encryption'
virsh vol-delete none pool >/dev/null
sed -i 's,<target>,<new/><target>,' "$XML"
refuse "an element that nobody knows is refused" "$OURS" virsh vol-create pool "$XML" --validate
same "nothing is left of them" "$(find "$DAEMON_IMAGES/pool" -type f)" ""

# The bit that means --validate to pool-define means --build to pool-create.
virsh pool-destroy pool >/dev/null
virsh pool-undefine pool >/dev/null
pool_xml "$DEFAULT<new/>"
try "pool-create --build does not validate" virsh pool-create "$XML" --build
virsh pool-destroy pool >/dev/null

# --- stock validates what it is given; a schema that is not there is no reason not to look

cat >"$SCHEMAS/lukshdr-storagevol.rng" <<'XML'
<grammar xmlns="http://relaxng.org/ns/structure/1.0">
  <start><ref name="any"/></start>
  <define name="any">
    <element><anyName/><zeroOrMore><choice>
      <attribute><anyName/></attribute><text/><ref name="any"/>
    </choice></zeroOrMore></element>
  </define>
</grammar>
XML
with "<target>" "<new/><target>"
refuse "what stock is given of a linked volume, stock validates" "$STOCKS" \
    virsh vol-create data "$XML" --validate
same "and nothing is left" "$(lies_there)" "$before"

linked_xml new raw | xml
echo '<grammar' >"$SCHEMAS/lukshdr-storagevol.rng"
refuse "a damaged schema is named" "schema '$SCHEMAS/lukshdr-storagevol.rng' is needed.*cannot be used" \
    virsh vol-create data "$XML" --validate
rm "$SCHEMAS/lukshdr-storagevol.rng"
refuse "so is a missing one" "schema '$SCHEMAS/lukshdr-storagevol.rng' is needed.*No such file" \
    virsh vol-create data "$XML" --validate
same "nothing was made" "$(lies_there)" "$before"
pool_xml "$DEFAULT"
rm "$SCHEMAS/lukshdr-encryption.rng"
refuse "a missing one that others include, too" "lukshdr-storagepool.rng' is needed.*lukshdr-encryption.rng" \
    virsh pool-define "$XML" --validate
linked_xml new raw | xml
try "without --validate no schema is needed" virsh vol-create data "$XML"
virsh vol-delete new data >/dev/null
nothing_left "in the end"
alive "in the end"

finish
