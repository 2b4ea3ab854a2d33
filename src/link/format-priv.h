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
    GCancellable *cancellable; /* ends the conversation; may be NULL */
    bool refused;              /* it answered, by an error: it is alive, and that is the message */
};

/**
 * lukshdrFormatWithStorageDaemon:
 * @fd: as lukshdrFormatHeader
 * @params: as lukshdrFormatHeader
 * @secret: as lukshdrFormatHeader
 * @background: as lukshdrFormatHeader
 * @deadline: seconds that it may take
 * @error: as lukshdrFormatHeader
 *
 * Runs QMP blockdev-create in a qemu-storage-daemon of its own.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrFormatWithStorageDaemon(int fd,
                               const lukshdrFormatParams *params,
                               const lukshdrSecret *secret,
                               GCancellable *background,
                               guint deadline,
                               GError **error);

/**
 * lukshdrFormatQMPSession:
 * @qmp: the QMP monitor of a qemu-storage-daemon with the secret object sec0; what it writes is
 *       hostile
 * @fd: as lukshdrFormatHeader; the daemon has it as lukshdrCommandFile(0)
 * @params: as lukshdrFormatHeader
 * @error: VIR_ERR_OPERATION_FAILED
 *
 * The whole conversation, with whatever is at the other end of the streams (tests/fuzz/fuzz-qmp.c).
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrFormatQMPSession(lukshdrFormatQMP *qmp,
                        int fd,
                        const lukshdrFormatParams *params,
                        GError **error);
