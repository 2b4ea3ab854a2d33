#!/bin/bash
# Each call of libvirt's storage API that reaches the plugin, and each call about domains that carries a whole
# domain's XML, for plain volumes, payloads, headers and replicas. Three kinds of clients make it: some that
# have all rights but one that the call needs, one that may only connect, and one that has just the rights
# that the call needs. A client without a right is denied in libvirt's own words, learns nothing and changes
# nothing; a client with the rights needs no others. The clients look nothing up: a client that knows a name
# can make a call.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/polkit.sh"
. "$(dirname "$0")/../lib/linked.sh"

API=$(pkg-config --variable=libvirt_api libvirt 2>/dev/null || echo /usr/share/libvirt/api/libvirt-api.xml)
[ -r "$API" ] || skip_all "needs libvirt's description of its API (libvirt-dev)"

# The calls and the rights that libvirt asks for: to the volume, and, where it is a payload, the plugin to its
# headers as well. What is asked for besides, for secrets, sources and headers that others have, stands below;
# docs/rights.md tells it all.
TABLE='
virStorageVolDelete          storage-vol.delete
virStorageVolWipe            storage-vol.format
virStorageVolWipePattern     storage-vol.format
virStorageVolUpload          storage-vol.data-write
virStorageVolDownload        storage-vol.data-read
virStorageVolResize          storage-vol.resize
virStorageVolGetXMLDesc      storage-vol.read
virStorageVolGetInfo         storage-vol.read
virStorageVolGetPath         storage-vol.read
virStorageVolCreateXML       storage-vol.create
virStorageVolCreateXMLFrom   storage-vol.create
virStoragePoolDefineXML      storage-pool.write storage-pool.save
virStoragePoolCreateXML      storage-pool.start storage-pool.write
virStoragePoolBuild          storage-pool.format
virStoragePoolCreate         storage-pool.start
virStoragePoolDestroy        storage-pool.stop
virStoragePoolDelete         storage-pool.format
virStoragePoolUndefine       storage-pool.delete
virStoragePoolRefresh        storage-pool.refresh
virStoragePoolGetXMLDesc     storage-pool.read
virDomainCreate              domain.start
virDomainCreateWithFlags     domain.start
virDomainSaveFlags           domain.hibernate
virDomainSaveParams          domain.hibernate
virDomainRestoreFlags        domain.start domain.write
virDomainRestoreParams       domain.start domain.write
virDomainSaveImageDefineXML  domain.write domain.hibernate
virDomainManagedSaveDefineXML domain.write domain.hibernate
virDomainMigrateBegin3       domain.migrate
virDomainMigratePrepare3     domain.migrate domain.start domain.write
virDomainMigratePrepare3Params domain.migrate domain.start domain.write
'
# What is asked for, whatever the call
RIGHTS=$(awk '{ for (i = 2; i <= NF; i++) print $i }' <<<"$TABLE" | sort -u)

# needs CALL: the rights in the table.
needs() {
    awk -v call="${1%%:*}" '$1 == call { $1 = ""; print substr($0, 2) }' <<<"$TABLE"
}

polkit_client connect '*'
for right in $RIGHTS storage-vol.getattr storage-pool.getattr; do
    polkit_client "no-$right" "$right"
    polkit_client "only-$right" '*' "+$right"
done
polkit_client starter '*' +domain.getattr +domain.start '+secret.*'
polkit_client saver '*' +domain.hibernate +domain.write +domain.start +domain.migrate
polkit_client define '*' +storage-pool.write +storage-pool.save
polkit_client make '*' +storage-pool.write +storage-pool.start
# in one pool everything, in the one of the headers nothing
polkit_client tenant 'storage-*@vault' 'storage-*@spare'
polkit_client sharer '*' +storage-vol.create +storage-vol.data-write '+secret.*'
polkit_client linker '*' +storage-vol.create +storage-vol.data-write '+secret.*'
polkit_client unlinker '*' +storage-vol.create +storage-vol.data-write +storage-vol.delete
polkit_client cloner '*' +storage-vol.create +storage-vol.data-read '+secret.*'
polkit_client blind-cloner '*' +storage-vol.create '+secret.*'
polkit_client poor-cloner '*' +storage-vol.create +storage-vol.data-read
polkit_use

try "a daemon with an access driver starts" linked_start host || finish
try "formatting is made quick" quick_keys
SPARE=$DAEMON_IMAGES/spare
"$DAEMON_IN" mkdir -p "$SPARE"
try "a pool for replicas" pool_make spare "$SPARE"

note "What libvirt's own description says"
stock_rights() {
    xmllint --xpath "//function[@name='$1']/acls/check/@*[name()='object' or name()='perm']" "$API" |
        sed 's/^ *[a-z]*="\(.*\)"$/\1/' | paste -d . - - | sort | xargs
}
while read -r call rights; do
    [ -n "$call" ] || continue
    # of those that clients do not call by themselves it says nothing; libvirt's remote_protocol.x does
    [[ $call == virDomainMigrate* ]] ||
        same "$call" "$(xargs -n 1 <<<"$rights" | sort | xargs)" "$(stock_rights "$call")"
done <<<"$TABLE"

# file NAME: stdin becomes a file that every client can read; prints its name.
file() {
    cat >"$DAEMON_DIR/xml/$1.xml"
    chmod 644 "$DAEMON_DIR/xml/$1.xml"
    echo "$DAEMON_DIR/xml/$1.xml"
}

REPLICATED="pool='vault'/><source pool='spare'"
plain_xml() {
    echo "<volume><name>$1</name><capacity unit='M'>4</capacity><target>${2:-}</target></volume>"
}
generated_xml() {
    plain_xml "$1" "<encryption format='luks'><header type='volume'${2:-}><source ${3:-$REPLICATED}/></header></encryption>"
}
# A domain from when its disk was a plain volume: starting it would correct its configuration.
GUEST_UUID=11111111-2222-3333-4444-555555555555
domain_xml() {
    cat <<XML
<domain type='qemu'><name>guest</name><uuid>$GUEST_UUID</uuid><memory unit='MiB'>64</memory>
<os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$1'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>
XML
}
domain_xml "$DATA/disk" >"$DAEMON_DIR/xml/guest.xml"
try "a domain, the disk of which is not linked yet" virsh define "$DAEMON_DIR/xml/guest.xml"

# A linked volume "disk" with a replica, and a plain one
world() {
    linked_xml disk raw "" "$REPLICATED" | create_xml && virsh vol-create-as data plain 4M &&
        "$DAEMON_IN" dd if=/dev/urandom of="$DATA/plain" bs=64k count=16 conv=notrunc status=none
}
try "a linked volume with a replica, and a plain one" world
polkit_pools

# all_there: what lies in the pools and what the plugin keeps, to the byte.
all_there() {
    "$DAEMON_IN" find "$VAULT" "$DATA" "$SPARE" "$(dirname "$LINKS")" /etc/libvirt/storage -type f \
        -exec sha256sum {} + | sort -k 2
    virsh pool-list --all | sort
    virsh secret-list | sort
    virsh vol-list data
    virsh dumpxml guest --inactive
    virsh list --name
}

# The volumes: header, replica, payload, plain
VOLUMES="vault/disk.luks spare/disk.luks data/disk data/plain"
SHARE=$(generated_xml other " link='share'" "pool='vault' volume='disk.luks'" | file share)
NEW=$(generated_xml other | file new)
PLAIN=$(plain_xml other | file plain)
# What the plugin refuses, and says why: another name of the linked volume
"$DAEMON_IN" ln -s "$DATA/disk" "$DAEMON_IMAGES/alias"
ALIAS=$(domain_xml "$DAEMON_IMAGES/alias" | file alias)
pool_xml() {
    echo "<pool type='dir'><name>$1</name>${2:+<uuid>$2</uuid>}<target><path>$DAEMON_IMAGES/$1</path>${3:-}</target></pool>"
}
UNDEFAULTED=$(pool_xml data "$(virsh pool-uuid data)" "<headers/>" | file data)

# attempts CALL: lines for acl-client.c of that call about everything there is to call it about.
attempts() {
    local call=$1 volume
    case $call in
        virDomain*) echo "$call guest $GUEST_UUID $ALIAS" ;;
        virStorageVolCreateXML)
            printf '%s\n' "$call data $NEW" "$call data $PLAIN" "$call data $SHARE"
            ;;
        virStorageVolCreateXMLFrom)
            for volume in $VOLUMES; do
                printf '%s\n' "$call ${volume/\// } data $NEW" "$call ${volume/\// } data $PLAIN"
            done
            ;;
        virStorageVol*)
            for volume in $VOLUMES; do
                echo "$call ${volume/\// }"
            done
            ;;
        *XML)
            printf '%s\n' "$call data $UNDEFAULTED"
            [ "$call" = virStoragePoolDefineXML ] || echo "$call:overwrite data $UNDEFAULTED"
            ;;
        virStoragePoolBuild | virStoragePoolCreate) printf '%s\n' "$call data" "$call:overwrite data" ;;
        *) printf '%s\n' "$call data" "$call vault" "$call spare" ;;
    esac
}

note "Who lacks the right"
before=$(all_there)
while read -r call rights; do
    [ -n "$call" ] || continue
    for right in $rights; do
        for client in "no-$right" connect; do
            said=$(attempts "$call" | calls "$client" 2>&1)
            same "$call as $client: all is denied" "$(cut -f 1 <<<"$said" | sort | uniq -c | xargs)" \
                "$(attempts "$call" | wc -l) denied"
            unlike "$call as $client: nothing else is said" "$(cut -f 3 <<<"$said")" "disk|vault|link|header"
        done
    done
done <<<"$TABLE"
same "nothing has changed by all that" "$(all_there)" "$before"

note "Who has that right alone"
for call in Delete Wipe WipePattern Upload Resize Download GetXMLDesc GetInfo GetPath; do
    right=$(needs "virStorageVol$call")
    for volume in $VOLUMES; do
        expected=ok
        case $call,$volume in
            Delete,*luks | Wipe,*luks | WipePattern,*luks | Resize,*luks) expected=error ;;
        esac
        said=$(calls "only-$right" <<<"virStorageVol$call ${volume/\// }" 2>&1)
        same "$call of $volume" "$(cut -f 1 <<<"$said")" "$expected"
        [ $expected = ok ] ||
            like "$call of $volume says whose it is" "$(cut -f 3 <<<"$said")" "holds the LUKS header of volume 'disk'"
    done
    virsh vol-delete disk data >/dev/null 2>&1
    virsh vol-delete plain data >/dev/null 2>&1
    same "$call: then they can be deleted" "$(find "$VAULT" "$DATA" "$SPARE" -type f; links)" ""
    world >/dev/null 2>&1
done

note "Who may save and restore domains, and let them migrate"
for call in SaveFlags SaveParams RestoreFlags RestoreParams SaveImageDefineXML ManagedSaveDefineXML MigratePrepare3 \
    MigratePrepare3Params; do
    said=$(attempts "virDomain$call" | calls saver 2>&1)
    like "$call tells him why" "$said" "^error.*linked volume 'disk' of pool 'data' and is not its name"
done
like "the configuration is what it was" "$(virsh dumpxml guest --inactive | grep -c '<encryption')" '^0$'
try "who may start it, and have it opened, starts it" call starter virDomainCreate guest "$GUEST_UUID" "$ALIAS"
virsh destroy guest

note "Making volumes"
no_more() {
    virsh vol-delete other data >/dev/null 2>&1
}
try "a plain one" call only-storage-vol.create virStorageVolCreateXML data "$PLAIN"
no_more
try "a linked one with a generated secret" call only-storage-vol.create virStorageVolCreateXML data "$NEW"
like "which it is" "$(virsh vol-dumpxml other data)" "<header type='volume'"
no_more
before=$(all_there)
refuse "not where he may not make headers" "^denied" call tenant virStorageVolCreateXML data "$NEW"
refuse "nor replicas" "^denied" call tenant virStorageVolCreateXML data \
    "$(generated_xml other "" "pool='data' volume='x.luks'/><source pool='spare'" | file replica)"
GIVEN=$(linked_xml other raw | file given)
refuse "with a secret that he may not read" "^denied" call only-storage-vol.create virStorageVolCreateXML data "$GIVEN"
refuse "a share of a header that he may not write to" "^denied" call tenant virStorageVolCreateXML data "$SHARE"
refuse "nor by who may do all but that" "^denied" call no-storage-vol.data-write virStorageVolCreateXML data "$SHARE"
refuse "nor by who may make volumes alone" "^denied" call only-storage-vol.create virStorageVolCreateXML data "$SHARE"
refuse "what is no header is not told apart" "^denied" call only-storage-vol.create virStorageVolCreateXML data \
    "$(generated_xml other " link='share'" "pool='data' volume='plain'" | file noheader)"
same "nothing is left or changed of these" "$(all_there)" "$before"
try "a share with the rights to it" call sharer virStorageVolCreateXML data "$SHARE"
no_more

note "Cloning"
FROM="data disk data"
before=$(all_there)
refuse "a linked volume's content without data-read" "^denied" \
    call blind-cloner "virStorageVolCreateXMLFrom $FROM $PLAIN"
refuse "without its secret" "^denied" call poor-cloner "virStorageVolCreateXMLFrom $FROM $PLAIN"
same "nothing is left of these" "$(all_there)" "$before"
try "with both into a plain one" call cloner "virStorageVolCreateXMLFrom $FROM $PLAIN"
no_more
try "and into a linked one" call cloner "virStorageVolCreateXMLFrom $FROM $NEW"
no_more
try "a plain one into a linked one, as libvirt clones plain ones" \
    call only-storage-vol.create "virStorageVolCreateXMLFrom data plain data $NEW"
no_more

note "Linking and unlinking"
same "all is there as before" "$(all_there)" "$before"
UNLINK=$(linked_xml disk raw | sed "s|<header type='volume'>.*|<header type='volume' link='unlink'><source pool='vault' volume='disk.luks'/></header>|" | file unlink)
LINK=$(sed "s/link='unlink'/link='existing'/" "$UNLINK" | file link)
CHECK=$(sed "s/link='unlink'/link='check'/" "$UNLINK" | file check)
refuse "asking whether the secret opens it, without data-read" "^denied" \
    call blind-cloner virStorageVolCreateXML data "$CHECK"
refuse "without the secret" "^denied" call poor-cloner virStorageVolCreateXML data "$CHECK"
refuse "without create" "^denied" call no-storage-vol.create virStorageVolCreateXML data "$CHECK"
try "with these" call cloner virStorageVolCreateXML data "$CHECK"
TRIM=$(sed "s|<header type.*|<header type='volume' link='trim'><unused domain='1'><range offset='0' size='512'/></unused></header>|" \
    "$UNLINK" | file trim)
refuse "trimming without data-write" "^denied" call only-storage-vol.create virStorageVolCreateXML data "$TRIM"
refuse "or without create" "^denied" call no-storage-vol.create virStorageVolCreateXML data "$TRIM"
refuse "with both, what is missing is said" "does not use volume 'disk'" call sharer virStorageVolCreateXML data "$TRIM"
refuse "unlinking without delete" "^denied" call sharer virStorageVolCreateXML data "$UNLINK"
refuse "or where he may not write to the headers" "^denied" call tenant virStorageVolCreateXML data "$UNLINK"
same "nothing has changed" "$(all_there)" "$before"
try "with both" call unlinker virStorageVolCreateXML data "$UNLINK"
before=$(all_there)
refuse "linking without data-write" "^denied" call only-storage-vol.create virStorageVolCreateXML data "$LINK"
refuse "or in a pool of headers that is not his" "^denied" call tenant virStorageVolCreateXML data "$LINK"
same "nothing has changed" "$(all_there)" "$before"
try "with it" call linker virStorageVolCreateXML data "$LINK"

note "Pools"
"$DAEMON_IN" mkdir "$DAEMON_IMAGES/new"
NEWPOOL=$(pool_xml new 99999999-2222-3333-4444-555555555555 "<headers/>" | file newpool)
echo "pool new 99999999-2222-3333-4444-555555555555" >>"$DAEMON_DIR/pools"
try "defined" call define virStoragePoolDefineXML new "$NEWPOOL"
like "as a header pool" "$(virsh pool-dumpxml new)" "<headers/>"
try "built" call only-storage-pool.format virStoragePoolBuild new
try "started" call only-storage-pool.start virStoragePoolCreate new
try "refreshed" call only-storage-pool.refresh virStoragePoolRefresh new
try "looked at" call only-storage-pool.read virStoragePoolGetXMLDesc new
try "stopped" call only-storage-pool.stop virStoragePoolDestroy new
try "undefined" call only-storage-pool.delete virStoragePoolUndefine new
try "created" call make virStoragePoolCreateXML new "$NEWPOOL"
try "and stopped" call only-storage-pool.stop virStoragePoolDestroy new
same "nothing is kept of it" "$("$DAEMON_IN" find "$(dirname "$LINKS")/pools" -type f)" ""

finish
