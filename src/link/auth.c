/*
 * auth.c: with what a cluster or a target is opened
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "auth.h"

#include <glib/gi18n-lib.h>

#include "util/error.h"

static lukshdrAuthSource lukshdrAuthKeys;

void
lukshdrAuthSetSource(lukshdrAuthSource source)
{
    lukshdrAuthKeys = source;
}

bool
lukshdrAuthGet(const lukshdrRemote *remote, lukshdrSecret **key, GError **error)
{
    *key = NULL;
    if (!remote->secretUUID)
        return true;

    if (!lukshdrAuthKeys) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    remote->kind == LUKSHDR_LOCATION_RBD
                        ? _("Ceph image '%s' cannot be looked at from here: only libvirt's daemons "
                            "get the key of its user")
                        : _("iSCSI unit '%s' cannot be looked at from here: only libvirt's daemons "
                            "get the password of its user"),
                    remote->name);
        return false;
    }
    return (*key = lukshdrAuthKeys(remote->kind, remote->secretUUID, error));
}
