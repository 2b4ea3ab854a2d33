/*
 * error.h: errors inside (GError) and at the API (libvirt errors)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Inside the project functions fail with a GError of domain LUKSHDR_ERROR whose
 * code is the virErrorNumber that the client is to see.  Only the two halves
 * turn one into a libvirt error, and only at the entry that libvirt called.
 */

#pragma once

#include <glib.h>
#include <libvirt/virterror.h>

/**
 * LUKSHDR_ERROR:
 *
 * GError domain of the project; codes are virErrorNumber values.
 */
#define LUKSHDR_ERROR lukshdrErrorQuark()

/**
 * LUKSHDR_STOCK_ERROR:
 *
 * GError domain of errors that libvirt itself raised: the code is a
 * virErrorNumber, too, and the message already has libvirt's text for it in front.
 */
#define LUKSHDR_STOCK_ERROR lukshdrStockErrorQuark()

/**
 * lukshdrStockErrorQuark:
 *
 * Returns: the quark behind LUKSHDR_STOCK_ERROR.
 */
GQuark
lukshdrStockErrorQuark(void);

/**
 * lukshdrErrorQuark:
 *
 * Returns: the quark behind LUKSHDR_ERROR.
 */
GQuark
lukshdrErrorQuark(void);

/**
 * lukshdrErrorCode:
 * @error: any GError
 *
 * Returns: the virErrorNumber to report for @error: its code for the two domains
 * above, VIR_ERR_SYSTEM_ERROR for GLib's file errors, VIR_ERR_INTERNAL_ERROR otherwise.
 */
int
lukshdrErrorCode(const GError *error);

/**
 * lukshdrErrorSetErrno:
 * @error: set to VIR_ERR_SYSTEM_ERROR
 * @errnum: an errno
 * @format: printf format of what was tried, already translated; the errno's text is
 *          appended after a colon
 */
void
lukshdrErrorSetErrno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
