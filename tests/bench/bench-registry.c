/*
 * bench-registry.c: times the link registry by itself, and formatting
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench-registry REGISTRY LINKED PLAIN
 *
 * Prints lines "NAME MICROSECONDS", each the median of several: the first look-up in a fresh process;
 * look-ups of a linked and of a plain file after that; the look-up that follows a change by another
 * process; storing a link.  REGISTRY holds a link whose payload is the file LINKED.
 *
 * bench-registry --format FILE
 *
 * Prints how long it takes to format a header volume as for a generated secret.
 */

#include <fcntl.h>
#include <glib.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/error.h"
#include "link/format.h"
#include "link/registry.h"

#define BENCH_ROUNDS 9
#define BENCH_CALLS 2000

static gint64
benchNow(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (gint64)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int
benchCompare(const void *a, const void *b)
{
    gint64 x = *(const gint64 *)a;
    gint64 y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

static void
benchPrint(const char *name, gint64 took[BENCH_ROUNDS], unsigned int calls)
{
    qsort(took, BENCH_ROUNDS, sizeof(*took), benchCompare);
    g_print("%s %.3f\n", name, took[BENCH_ROUNDS / 2] / 1000.0 / calls);
}

static lukshdrLink *
benchFind(lukshdrRegistry *reg, const char *path)
{
    g_autoptr(GError) error = NULL;
    lukshdrLink *link = NULL;

    if (!lukshdrRegistryFindPayload(reg, path, &link, &error))
        g_error("%s", error->message);
    return link;
}

static void
benchFindOften(lukshdrRegistry *reg, const char *name, const char *path, bool linked)
{
    gint64 took[BENCH_ROUNDS];
    int round;
    int i;

    for (round = 0; round < BENCH_ROUNDS; round++) {
        gint64 start = benchNow();

        for (i = 0; i < BENCH_CALLS; i++) {
            g_autoptr(lukshdrLink) link = benchFind(reg, path);

            if (!!link != linked)
                g_error("'%s' is %s payload", path, link ? "a" : "no");
        }
        took[round] = benchNow() - start;
    }
    benchPrint(name, took, BENCH_CALLS);
}

static void
benchRegistry(const char *dir, const char *linked, const char *plain)
{
    g_autoptr(lukshdrRegistry) reader = lukshdrRegistryNew(dir);
    g_autoptr(lukshdrRegistry) writer = lukshdrRegistryNew(dir);
    g_autoptr(lukshdrLink) changed = NULL;
    g_autoptr(GError) error = NULL;
    gint64 first[BENCH_ROUNDS];
    gint64 after[BENCH_ROUNDS];
    gint64 store[BENCH_ROUNDS];
    int i;

    for (i = 0; i < BENCH_ROUNDS; i++) {
        g_autoptr(lukshdrRegistry) fresh = lukshdrRegistryNew(dir);
        g_autoptr(lukshdrLink) link = NULL;

        first[i] = benchNow();
        link = benchFind(fresh, linked);
        first[i] = benchNow() - first[i];
    }
    benchPrint("first", first, 1);

    changed = benchFind(reader, linked);
    /* longer than the registry distrusts time stamps */
    g_usleep(2500 * 1000);
    lukshdrLinkUnref(benchFind(reader, linked));
    benchFindOften(reader, "linked", linked, true);
    benchFindOften(reader, "plain", plain, false);

    for (i = 0; i < BENCH_ROUNDS; i++) {
        gint64 start = benchNow();

        if (!lukshdrRegistryStore(writer, changed, &error))
            g_error("%s", error->message);
        store[i] = benchNow() - start;

        start = benchNow();
        lukshdrLinkUnref(benchFind(reader, linked));
        after[i] = benchNow() - start;
    }
    benchPrint("after-change", after, 1);
    benchPrint("store", store, 1);
}

static void
benchFormat(const char *path)
{
    static const char passphrase[] = "0123456789abcdef0123456789abcdef0123456789abcdef";
    g_auto(lukshdrFormatParams) params = { .iterTime = 1 };
    g_autoptr(lukshdrSecret)
        secret = lukshdrSecretNew((const guint8 *)passphrase, strlen(passphrase));
    g_autoptr(GError) error = NULL;
    gint64 took[3];
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(took); i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || ftruncate(fd, 4 * 1024 * 1024) < 0)
            g_error("%s: %s", path, g_strerror(errno));

        /* the first time, QEMU's release is found out */
        took[i] = benchNow();
        if (!lukshdrFormatHeader(fd, &params, secret, NULL, &error))
            g_error("%s", error->message);
        took[i] = benchNow() - took[i];
        close(fd);
    }
    g_print("format-first %.3f\nformat %.3f\n", took[0] / 1000.0, MIN(took[1], took[2]) / 1000.0);
}

int
main(int argc, char *argv[])
{
    if (argc == 3 && strcmp(argv[1], "--format") == 0) {
        benchFormat(argv[2]);
    } else if (argc == 4) {
        benchRegistry(argv[1], argv[2], argv[3]);
    } else {
        g_printerr("Usage: %s REGISTRY LINKED PLAIN | --format FILE\n", argv[0]);
        return EXIT_FAILURE;
    }
    xmlCleanupParser();
    return EXIT_SUCCESS;
}
