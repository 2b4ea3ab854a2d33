/*
 * module.c: loading the stock module that a half stands in front of
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "module.h"

#include <dlfcn.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "log.h"

bool
lukshdrModuleLoadStock(const lukshdrABICommon *abi, const char *name, void **handle, GError **error)
{
    g_autofree char *path = g_strdup_printf(LUKSHDR_STOCK_DRIVER_DIR "/libvirt_driver_%s.so", name);

    *handle = NULL;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return true;

    if (abi->virUpdateSelfLastChanged)
        abi->virUpdateSelfLastChanged(path);

    if (!(*handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("Failed to load module '%s': %s"), path, dlerror());
        return false;
    }
    return true;
}

int
lukshdrModuleRegisterStock(void *handle, const char *regfunc)
{
    void *symbol = dlsym(handle, regfunc);
    int (*registerFunc)(void);

    if (!symbol) {
        g_autoptr(GError) error = g_error_new(LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                                              _("the stock module has no function '%s'"), regfunc);

        lukshdrReportError(error);
        return -1;
    }

    memcpy(&registerFunc, &symbol, sizeof(symbol));
    return registerFunc();
}
