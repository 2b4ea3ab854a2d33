/*
 * test-chain.c: the chain's JSON against the files of tests/xml/chain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A case is all files that begin with the same NAME: the link is NAME.xml, or
 * BASE.xml if NAME is BASE+SOMETHING, and
 *
 *   NAME.json         what lukshdrChainToJSON must make of it, prefix libvirt-2
 *   NAME.ro.json      the same after lukshdrChainSetReadOnly
 *   NAME.stock.json   what stock libvirt would give QEMU for the format layer
 *   NAME.format.json  what lukshdrChainToFormat must make of that
 *   NAME.whole.json   what lukshdrChainToJSON must make of it
 *   NAME.error        instead of all output: "CODE fragment of the message"
 *
 * Texts are compared as they are: the order of members is part of the promise.
 * With LUKSHDR_TEST_REGENERATE=1 the expected outputs are written anew, to be
 * read in the diff.
 */

#include <string.h>

#include "util/error.h"
#include "chaintest.h"

#define PREFIX "libvirt-2"

static char *
testText(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_set_object(node, object);
    text = json_to_string(node, TRUE);
    return g_strconcat(text, "\n", NULL);
}

/* Each call must give an object of its own, all levels of it. */
static void
testCheckWritten(const lukshdrChain *chain,
                 JsonObject *(*write)(const lukshdrChain *chain),
                 const char *name,
                 const char *suffix)
{
    g_autoptr(JsonObject) first = write(chain);
    g_autoptr(JsonObject) second = NULL;
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *firstText = testText(first);
    g_autofree char *secondText = NULL;
    g_autofree char *expected = chainTestLoad(name, suffix);

    if (json_object_has_member(first, "cache"))
        json_object_remove_member(json_object_get_object_member(first, "cache"), "direct");
    if (JSON_NODE_HOLDS_OBJECT(json_object_get_member(first, "header")))
        json_object_remove_member(json_object_get_object_member(first, "header"), "file");
    second = write(chain);
    secondText = testText(second);
    g_assert_cmpstr(firstText, ==, secondText);

    chainTestCheckNames(second, names);

    if (g_strcmp0(g_getenv("LUKSHDR_TEST_REGENERATE"), "1") == 0) {
        g_autofree char *file = g_strconcat(name, suffix, NULL);
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, "xml", "chain", file, NULL);

        g_assert_true(g_file_set_contents(path, firstText, -1, NULL));
        return;
    }
    g_assert_nonnull(expected);
    g_assert_cmpstr(firstText, ==, expected);
}

static void
testCheckError(const GError *error, const char *expected)
{
    static const struct {
        const char *name;
        int code;
    } codes[] = {
        { "CONFIG_UNSUPPORTED ", VIR_ERR_CONFIG_UNSUPPORTED },
        { "INTERNAL_ERROR ", VIR_ERR_INTERNAL_ERROR },
        { "INVALID_ARG ", VIR_ERR_INVALID_ARG },
        { "OPERATION_INVALID ", VIR_ERR_OPERATION_INVALID },
    };
    g_autofree char *line = g_strchomp(g_strdup(expected));
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(codes); i++) {
        const char *fragment = line + strlen(codes[i].name);

        if (!g_str_has_prefix(line, codes[i].name))
            continue;
        g_assert_error(error, LUKSHDR_ERROR, codes[i].code);
        g_assert_cmpstr(fragment, !=, "");
        if (!strstr(error->message, fragment))
            g_error("'%s' is not in '%s'", fragment, error->message);
        return;
    }
    g_error("unknown code in '%s'", line);
}

static void
testGoldenStock(const lukshdrLink *link, const char *name, const char *stockText)
{
    g_autoptr(JsonObject) stock = chainTestParse(stockText);
    g_autofree char *before = testText(stock);
    g_autofree char *after = NULL;
    g_autofree char *refusal = chainTestLoad(name, ".error");
    g_autofree char *whole = chainTestLoad(name, ".whole.json");
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrChain) chain = lukshdrChainFromStock(link, stock, &error);

    after = testText(stock);
    g_assert_cmpstr(before, ==, after);

    if (refusal) {
        g_assert_null(chain);
        testCheckError(error, refusal);
        return;
    }
    g_assert_no_error(error);
    g_assert_nonnull(chain);

    /* the chain must not lean on its sources */
    json_object_remove_member(stock, "node-name");
    if (json_object_has_member(stock, "cache"))
        json_object_remove_member(json_object_get_object_member(stock, "cache"), "direct");

    testCheckWritten(chain, lukshdrChainToFormat, name, ".format.json");
    if (whole)
        testCheckWritten(chain, lukshdrChainToJSON, name, ".whole.json");
}

static void
testGolden(gconstpointer opaque)
{
    const char *name = opaque;
    g_autoptr(lukshdrLink) link = chainTestLink(name);
    g_autoptr(lukshdrChain) chain = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *stock = chainTestLoad(name, ".stock.json");
    g_autofree char *format = chainTestLoad(name, ".format.json");
    g_autofree char *whole = chainTestLoad(name, ".whole.json");
    g_autofree char *readOnly = chainTestLoad(name, ".ro.json");
    g_autofree char *refusal = chainTestLoad(name, ".error");

    if (stock) {
        testGoldenStock(link, name, stock);
    } else {
        g_assert_null(format);
        g_assert_null(whole);
    }
    if (strchr(name, '+')) {
        g_assert_nonnull(stock);
        return;
    }

    chain = lukshdrChainNew(link, PREFIX, &error);
    if (refusal) {
        g_assert_null(chain);
        testCheckError(error, refusal);
        return;
    }
    g_assert_no_error(error);
    testCheckWritten(chain, lukshdrChainToJSON, name, ".json");
    if (readOnly) {
        lukshdrChainSetReadOnly(chain, true);
        testCheckWritten(chain, lukshdrChainToJSON, name, ".ro.json");
        lukshdrChainSetReadOnly(chain, false);
        testCheckWritten(chain, lukshdrChainToJSON, name, ".json");
    }
}

/* Adds a test for each case; a file that belongs to none would be a test that
 * was meant to run and does not. */
static void
testAddGolden(void)
{
    static const char *const suffixes[] = { ".ro.json",    ".stock.json", ".format.json",
                                            ".whole.json", ".json",       ".error",
                                            ".xml" };
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_test_build_filename(G_TEST_DIST, "xml", "chain", NULL);
    g_autoptr(GDir) files = g_dir_open(dir, 0, &error);
    g_autoptr(GList) sorted = NULL;
    const char *file;
    GList *item;

    g_assert_no_error(error);
    while ((file = g_dir_read_name(files))) {
        size_t i;

        for (i = 0; i < G_N_ELEMENTS(suffixes); i++) {
            if (g_str_has_suffix(file, suffixes[i])) {
                g_hash_table_add(names, g_strndup(file, strlen(file) - strlen(suffixes[i])));
                break;
            }
        }
        if (i == G_N_ELEMENTS(suffixes))
            g_error("no case has a file '%s'", file);
    }
    g_assert_cmpuint(g_hash_table_size(names), >, 0);

    sorted = g_list_sort(g_hash_table_get_keys(names), (GCompareFunc)strcmp);
    for (item = sorted; item; item = item->next) {
        g_autofree char *path = g_strconcat("/chain/golden/", item->data, NULL);

        g_test_add_data_func_full(path, g_strdup(item->data), testGolden, g_free);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    testAddGolden();
    return g_test_run();
}
