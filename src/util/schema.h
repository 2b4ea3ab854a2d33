/*
 * schema.h: XML against a RELAX NG schema
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The code that reads an XML checks it without any schema.  Schemas tell people and their
 * tools what may stand where, and are looked at by us only if a client asks for it.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* the files of schemas/ that stand for themselves */
#define LUKSHDR_SCHEMA_VOLUME "lukshdr-storagevol.rng"
#define LUKSHDR_SCHEMA_POOL "lukshdr-storagepool.rng"
#define LUKSHDR_SCHEMA_POOL_FILE "lukshdr-poolfile.rng"
#define LUKSHDR_SCHEMA_LINK "lukshdr-link.rng"
#define LUKSHDR_SCHEMA_GUEST "lukshdr-guest.rng"
#define LUKSHDR_SCHEMA_METADATA "lukshdr-metadata.rng"

/**
 * lukshdrSchemaValidate:
 * @schema: a file of the schemas' directory, or an absolute path
 * @root: expected name of the root element
 * @text: XML, hostile until proven otherwise
 * @error: VIR_ERR_XML_INVALID_SCHEMA with what is wrong in which line; VIR_ERR_XML_ERROR as
 *         lukshdrXMLParse; VIR_ERR_INTERNAL_ERROR, naming the file, if the schema or one that it
 *         includes is missing or damaged
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrSchemaValidate(const char *schema, const char *root, const char *text, GError **error);
