/*
 * events.h: telling clients that the volumes of a header pool have changed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt has no events for volumes.  A client such as virt-manager looks again at a pool in which it has
 * itself made or deleted a volume, and at one that was refreshed.  It knows nothing of the header that
 * is made in another pool.  A refresh of that pool would read all of its volumes, and stop the pool if
 * that fails: so clients are only told that there was one.
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "link/link.h"

/**
 * lukshdrStorageEventsRegister:
 *
 * In front of stock's connectStoragePoolEventRegisterAny: remembers who wants to hear of refreshes.
 *
 * Returns: what stock does.
 */
int
lukshdrStorageEventsRegister(virConnectPtr conn,
                             virStoragePoolPtr pool,
                             int event,
                             virConnectStoragePoolEventGenericCallback callback,
                             void *opaque,
                             virFreeCallback freeOpaque);

/**
 * lukshdrStorageEventsDeregister:
 *
 * In front of stock's connectStoragePoolEventDeregisterAny.
 *
 * Returns: what stock does.
 */
int
lukshdrStorageEventsDeregister(virConnectPtr conn, int id);

/**
 * lukshdrStorageEventsPool:
 * @pool: a pool in which a header volume was made or deleted
 *
 * Clients are told from the event loop, soon.
 */
void
lukshdrStorageEventsPool(virStoragePoolPtr pool);

/**
 * lukshdrStorageEventsHeaders:
 * @conn: a connection of the storage driver
 * @link: a link whose header volumes were deleted
 *
 * As lukshdrStorageEventsPool, for each pool of a copy of the header.
 */
void
lukshdrStorageEventsHeaders(virConnectPtr conn, const lukshdrLink *link);
