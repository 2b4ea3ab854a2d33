/*
 * header.c: a header volume's content, as the daemon sends it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Trust nothing in the content: anybody who can write to the pool may have made it.
 */

#include "config.h"

#include "header.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "link/label.h"

/* Copies the name of an algorithm, which is printable ASCII in every honest header */
static char *
lukshdrToolHeaderName(const char name[LUKSHDR_LUKS_NAME_LEN])
{
    size_t len = strnlen(name, LUKSHDR_LUKS_NAME_LEN);
    size_t i;

    for (i = 0; i < len; i++) {
        if (!g_ascii_isgraph(name[i]))
            return NULL;
    }
    return len ? g_strndup(name, len) : NULL;
}

static void
lukshdrToolHeaderClear(lukshdrToolHeader *header)
{
    g_clear_pointer(&header->damage, g_free);
    g_clear_pointer(&header->uuid, g_free);
    g_clear_pointer(&header->cipher, g_free);
    g_clear_pointer(&header->mode, g_free);
    g_clear_pointer(&header->hash, g_free);
    g_clear_pointer(&header->digest, g_free);
    g_clear_pointer(&header->labels, g_ptr_array_unref);
    g_clear_pointer(&header->labelDamage, g_free);
    header->active = 0;
}

/* Returns: what is wrong, or NULL */
static char *
lukshdrToolHeaderReadLuks(lukshdrToolHeader *header)
{
    g_autoptr(GError) error = NULL;
    lukshdrLuksHeader luks;
    guint64 end;
    size_t i;

    if (!lukshdrLuksRead(header->fd, &luks, &error) ||
        !lukshdrLuksReadUUID(header->fd, &header->uuid, &error) ||
        !lukshdrLuksKeyMaterialEnd(header->fd, &end, &error))
        return g_strdup(error->message);

    if (end > header->bytes) {
        return g_strdup_printf(
            _("the header is cut short: its key material ends at %llu bytes, and "
              "there are %llu"),
            (unsigned long long)end, (unsigned long long)header->bytes);
    }

    header->cipher = lukshdrToolHeaderName(luks.cipher);
    header->mode = lukshdrToolHeaderName(luks.mode);
    header->hash = lukshdrToolHeaderName(luks.hash);
    header->keyBytes = luks.keyBytes;
    header->iterations = luks.digestIterations;
    if (!header->cipher || !header->mode || !header->hash)
        return g_strdup(_("the LUKS header names no cipher"));

    for (i = 0; i < LUKSHDR_LUKS_SLOTS; i++) {
        const lukshdrLuksSlot *slot = &luks.slots[i];

        if (slot->active != LUKSHDR_LUKS_SLOT_ACTIVE && slot->active != LUKSHDR_LUKS_SLOT_INACTIVE)
            return g_strdup_printf(_("key slot %zu of the LUKS header is damaged"), i);
        header->slots[i].active = slot->active == LUKSHDR_LUKS_SLOT_ACTIVE;
        header->slots[i].iterations = slot->iterations;
        header->active += header->slots[i].active;
    }
    if (!header->active)
        return g_strdup(_("no key slot of the LUKS header is in use: nothing opens it"));
    if (!lukshdrLuksCheckCost(header->fd, &error) ||
        !lukshdrLuksDigest(header->fd, &header->digest, &error))
        return g_strdup(error->message);
    return NULL;
}

void
lukshdrToolHeaderExamine(lukshdrToolHeader *header)
{
    g_autoptr(GError) error = NULL;

    lukshdrToolHeaderClear(header);
    header->damage = lukshdrToolHeaderReadLuks(header);
    if (!lukshdrLabelRead(header->fd, &header->labels, &error))
        header->labelDamage = g_strdup(error->message);
}

void
lukshdrToolHeaderFree(lukshdrToolHeader *header)
{
    if (!header)
        return;

    lukshdrToolHeaderClear(header);
    if (header->fd >= 0)
        close(header->fd);
    g_free(header);
}

static lukshdrToolHeader *
lukshdrToolHeaderNew(GError **error)
{
    g_autoptr(lukshdrToolHeader) header = g_new0(lukshdrToolHeader, 1);

    if ((header->fd = lukshdrIOMemory("header", error)) < 0)
        return NULL;
    return g_steal_pointer(&header);
}

/* A virStreamSinkFunc */
static int
lukshdrToolHeaderSink(virStreamPtr stream G_GNUC_UNUSED, const char *data, size_t len, void *opaque)
{
    lukshdrToolHeader *header = opaque;

    /* refuse a daemon that sends more than the tool asked for */
    if (header->bytes + len > LUKSHDR_HEADER_VOLUME_SIZE ||
        !lukshdrIOWrite(header->fd, data, len, header->bytes, NULL))
        return -1;

    header->bytes += len;
    return (int)len;
}

lukshdrToolHeader *
lukshdrToolHeaderDownload(lukshdrTool *tool, virStorageVolPtr vol, GError **error)
{
    lukshdrToolHeader *header = lukshdrToolHeaderFetch(tool, vol, LUKSHDR_HEADER_VOLUME_SIZE,
                                                       error);

    if (header)
        lukshdrToolHeaderExamine(header);
    return header;
}

lukshdrToolHeader *
lukshdrToolHeaderFetch(lukshdrTool *tool, virStorageVolPtr vol, guint64 most, GError **error)
{
    g_autoptr(lukshdrToolHeader) header = lukshdrToolHeaderNew(error);
    g_autoptr(virStream) stream = NULL;
    virStorageVolInfo info;

    if (!header)
        return NULL;

    /* ask how long the file is, not what its content says */
    if (virStorageVolGetInfoFlags(vol, &info, VIR_STORAGE_VOL_GET_PHYSICAL) < 0 ||
        !(stream = virStreamNew(tool->conn, 0)) ||
        virStorageVolDownload(vol, stream, 0, MIN(info.allocation, most), 0) < 0) {
        lukshdrToolSetLast(error);
        return NULL;
    }
    header->total = info.allocation;

    if (virStreamRecvAll(stream, lukshdrToolHeaderSink, header) < 0) {
        lukshdrToolSetLast(error);
        return NULL;
    }
    if (virStreamFinish(stream) < 0) {
        lukshdrToolSetLast(error);
        return NULL;
    }

    return g_steal_pointer(&header);
}

typedef struct _lukshdrToolHeaderSource lukshdrToolHeaderSource;
struct _lukshdrToolHeaderSource {
    const lukshdrToolHeader *header;
    guint64 pos;
};

/* A virStreamSourceFunc */
static int
lukshdrToolHeaderSend(virStreamPtr stream G_GNUC_UNUSED, char *data, size_t len, void *opaque)
{
    lukshdrToolHeaderSource *source = opaque;
    gssize got = lukshdrIORead(source->header->fd, data, len, source->pos, NULL);

    if (got > 0)
        source->pos += got;
    return (int)got;
}

/* The daemon writes a header without a path after the upload has ended, and can then say in its log only that it could not.
 * Whoever asks for the volume waits until it has. */
static bool
lukshdrToolHeaderConfirm(lukshdrTool *tool,
                         virStorageVolPtr vol,
                         const lukshdrToolHeader *header,
                         GError **error)
{
    g_autofree char *path = virStorageVolGetPath(vol);
    g_autoptr(lukshdrToolHeader) now = NULL;

    if (path && g_path_is_absolute(path))
        return true;
    if (!(now = lukshdrToolHeaderDownload(tool, vol, error)))
        return false;
    if (g_strcmp0(now->digest, header->digest) == 0)
        return true;
    g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                _("header '%s' is not what was uploaded: somebody else has changed it at the same "
                  "time, or the daemon could not write it, and its log says why; try again"),
                virStorageVolGetName(vol));
    return false;
}

bool
lukshdrToolHeaderUpload(lukshdrTool *tool,
                        virStorageVolPtr vol,
                        const lukshdrToolHeader *header,
                        GError **error)
{
    lukshdrToolHeaderSource source = { .header = header };
    g_autoptr(virStream) stream = virStreamNew(tool->conn, 0);
    sigset_t block;
    sigset_t before;
    bool ok;

    sigemptyset(&block);
    sigaddset(&block, SIGINT);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &before);

    ok = stream && virStorageVolUpload(vol, stream, 0, header->bytes, 0) == 0 &&
         virStreamSendAll(stream, lukshdrToolHeaderSend, &source) == 0 &&
         virStreamFinish(stream) == 0;
    if (!ok)
        lukshdrToolSetLast(error);

    sigprocmask(SIG_SETMASK, &before, NULL);
    return ok && lukshdrToolHeaderConfirm(tool, vol, header, error);
}

lukshdrToolHeader *
lukshdrToolHeaderLoad(const char *path, GError **error)
{
    g_autoptr(lukshdrToolHeader) header = lukshdrToolHeaderNew(error);
    char block[64 * 1024];
    ssize_t got = 0;
    int fd;

    if (!header)
        return NULL;

    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to open '%s'"), path);
        return NULL;
    }
    while (header->bytes < LUKSHDR_HEADER_VOLUME_SIZE &&
           (got = TEMP_FAILURE_RETRY(read(
                fd, block, MIN(sizeof(block), LUKSHDR_HEADER_VOLUME_SIZE - header->bytes)))) > 0) {
        if (lukshdrToolHeaderSink(NULL, block, got, header) != got) {
            got = -1;
            break;
        }
    }
    if (got < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to read '%s'"), path);
        close(fd);
        return NULL;
    }
    close(fd);

    lukshdrToolHeaderExamine(header);
    return g_steal_pointer(&header);
}
