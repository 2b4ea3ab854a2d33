#!/bin/bash
# Operations while a guest runs, interrupted at each step: on the linked volumes that are its disks, on
# others in the same pools, and on the guest. The daemon is killed before each call that changes something
# (a command to QEMU is one, too), or the call fails. Each time the guest goes on, reads what it wrote, and has
# its links and their secrets; nobody destroys, wipes or unlinks what it uses; nobody else's bytes change.
#
# Arguments: the operations to try, instead of all. FAULTS_FULL=1 tries every call, FAULTS_FULL=2 with every
# error: see faults.sh; that takes long. FAULTS_MOST is said for each below.

# shellcheck disable=SC2317,SC2034 # functions and variables are called by way of sweep
. "$(dirname "$0")/lib/disks.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "one daemon is enough"
need_command qemu-system-x86_64 qemu-img cryptsetup

# which starts a daemon that can be interrupted, and has the operations that need no guest
. "$(dirname "$0")/../lib/faults-life.sh"

TEXT="what only the guest may know: $RANDOM $RANDOM"
STEP=0
QEMU=

# the disks can be opened, so their headers are real ones: raw with a replica, qcow2 with a secret of its own,
# and one to be plugged in
disks() {
    quick_keys
    linked_xml r raw "" "pool='vault'/><source pool='vault2'" | create_xml &&
        linked_xml q qcow2 | sed '/<secret /d' | create_xml && create h raw &&
        quick_format
}
try "a host with linked volumes" disks
disk_xml vdc "$DATA/h" raw >"$DAEMON_DIR/h.xml"
try "a guest uses two of them" guest_boot demo "$(disk_xml vda "$DATA/r" raw)" "$(disk_xml vdb "$DATA/q" qcow2)" || finish
NODES=$(nodes demo)
OBJECTS=$(objects demo)

# written: the guest writes the text of this step to both disks. read_back: it finds it there.
written() {
    guest_run demo "set -e
        yes '$TEXT $STEP' | head -c 65536 >/tmp/text
        for i in vda vdb; do
            dd if=/tmp/text of=\$(disk \$i) bs=64k seek=$((16 + STEP % 64)) conv=fsync 2>/dev/null
        done"
}
read_back() {
    guest_run demo "set -e
        yes '$TEXT $STEP' | head -c 65536 >/tmp/text
        echo 3 >/proc/sys/vm/drop_caches
        for i in vda vdb; do
            dd if=\$(disk \$i) bs=64k skip=$((16 + STEP % 64)) count=1 2>/dev/null | cmp - /tmp/text
        done"
}

# lives WHAT: the guest does, with its disks.
lives() {
    local out name text
    if [ -n "$RESTS" ] && ! virsh domstate demo | grep -q running; then
        virsh dominfo demo | grep -Eq "State: *paused|Managed save: *yes" || fail "$1: the guest is there or saved"
    else
        [ -n "$RESTS" ] || [ "$(qemu_pids demo)" = "$QEMU" ] || fail "$1: the guest runs" "$(tail -n 5 "$DAEMON_LOG")"
        out=$(read_back 2>&1) || fail "$1: the guest reads what it wrote" "$out"
        STEP=$((STEP + 1))
        out=$(written 2>&1) || fail "$1: the guest writes" "$out"
    fi
    out=$("$DAEMON_IN" "$BUILDDIR/tools/virt-lukshdr" list 2>&1)
    for name in r q; do
        text=$(link_show "$name" 2>&1)
        case $text in
            *'state="active"'*)
                [ -n "$RESTS" ] || grep -q "^data/$name .* in use by demo\$" <<<"$out" ||
                    fail "$1: the tool lists its disk $name" "$out"
                ;;
            # it has failed, and the next refresh of a pool puts it right
            *'state="deleting"'* | *'state="wiping"'* | *'state="unlinking"'*) ;;
            *) fail "$1: its disk $name has its link" "$text" ;;
        esac
    done
}
FAULTS_ALSO=lives
RESTS=
QEMU=$(qemu_pids demo)
KEYS=$(key_material "$VAULT/r.luks")
STEP=1
try "it writes" written
try "and reads" read_back

bystanders() {
    sha256sum "$DATA/plain" "$DATA/stays" "$VAULT/stays.luks" "$VAULT2/stays.luks" "$DATA/h" "$VAULT/h.luks"
    link_show stays
}

# --- refused before anything has happened

# untouched WHAT REGEX COMMAND...: it is refused, and no call that changes anything was made.
FAULTS_PATHS="/images/|/lukshdr/|/secrets/"
untouched() {
    meets "trace 0 $FAULTS_PATHS"
    refuse "$@"
    : >"$POINT"
    same "$1: nothing was begun" "$(met)" ""
}

refused_all() {
    local volume used="in use by the running domain 'demo'" header="holds the LUKS header"
    head -c 65536 /dev/zero >"$DAEMON_DIR/zeroes"
    FAULTS_BEFORE=$(bystanders)
    for volume in r q; do
        untouched "$volume is not deleted" "$used" virsh vol-delete "$volume" data
        untouched "$volume is not wiped" "$used" virsh vol-wipe "$volume" data
        untouched "$volume is not resized" "$used" virsh vol-resize "$volume" 32M data
        untouched "$volume is not unlinked" "$used" act unlink "$volume" "$volume.luks"
        untouched "$volume is not cloned" "$used" virsh vol-create-from data \
            <(echo "<volume><name>new</name><target><format type='raw'/></target></volume>") "$volume" --inputpool data
        untouched "nothing is written over $volume" "$used" virsh vol-upload "$volume" "$DAEMON_DIR/zeroes" data
        untouched "its header is not deleted" "$header" virsh vol-delete "$volume.luks" vault
        untouched "its header is not wiped" "$header" virsh vol-wipe "$volume.luks" vault
        # which is opened for that
        refuse "no header is put back" "in use by" virsh vol-upload "$volume.luks" "$DAEMON_DIR/zeroes" vault
        like "it is there" "$(head -c 4 "$VAULT/$volume.luks")" LUKS
    done
    untouched "a replica is not deleted" "$header" virsh vol-delete r.luks vault2
    untouched "a replica is not wiped" "$header" virsh vol-wipe r.luks vault2
    meets "trace 0 $FAULTS_PATHS"
    try "what can be read is: the payload" virsh vol-download q "$DAEMON_DIR/out" data
    try "the header" virsh vol-download q.luks "$DAEMON_DIR/out" vault
    try "the disk's size" virsh domblkinfo demo vda
    : >"$POINT"
    same "nothing was changed by that" "$(met)" ""
    failed=$TAP_FAILED
    world || fail "refused: nothing is lost or left" "$LOST"
    _intact "refused"
    lives "refused"
    [ "$failed" -ne "$TAP_FAILED" ] || ok "after all that was refused the guest lives"
}

# --- of what it uses: begun before the guest had it, or by a daemon that died

# keeps_nodes, keeps_device: whether QEMU has the disk vdc, whatever libvirt knows.
keeps_nodes() {
    grep -vxqF "$NODES" <<<"$(nodes demo)"
}
keeps_device() {
    qmp demo '{"execute":"qom-list","arguments":{"path":"/machine/peripheral"}}' | grep -q '"virtio-disk2"'
}

# unplugged: the guest has it no more. A daemon that died has not always heard of what QEMU has, or has not any more,
# and libvirt then leaves it to the administrator; as long as QEMU has the volume nobody destroys it.
unplugged() {
    local node
    if _has_disk demo vdc; then
        virsh detach-device demo "$DAEMON_DIR/h.xml" --live >/dev/null
        waited not _has_disk demo vdc || fail "it is unplugged"
    fi
    if ! keeps_nodes; then
        closed
        return
    fi
    node=$(virsh vol-delete h data 2>&1)
    if ! grep -q "in use by" <<<"$node" || [ ! -e "$DATA/h" ]; then
        fail "what QEMU has still is not destroyed" "$node"
    fi
    ! keeps_device || qmp demo '{"execute":"device_del","arguments":{"id":"virtio-disk2"}}' >/dev/null
    waited not keeps_device || fail "QEMU has unplugged it"
    closed
}

# closed: QEMU has no node or object that it did not have at first.
closed() {
    local node name
    for node in $(nodes demo | grep -vxF "$NODES" | cut -d ' ' -f 1); do
        for name in format header-format header-storage storage; do
            qmp demo "{\"execute\":\"blockdev-del\",\"arguments\":{\"node-name\":\"${node%%-[a-z]*}-$name\"}}"
        done
    done >/dev/null
    for name in $(objects demo | grep -vxF "$OBJECTS"); do
        qmp demo "{\"execute\":\"object-del\",\"arguments\":{\"id\":\"$name\"}}"
    done >/dev/null
    waited not keeps_nodes || fail "QEMU has closed it" "$(nodes demo)"
}

# meanwhile COMMAND...: the guest gets the volume just when the registry is about to note that COMMAND begins.
# What is armed is met from then on.
meanwhile() {
    local armed client
    armed=$(cat "$POINT")
    if ! _has_disk demo vdc; then
        rm -f "$POINT.go"
        meets "any 1 wait $LINKS|#$((FAULTS_SERIAL += 1))"
        "$@" >"$DAEMON_DIR/client.out" 2>&1 &
        client=$!
        waited test -s "$POINT.log" && virsh attach-device demo "$DAEMON_DIR/h.xml" --live >/dev/null || return
        : >"$POINT.log"
        echo "$armed" >"$POINT"
        touch "$POINT.go"
        wait "$client" || { cat "$DAEMON_DIR/client.out" && return 1; }
    else
        "$@"
    fi
}
USED="in use by the running domain 'demo'"
before_meanwhile_delete() { :; }
meanwhile_delete() { meanwhile virsh vol-delete h data; }
after_meanwhile_delete() { unplugged; }
REFUSED_meanwhile_delete=$USED
HALF_meanwhile_delete=deleting

before_meanwhile_wipe() { :; }
meanwhile_wipe() { meanwhile virsh vol-wipe h data; }
after_meanwhile_wipe() { unplugged; }
REFUSED_meanwhile_wipe=$USED
HALF_meanwhile_wipe=wiping

before_meanwhile_unlink() { :; }
meanwhile_unlink() { meanwhile act unlink h h.luks; }
after_meanwhile_unlink() { unplugged; }
REFUSED_meanwhile_unlink=$USED
HALF_meanwhile_unlink=unlinking

# what a daemon leaves that died between the note and taking it back
half_done() {
    before_recover_running && daemon_kill && link_edit r "s/state=\"active\"/state=\"$1\"/" &&
        link_edit q "s/state=\"active\"/state=\"$1\"/"
}
before_recover_used_deleting() { half_done deleting; }
recover_used_deleting() { recover; }
after_recover_used_deleting() { :; }
HALF_recover_used_deleting=deleting
before_recover_used_wiping() { half_done wiping; }
recover_used_wiping() { recover; }
after_recover_used_wiping() { :; }
HALF_recover_used_wiping=wiping
before_recover_used_unlinking() { half_done unlinking; }
recover_used_unlinking() { recover; }
after_recover_used_unlinking() { :; }
HALF_recover_used_unlinking=unlinking

# --- of what it uses: what works

before_used_link() { :; }
used_link() { act existing r r.luks "$secret" "<source pool='vault2'/>"; }
after_used_link() { cmp "$VAULT/r.luks" "$VAULT2/r.luks" || fail "the replica is the same"; }

# cryptsetup adds or removes a key of the header that the guest uses, then the volume is linked again
P=$DAEMON_DIR/xml
printf %s "$PASSPHRASE" | (umask 077 && cat >"$P/1")
printf %s "second-$PASSPHRASE" | (umask 077 && cat >"$P/2")
second_opens() {
    cryptsetup open --test-passphrase --type luks1 --header "$VAULT/r.luks" --key-file "$P/2" "$DATA/r" 2>/dev/null
}
before_used_rekeyed() {
    if second_opens; then
        cryptsetup luksRemoveKey "$VAULT/r.luks" "$P/2" && REKEYED=removed
    else
        cryptsetup luksAddKey --pbkdf-force-iterations 1000 --key-file "$P/1" "$VAULT/r.luks" "$P/2" && REKEYED=added
    fi
}
used_rekeyed() { used_link; }
after_used_rekeyed() {
    after_used_link
    KEYS=$(key_material "$VAULT/r.luks")
    case $REKEYED in
        added) second_opens || fail "the key that cryptsetup added is there" ;;
        removed) ! second_opens || fail "the key that cryptsetup removed is gone" ;;
    esac
}
HALF_used_rekeyed=damaged
KILLED_used_rekeyed=damaged

# virt-lukshdr does the same. Where that was cut short, the header waits to be linked again; the secret opens it at any
# moment.
before_used_keys() {
    REKEYED=added
    ! second_opens || REKEYED=removed
}
used_keys() {
    cryptsetup open --test-passphrase --type luks1 --header "$VAULT/r.luks" --key-file "$P/1" "$DATA/r" || return
    vl link data/r --yes || return
    case $REKEYED in
        added)
            second_opens || vl key-add data/r --passphrase-file "$P/1" --new-passphrase-file "$P/2" --iter-time 10
            ;;
        removed) ! second_opens || vl key-remove data/r --passphrase-file "$P/2" ;;
    esac
}
after_used_keys() { after_used_rekeyed; }
HALF_used_keys=damaged
KILLED_used_keys=damaged
SPARED_used_keys="^write"

before_used_share() { :; }
used_share() {
    linked_xml new raw "" "pool='vault' volume='r.luks'" |
        sed "s/<header type='volume'>/<header type='volume' link='share'>/; /<secret /d" | create_xml
}
after_used_share() { virsh vol-delete new data; } >/dev/null
DONE_used_share="'new'"

# both_whole: header and replica are what the registry says. mends FILE: it has been spoilt, and the start of its
# pool makes it whole; or the log says why not.
both_whole() {
    [ "$(key_material "$VAULT/r.luks") $(key_material "$VAULT2/r.luks")" = "$KEYS $KEYS" ]
}
not_mended() {
    ! daemon_pid || logged "$1" | grep -q "r.luks.*cannot be replaced"
} >/dev/null
mends() {
    local pool=${1%/*} from
    from=$(log_end)
    flip "$1"
    virsh pool-destroy "${pool##*/}"
    virsh pool-start "${pool##*/}" || return
    waited eval 'both_whole || not_mended "$from"'
    both_whole || { logged "$from" && return 1; }
}
before_repair_used_header() { :; }
repair_used_header() { mends "$VAULT/r.luks"; }
after_repair_used_header() { :; }
HALF_repair_used_header=damaged
KILLED_repair_used_header=damaged
before_repair_used_replica() { :; }
repair_used_replica() { mends "$VAULT2/r.luks"; }
after_repair_used_replica() { :; }
HALF_repair_used_replica=damaged
KILLED_repair_used_replica=damaged

# --- of the guest

# A command that cannot be sent costs the daemon the guest's monitor, also without us: it dies there, and no
# more.
before_qemu_attach() { unplugged; }
qemu_attach() { virsh attach-device demo "$DAEMON_DIR/h.xml" --live; }
after_qemu_attach() { unplugged; }
DONE_qemu_attach="already|lock|in use|[Dd]uplicate"
SPARED_qemu_attach="qmp:"

before_qemu_detach() { unplugged && virsh attach-device demo "$DAEMON_DIR/h.xml" --live >/dev/null; }
qemu_detach() { virsh detach-device demo "$DAEMON_DIR/h.xml" --live && disk_gone demo vdc; }
after_qemu_detach() { unplugged; }
DONE_qemu_detach="no target device|not found|device not present"
SPARED_qemu_detach="qmp:"

# saved, and started from there; libvirt leaves it paused if it dies before it goes on
before_qemu_save() { RESTS=1; }
qemu_save() {
    case $(virsh domstate demo) in
        paused) virsh resume demo && return ;;
        running) virsh managedsave demo || return ;;
    esac
    virsh start demo
}
after_qemu_save() {
    RESTS=
    QEMU=$(qemu_pids demo)
    NODES=$(nodes demo)
    OBJECTS=$(objects demo)
}
SPARED_qemu_save="qmp:"

# An overlay, which was made before. Once QEMU has changed a chain libvirt must not die before it has noted that, with
# or without us: it never hears of it. So only what comes before is tried, and committing is not.
OVERLAY=$DAEMON_IMAGES/over.qcow2
before_qemu_snapshot() {
    rm -f "$OVERLAY"
    printf %s "$PASSPHRASE" >"$DAEMON_DIR/passphrase"
    qemu-img create -q -f qcow2 --object "secret,id=s,file=$DAEMON_DIR/passphrase" -b "$DATA/r" -F raw -u \
        -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 "$OVERLAY" 16M
    rm "$DAEMON_DIR/passphrase"
    cat >"$DAEMON_DIR/snapshot.xml" <<XML
<domainsnapshot><disks><disk name='vdb' snapshot='no'/><disk name='vda' snapshot='external'><driver type='qcow2'/>
  <source file='$OVERLAY'><encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption>
  </source></disk></disks></domainsnapshot>
XML
}
overlaid() {
    virsh domblklist demo | grep -q "$OVERLAY"
}
qemu_snapshot() {
    overlaid || virsh snapshot-create demo "$DAEMON_DIR/snapshot.xml" --disk-only --no-metadata --reuse-external
}
after_qemu_snapshot() {
    ! overlaid || virsh blockcommit demo vda --active --pivot --wait >/dev/null || fail "the overlay is committed"
    closed
    rm -f "$OVERLAY"
}
DONE_qemu_snapshot="[Dd]uplicate"
SPARED_qemu_snapshot="qmp:"

# --- others

before_other_resize() { linked_volume new >/dev/null; }
other_resize() { virsh vol-resize new 2M data; }
after_other_resize() { after_create_replicated; }

# see restore
before_other_upload() { linked_volume new >/dev/null; }
other_upload() { virsh vol-upload new "$DAEMON_DIR/content" --pool data; }
after_other_upload() { after_create_replicated; }
SPARED_other_upload="^write"

# operations OPERATION...: their names, which sampled says.
USED_OPERATIONS="refused_all meanwhile_delete meanwhile_wipe meanwhile_unlink recover_used_deleting recover_used_wiping \
recover_used_unlinking used_link used_rekeyed used_keys used_share repair_used_header repair_used_replica qemu_attach qemu_detach qemu_snapshot qemu_save"
OTHER_OPERATIONS="create_generated share clone_plain_linked clone_linked_linked clone_linked_plain copy link_existing link_again \
unlink_volume delete_replicated delete_generated delete_sharing wipe restore repair_damaged repair_missing other_resize other_upload"
# shellcheck disable=SC2086 # words
[ $# -gt 0 ] || set -- $USED_OPERATIONS $OTHER_OPERATIONS
note "of each operation at most ${FAULTS_MOST:-2} calls are tried (FAULTS_FULL=1: all), of those on other volumes ${FAULTS_MOST:-1}"
for operation; do
    began=$SECONDS
    case " $OTHER_OPERATIONS " in
        *" $operation "*) interrupted "$operation" "${FAULTS_MOST:-1}" ;;
        *)
            case $operation in
                refused_all) refused_all ;;
                qemu_*)
                    FAULTS_PATHS="/images/|/lukshdr/|/secrets/|qmp:"
                    [ "$operation" != qemu_snapshot ] || FAULTS_PATHS+="object-add|qmp:blockdev-add|qmp:transaction"
                    sweep "$operation" "${FAULTS_MOST:-2}"
                    ;;
                repair_used_*)
                    FAULTS_PATHS="/vault/|/vault2/"
                    sweep "$operation" "${FAULTS_MOST:-2}"
                    ;;
                *) interrupted "$operation" "${FAULTS_MOST:-2}" ;;
            esac
            ;;
    esac
    note "$operation: $((SECONDS - began)) s"
done

# --- in the end

try "the guest reads what it wrote" read_back
same "the keys of its header are what they were" "$(key_material "$VAULT/r.luks")" "$KEYS"
try "it is stopped" guest_poweroff demo
same "nothing of it is left" "$(records)$(qemu_pids demo)" ""
try "it starts again" guest_start demo
try "and reads what it wrote" read_back
virsh destroy demo >/dev/null
unlike "the passphrase is in no log" "$(cat "$DAEMON_DIR"/*.log "$DAEMON_DIR/log"/* 2>/dev/null)" "$PASSPHRASE"
finish
