/*
 * scsi.h: what a SCSI unit calls itself
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A unit tells in its vital product data (SPC-4, 7.8) which it is.  An iSCSI client asks it itself;
 * of a disk that the kernel has logged in to, sysfs shows the same bytes.  So one unit is
 * recognised by whatever way it is reached.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* What is asked of a unit: the pages as they came, or empty where there is none */
typedef struct _lukshdrScsiPages lukshdrScsiPages;
struct _lukshdrScsiPages {
    GBytes *identification; /* VPD page 0x83, or NULL */
    GBytes *serial;         /* VPD page 0x80, or NULL */
    char vendor[9];         /* of the standard INQUIRY, without blanks at the end */
    char product[17];
};

/**
 * lukshdrScsiPagesClear:
 * @pages: what a unit said
 *
 * Frees what is in it.
 */
void
lukshdrScsiPagesClear(lukshdrScsiPages *pages);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrScsiPages, lukshdrScsiPagesClear)

/**
 * lukshdrScsiPagesFromSysfs:
 * @device: directory of a SCSI device in sysfs, such as /sys/dev/block/8:0/device
 * @pages: empty; filled in
 *
 * Returns: whether the kernel shows any page of it.
 */
bool
lukshdrScsiPagesFromSysfs(const char *device, lukshdrScsiPages *pages);

/**
 * lukshdrScsiName:
 * @pages: what the unit said: hostile until proven otherwise
 * @unique: set to whether no other unit in the world has that name, so far as its maker keeps to the
 *          rules of the IEEE
 *
 * The name that says most is taken: NAA of a registered maker, EUI-64; else what only promises to be the
 * unit's own (T10 vendor identification, NAA that was assigned locally or names no maker, the serial number): the
 * software that makes units of files often gives the first unit of each host the same.
 *
 * Returns: the name, such as "naa.600140512345678", to be freed with g_free; NULL if the unit has none.
 */
char *
lukshdrScsiName(const lukshdrScsiPages *pages, bool *unique);

/**
 * lukshdrScsiKernelNames:
 * @pages: what the unit said
 *
 * Linux chooses one of a unit's designators for its attribute "wwid" (scsi_vpd_lun_id in its
 * drivers/scsi/scsi_lib.c), by rules that changed between its releases.
 *
 * Returns: all names that it could choose, as it writes them; to be freed with g_strfreev.
 */
GStrv
lukshdrScsiKernelNames(const lukshdrScsiPages *pages);
