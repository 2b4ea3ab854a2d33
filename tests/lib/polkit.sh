# shellcheck shell=bash
# Clients with less than all rights: a libvirtd whose access driver asks a real polkitd, on a bus of its
# own where the daemon lives. Needs a system daemon, so root. To be sourced before linked.sh or daemon.sh
# start anything; then:
#
#   polkit_client NAME [DENIED...]   a client who may do all but what is DENIED: a right such as
#                                    storage-vol.delete, or the beginning of some and a *; with @POOL behind
#                                    it in that pool alone, with @!POOL in all others. What has a + in
#                                    front is allowed whatever the others say. Connecting may be denied by
#                                    its name only. Before polkit_use
#   polkit_use                       the next daemon_start has an access driver; does not return where
#                                    that cannot be had
#   as NAME COMMAND...               runs COMMAND where the daemon lives, as that client
#   calls NAME <LINES                calls of libvirt's API without any look-up before, as that client: see
#                                    acl-client.c. Prints a line for each: ok, denied or error, a tab, the
#                                    line, a tab, the message. Pools that exist when polkit_pools ran are known
#   call NAME CALL...                one such call; fails, and prints the message, unless it is ok
#
# Root may do everything, as always with polkit.

. "$(dirname "${BASH_SOURCE[0]}")/daemon.sh"

POLKIT_FIRST=70001
declare -A POLKIT_UID=()
POLKIT_RULES=
POLKITD=/usr/lib/polkit-1/polkitd

polkit_client() {
    local name=$1 uid=$((POLKIT_FIRST + ${#POLKIT_UID[@]})) denied
    shift
    POLKIT_UID[$name]=$uid
    denied=$(printf '"%s",' "$@")
    [ $# -gt 0 ] || denied=
    POLKIT_RULES+="    \"client-$name\": [${denied%,}],"$'\n'
}

_polkit_write_rules() {
    cat <<RULES
var denied = {
$POLKIT_RULES};
function matches(rule, right, pool) {
    var parts = rule.split("@"), what = parts[0], where = parts[1];
    if (what.charAt(what.length - 1) == "*") {
        if (right.indexOf("connect.") == 0 || right.indexOf(what.slice(0, -1)) != 0) {
            return false;
        }
    } else if (what != right) {
        return false;
    }
    return !where || (where.charAt(0) == "!" ? where.slice(1) != pool : where == pool);
}
polkit.addRule(function(action, subject) {
    var prefix = "org.libvirt.api.", no = false, right, rules, pool, i;
    if (action.id.indexOf(prefix) != 0 || !(rules = denied[subject.user])) {
        return polkit.Result.NOT_HANDLED;
    }
    right = action.id.slice(prefix.length);
    pool = action.lookup("pool_name");
    for (i = 0; i < rules.length; i++) {
        if (rules[i].charAt(0) == "+" && matches(rules[i].slice(1), right, pool)) {
            return polkit.Result.YES;
        }
        no = no || matches(rules[i], right, pool);
    }
    return no ? polkit.Result.NO : polkit.Result.YES;
});
RULES
}

_polkit_write_bus() {
    cat <<'BUS'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
BUS
}

# libvirt and polkit want names for the users; these exist where the daemon lives alone.
_polkit_write_users() {
    local name
    cat "/etc/$1"
    for name in "${!POLKIT_UID[@]}"; do
        case $1 in
            passwd) echo "client-$name:x:${POLKIT_UID[$name]}:${POLKIT_UID[$name]}::/nonexistent:/bin/false" ;;
            group) echo "client-$name:x:${POLKIT_UID[$name]}:" ;;
        esac
    done
}

# The bus and polkitd come up before libvirtd, which they outlive.
_polkit_write_wrapper() {
    cat <<WRAPPER
#!/bin/bash
if [ ! -e /run/dbus/system_bus_socket ]; then
    mkdir -p /run/dbus
    mount --bind "$POLKIT_DIR/rules" /etc/polkit-1/rules.d &&
        mount --bind "$POLKIT_DIR/passwd" /etc/passwd &&
        mount --bind "$POLKIT_DIR/group" /etc/group || exit
    dbus-daemon --config-file="$POLKIT_DIR/bus.conf" --fork --nopidfile || exit
    $POLKITD --no-debug </dev/null >>"$POLKIT_DIR/polkitd.log" 2>&1 &
    gdbus wait --system --timeout "$TAP_PATIENCE" org.freedesktop.PolicyKit1 || exit
fi
exec $POLKIT_WRAPPER "\$@"
WRAPPER
}

polkit_use() {
    need_root
    need_command dbus-daemon gdbus "$POLKITD"
    POLKIT_WRAPPER=${DAEMON_WRAPPER:-}
    _daemon_work || return
    POLKIT_DIR=$DAEMON_WORK/polkit
    # daemon.sh copies the logs of directories here, and takes each for a daemon's
    mkdir -p "$POLKIT_DIR"/{rules,log}
    _polkit_write_rules >"$POLKIT_DIR/rules/00-clients.rules"
    _polkit_write_users passwd >"$POLKIT_DIR/passwd"
    _polkit_write_users group >"$POLKIT_DIR/group"
    _polkit_write_bus >"$POLKIT_DIR/bus.conf"
    _polkit_write_wrapper >"$POLKIT_DIR/wrapper"
    chmod 755 "$POLKIT_DIR/wrapper"
    # shellcheck disable=SC2034 # read by daemon.sh
    {
        DAEMON_WRAPPER=$POLKIT_DIR/wrapper
        DAEMON_LIBVIRTD_CONF='access_drivers = [ "polkit" ]
unix_sock_rw_perms = "0777"'
    }
}

as() {
    local uid=${POLKIT_UID[$1]}
    shift
    "$DAEMON_IN" setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all -- \
        env HOME=/nonexistent "$@"
}

# polkit_pools: notes the UUIDs of all pools, for calls.
polkit_pools() {
    local pool
    virsh pool-list --all --name | sed '/^ *$/d' | while read -r pool; do
        echo "pool $pool $(virsh pool-uuid "$pool")"
    done >"$DAEMON_DIR/pools"
}

calls() {
    local client=$DAEMON_WORK/acl-client
    [ -x "$client" ] || cc -O1 -o "$client" "$(dirname "${BASH_SOURCE[0]}")/acl-client.c" -lvirt -ldl || return
    cat "$DAEMON_DIR/pools" - | as "$1" "$client"
}

call() {
    local name=$1 said
    shift
    said=$(calls "$name" <<<"$*") || return
    cut -f 1,3 <<<"$said"
    [ "${said%%$'\t'*}" = ok ]
}
