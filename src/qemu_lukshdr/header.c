/*
 * header.c: is the header there, and is it the right one?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "header.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>

#include "util/error.h"
#include "link/handle.h"
#include "link/header.h"
#include "link/pool-state.h"
#include "link/replica.h"

bool
lukshdrQemuHeaderCheckState(const lukshdrLink *link, GError **error)
{
    switch (link->state) {
    case LUKSHDR_LINK_STATE_ACTIVE:
        if (lukshdrVolumeLocation(&link->header) != LUKSHDR_LOCATION_NONE && link->luksUUID &&
            link->secretUUID)
            return true;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("link registry entry '%s' of linked volume '%s' in pool '%s' is incomplete"),
                    link->uuid, link->payload.volume, link->payload.pool);
        return false;
    case LUKSHDR_LINK_STATE_CREATING:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("linked volume '%s' in pool '%s' is still being created"),
                    link->payload.volume, link->payload.pool);
        return false;
    case LUKSHDR_LINK_STATE_WIPING:
    case LUKSHDR_LINK_STATE_WIPED:
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("linked volume '%s' in pool '%s' has been wiped: its key material is gone for "
              "ever, it can only be deleted"),
            link->payload.volume, link->payload.pool);
        return false;
    case LUKSHDR_LINK_STATE_UNLINKING:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("linked volume '%s' in pool '%s' is being unlinked from its header"),
                    link->payload.volume, link->payload.pool);
        return false;
    case LUKSHDR_LINK_STATE_DELETING:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("linked volume '%s' in pool '%s' is being deleted and its key material may "
                      "be gone"),
                    link->payload.volume, link->payload.pool);
        return false;
    }
    g_return_val_if_reached(false);
}

static bool
lukshdrQemuHeaderCheckPool(const lukshdrLink *link, bool privileged, GError **error)
{
    if (lukshdrPoolStateIsActive(privileged, link->header.pool))
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("header pool '%s' is not active; start it (virsh pool-start) to use linked "
                  "volume '%s' of pool '%s'"),
                link->header.pool, link->payload.volume, link->payload.pool);
    return false;
}

static bool
lukshdrQemuHeaderCheckContent(const lukshdrLink *link, GError **error)
{
    g_autofree char *where = lukshdrVolumeWhere(&link->header);
    g_autofree char *advice = lukshdrHeaderRestoreAdvice(link);
    g_autoptr(GError) local = NULL;
    g_autoptr(lukshdrHandle) handle = lukshdrHandleOpen(
        &link->header, LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER, &local);

    if (handle)
        return lukshdrHeaderCheck(link, &link->header, handle->fd, NULL, error);

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("header volume '%s' of pool '%s' cannot be opened at '%s': %s; refresh the "
                  "pool, or %s"),
                link->header.volume, link->header.pool, where,
                g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL) ? g_strerror(ENOENT)
                                                                              : local->message,
                advice);
    return false;
}

bool
lukshdrQemuHeaderCheck(const lukshdrLink *link, bool privileged, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (!lukshdrQemuHeaderCheckState(link, error) ||
        !lukshdrQemuHeaderCheckPool(link, privileged, error))
        return false;

    if (lukshdrQemuHeaderCheckContent(link, &local))
        return true;

    /* look at replicas only after the header failed: their servers must not delay every guest */
    if (link->replicas->len > 0)
        return lukshdrReplicaSync(link, privileged, error);

    g_propagate_error(error, g_steal_pointer(&local));
    return false;
}
