/*
 * lookup.h: pools and volumes by the names that links have of them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageOpenPool:
 * @conn: connection of the storage driver
 * @name: name of a pool
 * @error: stock's if there is none, VIR_ERR_OPERATION_INVALID if it is not active
 *
 * Returns: the pool, which is active, freed with virStoragePoolFree, or NULL with
 * @error set.
 */
virStoragePoolPtr
lukshdrStorageOpenPool(virConnectPtr conn, const char *name, GError **error);

/**
 * lukshdrStorageLookupVolume:
 * @where: payload or header of a link, which exists
 * @conn: connection
 * @error: stock's; VIR_ERR_OPERATION_INVALID if the name is that of another volume now
 *
 * Stock deletes and wipes by name, and a pool can be defined anew elsewhere: the volume must
 * be where it was recorded.
 *
 * Returns: the volume, freed with virStorageVolFree, or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageLookupVolume(const lukshdrVolume *where, virConnectPtr conn, GError **error);

/**
 * lukshdrStoragePlace:
 * @vol: a volume that stock knows
 * @where: named already; its path or remote place is set
 * @error: stock's; VIR_ERR_OPERATION_UNSUPPORTED for a volume that has no path on this host and is in
 *         no pool of type rbd; lukshdrStorageRemote's
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStoragePlace(virStorageVolPtr vol, lukshdrVolume *where, GError **error);

/**
 * lukshdrStorageLocate:
 * @vol: a volume that stock knows
 * @where: named already; its place and identity are set
 * @error: as lukshdrStoragePlace and lukshdrHandleOpen
 *
 * Says where a volume is that no link has yet, and which it is, as the client.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageLocate(virStorageVolPtr vol, lukshdrVolume *where, GError **error);

/**
 * lukshdrStorageReadFormat:
 * @vol: a volume that is to be a payload
 * @link: its link; the format is set
 * @error: stock's; VIR_ERR_CONFIG_UNSUPPORTED for a format that QEMU cannot write
 *
 * Asks stock, which knows the format of a new volume only once it has made it: some pools have none,
 * others a default.
 *
 * Returns: the volume's XML as stock writes it, to be freed with g_free, or NULL with @error set.
 */
char *
lukshdrStorageReadFormat(virStorageVolPtr vol, lukshdrLink *link, GError **error);
