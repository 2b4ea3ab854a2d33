/*
 * remembered.c: what libvirt's security drivers remember of a file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "remembered.h"

#include <glib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* those that remember anything */
static const char *const lukshdrQemuRememberedUsers[] = {
    LUKSHDR_QEMU_REMEMBERED_XATTR LUKSHDR_QEMU_REMEMBERED_REF "dac",
    LUKSHDR_QEMU_REMEMBERED_XATTR LUKSHDR_QEMU_REMEMBERED_REF "selinux",
};

bool
lukshdrQemuRememberedAny(const char *path)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrQemuRememberedUsers); i++) {
        if (getxattr(path, lukshdrQemuRememberedUsers[i], NULL, 0) >= 0)
            return true;
    }
    return false;
}

/* Adds the value of an attribute, or nothing if there is none */
static void
lukshdrQemuRememberedAdd(GString *text, const char *path, const char *name)
{
    char value[4096];
    ssize_t len = getxattr(path, name, value, sizeof(value));

    g_string_append_c(text, ' ');
    if (len > 0)
        g_string_append_len(text, value, len);
}

char *
lukshdrQemuRememberedState(const char *path)
{
    GString *text;
    struct stat st;
    size_t i;

    if (stat(path, &st) < 0)
        return NULL;

    text = g_string_new(NULL);
    g_string_printf(text, "%u:%u", (unsigned int)st.st_uid, (unsigned int)st.st_gid);
    for (i = 0; i < G_N_ELEMENTS(lukshdrQemuRememberedUsers); i++)
        lukshdrQemuRememberedAdd(text, path, lukshdrQemuRememberedUsers[i]);
    return g_string_free(text, FALSE);
}
