#!/bin/bash
# Linked volumes in the types of pools that need a whole machine: logical volumes, partitions of a disk that the kernel
# knows, file systems that libvirt mounts, NFS with its two minds about root, and an iSCSI target that the kernel logs in to.
# And what cgroups let a guest's QEMU do with a header that is a block device: its own is open to it, those of others are
# not, also after the daemon has started again.
# shellcheck disable=SC2016 # for the machine
. "$(dirname "$0")/../lib/lab.sh"

# what the part adds to lab-machine.sh
functions() {
    cat <<'MACHINE'
# reads GUEST DEVICE: a process among the guest's, by its cgroup, opens it.
reads() {
    local group
    group=$(sed -n 's|^0::||p' "/proc/$(cat "/run/libvirt/qemu/$1.pid")/cgroup")
    sh -c 'echo $$ >"$1/cgroup.procs" && exec dd if="$2" of=/dev/null bs=512 count=1' sh "/sys/fs/cgroup${group%/emulator}" "$2"
}
# writes_and_reads GUEST TARGET PATTERN
writes_and_reads() {
    io "$1" "$2" "write -P $3 1M 64k" && io "$1" "$2" "read -P $3 1M 64k"
}
# existing POOL PAYLOAD HEADERPOOL HEADER SECRET: links them.
existing() {
    virsh vol-create "$1" /dev/stdin <<XML
<volume><name>$2</name><capacity>0</capacity><target><encryption format='luks'>
<secret type='passphrase' uuid='$5'/>
<header type='volume' link='existing'><source pool='$3' volume='$4'/></header></encryption></target></volume>
XML
}
# secret_make: prints the UUID of a secret, which has the passphrase that is in /run/pw.
secret_make() {
    local uuid=5d8c1a2e-0f3b-4c55-9a77-3b1f0c6d2e41
    printf geheim-geheim >/run/pw
    virsh -q secret-define /dev/stdin <<XML
<secret ephemeral='no' private='yes'><uuid>$uuid</uuid><usage type='volume'><volume>san</volume></usage></secret>
XML
    virsh -q secret-set-value "$uuid" --file /run/pw --plain && echo "$uuid"
}
MACHINE
}

need_lab
lab_installed lab1 || exit
on lab1 'cat >>lab-machine.sh' < <(functions)
try "a directory for headers, one for payloads" on lab1 'pool_make vault /srv/vault && pool_make images /srv/images'
lab_spent "machine"

note "Logical volumes"
try "libvirt makes a volume group" on lab1 'set -e; truncate -s 1G /var/pv; losetup /dev/loop0 /var/pv
    virsh pool-define-as vg logical --source-dev /dev/loop0 --source-name vg0 --target /dev/vg0
    virsh pool-build vg; virsh pool-start vg'
try "payload, header, and both are logical volumes" on lab1 'set -e
    volume_make pay raw 32 vg vault; volume_make file.qcow2 qcow2 32 images vg filehdr; volume_make both raw 32 vg vg bothhdr
    volume_make other.raw raw 32 images vg otherhdr'
try "clones" on lab1 'set -e; virsh vol-clone pay pay2 --pool vg; virsh vol-clone both both2 --pool vg'
refuse "libvirt's own driver resizes none of them" "not supported|support" on lab1 'virsh vol-resize pay 64M --pool vg'
on lab1 denied >/dev/null
try "a guest starts with all three" on lab1 'guest_make g "$(disk_xml vda /dev/vg0/pay raw)$(disk_xml vdb /srv/images/file.qcow2 qcow2)$(disk_xml vdc /dev/vg0/both raw)" &&
    virsh start g'
try "another with the other" on lab1 'guest_make other "$(disk_xml vda /srv/images/other.raw raw)" && virsh start other'
try "it writes and reads" on lab1 'for i in a b c; do writes_and_reads g vd$i 0x5a || exit; done'
lab_spent "logical volumes: made, started"
try "its cgroup lets it open its headers" on lab1 'reads g /dev/vg0/filehdr && reads g /dev/vg0/bothhdr'
refuse "nor that of the other guest" "Operation not permitted" on lab1 'reads g /dev/vg0/otherhdr'
refuse "nor one of no guest" "Operation not permitted" on lab1 'reads g "$(ls /dev/vg0/both2.luks /dev/vg0/*both2* | head -n 1)"'
refuse "the other guest opens none of them" "Operation not permitted" on lab1 'reads other /dev/vg0/filehdr'
try "a clone is plugged in" on lab1 'virsh attach-disk g /dev/vg0/both2 vdd --subdriver raw'
try "it writes and reads there" on lab1 'writes_and_reads g vdd 0x5b'
try "the header of that is open to it" on lab1 'reads g "$(virsh vol-path --pool vg "$(virsh vol-dumpxml both2 vg | sed -n "s|.*<source .*volume=.\([^/]*\)./>.*|\1|p")")"'
try "the daemon starts again" on lab1 'systemctl restart libvirtd && virsh -q list'
try "its headers still are, the others' are not" on lab1 'reads g /dev/vg0/filehdr && reads g /dev/vg0/bothhdr && ! reads g /dev/vg0/otherhdr'
try "it reads what it wrote" on lab1 'io g vdb "read -P 0x5a 1M 64k" && io g vdd "read -P 0x5b 1M 64k"'
refuse "deletion while it runs" "in use by the running domain" on lab1 'virsh vol-delete both vg'
try "one is unplugged" on lab1 'unplugged g vdc'
refuse "its header is closed to the guest" "Operation not permitted" on lab1 'reads g /dev/vg0/bothhdr'
try "they stop" on lab1 'virsh destroy g && virsh destroy other'
same "the headers are root's again" "$(on lab1 'stat -L -c %U /dev/vg0/filehdr /dev/vg0/bothhdr | sort -u')" root
same "AppArmor denied nothing" "$(denied lab1)" ""
lab_spent "logical volumes: cgroups"
try "the pool stops" on lab1 'virsh pool-destroy vg'
refuse "a guest does not start without it" "vg" on lab1 'virsh start g'
try "the pool starts, and the guest" on lab1 'virsh pool-start vg && virsh start g && io g vda "read -P 0x5a 1M 64k" && virsh destroy g'
try "a volume is wiped, whose header is a logical volume" on lab1 'virsh vol-wipe file.qcow2 images'
try "and deleted" on lab1 'virsh vol-delete file.qcow2 images'
try "one is overwritten by hand, and deleted" on lab1 'dd if=/dev/zero of=/dev/vg0/otherhdr bs=1M count=4 conv=fsync status=none &&
    virsh vol-delete other.raw images'
try "the others are deleted" on lab1 'set -e; for v in both both2 pay pay2; do virsh vol-delete $v vg; done'
same "no logical volume is left" "$(on lab1 'lvs --noheadings')" ""
try "the pool is nobody's" on lab1 'virsh pool-destroy vg && virsh pool-undefine vg'
lab_spent "logical volumes: the end"

note "Partitions of a disk without a name, and file systems"
try "libvirt writes a partition table" on lab1 'virsh pool-define-as disk disk --source-dev /dev/vdb --source-format gpt --target /dev &&
    virsh pool-build disk --overwrite && virsh pool-start disk'
try "header and payload are partitions" on lab1 'virsh vol-create disk /dev/stdin <<XML
<volume><name>vdb2</name><capacity unit="MiB">32</capacity><target><encryption format="luks">
<header type="volume"><source pool="disk" volume="vdb1"/></header></encryption></target></volume>
XML'
try "a guest starts" on lab1 'guest_make d "$(disk_xml vda /dev/vdb2 raw)" && virsh start d && writes_and_reads d vda 0x41'
try "its header is open to it" on lab1 'reads d /dev/vdb1'
try "it stops" on lab1 'virsh destroy d'
try "the volume is wiped, and deleted" on lab1 'virsh vol-wipe vdb2 disk && virsh vol-delete vdb2 disk'
same "no partition is left" "$(on lab1 'lsblk -n -o NAME /dev/vdb')" "vdb"
try "the pool is nobody's" on lab1 'virsh pool-destroy disk && virsh pool-undefine disk'
try "libvirt formats and mounts a file system" on lab1 'set -e; virsh pool-define-as fs fs --source-dev /dev/vdb --source-format ext4 --target /srv/fs
    virsh pool-build fs --overwrite; virsh pool-start fs'
try "both are there" on lab1 'volume_make f.qcow2 qcow2 32 fs fs'
try "a guest starts" on lab1 'guest_make f "$(disk_xml vda /srv/fs/f.qcow2 qcow2)" && virsh start f && writes_and_reads f vda 0x42 && virsh destroy f'
try "the volume is deleted" on lab1 'virsh vol-delete f.qcow2 fs && virsh pool-destroy fs && virsh pool-undefine fs'
lab_spent "disk, fs"

note "NFS"
try "a server, which takes root for root and which does not" on lab1 'set -e; mkdir -p /export/rs /export/nrs; chmod 777 /export/rs
    echo "/export/rs 127.0.0.1(rw,sync,no_subtree_check,root_squash)" >/etc/exports
    echo "/export/nrs 127.0.0.1(rw,sync,no_subtree_check,no_root_squash)" >>/etc/exports
    systemctl start nfs-server; exportfs -ra
    for w in rs nrs; do
        virsh pool-define-as $w netfs --source-host 127.0.0.1 --source-path /export/$w --target /srv/$w
        virsh pool-build $w; virsh pool-start $w
    done'
like "NFSv4" "$(on lab1 'grep /srv/nrs /proc/mounts')" "nfs4"
lab_spent "NFS server"
on lab1 denied >/dev/null
try "no_root_squash: payload, header, and both" on lab1 'set -e; volume_make p.raw raw 16 nrs vault
    volume_make h.qcow2 qcow2 16 images nrs; volume_make b.qcow2 qcow2 16 nrs nrs'
try "a guest starts with all three" on lab1 'guest_make n "$(disk_xml vda /srv/nrs/p.raw raw)$(disk_xml vdb /srv/images/h.qcow2 qcow2)$(disk_xml vdc /srv/nrs/b.qcow2 qcow2)" &&
    virsh start n && for i in a b c; do writes_and_reads n vd$i 0x43 || exit; done; virsh destroy n'
try "a clone, and a new size" on lab1 'virsh vol-clone b.qcow2 b2.qcow2 --pool nrs && virsh vol-resize b2.qcow2 24M --pool nrs'
try "unmounted and mounted, it starts again" on lab1 'virsh pool-destroy nrs && virsh pool-start nrs && virsh start n && io n vdc "read -P 0x43 1M 64k" && virsh destroy n'
try "they are wiped and deleted" on lab1 'set -e; virsh vol-wipe b2.qcow2 nrs; virsh vol-delete b2.qcow2 nrs; virsh vol-delete b.qcow2 nrs
    virsh vol-delete p.raw nrs; virsh vol-delete h.qcow2 images'
same "nothing is left" "$(on lab1 'ls /export/nrs /srv/images')" "/export/nrs:

/srv/images:"
lab_spent "no_root_squash"
refuse "root_squash: a header there, which root could not write" "." on lab1 'volume_make h.qcow2 qcow2 16 images rs'
refuse "and a raw payload, as of libvirt itself" "." on lab1 'virsh vol-create-as rs plain.raw 4M'
try "a qcow2 payload there, its header here" on lab1 'volume_make q.qcow2 qcow2 16 rs vault'
refuse "a guest does not get what root may not read" "Permission denied" on lab1 'chown libvirt-qemu:libvirt-qemu /export/rs/q.qcow2
    virsh pool-refresh rs
    guest_make r "$(disk_xml vda /srv/rs/q.qcow2 qcow2)" && virsh start r'
refuse "and it is not deleted" "Permission denied" on lab1 'virsh vol-delete q.qcow2 rs'
try "it is once root may" on lab1 'chown nobody:nogroup /export/rs/q.qcow2 && virsh vol-delete q.qcow2 rs'
# virt-aa-helper looks up users for a file that it may not read
same "AppArmor denied the guests nothing" "$(denied lab1 | grep -v virt-aa-helper)" ""
lab_spent "root_squash"

note "iSCSI, by way of the kernel"
try "a target, and a pool of its units" on lab1 'set -e; systemctl start tgt iscsid; truncate -s 32M /var/lun1; truncate -s 4M /var/lun2
    tgtadm --lld iscsi --op new --mode target --tid 1 -T iqn.2026-01.lab:one
    for i in 1 2; do tgtadm --lld iscsi --op new --mode logicalunit --tid 1 --lun $i -b /var/lun$i; done
    tgtadm --lld iscsi --op bind --mode target --tid 1 -I ALL
    virsh pool-define-as san iscsi --source-host 127.0.0.1 --source-dev iqn.2026-01.lab:one --target /dev/disk/by-path
    virsh pool-start san'
try "two units are linked" on lab1 'set -e; secret=$(secret_make)
    virsh -q vol-list san | awk "{print \$1, \$2}" | sort >/run/units; cat /run/units
    read -r payload pay < <(sed -n 1p /run/units); read -r header hdr < <(sed -n 2p /run/units)
    cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 --header "$hdr" --key-file /run/pw "$pay"
    existing san "$payload" san "$header" "$secret"'
try "a guest starts" on lab1 'read -r _ pay < <(sed -n 1p /run/units); guest_make i "$(disk_xml vda "$pay" raw)" && virsh start i && writes_and_reads i vda 0x45'
try "its header is open to it" on lab1 'read -r _ hdr < <(sed -n 2p /run/units); reads i "$hdr"'
try "it stops" on lab1 'virsh destroy i'
try "logged out and in, it starts again" on lab1 'virsh pool-destroy san && virsh pool-start san && virsh start i && io i vda "read -P 0x45 1M 64k" && virsh destroy i'
try "the volume is wiped" on lab1 'read -r payload _ < <(sed -n 1p /run/units); virsh vol-wipe "$payload" san'
refuse "libvirt deletes no units" "does not support vol deletion" on lab1 'read -r payload _ < <(sed -n 1p /run/units); virsh vol-delete "$payload" san'
try "it is unlinked" on lab1 'read -r payload _ < <(sed -n 1p /run/units); read -r header _ < <(sed -n 2p /run/units)
    virt-lukshdr forget --yes "san/$payload"'
try "the pool is nobody's" on lab1 'virsh pool-destroy san && virsh pool-undefine san'
same "AppArmor denied nothing" "$(denied lab1)" ""
lab_spent "iSCSI"
same "nothing is linked any more" "$(on lab1 'ls /etc/libvirt/lukshdr/links')" ""
finish
