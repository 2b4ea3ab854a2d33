/*
 * registry.c: the link registry, what this host knows of its links
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The files are the truth.  This file keeps them in memory, reads again those that have changed, and
 * writes them: what it writes itself it learns of like everybody, so there is one way only.  By what
 * they are found is in registry-index.c, and looking things up in registry-find.c.
 */

#include "config.h"

#include "registry-priv.h"

#include <dirent.h>
#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

#define LUKSHDR_REGISTRY_SUFFIX ".xml"

/* how often a directory is looked at again that changes all the time */
#define LUKSHDR_REGISTRY_TRIES 3

/* of a UUID in text */
#define LUKSHDR_REGISTRY_UUID_LEN 36

static void
lukshdrRegistryEntryFree(lukshdrRegistryEntry *entry)
{
    g_free(entry->uuid);
    lukshdrLinkUnref(entry->link);
    g_free(entry->damage);
    g_free(entry->places);
    g_free(entry);
}

lukshdrRegistry *
lukshdrRegistryNew(const char *dir)
{
    lukshdrRegistry *reg = g_new0(lukshdrRegistry, 1);

    g_mutex_init(&reg->lock);
    reg->dir = g_strdup(dir);
    reg->watch = lukshdrDirWatchNew(dir);
    reg->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    reg->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                         (GDestroyNotify)lukshdrRegistryEntryFree);
    reg->damaged = g_hash_table_new(NULL, NULL);
    reg->index = lukshdrRegistryIndexNew();
    return reg;
}

void
lukshdrRegistryFree(lukshdrRegistry *reg)
{
    if (!reg)
        return;

    lukshdrDirWatchFree(reg->watch);
    g_hash_table_unref(reg->names);
    g_hash_table_unref(reg->index);
    g_hash_table_unref(reg->damaged);
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

    entry->uuid = g_strdup(uuid);
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

/* There is no link @uuid any more */
static void
lukshdrRegistryForget(lukshdrRegistry *reg, const char *uuid)
{
    lukshdrRegistryEntry *entry = g_hash_table_lookup(reg->entries, uuid);

    if (!entry)
        return;
    lukshdrRegistryIndexRemove(reg->index, entry);
    g_hash_table_remove(reg->damaged, entry);
    g_hash_table_remove(reg->entries, uuid);
}

/* A file has been looked at: what is known of it is now @entry, which is taken over */
static void
lukshdrRegistryReplace(lukshdrRegistry *reg, lukshdrRegistryEntry *entry)
{
    lukshdrRegistryForget(reg, entry->uuid);
    lukshdrRegistryIndexAdd(reg->index, entry);
    if (entry->damage)
        g_hash_table_add(reg->damaged, entry);
    g_hash_table_insert(reg->entries, entry->uuid, entry);
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

/* Looks at one name in the directory; @told if an event told that the file has changed.  Returns
 * false with errno set if that is not possible. */
static bool
lukshdrRegistryLookAt(lukshdrRegistry *reg, const char *name, bool told)
{
    char uuid[LUKSHDR_REGISTRY_UUID_LEN + 1];
    g_autofree char *path = NULL;
    lukshdrRegistryEntry *known;
    struct stat st;
    bool gone;

    if (!lukshdrRegistryNameToUUID(name, uuid))
        return true;

    path = g_build_filename(reg->dir, name, NULL);
    gone = lstat(path, &st) < 0;
    if (gone && errno != ENOENT)
        return false;
    if (gone || !S_ISREG(st.st_mode)) {
        lukshdrRegistryForget(reg, uuid);
        return true;
    }

    known = g_hash_table_lookup(reg->entries, uuid);
    if (told || !known || !lukshdrRegistryEntryCurrent(known, &st)) {
        known = lukshdrRegistryReadEntry(path, uuid, &st);
        if (!known->link && access(path, F_OK) < 0 && errno == ENOENT) {
            /* removed since it was listed: gone, not damaged */
            lukshdrRegistryEntryFree(known);
            lukshdrRegistryForget(reg, uuid);
            return true;
        }
        lukshdrRegistryReplace(reg, known);
    }
    known->scan = reg->scan;
    return true;
}

/* Reads what is new in the directory and forgets what is not there any more; what has not
 * changed costs an lstat(2).  Returns false with errno set. */
static bool
lukshdrRegistryScan(lukshdrRegistry *reg)
{
    DIR *dir = opendir(reg->dir);
    GHashTableIter iter;
    lukshdrRegistryEntry *entry;
    struct dirent *ent;
    bool ok = true;
    int saved;

    if (!dir)
        return false;

    reg->scan++;
    while (ok && (errno = 0, ent = readdir(dir)))
        ok = lukshdrRegistryLookAt(reg, ent->d_name, false);
    saved = errno;
    closedir(dir);
    if (saved) {
        /* what was not come to stays: better old than gone */
        errno = saved;
        return false;
    }

    g_hash_table_iter_init(&iter, reg->entries);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&entry)) {
        if (entry->scan == reg->scan)
            continue;
        lukshdrRegistryIndexRemove(reg->index, entry);
        g_hash_table_remove(reg->damaged, entry);
        g_hash_table_iter_remove(&iter);
    }
    return true;
}

/* Looks at what may have changed, as @verdict says.  Returns false with errno set. */
static bool
lukshdrRegistryFollow(lukshdrRegistry *reg, lukshdrDirWatchVerdict verdict)
{
    const lukshdrRegistryEntry *entry;
    GHashTableIter iter;
    gpointer name;

    switch (verdict) {
    case LUKSHDR_DIR_WATCH_FAILED:
        return false;
    case LUKSHDR_DIR_WATCH_MISSING:
        g_hash_table_remove_all(reg->index);
        g_hash_table_remove_all(reg->damaged);
        g_hash_table_remove_all(reg->entries);
        return true;
    case LUKSHDR_DIR_WATCH_ALL:
        if (!lukshdrRegistryScan(reg))
            return false;
        break;
    case LUKSHDR_DIR_WATCH_SAME:
    case LUKSHDR_DIR_WATCH_SOME:
        break;
    }

    g_hash_table_iter_init(&iter, reg->names);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (!lukshdrRegistryLookAt(reg, name, true))
            return false;
    }

    /* what could not be read, for want of a descriptor, say, is tried again */
    g_hash_table_remove_all(reg->names);
    g_hash_table_iter_init(&iter, reg->damaged);
    while (g_hash_table_iter_next(&iter, (void **)&entry, NULL)) {
        if (!entry->link)
            g_hash_table_add(reg->names, g_strconcat(entry->uuid, LUKSHDR_REGISTRY_SUFFIX, NULL));
    }
    return true;
}

bool
lukshdrRegistryLoadLocked(lukshdrRegistry *reg, GError **error)
{
    lukshdrDirWatchVerdict verdict;
    unsigned int tries = 0;
    bool ok;

    do {
        verdict = lukshdrDirWatchNext(reg->watch, reg->names);
        ok = lukshdrRegistryFollow(reg, verdict);
        if (!ok) {
            lukshdrErrorSetErrno(error, errno, _("Unable to read link registry '%s'"), reg->dir);
            lukshdrDirWatchForget(reg->watch);
        }
        /* readdir(3) may miss a file that is replaced meanwhile, and then there are events */
    } while (ok && verdict == LUKSHDR_DIR_WATCH_ALL && lukshdrDirWatchFollows(reg->watch) &&
             tries++ < LUKSHDR_REGISTRY_TRIES);
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

    /* a caller that asks for damage wants to hear of files that were edited in place, too */
    if (damaged && !lukshdrDirWatchFollows(reg->watch))
        lukshdrDirWatchForget(reg->watch);

    if (!lukshdrRegistryLoadLocked(reg, error))
        return false;

    if (damaged) {
        *damaged = g_ptr_array_new_with_free_func(g_free);
        g_hash_table_iter_init(&iter, reg->damaged);
        while (g_hash_table_iter_next(&iter, (void **)&entry, NULL))
            g_ptr_array_add(*damaged, g_strdup(entry->damage));
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
           g_strcmp0(a->path, b->path) == 0 && !a->remote == !b->remote &&
           (!a->remote || lukshdrRemoteIsOwnName(a->remote, b->remote));
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
