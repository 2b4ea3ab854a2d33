# shellcheck shell=bash
# The ways out: puts links into every state that they can be in, and volumes into every state that accidents leave
# them in, and shows that the libvirt API has a way out. A row of the table makes one, takes the way, and then nothing
# may be left. daemon/states.sh, rbd/states.sh and iscsi/states.sh have the rows.
#
# What a crash leaves is written into the link registry, and into the header, instead of waiting for a crash each
# time; faults-*.sh kill daemons.

. "$(dirname "${BASH_SOURCE[0]}")/linked.sh"

# state_set VOLUME STATE: from now on the registry has its link in that state, as after a crash.
state_set() {
    link_edit "$1" "1s/state=\"[a-z]*\"/state=\"$2\"/"
}

# state_is VOLUME STATE: what the registry has.
state_is() {
    link_show "$1" | grep -q "<link state=\"$2\""
}

# given_up MESSAGE: the command runs that the message of a refusal names.
given_up() {
    local command
    command=$(sed -n 's/.*"virt-lukshdr \(forget [^"]*\)".*/\1/p' <<<"$1" | head -n 1)
    [ -n "$command" ] || {
        echo "no command in: $1"
        return 1
    }
    eval "vl $command --yes"
}

# refused_until_given_up COMMAND...: the command is refused, and the message names the way out, which works.
refused_until_given_up() {
    local said
    ! said=$("$@" 2>&1) && given_up "$said"
}

# zeroed PATH: somebody overwrites it all.
zeroed() {
    "$DAEMON_IN" dd if=/dev/zero of="$1" bs=64k count=64 conv=notrunc,fsync status=none
}

# noise PATH: what a deletion or wipe leaves of a header's key material; the label is the caller's.
noise() {
    "$DAEMON_IN" dd if=/dev/urandom of="$1" bs=64k count=32 conv=notrunc,fsync status=none
}

# volumes POOL...: what libvirt has there.
volumes() {
    local pool
    for pool; do
        virsh -q "pool-refresh $pool; vol-list $pool" 2>/dev/null | sed -n 's/^ \{1,2\}\([^ ]*\) .*/\1/p'
    done
}

# STATE_POOLS: pools in which nothing may be left at the end of a row.
STATE_POOLS=(data vault)
# row WHAT COMMANDS: the commands, which make a state and take its way out, each succeed, and leave nothing.
row() {
    local what=$1 command left
    shift
    for command; do
        eval "$command" >"$TAP_OUT" 2>&1 || {
            fail "$what: $command" "$(cat "$TAP_OUT")"
            row_clear
            return
        }
    done
    left=$(volumes "${STATE_POOLS[@]}" && links)
    same "$what" "$left" "" || row_clear
}

# row_clear: so that one failure is not followed by many.
row_clear() {
    local pool volume
    "$DAEMON_IN" find "$LINKS" -type f -delete
    for pool in "${STATE_POOLS[@]}"; do
        virsh pool-start "$pool"
        for volume in $(volumes "$pool"); do
            virsh vol-delete "$volume" "$pool"
        done
    done
} >/dev/null 2>&1
