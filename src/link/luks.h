/*
 * luks.h: what must be known of a LUKS1 header on disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Only recognising a header and destroying its key material; everything
 * cryptographic is QEMU's.  Offsets are from the "LUKS On-Disk Format
 * Specification Version 1.2.3" (cryptsetup project), tables 2.1 and 2.2.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * lukshdrLuksReadUUID:
 * @fd: header volume, open for reading
 * @uuid: set to the header's UUID, to be freed with g_free
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_OPERATION_INVALID if there is no LUKS1
 *         header at its start (LUKS2 is told apart in the message)
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrLuksReadUUID(int fd, char **uuid, GError **error);

/**
 * lukshdrLuksKeyMaterialEnd:
 * @fd: header volume with a LUKS1 header, open for reading
 * @end: set to the first byte behind header and key material
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_OPERATION_INVALID if there is no header
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrLuksKeyMaterialEnd(int fd, guint64 *end, GError **error);

/**
 * lukshdrLuksDigest:
 * @fd: header volume with a LUKS1 header, open for reading
 * @digest: set to the SHA-256 of all from its first byte to the end of the key material, 64
 *          lower-case hexadecimal digits, freed with g_free
 * @error: as lukshdrLuksKeyMaterialEnd; VIR_ERR_OPERATION_INVALID, too, if the key material
 *         reaches into the label's place or is cut short
 *
 * One flipped bit in a key slot, which QEMU would notice only when it needs that slot, changes it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrLuksDigest(int fd, char **digest, GError **error);

/**
 * lukshdrLuksSetUUID:
 * @fd: header volume with a LUKS1 header, open for reading and writing
 * @uuid: its new UUID
 * @error: as lukshdrLuksKeyMaterialEnd; VIR_ERR_OPERATION_INVALID, too, if @uuid is malformed
 *
 * What cryptsetup luksUUID --uuid does: the UUID is a name, nothing is encrypted with it.
 * Flushed.  A crash leaves the old or the new one: 40 bytes of one sector.  The digest of the
 * header (lukshdrLuksDigest) changes.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrLuksSetUUID(int fd, const char *uuid, GError **error);

/**
 * lukshdrLuksPayloadOffset:
 * @fd: header volume with a LUKS1 header, open for reading
 * @sectors: set to where the header says that the ciphertext begins, sectors of 512 bytes; 0
 *           for a detached header
 * @error: as lukshdrLuksKeyMaterialEnd
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrLuksPayloadOffset(int fd, guint32 *sectors, GError **error);

/**
 * lukshdrLuksErase:
 * @fd: header volume, open for writing
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Overwrites the whole header volume up to LUKSHDR_HEADER_VOLUME_SIZE (or its
 * end) with random bytes and flushes: LUKS header, key material, label.  That
 * the medium keeps no older copy is beyond what software can promise (docs).
 *
 * Returns: true, or false with @error set; the key material is then partly
 * overwritten, which cannot be told from wholly for the user's purpose, so
 * callers go on to treat the volume as erased once a first byte may be gone.
 */
bool
lukshdrLuksErase(int fd, GError **error);
