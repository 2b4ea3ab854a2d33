#!/bin/bash
# An attacker may write to a header pool. He makes a header ask for 2^32-1 iterations of key stretching, with a
# link label that fits it. Nobody starts a tool of QEMU's to compute that: vol-clone and linking end at once
# with a reason, and virt-lukshdr check names the header.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/faults.sh"

need_root
need_command qemu-img xxd openssl
try "a daemon starts" linked_start || finish
quick_keys
VIRT_LUKSHDR=$BUILDDIR/tools/virt-lukshdr

# relabel FILE: makes both slots of its label say what the header is, see src/link/label.h.
relabel() {
    local file=$1 at len text=$DAEMON_DIR/label
    for at in 2097152 $((2097152 + 131072)); do
        len=$((16#$(xxd -s $((at + 12)) -l 4 -p "$file")))
        tail -c +$((at + 48 + 1)) "$file" | head -c "$len" |
            sed "s/\(<digest[^>]*>\)[0-9a-f]\{64\}/\1$(key_material "$file")/" >"$text"
        [ "$(wc -c <"$text")" -eq "$len" ] || return
        openssl dgst -sha256 -binary "$text" | dd of="$file" bs=1 seek=$((at + 16)) conv=notrunc status=none
        dd if="$text" of="$file" bs=1 seek=$((at + 48)) conv=notrunc status=none
    done
}

# stretch FILE AT: the four bytes there become 2^32-1.
stretch() {
    printf '\377\377\377\377' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none && relabel "$1"
}

# As long as a machine may take that has nothing to compute; QEMU would take hours.
quickly() {
    timeout 300 "$@"
}

tool_check() {
    "$DAEMON_IN" timeout 300 "$VIRT_LUKSHDR" check "data/$1"
}

# Key slot 0 begins at byte 208 with whether it is in use; the iterations of the digest are at 164.
for at in 212 164; do
    try "a linked volume" create "one-$at" raw
    cp "$VAULT/one-$at.luks" "$DAEMON_DIR/whole"
    try "its label can be written again, and is still the link's" relabel "$VAULT/one-$at.luks"
    try "it is in good order" tool_check "one-$at"

    try "the iterations at byte $at become 2^32-1, and the label fits" stretch "$VAULT/one-$at.luks" "$at"
    refuse "$at: vol-clone says why it does not even begin" "hours of computing.*4294967295" \
        quickly "$DAEMON_IN" virsh -q vol-clone "one-$at" two --pool data
    refuse "$at: nor does linking it again" "hours of computing.*4294967295" eval \
        "linked_xml one-$at raw '' \"pool='vault' volume='one-$at.luks'\" |
            sed \"s/<header type='volume'>/<header type='volume' link='existing'>/\" >'$DAEMON_DIR/again.xml' &&
            quickly '$DAEMON_IN' virsh -q vol-create data '$DAEMON_DIR/again.xml'"
    refuse "$at: check names the header and what it asks for" \
        "header 'one-$at.luks' of pool 'vault' is damaged:.*hours of computing.*4294967295" tool_check "one-$at"
    same "$at: no clone is left" "$(find "$DATA" "$VAULT" -name 'two*')" ""

    cat "$DAEMON_DIR/whole" >"$VAULT/one-$at.luks"
    try "$at: with the header from a backup it is clonable" virsh vol-clone "one-$at" two --pool data
    try "and away" virsh vol-delete two data
done

alive "in the end"
finish
