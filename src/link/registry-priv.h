/*
 * registry-priv.h: what the files of the registry share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "registry.h"
#include "util/dir-watch.h"

#include <sys/stat.h>

typedef struct _lukshdrRegistryPlace lukshdrRegistryPlace;

typedef struct _lukshdrRegistryEntry lukshdrRegistryEntry;
struct _lukshdrRegistryEntry {
    char *uuid;        /* of the link, as the file is named */
    lukshdrLink *link; /* NULL if nothing can be made of the file */
    char *damage;      /* why the file is not believed, or NULL */
    gint64 read;       /* when the file was read, ns */
    gint64 mtime;      /* of the file then, ns */
    ino_t inode;
    off_t size;
    guint64 scan;                 /* the last one that saw the file */
    lukshdrRegistryPlace *places; /* where it is in the index; registry-index.c's */
    guint nplaces;
};

struct _lukshdrRegistry {
    char *dir; /* immutable */

    /* The lock protects all below.  It is a leaf: held while files in dir are
     * read or volumes are examined with statx, never while libvirt is called. */
    GMutex lock;
    lukshdrDirWatch *watch;
    GHashTable *names;   /* set of char *: files to look at the next time */
    GHashTable *entries; /* char * (the entry's uuid) -> lukshdrRegistryEntry * */
    GHashTable *damaged; /* set of those with a damage: each may be about any file */
    GHashTable *index;   /* char * (a key, see below) -> registry-index.c's */
    guint64 scan;        /* how often the directory was read as a whole */
};

/**
 * lukshdrRegistryIndexNew:
 *
 * Returns: an empty index of entries.  One entry costs the same to add, find and remove, however
 * many there are, also if all have a key in common.
 */
GHashTable *
lukshdrRegistryIndexNew(void);

/**
 * lukshdrRegistryIndexAdd:
 * @index: an index
 * @entry: an entry that is in none, to be removed from it before it is freed
 *
 * Puts @entry under all its keys, each once.
 */
void
lukshdrRegistryIndexAdd(GHashTable *index, lukshdrRegistryEntry *entry);

/**
 * lukshdrRegistryIndexRemove:
 * @index: an index
 * @entry: an entry that is in it
 */
void
lukshdrRegistryIndexRemove(GHashTable *index, lukshdrRegistryEntry *entry);

/**
 * lukshdrRegistryIndexFind:
 * @index: an index
 * @key: of one of the functions below
 *
 * Returns: the entries under @key, a list of lukshdrRegistryEntry * that is owned by @index.
 */
const GList *
lukshdrRegistryIndexFind(GHashTable *index, const char *key);

/**
 * lukshdrRegistryVolumeCounts:
 * @link: a link
 * @i: as lukshdrLinkVolumeAt
 *
 * A replica without a location is one that a label names and nobody here has proven, unless the link
 * is just being created: nothing follows from it.
 *
 * Returns: whether that volume is to be found at all.
 */
bool
lukshdrRegistryVolumeCounts(const lukshdrLink *link, guint i);

/**
 * lukshdrRegistryKeyName:
 * @pool: name of a pool
 * @volume: name of a volume
 *
 * Returns: key of the volume; '/' is in neither name.
 */
char *
lukshdrRegistryKeyName(const char *pool, const char *volume);

/**
 * lukshdrRegistryKeyPool:
 * @pool: name of a pool
 *
 * Returns: key of all volumes in it.
 */
char *
lukshdrRegistryKeyPool(const char *pool);

/**
 * lukshdrRegistryKeySecret:
 * @uuid: UUID of a libvirt secret, in either case
 *
 * Returns: key of what it opens.
 */
char *
lukshdrRegistryKeySecret(const char *uuid);

/**
 * lukshdrRegistryKeyPath:
 * @path: an absolute path, or what lukshdrRemoteDescribe says
 *
 * Returns: key of the path.
 */
char *
lukshdrRegistryKeyPath(const char *path);

/**
 * lukshdrRegistryKeyDirectory:
 * @dir: path of a directory, as it is recorded in front of a volume's name
 *
 * Returns: key of all volumes in it.
 */
char *
lukshdrRegistryKeyDirectory(const char *dir);

/* The paths of all directories that have such a key, char * instead of entries */
#define LUKSHDR_REGISTRY_KEY_DIRECTORIES "directories"

/**
 * lukshdrRegistryKeyIdentity:
 * @identity: identity of a volume, not of type NONE
 *
 * Returns: key of a file's inode number, on whatever device, of an image's ids, of an iSCSI unit's name, or of a
 * block device's lasting name; for one that has none, LUKSHDR_REGISTRY_KEY_NAMELESS.
 */
char *
lukshdrRegistryKeyIdentity(const lukshdrIdentity *identity);

/* Entries with an image of a Ceph cluster; and those with a SCSI unit, by whatever way it is reached */
#define LUKSHDR_REGISTRY_KEY_REMOTE "remote"
#define LUKSHDR_REGISTRY_KEY_UNITS "units"

/* Entries on block devices that are recorded with nothing but a number, good until a reboot; and all entries
 * on block devices.  If a device has no name now either, only the recorded paths can tell. */
#define LUKSHDR_REGISTRY_KEY_NAMELESS "nameless"
#define LUKSHDR_REGISTRY_KEY_BLOCKS "blocks"

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
    const char *path; /* or where an image or unit is (lukshdrRemoteDescribe) */
    char *real;       /* canonical, or NULL */
    bool missing;
    bool examined; /* found is set */
    bool failed;   /* it is there and could be a volume, but the kernel did not say more */
    lukshdrIdentity found;
    lukshdrIdentity behind; /* of a loop device: its file, without birth time; of an image that the
                             * kernel's Ceph client maps: that image; else type NONE */
};

/**
 * lukshdrRegistryExamine:
 * @question: path is set, all else is filled in; real is freed by the caller with free(3)
 *
 * Called without the registry's lock.
 */
void
lukshdrRegistryExamine(lukshdrRegistryQuestion *question);
