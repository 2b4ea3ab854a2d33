#!/bin/bash
# An attacker who can write to the header pool puts back an older header, in which a passphrase works that was
# removed since. The registry knows of a later header, so the older one is refused until an administrator takes
# it on purpose.
# shellcheck disable=SC2154,SC2317 # set by linked.sh; functions called by way of waited
set -u
. "$(dirname "$0")/../lib/linked.sh"
. "$(dirname "$0")/../lib/label.sh"

linked_start host || exit 1
quick_keys
try "a linked volume" create one.raw raw
header=$VAULT/one.raw.luks
renew() {
    "$DAEMON_IN" "$BUILDDIR/tools/virt-lukshdr" link data/one.raw --yes
}
read_out() {
    virsh vol-create-from data <(echo "<volume><name>x</name><target><format type='raw'/></target></volume>") \
        one.raw --inputpool data && virsh vol-delete x data
}
generation() {
    link_show one.raw | sed -n 's/.*generation="\([0-9]*\)".*/\1/p'
}
"$DAEMON_IN" cp "$header" "$DAEMON_DIR/old"
printf %s "$PASSPHRASE" >"$DAEMON_DIR/first"
printf second >"$DAEMON_DIR/second"
"$DAEMON_IN" cryptsetup luksAddKey -q --iter-time 10 --key-file "$DAEMON_DIR/first" "$header" "$DAEMON_DIR/second"
try "its keys are changed" renew
same "which is generation 1" "$(generation)" 1
try "it can be read" read_out
"$DAEMON_IN" cp "$header" "$DAEMON_DIR/new"

note "The old header is put back"
put_back() {
    "$DAEMON_IN" dd if="$1" of="$header" conv=notrunc status=none
}
put_back "$DAEMON_DIR/old"
refuse "it is noticed, with what to do" "an older header.*virt-lukshdr link data/one.raw" read_out
virsh pool-destroy vault
virsh pool-start vault
refuse "also after the pool was started again" "an older header" read_out
daemon_kill
linked_launch
refuse "also after the daemon was" "an older header" read_out
put_back "$DAEMON_DIR/new"
try "the newest is taken without a word" read_out

note "It is taken knowingly"
put_back "$DAEMON_DIR/old"
try "with one command" renew
same "which is a generation above all known" "$(generation)" 2
try "then it can be read" read_out
put_back "$DAEMON_DIR/new"
refuse "and what was newer is older now" "an older header" read_out

note "Keys that were changed on another host"
put_back "$DAEMON_DIR/old"
renew
before=$(generation)
digest=$(head -c 2066432 "$header" | sha256sum | cut -c 1-64)
label_write "$header" < <(link_show one.raw | sed '/^<!--/d' |
    sed "s/generation=\"[0-9]*\"/generation=\"$((before + 5))\"/")
try "are taken" read_out
virsh pool-destroy vault
virsh pool-start vault
recorded() {
    [ "$(generation)" = "$1" ]
}
try "and recorded when the pool is started" waited recorded $((before + 5))
like "with their digest" "$(link_show one.raw)" "$digest"
daemon_stop
finish
