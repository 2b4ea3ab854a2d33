#!/bin/bash
# Runs a command on a machine of another release of Debian, as far as a build and tests can tell: in namespaces with the
# root directory that release-image.sh made, in the same working directory, which is the only one that both share. What
# the command changes elsewhere is in RUN (there, /tmp is RUN/tmp). When this ends, in whatever way, all that runs in
# there ends. Needs root.
#
# Usage: release-run.sh IMAGE RUN COMMAND...
set -eu

if [ "$1" != --inside ]; then
    # In a chroot / is no mount point and cannot be made private; nor need it, if it is.
    propagation=private
    if ! unshare --mount true 2>/dev/null; then
        propagation=unchanged
        # Then what is mounted here must not be seen by others, where it would stay.
        ! grep -q ' shared:' /proc/self/mountinfo || {
            echo "release-run.sh: mounts are shared with others, and cannot be made private here" >&2
            exit 1
        }
    fi
    setpriv --pdeathsig KILL unshare --mount --propagation "$propagation" --pid --ipc --uts --fork --kill-child \
        bash "$0" --inside "$@" &
    outer=$!
    # unshare itself is deaf to it
    forward() {
        read -r init _ <"/proc/$outer/task/$outer/children" && kill -TERM "$init"
    }
    trap 'forward 2>/dev/null' TERM INT HUP
    status=0
    while :; do
        wait "$outer" && status=0 || status=$?
        [ -e "/proc/$outer" ] || exit "$status"
    done
fi

image=$2 run=$3 root=$3/root
shift 3
mkdir -p "$run"/{changed,work,tmp,root}
chmod 1777 "$run/tmp"
mount -t overlay -o "lowerdir=$image/root,upperdir=$run/changed,workdir=$run/work" release "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
# On a disk, not in memory: tests open files in it without the page cache
mount --bind "$run/tmp" "$root/tmp"
mount -t tmpfs -o mode=755 release "$root/run"
mkdir -p "$root$PWD" "$root/run/before"
mount --bind "$PWD" "$root$PWD"
printf '127.0.0.1 localhost %s\n' "$(hostname)" >"$root/etc/hosts"
# A root directory that is a mount point, as a machine's own is: libvirt and the tests make namespaces from it.
here=$PWD
cd "$root"
pivot_root . run/before
cd "$here"
umount -l /run/before
unset TMPDIR
# This shell buries what others leave, as the first process of a machine does.
"$@" &
command=$!
trap 'kill -TERM "$command"' TERM
while :; do
    wait "$command" && status=0 || status=$?
    [ -e "/proc/$command" ] || exit "$status"
done
