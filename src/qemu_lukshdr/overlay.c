/*
 * overlay.c: overlays of domains that do not run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link/format.h"
#include "link/handle.h"
#include "link/payload.h"
#include "util/command.h"
#include "util/error.h"
#include "util/log.h"
#include "secret.h"

/* QEMU's images are made of such sectors: a raw image that ends within one is longer to QEMU */
#define LUKSHDR_QEMU_OVERLAY_SECTOR 512

/* Sets @size to how large the disk in the image below is, bytes.  qemu-img is not asked: it would open whatever
 * files that image's content names. */
static bool
lukshdrQemuOverlaySize(const lukshdrQemuOverlay *overlay, guint64 *size, GError **error)
{
    g_autofree char *real = realpath(overlay->base,
                                     NULL); /* malloc is GLib's allocator since 2.46 */
    g_autoptr(lukshdrHandle)
        base = overlay->baseIsLinked
                   ? lukshdrHandleOpen(&overlay->link->payload, LUKSHDR_HANDLE_READ, error)
                   : lukshdrHandleOpenPath(real ? real : overlay->base, LUKSHDR_HANDLE_READ, error);
    off_t end;

    if (!base)
        return false;
    if (g_str_equal(overlay->baseFormat, "qcow2"))
        return lukshdrPayloadCapacity(base, size, error);

    if ((end = lseek(base->fd, 0, SEEK_END)) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to examine '%s'"), overlay->base);
        return false;
    }
    *size = ((guint64)end + LUKSHDR_QEMU_OVERLAY_SECTOR - 1) / LUKSHDR_QEMU_OVERLAY_SECTOR *
            LUKSHDR_QEMU_OVERLAY_SECTOR;
    return true;
}

/* @fd is the new file, empty.  qemu-img opens the image below only for a plain overlay, as libvirt has it do. */
static bool
lukshdrQemuOverlayFormat(const lukshdrQemuOverlay *overlay, int fd, GError **error)
{
    g_autoptr(lukshdrSecret) secret = NULL;
    g_autofree char *size = NULL;
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const lukshdrSecret *secrets[] = { NULL, NULL };
    const int files[] = { fd, -1 };
    const char *always[] = { LUKSHDR_QEMU_IMG,    "create", "-q",         "-f", "qcow2", "-F",
                             overlay->baseFormat, "-b",     overlay->base };
    lukshdrCommand command = { .files = files, .deadline = LUKSHDR_COMMAND_DEADLINE };
    guint64 bytes;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(always); i++)
        g_ptr_array_add(argv, (char *)always[i]);

    if (overlay->secret) {
        bool generated = overlay->link && overlay->link->secretGenerated &&
                         g_str_equal(overlay->secret, overlay->link->secretUUID);

        if (!lukshdrQemuOverlaySize(overlay, &bytes, error) ||
            !(secret = lukshdrQemuSecretPassphrase(overlay->secret, error)))
            return false;
        secrets[0] = secret;
        command.secrets = secrets;
        size = g_strdup_printf("%" G_GUINT64_FORMAT, bytes);

        g_ptr_array_add(argv, (char *)"-u");
        g_ptr_array_add(argv, (char *)"--object");
        g_ptr_array_add(argv,
                        (char *)"secret,id=sec0,format=raw,file=" LUKSHDR_COMMAND_SECRET_FILE);
        g_ptr_array_add(argv, (char *)"-o");
        g_ptr_array_add(argv, generated ? (char *)"encrypt.format=luks,encrypt.key-secret=sec0,"
                                                  "encrypt.iter-time=" G_STRINGIFY(
                                                      LUKSHDR_FORMAT_ITER_TIME_GENERATED)
                                        : (char *)"encrypt.format=luks,encrypt.key-secret=sec0");
    }
    g_ptr_array_add(argv, (char *)"--");
    g_ptr_array_add(argv, (char *)lukshdrCommandFile(0));
    if (size)
        g_ptr_array_add(argv, size);
    g_ptr_array_add(argv, NULL);
    command.argv = (const char *const *)argv->pdata;

    return lukshdrCommandRun(&command, error);
}

bool
lukshdrQemuOverlayMake(lukshdrQemuOverlay *overlay, GError **error)
{
    struct stat st = { 0 };
    bool ok;
    int fd;

    if (!overlay->path || !overlay->base || !overlay->baseFormat || !overlay->qcow2) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
            _("the domain does not run, and disk '%s' is in one snapshot with a linked volume: then "
              "its overlay must be a file of format 'qcow2', above an image of this host whose "
              "format the domain says; leave the disk out of the snapshot"),
            overlay->target);
        return false;
    }

    fd = open(overlay->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0 && errno == EEXIST) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
            _("the overlay of disk '%1$s' cannot be made: '%2$s' exists already; give the snapshot "
              "another name, or delete that volume if nothing needs it"),
            overlay->target, overlay->path);
        return false;
    }
    if (fd < 0 || fstat(fd, &st) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to make overlay '%s'"), overlay->path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    overlay->device = st.st_dev;
    overlay->inode = st.st_ino;

    if (!(ok = lukshdrQemuOverlayFormat(overlay, fd, error))) {
        g_prefix_error(error, _("Unable to make overlay '%1$s' of disk '%2$s': "), overlay->path,
                       overlay->target);
        lukshdrQemuOverlayRemove(overlay);
    }
    close(fd);
    return ok;
}

void
lukshdrQemuOverlayRemove(lukshdrQemuOverlay *overlay)
{
    struct stat st;

    if (!overlay->inode || lstat(overlay->path, &st) < 0 || st.st_dev != overlay->device ||
        st.st_ino != overlay->inode)
        return;
    if (unlink(overlay->path) < 0)
        LUKSHDR_LOG_WARN(
            _("Unable to remove overlay '%1$s', which no snapshot has; remove it by hand: %2$s"),
            overlay->path, g_strerror(errno));
    overlay->inode = 0;
}

bool
lukshdrQemuOverlayReplace(lukshdrQemuOverlay *overlay, GError **error)
{
    g_autofree char *path = g_steal_pointer(&overlay->path);
    bool ok;

    overlay->path = g_strconcat(path, ".lukshdr", NULL);
    ok = lukshdrQemuOverlayMake(overlay, error);
    if (ok && rename(overlay->path, path) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to rename '%1$s' to '%2$s'"), overlay->path,
                             path);
        lukshdrQemuOverlayRemove(overlay);
        ok = false;
    }
    g_free(overlay->path);
    overlay->path = g_steal_pointer(&path);
    return ok;
}
