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
 *   5 registry entry removed           nothing
 *
 * All that can be refused is refused before step 1.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "lukshdrerror.h"
#include "lukshdrguest.h"
#include "lukshdrlabel.h"
#include "lukshdrlog.h"
#include "lukshdrluks.h"
#include "lukshdrstorage.h"

/* Whether what stands at a recorded path is what was recorded: 1 yes, 0 there
 * is nothing, -1 with @error set it is something else. */
static int
lukshdrStoragePartIsThere(const lukshdrLinkVolume *part, GError **error)
{
    lukshdrIdentity found;

    if (!part->path || access(part->path, F_OK) < 0)
        return 0;

    if (!lukshdrIdentityFromPath(part->path, &found, error))
        return -1;

    /* the recorded path is the second witness that UNCERTAIN asks for */
    if (lukshdrIdentityCompare(&part->identity, &found) != LUKSHDR_IDENTITY_DIFFERENT)
        return 1;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("'%s' is not the volume '%s' of pool '%s' that was recorded there"), part->path,
                part->volume, part->pool);
    return -1;
}

static bool
lukshdrStorageErase(const lukshdrLinkVolume *header, GError **error)
{
    lukshdrIdentity opened;
    int fd = open(header->path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool ok;

    if (fd < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to open header volume '%s'"), header->path);
        return false;
    }

    /* what was examined by path may have been replaced since */
    ok = lukshdrIdentityFromFD(fd, &opened, error);
    if (ok && lukshdrIdentityCompare(&header->identity, &opened) == LUKSHDR_IDENTITY_DIFFERENT) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("header volume '%s' is another file than the one recorded"), header->path);
        ok = false;
    }
    ok = ok && lukshdrLuksErase(fd, error);

    close(fd);
    return ok;
}

/* Deletes a part by stock, if it is there and is what was recorded. */
static bool
lukshdrStorageDeletePart(const lukshdrLinkVolume *part, virConnectPtr conn, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = NULL;
    g_autoptr(virStorageVol) vol = NULL;
    int there = lukshdrStoragePartIsThere(part, error);

    if (there <= 0)
        return there == 0;

    if (!(pool = lukshdrStorageOpenPool(conn, part->pool, error)))
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
    int header = lukshdrStoragePartIsThere(&link->header, error);
    bool ok = header == 0 || (header > 0 && lukshdrStorageErase(&link->header, error));

    ok = ok && lukshdrStorageDeletePart(&link->payload, conn, error) &&
         lukshdrStorageDeletePart(&link->header, conn, error) &&
         lukshdrRegistryRemove(lukshdrStorageState.registry, link->uuid, error);

    lukshdrStorageBecomeClient(client);
    return ok;
}

/* Guests' records are the QEMU half's; that one cannot be read must not stop
 * what it may have nothing to do with, the header's lock in QEMU still would. */
static bool
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
                g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("volume '%s' is in use by the running domain '%s'; detach it or "
                              "stop the domain first"),
                            link->payload.volume, guests[i]);
                return false;
            }
        }
    }
    return true;
}

/* All refusals.  @headerVol is set to the header volume, or to NULL if it has
 * gone already, in which case there is no key material left to destroy. */
static bool
lukshdrStorageCheckDelete(lukshdrLink *link,
                          virStorageVolPtr vol,
                          virStorageVolPtr *headerVol,
                          unsigned int flags,
                          GError **error)
{
    g_autoptr(virStoragePool) headerPool = NULL;

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

    if (!lukshdrStorageCheckUnused(link, error) || !lukshdrStorageMayDelete(vol, error) ||
        !(headerPool = lukshdrStorageOpenPool(virStorageVolGetConnect(vol), link->header.pool,
                                              error)))
        return false;

    switch (lukshdrStoragePartIsThere(&link->header, error)) {
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
    return lukshdrStorageMayDelete(*headerVol, error);
}

static bool
lukshdrStorageDeleteLinked(lukshdrLink *link,
                           virStorageVolPtr vol,
                           unsigned int flags,
                           GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStorageVol) headerVol = NULL;
    g_autoptr(lukshdrLink) deleting = lukshdrLinkCopy(link);

    if (!lukshdrStorageCheckDelete(link, vol, &headerVol, flags, error))
        return false;

    deleting->state = LUKSHDR_LINK_STATE_DELETING;
    if (!lukshdrRegistryStore(state->registry, deleting, error) ||
        (headerVol && !lukshdrStorageErase(&link->header, error)))
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

    return lukshdrRegistryRemove(state->registry, link->uuid, error);
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
        ok = lukshdrStorageDeleteLinked(payload, vol, flags, &error);

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
