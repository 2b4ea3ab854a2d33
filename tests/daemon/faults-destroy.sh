#!/bin/bash
# Deleting and wiping, interrupted at each step: see ../lib/faults-life.sh.
# Arguments: the operations to try, instead of all.
. "$(dirname "$0")/../lib/faults-life.sh"
[ $# -gt 0 ] || set -- delete_replicated delete_generated delete_sharing wipe
life "$@"
