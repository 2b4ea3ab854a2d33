# shellcheck shell=bash
# What the attack tests have in common. Bystanders are files; every byte of them must still be there
# afterwards. swap.c swaps a file for something else at the very call that uses it, so no test depends on
# luck. A test sources it after linked.sh, faults.sh or guest's disks.sh.
#
#   bystander FILE...              remembers what the files are: kind, owner, mode, length, content, target
#   unharmed WHAT                  a result: every bystander is still that
#   changed                        prints what is no longer that, one line each; nothing if all is
#   link_over TARGET FILE          FILE becomes a symbolic link to TARGET, in one step
#
#   swap_use                       the daemon that is started next can be swapped under. After daemon_use,
#                                  and after faults_use where a test wants both
#   swap_at CALL N PATTERN COMMAND...
#                                  right before the daemon, or a program that it runs, makes its N-th CALL
#                                  with a path that contains PATTERN, COMMAND runs, once. It runs as that
#                                  process's user and where it lives; it is one command with arguments, or
#                                  one string for sh. CALL: open stat rename unlink change read write sync
#                                  exec any; swap.c says which calls these are
#   swapped WHAT                   a result: COMMAND has run and has succeeded
#   swap_off                       COMMAND must no longer run. Fails if it has run
#
#   For example: a client deletes a volume, and its file becomes a link when the daemon opens it.
#       daemon_use host; swap_use; try "a daemon starts" linked_start host || finish
#       bystander /etc/hostname
#       swap_at open 1 "$DATA/one" ln -sfn /etc/hostname "$DATA/one"
#       refuse "one is deleted" "symbolic link" virsh vol-delete one data
#       swapped "its file was a link by then"
#       unharmed "nobody else's file has changed"

ATTACK_BYSTANDERS=()
ATTACK_BEFORE=()

# _attack_is FILE: what it is, in one line. Not when it was read last.
_attack_is() {
    local file=$1
    if [ -L "$file" ]; then
        printf 'link %s to %s\n' "$(stat -c '%u:%g' "$file")" "$(readlink "$file")"
    elif [ -f "$file" ] || [ -b "$file" ]; then
        printf '%s %s\n' "$(stat -c '%F inode %i %u:%g %a links %h' "$file")" "$(sha256sum <"$file")"
    elif [ -e "$file" ]; then
        stat -c '%F %u:%g %a' "$file"
    else
        echo "not there"
    fi
}

bystander() {
    local file
    for file; do
        ATTACK_BYSTANDERS+=("$file")
        ATTACK_BEFORE+=("$(_attack_is "$file")")
    done
}

changed() {
    local i now
    for i in "${!ATTACK_BYSTANDERS[@]}"; do
        now=$(_attack_is "${ATTACK_BYSTANDERS[i]}")
        [ "$now" = "${ATTACK_BEFORE[i]}" ] ||
            printf '%s was: %s; is: %s\n' "${ATTACK_BYSTANDERS[i]}" "${ATTACK_BEFORE[i]}" "$now"
    done
}

unharmed() {
    [ ${#ATTACK_BYSTANDERS[@]} -gt 0 ] || {
        fail "$1" "no bystander was named"
        return
    }
    same "$1" "$(changed)" ""
}

link_over() {
    ln -s "$1" "$2.link" && mv -fT "$2.link" "$2"
}

swap_use() {
    local library
    library=$(preload swap) || skip_all "no compiler for tests/lib/swap.c"
    SWAP=$DAEMON_WORK/swap
    # Whoever comes to the call claims the plan, also a program that is not root's. The plan lies beside
    # the library, since of our variables none reaches the daemon's children.
    mkdir -p "$SWAP" && chmod 777 "$SWAP" && cp "$library" "$SWAP/swap.so" && chmod 755 "$SWAP/swap.so" || return
    case ${DAEMON_WRAPPER:-} in
        *LD_PRELOAD=*) DAEMON_WRAPPER=${DAEMON_WRAPPER/LD_PRELOAD=/LD_PRELOAD=$SWAP/swap.so:} ;;
        *) DAEMON_WRAPPER="${DAEMON_WRAPPER:-} env LD_PRELOAD=$SWAP/swap.so" ;;
    esac
    export DAEMON_WRAPPER
}

swap_at() {
    local call=$1 nth=$2 pattern=$3
    shift 3
    rm -f "$SWAP"/{plan,claimed,done}
    {
        printf '%s %d %s\n' "$call" "$nth" "$pattern"
        if [ $# -eq 1 ]; then printf '%s\n' "$1"; else printf '%q ' "$@"; fi
    } >"$SWAP/plan.new"
    chmod 644 "$SWAP/plan.new"
    mv "$SWAP/plan.new" "$SWAP/plan"
}

swapped() {
    # The command runs while somebody waits for the call, so what was claimed will be done.
    [ ! -e "$SWAP/claimed" ] || waited test -e "$SWAP/done"
    like "$1" "$(cat "$SWAP/done" 2>&1)" '^0 '
}

swap_off() {
    rm "$SWAP/plan" 2>/dev/null
}
