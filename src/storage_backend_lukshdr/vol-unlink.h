/*
 * vol-unlink.h: making two separate volumes of a linked one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"
#include "vol-xml.h"

/**
 * lukshdrStorageUnlink:
 * @pool: pool of the payload
 * @xml: what is wanted, of action UNLINK
 * @error: why they cannot be unlinked
 *
 * Removes the link between payload and header, in whatever state it is and whatever of the two is lost.  Both
 * volumes stay, and so does a generated secret, unless the link was wiped or never became active: then it opens
 * nothing.
 *
 * Returns: the payload volume, which may have gone, or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageUnlink(virStoragePoolPtr pool, lukshdrVolumeXML *xml, GError **error);

/**
 * lukshdrStorageUnlinkFinish:
 * @link: a link in state UNLINKING with a LUKS UUID, on which nothing else is at work
 * @conn: connection of the storage driver
 * @error: what went wrong first; the registry entry then stays
 *
 * Completes an unlinking that a crash interrupted.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageUnlinkFinish(lukshdrLink *link, virConnectPtr conn, GError **error);
