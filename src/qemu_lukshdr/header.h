/*
 * header.h: is the header there, and is it the right one?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "link/link.h"

/**
 * lukshdrQemuHeaderCheckState:
 * @link: the link of a payload that a guest is about to open
 * @error: VIR_ERR_OPERATION_INVALID, naming volume and pool
 *
 * Returns: whether the linked volume is complete, and not being made, deleted or wiped; false
 * with @error set.
 */
bool
lukshdrQemuHeaderCheckState(const lukshdrLink *link, GError **error);

/**
 * lukshdrQemuHeaderCheck:
 * @link: the link of a payload that a guest is about to open
 * @privileged: whether the daemon runs as root
 * @error: VIR_ERR_OPERATION_INVALID, naming volume and pool and what to do
 *
 * The link must be complete and the header's pool active.  The file at the header's
 * path must be the recorded volume, with the link's own label and LUKS header.  With
 * another header the guest could not read its data; and the secret might even open
 * the header of another disk.
 *
 * Local I/O only; does not call libvirt.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuHeaderCheck(const lukshdrLink *link, bool privileged, GError **error);
