/*
 * parts.h: the two volumes of a link, before they are destroyed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whoever destroys key material must be sure that it is the link's and that nobody uses it.
 */

#pragma once

#include "headers.h"

/**
 * lukshdrStoragePayloadIsThere:
 * @link: a link
 * @error: VIR_ERR_OPERATION_INVALID, VIR_ERR_SYSTEM_ERROR
 *
 * Returns: 1 if the recorded payload stands at its path, 0 if there is nothing, or -1 with
 * @error set if there is something else.
 */
int
lukshdrStoragePayloadIsThere(const lukshdrLink *link, GError **error);

/**
 * lukshdrStorageLookupPart:
 * @part: payload or header of a link, with a path
 * @conn: connection
 * @error: stock's; VIR_ERR_OPERATION_INVALID if the name is that of another volume now
 *
 * Stock deletes and wipes by name, and a pool can be defined anew elsewhere: the volume must
 * have the recorded path.
 *
 * Returns: the volume, freed with virStorageVolFree, or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageLookupPart(const lukshdrVolume *part, virConnectPtr conn, GError **error);

/**
 * lukshdrStorageClaim:
 * @link: a link
 * @linkState: DELETING, WIPING or PARTING
 * @headers: lukshdrHeaderVolume, its header volumes as far as they exist
 * @error: VIR_ERR_OPERATION_INVALID, naming the domain that uses the volume, VIR_ERR_SYSTEM_ERROR
 *
 * Stores the new state, and then looks whether the volume is in use, by a guest of this host
 * or by a QEMU anywhere that holds a lock on the header.  The QEMU half writes its record of a
 * guest and then looks at the state: of a guest that starts at the same time, one of the two
 * sees the other.
 *
 * Returns: true, or false with @error set and the old state stored again.
 */
bool
lukshdrStorageClaim(lukshdrLink *link, lukshdrLinkState linkState, GArray *headers, GError **error);

/**
 * lukshdrStorageCheckUnwritten:
 * @link: a link
 * @error: VIR_ERR_OPERATION_INVALID, naming the domain
 *
 * For whoever is about to read the payload, to say early and in plain words what QEMU's locks
 * would stop: they are what keeps a guest that starts meanwhile from writing.
 *
 * Returns: true if no guest of this host may write to the volume, or false with @error set.
 */
bool
lukshdrStorageCheckUnwritten(const lukshdrLink *link, GError **error);

/**
 * lukshdrStorageCheckLocks:
 * @part: payload or header of a link
 * @fd: it, open
 * @error: VIR_ERR_OPERATION_INVALID
 *
 * Returns: true if no QEMU holds a lock on it, here or on another host where the file system carries
 * locks, or false with @error set.
 */
bool
lukshdrStorageCheckLocks(const lukshdrVolume *part, int fd, GError **error);

/**
 * lukshdrStorageCheckUnused:
 * @link: a link
 * @headers: lukshdrHeaderVolume, its header volumes as far as they exist
 * @error: VIR_ERR_OPERATION_INVALID, naming the domain that uses the volume, VIR_ERR_SYSTEM_ERROR
 *
 * Says nothing of a guest that starts a moment later: lukshdrStorageClaim is for that.
 *
 * Returns: true if no guest of this host uses the volume and no QEMU anywhere holds a lock
 * on a header volume, or false with @error set.
 */
bool
lukshdrStorageCheckUnused(const lukshdrLink *link, GArray *headers, GError **error);

/**
 * lukshdrStorageChange:
 * @link: changed as wanted, and this thread's alone
 * @opaque: what was given to lukshdrStorageUpdate
 *
 * Returns: false if nothing is to be stored after all.
 */
typedef bool (*lukshdrStorageChange)(lukshdrLink *link, void *opaque);

/**
 * lukshdrStorageUpdate:
 * @link: a link
 * @change: changes it; may not call libvirt
 * @opaque: for @change
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Changes the registry entry of @link as it is now, which may be newer than @link, while nobody
 * else does.  If there is none any more, nothing is done.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageUpdate(const lukshdrLink *link,
                     lukshdrStorageChange change,
                     void *opaque,
                     GError **error);

/**
 * lukshdrStorageSetShared:
 * @link: a link
 * @shared: whether its header is shared from now on
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Does nothing to a link that is not active any more.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSetShared(const lukshdrLink *link, bool shared, GError **error);

/**
 * lukshdrStorageSetState:
 * @link: a link
 * @linkState: its new state
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Stores the link with that state.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSetState(const lukshdrLink *link, lukshdrLinkState linkState, GError **error);
