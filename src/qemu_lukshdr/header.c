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
#include "util/log.h"
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

static lukshdrHandle *
lukshdrQemuHeaderOpen(const lukshdrLink *link, GError **error)
{
    g_autofree char *where = lukshdrVolumeWhere(&link->header);
    g_autofree char *advice = lukshdrHeaderRestoreAdvice(link);
    g_autoptr(GError) local = NULL;
    lukshdrHandle *handle = lukshdrHandleOpen(&link->header,
                                              LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER, &local);

    if (handle)
        return handle;

    if (!lukshdrHeaderCheckMounted(&link->header, error))
        return NULL;
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("header volume '%s' of pool '%s' cannot be opened at '%s': %s; refresh the "
                  "pool, or %s"),
                link->header.volume, link->header.pool, where,
                g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL) ? g_strerror(ENOENT)
                                                                              : local->message,
                advice);
    return NULL;
}

static bool
lukshdrQemuHeaderExamine(const lukshdrLink *link, const lukshdrHandle *handle, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (!lukshdrHeaderCheck(link, &link->header, handle->fd, NULL, error))
        return false;
    /* where that cannot be changed, QEMU says so */
    if (!lukshdrHandleMendMode(handle, &local))
        LUKSHDR_LOG_WARN(_("Header '%s' of pool '%s': %s"), link->header.volume, link->header.pool,
                         local->message);
    return true;
}

/* A check that has begun */
typedef struct _lukshdrQemuHeaderLater lukshdrQemuHeaderLater;
struct _lukshdrQemuHeaderLater {
    lukshdrLink *link;
    lukshdrHandle *handle;
    int *running;
    GThread *thread;
    GError *error; /* the thread's, until that is joined */
};

static void
lukshdrQemuHeaderLaterFree(lukshdrQemuHeaderLater *later)
{
    lukshdrLinkUnref(later->link);
    lukshdrHandleClose(later->handle);
    g_clear_error(&later->error);
    g_free(later);
}

static gpointer
lukshdrQemuHeaderLaterRun(gpointer opaque)
{
    lukshdrQemuHeaderLater *later = opaque;

    (void)lukshdrQemuHeaderExamine(later->link, later->handle, &later->error);
    g_atomic_int_add(later->running, -1);
    return NULL;
}

/* Has a thread check @handle's content, if a processor is left for it.  Takes @handle over then, and returns
 * true. */
static bool
lukshdrQemuHeaderBegin(lukshdrQemuHeaderChecks *checks,
                       const lukshdrLink *link,
                       lukshdrHandle **handle)
{
    lukshdrQemuHeaderLater *later;

    /* a volume without a path was read when it was opened, and is closed by the thread that did so */
    if (link->header.remote || g_atomic_int_get(&checks->running) >= (int)g_get_num_processors())
        return false;

    later = g_new0(lukshdrQemuHeaderLater, 1);
    later->link = lukshdrLinkCopy(link);
    later->handle = *handle;
    later->running = &checks->running;

    g_atomic_int_inc(&checks->running);
    if (!(later->thread = g_thread_try_new("lukshdr-header", lukshdrQemuHeaderLaterRun, later,
                                           NULL))) {
        g_atomic_int_add(&checks->running, -1);
        later->handle = NULL;
        lukshdrQemuHeaderLaterFree(later);
        return false;
    }

    *handle = NULL;
    if (!checks->later)
        checks->later = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrQemuHeaderLaterFree);
    g_ptr_array_add(checks->later, later);
    return true;
}

/* The header of @link is not right, for the reason @local, which is consumed.  Looks at replicas only now: their
 * servers must not delay every guest. */
static bool
lukshdrQemuHeaderCheckReplicas(const lukshdrLink *link,
                               bool privileged,
                               GError *local,
                               GError **error)
{
    if (link->replicas->len > 0) {
        g_error_free(local);
        return lukshdrReplicaSync(link, privileged, error);
    }
    g_propagate_error(error, local);
    return false;
}

bool
lukshdrQemuHeaderCheck(const lukshdrLink *link,
                       bool privileged,
                       lukshdrQemuHeaderChecks *checks,
                       GError **error)
{
    g_autoptr(lukshdrHandle) handle = NULL;
    GError *local = NULL;

    if (!lukshdrQemuHeaderCheckState(link, error) ||
        !lukshdrQemuHeaderCheckPool(link, privileged, error))
        return false;

    if ((handle = lukshdrQemuHeaderOpen(link, &local)) &&
        ((checks && lukshdrQemuHeaderBegin(checks, link, &handle)) ||
         lukshdrQemuHeaderExamine(link, handle, &local)))
        return true;

    return lukshdrQemuHeaderCheckReplicas(link, privileged, local, error);
}

bool
lukshdrQemuHeaderChecksEnd(lukshdrQemuHeaderChecks *checks, bool privileged, GError **error)
{
    bool ok = true;
    guint i;

    for (i = 0; checks->later && i < checks->later->len; i++) {
        lukshdrQemuHeaderLater *later = g_ptr_array_index(checks->later, i);

        g_thread_join(later->thread);
        if (ok && later->error)
            ok = lukshdrQemuHeaderCheckReplicas(later->link, privileged,
                                                g_steal_pointer(&later->error), error);
    }
    g_clear_pointer(&checks->later, g_ptr_array_unref);
    return ok;
}
