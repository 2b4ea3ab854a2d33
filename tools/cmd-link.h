/*
 * cmd-link.h: asking the daemon to link volumes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libxml/tree.h>

#include "volume.h"

/**
 * lukshdrToolLinkXML:
 * @name: name of the payload
 * @action: value of the header's attribute link, or NULL for none
 * @headers: lukshdrToolName *: the header, then its replicas; a volume of NULL leaves its
 *           name to the daemon
 * @secret: UUID or usage of a libvirt secret, or NULL
 *
 * Returns: a document with the volume's name and encryption (docs/xml.md), to which
 * callers may add, freed with xmlFreeDoc.
 */
xmlDoc *
lukshdrToolLinkXML(const char *name, const char *action, GPtrArray *headers, const char *secret);

/**
 * lukshdrToolLinkAgain:
 * @payload: a payload that is linked
 * @headers: lukshdrToolName *: the header and the replicas that it shall have, or NULL for
 *           those that it has
 * @secret: UUID or usage of the secret that opens the header now, or NULL for the link's
 * @error: libvirt's
 *
 * Makes the daemon renew label, digest and replicas from the header as it is now.  The daemon
 * does so only if the header has the link's LUKS UUID and the secret opens it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrToolLinkAgain(const lukshdrToolVolume *payload,
                     GPtrArray *headers,
                     const char *secret,
                     GError **error);

/**
 * lukshdrToolLinkCheck:
 * @payload: a payload whose link is in order
 * @error: VIR_ERR_NO_SECRET if the link's secret has no value; VIR_ERR_INVALID_SECRET if it does not open the header;
 *         VIR_ERR_XML_ERROR if the daemon's plugin is older than the tool and does not know the question; libvirt's
 *
 * Has the daemon open the volume with its secret, which may be private.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrToolLinkCheck(const lukshdrToolVolume *payload, GError **error);

/**
 * lukshdrToolForget:
 * @pool: pool of a payload, or NULL after an error of libvirt's
 * @name: its name; it need not exist
 * @headers: lukshdrToolName *: its header; or none, if the name says all
 * @error: libvirt's
 *
 * Makes the daemon give up the link that has this payload, in whatever state it is.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrToolForget(virStoragePoolPtr pool, const char *name, GPtrArray *headers, GError **error);

/**
 * lukshdrToolHeaderMake:
 * @tool: the tool, connected
 * @name: pool and name of a header volume that is gone
 * @error: libvirt's
 *
 * Returns: a new, empty volume of a header volume's size, mode 0600, freed with
 * lukshdrToolVolumeFree, or NULL with @error set.
 */
lukshdrToolVolume *
lukshdrToolHeaderMake(lukshdrTool *tool, const lukshdrToolName *name, GError **error);
