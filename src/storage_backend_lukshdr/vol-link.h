/*
 * vol-link.h: making a linked volume of two volumes that exist
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
 * Links a payload and a header that exist.  Does not touch the content of either: it writes the
 * label behind the header's key material, and makes a file grow that is too short for a header
 * volume.  If the two are linked already, it renews label, digest and replicas from the header as
 * it is now, if the secret opens that.
 *
 * Returns: the payload volume, or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageLinkExisting(virStoragePoolPtr pool, lukshdrVolumeXML *xml, GError **error);

/**
 * lukshdrStorageLinkCheck:
 * @pool: pool of the payload
 * @xml: what is wanted, of action CHECK
 * @error: VIR_ERR_NO_SECRET if the link's secret is missing or has no value; VIR_ERR_INVALID_SECRET if it does not open
 *         the header; VIR_ERR_OPERATION_INVALID if that is no linked volume in order; as lukshdrStorageOpens
 *
 * Tells what no client can find out of a private secret.  Takes as long as the header's iterations do, and changes nothing.
 *
 * Returns: the payload volume, or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageLinkCheck(virStoragePoolPtr pool, const lukshdrVolumeXML *xml, GError **error);

/**
 * lukshdrStorageLinkExistingFinish:
 * @link: a link in state UNLINKING without a LUKS UUID, on which nothing else is at work
 * @error: what went wrong first; the registry entry then stays
 *
 * Clears up after a crash that interrupted linking: if the label was written already, makes the
 * linked volume; otherwise removes the secret that was made for it, and the entry.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageLinkExistingFinish(const lukshdrLink *link, GError **error);
