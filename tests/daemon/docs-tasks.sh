#!/bin/bash
# The pages of tasks in docs/ say what happens. Each goes on from those before it.
set -u
. "$(dirname "$0")/../lib/docs.sh"

need_root
need_command cryptsetup qemu-system-x86_64

record=${DOCS_RECORD:-}
for page in volumes guests cloning backup headers linking moving deleting; do
    note "docs/$page.md"
    case $page in
        # qemu-img before 10.0.13 does not make detached headers
        linking) left=1 ;;
        # libguestfs and virtnbdbackup, which ../releases has
        guests | backup) left=1 ;;
        *) left=0 ;;
    esac
    [ -z "$record" ] || DOCS_RECORD=$record.$page
    docs_page "$(dirname "$0")/../../docs/$page.md" "$left"
done

daemon_stop
finish
