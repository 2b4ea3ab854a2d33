/*
 * acl.c: asking libvirt's access driver before stock does, where that is necessary
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
        /* if this thread went on as the system, it would lend those rights to other clients */
        g_error("Unable to return to the client's identity");
    }
    if (client)
        g_object_unref(client);
}

/* Defines a function that calls @entry of stock's table as the system */
#define LUKSHDR_AS_SYSTEM(type, entry, params, args) \
    static type lukshdrLook_##entry params \
    { \
        virIdentity *client = lukshdrStorageBecomeSystem(); \
        type seen = lukshdrStorageState.client.entry args; \
\
        lukshdrStorageBecomeClient(client); \
        return seen; \
    }

/* clang-format off */
LUKSHDR_AS_SYSTEM(virStoragePoolPtr, storagePoolLookupByName,
                  (virConnectPtr conn, const char *name), (conn, name))
LUKSHDR_AS_SYSTEM(virStoragePoolPtr, storagePoolLookupByUUID,
                  (virConnectPtr conn, const unsigned char *uuid), (conn, uuid))
LUKSHDR_AS_SYSTEM(virStoragePoolPtr, storagePoolLookupByVolume, (virStorageVolPtr vol), (vol))
LUKSHDR_AS_SYSTEM(char *, storagePoolGetXMLDesc, (virStoragePoolPtr pool, unsigned int flags),
                  (pool, flags))
LUKSHDR_AS_SYSTEM(int, storagePoolIsActive, (virStoragePoolPtr pool), (pool))
LUKSHDR_AS_SYSTEM(int, storagePoolIsPersistent, (virStoragePoolPtr pool), (pool))
LUKSHDR_AS_SYSTEM(virStorageVolPtr, storageVolLookupByName,
                  (virStoragePoolPtr pool, const char *name), (pool, name))
LUKSHDR_AS_SYSTEM(int, storageVolGetInfo, (virStorageVolPtr vol, virStorageVolInfoPtr info),
                  (vol, info))
LUKSHDR_AS_SYSTEM(char *, storageVolGetXMLDesc, (virStorageVolPtr vol, unsigned int flags),
                  (vol, flags))
LUKSHDR_AS_SYSTEM(char *, storageVolGetPath, (virStorageVolPtr vol), (vol))
/* clang-format on */

void
lukshdrStorageLookAsSystem(lukshdrStorageTable *table)
{
    table->storagePoolLookupByName = lukshdrLook_storagePoolLookupByName;
    table->storagePoolLookupByUUID = lukshdrLook_storagePoolLookupByUUID;
    table->storagePoolLookupByVolume = lukshdrLook_storagePoolLookupByVolume;
    table->storagePoolGetXMLDesc = lukshdrLook_storagePoolGetXMLDesc;
    table->storagePoolIsActive = lukshdrLook_storagePoolIsActive;
    table->storagePoolIsPersistent = lukshdrLook_storagePoolIsPersistent;
    table->storageVolLookupByName = lukshdrLook_storageVolLookupByName;
    table->storageVolGetInfo = lukshdrLook_storageVolGetInfo;
    table->storageVolGetXMLDesc = lukshdrLook_storageVolGetXMLDesc;
    table->storageVolGetPath = lukshdrLook_storageVolGetPath;
}

/* The access driver expects libvirt's definitions and reads only names, UUIDs and keys in them.  We
 * make the definitions from XML of our own.  Stock would look at the volume before it returns its
 * XML; if the cluster hangs, that would come late or never. */

static char *
lukshdrStorageVolumeXML(virStorageVolPtr vol)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_VOLUME, NULL);

    xmlDocSetRootElement(doc, root);
    lukshdrXMLAddChild(root, LUKSHDR_XML_NAME, virStorageVolGetName(vol));
    lukshdrXMLAddChild(root, "key", virStorageVolGetKey(vol));
    return lukshdrXMLFormat(root);
}

bool
lukshdrStorageMay(virStorageVolPtr vol, lukshdrStorageEnsureACL ensure, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = NULL;
    g_autofree char *poolXML = NULL;
    g_autofree char *volXML = lukshdrStorageVolumeXML(vol);
    virStoragePoolDef *poolDef = NULL;
    virStorageVolDef *volDef = NULL;
    bool ok = (pool = state->stock.storagePoolLookupByVolume(vol)) &&
              (poolXML = state->stock.storagePoolGetXMLDesc(pool, 0)) &&
              (poolDef = state->abi.virStoragePoolDefParse(poolXML, NULL, 0)) &&
              (volDef = state->abi.virStorageVolDefParse(poolDef, volXML, NULL,
                                                         LUKSHDR_VIR_VOL_XML_PARSE_NO_CAPACITY)) &&
              ensure(virStorageVolGetConnect(vol), poolDef, volDef) == 0;

    if (!ok)
        lukshdrErrorFromLast(error);

    state->abi.virStorageVolDefFree(volDef);
    state->abi.virStoragePoolDefFree(poolDef);
    return ok;
}

bool
lukshdrStorageMayCreate(virStoragePoolPtr pool, const char *xmldesc, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autofree char *xml = state->stock.storagePoolGetXMLDesc(pool, 0);
    virStoragePoolDef *poolDef = xml ? state->abi.virStoragePoolDefParse(xml, NULL, 0) : NULL;
    virStorageVolDef *volDef = NULL;
    bool ok = poolDef &&
              (volDef = state->abi.virStorageVolDefParse(poolDef, xmldesc, NULL,
                                                         LUKSHDR_VIR_VOL_XML_PARSE_NO_CAPACITY)) &&
              state->abi.virStorageVolCreateXMLEnsureACL(virStoragePoolGetConnect(pool), poolDef,
                                                         volDef) == 0;

    if (!ok)
        lukshdrErrorFromLast(error);

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
    g_autofree char *xml = state->stock.storagePoolGetXMLDesc(pool, 0);
    virStoragePoolDef *def = xml ? state->abi.virStoragePoolDefParse(xml, NULL, 0) : NULL;
    bool ok = def && ensure(virStoragePoolGetConnect(pool), def) == 0;

    if (!ok)
        lukshdrErrorFromLast(error);
    state->abi.virStoragePoolDefFree(def);
    return ok;
}
