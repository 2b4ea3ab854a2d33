/*
 * scan.c: looking at the links that need a pool
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The invariant: the scan leaves alone what a client's thread is at work on.  It takes a link
 * (busy.h) and reads it again before it changes it.  So if the state of a link says that something
 * is under way, and the scan can take the link, then a process that died or an operation that
 * failed has left it so.
 */

#include "config.h"

#include "scan.h"

#include <glib/gi18n-lib.h>

#include "util/error.h"
#include "link/handle.h"
#include "link/header.h"
#include "link/label.h"
#include "util/log.h"
#include "link/pool-state.h"
#include "link/rbd.h"
#include "vol-link.h"
#include "vol-unlink.h"
#include "busy.h"
#include "discover.h"
#include "leftover.h"
#include "lookup.h"
#include "moved.h"
#include "use.h"
#include "entry.h"

/* Whether the daemon is about to end */
static gint lukshdrScanEnded;

/* The lock protects the tables below it.  It is a leaf: a thread that holds it calls nothing. */
static GMutex lukshdrScanLock;
/* What the log last said of a volume that is lost: "POOL/VOLUME" ('/' is in neither) -> char * */
static GHashTable *lukshdrScanLost;
/* What the log last said of an operation that cannot be completed: UUID of the link -> char * */
static GHashTable *lukshdrScanStuck;

/* Remembers @message for @key, or, if it is NULL, that all is well.  Returns true if that is
 * new. */
static bool
lukshdrScanSay(GHashTable **table, const char *key, const char *message)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrScanLock);

    if (!*table)
        *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    if (g_strcmp0(g_hash_table_lookup(*table, key), message) == 0)
        return false;
    if (message)
        g_hash_table_replace(*table, g_strdup(key), g_strdup(message));
    else
        g_hash_table_remove(*table, key);
    return true;
}

static char *
lukshdrScanKey(const char *pool, const char *volume)
{
    return g_strdup_printf("%s/%s", pool, volume);
}

bool
lukshdrStorageScanIsLost(const char *pool, const char *volume)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrScanLock);
    g_autofree char *key = lukshdrScanKey(pool, volume);

    return lukshdrScanLost && g_hash_table_contains(lukshdrScanLost, key);
}

bool
lukshdrStorageScanAnyLost(void)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrScanLock);

    return lukshdrScanLost && g_hash_table_size(lukshdrScanLost) > 0;
}

/* Does a link exist for @key, which names a link or a volume of one?  Do not hold the lock. */
static bool
lukshdrScanIsKnown(const char *key)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    g_auto(GStrv) names = g_strsplit(key, "/", 2);
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;

    if (!names[1])
        return (payload = lukshdrRegistryGet(registry, key)) != NULL;
    return !lukshdrRegistryLookup(registry, names[0], names[1], &payload, &header, NULL) ||
           payload || header;
}

/* Forgets what the log said of links that no longer exist */
static void
lukshdrScanForget(void)
{
    GHashTable **const tables[] = { &lukshdrScanLost, &lukshdrScanStuck };
    size_t i;
    guint j;

    for (i = 0; i < G_N_ELEMENTS(tables); i++) {
        g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter iter;
        gpointer key;

        g_mutex_lock(&lukshdrScanLock);
        if (*tables[i])
            g_hash_table_iter_init(&iter, *tables[i]);
        while (*tables[i] && g_hash_table_iter_next(&iter, &key, NULL))
            g_ptr_array_add(keys, g_strdup(key));
        g_mutex_unlock(&lukshdrScanLock);

        for (j = 0; j < keys->len; j++) {
            if (!lukshdrScanIsKnown(g_ptr_array_index(keys, j)))
                lukshdrScanSay(tables[i], g_ptr_array_index(keys, j), NULL);
        }
    }
}

static void
lukshdrScanReportFinished(const lukshdrLink *link)
{
    switch (link->state) {
    case LUKSHDR_LINK_STATE_CREATING:
        LUKSHDR_LOG_WARN(_("The creation of linked volume '%s' of pool '%s' was interrupted, "
                           "what there was of it has been removed"),
                         link->payload.volume, link->payload.pool);
        break;
    case LUKSHDR_LINK_STATE_DELETING:
        LUKSHDR_LOG_WARN(_("The deletion of linked volume '%s' of pool '%s' was interrupted "
                           "and is now complete"),
                         link->payload.volume, link->payload.pool);
        break;
    case LUKSHDR_LINK_STATE_WIPING:
        LUKSHDR_LOG_WARN(_("The wiping of linked volume '%s' of pool '%s' was interrupted and is "
                           "now complete"),
                         link->payload.volume, link->payload.pool);
        break;
    case LUKSHDR_LINK_STATE_UNLINKING:
        LUKSHDR_LOG_WARN(_("The unlinking of linked volume '%s' of pool '%s' from its header was "
                           "interrupted and is now complete"),
                         link->payload.volume, link->payload.pool);
        break;
    case LUKSHDR_LINK_STATE_ACTIVE:
    case LUKSHDR_LINK_STATE_WIPED:
        break;
    }
}

static bool
lukshdrScanComplete(lukshdrLink *link, virConnectPtr conn, GError **error)
{
    switch (link->state) {
    case LUKSHDR_LINK_STATE_CREATING:
        lukshdrStorageRemoveLeftover(link, conn);
        return lukshdrStorageDeleteFinish(link, conn, error);
    case LUKSHDR_LINK_STATE_DELETING:
        return lukshdrStorageDeleteFinish(link, conn, error);
    case LUKSHDR_LINK_STATE_WIPING:
        return lukshdrStorageWipeFinish(link, conn, error);
    case LUKSHDR_LINK_STATE_UNLINKING:
        /* a link without a LUKS UUID was never active: linking was interrupted */
        return link->luksUUID ? lukshdrStorageUnlinkFinish(link, conn, error)
                              : lukshdrStorageLinkExistingFinish(link, error);
    case LUKSHDR_LINK_STATE_ACTIVE:
    case LUKSHDR_LINK_STATE_WIPED:
        break;
    }
    return true;
}

/* Are the pools active that hold volumes of @link on a cluster?  Nobody asks the cluster before: one that does
 * not answer would keep a start of the daemon waiting. */
static bool
lukshdrScanCanAsk(const lukshdrLink *link, virConnectPtr conn, GError **error)
{
    const lukshdrVolume *vol;
    guint i;

    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        g_autoptr(virStoragePool) pool = NULL;

        if (vol->remote && !(pool = lukshdrStorageOpenPool(conn, vol->pool, error)))
            return false;
    }
    return true;
}

/* Finishes the operation that @seen's state says is under way, unless a thread is still at work on
 * it */
static void
lukshdrScanFinish(const lukshdrLink *seen, virConnectPtr conn)
{
    g_autoptr(lukshdrStorageBusy)
        busy = lukshdrStorageBusyLink(seen, LUKSHDR_STORAGE_BUSY_CHANGE, NULL);
    g_autoptr(lukshdrLink)
        link = busy ? lukshdrRegistryGet(lukshdrStorageState.registry, seen->uuid) : NULL;
    g_autoptr(GError) error = NULL;
    bool restored = false;

    if (!link || link->state != seen->state)
        return;

    if (lukshdrScanCanAsk(link, conn, &error) && lukshdrStorageRecover(link, &restored, &error) &&
        (restored || lukshdrScanComplete(link, conn, &error))) {
        lukshdrScanSay(&lukshdrScanStuck, link->uuid, NULL);
        if (!restored)
            lukshdrScanReportFinished(link);
    } else if (lukshdrScanSay(&lukshdrScanStuck, link->uuid, error->message)) {
        LUKSHDR_LOG_ERROR(_("Linked volume '%s' of pool '%s' is in state '%s', which was "
                            "interrupted and cannot be cleared up; that is tried again whenever "
                            "one of its pools is started or refreshed: %s"),
                          link->payload.volume, link->payload.pool,
                          lukshdrLinkStateToString(link->state), error->message);
    }
}

/* Is @vol where it was recorded?  Returns true, with @fresh set to its present identity, or false
 * with @error set.  A header that was put back from a backup is another file with the same
 * content. */
static bool
lukshdrScanExamine(const lukshdrLink *link,
                   const lukshdrVolume *vol,
                   lukshdrIdentity *fresh,
                   GError **error)
{
    bool content = vol != &link->payload && link->state == LUKSHDR_LINK_STATE_ACTIVE;
    g_autoptr(lukshdrHandle) handle = NULL;

    /* the usual case, cheap enough for a start with many links */
    if (lukshdrIdentityFromPath(vol->path, fresh, NULL) &&
        lukshdrIdentityCompare(&vol->identity, fresh) == LUKSHDR_IDENTITY_SAME)
        return true;

    /* if a device has no lasting name, its path says more than its number */
    if (fresh->type == LUKSHDR_IDENTITY_BLOCK && vol->identity.type == LUKSHDR_IDENTITY_BLOCK &&
        !(fresh->id[0] && vol->identity.id[0]))
        return true;

    handle = lukshdrHandleOpen(vol, content ? LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER : 0,
                               error);
    if (!handle)
        return false;

    *fresh = handle->identity;
    return handle->match != LUKSHDR_IDENTITY_DIFFERENT ||
           lukshdrHeaderCheck(link, vol, handle->fd, NULL, error);
}

/* One scan, and the answers that it has had */
typedef struct _lukshdrScan lukshdrScan;
struct _lukshdrScan {
    const char *pool;   /* what was started or refreshed; NULL for all */
    GHashTable *active; /* name of a pool -> GINT_TO_POINTER, whether it is active */
    GHashTable *dirs;   /* name of a pool -> where its volumes are, or NULL if names do not say */
    GHashTable *images; /* a pool on a cluster -> lukshdrRBDList's, or NULL if that failed */
};

static void
lukshdrScanUnrefImages(gpointer images)
{
    if (images)
        g_hash_table_unref(images);
}

static void
lukshdrScanInit(lukshdrScan *scan, const char *pool)
{
    scan->pool = pool;
    scan->active = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    scan->dirs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    scan->images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, lukshdrScanUnrefImages);
}

static void
lukshdrScanClear(lukshdrScan *scan)
{
    g_hash_table_unref(scan->active);
    g_hash_table_unref(scan->dirs);
    g_hash_table_unref(scan->images);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrScan, lukshdrScanClear)

/* Is the pool active?  If not, its volumes may not be mounted, and it means nothing that they are
 * not there. */
static bool
lukshdrScanIsActive(lukshdrScan *scan, const char *pool)
{
    gpointer active;

    if (!g_hash_table_lookup_extended(scan->active, pool, NULL, &active)) {
        active = GINT_TO_POINTER(lukshdrPoolStateIsActive(lukshdrStorageState.privileged, pool));
        g_hash_table_insert(scan->active, g_strdup(pool), active);
    }
    return GPOINTER_TO_INT(active);
}

/* Where the volumes of an active pool are, NULL if that does not follow from their names */
static const char *
lukshdrScanDirectory(lukshdrScan *scan, const lukshdrVolume *vol)
{
    gpointer dir;

    if (!g_hash_table_lookup_extended(scan->dirs, vol->pool, NULL, &dir)) {
        g_autofree char *path = lukshdrPoolStateVolumePath(lukshdrStorageState.privileged,
                                                           vol->pool, vol->volume, NULL);

        dir = path ? g_path_get_dirname(path) : NULL;
        g_hash_table_insert(scan->dirs, g_strdup(vol->pool), dir);
    }
    return dir;
}

/* Follows the volumes of @link whose pools were moved.  Returns whether the registry has changed. */
static bool
lukshdrScanFollow(lukshdrScan *scan, const lukshdrLink *link)
{
    const lukshdrVolume *vol;
    bool changed = false;
    guint i;

    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        const char *dir = NULL;
        g_autofree char *path = NULL;

        if (vol->path && lukshdrScanIsActive(scan, vol->pool))
            dir = lukshdrScanDirectory(scan, vol);
        if (dir && lukshdrStorageFollow(link, i, path = g_build_filename(dir, vol->volume, NULL)))
            changed = true;
    }
    return changed;
}

/* What the pool on a cluster has, that @remote is in: a set of ids (lukshdrRBDList); NULL if the cluster does
 * not say */
static GHashTable *
lukshdrScanImages(lukshdrScan *scan, const lukshdrRemote *remote)
{
    g_autofree char *pool = g_path_get_dirname(remote->name);
    g_autofree char *servers = g_strjoinv(",", remote->servers);
    g_autofree char *key = g_strdup_printf("%s at %s", pool, servers);
    g_autoptr(GError) error = NULL;
    gpointer images;

    if (g_hash_table_lookup_extended(scan->images, key, NULL, &images))
        return images;

    if (!(images = lukshdrRBDList(remote, &error)))
        LUKSHDR_LOG_WARN(_("Whether linked volumes have lost images of pool '%s' is not known: %s"),
                         scan->pool, error->message);
    g_hash_table_insert(scan->images, g_steal_pointer(&key), images);
    return images;
}

/* Is the image there, by whatever name?  Returns true also if nobody can tell, or @error set. */
static bool
lukshdrScanHasImage(lukshdrScan *scan, const lukshdrVolume *vol, GError **error)
{
    g_autofree char *where = lukshdrVolumeWhere(vol);
    GHashTable *images = vol->remote->kind == LUKSHDR_LOCATION_RBD
                             ? lukshdrScanImages(scan, vol->remote)
                             : NULL;

    if (!images || vol->identity.type != LUKSHDR_IDENTITY_RBD ||
        g_hash_table_contains(images, vol->identity.id))
        return true;
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL,
                _("the Ceph cluster has no image with the id of '%s' any more; if it is in the "
                  "trash, bring it back (rbd trash restore)"),
                where);
    return false;
}

/* As lukshdrScanExamine, of an image.  A header that was put back from a backup is another image of that
 * name. */
static bool
lukshdrScanExamineImage(lukshdrScan *scan,
                        const lukshdrLink *link,
                        const lukshdrVolume *vol,
                        lukshdrIdentity *fresh,
                        GError **error)
{
    g_autoptr(GError) lost = NULL;
    g_autoptr(lukshdrHandle) handle = NULL;

    *fresh = vol->identity;
    if (lukshdrScanHasImage(scan, vol, &lost))
        return true;

    if (vol != &link->payload && link->state == LUKSHDR_LINK_STATE_ACTIVE &&
        (handle = lukshdrHandleOpen(vol, LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER, NULL)) &&
        lukshdrHeaderCheck(link, vol, handle->fd, NULL, NULL)) {
        *fresh = handle->identity;
        return true;
    }
    g_propagate_error(error, g_steal_pointer(&lost));
    return false;
}

/* Logs if @vol is lost, or is back.  Returns true if @fresh must be recorded: if the volume's file
 * system has a new device number, if the volume is a header that was put back from a backup, or if
 * it is a device whose lasting name an earlier release did not record. */
static bool
lukshdrScanCheckVolume(lukshdrScan *scan,
                       const lukshdrLink *link,
                       const lukshdrVolume *vol,
                       lukshdrIdentity *fresh)
{
    g_autoptr(lukshdrLink) current = NULL;
    g_autofree char *key = NULL;
    g_autoptr(GError) error = NULL;
    bool back = false;

    if (lukshdrVolumeLocation(vol) == LUKSHDR_LOCATION_NONE ||
        !lukshdrScanIsActive(scan, vol->pool))
        return false;

    /* Ask a cluster only about a pool that was started or refreshed: it has just answered stock.  Otherwise
     * one that does not answer would keep a start of the daemon, and other pools, waiting. */
    if (vol->remote && g_strcmp0(scan->pool, vol->pool))
        return false;

    if (!(vol->remote ? lukshdrScanExamineImage(scan, link, vol, fresh, &error)
                      : lukshdrScanExamine(link, vol, fresh, &error))) {
        /* the pool may have been stopped since the earlier answer, and the volume deleted */
        g_hash_table_remove(scan->active, vol->pool);
        current = lukshdrRegistryGet(lukshdrStorageState.registry, link->uuid);
        if (!lukshdrScanIsActive(scan, vol->pool) || !current || current->state != link->state)
            return false;

        key = lukshdrScanKey(vol->pool, vol->volume);
        if (lukshdrScanSay(&lukshdrScanLost, key, error->message))
            LUKSHDR_LOG_WARN(_("Linked volume '%s' of pool '%s' has lost volume '%s' of pool '%s' "
                               "and cannot be used until it is back; the link is kept: %s"),
                             link->payload.volume, link->payload.pool, vol->volume, vol->pool,
                             error->message);
        return false;
    }

    if (lukshdrStorageScanAnyLost()) {
        key = lukshdrScanKey(vol->pool, vol->volume);
        back = lukshdrScanSay(&lukshdrScanLost, key, NULL);
    }
    if (back)
        LUKSHDR_LOG_WARN(_("Volume '%s' of pool '%s', of linked volume '%s' of pool '%s', is back"),
                         vol->volume, vol->pool, link->payload.volume, link->payload.pool);

    if (vol->remote)
        return lukshdrIdentityCompare(&vol->identity, fresh) == LUKSHDR_IDENTITY_DIFFERENT;
    if (fresh->type == LUKSHDR_IDENTITY_BLOCK)
        return fresh->id[0] && !vol->identity.id[0];
    return fresh->dev != vol->identity.dev || fresh->inode != vol->identity.inode;
}

typedef struct _lukshdrScanFresh lukshdrScanFresh;
struct _lukshdrScanFresh {
    guint i; /* which volume (lukshdrLinkVolumeAt) */
    const lukshdrVolume *seen;
    lukshdrIdentity identity;
};

/* A lukshdrStorageChange */
static bool
lukshdrScanRenew(lukshdrLink *link, void *opaque)
{
    const lukshdrScanFresh *fresh = opaque;
    lukshdrVolume *vol = lukshdrLinkVolumeAt(link, fresh->i);

    /* it may be another volume by now */
    if (!vol || !lukshdrVolumeIsSamePlace(vol, fresh->seen))
        return false;
    vol->identity = fresh->identity;
    return true;
}

static void
lukshdrScanCheckVolumes(lukshdrScan *scan, lukshdrLink *link)
{
    const lukshdrVolume *vol;
    guint i;

    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        lukshdrScanFresh fresh = { .i = i, .seen = vol };
        g_autoptr(GError) error = NULL;

        if (lukshdrScanCheckVolume(scan, link, vol, &fresh.identity) &&
            !lukshdrStorageUpdate(link, lukshdrScanRenew, &fresh, &error))
            LUKSHDR_LOG_ERROR("%s", error->message);
    }
}

/* @pool may be NULL for all */
static void
lukshdrScanLinks(virConnectPtr conn, const char *pool)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    g_auto(lukshdrScan) scan = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) links = pool ? lukshdrRegistryListPool(registry, pool, &error)
                                      : lukshdrRegistryList(registry, &error);
    guint i;

    lukshdrScanInit(&scan, pool);
    if (!links) {
        LUKSHDR_LOG_ERROR("%s", error->message);
        return;
    }

    lukshdrScanForget();
    for (i = 0; i < links->len && !g_atomic_int_get(&lukshdrScanEnded); i++) {
        lukshdrLink *link = g_ptr_array_index(links, i);

        switch (link->state) {
        case LUKSHDR_LINK_STATE_ACTIVE:
        case LUKSHDR_LINK_STATE_WIPED:
            if (lukshdrScanFollow(&scan, link)) {
                g_autoptr(lukshdrLink) followed = lukshdrRegistryGet(registry, link->uuid);

                if (followed)
                    lukshdrScanCheckVolumes(&scan, followed);
            } else {
                lukshdrScanCheckVolumes(&scan, link);
            }
            break;
        case LUKSHDR_LINK_STATE_CREATING:
        case LUKSHDR_LINK_STATE_DELETING:
        case LUKSHDR_LINK_STATE_WIPING:
        case LUKSHDR_LINK_STATE_UNLINKING:
            lukshdrScanFinish(link, conn);
            break;
        }
    }
}

void
lukshdrStorageScanPool(virConnectPtr conn, const char *pool, bool started)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();

    /* check headers first: a header that a replica can replace must not be called lost */
    if (started)
        lukshdrStorageCheckHeaders(pool);
    lukshdrScanLinks(conn, pool);
    /* if a pool was started, labels in any other pool may have waited for its payloads */
    lukshdrStorageDiscover(conn, started ? NULL : pool);
}

void
lukshdrStorageScanAll(virConnectPtr conn)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();

    lukshdrScanLinks(conn, NULL);
    lukshdrStorageDiscover(conn, NULL);
}

void
lukshdrStorageScanEnd(void)
{
    g_atomic_int_set(&lukshdrScanEnded, 1);
    lukshdrStorageDiscoverEnd();
    lukshdrLabelLockEnd();
}
