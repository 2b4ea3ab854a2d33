/*
 * image.h: qcow2 in an image of a Ceph cluster
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In pools of type rbd libvirt makes nothing but raw images, and says of each that it is raw and as large as
 * the image.  So the format of what is in one, and how large the disk is that a guest gets, is our business:
 * the link has the format, and the qcow2's own header has the size.
 *
 * The image is as long as the qcow2 can become, which costs nothing: the cluster stores only what was
 * written.  Were it shorter, QEMU would resize the image for each new cluster behind its end.
 *
 * Of a unit of an iSCSI target libvirt says "raw", too.  Nothing is made there, but what is linked can be a
 * qcow2.
 */

#pragma once

#include "link/link.h"
#include "storage.h"

/**
 * lukshdrImageIs:
 * @link: a link
 *
 * Returns: whether its payload has no path, and a format of its own in it.
 */
bool
lukshdrImageIs(const lukshdrLink *link);

/**
 * lukshdrImageFormat:
 * @where: a volume without a path that a link shall have, with its identity
 * @error: as lukshdrHandleOpen; VIR_ERR_OPERATION_INVALID if it is a qcow2 that names other files
 *
 * Returns: the format of what is in it, static, or NULL with @error set.
 */
const char *
lukshdrImageFormat(const lukshdrVolume *where, GError **error);

/**
 * lukshdrImageCapacity:
 * @link: a link of such a payload
 * @capacity: set to how large the disk is, bytes
 * @error: as lukshdrHandleOpen; VIR_ERR_OPERATION_INVALID if it is no qcow2
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrImageCapacity(const lukshdrLink *link, unsigned long long *capacity, GError **error);

/**
 * lukshdrImageMake:
 * @link: a link that is being created; its payload is recorded, empty, and as large as the disk shall be
 * @options: lukshdrVolumeXML.image
 * @error: as lukshdrRBDGrow and lukshdrStorageConvert
 *
 * Makes the image as long as it must be, and formats it.  Sets @link's format.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrImageMake(lukshdrLink *link, const char *options, GError **error);

/**
 * lukshdrImageResize:
 * @link: a link of such a payload, which nobody uses
 * @capacity: how large the disk shall be, bytes, or by how much it shall change
 * @flags: virStorageVolResizeFlags
 * @error: VIR_ERR_INVALID_ARG for flags and sizes that are not possible; VIR_ERR_OPERATION_UNSUPPORTED for
 *         what is not an image of a Ceph cluster; as lukshdrRBDGrow and lukshdrStorageConvertResize
 *
 * As stock's storageVolResize for files of format qcow2.  The image grows before the disk does, and after it
 * was cut: a crash in between leaves an image that is longer than needed, or that QEMU has to grow.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrImageResize(const lukshdrLink *link,
                   unsigned long long capacity,
                   unsigned int flags,
                   GError **error);
