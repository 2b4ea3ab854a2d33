/*
 * stream.c: looking at what a client uploads before stock writes it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "stream.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <glib-object.h>
#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "util/log.h"
#include "util/module-map.h"

/* What was measured.  Set before libvirt serves any client, only read afterwards. */
static size_t lukshdrStreamOffset; /* of the driver in a stream, bytes; 0 if nothing is known */
static const lukshdrVirStreamDriver *lukshdrStreamStock;
static lukshdrVirStreamDriver lukshdrStreamOurs;

/* What the client has sent, one after the other */
typedef struct _lukshdrStreamPiece lukshdrStreamPiece;
struct _lukshdrStreamPiece {
    guint64 len; /* bytes */
    bool hole;
};

/* Attached to a stream whose first bytes are not judged yet, or were refused */
typedef struct _lukshdrStreamHeld lukshdrStreamHeld;
struct _lukshdrStreamHeld {
    lukshdrStreamJudge judge;
    void *opaque;
    GDestroyNotify freeOpaque;
    guint8 *bytes;
    gsize want;
    gsize got;
    GArray *pieces; /* lukshdrStreamPiece */
    GError *refused;
};

static void
lukshdrStreamHeldFree(lukshdrStreamHeld *held)
{
    held->freeOpaque(held->opaque);
    g_free(held->bytes);
    g_array_unref(held->pieces);
    g_clear_error(&held->refused);
    g_free(held);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrStreamHeld, lukshdrStreamHeldFree)

static GQuark
lukshdrStreamQuark(void)
{
    return g_quark_from_static_string("lukshdr-stream-held");
}

static const lukshdrVirStreamDriver *
lukshdrStreamGetDriver(virStreamPtr stream, size_t offset)
{
    const lukshdrVirStreamDriver *driver;

    memcpy(&driver, (const char *)stream + offset, sizeof(driver));
    return driver;
}

static void
lukshdrStreamSetDriver(virStreamPtr stream, size_t offset, const lukshdrVirStreamDriver *driver)
{
    memcpy((char *)stream + offset, &driver, sizeof(driver));
}

/* From now on the stream is stock's again.  Returns what was held, to be freed. */
static lukshdrStreamHeld *
lukshdrStreamLeave(virStreamPtr stream)
{
    lukshdrStreamSetDriver(stream, lukshdrStreamOffset, lukshdrStreamStock);
    return g_object_steal_qdata(G_OBJECT(stream), lukshdrStreamQuark());
}

static lukshdrStreamHeld *
lukshdrStreamGet(virStreamPtr stream)
{
    return g_object_get_qdata(G_OBJECT(stream), lukshdrStreamQuark());
}

/* Hands on what was held.  Stock takes all that it is given: a thread of its own writes it. */
static bool
lukshdrStreamHandOn(virStreamPtr stream, const lukshdrStreamHeld *held, GError **error)
{
    gsize at = 0;
    guint i;

    for (i = 0; i < held->pieces->len; i++) {
        const lukshdrStreamPiece *piece = &g_array_index(held->pieces, lukshdrStreamPiece, i);
        guint64 done = 0;

        if (piece->hole) {
            if (lukshdrStreamStock->streamSendHole(stream, piece->len, 0) < 0) {
                lukshdrErrorFromLast(error);
                return false;
            }
            at += MIN(piece->len, held->want - at);
            continue;
        }
        while (done < piece->len) {
            int sent = lukshdrStreamStock->streamSend(stream, (const char *)held->bytes + at,
                                                      piece->len - done);

            if (sent <= 0) {
                /* -2: without that thread, and with a pipe that nobody reads */
                if (sent == -1)
                    lukshdrErrorFromLast(error);
                else
                    g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                                        _("what was uploaded could not be written"));
                return false;
            }
            done += sent;
            at += sent;
        }
    }
    return true;
}

/* Has what was sent judged, and hands it on.  If that fails, @held says why, and what comes after is dropped. */
static bool
lukshdrStreamDecide(virStreamPtr stream, lukshdrStreamHeld *held)
{
    if (held->refused || !held->judge(held->bytes, held->got, held->opaque, &held->refused) ||
        !lukshdrStreamHandOn(stream, held, &held->refused))
        return false;
    lukshdrStreamHeldFree(lukshdrStreamLeave(stream));
    return true;
}

/* Remembers that the client has sent @len bytes, or a hole */
static void
lukshdrStreamAdd(lukshdrStreamHeld *held, guint64 len, bool hole)
{
    lukshdrStreamPiece *last = held->pieces->len > 0
                                   ? &g_array_index(held->pieces, lukshdrStreamPiece,
                                                    held->pieces->len - 1)
                                   : NULL;
    const lukshdrStreamPiece piece = { len, hole };

    if (last && !last->hole && !hole)
        last->len += len;
    else
        g_array_append_val(held->pieces, piece);
    held->got += MIN(len, held->want - held->got);
}

/* A client that is refused goes on sending, and hears of it when it has finished: libvirt 11.3's daemon ends itself,
 * with all its clients' calls, when it cannot hand on what a stream sends (it frees the message twice). */
static int
lukshdrStreamSend(virStreamPtr stream, const char *data, size_t nbytes)
{
    lukshdrStreamHeld *held = lukshdrStreamGet(stream);
    gsize take = MIN(nbytes, held->want - held->got);
    int more = 0;

    if (held->refused)
        return nbytes;

    memcpy(held->bytes + held->got, data, take);
    lukshdrStreamAdd(held, take, false);
    if (held->got < held->want)
        return take;

    if (!lukshdrStreamDecide(stream, held))
        return nbytes;
    if (take < nbytes)
        more = lukshdrStreamStock->streamSend(stream, data + take, nbytes - take);
    /* an error comes again when the client sends the rest */
    return take + MAX(more, 0);
}

static int
lukshdrStreamSendHole(virStreamPtr stream, long long length, unsigned int flags)
{
    lukshdrStreamHeld *held = lukshdrStreamGet(stream);

    if (length < 0 || flags)
        return lukshdrStreamStock->streamSendHole(stream, length, flags);
    if (held->refused)
        return 0;
    lukshdrStreamAdd(held, length, true);
    if (held->got == held->want)
        lukshdrStreamDecide(stream, held);
    return 0;
}

static int
lukshdrStreamAbort(virStreamPtr stream)
{
    lukshdrStreamHeldFree(lukshdrStreamLeave(stream));
    return lukshdrStreamStock->streamAbort(stream);
}

static int
lukshdrStreamFinish(virStreamPtr stream)
{
    lukshdrStreamHeld *held = lukshdrStreamGet(stream);
    g_autoptr(GError) refused = NULL;

    if (lukshdrStreamDecide(stream, held))
        return lukshdrStreamStock->streamFinish(stream);

    /* nobody aborts a stream that he has finished */
    refused = g_steal_pointer(&held->refused);
    lukshdrStreamAbort(stream);
    lukshdrReportError(refused);
    return -1;
}

/* Which functions of the driver for trial were called, in order */
static GString *lukshdrStreamTrial;

static int
lukshdrStreamTrialSend(virStreamPtr stream G_GNUC_UNUSED, const char *data, size_t nbytes)
{
    g_string_append_printf(lukshdrStreamTrial, "send %.*s;", (int)nbytes, data);
    return nbytes;
}

static int
lukshdrStreamTrialSendHole(virStreamPtr stream G_GNUC_UNUSED,
                           long long length,
                           unsigned int flags G_GNUC_UNUSED)
{
    g_string_append_printf(lukshdrStreamTrial, "hole %lld;", length);
    return 0;
}

static int
lukshdrStreamTrialFinish(virStreamPtr stream G_GNUC_UNUSED)
{
    g_string_append(lukshdrStreamTrial, "finish;");
    return 0;
}

static int
lukshdrStreamTrialAbort(virStreamPtr stream G_GNUC_UNUSED)
{
    g_string_append(lukshdrStreamTrial, "abort;");
    return 0;
}

/* Calls the driver that lies in @stream at @offset through libvirt's public functions */
static bool
lukshdrStreamTry(virStreamPtr stream, size_t offset, const lukshdrVirStreamDriver *stock)
{
    static lukshdrVirStreamDriver trial;
    bool ok;

    trial = *stock;
    trial.streamSend = lukshdrStreamTrialSend;
    trial.streamSendHole = lukshdrStreamTrialSendHole;
    trial.streamFinish = lukshdrStreamTrialFinish;
    trial.streamAbort = lukshdrStreamTrialAbort;

    lukshdrStreamTrial = g_string_new(NULL);
    lukshdrStreamSetDriver(stream, offset, &trial);
    ok = virStreamSend(stream, "abc", 3) == 3 && virStreamSendHole(stream, 5, 0) == 0 &&
         virStreamFinish(stream) == 0 && virStreamAbort(stream) == 0 &&
         g_str_equal(lukshdrStreamTrial->str, "send abc;hole 5;finish;abort;");
    lukshdrStreamSetDriver(stream, offset, stock);
    g_string_free(g_steal_pointer(&lukshdrStreamTrial), TRUE);
    return ok;
}

/* Returns whether @candidate is a driver of libvirt's that can do what we stand in front of */
static bool
lukshdrStreamIsDriver(const lukshdrModuleMap *libvirt, const lukshdrVirStreamDriver *candidate)
{
    void *const *entries = (void *const *)candidate;
    size_t i;

    if ((guintptr)candidate % sizeof(void *) ||
        !lukshdrModuleMapHolds(libvirt, candidate, sizeof(*candidate), PF_R))
        return false;
    for (i = 0; i < sizeof(*candidate) / sizeof(void *); i++) {
        if (entries[i] && !lukshdrModuleMapHolds(libvirt, entries[i], 1, PF_R | PF_X))
            return false;
    }
    return candidate->streamSend && candidate->streamSendHole && candidate->streamFinish &&
           candidate->streamAbort;
}

/* Opens @stream, and looks which of its members is a driver that was not there before */
static bool
lukshdrStreamFind(const lukshdrABIStorage *abi, virStreamPtr stream, int fd, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *before = NULL;
    const lukshdrVirStreamDriver *stock = NULL;
    size_t found = 0;
    lukshdrModuleMap libvirt;
    Dl_info info;
    void *handle = NULL;
    GTypeQuery query;
    size_t offset;
    bool ok;

    /* a library that is loaded already, and stays so */
    if (!dladdr((void *)abi->virFDStreamOpenFile, &info) ||
        !(handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD)) || !G_IS_OBJECT(stream)) {
        g_set_error_literal(
            error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
            _("the streams of this libvirt are not laid out as this release of libvirt-lukshdr knows them"));
        return false;
    }
    ok = lukshdrModuleMapInit(&libvirt, handle, error);
    dlclose(handle);
    if (!ok)
        return false;

    g_type_query(G_OBJECT_TYPE(stream), &query);
    before = g_memdup2(stream, query.instance_size);
    if (abi->virFDStreamOpenFile(stream, path, 0, 0, O_WRONLY) < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }
    for (offset = sizeof(GObject); offset + sizeof(void *) <= query.instance_size;
         offset += sizeof(void *)) {
        const lukshdrVirStreamDriver *driver = lukshdrStreamGetDriver(stream, offset);

        if (memcmp(before + offset, &driver, sizeof(driver)) == 0 ||
            !lukshdrStreamIsDriver(&libvirt, driver))
            continue;
        stock = found ? NULL : driver;
        found = offset;
    }

    if (stock && lukshdrStreamTry(stream, found, stock)) {
        lukshdrStreamOurs = *stock;
        lukshdrStreamOurs.streamSend = lukshdrStreamSend;
        lukshdrStreamOurs.streamSendHole = lukshdrStreamSendHole;
        lukshdrStreamOurs.streamFinish = lukshdrStreamFinish;
        lukshdrStreamOurs.streamAbort = lukshdrStreamAbort;
        lukshdrStreamStock = stock;
        lukshdrStreamOffset = found;
    } else {
        g_set_error_literal(
            error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
            _("the streams of this libvirt are not laid out as this release of libvirt-lukshdr knows them"));
    }
    virStreamAbort(stream);
    return lukshdrStreamOffset != 0;
}

bool
lukshdrStreamMeasure(const lukshdrABIStorage *abi, virConnectPtr conn, GError **error)
{
    virStreamPtr stream = virStreamNew(conn, VIR_STREAM_NONBLOCK);
    int fd = -1;
    bool ok;

    if (!stream)
        lukshdrErrorFromLast(error);
    else
        fd = lukshdrIOMemory("lukshdr-stream", error);
    ok = stream && fd >= 0 && lukshdrStreamFind(abi, stream, fd, error);

    if (fd >= 0)
        close(fd);
    if (stream)
        virStreamFree(stream);
    return ok;
}

bool
lukshdrStreamExamine(virStreamPtr stream,
                     gsize want,
                     lukshdrStreamJudge judge,
                     void *opaque,
                     GDestroyNotify freeOpaque)
{
    lukshdrStreamHeld *held;

    if (!lukshdrStreamOffset ||
        lukshdrStreamGetDriver(stream, lukshdrStreamOffset) != lukshdrStreamStock) {
        freeOpaque(opaque);
        return false;
    }
    held = g_new0(lukshdrStreamHeld, 1);
    held->judge = judge;
    held->opaque = opaque;
    held->freeOpaque = freeOpaque;
    held->want = want;
    held->bytes = g_malloc0(want);
    held->pieces = g_array_new(FALSE, FALSE, sizeof(lukshdrStreamPiece));
    g_object_set_qdata_full(G_OBJECT(stream), lukshdrStreamQuark(), held,
                            (GDestroyNotify)lukshdrStreamHeldFree);
    lukshdrStreamSetDriver(stream, lukshdrStreamOffset, &lukshdrStreamOurs);
    return true;
}
