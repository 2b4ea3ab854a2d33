#!/bin/bash
# Where one of the plugin's checks fails the daemon comes up stock, and says so in one line.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/../lib/linked.sh"

daemon_use host
SHIM=$(preload unsuited) || skip_all "no compiler for tests/lib/unsuited.c"

# session NAME: what a user does, and hears, without paths and times.
session() {
    quick_attached
    {
        virsh vol-create-as data plain 1M --format qcow2
        virsh vol-dumpxml plain data
        linked_xml attached raw | grep -v '<header' | create_xml
        virsh vol-dumpxml attached data
        cryptsetup luksDump "$DATA/attached" | grep -c 'ENABLED'
        # stock drops what it does not know, and makes a volume with attached LUKS of it
        create linked raw
        virsh vol-dumpxml linked data
        cryptsetup luksDump "$DATA/linked" | grep -c 'ENABLED'
        ls "$DATA" "$VAULT"
        virsh vol-delete plain data
        virsh vol-delete attached data
        virsh vol-delete linked data
        ls "$DATA" "$VAULT"
    } 2>&1 | sed -e "s|$DAEMON_DIR|DIR|g" -e 's|volume-[0-9]*.xml|volume.xml|' -e '/time>/d'
}

# ours: what our half says in the log, warnings and errors.
ours() {
    grep 'libvirt-lukshdr' "$DAEMON_LOG" | grep -v 'info :'
}

# Stock as it is, to compare with
LIBVIRT_DRIVER_DIR=$(dirname "$(readlink -f "$LIBVIRT_DRIVER_DIR/libvirt_driver_secret.so")") linked_start stock ||
    fail "a stock daemon starts"
session >"$DAEMON_WORK/stock.session"
like "the session finds out what stock does" "$(cat "$DAEMON_WORK/stock.session")" '<encryption format=.luks.>'
daemon_stop

# passive NAME REASON SETTING...: with the environment SETTING the daemon is as stock is.
passive() {
    local name=$1 reason=$2
    shift 2
    DAEMON_WRAPPER="env LD_PRELOAD=$SHIM $*" linked_start "$name" || {
        fail "$name: the daemon starts"
        return
    }
    same "$name: one line of ours in the log" "$(ours | grep -c lukshdrStorage)" 1
    like "$name: it is an error and says why" "$(ours | grep lukshdrStorage)" "error : .*stays out of the way.*$reason"
    session >"$DAEMON_WORK/$name.session"
    same "$name: the daemon does what stock does" "$(diff "$DAEMON_WORK/stock.session" "$DAEMON_WORK/$name.session")" ""
    same "$name: it has no link registry" "$(links)" ""
    daemon_stop
}

passive newer '99\.0\.0.*LUKSHDR_ALLOW_UNTESTED_LIBVIRT' UNSUITED=version
passive older '8\.0\.0 is outside the tested range' UNSUITED=old LUKSHDR_ALLOW_UNTESTED_LIBVIRT=1
passive zero '99\.0\.0' UNSUITED=version LUKSHDR_ALLOW_UNTESTED_LIBVIRT=0
passive symbol "no function 'virIdentityElevateCurrent'" UNSUITED=symbol=virIdentityElevateCurrent
passive known-entry "no function 'storagePoolLookupByTargetPath'" UNSUITED=symbol=storagePoolLookupByTargetPath
passive table "table of functions is not recognised" UNSUITED=other=storagePoolLookupByTargetPath

# active NAME SETTING...: with the environment SETTING the plugin works.
active() {
    local name=$1
    shift
    DAEMON_WRAPPER="env LD_PRELOAD=$SHIM $*" linked_start "$name" || {
        fail "$name: the daemon starts"
        return
    }
    same "$name: no line of ours in the log" "$(ours)" ""
    quick_format
    try "$name: a linked volume is created" create linked raw
    try "$name: it has a header" cryptsetup isLuks "$VAULT/linked.luks"
    try "$name: it is deleted" virsh vol-delete linked data
    daemon_stop
}

active shim UNSUITED=nothing
active override UNSUITED=version LUKSHDR_ALLOW_UNTESTED_LIBVIRT=1

# --- the directory of modules

modules=$DAEMON_WORK/modules
mkdir "$modules"
cp -P "$LIBVIRT_DRIVER_DIR"/libvirt_driver_*.so "$modules"
find "$modules" -type l -name '*_lxc.so' -o -name '*_vbox.so' | while read -r link; do
    ln -sfn /nonexistent/module.so "$link"
done
chmod -R a+rX "$modules"
try "dangling symlinks among the modules" [ -n "$(find "$modules" -xtype l)" ]
LIBVIRT_DRIVER_DIR=$modules linked_start dangling || fail "are skipped"
unlike "are skipped, and nothing is said of them" "$(cat "$DAEMON_LOG")" 'driver_(lxc|vbox)'
quick_format
try "a linked volume is created" create linked raw
try "and deleted" virsh vol-delete linked data
daemon_stop
finish
