/*
 * vol-trim.h: freeing what a guest does not use
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "vol-xml.h"

/**
 * lukshdrStorageTrim:
 * @pool: pool of the payload
 * @xml: what is wanted, of action TRIM
 * @error: VIR_ERR_OPERATION_INVALID if that is no linked volume in order, or @xml's domain does not use it alone, or does
 *         not end; VIR_ERR_OPERATION_UNSUPPORTED for a payload that is no file; as lukshdrHandleOpen
 *
 * Waits until the domain has ended, two minutes at most, and then frees the ranges in the payload.  What a guest reads
 * there afterwards is random.  From before the end of the domain to the end of this function no QEMU can open the
 * payload, here or where else its file system carries locks.
 *
 * Returns: the payload volume, or NULL with @error set, and some of the ranges freed.
 */
virStorageVolPtr
lukshdrStorageTrim(virStoragePoolPtr pool, const lukshdrVolumeXML *xml, GError **error);
