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
 * @src: a source that it is about to be given access to
 * @chain: whether access is to the sources behind it, too
 *
 * libvirt 9.0 gives access to a disk that is plugged in before it prepares it, and
 * every release does so for the overlay of a snapshot.  Looks up what nobody has looked
 * up yet and no guest uses.  A payload that would be an overlay is refused: that is
 * the one case in which a source on its own comes here unprepared.
 *
 * Returns: 0, or -1 with a libvirt error reported.
 */
int
lukshdrQemuPrepareEarly(virDomainObj *vm, virStorageSource *src, bool chain);
