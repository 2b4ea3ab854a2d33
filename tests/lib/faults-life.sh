# shellcheck shell=bash
# Interrupts every operation in the life of a linked volume at each step: the daemon is killed before each
# call that changes something on a disk, or the call fails. Then nothing may be lost, nothing may be left
# that nobody owns, and the operation must work when it is repeated. daemon/faults-*.sh choose the operations;
# for each of them this file has the functions that sweep needs.
#
# FAULTS_FULL=1 tries every call, FAULTS_FULL=2 with every error: see faults.sh; that takes long.

# shellcheck disable=SC2317,SC2034 # functions and variables are called by way of sweep
set -u
. "$(dirname "${BASH_SOURCE[0]}")/faults.sh"

daemon_use host
faults_use
try "a daemon starts" linked_start host || finish
VAULT2=$DAEMON_IMAGES/vault2
"$DAEMON_IN" mkdir -p "$VAULT2"
try "with a pool of replicas" pool_make vault2 "$VAULT2" || finish
quick_format

FAULTS_POOLS=("$DATA" "$VAULT" "$VAULT2")
FAULTS_SECRETS=/etc/libvirt/secrets
[ "$DAEMON_RUNS" = system ] || FAULTS_SECRETS=$DAEMON_DIR/config/libvirt/secrets
secret="<secret type='passphrase' uuid='$SECRET_UUID'/>"

# --- what lies beside it all the time: a plain volume and a linked one, with replica and content

plain_make() {
    virsh vol-create-as data plain 1M --format raw && head -c 64k /dev/urandom >"$DAEMON_DIR/content" &&
        virsh vol-upload plain "$DAEMON_DIR/content" --pool data
}
try "a plain volume" plain_make
PLAIN=("$DATA/plain")
linked_volume() {
    linked_xml "$1" raw "" "pool='vault'/><source pool='vault2'" | sed "s/unit='M'>16/unit='M'>1/" | create_xml
}
cloned() {
    virsh vol-create-from data <(sed "s/unit='M'>16/unit='M'>1/") "$1" --inputpool data
}
try "a linked volume" cloned plain < <(linked_xml stays raw "" "pool='vault'/><source pool='vault2'")

bystanders() {
    sha256sum "$DATA/plain" "$DATA/stays" "$VAULT/stays.luks" "$VAULT2/stays.luks"
    link_show stays
}

# --- making

create_replicated() { linked_volume new; }
before_create_replicated() { :; }
after_create_replicated() { virsh vol-delete new data; } >/dev/null 2>&1
DONE_create_replicated="'new'"

# the payload by qemu-img, the secret by the secret driver
create_generated() { linked_xml new qcow2 | sed '/<secret /d' | create_xml; }
before_create_generated() { :; }
after_create_generated() { after_create_replicated; }
DONE_create_generated="'new'"


# on the header of another, of which registry and label change
before_share() { [ -e "$DATA/first" ] || linked_volume first; } >/dev/null
share() {
    linked_xml new raw "" "pool='vault' volume='first.luks'" |
        sed "s/<header type='volume'>/<header type='volume' link='share'>/; /<secret /d" | create_xml
}
after_share() { after_create_replicated; }
DONE_share="'new'"

# --- cloning

# same_content PAYLOAD HEADER: the plain volume's, behind the header.
same_content() {
    "$DAEMON_IN" qemu-img compare -q --object "secret,id=s,data=$PASSPHRASE" \
        "json:{\"driver\":\"luks\",\"key-secret\":\"s\",\"file\":{\"driver\":\"file\",\"filename\":\"$1\"},\
\"header\":{\"driver\":\"file\",\"filename\":\"$2\"}}" "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\
\"filename\":\"$DATA/plain\"}}" || fail "a clone has the content"
}

clone_plain_linked() { cloned plain < <(linked_xml new raw); }
before_clone_plain_linked() { :; }
after_clone_plain_linked() {
    same_content "$DATA/new" "$VAULT/new.luks"
    after_create_replicated
}
DONE_clone_plain_linked="'new'"

clone_linked_linked() { cloned stays < <(linked_xml new qcow2); }
before_clone_linked_linked() { :; }
after_clone_linked_linked() { after_create_replicated; }
DONE_clone_linked_linked="'new'"

clone_linked_plain() {
    cloned stays <<<"<volume><name>new</name><capacity unit='M'>1</capacity><target><format type='raw'/></target></volume>"
}
before_clone_linked_plain() { PLAIN=("$DATA/plain" "$DATA/new"); }
after_clone_linked_plain() {
    cmp "$DATA/new" "$DATA/plain" || fail "a plain clone has the content"
    virsh vol-delete new data >/dev/null
    PLAIN=("$DATA/plain")
}
DONE_clone_linked_plain="'new'"

copy() {
    cloned stays <<XML
<volume><name>new</name><target><format type='raw'/><encryption format='luks'>
<header type='volume' link='copy'><source pool='vault'/></header></encryption></target></volume>
XML
}
before_copy() { :; }
after_copy() {
    cmp "$DATA/new" "$DATA/stays" || fail "a copy has the same ciphertext"
    after_create_replicated
}
DONE_copy="'new'"

# --- linking what exists, and unlinking it

# act ACTION PAYLOAD HEADER [INNER [MORE]]: INNER stands in <encryption>, MORE in <header>.
act() {
    create_xml <<XML
<volume><name>$2</name><capacity>0</capacity><target><encryption format='luks'>${4:-}
<header type='volume' link='$1'><source pool='vault' volume='$3'/>${5:-}</header></encryption></target></volume>
XML
}

# a header as short as other tools make it, and a replica's place
before_link_existing() {
    PLAIN+=("$DATA/hand" "$VAULT/hand.luks" "$VAULT2/hand.luks")
    "$DAEMON_IN" sh -c 'truncate -s 1M "$1" && head -c 2068480 "$4" >"$2" && truncate -s 4M "$3"' \
        in "$DATA/hand" "$VAULT/hand.luks" "$VAULT2/hand.luks" "$DAEMON_DIR/template"
    virsh pool-refresh data && virsh pool-refresh vault && virsh pool-refresh vault2
} >/dev/null
link_existing() { act existing hand hand.luks "$secret" "<source pool='vault2'/>"; }
after_link_existing() {
    same_digest "$VAULT/hand.luks"
    virsh vol-delete hand data >/dev/null
    PLAIN=("$DATA/plain")
}

# same_digest FILE: its key material is what it was made with.
same_digest() {
    [ "$(key_material "$1")" = "$(key_material "$DAEMON_DIR/template")" ] || fail "$1 has the same keys"
}

# another replica, of a header that two share
before_link_again() {
    linked_xml new raw | create_xml && linked_xml second raw "" "pool='vault' volume='new.luks'" |
        sed "s/<header type='volume'>/<header type='volume' link='share'>/; /<secret /d" | create_xml &&
        virsh vol-create-as vault2 new.luks 4M --format raw
    PLAIN+=("$VAULT2/new.luks")
} >/dev/null
link_again() { act existing new new.luks "$secret" "<source pool='vault2'/>"; }
after_link_again() {
    same_digest "$VAULT/new.luks"
    cmp "$VAULT/new.luks" "$VAULT2/new.luks" || fail "the replica is the same"
    virsh vol-delete new data && virsh vol-delete second data
    PLAIN=("$DATA/plain")
} >/dev/null

before_unlink_volume() {
    PLAIN+=("$DATA/new" "$VAULT/new.luks" "$VAULT2/new.luks")
    linked_volume new
} >/dev/null
unlink_volume() { act unlink new new.luks; }
after_unlink_volume() {
    same_digest "$VAULT/new.luks"
    ! grep -aq LUKSHDR "$VAULT/new.luks" || fail "there is no label"
    virsh vol-delete new data && virsh vol-delete new.luks vault && virsh vol-delete new.luks vault2
    PLAIN=("$DATA/plain")
} >/dev/null
DONE_unlink_volume="is not linked"
HALF_unlink_volume=unlinking

# --- destroying

before_delete_replicated() { linked_volume new >/dev/null; }
delete_replicated() { virsh vol-delete new data; }
after_delete_replicated() { :; }
DONE_delete_replicated="no storage vol|not found"
HALF_delete_replicated=deleting

before_delete_generated() { create_generated >/dev/null; }
delete_generated() { virsh vol-delete new data; }
after_delete_generated() { :; }
DONE_delete_generated="no storage vol|not found"
# libvirt's secret driver does not look whether it could remove the file with the value. By then that opens nothing.
SPARED_delete_generated="^unlink secrets/UUID.base64"
HALF_delete_generated=deleting

# one of two that share: the header stays, and is the other's alone
before_delete_sharing() { before_share && { [ -e "$DATA/new" ] || share >/dev/null; }; }
delete_sharing() { virsh vol-delete new data; }
after_delete_sharing() {
    same_digest "$VAULT/first.luks"
    ! link_show first | grep -q shared || fail "the last does not share"
    ! virsh vol-dumpxml first data | grep -q "link='share'" || fail "and does not show it"
}
DONE_delete_sharing="no storage vol|not found"
HALF_delete_sharing=deleting

before_wipe() { linked_volume new >/dev/null; }
wipe() { virsh vol-wipe new data; }
after_wipe() {
    ! cmp -s "$VAULT/new.luks" "$DAEMON_DIR/template" && virsh vol-delete new data >/dev/null
    return 0
}
HALF_wipe=wiping

# --- mending

# a header is put back; whoever opens the volume meanwhile is told that it is not whole
before_restore() {
    [ -e "$DATA/back" ] || linked_xml back raw | create_xml >/dev/null
    [ -e "$DAEMON_DIR/backup" ] || virsh vol-download back.luks "$DAEMON_DIR/backup" --pool vault
}
restore() {
    flip "$VAULT/back.luks"
    virsh vol-upload back.luks "$DAEMON_DIR/backup" --pool vault
}
after_restore() { cmp "$VAULT/back.luks" "$DAEMON_DIR/backup" || fail "the header is what was put back"; }
KILLED_restore=damaged
# libvirt 11.3 itself, without the plugin as well, dies of an error when it writes what is uploaded
SPARED_restore="^write"
HALF_restore=damaged

# a header is replaced by its replica as soon as somebody wants it
mended() {
    cloned mend <<<"<volume><name>out</name><capacity unit='M'>1</capacity><target><format type='raw'/></target></volume>" &&
        virsh vol-delete out data
}
before_repair_damaged() { [ -e "$DATA/mend" ] || linked_volume mend >/dev/null; }
repair_damaged() { flip "$VAULT/mend.luks" && mended; }
after_repair_damaged() {
    same_digest "$VAULT/mend.luks"
    cmp "$VAULT/mend.luks" "$VAULT2/mend.luks" || fail "the replica is the same"
}
KILLED_repair_damaged=damaged
HALF_repair_damaged=damaged

before_repair_missing() { before_repair_damaged; }
repair_missing() { "$DAEMON_IN" rm -f "$VAULT/mend.luks" && mended; }
after_repair_missing() { after_repair_damaged; }
KILLED_repair_missing=damaged
HALF_repair_missing=damaged

# the start, which clears up what was interrupted, is interrupted itself
recover() {
    linked_launch || return
    ! under_way || {
        logged "$FAULTS_FROM"
        return 1
    }
}
# died_at POINT COMMAND...
died_at() {
    meets "$1|#$((FAULTS_SERIAL += 1))"
    shift
    ! "$@" && crashed
} >/dev/null 2>&1
before_recover_delete() {
    before_recover_running && create_generated >/dev/null &&
        died_at "any 1 $DATA/new" virsh vol-delete new data
}
before_recover_running() { daemon_pid >/dev/null || linked_launch; }
recover_delete() { recover; }
after_recover_delete() { :; }
HALF_recover_delete=deleting

before_recover_create() {
    before_recover_running && PLAIN=("$DATA/plain") && died_at "posix_fallocate 1 $VAULT/new.luks" create_generated
}
recover_create() { recover; }
after_recover_create() { :; }
HALF_recover_create=creating

before_recover_wipe() {
    before_recover_running && linked_volume new >/dev/null &&
        died_at "pwrite 20 $VAULT2/new.luks" virsh vol-wipe new data
}
recover_wipe() { recover; }
after_recover_wipe() { virsh vol-delete new data >/dev/null; }
HALF_recover_wipe=wiping

before_recover_unlink() {
    before_recover_running && before_unlink_volume && died_at "pwrite 1 $VAULT2/new.luks" unlink_volume
}
recover_unlink() { recover; }
after_recover_unlink() { after_unlink_volume; }
HALF_recover_unlink=unlinking

# interrupted OPERATION [MOST]: sweep, at the calls that matter to it.
interrupted() {
    case $1 in
        repair*) FAULTS_PATHS=/vault/ ;;
        # the secret driver does much of its own when it starts
        recover*) FAULTS_PATHS="/images/|/lukshdr/" ;;
        *) FAULTS_PATHS="/images/|/lukshdr/|/secrets/" ;;
    esac
    sweep "$@"
}

# life OPERATION...: these, and that is the script.
life() {
    local operation
    for operation; do
        interrupted "$operation"
    done
    unlike "the passphrase is in no log" "$(cat "$DAEMON_DIR"/*.log "$DAEMON_DIR/log"/* 2>/dev/null)" "$PASSPHRASE"
    finish
}
