/*
 * capabilities.c: how a client asks whether the plugin is there
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "storage.h"

char *
lukshdrStorageCapabilities(virConnectPtr conn, unsigned int flags)
{
    char *xml = lukshdrStorageState.client.connectGetStoragePoolCapabilities(conn, flags);
    g_autoptr(xmlDoc) doc = xml ? lukshdrXMLParse(xml, strlen(xml), NULL, NULL) : NULL;
    xmlNode *node;

    if (!doc)
        return xml;

    node = lukshdrXMLAddChild(xmlDocGetRootElement(doc), LUKSHDR_XML_CAPABILITIES, NULL);
    xmlSetNs(node, xmlNewNs(node, BAD_CAST LUKSHDR_XML_CAPABILITIES_URI, NULL));
    lukshdrXMLSetAttribute(node, "version", LUKSHDR_VERSION);
    free(xml);
    return lukshdrXMLFormatShown(xmlDocGetRootElement(doc));
}
