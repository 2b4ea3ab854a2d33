/*
 * shared-fs.c: a directory that is on NFS, as far as libvirt asks for the file system's type
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For LD_PRELOAD into a daemon under test whose libvirt is older than its own setting for that
 * (shared_filesystems in qemu.conf, 10.8).  SHARED_FS is the directory.  What the daemon starts is spared.
 */

#include <dlfcn.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

static const char *shared;

__attribute__((constructor)) static void
spareOthers(void)
{
    shared = getenv("SHARED_FS");
    unsetenv("LD_PRELOAD");
}

static int
isShared(const char *path)
{
    size_t len = shared ? strlen(shared) : 0;

    return len && strncmp(path, shared, len) == 0 && (!path[len] || path[len] == '/');
}

int
statfs(const char *path, struct statfs *fs)
{
    int (*next)(const char *, struct statfs *) = dlsym(RTLD_NEXT, "statfs");
    int rc = next(path, fs);

    if (rc == 0 && isShared(path))
        fs->f_type = NFS_SUPER_MAGIC;
    return rc;
}

int
statfs64(const char *path, struct statfs64 *fs)
{
    int (*next)(const char *, struct statfs64 *) = dlsym(RTLD_NEXT, "statfs64");
    int rc = next(path, fs);

    if (rc == 0 && isShared(path))
        fs->f_type = NFS_SUPER_MAGIC;
    return rc;
}
