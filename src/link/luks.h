/*
 * luks.h: what must be known of a LUKS1 header on disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Recognising a header, what it asks for, and destroying its key material;
 * everything cryptographic is QEMU's.  The layout is that of the "LUKS On-Disk
 * Format Specification Version 1.2.3" (cryptsetup project), tables 2.1 and 2.2.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

#define LUKSHDR_LUKS_SLOTS 8
#define LUKSHDR_LUKS_NAME_LEN 32
#define LUKSHDR_LUKS_UUID_LEN 40
#define LUKSHDR_LUKS_SALT_LEN 32
#define LUKSHDR_LUKS_DIGEST_LEN 20
#define LUKSHDR_LUKS_SECTOR 512 /* bytes; what offsets are counted in */

#define LUKSHDR_LUKS_SLOT_ACTIVE 0x00AC71F3
#define LUKSHDR_LUKS_SLOT_INACTIVE 0x0000DEAD

/* Table 2.2 */
typedef struct _lukshdrLuksSlot lukshdrLuksSlot;
struct _lukshdrLuksSlot {
    guint32 active; /* LUKSHDR_LUKS_SLOT_ACTIVE, _INACTIVE, or damage */
    guint32 iterations;
    guint8 salt[LUKSHDR_LUKS_SALT_LEN];
    guint32 offset; /* of the key material, sectors */
    guint32 stripes;
} __attribute__((packed));

/* Table 2.1, the first bytes of a LUKS1 header, with the numbers in the machine's order.
 * Hostile: only magic and version are known to be right. */
typedef struct _lukshdrLuksHeader lukshdrLuksHeader;
struct _lukshdrLuksHeader {
    char magic[6];
    guint16 version;
    char cipher[LUKSHDR_LUKS_NAME_LEN]; /* names may lack the NUL at their end */
    char mode[LUKSHDR_LUKS_NAME_LEN];
    char hash[LUKSHDR_LUKS_NAME_LEN];
    guint32 payloadOffset; /* sectors; 0 for a detached header */
    guint32 keyBytes;      /* length of the master key */
    guint8 digest[LUKSHDR_LUKS_DIGEST_LEN];
    guint8 digestSalt[LUKSHDR_LUKS_SALT_LEN];
    guint32 digestIterations;
    char uuid[LUKSHDR_LUKS_UUID_LEN];
    lukshdrLuksSlot slots[LUKSHDR_LUKS_SLOTS];
} __attribute__((packed));

/**
 * lukshdrLuksRead:
 * @fd: header volume, open for reading
 * @header: filled in
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_OPERATION_INVALID if there is no LUKS1
 *         header at its start (LUKS2 is told apart in the message)
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrLuksRead(int fd, lukshdrLuksHeader *header, GError **error);

/**
 * lukshdrLuksReadUUID:
 * @fd: header volume, open for reading
 * @uuid: set to the header's UUID, to be freed with g_free
 * @error: as lukshdrLuksRead; VIR_ERR_OPERATION_INVALID, too, if the UUID is malformed
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
 * lukshdrLuksCopy:
 * @fd: header volume, open for reading
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Reads LUKS header and key material at one moment: what is found in the copy is true of all of it, whoever writes to the
 * volume meanwhile.
 *
 * Returns: a file in memory with all bytes in front of where a label begins, or as many as there are, to be
 * closed; or -1 with @error set.
 */
int
lukshdrLuksCopy(int fd, GError **error);

/**
 * lukshdrLuksIsRekeyed:
 * @before: header volume with a LUKS1 header, open for reading
 * @after: another one, open for reading
 *
 * Is @after the header @before in which somebody changed keys, and not a damaged one?  Then only key slots
 * differ, at least one of them was filled, emptied or filled anew, and the key material of the others
 * is the same.  Damage to a slot in use leaves most of its salt, or its material differs and the slot does not.
 *
 * Returns: true if it is; false also if either cannot be read.
 */
bool
lukshdrLuksIsRekeyed(int before, int after);

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
 * lukshdrLuksOpenTime:
 * @fd: header volume with a LUKS1 header, open for reading
 * @seconds: set to how long QEMU may take to open it, or to find that a passphrase is wrong; may
 *           be NULL
 * @error: as lukshdrLuksRead; VIR_ERR_OPERATION_INVALID, too, if the header asks for hours
 *
 * What stretching a passphrase costs is in the header, which others may have written: 2^32 - 1
 * iterations keep a processor busy for hours, a slot.  The time is for a slow processor and all
 * key slots that are in use, since QEMU tries one after the other.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrLuksOpenTime(int fd, guint *seconds, GError **error);

/**
 * lukshdrLuksCheckCost:
 * @fd: header volume with a LUKS1 header, open for reading
 * @error: as lukshdrLuksOpenTime
 *
 * Returns: true if opening the header takes a sensible time, or false with @error set.
 */
bool
lukshdrLuksCheckCost(int fd, GError **error);

/**
 * lukshdrLuksErase:
 * @fd: header volume, open for writing
 * @keepLabel: whether the label stays, in which there is no key
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
lukshdrLuksErase(int fd, bool keepLabel, GError **error);
