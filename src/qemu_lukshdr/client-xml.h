/*
 * client-xml.h: what clients' XML says of linked volumes, and what it should say
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Public XML in, public XML out; does not call libvirt (lookup.h).
 */

#pragma once

#include "lookup.h"

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
 * @host: what this host knows
 * @type: what the disk or image says is its type, or NULL
 * @source: its <source>
 * @link: set to the link (a reference) whose payload it is, or to NULL
 * @path: set to the path by which it is named, freed with g_free; NULL if it is named as registered, by pool
 *        and volume where nothing stands that could be examined, or as an image of a cluster, which
 *        is not asked; may be NULL
 * @error: as lukshdrRecognise
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
 * Returns: UUID of the secret that it names, by UUID or usage, freed with g_free; NULL if it names none
 * that exists.
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
 * @error: VIR_ERR_CONFIG_UNSUPPORTED for a <header> that would be ignored, and for a disk
 *         that metadata gives a header but nothing gives a secret; VIR_ERR_XML_ERROR for
 *         malformed metadata; VIR_ERR_OPERATION_INVALID for what the registry cannot decide;
 *         VIR_ERR_OPERATION_DENIED for a linked payload that is neither called by its own name nor
 *         by its secret (lukshdrQemuLookupNamed)
 *
 * A disk, or an image that the XML lists behind it, that names a linked payload and has no
 * <encryption> gets the link's, so that a daemon without the plugin refuses it.  A <header>
 * in an <encryption> is libvirt's to ignore: one that is exactly the link's goes, every
 * other is refused.  The engine of a linked disk's or an overlay's <encryption> is completed.  A secret that was
 * generated for another linked volume of this host, or that does not exist here, is replaced by the one that
 * opens this volume, if it is called by its own name.
 *
 * What is no well-formed XML, or is about something else, is left to stock as it is: its
 * errors are better.  A declared format that libvirt knows no <encryption> for is left, too;
 * starting the disk is refused.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuConfigXMLRewrite(const lukshdrQemuHost *host,
                            const char *xml,
                            char **rewritten,
                            GError **error);
