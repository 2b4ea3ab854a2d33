# shellcheck shell=bash
# What a shell test says: one line for each thing it finds out, in TAP ("ok 1 - what"), which is what
# ./check reads. Also the one EXIT trap of a script: code that has something to clean up calls at_exit.
# Test scripts source the three libraries (tap, daemon, guest) and otherwise read as a user's session.
#
# Read from the environment:
#   TAP_LINES      a file that gets each result as well, behind the test's name: what ./check follows
#   TAP_PATIENCE   seconds after which a test no longer waits for something and fails (300)

[ -n "${TAP_PASSED:-}" ] && return 0

TAP_PASSED=0
TAP_FAILED=0
TAP_SKIPPED=0
TAP_FINISHED=
# FOLDER/SCRIPT
TAP_NAME=$(basename "$(cd "$(dirname "$0")" && pwd)")/$(basename "$0" .sh)
TAP_AT_EXIT=()
TAP_PATIENCE=${TAP_PATIENCE:-300}
TAP_OUT=$(mktemp) || exit 1
# What the command of the last try or refuse printed.
OUT=

# at_exit COMMAND...: COMMAND runs when the script ends, in whatever way; last come, first run.
at_exit() {
    TAP_AT_EXIT+=("$(printf '%q ' "$@")")
}

_tap_exit() {
    local status=$? i
    # The signal may have come in the middle of an "IFS= read".
    local IFS=$' \t\n'
    trap '' INT TERM HUP
    trap - EXIT
    if [ -z "$TAP_FINISHED" ] && [ $((TAP_PASSED + TAP_FAILED + TAP_SKIPPED)) -gt 0 ]; then
        fail "the script runs to its end (it ended early, status $status)"
        TAP_FINISHED=1
        [ "$status" -ne 0 ] || status=1
    fi
    for ((i = ${#TAP_AT_EXIT[@]} - 1; i >= 0; i--)); do
        eval "${TAP_AT_EXIT[i]}"
    done
    rm -f "$TAP_OUT"
    exit "$status"
}
trap _tap_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

_tap_count() {
    echo $((TAP_PASSED + TAP_FAILED + TAP_SKIPPED))
}

# note TEXT: a remark among the results.
note() {
    printf '%s\n' "$*" | sed 's/^/# /'
}

# _tap_say LINE
_tap_say() {
    printf '%s\n' "$1"
    [ -z "${TAP_LINES:-}" ] || printf '%s %s\n' "$TAP_NAME" "$1" >>"$TAP_LINES"
}

# ok WHAT: WHAT was found true.
ok() {
    TAP_PASSED=$((TAP_PASSED + 1))
    _tap_say "ok $(_tap_count) - ${1//$'\n'/ }"
}

# fail WHAT [DETAIL]: WHAT was found untrue; DETAIL says what was there instead.
fail() {
    TAP_FAILED=$((TAP_FAILED + 1))
    _tap_say "not ok $(_tap_count) - ${1//$'\n'/ }"
    [ -z "${2:-}" ] || note "$2"
    return 1
}

# skip WHAT REASON: WHAT cannot be found out here.
skip() {
    TAP_SKIPPED=$((TAP_SKIPPED + 1))
    _tap_say "ok $(_tap_count) - ${1//$'\n'/ } # SKIP $2"
}

# skip_all REASON: nothing of this script can be found out here.
skip_all() {
    skip "$(basename "$0" .sh)" "$1"
    finish
}

# need_root: this script makes sense as root alone.
need_root() {
    [ "$(id -u)" -eq 0 ] || skip_all "needs root"
}

# need_command NAME...: this script makes no sense without these programs.
need_command() {
    local name
    for name; do
        command -v "$name" >/dev/null || skip_all "needs $name"
    done
}

# try WHAT COMMAND...: COMMAND must succeed. It runs in this shell; its output (both kinds) is in $OUT.
try() {
    local what=$1 status=0
    shift
    "$@" >"$TAP_OUT" 2>&1 || status=$?
    OUT=$(tr -d '\0' <"$TAP_OUT")
    if [ "$status" -eq 0 ]; then
        ok "$what"
    else
        fail "$what" "status $status: $*
$OUT"
    fi
}

# refuse WHAT REGEX COMMAND...: COMMAND must fail and say something that matches REGEX (extended).
refuse() {
    local what=$1 regex=$2
    shift 2
    if "$@" >"$TAP_OUT" 2>&1; then
        OUT=$(tr -d '\0' <"$TAP_OUT")
        fail "$what" "it succeeded: $*
$OUT"
    else
        OUT=$(tr -d '\0' <"$TAP_OUT")
        like "$what" "$OUT" "$regex"
    fi
}

# same WHAT GOT WANTED: the two texts are equal.
same() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        fail "$1" "got:    $2
wanted: $3"
    fi
}

# like WHAT TEXT REGEX: some line of TEXT matches REGEX (extended).
like() {
    if grep -Eq -- "$3" <<<"$2"; then
        ok "$1"
    else
        fail "$1" "nothing matches $3 in:
$2"
    fi
}

# unlike WHAT TEXT REGEX: no line of TEXT matches REGEX (extended).
unlike() {
    if grep -Eq -- "$3" <<<"$2"; then
        fail "$1" "$3 matches in:
$2"
    else
        ok "$1"
    fi
}

# waited COMMAND...: until it succeeds. Tests wait for what happens, not for a time: the limit, TAP_PATIENCE
# seconds, is there for what never happens, and no machine is so busy that it matters.
waited() {
    local deadline=$((SECONDS + TAP_PATIENCE))
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# not COMMAND...: it fails. For waited and try.
not() {
    ! "$@"
}

# finish: the last line of every test script. Ends it with the counts; non-zero if anything failed.
finish() {
    printf '1..%d\n' "$(_tap_count)"
    if [ "$TAP_SKIPPED" -gt 0 ]; then
        note "$TAP_PASSED passed, $TAP_FAILED failed, $TAP_SKIPPED skipped"
    else
        note "$TAP_PASSED passed, $TAP_FAILED failed"
    fi
    TAP_FINISHED=1
    [ "$TAP_FAILED" -eq 0 ]
    exit
}
