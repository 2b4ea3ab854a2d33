/*
 * vol-show.c: volumes that exist: what they show, what they refuse
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Resizing a payload on a file system without birth times, where a label tells it by its size, and
 * what a crash after each step leaves:
 *
 *   1 payload resized          the new size; for other hosts the link is one that is found, which
 *                              none of them follows by itself 2 size in the registry     the same,
 *                              until this host writes the label again 3 size in the label of
 *                              all as it should be where that copy of the header is read header,
 *                              then replicas
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>

#include "util/error.h"
#include "util/log.h"
#include "busy.h"
#include "discover.h"
#include "entry.h"
#include "headers.h"
#include "recognise.h"
#include "use.h"
#include "scan.h"
#include "vol-xml.h"

/* Returns @xml, or what shows which volumes named in it are lost instead; as of the last look,
 * since a server that hangs must not stop everybody who only wants to see */
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

/* What is shown of a volume of a header pool that is nobody's and claims to be somebody's; or
 * NULL */
static char *
lukshdrStorageShowFound(virStorageVolPtr vol, const char *xml)
{
    virIdentity *client = lukshdrStorageBecomeSystem();
    g_autofree char *path = lukshdrStorageState.stock.storageVolGetPath(vol);
    g_autoptr(GPtrArray) links = path ? lukshdrStorageDiscoverFound(path) : NULL;

    lukshdrStorageBecomeClient(client);
    virResetLastError();
    return links ? lukshdrVolumeXMLShowFound(xml, links) : NULL;
}

char *
lukshdrStorageVolGetXMLDesc(virStorageVolPtr vol, unsigned int flags)
{
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) links = NULL;
    char *xml = lukshdrStorageState.client.storageVolGetXMLDesc(vol, flags);
    char *shown = NULL;

    if (!xml)
        return NULL;

    if (!lukshdrStorageRecognise(vol, NULL, &what, &error)) {
        /* what exists can be shown even if nobody knows what it is */
        LUKSHDR_LOG_WARN("%s", error->message);
        virResetLastError();
        return xml;
    }

    if (what.as == LUKSHDR_RECOGNISED_PLAIN) {
        shown = lukshdrStorageShowFound(vol, xml);
    } else if (what.as == LUKSHDR_RECOGNISED_PAYLOAD) {
        shown = lukshdrVolumeXMLShowPayload(xml, what.link);
    } else if (what.link && (links = lukshdrStorageHeadersSharers(what.link, &error))) {
        g_ptr_array_insert(links, 0, lukshdrLinkRef(what.link));
        shown = lukshdrVolumeXMLShowHeader(xml, links);
    }
    if (!shown)
        return xml;

    free(xml);
    return lukshdrStorageMarkLost(shown);
}

/* A header may be put back, and ciphertext replaced, while nobody uses the volume.  The upload
 * itself comes later, over @stream: who opens the volume meanwhile finds a header that is not what
 * its label says, and does not open it. */
static bool
lukshdrStorageAllowUpload(virStorageVolPtr vol, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(lukshdrLink) replaced = NULL;
    g_autoptr(GPtrArray) links = NULL;
    g_autoptr(GError) local = NULL;
    lukshdrLink *header;
    lukshdrLink *link;
    guint i;

    /* what now stands where a header was may become it again, or is it but has not been looked
     * at */
    if (!lukshdrStorageRecognise(vol, state->abi.virStorageVolUploadEnsureACL, &what, &local) &&
        !lukshdrStorageFindReplaced(vol, &replaced) && !replaced) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    link = what.link ? what.link : replaced;
    if (!link)
        return true;
    header = what.as == LUKSHDR_RECOGNISED_PAYLOAD ? NULL : link;

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
        if (!lukshdrStorageCheckUnused(link, error))
            return false;
    }
    return true;
}

/* What @error says of links is told only to a client that may do what it asks for */
static int
lukshdrStorageRefuse(virStorageVolPtr vol, lukshdrStorageEnsureACL ensure, GError *error)
{
    g_autoptr(GError) denied = NULL;

    lukshdrReportError(lukshdrStorageMay(vol, ensure, &denied) ? error : denied);
    return -1;
}

int
lukshdrStorageVolDownload(virStorageVolPtr vol,
                          virStreamPtr stream,
                          unsigned long long offset,
                          unsigned long long length,
                          unsigned int flags)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    lukshdrStorageBusy *busy;
    g_autoptr(GError) error = NULL;

    /* whose it is does not matter: what can be read may be read, also while nobody knows */
    if (!lukshdrStorageBusyVolume(vol, NULL, LUKSHDR_STORAGE_BUSY_READ, &busy, &error))
        return lukshdrStorageRefuse(vol, state->abi.virStorageVolDownloadEnsureACL, error);
    return state->stock.storageVolDownload(vol, stream, offset, length, flags);
}

int
lukshdrStorageVolUpload(virStorageVolPtr vol,
                        virStreamPtr stream,
                        unsigned long long offset,
                        unsigned long long length,
                        unsigned int flags)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    lukshdrStorageBusy *busy;
    g_autoptr(GError) error = NULL;

    if (!lukshdrStorageBusyVolume(vol, NULL, LUKSHDR_STORAGE_BUSY_CHANGE, &busy, &error) ||
        !lukshdrStorageAllowUpload(vol, &error))
        return lukshdrStorageRefuse(vol, state->abi.virStorageVolUploadEnsureACL, error);
    return state->stock.storageVolUpload(vol, stream, offset, length, flags);
}

/* A lukshdrStorageChange */
static bool
lukshdrStorageResizedChange(lukshdrLink *link, void *opaque)
{
    const lukshdrIdentity *now = opaque;

    link->payload.identity.size = now->size;
    return true;
}

/* @link's payload, open as @held, has been resized: that it was is not undone where this fails */
static void
lukshdrStorageResized(const lukshdrLink *link, const lukshdrHandle *held)
{
    g_autoptr(GError) error = NULL;
    lukshdrIdentity now;

    if (!lukshdrIdentityCountsSize(&held->identity))
        return;

    if (lukshdrIdentityFromFD(held->fd, &now, &error) &&
        lukshdrStorageUpdate(link, lukshdrStorageResizedChange, &now, &error))
        lukshdrStorageHeadersResized(link, now.size);
    else
        LUKSHDR_LOG_WARN(_("How long the payload of linked volume '%s' of pool '%s' is now could "
                           "not be recorded: %s"),
                         link->payload.volume, link->payload.pool, error->message);
}

int
lukshdrStorageVolResize(virStorageVolPtr vol, unsigned long long capacity, unsigned int flags)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    g_autoptr(lukshdrHandle) held = NULL;
    g_autoptr(GError) error = NULL;
    int rc;

    if (lukshdrStorageRecognise(vol, state->abi.virStorageVolResizeEnsureACL, &what, &error) &&
        lukshdrStorageBusyVolume(vol, lukshdrStorageRecognisedPayload(&what),
                                 LUKSHDR_STORAGE_BUSY_CHANGE, &busy, &error)) {
        switch (what.as) {
        case LUKSHDR_RECOGNISED_PAYLOAD:
            /* a guest would not be told, and what is cut off would be its disk's end */
            if (!(held = lukshdrStorageHold(what.link, &error))) {
                g_prefix_error(&error,
                               _("unable to resize linked volume '%s' (that of a running domain is "
                                 "resized with virsh blockresize): "),
                               what.link->payload.volume);
                break;
            }
            if ((rc = state->stock.storageVolResize(vol, capacity, flags)) == 0)
                lukshdrStorageResized(what.link, held);
            return rc;
        case LUKSHDR_RECOGNISED_PLAIN:
            return state->stock.storageVolResize(vol, capacity, flags);
        case LUKSHDR_RECOGNISED_HEADER:
        case LUKSHDR_RECOGNISED_REPLICA:
            lukshdrStorageSetHeaderInUse(what.link, &error);
            break;
        }
    }

    lukshdrReportError(error);
    return -1;
}
