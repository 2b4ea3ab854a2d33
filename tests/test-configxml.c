/*
 * test-configxml.c: XML of domains and disks, as clients send it and as libvirt gets it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In tests/xml/config, for a case NAME:
 *
 *   NAME.in.xml    what a client sends; volume data.qcow2 of pool images is linked, and so is
 *                  second.qcow2, with a secret that was generated, CONFIG_GENERATED
 *   NAME.out.xml   what libvirt gets; missing: the same
 *   NAME.error     instead: "CODE fragment of the message"
 */

#include <fcntl.h>
#include <libxml/parser.h>
#include <string.h>
#include <unistd.h>

#include "qemu_lukshdr/client-xml.h"
#include "util/error.h"
#include "link/registry.h"
#include "utiltest.h"

#define CONFIG_DIR "xml/config"
#define CONFIG_GENERATED "0d8e5a52-51a6-4f36-8d0c-9a3a1f7bb001"

#define CONFIG_NOT_HERE "00000000-0000-4000-8000-00000000dead"

/* one secret of usage "demo/data" is there, that of the linked volume; the others by their UUID */
static char *
secretByUsage(const char *usage)
{
    return g_str_equal(usage, "demo/data") ? g_strdup(UTIL_TEST_SECRET_UUID) : NULL;
}

static bool
secretExists(const char *uuid)
{
    return !g_str_equal(uuid, CONFIG_NOT_HERE);
}

static lukshdrQemuHost host = { .secretByUsage = secretByUsage, .secretExists = secretExists };

static void
testGolden(gconstpointer opaque)
{
    const char *name = opaque;
    g_autofree char *in = utilTestLoad(CONFIG_DIR, name, ".in.xml");
    g_autofree char *out = utilTestLoad(CONFIG_DIR, name, ".out.xml");
    g_autofree char *refusal = utilTestLoad(CONFIG_DIR, name, ".error");
    g_autofree char *rewritten = NULL;
    g_autofree char *again = NULL;
    g_autoptr(GError) error = NULL;
    bool ok;

    /* a case whose input was misspelt would test nothing */
    g_assert_nonnull(in);

    ok = lukshdrQemuConfigXMLRewrite(&host, in, &rewritten, &error);
    g_assert_true(ok == !error);
    if (refusal) {
        g_assert_null(out);
        g_assert_null(rewritten);
        utilTestError(error, refusal);
        return;
    }
    g_assert_no_error(error);

    if (!out && !rewritten)
        return;
    g_assert_nonnull(rewritten);
    utilTestGolden(CONFIG_DIR, name, ".out.xml", rewritten);

    /* what libvirt gets is right as it is */
    g_assert_true(lukshdrQemuConfigXMLRewrite(&host, rewritten, &again, &error));
    g_assert_null(again);
}

/* a <disk> of @type 'file' over @path, with the secret that @attribute names, or without <encryption> */
static char *
diskXML(const char *path, const char *attribute)
{
    g_autofree char *inner = attribute ? g_strdup_printf("<encryption format='luks'><secret "
                                                         "type='passphrase' %s/></encryption>",
                                                         attribute)
                                       : g_strdup("");

    return g_strdup_printf("<disk><source file='%s'>%s</source></disk>", path, inner);
}

/* What becomes of a disk: @secret is what its XML has in the end, NULL if it is refused in words
 * with @refusal in them */
static void
checkDisk(lukshdrRegistry *reg,
          const char *path,
          const char *attribute,
          const char *secret,
          const char *refusal)
{
    lukshdrQemuHost here = { .registry = reg,
                             .secretByUsage = secretByUsage,
                             .secretExists = secretExists };
    g_autofree char *xml = diskXML(path, attribute);
    g_autofree char *rewritten = NULL;
    g_autoptr(GError) error = NULL;

    if (!secret) {
        g_assert_false(lukshdrQemuConfigXMLRewrite(&here, xml, &rewritten, &error));
        g_assert_null(rewritten);
        utilTestError(error, refusal);
        return;
    }
    g_assert_true(lukshdrQemuConfigXMLRewrite(&here, xml, &rewritten, &error));
    g_assert_no_error(error);
    g_assert_nonnull(strstr(rewritten ? rewritten : xml, secret));
}

/* A payload is whoever's file it is; it is unlocked for who calls it by its own name, or by its secret */
static void
testNames(void)
{
    g_autofree char *payload = utilTestPath("names.raw");
    g_autofree char *symbolic = utilTestPath("symbolic.raw");
    g_autofree char *hard = utilTestPath("hard.raw");
    g_autofree char *plain = utilTestPath("plain.raw");
    g_autofree char *dir = utilTestPath("names-links");
    g_autofree char *folder = utilTestPath("folder");
    g_autofree char *parent = g_path_get_dirname(payload);
    g_autofree char *through = g_build_filename(folder, "names.raw", NULL);
    g_autoptr(lukshdrRegistry) reg = lukshdrRegistryNew(dir);
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;
    static const char own[] = "uuid='" UTIL_TEST_SECRET_UUID "'";
    static const char other[] = "uuid='" CONFIG_GENERATED "'";
    static const char gone[] = "uuid='" CONFIG_NOT_HERE "'";

    utilTestWrite(payload, "x", 1);
    utilTestWrite(plain, "x", 1);
    g_assert_cmpint(symlink(payload, symbolic), ==, 0);
    g_assert_cmpint(linkat(AT_FDCWD, payload, AT_FDCWD, hard, 0), ==, 0);
    g_assert_cmpint(symlink(parent, folder), ==, 0);
    link = utilTestLink(payload, payload);
    g_assert_true(lukshdrRegistryStore(reg, link, &error));
    g_assert_no_error(error);

    checkDisk(reg, payload, NULL, UTIL_TEST_SECRET_UUID, NULL);
    checkDisk(reg, through, NULL, UTIL_TEST_SECRET_UUID, NULL);
    checkDisk(reg, symbolic, NULL, NULL, "OPERATION_DENIED names.raw");
    checkDisk(reg, hard, NULL, NULL, "OPERATION_DENIED names.raw");
    checkDisk(reg, symbolic, other, NULL, "OPERATION_DENIED names.raw");
    checkDisk(reg, hard, gone, NULL, "OPERATION_DENIED names.raw");
    checkDisk(reg, hard, "usage='nobody'", NULL, "OPERATION_DENIED names.raw");
    checkDisk(reg, symbolic, own, UTIL_TEST_SECRET_UUID, NULL);
    checkDisk(reg, hard, own, UTIL_TEST_SECRET_UUID, NULL);
    checkDisk(reg, hard, "usage='demo/data'", "demo/data", NULL);

    /* of this host, generated for nobody here: may open this volume, too */
    checkDisk(reg, payload, other, CONFIG_GENERATED, NULL);
    checkDisk(reg, payload, gone, UTIL_TEST_SECRET_UUID, NULL);
    checkDisk(reg, payload, "usage='nobody'", UTIL_TEST_SECRET_UUID, NULL);
    checkDisk(reg, payload, "usage='demo/data'", "demo/data", NULL);

    /* another's file is where it should be */
    g_assert_cmpint(rename(plain, payload), ==, 0);
    checkDisk(reg, payload, own, NULL, "OPERATION_INVALID names.raw");
}

/* A header is nobody's disk, by its path as well */
static void
testHeader(void)
{
    g_autofree char *header = utilTestPath("data.luks");

    checkDisk(host.registry, header, NULL, NULL, "OPERATION_DENIED header volume 'data.luks'");
}

/* A registry that cannot say what a file is refuses it */
static void
testDamaged(void)
{
    g_autofree char *payload = utilTestPath("config.raw");
    g_autofree char *dir = utilTestPath("config-links");
    g_autofree char *entry = g_strdup_printf("%s/%s.xml", dir, UTIL_TEST_UUID);
    g_autoptr(lukshdrRegistry) reg = lukshdrRegistryNew(dir);
    g_autoptr(lukshdrRegistry) fresh = NULL;
    g_autoptr(lukshdrLink) link = NULL;

    utilTestWrite(payload, "x", 1);
    link = utilTestLink(payload, payload);
    g_assert_true(lukshdrRegistryStore(reg, link, NULL));
    checkDisk(reg, payload, NULL, UTIL_TEST_SECRET_UUID, NULL);

    /* in place, which only who reads the directory anew is sure to notice */
    utilTestWrite(entry, "damaged", -1);
    fresh = lukshdrRegistryNew(dir);
    checkDisk(fresh, payload, NULL, NULL, "OPERATION_INVALID link registry");
}

/* The files of two linked volumes are exchanged: neither opens as the other, whatever secret is named */
static void
testExchanged(void)
{
    g_autofree char *one = utilTestPath("one.raw");
    g_autofree char *two = utilTestPath("two.raw");
    g_autofree char *aside = utilTestPath("aside.raw");
    g_autofree char *dir = utilTestPath("exchanged-links");
    g_autoptr(lukshdrRegistry) reg = lukshdrRegistryNew(dir);
    g_autoptr(lukshdrLink) first = NULL;
    g_autoptr(lukshdrLink) second = NULL;

    utilTestWrite(one, "1", 1);
    utilTestWrite(two, "2", 1);
    first = utilTestLink(one, one);
    second = utilTestLink(two, two);
    second->uuid[0] = second->uuid[0] == 'a' ? 'b' : 'a';
    g_assert_true(lukshdrRegistryStore(reg, first, NULL));
    g_assert_true(lukshdrRegistryStore(reg, second, NULL));

    checkDisk(reg, one, NULL, UTIL_TEST_SECRET_UUID, NULL);
    g_assert_cmpint(rename(one, aside), ==, 0);
    g_assert_cmpint(rename(two, one), ==, 0);
    g_assert_cmpint(rename(aside, two), ==, 0);
    checkDisk(reg, one, NULL, NULL, "OPERATION_DENIED exchanged");
    checkDisk(reg, two, NULL, NULL, "OPERATION_DENIED exchanged");
    checkDisk(reg, one, "uuid='" UTIL_TEST_SECRET_UUID "'", NULL, "OPERATION_DENIED exchanged");
}

static void
storeOther(void)
{
    g_autofree char *payload = utilTestPath("second.qcow2");
    g_autofree char *header = utilTestPath("second.luks");
    g_autoptr(lukshdrLink) link = NULL;

    utilTestWrite(payload, "x", 1);
    utilTestWrite(header, "x", 1);
    link = utilTestLink(payload, header);
    link->uuid[0] = link->uuid[0] == 'a' ? 'b' : 'a';
    g_free(link->secretUUID);
    link->secretUUID = g_strdup(CONFIG_GENERATED);
    link->secretGenerated = true;
    g_assert_true(lukshdrRegistryStore(host.registry, link, NULL));
}

int
main(int argc, char **argv)
{
    static const char *const suffixes[] = { ".in.xml", ".out.xml", ".error", NULL };
    g_autofree char *dir = NULL;
    g_autofree char *payload = NULL;
    g_autofree char *header = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    int rc;

    xmlInitParser();
    g_test_init(&argc, &argv, NULL);

    dir = utilTestPath("links");
    payload = utilTestPath("data.qcow2");
    header = utilTestPath("data.luks");
    utilTestWrite(payload, "x", 1);
    utilTestWrite(header, "x", 1);
    link = utilTestLink(payload, header);
    host.registry = lukshdrRegistryNew(dir);
    g_assert_true(lukshdrRegistryStore(host.registry, link, NULL));
    storeOther();

    utilTestCases(CONFIG_DIR, suffixes, "/configxml/", testGolden);
    g_test_add_func("/configxml-names", testNames);
    g_test_add_func("/configxml-damaged", testDamaged);
    g_test_add_func("/configxml-exchanged", testExchanged);
    g_test_add_func("/configxml-header", testHeader);
    rc = g_test_run();
    lukshdrRegistryFree(host.registry);
    return rc;
}
