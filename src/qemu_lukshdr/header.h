/*
 * header.h: is the header there, and is it the right one?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "link/link.h"

/**
 * lukshdrQemuHeaderCheckState:
 * @link: the link of a payload that a guest is about to open
 * @error: VIR_ERR_OPERATION_INVALID, naming volume and pool
 *
 * Returns: whether the linked volume is complete, and not being made, deleted or wiped; false
 * with @error set.
 */
bool
lukshdrQemuHeaderCheckState(const lukshdrLink *link, GError **error);

/* Checks of headers that threads do while the disks of a guest that starts are prepared */
typedef struct _lukshdrQemuHeaderChecks lukshdrQemuHeaderChecks;
struct _lukshdrQemuHeaderChecks {
    GPtrArray *later; /* begun ones; NULL if there is none.  All zero is an empty one. */
    int running;      /* threads, counted by atomic operations */
};

/**
 * lukshdrQemuHeaderCheck:
 * @link: the link of a payload that a guest is about to open
 * @privileged: whether the daemon runs as root
 * @checks: if not NULL, what takes long may still go on afterwards: lukshdrQemuHeaderChecksEnd says how it ended
 * @error: VIR_ERR_OPERATION_INVALID, naming volume and pool and what to do
 *
 * The link must be complete and the header's pool active.  The file at the header's
 * path must be the recorded volume, with the link's own label and LUKS header.  With
 * another header the guest could not read its data; and the secret might even open
 * the header of another disk.
 *
 * Local I/O only; does not call libvirt.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuHeaderCheck(const lukshdrLink *link,
                       bool privileged,
                       lukshdrQemuHeaderChecks *checks,
                       GError **error);

/**
 * lukshdrQemuHeaderChecksEnd:
 * @checks: checks that were begun, or none; empty afterwards
 * @privileged: whether the daemon runs as root
 * @error: as lukshdrQemuHeaderCheck, of the first header that is not right
 *
 * Waits for the checks to end.
 *
 * Returns: true if all headers are right, or false with @error set.
 */
bool
lukshdrQemuHeaderChecksEnd(lukshdrQemuHeaderChecks *checks, bool privileged, GError **error);
