/*
 * table.h: the stock storage driver's table of functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Its form (a name, then 45 functions) is that of libvirt 9.0.0 and 11.3.0,
 * src/driver-storage.h; nothing is touched unless the table is recognised.
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>

/* Entries that the plugin neither calls nor replaces are not given a type */
typedef void (*lukshdrStorageEntry)(void);

typedef struct _lukshdrStorageTable lukshdrStorageTable;
struct _lukshdrStorageTable {
    const char *name;
    lukshdrStorageEntry connectNumOfStoragePools;
    lukshdrStorageEntry connectListStoragePools;
    lukshdrStorageEntry connectNumOfDefinedStoragePools;
    lukshdrStorageEntry connectListDefinedStoragePools;
    lukshdrStorageEntry connectListAllStoragePools;
    lukshdrStorageEntry connectFindStoragePoolSources;
    lukshdrStorageEntry connectStoragePoolEventRegisterAny;
    lukshdrStorageEntry connectStoragePoolEventDeregisterAny;
    lukshdrStorageEntry connectGetStoragePoolCapabilities;
    virStoragePoolPtr (*storagePoolLookupByName)(virConnectPtr conn, const char *name);
    virStoragePoolPtr (*storagePoolLookupByUUID)(virConnectPtr conn, const unsigned char *uuid);
    virStoragePoolPtr (*storagePoolLookupByVolume)(virStorageVolPtr vol);
    lukshdrStorageEntry storagePoolLookupByTargetPath;
    virStoragePoolPtr (*storagePoolCreateXML)(virConnectPtr conn,
                                              const char *xmldesc,
                                              unsigned int flags);
    virStoragePoolPtr (*storagePoolDefineXML)(virConnectPtr conn,
                                              const char *xmldesc,
                                              unsigned int flags);
    int (*storagePoolBuild)(virStoragePoolPtr pool, unsigned int flags);
    int (*storagePoolUndefine)(virStoragePoolPtr pool);
    int (*storagePoolCreate)(virStoragePoolPtr pool, unsigned int flags);
    int (*storagePoolDestroy)(virStoragePoolPtr pool);
    int (*storagePoolDelete)(virStoragePoolPtr pool, unsigned int flags);
    int (*storagePoolRefresh)(virStoragePoolPtr pool, unsigned int flags);
    lukshdrStorageEntry storagePoolGetInfo;
    char *(*storagePoolGetXMLDesc)(virStoragePoolPtr pool, unsigned int flags);
    lukshdrStorageEntry storagePoolGetAutostart;
    lukshdrStorageEntry storagePoolSetAutostart;
    lukshdrStorageEntry storagePoolNumOfVolumes;
    lukshdrStorageEntry storagePoolListVolumes;
    lukshdrStorageEntry storagePoolListAllVolumes;
    virStorageVolPtr (*storageVolLookupByName)(virStoragePoolPtr pool, const char *name);
    lukshdrStorageEntry storageVolLookupByKey;
    lukshdrStorageEntry storageVolLookupByPath;
    virStorageVolPtr (*storageVolCreateXML)(virStoragePoolPtr pool,
                                            const char *xmldesc,
                                            unsigned int flags);
    virStorageVolPtr (*storageVolCreateXMLFrom)(virStoragePoolPtr pool,
                                                const char *xmldesc,
                                                virStorageVolPtr clonevol,
                                                unsigned int flags);
    int (*storageVolDownload)(virStorageVolPtr vol,
                              virStreamPtr stream,
                              unsigned long long offset,
                              unsigned long long length,
                              unsigned int flags);
    int (*storageVolUpload)(virStorageVolPtr vol,
                            virStreamPtr stream,
                            unsigned long long offset,
                            unsigned long long length,
                            unsigned int flags);
    int (*storageVolDelete)(virStorageVolPtr vol, unsigned int flags);
    int (*storageVolWipe)(virStorageVolPtr vol, unsigned int flags);
    int (*storageVolWipePattern)(virStorageVolPtr vol, unsigned int algorithm, unsigned int flags);
    int (*storageVolGetInfo)(virStorageVolPtr vol, virStorageVolInfoPtr info);
    lukshdrStorageEntry storageVolGetInfoFlags;
    char *(*storageVolGetXMLDesc)(virStorageVolPtr vol, unsigned int flags);
    char *(*storageVolGetPath)(virStorageVolPtr vol);
    int (*storageVolResize)(virStorageVolPtr vol, unsigned long long capacity, unsigned int flags);
    int (*storagePoolIsActive)(virStoragePoolPtr pool);
    int (*storagePoolIsPersistent)(virStoragePoolPtr pool);
};

/**
 * lukshdrStorageTableFind:
 * @handle: dlopen handle of the stock storage module
 * @conn: an open connection of the storage driver
 * @error: VIR_ERR_NO_SUPPORT, saying which check failed
 *
 * A connection points to the table; where in it is not assumed.  Of the words
 * of the connection the one is looked for that points into the writable data
 * of the stock module, at something whose name is "storage", whose entry 13 is
 * the exported storagePoolLookupByTargetPath, and whose other entries are all
 * functions of the stock module, the ones that the plugin needs present.
 *
 * Returns: the stock table itself, or NULL with @error set.
 */
lukshdrStorageTable *
lukshdrStorageTableFind(void *handle, virConnectPtr conn, GError **error);
