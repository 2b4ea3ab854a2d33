/*
 * table.h: the stock storage driver's table of functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * util/abi-tables.h has its form.  If the table is not recognised, nothing is changed.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

#include "util/abi.h"
#include "util/abi-tables.h"

/* The entries that the plugin stands in front of */
typedef struct _lukshdrStorageOurs lukshdrStorageOurs;
struct _lukshdrStorageOurs {
    LUKSHDR_STORAGE_TABLE_OURS(LUKSHDR_ABI_MEMBER)
};

/**
 * lukshdrStorageTableFind:
 * @handle: dlopen handle of the stock storage module
 * @conn: an open connection of the storage driver
 * @error: VIR_ERR_NO_SUPPORT, saying which check failed
 *
 * A connection holds a pointer to the table, but this code does not assume where.
 * It looks for the one word of the connection that points into the writable data
 * of the stock module, to a table with the name "storage".  Entry 13 of the table
 * must be the exported storagePoolLookupByTargetPath, all other entries must be
 * functions of the stock module, and those that the plugin needs must be present.
 *
 * Returns: the stock table itself, or NULL with @error set.
 */
lukshdrStorageTable *
lukshdrStorageTableFind(void *handle, virConnectPtr conn, GError **error);

/**
 * lukshdrStorageTableStock:
 * @table: the stock table, from lukshdrStorageTableFind
 * @stock: set to stock's entries.  Those that the plugin stands in front of keep their error (util/kept.h).
 */
void
lukshdrStorageTableStock(const lukshdrStorageTable *table, lukshdrStorageTable *stock);

/**
 * lukshdrStorageTableTakeOver:
 * @table: the stock table, from lukshdrStorageTableFind
 * @ours: the entries to put in front of it; copied
 *
 * Call it before libvirt serves any client: nobody may read the table meanwhile.
 */
void
lukshdrStorageTableTakeOver(lukshdrStorageTable *table, const lukshdrStorageOurs *ours);
