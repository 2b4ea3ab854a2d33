/*
 * remote-xml.h: where a volume without a path is, by libvirt's XML
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "volume.h"

/**
 * lukshdrRemoteServers:
 * @source: <source> of a pool, or of a disk that is reached over the network
 *
 * Returns: what its <host>s name, each HOST or HOST:PORT and an IPv6 address in brackets, as libvirt gives
 * them to Ceph; may be empty.  Freed with g_strfreev.
 */
GStrv
lukshdrRemoteServers(xmlNode *source);

/**
 * lukshdrRemoteFromDisk:
 * @source: <source> of a domain's disk
 *
 * Returns: where the image of a Ceph cluster or the unit of an iSCSI target is that it names, without its
 * user, freed with lukshdrRemoteFree; NULL if it names something else.
 */
lukshdrRemote *
lukshdrRemoteFromDisk(xmlNode *source);

/**
 * lukshdrRemoteCheckPool:
 * @text: XML of a pool, as libvirt writes it
 * @pool: name of the pool, for messages
 * @make: whether volumes shall be made there, and not only named
 * @error: VIR_ERR_CONFIG_UNSUPPORTED, with words for the user; VIR_ERR_XML_ERROR
 *
 * Returns: whether a pool of that type can have volumes of links, or false with @error set.
 */
bool
lukshdrRemoteCheckPool(const char *text, const char *pool, bool make, GError **error);

/**
 * lukshdrRemoteFromPool:
 * @text: XML of a pool, as libvirt writes it
 * @pool: name of the pool, for messages
 * @volume: libvirt's name of a volume that is, or would be, in it
 * @remote: set to where that is, freed with lukshdrRemoteFree; to NULL for pools of other types than rbd and
 *          iscsi-direct
 * @usage: set to the usage of the secret with the user's key, where <auth> names it by that and not by UUID:
 *         the caller knows who can tell its UUID; else to NULL.  Freed with g_free
 * @error: VIR_ERR_XML_ERROR; VIR_ERR_NO_STORAGE_VOL if there can be no such volume in a pool of that type
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRemoteFromPool(const char *text,
                      const char *pool,
                      const char *volume,
                      lukshdrRemote **remote,
                      char **usage,
                      GError **error);
