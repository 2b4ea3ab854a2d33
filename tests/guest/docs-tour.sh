#!/bin/bash
# README.md and docs/tour.md, which goes on from it, say what happens: they are typed, as a newcomer would, at a
# terminal, into the shell that ./demo --shell opens.
set -u
. "$(dirname "$0")/../lib/docs.sh"

need_root
need_command qemu-system-x86_64 script

SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
[ "$BUILDDIR" = "$SOURCE/$(basename "$BUILDDIR")" ] || skip_all "needs a build in the source tree, as ./demo does"
export LC_ALL=C.UTF-8

# What passes between the shell and this script; the shell may be nobody's. In a directory of its own below
# it ./demo makes its own.
WORK=$(mktemp -d /tmp/tour.XXXXXX)
chmod 755 "$WORK"
mkfifo "$WORK/status" "$WORK/in"
touch "$WORK/out" "$WORK/demo"
chmod 666 "$WORK"/*
mkdir -m 1777 "$WORK/t"
at_exit rm -rf "$WORK"
# Opened for both, no end waits for the other.
exec 7<>"$WORK/status" 8<>"$WORK/in"

DEMO=
demo_end() {
    [ -z "$DEMO" ] || { kill "$DEMO" && wait "$DEMO"; }
}
at_exit demo_end

# demo_shell MODE: the shell, when it is there; PLACE is its directory.
demo_shell() {
    local i
    : >"$WORK/demo"
    DAEMON_MODE=$1 TMPDIR=$WORK/t DEMO_BUILD=$(basename "$BUILDDIR") \
        script -qefc "$(printf '%q --shell' "$SOURCE/demo")" "$WORK/demo" <"$WORK/in" >/dev/null 2>&1 7>&- 8>&- &
    DEMO=$!
    for ((i = 0; i < TAP_PATIENCE * 2; i++)); do
        PLACE=$(tr -d '\r' <"$WORK/demo" | sed -n 's/^A shell in \(.*\): libvirtd runs.*/\1/p')
        if [ -n "$PLACE" ] || [ ! -e "/proc/$DEMO" ]; then
            break
        fi
        sleep 1
    done
    like "./demo --shell opens a shell ($1)" "$(cat "$WORK/demo")" '^A shell in /'
}

docs_host() {
    [ "$1" = host ]
}

docs_type() {
    local status='' part i
    printf '{ %s\n} >%q 2>&1 </dev/null; echo $? >%q\n' "$1" "$WORK/out" "$WORK/status" >&8
    for ((i = 0; i < TAP_PATIENCE; i++)); do
        # time may be up in the middle of a line
        if read -r -t 1 -u 7 part; then
            status+=$part
            sed "s|$PLACE|/srv|g;$HIDDEN" "$WORK/out"
            return "$status"
        fi
        status+=$part
        [ -e "/proc/$DEMO" ] || break
    done
    echo "the shell does not answer; it said:"
    cat "$WORK/demo"
    return 125
}

docs_file() {
    { printf "cat >%q <<'END OF FILE'\n" "$1" && cat && printf 'END OF FILE\necho $? >%q\n' "$WORK/status"; } >&8
    read -r -t "$TAP_PATIENCE" -u 7
}

# As root, and as an ordinary user, whose directory then passes for /srv.
for mode in ${DAEMON_MODE:-system session}; do
    demo_shell "$mode" || continue
    HIDDEN=
    # what virsh says at any terminal of a machine without polkit; root's has got it out of the way
    [ "$mode" = system ] || HIDDEN='/^Authorization not available. Check if polkit service is running/d'
    # What differs from one run to the next
    DOCS_UNIQUE=()
    docs_page "$SOURCE/README.md" 2
    docs_page "$SOURCE/docs/tour.md" 0
    like "it lives in a directory of its own" "$(ls "$WORK/t")" '^lukshdr\.'
    echo exit >&8
    status=0
    wait "$DEMO" || status=$?
    DEMO=
    same "exit ends it" "$status" 0
    same "and removes everything" "$(ls "$WORK/t")" ""
done
finish
