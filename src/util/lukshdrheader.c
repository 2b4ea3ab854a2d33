/*
 * lukshdrheader.c: is a header volume the one of a link?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "lukshdrheader.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>

#include "lukshdrerror.h"
#include "lukshdrlabel.h"
#include "lukshdrluks.h"

static bool
lukshdrHeaderCheckContent(const lukshdrLink *link, int fd, GError **error)
{
    g_autoptr(lukshdrLink) label = NULL;
    g_autofree char *luksUUID = NULL;
    lukshdrIdentity found;

    /* refuses what is neither file nor block device */
    if (!lukshdrIdentityFromFD(fd, &found, error))
        return false;

    if (!lukshdrLabelRead(fd, &label, error) || !lukshdrLuksReadUUID(fd, &luksUUID, error))
        return false;

    if (!label || g_strcmp0(label->uuid, link->uuid) != 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("its link label is not that of linked volume '%s' of pool '%s'; put the "
                      "right header back from a backup"),
                    link->payload.volume, link->payload.pool);
        return false;
    }

    if (g_ascii_strcasecmp(luksUUID, link->luksUUID) != 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it holds LUKS header %s instead of %s; put the right header back from a "
                      "backup"),
                    luksUUID, link->luksUUID);
        return false;
    }
    return true;
}

bool
lukshdrHeaderCheck(const lukshdrLink *link, int fd, GError **error)
{
    if (lukshdrHeaderCheckContent(link, fd, error))
        return true;

    g_prefix_error(error, _("header volume '%s' of pool '%s', at '%s', cannot be used: "),
                   link->header.volume, link->header.pool, link->header.path);
    return false;
}
