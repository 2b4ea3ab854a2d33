#!/bin/bash
# virt-lukshdr trim, and what the daemon does for it: ranges of a payload are freed when the domain that found them has
# ended, and nobody else gets at the volume in between. libguestfs is a small library here (tests/lib/guestfs.c), and its
# domain a guest of ours; tests/releases/guestfs.sh has the real ones.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/disks.sh"
. "$(dirname "$0")/../tool/lib/vl.sh"

need_root
[ "${DAEMON_MODE:-system}" = system ] || skip_all "a session daemon has one user only"
need_command qemu-system-x86_64 qemu-img qemu-io cc

MIB=1048576

# trim_xml VOLUME ID [RANGE...]: asks for that; a range is "OFFSET SIZE".
trim_xml() {
    local name=$1 id=$2 range
    shift 2
    echo "<volume><name>$name</name><target><encryption format='luks'><header type='volume' link='trim'><unused domain='$id'>"
    for range; do
        echo "<range offset='${range% *}' size='${range#* }'/>"
    done
    echo "</unused></header></encryption></target></volume>"
}

# trim ARGUMENT...: asks the daemon, and waits for its answer.
trim() {
    local file
    file=$(mktemp -p "$DAEMON_DIR/xml") && trim_xml "$@" >"$file" && virsh vol-create data "$file"
}

# edited SED ARGUMENT...: the same, but the XML is changed before.
edited() {
    local sed=$1
    shift
    trim_xml "$@" | sed "$sed" >"$DAEMON_DIR/xml/edited.xml" && virsh vol-create data "$DAEMON_DIR/xml/edited.xml"
}

domid() {
    virsh domid "$1"
}

# held VOLUME: the daemon keeps everybody from it.
held() {
    virsh vol-dumpxml "$1" --pool data | grep -q "state='trimming'"
}

# allocated VOLUME: MiB, rounded: a file system has blocks of its own for a file.
allocated() {
    echo $((($(stat -c %b "$DATA/$1") + 1024) / 2048))
}

# write_all GUEST TARGET: the guest fills its disk.
write_all() {
    guest_run "$1" "dd if=/dev/urandom of=\$(disk $2) bs=1M count=16 conv=fsync"
}

# sums GUEST TARGET: of the disk's first 4 MiB, and of its last 4.
sums() {
    guest_run "$1" "echo 3 >/proc/sys/vm/drop_caches; disk=\$(disk $2)
        dd if=\$disk bs=1M count=4 2>/dev/null | md5sum; dd if=\$disk bs=1M skip=12 2>/dev/null | md5sum"
}

# in_background NAME COMMAND...: its output is in $DAEMON_WORK/NAME, and its status behind it.
in_background() {
    local name=$1
    shift
    {
        "$@" >"$DAEMON_WORK/$name" 2>&1
        echo "status $?" >>"$DAEMON_WORK/$name"
    } &
}

# ended NAME: it has ended.
ended() {
    grep -q '^status' "$DAEMON_WORK/$1"
}

# answer NAME: waits for its end, and prints it.
answer() {
    waited ended "$1" && cat "$DAEMON_WORK/$1"
}

try "a host with a header pool and a payload pool" linked_start
quick_keys
create k.raw raw >/dev/null
create q.qcow2 qcow2 >/dev/null
create w.raw raw >/dev/null
create free.raw raw >/dev/null
try "a guest has a raw and a qcow2 volume" guest_boot one "$(disk vda k.raw)$(disk vdb q.qcow2)"
try "another has a third one" guest_boot two "$(disk vda w.raw)"
try "they write to all of them" eval 'write_all one vda && write_all one vdb && write_all two vda'
raw=$(sums one vda) qcow2=$(sums one vdb) third=$(sums two vda)

note "Who does not end his domain waits two minutes, with nothing changed"
in_background patience trim w.raw "$(domid two)" "$((4 * MIB)) $((8 * MIB))"
try "the daemon has the volume" waited held w.raw

note "What is refused"
nothing_freed() {
    same "$1: nothing was freed" "$(allocated k.raw) $(allocated w.raw)" "$ALLOCATED"
}
ALLOCATED="$(allocated k.raw) $(allocated w.raw)"
refuse "ranges that another domain found" "in use by the running domain 'one'" trim k.raw "$(domid two)" "0 $MIB"
refuse "a domain that does not run" "in use by the running domain 'one'" trim k.raw 12345 "0 $MIB"
refuse "a volume that is not in use" "does not use volume 'free.raw'" trim free.raw "$(domid one)" "0 $MIB"
refuse "a header" "not linked, or not in order" edited "s/<name>k.raw/<name>plain.raw/" \
    "$(virsh vol-create-as data plain.raw 1M --format raw >/dev/null; echo k.raw)" "$(domid one)" "0 $MIB"
refuse "no volume" "no storage vol" trim none.raw "$(domid one)" "0 $MIB"
refuse "half a sector" "a multiple of 512" trim k.raw "$(domid one)" "0 100"
refuse "a negative number" "a multiple of 512" trim k.raw "$(domid one)" "-512 512"
refuse "numbers beyond all bounds" "a multiple of 512" trim k.raw "$(domid one)" "9223372036854775296 1024"
refuse "ranges that overlap" "does not come after the one before it" trim k.raw "$(domid one)" "0 1024" "512 512"
refuse "ranges in another order" "does not come after the one before it" trim k.raw "$(domid one)" "1024 512" "0 512"
refuse "an empty range" "is empty" trim k.raw "$(domid one)" "0 0"
refuse "a domain by its name" "the id of a running domain" trim k.raw one "0 512"
refuse "no ranges" "needs an 'unused'" edited "s/<unused.*//; s/.*<.unused>//" k.raw 1
refuse "a source beside them" "source" edited "s/<unused/<source pool='vault'\/>&/" k.raw 1
trim_xml k.raw "$(domid one)" "0 $MIB" >"$DAEMON_DIR/xml/flags.xml"
refuse "flags" "unsupported flags" virsh vol-create data "$DAEMON_DIR/xml/flags.xml" --prealloc-metadata
nothing_freed "all of that"

note "A raw and a qcow2 volume"
in_background raw trim k.raw "$(domid one)" "$((4 * MIB)) $((4 * MIB))" "$((8 * MIB)) $((4 * MIB))"
try "the daemon has the raw volume" waited held k.raw
in_background qcow2 trim q.qcow2 "$(domid one)" "$((4 * MIB)) $((8 * MIB))"
try "and the qcow2 one" waited held q.qcow2
refuse "it is not trimmed a second time" "is being trimmed" trim k.raw "$(domid one)" "0 512"
refuse "nor deleted" "is being trimmed" virsh vol-delete k.raw --pool data
refuse "nor wiped" "is being trimmed" virsh vol-wipe k.raw --pool data
refuse "its pool is not stopped" "is being trimmed" virsh pool-destroy data
try "the guest that has it goes on" guest_run one "dd if=\$(disk vda) of=/dev/null bs=1M count=1"
guest_define three "$(disk vda k.raw)" >/dev/null
refuse "no other guest gets it" "lock" virsh start three
same "nothing is freed before the guest has ended" "$(allocated k.raw)" "${ALLOCATED% *}"
before=$(allocated q.qcow2)
try "the guest ends" virsh destroy one
like "the raw volume is trimmed" "$(answer raw)" "^status 0$"
like "and the qcow2 one" "$(answer qcow2)" "^status 0$"
same "half of the raw volume is free" "$(allocated k.raw)" $((${ALLOCATED% *} - 8))
try "and half of the other" test "$(allocated q.qcow2)" -le $((before - 7))
try "which is whole" "$DAEMON_IN" qemu-img check -q -f qcow2 "$DATA/q.qcow2"
try "a guest starts from both" guest_start one
same "what was not freed is as before" "$(sums one vda)" "$raw"
same "in qcow2 as well" "$(sums one vdb)" "$qcow2"
try "it can write where was nothing" eval 'write_all one vda && guest_stop one'

note "A range that is not there, a daemon that dies"
try "a guest starts" guest_boot one "$(disk vda k.raw)"
in_background beyond trim k.raw "$(domid one)" "$((15 * MIB)) $((2 * MIB))"
try "the daemon has the volume" waited held k.raw
try "the guest ends" guest_stop one
like "what is beyond the end is refused" "$(answer beyond)" "qemu-io.*status 1|status 1"
try "a guest starts" guest_boot one "$(disk vda k.raw)"
in_background open trim k.raw "$(domid one)" "0 $MIB"
try "the daemon has the volume" waited held k.raw
try "somebody opens it, as an upload or a loop device does, and the guest ends" eval \
    'exec 7<>"$DATA/k.raw" && guest_stop one'
sleep 1
refuse "no other guest gets it now, either" "lock" virsh start three
try "it is not trimmed as long as that lasts" not ended open
exec 7>&-
like "but then" "$(answer open)" "^status 0$"
try "a guest starts" guest_boot one "$(disk vda k.raw)"
kept=$(sums one vda)
in_background killed trim k.raw "$(domid one)" "$((4 * MIB)) $((8 * MIB))"
try "the daemon has the volume" waited held k.raw

note "The first one waits no longer"
like "the domain that did not end is named" "$(answer patience)" "in use by the running domain 'two'"
try "its volume is nobody's any more" not held w.raw
same "and as it was" "$(sums two vda)" "$third"

daemon_kill
try "the daemon is back" linked_launch
try "and knows of nothing" not held k.raw
same "the guest has lost nothing" "$(sums one vda)" "$kept"
guest_stop one

note "virt-lukshdr trim"
FAKE=$DAEMON_WORK/guestfs
mkdir -p "$FAKE"
ln -s "$(preload guestfs)" "$FAKE/libguestfs.so.0"
printf '#!/bin/sh\nexec virsh -q start guestfs-x\n' >"$FAKE/launch"
printf '#!/bin/sh\nexec virsh -q destroy guestfs-x\n' >"$FAKE/shutdown"
chmod 755 "$FAKE/launch" "$FAKE/shutdown"
file_systems() {
    printf '%s\n' "$@" >"$FAKE/filesystems"
}
file_systems /dev/sda1 ext4 /dev/sda2 xfs /dev/sda3 ntfs /dev/sda4 swap
echo /dev/sda2 >"$FAKE/broken"
printf '%s\n' "Filesystem state" clean >"$FAKE/tune2fs"
echo "ready 32768" >"$FAKE/begin"
# what was discarded is 4 to 12 MiB; a MiB in the middle was written to again
echo 5 >"$FAKE/end"
printf '%s\n' 5/5 "D 8192 8192" "R 0 8" "D 16384 8192" "WS 16384 2048" "FF 0 0" >"$FAKE/trace"

# vl_trim ARGUMENT...: virt-lukshdr trim.
vl_trim() {
    FAKE_GUESTFS=$FAKE LD_LIBRARY_PATH=$FAKE vl trim "$@"
}
guest_define guestfs-x "$(disk vda k.raw)" >/dev/null
# bad_trace WHAT SED: the trace is edited, and what comes of that is not believed.
bad_trace() {
    cp "$FAKE/trace" "$FAKE/kept" && sed -i "$2" "$FAKE/trace"
    status "$1" 1 "has not traced all" vl_trim --yes k.raw
    mv "$FAKE/kept" "$FAKE/trace"
}
ALLOCATED="$(allocated k.raw) $(allocated w.raw)"
status "it asks, and nobody answers" 6 "hibernated" vl_trim k.raw
bad_trace "entries are missing" 's|5/5|5/6|'
bad_trace "a request is missing" '$d'
bad_trace "something is not a request" 's/R 0 8/R 0/'
bad_trace "a range beyond the end" 's/D 16384/D 26384/'
bad_trace "numbers beyond all bounds" 's/16384 8192/99999999999999999999 8192/'
echo 'the kernel says no' >"$FAKE/begin"
status "a kernel that cannot trace" 1 "cannot trace what is discarded: the kernel says no" vl_trim --yes k.raw
echo RAID >"$FAKE/begin"
status "a disk of a RAID" 6 "is a disk of a RAID" vl_trim --yes k.raw
echo "ready 32767" >"$FAKE/begin"
status "another disk" 1 "cannot trace what is discarded: ready 32767" vl_trim --yes k.raw
echo "ready 32768" >"$FAKE/begin"
status "without libguestfs" 1 "install it \(package libguestfs0" env LD_LIBRARY_PATH="$DAEMON_WORK" FAKE_GUESTFS="$FAKE" \
    "$DAEMON_IN" unshare -m sh -c 'for i in $(ldconfig -p | sed -n "s/.*libguestfs.so.0 .*=> //p"); do
        mount --bind /dev/null "$i"; done; exec "$@"' sh "$VL" trim --yes k.raw
file_systems /dev/sda1 ext4 /dev/sda2 swsuspend
status "a hibernated guest" 6 "the guest is hibernated" vl_trim --yes k.raw
file_systems /dev/sda1 ext4 /dev/sda2 xfs /dev/sda3 ntfs /dev/sda4 swap
nothing_freed "all of that"
status "it is done" 0 "^Volume data/k.raw has 8.*MiB allocated, 15.*before" vl_trim --yes k.raw
like "what was looked at" "$OUT" "^/dev/sda1: looked at"
like "what was left out, and why" "$OUT" "^/dev/sda2: left out \(mount: bad superblock\)"
like "NTFS, which ntfs-3g makes forget its journal" "$OUT" "^/dev/sda3: left out \(this kind is not trimmed\)"
same "but for what was written again" "$(allocated k.raw)" $((${ALLOCATED% *} - 7))
same "libguestfs had the disk by libvirt, and discards" "$(cat "$FAKE"/{backend,append,drive})" "libvirt:qemu:///system
md_mod.start_ro=1
$DATA/k.raw
1 raw
4 lukshdr
10 enable"

for state in "clean with errors" ""; do
    printf '%s\n' "Filesystem state" "$state" >"$FAKE/tune2fs"
    [ -n "$state" ] || : >"$FAKE/tune2fs"
    like "a file system in state '$state'" "$(vl_trim --yes k.raw 2>&1)" "^/dev/sda1: left out \(it has errors"
done
virsh undefine guestfs-x

note "A pool in a directory that is a symbolic link"
"$DAEMON_IN" mkdir "$DAEMON_IMAGES/real" && "$DAEMON_IN" ln -s real "$DAEMON_IMAGES/other"
try "it is started" pool_make other "$DAEMON_IMAGES/other"
linked_xml s.raw raw | create_in other >/dev/null
guest_define guestfs-x "$(disk_xml vda "$DAEMON_IMAGES/real/s.raw" raw)" >/dev/null
printf '%s\n' "Filesystem state" clean >"$FAKE/tune2fs"
status "libguestfs names the file by its real path" 0 "^Volume other/s.raw has" vl_trim --yes other/s.raw
virsh undefine guestfs-x

note "What virt-lukshdr trim refuses"
guest_define one "$(disk vda k.raw)" >/dev/null
rm "$FAKE/launch"
try "a guest starts" guest_start one
status "a volume in use" 6 "in use by domain 'one'; shut the domain down first" vl_trim --yes k.raw
try "it is saved" virsh managedsave one
status "a saved domain" 6 "domain 'one' was saved with volume 'k.raw' mounted" vl_trim --yes k.raw
virsh dumpxml one --inactive >"$DAEMON_DIR/xml/one.xml"
guest_xml one "$(disk vda free.raw)" | sed "s|<name>one</name>|&$(grep -o "<uuid>.*</uuid>" "$DAEMON_DIR/xml/one.xml")|" \
    >"$DAEMON_DIR/xml/changed.xml"
try "its configuration changes" virsh define "$DAEMON_DIR/xml/changed.xml"
status "what was saved still has the volume" 6 "domain 'one' was saved with volume 'k.raw' mounted" vl_trim --yes k.raw
try "it is forgotten" virsh managedsave-remove one
try "and has the volume again" virsh define "$DAEMON_DIR/xml/one.xml"
try "a plain overlay in a pool" qemu-img create -q -f qcow2 -F raw -b "$DATA/k.raw" "$DATA/plain-over.qcow2"
virsh pool-refresh data
status "which stands on the volume" 6 "volume 'plain-over.qcow2' of pool 'data' is an overlay that stands on volume 'k.raw'" \
    vl_trim --yes k.raw
virsh vol-delete plain-over.qcow2 --pool data
status "a volume that is not linked" 1 "is not a linked volume" vl_trim --yes data/plain.raw
"$DAEMON_IN" mv "$VAULT/k.raw.luks" "$VAULT/away"
status "one without its header" 1 "is not in good order" vl_trim --yes k.raw
"$DAEMON_IN" mv "$VAULT/away" "$VAULT/k.raw.luks"
cat >"$DAEMON_DIR/snapshot.xml" <<XML
<domainsnapshot><disks><disk name='vda' snapshot='external'><driver type='qcow2'/>
  <source file='$DAEMON_IMAGES/over.qcow2'>
    <encryption format='luks'><secret type='passphrase' uuid='$SECRET_UUID'/></encryption>
  </source></disk></disks></domainsnapshot>
XML
try "a snapshot is made" virsh snapshot-create one "$DAEMON_DIR/snapshot.xml" --disk-only
status "a volume below an overlay" 6 "domain 'one' has an overlay, such as a snapshot's, that stands on volume 'k.raw'" vl_trim --yes k.raw

daemon_stop
finish
