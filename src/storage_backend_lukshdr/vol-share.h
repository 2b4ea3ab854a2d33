/*
 * vol-share.h: a new payload on the header of another linked volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A thread that begins to share stores its link's registry entry and then looks at the other link's
 * state.  A thread that deletes or wipes stores the state and then looks who shares the header.  So
 * one of the two sees the other.
 */

#pragma once

#include "storage.h"
#include "vol-xml.h"

/**
 * lukshdrStorageShareBegin:
 * @link: a link that is being made
 * @conn: the client's connection
 * @xml: what is wanted, of action SHARE
 * @error: stock's if the client may not write to the header and its replicas, which get a label;
 *         VIR_ERR_OPERATION_INVALID, VIR_ERR_CONFIG_UNSUPPORTED, saying why that header cannot be
 *         shared
 *
 * Gives @link the header, the replicas and the secret of the linked volume that has that header.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageShareBegin(lukshdrLink *link,
                         virConnectPtr conn,
                         const lukshdrVolumeXML *xml,
                         GError **error);

/**
 * lukshdrStorageShare:
 * @link: a link in state CREATING that is stored, with its payload
 * @conn: connection
 * @error: VIR_ERR_OPERATION_INVALID, VIR_ERR_SYSTEM_ERROR
 *
 * Adds @link to the label of the header.  Marks all links that have this header as shared, in the
 * label and in the registry.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageShare(lukshdrLink *link, virConnectPtr conn, GError **error);
