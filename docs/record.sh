#!/bin/bash
# Records the terminal pictures of tour.md: types the commands of README.md and of the tour at a real terminal, tmux's,
# into the shell that ./demo --shell opens, and draws what then stands on the screen. Run it, as root, when the output of a
# command on a picture has changed.
#
# Usage: docs/record.sh
#
# Debian packages: tmux, python3-rich, and what ./demo needs.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8

PATIENCE=300 # seconds for one command; the build and a guest's boot are among them
WORK=$(mktemp -d)
TMUX=(tmux -S "$WORK/tmux" -f /dev/null)
trap '"${TMUX[@]}" kill-server 2>/dev/null; rm -rf "$WORK"' EXIT

give_up() {
    echo "record.sh: $1; the screen has:" >&2
    "${TMUX[@]}" capture-pane -p -t 0 >&2
    exit 1
}

# patiently COMMAND...: until it succeeds
patiently() {
    local i
    for ((i = 0; i < PATIENCE * 5; i++)); do
        ! "$@" || return 0
        sleep 0.2
    done
    give_up "time is up"
}
on_screen() {
    "${TMUX[@]}" capture-pane -p -t 0 2>/dev/null | grep -Fq "$1"
}
prompted() {
    [ "$(wc -l <"$WORK/prompts")" -gt "$PROMPTS" ]
}

# types TEXT: one command, which may have several lines, until its prompt is there
types() {
    PROMPTS=$(wc -l <"$WORK/prompts")
    "${TMUX[@]}" send-keys -t 0 -l "$1"
    "${TMUX[@]}" send-keys -t 0 Enter
    patiently prompted
}

# picture NAME: what stands on the screen, but for the last prompt
picture() {
    "${TMUX[@]}" capture-pane -e -p -t 0 >"$WORK/screen"
    /usr/bin/python3 - "$WORK/screen" "docs/pictures/$1.svg" <<'PY' || exit
import re
import sys
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

screen = open(sys.argv[1], encoding="utf-8").read().rstrip().removesuffix("#").rstrip()
text = Text.from_ansi(screen)
width = max(line.cell_len for line in text.split()) + 1
with open("/dev/null", "w") as nowhere:
    console = Console(record=True, file=nowhere, width=width)
    console.print(text)
# without fonts from other hosts: who looks at a picture need not tell them
plain = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.S)
console.save_svg(sys.argv[2], title="", code_format=plain, unique_id="terminal")
PY
    echo "docs/pictures/$1.svg"
}

"${TMUX[@]}" new-session -d -x 118 -y 50 "exec ./demo --shell" || exit
patiently on_screen "A shell in "
: >"$WORK/prompts"
types "PROMPT_COMMAND='echo >>$WORK/prompts'"
types "cat >system.xml <<'END'
$(sed -n '/^```xml/,/^```/{/^```/!p}' README.md)
END"

# A picture begins before one command and ends after another.
mapfile -t COMMANDS < <(sed -n '/^```console/,/^```/s/^# //p' README.md docs/tour.md)
seen=
for command in "${COMMANDS[@]}"; do
    case $command in
        'virt-lukshdr list' | 'dd if=/dev/urandom '*) types clear ;;
    esac
    types "$command"
    case $seen:$command in
        :'virt-lukshdr chain '*) picture volume && seen=volume ;;
        volume:'virsh start guest') seen=guest ;;
        guest:'virsh start guest') picture broken && break ;;
    esac
done
