/*
 * vol-delete.c: vol-delete of a linked volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The steps, and what a crash after each leaves (lukshdrStorageStart goes on):
 *
 *   1 registry entry "deleting"        a volume that nobody may open; completed
 *   2 header volumes overwritten       as 1, the payload unreadable for ever
 *   3 header volumes deleted by stock  as 2
 *     (a generated secret removed        as 2; one that something else names stays)
 *   4 payload volume deleted by stock  as 2
 *   5 registry entry removed           nothing
 *
 * A client may ask for snapshots of images on a cluster to go as well.  That is recorded before step 1, and
 * stock removes them with their image in steps 3 and 4.
 *
 * Step 2 leaves the label of a header that is known by nothing else (headers.h), so that step 3 can be repeated.
 *
 * If other linked volumes share the header, steps 2 and 3 do not touch it: they only take the link
 * out of the label.
 *
 * All refusals come before step 1: for lack of rights, for what the volume is, and because it is in
 * use.  After step 1 we look again whether it is in use, since a guest may start meanwhile; if it
 * is, we undo step 1.  A crash before that leaves a volume in use in state "deleting".  So the next
 * start first looks whether the volume is in use and whole, and then makes it active again
 * (lukshdrStorageRecover). The payload goes last: while it exists, a client can name it and repeat
 * a deletion that failed.
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "link/handle.h"
#include "link/pool-state.h"
#include "link/decrypted.h"
#include "util/error.h"
#include "util/log.h"
#include "util/text.h"
#include "storage.h"
#include "busy.h"
#include "entry.h"
#include "events.h"
#include "headers.h"
#include "lookup.h"
#include "recognise.h"
#include "secrets.h"
#include "use.h"

/* What stock is told where it deletes volumes of @link on a cluster */
static unsigned int
lukshdrStorageDeleteFlags(const lukshdrLink *link)
{
    return link->withSnapshots ? VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS : 0;
}

static bool
lukshdrStorageDeleteVolume(const lukshdrVolume *where,
                           unsigned int flags,
                           virConnectPtr conn,
                           GError **error)
{
    g_autoptr(virStorageVol) vol = lukshdrStorageLookupVolume(where, conn, error);

    if (!vol)
        return false;

    if (lukshdrStorageState.stock.storageVolDelete(vol, where->remote ? flags : 0) < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }
    return true;
}

/* Returns 1 if the recorded payload is where it was recorded, 0 if nothing is there, or -1 with
 * @error set if something else is there or if the pool is not active: its volumes may then exist and
 * not be mounted. */
static int
lukshdrStoragePayloadIsThere(const lukshdrLink *link, virConnectPtr conn, GError **error)
{
    g_autoptr(virStoragePool) pool = NULL;
    g_autoptr(lukshdrHandle) handle = NULL;
    g_autoptr(GError) local = NULL;

    if (lukshdrVolumeLocation(&link->payload) == LUKSHDR_LOCATION_NONE)
        return 0;
    if (!(pool = lukshdrStorageOpenPool(conn, link->payload.pool, error)))
        return -1;

    if ((handle = lukshdrHandleOpen(&link->payload, LUKSHDR_HANDLE_READ, &local)))
        return 1;
    if (g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL))
        return 0;
    g_propagate_error(error, g_steal_pointer(&local));
    return -1;
}

/* Deletes the headers and their generated secret if @link is the last that needs them; otherwise
 * only takes @link out of the label. */
static bool
lukshdrStorageFinishHeaders(lukshdrLink *link, GArray *headers, GPtrArray *sharers, GError **error)
{
    if (sharers->len > 0)
        return lukshdrStorageHeadersUnshare(headers, link, sharers, error);

    return lukshdrStorageHeadersDelete(headers, lukshdrStorageDeleteFlags(link), error) &&
           (!link->secretGenerated || lukshdrStorageSecretRelease(link, false, error));
}

static bool
lukshdrStorageDeleteVolumes(lukshdrLink *link, virConnectPtr conn, GError **error)
{
    g_autoptr(GPtrArray) sharers = lukshdrStorageHeadersSharers(link, error);
    g_autoptr(GArray) headers = NULL;
    int payload;

    if (!sharers || (payload = lukshdrStoragePayloadIsThere(link, conn, error)) < 0 ||
        !(headers = lukshdrStorageHeadersOpen(link, LUKSHDR_HEADERS_ALL, conn, error)))
        return false;

    return (sharers->len > 0 || lukshdrStorageHeadersErase(headers, error)) &&
           lukshdrStorageCheckRemovable(link, link->withSnapshots, error) &&
           (sharers->len > 0 || lukshdrStorageHeadersLookup(headers, conn, NULL, error)) &&
           lukshdrStorageFinishHeaders(link, headers, sharers, error) &&
           (!payload || lukshdrStorageDeleteVolume(&link->payload, lukshdrStorageDeleteFlags(link),
                                                   conn, error)) &&
           lukshdrRegistryRemove(lukshdrStorageState.registry, link->uuid, error);
}

bool
lukshdrStorageDeleteFinish(lukshdrLink *link, virConnectPtr conn, GError **error)
{
    virIdentity *client = lukshdrStorageBecomeSystem();
    bool ok = lukshdrStorageDeleteVolumes(link, conn, error);

    lukshdrStorageBecomeClient(client);
    return ok;
}

/* Only images of a cluster have snapshots that stock can remove */
static bool
lukshdrStorageHasImages(const lukshdrLink *link)
{
    const lukshdrVolume *vol;
    guint i;

    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        if (lukshdrVolumeLocation(vol) == LUKSHDR_LOCATION_RBD)
            return true;
    }
    return false;
}

/* Opens the headers.  Of a volume that was wiped no key material is left: what cannot be told to be its header
 * any more stays, instead of keeping the rest for ever. */
static GArray *
lukshdrStorageDeleteOpen(const lukshdrLink *link, virConnectPtr conn, GError **error)
{
    bool wiped = link->state == LUKSHDR_LINK_STATE_WIPED;
    g_autoptr(GError) local = NULL;
    GArray *headers = lukshdrStorageHeadersOpen(
        link, wiped ? LUKSHDR_HEADERS_KNOWN : LUKSHDR_HEADERS_ALL, conn, &local);
    g_autofree char *command = headers ? NULL : lukshdrLinkForgetCommand(link, false);

    if (headers)
        return headers;

    g_set_error(
        error, local->domain, local->code,
        _("%s; or give up the link with \"%s\", after which the payload can be deleted alone"),
        local->message, command);
    return NULL;
}

/* Makes all refusals.  Sets @headers to the header volumes that exist; if none is left, there is no
 * key material to destroy. */
static bool
lukshdrStorageCheckDelete(lukshdrLink *link,
                          virStorageVolPtr vol,
                          GArray **headers,
                          unsigned int flags,
                          GError **error)
{
    virConnectPtr conn = virStorageVolGetConnect(vol);
    int (*ensure)(virConnectPtr, virStoragePoolDef *,
                  virStorageVolDef *) = lukshdrStorageState.abi.virStorageVolDeleteEnsureACL;

    if (flags &&
        (flags != VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS || !lukshdrStorageHasImages(link))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                    _("unsupported flags (0x%x) to delete a linked volume"), flags);
        return false;
    }

    if (lukshdrStorageIsUnderWay(link)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' is still being created"), link->payload.volume);
        return false;
    }

    return (*headers = lukshdrStorageDeleteOpen(link, conn, error)) &&
           lukshdrStorageHeadersLookup(*headers, conn, ensure, error) &&
           lukshdrStorageCheckRemovable(link, flags != 0, error);
}

/* A lukshdrStorageChange */
static bool
lukshdrStorageChangeSnapshots(lukshdrLink *link, void *opaque)
{
    const bool *withSnapshots = opaque;

    if (link->withSnapshots == *withSnapshots)
        return false;
    link->withSnapshots = *withSnapshots;
    return true;
}

static bool
lukshdrStorageDeleteLinked(lukshdrLink *link,
                           virStorageVolPtr vol,
                           GArray *headers,
                           unsigned int flags,
                           GError **error)
{
    g_autoptr(GPtrArray) sharers = NULL;
    g_autoptr(lukshdrLink) leaving = lukshdrLinkCopy(link);

    leaving->state = LUKSHDR_LINK_STATE_DELETING;
    leaving->withSnapshots = flags != 0;

    /* look who shares the header only after the claim: now nobody can begin to share it */
    if (!lukshdrStorageUpdate(link, lukshdrStorageChangeSnapshots, &leaving->withSnapshots,
                              error) ||
        !lukshdrStorageClaim(link, leaving->state, error) ||
        !(sharers = lukshdrStorageHeadersSharers(link, error)))
        return false;

    if (sharers->len == 0 && !lukshdrStorageHeadersErase(headers, error)) {
        g_prefix_error(error,
                       _("the key material of volume '%s' may be destroyed in part; delete "
                         "it again: "),
                       link->payload.volume);
        return false;
    }

    if (lukshdrStorageFinishHeaders(leaving, headers, sharers, error)) {
        if (lukshdrStorageState.stock.storageVolDelete(vol, link->payload.remote ? flags : 0) ==
            0) {
            if (lukshdrRegistryRemove(lukshdrStorageState.registry, link->uuid, error))
                return true;
            g_prefix_error(error,
                           _("volume '%s' has been deleted, but its link could not be removed; "
                             "refresh pool '%s': "),
                           link->payload.volume, link->payload.pool);
            return false;
        }
        lukshdrErrorFromLast(error);
    }

    g_prefix_error(error,
                   sharers->len > 0
                       ? _("not all of volume '%s' could be removed; delete it again: ")
                       : _("the key material of volume '%s' has been destroyed, but not all "
                           "of it could be removed; delete it again: "),
                   link->payload.volume);
    return false;
}

static bool
lukshdrStorageDeletePayload(lukshdrLink *link,
                            virStorageVolPtr vol,
                            unsigned int flags,
                            GError **error)
{
    g_autoptr(GArray) headers = NULL;

    return lukshdrStorageCheckDelete(link, vol, &headers, flags, error) &&
           lukshdrStorageDeleteLinked(link, vol, headers, flags, error);
}

/* Anybody who may write to the directory of a pool can put a link to a payload there, and whoever deletes the volume that
 * the pool then has means that link.  Stock removes it alone, and so do we. */
static bool
lukshdrStorageDeleteIsName(virStorageVolPtr vol, const lukshdrLink *link)
{
    g_autofree char *path = lukshdrStorageState.stock.storageVolGetPath(vol);

    if (!path || !lukshdrHandleIsOtherName(&link->payload, path))
        return false;
    LUKSHDR_LOG_INFO(_("'%s' is one more name of linked volume '%s' of pool '%s': the name is "
                       "deleted, the volume stays"),
                     path, link->payload.volume, link->payload.pool);
    return true;
}

static int
lukshdrStorageDeletePlain(virStorageVolPtr vol, unsigned int flags)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autofree char *path = state->stock.storageVolGetPath(vol);
    g_autoptr(GError) error = NULL;
    int rc = state->stock.storageVolDelete(vol, flags);

    if (rc == 0 && path && !lukshdrDecryptedForget(state->decryptedDir, path, &error))
        LUKSHDR_LOG_WARN("%s", error->message);
    return rc;
}

/* Says why @header, a copy of @link's header, is not deleted by itself.  If the payload's pool is active and the payload is
 * not there, nobody can delete that. */
static void
lukshdrStorageSetHolds(const lukshdrVolume *header, const lukshdrLink *link, GError **error)
{
    const lukshdrVolume *payload = &link->payload;
    g_autofree char *command = lukshdrLinkForgetCommand(link, false);

    if (lukshdrVolumeIsGone(payload) &&
        lukshdrPoolStateIsActive(lukshdrStorageState.privileged, payload->pool))
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("volume '%1$s' holds the LUKS header of volume '%2$s' in pool '%3$s', which is "
              "not there: if it was moved, put it back or link it again where it is now; if it "
              "is gone for good, give up the link with \"%4$s\", then delete '%1$s'"),
            header->volume, payload->volume, payload->pool, command);
    else
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' holds the LUKS header of volume '%s' in pool '%s'; "
                      "delete that volume, and its header is deleted with it"),
                    header->volume, payload->volume, payload->pool);
}

/* Says why @vol, the payload of @link whose file, image or device is not there, is not deleted.  Somebody may have moved it
 * away, or its disk may not be mounted, and then its header is all that opens it: nobody destroys that by the name of
 * something that cannot be looked at.  Deleting the name alone would keep the link, and say that all is gone. */
static void
lukshdrStorageSetGone(const lukshdrLink *link, GError **error)
{
    const lukshdrVolume *payload = &link->payload;
    g_autofree char *pool = lukshdrTextShellWord(payload->pool);
    g_autofree char *command = lukshdrLinkForgetCommand(link, false);

    if (lukshdrVolumeIsUnmounted(payload))
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("linked volume '%1$s' of pool '%2$s' is not there, and its directory is on another "
              "file system than it was: mount that, and refresh the pool (virsh pool-refresh "
              "%3$s); nothing was deleted"),
            payload->volume, payload->pool, pool);
    else if (link->state != LUKSHDR_LINK_STATE_ACTIVE && link->state != LUKSHDR_LINK_STATE_WIPED)
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("linked volume '%1$s' of pool '%2$s' is not there, and what was begun with it is "
              "not completed; \"virsh pool-refresh %3$s\" completes it; if it cannot, give up the "
              "link with \"%4$s\""),
            payload->volume, payload->pool, pool, command);
    else
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("linked volume '%1$s' of pool '%2$s' is not there, and its header may be all that "
              "opens it, so nothing was deleted; if it was moved: put it back, or refresh the "
              "pool where it is now and say \"virt-lukshdr link POOL/VOLUME\"; if it is gone for "
              "good, give up the link with \"%3$s\", which says what is left to delete"),
            payload->volume, payload->pool, command);
}

int
lukshdrStorageVolDelete(virStorageVolPtr vol, unsigned int flags)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
    const lukshdrStorage *state = &lukshdrStorageState;
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(lukshdrLink) lost = NULL;
    g_autoptr(GPtrArray) gone = NULL;
    g_autoptr(GError) error = NULL;

    if (!lukshdrStorageRecognise(vol, state->abi.virStorageVolDeleteEnsureACL, &what, &error)) {
        /* a volume that somebody made in the place of a lost header, and that is not the header */
        if (lukshdrStorageFindReplaced(vol, &header))
            return state->stock.storageVolDelete(vol, flags);
    } else if (lukshdrStorageBusyVolume(vol, lukshdrStorageRecognisedPayload(&what),
                                        LUKSHDR_STORAGE_BUSY_CHANGE, &busy, &error)) {
        switch (what.as) {
        case LUKSHDR_RECOGNISED_PLAIN:
            if (!(lost = lukshdrStorageFindGonePayload(vol)))
                return lukshdrStorageDeletePlain(vol, flags);
            if (lukshdrStorageMay(vol, state->abi.virStorageVolDeleteEnsureACL, &error))
                lukshdrStorageSetGone(lost, &error);
            break;
        case LUKSHDR_RECOGNISED_PAYLOAD:
            if (lukshdrStorageDeleteIsName(vol, what.link))
                return state->stock.storageVolDelete(vol, flags);
            gone = lukshdrStorageListGone(what.link);
            if (lukshdrStorageDeletePayload(what.link, vol, flags, &error)) {
                lukshdrStorageEventsHeaders(virStorageVolGetConnect(vol), what.link);
                g_clear_pointer(&busy, lukshdrStorageBusyEnd);
                lukshdrStorageRefreshPools(gone, virStorageVolGetConnect(vol));
                return 0;
            }
            break;
        case LUKSHDR_RECOGNISED_HEADER:
        case LUKSHDR_RECOGNISED_REPLICA:
            lukshdrStorageSetHolds(what.vol, what.link, &error);
            break;
        }
    }

    lukshdrReportError(error);
    return -1;
}
