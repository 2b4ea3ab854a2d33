#!/bin/bash
# virt-lukshdr check: what it finds, what it repairs, how it ends.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/vl.sh"

need_command jq
try "a daemon starts" linked_start || finish
quick_format
"$DAEMON_IN" mkdir "$DAEMON_IMAGES/spare"
pool_make spare "$DAEMON_IMAGES/spare"
SPARE=$DAEMON_IMAGES/spare

status "nothing there" 0 '^links checked: 0, things found: 0, repaired: 0$' vl check
create one raw >/dev/null && create two qcow2 >/dev/null
virsh vol-create-as spare one.luks 4M
try "a replica" vl link one --yes --replica spare/one.luks
status "all is well" 0 '^links checked: 2, things found: 0, repaired: 0$' vl check
cp "$VAULT/one.luks" "$DAEMON_DIR/kept"

# --- secrets, which are private: only the daemon has their values

before=$(sha256sum <"$VAULT/one.luks" && link_show one)
printf 'another passphrase' | secret_file
virsh secret-set-value "$SECRET_UUID" --file "$DAEMON_DIR/xml/value" --plain >/dev/null
status "a secret that does not open" 7 "^data/one: .*secret '$SECRET_UUID' does not open header 'one.luks' of pool 'vault'" vl check
like "of each volume" "$OUT" "^data/two: .*does not open header 'two.luks'"
like "says what can be done" "$OUT" "secret-set-value $SECRET_UUID --interactive.*virt-lukshdr link data/one --secret UUID"
same "list does not open it" "$(said vl info one --json | jq -r .link.state)" ok
virsh secret-undefine "$SECRET_UUID" >/dev/null
secret_make "$SECRET_UUID" volume >/dev/null
status "one without a value" 7 "^data/one: .*secret '$SECRET_UUID' of volume 'one' of pool 'data' has no value; .*secret-set-value" vl check
virsh secret-undefine "$SECRET_UUID" >/dev/null
secret_make "$SECRET_UUID" volume "$PASSPHRASE" >/dev/null
status "all is well" 0 '^links checked: 2, things found: 0, repaired: 0$' vl check
same "nothing was changed" "$(sha256sum <"$VAULT/one.luks" && link_show one)" "$before"

# --- replicas

flip "$SPARE/one.luks" 6000
status "a flipped byte in the replica" 7 "data/one: replica 'one.luks' of pool 'spare'" vl check
like "what would be done" "$OUT" '--repair makes it a copy'
try "is not done without being asked for" eval '! cmp -s -n 2097152 "$VAULT/one.luks" "$SPARE/one.luks"'
status "repaired" 0 '^links checked: 2, things found: 1, repaired: 1$' vl check --repair
try "it is a copy again" cmp -n 2097152 "$VAULT/one.luks" "$SPARE/one.luks"
status "all is well" 0 'things found: 0,' vl check
rm "$SPARE/one.luks"
status "the replica is gone" 7 "replica 'one.luks' of pool 'spare'" vl check data/one
status "repaired" 0 'repaired: 1$' vl check --repair data/one
try "it is a copy again" cmp -n 2097152 "$VAULT/one.luks" "$SPARE/one.luks"

# --- a pool that is not active: nobody knows what is in it

virsh pool-destroy spare
status "a replica's pool is not active" 7 "replica 'one.luks' of pool 'spare': .* virsh pool-start spare" vl check --repair
unlike "nothing else is advised" "$OUT" '^    '
virsh pool-start spare
virsh pool-destroy vault
status "a header's pool is not active" 7 "header 'one.luks' of pool 'vault' is missing: .* virsh pool-start vault" \
    vl check --repair
unlike "nothing else is advised" "$OUT" '^    '
virsh pool-start vault
status "all is well" 0 'things found: 0,' vl check

# --- headers

flip "$VAULT/one.luks" 6000
status "a flipped byte in the header" 7 "data/one: header 'one.luks' of pool 'vault' is damaged" vl check vault
like "what would be done" "$OUT" "--repair puts replica 'one.luks' of pool 'spare' in its place"
status "repaired" 0 'repaired: 1$' vl check --repair
status "all is well" 0 'things found: 0,' vl check
rm "$VAULT/one.luks"
status "the header is gone" 7 "header 'one.luks' of pool 'vault' is missing" vl check
status "repaired" 0 'repaired: 1$' vl check --repair
same "it is there" "$(said vl info one --json | jq -r .link.state)" ok
flip "$VAULT/two.luks" 6000
status "a header without a replica" 7 'virt-lukshdr header-restore data/two FILE' vl check --repair
like "or the keys were changed" "$OUT" 'virt-lukshdr link data/two'
status "of a pool alone" 7 '^links checked: 2, things found: 1' vl check data
status "of one volume alone" 0 '^links checked: 1, things found: 0' vl check data/one
status "of a pool without any" 0 '^links checked: [01],' vl check spare
status "neither pool nor volume" 4 "nothere" vl check nothere

# --- orphans and missing payloads

cp "$DAEMON_DIR/kept" "$VAULT/stray"
give "$VAULT/stray"
mv "$DATA/one" "$DAEMON_DIR/one.kept"
virsh pool-refresh vault && virsh pool-refresh data
status "a payload that is gone" 7 'data/one: the payload is missing: .*virsh pool-refresh data; .*virt-lukshdr link POOL/VOLUME; .*virt-lukshdr forget data/one' \
    vl check
same "is told of once, and not by its replica as well" "$(grep -c 'the payload is missing' <<<"$OUT")" 1
like "by its header" "$OUT" "header 'one.luks' of pool 'vault' is there and waits"
like "a header without a link" "$OUT" '^vault/stray: no link leads here; its link label says that it is the header of data/one, which is not'
like "and the whole command" "$OUT" "virt-lukshdr link POOL/VOLUME vault/stray --secret $SECRET_UUID"

# --- a generated secret that outlives its link

linked_xml generated raw "" "pool='vault' volume='generated.luks'" | sed 's/<secret [^>]*>//' >"$DAEMON_DIR/xml/generated.xml"
virsh vol-create data "$DAEMON_DIR/xml/generated.xml" >/dev/null
uuid=$(virsh vol-dumpxml generated data | sed -n "s/.*<secret .*uuid=['\"]\([^'\"]*\).*/\1/p")
like "it has a secret of its own" "$uuid" '^[0-9a-f-]{36}$'
unlike "a secret that is needed is not told" "$(vl check)" "secret $uuid"
rm "$DATA/generated" "$VAULT/generated.luks"
vl forget --yes data/generated >/dev/null
unlike "one that a header without a link may need is not" "$(vl check)" "secret $uuid"
rm "$VAULT/stray"
virsh pool-destroy data >/dev/null
unlike "nor one that a pool may need which is not active" "$(vl check)" "secret $uuid"
virsh pool-start data >/dev/null
virsh pool-refresh vault >/dev/null
like "one that nothing needs any more is" "$(vl check)" \
    "^secret $uuid \(.*volume '$DATA/generated'\): no volume .* needs it\\. Keep it as long as one may come back"
unlike "nor is one that somebody made" "$(vl check)" "^secret $SECRET_UUID"
virsh secret-undefine "$uuid" >/dev/null
unlike "it is told no longer" "$(vl check)" "secret $uuid"
finish
