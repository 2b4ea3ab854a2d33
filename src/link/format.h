/*
 * format.h: formatting a header volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#include "util/secret.h"

/* The time that QEMU shall spend on key stretching for a generated secret, ms.  Such a secret needs none, so: the
 * least. */
#define LUKSHDR_FORMAT_ITER_TIME_GENERATED 1

typedef struct _lukshdrFormatParams lukshdrFormatParams;
struct _lukshdrFormatParams {
    /* QEMU's names (QCryptoBlockCreateOptionsLUKS in its qapi/crypto.json); NULL
     * leaves a choice to QEMU: aes-256, xts, plain64, sha256 */
    char *cipherAlg;    /* e.g. "aes-256" */
    char *cipherMode;   /* e.g. "xts" */
    char *ivgenAlg;     /* e.g. "plain64" */
    char *ivgenHashAlg; /* e.g. "sha256", for the ivgen "essiv" alone */
    char *hashAlg;      /* e.g. "sha256" */
    guint64 iterTime;   /* of key stretching, ms; 0 leaves it to QEMU: 2000 */
};

/**
 * lukshdrFormatParamsClear:
 * @params: what to empty
 */
void
lukshdrFormatParamsClear(lukshdrFormatParams *params);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrFormatParams, lukshdrFormatParamsClear)

/**
 * lukshdrFormatParamsCopy:
 * @params: the choices
 * @copy: set to the same, emptied with lukshdrFormatParamsClear
 */
void
lukshdrFormatParamsCopy(const lukshdrFormatParams *params, lukshdrFormatParams *copy);

/**
 * lukshdrFormatParamsEqual:
 * @a: the choices
 * @b: others
 *
 * A choice that is left to QEMU equals no other one, also if QEMU would make it.
 *
 * Returns: whether they are the same.
 */
bool
lukshdrFormatParamsEqual(const lukshdrFormatParams *a, const lukshdrFormatParams *b);

/**
 * lukshdrFormatHeader:
 * @fd: the header volume, open for reading and writing; its content is lost
 * @params: the choices
 * @secret: passphrase of the first key slot
 * @background: NULL if somebody waits for it; otherwise as lukshdrCommand's, and it may take six times as long
 * @error: VIR_ERR_OPERATION_FAILED with the tool's message; VIR_ERR_OPERATION_TIMEOUT if it takes
 *         too long and was killed; VIR_ERR_OPERATION_ABORTED if @background was cancelled;
 *         VIR_ERR_SYSTEM_ERROR if it cannot be run
 *
 * Makes a detached LUKS1 header with qemu-img, or, where its release does not
 * know how (QEMU 10.0.2 for one), with qemu-storage-daemon.  Which of the two is
 * found out by trying qemu-img once in the life of the process.  Nothing but what
 * @fd is open on is written, whatever stands at its path meanwhile.  A crash or a
 * failure leaves a volume without a whole header, of a length that may differ
 * from before.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrFormatHeader(int fd,
                    const lukshdrFormatParams *params,
                    const lukshdrSecret *secret,
                    GCancellable *background,
                    GError **error);
