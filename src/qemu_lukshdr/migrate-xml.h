/*
 * migrate-xml.h: what XML that goes to another host says of linked disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Needs the link registry and no libvirt.
 */

#pragma once

#include "lookup.h"

/**
 * lukshdrQemuMigrateXMLNextDisk:
 * @domain: a <domain>
 * @disk: a <disk> of it, or NULL
 *
 * Returns: the next <disk>, or the first; NULL behind the last.
 */
xmlNode *
lukshdrQemuMigrateXMLNextDisk(xmlNode *domain, xmlNode *disk);

/**
 * lukshdrQemuMigrateXMLEncryption:
 * @disk: a <disk>
 *
 * Returns: its <encryption>, in either place that libvirt knows, or NULL.
 */
xmlNode *
lukshdrQemuMigrateXMLEncryption(xmlNode *disk);

/**
 * lukshdrQemuMigrateXMLCheck:
 * @host: what this host knows
 * @own: XML of the domain on this host
 * @sent: XML that another host is to have for it
 * @error: VIR_ERR_CONFIG_UNSUPPORTED, naming the disk; as lukshdrRegistryFindPayload
 *
 * Returns: true if each disk that is linked in @own, or gets its header from metadata, has an
 * <encryption> in @sent or is not in it; false with @error set.
 */
bool
lukshdrQemuMigrateXMLCheck(const lukshdrQemuHost *host,
                           const char *own,
                           const char *sent,
                           GError **error);
