/*
 * convert.h: copying the content of one volume into another
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Volumes are opened here, and qemu-img gets what was opened: what is put at
 * their paths meanwhile is neither read nor written.  Of an image of a Ceph cluster it gets the name
 * alone, so that one is looked at once more at the end.
 */

#pragma once

#include "link/handle.h"
#include "link/link.h"
#include "util/secret.h"

/* One side of a conversion: a linked volume, or a volume as it is (a plain one, or a payload whose
 * ciphertext is copied) */
typedef struct _lukshdrConvertSide lukshdrConvertSide;
struct _lukshdrConvertSide {
    const lukshdrLink *link;     /* NULL for a volume as it is */
    const lukshdrSecret *secret; /* of the link */
    const char *format;          /* of the volume or the payload, libvirt's name */
    const lukshdrVolume *where;  /* the volume, or the link's payload */
    lukshdrHandle *volume;       /* it, open */
    lukshdrHandle *header;       /* of the link, or NULL */
    lukshdrSecret *userKey;      /* of the Ceph user by which the volume is reached, or NULL */
    char *name;                  /* for messages */
};

/**
 * lukshdrConvertSideClear:
 * @side: what to close and free; what it was made of stays the caller's
 */
void
lukshdrConvertSideClear(lukshdrConvertSide *side);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrConvertSide, lukshdrConvertSideClear)

/**
 * lukshdrConvertSideLinked:
 * @side: an empty side
 * @link: a linked volume; must outlive @side
 * @secret: what opens it; must outlive @side
 * @flags: LUKSHDR_HANDLE_READ or _WRITE
 * @error: as lukshdrConvertSidePlain; VIR_ERR_OPERATION_INVALID, too, if the header is another file than
 *         was recorded and not the link's (one that was put back from a backup is)
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrConvertSideLinked(lukshdrConvertSide *side,
                         const lukshdrLink *link,
                         const lukshdrSecret *secret,
                         unsigned int flags,
                         GError **error);

/**
 * lukshdrConvertSidePlain:
 * @side: an empty side
 * @vol: a volume, or a link's payload; must outlive @side
 * @format: its format, libvirt's name; must outlive @side
 * @flags: lukshdrHandleFlags
 * @error: VIR_ERR_CONFIG_UNSUPPORTED for formats that QEMU does not write; as lukshdrHandleOpen and lukshdrStorageSecretCephKey
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrConvertSidePlain(lukshdrConvertSide *side,
                        const lukshdrVolume *vol,
                        const char *format,
                        unsigned int flags,
                        GError **error);

/**
 * lukshdrStorageConvert:
 * @from: the source, which is only read
 * @to: the target, which exists and is at least as large
 * @error: VIR_ERR_OPERATION_FAILED with qemu-img's message; VIR_ERR_OPERATION_TIMEOUT if nothing
 *         moves any more; VIR_ERR_OPERATION_INVALID if a volume's content names other files
 *         (lukshdrPayloadCheck) or a header asks for hours (lukshdrLuksOpenTime), if somebody else has an
 *         image of a Ceph cluster open, or it was swapped or, as the source, written to meanwhile
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
 * @header: a header in a file in memory, or a header volume that QEMU has not open
 * @secret: a passphrase
 * @error: VIR_ERR_INVALID_SECRET if it opens no key slot; VIR_ERR_OPERATION_FAILED; both with qemu-img's
 *         message; VIR_ERR_OPERATION_TIMEOUT; as lukshdrLuksOpenTime
 *
 * Unlocks the header, before a payload without content.
 *
 * Returns: true if the secret opens it, or false with @error set.
 */
bool
lukshdrStorageOpens(int header, const lukshdrSecret *secret, GError **error);

/**
 * lukshdrStorageConvertResize:
 * @side: a volume as it is, of a format of its own (qcow2)
 * @capacity: how large the disk in it shall be, bytes: a multiple of 512
 * @shrink: whether it may be smaller than before: what was behind that is lost
 * @error: as lukshdrStorageConvert
 *
 * Runs qemu-img resize.  A crash leaves the old size or the new one.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageConvertResize(const lukshdrConvertSide *side,
                            guint64 capacity,
                            bool shrink,
                            GError **error);
