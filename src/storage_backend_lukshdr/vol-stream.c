/*
 * vol-stream.c: vol-download and vol-upload
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stock has neither for volumes without a path.  A header must be saved and put back wherever it is, so
 * those of copies of a header are done here: the stream reads and writes the header's bytes in memory
 * (handle.h).  The steps of such an upload, and what a crash after each leaves:
 *
 *   1 bytes received from the client        the header as it was
 *   2 the blocks that differ written        some of them written: put the header back again
 *
 * Where a guest uses the header, what was received is judged before step 2 (rekey.h), and its secret opens what a
 * crash leaves.
 */

#include "config.h"

#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "util/log.h"
#include "util/text.h"
#include "link/handle.h"
#include "link/label.h"
#include "link/payload.h"
#include "busy.h"
#include "headers.h"
#include "lookup.h"
#include "recognise.h"
#include "rekey.h"
#include "stream.h"
#include "use.h"

/* A header volume without a path that a stream reads or writes.  For an upload the stream owns it, then
 * the thread that ends that. */
typedef struct _lukshdrStreamed lukshdrStreamed;
struct _lukshdrStreamed {
    lukshdrVolume where;
    lukshdrHandle *handle;
    lukshdrStorageBusy *busy;   /* of an upload */
    lukshdrStorageRekey *rekey; /* what judges that, if a guest uses the header; or NULL */
};

static void
lukshdrStreamedFree(lukshdrStreamed *streamed)
{
    lukshdrHandleClose(streamed->handle);
    lukshdrStorageBusyEnd(streamed->busy);
    lukshdrStorageRekeyUnref(streamed->rekey);
    lukshdrVolumeClear(&streamed->where);
    g_free(streamed);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrStreamed, lukshdrStreamedFree)

/* Whether stock has no way to the bytes of @vol, and this code has */
static bool
lukshdrStreamedIsOurs(virStorageVolPtr vol)
{
    g_autofree char *path = lukshdrStorageState.stock.storageVolGetPath(vol);

    return path && !g_path_is_absolute(path);
}

/* Whether a guest of this host uses @link's volume.  Another host's, of which only QEMU's locks tell, has a secret of which
 * nothing is known here. */
static bool
lukshdrUploadIsUsedHere(const lukshdrLink *link)
{
    g_autofree char *guest = NULL;

    return lukshdrGuestUsersFind(lukshdrStorageState.guests, link->uuid, false, -1, &guest, NULL) &&
           guest;
}

/* A client may put back a header, or replace ciphertext, while nobody uses the volume.  The upload
 * itself comes later, over the stream.  If somebody opens the volume meanwhile, its header is not
 * what the label says, and so it is refused.  Sets @copied to a link of which @vol is a copy of the
 * header, or to NULL; @payload to the one whose payload it is, or to NULL; @rekey to what judges the upload of
 * a header that a guest uses, or to NULL. */
static bool
lukshdrStorageAllowUpload(virStorageVolPtr vol,
                          lukshdrLink **copied,
                          lukshdrLink **payload,
                          lukshdrStorageRekey **rekey,
                          GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(lukshdrLink) replaced = NULL;
    g_autoptr(GPtrArray) links = NULL;
    g_autoptr(GError) local = NULL;
    g_autoptr(GError) used = NULL;
    lukshdrLink *header;
    lukshdrLink *link;
    guint i;

    /* a volume in the place of a lost header may become that header by this upload, or may be the
     * header already and not have been looked at yet */
    if (!lukshdrStorageRecognise(vol, state->abi.virStorageVolUploadEnsureACL, &what, &local) &&
        !lukshdrStorageFindReplaced(vol, &replaced) && !replaced) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    *copied = NULL;
    *payload = NULL;
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
        g_clear_error(&local);
        if (lukshdrStorageCheckUnused(link, false, &local))
            continue;
        if (!header || replaced || !lukshdrUploadIsUsedHere(link)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        g_clear_error(&used);
        used = g_steal_pointer(&local);
    }
    /* which costs time, so not for everybody */
    if (used && (!lukshdrStorageMay(vol, state->abi.virStorageVolUploadEnsureACL, error) ||
                 !(*rekey = lukshdrStorageRekeyNew(links, used, error))))
        return false;
    *(header ? copied : payload) = lukshdrLinkRef(header ? header : what.link);
    return true;
}

/* Reports @error, which may say something of links, only to a client that may do what it asks
 * for */
static int
lukshdrStorageRefuse(virStorageVolPtr vol, lukshdrStorageEnsureACL ensure, GError *error)
{
    g_autoptr(GError) denied = NULL;

    lukshdrReportError(lukshdrStorageMay(vol, ensure, &denied) ? error : denied);
    return -1;
}

/* Step 2 */
static gpointer
lukshdrUploadEnd(gpointer opaque)
{
    g_autoptr(lukshdrStreamed) streamed = opaque;
    g_autoptr(GError) error = NULL;

    /* a new thread has no identity, and to open a header may take a secret */
    lukshdrStorageBecomeSystem();

    /* the client may have left before all was received */
    if ((streamed->rekey &&
         !lukshdrStorageRekeyCheck(streamed->rekey, streamed->handle->fd, &error)) ||
        !lukshdrHandleCommit(streamed->handle, &error))
        LUKSHDR_LOG_ERROR(
            _("What was uploaded to volume '%s' of pool '%s' could not be written, or not "
              "all of it; upload it again: %s"),
            streamed->where.volume, streamed->where.pool, error->message);
    return NULL;
}

/* The stream has ended.  The daemon's main loop calls this, which must not wait for a cluster. */
static void
lukshdrUploadClosed(virStreamPtr stream, void *opaque)
{
    g_thread_unref(g_thread_new("header-upload", lukshdrUploadEnd, opaque));
}

/* Opens the copy of @link's header that @vol is.  Of another volume, at the place of one, the content may
 * be replaced by the header. */
static bool
lukshdrStreamedOpen(lukshdrStreamed *streamed,
                    virStorageVolPtr vol,
                    unsigned int flags,
                    GError **error)
{
    g_autoptr(virStoragePool) pool = lukshdrStorageState.stock.storagePoolLookupByVolume(vol);

    if (!pool) {
        lukshdrErrorFromLast(error);
        return false;
    }
    streamed->where.pool = g_strdup(virStoragePoolGetName(pool));
    streamed->where.volume = g_strdup(virStorageVolGetName(vol));
    return lukshdrStoragePlace(vol, &streamed->where, error) &&
           (streamed->handle = lukshdrHandleOpen(
                &streamed->where, flags | LUKSHDR_HANDLE_NEW | LUKSHDR_HANDLE_HEADER, error));
}

/* Lets @stream read or write the bytes in memory, by the mode @oflags of open(2) */
static bool
lukshdrStreamedBegin(const lukshdrStreamed *streamed,
                     virStreamPtr stream,
                     unsigned long long offset,
                     unsigned long long length,
                     int oflags,
                     GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", streamed->handle->fd);
    guint64 size = lseek(streamed->handle->fd, 0, SEEK_END);

    /* a file in memory would grow: stock says the same of one that is too short */
    if (offset > size || length > size - offset) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                    _("volume '%s' of pool '%s' has %llu bytes that are a header's"),
                    streamed->where.volume, streamed->where.pool, (unsigned long long)size);
        return false;
    }
    if (lukshdrStorageState.abi.virFDStreamOpenFile(stream, path, offset,
                                                    length ? length : size - offset, oflags) == 0)
        return true;
    lukshdrErrorFromLast(error);
    return false;
}

static bool
lukshdrStorageDownloadHeader(virStorageVolPtr vol,
                             virStreamPtr stream,
                             unsigned long long offset,
                             unsigned long long length,
                             bool *done,
                             GError **error)
{
    g_autoptr(lukshdrStreamed) streamed = g_new0(lukshdrStreamed, 1);
    g_auto(lukshdrRecognised) what = { 0 };

    *done = false;
    if (!lukshdrStreamedIsOurs(vol))
        return true;
    if (!lukshdrStorageRecognise(vol, lukshdrStorageState.abi.virStorageVolDownloadEnsureACL, &what,
                                 error))
        return false;
    if (what.as != LUKSHDR_RECOGNISED_HEADER && what.as != LUKSHDR_RECOGNISED_REPLICA)
        return true;

    return *done = lukshdrStreamedOpen(streamed, vol, LUKSHDR_HANDLE_READ, error) &&
                   lukshdrStreamedBegin(streamed, stream, offset, length, O_RDONLY, error);
}

int
lukshdrStorageVolDownload(virStorageVolPtr vol,
                          virStreamPtr stream,
                          unsigned long long offset,
                          unsigned long long length,
                          unsigned int flags)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
    const lukshdrStorage *state = &lukshdrStorageState;
    lukshdrStorageBusy *busy;
    g_autoptr(GError) error = NULL;
    bool done = false;

    /* do not ask which link has a volume that stock can read: a client that may read it may do so in any
     * case */
    if (!lukshdrStorageBusyVolume(vol, NULL, LUKSHDR_STORAGE_BUSY_READ, &busy, &error) ||
        (!flags && !lukshdrStorageDownloadHeader(vol, stream, offset, length, &done, &error)))
        return lukshdrStorageRefuse(vol, state->abi.virStorageVolDownloadEnsureACL, error);
    return done ? 0 : state->stock.storageVolDownload(vol, stream, offset, length, flags);
}

/* @rekey judges it, or NULL */
static bool
lukshdrStorageUploadHeader(virStorageVolPtr vol,
                           const lukshdrLink *link,
                           lukshdrStorageRekey *rekey,
                           virStreamPtr stream,
                           unsigned long long offset,
                           unsigned long long length,
                           GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(lukshdrStreamed) streamed = g_new0(lukshdrStreamed, 1);

    if (!lukshdrStorageMay(vol, state->abi.virStorageVolUploadEnsureACL, error) ||
        !(streamed->busy = lukshdrStorageBusyLink(link, LUKSHDR_STORAGE_BUSY_UPLOAD, error)) ||
        !lukshdrStreamedOpen(streamed, vol, LUKSHDR_HANDLE_WRITE, error) ||
        !lukshdrHandleGrow(streamed->handle, error) ||
        !lukshdrStreamedBegin(streamed, stream, offset, length, O_WRONLY, error))
        return false;

    streamed->rekey = rekey ? lukshdrStorageRekeyRef(rekey) : NULL;
    state->abi.virFDStreamSetInternalCloseCb(stream, lukshdrUploadClosed,
                                             g_steal_pointer(&streamed), NULL);
    return true;
}

/* A lukshdrPayloadReader: of what was uploaded */
static gssize
lukshdrUploadPeek(void *buf, gsize len, guint64 offset, void *opaque)
{
    GBytes *bytes = opaque;
    gsize size;
    const guint8 *data = g_bytes_get_data(bytes, &size);
    gsize got = offset < size ? MIN(len, size - offset) : 0;

    if (got)
        memcpy(buf, data + offset, got);
    return got;
}

/* A lukshdrStreamJudge: is what is uploaded to the payload of a link ciphertext, in the link's format?  Tools that know
 * nothing of links upload images. */
static bool
lukshdrUploadJudge(const guint8 *data, gsize len, void *opaque, GError **error)
{
    const lukshdrLink *link = opaque;
    const lukshdrVolume *payload = &link->payload;
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, len);
    g_autofree char *name = NULL;
    g_autofree char *header = NULL;
    const char *plain;

    /* less than a sector says nothing */
    if (len < 512)
        return true;
    plain = lukshdrPayloadFindPlain(link->format, lukshdrUploadPeek, bytes);
    if (!plain && lukshdrPayloadIsFormat(link->format, lukshdrUploadPeek, bytes))
        return true;
    if (!plain)
        plain = lukshdrPayloadFindPlain("raw", lukshdrUploadPeek, bytes);

    name = lukshdrTextShellName(payload->pool, "NEW");
    header = lukshdrTextShellName(link->header.pool, "NEW.luks");
    if (plain)
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("linked volume '%1$s' of pool '%2$s' is encrypted, and what you upload holds %3$s "
              "in clear; nothing was written. To have it encrypted, upload it to a plain "
              "volume, and make a new one of that: virt-lukshdr convert POOL/PLAIN %4$s "
              "--header %5$s"),
            payload->volume, payload->pool, plain, name, header);
    else
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("linked volume '%1$s' of pool '%2$s' is encrypted and has format '%3$s', and what "
              "you upload has not; nothing was written. If it is in clear, upload it to a "
              "plain volume, and make a new one of that: virt-lukshdr convert POOL/PLAIN "
              "%4$s --header %5$s"),
            payload->volume, payload->pool, link->format, name, header);
    return false;
}

/* The upload to @vol, a copy of @link's header, which a guest uses */
static bool
lukshdrStorageUploadRekeyed(virStorageVolPtr vol,
                            const lukshdrLink *link,
                            lukshdrStorageRekey *rekey,
                            virStreamPtr stream,
                            unsigned long long offset,
                            unsigned long long length,
                            unsigned int flags,
                            GError **error)
{
    bool ours = lukshdrStreamedIsOurs(vol);

    /* a part of a header says nothing of the rest */
    if (offset || flags || (length && length < LUKSHDR_LABEL_END)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("the header of a volume that a guest uses can be replaced as a whole "
                              "only"));
        return false;
    }

    /* stock writes it as soon as it is judged, when nobody has asked the cluster whether that is still so */
    if (link->header.remote && !ours) {
        g_set_error_literal(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("a replica in a file, of a header that has no path, is not replaced while a "
              "guest uses the header: virt-lukshdr link VOLUME writes it anew from the "
              "header"));
        return false;
    }

    if (ours) {
        if (!lukshdrStorageUploadHeader(vol, link, rekey, stream, 0, length, error))
            return false;
    } else if (lukshdrStorageState.stock.storageVolUpload(vol, stream, 0, length, 0) < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }

    if (lukshdrStreamExamine(stream, LUKSHDR_LABEL_END, lukshdrStorageRekeyJudge,
                             lukshdrStorageRekeyRef(rekey),
                             (GDestroyNotify)lukshdrStorageRekeyUnref))
        return true;
    virStreamAbort(stream);
    g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("the header of a volume that a guest uses cannot be replaced: with "
                          "this libvirt it cannot be looked at first; stop the guest"));
    return false;
}

int
lukshdrStorageVolUpload(virStorageVolPtr vol,
                        virStreamPtr stream,
                        unsigned long long offset,
                        unsigned long long length,
                        unsigned int flags)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrStorageRekey) rekey = NULL;
    lukshdrStorageBusy *busy;
    g_autoptr(GError) error = NULL;
    bool ok;
    int rc;

    if (!lukshdrStorageBusyVolume(vol, NULL, LUKSHDR_STORAGE_BUSY_CHANGE, &busy, &error) ||
        !lukshdrStorageAllowUpload(vol, &header, &payload, &rekey, &error))
        return lukshdrStorageRefuse(vol, state->abi.virStorageVolUploadEnsureACL, error);

    if (!rekey && (!header || flags || !lukshdrStreamedIsOurs(vol))) {
        rc = state->stock.storageVolUpload(vol, stream, offset, length, flags);
        /* what is put somewhere into a payload says nothing by itself */
        if (rc == 0 && payload && offset == 0)
            lukshdrStreamExamine(stream, LUKSHDR_PAYLOAD_PEEK, lukshdrUploadJudge,
                                 g_steal_pointer(&payload), (GDestroyNotify)lukshdrLinkUnref);
        return rc;
    }

    ok = rekey ? lukshdrStorageUploadRekeyed(vol, header, rekey, stream, offset, length, flags,
                                             &error)
               : lukshdrStorageUploadHeader(vol, header, NULL, stream, offset, length, &error);
    if (!ok)
        lukshdrReportError(error);
    return ok ? 0 : -1;
}
