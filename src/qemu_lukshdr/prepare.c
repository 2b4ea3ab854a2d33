/*
 * prepare.c: what is found out about a source before a guest gets it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt prepares every source of every chain before it grants anything or tells QEMU
 * of the source.  So this file refuses a linked disk if something is wrong with it.
 *
 * If Prepare fails, nothing here undoes what it did to the source.  All callers give up
 * the disk or copy that they prepared and free it, secrets included
 * (qemuDomainSecretDiskDestroy and the source's own destructor).  They also free an
 * <encryption> that this file has added.
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>

#include "chain/chain.h"
#include "link/handle.h"
#include "link/payload.h"
#include "util/error.h"
#include "util/log.h"
#include "util/text.h"
#include "util/xml.h"
#include "qemu.h"
#include "client-xml.h"
#include "context.h"
#include "disk.h"
#include "domain.h"
#include "explain.h"
#include "explicit.h"
#include "guest.h"
#include "header.h"
#include "lookup.h"
#include "network.h"
#include "prepare.h"
#include "props.h"
#include "remote-header.h"
#include "secret.h"
#include "snapshot-xml.h"

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

    ctxt = xmlXPathNewContext(doc);
    encryption = lukshdrQemu.libvirt.virStorageEncryptionParseNode(root, ctxt);
    xmlXPathFreeContext(ctxt);
    if (!encryption)
        return -1;

    lukshdrQemuSourceSetEncryption(src, encryption);
    return 0;
}

/* Returns what later wrappers need to know of a disk.  No other disk has its @nodeName.
 * @headerNode is the node of a header without a path, where it is known. */
static lukshdrGuestDisk *
lukshdrQemuPrepareRecord(const lukshdrLink *link,
                         const char *path,
                         const char *nodeName,
                         const char *headerNode,
                         bool headerExplicit,
                         bool readOnly)
{
    lukshdrGuestDisk *disk = g_new0(lukshdrGuestDisk, 1);

    disk->linkUUID = g_strdup(link->uuid);
    disk->nodeName = g_strdup(nodeName);
    disk->payloadPath = g_strdup(path);
    /* the lookup has just examined the payload; if it is gone by now, QEMU will say so */
    if (!g_path_is_absolute(path) || !lukshdrIdentityFromPath(path, &disk->payloadIdentity, NULL))
        disk->payloadIdentity = link->payload.identity;
    if (link->header.remote) {
        disk->headerPath = lukshdrRemoteKey(link->header.remote);
        disk->headerIdentity = link->header.identity;
        disk->headerNode = g_strdup(headerNode);
    } else {
        disk->headerPath = g_strdup(link->header.path);
        /* not the recorded one: the header may have been put back from a backup */
        if (!lukshdrIdentityFromPath(link->header.path, &disk->headerIdentity, NULL))
            disk->headerIdentity = link->header.identity;
    }
    /* the format of a payload that is not linked is known only after stock's Prepare */
    disk->format = g_strdup(link->format ? link->format : "raw");
    disk->headerShared = link->headerShared;
    disk->headerExplicit = headerExplicit;
    disk->readOnly = readOnly;
    return disk;
}

/* The format of an encrypted payload that stock's @props open, by libvirt's name */
static char *
lukshdrQemuPrepareFormat(JsonObject *props)
{
    const char *driver = json_object_get_string_member_with_default(props, "driver", "");

    return g_strdup(g_str_equal(driver, "luks") ? "raw" : driver);
}

/* Some releases of libvirt refuse a shared disk that has an <encryption>, when they check the
 * domain. They have not seen an <encryption> that Prepare adds, so check here.  Returns false with
 * a libvirt error reported. */
static bool
lukshdrQemuPrepareCheckShared(const lukshdrLink *link, virStorageSource *src)
{
    g_autoptr(GError) error = NULL;

    if (!lukshdrQemuSourceIsShared(src) ||
        LUKSHDR_STOCK(qemuBlockStorageSourceSupportsConcurrentAccess)(src))
        return true;

    error = g_error_new(
        LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
        _("linked volume '%s' of pool '%s' cannot be shared with another guest that "
          "writes: libvirt supports that only for formats without encryption"),
        link->payload.volume, link->payload.pool);
    lukshdrReportError(error);
    return false;
}

/* Would QEMU open other files because the content of the payload at @path names them?  Anybody who
 * can write to the payload's pool chooses those names, and may name another guest's disk, which
 * this QEMU's user may open as well.  "backing": null in the chain keeps QEMU from opening a
 * backing file; nothing keeps it from opening a data file.  The link must know the payload's
 * format. */
static bool
lukshdrQemuPrepareCheckContent(const lukshdrLink *link, const char *path, GError **error)
{
    bool isRaw = g_str_equal(link->format, "raw");
    g_autoptr(lukshdrVolume) vol = NULL;
    g_autoptr(lukshdrHandle) handle = NULL;
    g_autoptr(GError) local = NULL;

    if (isRaw && link->payload.remote)
        return true;

    vol = g_new0(lukshdrVolume, 1);
    lukshdrVolumeCopy(vol, &link->payload);
    /* open the path that the domain names: the identity shows whether that is the payload.  An image of a
     * cluster was recognised by its identity, and is found by that under another name, too. */
    if (!vol->remote && !lukshdrHandleIsOwnName(&link->payload, path)) {
        g_free(vol->path);
        vol->path = realpath(path, NULL); /* malloc is GLib's allocator since 2.46 */
    }

    /* a payload that is not linked has no recorded identity */
    handle = lukshdrHandleOpen(
        vol, vol->identity.type == LUKSHDR_IDENTITY_NONE ? LUKSHDR_HANDLE_NEW : LUKSHDR_HANDLE_READ,
        &local);
    /* raw content names no files, so that root cannot read it, as on some shares, is no reason to refuse it */
    if ((!handle && isRaw) ||
        (handle && lukshdrPayloadCheck(handle, link->format, &local) &&
         /* the guest would see garbage, and might write over what somebody has nowhere else */
         lukshdrPayloadCheckCipher(handle, link->format, &local)))
        return true;

    g_propagate_prefixed_error(error, g_steal_pointer(&local),
                               _("volume '%s' of pool '%s' cannot be a disk at path '%s': "),
                               vol->volume, vol->pool, path);
    return false;
}

/* Runs after stock's Prepare: can the chain be built for QEMU?  Returns the record of the disk, or
 * NULL with a libvirt error reported. */
static lukshdrGuestDisk *
lukshdrQemuPrepareCheckChain(lukshdrLink *link,
                             const char *path,
                             bool headerExplicit,
                             const char *headerNode,
                             virStorageSource *src)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) props = NULL;
    g_autoptr(lukshdrChain) chain = NULL;
    virJSONValue *stock = lukshdrQemuPropsStock(src, NULL);
    bool readOnly;

    if (!stock)
        return NULL;

    props = lukshdrQemuPropsToObject(stock, &error);
    lukshdrQemu.libvirt.virJSONValueFree(stock);

    /* if the payload is not linked, only the domain tells its format */
    if (props && !link->format) {
        link->format = lukshdrQemuPrepareFormat(props);
        if (!lukshdrQemuPrepareCheckContent(link, path, &error))
            g_clear_pointer(&props, json_object_unref);
    }

    if (!props || !(chain = lukshdrChainFromStock(link, props, &error))) {
        lukshdrReportError(error);
        return NULL;
    }
    readOnly = json_object_get_boolean_member_with_default(props, "read-only", false);
    if (!readOnly && !lukshdrQemuPrepareCheckShared(link, src))
        return NULL;
    return lukshdrQemuPrepareRecord(
        link, path, json_object_get_string_member_with_default(props, "node-name", ""), headerNode,
        headerExplicit, readOnly);
}

/* Does @src, which is no file or device, lead to a volume of a link? */
static bool
lukshdrQemuPrepareCheckRoads(virStorageSource *src, GError **error)
{
    g_autofree char *dir = lukshdrQemuSourceDirectory(src);
    g_autoptr(JsonObject) network = lukshdrQemuSourceNetwork(src);

    return (!dir || lukshdrQemuLookupDirectory(&lukshdrQemu.host, dir, error)) &&
           (!network || lukshdrQemuNetworkCheck(&lukshdrQemu.host, network, error));
}

/* Is @src an image of a cluster, and is that image the payload of a link?  If so, sets @link, and
 * sets
 * @path to the name that the record of the disk shall use for it. */
static bool
lukshdrQemuPrepareCheckRemote(virStorageSource *src,
                              char **path,
                              lukshdrLink **link,
                              GError **error)
{
    g_autoptr(lukshdrRemote) remote = NULL;
    g_autoptr(lukshdrLink) linked = NULL;
    g_autofree char *secret = NULL;

    if (!lukshdrQemuSourceRemote(src, &remote, error))
        return false;
    if (!remote)
        return true;
    if (!lukshdrQemuLookupRemote(&lukshdrQemu.host, remote, &linked, error))
        return false;
    if (!linked)
        return true;

    secret = lukshdrQemuSourceSecretUUID(src);
    if (!lukshdrQemuLookupRemoteNamed(linked, remote, secret, error))
        return false;
    *path = lukshdrRemoteKey(remote);
    *link = g_steal_pointer(&linked);
    return true;
}

/* Checks all that can be checked of @src before stock prepares it.  @path is the path of @src, or
 * NULL if it is neither file nor device; @header is what metadata names for it, or NULL.  If @src
 * is a payload, sets @link; if it is an image of a cluster, sets @path to the name for the disk's
 * record. */
static bool
lukshdrQemuPrepareCheck(char **path,
                        virStorageSource *src,
                        const lukshdrQemuHeaderSource *header,
                        lukshdrLink **link,
                        GError **error)
{
    const lukshdrQemuContext *context = lukshdrQemuContextFind(LUKSHDR_QEMU_CONTEXT_PREPARE, NULL);
    g_autoptr(lukshdrLink) linked = NULL;

    if (!*path && header) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                            _("the domain's metadata names a header for a disk that is neither a "
                              "file nor a block device"));
        return false;
    }
    if (!*path) {
        if (!lukshdrQemuPrepareCheckRemote(src, path, &linked, error))
            return false;
    } else {
        g_autofree char *secret = NULL;

        if (!lukshdrQemuLookup(&lukshdrQemu.host, *path, &linked, error))
            return false;
        if (linked)
            secret = lukshdrQemuSourceSecretUUID(src);
        if (linked && !lukshdrQemuLookupNamed(&lukshdrQemu.host, linked, *path, secret, error))
            return false;
    }
    if (!linked && !header)
        return true;

    /* at a start libvirt knows of backing files only later; then the chain refuses them */
    if (lukshdrQemu.libvirt.virStorageSourceHasBacking(src)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("linked payload '%s' cannot have a backing file: its data would be decrypted "
                      "a second time"),
                    *path);
        return false;
    }
    if (header) {
        *link = lukshdrQemuExplicitLink(header, *path, linked,
                                        lukshdrQemuSourceEncryption(src) != NULL,
                                        lukshdrQemu.host.privileged, error);
        return *link && (!linked || lukshdrQemuPrepareCheckContent(*link, *path, error));
    }
    *link = g_steal_pointer(&linked);
    return lukshdrQemuHeaderCheck(*link, lukshdrQemu.host.privileged,
                                  context ? context->checks : NULL, error) &&
           lukshdrQemuPrepareCheckContent(*link, *path, error);
}

/* Returns the linked disk in the chain of @top, if @src is not in that chain: @src shall then
 * become an overlay above the linked disk or a copy of it. */
static lukshdrGuestDisk *
lukshdrQemuPrepareFindBelow(virStorageSource *top, virStorageSource *src)
{
    lukshdrGuestDisk *linked = NULL;
    virStorageSource *n;

    for (n = top; n && n != src; n = lukshdrQemuSourceBacking(n)) {
        if (!linked)
            linked = lukshdrQemuDiskFind(n, NULL);
    }
    if (n)
        g_clear_pointer(&linked, lukshdrGuestDiskFree);
    return linked;
}

/* Does @disk, as it is now, have the payload of @link?  The records of other guests do not
 * count. */
static bool
lukshdrQemuPrepareHas(virDomainDiskDef *disk, const lukshdrLink *link)
{
    virStorageSource *n;

    for (n = lukshdrQemuDomainDiskSource(disk); n; n = lukshdrQemuSourceBacking(n)) {
        g_autoptr(lukshdrGuestDisk) linked = NULL;

        if (lukshdrQemuDiskGetState(n) == LUKSHDR_QEMU_DISK_PREPARED &&
            (linked = lukshdrQemuDiskFind(n, NULL)) && g_str_equal(linked->linkUUID, link->uuid))
            return true;
    }
    return false;
}

/* @src, at @path, is @link's payload.  If it is neither the disk's own image nor the file to which
 * the client copies, then another image says that @src is behind it or has its data.  Anybody who
 * can write to that image can change what it says, so the domain must name @src itself.  If its XML
 * does so in a <backingStore>, @src has an <encryption> by now; so has the target of a copy that
 * the client gave as XML. */
static bool
lukshdrQemuPrepareNamed(virDomainDiskDef *disk,
                        const lukshdrLink *link,
                        virStorageSource *src,
                        const char *path,
                        GError **error)
{
    const lukshdrQemuContext *copy = lukshdrQemuContextFind(LUKSHDR_QEMU_CONTEXT_COPY, NULL);

    if (!disk || src == lukshdrQemuDomainDiskSource(disk) || lukshdrQemuSourceEncryption(src) ||
        (copy && copy->target && g_str_equal(copy->target, path)) ||
        lukshdrQemuPrepareHas(disk, link))
        return true;

    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
        _("an image of disk '%s' says that linked volume '%s' of pool '%s' is its backing "
          "file or data file, and the domain's XML does not say so; if it is true, name the volume "
          "there in a <backingStore> of the disk, or in a <dataStore> with its <encryption>"),
        lukshdrQemuDomainDiskTarget(disk), link->payload.volume, link->payload.pool);
    return false;
}

/* @src shall become an image of @disk and is not in its chain yet.  Metadata names a header for a
 * disk, not for an image: at the next start that header would be used for @src.  So a disk with
 * such a header gets no other image.  And what the guest writes to an overlay must not be stored
 * unencrypted unless somebody asked for that.  A client that copies a disk has asked for it. */
static bool
lukshdrQemuPrepareOther(virDomainDiskDef *disk, virStorageSource *src, GError **error)
{
    g_autoptr(lukshdrGuestDisk) below = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    g_autofree char *ways = NULL;

    if (disk)
        below = lukshdrQemuPrepareFindBelow(lukshdrQemuDomainDiskSource(disk), src);
    if (!below)
        return true;

    if (below->headerExplicit) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("disk '%s' is opened with header '%s', which the domain's metadata names for "
                      "it: it can have no overlay and be moved to no other image"),
                    lukshdrQemuDomainDiskTarget(disk), below->headerPath);
        return false;
    }

    if (lukshdrQemuContextFind(LUKSHDR_QEMU_CONTEXT_COPY, NULL) || lukshdrQemuSourceEncryption(src))
        return true;

    /* libvirt has made up this overlay itself, and whoever asked for that was told what is not possible */
    if (lukshdrQemuContextFind(LUKSHDR_QEMU_CONTEXT_REVERT, NULL) &&
        (link = lukshdrRegistryGet(lukshdrQemu.host.registry, below->linkUUID)) &&
        link->secretUUID) {
        if (lukshdrQemuPrepareEncryption(link, src) == 0)
            return true;
        lukshdrErrorFromLast(error);
        return false;
    }

    ways = lukshdrQemuSnapshotXMLWays(below->format);
    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
        _("an overlay above disk '%1$s' would hold data of linked payload '%2$s' unencrypted: "
          "%3$s"),
        lukshdrQemuDomainDiskTarget(disk), below->payloadPath, ways);
    return false;
}

/* A client may copy a linked disk to a plain image: that is not refused, but the log says so. */
static void
lukshdrQemuPrepareWarnCopy(virDomainDiskDef *disk, virStorageSource *src, const char *path)
{
    g_autoptr(lukshdrGuestDisk) below = NULL;

    if (!lukshdrQemuContextFind(LUKSHDR_QEMU_CONTEXT_COPY, NULL) || !disk ||
        lukshdrQemuSourceEncryption(src) ||
        !(below = lukshdrQemuPrepareFindBelow(lukshdrQemuDomainDiskSource(disk), src)))
        return;

    LUKSHDR_LOG_WARN(_("Linked payload '%s' is being copied to '%s', which is not encrypted"),
                     below->payloadPath, path ? path : "");
}

/* @src, at @path, is not linked, and @disk starts with it.  Its <encryption> is then for a LUKS header within the image.
 * If there is none, QEMU fails in words that name no disk; and the image may be a payload whose link was lost. */
static bool
lukshdrQemuPrepareCheckAttached(virDomainDiskDef *disk,
                                virStorageSource *src,
                                const char *path,
                                GError **error)
{
    g_autofree char *real = NULL;
    g_autofree char *format = NULL;
    g_autofree char *word = NULL;
    g_autoptr(lukshdrHandle) volume = NULL;
    g_autoptr(JsonObject) props = NULL;
    virJSONValue *stock;

    /* the target of a copy or a snapshot gets its header later */
    if (!disk || src != lukshdrQemuDomainDiskSource(disk) || !lukshdrQemuSourceEncryption(src) ||
        !(real = realpath(path, NULL)) || /* malloc is GLib's allocator since 2.46 */
        !(volume = lukshdrHandleOpenPath(real, LUKSHDR_HANDLE_READ, NULL)))
        return true;

    if (!(stock = lukshdrQemuPropsStock(src, NULL))) {
        lukshdrErrorFromLast(error);
        return false;
    }
    props = lukshdrQemuPropsToObject(stock, error);
    lukshdrQemu.libvirt.virJSONValueFree(stock);
    if (!props)
        return false;
    format = lukshdrQemuPrepareFormat(props);
    /* the header of a <slice>, by libvirt's name for its node, is not at the beginning */
    if (g_str_has_suffix(json_object_get_string_member_with_default(props, "file", ""),
                         "-slice-sto") ||
        lukshdrPayloadHasHeader(volume, format))
        return true;

    word = lukshdrTextShellWord(path);
    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
        _("disk '%1$s' is encrypted according to the domain's XML, but '%2$s' has no LUKS header of its "
          "own and is no linked volume of this host; if its header is a volume apart, link the two: "
          "virt-lukshdr link %3$s HEADER --secret UUID"),
        lukshdrQemuDomainDiskTarget(disk), path, word);
    return false;
}

int
qemuDomainPrepareStorageSourceBlockdev(virDomainDiskDef *disk,
                                       virStorageSource *src,
                                       qemuDomainObjPrivate *priv,
                                       virQEMUDriverConfig *cfg)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
    g_autoptr(lukshdrQemuHeaderSource) header = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    lukshdrGuestDisk *record = NULL;
    int rc;

    if (!lukshdrQemu.active)
        return LUKSHDR_STOCK(qemuDomainPrepareStorageSourceBlockdev)(disk, src, priv, cfg);

    path = lukshdrQemuSourcePath(src);
    if (!lukshdrQemuPrepareCheckRoads(src, &error) || !lukshdrQemuPrepareOther(disk, src, &error) ||
        !lukshdrQemuExplicitFind(disk, src, &header, &error) ||
        !lukshdrQemuPrepareCheck(&path, src, header, &link, &error)) {
        lukshdrReportError(error);
        return -1;
    }

    if (link && !header && !lukshdrQemuPrepareNamed(disk, link, src, path, &error)) {
        lukshdrReportError(error);
        return -1;
    }

    if (link && lukshdrQemuPrepareEncryption(link, src) < 0)
        return -1;
    lukshdrQemuPrepareWarnCopy(disk, src, path);

    rc = LUKSHDR_STOCK(qemuDomainPrepareStorageSourceBlockdev)(disk, src, priv, cfg);
    if (rc < 0) {
        if (link)
            lukshdrQemuExplainMissing(link);
        else if (path)
            lukshdrQemuExplainUnknown(disk, src, path);
        return rc;
    }

    if (!link && path && !lukshdrQemuPrepareCheckAttached(disk, src, path, &error)) {
        lukshdrReportError(error);
        return -1;
    }

    if (link) {
        g_autoptr(lukshdrGuestDisk) early = NULL;
        g_autofree char *headerNode = NULL;

        if (!lukshdrQemuRemoteHeaderPrepare(src, link, priv, cfg, &headerNode) ||
            !(record = lukshdrQemuPrepareCheckChain(link, path, header != NULL, headerNode, src)))
            return -1;
        if (lukshdrQemuDiskGetState(src) == LUKSHDR_QEMU_DISK_EARLY &&
            (early = lukshdrQemuDiskFind(src, NULL)))
            lukshdrQemuGuestRename(early->nodeName, record);
    }

    lukshdrQemuDiskAttach(src, record, LUKSHDR_QEMU_DISK_PREPARED);
    return rc;
}

/* Looks @src up before libvirt prepares it, when it has no node name yet. */
static bool
lukshdrQemuPrepareEarlyOne(virStorageSource *src, const char *guest, GError **error)
{
    g_autoptr(lukshdrGuestDisk) known = lukshdrQemuDiskFind(src, guest);
    g_autoptr(lukshdrQemuHeaderSource) header = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    g_autofree char *path = NULL;
    g_autofree char *token = NULL;
    lukshdrGuestDisk *disk = NULL;

    /* a disk of a guest that ran already when the daemon started */
    if (known)
        return true;

    path = lukshdrQemuSourcePath(src);
    if (!lukshdrQemuPrepareCheckRoads(src, error) ||
        !lukshdrQemuExplicitFind(NULL, src, &header, error) ||
        !lukshdrQemuPrepareCheck(&path, src, header, &link, error))
        return false;

    if (link) {
        g_autofree char *uuid = g_uuid_string_random();

        token = g_strdup_printf("early-%s", uuid);
        disk = lukshdrQemuPrepareRecord(link, path, token, NULL, header != NULL, false);
    }
    lukshdrQemuDiskAttach(src, disk, LUKSHDR_QEMU_DISK_EARLY);
    return true;
}

int
lukshdrQemuPrepareEarly(virDomainObj *vm, virStorageSource *src, bool chain)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
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

/* libvirt gives QEMU a disk on an SD bus the old way, as -drive, which cannot describe the
 * chain.  The sources of such a disk do not come through the function above. */
int
qemuDomainPrepareDiskSource(virDomainDiskDef *disk,
                            qemuDomainObjPrivate *priv,
                            virQEMUDriverConfig *cfg)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
    int rc = LUKSHDR_STOCK(qemuDomainPrepareDiskSource)(disk, priv, cfg);
    virStorageSource *n;

    if (rc < 0 || !lukshdrQemu.active)
        return rc;

    for (n = lukshdrQemuDomainDiskSource(disk); n; n = lukshdrQemuSourceBacking(n)) {
        g_autoptr(lukshdrQemuHeaderSource) header = NULL;
        g_autoptr(lukshdrLink) link = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *path = NULL;

        if (lukshdrQemuDiskGetState(n) == LUKSHDR_QEMU_DISK_PREPARED)
            continue;

        if (lukshdrQemuPrepareCheckRoads(n, &error) &&
            lukshdrQemuExplicitFind(disk, n, &header, &error) && header) {
            g_set_error(
                &error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                _("the header that the domain's metadata names for disk '%s' cannot be used "
                  "on this bus; use virtio, scsi, sata or usb"),
                lukshdrQemuDomainDiskTarget(disk));
        }
        if (!error && (path = lukshdrQemuSourcePath(n)) &&
            !lukshdrQemuLookup(&lukshdrQemu.host, path, &link, &error))
            g_clear_pointer(&link, lukshdrLinkUnref);
        if (!error && !path)
            (void)lukshdrQemuPrepareCheckRemote(n, &path, &link, &error);
        if (link) {
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
