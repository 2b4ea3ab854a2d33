# shellcheck shell=bash
# Functions for what "on" runs in a machine of the lab (lab.sh), where this file is put. A part adds its own with "put".
#
#   pool_make NAME DIR            a pool of type dir, started, autostarted
#   volume_make NAME FORMAT MIB POOL HEADERPOOL [HEADER]   a linked volume with a generated secret
#   secret_of POOL/VOLUME         the UUID of its secret
#   disk_xml TARGET SOURCE FORMAT   as in guest.sh: SOURCE is a file or device by its path, or POOL/VOLUME
#   guest_make NAME [DISK...]     defines a guest that has its firmware alone, and these disks (each XML)
#   io NAME TARGET COMMAND        reads or writes the disk of a running guest, as QEMU's device does, by a command
#                                 of qemu-io; prints what came of it, and fails if it failed
#   unplugged NAME TARGET         unplugs the disk of a guest without a system: it resets, so that the machine lets go
#   destroyed NAME                destroys a guest, also with a daemon that has only just started
#   plugin_off, plugin_on         libvirtd restarts without the plugin, whose drop-in is masked; and with it again
#   hmp NAME COMMAND              QEMU's monitor
#   profile NAME                  the file of AppArmor rules that libvirt wrote for the guest
#   denied                        what AppArmor or SELinux denied since it was last asked, a line for each, once

pool_make() {
    virsh pool-define-as "$1" dir --target "$2" && virsh pool-build "$1" && virsh pool-start "$1" &&
        virsh pool-autostart "$1"
}

# Allocated as a whole: a logical volume that is not is a snapshot, of 4 MiB here, and lost once that has run over.
volume_make() {
    virsh vol-create "$4" /dev/stdin <<XML
<volume><name>$1</name><capacity unit='MiB'>$3</capacity>
<target><format type='$2'/><encryption format='luks'>
<header type='volume'><source pool='$5'${6:+ volume='$6'}/></header></encryption></target></volume>
XML
}

secret_of() {
    virsh vol-dumpxml --pool "${1%%/*}" "${1#*/}" | xmllint --xpath 'string(//secret/@uuid)' -
}

disk_xml() {
    local target=$1 source=$2 format=$3 type attributes
    case $source in
        /dev/*) type=block attributes="dev='$source'" ;;
        /*) type=file attributes="file='$source'" ;;
        *) type=volume attributes="pool='${source%%/*}' volume='${source#*/}'" ;;
    esac
    cat <<XML
<disk type='$type' device='disk'><driver name='qemu' type='$format'/>
<source $attributes/><target dev='$target' bus='virtio'/></disk>
XML
}

guest_make() {
    local name=$1
    shift
    virsh define /dev/stdin <<XML
<domain type='qemu'><name>$name</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><controller type='usb' model='none'/><memballoon model='none'/>
$*
</devices></domain>
XML
}

# A daemon that has not found its guests yet kills the guest and says that it does not run.
destroyed() {
    local i
    virsh destroy "$1"
    for ((i = 0; i < 600; i++)); do
        [ "$(virsh domstate "$1")" != "shut off" ] || return 0
        sleep 0.5
    done
    return 1
}

plugin_off() {
    local dir=/etc/systemd/system/libvirtd.service.d dropin
    dropin=$(systemctl show -P DropInPaths libvirtd | tr " " "\n" | grep lukshdr) && mkdir -p "$dir" &&
        ln -s /dev/null "$dir/${dropin##*/}" && systemctl daemon-reload && systemctl restart libvirtd &&
        ! grep lukshdr "/proc/$(pidof libvirtd)/maps"
}

plugin_on() {
    find /etc/systemd/system/libvirtd.service.d -name '*lukshdr*' -delete && systemctl daemon-reload &&
        systemctl restart libvirtd && virt-lukshdr check
}

hmp() {
    local name=$1
    shift
    virsh qemu-monitor-command "$name" --hmp "$*"
}

# QEMU prints what came of a command, and a number of ours behind it, where libvirt has its log.
io() {
    local log=/var/log/libvirt/qemu/$1.log alias from said i
    alias=$(virsh dumpxml "$1" | xmllint --xpath "string(//disk[target/@dev='$2']/alias/@name)" -)
    [ -n "$alias" ] || {
        echo "io: $1 has no disk $2" >&2
        return 1
    }
    from=$(stat -c %s "$log")
    hmp "$1" "qemu-io -d /machine/peripheral/$alias/virtio-backend \"$3\"" || return
    for ((i = 0; i < 600; i++)); do
        said=$(tail -c "+$((from + 1))" "$log" | tr -d '\0')
        ! grep -Eq '(wrote|read) [0-9]+/[0-9]+ bytes|failed|rror' <<<"$said" || break
        sleep 0.2
    done
    echo "$said"
    grep -Eq '(wrote|read) [0-9]+/[0-9]+ bytes' <<<"$said" && ! grep -Eq 'failed|rror' <<<"$said"
}

unplugged() {
    local i
    virsh resume "$1" >/dev/null 2>&1
    virsh detach-disk "$1" "$2" || return
    for ((i = 0; i < 600; i++)); do
        [ $((i % 50)) -ne 0 ] || hmp "$1" system_reset
        virsh domblklist "$1" | grep -q "^ *$2 " || return 0
        sleep 0.2
    done
    echo "unplugged: $1 still has $2" >&2
    return 1
}

profile() {
    echo "/etc/apparmor.d/libvirt/libvirt-$(virsh domuuid "$1" | head -n 1).files"
}

# What the kernel says goes through the audit daemon; a record of ours that has come through is behind all of it.
denied() {
    local log=/var/log/audit/audit.log from mark i
    from=$(cat /run/lab-denied 2>/dev/null || echo 0)
    mark=lab-$RANDOM$RANDOM
    auditctl -m "$mark" >/dev/null
    for ((i = 0; i < 300; i++)); do
        ! grep -q "$mark" "$log" || break
        sleep 0.1
    done
    tail -n "+$((from + 1))" "$log" | grep -E 'apparmor="(DENIED|ALLOWED)"|avc: +denied' |
        sed -E 's/^.*(apparmor=|avc:)/\1/; s/ (pid|ino|peer_pid)=[0-9]+//g; s/libvirt-[-0-9a-f]{36}/libvirt-UUID/; s/\x1d.*//' |
        sort -u
    wc -l <"$log" >/run/lab-denied
}
