#!/bin/bash
# Volumes without a detached header are stock's: the same session runs on a daemon without the plugin and on one
# with it, and gives the same output, down to the words of the errors.

# shellcheck disable=SC2317 # many functions are called by way of run
. "$(dirname "$0")/../lib/linked.sh"
. "$(dirname "$0")/../lib/session.sh"

normal() {
    sed -e "s|$DAEMON_DIR|DIR|g" -e 's|volume-[0-9]*\.xml|volume.xml|g' -e '/<[acmb]time>/d' \
        -e 's|\.secret\.[A-Za-z0-9]*|.secret.RANDOM|'
}

# content VOLUME: of which the LUKS header, random, is not looked at.
content() {
    qemu-img info "$DATA/$1" | grep -E 'file format|virtual size|cluster_size|encrypted|cipher|hash alg|backing file:'
}

attached() {
    linked_xml "$@" | grep -v '<header'
}

session() {
    local format name
    run virsh pool-list --all
    for format in raw qcow2 qcow vmdk vdi; do
        run virsh vol-create-as data "as.$format" 2M --format "$format"
        run virsh vol-dumpxml "as.$format" data
        run virsh vol-info "as.$format" data
        run content "as.$format"
    done
    run virsh vol-create-as data noformat 1M --format nonsense
    run virsh vol-create-as data as.raw 1M
    run virsh vol-create-as data a/b 1M
    run virsh vol-create-as data prealloc 1M --allocation 1M --prealloc-metadata --format qcow2
    run virsh vol-create-as nowhere new 1M
    run virsh vol-create-as data over.qcow2 4M --format qcow2 --backing-vol as.qcow2 --backing-vol-format qcow2
    run virsh vol-dumpxml over.qcow2 data
    run content over.qcow2

    for format in raw qcow2; do
        attached "att.$format" "$format" "<cipher name='aes' size='256' mode='xts' hash='sha256'/><ivgen name='plain64'/>" |
            run create_xml
        run virsh vol-dumpxml "att.$format" data
        run virsh vol-info "att.$format" data --bytes
        run content "att.$format"
    done
    attached bad raw "<cipher name='rot' size='13'/>" | run create_xml
    attached bad raw | sed "s/$SECRET_UUID/11111111-2222-3333-4444-555555555555/" | run create_xml
    attached bad raw | sed "s/luks/qcow/" | run create_xml
    attached bad raw | sed "s/<secret.*//" | run create_xml

    run virsh vol-create data /nonexistent.xml
    for name in '<volume/>' '<volume>' '' '<domain/>' '<volume><name>x</name></volume>' \
        '<volume><name>x</name><capacity>1</capacity><target><format type="zzz"/></target></volume>' \
        '<volume><name>header</name><capacity>512</capacity><target><format type="raw"/></target></volume>' \
        '<!DOCTYPE volume [<!ENTITY a "b">]><volume><name>&a;</name><capacity>512</capacity></volume>' \
        '<volume xmlns:q="urn:q"><name>ns</name><capacity>512</capacity><q:x/></volume>'; do
        printf '%s' "$name" >"$DAEMON_DIR/v.xml"
        run virsh vol-create data "$DAEMON_DIR/v.xml"
        run virsh vol-create data "$DAEMON_DIR/v.xml" --validate
    done
    attached valid qcow2 >"$DAEMON_DIR/v.xml"
    run virsh vol-create data "$DAEMON_DIR/v.xml" --validate

    for name in as.raw as.qcow2 as.vdi over.qcow2 att.raw att.qcow2; do
        run virsh vol-resize "$name" 20M data
        run virsh vol-resize "$name" 1M data
        run virsh vol-info "$name" data --bytes --physical
        run virsh vol-path "$name" data
        run virsh vol-key "$name" data
        run virsh vol-pool "$DATA/$name"
    done
    head -c 100000 /dev/zero | tr '\0' Q >"$DAEMON_DIR/up"
    chmod 644 "$DAEMON_DIR/up"
    run virsh vol-upload as.raw "$DAEMON_DIR/up" data --offset 4096
    "$DAEMON_IN" sh -c ': >"$1"' in "$DAEMON_IMAGES/down"
    run virsh vol-download as.raw "$DAEMON_IMAGES/down" data --offset 4096 --length 100000
    run cmp "$DAEMON_DIR/up" "$DAEMON_IMAGES/down"
    run virsh vol-download as.raw "$DAEMON_IMAGES/down" data --offset 99999999999
    run virsh vol-download nothing "$DAEMON_IMAGES/down" data

    run virsh vol-clone as.raw clone.raw data
    run virsh vol-clone as.qcow2 clone.qcow2 data
    run virsh vol-clone as.raw clone.raw data
    run virsh vol-dumpxml clone.qcow2 data
    run sha256sum "$DATA/clone.raw"
    printf '<volume><name>from</name><capacity>4194304</capacity><target><format type="qcow2"/></target></volume>' \
        >"$DAEMON_DIR/v.xml"
    run virsh vol-create-from data "$DAEMON_DIR/v.xml" as.raw
    printf '<volume>' >"$DAEMON_DIR/v.xml"
    run virsh vol-create-from data "$DAEMON_DIR/v.xml" as.raw
    attached luksfrom raw >"$DAEMON_DIR/v.xml"
    run virsh vol-create-from data "$DAEMON_DIR/v.xml" as.raw
    run content luksfrom
    run virsh vol-clone att.raw attclone.raw data

    run virsh vol-wipe as.raw data
    run sha256sum "$DATA/as.raw"
    run virsh vol-wipe clone.raw data --algorithm nonsense
    run virsh vol-wipe nothing data
    run virsh pool-refresh data
    run virsh vol-list data --details
    for name in as.raw as.qcow2 att.raw clone.raw valid nothing; do
        run virsh vol-delete "$name" data
    done
    virsh pool-destroy data >/dev/null
    run virsh vol-delete as.vdi data
    run virsh vol-create-as data new 1M
    virsh pool-start data >/dev/null
    run virsh vol-list data
    run ls -ln --time-style=+ "$DATA"
}

# with NAME DIRECTORY: the session with the modules of DIRECTORY.
with() {
    LIBVIRT_DRIVER_DIR=$2 linked_start "$1" >/dev/null && quick_attached || return
    session 2>&1 | normal >"$DAEMON_WORK/$1.session"
    daemon_stop
}

try "the session without the plugin" with stock "$STOCK_MODULES"
try "the session with the plugin" with plugin "$LIBVIRT_DRIVER_DIR"
sessions_same
linked_use plugin
unlike "the plugin said nothing in the log" "$(grep -E 'lukshdr[A-Z]' "$DAEMON_LOG")" .
finish
