/*
 * payload.h: whether a volume's content stands alone
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Some image formats can name other files, which QEMU opens as well: backing
 * files, data files, extents.  QEMU opens them with the rights of the process, and those who
 * may write to a volume choose the names: read as root, such an image gives root's files
 * away; written as root, it overwrites them.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * lukshdrPayloadCheck:
 * @fd: a volume, open for reading
 * @format: its format, libvirt's name; one that lukshdrChainFormatDriver knows
 * @error: VIR_ERR_OPERATION_INVALID if it names another file, or is not what @format says;
 *         VIR_ERR_OPERATION_UNSUPPORTED if that cannot be told of this format;
 *         VIR_ERR_SYSTEM_ERROR.  Callers put in front which volume it is.
 *
 * What @fd is open on may be written to by others after this, so backing files are also left out
 * where QEMU is told how to open it ("backing": null in the chain).
 *
 * Returns: true if QEMU opens no other file because of what is in this one, or false with @error
 * set.
 */
bool
lukshdrPayloadCheck(int fd, const char *format, GError **error);
