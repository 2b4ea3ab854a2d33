/*
 * lookup.c: does an image belong to a link, and may a guest have it?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "lookup.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/text.h"
#include "link/handle.h"

bool
lukshdrQemuLookupJudge(const lukshdrRecognised *found,
                       const char *where,
                       lukshdrLink **link,
                       GError **error)
{
    switch (found->as) {
    case LUKSHDR_RECOGNISED_PAYLOAD:
        *link = lukshdrLinkRef(found->link);
        return true;
    case LUKSHDR_RECOGNISED_HEADER:
    case LUKSHDR_RECOGNISED_REPLICA:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
                    _("'%s' is the header volume '%s' of pool '%s' and cannot be a disk; use its "
                      "linked volume '%s' of pool '%s'"),
                    where, found->vol->volume, found->vol->pool, found->link->payload.volume,
                    found->link->payload.pool);
        return false;
    case LUKSHDR_RECOGNISED_PLAIN:
        break;
    }
    return true;
}

/* @pool is the header pool that @where is in, or NULL */
static bool
lukshdrQemuLookupCheckHeaderPool(const char *where, const char *pool, GError **error)
{
    if (!pool)
        return true;
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
                _("'%s' is in pool '%s', which is declared to hold headers, and cannot be a "
                  "disk; move it to another pool if it is none, or link it with its payload"),
                where, pool);
    return false;
}

bool
lukshdrQemuLookupRemote(const lukshdrQemuHost *host,
                        const lukshdrRemote *remote,
                        lukshdrLink **link,
                        GError **error)
{
    g_autofree char *where = lukshdrRemoteDescribe(remote);
    g_auto(lukshdrRecognised) found = { 0 };
    g_autofree char *pool = NULL;

    *link = NULL;
    return lukshdrRecogniseRemote(host->registry, remote, &found, error) &&
           lukshdrQemuLookupJudge(&found, where, link, error) &&
           (*link || (lukshdrHeaderPoolsFindRemote(host->headerPools, remote, &pool, error) &&
                      lukshdrQemuLookupCheckHeaderPool(where, pool, error)));
}

bool
lukshdrQemuLookupRemoteNamed(const lukshdrLink *link,
                             const lukshdrRemote *remote,
                             const char *secret,
                             GError **error)
{
    g_autofree char *own = NULL;
    g_autofree char *given = NULL;

    if ((link->payload.remote && lukshdrRemoteIsOwnName(link->payload.remote, remote)) ||
        lukshdrTextSameUUID(secret, link->secretUUID))
        return true;

    own = link->payload.remote ? lukshdrRemoteKey(link->payload.remote) : g_strdup("");
    given = lukshdrRemoteKey(remote);
    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
        _("'%s' leads to linked volume '%s' of pool '%s' and is not its name: name the "
          "volume itself ('%s') or, if that is meant, its secret in the disk's 'encryption'"),
        given, link->payload.volume, link->payload.pool, own);
    return false;
}

bool
lukshdrQemuLookup(const lukshdrQemuHost *host, const char *path, lukshdrLink **link, GError **error)
{
    g_auto(lukshdrRecognised) found = { 0 };
    g_autofree char *pool = NULL;

    *link = NULL;

    if (!lukshdrRecognise(host->registry, path, &found, error) ||
        !lukshdrQemuLookupJudge(&found, path, link, error))
        return false;
    if (*link)
        return true;

    return lukshdrHeaderPoolsFind(host->headerPools, path, &pool, error) &&
           lukshdrQemuLookupCheckHeaderPool(path, pool, error);
}

/* Sets @other to the link whose payload should stand at @path by its own name, if that is not
 * @link */
static bool
lukshdrQemuLookupExchanged(const lukshdrQemuHost *host,
                           const lukshdrLink *link,
                           const char *path,
                           lukshdrLink **other,
                           GError **error)
{
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *dir = realpath(parent, NULL); /* malloc is GLib's allocator since 2.46 */
    g_autofree char *real = dir ? g_build_filename(dir, base, NULL) : NULL;
    const char *const paths[] = { path, real };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(paths) && paths[i]; i++) {
        g_autoptr(GPtrArray) links = lukshdrRegistryListAt(host->registry, paths[i], error);
        guint n;

        if (!links)
            return false;
        for (n = 0; n < links->len; n++) {
            lukshdrLink *candidate = g_ptr_array_index(links, n);

            if (g_str_equal(candidate->uuid, link->uuid) ||
                !lukshdrHandleIsOwnName(&candidate->payload, path))
                continue;
            *other = lukshdrLinkRef(candidate);
            return true;
        }
    }
    return true;
}

bool
lukshdrQemuLookupNamed(const lukshdrQemuHost *host,
                       const lukshdrLink *link,
                       const char *path,
                       const char *secret,
                       GError **error)
{
    g_autoptr(lukshdrLink) other = NULL;

    if (lukshdrHandleIsOwnName(&link->payload, path))
        return true;

    if (!lukshdrQemuLookupExchanged(host, link, path, &other, error))
        return false;
    if (other) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
            _("'%s' should be linked volume '%s' of pool '%s', but is now the payload of linked "
              "volume '%s' of pool '%s': the files were exchanged; put both back"),
            path, other->payload.volume, other->payload.pool, link->payload.volume,
            link->payload.pool);
        return false;
    }

    if (lukshdrTextSameUUID(secret, link->secretUUID))
        return true;

    if (lukshdrVolumeIsGone(&link->payload)) {
        g_autofree char *word = lukshdrTextShellWord(path);

        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
            _("'%1$s' was linked as volume '%2$s' of pool '%3$s', at '%4$s', and stands here "
              "now; if you moved it, refresh the pools and say: virt-lukshdr link %5$s"),
            path, link->payload.volume, link->payload.pool, link->payload.path, word);
        return false;
    }

    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
        _("'%s' leads to linked volume '%s' of pool '%s' and is not its name: name the "
          "volume itself ('%s') or, if that is meant, its secret in the disk's 'encryption'"),
        path, link->payload.volume, link->payload.pool,
        link->payload.path ? link->payload.path : "");
    return false;
}

/* Is the directory @path the directory @found, or somewhere below it? */
static bool
lukshdrQemuLookupIsBelow(const char *path, const struct stat *found)
{
    g_autofree char *dir = g_strdup(path);

    for (;;) {
        struct stat now;
        char *parent;

        if (stat(dir, &now) == 0 && now.st_dev == found->st_dev && now.st_ino == found->st_ino)
            return true;
        if (g_str_equal(dir, "/"))
            return false;
        parent = g_path_get_dirname(dir);
        g_free(dir);
        dir = parent;
    }
}

/* Says which volume is recorded in @holder, which is @dir or below it */
static bool
lukshdrQemuLookupSetHolds(const lukshdrQemuHost *host,
                          const char *dir,
                          const char *holder,
                          GError **error)
{
    g_autoptr(GPtrArray) links = lukshdrRegistryListIn(host->registry, holder, error);
    const lukshdrVolume *vol;
    const lukshdrLink *link;
    guint i;

    if (!links)
        return false;
    if (links->len == 0) /* it was deleted just now */
        return true;

    link = g_ptr_array_index(links, 0);
    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        g_autofree char *parent = vol->path ? g_path_get_dirname(vol->path) : NULL;

        if (g_strcmp0(parent, holder) == 0)
            break;
    }
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
                _("directory '%s' cannot be a disk: the %s of linked volume '%s' of pool "
                  "'%s' is in it"),
                dir, lukshdrRoleToString(lukshdrLinkRoleAt(i)), link->payload.volume,
                link->payload.pool);
    return false;
}

bool
lukshdrQemuLookupDirectory(const lukshdrQemuHost *host, const char *dir, GError **error)
{
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GPtrArray) holders = NULL;
    g_autofree char *pool = NULL;
    struct stat found;
    guint i;

    if (stat(dir, &found) < 0)
        return true;

    if (!lukshdrRegistryLoad(host->registry, &damaged, error) ||
        !(holders = lukshdrRegistryListDirectories(host->registry, error)))
        return false;

    if (damaged->len > 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it is uncertain whether directory '%s' holds part of a linked volume: %s"),
                    dir, (const char *)g_ptr_array_index(damaged, 0));
        return false;
    }

    for (i = 0; i < holders->len; i++) {
        const char *holder = g_ptr_array_index(holders, i);

        if (lukshdrQemuLookupIsBelow(holder, &found) &&
            !lukshdrQemuLookupSetHolds(host, dir, holder, error))
            return false;
    }

    if (!lukshdrHeaderPoolsFindBelow(host->headerPools, dir, &pool, error))
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
