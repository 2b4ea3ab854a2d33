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
    int (*connectStoragePoolEventRegisterAny)(virConnectPtr conn,
                                              virStoragePoolPtr pool,
                                              int event,
                                              virConnectStoragePoolEventGenericCallback callback,
                                              void *opaque,
                                              virFreeCallback freeOpaque);
    int (*connectStoragePoolEventDeregisterAny)(virConnectPtr conn, int id);
    char *(*connectGetStoragePoolCapabilities)(virConnectPtr conn, unsigned int flags);
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
    int (*storageVolGetInfoFlags)(virStorageVolPtr vol,
                                  virStorageVolInfoPtr info,
                                  unsigned int flags);
    char *(*storageVolGetXMLDesc)(virStorageVolPtr vol, unsigned int flags);
    char *(*storageVolGetPath)(virStorageVolPtr vol);
    int (*storageVolResize)(virStorageVolPtr vol, unsigned long long capacity, unsigned int flags);
    int (*storagePoolIsActive)(virStoragePoolPtr pool);
    int (*storagePoolIsPersistent)(virStoragePoolPtr pool);
};

/* clang-format takes the types for multiplications */
/* clang-format off */

/* What the plugin stands in front of, with the names of the arguments */
#define LUKSHDR_STORAGE_TABLE_OURS(X) \
    X(int, connectStoragePoolEventRegisterAny, \
      (virConnectPtr conn, virStoragePoolPtr pool, int event, \
       virConnectStoragePoolEventGenericCallback callback, void *opaque, \
       virFreeCallback freeOpaque), \
      (conn, pool, event, callback, opaque, freeOpaque)) \
    X(int, connectStoragePoolEventDeregisterAny, (virConnectPtr conn, int id), (conn, id)) \
    X(char *, connectGetStoragePoolCapabilities, \
      (virConnectPtr conn, unsigned int flags), (conn, flags)) \
    X(virStoragePoolPtr, storagePoolCreateXML, \
      (virConnectPtr conn, const char *xmldesc, unsigned int flags), (conn, xmldesc, flags)) \
    X(virStoragePoolPtr, storagePoolDefineXML, \
      (virConnectPtr conn, const char *xmldesc, unsigned int flags), (conn, xmldesc, flags)) \
    X(int, storagePoolBuild, (virStoragePoolPtr pool, unsigned int flags), (pool, flags)) \
    X(int, storagePoolUndefine, (virStoragePoolPtr pool), (pool)) \
    X(int, storagePoolCreate, (virStoragePoolPtr pool, unsigned int flags), (pool, flags)) \
    X(int, storagePoolDestroy, (virStoragePoolPtr pool), (pool)) \
    X(int, storagePoolDelete, (virStoragePoolPtr pool, unsigned int flags), (pool, flags)) \
    X(int, storagePoolRefresh, (virStoragePoolPtr pool, unsigned int flags), (pool, flags)) \
    X(char *, storagePoolGetXMLDesc, (virStoragePoolPtr pool, unsigned int flags), (pool, flags)) \
    X(virStorageVolPtr, storageVolCreateXML, \
      (virStoragePoolPtr pool, const char *xmldesc, unsigned int flags), (pool, xmldesc, flags)) \
    X(virStorageVolPtr, storageVolCreateXMLFrom, \
      (virStoragePoolPtr pool, const char *xmldesc, virStorageVolPtr clonevol, \
       unsigned int flags), \
      (pool, xmldesc, clonevol, flags)) \
    X(int, storageVolDownload, \
      (virStorageVolPtr vol, virStreamPtr stream, unsigned long long offset, \
       unsigned long long length, unsigned int flags), \
      (vol, stream, offset, length, flags)) \
    X(int, storageVolUpload, \
      (virStorageVolPtr vol, virStreamPtr stream, unsigned long long offset, \
       unsigned long long length, unsigned int flags), \
      (vol, stream, offset, length, flags)) \
    X(int, storageVolDelete, (virStorageVolPtr vol, unsigned int flags), (vol, flags)) \
    X(int, storageVolWipe, (virStorageVolPtr vol, unsigned int flags), (vol, flags)) \
    X(int, storageVolWipePattern, \
      (virStorageVolPtr vol, unsigned int algorithm, unsigned int flags), \
      (vol, algorithm, flags)) \
    X(int, storageVolGetInfo, (virStorageVolPtr vol, virStorageVolInfoPtr info), (vol, info)) \
    X(int, storageVolGetInfoFlags, \
      (virStorageVolPtr vol, virStorageVolInfoPtr info, unsigned int flags), (vol, info, flags)) \
    X(char *, storageVolGetXMLDesc, (virStorageVolPtr vol, unsigned int flags), (vol, flags)) \
    X(int, storageVolResize, \
      (virStorageVolPtr vol, unsigned long long capacity, unsigned int flags), \
      (vol, capacity, flags))

/* clang-format on */

/* The QEMU driver's, struct _virHypervisorDriver in src/driver-hypervisor.h: a name, then one
 * function for each call of the public API.  It grows and shifts with releases, so no place in it is
 * assumed: which entry a public function calls is found out by calling it. */

/* clang-format takes the types for multiplications */
/* clang-format off */

/* What the plugin stands in front of: every call that carries the XML of a disk of a domain's
 * configuration, or the metadata that may name a header, what copies a disk, what starts a domain from
 * its configuration, and what takes one to another host.  The old calls without flags have entries of
 * their own, and clients that use them. */
#define LUKSHDR_QEMU_TABLE_ENTRIES(X) \
    X(virDomainPtr, domainCreateXML, \
      (virConnectPtr conn, const char *xml, unsigned int flags), (conn, xml, flags)) \
    X(int, domainCreate, (virDomainPtr domain), (domain)) \
    X(int, domainCreateWithFlags, (virDomainPtr domain, unsigned int flags), (domain, flags)) \
    X(virDomainPtr, domainDefineXML, (virConnectPtr conn, const char *xml), (conn, xml)) \
    X(virDomainPtr, domainDefineXMLFlags, \
      (virConnectPtr conn, const char *xml, unsigned int flags), (conn, xml, flags)) \
    X(int, domainAttachDevice, (virDomainPtr domain, const char *xml), (domain, xml)) \
    X(int, domainAttachDeviceFlags, \
      (virDomainPtr domain, const char *xml, unsigned int flags), (domain, xml, flags)) \
    X(int, domainUpdateDeviceFlags, \
      (virDomainPtr domain, const char *xml, unsigned int flags), (domain, xml, flags)) \
    X(int, domainSaveFlags, \
      (virDomainPtr domain, const char *to, const char *dxml, unsigned int flags), \
      (domain, to, dxml, flags)) \
    X(int, domainSaveParams, \
      (virDomainPtr domain, virTypedParameterPtr params, int nparams, unsigned int flags), \
      (domain, params, nparams, flags)) \
    X(int, domainRestoreFlags, \
      (virConnectPtr conn, const char *from, const char *dxml, unsigned int flags), \
      (conn, from, dxml, flags)) \
    X(int, domainRestoreParams, \
      (virConnectPtr conn, virTypedParameterPtr params, int nparams, unsigned int flags), \
      (conn, params, nparams, flags)) \
    X(int, domainSaveImageDefineXML, \
      (virConnectPtr conn, const char *file, const char *dxml, unsigned int flags), \
      (conn, file, dxml, flags)) \
    X(int, domainManagedSaveDefineXML, \
      (virDomainPtr domain, const char *dxml, unsigned int flags), (domain, dxml, flags)) \
    X(virDomainSnapshotPtr, domainSnapshotCreateXML, \
      (virDomainPtr domain, const char *xml, unsigned int flags), (domain, xml, flags)) \
    X(int, domainRevertToSnapshot, \
      (virDomainSnapshotPtr snapshot, unsigned int flags), (snapshot, flags)) \
    X(int, domainBlockCopy, \
      (virDomainPtr domain, const char *disk, const char *xml, virTypedParameterPtr params, \
       int nparams, unsigned int flags), \
      (domain, disk, xml, params, nparams, flags)) \
    X(int, domainBlockRebase, \
      (virDomainPtr domain, const char *disk, const char *base, unsigned long bandwidth, \
       unsigned int flags), \
      (domain, disk, base, bandwidth, flags)) \
    X(int, domainGetBlockInfo, \
      (virDomainPtr domain, const char *disk, virDomainBlockInfoPtr info, unsigned int flags), \
      (domain, disk, info, flags)) \
    X(int, connectGetAllDomainStats, \
      (virConnectPtr conn, virDomainPtr *doms, unsigned int ndoms, unsigned int stats, \
       virDomainStatsRecordPtr **records, unsigned int flags), \
      (conn, doms, ndoms, stats, records, flags)) \
    X(int, domainSetMetadata, \
      (virDomainPtr domain, int type, const char *metadata, const char *key, const char *uri, \
       unsigned int flags), \
      (domain, type, metadata, key, uri, flags)) \
    X(char *, domainMigrateBegin3, \
      (virDomainPtr domain, const char *xmlin, char **cookieout, int *cookieoutlen, \
       unsigned long flags, const char *dname, unsigned long bandwidth), \
      (domain, xmlin, cookieout, cookieoutlen, flags, dname, bandwidth)) \
    X(char *, domainMigrateBegin3Params, \
      (virDomainPtr domain, virTypedParameterPtr params, int nparams, char **cookieout, \
       int *cookieoutlen, unsigned int flags), \
      (domain, params, nparams, cookieout, cookieoutlen, flags)) \
    X(int, domainMigratePrepare3, \
      (virConnectPtr dconn, const char *cookiein, int cookieinlen, char **cookieout, \
       int *cookieoutlen, const char *uri_in, char **uri_out, unsigned long flags, \
       const char *dname, unsigned long bandwidth, const char *dom_xml), \
      (dconn, cookiein, cookieinlen, cookieout, cookieoutlen, uri_in, uri_out, flags, dname, \
       bandwidth, dom_xml)) \
    X(int, domainMigratePrepare3Params, \
      (virConnectPtr dconn, virTypedParameterPtr params, int nparams, const char *cookiein, \
       int cookieinlen, char **cookieout, int *cookieoutlen, char **uri_out, unsigned int flags), \
      (dconn, params, nparams, cookiein, cookieinlen, cookieout, cookieoutlen, uri_out, flags)) \
    X(virDomainPtr, domainMigrateFinish3, \
      (virConnectPtr dconn, const char *dname, const char *cookiein, int cookieinlen, \
       char **cookieout, int *cookieoutlen, const char *dconnuri, const char *uri, \
       unsigned long flags, int cancelled), \
      (dconn, dname, cookiein, cookieinlen, cookieout, cookieoutlen, dconnuri, uri, flags, \
       cancelled)) \
    X(virDomainPtr, domainMigrateFinish3Params, \
      (virConnectPtr dconn, virTypedParameterPtr params, int nparams, const char *cookiein, \
       int cookieinlen, char **cookieout, int *cookieoutlen, unsigned int flags, int cancelled), \
      (dconn, params, nparams, cookiein, cookieinlen, cookieout, cookieoutlen, flags, cancelled)) \
    X(int, domainMigratePerform3Params, \
      (virDomainPtr domain, const char *dconnuri, virTypedParameterPtr params, int nparams, \
       const char *cookiein, int cookieinlen, char **cookieout, int *cookieoutlen, \
       unsigned int flags), \
      (domain, dconnuri, params, nparams, cookiein, cookieinlen, cookieout, cookieoutlen, flags))

/* clang-format on */
