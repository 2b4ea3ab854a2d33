/*
 * handle.c: an open volume that is the recorded one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "handle.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"

/* What is written at once to a header volume without a path, bytes: the label's slots are of whole ones */
#define LUKSHDR_HANDLE_BLOCK (64 * 1024)

/* The directory of @path, its symbolic links resolved, to be freed with free(3); NULL with errno set.
 * Sets @name to the last component of @path. */
static char *
lukshdrHandleDirectory(const char *path, char **name)
{
    g_autofree char *dir = g_path_get_dirname(path);

    *name = g_path_get_basename(path);
    return realpath(dir, NULL);
}

/* Whether links in @dir, a resolved directory open as @dirfd, are of those that only root and udev make */
static bool
lukshdrHandleIsDev(const char *dir, int dirfd)
{
    struct stat st;

    return (g_str_equal(dir, "/dev") || g_str_has_prefix(dir, "/dev/")) && fstat(dirfd, &st) == 0 &&
           st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static int
lukshdrHandleSetNotThere(const char *path, GError **error)
{
    if (errno == ENOENT || errno == ENOTDIR)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL,
                    _("there is nothing at '%s': put the volume back, or start the pool that it is "
                      "in"),
                    path);
    else
        lukshdrErrorSetErrno(error, errno, _("Unable to open '%s'"), path);
    return -1;
}

/* Returns an O_PATH descriptor of what stands at @path, which is no symbolic link then; or -1 with @error
 * set */
static int
lukshdrHandleLook(const char *path, GError **error)
{
    g_autofree char *name = NULL;
    char *dir = lukshdrHandleDirectory(path, &name);
    int dirfd = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    int fd = dirfd >= 0 ? openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
    bool isDev = dirfd >= 0 && lukshdrHandleIsDev(dir, dirfd);
    struct stat st;

    if (fd < 0)
        lukshdrHandleSetNotThere(path, error);

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode)) {
        close(fd);
        fd = -1;
        if (!isDev)
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("'%s' is a symbolic link, which could lead anywhere; put the volume "
                          "itself there"),
                        path);
        else if ((fd = openat(dirfd, name, O_PATH | O_CLOEXEC)) < 0)
            lukshdrHandleSetNotThere(path, error);
        else if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode)) {
            close(fd);
            fd = -1;
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("'%s' is a symbolic link that does not lead to a block device"), path);
        }
    }

    if (dirfd >= 0)
        close(dirfd);
    free(dir);
    return fd;
}

/* Opens what @look, an O_PATH descriptor, is of */
static int
lukshdrHandleReopen(int look, const char *path, unsigned int flags, int *denied, GError **error)
{
    /* open(2), at O_PATH: a descriptor as a name, which nothing can be put in the place of */
    g_autofree char *name = g_strdup_printf("/proc/self/fd/%d", look);
    const int common = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    bool writable = flags & (LUKSHDR_HANDLE_WRITE | LUKSHDR_HANDLE_PERHAPS_WRITE);
    int fd = open(name, (writable ? O_RDWR : O_RDONLY) | common);

    if (fd < 0 && (flags & LUKSHDR_HANDLE_PERHAPS_WRITE)) {
        *denied = errno;
        fd = open(name, O_RDONLY | common);
    }
    if (fd < 0)
        lukshdrErrorSetErrno(error, errno, _("Unable to open '%s'"), path);
    return fd;
}

static void
lukshdrHandleSetOther(const lukshdrVolume *vol, const lukshdrHandle *handle, GError **error)
{
    g_autofree char *recorded = lukshdrIdentityDescribe(&vol->identity);
    g_autofree char *found = lukshdrIdentityDescribe(&handle->identity);
    g_autofree char *where = lukshdrVolumeWhere(vol);

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("'%s' is not the volume '%s' of pool '%s' that was recorded there: %s was "
                  "recorded, %s is there now; put the recorded one back"),
                where, vol->volume, vol->pool, recorded, found);
}

/* Fills the file in memory with what the image has now */
static bool
lukshdrHandleFetch(lukshdrHandle *handle, GError **error)
{
    g_autofree guint8 *buf = g_malloc0(LUKSHDR_HEADER_VOLUME_SIZE);
    gssize got = lukshdrRemoteHandleRead(
        handle->remote, buf, MIN(handle->identity.size, LUKSHDR_HEADER_VOLUME_SIZE), 0, error);
    bool ok = got >= 0 && lukshdrIOWrite(handle->fd, buf, got, 0, error);

    if (ok && handle->stored) {
        handle->len = got;
        memcpy(handle->stored, buf, LUKSHDR_HEADER_VOLUME_SIZE);
    }
    gnutls_memset(buf, 0, LUKSHDR_HEADER_VOLUME_SIZE);
    return ok;
}

/* The header's bytes in memory, where all code that works by descriptor finds them */
static bool
lukshdrHandleOpenContent(lukshdrHandle *handle, bool writable, GError **error)
{
    if ((handle->fd = lukshdrIOMemory("header", error)) < 0)
        return false;
    if (writable)
        handle->stored = g_malloc0(LUKSHDR_HEADER_VOLUME_SIZE);
    return lukshdrHandleFetch(handle, error);
}

/* Opens the image; if it may only be read and that is enough, for reading */
static lukshdrRemoteHandle *
lukshdrHandleOpenImage(const lukshdrVolume *vol, unsigned int flags, int *denied, GError **error)
{
    g_autoptr(GError) local = NULL;
    bool writable = flags & (LUKSHDR_HANDLE_WRITE | LUKSHDR_HANDLE_PERHAPS_WRITE);
    lukshdrRemoteHandle *image = lukshdrRemoteHandleOpen(vol->remote, &vol->identity, writable,
                                                         &local);

    if (!image && (flags & LUKSHDR_HANDLE_PERHAPS_WRITE) &&
        g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_AUTH_FAILED)) {
        *denied = EACCES;
        return lukshdrRemoteHandleOpen(vol->remote, &vol->identity, false, error);
    }
    if (!image)
        g_propagate_error(error, g_steal_pointer(&local));
    return image;
}

/* Opens what is at @vol's remote place.  There are no links there, and nothing that is opened by itself. */
static bool
lukshdrHandleOpenRemote(const lukshdrVolume *vol,
                        unsigned int flags,
                        lukshdrHandle *handle,
                        GError **error)
{
    g_autofree char *where = lukshdrVolumeWhere(vol);
    bool isHeader = flags & LUKSHDR_HANDLE_HEADER;
    bool writable = flags & (LUKSHDR_HANDLE_WRITE | LUKSHDR_HANDLE_PERHAPS_WRITE);

    if (writable && !isHeader) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("volume '%s' of pool '%s' is '%s', which cannot be written to from here"),
                    vol->volume, vol->pool, where);
        return false;
    }

    if (!(handle->remote = lukshdrHandleOpenImage(vol, flags, &handle->denied, error)))
        return false;
    lukshdrRemoteHandleIdentity(handle->remote, &handle->identity);
    handle->match = lukshdrIdentityCompare(&vol->identity, &handle->identity);
    if (handle->match == LUKSHDR_IDENTITY_DIFFERENT &&
        !(flags & (LUKSHDR_HANDLE_NEW | LUKSHDR_HANDLE_ANY))) {
        lukshdrHandleSetOther(vol, handle, error);
        return false;
    }
    return !isHeader || lukshdrHandleOpenContent(handle, writable && !handle->denied, error);
}

lukshdrHandle *
lukshdrHandleOpen(const lukshdrVolume *vol, unsigned int flags, GError **error)
{
    g_autoptr(lukshdrHandle) handle = g_new0(lukshdrHandle, 1);
    int look;

    handle->fd = -1;

    if (vol->remote)
        return lukshdrHandleOpenRemote(vol, flags, handle, error) ? g_steal_pointer(&handle) : NULL;

    if (!vol->path || !g_path_is_absolute(vol->path)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("volume '%s' of pool '%s' has no path on this host"), vol->volume, vol->pool);
        return NULL;
    }

    if ((look = lukshdrHandleLook(vol->path, error)) < 0)
        return NULL;

    if (!lukshdrIdentityExamine(look, vol->path, &handle->identity, error)) {
        close(look);
        return NULL;
    }

    handle->match = lukshdrIdentityCompare(&vol->identity, &handle->identity);
    if (handle->match == LUKSHDR_IDENTITY_DIFFERENT &&
        !(flags & (LUKSHDR_HANDLE_NEW | LUKSHDR_HANDLE_ANY)))
        lukshdrHandleSetOther(vol, handle, error);
    else
        handle->fd = lukshdrHandleReopen(look, vol->path, flags, &handle->denied, error);

    close(look);
    return handle->fd >= 0 ? g_steal_pointer(&handle) : NULL;
}

lukshdrHandle *
lukshdrHandleOpenPath(const char *path, unsigned int flags, GError **error)
{
    g_autoptr(lukshdrVolume) vol = g_new0(lukshdrVolume, 1);

    vol->pool = g_path_get_dirname(path);
    vol->volume = g_path_get_basename(path);
    vol->path = g_strdup(path);
    return lukshdrHandleOpen(vol, flags | LUKSHDR_HANDLE_NEW, error);
}

/* The descriptor's file has at most what the image has: qemu-img makes it as short as the LUKS header */
static bool
lukshdrHandleCommitBlocks(lukshdrHandle *handle, guint8 *now, GError **error)
{
    gsize at = handle->len;

    while (at > 0) {
        gsize start = (at - 1) / LUKSHDR_HANDLE_BLOCK * LUKSHDR_HANDLE_BLOCK;

        if (memcmp(now + start, handle->stored + start, at - start) != 0) {
            if (!lukshdrRemoteHandleWrite(handle->remote, now + start, at - start, start, error) ||
                !lukshdrRemoteHandleFlush(handle->remote, error))
                return false;
            memcpy(handle->stored + start, now + start, at - start);
        }
        at = start;
    }
    return true;
}

bool
lukshdrHandleCommit(lukshdrHandle *handle, GError **error)
{
    g_autofree guint8 *now = NULL;
    bool ok;

    if (!handle->stored)
        return true;

    now = g_malloc0(LUKSHDR_HEADER_VOLUME_SIZE);
    ok = lukshdrIORead(handle->fd, now, handle->len, 0, error) >= 0 &&
         lukshdrHandleCommitBlocks(handle, now, error);
    gnutls_memset(now, 0, LUKSHDR_HEADER_VOLUME_SIZE);
    return ok;
}

bool
lukshdrHandleMendMode(const lukshdrHandle *handle, GError **error)
{
    const mode_t wanted = S_IRUSR | S_IWUSR;
    struct stat st;

    if (handle->remote || fstat(handle->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        (st.st_mode & wanted) == wanted || fchmod(handle->fd, (st.st_mode & 07777) | wanted) == 0)
        return true;
    lukshdrErrorSetErrno(error, errno, _("Unable to let its owner read and write it"));
    return false;
}

bool
lukshdrHandleGrow(lukshdrHandle *handle, GError **error)
{
    off_t end;
    int rc;

    if (handle->remote &&
        !lukshdrRemoteHandleGrow(handle->remote, LUKSHDR_HEADER_VOLUME_SIZE, error))
        return false;
    if (handle->remote) {
        lukshdrRemoteHandleIdentity(handle->remote, &handle->identity);
        handle->len = LUKSHDR_HEADER_VOLUME_SIZE;
    }

    if (handle->remote || handle->identity.type == LUKSHDR_IDENTITY_FILE) {
        if ((rc = posix_fallocate(handle->fd, 0, LUKSHDR_HEADER_VOLUME_SIZE)) == 0)
            return true;
        lukshdrErrorSetErrno(error, rc, _("Unable to allocate the header volume"));
        return false;
    }

    if ((end = lseek(handle->fd, 0, SEEK_END)) >= LUKSHDR_HEADER_VOLUME_SIZE)
        return true;
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("a header volume needs %d bytes, and this block device has %lld"),
                LUKSHDR_HEADER_VOLUME_SIZE, (long long)end);
    return false;
}

bool
lukshdrHandleTryLock(lukshdrHandle *handle, struct flock *lock, bool *held, GError **error)
{
    *held = false;

    if (handle->remote)
        return lukshdrRemoteHandleLock(handle->remote, held, error) &&
               (*held || lukshdrHandleFetch(handle, error));

    if (TEMP_FAILURE_RETRY(fcntl(handle->fd, F_OFD_SETLK, lock)) == 0)
        return true;
    *held = errno == EAGAIN || errno == EACCES;
    if (!*held) {
        lukshdrErrorSetErrno(error, errno, "F_OFD_SETLK");
        return false;
    }
    if (fcntl(handle->fd, F_OFD_GETLK, lock) < 0 || lock->l_type == F_UNLCK)
        lock->l_pid = 0;
    return true;
}

void
lukshdrHandleClose(lukshdrHandle *handle)
{
    if (!handle)
        return;

    if (handle->fd >= 0)
        close(handle->fd);
    lukshdrRemoteHandleClose(handle->remote);
    if (handle->stored)
        gnutls_memset(handle->stored, 0, LUKSHDR_HEADER_VOLUME_SIZE);
    g_free(handle->stored);
    g_free(handle);
}

/* @path with its directories' symbolic links resolved, and below /dev its own; NULL if that is
 * impossible, or if it is a symbolic link elsewhere */
static char *
lukshdrHandleResolve(const char *path)
{
    g_autofree char *name = NULL;
    char *dir = lukshdrHandleDirectory(path, &name);
    g_autofree char *resolved = dir ? g_build_filename(dir, name, NULL) : NULL;
    int dirfd = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    struct stat st;

    if (dirfd < 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        g_clear_pointer(&resolved, g_free);
    } else if (S_ISLNK(st.st_mode)) {
        char *target = lukshdrHandleIsDev(dir, dirfd) ? realpath(resolved, NULL) : NULL;

        g_free(resolved);
        resolved = g_strdup(target);
        free(target);
    }

    if (dirfd >= 0)
        close(dirfd);
    free(dir);
    return g_steal_pointer(&resolved);
}

bool
lukshdrHandleIsOwnName(const lukshdrVolume *vol, const char *path)
{
    g_autofree char *own = NULL;
    g_autofree char *given = NULL;

    if (!vol->path || !g_path_is_absolute(path))
        return false;

    own = lukshdrHandleResolve(vol->path);
    given = own ? lukshdrHandleResolve(path) : NULL;
    return own && given && g_str_equal(own, given);
}

bool
lukshdrHandleIsOtherName(const lukshdrVolume *vol, const char *path)
{
    g_autofree char *ownName = NULL;
    g_autofree char *name = NULL;
    char *ownDir = NULL;
    char *dir = NULL;
    struct stat own;
    struct stat st;
    bool other = false;

    if (!vol->path || !g_path_is_absolute(path) || lstat(vol->path, &own) < 0 ||
        !S_ISREG(own.st_mode) || stat(path, &st) < 0 || st.st_dev != own.st_dev ||
        st.st_ino != own.st_ino)
        return false;

    ownDir = lukshdrHandleDirectory(vol->path, &ownName);
    dir = lukshdrHandleDirectory(path, &name);
    /* of a directory, device and inode tell that it is the same one, as a bind mount shows it */
    if (ownDir && dir && stat(ownDir, &own) == 0 && stat(dir, &st) == 0)
        other = st.st_dev != own.st_dev || st.st_ino != own.st_ino || !g_str_equal(name, ownName);
    free(ownDir);
    free(dir);
    return other;
}
