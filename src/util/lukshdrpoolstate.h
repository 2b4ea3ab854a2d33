/*
 * lukshdrpoolstate.h: what can be known of a pool without asking the storage driver
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * lukshdrPoolStateVolumePath:
 * @privileged: whether the daemon runs as root
 * @pool: name of a pool, hostile until proven otherwise
 * @volume: name of a volume in it, likewise
 * @error: VIR_ERR_OPERATION_INVALID if the pool is not active;
 *         VIR_ERR_OPERATION_UNSUPPORTED if the path of a volume of such a pool is not its
 *         name below the pool's target; VIR_ERR_INVALID_ARG for names that cannot be
 *
 * Reads the status file that the storage driver keeps of an active pool
 * (lukshdrPathPoolState).  Pools of type dir, fs, netfs and logical have their volumes
 * below their target, named as libvirt names them (storage_util.c and
 * storage_backend_logical.c); of others that is not certain.
 *
 * Returns: the path that the volume has, or would have, to be freed with g_free; NULL with
 * @error set.
 */
char *
lukshdrPoolStateVolumePath(bool privileged, const char *pool, const char *volume, GError **error);
