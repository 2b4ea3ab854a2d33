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
 * Looks at the labels of the header volumes in active, declared header pools.  Registers the links
 * that this host does not know, since another host made them in a shared pool, or since the
 * registry was lost.  It believes a label if the payload here is the file or device for which the
 * label was written.  Any other label, for example that of a copy or of another host's volume with
 * the same name, it remembers as found (lukshdrStorageDiscoverFound).  It reports that once while
 * it lasts, and also a label that contradicts the registry.  Runs as the system, in one thread at a
 * time.
 */
void
lukshdrStorageDiscover(virConnectPtr conn, const char *pool);

/**
 * lukshdrStorageDiscoverFound:
 * @path: path of a volume
 *
 * Returns: the links that its label claims and that nobody follows, as GPtrArray of lukshdrLink *
 * in which only the names of the payloads are set, unreffed by the caller; NULL if there are none.
 */
GPtrArray *
lukshdrStorageDiscoverFound(const char *path);

/**
 * lukshdrStorageCheckHeaders:
 * @pool: name of a pool
 *
 * Checks the headers in the pool by their digests.  Replaces a damaged one from its replica if it
 * can, and reports the others.  Reads all key material in the pool: call it when a pool starts, not
 * at each refresh.
 */
void
lukshdrStorageCheckHeaders(const char *pool);

/**
 * lukshdrStorageDiscoverEnd:
 *
 * Makes both functions above end before the next volume or link; lukshdrStorageScanEnd calls it.
 */
void
lukshdrStorageDiscoverEnd(void);
