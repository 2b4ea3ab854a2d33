/*
 * moved.h: following a pool whose directory was moved
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A link names its volumes by pool and name, and records the path that libvirt had for them.  If an administrator
 * moves a pool's directory and tells libvirt so (virsh pool-edit), the same names have other paths.  Both halves look
 * by path: without the new one they would take the moved volumes for plain.
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageFollow:
 * @link: a link
 * @i: which of its volumes (lukshdrLinkVolumeAt)
 * @path: the path that libvirt has for that pool and name now
 *
 * Records @path if something is there, and it is not the recorded one.  The identity stays: a payload that is another
 * file there is one that was replaced, and a header has to prove itself by its content.  Says so in the log.
 *
 * Returns: whether the registry has changed.
 */
bool
lukshdrStorageFollow(const lukshdrLink *link, guint i, const char *path);

/**
 * lukshdrStorageFollowVolume:
 * @vol: a volume that no link has by its path
 * @path: its path, absolute
 *
 * The same for a link that has a volume of @vol's pool and name; of a header that links share, one of them.  For a
 * client that comes before the scan of a pool that was just started.  Looks as the system.
 *
 * Returns: whether the registry has changed.
 */
bool
lukshdrStorageFollowVolume(virStorageVolPtr vol, const char *path);
