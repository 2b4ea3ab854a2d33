/*
 * remembered.h: what libvirt's security drivers remember of a file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * It is in extended attributes of the file (security_util.c in libvirt's src/security):
 *
 *   trusted.libvirt.security.NAME             what the file had before, of the security driver NAME
 *   trusted.libvirt.security.ref_NAME         how many users it has now
 *   trusted.libvirt.security.timestamp_NAME   when the host was booted
 */

#pragma once

#include <stdbool.h>

#define LUKSHDR_QEMU_REMEMBERED_XATTR "trusted.libvirt.security."
#define LUKSHDR_QEMU_REMEMBERED_REF "ref_"
#define LUKSHDR_QEMU_REMEMBERED_TIME "timestamp_"

/**
 * lukshdrQemuRememberedAny:
 * @path: a file or device of the host
 *
 * Returns: whether any driver remembers something of it; false if that cannot be read, either.
 */
bool
lukshdrQemuRememberedAny(const char *path);

/**
 * lukshdrQemuRememberedState:
 * @path: a file or device of the host
 *
 * Returns: what the drivers change when they restore the file, as text to be compared and to be freed with g_free:
 * its owner, and how many users they know of.  If they remember nothing, restoring the file twice does no
 * more than restoring it once; else the text changes each time.  NULL if the file cannot be examined.
 */
char *
lukshdrQemuRememberedState(const char *path);
