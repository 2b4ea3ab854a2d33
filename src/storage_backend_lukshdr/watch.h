/*
 * watch.h: following what happens to pools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageWatchStart:
 * @conn: connection of the storage driver; a reference is kept until lukshdrStorageWatchStop
 * @error: stock's
 *
 * From here on a thread of our own looks at each pool that is started or refreshed
 * (lukshdrStorageScanPool).  Call it once, in the state driver's initialisation.
 *
 * Returns: true, or false with @error set and nothing started.
 */
bool
lukshdrStorageWatchStart(virConnectPtr conn, GError **error);

/**
 * lukshdrStorageWatchAll:
 *
 * Makes that thread look at all links soon.  Call it after a reload, which starts pools without
 * events.  Does nothing if lukshdrStorageWatchStart was not called or has failed.
 */
void
lukshdrStorageWatchAll(void);

/**
 * lukshdrStorageWatchPool:
 * @pool: a pool whose definition has changed what is ours of it
 *
 * Makes that thread look at the pool soon, as after a refresh: a pool that is declared to hold headers from now on
 * may hold headers of volumes that are here.  Does nothing if lukshdrStorageWatchStart was not called or has failed.
 */
void
lukshdrStorageWatchPool(virStoragePoolPtr pool);

/**
 * lukshdrStorageWatchStop:
 *
 * Ends the thread and closes the connection.  If the thread is looking at a pool, waits for it.
 * Call it in the state driver's clean-up, before the storage driver's.
 */
void
lukshdrStorageWatchStop(void);
