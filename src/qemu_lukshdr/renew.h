/*
 * renew.h: correcting a domain's configuration once more when it starts
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
 * virt-clone and others define a domain first and create its volumes afterwards.  So what the
 * configuration says of the domain's disks may have become wrong since.  This function makes the
 * stored configuration of a persistent domain that does not run what lukshdrQemuConfigXMLRewrite
 * returns, if it differs.
 *
 * The guest that starts does not depend on it: Prepare looks links up itself.  Therefore a failure
 * is only logged, and no error is left in the thread.
 */
void
lukshdrQemuRenew(virDomainPtr domain,
                 virDomainPtr (*define)(virConnectPtr conn, const char *xml, unsigned int flags));
