/*
 * pool-life.h: stopping, removing and building pools that links name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStoragePoolAllowBuildXML:
 * @conn: connection
 * @xmldesc: XML of a pool that a client wants to create
 * @flags: virStoragePoolCreateFlags
 * @error: stock's if the client may not; VIR_ERR_OPERATION_INVALID, naming a linked volume
 *
 * A client can destroy a transient pool and create it again under the same name.  That must not
 * format the storage on which the pool's linked volumes are.
 *
 * Returns: true if stock may go on, or false with @error set.
 */
bool
lukshdrStoragePoolAllowBuildXML(virConnectPtr conn,
                                const char *xmldesc,
                                unsigned int flags,
                                GError **error);

/**
 * lukshdrStoragePoolUndefine:
 * @pool: a pool
 *
 * In front of stock's storagePoolUndefine: refused while links name the pool; also removes the
 * file that we keep for it.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStoragePoolUndefine(virStoragePoolPtr pool);

/**
 * lukshdrStoragePoolDestroy:
 * @pool: a pool
 *
 * In front of stock's storagePoolDestroy: refused while an operation of ours is under way in the
 * pool; removes the file that we keep for a transient pool.  Links stay.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStoragePoolDestroy(virStoragePoolPtr pool);

/**
 * lukshdrStoragePoolDelete:
 * @pool: a pool
 * @flags: virStoragePoolDeleteFlags
 *
 * In front of stock's storagePoolDelete: refused while links name the pool.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStoragePoolDelete(virStoragePoolPtr pool, unsigned int flags);

/**
 * lukshdrStoragePoolBuild:
 * @pool: a pool
 * @flags: virStoragePoolBuildFlags
 *
 * In front of stock's storagePoolBuild: with VIR_STORAGE_POOL_BUILD_OVERWRITE refused while links
 * name the pool.  Without that flag stock makes mount points, and itself looks whether something
 * is there that it must not overwrite.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStoragePoolBuild(virStoragePoolPtr pool, unsigned int flags);

/**
 * lukshdrStoragePoolCreate:
 * @pool: a pool that is to be started
 * @flags: virStoragePoolCreateFlags
 *
 * In front of stock's storagePoolCreate: refused as lukshdrStoragePoolBuild.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStoragePoolCreate(virStoragePoolPtr pool, unsigned int flags);

/**
 * lukshdrStoragePoolRefresh:
 * @pool: a pool
 * @flags: must be 0 for stock
 *
 * In front of stock's storagePoolRefresh: refused while an operation of ours is under way there.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStoragePoolRefresh(virStoragePoolPtr pool, unsigned int flags);
