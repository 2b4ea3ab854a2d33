# shellcheck shell=bash
# Runs a page of the documentation: what stands in it as input is typed, what stands in it as output must
# come out. Needs daemon.sh, by way of linked.sh.
#
# What the page may hold:
#   ```console   "# COMMAND", run as root where the daemon lives, in an empty directory; its output (both
#                kinds) stands below it. A command goes on in the next line, behind "> ", after a "\" or
#                in a here document. "NAME# COMMAND" is run on another host, called NAME.
#   ```xml       a file; the last line of text above it names it as `NAME.xml`. Without a name in it, the
#                block is only something to look at, which docs_page counts and limits.
#   <!-- not run: WHY -->   the next block is not run, which docs_page counts and limits
#
# How output is compared: blank lines and spaces at the end of a line do not count; "..." stands for
# anything within its line, and alone in its line for any number of lines. A UUID or a SHA-256 of the page
# stands for the one that is found in its place, from then on, in commands and files as well. A command fails
# exactly if its output in the page says so (DOCS_FAILS). What only looks is repeated for a while if it
# does not see what it should: some things happen shortly after the command that causes them.
#
# All hosts have the same /srv, as if it were on the network, and a /run of their own. "systemctl
# stop|start|restart libvirtd" does that to the test's daemon. No guest runs an operating system.
#
# Somewhere else a page can be run by defining docs_host, docs_type and docs_file anew.
#
# Read from the environment:
#   DOCS_RECORD   a file: write the page there as it should be, with output that did not match replaced (docs-tasks.sh and
#                 docs-ceph.sh, which run several pages, add ".PAGE" to its name)

. "$(dirname "${BASH_SOURCE[0]}")/linked.sh"

# What a command says that did not succeed, of virsh, virt-lukshdr, QEMU's tools, cryptsetup and coreutils.
DOCS_FAILS='^(error:|virt-lukshdr:|links checked: .*, things found: [1-9].*, repaired: 0$|qemu-img:|No key available|cmp:|ls:|grep:|Device .* is not a valid LUKS device)'
# What only looks.
DOCS_LOOKS='^(virsh (vol-dumpxml|vol-list|vol-info|pool-list|pool-dumpxml|domblkinfo)|ls|cat|grep|cmp|stat) '
# Seconds for which that is repeated. A page that is being written has many such places.
DOCS_PATIENCE=${DOCS_PATIENCE:-120}

_docs_unique='[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64}'
# what the page has -> what was found
declare -A DOCS_UNIQUE=()

# docs_host NAME: the following is about that host, which is started if it is not there yet.
docs_host() {
    [ "${DAEMON_NAME:-}" != "$1" ] || return 0
    daemon_use "$1" || return
    if [ ! -d "$DAEMON_DIR" ]; then
        PATH=$DAEMON_DIR/bin:$PATH daemon_start "$1" || return
        linked_use "$1"
        mkdir -p "$BIN" "$DAEMON_WORK/docs" "$DAEMON_WORK/srv"
        "$DAEMON_IN" mount --bind "$DAEMON_WORK/srv" /srv || return
        ln -s "$DAEMON_LOG" "$DAEMON_DIR/log/libvirtd.log"
        quick_keys
        # header_of, and the page's own commands: as little stretching as cryptsetup allows
        tool cryptsetup <<'SH'
case " $* " in *" luksFormat "* | *" luksAddKey "* | *" luksChangeKey "*) set -- "$@" --iter-time 10 ;; esac
exec "$REAL" "$@"
SH
    fi
    linked_use "$1"
}

# _docs_bind TEXT: TEXT with what is unique in the page replaced by what was found, in $REPLY.
_docs_bind() {
    local unique
    REPLY=$1
    for unique in "${!DOCS_UNIQUE[@]}"; do
        REPLY=${REPLY//$unique/${DOCS_UNIQUE[$unique]}}
    done
}

# _docs_settle TEXT: what is unique in TEXT, which is input, stands for itself unless it was found.
_docs_settle() {
    local unique
    while IFS= read -r unique; do
        DOCS_UNIQUE[$unique]=${DOCS_UNIQUE[$unique]:-$unique}
    done < <(grep -oE "$_docs_unique" <<<"$1")
}

# _docs_tidy: stdin without blank lines and spaces at the end of lines.
_docs_tidy() {
    tr -d '\0' | sed 's/\r//g; s/[[:space:]]*$//; /^$/d'
}

# _docs_matches GOT WANTED: whether they agree; what is unique and new is remembered.
_docs_matches() {
    local got=$1 wanted=$2 regex='' line rest unique i new=()
    while IFS= read -r line; do
        if [[ $line =~ ^[[:space:]]*\.\.\.$ ]]; then
            # with the end of its line, so that it may stand for no line at all
            regex+=$'(([^\n]*\n)*)'
            new+=("" "")
            continue
        fi
        line=$(sed -E 's/[][\.*^$+?(){}|]/\\&/g; s/\\\.\\\.\\\./[^\n]*/g' <<<"$line")
        rest=$line
        while [[ $rest =~ $_docs_unique ]]; do
            unique=${BASH_REMATCH[0]}
            regex+=${rest%%"$unique"*}
            rest=${rest#*"$unique"}
            if [ -n "${DOCS_UNIQUE[$unique]:-}" ]; then
                regex+=${DOCS_UNIQUE[$unique]}
            else
                regex+="($_docs_unique)"
                new+=("$unique")
            fi
        done
        regex+=$rest$'\n'
    done <<<"$wanted"
    [ -n "$wanted" ] || regex=
    [ -z "$got" ] || got+=$'\n'
    [[ $got =~ ^$regex$ ]] || return 1
    for ((i = 0; i < ${#new[@]}; i++)); do
        unique=${new[i]}
        [ -n "$unique" ] || continue
        # twice in one output
        [ "${DOCS_UNIQUE[$unique]:-${BASH_REMATCH[i + 1]}}" = "${BASH_REMATCH[i + 1]}" ] || return 1
        DOCS_UNIQUE[$unique]=${BASH_REMATCH[i + 1]}
    done
}

# docs_type COMMAND: types it.
docs_type() {
    case $1 in
        "systemctl stop libvirtd") _daemon_signal TERM ;;
        "systemctl start libvirtd" | "systemctl restart libvirtd") linked_launch ;;
        # its dash would not know <(...)
        *) PATH=$BIN:$PATH "$DAEMON_IN" bash -c 'umask 022; cd "$1" && eval "$2"' docs "$DAEMON_WORK/docs" "$1" ;;
    esac
}

# docs_file NAME: stdin becomes a file in the directory where commands are typed.
docs_file() {
    cat >"$DAEMON_WORK/docs/$1"
}

# _docs_run COMMAND: types it; what it prints is in $OUT.
_docs_run() {
    local status=0
    docs_type "$1" >"$TAP_OUT" 2>&1 </dev/null || status=$?
    OUT=$(_docs_tidy <"$TAP_OUT")
    return "$status"
}

# _docs_command LINE COMMAND WANTED: one result.
_docs_command() {
    local line=$1 command=$2 wanted wrong status since=$SECONDS
    wanted=$(_docs_tidy <<<"$3")
    _docs_settle "$command"
    _docs_bind "$command"
    command=$REPLY
    while :; do
        _docs_run "$command"
        status=$?
        if [ "$status" -ne 0 ] && ! grep -Eq "$DOCS_FAILS" <<<"$wanted"; then
            wrong="it failed with status $status"
        elif [ "$status" -eq 0 ] && grep -Eq "$DOCS_FAILS" <<<"$wanted"; then
            wrong="it did not fail"
        elif ! _docs_matches "$OUT" "$wanted"; then
            wrong="other output"
        else
            ok "line $line: ${command%%$'\n'*}"
            return 0
        fi
        if [ $((SECONDS - since)) -ge "$DOCS_PATIENCE" ] || ! grep -Eq "$DOCS_LOOKS" <<<"$command"; then
            break
        fi
        sleep 0.3
    done
    fail "line $line: ${command%%$'\n'*}" "$wrong; it printed:
$OUT
-- and should have printed:
$wanted"
}

# _docs_flush: runs the command that _docs_console has read to its end; its variables.
_docs_flush() {
    [ -n "$command" ] || return 0
    if ! docs_host "${host:-host}"; then
        fail "line $at: host ${host:-host} is started"
    elif _docs_command "$at" "$command" "$wanted"; then
        _docs_record "$typed$wanted"
    else
        _docs_record "$typed$OUT${OUT:+$'\n'}"
    fi
    command='' wanted='' typed=''
}

# _docs_console LINE TEXT: runs a block that begins in that line of the page.
_docs_console() {
    local number=$1 line host='' at=0 command='' wanted='' typed=''
    local prompt='^([a-z]*)# (.*)$'
    while IFS= read -r line; do
        number=$((number + 1))
        if [[ $line =~ $prompt ]]; then
            _docs_flush
            [[ $line =~ $prompt ]]
            host=${BASH_REMATCH[1]} command=${BASH_REMATCH[2]} at=$number typed=$line$'\n'
        elif [[ $line == '> '* ]] && [ -n "$command" ] && [ -z "$wanted" ]; then
            command+=$'\n'${line#> }
            typed+=$line$'\n'
        else
            wanted+=$line$'\n'
        fi
    done <<<"${2%$'\n'}"
    _docs_flush
}

# _docs_record TEXT: the next piece of the page as it should be.
_docs_record() {
    [ -z "${DOCS_RECORD:-}" ] || printf %s "$1" >>"$DOCS_RECORD"
}

# docs_page FILE NOT_RUN: runs the page, in which NOT_RUN blocks are only to be looked at.
docs_page() {
    local page=$1 number=0 start=0 line kind='' text='' name='' above='' hidden='' left=0
    [ -z "${DOCS_RECORD:-}" ] || : >"$DOCS_RECORD"
    while IFS= read -r line; do
        number=$((number + 1))
        if [ -n "$kind" ] && [ "$line" != '```' ]; then
            text+=$line$'\n'
            continue
        fi
        case $line in
            '```')
                if [ -z "$kind" ]; then
                    fail "line $number: a block of no kind"
                    kind=none
                    continue
                fi
                name=$(grep -oE '`[A-Za-z0-9_-]+\.xml`' <<<"$above" | tail -n 1 | tr -d '`')
                if [ -n "$hidden" ]; then
                    note "line $start is not run: $hidden"
                    left=$((left + 1))
                    _docs_record "$text"
                elif [ "$kind" = console ]; then
                    _docs_console "$start" "$text"
                elif [ "$kind" = xml ] && [ -n "$name" ]; then
                    docs_host host
                    _docs_settle "$text"
                    _docs_bind "$text"
                    printf %s "$REPLY" | docs_file "$name"
                    _docs_record "$text"
                else
                    note "line $start is not used: a block of kind $kind without a name"
                    left=$((left + 1))
                    _docs_record "$text"
                fi
                kind='' text='' hidden=''
                ;;
            '```'*)
                kind=${line#'```'} start=$number
                ;;
            '<!-- not run: '*)
                hidden=${line#'<!-- not run: '}
                hidden=${hidden%' -->'}
                ;;
            ?*) above=$line ;;
        esac
        _docs_record "$line"$'\n'
    done <"$page"
    same "the page ends outside of a block" "$kind" ""
    same "blocks that are not run" "$left" "$2"
}
