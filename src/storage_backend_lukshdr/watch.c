/*
 * watch.c: following what happens to pools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Events come in the daemon's event loop, which must not wait for anything.  So the callbacks only
 * queue the pool's name.  A thread of our own then calls scan.c, as the system.
 */

#include "config.h"

#include "watch.h"

#include "util/error.h"
#include "util/log.h"
#include "lookup.h"
#include "scan.h"

typedef struct _lukshdrWatch lukshdrWatch;
struct _lukshdrWatch {
    virConnectPtr conn;
    int lifecycle; /* libvirt's numbers of the two registrations, -1 for none */
    int refresh;
    GThread *thread;

    /* The lock protects what is below.  It is a leaf: a thread that holds it calls nothing. */
    GMutex lock;
    GCond wakeup;
    GHashTable *pools; /* char *, names of pools to look at -> GINT_TO_POINTER, whether started */
    bool all;
    bool end;
};

/* Written by WatchStart and WatchStop, when nothing else of ours runs in the event loop or for
 * clients */
static lukshdrWatch *lukshdrStorageWatch;

static void
lukshdrWatchQueue(lukshdrWatch *watch, virStoragePoolPtr pool, bool started)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&watch->lock);
    const char *name = virStoragePoolGetName(pool);

    /* queue a pool once, however many events it had */
    started |= GPOINTER_TO_INT(g_hash_table_lookup(watch->pools, name));
    g_hash_table_insert(watch->pools, g_strdup(name), GINT_TO_POINTER(started));
    g_cond_signal(&watch->wakeup);
}

static void
lukshdrWatchLifecycle(virConnectPtr conn G_GNUC_UNUSED,
                      virStoragePoolPtr pool,
                      int event,
                      int detail G_GNUC_UNUSED,
                      void *opaque)
{
    if (event == VIR_STORAGE_POOL_EVENT_STARTED)
        lukshdrWatchQueue(opaque, pool, true);
}

static void
lukshdrWatchRefresh(virConnectPtr conn G_GNUC_UNUSED, virStoragePoolPtr pool, void *opaque)
{
    lukshdrWatchQueue(opaque, pool, false);
}

/* Waits for something to do.  Returns the pools to look at, unreffed by the caller; @all is set if
 * the thread must look at all of them.  Returns NULL at the end. */
static GHashTable *
lukshdrWatchNext(lukshdrWatch *watch, bool *all)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&watch->lock);
    GHashTable *pools = watch->pools;

    while (!watch->end && !watch->all && g_hash_table_size(watch->pools) == 0)
        g_cond_wait(&watch->wakeup, &watch->lock);
    if (watch->end)
        return NULL;

    *all = watch->all;
    watch->all = false;
    watch->pools = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return pools;
}

static gpointer
lukshdrWatchRun(gpointer opaque)
{
    lukshdrWatch *watch = opaque;
    GHashTable *pools;
    GHashTableIter iter;
    gpointer name;
    gpointer started;
    bool all;

    /* a new thread has no identity, and stock would refuse it everything */
    lukshdrStorageBecomeSystem();

    while ((pools = lukshdrWatchNext(watch, &all))) {
        if (all)
            lukshdrStorageScanAll(watch->conn);

        g_hash_table_iter_init(&iter, pools);
        while (!all && g_hash_table_iter_next(&iter, &name, &started))
            lukshdrStorageScanPool(watch->conn, name, GPOINTER_TO_INT(started));
        g_hash_table_unref(pools);
        virResetLastError();
    }

    lukshdrStorageBecomeClient(NULL);
    return NULL;
}

static void
lukshdrWatchFree(lukshdrWatch *watch)
{
    if (watch->lifecycle >= 0)
        lukshdrStorageState.stock.connectStoragePoolEventDeregisterAny(watch->conn,
                                                                       watch->lifecycle);
    if (watch->refresh >= 0)
        lukshdrStorageState.stock.connectStoragePoolEventDeregisterAny(watch->conn, watch->refresh);
    virConnectClose(watch->conn);
    g_hash_table_unref(watch->pools);
    g_mutex_clear(&watch->lock);
    g_cond_clear(&watch->wakeup);
    g_free(watch);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrWatch, lukshdrWatchFree)

static lukshdrWatch *
lukshdrWatchNew(virConnectPtr conn)
{
    lukshdrWatch *watch = g_new0(lukshdrWatch, 1);

    virConnectRef(conn);
    watch->conn = conn;
    watch->lifecycle = -1;
    watch->refresh = -1;
    g_mutex_init(&watch->lock);
    g_cond_init(&watch->wakeup);
    watch->pools = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return watch;
}

/* A look at all links asks no cluster (scan.c), so those pools are looked at that were started with the
 * storage driver */
static void
lukshdrWatchQueueRemote(lukshdrWatch *watch)
{
    g_autoptr(GPtrArray) links = lukshdrRegistryList(lukshdrStorageState.registry, NULL);
    guint i;

    for (i = 0; links && i < links->len; i++) {
        const lukshdrVolume *vol;
        guint j;

        for (j = 0; (vol = lukshdrLinkVolumeAt(g_ptr_array_index(links, i), j)); j++) {
            g_autoptr(virStoragePool) pool = NULL;

            if (vol->remote && !g_hash_table_contains(watch->pools, vol->pool) &&
                (pool = lukshdrStorageOpenPool(watch->conn, vol->pool, NULL)))
                lukshdrWatchQueue(watch, pool, false);
        }
    }
    virResetLastError();
}

bool
lukshdrStorageWatchStart(virConnectPtr conn, GError **error)
{
    g_autoptr(lukshdrWatch) watch = lukshdrWatchNew(conn);

    /* stock's: what events.c tells clients is nothing to look at for us */
    watch->lifecycle = lukshdrStorageState.stock.connectStoragePoolEventRegisterAny(
        conn, NULL, VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
        VIR_STORAGE_POOL_EVENT_CALLBACK(lukshdrWatchLifecycle), watch, NULL);
    if (watch->lifecycle < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }

    watch->refresh = lukshdrStorageState.stock.connectStoragePoolEventRegisterAny(
        conn, NULL, VIR_STORAGE_POOL_EVENT_ID_REFRESH, lukshdrWatchRefresh, watch, NULL);
    if (watch->refresh < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }

    lukshdrWatchQueueRemote(watch);
    if (!(watch->thread = g_thread_try_new("lukshdr-watch", lukshdrWatchRun, watch, error)))
        return false;
    lukshdrStorageWatch = g_steal_pointer(&watch);
    return true;
}

void
lukshdrStorageWatchAll(void)
{
    lukshdrWatch *watch = lukshdrStorageWatch;

    if (!watch)
        return;

    g_mutex_lock(&watch->lock);
    watch->all = true;
    g_cond_signal(&watch->wakeup);
    g_mutex_unlock(&watch->lock);
}

void
lukshdrStorageWatchPool(virStoragePoolPtr pool)
{
    if (lukshdrStorageWatch)
        lukshdrWatchQueue(lukshdrStorageWatch, pool, false);
}

void
lukshdrStorageWatchStop(void)
{
    g_autoptr(lukshdrWatch) watch = g_steal_pointer(&lukshdrStorageWatch);

    if (!watch)
        return;

    g_mutex_lock(&watch->lock);
    watch->end = true;
    g_cond_signal(&watch->wakeup);
    g_mutex_unlock(&watch->lock);
    /* the thread may be in the middle of a scan */
    lukshdrStorageScanEnd();
    g_thread_join(watch->thread);
}
