/*
 * scan.h: looking at the links that need a pool
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageScanPool:
 * @conn: connection of the storage driver
 * @pool: name of a pool that has been started or refreshed
 * @started: whether it has been started: then the function also checks the headers in it
 *           (lukshdrStorageCheckHeaders)
 *
 * Registers links that come with their headers (lukshdrStorageDiscover).  Then, for each link that
 * names @pool:
 * - completes an interrupted operation that could not be completed while a pool was not active
 * - logs, once for each change, which of its volumes have gone or are others now, and which are
 *   back
 * - renews the recorded identities after a remount
 *
 * Call it from one thread at a time, as the system, without a lock.  It does local I/O, and calls
 * stock to complete operations.  It asks a cluster once about all images of @pool, and waits no longer
 * for it than lukshdrRBDOpen; for volumes in other pools on a cluster it does not ask.
 */
void
lukshdrStorageScanPool(virConnectPtr conn, const char *pool, bool started);

/**
 * lukshdrStorageScanAll:
 * @conn: connection of the storage driver
 *
 * The same for all links, but that it does not look for images on a cluster: at the daemon's start, and
 * when it is told to reload.
 */
void
lukshdrStorageScanAll(virConnectPtr conn);

/**
 * lukshdrStorageScanEnd:
 *
 * Makes a scan that is under way end before the next link and wait for no further lock.  Call it
 * when the daemon is told to end.
 */
void
lukshdrStorageScanEnd(void);

/**
 * lukshdrStorageScanIsLost:
 * @pool: name of a pool
 * @volume: name of a volume that a link names there
 *
 * Returns: true if the last look found the pool active, and the volume gone or another in its
 * place.
 */
bool
lukshdrStorageScanIsLost(const char *pool, const char *volume);

/**
 * lukshdrStorageScanAnyLost:
 *
 * Returns: true if lukshdrStorageScanIsLost returns true for any volume.
 */
bool
lukshdrStorageScanAnyLost(void);
