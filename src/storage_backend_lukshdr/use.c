/*
 * use.c: who uses the volumes of a link?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "use.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <signal.h>

#include "entry.h"
#include "headers.h"
#include "link/header.h"
#include "util/error.h"
#include "util/log.h"

/* The bytes on which QEMU holds locks for an image that it has open: RAW_LOCK_PERM_BASE and
 * RAW_LOCK_SHARED_BASE in its block/file-posix.c, each up to 100 long */
#define LUKSHDR_QEMU_LOCK_START 100
#define LUKSHDR_QEMU_LOCK_LEN 200

/* How often it is looked whether a volume is still used, microseconds */
#define LUKSHDR_STORAGE_POLL (100 * 1000)

/* Sets @locked to whether somebody else has a lock on a volume with a path, as each QEMU has that has it open */
static bool
lukshdrStorageIsLocked(const lukshdrHandle *handle, bool *locked, GError **error)
{
    struct flock lock = { .l_type = F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = LUKSHDR_QEMU_LOCK_START,
                          .l_len = LUKSHDR_QEMU_LOCK_LEN };

    if (fcntl(handle->fd, F_OFD_GETLK, &lock) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to see who has the volume open"));
        return false;
    }
    *locked = lock.l_type != F_UNLCK;
    return true;
}

/* Refuses if the volume is @locked */
static bool
lukshdrStorageCheckUnlocked(const lukshdrVolume *vol, bool locked, GError **error)
{
    if (locked)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' of pool '%s' is in use by QEMU, here or on another host"),
                    vol->volume, vol->pool);
    return !locked;
}

/* If the file system carries locks between hosts, they also show a guest on another host that
 * shares the pool.  It is enough to ask once: a guest that comes later sees the link's state.  A file system without
 * locks has none of QEMU's. */
bool
lukshdrStorageCheckOpeners(const lukshdrVolume *vol, const lukshdrHandle *handle, GError **error)
{
    bool locked = false;

    if (handle->remote)
        return lukshdrRemoteHandleCheckUnused(handle->remote, error);
    (void)lukshdrStorageIsLocked(handle, &locked, NULL);
    return lukshdrStorageCheckUnlocked(vol, locked, error);
}

/* @writers: guests that only read do not matter; @except: nor does this one, by its id, or -1 */
static bool
lukshdrStorageCheckGuests(const lukshdrLink *link, bool writers, int except, GError **error)
{
    g_autofree char *guest = NULL;

    if (!lukshdrGuestUsersFind(lukshdrStorageState.guests, link->uuid, writers, except, &guest,
                               error))
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
    return lukshdrStorageCheckGuests(link, true, -1, error);
}

bool
lukshdrStorageCheckUnused(const lukshdrLink *link, bool anyway, GError **error)
{
    g_autoptr(GPtrArray) sharers = lukshdrStorageHeadersSharers(link, error);
    const lukshdrVolume *vol;
    guint i;

    if (!sharers || !lukshdrStorageCheckGuests(link, false, -1, error))
        return false;

    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        g_autoptr(GError) local = NULL;
        g_autoptr(lukshdrHandle) handle = NULL;

        /* a header that others share stays, and is locked where QEMU had it before it was shared */
        if (lukshdrVolumeLocation(vol) == LUKSHDR_LOCATION_NONE || (i > 0 && sharers->len > 0))
            continue;
        /* open it whatever it is: the code that changes it checks that it is the recorded volume */
        if (!(handle = lukshdrHandleOpen(vol, LUKSHDR_HANDLE_READ | LUKSHDR_HANDLE_ANY, &local))) {
            if (anyway || g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL))
                continue;
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        if (!lukshdrStorageCheckOpeners(vol, handle, error))
            return false;
    }
    return true;
}

/* libvirt deletes no units of iSCSI targets */
static bool
lukshdrStorageCheckUnits(const lukshdrLink *link, GPtrArray *sharers, GError **error)
{
    const lukshdrVolume *vol;
    guint i;

    /* a header that others share stays */
    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)) && (i == 0 || sharers->len == 0); i++) {
        if (lukshdrVolumeLocation(vol) != LUKSHDR_LOCATION_ISCSI)
            continue;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("volume '%s' of pool '%s' is a unit of an iSCSI target, which libvirt cannot "
                      "delete: unlink the linked volume (virt-lukshdr unlink), or wipe it (virsh "
                      "vol-wipe), which destroys its key material, and then unlink it; then delete "
                      "what can be, and remove the unit at its target"),
                    vol->volume, vol->pool);
        return false;
    }
    return true;
}

/* Opens @vol if it has no path here.  Returns true with @handle set, or NULL if it has one, or does not exist any
 * more.  Whether it is the recorded one is checked by who changes it. */
static bool
lukshdrStorageOpenRemote(const lukshdrVolume *vol, lukshdrHandle **handle, GError **error)
{
    g_autoptr(GError) local = NULL;

    *handle = NULL;
    if (!vol->remote ||
        (*handle = lukshdrHandleOpen(vol, LUKSHDR_HANDLE_READ | LUKSHDR_HANDLE_ANY, &local)) ||
        g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL))
        return true;
    g_propagate_error(error, g_steal_pointer(&local));
    return false;
}

bool
lukshdrStorageCheckErasable(const lukshdrLink *link, GError **error)
{
    const lukshdrVolume *copy;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        g_autoptr(lukshdrHandle) handle = NULL;
        g_autofree char *snapshot = NULL;

        if (!lukshdrStorageOpenRemote(copy, &handle, error) ||
            (handle && !lukshdrRemoteHandleFindSnapshot(handle->remote, &snapshot, error)))
            return false;
        if (!snapshot)
            continue;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("image '%s' holds key material and has snapshots, such as '%s', which would "
                      "keep it; remove them first (rbd snap purge), or delete the linked volume "
                      "with them (virsh vol-delete --delete-snapshots)"),
                    copy->remote->name, snapshot);
        return false;
    }
    return true;
}

static bool
lukshdrStorageCheckRemovableOne(const lukshdrVolume *vol, bool purge, GError **error)
{
    g_autoptr(lukshdrHandle) handle = NULL;

    return lukshdrStorageOpenRemote(vol, &handle, error) &&
           (!handle || lukshdrRemoteHandleCheckRemovable(handle->remote, purge, error));
}

bool
lukshdrStorageCheckRemovable(const lukshdrLink *link, bool purge, GError **error)
{
    g_autoptr(GPtrArray) sharers = lukshdrStorageHeadersSharers(link, error);
    const lukshdrVolume *copy;
    guint i;

    if (!sharers || !lukshdrStorageCheckUnits(link, sharers, error) ||
        !lukshdrStorageCheckRemovableOne(&link->payload, purge, error))
        return false;
    if (sharers->len > 0)
        return true;
    if (!purge && !lukshdrStorageCheckErasable(link, error))
        return false;
    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        if (!lukshdrStorageCheckRemovableOne(copy, purge, error))
            return false;
    }
    return true;
}

/* Any lock on these bytes, also one for reading, keeps QEMU from opening the file. */
static bool
lukshdrStorageLock(const lukshdrHandle *payload, GError **error)
{
    struct flock lock = { .l_type = F_RDLCK,
                          .l_whence = SEEK_SET,
                          .l_start = LUKSHDR_QEMU_LOCK_START,
                          .l_len = LUKSHDR_QEMU_LOCK_LEN };

    if (fcntl(payload->fd, F_OFD_SETLK, &lock) == 0)
        return true;
    lukshdrErrorSetErrno(error, errno, _("Unable to lock the volume"));
    return false;
}

bool
lukshdrStorageHoldAfter(const lukshdrLink *link,
                        const lukshdrHandle *payload,
                        int domain,
                        GError **error)
{
    g_autoptr(GError) local = NULL;
    bool locked = false;

    if (!lukshdrStorageLock(payload, error) ||
        !lukshdrStorageCheckGuests(link, false, domain, error) ||
        !lukshdrStorageIsLocked(payload, &locked, error))
        return false;

    /* Whatever has it open had it open before our lock, and is @domain: a domain has a record before its QEMU opens
     * anything, and there is none but @domain's.  The record is looked for last: then it was there all the time. */
    if (locked && lukshdrGuestUsersHas(lukshdrStorageState.guests, link->uuid, domain, &local))
        return true;
    if (local)
        g_propagate_error(error, g_steal_pointer(&local));
    else
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("the domain with id %d does not use volume '%s' of pool '%s' any more, so it may have "
              "been written to since it was looked at; nothing was changed, try again"),
            domain, link->payload.volume, link->payload.pool);
    return false;
}

/* Nobody but QEMU has locks: has any other process of this host the file open for writing, such as an upload, a loop
 * device, dd? */
static bool
lukshdrStorageCheckUnopened(const lukshdrLink *link, const lukshdrHandle *payload, GError **error)
{
    /* The kernel gives a lease for writing only while nobody else has the file open for that.  Where it has no leases (NFS),
     * nobody can tell.  Whoever opens the file in between makes it send a signal: SIGIO, which would end the daemon,
     * unless another is chosen; SIGURG ends nothing. */
    if (fcntl(payload->fd, F_SETSIG, SIGURG) == 0 && fcntl(payload->fd, F_SETLEASE, F_WRLCK) == 0) {
        (void)fcntl(payload->fd, F_SETLEASE, F_UNLCK);
        return true;
    }
    if (errno != EAGAIN)
        return true;
    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
        _("volume '%s' of pool '%s' is open in another program of this host (fuser names it), "
          "which may write to it; nothing was changed"),
        link->payload.volume, link->payload.pool);
    return false;
}

bool
lukshdrStorageAwaitUnused(const lukshdrLink *link,
                          const lukshdrHandle *payload,
                          guint seconds,
                          GError **error)
{
    gint64 deadline = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;

    for (;;) {
        g_autoptr(GError) used = NULL;
        bool locked;

        if (lukshdrStorageCheckGuests(link, false, -1, &used) &&
            lukshdrStorageIsLocked(payload, &locked, &used) &&
            lukshdrStorageCheckUnlocked(&link->payload, locked, &used) &&
            lukshdrStorageCheckUnopened(link, payload, &used))
            return true;
        if (g_get_monotonic_time() >= deadline) {
            g_propagate_error(error, g_steal_pointer(&used));
            return false;
        }
        g_usleep(LUKSHDR_STORAGE_POLL);
    }
}

lukshdrHandle *
lukshdrStorageHold(const lukshdrLink *link, GError **error)
{
    g_autoptr(lukshdrHandle)
        payload = lukshdrHandleOpen(&link->payload, LUKSHDR_HANDLE_READ, error);

    /* a file system without locks has none of QEMU's either */
    if (payload && payload->fd >= 0 && g_str_equal(link->format, "raw"))
        (void)lukshdrStorageLock(payload, NULL);

    return payload && lukshdrStorageCheckGuests(link, false, -1, error) &&
                   lukshdrStorageCheckOpeners(&link->payload, payload, error)
               ? g_steal_pointer(&payload)
               : NULL;
}

bool
lukshdrStorageClaim(lukshdrLink *link, lukshdrLinkState linkState, GError **error)
{
    g_autoptr(GError) undo = NULL;
    /* unlinking gives up what is lost, and overwrites nothing */
    bool anyway = linkState == LUKSHDR_LINK_STATE_UNLINKING;

    if (!lukshdrStorageCheckUnused(link, anyway, error))
        return false;

    if (lukshdrStorageSetState(link, linkState, error) &&
        lukshdrStorageCheckUnused(link, anyway, error))
        return true;

    /* also after a store that failed: it may have changed the file before it failed */
    if (!lukshdrStorageSetState(link, link->state, &undo))
        LUKSHDR_LOG_ERROR(_("Linked volume '%s' of pool '%s' cannot be used until one of its pools "
                            "is refreshed, when this is tried again: %s"),
                          link->payload.volume, link->payload.pool, undo->message);
    return false;
}

/* Is the payload the recorded one, and does the header belong to it?  (Nobody tries the secret.) */
static bool
lukshdrStorageIsWhole(const lukshdrLink *link, GError **error)
{
    g_autoptr(lukshdrHandle)
        payload = lukshdrHandleOpen(&link->payload, LUKSHDR_HANDLE_READ, error);
    g_autoptr(lukshdrHandle)
        header = payload ? lukshdrHandleOpen(&link->header,
                                             LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER, error)
                         : NULL;

    return header && lukshdrHeaderCheck(link, &link->header, header->fd, NULL, error);
}

/* Looks for a reason not to complete the operation.  Returns true, with @reason set to that or
 * NULL. */
static bool
lukshdrStorageFindReason(const lukshdrLink *link, GError **reason, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GPtrArray) sharers = NULL;

    if (!lukshdrStorageCheckUnused(link, link->state == LUKSHDR_LINK_STATE_UNLINKING, &local)) {
        if (g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID)) {
            g_propagate_error(reason, g_steal_pointer(&local));
            return true;
        }
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }

    /* a wipe would destroy the other volumes that share the header; vol-wipe checks that only after
     * it has stored the state */
    if (link->state == LUKSHDR_LINK_STATE_WIPING) {
        if (!(sharers = lukshdrStorageHeadersSharers(link, error)))
            return false;
        if (sharers->len > 0)
            g_set_error(reason, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("volume '%s' shares its header with others"), link->payload.volume);
    }
    return true;
}

bool
lukshdrStorageRecover(const lukshdrLink *link, bool *restored, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(GError) broken = NULL;

    *restored = false;

    /* a link without a LUKS UUID was never active, so nobody can use its volume */
    if (!link->luksUUID)
        return true;
    if (!lukshdrStorageFindReason(link, &reason, error))
        return false;
    if (!reason)
        return true;

    if (link->state == LUKSHDR_LINK_STATE_CREATING) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return false;
    }
    if (!lukshdrStorageIsWhole(link, &broken)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("%s; besides, the volume is not whole: %s"), reason->message,
                    broken->message);
        return false;
    }
    if (!lukshdrStorageSetState(link, LUKSHDR_LINK_STATE_ACTIVE, error))
        return false;

    LUKSHDR_LOG_WARN(
        _("Linked volume '%s' of pool '%s' was in state '%s' and is whole; it is active "
          "again: %s"),
        link->payload.volume, link->payload.pool, lukshdrLinkStateToString(link->state),
        reason->message);
    *restored = true;
    return true;
}
