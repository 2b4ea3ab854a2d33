#!/bin/bash
# Linking what exists, and parting it, interrupted at each step: see ../lib/faults-life.sh.
# Arguments: the operations to try, instead of all.
. "$(dirname "$0")/../lib/faults-life.sh"
[ $# -gt 0 ] || set -- adopt adopt_again part
life "$@"
