/*
 * headers.h: the header volumes of a link: the header and its replicas
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "link/handle.h"
#include "storage.h"

/* A copy of a link's header that exists */
typedef struct _lukshdrHeaderVolume lukshdrHeaderVolume;
struct _lukshdrHeaderVolume {
    const lukshdrVolume *copy; /* the link's */
    lukshdrHandle *handle;     /* open for reading and writing; NULL once it has been closed */
    virStorageVolPtr vol;      /* NULL until lukshdrStorageHeadersLookup */
};

/**
 * lukshdrStorageHeadersOpen:
 * @link: a link, which must outlive the result
 * @conn: connection
 * @error: VIR_ERR_OPERATION_INVALID if a pool is not active (a path that is empty because its pool
 *         is not mounted is not "nothing there") or something else stands at a path;
 *         VIR_ERR_SYSTEM_ERROR
 *
 * Opens each copy of @link's header that is still the recorded volume: by identity (then it may be
 * erased already, or not yet formatted), or by content, if it was put back from a backup.  A block
 * device without a lasting name is judged by content, since after a reboot its path and number may be
 * another disk's, unless this process is just creating it.
 *
 * Returns: GArray of lukshdrHeaderVolume, of the copies that exist, the header itself first;
 * unreffed by the caller, which closes and frees all in it.  NULL with @error set.
 */
GArray *
lukshdrStorageHeadersOpen(const lukshdrLink *link, virConnectPtr conn, GError **error);

/**
 * lukshdrStorageHeadersLookup:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @conn: connection
 * @ensure: what the client must be allowed to do to each (lukshdrStorageMay), or NULL
 * @error: stock's; VIR_ERR_OPERATION_INVALID
 *
 * Looks each up by its name, as lukshdrStorageLookupVolume.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeadersLookup(GArray *headers,
                            virConnectPtr conn,
                            lukshdrStorageEnsureACL ensure,
                            GError **error);

/**
 * lukshdrStorageHeaderGrow:
 * @handle: a header volume, open for writing
 * @error: VIR_ERR_OPERATION_INVALID if it is a block device that is too small; VIR_ERR_SYSTEM_ERROR
 *
 * Makes it as long as a header volume is, and allocates all of that: QEMU's tools and cryptsetup leave
 * a file as long as the LUKS header.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeaderGrow(const lukshdrHandle *handle, GError **error);

/**
 * lukshdrStorageHeadersErase:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Overwrites and flushes each (lukshdrLuksErase).
 *
 * Returns: true, or false with @error set: key material may then be gone, or not.
 */
bool
lukshdrStorageHeadersErase(GArray *headers, GError **error);

/**
 * lukshdrStorageHeadersWipe:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @algorithm: virStorageVolWipeAlgorithm
 * @error: VIR_ERR_OPERATION_UNSUPPORTED, VIR_ERR_SYSTEM_ERROR, VIR_ERR_OPERATION_FAILED, naming the
 *         volume
 *
 * Wipes each as stock's storageVolWipePattern does, which would open it by its name: with zeroes, or by
 * scrub(1), which is given the open volume.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeadersWipe(GArray *headers, unsigned int algorithm, GError **error);

/**
 * lukshdrStorageHeadersDelete:
 * @headers: as lukshdrStorageHeadersLookup left it
 * @error: stock's
 *
 * Closes each volume and deletes it by the stock entry.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeadersDelete(GArray *headers, GError **error);

/**
 * lukshdrStorageHeadersLabel:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @link: a link
 * @others: lukshdrLink *, links that share the header and are to stand in the label as they are
 *          given here; NULL for none
 * @error: VIR_ERR_SYSTEM_ERROR, VIR_ERR_OPERATION_INVALID
 *
 * Puts @link into the label of each copy, or takes it out if its state is not active.  What the
 * label says of further links, of other hosts, stays.  Where none is left, the label goes.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeadersLabel(GArray *headers, lukshdrLink *link, GPtrArray *others, GError **error);

/**
 * lukshdrStorageHeadersResized:
 * @link: a link
 * @size: how long its payload is now, bytes
 *
 * Where the label tells the payload by its size, for want of a birth time, puts the new one into the label
 * of each copy of the header that can be had, so that other hosts go on recognising it.  Where
 * that fails the log says so.  Nothing else of a label changes: it may know newer keys than this host.
 */
void
lukshdrStorageHeadersResized(const lukshdrLink *link, guint64 size);

/**
 * lukshdrStorageHeadersSharers:
 * @link: a link
 * @error: of the registry
 *
 * Returns: GPtrArray of lukshdrLink * (with references, freed with the array): the other links
 * that have this header too, but for those that are being deleted.  NULL with @error set.
 */
GPtrArray *
lukshdrStorageHeadersSharers(const lukshdrLink *link, GError **error);

/**
 * lukshdrStorageHeadersUnshare:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @link: a link that is to leave a header that others need; its state is not active
 * @sharers: the others
 * @error: VIR_ERR_SYSTEM_ERROR, VIR_ERR_OPERATION_INVALID
 *
 * Takes @link out of the label.  If one other is left, the header is shared no more, and
 * its registry entry says so from then on.  A crash before that leaves the other link with
 * a header that is called shared and has no locks, which the next sharer or leaver mends.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeadersUnshare(GArray *headers,
                             lukshdrLink *link,
                             GPtrArray *sharers,
                             GError **error);

/**
 * lukshdrStorageHeaderReady:
 * @link: an active link
 * @error: VIR_ERR_OPERATION_INVALID, saying what is wrong with the header; VIR_ERR_SYSTEM_ERROR
 *
 * To be asked before QEMU opens the chain: a header that was replaced, cut short or damaged is not
 * opened.  If it has replicas, it is mended first.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeaderReady(const lukshdrLink *link, GError **error);
