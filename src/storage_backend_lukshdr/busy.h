/*
 * busy.h: on which volumes our own operations are at work
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stock counts the users of a volume and the jobs of a pool where only stock can reach them, and it
 * holds none of its locks during our operations.  So we keep a list of our own: of volumes that are
 * being made, cloned, resized, erased or deleted, and of pools that are being stopped, removed or
 * built.  An operation that wants to do something else to one of them asks here first and is
 * refused, as stock refuses with "volume is still in use" and "pool has asynchronous jobs running".
 */

#pragma once

#include "storage.h"

typedef enum {
    LUKSHDR_STORAGE_BUSY_CREATE, /* made, and filled if it is a clone */
    LUKSHDR_STORAGE_BUSY_READ,   /* read as the source of a clone: others may read it, too */
    LUKSHDR_STORAGE_BUSY_CHANGE, /* resized, wiped or deleted */
    LUKSHDR_STORAGE_BUSY_UPLOAD, /* its header is uploaded: what the client has sent is written when the
                                  * client may believe that all is done, so others wait for it */
    LUKSHDR_STORAGE_BUSY_TRIM,  /* parts of its payload are freed */
    LUKSHDR_STORAGE_BUSY_CHECK, /* the watching thread checks its headers and mends them: no client
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
 * Takes payload, header and replicas of the linked volume: by their names and, if they exist, by
 * their identities.  Waits until no CHECK and no UPLOAD is in the way, 30 seconds at most.  Many operations at
 * once may read a shared header, or add sharers to it.
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
 * Takes one volume: the source or the target of a clone, if that is not a linked volume.
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
 * @vol: a volume to which a client wants to do something
 * @payload: the link whose payload it is, or NULL
 * @kind: what the client wants to do
 * @busy: set to the operation if @payload is given and nothing is in the way, else to NULL
 * @error: as lukshdrStorageBusyLink
 *
 * Takes a linked volume.  Any other volume belongs to stock: then the function only looks whether
 * an operation of ours uses it.
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
 * Takes the pool: until lukshdrStorageBusyEnd, no operation of ours begins in it.
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
 * lukshdrStorageIsTrimmed:
 * @link: a link
 *
 * Returns: whether a thread of this process is trimming its payload, which no QEMU can open meanwhile.
 */
bool
lukshdrStorageIsTrimmed(const lukshdrLink *link);

/**
 * lukshdrStorageBusyEnd:
 * @busy: an operation, or NULL
 *
 * Ends the operation: the next one may begin.
 */
void
lukshdrStorageBusyEnd(lukshdrStorageBusy *busy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrStorageBusy, lukshdrStorageBusyEnd)
