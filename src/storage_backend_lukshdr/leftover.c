/*
 * leftover.c: volumes that a crash kept from being recorded
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "leftover.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

#include "link/handle.h"
#include "link/recognise.h"
#include "util/log.h"
#include "lookup.h"

/* How long after the registry entry was written stock may begin with the volume, ns.  Nobody
 * makes a volume of that name by hand that soon. */
#define LUKSHDR_LEFTOVER_NSEC (10 * G_GINT64_CONSTANT(1000000000))

/* How much is read at most to see that a volume is all zeroes.  A header volume is allocated as a
 * whole, a payload only as far as the client asked. */
#define LUKSHDR_LEFTOVER_READ_MAX (16 * 1024 * 1024)

typedef enum {
    LUKSHDR_LEFTOVER_NO,      /* it was there before */
    LUKSHDR_LEFTOVER_MAYBE,   /* the file system keeps no birth times, or stock took its time */
    LUKSHDR_LEFTOVER_CERTAIN, /* made at once after the entry was written */
} lukshdrLeftover;

static lukshdrLeftover
lukshdrLeftoverJudge(const lukshdrIdentity *identity, gint64 entry)
{
    gint64 birth;

    if (!entry || identity->type != LUKSHDR_IDENTITY_FILE || !identity->birthSec)
        return LUKSHDR_LEFTOVER_MAYBE;

    birth = identity->birthSec * G_GINT64_CONSTANT(1000000000) + identity->birthNsec;
    if (birth < entry)
        return LUKSHDR_LEFTOVER_NO;
    return birth - entry < LUKSHDR_LEFTOVER_NSEC ? LUKSHDR_LEFTOVER_CERTAIN
                                                 : LUKSHDR_LEFTOVER_MAYBE;
}

/* Does the file hold nothing but zeroes? */
static bool
lukshdrLeftoverIsEmpty(int fd)
{
    static const char zeroes[4096];
    char buf[sizeof(zeroes)];
    off_t pos = 0;
    off_t seen = 0;

    while ((pos = lseek(fd, pos, SEEK_DATA)) >= 0) {
        ssize_t got = TEMP_FAILURE_RETRY(pread(fd, buf, sizeof(buf), pos));

        if (got == 0)
            return true;
        if (got < 0 || memcmp(buf, zeroes, got) || (seen += got) > LUKSHDR_LEFTOVER_READ_MAX)
            return false;
        pos += got;
    }
    return errno == ENXIO; /* there is no more data */
}

static void
lukshdrLeftoverReport(const lukshdrLink *link, const lukshdrVolume *where)
{
    LUKSHDR_LOG_WARN(_("An empty volume '%s' of pool '%s' may have been left by the interrupted "
                       "creation of volume '%s' of pool '%s'; delete it with virsh vol-delete if "
                       "it is nobody's"),
                     where->volume, where->pool, link->payload.volume, link->payload.pool);
}

static void
lukshdrLeftoverRemove(const lukshdrLink *link, const lukshdrVolume *where, virConnectPtr conn)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = lukshdrStorageOpenPool(conn, where->pool, NULL);
    g_autoptr(virStorageVol) vol = NULL;
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(lukshdrHandle) handle = NULL;
    g_autofree char *path = NULL;
    gint64 written = lukshdrRegistryWritten(state->registry, link->uuid);
    lukshdrLeftover leftover;

    if (!pool) {
        virResetLastError();
        lukshdrLeftoverReport(link, where);
        return;
    }

    if (!(vol = state->stock.storageVolLookupByName(pool, where->volume)) ||
        !(path = state->stock.storageVolGetPath(vol))) {
        virResetLastError();
        return;
    }

    /* The cluster's clock says when an image was made, not this host's, so nobody can tell whether
     * stock made it just then.  And a file of the name of an image would be something else. */
    if (!g_path_is_absolute(path)) {
        lukshdrLeftoverReport(link, where);
        return;
    }

    /* leave it alone if we cannot open it, if it belongs to a link, or if that is uncertain */
    if (!(handle = lukshdrHandleOpenPath(path, LUKSHDR_HANDLE_READ, NULL)) ||
        !lukshdrRecognise(state->registry, path, &what, NULL) ||
        what.as != LUKSHDR_RECOGNISED_PLAIN)
        return;

    leftover = lukshdrLeftoverJudge(&handle->identity, written);
    if (leftover == LUKSHDR_LEFTOVER_NO)
        return;

    if (leftover == LUKSHDR_LEFTOVER_CERTAIN && lukshdrLeftoverIsEmpty(handle->fd) &&
        state->stock.storageVolDelete(vol, 0) == 0) {
        LUKSHDR_LOG_WARN(_("The empty volume '%s' of pool '%s', left by the interrupted creation "
                           "of volume '%s' of pool '%s', has been removed"),
                         where->volume, where->pool, link->payload.volume, link->payload.pool);
        return;
    }
    virResetLastError();
    lukshdrLeftoverReport(link, where);
}

void
lukshdrStorageRemoveLeftover(const lukshdrLink *link, virConnectPtr conn)
{
    virIdentity *client = lukshdrStorageBecomeSystem();
    const lukshdrVolume *copy;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        if (lukshdrVolumeLocation(copy) == LUKSHDR_LOCATION_NONE)
            lukshdrLeftoverRemove(link, copy, conn);
    }
    if (lukshdrVolumeLocation(&link->payload) == LUKSHDR_LOCATION_NONE)
        lukshdrLeftoverRemove(link, &link->payload, conn);
    lukshdrStorageBecomeClient(client);
}
