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

lukshdrRemote *
lukshdrRemoteFromDisk(xmlNode *source)
{
    g_autofree char *protocol = lukshdrXMLAttribute(source, LUKSHDR_XML_PROTOCOL);
    g_autofree char *name = lukshdrXMLAttribute(source, LUKSHDR_XML_NAME);
    lukshdrRemote *remote;

    if (g_strcmp0(protocol, "rbd") || !name)
        return NULL;

    remote = g_new0(lukshdrRemote, 1);
    remote->kind = LUKSHDR_LOCATION_RBD;
    remote->name = g_steal_pointer(&name);
    remote->servers = lukshdrRemoteServers(source);
    return remote;
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
    g_autofree char *name = NULL;
    xmlNode *source;
    xmlNode *node;

    *remote = NULL;
    *usage = NULL;
    if (!doc)
        return false;

    type = lukshdrXMLAttribute(xmlDocGetRootElement(doc), LUKSHDR_XML_TYPE);
    if (g_strcmp0(type, "rbd"))
        return true;

    if (!(source = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_SOURCE)) ||
        !(node = lukshdrXMLChild(source, LUKSHDR_XML_NAME)) || !(name = lukshdrXMLText(node))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("storage pool '%s' does not say which pool of the Ceph cluster it is"), pool);
        return false;
    }

    found->kind = LUKSHDR_LOCATION_RBD;
    found->name = g_strconcat(name, "/", volume, NULL);
    found->servers = lukshdrRemoteServers(source);
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
