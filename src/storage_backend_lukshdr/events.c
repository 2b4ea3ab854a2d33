/*
 * events.c: telling clients that the volumes of a header pool have changed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Callbacks run in the event loop alone, as stock's do, and with the lock held: so none is called, and
 * what it was given is not freed, once DeregisterAny has returned or freed it.  The daemon's callbacks put
 * a message into the queue of a client, and wait for nothing.
 */

#include "config.h"

#include "events.h"

#include <string.h>

#include "storage.h"

typedef struct _lukshdrEventsClient lukshdrEventsClient;
struct _lukshdrEventsClient {
    virConnectPtr conn; /* a reference */
    int id;
    bool all; /* or else the pool with that UUID */
    char uuid[VIR_UUID_STRING_BUFLEN];
    virConnectStoragePoolEventGenericCallback callback; /* that of a refresh has its form */
    void *opaque;                                       /* stock frees it */
};

/* The lock protects all that is below */
static GMutex lukshdrEventsLock;
static GPtrArray *lukshdrEventsClients; /* lukshdrEventsClient * */
static GPtrArray *lukshdrEventsChanged; /* virStoragePoolPtr, references */
static int lukshdrEventsTimer = -1;     /* libvirt's number, -1 for none */

static void
lukshdrEventsClientFree(void *opaque)
{
    lukshdrEventsClient *client = opaque;

    virConnectClose(client->conn);
    g_free(client);
}

static void
lukshdrEventsPoolFree(void *opaque)
{
    virStoragePoolFree(opaque);
}

int
lukshdrStorageEventsRegister(virConnectPtr conn,
                             virStoragePoolPtr pool,
                             int event,
                             virConnectStoragePoolEventGenericCallback callback,
                             void *opaque,
                             virFreeCallback freeOpaque)
{
    int id = lukshdrStorageState.stock.connectStoragePoolEventRegisterAny(
        conn, pool, event, callback, opaque, freeOpaque);
    lukshdrEventsClient *client;

    if (id < 0 || event != VIR_STORAGE_POOL_EVENT_ID_REFRESH)
        return id;

    client = g_new0(lukshdrEventsClient, 1);
    client->id = id;
    client->all = !pool || virStoragePoolGetUUIDString(pool, client->uuid) < 0;
    client->callback = callback;
    client->opaque = opaque;
    virConnectRef(conn);
    client->conn = conn;

    g_mutex_lock(&lukshdrEventsLock);
    if (!lukshdrEventsClients)
        lukshdrEventsClients = g_ptr_array_new_with_free_func(lukshdrEventsClientFree);
    g_ptr_array_add(lukshdrEventsClients, client);
    g_mutex_unlock(&lukshdrEventsLock);
    return id;
}

int
lukshdrStorageEventsDeregister(virConnectPtr conn, int id)
{
    lukshdrEventsClient *gone = NULL;
    guint i;

    g_mutex_lock(&lukshdrEventsLock);
    for (i = 0; lukshdrEventsClients && !gone && i < lukshdrEventsClients->len; i++) {
        lukshdrEventsClient *client = g_ptr_array_index(lukshdrEventsClients, i);

        if (client->id == id && client->conn == conn)
            gone = g_ptr_array_steal_index(lukshdrEventsClients, i);
    }
    g_mutex_unlock(&lukshdrEventsLock);

    if (gone)
        lukshdrEventsClientFree(gone);
    return lukshdrStorageState.stock.connectStoragePoolEventDeregisterAny(conn, id);
}

static void
lukshdrEventsTell(virStoragePoolPtr pool)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    guint i;

    if (virStoragePoolGetUUIDString(pool, uuid) < 0)
        return;
    for (i = 0; i < lukshdrEventsClients->len; i++) {
        const lukshdrEventsClient *client = g_ptr_array_index(lukshdrEventsClients, i);

        if (client->all || g_str_equal(client->uuid, uuid))
            client->callback(client->conn, pool, client->opaque);
    }
}

/* Runs in the event loop */
static void
lukshdrEventsFlush(int timer, void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrEventsLock);
    g_autoptr(GPtrArray) changed = g_steal_pointer(&lukshdrEventsChanged);
    guint i;

    virEventRemoveTimeout(timer);
    lukshdrEventsTimer = -1;
    for (i = 0; changed && i < changed->len; i++)
        lukshdrEventsTell(g_ptr_array_index(changed, i));
    virResetLastError();
}

void
lukshdrStorageEventsPool(virStoragePoolPtr pool)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrEventsLock);

    if (!lukshdrEventsClients || lukshdrEventsClients->len == 0)
        return;

    if (!lukshdrEventsChanged)
        lukshdrEventsChanged = g_ptr_array_new_with_free_func(lukshdrEventsPoolFree);
    virStoragePoolRef(pool);
    g_ptr_array_add(lukshdrEventsChanged, pool);
    if (lukshdrEventsTimer < 0)
        lukshdrEventsTimer = virEventAddTimeout(0, lukshdrEventsFlush, NULL, NULL);
}

void
lukshdrStorageEventsHeaders(virConnectPtr conn, const lukshdrLink *link)
{
    virIdentity *client = lukshdrStorageBecomeSystem();
    const lukshdrVolume *copy;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        g_autoptr(virStoragePool)
            pool = lukshdrStorageState.stock.storagePoolLookupByName(conn, copy->pool);

        if (pool)
            lukshdrStorageEventsPool(pool);
    }
    virResetLastError();
    lukshdrStorageBecomeClient(client);
}
