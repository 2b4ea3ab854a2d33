# shellcheck shell=bash
# What the tests of virt-lukshdr have in common: the tool of the build tree, where the daemon lives, and a
# check of its exit status.
#
# Read from the environment:
#   VL   the tool; unset: the build tree's

. "$(dirname "${BASH_SOURCE[0]}")/../../lib/linked.sh"

VL=${VL:-$BUILDDIR/tools/virt-lukshdr}
[ -x "$VL" ] || skip_all "needs $VL: build first, or set BUILDDIR"

# vl ARGUMENT...: the tool, talking to the daemon in use.
vl() {
    "$DAEMON_IN" "$VL" "$@"
}

# give FILE...: what this shell made becomes the daemon's user's.
give() {
    [ "$DAEMON_RUNS" = system ] || [ "$(id -u)" -ne 0 ] || chown nobody: "$@"
}

# status WHAT WANTED REGEX COMMAND...: COMMAND ends with this status and says something that matches REGEX.
status() {
    local what=$1 wanted=$2 regex=$3 got=0
    shift 3
    OUT=$("$@" 2>&1 </dev/null) || got=$?
    if [ "$got" -ne "$wanted" ]; then
        fail "$what" "status $got, wanted $wanted: $*
$OUT"
    else
        like "$what" "$OUT" "$regex"
    fi
}

# said COMMAND...: its output, without what it says on stderr.
said() {
    "$@" 2>/dev/null
}
