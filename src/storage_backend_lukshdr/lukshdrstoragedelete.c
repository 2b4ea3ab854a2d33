/*
 * lukshdrstoragedelete.c: vol-delete of a linked volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The steps, and what a crash after each leaves (lukshdrStorageStart goes on):
 *
 *   1 registry entry "deleting"        a volume that nobody may open; completed
 *   2 header volume overwritten        as 1, the payload unreadable for ever
 *   3 payload volume deleted by stock  as 2
 *   4 header volume deleted by stock   as 2
 *     (a generated secret removed        as 2)
 *   5 registry entry removed           nothing
 *
 * All that can be refused is refused before step 1.
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "lukshdrerror.h"
#include "lukshdrlog.h"
#include "lukshdrluks.h"
#include "lukshdrstorage.h"
#include "lukshdrstorageparts.h"

/* As lukshdrStoragePayloadIsThere says of @payload and lukshdrStorageOpenHeader of @header.
 * A path that is empty because its pool is not mounted is not "nothing there". */
static bool
lukshdrStorageExamine(const lukshdrLink *link,
                      virConnectPtr conn,
                      int *payload,
                      int *header,
                      int *fd,
                      GError **error)
{
    g_autoptr(virStoragePool) payloadPool = NULL;
    g_autoptr(virStoragePool) headerPool = NULL;

    *payload = 0;
    *header = 0;

    if (link->payload.path &&
        (!(payloadPool = lukshdrStorageOpenPool(conn, link->payload.pool, error)) ||
         (*payload = lukshdrStoragePayloadIsThere(link, error)) < 0))
        return false;

    return !link->header.path ||
           ((headerPool = lukshdrStorageOpenPool(conn, link->header.pool, error)) &&
            (*header = lukshdrStorageOpenHeader(link, fd, error)) >= 0);
}

static bool
lukshdrStorageDeletePart(const lukshdrLinkVolume *part, virConnectPtr conn, GError **error)
{
    g_autoptr(virStorageVol) vol = lukshdrStorageLookupPart(part, conn, error);

    if (!vol)
        return false;

    if (lukshdrStorageState.stock.storageVolDelete(vol, 0) < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }
    return true;
}

bool
lukshdrStorageDeleteFinish(lukshdrLink *link, virConnectPtr conn, GError **error)
{
    virIdentity *client = lukshdrStorageBecomeSystem();
    int fd = -1;
    int payload;
    int header;
    bool ok = lukshdrStorageExamine(link, conn, &payload, &header, &fd, error) &&
              (!header || lukshdrLuksErase(fd, error)) &&
              (!payload || lukshdrStorageDeletePart(&link->payload, conn, error)) &&
              (!header || lukshdrStorageDeletePart(&link->header, conn, error)) &&
              (!link->secretGenerated || lukshdrStorageSecretRemove(link->secretUUID, error)) &&
              lukshdrRegistryRemove(lukshdrStorageState.registry, link->uuid, error);

    if (fd >= 0)
        close(fd);
    lukshdrStorageBecomeClient(client);
    return ok;
}

/* All refusals.  @headerVol and @fd are set to the header volume, or to NULL and -1 if it
 * has gone already, in which case there is no key material left to destroy. */
static bool
lukshdrStorageCheckDelete(lukshdrLink *link,
                          virStorageVolPtr vol,
                          virStorageVolPtr *headerVol,
                          int *fd,
                          unsigned int flags,
                          GError **error)
{
    g_autoptr(virStoragePool) headerPool = NULL;
    int (*ensure)(virConnectPtr, virStoragePoolDef *,
                  virStorageVolDef *) = lukshdrStorageState.abi.virStorageVolDeleteEnsureACL;

    if (flags) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                    _("unsupported flags (0x%x) to delete a linked volume"), flags);
        return false;
    }

    if (lukshdrStorageIsUnderWay(link)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' is still being created"), link->payload.volume);
        return false;
    }

    if (!lukshdrStorageMay(vol, ensure, error) ||
        !(headerPool = lukshdrStorageOpenPool(virStorageVolGetConnect(vol), link->header.pool,
                                              error)))
        return false;

    switch (lukshdrStorageOpenHeader(link, fd, error)) {
    case 0:
        LUKSHDR_LOG_WARN(_("Header volume '%s' of pool '%s' has gone, deleting its payload '%s'"),
                         link->header.volume, link->header.pool, link->payload.volume);
        return true;
    case 1:
        break;
    default:
        return false;
    }

    return (*headerVol = lukshdrStorageLookupPart(&link->header, virStorageVolGetConnect(vol),
                                                  error)) &&
           lukshdrStorageMay(*headerVol, ensure, error);
}

static bool
lukshdrStorageDeleteLinked(lukshdrLink *link,
                           virStorageVolPtr vol,
                           virStorageVolPtr headerVol,
                           int fd,
                           GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;

    if (!lukshdrStorageClaim(link, LUKSHDR_LINK_STATE_DELETING, fd, error))
        return false;

    if (headerVol && !lukshdrLuksErase(fd, error)) {
        g_prefix_error(error,
                       _("the key material of volume '%s' may be destroyed in part; delete "
                         "it again: "),
                       link->payload.volume);
        return false;
    }

    if (state->stock.storageVolDelete(vol, 0) < 0 ||
        (headerVol && state->stock.storageVolDelete(headerVol, 0) < 0)) {
        lukshdrErrorFromLast(error);
        g_prefix_error(error,
                       _("the key material of volume '%s' has been destroyed, but not all "
                         "of it could be removed; delete it again: "),
                       link->payload.volume);
        return false;
    }

    return (!link->secretGenerated || lukshdrStorageSecretRemove(link->secretUUID, error)) &&
           lukshdrRegistryRemove(state->registry, link->uuid, error);
}

static bool
lukshdrStorageDeletePayload(lukshdrLink *link,
                            virStorageVolPtr vol,
                            unsigned int flags,
                            GError **error)
{
    g_autoptr(virStorageVol) headerVol = NULL;
    int fd = -1;
    bool ok = lukshdrStorageCheckDelete(link, vol, &headerVol, &fd, flags, error) &&
              lukshdrStorageDeleteLinked(link, vol, headerVol, fd, error);

    if (fd >= 0)
        close(fd);
    return ok;
}

int
lukshdrStorageVolDelete(virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;
    bool ok = lukshdrStorageFindByPath(vol, &payload, &header, &error);

    if (ok && !payload && !header)
        return lukshdrStorageState.stock.storageVolDelete(vol, flags);

    if (ok && payload)
        ok = lukshdrStorageDeletePayload(payload, vol, flags, &error);

    if (ok && header) {
        error = g_error_new(LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("volume '%s' holds the LUKS header of volume '%s' in pool '%s'; "
                              "delete that volume, its header goes with it"),
                            header->header.volume, header->payload.volume, header->payload.pool);
        ok = false;
    }

    if (!ok)
        lukshdrReportError(error);
    return ok ? 0 : -1;
}
