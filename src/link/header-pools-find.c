/*
 * header-pools-find.c: is this in a header pool?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "header-pools-priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Device and inode of a directory.  A server that does not answer is not asked, where the kernel
 * knows: guests that have nothing to do with it must not wait for it. */
static bool
lukshdrHeaderPoolsExamine(const char *path, struct statx *stx)
{
    return statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_INO,
                 stx) == 0 &&
           S_ISDIR(stx->stx_mode);
}

static bool
lukshdrHeaderPoolsSameDir(const struct statx *a, const struct statx *b)
{
    return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major &&
           a->stx_dev_minor == b->stx_dev_minor;
}

/* Is @path, by its spelling, in the directory @target?  @dir is what stands at the latter, or NULL */
static bool
lukshdrHeaderPoolsIsIn(const char *path, const char *target, const struct statx *dir)
{
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *canonical = g_canonicalize_filename(parent, "/");
    g_autofree char *wanted = g_canonicalize_filename(target, "/");
    struct statx found;

    /* doubled slashes at the beginning are kept as special */
    if (g_str_equal(canonical + MAX(strspn(canonical, "/"), 1) - 1,
                    wanted + MAX(strspn(wanted, "/"), 1) - 1))
        return true;
    return dir && lukshdrHeaderPoolsExamine(parent, &found) &&
           lukshdrHeaderPoolsSameDir(&found, dir);
}

/* Can what @st says have another name in the directory @dir?  Hard links stay in their file system,
 * and names of block devices, symbolic links to each other, in /dev.  Other directories are not
 * listed: their server may not answer. */
static bool
lukshdrHeaderPoolsCanHold(const struct statx *dir, const struct stat *st)
{
    dev_t device = makedev(dir->stx_dev_major, dir->stx_dev_minor);
    struct stat dev;

    if (S_ISREG(st->st_mode))
        return st->st_nlink > 1 && st->st_dev == device;
    return S_ISBLK(st->st_mode) && stat("/dev", &dev) == 0 && dev.st_dev == device;
}

/* Is what @st says in the directory @target, under whatever name? */
static bool
lukshdrHeaderPoolsHolds(const char *target, const struct stat *st)
{
    DIR *dir = opendir(target);
    struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir))) {
        struct stat now;

        /* a regular file has its inode number in the directory; what leads elsewhere has not */
        if (S_ISREG(st->st_mode) && entry->d_type == DT_REG && entry->d_ino != st->st_ino)
            continue;
        if (fstatat(dirfd(dir), entry->d_name, &now, 0) < 0)
            continue;
        found = S_ISBLK(st->st_mode) ? S_ISBLK(now.st_mode) && now.st_rdev == st->st_rdev
                                     : now.st_dev == st->st_dev && now.st_ino == st->st_ino;
    }
    if (dir)
        closedir(dir);
    return found;
}

/* Is the block device of @st a partition of the one at @device? */
static bool
lukshdrHeaderPoolsIsPartition(const char *device, const struct stat *st)
{
    g_autofree char *file = g_strdup_printf("/sys/dev/block/%u:%u/../dev", major(st->st_rdev),
                                            minor(st->st_rdev));
    g_autofree char *number = NULL;
    g_autofree char *wanted = NULL;
    struct stat whole;

    if (!S_ISBLK(st->st_mode) || stat(device, &whole) < 0 || !S_ISBLK(whole.st_mode))
        return false;

    wanted = g_strdup_printf("%u:%u", major(whole.st_rdev), minor(whole.st_rdev));
    return g_file_get_contents(file, &number, NULL, NULL) &&
           g_str_equal(g_strchomp(number), wanted);
}

/* The file behind the block device of @st if it is a loop device or a partition of one */
static char *
lukshdrHeaderPoolsLoopFile(const struct stat *st)
{
    static const char *const places[] = { "loop", "../loop" };
    size_t i;

    for (i = 0; S_ISBLK(st->st_mode) && i < G_N_ELEMENTS(places); i++) {
        g_autofree char *file = g_strdup_printf("/sys/dev/block/%u:%u/%s/backing_file",
                                                major(st->st_rdev), minor(st->st_rdev), places[i]);
        char *path = NULL;

        if (g_file_get_contents(file, &path, NULL, NULL))
            return g_strchomp(path);
    }
    return NULL;
}

static bool
lukshdrHeaderPoolIsVolume(const lukshdrHeaderPool *pool,
                          const char *path,
                          const char *real,
                          const struct stat *st)
{
    struct statx dir;
    bool there;

    if (pool->remote)
        return false;
    if (pool->device)
        return st && lukshdrHeaderPoolsIsPartition(pool->device, st);

    there = lukshdrHeaderPoolsExamine(pool->target, &dir);
    if (lukshdrHeaderPoolsIsIn(path, pool->target, there ? &dir : NULL) ||
        (real && lukshdrHeaderPoolsIsIn(real, pool->target, there ? &dir : NULL)))
        return true;

    return there && st && lukshdrHeaderPoolsCanHold(&dir, st) &&
           lukshdrHeaderPoolsHolds(pool->target, st);
}

static char *
lukshdrHeaderPoolsFindIn(GPtrArray *known, const char *path, bool behind)
{
    char *real = realpath(path, NULL);
    g_autofree char *file = NULL;
    char *found = NULL;
    struct stat st;
    bool there = stat(path, &st) == 0;
    guint i;

    for (i = 0; i < known->len && !found; i++) {
        const lukshdrHeaderPool *pool = g_ptr_array_index(known, i);

        if (lukshdrHeaderPoolIsVolume(pool, path, real, there ? &st : NULL))
            found = g_strdup(pool->name);
    }
    free(real);

    if (!found && there && behind && (file = lukshdrHeaderPoolsLoopFile(&st)))
        return lukshdrHeaderPoolsFindIn(known, file, false);
    return found;
}

bool
lukshdrHeaderPoolsFind(lukshdrHeaderPools *pools, const char *path, char **pool, GError **error)
{
    g_autoptr(GPtrArray) known = lukshdrHeaderPoolsLoad(pools, error);

    *pool = known && known->len > 0 ? lukshdrHeaderPoolsFindIn(known, path, true) : NULL;
    return known != NULL;
}

static bool
lukshdrHeaderPoolsShareServer(const lukshdrRemote *a, const lukshdrRemote *b)
{
    size_t i;

    for (i = 0; a->servers[i]; i++) {
        if (g_strv_contains((const char *const *)b->servers, a->servers[i]))
            return true;
    }
    return !a->servers[0] || !b->servers[0];
}

bool
lukshdrHeaderPoolsFindRemote(lukshdrHeaderPools *pools,
                             const lukshdrRemote *remote,
                             char **pool,
                             GError **error)
{
    g_autoptr(GPtrArray) known = lukshdrHeaderPoolsLoad(pools, error);
    g_autofree char *where = g_path_get_dirname(remote->name);
    guint i;

    *pool = NULL;
    for (i = 0; known && i < known->len && !*pool; i++) {
        const lukshdrHeaderPool *candidate = g_ptr_array_index(known, i);

        if (candidate->remote && candidate->remote->kind == remote->kind &&
            g_str_equal(candidate->remote->name, where) &&
            lukshdrHeaderPoolsShareServer(candidate->remote, remote))
            *pool = g_strdup(candidate->name);
    }
    return known != NULL;
}

bool
lukshdrHeaderPoolsFindBelow(lukshdrHeaderPools *pools, const char *dir, char **pool, GError **error)
{
    g_autoptr(GPtrArray) known = lukshdrHeaderPoolsLoad(pools, error);
    struct statx found;
    guint i;

    *pool = NULL;
    if (!known)
        return false;
    if (!lukshdrHeaderPoolsExamine(dir, &found))
        return true;

    for (i = 0; i < known->len && !*pool; i++) {
        const lukshdrHeaderPool *candidate = g_ptr_array_index(known, i);
        g_autofree char *here = g_strdup(candidate->target);
        struct statx now;

        while (here && !*pool) {
            char *parent = g_path_get_dirname(here);

            if (lukshdrHeaderPoolsExamine(here, &now) && lukshdrHeaderPoolsSameDir(&now, &found))
                *pool = g_strdup(candidate->name);
            /* the root is its own parent */
            if (g_str_equal(parent, here))
                g_clear_pointer(&parent, g_free);
            g_free(here);
            here = parent;
        }
    }
    return true;
}

bool
lukshdrHeaderPoolsFindDefault(lukshdrHeaderPools *pools,
                              const char *path,
                              char **pool,
                              GError **error)
{
    g_autoptr(GPtrArray) givers = lukshdrHeaderPoolsLoadGivers(pools, error);
    guint i;

    *pool = NULL;
    for (i = 0; givers && i < givers->len && !*pool; i++) {
        const lukshdrHeaderPool *giver = g_ptr_array_index(givers, i);
        struct statx dir;

        if (giver->target &&
            lukshdrHeaderPoolsIsIn(path, giver->target,
                                   lukshdrHeaderPoolsExamine(giver->target, &dir) ? &dir : NULL))
            *pool = g_strdup(giver->name);
    }
    return givers != NULL;
}
