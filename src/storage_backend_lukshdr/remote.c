/*
 * remote.c: where the volumes of pools without host paths are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "remote.h"

#include "link/remote-xml.h"
#include "secrets.h"
#include "util/error.h"
#include "util/log.h"

bool
lukshdrStorageCheckPoolType(virStoragePoolPtr pool, bool make, GError **error)
{
    virIdentity *client = lukshdrStorageBecomeSystem();
    g_autofree char *text = lukshdrStorageState.stock.storagePoolGetXMLDesc(pool, 0);

    if (!text)
        lukshdrErrorFromLast(error);
    lukshdrStorageBecomeClient(client);
    return text && lukshdrRemoteCheckPool(text, virStoragePoolGetName(pool), make, error);
}

bool
lukshdrStorageRemote(virStoragePoolPtr pool,
                     const char *volume,
                     lukshdrRemote **remote,
                     GError **error)
{
    g_autofree char *text = lukshdrStorageState.stock.storagePoolGetXMLDesc(pool, 0);
    g_autoptr(lukshdrRemote) found = NULL;
    g_autofree char *usage = NULL;

    *remote = NULL;
    if (!text) {
        lukshdrErrorFromLast(error);
        return false;
    }
    if (!lukshdrRemoteFromPool(text, virStoragePoolGetName(pool), volume, &found, &usage, error) ||
        (usage && !(found->secretUUID = lukshdrStorageSecretUserUUID(found->kind, usage, error))))
        return false;
    *remote = g_steal_pointer(&found);
    return true;
}

bool
lukshdrStorageRemoteOfVolume(virStorageVolPtr vol, lukshdrRemote **remote, GError **error)
{
    g_autoptr(virStoragePool) pool = lukshdrStorageState.stock.storagePoolLookupByVolume(vol);

    *remote = NULL;
    if (!pool) {
        lukshdrErrorFromLast(error);
        return false;
    }
    return lukshdrStorageRemote(pool, virStorageVolGetName(vol), remote, error);
}
