#!/bin/sh
# Prints what apt is told on this machine of how to reach an archive, as options of mmdebstrap, a line each.
apt-config dump --format '%f "%v"%n' Acquire::http::Proxy Acquire::https::Proxy \
    Acquire::Check-Valid-Until Acquire::Check-Date | sed 's/^/--aptopt=/'
