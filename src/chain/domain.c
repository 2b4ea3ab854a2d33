/*
 * domain.c: the chain in libvirt's domain XML
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "forms.h"
#include "util/xml.h"

/* libvirt's docs/drvqemu.rst */
#define LUKSHDR_CHAIN_QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

void
lukshdrChainDiskRemote(xmlNode *disk, xmlNode *source, const lukshdrRemote *remote)
{
    xmlNode *node;
    size_t i;

    lukshdrXMLSetAttribute(source, LUKSHDR_XML_PROTOCOL, lukshdrRemoteProtocol(remote->kind));
    lukshdrXMLSetAttribute(source, LUKSHDR_XML_NAME, remote->name);
    for (i = 0; remote->servers[i]; i++) {
        g_autofree char *host = NULL;
        guint port;

        if (!lukshdrRemoteParseServer(remote->servers[i], &host, &port))
            continue;
        node = lukshdrXMLAddChild(source, "host", NULL);
        lukshdrXMLSetAttribute(node, LUKSHDR_XML_NAME, host);
        if (port) {
            g_autofree char *text = g_strdup_printf("%u", port);

            lukshdrXMLSetAttribute(node, "port", text);
        }
    }

    if (remote->initiator) {
        node = lukshdrXMLAddChild(source, LUKSHDR_XML_INITIATOR, NULL);
        node = lukshdrXMLAddChild(node, "iqn", NULL);
        lukshdrXMLSetAttribute(node, LUKSHDR_XML_NAME, remote->initiator);
    }

    if (!remote->user)
        return;
    node = lukshdrXMLAddChild(disk, "auth", NULL);
    lukshdrXMLSetAttribute(node, "username", remote->user);
    if (remote->secretUUID) {
        node = lukshdrXMLAddChild(node, LUKSHDR_XML_SECRET, NULL);
        lukshdrXMLSetAttribute(node, "type",
                               remote->kind == LUKSHDR_LOCATION_ISCSI ? "iscsi" : "ceph");
        lukshdrXMLSetAttribute(node, "uuid", remote->secretUUID);
    }
}

char *
lukshdrChainToDisk(const lukshdrLink *link,
                   const char *target,
                   const char *bus,
                   const char *serial,
                   bool readOnly)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_DISK, NULL);
    bool block = link->payload.identity.type == LUKSHDR_IDENTITY_BLOCK;
    xmlNode *source;
    xmlNode *node;

    xmlDocSetRootElement(doc, root);
    lukshdrXMLSetAttribute(root, "type",
                           link->payload.remote ? "network"
                           : block              ? "block"
                                                : "file");
    lukshdrXMLSetAttribute(root, "device", "disk");

    node = lukshdrXMLAddChild(root, "driver", NULL);
    lukshdrXMLSetAttribute(node, "name", "qemu");
    lukshdrXMLSetAttribute(node, "type", link->format);

    source = lukshdrXMLAddChild(root, LUKSHDR_XML_SOURCE, NULL);
    if (link->payload.remote)
        lukshdrChainDiskRemote(root, source, link->payload.remote);
    else
        lukshdrXMLSetAttribute(source, block ? "dev" : "file", link->payload.path);
    /* so that a daemon without the plugin refuses the disk */
    if (link->secretUUID) {
        node = lukshdrXMLAddChild(source, LUKSHDR_XML_ENCRYPTION, NULL);
        lukshdrXMLSetAttribute(node, LUKSHDR_XML_FORMAT, "luks");
        node = lukshdrXMLAddChild(node, LUKSHDR_XML_SECRET, NULL);
        lukshdrXMLSetAttribute(node, "type", "passphrase");
        lukshdrXMLSetAttribute(node, "uuid", link->secretUUID);
    }

    node = lukshdrXMLAddChild(root, LUKSHDR_XML_TARGET, NULL);
    lukshdrXMLSetAttribute(node, "dev", target);
    lukshdrXMLSetAttribute(node, "bus", bus);
    if (readOnly)
        lukshdrXMLAddChild(root, "readonly", NULL);
    if (serial)
        lukshdrXMLAddChild(root, "serial", serial);
    return lukshdrXMLFormat(root);
}

char *
lukshdrChainToCommandline(const lukshdrChain *chain, const lukshdrChainPlug *plug)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST "commandline", NULL);
    xmlNs *ns = xmlNewNs(root, BAD_CAST LUKSHDR_CHAIN_QEMU_NAMESPACE, BAD_CAST "qemu");
    g_auto(GStrv) args = lukshdrChainToArgs(chain, plug);
    size_t i;

    xmlDocSetRootElement(doc, root);
    xmlSetNs(root, ns);
    for (i = 0; args[i]; i++) {
        xmlNode *node = lukshdrXMLAddChild(root, "arg", NULL);

        xmlSetNs(node, ns);
        lukshdrXMLSetAttribute(node, "value", args[i]);
    }
    return lukshdrXMLFormat(root);
}
