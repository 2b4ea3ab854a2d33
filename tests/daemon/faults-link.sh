#!/bin/bash
# Linking what exists, and unlinking it, interrupted at each step: see ../lib/faults-life.sh.
# Arguments: the operations to try, instead of all.
. "$(dirname "$0")/../lib/faults-life.sh"
[ $# -gt 0 ] || set -- link_existing link_again unlink_volume
life "$@"
