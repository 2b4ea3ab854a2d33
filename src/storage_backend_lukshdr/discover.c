/*
 * discover.c: links that come with their headers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A label is a claim.  Anybody who can write to the header pool may have written it, maybe on
 * another host.  We follow a claim if the volume with the payload's name is the very file or device
 * that the label recorded.  Then we take the names, the LUKS UUID, the secret and the format from
 * the label; paths and identities are those of this host.  Nobody here removes a secret because a
 * label names it.  Every other claim is remembered as found: it is shown and used for nothing else.
 */

#include "config.h"

#include "discover.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>

#include "util/error.h"
#include "link/handle.h"
#include "link/header.h"
#include "link/label.h"
#include "link/payload.h"
#include "util/log.h"
#include "util/text.h"
#include "link/replica.h"
#include "busy.h"
#include "defaults.h"
#include "entry.h"
#include "headers.h"
#include "lookup.h"
#include "remote.h"
#include "recognise.h"
#include "vol-xml.h"

/* How many messages and how many found headers are kept for a pool.  Somebody who can write labels
 * can write many. */
#define LUKSHDR_DISCOVER_MAX 1000

/* Whether the daemon is about to end */
static gint lukshdrDiscoverEnded;

/* The result of a look at a pool */
typedef struct _lukshdrDiscovery lukshdrDiscovery;
struct _lukshdrDiscovery {
    GHashTable *said; /* char *: messages that were logged; each is logged once while it holds */
    GHashTable
        *found; /* where a volume is -> GPtrArray of lukshdrLink *: the claims of its label */
};

/* Name of a pool -> lukshdrDiscovery of the last look at it.  Its lock is a leaf. */
static GMutex lukshdrDiscoverLock;
static GHashTable *lukshdrDiscoveries;

static void
lukshdrDiscoveryFree(lukshdrDiscovery *discovery)
{
    g_hash_table_unref(discovery->said);
    g_hash_table_unref(discovery->found);
    g_free(discovery);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrDiscovery, lukshdrDiscoveryFree)

static lukshdrDiscovery *
lukshdrDiscoveryNew(void)
{
    lukshdrDiscovery *discovery = g_new0(lukshdrDiscovery, 1);

    discovery->said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    discovery->found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             (GDestroyNotify)g_ptr_array_unref);
    return discovery;
}

/* With the lock held */
static lukshdrDiscovery *
lukshdrDiscoveryOf(const char *pool)
{
    return lukshdrDiscoveries ? g_hash_table_lookup(lukshdrDiscoveries, pool) : NULL;
}

/* The volume that is looked at */
typedef struct _lukshdrDiscover lukshdrDiscover;
struct _lukshdrDiscover {
    virConnectPtr conn;
    lukshdrDiscovery *discovery; /* of this look at its pool */
    const char *pool;
    const char *volume;
    const lukshdrVolume *place; /* only where it is */
    const char *where;          /* the same for messages */
    const lukshdrHandle *handle;
};

static void
lukshdrDiscoverReport(const lukshdrDiscover *here, const GError *error)
{
    const lukshdrDiscovery *before;
    bool fresh;

    if (g_hash_table_size(here->discovery->said) >= LUKSHDR_DISCOVER_MAX)
        return;

    g_mutex_lock(&lukshdrDiscoverLock);
    before = lukshdrDiscoveryOf(here->pool);
    fresh = !before || !g_hash_table_contains(before->said, error->message);
    g_mutex_unlock(&lukshdrDiscoverLock);

    if (g_hash_table_add(here->discovery->said, g_strdup(error->message)) && fresh)
        LUKSHDR_LOG_WARN("%s", error->message);
}

/* Remembers @claim as found, and logs @reason: why nobody follows the claim by itself */
static void
lukshdrDiscoverFind(const lukshdrDiscover *here, const lukshdrLink *claim, GError **reason)
{
    GHashTable *found = here->discovery->found;
    GPtrArray *links = g_hash_table_lookup(found, here->where);
    g_autofree char *payload = lukshdrTextShellName(claim->payload.pool, claim->payload.volume);
    g_autofree char *header = lukshdrTextShellName(here->pool, here->volume);
    lukshdrLink *link;

    if (!links && g_hash_table_size(found) < LUKSHDR_DISCOVER_MAX) {
        links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
        g_hash_table_insert(found, g_strdup(here->where), links);
    }
    if (links) {
        link = lukshdrLinkNew();
        link->payload.pool = g_strdup(claim->payload.pool);
        link->payload.volume = g_strdup(claim->payload.volume);
        g_ptr_array_add(links, link);
    }

    g_prefix_error(reason,
                   _("the label of header volume '%s' of pool '%s' says that it belongs to volume "
                     "'%s' of pool '%s', which is shown and not followed; if it is right say "
                     "\"virt-lukshdr link %s %s --secret %s\": "),
                   here->volume, here->pool, claim->payload.volume, claim->payload.pool, payload,
                   header, claim->secretUUID);
}

/* Opens the volume that has @where's names on this host, and sets @where's place and identity from
 * it.  @flags says whether as a header.  Returns NULL without @error if no active pool has such a volume, and NULL with @error set if
 * it cannot be a volume of a link. */
static lukshdrHandle *
lukshdrDiscoverOpen(virConnectPtr conn,
                    lukshdrVolume *where,
                    unsigned int flags,
                    virStorageVolPtr *vol,
                    GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = state->stock.storagePoolLookupByName(conn, where->pool);
    lukshdrHandle *handle;

    g_clear_pointer(&where->path, g_free);
    g_clear_pointer(&where->remote, lukshdrRemoteFree);
    where->identity = (lukshdrIdentity){ 0 };

    *vol = pool && state->stock.storagePoolIsActive(pool) == 1
               ? state->stock.storageVolLookupByName(pool, where->volume)
               : NULL;
    if (!*vol) {
        virResetLastError();
        return NULL;
    }

    if (!lukshdrStoragePlace(*vol, where, error))
        return NULL;
    if ((handle = lukshdrHandleOpen(where, flags | LUKSHDR_HANDLE_NEW, error))) {
        where->identity = handle->identity;
    } else {
        g_clear_pointer(&where->path, g_free);
        g_clear_pointer(&where->remote, lukshdrRemoteFree);
    }
    return handle;
}

static bool
lukshdrDiscoverHasPool(virConnectPtr conn, const char *name)
{
    g_autoptr(virStoragePool) pool = lukshdrStorageState.stock.storagePoolLookupByName(conn, name);

    virResetLastError();
    return pool != NULL;
}

typedef struct _lukshdrDiscoverReplica lukshdrDiscoverReplica;
struct _lukshdrDiscoverReplica {
    const lukshdrDiscover *here;
    bool changed;
};

/* A lukshdrStorageChange */
static bool
lukshdrDiscoverSetReplica(lukshdrLink *link, void *opaque)
{
    lukshdrDiscoverReplica *replica = opaque;
    const lukshdrDiscover *here = replica->here;
    lukshdrVolume *copy;
    guint i;

    for (i = 1; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        if (lukshdrVolumeLocation(copy) != LUKSHDR_LOCATION_NONE ||
            !g_str_equal(copy->pool, here->pool) || !g_str_equal(copy->volume, here->volume))
            continue;
        lukshdrVolumeSetPlace(copy, here->place);
        copy->identity = here->handle->identity;
        return replica->changed = true;
    }
    return false;
}

/* The volume has a label of @known, which is registered.  It may be a replica that this host knew
 * by name only; if it holds the header, it is registered as a replica now. */
static bool
lukshdrDiscoverKnown(const lukshdrDiscover *here, const lukshdrLink *known, GError **error)
{
    lukshdrDiscoverReplica replica = { .here = here };
    g_autofree char *registered = NULL;

    if (known->state == LUKSHDR_LINK_STATE_ACTIVE &&
        lukshdrHeaderCheck(known, &known->header, here->handle->fd, NULL, NULL) &&
        !lukshdrStorageUpdate(known, lukshdrDiscoverSetReplica, &replica, error))
        return false;
    if (replica.changed)
        return true;

    registered = lukshdrVolumeWhere(&known->header);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("'%s' is a copy of the header of linked volume '%s' of pool '%s', which is "
                  "registered with '%s'"),
                here->where, known->payload.volume, known->payload.pool, registered);
    return false;
}

/* Does the registry contradict the claim of @link?  Then the registry decides. */
static bool
lukshdrDiscoverCheckRegistry(const lukshdrDiscover *here, const lukshdrLink *link, GError **error)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    g_autoptr(lukshdrLink) byName = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_auto(lukshdrRecognised) what = { 0 };
    g_autofree char *registered = NULL;
    const lukshdrLink *other;

    if (!lukshdrRegistryLookup(registry, link->payload.pool, link->payload.volume, &byName, &header,
                               error) ||
        (!byName && !header && !lukshdrRecogniseVolume(registry, &link->payload, &what, error)))
        return false;

    if (!(other = byName ? byName : header ? header : what.link))
        return true;

    registered = lukshdrVolumeWhere(&other->header);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("the label of '%s' says that it is the header of volume '%s' of pool '%s', "
                  "which is registered with header '%s'; the registry is believed"),
                here->where, link->payload.volume, link->payload.pool, registered);
    return false;
}

/* The format of @payload, which is open as @handle; of an image of a cluster libvirt does not know it */
static char *
lukshdrDiscoverFormat(virStorageVolPtr payload, const lukshdrHandle *handle, GError **error)
{
    g_autofree char *text = NULL;

    if (handle->remote)
        return g_strdup(lukshdrPayloadImageFormat(handle, error));

    if ((text = lukshdrStorageState.stock.storageVolGetXMLDesc(payload, 0)))
        return lukshdrVolumeXMLFormatOf(text, error);
    lukshdrErrorFromLast(error);
    return NULL;
}

static bool
lukshdrDiscoverCheckFormat(virStorageVolPtr payload,
                           const lukshdrHandle *handle,
                           const lukshdrLink *label,
                           GError **error)
{
    g_autofree char *format = lukshdrDiscoverFormat(payload, handle, error);
    g_autofree char *where = NULL;

    if (!format)
        return false;
    if (g_str_equal(format, label->format))
        return true;

    where = lukshdrVolumeWhere(&label->header);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("the label of '%s' says that volume '%s' of pool '%s' has format '%s', and it "
                  "has '%s'"),
                where, label->payload.volume, label->payload.pool, label->format, format);
    return false;
}

/* Is @payload, the volume on this host, the one that @claim recorded? */
static bool
lukshdrDiscoverCheckClaim(const lukshdrLink *claim, const lukshdrVolume *payload, GError **error)
{
    g_autofree char *recorded = NULL;
    g_autofree char *where = NULL;
    g_autofree char *found = NULL;

    if (lukshdrIdentityClaims(&claim->payload.identity, !g_str_equal(claim->format, "raw"),
                              &payload->identity))
        return true;

    where = lukshdrVolumeWhere(payload);
    recorded = lukshdrIdentityDescribe(&claim->payload.identity);
    found = lukshdrIdentityDescribe(&payload->identity);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("the label was written for %s, and '%s' is %s"), recorded, where, found);
    return false;
}

/* Returns true if @link shall be taken from this volume: because the volume is the header, or
 * because it is a replica and the header's pool does not exist here.  Makes this volume @link's
 * header. */
static bool
lukshdrDiscoverChoose(const lukshdrDiscover *here, lukshdrLink *link)
{
    lukshdrVolume *copy;
    guint i;

    for (i = 1; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        if (g_str_equal(copy->pool, here->pool) && g_str_equal(copy->volume, here->volume)) {
            if (lukshdrDiscoverHasPool(here->conn, link->header.pool))
                return false;
            g_ptr_array_remove_index(link->replicas, i - 1);
            break;
        }
    }

    lukshdrVolumeClear(&link->header);
    link->header.pool = g_strdup(here->pool);
    link->header.volume = g_strdup(here->volume);
    lukshdrVolumeSetPlace(&link->header, here->place);
    link->header.identity = here->handle->identity;
    return true;
}

/* Gives each replica its path if it is here and is a copy of this header.  For any other, @link
 * keeps the name, since another host may have it, but no path: so nobody touches it. */
static void
lukshdrDiscoverReplicas(virConnectPtr conn, lukshdrLink *link)
{
    lukshdrVolume *copy;
    guint i;

    for (i = 1; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        g_autoptr(virStorageVol) vol = NULL;
        g_autoptr(lukshdrHandle)
            handle = lukshdrDiscoverOpen(conn, copy, LUKSHDR_HANDLE_HEADER, &vol, NULL);

        if (handle && !lukshdrHeaderCheck(link, copy, handle->fd, NULL, NULL)) {
            g_clear_pointer(&copy->path, g_free);
            g_clear_pointer(&copy->remote, lukshdrRemoteFree);
            copy->identity = (lukshdrIdentity){ 0 };
        }
    }
}

/* On this host the pool of @payload, an image of a cluster, may have another name: finds the pool that has the image
 * by the claim's monitors and name.  What it is decides lukshdrDiscoverCheckClaim. */
static void
lukshdrDiscoverFindPool(virConnectPtr conn, lukshdrVolume *payload)
{
    virStoragePoolPtr *pools = NULL;
    bool found = false;
    int count;
    int i;

    if (lukshdrVolumeLocation(payload) != LUKSHDR_LOCATION_RBD ||
        lukshdrDiscoverHasPool(conn, payload->pool))
        return;

    count = virConnectListAllStoragePools(
        conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE | VIR_CONNECT_LIST_STORAGE_POOLS_RBD);
    for (i = 0; i < count; i++) {
        g_autoptr(lukshdrRemote) remote = NULL;

        if (!found && lukshdrStorageRemote(pools[i], payload->volume, &remote, NULL) && remote &&
            lukshdrRemoteIsOwnName(payload->remote, remote)) {
            g_free(payload->pool);
            payload->pool = g_strdup(virStoragePoolGetName(pools[i]));
            found = true;
        }
        virStoragePoolFree(pools[i]);
    }
    free(pools);
    virResetLastError();
}

/* Returns false with @error set if @claim is not followed.  Returns true if it is, and also if this
 * host does not have the payload yet. */
static bool
lukshdrDiscoverClaim(const lukshdrDiscover *here, const lukshdrLink *claim, GError **error)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    g_autoptr(lukshdrLink) known = lukshdrRegistryGet(registry, claim->uuid);
    g_autoptr(lukshdrLink) link = lukshdrLinkCopy(claim);
    g_autoptr(lukshdrHandle) handle = NULL;
    g_autoptr(virStorageVol) payload = NULL;
    g_autoptr(GError) reason = NULL;

    if (claim->state != LUKSHDR_LINK_STATE_ACTIVE || !claim->luksUUID) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("the label of '%s' names no link that is active, and is not believed"),
                    here->where);
        return false;
    }
    if (known)
        return lukshdrDiscoverKnown(here, known, error);
    if (!lukshdrDiscoverChoose(here, link))
        return true;

    link->secretGenerated = false;
    lukshdrDiscoverFindPool(here->conn, &link->payload);
    handle = lukshdrDiscoverOpen(here->conn, &link->payload, LUKSHDR_HANDLE_READ, &payload,
                                 &reason);
    if (!handle && !reason)
        return true;
    if (handle && !lukshdrDiscoverCheckRegistry(here, link, error))
        return false;

    if (!handle || !lukshdrDiscoverCheckClaim(claim, &link->payload, &reason) ||
        !lukshdrDiscoverCheckFormat(payload, handle, link, &reason) ||
        !lukshdrHeaderCheck(link, &link->header, here->handle->fd, NULL, &reason)) {
        lukshdrDiscoverFind(here, claim, &reason);
        g_propagate_error(error, g_steal_pointer(&reason));
        return false;
    }

    lukshdrDiscoverReplicas(here->conn, link);
    if (!lukshdrRegistryStore(registry, link, error))
        return false;

    LUKSHDR_LOG_INFO(_("Linked volume '%s' of pool '%s' has been found by the label of its header "
                       "'%s' of pool '%s'"),
                     link->payload.volume, link->payload.pool, here->volume, here->pool);
    return true;
}

/* Is it recorded as a header or a replica already? */
static bool
lukshdrDiscoverIsRegistered(const lukshdrDiscover *here)
{
    g_autoptr(GPtrArray)
        links = lukshdrRegistryListAt(lukshdrStorageState.registry, here->where, NULL);
    guint i;

    for (i = 0; links && i < links->len; i++) {
        if (lukshdrLinkHeaderCopyAt(g_ptr_array_index(links, i), here->place))
            return true;
    }
    return false;
}

static void
lukshdrDiscoverVolume(lukshdrDiscover *here)
{
    g_autoptr(lukshdrHandle)
        handle = lukshdrHandleOpen(here->place, LUKSHDR_HANDLE_NEW | LUKSHDR_HANDLE_HEADER, NULL);
    g_autoptr(GPtrArray) labels = NULL;
    g_autoptr(GError) damage = NULL;
    guint i;

    /* a volume that cannot be opened here can have no label for us */
    if (!handle)
        return;

    here->handle = handle;
    if (!lukshdrLabelRead(handle->fd, &labels, &damage)) {
        g_prefix_error(&damage, "'%s': ", here->where);
        lukshdrDiscoverReport(here, damage);
    }

    for (i = 0; labels && i < labels->len; i++) {
        g_autoptr(GError) error = NULL;

        if (!lukshdrDiscoverClaim(here, g_ptr_array_index(labels, i), &error))
            lukshdrDiscoverReport(here, error);
    }
}

static void
lukshdrDiscoverPool(virConnectPtr conn, virStoragePoolPtr pool)
{
    g_autoptr(lukshdrDiscovery) discovery = lukshdrDiscoveryNew();
    const char *name = virStoragePoolGetName(pool);
    g_autofree virStorageVolPtr *vols = NULL;
    int count = virStoragePoolListAllVolumes(pool, &vols, 0);
    int i;

    for (i = 0; i < count; i++) {
        g_autoptr(virStorageVol) vol = vols[i];
        g_auto(lukshdrVolume)
            place = { .pool = g_strdup(name), .volume = g_strdup(virStorageVolGetName(vol)) };
        g_autofree char *where = lukshdrStoragePlace(vol, &place, NULL) ? lukshdrVolumeWhere(&place)
                                                                        : NULL;
        lukshdrDiscover here = { .conn = conn,
                                 .discovery = discovery,
                                 .pool = name,
                                 .volume = virStorageVolGetName(vol),
                                 .place = &place,
                                 .where = where };

        if (!g_atomic_int_get(&lukshdrDiscoverEnded) && where &&
            !lukshdrDiscoverIsRegistered(&here))
            lukshdrDiscoverVolume(&here);
    }
    virResetLastError();

    g_mutex_lock(&lukshdrDiscoverLock);
    if (!lukshdrDiscoveries)
        lukshdrDiscoveries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                                   (GDestroyNotify)lukshdrDiscoveryFree);
    g_hash_table_replace(lukshdrDiscoveries, g_strdup(name), g_steal_pointer(&discovery));
    g_mutex_unlock(&lukshdrDiscoverLock);
}

/* Forgets what was found in pool @name, or in any pool if that is NULL, unless the pool is in
 * @pools */
static void
lukshdrDiscoverForget(const char *name, GHashTable *pools)
{
    GHashTableIter iter;
    gpointer pool;

    g_mutex_lock(&lukshdrDiscoverLock);
    if (lukshdrDiscoveries) {
        g_hash_table_iter_init(&iter, lukshdrDiscoveries);
        while (g_hash_table_iter_next(&iter, &pool, NULL)) {
            if ((!name || g_str_equal(pool, name)) && !g_hash_table_contains(pools, pool))
                g_hash_table_iter_remove(&iter);
        }
    }
    g_mutex_unlock(&lukshdrDiscoverLock);
}

static void
lukshdrDiscoverAll(virConnectPtr conn, const char *name)
{
    const char *dir = lukshdrStorageState.poolsDir;
    g_autoptr(GHashTable) looked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree virStoragePoolPtr *pools = NULL;
    int count = virConnectListAllStoragePools(conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    int i;

    for (i = 0; i < count; i++) {
        g_autoptr(virStoragePool) pool = pools[i];
        char uuid[VIR_UUID_STRING_BUFLEN];

        if ((!name || g_str_equal(virStoragePoolGetName(pool), name)) &&
            virStoragePoolGetUUIDString(pool, uuid) == 0 &&
            lukshdrStorageDefaultDeclares(dir, uuid, virStoragePoolGetName(pool))) {
            g_hash_table_add(looked, g_strdup(virStoragePoolGetName(pool)));
            lukshdrDiscoverPool(conn, pool);
        }
    }
    if (count >= 0)
        lukshdrDiscoverForget(name, looked);
    virResetLastError();
}

void
lukshdrStorageDiscover(virConnectPtr conn, const char *pool)
{
    virIdentity *client = lukshdrStorageBecomeSystem();

    lukshdrDiscoverAll(conn, pool);
    lukshdrStorageBecomeClient(client);
}

GPtrArray *
lukshdrStorageDiscoverFound(const char *path)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrDiscoverLock);
    GHashTableIter iter;
    gpointer discovery;
    GPtrArray *links;

    if (!lukshdrDiscoveries)
        return NULL;

    g_hash_table_iter_init(&iter, lukshdrDiscoveries);
    while (g_hash_table_iter_next(&iter, NULL, &discovery)) {
        if ((links = g_hash_table_lookup(((lukshdrDiscovery *)discovery)->found, path)))
            return g_ptr_array_ref(links);
    }
    return NULL;
}

static bool
lukshdrDiscoverLiesIn(const lukshdrLink *link, const char *pool)
{
    const lukshdrVolume *copy;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        if (g_str_equal(copy->pool, pool))
            return true;
    }
    return false;
}

void
lukshdrStorageCheckHeaders(const char *pool)
{
    g_autoptr(GPtrArray) links = lukshdrRegistryList(lukshdrStorageState.registry, NULL);
    bool privileged = lukshdrStorageState.privileged;
    guint i;

    for (i = 0; links && i < links->len && !g_atomic_int_get(&lukshdrDiscoverEnded); i++) {
        const lukshdrLink *seen = g_ptr_array_index(links, i);
        g_autoptr(lukshdrStorageBusy) busy = NULL;
        g_autoptr(lukshdrLink) link = NULL;
        g_autoptr(GError) error = NULL;

        if (!lukshdrDiscoverLiesIn(seen, pool))
            continue;

        /* a header that is being destroyed must not come back from its replica */
        if (!(busy = lukshdrStorageBusyLink(seen, LUKSHDR_STORAGE_BUSY_CHECK, NULL)) ||
            !(link = lukshdrRegistryGet(lukshdrStorageState.registry, seen->uuid)) ||
            link->state != LUKSHDR_LINK_STATE_ACTIVE)
            continue;
        if ((link->replicas->len > 0 && !lukshdrReplicaSync(link, privileged, &error)) ||
            !lukshdrStorageHeaderReady(link, &error))
            LUKSHDR_LOG_ERROR(_("Linked volume '%s' of pool '%s' cannot be opened: %s"),
                              link->payload.volume, link->payload.pool, error->message);
    }
}

void
lukshdrStorageDiscoverEnd(void)
{
    g_atomic_int_set(&lukshdrDiscoverEnded, 1);
}
