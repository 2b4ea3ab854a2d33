#!/bin/bash
# Putting back and repairing a header, and the start that clears up, interrupted at each step: see
# ../lib/faults-life.sh.
# Arguments: the operations to try, instead of all.
. "$(dirname "$0")/../lib/faults-life.sh"
[ $# -gt 0 ] || set -- restore repair_damaged repair_missing \
    recover_create recover_delete recover_wipe recover_unlink
life "$@"
