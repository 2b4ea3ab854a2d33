/*
 * lukshdrpoolstate.c: what can be known of a pool without asking the storage driver
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "lukshdrpoolstate.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "lukshdrerror.h"
#include "lukshdrpaths.h"
#include "lukshdrxml.h"

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
    xmlNode *def = lukshdrXMLChild(root, LUKSHDR_XML_POOL);
    xmlNode *target = def ? lukshdrXMLChild(def, LUKSHDR_XML_TARGET) : NULL;
    xmlNode *path = target ? lukshdrXMLChild(target, LUKSHDR_XML_PATH) : NULL;
    g_autofree char *type = def ? lukshdrXMLAttribute(def, LUKSHDR_XML_TYPE) : NULL;
    g_autofree char *text = path ? lukshdrXMLText(path) : NULL;

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

    file = lukshdrPathPoolState(privileged, pool);
    if (!g_file_get_contents(file, &text, &len, NULL)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("pool '%s' is not active; start it (virsh pool-start)"), pool);
        return NULL;
    }

    if (!(doc = lukshdrXMLParse(text, len, LUKSHDR_XML_POOL_STATE, error)) ||
        !(target = lukshdrPoolStateTarget(xmlDocGetRootElement(doc), pool, error)))
        return NULL;
    return g_build_filename(target, volume, NULL);
}
