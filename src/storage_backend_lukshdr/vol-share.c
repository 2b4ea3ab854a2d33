/*
 * vol-share.c: a new payload on the header of another linked volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "vol-share.h"

#include <glib/gi18n-lib.h>

#include "util/error.h"
#include "util/text.h"
#include "link/header.h"
#include "entry.h"
#include "headers.h"
#include "lookup.h"
#include "util/log.h"

/* Does @xml name the replicas as vol-dumpxml shows them?  It may also name none. */
static bool
lukshdrStorageShareNamesReplicas(const lukshdrLink *owner, const lukshdrVolumeXML *xml)
{
    guint i;

    for (i = 1; i < xml->headers->len; i++) {
        const lukshdrHeaderSource *source = g_ptr_array_index(xml->headers, i);
        const lukshdrVolume *copy = lukshdrLinkHeaderCopy(owner, i);

        if (!copy || g_strcmp0(copy->pool, source->pool) || g_strcmp0(copy->volume, source->volume))
            return false;
    }
    return true;
}

static bool
lukshdrStorageShareCheck(const lukshdrLink *owner, const lukshdrVolumeXML *xml, GError **error)
{
    const lukshdrHeaderSource *primary = lukshdrVolumeXMLPrimary(xml);

    if (!owner || g_strcmp0(owner->header.pool, primary->pool) ||
        g_strcmp0(owner->header.volume, primary->volume)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' of pool '%s' is not the header of a linked volume, so it cannot "
                      "be shared"),
                    primary->volume, primary->pool);
        return false;
    }

    if (owner->state != LUKSHDR_LINK_STATE_ACTIVE) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("the header of linked volume '%s' cannot be shared: its state is '%s'"),
                    owner->payload.volume, lukshdrLinkStateToString(owner->state));
        return false;
    }

    if (xml->hasCipher || !lukshdrStorageShareNamesReplicas(owner, xml) || xml->secretUsage ||
        (xml->secretUUID && !lukshdrTextSameUUID(xml->secretUUID, owner->secretUUID))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("a shared header has its cipher, its secret '%s' and its replicas already; "
                      "leave <cipher>, <ivgen>, <secret> and further sources out"),
                    owner->secretUUID);
        return false;
    }
    return true;
}

/* May the client write to the volume?  Its label will name one more link, and then its owner can no
 * longer wipe it. */
static bool
lukshdrStorageShareMayWrite(virConnectPtr conn,
                            const char *pool,
                            const char *volume,
                            GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) in = lukshdrStorageOpenPool(conn, pool, error);
    g_autoptr(virStorageVol) vol = NULL;

    if (!in)
        return false;
    if (!(vol = state->stock.storageVolLookupByName(in, volume))) {
        lukshdrErrorFromLast(error);
        g_prefix_error(error, _("header '%s' of pool '%s' cannot be shared: "), volume, pool);
        return false;
    }
    return lukshdrStorageMay(vol, state->abi.virStorageVolUploadEnsureACL, error);
}

bool
lukshdrStorageShareBegin(lukshdrLink *link,
                         virConnectPtr conn,
                         const lukshdrVolumeXML *xml,
                         GError **error)
{
    const lukshdrHeaderSource *primary = lukshdrVolumeXMLPrimary(xml);
    g_autoptr(lukshdrLink) owner = NULL;
    g_autoptr(GArray) headers = NULL;
    guint i;

    if (!lukshdrStorageShareMayWrite(conn, primary->pool, primary->volume, error) ||
        !lukshdrRegistryLookup(lukshdrStorageState.registry, primary->pool, primary->volume, NULL,
                               &owner, error) ||
        !lukshdrStorageShareCheck(owner, xml, error))
        return false;

    for (i = 1; i <= owner->replicas->len; i++) {
        const lukshdrVolume *replica = lukshdrLinkHeaderCopy(owner, i);

        if (!lukshdrStorageShareMayWrite(conn, replica->pool, replica->volume, error))
            return false;
        lukshdrLinkAddReplica(link, replica->pool, replica->volume);
    }
    for (i = 0; i <= owner->replicas->len; i++)
        lukshdrVolumeSetPlace(lukshdrLinkHeaderCopy(link, i), lukshdrLinkHeaderCopy(owner, i));
    link->header.pool = g_strdup(owner->header.pool);
    link->header.volume = g_strdup(owner->header.volume);
    link->headerShared = true;
    link->luksUUID = g_strdup(owner->luksUUID);
    link->digest = g_strdup(owner->digest);
    link->generation = owner->generation;
    link->secretUUID = g_strdup(owner->secretUUID);
    link->secretGenerated = owner->secretGenerated;

    /* what cannot be written to is refused now: taking back half a volume would need the same header */
    return (headers = lukshdrStorageHeadersOpen(owner, LUKSHDR_HEADERS_ALL, conn, error));
}

/* Returns copies of the other links with this header, as they will be: shared.  Leaves out a link
 * that is not active: it is about to take the header away. */
static GPtrArray *
lukshdrStorageShareOthers(const lukshdrLink *link, GError **error)
{
    g_autoptr(GPtrArray) sharers = lukshdrStorageHeadersSharers(link, error);
    g_autoptr(GPtrArray) others = NULL;
    guint i;

    if (!sharers)
        return NULL;

    others = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    for (i = 0; i < sharers->len; i++) {
        lukshdrLink *other = lukshdrLinkCopy(g_ptr_array_index(sharers, i));

        other->headerShared = true;
        if (other->state == LUKSHDR_LINK_STATE_ACTIVE)
            g_ptr_array_add(others, other);
        else
            lukshdrLinkUnref(other);
    }

    if (others->len == 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("the linked volume that had header '%s' of pool '%s' is being deleted"),
                    link->header.volume, link->header.pool);
        return NULL;
    }
    return g_steal_pointer(&others);
}

bool
lukshdrStorageShare(lukshdrLink *link, virConnectPtr conn, GError **error)
{
    g_autoptr(GPtrArray) others = lukshdrStorageShareOthers(link, error);
    g_autoptr(GArray) headers = NULL;
    g_autoptr(lukshdrLink) label = lukshdrLinkCopy(link);
    guint i;

    if (!others || !(headers = lukshdrStorageHeadersOpen(link, LUKSHDR_HEADERS_ALL, conn, error)))
        return false;

    /* the header must be in order for the other links before one more link shares it */
    if (headers->len == 0 ||
        !lukshdrHeaderCheck(g_ptr_array_index(others, 0), &link->header,
                            g_array_index(headers, lukshdrHeaderVolume, 0).handle->fd, NULL,
                            error)) {
        if (headers->len == 0)
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("header volume '%s' of pool '%s' has gone"), link->header.volume,
                        link->header.pool);
        return false;
    }

    label->state = LUKSHDR_LINK_STATE_ACTIVE;
    if (!lukshdrStorageHeadersLabel(headers, label, others, error))
        return false;

    for (i = 0; i < others->len; i++) {
        if (!lukshdrStorageSetShared(g_ptr_array_index(others, i), true, error))
            return false;
    }
    return true;
}
