/*
 * metadata.h: headers that a domain's <metadata> names for its disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads the XML and finds which file it means.  explicit.h decides whether QEMU may use
 * that file.
 */

#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

typedef enum {
    LUKSHDR_QEMU_HEADER_VOLUME, /* pool and volume; the latter may be NULL in a disk's XML */
    LUKSHDR_QEMU_HEADER_FILE,   /* path */
    LUKSHDR_QEMU_HEADER_BLOCK,  /* path */
} lukshdrQemuHeaderType;

typedef struct _lukshdrQemuHeaderSource lukshdrQemuHeaderSource;
struct _lukshdrQemuHeaderSource {
    lukshdrQemuHeaderType type;
    char *pool;
    char *volume;
    char *path;
};

/**
 * lukshdrQemuHeaderSourceFree:
 * @header: what a <header> says, or NULL
 */
void
lukshdrQemuHeaderSourceFree(lukshdrQemuHeaderSource *header);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrQemuHeaderSource, lukshdrQemuHeaderSourceFree)

/**
 * lukshdrQemuHeaderSourceParse:
 * @node: a <header> of the form that docs/xml-domains.md describes
 * @error: VIR_ERR_XML_ERROR
 *
 * Returns: what it says, to be freed with lukshdrQemuHeaderSourceFree, or NULL with @error set.
 */
lukshdrQemuHeaderSource *
lukshdrQemuHeaderSourceParse(xmlNode *node, GError **error);

/**
 * lukshdrQemuHeaderSourcePath:
 * @header: what a <header> says
 * @privileged: whether the daemon runs as root
 * @error: as lukshdrPoolStateVolumePath
 *
 * Returns: absolute path of the header, to be freed with g_free, or NULL with @error set.
 */
char *
lukshdrQemuHeaderSourcePath(const lukshdrQemuHeaderSource *header, bool privileged, GError **error);

/**
 * lukshdrQemuMetadataParse:
 * @root: the project's element in a domain's <metadata>, with or without its namespace
 * @error: VIR_ERR_XML_ERROR
 *
 * Returns: the headers by disk target (char * to lukshdrQemuHeaderSource *, both owned by the
 * table), to be unreffed, or NULL with @error set.
 */
GHashTable *
lukshdrQemuMetadataParse(xmlNode *root, GError **error);

/**
 * lukshdrQemuMetadataParseText:
 * @xml: the project's element as text, as libvirt returns it and as clients send it
 * @error: VIR_ERR_XML_ERROR
 *
 * Returns: as lukshdrQemuMetadataParse.
 */
GHashTable *
lukshdrQemuMetadataParseText(const char *xml, GError **error);
