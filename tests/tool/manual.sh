#!/bin/bash
# What virt-lukshdr says of itself: manual pages, --help and completion agree with one another and with what
# it does.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/vl.sh"

need_command man
MANUAL=$BUILDDIR/docs/manpages
SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
RST=$SOURCE/docs/manpages/virt-lukshdr.rst
[ -e "$MANUAL/virt-lukshdr.1" ] || skip_all "needs a build with manual pages (python3-docutils)"
export LC_ALL=C.UTF-8

# --- the pages

# warnings PAGE WIDTH: what man has to complain about.
warnings() {
    { MANWIDTH=$2 man --warnings=w -l "$1" >/dev/null; } 2>&1
}

printf '.TH a 1\n.SH NAME\na \\- b\n.nothing\n' >"$TAP_OUT"
like "man complains about a page that is wrong" "$(warnings "$TAP_OUT" 80)" 'nothing'
for page in virt-lukshdr.1 lukshdr-label.5; do
    like "$page is one" "$(man -l "$MANUAL/$page" 2>/dev/null)" '^SEE ALSO$'
    for width in 80 120; do
        same "$page, $width columns: no warnings" "$(warnings "$MANUAL/$page" "$width")" ""
    done
done

# --- the commands

# section COMMAND: its text in the manual.
section() {
    awk -v command="$1" '
        /^(-+|=+)$/ { inside = (before == command) }
        inside { print before }
        { before = $0 }' "$RST"
}

# options: those that stdin speaks of. --object is QEMU's.
options() {
    grep -oE -- '--[a-z]+(-[a-z]+)*' | grep -vxE -- '--(help|object)' | sort -u
}

mapfile -t commands < <("$VL" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\)  *.*/\1/p')
same "there are all of them" "${#commands[@]}" 18
same "the manual has the same" "$(sed -n '/^COMMANDS$/,/COMMANDS-END/p' "$RST" | grep -B 1 -E '^-+$' | grep -E '^[a-z]' | sort)" \
    "$(printf '%s\n' "${commands[@]}" | sort)"
# Files that examples name must be there, since some are read first.
cd "$(mktemp -d)" || exit 1
at_exit rm -r "$PWD"
cp "$SOURCE/tests/golden/luks1-qemu-aes-256.phdr" data.luks.backup
for command in "${commands[@]}"; do
    help=$("$VL" "$command" --help)
    like "$command: the usage" "$help" "^  virt-lukshdr $command \[OPTION.*\]( [A-Z|/ ]+)?\$"
    same "$command: help and manual have the same options" "$(options <<<"$help")" "$(section "$command" | options)"
    examples=$(sed -n '/^Example:/,$s/^  \(virt-lukshdr .*\)/\1/p' <<<"$help")
    like "$command: an example" "$examples" "^virt-lukshdr $command( |\$)"
    while read -r example; do
        # All that is wrong with it here is that there is no daemon.
        status "it can be typed: ${example%% |*}" 3 'Unable to connect' \
            bash -c "virt-lukshdr() { '$VL' -c 'qemu+unix:///system?socket=/nonexistent' \"\$@\"; }; ${example%% |*}"
    done <<<"$examples"
done
while read -r number; do
    like "exit status $number is in the manual" "$(sed -n '/^EXIT STATUS$/,/^ENVIRONMENT$/p' "$RST")" "^$number\$"
done < <(sed -n 's/^    LUKSHDR_TOOL_[A-Z_]* = \([0-9]*\),.*/\1/p' "$SOURCE/tools/tool.h")

# --- completion

try "a daemon starts" linked_start || finish
quick_format
create one raw >/dev/null

# complete_to WHAT LINE WANTED: what the words are that could stand at the end of the line.
complete_to() {
    # shellcheck disable=SC2016 # for the other shell
    same "completion: $1" "$(PATH=$BUILDDIR/tools:$PATH "$DAEMON_IN" bash -c '
        . "$1"
        # only in a real completion
        compopt() { echo "$*"; }
        COMP_LINE=$2 COMP_POINT=${#2}
        _virt_lukshdr
        printf "%s\n" "${COMPREPLY[@]}"' bash "$SOURCE/tools/virt-lukshdr.bash" "$2" 2>&1 | sort | xargs)" "$3"
}
complete_to "all commands" "virt-lukshdr " "$(printf '%s\n' "${commands[@]}" | sort | xargs)"
complete_to "those that begin so" "virt-lukshdr key-" "key-add key-change key-list key-remove"
complete_to "options before the command" "virt-lukshdr --c" "--connect"
complete_to "a command after a URI" "virt-lukshdr -c qemu:///system unl" "unlink"
complete_to "likewise" "virt-lukshdr --connect=qemu:///system unl" "unlink"
complete_to "not of the URI itself" "virt-lukshdr -c q" ""
complete_to "a command's options" "virt-lukshdr convert --s" "--same-key --secret"
complete_to "a form" "virt-lukshdr chain --format do" "domain dot"
complete_to "behind an equals sign" "virt-lukshdr chain --format=do" "domain dot"
complete_to "another command's formats" "virt-lukshdr convert one --format " "qcow2 raw"
complete_to "a pool" "virt-lukshdr list --pool v" "vault"
complete_to "a volume" "virt-lukshdr info da" "data/one"
complete_to "a pool of the daemon that is named" "virt-lukshdr -c test:///default list --pool " "default-pool"
complete_to "not of another" "virt-lukshdr -c test:///default info da" ""
complete_to "a header's pool" "virt-lukshdr convert one data/two --header va" "vault vault/one.luks"
complete_to "a secret" "virt-lukshdr link one --secret ${SECRET_UUID:0:4}" "$SECRET_UUID"
complete_to "an option's value does not count" "virt-lukshdr attach --bus virtio demo da" "data/one"
complete_to "nor one behind an equals sign" "virt-lukshdr attach --bus=virtio demo da" "data/one"
complete_to "a passphrase file" "virt-lukshdr key-add one --passphrase-file " "-o default"
complete_to "a master key" "virt-lukshdr chain one --master-key " "-o default"
complete_to "a backup file" "virt-lukshdr header-backup one " "-o default"
complete_to "nothing where nothing can stand" "virt-lukshdr list da" ""
finish
