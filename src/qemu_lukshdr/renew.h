/*
 * renew.h: a domain's configuration, looked at once more when it starts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libvirt/libvirt.h>

/**
 * lukshdrQemuRenew:
 * @domain: a domain that is about to be started
 * @define: the stock driver's entry that defines a domain
 *
 * virt-clone and others define a domain first and create its volumes then, so what was right to
 * say of its disks when it was defined need not be right any more.  The stored configuration of a persistent
 * domain that does not run is made what lukshdrQemuConfigXMLRewrite says, if it is not that already.
 *
 * Nothing depends on it for the guest that starts: Prepare looks links up itself.  What cannot be
 * corrected is therefore logged, and no error is left in the thread.
 */
void
lukshdrQemuRenew(virDomainPtr domain,
                 virDomainPtr (*define)(virConnectPtr conn, const char *xml, unsigned int flags));
