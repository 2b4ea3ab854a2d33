/*
 * client-xml.h: what clients' XML says of linked volumes, and what it should say
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Public XML in, public XML out; needs the link registry and no libvirt.
 */

#pragma once

#include "link/registry.h"

/**
 * lukshdrQemuConfigXMLRead:
 * @xml: XML of a client's or of libvirt's
 *
 * Reads it as libvirt does: blanks are kept, since metadata is the client's to the byte; a document
 * type is no reason to look away.
 *
 * Returns: the document, to be freed with xmlFreeDoc, or NULL if it is not well-formed: libvirt's
 * own errors are better.
 */
xmlDoc *
lukshdrQemuConfigXMLRead(const char *xml);

/**
 * lukshdrQemuConfigXMLWrite:
 * @doc: from lukshdrQemuConfigXMLRead
 *
 * Returns: its text, to be freed with g_free; never NULL.
 */
char *
lukshdrQemuConfigXMLWrite(xmlDoc *doc);

/**
 * lukshdrQemuConfigXMLTarget:
 * @disk: a <disk>
 *
 * Returns: its target, such as "vda", to be freed with g_free, or NULL.
 */
char *
lukshdrQemuConfigXMLTarget(xmlNode *disk);

/**
 * lukshdrQemuConfigXMLEncryption:
 * @encryption: an empty <encryption>
 * @link: a link whose secret is known
 *
 * Makes it libvirt's own element for @link: format, engine and secret.
 */
void
lukshdrQemuConfigXMLEncryption(xmlNode *encryption, const lukshdrLink *link);

/**
 * lukshdrQemuConfigXMLFind:
 * @registry: the link registry
 * @privileged: whether the daemon runs as root
 * @type: what the disk or image says is its type, or NULL
 * @source: its <source>
 * @link: set to the link (a reference) of which it is the payload, or to NULL
 * @error: as lukshdrRegistryFindPayload
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuConfigXMLFind(lukshdrRegistry *registry,
                         bool privileged,
                         const char *type,
                         xmlNode *source,
                         lukshdrLink **link,
                         GError **error);

/**
 * lukshdrQemuConfigXMLMetadata:
 * @domain: a <domain>
 *
 * Returns: the project's element of its <metadata>, or NULL.
 */
xmlNode *
lukshdrQemuConfigXMLMetadata(xmlNode *domain);

/**
 * lukshdrQemuConfigXMLRewrite:
 * @registry: the link registry
 * @privileged: whether the daemon runs as root
 * @xml: XML of a domain, of a disk or of a snapshot, as a client sent it
 * @rewritten: set to the XML that libvirt is to have instead, to be freed with g_free, or to
 *             NULL if @xml is right as it is
 * @error: VIR_ERR_CONFIG_UNSUPPORTED for a <header> that would be ignored, and for a disk
 *         that metadata gives a header but nothing gives a secret; VIR_ERR_XML_ERROR for
 *         malformed metadata; VIR_ERR_OPERATION_INVALID for what the registry cannot decide
 *
 * A disk, or an image that the XML lists behind it, that names a linked payload and has no
 * <encryption> gets the link's, so that a daemon without the plugin refuses it.  A <header>
 * in an <encryption> is libvirt's to ignore: one that is exactly the link's goes, every
 * other is refused.  The engine of a linked disk's or an overlay's <encryption> is completed, and a
 * secret that was generated for another linked volume is replaced by the one that opens this.
 *
 * What is no well-formed XML, or is about something else, is left to stock as it is: its
 * errors are better.  A declared format that libvirt knows no <encryption> for is left, too;
 * starting the disk is refused.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuConfigXMLRewrite(lukshdrRegistry *registry,
                            bool privileged,
                            const char *xml,
                            char **rewritten,
                            GError **error);
