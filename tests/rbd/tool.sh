#!/bin/bash
# virt-lukshdr with a payload on Ceph and its header in a file: every command, by the names that libvirt gives
# volumes. What the tool writes of the chain opens the volume with the key of the cluster's user, which it does not
# print unless it is asked to.

# shellcheck disable=SC2317 # many functions are called by way of run and try
. "$(dirname "$0")/../guest/lib/disks.sh"
. "$(dirname "$0")/../tool/lib/vl.sh"
. "$(dirname "$0")/../lib/ceph.sh"

need_ceph
need_command jq qemu-io qemu-system-x86_64

CEPH_UUID=6f3f1c1e-1e0c-4c63-9d8e-7d0f3a6b9c21
HEADERS_UUID=7e1d0a52-0c0b-4b57-9c3e-5a0f6d2b1c93
OPEN_UUID=7c0d2f5a-41c3-4d0e-8e5b-0a4c5e6f7a82
# the secret objects' names
AUTH=lukshdr-1-storage-auth-secret0
HEADER_AUTH=lukshdr-1-header-storage-auth-secret0
TOP=lukshdr-1-format-encryption-secret0

try "a daemon starts" linked_start || finish
quick_keys
try "a Ceph cluster is there" ceph_start || finish
try "and a pool" eval 'ceph_secret libvirt "$CEPH_UUID" && ceph_pool images libvirt "$CEPH_UUID"' || finish
KEY=$(cat "$CEPH_DIR/libvirt.key")
printf %s "$PASSPHRASE" | secret_file
PASS=$DAEMON_DIR/xml/value
KEPT=$DAEMON_DIR/kept
mkdir -m 777 "$KEPT"

# on_ceph NAME FORMAT: a linked volume there.
on_ceph() {
    linked_xml "$1" "$2" >"$DAEMON_DIR/xml/in.xml" && virsh vol-create images "$DAEMON_DIR/xml/in.xml"
}
try "a linked volume is made" on_ceph one raw || finish
try "another" on_ceph two raw || finish
try "one beside the cluster" create local raw

note "What is there"
try "list" vl list
like "has the volume" "$OUT" "^images/one +raw +16\.0.MiB +vault/one\.luks +$SECRET_UUID +ok"
like "and the other" "$OUT" "^images/two +raw +16\.0.MiB +vault/two\.luks"
like "and the one beside" "$OUT" "^data/local "
unlike "not so of the pool alone" "$(vl list --pool images)" "^data/local"
json=$(said vl list --json --pool images | jq -c '[.[].payload | [.volume, .path, .remote]] | sort')
same "JSON says where, and no path" "$json" '[["one",null,{"protocol":"rbd","name":"images/one","servers":["127.0.0.1:'"$CEPH_PORT"'"],"user":"libvirt"}],["two",null,{"protocol":"rbd","name":"images/two","servers":["127.0.0.1:'"$CEPH_PORT"'"],"user":"libvirt"}]]'
for name in images/one one vault/one.luks; do
    try "info $name" vl info "$name"
    like "says which it is" "$OUT" '^Volume: +images/one$'
    like "and where" "$OUT" "^Payload: +rbd:images/one at 127.0.0.1:$CEPH_PORT\$"
done
status "it has no path" 4 "no active pool has '/images/one'" vl info /images/one
try "key-list" vl key-list images/one
try "check" vl check
like "has nothing to say against them" "$OUT" 'links checked: 3, things found: 0'

note "The chain"
LC_ALL=C try "the picture" vl chain one
same "shows the image" "$OUT" "lukshdr-1-format  luks  key-secret $TOP
|- file: lukshdr-1-storage  rbd  images/one  user libvirt  key-secret $AUTH
\`- header: lukshdr-1-header-format  raw
   \`- file: lukshdr-1-header-storage  file  $VAULT/one.luks"
like "dot, too" "$(said vl chain --format dot two)" 'nrbd.nimages/two'
refuse "a chain that has no secret gets no key's file" 'contains no secret' vl chain --format json --secret-in-clear one

# io VOLUME COMMAND: qemu-io through the form json.
io() {
    local json
    json=$(said vl chain --format json "$1") || return
    "$DAEMON_IN" qemu-io --object "secret,id=$TOP,file=$PASS" \
        --object "secret,id=$AUTH,format=base64,file=$CEPH_DIR/libvirt.key" \
        --object "secret,id=$HEADER_AUTH,format=base64,file=$CEPH_DIR/headers.key" -c "$2" "$json" 2>&1 |
        tee "$DAEMON_DIR/io"
    [ "${PIPESTATUS[0]}" -eq 0 ] && ! grep -Eqi 'fail|error|could not' "$DAEMON_DIR/io"
}
try "json says which objects QEMU's tools need" vl chain --format json one
like "the passphrase's" "$OUT" "secret,id=$TOP,file=FILE"
like "and the key's, by whose it is" "$OUT" "'libvirt'.*secret,id=$AUTH,format=base64,file=FILE"

# started ARGUMENT...: a QEMU starts with them, and reads what qemu-io wrote.
started() {
    local answer
    answer=$(printf '%s\n' '{"execute":"qmp_capabilities"}' \
        '{"execute":"human-monitor-command","arguments":{"command-line":"qemu-io lukshdr-1-format \"read -P 0x41 0 1M\""}}' \
        '{"execute":"quit"}' |
        "$DAEMON_IN" timeout "$TAP_PATIENCE" qemu-system-x86_64 -M q35 -accel tcg -m 64 -nodefaults \
            -display none -S -qmp stdio "$@" 2>&1)
    echo "$answer"
    grep -q '^read 1048576' <<<"$answer" && ! grep -Eqi 'fail|error' <<<"$answer"
}
# The same secret, its value not private.
open_secret() {
    cat >"$DAEMON_DIR/xml/open.xml" <<XML
<secret ephemeral='no' private='no'><uuid>$OPEN_UUID</uuid><usage type='ceph'><name>open</name></usage></secret>
XML
    virsh secret-define "$DAEMON_DIR/xml/open.xml" && secret_file <"$CEPH_DIR/libvirt.key" &&
        virsh secret-set-value "$OPEN_UUID" --file "$DAEMON_DIR/xml/value" || return
    printf %s "$PASSPHRASE" | secret_file
}
try "a secret whose value libvirt gives" open_secret
status "it gives nobody a private key" 6 "key of Ceph user 'libvirt', is private.*--auth-secret-file libvirt=FILE" \
    vl chain --format args --secret-in-clear --passphrase-file "$PASS" one
try "where nothing is said it names a file for the key" vl chain --format args one
like "and what is to be put there" "$OUT" "/run/$CEPH_UUID.ceph-key'.*'ceph auth print-key client.libvirt'"
status "what is no key is refused" 1 'holds no key as Ceph writes it' vl chain --format args --secret-in-clear \
    --passphrase-file "$PASS" --auth-secret-file <(printf '\n') one

for volume in one two; do
    try "$volume: qemu-io writes" io "$volume" 'write -P 0x41 0 1M'
    for secret in "--secret-file $PASS --auth-secret-file $CEPH_DIR/libvirt.key" \
        "--with-secret --master-key $KEPT/master --passphrase-file $PASS --auth-secret-file $CEPH_DIR/libvirt.key" \
        "--secret-in-clear --passphrase-file $PASS --auth-secret-file $CEPH_DIR/libvirt.key"; do
        # shellcheck disable=SC2086 # several options
        args=$(said vl chain --format args $secret "$volume")
        [ "${secret%% *}" = --secret-in-clear ] ||
            same "$volume: ${secret%% *}: the key is not in it" "$(grep -cF "$KEY" <<<"$args")" 0
        eval "args=(${args//\\$'\n'/ })"
        try "$volume: args, QEMU starts with ${secret%% *} and reads" started "${args[@]}"
    done
    refuse "$volume: other data would be noticed" 'Pattern verification failed' io "$volume" 'read -P 0x43 0 1M'
done
try "qmp" vl chain --format qmp --secret-file "$PASS" --auth-secret-file "$CEPH_DIR/libvirt.key" one
like "makes the object before the node" "$(tr -d '\n' <<<"$OUT")" "object-add[^}]*$AUTH.*blockdev-add[^}]*lukshdr-1-storage"
try "and takes it away behind it" vl chain --format qmp --unplug one
like "in that order" "$(tr -d '\n' <<<"$OUT")" "blockdev-del[^}]*lukshdr-1-storage.*object-del[^}]*$AUTH"
like "commandline has the object" "$(said vl chain --format commandline --secret-file "$PASS" one)" "$AUTH"

try "domain" vl chain --format domain one
like "is a network disk" "$OUT" "<disk type=\"network\""
like "with the image" "$OUT" "<source protocol=\"rbd\" name=\"images/one\">"
like "its server" "$OUT" "<host name=\"127.0.0.1\" port=\"$CEPH_PORT\"/>"
like "its user and the secret's name" "$OUT" "<secret type=\"ceph\" uuid=\"$CEPH_UUID\"/>"

note "A header whose user is another"
try "a pool of headers" eval 'ceph_secret headers "$HEADERS_UUID" && ceph_pool headers headers "$HEADERS_UUID" "" vault'
printf %s "$PASSPHRASE" | secret_file
linked_xml three raw "" "pool='headers'" >"$DAEMON_DIR/xml/in.xml"
try "a volume with its header there" virsh vol-create images "$DAEMON_DIR/xml/in.xml"
LC_ALL=C try "the picture" vl chain three
same "shows both users" "$(grep rbd <<<"$OUT")" "|- file: lukshdr-1-storage  rbd  images/three  user libvirt  key-secret $AUTH
   \`- file: lukshdr-1-header-storage  rbd  vault/three.luks  user headers  key-secret $HEADER_AUTH"
try "json names both keys" vl chain --format json three
like "the header's with the rest" "$OUT" "'headers'.*secret,id=$HEADER_AUTH,format=base64,file=FILE"
try "qemu-io writes" io three 'write -P 0x41 0 1M'
try "where nothing is said it names two files" vl chain --format args three
like "the header's" "$OUT" "/run/$HEADERS_UUID.ceph-key'.*--auth-secret-file headers=FILE"
like "and the payload's" "$OUT" "/run/$CEPH_UUID.ceph-key'.*--auth-secret-file libvirt=FILE"
status "one file is not for both" 2 "--auth-secret-file libvirt=FILE --auth-secret-file headers=FILE" \
    vl chain --format args --secret-file "$PASS" --auth-secret-file "$CEPH_DIR/libvirt.key" three
both=(--auth-secret-file "headers=$CEPH_DIR/headers.key" --auth-secret-file "$CEPH_DIR/libvirt.key")
for secret in "--secret-file $PASS" "--with-secret --master-key $KEPT/master --passphrase-file $PASS"; do
    # shellcheck disable=SC2086 # several options
    args=$(said vl chain --format args $secret "${both[@]}" three)
    same "${secret%% *}: no key is in it" "$(grep -cF -e "$KEY" -e "$(cat "$CEPH_DIR/headers.key")" <<<"$args")" 0
    eval "args=(${args//\\$'\n'/ })"
    try "args, QEMU starts with ${secret%% *} and reads" started "${args[@]}"
done
try "qmp" vl chain --format qmp --secret-file "$PASS" "${both[@]}" three
like "makes the key's object before the node" "$(tr -d '\n' <<<"$OUT")" \
    "object-add[^}]*$HEADER_AUTH.*blockdev-add[^}]*lukshdr-1-header-storage"
try "and takes it away behind it" vl chain --format qmp --unplug three
like "in that order" "$(tr -d '\n' <<<"$OUT")" "blockdev-del[^}]*lukshdr-1-header-storage.*object-del[^}]*$HEADER_AUTH"
like "commandline has the object" "$(said vl chain --format commandline --secret-file "$PASS" "${both[@]}" three)" \
    "$HEADER_AUTH"
unlike "domain says nothing of the header" "$(said vl chain --format domain three)" "headers|vault"
try "it is deleted" virsh vol-delete three images
virsh pool-destroy headers >/dev/null
virsh pool-undefine headers >/dev/null

note "By usage"
# A pool whose <auth> names its secret by usage, as the documentation of libvirt does.
by_usage() {
    ceph_pool_xml images libvirt "$CEPH_UUID" | sed "s|<name>images</name>|<name>usage</name>|;
        s|<secret uuid='[^']*'/>|<secret usage='open'/>|" >"$DAEMON_DIR/xml/pool.xml"
    # the first <name> is the pool's, the second the cluster's
    sed -i '0,/<source>/! s|<name>usage</name>|<name>images</name>|' "$DAEMON_DIR/xml/pool.xml"
    virsh pool-define "$DAEMON_DIR/xml/pool.xml" && virsh pool-start usage
}
virsh pool-destroy images >/dev/null
if try "a pool that names the secret by its usage" by_usage; then
    args=$(said vl chain --format args --secret-in-clear --passphrase-file "$PASS" \
        --header vault/one.luks usage/one)
    eval "args=(${args//\\$'\n'/ })"
    try "libvirt's own value opens the cluster" started "${args[@]}"
    virsh pool-destroy usage
    virsh pool-undefine usage
fi
status "the pool of the payload is not active" 4 "storage pool 'images' is not active" vl info images/one
try "and is started" virsh pool-start images

note "Headers"
try "header-backup" vl header-backup images/one "$KEPT/backup"
same "is the header" "$(sha256sum <"$KEPT/backup")" "$(sha256sum <"$VAULT/one.luks")"
status "a backup of another is not restored" 6 "images/one" vl header-restore two "$KEPT/backup"
printf new-one >"$KEPT/new"
chmod 644 "$KEPT/new"
try "key-add" vl key-add one --passphrase-file "$PASS" --new-passphrase-file "$KEPT/new"
like "two slots are in use" "$(vl info one)" '^Key slot 1: +in use'
try "key-remove" vl key-remove one --slot 1 --passphrase-file "$PASS"
try "key-change, and back" eval 'vl key-change one --passphrase-file "$PASS" --new-passphrase-file "$KEPT/new" &&
    vl key-change one --passphrase-file "$KEPT/new" --new-passphrase-file "$PASS"'
try "the payload opens" io one 'read -P 0x41 0 1M'
printf XXXX | dd of="$VAULT/one.luks" conv=notrunc status=none
status "check finds what is damaged" 7 "header 'one.luks' of pool 'vault' is damaged" vl check images/one
like "and says what to do" "$OUT" "virt-lukshdr header-restore images/one FILE"
try "header-restore" vl header-restore --force --force one "$KEPT/backup"
try "the payload opens" io one 'read -P 0x41 0 1M'
try "check has nothing to say" vl check images/one

note "Links"
try "link with a replica" eval 'virsh vol-create-as data copy.luks 4M --format raw &&
    vl link images/one --replica data/copy.luks --yes'
like "info shows it" "$(vl info one)" 'data/copy.luks'
try "check" vl check
try "and without" eval 'vl link one --no-replicas --yes && virsh vol-delete copy.luks data'
try "unlink" vl unlink images/two
unlike "list has it no more" "$(vl list)" "^images/two "
status "it is not linked" 1 "'two' of pool 'images' is not a linked volume" vl info images/two
LC_ALL=C try "by hand the chain can be had" vl chain --header vault/one.luks images/one
like "as it was" "$OUT" "file: lukshdr-1-storage  rbd  images/one  user libvirt"
try "link" vl link images/two vault/two.luks --secret "$SECRET_UUID"
like "list has it again" "$(vl list)" "^images/two .*ok"
try "the payload opens" io two 'read -P 0x41 0 1M'
status "not with another's header" 6 "is the header of images/one" vl chain --header vault/one.luks images/two

note "Copies"
try "convert to a file" vl convert images/one data/copy --secret "$SECRET_UUID"
like "which is linked" "$(vl list)" "^data/copy .*vault/copy\.luks"
try "convert to an image" vl convert data/copy images/again --secret "$SECRET_UUID"
try "which has it, too" io images/again 'read -P 0x41 0 1M'
try "both go" eval 'virsh vol-delete again images && virsh vol-delete copy data'

note "A guest"
try "a guest boots" guest_boot demo || finish
try "attach" vl attach demo images/one vdb --persistent --serial vdb
status "list says who uses it" 0 '^images/one .*in use by demo' vl list
unlike "and not the other" "$(vl list | grep two)" "in use"
try "the guest writes" guest_fill demo vdb "what a guest writes"
try "a key is added meanwhile: the header is a file" vl key-add one --passphrase-file "$PASS" \
    --new-passphrase-file "$KEPT/new" --iter-time 10
try "and removed" vl key-remove one --passphrase-file "$KEPT/new"
status "and the link" 1 'in use' vl unlink one
try "detach by the volume's name" vl detach demo images/one --persistent
same "the guest has it no more" "$(virsh domblklist demo | grep -c images/one)" 0
try "nobody uses it" waited not eval 'vl list | grep -q "in use"'
try "the guest ends" guest_stop demo
unlike "the image holds nothing of it" "$(rbd export images/one - --no-progress | tr -d '\0' | grep -ac 'what a guest writes')" '^[1-9]'

note "An image that somebody wrote over a payload"
try "check" vl check images/two
printf 'XFSB' | "$DAEMON_IN" tee "$DAEMON_DIR/plain" >/dev/null && truncate -s 16M "$DAEMON_DIR/plain"
try "it is written" qemu-img convert -n -f raw -O raw "$DAEMON_DIR/plain" "rbd:images/two:conf=$CEPH_DIR/ceph.conf"
status "check tells" 7 "^images/two: .*volume 'two' of pool 'images' .*: it holds an XFS file system in clear.*convert" \
    vl check images/two

note "The end"
try "erase" vl erase --yes one
status "its header opens nothing" 7 "images/one" vl check images/one
same "no key of the cluster is in the log" "$(grep -cF "$KEY" "$DAEMON_LOG")" 0
for name in one two; do
    try "$name is deleted" virsh vol-delete "$name" images
done
same "no image is left" "$(rbd ls images)" ""
try "the cluster ends in good order" ceph_stop
finish
