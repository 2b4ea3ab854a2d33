/*
 * registry-examine.c: what the kernel says of a path
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "registry-priv.h"

/* A loop device over a volume, or a partition of one, is that volume under another name. */
static void
lukshdrRegistryExamineLoop(lukshdrRegistryQuestion *question)
{
    g_autofree char *sysfs = g_strdup_printf("/sys/dev/block/%u:%u", major(question->found.dev),
                                             minor(question->found.dev));
    char *device = realpath(sysfs, NULL);
    struct loop_info64 info = { 0 };
    int fd = -1;

    /* no other device is opened: that can do more than is asked for */
    if (device && strstr(device, "/block/loop"))
        fd = open(question->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    free(device);
    if (fd < 0)
        return;

    if (ioctl(fd, LOOP_GET_STATUS64, &info) == 0) {
        question->behind.type = LUKSHDR_IDENTITY_FILE;
        question->behind.inode = info.lo_inode;
        /* huge_encode_dev in Linux's include/linux/kdev_t.h */
        question->behind.dev = makedev((info.lo_device & 0xfff00) >> 8,
                                       (info.lo_device & 0xff) |
                                           ((info.lo_device >> 12) & 0xfff00));
    }
    close(fd);
}

void
lukshdrRegistryExamine(lukshdrRegistryQuestion *question)
{
    struct stat st;

    question->examined = lukshdrIdentityFromPath(question->path, &question->found, NULL);
    if (question->examined)
        question->real = realpath(question->path, NULL);
    else if (stat(question->path, &st) == 0)
        /* for want of a descriptor, say */
        question->failed = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode);
    else
        question->missing = errno == ENOENT || errno == ENOTDIR;

    if (question->examined && question->found.type == LUKSHDR_IDENTITY_BLOCK)
        lukshdrRegistryExamineLoop(question);
}
