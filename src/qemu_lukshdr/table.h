/*
 * table.h: the stock QEMU driver's table of functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table (struct _virHypervisorDriver in libvirt's src/driver-hypervisor.h) is a
 * name and then one function for each call of the public API.  It grows and shifts
 * with releases, so no numbers of entries are assumed: which entry a public
 * function calls is found out by calling it.
 */

#pragma once

#include "util/abi.h"

/* clang-format takes the types for multiplications */
/* clang-format off */

/* What the plugin stands in front of: every call that carries the XML of a disk of a domain's
 * configuration, or the metadata that may name a header, what copies a disk, what starts a domain from
 * its configuration, and what takes one to another host.  The old calls without flags have entries of
 * their own, and clients that use them. */
#define LUKSHDR_QEMU_TABLE_ENTRIES(X) \
    X(virDomainPtr, domainCreateXML, (virConnectPtr conn, const char *xml, unsigned int flags)) \
    X(int, domainCreate, (virDomainPtr domain)) \
    X(int, domainCreateWithFlags, (virDomainPtr domain, unsigned int flags)) \
    X(virDomainPtr, domainDefineXML, (virConnectPtr conn, const char *xml)) \
    X(virDomainPtr, domainDefineXMLFlags, \
      (virConnectPtr conn, const char *xml, unsigned int flags)) \
    X(int, domainAttachDevice, (virDomainPtr domain, const char *xml)) \
    X(int, domainAttachDeviceFlags, (virDomainPtr domain, const char *xml, unsigned int flags)) \
    X(int, domainUpdateDeviceFlags, (virDomainPtr domain, const char *xml, unsigned int flags)) \
    X(int, domainSaveFlags, \
      (virDomainPtr domain, const char *to, const char *dxml, unsigned int flags)) \
    X(int, domainSaveParams, \
      (virDomainPtr domain, virTypedParameterPtr params, int nparams, unsigned int flags)) \
    X(int, domainRestoreFlags, \
      (virConnectPtr conn, const char *from, const char *dxml, unsigned int flags)) \
    X(int, domainRestoreParams, \
      (virConnectPtr conn, virTypedParameterPtr params, int nparams, unsigned int flags)) \
    X(int, domainSaveImageDefineXML, \
      (virConnectPtr conn, const char *file, const char *dxml, unsigned int flags)) \
    X(int, domainManagedSaveDefineXML, \
      (virDomainPtr domain, const char *dxml, unsigned int flags)) \
    X(virDomainSnapshotPtr, domainSnapshotCreateXML, \
      (virDomainPtr domain, const char *xml, unsigned int flags)) \
    X(int, domainRevertToSnapshot, (virDomainSnapshotPtr snapshot, unsigned int flags)) \
    X(int, domainBlockCopy, \
      (virDomainPtr domain, const char *disk, const char *xml, virTypedParameterPtr params, \
       int nparams, unsigned int flags)) \
    X(int, domainBlockRebase, \
      (virDomainPtr domain, const char *disk, const char *base, unsigned long bandwidth, \
       unsigned int flags)) \
    X(int, domainSetMetadata, \
      (virDomainPtr domain, int type, const char *metadata, const char *key, const char *uri, \
       unsigned int flags)) \
    X(char *, domainMigrateBegin3, \
      (virDomainPtr domain, const char *xmlin, char **cookieout, int *cookieoutlen, \
       unsigned long flags, const char *dname, unsigned long bandwidth)) \
    X(char *, domainMigrateBegin3Params, \
      (virDomainPtr domain, virTypedParameterPtr params, int nparams, char **cookieout, \
       int *cookieoutlen, unsigned int flags)) \
    X(int, domainMigratePrepare3, \
      (virConnectPtr dconn, const char *cookiein, int cookieinlen, char **cookieout, \
       int *cookieoutlen, const char *uri_in, char **uri_out, unsigned long flags, \
       const char *dname, unsigned long bandwidth, const char *dom_xml)) \
    X(int, domainMigratePrepare3Params, \
      (virConnectPtr dconn, virTypedParameterPtr params, int nparams, const char *cookiein, \
       int cookieinlen, char **cookieout, int *cookieoutlen, char **uri_out, \
       unsigned int flags)) \
    X(virDomainPtr, domainMigrateFinish3, \
      (virConnectPtr dconn, const char *dname, const char *cookiein, int cookieinlen, \
       char **cookieout, int *cookieoutlen, const char *dconnuri, const char *uri, \
       unsigned long flags, int cancelled)) \
    X(virDomainPtr, domainMigrateFinish3Params, \
      (virConnectPtr dconn, virTypedParameterPtr params, int nparams, const char *cookiein, \
       int cookieinlen, char **cookieout, int *cookieoutlen, unsigned int flags, \
       int cancelled)) \
    X(int, domainMigratePerform3Params, \
      (virDomainPtr domain, const char *dconnuri, virTypedParameterPtr params, int nparams, \
       const char *cookiein, int cookieinlen, char **cookieout, int *cookieoutlen, \
       unsigned int flags))

/* clang-format on */

typedef struct _lukshdrQemuTableEntries lukshdrQemuTableEntries;
struct _lukshdrQemuTableEntries {
    LUKSHDR_QEMU_TABLE_ENTRIES(LUKSHDR_ABI_MEMBER)
};

typedef struct _lukshdrQemuTable lukshdrQemuTable;

/**
 * lukshdrQemuTableFind:
 * @handle: dlopen handle of the stock QEMU module
 * @conn: an open connection of the QEMU driver, used by nobody else
 * @error: VIR_ERR_NO_SUPPORT, saying what could not be found
 *
 * A connection points to the table; where in it is not assumed.  Of the words of the
 * connection the one is looked for that points into the writable data of the stock
 * module, at something that is called "QEMU" and goes on with functions of that
 * module.  Then @conn is given a table of probes for a moment, and for each entry
 * above the public function is called: the probe that answers says which it is.
 *
 * Returns: what was found, to be freed with g_free, or NULL with @error set.  Leaves no trace
 * in the thread's libvirt error.
 */
lukshdrQemuTable *
lukshdrQemuTableFind(void *handle, virConnectPtr conn, GError **error);

/**
 * lukshdrQemuTableTakeOver:
 * @table: from lukshdrQemuTableFind
 * @stock: filled in with the stock driver's entries; what it does not have is NULL
 * @ours: what takes their place
 *
 * To be called before any client is served: the table is not locked.
 */
void
lukshdrQemuTableTakeOver(const lukshdrQemuTable *table,
                         lukshdrQemuTableEntries *stock,
                         const lukshdrQemuTableEntries *ours);
