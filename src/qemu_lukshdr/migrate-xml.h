/*
 * migrate-xml.h: what XML that goes to another host says of linked disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Needs the link registry; does not call libvirt.
 */

#pragma once

#include "lookup.h"

/**
 * lukshdrQemuMigrateXMLNextDisk:
 * @domain: a <domain>
 * @disk: a <disk> of it, or NULL
 *
 * Returns: the <disk> behind @disk, or the first one if @disk is NULL; NULL behind the last.
 */
xmlNode *
lukshdrQemuMigrateXMLNextDisk(xmlNode *domain, xmlNode *disk);

/**
 * lukshdrQemuMigrateXMLEncryption:
 * @disk: a <disk>
 *
 * Returns: its <encryption>, in either place where libvirt accepts one, or NULL.
 */
xmlNode *
lukshdrQemuMigrateXMLEncryption(xmlNode *disk);

/**
 * lukshdrQemuMigrateXMLCheck:
 * @host: what this host knows
 * @own: XML of the domain on this host
 * @sent: XML that the other host shall get for it
 * @error: VIR_ERR_CONFIG_UNSUPPORTED, naming the disk; as lukshdrRegistryFindPayload
 *
 * Returns: true if @sent has an <encryption> for each disk that @own and @sent both have and that
 * is linked in @own or gets its header from metadata; false with @error set.
 */
bool
lukshdrQemuMigrateXMLCheck(const lukshdrQemuHost *host,
                           const char *own,
                           const char *sent,
                           GError **error);
