/*
 * migrate.h: domains that go to another host, and come from one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "util/abi.h"

/**
 * lukshdrQemuMigrateBegin3:
 * lukshdrQemuMigrateBegin3Params:
 * lukshdrQemuMigratePerform3Params:
 *
 * In front of the stock entries of the host that a domain leaves, with their arguments.
 * Refuse, before anything happens, if the other host would get a configuration in which a
 * linked disk has no <encryption>: where the plugin is not loaded or the link not known, a
 * guest would get ciphertext to overwrite, or the disk's content would be copied to a
 * volume that is not encrypted.
 *
 * Return: as the stock entries.
 */
char *
lukshdrQemuMigrateBegin3(virDomainPtr domain,
                         const char *xmlin,
                         char **cookieout,
                         int *cookieoutlen,
                         unsigned long flags,
                         const char *dname,
                         unsigned long bandwidth);

char *
lukshdrQemuMigrateBegin3Params(virDomainPtr domain,
                               virTypedParameterPtr params,
                               int nparams,
                               char **cookieout,
                               int *cookieoutlen,
                               unsigned int flags);

int
lukshdrQemuMigratePerform3Params(virDomainPtr domain,
                                 const char *dconnuri,
                                 virTypedParameterPtr params,
                                 int nparams,
                                 const char *cookiein,
                                 int cookieinlen,
                                 char **cookieout,
                                 int *cookieoutlen,
                                 unsigned int flags);

/**
 * lukshdrQemuMigratePrepare3:
 * lukshdrQemuMigratePrepare3Params:
 *
 * In front of the stock entries of the host that a domain comes to: the XML that came gets the
 * <encryption> of this host's links where it has none, as XML that clients send.  Where disks are
 * copied, a linked volume that waits for one has a header and secret of its own, and the XML gets
 * that secret; and a volume that is missing is refused where libvirt would make it plain.
 *
 * Return: as the stock entries.
 */
int
lukshdrQemuMigratePrepare3(virConnectPtr dconn,
                           const char *cookiein,
                           int cookieinlen,
                           char **cookieout,
                           int *cookieoutlen,
                           const char *uri_in,
                           char **uri_out,
                           unsigned long flags,
                           const char *dname,
                           unsigned long bandwidth,
                           const char *dom_xml);

int
lukshdrQemuMigratePrepare3Params(virConnectPtr dconn,
                                 virTypedParameterPtr params,
                                 int nparams,
                                 const char *cookiein,
                                 int cookieinlen,
                                 char **cookieout,
                                 int *cookieoutlen,
                                 char **uri_out,
                                 unsigned int flags);

/**
 * lukshdrQemuMigrateFinish3:
 * lukshdrQemuMigrateFinish3Params:
 *
 * In front of the stock entries that end a migration on the host that a domain comes to.  With the
 * guest comes the domain's configuration, by another way than its XML: it gets the same
 * changes.  That it could not stands in the daemon's log; the guest runs all the same.
 *
 * Return: as the stock entries.
 */
virDomainPtr
lukshdrQemuMigrateFinish3(virConnectPtr dconn,
                          const char *dname,
                          const char *cookiein,
                          int cookieinlen,
                          char **cookieout,
                          int *cookieoutlen,
                          const char *dconnuri,
                          const char *uri,
                          unsigned long flags,
                          int cancelled);

virDomainPtr
lukshdrQemuMigrateFinish3Params(virConnectPtr dconn,
                                virTypedParameterPtr params,
                                int nparams,
                                const char *cookiein,
                                int cookieinlen,
                                char **cookieout,
                                int *cookieoutlen,
                                unsigned int flags,
                                int cancelled);
