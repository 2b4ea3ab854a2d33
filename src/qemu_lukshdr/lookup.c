/*
 * lookup.c: whose is what a guest is about to get?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "lookup.h"

#include <glib/gi18n-lib.h>
#include <sys/stat.h>

#include "util/error.h"
#include "qemu.h"

bool
lukshdrQemuLookup(const char *path, lukshdrLink **link, GError **error)
{
    g_autoptr(lukshdrLink) header = NULL;
    g_autofree char *pool = NULL;

    if (!lukshdrRegistryFindPayload(lukshdrQemu.registry, path, link, error))
        return false;
    if (*link)
        return true;

    if (!lukshdrRegistryFindHeader(lukshdrQemu.registry, path, &header, error))
        return false;
    if (!header) {
        if (!lukshdrHeaderPoolsFind(lukshdrQemu.headerPools, path, &pool, error))
            return false;
        if (!pool)
            return true;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
                    _("'%s' is in pool '%s', which is declared to hold headers, and cannot be a "
                      "disk; move it to another pool if it is none, or link it with its payload"),
                    path, pool);
        return false;
    }

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
                _("'%s' is the header volume '%s' of pool '%s' and cannot be a disk; use its "
                  "linked volume '%s' of pool '%s'"),
                path, header->header.volume, header->header.pool, header->payload.volume,
                header->payload.pool);
    return false;
}

/* Is @path, of a link's payload or header, somewhere below the directory @found? */
static bool
lukshdrQemuLookupIsBelow(const char *path, const struct stat *found)
{
    g_autofree char *dir = path ? g_strdup(path) : NULL;

    while (dir && !g_str_equal(dir, "/") && !g_str_equal(dir, ".")) {
        char *parent = g_path_get_dirname(dir);
        struct stat now;

        g_free(dir);
        dir = parent;
        if (stat(dir, &now) == 0 && now.st_dev == found->st_dev && now.st_ino == found->st_ino)
            return true;
    }
    return false;
}

bool
lukshdrQemuLookupDirectory(virStorageSource *src, GError **error)
{
    g_autofree char *dir = lukshdrQemuSourceDirectory(src);
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GPtrArray) links = NULL;
    g_autofree char *pool = NULL;
    struct stat found;
    guint i;

    if (!dir || stat(dir, &found) < 0)
        return true;

    if (!lukshdrRegistryLoad(lukshdrQemu.registry, &damaged, error) ||
        !(links = lukshdrRegistryList(lukshdrQemu.registry, error)))
        return false;

    if (damaged->len > 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it is uncertain whether directory '%s' holds part of a linked volume: %s"),
                    dir, (const char *)g_ptr_array_index(damaged, 0));
        return false;
    }

    for (i = 0; i < links->len; i++) {
        const lukshdrLink *link = g_ptr_array_index(links, i);

        if (lukshdrQemuLookupIsBelow(link->payload.path, &found) ||
            lukshdrQemuLookupIsBelow(link->header.path, &found)) {
            g_set_error(
                error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
                _("directory '%s' cannot be a disk: header or payload of linked volume '%s' "
                  "of pool '%s' is in it"),
                dir, link->payload.volume, link->payload.pool);
            return false;
        }
    }

    if (!lukshdrHeaderPoolsFindBelow(lukshdrQemu.headerPools, dir, &pool, error))
        return false;
    if (pool) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
                    _("directory '%s' cannot be a disk: pool '%s', which is declared to hold "
                      "headers, is in it"),
                    dir, pool);
        return false;
    }
    return true;
}
