/*
 * snapshot-xml.c: which disks of a domain a snapshot would keep in a way that does not work
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

/* How a snapshot keeps a disk: names of libvirt's virDomainSnapshotLocation */
#define LUKSHDR_QEMU_SNAPSHOT_EXTERNAL "external"
#define LUKSHDR_QEMU_SNAPSHOT_INTERNAL "internal"
#define LUKSHDR_QEMU_SNAPSHOT_NO "no"

/* How does the snapshot keep @disk?  As libvirt decides it (virDomainSnapshotAlignDisks): the
 * snapshot's XML says so, or else the disk's, or else it is @other.  Freed with g_free. */
static char *
lukshdrQemuSnapshotXMLHow(xmlNode *disk, xmlNode *asked, const char *other)
{
    char *own = lukshdrXMLAttribute(disk, "snapshot");
    char *said = asked ? lukshdrXMLAttribute(asked, "snapshot") : NULL;

    if (!said && asked && lukshdrXMLChild(asked, LUKSHDR_XML_SOURCE))
        said = g_strdup(LUKSHDR_QEMU_SNAPSHOT_EXTERNAL);
    if (said) {
        g_free(own);
        return said;
    }
    if (own)
        return own;
    return g_strdup(lukshdrXMLChild(disk, "readonly") ? LUKSHDR_QEMU_SNAPSHOT_NO : other);
}

/* Sets @link to the link of the first linked payload among the images that the XML lists for
 * @disk.  @top: only the topmost counts, which is where an internal snapshot is made. */
static bool
lukshdrQemuSnapshotXMLFind(const lukshdrQemuHost *host,
                           xmlNode *disk,
                           bool top,
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
        if (top)
            break;
    }
    return true;
}

char *
lukshdrQemuSnapshotXMLWays(const char *format)
{
    return g_strdup(g_strcmp0(format, "qcow2") == 0
                        ? _("an internal snapshot, while the domain is shut off, keeps the disk "
                            "encrypted")
                        : _("an internal snapshot, while the domain is shut off, keeps a disk "
                            "encrypted, but only a volume of format 'qcow2' can have one"));
}

/* @how: what must not be on a linked disk */
static bool
lukshdrQemuSnapshotXMLCheckDisk(const lukshdrQemuHost *host,
                                xmlNode *disk,
                                xmlNode *snapshot,
                                const char *other,
                                const char *how,
                                GError **error)
{
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
    xmlNode *target = lukshdrXMLChild(disk, LUKSHDR_XML_TARGET);
    g_autofree char *dev = target ? lukshdrXMLAttribute(target, LUKSHDR_XML_DEV) : NULL;
    g_autofree char *file = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_FILE) : NULL;
    xmlNode *asked = lukshdrQemuSnapshotXMLDisk(snapshot, dev, file);
    bool inside = g_str_equal(how, LUKSHDR_QEMU_SNAPSHOT_INTERNAL);
    g_autofree char *kept = lukshdrQemuSnapshotXMLHow(disk, asked, other);
    g_autofree char *ways = NULL;
    g_autoptr(lukshdrLink) link = NULL;

    if (!g_str_equal(kept, how))
        return true;
    if (!lukshdrQemuSnapshotXMLFind(host, disk, inside, &link, error))
        return false;
    if (!link)
        return true;

    ways = lukshdrQemuSnapshotXMLWays(link->format);
    if (inside)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("the domain runs, and disk '%1$s' is linked volume '%2$s' of pool '%3$s', of "
                      "which there can be no internal snapshot then: %4$s"),
                    dev ? dev : "", link->payload.volume, link->payload.pool, ways);
    else
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
            _("an overlay above disk '%1$s' would hold data of linked volume '%2$s' of pool '%3$s' "
              "unencrypted: %4$s; libvirt can encrypt only overlays of snapshots that are taken "
              "while the domain runs, with an 'encryption' in the 'source' of the snapshot's XML"),
            dev ? dev : "", link->payload.volume, link->payload.pool, ways);
    return false;
}

static bool
lukshdrQemuSnapshotXMLCheckAll(const lukshdrQemuHost *host,
                               const char *domain,
                               const char *snapshot,
                               bool diskOnly,
                               const char *how,
                               GError **error)
{
    g_autoptr(xmlDoc) domainDoc = lukshdrQemuConfigXMLRead(domain);
    g_autoptr(xmlDoc) snapshotDoc = lukshdrQemuConfigXMLRead(snapshot);
    xmlNode *root = domainDoc ? xmlDocGetRootElement(domainDoc) : NULL;
    xmlNode *asked = snapshotDoc ? xmlDocGetRootElement(snapshotDoc) : NULL;
    xmlNode *memory = lukshdrXMLChild(asked, "memory");
    g_autofree char *saved = memory ? lukshdrXMLAttribute(memory, "snapshot") : NULL;
    const char *other = diskOnly || lukshdrTextSame(saved, LUKSHDR_QEMU_SNAPSHOT_EXTERNAL)
                            ? LUKSHDR_QEMU_SNAPSHOT_EXTERNAL
                            : LUKSHDR_QEMU_SNAPSHOT_INTERNAL;
    xmlNode *devices;
    xmlNode *disk;

    devices = asked ? lukshdrXMLChild(root, LUKSHDR_XML_DEVICES) : NULL;

    for (disk = lukshdrXMLChild(devices, LUKSHDR_XML_DISK); disk;
         disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        if (!lukshdrQemuSnapshotXMLCheckDisk(host, disk, asked, other, how, error))
            return false;
    }
    return true;
}

bool
lukshdrQemuSnapshotXMLCheck(const lukshdrQemuHost *host,
                            const char *domain,
                            const char *snapshot,
                            bool diskOnly,
                            GError **error)
{
    return lukshdrQemuSnapshotXMLCheckAll(host, domain, snapshot, diskOnly,
                                          LUKSHDR_QEMU_SNAPSHOT_EXTERNAL, error);
}

bool
lukshdrQemuSnapshotXMLCheckRunning(const lukshdrQemuHost *host,
                                   const char *domain,
                                   const char *snapshot,
                                   bool diskOnly,
                                   GError **error)
{
    return lukshdrQemuSnapshotXMLCheckAll(host, domain, snapshot, diskOnly,
                                          LUKSHDR_QEMU_SNAPSHOT_INTERNAL, error);
}

/* Does the snapshot keep the domain's memory in a file, or any disk by an overlay?  As libvirt decides it
 * (virDomainSnapshotIsExternal). */
static bool
lukshdrQemuSnapshotXMLIsExternal(xmlNode *snapshot)
{
    xmlNode *memory = lukshdrXMLChild(snapshot, "memory");
    g_autofree char *saved = memory ? lukshdrXMLAttribute(memory, "snapshot") : NULL;
    xmlNode *disks = lukshdrXMLChild(snapshot, LUKSHDR_XML_DISKS);
    xmlNode *disk;

    if (lukshdrTextSame(saved, LUKSHDR_QEMU_SNAPSHOT_EXTERNAL))
        return true;
    for (disk = lukshdrXMLChild(disks, LUKSHDR_XML_DISK); disk;
         disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        g_autofree char *how = lukshdrXMLAttribute(disk, "snapshot");

        if (lukshdrTextSame(how, LUKSHDR_QEMU_SNAPSHOT_EXTERNAL))
            return true;
    }
    return false;
}

bool
lukshdrQemuSnapshotXMLCheckRevert(const lukshdrQemuHost *host, const char *snapshot, GError **error)
{
    g_autoptr(xmlDoc) doc = lukshdrQemuConfigXMLRead(snapshot);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *devices = lukshdrXMLChild(lukshdrXMLChild(root, LUKSHDR_XML_DOMAIN),
                                       LUKSHDR_XML_DEVICES);
    xmlNode *disk;

    if (!lukshdrQemuSnapshotXMLIsExternal(root))
        return true;

    for (disk = lukshdrXMLChild(devices, LUKSHDR_XML_DISK); disk;
         disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        g_autofree char *dev = lukshdrQemuConfigXMLTarget(disk);
        g_autoptr(lukshdrLink) link = NULL;

        /* what cannot be written to gets no overlay */
        if (lukshdrXMLChild(disk, "readonly"))
            continue;
        if (!lukshdrQemuSnapshotXMLFind(host, disk, false, &link, error))
            return false;
        if (!link)
            continue;

        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
            _("libvirt would go back to this snapshot with an overlay above disk '%1$s' that holds "
              "data of linked volume '%2$s' of pool '%3$s' unencrypted; to go back by hand, shut the "
              "domain off, remove its snapshots (virsh snapshot-delete --metadata), and define it "
              "as this snapshot has it (the 'domain' in virsh snapshot-dumpxml)"),
            dev ? dev : "", link->payload.volume, link->payload.pool);
        return false;
    }
    return true;
}
