# shellcheck shell=bash
# A libvirtd of the test's own, which nothing else on the machine notices. For root it runs in private
# mount, PID and UTS namespaces; for an ordinary user it is a session daemon with directories of its own.
# Several may run at once, in one script (daemon_use) or in several. guest.sh has what guests need.
#
# Read from the environment:
#   LIBVIRT_DRIVER_DIR   the directory of modules to load; unset: the installed libvirt's own
#   DAEMON_MODE          system or session; unset: system as root, session otherwise. As root, session
#                        runs the daemon as the user nobody
#   DAEMON_DEBUG         log filters such as "1:storage 1:lukshdr 3:util": debug messages as well
#   DAEMON_LOG_OUTPUTS   where the daemon's log goes, in libvirtd.conf's form; unset: to DAEMON_LOG
#   DAEMON_LIBVIRTD_CONF further lines for libvirtd.conf
#   DAEMON_QEMU_CONF     further lines for qemu.conf
#   DAEMON_WRAPPER       a command to run libvirtd under, such as valgrind
#   DAEMON_CGROUPS       non-empty: let libvirt use control groups (they are the machine's, not private)
#   DAEMON_REACHABLE     non-empty: every process of the machine finds /run/libvirt, where a system daemon's
#                        socket is, as $DAEMON_DIR/run
#   DAEMON_KEEP          non-empty: leave the directory behind
#   LUKSHDR_LOGS         a directory that gets a copy of all logs at the end
#
# Set for the caller, for the daemon in use:
#   DAEMON_NAME  DAEMON_DIR  DAEMON_IN (a command that runs its arguments where the daemon lives)
#   DAEMON_LOG (warnings and errors)  DAEMON_IMAGES (an empty directory, fit for a pool)  DAEMON_RUNS

. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

DAEMON_WORK=
DAEMON_WATCHER=

# Makes the directory that everything of this script lives in, and sees to it that it goes away, with
# every process that was started for it: by the EXIT trap, and by a watcher if this shell is killed.
_daemon_work() {
    local base
    [ -z "$DAEMON_WORK" ] || return 0
    for base in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
        # The namespace hides these, and a socket's path may have 107 characters.
        case $base in
            /run* | /var/run* | /var/lib/libvirt* | ?????????????????????????????????*) continue ;;
        esac
        DAEMON_WORK=$(mktemp -d "$base/lukshdr.XXXXXX") || continue
        chmod 755 "$DAEMON_WORK"
        # QEMU's user, or nobody, must get there.
        if [ "$(id -u)" -ne 0 ] || _daemon_as_nobody test -x "$DAEMON_WORK"; then
            break
        fi
        rmdir "$DAEMON_WORK"
        DAEMON_WORK=
    done
    [ -n "$DAEMON_WORK" ] || {
        echo "daemon.sh: no directory for temporary files that every user can reach" >&2
        return 1
    }
    # Out of this process group and deaf to the terminal: it must outlive what kills this shell.
    DAEMON_WORK=$DAEMON_WORK DAEMON_PARENT=$$ DAEMON_KEEP=${DAEMON_KEEP:-} \
        setsid bash -c "$(declare -f _daemon_sweep _daemon_end_all _daemon_dead)"'
        trap "" INT TERM HUP
        tail --pid="$DAEMON_PARENT" -f /dev/null
        _daemon_end_all' </dev/null >/dev/null 2>&1 &
    DAEMON_WATCHER=$!
    at_exit _daemon_cleanup
}

# _daemon_as_nobody COMMAND...: without root's rights, for session daemons started by root.
_daemon_as_nobody() {
    setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups --inh-caps=-all -- "$@"
}

# The watcher last: who ends this shell may give it little time, and then the watcher has to do it.
_daemon_cleanup() {
    _daemon_end_all
    kill -KILL "$DAEMON_WATCHER" 2>/dev/null
    wait "$DAEMON_WATCHER" 2>/dev/null
}

# Copies the logs, ends whatever was started below DAEMON_WORK and removes it. Also run by the watcher.
_daemon_end_all() {
    local holder pid init dir
    [ -d "$DAEMON_WORK" ] || return 0
    if [ -n "${LUKSHDR_LOGS:-}" ]; then
        for dir in "$DAEMON_WORK"/*/; do
            mkdir -p "$LUKSHDR_LOGS/$(basename "$dir")"
            cp -rf "$dir"*.log "$dir"log "$dir"guests/*.console "$dir"guests/*.xml \
                "$dir"cache/libvirt/qemu/log "$LUKSHDR_LOGS/$(basename "$dir")/" 2>/dev/null
        done
    fi
    for holder in "$DAEMON_WORK"/*/holder.pid; do
        read -r pid init <"$holder" || continue
        # The number may belong to someone else by now.
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$DAEMON_WORK/" || continue
        kill -KILL "$pid"
        # With the first process of a PID namespace all others end.
        _daemon_dead "$init"
    done 2>/dev/null
    _daemon_sweep "$DAEMON_WORK/"
    if [ -z "${DAEMON_KEEP:-}" ]; then
        rm -rf "$DAEMON_WORK"
    else
        echo "daemon.sh: kept $DAEMON_WORK" >&2
    fi
}

# _daemon_dead PID...: waits until they have ended.
_daemon_dead() {
    local pid deadline=$((SECONDS + ${TAP_PATIENCE:-300}))
    for pid; do
        while :; do
            # The state follows the name, which may contain anything but ends with the last parenthesis.
            case $(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null) in
                "" | [ZX]*) break ;;
            esac
            [ "$SECONDS" -lt "$deadline" ] || return 1
            sleep 0.1
        done
    done
}

# _daemon_sweep DIR: kills what libvirt started on behalf of DIR, where there is no PID namespace.
_daemon_sweep() {
    local proc pids=()
    for proc in /proc/[0-9]*; do
        case $(cat "$proc/comm" 2>/dev/null) in
            libvirtd | virt* | qemu* | nbdkit | swtpm) ;;
            *) continue ;;
        esac
        if grep -qsF "$1" "$proc/cmdline" "$proc/environ"; then
            pids+=("${proc#/proc/}")
        fi
    done
    [ "${#pids[@]}" -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
    _daemon_dead "${pids[@]}"
}

# daemon_use NAME: the following commands speak of the daemon NAME, started earlier or about to be.
daemon_use() {
    _daemon_work || return
    DAEMON_NAME=$1
    DAEMON_DIR=$DAEMON_WORK/$1
    # shellcheck disable=SC2034 # for the caller
    {
        DAEMON_IN=$DAEMON_DIR/in
        DAEMON_LOG=$DAEMON_DIR/libvirtd.log
        DAEMON_IMAGES=$DAEMON_DIR/images
    }
    DAEMON_RUNS=
    [ ! -f "$DAEMON_DIR/mode" ] || read -r DAEMON_RUNS <"$DAEMON_DIR/mode"
}

# virsh ARGUMENTS...: libvirt's own, talking to the daemon in use.
virsh() {
    "$DAEMON_IN" virsh -q "$@"
}

# libvirt_since RELEASE: whether the daemons are of that release of libvirt, such as 10.8, or of a newer one. For what
# libvirt itself does otherwise from one release to the next.
libvirt_since() {
    printf '%s\n' "$1" "$(PATH=$PATH:/usr/sbin libvirtd --version | sed 's/.* //')" | sort -V -C
}

# Says why a daemon did not come up, as far as its logs tell. Never succeeds.
_daemon_complain() {
    {
        echo "daemon.sh: $1"
        if [ -n "${LIBVIRT_DRIVER_DIR:-}" ] &&
            ! "$DAEMON_IN" test -r "$LIBVIRT_DRIVER_DIR/libvirt_driver_qemu.so"; then
            echo "LIBVIRT_DRIVER_DIR=$LIBVIRT_DRIVER_DIR: the daemon's user cannot read the modules there"
        fi
        tail -n 20 "$DAEMON_DIR"/*.log
    } >&2
    return 1
}

# daemon_start [NAME]: a new daemon, called "host" unless told otherwise, answers when this returns 0.
daemon_start() {
    daemon_use "${1:-host}" || return
    [ ! -e "$DAEMON_DIR" ] || {
        echo "daemon.sh: there is a daemon called $DAEMON_NAME already: daemon_restart" >&2
        return 1
    }
    mkdir -p "$DAEMON_DIR"/{guests,images,log}
    DAEMON_RUNS=${DAEMON_MODE:-$([ "$(id -u)" -eq 0 ] && echo system || echo session)}
    echo "$DAEMON_RUNS" >"$DAEMON_DIR/mode"
    "_daemon_prepare_$DAEMON_RUNS" || return
    _daemon_launch
}

# What both kinds of daemon are told. A pool of threads is not needed; a log is.
_daemon_write_libvirtd_conf() {
    local level=3
    [ -z "${DAEMON_DEBUG:-}" ] || level=1
    cat <<CONF
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "${DAEMON_LOG_OUTPUTS:-$level:file:$DAEMON_LOG}"
log_filters = "${DAEMON_DEBUG:-}"
# Two daemons of one machine must pass for two hosts, or libvirt refuses to migrate between them.
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
${DAEMON_LIBVIRTD_CONF:-}
CONF
}

_daemon_write_qemu_conf() {
    # No virtlogd, which would be one more process to have: QEMU writes its log by itself.
    echo 'stdio_handler = "file"'
    # DAC stays on whatever stands here. AppArmor and SELinux would write into the machine's own policy.
    echo 'security_driver = "none"'
    [ -n "${DAEMON_CGROUPS:-}" ] || echo 'cgroup_controllers = [ ]'
    printf '%s\n' "${DAEMON_QEMU_CONF:-}"
}

# _daemon_write_in PREFIX...: the wrapper $DAEMON_IN, which starts its arguments by way of PREFIX.
_daemon_write_in() {
    {
        printf '#!/bin/sh\n# Runs its arguments where the daemon %s lives.\n' "$DAEMON_NAME"
        # After a change of mount namespace the old working directory is not in it.
        printf 'exec %s sh -c '\''cd "$1" 2>/dev/null || cd /; shift; exec "$@"'\'' in "$PWD" "$@"\n' \
            "$(printf '%q ' "$@")"
    } >"$DAEMON_IN"
    chmod 755 "$DAEMON_IN"
}

_daemon_prepare_system() {
    local flags=(--mount --uts --pid --fork --kill-child --mount-proc) namespaces='' pid init
    [ "$(id -u)" -eq 0 ] || {
        echo "daemon.sh: a system daemon needs root; DAEMON_MODE=session does not" >&2
        return 1
    }
    if ! unshare --mount true 2>/dev/null; then
        # In a chroot / is not a mount point, so it cannot be made private. Nor need it, if it is.
        if unshare --mount --propagation unchanged true && ! grep -q 'shared:' /proc/self/mountinfo; then
            flags+=(--propagation unchanged)
        else
            echo "daemon.sh: no mount namespace to be had here (a container needs CAP_SYS_ADMIN);" \
                "DAEMON_MODE=session needs none" >&2
            return 1
        fi
        # libvirt's own namespace for each guest has the same difficulty.
        namespaces='namespaces = [ ]'
    fi
    mkdir -p "$DAEMON_DIR/etc"
    [ -z "${DAEMON_REACHABLE:-}" ] || mkdir "$DAEMON_DIR/run"
    _daemon_write_libvirtd_conf >"$DAEMON_DIR/etc/libvirtd.conf"
    { _daemon_write_qemu_conf && echo "$namespaces"; } >"$DAEMON_DIR/etc/qemu.conf"
    # libvirt asks for its host's name; the answer must not depend on a name server.
    { echo "127.0.0.1 localhost" && echo "127.0.1.1 lukshdr-$DAEMON_NAME"; } >"$DAEMON_DIR/hosts"

    # The holder keeps the namespaces while daemons come and go, and as their first process inherits
    # and buries QEMU: libvirt takes one that nobody has buried for alive. The machine's own guests and
    # pools are configured in /etc/libvirt, so nothing is copied from there.
    unshare "${flags[@]}" bash -c '
        set -e
        dir=$1
        hostname "$2"
        for i in /run /etc/libvirt /var/lib/libvirt /var/cache/libvirt; do
            mount -t tmpfs -o mode=755 lukshdr "$i"
        done
        mount --bind "$dir/log" /var/log/libvirt
        [ ! -e "$dir/run" ] || { mkdir /run/libvirt && mount --bind "$dir/run" /run/libvirt; }
        [ ! -e /etc/hosts ] || mount --bind "$dir/hosts" /etc/hosts
        mkdir -m 711 /var/lib/libvirt/images /var/lib/libvirt/boot
        mkdir -m 1777 /run/lock
        # Guests are emulated, on every machine alike. A KVM that root can open and the QEMU user cannot
        # (no udev) moreover makes libvirt probe QEMU again at each call, seconds every time.
        if [ -e /dev/kvm ] && mknod -m 000 /run/no-kvm c 1 3; then
            mount --bind /run/no-kvm /dev/kvm
        fi
        cp "$dir"/etc/* /etc/libvirt/
        : >"$dir/ready"
        set +e
        while :; do
            sleep 3600 &
            wait $!
        done' holder "$DAEMON_DIR/" "lukshdr-$DAEMON_NAME" \
        </dev/null >"$DAEMON_DIR/holder.log" 2>&1 &
    pid=$!
    disown
    waited eval '[ -e "$DAEMON_DIR/ready" ] || [ ! -e "/proc/$pid" ]'
    init=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
    echo "$pid $init" >"$DAEMON_DIR/holder.pid"
    # The root as well: without it, entering the mount namespace would leave a chroot.
    _daemon_write_in nsenter "--mount=/proc/$pid/ns/mnt" "--uts=/proc/$pid/ns/uts" \
        "--pid=/proc/$pid/ns/pid_for_children" "--root=/proc/$pid/root" \
        "--wd=/proc/$pid/root" -- env LIBVIRT_DEFAULT_URI=qemu:///system
    [ -e "$DAEMON_DIR/ready" ] || _daemon_complain "cannot make the private namespaces"
}

_daemon_prepare_session() {
    local dir=$DAEMON_DIR as=()
    mkdir -p "$dir"/{run,config/libvirt,data,cache,home}
    chmod 700 "$dir/run"
    _daemon_write_libvirtd_conf >"$dir/config/libvirt/libvirtd.conf"
    _daemon_write_qemu_conf >"$dir/config/libvirt/qemu.conf"
    if [ "$(id -u)" -eq 0 ]; then
        as=(setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups --inh-caps=-all --)
        chown -R nobody: "$dir"
    fi
    # Without LIBVIRT_AUTOSTART=0 a client would start a daemon when the one that is meant has ended.
    _daemon_write_in "${as[@]}" env "HOME=$dir/home" "XDG_RUNTIME_DIR=$dir/run" \
        "XDG_CONFIG_HOME=$dir/config" "XDG_DATA_HOME=$dir/data" "XDG_CACHE_HOME=$dir/cache" \
        LIBVIRT_AUTOSTART=0 LIBVIRT_DEFAULT_URI=qemu:///session
}

# Starts libvirtd in what has been prepared, and waits until it answers.
_daemon_launch() {
    local launched conf=/etc/libvirt/libvirtd.conf deadline=$((SECONDS + TAP_PATIENCE))
    [ "$DAEMON_RUNS" = system ] || conf=$DAEMON_DIR/config/libvirt/libvirtd.conf
    # shellcheck disable=SC2086 # a wrapper may have arguments
    PATH=$PATH:/usr/sbin "$DAEMON_IN" ${DAEMON_WRAPPER:-} libvirtd -f "$conf" -p "$DAEMON_DIR/libvirtd.pid" \
        </dev/null >>"$DAEMON_DIR/libvirtd.out.log" 2>&1 &
    launched=$!
    disown
    until "$DAEMON_IN" virsh -q uri >/dev/null 2>>"$DAEMON_DIR/virsh.log"; do
        if [ ! -e "/proc/$launched" ]; then
            _daemon_complain "libvirtd ended while it was starting"
            return
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            _daemon_complain "libvirtd does not answer after $TAP_PATIENCE seconds"
            return
        fi
        sleep 0.1
    done
    rm -f "$DAEMON_DIR/virsh.log"
}

# daemon_pid: the daemon's process number, as seen by $DAEMON_IN; fails if it does not run.
daemon_pid() {
    local pid
    pid=$(cat "$DAEMON_DIR/libvirtd.pid" 2>/dev/null) && "$DAEMON_IN" kill -0 "$pid" 2>/dev/null &&
        echo "$pid"
}

# _daemon_signal SIGNAL: sends it to libvirtd alone, and waits for its end.
_daemon_signal() {
    local pid
    pid=$(daemon_pid) || return 0
    "$DAEMON_IN" kill -s "$1" "$pid"
    waited not "$DAEMON_IN" kill -0 "$pid" 2>/dev/null || {
        echo "daemon.sh: libvirtd has not ended $TAP_PATIENCE seconds after SIG$1" >&2
        return 1
    }
    rm -f "$DAEMON_DIR/libvirtd.pid"
}

# daemon_kill: the daemon dies on the spot (SIGKILL), as in a crash; its guests go on.
daemon_kill() {
    _daemon_signal KILL
}

# daemon_restart: the daemon ends in good order if it runs, and starts again; its guests go on.
daemon_restart() {
    _daemon_signal TERM && _daemon_launch
}

# daemon_stop: the daemon ends in good order; then its guests and all else that it started are killed.
# What it wrote stays until the script ends. Non-zero if the daemon had to be killed.
daemon_stop() {
    local status=0 pid init
    _daemon_signal TERM || status=1
    if [ "$DAEMON_RUNS" = system ]; then
        read -r pid init <"$DAEMON_DIR/holder.pid" && kill -KILL "$pid" 2>/dev/null
        _daemon_dead "$init"
        rm -f "$DAEMON_DIR/holder.pid"
    else
        _daemon_sweep "$DAEMON_DIR/"
    fi
    return "$status"
}
