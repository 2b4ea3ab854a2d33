/*
 * use.h: who uses the volumes of a link?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Guests of this host are known by their records, every QEMU anywhere by the locks that it holds,
 * where the file system carries them.
 */

#pragma once

#include "link/handle.h"
#include "storage.h"

/**
 * lukshdrStorageCheckUnwritten:
 * @link: a link
 * @error: VIR_ERR_OPERATION_INVALID, naming the domain
 *
 * Asked before the payload is read, to say early and in plain words what QEMU's locks would stop.
 * Those locks keep a guest that starts meanwhile from writing.
 *
 * Returns: true if no guest of this host may write to the volume, or false with @error set.
 */
bool
lukshdrStorageCheckUnwritten(const lukshdrLink *link, GError **error);

/**
 * lukshdrStorageCheckOpeners:
 * @vol: payload or header of a link
 * @handle: it, open
 * @error: VIR_ERR_OPERATION_INVALID; as lukshdrRBDCheckUnused
 *
 * Returns: true if no QEMU holds a lock on it, here or on another host where the file system
 * carries locks, and nobody else has an image of a Ceph cluster open; or false with @error set.
 */
bool
lukshdrStorageCheckOpeners(const lukshdrVolume *vol, const lukshdrHandle *handle, GError **error);

/**
 * lukshdrStorageCheckRemovable:
 * @link: a link whose payload is about to be deleted
 * @error: VIR_ERR_OPERATION_INVALID, naming what is in the way; as lukshdrHandleOpen
 *
 * A cluster removes no image that has snapshots, and by then the key material would be gone.  Of a
 * volume on this host there is nothing to ask.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageCheckRemovable(const lukshdrLink *link, GError **error);

/**
 * lukshdrStorageCheckUnused:
 * @link: a link
 * @error: VIR_ERR_OPERATION_INVALID, naming the domain or the volume; VIR_ERR_SYSTEM_ERROR
 *
 * Says nothing of a guest that starts a moment later: lukshdrStorageClaim is for that.
 *
 * Returns: true if no guest of this host uses the volume and no QEMU anywhere (a guest, an exporter
 * such as qemu-nbd) holds a lock on its payload or a header volume, or false with @error set.
 */
bool
lukshdrStorageCheckUnused(const lukshdrLink *link, GError **error);

/**
 * lukshdrStorageHold:
 * @link: a link
 * @error: as lukshdrStorageCheckUnused
 *
 * For who changes the payload's size: as lukshdrStorageCheckUnused, but for the header's locks.
 * From then on no QEMU can open a raw payload.  Of other formats it is qemu-img that changes the
 * size, and takes that lock itself.
 *
 * Returns: the payload, to be kept open for as long as that is to be so; or NULL with @error set.
 */
lukshdrHandle *
lukshdrStorageHold(const lukshdrLink *link, GError **error);

/**
 * lukshdrStorageClaim:
 * @link: a link
 * @linkState: DELETING, WIPING or UNLINKING
 * @error: as lukshdrStorageCheckUnused
 *
 * Looks whether the volume is in use, then stores the new state, then looks again.  The QEMU half
 * writes its record of a guest and then looks at the state: of a guest that starts at the
 * same time, one of the two sees the other.  What cannot be taken back here is taken back by
 * lukshdrStorageRecover.
 *
 * Returns: true, or false with @error set and the old state stored again.
 */
bool
lukshdrStorageClaim(lukshdrLink *link, lukshdrLinkState linkState, GError **error);

/**
 * lukshdrStorageRecover:
 * @link: a link in a state in which something was under way, which nothing is at work on
 * @restored: set to whether it was in use after all, and is active again
 * @error: what prevents that; the state stays as it was
 *
 * Asked before an interrupted operation is completed: it may have been about to be refused.  A
 * volume that is in use and whole goes back to ACTIVE, which is logged.
 *
 * Returns: true, and if @restored is false, the operation may be completed; or false with @error
 * set: the volume is in use and not whole, or that is uncertain.
 */
bool
lukshdrStorageRecover(const lukshdrLink *link, bool *restored, GError **error);
