/*
 * pool-state.h: what can be known of a pool without asking the storage driver
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * lukshdrPoolStateIsActive:
 * @privileged: whether the daemon runs as root
 * @pool: name of a pool, as libvirt gives it
 *
 * The one way to ask without calling into the storage driver, which may be another process, while
 * a domain is locked.  A pool that was started has a status file (lukshdrPathPoolState).  One that
 * the storage driver finds there when it starts, a directory that exists or a file system that is
 * mounted, is active without (storagePoolUpdateStateCallback in its storage_driver.c): after a
 * reboot that is every such pool that is not started automatically.  The storage half records it.
 *
 * Returns: whether the pool is active.
 */
bool
lukshdrPoolStateIsActive(bool privileged, const char *pool);

/**
 * lukshdrPoolStateFound:
 * @privileged: whether the daemon runs as root
 * @pool: name of a pool that is active without a status file
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Records that; for the storage half, when the daemon starts.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrPoolStateFound(bool privileged, const char *pool, GError **error);

/**
 * lukshdrPoolStateForget:
 * @privileged: whether the daemon runs as root
 * @pool: name of a pool
 *
 * Forgets what lukshdrPoolStateFound recorded, if anything.
 *
 * Returns: whether anything was recorded.
 */
bool
lukshdrPoolStateForget(bool privileged, const char *pool);

/**
 * lukshdrPoolStateForgetOthers:
 * @privileged: whether the daemon runs as root
 * @active: a set of names of pools
 *
 * Forgets it of all pools but these.
 */
void
lukshdrPoolStateForgetOthers(bool privileged, GHashTable *active);

/**
 * lukshdrPoolStateVolumePath:
 * @privileged: whether the daemon runs as root
 * @pool: name of a pool, hostile until proven otherwise
 * @volume: name of a volume in it, likewise
 * @error: VIR_ERR_OPERATION_INVALID if the pool is not active;
 *         VIR_ERR_OPERATION_UNSUPPORTED if the path of a volume of such a pool is not its
 *         name below the pool's target; VIR_ERR_INVALID_ARG for names that cannot be
 *
 * Reads the status file that the storage driver keeps of an active pool (lukshdrPathPoolState), or
 * the pool's definition where it is active without one.  Pools of type dir, fs, netfs and logical have their volumes
 * below their target, named as libvirt names them (storage_util.c and
 * storage_backend_logical.c); of others that is not certain.
 *
 * Returns: the path that the volume has, or would have, to be freed with g_free; NULL with
 * @error set.
 */
char *
lukshdrPoolStateVolumePath(bool privileged, const char *pool, const char *volume, GError **error);
