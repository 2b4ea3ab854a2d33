/*
 * registry.c: the link registry, what this host knows of its links
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The files are the truth.  This file keeps them in memory, notices when they
 * change, and writes them; looking things up is in registry-find.c.
 */

#include "config.h"

#include "registry-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

#define LUKSHDR_REGISTRY_SUFFIX ".xml"

/* of a UUID in text */
#define LUKSHDR_REGISTRY_UUID_LEN 36

static void
lukshdrRegistryEntryFree(lukshdrRegistryEntry *entry)
{
    lukshdrLinkUnref(entry->link);
    g_free(entry->damage);
    g_free(entry);
}

typedef void (*lukshdrRegistryIndexFunc)(lukshdrRegistry *reg,
                                         const char *key,
                                         lukshdrRegistryEntry *entry);

static void
lukshdrRegistryIndexAdd(lukshdrRegistry *reg, const char *key, lukshdrRegistryEntry *entry)
{
    GPtrArray *bucket = g_hash_table_lookup(reg->byKey, key);

    if (!bucket) {
        bucket = g_ptr_array_new();
        g_hash_table_insert(reg->byKey, g_strdup(key), bucket);
    }
    /* once is enough, say for payload and header on block devices: each costs a look-up time */
    if (bucket->len == 0 || g_ptr_array_index(bucket, bucket->len - 1) != entry)
        g_ptr_array_add(bucket, entry);
}

static void
lukshdrRegistryIndexRemove(lukshdrRegistry *reg, const char *key, lukshdrRegistryEntry *entry)
{
    GPtrArray *bucket = g_hash_table_lookup(reg->byKey, key);

    if (bucket && g_ptr_array_remove_fast(bucket, entry) && bucket->len == 0)
        g_hash_table_remove(reg->byKey, key);
}

static void
lukshdrRegistryIndexVolume(lukshdrRegistry *reg,
                           lukshdrRegistryEntry *entry,
                           const lukshdrVolume *vol,
                           lukshdrRegistryIndexFunc func)
{
    g_autofree char *name = lukshdrRegistryKeyName(vol->pool, vol->volume);

    func(reg, name, entry);

    if (vol->path) {
        g_autofree char *path = lukshdrRegistryKeyPath(vol->path);

        func(reg, path, entry);
    }

    if (vol->identity.type == LUKSHDR_IDENTITY_FILE) {
        g_autofree char *inode = lukshdrRegistryKeyInode(vol->identity.inode);

        func(reg, inode, entry);
    } else if (vol->identity.type == LUKSHDR_IDENTITY_BLOCK) {
        func(reg, LUKSHDR_REGISTRY_KEY_BLOCK, entry);
    }
}

/* Puts @entry under all its keys, or takes it away from there: links do not change, so
 * what adds it now names the same keys as what removes it later. */
static void
lukshdrRegistryIndexEntry(lukshdrRegistry *reg,
                          lukshdrRegistryEntry *entry,
                          lukshdrRegistryIndexFunc func)
{
    const lukshdrVolume *vol;
    guint i;

    if (!entry->link)
        return;
    lukshdrRegistryIndexVolume(reg, entry, &entry->link->payload, func);
    for (i = 0; (vol = lukshdrLinkHeaderCopy(entry->link, i)); i++)
        lukshdrRegistryIndexVolume(reg, entry, vol, func);
}

/* What a damaged entry says is not believed, so it may be about any file */
static void
lukshdrRegistryFindUnknown(lukshdrRegistry *reg)
{
    GHashTableIter iter;
    lukshdrRegistryEntry *entry;

    reg->unknown = NULL;
    g_hash_table_iter_init(&iter, reg->entries);
    while (!reg->unknown && g_hash_table_iter_next(&iter, NULL, (void **)&entry)) {
        if (entry->damage)
            reg->unknown = entry;
    }
}

lukshdrRegistry *
lukshdrRegistryNew(const char *dir)
{
    lukshdrRegistry *reg = g_new0(lukshdrRegistry, 1);

    g_mutex_init(&reg->lock);
    reg->dir = g_strdup(dir);
    reg->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                         (GDestroyNotify)lukshdrRegistryEntryFree);
    reg->byKey = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                       (GDestroyNotify)g_ptr_array_unref);
    return reg;
}

void
lukshdrRegistryFree(lukshdrRegistry *reg)
{
    if (!reg)
        return;

    g_hash_table_unref(reg->byKey);
    g_hash_table_unref(reg->entries);
    g_mutex_clear(&reg->lock);
    g_free(reg->dir);
    g_free(reg);
}

/* A file is named by its link's UUID; a file with another link in it was put
 * there by hand and is as little to be believed as one with a wrong digest. */
static lukshdrRegistryEntry *
lukshdrRegistryReadEntry(const char *path, const char *uuid, const struct stat *st)
{
    lukshdrRegistryEntry *entry = g_new0(lukshdrRegistryEntry, 1);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    bool intact;

    entry->read = lukshdrFileNow();
    entry->mtime = lukshdrFileTime(&st->st_mtim);
    entry->inode = st->st_ino;
    entry->size = st->st_size;

    intact = lukshdrFileRead(path, &text, &error);
    if (text) {
        entry->link = lukshdrLinkParse(text, strlen(text), intact ? &error : NULL);
        if (intact && !entry->link)
            g_prefix_error(&error, _("'%s' is damaged: "), path);
    }

    if (intact && entry->link && !g_str_equal(entry->link->uuid, uuid)) {
        g_set_error(&error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' is damaged: it holds the link '%s'"), path, entry->link->uuid);
    }

    if (error)
        entry->damage = g_strdup(error->message);
    return entry;
}

static bool
lukshdrRegistryEntryCurrent(const lukshdrRegistryEntry *entry, const struct stat *st)
{
    return entry->mtime == lukshdrFileTime(&st->st_mtim) && entry->inode == st->st_ino &&
           entry->size == st->st_size && !lukshdrFileIsRacy(entry->mtime, entry->read);
}

/* @uuid's file has been looked at: what is known of it is now @entry, which is taken over */
static void
lukshdrRegistryReplace(lukshdrRegistry *reg, const char *uuid, lukshdrRegistryEntry *entry)
{
    lukshdrRegistryEntry *old = g_hash_table_lookup(reg->entries, uuid);

    if (old)
        lukshdrRegistryIndexEntry(reg, old, lukshdrRegistryIndexRemove);
    lukshdrRegistryIndexEntry(reg, entry, lukshdrRegistryIndexAdd);
    g_hash_table_replace(reg->entries, g_strdup(uuid), entry);
}

/* Sets @uuid to what the file @name is called by if it is a link's */
static bool
lukshdrRegistryNameToUUID(const char *name, char uuid[LUKSHDR_REGISTRY_UUID_LEN + 1])
{
    /* temporary files of a write under way, or of one that a crash ended, have longer names */
    if (strlen(name) != LUKSHDR_REGISTRY_UUID_LEN + strlen(LUKSHDR_REGISTRY_SUFFIX) ||
        !g_str_has_suffix(name, LUKSHDR_REGISTRY_SUFFIX))
        return false;

    memcpy(uuid, name, LUKSHDR_REGISTRY_UUID_LEN);
    uuid[LUKSHDR_REGISTRY_UUID_LEN] = '\0';
    return g_uuid_string_is_valid(uuid);
}

/* Looks at one name in the directory.  Returns false with errno set if that is not possible. */
static bool
lukshdrRegistryScanName(lukshdrRegistry *reg, DIR *dir, const char *name)
{
    char uuid[LUKSHDR_REGISTRY_UUID_LEN + 1];
    g_autofree char *path = NULL;
    lukshdrRegistryEntry *known;
    struct stat st;

    if (!lukshdrRegistryNameToUUID(name, uuid))
        return true;
    if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT;
    if (!S_ISREG(st.st_mode))
        return true;

    known = g_hash_table_lookup(reg->entries, uuid);
    if (!known || !lukshdrRegistryEntryCurrent(known, &st)) {
        path = g_build_filename(reg->dir, name, NULL);
        known = lukshdrRegistryReadEntry(path, uuid, &st);
        if (!known->link && access(path, F_OK) < 0 && errno == ENOENT) {
            /* removed since it was listed: gone, not damaged */
            lukshdrRegistryEntryFree(known);
            return true;
        }
        lukshdrRegistryReplace(reg, uuid, known);
    }
    known->scan = reg->scan;
    return true;
}

/* Reads what is new in the directory and forgets what is not there any more; what has not
 * changed costs an fstatat(2).  Called with the lock held. */
static bool
lukshdrRegistryScan(lukshdrRegistry *reg, DIR *dir, GError **error)
{
    GHashTableIter iter;
    lukshdrRegistryEntry *entry;
    struct dirent *ent;
    bool ok = true;

    reg->scan++;
    while (ok && (errno = 0, ent = readdir(dir)))
        ok = lukshdrRegistryScanName(reg, dir, ent->d_name);

    if (errno) {
        lukshdrErrorSetErrno(error, errno, _("Unable to read link registry '%s'"), reg->dir);
        /* what was not come to stays: better old than gone */
        lukshdrRegistryFindUnknown(reg);
        return false;
    }

    g_hash_table_iter_init(&iter, reg->entries);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&entry)) {
        if (entry->scan == reg->scan)
            continue;
        lukshdrRegistryIndexEntry(reg, entry, lukshdrRegistryIndexRemove);
        g_hash_table_iter_remove(&iter);
    }
    lukshdrRegistryFindUnknown(reg);
    return true;
}

bool
lukshdrRegistryLoadLocked(lukshdrRegistry *reg, GError **error)
{
    struct stat st;
    gint64 now = lukshdrFileNow();
    DIR *dir;
    bool ok;

    if (stat(reg->dir, &st) < 0) {
        if (errno != ENOENT) {
            lukshdrErrorSetErrno(error, errno, _("Unable to read link registry '%s'"), reg->dir);
            return false;
        }
        g_hash_table_remove_all(reg->entries);
        g_hash_table_remove_all(reg->byKey);
        reg->unknown = NULL;
        reg->loaded = 0;
        return true;
    }

    /* every write ends in a rename or an unlink, which stamp the directory */
    if (reg->loaded && reg->dirTime == lukshdrFileTime(&st.st_mtim) && reg->dirInode == st.st_ino &&
        !lukshdrFileIsRacy(reg->dirTime, reg->loaded))
        return true;

    if (!(dir = opendir(reg->dir))) {
        lukshdrErrorSetErrno(error, errno, _("Unable to read link registry '%s'"), reg->dir);
        return false;
    }
    ok = lukshdrRegistryScan(reg, dir, error);
    closedir(dir);

    if (ok) {
        reg->loaded = now;
        reg->dirTime = lukshdrFileTime(&st.st_mtim);
        reg->dirInode = st.st_ino;
    }
    return ok;
}

bool
lukshdrRegistryLoad(lukshdrRegistry *reg, GPtrArray **damaged, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&reg->lock);
    GHashTableIter iter;
    lukshdrRegistryEntry *entry;

    if (damaged)
        *damaged = NULL;

    /* whoever asks for damage wants to hear of files that were edited in place, too */
    if (damaged)
        reg->loaded = 0;

    if (!lukshdrRegistryLoadLocked(reg, error))
        return false;

    if (damaged) {
        *damaged = g_ptr_array_new_with_free_func(g_free);
        g_hash_table_iter_init(&iter, reg->entries);
        while (g_hash_table_iter_next(&iter, NULL, (void **)&entry)) {
            if (entry->damage)
                g_ptr_array_add(*damaged, g_strdup(entry->damage));
        }
    }
    return true;
}

static char *
lukshdrRegistryPath(lukshdrRegistry *reg, const char *uuid)
{
    g_autofree char *file = g_strconcat(uuid, LUKSHDR_REGISTRY_SUFFIX, NULL);

    return g_build_filename(reg->dir, file, NULL);
}

static bool
lukshdrRegistrySameVolume(const lukshdrVolume *a, const lukshdrVolume *b)
{
    return a && b && g_strcmp0(a->pool, b->pool) == 0 && g_strcmp0(a->volume, b->volume) == 0 &&
           g_strcmp0(a->path, b->path) == 0;
}

bool
lukshdrRegistryStore(lukshdrRegistry *reg, lukshdrLink *link, GError **error)
{
    g_autofree char *path = lukshdrRegistryPath(reg, link->uuid);
    g_autofree char *text = lukshdrLinkFormat(link);
    g_autoptr(lukshdrLink) again = lukshdrLinkParse(text, strlen(text), NULL);
    bool same = again && lukshdrRegistrySameVolume(&link->payload, &again->payload);
    guint i;

    for (i = 0; same && i <= link->replicas->len; i++)
        same = lukshdrRegistrySameVolume(lukshdrLinkHeaderCopy(link, i),
                                         lukshdrLinkHeaderCopy(again, i));

    /* control characters and what is not UTF-8 are allowed in names of files, not in XML */
    if (!same) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("link '%s' cannot be written as XML: a name or path in it has characters "
                      "that XML does not allow"),
                    link->uuid);
        return false;
    }

    return lukshdrFileWrite(path, text, error);
}

bool
lukshdrRegistryRemove(lukshdrRegistry *reg, const char *uuid, GError **error)
{
    g_autofree char *path = lukshdrRegistryPath(reg, uuid);

    return lukshdrFileRemove(path, error);
}

GPtrArray *
lukshdrRegistryList(lukshdrRegistry *reg, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&reg->lock);
    GPtrArray *links;
    GHashTableIter iter;
    lukshdrRegistryEntry *entry;

    if (!lukshdrRegistryLoadLocked(reg, error))
        return NULL;

    links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    g_hash_table_iter_init(&iter, reg->entries);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&entry)) {
        if (entry->link && !entry->damage)
            g_ptr_array_add(links, lukshdrLinkRef(entry->link));
    }
    return links;
}
