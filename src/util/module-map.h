/*
 * module-map.h: which parts of a process's memory belong to a loaded module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <link.h>
#include <stdbool.h>

typedef struct _lukshdrModuleMap lukshdrModuleMap;
struct _lukshdrModuleMap {
    ElfW(Addr) base;
    bool found;
    const ElfW(Phdr) * phdr; /* the module's own, valid while it is loaded */
    ElfW(Half) phnum;
};

/**
 * lukshdrModuleMapInit:
 * @map: filled in
 * @handle: dlopen handle of a module that is never unloaded
 * @error: VIR_ERR_NO_SUPPORT
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrModuleMapInit(lukshdrModuleMap *map, void *handle, GError **error);

/**
 * lukshdrModuleMapHolds:
 * @map: a module
 * @address: any address
 * @len: bytes from there on
 * @flags: PF_R, PF_W, PF_X, or several of them
 *
 * Returns: whether these bytes lie in one loaded segment that has all of @flags.
 */
bool
lukshdrModuleMapHolds(const lukshdrModuleMap *map,
                      const void *address,
                      size_t len,
                      ElfW(Word) flags);

/**
 * lukshdrModuleMapIsData:
 * @map: a module
 * @address: any address
 * @len: bytes from there on
 *
 * Returns: whether this is written data of the module, and not of the kind that the
 * dynamic linker makes read-only after relocation.
 */
bool
lukshdrModuleMapIsData(const lukshdrModuleMap *map, const void *address, size_t len);
