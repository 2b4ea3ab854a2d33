/*
 * recognise.h: which volume of a link is this?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageFindByPath:
 * @vol: a volume
 * @payload: set to the link of which it is the payload (a reference), or NULL
 * @header: set to a link of which it is the header (a reference), or NULL
 * @error: of the registry
 *
 * By what the volume is, not by its name: a second pool over the same directory shows
 * the same links.  A volume that stock does not know (any more) is nothing to us, and stock
 * will say so in its own words.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageFindByPath(virStorageVolPtr vol,
                         lukshdrLink **payload,
                         lukshdrLink **header,
                         GError **error);

/**
 * lukshdrStorageFindReplaced:
 * @vol: a volume of which lukshdrStorageFindByPath cannot decide what it is
 * @header: set to the link that has a header of that pool, name and path (a reference), also if
 *          this is that header in another file, or NULL
 *
 * A new volume made where a header has gone is not that header until a backup is put into it.
 *
 * Returns: true if the volume stands in the place of a header without being it.
 */
bool
lukshdrStorageFindReplaced(virStorageVolPtr vol, lukshdrLink **header);

/**
 * lukshdrStorageSetHeaderInUse:
 * @header: the link of a header volume that somebody wants to change
 * @error: set to VIR_ERR_OPERATION_INVALID, naming the volume that needs it
 */
void
lukshdrStorageSetHeaderInUse(const lukshdrLink *header, GError **error);
