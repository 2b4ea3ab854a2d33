/*
 * vol-unlink.c: making two separate volumes of a linked one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The way out of every state that a link can be in, also if one of its volumes is lost: nothing is overwritten but
 * labels, and whatever is left of the two is a volume like any other then.  virt-lukshdr calls that unlink where both
 * are there, and forget where something is lost.
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

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <unistd.h>

#include "link/handle.h"
#include "util/error.h"
#include "util/log.h"
#include "busy.h"
#include "headers.h"
#include "lookup.h"
#include "recognise.h"
#include "secrets.h"
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

/* Is there certainly no payload any more?  Then nobody can take what is in its place for the payload, by whatever
 * label. */
static bool
lukshdrUnlinkIsGone(const lukshdrLink *link, virConnectPtr conn)
{
    g_autoptr(virStoragePool) pool = lukshdrStorageOpenPool(conn, link->payload.pool, NULL);
    g_autoptr(lukshdrHandle) handle = NULL;
    g_autoptr(GError) error = NULL;

    virResetLastError();
    if (!pool)
        return false;
    handle = lukshdrHandleOpen(&link->payload, LUKSHDR_HANDLE_READ | LUKSHDR_HANDLE_ANY, &error);
    if (!handle)
        return g_error_matches(error, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL);
    /* a block device without a lasting name has another number after a boot */
    return handle->match == LUKSHDR_IDENTITY_DIFFERENT &&
           (handle->identity.type != LUKSHDR_IDENTITY_BLOCK ||
            (handle->identity.id[0] && link->payload.identity.id[0]));
}

/* The labels go of all headers that are there.  One that cannot be told to be the header keeps what it has; one that
 * cannot be reached does only if the payload has gone: its label would make the link again, while the payload is
 * used for something else. */
static GArray *
lukshdrUnlinkOpen(const lukshdrLink *link, virConnectPtr conn, GError **error)
{
    lukshdrHeadersWhich which = lukshdrUnlinkIsGone(link, conn) ? LUKSHDR_HEADERS_REACHABLE
                                                                : LUKSHDR_HEADERS_KNOWN;

    return lukshdrStorageHeadersOpen(link, which, conn, error);
}

bool
lukshdrStorageUnlinkFinish(lukshdrLink *link, virConnectPtr conn, GError **error)
{
    g_autoptr(GArray) headers = lukshdrUnlinkOpen(link, conn, error);

    return headers && lukshdrUnlinkRemove(link, headers, error);
}

static bool
lukshdrUnlinkHasHeader(const lukshdrLink *link, const lukshdrHeaderSource *header)
{
    return !header || (g_strcmp0(link->header.pool, header->pool) == 0 &&
                       g_strcmp0(link->header.volume, header->volume) == 0);
}

/* Refuses: the volume has another header, or none */
static void
lukshdrUnlinkSetOther(const lukshdrVolumeXML *xml, const char *pool, GError **error)
{
    const lukshdrHeaderSource *header = lukshdrVolumeXMLPrimary(xml);

    if (header)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' is not linked to header '%s' of pool '%s'"), xml->name,
                    header->volume, header->pool);
    else
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("this host knows no link of a volume '%s' of pool '%s'"), xml->name, pool);
}

/* Sets @link to the one that has a payload of that name and the header that @xml names, if it names one; or NULL */
static bool
lukshdrUnlinkByName(const char *pool,
                    const lukshdrVolumeXML *xml,
                    lukshdrLink **link,
                    GError **error)
{
    const lukshdrHeaderSource *header = lukshdrVolumeXMLPrimary(xml);
    g_autoptr(GPtrArray) links = lukshdrRegistryListPool(lukshdrStorageState.registry, pool, error);
    guint i;

    *link = NULL;
    for (i = 0; links && i < links->len; i++) {
        lukshdrLink *candidate = g_ptr_array_index(links, i);

        if (!g_str_equal(candidate->payload.pool, pool) ||
            !g_str_equal(candidate->payload.volume, xml->name) ||
            !lukshdrUnlinkHasHeader(candidate, header))
            continue;
        if (*link) {
            g_autofree char *one = lukshdrLinkForgetCommand(*link, true);
            g_autofree char *other = lukshdrLinkForgetCommand(candidate, true);

            g_clear_pointer(link, lukshdrLinkUnref);
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("two links have a payload '%s' in pool '%s'; say which is meant: \"%s\" "
                          "or \"%s\""),
                        xml->name, pool, one, other);
            return false;
        }
        *link = lukshdrLinkRef(candidate);
    }
    return links != NULL;
}

/* Finds the link that the client means, by what the payload is, or, since the payload may have gone, by the names of
 * both.  Returns the payload, which need not exist, with @link set, or NULL with @error set. */
static virStorageVolPtr
lukshdrUnlinkFind(virStoragePoolPtr pool,
                  const lukshdrVolumeXML *xml,
                  lukshdrLink **link,
                  GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    int (*ensure)(virConnectPtr, virStoragePoolDef *,
                  virStorageVolDef *) = state->abi.virStorageVolDeleteEnsureACL;
    g_autoptr(virStorageVol) vol = state->stock.storageVolLookupByName(pool, xml->name);
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(lukshdrLink) named = NULL;
    g_autoptr(GError) local = NULL;
    g_autofree char *where = NULL;

    /* a client that may delete a volume may also give up its header */
    if (!vol)
        lukshdrErrorFromLast(&local);
    else if (lukshdrStorageRecognise(vol, ensure, &what, &local) &&
             lukshdrStorageRecognisedPayload(&what)) {
        *link = lukshdrLinkRef(what.link);
        return g_steal_pointer(&vol);
    }

    if (!lukshdrUnlinkByName(virStoragePoolGetName(pool), xml, &named, error))
        return NULL;
    if (!named) {
        if (local && vol)
            g_propagate_error(error, g_steal_pointer(&local));
        else
            lukshdrUnlinkSetOther(xml, virStoragePoolGetName(pool), error);
        return NULL;
    }

    where = lukshdrVolumeWhere(&named->payload);
    if (!vol &&
        !(vol = state->abi.virGetStorageVol(virStoragePoolGetConnect(pool), named->payload.pool,
                                            named->payload.volume, where, NULL, NULL))) {
        lukshdrErrorFromLast(error);
        return NULL;
    }
    if (!lukshdrStorageMay(vol, ensure, error))
        return NULL;
    *link = g_steal_pointer(&named);
    return g_steal_pointer(&vol);
}

static bool
lukshdrUnlinkCheck(const lukshdrLink *link, const lukshdrVolumeXML *xml, GError **error)
{
    if (!lukshdrUnlinkHasHeader(link, lukshdrVolumeXMLPrimary(xml))) {
        lukshdrUnlinkSetOther(xml, link->payload.pool, error);
        return false;
    }

    if (lukshdrStorageIsUnderWay(link)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' is still being created"), link->payload.volume);
        return false;
    }
    return true;
}

/* A secret that was generated opens nothing any more if the key material has gone, or never was in use */
static bool
lukshdrUnlinkSecret(const lukshdrLink *link, GError **error)
{
    return !link->secretGenerated ||
           (link->state != LUKSHDR_LINK_STATE_WIPED &&
            link->state != LUKSHDR_LINK_STATE_CREATING) ||
           lukshdrStorageSecretRelease(link, false, error);
}

/* May the client delete volumes in all pools?  What cannot be read may be about any. */
static bool
lukshdrUnlinkMayAll(virConnectPtr conn, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virIdentity *client = lukshdrStorageBecomeSystem();
    virStoragePoolPtr *pools = NULL;
    int count = virConnectListAllStoragePools(conn, &pools, 0);
    bool ok = count >= 0;
    int i;

    if (!ok)
        lukshdrErrorFromLast(error);
    lukshdrStorageBecomeClient(client);

    for (i = 0; i < count; i++) {
        const char *name = virStoragePoolGetName(pools[i]);
        g_autoptr(virStorageVol)
            vol = ok ? state->abi.virGetStorageVol(conn, name, "any", "any", NULL, NULL) : NULL;

        if (ok && !vol)
            lukshdrErrorFromLast(error);
        ok = vol && lukshdrStorageMay(vol, state->abi.virStorageVolDeleteEnsureACL, error);
    }
    for (i = 0; i < count; i++)
        virStoragePoolFree(pools[i]);
    free(pools);
    return ok;
}

/* Removes an entry of the registry that cannot be believed.  Nothing else is touched: where the header has its
 * label, that makes the link anew. */
static virStorageVolPtr
lukshdrUnlinkDamaged(virStoragePoolPtr pool, const char *name, const char *uuid, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    g_autoptr(virStorageVol) vol = state->abi.virGetStorageVol(conn, virStoragePoolGetName(pool),
                                                               name, name, NULL, NULL);

    if (!vol) {
        lukshdrErrorFromLast(error);
        return NULL;
    }
    if (!lukshdrStorageMay(vol, state->abi.virStorageVolDeleteEnsureACL, error) ||
        (g_str_equal(name, uuid) && !lukshdrUnlinkMayAll(conn, error)) ||
        !lukshdrRegistryRemove(state->registry, uuid, error))
        return NULL;
    return g_steal_pointer(&vol);
}

virStorageVolPtr
lukshdrStorageUnlink(virStoragePoolPtr pool, lukshdrVolumeXML *xml, GError **error)
{
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    g_autofree char *damaged = lukshdrRegistryFindDamaged(lukshdrStorageState.registry,
                                                          virStoragePoolGetName(pool), xml->name);
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(virStorageVol) vol = NULL;
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    g_autoptr(GArray) headers = NULL;
    g_autoptr(GPtrArray) gone = NULL;

    if (damaged)
        return lukshdrUnlinkDamaged(pool, xml->name, damaged, error);

    if (!(vol = lukshdrUnlinkFind(pool, xml, &link, error)) ||
        !lukshdrUnlinkCheck(link, xml, error) ||
        !(busy = lukshdrStorageBusyLink(link, LUKSHDR_STORAGE_BUSY_CHANGE, error)) ||
        !(headers = lukshdrUnlinkOpen(link, conn, error)) ||
        !lukshdrStorageHeadersLookup(headers, conn,
                                     lukshdrStorageState.abi.virStorageVolUploadEnsureACL, error) ||
        !lukshdrStorageClaim(link, LUKSHDR_LINK_STATE_UNLINKING, error) ||
        !lukshdrUnlinkSecret(link, error) || !lukshdrUnlinkRemove(link, headers, error))
        return NULL;

    g_clear_pointer(&busy, lukshdrStorageBusyEnd);
    gone = lukshdrStorageListGone(link);
    lukshdrStorageRefreshPools(gone, conn);
    return g_steal_pointer(&vol);
}
