#!/bin/bash
# docs/recovery.md says what happens.
set -u
. "$(dirname "$0")/../lib/docs.sh"

need_root
need_command cryptsetup qemu-system-x86_64

docs_page "$(dirname "$0")/../../docs/recovery.md" 2

daemon_stop
finish
