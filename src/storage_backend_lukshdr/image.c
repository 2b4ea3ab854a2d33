/*
 * image.c: qcow2 in an image of a Ceph cluster
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "image.h"

#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "link/payload.h"
#include "link/rbd.h"
#include "util/command.h"
#include "util/error.h"
#include "util/io.h"
#include "convert.h"

#define LUKSHDR_IMAGE_FORMAT "qcow2"

/* qemu-img takes only whole sectors for a size */
#define LUKSHDR_IMAGE_SECTOR 512

/* more than QEMU takes for a qcow2, and so little that sums are right */
#define LUKSHDR_IMAGE_MAX (G_GUINT64_CONSTANT(1) << 61)

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

    if (format && !g_str_equal(format, "raw") &&
        lukshdrVolumeLocation(where) == LUKSHDR_LOCATION_ISCSI) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
            _("unit '%s' of pool '%s' holds a volume of format '%s': payloads on iSCSI are of "
              "format 'raw'"),
            where->volume, where->pool, format);
        return NULL;
    }
    if (format && (g_str_equal(format, "raw") || lukshdrPayloadCheck(handle, format, error)))
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

/* Makes the image at least @length bytes long.  Stock would refuse what is below the space that it takes the
 * image to have: whole objects. */
static bool
lukshdrImageGrow(const lukshdrVolume *where, guint64 length, GError **error)
{
    g_autoptr(lukshdrRBD) rbd = lukshdrRBDOpen(where->remote, &where->identity, true, error);
    lukshdrIdentity found;

    if (!rbd)
        return false;
    lukshdrRBDIdentity(rbd, &found);
    if (lukshdrIdentityCompare(&where->identity, &found) != LUKSHDR_IDENTITY_DIFFERENT)
        return lukshdrRBDGrow(rbd, length, error);

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("image '%s' is not the volume '%s' of pool '%s' any more"), where->remote->name,
                where->volume, where->pool);
    return false;
}

/* Returns a file in memory with an empty qcow2, or -1 with @error set.  qemu-img cannot format an image that
 * exists, and it is a few hundred KiB. */
static int
lukshdrImageFormatted(guint64 capacity, const char *options, GError **error)
{
    g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, capacity);
    int fd = lukshdrIOMemory("image", error);
    const int files[] = { fd, -1 };
    const char *argv[] = { LUKSHDR_QEMU_IMG,      "create", "-q",    "-f",
                           LUKSHDR_IMAGE_FORMAT,  "-o",     options, "--",
                           lukshdrCommandFile(0), size,     NULL };
    const lukshdrCommand command = { .argv = argv,
                                     .files = files,
                                     .deadline = LUKSHDR_COMMAND_DEADLINE };

    if (fd < 0)
        return -1;
    if (lukshdrCommandRun(&command, error))
        return fd;
    close(fd);
    return -1;
}

static bool
lukshdrImageWrite(const lukshdrLink *link, const char *options, lukshdrHandle *file, GError **error)
{
    const guint64 capacity = link->payload.identity.size;
    const lukshdrConvertSide from = { .format = "raw", .volume = file, .name = (char *)"" };
    g_auto(lukshdrConvertSide) to = { 0 };

    if ((file->fd = lukshdrImageFormatted(capacity, options, error)) < 0 ||
        !lukshdrIdentityFromFD(file->fd, &file->identity, error))
        return false;

    /* the bytes of a qcow2 go into what is a raw image still */
    return lukshdrImageGrow(&link->payload, MAX(file->identity.size, lukshdrImageLength(capacity)),
                            error) &&
           lukshdrConvertSidePlain(&to, &link->payload, "raw", LUKSHDR_HANDLE_READ, error) &&
           lukshdrStorageConvert(&from, &to, error);
}

bool
lukshdrImageMake(lukshdrLink *link, const char *options, GError **error)
{
    g_autoptr(lukshdrHandle) file = g_new0(lukshdrHandle, 1);

    file->fd = -1;
    if (!lukshdrImageWrite(link, options, file, error))
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
        *wanted = shrink ? now - MIN(now, capacity) : now + MIN(capacity, LUKSHDR_IMAGE_MAX);
    if (now > LUKSHDR_IMAGE_MAX || *wanted > LUKSHDR_IMAGE_MAX) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG, _("the new capacity is too large"));
        return false;
    }
    *wanted = (*wanted + LUKSHDR_IMAGE_SECTOR - 1) / LUKSHDR_IMAGE_SECTOR * LUKSHDR_IMAGE_SECTOR;

    if (*wanted >= now || shrink)
        return true;
    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
        _("the new capacity is below the present one of %llu bytes; add --shrink if the data "
          "beyond it may be lost"),
        (unsigned long long)now);
    return false;
}

bool
lukshdrImageResize(const lukshdrLink *link,
                   unsigned long long capacity,
                   unsigned int flags,
                   GError **error)
{
    g_auto(lukshdrConvertSide) side = { 0 };
    guint64 length;
    guint64 wanted;
    guint64 now;

    if (link->payload.remote->kind != LUKSHDR_LOCATION_RBD) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("volume '%s' of pool '%s' is on a unit of an iSCSI target, which libvirt "
                      "cannot resize"),
                    link->payload.volume, link->payload.pool);
        return false;
    }
    if (!lukshdrConvertSidePlain(&side, &link->payload, link->format, LUKSHDR_HANDLE_READ, error))
        return false;
    if (!lukshdrPayloadCheck(side.volume, link->format, error) ||
        !lukshdrPayloadCapacity(side.volume, &now, error)) {
        g_prefix_error(error, "%s: ", side.name);
        return false;
    }
    if (!lukshdrImageWanted(now, capacity, flags, &wanted, error))
        return false;

    length = lukshdrImageLength(wanted);
    return (wanted < now || lukshdrImageGrow(&link->payload, length, error)) &&
           lukshdrStorageConvertResize(&side, wanted, wanted < now, error) &&
           /* QEMU has cut the image behind the last cluster in use */
           (wanted >= now || lukshdrImageGrow(&link->payload, length, error));
}
