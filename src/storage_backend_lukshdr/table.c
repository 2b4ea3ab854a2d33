/*
 * table.c: finding the stock storage driver's table of functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "table.h"

#include <dlfcn.h>
#include <glib-object.h>
#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/error.h"
#include "util/kept.h"
#include "util/module-map.h"

#define LUKSHDR_STORAGE_TABLE_ENTRIES 45
#define LUKSHDR_STORAGE_TABLE_KNOWN_ENTRY 13

G_STATIC_ASSERT(sizeof(lukshdrStorageTable) ==
                (1 + LUKSHDR_STORAGE_TABLE_ENTRIES) * sizeof(void *));
G_STATIC_ASSERT(offsetof(lukshdrStorageTable, storagePoolLookupByTargetPath) ==
                LUKSHDR_STORAGE_TABLE_KNOWN_ENTRY * sizeof(void *));

static bool
lukshdrStorageTableIsIt(const lukshdrModuleMap *module, const void *candidate, const void *known)
{
    const lukshdrStorageTable *table = candidate;
    void *const *entries = (void *const *)candidate;
    size_t i;

    /* the table must be in writable data, not in data that becomes read-only after relocation */
    if ((guintptr)candidate % sizeof(void *) ||
        !lukshdrModuleMapIsData(module, candidate, sizeof(*table)))
        return false;

    if (!lukshdrModuleMapHolds(module, table->name, sizeof("storage"), PF_R) ||
        strcmp(table->name, "storage") || entries[LUKSHDR_STORAGE_TABLE_KNOWN_ENTRY] != known)
        return false;

    for (i = 1; i <= LUKSHDR_STORAGE_TABLE_ENTRIES; i++) {
        if (entries[i] && !lukshdrModuleMapHolds(module, entries[i], 1, PF_R | PF_X))
            return false;
    }

    return table->storagePoolLookupByName && table->storagePoolLookupByVolume &&
           table->storagePoolGetXMLDesc && table->storagePoolCreateXML &&
           table->storagePoolDefineXML && table->storagePoolBuild && table->storagePoolUndefine &&
           table->storagePoolCreate && table->storagePoolDestroy && table->storagePoolDelete &&
           table->storagePoolRefresh && table->storagePoolIsPersistent &&
           table->storageVolLookupByName && table->storageVolCreateXML &&
           table->storageVolCreateXMLFrom && table->storageVolDownload && table->storageVolUpload &&
           table->storageVolDelete && table->storageVolWipe && table->storageVolWipePattern &&
           table->storageVolGetXMLDesc && table->storageVolGetPath && table->storageVolResize &&
           table->storageVolGetInfo && table->storageVolGetInfoFlags &&
           table->connectGetStoragePoolCapabilities && table->storagePoolIsActive &&
           table->connectStoragePoolEventRegisterAny && table->connectStoragePoolEventDeregisterAny;
}

lukshdrStorageTable *
lukshdrStorageTableFind(void *handle, virConnectPtr conn, GError **error)
{
    void *known = dlsym(handle, "storagePoolLookupByTargetPath");
    lukshdrModuleMap module;
    void *found = NULL;
    GTypeQuery query;
    size_t offset;

    if (!known) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                    _("this libvirt has no function '%s'"), "storagePoolLookupByTargetPath");
        return NULL;
    }

    if (!lukshdrModuleMapInit(&module, handle, error))
        return NULL;

    if (!G_IS_OBJECT(conn)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                            _("a connection of this libvirt is no GObject"));
        return NULL;
    }
    g_type_query(G_OBJECT_TYPE(conn), &query);

    for (offset = sizeof(GObject); offset + sizeof(void *) <= query.instance_size;
         offset += sizeof(void *)) {
        void *word;

        memcpy(&word, (const char *)conn + offset, sizeof(word));
        if (!lukshdrStorageTableIsIt(&module, word, known))
            continue;
        if (found && found != word) {
            found = NULL;
            break;
        }
        found = word;
    }

    if (!found) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                            _("the storage driver's table of functions is not recognised"));
    }
    return found;
}

/* Stock's entries, and ours.  Set before libvirt serves any client, only read afterwards. */
static lukshdrStorageTable lukshdrStorageTableSaved;
static lukshdrStorageOurs lukshdrStorageTableOurs;

#define LUKSHDR_STORAGE_TABLE_DEFINE(ret, name, params, args) \
    LUKSHDR_KEPT_STOCK(lukshdrStorageTableSaved, ret, name, params, args) \
    LUKSHDR_KEPT_ENTRY(lukshdrStorageTableOurs, ret, name, params, args)

LUKSHDR_STORAGE_TABLE_OURS(LUKSHDR_STORAGE_TABLE_DEFINE)

void
lukshdrStorageTableStock(const lukshdrStorageTable *table, lukshdrStorageTable *stock)
{
#define LUKSHDR_STORAGE_TABLE_KEEP(ret, name, params, args) \
    if (table->name) \
        stock->name = lukshdrStock_##name;

    *stock = lukshdrStorageTableSaved = *table;
    LUKSHDR_STORAGE_TABLE_OURS(LUKSHDR_STORAGE_TABLE_KEEP)
}

void
lukshdrStorageTableTakeOver(lukshdrStorageTable *table, const lukshdrStorageOurs *ours)
{
#define LUKSHDR_STORAGE_TABLE_PUT(ret, name, params, args) table->name = lukshdrEntry_##name;

    lukshdrStorageTableOurs = *ours;
    LUKSHDR_STORAGE_TABLE_OURS(LUKSHDR_STORAGE_TABLE_PUT)
}
