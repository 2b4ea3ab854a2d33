/*
 * moved.c: following a pool whose directory was moved
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "moved.h"

#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "util/error.h"
#include "util/log.h"
#include "util/text.h"
#include "entry.h"

typedef struct _lukshdrMoved lukshdrMoved;
struct _lukshdrMoved {
    guint i;
    const lukshdrVolume *seen;
    const char *path;
    bool changed;
};

/* A lukshdrStorageChange */
static bool
lukshdrMovedChange(lukshdrLink *link, void *opaque)
{
    lukshdrMoved *moved = opaque;
    lukshdrVolume *vol = lukshdrLinkVolumeAt(link, moved->i);

    /* what is under way goes on with the volumes that it has begun with */
    if ((link->state != LUKSHDR_LINK_STATE_ACTIVE && link->state != LUKSHDR_LINK_STATE_WIPED) ||
        !vol || !lukshdrTextSame(vol->pool, moved->seen->pool) ||
        !lukshdrTextSame(vol->volume, moved->seen->volume) ||
        !lukshdrVolumeIsSamePlace(vol, moved->seen))
        return false;

    g_free(vol->path);
    vol->path = g_strdup(moved->path);
    return moved->changed = true;
}

bool
lukshdrStorageFollow(const lukshdrLink *link, guint i, const char *path)
{
    lukshdrMoved moved = { .i = i, .seen = lukshdrLinkVolumeAt(link, i), .path = path };
    g_autoptr(GError) error = NULL;

    if (!moved.seen || !moved.seen->path || g_str_equal(moved.seen->path, path) ||
        access(path, F_OK) < 0)
        return false;

    if (!lukshdrStorageUpdate(link, lukshdrMovedChange, &moved, &error)) {
        LUKSHDR_LOG_ERROR("%s", error->message);
        return false;
    }
    if (moved.changed)
        LUKSHDR_LOG_WARN(_("Volume '%1$s' of pool '%2$s', of linked volume '%3$s' of pool '%4$s', "
                           "was at '%5$s'; the pool has it at '%6$s' now"),
                         moved.seen->volume, moved.seen->pool, link->payload.volume,
                         link->payload.pool, moved.seen->path, path);
    return moved.changed;
}

/* Follows what @link has by that pool and name */
static bool
lukshdrMovedFollowNamed(const lukshdrLink *link,
                        const char *pool,
                        const char *volume,
                        const char *path)
{
    const lukshdrVolume *vol;
    bool changed = false;
    guint i;

    for (i = 0; link && (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        if (lukshdrTextSame(vol->pool, pool) && lukshdrTextSame(vol->volume, volume) &&
            lukshdrStorageFollow(link, i, path))
            changed = true;
    }
    return changed;
}

bool
lukshdrStorageFollowVolume(virStorageVolPtr vol, const char *path)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    const char *volume = virStorageVolGetName(vol);
    virIdentity *client = lukshdrStorageBecomeSystem();
    g_autoptr(virStoragePool) pool = state->stock.storagePoolLookupByVolume(vol);
    const char *name = pool ? virStoragePoolGetName(pool) : NULL;
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    bool changed;

    virResetLastError();
    lukshdrStorageBecomeClient(client);
    if (!name || !lukshdrRegistryLookup(state->registry, name, volume, &payload, &header, NULL))
        return false;

    changed = lukshdrMovedFollowNamed(payload, name, volume, path);
    return lukshdrMovedFollowNamed(header, name, volume, path) || changed;
}
