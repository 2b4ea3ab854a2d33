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
 * From here on each pool that is started or refreshed is looked at (lukshdrStorageScanPool), in a
 * thread of our own.  Called once, in the state driver's initialisation.
 *
 * Returns: true, or false with @error set and nothing started.
 */
bool
lukshdrStorageWatchStart(virConnectPtr conn, GError **error);

/**
 * lukshdrStorageWatchAll:
 *
 * Has all links looked at, soon: after a reload, which starts pools without events.  Does nothing
 * where lukshdrStorageWatchStart has not been called or has failed.
 */
void
lukshdrStorageWatchAll(void);

/**
 * lukshdrStorageWatchStop:
 *
 * Ends the thread, waiting for the look that it takes, and closes the connection.  Called in the
 * state driver's clean-up, before the storage driver's.
 */
void
lukshdrStorageWatchStop(void);
