/*
 * remote.c: where the volumes of pools without host paths are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "remote.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "secrets.h"
#include "util/error.h"
#include "util/log.h"
#include "util/xml.h"

/* libvirt's words in the XML of such pools (virStoragePoolDefParseSource, virStorageAuthDefParse) */
#define LUKSHDR_XML_AUTH "auth"
#define LUKSHDR_XML_USERNAME "username"

/* Ceph's monitors, as libvirt gives them to it: HOST or HOST:PORT, an IPv6 address in brackets */
static GStrv
lukshdrStorageRemoteServers(xmlNode *source)
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

static bool
lukshdrStorageRemoteAuth(xmlNode *auth, lukshdrRemote *remote, GError **error)
{
    xmlNode *secret = auth ? lukshdrXMLChild(auth, LUKSHDR_XML_SECRET) : NULL;
    g_autofree char *usage = secret ? lukshdrXMLAttribute(secret, LUKSHDR_XML_USAGE) : NULL;

    if (!auth)
        return true;

    remote->user = lukshdrXMLAttribute(auth, LUKSHDR_XML_USERNAME);
    if (!secret)
        return true;

    remote->secretUUID = lukshdrXMLAttribute(secret, LUKSHDR_XML_UUID);
    return remote->secretUUID ||
           (remote->secretUUID = lukshdrStorageSecretCephUUID(usage ? usage : "", error));
}

bool
lukshdrStorageRemote(virStoragePoolPtr pool,
                     const char *volume,
                     lukshdrRemote **remote,
                     GError **error)
{
    g_autofree char *text = lukshdrStorageState.stock.storagePoolGetXMLDesc(pool, 0);
    g_autoptr(lukshdrRemote) found = g_new0(lukshdrRemote, 1);
    g_autoptr(xmlDoc) doc = NULL;
    g_autofree char *type = NULL;
    g_autofree char *name = NULL;
    xmlNode *source;
    xmlNode *node;

    *remote = NULL;
    if (!text) {
        lukshdrErrorFromLast(error);
        return false;
    }
    if (!(doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_POOL, error)))
        return false;

    type = lukshdrXMLAttribute(xmlDocGetRootElement(doc), LUKSHDR_XML_TYPE);
    if (g_strcmp0(type, "rbd"))
        return true;

    if (!(source = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_SOURCE)) ||
        !(node = lukshdrXMLChild(source, LUKSHDR_XML_NAME)) || !(name = lukshdrXMLText(node))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("storage pool '%s' does not say which pool of the Ceph cluster it is"),
                    virStoragePoolGetName(pool));
        return false;
    }

    found->kind = LUKSHDR_LOCATION_RBD;
    found->name = g_strconcat(name, "/", volume, NULL);
    found->servers = lukshdrStorageRemoteServers(source);
    if (!lukshdrStorageRemoteAuth(lukshdrXMLChild(source, LUKSHDR_XML_AUTH), found, error))
        return false;
    *remote = g_steal_pointer(&found);
    return true;
}

bool
lukshdrStorageRemoteOfVolume(virStorageVolPtr vol, lukshdrRemote **remote, GError **error)
{
    g_autoptr(virStoragePool) pool = lukshdrStorageState.stock.storagePoolLookupByVolume(vol);

    *remote = NULL;
    if (!pool) {
        lukshdrErrorFromLast(error);
        return false;
    }
    return lukshdrStorageRemote(pool, virStorageVolGetName(vol), remote, error);
}
