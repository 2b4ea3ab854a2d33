/*
 * test-volumexml.c: volume XML with a detached header, as it comes and as it is shown
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In tests/xml/volume, for a case NAME:
 *
 *   NAME.in.xml     what a client sends to vol-create
 *   NAME.stock.xml  what the stock entry is given of it
 *   NAME.params     what else it asks for, in today's words (link-adopt and link-part: release 0.1's)
 *   NAME.error      instead of both: "CODE fragment of the message"
 *                   (none of the three: the stock entry's business as it is)
 *   NAME.dump.xml   what stock shows of a volume; the link is tests/xml/link/file.xml,
 *                   or creating.xml if NAME begins with "creating"
 *   NAME.shown.xml  what is shown of it: as a header volume's if NAME begins with
 *                   "header", else as a payload's; missing: what stock shows
 *   NAME.format     the format that a link to it records
 */

#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "storage_backend_lukshdr/vol-xml.h"
#include "util/error.h"
#include "util/xml.h"
#include "utiltest.h"

#define VOLUME_DIR "xml/volume"

static void
testAppend(GString *out, const char *name, const char *value)
{
    if (value)
        g_string_append_printf(out, "%s: %s\n", name, value);
}

static char *
testParams(const lukshdrVolumeXML *xml)
{
    GString *out = g_string_new(NULL);

    guint i;

    testAppend(out, "name", xml->name);
    if (xml->action != LUKSHDR_HEADER_LINK_NEW)
        testAppend(out, "link", lukshdrHeaderLinkActionToString(xml->action));
    for (i = 0; i < xml->headers->len; i++) {
        const lukshdrHeaderSource *source = g_ptr_array_index(xml->headers, i);

        testAppend(out, i ? "replica pool" : "header pool", source->pool);
        testAppend(out, i ? "replica volume" : "header volume", source->volume);
    }
    testAppend(out, "secret uuid", xml->secretUUID);
    testAppend(out, "secret usage", xml->secretUsage);
    testAppend(out, "cipher-alg", xml->params.cipherAlg);
    testAppend(out, "cipher-mode", xml->params.cipherMode);
    testAppend(out, "ivgen-alg", xml->params.ivgenAlg);
    testAppend(out, "ivgen-hash-alg", xml->params.ivgenHashAlg);
    testAppend(out, "hash-alg", xml->params.hashAlg);
    g_assert_cmpuint(xml->params.iterTime, ==, 0);
    if (xml->unused)
        g_string_append_printf(out, "unused domain: %d\n", xml->unusedDomain);
    for (i = 0; xml->unused && i < xml->unused->len; i++) {
        const lukshdrVolumeRange *range = &g_array_index(xml->unused, lukshdrVolumeRange, i);

        g_string_append_printf(out, "unused: %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
                               range->offset, range->size);
    }
    return g_string_free(out, FALSE);
}

static void
testIn(const char *name, const char *in)
{
    g_autofree char *refusal = utilTestLoad(VOLUME_DIR, name, ".error");
    g_autofree char *stock = utilTestLoad(VOLUME_DIR, name, ".stock.xml");
    g_autofree char *params = utilTestLoad(VOLUME_DIR, name, ".params");
    g_autofree char *asked = NULL;
    g_autoptr(lukshdrVolumeXML) xml = NULL;
    g_autoptr(lukshdrVolumeXML) again = NULL;
    g_autoptr(GError) error = NULL;
    bool ok = lukshdrVolumeXMLParse(in, &xml, &error);

    g_assert_true(ok == !error);
    if (refusal) {
        g_assert_null(stock);
        g_assert_null(params);
        g_assert_null(xml);
        utilTestError(error, refusal);
        return;
    }
    g_assert_no_error(error);

    g_assert_true(!stock == !params);
    if (!stock) {
        if (xml)
            g_error("'%s' was taken for one with a header", name);
        return;
    }
    g_assert_nonnull(xml);
    utilTestGolden(VOLUME_DIR, name, ".stock.xml", xml->stock);
    asked = testParams(xml);
    utilTestGolden(VOLUME_DIR, name, ".params", asked);

    /* what stock is given is stock's */
    g_assert_null(strstr(xml->stock, "<encryption"));
    g_assert_true(lukshdrVolumeXMLParse(xml->stock, &again, NULL));
    g_assert_null(again);
}

static void
testSources(const lukshdrVolumeXML *xml, const lukshdrLink *link)
{
    const lukshdrVolume *copy;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        const lukshdrHeaderSource *source = g_ptr_array_index(xml->headers, i);

        g_assert_cmpstr(source->pool, ==, copy->pool);
        g_assert_cmpstr(source->volume, ==, copy->volume);
    }
    g_assert_cmpuint(xml->headers->len, ==, i);
    g_assert_cmpint(xml->action, ==,
                    link->headerShared ? LUKSHDR_HEADER_LINK_SHARE : LUKSHDR_HEADER_LINK_NEW);
}

/* The link that the dump named @name is shown with: called "creating...", "shared...", or else */
static char *
testLinkXML(const char *name)
{
    static const char *const links[] = { "creating", "shared", NULL };
    size_t i;

    for (i = 0; links[i]; i++) {
        if (g_str_has_prefix(name, links[i]))
            break;
    }
    return utilTestLoad("xml/link", links[i] ? links[i] : "file", ".xml");
}

static void
testDump(const char *name, const char *dump)
{
    g_autofree char *linkXML = testLinkXML(name);
    g_autofree char *shown = utilTestLoad(VOLUME_DIR, name, ".shown.xml");
    g_autofree char *format = utilTestLoad(VOLUME_DIR, name, ".format");
    g_autofree char *foundFormat = NULL;
    g_autoptr(lukshdrLink) link = lukshdrLinkParse(linkXML, strlen(linkXML), NULL);
    g_autoptr(GPtrArray) links = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    char *found; /* freed with free(3): an API result */

    g_assert_nonnull(link);
    g_ptr_array_add(links, link);
    found = g_str_has_prefix(name, "header") ? lukshdrVolumeXMLShowHeader(dump, links)
                                             : lukshdrVolumeXMLShowPayload(dump, link, NULL);
    if (shown)
        utilTestGolden(VOLUME_DIR, name, ".shown.xml", found);
    else
        g_assert_null(found);

    foundFormat = lukshdrVolumeXMLFormatOf(dump, &error);
    if (format) {
        g_assert_no_error(error);
        g_assert_cmpstr(foundFormat, ==, g_strchomp(format));
    } else {
        g_assert_null(foundFormat);
        utilTestError(error, "XML_ERROR XML");
    }

    /* a header is asked for in the form in which it is shown */
    if (shown && !g_str_has_prefix(name, "header") && link->state == LUKSHDR_LINK_STATE_ACTIVE) {
        g_autoptr(lukshdrVolumeXML) xml = NULL;

        g_assert_true(lukshdrVolumeXMLParse(found, &xml, &error));
        g_assert_no_error(error);
        testSources(xml, link);
        g_assert_cmpstr(xml->secretUUID, ==, link->secretUUID);
    }
    free(found);
}

static void
testGolden(gconstpointer opaque)
{
    const char *name = opaque;
    g_autofree char *in = utilTestLoad(VOLUME_DIR, name, ".in.xml");
    g_autofree char *dump = utilTestLoad(VOLUME_DIR, name, ".dump.xml");

    /* a case whose input was misspelt would test nothing */
    g_assert_true(!in != !dump);
    if (in)
        testIn(name, in);
    else
        testDump(name, dump);
}

static void
testHeader(void)
{
    static const char *const names[] = { "data.luks", "<&> \"'", "d\xc3\xa9j\xc3\xa0" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *text = lukshdrVolumeXMLHeader(names[i]);
        g_autoptr(lukshdrVolumeXML) xml = NULL;
        g_autoptr(xmlDoc) doc = xmlReadMemory(text, strlen(text), NULL, NULL, 0);
        xmlNode *node;
        xmlChar *name;

        g_assert_nonnull(doc);
        g_assert_true(g_str_has_prefix(text, "<volume>\n  <name>"));
        node = xmlDocGetRootElement(doc)->children->next;
        name = xmlNodeGetContent(node);
        g_assert_cmpstr((const char *)name, ==, names[i]);
        xmlFree(name);
        g_assert_nonnull(strstr(text, "<capacity>4194304</capacity>"));
        g_assert_nonnull(strstr(text, "<allocation>4194304</allocation>"));
        g_assert_null(strstr(text, "<format"));
        g_assert_nonnull(strstr(text, "<mode>0600</mode>"));
        g_assert_true(lukshdrVolumeXMLParse(text, &xml, NULL));
        g_assert_null(xml);
    }
    lukshdrVolumeXMLFree(NULL);
}

static bool
testIsLost(const char *pool, const char *volume)
{
    return g_str_equal(pool, "vault2") && g_str_equal(volume, "data.luks");
}

/* What is missing is said at each source, and asked for as if it were not */
static void
testMarkLost(void)
{
    g_autofree char *shown = utilTestLoad(VOLUME_DIR, "shared-payload", ".shown.xml");
    char *marked = lukshdrVolumeXMLMarkLost(shown, testIsLost); /* freed with free(3) */
    g_autoptr(lukshdrVolumeXML) xml = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) states = NULL;

    /* one, so two pieces */
    states = g_strsplit(marked ? marked : "", "state=", -1);
    g_assert_cmpuint(g_strv_length(states), ==, 2);
    g_assert_nonnull(
        g_strrstr(marked, "<source pool='vault2' volume='data.luks' state='missing'/>"));
    g_assert_true(lukshdrVolumeXMLParse(marked, &xml, &error));
    g_assert_no_error(error);
    g_assert_nonnull(xml);
    free(marked);

    g_assert_null(lukshdrVolumeXMLMarkLost("<volume/>", testIsLost));
    g_assert_null(lukshdrVolumeXMLMarkLost("<volume", testIsLost));
}

#define IMAGE(inner) \
    "<volume><name>v</name><capacity>16</capacity><target>" inner \
    "<encryption format='luks'><header type='volume'><source pool='p'/></header></encryption>" \
    "</target></volume>"

/* A qcow2 that we make ourselves: stock hears of a raw volume, qemu-img of what was said of the qcow2 */
static void
testImage(void)
{
    static const struct {
        const char *xml;
        const char *expected; /* the options, or the refusal */
        bool refused;
    } cases[] = {
        { IMAGE("<format type='qcow2'/>"), "compat=1.1", false },
        { IMAGE("<format type='qcow2'/><compat>0.10</compat><features/>"), "compat=0.10", false },
        { IMAGE("<clusterSize unit='B'>65536</clusterSize><format type='qcow2'/>"),
          "compat=1.1,cluster_size=65536", false },
        { IMAGE("<format type='qcow2'/><clusterSize unit='KiB'> 64 </clusterSize>"
                "<features><lazy_refcounts/><extended_l2/></features>"),
          "compat=1.1,cluster_size=64k,lazy_refcounts=on,extended_l2=on", false },
        { IMAGE("<format type='qcow2'/><clusterSize unit='MiB'>2</clusterSize>"),
          "compat=1.1,cluster_size=2M", false },
        { IMAGE("<format type='qcow2'/><clusterSize unit='GiB'>1</clusterSize>"),
          "XML_ERROR clusterSize", true },
        { IMAGE("<format type='qcow2'/><clusterSize>64,backing_file=/etc/shadow</clusterSize>"),
          "XML_ERROR clusterSize", true },
        { IMAGE("<format type='qcow2'/><compat>1.1,data_file=/etc/shadow</compat>"),
          "CONFIG_UNSUPPORTED compatibility level", true },
        { IMAGE("<format type='qcow2'/><features><data_file/></features>"), "XML_ERROR data_file",
          true },
        { IMAGE("<format type='qcow2'/><compat>1.1</compat><compat>0.10</compat>"),
          "XML_ERROR compat", true },
        { IMAGE("<features><extended_l2/><extended_l2/></features>"), "XML_ERROR extended_l2",
          true },
    };
    static const char *const gone[] = { "format", "compat", "clusterSize", "features",
                                        "encryption" };
    size_t i, j;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(lukshdrVolumeXML) xml = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_true(lukshdrVolumeXMLParse(cases[i].xml, &xml, &error));
        g_assert_no_error(error);
        g_assert_true(lukshdrVolumeXMLToImage(xml, &error) == !cases[i].refused);
        if (cases[i].refused) {
            utilTestError(error, cases[i].expected);
            g_assert_null(xml->image);
            continue;
        }
        g_assert_no_error(error);
        g_assert_cmpstr(xml->image, ==, cases[i].expected);
        for (j = 0; j < G_N_ELEMENTS(gone); j++)
            g_assert_null(strstr(xml->stock, gone[j]));
        g_assert_nonnull(strstr(xml->stock, "<capacity>16</capacity>"));
    }
}

/* What stock says of the raw image becomes what is in it */
static void
testShowImage(void)
{
    static const char stock[] = "<volume type='network'><name>v</name><capacity unit='bytes'>99"
                                "</capacity><target><format type='raw'/></target></volume>";
    char *shown = lukshdrVolumeXMLShowImage(stock, "qcow2", 16); /* freed with free(3) */
    char *unknown = lukshdrVolumeXMLShowImage(stock, "qcow2", 0);
    g_autofree char *said = lukshdrVolumeXMLFormatSaid(shown);
    g_autofree char *none = lukshdrVolumeXMLFormatSaid("<volume><name>v</name></volume>");

    g_assert_cmpstr(said, ==, "qcow2");
    g_assert_null(none);
    g_assert_nonnull(strstr(shown, "<capacity unit='bytes'>16</capacity>"));
    g_assert_nonnull(strstr(unknown, "<capacity unit='bytes'>99</capacity>"));
    g_assert_null(lukshdrVolumeXMLShowImage("<volume/>", "qcow2", 16));
    free(shown);
    free(unknown);
}

int
main(int argc, char **argv)
{
    static const char *const suffixes[] = { ".stock.xml", ".dump.xml", ".shown.xml", ".in.xml",
                                            ".params",    ".error",    ".format",    NULL };

    xmlInitParser();
    g_test_init(&argc, &argv, NULL);
    utilTestCases(VOLUME_DIR, suffixes, "/volumexml/", testGolden);
    g_test_add_func("/volumexml-header", testHeader);
    g_test_add_func("/volumexml-mark-lost", testMarkLost);
    g_test_add_func("/volumexml-image", testImage);
    g_test_add_func("/volumexml-show-image", testShowImage);
    return g_test_run();
}
