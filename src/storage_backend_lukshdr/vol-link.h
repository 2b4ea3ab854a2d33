/*
 * vol-link.h: making a linked volume of two that exist
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"
#include "vol-xml.h"

/**
 * lukshdrStorageLinkExisting:
 * @pool: pool of the payload
 * @xml: what is wanted, of action EXISTING
 * @error: why the two cannot be a linked volume
 *
 * Links a payload and a header that exist.  Of neither is the content touched: the label is
 * written behind the header's key material, and what is shorter than a header volume grows.
 * Two that are linked already get label, digest and replicas anew, from the header as it is
 * now, if the secret opens it.
 *
 * Returns: the payload volume, or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageLinkExisting(virStoragePoolPtr pool, lukshdrVolumeXML *xml, GError **error);

/**
 * lukshdrStorageLinkExistingFinish:
 * @link: a link in state UNLINKING without a LUKS UUID, that nothing else is at work on
 * @error: what went wrong first; the registry entry then stays
 *
 * Clears up what a crash has left of linking: makes it the linked volume if the label was written
 * already, else removes the secret that was made for it, and the entry.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageLinkExistingFinish(const lukshdrLink *link, GError **error);
