# shellcheck shell=bash
# Two hosts between which guests migrate: two daemons with a host's name, a host's UUID, a link registry and
# secrets each. Beyond disks.sh.
#
#   $SHARED   a directory that both have, which libvirt's configuration (shared_filesystems) says is shared, or, where
#             libvirt has no such setting, the kernel (shared-fs.c); in it the pools vault and data of both
#   $LOCAL    a directory that each has for itself, in the same place; $DAEMON_DIR/images from outside; in it
#             the pools local-vault and local-data of each

. "$(dirname "${BASH_SOURCE[0]}")/disks.sh"

# hosts_use NAME: the following commands speak of the host NAME.
# shellcheck disable=SC2034 # for the caller
hosts_use() {
    linked_use "$1" || return
    SHARED=$DAEMON_WORK/shared
    LOCAL=$DAEMON_WORK/local
    DAEMON_IMAGES=$SHARED
    VAULT=$SHARED/vault
    DATA=$SHARED/data
}

# hosts_start NAME: a host. What guests need besides their disks, such as the pipes that they are spoken to
# through, is the first one's.
# shellcheck disable=SC2034 # for daemon_start
hosts_start() {
    local DAEMON_REACHABLE=1 DAEMON_QEMU_CONF
    daemon_use "$1" || return
    mkdir -p "$DAEMON_WORK"/{shared/vault,shared/data,local,sockets} && chmod 1777 "$DAEMON_WORK/sockets" || return
    # No network file system is to be had everywhere.
    DAEMON_QEMU_CONF="shared_filesystems = [ \"$DAEMON_WORK/shared\" ]"
    if ! libvirt_since 10.8; then
        # for when it starts again, too
        DAEMON_WRAPPER="env LD_PRELOAD=$(preload shared-fs) SHARED_FS=$DAEMON_WORK/shared"
    fi
    PATH=$DAEMON_DIR/bin:$PATH daemon_start "$1" || return
    hosts_use "$1"
    mkdir -p "$BIN" "$DAEMON_DIR/xml" "$DAEMON_DIR/images/vault" "$DAEMON_DIR/images/data" &&
        "$DAEMON_IN" mount --bind "$DAEMON_DIR/images" "$LOCAL" || return
    if [ -e "$DAEMON_WORK/first" ]; then
        rmdir "$DAEMON_DIR/guests" && ln -s "$(cat "$DAEMON_WORK/first")" "$DAEMON_DIR/guests"
    else
        echo "$DAEMON_DIR/guests" >"$DAEMON_WORK/first"
    fi
}

# headers_make NAME DIR: a declared header pool.
headers_make() {
    cat >"$DAEMON_DIR/xml/pool.xml" <<XML
<pool type='dir'><name>$1</name><target><path>$2</path><headers/></target></pool>
XML
    virsh pool-define "$DAEMON_DIR/xml/pool.xml" && virsh pool-start "$1" && virsh pool-autostart "$1"
}

# hosts_pools: the four pools of the host in use.
hosts_pools() {
    pool_make data "$DATA" && headers_make vault "$VAULT" &&
        pool_make local-data "$LOCAL/data" && headers_make local-vault "$LOCAL/vault"
}

# known VOLUME: waits until the host in use has got the link of the volume from its header's label.
known() {
    waited _known "$1"
}
_known() {
    [ -n "$(link_of "$1")" ] || {
        virsh pool-refresh data
        virsh pool-refresh vault
        return 1
    }
}

# uri NAME: of the host NAME, for whoever is on this machine.
uri() {
    echo "qemu+unix:///system?socket=$DAEMON_WORK/$1/run/libvirt-sock"
}

# migrate GUEST HOST OPTIONS...: from the host in use, by sockets that no other test can want.
migrate() {
    local guest=$1 host=$2
    shift 2
    rm -f "$DAEMON_WORK"/sockets/*
    virsh migrate "$guest" "$(uri "$host")" --migrateuri "unix://$DAEMON_WORK/sockets/migrate" "$@"
}

# guest_define NAME [DISK...]: as in guest.sh, of a guest that can migrate. What is not a disk libvirt labels
# without a thought for another host, which may have the file as well: the console's is anybody's.
guest_define() {
    local console=$DAEMON_DIR/guests/$1.console
    : >"$console" && chmod 666 "$console" || return
    guest_xml "$@" | sed \
        "s|<source path='\\([^']*\\.console\\)'/>|<source path='\\1'><seclabel model='dac' relabel='no'/></source>|" \
        >"$DAEMON_DIR/guests/$1.xml" && virsh define "$DAEMON_DIR/guests/$1.xml"
}

# in_use WHEN NAME...: header and payload belong to QEMU's user, on whichever host.
in_use() {
    local when=$1 name
    shift
    for name; do
        same "$when, QEMU's user has header and payload of $name" \
            "$(stat -c %U:%a "$VAULT/$name.luks" "$DATA/$name" | xargs)" "libvirt-qemu:600 libvirt-qemu:600"
    done
}

# runs_on HOST OTHER: the guest demo.
runs_on() {
    hosts_use "$2"
    same "it does not run on $2, where no record of it is left" "$(virsh domstate demo 2>&1 | grep -c running)$(records)" 0
    hosts_use "$1"
    same "it runs on $1" "$(virsh domstate demo 2>&1)" running
}

# both_filled: the guest demo reads what it wrote, $TEXT, from both its disks.
# shellcheck disable=SC2153 # the test's
both_filled() {
    guest_filled demo vda "$TEXT" && guest_filled demo vdb "$TEXT"
}

# inactive GUEST: of its disks' <encryption> in the configuration, the secrets.
inactive() {
    virsh dumpxml "$1" --inactive | grep -A 1 '<encryption' | grep -o "uuid='[^']*'" | xargs
}

# edited SED OPTIONS...: a file with the XML of the guest demo, changed.
edited() {
    local change=$1
    shift
    virsh dumpxml demo "$@" | sed "$change" >"$DAEMON_DIR/edited.xml"
    echo "$DAEMON_DIR/edited.xml"
}
