/*
 * renew.c: correcting a domain's configuration once more when it starts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs in the thread that serves the client, with nothing locked and with the client's rights.  A
 * client may have the right to start a domain but no right to change it or to see its secrets.
 * Then the configuration stays as it is.  If somebody changes the domain between our reading and
 * our writing, that change is lost, as with virsh edit.  That can happen only where there is
 * something to correct.
 */

#include "config.h"

#include "renew.h"

#include <glib/gi18n-lib.h>

#include "util/error.h"
#include "util/log.h"
#include "qemu.h"
#include "client-xml.h"

void
lukshdrQemuRenew(virDomainPtr domain,
                 virDomainPtr (*define)(virConnectPtr conn, const char *xml, unsigned int flags))
{
    g_autoptr(GError) error = NULL;
    g_autofree char *rewritten = NULL;
    g_autofree char *config = NULL;
    virDomainPtr defined;

    if (virDomainIsActive(domain) == 0 && virDomainIsPersistent(domain) == 1)
        config = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);

    if (config && lukshdrQemuConfigXMLRewrite(&lukshdrQemu.host, config, &rewritten, &error) &&
        rewritten) {
        if ((defined = define(virDomainGetConnect(domain), rewritten, 0)))
            virDomainFree(defined);
        else
            lukshdrErrorFromLast(&error);
    }

    if (error)
        LUKSHDR_LOG_WARN(_("The configuration of domain '%s' does not say how its linked volumes "
                           "are opened, and could not be corrected: %s"),
                         virDomainGetName(domain), error->message);
    virResetLastError();
}
