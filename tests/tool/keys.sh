#!/bin/bash
# virt-lukshdr key-add, key-remove and key-change: which passphrases open the volume afterwards, and that no
# passphrase is where others can see it.

# shellcheck disable=SC2317 # many functions are called by way of try
PASSPHRASE=first-$RANDOM-Xq7$RANDOM
# the daemon parts with a client that has been silent for six seconds although it had said that it would answer
export DAEMON_LIBVIRTD_CONF="keepalive_interval = 1
keepalive_count = 5"
. "$(dirname "$0")/lib/vl.sh"

need_command jq qemu-io cryptsetup
try "a daemon starts" linked_start || finish
quick_keys
create one raw >/dev/null && create two qcow2 >/dev/null

# pass NAME TEXT: a file with a passphrase.
pass() {
    (umask 077 && printf %s "$2" >"$DAEMON_DIR/xml/$1")
    [ "$DAEMON_RUNS" = system ] || chown nobody: "$DAEMON_DIR/xml/$1" 2>/dev/null
}
pass 1 "$PASSPHRASE"
pass 2 "second-$PASSPHRASE"
pass 3 "third-$PASSPHRASE"
pass wrong nonsense
P=$DAEMON_DIR/xml
TIME=(--iter-time 10)

# opens VOLUME NUMBER: whether passphrase NUMBER opens its header, by another implementation of LUKS.
opens() {
    cryptsetup open --test-passphrase --type luks1 --header "$VAULT/$1.luks" --key-file "$P/$2" "$DATA/one"
}

slots() {
    said vl key-list one --json | jq -c '[.[]|select(.active).slot]'
}

state() {
    said vl info "$1" --json | jq -r .link.state
}

# --- add

try "a key is added" vl key-add one --passphrase-file "$P/1" --new-passphrase-file "$P/2" "${TIME[@]}"
same "it has the next slot" "$(slots)" "[0,1]"
try "the old one opens" opens one 1
try "the new one opens" opens one 2
same "the label fits" "$(state one)" ok
try "a third, into a chosen slot, by descriptors" eval \
    'vl key-add one --passphrase-fd 5 --new-passphrase-fd 6 --slot 7 "${TIME[@]}" 5<"$P/2" 6<"$P/3"'
same "it is there" "$(slots)" "[0,1,7]"
try "it opens" opens one 3
before=$(sha256sum <"$VAULT/one.luks")
status "with a wrong passphrase nothing is added" 1 'Invalid password' \
    vl key-add one --passphrase-file "$P/wrong" --new-passphrase-file "$P/2" "${TIME[@]}"
status "a slot that is in use" 1 'active keyslot 1' \
    vl key-add one --passphrase-file "$P/1" --new-passphrase-file "$P/2" --slot 1 "${TIME[@]}"
status "a slot that there is not" 2 'slots 0 to 7' \
    vl key-add one --passphrase-file "$P/1" --new-passphrase-file "$P/2" --slot 8
: >"$P/empty"
chmod 644 "$P/empty"
status "an empty passphrase" 1 'no passphrase in it' \
    vl key-add one --passphrase-file "$P/1" --new-passphrase-file "$P/empty"
status "a private secret, and nobody to ask" 6 'no terminal to ask at' vl key-add one --new-passphrase-file "$P/2"
same "nothing was changed" "$(sha256sum <"$VAULT/one.luks")" "$before"

# --- remove

try "a key is removed by its slot" vl key-remove one --slot 7 --passphrase-file "$P/2"
refuse "it does not open any more" 'No key available' opens one 3
status "a slot that is free" 1 'slot 7 is free' vl key-remove one --slot 7 --passphrase-file "$P/2"
status "a passphrase that is none" 1 'Invalid password' vl key-remove one --passphrase-file "$P/wrong"
status "the one that libvirt's secret has" 1 'keys are as they were' vl key-remove one --passphrase-file "$P/1"
try "still opens" opens one 1
same "the label fits" "$(state one)" ok
try "another by itself" vl key-remove one --passphrase-file "$P/2"
refuse "it does not open any more" 'No key available' opens one 2
status "the last" 6 'the last key' vl key-remove one --passphrase-file "$P/1"
status "the last by its slot" 6 'the last key' vl key-remove one --slot 0 --passphrase-file "$P/1"
try "still opens" opens one 1

# --- change

try "the passphrase that the secret has is changed" \
    vl key-change one --passphrase-file "$P/1" --new-passphrase-file "$P/2" "${TIME[@]}"
refuse "the old one does not open any more" 'No key available' opens one 1
try "the new one does" opens one 2
same "the label fits" "$(state one)" ok
try "the daemon's secret opens it: it is cloned" eval \
    'printf "<volume><name>copy</name><capacity>0</capacity><target><format type=\"raw\"/></target></volume>" >"$P/copy.xml" &&
        virsh vol-create-from data "$P/copy.xml" one --inputpool data'
try "and back" vl key-change one --passphrase-file "$P/2" --new-passphrase-file "$P/1" "${TIME[@]}"
vl key-add one --passphrase-file "$P/1" --new-passphrase-file "$P/3" "${TIME[@]}"
try "one that the secret has not is changed" \
    vl key-change one --passphrase-file "$P/3" --new-passphrase-file "$P/2" "${TIME[@]}"
refuse "the old one does not open any more" 'No key available' opens one 3
try "the new one does" opens one 2
try "the secret's still does" opens one 1
status "to what it is already" 6 'is the old one' \
    vl key-change one --passphrase-file "$P/1" --new-passphrase-file "$P/1"

# --- a secret that can be read needs no passphrase

cat >"$P/open.xml" <<XML
<secret ephemeral='no' private='no'><uuid>6b0e5a1a-0a44-4b8e-8f3f-2f0f8c1f9c22</uuid>
  <usage type='volume'><volume>open</volume></usage></secret>
XML
virsh secret-define "$P/open.xml"
virsh secret-set-value 6b0e5a1a-0a44-4b8e-8f3f-2f0f8c1f9c22 --file "$P/2" --plain
try "the link gets another secret" vl link one --yes --secret 6b0e5a1a-0a44-4b8e-8f3f-2f0f8c1f9c22
try "its key is changed" vl key-change one --new-passphrase-file "$P/3" "${TIME[@]}"
same "and the secret's value" "$(virsh secret-get-value 6b0e5a1a-0a44-4b8e-8f3f-2f0f8c1f9c22 | base64 -d)" \
    "third-$PASSPHRASE"
try "the new one opens" opens one 3
refuse "the old one does not" 'No key available' opens one 2

# --- replicas follow

virsh vol-create-as vault copy.luks 4M
vl link one --yes --replica vault/copy.luks
try "a key more" vl key-add one --new-passphrase-file "$P/2" "${TIME[@]}"
try "the replica has it, too" cmp -n 2300000 "$VAULT/one.luks" "$VAULT/copy.luks"

# --- qemu-img, or a person at the terminal, takes a while

mkdir -p "$DAEMON_DIR/slow"
cat >"$DAEMON_DIR/slow/qemu-img" <<SH
#!/bin/sh
sleep 9
PATH=$PATH exec qemu-img "\$@"
SH
chmod 755 "$DAEMON_DIR/slow" "$DAEMON_DIR/slow/qemu-img"
try "the daemon waits while a key is stretched" env PATH="$DAEMON_DIR/slow:$PATH" "$DAEMON_IN" "$VL" \
    key-remove one --passphrase-file "$P/2"
try "it is added again" vl key-add one --new-passphrase-file "$P/2" "${TIME[@]}"

# --- nobody sees

tool qemu-img <<SH
{
    printf '%s\n' "\$0" "\$@"
    tr '\0' '\n' </proc/\$\$/environ
} >>"$DAEMON_DIR/seen"
exec "\$REAL" "\$@"
SH
: >"$DAEMON_DIR/seen"
chmod 666 "$DAEMON_DIR/seen"
try "qemu-img's arguments and environment are looked at" env PATH="$BIN:$PATH" "$DAEMON_IN" "$VL" \
    key-remove one --passphrase-file "$P/2"
like "it was called" "$(cat "$DAEMON_DIR/seen")" 'amend'
unlike "no passphrase is in there" "$(cat "$DAEMON_DIR/seen")" "$PASSPHRASE"
finish
