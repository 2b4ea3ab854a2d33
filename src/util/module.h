/*
 * module.h: loading the stock module that a half stands in front of
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "abi.h"

/**
 * lukshdrModuleLoadStock:
 * @abi: the common functions
 * @name: name of the driver, e.g. "storage"
 * @handle: set to the dlopen handle, or to NULL if the module is not installed,
 *          which for libvirt is no error
 * @error: VIR_ERR_INTERNAL_ERROR with the dynamic linker's words
 *
 * Loads LUKSHDR_STOCK_DRIVER_DIR/libvirt_driver_NAME.so as libvirt's
 * virModuleLoadFile does: RTLD_GLOBAL, since the storage driver's backend
 * modules need its symbols, and after virUpdateSelfLastChanged, without which
 * cached QEMU capabilities outlive an upgrade of libvirt.  The plugin's own
 * module has gone through that in libvirt.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrModuleLoadStock(const lukshdrABICommon *abi,
                       const char *name,
                       void **handle,
                       GError **error);

/**
 * lukshdrModuleRegisterStock:
 * @handle: from lukshdrModuleLoadStock
 * @regfunc: name of the register function, e.g. "storageRegister"
 *
 * Calls the stock module's register function, which reports its own errors.
 *
 * Returns: what it returns, -1 with a libvirt error if there is none.
 */
int
lukshdrModuleRegisterStock(void *handle, const char *regfunc);
