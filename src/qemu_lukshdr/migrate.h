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
 * These stand in front of the stock entries of the host that a domain leaves, with their
 * arguments.  They refuse, before anything happens, if the other host would get a
 * configuration in which a linked disk has no <encryption>.  On a host without the plugin or
 * without the link, a guest would get ciphertext to overwrite, or libvirt would copy the
 * disk's content to a volume that is not encrypted.
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
 * These stand in front of the stock entries of the host to which a domain comes.  Where the XML
 * that came has no <encryption>, they add that of this host's links, as for XML that clients send.
 * If libvirt copies disks, a linked volume that waits for a copy has its own header and secret:
 * they put that secret into the XML.  If a volume is missing and libvirt would make a plain one,
 * they refuse.
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
 * These stand in front of the stock entries that end a migration on the host to which a domain
 * comes.  The domain's stored configuration comes another way than the guest's XML; they make the
 * same changes in it.  If that fails, the daemon's log says so; the guest runs all the same.
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
