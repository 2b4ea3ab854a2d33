/*
 * lukshdrstoragecreate.h: making a linked volume, for vol-create and for cloning
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "lukshdrstorage.h"
#include "lukshdrstoragexml.h"

/**
 * lukshdrStorageFill:
 * @link: the link under way: both paths, the format and the LUKS UUID are set
 * @payload: the payload volume
 * @secret: its passphrase
 * @opaque: what was given to lukshdrStorageCreateLinked
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

/**
 * lukshdrStorageCreateLinked:
 * @pool: pool of the payload
 * @xml: what is wanted
 * @flags: virStorageVolCreateFlags for stock
 * @fill: puts the content in, or NULL
 * @opaque: for @fill
 * @error: the first that went wrong; what there was of the volume is gone
 *
 * Returns: the payload volume, owned by @pool's connection, or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageCreateLinked(virStoragePoolPtr pool,
                           lukshdrVolumeXML *xml,
                           unsigned int flags,
                           lukshdrStorageFill fill,
                           void *opaque,
                           GError **error);

/**
 * lukshdrStorageSetUnderWay:
 * @link: a link
 * @underWay: whether this thread is creating its volumes (lukshdrStorageIsUnderWay)
 */
void
lukshdrStorageSetUnderWay(const lukshdrLink *link, bool underWay);
