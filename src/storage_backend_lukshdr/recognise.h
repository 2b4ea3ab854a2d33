/*
 * recognise.h: which volume of a link does a client name?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "link/recognise.h"
#include "storage.h"

/**
 * lukshdrStorageRecognise:
 * @vol: a volume that a client names
 * @ensure: what the client must be allowed to do to it (lukshdrStorageMay); NULL where stock has asked
 *          already
 * @what: filled in, to be cleared with lukshdrRecognisedClear also after a failure
 * @error: stock's if it knows no such volume or the client may not do that; what lukshdrRecognise says if
 *         it is uncertain what the volume is
 *
 * What every entry that is about one volume asks first.  By what the volume is, not by its name: a
 * second pool over the same directory shows the same links.  The question is asked as the system:
 * a client that may delete a volume need not be allowed to read it, and what it may not read is
 * not nobody's.  A client without the right is told that, and nothing of links; of a plain
 * volume stock asks for it.
 *
 * Returns: true, or false with @error set: the operation is then refused.
 */
bool
lukshdrStorageRecognise(virStorageVolPtr vol,
                        lukshdrStorageEnsureACL ensure,
                        lukshdrRecognised *what,
                        GError **error);

/**
 * lukshdrStorageRecognisedPayload:
 * @what: from lukshdrStorageRecognise
 *
 * Returns: the link if it is a payload, owned by @what, or NULL.
 */
lukshdrLink *
lukshdrStorageRecognisedPayload(const lukshdrRecognised *what);

/**
 * lukshdrStorageFindReplaced:
 * @vol: a volume that lukshdrStorageRecognise has called uncertain
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
