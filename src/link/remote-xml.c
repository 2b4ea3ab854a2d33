/*
 * remote-xml.c: where a volume without a path is, by libvirt's XML
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "remote-xml.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "util/xml.h"

/* libvirt's words (virStoragePoolDefParseSource, virStorageAuthDefParse) */
#define LUKSHDR_XML_AUTH "auth"
#define LUKSHDR_XML_USERNAME "username"
#define LUKSHDR_XML_IQN "iqn"

GStrv
lukshdrRemoteServers(xmlNode *source)
{
    GPtrArray *servers = g_ptr_array_new();
    xmlNode *host;

    for (host = lukshdrXMLChild(source, LUKSHDR_XML_HOST); host;
         host = lukshdrXMLNext(host, LUKSHDR_XML_HOST)) {
        g_autofree char *name = lukshdrXMLAttribute(host, LUKSHDR_XML_NAME);
        g_autofree char *port = lukshdrXMLAttribute(host, LUKSHDR_XML_PORT);

        if (name)
            g_ptr_array_add(servers, lukshdrRemoteServer(name, port));
    }
    g_ptr_array_add(servers, NULL);
    return (GStrv)g_ptr_array_free(servers, FALSE);
}

/* IQN of <initiator><iqn name=''/></initiator>, or NULL */
static char *
lukshdrRemoteInitiator(xmlNode *source)
{
    xmlNode *initiator = lukshdrXMLChild(source, LUKSHDR_XML_INITIATOR);
    xmlNode *iqn = initiator ? lukshdrXMLChild(initiator, LUKSHDR_XML_IQN) : NULL;

    return iqn ? lukshdrXMLAttribute(iqn, LUKSHDR_XML_NAME) : NULL;
}

lukshdrRemote *
lukshdrRemoteFromDisk(xmlNode *source)
{
    g_autofree char *protocol = lukshdrXMLAttribute(source, LUKSHDR_XML_PROTOCOL);
    g_autofree char *name = lukshdrXMLAttribute(source, LUKSHDR_XML_NAME);
    bool isISCSI = g_strcmp0(protocol, "iscsi") == 0;
    lukshdrRemote *remote;

    if ((!isISCSI && g_strcmp0(protocol, "rbd")) || !name)
        return NULL;

    remote = g_new0(lukshdrRemote, 1);
    remote->kind = isISCSI ? LUKSHDR_LOCATION_ISCSI : LUKSHDR_LOCATION_RBD;
    remote->name = isISCSI ? lukshdrRemoteISCSI(name) : g_strdup(name);
    remote->servers = lukshdrRemoteServers(source);
    remote->initiator = isISCSI ? lukshdrRemoteInitiator(source) : NULL;
    return remote;
}

/* POOL/IMAGE */
static char *
lukshdrRemoteImage(xmlNode *source, const char *pool, const char *volume, GError **error)
{
    xmlNode *node = source ? lukshdrXMLChild(source, LUKSHDR_XML_NAME) : NULL;
    g_autofree char *name = node ? lukshdrXMLText(node) : NULL;

    if (name)
        return g_strconcat(name, "/", volume, NULL);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                _("storage pool '%s' does not say which pool of the Ceph cluster it is"), pool);
    return NULL;
}

/* IQN/LUN.  libvirt calls volumes of such pools "unit:0:0:LUN" (virISCSIDirectSetVolumeAttributes in its
 * src/storage/storage_backend_iscsi_direct.c). */
static char *
lukshdrRemoteUnit(xmlNode *source, const char *pool, const char *volume, GError **error)
{
    xmlNode *node = source ? lukshdrXMLChild(source, LUKSHDR_XML_DEVICE) : NULL;
    g_autofree char *target = node ? lukshdrXMLAttribute(node, LUKSHDR_XML_PATH) : NULL;
    const char *colon = strrchr(volume, ':');
    guint64 lun;

    if (!target) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("storage pool '%s' does not say which iSCSI target it is"), pool);
        return NULL;
    }
    if (!g_str_has_prefix(volume, "unit:") ||
        !g_ascii_string_to_unsigned(colon + 1, 10, 0, G_MAXUINT16, &lun, NULL)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL,
                    _("storage pool '%s', of type iscsi-direct, can have no volume '%s': its "
                      "volumes are the units of the target, such as 'unit:0:0:1', and the target "
                      "makes them"),
                    pool, volume);
        return NULL;
    }
    return g_strdup_printf("%s/%" G_GUINT64_FORMAT, target, lun);
}

bool
lukshdrRemoteCheckPool(const char *text, const char *pool, bool make, GError **error)
{
    /* libvirt's virStoragePoolType: those whose volumes QEMU opens by itself, by ways that this code does not
     * know; and those whose backends have no createVol (storage_backend_*.c) */
    static const char *const unknown[] = { "gluster", "sheepdog", NULL };
    static const char *const fixed[] = { "iscsi", "iscsi-direct", "mpath", "scsi", NULL };
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_POOL, error);
    g_autofree char *type = NULL;

    if (!doc)
        return false;

    type = lukshdrXMLAttribute(xmlDocGetRootElement(doc), LUKSHDR_XML_TYPE);
    if (type && g_strv_contains(unknown, type)) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
            _("volumes of pool '%s' can be neither payloads nor headers: linked volumes are "
              "not supported in pools of type '%s'; docs/pools.md has the types that can "
              "have them"),
            pool, type);
        return false;
    }
    if (make && type && g_strv_contains(fixed, type)) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
            _("libvirt makes no volumes in pools of type '%s', such as '%s': link one that is "
              "there, with link='existing' in <header>, or with 'virt-lukshdr link'"),
            type, pool);
        return false;
    }
    return true;
}

bool
lukshdrRemoteFromPool(const char *text,
                      const char *pool,
                      const char *volume,
                      lukshdrRemote **remote,
                      char **usage,
                      GError **error)
{
    g_autoptr(lukshdrRemote) found = g_new0(lukshdrRemote, 1);
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_POOL, error);
    g_autofree char *type = NULL;
    xmlNode *source;
    xmlNode *node;
    bool isISCSI;

    *remote = NULL;
    *usage = NULL;
    if (!doc)
        return false;

    type = lukshdrXMLAttribute(xmlDocGetRootElement(doc), LUKSHDR_XML_TYPE);
    isISCSI = g_strcmp0(type, "iscsi-direct") == 0;
    if (!isISCSI && g_strcmp0(type, "rbd"))
        return true;

    source = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_SOURCE);
    found->kind = isISCSI ? LUKSHDR_LOCATION_ISCSI : LUKSHDR_LOCATION_RBD;
    if (!(found->name = isISCSI ? lukshdrRemoteUnit(source, pool, volume, error)
                                : lukshdrRemoteImage(source, pool, volume, error)))
        return false;
    found->servers = lukshdrRemoteServers(source);
    found->initiator = isISCSI ? lukshdrRemoteInitiator(source) : NULL;
    if ((node = lukshdrXMLChild(source, LUKSHDR_XML_AUTH))) {
        found->user = lukshdrXMLAttribute(node, LUKSHDR_XML_USERNAME);
        if ((node = lukshdrXMLChild(node, LUKSHDR_XML_SECRET)) &&
            !(found->secretUUID = lukshdrXMLAttribute(node, LUKSHDR_XML_UUID)) &&
            !(*usage = lukshdrXMLAttribute(node, LUKSHDR_XML_USAGE)))
            *usage = g_strdup("");
    }
    *remote = g_steal_pointer(&found);
    return true;
}
