/*
 * lukshdrstoragevol.c: volumes that exist: what they show, what they refuse
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>

#include "lukshdrerror.h"
#include "lukshdrlog.h"
#include "lukshdrstorageheaders.h"
#include "lukshdrstoragexml.h"

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

virStoragePoolPtr
lukshdrStorageOpenPool(virConnectPtr conn, const char *name, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = state->stock.storagePoolLookupByName(conn, name);
    int active;

    if (!pool || (active = state->stock.storagePoolIsActive(pool)) < 0) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    if (!active) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("storage pool '%s', which holds the header volume, is not active; start it "
                      "with virsh pool-start"),
                    name);
        return NULL;
    }
    return g_steal_pointer(&pool);
}

char *
lukshdrStorageVolGetXMLDesc(virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) links = NULL;
    char *xml = lukshdrStorageState.stock.storageVolGetXMLDesc(vol, flags);
    char *shown = NULL;

    if (!xml)
        return NULL;

    if (!lukshdrStorageFindByPath(vol, &payload, &header, &error)) {
        /* what exists can be shown even if nobody knows what it is */
        LUKSHDR_LOG_WARN("%s", error->message);
        virResetLastError();
        return xml;
    }

    if (payload)
        shown = lukshdrVolumeXMLShowPayload(xml, payload);
    else if (header && (links = lukshdrStorageHeadersSharers(header, &error))) {
        g_ptr_array_insert(links, 0, lukshdrLinkRef(header));
        shown = lukshdrVolumeXMLShowHeader(xml, links);
    }
    if (!shown)
        return xml;

    free(xml);
    return shown;
}

void
lukshdrStorageSetHeaderInUse(const lukshdrLink *header, GError **error)
{
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%s' holds the LUKS header of volume '%s' in pool '%s', which could not "
                  "be opened any more"),
                header->header.volume, header->payload.volume, header->payload.pool);
}

/* Whether an operation that would leave a linked volume without its header may go on: true, or
 * false with a libvirt error. */
static bool
lukshdrStorageAllowOnHeader(virStorageVolPtr vol)
{
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;

    if (lukshdrStorageFindByPath(vol, &payload, &header, &error) && header)
        lukshdrStorageSetHeaderInUse(header, &error);
    if (!error)
        return true;

    lukshdrReportError(error);
    return false;
}

int
lukshdrStorageVolUpload(virStorageVolPtr vol,
                        virStreamPtr stream,
                        unsigned long long offset,
                        unsigned long long length,
                        unsigned int flags)
{
    if (!lukshdrStorageAllowOnHeader(vol))
        return -1;
    return lukshdrStorageState.stock.storageVolUpload(vol, stream, offset, length, flags);
}

int
lukshdrStorageVolResize(virStorageVolPtr vol, unsigned long long capacity, unsigned int flags)
{
    if (!lukshdrStorageAllowOnHeader(vol))
        return -1;
    return lukshdrStorageState.stock.storageVolResize(vol, capacity, flags);
}
