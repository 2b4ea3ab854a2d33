/*
 * leftover.h: volumes that a crash kept from being recorded
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stock makes a volume, and then we write its identity into the link's registry entry.  After a
 * crash in between, only the volume's name is known.
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageRemoveLeftover:
 * @link: a link in state CREATING on which nothing else is at work
 * @conn: connection of the storage driver
 *
 * Deletes the volumes that @link names and whose identity is not recorded.  It deletes such a
 * volume only if the volume was made in the seconds after the entry was written and holds nothing
 * but zeroes.  Otherwise the volume stays and the log names it: if it holds something (the metadata
 * of a qcow2 file), if nobody knows when it was made, if it has no path on this host, or if its pool
 * is not active.
 */
void
lukshdrStorageRemoveLeftover(const lukshdrLink *link, virConnectPtr conn);
