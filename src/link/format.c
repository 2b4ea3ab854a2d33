/*
 * format.c: formatting a header volume with qemu-img
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The way through qemu-storage-daemon is in format-qmp.c.
 */

#include "config.h"

#include "format.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "util/command.h"
#include "util/error.h"
#include "format-priv.h"

/* Set once qemu-img has said that it does not know detached headers.  Atomic:
 * volumes are created from many threads; that two of them find out is harmless. */
static gint lukshdrFormatNoQemuImg;

void
lukshdrFormatParamsClear(lukshdrFormatParams *params)
{
    g_clear_pointer(&params->cipherAlg, g_free);
    g_clear_pointer(&params->cipherMode, g_free);
    g_clear_pointer(&params->ivgenAlg, g_free);
    g_clear_pointer(&params->ivgenHashAlg, g_free);
    g_clear_pointer(&params->hashAlg, g_free);
}

/* A comma would end a value in qemu-img's -o; doubled, it is one (QEMU's
 * util/keyval.c).  What comes from XML is checked by its parser as well. */
static void
lukshdrFormatOption(GString *options, const char *name, const char *value)
{
    g_auto(GStrv) parts = NULL;
    g_autofree char *escaped = NULL;

    if (!value)
        return;

    parts = g_strsplit(value, ",", -1);
    escaped = g_strjoinv(",,", parts);
    g_string_append_printf(options, ",%s=%s", name, escaped);
}

static bool
lukshdrFormatWithQemuImg(const char *path,
                         const lukshdrFormatParams *params,
                         const lukshdrSecret *secret,
                         GError **error)
{
    g_autoptr(GString) options = g_string_new("detached-header=true,key-secret=sec0");
    g_autofree char *iterTime = NULL;
    const lukshdrSecret *secrets[] = { secret, NULL };
    const char *argv[] = { LUKSHDR_QEMU_IMG,
                           "create",
                           "-q",
                           "--object",
                           "secret,id=sec0,format=raw,file=" LUKSHDR_COMMAND_SECRET_FILE,
                           "-f",
                           "luks",
                           "-o",
                           NULL,
                           "--",
                           path,
                           NULL };

    lukshdrFormatOption(options, "cipher-alg", params->cipherAlg);
    lukshdrFormatOption(options, "cipher-mode", params->cipherMode);
    lukshdrFormatOption(options, "ivgen-alg", params->ivgenAlg);
    lukshdrFormatOption(options, "ivgen-hash-alg", params->ivgenHashAlg);
    lukshdrFormatOption(options, "hash-alg", params->hashAlg);
    if (params->iterTime) {
        iterTime = g_strdup_printf("%" G_GUINT64_FORMAT, params->iterTime);
        lukshdrFormatOption(options, "iter-time", iterTime);
    }
    argv[8] = options->str;

    return lukshdrCommandRun(argv, secrets, error);
}

bool
lukshdrFormatHeader(const char *path,
                    const lukshdrFormatParams *params,
                    const lukshdrSecret *secret,
                    GError **error)
{
    g_autoptr(GError) local = NULL;

    if (!g_atomic_int_get(&lukshdrFormatNoQemuImg)) {
        if (lukshdrFormatWithQemuImg(path, params, secret, &local))
            return true;

        /* QEMU 10.0.2: "Parameter 'detached-header' is unexpected"; before 9.0:
         * "Invalid parameter 'detached-header'".  Nothing was touched then. */
        if (!g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED) ||
            !strstr(local->message, "'detached-header'")) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        g_atomic_int_set(&lukshdrFormatNoQemuImg, 1);
    }

    return lukshdrFormatWithStorageDaemon(path, params, secret, error);
}
