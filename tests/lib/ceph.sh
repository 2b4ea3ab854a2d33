# shellcheck shell=bash
# A Ceph cluster of the test's own: one monitor, one OSD that keeps everything in memory, cephx on, on
# 127.0.0.1, up in a few seconds. It lives where the daemon in use lives and ends with it, however the test
# ends; another daemon of the test reaches it as well. A test sources it after linked.sh.
#
#   need_ceph               this script makes no sense without Ceph, and libvirt's and QEMU's parts for it
#   ceph_start              the cluster answers when this returns 0; set then:
#                             CEPH_DIR    everything of it, also ceph.conf and USER.key of each user
#                             CEPH_PORT   the monitor's port
#                           Pools "images" and "vault". Users: libvirt (both), guest (images), headers (vault)
#   ceph_stop               ends it in good order
#   ceph_pause NAME, ceph_resume NAME
#                           mon or osd does nothing any more (SIGSTOP), and goes on
#   ceph, rbd ARGUMENTS...  Ceph's own, as its administrator; with a deadline
#   ceph_secret USER UUID   a libvirt secret of usage type ceph with the user's key, which outlives the daemon
#   ceph_pool NAME USER UUID [TARGET [POOL]]
#                           a libvirt pool of type rbd over the Ceph pool POOL (NAME), started, autostarted.
#                           TARGET is what stands in its <target>
#   network_disk TARGET IMAGE FORMAT USER UUID [ENCRYPTION]
#                           the XML of a guest's disk; IMAGE is POOL/IMAGE. ENCRYPTION is the UUID of the
#                           passphrase's secret; without it there is no <encryption>
#   image_url IMAGE USER    the image for QEMU's tools, with the user's key in a file: --object $(image_key USER)
#   qemu TOOL ARGUMENTS...  a tool of QEMU's, with the key of the user libvirt, and the test's passphrase as the
#                           secret "pass"
#   alike A B               both have the same content, by names for such a tool

CEPH_DIR=
CEPH_PORT=
# Where it lives, whatever daemon is in use: its directory and a command that runs its arguments there.
CEPH_HOST=
CEPH_IN=

need_ceph() {
    local part
    need_root
    PATH=$PATH:/usr/sbin need_command ceph-mon ceph-osd ceph-authtool monmaptool ceph rbd
    for part in libvirt/storage-backend/libvirt_storage_backend_rbd.so qemu/block-rbd.so; do
        [ -n "$(find /usr/lib/*/"${part%/*}" /usr/lib*/"${part%/*}" -name "${part##*/}" 2>/dev/null)" ] ||
            skip_all "needs $part"
    done
}

# _ceph_conf PORT: ceph.conf. The intervals are there to be up soon: where a client waits for a change, it asks.
_ceph_conf() {
    cat <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon initial members = a
mon host = [v2:127.0.0.1:$(($1 + 1)),v1:127.0.0.1:$1]
public network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
objecter tick interval = 0.5
keyring = $CEPH_DIR/keyring
run dir = $CEPH_DIR
admin socket =
[mon]
mon data = $CEPH_DIR/mon
mon allow pool delete = true
mon data avail warn = 1
mon data avail crit = 0
mon tick interval = 0.5
paxos propose interval = 0.05
paxos min wait = 0.01
[osd]
osd data = $CEPH_DIR/osd
keyring = $CEPH_DIR/osd/keyring
osd objectstore = memstore
memstore device bytes = 4294967296
osd memory target = 1073741824
osd op num shards = 2
osd op num threads per shard = 1
osd fast shutdown = true
osd fast shutdown notify mon = false
CONF
}

# _ceph_run PROGRAM...: one of Ceph's where the cluster lives.
_ceph_run() {
    "$CEPH_IN" env CEPH_CONF="$CEPH_DIR/ceph.conf" PATH="$PATH:/usr/sbin" "$@"
}

# shellcheck disable=SC2120 # for the caller
ceph() {
    _ceph_run timeout -k 5 "$TAP_PATIENCE" ceph "$@"
}

rbd() {
    _ceph_run timeout -k 5 "$TAP_PATIENCE" rbd "$@"
}

# _ceph_user NAME ARGUMENTS...: a user that the monitor knows from the start, and a file with the key alone.
_ceph_user() {
    local name=$1
    shift
    _ceph_run ceph-authtool "$CEPH_DIR/mon.keyring" --gen-key -n "$name" "$@" >/dev/null &&
        _ceph_run ceph-authtool "$CEPH_DIR/mon.keyring" -n "$name" --print-key |
        tr -d '\n' >"$CEPH_DIR/${name#client.}.key"
}

# _ceph_keys: the users. Their files are root's alone.
_ceph_keys() (
    umask 077
    _ceph_run ceph-authtool --create-keyring "$CEPH_DIR/mon.keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null &&
        _ceph_user client.admin --cap mon 'allow *' --cap osd 'allow *' &&
        _ceph_user osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' &&
        _ceph_user client.libvirt --cap mon 'profile rbd' \
            --cap osd 'profile rbd pool=images, profile rbd pool=vault' &&
        _ceph_user client.guest --cap mon 'profile rbd' --cap osd 'profile rbd pool=images' &&
        _ceph_user client.headers --cap mon 'profile rbd' --cap osd 'profile rbd pool=vault' &&
        _ceph_run ceph-authtool --create-keyring "$CEPH_DIR/keyring" -n client.admin \
            --add-key "$(cat "$CEPH_DIR/admin.key")" >/dev/null &&
        _ceph_run ceph-authtool --create-keyring "$CEPH_DIR/osd/keyring" -n osd.0 \
            --add-key "$(cat "$CEPH_DIR/osd.0.key")" >/dev/null
)

# _ceph_daemon NAME ID: starts ceph-NAME; it does not go into the background, so the number is its own.
_ceph_daemon() {
    # shellcheck disable=SC2016 # of the inner shell
    _ceph_run sh -c 'echo $$ >"$1/$2.pid"; exec "ceph-$2" -f -i "$3"' sh "$CEPH_DIR" "$1" "$2" \
        </dev/null >"$CEPH_HOST/ceph-$1.log" 2>&1 &
    echo $! >"$CEPH_HOST/ceph-$1.shell"
    disown
    waited test -s "$CEPH_DIR/$1.pid"
}

# ceph_pid NAME: the number of mon or osd, as seen by $CEPH_IN; fails if it does not run.
ceph_pid() {
    local pid
    pid=$(cat "$CEPH_DIR/$1.pid" 2>/dev/null) && "$CEPH_IN" grep -qs "^ceph-$1" "/proc/$pid/comm" && echo "$pid"
}

# _ceph_monitor: a monitor on two ports that nobody has. Between the look and the use somebody may take them.
_ceph_monitor() {
    CEPH_PORT=$(python3 -c '
import random, socket
while True:
    port = random.randrange(10000, 30000, 2)
    try:
        for p in port, port + 1:
            s = socket.socket()
            s.bind(("127.0.0.1", p))
            s.close()
        break
    except OSError:
        pass
print(port)') || return
    rm -rf "$CEPH_DIR/mon" "$CEPH_DIR/monmap" && mkdir "$CEPH_DIR/mon" || return
    _ceph_conf "$CEPH_PORT" >"$CEPH_DIR/ceph.conf"
    _ceph_run monmaptool --create --fsid "$(sed -n 's/^fsid = //p' "$CEPH_DIR/ceph.conf")" --addv a \
        "[v2:127.0.0.1:$((CEPH_PORT + 1)),v1:127.0.0.1:$CEPH_PORT]" "$CEPH_DIR/monmap" &&
        _ceph_run ceph-mon --mkfs -i a --monmap "$CEPH_DIR/monmap" --keyring "$CEPH_DIR/mon.keyring" &&
        _ceph_daemon mon a || return
    # It answers, or has ended.
    waited eval 'ceph --connect-timeout 5 mon stat 2>/dev/null || ! ceph_pid mon >/dev/null' && ceph_pid mon >/dev/null
}

ceph_start() {
    local uuid try
    uuid=$(cat /proc/sys/kernel/random/uuid)
    CEPH_HOST=$DAEMON_DIR CEPH_IN=$DAEMON_IN CEPH_DIR=$DAEMON_DIR/ceph
    mkdir -m 755 "$CEPH_DIR" "$CEPH_DIR/osd" && _ceph_conf 0 >"$CEPH_DIR/ceph.conf" && _ceph_keys || return
    for try in 1 2 3; do
        ! _ceph_monitor || break
        [ "$try" -lt 3 ] || {
            tail -n 20 "$CEPH_HOST/ceph-mon.log" >&2
            return 1
        }
    done
    # shellcheck disable=SC2119 # its commands are on stdin
    _ceph_run ceph-osd -i 0 --mkfs --osd-uuid "$uuid" >"$CEPH_HOST/ceph-osd.log" 2>&1 &&
        ceph <<COMMANDS && _ceph_daemon osd 0 || return
osd create $uuid 0
osd pool create images 4 4
osd pool create vault 4 4
osd pool application enable images rbd
osd pool application enable vault rbd
COMMANDS
    # That waits until the OSD has come up.
    if ! rbd create images/first --size 1M || ! rbd rm images/first --no-progress; then
        tail -n 20 "$CEPH_HOST"/ceph-*.log >&2
        return 1
    fi
}

# ceph_end NAME SIGNAL: mon or osd gets it, and has ended when this returns.
ceph_end() {
    local pid
    pid=$(ceph_pid "$1") || return 0
    "$CEPH_IN" kill -s "$2" "$pid"
    "$CEPH_IN" kill -s CONT "$pid" 2>/dev/null
    waited not ceph_pid "$1" >/dev/null
}

ceph_stop() {
    ceph_end osd TERM && ceph_end mon TERM
}

ceph_pause() {
    "$CEPH_IN" kill -s STOP "$(ceph_pid "$1")"
}

ceph_resume() {
    "$CEPH_IN" kill -s CONT "$(ceph_pid "$1")"
    # nsenter stops with its child, does not go on with it, and would never bury it
    pkill -CONT -P "$(cat "$CEPH_HOST/ceph-$1.shell")"
}

# The key is base64 in Ceph's words and in virsh's.
ceph_secret() {
    local status
    cat >"$DAEMON_DIR/xml/secret.xml" <<XML
<secret ephemeral='no' private='yes'>
  <uuid>$2</uuid><usage type='ceph'><name>client.$1 of $2</name></usage>
</secret>
XML
    virsh secret-define "$DAEMON_DIR/xml/secret.xml" || return
    secret_file <"$CEPH_DIR/$1.key" && virsh secret-set-value "$2" --file "$DAEMON_DIR/xml/value"
    status=$?
    rm -f "$DAEMON_DIR/xml/value"
    return "$status"
}

# ceph_pool_xml NAME USER UUID [TARGET [POOL]]
ceph_pool_xml() {
    cat <<XML
<pool type='rbd'>
  <name>$1</name>
  <source>
    <name>${5:-$1}</name>
    <host name='127.0.0.1' port='$CEPH_PORT'/>
    <auth type='ceph' username='$2'><secret uuid='$3'/></auth>
  </source>
  ${4:+<target>$4</target>}
</pool>
XML
}

ceph_pool() {
    ceph_pool_xml "$@" >"$DAEMON_DIR/xml/pool-$1.xml" &&
        virsh pool-define "$DAEMON_DIR/xml/pool-$1.xml" && virsh pool-start "$1" && virsh pool-autostart "$1"
}

network_disk() {
    local encryption=
    [ -z "${6:-}" ] || encryption="<encryption format='luks'><secret type='passphrase' uuid='$6'/></encryption>"
    cat <<XML
<disk type='network' device='disk'>
  <driver name='qemu' type='$3'/>
  <auth username='$4'><secret type='ceph' uuid='$5'/></auth>
  <source protocol='rbd' name='$2'>
    <host name='127.0.0.1' port='$CEPH_PORT'/>$encryption
  </source>
  <target dev='$1' bus='virtio'/>
  <serial>$1</serial>
</disk>
XML
}

image_key() {
    echo "secret,id=ceph-$1,file=$CEPH_DIR/$1.key,format=base64"
}

image_url() {
    printf 'json:{"driver":"raw","file":{"driver":"rbd","pool":"%s","image":"%s","user":"%s",' \
        "${1%%/*}" "${1#*/}" "$2"
    printf '"server":[{"host":"127.0.0.1","port":"%s"}],"auth-client-required":["cephx"],"key-secret":"ceph-%s"}}' \
        "$CEPH_PORT" "$2"
}

qemu() {
    local tool=$1 pass=$DAEMON_WORK/pass
    shift
    [ -e "$pass" ] || (umask 077 && printf %s "$PASSPHRASE" >"$pass")
    "$tool" "$@" --object "secret,id=pass,file=$pass" --object "$(image_key libvirt)"
}

alike() {
    qemu qemu-img compare "$1" "$2"
}
