/*
 * remote.c: where the volumes of pools without host paths are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "remote.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "link/remote-xml.h"
#include "secrets.h"
#include "util/error.h"
#include "util/log.h"
#include "util/xml.h"

bool
lukshdrStorageCheckPoolType(virStoragePoolPtr pool, bool make, GError **error)
{
    /* libvirt's virStoragePoolType: those whose volumes QEMU opens by itself, by ways that this code does not
     * know; and those whose backends have no createVol (storage_backend_*.c) */
    static const char *const unknown[] = { "gluster", "sheepdog", NULL };
    static const char *const fixed[] = { "iscsi", "iscsi-direct", "mpath", "scsi", NULL };
    g_autofree char *text = lukshdrStorageState.stock.storagePoolGetXMLDesc(pool, 0);
    g_autoptr(xmlDoc) doc = NULL;
    g_autofree char *type = NULL;

    if (!text) {
        lukshdrErrorFromLast(error);
        return false;
    }
    if (!(doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_POOL, error)))
        return false;

    type = lukshdrXMLAttribute(xmlDocGetRootElement(doc), LUKSHDR_XML_TYPE);
    if (type && g_strv_contains(unknown, type)) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
            _("volumes of pool '%s' can be neither payloads nor headers: linked volumes are "
              "not supported in pools of type '%s'; docs/pools.md has the types that can "
              "have them"),
            virStoragePoolGetName(pool), type);
        return false;
    }
    if (make && type && g_strv_contains(fixed, type)) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
            _("libvirt makes no volumes in pools of type '%s', such as '%s': link one that is "
              "there, with link='existing' in <header>, or with 'virt-lukshdr link'"),
            type, virStoragePoolGetName(pool));
        return false;
    }
    return true;
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
