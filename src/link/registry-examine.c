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

/* An image that the kernel's own Ceph client has made a device of, or a partition of one
 * (Linux's Documentation/ABI/testing/sysfs-bus-rbd): an image is known by its ids, not by what a host
 * calls it. */
static void
lukshdrRegistryExamineMapped(lukshdrRegistryQuestion *question)
{
    static const char *const names[] = { "cluster_fsid", "pool_id", "pool_ns", "image_id" };
    g_autofree char *sysfs = g_strdup_printf("/sys/dev/block/%u:%u", major(question->found.dev),
                                             minor(question->found.dev));
    g_autofree char *partition = g_build_filename(sysfs, "partition", NULL);
    const char *disk = g_file_test(partition, G_FILE_TEST_EXISTS) ? "../device" : "device";
    char *values[G_N_ELEMENTS(names) + 1] = { NULL };
    g_autofree char *id = NULL;
    bool all = true;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(sysfs, disk, names[i], NULL);

        /* kernels before 5.2 know no namespaces */
        if (!g_file_get_contents(path, &values[i], NULL, NULL))
            values[i] = g_str_equal(names[i], "pool_ns") ? g_strdup("") : NULL;
        all = all && values[i];
    }
    if (all) {
        for (i = 0; i < G_N_ELEMENTS(names); i++)
            g_strstrip(values[i]);
        id = g_strjoinv(":", values);
        lukshdrIdentitySetRBD(&question->behind, id, 0);
    }
    for (i = 0; i < G_N_ELEMENTS(names); i++)
        g_free(values[i]);
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
    if (question->examined && question->found.type == LUKSHDR_IDENTITY_BLOCK &&
        question->behind.type == LUKSHDR_IDENTITY_NONE)
        lukshdrRegistryExamineMapped(question);
    if (question->examined && question->found.type == LUKSHDR_IDENTITY_BLOCK &&
        question->behind.type == LUKSHDR_IDENTITY_NONE)
        (void)lukshdrIdentityFromUnit(question->found.dev, &question->behind);
}
