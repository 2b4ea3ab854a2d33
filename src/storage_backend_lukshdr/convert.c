/*
 * convert.c: copying the content of one volume into another
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "convert.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>

#include "chain/chain.h"
#include "util/command.h"
#include "util/error.h"

#define LUKSHDR_CONVERT_MAX_SECRETS 2

/* A plain volume as a block node; @format is one that QEMU has a driver for */
static JsonObject *
lukshdrStorageConvertPlain(const lukshdrConvertSide *side, GError **error)
{
    const char *driver = lukshdrChainFormatDriver(side->format);
    lukshdrIdentity identity;
    JsonObject *node;
    JsonObject *file;

    if (!driver) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("volumes of format '%s' cannot be converted"), side->format);
        return NULL;
    }
    if (!lukshdrIdentityFromPath(side->path, &identity, error))
        return NULL;

    file = json_object_new();
    json_object_set_string_member(file, "driver",
                                  identity.type == LUKSHDR_IDENTITY_BLOCK ? "host_device" : "file");
    json_object_set_string_member(file, "filename", side->path);

    node = json_object_new();
    json_object_set_string_member(node, "driver", driver);
    json_object_set_object_member(node, "file", file);
    return node;
}

/* @side as a file name for qemu-img.  @name is for its nodes and its secret. */
static char *
lukshdrStorageConvertName(const lukshdrConvertSide *side,
                          const char *name,
                          bool readOnly,
                          GError **error)
{
    g_autoptr(lukshdrChain) chain = NULL;
    g_autoptr(JsonObject) object = NULL;
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    if (side->link) {
        if (!(chain = lukshdrChainNew(side->link, name, error)))
            return NULL;
        lukshdrChainSetKeySecret(chain, name);
        lukshdrChainSetReadOnly(chain, readOnly);
        object = lukshdrChainToJSON(chain);
    } else if (!(object = lukshdrStorageConvertPlain(side, error))) {
        return NULL;
    }

    json_node_set_object(root, object);
    text = json_to_string(root, FALSE);
    return g_strconcat("json:", text, NULL);
}

bool
lukshdrStorageConvert(const lukshdrConvertSide *from, const lukshdrConvertSide *to, GError **error)
{
    static const char *const files[] = { LUKSHDR_COMMAND_SECRET_FILE,
                                         LUKSHDR_COMMAND_SECRET_FILE2 };
    g_autofree char *source = lukshdrStorageConvertName(from, "source", true, error);
    g_autofree char *target = source ? lukshdrStorageConvertName(to, "target", false, error) : NULL;
    const lukshdrSecret *secrets[LUKSHDR_CONVERT_MAX_SECRETS + 1] = { NULL };
    const lukshdrConvertSide *sides[] = { from, to };
    static const char *const names[] = { "source", "target" };
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    size_t count = 0;
    size_t i;

    if (!target)
        return false;

    g_ptr_array_add(argv, g_strdup(LUKSHDR_QEMU_IMG));
    g_ptr_array_add(argv, g_strdup("convert"));
    g_ptr_array_add(argv, g_strdup("-q"));
    for (i = 0; i < G_N_ELEMENTS(sides); i++) {
        if (!sides[i]->link)
            continue;
        g_ptr_array_add(argv, g_strdup("--object"));
        g_ptr_array_add(argv,
                        g_strdup_printf("secret,id=%s,format=raw,file=%s", names[i], files[count]));
        secrets[count++] = sides[i]->secret;
    }
    /* the target exists; and by default qemu-img would not flush it */
    g_ptr_array_add(argv, g_strdup("-n"));
    /* what the name says as well; without it, qemu-img would insist on raw */
    g_ptr_array_add(argv, g_strdup("-O"));
    g_ptr_array_add(argv, g_strdup(to->link ? "luks" : lukshdrChainFormatDriver(to->format)));
    g_ptr_array_add(argv, g_strdup("-t"));
    g_ptr_array_add(argv, g_strdup("writeback"));
    g_ptr_array_add(argv, g_strdup("--"));
    g_ptr_array_add(argv, g_steal_pointer(&source));
    g_ptr_array_add(argv, g_steal_pointer(&target));
    g_ptr_array_add(argv, NULL);

    return lukshdrCommandRun((const char *const *)argv->pdata, secrets, error);
}

bool
lukshdrStorageOpens(const lukshdrConvertSide *side, GError **error)
{
    static const char name[] = "source";
    const lukshdrSecret *secrets[] = { side->secret, NULL };
    g_autofree char *source = lukshdrStorageConvertName(side, name, true, error);
    g_autofree char *object = g_strdup_printf("secret,id=%s,format=raw,file=%s", name,
                                              LUKSHDR_COMMAND_SECRET_FILE);
    /* info would not unlock */
    const char *argv[] = { LUKSHDR_QEMU_IMG, "map", "--output", "json", "--object",
                           object,           "--",  source,     NULL };

    return source && lukshdrCommandRun(argv, secrets, error);
}
