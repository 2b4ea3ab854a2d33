# shellcheck shell=bash
# Writes link labels as an attacker would who can write to a header pool and has no other right. A test sources
# it after linked.sh.
#
#   label_write FILE <XML          FILE, a header volume, gets a label of that text
#   label_claim PAYLOAD [INNER [REPLICAS]] FILE
#                                  prints the text of a label that names the volume PAYLOAD of pool data; INNER
#                                  stands in <payload>, REPLICAS behind <header>. The LUKS UUID is that of FILE
#   identity_of FILE               prints the <identity> that a label of this host would record for FILE

need_command python3 cryptsetup

label_write() {
    python3 -c '
import hashlib, struct, sys
text = sys.stdin.buffer.read()
slot = b"LUKSHDR\n" + struct.pack(">II", 1, len(text)) + hashlib.sha256(text).digest() + text
with open(sys.argv[1], "r+b") as f:
    for at in 2097152, 2097152 + 131072:
        f.seek(at)
        f.write(slot)' "$1"
}

label_claim() {
    local payload=$1 inner=$2 replicas=$3 file=$4
    cat <<XML
<link state="${LABEL_STATE:-active}">
  <uuid>${LABEL_UUID:-0f0e1c8a-5f5d-4f0e-9a0c-1b9d4e1f7a01}</uuid>
  <payload pool="${LABEL_POOL:-data}" volume="$payload" format="raw"><path>/nowhere/$payload</path>$inner</payload>
  <header pool="vault" volume="$(basename "$file")"><path>$file</path></header>
  $replicas
  ${LABEL_LUKS-<luks uuid=\"$(cryptsetup luksUUID "$file")\"/>}
  <secret uuid="${LABEL_SECRET:-$SECRET_UUID}" generated="yes"/>
</link>
XML
}

identity_of() {
    python3 -c '
import os, subprocess, sys
st = os.stat(sys.argv[1])
birth = subprocess.run(["stat", "-c", "%.9W", sys.argv[1]], capture_output=True, text=True).stdout.strip()
print("<identity type=\"file\" dev=\"%d\" inode=\"%d\" birth=\"%s\"/>" % (st.st_dev, st.st_ino, birth))' "$1"
}
