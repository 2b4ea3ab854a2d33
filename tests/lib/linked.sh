# shellcheck shell=bash
# What the tests of the storage half have in common: a daemon with a header pool "vault", a payload pool
# "data" and a secret; XML of linked volumes; functions that look into the pools and the link registry; and
# replacements for QEMU's tools, which the daemon finds before the real ones.
#
# Read from the environment:
#   BUILDDIR   the build tree; unset: the one that LIBVIRT_DRIVER_DIR belongs to
#   VL         virt-lukshdr; unset: the build tree's
#
# Set for the caller, for the daemon in use:
#   VAULT DATA   the pools' directories
#   LINKS        the link registry's directory, where the daemon lives
#   BIN          an empty directory in front of the daemon's PATH

. "$(dirname "${BASH_SOURCE[0]}")/daemon.sh"

BUILDDIR=${BUILDDIR:-${LIBVIRT_DRIVER_DIR%/src/modules}}
BUILDDIR=$(cd "${BUILDDIR:-build}" 2>/dev/null && pwd)
export LIBVIRT_DRIVER_DIR=${LIBVIRT_DRIVER_DIR:-$BUILDDIR/src/modules}
export LUKSHDR_SCHEMA_DIR=${LUKSHDR_SCHEMA_DIR:-$BUILDDIR/schemas}
[ -e "$BUILDDIR/src/modules/libvirt_driver_storage.so" ] || skip_all "no build found; set BUILDDIR"
PATH=$PATH:/usr/sbin need_command libvirtd virsh

VL=${VL:-$BUILDDIR/tools/virt-lukshdr}

SECRET_UUID=5a3d3a1c-6f0e-4b56-9d0c-3e3b7f5f2c11
PASSPHRASE=${PASSPHRASE:-correct-horse-battery-staple}

# linked_use NAME: the following commands speak of the daemon NAME.
# shellcheck disable=SC2034 # for the caller
linked_use() {
    daemon_use "$1" || return
    VAULT=$DAEMON_IMAGES/vault
    DATA=$DAEMON_IMAGES/data
    BIN=$DAEMON_DIR/bin
    if [ "$DAEMON_RUNS" = session ]; then
        LINKS=$DAEMON_DIR/config/libvirt/lukshdr/links
    else
        LINKS=/etc/libvirt/lukshdr/links
    fi
}

# linked_launch: starts the daemon in use again, however it ended.
linked_launch() {
    PATH=$BIN:$PATH daemon_restart
}

# linked_start [NAME]: a daemon with everything that is needed to create linked volumes.
linked_start() {
    daemon_use "${1:-host}" || return
    PATH=$DAEMON_DIR/bin:$PATH daemon_start "${1:-host}" || return
    linked_use "${1:-host}"
    mkdir -p "$BIN" "$DAEMON_DIR/xml"
    "$DAEMON_IN" mkdir -p "$VAULT" "$DATA"
    pool_make vault "$VAULT" && pool_make data "$DATA" && secret_make "$SECRET_UUID" volume "$PASSPHRASE"
}

# pool_make NAME DIR: a pool that outlives the daemon.
pool_make() {
    virsh pool-define-as "$1" dir --target "$2" && virsh pool-start "$1" && virsh pool-autostart "$1"
}

# secret_make UUID USAGE [VALUE]: USAGE is volume or iscsi. Private; kept on disk, so that it outlives
# the daemon, unless SECRET_EPHEMERAL is yes.
secret_make() {
    local inner
    case $2 in
        volume) inner="<volume>usage-$1</volume>" ;;
        iscsi) inner="<target>usage-$1</target>" ;;
    esac
    cat >"$DAEMON_DIR/xml/secret.xml" <<XML
<secret ephemeral='${SECRET_EPHEMERAL:-no}' private='yes'>
  <uuid>$1</uuid><usage type='$2'>$inner</usage>
</secret>
XML
    virsh secret-define "$DAEMON_DIR/xml/secret.xml" || return
    [ -n "${3+set}" ] || return 0
    printf %s "$3" | secret_file
    virsh secret-set-value "$1" --file "$DAEMON_DIR/xml/value" --plain
    rm -f "$DAEMON_DIR/xml/value"
}

# secret_file: stdin becomes a file that the daemon's user alone can read.
secret_file() {
    (umask 077 && cat >"$DAEMON_DIR/xml/value")
    [ "$DAEMON_RUNS" = system ] || [ "$(id -u)" -ne 0 ] || chown nobody: "$DAEMON_DIR/xml/value"
}

# linked_xml NAME FORMAT [CIPHER [HEADER]]: XML of a linked volume of 16 MiB; CIPHER is what else stands
# in <encryption>, HEADER the attributes of the header's <source>.
linked_xml() {
    local source=${4:-"pool='vault'"}
    cat <<XML
<volume>
  <name>$1</name>
  <capacity unit='M'>16</capacity><allocation>0</allocation>
  <target>
    <format type='$2'/>
    <encryption format='luks'>
      <secret type='passphrase' uuid='$SECRET_UUID'/>${3:-}
      <header type='volume'><source $source/></header>
    </encryption>
  </target>
</volume>
XML
}

# create_xml: vol-create of the XML on stdin. What a volume is made of must be as the schema says.
create_xml() {
    local file=$DAEMON_DIR/xml/volume-$BASHPID.xml status=0 said
    cat >"$file"
    virsh vol-create data "$file" || status=$?
    [ "$status" -ne 0 ] ||
        said=$(xmllint --noout --relaxng "$BUILDDIR/schemas/lukshdr-storagevol.rng" "$file" 2>&1) || {
        status=$?
        echo "$said" >&2
    }
    rm -f "$file"
    return "$status"
}

# create_in POOL: vol-create of the XML on stdin.
create_in() {
    cat >"$DAEMON_DIR/xml/in.xml" && virsh vol-create "$1" "$DAEMON_DIR/xml/in.xml"
}

# from POOL SOURCE SOURCEPOOL: vol-create-from of the XML on stdin.
from() {
    cat >"$DAEMON_DIR/xml/from.xml" && virsh vol-create-from "$1" "$DAEMON_DIR/xml/from.xml" "$2" --inputpool "$3"
}

# create NAME FORMAT [CIPHER [HEADER]]: see linked_xml.
create() {
    linked_xml "$@" | create_xml
}

# vl ARGUMENT...: virt-lukshdr, talking to the daemon in use.
vl() {
    "$DAEMON_IN" "$VL" "$@"
}

# unchanged WHAT REGEX COMMAND...: the command is refused, and what "state" prints, which is the
# test's, has not changed.
unchanged() {
    local before
    before=$(state)
    refuse "$@"
    same "$1: nothing has changed" "$(state)" "$before"
}

# links: the names of all files in the link registry.
links() {
    "$DAEMON_IN" find "$LINKS" -mindepth 1 -printf '%f\n' 2>/dev/null | sort
}

# link_of VOLUME: the registry file of the linked volume.
link_of() {
    "$DAEMON_IN" grep -lF "volume=\"$1\" format=" -r "$LINKS"
}

# link_show VOLUME: its content.
link_show() {
    "$DAEMON_IN" cat "$(link_of "$1")"
}

# link_edit NAME SED: changes the registry's entry of the linked volume as with an editor that renews the
# digest, and as the plugin itself writes it: at once.
link_edit() {
    local entry text
    entry=$(link_of "$1") &&
        text=$("$DAEMON_IN" grep -v '^<!-- sha256' "$entry" | sed "$2") || return
    printf '%s\n<!-- sha256: %s -->\n' "$text" "$(printf '%s\n' "$text" | sha256sum | cut -d' ' -f1)" |
        "$DAEMON_IN" sh -c 'cat >"$1.new" && mv "$1.new" "$1"' sh "$entry"
}

# lies_there: all that is in the two pools' directories, to the byte, and the link registry.
lies_there() {
    find "$VAULT" "$DATA" -mindepth 1 -printf '%P inode %i mode %m links %n\n' | sort
    find "$VAULT" "$DATA" -type f -exec sha256sum {} + | sort -k 2
    links
}

# nothing_left WHAT: neither pool holds a file, the registry no entry.
nothing_left() {
    same "$1: nothing is left" "$(lies_there)" ""
}

# alive WHAT: the daemon still answers and its two pools are active.
alive() {
    same "$1: the daemon answers, the pools are active" \
        "$(virsh pool-list --name | sort | xargs)" "data vault"
}

# header_of FILE [MILLISECONDS]: makes FILE a header in no time, for tests of everything but formatting: as QEMU makes
# it, of the passphrase, which is stretched for 10 ms or as long as is said.
header_of() {
    local commands
    truncate -s 4M "$1" || return
    coproc QSD {
        exec timeout -k 5 "$TAP_PATIENCE" qemu-storage-daemon \
            --object secret,id=s,file=<(printf %s "$PASSPHRASE") \
            --blockdev driver=file,node-name=h,filename="$1" \
            --chardev stdio,id=q --monitor chardev=q 2>&1
    }
    # shellcheck disable=SC2153 # set by coproc
    local pid=$QSD_PID line
    for commands in '{"execute":"qmp_capabilities"}' \
        '{"execute":"blockdev-create","arguments":{"job-id":"j","options":{"driver":"luks","header":"h",
            "size":0,"key-secret":"s","iter-time":'"${2:-10}"'}}}'; do
        printf '%s\n' "${commands//$'\n'/}" >&"${QSD[1]}"
    done
    while IFS= read -r -t "$TAP_PATIENCE" line <&"${QSD[0]}"; do
        case $line in *concluded*) break ;; esac
    done
    printf '{"execute":"quit"}\n' >&"${QSD[1]}"
    # it has a deadline, so this has
    wait "$pid"
    # it is left as long as the LUKS header
    truncate -s 4M "$1" && cryptsetup isLuks "$1"
}

# flip FILE [OFFSET]: spoils some bytes of it, those at OFFSET (5000, which is in the first key slot).
flip() {
    printf 'flipped!' | "$DAEMON_IN" dd of="$1" bs=1 seek="${2:-5000}" conv=notrunc status=none
}

# tool NAME <SCRIPT: a shell script that the daemon runs instead of NAME; $REAL in it is the real one.
tool() {
    {
        printf '#!/bin/bash\nREAL=%s\n' "$(PATH=/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin:$PATH command -v "$1")"
        cat
    } >"$BIN/$1.new"
    chmod 755 "$BIN/$1.new"
    mv "$BIN/$1.new" "$BIN/$1"
}

# quick_format: from now on qemu-img makes detached headers by copying one that was made before.
quick_format() {
    [ -e "$DAEMON_DIR/template" ] || header_of "$DAEMON_DIR/template" || return
    chmod 644 "$DAEMON_DIR/template"
    tool qemu-img <<SH
case " \$* " in
    *detached-header*) exec cp "$DAEMON_DIR/template" "\${!#}" ;;
esac
exec "\$REAL" "\$@"
SH
}

# preload NAME: prints the path of the library for LD_PRELOAD that tests/lib/NAME.c is built into.
preload() {
    local so=$BUILDDIR/tests/$1.so
    if [ ! -e "$so" ]; then
        so=$DAEMON_WORK/$1.so
        [ -e "$so" ] || cc -shared -fPIC -D_GNU_SOURCE -O1 -o "$so" \
            "$(dirname "${BASH_SOURCE[0]}")/$1.c" -ldl || return
        chmod 755 "$so"
    fi
    echo "$so"
}

# quick_attached: from now on attached LUKS is made with as little stretching of keys as QEMU allows.
quick_attached() {
    tool qemu-img <<'SH'
args=()
for arg; do
    case $arg in
        *encrypt.format=luks*) arg+=,encrypt.iter-time=10 ;;
        key-secret=*) arg+=,iter-time=10 ;;
    esac
    args+=("$arg")
done
exec "$REAL" "${args[@]}"
SH
}

# quick_keys: from now on QEMU makes detached headers with as little stretching of keys as it allows.
quick_keys() {
    tool qemu-img <<'SH'
args=()
for arg; do
    case $arg in
        *iter-time=*) ;;
        detached-header=*) arg+=,iter-time=10 ;;
    esac
    args+=("$arg")
done
exec "$REAL" "${args[@]}"
SH
    tool qemu-storage-daemon <<'SH'
exec "$REAL" "$@" < <(exec sed -u '/"iter-time"/!s/"key-secret":"sec0"/&,"iter-time":10/' 2>/dev/null)
SH
}
