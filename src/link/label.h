/*
 * label.h: the link label, the link as the header volume carries it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A label stands behind the LUKS1 header and key material, where neither QEMU
 * nor cryptsetup looks.  Layout, integers big endian as in LUKS1:
 *
 *   offset  length
 *        0       8   magic "LUKSHDR\n"
 *        8       4   format version, 1
 *       12       4   length of the text in bytes, 1 .. LUKSHDR_LABEL_TEXT_MAX
 *       16      32   SHA-256 of the text
 *       48           text: the XML of the link, or of the links that share the
 *                    header (lukshdrLinkListFormat), no final NUL
 *
 * There are two slots, at LUKSHDR_LABEL_OFFSET and LUKSHDR_LABEL_SLOT_SIZE
 * behind it; version 1 writes the second, flushes, then writes the first and
 * flushes, and believes the first that is intact: a crash leaves the old or
 * the new.  A label is nothing but a claim of those who can write to the header's
 * pool: docs/trust.md says what follows from it.
 */

#pragma once

#include "handle.h"
#include "link.h"

/* Behind the largest LUKS1 header that QEMU writes, 2,068,480 bytes (aes-256 in
 * xts mode: 4096 bytes of header, 8 slots of 256,000 bytes of key material rounded up) */
#define LUKSHDR_LABEL_OFFSET (2 * 1024 * 1024)

/* Room for some sixty to a hundred links of usual names that share a header.  The text of
 * one link with names and paths of the longest that Linux allows is below 48 KiB even if every
 * character must be escaped. */
#define LUKSHDR_LABEL_TEXT_MAX (64 * 1024)

#define LUKSHDR_LABEL_SLOT_SIZE (128 * 1024)

/* Where both slots end */
#define LUKSHDR_LABEL_END (LUKSHDR_LABEL_OFFSET + 2 * LUKSHDR_LABEL_SLOT_SIZE)

/**
 * lukshdrLabelWrite:
 * @fd: header volume, open for reading and writing
 * @links: lukshdrLink *, what to write: the links that use the header, at least one
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_OPERATION_INVALID if the text is too
 *         long or the volume too small; VIR_ERR_INTERNAL_ERROR if there are no links
 *
 * Writes and flushes both slots.
 *
 * Returns: true, or false with @error set: the volume then has the old label,
 * the new one, or none if it had none.
 */
bool
lukshdrLabelWrite(int fd, GPtrArray *links, GError **error);

/**
 * lukshdrLabelWriteOne:
 * @fd: as lukshdrLabelWrite
 * @link: the only link that uses the header
 * @error: as lukshdrLabelWrite
 *
 * Returns: as lukshdrLabelWrite.
 */
bool
lukshdrLabelWriteOne(int fd, lukshdrLink *link, GError **error);

/**
 * lukshdrLabelRead:
 * @fd: header volume, open for reading
 * @links: set to the label's links, a GPtrArray of lukshdrLink * to be unreffed, or NULL if the
 *         volume has no label at all
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_OPERATION_INVALID if there is a label
 *         that is damaged or of a newer format
 *
 * Returns: true with @links set or NULL, or false with @error set.
 */
bool
lukshdrLabelRead(int fd, GPtrArray **links, GError **error);

/**
 * lukshdrLabelClear:
 * @fd: header volume, open for writing
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Overwrites both slots with zeroes and flushes; that a volume is too small to have them is no
 * error.  A crash leaves the label or none, or nothing but bytes of a label that has no head.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrLabelClear(int fd, GError **error);

/**
 * lukshdrLabelLock:
 * @handle: header volume, open for writing
 * @error: VIR_ERR_OPERATION_TIMEOUT if somebody else holds the lock for 10 seconds, saying who, as
 *         far as that is known; as lukshdrHandleTryLock
 *
 * Waits until nobody else changes the label, in this process, in another, or on another host
 * where the file system carries locks.  To change a label, take
 * this lock before reading it and keep it until it is written; closing @handle gives it back.  Only
 * reading needs no lock.  QEMU's own locks are on other bytes.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrLabelLock(lukshdrHandle *handle, GError **error);

/**
 * lukshdrLabelLockEnd:
 *
 * From now on nobody in this process waits for a lock: for a daemon that is told to end.
 */
void
lukshdrLabelLockEnd(void);
