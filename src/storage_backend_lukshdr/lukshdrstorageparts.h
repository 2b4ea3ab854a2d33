/*
 * lukshdrstorageparts.h: the two volumes of a link, before they are destroyed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whoever destroys key material must be sure that it is the link's and that nobody uses it.
 */

#pragma once

#include "lukshdrstorage.h"

/**
 * lukshdrStorageOpenHeader:
 * @link: a link
 * @fd: set to the header volume, open for reading and writing, if 1 is returned
 * @error: VIR_ERR_OPERATION_INVALID, VIR_ERR_SYSTEM_ERROR
 *
 * Opens the header volume if what stands at its path is the one of @link: a file by
 * identity (then it may be erased already, or not yet formatted) or by content, if it was put
 * back from a backup; a block device by content, since after a reboot its path and number may
 * be another disk's, unless this process is just creating it.
 *
 * Returns: 1, or 0 if there is nothing at the path, or -1 with @error set if there is
 * something else.
 */
int
lukshdrStorageOpenHeader(const lukshdrLink *link, int *fd, GError **error);

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
lukshdrStorageLookupPart(const lukshdrLinkVolume *part, virConnectPtr conn, GError **error);

/**
 * lukshdrStorageClaim:
 * @link: a link
 * @linkState: DELETING or WIPING
 * @fd: the header volume, or -1 if it has gone
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
lukshdrStorageClaim(lukshdrLink *link, lukshdrLinkState linkState, int fd, GError **error);

/**
 * lukshdrStorageSetState:
 * @link: a link
 * @linkState: its new state
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Stores a copy of @link with that state.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSetState(const lukshdrLink *link, lukshdrLinkState linkState, GError **error);
