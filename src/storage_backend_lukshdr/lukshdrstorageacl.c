/*
 * lukshdrstorageacl.c: asking libvirt's access driver before key material dies
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib-object.h>
#include <stdlib.h>

#include "lukshdrerror.h"
#include "lukshdrlog.h"
#include "lukshdrstorage.h"

/* VIR_VOL_XML_PARSE_NO_CAPACITY in libvirt's storage_conf.h */
#define LUKSHDR_VIR_VOL_XML_PARSE_NO_CAPACITY (1 << 0)

/* The access driver wants libvirt's definitions, of which it reads names and
 * UUIDs.  They are made of XML, which a client that may delete a volume need not be
 * allowed to read: that part runs as the system. */
static bool
lukshdrStorageDefinitions(virStorageVolPtr vol,
                          virStoragePoolDef **poolDef,
                          virStorageVolDef **volDef)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = NULL;
    g_autofree char *poolXML = NULL;
    g_autofree char *volXML = NULL;

    return (pool = state->stock.storagePoolLookupByVolume(vol)) &&
           (poolXML = state->stock.storagePoolGetXMLDesc(pool, 0)) &&
           (volXML = state->stock.storageVolGetXMLDesc(vol, 0)) &&
           (*poolDef = state->abi.virStoragePoolDefParse(poolXML, NULL, 0)) &&
           (*volDef = state->abi.virStorageVolDefParse(*poolDef, volXML, NULL,
                                                       LUKSHDR_VIR_VOL_XML_PARSE_NO_CAPACITY));
}

bool
lukshdrStorageMayDelete(virStorageVolPtr vol, GError **error)
{
    const lukshdrABIStorage *abi = &lukshdrStorageState.abi;
    g_autoptr(GObject) client = (GObject *)abi->virIdentityGetCurrent();
    g_autoptr(GObject) system = (GObject *)abi->virIdentityGetSystem();
    virStoragePoolDef *poolDef = NULL;
    virStorageVolDef *volDef = NULL;
    bool ok;

    ok = system && abi->virIdentitySetCurrent((virIdentity *)system) == 0 &&
         lukshdrStorageDefinitions(vol, &poolDef, &volDef);
    if (!ok)
        lukshdrErrorFromLast(error);

    if (abi->virIdentitySetCurrent((virIdentity *)client) < 0)
        g_error("Unable to return to the client's identity");

    if (ok &&
        abi->virStorageVolDeleteEnsureACL(virStorageVolGetConnect(vol), poolDef, volDef) < 0) {
        lukshdrErrorFromLast(error);
        ok = false;
    }

    abi->virStorageVolDefFree(volDef);
    abi->virStoragePoolDefFree(poolDef);
    return ok;
}
