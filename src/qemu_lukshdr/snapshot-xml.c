/*
 * snapshot-xml.c: on which disks a snapshot would put an overlay
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "snapshot-xml.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/error.h"
#include "util/text.h"
#include "util/xml.h"
#include "client-xml.h"

/* Returns the snapshot's element for the disk with that target, or that source */
static xmlNode *
lukshdrQemuSnapshotXMLDisk(xmlNode *snapshot, const char *target, const char *file)
{
    xmlNode *disks = lukshdrXMLChild(snapshot, LUKSHDR_XML_DISKS);
    xmlNode *node;

    for (node = lukshdrXMLChild(disks, LUKSHDR_XML_DISK); node;
         node = lukshdrXMLNext(node, LUKSHDR_XML_DISK)) {
        g_autofree char *name = lukshdrXMLAttribute(node, LUKSHDR_XML_NAME);

        if (lukshdrTextSame(name, target) || lukshdrTextSame(name, file))
            return node;
    }
    return NULL;
}

/* Does the snapshot put an overlay on @disk?  As libvirt decides it (virDomainSnapshotAlignDisks):
 * the snapshot's XML says so, or else the disk's, or else @diskOnly. */
static bool
lukshdrQemuSnapshotXMLIsExternal(xmlNode *disk, xmlNode *asked, bool diskOnly)
{
    g_autofree char *own = lukshdrXMLAttribute(disk, "snapshot");
    g_autofree char *said = asked ? lukshdrXMLAttribute(asked, "snapshot") : NULL;

    if (said)
        return g_str_equal(said, "external");
    if (asked && lukshdrXMLChild(asked, LUKSHDR_XML_SOURCE))
        return true;
    if (own)
        return g_str_equal(own, "external");
    return diskOnly;
}

/* Sets @link to the link of the first linked payload among the images that the XML lists for
 * @disk */
static bool
lukshdrQemuSnapshotXMLFind(const lukshdrQemuHost *host,
                           xmlNode *disk,
                           lukshdrLink **link,
                           GError **error)
{
    xmlNode *image;

    *link = NULL;
    for (image = disk; image && !*link; image = lukshdrXMLChild(image, LUKSHDR_XML_BACKING_STORE)) {
        xmlNode *source = lukshdrXMLChild(image, LUKSHDR_XML_SOURCE);
        g_autofree char *type = lukshdrXMLAttribute(image, LUKSHDR_XML_TYPE);

        if (source && !lukshdrQemuConfigXMLFind(host, type, source, link, NULL, error))
            return false;
    }
    return true;
}

static bool
lukshdrQemuSnapshotXMLCheckDisk(const lukshdrQemuHost *host,
                                xmlNode *disk,
                                xmlNode *snapshot,
                                bool diskOnly,
                                GError **error)
{
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
    xmlNode *target = lukshdrXMLChild(disk, LUKSHDR_XML_TARGET);
    g_autofree char *dev = target ? lukshdrXMLAttribute(target, LUKSHDR_XML_DEV) : NULL;
    g_autofree char *file = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_FILE) : NULL;
    xmlNode *asked = lukshdrQemuSnapshotXMLDisk(snapshot, dev, file);
    g_autoptr(lukshdrLink) link = NULL;

    if (!lukshdrQemuSnapshotXMLIsExternal(disk, asked, diskOnly))
        return true;
    if (!lukshdrQemuSnapshotXMLFind(host, disk, &link, error))
        return false;
    if (!link)
        return true;

    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
        _("an overlay above disk '%s' would hold data of linked volume '%s' of pool '%s' "
          "unencrypted: libvirt can encrypt only those of snapshots that are taken while the "
          "domain runs, with an 'encryption' in the 'source' of the snapshot's XML"),
        dev ? dev : "", link->payload.volume, link->payload.pool);
    return false;
}

bool
lukshdrQemuSnapshotXMLCheck(const lukshdrQemuHost *host,
                            const char *domain,
                            const char *snapshot,
                            bool diskOnly,
                            GError **error)
{
    g_autoptr(xmlDoc) domainDoc = lukshdrQemuConfigXMLRead(domain);
    g_autoptr(xmlDoc) snapshotDoc = lukshdrQemuConfigXMLRead(snapshot);
    xmlNode *root = domainDoc ? xmlDocGetRootElement(domainDoc) : NULL;
    xmlNode *asked = snapshotDoc ? xmlDocGetRootElement(snapshotDoc) : NULL;
    xmlNode *devices;
    xmlNode *disk;

    if (root && xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_DOMAIN_SNAPSHOT))
        root = lukshdrXMLChild(root, LUKSHDR_XML_DOMAIN);
    devices = asked ? lukshdrXMLChild(root, LUKSHDR_XML_DEVICES) : NULL;

    for (disk = lukshdrXMLChild(devices, LUKSHDR_XML_DISK); disk;
         disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        if (!lukshdrQemuSnapshotXMLCheckDisk(host, disk, asked, diskOnly, error))
            return false;
    }
    return true;
}
