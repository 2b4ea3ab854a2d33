#!/bin/bash
# A generated secret is removed with its volume. An administrator has given it to something else as well: by
# the XML of the volume under another name, by the secret's usage, by linking anew, in a domain, for a volume
# with attached LUKS. Nothing that uses the secret is lost by that.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/faults.sh"

daemon_use host
faults_use
try "a daemon with a header pool and a payload pool starts" linked_start || finish
try "keys are made quickly" quick_keys

# secret_of VOLUME: what its XML says.
secret_of() {
    virsh vol-dumpxml "$1" data | sed -n "s/.*<secret type=.passphrase. uuid=.\([0-9a-f-]*\).*/\1/p"
}

known() {
    virsh secret-list | grep -q "$1"
}

# generated VOLUME: what the registry says.
generated() {
    link_show "$1" | grep '<secret'
}

# fresh NAME: a linked volume with a generated secret.
fresh() {
    linked_xml "$1" raw | grep -v '<secret' | create_xml
}

# opens VOLUME: it is decrypted, into a plain volume.
opens() {
    virsh vol-create-from data /dev/stdin "$1" data <<XML &&
<volume><name>plain-$1</name><capacity unit='M'>16</capacity>
<target><format type='raw'/><encryption format='none'/></target></volume>
XML
        virsh vol-delete "plain-$1" data
}

# deletes VOLUME: and its secret, which was SECRET, has gone.
deletes() {
    local secret
    secret=$(secret_of "$1")
    virsh vol-delete "$1" data && not known "$secret"
}

# --- the same XML under another name

try "a volume with a generated secret" fresh one
first=$(secret_of one)
try "its secret is there" known "$first"
copied() {
    virsh vol-dumpxml one data | sed 's/<name>one/<name>two/;s/one\.luks/two.luks/;/<key>/d;/<path>/d' | create_xml
}
try "its XML makes another" copied
second=$(secret_of two)
try "which has a secret of its own" [ -n "$second" -a "$first" != "$second" ]
like "that goes with it" "$(generated two)" 'generated="yes"'

by_usage() {
    linked_xml three raw | sed "s|<secret.*/>|<secret type='passphrase' usage='$DATA/one'/>|" | create_xml
}
try "the secret by its usage" by_usage
like "a secret of its own" "$(generated three)" 'generated="yes"'
same "which is the client's to name, so it is not the first" "$(secret_of three | grep -c "$first")" 0

# --- linked anew, with the other's secret. Two has the passphrase of one.

relink() {
    cat >"$DAEMON_DIR/xml/link.xml" <<XML
<volume><name>two</name><target><encryption format='luks'>$2
  <header type='volume' link='$1'><source pool='vault' volume='two.luks'/></header>
</encryption></target></volume>
XML
    virsh vol-create data "$DAEMON_DIR/xml/link.xml"
}
try "two is unlinked" relink unlink ""
try "and its secret stays, since the header needs it" known "$second"
try "it is linked again with the secret of one" relink existing "<secret type='passphrase' uuid='$first'/>"
third=$(secret_of two)
try "it gets one of its own" [ -n "$third" -a "$third" != "$first" -a "$third" != "$second" ]
like "that goes with it" "$(generated two)" 'generated="yes"'
try "linked again with that of one although it is linked" relink existing "<secret type='passphrase' uuid='$first'/>"
like "nothing is borrowed" "$(secret_of two | grep -c "$first")" '^0$'
try "the last one is there" known "$(secret_of two)"
try "the one before has gone" eval '! known "$third"'

# --- linked again with another secret than the generated one, which nothing else names

# the same passphrase, as a secret of the administrator's
own=5a3d3a1c-6f0e-4b56-9d0c-3e3b7f5f2c12
mine() {
    secret_make $own volume "$("$DAEMON_IN" base64 -d "$secrets/$(secret_of two).base64")"
}
secrets=/etc/libvirt/secrets
[ "$DAEMON_RUNS" = system ] || secrets=$DAEMON_DIR/config/libvirt/secrets
try "a secret with the passphrase of two" mine
# in what was saved of a domain the volume is opened with the secret of then
saved_two() {
    sed "s|<source file='[^']*'>|<source file='$DATA/two'>|; s|uuid='$SECRET_UUID'|uuid='$(secret_of two)'|" \
        "$DAEMON_DIR/xml/two.xml" >"$DAEMON_DIR/xml/domain.xml" && virsh define "$DAEMON_DIR/xml/domain.xml"
}
cat >"$DAEMON_DIR/xml/two.xml" <<XML
<domain type='qemu'><name>two</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/x'>
<encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption></source>
<target dev='vda' bus='virtio'/></disk></devices></domain>
XML
generated=$(secret_of two)
try "a domain has two, and names its secret" saved_two
from=$(log_end)
try "two is linked again with the administrator's" relink existing "<secret type='passphrase' uuid='$own'/>"
same "which it has now" "$(secret_of two)" $own
try "the generated one stays while the domain names it" known "$generated"
like "the log says why, and what to do" "$(logged "$from")" "Secret '$generated'.* stays .*two.xml' names it.*secret-undefine"
try "two opens" opens two
virsh undefine two >/dev/null
virsh secret-undefine "$generated" >/dev/null
try "it gets a generated one again" relink existing "<secret type='passphrase' uuid='$first'/>"
generated=$(secret_of two)
like "which goes with it" "$(generated two)" 'generated="yes"'
try "and once more the administrator's" relink existing "<secret type='passphrase' uuid='$own'/>"
try "now that nothing names it, the generated one has gone" eval '! known "$generated"'
try "no file of it is left" eval '! "$DAEMON_IN" ls "$secrets" | grep "$generated"'
try "the administrator's stays" known $own
try "two opens" opens two
try "linked again with the same, it changes nothing" relink existing "<secret type='passphrase' uuid='$own'/>"
try "and stays" known $own
try "two is linked with a generated one in the end" relink existing "<secret type='passphrase' uuid='$first'/>"
virsh secret-undefine $own >/dev/null

# linked_killed N: the daemon dies at the N-th call that changes something while two is linked.
linked_killed() {
    meets "any $1 $LINKS|$VAULT|/secrets/"
    relink existing "<secret type='passphrase' uuid='$first'/>" >/dev/null 2>&1
    crashed && linked_launch
}
for n in 1 4 8 12 16 20 24; do
    relink unlink "" >/dev/null 2>&1
    before=$(virsh secret-list)
    linked_killed "$n" || {
        : >"$POINT"
        break
    }
    link=$(link_show two 2>/dev/null)
    what="two is linked, killed before call $n"
    case $link in
        *'state="active"'*)
            try "$what: it is linked, and opens" opens two
            ;;
        *)
            same "$what: it is not, and no secret is left" "$(virsh secret-list)" "$before"
            same "$what: nor an entry" "$link" ""
            try "$what: it can be linked then" relink existing "<secret type='passphrase' uuid='$first'/>"
            ;;
    esac
done
try "two opens" opens two
# what was unlinked has left its secrets
for secret in $(virsh secret-list | awk '{ print $1 }'); do
    case $secret in
        "$first" | "$SECRET_UUID" | "$(secret_of two)" | "$(secret_of three)") ;;
        *) virsh secret-undefine "$secret" >/dev/null ;;
    esac
done

# --- attached LUKS

attached() {
    virsh vol-create data /dev/stdin <<XML
<volume><name>attached</name><capacity unit='M'>16</capacity>
<target><format type='raw'/><encryption format='luks'><secret type='passphrase' $1/></encryption></target></volume>
XML
}
refuse "a volume with attached LUKS is not made with it" \
    "was generated for linked volume 'one' of pool 'data' and is deleted with it; define a secret for this" \
    attached "uuid='$first'"
refuse "nor by its usage" "was generated for linked volume 'one'" attached "usage='$DATA/one'"
refuse "nor with the UUID in another spelling" "was generated for linked volume 'one'" \
    attached "uuid='$(tr -d - <<<"${first^^}")'"
same "and nothing was made" "$(virsh vol-list data | grep -c attached)" 0
try "with another secret it is" attached "uuid='$SECRET_UUID'"

# --- deleted

try "one is deleted, and its secret with it" deletes one
try "two opens" opens two
try "three opens" opens three
try "two is deleted, and its secret with it" deletes two
try "three as well" deletes three

# --- a registry of before, in which another link borrows

try "a volume with a generated secret" fresh one
first=$(secret_of one)
try "and one with the same passphrase" eval 'copied && . "$(dirname "$0")/../guest/lib/disks.sh"'
second=$(secret_of two)
try "which the registry calls the secret of the first, as it used to" \
    link_edit two "s/$second/$first/;s/ generated=\"yes\"//"
virsh secret-undefine "$second" >/dev/null
from=$(log_end)
try "the first is deleted" virsh vol-delete one data
try "its secret stays" known "$first"
like "the log says why" "$(logged "$from")" \
    "Secret '$first', generated for volume 'one' of pool 'data', stays .*linked volume 'two' of pool 'data' is opened"
try "the other opens" opens two
virsh vol-delete two data >/dev/null
virsh secret-undefine "$first" >/dev/null

# --- domains

# keeps WHAT FILE COMMAND: with what COMMAND makes, the secret stays, and the log names FILE.
keeps() {
    local what=$1 file=$2 secret from
    shift 2
    try "$what: a volume" fresh one
    secret=$(secret_of one)
    try "$what" "$@" "$secret"
    from=$(log_end)
    try "$what: it is deleted" virsh vol-delete one data
    try "$what: the secret stays" known "$secret"
    like "$what: the log says why, and what to do" "$(logged "$from")" \
        "Secret '$secret'.* stays .*$file.*secret-undefine"
    virsh secret-undefine "$secret" >/dev/null
}

# domain DISK SECRET: a domain that is defined, with this file as an encrypted disk.
domain() {
    cat >"$DAEMON_DIR/xml/domain.xml" <<XML
<domain type='qemu'><name>keeper</name><uuid>11111111-2222-4333-8444-000000000001</uuid>
<memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$1'>
<encryption format='luks'><secret type='passphrase' uuid='$2'/></encryption></source>
<target dev='vda' bus='virtio'/></disk></devices></domain>
XML
    virsh define "$DAEMON_DIR/xml/domain.xml"
}
keeps "a domain's attached LUKS disk has it" "keeper.xml' names it" domain "$DATA/attached"
virsh undefine keeper >/dev/null
try "a volume" fresh one
try "a domain that has the volume itself" domain "$DATA/one" "$(secret_of one)"
try "does not keep its secret" deletes one
virsh undefine keeper >/dev/null

snapshot() {
    domain "$DATA/attached" "$SECRET_UUID" || return
    cat >"$DAEMON_DIR/xml/snapshot.xml" <<XML
<domainsnapshot><name>old</name><creationTime>1700000000</creationTime><state>shutoff</state>
<disks><disk name='vda' snapshot='external'><source file='$DATA/over.qcow2'/></disk></disks>
$(sed "s/$SECRET_UUID/$1/" "$DAEMON_DIR/xml/domain.xml")</domainsnapshot>
XML
    virsh snapshot-create keeper --redefine "$DAEMON_DIR/xml/snapshot.xml"
}
keeps "a snapshot of a domain has it" "keeper/old.xml' names it" snapshot
virsh snapshot-delete keeper old --metadata >/dev/null
virsh undefine keeper >/dev/null

# Nobody can know what a file that cannot be read says
etc=/etc/libvirt
[ "$DAEMON_RUNS" = system ] || etc=$DAEMON_DIR/config/libvirt
torn() {
    "$DAEMON_IN" sh -c 'mkdir -p "$1/qemu" && printf "<domain><secret uuid=\"%s\"" "$2" >"$1/qemu/torn.xml"' in "$etc" "$1"
}
keeps "a file of libvirt's is damaged" "uncertain whether something else needs it.*torn.xml" torn
"$DAEMON_IN" rm -f "$etc/qemu/torn.xml"
saved() {
    "$DAEMON_IN" sh -c 'mkdir -p "$1" && { printf LibvirtQemudSave; printf "\002\0\0\0\377\0\0\0"; head -c 68 /dev/zero
        printf "%-254s\0" "<domain><devices><disk><source file=\"/x\"><encryption><secret uuid=\"$2\"/></encryption></source></disk></devices></domain>"
        head -c 5000 /dev/urandom; } >"$1/keeper.save"' in "$save" "$1"
}
save=/var/lib/libvirt/qemu/save
[ "$DAEMON_RUNS" = system ] || save=$DAEMON_DIR/config/libvirt/qemu/save
keeps "a domain is saved that has it" "keeper.save' names it" saved
"$DAEMON_IN" rm -f "$save/keeper.save"
try "a volume" fresh one
try "without all that its secret goes" deletes one

# --- a shared header

try "a volume" fresh one
first=$(secret_of one)
shared() {
    linked_xml two raw "" "pool='vault' volume='one.luks'" | sed "s/<header type/<header link='share' type/;/<secret/d" |
        create_xml
}
try "another on its header" shared
same "they share the secret" "$(secret_of two)" "$first"
try "the first is deleted" virsh vol-delete one data
try "the secret stays for the other" known "$first"
try "which opens" opens two
try "the secret goes with the last" deletes two

virsh vol-delete attached data >/dev/null
same "no secret is left but ours" "$(virsh secret-list | grep -c .)" 1
nothing_left "in the end"
finish
