# shellcheck shell=bash
# What the tests of iSCSI have in common: a daemon with a header pool "vault" (a directory), and an iscsi-direct
# pool "units" over a target of the test's own; XML of links. A test sources it, after guest/lib/disks.sh where
# it has guests.

. "$(dirname "${BASH_SOURCE[0]}")/../../lib/linked.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/iscsi.sh"
need_iscsi
need_command qemu-img qemu-io jq

SECRET="<secret type='passphrase' uuid='$SECRET_UUID'/>"

# units_start [NAME]: a daemon, a target unless there is one, and the pool. Units 1 to 4.
units_start() {
    local lun
    linked_start "${1:-host}" && quick_keys || return
    if [ -z "$ISCSI_UNITS" ]; then
        target_start || return
        for lun in 1 2 3 4; do
            target_unit "$lun" 16M "unit-$lun" || return
        done
    fi
    direct_pool units
}

# units_launch: the daemon starts again, and the pool with it.
units_launch() {
    linked_launch && virsh pool-start units
}

# unit_xml NAME: XML of a linked volume to be made.
unit_xml() {
    cat <<XML
<volume><name>$1</name><capacity unit='MiB'>16</capacity><target><format type='raw'/><encryption format='luks'>
$SECRET<header type='volume'><source pool='vault'/></header></encryption></target></volume>
XML
}

# link_xml ACTION UNIT HEADER [SECRET [POOL]]: XML that names what exists.
link_xml() {
    cat <<XML
<volume><name>$2</name><capacity>0</capacity><target><encryption format='luks'>${4:-}
<header type='volume' link='$1'><source pool='${5:-vault}' volume='$3'/></header></encryption></target></volume>
XML
}

# header_make NAME: a header volume NAME.luks in the vault that nobody has linked.
header_make() {
    header_of "$DAEMON_DIR/template" && "$DAEMON_IN" cp "$DAEMON_DIR/template" "$VAULT/$1.luks" &&
        virsh pool-refresh vault
}

# shown VOLUME POOL: the <encryption> that vol-dumpxml shows, in one line.
shown() {
    virsh vol-dumpxml "$1" "$2" | tr -d '\n' | grep -o '<encryption .*</encryption>' | sed 's/> *</></g'
}

# is_linked UNIT HEADER [POOL]: either end shows the other.
is_linked() {
    local pool=${3:-vault}
    virsh vol-dumpxml "$1" units
    virsh vol-dumpxml "$2" "$pool"
    shown "$1" units | grep -q "<header type='volume'><source pool='$pool' volume='$2'/></header>" &&
        shown "$2" "$pool" | grep -q "<payload type='volume'><source pool='units' volume='$1'/></payload>"
}

# is_plain UNIT: it is there, and shows no <encryption>.
is_plain() {
    local xml
    xml=$(virsh vol-dumpxml "$1" units) && ! grep '<encryption' <<<"$xml"
}

# state: everything that must not change where something is refused: the units and headers to the byte, the link
# registry.
state() {
    (cd "$ISCSI_UNITS" && sha256sum -- *)
    lies_there
}

