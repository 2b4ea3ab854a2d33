/*
 * replica.h: keeping the copies of a header alike
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A header may have replicas in other pools, byte for byte the same as far as the label
 * reaches.  The current copy is the one with the highest generation among those that are whole
 * (lukshdrHeaderCheck); among equals, the first.  So a key change that reached only some
 * copies is completed, not taken back, on every host.
 */

#pragma once

#include "handle.h"
#include "link.h"

/**
 * lukshdrReplicaSync:
 * @link: an active link
 * @privileged: whether the daemon runs as root
 * @error: VIR_ERR_OPERATION_INVALID if no copy is whole, or the header itself is in a pool that
 *         is not active; VIR_ERR_SYSTEM_ERROR if it cannot be written
 *
 * Replaces what is missing, damaged or out of date by the current copy, and says so in the log.
 * Copies in pools that are not active are left alone, those without a path, which a label names and
 * this host has not seen, and a block device that is missing.  Nothing is overwritten because it
 * stands at a path: it must be the recorded file or device, or itself a copy of this header.
 * Local I/O only, no call into libvirt; waits for others that change a label (lukshdrLabelLock).
 * Each copy is written in place, flushed and examined again: a crash leaves it
 * damaged, and the current one as it was, so that the next call goes on.  A file that is missing is
 * made anew, mode 0600, and gets its name once it is whole: a crash leaves nothing, but on file
 * systems that have no files without names (NFS) one with six characters behind the volume's name.
 *
 * Returns: true if the header itself (not necessarily each replica) is whole now, or false with
 * @error set.
 */
bool
lukshdrReplicaSync(const lukshdrLink *link, bool privileged, GError **error);

/**
 * lukshdrReplicaCopy:
 * @from: header volume, open for reading
 * @to: header volume, open for writing
 * @error: VIR_ERR_SYSTEM_ERROR; as lukshdrHandleCommit
 *
 * Copies the header, its key material and its label, and flushes.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrReplicaCopy(int from, lukshdrHandle *to, GError **error);
