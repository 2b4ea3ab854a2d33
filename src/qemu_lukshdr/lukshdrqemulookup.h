/*
 * lukshdrqemulookup.h: whose is what a guest is about to get?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one place where the QEMU half asks the link registry about a path.
 */

#pragma once

#include "../util/lukshdrlink.h"
#include "lukshdrqemusource.h"

/**
 * lukshdrQemuLookup:
 * @path: file or block device that a guest is about to open
 * @link: set to the link (a reference) if it is a payload, to NULL if it is nothing to us
 * @error: as lukshdrRegistryFindPayload; VIR_ERR_OPERATION_DENIED if it is a header volume
 *
 * A header volume is nobody's disk: the guest could read and replace the key material.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuLookup(const char *path, lukshdrLink **link, GError **error);

/**
 * lukshdrQemuLookupDirectory:
 * @src: a source
 * @error: VIR_ERR_OPERATION_DENIED, VIR_ERR_OPERATION_INVALID
 *
 * A directory as a disk (vvfat): the guest would read every file below it, and might write to
 * them.  Files that symbolic links in it lead to elsewhere are not looked for.
 *
 * Returns: true if @src is something else, or a directory without header or payload in it; false
 * with @error set.
 */
bool
lukshdrQemuLookupDirectory(virStorageSource *src, GError **error);
