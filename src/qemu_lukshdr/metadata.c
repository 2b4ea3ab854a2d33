/*
 * metadata.c: headers that a domain's <metadata> names for its disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The parser refuses what it does not know.  Otherwise a user who gives a disk a header
 * might believe that QEMU uses it when it does not.
 */

#include "config.h"

#include "metadata.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/error.h"
#include "link/pool-state.h"
#include "util/xml.h"

/* in the order of lukshdrQemuHeaderType */
static const char *const lukshdrQemuHeaderTypes[] = { "volume", "file", "block", NULL };

void
lukshdrQemuHeaderSourceFree(lukshdrQemuHeaderSource *header)
{
    if (!header)
        return;

    g_free(header->pool);
    g_free(header->volume);
    g_free(header->path);
    g_free(header);
}

/* Returns the element @name of @parent, which must be its only child element */
static xmlNode *
lukshdrQemuMetadataOnly(xmlNode *parent, const char *name, GError **error)
{
    const char *const names[] = { name, NULL };

    if (!lukshdrXMLOnlyChildren(parent, names, error))
        return NULL;
    if (lukshdrXMLChildCount(parent, name) == 1)
        return lukshdrXMLChild(parent, name);

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("element '%s' needs exactly one '%s'"),
                parent->name, name);
    return NULL;
}

static bool
lukshdrQemuHeaderSourceParsePath(xmlNode *source,
                                 const char *attribute,
                                 char **path,
                                 GError **error)
{
    *path = lukshdrXMLAttribute(source, attribute);
    if (*path && g_path_is_absolute(*path))
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                _("the 'source' of a header needs the attribute '%s' with an absolute path"),
                attribute);
    return false;
}

static bool
lukshdrQemuHeaderSourceParseSource(lukshdrQemuHeaderSource *header, xmlNode *source, GError **error)
{
    switch (header->type) {
    case LUKSHDR_QEMU_HEADER_VOLUME:
        header->pool = lukshdrXMLAttribute(source, LUKSHDR_XML_POOL);
        header->volume = lukshdrXMLAttribute(source, LUKSHDR_XML_VOLUME);
        if (header->pool)
            return true;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("the 'source' of a header needs the attribute '%s'"), LUKSHDR_XML_POOL);
        return false;
    case LUKSHDR_QEMU_HEADER_FILE:
        return lukshdrQemuHeaderSourceParsePath(source, LUKSHDR_XML_FILE, &header->path, error);
    case LUKSHDR_QEMU_HEADER_BLOCK:
        return lukshdrQemuHeaderSourceParsePath(source, LUKSHDR_XML_DEV, &header->path, error);
    }
    g_return_val_if_reached(false);
}

lukshdrQemuHeaderSource *
lukshdrQemuHeaderSourceParse(xmlNode *node, GError **error)
{
    g_autoptr(lukshdrQemuHeaderSource) header = g_new0(lukshdrQemuHeaderSource, 1);
    g_autofree char *type = lukshdrXMLAttribute(node, LUKSHDR_XML_TYPE);
    xmlNode *source;
    int i;

    for (i = 0; lukshdrQemuHeaderTypes[i] && g_strcmp0(type, lukshdrQemuHeaderTypes[i]) != 0; i++)
        continue;
    if (!lukshdrQemuHeaderTypes[i]) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("a header is of type 'volume', 'file' or 'block', not '%s'"),
                    type ? type : "");
        return NULL;
    }
    header->type = i;

    if (!(source = lukshdrQemuMetadataOnly(node, LUKSHDR_XML_SOURCE, error)) ||
        !lukshdrQemuHeaderSourceParseSource(header, source, error))
        return NULL;
    return g_steal_pointer(&header);
}

char *
lukshdrQemuHeaderSourcePath(const lukshdrQemuHeaderSource *header, bool privileged, GError **error)
{
    if (header->type == LUKSHDR_QEMU_HEADER_VOLUME)
        return lukshdrPoolStateVolumePath(privileged, header->pool, header->volume, error);
    return g_strdup(header->path);
}

static bool
lukshdrQemuMetadataParseDisk(GHashTable *headers, xmlNode *disk, GError **error)
{
    g_autofree char *target = lukshdrXMLAttribute(disk, LUKSHDR_XML_TARGET);
    g_autoptr(lukshdrQemuHeaderSource) header = NULL;
    xmlNode *node;

    if (!target || !*target || g_hash_table_contains(headers, target)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("each disk that is given a header needs an attribute 'target' of its own"));
        return false;
    }

    if (!(node = lukshdrQemuMetadataOnly(disk, LUKSHDR_XML_HEADER, error)) ||
        !(header = lukshdrQemuHeaderSourceParse(node, error)))
        return false;

    if (header->type == LUKSHDR_QEMU_HEADER_VOLUME && !header->volume) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("the 'source' of a header needs the attribute '%s'"), LUKSHDR_XML_VOLUME);
        return false;
    }

    g_hash_table_insert(headers, g_steal_pointer(&target), g_steal_pointer(&header));
    return true;
}

GHashTable *
lukshdrQemuMetadataParse(xmlNode *root, GError **error)
{
    static const char *const names[] = { LUKSHDR_XML_DISK, NULL };
    g_autoptr(GHashTable) headers = g_hash_table_new_full(
        g_str_hash, g_str_equal, g_free, (GDestroyNotify)lukshdrQemuHeaderSourceFree);
    xmlNode *node;

    if (!xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_DISKS)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("the element of namespace '%s' in a domain's metadata is '%s', not '%s'"),
                    LUKSHDR_XML_METADATA_URI, LUKSHDR_XML_DISKS, root->name);
        return NULL;
    }

    if (!lukshdrXMLOnlyChildren(root, names, error))
        return NULL;
    for (node = lukshdrXMLChild(root, NULL); node; node = lukshdrXMLNext(node, NULL)) {
        if (!lukshdrQemuMetadataParseDisk(headers, node, error))
            return NULL;
    }
    return g_steal_pointer(&headers);
}

GHashTable *
lukshdrQemuMetadataParseText(const char *xml, GError **error)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(xml, strlen(xml), LUKSHDR_XML_DISKS, error);

    return doc ? lukshdrQemuMetadataParse(xmlDocGetRootElement(doc), error) : NULL;
}
