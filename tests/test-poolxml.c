/*
 * test-poolxml.c: encryption defaults in the XML of pools of every type
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Below tests/xml/pool, each case has
 *   NAME.in.xml     pool XML as a client sends it
 * and either
 *   NAME.stock.xml  what stock is given of it
 *   NAME.ours.xml   what is kept
 *   NAME.shown.xml  what is shown once stock shows what it was given
 *   NAME.volume.xml what a volume that asks for nothing becomes there
 * or
 *   NAME.error      the code's name and a part of the refusal
 */

#include "config.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "storage_backend_lukshdr/defaults.h"
#include "storage_backend_lukshdr/vol-xml.h"
#include "util/xml.h"
#include "utiltest.h"

#define POOL_DIR "xml/pool"
#define TEST_VOLUME "<volume><name>disk</name><capacity>1048576</capacity><target/></volume>"

static void
testRefused(const char *expected, const GError *error)
{
    g_auto(GStrv) lines = g_strsplit(expected, "\n", 2);

    if (!error)
        g_error("nothing is refused");
    g_assert_cmpstr(lines[0], ==,
                    error->code == VIR_ERR_XML_ERROR            ? "XML_ERROR"
                    : error->code == VIR_ERR_CONFIG_UNSUPPORTED ? "CONFIG_UNSUPPORTED"
                                                                : "another");
    g_assert_nonnull(strstr(error->message, g_strstrip(lines[1])));
}

/* What a volume there becomes, and that it then asks for a detached header if there is a default */
static void
testVolume(const char *name, xmlDoc *ours)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrVolumeXML) xml = NULL;
    g_autofree char *volume = lukshdrStorageDefaultApply(TEST_VOLUME, ours, &error);

    g_assert_no_error(error);
    utilTestGolden(POOL_DIR, name, ".volume.xml", volume);
    g_assert_true(lukshdrVolumeXMLParse(volume, &xml, &error));
    g_assert_no_error(error);
    g_assert_true(!xml == !lukshdrXMLChild(xmlDocGetRootElement(ours), LUKSHDR_XML_ENCRYPTION));
}

static void
testAccepted(const char *name, const char *stock, xmlDoc *ours)
{
    g_autofree char *kept = lukshdrXMLFormat(xmlDocGetRootElement(ours));
    g_autofree char *uuid = NULL;
    g_autofree char *again = NULL;
    g_autoptr(xmlDoc) oursAgain = NULL;
    g_autoptr(GError) error = NULL;
    char *shown = lukshdrStorageDefaultShow(stock, ours); /* freed with free(3) */

    utilTestGolden(POOL_DIR, name, ".stock.xml", stock);
    utilTestGolden(POOL_DIR, name, ".ours.xml", kept);
    utilTestGolden(POOL_DIR, name, ".shown.xml", shown);
    testVolume(name, ours);

    /* what is shown can be sent back, which is what virsh pool-edit does */
    g_assert_true(lukshdrStorageDefaultSplit(shown, &uuid, &again, &oursAgain, &error));
    g_assert_no_error(error);
    utilTestGolden(POOL_DIR, name, ".stock.xml", again);
    free(shown);
}

static void
testGolden(gconstpointer opaque)
{
    const char *name = opaque;
    g_autofree char *in = utilTestLoad(POOL_DIR, name, ".in.xml");
    g_autofree char *expected = utilTestLoad(POOL_DIR, name, ".error");
    g_autofree char *uuid = NULL;
    g_autofree char *stock = NULL;
    g_autoptr(xmlDoc) ours = NULL;
    g_autoptr(GError) error = NULL;
    bool ok;

    g_assert_nonnull(in);
    ok = lukshdrStorageDefaultSplit(in, &uuid, &stock, &ours, &error);
    g_assert_true(ok == !expected);
    if (!ok) {
        testRefused(expected, error);
        return;
    }

    g_assert_nonnull(uuid);
    g_assert_nonnull(stock);
    g_assert_nonnull(ours);
    testAccepted(name, stock, ours);
}

int
main(int argc, char **argv)
{
    static const char *const suffixes[] = { ".stock.xml", ".ours.xml", ".shown.xml", ".volume.xml",
                                            ".in.xml",    ".error",    NULL };

    xmlInitParser();
    g_test_init(&argc, &argv, NULL);
    utilTestCases(POOL_DIR, suffixes, "/poolxml/", testGolden);
    return g_test_run();
}
