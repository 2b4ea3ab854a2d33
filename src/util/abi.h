/*
 * abi.h: every private libvirt symbol that the project uses
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Each list below is X(return type, name, (parameters)); one resolver turns it
 * into a structure of function pointers found with dlsym at load.  Types of
 * libvirt's are opaque here, so that nothing can depend on their layout.  The
 * prototypes are those of libvirt 9.0.0 and 11.3.0, read from their sources;
 * dlsym proves a name only, which is why lukshdrABIVersionSupported stands
 * before every use.
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <libxml/xpath.h>
#include <stdbool.h>

/* Oldest and newest libvirt that the project was tested with, in the form of
 * virGetVersion: major * 1,000,000 + minor * 1,000 + release */
#define LUKSHDR_LIBVIRT_MIN 9000000
#define LUKSHDR_LIBVIRT_MAX 12008999

/* set to anything but "" or "0": trust a libvirt that is newer than the above */
#define LUKSHDR_ENV_UNTESTED "LUKSHDR_ALLOW_UNTESTED_LIBVIRT"

typedef struct _virDomainObj virDomainObj;
typedef struct _virDomainDef virDomainDef;
typedef struct _virDomainDiskDef virDomainDiskDef;
typedef struct _virStorageSource virStorageSource;
typedef struct _virStorageAuthDef virStorageAuthDef;
typedef struct _virStorageEncryption virStorageEncryption;
typedef struct _virJSONValue virJSONValue;
typedef struct _virConf virConf;
typedef struct _qemuMonitor qemuMonitor;
typedef struct _virQEMUDriver virQEMUDriver;
typedef struct _virQEMUDriverConfig virQEMUDriverConfig;
typedef struct _qemuDomainObjPrivate qemuDomainObjPrivate;
typedef struct _virDomainXMLOption virDomainXMLOption;
typedef struct _virDomainDeviceDef virDomainDeviceDef;
typedef struct _virDomainDeviceInfo virDomainDeviceInfo;
typedef struct _virDomainHostdevDef virDomainHostdevDef;
typedef struct _virDomainMemoryDef virDomainMemoryDef;
typedef struct _virDomainInputDef virDomainInputDef;
typedef struct _virDomainChrDef virDomainChrDef;
typedef struct _virDomainNetDef virDomainNetDef;
typedef struct _virStoragePoolDef virStoragePoolDef;
typedef struct _virStorageVolDef virStorageVolDef;
typedef struct _virIdentity virIdentity;
typedef struct _qemuBlockStorageSourceChainData qemuBlockStorageSourceChainData;

/* virbuffer.h: a pointer and a number since libvirt 6.0; all zero is an empty one.  Larger than any
 * release's, and never looked into.  No union: of that, { 0 } clears nothing but the first member since
 * GCC 15. */
typedef struct _virBuffer virBuffer;
struct _virBuffer {
    _Alignas(void *) char room[128];
};

/* virlog.h: small, and the same since libvirt 1.2 */
typedef struct _lukshdrVirLogSource lukshdrVirLogSource;
struct _lukshdrVirLogSource {
    const char *name;
    unsigned int priority;
    unsigned int serial;
};

enum {
    LUKSHDR_VIR_LOG_DEBUG = 1,
    LUKSHDR_VIR_LOG_INFO,
    LUKSHDR_VIR_LOG_WARN,
    LUKSHDR_VIR_LOG_ERROR,
};

/* libvirt's src/driver-state.h, the same in 9.0.0, 11.3.0 and 12.8.0 */
typedef struct _lukshdrVirStateDriver lukshdrVirStateDriver;
struct _lukshdrVirStateDriver {
    const char *name;
    bool initialized;
    int (*stateInitialize)(bool privileged,
                           const char *root,
                           bool monolithic,
                           void *callback,
                           void *opaque);
    int (*stateCleanup)(void);
    int (*stateReload)(void);
    int (*stateStop)(void);
    int (*stateShutdownPrepare)(void);
    int (*stateShutdownWait)(void);
};

/* virFDStreamInternalCloseCb in libvirt's src/util/virfdstream.h */
typedef void (*lukshdrVirStreamClosed)(virStreamPtr st, void *opaque);

/* libvirt's src/driver-stream.h, the same in 9.0.0, 11.3.0 and 12.8.0 */
typedef struct _lukshdrVirStreamDriver lukshdrVirStreamDriver;
struct _lukshdrVirStreamDriver {
    int (*streamSend)(virStreamPtr st, const char *data, size_t nbytes);
    int (*streamRecv)(virStreamPtr st, char *data, size_t nbytes);
    int (*streamRecvFlags)(virStreamPtr st, char *data, size_t nbytes, unsigned int flags);
    int (*streamSendHole)(virStreamPtr st, long long length, unsigned int flags);
    int (*streamRecvHole)(virStreamPtr st, long long *length, unsigned int flags);
    int (*streamInData)(virStreamPtr st, int *data, long long *length);
    int (*streamEventAddCallback)(virStreamPtr stream,
                                  int events,
                                  virStreamEventCallback cb,
                                  void *opaque,
                                  virFreeCallback ff);
    int (*streamEventUpdateCallback)(virStreamPtr stream, int events);
    int (*streamEventRemoveCallback)(virStreamPtr stream);
    int (*streamFinish)(virStreamPtr st);
    int (*streamAbort)(virStreamPtr st);
};

/* virDrvStateInitResult */
#define LUKSHDR_VIR_STATE_INIT_COMPLETE 1

/* clang-format takes the types for multiplications */
/* clang-format off */

/* libvirt.so, used by both halves */
#define LUKSHDR_ABI_COMMON(X) \
    X(void, virReportErrorHelper, \
      (int domcode, int errorcode, const char *filename, const char *funcname, size_t linenr, \
       const char *fmt, ...)) \
    X(void, virRaiseErrorFull, \
      (const char *filename, const char *funcname, size_t linenr, int domain, int code, \
       virErrorLevel level, const char *str1, const char *str2, const char *str3, int int1, \
       int int2, const char *fmt, ...)) \
    X(void, virLogMessage, \
      (lukshdrVirLogSource *source, int priority, const char *filename, int linenr, \
       const char *funcname, void *metadata, const char *fmt, ...)) \
    X(void, virErrorPreserveLast, (virErrorPtr *saveerr)) \
    X(void, virErrorRestore, (virErrorPtr *savederr)) \
    X(void, virUpdateSelfLastChanged, (const char *path))

/* libvirt.so, used by the storage half */
#define LUKSHDR_ABI_STORAGE(X) \
    X(int, virRegisterStateDriver, (lukshdrVirStateDriver *driver)) \
    X(virConnectPtr, virGetConnectSecret, (void)) \
    X(virIdentity *, virIdentityElevateCurrent, (void)) \
    X(virIdentity *, virIdentityGetCurrent, (void)) \
    X(virIdentity *, virIdentityGetSystem, (void)) \
    X(int, virIdentitySetCurrent, (virIdentity *identity)) \
    X(virStoragePoolDef *, virStoragePoolDefParse, \
      (const char *xmlStr, const char *filename, unsigned int flags)) \
    X(void, virStoragePoolDefFree, (virStoragePoolDef *def)) \
    X(virStorageVolDef *, virStorageVolDefParse, \
      (virStoragePoolDef *pool, const char *xmlStr, const char *filename, unsigned int flags)) \
    X(void, virStorageVolDefFree, (virStorageVolDef *def)) \
    X(virStorageVolPtr, virGetStorageVol, \
      (virConnectPtr conn, const char *pool, const char *name, const char *key, void *privateData, \
       virFreeCallback freeFunc)) \
    X(int, virFDStreamOpenFile, \
      (virStreamPtr st, const char *path, unsigned long long offset, unsigned long long length, \
       int oflags)) \
    X(void, virFDStreamSetInternalCloseCb, \
      (virStreamPtr st, lukshdrVirStreamClosed closed, void *opaque, \
       void (*freeOpaque)(void *opaque))) \
    X(int, virStoragePoolBuildEnsureACL, (virConnectPtr conn, virStoragePoolDef *pool)) \
    X(int, virStoragePoolCreateEnsureACL, (virConnectPtr conn, virStoragePoolDef *pool)) \
    X(int, virStoragePoolCreateXMLEnsureACL, (virConnectPtr conn, virStoragePoolDef *pool)) \
    X(int, virStoragePoolDefineXMLEnsureACL, (virConnectPtr conn, virStoragePoolDef *pool)) \
    X(int, virStoragePoolDeleteEnsureACL, (virConnectPtr conn, virStoragePoolDef *pool)) \
    X(int, virStoragePoolDestroyEnsureACL, (virConnectPtr conn, virStoragePoolDef *pool)) \
    X(int, virStoragePoolRefreshEnsureACL, (virConnectPtr conn, virStoragePoolDef *pool)) \
    X(int, virStoragePoolUndefineEnsureACL, (virConnectPtr conn, virStoragePoolDef *pool)) \
    X(int, virStorageVolCreateXMLEnsureACL, \
      (virConnectPtr conn, virStoragePoolDef *pool, virStorageVolDef *vol)) \
    X(int, virStorageVolDeleteEnsureACL, \
      (virConnectPtr conn, virStoragePoolDef *pool, virStorageVolDef *vol)) \
    X(int, virStorageVolDownloadEnsureACL, \
      (virConnectPtr conn, virStoragePoolDef *pool, virStorageVolDef *vol)) \
    X(int, virStorageVolResizeEnsureACL, \
      (virConnectPtr conn, virStoragePoolDef *pool, virStorageVolDef *vol)) \
    X(int, virStorageVolUploadEnsureACL, \
      (virConnectPtr conn, virStoragePoolDef *pool, virStorageVolDef *vol)) \
    X(int, virStorageVolWipePatternEnsureACL, \
      (virConnectPtr conn, virStoragePoolDef *pool, virStorageVolDef *vol))

/* one that asks the access driver; those whose right does not depend on flags do not look at them */
#define LUKSHDR_ABI_QEMU_ACL(X, name) \
    X(int, name, (virConnectPtr conn, virDomainDef *def, unsigned int flags))

/* VIR_DOMAIN_DEF_PARSE_STATUS and _INACTIVE in libvirt's domain_conf.h */
#define LUKSHDR_VIR_DOMAIN_DEF_PARSE_STATUS (1 << 0)
#define LUKSHDR_VIR_DOMAIN_DEF_PARSE_INACTIVE (1 << 1)

/* libvirt.so, used by the QEMU half */
#define LUKSHDR_ABI_QEMU(X) \
    X(int, virRegisterStateDriver, (lukshdrVirStateDriver *driver)) \
    X(virConnectPtr, virGetConnectStorage, (void)) \
    X(virConnectPtr, virGetConnectSecret, (void)) \
    X(virIdentity *, virIdentityElevateCurrent, (void)) \
    X(virIdentity *, virIdentityGetCurrent, (void)) \
    X(virIdentity *, virIdentityGetSystem, (void)) \
    X(int, virIdentitySetCurrent, (virIdentity *identity)) \
    X(virDomainPtr, virGetDomain, \
      (virConnectPtr conn, const char *name, const unsigned char *uuid, int id)) \
    X(virDomainSnapshotPtr, virGetDomainSnapshot, (virDomainPtr domain, const char *name)) \
    X(char *, virDomainObjGetMetadata, \
      (virDomainObj *vm, int type, const char *uri, unsigned int flags)) \
    X(int, virDomainDiskIndexByName, \
      (virDomainDef *def, const char *name, bool allow_ambiguous)) \
    X(virStorageSource *, virStorageSourceNew, (void)) \
    X(int, virStorageSourceNewFromBackingAbsolute, (const char *path, virStorageSource **src)) \
    X(int, virStorageSourceInitChainElement, \
      (virStorageSource *newelem, virStorageSource *old, bool transferLabels)) \
    X(bool, virStorageSourceHasBacking, (const virStorageSource *src)) \
    X(bool, virStorageSourceIsEmpty, (virStorageSource *src)) \
    X(int, virDomainStorageSourceParse, \
      (xmlNodePtr node, xmlXPathContextPtr ctxt, virStorageSource *src, unsigned int flags, \
       virDomainXMLOption *xmlopt)) \
    X(virStorageEncryption *, virStorageEncryptionParseNode, \
      (xmlNodePtr node, xmlXPathContextPtr ctxt)) \
    X(int, virStorageEncryptionFormat, (virBuffer *buf, virStorageEncryption *encryption)) \
    X(void, virStorageAuthDefFormat, (virBuffer *buf, virStorageAuthDef *auth)) \
    X(char *, virBufferContentAndReset, (virBuffer *buf)) \
    X(int, virFileIsSharedFSType, (const char *path, unsigned int fstypes)) \
    X(virConf *, virConfReadFile, (const char *filename, unsigned int flags)) \
    X(int, virConfGetValueStringList, \
      (virConf *conf, const char *setting, bool compatString, char ***values)) \
    X(int, virConfGetValueBool, (virConf *conf, const char *setting, bool *value)) \
    X(int, virConfFree, (virConf *conf)) \
    X(char *, virDomainMigrateBegin3, \
      (virDomainPtr domain, const char *xmlin, char **cookieout, int *cookieoutlen, \
       unsigned long flags, const char *dname, unsigned long bandwidth)) \
    X(char *, virDomainMigrateBegin3Params, \
      (virDomainPtr domain, virTypedParameterPtr params, int nparams, char **cookieout, \
       int *cookieoutlen, unsigned int flags)) \
    X(int, virDomainMigratePrepare3, \
      (virConnectPtr dconn, const char *cookiein, int cookieinlen, char **cookieout, \
       int *cookieoutlen, const char *uri_in, char **uri_out, unsigned long flags, \
       const char *dname, unsigned long bandwidth, const char *dom_xml)) \
    X(int, virDomainMigratePrepare3Params, \
      (virConnectPtr dconn, virTypedParameterPtr params, int nparams, const char *cookiein, \
       int cookieinlen, char **cookieout, int *cookieoutlen, char **uri_out, \
       unsigned int flags)) \
    X(virDomainPtr, virDomainMigrateFinish3, \
      (virConnectPtr dconn, const char *dname, const char *cookiein, int cookieinlen, \
       char **cookieout, int *cookieoutlen, const char *dconnuri, const char *uri, \
       unsigned long flags, int cancelled)) \
    X(virDomainPtr, virDomainMigrateFinish3Params, \
      (virConnectPtr dconn, virTypedParameterPtr params, int nparams, const char *cookiein, \
       int cookieinlen, char **cookieout, int *cookieoutlen, unsigned int flags, \
       int cancelled)) \
    X(int, virDomainMigratePerform3Params, \
      (virDomainPtr domain, const char *dconnuri, virTypedParameterPtr params, int nparams, \
       const char *cookiein, int cookieinlen, char **cookieout, int *cookieoutlen, \
       unsigned int flags)) \
    X(char *, virJSONValueToString, (virJSONValue *object, bool pretty)) \
    X(virJSONValue *, virJSONValueFromString, (const char *jsonstring)) \
    X(void, virJSONValueFree, (virJSONValue *value)) \
    X(int, virDomainObjGetState, (virDomainObj *vm, int *reason)) \
    X(virDomainDef *, virDomainObjGetOneDef, (virDomainObj *vm, unsigned int flags)) \
    X(void, virDomainObjEndAPI, (virDomainObj **vm)) \
    X(virDomainXMLOption *, virDomainXMLOptionNew, /* pointers: releases take 5 or more */ \
      (void *config, void *priv, void *xmlns, void *abi, void *saveCookie, void *jobConfig, \
       void *more, void *stillMore)) \
    X(virDomainDef *, virDomainDefParseString, \
      (const char *xmlStr, virDomainXMLOption *xmlopt, void *parseOpaque, unsigned int flags)) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainAttachDeviceEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainAttachDeviceFlagsEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainBlockCopyEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainCreateEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainCreateWithFlagsEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainCreateXMLEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainDefineXMLEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainDefineXMLFlagsEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainManagedSaveDefineXMLEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainMigrateBegin3EnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainMigrateBegin3ParamsEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainMigratePerform3ParamsEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainMigratePrepare3EnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainMigratePrepare3ParamsEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainRestoreFlagsEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainRestoreParamsEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainRevertToSnapshotEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainSaveFlagsEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainSaveImageDefineXMLEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainSaveParamsEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainSnapshotCreateXMLEnsureACL) \
    LUKSHDR_ABI_QEMU_ACL(X, virDomainUpdateDeviceFlagsEnsureACL) \
    X(char *, virDomainDefGetShortName, (const virDomainDef *def)) \
    X(virDomainDef *, virDomainDefNew, (virDomainXMLOption *xmlopt)) \
    X(void, virDomainDefFree, (virDomainDef *def)) \
    X(virDomainDiskDef *, virDomainDiskDefNew, (virDomainXMLOption *xmlopt)) \
    X(void, virDomainDiskDefFree, (virDomainDiskDef *def)) \
    X(const char *, virDomainDiskGetSource, (const virDomainDiskDef *def)) \
    X(void, virDomainDiskInsert, (virDomainDef *def, virDomainDiskDef *disk)) \
    X(virDomainDiskDef *, virDomainDiskRemoveByName, (virDomainDef *def, const char *name)) \
    X(int, virDomainDeviceInfoIterate, \
      (virDomainDef *def, \
       int (*cb)(virDomainDef *def, virDomainDeviceDef *dev, virDomainDeviceInfo *info, \
                 void *opaque), \
       void *opaque))

/* libvirt.so, used by the QEMU half where the release has it */
#define LUKSHDR_ABI_QEMU_OPTIONAL(X) \
    X(bool, virFileIsSharedFSOverride, (const char *path, char *const *overrides)) /* 10.8 */ \
    X(virStorageSource *, virDomainDiskDefParseSource, \
      (const char *xmlStr, virDomainXMLOption *xmlopt, unsigned int flags))

/* the stock QEMU driver, called but not wrapped */
#define LUKSHDR_ABI_QEMU_DRIVER(X) \
    X(virJSONValue *, qemuBlockStorageSourceGetBackendProps, \
      (virStorageSource *src, unsigned int flags)) \
    X(bool, qemuBlockStorageSourceSupportsConcurrentAccess, (virStorageSource *src)) \
    X(virDomainObj *, qemuDomainObjFromDomain, (virDomainPtr domain))

/* the same where the release has it */
#define LUKSHDR_ABI_QEMU_DRIVER_OPTIONAL(X) \
    X(int, qemuMonitorJSONArbitraryCommand, \
      (qemuMonitor *mon, const char *cmd_str, int fd, char **reply_str)) \
    X(const char *, qemuBlockStorageSourceGetFormatNodename, (virStorageSource *src)) /* 9.7 */

/* the stock QEMU driver, wrapped: exported by the QEMU half under the same name */
#define LUKSHDR_ABI_QEMU_WRAPPED(X) \
    X(void, qemuProcessStop, /* words: see qemu_lukshdr/process.c */ \
      (guintptr first, guintptr second, guintptr third, guintptr fourth, guintptr fifth)) \
    X(int, qemuProcessPrepareDomain, /* words: see qemu_lukshdr/process.c */ \
      (guintptr first, guintptr second, guintptr third)) \
    X(int, qemuDomainPrepareDiskSource, \
      (virDomainDiskDef *disk, qemuDomainObjPrivate *priv, virQEMUDriverConfig *cfg)) \
    X(int, qemuDomainPrepareStorageSourceBlockdev, \
      (virDomainDiskDef *disk, virStorageSource *src, qemuDomainObjPrivate *priv, \
       virQEMUDriverConfig *cfg)) \
    X(int, qemuBlockStorageSourceCreateGetFormatProps, \
      (virStorageSource *src, virStorageSource *backing, virJSONValue **props)) \
    X(int, qemuSecuritySetAllLabel, \
      (virQEMUDriver *driver, virDomainObj *vm, const char *incomingPath, bool migrated)) \
    X(void, qemuSecurityRestoreAllLabel, \
      (virQEMUDriver *driver, virDomainObj *vm, bool migrated)) \
    X(int, qemuSecuritySetImageLabel, \
      (virQEMUDriver *driver, virDomainObj *vm, virStorageSource *src, bool backingChain, \
       bool chainTop)) \
    X(int, qemuSecurityRestoreImageLabel, \
      (virQEMUDriver *driver, virDomainObj *vm, virStorageSource *src, bool backingChain)) \
    X(int, qemuSecurityMoveImageMetadata, \
      (virQEMUDriver *driver, virDomainObj *vm, virStorageSource *src, virStorageSource *dst)) \
    X(int, qemuSecurityRestoreHostdevLabel, \
      (virQEMUDriver *driver, virDomainObj *vm, virDomainHostdevDef *hostdev)) \
    X(int, qemuSecurityRestoreMemoryLabel, \
      (virQEMUDriver *driver, virDomainObj *vm, virDomainMemoryDef *mem)) \
    X(int, qemuSecurityRestoreInputLabel, (virDomainObj *vm, virDomainInputDef *input)) \
    X(int, qemuSecurityRestoreChardevLabel, \
      (virQEMUDriver *driver, virDomainObj *vm, virDomainChrDef *chr)) \
    X(int, qemuSecurityRestoreNetdevLabel, \
      (virQEMUDriver *driver, virDomainObj *vm, virDomainNetDef *net)) \
    X(int, qemuSecurityDomainRestorePathLabel, \
      (virQEMUDriver *driver, virDomainObj *vm, const char *path)) \
    X(int, qemuSetupImageCgroup, (virDomainObj *vm, virStorageSource *src)) \
    X(int, qemuSetupImageChainCgroup, (virDomainObj *vm, virStorageSource *src)) \
    X(int, qemuTeardownImageCgroup, (virDomainObj *vm, virStorageSource *src)) \
    X(int, qemuDomainBuildNamespace, (virQEMUDriverConfig *cfg, virDomainObj *vm)) \
    X(int, qemuDomainNamespaceSetupDisk, (virDomainObj *vm, virStorageSource *src, bool *created))

/* wrapped as well; a release has exactly one of the two */
#define LUKSHDR_ABI_QEMU_FORMAT_PROPS(X) \
    X(virJSONValue *, qemuBlockStorageSourceGetFormatProps, \
      (virStorageSource *src, virStorageSource *backingStore)) \
    X(virJSONValue *, qemuBlockStorageSourceGetBlockdevProps, \
      (virStorageSource *src, virStorageSource *backingStore))

/* wrapped as well; a release has one of each two */
#define LUKSHDR_ABI_QEMU_SCOPE(X) \
    X(int, qemuDomainAttachDeviceLive, \
      (virDomainObj *vm, virDomainDeviceDef *dev, virQEMUDriver *driver)) \
    X(int, qemuDomainAttachDeviceDiskLive, \
      (virQEMUDriver *driver, virDomainObj *vm, virDomainDeviceDef *dev)) \
    X(int, qemuDomainUpdateDeviceLive, \
      (virDomainObj *vm, virDomainDeviceDef *dev, virQEMUDriver *driver, bool force)) \
    X(int, qemuDomainChangeEjectableMedia, \
      (virQEMUDriver *driver, virDomainObj *vm, virDomainDiskDef *disk, \
       virStorageSource *newsrc, bool force))

/* wrapped for headers without a path, which cannot be used where a release lacks one of these; all
 * that were tested have them */
#define LUKSHDR_ABI_QEMU_REMOTE(X) \
    X(virDomainXMLOption *, virQEMUDriverCreateXMLConf, \
      (virQEMUDriver *driver, const char *defsecmodel)) \
    X(qemuBlockStorageSourceChainData *, qemuBuildStorageSourceChainAttachPrepareBlockdev, \
      (virStorageSource *top)) \
    X(qemuBlockStorageSourceChainData *, qemuBuildStorageSourceChainAttachPrepareBlockdevTop, \
      (virStorageSource *top, virStorageSource *backingStore)) \
    X(qemuBlockStorageSourceChainData *, qemuBlockStorageSourceChainDetachPrepareBlockdev, \
      (virStorageSource *src))

/* wrapped for checkpoints, which are refused where a release lacks one of these or
 * qemuMonitorJSONArbitraryCommand; all that were tested have them */
#define LUKSHDR_ABI_QEMU_BITMAPS(X) \
    X(GHashTable *, qemuMonitorJSONBlockGetNamedNodeDataJSON, (virJSONValue *nodes)) \
    X(int, qemuMonitorTransaction, (qemuMonitor *mon, virJSONValue **actions)) \
    X(int, qemuMonitorSetMigrationParams, (qemuMonitor *mon, virJSONValue **params))

/* clang-format on */

#define LUKSHDR_ABI_MEMBER(ret, name, args, ...) ret(*name) args;

typedef struct _lukshdrABICommon lukshdrABICommon;
struct _lukshdrABICommon {
    LUKSHDR_ABI_COMMON(LUKSHDR_ABI_MEMBER)
};

typedef struct _lukshdrABIStorage lukshdrABIStorage;
struct _lukshdrABIStorage {
    LUKSHDR_ABI_STORAGE(LUKSHDR_ABI_MEMBER)
};

typedef struct _lukshdrABIQemu lukshdrABIQemu;
struct _lukshdrABIQemu {
    LUKSHDR_ABI_QEMU(LUKSHDR_ABI_MEMBER)
    LUKSHDR_ABI_QEMU_OPTIONAL(LUKSHDR_ABI_MEMBER)
};

typedef struct _lukshdrABIQemuDriver lukshdrABIQemuDriver;
struct _lukshdrABIQemuDriver {
    LUKSHDR_ABI_QEMU_DRIVER(LUKSHDR_ABI_MEMBER)
    LUKSHDR_ABI_QEMU_DRIVER_OPTIONAL(LUKSHDR_ABI_MEMBER)
    LUKSHDR_ABI_QEMU_WRAPPED(LUKSHDR_ABI_MEMBER)
    LUKSHDR_ABI_QEMU_FORMAT_PROPS(LUKSHDR_ABI_MEMBER)
    LUKSHDR_ABI_QEMU_SCOPE(LUKSHDR_ABI_MEMBER)
    LUKSHDR_ABI_QEMU_REMOTE(LUKSHDR_ABI_MEMBER)
    LUKSHDR_ABI_QEMU_BITMAPS(LUKSHDR_ABI_MEMBER)
};

/**
 * lukshdrABIVersionSupported:
 * @error: VIR_ERR_NO_SUPPORT, naming the release found and the range
 *
 * Asks the libvirt that is loaded, not the one the project was built with.
 *
 * Returns: true if its release is in the tested range, or newer and the
 * administrator has set LUKSHDR_ENV_UNTESTED; false with @error set.
 */
bool
lukshdrABIVersionSupported(GError **error);

/**
 * lukshdrABIResolveCommon:
 * @abi: filled in
 * @error: VIR_ERR_NO_SUPPORT, naming the first symbol that is missing
 *
 * Returns: true, or false with @error set (the rest is resolved nevertheless).
 */
bool
lukshdrABIResolveCommon(lukshdrABICommon *abi, GError **error);

/**
 * lukshdrABIResolveStorage:
 * @abi: filled in
 * @error: as lukshdrABIResolveCommon
 *
 * Returns: as lukshdrABIResolveCommon.
 */
bool
lukshdrABIResolveStorage(lukshdrABIStorage *abi, GError **error);

/**
 * lukshdrABIResolveQemu:
 * @abi: filled in; what a release need not have stays NULL where it does not
 * @error: as lukshdrABIResolveCommon
 *
 * Returns: as lukshdrABIResolveCommon.
 */
bool
lukshdrABIResolveQemu(lukshdrABIQemu *abi, GError **error);

/**
 * lukshdrABIResolveQemuDriver:
 * @handle: dlopen handle of the stock QEMU driver: its own definitions are
 *          wanted, not the wrappers that stand in front of them
 * @abi: filled in; where releases export one of two functions, the other stays NULL
 * @error: as lukshdrABIResolveCommon
 *
 * Returns: as lukshdrABIResolveCommon.
 */
bool
lukshdrABIResolveQemuDriver(void *handle, lukshdrABIQemuDriver *abi, GError **error);
