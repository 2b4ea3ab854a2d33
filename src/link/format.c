/*
 * format.c: formatting a header volume with qemu-img
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Why there are two ways: qemu-img is what libvirt's storage driver itself depends on, so
 * every host has it, and one command line is what an administrator finds in the list
 * of processes and in QEMU's documentation.  But it knows detached headers from
 * QEMU 10.0.13 on.  qemu-storage-daemon (format-qmp.c) makes them since 9.0 with one QMP
 * command, and some distributions have it in a package that nothing depends on.  With
 * QEMU 10.0.13 as the oldest release, format-qmp.c can go.
 *
 * Tests of the real ones: "real" and "real-daemon" in tests/test-format.c; the scripts in
 * tests/daemon use whichever the installed QEMU leads to, but those that call quick_format or
 * quick_keys have a wrapper in front.
 */

#include "config.h"

#include "format.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "util/command.h"
#include "util/error.h"
#include "format-priv.h"

/* How much longer it may take in the background.  Two seconds of work took 100 where five others wanted two
 * processors. */
#define LUKSHDR_FORMAT_BACKGROUND_FACTOR 6

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

void
lukshdrFormatParamsCopy(const lukshdrFormatParams *params, lukshdrFormatParams *copy)
{
    *copy = (lukshdrFormatParams){
        .cipherAlg = g_strdup(params->cipherAlg),
        .cipherMode = g_strdup(params->cipherMode),
        .ivgenAlg = g_strdup(params->ivgenAlg),
        .ivgenHashAlg = g_strdup(params->ivgenHashAlg),
        .hashAlg = g_strdup(params->hashAlg),
        .iterTime = params->iterTime,
    };
}

bool
lukshdrFormatParamsEqual(const lukshdrFormatParams *a, const lukshdrFormatParams *b)
{
    return g_strcmp0(a->cipherAlg, b->cipherAlg) == 0 &&
           g_strcmp0(a->cipherMode, b->cipherMode) == 0 &&
           g_strcmp0(a->ivgenAlg, b->ivgenAlg) == 0 &&
           g_strcmp0(a->ivgenHashAlg, b->ivgenHashAlg) == 0 &&
           g_strcmp0(a->hashAlg, b->hashAlg) == 0 && a->iterTime == b->iterTime;
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
lukshdrFormatWithQemuImg(int fd,
                         const lukshdrFormatParams *params,
                         const lukshdrSecret *secret,
                         GCancellable *background,
                         guint deadline,
                         GError **error)
{
    g_autoptr(GString) options = g_string_new("detached-header=true,key-secret=sec0");
    g_autofree char *iterTime = NULL;
    const lukshdrSecret *secrets[] = { secret, NULL };
    const int files[] = { fd, -1 };
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
                           lukshdrCommandFile(0),
                           NULL };
    const lukshdrCommand command = { .argv = argv,
                                     .secrets = secrets,
                                     .files = files,
                                     .deadline = deadline,
                                     .background = background };

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

    return lukshdrCommandRun(&command, error);
}

/* Stretching is measured on the processor's clock: it takes longer where others want the processor,
 * too.  2000 ms is QEMU's default. */
static guint
lukshdrFormatDeadline(const lukshdrFormatParams *params)
{
    guint64 iterTime = params->iterTime ? params->iterTime : 2000;

    return LUKSHDR_COMMAND_DEADLINE + (guint)MIN(iterTime / 1000 * 20, 24 * 3600);
}

bool
lukshdrFormatHeader(int fd,
                    const lukshdrFormatParams *params,
                    const lukshdrSecret *secret,
                    GCancellable *background,
                    GError **error)
{
    const guint deadline = lukshdrFormatDeadline(params) *
                           (background ? LUKSHDR_FORMAT_BACKGROUND_FACTOR : 1);
    g_autoptr(GError) local = NULL;

    if (!g_atomic_int_get(&lukshdrFormatNoQemuImg)) {
        if (lukshdrFormatWithQemuImg(fd, params, secret, background, deadline, &local))
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

    return lukshdrFormatWithStorageDaemon(fd, params, secret, background, deadline, error);
}
