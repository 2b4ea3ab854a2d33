#!/bin/bash
# What AppArmor would let a guest open, on a machine without AppArmor: libvirt's own security driver and its own
# virt-aa-helper write the guest's profile, which a stand-in for the kernel takes. The profile must have payload and
# header of each linked disk from the start to the disk's end, by whatever name the domain calls the payload. That
# the kernel enforces the profile is tests/lab's to show.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "a session daemon has no AppArmor"
need_command qemu-system-x86_64 cc
[ -e /usr/lib/libvirt/virt-aa-helper ] || skip_all "this libvirt was built without AppArmor: no virt-aa-helper"
[ -d /sys/kernel/security ] || skip_all "no /sys/kernel/security to stand in for"
[ -e /etc/apparmor.d/libvirt/TEMPLATE.qemu ] || skip_all "no /etc/apparmor.d/libvirt/TEMPLATE.qemu"

# Where the daemon lives: the file in which the kernel lists its profiles, apparmor_parser, which changes it, and a
# directory for the profiles.
armour() {
    local library
    library=$(preload apparmor) || return
    export DAEMON_WRAPPER="env LD_PRELOAD=$library"
    # shellcheck disable=SC2016 # for the shell there
    "$DAEMON_IN" sh -c '
        set -e
        mount -t tmpfs -o mode=755 lukshdr /sys/kernel/security
        mkdir /sys/kernel/security/apparmor
        echo "libvirtd (enforce)" >/sys/kernel/security/apparmor/profiles
        cp /etc/apparmor.d/libvirt/TEMPLATE.* /run/
        mount -t tmpfs -o mode=755 lukshdr /etc/apparmor.d/libvirt
        cp /run/TEMPLATE.* /etc/apparmor.d/libvirt/
        mkdir /run/sbin
        mount --bind /usr/sbin /run/sbin
        mount -t tmpfs -o mode=755 lukshdr /usr/sbin
        cp -as /run/sbin/. /usr/sbin/
        rm -f /usr/sbin/apparmor_parser
        cat >/usr/sbin/apparmor_parser <<"PARSER"
#!/bin/sh
# -a|-r FILE: a profile is loaded; -R FILE: it is removed
PATH=/usr/bin:/bin
list=/sys/kernel/security/apparmor/profiles
for file; do :; done
name=${file##*/}
grep -v "^$name " $list >$list.new
[ "$1" = -R ] || echo "$name (enforce)" >>$list.new
cat $list.new >$list
PARSER
        chmod 755 /usr/sbin/apparmor_parser
        sed -i "s/^security_driver.*/security_driver = \"apparmor\"/" /etc/libvirt/qemu.conf'
    linked_launch
}

# machine NAME DISK...: a machine with nothing but disks, which is not there to run.
machine() {
    local name=$1
    shift
    cat >"$DAEMON_DIR/xml/machine.xml" <<XML
<domain type='qemu'><name>$name</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><controller type='usb' model='none'/><memballoon model='none'/>$(printf '%s\n' "$@")</devices></domain>
XML
    virsh define "$DAEMON_DIR/xml/machine.xml"
}

# plug_volume MACHINE TARGET VOLUME: plugs it in by pool and volume; VOLUME ends with its format.
plug_volume() {
    disk_xml "$2" "data/$3" "${3#*.}" "$SECRET_UUID" >"$DAEMON_DIR/disk.xml"
    virsh attach-device "$1" "$DAEMON_DIR/disk.xml" --live
}

# remembered FILE: how many uses of it libvirt counts before it gives the file back to its owner.
remembered() {
    getfattr --absolute-names -d -m libvirt "$1" 2>/dev/null | sed -n 's/.*ref_dac="\(.*\)"/\1/p'
}

drive() {
    echo "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
<source file='$DAEMON_IMAGES/medium'/><target dev='hdc' bus='ide'/><readonly/></disk>"
}

# rules MACHINE: the files of the two pools that its profile lets it write.
rules() {
    "$DAEMON_IN" cat "/etc/apparmor.d/libvirt/libvirt-$(virsh domuuid "$1" | head -n 1).files" |
        sed -n "s|^ *\"$DAEMON_IMAGES/\([^\"]*\)\" rwk,\$|\1|p" | sort -u | xargs
}

# rewritten MACHINE: libvirt makes the rules anew, as after every unplugging: a medium is taken out.
rewritten() {
    virsh change-media "$1" hdc --eject --force --live &&
        ! "$DAEMON_IN" grep -q /medium "/etc/apparmor.d/libvirt/libvirt-$(virsh domuuid "$1" | head -n 1).files" &&
        virsh change-media "$1" hdc "$DAEMON_IMAGES/medium" --insert --force --live
}

try "a host with a header pool and a payload pool" linked_start || finish
try "whose kernel has AppArmor, as far as libvirt sees" armour || finish
like "libvirt uses it" "$(virsh capabilities)" '<model>apparmor</model>'
quick_keys
truncate -s 1M "$DAEMON_IMAGES/medium"
for name in a.raw b.qcow2 c.raw; do
    try "a linked volume, $name" create "$name" "${name#*.}"
done
try "a plain volume" virsh vol-create-as data plain.raw 1M

# --- by path, as ever

try "a machine with a disk by path" machine file "$(disk vda a.raw)"
try "starts" virsh start file --paused
same "its profile has payload and header" "$(rules file)" "data/a.raw vault/a.raw.luks"
virsh destroy file

# --- by pool and volume

try "a machine with disks by pool and volume" machine demo "$(disk_xml vda data/a.raw raw "$SECRET_UUID")" \
    "$(disk_xml vdb data/b.qcow2 qcow2 "$SECRET_UUID")" "$(drive)"
try "starts" virsh start demo --paused
BOTH="data/a.raw data/b.qcow2 vault/a.raw.luks vault/b.qcow2.luks"
same "its profile has payloads and headers" "$(rules demo)" "$BOTH"
same "the disks are still named by pool and volume" \
    "$(virsh dumpxml demo --xpath '//disk/source/@volume' | xargs)" "volume=a.raw volume=b.qcow2"
same "libvirt counts one use of each payload" "$(remembered "$DATA/a.raw")" 1
same "and of each header" "$(remembered "$VAULT/a.raw.luks")" 1
try "another is plugged in" plug_volume demo vdc c.raw
ALL="data/a.raw data/b.qcow2 data/c.raw vault/a.raw.luks vault/b.qcow2.luks vault/c.raw.luks"
same "its profile has all" "$(rules demo)" "$ALL"
try "the profile is rewritten" rewritten demo
same "and has all" "$(rules demo)" "$ALL"
try "the daemon restarts" linked_launch
try "the profile is rewritten then" rewritten demo
same "and has all" "$(rules demo)" "$ALL"
try "the pool is stopped" virsh pool-destroy data
try "the profile is rewritten then" rewritten demo
same "and has all" "$(rules demo)" "$ALL"
try "the pool is started" virsh pool-start data
try "the machine is saved" virsh managedsave demo
try "and comes back" virsh start demo --paused
same "with all" "$(rules demo)" "$ALL"
virsh destroy demo
same "it ends, and payloads and headers are root's" "$(stat -c %U "$DATA"/[a-c].* "$VAULT"/* | sort -u)" root
try "it starts a second time" virsh start demo --paused
same "and has payloads and headers" "$(rules demo)" "$BOTH"
virsh destroy demo
try "the daemon restarts without it" linked_launch
try "it starts a third time" virsh start demo --paused
same "and has payloads and headers" "$(rules demo)" "$BOTH"
virsh destroy demo

# --- what is not ours

try "a machine with a plain volume" machine plain "$(disk_xml vda data/plain.raw raw)"
virsh start plain --paused >/dev/null 2>&1
same "of which the profile has as much as without the plugin" "$(rules plain)" ""
virsh destroy plain
finish
