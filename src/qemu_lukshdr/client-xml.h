/*
 * client-xml.h: what clients' XML says of linked volumes, and what it should say
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Takes public XML and gives public XML.  Calls libvirt only as lookup.h says.
 */

#pragma once

#include "lookup.h"

/**
 * lukshdrQemuConfigXMLRead:
 * @xml: XML from a client or from libvirt
 *
 * Reads it as libvirt does: keeps blanks, since metadata belongs to the client to the byte, and
 * accepts a document type.
 *
 * Returns: the document, to be freed with xmlFreeDoc, or NULL if it is not well-formed.  Sets no
 * error for that: libvirt's own errors are better.
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
 * @host: what this host knows
 * @type: the type that the disk or image states, or NULL
 * @source: its <source>
 * @link: set to the link (a reference) whose payload it is, or to NULL
 * @path: set to the path by which @source names it, freed with g_free; set to NULL if @source names
 *        it as registered, either by pool and volume where nothing is that could be examined, or
 *        as an image of a cluster, which this function does not ask; may be NULL
 * @error: as lukshdrRecognise and lukshdrQemuLookupJudge
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuConfigXMLFind(const lukshdrQemuHost *host,
                         const char *type,
                         xmlNode *source,
                         lukshdrLink **link,
                         char **path,
                         GError **error);

/**
 * lukshdrQemuConfigXMLSecretUUID:
 * @host: what this host knows
 * @encryption: an <encryption>
 *
 * Returns: UUID of the secret that it names, by UUID or usage, freed with g_free; NULL if it names
 * none that exists.
 */
char *
lukshdrQemuConfigXMLSecretUUID(const lukshdrQemuHost *host, xmlNode *encryption);

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
 * @host: what this host knows
 * @xml: XML of a domain, of a disk or of a snapshot, as a client sent it
 * @rewritten: set to the XML that libvirt is to have instead, to be freed with g_free, or to
 *             NULL if @xml is right as it is
 * @error: VIR_ERR_CONFIG_UNSUPPORTED for a <header> that libvirt would ignore, and for a disk
 *         that has a header from metadata but no secret; VIR_ERR_XML_ERROR for malformed
 *         metadata; VIR_ERR_OPERATION_INVALID if the registry cannot decide;
 *         VIR_ERR_OPERATION_DENIED for a linked payload that the XML names neither by its own
 *         name nor by its secret (lukshdrQemuLookupNamed)
 *
 * If a disk, or an image that the XML lists behind it, names a linked payload and has no
 * <encryption>, it gets the link's, so that a daemon without the plugin refuses it.  libvirt
 * ignores a <header> in an <encryption>.  So this function removes a <header> that says exactly
 * what the link says, and refuses every other.  It adds the engine that is missing in the
 * <encryption> of a linked disk or of an overlay.  It replaces a secret that was generated for
 * another linked volume of this host, or that does not exist here, by the one that opens this
 * volume, if the XML calls the volume by its own name.
 *
 * Text that is not well-formed XML, or is about something else, goes to stock as it is, whose
 * errors are better.  So does a disk with a format for which libvirt has no <encryption>;
 * Prepare refuses it when the domain starts.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuConfigXMLRewrite(const lukshdrQemuHost *host,
                            const char *xml,
                            char **rewritten,
                            GError **error);
