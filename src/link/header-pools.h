/*
 * header-pools.h: which pools are declared to hold headers, and what is in them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A volume of a header pool is nobody's disk, also one that the link registry
 * does not know (yet, or any more): a header that was copied there, restored,
 * or is on its way to another host.  What is a header pool stands in the files
 * of the encryption defaults (lukshdrPathPools), and where it is in those that
 * libvirt's storage driver keeps of its pools; all are read without asking that
 * driver, which may be another process.
 */

#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

#include "volume.h"

typedef struct _lukshdrHeaderPools lukshdrHeaderPools;

/**
 * lukshdrHeaderPoolsDeclaredBy:
 * @ours: what is kept of the pool @owner: a document with the root element <pool>
 * @owner: UUID of that pool
 * @uuid: UUID of a pool
 * @name: its name
 *
 * The one place that knows what a declaration is.
 *
 * Returns: true if @ours declares the pool @uuid to hold headers: by <headers/> of its own, or by an
 * encryption default that names it.
 */
bool
lukshdrHeaderPoolsDeclaredBy(xmlDoc *ours, const char *owner, const char *uuid, const char *name);

/**
 * lukshdrHeaderPoolsNew:
 * @declarations: directory of the encryption defaults
 * @configs: directory of the definitions of pools
 * @states: directory of the status files of active pools
 *
 * Returns: what is known of header pools; nothing is read yet, and no directory need exist.  It
 * may be used from any thread: a mutex of its own, a leaf, protects the cache.
 */
lukshdrHeaderPools *
lukshdrHeaderPoolsNew(const char *declarations, const char *configs, const char *states);

/**
 * lukshdrHeaderPoolsFree:
 * @pools: from lukshdrHeaderPoolsNew, or NULL
 */
void
lukshdrHeaderPoolsFree(lukshdrHeaderPools *pools);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrHeaderPools, lukshdrHeaderPoolsFree)

/**
 * lukshdrHeaderPoolsFind:
 * @pools: from lukshdrHeaderPoolsNew
 * @path: absolute path that somebody is about to open or to make
 * @pool: set to the name of a declared header pool, active or not, that @path is a volume of,
 *        freed with g_free; to NULL if there is none
 * @error: VIR_ERR_SYSTEM_ERROR if a directory cannot be read
 *
 * A volume of a pool of type dir, fs, netfs or logical is what is in the pool's target, compared by
 * the directory's identity: symbolic links, bind mounts of directories and other spellings make no
 * difference.  A hard link, a block device's other names and a loop device over such a file are
 * recognised as well.  One of a pool of type disk is a partition of the pool's device.  Not
 * recognised are: a symbolic link in the target, by the name of what it leads to; a bind mount of a
 * single file; volumes of the types iscsi, scsi and mpath, whose target is the whole of /dev.
 *
 * A declaration that is damaged counts for what can be read of it, and for its own pool: so
 * nothing that was declared is forgotten.
 *
 * Returns: true with @pool set or NULL, or false with @error set.
 */
bool
lukshdrHeaderPoolsFind(lukshdrHeaderPools *pools, const char *path, char **pool, GError **error);

/**
 * lukshdrHeaderPoolsFindRemote:
 * @pools: from lukshdrHeaderPoolsNew
 * @remote: where something is that somebody is about to open
 * @pool: as lukshdrHeaderPoolsFind, of a header pool of type rbd
 * @error: as lukshdrHeaderPoolsFind
 *
 * An image is a volume of the pool if both name the same pool of a cluster, and one server in common, or one
 * of them none.  Does not ask the cluster, so a cluster by names that the pool does not have is not recognised.
 *
 * Returns: true with @pool set or NULL, or false with @error set.
 */
bool
lukshdrHeaderPoolsFindRemote(lukshdrHeaderPools *pools,
                             const lukshdrRemote *remote,
                             char **pool,
                             GError **error);

/**
 * lukshdrHeaderPoolsFindBelow:
 * @pools: from lukshdrHeaderPoolsNew
 * @dir: path of a directory
 * @pool: as lukshdrHeaderPoolsFind, of a header pool whose target is @dir or somewhere below it
 * @error: as lukshdrHeaderPoolsFind
 *
 * Returns: true with @pool set or NULL, or false with @error set.
 */
bool
lukshdrHeaderPoolsFindBelow(lukshdrHeaderPools *pools,
                            const char *dir,
                            char **pool,
                            GError **error);

/**
 * lukshdrHeaderPoolsFindDefault:
 * @pools: from lukshdrHeaderPoolsNew
 * @path: absolute path of a file that is to be made
 * @pool: set to the name of a pool with an encryption default that the file would be a volume of, freed with
 *        g_free; to NULL if there is none
 * @error: as lukshdrHeaderPoolsFind
 *
 * Of pools of type dir, fs, netfs and logical, by their directory, as lukshdrHeaderPoolsFind.
 *
 * Returns: true with @pool set or NULL, or false with @error set.
 */
bool
lukshdrHeaderPoolsFindDefault(lukshdrHeaderPools *pools,
                              const char *path,
                              char **pool,
                              GError **error);
