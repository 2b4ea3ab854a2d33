/*
 * explicit.h: disks that are opened with a header of their own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A domain's metadata can name a header for one of its disks (metadata.h).
 * When libvirt prepares the disk, this file looks at that header and decides whether
 * QEMU may use it.
 */

#pragma once

#include "link/link.h"
#include "metadata.h"
#include "source.h"

/**
 * lukshdrQemuExplicitFind:
 * @disk: a disk that is prepared; NULL for the disk that is being plugged in, if there is one
 * @src: a source of its chain, or of another image of it
 * @header: set to the header that the metadata names for it, to be freed with
 *          lukshdrQemuHeaderSourceFree, or to NULL
 * @error: VIR_ERR_XML_ERROR, VIR_ERR_OPERATION_INVALID
 *
 * Reads the metadata of the domain whose disks the thread prepares (context.h).  It is the metadata
 * of the running domain, which libvirt keeps when the daemon restarts, and not that of the stored
 * configuration, which counts only at the next start.
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
 * The header must exist and be a LUKS1 header.  For a linked payload it must have the LUKS
 * UUID of the link's header.  It needs no label and no header pool, since this is how an
 * administrator uses a backup while the header volume cannot be used.  QEMU finds out whether
 * the secret opens the header before it opens the payload.
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
