#!/bin/bash
# docs/accidents.md says what happens.
set -u
. "$(dirname "$0")/../lib/docs.sh"

need_root
need_command cryptsetup qemu-system-x86_64

docs_page "$(dirname "$0")/../../docs/accidents.md" 0

daemon_stop
finish
