/*
 * use.c: who uses the volumes of a link?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "use.h"

#include <fcntl.h>
#include <glib/gi18n-lib.h>

#include "entry.h"
#include "util/error.h"
#include "util/log.h"

/* The bytes on which QEMU holds locks for an image that it has open: RAW_LOCK_PERM_BASE and
 * RAW_LOCK_SHARED_BASE in its block/file-posix.c, each up to 100 long */
#define LUKSHDR_QEMU_LOCK_START 100
#define LUKSHDR_QEMU_LOCK_LEN 200

/* Locks also tell of a guest on another host that shares the pool, where the file system
 * carries them.  Asking is enough: who comes later is told by the link's state. */
bool
lukshdrStorageCheckLocks(const lukshdrVolume *part, int fd, GError **error)
{
    struct flock lock = { .l_type = F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = LUKSHDR_QEMU_LOCK_START,
                          .l_len = LUKSHDR_QEMU_LOCK_LEN };

    if (fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%s' of pool '%s' is in use by QEMU, here or on another host"),
                part->volume, part->pool);
    return false;
}

/* @writers: those that only read do not matter */
static bool
lukshdrStorageCheckGuests(const lukshdrLink *link, bool writers, GError **error)
{
    g_autofree char *guest = NULL;

    if (!lukshdrGuestUsersFind(lukshdrStorageState.guests, link->uuid, writers, &guest, error))
        return false;
    if (!guest)
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%s' is in use by the running domain '%s'; detach it or stop the "
                  "domain first"),
                link->payload.volume, guest);
    return false;
}

bool
lukshdrStorageCheckUnwritten(const lukshdrLink *link, GError **error)
{
    return lukshdrStorageCheckGuests(link, true, error);
}

bool
lukshdrStorageCheckUnused(const lukshdrLink *link, GArray *headers, GError **error)
{
    guint i;

    if (!lukshdrStorageCheckGuests(link, false, error))
        return false;

    for (i = 0; i < headers->len; i++) {
        const lukshdrHeaderVolume *header = &g_array_index(headers, lukshdrHeaderVolume, i);

        /* of a shared header there are no locks */
        if (!lukshdrStorageCheckLocks(header->copy, header->handle->fd, error))
            return false;
    }
    return true;
}

bool
lukshdrStorageClaim(lukshdrLink *link, lukshdrLinkState linkState, GArray *headers, GError **error)
{
    g_autoptr(GError) undo = NULL;

    if (lukshdrStorageSetState(link, linkState, error) &&
        lukshdrStorageCheckUnused(link, headers, error))
        return true;

    /* also after a store that failed: it may have failed behind the point of no return */
    if (!lukshdrStorageSetState(link, link->state, &undo))
        LUKSHDR_LOG_ERROR(_("The next start will take linked volume '%s' of pool '%s' for one that "
                            "is to be destroyed: %s"),
                          link->payload.volume, link->payload.pool, undo->message);
    return false;
}
