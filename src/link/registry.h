/*
 * registry.h: the link registry, what this host knows of its links
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One file a link in a directory.  The storage half
 * writes, both halves read, possibly in separate processes: the directory is
 * the truth, and the memory of each process a cache of it, which follows single
 * changes.  Only lukshdrRegistryList takes a time that depends on how many links
 * there are, and the first use of all.
 */

#pragma once

#include "link.h"

typedef struct _lukshdrRegistry lukshdrRegistry;

/**
 * lukshdrRegistryNew:
 * @dir: absolute path of the registry's directory; need not exist
 *
 * Returns: a registry; nothing is read yet.  It may be used from any thread: a
 * mutex of its own protects the cache and is never held while anything but
 * the files below @dir is touched.
 */
lukshdrRegistry *
lukshdrRegistryNew(const char *dir);

/**
 * lukshdrRegistryFree:
 * @reg: a registry, or NULL
 *
 * Frees the cache; files stay.
 */
void
lukshdrRegistryFree(lukshdrRegistry *reg);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrRegistry, lukshdrRegistryFree)

/**
 * lukshdrRegistryLoad:
 * @reg: a registry
 * @damaged: set to a GPtrArray of char *, one message for each file that
 *           cannot be believed, to be unreffed by the caller; may be NULL
 * @error: VIR_ERR_SYSTEM_ERROR if the directory cannot be read
 *
 * Reads what changed in the directory since the last call; a directory that
 * does not exist is an empty registry.  All functions below do this by
 * themselves; to call it is only needed to learn of damaged files.
 *
 * Returns: true, or false with @error set (what was not come to is then kept as it was).
 */
bool
lukshdrRegistryLoad(lukshdrRegistry *reg, GPtrArray **damaged, GError **error);

/**
 * lukshdrRegistryStore:
 * @reg: a registry
 * @link: the link to store; a file of the same UUID is replaced
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_OPERATION_UNSUPPORTED for names and paths that
 *         XML cannot hold, and whatever else lukshdrLinkParse would refuse
 *
 * Writes atomically (temporary file, fsync, rename, fsync of the directory),
 * mode 0600: after a crash there is the old file or the new one.
 *
 * Returns: true, or false with @error set and the old file in place.
 */
bool
lukshdrRegistryStore(lukshdrRegistry *reg, lukshdrLink *link, GError **error);

/**
 * lukshdrRegistryRemove:
 * @reg: a registry
 * @uuid: UUID of the link
 * @error: VIR_ERR_SYSTEM_ERROR; that there is no such link is no error
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRegistryRemove(lukshdrRegistry *reg, const char *uuid, GError **error);

/**
 * lukshdrRegistryList:
 * @reg: a registry
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Returns: all links as a GPtrArray of lukshdrLink * (with references, freed
 * with the array), or NULL with @error set.
 */
GPtrArray *
lukshdrRegistryList(lukshdrRegistry *reg, GError **error);

/**
 * lukshdrRegistryListAt:
 * @reg: a registry
 * @path: an absolute path, or what lukshdrVolumeWhere says of a volume without one
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Returns: those links of lukshdrRegistryList with a volume, payload or header, that is recorded
 * at @path (nothing is examined), or NULL with @error set.  Takes a time that does not depend on
 * how many others there are.
 */
GPtrArray *
lukshdrRegistryListAt(lukshdrRegistry *reg, const char *path, GError **error);

/**
 * lukshdrRegistryListPool:
 * @reg: a registry
 * @pool: name of a pool
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Returns: as lukshdrRegistryListAt, those with a volume in that pool.  A replica that a label names and
 * that was never seen here is none.
 */
GPtrArray *
lukshdrRegistryListPool(lukshdrRegistry *reg, const char *pool, GError **error);

/**
 * lukshdrRegistryListSecret:
 * @reg: a registry
 * @uuid: UUID of a libvirt secret
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Returns: as lukshdrRegistryListAt, those that the secret opens.
 */
GPtrArray *
lukshdrRegistryListSecret(lukshdrRegistry *reg, const char *uuid, GError **error);

/**
 * lukshdrRegistryListDirectories:
 * @reg: a registry
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Returns: the directories in which volumes are recorded, a GPtrArray of char *, each once, or NULL with
 * @error set.  They are as few as pools, however many links there are.
 */
GPtrArray *
lukshdrRegistryListDirectories(lukshdrRegistry *reg, GError **error);

/**
 * lukshdrRegistryListIn:
 * @reg: a registry
 * @dir: one of lukshdrRegistryListDirectories
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Returns: as lukshdrRegistryListAt, those with a volume that is recorded in that directory itself.
 */
GPtrArray *
lukshdrRegistryListIn(lukshdrRegistry *reg, const char *dir, GError **error);

/**
 * lukshdrRegistryFindPayload:
 * @reg: a registry
 * @path: path that somebody is about to open
 * @link: set to the link whose payload @path is (a reference), or NULL
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_OPERATION_INVALID if it cannot be
 *         decided whether @path is a payload, the message says why
 *
 * Decides by identity (lukshdrIdentityCompare).  A file that now stands at the
 * path of a registered payload without being it is undecidable, and so is any
 * file while a damaged registry entry might be about it; a path that does not
 * exist, or is none on this host (an image's name), is no payload.
 *
 * Returns: true with @link set or NULL, or false with @error set: the caller
 * must then refuse to open @path.
 */
bool
lukshdrRegistryFindPayload(lukshdrRegistry *reg,
                           const char *path,
                           lukshdrLink **link,
                           GError **error);

/**
 * lukshdrRegistryHasRemote:
 * @reg: a registry
 * @kind: RBD or ISCSI; NONE for either
 * @has: set to whether an image or a unit of that kind could be a volume of a link at all.  Of a unit that is
 *       also so if it is recorded as a disk of the kernel
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * So that no cluster or target is asked where there is nothing to ask for.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRegistryHasRemote(lukshdrRegistry *reg, lukshdrLocationKind kind, bool *has, GError **error);

/**
 * lukshdrRegistryFindRemote:
 * @reg: a registry
 * @remote: where something is that somebody is about to open
 * @identity: what is there
 * @names: what the kernel may call a unit (lukshdrScsiKernelNames), or NULL: a volume that is recorded as the
 *         kernel's disk is refused under another name
 * @payload: set to the link whose payload it is (a reference), or NULL
 * @header: set to a link whose header it is (a reference), or NULL
 * @error: as lukshdrRegistryFindPayload
 *
 * As lukshdrRegistryFindPayload and lukshdrRegistryFindHeader, of a volume without a path on this
 * host.
 *
 * Returns: as lukshdrRegistryFindPayload.
 */
bool
lukshdrRegistryFindRemote(lukshdrRegistry *reg,
                          const lukshdrRemote *remote,
                          const lukshdrIdentity *identity,
                          const char *const *names,
                          lukshdrLink **payload,
                          lukshdrLink **header,
                          GError **error);

/**
 * lukshdrRegistryFindHeader:
 * @reg: a registry
 * @path: path that somebody is about to open
 * @link: set to a link whose header @path is (a reference), or NULL
 * @error: as lukshdrRegistryFindPayload
 *
 * Returns: as lukshdrRegistryFindPayload.
 */
bool
lukshdrRegistryFindHeader(lukshdrRegistry *reg,
                          const char *path,
                          lukshdrLink **link,
                          GError **error);

/**
 * lukshdrRegistryGet:
 * @reg: a registry
 * @uuid: UUID of a link
 *
 * Returns: the link as it is now (a reference), or NULL if there is none or its entry is damaged.
 */
lukshdrLink *
lukshdrRegistryGet(lukshdrRegistry *reg, const char *uuid);

/**
 * lukshdrRegistryFindDamaged:
 * @reg: a registry
 * @pool: name of a pool
 * @volume: name of a volume; or the UUID of a link of whose entry nothing can be read
 *
 * Says nothing of entries that are whole.  lukshdrRegistryRemove takes what it returns.
 *
 * Returns: the UUID of the damaged entry that seems to be of that payload, to be freed with g_free; or NULL.
 */
char *
lukshdrRegistryFindDamaged(lukshdrRegistry *reg, const char *pool, const char *volume);

/**
 * lukshdrRegistryWritten:
 * @reg: a registry
 * @uuid: UUID of a link
 *
 * Returns: when its entry was written (the file's modification time), ns since 1970; 0 if there is
 * none.
 */
gint64
lukshdrRegistryWritten(lukshdrRegistry *reg, const char *uuid);

/**
 * lukshdrRegistryIsActive:
 * @reg: a registry
 * @uuid: UUID of a link
 *
 * Returns: true if there is such a link now and its state is ACTIVE.
 */
bool
lukshdrRegistryIsActive(lukshdrRegistry *reg, const char *uuid);

/**
 * lukshdrRegistryLookup:
 * @reg: a registry
 * @pool: name of a pool
 * @volume: name of a volume in it
 * @payload: set to the link whose payload that volume is (a reference), or
 *           NULL; the parameter may be NULL
 * @header: set to a link whose header that volume is (a reference), or NULL;
 *          the parameter may be NULL
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_OPERATION_INVALID if the entry is damaged
 *
 * Looks up by libvirt's names, as the storage half's entries get them.  A replica that a label names
 * and that was never seen here (it has no path, and the link is not just being created) is nobody's.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRegistryLookup(lukshdrRegistry *reg,
                      const char *pool,
                      const char *volume,
                      lukshdrLink **payload,
                      lukshdrLink **header,
                      GError **error);
