# shellcheck shell=bash
# Programs with windows, driven as a person in front of them would: an X server that shows nobody anything, libvirt with
# the plugin's package, virt-manager and cockpit, all of a Debian release's own (gui-image.sh), in namespaces of their own. What
# they do to that root directory is in memory, and gone when the test ends. To be sourced; then:
#
#   need_gui            this script makes no sense without all that; makes the image if it has to
#   gui_run SCRIPT      runs the Python script, which uses gui.py or browser.py, in there. A line of it "ok WHAT" or "not ok WHAT" is
#                       a result, the lines "# ..." that follow say what was there instead
#
# Whatever way the test ends, everything that runs in there ends with it, and its mounts with that.
# LUKSHDR_LOGS gets the logs and the pictures, with one of all that is seen for each thing that failed.
#
# Read from the environment, besides what gui-image.sh and lab.sh read:
#   GUI_PICTURES   a directory that gets the pictures as well: docs/pictures, when they are to be made anew

. "$(dirname "${BASH_SOURCE[0]}")/lab.sh"
. "$(dirname "${BASH_SOURCE[0]}")/guest.sh"

GUI_LIB=$LAB_LIB
GUI_IMAGE=

need_gui() {
    need_root
    need_command mmdebstrap unshare setpriv
    need_guest
    "$GUI_LIB/gui-image.sh" >/dev/null || skip_all "the programs with windows cannot be installed (see above)"
    GUI_IMAGE=$("$GUI_LIB/gui-image.sh" --where)
    LAB_DIR=$(mktemp -d -t gui.XXXXXX) || exit
    at_exit _gui_end
    lab_debs || exit
}

_gui_end() {
    # With the first process of a PID namespace all others end.
    [ -z "${GUI_PID:-}" ] || { kill -KILL "$GUI_PID" && wait "$GUI_PID"; } 2>/dev/null
    if [ -n "${LUKSHDR_LOGS:-}" ]; then
        mkdir -p "$LUKSHDR_LOGS"
        cp -r "$LAB_DIR/out/." "$LUKSHDR_LOGS"
    fi
    if [ -n "${GUI_PICTURES:-}" ]; then
        mkdir -p "$GUI_PICTURES"
        cp "$LAB_DIR"/out/pictures/*.png "$GUI_PICTURES"
    fi
    rm -rf --one-file-system "$LAB_DIR"
}

gui_run() {
    local status=0 line what='' said='' good=
    mkdir -p "$LAB_DIR/out/pictures"
    mkfifo "$LAB_DIR/results"
    # Without the parent none of them lives on, whatever ended it. A network of its own, in which nobody else listens.
    setpriv --pdeathsig KILL unshare --mount --propagation "$(_gui_propagation)" --pid --net --uts --ipc --fork --kill-child \
        bash "$GUI_LIB/gui-session.sh" "$GUI_IMAGE" "$LAB_DIR/out" "$LAB_DEBS" "$GUEST_CACHE" "$GUI_LIB/.." "$1" \
        >"$LAB_DIR/results" 2>"$LAB_DIR/out/session.log" </dev/null &
    GUI_PID=$!
    # A result is told when the next one begins: only then has all been said about it.
    _gui_tell() {
        [ -z "$what" ] || if [ "$good" ]; then ok "$what"; else fail "$what" "$said"; fi
        what='' said=''
    }
    while IFS= read -r line; do
        case $line in
            "ok "*) _gui_tell && what=${line#ok } good=1 ;;
            "not ok "*) _gui_tell && what=${line#not ok } good= ;;
            "# "*) said+=${line#\# }$'\n' ;;
            *) note "$line" ;;
        esac
    done <"$LAB_DIR/results"
    _gui_tell
    wait "$GUI_PID" || status=$?
    GUI_PID=
    [ "$status" -eq 0 ] || fail "$(basename "$1" .py) runs to its end" "status $status
$(tail -n 30 "$LAB_DIR/out/session.log")"
}

# In a chroot / is no mount point and cannot be made private; nor need it, if it is.
_gui_propagation() {
    if unshare --mount true 2>/dev/null; then echo private; else echo unchanged; fi
}
