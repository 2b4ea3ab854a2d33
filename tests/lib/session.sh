# shellcheck shell=bash
# One session of commands on a daemon without the plugin, "stock", and on one with it, "plugin": the same must come
# of it. A test sources it after linked.sh.
#
#   run COMMAND...   in a session: prints the command, its output of both kinds, and its status
#   sessions_same    results: what $DAEMON_WORK/stock.session and $DAEMON_WORK/plugin.session hold is the same, and
#                    has commands that succeed and commands that fail

# The directory of the modules without the plugin.
# shellcheck disable=SC2034 # for the caller
STOCK_MODULES=$(dirname "$(readlink -f "$LIBVIRT_DRIVER_DIR/libvirt_driver_secret.so")")

run() {
    local status=0
    echo "\$ $*"
    "$@" 2>&1 || status=$?
    echo "status $status"
}

sessions_same() {
    local stock=$DAEMON_WORK/stock.session plugin=$DAEMON_WORK/plugin.session status
    for status in 0 1; do
        try "the session has commands that end with $status ($(grep -c "^status $status" "$stock"))" \
            grep -q "^status $status" "$stock"
    done
    same "the same came of all of them" "$(diff -U 3 "$stock" "$plugin")" ""
    [ -z "${LUKSHDR_LOGS:-}" ] || {
        mkdir -p "$LUKSHDR_LOGS"
        cp "$stock" "$plugin" "$LUKSHDR_LOGS"
    }
}
