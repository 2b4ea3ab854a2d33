/*
 * image.c: qcow2 in an image of a Ceph cluster
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "image.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link/payload.h"
#include "util/command.h"
#include "util/error.h"
#include "util/log.h"
#include "convert.h"

#define LUKSHDR_IMAGE_FORMAT "qcow2"

/* qemu-img takes only whole sectors for a size */
#define LUKSHDR_IMAGE_SECTOR 512

bool
lukshdrImageIs(const lukshdrLink *link)
{
    return link->payload.remote && !g_str_equal(link->format, "raw");
}

const char *
lukshdrImageFormat(const lukshdrVolume *where, GError **error)
{
    g_autoptr(lukshdrHandle) handle = lukshdrHandleOpen(where, LUKSHDR_HANDLE_READ, error);
    const char *format = handle ? lukshdrPayloadImageFormat(handle, error) : NULL;

    if (!format || g_str_equal(format, "raw") || lukshdrPayloadCheck(handle, format, error))
        return format;
    g_prefix_error(error, _("volume '%s' of pool '%s' cannot be a payload: "), where->volume,
                   where->pool);
    return NULL;
}

bool
lukshdrImageCapacity(const lukshdrLink *link, unsigned long long *capacity, GError **error)
{
    g_autoptr(lukshdrHandle) handle = lukshdrHandleOpen(&link->payload, LUKSHDR_HANDLE_READ, error);
    guint64 found;

    if (!handle)
        return false;
    if (!lukshdrPayloadCapacity(handle, &found, error)) {
        g_prefix_error(error, _("volume '%s' of pool '%s': "), link->payload.volume,
                       link->payload.pool);
        return false;
    }
    *capacity = found;
    return true;
}

/* How long the image must be for a disk of @capacity bytes.  With clusters of 4 KiB and more, the tables of a
 * qcow2 that is full have less than a 256th of that; what they lack of smaller ones, QEMU adds. */
static guint64
lukshdrImageLength(guint64 capacity)
{
    return capacity + capacity / 256 + 1024 * 1024;
}

/* Makes the image at least @length bytes long, as the system: that is part of making the volume or of
 * resizing it, to which the client has the right */
static bool
lukshdrImageGrow(const lukshdrVolume *where, virStorageVolPtr vol, guint64 length, GError **error)
{
    g_autoptr(lukshdrHandle) handle = lukshdrHandleOpen(where, LUKSHDR_HANDLE_READ, error);
    virIdentity *client;
    int rc;

    if (!handle)
        return false;
    if (handle->identity.size >= length)
        return true;

    client = lukshdrStorageBecomeSystem();
    if ((rc = lukshdrStorageState.stock.storageVolResize(vol, length, 0)) < 0)
        lukshdrErrorFromLast(error);
    lukshdrStorageBecomeClient(client);
    return rc == 0;
}

/* Returns a file in memory with an empty qcow2, or -1 with @error set.  qemu-img cannot format an image that
 * exists, and it is a few hundred KiB. */
static int
lukshdrImageFormatted(guint64 capacity, const char *options, guint64 *length, GError **error)
{
    g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, capacity);
    int fd = memfd_create("image", MFD_CLOEXEC);
    const int files[] = { fd, -1 };
    const char *argv[] = { LUKSHDR_QEMU_IMG,      "create", "-q",    "-f",
                           LUKSHDR_IMAGE_FORMAT,  "-o",     options, "--",
                           lukshdrCommandFile(0), size,     NULL };
    const lukshdrCommand command = { .argv = argv,
                                     .files = files,
                                     .deadline = LUKSHDR_COMMAND_DEADLINE };
    struct stat st;

    if (fd < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to make a file in memory"));
        return -1;
    }
    if (lukshdrCommandRun(&command, error) && fstat(fd, &st) == 0) {
        *length = st.st_size;
        return fd;
    }
    close(fd);
    return -1;
}

static bool
lukshdrImageWrite(const lukshdrLink *link,
                  virStorageVolPtr vol,
                  const char *options,
                  lukshdrHandle *file,
                  GError **error)
{
    const guint64 capacity = link->payload.identity.size;
    const lukshdrConvertSide from = { .format = "raw", .volume = file, .name = (char *)"" };
    g_auto(lukshdrConvertSide) to = { 0 };
    guint64 length;

    if ((file->fd = lukshdrImageFormatted(capacity, options, &length, error)) < 0)
        return false;

    /* the bytes of a qcow2 go into what is a raw image still */
    return lukshdrImageGrow(&link->payload, vol, MAX(length, lukshdrImageLength(capacity)),
                            error) &&
           lukshdrConvertSidePlain(&to, &link->payload, "raw", LUKSHDR_HANDLE_READ, error) &&
           lukshdrStorageConvert(&from, &to, error);
}

bool
lukshdrImageMake(lukshdrLink *link, virStorageVolPtr vol, const char *options, GError **error)
{
    g_autoptr(lukshdrHandle) file = g_new0(lukshdrHandle, 1);

    file->fd = -1;
    if (!lukshdrImageWrite(link, vol, options, file, error))
        return false;

    g_free(link->format);
    link->format = g_strdup(LUKSHDR_IMAGE_FORMAT);
    return true;
}

/* Sets @wanted to the size that @capacity and @flags ask for.  Refuses as stock does. */
static bool
lukshdrImageWanted(guint64 now,
                   unsigned long long capacity,
                   unsigned int flags,
                   guint64 *wanted,
                   GError **error)
{
    const bool shrink = flags & VIR_STORAGE_VOL_RESIZE_SHRINK;

    if (flags & ~(VIR_STORAGE_VOL_RESIZE_DELTA | VIR_STORAGE_VOL_RESIZE_SHRINK)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                    _("unsupported flags (0x%x) to resize an image of a Ceph cluster"), flags);
        return false;
    }

    *wanted = capacity;
    if (flags & VIR_STORAGE_VOL_RESIZE_DELTA)
        *wanted = shrink ? now - MIN(now, capacity) : now + MIN(capacity, G_MAXINT64 - now);
    if (*wanted > G_MAXINT64 / 2) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG, _("the new capacity is too large"));
        return false;
    }
    *wanted = (*wanted + LUKSHDR_IMAGE_SECTOR - 1) / LUKSHDR_IMAGE_SECTOR * LUKSHDR_IMAGE_SECTOR;

    if (*wanted >= now || shrink)
        return true;
    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
        _("the new capacity is below the present one of %llu bytes: say --shrink if what is "
          "behind it may be lost"),
        (unsigned long long)now);
    return false;
}

bool
lukshdrImageResize(const lukshdrLink *link,
                   virStorageVolPtr vol,
                   unsigned long long capacity,
                   unsigned int flags,
                   GError **error)
{
    g_auto(lukshdrConvertSide) side = { 0 };
    guint64 now;
    guint64 wanted;

    return lukshdrConvertSidePlain(&side, &link->payload, link->format, LUKSHDR_HANDLE_READ,
                                   error) &&
           lukshdrPayloadCapacity(side.volume, &now, error) &&
           lukshdrImageWanted(now, capacity, flags, &wanted, error) &&
           lukshdrImageGrow(&link->payload, vol, lukshdrImageLength(wanted), error) &&
           lukshdrStorageConvertResize(&side, wanted, wanted < now, error);
}
