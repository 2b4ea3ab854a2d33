/*
 * disk.h: what was found out about a storage source
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The Prepare wrapper attaches its answer to the source itself, and the answer goes
 * away with the source.  Some sources were never prepared in this process: those of a
 * guest that ran already when the daemon started, and copies that libvirt made.  They
 * are looked for among the disks of running guests.
 */

#pragma once

#include "link/guest-record.h"
#include "link/link.h"
#include "source.h"

typedef enum {
    LUKSHDR_QEMU_DISK_UNKNOWN,  /* nobody asked yet */
    LUKSHDR_QEMU_DISK_EARLY,    /* looked up for access that is granted before Prepare */
    LUKSHDR_QEMU_DISK_PREPARED, /* looked up by Prepare */
} lukshdrQemuDiskState;

/**
 * lukshdrQemuDiskAttach:
 * @src: a source that has been looked up
 * @disk: what it is, owned by @src from now on; NULL if it is no payload
 * @state: who looked it up
 *
 * Replaces what was attached before.
 */
void
lukshdrQemuDiskAttach(virStorageSource *src, lukshdrGuestDisk *disk, lukshdrQemuDiskState state);

/**
 * lukshdrQemuDiskGetState:
 * @src: a source
 *
 * Returns: whether and by whom it was looked up.
 */
lukshdrQemuDiskState
lukshdrQemuDiskGetState(virStorageSource *src);

/**
 * lukshdrQemuDiskFind:
 * @src: a source
 * @guest: lukshdrQemuDomainName of the guest that has it; NULL if that is not known here, or if
 *         the guest does not run
 *
 * Never looks into the registry.  Looks for a source that was not prepared in this process among
 * the disks of @guest, or of all guests if @guest is NULL.  Give @guest where it is known: two
 * guests may have the same payload with different headers.
 *
 * Returns: a copy of what is known of the linked disk that @src is the payload of,
 * freed with lukshdrGuestDiskFree, or NULL.
 */
lukshdrGuestDisk *
lukshdrQemuDiskFind(virStorageSource *src, const char *guest);

/**
 * lukshdrQemuDiskFindNode:
 * @src: a source
 * @nodeName: name that libvirt has for its format node, or NULL
 *
 * As lukshdrQemuDiskFind where the guest is not known.  Of guests that have the same payload, the one
 * with that node is asked first.
 *
 * Returns: as lukshdrQemuDiskFind.
 */
lukshdrGuestDisk *
lukshdrQemuDiskFindNode(virStorageSource *src, const char *nodeName);

/**
 * lukshdrQemuDiskHeaderIsRemote:
 * @disk: a linked disk
 *
 * Returns: whether its header has no path: then nobody labels it.
 */
bool
lukshdrQemuDiskHeaderIsRemote(const lukshdrGuestDisk *disk);

/**
 * lukshdrQemuDiskLink:
 * @disk: a linked disk
 *
 * Returns: a link that holds what the chain needs, unreffed by the caller.  Its names of
 * volume and pool, which only messages use, are those of the file and its directory.
 */
lukshdrLink *
lukshdrQemuDiskLink(const lukshdrGuestDisk *disk);

/**
 * lukshdrQemuDiskHeader:
 * @disk: a linked disk whose header has a path
 * @src: its payload, or NULL if libvirt no longer has it
 *
 * Returns: a source for the header, as libvirt makes one for a backing file: with
 * the payload's own security labels, and read-only or shared if the payload is so at
 * this moment.  Unreffed by the caller; NULL with a libvirt error reported.
 */
virStorageSource *
lukshdrQemuDiskHeader(const lukshdrGuestDisk *disk, virStorageSource *src);
