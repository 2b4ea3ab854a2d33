/*
 * recognise.c: which volume of a link is this?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "recognise.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "rbd.h"

/* Which copy of @link's header @path is: by what it is, and where that does not settle it (a file
 * system without birth times, a header put back from a backup), by where it is */
static guint
lukshdrRecogniseCopy(const lukshdrLink *link, const char *path)
{
    const lukshdrVolume *copy;
    lukshdrIdentity found;
    guint byPath = 0;
    guint i;

    (void)lukshdrIdentityFromPath(path, &found, NULL);
    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        if (lukshdrIdentityCompare(&copy->identity, &found) == LUKSHDR_IDENTITY_SAME)
            return i;
        if (g_strcmp0(copy->path, path) == 0)
            byPath = i;
    }
    return byPath;
}

bool
lukshdrRecognise(lukshdrRegistry *registry,
                 const char *path,
                 lukshdrRecognised *what,
                 GError **error)
{
    guint i;

    *what = (lukshdrRecognised){ .as = LUKSHDR_RECOGNISED_PLAIN };

    if (!g_path_is_absolute(path))
        return true;

    if (!lukshdrRegistryFindPayload(registry, path, &what->link, error))
        return false;
    if (what->link) {
        what->as = LUKSHDR_RECOGNISED_PAYLOAD;
        what->vol = &what->link->payload;
        return true;
    }

    if (!lukshdrRegistryFindHeader(registry, path, &what->link, error))
        return false;
    if (what->link) {
        i = lukshdrRecogniseCopy(what->link, path);
        what->as = i == 0 ? LUKSHDR_RECOGNISED_HEADER : LUKSHDR_RECOGNISED_REPLICA;
        what->vol = lukshdrLinkHeaderCopy(what->link, i);
    }
    return true;
}

bool
lukshdrRecogniseRemote(lukshdrRegistry *registry,
                       const lukshdrRemote *remote,
                       lukshdrRecognised *what,
                       GError **error)
{
    g_autoptr(lukshdrRBD) rbd = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) local = NULL;
    lukshdrIdentity found;
    bool has;

    *what = (lukshdrRecognised){ .as = LUKSHDR_RECOGNISED_PLAIN };

    if (!lukshdrRegistryHasRemote(registry, &has, error))
        return false;
    if (!has || remote->kind != LUKSHDR_LOCATION_RBD)
        return true;

    if (!(rbd = lukshdrRBDOpen(remote, NULL, &local))) {
        if (g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL))
            return true;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it is uncertain whether image '%s' belongs to a linked volume: %s"),
                    remote->name, local->message);
        return false;
    }

    lukshdrRBDIdentity(rbd, &found);
    if (!lukshdrRegistryFindRemote(registry, remote, &found, &what->link, &header, error))
        return false;
    if (what->link) {
        what->as = LUKSHDR_RECOGNISED_PAYLOAD;
        what->vol = &what->link->payload;
    } else if (header) {
        guint i = 0;

        what->link = g_steal_pointer(&header);
        while (lukshdrLinkHeaderCopy(what->link, i + 1) &&
               lukshdrIdentityCompare(&lukshdrLinkHeaderCopy(what->link, i)->identity, &found) !=
                   LUKSHDR_IDENTITY_SAME)
            i++;
        what->as = i == 0 ? LUKSHDR_RECOGNISED_HEADER : LUKSHDR_RECOGNISED_REPLICA;
        what->vol = lukshdrLinkHeaderCopy(what->link, i);
    }
    return true;
}

bool
lukshdrRecogniseVolume(lukshdrRegistry *registry,
                       const lukshdrVolume *vol,
                       lukshdrRecognised *what,
                       GError **error)
{
    if (vol->remote)
        return lukshdrRecogniseRemote(registry, vol->remote, what, error);
    return lukshdrRecognise(registry, vol->path ? vol->path : "", what, error);
}

void
lukshdrRecognisedClear(lukshdrRecognised *what)
{
    g_clear_pointer(&what->link, lukshdrLinkUnref);
    *what = (lukshdrRecognised){ .as = LUKSHDR_RECOGNISED_PLAIN };
}
