/*
 * bind.h: does the stock driver call the wrappers?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A wrapper stands in front of the stock function because of ELF symbol order.  Some
 * builds switch that off (-Bsymbolic, LTO with hidden symbols).
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * lukshdrQemuBindCheck:
 * @handle: dlopen handle of the stock module, loaded with RTLD_NOW
 * @names: NULL-terminated list of the functions to wrap
 * @error: VIR_ERR_NO_SUPPORT, naming the first function that is not wrapped
 *
 * Reads what the dynamic linker has put into the stock module's relocation
 * slots: for each of @names there must be at least one, and each must lead into
 * the module that this function is part of.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuBindCheck(void *handle, const char *const *names, GError **error);
