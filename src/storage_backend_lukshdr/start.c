/*
 * start.c: the link registry when the daemon starts, and when it is told to reload
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>

#include "util/error.h"
#include "util/file.h"
#include "util/log.h"
#include "util/paths.h"
#include "link/pool-state.h"
#include "storage.h"
#include "scan.h"

/* Removes temporary files that a crash left while an entry or a default was written */
static void
lukshdrStorageRemoveTemporary(void)
{
    g_autofree char *registry = lukshdrPathRegistry(lukshdrStorageState.privileged);
    const char *const dirs[] = { registry, lukshdrStorageState.poolsDir };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autoptr(GError) error = NULL;

        if (!lukshdrFileRemoveTemporary(dirs[i], &error))
            LUKSHDR_LOG_WARN("%s", error->message);
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

/* Records the pools that the storage driver has found active: stock has no file that says so */
static void
lukshdrStorageRecordFound(virConnectPtr conn)
{
    bool privileged = lukshdrStorageState.privileged;
    g_autoptr(GHashTable) active = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    virStoragePoolPtr *pools = NULL;
    int count = virConnectListAllStoragePools(conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    int i;

    for (i = 0; i < count; i++) {
        const char *name = virStoragePoolGetName(pools[i]);
        g_autoptr(GError) error = NULL;

        if (!lukshdrPoolStateIsActive(privileged, name) &&
            !lukshdrPoolStateFound(privileged, name, &error))
            LUKSHDR_LOG_ERROR("%s", error->message);
        g_hash_table_add(active, g_strdup(name));
        virStoragePoolFree(pools[i]);
    }
    free(pools);
    /* forget the others last: guests of another daemon may be starting meanwhile */
    if (count >= 0)
        lukshdrPoolStateForgetOthers(privileged, active);
}

void
lukshdrStorageStart(virConnectPtr conn)
{
    lukshdrStorageRecordFound(conn);
    lukshdrStorageRemoveTemporary();
    lukshdrStorageReload();
    lukshdrStorageScanAll(conn);
}
