/*
 * snapshot.c: snapshots of domains with linked disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Of a guest that runs, libvirt makes the overlays, encrypted if the XML says so; then a crash leaves what it leaves
 * without the plugin.  Of a domain that does not run, we make them.  What a crash after each step leaves:
 *
 *   1 overlays made               empty files that no domain names and no link has; their names are taken, and
 *                                 vol-delete removes them once their pool was refreshed
 *   2 snapshot taken by stock     a domain that has the overlays, and says nothing of what is below them, since libvirt
 *                                 writes that down only of overlays that it has made itself: it does not start, and
 *                                 the error says what its XML must name (prepare.c)
 *   3 what is below written down  done
 */

#include "config.h"

#include "snapshot.h"

#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/log.h"
#include "util/xml.h"
#include "qemu.h"
#include "client-xml.h"
#include "context.h"
#include "overlay.h"
#include "rights.h"
#include "secret.h"
#include "snapshot-xml.h"
#include "table.h"

/* May the domain have all disks that @xml names?  @xml is its definition or a snapshot's.  For a
 * domain that does not run, libvirt makes and reverts internal snapshots with qemu-img: it hands
 * over the disks' names and calls nothing that we wrap. */
static bool
lukshdrQemuSnapshotCheckDisks(const char *xml, GError **error)
{
    g_autofree char *rewritten = NULL;

    return lukshdrQemuConfigXMLRewrite(&lukshdrQemu.host, xml, &rewritten, error);
}

/* The disk with that target of the domain @doc, or of the domain in the snapshot @doc */
static xmlNode *
lukshdrQemuSnapshotFindDisk(xmlDoc *doc, const char *target)
{
    xmlNode *root = xmlDocGetRootElement(doc);
    xmlNode *devices;
    xmlNode *disk;

    if (root && xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_DOMAIN_SNAPSHOT))
        root = lukshdrXMLChild(root, LUKSHDR_XML_DOMAIN);
    devices = lukshdrXMLChild(root, LUKSHDR_XML_DEVICES);

    for (disk = lukshdrXMLChild(devices, LUKSHDR_XML_DISK); disk;
         disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        g_autofree char *dev = lukshdrQemuConfigXMLTarget(disk);

        if (g_strcmp0(dev, target) == 0)
            return disk;
    }
    return NULL;
}

/* Does the domain @doc have @overlay as the image of its disk? */
static bool
lukshdrQemuSnapshotHas(xmlDoc *doc, const lukshdrQemuOverlay *overlay)
{
    xmlNode *disk = lukshdrQemuSnapshotFindDisk(doc, overlay->target);
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
    g_autofree char *file = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_FILE) : NULL;

    return file && g_strcmp0(file, overlay->path) == 0;
}

/* Writes down in @disk, whose image is @overlay, what is below that: the images that @before, the same disk before
 * the snapshot, has. */
static void
lukshdrQemuSnapshotAddBacking(xmlNode *disk, const lukshdrQemuOverlay *overlay, xmlNode *before)
{
    xmlNode *encryption = lukshdrXMLChild(lukshdrXMLChild(before, LUKSHDR_XML_SOURCE),
                                          LUKSHDR_XML_ENCRYPTION);
    xmlNode *further = lukshdrXMLChild(before, LUKSHDR_XML_BACKING_STORE);
    xmlNode *backing;
    xmlNode *node;
    struct stat st;
    bool block = stat(overlay->base, &st) == 0 && S_ISBLK(st.st_mode);

    if ((node = lukshdrXMLChild(disk, LUKSHDR_XML_BACKING_STORE))) {
        xmlUnlinkNode(node);
        xmlFreeNode(node);
    }
    backing = lukshdrXMLAddChild(disk, LUKSHDR_XML_BACKING_STORE, NULL);
    lukshdrXMLSetAttribute(backing, LUKSHDR_XML_TYPE, block ? "block" : "file");
    node = lukshdrXMLAddChild(backing, LUKSHDR_XML_FORMAT, NULL);
    lukshdrXMLSetAttribute(node, LUKSHDR_XML_TYPE, overlay->baseFormat);
    node = lukshdrXMLAddChild(backing, LUKSHDR_XML_SOURCE, NULL);
    lukshdrXMLSetAttribute(node, block ? LUKSHDR_XML_DEV : LUKSHDR_XML_FILE, overlay->base);
    if (encryption)
        xmlAddChild(node, xmlDocCopyNode(encryption, disk->doc, 1));
    if (further)
        xmlAddChild(backing, xmlDocCopyNode(further, disk->doc, 1));
    else
        lukshdrXMLAddChild(backing, LUKSHDR_XML_BACKING_STORE, NULL);
}

/* The configuration of @domain, with what it keeps secret, or NULL with @error set */
static xmlDoc *
lukshdrQemuSnapshotLook(virDomainPtr domain, GError **error)
{
    g_autofree char *config = lukshdrQemuLook(domain,
                                              VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    xmlDoc *doc = config ? lukshdrQemuConfigXMLRead(config) : NULL;

    if (!config)
        lukshdrErrorFromLast(error);
    else if (!doc)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("the configuration of domain '%s' is no XML"), virDomainGetName(domain));
    return doc;
}

/* Makes @doc the configuration of @domain, which completes what the client had the right to cause */
static bool
lukshdrQemuSnapshotDefine(virDomainPtr domain, xmlDoc *doc, GError **error)
{
    g_autofree char *text = lukshdrQemuConfigXMLWrite(doc);
    virIdentity *client = lukshdrQemuBecomeSystem();
    virDomainPtr defined = lukshdrQemuTableStock.domainDefineXMLFlags(virDomainGetConnect(domain),
                                                                      text, 0);

    if (defined)
        virDomainFree(defined);
    else
        lukshdrErrorFromLast(error);
    lukshdrQemuBecomeClient(client);
    return defined != NULL;
}

/* The domain has taken the overlays, and was @before */
static bool
lukshdrQemuSnapshotRecord(virDomainPtr domain,
                          GPtrArray *overlays,
                          const char *before,
                          GError **error)
{
    g_autoptr(xmlDoc) old = lukshdrQemuConfigXMLRead(before);
    g_autoptr(xmlDoc) doc = lukshdrQemuSnapshotLook(domain, error);
    bool changed = false;
    guint i;

    if (!doc)
        return false;
    for (i = 0; i < overlays->len; i++) {
        const lukshdrQemuOverlay *overlay = g_ptr_array_index(overlays, i);
        xmlNode *disk = lukshdrQemuSnapshotFindDisk(old, overlay->target);

        if (!overlay->link || !overlay->base || !overlay->baseFormat || !disk ||
            !lukshdrQemuSnapshotHas(doc, overlay))
            continue;
        lukshdrQemuSnapshotAddBacking(lukshdrQemuSnapshotFindDisk(doc, overlay->target), overlay,
                                      disk);
        changed = true;
    }
    if (!changed)
        return true;

    return lukshdrQemuSnapshotDefine(domain, doc, error);
}

/* Removes the overlays that the domain does not have.  If stock fails late, it has them; they are empty then, and what
 * is below them is as it was. */
static void
lukshdrQemuSnapshotUndo(virDomainPtr domain, GPtrArray *overlays)
{
    virErrorPtr said = lukshdrQemuErrorSave();
    g_autofree char *config = lukshdrQemuLook(domain, VIR_DOMAIN_XML_INACTIVE);
    g_autoptr(xmlDoc) doc = config ? lukshdrQemuConfigXMLRead(config) : NULL;
    guint i;

    for (i = 0; doc && i < overlays->len; i++) {
        lukshdrQemuOverlay *overlay = g_ptr_array_index(overlays, i);

        if (!lukshdrQemuSnapshotHas(doc, overlay))
            lukshdrQemuOverlayRemove(overlay);
    }
    lukshdrQemuErrorRestore(said);
}

/* @config is what the domain, which does not run, was before.  With the flag REUSE_EXT stock makes no overlay, so all
 * have to be there, also those of disks that are not linked.
 * If the domain starts meanwhile, stock has the running guest open the overlays that were made here. */
static virDomainSnapshotPtr
lukshdrQemuSnapshotCreateOff(virDomainPtr domain,
                             const char *xml,
                             unsigned int flags,
                             GPtrArray *overlays,
                             const char *config)
{
    virDomainSnapshotPtr snapshot;
    g_autoptr(GError) error = NULL;
    guint i;

    for (i = 0; !(flags & VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT) && i < overlays->len; i++) {
        if (!lukshdrQemuOverlayMake(g_ptr_array_index(overlays, i), &error)) {
            lukshdrQemuSnapshotUndo(domain, overlays);
            lukshdrReportError(error);
            return NULL;
        }
    }

    snapshot = lukshdrQemuTableStock.domainSnapshotCreateXML(
        domain, xml, flags | VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT);
    if (!snapshot) {
        lukshdrQemuSnapshotUndo(domain, overlays);
    } else if (!lukshdrQemuSnapshotRecord(domain, overlays, config, &error)) {
        LUKSHDR_LOG_WARN(
            _("The configuration of domain '%1$s' does not say which linked volumes are below "
              "its overlays, and could not be corrected: %2$s"),
            virDomainGetName(domain), error->message);
        virResetLastError();
    }
    return snapshot;
}

/* If the domain stops after our question whether it runs, it gets a plain overlay that its configuration says is
 * encrypted, or one of which the configuration does not say what is below: QEMU or Prepare refuses either. */
virDomainSnapshotPtr
lukshdrQemuSnapshotCreateXML(virDomainPtr domain, const char *xml, unsigned int flags)
{
    const lukshdrQemuHost *host = &lukshdrQemu.host;
    bool diskOnly = flags & VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY;
    bool make = !(flags & VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT);
    g_autoptr(GPtrArray) overlays = NULL;
    g_autofree char *completed = NULL;
    g_autofree char *encrypted = NULL;
    g_autofree char *config = NULL;
    g_autoptr(GError) error = NULL;
    bool linked = false;
    int active;
    guint i;

    if (!lukshdrQemuMay(domain, lukshdrQemu.libvirt.virDomainSnapshotCreateXMLEnsureACL, flags))
        return NULL;
    if (!lukshdrQemuConfigXMLRewrite(host, xml, &completed, &error)) {
        lukshdrReportError(error);
        return NULL;
    }
    if (completed)
        xml = completed;
    if (flags & VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
        return lukshdrQemuTableStock.domainSnapshotCreateXML(domain, xml, flags);

    if ((active = lukshdrQemuLookState(domain, virDomainIsActive)) < 0 ||
        !(config = lukshdrQemuLook(domain, active ? 0 : VIR_DOMAIN_XML_INACTIVE)))
        return NULL;
    if ((!active && !lukshdrQemuSnapshotCheckDisks(config, &error)) ||
        !(overlays = lukshdrQemuSnapshotXMLOverlays(host, config, xml, diskOnly, make, &encrypted,
                                                    &error)) ||
        !(active ? lukshdrQemuSnapshotXMLCheckRunning(host, config, xml, diskOnly, &error)
                 : lukshdrQemuSnapshotXMLCheckOverlays(host, overlays, &error))) {
        lukshdrReportError(error);
        return NULL;
    }
    if (encrypted)
        xml = encrypted;

    for (i = 0; i < overlays->len; i++)
        linked = linked || ((const lukshdrQemuOverlay *)g_ptr_array_index(overlays, i))->link;
    if (!active && linked)
        return lukshdrQemuSnapshotCreateOff(domain, xml, flags, overlays, config);
    return lukshdrQemuTableStock.domainSnapshotCreateXML(domain, xml, flags);
}

/* The domain has gone back to the snapshot @xml, and has overlays above its linked disks: of a domain that does not run,
 * plain ones, of which its configuration does not say what is below; of one that runs, encrypted ones (prepare.c), of which
 * its configuration does not say that they are. */
static bool
lukshdrQemuSnapshotReverted(virDomainPtr domain,
                            GPtrArray *overlays,
                            const char *xml,
                            bool running,
                            GError **error)
{
    g_autoptr(xmlDoc) old = lukshdrQemuConfigXMLRead(xml);
    g_autoptr(xmlDoc) doc = lukshdrQemuSnapshotLook(domain, error);
    bool changed = false;
    guint i;

    if (!doc)
        return false;
    for (i = 0; i < overlays->len; i++) {
        lukshdrQemuOverlay *overlay = g_ptr_array_index(overlays, i);
        xmlNode *before = lukshdrQemuSnapshotFindDisk(old, overlay->target);
        xmlNode *disk = lukshdrQemuSnapshotFindDisk(doc, overlay->target);
        xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);

        overlay->path = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_FILE) : NULL;
        if (!before || !overlay->path || g_str_equal(overlay->path, overlay->base) ||
            lukshdrXMLChild(source, LUKSHDR_XML_ENCRYPTION))
            continue;
        if (!running && !lukshdrQemuOverlayReplace(overlay, error))
            return false;
        lukshdrQemuConfigXMLEncryption(lukshdrXMLAddChild(source, LUKSHDR_XML_ENCRYPTION, NULL),
                                       overlay->link);
        lukshdrQemuSnapshotAddBacking(disk, overlay, before);
        changed = true;
    }
    return !changed || lukshdrQemuSnapshotDefine(domain, doc, error);
}

/* Starts the domain, which the client had the right to have started */
static int
lukshdrQemuSnapshotStart(virDomainPtr domain, bool paused)
{
    virIdentity *client = lukshdrQemuBecomeSystem();
    int rc = lukshdrQemuTableStock.domainCreateWithFlags(domain,
                                                         paused ? VIR_DOMAIN_START_PAUSED : 0);

    lukshdrQemuBecomeClient(client);
    return rc;
}

/* Goes back to the snapshot @xml, with @overlays.  What a crash after each step leaves:
 *
 * A snapshot with memory, so the domain runs in the end:
 *   1 gone back by stock          a configuration with an overlay that it says is plain, which is encrypted: a guest that
 *                                 starts from it is refused by QEMU; going back again helps
 *   2 configuration corrected     done
 *
 * A snapshot without; the domain does not run before 3 is done:
 *   1 gone back by stock          a configuration that does not say what is below the new overlays, which are plain: a guest
 *                                 that starts from it is refused (prepare.c); going back again helps
 *   2 overlays replaced           as 1
 *   3 configuration corrected     done, but the domain is not started, if the client asked for that */
static int
lukshdrQemuSnapshotGoBack(virDomainSnapshotPtr snapshot,
                          const char *xml,
                          GPtrArray *overlays,
                          bool running,
                          unsigned int flags)
{
    const unsigned int starts = VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING |
                                VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED;
    lukshdrQemuContext context = { .kind = LUKSHDR_QEMU_CONTEXT_REVERT };
    virDomainPtr domain = virDomainSnapshotGetDomain(snapshot);
    g_autoptr(GError) error = NULL;
    virErrorPtr said;
    int rc;

    lukshdrQemuContextBegin(&context);
    rc = lukshdrQemuTableStock.domainRevertToSnapshot(snapshot, running ? flags : flags & ~starts);
    lukshdrQemuContextEnd(&context);

    /* of a domain that runs the new overlays may be in its configuration also if stock failed after that */
    if (rc < 0 && !running)
        return rc;
    said = lukshdrQemuErrorSave();
    if (lukshdrQemuLookState(domain, virDomainIsPersistent) == 1 &&
        !lukshdrQemuSnapshotReverted(domain, overlays, xml, running, &error) && rc == 0) {
        g_prefix_error(
            &error,
            _("domain '%1$s' has gone back to snapshot '%2$s', but its overlays could not "
              "be encrypted, so it will not start; go back to the snapshot again: "),
            virDomainGetName(domain), virDomainSnapshotGetName(snapshot));
        virFreeError(said);
        lukshdrReportError(error);
        return -1;
    }
    lukshdrQemuErrorRestore(said);

    if (rc == 0 && !running && (flags & starts))
        return lukshdrQemuSnapshotStart(domain, flags & VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED);
    return rc;
}

/* When libvirt goes on from an external snapshot, it puts a new overlay on the image that the
 * snapshot kept. */
int
lukshdrQemuSnapshotRevert(virDomainSnapshotPtr snapshot, unsigned int flags)
{
    g_autoptr(GPtrArray) overlays = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;
    bool running;
    guint i;

    if (!lukshdrQemuMay(virDomainSnapshotGetDomain(snapshot),
                        lukshdrQemu.libvirt.virDomainRevertToSnapshotEnsureACL, flags) ||
        !(xml = lukshdrQemuLookSnapshot(snapshot)))
        return -1;

    if (!lukshdrQemuSnapshotCheckDisks(xml, &error) ||
        !(overlays = lukshdrQemuSnapshotXMLReverts(&lukshdrQemu.host, xml, &running, &error))) {
        lukshdrReportError(error);
        return -1;
    }
    /* what was written since the snapshot is gone when it is too late for this */
    for (i = 0; i < overlays->len && !running; i++) {
        const lukshdrQemuOverlay *overlay = g_ptr_array_index(overlays, i);
        g_autoptr(lukshdrSecret) secret = lukshdrQemuSecretPassphrase(overlay->secret, &error);

        if (!secret) {
            lukshdrReportError(error);
            return -1;
        }
    }
    if (overlays->len > 0)
        return lukshdrQemuSnapshotGoBack(snapshot, xml, overlays, running, flags);
    return lukshdrQemuTableStock.domainRevertToSnapshot(snapshot, flags);
}
