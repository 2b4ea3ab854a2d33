#!/bin/sh
# Checks that meson knows each shell test. Usage: listed.sh DIRECTORY SCRIPT...: the SCRIPTs are those that
# meson knows, below DIRECTORY.
cd "$1" || exit
shift
status=0
for script in attack/*.sh daemon/*.sh tool/*.sh guest/*.sh rbd/*.sh iscsi/*.sh releases/*.sh lab/*.sh gui/*.sh; do
    case " $* " in
        *" $script "*) ;;
        *)
            [ ! -e "$script" ] || status=1
            echo "tests/meson.build does not list $script"
            ;;
    esac
done
exit "$status"
