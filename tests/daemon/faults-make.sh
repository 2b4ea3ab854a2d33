#!/bin/bash
# Making a linked volume, interrupted at each step: see ../lib/faults-life.sh.
# Arguments: the operations to try, instead of all.
. "$(dirname "$0")/../lib/faults-life.sh"
[ $# -gt 0 ] || set -- create_replicated create_generated share
life "$@"
