#!/bin/bash
# What an administrator reads in the journal after an installation: that the plugin is there, or why it is passive.

. "$(dirname "$0")/../lib/linked.sh"

[ "$(id -u)" -eq 0 ] || skip_all "needs root: the journal's sockets are in /run"
need_command python3
daemon_use host
SHIM=$(preload unsuited) || skip_all "no compiler for tests/lib/unsuited.c"
version=$(sed -n 's/^#define LUKSHDR_VERSION "\(.*\)"$/\1/p' "$BUILDDIR/config.h")
journal=$DAEMON_WORK/journal

# ours: what the plugin says, with the journal's priority in front. All of it is said before the daemon answers; the
# test's own journal may still be writing it.
ours() {
    waited eval '[ "$(grep -c libvirt-lukshdr "$journal")" -ge 2 ]'
    grep libvirt-lukshdr "$journal" | sort
}

# with_journal NAME SETTING...: a daemon with stderr and log in the journal, as systemd starts it.
with_journal() {
    local name=$1
    shift
    rm -f "$journal"
    # libvirt's default: its level, and the journal
    DAEMON_LOG_OUTPUTS=3:journald \
        DAEMON_WRAPPER="python3 $(cd "$(dirname "$0")/../lib" && pwd)/journal.py $journal env $*" linked_start "$name"
}

try "a daemon starts" with_journal active A=1
same "each half says once what it does, as a notice" "$(ours)" \
    "5 libvirt-lukshdr $version: volumes with detached headers can be managed in storage pools
5 libvirt-lukshdr $version: volumes with detached headers can be used as disks of guests"
daemon_stop

try "a daemon starts whose release is outside of the tested range" with_journal passive LD_PRELOAD="$SHIM" UNSUITED=version
like "the storage half says as an error why it is passive" "$(ours)" \
    "^3 libvirt-lukshdr stays out of the way, volumes with detached headers cannot be managed: .*99\.0\.0"
like "and so does the QEMU half" "$(ours)" \
    "3 libvirt-lukshdr stays out of the way, volumes with detached headers cannot be used as disks: .*99\.0\.0"
same "that is all" "$(ours | wc -l)" 2
daemon_stop

# A daemon that an administrator runs in a terminal
rm -f "$journal"
try "a daemon starts whose stderr is not the journal" linked_start terminal
refuse "the journal gets nothing of it" "" test -e "$journal"
daemon_stop
finish
