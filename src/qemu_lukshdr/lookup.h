/*
 * lookup.h: whose is what a guest is about to get?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one place where the QEMU half asks the link registry and the header pools about a path.
 */

#pragma once

#include "link/link.h"
#include "source.h"

/**
 * lukshdrQemuLookup:
 * @path: file or block device that a guest is about to open
 * @link: set to the link (a reference) if it is a payload, to NULL if it is nothing to us
 * @error: as lukshdrRegistryFindPayload and lukshdrHeaderPoolsFind; VIR_ERR_OPERATION_DENIED if it
 *         is a header volume, or in a declared header pool
 *
 * A header volume is nobody's disk: the guest could read and replace the key material.  Nor is
 * anything else in a declared header pool but the payloads of links.
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
 * Returns: true if @src is something else, or a directory without header, payload or header pool in it; false
 * with @error set.
 */
bool
lukshdrQemuLookupDirectory(virStorageSource *src, GError **error);
