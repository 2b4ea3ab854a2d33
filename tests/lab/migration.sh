#!/bin/bash
# Live migration of guests with linked disks between two machines with AppArmor: payloads and headers on an export
# of NFS that the first makes and both mount; with TLS; with disks that are copied; and with one of the machines losing
# the export of the headers before it begins, and in the middle.
. "$(dirname "$0")/../lib/lab.sh"

need_lab
lab_installed lab1 || exit
lab_installed lab2 || exit
lab_spent "two machines"

SECRET=5d8c1a2e-0f3b-4c55-9a77-3b1f0c6d2e43
MI=/srv/mi
MH=/srv/mh
cat >"$LAB_DIR/part.sh" <<SH
SECRET=$SECRET
MI=$MI
MH=$MH
SH
cat >>"$LAB_DIR/part.sh" <<'SH'
# secret_make: the secret that both machines have
secret_make() {
    virsh secret-define /dev/stdin <<XML
<secret ephemeral='no' private='yes'><uuid>$SECRET</uuid><usage type='volume'><volume>moves</volume></usage></secret>
XML
    printf 'the same on both' >/run/value
    virsh secret-set-value "$SECRET" --file /run/value --plain
    rm /run/value
}

# netfs_make NAME DIR ELEMENT: a pool over lab1's export of /export/NAME
netfs_make() {
    virsh pool-define /dev/stdin <<XML
<pool type='netfs'><name>$1</name>
<source><host name='10.9.0.1'/><dir path='/export/$1'/><format type='nfs'/></source>
<target><path>$2</path>$3</target></pool>
XML
    virsh pool-build "$1" && virsh pool-start "$1"
}

# shared_make NAME FORMAT: a linked volume on the export, with the secret that both machines have
shared_make() {
    virsh vol-create mi /dev/stdin <<XML
<volume><name>$1</name><capacity unit='MiB'>32</capacity><allocation>0</allocation>
<target><format type='$2'/><encryption format='luks'><secret type='passphrase' uuid='$SECRET'/>
<header type='volume'><source pool='mh'/></header></encryption></target></volume>
XML
}

# known VOLUME: the daemon knows it as a linked one; it looks at the labels behind the refresh of their pool
known() {
    local i
    for ((i = 0; i < 600; i++)); do
        ! virsh vol-dumpxml "$1" mi | grep -q '<header' || return 0
        sleep 0.2
    done
    virt-lukshdr list
    return 1
}

# certificate NAME ADDRESS: of the machine and for QEMU, by the authority in /root/ca, into /root/certificates/NAME
certificate() {
    local dir=/root/certificates/$1 kind
    mkdir -p "$dir"
    cp /root/ca/cert.pem "$dir/ca-cert.pem"
    for kind in server client; do
        certtool --generate-privkey --key-type=ecdsa --outfile "$dir/$kind-key.pem"
        printf 'cn = "%s"\ndns_name = "%s"\nip_address = "%s"\ntls_www_%s\nsigning_key\nexpiration_days = 3\n' \
            "$1" "$1" "$2" "$kind" >/root/ca/template
        certtool --generate-certificate --load-privkey "$dir/$kind-key.pem" --load-ca-certificate /root/ca/cert.pem \
            --load-ca-privkey /root/ca/key.pem --template /root/ca/template --outfile "$dir/$kind-cert.pem"
    done
}

authority() {
    mkdir -p -m 700 /root/ca
    certtool --generate-privkey --key-type=ecdsa --outfile /root/ca/key.pem
    printf 'cn = "the lab"\nca\ncert_signing_key\nexpiration_days = 3\n' >/root/ca/template
    certtool --generate-self-signed --load-privkey /root/ca/key.pem --template /root/ca/template --outfile /root/ca/cert.pem
}

# certificates_install: where QEMU looks for them, for QEMU's group
certificates_install() {
    mkdir -p /etc/pki/qemu && cp /root/certificates/"$HOSTNAME"/* /etc/pki/qemu/ &&
        chgrp -R libvirt-qemu /etc/pki/qemu && chmod 750 /etc/pki/qemu && chmod 640 /etc/pki/qemu/*
}

# noisy GUEST: 24 MiB of its memory are filled with what does not compress, so that migrating takes a while
noisy() {
    [ -e /usr/share/qemu/noise ] || head -c 24M /dev/urandom >/usr/share/qemu/noise
    virsh dumpxml "$1" --inactive |
        sed "s|^<domain type='qemu'>|<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>|
            s|^</domain>|<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='loader,file=/usr/share/qemu/noise,addr=0x1000000,force-raw=on'/></qemu:commandline></domain>|" >/run/noisy.xml
    virsh define /run/noisy.xml
}

# move GUEST ADDRESS [OPTION...]: to the machine of that address
move() {
    local guest=$1 address=$2
    shift 2
    virsh migrate --live --p2p --persistent --undefinesource "$@" "$guest" "qemu+ssh://$address/system" "tcp://$address"
}

# move_slowly GUEST ADDRESS: the same in the background, slowly; returns when it is under way
move_slowly() {
    local i
    rm -f /run/moved
    (
        move "$1" "$2" --bandwidth 1 >/run/moving 2>&1 </dev/null
        echo $? >/run/moved
    ) >/dev/null 2>&1 &
    for ((i = 0; i < 1200; i++)); do
        [ ! -e /run/moved ] || break
        ! virsh domjobinfo "$1" 2>/dev/null | awk '/^Memory processed:/ && (/MiB/ && $3 > 2) { found = 1 } END { exit !found }' ||
            return 0
        sleep 0.1
    done
    cat /run/moving
    return 1
}

# moved: waits for the end of that, prints what was said, and returns its status
moved() {
    until [ -e /run/moved ]; do
        sleep 0.2
    done
    cat /run/moving
    return "$(cat /run/moved)"
}

# grant ADDRESS...: who may mount the headers
grant() {
    local address
    sed -i '\|^/export/mh |d' /etc/exports
    {
        printf '/export/mh'
        for address; do
            printf ' %s(rw,sync,no_subtree_check,no_root_squash)' "$address"
        done
        echo
    } >>/etc/exports
    exportfs -ra && exportfs -f
}

# none_left: no guest is here, nor a record of one
none_left() {
    virsh list --name | grep . || ls -A /run/libvirt/lukshdr/guests | grep .
    [ $? -ne 0 ]
}

owners() {
    stat -c '%U %a' $MI/* $MH/* | sort -u
}
SH
put lab1 "$LAB_DIR/part.sh" /root
put lab2 "$LAB_DIR/part.sh" /root
first() {
    on lab1 ". ./part.sh; $1"
}
second() {
    on lab2 ". ./part.sh; $1"
}

# --- two hosts that know each other

key=$(first 'ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_ed25519 && cat ~/.ssh/id_ed25519.pub')
second "echo '$key' >>~/.ssh/authorized_keys"
key=$(second 'ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_ed25519 && cat ~/.ssh/id_ed25519.pub')
first "echo '$key' >>~/.ssh/authorized_keys"
for machine in lab1 lab2; do
    on "$machine" 'printf "StrictHostKeyChecking accept-new\nLogLevel ERROR\n" >>~/.ssh/config'
done
try "the first has an export of payloads and one of headers" first 'mkdir -p /export/mi /export/mh &&
    chmod 711 /export/mh && echo "/export/mi 10.9.0.0/24(rw,sync,no_subtree_check,no_root_squash)" >>/etc/exports &&
    systemctl start nfs-server && grant 10.9.0.1 10.9.0.2'
for machine in first second; do
    try "the $machine has pools over them, and the secret" "$machine" \
        'secret_make && netfs_make mi $MI && netfs_make mh $MH "<headers/>"'
done
try "linked volumes" first 'shared_make a.qcow2 qcow2 && shared_make b.raw raw'
try "the second knows them after a refresh" second 'virsh pool-refresh mi && virsh pool-refresh mh && known b.raw && virt-lukshdr check'
try "a guest starts, one disk by file and one by pool and volume" first 'guest_make guest \
    "$(disk_xml vda $MI/a.qcow2 qcow2)$(disk_xml vdb mi/b.raw raw)" && noisy guest && virsh start guest'
try "it writes" first 'io guest vda "write -P 0x61 1M 64k" && io guest vdb "write -P 0x62 1M 64k"'
second 'head -c 24M /dev/urandom >/usr/share/qemu/noise'
for machine in first second; do
    "$machine" denied >/dev/null
done
lab_spent "a guest"

# --- live

try "it migrates" first 'move guest 10.9.0.2'
lab_spent "there"
try "nothing of it is left on the first" first none_left
try "it reads what it wrote" second 'io guest vda "read -P 0x61 1M 64k" && io guest vdb "read -P 0x62 1M 64k"'
try "and writes" second 'io guest vda "write -P 0x63 2M 64k"'
same "payloads and headers belong to QEMU's user" "$(second owners)" "libvirt-qemu 600"
same "AppArmor's rules there have them" \
    "$(second 'grep -o "$MI/[^\"]*\|$MH/[^\"]*" "$(profile guest)" | sort -u | xargs')" \
    "$MH/a.qcow2.luks $MH/b.raw.luks $MI/a.qcow2 $MI/b.raw"

try "certificates" first 'authority && certificate lab1 10.9.0.1 && certificate lab2 10.9.0.2 && certificates_install &&
    scp -q -r /root/certificates 10.9.0.2:'
try "on both" second certificates_install
try "it comes back by TLS" second 'move guest 10.9.0.1 --tls'
lab_spent "back, by TLS"
try "nothing of it is left on the second" second none_left
try "it reads what it wrote" first 'io guest vda "read -P 0x61 1M 64k" && io guest vda "read -P 0x63 2M 64k" &&
    io guest vdb "read -P 0x62 1M 64k"'

# --- the second loses the headers

try "the second loses the export of headers" first 'grant 10.9.0.1'
refuse "the guest does not migrate, and why is said" "header.*$MH|$MH.*header|Stale|Permission denied" first 'move guest 10.9.0.2'
note "$OUT"
try "it goes on" first 'virsh domstate guest | grep -q running && io guest vda "read -P 0x61 1M 64k" &&
    io guest vdb "write -P 0x64 3M 64k"'
try "nothing of it is left on the second" second none_left
try "the second has the export again" first 'grant 10.9.0.1 10.9.0.2'
lab_spent "refused without headers"

try "it migrates slowly" first 'move_slowly guest 10.9.0.2'
try "half-way, the second loses the export of headers" first 'grant 10.9.0.1'
refuse "the migration fails, and why is said" "." first moved
note "$OUT"
try "the guest goes on" first 'virsh domstate guest | grep -q running && io guest vda "read -P 0x61 1M 64k" &&
    io guest vdb "read -P 0x64 3M 64k" && io guest vda "write -P 0x65 4M 64k"'
try "nothing of it is left on the second" second none_left
same "payloads and headers belong to QEMU's user" "$(first owners)" "libvirt-qemu 600"
try "the second has the export again" first 'grant 10.9.0.1 10.9.0.2'
lab_spent "failed half-way"
try "it ends" first 'virsh destroy guest && virsh undefine guest'
same "payloads and headers are root's" "$(first owners)" "root 600"

# --- disks that are copied

for machine in first second; do
    try "the $machine has pools of its own" "$machine" 'pool_make vault /srv/vault && pool_make images /srv/images'
done
try "a linked volume on the first" first 'volume_make c.qcow2 qcow2 32 images vault'
try "a guest starts" first 'guest_make copied "$(disk_xml vda /srv/images/c.qcow2 qcow2)" && virsh start copied'
try "it writes" first 'io copied vda "write -P 0x66 1M 8M"'
refuse "it is not copied where there is no volume" "^error: " first 'move copied 10.9.0.2 --copy-storage-all'
# libvirt may lose what the other host said: as it closes the connection, it takes ssh's last words for the error
like "why is said, to the client or in the other's log" "$OUT$(second 'journalctl -b -u libvirtd -o cat')" \
    "pool 'images' of host 'lab2' has no volume to copy it to"
try "a linked volume of that name on the second" second 'volume_make c.qcow2 qcow2 32 images vault'
try "the guest migrates with its disk, by TLS" first 'move copied 10.9.0.2 --copy-storage-all --tls'
lab_spent "copied"
try "it reads what it wrote" second 'io copied vda "read -P 0x66 1M 8M"'
same "with the second's secret" "$(second 'virsh dumpxml copied' | sed -n "s/.*<secret type='passphrase' uuid='\(.*\)'.*/\1/p")" \
    "$(second 'secret_of images/c.qcow2')"
same "the payload has it not in clear" "$(second 'grep -c ffffffffffffffff /srv/images/c.qcow2')" 0
try "it ends" second 'virsh destroy copied && virsh undefine copied'
same "payload and header are root's" "$(second 'stat -c "%U %a" /srv/images/c.qcow2 /srv/vault/*' | sort -u)" "root 600"
same "AppArmor denied nothing on the first" "$(first denied | grep -v queue/)" ""
same "nor on the second" "$(second denied | grep -v queue/)" ""
finish
