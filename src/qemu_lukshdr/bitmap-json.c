/*
 * bitmap-json.c: dirty bitmaps of linked disks, as QEMU has them and as libvirt sees them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a member that is missing or of another type means is QEMU's to say: it is left as it is.
 */

#include "config.h"

#include "bitmap-json.h"

#include <string.h>

#include "util/json.h"

#define LUKSHDR_QEMU_BITMAP_TOP "-format"
#define LUKSHDR_QEMU_BITMAP_PAYLOAD "-payload"

#define LUKSHDR_QEMU_BITMAP_COMMAND "block-dirty-bitmap-"

/* A linked disk, and names of bitmaps as sets */
typedef struct _lukshdrQemuBitmapDisk lukshdrQemuBitmapDisk;
struct _lukshdrQemuBitmapDisk {
    char *payload;     /* name of the payload's node */
    GHashTable *top;   /* bitmaps of the luks node */
    GHashTable *below; /* bitmaps of the payload's node */
};

struct _lukshdrQemuBitmaps {
    GHashTable *disks; /* name of the luks node -> lukshdrQemuBitmapDisk * */
};

static void
lukshdrQemuBitmapDiskFree(gpointer data)
{
    lukshdrQemuBitmapDisk *disk = data;

    g_free(disk->payload);
    g_hash_table_unref(disk->top);
    g_hash_table_unref(disk->below);
    g_free(disk);
}

void
lukshdrQemuBitmapsFree(lukshdrQemuBitmaps *bitmaps)
{
    if (!bitmaps)
        return;
    g_hash_table_unref(bitmaps->disks);
    g_free(bitmaps);
}

static JsonObject *
lukshdrQemuBitmapElement(JsonArray *array, guint i)
{
    JsonNode *node = json_array_get_element(array, i);

    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

/* Capacity of a node of query-named-block-nodes in bytes, -1 if it does not say */
static gint64
lukshdrQemuBitmapCapacity(JsonObject *node)
{
    JsonObject *image = lukshdrJSONObject(node, "image");

    return image ? json_object_get_int_member_with_default(image, "virtual-size", -1) : -1;
}

/* The payload's node of @top, or NULL if that is no linked disk whose bitmaps can lie there */
static JsonObject *
lukshdrQemuBitmapPayloadOf(GHashTable *named, JsonObject *top)
{
    const char *name = lukshdrJSONString(top, "node-name");
    g_autofree char *below = NULL;
    JsonObject *payload;

    if (g_strcmp0(lukshdrJSONString(top, "drv"), "luks") != 0 || !name ||
        !g_str_has_suffix(name, LUKSHDR_QEMU_BITMAP_TOP))
        return NULL;

    below = g_strdup_printf("%.*s" LUKSHDR_QEMU_BITMAP_PAYLOAD,
                            (int)(strlen(name) - strlen(LUKSHDR_QEMU_BITMAP_TOP)), name);
    payload = g_hash_table_lookup(named, below);
    if (g_strcmp0(lukshdrJSONString(payload, "drv"), "qcow2") != 0 ||
        lukshdrQemuBitmapCapacity(top) < 0 ||
        lukshdrQemuBitmapCapacity(top) != lukshdrQemuBitmapCapacity(payload))
        return NULL;
    return payload;
}

/* The nodes that have names, by these: JsonObject *, @nodes' */
static GHashTable *
lukshdrQemuBitmapNamed(JsonArray *nodes)
{
    GHashTable *named = g_hash_table_new(g_str_hash, g_str_equal);
    guint i;

    for (i = 0; i < json_array_get_length(nodes); i++) {
        JsonObject *node = lukshdrQemuBitmapElement(nodes, i);
        const char *name = lukshdrJSONString(node, "node-name");

        if (name)
            g_hash_table_insert(named, (gpointer)name, node);
    }
    return named;
}

/* Names of @node's bitmaps */
static GHashTable *
lukshdrQemuBitmapNames(JsonObject *node)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    JsonArray *bitmaps = lukshdrJSONArray(node, "dirty-bitmaps");
    guint i;

    for (i = 0; bitmaps && i < json_array_get_length(bitmaps); i++) {
        const char *name = lukshdrJSONString(lukshdrQemuBitmapElement(bitmaps, i), "name");

        if (name)
            g_hash_table_add(names, g_strdup(name));
    }
    return names;
}

lukshdrQemuBitmaps *
lukshdrQemuBitmapsRead(JsonArray *nodes)
{
    g_autoptr(GHashTable) named = lukshdrQemuBitmapNamed(nodes);
    g_autoptr(lukshdrQemuBitmaps) bitmaps = g_new0(lukshdrQemuBitmaps, 1);
    GHashTableIter iter;
    gpointer name;
    gpointer top;

    bitmaps->disks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           lukshdrQemuBitmapDiskFree);

    g_hash_table_iter_init(&iter, named);
    while (g_hash_table_iter_next(&iter, &name, &top)) {
        JsonObject *payload = lukshdrQemuBitmapPayloadOf(named, top);
        lukshdrQemuBitmapDisk *disk;

        if (!payload)
            continue;
        disk = g_new0(lukshdrQemuBitmapDisk, 1);
        disk->payload = g_strdup(lukshdrJSONString(payload, "node-name"));
        disk->top = lukshdrQemuBitmapNames(top);
        disk->below = lukshdrQemuBitmapNames(payload);
        g_hash_table_insert(bitmaps->disks, g_strdup(name), disk);
    }
    return g_hash_table_size(bitmaps->disks) > 0 ? g_steal_pointer(&bitmaps) : NULL;
}

bool
lukshdrQemuBitmapsShow(JsonArray *nodes)
{
    g_autoptr(GHashTable) named = lukshdrQemuBitmapNamed(nodes);
    bool changed = false;
    guint i;
    guint j;

    for (i = 0; i < json_array_get_length(nodes); i++) {
        JsonObject *top = lukshdrQemuBitmapElement(nodes, i);
        JsonObject *payload = top ? lukshdrQemuBitmapPayloadOf(named, top) : NULL;
        JsonArray *below = lukshdrJSONArray(payload, "dirty-bitmaps");
        JsonArray *shown = lukshdrJSONArray(top, "dirty-bitmaps");

        if (!below)
            continue;
        if (!shown) {
            shown = json_array_new();
            json_object_set_array_member(top, "dirty-bitmaps", shown);
        }
        for (j = 0; j < json_array_get_length(below); j++)
            json_array_add_element(shown, json_array_dup_element(below, j));
        changed = true;
    }
    return changed;
}

bool
lukshdrQemuBitmapsNamed(JsonArray *actions)
{
    guint i;

    for (i = 0; i < json_array_get_length(actions); i++) {
        const char *type = lukshdrJSONString(lukshdrQemuBitmapElement(actions, i), "type");

        if (type && g_str_has_prefix(type, LUKSHDR_QEMU_BITMAP_COMMAND))
            return true;
    }
    return false;
}

/* The node that has @node's bitmap @name */
static const char *
lukshdrQemuBitmapNode(const lukshdrQemuBitmaps *bitmaps, const char *node, const char *name)
{
    const lukshdrQemuBitmapDisk *disk = g_hash_table_lookup(bitmaps->disks, node);

    return disk && !g_hash_table_contains(disk->top, name) &&
                   g_hash_table_contains(disk->below, name)
               ? disk->payload
               : node;
}

/* Gives the node and name in @data to the node that has that bitmap.  @nameMember is the name's. */
static void
lukshdrQemuBitmapFollow(const lukshdrQemuBitmaps *bitmaps, JsonObject *data, const char *nameMember)
{
    const char *node = lukshdrJSONString(data, "node");
    const char *name = lukshdrJSONString(data, nameMember);
    const char *found = node && name ? lukshdrQemuBitmapNode(bitmaps, node, name) : node;

    if (found != node)
        json_object_set_string_member(data, "node", found);
}

static void
lukshdrQemuBitmapAdd(lukshdrQemuBitmaps *bitmaps, JsonObject *data)
{
    const char *node = lukshdrJSONString(data, "node");
    const char *name = lukshdrJSONString(data, "name");
    bool stored = json_object_get_boolean_member_with_default(data, "persistent", FALSE);
    lukshdrQemuBitmapDisk *disk = node ? g_hash_table_lookup(bitmaps->disks, node) : NULL;

    if (!disk || !name || g_hash_table_contains(disk->top, name))
        return;
    if (stored || g_hash_table_contains(disk->below, name)) {
        g_hash_table_add(disk->below, g_strdup(name));
        json_object_set_string_member(data, "node", disk->payload);
    } else {
        g_hash_table_add(disk->top, g_strdup(name));
    }
}

static void
lukshdrQemuBitmapRemove(lukshdrQemuBitmaps *bitmaps, JsonObject *data)
{
    const char *node = lukshdrJSONString(data, "node");
    const char *name = lukshdrJSONString(data, "name");
    lukshdrQemuBitmapDisk *disk = node ? g_hash_table_lookup(bitmaps->disks, node) : NULL;

    if (!disk || !name || g_hash_table_remove(disk->top, name))
        return;
    if (g_hash_table_remove(disk->below, name))
        json_object_set_string_member(data, "node", disk->payload);
}

/* A source that is a mere name lies on the node of the target, as libvirt sees it. */
static void
lukshdrQemuBitmapMerge(const lukshdrQemuBitmaps *bitmaps, JsonObject *data)
{
    g_autofree char *node = g_strdup(lukshdrJSONString(data, "node"));
    JsonArray *sources = lukshdrJSONArray(data, "bitmaps");
    g_autoptr(JsonArray) found = json_array_new();
    guint i;

    lukshdrQemuBitmapFollow(bitmaps, data, "target");
    if (!sources)
        return;

    for (i = 0; i < json_array_get_length(sources); i++) {
        JsonNode *source = json_array_get_element(sources, i);
        JsonObject *named;

        if (JSON_NODE_HOLDS_OBJECT(source)) {
            lukshdrQemuBitmapFollow(bitmaps, json_node_get_object(source), "name");
            json_array_add_element(found, json_node_copy(source));
        } else if (node && json_node_get_value_type(source) == G_TYPE_STRING) {
            const char *name = json_node_get_string(source);

            named = json_object_new();
            json_object_set_string_member(named, "node",
                                          lukshdrQemuBitmapNode(bitmaps, node, name));
            json_object_set_string_member(named, "name", name);
            json_array_add_object_element(found, named);
        } else {
            json_array_add_element(found, json_node_copy(source));
        }
    }
    json_object_set_array_member(data, "bitmaps", g_steal_pointer(&found));
}

void
lukshdrQemuBitmapsRedirect(lukshdrQemuBitmaps *bitmaps, JsonArray *actions)
{
    guint i;

    for (i = 0; i < json_array_get_length(actions); i++) {
        JsonObject *action = lukshdrQemuBitmapElement(actions, i);
        const char *type = lukshdrJSONString(action, "type");
        JsonObject *data = lukshdrJSONObject(action, "data");

        if (!type || !data || !g_str_has_prefix(type, LUKSHDR_QEMU_BITMAP_COMMAND))
            continue;

        if (g_str_equal(type, LUKSHDR_QEMU_BITMAP_COMMAND "add"))
            lukshdrQemuBitmapAdd(bitmaps, data);
        else if (g_str_equal(type, LUKSHDR_QEMU_BITMAP_COMMAND "remove"))
            lukshdrQemuBitmapRemove(bitmaps, data);
        else if (g_str_equal(type, LUKSHDR_QEMU_BITMAP_COMMAND "merge"))
            lukshdrQemuBitmapMerge(bitmaps, data);
        else
            lukshdrQemuBitmapFollow(bitmaps, data, "name");
    }
}

bool
lukshdrQemuBitmapsRedirectMapping(const lukshdrQemuBitmaps *bitmaps, JsonObject *params)
{
    JsonArray *mapping = lukshdrJSONArray(params, "block-bitmap-mapping");
    bool changed = false;
    guint i;
    guint j;

    for (i = 0; mapping && i < json_array_get_length(mapping); i++) {
        JsonObject *entry = lukshdrQemuBitmapElement(mapping, i);
        const char *node = lukshdrJSONString(entry, "node-name");
        JsonArray *named = lukshdrJSONArray(entry, "bitmaps");
        const lukshdrQemuBitmapDisk *disk = node ? g_hash_table_lookup(bitmaps->disks, node) : NULL;
        bool temporary = false;

        /* libvirt sends either what is stored, or what it merged for the migration: that is on the luks node */
        for (j = 0; disk && named && j < json_array_get_length(named); j++) {
            const char *name = lukshdrJSONString(lukshdrQemuBitmapElement(named, j), "name");

            temporary = temporary || (name && g_hash_table_contains(disk->top, name));
        }
        if (!disk || temporary)
            continue;
        json_object_set_string_member(entry, "node-name", disk->payload);
        changed = true;
    }
    return changed;
}
