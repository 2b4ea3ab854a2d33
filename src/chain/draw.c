/*
 * draw.c: the chain for the eye
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "forms.h"
#include "util/text.h"

static const char *const lukshdrChainChildren[] = { "file", "header" };

static JsonObject *
lukshdrChainChild(JsonObject *node, size_t which)
{
    JsonNode *value = json_object_get_member(node, lukshdrChainChildren[which]);

    return value && JSON_NODE_HOLDS_OBJECT(value) ? json_node_get_object(value) : NULL;
}

/* What a node is about beside its name and driver, or NULL */
static char *
lukshdrChainRemark(JsonObject *node)
{
    if (json_object_has_member(node, "filename"))
        return lukshdrTextShown(json_object_get_string_member(node, "filename"));
    if (json_object_has_member(node, "image")) {
        const char *const members[] = { "pool", "namespace", "image", "user", "key-secret" };
        const char *const before[] = { "", "/", "/", "  user ", "  key-secret " };
        g_autoptr(GString) text = g_string_new(NULL);
        size_t i;

        for (i = 0; i < G_N_ELEMENTS(members); i++) {
            if (json_object_has_member(node, members[i]))
                g_string_append_printf(text, "%s%s", before[i],
                                       json_object_get_string_member(node, members[i]));
        }
        return lukshdrTextShown(text->str);
    }
    if (json_object_has_member(node, "key-secret"))
        return g_strconcat("key-secret ", json_object_get_string_member(node, "key-secret"), NULL);
    return NULL;
}

/* A string in dot's language */
static char *
lukshdrChainDotQuote(const char *text)
{
    g_auto(GStrv) slashes = g_strsplit(text, "\\", -1);
    g_autofree char *escaped = g_strjoinv("\\\\", slashes);
    g_auto(GStrv) quotes = g_strsplit(escaped, "\"", -1);

    return g_strjoinv("\\\"", quotes);
}

static void
lukshdrChainDotNode(JsonObject *node, GString *dot)
{
    const char *name = json_object_get_string_member(node, "node-name");
    g_autofree char *remark = lukshdrChainRemark(node);
    g_autofree char *quoted = lukshdrChainDotQuote(remark ? remark : "");
    size_t i;

    g_string_append_printf(dot, "  \"%s\" [label=\"%s\\n%s%s%s\"];\n", name, name,
                           json_object_get_string_member(node, "driver"), *quoted ? "\\n" : "",
                           quoted);

    for (i = 0; i < G_N_ELEMENTS(lukshdrChainChildren); i++) {
        JsonObject *child = lukshdrChainChild(node, i);

        if (!child)
            continue;
        lukshdrChainDotNode(child, dot);
        g_string_append_printf(dot, "  \"%s\" -> \"%s\" [label=\"%s\"];\n", name,
                               json_object_get_string_member(child, "node-name"),
                               lukshdrChainChildren[i]);
    }
}

char *
lukshdrChainToDot(const lukshdrChain *chain)
{
    g_autoptr(JsonObject) top = lukshdrChainToJSON(chain);
    GString *dot = g_string_new("digraph chain {\n  node [shape=box];\n");

    lukshdrChainDotNode(top, dot);
    g_string_append(dot, "}\n");
    return g_string_free(dot, FALSE);
}

static void
lukshdrChainTreeNode(JsonObject *node, const char *indent, bool utf8, GString *tree)
{
    g_autofree char *remark = lukshdrChainRemark(node);
    size_t i;

    g_string_append_printf(tree, "%s  %s%s%s\n", json_object_get_string_member(node, "node-name"),
                           json_object_get_string_member(node, "driver"), remark ? "  " : "",
                           remark ? remark : "");

    for (i = 0; i < G_N_ELEMENTS(lukshdrChainChildren); i++) {
        JsonObject *child = lukshdrChainChild(node, i);
        bool last = i == G_N_ELEMENTS(lukshdrChainChildren) - 1 || !lukshdrChainChild(node, i + 1);
        g_autofree char *below = g_strconcat(indent, last ? "   " : utf8 ? "│  " : "|  ", NULL);

        if (!child)
            continue;
        g_string_append_printf(tree, "%s%s%s: ", indent,
                               utf8   ? last ? "└─ " : "├─ "
                               : last ? "`- "
                                      : "|- ",
                               lukshdrChainChildren[i]);
        lukshdrChainTreeNode(child, below, utf8, tree);
    }
}

char *
lukshdrChainToTree(const lukshdrChain *chain, bool utf8)
{
    g_autoptr(JsonObject) top = lukshdrChainToJSON(chain);
    GString *tree = g_string_new(NULL);

    lukshdrChainTreeNode(top, "", utf8, tree);
    return g_string_free(tree, FALSE);
}
