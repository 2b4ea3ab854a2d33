/*
 * explicit.h: disks that are opened with a header of their own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A domain's metadata can name a header for one of its disks (metadata.h).
 * This is where that is looked at when the disk is prepared, and decided what it
 * means.
 */

#pragma once

#include "link/link.h"
#include "metadata.h"
#include "source.h"

/**
 * lukshdrQemuExplicitFind:
 * @disk: a disk that is prepared; NULL for the one that is plugged in, if there is such
 * @src: a source of its chain, or of another image of it
 * @header: set to the header that the metadata names for it, to be freed with
 *          lukshdrQemuHeaderSourceFree, or to NULL
 * @error: VIR_ERR_XML_ERROR, VIR_ERR_OPERATION_INVALID
 *
 * The metadata is that of the domain whose disks the thread prepares (context.h): the running one's, which
 * libvirt keeps across a restart of the daemon, not what will count the next time.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuExplicitFind(virDomainDiskDef *disk,
                        virStorageSource *src,
                        lukshdrQemuHeaderSource **header,
                        GError **error);

/**
 * lukshdrQemuExplicitLink:
 * @header: from lukshdrQemuExplicitFind
 * @payload: path of the disk's payload
 * @link: the payload's link, or NULL if it has none
 * @encrypted: whether the disk has an <encryption>
 * @privileged: whether the daemon runs as root
 * @error: VIR_ERR_OPERATION_INVALID, VIR_ERR_CONFIG_UNSUPPORTED, saying what is wrong with
 *         the header
 *
 * The header must be there, a LUKS1 header, and for a linked payload have the LUKS UUID of
 * the link's; neither label nor pool are asked for, since this is how a backup is used
 * while the primary is not fit for it.  Whether the secret opens it QEMU finds out before it
 * opens the payload.
 *
 * Local I/O only; does not call libvirt.
 *
 * Returns: a link that describes the two together (its UUID LUKSHDR_GUEST_NO_LINK and its
 * format NULL if @link is NULL), or NULL with @error set.
 */
lukshdrLink *
lukshdrQemuExplicitLink(const lukshdrQemuHeaderSource *header,
                        const char *payload,
                        const lukshdrLink *link,
                        bool encrypted,
                        bool privileged,
                        GError **error);
