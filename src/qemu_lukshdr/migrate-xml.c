/*
 * migrate-xml.c: what XML that goes to another host says of linked disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "migrate-xml.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/error.h"
#include "util/xml.h"
#include "client-xml.h"
#include "metadata.h"

xmlNode *
lukshdrQemuMigrateXMLNextDisk(xmlNode *domain, xmlNode *disk)
{
    if (disk)
        return lukshdrXMLNext(disk, LUKSHDR_XML_DISK);
    return lukshdrXMLChild(lukshdrXMLChild(domain, LUKSHDR_XML_DEVICES), LUKSHDR_XML_DISK);
}

xmlNode *
lukshdrQemuMigrateXMLEncryption(xmlNode *disk)
{
    xmlNode *outer = lukshdrXMLChild(disk, LUKSHDR_XML_ENCRYPTION); /* its older place */
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);

    return !outer && source ? lukshdrXMLChild(source, LUKSHDR_XML_ENCRYPTION) : outer;
}

static xmlNode *
lukshdrQemuMigrateXMLFindDisk(xmlNode *domain, const char *target)
{
    xmlNode *disk = NULL;

    while ((disk = lukshdrQemuMigrateXMLNextDisk(domain, disk))) {
        g_autofree char *name = lukshdrQemuConfigXMLTarget(disk);

        if (g_strcmp0(name, target) == 0)
            return disk;
    }
    return NULL;
}

/* Sets @linked to whether the disk is opened with a detached header on this host */
static bool
lukshdrQemuMigrateXMLIsLinked(const lukshdrQemuHost *host,
                              xmlNode *disk,
                              const char *target,
                              GHashTable *headers,
                              bool *linked,
                              GError **error)
{
    g_autofree char *type = lukshdrXMLAttribute(disk, LUKSHDR_XML_TYPE);
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
    g_autoptr(lukshdrLink) link = NULL;

    if (source && !lukshdrQemuConfigXMLFind(host, type, source, &link, NULL, error))
        return false;

    *linked = link || (headers && g_hash_table_contains(headers, target));
    return true;
}

bool
lukshdrQemuMigrateXMLCheck(const lukshdrQemuHost *host,
                           const char *own,
                           const char *sent,
                           GError **error)
{
    g_autoptr(xmlDoc) ownDoc = lukshdrQemuConfigXMLRead(own);
    g_autoptr(xmlDoc) sentDoc = lukshdrQemuConfigXMLRead(sent);
    xmlNode *domain = ownDoc ? xmlDocGetRootElement(ownDoc) : NULL;
    xmlNode *other = sentDoc ? xmlDocGetRootElement(sentDoc) : NULL;
    g_autoptr(GHashTable) headers = NULL;
    xmlNode *metadata;
    xmlNode *disk = NULL;

    /* stock's errors are better */
    if (!domain || !other)
        return true;

    if ((metadata = lukshdrQemuConfigXMLMetadata(domain)) &&
        !(headers = lukshdrQemuMetadataParse(metadata, error)))
        return false;

    while ((disk = lukshdrQemuMigrateXMLNextDisk(domain, disk))) {
        g_autofree char *target = lukshdrQemuConfigXMLTarget(disk);
        xmlNode *found = target ? lukshdrQemuMigrateXMLFindDisk(other, target) : NULL;
        bool linked;

        if (!found || lukshdrQemuMigrateXMLEncryption(found))
            continue;
        if (!lukshdrQemuMigrateXMLIsLinked(host, disk, target, headers, &linked, error))
            return false;
        if (!linked)
            continue;

        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
            _("disk '%s' is a linked volume, and the configuration that the other host is to "
              "have gives it no 'encryption': that host might take it for a plain one. Give "
              "it an 'encryption' with a 'secret' (virsh define does so for the domain's "
              "own configuration)"),
            target);
        return false;
    }
    return true;
}
