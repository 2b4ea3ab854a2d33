#!/bin/bash
# The first process of the namespaces in which gui.sh runs a script; see there. It makes the root directory (the image's,
# with changes in memory), installs the plugin's packages there, starts libvirtd as its unit would and what the
# script looks at (an X server, a desktop and virt-manager; or cockpit, for a browser), and runs the script. When it ends, all that ends.
#
# Usage: gui-session.sh IMAGE OUT DEBS GUEST TESTS SCRIPT
set -eu

patience=${TAP_PATIENCE:-300}

# waited COMMAND...: as in tap.sh
waited() {
    local deadline=$((SECONDS + patience))
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "gui-session.sh: never: $*" >&2 && return 1; }
        sleep 0.1
    done
}

if [ "$1" != inside ]; then
    image=$1 over=$1/over root=$1/over/root
    mount -t tmpfs -o mode=755 gui "$over"
    mkdir "$over/changed" "$over/work" "$root"
    mount -t overlay -o "lowerdir=$image/root,upperdir=$over/changed,workdir=$over/work" gui "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sys "$root/sys"
    for i in dev run tmp srv; do
        mount -t tmpfs -o mode=755 gui "$root/$i"
    done
    chmod 1777 "$root/tmp"
    for i in null zero full random urandom tty; do
        : >"$root/dev/$i"
        mount --bind "/dev/$i" "$root/dev/$i"
    done
    mkdir "$root/dev/pts" "$root/dev/shm" "$root"/run/{out,debs,guest,tests}
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 pts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 gui "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    mount --bind "$2" "$root/run/out"
    mount --bind "$3" "$root/run/debs"
    mount --bind "$4" "$root/run/guest"
    mount --bind "$5" "$root/run/tests"
    hostname gui
    exec chroot "$root" env -i "TAP_PATIENCE=$patience" HOME=/root LC_ALL=C.UTF-8 DISPLAY=:1 \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin XDG_RUNTIME_DIR=/run/user GSETTINGS_BACKEND=keyfile \
        /run/tests/lib/gui-session.sh inside "$6"
fi

logs=/run/out
cd /
# what is found out goes there, everything else to session.log
exec 3>&1 >&2
mkdir -m 700 /run/user
ip link set lo up
printf '127.0.0.1 localhost gui\n' >/etc/hosts
dpkg -i /run/debs/*.deb >"$logs/dpkg.log" 2>&1

# AppArmor and cgroups are the host's; no virtlogd, which would be one more process to have; a root directory that is
# none of the host's mount points cannot be made again for each guest.
cat >>/etc/libvirt/qemu.conf <<CONF
security_driver = "none"
cgroup_controllers = [ ]
stdio_handler = "file"
namespaces = [ ]
CONF
echo "log_outputs = \"3:file:$logs/libvirtd.log\"" >>/etc/libvirt/libvirtd.conf
# What the unit and its drop-ins say
sed -n 's/^Environment=/export /p' /usr/lib/systemd/system/libvirtd.service.d/*.conf >/run/unit
# shellcheck source=/dev/null
(. /run/unit && exec libvirtd) >"$logs/libvirtd.out" 2>&1 &
libvirtd=$!
waited virsh -q -c qemu:///system uri >/dev/null 2>&1

# desktop SCRIPT: that looks the same everywhere, and moves nothing but when somebody does
desktop() {
    mkdir -p /root/.config/gtk-3.0
    cat >/root/.config/gtk-3.0/settings.ini <<CONF
[Settings]
gtk-theme-name=Adwaita
gtk-icon-theme-name=Adwaita
gtk-font-name=DejaVu Sans 10
gtk-enable-animations=false
gtk-cursor-blink=false
CONF
    Xvfb "$DISPLAY" -screen 0 1280x900x24 -nolisten tcp >"$logs/xvfb.log" 2>&1 &
    waited xdpyinfo >/dev/null 2>&1
    gsettings set org.gnome.desktop.interface toolkit-accessibility true
    gsettings set org.virt-manager.virt-manager xmleditor-enabled true
    gsettings set org.virt-manager.virt-manager.new-vm graphics-type vnc
    openbox >"$logs/openbox.log" 2>&1 &
    # libatspi waits for itself if a program comes up while it is asked what there is, hence only then.
    # -u: what was found out is told at once.
    dbus-run-session -- sh -c "virt-manager --no-fork --debug --connect qemu:///system >$logs/virt-manager.log 2>&1 &
        timeout $patience xdotool search --sync --onlyvisible --name 'Virtual Machine Manager'
        exec python3 -Wignore -X faulthandler -B -u /run/tests/$1 >&3"
}

# cockpit SCRIPT: without anybody who asks for a password. Its page speaks with libvirt-dbus, which its own user would
# run if polkit were here to let it.
cockpit() {
    mkdir -p /run/dbus
    cat >/etc/dbus-1/system.d/test.conf <<CONF
<busconfig><policy user="root"><allow own="org.libvirt"/><allow send_destination="org.libvirt"/></policy></busconfig>
CONF
    dbus-daemon --system --nopidfile --fork
    libvirt-dbus --system >"$logs/libvirt-dbus.log" 2>&1 &
    /usr/lib/cockpit/cockpit-ws --no-tls -a 127.0.0.1 -p 9090 --local-session=/usr/bin/cockpit-bridge >"$logs/cockpit.log" 2>&1 &
    python3 -X faulthandler -B -u "/run/tests/$1" >&3
}

status=0
case $2 in
    gui/cockpit.py) cockpit "$2" ;;
    *) desktop "$2" ;;
esac || status=$?
kill "$libvirtd"
wait "$libvirtd" || :
exit "$status"
