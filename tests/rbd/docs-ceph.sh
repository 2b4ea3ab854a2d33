#!/bin/bash
# docs/ceph.md and docs/ceph-headers.md say what happens. The monitor that they speak of is that of the test's cluster.
set -u
. "$(dirname "$0")/../lib/docs.sh"
. "$(dirname "$0")/../lib/ceph.sh"

need_ceph
need_command qemu-system-x86_64
[ -d /etc/ceph ] || skip_all "needs /etc/ceph, where Ceph's tools find their cluster"

# docs_file NAME: as docs.sh has it, with the monitor's address.
docs_file() {
    sed "s/name='mon.example.org' port='6789'/name='127.0.0.1' port='$CEPH_PORT'/" >"$DAEMON_WORK/docs/$1"
}

try "a host is there" docs_host host || finish
try "and a cluster" ceph_start || finish
try "which Ceph's tools find there" "$DAEMON_IN" mount --bind "$CEPH_DIR" /etc/ceph || finish
"$DAEMON_IN" test -x /usr/bin/virt-lukshdr || ln -s "$BUILDDIR/tools/virt-lukshdr" "$BIN/virt-lukshdr"
record=${DOCS_RECORD:-}
for page in ceph ceph-headers; do
    note "docs/$page.md"
    [ -z "$record" ] || DOCS_RECORD=$record.$page
    docs_page "$(dirname "$0")/../../docs/$page.md" 0
done
try "the cluster ends in good order" ceph_stop
daemon_stop
finish
