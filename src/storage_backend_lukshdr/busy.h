/*
 * busy.h: what our own operations are at work on
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stock counts the users of a volume and the jobs of a pool in places that only stock can reach, and
 * lets go of its locks during ours.  So there is a list of our own: of volumes that are being
 * made, cloned, resized, erased or deleted, and of pools that are being stopped, removed or built.
 * An operation that is about to do something else to one of them asks here, and is refused, as stock refuses
 * "volume is still in use" and "pool has asynchronous jobs running".
 */

#pragma once

#include "storage.h"

typedef enum {
    LUKSHDR_STORAGE_BUSY_CREATE, /* made, and filled if it is a clone */
    LUKSHDR_STORAGE_BUSY_READ,   /* read as the source of a clone: others may read it, too */
    LUKSHDR_STORAGE_BUSY_CHANGE, /* resized, wiped or deleted */
    LUKSHDR_STORAGE_BUSY_CHECK, /* its headers looked at, and mended, by the watching thread: nobody has
                                  * asked for that, so others wait for it, and it for nobody */
} lukshdrStorageBusyKind;

/* One operation that is under way; owned by the thread that does it */
typedef struct _lukshdrStorageBusy lukshdrStorageBusy;

/**
 * lukshdrStorageBusyLink:
 * @link: a link, stored or yet to be stored
 * @kind: what is done to it
 * @error: VIR_ERR_OPERATION_INVALID, saying what is under way already
 *
 * Takes the linked volume, once no CHECK is in the way (30 seconds at most): payload, header and replicas, by their names and, as far as they exist,
 * by what they are.  A header that is shared may be read, and got further sharers, by many.
 *
 * Returns: the operation, ended by lukshdrStorageBusyEnd, or NULL with @error set.
 */
lukshdrStorageBusy *
lukshdrStorageBusyLink(const lukshdrLink *link, lukshdrStorageBusyKind kind, GError **error);

/**
 * lukshdrStorageBusyOne:
 * @link: the link that stands for the operation (lukshdrStorageIsUnderWay), or NULL
 * @vol: one volume
 * @kind: what is done to it
 * @error: as lukshdrStorageBusyLink
 *
 * Takes one volume: of a clone the source or target that is no linked volume.
 *
 * Returns: as lukshdrStorageBusyLink.
 */
lukshdrStorageBusy *
lukshdrStorageBusyOne(const lukshdrLink *link,
                      const lukshdrVolume *vol,
                      lukshdrStorageBusyKind kind,
                      GError **error);

/**
 * lukshdrStorageBusyVolume:
 * @vol: a volume that a client wants to do something to
 * @payload: the link whose payload it is, or NULL
 * @kind: what the client wants to do
 * @busy: set to the operation if @payload is given and nothing is against it, else to NULL
 * @error: as lukshdrStorageBusyLink
 *
 * Takes a linked volume.  Any other volume is stock's, and is only looked at: whether an operation
 * of ours uses it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageBusyVolume(virStorageVolPtr vol,
                         const lukshdrLink *payload,
                         lukshdrStorageBusyKind kind,
                         lukshdrStorageBusy **busy,
                         GError **error);

/**
 * lukshdrStorageBusyPool:
 * @pool: name of a pool that is about to be stopped, removed or built
 * @error: VIR_ERR_OPERATION_INVALID, naming the volume that is in the way
 *
 * Takes the pool: until it is let go, no operation of ours begins in it.
 *
 * Returns: as lukshdrStorageBusyLink.
 */
lukshdrStorageBusy *
lukshdrStorageBusyPool(const char *pool, GError **error);

/**
 * lukshdrStorageBusyCheckPool:
 * @pool: name of a pool
 * @error: as lukshdrStorageBusyPool
 *
 * Returns: true if no operation of ours is under way in it, or false with @error set.
 */
bool
lukshdrStorageBusyCheckPool(const char *pool, GError **error);

/**
 * lukshdrStorageBusyEnd:
 * @busy: an operation, or NULL
 *
 * Says that it is over.
 */
void
lukshdrStorageBusyEnd(lukshdrStorageBusy *busy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrStorageBusy, lukshdrStorageBusyEnd)
