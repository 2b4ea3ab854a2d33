# shellcheck shell=bash
# Makes a daemon die, or get an error, at a chosen call that changes something on a disk. crashpoint.c does
# that; this file has words for it. A sweep interrupts one operation at each such call in turn.
#
# Read from the environment:
#   FAULTS_FULL   1: a sweep tries every call (of many alike in a row the first two and the last); 2: with
#                 each error; unset: at most FAULTS_MOST calls, evenly spread over those that
#                 differ from the one before, with one error each, in turn
#   FAULTS_MOST   calls of one operation (7)
#
#   FAULTS_KEEPS  UUID of a secret that is there all the time, beside the tests' own
#   FAULTS_ALSO   a function that a sweep calls after each interruption and each repetition, with the name of
#                 what was interrupted; it calls fail if something else is wrong
#
# Set for the caller: POINT, the file that the daemon looks into; SHIMMED, what to run the daemon under.

. "$(dirname "${BASH_SOURCE[0]}")/linked.sh"

# faults_use: for the daemon that is started next.
faults_use() {
    local shim
    mkdir -p "$DAEMON_WORK"
    POINT=$DAEMON_WORK/point
    : >"$POINT" && : >"$POINT.log" && chmod 666 "$POINT" "$POINT.log"
    shim=$(preload crashpoint) || skip_all "no compiler for tests/lib/crashpoint.c"
    SHIMMED="env LD_PRELOAD=$shim CRASHPOINT=$POINT"
    export DAEMON_WRAPPER=$SHIMMED
}

# meets POINT: from now on the daemon meets it, once. See crashpoint.c.
meets() {
    : >"$POINT.log"
    echo "$1" >"$POINT"
}

# met: what it was, or nothing.
met() {
    cat "$POINT.log"
}

# crashed: whether the daemon has met its end.
crashed() {
    [ -s "$POINT.log" ] && waited not daemon_pid >/dev/null
}

# logged FROM: what the log has from line FROM on.
logged() {
    tail -n "+$1" "$DAEMON_LOG"
}

log_end() {
    echo $(($(wc -l <"$DAEMON_LOG") + 1))
}

# --- what must be true whatever happened

# PLAIN: paths of volumes that are nobody's part and may be there. LOST: what of the world is wrong.
PLAIN=()
LOST=

_lost() {
    LOST+="$*"$'\n'
}

# key_material FILE: the digest of a header as QEMU makes it, with the cipher that is its default.
key_material() {
    head -c 2066432 "$1" | sha256sum | cut -d ' ' -f 1
}

# _attribute ELEMENT NAME ENTRY: what it says in an entry of the registry.
_attribute() {
    sed -n "s/.*<$1 [^>]*$2=\"\([^\"]*\)\".*/\1/p;s/.*<$1 $2=\"\([^\"]*\)\".*/\1/p" <<<"$3" | head -n 1
}

# world [STATE...]: sets LOST to what is wrong, and fails if there is anything: a file in a pool that is
# neither of a link nor in PLAIN; a link to a file that is not there; a header that is not what its link
# says; a link in a state other than active, wiped and STATE; a temporary file; a secret too many or
# too few. The pools' directories are FAULTS_POOLS, that of the
# secrets is FAULTS_SECRETS.
world() {
    # shellcheck disable=SC2153 # set by linked.sh
    local states=" active wiped $* " entries file text state path header first known secrets wanted optional=
    LOST=
    known=$'\n'$(printf '%s\n' "${PLAIN[@]}")$'\n'
    wanted=$SECRET_UUID$'\n'${FAULTS_KEEPS:+$FAULTS_KEEPS$'\n'}
    entries=$("$DAEMON_IN" sh -c 'for i in "$1"/* "$1"/.[!.]*; do [ ! -e "$i" ] || { echo "@$i"; cat "$i"; echo; }; done' in "$LINKS")
    while IFS= read -r -d '@' text; do
        [ -n "$text" ] || continue
        file=$(head -n 1 <<<"$text")
        case ${file##*/} in
            ????????-????-????-????-????????????.xml) ;;
            *) _lost "temporary file $file" && continue ;;
        esac
        state=$(_attribute link state "$text")
        [[ $states = *" $state "* ]] || _lost "link of $(_attribute payload volume "$text") in state '$state'"
        first=
        while IFS= read -r path; do
            known+=$path$'\n'
            if [ ! -e "$path" ]; then
                case $state$states in
                    *" damaged "*) ;;
                    active* | wiped*) _lost "link to $path, which is not there" ;;
                esac
                continue
            fi
            # the first is the payload
            [ -n "$first" ] || {
                first=$path
                continue
            }
            case $state$states in
                *" damaged "*) continue ;;
                active*) ;;
                *) continue ;;
            esac
            header=$(sed -n 's/.*<digest [^>]*>\([0-9a-f]*\)<.*/\1/p' <<<"$text")
            [ "$(key_material "$path")" = "$header" ] || _lost "$path is not the header of $first: $header"
            grep -aqF "volume=\"${first##*/}\"" "$path" || _lost "the label of $path does not name ${first##*/}"
        done < <(sed -n 's/.*<path>\(.*\)<.path>.*/\1/p' <<<"$text")
        [[ $state != active && $state != wiped ]] ||
            wanted+=$(sed -n 's/.*<secret.*uuid="\([^"]*\)".*/\1/p' <<<"$text")$'\n'
        # what is half done may have its secret still, or not yet
        optional+=$(sed -n 's/.*<secret.*uuid="\([^"]*\)".*/\1/p' <<<"$text")$'\n'
    done < <(printf '%s@' "$entries")
    while IFS= read -r path; do
        [[ $known = *$'\n'"$path"$'\n'* ]] || _lost "$path belongs to nobody"
    done < <(find "${FAULTS_POOLS[@]}" -mindepth 1)
    # libvirt's own temporary files are .new
    secrets=$("$DAEMON_IN" ls "$FAULTS_SECRETS" | sed 's/\.base64$/.xml/;/\.new$/d' | sort -u)
    while IFS= read -r text; do
        [ -z "$text" ] || grep -q "^$text" <<<"$secrets" || _lost "secret $text has gone"
    done <<<"$wanted"
    while IFS= read -r text; do
        grep -q "^${text%.xml}$" <<<"$wanted$optional" || _lost "secret $text belongs to nobody"
    done <<<"$secrets"
    [ -z "$LOST" ]
}

# --- sweeps

FAULTS_SERIAL=0
FAULTS_ERRNO=(28 5 13)
FAULTS_TEXT=([28]="No space left" [5]="Input/output error" [13]="Permission denied")

# _arm N [fail ERRNO]: the N-th call, and no other line like this one before or after.
_arm() {
    FAULTS_SERIAL=$((FAULTS_SERIAL + 1))
    meets "any $* $FAULTS_PATHS|#$FAULTS_SERIAL"
}

# _called TRACE N: its N-th call, in words that do not change from run to run.
_called() {
    sed -n "$2{s/[^ ]*images\///;s/[^ ]*libvirt\///;s/[0-9a-f]\{8\}-[0-9a-f-]*/UUID/;s/\(xml\|luks\)\.......\$/\1.TEMP/;p}" "$1"
}

# _chosen TRACE MOST: the numbers of the calls that are tried.
_chosen() {
    local -i count i
    local all different=()
    mapfile -t all < <(_called "$1" '1,$')
    count=${#all[@]}
    for ((i = 0; i < count; i++)); do
        if [ "$i" -eq 0 ] || [ "${all[i]}" != "${all[i - 1]}" ]; then
            different+=($((i + 1)))
        elif [ -n "${FAULTS_FULL:-}" ] &&
            { [ "$i" -eq 1 ] || [ "${all[i]}" != "${all[i - 2]}" ] || [ "${all[i]}" != "${all[i + 1]:-}" ]; }; then
            different+=($((i + 1)))
        fi
    done
    count=${#different[@]}
    if [ -n "${FAULTS_FULL:-}" ] || [ "$count" -le "$2" ]; then
        printf '%s\n' "${different[@]}"
    else
        for ((i = 0; i < $2; i++)); do
            # one alone is from the middle
            echo "${different[$2 > 1 ? i * (count - 1) / ($2 - 1) : count / 2]}"
        done
    fi
}

# _intact WHAT: what had nothing to do with it is as it was.
_intact() {
    local now
    now=$(bystanders)
    [ "$now" = "$FAULTS_BEFORE" ] || fail "$1: nothing else has changed" "$(diff <(echo "$FAULTS_BEFORE") <(echo "$now"))"
}

# remove_reported: takes away, as its reader would, what the log says since FAULTS_FROM may have been left.
remove_reported() {
    local pool volume
    while IFS=$'\t' read -r volume pool; do
        [ -z "$volume" ] || virsh vol-delete "$volume" "$pool" >/dev/null 2>&1
    done < <(logged "$FAULTS_FROM" | sed -n "s/.*empty volume '\([^']*\)' of pool '\([^']*\)' may have been left.*/\1\t\2/p")
}

# _settled: the next refresh has completed what an operation that failed at its last step has left.
_settled() {
    local pool
    for pool in $(virsh pool-list --name); do
        virsh pool-refresh "$pool" >/dev/null
    done
    waited not under_way
}

# under_way: whether any link is in the middle of something.
under_way() {
    "$DAEMON_IN" grep -qrE '<link state="(creating|deleting|wiping|unlinking)"' "$LINKS"
}

# _again WHAT OPERATION: it succeeds, or says what it should say where it was done already, or always.
_again() {
    local regex=DONE_$2 always=REFUSED_$2 out
    if out=$("$2" 2>&1); then
        [ -z "${!always:-}" ] || fail "$1: then it is refused" "$out"
        return
    fi
    regex=${!always:-${!regex:-}}
    if [ -z "$regex" ] || ! grep -Eq -- "$regex" <<<"$out"; then
        fail "$1: then it can be repeated" "$out"
    fi
    _settled
}

# _also WHAT: see FAULTS_ALSO.
_also() {
    [ -z "${FAULTS_ALSO:-}" ] || "$FAULTS_ALSO" "$1"
}

# _undisturbed OPERATION: it succeeds, or is refused as it should be.
_undisturbed() {
    local always=REFUSED_$1 out
    if out=$("$1" 2>&1); then
        [ -z "${!always:-}" ] || fail "$1 is refused" "$out"
    elif [ -z "${!always:-}" ] || ! grep -Eq -- "${!always}" <<<"$out"; then
        fail "$1" "$out"
    fi
}

# _tidy: takes away what should not be there, so that one failure is not followed by many.
_tidy() {
    local path pool
    while IFS= read -r path; do
        "$DAEMON_IN" rm -f "$path"
    done < <(sed -n 's/ belongs to nobody$//p;s/^temporary file //p' <<<"$LOST")
    for pool in $(virsh pool-list --name); do
        virsh pool-refresh "$pool" >/dev/null
    done
}

# sweep OPERATION [MOST]: of the functions before_OPERATION, OPERATION and after_OPERATION the first makes what
# is needed and is not there, the last removes what OPERATION made. OPERATION is killed, and fails,
# at each call that is chosen; world and bystanders, a function that prints what
# must not change, judge what is left. Then OPERATION is repeated, which may be refused with what
# matches DONE_OPERATION if all had been done. Where HALF_OPERATION is set, OPERATION may leave
# links in that state if it fails, and the repetition completes it; KILLED_OPERATION is the same for
# what is there after the daemon was killed and started again.  SPARED_OPERATION matches calls that do not
# fail.  An operation with REFUSED_OPERATION does not succeed, and says what matches that.
sweep() {
    local op=$1 most=${2:-${FAULTS_MOST:-7}} trace=$DAEMON_DIR/$1.trace half=HALF_$1 after=KILLED_$1
    local spared=SPARED_$1 always=REFUSED_$1 n errno what out failed
    local -i killed=0 refused=0 passed=0 calls=0 failing=0
    : >"$POINT"
    "before_$op" || {
        fail "$op: what it needs"
        return
    }
    FAULTS_BEFORE=$(bystanders)
    meets "trace 0 $FAULTS_PATHS"
    _undisturbed "$op"
    : >"$POINT"
    cp "$POINT.log" "$trace"
    calls=$(wc -l <"$trace")
    world || fail "$op, undisturbed" "$LOST"
    _intact "$op, undisturbed"
    _also "$op, undisturbed"
    "after_$op"
    for n in $(_chosen "$trace" "$most"); do
        what="$op, killed before call $n, $(_called "$trace" "$n")"
        "before_$op" || fail "$what: what it needs"
        _arm "$n"
        out=$("$op" 2>&1)
        crashed || {
            # the daemon does other things as well, so calls are not always as many
            : >"$POINT"
            "after_$op"
            continue
        }
        what="$op, killed before call $n, $(_called "$POINT.log" 1)"
        killed+=1
        failed=$TAP_FAILED
        FAULTS_FROM=$(log_end)
        linked_launch || {
            fail "$what: the daemon starts again"
            return
        }
        remove_reported
        # shellcheck disable=SC2086 # words
        world ${!after:-} || fail "$what: nothing is lost or left" "$LOST
$(logged "$FAULTS_FROM" | grep -i link)"
        _intact "$what"
        _also "$what"
        _again "$what" "$op"
        world || fail "$what, and repeated: nothing is lost or left" "$LOST"
        _also "$what, and repeated"
        "after_$op"
        if [ "$failed" -eq "$TAP_FAILED" ]; then ok "$what"; else _tidy; fi
    done
    for n in $(_chosen "$trace" "$most"); do
        [ -z "${!spared:-}" ] || ! grep -Eq "${!spared}" <<<"$(_called "$trace" "$n")" || continue
        failing+=1
        for errno in "${FAULTS_ERRNO[@]}"; do
            [ "${FAULTS_FULL:-1}" -gt 1 ] || errno=${FAULTS_ERRNO[n % 3]}
            what="$op, ${FAULTS_TEXT[errno]} at call $n, $(_called "$trace" "$n")"
            "before_$op" || fail "$what: what it needs"
            FAULTS_FROM=$(log_end)
            _arm "$n" fail "$errno"
            failed=$TAP_FAILED
            if out=$("$op" 2>&1); then
                [ -s "$POINT.log" ] || {
                    : >"$POINT"
                    "after_$op"
                    break
                }
                passed+=1
                world || fail "$what, which does not matter" "$LOST"
            else
                if [ -n "${!always:-}" ] && grep -Eq -- "${!always}" <<<"$out"; then
                    passed+=1
                else
                    refused+=1
                    like "$what" "$out" "${FAULTS_TEXT[errno]}"
                fi
                # shellcheck disable=SC2086 # words
                world ${!half:-} || fail "$what: nothing is lost or left" "$LOST
$out
$(logged "$FAULTS_FROM")"
                _also "$what"
                _again "$what" "$op"
                world || fail "$what, and repeated: nothing is lost or left" "$LOST"
            fi
            _intact "$what"
            _also "$what"
            "after_$op"
            if [ "$failed" -eq "$TAP_FAILED" ]; then ok "$what"; else _tidy; fi
            [ "${FAULTS_FULL:-1}" -gt 1 ] || break
        done
    done
    : >"$POINT"
    note "$op: $calls calls, $(_chosen "$trace" "$most" | wc -l) tried; killed at $killed; of the errors $refused were reported, $passed did not matter"
    if [ "$killed" -eq 0 ] || [ $((failing > 0 && refused + passed == 0)) -eq 1 ]; then
        fail "$op: some calls were met"
    fi
}
