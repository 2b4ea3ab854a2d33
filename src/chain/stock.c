/*
 * stock.c: a chain from what libvirt wants to give QEMU
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A copy of libvirt's object is emptied member by member into the model; what
 * is left in the end are options of the payload's format.
 */

#include "config.h"

#include "chain-priv.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"

static JsonObject *
lukshdrChainCopyObject(JsonObject *object)
{
    JsonObject *copy = json_object_new();

    json_object_foreach_member(object, lukshdrChainAddMember, copy);
    return copy;
}

/* Removes member @name from @object.  Returns: its value, NULL if it is missing
 * or not a string. */
static char *
lukshdrChainTakeString(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    char *value = NULL;

    if (node && json_node_get_value_type(node) == G_TYPE_STRING)
        value = json_node_dup_string(node);
    json_object_remove_member(object, name);
    return value;
}

/* Removes the encryption from @stock, which declares @driver, and makes its secret that of the
 * chain. */
static bool
lukshdrChainTakeEncryption(lukshdrChain *chain,
                           JsonObject *stock,
                           const char *driver,
                           GError **error)
{
    const lukshdrVolume *vol = &chain->link->payload;
    JsonNode *encrypt = json_object_get_member(stock, "encrypt");

    if (g_str_equal(driver, "luks")) {
        chain->keySecret = lukshdrChainTakeString(stock, "key-secret");
    } else if (encrypt && JSON_NODE_HOLDS_OBJECT(encrypt)) {
        g_autofree char *format = lukshdrChainTakeString(json_node_get_object(encrypt), "format");

        if (g_strcmp0(format, "luks") != 0) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                        _("linked volume '%s' of pool '%s' is encrypted with 'luks', not with "
                          "'%s' as the disk's <encryption> says"),
                        vol->volume, vol->pool, format ? format : "");
            return false;
        }
        chain->keySecret = lukshdrChainTakeString(json_node_get_object(encrypt), "key-secret");
        json_object_remove_member(stock, "encrypt");
    }

    if (!chain->keySecret) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("linked volume '%s' of pool '%s' cannot be opened without its secret: give "
                      "the disk an <encryption>, which libvirt knows for formats 'raw' and "
                      "'qcow2' (this is '%s')"),
                    vol->volume, vol->pool, chain->link->format);
        return false;
    }
    return true;
}

static bool
lukshdrChainTakeBacking(lukshdrChain *chain, JsonObject *stock, GError **error)
{
    JsonNode *backing = json_object_get_member(stock, "backing");

    if (backing && !JSON_NODE_HOLDS_NULL(backing)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("linked volume '%s' of pool '%s' has a backing file, whose data would be "
                      "decrypted a second time: use an overlay above a linked volume "
                      "instead"),
                    chain->link->payload.volume, chain->link->payload.pool);
        return false;
    }
    json_object_remove_member(stock, "backing");
    return true;
}

/* By which name the administrator knows the format that libvirt declares */
static const char *
lukshdrChainDeclaredFormat(const char *driver)
{
    const char *format = lukshdrChainDriverFormat(driver);

    if (g_str_equal(driver, "luks"))
        return "raw";
    return format ? format : driver;
}

static void
lukshdrChainTakeCommon(lukshdrChain *chain, JsonObject *stock)
{
    JsonNode *node;
    size_t i;

    for (i = 0; lukshdrChainCommon[i].name; i++) {
        const char *name = lukshdrChainCommon[i].name;

        if ((node = json_object_dup_member(stock, name))) {
            json_object_set_member(chain->common, name, node);
            json_object_remove_member(stock, name);
        }
    }

    if ((node = json_object_get_member(stock, "read-only"))) {
        chain->readOnly = json_node_get_boolean(node);
        json_object_remove_member(stock, "read-only");
    }
}

/* A wrong type in what is not read here would be QEMU's to refuse; a "header"
 * would be a libvirt that has learned of detached headers by itself. */
static bool
lukshdrChainStockUsable(JsonObject *stock,
                        const char *prefix,
                        const char *driver,
                        const char *storage)
{
    JsonNode *readOnly = json_object_get_member(stock, "read-only");

    return prefix && driver && storage && lukshdrChainPrefixUsable(prefix) &&
           !json_object_has_member(stock, "header") &&
           (!readOnly || json_node_get_value_type(readOnly) == G_TYPE_BOOLEAN);
}

lukshdrChain *
lukshdrChainFromStock(const lukshdrLink *link, JsonObject *stock, GError **error)
{
    g_autoptr(lukshdrChain) chain = NULL;
    g_autoptr(JsonObject) rest = lukshdrChainCopyObject(stock);
    g_autofree char *top = lukshdrChainTakeString(rest, "node-name");
    g_autofree char *driver = lukshdrChainTakeString(rest, "driver");
    g_autofree char *storage = lukshdrChainTakeString(rest, "file");
    g_autofree char *prefix = g_strdup(top);
    bool raw = g_str_equal(link->format, "raw");

    if (prefix && g_str_has_suffix(prefix, "-format"))
        prefix[strlen(prefix) - strlen("-format")] = '\0';

    if (!lukshdrChainStockUsable(rest, prefix, driver, storage)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("libvirt describes the disk of linked volume '%s' of pool '%s' in an "
                      "unknown way"),
                    link->payload.volume, link->payload.pool);
        return NULL;
    }

    if (!(chain = lukshdrChainNewUnnamed(link, error)))
        return NULL;

    if (!g_str_equal(driver, chain->driver) && !(raw && g_str_equal(driver, "luks"))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("linked volume '%s' of pool '%s' has format '%s', but the disk's <driver> "
                      "says '%s'"),
                    link->payload.volume, link->payload.pool, link->format,
                    lukshdrChainDeclaredFormat(driver));
        return NULL;
    }

    if (!lukshdrChainTakeEncryption(chain, rest, driver, error) ||
        !lukshdrChainTakeBacking(chain, rest, error))
        return NULL;

    /* libvirt's name for the node of a <slice>; the sectors are numbered from the payload's start,
     * so a part of it decrypts to nothing and is destroyed by the first write */
    if (g_str_has_suffix(storage, "-slice-sto")) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("a slice of linked volume '%s' of pool '%s' cannot be a disk"),
                    link->payload.volume, link->payload.pool);
        return NULL;
    }

    lukshdrChainTakeCommon(chain, rest);
    json_object_foreach_member(rest, lukshdrChainAddMember, chain->options);

    /* libvirt's own two names stay, whatever they are */
    lukshdrChainSetNames(chain, prefix);
    g_free(chain->top);
    chain->top = g_steal_pointer(&top);
    g_free(chain->storage);
    chain->storage = g_steal_pointer(&storage);
    return g_steal_pointer(&chain);
}
