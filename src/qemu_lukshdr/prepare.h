/*
 * prepare.h: what is found out about a source before a guest gets it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "disk.h"

/**
 * lukshdrQemuPrepareEarly:
 * @vm: the guest
 * @src: a source to which the guest is about to get access
 * @chain: whether the guest gets access to the sources behind it, too
 *
 * libvirt 9.0 gives access to a disk that it plugs in before it prepares the disk, and
 * every release does so for the overlay of a snapshot.  This function looks up each
 * source that was not looked up yet and that no guest uses.  It refuses a payload that
 * would become an overlay: only overlays come here alone (without @chain) and unprepared.
 *
 * Returns: 0, or -1 with a libvirt error reported.
 */
int
lukshdrQemuPrepareEarly(virDomainObj *vm, virStorageSource *src, bool chain);
