/*
 * table.h: the stock QEMU driver's table of functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table (struct _virHypervisorDriver in libvirt's src/driver-hypervisor.h) is a
 * name and then one function for each call of the public API.  It grows and shifts
 * with releases, so no numbers of entries are assumed: which entry a public
 * function calls is found out by calling it.
 */

#pragma once

#include "util/abi-tables.h"
#include "util/abi.h"

typedef struct _lukshdrQemuTableEntries lukshdrQemuTableEntries;
struct _lukshdrQemuTableEntries {
    LUKSHDR_QEMU_TABLE_ENTRIES(LUKSHDR_ABI_MEMBER)
};

/* The QEMU driver's own entries: set before any client is served, only read afterwards */
extern lukshdrQemuTableEntries lukshdrQemuTableStock;

typedef struct _lukshdrQemuTable lukshdrQemuTable;

/**
 * lukshdrQemuTableFind:
 * @handle: dlopen handle of the stock QEMU module
 * @conn: an open connection of the QEMU driver, used by nobody else
 * @error: VIR_ERR_NO_SUPPORT, saying what could not be found
 *
 * A connection points to the table; where in it is not assumed.  Of the words of the
 * connection the one is looked for that points into the writable data of the stock
 * module, at something that is called "QEMU" and goes on with functions of that
 * module.  Then @conn is given a table of probes for a moment, and for each entry
 * above the public function is called: the probe that answers says which it is.
 *
 * Returns: what was found, to be freed with g_free, or NULL with @error set.  Leaves no trace
 * in the thread's libvirt error.
 */
lukshdrQemuTable *
lukshdrQemuTableFind(void *handle, virConnectPtr conn, GError **error);

/**
 * lukshdrQemuTableTakeOver:
 * @table: from lukshdrQemuTableFind
 * @stock: filled in with the stock driver's entries; what it does not have is NULL
 * @ours: what takes their place
 *
 * To be called before any client is served: the table is not locked.
 */
void
lukshdrQemuTableTakeOver(const lukshdrQemuTable *table,
                         lukshdrQemuTableEntries *stock,
                         const lukshdrQemuTableEntries *ours);
