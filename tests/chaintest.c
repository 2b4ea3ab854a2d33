/*
 * chaintest.c: what the tests of the chain have in common
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "chaintest.h"

#include <string.h>

char *
chainTestLoad(const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "xml", "chain", file, NULL);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

lukshdrLink *
chainTestLink(const char *name)
{
    g_autofree char *base = g_strndup(name, strcspn(name, "+"));
    g_autofree char *xml = chainTestLoad(base, ".xml");
    g_autoptr(GError) error = NULL;
    lukshdrLink *link;

    g_assert_nonnull(xml);
    link = lukshdrLinkParse(xml, strlen(xml), &error);
    g_assert_no_error(error);
    return link;
}

JsonObject *
chainTestParse(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = json_from_string(text, &error);

    g_assert_no_error(error);
    return json_node_dup_object(node);
}

void
chainTestCheckNames(JsonObject *object, GHashTable *names)
{
    static const char *const children[] = { "file", "header" };
    const char *name = json_object_get_string_member(object, "node-name");
    size_t i;

    g_assert_cmpuint(strlen(name), <=, LUKSHDR_CHAIN_NODE_NAME_MAX);
    g_assert_true(g_hash_table_add(names, g_strdup(name)));

    for (i = 0; i < G_N_ELEMENTS(children); i++) {
        JsonNode *child = json_object_get_member(object, children[i]);

        if (child && JSON_NODE_HOLDS_OBJECT(child))
            chainTestCheckNames(json_node_get_object(child), names);
    }
}
