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

#include <libxml/parser.h>
#include <string.h>
#include <unistd.h>

#include "qemu_lukshdr/client-xml.h"
#include "util/error.h"
#include "link/registry.h"
#include "utiltest.h"

#define CONFIG_DIR "xml/config"
#define CONFIG_GENERATED "0d8e5a52-51a6-4f36-8d0c-9a3a1f7bb001"

static lukshdrRegistry *registry;

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

    ok = lukshdrQemuConfigXMLRewrite(registry, false, in, &rewritten, &error);
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
    g_assert_true(lukshdrQemuConfigXMLRewrite(registry, false, rewritten, &again, &error));
    g_assert_null(again);
}

/* By what a file is, not by its name; and a registry that cannot say refuses */
static void
testFile(void)
{
    g_autofree char *payload = utilTestPath("config.raw");
    g_autofree char *alias = utilTestPath("alias.raw");
    g_autofree char *dir = utilTestPath("config-links");
    g_autofree char *entry = g_strdup_printf("%s/%s.xml", dir, UTIL_TEST_UUID);
    g_autofree char *xml = g_strdup_printf("<disk><source file='%s'/></disk>", alias);
    g_autofree char *rewritten = NULL;
    g_autofree char *again = NULL;
    g_autoptr(lukshdrRegistry) reg = lukshdrRegistryNew(dir);
    g_autoptr(lukshdrRegistry) fresh = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;

    utilTestWrite(payload, "x", 1);
    g_assert_cmpint(symlink(payload, alias), ==, 0);
    link = utilTestLink(payload, payload);
    g_assert_true(lukshdrRegistryStore(reg, link, &error));
    g_assert_no_error(error);

    g_assert_true(lukshdrQemuConfigXMLRewrite(reg, false, xml, &rewritten, &error));
    g_assert_no_error(error);
    g_assert_nonnull(strstr(rewritten, UTIL_TEST_SECRET_UUID));

    /* in place, which only who reads the directory anew is sure to notice */
    utilTestWrite(entry, "damaged", -1);
    fresh = lukshdrRegistryNew(dir);
    g_assert_false(lukshdrQemuConfigXMLRewrite(fresh, false, xml, &again, &error));
    utilTestError(error, "OPERATION_INVALID link registry");
    g_assert_null(again);
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
    g_assert_true(lukshdrRegistryStore(registry, link, NULL));
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
    registry = lukshdrRegistryNew(dir);
    g_assert_true(lukshdrRegistryStore(registry, link, NULL));
    storeOther();

    utilTestCases(CONFIG_DIR, suffixes, "/configxml/", testGolden);
    g_test_add_func("/configxml-file", testFile);
    rc = g_test_run();
    lukshdrRegistryFree(registry);
    return rc;
}
