/*
 * snapshot-xml.h: which disks a snapshot would put an overlay on
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "lookup.h"

/**
 * lukshdrQemuSnapshotXMLCheck:
 * @host: what this host knows
 * @domain: XML of a domain that does not run, or of the snapshot that holds it
 * @snapshot: XML of the snapshot that is to be made of it, or that it is to go back to
 * @diskOnly: whether disks are external unless they say otherwise (--disk-only)
 * @error: VIR_ERR_OPERATION_UNSUPPORTED, naming the disk and what to do
 *
 * libvirt makes the overlays of a domain that does not run, and those in which a domain goes on
 * from an external snapshot, with qemu-img, unencrypted whatever the XML says; nothing else is asked on the way.  What is no XML is left to stock.
 *
 * Returns: true, or false with @error set if a linked disk would get one.
 */
bool
lukshdrQemuSnapshotXMLCheck(const lukshdrQemuHost *host,
                            const char *domain,
                            const char *snapshot,
                            bool diskOnly,
                            GError **error);
