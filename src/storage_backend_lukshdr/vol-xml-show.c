/*
 * vol-xml-show.c: writing volume XML with a detached header
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/error.h"
#include "link/label.h"
#include "vol-xml.h"
#include "util/xml.h"

char *
lukshdrVolumeXMLHeader(const char *name)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_VOLUME, NULL);
    g_autofree char *size = g_strdup_printf("%d", LUKSHDR_HEADER_VOLUME_SIZE);
    xmlNode *node;

    xmlDocSetRootElement(doc, root);
    lukshdrXMLAddChild(root, LUKSHDR_XML_NAME, name);
    lukshdrXMLAddChild(root, LUKSHDR_XML_CAPACITY, size);
    /* allocate all of it, so that a later write to a header cannot fail because the disk is full */
    lukshdrXMLAddChild(root, "allocation", size);

    /* give no format: in pools of files that means raw, and for partitions libvirt knows no
     * "raw" */
    node = lukshdrXMLAddChild(root, LUKSHDR_XML_TARGET, NULL);
    node = lukshdrXMLAddChild(node, "permissions", NULL);
    lukshdrXMLAddChild(node, "mode", "0600");

    return lukshdrXMLFormat(root);
}

char *
lukshdrVolumeXMLFormatSaid(const char *text)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, NULL);
    xmlNode *target = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET) : NULL;
    xmlNode *node = target ? lukshdrXMLChild(target, LUKSHDR_XML_FORMAT) : NULL;

    return node ? lukshdrXMLAttribute(node, LUKSHDR_XML_TYPE) : NULL;
}

char *
lukshdrVolumeXMLFormatOf(const char *text, GError **error)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, error);
    g_autofree char *type = NULL;
    char *format;

    if (!doc)
        return NULL;

    type = lukshdrXMLAttribute(xmlDocGetRootElement(doc), "type");
    format = lukshdrVolumeXMLFormatSaid(text);
    if (!format || g_strcmp0(type, "block") == 0) {
        g_free(format);
        return g_strdup("raw");
    }
    return format;
}

/* An API result is freed by libvirt's callers with free(3) */
static char *
lukshdrVolumeXMLResult(xmlNode *root)
{
    g_autofree char *text = lukshdrXMLFormatShown(root);

    return strdup(text);
}

char *
lukshdrVolumeXMLShowImage(const char *text, const char *format, guint64 capacity)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, NULL);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *target = root ? lukshdrXMLChild(root, LUKSHDR_XML_TARGET) : NULL;
    g_autofree char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT, capacity);
    xmlNode *node;

    if (!target)
        return NULL;

    if (!(node = lukshdrXMLChild(target, LUKSHDR_XML_FORMAT)))
        node = lukshdrXMLAddChild(target, LUKSHDR_XML_FORMAT, NULL);
    lukshdrXMLSetAttribute(node, LUKSHDR_XML_TYPE, format);
    if (capacity && (node = lukshdrXMLChild(root, LUKSHDR_XML_CAPACITY)))
        xmlNodeSetContent(node, BAD_CAST bytes);
    return lukshdrVolumeXMLResult(root);
}

/* Finds or makes <encryption format='luks'> with its <secret> in @root's
 * <target>.  After a refresh has seen a header volume, stock shows an empty
 * <encryption> for it. */
static xmlNode *
lukshdrVolumeXMLEncryption(xmlNode *root, const lukshdrLink *link)
{
    xmlNode *target = lukshdrXMLChild(root, LUKSHDR_XML_TARGET);
    xmlNode *encryption;
    xmlNode *secret;

    if (!target)
        return NULL;

    if ((encryption = lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION))) {
        if (lukshdrXMLChild(encryption, LUKSHDR_XML_SECRET))
            return encryption;
        xmlUnlinkNode(encryption);
        xmlFreeNode(encryption);
    }

    encryption = lukshdrXMLAddChild(target, LUKSHDR_XML_ENCRYPTION, NULL);
    lukshdrXMLSetAttribute(encryption, LUKSHDR_XML_FORMAT, "luks");
    if (link->secretUUID) {
        secret = lukshdrXMLAddChild(encryption, LUKSHDR_XML_SECRET, NULL);
        lukshdrXMLSetAttribute(secret, "type", "passphrase");
        lukshdrXMLSetAttribute(secret, "uuid", link->secretUUID);
    }
    return encryption;
}

static void
lukshdrVolumeXMLAddSource(xmlNode *parent, const lukshdrVolume *vol)
{
    xmlNode *source = lukshdrXMLAddChild(parent, LUKSHDR_XML_SOURCE, NULL);

    lukshdrXMLSetAttribute(source, "pool", vol->pool);
    lukshdrXMLSetAttribute(source, "volume", vol->volume);
}

char *
lukshdrVolumeXMLShowPayload(const char *text, const lukshdrLink *link, const char *state)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, NULL);
    const lukshdrVolume *copy;
    xmlNode *encryption;
    xmlNode *header;
    guint i;

    if (!doc || !(encryption = lukshdrVolumeXMLEncryption(xmlDocGetRootElement(doc), link)))
        return NULL;

    header = lukshdrXMLAddChild(encryption, LUKSHDR_XML_HEADER, NULL);
    lukshdrXMLSetAttribute(header, "type", "volume");
    if (link->headerShared)
        lukshdrXMLSetAttribute(header, LUKSHDR_XML_HEADER_LINK,
                               lukshdrHeaderLinkActionToString(LUKSHDR_HEADER_LINK_SHARE));
    if (link->state != LUKSHDR_LINK_STATE_ACTIVE)
        state = lukshdrLinkStateToString(link->state);
    if (state)
        lukshdrXMLSetAttribute(header, LUKSHDR_XML_STATE, state);
    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        /* do not show a replica that a label names and nobody here has seen */
        if (i == 0 || lukshdrVolumeLocation(copy) != LUKSHDR_LOCATION_NONE ||
            link->state != LUKSHDR_LINK_STATE_ACTIVE)
            lukshdrVolumeXMLAddSource(header, copy);
    }

    return lukshdrVolumeXMLResult(xmlDocGetRootElement(doc));
}

/* Says that a header is no raw disk.  virt-manager and its like show the format beside the name, and
 * offer every volume as a disk.  The formats of partitions are others, and stay. */
static void
lukshdrVolumeXMLShowLuks(xmlNode *root)
{
    xmlNode *node = lukshdrXMLChild(lukshdrXMLChild(root, LUKSHDR_XML_TARGET), LUKSHDR_XML_FORMAT);
    g_autofree char *format = node ? lukshdrXMLAttribute(node, LUKSHDR_XML_TYPE) : NULL;

    if (g_strcmp0(format, "raw") == 0)
        lukshdrXMLSetAttribute(node, LUKSHDR_XML_TYPE, "luks");
}

/* Shows the payloads of @links, each with @state if that is not NULL */
static char *
lukshdrVolumeXMLShowPayloads(const char *text, GPtrArray *links, const char *state)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, NULL);
    xmlNode *encryption;
    xmlNode *payload;
    guint i;

    if (!doc || links->len == 0 ||
        !(encryption = lukshdrVolumeXMLEncryption(xmlDocGetRootElement(doc),
                                                  g_ptr_array_index(links, 0))))
        return NULL;

    if (!state)
        lukshdrVolumeXMLShowLuks(xmlDocGetRootElement(doc));
    payload = lukshdrXMLAddChild(encryption, LUKSHDR_XML_PAYLOAD, NULL);
    lukshdrXMLSetAttribute(payload, "type", "volume");
    for (i = 0; i < links->len; i++) {
        const lukshdrLink *link = g_ptr_array_index(links, i);

        lukshdrVolumeXMLAddSource(payload, &link->payload);
        if (state)
            lukshdrXMLSetAttribute(xmlGetLastChild(payload), LUKSHDR_XML_STATE, state);
    }
    return lukshdrVolumeXMLResult(xmlDocGetRootElement(doc));
}

char *
lukshdrVolumeXMLShowHeader(const char *text, GPtrArray *links)
{
    return lukshdrVolumeXMLShowPayloads(text, links, NULL);
}

char *
lukshdrVolumeXMLShowFound(const char *text, GPtrArray *links)
{
    return lukshdrVolumeXMLShowPayloads(text, links, LUKSHDR_XML_STATE_FOUND);
}

static void
lukshdrVolumeXMLMarkSources(xmlNode *parent, bool (*isLost)(const char *pool, const char *volume))
{
    xmlNode *node;

    for (node = lukshdrXMLChild(parent, LUKSHDR_XML_SOURCE); node;
         node = lukshdrXMLNext(node, LUKSHDR_XML_SOURCE)) {
        g_autofree char *pool = lukshdrXMLAttribute(node, LUKSHDR_XML_POOL);
        g_autofree char *volume = lukshdrXMLAttribute(node, LUKSHDR_XML_VOLUME);

        if (pool && volume && isLost(pool, volume))
            lukshdrXMLSetAttribute(node, LUKSHDR_XML_STATE, LUKSHDR_XML_STATE_MISSING);
    }
}

char *
lukshdrVolumeXMLMarkLost(const char *text, bool (*isLost)(const char *pool, const char *volume))
{
    static const char *const halves[] = { LUKSHDR_XML_HEADER, LUKSHDR_XML_PAYLOAD };
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, NULL);
    xmlNode *target = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET) : NULL;
    xmlNode *encryption = target ? lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION) : NULL;
    xmlNode *half;
    size_t i;

    for (i = 0; encryption && i < G_N_ELEMENTS(halves); i++) {
        if ((half = lukshdrXMLChild(encryption, halves[i])))
            lukshdrVolumeXMLMarkSources(half, isLost);
    }
    return encryption ? lukshdrVolumeXMLResult(xmlDocGetRootElement(doc)) : NULL;
}

/* Sets @bytes if @node is a number of bytes */
static bool
lukshdrVolumeXMLBytes(xmlNode *node, guint64 *bytes)
{
    g_autofree char *unit = lukshdrXMLAttribute(node, LUKSHDR_XML_UNIT);
    g_autofree char *text = lukshdrXMLText(node);

    return (!unit || g_str_equal(unit, "bytes") || g_str_equal(unit, "B")) &&
           g_ascii_string_to_unsigned(g_strstrip(text), 10, 0, G_MAXUINT64, bytes, NULL);
}

/* The allocation of a file is whole blocks.  virsh vol-clone sends that of the source, and stock
 * makes a raw file as long. */
static void
lukshdrVolumeXMLCutAllocation(xmlNode *root, xmlNode *capacity)
{
    xmlNode *allocation = lukshdrXMLChild(root, "allocation");
    guint64 most;
    guint64 now;

    if (allocation && lukshdrVolumeXMLBytes(capacity, &most) &&
        lukshdrVolumeXMLBytes(allocation, &now) && now > most) {
        g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, most);

        xmlNodeSetContent(allocation, BAD_CAST text);
    }
}

char *
lukshdrVolumeXMLSetCapacity(const char *text, unsigned long long capacity, GError **error)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, error);
    g_autofree char *bytes = g_strdup_printf("%llu", capacity);
    g_autofree char *there = NULL;
    xmlNode *node;

    if (!doc)
        return NULL;

    if ((node = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_CAPACITY))) {
        there = lukshdrXMLText(node);
        /* libvirt makes no image of that size that would be grown later */
        if (g_strcmp0(there, "0")) {
            lukshdrVolumeXMLCutAllocation(xmlDocGetRootElement(doc), node);
            return lukshdrXMLFormat(xmlDocGetRootElement(doc));
        }
        xmlUnlinkNode(node);
        xmlFreeNode(node);
    }

    node = lukshdrXMLAddChild(xmlDocGetRootElement(doc), LUKSHDR_XML_CAPACITY, bytes);
    lukshdrVolumeXMLCutAllocation(xmlDocGetRootElement(doc), node);
    return lukshdrXMLFormat(xmlDocGetRootElement(doc));
}

bool
lukshdrVolumeXMLHasBacking(const char *text)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, NULL);
    xmlNode *backing = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_BACKING_STORE)
                           : NULL;

    /* stock shows an empty <backingStore> for a volume without one */
    return backing && lukshdrXMLChild(backing, LUKSHDR_XML_PATH);
}

bool
lukshdrVolumeXMLIsEncrypted(const char *text)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, NULL);
    xmlNode *target = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET) : NULL;

    return target && lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION);
}
