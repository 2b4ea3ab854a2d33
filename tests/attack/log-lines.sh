#!/bin/bash
# A message can contain text that others wrote: names and formats from labels in a header pool to which
# several hosts may write, clients' XML, the output of QEMU's tools. Such text never begins a line of the
# daemon's log or of a client's error, and no terminal obeys it.
# shellcheck disable=SC2154 # set by linked.sh
set -u
. "$(dirname "$0")/../lib/linked.sh"

linked_start host || exit 1
quick_format || exit 1

# A line as the daemon's own are, and in a terminal's red; as XML has it, and as it may be seen
FORGED='2026-01-01 00:00:00.000+0000: 1: error : forgedByTheAttacker:1 : all is well'
ESCAPE=$'\xc2\x9b31m' # C1, which XML may hold: CSI as one character
HOSTILE="x&#10;$FORGED$ESCAPE&#13;"
IN_SED=$(printf %s "$HOSTILE" | sed 's/&/\\&/g') # what sed is to put somewhere

# forge HEADER SED-SCRIPT: the label of that header volume says something else, and has a right digest.
forge() {
    "$DAEMON_IN" python3 - "$VAULT/$1" "$2" <<'PY'
import hashlib, struct, subprocess, sys
path, script = sys.argv[1:]
offset, slot = 2 << 20, 128 << 10
with open(path, "r+b") as header:
    header.seek(offset)
    magic, version, length, _ = struct.unpack(">8sII32s", header.read(48))
    assert magic == b"LUKSHDR\n", magic
    text = header.read(length)
    after = subprocess.run(["sed", "-z", script], input=text, stdout=subprocess.PIPE, check=True).stdout
    assert after != text, text
    label = struct.pack(">8sII32s", magic, version, len(after), hashlib.sha256(after).digest()) + after
    for i in range(2):
        header.seek(offset + i * slot)
        header.write(label.ljust(slot, b"\0"))
PY
}

# forged TEXT: how many lines of it are the attacker's, or hold what a terminal obeys.
forged() {
    LC_ALL=C grep -aEc $'^2026-01-01 |\x1b|\xc2\x9b|\r' <<<"$1"
}

note "Labels of a shared header pool"
for name in state format name; do
    try "a linked volume, $name" create "$name.raw" raw
done
pid=$(daemon_pid)
daemon_kill
for name in state format name; do
    "$DAEMON_IN" rm "$(link_of "$name.raw")"
done
try "a label of an unknown state" forge state.raw.luks "s/state=\"[a-z]*\"/state=\"$IN_SED\"/"
try "a label with a format of two lines" forge format.raw.luks "s/ format=\"raw\"/ format=\"$IN_SED\"/"
# A volume that has such a name: libvirt knows tab, line feed and carriage return in it
"$DAEMON_IN" mv "$DATA/name.raw" "$DATA/x"$'\n'"$FORGED"
try "a label with a name of two lines" forge name.raw.luks \
    "s/volume=\"name.raw\"/volume=\"x\&#10;$FORGED\"/; s/ format=\"raw\"/ format=\"qcow2\"/"
linked_launch
[ "$(daemon_pid)" != "$pid" ] || fail "the daemon is another"
virsh pool-dumpxml vault --inactive | sed "s#<target>#<target><headers/>#" >"$DAEMON_DIR/xml/pool.xml"
try "the header pool is declared" virsh pool-define "$DAEMON_DIR/xml/pool.xml"
virsh pool-destroy vault
try "and started again" virsh pool-start vault
try "a label that cannot be read is spoken of" waited grep -aqF "state.raw.luks': " "$DAEMON_LOG"
try "and one with a format that is none" waited grep -aqF "format.raw" "$DAEMON_LOG"
like "the attacker's text reached the log" "$(cat "$DAEMON_LOG")" 'forgedByTheAttacker'
like "in a line of the daemon's own" "$(cat "$DAEMON_LOG")" 'unknown state of a link: .x\\x0a2026-01-01'
same "no line of the log is the attacker's, and a terminal obeys nothing in it" \
    "$(forged "$(cat "$DAEMON_LOG")")" 0

note "Clients' XML"
refuse "a volume's name" "cannot be the name" create_xml <<<"$(linked_xml "a/$HOSTILE" raw)"
same "is told to the client in one line" "$(forged "$OUT")" 0
refuse "the type of a header" "unknown type" create_xml <<<"$(linked_xml a raw |
    sed "s/header type='volume'/header type='$IN_SED'/")"
same "is, too" "$(forged "$OUT")" 0
same "and neither makes a line of the log" "$(forged "$(cat "$DAEMON_LOG")")" 0

note "What QEMU's tools say"
tool qemu-img <<SH
printf 'qemu-img: \\033[31mx\\n%s\\302\\2331m\\r\\377\\n' '$FORGED' >&2
exit 1
SH
refuse "a volume that cannot be formatted" "qemu-img.*x0a2026" create tool.raw raw
same "is told to the client in one line" "$(forged "$OUT")" 0
like "bytes that are no text are shown" "$OUT" '\\xff|�'
same "and makes no line of the log" "$(forged "$(cat "$DAEMON_LOG")")" 0

daemon_stop
finish
