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
    bool
        byContent; /* its identity does not say which it is (a block device without a lasting name, a
                     * volume put back from a backup): its content does, its label last of all */
    bool left;     /* it has no handle and may be there */
};

typedef enum {
    /* a copy that is there and cannot be opened, or is another, is an error */
    LUKSHDR_HEADERS_ALL,
    /* what stands in a copy's place and is not known to be it stays as it is */
    LUKSHDR_HEADERS_KNOWN,
    /* the same for a copy that cannot be reached, as its pool is not active */
    LUKSHDR_HEADERS_REACHABLE,
} lukshdrHeadersWhich;

/**
 * lukshdrStorageHeadersOpen:
 * @link: a link, which must outlive the result
 * @which: what is done about copies that are not what they should be; the log names those that are left
 * @conn: connection
 * @error: VIR_ERR_OPERATION_INVALID if a pool is not active (its volumes may exist but not be
 *         mounted) or if something else is at a path; VIR_ERR_SYSTEM_ERROR
 *
 * Opens each copy of @link's header that is still the recorded volume.  It is the recorded volume
 * if its identity says so (then it may be erased already, or not yet formatted), or if its content
 * does, since it was put back from a backup: its label, which outlives the LUKS header.  A block device
 * without a lasting name is judged by its content, unless this process is creating it: after a reboot
 * another disk may have its path and number.
 *
 * Returns: GArray of lukshdrHeaderVolume, of the copies that exist, the header itself first;
 * unreffed by the caller, which closes and frees all in it.  NULL with @error set.
 */
GArray *
lukshdrStorageHeadersOpen(const lukshdrLink *link,
                          lukshdrHeadersWhich which,
                          virConnectPtr conn,
                          GError **error);

/**
 * lukshdrStorageHeadersLookup:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @conn: connection
 * @ensure: asks for the right that the client must have to each (lukshdrStorageMay), or NULL
 * @error: stock's; VIR_ERR_OPERATION_INVALID
 *
 * Looks each of them up by its name, as lukshdrStorageLookupVolume.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeadersLookup(GArray *headers,
                            virConnectPtr conn,
                            lukshdrStorageEnsureACL ensure,
                            GError **error);

/**
 * lukshdrStorageHeadersErase:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Overwrites and flushes each (lukshdrLuksErase).  The label of one that is known by its content alone stays:
 * otherwise nobody could tell any more that it may be deleted.
 *
 * Returns: true, or false with @error set: key material may then be gone, or not.
 */
bool
lukshdrStorageHeadersErase(GArray *headers, GError **error);

/**
 * lukshdrStorageHeadersCanWipe:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @algorithm: virStorageVolWipeAlgorithm
 * @error: VIR_ERR_OPERATION_UNSUPPORTED, naming the volume
 *
 * A cluster keeps nothing of the patterns that scrub(1) writes but the last: what it overwrites, it may
 * write elsewhere.  Stock refuses them there, too.  On other volumes they need that program.
 *
 * Returns: true if lukshdrStorageHeadersWipe knows how to, or false with @error set.
 */
bool
lukshdrStorageHeadersCanWipe(GArray *headers, unsigned int algorithm, GError **error);

/**
 * lukshdrStorageHeadersWipe:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @algorithm: virStorageVolWipeAlgorithm
 * @error: VIR_ERR_OPERATION_UNSUPPORTED, VIR_ERR_SYSTEM_ERROR, VIR_ERR_OPERATION_FAILED, naming the
 *         volume
 *
 * Wipes each as stock's storageVolWipePattern does: with zeroes, or by scrub(1).  A label stays as in
 * lukshdrStorageHeadersErase.  Stock would open
 * the volume by its name; this function works on the open volume, and gives that to scrub, too.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeadersWipe(GArray *headers, unsigned int algorithm, GError **error);

/**
 * lukshdrStorageHeadersDelete:
 * @headers: as lukshdrStorageHeadersLookup left it
 * @flags: virStorageVolDeleteFlags, for images of a cluster; other types of pools know none
 * @error: stock's
 *
 * Closes each volume and deletes it by the stock entry.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeadersDelete(GArray *headers, unsigned int flags, GError **error);

/**
 * lukshdrStorageHeadersLabel:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @link: a link
 * @others: lukshdrLink *, links that share the header; the label gets them as they are given here;
 *          NULL for none
 * @error: VIR_ERR_SYSTEM_ERROR, VIR_ERR_OPERATION_INVALID
 *
 * Puts @link into the label of each copy, or takes it out if its state is not active.  Further
 * links in the label, which other hosts have, stay.  If no link is left, the label is removed.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeadersLabel(GArray *headers, lukshdrLink *link, GPtrArray *others, GError **error);

/**
 * lukshdrStorageHeadersResized:
 * @link: a link
 * @size: new size of its payload, bytes
 *
 * Where a payload has no birth time, the label recognises it by its size.  This function then
 * writes the new size into the label of each copy of the header that it can open, so that other
 * hosts go on recognising the payload.  If that fails, the log says so.  It changes nothing else in
 * a label, which may know newer keys than this host.
 */
void
lukshdrStorageHeadersResized(const lukshdrLink *link, guint64 size);

/**
 * lukshdrStorageHeadersSharers:
 * @link: a link
 * @error: of the registry
 *
 * Returns: GPtrArray of lukshdrLink * (with references, freed with the array): the other links
 * that have this header too, except those that are being deleted.  NULL with @error set.
 */
GPtrArray *
lukshdrStorageHeadersSharers(const lukshdrLink *link, GError **error);

/**
 * lukshdrStorageHeadersUnshare:
 * @headers: as lukshdrStorageHeadersOpen made it
 * @link: a link that leaves a header which others need; its state is not active
 * @sharers: the others
 * @error: VIR_ERR_SYSTEM_ERROR, VIR_ERR_OPERATION_INVALID
 *
 * Takes @link out of the label.  If only one other link is left, the header is no longer
 * shared, and the registry entry of that link says so from then on.  A crash before that
 * leaves an entry that calls the header shared, so QEMU takes no locks on it.  The next
 * link that joins or leaves mends that.
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
 * Call it before QEMU opens the chain: QEMU must not open a header that was replaced, cut short or
 * damaged.  If the header has replicas, this function mends it first.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageHeaderReady(const lukshdrLink *link, GError **error);
