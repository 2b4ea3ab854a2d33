#!/bin/sh
# Installs symlinks to the stock modules; meson itself refuses those that dangle, which here are the
# drivers that this machine does not have, yet.
# Usage, by meson: install-symlinks.sh STOCK_DIR MODULE_DIR MODULE...
set -eu
# relative, as packages have them
to=$(realpath -sm --relative-to "$2" "$1") dir=${DESTDIR:-}$2
shift 2
mkdir -p "$dir"
for module; do
    ln -sfn "$to/$module" "$dir/$module"
done
