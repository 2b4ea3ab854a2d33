/*
 * entry.h: changing the registry entry of a link
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageChange:
 * @link: the link to change; no other thread has it
 * @opaque: what was given to lukshdrStorageUpdate
 *
 * Returns: false if nothing needs to be stored.
 */
typedef bool (*lukshdrStorageChange)(lukshdrLink *link, void *opaque);

/**
 * lukshdrStorageUpdate:
 * @link: a link
 * @change: changes it; may not call libvirt
 * @opaque: for @change
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Changes the present registry entry of @link, which may be newer than @link.  Nobody else changes
 * it meanwhile.  Does nothing if the entry no longer exists.
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
 * Does nothing to a link that is no longer active.
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
 * Records generation and digest of the key material if they are newer than what is recorded.  From
 * then on, a header with an older generation counts as rolled back.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageRecordKeys(const lukshdrLink *link, GPtrArray *labels, GError **error);
