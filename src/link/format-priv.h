/*
 * format-priv.h: the second way to format a header volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "format.h"

typedef struct _lukshdrFormatQMP lukshdrFormatQMP;
struct _lukshdrFormatQMP {
    GOutputStream *in;
    GDataInputStream *out;
    bool refused; /* it answered, by an error: it is alive, and that is the message */
};

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

/**
 * lukshdrFormatQMPSession:
 * @qmp: the QMP monitor of a qemu-storage-daemon with the secret object sec0; what it writes is
 *       hostile
 * @path: as lukshdrFormatHeader
 * @params: as lukshdrFormatHeader
 * @error: VIR_ERR_OPERATION_FAILED
 *
 * The whole conversation, with whatever is at the other end of the streams (tests/fuzz/fuzz-qmp.c).
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrFormatQMPSession(lukshdrFormatQMP *qmp,
                        const char *path,
                        const lukshdrFormatParams *params,
                        GError **error);
