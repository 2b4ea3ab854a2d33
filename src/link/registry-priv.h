/*
 * registry-priv.h: what the files of the registry share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "registry.h"

#include <dirent.h>
#include <sys/stat.h>

typedef struct _lukshdrRegistryEntry lukshdrRegistryEntry;
struct _lukshdrRegistryEntry {
    lukshdrLink *link; /* NULL if nothing can be made of the file */
    char *damage;      /* why the file is not believed, or NULL */
    gint64 read;       /* when the file was read, ns */
    gint64 mtime;      /* of the file then, ns */
    ino_t inode;
    off_t size;
    guint64 scan; /* the last one that saw the file */
};

struct _lukshdrRegistry {
    char *dir; /* immutable */

    /* The lock protects all below.  It is a leaf: held while files in dir are
     * read or volumes are examined with statx, never while libvirt is called. */
    GMutex lock;
    GHashTable *entries; /* char * (UUID) -> lukshdrRegistryEntry * */
    GHashTable *byKey;   /* char * (see below) -> GPtrArray of lukshdrRegistryEntry *,
                          * of payloads and headers alike, owned by entries */
    /* one of the damaged entries, which may be about any file, or NULL */
    const lukshdrRegistryEntry *unknown;
    guint64 scan;   /* how often the directory was read */
    gint64 loaded;  /* when the directory was read, ns; 0 for never */
    gint64 dirTime; /* its modification time then, ns */
    ino_t dirInode;
};

/* all entries on block devices, whose numbers are only good until a reboot */
#define LUKSHDR_REGISTRY_KEY_BLOCK "block"

/**
 * lukshdrRegistryKeyName:
 * @pool: name of a pool
 * @volume: name of a volume
 *
 * Returns: key of the volume in byKey; '/' is in neither name.
 */
char *
lukshdrRegistryKeyName(const char *pool, const char *volume);

/**
 * lukshdrRegistryKeyPath:
 * @path: an absolute path
 *
 * Returns: key of the path in byKey.
 */
char *
lukshdrRegistryKeyPath(const char *path);

/**
 * lukshdrRegistryKeyInode:
 * @inode: an inode number
 *
 * Returns: key of the inode number, on whatever device, in byKey.
 */
char *
lukshdrRegistryKeyInode(guint64 inode);

/**
 * lukshdrRegistryLoadLocked:
 * @reg: a registry, its lock held
 * @error: as lukshdrRegistryLoad
 *
 * Returns: as lukshdrRegistryLoad.
 */
bool
lukshdrRegistryLoadLocked(lukshdrRegistry *reg, GError **error);

/* What the kernel says of a path: found out before the lock is taken, since a server that
 * hangs must not stop every look-up of others */
typedef struct _lukshdrRegistryQuestion lukshdrRegistryQuestion;
struct _lukshdrRegistryQuestion {
    const char *path;
    char *real; /* canonical, or NULL */
    bool missing;
    bool examined; /* found is set */
    lukshdrIdentity found;
    lukshdrIdentity behind; /* of a loop device: its file, without birth time; else type NONE */
};

/**
 * lukshdrRegistryExamine:
 * @question: path is set, all else is filled in; real is freed by the caller with free(3)
 *
 * Called without the registry's lock.
 */
void
lukshdrRegistryExamine(lukshdrRegistryQuestion *question);
