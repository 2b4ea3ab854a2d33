/*
 * test-schema.c: the schemas, against every XML that there is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is in tests/xml, in the documentation and written by our own code.  libvirt's schemas
 * must be installed, since ours include them.
 */

#include <glib/gstdio.h>
#include <string.h>

#include "../src/storage_backend_lukshdr/lukshdrstoragedefault.h"
#include "../src/storage_backend_lukshdr/lukshdrstoragevalidate.h"
#include "../src/storage_backend_lukshdr/lukshdrstoragexml.h"
#include "../src/util/lukshdrerror.h"
#include "../src/util/lukshdrguest.h"
#include "../src/util/lukshdrpaths.h"
#include "../src/util/lukshdrschema.h"
#include "../src/util/lukshdrxml.h"
#include "utiltest.h"

#define VOLUME_DIR "xml/volume"

typedef struct _testException testException;
struct _testException {
    const char *file; /* below tests/xml/volume */
    const char *why;
};

/* Refused by our code, and as the schema wants it */
static const testException testGrammatical[] = {
    { "refused-backing.in.xml", "whose <backingStore> it is, libvirt's schema does not ask" },
    { "refused-header-two-sources.in.xml", "replicas: the grammar has them" },
};

/* Against the schema, but taken by our code, or stock's business */
static const testException testUngrammatical[] = {
    { "empty.in.xml", "no XML" },
    { "malformed-without.in.xml", "no XML" },
    { "other-root.in.xml", "no volume" },
    { "other-elements.in.xml", "stock drops what it does not know, unless it validates" },
    { "no-xml.dump.xml", "no XML" },
    { "no-volume.dump.xml", "no volume" },
    { "no-target.dump.xml", "stock always writes a <target>" },
};

static bool
testIsException(const testException *exceptions, size_t n, const char *file)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (g_str_equal(exceptions[i].file, file))
            return true;
    }
    return false;
}

/* path of one of libvirt's own schemas, freed with g_free */
static char *
testLibvirt(const char *name)
{
    g_autofree char *path = g_build_filename(g_getenv("TEST_LIBVIRT_SCHEMA_DIR"), name, NULL);

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_error("no '%s': install what libvirt's daemons need, or set libvirt_schema_dir", path);
    return g_steal_pointer(&path);
}

static void
testValid(const char *schema, const char *root, const char *text)
{
    g_autoptr(GError) error = NULL;
    bool ok = lukshdrSchemaValidate(schema, root, text, &error);

    if (!ok)
        g_test_message("%s", text);
    g_assert_no_error(error);
    g_assert_true(ok);
}

static void
testInvalid(const char *schema, const char *root, const char *text)
{
    g_autoptr(GError) error = NULL;

    if (lukshdrSchemaValidate(schema, root, text, &error))
        g_error("is valid by %s:\n%s", schema, text);
    if (!g_error_matches(error, LUKSHDR_ERROR, VIR_ERR_XML_INVALID_SCHEMA) &&
        !g_error_matches(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR))
        g_assert_no_error(error);
}

static void
testVolumeFile(const char *name, const char *suffix, bool refused)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);
    g_autofree char *text = utilTestLoad(VOLUME_DIR, name, suffix);

    if (!text)
        return;

    if (testIsException(testUngrammatical, G_N_ELEMENTS(testUngrammatical), file) ||
        (refused && !testIsException(testGrammatical, G_N_ELEMENTS(testGrammatical), file)))
        testInvalid(LUKSHDR_SCHEMA_VOLUME, LUKSHDR_XML_VOLUME, text);
    else
        testValid(LUKSHDR_SCHEMA_VOLUME, LUKSHDR_XML_VOLUME, text);
}

static void
testVolume(const void *opaque)
{
    const char *name = opaque;
    g_autofree char *stock = utilTestLoad(VOLUME_DIR, name, ".stock.xml");
    g_autofree char *in = utilTestLoad(VOLUME_DIR, name, ".in.xml");
    g_autofree char *shown = utilTestLoad(VOLUME_DIR, name, ".shown.xml");
    g_autofree char *dump = utilTestLoad(VOLUME_DIR, name, ".dump.xml");
    g_autofree char *refusal = utilTestLoad(VOLUME_DIR, name, ".error");
    g_autofree char *schema = testLibvirt("storagevol.rng");

    testVolumeFile(name, ".in.xml", refusal != NULL);
    testVolumeFile(name, ".dump.xml", false);
    testVolumeFile(name, ".shown.xml", false);

    /* libvirt's schema allows what stock is given, and nothing with something of ours in it */
    if (stock && !g_str_equal(name, "other-elements"))
        testValid(schema, LUKSHDR_XML_VOLUME, stock);
    if (stock)
        testInvalid(schema, LUKSHDR_XML_VOLUME, in);
    if (shown) {
        testValid(schema, LUKSHDR_XML_VOLUME, dump);
        testInvalid(schema, LUKSHDR_XML_VOLUME, shown);
    }
}

static void
testExceptions(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(testGrammatical) + G_N_ELEMENTS(testUngrammatical); i++) {
        const testException
            *exception = i < G_N_ELEMENTS(testGrammatical)
                             ? &testGrammatical[i]
                             : &testUngrammatical[i - G_N_ELEMENTS(testGrammatical)];
        g_autofree char *text = utilTestLoad(VOLUME_DIR, exception->file, "");

        if (!text)
            g_error("'%s' is an exception (%s) and does not exist", exception->file,
                    exception->why);
    }
}

static void
testLinkFiles(const void *dir)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "xml", dir, NULL);
    g_autoptr(GDir) gdir = g_dir_open(path, 0, NULL);
    unsigned int seen = 0;
    const char *name;

    g_assert_nonnull(gdir);
    while ((name = g_dir_read_name(gdir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *text = NULL;

        if (!g_str_has_suffix(name, ".xml"))
            continue;
        g_test_message("%s", name);
        g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
        testValid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, text);
        seen++;
    }
    g_assert_cmpuint(seen, >, 1);
}

/* What is refused in tests/xml/link/file.xml, also without a schema unless it stands twice: the reader takes
 * the first of what it knows once */
static void
testLinkRefused(void)
{
    static const struct {
        const char *from;
        const char *to;
        bool twice;
    } cases[] = {
        { "state=\"active\"", "state=\"sleeping\"" },
        { "state=\"active\"", "" },
        { "<uuid>5a3d", "<uuid>zzzz" },
        { "<luks uuid", "<luks id" },
        { "<secret uuid", "<secret usage" },
        { "generated=\"yes\"", "generated=\"1\"" },
        { "pool=\"images\"", "pool=\"a/b\"" },
        { "pool=\"images\"", "pool=\"\"" },
        { "format=\"qcow2\"", "format=\"\"" },
        { "<path>/var/lib/libvirt/images", "<path>var/lib" },
        { "inode=\"131\"", "inode=\"-1\"" },
        { "birth=\"1700000000.123456789\"", "birth=\"1700000000\"" },
        { "type=\"file\"", "type=\"network\"" },
        { "<header ", "<new/><header " },
        { "<header ", "<replica pool=\"vault\"/><header " },
        { "<luks ", "<luks generation=\"0\" " },
        { "<luks ", "<luks generation=\"4294967296\" " },
        { "7a33\"/>", "7a33\"><digest algorithm=\"md5\">00</digest></luks>" },
        { "7a33\"/>", "7a33\"><digest algorithm=\"sha256\">00</digest></luks>" },
        { "dev=\"2050\" ", "dev=\" 2050\" " },
        { "state=\"active\"", "state=\"creating\" new=\"1\"", true },
        { "</link>", "<luks uuid=\"" UTIL_TEST_LUKS_UUID "\"/></link>", true },
        { "<path>/var/lib/libvirt/images", "<path>/</path><path>/var/lib/libvirt/images", true },
        { "<path>/var/lib/libvirt/images", "<identity type=\"block\" dev=\"0\"/><path>/images",
          true },
        { "<path>/var/lib/libvirt/headers", "<identity type=\"block\" dev=\"0\"/><path>/headers",
          true },
    };
    g_autofree char *file = utilTestLoad("xml/link", "file", ".xml");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) text = g_string_new(file);
        g_autoptr(lukshdrLink) link = NULL;

        g_test_message("%s", cases[i].to);
        g_assert_cmpuint(g_string_replace(text, cases[i].from, cases[i].to, 1), ==, 1);
        testInvalid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, text->str);
        link = lukshdrLinkParse(text->str, text->len, NULL);
        g_assert_true(!link == !cases[i].twice);
    }
}

/* The same of one that is not whole, where each part may be missing */
static void
testLinkTwice(void)
{
    static const char *const parts[] = {
        "<luks uuid=\"" UTIL_TEST_LUKS_UUID "\"/>",
        "<luks uuid=\"" UTIL_TEST_LUKS_UUID "\"><digest algorithm=\"sha256\">"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef</digest></luks>",
        "<replica pool=\"vault2\" volume=\"a\"><path>/a</path></replica>",
        "<replica pool=\"vault2\" volume=\"a\"><identity type=\"block\" dev=\"0\"/></replica>",
    };
    g_autofree char *file = utilTestLoad("xml/link", "creating", ".xml");
    g_autoptr(GString) secret = g_string_new(file);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *once = g_strconcat(parts[i], "</link>", NULL);
        g_autofree char *twice = g_strconcat(parts[i], parts[i], "</link>", NULL);
        g_autoptr(GString) good = g_string_new(file);
        g_autoptr(GString) bad = g_string_new(file);
        bool many = g_str_has_prefix(parts[i], "<replica");

        g_string_replace(good, "</link>", once, 1);
        testValid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, good->str);
        g_string_replace(bad, "</link>", twice, 1);
        (many ? testValid : testInvalid)(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, bad->str);
    }

    g_string_replace(secret, "</link>", "<secret uuid=\"" UTIL_TEST_SECRET_UUID "\"/></link>", 1);
    testInvalid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, secret->str);
}

static void
testLinkWritten(void)
{
    static const lukshdrLinkState states[] = {
        LUKSHDR_LINK_STATE_ACTIVE, LUKSHDR_LINK_STATE_CREATING, LUKSHDR_LINK_STATE_DELETING,
        LUKSHDR_LINK_STATE_WIPING, LUKSHDR_LINK_STATE_WIPED,    LUKSHDR_LINK_STATE_PARTING
    };
    g_autofree char *payload = utilTestPath("payload\n&");
    g_autofree char *header = utilTestPath("header");
    g_autoptr(GPtrArray) links = g_ptr_array_new();
    g_autoptr(lukshdrLink) link = NULL;
    g_autofree char *list = NULL;
    g_autofree char *bare = NULL;
    size_t i;

    utilTestWrite(payload, "p", -1);
    utilTestWrite(header, "h", -1);
    link = utilTestLink(payload, header);
    link->headerShared = link->secretGenerated = true;
    link->digest = g_strnfill(LUKSHDR_LINK_DIGEST_LEN, 'a');
    link->generation = G_MAXUINT32;
    lukshdrLinkAddReplica(link, "vault2", "header");
    lukshdrLinkAddReplica(link, "vault3", "header");

    for (i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autofree char *text = NULL;

        link->state = states[i];
        text = lukshdrLinkFormat(link);
        testValid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, text);
    }

    /* a label of several */
    g_ptr_array_add(links, link);
    g_ptr_array_add(links, link);
    list = lukshdrLinkListFormat(links);
    testValid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINKS, list);
    testInvalid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINKS, "<links/>");

    g_clear_pointer(&link, lukshdrLinkUnref);
    link = utilTestLink(NULL, NULL);
    link->state = LUKSHDR_LINK_STATE_CREATING;
    g_clear_pointer(&link->luksUUID, g_free);
    g_clear_pointer(&link->secretUUID, g_free);
    bare = lukshdrLinkFormat(link);
    testValid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, bare);
}

static void
testGuestWritten(void)
{
    static const struct {
        const char *from;
        const char *to;
    } refused[] = {
        { " granted=", " given=" },
        { " granted=\"", " granted=\" " },
        { "<identity ", "<identity type=\"block\" dev=\"0\"/><identity " },
        { "<name>", "<new/><name>" },
    };
    lukshdrGuestDisk disk = { .linkUUID = (char *)UTIL_TEST_UUID,
                              .nodeName = (char *)"libvirt-2-format",
                              .payloadPath = (char *)"/p/a",
                              .payloadIdentity = { .type = LUKSHDR_IDENTITY_FILE, .birthSec = -1 },
                              .headerPath = (char *)"/dev/x",
                              .headerIdentity = { .type = LUKSHDR_IDENTITY_BLOCK },
                              .format = (char *)"qcow2",
                              .headerShared = true,
                              .readOnly = true,
                              .granted = G_MAXUINT };
    lukshdrGuestDisk plain = disk;
    g_autoptr(GPtrArray) disks = g_ptr_array_new();
    g_autofree char *dir = utilTestPath("guests");
    g_autofree char *file = utilTestPath("guests/a <guest>.xml");
    g_autofree char *text = NULL;
    size_t i;

    plain.headerShared = plain.readOnly = false;
    plain.headerIdentity = plain.payloadIdentity = (lukshdrIdentity){ 0 };
    g_ptr_array_add(disks, &disk);
    g_ptr_array_add(disks, &plain);
    g_assert_true(lukshdrGuestStore(dir, "a <guest>", disks, NULL));
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    testValid(LUKSHDR_SCHEMA_GUEST, LUKSHDR_XML_GUEST, text);

    for (i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GString) bad = g_string_new(text);

        g_test_message("%s", refused[i].to);
        g_assert_cmpuint(g_string_replace(bad, refused[i].from, refused[i].to, 1), ==, 1);
        testInvalid(LUKSHDR_SCHEMA_GUEST, LUKSHDR_XML_GUEST, bad->str);
    }
    testInvalid(LUKSHDR_SCHEMA_GUEST, LUKSHDR_XML_GUEST, "<guest><name>a</name></guest>");
}

/* Pool XML as clients send it: what is valid, whether libvirt's own schema agrees */
static void
testPool(void)
{
#define POOL(target) "<pool type='dir'><name>images</name><target>" target "</target></pool>"
#define PATH "<path>/srv/images</path>"
#define HEADER(source) "<header type='volume'>" source "</header>"
#define DEFAULT(content) "<encryption format='luks'>" content "</encryption>"
#define SOURCE "<source pool='vault'/>"
#define SECRET "<secret type='passphrase' usage='all'/>"
#define CIPHER "<cipher name='aes' size='256' mode='xts'/>"
    static const struct {
        const char *text;
        bool valid;
        bool libvirt;
    } cases[] = {
        { POOL(PATH), true, true },
        { POOL(PATH "<permissions><mode>0711</mode></permissions>"), true, true },
        { POOL(PATH DEFAULT(HEADER(SOURCE))), true, false },
        { POOL(DEFAULT(HEADER(SOURCE)) "<permissions/>" PATH "<headers/>"), true, false },
        { POOL(PATH DEFAULT(
              CIPHER HEADER(SOURCE "<source pool='far'/>") "<ivgen name='plain64'/>" SECRET)),
          true, false },
        { POOL("<headers/>" PATH), true, false },
        { "<pool type='logical'><name>vg</name><source><name>vg</name></source><target>" DEFAULT(
              HEADER(SOURCE)) "</target></pool>",
          true, false },
        { POOL("<headers/>" PATH "<headers/>"), false, false },
        { POOL("<headers>x</headers>" PATH), false, false },
        { POOL("<headers/>"), false, false },
        { POOL(PATH DEFAULT(HEADER(SOURCE)) DEFAULT(HEADER(SOURCE))), false, false },
        { POOL(PATH DEFAULT("")), false, false },
        { POOL(PATH DEFAULT(SECRET)), false, false },
        { POOL(PATH DEFAULT(HEADER(""))), false, false },
        { POOL(PATH DEFAULT(HEADER("<source pool='vault' volume='x'/>"))), false, false },
        { POOL(PATH DEFAULT("<header>" SOURCE "</header>")), false, false },
        { POOL(PATH "<encryption format='none'/>"), false, false },
        { POOL(PATH) "<headers/>", false, false },
        { "<pool type='dir'><name>x</name><headers/><target>" PATH "</target></pool>", false,
          false },
    };
    g_autofree char *schema = testLibvirt("storagepool.rng");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].text);
        (cases[i].valid ? testValid : testInvalid)(LUKSHDR_SCHEMA_POOL, LUKSHDR_XML_POOL,
                                                   cases[i].text);
        (cases[i].libvirt ? testValid : testInvalid)(schema, LUKSHDR_XML_POOL, cases[i].text);
    }
}

/* What of a pool's XML goes into our file, and what to stock */
static void
testPoolSplit(void)
{
    static const char text[] = POOL(PATH DEFAULT(SECRET CIPHER HEADER(SOURCE)) "<headers/>");
    g_autofree char *schema = testLibvirt("storagepool.rng");
    g_autofree char *dir = utilTestPath("pools");
    g_autofree char *uuid = NULL;
    g_autofree char *stock = NULL;
    g_autofree char *file = NULL;
    g_autofree char *kept = NULL;
    char *shown;
    g_autoptr(xmlDoc) ours = NULL;
    g_autoptr(GString) bad = NULL;

    g_assert_true(lukshdrStorageDefaultSplit(text, &uuid, &stock, &ours, NULL));
    testValid(schema, LUKSHDR_XML_POOL, stock);

    g_assert_true(lukshdrStorageDefaultStore(dir, uuid, ours, NULL));
    file = g_strdup_printf("%s/%s.xml", dir, uuid);
    g_assert_true(g_file_get_contents(file, &kept, NULL, NULL));
    testValid(LUKSHDR_SCHEMA_POOL_FILE, LUKSHDR_XML_POOL, kept);
    bad = g_string_new(kept);
    g_assert_cmpuint(g_string_replace(bad, "</encryption>", "</encryption><path>/</path>", 1), ==,
                     1);
    testInvalid(LUKSHDR_SCHEMA_POOL_FILE, LUKSHDR_XML_POOL, bad->str);

    shown = lukshdrStorageDefaultShow(stock, ours);
    testValid(LUKSHDR_SCHEMA_POOL, LUKSHDR_XML_POOL, shown);
    testInvalid(schema, LUKSHDR_XML_POOL, shown);
    free(shown);
}

/* The ways to say <encryption> that tests/xml has no files for */
static void
testEncryption(void)
{
#define VOLUME(content) "<volume><name>a</name><target>" content "</target></volume>"
#define LINKED(attributes) \
    DEFAULT("<header type='volume'" attributes "><source pool='vault' volume='x'/></header>")
#define BELONGS(pool, volume) \
    "<payload type='volume'><source pool='" pool "' volume='" volume "'/></payload>"
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        { VOLUME("<encryption format='none'/>"), true },
        { VOLUME("<encryption format='none'>" SECRET "</encryption>"), false },
        { VOLUME(LINKED("")), true },
        { VOLUME(LINKED(" link='new'")), true },
        { VOLUME(LINKED(" link='adopt'")), true },
        { VOLUME(LINKED(" link='part'")), true },
        { VOLUME(LINKED(" link='share'")), true },
        { VOLUME(LINKED(" link='copy'")), true },
        { VOLUME(LINKED(" link='Copy'")), false },
        { VOLUME(LINKED(" link=''")), false },
        { VOLUME(DEFAULT(BELONGS("images", "a") BELONGS("images", "b") SECRET)), true },
        { VOLUME(DEFAULT(BELONGS("images", "a"))), true },
        { VOLUME(DEFAULT(SECRET SECRET BELONGS("images", "a"))), false },
        { VOLUME(DEFAULT(BELONGS("images", "a/b"))), false },
        { VOLUME(DEFAULT(HEADER("<source pool='..'/>"))), false },
        { VOLUME(DEFAULT("<cipher name='aes' size=' 256'/>" HEADER(SOURCE))), false },
        { VOLUME(DEFAULT(BELONGS("images", "a") HEADER(SOURCE))), false },
    };
    g_autofree char *header = lukshdrVolumeXMLHeader("a <header>");
    g_autofree char *schema = testLibvirt("storagevol.rng");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].text);
        (cases[i].valid ? testValid : testInvalid)(LUKSHDR_SCHEMA_VOLUME, LUKSHDR_XML_VOLUME,
                                                   cases[i].text);
        testInvalid(schema, LUKSHDR_XML_VOLUME, cases[i].text);
    }

    testValid(schema, LUKSHDR_XML_VOLUME, header);
}

/* Puts an element that a page shows alone where it belongs.  Freed with g_free. */
static char *
testWrap(const char *root, const char *text, const char **whole)
{
    *whole = LUKSHDR_XML_VOLUME;
    if (g_str_equal(root, LUKSHDR_XML_ENCRYPTION))
        return g_strdup_printf(VOLUME("%s"), text);
    if (g_str_equal(root, LUKSHDR_XML_HEADER))
        return g_strdup_printf(VOLUME(DEFAULT("%s")), text);
    if (g_str_equal(root, LUKSHDR_XML_DISK)) {
        *whole = "domain";
        return g_strdup_printf("<domain type='qemu'><name>a</name><memory>1</memory><os><type>hvm"
                               "</type></os><devices>%s</devices></domain>",
                               text);
    }
    *whole = root;
    return g_strdup(text);
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
    };
    const char *whole;
    g_autofree char *document = testWrap(root, text, &whole);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(schemas); i++) {
        g_autofree char *schema = NULL;

        if (!g_str_equal(schemas[i].root, whole))
            continue;
        schema = schemas[i].libvirt ? testLibvirt(schemas[i].schema) : g_strdup(schemas[i].schema);
        testValid(schema, whole, document);
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
            blocks = inBlock && g_str_equal(line, "```xml");
            continue;
        }

        if (inBlock && !element && line[0] == '<' && g_ascii_isalpha(line[1])) {
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

    g_assert_cmpuint(testPage(readme), >=, 2);
    g_assert_cmpuint(testPage(xml), >=, 4);
    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *page = g_build_filename(docs, name, NULL);

        if (g_str_has_suffix(name, ".md"))
            testPage(page);
    }
}

/* That nothing is passed over because a schema is not there */
static void
testMissing(void)
{
    static const char incomplete[] =
        "<grammar xmlns='http://relaxng.org/ns/structure/1.0'><include "
        "href='nowhere.rng'/></grammar>";
    g_autofree char *dir = utilTestPath("schemas");
    g_autofree char *file = utilTestPath("schemas/" LUKSHDR_SCHEMA_LINK);
    g_autofree char *before = g_strdup(g_getenv(LUKSHDR_ENV_SCHEMA_DIR));
    g_autofree char *link = utilTestLoad("xml/link", "file", ".xml");
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_setenv(LUKSHDR_ENV_SCHEMA_DIR, dir, true);

    g_assert_false(lukshdrSchemaValidate(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, link, &error));
    utilTestError(error, "INTERNAL_ERROR lukshdr-link.rng' is needed");
    g_assert_nonnull(strstr(error->message, file));
    g_clear_error(&error);

    utilTestWrite(file, incomplete, -1);
    g_assert_false(lukshdrSchemaValidate(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, link, &error));
    utilTestError(error, "INTERNAL_ERROR lukshdr-link.rng' is needed");
    g_assert_nonnull(strstr(error->message, "nowhere.rng"));
    g_clear_error(&error);

    utilTestWrite(file, "<grammar", -1);
    g_assert_false(lukshdrSchemaValidate(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, link, &error));
    utilTestError(error, "INTERNAL_ERROR lukshdr-link.rng' is needed");

    g_setenv(LUKSHDR_ENV_SCHEMA_DIR, before, true);
}

static void
testMessage(void)
{
    static const char text[] = "<volume>\n<name>a</name>\n<target>\n<bad/>\n</target>\n</volume>";
    g_autoptr(GString) many = g_string_new("<link state='active'>");
    g_autoptr(GError) error = NULL;
    size_t i;

    g_assert_false(lukshdrSchemaValidate(LUKSHDR_SCHEMA_VOLUME, LUKSHDR_XML_VOLUME, text, &error));
    utilTestError(error, "XML_INVALID_SCHEMA lukshdr-storagevol.rng");
    g_assert_nonnull(strstr(error->message, "line 4: "));
    g_assert_nonnull(strstr(error->message, "bad"));
    g_clear_error(&error);

    /* however much is wrong, the log gets little of it */
    for (i = 0; i < 10000; i++)
        g_string_append(many, "<uuid>wrong</uuid><luks/>\n");
    g_string_append(many, "</link>");
    g_assert_false(lukshdrSchemaValidate(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, many->str, &error));
    utilTestError(error, "XML_INVALID_SCHEMA lukshdr-link.rng");
    g_assert_cmpuint(strlen(error->message), <, 2048);
}

static void
testDecision(void)
{
    static const char plain[] = VOLUME("<new/>");
    static const char linked[] = VOLUME("<new/>" LINKED(""));
    static const char pool[] = POOL("<new/>" PATH);
    static const char pooled[] = POOL("<new/>" PATH "<headers/>");
    g_autoptr(xmlDoc) ours = xmlNewDoc(NULL);
    unsigned int vol = VIR_STORAGE_VOL_CREATE_VALIDATE;
    unsigned int define = VIR_STORAGE_POOL_DEFINE_VALIDATE;

    g_assert_true(lukshdrStorageValidateVolume(linked, 0, ours, NULL));
    g_assert_true(
        lukshdrStorageValidateVolume(linked, VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA, NULL, NULL));
    g_assert_false(lukshdrStorageValidateVolume(linked, vol, NULL, NULL));
    g_assert_true(lukshdrStorageValidateVolume(plain, vol, NULL, NULL));
    g_assert_false(lukshdrStorageValidateVolume(plain, vol, ours, NULL));

    g_assert_true(lukshdrStorageValidatePool(pooled, 0, NULL));
    g_assert_false(lukshdrStorageValidatePool(pooled, define, NULL));
    g_assert_true(lukshdrStorageValidatePool(pool, define, NULL));
}

int
main(int argc, char **argv)
{
    static const char *const suffixes[] = { ".stock.xml", ".shown.xml", ".dump.xml", ".in.xml",
                                            ".params",    ".format",    ".error",    NULL };

    g_test_init(&argc, &argv, NULL);

    utilTestCases(VOLUME_DIR, suffixes, "/schema/volume/", testVolume);
    g_test_add_func("/schema/exceptions", testExceptions);
    g_test_add_func("/schema/encryption", testEncryption);
    g_test_add_func("/schema/pool", testPool);
    g_test_add_func("/schema/pool-split", testPoolSplit);
    g_test_add_data_func("/schema/link/files", "link", testLinkFiles);
    g_test_add_data_func("/schema/link/chains", "chain", testLinkFiles);
    g_test_add_func("/schema/link/refused", testLinkRefused);
    g_test_add_func("/schema/link/twice", testLinkTwice);
    g_test_add_func("/schema/link/written", testLinkWritten);
    g_test_add_func("/schema/guest/written", testGuestWritten);
    g_test_add_func("/schema/documentation", testDocumentation);
    g_test_add_func("/schema/missing", testMissing);
    g_test_add_func("/schema/message", testMessage);
    g_test_add_func("/schema/decision", testDecision);

    return g_test_run();
}
