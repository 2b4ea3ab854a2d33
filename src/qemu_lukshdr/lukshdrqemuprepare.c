/*
 * lukshdrqemuprepare.c: the one file in which links are looked up
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt prepares every source of every chain before anything is granted or QEMU
 * hears of it, so whatever is wrong with a linked disk is said here.
 *
 * A source whose Prepare fails is not taken apart again: all callers give up the
 * disk or copy they prepared and free it, secrets included (qemuDomainSecretDiskDestroy
 * and the source's own destructor).  That holds for an <encryption> given here, too.
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "../chain/lukshdrchain.h"
#include "../util/lukshdrerror.h"
#include "../util/lukshdrlog.h"
#include "../util/lukshdrxml.h"
#include "lukshdrqemu.h"
#include "lukshdrqemuconfigxml.h"
#include "lukshdrqemudisk.h"
#include "lukshdrqemudomain.h"
#include "lukshdrqemuformat.h"
#include "lukshdrqemuguest.h"
#include "lukshdrqemuheader.h"
#include "lukshdrqemuprepare.h"

/* Who is handed @path?  Sets @link to the link if it is a payload, to NULL if it
 * is nothing to us.  A header volume is nobody's disk: the guest could read and
 * replace the key material. */
static bool
lukshdrQemuPrepareLookup(const char *path, lukshdrLink **link, GError **error)
{
    g_autoptr(lukshdrLink) header = NULL;

    if (!lukshdrRegistryFindPayload(lukshdrQemu.registry, path, link, error))
        return false;
    if (*link)
        return true;

    if (!lukshdrRegistryFindHeader(lukshdrQemu.registry, path, &header, error))
        return false;
    if (!header)
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
                _("'%s' is the header volume '%s' of pool '%s' and cannot be a disk; use its "
                  "linked volume '%s' of pool '%s'"),
                path, header->header.volume, header->header.pool, header->payload.volume,
                header->payload.pool);
    return false;
}

/* A disk without <encryption> gets the link's, and libvirt then makes the secret
 * object, the format layer and their removal by itself. */
static int
lukshdrQemuPrepareEncryption(const lukshdrLink *link, virStorageSource *src)
{
    g_autoptr(xmlDoc) doc = NULL;
    virStorageEncryption *encryption;
    xmlXPathContextPtr ctxt;
    xmlNode *root;

    if (lukshdrQemuSourceEncryption(src))
        return 0;

    doc = xmlNewDoc(NULL);
    root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_ENCRYPTION, NULL);
    xmlDocSetRootElement(doc, root);
    lukshdrQemuConfigXMLEncryption(root, link);
    /* what libvirt adds when it parses a domain; it decides on the format layer by it */
    lukshdrXMLSetAttribute(root, "engine", "qemu");

    ctxt = xmlXPathNewContext(doc);
    encryption = lukshdrQemu.libvirt.virStorageEncryptionParseNode(root, ctxt);
    xmlXPathFreeContext(ctxt);
    if (!encryption)
        return -1;

    lukshdrQemuSourceSetEncryption(src, encryption);
    return 0;
}

/* What later wrappers need to know of a disk.  @nodeName tells it from all others. */
static lukshdrGuestDisk *
lukshdrQemuPrepareRecord(const lukshdrLink *link,
                         const char *path,
                         const char *nodeName,
                         bool readOnly)
{
    lukshdrGuestDisk *disk = g_new0(lukshdrGuestDisk, 1);

    disk->linkUUID = g_strdup(link->uuid);
    disk->nodeName = g_strdup(nodeName);
    disk->payloadPath = g_strdup(path);
    /* the lookup has just examined it; if it is gone by now, QEMU will say so */
    if (!lukshdrIdentityFromPath(path, &disk->payloadIdentity, NULL))
        disk->payloadIdentity = link->payload.identity;
    disk->headerPath = g_strdup(link->header.path);
    /* not the recorded one: the header may have been put back from a backup */
    if (!lukshdrIdentityFromPath(link->header.path, &disk->headerIdentity, NULL))
        disk->headerIdentity = link->header.identity;
    disk->format = g_strdup(link->format);
    disk->headerShared = link->headerShared;
    disk->readOnly = readOnly;
    return disk;
}

/* After stock's Prepare: would the chain be what QEMU is to get?  The record of the disk, or
 * NULL with a libvirt error reported. */
static lukshdrGuestDisk *
lukshdrQemuPrepareCheckChain(const lukshdrLink *link, const char *path, virStorageSource *src)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) props = NULL;
    g_autoptr(lukshdrChain) chain = NULL;
    virJSONValue *stock = lukshdrQemuFormatStock(src, NULL);

    if (!stock)
        return NULL;

    props = lukshdrQemuFormatToObject(stock, &error);
    lukshdrQemu.libvirt.virJSONValueFree(stock);

    if (!props || !(chain = lukshdrChainFromStock(link, props, &error))) {
        lukshdrReportError(error);
        return NULL;
    }
    return lukshdrQemuPrepareRecord(
        link, path, json_object_get_string_member_with_default(props, "node-name", ""),
        json_object_get_boolean_member_with_default(props, "read-only", false));
}

/* Everything that can be said of @src before stock prepares it.  Sets @link if it is
 * a payload. */
static bool
lukshdrQemuPrepareCheck(const char *path, virStorageSource *src, lukshdrLink **link, GError **error)
{
    if (!lukshdrQemuPrepareLookup(path, link, error))
        return false;
    if (!*link)
        return true;

    /* at a start libvirt knows of backing files only later; then the chain refuses them */
    if (lukshdrQemu.libvirt.virStorageSourceHasBacking(src)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("linked volume '%s' of pool '%s' cannot have a backing file: its data would "
                      "be decrypted a second time"),
                    (*link)->payload.volume, (*link)->payload.pool);
        return false;
    }
    return lukshdrQemuHeaderCheck(*link, lukshdrQemu.privileged, error);
}

int
qemuDomainPrepareStorageSourceBlockdev(virDomainDiskDef *disk,
                                       virStorageSource *src,
                                       qemuDomainObjPrivate *priv,
                                       virQEMUDriverConfig *cfg)
{
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    lukshdrGuestDisk *record = NULL;
    int rc;

    if (!lukshdrQemu.active)
        return lukshdrQemu.stock.qemuDomainPrepareStorageSourceBlockdev(disk, src, priv, cfg);

    path = lukshdrQemuSourcePath(src);
    if (path && !lukshdrQemuPrepareCheck(path, src, &link, &error)) {
        lukshdrReportError(error);
        return -1;
    }

    if (link && lukshdrQemuPrepareEncryption(link, src) < 0)
        return -1;

    rc = lukshdrQemu.stock.qemuDomainPrepareStorageSourceBlockdev(disk, src, priv, cfg);
    if (rc < 0)
        return rc;

    if (link) {
        g_autoptr(lukshdrGuestDisk) early = NULL;

        if (!(record = lukshdrQemuPrepareCheckChain(link, path, src)))
            return -1;
        if (lukshdrQemuDiskGetState(src) == LUKSHDR_QEMU_DISK_EARLY &&
            (early = lukshdrQemuDiskFind(src, NULL)))
            lukshdrQemuGuestRename(early->nodeName, record);
    }

    lukshdrQemuDiskAttach(src, record, LUKSHDR_QEMU_DISK_PREPARED);
    return rc;
}

/* Looks @src up before it is prepared, and so without its node name. */
static bool
lukshdrQemuPrepareEarlyOne(virStorageSource *src, const char *guest, GError **error)
{
    g_autoptr(lukshdrGuestDisk) known = lukshdrQemuDiskFind(src, guest);
    g_autoptr(lukshdrLink) link = NULL;
    g_autofree char *path = NULL;
    g_autofree char *token = NULL;
    lukshdrGuestDisk *disk = NULL;

    /* of a guest that was running already when the daemon started */
    if (known)
        return true;

    path = lukshdrQemuSourcePath(src);
    if (path && !lukshdrQemuPrepareCheck(path, src, &link, error))
        return false;

    if (link) {
        g_autofree char *uuid = g_uuid_string_random();

        token = g_strdup_printf("early-%s", uuid);
        disk = lukshdrQemuPrepareRecord(link, path, token, false);
    }
    lukshdrQemuDiskAttach(src, disk, LUKSHDR_QEMU_DISK_EARLY);
    return true;
}

int
lukshdrQemuPrepareEarly(virDomainObj *vm, virStorageSource *src, bool chain)
{
    g_autofree char *name = lukshdrQemuDomainName(vm);
    g_autoptr(GError) error = NULL;
    virStorageSource *n;

    for (n = src; n; n = chain ? lukshdrQemuSourceBacking(n) : NULL) {
        g_autoptr(lukshdrGuestDisk) disk = NULL;

        if (lukshdrQemuDiskGetState(n) == LUKSHDR_QEMU_DISK_UNKNOWN &&
            !lukshdrQemuPrepareEarlyOne(n, name, &error)) {
            lukshdrReportError(error);
            return -1;
        }

        if (!chain && lukshdrQemuDiskGetState(n) == LUKSHDR_QEMU_DISK_EARLY &&
            (disk = lukshdrQemuDiskFind(n, name))) {
            error = g_error_new(LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                                _("linked payload '%s' cannot be the overlay that a snapshot puts "
                                  "above a disk: it cannot have a backing file"),
                                disk->payloadPath);
            lukshdrReportError(error);
            return -1;
        }
    }
    return 0;
}

/* A disk on an SD bus reaches QEMU the old way, as -drive, by which there is no
 * chain: its sources do not come through the function above. */
int
qemuDomainPrepareDiskSource(virDomainDiskDef *disk,
                            qemuDomainObjPrivate *priv,
                            virQEMUDriverConfig *cfg)
{
    int rc = lukshdrQemu.stock.qemuDomainPrepareDiskSource(disk, priv, cfg);
    virStorageSource *n;

    if (rc < 0 || !lukshdrQemu.active)
        return rc;

    for (n = lukshdrQemuDomainDiskSource(disk); n; n = lukshdrQemuSourceBacking(n)) {
        g_autoptr(lukshdrLink) link = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *path = NULL;

        if (lukshdrQemuDiskGetState(n) == LUKSHDR_QEMU_DISK_PREPARED ||
            !(path = lukshdrQemuSourcePath(n)))
            continue;

        if (lukshdrQemuPrepareLookup(path, &link, &error) && link) {
            g_set_error(&error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                        _("linked volume '%s' of pool '%s' cannot be used on this bus; use virtio, "
                          "scsi, sata or usb"),
                        link->payload.volume, link->payload.pool);
        }
        if (error) {
            lukshdrReportError(error);
            return -1;
        }
    }
    return rc;
}
