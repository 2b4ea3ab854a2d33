/*
 * busy.c: on which volumes our own operations are at work
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The invariant: if two operations do not go together, the second is refused before it has
 * touched anything, since an operation looks and takes in one step under the lock.
 */

#include "config.h"

#include "busy.h"

#include <glib/gi18n-lib.h>

#include "util/error.h"
#include "util/log.h"

/* A volume on which an operation is at work, or, with volume NULL, a whole pool */
typedef struct _lukshdrBusyVolume lukshdrBusyVolume;
struct _lukshdrBusyVolume {
    char *pool;
    char *volume;
    lukshdrIdentity identity; /* when the operation began; type NONE if the volume did not exist */
    bool exclusive;
};

struct _lukshdrStorageBusy {
    lukshdrStorageBusyKind kind;
    char *link; /* UUID, or NULL */
    bool stock; /* stock wants to do it to a volume of its own: pools do not matter */
    GArray *volumes;
};

/* How long a client waits for a check of headers, microseconds.  A check reads some MiB, but a
 * server may hang. */
#define LUKSHDR_BUSY_WAIT (30 * G_USEC_PER_SEC)

/* The lock protects the list and the operations that are in the list.  It is a leaf: a
 * thread that holds it compares names and calls nothing else. */
static GMutex lukshdrBusyLock;
static GCond lukshdrBusyEnded;     /* a check has ended */
static GPtrArray *lukshdrBusyList; /* lukshdrStorageBusy *, each owned by its thread */

static void
lukshdrBusyVolumeClear(lukshdrBusyVolume *vol)
{
    g_free(vol->pool);
    g_free(vol->volume);
}

static void
lukshdrBusyFree(lukshdrStorageBusy *busy)
{
    g_array_unref(busy->volumes);
    g_free(busy->link);
    g_free(busy);
}

static lukshdrStorageBusy *
lukshdrBusyNew(lukshdrStorageBusyKind kind, const lukshdrLink *link)
{
    lukshdrStorageBusy *busy = g_new0(lukshdrStorageBusy, 1);

    busy->kind = kind;
    busy->link = link ? g_strdup(link->uuid) : NULL;
    busy->volumes = g_array_new(FALSE, FALSE, sizeof(lukshdrBusyVolume));
    g_array_set_clear_func(busy->volumes, (GDestroyNotify)lukshdrBusyVolumeClear);
    return busy;
}

/* Adds a volume to @busy.  Asks the kernel about @path, which may be NULL: so do not hold the
 * lock. */
static void
lukshdrBusyAdd(lukshdrStorageBusy *busy,
               const char *pool,
               const char *volume,
               const char *path,
               bool exclusive)
{
    lukshdrBusyVolume vol = { .pool = g_strdup(pool),
                              .volume = g_strdup(volume),
                              .exclusive = exclusive };

    if (path && !lukshdrIdentityFromPath(path, &vol.identity, NULL))
        vol.identity.type = LUKSHDR_IDENTITY_NONE;
    g_array_append_val(busy->volumes, vol);
}

/* Device and inode are enough while both volumes exist */
static bool
lukshdrBusyIsSameFile(const lukshdrIdentity *a, const lukshdrIdentity *b)
{
    return a->type != LUKSHDR_IDENTITY_NONE && a->type == b->type && a->dev == b->dev &&
           a->inode == b->inode;
}

static bool
lukshdrBusyVolumesMeet(const lukshdrBusyVolume *a, const lukshdrBusyVolume *b)
{
    if (!a->exclusive && !b->exclusive)
        return false;
    if (!a->volume || !b->volume)
        return g_strcmp0(a->pool, b->pool) == 0;
    return (g_strcmp0(a->pool, b->pool) == 0 && g_str_equal(a->volume, b->volume)) ||
           lukshdrBusyIsSameFile(&a->identity, &b->identity);
}

/* May others do the same at the same time? */
static bool
lukshdrBusyIsShared(lukshdrStorageBusyKind kind)
{
    return kind == LUKSHDR_STORAGE_BUSY_READ || kind == LUKSHDR_STORAGE_BUSY_CHECK;
}

/* Returns the link's payload if both operations are on one link and do not go together, else
 * NULL */
static const lukshdrBusyVolume *
lukshdrBusyMeetLink(const lukshdrStorageBusy *there, const lukshdrStorageBusy *wanted)
{
    if (!there->link || g_strcmp0(there->link, wanted->link) ||
        (lukshdrBusyIsShared(there->kind) && lukshdrBusyIsShared(wanted->kind)))
        return NULL;
    return &g_array_index(there->volumes, lukshdrBusyVolume, 0);
}

/* Returns the volume of @there that is in the way of @wanted, or NULL */
static const lukshdrBusyVolume *
lukshdrBusyMeetVolumes(const lukshdrStorageBusy *there, const lukshdrStorageBusy *wanted)
{
    guint i;
    guint j;

    for (i = 0; i < there->volumes->len; i++) {
        const lukshdrBusyVolume *vol = &g_array_index(there->volumes, lukshdrBusyVolume, i);

        if (!vol->volume && wanted->stock)
            continue;

        for (j = 0; j < wanted->volumes->len; j++) {
            if (lukshdrBusyVolumesMeet(vol, &g_array_index(wanted->volumes, lukshdrBusyVolume, j)))
                return vol;
        }
    }
    return NULL;
}

static void
lukshdrBusySetError(const lukshdrStorageBusy *there, const lukshdrBusyVolume *vol, GError **error)
{
    if (!vol->volume) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("storage pool '%s' is being stopped, removed or built"), vol->pool);
        return;
    }

    switch (there->kind) {
    case LUKSHDR_STORAGE_BUSY_CREATE:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' of pool '%s' is still being created"), vol->volume, vol->pool);
        break;
    case LUKSHDR_STORAGE_BUSY_READ:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' of pool '%s' is being cloned; wait until that is done"),
                    vol->volume, vol->pool);
        break;
    case LUKSHDR_STORAGE_BUSY_CHANGE:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' of pool '%s' is being resized, wiped or deleted; wait until "
                      "that is done"),
                    vol->volume, vol->pool);
        break;
    case LUKSHDR_STORAGE_BUSY_UPLOAD:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("a header of volume '%s' of pool '%s' is being uploaded; wait until that is "
                      "done"),
                    vol->volume, vol->pool);
        break;
    case LUKSHDR_STORAGE_BUSY_TRIM:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' of pool '%s' is being trimmed; wait until that is done"),
                    vol->volume, vol->pool);
        break;
    case LUKSHDR_STORAGE_BUSY_CHECK:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("the header of volume '%s' of pool '%s' is being checked, which takes long; "
                      "does its storage hang?"),
                    vol->volume, vol->pool);
        break;
    }
}

/* If @wanted is a whole pool, in which @vol is, gives @error the code and the beginning of stock's
 * (virStorageObj asyncjobs).  Clients that wait for a pool look for both. */
static void
lukshdrBusySetPool(const lukshdrStorageBusy *wanted, const lukshdrBusyVolume *vol, GError **error)
{
    const lukshdrBusyVolume *pool = &g_array_index(wanted->volumes, lukshdrBusyVolume, 0);
    g_autofree char *why = NULL;

    if (pool->volume || !vol->volume || !error)
        return;

    why = g_strdup((*error)->message);
    g_clear_error(error);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                _("pool '%s' has asynchronous jobs running: %s"), pool->pool, why);
}

typedef const lukshdrBusyVolume *(*lukshdrBusyMeet)(const lukshdrStorageBusy *there,
                                                    const lukshdrStorageBusy *wanted);

/* Returns the operation that is in the way of @wanted, or NULL.  The caller holds the lock. */
static const lukshdrStorageBusy *
lukshdrBusyFind(const lukshdrStorageBusy *wanted,
                lukshdrBusyMeet meet,
                const lukshdrBusyVolume **vol)
{
    guint i;

    for (i = 0; i < lukshdrBusyList->len; i++) {
        const lukshdrStorageBusy *there = g_ptr_array_index(lukshdrBusyList, i);

        if ((*vol = meet(there, wanted)))
            return there;
    }
    return NULL;
}

/* Takes @wanted over and, with @take, puts it into the list.  Frees it if something is in the way,
 * or without @take, which only looks. */
static bool
lukshdrBusyBegin(lukshdrStorageBusy *wanted, bool take, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrBusyLock);
    gint64 deadline = g_get_monotonic_time() + LUKSHDR_BUSY_WAIT;
    const lukshdrStorageBusy *there;
    const lukshdrBusyVolume *vol;

    if (!lukshdrBusyList)
        lukshdrBusyList = g_ptr_array_new();

    /* look for the same link first: its operation explains more than one on a single volume */
    while ((there = lukshdrBusyFind(wanted, lukshdrBusyMeetLink, &vol)) ||
           (there = lukshdrBusyFind(wanted, lukshdrBusyMeetVolumes, &vol))) {
        /* a check and an upload wait for nobody, so this cannot go round in a circle */
        if ((there->kind == LUKSHDR_STORAGE_BUSY_CHECK ||
             there->kind == LUKSHDR_STORAGE_BUSY_UPLOAD) &&
            g_cond_wait_until(&lukshdrBusyEnded, &lukshdrBusyLock, deadline))
            continue;
        lukshdrBusySetError(there, vol, error);
        lukshdrBusySetPool(wanted, vol, error);
        lukshdrBusyFree(wanted);
        return false;
    }

    if (take)
        g_ptr_array_add(lukshdrBusyList, wanted);
    else
        lukshdrBusyFree(wanted);
    return true;
}

void
lukshdrStorageBusyEnd(lukshdrStorageBusy *busy)
{
    if (!busy)
        return;

    g_mutex_lock(&lukshdrBusyLock);
    g_ptr_array_remove_fast(lukshdrBusyList, busy);
    g_cond_broadcast(&lukshdrBusyEnded);
    g_mutex_unlock(&lukshdrBusyLock);
    lukshdrBusyFree(busy);
}

lukshdrStorageBusy *
lukshdrStorageBusyLink(const lukshdrLink *link, lukshdrStorageBusyKind kind, GError **error)
{
    lukshdrStorageBusy *busy = lukshdrBusyNew(kind, link);
    bool whole = !lukshdrBusyIsShared(kind);
    bool header = whole && !(link->headerShared && kind == LUKSHDR_STORAGE_BUSY_CREATE);
    const lukshdrVolume *copy;
    guint i;

    lukshdrBusyAdd(busy, link->payload.pool, link->payload.volume, link->payload.path, whole);
    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        /* a replica without a place is named by a label only, and may be somebody else's volume */
        if (i == 0 || lukshdrVolumeLocation(copy) != LUKSHDR_LOCATION_NONE ||
            link->state == LUKSHDR_LINK_STATE_CREATING)
            lukshdrBusyAdd(busy, copy->pool, copy->volume, copy->path, header);
    }

    return lukshdrBusyBegin(busy, true, error) ? busy : NULL;
}

lukshdrStorageBusy *
lukshdrStorageBusyOne(const lukshdrLink *link,
                      const lukshdrVolume *vol,
                      lukshdrStorageBusyKind kind,
                      GError **error)
{
    lukshdrStorageBusy *busy = lukshdrBusyNew(kind, link);

    lukshdrBusyAdd(busy, vol->pool, vol->volume, vol->path, !lukshdrBusyIsShared(kind));
    return lukshdrBusyBegin(busy, true, error) ? busy : NULL;
}

static bool
lukshdrBusyIsAny(void)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrBusyLock);

    return lukshdrBusyList && lukshdrBusyList->len > 0;
}

/* Returns true if none of our operations uses @vol, which is a volume of stock's */
static bool
lukshdrBusyLook(virStorageVolPtr vol, lukshdrStorageBusyKind kind, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = NULL;
    g_autofree char *path = NULL;
    lukshdrStorageBusy *wanted;

    if (!lukshdrBusyIsAny())
        return true;

    if (!(pool = state->stock.storagePoolLookupByVolume(vol)) ||
        !(path = state->stock.storageVolGetPath(vol))) {
        lukshdrErrorFromLast(error);
        return false;
    }

    wanted = lukshdrBusyNew(kind, NULL);
    wanted->stock = true;
    lukshdrBusyAdd(wanted, virStoragePoolGetName(pool), virStorageVolGetName(vol), path,
                   !lukshdrBusyIsShared(kind));
    return lukshdrBusyBegin(wanted, false, error);
}

bool
lukshdrStorageBusyVolume(virStorageVolPtr vol,
                         const lukshdrLink *payload,
                         lukshdrStorageBusyKind kind,
                         lukshdrStorageBusy **busy,
                         GError **error)
{
    *busy = NULL;
    if (!payload)
        return lukshdrBusyLook(vol, kind, error);
    return (*busy = lukshdrStorageBusyLink(payload, kind, error)) != NULL;
}

lukshdrStorageBusy *
lukshdrStorageBusyPool(const char *pool, GError **error)
{
    lukshdrStorageBusy *busy = lukshdrBusyNew(LUKSHDR_STORAGE_BUSY_CHANGE, NULL);

    lukshdrBusyAdd(busy, pool, NULL, NULL, true);
    return lukshdrBusyBegin(busy, true, error) ? busy : NULL;
}

bool
lukshdrStorageBusyCheckPool(const char *pool, GError **error)
{
    lukshdrStorageBusy *wanted = lukshdrBusyNew(LUKSHDR_STORAGE_BUSY_CHANGE, NULL);

    lukshdrBusyAdd(wanted, pool, NULL, NULL, true);
    return lukshdrBusyBegin(wanted, false, error);
}

static bool
lukshdrBusyIsKind(const lukshdrLink *link, lukshdrStorageBusyKind kind)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrBusyLock);
    guint i;

    for (i = 0; lukshdrBusyList && i < lukshdrBusyList->len; i++) {
        const lukshdrStorageBusy *busy = g_ptr_array_index(lukshdrBusyList, i);

        if (busy->kind == kind && g_strcmp0(busy->link, link->uuid) == 0)
            return true;
    }
    return false;
}

bool
lukshdrStorageIsUnderWay(const lukshdrLink *link)
{
    return lukshdrBusyIsKind(link, LUKSHDR_STORAGE_BUSY_CREATE);
}

bool
lukshdrStorageIsTrimmed(const lukshdrLink *link)
{
    return lukshdrBusyIsKind(link, LUKSHDR_STORAGE_BUSY_TRIM);
}
