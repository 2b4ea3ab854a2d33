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

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

#include "lukshdrerror.h"
#include "lukshdrguest.h"
#include "lukshdrheader.h"
#include "lukshdrlog.h"
#include "lukshdrluks.h"
#include "lukshdrstorage.h"

int
lukshdrStorageOpenHeader(const lukshdrLink *link, int *fd, GError **error)
{
    lukshdrIdentity found;

    if (!link->header.path)
        return 0;

    *fd = open(link->header.path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*fd < 0) {
        if (errno == ENOENT)
            return 0;
        lukshdrErrorSetErrno(error, errno, _("Unable to open header volume '%s'"),
                             link->header.path);
        return -1;
    }

    /* the recorded path is the second witness that UNCERTAIN asks for */
    if (lukshdrIdentityFromFD(*fd, &found, error) &&
        (lukshdrIdentityCompare(&link->header.identity, &found) != LUKSHDR_IDENTITY_DIFFERENT ||
         (link->luksUUID && lukshdrHeaderCheck(link, *fd, error))))
        return 1;

    if (error && !*error) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' is not the header volume '%s' of pool '%s' that was recorded there"),
                    link->header.path, link->header.volume, link->header.pool);
    }
    close(*fd);
    *fd = -1;
    return -1;
}

/* Whether the recorded payload stands at its path: 1 yes, 0 there is nothing, -1
 * with @error set there is something else. */
static int
lukshdrStoragePayloadIsThere(const lukshdrLink *link, GError **error)
{
    lukshdrIdentity found;

    if (!link->payload.path || access(link->payload.path, F_OK) < 0)
        return 0;

    if (!lukshdrIdentityFromPath(link->payload.path, &found, error))
        return -1;
    if (lukshdrIdentityCompare(&link->payload.identity, &found) != LUKSHDR_IDENTITY_DIFFERENT)
        return 1;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("'%s' is not the volume '%s' of pool '%s' that was recorded there"),
                link->payload.path, link->payload.volume, link->payload.pool);
    return -1;
}

static bool
lukshdrStorageDeletePart(const lukshdrLinkVolume *part, virConnectPtr conn, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = lukshdrStorageOpenPool(conn, part->pool, error);
    g_autoptr(virStorageVol) vol = NULL;

    if (!pool)
        return false;

    if (!(vol = state->stock.storageVolLookupByName(pool, part->volume)) ||
        state->stock.storageVolDelete(vol, 0) < 0) {
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
    int header = lukshdrStorageOpenHeader(link, &fd, error);
    int payload = header < 0 ? -1 : lukshdrStoragePayloadIsThere(link, error);
    bool ok = header >= 0 && payload >= 0;

    ok = ok && (!header || lukshdrLuksErase(fd, error)) &&
         (!payload || lukshdrStorageDeletePart(&link->payload, conn, error)) &&
         (!header || lukshdrStorageDeletePart(&link->header, conn, error)) &&
         (!link->secretGenerated || lukshdrStorageSecretRemove(link->secretUUID, error)) &&
         lukshdrRegistryRemove(lukshdrStorageState.registry, link->uuid, error);

    if (fd >= 0)
        close(fd);
    lukshdrStorageBecomeClient(client);
    return ok;
}

/* Guests' records are the QEMU half's; that one cannot be read must not stop
 * what it may have nothing to do with, the header's lock in QEMU still would. */
bool
lukshdrStorageCheckUnused(const lukshdrLink *link, GError **error)
{
    const char *dir = lukshdrStorageState.guestsDir;
    g_auto(GStrv) guests = lukshdrGuestList(dir);
    size_t i;
    guint d;

    for (i = 0; guests[i]; i++) {
        g_autoptr(GError) local = NULL;
        g_autoptr(GPtrArray) disks = lukshdrGuestLoad(dir, guests[i], &local);

        if (!disks)
            LUKSHDR_LOG_WARN("%s", local->message);

        for (d = 0; disks && d < disks->len; d++) {
            const lukshdrGuestDisk *disk = g_ptr_array_index(disks, d);

            if (g_str_equal(disk->linkUUID, link->uuid)) {
                /* records are named ID-NAME */
                const char *name = strchr(guests[i], '-');

                g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("volume '%s' is in use by the running domain '%s'; detach it or "
                              "stop the domain first"),
                            link->payload.volume, name ? name + 1 : guests[i]);
                return false;
            }
        }
    }
    return true;
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

    if (!lukshdrStorageCheckUnused(link, error) || !lukshdrStorageMay(vol, ensure, error) ||
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

    *headerVol = lukshdrStorageState.stock.storageVolLookupByName(headerPool, link->header.volume);
    if (!*headerVol) {
        lukshdrErrorFromLast(error);
        return false;
    }
    return lukshdrStorageMay(*headerVol, ensure, error);
}

static bool
lukshdrStorageDeleteLinked(lukshdrLink *link,
                           virStorageVolPtr vol,
                           virStorageVolPtr headerVol,
                           int fd,
                           GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(lukshdrLink) deleting = lukshdrLinkCopy(link);

    deleting->state = LUKSHDR_LINK_STATE_DELETING;
    if (!lukshdrRegistryStore(state->registry, deleting, error) ||
        (headerVol && !lukshdrLuksErase(fd, error)))
        return false;

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
