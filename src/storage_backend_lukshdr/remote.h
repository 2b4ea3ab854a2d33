/*
 * remote.h: where the volumes of pools without host paths are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "link/volume.h"
#include "storage.h"

/**
 * lukshdrStorageCheckPoolType:
 * @pool: a pool
 * @make: whether volumes shall be made there, and not only named
 * @error: VIR_ERR_CONFIG_UNSUPPORTED, with words for the user; stock's; VIR_ERR_XML_ERROR
 *
 * Reads the pool's XML, as the system, for lukshdrRemoteCheckPool: so that a refusal comes before anything is
 * made, and not from stock in the middle.
 *
 * Returns: whether a pool of that type can have volumes of links, or false with @error set.
 */
bool
lukshdrStorageCheckPoolType(virStoragePoolPtr pool, bool make, GError **error);

/**
 * lukshdrStorageRemote:
 * @pool: a pool
 * @volume: libvirt's name of a volume that is, or would be, in it
 * @remote: set to the place of the volume, freed with lukshdrRemoteFree; to NULL if the pool is not
 *          of type rbd or iscsi-direct
 * @error: stock's; VIR_ERR_XML_ERROR
 *
 * Reads the pool's XML, as the system.  An <auth> that names its secret by usage gets the UUID.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageRemote(virStoragePoolPtr pool,
                     const char *volume,
                     lukshdrRemote **remote,
                     GError **error);

/**
 * lukshdrStorageRemoteOfVolume:
 * @vol: a volume whose path, as stock gives it, is no path on this host
 * @remote: as lukshdrStorageRemote
 * @error: as lukshdrStorageRemote
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageRemoteOfVolume(virStorageVolPtr vol, lukshdrRemote **remote, GError **error);
