/*
 * use.h: who uses the volumes of a link?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The records of guests show the guests of this host.  Locks show every QEMU, also on other hosts
 * if the file system carries locks between hosts.
 */

#pragma once

#include "link/handle.h"
#include "storage.h"

/**
 * lukshdrStorageCheckUnwritten:
 * @link: a link
 * @error: VIR_ERR_OPERATION_INVALID, naming the domain
 *
 * Call it before the payload is read: it says early and in plain words what QEMU's locks would
 * prevent later.  Those locks keep a guest that starts meanwhile from writing.
 *
 * Returns: true if no guest of this host may write to the volume, or false with @error set.
 */
bool
lukshdrStorageCheckUnwritten(const lukshdrLink *link, GError **error);

/**
 * lukshdrStorageCheckOpeners:
 * @vol: payload or header of a link
 * @handle: the open volume
 * @error: VIR_ERR_OPERATION_INVALID; as lukshdrRemoteHandleCheckUnused
 *
 * Returns: true if no QEMU holds a lock on it, here or on another host where the file system
 * carries locks, and nobody else has an image of a Ceph cluster open; or false with @error set.
 */
bool
lukshdrStorageCheckOpeners(const lukshdrVolume *vol, const lukshdrHandle *handle, GError **error);

/**
 * lukshdrStorageCheckErasable:
 * @link: a link whose header is about to be overwritten
 * @error: VIR_ERR_OPERATION_INVALID, naming the snapshot; as lukshdrHandleOpen
 *
 * Snapshots of an image keep the key material, whatever is written to the image.
 *
 * Returns: true if no copy of the header has any, or false with @error set.
 */
bool
lukshdrStorageCheckErasable(const lukshdrLink *link, GError **error);

/**
 * lukshdrStorageCheckRemovable:
 * @link: a link whose payload, and header unless others share it, are about to be deleted
 * @purge: whether snapshots are to go as well
 * @error: VIR_ERR_OPERATION_INVALID, naming what is in the way; VIR_ERR_OPERATION_UNSUPPORTED if a volume
 *         is a unit of an iSCSI target; as lukshdrHandleOpen
 *
 * A cluster does not remove an image that has snapshots, and libvirt deletes no units of iSCSI targets; they
 * would refuse only after the key material is gone.  So this function asks first.  For a volume on this host there is nothing to
 * ask.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageCheckRemovable(const lukshdrLink *link, bool purge, GError **error);

/**
 * lukshdrStorageCheckUnused:
 * @link: a link
 * @anyway: whether a volume that cannot be opened here counts as not used, instead of being an error
 * @error: VIR_ERR_OPERATION_INVALID, naming the domain or the volume; VIR_ERR_SYSTEM_ERROR
 *
 * A guest may start a moment later: lukshdrStorageClaim is for that.
 *
 * Returns: true if no guest of this host uses the volume and no QEMU anywhere (a guest, an exporter
 * such as qemu-nbd) holds a lock on its payload or a header volume, or false with @error set.
 */
bool
lukshdrStorageCheckUnused(const lukshdrLink *link, bool anyway, GError **error);

/**
 * lukshdrStorageHoldAfter:
 * @link: a link
 * @payload: its payload, open and on this host
 * @domain: id of the running domain that alone uses the volume
 * @error: VIR_ERR_OPERATION_INVALID if another domain uses the volume, or @domain does not; VIR_ERR_SYSTEM_ERROR, also
 *         where the file system has no locks
 *
 * Between the end of @domain and what the caller does then, no QEMU shall write to the volume.  The lock is taken while
 * @domain still has the volume open, and goes when @payload is closed.
 *
 * Returns: true if from now on no QEMU can open the payload and @domain uses it, or false with @error set.
 */
bool
lukshdrStorageHoldAfter(const lukshdrLink *link,
                        const lukshdrHandle *payload,
                        int domain,
                        GError **error);

/**
 * lukshdrStorageAwaitUnused:
 * @link: a link
 * @payload: its payload, open and on this host
 * @seconds: how long to wait
 * @error: as lukshdrStorageCheckUnused, when the time is over
 *
 * Returns: true as soon as no guest of this host uses the volume, no QEMU has a lock on its payload, and no other program of
 * this host has it open, or false with @error set.
 */
bool
lukshdrStorageAwaitUnused(const lukshdrLink *link,
                          const lukshdrHandle *payload,
                          guint seconds,
                          GError **error);

/**
 * lukshdrStorageHold:
 * @link: a link
 * @error: as lukshdrStorageCheckUnused
 *
 * Call it to change the payload's size.  Checks as lukshdrStorageCheckUnused, except for the
 * header's locks.  From then on no QEMU can open a raw payload.  For other formats qemu-img changes
 * the size, and takes the lock itself.
 *
 * Returns: the payload, which must stay open as long as QEMU must not open it; or NULL with @error
 * set.
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
 * writes its record of a guest and then looks at the state.  So if a guest starts at the same
 * time, one of the two sees the other.  If this function cannot take the state back,
 * lukshdrStorageRecover does so later.
 *
 * Returns: true, or false with @error set and the old state stored again.
 */
bool
lukshdrStorageClaim(lukshdrLink *link, lukshdrLinkState linkState, GError **error);

/**
 * lukshdrStorageRecover:
 * @link: a link whose state says that an operation is under way, and on which nothing is at work
 * @restored: set to whether the volume is in use and the link is active again
 * @error: says why the link cannot be active again; its state stays as it was
 *
 * Call it before an interrupted operation is completed: the crash may have come just before the
 * operation was refused.  If the volume is in use and whole, makes the link ACTIVE again and logs
 * that.
 *
 * Returns: true; if @restored is then false, the caller may complete the operation.  Returns false
 * with
 * @error set if the volume is in use and not whole, or if that is uncertain.
 */
bool
lukshdrStorageRecover(const lukshdrLink *link, bool *restored, GError **error);
