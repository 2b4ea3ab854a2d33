#!/bin/bash
# Linked volumes whose payload is an image on Ceph and whose header is a file: from vol-create to vol-delete, what
# is refused, and what the image's name has to do with it: nothing. Guests are in payload-guest.sh.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/images.sh"

[ -x "$VL" ] || skip_all "needs $VL: build first, or set BUILDDIR"

TEXT="what nobody on the cluster may know: $RANDOM $RANDOM"

try "a daemon with a header pool and a pool on Ceph starts" images_start || finish

# secrets: the UUIDs of all libvirt secrets.
secrets() {
    virsh secret-list | awk 'NF { print $1 }' | sort
}
BEFORE=$(secrets)

# While there is no link, nothing but stock asks the cluster.
declare -A STOCK
try "a plain image is made" virsh vol-create-as images plain 16M
for what in dumpxml delete; do
    try "it gets vol-$what" connections virsh "vol-$what" plain images
    STOCK[$what]=$CONNECTIONS
done
same "which stock connects for once each" "${STOCK[*]}" "1 1"

note "A linked volume"
try "is made" image one 64 || finish
same "the image has its capacity" "$(size_of one)" $((64 * MIB))
same "the header its size and mode" "$(stat -c '%s %a' "$VAULT/one.luks")" "$((4 * MIB)) 600"
try "either end shows the other" is_linked one
like "and the secret" "$(shown one images)" "<secret type='passphrase' uuid='$SECRET_UUID'/>"
like "libvirt shows the capacity" "$(virsh vol-dumpxml one images)" "<capacity unit=.bytes.>$((64 * MIB))</capacity>"
same "one link is registered" "$(links | wc -l)" 1
try "the header opens" opens "$VAULT/one.luks"
like "its label names the payload" "$(tail -c +$((2 * MIB + 1)) "$VAULT/one.luks" | tr -d '\0')" \
    '<payload pool="images" volume="one" format="raw"'
try "the tool lists it" vl list
like "as what it is" "$OUT" "^images/one +raw +64\.0.MiB +vault/one\.luks +$SECRET_UUID +ok"
for name in images/one one vault/one.luks; do
    try "info $name" vl info "$name"
    like "says which it is" "$OUT" '^Volume: +images/one$'
done
like "and where" "$OUT" 'rbd:images/one'
same "list --json says where" "$(vl list --json 2>/dev/null | jq -c '.[].payload | [.path, .remote.name, .remote.user]')" \
    '[null,"images/one","libvirt"]'
try "check" vl check
like "has nothing to say against it" "$OUT" 'links checked: 1, things found: 0'
try "QEMU opens the two, and writes" into one "$VAULT/one.luks" "$TEXT"
same "and reads" "$(out_of one "$VAULT/one.luks")" "$TEXT"
file=$(exported one)
unlike "the image does not begin as LUKS does" "$(head -c 4 "$file" | tr -d '\0')" "LUKS"
same "it has nothing of the text" "$(grep -c -aF "${TEXT:0:20}" "$file")" 0
for pool in images vault; do
    try "pool-refresh $pool" virsh pool-refresh "$pool"
done
try "the link is still there" is_linked one
try "the daemon starts again" images_launch
try "so it is then" is_linked one
unchanged "another of that name" "exists already" image one

note "Its size"
before=$(sha256sum <"$VAULT/one.luks")
try "it grows" virsh vol-resize one 80M images
same "which is the image's" "$(size_of one)" $((80 * MIB))
same "the header knows nothing of it" "$(sha256sum <"$VAULT/one.luks")" "$before"
same "what was written is there" "$(out_of one "$VAULT/one.luks")" "$TEXT"

note "Somebody else has the image open"
mkfifo "$DAEMON_WORK/hold"
# hold COMMAND...: somebody opens the image one, and has it open until let_go.
hold() {
    "$@" <"$DAEMON_WORK/hold" >"$DAEMON_WORK/hold.log" 2>&1 &
    HOLDER=$!
    exec {HOLD}>"$DAEMON_WORK/hold" && waited watched one
}
let_go() {
    echo quit >&"$HOLD"
    exec {HOLD}>&-
    # rbd watch waits for a line, and for nothing else; qemu-io and qemu-storage-daemon are told to end
    waited not watched one && wait "$HOLDER"
}
in_use() {
    try "$1 has it open" hold "${@:2}"
    unchanged "vol-delete while $1 has it open" "in use|has .*open|watche" virsh vol-delete one images
    unchanged "vol-wipe while $1 has it open" "in use|has .*open|watche" virsh vol-wipe one images
    try "$1 lets it go" let_go
}
in_use "rbd watch" rbd watch images/one
in_use "qemu-io" qemu-io -r --object "$(image_key libvirt)" "$(image_url images/one libvirt)"

note "A snapshot keeps what was there"
rbd snap create images/one@kept --no-progress
unchanged "vol-delete of an image with a snapshot" "snapshot" virsh vol-delete one images
try "the header opens still" opens "$VAULT/one.luks"
rbd snap rm images/one@kept --no-progress

note "What an image is, and what it is called"
rbd cp images/one images/copy --no-progress
virsh pool-refresh images
try "a copy is plain" is_plain copy
try "the link is the original's" is_linked one
before=$(state)
try "the copy is deleted" virsh vol-delete copy images
same "and nothing else" "$(state)" "$(grep -v '^copy ' <<<"$before")"
rbd rename images/one images/other
virsh pool-refresh images
like "an image that was renamed is the payload" "$(shown other images)" "<source pool='vault' volume='one.luks'/>"
rbd create images/one --size 16M
virsh pool-refresh images
like "another in its place is shown as that" "$(shown one images)" "state='payload-replaced'"
for command in "vol-delete one images" "vol-wipe one images" "vol-resize one 24M images"; do
    # shellcheck disable=SC2086 # words
    unchanged "and is left alone: $command" \
        "'rbd:images/one' is not the image that was recorded by that name, the payload volume 'one' of pool 'images'" \
        virsh $command
done
rbd rm images/one --no-progress
rbd rename images/other images/one
virsh pool-refresh images
try "it gets its name back" is_linked one

note "An image that has gone"
# says FROM REGEX: the log has it, in the end, behind line FROM.
said() {
    tail -n "+$1" "$DAEMON_LOG" | grep -Eq -- "$2"
}
says() {
    try "the log says: $2" waited said "$@"
}
log_end() {
    echo $(($(wc -l <"$DAEMON_LOG") + 1))
}
missing() {
    virsh vol-dumpxml "$1.luks" vault | grep -q "<source pool='images' volume='$1' state='missing'/>"
}
try "another linked volume" image gone
from=$(log_end)
try "it is moved to the trash" rbd trash mv images/gone
try "an image of its name is made" rbd create images/gone --size 16M
try "and the payload of the other is renamed" rbd rename images/one images/other
virsh pool-refresh images
says "$from" "has lost volume 'gone' of pool 'images' .* trash restore"
try "its header shows that it is missing" missing gone
unlike "that of the renamed one does not" "$(virsh vol-dumpxml one.luks vault)" missing
unlike "nor has the log it" "$(tail -n "+$from" "$DAEMON_LOG")" "volume 'one'"
rbd rm images/gone --no-progress
try "it is brought back" rbd trash restore --pool images \
    --image-id "$(link_show gone | grep -o 'type="rbd" id="[^"]*"' | sed 's/.*:\(.*\)"/\1/')"
rbd rename images/other images/one
from=$(log_end)
virsh pool-refresh images
says "$from" "Volume 'gone' of pool 'images'.* is back"
unlike "its header shows that" "$(virsh vol-dumpxml gone.luks vault)" missing
rbd rm images/gone --no-progress
try "it is removed while no daemon runs" daemon_kill
from=$(log_end)
try "which starts again" images_launch
says "$from" "has lost volume 'gone' of pool 'images'"
unchanged "its name is kept for it" "still registered .*virt-lukshdr forget images/gone" image gone
try "the link is given up" vl forget --yes images/gone
try "its header is deleted" virsh vol-delete gone.luks vault

note "Once an operation connects to the cluster"
try "vol-dumpxml" connections virsh vol-dumpxml one images
same "once more than stock" "$CONNECTIONS" $((STOCK[dumpxml] + 1))
try "a second one" image two
try "vol-wipe" connections virsh vol-wipe two images
same "once, and stock not at all" "$CONNECTIONS" 1
try "vol-delete" connections virsh vol-delete two images
same "once more than stock" "$CONNECTIONS" $((STOCK[delete] + 1))

note "A key that is taken away"
virsh secret-dumpxml "$CEPH_UUID" >"$DAEMON_DIR/xml/ceph.xml"
try "the link is seen" is_linked one
secret_file <"$CEPH_DIR/guest.key"
try "the secret gets the key of another user" virsh secret-set-value "$CEPH_UUID" --file "$DAEMON_DIR/xml/value"
# Ceph's library tries a key that is wrong until its deadline.
unchanged "vol-wipe with a wrong key" "has not answered|refuses access" virsh vol-wipe one images
try "the secret is removed" virsh secret-undefine "$CEPH_UUID"
unchanged "vol-wipe without a key" "$CEPH_UUID|[Ss]ecret" virsh vol-wipe one images
try "it comes back" ceph_secret libvirt "$CEPH_UUID"
try "the link is seen again" is_linked one
try "the header opens" opens "$VAULT/one.luks"

note "It is deleted"
exec {witness}<"$VAULT/one.luks"
cp "$VAULT/one.luks" "$DAEMON_WORK/kept"
try "vol-delete" virsh vol-delete one images
try "no key material is left where it was" erased "/proc/self/fd/$witness" "$DAEMON_WORK/kept"
exec {witness}<&-
same "no image" "$(rbd ls images)" ""
nothing_left "vol-delete"
same "the secret of somebody else stays" "$(secrets)" "$BEFORE"

note "It is wiped"
try "another is made" image two
try "and written to" into two "$VAULT/two.luks" "$TEXT"
exec {witness}<"$VAULT/two.luks"
cp "$VAULT/two.luks" "$DAEMON_WORK/kept"
try "vol-wipe" virsh vol-wipe two images
try "no key material is left" erased "/proc/self/fd/$witness" "$DAEMON_WORK/kept"
exec {witness}<&-
refuse "nothing opens it" "." opens "$VAULT/two.luks"
like "the link says so" "$(link_show two)" 'state="wiped"'
try "it is deleted" virsh vol-delete two images
nothing_left "that"

note "A generated secret"
try "a volume without a secret in its XML is made" image own 16 ""
uuid=$(shown own images | sed -n "s|.* uuid='\([^']*\)'.*|\1|p")
same "one secret more" "$(comm -13 <(echo "$BEFORE") <(secrets))" "$uuid"
like "which says whose it is" "$(virsh secret-dumpxml "$uuid")" "images/own"
try "it is deleted" virsh vol-delete own images
same "the secret has gone with it" "$(secrets)" "$BEFORE"
nothing_left "that"

note "Encryption defaults"
# with_default POOL: the rbd pool images has an encryption default that names that header pool.
with_default() {
    ceph_pool_xml images libvirt "$CEPH_UUID" "<encryption format='luks'><header type='volume'>
        <source pool='$1'/></header></encryption>" >"$DAEMON_DIR/xml/pool-images.xml" &&
        virsh pool-define "$DAEMON_DIR/xml/pool-images.xml"
}
virsh pool-destroy images && virsh pool-undefine images
try "a pool gets one" with_default vault
virsh pool-start images
try "a volume is made there as if nothing was" virsh vol-create-as images clerk 16M
try "it is linked" is_linked clerk
try "a plain one is asked for" create_in images <<<"<volume><name>plain</name><capacity>16777216</capacity><target>
    <encryption format='none'/></target></volume>"
try "and is one" is_plain plain
for name in clerk plain; do
    try "$name is deleted" virsh vol-delete "$name" images
done
same "no secret is left" "$(secrets)" "$BEFORE"
nothing_left "that"
virsh pool-destroy images && virsh pool-undefine images
try "the pool has none any more" ceph_pool images libvirt "$CEPH_UUID"

finish
