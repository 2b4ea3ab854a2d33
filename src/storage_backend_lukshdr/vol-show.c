/*
 * vol-show.c: volumes that exist: what they show, what they refuse
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/error.h"
#include "link/header.h"
#include "util/log.h"
#include "busy.h"
#include "recognise.h"
#include "use.h"
#include "scan.h"
#include "vol-xml.h"

/* Returns @xml, or what shows which volumes named in it are lost instead; as of the last look, since
 * a server that hangs must not stop everybody who only wants to see */
static char *
lukshdrStorageMarkLost(char *xml)
{
    char *marked = lukshdrStorageScanAnyLost()
                       ? lukshdrVolumeXMLMarkLost(xml, lukshdrStorageScanIsLost)
                       : NULL;

    if (!marked)
        return xml;
    free(xml);
    return marked;
}

char *
lukshdrStorageVolGetXMLDesc(virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) links = NULL;
    char *xml = lukshdrStorageState.stock.storageVolGetXMLDesc(vol, flags);
    char *shown = NULL;

    if (!xml)
        return NULL;

    if (!lukshdrStorageFindByPath(vol, &payload, &header, &error)) {
        /* what exists can be shown even if nobody knows what it is */
        LUKSHDR_LOG_WARN("%s", error->message);
        virResetLastError();
        return xml;
    }

    if (payload)
        shown = lukshdrVolumeXMLShowPayload(xml, payload);
    else if (header && (links = lukshdrStorageHeadersSharers(header, &error))) {
        g_ptr_array_insert(links, 0, lukshdrLinkRef(header));
        shown = lukshdrVolumeXMLShowHeader(xml, links);
    }
    if (!shown)
        return xml;

    free(xml);
    return lukshdrStorageMarkLost(shown);
}

/* Whether what stock is about to change of @vol may go on: true, with @busy set to be ended when it
 * is done, or false with a libvirt error.  A header is refused what would leave a linked volume
 * without it. */
static bool
lukshdrStorageAllow(virStorageVolPtr vol, lukshdrStorageBusy **busy)
{
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;

    if (lukshdrStorageFindByPath(vol, &payload, &header, &error)) {
        if (header)
            lukshdrStorageSetHeaderInUse(header, &error);
        else if (lukshdrStorageBusyVolume(vol, payload, LUKSHDR_STORAGE_BUSY_CHANGE, busy, &error))
            return true;
    }

    lukshdrReportError(error);
    return false;
}

/* A header may be put back, and ciphertext replaced, while nobody uses the volume.  The upload itself
 * comes later, over @stream: who opens the volume meanwhile finds a header that is not what its
 * label says, and does not open it. */
static bool
lukshdrStorageAllowUpload(virStorageVolPtr vol, GError **error)
{
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GPtrArray) links = NULL;
    g_autoptr(GError) local = NULL;
    g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(lukshdrHeaderVolume));
    lukshdrLink *link;
    guint i;

    /* what now stands where a header was may become it again, or is it but has not been looked at */
    if (!lukshdrStorageFindByPath(vol, &payload, &header, &local) &&
        !lukshdrStorageFindReplaced(vol, &header) && !header) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    if (!(link = payload ? payload : header))
        return true;

    if (header && !(links = lukshdrStorageHeadersSharers(header, error)))
        return false;
    if (!links)
        links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    g_ptr_array_add(links, lukshdrLinkRef(link));

    for (i = 0; i < links->len; i++) {
        link = g_ptr_array_index(links, i);

        if (lukshdrStorageIsUnderWay(link)) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("volume '%s' is still being created"), link->payload.volume);
            return false;
        }
        if (!lukshdrStorageCheckUnused(link, none, error))
            return false;
    }
    return true;
}

int
lukshdrStorageVolDownload(virStorageVolPtr vol,
                          virStreamPtr stream,
                          unsigned long long offset,
                          unsigned long long length,
                          unsigned int flags)
{
    lukshdrStorageBusy *busy;
    g_autoptr(GError) error = NULL;

    /* whose it is does not matter: what can be read may be read, also while nobody knows */
    if (!lukshdrStorageBusyVolume(vol, NULL, LUKSHDR_STORAGE_BUSY_READ, &busy, &error)) {
        lukshdrReportError(error);
        return -1;
    }
    return lukshdrStorageState.stock.storageVolDownload(vol, stream, offset, length, flags);
}

int
lukshdrStorageVolUpload(virStorageVolPtr vol,
                        virStreamPtr stream,
                        unsigned long long offset,
                        unsigned long long length,
                        unsigned int flags)
{
    lukshdrStorageBusy *busy;
    g_autoptr(GError) error = NULL;

    if (!lukshdrStorageBusyVolume(vol, NULL, LUKSHDR_STORAGE_BUSY_CHANGE, &busy, &error) ||
        !lukshdrStorageAllowUpload(vol, &error)) {
        lukshdrReportError(error);
        return -1;
    }
    return lukshdrStorageState.stock.storageVolUpload(vol, stream, offset, length, flags);
}

int
lukshdrStorageVolResize(virStorageVolPtr vol, unsigned long long capacity, unsigned int flags)
{
    g_autoptr(lukshdrStorageBusy) busy = NULL;

    if (!lukshdrStorageAllow(vol, &busy))
        return -1;
    return lukshdrStorageState.stock.storageVolResize(vol, capacity, flags);
}
