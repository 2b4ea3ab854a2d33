/*
 * secret.h: a passphrase in memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pages are kept out of core dumps and, where the limits allow, out of
 * swap, and are overwritten before they are given back.
 */

#pragma once

#include <glib.h>

typedef struct _lukshdrSecret lukshdrSecret;

/**
 * lukshdrSecretNew:
 * @data: the passphrase's bytes; copied, wiping the original is the caller's
 * @len: how many
 *
 * Returns: a secret, freed with lukshdrSecretFree.
 */
lukshdrSecret *
lukshdrSecretNew(const guint8 *data, gsize len);

/**
 * lukshdrSecretGenerate:
 * @error: VIR_ERR_INTERNAL_ERROR
 *
 * Returns: a new passphrase of 256 random bits, in base64, as QEMU's LUKS driver takes UTF-8 only
 * (qcrypto_secret_lookup_as_utf8 in its crypto/block-luks.c); freed with lukshdrSecretFree.  NULL with
 * @error set.
 */
lukshdrSecret *
lukshdrSecretGenerate(GError **error);

/**
 * lukshdrSecretFree:
 * @secret: a secret, or NULL
 *
 * Overwrites and frees it.
 */
void
lukshdrSecretFree(lukshdrSecret *secret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrSecret, lukshdrSecretFree)

/**
 * lukshdrSecretData:
 * @secret: a secret
 *
 * Returns: its bytes, owned by @secret, to be handed on but not kept.
 */
const guint8 *
lukshdrSecretData(const lukshdrSecret *secret);

/**
 * lukshdrSecretLength:
 * @secret: a secret
 *
 * Returns: how many bytes it has.
 */
gsize
lukshdrSecretLength(const lukshdrSecret *secret);

/**
 * lukshdrSecretPipe:
 * @secret: a secret
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_INVALID_SECRET if the passphrase is
 *         longer than a pipe holds (64 KiB, which is libvirt's limit for it, too)
 *
 * Puts the passphrase into a pipe, for a child process to read and nobody else.  The pipe's
 * writing end is closed already.
 *
 * Returns: the reading end (close-on-exec), or -1 with @error set.
 */
int
lukshdrSecretPipe(const lukshdrSecret *secret, GError **error);
