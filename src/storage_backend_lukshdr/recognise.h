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
 * @ensure: asks for the right that the client must have to it (lukshdrStorageMay); NULL if stock
 *          has asked for it already
 * @what: filled in, to be cleared with lukshdrRecognisedClear also after a failure
 * @error: stock's if it knows no such volume or the client may not do that; what lukshdrRecognise
 *         says if it is uncertain what the volume is
 *
 * Every entry that is about one volume asks this first.  The answer depends on what the volume is,
 * not on its name: a second pool over the same directory shows the same links.  The function looks
 * as the system: a client that may delete a volume may have no right to read it, and yet the volume
 * may belong to a link.  A client without the right hears only that, and nothing of links.  For a
 * plain volume stock asks for the right.
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
 * lukshdrStorageFindLinked:
 * @pool: a pool
 * @name: of a volume of it, that a client names
 * @ensure: asks for the right that the client must have to it
 * @what: as lukshdrStorageRecognise
 * @error: as lukshdrStorageRecognise; VIR_ERR_OPERATION_INVALID if it is not the payload of an active link
 *
 * A client without the right hears only that, also of a plain volume.
 *
 * Returns: the volume, whose link lukshdrStorageRecognisedPayload returns; or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageFindLinked(virStoragePoolPtr pool,
                         const char *name,
                         lukshdrStorageEnsureACL ensure,
                         lukshdrRecognised *what,
                         GError **error);

/**
 * lukshdrStorageFindReplaced:
 * @vol: a volume that lukshdrStorageRecognise has called uncertain
 * @header: set to the link that has a header with that pool, name and path (a reference), also if
 *          the volume is that header in another file; or to NULL
 *
 * If a header has gone and somebody makes a new volume in its place, that volume is not the header
 * until somebody puts a backup into it.
 *
 * Returns: true if the volume stands in the place of a header without being it.
 */
bool
lukshdrStorageFindReplaced(virStorageVolPtr vol, lukshdrLink **header);

/**
 * lukshdrStorageFindReplacedPayload:
 * @vol: a volume that lukshdrStorageRecognise has called uncertain
 *
 * A payload that was put back from a backup (cp, tar, rsync, qemu-img convert and mv) is another file than
 * the recorded one.  So is whatever else somebody put there: nobody uses it until a client links it again.
 *
 * Returns: the link whose payload is recorded where @vol is and was another file, image or device (a reference); or
 * NULL.
 */
lukshdrLink *
lukshdrStorageFindReplacedPayload(virStorageVolPtr vol);

/**
 * lukshdrStorageFindGonePayload:
 * @vol: a volume that lukshdrStorageRecognise has called plain
 *
 * A pool lists a volume until it is refreshed, also if somebody has removed its file, image or device, or moved it
 * away, by hand.  What is not there cannot be recognised by what it is.
 *
 * Returns: the link whose payload is recorded where @vol was and is not there any more (a reference); or NULL.
 */
lukshdrLink *
lukshdrStorageFindGonePayload(virStorageVolPtr vol);

/**
 * lukshdrStorageSetHeaderInUse:
 * @header: the link of a header volume that somebody wants to change
 * @error: set to VIR_ERR_OPERATION_INVALID, naming the volume that needs it
 */
void
lukshdrStorageSetHeaderInUse(const lukshdrLink *header, GError **error);
