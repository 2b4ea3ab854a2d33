/*
 * bind.h: does the stock driver call the wrappers?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * That a wrapper stands in front of the stock function rests on ELF symbol
 * order, which some builds switch off (-Bsymbolic, LTO with hidden symbols).
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * lukshdrQemuBindCheck:
 * @handle: dlopen handle of the stock module, loaded with RTLD_NOW
 * @names: NULL-terminated list of the functions that are to be wrapped
 * @error: VIR_ERR_NO_SUPPORT, naming the first function that is not
 *
 * Reads what the dynamic linker has put into the stock module's relocation
 * slots: for each of @names there must be at least one, and each must lead into
 * the module that this function is part of.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuBindCheck(void *handle, const char *const *names, GError **error);
