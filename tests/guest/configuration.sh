#!/bin/bash
# What a domain's configuration says of its linked disks: by whatever call a disk without <encryption> comes
# in, the configuration has libvirt's own element for it afterwards, so that the same configuration is
# refused where the plugin is not loaded, and not a byte of the payload changes.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 qemu-img

TEXT="what only the guest may know: $RANDOM $RANDOM"
ENCRYPTION="<encryption format='luks' engine='qemu'><secret type='passphrase' uuid='$SECRET_UUID'></secret></encryption>"

# disks_of: from a domain's XML on stdin, what stands in the <source> of each disk, a line each.
disks_of() {
    python3 -c '
import sys, xml.etree.ElementTree as tree
for source in tree.fromstring(sys.stdin.read()).findall("devices/disk/source"):
    for node in source.findall("address"):
        source.remove(node)
    source.attrib.pop("index", None)
    for node in source.iter():
        node.text = node.tail = None
    print(tree.tostring(source, "unicode", short_empty_elements=False).replace(chr(34), chr(39)))'
}

# stored GUEST: the same of its configuration.
stored() {
    virsh dumpxml "$1" --inactive | disks_of
}

source_of() {
    case $1 in
        /* | tmp/*) echo "<source file='$1'>$2</source>" ;;
        *) echo "<source pool='${1%%/*}' volume='${1#*/}'>$2</source>" ;;
    esac
}

# define [DISK...]: the domain "victim", anew.
# shellcheck disable=SC2120 # try hands them on
define() {
    virsh undefine victim >/dev/null 2>&1
    guest_define victim "$@"
}

disk_file() {
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    echo "$DAEMON_DIR/disk.xml"
}

payloads() {
    (cd "$DAEMON_IMAGES" && sha256sum data/*.raw data/*.qcow2 vault/*)
}

try "a host with linked volumes in raw and qcow2" \
    eval 'linked_start && create r.raw raw && create q.qcow2 qcow2 && create s.raw raw'
try "and a plain one" virsh vol-create-as data plain.img 16M --format raw

# --- define

for disk in "$DATA/r.raw raw" "data/r.raw raw" "$DATA/q.qcow2 qcow2" "data/q.qcow2 qcow2"; do
    # shellcheck disable=SC2086 # two words
    try "$disk: a domain is defined" define "$(disk_xml vda $disk)"
    same "$disk: its configuration has the link's <encryption>" "$(stored victim)" \
        "$(source_of "${disk% *}" "$ENCRYPTION")"
done
try "data/q.qcow2 without a format: a domain is defined" \
    define "$(disk_xml vda data/q.qcow2 qcow2 | sed "/<driver/d")"
like "it is the volume's" "$(virsh dumpxml victim --inactive)" "<driver name='qemu' type='qcow2'/>"
virsh undefine victim
try "the schema is right with it (--validate)" virsh define --validate \
    <(guest_xml victim "$(disk_xml vda "$DATA/q.qcow2" qcow2)" "$(disk_xml vdb data/r.raw raw)")
same "and both disks have it" "$(stored victim | grep -cF "$ENCRYPTION")" 2

refuse "a header as a disk is refused at once" "header volume 'r.raw.luks' .*use its linked volume 'r.raw'" \
    define "$(disk_xml vda "$VAULT/r.raw.luks" raw)"
define "$(disk_xml vda data/plain.img raw)"
for disk in "$VAULT/r.raw.luks" vault/r.raw.luks; do
    refuse "$disk: it does not get into a configuration" "header volume 'r.raw.luks' of pool 'vault' and cannot be a disk" \
        virsh attach-device victim "$(disk_file "$(disk_xml vdb "$disk" raw)")" --config
done
virsh undefine victim

other_names() {
    ln -s "$DATA/r.raw" "$DAEMON_IMAGES/symlink.img"
    ln "$DATA/r.raw" "$DAEMON_IMAGES/hardlink.img"
    # libvirt refuses a second pool of the same path
    ln -s "$DATA" "$DAEMON_IMAGES/elsewhere"
    virsh pool-define-as again dir --target "$DAEMON_IMAGES/elsewhere" && virsh pool-start again
}
try "the payload has other names" other_names
# Anybody who may write to a directory can make such a name, so it is not the volume's own.
for path in "$DAEMON_IMAGES/symlink.img" "$DAEMON_IMAGES/hardlink.img"; do
    refuse "as $path: no domain is defined" "r\.raw.*not its name" define "$(disk_xml vda "$path" raw)"
    try "as $path, with the link's secret: a domain is defined" define "$(disk_xml vda "$path" raw "$SECRET_UUID")"
    like "as $path, with the link's secret: its configuration has that" "$(stored victim)" "uuid='$SECRET_UUID'"
done
for path in "$DAEMON_IMAGES//data/./r.raw" \
    "$DAEMON_IMAGES/elsewhere/r.raw" "${DATA#/}/r.raw"; do
    try "as $path: a domain is defined" define \
        "$(disk_xml vda "$DATA/r.raw" raw | sed "s|<source.*|<source file='$path'/>|")"
    same "as $path: its configuration has the link's <encryption>" "$(stored victim)" \
        "$(source_of "$path" "$ENCRYPTION")"
done
try "as a volume of another pool: a domain is defined" define "$(disk_xml vda again/r.raw raw)"
same "as a volume of another pool: its configuration has it" "$(stored victim)" \
    "$(source_of again/r.raw "$ENCRYPTION")"

try "as what stands behind an overlay" define "$(disk_xml vda "$DATA/plain.img" qcow2 |
    sed "s|<target|<backingStore type='file'><format type='raw'/><source file='$DATA/r.raw'/><backingStore/></backingStore>&|")"
like "it has the <encryption>" "$(virsh dumpxml victim --inactive | grep -A1 'r.raw')" "<encryption format='luks'"

try "a disk that is not linked" define "$(disk_xml vda "$DATA/plain.img" raw)"
same "has none" "$(stored victim)" "<source file='$DATA/plain.img'></source>"
secret_make 11111111-2222-4333-8444-555555555555 volume something
try "a disk that says <encryption> itself" define \
    "$(disk_xml vda "$DATA/r.raw" raw 11111111-2222-4333-8444-555555555555)"
like "keeps what it says" "$(stored victim)" "uuid='11111111-2222-4333-8444-555555555555'"
virsh secret-undefine 11111111-2222-4333-8444-555555555555
try "a disk that names a secret that is not there, as if it came from another host" define \
    "$(disk_xml vda "$DATA/r.raw" raw 11111111-2222-4333-8444-555555555555)"
like "gets the link's" "$(stored victim)" "uuid='$SECRET_UUID'"
older="<encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption>"
try "a disk that says it in the older place" define \
    "$(disk_xml vda "$DATA/r.raw" raw | sed "s|<target|$older&|")"
same "has it once" "$(virsh dumpxml victim --inactive | grep -c '<encryption')" 1

notes=' <x:notes  xmlns:x="urn:notes" a="&lt;1&quot;">  keep   <x:me/><!-- this -->
 as it is </x:notes>'
guest_xml victim "$(disk_xml vda "$DATA/r.raw" raw)" |
    sed "s|<os>|<metadata>NOTES</metadata>&|" >"$DAEMON_DIR/notes.xml"
python3 - "$DAEMON_DIR/notes.xml" "$notes" <<'PYTHON'
import sys
text = open(sys.argv[1]).read().replace("NOTES", sys.argv[2])
open(sys.argv[1], "w").write('<?xml version="1.0"?>\n<!DOCTYPE domain [<!ENTITY what "victim">]>\n' + text)
PYTHON
try "XML with metadata and a document type" eval 'virsh undefine victim && virsh define "$DAEMON_DIR/notes.xml"'
like "its linked disk has the <encryption>" "$(stored victim)" "uuid='$SECRET_UUID'"
like "its metadata is as it was" "$(virsh dumpxml victim --inactive | tr '\n' '~')" \
    '<x:notes xmlns:x="urn:notes" a="&lt;1&quot;">  keep   <x:me/><!-- this -->~ as it is </x:notes>'
# libvirt 9.0 and 11.3 have different ones
refuse "what is no XML is refused in libvirt's words" "at line 1|\(domain_definition\):1: StartTag" virsh define <(echo "<domain><")
refuse "and so is what is no domain" "root element" virsh define <(echo "<network/>")

# --- attached and updated while the domain does not run

try "a domain without disks" define
try "attached to the configuration" virsh attach-device victim "$(disk_file "$(disk_xml vdb data/q.qcow2 qcow2)")" --config
same "it has the <encryption>" "$(stored victim)" "$(source_of data/q.qcow2 "$ENCRYPTION")"
try "updated in the configuration" virsh update-device victim \
    "$(disk_file "$(disk_xml vdb data/q.qcow2 qcow2 | sed "s|name='qemu'|& cache='none'|")")" --config
same "it still has it" "$(stored victim)" "$(source_of data/q.qcow2 "$ENCRYPTION")"
like "and what was updated" "$(virsh dumpxml victim --inactive)" "cache='none'"
try "attached by its path, as virsh attach-disk does" \
    virsh attach-disk victim "$DATA/r.raw" vdc --driver qemu --subdriver raw --config
same "it has it, too" "$(stored victim | tail -n 1)" "$(source_of "$DATA/r.raw" "$ENCRYPTION")"
try "detached from the configuration by XML without" \
    virsh detach-device victim "$(disk_file "$(disk_xml vdb data/q.qcow2 qcow2)")" --config
virsh undefine victim

# --- a guest that runs

try "a guest starts" guest_boot demo "$(disk_xml vda "$DATA/r.raw" raw)"
try "and writes" guest_fill demo vda "$TEXT"
try "it is given the other, now and for later" \
    virsh attach-device demo "$(disk_file "$(disk_xml vdb data/q.qcow2 qcow2)")" --live --config
same "both stand in its configuration with <encryption>" "$(stored demo)" \
    "$(source_of "$DATA/r.raw" "$ENCRYPTION")
$(source_of data/q.qcow2 "$ENCRYPTION")"
try "it writes to that, too" guest_fill demo vdb "$TEXT"
try "a third is attached in the oldest way" virsh attach-device demo "$(disk_file "$(disk_xml vdc "$DATA/s.raw" raw)")"
like "the running guest's XML has its <encryption>" "$(virsh dumpxml demo | disks_of)" "s.raw'>$ENCRYPTION"
try "updated while it runs, by XML without" virsh update-device demo \
    "$(disk_file "$(disk_xml vdc "$DATA/s.raw" raw | sed "s|<source |<source startupPolicy='optional' |")")" --live
like "the running guest's XML has it still" "$(virsh dumpxml demo | disks_of)" "s.raw' startupPolicy='optional'>$ENCRYPTION"
same "no file holds the text in clear" "$(in_clear "$TEXT" "$DATA"/* "$VAULT"/*)" ""

# --- saved

plain() {
    "$@" | sed '/<encryption/,/<\/encryption>/d'
}
try "the guest is saved to a file" virsh save demo "$DAEMON_IMAGES/saved"
plain virsh save-image-dumpxml "$DAEMON_IMAGES/saved" --security-info >"$DAEMON_DIR/dxml.xml"
unlike "(the XML to replace has no <encryption>)" "$(cat "$DAEMON_DIR/dxml.xml")" "<encryption"
try "its XML is replaced in the file" virsh save-image-define "$DAEMON_IMAGES/saved" "$DAEMON_DIR/dxml.xml"
same "all three disks have their <encryption> there" \
    "$(virsh save-image-dumpxml "$DAEMON_IMAGES/saved" | grep -c "uuid='$SECRET_UUID'")" 3
try "the guest is restored with other XML" virsh restore "$DAEMON_IMAGES/saved" --xml "$DAEMON_DIR/dxml.xml"
same "it has them, too" "$(virsh dumpxml demo | grep -c "uuid='$SECRET_UUID'")" 3
try "the guest goes on" guest_filled demo vdb "$TEXT"
try "it is saved by libvirt" virsh managedsave demo
plain virsh managedsave-dumpxml demo --security-info >"$DAEMON_DIR/dxml.xml"
try "its XML is replaced" virsh managedsave-define demo "$DAEMON_DIR/dxml.xml"
same "all three disks have their <encryption> there" \
    "$(virsh managedsave-dumpxml demo | grep -c "uuid='$SECRET_UUID'")" 3
try "it starts from there" virsh start demo
try "and goes on" guest_filled demo vda "$TEXT"
virsh destroy demo

# --- snapshots that are defined anew

virsh undefine demo
try "a domain with a qcow2 disk" guest_define demo "$(disk_xml vda "$DATA/q.qcow2" qcow2)"
cat >"$DAEMON_DIR/snapshot.xml" <<XML
<domainsnapshot>
  <name>old</name><state>shutoff</state><creationTime>1</creationTime>
  <disks><disk name='vda' snapshot='internal'/></disks>
  $(plain virsh dumpxml demo --inactive)
</domainsnapshot>
XML
try "a snapshot is defined from XML" virsh snapshot-create demo "$DAEMON_DIR/snapshot.xml" --redefine
like "the domain in it has the <encryption>" "$(virsh snapshot-dumpxml demo old)" "uuid='$SECRET_UUID'"
virsh snapshot-delete demo old --metadata
virsh undefine demo

# --- transient

guest_xml passing "$(disk_xml vda data/r.raw raw)" >"$DAEMON_DIR/passing.xml"
try "a guest that is never defined" virsh create "$DAEMON_DIR/passing.xml"
like "has it in its XML, too" "$(virsh dumpxml passing)" "uuid='$SECRET_UUID'"
virsh destroy passing

# --- the registry cannot say

entry=$(link_of r.raw)
"$DAEMON_IN" cp "$entry" "$DAEMON_DIR/entry"
"$DAEMON_IN" sh -c 'echo nothing >"$1.new" && mv "$1.new" "$1"' sh "$entry"
refuse "while a registry entry is damaged, a domain with a file is not defined" "link registry" \
    define "$(disk_xml vda "$DATA/r.raw" raw)"
try "one without is" define
"$DAEMON_IN" sh -c 'cp "$1" "$2.new" && mv "$2.new" "$2"' sh "$DAEMON_DIR/entry" "$entry"
try "with the entry put back, both are" define "$(disk_xml vda "$DATA/r.raw" raw)"

# --- the space that a guest's disk takes

# spaces: of the disk of "victim": allocation as domblkinfo says for its target and its path, as domstats
# says, and as the file has it.
spaces() {
    local disk
    for disk in vda "$DATA/q.qcow2"; do
        virsh domblkinfo victim "$disk" | sed -n 's/^Allocation: *//p'
    done
    virsh domstats victim --block | sed -n 's/.*block\.0\.physical=//p'
    echo $(($(stat -c %b "$DATA/q.qcow2") * 512))
}
try "a guest that runs" eval 'define "$(disk_xml vda data/q.qcow2 qcow2)" && virsh start victim --paused'
same "libvirt counts the payload alone, not its header" "$(spaces | sort -u | wc -l)" 1
virsh destroy victim
virsh undefine victim

# --- a domain that was copied, and outlives what it was copied from

clone_defined() {
    linked_xml one.raw raw | sed '/<secret /d' | create_xml || return
    FIRST=$(virsh vol-dumpxml one.raw data | sed -n "s/.*<secret .*uuid='\([^']*\)'.*/\1/p")
    # as virt-manager does it: before the disk exists
    define "$(disk_xml vda "$DATA/two.raw" raw "$FIRST")" && virsh vol-clone one.raw two.raw --pool data
}
try "a clone is defined with the first's secret, then made" clone_defined
try "the first is deleted" virsh vol-delete one.raw data
unlike "its secret goes with it" "$(virsh secret-list)" "${FIRST:-no secret}"
try "the clone starts" virsh start victim --paused
virsh destroy victim
like "with the second's secret" "$(virsh secret-list)" \
    "$(stored victim | sed -n "s/.*uuid='\([^']*\)'.*/\1/p") +volume +$DATA/two\.raw"
virsh undefine victim
try "it is deleted" virsh vol-delete two.raw data

# --- a domain that was copied into a plain volume

plain_clone_defined() {
    define "$(disk_xml vda "$DATA/open.raw" raw "$SECRET_UUID")" &&
        echo "<volume><name>open.raw</name><capacity>0</capacity><target><format type='raw'/></target></volume>" |
        from data r.raw data
}
try "a clone is defined with <encryption>, then decrypted into a plain volume" plain_clone_defined
like "the log says so" "$(tail -n 1 "$DAEMON_LOG")" "'r\.raw' of pool 'data' was decrypted into volume 'open\.raw'"
try "the clone starts" virsh start victim --paused
virsh destroy victim
same "its configuration says that its disk is plain" "$(stored victim)" "$(source_of "$DATA/open.raw" "")"
try "(one that is defined now, too)" define "$(disk_xml vda "$DATA/open.raw" raw "$SECRET_UUID")"
same "is corrected at once" "$(stored victim)" "$(source_of "$DATA/open.raw" "")"
cp "$DATA/open.raw" "$DATA/other.raw" && mv "$DATA/other.raw" "$DATA/open.raw"
define "$(disk_xml vda "$DATA/open.raw" raw "$SECRET_UUID")"
like "with another file in its place, an <encryption> stays" "$(stored victim)" "<encryption"
refuse "and the domain does not start" "LUKS|encrypt" virsh start victim
virsh undefine victim
try "the plain volume is deleted" virsh vol-delete open.raw data
same "and nothing is remembered of it" "$("$DAEMON_IN" ls "$(dirname "$LINKS")/decrypted")" ""

# --- the same configuration without the plugin

try "two domains" eval 'guest_define raw "$(disk_xml vda "$DATA/r.raw" raw)" &&
    guest_define qcow2 "$(disk_xml vda data/q.qcow2 qcow2)"'
before=$(payloads)
try "the daemon starts without the plugin" plugin_off
for guest in raw qcow2; do
    refuse "$guest: the domain does not start" "not in LUKS format|[Nn]o encryption|encrypt" virsh start "$guest"
done
same "not a byte of any payload or header has changed" "$(payloads)" "$before"
virsh dumpxml raw --inactive | sed '/<encryption/,/<\/encryption>/d' >"$DAEMON_DIR/raw.xml"
try "(without the <encryption>, libvirt would start it" virsh define "$DAEMON_DIR/raw.xml"
try "and the guest would have the ciphertext)" virsh start raw
virsh destroy raw
try "(and one that shares it would be defined)" virsh define \
    <(sed "s|>raw</name>|>shared</name>|; /<uuid>/d; s|<target dev='vda'|<shareable/>&|" "$DAEMON_DIR/raw.xml")
try "the daemon starts with the plugin again" plugin_on
try "the qcow2 one starts" guest_start qcow2
try "and has what was written" guest_filled qcow2 vda "$TEXT"
virsh destroy qcow2
if libvirt_since 10.0; then
    refuse "what was defined in between to be shared does not start" "cannot be shared" virsh start shared
else
    # 9.0 lets guests share attached LUKS as well (docs/operations.md)
    try "what was defined in between to be shared starts, as with attached LUKS" virsh start shared
    virsh destroy shared
fi
try "what was defined in between starts as well" guest_start raw
try "with its plaintext" guest_filled raw vda "$TEXT"
finish
