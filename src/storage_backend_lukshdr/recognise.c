/*
 * recognise.c: which volume of a link is this?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "recognise.h"
#include "remote.h"

#include <glib/gi18n-lib.h>

#include "link/handle.h"
#include "link/header.h"
#include "util/error.h"
#include "util/log.h"
#include "lookup.h"
#include "moved.h"

/* Returns the path that stock has for @vol.  If @pool is not NULL, sets it to the name of the
 * pool. */
static char *
lukshdrStorageFindPath(virStorageVolPtr vol, char **pool, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autofree char *path = state->stock.storageVolGetPath(vol);
    g_autoptr(virStoragePool) found = path && pool ? state->stock.storagePoolLookupByVolume(vol)
                                                   : NULL;

    if (found)
        *pool = g_strdup(virStoragePoolGetName(found));
    else if (!path || pool)
        lukshdrErrorFromLast(error);
    return g_steal_pointer(&path);
}

/* Recognises @vol by its path.  If its pool has no host paths, asks the cluster instead, but only
 * if any registered link has a volume in a cluster. */
static bool
lukshdrStorageRecognisePlace(virStorageVolPtr vol,
                             const char *path,
                             lukshdrRecognised *what,
                             GError **error)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    g_autoptr(lukshdrRemote) remote = NULL;
    bool has;

    if (g_path_is_absolute(path))
        return lukshdrRecognise(registry, path, what, error);

    return lukshdrRegistryHasRemote(registry, LUKSHDR_LOCATION_NONE, &has, error) &&
           (!has || (lukshdrStorageRemoteOfVolume(vol, &remote, error) &&
                     (!remote || lukshdrRecogniseRemote(registry, remote, what, error))));
}

bool
lukshdrStorageRecognise(virStorageVolPtr vol,
                        lukshdrStorageEnsureACL ensure,
                        lukshdrRecognised *what,
                        GError **error)
{
    g_autoptr(GError) uncertain = NULL;
    g_autofree char *path = lukshdrStorageFindPath(vol, NULL, error);

    *what = (lukshdrRecognised){ .as = LUKSHDR_RECOGNISED_PLAIN };
    if (!path)
        return false;

    (void)lukshdrStorageRecognisePlace(vol, path, what, &uncertain);
    if (!uncertain && what->as == LUKSHDR_RECOGNISED_PLAIN) {
        /* its pool may just have been moved */
        if (!g_path_is_absolute(path) || !lukshdrStorageFollowVolume(vol, path))
            return true;
        (void)lukshdrStorageRecognisePlace(vol, path, what, &uncertain);
    }

    if (ensure && !lukshdrStorageMay(vol, ensure, error))
        return false;
    if (uncertain) {
        g_propagate_error(error, g_steal_pointer(&uncertain));
        return false;
    }
    return true;
}

lukshdrLink *
lukshdrStorageRecognisedPayload(const lukshdrRecognised *what)
{
    return what->as == LUKSHDR_RECOGNISED_PAYLOAD ? what->link : NULL;
}

virStorageVolPtr
lukshdrStorageFindLinked(virStoragePoolPtr pool,
                         const char *name,
                         lukshdrStorageEnsureACL ensure,
                         lukshdrRecognised *what,
                         GError **error)
{
    g_autoptr(virStorageVol) vol = lukshdrStorageState.stock.storageVolLookupByName(pool, name);
    const lukshdrLink *link;

    *what = (lukshdrRecognised){ .as = LUKSHDR_RECOGNISED_PLAIN };
    if (!vol) {
        lukshdrErrorFromLast(error);
        return NULL;
    }
    if (!lukshdrStorageMay(vol, ensure, error) || !lukshdrStorageRecognise(vol, NULL, what, error))
        return NULL;

    link = lukshdrStorageRecognisedPayload(what);
    if (link && link->state == LUKSHDR_LINK_STATE_ACTIVE)
        return g_steal_pointer(&vol);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%s' of pool '%s' is not linked, or not in order; virt-lukshdr list says "
                  "what it is"),
                name, virStoragePoolGetName(pool));
    return NULL;
}

bool
lukshdrStorageFindReplaced(virStorageVolPtr vol, lukshdrLink **header)
{
    g_autofree char *pool = NULL;
    g_autofree char *path = lukshdrStorageFindPath(vol, &pool, NULL);
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(lukshdrHandle) handle = NULL;
    g_auto(lukshdrVolume) where = { 0 };
    const lukshdrVolume *copy;

    *header = NULL;
    if (!pool ||
        !lukshdrRegistryLookup(lukshdrStorageState.registry, pool, virStorageVolGetName(vol), NULL,
                               &link, NULL) ||
        !link || link->state != LUKSHDR_LINK_STATE_ACTIVE)
        return false;

    if (!lukshdrStoragePlace(vol, &where, NULL) ||
        !(copy = lukshdrLinkHeaderCopyAt(link, &where)) ||
        !(handle = lukshdrHandleOpen(copy, LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER, NULL)))
        return false;

    *header = lukshdrLinkRef(link);
    return !lukshdrHeaderCheck(link, copy, handle->fd, NULL, NULL);
}

lukshdrLink *
lukshdrStorageFindReplacedPayload(virStorageVolPtr vol)
{
    g_auto(lukshdrVolume) where = { 0 };
    g_autoptr(GPtrArray) links = NULL;
    g_autofree char *path = NULL;
    guint i;

    if (!lukshdrStoragePlace(vol, &where, NULL))
        return NULL;
    path = lukshdrVolumeWhere(&where);
    links = lukshdrRegistryListAt(lukshdrStorageState.registry, path, NULL);

    for (i = 0; links && i < links->len; i++) {
        lukshdrLink *link = g_ptr_array_index(links, i);
        g_autoptr(lukshdrHandle) handle = NULL;
        lukshdrIdentity now;

        if (!lukshdrVolumeIsSamePlace(&link->payload, &where))
            continue;
        handle = lukshdrHandleOpen(&link->payload, LUKSHDR_HANDLE_READ | LUKSHDR_HANDLE_ANY, NULL);
        if (handle
                ? handle->match == LUKSHDR_IDENTITY_DIFFERENT
                /* a symbolic link, which whoever moved the file has left */
                : link->payload.path && lukshdrIdentityFromPath(link->payload.path, &now, NULL) &&
                      lukshdrIdentityCompare(&link->payload.identity, &now) ==
                          LUKSHDR_IDENTITY_DIFFERENT)
            return lukshdrLinkRef(link);
    }
    return NULL;
}

lukshdrLink *
lukshdrStorageFindGonePayload(virStorageVolPtr vol)
{
    g_auto(lukshdrVolume) where = { 0 };
    g_autoptr(GPtrArray) links = NULL;
    g_autofree char *path = NULL;
    guint i;

    /* an image that is plain by its identity, where a payload is recorded, is no other image: that would be uncertain */
    if (!lukshdrStoragePlace(vol, &where, NULL) || (where.path && !lukshdrVolumeIsGone(&where)))
        return NULL;
    path = lukshdrVolumeWhere(&where);
    links = lukshdrRegistryListAt(lukshdrStorageState.registry, path, NULL);

    for (i = 0; links && i < links->len; i++) {
        lukshdrLink *link = g_ptr_array_index(links, i);

        if (lukshdrVolumeIsSamePlace(&link->payload, &where))
            return lukshdrLinkRef(link);
    }
    return NULL;
}

void
lukshdrStorageSetHeaderInUse(const lukshdrLink *header, GError **error)
{
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%s' holds the LUKS header of volume '%s' in pool '%s', which could not "
                  "be opened any more"),
                header->header.volume, header->payload.volume, header->payload.pool);
}
