/*
 * vol-unlink.c: making two separate volumes of a linked one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a crash after each step leaves (lukshdrStorageStart goes on):
 *
 *   1 registry entry "unlinking"            a volume that nobody may open; completed
 *   2 labels removed                        as 1
 *   3 registry entry removed                two volumes
 *
 * After step 1 we look once more whether the volume is in use.  A crash before that look may leave
 * a volume in use in state "unlinking": lukshdrStorageRecover makes it active again.
 */

#include "config.h"

#include "vol-unlink.h"

#include <glib/gi18n-lib.h>

#include "util/error.h"
#include "util/log.h"
#include "busy.h"
#include "headers.h"
#include "recognise.h"
#include "use.h"

/* Steps 2 and 3 of unlinking */
static bool
lukshdrUnlinkRemove(lukshdrLink *link, GArray *headers, GError **error)
{
    g_autoptr(GPtrArray) sharers = lukshdrStorageHeadersSharers(link, error);
    g_autoptr(lukshdrLink) leaving = lukshdrLinkCopy(link);

    leaving->state = LUKSHDR_LINK_STATE_UNLINKING;
    return sharers && lukshdrStorageHeadersUnshare(headers, leaving, sharers, error) &&
           lukshdrRegistryRemove(lukshdrStorageState.registry, link->uuid, error);
}

bool
lukshdrStorageUnlinkFinish(lukshdrLink *link, virConnectPtr conn, GError **error)
{
    g_autoptr(GArray) headers = lukshdrStorageHeadersOpen(link, conn, error);

    return headers && lukshdrUnlinkRemove(link, headers, error);
}

/* Of what was wiped, nothing but the names are left.  Where libvirt cannot delete it, these are given up by
 * unlinking. */
static bool
lukshdrUnlinkIsOnlyWay(const lukshdrLink *link)
{
    const lukshdrVolume *vol;
    guint i;

    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        if (lukshdrVolumeLocation(vol) == LUKSHDR_LOCATION_ISCSI)
            return link->state == LUKSHDR_LINK_STATE_WIPED;
    }
    return false;
}

static bool
lukshdrUnlinkCheck(const lukshdrLink *link, const lukshdrVolumeXML *xml, GError **error)
{
    if (!link || g_strcmp0(link->header.pool, lukshdrVolumeXMLPrimary(xml)->pool) ||
        g_strcmp0(link->header.volume, lukshdrVolumeXMLPrimary(xml)->volume)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' is not linked to header '%s' of pool '%s'"), xml->name,
                    lukshdrVolumeXMLPrimary(xml)->volume, lukshdrVolumeXMLPrimary(xml)->pool);
        return false;
    }

    if (lukshdrStorageIsUnderWay(link) ||
        (link->state != LUKSHDR_LINK_STATE_ACTIVE && link->state != LUKSHDR_LINK_STATE_UNLINKING &&
         !lukshdrUnlinkIsOnlyWay(link))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("linked volume '%s' cannot be unlinked: its state is '%s'"), xml->name,
                    lukshdrLinkStateToString(link->state));
        return false;
    }
    return true;
}

virStorageVolPtr
lukshdrStorageUnlink(virStoragePoolPtr pool, lukshdrVolumeXML *xml, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    g_autoptr(virStorageVol) vol = state->stock.storageVolLookupByName(pool, xml->name);
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    g_autoptr(GArray) headers = NULL;
    lukshdrLink *link;

    if (!vol) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    /* a client that may delete a volume may also give up its header */
    if (!lukshdrStorageRecognise(vol, state->abi.virStorageVolDeleteEnsureACL, &what, error))
        return NULL;
    link = lukshdrStorageRecognisedPayload(&what);
    if (!lukshdrUnlinkCheck(link, xml, error) ||
        !(busy = lukshdrStorageBusyLink(link, LUKSHDR_STORAGE_BUSY_CHANGE, error)) ||
        !(headers = lukshdrStorageHeadersOpen(link, conn, error)) ||
        !lukshdrStorageHeadersLookup(headers, conn, state->abi.virStorageVolUploadEnsureACL,
                                     error) ||
        !lukshdrStorageClaim(link, LUKSHDR_LINK_STATE_UNLINKING, error) ||
        !lukshdrUnlinkRemove(link, headers, error))
        return NULL;
    return g_steal_pointer(&vol);
}
