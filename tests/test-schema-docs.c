/*
 * test-schema-docs.c: the schemas, against the XML in the documentation
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pages show only what is valid: there is no list of exceptions.  Blocks of the kind "console" are
 * left to tests/lib/docs.sh, which compares them with what a daemon prints: it may be a piece of
 * a document, or have something left out.
 */

#include <string.h>

#include "util/schema.h"
#include "util/xml.h"
#include "utiltest.h"

/* Puts an element that a page shows alone where it belongs.  Freed with g_free. */
static char *
testWrap(const char *root, const char *text, const char **whole)
{
    *whole = LUKSHDR_XML_VOLUME;
    if (g_str_equal(root, LUKSHDR_XML_ENCRYPTION))
        return g_strdup_printf("<volume><name>a</name><target>%s</target></volume>", text);
    if (g_str_equal(root, LUKSHDR_XML_HEADER))
        return g_strdup_printf(
            "<volume><name>a</name><target><encryption format='luks'>%s</encryption></target></volume>",
            text);
    if (g_str_equal(root, LUKSHDR_XML_DISK)) {
        *whole = "domain";
        return g_strdup_printf("<domain type='qemu'><name>a</name><memory>1</memory><os><type>hvm"
                               "</type></os><devices>%s</devices></domain>",
                               text);
    }
    if (g_str_equal(root, "driver")) {
        *whole = "domain";
        return g_strdup_printf(
            "<domain type='qemu'><name>a</name><memory>1</memory><os><type>hvm"
            "</type></os><devices><disk type='file' device='disk'>%s<source "
            "file='/a'/><target dev='vda' bus='virtio'/></disk></devices></domain>",
            text);
    }
    if (g_str_equal(root, LUKSHDR_XML_METADATA) || g_str_equal(root, "iothreads")) {
        *whole = "domain";
        return g_strdup_printf("<domain type='qemu'><name>a</name>%s<memory>1</memory><os><type>hvm"
                               "</type></os></domain>",
                               text);
    }
    *whole = root;
    return g_strdup(text);
}

/* What a <metadata> says in our namespace is for us to describe: libvirt allows anything there */
static void
testMetadata(const char *text)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_METADATA, NULL);
    xmlNode *node;
    unsigned int seen = 0;

    g_assert_nonnull(doc);
    for (node = xmlDocGetRootElement(doc)->children; node; node = node->next) {
        g_autofree char *ours = NULL;

        if (!node->ns || !xmlStrEqual(node->ns->href, BAD_CAST LUKSHDR_XML_METADATA_URI))
            continue;
        ours = lukshdrXMLFormat(node);
        utilTestValid(LUKSHDR_SCHEMA_METADATA, LUKSHDR_XML_DISKS, ours);
        seen++;
    }
    g_assert_cmpuint(seen, ==, 1);
}

static void
testElement(const char *root, const char *text)
{
    static const struct {
        const char *root;
        const char *schema;
        bool libvirt;
    } schemas[] = {
        { LUKSHDR_XML_VOLUME, LUKSHDR_SCHEMA_VOLUME, false },
        { LUKSHDR_XML_POOL, LUKSHDR_SCHEMA_POOL, false },
        { LUKSHDR_XML_LINK, LUKSHDR_SCHEMA_LINK, false },
        { LUKSHDR_XML_GUEST, LUKSHDR_SCHEMA_GUEST, false },
        { LUKSHDR_XML_SECRET, "secret.rng", true },
        { "domain", "domain.rng", true },
        { "domainbackup", "domainbackup.rng", true },
    };
    const char *whole;
    g_autofree char *document = testWrap(root, text, &whole);
    size_t i;

    if (g_str_equal(root, LUKSHDR_XML_METADATA))
        testMetadata(text);

    for (i = 0; i < G_N_ELEMENTS(schemas); i++) {
        g_autofree char *schema = NULL;

        if (!g_str_equal(schemas[i].root, whole))
            continue;
        schema = schemas[i].libvirt ? utilTestLibvirtSchema(schemas[i].schema)
                                    : g_strdup(schemas[i].schema);
        utilTestValid(schema, whole, document);
        return;
    }
    g_error("no schema is known for <%s>: tell testElement, or show it in a whole document", root);
}

/* Finds XML in the code blocks of a page of Markdown, between whatever else stands there.
 * Returns how many elements there were. */
static unsigned int
testPage(const char *file)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GString) element = NULL;
    g_autofree char *root = NULL;
    g_autofree char *end = NULL;
    bool inBlock = false;
    bool console = false;
    unsigned int blocks = 0; /* of XML that had no element yet */
    unsigned int seen = 0;
    size_t i;

    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);

    for (i = 0; lines[i]; i++) {
        g_autofree char *line = g_strstrip(g_strdup(lines[i]));

        if (g_str_has_prefix(line, "```")) {
            if (element || blocks)
                g_error("%s:%zu: an XML that is not one", file, i + 1);
            inBlock = !inBlock;
            console = inBlock && g_str_equal(line, "```console");
            blocks = inBlock && g_str_equal(line, "```xml");
            continue;
        }

        if (inBlock && !console && !element && line[0] == '<' && g_ascii_isalpha(line[1])) {
            element = g_string_new(NULL);
            root = g_strndup(line + 1, strcspn(line + 1, " />"));
            end = g_strdup_printf("</%s>", root);
        }

        if (!element)
            continue;
        g_string_append_printf(element, "%s\n", lines[i]);
        if (g_str_has_suffix(line, end) ||
            (g_str_has_suffix(line, "/>") && strchr(element->str, '\n')[1] == '\0')) {
            g_test_message("%s:%zu: <%s>", file, i + 1, root);
            testElement(root, element->str);
            g_string_free(g_steal_pointer(&element), true);
            g_clear_pointer(&root, g_free);
            g_clear_pointer(&end, g_free);
            blocks = 0;
            seen++;
        }
    }
    return seen;
}

static void
testDocumentation(void)
{
    const char *source = g_getenv("TEST_SOURCE_ROOT");
    g_autofree char *readme = g_build_filename(source, "README.md", NULL);
    g_autofree char *xml = g_build_filename(source, "docs", "xml.md", NULL);
    g_autofree char *docs = g_build_filename(source, "docs", NULL);
    g_autoptr(GDir) dir = g_dir_open(docs, 0, NULL);
    const char *name;

    g_assert_cmpuint(testPage(readme), >=, 1);
    g_assert_cmpuint(testPage(xml), >=, 4);
    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *page = g_build_filename(docs, name, NULL);

        if (g_str_has_suffix(name, ".md"))
            testPage(page);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/schema-docs", testDocumentation);

    return g_test_run();
}
