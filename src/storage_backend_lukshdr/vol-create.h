/*
 * vol-create.h: making a linked volume, for vol-create and for cloning
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"
#include "vol-xml.h"

/**
 * lukshdrStorageFill:
 * @link: the link under way: both paths, the format and the LUKS UUID are set
 * @payload: the payload volume
 * @secret: its passphrase
 * @opaque: as in lukshdrStorageContent
 * @error: what went wrong: the volume is then not created
 *
 * Puts the content into a new linked volume before anybody can see it as one.
 *
 * Returns: true, or false with @error set.
 */
typedef bool (*lukshdrStorageFill)(lukshdrLink *link,
                                   virStorageVolPtr payload,
                                   const lukshdrSecret *secret,
                                   void *opaque,
                                   GError **error);

/* The content of a new linked volume */
typedef struct _lukshdrStorageContent lukshdrStorageContent;
struct _lukshdrStorageContent {
    lukshdrStorageFill fill;
    void *opaque;              /* for fill */
    const lukshdrLink *source; /* for LUKSHDR_HEADER_LINK_COPY: the link whose header is copied */
};

/**
 * lukshdrStorageCreateLinked:
 * @pool: pool of the payload
 * @xml: what is wanted: action NEW, SHARE, or, with @content, COPY
 * @flags: virStorageVolCreateFlags for stock
 * @content: the content, or NULL for none
 * @error: what went wrong first; what was made of the volume is removed
 *
 * The caller has asked whether the client may make the payload (lukshdrStorageMayCreate).  This
 * function asks whether it may make or share the headers.
 *
 * Returns: the payload volume, owned by @pool's connection, or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageCreateLinked(virStoragePoolPtr pool,
                           lukshdrVolumeXML *xml,
                           unsigned int flags,
                           const lukshdrStorageContent *content,
                           GError **error);

/**
 * lukshdrStorageCheckAbsent:
 * @pool: an active pool
 * @volume: name of a volume that is to be made in it
 * @error: VIR_ERR_STORAGE_VOL_EXIST, or what stock says
 *
 * Returns: true if there is no such volume, or false with @error set.
 */
bool
lukshdrStorageCheckAbsent(virStoragePoolPtr pool, const char *volume, GError **error);
