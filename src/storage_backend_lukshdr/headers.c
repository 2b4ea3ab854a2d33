/*
 * headers.c: the header volumes of a link: the header and its replicas
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "headers.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "util/error.h"
#include "link/header.h"
#include "link/label.h"
#include "util/log.h"
#include "link/luks.h"
#include "link/replica.h"
#include "entry.h"
#include "lookup.h"

static void
lukshdrHeaderVolumeClear(lukshdrHeaderVolume *header)
{
    if (header->fd >= 0)
        close(header->fd);
    if (header->vol)
        virStorageVolFree(header->vol);
}

static bool
lukshdrStorageIsHeader(const lukshdrLink *link, const lukshdrVolume *copy, int fd, GError **error)
{
    lukshdrIdentity found;
    lukshdrIdentityMatch match;

    if (!lukshdrIdentityFromFD(fd, &found, error))
        return false;

    match = lukshdrIdentityCompare(&copy->identity, &found);
    if (found.type == LUKSHDR_IDENTITY_FILE && match != LUKSHDR_IDENTITY_DIFFERENT)
        return true; /* the recorded path is the second witness that UNCERTAIN asks for */
    if (match != LUKSHDR_IDENTITY_DIFFERENT && lukshdrStorageIsUnderWay(link))
        return true;
    if (link->luksUUID)
        return lukshdrHeaderCheck(link, copy, fd, NULL, error);

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("'%s' is not the header volume '%s' of pool '%s' that was recorded there"),
                copy->path, copy->volume, copy->pool);
    return false;
}

/* Sets @header's fd to -1 if there is nothing */
static bool
lukshdrStorageOpenHeader(const lukshdrLink *link, lukshdrHeaderVolume *header, GError **error)
{
    header->fd = open(header->copy->path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (header->fd < 0) {
        if (errno == ENOENT)
            return true;
        lukshdrErrorSetErrno(error, errno, _("Unable to open header volume '%s'"),
                             header->copy->path);
        return false;
    }
    return lukshdrStorageIsHeader(link, header->copy, header->fd, error);
}

GArray *
lukshdrStorageHeadersOpen(const lukshdrLink *link, virConnectPtr conn, GError **error)
{
    g_autoptr(GArray) headers = g_array_new(FALSE, TRUE, sizeof(lukshdrHeaderVolume));
    const lukshdrVolume *copy;
    guint i;

    g_array_set_clear_func(headers, (GDestroyNotify)lukshdrHeaderVolumeClear);

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        lukshdrHeaderVolume header = { .copy = copy, .fd = -1 };
        g_autoptr(virStoragePool) pool = NULL;

        if (!copy->path)
            continue;
        if (!(pool = lukshdrStorageOpenPool(conn, copy->pool, error)))
            return NULL;
        if (!lukshdrStorageOpenHeader(link, &header, error)) {
            lukshdrHeaderVolumeClear(&header);
            return NULL;
        }
        if (header.fd >= 0)
            g_array_append_val(headers, header);
        else if (link->state == LUKSHDR_LINK_STATE_ACTIVE)
            LUKSHDR_LOG_WARN(_("Header volume '%s' of pool '%s', of linked volume '%s', has gone"),
                             copy->volume, copy->pool, link->payload.volume);
    }
    return g_steal_pointer(&headers);
}

bool
lukshdrStorageHeadersLookup(GArray *headers,
                            virConnectPtr conn,
                            int (*ensure)(virConnectPtr conn,
                                          virStoragePoolDef *pool,
                                          virStorageVolDef *def),
                            GError **error)
{
    guint i;

    for (i = 0; i < headers->len; i++) {
        lukshdrHeaderVolume *header = &g_array_index(headers, lukshdrHeaderVolume, i);

        if (!(header->vol = lukshdrStorageLookupPart(header->copy, conn, error)) ||
            (ensure && !lukshdrStorageMay(header->vol, ensure, error)))
            return false;
    }
    return true;
}

bool
lukshdrStorageHeadersErase(GArray *headers, GError **error)
{
    guint i;

    /* the header itself last: from a replica, another host might mend it in between */
    for (i = headers->len; i-- > 0;) {
        if (!lukshdrLuksErase(g_array_index(headers, lukshdrHeaderVolume, i).fd, error))
            return false;
    }
    return true;
}

bool
lukshdrStorageHeadersDelete(GArray *headers, GError **error)
{
    guint i;

    for (i = 0; i < headers->len; i++) {
        lukshdrHeaderVolume *header = &g_array_index(headers, lukshdrHeaderVolume, i);

        /* partitions and logical volumes are not removed while somebody has them open */
        close(header->fd);
        header->fd = -1;
        if (lukshdrStorageState.stock.storageVolDelete(header->vol, 0) < 0) {
            lukshdrErrorFromLast(error);
            return false;
        }
    }
    return true;
}

static void
lukshdrStorageListDrop(GPtrArray *links, const char *uuid)
{
    lukshdrLink *known = lukshdrLinkListFind(links, uuid);

    if (known)
        g_ptr_array_remove(links, known);
}

/* A label that is damaged says nothing that must stay */
static GPtrArray *
lukshdrStorageLabelOf(int fd)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *links = NULL;

    if (!lukshdrLabelRead(fd, &links, &error))
        LUKSHDR_LOG_WARN("%s", error->message);
    return links ? links : g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
}

static bool
lukshdrStorageLabelOne(int fd, lukshdrLink *link, GPtrArray *others, GError **error)
{
    g_autoptr(GPtrArray) links = NULL;
    guint i;

    if (!lukshdrLabelLock(fd, error))
        return false;

    links = lukshdrStorageLabelOf(fd);
    lukshdrStorageListDrop(links, link->uuid);
    for (i = 0; others && i < others->len; i++) {
        lukshdrLink *other = g_ptr_array_index(others, i);

        lukshdrStorageListDrop(links, other->uuid);
        g_ptr_array_add(links, lukshdrLinkRef(other));
    }
    if (link->state == LUKSHDR_LINK_STATE_ACTIVE)
        g_ptr_array_add(links, lukshdrLinkRef(link));

    return links->len > 0 ? lukshdrLabelWrite(fd, links, error) : lukshdrLabelClear(fd, error);
}

bool
lukshdrStorageHeadersLabel(GArray *headers, lukshdrLink *link, GPtrArray *others, GError **error)
{
    guint i;

    for (i = 0; i < headers->len; i++) {
        if (!lukshdrStorageLabelOne(g_array_index(headers, lukshdrHeaderVolume, i).fd, link, others,
                                    error))
            return false;
    }
    return true;
}

GPtrArray *
lukshdrStorageHeadersSharers(const lukshdrLink *link, GError **error)
{
    g_autoptr(GPtrArray) links = NULL;
    GPtrArray *sharers;
    guint i;

    /* a header that has no path yet can be no other's */
    if (!link->header.path)
        return g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    if (!(links = lukshdrRegistryListAt(lukshdrStorageState.registry, link->header.path, error)))
        return NULL;

    sharers = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    for (i = 0; i < links->len; i++) {
        lukshdrLink *other = g_ptr_array_index(links, i);

        if (!g_str_equal(other->uuid, link->uuid) && other->state != LUKSHDR_LINK_STATE_DELETING &&
            g_strcmp0(other->header.path, link->header.path) == 0)
            g_ptr_array_add(sharers, lukshdrLinkRef(other));
    }
    return sharers;
}

bool
lukshdrStorageHeadersUnshare(GArray *headers, lukshdrLink *link, GPtrArray *sharers, GError **error)
{
    g_autoptr(GPtrArray) others = NULL;
    g_autoptr(lukshdrLink) last = NULL;

    if (sharers->len == 1) {
        last = lukshdrLinkCopy(g_ptr_array_index(sharers, 0));
        last->headerShared = false;
        others = g_ptr_array_new();
        /* in whatever state: what the label says of it is what it said before */
        if (last->state == LUKSHDR_LINK_STATE_ACTIVE)
            g_ptr_array_add(others, last);
    }

    return lukshdrStorageHeadersLabel(headers, link, others, error) &&
           (!last || lukshdrStorageSetShared(last, false, error));
}

bool
lukshdrStorageHeaderReady(const lukshdrLink *link, GError **error)
{
    g_autoptr(GError) local = NULL;
    int fd = open(link->header.path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    bool ok;

    if (fd >= 0) {
        ok = lukshdrHeaderCheck(link, &link->header, fd, NULL, &local);
        close(fd);
        if (ok)
            return true;
    } else {
        lukshdrErrorSetErrno(&local, errno, _("Unable to open header volume '%s'"),
                             link->header.path);
    }

    if (link->replicas->len > 0)
        return lukshdrReplicaSync(link, lukshdrStorageState.privileged, error);

    g_propagate_error(error, g_steal_pointer(&local));
    return false;
}
