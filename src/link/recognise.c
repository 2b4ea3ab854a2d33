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
#include "remote-handle.h"

/* Sets @what to the copy of its link's header that @found is: by what it is, and where that does not settle
 * it (a file system without birth times, a header put back from a backup), by @path, which may be NULL */
static void
lukshdrRecogniseCopy(lukshdrRecognised *what, const lukshdrIdentity *found, const char *path)
{
    const lukshdrVolume *copy;
    guint which = 0;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(what->link, i)); i++) {
        if (lukshdrIdentityCompare(&copy->identity, found) == LUKSHDR_IDENTITY_SAME) {
            which = i;
            break;
        }
        if (path && g_strcmp0(copy->path, path) == 0)
            which = i;
    }
    what->as = which == 0 ? LUKSHDR_RECOGNISED_HEADER : LUKSHDR_RECOGNISED_REPLICA;
    what->vol = lukshdrLinkHeaderCopy(what->link, which);
}

bool
lukshdrRecognise(lukshdrRegistry *registry,
                 const char *path,
                 lukshdrRecognised *what,
                 GError **error)
{
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
        lukshdrIdentity found;

        (void)lukshdrIdentityFromPath(path, &found, NULL);
        lukshdrRecogniseCopy(what, &found, path);
    }
    return true;
}

bool
lukshdrRecogniseRemote(lukshdrRegistry *registry,
                       const lukshdrRemote *remote,
                       lukshdrRecognised *what,
                       GError **error)
{
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(lukshdrRemoteHandle) image = NULL;
    g_autoptr(GError) local = NULL;
    lukshdrIdentity found;
    bool has;

    *what = (lukshdrRecognised){ .as = LUKSHDR_RECOGNISED_PLAIN };

    if (!lukshdrRegistryHasRemote(registry, remote->kind, &has, error))
        return false;
    if (!has)
        return true;

    if (!(image = lukshdrRemoteHandleOpen(remote, NULL, false, &local))) {
        /* A target that is being started has its units one after the other: what is not there can come before
         * somebody opens it. */
        if (remote->kind == LUKSHDR_LOCATION_RBD &&
            g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL))
            return true;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it is uncertain whether image '%s' belongs to a linked volume: %s"),
                    remote->name, local->message);
        return false;
    }

    lukshdrRemoteHandleIdentity(image, &found);
    if (!lukshdrRegistryFindRemote(registry, remote, &found, lukshdrRemoteHandleKernelNames(image),
                                   &what->link, &header, error))
        return false;
    if (what->link) {
        what->as = LUKSHDR_RECOGNISED_PAYLOAD;
        what->vol = &what->link->payload;
    } else if (header) {
        what->link = g_steal_pointer(&header);
        lukshdrRecogniseCopy(what, &found, NULL);
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
