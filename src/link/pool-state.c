/*
 * pool-state.c: what can be known of a pool without asking the storage driver
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "pool-state.h"

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/error.h"
#include "util/file.h"
#include "util/paths.h"
#include "util/xml.h"

static const char *const lukshdrPoolStateTypes[] = { "dir", "fs", "netfs", "logical", NULL };

/* Names of libvirt's that are part of a path: no way out of the directory */
static bool
lukshdrPoolStateCheckName(const char *name, GError **error)
{
    if (*name && !strchr(name, '/') && !g_str_equal(name, ".") && !g_str_equal(name, ".."))
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                _("'%s' cannot be the name of a pool or volume"), name);
    return false;
}

static char *
lukshdrPoolStateTarget(xmlNode *root, const char *pool, GError **error)
{
    /* a status file, or the definition itself */
    xmlNode *def = xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_POOL)
                       ? root
                       : lukshdrXMLChild(root, LUKSHDR_XML_POOL);
    xmlNode *target = def ? lukshdrXMLChild(def, LUKSHDR_XML_TARGET) : NULL;
    xmlNode *path = target ? lukshdrXMLChild(target, LUKSHDR_XML_PATH) : NULL;
    g_autofree char *type = def ? lukshdrXMLAttribute(def, LUKSHDR_XML_TYPE) : NULL;
    g_autofree char *text = path ? lukshdrXMLText(path) : NULL;

    if (g_strcmp0(type, "rbd") == 0) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
            _("volumes of pool '%s' of type 'rbd' have no path; a header there is used by way of "
              "its link alone: link it with its payload (virt-lukshdr link)"),
            pool);
        return NULL;
    }
    if (!type || !g_strv_contains(lukshdrPoolStateTypes, type) || !text ||
        !g_path_is_absolute(text)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("volumes of pool '%s' of type '%s' cannot be found by their names alone; "
                      "name the file or block device by its path"),
                    pool, type ? type : "");
        return NULL;
    }
    return g_steal_pointer(&text);
}

bool
lukshdrPoolStateIsActive(bool privileged, const char *pool)
{
    g_autofree char *state = lukshdrPathPoolState(privileged, pool);
    g_autofree char *found = lukshdrPathPoolFound(privileged, pool);

    return g_file_test(state, G_FILE_TEST_EXISTS) || g_file_test(found, G_FILE_TEST_EXISTS);
}

bool
lukshdrPoolStateFound(bool privileged, const char *pool, GError **error)
{
    g_autofree char *found = lukshdrPathPoolFound(privileged, pool);

    return lukshdrPoolStateCheckName(pool, error) && lukshdrFileWrite(found, "", error);
}

bool
lukshdrPoolStateForget(bool privileged, const char *pool)
{
    g_autofree char *found = lukshdrPathPoolFound(privileged, pool);

    return g_unlink(found) == 0;
}

void
lukshdrPoolStateForgetOthers(bool privileged, GHashTable *active)
{
    g_autofree char *path = lukshdrPathPoolFound(privileged, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (!g_hash_table_contains(active, name))
            lukshdrPoolStateForget(privileged, name);
    }
}

/* The file that tells where the volumes of the pool are, if it is active */
static char *
lukshdrPoolStateFile(bool privileged, const char *pool)
{
    g_autofree char *state = lukshdrPathPoolState(privileged, pool);
    g_autofree char *name = NULL;
    g_autofree char *dir = NULL;

    if (g_file_test(state, G_FILE_TEST_EXISTS) || !lukshdrPoolStateIsActive(privileged, pool))
        return g_steal_pointer(&state);

    name = g_strconcat(pool, ".xml", NULL);
    dir = lukshdrPathPoolConfigs(privileged);
    return g_build_filename(dir, name, NULL);
}

char *
lukshdrPoolStateVolumePath(bool privileged, const char *pool, const char *volume, GError **error)
{
    g_autofree char *file = NULL;
    g_autofree char *text = NULL;
    g_autofree char *target = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    gsize len;

    if (!lukshdrPoolStateCheckName(pool, error) || !lukshdrPoolStateCheckName(volume, error))
        return NULL;

    file = lukshdrPoolStateFile(privileged, pool);
    if (!g_file_get_contents(file, &text, &len, NULL)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("pool '%s' is not active; start it (virsh pool-start)"), pool);
        return NULL;
    }

    if (!(doc = lukshdrXMLParse(text, len, NULL, error)) ||
        !(target = lukshdrPoolStateTarget(xmlDocGetRootElement(doc), pool, error)))
        return NULL;
    return g_build_filename(target, volume, NULL);
}
