/*
 * lukshdrstoragetable.c: finding the stock storage driver's table of functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "lukshdrstoragetable.h"

#include <dlfcn.h>
#include <glib-object.h>
#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <link.h>
#include <string.h>

#include "lukshdrerror.h"

#define LUKSHDR_STORAGE_TABLE_ENTRIES 45
#define LUKSHDR_STORAGE_TABLE_KNOWN_ENTRY 13

G_STATIC_ASSERT(sizeof(lukshdrStorageTable) ==
                (1 + LUKSHDR_STORAGE_TABLE_ENTRIES) * sizeof(void *));
G_STATIC_ASSERT(offsetof(lukshdrStorageTable, storagePoolLookupByTargetPath) ==
                LUKSHDR_STORAGE_TABLE_KNOWN_ENTRY * sizeof(void *));

typedef struct _lukshdrStorageModule lukshdrStorageModule;
struct _lukshdrStorageModule {
    ElfW(Addr) base; /* which module is looked for */
    bool found;
    const ElfW(Phdr) * phdr;
    ElfW(Half) phnum;
};

static int
lukshdrStorageModuleVisit(struct dl_phdr_info *info, size_t size G_GNUC_UNUSED, void *opaque)
{
    lukshdrStorageModule *module = opaque;

    if (info->dlpi_addr != module->base)
        return 0;

    module->found = true;
    module->phdr = info->dlpi_phdr;
    module->phnum = info->dlpi_phnum;
    return 1;
}

/* Do @len bytes at @address lie in one loaded segment that has all of @flags? */
static bool
lukshdrStorageModuleHolds(const lukshdrStorageModule *module,
                          const void *address,
                          size_t len,
                          ElfW(Word) type,
                          ElfW(Word) flags)
{
    ElfW(Addr) start = (ElfW(Addr))address - module->base;
    ElfW(Half) i;

    for (i = 0; i < module->phnum; i++) {
        const ElfW(Phdr) *phdr = &module->phdr[i];

        if (phdr->p_type == type && (phdr->p_flags & flags) == flags && start >= phdr->p_vaddr &&
            len <= phdr->p_memsz && start - phdr->p_vaddr <= phdr->p_memsz - len)
            return true;
    }
    return false;
}

static bool
lukshdrStorageTableIsIt(const lukshdrStorageModule *module,
                        const void *candidate,
                        const void *known)
{
    const lukshdrStorageTable *table = candidate;
    void *const *entries = (void *const *)candidate;
    size_t i;

    /* written data, and not the kind that becomes read-only after relocation */
    if ((guintptr)candidate % sizeof(void *) ||
        !lukshdrStorageModuleHolds(module, candidate, sizeof(*table), PT_LOAD, PF_R | PF_W) ||
        lukshdrStorageModuleHolds(module, candidate, sizeof(void *), PT_GNU_RELRO, 0))
        return false;

    if (!lukshdrStorageModuleHolds(module, table->name, sizeof("storage"), PT_LOAD, PF_R) ||
        strcmp(table->name, "storage") || entries[LUKSHDR_STORAGE_TABLE_KNOWN_ENTRY] != known)
        return false;

    for (i = 1; i <= LUKSHDR_STORAGE_TABLE_ENTRIES; i++) {
        if (entries[i] && !lukshdrStorageModuleHolds(module, entries[i], 1, PT_LOAD, PF_R | PF_X))
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
           table->storageVolGetInfo && table->storagePoolIsActive;
}

lukshdrStorageTable *
lukshdrStorageTableFind(void *handle, virConnectPtr conn, GError **error)
{
    void *known = dlsym(handle, "storagePoolLookupByTargetPath");
    lukshdrStorageModule module = { 0 };
    struct link_map *map = NULL;
    void *found = NULL;
    GTypeQuery query;
    size_t offset;

    if (!known) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                    _("this libvirt has no function '%s'"), "storagePoolLookupByTargetPath");
        return NULL;
    }

    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0) {
        module.base = map->l_addr;
        dl_iterate_phdr(lukshdrStorageModuleVisit, &module);
    }
    if (!module.found) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                            _("the stock storage module is not where the dynamic linker says"));
        return NULL;
    }

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
