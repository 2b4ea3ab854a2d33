/*
 * lookup.c: finding pools and volumes by the names that links have for them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "lookup.h"

#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "chain/chain.h"
#include "link/handle.h"
#include "util/error.h"
#include "util/log.h"
#include "remote.h"
#include "vol-xml.h"

virStoragePoolPtr
lukshdrStorageOpenPool(virConnectPtr conn, const char *name, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = state->stock.storagePoolLookupByName(conn, name);
    int active;

    if (!pool || (active = state->stock.storagePoolIsActive(pool)) < 0) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    if (!active) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("storage pool '%s' is not active; start it "
                      "with virsh pool-start"),
                    name);
        return NULL;
    }
    return g_steal_pointer(&pool);
}

/* Looks the volume up; if the pool does not know it but its file exists, refreshes the pool first.
 * A replica can have come back without libvirt.  The refresh runs as the system: the client may
 * have no right to it, since it has asked for something else. */
static virStorageVolPtr
lukshdrLookupInPool(virStoragePoolPtr pool, const lukshdrVolume *where)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virStorageVolPtr vol = state->stock.storageVolLookupByName(pool, where->volume);
    virIdentity *client;
    int rc;

    if (vol || virGetLastErrorCode() != VIR_ERR_NO_STORAGE_VOL || !where->path ||
        access(where->path, F_OK) < 0)
        return vol;

    client = lukshdrStorageBecomeSystem();
    rc = state->stock.storagePoolRefresh(pool, 0);
    lukshdrStorageBecomeClient(client);
    return rc == 0 ? state->stock.storageVolLookupByName(pool, where->volume) : NULL;
}

/* Is the volume that stock knows by @where's names still at the place where it was linked? */
static bool
lukshdrLookupCheckPlace(virStorageVolPtr vol, const lukshdrVolume *where, GError **error)
{
    g_autofree char *path = lukshdrStorageState.stock.storageVolGetPath(vol);
    g_autofree char *was = lukshdrVolumeWhere(where);
    g_autoptr(lukshdrRemote) remote = NULL;

    if (!path) {
        lukshdrErrorFromLast(error);
        return false;
    }
    if (where->remote && !lukshdrStorageRemoteOfVolume(vol, &remote, error))
        return false;
    if (where->remote ? remote && lukshdrRemoteIsOwnName(where->remote, remote)
                      : g_str_equal(path, where->path))
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%s' of pool '%s' is '%s' now and was '%s' when it was linked"),
                where->volume, where->pool, path, was);
    return false;
}

virStorageVolPtr
lukshdrStorageLookupVolume(const lukshdrVolume *where, virConnectPtr conn, GError **error)
{
    g_autoptr(virStoragePool) pool = lukshdrStorageOpenPool(conn, where->pool, error);
    g_autoptr(virStorageVol) vol = NULL;

    if (!pool)
        return NULL;

    if (!(vol = lukshdrLookupInPool(pool, where))) {
        lukshdrErrorFromLast(error);
        return NULL;
    }
    return lukshdrLookupCheckPlace(vol, where, error) ? g_steal_pointer(&vol) : NULL;
}

bool
lukshdrStoragePlace(virStorageVolPtr vol, lukshdrVolume *where, GError **error)
{
    g_clear_pointer(&where->remote, lukshdrRemoteFree);
    g_free(where->path);
    if (!(where->path = lukshdrStorageState.stock.storageVolGetPath(vol))) {
        lukshdrErrorFromLast(error);
        return false;
    }

    if (g_path_is_absolute(where->path))
        return true;

    g_clear_pointer(&where->path, g_free);
    if (!lukshdrStorageRemoteOfVolume(vol, &where->remote, error))
        return false;
    if (where->remote)
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                _("volume '%s' of pool '%s' has no path on this host"), where->volume, where->pool);
    return false;
}

bool
lukshdrStorageLocate(virStorageVolPtr vol, lukshdrVolume *where, GError **error)
{
    g_autoptr(lukshdrHandle) handle = NULL;

    if (!lukshdrStoragePlace(vol, where, error))
        return false;
    if (!(handle = lukshdrHandleOpen(where, LUKSHDR_HANDLE_READ | LUKSHDR_HANDLE_NEW, error)))
        return false;
    where->identity = handle->identity;
    return true;
}

char *
lukshdrStorageReadFormat(virStorageVolPtr vol, lukshdrLink *link, GError **error)
{
    g_autofree char *text = lukshdrStorageState.stock.storageVolGetXMLDesc(vol, 0);

    if (!text) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    g_clear_pointer(&link->format, g_free);
    if (!(link->format = lukshdrVolumeXMLFormatOf(text, error)))
        return NULL;

    if (!lukshdrChainFormatDriver(link->format)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("QEMU cannot write volumes of format '%s', so they cannot hold a payload"),
                    link->format);
        return NULL;
    }
    return g_steal_pointer(&text);
}

GPtrArray *
lukshdrStorageListGone(const lukshdrLink *link)
{
    GPtrArray *pools = g_ptr_array_new_with_free_func(g_free);
    const lukshdrVolume *vol;
    guint i;

    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        if (lukshdrVolumeIsGone(vol) &&
            !g_ptr_array_find_with_equal_func(pools, vol->pool, g_str_equal, NULL))
            g_ptr_array_add(pools, g_strdup(vol->pool));
    }
    return pools;
}

void
lukshdrStorageRefreshPools(GPtrArray *pools, virConnectPtr conn)
{
    virIdentity *client = lukshdrStorageBecomeSystem();
    guint i;

    for (i = 0; i < pools->len; i++) {
        g_autoptr(virStoragePool)
            pool = lukshdrStorageOpenPool(conn, g_ptr_array_index(pools, i), NULL);

        if (pool)
            (void)lukshdrStorageState.stock.storagePoolRefresh(pool, 0);
    }
    virResetLastError();
    lukshdrStorageBecomeClient(client);
}
