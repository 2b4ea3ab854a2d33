/*
 * recognise.c: which volume of a link is this?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "recognise.h"

#include <string.h>

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

void
lukshdrRecognisedClear(lukshdrRecognised *what)
{
    g_clear_pointer(&what->link, lukshdrLinkUnref);
    *what = (lukshdrRecognised){ .as = LUKSHDR_RECOGNISED_PLAIN };
}
