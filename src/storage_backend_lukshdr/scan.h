/*
 * scan.h: what has become of the links that need a pool
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageScanPool:
 * @conn: connection of the storage driver
 * @pool: name of a pool that has been started or refreshed
 * @started: whether it has been started: then the headers in it are checked as well
 *           (lukshdrStorageCheckHeaders)
 *
 * Registers links that come with their headers (lukshdrStorageDiscover).  Of each link that names
 * @pool: completes what was interrupted and could not be completed while its
 * pools were not active; says which of its volumes have gone or are others now, and which are back,
 * each change once; renews what is recorded of them after a remount.  Called by one thread at a
 * time, as the system, without a lock; local I/O, and calls into stock for what was interrupted.
 */
void
lukshdrStorageScanPool(virConnectPtr conn, const char *pool, bool started);

/**
 * lukshdrStorageScanAll:
 * @conn: connection of the storage driver
 *
 * The same for all links: at the daemon's start, and when it is told to reload.
 */
void
lukshdrStorageScanAll(virConnectPtr conn);

/**
 * lukshdrStorageScanEnd:
 *
 * A scan that is under way ends before the next link, and waits for no lock any more: for a daemon
 * that is told to end.
 */
void
lukshdrStorageScanEnd(void);

/**
 * lukshdrStorageScanIsLost:
 * @pool: name of a pool
 * @volume: name of a volume that a link names there
 *
 * Returns: true if the last look found the pool active and the volume gone, or another in its
 * place.
 */
bool
lukshdrStorageScanIsLost(const char *pool, const char *volume);

/**
 * lukshdrStorageScanAnyLost:
 *
 * Returns: true if lukshdrStorageScanIsLost is true of any volume.
 */
bool
lukshdrStorageScanAnyLost(void);
