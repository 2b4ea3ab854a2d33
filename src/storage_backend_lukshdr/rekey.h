/*
 * rekey.h: another header for a volume that a guest uses
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * QEMU reads a header when it opens the disk, has the master key from then on, and writes to the header only when it is told to
 * change keys (block_crypto_amend_options_generic in its block/crypto.c), which libvirt never does.  So key slots can be
 * changed below a running guest.  But a header that is not the volume's, an older one, or one that the volume's
 * secret does not open would be noticed only when the guest starts again.  So what a client uploads is judged before
 * any byte of it is written.  It may change keys and nothing else, and for each secret that opens the header one of the
 * slots that it opens stays.  Its bytes are then the same before, while and after the header is written: the secret opens the header
 * at any moment, also where a crash leaves a part of it written.
 */

#pragma once

#include "storage.h"

/* What a header is that a guest uses, and which of its key slots must not be lost */
typedef struct _lukshdrStorageRekey lukshdrStorageRekey;

/**
 * lukshdrStorageRekeyNew:
 * @links: lukshdrLink *: all that have the header
 * @used: why it must not be replaced
 * @error: as @used, with what is in the way of changing keys; of the registry, of libvirt's secrets
 *
 * Finds out which key slots the secrets open: as long as opening the header with each of its passphrases
 * takes, for each secret.
 *
 * Returns: what lukshdrStorageRekeyJudge needs, released with lukshdrStorageRekeyUnref, or NULL with @error set.
 */
lukshdrStorageRekey *
lukshdrStorageRekeyNew(GPtrArray *links, const GError *used, GError **error);

/**
 * lukshdrStorageRekeyRef:
 * @rekey: from lukshdrStorageRekeyNew
 *
 * What it is of does not change, so threads can share it.
 *
 * Returns: @rekey, released with lukshdrStorageRekeyUnref.
 */
lukshdrStorageRekey *
lukshdrStorageRekeyRef(lukshdrStorageRekey *rekey);

/**
 * lukshdrStorageRekeyUnref:
 * @rekey: from lukshdrStorageRekeyNew, or NULL
 */
void
lukshdrStorageRekeyUnref(lukshdrStorageRekey *rekey);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrStorageRekey, lukshdrStorageRekeyUnref)

/**
 * lukshdrStorageRekeyJudge:
 * @bytes: what is to be the header
 * @len: how many bytes, LUKSHDR_LABEL_END or more
 * @opaque: lukshdrStorageRekey *
 * @error: VIR_ERR_OPERATION_INVALID, with why it is not taken
 *
 * A lukshdrStreamJudge.  The daemon's main loop may call it, which must not wait for a cluster: so it does not look whether a
 * header without a path is still what it was, and lukshdrStorageRekeyCheck is to be called before that is written.
 *
 * Returns: true if the header with other keys, a label that fits it and a later generation, or the one that this host knows
 * already; or false with @error set.
 */
bool
lukshdrStorageRekeyJudge(const guint8 *bytes, gsize len, void *opaque, GError **error);

/**
 * lukshdrStorageRekeyCheck:
 * @rekey: what the header was
 * @fd: what is to be the header
 * @error: VIR_ERR_OPERATION_INVALID, with why it is not taken; of reading the header volume
 *
 * Returns: true if lukshdrStorageRekeyJudge takes it and nobody else has changed the header since @rekey was made; or false
 * with @error set.
 */
bool
lukshdrStorageRekeyCheck(const lukshdrStorageRekey *rekey, int fd, GError **error);
