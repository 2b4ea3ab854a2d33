/*
 * plug.c: the chain with secret and device, as QEMU takes them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The order is the same on the command line and in the monitor: what is referred to
 * comes first; and the reverse when it is taken back.
 */

#include "config.h"

#include "forms.h"

static char *
lukshdrChainText(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);

    json_node_set_object(node, object);
    return json_to_string(node, FALSE);
}

static void
lukshdrChainSetOptional(JsonObject *object, const char *name, const char *value)
{
    if (value)
        json_object_set_string_member(object, name, value);
}

static JsonObject *
lukshdrChainDevice(const lukshdrChain *chain, const lukshdrChainPlug *plug)
{
    g_autoptr(JsonObject) top = lukshdrChainToJSON(chain);
    JsonObject *device = json_object_new();

    json_object_set_string_member(device, "driver", plug->driver);
    json_object_set_string_member(device, "id", plug->id);
    lukshdrChainSetOptional(device, "bus", plug->bus);
    lukshdrChainSetOptional(device, "addr", plug->addr);
    json_object_set_string_member(device, "drive", json_object_get_string_member(top, "node-name"));
    lukshdrChainSetOptional(device, "serial", plug->serial);
    return device;
}

char **
lukshdrChainToArgs(const lukshdrChain *chain, const lukshdrChainPlug *plug)
{
    g_autoptr(GPtrArray) nodes = lukshdrChainToNodes(chain);
    g_autoptr(JsonObject) device = lukshdrChainDevice(chain, plug);
    GPtrArray *args = g_ptr_array_new();
    guint i;

    for (i = 0; i < plug->secrets->len; i++) {
        g_ptr_array_add(args, g_strdup("-object"));
        g_ptr_array_add(args, lukshdrChainText(g_ptr_array_index(plug->secrets, i)));
    }
    for (i = 0; i < nodes->len; i++) {
        g_ptr_array_add(args, g_strdup("-blockdev"));
        g_ptr_array_add(args, lukshdrChainText(g_ptr_array_index(nodes, i)));
    }
    g_ptr_array_add(args, g_strdup("-device"));
    g_ptr_array_add(args, lukshdrChainText(device));
    g_ptr_array_add(args, NULL);
    return (char **)g_ptr_array_free(args, FALSE);
}

/* Adds a QMP command; @arguments are not taken over */
static void
lukshdrChainCommand(GPtrArray *commands, const char *name, JsonObject *arguments)
{
    g_autoptr(JsonObject) command = json_object_new();

    json_object_set_string_member(command, "execute", name);
    json_object_set_object_member(command, "arguments", json_object_ref(arguments));
    g_ptr_array_add(commands, lukshdrChainText(command));
}

/* Adds a QMP command whose one argument is a name */
static void
lukshdrChainCommandNamed(GPtrArray *commands, const char *name, const char *key, const char *value)
{
    g_autoptr(JsonObject) arguments = json_object_new();

    json_object_set_string_member(arguments, key, value);
    lukshdrChainCommand(commands, name, arguments);
}

char **
lukshdrChainToQMP(const lukshdrChain *chain, const lukshdrChainPlug *plug)
{
    g_autoptr(GPtrArray) nodes = lukshdrChainToNodes(chain);
    g_autoptr(JsonObject) device = lukshdrChainDevice(chain, plug);
    GPtrArray *commands = g_ptr_array_new();
    guint i;

    for (i = 0; i < plug->secrets->len; i++)
        lukshdrChainCommand(commands, "object-add", g_ptr_array_index(plug->secrets, i));
    for (i = 0; i < nodes->len; i++)
        lukshdrChainCommand(commands, "blockdev-add", g_ptr_array_index(nodes, i));
    lukshdrChainCommand(commands, "device_add", device);
    g_ptr_array_add(commands, NULL);
    return (char **)g_ptr_array_free(commands, FALSE);
}

char **
lukshdrChainToUnplug(const lukshdrChain *chain, const lukshdrChainPlug *plug)
{
    g_autoptr(GPtrArray) nodes = lukshdrChainToNodes(chain);
    GPtrArray *commands = g_ptr_array_new();
    guint i;

    lukshdrChainCommandNamed(commands, "device_del", "id", plug->id);
    for (i = nodes->len; i > 0; i--) {
        JsonObject *node = g_ptr_array_index(nodes, i - 1);

        lukshdrChainCommandNamed(commands, "blockdev-del", "node-name",
                                 json_object_get_string_member(node, "node-name"));
    }
    for (i = plug->secrets->len; i > 0; i--) {
        JsonObject *secret = g_ptr_array_index(plug->secrets, i - 1);

        lukshdrChainCommandNamed(commands, "object-del", "id",
                                 json_object_get_string_member(secret, "id"));
    }
    g_ptr_array_add(commands, NULL);
    return (char **)g_ptr_array_free(commands, FALSE);
}
