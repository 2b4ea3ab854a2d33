/*
 * vol-wipe.c: vol-wipe of a linked volume, a cryptographic erase
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The steps, and what a crash after each leaves (lukshdrStorageStart goes on):
 *
 *   1 registry entry "wiping"          a volume that nobody may open; completed
 *   2 header volumes overwritten       as 1, the payload unreadable for ever
 *   3 header volumes wiped as asked    as 2; the algorithm is not repeated
 *   4 registry entry "wiped"           a volume that can only be deleted
 *
 * All refusals come before step 1: for lack of rights, for what the volume is, and because it is in
 * use.  After step 1 we look again whether it is in use, since a guest may start meanwhile; if it
 * is, we undo step 1.  A crash before that leaves a volume in use in state "wiping".  So the next
 * start first looks whether the volume is in use and whole, and then makes it active again
 * (lukshdrStorageRecover).
 */

#include "config.h"

/* for VIR_STORAGE_VOL_WIPE_ALG_LAST */
#define VIR_ENUM_SENTINELS

#include <glib/gi18n-lib.h>

#include "util/error.h"
#include "util/log.h"
#include "storage.h"
#include "busy.h"
#include "entry.h"
#include "headers.h"
#include "recognise.h"
#include "use.h"

bool
lukshdrStorageWipeFinish(lukshdrLink *link, virConnectPtr conn, GError **error)
{
    g_autoptr(GArray) headers = lukshdrStorageHeadersOpen(link, LUKSHDR_HEADERS_ALL, conn, error);

    return headers && lukshdrStorageHeadersErase(headers, error) &&
           lukshdrStorageSetState(link, LUKSHDR_LINK_STATE_WIPED, error);
}

/* Refuses to wipe a shared header: without its key material the other volumes would be lost,
 * too. */
static bool
lukshdrStorageCheckAlone(const lukshdrLink *link, GError **error)
{
    g_autoptr(GPtrArray) sharers = lukshdrStorageHeadersSharers(link, error);
    const lukshdrLink *other;

    if (!sharers)
        return false;
    if (sharers->len == 0)
        return true;

    other = g_ptr_array_index(sharers, 0);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%s' shares its header with volume '%s' of pool '%s', which could not be "
                  "opened any more; delete the others first, or give this one up with vol-delete"),
                link->payload.volume, other->payload.volume, other->payload.pool);
    return false;
}

/* Makes all refusals; sets @headers to the header volumes. */
static bool
lukshdrStorageCheckWipe(lukshdrLink *link,
                        virStorageVolPtr vol,
                        GArray **headers,
                        unsigned int algorithm,
                        unsigned int flags,
                        GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virConnectPtr conn = virStorageVolGetConnect(vol);
    g_autofree char *path = state->stock.storageVolGetPath(vol);

    if (flags || algorithm >= VIR_STORAGE_VOL_WIPE_ALG_LAST) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                    _("unsupported flags (0x%x) or algorithm (%u) to wipe a linked volume"), flags,
                    algorithm);
        return false;
    }

    if (lukshdrStorageIsUnderWay(link)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' is still being created"), link->payload.volume);
        return false;
    }

    /* whoever may write to the directory of a pool can put a link to a payload there */
    if (path && lukshdrHandleIsOtherName(&link->payload, path)) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("'%1$s' is one more name of linked volume '%2$s' of pool '%3$s'; to wipe that, name "
              "it; to be rid of the name, delete it, which keeps the volume"),
            path, link->payload.volume, link->payload.pool);
        return false;
    }

    if (!lukshdrStorageCheckAlone(link, error) ||
        !(*headers = lukshdrStorageHeadersOpen(link, LUKSHDR_HEADERS_ALL, conn, error)) ||
        !lukshdrStorageHeadersLookup(*headers, conn, state->abi.virStorageVolWipePatternEnsureACL,
                                     error))
        return false;

    if (!lukshdrStorageHeadersCanWipe(*headers, algorithm, error) ||
        !lukshdrStorageCheckErasable(link, error))
        return false;
    if ((*headers)->len > 0)
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("header volume '%s' of pool '%s' has gone, there is nothing to wipe"),
                link->header.volume, link->header.pool);
    return false;
}

static bool
lukshdrStorageWipeLinked(lukshdrLink *link, GArray *headers, unsigned int algorithm, GError **error)
{
    /* a thread that begins to share the header either sees the state that we store now, or has
     * stored its link before, and then we see that */
    if (!lukshdrStorageClaim(link, LUKSHDR_LINK_STATE_WIPING, error))
        return false;
    if (!lukshdrStorageCheckAlone(link, error)) {
        (void)lukshdrStorageSetState(link, link->state, NULL);
        return false;
    }
    if (!lukshdrStorageHeadersErase(headers, error))
        return false;

    if (!lukshdrStorageHeadersWipe(headers, algorithm, error)) {
        g_prefix_error(error, _("the key material of volume '%s' has been destroyed, but: "),
                       link->payload.volume);
        return false;
    }
    return lukshdrStorageSetState(link, LUKSHDR_LINK_STATE_WIPED, error);
}

static bool
lukshdrStorageWipePayload(lukshdrLink *link,
                          virStorageVolPtr vol,
                          unsigned int algorithm,
                          unsigned int flags,
                          GError **error)
{
    g_autoptr(GArray) headers = NULL;

    return lukshdrStorageCheckWipe(link, vol, &headers, algorithm, flags, error) &&
           lukshdrStorageWipeLinked(link, headers, algorithm, error);
}

int
lukshdrStorageVolWipePattern(virStorageVolPtr vol, unsigned int algorithm, unsigned int flags)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
    const lukshdrStorage *state = &lukshdrStorageState;
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    g_autoptr(GError) error = NULL;

    if (lukshdrStorageRecognise(vol, state->abi.virStorageVolWipePatternEnsureACL, &what, &error) &&
        lukshdrStorageBusyVolume(vol, lukshdrStorageRecognisedPayload(&what),
                                 LUKSHDR_STORAGE_BUSY_CHANGE, &busy, &error)) {
        switch (what.as) {
        case LUKSHDR_RECOGNISED_PLAIN:
            return state->stock.storageVolWipePattern(vol, algorithm, flags);
        case LUKSHDR_RECOGNISED_PAYLOAD:
            if (lukshdrStorageWipePayload(what.link, vol, algorithm, flags, &error))
                return 0;
            break;
        case LUKSHDR_RECOGNISED_HEADER:
        case LUKSHDR_RECOGNISED_REPLICA:
            lukshdrStorageSetHeaderInUse(what.link, &error);
            break;
        }
    }

    lukshdrReportError(error);
    return -1;
}

int
lukshdrStorageVolWipe(virStorageVolPtr vol, unsigned int flags)
{
    return lukshdrStorageVolWipePattern(vol, VIR_STORAGE_VOL_WIPE_ALG_ZERO, flags);
}
