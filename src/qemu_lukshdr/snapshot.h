/*
 * snapshot.h: snapshots of domains with linked disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Entries of the QEMU driver's table, as client.c has them.
 */

#pragma once

#include <libvirt/libvirt.h>

/**
 * lukshdrQemuSnapshotCreateXML:
 * @domain: a domain
 * @xml: XML of the snapshot
 * @flags: virDomainSnapshotCreateFlags
 *
 * Has overlays above linked disks encrypted where that can be, and refuses a snapshot that would have a plain one.
 *
 * Returns: as virDomainSnapshotCreateXML.
 */
virDomainSnapshotPtr
lukshdrQemuSnapshotCreateXML(virDomainPtr domain, const char *xml, unsigned int flags);

/**
 * lukshdrQemuSnapshotRevert:
 * @snapshot: a snapshot
 * @flags: virDomainSnapshotRevertFlags
 *
 * Has the overlays encrypted with which libvirt goes on, or refuses to go back where that cannot be.
 *
 * Returns: as virDomainRevertToSnapshot.
 */
int
lukshdrQemuSnapshotRevert(virDomainSnapshotPtr snapshot, unsigned int flags);
