/*
 * format-priv.h: the second way to format a header volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "format.h"

/**
 * lukshdrFormatWithStorageDaemon:
 * @path: as lukshdrFormatHeader
 * @params: as lukshdrFormatHeader
 * @secret: as lukshdrFormatHeader
 * @error: as lukshdrFormatHeader
 *
 * Runs QMP blockdev-create in a qemu-storage-daemon of its own.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrFormatWithStorageDaemon(const char *path,
                               const lukshdrFormatParams *params,
                               const lukshdrSecret *secret,
                               GError **error);
