/*
 * test-schema.c: the schemas, against what clients send and what is shown to them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Among it every XML in tests/xml/volume.  libvirt's schemas must be installed, since ours include
 * them.
 */

#include <glib/gstdio.h>
#include <string.h>

#include "storage_backend_lukshdr/defaults.h"
#include "storage_backend_lukshdr/validate.h"
#include "storage_backend_lukshdr/vol-xml.h"
#include "util/error.h"
#include "util/paths.h"
#include "util/schema.h"
#include "util/xml.h"
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
    { "refused-replica-twice.in.xml", "no schema compares two volumes" },
    { "refused-trim-half-sector.in.xml", "no schema divides" },
    { "refused-trim-overlap.in.xml", "no schema compares two numbers" },
    { "refused-trim-too-far.in.xml", "how large a disk can be is QEMU's to know" },
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

static void
testVolumeFile(const char *name, const char *suffix, bool refused)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);
    g_autofree char *text = utilTestLoad(VOLUME_DIR, name, suffix);

    if (!text)
        return;

    if (testIsException(testUngrammatical, G_N_ELEMENTS(testUngrammatical), file) ||
        (refused && !testIsException(testGrammatical, G_N_ELEMENTS(testGrammatical), file)))
        utilTestInvalid(LUKSHDR_SCHEMA_VOLUME, LUKSHDR_XML_VOLUME, text);
    else
        utilTestValid(LUKSHDR_SCHEMA_VOLUME, LUKSHDR_XML_VOLUME, text);
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
    g_autofree char *schema = utilTestLibvirtSchema("storagevol.rng");

    testVolumeFile(name, ".in.xml", refusal != NULL);
    testVolumeFile(name, ".dump.xml", false);
    testVolumeFile(name, ".shown.xml", false);

    /* libvirt's schema allows what stock is given, and nothing with something of ours in it */
    if (stock && !g_str_equal(name, "other-elements"))
        utilTestValid(schema, LUKSHDR_XML_VOLUME, stock);
    if (stock)
        utilTestInvalid(schema, LUKSHDR_XML_VOLUME, in);
    if (shown) {
        utilTestValid(schema, LUKSHDR_XML_VOLUME, dump);
        utilTestInvalid(schema, LUKSHDR_XML_VOLUME, shown);
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

/* Pool XML as clients send it: what is valid, whether libvirt's own schema agrees */
static void
testPool(void)
{
#define POOL(target) "<pool type='dir'><name>images</name><target>" target "</target></pool>"
#define RBD(target) \
    "<pool type='rbd'><name>images</name><source><name>ceph</name><host name='mon'/>" \
    "</source>" target "</pool>"
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
        { RBD(""), true, true },
        { RBD("<target/>"), true, false },
        { RBD("<target>" DEFAULT(HEADER(SOURCE)) "</target>"), true, false },
        { RBD("<target>" DEFAULT(CIPHER HEADER(SOURCE SOURCE) SECRET) "</target>"), true, false },
        { RBD("<target><headers/></target>"), true, false },
        { RBD("<target><path>/dev</path></target>"), false, false },
        { RBD("<target>" DEFAULT(HEADER(SOURCE)) "</target><target/>"), false, false },
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
    g_autofree char *schema = utilTestLibvirtSchema("storagepool.rng");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].text);
        (cases[i].valid ? utilTestValid : utilTestInvalid)(LUKSHDR_SCHEMA_POOL, LUKSHDR_XML_POOL,
                                                           cases[i].text);
        (cases[i].libvirt ? utilTestValid : utilTestInvalid)(schema, LUKSHDR_XML_POOL,
                                                             cases[i].text);
    }
}

/* What of a pool's XML goes into our file, and what to stock */
static void
testPoolSplit(void)
{
    static const char text[] = POOL(PATH DEFAULT(SECRET CIPHER HEADER(SOURCE)) "<headers/>");
    g_autofree char *schema = utilTestLibvirtSchema("storagepool.rng");
    g_autofree char *dir = utilTestPath("pools");
    g_autofree char *uuid = NULL;
    g_autofree char *stock = NULL;
    g_autofree char *file = NULL;
    g_autofree char *kept = NULL;
    char *shown;
    g_autoptr(xmlDoc) ours = NULL;
    g_autoptr(GString) bad = NULL;

    g_assert_true(lukshdrStorageDefaultSplit(text, &uuid, &stock, &ours, NULL));
    utilTestValid(schema, LUKSHDR_XML_POOL, stock);

    g_assert_true(lukshdrStorageDefaultStore(dir, uuid, ours, NULL));
    file = g_strdup_printf("%s/%s.xml", dir, uuid);
    g_assert_true(g_file_get_contents(file, &kept, NULL, NULL));
    utilTestValid(LUKSHDR_SCHEMA_POOL_FILE, LUKSHDR_XML_POOL, kept);
    bad = g_string_new(kept);
    g_assert_cmpuint(g_string_replace(bad, "</encryption>", "</encryption><path>/</path>", 1), ==,
                     1);
    utilTestInvalid(LUKSHDR_SCHEMA_POOL_FILE, LUKSHDR_XML_POOL, bad->str);

    shown = lukshdrStorageDefaultShow(stock, ours);
    utilTestValid(LUKSHDR_SCHEMA_POOL, LUKSHDR_XML_POOL, shown);
    utilTestInvalid(schema, LUKSHDR_XML_POOL, shown);
    free(shown);
}

/* The ways to say <encryption> that tests/xml has no files for */
static void
testEncryption(void)
{
#define VOLUME(content) "<volume><name>a</name><target>" content "</target></volume>"
#define LINKED(attributes) \
    DEFAULT("<header type='volume'" attributes "><source pool='vault' volume='x'/></header>")
#define TRIM(domain, ranges) \
    DEFAULT("<header type='volume' link='trim'><unused domain='" domain "'>" ranges \
            "</unused></header>")
#define BELONGS(sources) "<payload type='volume'>" sources "</payload>"
#define PAYLOAD "<source pool='images' volume='a'/>"
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        { VOLUME("<encryption format='none'/>"), true },
        { VOLUME("<encryption format='none'>" SECRET "</encryption>"), false },
        { VOLUME(LINKED("")), true },
        { VOLUME(LINKED(" link='new'")), true },
        { VOLUME(LINKED(" link='existing'")), true },
        { VOLUME(LINKED(" link='unlink'")), true },
        { VOLUME(LINKED(" link='check'")), true },
        { VOLUME(LINKED(" link='adopt'")), true },
        { VOLUME(LINKED(" link='part'")), true },
        { VOLUME(LINKED(" link='share'")), true },
        { VOLUME(LINKED(" link='copy'")), true },
        { VOLUME(LINKED(" link='trim'")), false },
        { VOLUME(TRIM("1", "<range offset='0' size='512'/><range offset='1024' size='512'/>")),
          true },
        { VOLUME(TRIM("1", "")), true },
        { VOLUME(TRIM("one", "")), false },
        { VOLUME(TRIM("1", "<range offset='-1' size='512'/>")), false },
        { VOLUME(TRIM("1", "<range size='512'/>")), false },
        { VOLUME(LINKED(" link='Copy'")), false },
        { VOLUME(LINKED(" link=''")), false },
        { VOLUME(DEFAULT(BELONGS(PAYLOAD PAYLOAD) SECRET)), true },
        { VOLUME(DEFAULT(BELONGS(PAYLOAD))), true },
        { VOLUME(DEFAULT(SECRET SECRET BELONGS(PAYLOAD))), false },
        { VOLUME(DEFAULT(BELONGS("<source pool='images' volume='a/b'/>"))), false },
        { VOLUME(DEFAULT(BELONGS(""))), false },
        { VOLUME(DEFAULT(BELONGS(PAYLOAD) BELONGS(PAYLOAD))), false },
        { VOLUME(DEFAULT(HEADER("<source pool='..'/>"))), false },
        { VOLUME(DEFAULT("<cipher name='aes' size=' 256'/>" HEADER(SOURCE))), false },
        { VOLUME(DEFAULT(BELONGS(PAYLOAD) HEADER(SOURCE))), false },
    };
    g_autofree char *header = lukshdrVolumeXMLHeader("a <header>");
    g_autofree char *schema = utilTestLibvirtSchema("storagevol.rng");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].text);
        (cases[i].valid ? utilTestValid : utilTestInvalid)(LUKSHDR_SCHEMA_VOLUME,
                                                           LUKSHDR_XML_VOLUME, cases[i].text);
        utilTestInvalid(schema, LUKSHDR_XML_VOLUME, cases[i].text);
    }

    utilTestValid(schema, LUKSHDR_XML_VOLUME, header);
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
    g_test_add_func("/schema/missing", testMissing);
    g_test_add_func("/schema/message", testMessage);
    g_test_add_func("/schema/decision", testDecision);

    return g_test_run();
}
