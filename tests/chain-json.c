/*
 * chain-json.c: prints the chain of a link as one JSON object
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For shell tests, which give the text to QEMU's tools:
 *
 *   chain-json LINK.xml PREFIX KEY-SECRET [ro]   the whole chain of a link
 *   chain-json LINK.xml --stock STOCK.json       the format layer that takes the
 *                                                place of libvirt's own
 */

#include <stdio.h>

#include "chain/chain.h"

static lukshdrChain *
chainJSONFromStock(const lukshdrLink *link, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(JsonNode) stock = NULL;

    if (!g_file_get_contents(path, &text, NULL, error) || !(stock = json_from_string(text, error)))
        return NULL;
    return lukshdrChainFromStock(link, json_node_get_object(stock), error);
}

static bool
chainJSONPrint(char **argv, GError **error)
{
    bool stock = g_str_equal(argv[2], "--stock");
    g_autofree char *xml = NULL;
    g_autofree char *text = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(lukshdrChain) chain = NULL;
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    gsize len;

    if (!g_file_get_contents(argv[1], &xml, &len, error) ||
        !(link = lukshdrLinkParse(xml, len, error)))
        return false;

    if (stock)
        chain = chainJSONFromStock(link, argv[3], error);
    else
        chain = lukshdrChainNew(link, argv[2], error);
    if (!chain)
        return false;

    if (stock) {
        json_node_take_object(node, lukshdrChainToFormat(chain));
    } else {
        lukshdrChainSetKeySecret(chain, argv[3]);
        lukshdrChainSetReadOnly(chain, argv[4] != NULL);
        json_node_take_object(node, lukshdrChainToJSON(chain));
    }
    text = json_to_string(node, FALSE);
    puts(text);
    return true;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc < 4 || argc > 5 || (argc == 5 && !g_str_equal(argv[4], "ro"))) {
        fprintf(stderr, "usage: chain-json LINK.xml PREFIX KEY-SECRET [ro]\n"
                        "       chain-json LINK.xml --stock STOCK.json\n");
        return 2;
    }

    if (!chainJSONPrint(argv, &error)) {
        fprintf(stderr, "chain-json: %s\n", error->message);
        return 1;
    }
    return 0;
}
