/*
 * lukshdrstoragewipe.c: vol-wipe of a linked volume, a cryptographic erase
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The steps, and what a crash after each leaves (lukshdrStorageStart goes on):
 *
 *   1 registry entry "wiping"          a volume that nobody may open; completed
 *   2 header volume overwritten        as 1, the payload unreadable for ever
 *   3 header volume wiped by stock     as 2; the algorithm asked for is not repeated
 *   4 registry entry "wiped"           a volume that can only be deleted
 *
 * All that can be refused is refused before step 1.
 */

#include "config.h"

/* for VIR_STORAGE_VOL_WIPE_ALG_LAST */
#define VIR_ENUM_SENTINELS

#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "lukshdrerror.h"
#include "lukshdrlog.h"
#include "lukshdrluks.h"
#include "lukshdrstorage.h"
#include "lukshdrstorageparts.h"

bool
lukshdrStorageWipeFinish(lukshdrLink *link, GError **error)
{
    int fd = -1;
    int there = lukshdrStorageOpenHeader(link, &fd, error);
    bool ok = there >= 0 && (!there || lukshdrLuksErase(fd, error)) &&
              lukshdrStorageSetState(link, LUKSHDR_LINK_STATE_WIPED, error);

    if (fd >= 0)
        close(fd);
    return ok;
}

/* All refusals; @headerVol is set to the header volume. */
static bool
lukshdrStorageCheckWipe(lukshdrLink *link,
                        virStorageVolPtr vol,
                        virStorageVolPtr *headerVol,
                        unsigned int algorithm,
                        unsigned int flags,
                        GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;

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

    if (!lukshdrStorageMay(vol, state->abi.virStorageVolWipePatternEnsureACL, error))
        return false;

    return (*headerVol = lukshdrStorageLookupPart(&link->header, virStorageVolGetConnect(vol),
                                                  error)) &&
           lukshdrStorageMay(*headerVol, state->abi.virStorageVolWipePatternEnsureACL, error);
}

static bool
lukshdrStorageWipeLinked(lukshdrLink *link,
                         virStorageVolPtr headerVol,
                         int fd,
                         unsigned int algorithm,
                         GError **error)
{
    if (!lukshdrStorageClaim(link, LUKSHDR_LINK_STATE_WIPING, fd, error) ||
        !lukshdrLuksErase(fd, error))
        return false;

    if (lukshdrStorageState.stock.storageVolWipePattern(headerVol, algorithm, 0) < 0) {
        lukshdrErrorFromLast(error);
        g_prefix_error(error,
                       _("the key material of volume '%s' has been destroyed, but the "
                         "header volume could not be wiped as asked for: "),
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
    g_autoptr(virStorageVol) headerVol = NULL;
    int fd = -1;
    int there;
    bool ok;

    if (!lukshdrStorageCheckWipe(link, vol, &headerVol, algorithm, flags, error) ||
        (there = lukshdrStorageOpenHeader(link, &fd, error)) < 0)
        return false;

    if (there == 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("header volume '%s' of pool '%s' has gone, there is nothing to wipe"),
                    link->header.volume, link->header.pool);
        return false;
    }

    ok = lukshdrStorageWipeLinked(link, headerVol, fd, algorithm, error);
    close(fd);
    return ok;
}

int
lukshdrStorageVolWipePattern(virStorageVolPtr vol, unsigned int algorithm, unsigned int flags)
{
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;

    if (lukshdrStorageFindByPath(vol, &payload, &header, &error)) {
        if (header)
            lukshdrStorageSetHeaderInUse(header, &error);
        else if (!payload)
            return lukshdrStorageState.stock.storageVolWipePattern(vol, algorithm, flags);
        else if (lukshdrStorageWipePayload(payload, vol, algorithm, flags, &error))
            return 0;
    }

    lukshdrReportError(error);
    return -1;
}

int
lukshdrStorageVolWipe(virStorageVolPtr vol, unsigned int flags)
{
    return lukshdrStorageVolWipePattern(vol, VIR_STORAGE_VOL_WIPE_ALG_ZERO, flags);
}
