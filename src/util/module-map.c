/*
 * module-map.c: which parts of a process's memory belong to a loaded module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "module-map.h"

#include <dlfcn.h>
#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>

#include "error.h"

static int
lukshdrModuleMapVisit(struct dl_phdr_info *info, size_t size G_GNUC_UNUSED, void *opaque)
{
    lukshdrModuleMap *map = opaque;

    if (info->dlpi_addr != map->base)
        return 0;

    map->found = true;
    map->phdr = info->dlpi_phdr;
    map->phnum = info->dlpi_phnum;
    return 1;
}

bool
lukshdrModuleMapInit(lukshdrModuleMap *map, void *handle, GError **error)
{
    struct link_map *loaded = NULL;

    *map = (lukshdrModuleMap){ 0 };
    if (dlinfo(handle, RTLD_DI_LINKMAP, &loaded) == 0) {
        map->base = loaded->l_addr;
        dl_iterate_phdr(lukshdrModuleMapVisit, map);
    }

    if (!map->found) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                            _("the stock module is not where the dynamic linker says"));
    }
    return map->found;
}

static bool
lukshdrModuleMapInSegment(const lukshdrModuleMap *map,
                          const void *address,
                          size_t len,
                          ElfW(Word) type,
                          ElfW(Word) flags)
{
    ElfW(Addr) start = (ElfW(Addr))address - map->base;
    ElfW(Half) i;

    for (i = 0; i < map->phnum; i++) {
        const ElfW(Phdr) *phdr = &map->phdr[i];

        if (phdr->p_type == type && (phdr->p_flags & flags) == flags && start >= phdr->p_vaddr &&
            len <= phdr->p_memsz && start - phdr->p_vaddr <= phdr->p_memsz - len)
            return true;
    }
    return false;
}

bool
lukshdrModuleMapHolds(const lukshdrModuleMap *map,
                      const void *address,
                      size_t len,
                      ElfW(Word) flags)
{
    return lukshdrModuleMapInSegment(map, address, len, PT_LOAD, flags);
}

bool
lukshdrModuleMapIsData(const lukshdrModuleMap *map, const void *address, size_t len)
{
    return lukshdrModuleMapInSegment(map, address, len, PT_LOAD, PF_R | PF_W) &&
           !lukshdrModuleMapInSegment(map, address, 1, PT_GNU_RELRO, 0);
}
