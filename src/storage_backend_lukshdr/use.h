/*
 * use.h: who uses the volumes of a link?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Guests of this host are known by their records, every QEMU anywhere by the locks that it holds,
 * where the file system carries them.
 */

#pragma once

#include "headers.h"

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
