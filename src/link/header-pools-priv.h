/*
 * header-pools-priv.h: what the files about header pools share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "header-pools.h"
#include "volume.h"

/* A pool whose volumes can be recognised */
typedef struct _lukshdrHeaderPool lukshdrHeaderPool;
struct _lukshdrHeaderPool {
    char *name;
    char *target; /* the directory of its volumes, or NULL */
    char *device; /* of type disk: what its volumes are partitions of, or NULL */
    lukshdrRemote
        *remote; /* of type rbd: the pool of a cluster, by its name and servers, or NULL */
};

/**
 * lukshdrHeaderPoolsLoad:
 * @pools: from lukshdrHeaderPoolsNew
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Reads the files again if one of the directories has changed.
 *
 * Returns: all that are declared, as a GPtrArray of lukshdrHeaderPool that does not change any more
 * (a reference), or NULL with @error set.  A pool can be in it twice.
 */
GPtrArray *
lukshdrHeaderPoolsLoad(lukshdrHeaderPools *pools, GError **error);

/**
 * lukshdrHeaderPoolsLoadGivers:
 * @pools: from lukshdrHeaderPoolsNew
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * As lukshdrHeaderPoolsLoad.
 *
 * Returns: the pools that have an encryption default.
 */
GPtrArray *
lukshdrHeaderPoolsLoadGivers(lukshdrHeaderPools *pools, GError **error);
