/*
 * header-pools.c: which pools are declared to hold headers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The files are the truth.  This file keeps in memory what they say and notices when they change;
 * what is in the pools is found out in header-pools-find.c.
 */

#include "config.h"

#include "header-pools-priv.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/file.h"
#include "util/xml.h"
#include "remote-xml.h"

#define LUKSHDR_HEADER_POOLS_SUFFIX ".xml"

/* of a UUID in text */
#define LUKSHDR_HEADER_POOLS_UUID_LEN 36

/* A directory as it was when it was read */
typedef struct _lukshdrHeaderPoolsDir lukshdrHeaderPoolsDir;
struct _lukshdrHeaderPoolsDir {
    char *path;
    bool exists;
    gint64 mtime;
    ino_t inode;
    gint64 read; /* when, ns; 0 for never */
};

enum {
    LUKSHDR_HEADER_POOLS_DECLARATIONS,
    LUKSHDR_HEADER_POOLS_CONFIGS,
    LUKSHDR_HEADER_POOLS_STATES,
    LUKSHDR_HEADER_POOLS_DIRS,
};

struct _lukshdrHeaderPools {
    /* protects all below; a leaf, held while files in the directories are read */
    GMutex lock;
    lukshdrHeaderPoolsDir dirs[LUKSHDR_HEADER_POOLS_DIRS];
    /* of lukshdrHeaderPool; replaced as a whole, so readers hold a reference */
    GPtrArray *pools;  /* those that hold headers */
    GPtrArray *givers; /* those with an encryption default */
};

/* A declaration: what is kept of a pool */
typedef struct _lukshdrHeaderPoolsDeclaration lukshdrHeaderPoolsDeclaration;
struct _lukshdrHeaderPoolsDeclaration {
    char *owner;
    xmlDoc *ours; /* NULL if nothing can be made of it */
    bool damaged;
};

static void
lukshdrHeaderPoolFree(lukshdrHeaderPool *pool)
{
    g_free(pool->name);
    g_free(pool->target);
    g_free(pool->device);
    lukshdrRemoteFree(pool->remote);
    g_free(pool);
}

static void
lukshdrHeaderPoolsDeclarationFree(lukshdrHeaderPoolsDeclaration *declaration)
{
    g_free(declaration->owner);
    xmlFreeDoc(declaration->ours);
    g_free(declaration);
}

/* Does the encryption default in @ours name pool @name? */
static bool
lukshdrHeaderPoolsNames(xmlDoc *ours, const char *name)
{
    xmlNode *encryption = lukshdrXMLChild(xmlDocGetRootElement(ours), LUKSHDR_XML_ENCRYPTION);
    xmlNode *header = lukshdrXMLChild(encryption, LUKSHDR_XML_HEADER);
    xmlNode *node;

    for (node = lukshdrXMLChild(header, NULL); node; node = lukshdrXMLNext(node, NULL)) {
        g_autofree char *pool = lukshdrXMLAttribute(node, LUKSHDR_XML_POOL);

        if (g_strcmp0(pool, name) == 0)
            return true;
    }
    return false;
}

bool
lukshdrHeaderPoolsDeclaredBy(xmlDoc *ours, const char *owner, const char *uuid, const char *name)
{
    return lukshdrHeaderPoolsNames(ours, name) ||
           (g_ascii_strcasecmp(owner, uuid) == 0 &&
            lukshdrXMLChild(xmlDocGetRootElement(ours), LUKSHDR_XML_HEADERS));
}

lukshdrHeaderPools *
lukshdrHeaderPoolsNew(const char *declarations, const char *configs, const char *states)
{
    lukshdrHeaderPools *pools = g_new0(lukshdrHeaderPools, 1);

    g_mutex_init(&pools->lock);
    pools->dirs[LUKSHDR_HEADER_POOLS_DECLARATIONS].path = g_strdup(declarations);
    pools->dirs[LUKSHDR_HEADER_POOLS_CONFIGS].path = g_strdup(configs);
    pools->dirs[LUKSHDR_HEADER_POOLS_STATES].path = g_strdup(states);
    pools->pools = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrHeaderPoolFree);
    pools->givers = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrHeaderPoolFree);
    return pools;
}

void
lukshdrHeaderPoolsFree(lukshdrHeaderPools *pools)
{
    size_t i;

    if (!pools)
        return;

    for (i = 0; i < LUKSHDR_HEADER_POOLS_DIRS; i++)
        g_free(pools->dirs[i].path);
    g_ptr_array_unref(pools->pools);
    g_ptr_array_unref(pools->givers);
    g_mutex_clear(&pools->lock);
    g_free(pools);
}

/* The names in @dir that end as those of XML files do; empty if there is no such directory, NULL with
 * @error set if it cannot be read. */
static GPtrArray *
lukshdrHeaderPoolsList(const char *dir, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) local = NULL;
    g_autoptr(GDir) entries = g_dir_open(dir, 0, &local);
    const char *name;

    if (!entries && !g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_SYSTEM_ERROR, local->message);
        return NULL;
    }
    while (entries && (name = g_dir_read_name(entries))) {
        if (g_str_has_suffix(name, LUKSHDR_HEADER_POOLS_SUFFIX))
            g_ptr_array_add(names, g_strdup(name));
    }
    return g_steal_pointer(&names);
}

static GPtrArray *
lukshdrHeaderPoolsReadDeclarations(const char *dir, GError **error)
{
    g_autoptr(GPtrArray) declarations = g_ptr_array_new_with_free_func(
        (GDestroyNotify)lukshdrHeaderPoolsDeclarationFree);
    g_autoptr(GPtrArray) names = lukshdrHeaderPoolsList(dir, error);
    guint i;

    for (i = 0; names && i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_autofree char *owner = g_strndup(name, LUKSHDR_HEADER_POOLS_UUID_LEN);
        lukshdrHeaderPoolsDeclaration *declaration;
        g_autofree char *text = NULL;

        /* temporary files of a write under way have longer names */
        if (strlen(name) != LUKSHDR_HEADER_POOLS_UUID_LEN + strlen(LUKSHDR_HEADER_POOLS_SUFFIX) ||
            !g_uuid_string_is_valid(owner))
            continue;

        declaration = g_new0(lukshdrHeaderPoolsDeclaration, 1);
        declaration->owner = g_steal_pointer(&owner);
        declaration->damaged = !lukshdrFileRead(path, &text, NULL);
        if (text)
            declaration->ours = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_POOL, NULL);
        if (!declaration->ours)
            declaration->damaged = g_file_test(path, G_FILE_TEST_EXISTS);
        g_ptr_array_add(declarations, declaration);
    }
    return names ? g_steal_pointer(&declarations) : NULL;
}

static bool
lukshdrHeaderPoolsAreDeclared(GPtrArray *declarations, const char *uuid, const char *name)
{
    guint i;

    for (i = 0; i < declarations->len; i++) {
        const lukshdrHeaderPoolsDeclaration *declaration = g_ptr_array_index(declarations, i);

        if ((declaration->ours &&
             lukshdrHeaderPoolsDeclaredBy(declaration->ours, declaration->owner, uuid, name)) ||
            (declaration->damaged && g_ascii_strcasecmp(declaration->owner, uuid) == 0))
            return true;
    }
    return false;
}

static char *
lukshdrHeaderPoolsText(xmlNode *parent, const char *name)
{
    xmlNode *node = parent ? lukshdrXMLChild(parent, name) : NULL;

    return node ? lukshdrXMLText(node) : NULL;
}

/* Returns the pool of a cluster that <source> names, or NULL */
static lukshdrRemote *
lukshdrHeaderPoolsRemote(xmlNode *source)
{
    g_autofree char *name = lukshdrHeaderPoolsText(source, LUKSHDR_XML_NAME);
    lukshdrRemote *remote;

    if (!name)
        return NULL;
    remote = g_new0(lukshdrRemote, 1);
    remote->kind = LUKSHDR_LOCATION_RBD;
    remote->name = g_steal_pointer(&name);
    remote->servers = lukshdrRemoteServers(source);
    return remote;
}

/* Does the pool have an encryption default?  One that is damaged gives nothing. */
static bool
lukshdrHeaderPoolsGives(GPtrArray *declarations, const char *uuid)
{
    guint i;

    for (i = 0; i < declarations->len; i++) {
        const lukshdrHeaderPoolsDeclaration *declaration = g_ptr_array_index(declarations, i);

        if (declaration->ours && g_ascii_strcasecmp(declaration->owner, uuid) == 0)
            return lukshdrXMLChild(xmlDocGetRootElement(declaration->ours),
                                   LUKSHDR_XML_ENCRYPTION) != NULL;
    }
    return false;
}

/* Adds the pool that @def defines to @pools, if its volumes can be recognised.  The types are those of
 * lukshdrPoolStateVolumePath, disk and rbd. */
static void
lukshdrHeaderPoolsAddTo(GPtrArray *pools, xmlNode *def, const char *name)
{
    static const char *const directories[] = { "dir", "fs", "netfs", "logical", NULL };
    g_autofree char *type = lukshdrXMLAttribute(def, LUKSHDR_XML_TYPE);
    xmlNode *source = lukshdrXMLChild(def, LUKSHDR_XML_SOURCE);
    xmlNode *device = source ? lukshdrXMLChild(source, LUKSHDR_XML_DEVICE) : NULL;
    lukshdrHeaderPool *pool = g_new0(lukshdrHeaderPool, 1);

    pool->name = g_strdup(name);
    if (!type)
        ;
    else if (g_strv_contains(directories, type))
        pool->target = lukshdrHeaderPoolsText(lukshdrXMLChild(def, LUKSHDR_XML_TARGET),
                                              LUKSHDR_XML_PATH);
    else if (g_str_equal(type, "disk") && device)
        pool->device = lukshdrXMLAttribute(device, LUKSHDR_XML_PATH);
    else if (g_str_equal(type, "rbd"))
        pool->remote = lukshdrHeaderPoolsRemote(source);

    if (pool->target || pool->device || pool->remote)
        g_ptr_array_add(pools, pool);
    else
        lukshdrHeaderPoolFree(pool);
}

/* What a reading of the files gives */
typedef struct _lukshdrHeaderPoolsFound lukshdrHeaderPoolsFound;
struct _lukshdrHeaderPoolsFound {
    GPtrArray *declarations;
    GPtrArray *pools;
    GPtrArray *givers;
};

static void
lukshdrHeaderPoolsAdd(lukshdrHeaderPoolsFound *found, xmlNode *def)
{
    g_autofree char *name = lukshdrHeaderPoolsText(def, LUKSHDR_XML_NAME);
    g_autofree char *uuid = lukshdrHeaderPoolsText(def, LUKSHDR_XML_UUID);

    if (!name)
        return;
    if (lukshdrHeaderPoolsAreDeclared(found->declarations, uuid ? uuid : "", name))
        lukshdrHeaderPoolsAddTo(found->pools, def, name);
    if (lukshdrHeaderPoolsGives(found->declarations, uuid ? uuid : ""))
        lukshdrHeaderPoolsAddTo(found->givers, def, name);
}

/* Of an active pool both its definition and its status file are read: they may differ. */
static bool
lukshdrHeaderPoolsReadPools(const char *dir, lukshdrHeaderPoolsFound *found, GError **error)
{
    g_autoptr(GPtrArray) names = lukshdrHeaderPoolsList(dir, error);
    guint i;

    for (i = 0; names && i < names->len; i++) {
        g_autofree char *path = g_build_filename(dir, g_ptr_array_index(names, i), NULL);
        g_autofree char *text = NULL;
        g_autoptr(xmlDoc) doc = NULL;
        xmlNode *root;
        gsize len;

        /* what libvirt cannot read is no pool for libvirt, either */
        if (!g_file_get_contents(path, &text, &len, NULL) ||
            !(doc = lukshdrXMLParse(text, len, NULL, NULL)))
            continue;

        root = xmlDocGetRootElement(doc);
        if (xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_POOL_STATE))
            root = lukshdrXMLChild(root, LUKSHDR_XML_POOL);
        if (root)
            lukshdrHeaderPoolsAdd(found, root);
    }
    return names != NULL;
}

/* Has @dir changed since it was read?  Every writer ends in a rename or an unlink, which stamp it. */
static bool
lukshdrHeaderPoolsDirChanged(const lukshdrHeaderPoolsDir *dir, const struct stat *now, bool exists)
{
    if (!dir->read || dir->exists != exists)
        return true;
    return exists && (dir->mtime != lukshdrFileTime(&now->st_mtim) || dir->inode != now->st_ino ||
                      lukshdrFileIsRacy(dir->mtime, dir->read));
}

/* Runs with the lock held */
static bool
lukshdrHeaderPoolsRead(lukshdrHeaderPools *pools, GError **error)
{
    lukshdrHeaderPoolsDir seen[LUKSHDR_HEADER_POOLS_DIRS] = { 0 };
    g_autoptr(GPtrArray) declared = NULL;
    g_autoptr(GPtrArray) holders = NULL;
    g_autoptr(GPtrArray) givers = NULL;
    lukshdrHeaderPoolsFound found;
    bool changed = false;
    size_t i;

    for (i = 0; i < LUKSHDR_HEADER_POOLS_DIRS; i++) {
        struct stat st = { 0 };

        seen[i].path = pools->dirs[i].path;
        seen[i].read = lukshdrFileNow();
        seen[i].exists = stat(seen[i].path, &st) == 0;
        if (!seen[i].exists && errno != ENOENT) {
            lukshdrErrorSetErrno(error, errno, _("Unable to examine '%s'"), seen[i].path);
            return false;
        }
        seen[i].mtime = lukshdrFileTime(&st.st_mtim);
        seen[i].inode = st.st_ino;
        if (lukshdrHeaderPoolsDirChanged(&pools->dirs[i], &st, seen[i].exists))
            changed = true;
    }
    if (!changed)
        return true;

    holders = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrHeaderPoolFree);
    givers = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrHeaderPoolFree);
    declared = lukshdrHeaderPoolsReadDeclarations(seen[LUKSHDR_HEADER_POOLS_DECLARATIONS].path,
                                                  error);
    if (!declared)
        return false;
    found = (lukshdrHeaderPoolsFound){ declared, holders, givers };
    /* without a declaration pools do not matter */
    if (declared->len > 0 &&
        (!lukshdrHeaderPoolsReadPools(seen[LUKSHDR_HEADER_POOLS_CONFIGS].path, &found, error) ||
         !lukshdrHeaderPoolsReadPools(seen[LUKSHDR_HEADER_POOLS_STATES].path, &found, error)))
        return false;

    memcpy(pools->dirs, seen, sizeof(seen));
    g_ptr_array_unref(pools->pools);
    pools->pools = g_steal_pointer(&holders);
    g_ptr_array_unref(pools->givers);
    pools->givers = g_steal_pointer(&givers);
    return true;
}

GPtrArray *
lukshdrHeaderPoolsLoad(lukshdrHeaderPools *pools, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&pools->lock);

    return lukshdrHeaderPoolsRead(pools, error) ? g_ptr_array_ref(pools->pools) : NULL;
}

GPtrArray *
lukshdrHeaderPoolsLoadGivers(lukshdrHeaderPools *pools, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&pools->lock);

    return lukshdrHeaderPoolsRead(pools, error) ? g_ptr_array_ref(pools->givers) : NULL;
}
