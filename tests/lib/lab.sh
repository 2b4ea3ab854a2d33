# shellcheck shell=bash
# The lab: whole machines of Debian's own kernel, emulated, with systemd, AppArmor and everything else that a
# virtualization host has (lab-image.sh says what), in which the plugin is installed as a package. A part of the
# lab, tests/lab/NAME.sh, runs on this host and works in one machine, lab1, or in two, lab1 and lab2, by ssh. They see
# this host not at all, and each other as 10.9.0.1 and 10.9.0.2. Each has an empty disk of 8 GiB, /dev/vdb. To be sourced;
# then:
#
#   need_lab                 this script makes no sense without the lab; makes the image if it has to
#   lab_machine NAME [ARGS]  boots the machine lab1 or lab2, as it was left or, the first time, without the plugin, and
#                            waits until it takes commands. ARGS are the kernel's (LAB_APPARMOR)
#   lab_installed NAME       the same with the plugin's packages installed. The first time lab1 does not boot: it
#                            goes on from where another part's stood right after that
#   lab_debs                 sees to the packages, and sets LAB_DEBS to the directory of them
#   lab_install NAME [DIR]   installs them, or those in DIR, with apt
#   on NAME COMMAND          runs the shell command in the machine as root, with the functions of lab-machine.sh,
#                            and returns its status. Several words are taken as they are. Has a deadline
#   put NAME FILE... DIR     copies files into a directory of the machine
#   denied NAME              what AppArmor or SELinux denied there since the last time, but for what docs/operations.md
#                            calls harmless, which becomes a remark
#   lab_reboot NAME          reboots it, and waits until it is back
#   lab_poweroff NAME        it switches itself off; lab_stop NAME: it has no power any more
#   lab_spent WHAT           a remark: how long it took since the last
#
# Whatever way the script ends, its machines end with it, and their consoles and journals are in LUKSHDR_LOGS.
#
# Read from the environment, besides what lab-image.sh reads:
#   LAB_DEBS      a directory of the plugin's packages (built by ../package)
#   LAB_RUN       a directory for what the parts of one run have in common: packages, a machine with them
#                 (unset: each makes its own)
#   LAB_SMP, LAB_MEMORY   processors (2) and memory (2G) of a machine
#   LAB_PATIENCE  seconds after which one command, or a boot, has failed (900)

export TAP_PATIENCE=${TAP_PATIENCE:-${LAB_PATIENCE:-900}}
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

LAB_PATIENCE=${LAB_PATIENCE:-900}
LAB_SUITE=${LAB_SUITE:-trixie}
LAB_LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_APPARMOR="apparmor=1 security=apparmor"
LAB_SPENT=$SECONDS
LAB_DIR=
LAB_IMAGE=

need_lab() {
    need_root
    need_command mmdebstrap qemu-system-x86_64 qemu-img ssh python3
    "$LAB_LIB/lab-image.sh" >/dev/null || skip_all "the image of the lab's machines cannot be made (see above)"
    LAB_IMAGE=$("$LAB_LIB/lab-image.sh" --where)
    LAB_DIR=$(mktemp -d -t lab.XXXXXX) || exit
    at_exit _lab_end
}

_lab_end() {
    local pid name
    for pid in "$LAB_DIR"/*.pid; do
        name=${pid##*/} name=${name%.pid}
        if [ ! -e "$pid" ] || _lab_off "$name"; then
            continue
        fi
        # shellcheck disable=SC2016 # for the machine
        [ -z "${LUKSHDR_LOGS:-}" ] || LAB_PATIENCE=60 on "$name" 'journalctl -b --no-pager -o short-monotonic
            echo; echo "audit.log:"; grep -v "type=\(SERVICE\|PROCTITLE\|SYSCALL\)" /var/log/audit/audit.log
            tail -n 50 /var/log/libvirt/qemu/*.log' >"$LAB_DIR/$name.journal" 2>&1 </dev/null
        # what it would take with two processors to itself is about half of that
        note "$name had $(ps -o cputimes= -p "$(cat "$pid")" | tr -d ' ') s of processor time"
        lab_stop "$name"
    done
    [ -z "${LUKSHDR_LOGS:-}" ] || {
        mkdir -p "$LUKSHDR_LOGS"
        cp "$LAB_DIR"/*.console "$LAB_DIR"/*.journal "$LAB_DIR"/*.log "$LUKSHDR_LOGS" 2>/dev/null
    }
    rm -rf --one-file-system "$LAB_DIR"
}

lab_spent() {
    note "$((SECONDS - LAB_SPENT)) s: $*"
    LAB_SPENT=$SECONDS
}

# _lab_monitor NAME COMMAND: a command for QEMU's monitor; prints the answer.
_lab_monitor() {
    timeout -k 5 "$LAB_PATIENCE" python3 - "$LAB_DIR/$1.monitor" "$2" <<'PYTHON'
import socket, sys
monitor = socket.socket(socket.AF_UNIX)
monitor.connect(sys.argv[1])

def answer():
    said = b""
    while not said.endswith(b"(qemu) "):
        more = monitor.recv(65536)
        if not more:
            break
        said += more
    return said.decode(errors="replace").replace("\r", "")

answer()
monitor.sendall(sys.argv[2].encode() + b"\n")
print("\n".join(answer().split("\n")[1:-1]))
PYTHON
}

# _lab_start NAME ARGS [ARGUMENT OF QEMU...]
_lab_start() {
    local name=$1 number=${1#lab} args=$2 deadline=$((SECONDS + LAB_PATIENCE))
    shift 2
    [ -e "$LAB_DIR/$name.qcow2" ] ||
        qemu-img create -q -f qcow2 -F raw -b "$LAB_IMAGE/disk" "$LAB_DIR/$name.qcow2" || return
    [ -e "$LAB_DIR/$name.data" ] || truncate -s 8G "$LAB_DIR/$name.data" || return
    rm -f "$LAB_DIR/$name.net"
    printf -- '--- %s\n' "$args" >>"$LAB_DIR/$name.console"
    rm -f "$LAB_DIR/$name.monitor"
    # The disks are files of nobody who would miss them. Not -daemonize: the process stays in this script's group, and
    # whoever kills that (meson does, a moment after it has asked the script to end) kills the machine too.
    qemu-system-x86_64 -name "$name" -machine q35 -accel tcg,thread=multi,tb-size=512 -cpu max,pmu=off \
        -smp "${LAB_SMP:-2}" -m "${LAB_MEMORY:-2G}" -uuid "1ab1ab1a-b1ab-41ab-81ab-1ab1ab1ab1a$number" \
        -display none -nodefaults -no-user-config \
        -kernel "$LAB_IMAGE/vmlinuz" -initrd "$LAB_IMAGE/initrd" \
        -append "console=ttyS0 root=/dev/vda rw net.ifnames=0 mitigations=off systemd.hostname=$name \
            systemd.machine_id=1ab1ab1ab1ab1ab1ab1ab1ab1ab1ab1$number $args" \
        -drive "file=$LAB_DIR/$name.qcow2,if=virtio,cache=unsafe,discard=unmap" \
        -drive "file=$LAB_DIR/$name.data,format=raw,if=virtio,cache=unsafe,discard=unmap" \
        -netdev "user,id=host,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22" \
        -device virtio-net-pci,netdev=host,mac=52:54:00:1a:b0:00,romfile= \
        -netdev "dgram,id=other,local.type=unix,local.path=$LAB_DIR/$name.net,remote.type=unix,remote.path=$LAB_DIR/lab$((3 - number)).net" \
        -device "virtio-net-pci,netdev=other,mac=52:54:00:1a:b0:0$number,romfile=" \
        -device virtio-rng-pci -chardev "socket,id=monitor,path=$LAB_DIR/$name.monitor,server=on,wait=off" -mon monitor \
        -chardev "file,id=console,path=$LAB_DIR/$name.console,append=on" -serial chardev:console \
        "$@" </dev/null >>"$LAB_DIR/$name.log" 2>&1 &
    echo $! >"$LAB_DIR/$name.pid"
    disown
    until [ -S "$LAB_DIR/$name.monitor" ]; do
        if _lab_off "$name" || [ "$SECONDS" -ge "$deadline" ]; then
            cat "$LAB_DIR/$name.log" >&2
            return 1
        fi
        sleep 0.1
    done
}

# _lab_ssh NAME [ARGUMENT OF ssh...]
_lab_ssh() {
    local name=$1
    shift
    timeout -k 5 "$LAB_PATIENCE" ssh -q -F none -i "$LAB_IMAGE/key" -p "$(cat "$LAB_DIR/$name.port")" \
        -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o ControlPath="$LAB_DIR/$name.ssh" "$@"
}

# Whether the machine's QEMU is there no more.
_lab_off() {
    ! kill -0 "$(cat "$LAB_DIR/$1.pid" 2>/dev/null)" 2>/dev/null
}

# Waits until the machine takes commands, and leaves the way for them open.
_lab_wait() {
    local name=$1 deadline=$((SECONDS + LAB_PATIENCE)) patience=5
    _lab_monitor "$name" "info usernet" | awk '/HOST_FORWARD/ { print $4; exit }' >"$LAB_DIR/$name.port"
    rm -f "$LAB_DIR/$name.ssh"
    until _lab_ssh "$name" -M -N -f -o ConnectTimeout=$patience -o ServerAliveInterval=60 -o ServerAliveCountMax=10 root@127.0.0.1 \
        </dev/null >/dev/null 2>&1; do
        if _lab_off "$name" || [ "$SECONDS" -ge "$deadline" ]; then
            echo "lab.sh: $name did not come up; its console ends:" >&2
            tail -n 20 "$LAB_DIR/$name.console" >&2
            return 1
        fi
        sleep 0.5
        # Whoever asks before sshd is there waits in vain; on a busy host its first answer takes its time.
        patience=$((patience + patience / 4))
    done
    put "$name" "$LAB_LIB/lab-machine.sh" /root
}

lab_machine() {
    _lab_start "$1" "${2:-$LAB_APPARMOR}" && _lab_wait "$1"
}

lab_debs() {
    local lock status=0 built
    [ -z "${LAB_DEBS:-}" ] || return 0
    built=$(cd "$LAB_LIB/../.." && pwd)/build-package/$LAB_SUITE
    LAB_DEBS=${LAB_RUN:-$LAB_DIR}/debs
    exec {lock}>"$LAB_DEBS.lock" && flock "$lock" || return
    [ -e "$LAB_DEBS" ] || {
        # what the unit tests say, they say elsewhere
        DEB_BUILD_OPTIONS=nocheck "$LAB_LIB/../../package" "$LAB_SUITE" >&2 && rm -rf "$LAB_DEBS.new" &&
            mkdir "$LAB_DEBS.new" && cp "$built"/*lukshdr_*.deb "$LAB_DEBS.new/" && mv "$LAB_DEBS.new" "$LAB_DEBS" || status=$?
    }
    exec {lock}>&-
    return "$status"
}

# lab_install NAME [DIR]: the packages of LAB_DEBS or DIR are installed in the machine, as an administrator does it.
lab_install() {
    lab_debs || return
    on "$1" rm -rf /root/debs && put "$1" "${2:-$LAB_DEBS}"/*lukshdr_*.deb /root/debs &&
        on "$1" 'DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install /root/debs/*.deb' </dev/null
}

# Makes what lab_installed begins with, in the directory $1: the disk of a machine with the packages, and the state of that machine.
_lab_make_installed() {
    local made=$1
    lab_machine lab1 && lab_install lab1 || return
    on lab1 'sync; rm -f /run/lab-denied' </dev/null || return
    _lab_ssh lab1 -O exit root@127.0.0.1 2>/dev/null
    rm -rf "$made.new"
    mkdir -p "$made.new" && _lab_monitor lab1 "migrate file:$made.new/state" &&
        [ -z "$(_lab_monitor lab1 "info migrate" | sed -n '/^Status: *completed/!{/^Status/p}')" ] || return
    lab_stop lab1
    mv "$LAB_DIR/lab1.qcow2" "$made.new/disk.qcow2" && rm -f "$LAB_DIR/lab1.data" && mv "$made.new" "$made"
}

lab_installed() {
    local made=${LAB_RUN:-$LAB_DIR}/installed lock status=0 resumed=
    [ -e "$LAB_DIR/$1.qcow2" ] || {
        lab_debs || return
        exec {lock}>"$made.lock" && flock "$lock" || return
        [ -e "$made" ] || _lab_make_installed "$made" || status=$?
        exec {lock}>&-
        [ "$status" -eq 0 ] || return "$status"
        qemu-img create -q -f qcow2 -F qcow2 -b "$made/disk.qcow2" "$LAB_DIR/$1.qcow2" || return
        # The state is lab1's: the other's has another address.
        [ "$1" != lab1 ] || resumed=1
    }
    if [ -n "$resumed" ]; then
        _lab_start "$1" "$LAB_APPARMOR" -incoming "file:$made/state" && _lab_wait "$1" &&
            on "$1" date -s "@$(date +%s)" >/dev/null </dev/null
    else
        lab_machine "$1"
    fi
}

on() {
    local name=$1 command
    shift
    command=$*
    [ $# -eq 1 ] || command=$(printf '%q ' "$@")
    _lab_ssh "$name" root@127.0.0.1 "[ ! -e lab-machine.sh ] || . ./lab-machine.sh
$command"
}

put() {
    local name=$1 dir=${!#} file
    shift
    on "$name" mkdir -p "$dir" </dev/null || return
    for file in "${@:1:$#-1}"; do
        tar -C "$(dirname "$file")" -cf - "$(basename "$file")" | on "$name" tar -C "$dir" --no-same-owner -mxf - || return
    done
}

# An administrator who finds one of these in the log finds it in docs/operations.md.
denied() {
    local harmless='operation="open" .*name="/sys/devices/.*/queue/zoned"' line
    while IFS= read -r line; do
        if [[ $line =~ $harmless ]]; then
            note "harmless: $line" >&2
        else
            echo "$line"
        fi
    done < <(on "$1" denied </dev/null)
}

lab_stop() {
    local pid
    pid=$(cat "$LAB_DIR/$1.pid" 2>/dev/null) || return 0
    rm -f "$LAB_DIR/$1.pid" "$LAB_DIR/$1.ssh"
    kill -KILL "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.1
    done
}

lab_poweroff() {
    on "$1" 'systemctl poweroff' </dev/null || return
    waited _lab_off "$1" && lab_stop "$1"
}

lab_reboot() {
    local boot
    boot=$(on "$1" cat /proc/sys/kernel/random/boot_id </dev/null) && on "$1" 'systemctl reboot' </dev/null || return
    waited _lab_rebooted "$1" "$boot"
}

# _lab_rebooted NAME BOOT: whether it has come up, and not with that boot's id
_lab_rebooted() {
    _lab_wait "$1" || return
    [ "$(on "$1" cat /proc/sys/kernel/random/boot_id </dev/null)" != "$2" ]
}
