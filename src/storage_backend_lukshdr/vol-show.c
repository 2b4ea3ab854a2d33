/*
 * vol-show.c: what volumes that exist show, and what they refuse
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * On a file system without birth times, a label recognises its payload by the size.  The steps of
 * resizing such a payload, and what a crash after each leaves:
 *
 *   1 payload resized           the new size; other hosts only show the link as found, and do not
 *                               follow it by themselves
 *   2 size in the registry      as 1, until this host writes the label again
 *   3 size in each copy's label all as it should be where that copy is read; the header first, then
 *                               the replicas
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
#include "image.h"
#include "recognise.h"
#include "use.h"
#include "scan.h"
#include "vol-xml.h"

/* Returns @xml, or XML that also shows which volumes named in it are lost.  Uses what the last look
 * found: a server that hangs must not stop everybody who only wants to see. */
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

/* Returns XML that shows the claims of a label that nobody follows; NULL if @vol has none */
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

/* Returns @xml with the format and the capacity of the qcow2 that is in @link's image, or NULL.  If nobody can
 * tell the capacity, shows the image's. */
static char *
lukshdrStorageShowImage(const char *xml, const lukshdrLink *link)
{
    unsigned long long capacity = 0;
    g_autoptr(GError) error = NULL;

    if (!lukshdrImageCapacity(link, &capacity, &error))
        LUKSHDR_LOG_WARN("%s", error->message);
    return lukshdrVolumeXMLShowImage(xml, link->format, capacity);
}

char *
lukshdrStorageVolGetXMLDesc(virStorageVolPtr vol, unsigned int flags)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) links = NULL;
    char *xml = lukshdrStorageState.client.storageVolGetXMLDesc(vol, flags);
    char *shown = NULL;

    if (!xml)
        return NULL;

    if (!lukshdrStorageRecognise(vol, NULL, &what, &error)) {
        g_autoptr(lukshdrLink) replaced = lukshdrStorageFindReplacedPayload(vol);

        /* show the volume even if nobody knows what it is */
        virResetLastError();
        if (replaced &&
            (shown = lukshdrVolumeXMLShowPayload(xml, replaced, LUKSHDR_XML_STATE_REPLACED))) {
            free(xml);
            return lukshdrStorageMarkLost(shown);
        }
        LUKSHDR_LOG_WARN("%s", error->message);
        return xml;
    }

    if (what.as == LUKSHDR_RECOGNISED_PLAIN) {
        shown = lukshdrStorageShowFound(vol, xml);
    } else if (what.as == LUKSHDR_RECOGNISED_PAYLOAD) {
        if (lukshdrImageIs(what.link) && (shown = lukshdrStorageShowImage(xml, what.link))) {
            free(xml);
            xml = shown;
        }
        shown = lukshdrVolumeXMLShowPayload(
            xml, what.link, lukshdrStorageIsTrimmed(what.link) ? LUKSHDR_XML_STATE_TRIMMING : NULL);
    } else if (what.link && (links = lukshdrStorageHeadersSharers(what.link, &error))) {
        g_ptr_array_insert(links, 0, lukshdrLinkRef(what.link));
        shown = lukshdrVolumeXMLShowHeader(xml, links);
    }
    if (!shown)
        return xml;

    free(xml);
    return lukshdrStorageMarkLost(shown);
}

/* Returns the link whose payload @vol is by its names, if that is a qcow2 in an image; else NULL.  Whether it is
 * the recorded one is for whoever opens it. */
static lukshdrLink *
lukshdrStorageFindImage(virStorageVolPtr vol)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autofree char *path = state->stock.storageVolGetPath(vol);
    g_autoptr(virStoragePool) pool = NULL;
    g_autoptr(lukshdrLink) link = NULL;

    if (!path || g_path_is_absolute(path) || !(pool = state->stock.storagePoolLookupByVolume(vol)))
        return NULL;
    (void)lukshdrRegistryLookup(state->registry, virStoragePoolGetName(pool),
                                virStorageVolGetName(vol), &link, NULL, NULL);
    return link && lukshdrImageIs(link) ? g_steal_pointer(&link) : NULL;
}

static void
lukshdrStorageShowCapacity(virStorageVolPtr vol, virStorageVolInfoPtr info)
{
    g_autoptr(lukshdrLink) link = lukshdrStorageFindImage(vol);
    g_autoptr(GError) error = NULL;

    if (link && !lukshdrImageCapacity(link, &info->capacity, &error))
        LUKSHDR_LOG_WARN("%s", error->message);
    virResetLastError();
}

int
lukshdrStorageVolGetInfo(virStorageVolPtr vol, virStorageVolInfoPtr info)
{
    int rc = lukshdrStorageState.client.storageVolGetInfo(vol, info);

    if (rc == 0)
        lukshdrStorageShowCapacity(vol, info);
    return rc;
}

int
lukshdrStorageVolGetInfoFlags(virStorageVolPtr vol, virStorageVolInfoPtr info, unsigned int flags)
{
    int rc = lukshdrStorageState.client.storageVolGetInfoFlags(vol, info, flags);

    if (rc == 0)
        lukshdrStorageShowCapacity(vol, info);
    return rc;
}

/* A lukshdrStorageChange */
static bool
lukshdrStorageResizedChange(lukshdrLink *link, void *opaque)
{
    const lukshdrIdentity *now = opaque;

    link->payload.identity.size = now->size;
    return true;
}

/* Records the new size of @link's payload, which is open as @held.  A failure does not undo the
 * resize. */
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
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
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
            /* a guest would not hear of the new size, and a cut would take the end of its disk */
            if (!(held = lukshdrStorageHold(what.link, &error))) {
                g_prefix_error(&error,
                               _("unable to resize linked volume '%s' (that of a running domain is "
                                 "resized with virsh blockresize): "),
                               what.link->payload.volume);
                break;
            }
            if (lukshdrImageIs(what.link)) {
                if (lukshdrImageResize(what.link, capacity, flags, &error))
                    return 0;
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
