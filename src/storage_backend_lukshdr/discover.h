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
 * registers links that this host does not know: of a pool that other hosts share, of a registry
 * that was lost.  A label is believed if the payload here is the file or device that it was
 * written for.  What it says otherwise, of a copy or of another host's volume of the same name, is
 * remembered as found (lukshdrStorageDiscoverFound).  That, and a label that contradicts the
 * registry, is reported once while it lasts.  As the system.  Runs in one thread at a time.
 */
void
lukshdrStorageDiscover(virConnectPtr conn, const char *pool);

/**
 * lukshdrStorageDiscoverFound:
 * @path: path of a volume
 *
 * Returns: the links that its label claims and that nobody follows, as GPtrArray of lukshdrLink *
 * that say nothing but the names of their payloads, unreffed by the caller; NULL if there are none.
 */
GPtrArray *
lukshdrStorageDiscoverFound(const char *path);

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
