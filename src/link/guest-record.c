/*
 * guest-record.c: records of the linked disks of running guests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "guest-record.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "util/file.h"
#include "util/xml.h"

#define LUKSHDR_GUEST_SUFFIX ".xml"

void
lukshdrGuestDiskFree(lukshdrGuestDisk *disk)
{
    if (!disk)
        return;

    g_free(disk->linkUUID);
    g_free(disk->nodeName);
    g_free(disk->payloadPath);
    g_free(disk->headerPath);
    g_free(disk->headerNode);
    g_free(disk->format);
    g_free(disk);
}

lukshdrGuestDisk *
lukshdrGuestDiskCopy(const lukshdrGuestDisk *disk)
{
    lukshdrGuestDisk *copy = g_memdup2(disk, sizeof(*disk));

    copy->linkUUID = g_strdup(disk->linkUUID);
    copy->nodeName = g_strdup(disk->nodeName);
    copy->payloadPath = g_strdup(disk->payloadPath);
    copy->headerPath = g_strdup(disk->headerPath);
    copy->headerNode = g_strdup(disk->headerNode);
    copy->format = g_strdup(disk->format);
    return copy;
}

static char *
lukshdrGuestPath(const char *dir, const char *name)
{
    g_autofree char *file = g_strconcat(name, LUKSHDR_GUEST_SUFFIX, NULL);

    return g_build_filename(dir, file, NULL);
}

static void
lukshdrGuestFormatDisk(xmlNode *root, const lukshdrGuestDisk *disk)
{
    xmlNode *node = lukshdrXMLAddChild(root, LUKSHDR_XML_DISK, NULL);
    g_autofree char *granted = g_strdup_printf("%u", disk->granted);
    xmlNode *child;

    lukshdrXMLSetAttribute(node, LUKSHDR_XML_LINK, disk->linkUUID);
    lukshdrXMLSetAttribute(node, "node", disk->nodeName);
    lukshdrXMLSetAttribute(node, LUKSHDR_XML_FORMAT, disk->format);
    lukshdrXMLSetAttribute(node, "granted", granted);
    if (disk->readOnly)
        lukshdrXMLSetAttribute(node, "readonly", "yes");

    child = lukshdrXMLAddChild(node, LUKSHDR_XML_PAYLOAD, NULL);
    lukshdrXMLAddChild(child, LUKSHDR_XML_PATH, disk->payloadPath);
    lukshdrIdentityFormat(child, &disk->payloadIdentity);

    child = lukshdrXMLAddChild(node, LUKSHDR_XML_HEADER, NULL);
    if (disk->headerShared)
        lukshdrXMLSetAttribute(child, "shared", "yes");
    if (disk->headerExplicit)
        lukshdrXMLSetAttribute(child, "explicit", "yes");
    if (disk->headerNode)
        lukshdrXMLSetAttribute(child, "node", disk->headerNode);
    lukshdrXMLAddChild(child, LUKSHDR_XML_PATH, disk->headerPath);
    lukshdrIdentityFormat(child, &disk->headerIdentity);
}

bool
lukshdrGuestStore(const char *dir, const char *name, GPtrArray *disks, GError **error)
{
    g_autofree char *path = lukshdrGuestPath(dir, name);
    g_autofree char *text = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    xmlNode *root;
    guint i;

    if (disks->len == 0)
        return lukshdrFileRemove(path, error);

    doc = xmlNewDoc(NULL);
    root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_GUEST, NULL);
    xmlDocSetRootElement(doc, root);
    lukshdrXMLAddChild(root, LUKSHDR_XML_NAME, name);
    for (i = 0; i < disks->len; i++)
        lukshdrGuestFormatDisk(root, g_ptr_array_index(disks, i));

    text = lukshdrXMLFormat(root);
    return lukshdrFileWrite(path, text, error);
}

static bool
lukshdrGuestFlag(xmlNode *node, const char *name)
{
    g_autofree char *value = lukshdrXMLAttribute(node, name);

    return g_strcmp0(value, "yes") == 0;
}

static bool
lukshdrGuestParseFile(xmlNode *disk,
                      const char *name,
                      char **path,
                      lukshdrIdentity *identity,
                      GError **error)
{
    xmlNode *node = lukshdrXMLChild(disk, name);
    xmlNode *child = node ? lukshdrXMLChild(node, LUKSHDR_XML_PATH) : NULL;

    if (!child) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("a disk in the record of a guest has no path in '%s'"), name);
        return false;
    }
    *path = lukshdrXMLText(child);
    return lukshdrIdentityParse(node, identity, error);
}

static lukshdrGuestDisk *
lukshdrGuestParseDisk(xmlNode *node, GError **error)
{
    g_autoptr(lukshdrGuestDisk) disk = g_new0(lukshdrGuestDisk, 1);
    g_autofree char *granted = lukshdrXMLAttribute(node, "granted");
    guint64 count;

    disk->linkUUID = lukshdrXMLAttribute(node, LUKSHDR_XML_LINK);
    disk->nodeName = lukshdrXMLAttribute(node, "node");
    disk->format = lukshdrXMLAttribute(node, LUKSHDR_XML_FORMAT);
    disk->readOnly = lukshdrGuestFlag(node, "readonly");

    if (!disk->linkUUID || !disk->nodeName || !disk->format || !granted ||
        !g_ascii_string_to_unsigned(granted, 10, 0, G_MAXUINT, &count, NULL)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("a disk in the record of a guest is incomplete"));
        return NULL;
    }
    disk->granted = count;

    if (!lukshdrGuestParseFile(node, LUKSHDR_XML_PAYLOAD, &disk->payloadPath,
                               &disk->payloadIdentity, error) ||
        !lukshdrGuestParseFile(node, LUKSHDR_XML_HEADER, &disk->headerPath, &disk->headerIdentity,
                               error))
        return NULL;

    disk->headerShared = lukshdrGuestFlag(lukshdrXMLChild(node, LUKSHDR_XML_HEADER), "shared");
    disk->headerExplicit = lukshdrGuestFlag(lukshdrXMLChild(node, LUKSHDR_XML_HEADER), "explicit");
    disk->headerNode = lukshdrXMLAttribute(lukshdrXMLChild(node, LUKSHDR_XML_HEADER), "node");
    return g_steal_pointer(&disk);
}

GPtrArray *
lukshdrGuestLoad(const char *dir, const char *name, GError **error)
{
    g_autoptr(GPtrArray)
        disks = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrGuestDiskFree);
    g_autofree char *path = lukshdrGuestPath(dir, name);
    g_autofree char *text = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    xmlNode *node;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return g_steal_pointer(&disks);

    if (!lukshdrFileRead(path, &text, error) ||
        !(doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_GUEST, error)))
        return NULL;

    for (node = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_DISK); node;
         node = lukshdrXMLNext(node, LUKSHDR_XML_DISK)) {
        lukshdrGuestDisk *disk = lukshdrGuestParseDisk(node, error);

        if (!disk)
            return NULL;
        g_ptr_array_add(disks, disk);
    }

    return g_steal_pointer(&disks);
}

char *
lukshdrGuestRecordOf(const char *file)
{
    return g_str_has_suffix(file, LUKSHDR_GUEST_SUFFIX)
               ? g_strndup(file, strlen(file) - strlen(LUKSHDR_GUEST_SUFFIX))
               : NULL;
}

char **
lukshdrGuestList(const char *dir)
{
    g_autoptr(GDir) gdir = g_dir_open(dir, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *file;

    while (gdir && (file = g_dir_read_name(gdir))) {
        char *record = lukshdrGuestRecordOf(file);

        if (record)
            g_ptr_array_add(names, record);
    }

    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}
