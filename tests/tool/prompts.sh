#!/bin/bash
# virt-lukshdr at a terminal: prompts, what they echo, interruption, colours, the progress bar; and bash's
# completion. The terminal is tmux's.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/vl.sh"

need_command jq tmux cryptsetup
try "a daemon starts" linked_start || finish
quick_keys
create one raw >/dev/null
SOCKET=$DAEMON_DIR/tmux
at_exit tmux -S "$SOCKET" kill-server

# screen: what the terminal shows. With an argument -e with its colours.
screen() {
    tmux -S "$SOCKET" capture-pane -p "$@" -t 0
}

# shows REGEX: waits until it is there.
shows() {
    waited _shows "$1" || {
        screen
        return 1
    }
}
_shows() {
    screen | grep -Eq -- "$1"
}
_typed() {
    screen | grep -qF -- "> $1"
}

type_in() {
    tmux -S "$SOCKET" send-keys -t 0 "$@"
}

# run COMMAND: a command at a screen that is empty but for a line above it.
RUNS=0
run() {
    RUNS=$((RUNS + 1))
    type_in "clear; echo ready-$RUNS" Enter
    shows "^ready-$RUNS\$"
    type_in -l "$1"
    waited _typed "${1:0:60}"
    type_in Enter
}

# ended STATUS: waits until the last command has ended with it, which the prompt shows.
ended() {
    shows "^$1> *\$"
}

tmux -S "$SOCKET" -f /dev/null new-session -d -x 150 -y 40 \
    "PS1='\$ ' TERM=screen exec '$DAEMON_IN' env TERM=screen NO_COLOR= bash --norc --noprofile"
type_in "PATH=$(printf %q "$BUILDDIR/tools"):\$PATH; PS1='\$?> '" Enter

# --- passphrases

run "virt-lukshdr key-add one --iter-time 10"
try "the present passphrase is asked for" shows '^Present passphrase: *$'
type_in "$PASSPHRASE" Enter
try "then a new one" shows '^New passphrase: *$'
type_in "typed-at-a-terminal" Enter
try "and once more" shows '^New passphrase, once more: *$'
type_in "typed-at-a-terminal" Enter
try "it is added" ended 0
unlike "nothing of them is on the screen" "$(screen)" "typed-at|$PASSPHRASE"
printf typed-at-a-terminal | secret_file
try "what was typed opens the header" cryptsetup open --test-passphrase --type luks1 \
    --header "$VAULT/one.luks" --key-file "$DAEMON_DIR/xml/value" "$DATA/one"

before=$(sha256sum <"$VAULT/one.luks")
run "virt-lukshdr key-change one"
shows '^Present passphrase: *$'
type_in "$PASSPHRASE" Enter
shows '^New passphrase: *$'
type_in one-thing Enter
shows 'once more: *$'
type_in another-thing Enter
try "two that differ are noticed" shows 'the two passphrases differ'
try "with the status for that" ended 6
run "virt-lukshdr key-change one"
shows '^Present passphrase: *$'
type_in half-of-
type_in C-c
try "an interrupted prompt ends it" ended 130
run "echo it echoes"
try "and the terminal echoes again" shows 'echo it echoes$'
run "virt-lukshdr key-change one"
shows '^Present passphrase: *$'
type_in Enter
try "an empty passphrase is none" shows 'no passphrase was entered'
same "nothing was changed by all that" "$(sha256sum <"$VAULT/one.luks")" "$before"

# --- questions

run "virt-lukshdr erase one"
try "erase asks" shows "Destroy the key material of volume 'one' in pool 'data'\?.*\[y/N\]"
type_in Enter
try "nothing is the answer no" ended 6
same "and nothing happens" "$(sha256sum <"$VAULT/one.luks")" "$before"
run "virt-lukshdr erase one"
shows 'y/N'
type_in C-c
try "interrupted is no, too" ended 130
same "and nothing happens" "$(sha256sum <"$VAULT/one.luks")" "$before"

# What link takes as it is might be a header of once, also when it is given replicas.
links_before=$(link_show one)
for arguments in "" " --replica vault/second" " --no-replicas"; do
    run "virt-lukshdr link one$arguments"
    try "link$arguments asks" eval 'shows "Link volume .one. in pool .data. to header .one.luks. in pool .vault. anew, as both are now\?" && shows "y/N"'
    type_in Enter
    try "nothing is the answer no" ended 6
    same "and the link is as before" "$(link_show one)" "$links_before"
    same "and so is the header" "$(sha256sum <"$VAULT/one.luks")" "$before"
done
run "virt-lukshdr link one --no-replicas --yes"
try "with --yes it does not" ended 0
before=$(sha256sum <"$VAULT/one.luks")

# --- colours and the bar

run "virt-lukshdr list"
ended 0
like "a terminal shows colours" "$(screen -e)" $'\e\\[32m'
run "NO_COLOR=1 virt-lukshdr list"
ended 0
unlike "with NO_COLOR it does not" "$(screen -e | grep data/one)" $'\e'
run "virt-lukshdr convert one data/two --header vault --secret $SECRET_UUID"
try "a bar" shows '^\[#{40}\] 100%'
try "that ends" ended 0

# --- an answer that is yes

run "virt-lukshdr erase one"
shows 'y/N'
type_in y Enter
try "yes erases" ended 0
same "the header is gone" "$(said vl info one --json | jq -r .link.state)" wiped

# --- completion

run "source $(printf %q "$(cd "$(dirname "$0")/../../tools" && pwd)/virt-lukshdr.bash")"
ended 0
complete_to() {
    type_in C-u
    RUNS=$((RUNS + 1))
    type_in "clear; echo ready-$RUNS" Enter
    shows "^ready-$RUNS\$"
    type_in "$2" Tab
    try "$1" shows "$3"
    type_in C-u
}
complete_to "a command is completed" "virt-lukshdr header-b" '> virt-lukshdr header-backup$'
complete_to "an option" "virt-lukshdr chain --unp" '> virt-lukshdr chain --unplug$'
complete_to "a form" "virt-lukshdr chain --format com" '--format commandline$'
complete_to "a volume" "virt-lukshdr info data/t" '> virt-lukshdr info data/two$'
complete_to "a pool" "virt-lukshdr list --pool vau" '--pool vault$'
finish
