/*
 * lukshdrstoragestart.c: the link registry when the daemon starts, and when it is told to reload
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>

#include "lukshdrerror.h"
#include "lukshdrlog.h"
#include "lukshdrpaths.h"
#include "lukshdrstorage.h"
#include "lukshdrstoragescan.h"

/* What a crash left of writing a registry file: GLib's temporary files are called
 * as the file, a dot, and six characters. */
static void
lukshdrStorageRemoveTemporary(void)
{
    g_autofree char *path = lukshdrPathRegistry(lukshdrStorageState.privileged);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = NULL;

        if (!g_pattern_match_simple("*-*-*-*-*.xml.??????", name))
            continue;
        file = g_build_filename(path, name, NULL);
        if (g_unlink(file) < 0)
            LUKSHDR_LOG_WARN(_("Unable to remove '%s': %s"), file, g_strerror(errno));
    }
}

void
lukshdrStorageReload(void)
{
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GError) error = NULL;
    guint i;

    if (!lukshdrRegistryLoad(lukshdrStorageState.registry, &damaged, &error)) {
        LUKSHDR_LOG_ERROR("%s", error->message);
        return;
    }
    for (i = 0; i < damaged->len; i++)
        LUKSHDR_LOG_ERROR(_("Link registry entry is not used: %s"),
                          (const char *)g_ptr_array_index(damaged, i));
}

void
lukshdrStorageStart(virConnectPtr conn)
{
    lukshdrStorageRemoveTemporary();
    lukshdrStorageReload();
    lukshdrStorageScanAll(conn);
}
