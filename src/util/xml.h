/*
 * xml.h: names of XML elements and attributes, and how XML is read
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All names of the XML of docs/xml.md and docs/xml-domains.md, and of the registry, label and
 * record files, stand here and nowhere else.
 */

#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

/* libvirt's own elements */
#define LUKSHDR_XML_POOL "pool"
#define LUKSHDR_XML_VOLUME "volume"
#define LUKSHDR_XML_NAME "name"
#define LUKSHDR_XML_CAPACITY "capacity"
#define LUKSHDR_XML_TARGET "target"
#define LUKSHDR_XML_PATH "path"
#define LUKSHDR_XML_FORMAT "format"
#define LUKSHDR_XML_COMPAT "compat"
#define LUKSHDR_XML_FEATURES "features"
#define LUKSHDR_XML_CLUSTER_SIZE "clusterSize"
#define LUKSHDR_XML_UNIT "unit"
#define LUKSHDR_XML_ENCRYPTION "encryption"
#define LUKSHDR_XML_SECRET "secret"
#define LUKSHDR_XML_CIPHER "cipher"
#define LUKSHDR_XML_IVGEN "ivgen"
#define LUKSHDR_XML_BACKING_STORE "backingStore"
#define LUKSHDR_XML_SOURCE "source"

#define LUKSHDR_XML_POOL_STATE "poolstate"
#define LUKSHDR_XML_DOMAIN "domain"
#define LUKSHDR_XML_INACTIVE_DOMAIN "inactiveDomain"
#define LUKSHDR_XML_DOMAIN_SNAPSHOT "domainsnapshot"
#define LUKSHDR_XML_METADATA "metadata"
#define LUKSHDR_XML_DEVICES "devices"
#define LUKSHDR_XML_DRIVER "driver"
#define LUKSHDR_XML_FILE "file"
#define LUKSHDR_XML_TYPE "type"
#define LUKSHDR_XML_DEV "dev"
#define LUKSHDR_XML_DEVICE "device"
#define LUKSHDR_XML_ENGINE "engine"
#define LUKSHDR_XML_USAGE "usage"

/* The namespace of what the project says in a domain's <metadata>, and the prefix that is
 * customary for it.  The number changes when what was valid before means something else. */
#define LUKSHDR_XML_METADATA_URI "urn:libvirt-lukshdr:domain:1.0"
#define LUKSHDR_XML_METADATA_PREFIX "lukshdr"
#define LUKSHDR_XML_DISKS "disks"

/* In libvirt's storage pool capabilities: a daemon that has it has the plugin */
#define LUKSHDR_XML_CAPABILITIES "lukshdr"
#define LUKSHDR_XML_CAPABILITIES_URI "urn:libvirt-lukshdr:capabilities:1.0"

/* detached-header XML */
#define LUKSHDR_XML_HEADER "header"
#define LUKSHDR_XML_PAYLOAD "payload"
#define LUKSHDR_XML_HEADERS "headers"
#define LUKSHDR_XML_FORMAT_NONE "none" /* of <encryption>: the volume is to be a plain one */
#define LUKSHDR_XML_STATE "state"      /* attribute of <source>, and of <header>: the link's */
#define LUKSHDR_XML_STATE_MISSING "missing"
#define LUKSHDR_XML_STATE_FOUND "found" /* a label says so, and it is not followed */
#define LUKSHDR_XML_STATE_REPLACED \
    "payload-replaced" /* of a link: another file stands in its payload's place */
#define LUKSHDR_XML_STATE_TRIMMING "trimming" /* of a link: no guest can start until that is done */
#define LUKSHDR_XML_HEADER_LINK "link"        /* attribute of <header>: what is to be done */
#define LUKSHDR_XML_UNUSED "unused"           /* parts of a disk that its guest does not use */
#define LUKSHDR_XML_RANGE "range"

/* registry, label and guest records */
#define LUKSHDR_XML_LINK "link"
#define LUKSHDR_XML_REMOTE "remote"
#define LUKSHDR_XML_HOST "host"
#define LUKSHDR_XML_PORT "port"
#define LUKSHDR_XML_PROTOCOL "protocol"
#define LUKSHDR_XML_SERVER "server"
#define LUKSHDR_XML_USER "user"
#define LUKSHDR_XML_INITIATOR "initiator"
#define LUKSHDR_XML_UUID "uuid"
#define LUKSHDR_XML_IDENTITY "identity"
#define LUKSHDR_XML_LUKS "luks"
#define LUKSHDR_XML_LINKS "links"
#define LUKSHDR_XML_REPLICA "replica"
#define LUKSHDR_XML_DIGEST "digest"
#define LUKSHDR_XML_GUEST "guest"
#define LUKSHDR_XML_DISK "disk"

/* the longest text that is read: libvirt's own limit for an XML string in an
 * RPC message is 4 MiB (VIR_NET_MESSAGE_STRING_MAX) */
#define LUKSHDR_XML_MAX (4 * 1024 * 1024)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/**
 * lukshdrXMLParse:
 * @xml: text, hostile until proven otherwise; need not end with NUL
 * @len: its length in bytes
 * @root: expected name of the root element, or NULL if any will do
 * @error: VIR_ERR_XML_ERROR with libxml2's words and line
 *
 * Parses without network, entity substitution or external DTD; a document
 * with a DTD of its own (the only place for entities) is refused.
 *
 * Returns: the document, freed with xmlFreeDoc, or NULL with @error set.
 */
xmlDoc *
lukshdrXMLParse(const char *xml, gsize len, const char *root, GError **error);

/**
 * lukshdrXMLFormat:
 * @root: element to write, with all below it
 *
 * Returns: indented text of @root, to be freed with g_free.
 */
char *
lukshdrXMLFormat(xmlNode *root);

/**
 * lukshdrXMLFormatShown:
 * @root: element to write, with all below it
 *
 * As lukshdrXMLFormat, for what clients get: libvirt writes attributes in single quotes (its
 * virBufferEscapeString), and people search its XML with tools that know nothing of XML.
 *
 * Returns: indented text of @root, to be freed with g_free.
 */
char *
lukshdrXMLFormatShown(xmlNode *root);

/**
 * lukshdrXMLChild:
 * @parent: an element, or NULL, which has no children
 * @name: element name, or NULL for any
 *
 * Returns: the first child element of @parent so named, or NULL.
 */
xmlNode *
lukshdrXMLChild(xmlNode *parent, const char *name);

/**
 * lukshdrXMLNext:
 * @node: an element
 * @name: element name, or NULL for any
 *
 * Returns: the next element behind @node, with the same parent, so named, or NULL.
 */
xmlNode *
lukshdrXMLNext(xmlNode *node, const char *name);

/**
 * lukshdrXMLChildCount:
 * @parent: an element
 * @name: element name
 *
 * Returns: how many child elements of @parent are so named.
 */
unsigned int
lukshdrXMLChildCount(xmlNode *parent, const char *name);

/**
 * lukshdrXMLOnlyChildren:
 * @parent: an element
 * @names: NULL-terminated list of the element names that may stand in it
 * @error: VIR_ERR_XML_ERROR, naming the first that may not
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrXMLOnlyChildren(xmlNode *parent, const char *const *names, GError **error);

/**
 * lukshdrXMLAtMostOnce:
 * @parent: an element
 * @names: names of children, NULL-terminated
 * @error: VIR_ERR_XML_ERROR, naming the child that is there twice
 *
 * Which of two would count, two readers may see differently.
 *
 * Returns: true if @parent has each of @names at most once, or false with @error set.
 */
bool
lukshdrXMLAtMostOnce(xmlNode *parent, const char *const *names, GError **error);

/**
 * lukshdrXMLOnlyText:
 * @node: an element
 * @text: set to its text, freed with g_free
 * @error: VIR_ERR_XML_ERROR if it has elements in it: nobody could say what a text stands for that
 *         was put together from theirs
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrXMLOnlyText(xmlNode *node, char **text, GError **error);

/**
 * lukshdrXMLAttribute:
 * @node: an element
 * @name: attribute name
 *
 * Returns: the attribute's value, to be freed with g_free, or NULL.
 */
char *
lukshdrXMLAttribute(xmlNode *node, const char *name);

/**
 * lukshdrXMLText:
 * @node: an element
 *
 * Returns: its text content, to be freed with g_free; never NULL.
 */
char *
lukshdrXMLText(xmlNode *node);

/**
 * lukshdrXMLSetAttribute:
 * @node: an element
 * @name: attribute name
 * @value: unescaped value, in the place of one that is there; NULL changes nothing
 */
void
lukshdrXMLSetAttribute(xmlNode *node, const char *name, const char *value);

/**
 * lukshdrXMLAddChild:
 * @parent: an element
 * @name: name of the new element
 * @text: unescaped text content, or NULL
 *
 * Returns: the new last child of @parent, owned by it.
 */
xmlNode *
lukshdrXMLAddChild(xmlNode *parent, const char *name, const char *text);
