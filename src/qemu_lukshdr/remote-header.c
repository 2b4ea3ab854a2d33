/*
 * remote-header.c: headers without a path
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt attaches and detaches a disk image by image, from the top image to the last one behind
 * it, and begins to attach with the last.  So for that moment, while the domain is locked, the headers of a
 * chain's payloads stand behind its last image: they are there before the luks nodes that name them, and
 * go after these.
 *
 * A daemon that starts while guests run reads their images, nodes and secret objects from what it kept of
 * them, but knows nothing of headers.  The guest's record has the name of the node, and libvirt's own parser
 * makes of that an image that can be detached.
 */

#include "config.h"

#include "remote-header.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "chain/forms.h"
#include "util/error.h"
#include "util/log.h"
#include "util/xml.h"
#include "qemu.h"
#include "context.h"
#include "disk.h"
#include "guest.h"
#include "props.h"

#define LUKSHDR_QEMU_STORAGE_SUFFIX "-storage"
#define LUKSHDR_QEMU_FORMAT_SUFFIX "-format"

/* The QEMU driver's, which reads what libvirt keeps of running guests.  Set before there are guests. */
static virDomainXMLOption *lukshdrQemuRemoteHeaderXMLOption;

/* of a payload's source: its header's source, a reference */
static GQuark
lukshdrQemuRemoteHeaderQuark(void)
{
    return g_quark_from_static_string("lukshdr-qemu-remote-header");
}

/* of a header's source: that it is one */
static GQuark
lukshdrQemuRemoteHeaderMarkQuark(void)
{
    return g_quark_from_static_string("lukshdr-qemu-remote-header-mark");
}

/* of a header's source: what is really behind the image before it, no reference */
static GQuark
lukshdrQemuRemoteHeaderEndQuark(void)
{
    return g_quark_from_static_string("lukshdr-qemu-remote-header-end");
}

virDomainXMLOption *
virQEMUDriverCreateXMLConf(virQEMUDriver *driver, const char *defsecmodel)
{
    virDomainXMLOption *xmlopt = LUKSHDR_STOCK(virQEMUDriverCreateXMLConf)(driver, defsecmodel);

    g_atomic_pointer_set(&lukshdrQemuRemoteHeaderXMLOption, xmlopt);
    return xmlopt;
}

/* Adds to @source what libvirt keeps of an image of a running guest (its qemu_domain.c,
 * qemuStorageSourcePrivateDataParse): the image's top node is @node. */
static void
lukshdrQemuRemoteHeaderAddStatus(xmlNode *source, const char *node)
{
    xmlNode *data = lukshdrXMLAddChild(source, "privateData", NULL);
    xmlNode *names = lukshdrXMLAddChild(data, "nodenames", NULL);
    xmlNode *objects = lukshdrXMLAddChild(data, "objects", NULL);
    g_autofree char *storage = g_strdup(node);
    g_autofree char *alias = NULL;
    xmlNode *child;

    if (g_str_has_suffix(node, LUKSHDR_QEMU_FORMAT_SUFFIX)) {
        child = lukshdrXMLAddChild(names, "nodename", NULL);
        lukshdrXMLSetAttribute(child, "type", "format");
        lukshdrXMLSetAttribute(child, "name", node);
        g_free(storage);
        storage = g_strdup_printf("%.*s" LUKSHDR_QEMU_STORAGE_SUFFIX,
                                  (int)(strlen(node) - strlen(LUKSHDR_QEMU_FORMAT_SUFFIX)), node);
    }
    child = lukshdrXMLAddChild(names, "nodename", NULL);
    lukshdrXMLSetAttribute(child, "type", "storage");
    lukshdrXMLSetAttribute(child, "name", storage);

    /* qemuAliasForSecret in libvirt's qemu_alias.c.  It does not matter if there is no such object. */
    alias = g_strconcat(storage, "-auth-secret0", NULL);
    child = lukshdrXMLAddChild(objects, LUKSHDR_XML_SECRET, NULL);
    lukshdrXMLSetAttribute(child, "type", "auth");
    lukshdrXMLSetAttribute(child, "alias", alias);
}

/* Returns a source for the header at @remote: one that is new, or, with @node, one that QEMU has open
 * under that name.  Unreffed by the caller; NULL with a libvirt error reported. */
static virStorageSource *
lukshdrQemuRemoteHeaderSource(const lukshdrRemote *remote, const char *node)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_DISK, NULL);
    virDomainXMLOption *xmlopt = g_atomic_pointer_get(&lukshdrQemuRemoteHeaderXMLOption);
    g_autofree char *text = NULL;
    virStorageSource *header;
    xmlNode *source;
    xmlNode *driver;

    xmlDocSetRootElement(doc, root);
    lukshdrXMLSetAttribute(root, "type", "network");
    driver = lukshdrXMLAddChild(root, "driver", NULL);
    lukshdrXMLSetAttribute(driver, "name", "qemu");
    lukshdrXMLSetAttribute(driver, "type", "raw");
    source = lukshdrXMLAddChild(root, LUKSHDR_XML_SOURCE, NULL);
    lukshdrChainDiskRemote(source, source, remote);
    if (node)
        lukshdrQemuRemoteHeaderAddStatus(source, node);

    text = lukshdrXMLFormat(root);
    if (!(header = lukshdrQemu.libvirt.virDomainDiskDefParseSource(
              text, xmlopt, node ? LUKSHDR_VIR_DOMAIN_DEF_PARSE_STATUS : 0)))
        return NULL;

    g_object_set_qdata(G_OBJECT(header), lukshdrQemuRemoteHeaderMarkQuark(), GINT_TO_POINTER(1));
    lukshdrQemuDiskAttach(header, NULL, LUKSHDR_QEMU_DISK_PREPARED);
    return header;
}

/* Stock could not get the key of the header's user.  libvirt's message does not say what it is for. */
static void
lukshdrQemuRemoteHeaderExplain(const lukshdrLink *link)
{
    const lukshdrRemote *remote = link->header.remote;
    virErrorPtr last = virGetLastError();
    g_autofree char *said = NULL;
    g_autoptr(GError) error = NULL;

    if (!last || last->code != VIR_ERR_NO_SECRET)
        return;

    /* as lukshdrQemuPrepareExplainSecret */
    said = g_strdup(last->str2 ? last->str2 : last->message);
    error = g_error_new(
        LUKSHDR_ERROR, VIR_ERR_NO_SECRET,
        remote->kind == LUKSHDR_LOCATION_ISCSI
            ? _("%s; this host has not the password of iSCSI user '%s', with which "
                "header volume '%s' of pool '%s' is opened")
            : _("%s; this host has not the key of Ceph user '%s', with which header "
                "volume '%s' of pool '%s' is opened"),
        said, remote->user, link->header.volume, link->header.pool);
    lukshdrReportError(error);
}

/* Returns the name of the node that QEMU will have on top of @header, or NULL with an error set */
static char *
lukshdrQemuRemoteHeaderNode(virStorageSource *header, GError **error)
{
    virErrorPtr saved = lukshdrQemuErrorSave();
    virJSONValue *props;
    char *name;

    /* newer releases need no format node for a raw image, and 9.0 always has one */
    if (LUKSHDR_STOCK(qemuBlockStorageSourceGetFormatNodename) &&
        !LUKSHDR_STOCK(qemuBlockStorageSourceGetFormatNodename)(header))
        props = LUKSHDR_STOCK(qemuBlockStorageSourceGetBackendProps)(header, 0);
    else
        props = lukshdrQemuPropsStock(header, NULL);
    name = lukshdrQemuPropsNodeName(props);
    if (props)
        lukshdrQemu.libvirt.virJSONValueFree(props);
    lukshdrQemuErrorRestore(saved);

    if (!name) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                            _("libvirt does not name the node of a header"));
    }
    return name;
}

bool
lukshdrQemuRemoteHeaderPrepare(virStorageSource *src,
                               const lukshdrLink *link,
                               qemuDomainObjPrivate *priv,
                               virQEMUDriverConfig *cfg,
                               char **node)
{
    g_autoptr(virStorageSource) header = NULL;
    g_autoptr(GError) error = NULL;

    *node = NULL;
    if (!link->header.remote)
        return true;

    if (!lukshdrQemu.remoteHeaders) {
        error = g_error_new(LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                            _("linked volume '%s' of pool '%s' has its header on a Ceph cluster or "
                              "an iSCSI target, which cannot be used with this libvirt"),
                            link->payload.volume, link->payload.pool);
        lukshdrReportError(error);
        return false;
    }

    if (!(header = lukshdrQemuRemoteHeaderSource(link->header.remote, NULL)))
        return false;
    /* no disk: its cache mode and the like are for the guest's data */
    if (LUKSHDR_STOCK(qemuDomainPrepareStorageSourceBlockdev)(NULL, header, priv, cfg) < 0) {
        lukshdrQemuRemoteHeaderExplain(link);
        return false;
    }
    if (!(*node = lukshdrQemuRemoteHeaderNode(header, &error))) {
        lukshdrReportError(error);
        return false;
    }
    g_object_set_qdata_full(G_OBJECT(src), lukshdrQemuRemoteHeaderQuark(), g_steal_pointer(&header),
                            g_object_unref);
    return true;
}

virStorageSource *
lukshdrQemuRemoteHeaderBehind(virStorageSource *backing)
{
    if (!backing || !g_object_get_qdata(G_OBJECT(backing), lukshdrQemuRemoteHeaderMarkQuark()))
        return backing;
    return g_object_get_qdata(G_OBJECT(backing), lukshdrQemuRemoteHeaderEndQuark());
}

/* Gives @src, which this daemon has not prepared, the header that the guest's record names, if it names
 * one.  Two guests may have the same payload: the node's name tells whose @src is. */
static void
lukshdrQemuRemoteHeaderRecall(virStorageSource *src)
{
    g_autoptr(lukshdrGuestDisk) disk = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    g_autofree char *node = NULL;
    virStorageSource *header;
    virJSONValue *format;
    virErrorPtr saved;

    if (g_object_get_qdata(G_OBJECT(src), lukshdrQemuRemoteHeaderQuark()) ||
        lukshdrQemuDiskGetState(src) != LUKSHDR_QEMU_DISK_UNKNOWN)
        return;

    saved = lukshdrQemuErrorSave();
    if (lukshdrQemuGuestsAny() && (format = lukshdrQemuPropsStock(src, NULL))) {
        node = lukshdrQemuPropsNodeName(format);
        lukshdrQemu.libvirt.virJSONValueFree(format);
        disk = lukshdrQemuDiskFindNode(src, node);
    }
    if (disk && disk->headerNode) {
        link = lukshdrQemuDiskLink(disk);
        if ((header = lukshdrQemuRemoteHeaderSource(link->header.remote, disk->headerNode))) {
            g_object_set_qdata_full(G_OBJECT(src), lukshdrQemuRemoteHeaderQuark(), header,
                                    g_object_unref);
        } else {
            LUKSHDR_LOG_WARN(_("QEMU keeps header volume '%s' open until the guest ends: %s"),
                             disk->headerPath, virGetLastErrorMessage());
        }
    }
    lukshdrQemuErrorRestore(saved);
}

static void
lukshdrQemuRemoteHeaderCollect(virStorageSource *src, bool recall, GPtrArray *headers)
{
    virStorageSource *header;

    if (!src)
        return;
    if (recall)
        lukshdrQemuRemoteHeaderRecall(src);
    if ((header = g_object_get_qdata(G_OBJECT(src), lukshdrQemuRemoteHeaderQuark())))
        g_ptr_array_add(headers, header);
}

/* Calls @func for the chain of @top with @headers behind @last, which is the last image of it that
 * matters.  The images that are told what is behind them see @end there. */
static qemuBlockStorageSourceChainData *
lukshdrQemuRemoteHeaderCall(qemuBlockStorageSourceChainData *(*func)(virStorageSource *top),
                            virStorageSource *top,
                            virStorageSource *last,
                            virStorageSource *end,
                            GPtrArray *headers)
{
    virStorageSource *behind = lukshdrQemuSourceBacking(last);
    qemuBlockStorageSourceChainData *data;
    virStorageSource *n = last;
    guint i;

    for (i = 0; i < headers->len; i++) {
        virStorageSource *header = g_ptr_array_index(headers, i);

        g_object_set_qdata(G_OBJECT(header), lukshdrQemuRemoteHeaderEndQuark(),
                           n == last ? end : NULL);
        lukshdrQemuSourceSetBacking(n, header);
        n = header;
    }
    data = func(top);
    lukshdrQemuSourceSetBacking(last, behind);
    for (i = 0; i < headers->len; i++)
        lukshdrQemuSourceSetBacking(g_ptr_array_index(headers, i), NULL);
    return data;
}

/* Calls @func for the chain of @top and the headers of all images in it */
static qemuBlockStorageSourceChainData *
lukshdrQemuRemoteHeaderCallChain(qemuBlockStorageSourceChainData *(*func)(virStorageSource *top),
                                 virStorageSource *top,
                                 bool recall)
{
    g_autoptr(GPtrArray) headers = g_ptr_array_new();
    virStorageSource *n = top;

    if (!lukshdrQemu.active || !lukshdrQemu.remoteHeaders || !top)
        return func(top);

    for (;;) {
        lukshdrQemuRemoteHeaderCollect(n, recall, headers);
        lukshdrQemuRemoteHeaderCollect(lukshdrQemuSourceDataStore(n), recall, headers);
        if (!lukshdrQemu.libvirt.virStorageSourceHasBacking(n))
            break;
        n = lukshdrQemuSourceBacking(n);
    }
    if (headers->len == 0)
        return func(top);
    return lukshdrQemuRemoteHeaderCall(func, top, n, lukshdrQemuSourceBacking(n), headers);
}

qemuBlockStorageSourceChainData *
qemuBuildStorageSourceChainAttachPrepareBlockdev(virStorageSource *top)
{
    return lukshdrQemuRemoteHeaderCallChain(
        LUKSHDR_STOCK(qemuBuildStorageSourceChainAttachPrepareBlockdev), top, false);
}

/* For the target of a copy or backup, or the overlay of a snapshot, each alone.  Only a copy attaches all
 * that it gets from here; the others look at the one image that they know of. */
qemuBlockStorageSourceChainData *
qemuBuildStorageSourceChainAttachPrepareBlockdevTop(virStorageSource *top,
                                                    virStorageSource *backingStore)
{
    g_autoptr(GPtrArray) headers = g_ptr_array_new();
    g_autoptr(GError) error = NULL;

    if (lukshdrQemu.active && lukshdrQemu.remoteHeaders)
        lukshdrQemuRemoteHeaderCollect(top, false, headers);
    if (headers->len == 0) {
        return LUKSHDR_STOCK(qemuBuildStorageSourceChainAttachPrepareBlockdevTop)(top,
                                                                                  backingStore);
    }

    if (!lukshdrQemuContextFind(LUKSHDR_QEMU_CONTEXT_COPY, NULL)) {
        g_autoptr(lukshdrGuestDisk) disk = lukshdrQemuDiskFind(top, NULL);

        error = g_error_new(
            LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
            _("linked payload '%s' has its header on a Ceph cluster or an iSCSI "
              "target and cannot be the target of a backup: copy the disk to it (virsh blockcopy)"),
            disk ? disk->payloadPath : "");
        lukshdrReportError(error);
        return NULL;
    }
    return lukshdrQemuRemoteHeaderCall(
        LUKSHDR_STOCK(qemuBuildStorageSourceChainAttachPrepareBlockdev), top, top, backingStore,
        headers);
}

qemuBlockStorageSourceChainData *
qemuBlockStorageSourceChainDetachPrepareBlockdev(virStorageSource *src)
{
    return lukshdrQemuRemoteHeaderCallChain(
        LUKSHDR_STOCK(qemuBlockStorageSourceChainDetachPrepareBlockdev), src, true);
}
