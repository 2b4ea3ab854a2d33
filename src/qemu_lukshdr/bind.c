/*
 * bind.c: does the stock driver call the wrappers?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Relocation types differ by machine, and the code does not look at them: a slot that
 * belongs to the symbol of a function holds the function's address, whatever its type.
 * A call that the compiler resolved inside the stock module has no slot, so the code
 * cannot see it.  That is why it asks for at least one slot, and why the tests exist.
 */

#include "config.h"

#include "bind.h"

#include <dlfcn.h>
#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <link.h>
#include <string.h>

#include "util/error.h"

typedef struct _lukshdrQemuBindTables lukshdrQemuBindTables;
struct _lukshdrQemuBindTables {
    ElfW(Addr) base;
    const char *strings;
    const ElfW(Sym) * symbols;
    const ElfW(Rela) * rela;
    size_t relaSize; /* bytes, as the two below */
    const ElfW(Rel) * rel;
    size_t relSize;
    const void *plt;
    size_t pltSize;
    bool pltIsRela;
};

/* glibc adds the load address to the pointers of the dynamic section in place.
 * Other C libraries do not, nor does glibc where the section is read-only. */
static const void *
lukshdrQemuBindPointer(const struct link_map *map, ElfW(Addr) value)
{
    return (const void *)(value < map->l_addr ? value + map->l_addr : value);
}

static void
lukshdrQemuBindReadDynamic(const struct link_map *map, lukshdrQemuBindTables *tables)
{
    const ElfW(Dyn) * dyn;

    memset(tables, 0, sizeof(*tables));
    tables->base = map->l_addr;

    for (dyn = map->l_ld; dyn->d_tag != DT_NULL; dyn++) {
        switch (dyn->d_tag) {
        case DT_STRTAB:
            tables->strings = lukshdrQemuBindPointer(map, dyn->d_un.d_ptr);
            break;
        case DT_SYMTAB:
            tables->symbols = lukshdrQemuBindPointer(map, dyn->d_un.d_ptr);
            break;
        case DT_RELA:
            tables->rela = lukshdrQemuBindPointer(map, dyn->d_un.d_ptr);
            break;
        case DT_RELASZ:
            tables->relaSize = dyn->d_un.d_val;
            break;
        case DT_REL:
            tables->rel = lukshdrQemuBindPointer(map, dyn->d_un.d_ptr);
            break;
        case DT_RELSZ:
            tables->relSize = dyn->d_un.d_val;
            break;
        case DT_JMPREL:
            tables->plt = lukshdrQemuBindPointer(map, dyn->d_un.d_ptr);
            break;
        case DT_PLTRELSZ:
            tables->pltSize = dyn->d_un.d_val;
            break;
        case DT_PLTREL:
            tables->pltIsRela = dyn->d_un.d_val == DT_RELA;
            break;
        default:
            break;
        }
    }
}

#if __ELF_NATIVE_CLASS == 64
#define LUKSHDR_ELF_R_SYM(info) ELF64_R_SYM(info)
#else
#define LUKSHDR_ELF_R_SYM(info) ELF32_R_SYM(info)
#endif

/* Is @address inside the module that this very function is part of? */
static bool
lukshdrQemuBindIsOurs(const void *address)
{
    static const char anchor;
    Dl_info found;
    Dl_info ours;

    return dladdr(address, &found) != 0 && dladdr(&anchor, &ours) != 0 &&
           found.dli_fbase == ours.dli_fbase;
}

/* Looks at one slot.  If it belongs to a wrapped function, counts it in @seen (name to
 * number of slots).  Returns false, with @error set, if it does not lead to our wrapper. */
static bool
lukshdrQemuBindCheckSlot(const lukshdrQemuBindTables *tables,
                         ElfW(Addr) offset,
                         size_t symbol,
                         GHashTable *seen,
                         GError **error)
{
    const char *name = tables->strings + tables->symbols[symbol].st_name;
    gpointer key;
    gpointer count;
    void *target;

    if (symbol == 0 || !g_hash_table_lookup_extended(seen, name, &key, &count))
        return true;

    memcpy(&target, (const void *)(tables->base + offset), sizeof(target));
    if (!lukshdrQemuBindIsOurs(target)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                    _("the stock QEMU driver calls its own function '%s', not the plugin's"), name);
        return false;
    }

    g_hash_table_insert(seen, key, GUINT_TO_POINTER(GPOINTER_TO_UINT(count) + 1));
    return true;
}

static bool
lukshdrQemuBindCheckRela(const lukshdrQemuBindTables *tables,
                         const ElfW(Rela) * table,
                         size_t size,
                         GHashTable *seen,
                         GError **error)
{
    size_t i;

    for (i = 0; table && i < size / sizeof(*table); i++) {
        if (!lukshdrQemuBindCheckSlot(tables, table[i].r_offset, LUKSHDR_ELF_R_SYM(table[i].r_info),
                                      seen, error))
            return false;
    }
    return true;
}

static bool
lukshdrQemuBindCheckRel(const lukshdrQemuBindTables *tables,
                        const ElfW(Rel) * table,
                        size_t size,
                        GHashTable *seen,
                        GError **error)
{
    size_t i;

    for (i = 0; table && i < size / sizeof(*table); i++) {
        if (!lukshdrQemuBindCheckSlot(tables, table[i].r_offset, LUKSHDR_ELF_R_SYM(table[i].r_info),
                                      seen, error))
            return false;
    }
    return true;
}

bool
lukshdrQemuBindCheck(void *handle, const char *const *names, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    lukshdrQemuBindTables tables;
    struct link_map *map = NULL;
    bool ok;
    size_t i;

    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) < 0 || !map) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                    _("the relocations of the stock QEMU driver cannot be read: %s"), dlerror());
        return false;
    }

    lukshdrQemuBindReadDynamic(map, &tables);
    if (!tables.strings || !tables.symbols) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                            _("the stock QEMU driver has no dynamic symbols"));
        return false;
    }

    for (i = 0; names[i]; i++)
        g_hash_table_insert(seen, (gpointer)names[i], GUINT_TO_POINTER(0));

    if (!lukshdrQemuBindCheckRela(&tables, tables.rela, tables.relaSize, seen, error) ||
        !lukshdrQemuBindCheckRel(&tables, tables.rel, tables.relSize, seen, error))
        return false;

    if (tables.pltIsRela)
        ok = lukshdrQemuBindCheckRela(&tables, tables.plt, tables.pltSize, seen, error);
    else
        ok = lukshdrQemuBindCheckRel(&tables, tables.plt, tables.pltSize, seen, error);
    if (!ok)
        return false;

    for (i = 0; names[i]; i++) {
        if (GPOINTER_TO_UINT(g_hash_table_lookup(seen, names[i])) == 0) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                        _("the stock QEMU driver's calls of '%s' cannot be taken over"), names[i]);
            return false;
        }
    }
    return true;
}
