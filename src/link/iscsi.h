/*
 * iscsi.h: a unit of an iSCSI target, asked through libiscsi
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which unit it is, and the bytes of header volumes.  libiscsi is loaded when the first unit is asked
 * for, so that a host without iSCSI need not have it.  The target answers within a deadline or counts as
 * not answering (LUKSHDR_ISCSI_TIMEOUT): no function here is called with a lock held.
 *
 * Who else has a unit open cannot be seen: a target tells nobody who is logged in.
 */

#pragma once

#include "volume.h"

/* How long a target may take over one function of this file, seconds: as a Ceph cluster (rbd.h) */
#define LUKSHDR_ISCSI_TIMEOUT 15

typedef struct _lukshdrISCSI lukshdrISCSI;

/**
 * lukshdrISCSIOpen:
 * @remote: where the unit is; of kind ISCSI
 * @error: VIR_ERR_NO_STORAGE_VOL if there is no such target, or no such unit in it;
 *         VIR_ERR_OPERATION_TIMEOUT if the target does not answer; VIR_ERR_AUTH_FAILED;
 *         VIR_ERR_OPERATION_UNSUPPORTED without libiscsi, and for a unit that has no name of its own by
 *         which it could be known again; VIR_ERR_SYSTEM_ERROR; as lukshdrAuthGet
 *
 * Logs in, in a session of its own.
 *
 * Returns: the open unit, ended with lukshdrISCSIClose, or NULL with @error set.
 */
lukshdrISCSI *
lukshdrISCSIOpen(const lukshdrRemote *remote, GError **error);

/**
 * lukshdrISCSIClose:
 * @iscsi: an open unit, or NULL
 *
 * Ends the session, and with it a lock.
 */
void
lukshdrISCSIClose(lukshdrISCSI *iscsi);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrISCSI, lukshdrISCSIClose)

/**
 * lukshdrISCSIIdentity:
 * @iscsi: an open unit
 * @identity: set to what it is
 */
void
lukshdrISCSIIdentity(const lukshdrISCSI *iscsi, lukshdrIdentity *identity);

/**
 * lukshdrISCSIKernelNames:
 * @iscsi: an open unit
 *
 * Returns: what a kernel that is logged in to it may call it (lukshdrScsiKernelNames); valid as long as
 * @iscsi is.
 */
const char *const *
lukshdrISCSIKernelNames(const lukshdrISCSI *iscsi);

/**
 * lukshdrISCSIRead:
 * @iscsi: an open unit
 * @buf: where the bytes go
 * @len: how many
 * @offset: where they are, bytes from the start
 * @error: VIR_ERR_OPERATION_TIMEOUT, VIR_ERR_SYSTEM_ERROR; VIR_ERR_OPERATION_INVALID while another client has
 *         locked the unit
 *
 * Returns: how many bytes were read, fewer than @len only where the unit ends; -1 with @error set.
 */
gssize
lukshdrISCSIRead(lukshdrISCSI *iscsi, void *buf, gsize len, guint64 offset, GError **error);

/**
 * lukshdrISCSIWrite:
 * @iscsi: an open unit
 * @buf: the bytes
 * @len: how many, whole blocks of the unit, in which they fit
 * @offset: where they go, bytes from the start, the start of a block
 * @error: as lukshdrISCSIRead
 *
 * Does not flush.
 *
 * Returns: true with all @len bytes written, or false with @error set and some of them written.
 */
bool
lukshdrISCSIWrite(lukshdrISCSI *iscsi, const void *buf, gsize len, guint64 offset, GError **error);

/**
 * lukshdrISCSIFlush:
 * @iscsi: an open unit
 * @error: as lukshdrISCSIRead
 *
 * Returns: true with all that was written on the medium, so far as the target tells the truth; or false with
 * @error set.
 */
bool
lukshdrISCSIFlush(lukshdrISCSI *iscsi, GError **error);

/**
 * lukshdrISCSILock:
 * @iscsi: an open unit
 * @held: set to whether another client has it
 * @error: VIR_ERR_OPERATION_UNSUPPORTED if the target has no such lock; as lukshdrISCSIRead
 *
 * Reserves the unit (SPC-2, RESERVE(6)): until lukshdrISCSIClose the target lets nobody else read or write it.
 * A target frees it when the session ends, however that comes: also when this process dies.  That is why it
 * is not a persistent reservation, which would outlive a crash and could be another host's own.  While it lasts,
 * others wait (as all functions here do) or are refused: it is held for the change of a header alone, and QEMU
 * reads a header only when it opens it.
 *
 * Returns: true with the lock taken or @held set, or false with @error set.
 */
bool
lukshdrISCSILock(lukshdrISCSI *iscsi, bool *held, GError **error);
