/*
 * fuzz-volume.c: any bytes as volume XML
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <stdlib.h>
#include <string.h>

#include "storage_backend_lukshdr/vol-xml.h"
#include "util/text.h"
#include "util/xml.h"
#include "fuzz.h"

/* What stock gets for a volume with a detached header */
static void
fuzzStock(const char *stock)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(stock, strlen(stock), LUKSHDR_XML_VOLUME, NULL);
    xmlNode *target;

    g_assert_nonnull(doc);
    for (target = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET); target;
         target = lukshdrXMLNext(target, LUKSHDR_XML_TARGET))
        g_assert_null(lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION));
}

static void
fuzzAsked(const lukshdrVolumeXML *xml)
{
    g_autoptr(lukshdrVolumeXML) again = NULL;
    guint i;

    /* asks for no header, and says nothing of encryption */
    g_assert_true(lukshdrVolumeXMLParse(xml->stock, &again, NULL));
    g_assert_null(again);
    fuzzStock(xml->stock);

    for (i = 0; i < xml->headers->len; i++) {
        const lukshdrHeaderSource *source = g_ptr_array_index(xml->headers, i);

        g_assert_true(source->pool && source->volume);
        g_assert_null(strchr(source->pool, '/'));
        g_assert_null(strchr(source->volume, '/'));
        g_assert_true(lukshdrTextIsName(source->pool) && lukshdrTextIsName(source->volume));
    }
    /* what is given up, or only looked at, needs no header to be named */
    g_assert_true(i > 0 || xml->action == LUKSHDR_HEADER_LINK_UNLINK ||
                  xml->action == LUKSHDR_HEADER_LINK_CHECK ||
                  xml->action == LUKSHDR_HEADER_LINK_TRIM);
    g_assert_true(!xml->unused == (xml->action != LUKSHDR_HEADER_LINK_TRIM));
    for (i = 0; xml->unused && i < xml->unused->len; i++) {
        const lukshdrVolumeRange *range = &g_array_index(xml->unused, lukshdrVolumeRange, i);
        const lukshdrVolumeRange *before = i > 0 ? range - 1 : NULL;

        g_assert_cmpint(xml->unusedDomain, >, 0);
        g_assert_cmpuint(range->size, >, 0);
        g_assert_cmpuint((range->offset | range->size) % LUKSHDR_VOLUME_SECTOR, ==, 0);
        g_assert_cmpuint(range->offset + range->size, <, G_MAXINT64);
        g_assert_true(!before || before->offset + before->size <= range->offset);
    }
    g_assert_true(lukshdrVolumeXMLPrimary(xml) ==
                  (xml->headers->len > 0 ? xml->headers->pdata[0] : NULL));
    g_assert_true(lukshdrTextIsName(xml->name));

    /* by UUID or by usage; neither, if one is to be generated */
    g_assert_false(xml->secretUUID && xml->secretUsage);
    g_assert_true(!xml->secretUUID || g_uuid_string_is_valid(xml->secretUUID));
    g_assert_true(!xml->params.cipherAlg || lukshdrTextIsToken(xml->params.cipherAlg));
    g_assert_true(!xml->params.ivgenAlg || lukshdrTextIsToken(xml->params.ivgenAlg));
}

/* A qcow2 that is made in a raw image: qemu-img's options are names and numbers, and stock hears of none */
static void
fuzzImage(lukshdrVolumeXML *xml)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *format = NULL;
    bool ok = lukshdrVolumeXMLToImage(xml, &error);

    fuzzError(ok, error);
    g_assert_true(ok == !!xml->image);
    if (!ok)
        return;
    g_assert_null(strpbrk(xml->image, "/ \n\t"));
    fuzzStock(xml->stock);
    format = lukshdrVolumeXMLFormatSaid(xml->stock);
    g_assert_null(format);
}

/* What is shown of a plain volume that is linked reads as a request for that header */
static void
fuzzShown(const char *text, size_t size, lukshdrLink *link)
{
    g_autoptr(GPtrArray) links = g_ptr_array_new();
    char *payload = lukshdrVolumeXMLShowPayload(text, link, NULL);
    char *image = lukshdrVolumeXMLShowImage(text, "qcow2", size);
    g_autofree char *said = image ? lukshdrVolumeXMLFormatSaid(image) : NULL;
    char *header;

    g_assert_true(!image || g_strcmp0(said, "qcow2") == 0);
    free(image);
    if (payload) {
        g_autoptr(lukshdrVolumeXML) xml = NULL;

        if (lukshdrVolumeXMLParse(payload, &xml, NULL) && xml) {
            g_assert_cmpstr(lukshdrVolumeXMLPrimary(xml)->pool, ==, "vault");
            g_assert_cmpstr(lukshdrVolumeXMLPrimary(xml)->volume, ==, "data.luks");
        }
    }
    g_ptr_array_add(links, link);
    header = lukshdrVolumeXMLShowHeader(text, links);
    free(header);
    free(payload);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(lukshdrLink) link = fuzzLink();
    g_autoptr(lukshdrVolumeXML) xml = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) formatError = NULL;
    g_autofree char *format = NULL;
    bool ok = lukshdrVolumeXMLParse(text, &xml, &error);

    fuzzError(ok, error);
    g_assert_true(ok || !xml);
    if (xml)
        fuzzAsked(xml);

    format = lukshdrVolumeXMLFormatOf(text, &formatError);
    fuzzError(format, formatError);
    fuzzShown(text, size, link);
    if (xml)
        fuzzImage(xml);
    return 0;
}
