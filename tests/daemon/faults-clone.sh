#!/bin/bash
# Cloning and copying, interrupted at each step: see ../lib/faults-life.sh.
# Arguments: the operations to try, instead of all.
. "$(dirname "$0")/../lib/faults-life.sh"
[ $# -gt 0 ] || set -- clone_plain_linked clone_linked_linked clone_linked_plain copy
life "$@"
