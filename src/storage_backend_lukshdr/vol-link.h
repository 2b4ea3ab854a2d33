/*
 * vol-link.h: making a linked volume of two that exist, and unlinking them
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
 * lukshdrStorageUnlink:
 * @pool: pool of the payload
 * @xml: what is wanted, of action UNLINK
 * @error: why they cannot be unlinked
 *
 * Removes the link between payload and header; both volumes stay, and so does a secret that was
 * generated.
 *
 * Returns: the payload volume, or NULL with @error set.
 */
virStorageVolPtr
lukshdrStorageUnlink(virStoragePoolPtr pool, lukshdrVolumeXML *xml, GError **error);

/**
 * lukshdrStorageUnlinkFinish:
 * @link: a link in state UNLINKING that nothing else is at work on
 * @conn: connection of the storage driver
 * @error: what went wrong first; the registry entry then stays
 *
 * Completes an unlinking that a crash interrupted.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageUnlinkFinish(lukshdrLink *link, virConnectPtr conn, GError **error);
