/*
 * leftover.h: volumes that a crash kept from being recorded
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between the moment that stock has made a volume and the moment that its identity is in the link's
 * registry entry, a crash leaves a volume whose name alone is known.
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageRemoveLeftover:
 * @link: a link in state CREATING that nothing else is at work on
 * @conn: connection of the storage driver
 *
 * Deletes the volumes that @link names and whose identity is not recorded.  Such a volume goes only
 * if it was made in the seconds after the entry was written and holds nothing but zeroes.  It stays,
 * and the log names it, if it holds something (the metadata of a qcow2 file), if it is not known
 * when it was made, or if its pool is not active.
 */
void
lukshdrStorageRemoveLeftover(const lukshdrLink *link, virConnectPtr conn);
