# shellcheck shell=bash
# What the tests of virt-lukshdr have in common: a check of its exit status.

. "$(dirname "${BASH_SOURCE[0]}")/../../lib/linked.sh"

[ -x "$VL" ] || skip_all "needs $VL: build first, or set BUILDDIR"

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
