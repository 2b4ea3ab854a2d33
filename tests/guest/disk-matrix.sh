#!/bin/bash
# What libvirt lets be said of a disk, said of a linked one: where a disk with attached LUKS starts, so does it,
# at once and plugged in, and where that is refused so is this. Guests do not get to run.
#
# timeout: 900

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 jq

# attached NAME FORMAT: a volume of the same kind with attached LUKS.
attached() {
    linked_xml "$1" "$2" | sed '/<header/d' | create_xml
}

# disk VOLUME FORMAT DISK DRIVER TARGET [MORE]: attributes of <disk>, <driver> and <target>, and what else stands in it.
disk() {
    cat <<XML
<disk type='file' $3>
  <driver name='qemu' type='$2' $4/>
  <source file='$DATA/$1'><encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption></source>
  <target $5/>${6:-}
</disk>
XML
}

# domain [DISK [MORE]]: MORE stands beside <devices>.
domain() {
    local ports=''
    [ "${MACHINE:-q35}" != q35 ] || ports=$(printf "<controller type='pci' index='%d' model='pcie-root-port'/>\n" {1..8})
    cat <<XML
<domain type='qemu'><name>probe</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>${2:-}
<os><type arch='x86_64' machine='${MACHINE:-q35}'>hvm</type></os><features><acpi/></features>
<devices>$ports
<controller type='scsi' index='0' model='virtio-scsi'/><controller type='usb' index='0' model='qemu-xhci'/>
$1<memballoon model='none'/></devices></domain>
XML
}

# started DOMAIN: "works", or what it says instead of that.
started() {
    local said
    printf '%s\n' "$1" >"$DAEMON_DIR/domain.xml"
    if said=$(virsh create "$DAEMON_DIR/domain.xml" --paused 2>&1); then echo works; else echo "refused: ${said##*: }"; fi
}

# plugged DISK: the same for plugging it into a running guest and out again.
plugged() {
    local said
    printf '%s\n' "$1" >"$DAEMON_DIR/disk.xml"
    if said=$(virsh attach-device probe "$DAEMON_DIR/disk.xml" --live 2>&1); then echo works; else echo "refused: ${said##*: }"; fi
}

# stopped: the guest has gone, and nothing of it is left. libvirt itself does not take back what it gave for
# reading (READONLY): then header and payload have the same fate.
stopped() {
    local format
    virsh destroy probe >/dev/null 2>&1
    if [ -z "${READONLY:-}" ]; then
        [ "$(traces probe l.raw l.qcow2)" = "$BEFORE" ]
        return
    fi
    [ -z "$(records)$(qemu_pids probe)" ] || return
    for format in raw qcow2; do
        [ "$(stat -c '%U %a' "$VAULT/l.$format.luks")" = "$(stat -c '%U %a' "$DATA/l.$format")" ] || return
        chown root:root "$VAULT/l.$format.luks" "$DATA/l.$format"
    done
}

# header_nodes: how many luks nodes have a header.
header_nodes() {
    qmp probe '{"execute":"query-named-block-nodes","arguments":{"flat":true}}' |
        jq '[.return[] | select(.drv == "luks") | .["node-name"]] | length'
}

# both WHAT FORMAT EXPECTED ATTACHED LINKED: what became of the two.
both() {
    [ -z "${SHOW:-}" ] || note "$1, $2: $4 / $5"
    # what is expected of attached LUKS is what gives the comparison a meaning
    [ "${4%%:*}" = "$3" ] || fail "$1, $2: attached LUKS $3" "$4"
    if [ "$3" = works ]; then
        same "$1, $2: works, on a luks node" "$5" "works 1"
    else
        like "$1, $2: refused, as attached LUKS is" "$5" "^refused"
    fi
    stopped || fail "$1, $2: nothing is left" "$(traces probe l.raw l.qcow2)"
}

# with_nodes OUTCOME: and, if it works, how many luks nodes there are.
with_nodes() {
    if [ "$1" = works ]; then echo "works $(header_nodes)"; else echo "$1"; fi
}

# variant WHAT DISK DRIVER TARGET [MORE [DOMAIN]]: see disk and domain. As attached LUKS, in both formats, in a guest
# that starts with it and, for PLUGGED of them, in one that runs. START and PLUG are what becomes of attached LUKS:
# works, or refused.
variant() {
    local what=$1 format attached linked
    shift
    for format in ${FORMATS:-raw qcow2}; do
        attached=$(started "$(domain "$(disk "a.$format" "$format" "${@:1:4}")" "${5:-}")")
        virsh destroy probe >/dev/null 2>&1
        linked=$(with_nodes "$(started "$(domain "$(disk "l.$format" "$format" "${@:1:4}")" "${5:-}")")")
        both "$what" "$format" "${START:-works}" "$attached" "$linked"

        [[ " ${PLUGGED-raw qcow2} " = *" $format "* ]] || continue
        started "$(domain "" "${5:-}")" >/dev/null
        attached=$(plugged "$(disk "a.$format" "$format" "${@:1:4}")")
        virsh destroy probe >/dev/null 2>&1
        started "$(domain "" "${5:-}")" >/dev/null
        linked=$(with_nodes "$(plugged "$(disk "l.$format" "$format" "${@:1:4}")")")
        both "$what, plugged in" "$format" "${PLUG:-works}" "$attached" "$linked"
    done
}

try "a host" linked_start
quick_attached
try "volumes with attached LUKS" eval 'attached a.raw raw && attached a.qcow2 qcow2'
quick_keys
try "linked volumes" eval 'create l.raw raw && create l.qcow2 qcow2'
BEFORE=$(traces probe l.raw l.qcow2)

# --- buses and devices

variant "virtio" "" "" "dev='vda' bus='virtio'"
variant "scsi" "" "" "dev='sda' bus='scsi'"
PLUG=refused variant "sata" "" "" "dev='sda' bus='sata'"
variant "usb" "" "" "dev='sda' bus='usb'"
MACHINE=pc PLUG=refused variant "ide" "" "" "dev='hda' bus='ide'"
READONLY=1 variant "a cdrom" "device='cdrom'" "" "dev='sda' bus='scsi'"
MACHINE=pc PLUG=refused variant "a floppy" "device='floppy'" "" "dev='fda' bus='fdc'"
START=refused PLUG=refused variant "lun of a file" "device='lun'" "" "dev='sda' bus='scsi'"
READONLY=1 variant "read-only" "" "" "dev='vda' bus='virtio'" "<readonly/>"

# --- how it is shown, read and written

PLUGGED=qcow2
PLUGGED='' variant "a disk to boot from" "" "" "dev='vda' bus='virtio'" "<boot order='1'/>"
variant "with serial number and WWN" "" "" "dev='sda' bus='scsi'" "<serial>S1</serial><wwn>5000c50015ea71aa</wwn>"
variant "blocks of 4 KiB" "" "" "dev='vda' bus='virtio'" \
    "<blockio logical_block_size='4096' physical_block_size='4096'/>"
for cache in none writeback writethrough directsync unsafe; do
    variant "cache=$cache" "" "cache='$cache'" "dev='vda' bus='virtio'"
done
variant "io=native" "" "cache='none' io='native'" "dev='vda' bus='virtio'"
START=refused PLUG=refused variant "io=native with a cache that does not go with it" "" \
    "cache='writeback' io='native'" "dev='vda' bus='virtio'"
variant "io=threads" "" "io='threads'" "dev='vda' bus='virtio'"
variant "io=io_uring" "" "io='io_uring'" "dev='vda' bus='virtio'"
variant "discard and detect_zeroes" "" "discard='unmap' detect_zeroes='unmap'" "dev='vda' bus='virtio'"
variant "copy on read" "" "copy_on_read='on'" "dev='vda' bus='virtio'"
variant "policies for errors" "" "error_policy='enospace' rerror_policy='report'" "dev='vda' bus='virtio'"
variant "queues" "" "queues='2' queue_size='64' event_idx='on' ioeventfd='on' packed='on'" "dev='vda' bus='virtio'"
variant "iotune" "" "" "dev='vda' bus='virtio'" \
    "<iotune><total_iops_sec>1000</total_iops_sec><total_iops_sec_max>2000</total_iops_sec_max></iotune>"
variant "an iothread" "" "iothread='1'" "dev='vda' bus='virtio'" "" "<iothreads>1</iothreads>"

# --- what concerns the payload's format alone

FORMATS=qcow2
variant "discard_no_unref" "" "discard='unmap' discard_no_unref='on'" "dev='vda' bus='virtio'"

cached() {
    disk "$1" qcow2 "" "" "dev='vda' bus='virtio'" |
        sed "s|\(<driver.*\)/>|\1><metadata_cache><max_size unit='KiB'>512</max_size></metadata_cache></driver>|"
}
same "a cache for the tables of qcow2 works" "$(started "$(domain "$(cached l.qcow2)")")" works
like "and is given to the payload's node" "$(virsh domxml-to-native qemu-argv "$DAEMON_DIR/domain.xml")" \
    '"driver":"qcow2"[^{}]*"cache-size":524288|"cache-size":524288[^{}]*"driver":"qcow2"'
try "and it stops" stopped

finish
