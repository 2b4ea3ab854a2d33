/*
 * convert.h: copying the content of one volume into another
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "link/link.h"
#include "util/secret.h"

/* One side of a conversion: a linked volume, or a plain one */
typedef struct _lukshdrConvertSide lukshdrConvertSide;
struct _lukshdrConvertSide {
    const lukshdrLink *link;     /* NULL for a plain volume */
    const lukshdrSecret *secret; /* of the link */
    const char *path;            /* of a plain volume */
    const char *format;          /* of a plain volume, libvirt's name */
};

/**
 * lukshdrStorageConvert:
 * @from: the source, opened for reading only
 * @to: the target, which exists and is at least as large
 * @error: VIR_ERR_OPERATION_FAILED with qemu-img's message
 *
 * Runs qemu-img convert from chain to chain.  Into a linked volume everything is written,
 * zeroes, too: what is not written there reads as garbage, not as zeroes.  A failure or a
 * crash leaves a target with part of the content.
 *
 * Returns: true, with the target flushed, or false with @error set.
 */
bool
lukshdrStorageConvert(const lukshdrConvertSide *from, const lukshdrConvertSide *to, GError **error);

/**
 * lukshdrStorageOpens:
 * @side: a linked volume, the link with both paths and format
 * @error: VIR_ERR_OPERATION_FAILED with qemu-img's message
 *
 * Opens the chain for reading, which unlocks the header, and nothing else.
 *
 * Returns: true if the secret opens it, or false with @error set.
 */
bool
lukshdrStorageOpens(const lukshdrConvertSide *side, GError **error);
