/*
 * nodes.c: the chain as separate block nodes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "forms.h"
#include "chain-priv.h"

/* Adds @node, with references in the place of its children, after these */
static void
lukshdrChainAddNodes(JsonObject *node, GPtrArray *nodes)
{
    JsonObject *flat = json_object_new();
    JsonObjectIter iter;
    const char *name;
    JsonNode *value;

    json_object_iter_init_ordered(&iter, node);
    while (json_object_iter_next_ordered(&iter, &name, &value)) {
        JsonObject *child = JSON_NODE_HOLDS_OBJECT(value) ? json_node_get_object(value) : NULL;

        /* other objects, such as "cache", have no name */
        if (child && json_object_has_member(child, "node-name")) {
            lukshdrChainAddNodes(child, nodes);
            json_object_set_string_member(flat, name,
                                          json_object_get_string_member(child, "node-name"));
        } else {
            lukshdrChainAddMember(node, name, value, flat);
        }
    }
    g_ptr_array_add(nodes, flat);
}

GPtrArray *
lukshdrChainToNodes(const lukshdrChain *chain)
{
    g_autoptr(JsonObject) whole = lukshdrChainToJSON(chain);
    GPtrArray *nodes = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);

    lukshdrChainAddNodes(whole, nodes);
    return nodes;
}
