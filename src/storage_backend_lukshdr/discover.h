/*
 * discover.h: links that come with their headers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageDiscover:
 * @conn: connection of the storage driver
 * @pool: name of a pool, or NULL for all
 *
 * Looks at the labels of the header volumes in active pools that are declared header pools, and
 * registers links that this host does not know: of a pool that other hosts share, of a copy,
 * of a backup put back after the registry was lost.  A label that contradicts the
 * registry is reported, once in the life of the process, and not believed.  As the
 * system.  Runs in one thread at a time.
 */
void
lukshdrStorageDiscover(virConnectPtr conn, const char *pool);

/**
 * lukshdrStorageCheckHeaders:
 * @pool: name of a pool
 *
 * Checks the headers that lie in the pool by their digest, replaces what a replica can replace
 * and reports the others.  Reads all key material in the pool: for pool-start, not for each refresh.
 */
void
lukshdrStorageCheckHeaders(const char *pool);

/**
 * lukshdrStorageDiscoverEnd:
 *
 * Both of the above end before the next volume or link: for lukshdrStorageScanEnd.
 */
void
lukshdrStorageDiscoverEnd(void);
