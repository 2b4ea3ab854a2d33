/*
 * abi-tables.h: the forms of libvirt's tables of functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Beside abi.h the other half of what is known of libvirt's inside.  A table is
 * searched for and recognised before an entry of it is read or replaced.
 */

#pragma once

#include <libvirt/libvirt.h>

/* The storage driver's: src/driver-storage.h of libvirt 9.0.0, 11.3.0 and 12.8.0, a name and then 45
 * functions. */

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
