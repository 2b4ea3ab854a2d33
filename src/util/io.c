/*
 * io.c: reading and writing all of something, at a place
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "io.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"

static void
lukshdrIOSetErrno(GError **error, int errnum)
{
    g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_SYSTEM_ERROR, g_strerror(errnum));
}

gssize
lukshdrIORead(int fd, void *buf, gsize len, guint64 offset, GError **error)
{
    gsize done = 0;

    while (done < len) {
        ssize_t got = TEMP_FAILURE_RETRY(
            pread(fd, (guint8 *)buf + done, len - done, (off_t)(offset + done)));

        if (got < 0) {
            lukshdrIOSetErrno(error, errno);
            return -1;
        }
        if (got == 0)
            break;
        done += got;
    }
    return (gssize)done;
}

bool
lukshdrIOReadAll(int fd, void *buf, gsize len, guint64 offset, GError **error)
{
    gssize got = lukshdrIORead(fd, buf, len, offset, error);

    if (got >= 0 && (gsize)got < len)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_SYSTEM_ERROR, _("it ends after %llu bytes"),
                    (unsigned long long)(offset + got));
    return got >= 0 && (gsize)got == len;
}

bool
lukshdrIOWrite(int fd, const void *buf, gsize len, guint64 offset, GError **error)
{
    gsize done = 0;

    while (done < len) {
        ssize_t put = TEMP_FAILURE_RETRY(
            pwrite(fd, (const guint8 *)buf + done, len - done, (off_t)(offset + done)));

        if (put <= 0) {
            lukshdrIOSetErrno(error, put < 0 ? errno : ENOSPC);
            return false;
        }
        done += put;
    }
    return true;
}

bool
lukshdrIOSync(int fd, GError **error)
{
    if (fsync(fd) == 0)
        return true;
    lukshdrIOSetErrno(error, errno);
    return false;
}

int
lukshdrIOMemory(const char *name, GError **error)
{
    int fd = -1;

#ifdef MFD_NOEXEC_SEAL
    fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
#endif
    /* before Linux 6.3 */
    if (fd < 0)
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        lukshdrErrorSetErrno(error, errno, _("Unable to make a file in memory"));
    return fd;
}

bool
lukshdrIOIsZero(int fd, guint64 len)
{
    static const char zeroes[4096];
    char buf[sizeof(zeroes)];
    guint64 pos = 0;

    while (pos < len) {
        off_t data = lseek(fd, pos, SEEK_DATA);
        gssize got;

        /* a block device has no holes that could be told */
        if (data < 0 && errno != EINVAL)
            return errno == ENXIO;
        if (data >= 0)
            pos = data;
        if (pos >= len)
            break;

        got = lukshdrIORead(fd, buf, MIN(sizeof(buf), len - pos), pos, NULL);
        if (got < 0 || memcmp(buf, zeroes, got))
            return false;
        if (got == 0)
            break;
        pos += got;
    }
    return true;
}
