/*
 * table.h: the stock storage driver's table of functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * util/abi-tables.h has its form; nothing is touched unless the table is recognised.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

#include "util/abi-tables.h"

/**
 * lukshdrStorageTableFind:
 * @handle: dlopen handle of the stock storage module
 * @conn: an open connection of the storage driver
 * @error: VIR_ERR_NO_SUPPORT, saying which check failed
 *
 * A connection points to the table; where in it is not assumed.  Of the words
 * of the connection the one is looked for that points into the writable data
 * of the stock module, at something whose name is "storage", whose entry 13 is
 * the exported storagePoolLookupByTargetPath, and whose other entries are all
 * functions of the stock module, the ones that the plugin needs present.
 *
 * Returns: the stock table itself, or NULL with @error set.
 */
lukshdrStorageTable *
lukshdrStorageTableFind(void *handle, virConnectPtr conn, GError **error);

/**
 * lukshdrStorageTableTakeOver:
 * @table: the stock table, from lukshdrStorageTableFind
 * @ours: what goes in front of it; NULL for what stays stock's
 *
 * No client may be served yet: nobody reads the table meanwhile.
 */
void
lukshdrStorageTableTakeOver(lukshdrStorageTable *table, const lukshdrStorageTable *ours);
