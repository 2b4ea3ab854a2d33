/*
 * prepared.h: headers that are made ahead, for volumes with generated secrets
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Making a header takes QEMU seconds, since it measures how fast the machine stretches keys.  A header
 * with a generated secret can be made before anybody asks for it: nothing in it depends on the volume.
 * A detached header says neither how long its payload is nor where.
 *
 * QEMU's tool makes it, as it would during the creation, with a passphrase, a master key and a UUID of
 * its own.  A prepared header is used once, or wiped.  It is in the memory of this process
 * alone: in pages that core dumps and forked processes leave out, locked where the limits allow.
 * QEMU's tool writes it to a file without a name in memory, which is wiped before it is closed.
 *
 * Nothing is made before the first creation has succeeded.  Headers are made for the ciphers of the
 * last creations alone, and those of another QEMU than today's are dropped.  Nobody waits for one: if
 * none is ready, the header is made during the creation.
 */

#pragma once

#include "format.h"

/* How many are kept ready of each choice of parameters.  One takes 2 seconds of the processor to make, which
 * are lost if it is not used before the daemon ends, and modular daemons end after two idle minutes.
 * So: what a person or a script makes for one guest. */
#define LUKSHDR_PREPARED_DEPTH 4

/* For how many choices of parameters: those of the last creations.  Pools have encryption defaults. */
#define LUKSHDR_PREPARED_KINDS 2

typedef struct _lukshdrPrepared lukshdrPrepared;
typedef struct _lukshdrPreparedHeader lukshdrPreparedHeader;

/**
 * lukshdrPreparedHeaderNew:
 * @fd: a file with a detached header, just formatted, which nobody makes shorter meanwhile
 * @secret: its passphrase, which becomes the result's; also freed on failure
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_OPERATION_FAILED if it is empty or longer than a header volume
 *
 * Takes the header out of @fd: its bytes are overwritten there.
 *
 * Returns: the header, freed with lukshdrPreparedHeaderFree, or NULL with @error set.
 */
lukshdrPreparedHeader *
lukshdrPreparedHeaderNew(int fd, lukshdrSecret *secret, GError **error);

/**
 * lukshdrPreparedHeaderFree:
 * @header: a header, or NULL
 *
 * Overwrites and frees it.
 */
void
lukshdrPreparedHeaderFree(lukshdrPreparedHeader *header);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrPreparedHeader, lukshdrPreparedHeaderFree)

/**
 * lukshdrPreparedHeaderSecret:
 * @header: a header
 *
 * Returns: its passphrase, owned by @header.
 */
const lukshdrSecret *
lukshdrPreparedHeaderSecret(const lukshdrPreparedHeader *header);

/**
 * lukshdrPreparedHeaderWrite:
 * @header: a header
 * @fd: the header volume, open for writing; if it is no block device, all in it is zero
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Does not flush.  Afterwards the volume is what lukshdrFormatHeader and lukshdrHandleGrow would have made of
 * it; on a block device, what had been in the places of empty key slots is overwritten with zeroes.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrPreparedHeaderWrite(const lukshdrPreparedHeader *header, int fd, GError **error);

/**
 * lukshdrPreparedNew:
 * @depth: how many headers to keep of each choice of parameters
 *
 * Returns: a store without headers and without a thread, freed with lukshdrPreparedFree.
 */
lukshdrPrepared *
lukshdrPreparedNew(guint depth);

/**
 * lukshdrPreparedTake:
 * @prepared: a store
 * @params: what the header must be; the time for stretching counts as well
 *
 * Waits for nothing.
 *
 * Returns: a header that nobody else gets, or NULL if none is ready.
 */
lukshdrPreparedHeader *
lukshdrPreparedTake(lukshdrPrepared *prepared, const lukshdrFormatParams *params);

/**
 * lukshdrPreparedUsed:
 * @prepared: a store
 * @params: with which a volume was created, with a generated secret
 *
 * From now on headers for such volumes are kept ready, and those for the ones that were created the
 * longest time ago are not.  Starts the thread.  Waits for nothing.
 */
void
lukshdrPreparedUsed(lukshdrPrepared *prepared, const lukshdrFormatParams *params);

/**
 * lukshdrPreparedEnd:
 * @prepared: a store, or NULL
 *
 * Kills the tool that is at work, ends the thread and wipes all headers.  Nothing is made and nothing is ready any
 * more.
 */
void
lukshdrPreparedEnd(lukshdrPrepared *prepared);

/**
 * lukshdrPreparedFree:
 * @prepared: a store that no other thread has any more, or NULL
 *
 * Ends and frees it.
 */
void
lukshdrPreparedFree(lukshdrPrepared *prepared);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrPrepared, lukshdrPreparedFree)
