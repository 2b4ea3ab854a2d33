# shellcheck shell=bash
# A guest that is up in seconds under plain emulation: Debian's cloud kernel (downloaded and unpacked,
# never installed), busybox, and one shell loop that runs what the host sends over the second serial
# port. The host's half of that loop, and the XML of the domains, are here too. Needs daemon.sh.
#
# Read from the environment:
#   GUEST_CACHE       where kernel and initramfs are kept (build/guest in the source tree)
#   GUEST_KERNEL_DEB  a linux-image package that is here already: nothing is downloaded

. "$(dirname "${BASH_SOURCE[0]}")/daemon.sh"

GUEST_CACHE=${GUEST_CACHE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/guest}

# In the order in which they must be loaded.
GUEST_MODULES=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk)

# The guest's first and only program. Host to guest, a line each: TOKEN SECONDS MD5 COMMAND, the command in
# base64. Guest to host: "TOKEN +" when it has come through, its output in base64, each line as
# "TOKEN|...", then "TOKEN STATUS". The emulated port loses a byte now and then, or is opened in the middle
# of a line: what makes no sense is dropped, and the host says again what was not acknowledged.
GUEST_INIT='#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
ln -s /proc/self/fd /dev/fd
for i in $(cat /modules/order); do
    insmod "/modules/$i.ko" || echo "init: cannot load $i"
done
stty -F /dev/ttyS1 raw -echo -hupcl 115200
exec 3<>/dev/ttyS1
echo "init: ready after $(cut -d" " -f1 /proc/uptime) s"
last=
while :; do
    read -r token seconds sum command <&3 || continue
    case $token$seconds in
        "" | *[!0-9]*) continue ;;
    esac
    [ "$sum" = "$(echo "$command" | md5sum | cut -c 1-32)" ] || continue
    echo "$token +" >&3
    [ "$token" != "$last" ] || continue
    last=$token
    echo "$command" | base64 -d >/tmp/.command || continue
    timeout -s KILL "$seconds" sh /tmp/.command </dev/null >/tmp/.output 2>&1
    status=$?
    base64 /tmp/.output | sed "s/^/$token|/" >&3
    echo "$token $status" >&3
done
'

# disk TARGET: in the guest, the device of the disk that the domain calls TARGET. Linux names disks in
# the order in which they appear; the domain XML made below gives each its target as its serial number.
GUEST_DISK='#!/bin/sh
# disk TARGET [TIMES]: waits for it, looking so many times
for i in $(seq 0 "${2:-600}"); do
    for block in /sys/block/vd*; do
        if [ "$(cat "$block/serial" 2>/dev/null)" = "$1" ]; then
            echo "/dev/${block##*/}"
            exit 0
        fi
    done
    usleep 100000
done
echo "no disk $1" >&2
exit 1
'

_guest_say() {
    echo "guest.sh: $*" >&2
}

# Prints the name of the package with the cloud kernel that the installed release offers.
_guest_kernel_package() {
    apt-cache depends linux-image-cloud-amd64 2>/dev/null |
        sed -n 's/.*Depends: \(linux-image-[0-9].*-cloud-amd64\)$/\1/p' | head -n 1
}

# _guest_kernel_parts PACKAGE: prints the packages that PACKAGE, with the same version, is in besides.
_guest_kernel_parts() {
    apt-cache depends "$1" 2>/dev/null | sed -n "s/.*Depends: \(linux-[a-z]*-${1#linux-image-}\)\$/\1/p"
}

# _guest_module NAME: unpacks the module from the tree in ./x to ./root/modules, without its compression.
_guest_module() {
    local file
    file=$(find x -name "$1.ko*" -path '*/kernel/*' | head -n 1)
    case $file in
        *.ko) cp "$file" "root/modules/$1.ko" ;;
        *.ko.xz) xz -dc "$file" >"root/modules/$1.ko" ;;
        *.ko.zst) zstd -qdc "$file" >"root/modules/$1.ko" ;;
        *)
            # Newer kernels may have it built in.
            grep -q "/$1\\.ko$" x/{,usr/}lib/modules/*/modules.builtin 2>/dev/null && return 0
            _guest_say "this kernel has no module $1"
            return 1
            ;;
    esac
    echo "$1" >>root/modules/order
}

# Makes vmlinuz and initramfs in the working directory.
_guest_make() {
    local deb=${GUEST_KERNEL_DEB:-} package module part
    if [ -z "$deb" ]; then
        package=$(_guest_kernel_package)
        [ -n "$package" ] || {
            _guest_say "apt knows no linux-image-cloud-amd64 (apt-get update?); or set GUEST_KERNEL_DEB"
            return 1
        }
        _guest_say "downloading $package (once; it is unpacked, not installed)"
        # Since Linux 7.2 the image's package is empty, and depends on those that have its parts.
        # shellcheck disable=SC2046 # a list
        apt-get download -q -o APT::Sandbox::User="$(id -un)" "$package" $(_guest_kernel_parts "$package") >&2 ||
            return
        deb=$(printf '%s\n' "$PWD"/linux-*.deb)
    fi
    while read -r part; do
        dpkg-deb -x "$part" x || return
    done <<<"$deb"
    cp x/boot/vmlinuz-* vmlinuz 2>/dev/null || cp x/usr/lib/modules/*/vmlinuz vmlinuz || return
    mkdir -p root/{bin,dev,proc,sys,tmp,root,mnt,modules} || return
    for module in "${GUEST_MODULES[@]}"; do
        _guest_module "$module" || return
    done
    cp "$(PATH=$PATH:/usr/sbin:/sbin command -v busybox)" root/bin/busybox || return
    printf '%s' "$GUEST_INIT" >root/init
    printf '%s' "$GUEST_DISK" >root/bin/disk
    chmod 755 root/init root/bin/disk
    (cd root && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >initramfs
}

# guest_build: sees to it that kernel and initramfs are in GUEST_CACHE. Fast if they are.
guest_build() {
    local stamp tmp status lock
    stamp=$(printf '%s' "$GUEST_INIT$GUEST_DISK${GUEST_MODULES[*]}${GUEST_KERNEL_DEB:-}" | sha256sum)
    [ "$(cat "$GUEST_CACHE/stamp" 2>/dev/null)" != "$stamp" ] || return 0
    mkdir -p "$GUEST_CACHE" || return
    # Two tests may want it at once.
    exec {lock}>"$GUEST_CACHE/.lock" && flock "$lock" || return
    status=0
    if [ "$(cat "$GUEST_CACHE/stamp" 2>/dev/null)" != "$stamp" ]; then
        tmp=$(mktemp -d) || return
        (cd "$tmp" && _guest_make) && cp "$tmp/vmlinuz" "$tmp/initramfs" "$GUEST_CACHE/" &&
            echo "$stamp" >"$GUEST_CACHE/stamp"
        status=$?
        rm -rf "$tmp"
    fi
    exec {lock}>&-
    return "$status"
}

# need_guest: this script makes no sense without a kernel for the guest, which may have to be downloaded.
need_guest() {
    need_command qemu-system-x86_64
    guest_build || skip_all "there is no kernel for the guest, and it cannot be downloaded"
}

# disk_xml TARGET SOURCE FORMAT [SECRET]: the XML of a disk. SOURCE is a file or device by its path, or
# POOL/VOLUME. SECRET is the UUID of the passphrase of a LUKS disk; without it there is no <encryption>.
disk_xml() {
    local target=$1 source=$2 format=$3 secret=${4:-} type attributes inner=
    case $source in
        /dev/*) type=block attributes="dev='$source'" ;;
        /*) type=file attributes="file='$source'" ;;
        *) type=volume attributes="pool='${source%%/*}' volume='${source#*/}'" ;;
    esac
    [ -z "$secret" ] ||
        inner="<encryption format='luks'><secret type='passphrase' uuid='$secret'/></encryption>"
    cat <<XML
<disk type='$type' device='disk'>
  <driver name='qemu' type='$format'/>
  <source $attributes>$inner</source>
  <target dev='$target' bus='virtio'/>
  <serial>$target</serial>
</disk>
XML
}

# guest_xml NAME [DISK...]: the XML of a domain with these disks (each XML, as from disk_xml) and eight
# free PCI slots for hot-plug. Also makes what the host needs to talk to it. The kernel does not try its timer, since it
# panics if QEMU gets too little of a busy machine meanwhile.
guest_xml() {
    local name=$1 base=$DAEMON_DIR/guests/$1 i ports=
    shift
    for ((i = 1; i <= $# + 8; i++)); do
        ports+="<controller type='pci' index='$i' model='pcie-root-port'/>"
    done
    guest_build || return
    # Copies, since libvirt gives kernel and initramfs to QEMU's user, and not where two daemons meet.
    [ -e "$DAEMON_DIR/guests/initramfs" ] ||
        cp "$GUEST_CACHE/vmlinuz" "$GUEST_CACHE/initramfs" "$DAEMON_DIR/guests/" || return
    for i in "$base.in" "$base.out"; do
        [ -p "$i" ] || { mkfifo "$i" && chmod 666 "$i"; } || return
    done
    cat <<XML
<domain type='qemu'>
  <name>$name</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>$DAEMON_DIR/guests/vmlinuz</kernel>
    <initrd>$DAEMON_DIR/guests/initramfs</initrd>
    <cmdline>console=ttyS0 quiet loglevel=4 mitigations=off no_timer_check</cmdline>
  </os>
  <features><acpi/></features>
  <on_crash>destroy</on_crash>
  <devices>
    <controller type='pci' index='0' model='pcie-root'/>
    $ports
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='file'><source path='$base.console'/><target port='0'/></serial>
    <serial type='pipe'><source path='$base'/><target port='1'/></serial>
$(printf '%s\n' "$@")
  </devices>
</domain>
XML
}

# guest_define NAME [DISK...]: defines that domain.
guest_define() {
    guest_xml "$@" >"$DAEMON_DIR/guests/$1.xml" && virsh define "$DAEMON_DIR/guests/$1.xml"
}

# guest_start NAME: starts a domain that is defined, and waits until it takes commands.
guest_start() {
    virsh start "$1" && guest_wait "$1"
}

# guest_boot NAME [DISK...]: both.
guest_boot() {
    guest_define "$@" && guest_start "$1"
}

# guest_wait NAME: waits until the guest takes commands.
guest_wait() {
    local name=$1 deadline=$((SECONDS + TAP_PATIENCE)) patience=1
    while [ "$SECONDS" -lt "$deadline" ]; do
        # Little patience, asked again: what is sent while the port is being opened is lost. On a busy machine
        # it takes more.
        ! GUEST_QUICK=$patience guest_run -t "$patience" "$name" true 2>/dev/null || return 0
        [ "$(virsh domstate "$name" 2>/dev/null)" = running ] || break
        patience=$((patience * 2))
    done
    {
        _guest_say "the guest $name did not come up ($(virsh domstate "$name" 2>&1)); its console ends:"
        tail -n 15 "$DAEMON_DIR/guests/$name.console"
    } >&2
    return 1
}

# guest_run [-t SECONDS] NAME COMMAND: runs the shell command in the guest, prints its output (both
# kinds, byte for byte) and returns its status: 137 if it was killed after SECONDS (TAP_PATIENCE), 124 if the
# guest did not answer, 125 if it does not run.
guest_run() {
    local seconds=$TAP_PATIENCE base line part='' token status='' end out lock to from request acknowledged='' silent=0
    if [ "$1" = -t ]; then
        seconds=$2
        shift 2
    fi
    base=$DAEMON_DIR/guests/$1
    [ -p "$base.in" ] || {
        _guest_say "no guest $1"
        return 125
    }
    exec {lock}>"$base.lock" && flock "$lock" || return 125
    # Opened for both, neither end ever waits for the other to open.
    exec {to}<>"$base.in" {from}<>"$base.out" || return 125
    token=$(date +%s%N)$RANDOM
    out=$(mktemp)
    request=$(printf '%s' "$2" | base64 -w 0)
    request="$token $seconds $(echo "$request" | md5sum | cut -c 1-32) $request"
    # The line feed ends whatever was sent in part.
    printf '\n%s\n' "$request" >&"$to"
    # The guest kills the command after $seconds; beyond that, time for the answer to come through.
    end=$((SECONDS + seconds + ${GUEST_QUICK:-60}))
    while [ -z "$status" ]; do
        if ! IFS= read -r -t 1 -u "$from" line; then
            part+=$line
            # What is stuck in the port (a missed interrupt of the emulated UART) is pushed on.
            echo >&"$to"
            silent=$((silent + 1))
            if [ -z "$acknowledged" ] && [ $((silent % 3)) -eq 0 ]; then
                printf '%s\n' "$request" >&"$to"
            fi
            if [ "$SECONDS" -ge "$end" ]; then
                [ -n "${GUEST_QUICK:-}" ] || _guest_say "$1 did not answer: $2"
                status=124
            else
                # A daemon that does not answer is no reason to give up: guests go on without.
                ! guest_off "$1" || {
                    _guest_say "$1 does not run"
                    status=125
                }
            fi
            continue
        fi
        line=$part$line part=
        case $line in
            "$token|"*) printf '%s\n' "${line#"$token|"}" >>"$out" ;;
            "$token +") acknowledged=1 ;;
            "$token "*) status=${line#"$token "} ;;
        esac
    done
    exec {lock}>&- {to}>&- {from}>&-
    base64 -d <"$out"
    rm -f "$out"
    return "$status"
}

# guest_poweroff NAME: the guest switches itself off, file systems written out.
guest_poweroff() {
    # The answer should be out before the guest is; the second way is for a kernel that hesitates.
    guest_run "$1" 'sync; (sleep 1; poweroff -f & sleep 10; echo o >/proc/sysrq-trigger) >/dev/null 2>&1 &' ||
        guest_off "$1" || return
    waited guest_off "$1" || {
        _guest_say "$1 is still there $TAP_PATIENCE seconds after poweroff"
        return 1
    }
}

# guest_off NAME: whether it does not run. A domain that was never defined is gone by then.
guest_off() {
    case $(virsh domstate "$1" 2>&1) in
        "shut off" | *"failed to get domain"*) ;;
        *) return 1 ;;
    esac
}

# guest_stop NAME: the guest ends on the spot and its definition goes.
guest_stop() {
    virsh destroy "$1" 2>/dev/null
    virsh undefine "$1" --nvram 2>/dev/null || virsh undefine "$1"
}
