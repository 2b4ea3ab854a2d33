/*
 * remote-handle.h: an open volume that has no path
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An image of a Ceph cluster (rbd.h) or a unit of an iSCSI target (iscsi.h), by one set of functions.  Each
 * waits for the cluster or target no longer than those files say, and none is called with a lock held.
 */

#pragma once

#include "rbd.h"
#include "volume.h"

typedef struct _lukshdrRemoteHandle lukshdrRemoteHandle;

/**
 * lukshdrRemoteHandleOpen:
 * @remote: where the volume is
 * @recorded: what it was when it was linked, or NULL: as lukshdrRBDOpen
 * @writable: whether it is to be written to
 * @error: as lukshdrRBDOpen and lukshdrISCSIOpen
 *
 * Returns: the open volume, ended with lukshdrRemoteHandleClose, or NULL with @error set.
 */
lukshdrRemoteHandle *
lukshdrRemoteHandleOpen(const lukshdrRemote *remote,
                        const lukshdrIdentity *recorded,
                        bool writable,
                        GError **error);

/**
 * lukshdrRemoteHandleClose:
 * @image: an open volume, or NULL
 *
 * Gives back a lock.
 */
void
lukshdrRemoteHandleClose(lukshdrRemoteHandle *image);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrRemoteHandle, lukshdrRemoteHandleClose)

/**
 * lukshdrRemoteHandleIdentity:
 * @image: an open volume
 * @identity: set to what it is
 */
void
lukshdrRemoteHandleIdentity(const lukshdrRemoteHandle *image, lukshdrIdentity *identity);

/**
 * lukshdrRemoteHandleKernelNames:
 * @image: an open volume
 *
 * Returns: as lukshdrISCSIKernelNames; NULL for an image of a Ceph cluster.
 */
const char *const *
lukshdrRemoteHandleKernelNames(const lukshdrRemoteHandle *image);

/**
 * lukshdrRemoteHandleIsUnwritten:
 * @before: a volume as it was opened first
 * @now: the same, opened after it was read
 *
 * Returns: as lukshdrRBDIsUnwritten; true for a unit of an iSCSI target, which notes nothing of the kind.
 */
bool
lukshdrRemoteHandleIsUnwritten(const lukshdrRemoteHandle *before, const lukshdrRemoteHandle *now);

/**
 * lukshdrRemoteHandleCheckUnused:
 * @image: an open volume
 * @error: as lukshdrRBDCheckUnused
 *
 * Returns: as lukshdrRBDCheckUnused; true for a unit of an iSCSI target, which tells nobody who is logged in.
 */
bool
lukshdrRemoteHandleCheckUnused(const lukshdrRemoteHandle *image, GError **error);

/**
 * lukshdrRemoteHandleFindSnapshot:
 * @image: an open volume
 * @name: as lukshdrRBDFindSnapshot; set to NULL for a unit of an iSCSI target, which tells nobody of any
 * @error: as lukshdrRBDFindSnapshot
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRemoteHandleFindSnapshot(const lukshdrRemoteHandle *image, char **name, GError **error);

/**
 * lukshdrRemoteHandleCheckRemovable:
 * @image: a volume that is open for reading alone
 * @purge: as lukshdrRBDCheckRemovable
 * @error: as lukshdrRBDCheckRemovable
 *
 * Returns: as lukshdrRBDCheckRemovable; true for a unit of an iSCSI target, of which nobody can know.
 */
bool
lukshdrRemoteHandleCheckRemovable(const lukshdrRemoteHandle *image, bool purge, GError **error);

/**
 * lukshdrRemoteHandleRead:
 * @image: an open volume
 * @buf: where the bytes go
 * @len: how many
 * @offset: where they are, bytes from the start
 * @error: as lukshdrRBDRead and lukshdrISCSIRead
 *
 * Returns: how many bytes were read, fewer than @len only where the volume ends; -1 with @error set.
 */
gssize
lukshdrRemoteHandleRead(lukshdrRemoteHandle *image,
                        void *buf,
                        gsize len,
                        guint64 offset,
                        GError **error);

/**
 * lukshdrRemoteHandleWrite:
 * @image: a volume that is open for writing
 * @buf: the bytes
 * @len: how many, whole blocks of a unit; the volume is long enough for them
 * @offset: where they go, bytes from the start, the start of a block
 * @error: as lukshdrRBDWrite and lukshdrISCSIWrite
 *
 * Does not flush.
 *
 * Returns: true with all @len bytes written, or false with @error set and some of them written.
 */
bool
lukshdrRemoteHandleWrite(lukshdrRemoteHandle *image,
                         const void *buf,
                         gsize len,
                         guint64 offset,
                         GError **error);

/**
 * lukshdrRemoteHandleFlush:
 * @image: a volume that is open for writing
 * @error: as lukshdrRBDFlush and lukshdrISCSIFlush
 *
 * Returns: true with all that was written on stable storage, or false with @error set.
 */
bool
lukshdrRemoteHandleFlush(lukshdrRemoteHandle *image, GError **error);

/**
 * lukshdrRemoteHandleGrow:
 * @image: a volume that is open for writing
 * @size: how long it must be at least, bytes
 * @error: as lukshdrRBDGrow; VIR_ERR_OPERATION_INVALID for a unit that is shorter, and cannot grow
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRemoteHandleGrow(lukshdrRemoteHandle *image, guint64 size, GError **error);

/**
 * lukshdrRemoteHandleLock:
 * @image: a volume that is open for writing
 * @held: set to whether somebody else has it
 * @error: as lukshdrRBDLock and lukshdrISCSILock
 *
 * Returns: true with the lock taken or @held set, or false with @error set.
 */
bool
lukshdrRemoteHandleLock(lukshdrRemoteHandle *image, bool *held, GError **error);
