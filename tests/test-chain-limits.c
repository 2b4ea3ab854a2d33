/*
 * test-chain-limits.c: the chain at its limits, and with faulty input
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What golden files (test-chain.c) cannot say: lengths of names, and links and
 * descriptions by libvirt that are wrong in one place at a time.
 */

#include <string.h>

#include "util/error.h"
#include "chaintest.h"

#define PREFIX "libvirt-2"

static void
testPrefixLength(void)
{
    static const char *const expected[] = { "raw", "qcow2" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autoptr(lukshdrLink) link = chainTestLink(expected[i]);
        size_t len;

        for (len = 1; len <= 64; len++) {
            g_autofree char *prefix = g_strnfill(len, 'x');
            g_autofree char *top = g_strconcat(prefix, "-format", NULL);
            g_autofree char *header = NULL;
            g_autoptr(GHashTable)
                names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
            g_autoptr(GError) error = NULL;
            g_autoptr(lukshdrChain) chain = lukshdrChainNew(link, prefix, &error);
            g_autoptr(JsonObject) object = NULL;

            if (len > 23) {
                g_assert_null(chain);
                g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG);
                continue;
            }
            g_assert_no_error(error);

            object = lukshdrChainToJSON(chain);
            chainTestCheckNames(object, names);
            g_assert_cmpuint(g_hash_table_size(names), ==, i == 0 ? 4 : 5);
            g_assert_cmpstr(json_object_get_string_member(object, "node-name"), ==, top);

            header = g_strconcat(prefix, len > 16 ? "-hdr-sto" : "-header-storage", NULL);
            g_assert_true(g_hash_table_contains(names, header));
        }
    }
}

static void
testPrefixRefused(void)
{
    static const char *const prefixes[] = { "",         "1a",        "-a",   "#block1", "a b",
                                            "a/b",      "a,b",       "a\"b", "a\\b",    "a\nb",
                                            "\xc3\xa4", "a\xc3\xa4", "a%s" };
    g_autoptr(lukshdrLink) link = chainTestLink("raw");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(lukshdrChainNew(link, prefixes[i], &error));
        g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG);
    }
}

static void
testFormats(void)
{
    static const struct {
        const char *format;
        const char *driver;
    } formats[] = {
        /* virStorageFileFormat in libvirt's storage_source_conf.c, all of it */
        { "none", NULL },
        { "raw", "raw" },
        { "dir", NULL },
        { "bochs", NULL },
        { "cloop", NULL },
        { "dmg", NULL },
        { "iso", NULL },
        { "vpc", "vpc" },
        { "vdi", "vdi" },
        { "fat", NULL },
        { "vhd", "vhdx" },
        { "ploop", "parallels" },
        { "cow", NULL },
        { "qcow", "qcow" },
        { "qcow2", "qcow2" },
        { "qed", "qed" },
        { "vmdk", "vmdk" },
        /* QEMU's names that are not libvirt's */
        { "parallels", NULL },
        { "vhdx", NULL },
        { "luks", NULL },
        { "", NULL },
        { "QCOW2", NULL },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(formats); i++)
        g_assert_cmpstr(lukshdrChainFormatDriver(formats[i].format), ==, formats[i].driver);
}

static void
testKeySecret(void)
{
    g_autoptr(lukshdrLink) link = chainTestLink("qcow2");
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrChain) chain = lukshdrChainNew(link, PREFIX, &error);
    g_autoptr(JsonObject) object = NULL;

    g_assert_no_error(error);
    g_assert_cmpstr(lukshdrChainGetKeySecret(chain), ==, PREFIX "-format-encryption-secret0");
    lukshdrChainSetKeySecret(chain, "sec0");
    g_assert_cmpstr(lukshdrChainGetKeySecret(chain), ==, "sec0");
    object = lukshdrChainToJSON(chain);
    g_assert_cmpstr(json_object_get_string_member(object, "key-secret"), ==, "sec0");
    lukshdrChainSetKeySecret(chain, lukshdrChainGetKeySecret(chain));
    g_assert_cmpstr(lukshdrChainGetKeySecret(chain), ==, "sec0");
}

/* Links that only the makers of links have, before all is there. */
static void
testPaths(void)
{
    g_autoptr(lukshdrLink) good = chainTestLink("raw");
    g_autofree char *stockText = chainTestLoad("raw", ".stock.json");
    g_autoptr(JsonObject) stock = chainTestParse(stockText);
    size_t i;

    for (i = 0; i < 4; i++) {
        g_autoptr(lukshdrLink) link = lukshdrLinkCopy(good);
        char **path = i % 2 ? &link->header.path : &link->payload.path;
        const char *volume = i % 2 ? link->header.volume : link->payload.volume;
        int code = i < 2 ? VIR_ERR_OPERATION_INVALID : VIR_ERR_CONFIG_UNSUPPORTED;
        g_autoptr(GError) error = NULL;

        g_free(*path);
        *path = i < 2 ? NULL : g_strdup("/images/latin1-\xe4.img");

        g_assert_null(lukshdrChainNew(link, PREFIX, &error));
        g_assert_error(error, LUKSHDR_ERROR, code);
        g_assert_nonnull(strstr(error->message, volume));
        g_clear_error(&error);

        g_assert_null(lukshdrChainFromStock(link, stock, &error));
        g_assert_error(error, LUKSHDR_ERROR, code);
    }
}

/* What no libvirt should ever say: one member of a good object at a time. */
static void
testStockMalformed(void)
{
    static const struct {
        const char *member;
        const char *json; /* NULL: without the member */
    } faults[] = {
        { "node-name", NULL },
        { "node-name", "[1]" },
        { "node-name", "[\"\"]" },
        { "node-name", "[\"-format\"]" },
        { "node-name", "[\"1-format\"]" },
        { "node-name", "[\"xxxxxxxxxxxxxxxxxxxxxxxx-format\"]" },
        { "node-name", "[\"xxxxxxxxxxxxxxxxxxxxxxxx\"]" },
        { "driver", NULL },
        { "driver", "[{}]" },
        { "driver", "[null]" },
        { "file", NULL },
        { "file", "[null]" },
        { "file", "[{\"driver\":\"file\",\"filename\":\"/x\"}]" },
        { "read-only", "[\"on\"]" },
        { "read-only", "[1]" },
        { "read-only", "[null]" },
        { "header", "[\"libvirt-9-format\"]" },
        { "header", "[{}]" },
    };
    static const char *const names[] = { "raw", "qcow2" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names) * G_N_ELEMENTS(faults); i++) {
        const char *name = names[i % 2];
        const char *json = faults[i / 2].json;
        g_autoptr(lukshdrLink) link = chainTestLink(name);
        g_autofree char *text = chainTestLoad(name, ".stock.json");
        g_autoptr(JsonObject) stock = chainTestParse(text);
        g_autoptr(lukshdrChain) chain = NULL;
        g_autoptr(GError) error = NULL;

        chain = lukshdrChainFromStock(link, stock, &error);
        g_assert_no_error(error);

        json_object_remove_member(stock, faults[i / 2].member);
        if (json) {
            g_autoptr(JsonNode) value = json_from_string(json, NULL);

            json_object_set_member(stock, faults[i / 2].member,
                                   json_array_dup_element(json_node_get_array(value), 0));
        }
        g_assert_null(lukshdrChainFromStock(link, stock, &error));
        g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR);
    }
}

/* The longest name that libvirt's counter (unsigned int) can make, and names
 * that do not end as libvirt's do. */
static void
testStockNames(void)
{
    static const struct {
        const char *top;
        const char *headerStorage;
    } names[] = {
        { "libvirt-4294967295-format", "libvirt-4294967295-hdr-sto" },
        { "xxxxxxxxxxxxxxxxxxxxxxx-format", "xxxxxxxxxxxxxxxxxxxxxxx-hdr-sto" },
        { "other", "other-header-storage" },
        { "xxxxxxxxxxxxxxxxxxxxxxx", "xxxxxxxxxxxxxxxxxxxxxxx-hdr-sto" },
    };
    g_autoptr(lukshdrLink) link = chainTestLink("qcow2");
    g_autofree char *text = chainTestLoad("qcow2", ".stock.json");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(JsonObject) stock = chainTestParse(text);
        g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(lukshdrChain) chain = NULL;
        g_autoptr(JsonObject) object = NULL;

        json_object_set_string_member(stock, "node-name", names[i].top);
        chain = lukshdrChainFromStock(link, stock, &error);
        g_assert_no_error(error);
        object = lukshdrChainToFormat(chain);
        chainTestCheckNames(object, found);
        g_assert_cmpuint(g_hash_table_size(found), ==, 4);
        g_assert_cmpstr(json_object_get_string_member(object, "node-name"), ==, names[i].top);
        g_assert_true(g_hash_table_contains(found, names[i].headerStorage));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/chain/prefix/length", testPrefixLength);
    g_test_add_func("/chain/prefix/refused", testPrefixRefused);
    g_test_add_func("/chain/formats", testFormats);
    g_test_add_func("/chain/key-secret", testKeySecret);
    g_test_add_func("/chain/paths", testPaths);
    g_test_add_func("/chain/stock/malformed", testStockMalformed);
    g_test_add_func("/chain/stock/names", testStockNames);

    return g_test_run();
}
