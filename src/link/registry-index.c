/*
 * registry-index.c: by what the entries of the registry are found
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <string.h>

#include "registry-priv.h"

/* What is under one key */
typedef struct _lukshdrRegistryBucket lukshdrRegistryBucket;
struct _lukshdrRegistryBucket {
    GQueue entries;  /* of the links in the entries' places; of what is under
                     * LUKSHDR_REGISTRY_KEY_DIRECTORIES, of the "directory" of other buckets */
    GList directory; /* its data is the path, if this is a directory's */
    char key[];
};

#define LUKSHDR_REGISTRY_DIRECTORY "directory "

/* One of the places of an entry */
struct _lukshdrRegistryPlace {
    GList link; /* its data is the entry */
    lukshdrRegistryBucket *bucket;
};

GHashTable *
lukshdrRegistryIndexNew(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
}

char *
lukshdrRegistryKeyName(const char *pool, const char *volume)
{
    return g_strconcat("name ", pool, "/", volume, NULL);
}

char *
lukshdrRegistryKeyPool(const char *pool)
{
    return g_strconcat("pool ", pool, NULL);
}

char *
lukshdrRegistryKeySecret(const char *uuid)
{
    g_autofree char *lower = g_ascii_strdown(uuid, -1);

    return g_strconcat("secret ", lower, NULL);
}

char *
lukshdrRegistryKeyPath(const char *path)
{
    g_autofree char *canonical = NULL;

    /* what is no path on this host must not become one */
    if (!g_path_is_absolute(path))
        return g_strconcat("no path ", path, NULL);

    /* doubled slashes and the like; two at the beginning would be kept as special */
    canonical = g_canonicalize_filename(path + strspn(path, "/") - 1, "/");
    return g_strconcat("path ", canonical, NULL);
}

char *
lukshdrRegistryKeyIdentity(const lukshdrIdentity *identity)
{
    if (identity->type == LUKSHDR_IDENTITY_BLOCK)
        return identity->id[0] ? g_strconcat("block ", identity->id, NULL)
                               : g_strdup(LUKSHDR_REGISTRY_KEY_NAMELESS);
    if (identity->type == LUKSHDR_IDENTITY_RBD)
        return g_strconcat("rbd ", identity->id, NULL);
    if (identity->type == LUKSHDR_IDENTITY_ISCSI) {
        /* a name without the target that it was reached by: that can be another */
        g_auto(GStrv) parts = g_strsplit(identity->id, ";", 2);

        return g_strconcat("iscsi ", parts[0], NULL);
    }
    return g_strdup_printf("inode %" G_GUINT64_FORMAT, identity->inode);
}

char *
lukshdrRegistryKeyDirectory(const char *dir)
{
    return g_strconcat(LUKSHDR_REGISTRY_DIRECTORY, dir, NULL);
}

bool
lukshdrRegistryVolumeCounts(const lukshdrLink *link, guint i)
{
    return lukshdrLinkRoleAt(i) != LUKSHDR_ROLE_REPLICA ||
           link->state == LUKSHDR_LINK_STATE_CREATING ||
           lukshdrVolumeLocation(lukshdrLinkVolumeAt(link, i)) != LUKSHDR_LOCATION_NONE;
}

/* Takes @key over, unless it is one of @keys, which are few */
static void
lukshdrRegistryAddKey(GPtrArray *keys, char *key)
{
    if (g_ptr_array_find_with_equal_func(keys, key, g_str_equal, NULL))
        g_free(key);
    else
        g_ptr_array_add(keys, key);
}

static GPtrArray *
lukshdrRegistryKeys(const lukshdrLink *link)
{
    GPtrArray *keys = g_ptr_array_new_with_free_func(g_free);
    const lukshdrVolume *vol;
    guint i;

    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        if (!lukshdrRegistryVolumeCounts(link, i))
            continue;
        lukshdrRegistryAddKey(keys, lukshdrRegistryKeyName(vol->pool, vol->volume));
        lukshdrRegistryAddKey(keys, lukshdrRegistryKeyPool(vol->pool));
        if (vol->path) {
            g_autofree char *dir = g_path_get_dirname(vol->path);

            lukshdrRegistryAddKey(keys, lukshdrRegistryKeyPath(vol->path));
            if (g_path_is_absolute(dir))
                lukshdrRegistryAddKey(keys, lukshdrRegistryKeyDirectory(dir));
        }
        if (vol->remote) {
            g_autofree char *where = lukshdrRemoteDescribe(vol->remote);

            lukshdrRegistryAddKey(keys, lukshdrRegistryKeyPath(where));
            lukshdrRegistryAddKey(keys, g_strdup(vol->remote->kind == LUKSHDR_LOCATION_ISCSI
                                                     ? LUKSHDR_REGISTRY_KEY_UNITS
                                                     : LUKSHDR_REGISTRY_KEY_REMOTE));
        }
        if (lukshdrIdentityMayBeUnit(&vol->identity))
            lukshdrRegistryAddKey(keys, g_strdup(LUKSHDR_REGISTRY_KEY_UNITS));
        if (vol->identity.type != LUKSHDR_IDENTITY_NONE)
            lukshdrRegistryAddKey(keys, lukshdrRegistryKeyIdentity(&vol->identity));
        if (vol->identity.type == LUKSHDR_IDENTITY_BLOCK)
            lukshdrRegistryAddKey(keys, g_strdup(LUKSHDR_REGISTRY_KEY_BLOCKS));
    }
    if (link->secretUUID)
        lukshdrRegistryAddKey(keys, lukshdrRegistryKeySecret(link->secretUUID));
    return keys;
}

static lukshdrRegistryBucket *
lukshdrRegistryBucketFind(GHashTable *index, const char *key)
{
    lukshdrRegistryBucket *bucket = g_hash_table_lookup(index, key);
    gsize len = strlen(key) + 1;

    if (bucket)
        return bucket;

    bucket = g_malloc0(sizeof(*bucket) + len);
    memcpy(bucket->key, key, len);
    g_hash_table_insert(index, bucket->key, bucket);

    if (g_str_has_prefix(key, LUKSHDR_REGISTRY_DIRECTORY)) {
        lukshdrRegistryBucket *all = lukshdrRegistryBucketFind(index,
                                                               LUKSHDR_REGISTRY_KEY_DIRECTORIES);

        bucket->directory.data = bucket->key + strlen(LUKSHDR_REGISTRY_DIRECTORY);
        g_queue_push_tail_link(&all->entries, &bucket->directory);
    }
    return bucket;
}

/* Removes @bucket from @index if nothing is in it any more */
static void
lukshdrRegistryBucketTidy(GHashTable *index, lukshdrRegistryBucket *bucket)
{
    if (!g_queue_is_empty(&bucket->entries))
        return;

    if (bucket->directory.data) {
        lukshdrRegistryBucket *all = g_hash_table_lookup(index, LUKSHDR_REGISTRY_KEY_DIRECTORIES);

        g_queue_unlink(&all->entries, &bucket->directory);
        lukshdrRegistryBucketTidy(index, all);
    }
    g_hash_table_remove(index, bucket->key);
}

void
lukshdrRegistryIndexAdd(GHashTable *index, lukshdrRegistryEntry *entry)
{
    g_autoptr(GPtrArray) keys = NULL;
    guint i;

    if (!entry->link)
        return;

    keys = lukshdrRegistryKeys(entry->link);
    entry->places = g_new0(lukshdrRegistryPlace, keys->len);
    entry->nplaces = keys->len;
    for (i = 0; i < keys->len; i++) {
        const char *key = g_ptr_array_index(keys, i);
        lukshdrRegistryPlace *place = &entry->places[i];

        place->link.data = entry;
        place->bucket = lukshdrRegistryBucketFind(index, key);
        g_queue_push_tail_link(&place->bucket->entries, &place->link);
    }
}

void
lukshdrRegistryIndexRemove(GHashTable *index, lukshdrRegistryEntry *entry)
{
    guint i;

    for (i = 0; i < entry->nplaces; i++) {
        lukshdrRegistryPlace *place = &entry->places[i];

        g_queue_unlink(&place->bucket->entries, &place->link);
        lukshdrRegistryBucketTidy(index, place->bucket);
    }
    g_clear_pointer(&entry->places, g_free);
    entry->nplaces = 0;
}

const GList *
lukshdrRegistryIndexFind(GHashTable *index, const char *key)
{
    const lukshdrRegistryBucket *bucket = g_hash_table_lookup(index, key);

    return bucket ? bucket->entries.head : NULL;
}
