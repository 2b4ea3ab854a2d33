/*
 * props.c: what stock says of a block node, as JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "props.h"

#include <glib/gi18n-lib.h>

#include "util/error.h"
#include "qemu.h"

virJSONValue *
lukshdrQemuPropsStock(virStorageSource *src, virStorageSource *backing)
{
    if (LUKSHDR_STOCK(qemuBlockStorageSourceGetFormatProps))
        return LUKSHDR_STOCK(qemuBlockStorageSourceGetFormatProps)(src, backing);
    return LUKSHDR_STOCK(qemuBlockStorageSourceGetBlockdevProps)(src, backing);
}

JsonObject *
lukshdrQemuPropsToObject(virJSONValue *value, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *text = lukshdrQemu.libvirt.virJSONValueToString(value, false);
    g_autoptr(JsonNode) root = NULL;

    if (text && json_parser_load_from_data(parser, text, -1, NULL))
        root = json_parser_steal_root(parser);

    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                            _("libvirt's description of a block node is no JSON object"));
        return NULL;
    }
    return json_node_dup_object(root);
}

char *
lukshdrQemuPropsNodeName(virJSONValue *value)
{
    g_autoptr(JsonObject) props = value ? lukshdrQemuPropsToObject(value, NULL) : NULL;

    return props ? g_strdup(json_object_get_string_member_with_default(props, "node-name", NULL))
                 : NULL;
}

virJSONValue *
lukshdrQemuPropsFromObject(JsonObject *object)
{
    g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);
    g_autofree char *text = json_to_string(root, false);

    return lukshdrQemu.libvirt.virJSONValueFromString(text);
}
