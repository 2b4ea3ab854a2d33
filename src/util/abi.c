/*
 * abi.c: finding libvirt's private symbols
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "abi.h"

#include <dlfcn.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"

bool
lukshdrABIVersionSupported(GError **error)
{
    unsigned long version = 0;
    const char *untested = g_getenv(LUKSHDR_ENV_UNTESTED);

    if (virGetVersion(&version, NULL, NULL) < 0) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                            _("libvirt does not tell its version"));
        return false;
    }

    if (version > LUKSHDR_LIBVIRT_MAX && untested && *untested && !g_str_equal(untested, "0"))
        return true;

    if (version < LUKSHDR_LIBVIRT_MIN || version > LUKSHDR_LIBVIRT_MAX) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                    _("libvirt %lu.%lu.%lu is outside the tested range %d.%d to %d.%d (set "
                      "%s=1 in the daemon's environment to use a newer one at your own risk)"),
                    version / 1000000, version / 1000 % 1000, version % 1000,
                    LUKSHDR_LIBVIRT_MIN / 1000000, LUKSHDR_LIBVIRT_MIN / 1000 % 1000,
                    LUKSHDR_LIBVIRT_MAX / 1000000, LUKSHDR_LIBVIRT_MAX / 1000 % 1000,
                    LUKSHDR_ENV_UNTESTED);
        return false;
    }
    return true;
}

static bool
lukshdrABIResolveSymbol(void *handle, const char *name, void *member, GError **error)
{
    void *symbol = dlsym(handle, name);

    /* a function pointer need not look like a void * to ISO C, but does to POSIX */
    memcpy(member, &symbol, sizeof(symbol));

    if (symbol)
        return true;
    if (error && !*error) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                    _("this libvirt has no function '%s'"), name);
    }
    return false;
}

#define LUKSHDR_ABI_RESOLVE(ret, name, args) \
    ok = lukshdrABIResolveSymbol(handle, #name, &abi->name, error) && ok;

#define LUKSHDR_ABI_RESOLVE_OPTIONAL(ret, name, args) \
    (void)lukshdrABIResolveSymbol(handle, #name, &abi->name, NULL);

bool
lukshdrABIResolveCommon(lukshdrABICommon *abi, GError **error)
{
    void *handle = RTLD_DEFAULT;
    bool ok = true;

    LUKSHDR_ABI_COMMON(LUKSHDR_ABI_RESOLVE)
    return ok;
}

bool
lukshdrABIResolveStorage(lukshdrABIStorage *abi, GError **error)
{
    void *handle = RTLD_DEFAULT;
    bool ok = true;

    LUKSHDR_ABI_STORAGE(LUKSHDR_ABI_RESOLVE)
    return ok;
}

bool
lukshdrABIResolveQemu(lukshdrABIQemu *abi, GError **error)
{
    void *handle = RTLD_DEFAULT;
    bool ok = true;

    LUKSHDR_ABI_QEMU(LUKSHDR_ABI_RESOLVE)
    LUKSHDR_ABI_QEMU_OPTIONAL(LUKSHDR_ABI_RESOLVE_OPTIONAL)
    return ok;
}

/* One of the two names, since no release has both */
#define LUKSHDR_ABI_RESOLVE_EITHER(name, other) \
    ok = (lukshdrABIResolveSymbol(handle, #name, &abi->name, NULL) || \
          lukshdrABIResolveSymbol(handle, #other, &abi->other, error)) && \
         ok;

bool
lukshdrABIResolveQemuDriver(void *handle, lukshdrABIQemuDriver *abi, GError **error)
{
    bool ok = true;

    LUKSHDR_ABI_QEMU_DRIVER(LUKSHDR_ABI_RESOLVE)
    LUKSHDR_ABI_QEMU_WRAPPED(LUKSHDR_ABI_RESOLVE)
    LUKSHDR_ABI_QEMU_REMOTE(LUKSHDR_ABI_RESOLVE_OPTIONAL)
    LUKSHDR_ABI_QEMU_BITMAPS(LUKSHDR_ABI_RESOLVE_OPTIONAL)
    LUKSHDR_ABI_QEMU_DRIVER_OPTIONAL(LUKSHDR_ABI_RESOLVE_OPTIONAL)

    LUKSHDR_ABI_RESOLVE_EITHER(qemuBlockStorageSourceGetFormatProps,
                               qemuBlockStorageSourceGetBlockdevProps)
    LUKSHDR_ABI_RESOLVE_EITHER(qemuDomainAttachDeviceLive, qemuDomainAttachDeviceDiskLive)
    LUKSHDR_ABI_RESOLVE_EITHER(qemuDomainUpdateDeviceLive, qemuDomainChangeEjectableMedia)
    return ok;
}
