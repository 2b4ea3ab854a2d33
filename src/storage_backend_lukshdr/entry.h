/*
 * entry.h: changing what the registry has of a link
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageChange:
 * @link: changed as wanted, and this thread's alone
 * @opaque: what was given to lukshdrStorageUpdate
 *
 * Returns: false if nothing is to be stored after all.
 */
typedef bool (*lukshdrStorageChange)(lukshdrLink *link, void *opaque);

/**
 * lukshdrStorageUpdate:
 * @link: a link
 * @change: changes it; may not call libvirt
 * @opaque: for @change
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Changes the registry entry of @link as it is now, which may be newer than @link, while nobody
 * else does.  If there is none any more, nothing is done.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageUpdate(const lukshdrLink *link,
                     lukshdrStorageChange change,
                     void *opaque,
                     GError **error);

/**
 * lukshdrStorageSetShared:
 * @link: a link
 * @shared: whether its header is shared from now on
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Does nothing to a link that is not active any more.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSetShared(const lukshdrLink *link, bool shared, GError **error);

/**
 * lukshdrStorageSetState:
 * @link: a link
 * @linkState: its new state
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Stores the link with that state.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSetState(const lukshdrLink *link, lukshdrLinkState linkState, GError **error);

/**
 * lukshdrStorageRecordKeys:
 * @link: an active link
 * @labels: lukshdrLink *, what lukshdrHeaderCheck has found in its header
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Records generation and digest of the key material if they are newer than what is recorded, which
 * is what makes an older header a rolled back one.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageRecordKeys(const lukshdrLink *link, GPtrArray *labels, GError **error);
