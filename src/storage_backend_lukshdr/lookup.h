/*
 * lookup.h: finding pools and volumes by the names that links have for them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageOpenPool:
 * @conn: connection of the storage driver
 * @name: name of a pool
 * @error: stock's if there is no such pool, VIR_ERR_OPERATION_INVALID if it is not active
 *
 * Returns: the pool, which is active, freed with virStoragePoolFree, or NULL with
 * @error set.
 */
virStoragePoolPtr
lukshdrStorageOpenPool(virConnectPtr conn, const char *name, GError **error);

/**
 * lukshdrStorageListGone:
 * @link: a link
 *
 * Returns: the names of the pools that hold volumes of @link by their names, and no longer by their paths: somebody
 * removed them by hand.  A GPtrArray of char *, to be unreffed.
 */
GPtrArray *
lukshdrStorageListGone(const lukshdrLink *link);

/**
 * lukshdrStorageRefreshPools:
 * @pools: names of pools
 * @conn: connection of the storage driver
 *
 * libvirt lists what somebody removed by hand until it looks again, and would say that the name is taken.  Has stock
 * look again, as the system, at those pools that are active; no failure is reported.
 */
void
lukshdrStorageRefreshPools(GPtrArray *pools, virConnectPtr conn);

/**
 * lukshdrStorageLookupVolume:
 * @where: payload or header of a link, which exists
 * @conn: connection
 * @error: stock's; VIR_ERR_OPERATION_INVALID if another volume has the name now
 *
 * Stock deletes and wipes by name, and somebody can define a pool anew at another place.  So the
 * volume must be where it was recorded.
 *
 * Returns: the volume, freed with virStorageVolFree, or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageLookupVolume(const lukshdrVolume *where, virConnectPtr conn, GError **error);

/**
 * lukshdrStoragePlace:
 * @vol: a volume that stock knows
 * @where: has its names; the function sets its path or its place in a cluster
 * @error: stock's; VIR_ERR_OPERATION_UNSUPPORTED for a volume that has no path on this host and is
 *         in no pool of type rbd; lukshdrStorageRemote's
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStoragePlace(virStorageVolPtr vol, lukshdrVolume *where, GError **error);

/**
 * lukshdrStorageLocate:
 * @vol: a volume that stock knows
 * @where: has its names; the function sets its place and its identity
 * @error: as lukshdrStoragePlace and lukshdrHandleOpen
 *
 * Finds out, as the client, where a volume is that no link has yet, and what its identity is.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageLocate(virStorageVolPtr vol, lukshdrVolume *where, GError **error);

/**
 * lukshdrStorageReadFormat:
 * @vol: a volume that shall be a payload
 * @link: its link; the function sets its format
 * @error: stock's; VIR_ERR_CONFIG_UNSUPPORTED for a format that QEMU cannot write
 *
 * Asks stock.  Stock knows the format of a new volume only after it has made it: in some pools
 * volumes have no format, in others there is a default.
 *
 * Returns: the volume's XML as stock writes it, to be freed with g_free, or NULL with @error set.
 */
char *
lukshdrStorageReadFormat(virStorageVolPtr vol, lukshdrLink *link, GError **error);
