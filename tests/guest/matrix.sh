#!/bin/bash
# Linked disks with everything that the XML of a disk can say, compared with attached LUKS under the same libvirt and
# QEMU. Whatever works with one, at the start or hot-plugged, works with the other, and libvirt tells QEMU the same
# of both. These guests have no system and stay paused; QEMU opens the chains all the same. One more boots from a
# linked disk.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_command qemu-system-x86_64 qemu-img

ATTACHED=

# attached FILE FORMAT: the same volume with its LUKS header in front of the data.
attached() {
    local file=$ATTACHED/$1 options=encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 format=qcow2
    [ "$2" = qcow2 ] || format=luks options=key-secret=s,iter-time=10
    printf %s "$PASSPHRASE" >"$DAEMON_DIR/passphrase"
    qemu-img create -q -f "$format" --object "secret,id=s,file=$DAEMON_DIR/passphrase" -o "$options" "$file" 16M
    chmod 666 "$file"
}

# bare NAME [DISK...]: the XML of a domain without a system.
bare() {
    local name=$1 i ports=
    shift
    for ((i = 1; i <= 8; i++)); do
        ports+="<controller type='pci' index='$i' model='pcie-root-port'/>"
    done
    cat <<XML
<domain type='qemu'>
  <name>$name</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><iothreads>2</iothreads>
  <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
  <devices>
    <controller type='pci' index='0' model='pcie-root'/>$ports
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <controller type='usb' index='0' model='qemu-xhci'/>
    <memballoon model='none'/>
$(printf '%s\n' "$@")
  </devices>
</domain>
XML
}

# disks DIR SED: two disks, raw and qcow2, changed by the sed script.
disks() {
    disk_xml vda "$1/m.raw" raw "$SECRET_UUID" | sed "$2"
    disk_xml vdb "$1/m.qcow2" qcow2 "$SECRET_UUID" | sed "$2"
}

# told: what QEMU was told of the nodes that both have, payload and top, whatever their numbers.
told() {
    qmp m '{"execute":"query-named-block-nodes","arguments":{"flat":true}}' | python3 -c '
import json, sys, re
lines = []
for node in json.load(sys.stdin)["return"]:
    name = node["node-name"]
    if re.fullmatch("libvirt-[0-9]+-(format|storage)", name):
        lines.append((re.sub("[0-9]+", "N", name), node["ro"], node["cache"], node["detect_zeroes"],
                      {k: v for k, v in node.items() if k.startswith(("bps", "iops"))}))
print("\n".join(sorted(map(str, lines))))'
    "$DAEMON_IN" cat "/proc/$(qemu_pids m)/cmdline" 2>/dev/null | tr '\0' '\n' |
        grep '"node-name":"libvirt-[0-9]*-storage"' | grep -o '"aio":"[a-z_]*"\|"discard":"[a-z]*"' | sort
    "$DAEMON_IN" cat "/proc/$(qemu_pids m)/cmdline" 2>/dev/null | tr '\0' '\n' |
        sed -n 's/"drive":"[^"]*",\?//; s/"serial":"[^"]*"//; /"driver":"\(virtio-blk-pci\|scsi-\|ide-\|usb-storage\)/p' |
        sort
    qmp m '{"execute":"query-block"}' | grep -o '"\(iops\|bps\)[a-z_]*":[0-9]*' | sort
    # copy-on-read is a node of its own
    nodes m | grep -c ' copy-on-read$'
}

# started DIR SED: "yes" and what QEMU was told, or "no" and why.
started() {
    local said
    if said=$(virsh create --paused <(bare m "$(disks "$1" "$2")") 2>&1); then
        echo yes
        told
    else
        echo "no: $said" | sed "s|$1|DIR|g"
    fi
    virsh destroy m >/dev/null 2>&1
}

# plugged DIR SED: the same of a guest that is given the disks one by one.
plugged() {
    local said target format
    virsh create --paused <(bare m) >/dev/null || return
    for target in vda:raw vdb:qcow2; do
        format=${target#*:}
        disk_xml "${target%:*}" "$1/m.$format" "$format" "$SECRET_UUID" | sed "$2" >"$DAEMON_DIR/plug.xml"
        if said=$(virsh attach-device m "$DAEMON_DIR/plug.xml" --live 2>&1); then
            echo yes
        else
            echo "no: $said" | sed "s|$1|DIR|g"
        fi
    done
    told
    virsh destroy m >/dev/null 2>&1
}

# alike WHAT SED [REASON [REASON-PLUGGED]]: both can do it, and QEMU is told the same. With a REASON (a regular
# expression), libvirt or QEMU refuses both, at the start or when they are plugged in, and says so; "-" means that it
# does not. What is refused for another reason proves nothing.
alike() {
    local what=$1 sed=$2 reasons=("${3:--}" "${4:-${3:--}}") linked stock how
    for how in started plugged; do
        linked=$("$how" "$DATA" "$sed")
        stock=$("$how" "$ATTACHED" "$sed")
        if [ "${reasons[0]}" = - ]; then
            unlike "$what, $how: attached LUKS can do it" "$stock" "^no: "
        else
            like "$what, $how: attached LUKS is refused" "$stock" "${reasons[0]}"
        fi
        same "$what, $how: as attached LUKS" "$linked" "$stock"
        reasons=("${reasons[1]}")
    done
}

volumes() {
    linked_start && quick_keys && create m.raw raw && create m.qcow2 qcow2 || return
    ATTACHED=$DAEMON_IMAGES/attached
    mkdir -m 755 "$ATTACHED" && attached m.raw raw && attached m.qcow2 qcow2
}
try "a host with linked volumes, and the same with attached LUKS" volumes
before=$(linked_access m.raw m.qcow2)

try "(a guest has two luks nodes with headers of their own)" virsh create --paused <(bare m "$(disks "$DATA" "")")
same "(it has)" "$(nodes m | grep -c 'header-storage file$')" 2
virsh destroy m

driver() {
    echo "s|<driver name='qemu'|& $1|"
}
like "(what QEMU is told is seen here)" "$(started "$DATA" "$(driver "cache='none' io='native'")")" '"aio":"native"'
like "(and the nodes)" "$(started "$ATTACHED" "$(driver "cache='none'")")" "libvirt-N-storage.*'direct': True"
alike "bus virtio" ""
alike "bus scsi" "s/vd\([ab]\)/sd\1/; s/bus='virtio'/bus='scsi'/"
# With libvirt 9.0 it is QEMU who says so.
alike "bus sata" "s/vd\([ab]\)/sd\1/; s/bus='virtio'/bus='sata'/" - \
    "disk bus 'sata' cannot be hotplugged|'device_add': Bus 'ide.0' does not support hotplugging"
alike "bus usb" "s/vd\([ab]\)/sd\1/; s/bus='virtio'/bus='usb'/"
for cache in none writeback writethrough directsync unsafe; do
    alike "cache $cache" "$(driver "cache='$cache'")"
done
alike "io threads" "$(driver "io='threads'")"
alike "io native" "$(driver "cache='none' io='native'")"
alike "io native without cache none" "$(driver "io='native'")" "io='native' needs either no disk cache or directsync"
alike "io io_uring" "$(driver "io='io_uring'")"
alike "discard unmap" "$(driver "discard='unmap'")"
alike "discard ignore" "$(driver "discard='ignore'")"
for zeroes in on unmap off; do
    alike "detect_zeroes $zeroes" "$(driver "discard='unmap' detect_zeroes='$zeroes'")"
done
alike "copy-on-read" "$(driver "copy_on_read='on'")"
alike "an iothread" "$(driver "iothread='1'")"
alike "queues" "$(driver "queues='2' queue_size='128'")"
# Each queue has an iothread of its own, and the luks node encrypts in both; libvirt 10.0 and newer
BOTH="s|<driver \\(name='qemu'[^/]*\\)/>|<driver \\1 queues='2'><iothreads><iothread id='1'><queue id='0'/></iothread><iothread id='2'><queue id='1'/></iothread></iothreads></driver>|"
alike "queues of two iothreads" "$BOTH"
! libvirt_since 10.0 || like "(and QEMU has them)" "$(started "$DATA" "$BOTH")" 'iothread-vq-mapping.*"iothread2"'
alike "error policies" "$(driver "error_policy='stop' rerror_policy='report'")"
alike "a metadata cache" "/name='qemu' type='qcow2'/s|<driver.*|<driver name='qemu' type='qcow2'><metadata_cache><max_size unit='bytes'>65536</max_size></metadata_cache></driver>|"
alike "iotune" "s|<target|<iotune><total_bytes_sec>10000000</total_bytes_sec><read_iops_sec>400</read_iops_sec><write_iops_sec>200</write_iops_sec></iotune>&|"
alike "sectors of 4 KiB" "s|<target|<blockio logical_block_size='4096' physical_block_size='4096'/>&|"
alike "an address of the guest's choice" "/vda/s|<serial>|<boot order='1'/>&|" - \
    "per-device boot elements cannot be used together with os/boot"

# --- device='lun', of which libvirt and QEMU ask for a real SCSI device

if [ "$(id -u)" -eq 0 ] && loop=$(losetup -f --show "$DATA/m.raw" 2>/dev/null); then
    at_exit losetup -d "$loop"
    for bus in virtio scsi; do
        refuse "device lun on $bus" "lun|scsi|loop device|linked" virsh create --paused <(bare m "$(
            disk_xml sda "$loop" raw | sed "s/device='disk'/device='lun'/; s/bus='virtio'/bus='$bus'/; /serial/d"
        )")
        virsh destroy m >/dev/null 2>&1
    done
fi
refuse "a file as device lun" "lun" virsh create --paused <(bare m "$(disk_xml sda "$DATA/m.raw" raw "$SECRET_UUID" |
    sed "s/device='disk'/device='lun'/; s/bus='virtio'/bus='scsi'/; /serial/d")")
same "after all that access is as before" "$(linked_access m.raw m.qcow2)" "$before"
same "and no record is left" "$(records)" ""

# --- read-only, after which stock leaves a file to QEMU's user, since another guest may use it

alike "read-only" "s|<target|<readonly/>&|"
alike "read-only on scsi" "s|<target|<readonly/>&|; s/vd\([ab]\)/sd\1/; s/bus='virtio'/bus='scsi'/"
same "header and payload belong to the same user" \
    "$(stat -c %U "$VAULT"/m.raw.luks "$DATA"/m.raw "$VAULT"/m.qcow2.luks "$DATA"/m.qcow2 | sort -u | wc -l)" 1
same "no record is left" "$(records)" ""

# --- booting

# 16-bit code that writes the text behind it to the first serial port, and stops.
boot_sector() {
    {
        printf '\xfa\x31\xc0\x8e\xd8\xbe\x16\x7c\xac\x84\xc0\x74\x06\xba\xf8\x03\xee\xeb\xf5\xf4\xeb\xfd'
        printf 'booted from a linked disk\n\0'
    } | dd of="$1" conv=notrunc status=none
    printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

encrypt_boot() {
    virsh vol-create-as data boot.img 16M --format raw && boot_sector "$DATA/boot.img" &&
        linked_xml "boot.$1" "$1" >"$DAEMON_DIR/boot.xml" &&
        virsh vol-create-from data "$DAEMON_DIR/boot.xml" boot.img data
    local status=$?
    virsh vol-delete boot.img data
    return "$status"
}

for format in raw qcow2; do
    try "a disk with a boot sector is encrypted, $format" encrypt_boot "$format"
    console=$DAEMON_DIR/guests/boot.$format.console
    try "a guest starts from it" virsh create <(bare boot "$(disk_xml vda "$DATA/boot.$format" "$format")" \
        "<serial type='file'><source path='$console'/><target port='0'/></serial>")
    try "its BIOS boots it" waited grep -qs "booted from a linked disk" "$console"
    virsh destroy boot
    same "the payload does not hold the text in clear" "$(in_clear "booted from a linked disk" "$DATA"/*)" ""
done
finish
