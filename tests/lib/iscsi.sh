# shellcheck shell=bash
# An iSCSI target of the test's own (tgt), on 127.0.0.1, whose units are files. It lives where the daemon in use
# lives and ends with it. A test sources it after linked.sh.
#
#   need_iscsi              this script makes no sense without tgt, libiscsi, and libvirt's and QEMU's parts for it
#   target_start            a target without units is there when this returns 0; set then:
#                             IQN, INITIATOR   names of target and client
#                             ISCSI_PORT       the target's port
#                             ISCSI_UNITS      the directory of the units' files: LUN 1 is the file 1
#   target_unit LUN SIZE [NAME]
#                           a unit of zeroes. NAME is how it calls itself; without it, by target and unit number, as
#                           units of all other hosts' tgt do
#   target_chap USER PASSWORD
#                           from now on the target wants these
#   target_second NAME LUN  a second target, IQN:NAME, whose unit LUN is the file LUN as well
#   target_pause, target_resume
#                           it does nothing any more (SIGSTOP), and goes on
#   target_stop             ends it; target_start makes a new one, without units, on the same port
#   tgt ARGUMENT...         tgtadm, with deadline
#   direct_pool NAME [USER UUID [IQN]]
#                           a libvirt pool of type iscsi-direct over the target, started, autostarted
#   unit_url LUN            the unit for QEMU's tools and for iscsi-ls and its like
#   unit_reserve LUN, unit_release
#                           another client logs in and reserves the unit; and is killed

IQN=iqn.2026-01.org.example:lukshdr
INITIATOR=iqn.2026-01.org.example:client
ISCSI_PORT=
ISCSI_CONTROL=
ISCSI_UNITS=
ISCSI_IN=
ISCSI_OTHER=

need_iscsi() {
    local part
    need_root
    PATH=$PATH:/usr/sbin need_command tgtd tgtadm
    for part in libvirt/storage-backend/libvirt_storage_backend_iscsi-direct.so qemu/block-iscsi.so; do
        [ -n "$(find /usr/lib/*/"${part%/*}" /usr/lib*/"${part%/*}" -name "${part##*/}" 2>/dev/null)" ] ||
            skip_all "needs $part"
    done
}

tgt() {
    PATH=$PATH:/usr/sbin "$ISCSI_IN" timeout -k 5 "$TAP_PATIENCE" tgtadm -C "$ISCSI_CONTROL" --lld iscsi "$@"
}

# A port that nobody has. Between the look and the use somebody may take it.
_target_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

target_start() {
    local try
    ISCSI_IN=$DAEMON_IN ISCSI_UNITS=$DAEMON_DIR/units
    mkdir -p "$ISCSI_UNITS" && "$ISCSI_IN" mkdir -p /run/tgtd || return
    for try in 1 2 3; do
        [ -n "$ISCSI_PORT" ] && [ "$try" = 1 ] || ISCSI_PORT=$(_target_port)
        ISCSI_CONTROL=$((ISCSI_PORT % 30000 + 100)) # its socket is called by that
        # shellcheck disable=SC2016 # of the inner shell
        PATH=$PATH:/usr/sbin "$ISCSI_IN" sh -c 'echo $$ >"$1/tgtd.pid"; exec tgtd -f -C "$2" --iscsi portal="127.0.0.1:$3"' \
            sh "$DAEMON_DIR" "$ISCSI_CONTROL" "$ISCSI_PORT" </dev/null >"$DAEMON_DIR/tgtd.log" 2>&1 &
        echo $! >"$DAEMON_DIR/tgtd.shell"
        disown
        waited test -s "$DAEMON_DIR/tgtd.pid" || return
        # it answers, or has ended
        waited eval 'tgt --mode target --op show >/dev/null 2>&1 || ! target_pid >/dev/null' || return
        ! tgt --mode target --op show >/dev/null 2>&1 || break
    done
    tgt --mode target --op new --tid 1 -T "$IQN" && tgt --mode target --op bind --tid 1 -I ALL
}

# target_pid: the number of tgtd, as seen by $ISCSI_IN; fails if it does not run.
target_pid() {
    local pid
    pid=$(cat "$DAEMON_DIR/tgtd.pid" 2>/dev/null) && "$ISCSI_IN" grep -qs tgtd "/proc/$pid/comm" && echo "$pid"
}

target_unit() {
    [ -e "$ISCSI_UNITS/$1" ] || truncate -s "$2" "$ISCSI_UNITS/$1" || return
    tgt --mode logicalunit --op new --tid 1 --lun "$1" -b "$ISCSI_UNITS/$1" || return
    [ -z "${3:-}" ] || tgt --mode logicalunit --op update --tid 1 --lun "$1" --params "scsi_id=$3"
}

target_second() {
    tgt --mode target --op new --tid 2 -T "$IQN:$1" && tgt --mode target --op bind --tid 2 -I ALL &&
        tgt --mode logicalunit --op new --tid 2 --lun "$2" -b "$ISCSI_UNITS/$2"
}

target_chap() {
    tgt --mode account --op new --user "$1" --password "$2" &&
        tgt --mode account --op bind --tid 1 --user "$1"
}

target_pause() {
    "$ISCSI_IN" kill -s STOP "$(target_pid)"
}

target_resume() {
    "$ISCSI_IN" kill -s CONT "$(target_pid)"
    # nsenter stops with its child, does not go on with it, and would never bury it
    kill -s CONT "$(cat "$DAEMON_DIR/tgtd.shell")"
}

target_stop() {
    local pid
    pid=$(target_pid) || return 0
    "$ISCSI_IN" kill -KILL "$pid"
    waited not target_pid >/dev/null
    rm -f "$DAEMON_DIR/tgtd.pid"
}

direct_pool() {
    local auth=
    [ -z "${2:-}" ] || auth="<auth type='chap' username='$2'><secret uuid='$3'/></auth>"
    cat >"$DAEMON_DIR/xml/pool-$1.xml" <<XML
<pool type='iscsi-direct'>
  <name>$1</name>
  <source>
    <host name='127.0.0.1' port='$ISCSI_PORT'/>
    <device path='${4:-$IQN}'/>
    <initiator><iqn name='$INITIATOR'/></initiator>
    $auth
  </source>
</pool>
XML
    virsh pool-define "$DAEMON_DIR/xml/pool-$1.xml" && virsh pool-start "$1" && virsh pool-autostart "$1"
}

# Without a password: the target must not want one.
unit_reserve() {
    mkfifo "$DAEMON_WORK/reserved" || return
    python3 - "127.0.0.1:$ISCSI_PORT" "$IQN" "$1" >"$DAEMON_WORK/reserved" 2>&1 <<'PYTHON' &
import ctypes, ctypes.util, signal, sys
lib = ctypes.CDLL(ctypes.util.find_library("iscsi"))
lib.iscsi_create_context.restype = ctypes.c_void_p
lib.iscsi_reserve6_sync.restype = ctypes.POINTER(ctypes.c_int)
iscsi = ctypes.c_void_p(lib.iscsi_create_context(b"iqn.2026-01.org.example:other"))
portal, target, lun = sys.argv[1].encode(), sys.argv[2].encode(), int(sys.argv[3])
assert lib.iscsi_set_session_type(iscsi, 2) == 0 and lib.iscsi_set_targetname(iscsi, target) == 0
assert lib.iscsi_full_connect_sync(iscsi, portal, lun) == 0
assert lib.iscsi_reserve6_sync(iscsi, lun)[0] == 0 # its status
print("reserved", flush=True)
signal.pause()
PYTHON
    ISCSI_OTHER=$!
    [ "$(head -n 1 "$DAEMON_WORK/reserved")" = reserved ]
}

unit_release() {
    kill -KILL "$ISCSI_OTHER"
    wait "$ISCSI_OTHER" 2>/dev/null
    rm -f "$DAEMON_WORK/reserved"
}

unit_url() {
    echo "iscsi://127.0.0.1:$ISCSI_PORT/$IQN/$1"
}
