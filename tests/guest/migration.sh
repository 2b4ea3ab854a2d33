#!/bin/bash
# Guests that go to another host: with shared storage, with their disks copied, switched off, in a file. The
# other host opens linked disks by links of its own; where it cannot, the guest stays where it is, unharmed,
# and no byte of the payload changes.
#
# Everything that is about who may open a header is done twice: where libvirt remembers owners in extended
# attributes, which both daemons see here as they do on few shared file systems, and where it does not.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/hosts.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "session daemons of one user are one host"
need_command qemu-system-x86_64 getfattr nbdkit nbdcopy

TEXT="what only the guest may know: $RANDOM $RANDOM"

# payloads: what must not change where something is refused, but for what libvirt remembers of owners.
payloads() {
    linked_access "${STAYS[@]}" | grep -v trusted
    sha256sum "${STAYS[@]/#/$DATA/}"
}

# stays WHAT REGEX COMMAND...: the migration is refused, from here, and the guest demo goes on as before.
stays() {
    local what=$1 before
    before=$(payloads)
    refuse "$@"
    same "$what: header and payload stay as they were" "$(payloads)" "$before"
    runs_on here there
    try "$what: it reads and writes" eval 'both_filled && guest_fill demo vda "$TEXT"'
}

hosts() {
    local name
    for name in here there; do
        hosts_start "$name" && quick_keys && hosts_pools && secret_make "$SECRET_UUID" volume "$PASSPHRASE" || return
        [ "$name" = there ] || { create r.raw raw && create q.qcow2 qcow2; } || return
    done
}

# links_known: both hosts have both links.
links_known() {
    known r.raw && known q.qcow2
}

# there_and_back: the guest demo, which runs here, with OPTIONS... each way.
there_and_back() {
    try "a running guest moves to the other host" migrate demo there --live --persistent "$@"
    runs_on there here
    in_use "after that" r.raw q.qcow2
    try "it reads there what it wrote here" both_filled
    try "it writes there" eval 'guest_fill demo vda "$TEXT" && guest_fill demo vdb "$TEXT"'
    try "it comes back" migrate demo here --live --persistent "$@"
    runs_on here there
    in_use "when it is back" r.raw q.qcow2
    try "it reads here what it wrote there" both_filled
}

moving() {
    virsh domjobinfo demo 2>/dev/null | grep -q 'Memory processed: *[1-9]'
}

# aborted: the migration of the guest demo begins, slowly, and is cancelled when it is under way.
aborted() {
    local migration
    migrate demo there --live --persistent --bandwidth 1 &
    migration=$!
    waited moving
    virsh domjobabort demo || echo "it could not be cancelled"
    wait "$migration"
}

# who_may_open: all that is about access to headers.
who_may_open() {
    there_and_back
    there_and_back --p2p

    stays "cancelled" "cancel" aborted
    stays "a guest whose disks the other host cannot label" "nobody-knows" migrate demo there --live --persistent \
        --xml "$(edited "\|<source .*q.qcow2|s|>|><seclabel model='dac' relabel='yes'><label>nobody-knows:nobody-knows</label></seclabel>|" --migratable)"

    try "the daemon starts again while the guest runs" linked_launch
    try "the guest moves once more" migrate demo there --live --persistent
    runs_on there here
    in_use "there" r.raw q.qcow2
    try "so does the other host's daemon" linked_launch
    virsh destroy demo
    same "when it has ended there, header and payload are as at first" "$(linked_access r.raw q.qcow2)" "$BEFORE"

    hosts_use here
    try "it starts here" guest_start demo
    try "and is saved" virsh save demo "$SHARED/demo.save"
    same "then header and payload are as at first" "$(linked_access r.raw q.qcow2)" "$BEFORE"
    hosts_use there
    try "it goes on on the other host" virsh restore "$SHARED/demo.save"
    runs_on there here
    in_use "there" r.raw q.qcow2
    try "it reads there" both_filled
    virsh destroy demo
    same "when that has ended, header and payload are as at first" "$(linked_access r.raw q.qcow2)" "$BEFORE"
    rm -f "$SHARED/demo.save"
    hosts_use here
}

# --- shared storage

try "two hosts that share pools, one of which has made linked volumes" hosts
try "the other knows them by their headers" links_known
hosts_use here
BEFORE=$(linked_access r.raw q.qcow2)
STAYS=(r.raw q.qcow2)
mapfile -d '' -t DISKS < <(disk_xml vda "$DATA/r.raw" raw; printf '\0'; disk_xml vdb data/q.qcow2 qcow2; printf '\0')
try "a guest" guest_boot demo "${DISKS[@]}"
try "it writes" eval 'guest_fill demo vda "$TEXT" && guest_fill demo vdb "$TEXT"'
who_may_open

for host in here there; do
    hosts_use "$host"
    "$DAEMON_IN" sh -c 'echo "remember_owner = 0" >>/etc/libvirt/qemu.conf'
    try "the daemon of $host does not remember owners any more" linked_launch
done
hosts_use here
try "the guest starts again" guest_start demo
who_may_open

# --- switched off

hosts_use there
virsh undefine demo >/dev/null
hosts_use here
try "a domain that does not run is moved" migrate demo there --offline --persistent
hosts_use there
same "its configuration there says which disks are encrypted" "$(inactive demo)" "uuid=$SECRET_UUID uuid=$SECRET_UUID"
try "it starts there" guest_start demo
try "and reads" both_filled
try "it comes here through a tunnel between the daemons" virsh migrate demo "$(uri here)" --live --p2p --tunnelled
runs_on here there
try "and reads" both_filled
# not every kernel lets QEMU's user have what that needs
if said=$(migrate demo there --live --postcopy --postcopy-after-precopy 2>&1); then
    ok "it goes back with post-copy"
    runs_on there here
    try "and reads" both_filled
elif [[ $said = *"Userfaultfd not available"* ]]; then
    skip "post-copy" "QEMU may not use userfaultfd here"
else
    fail "it goes back with post-copy" "$said"
fi
virsh destroy demo

# --- away from a host that has forgotten a link meanwhile

hosts_use here
try "it starts here once more" guest_start demo
entry=$(link_of r.raw)
daemon_kill
"$DAEMON_IN" mv "$entry" /etc/libvirt/kept
try "the daemon starts again without the link of one of its disks" linked_launch
try "the guest moves away" migrate demo there --live
runs_on there here
try "and reads" both_filled
virsh destroy demo
hosts_use here
"$DAEMON_IN" mv /etc/libvirt/kept "$entry"
virsh pool-refresh data >/dev/null

# --- what must not leave

hosts_use here
try "it starts here" guest_start demo
for option in xml persistent-xml; do
    inactive=
    [ "$option" = xml ] || inactive=--inactive
    stays "with --$option without <encryption>" "'vda'.*no 'encryption'.*Give" migrate demo there --live --persistent \
        "--$option" "$(edited '/<encryption/,/<\/encryption>/d' --migratable ${inactive:+"$inactive"})"
    stays "nor by the host itself" "'vda'.*no 'encryption'.*Give" migrate demo there --live --persistent --p2p \
        "--$option" "$(edited '/<encryption/,/<\/encryption>/d' --migratable ${inactive:+"$inactive"})"
done

virsh vol-create-as data late.raw 16M --format raw >/dev/null
guest_define late "$(disk_xml vda "$DATA/late.raw" raw)" >/dev/null
header_of "$VAULT/late.luks"
virsh pool-refresh vault
try "a volume is linked when a domain has it already" create_xml <<XML
<volume><name>late.raw</name><capacity>0</capacity><target><encryption format='luks'>
<secret type='passphrase' uuid='$SECRET_UUID'/>
<header type='volume' link='existing'><source pool='vault' volume='late.luks'/></header></encryption></target></volume>
XML
refuse "that domain does not leave with a configuration that knows nothing of it" "virsh define" \
    migrate late there --offline --persistent
virsh dumpxml late --inactive >"$DAEMON_DIR/late.xml"
try "once it is defined anew" virsh define "$DAEMON_DIR/late.xml"
try "it does" migrate late there --offline --persistent
hosts_use there
same "and says there what it has" "$(inactive late)" "uuid=$SECRET_UUID"
virsh undefine late >/dev/null
hosts_use here
virsh undefine late >/dev/null

# --- hosts that cannot open it

hosts_use there
virsh secret-undefine "$SECRET_UUID"
hosts_use here
stays "a host without the secret" "define secret '$SECRET_UUID'.*(r\.raw|q\.qcow2).*virsh secret-define" \
    migrate demo there --live --persistent
hosts_use there
secret_make "$SECRET_UUID" volume
hosts_use here
stays "a host without the secret's value" "secret '$SECRET_UUID'.*(r\.raw|q\.qcow2).*has no value.*secret-set-value" \
    migrate demo there --live --persistent
hosts_use there
try "there it gets its value" secret_make "$SECRET_UUID" volume "$PASSPHRASE"
virsh pool-destroy vault
hosts_use here
stays "a host whose header pool is not active" "header pool 'vault' is not active; start it" \
    migrate demo there --live --persistent
hosts_use there
virsh pool-start vault
hosts_use here

# other_host NAME: another host with the pools and the secret.
other_host() {
    hosts_start "$1" && pool_make data "$DATA" && pool_make vault "$VAULT" &&
        secret_make "$SECRET_UUID" volume "$PASSPHRASE"
}

without_plugin() {
    local modules=$LIBVIRT_DRIVER_DIR status=0
    unset LIBVIRT_DRIVER_DIR
    other_host "$@" || status=$?
    export LIBVIRT_DRIVER_DIR=$modules
    return "$status"
}

what_is() {
    case $1 in
        bare) echo "a host that does not know the link" ;;
        stock) echo "a host without the plugin" ;;
    esac
}

try "$(what_is bare)" other_host bare
same "has no links" "$(links)" ""
unlike "but has loaded the plugin" "$("$DAEMON_IN" grep -c "$LIBVIRT_DRIVER_DIR" "/proc/$(daemon_pid)/maps")" '^0$'
try "$(what_is stock)" without_plugin stock
same "has not loaded it" "$("$DAEMON_IN" grep -c "$LIBVIRT_DRIVER_DIR" "/proc/$(daemon_pid)/maps")" 0
for host in bare stock; do
    hosts_use here
    stays "$(what_is "$host")" "not in LUKS format|not.*encrypted" migrate demo "$host" --live --persistent
    hosts_use "$host"
    same "$(what_is "$host"): has nothing of the guest" "$(virsh list --all --name)" ""
    hosts_use here
done
virsh destroy demo

for host in bare stock; do
    for volume in r.raw q.qcow2; do
        guest_define "off-$volume" "$(disk_xml vda "$DATA/$volume" "${volume#*.}")" >/dev/null
        before=$(sha256sum <"$DATA/$volume")
        try "$(what_is "$host") gets a domain with $volume that does not run" \
            migrate "off-$volume" "$host" --offline --persistent
        hosts_use "$host"
        refuse "but cannot start it" "not in LUKS format|encrypt" virsh start "off-$volume"
        same "no byte of $volume has changed" "$(sha256sum <"$DATA/$volume")" "$before"
        hosts_use here
        virsh undefine "off-$volume" >/dev/null
    done
done
for host in here there; do
    hosts_use "$host"
    virsh undefine demo >/dev/null
done
for host in bare stock; do
    hosts_use "$host"
    daemon_stop
done
hosts_use here

# --- a secret that was generated

linked_xml g.raw raw | sed '/<secret/d' | create_xml >/dev/null
generated=$(link_show g.raw | grep -o "secret uuid=\"[^\"]*" | cut -d'"' -f2)
hosts_use there
try "the other host knows a volume with a generated secret" known g.raw
hosts_use here
try "a guest with it runs" guest_boot demo "$(disk_xml vda "$DATA/g.raw" raw)"
try "it writes" guest_fill demo vda "$TEXT"
refuse "it does not go where the secret is not" \
    "^error: Secret not found: no secret .*$generated.*virsh secret-define.*secret-set-value.*generated" \
    migrate demo there --live
runs_on here there
hosts_use here
"$DAEMON_IN" cat "/etc/libvirt/secrets/$generated.xml" >"$DAEMON_DIR/generated.xml"
"$DAEMON_IN" base64 -d "/etc/libvirt/secrets/$generated.base64" >"$DAEMON_DIR/generated"
hosts_use there
try "when root has carried it there" virsh secret-define "$DAEMON_WORK/here/generated.xml"
try "with its value" virsh secret-set-value "$generated" --file "$DAEMON_WORK/here/generated" --plain
rm -f "$DAEMON_WORK"/here/generated{,.xml}
hosts_use here
try "it does" migrate demo there --live
runs_on there here
try "and reads there" guest_filled demo vda "$TEXT"
virsh destroy demo
finish
