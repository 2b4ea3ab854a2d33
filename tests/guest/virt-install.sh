#!/bin/bash
# Clients that know nothing of linked volumes: virt-install, virt-xml and virt-clone, whose library virt-manager
# uses, too, with a pool that has an encryption default. They create the disk, the guest that runs from it, a
# second disk while it runs, and a clone; all of them are linked, and nobody was told.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "virt-install is tried with a system daemon"
need_command qemu-system-x86_64 virt-install virt-xml virt-clone

TEXT="what only the guest may know: $RANDOM $RANDOM"

# client COMMAND...: one of virt-manager's, which would otherwise remember things in the home directory.
client() {
    local command=$1
    shift
    "$DAEMON_IN" env HOME="$DAEMON_DIR" XDG_CACHE_HOME="$DAEMON_DIR/cache" "$command" --connect qemu:///system "$@"
}

pool_with_default() {
    cat >"$DAEMON_DIR/xml/pool.xml" <<XML
<pool type='dir'><name>auto</name>
<target><path>$DAEMON_IMAGES/auto</path>
<encryption format='luks'><header type='volume'><source pool='vault'/></header></encryption>
</target></pool>
XML
    "$DAEMON_IN" mkdir -p "$DAEMON_IMAGES/auto"
    virsh pool-define "$DAEMON_DIR/xml/pool.xml" && virsh pool-start auto
}

# A guest that tests/lib/guest.sh can talk to, as virt-install makes it.
install() {
    local name=$1
    shift
    guest_xml "$name" >/dev/null && client virt-install --name "$name" --virt-type qemu --machine q35 --memory 256 --vcpus 1 \
        --osinfo detect=off,require=off --import --noautoconsole --graphics none --network none --console none \
        --controller usb,model=none --memballoon none --rng none --sound none \
        --serial "file,path=$DAEMON_DIR/guests/$name.console" --serial "pipe,path=$DAEMON_DIR/guests/$name" \
        --boot "kernel=$DAEMON_DIR/guests/vmlinuz,initrd=$DAEMON_DIR/guests/initramfs,\
kernel_args=console=ttyS0 quiet loglevel=4 mitigations=off no_timer_check" "$@"
}

# header_shown VOLUME: which header vol-dumpxml names.
header_shown() {
    virsh vol-dumpxml "$1" auto | xmllint --xpath 'string(//header/source/@volume)' -
}

# secret_shown VOLUME, secret_named DOMAIN: the secrets of a volume, and of a domain's first disk as configured.
secret_shown() {
    virsh vol-dumpxml "$1" auto | xmllint --xpath 'string(//encryption/secret/@uuid)' -
}
secret_named() {
    virsh dumpxml "$1" --inactive | xmllint --xpath 'string(//disk[target/@dev="vda"]//encryption/secret/@uuid)' -
}

try "a host" linked_start
try "a pool with an encryption default" pool_with_default

# --- a guest and its disk

try "virt-install creates a disk there and starts a guest from it" \
    install made --disk pool=auto,size=0.0625,format=qcow2,bus=virtio,serial=vda
same "the disk is a linked volume" "$(header_shown made.qcow2)" made.qcow2.luks
same "the configuration says how it is opened" "$(secret_named made)" "$(secret_shown made.qcow2)"
unlike "by a secret" "-$(secret_named made)-" "^--$"
try "the guest comes up" guest_wait made
same "and has a disk of the size asked for" "$(guest_run made 'blockdev --getsize64 $(disk vda)')" 67108864
try "the guest writes" guest_fill made vda "$TEXT"

# --- another one, while it runs

try "virt-xml creates a second disk and plugs it in" \
    client virt-xml made --add-device --update --disk pool=auto,size=0.03125,format=raw,bus=virtio,serial=vdb
same "it is a linked volume" "$(header_shown made.img)" made.img.luks
try "the guest writes to it" guest_fill made vdb "$TEXT"
try "and reads back what it wrote to the first" guest_filled made vda "$TEXT"
same "no file on the host holds the text in clear" "$(in_clear "$TEXT" "$DAEMON_IMAGES/auto"/* "$VAULT"/*)" ""
try "virt-xml unplugs it" client virt-xml made --remove-device --update --disk target=vdb
try "and the guest stops" eval 'virsh destroy made && virsh domstate made | grep "shut off"'

# --- a clone

try "virt-clone clones the guest with its disk" client virt-clone --original made --name copy --auto-clone
same "the clone's disk is a linked volume" "$(header_shown copy.qcow2)" copy.qcow2.luks
unlike "with a secret of its own" "$(secret_shown copy.qcow2)" "$(secret_shown made.qcow2)"
refuse "and a header of its own" "differ" cmp -n 4096 "$VAULT/copy.qcow2.luks" "$VAULT/made.qcow2.luks"
same "virt-clone, which knows nothing of that, has copied the other's secret" \
    "$(secret_named copy)" "$(secret_shown made.qcow2)"
try "it starts nevertheless" eval 'virsh start copy --paused && virsh destroy copy'
same "and then its configuration names the right one" "$(secret_named copy)" "$(secret_shown copy.qcow2)"
# what virt-clone copied, too: the ports by which the test talks to it
clone_ports() {
    guest_xml copy >/dev/null &&
        virsh dumpxml copy --inactive | sed "s|/guests/made|/guests/copy|" >"$DAEMON_DIR/xml/copy.xml" &&
        virsh define "$DAEMON_DIR/xml/copy.xml"
}
try "given ports of its own, the clone boots" eval 'clone_ports && guest_start copy'
try "and has what the other wrote" guest_filled copy vda "$TEXT"
try "and stops" virsh destroy copy

# --- all gone

try "with the guests go their disks" \
    eval 'virsh undefine copy --remove-all-storage && virsh undefine made --remove-all-storage'
virsh vol-delete made.img auto >/dev/null
same "and no header is left" "$(ls "$VAULT")" ""
same "nor a volume" "$(ls "$DAEMON_IMAGES/auto")" ""
same "nor a link" "$(links)" ""
finish
