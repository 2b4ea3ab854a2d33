/*
 * acl.c: asking libvirt's access driver, where it must be before stock does
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib-object.h>
#include <stdlib.h>

#include "util/error.h"
#include "util/log.h"
#include "storage.h"

/* VIR_VOL_XML_PARSE_NO_CAPACITY in libvirt's storage_conf.h */
#define LUKSHDR_VIR_VOL_XML_PARSE_NO_CAPACITY (1 << 0)

virIdentity *
lukshdrStorageBecomeSystem(void)
{
    const lukshdrABIStorage *abi = &lukshdrStorageState.abi;
    virIdentity *client = abi->virIdentityGetCurrent();
    g_autoptr(GObject) system = (GObject *)abi->virIdentityGetSystem();

    if (!system || abi->virIdentitySetCurrent((virIdentity *)system) < 0)
        LUKSHDR_LOG_ERROR("%s", virGetLastErrorMessage());
    return client;
}

void
lukshdrStorageBecomeClient(virIdentity *client)
{
    if (lukshdrStorageState.abi.virIdentitySetCurrent(client) < 0) {
        /* a thread that went on as the system would lend its rights to other clients */
        g_error("Unable to return to the client's identity");
    }
    if (client)
        g_object_unref(client);
}

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
lukshdrStorageMay(virStorageVolPtr vol, lukshdrStorageEnsureACL ensure, GError **error)
{
    const lukshdrABIStorage *abi = &lukshdrStorageState.abi;
    virStoragePoolDef *poolDef = NULL;
    virStorageVolDef *volDef = NULL;
    virIdentity *client = lukshdrStorageBecomeSystem();
    bool ok = lukshdrStorageDefinitions(vol, &poolDef, &volDef);

    if (!ok)
        lukshdrErrorFromLast(error);
    lukshdrStorageBecomeClient(client);

    if (ok && ensure(virStorageVolGetConnect(vol), poolDef, volDef) < 0) {
        lukshdrErrorFromLast(error);
        ok = false;
    }

    abi->virStorageVolDefFree(volDef);
    abi->virStoragePoolDefFree(poolDef);
    return ok;
}

bool
lukshdrStorageMayCreate(virStoragePoolPtr pool, const char *xmldesc, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virIdentity *client = lukshdrStorageBecomeSystem();
    g_autofree char *xml = state->stock.storagePoolGetXMLDesc(pool, 0);
    virStoragePoolDef *poolDef = xml ? state->abi.virStoragePoolDefParse(xml, NULL, 0) : NULL;
    virStorageVolDef *volDef = NULL;
    bool ok = poolDef && (volDef = state->abi.virStorageVolDefParse(
                              poolDef, xmldesc, NULL, LUKSHDR_VIR_VOL_XML_PARSE_NO_CAPACITY));

    if (!ok)
        lukshdrErrorFromLast(error);
    lukshdrStorageBecomeClient(client);

    if (ok && state->abi.virStorageVolCreateXMLEnsureACL(virStoragePoolGetConnect(pool), poolDef,
                                                         volDef) < 0) {
        lukshdrErrorFromLast(error);
        ok = false;
    }

    state->abi.virStorageVolDefFree(volDef);
    state->abi.virStoragePoolDefFree(poolDef);
    return ok;
}

bool
lukshdrStorageMayPoolXML(virConnectPtr conn,
                         const char *xmldesc,
                         int (*ensure)(virConnectPtr conn, virStoragePoolDef *def),
                         GError **error)
{
    const lukshdrABIStorage *abi = &lukshdrStorageState.abi;
    virStoragePoolDef *def = abi->virStoragePoolDefParse(xmldesc, NULL, 0);
    bool ok = def && ensure(conn, def) == 0;

    if (!ok)
        lukshdrErrorFromLast(error);
    abi->virStoragePoolDefFree(def);
    return ok;
}

bool
lukshdrStorageMayPool(virStoragePoolPtr pool,
                      int (*ensure)(virConnectPtr conn, virStoragePoolDef *def),
                      GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virIdentity *client = lukshdrStorageBecomeSystem();
    g_autofree char *xml = state->stock.storagePoolGetXMLDesc(pool, 0);
    virStoragePoolDef *def = xml ? state->abi.virStoragePoolDefParse(xml, NULL, 0) : NULL;
    bool ok = def != NULL;

    if (!ok)
        lukshdrErrorFromLast(error);
    lukshdrStorageBecomeClient(client);

    if (ok && ensure(virStoragePoolGetConnect(pool), def) < 0) {
        lukshdrErrorFromLast(error);
        ok = false;
    }

    state->abi.virStoragePoolDefFree(def);
    return ok;
}
