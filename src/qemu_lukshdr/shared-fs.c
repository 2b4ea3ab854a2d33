/*
 * shared-fs.c: do other hosts have a file as well?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "shared-fs.h"

#include <stdlib.h>
#include <unistd.h>

#include "qemu.h"

/* Directories, in the form that virFileIsSharedFSOverride wants them; set before there are
 * threads, only read afterwards. */
static GStrv lukshdrQemuSharedDirs;

void
lukshdrQemuSharedLoad(const char *conf)
{
    const lukshdrABIQemu *abi = &lukshdrQemu.libvirt;
    g_autoptr(GPtrArray) dirs = NULL;
    g_auto(GStrv) values = NULL;
    virErrorPtr saved;
    virConf *parsed;
    size_t i;

    g_clear_pointer(&lukshdrQemuSharedDirs, g_strfreev);
    if (!abi->virFileIsSharedFSOverride || access(conf, R_OK) < 0)
        return;

    saved = lukshdrQemuErrorSave();
    if ((parsed = abi->virConfReadFile(conf, 0))) {
        (void)abi->virConfGetValueStringList(parsed, "shared_filesystems", false, &values);
        abi->virConfFree(parsed);
    }
    lukshdrQemuErrorRestore(saved);

    dirs = g_ptr_array_new_with_free_func(g_free);
    for (i = 0; values && values[i]; i++) {
        char *canonical = realpath(values[i], NULL); /* malloc is GLib's allocator since 2.46 */

        /* as in stock, the list ends at the first directory that does not exist */
        if (!canonical)
            break;
        g_ptr_array_add(dirs, canonical);
    }
    g_ptr_array_add(dirs, NULL);
    lukshdrQemuSharedDirs = (GStrv)g_ptr_array_free(g_steal_pointer(&dirs), FALSE);
}

bool
lukshdrQemuSharedHas(const char *path)
{
    const lukshdrABIQemu *abi = &lukshdrQemu.libvirt;
    virErrorPtr saved = lukshdrQemuErrorSave();
    /* libvirt 11.3 complains in the log of a path that cannot be resolved, as on an export that has gone */
    g_autofree char *resolved = realpath(path, NULL);
    bool shared = (lukshdrQemuSharedDirs && resolved &&
                   abi->virFileIsSharedFSOverride(path, (char *const *)lukshdrQemuSharedDirs)) ||
                  abi->virFileIsSharedFSType(path, ~0U) != 0;

    lukshdrQemuErrorRestore(saved);
    return shared;
}
