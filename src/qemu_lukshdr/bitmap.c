/*
 * bitmap.c: checkpoints of linked disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bitmap-json.h says which of QEMU's nodes has which bitmap.  QEMU itself is asked which disks of the guest
 * are linked: so it works as well for the images of a chain that no record names, and after the daemon has
 * started anew.  All of it is asked within libvirt's turn at the monitor, so nothing can change
 * between the question and the command.
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "util/log.h"
#include "qemu.h"
#include "bitmap-json.h"

/* @value as JSON-GLib's, or NULL if it is not of type @type */
static JsonNode *
lukshdrQemuBitmapParse(const char *text, JsonNodeType type)
{
    g_autoptr(JsonNode) root = text ? json_from_string(text, NULL) : NULL;

    return root && json_node_get_node_type(root) == type ? g_steal_pointer(&root) : NULL;
}

/* Puts what @node says into the place of @value, which is freed.  Returns: 0, or -1 with a libvirt error
 * reported and @value as it was. */
static int
lukshdrQemuBitmapReplace(virJSONValue **value, JsonNode *node)
{
    g_autofree char *text = json_to_string(node, false);
    virJSONValue *changed = lukshdrQemu.libvirt.virJSONValueFromString(text);

    if (!changed)
        return -1;
    lukshdrQemu.libvirt.virJSONValueFree(*value);
    *value = changed;
    return 0;
}

/* Asks the guest's QEMU for its nodes.  @bitmaps is set to its linked disks, to NULL if it has none.
 * Returns: 0, or -1 with a libvirt error reported. */
static int
lukshdrQemuBitmapAsk(qemuMonitor *mon, lukshdrQemuBitmaps **bitmaps)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *reply = NULL;
    JsonNode *nodes = NULL;

    if (LUKSHDR_STOCK(qemuMonitorJSONArbitraryCommand)(
            mon, "{\"execute\":\"query-named-block-nodes\",\"arguments\":{\"flat\":true}}", -1,
            &reply) < 0)
        return -1;

    if ((root = lukshdrQemuBitmapParse(reply, JSON_NODE_OBJECT)))
        nodes = json_object_get_member(json_node_get_object(root), "return");
    if (!nodes || !JSON_NODE_HOLDS_ARRAY(nodes)) {
        error = g_error_new(LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                            _("QEMU does not list its block nodes: %s"), reply);
        lukshdrReportError(error);
        return -1;
    }
    *bitmaps = lukshdrQemuBitmapsRead(json_node_get_array(nodes));
    return 0;
}

/* libvirt reads from the answer which bitmaps there are: for a backup, a snapshot, the end of a job. */
GHashTable *
qemuMonitorJSONBlockGetNamedNodeDataJSON(virJSONValue *nodes)
{
    g_autofree char *text = lukshdrQemu.bitmaps
                                ? lukshdrQemu.libvirt.virJSONValueToString(nodes, false)
                                : NULL;
    g_autoptr(JsonNode) root = lukshdrQemuBitmapParse(text, JSON_NODE_ARRAY);
    virJSONValue *shown = NULL;
    GHashTable *data;

    if (!root || !lukshdrQemuBitmapsShow(json_node_get_array(root)))
        return LUKSHDR_STOCK(qemuMonitorJSONBlockGetNamedNodeDataJSON)(nodes);

    if (lukshdrQemuBitmapReplace(&shown, root) < 0)
        return NULL;
    data = LUKSHDR_STOCK(qemuMonitorJSONBlockGetNamedNodeDataJSON)(shown);
    lukshdrQemu.libvirt.virJSONValueFree(shown);
    return data;
}

int
qemuMonitorTransaction(qemuMonitor *mon, virJSONValue **actions)
{
    g_autofree char *text = lukshdrQemu.bitmaps && mon && *actions
                                ? lukshdrQemu.libvirt.virJSONValueToString(*actions, false)
                                : NULL;
    g_autoptr(JsonNode) root = lukshdrQemuBitmapParse(text, JSON_NODE_ARRAY);
    g_autoptr(lukshdrQemuBitmaps) bitmaps = NULL;

    if (root && lukshdrQemuBitmapsNamed(json_node_get_array(root))) {
        if (lukshdrQemuBitmapAsk(mon, &bitmaps) < 0)
            return -1;
        if (bitmaps) {
            lukshdrQemuBitmapsRedirect(bitmaps, json_node_get_array(root));
            if (lukshdrQemuBitmapReplace(actions, root) < 0)
                return -1;
        }
    }
    return LUKSHDR_STOCK(qemuMonitorTransaction)(mon, actions);
}

int
qemuMonitorSetMigrationParams(qemuMonitor *mon, virJSONValue **params)
{
    g_autofree char *text = lukshdrQemu.bitmaps && mon && *params
                                ? lukshdrQemu.libvirt.virJSONValueToString(*params, false)
                                : NULL;
    g_autoptr(JsonNode) root = lukshdrQemuBitmapParse(text, JSON_NODE_OBJECT);
    g_autoptr(lukshdrQemuBitmaps) bitmaps = NULL;

    if (root && json_object_has_member(json_node_get_object(root), "block-bitmap-mapping")) {
        if (lukshdrQemuBitmapAsk(mon, &bitmaps) < 0)
            return -1;
        if (bitmaps && lukshdrQemuBitmapsRedirectMapping(bitmaps, json_node_get_object(root)) &&
            lukshdrQemuBitmapReplace(params, root) < 0)
            return -1;
    }
    return LUKSHDR_STOCK(qemuMonitorSetMigrationParams)(mon, params);
}
