/*
 * recognise.c: which volume of a link is this?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "recognise.h"

#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "link/header.h"
#include "util/error.h"
#include "util/text.h"

bool
lukshdrStorageFindByPath(virStorageVolPtr vol,
                         lukshdrLink **payload,
                         lukshdrLink **header,
                         GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autofree char *path = state->stock.storageVolGetPath(vol);

    *payload = NULL;
    *header = NULL;

    if (!path) {
        virResetLastError();
        return true;
    }

    return lukshdrRegistryFindPayload(state->registry, path, payload, error) &&
           (*payload || lukshdrRegistryFindHeader(state->registry, path, header, error));
}

bool
lukshdrStorageFindReplaced(virStorageVolPtr vol, lukshdrLink **header)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autofree char *path = state->stock.storageVolGetPath(vol);
    g_autoptr(virStoragePool) pool = path ? state->stock.storagePoolLookupByVolume(vol) : NULL;
    g_autoptr(lukshdrLink) link = NULL;
    const lukshdrVolume *copy;
    guint i;
    int fd;
    bool is;

    *header = NULL;
    virResetLastError();
    if (!pool ||
        !lukshdrRegistryLookup(state->registry, virStoragePoolGetName(pool),
                               virStorageVolGetName(vol), NULL, &link, NULL) ||
        !link || link->state != LUKSHDR_LINK_STATE_ACTIVE)
        return false;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        if (lukshdrTextSame(copy->path, path))
            break;
    }
    if (!copy || (fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) < 0)
        return false;

    is = lukshdrHeaderCheck(link, copy, fd, NULL, NULL);
    close(fd);
    *header = g_steal_pointer(&link);
    return !is;
}

void
lukshdrStorageSetHeaderInUse(const lukshdrLink *header, GError **error)
{
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%s' holds the LUKS header of volume '%s' in pool '%s', which could not "
                  "be opened any more"),
                header->header.volume, header->payload.volume, header->payload.pool);
}
