/*
 * leftover.h: volumes that a crash kept from being recorded
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between the moment that stock has made a volume and the moment that its identity is in the link's
 * registry entry, a crash leaves a volume of which only the name is known.
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageRemoveLeftover:
 * @link: a link in state CREATING that nothing else is at work on
 * @conn: connection of the storage driver
 *
 * Deletes a volume of one of the names in @link that are not recorded, if it was made in the seconds
 * after the entry was written and holds nothing but zeroes.  One that may have been left but
 * holds something (the metadata of a qcow2 file), of which it is not known when it was made, or
 * that lies in a pool that is not active, is named in the log and stays.
 */
void
lukshdrStorageRemoveLeftover(const lukshdrLink *link, virConnectPtr conn);
