/*
 * discover.c: links that come with their headers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A label says what it was when it was written, maybe on another host: of it are taken
 * the names, the LUKS UUID, the secret and the format; paths and identities are this host's.
 */

#include "config.h"

#include "discover.h"

#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/error.h"
#include "link/header.h"
#include "link/label.h"
#include "util/log.h"
#include "link/replica.h"
#include "busy.h"
#include "defaults.h"
#include "headers.h"
#include "vol-xml.h"

/* Whether the daemon is about to end */
static gint lukshdrDiscoverEnded;

/* Messages that were logged already, char *: a contradiction lasts, and a pool is refreshed
 * often.  Its lock is a leaf. */
static GMutex lukshdrDiscoverLock;
static GHashTable *lukshdrDiscoverReported;

static void
lukshdrDiscoverReport(const GError *error)
{
    bool fresh;

    g_mutex_lock(&lukshdrDiscoverLock);
    if (!lukshdrDiscoverReported)
        lukshdrDiscoverReported = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    fresh = g_hash_table_add(lukshdrDiscoverReported, g_strdup(error->message));
    g_mutex_unlock(&lukshdrDiscoverLock);

    if (fresh)
        LUKSHDR_LOG_WARN("%s", error->message);
}

/* Fills in path and identity of @part on this host.  Returns 1, 0 if there is no such volume in
 * an active pool, or -1 with @error set. */
static int
lukshdrDiscoverLocate(virConnectPtr conn,
                      lukshdrVolume *part,
                      virStorageVolPtr *vol,
                      GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = state->stock.storagePoolLookupByName(conn, part->pool);

    g_clear_pointer(&part->path, g_free);
    part->identity.type = LUKSHDR_IDENTITY_NONE;

    *vol = pool && state->stock.storagePoolIsActive(pool) == 1
               ? state->stock.storageVolLookupByName(pool, part->volume)
               : NULL;
    if (!*vol || !(part->path = state->stock.storageVolGetPath(*vol))) {
        virResetLastError();
        return 0;
    }

    return g_path_is_absolute(part->path) &&
                   lukshdrIdentityFromPath(part->path, &part->identity, error)
               ? 1
               : -1;
}

static bool
lukshdrDiscoverHasPool(virConnectPtr conn, const char *name)
{
    g_autoptr(virStoragePool) pool = lukshdrStorageState.stock.storagePoolLookupByName(conn, name);

    virResetLastError();
    return pool != NULL;
}

/* What contradicts the claim of @label, found at @path: the registry decides */
static bool
lukshdrDiscoverCheckRegistry(const lukshdrLink *label, const char *path, GError **error)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    g_autoptr(lukshdrLink) known = lukshdrRegistryGet(registry, label->uuid);
    g_autoptr(lukshdrLink) byName = NULL;
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;

    if (known) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' is a copy of the header of linked volume '%s' of pool '%s', which is "
                      "registered with '%s'"),
                    path, known->payload.volume, known->payload.pool, known->header.path);
        return false;
    }

    if (!lukshdrRegistryLookup(registry, label->payload.pool, label->payload.volume, &byName,
                               &header, error) ||
        (!byName && !header &&
         !lukshdrRegistryFindPayload(registry, label->payload.path, &payload, error)))
        return false;

    if (byName || header || payload) {
        const lukshdrLink *other = byName ? byName : header ? header : payload;

        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("the label of '%s' says that it is the header of volume '%s' of pool '%s', "
                      "which is registered with header '%s'; the registry is believed"),
                    path, label->payload.volume, label->payload.pool, other->header.path);
        return false;
    }
    return true;
}

static bool
lukshdrDiscoverCheckFormat(virStorageVolPtr payload, const lukshdrLink *label, GError **error)
{
    g_autofree char *text = lukshdrStorageState.stock.storageVolGetXMLDesc(payload, 0);
    g_autofree char *format = NULL;

    if (!text) {
        lukshdrErrorFromLast(error);
        return false;
    }
    if (!(format = lukshdrVolumeXMLFormatOf(text, error)))
        return false;
    if (g_str_equal(format, label->format))
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("the label of '%s' says that volume '%s' of pool '%s' has format '%s', and it "
                  "has '%s'"),
                label->header.path, label->payload.volume, label->payload.pool, label->format,
                format);
    return false;
}

/* Returns true if @label is to be taken from this volume, in @pool, named @volume: it is the header,
 * or a replica where the header's pool does not exist.  Makes @link's header this one. */
static bool
lukshdrDiscoverChoose(virConnectPtr conn, lukshdrLink *link, const char *pool, const char *volume)
{
    lukshdrVolume *copy;
    guint i;

    for (i = 1; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        if (g_str_equal(copy->pool, pool) && g_str_equal(copy->volume, volume)) {
            if (lukshdrDiscoverHasPool(conn, link->header.pool))
                return false;
            g_ptr_array_remove_index(link->replicas, i - 1);
            break;
        }
    }

    g_free(link->header.pool);
    g_free(link->header.volume);
    link->header.pool = g_strdup(pool);
    link->header.volume = g_strdup(volume);
    return true;
}

/* Returns false with @error set where the claim cannot be believed, true where it was, or where
 * there is nothing to believe yet */
static bool
lukshdrDiscoverRegister(virConnectPtr conn,
                        const lukshdrLink *label,
                        const char *pool,
                        const char *volume,
                        int fd,
                        GError **error)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    g_autoptr(lukshdrLink) link = lukshdrLinkCopy(label);
    g_autoptr(virStorageVol) header = NULL;
    g_autoptr(virStorageVol) payload = NULL;
    int found;
    guint i;

    if (!lukshdrDiscoverChoose(conn, link, pool, volume))
        return true;

    link->state = LUKSHDR_LINK_STATE_ACTIVE;
    if ((found = lukshdrDiscoverLocate(conn, &link->header, &header, error)) <= 0 ||
        (found = lukshdrDiscoverLocate(conn, &link->payload, &payload, error)) <= 0)
        return found == 0;

    for (i = 1; i <= link->replicas->len; i++) {
        g_autoptr(virStorageVol) replica = NULL;

        (void)lukshdrDiscoverLocate(conn, lukshdrLinkHeaderCopy(link, i), &replica, NULL);
    }

    if (!lukshdrDiscoverCheckRegistry(link, link->header.path, error) ||
        !lukshdrDiscoverCheckFormat(payload, link, error) ||
        !lukshdrHeaderCheck(link, &link->header, fd, NULL, error) ||
        !lukshdrRegistryStore(registry, link, error))
        return false;

    LUKSHDR_LOG_INFO(_("Linked volume '%s' of pool '%s' has been found by the label of its header "
                       "'%s' of pool '%s'"),
                     link->payload.volume, link->payload.pool, volume, pool);
    return true;
}

static void
lukshdrDiscoverVolume(virConnectPtr conn, const char *pool, const char *volume, const char *path)
{
    g_autoptr(GPtrArray) labels = NULL;
    g_autoptr(GError) damage = NULL;
    lukshdrIdentity identity;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    guint i;

    if (fd < 0)
        return;

    if (lukshdrIdentityFromFD(fd, &identity, NULL) && !lukshdrLabelRead(fd, &labels, &damage)) {
        g_prefix_error(&damage, "'%s': ", path);
        lukshdrDiscoverReport(damage);
    }

    for (i = 0; labels && i < labels->len; i++) {
        g_autoptr(GError) error = NULL;

        if (!lukshdrDiscoverRegister(conn, g_ptr_array_index(labels, i), pool, volume, fd, &error))
            lukshdrDiscoverReport(error);
    }
    close(fd);
}

/* The paths of all headers and replicas that are registered */
static GHashTable *
lukshdrDiscoverKnown(void)
{
    g_autoptr(GPtrArray) links = lukshdrRegistryList(lukshdrStorageState.registry, NULL);
    GHashTable *known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    guint i;
    guint n;

    for (i = 0; links && i < links->len; i++) {
        const lukshdrVolume *copy;

        for (n = 0; (copy = lukshdrLinkHeaderCopy(g_ptr_array_index(links, i), n)); n++) {
            if (copy->path)
                g_hash_table_add(known, g_strdup(copy->path));
        }
    }
    return known;
}

static void
lukshdrDiscoverPool(virConnectPtr conn, virStoragePoolPtr pool)
{
    g_autoptr(GHashTable) known = lukshdrDiscoverKnown();
    g_autofree virStorageVolPtr *vols = NULL;
    int count = virStoragePoolListAllVolumes(pool, &vols, 0);
    int i;

    for (i = 0; i < count; i++) {
        g_autoptr(virStorageVol) vol = vols[i];
        g_autofree char *path = lukshdrStorageState.stock.storageVolGetPath(vol);

        if (!g_atomic_int_get(&lukshdrDiscoverEnded) && path && g_path_is_absolute(path) &&
            !g_hash_table_contains(known, path))
            lukshdrDiscoverVolume(conn, virStoragePoolGetName(pool), virStorageVolGetName(vol),
                                  path);
    }
    virResetLastError();
}

static void
lukshdrDiscoverAll(virConnectPtr conn, const char *name)
{
    const char *dir = lukshdrStorageState.poolsDir;
    g_autofree virStoragePoolPtr *pools = NULL;
    int count = virConnectListAllStoragePools(conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    int i;

    for (i = 0; i < count; i++) {
        g_autoptr(virStoragePool) pool = pools[i];
        char uuid[VIR_UUID_STRING_BUFLEN];

        if ((!name || g_str_equal(virStoragePoolGetName(pool), name)) &&
            virStoragePoolGetUUIDString(pool, uuid) == 0 &&
            lukshdrStorageDefaultDeclares(dir, uuid, virStoragePoolGetName(pool)))
            lukshdrDiscoverPool(conn, pool);
    }
    virResetLastError();
}

void
lukshdrStorageDiscover(virConnectPtr conn, const char *pool)
{
    virIdentity *client = lukshdrStorageBecomeSystem();

    lukshdrDiscoverAll(conn, pool);
    lukshdrStorageBecomeClient(client);
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
        if (link->replicas->len > 0 ? !lukshdrReplicaSync(link, privileged, &error)
                                    : !lukshdrStorageHeaderReady(link, &error))
            LUKSHDR_LOG_ERROR(_("Linked volume '%s' of pool '%s' cannot be opened: %s"),
                              link->payload.volume, link->payload.pool, error->message);
    }
}

void
lukshdrStorageDiscoverEnd(void)
{
    g_atomic_int_set(&lukshdrDiscoverEnded, 1);
}
