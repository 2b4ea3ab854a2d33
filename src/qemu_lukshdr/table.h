/*
 * table.h: the stock QEMU driver's table of functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table (struct _virHypervisorDriver in libvirt's src/driver-hypervisor.h) is a
 * name and then one function for each call of the public API.  It grows and shifts
 * with releases, so this code assumes no numbers of entries: to find the entry of a
 * public function, it calls that function.
 */

#pragma once

#include "util/abi-tables.h"
#include "util/abi.h"

typedef struct _lukshdrQemuTableEntries lukshdrQemuTableEntries;
struct _lukshdrQemuTableEntries {
    LUKSHDR_QEMU_TABLE_ENTRIES(LUKSHDR_ABI_MEMBER)
};

/* The QEMU driver's own entries, which keep their error (util/kept.h).  Called by ours only: one that stands in
 * front of none is not called either. */
extern const lukshdrQemuTableEntries lukshdrQemuTableStock;

typedef struct _lukshdrQemuTable lukshdrQemuTable;

/**
 * lukshdrQemuTableFind:
 * @handle: dlopen handle of the stock QEMU module
 * @conn: an open connection of the QEMU driver, used by nobody else
 * @error: VIR_ERR_NO_SUPPORT, saying what could not be found
 *
 * A connection holds a pointer to the table, but this code does not assume where.  It
 * looks for the one word of the connection that points into the writable data of the
 * stock module, to the name "QEMU" and then functions of that module.  Then it gives
 * @conn a table of probes for a moment and calls the public function of each entry
 * above: the probe that is called shows which entry it is.
 *
 * Returns: what was found, to be freed with g_free, or NULL with @error set.  Leaves no trace
 * in the thread's libvirt error.
 */
lukshdrQemuTable *
lukshdrQemuTableFind(void *handle, virConnectPtr conn, GError **error);

/**
 * lukshdrQemuTableTakeOver:
 * @table: from lukshdrQemuTableFind
 * @ours: the functions that take the place of the driver's own; copied.  An entry that the driver does not have
 *        stays NULL.
 *
 * Call it before libvirt serves any client: the table is not locked.
 */
void
lukshdrQemuTableTakeOver(const lukshdrQemuTable *table, const lukshdrQemuTableEntries *ours);
