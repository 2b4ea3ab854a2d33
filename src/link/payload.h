/*
 * payload.h: whether a volume's content stands alone
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Some image formats can name other files, which QEMU opens as well: backing
 * files, data files, extents.  QEMU opens them with the rights of the process, and those who
 * may write to a volume choose the names: read as root, such an image gives root's files
 * away; written as root, it overwrites them.
 */

#pragma once

#include "handle.h"

/**
 * lukshdrPayloadCheck:
 * @volume: an open volume
 * @format: its format, libvirt's name; one that lukshdrChainFormatDriver knows
 * @error: VIR_ERR_OPERATION_INVALID if it names another file, or is not what @format says;
 *         VIR_ERR_OPERATION_UNSUPPORTED if that cannot be told of this format;
 *         VIR_ERR_SYSTEM_ERROR; as lukshdrRBDRead.  Callers put in front which volume it is.
 *
 * What @volume is open on may be written to by others after this, so backing files are also left out
 * where QEMU is told how to open it ("backing": null in the chain).
 *
 * Returns: true if QEMU opens no other file because of what is in this one, or false with @error
 * set.
 */
bool
lukshdrPayloadCheck(const lukshdrHandle *volume, const char *format, GError **error);

/**
 * lukshdrPayloadImageFormat:
 * @volume: an open volume without a path, of which libvirt always says "raw"
 * @error: VIR_ERR_OPERATION_INVALID if it begins with a LUKS header, and is no payload; as
 *         lukshdrRemoteHandleRead
 *
 * Says what its first bytes are of, as libvirt does for files.  Ciphertext of a raw payload is not what
 * its guest chose, so a guest cannot make it look like another format; whoever else writes to the image
 * can, and lukshdrPayloadCheck is for that.
 *
 * Returns: "qcow2" or "raw", static, or NULL with @error set.
 */
const char *
lukshdrPayloadImageFormat(const lukshdrHandle *volume, GError **error);

/**
 * lukshdrPayloadCapacity:
 * @volume: an open volume of format qcow2
 * @capacity: set to how large the disk in it is, bytes: what its content says, so any number
 * @error: VIR_ERR_OPERATION_INVALID if its content is of another format; VIR_ERR_SYSTEM_ERROR; as
 *         lukshdrRBDRead
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrPayloadCapacity(const lukshdrHandle *volume, guint64 *capacity, GError **error);

/**
 * lukshdrPayloadHasHeader:
 * @volume: an open volume, with a path
 * @format: its format, libvirt's name
 *
 * Returns: whether the volume itself has a LUKS header, as a disk with attached LUKS must: "raw" begins with one, and
 * "qcow2" names LUKS as the method of its encryption.  True also where that cannot be told.
 */
bool
lukshdrPayloadHasHeader(const lukshdrHandle *volume, const char *format);

/**
 * lukshdrPayloadReader:
 * @buf: gets the bytes
 * @len: how many are wanted
 * @offset: of the first in the volume, bytes
 * @opaque: the caller's
 *
 * Returns: how many there are, fewer at the volume's end; -1 if they cannot be read.
 */
typedef gssize (*lukshdrPayloadReader)(void *buf, gsize len, guint64 offset, void *opaque);

/* How much of a volume's beginning says what is in it, bytes: up to where qemu-img puts the first cluster of the disk
 * in a qcow2, and what that says */
#define LUKSHDR_PAYLOAD_PEEK (512 * 1024)

/**
 * lukshdrPayloadIsFormat:
 * @format: its format, libvirt's name
 * @read: reads the volume
 * @opaque: for @read
 *
 * Returns: false if it begins with something else than a volume of @format does; true also of a format that has
 * nothing that could be told, as "raw".
 */
bool
lukshdrPayloadIsFormat(const char *format, lukshdrPayloadReader read, void *opaque);

/**
 * lukshdrPayloadIsCut:
 * @format: its format, libvirt's name
 * @length: of the volume, bytes
 * @read: reads the volume
 * @opaque: for @read
 *
 * Looks at LUKSHDR_PAYLOAD_PEEK bytes of the beginning.  A qcow2 image says there where its tables are, and where the
 * first of these put what was written.  Nothing is known of how long a raw volume must be, but that it is not empty.
 *
 * Returns: whether something of it certainly lies behind its end; false does not mean that all is there.
 */
bool
lukshdrPayloadIsCut(const char *format, guint64 length, lukshdrPayloadReader read, void *opaque);

/**
 * lukshdrPayloadFindPlain:
 * @format: its format, libvirt's name
 * @read: reads the volume
 * @opaque: for @read
 *
 * Looks at the beginning of the disk that is in a payload: where ciphertext must be, a partition table, a file system
 * or another image can be recognised.  Tells what is cheap to tell, of "raw" and "qcow2"; that nothing is recognised
 * does not mean that all is encrypted.
 *
 * Returns: what was recognised, in the user's language, static; or NULL.
 */
const char *
lukshdrPayloadFindPlain(const char *format, lukshdrPayloadReader read, void *opaque);

/**
 * lukshdrPayloadFindImage:
 * @format: its format, libvirt's name
 * @read: reads the volume
 * @opaque: for @read
 *
 * A payload that somebody converted to another format (qemu-img convert) is ciphertext still, and an image stands where
 * its first bytes were.
 *
 * Returns: what lukshdrPayloadFindPlain recognises, if that is an image in which nothing in clear is recognised; or NULL.
 */
const char *
lukshdrPayloadFindImage(const char *format, lukshdrPayloadReader read, void *opaque);

/**
 * lukshdrPayloadCheckCipher:
 * @volume: an open volume
 * @format: its format, libvirt's name
 * @error: VIR_ERR_OPERATION_INVALID, saying what is in it and what to do
 *
 * Returns: true unless lukshdrPayloadFindPlain recognises something in it; or false with @error set.
 */
bool
lukshdrPayloadCheckCipher(const lukshdrHandle *volume, const char *format, GError **error);
