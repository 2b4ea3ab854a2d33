/*
 * remote-header.h: headers without a path
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * QEMU opens a header on a Ceph cluster with the key of a user who need not be the payload's, or
 * whose payload has no key at all.  libvirt knows how to give QEMU such an image with its key:
 * encrypted, as an object that goes when the image goes.  So the header becomes an image of libvirt's,
 * made, attached and detached by libvirt beside the payload, and the chain names its node.
 */

#pragma once

#include "link/link.h"
#include "source.h"

/**
 * lukshdrQemuRemoteHeaderPrepare:
 * @src: the payload's source, just prepared by libvirt
 * @link: its link
 * @priv: the domain's private data, as libvirt gave it to Prepare
 * @cfg: as @priv
 * @node: set to the name of the node that the chain is to use as header, freed with g_free; to NULL if the
 *        header has a path
 *
 * From now on @src comes with its header when libvirt attaches or detaches it.
 *
 * Returns: true, or false with a libvirt error reported.
 */
bool
lukshdrQemuRemoteHeaderPrepare(virStorageSource *src,
                               const lukshdrLink *link,
                               qemuDomainObjPrivate *priv,
                               virQEMUDriverConfig *cfg,
                               char **node);

/**
 * lukshdrQemuRemoteHeaderBehind:
 * @backing: what libvirt takes for the image behind another, or NULL
 *
 * While libvirt attaches a chain, headers stand behind its last image.
 *
 * Returns: what is really behind that image, not a reference: @backing, unless that is such a header.
 */
virStorageSource *
lukshdrQemuRemoteHeaderBehind(virStorageSource *backing);
