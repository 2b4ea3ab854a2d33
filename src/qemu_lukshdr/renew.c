/*
 * renew.c: a domain's configuration, looked at once more when it starts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs in the thread that serves the client, with nothing locked, and as the client, who may have the
 * right to start a domain and not to see its secrets or to change it: then the configuration stays.
 * Who changes the domain in the moment between reading and writing loses that change, as with
 * virsh edit; that moment is only where there is something to correct.
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
