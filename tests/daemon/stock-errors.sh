#!/bin/bash
# What stock says when a call fails is what the client hears: each entry of the two tables of functions that the plugin
# stands in front of fails on a daemon without the plugin and on one with it, with the same code, domain and text.
# The entries are those that the source names: one without a call in tests/lib/fail-client.c fails the test. No call
# fails in those that register and deregister for events: the daemon refuses before, and stock then never does.

# shellcheck disable=SC2317 # many functions are called by way of run
. "$(dirname "$0")/../lib/linked.sh"
. "$(dirname "$0")/../lib/session.sh"

need_root
SOURCES=$(cd "$(dirname "$0")/../../src" && pwd)
mapfile -t ENTRIES < <(
    sed -n '/^static const lukshdrStorageOurs lukshdrStorageMap/,/^}/s/^ *\.\([A-Za-z]*\) =.*/\1/p' \
        "$SOURCES/storage_backend_lukshdr/module.c"
    sed -n '/^static const lukshdrQemuTableEntries lukshdrQemuConfigEntries/,/^}/s/^ *\.\([A-Za-z0-9]*\) =.*/\1/p' \
        "$SOURCES/qemu_lukshdr/client.c"
)
try "the source names entries of both tables (${#ENTRIES[@]})" grep -q 'storageVol.*domain' <<<"${ENTRIES[*]}"

daemon_use stock
CLIENT=$DAEMON_WORK/fail-client
cc -O1 -o "$CLIENT" "$(dirname "$0")/../lib/fail-client.c" -lvirt -ldl || skip_all "no compiler for libvirt's clients"
chmod 755 "$CLIENT"

# guest NAME [MORE]: XML of a guest with one disk, which is not there unless MORE is.
guest() {
    cat <<XML
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>$1</name><memory>65536</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices><controller type='usb' model='none'/>
<memballoon model='none'/>${2:-}</devices>${3:-}</domain>
XML
}

# with NAME DIRECTORY: what fails with the modules of DIRECTORY.
with() {
    local name disk="<disk type='file'><source file='/nonexistent/disk'/><target dev='vda' bus='virtio'/></disk>"
    local -x LIBVIRT_DRIVER_DIR=$2
    linked_start "$1" || return
    for name in off gone file found; do
        "$DAEMON_IN" mkdir "$DAEMON_IMAGES/$name" || return
        virsh pool-define-as "$name" dir --target "$DAEMON_IMAGES/$name" || return
    done
    # the daemon finds them active without having started them
    linked_launch && virsh pool-destroy off || return
    virsh pool-refresh gone && virsh vol-create-as data there 1M &&
        virsh vol-create-as gone lost 1M && virsh pool-destroy file || return
    rm -r "$DAEMON_IMAGES/file" "$DAEMON_IMAGES/gone" && touch "$DAEMON_IMAGES/file" || return
    guest off "$disk" >"$DAEMON_DIR/off.xml"
    guest on >"$DAEMON_DIR/on.xml"
    guest fails '' "<qemu:commandline><qemu:arg value='-nonsense'/></qemu:commandline>" >"$DAEMON_DIR/fails.xml"
    for name in off on fails; do
        virsh define "$DAEMON_DIR/$name.xml" || return
    done
    virsh start on --paused || return
    touch "$DAEMON_IMAGES/wait"
    tool qemu-img <<SH
touch "$DAEMON_IMAGES/begun"
while [ -e "$DAEMON_IMAGES/wait" ]; do sleep 0.1; done
exec "\$REAL" "\$@"
SH
    virsh vol-create-as found slow 1M --format qcow2 >"$DAEMON_DIR/slow" 2>&1 &
    waited [ -e "$DAEMON_IMAGES/begun" ] || return
    "$DAEMON_IN" "$CLIENT" "${ENTRIES[@]}" |
        sed -E -e "s|$DAEMON_DIR|DIR|g" -e 's/(QEMU unexp.* monitor [^:]*|process exited .* monitor):/QEMU ended:/' \
            -e 's/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/UUID/g' \
            >"$DAEMON_WORK/$1.failures"
    rm "$DAEMON_IMAGES/wait"
    wait $!
    daemon_stop
}

try "calls that fail without the plugin" with stock "$STOCK_MODULES"
try "and with it" with plugin "$LIBVIRT_DRIVER_DIR"
same "each entry has a call, but for events" "$(sed -n 's/\tno case$//p' "$DAEMON_WORK/stock.failures")" \
    "connectStoragePoolEventRegisterAny
connectStoragePoolEventDeregisterAny"
same "which fails" "$(grep -E $'\tok$' "$DAEMON_WORK/stock.failures")" ""
for entry in "${ENTRIES[@]}"; do
    same "$entry: what the client hears is what stock says" "$(grep "^$entry"$'\t' "$DAEMON_WORK/plugin.failures")" \
        "$(grep "^$entry"$'\t' "$DAEMON_WORK/stock.failures")"
done
finish
