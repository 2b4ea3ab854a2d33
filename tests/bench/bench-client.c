/*
 * bench-client.c: times calls of libvirt's API, several daemons in turn
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench-client OPERATION ROUNDS CALLS [URI POOL ARGUMENT]...
 * bench-client answers URI
 *
 * Each three arguments are a side.  In every round each side has its turn, so that what else the
 * machine does meets all of them.  Prints for each side, in their order, the least and the median
 * of the rounds: microseconds a call.  A turn is CALLS calls where they can be repeated.
 *
 * "start" starts the domain of the XML in a file, paused so that what it does does not count, and ends it
 * again, which is not timed; of "stop" only that is.  One untimed turn goes before, since a daemon's first guest waits
 * for what is learnt once.
 *
 * "changed" replaces the file that is its argument by a copy, and then times vol-dumpxml of a volume.
 *
 * "answers" waits until the daemon does, up to 15 minutes, and prints the time of day then: microseconds.
 *
 * One process and one connection a side: to start a virsh takes longer than most of what is
 * measured here.
 */

#include <errno.h>
#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdlib.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStorageVol, virStorageVolFree)

typedef struct {
    virConnectPtr conn;
    virStoragePoolPtr pool;
    const char *file; /* of the argument */
    char *argument;   /* what the operation makes of it: text of the file, or a name */
    const char *name;
    virStorageVolPtr *vols; /* the sample */
    unsigned int nvols;
    gint64 *took; /* ns a turn */
} benchSide;

/* Does one turn and returns how long that took, ns */
typedef gint64 (*benchTurn)(benchSide *side, unsigned int calls);

static G_NORETURN void
benchFail(const char *what)
{
    g_printerr("bench-client: %s: %s\n", what, virGetLastErrorMessage());
    exit(EXIT_FAILURE);
}

static gint64
benchNow(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (gint64)now.tv_sec * 1000000000 + now.tv_nsec;
}

static gint64
benchCreate(benchSide *side, unsigned int calls G_GNUC_UNUSED)
{
    gint64 start = benchNow();
    g_autoptr(virStorageVol) vol = virStorageVolCreateXML(side->pool, side->argument, 0);
    gint64 took = benchNow() - start;

    if (!vol)
        benchFail("vol-create");
    if (virStorageVolDelete(vol, 0) < 0)
        benchFail("vol-delete");
    return took;
}

/* Several volumes in a row, each of another name, which are deleted at the end: that does not count */
static gint64
benchBurst(benchSide *side, unsigned int calls)
{
    g_autoptr(GPtrArray) vols = g_ptr_array_new();
    g_auto(GStrv) around = g_strsplit(side->argument, "</name>", 2);
    gint64 took = 0;
    unsigned int i;

    for (i = 0; i < calls; i++) {
        g_autofree char *xml = g_strdup_printf("%s-%u</name>%s", around[0], i, around[1]);
        gint64 start = benchNow();
        virStorageVolPtr vol = virStorageVolCreateXML(side->pool, xml, 0);

        took += benchNow() - start;
        if (!vol)
            benchFail("vol-create");
        g_ptr_array_add(vols, vol);
    }
    for (i = 0; i < calls; i++) {
        g_autoptr(virStorageVol) vol = g_ptr_array_index(vols, i);

        if (virStorageVolDelete(vol, 0) < 0)
            benchFail("vol-delete");
    }
    return took;
}

static gint64
benchDelete(benchSide *side, unsigned int calls G_GNUC_UNUSED)
{
    g_autoptr(virStorageVol) vol = virStorageVolCreateXML(side->pool, side->argument, 0);
    gint64 start;

    if (!vol)
        benchFail("vol-create");
    start = benchNow();
    if (virStorageVolDelete(vol, 0) < 0)
        benchFail("vol-delete");
    return benchNow() - start;
}

static gint64
benchWipe(benchSide *side, unsigned int calls G_GNUC_UNUSED)
{
    g_autoptr(virStorageVol) vol = virStorageVolCreateXML(side->pool, side->argument, 0);
    gint64 start;
    gint64 took;

    if (!vol)
        benchFail("vol-create");
    start = benchNow();
    if (virStorageVolWipe(vol, 0) < 0)
        benchFail("vol-wipe");
    took = benchNow() - start;
    if (virStorageVolDelete(vol, 0) < 0)
        benchFail("vol-delete");
    return took;
}

static gint64
benchRefresh(benchSide *side, unsigned int calls G_GNUC_UNUSED)
{
    gint64 start = benchNow();

    if (virStoragePoolRefresh(side->pool, 0) < 0)
        benchFail("pool-refresh");
    return benchNow() - start;
}

static gint64
benchList(benchSide *side, unsigned int calls G_GNUC_UNUSED)
{
    virStorageVolPtr *vols = NULL;
    gint64 start = benchNow();
    int n = virStoragePoolListAllVolumes(side->pool, &vols, 0);
    gint64 took = benchNow() - start;

    if (n < 0)
        benchFail("vol-list");
    while (n > 0)
        virStorageVolFree(vols[--n]);
    free(vols);
    return took;
}

/* Times @one over the sample.  @opaque is handed on. */
static gint64
benchSample(benchSide *side, unsigned int calls, bool (*one)(benchSide *side, virStorageVolPtr vol))
{
    gint64 start = benchNow();
    unsigned int i;

    for (i = 0; i < calls; i++) {
        if (!one(side, side->vols[i % side->nvols]))
            benchFail(virStorageVolGetName(side->vols[i % side->nvols]));
    }
    return benchNow() - start;
}

static bool
benchOneXML(benchSide *side G_GNUC_UNUSED, virStorageVolPtr vol)
{
    char *xml = virStorageVolGetXMLDesc(vol, 0);
    bool ok = xml != NULL;

    free(xml);
    return ok;
}

static gint64
benchXML(benchSide *side, unsigned int calls)
{
    return benchSample(side, calls, benchOneXML);
}

static gint64
benchChanged(benchSide *side, unsigned int calls G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize len;

    if (!g_file_get_contents(side->file, &text, &len, &error) ||
        !g_file_set_contents(side->file, text, len, &error)) {
        g_printerr("bench-client: %s\n", error->message);
        exit(EXIT_FAILURE);
    }
    return benchSample(side, 1, benchOneXML);
}

static bool
benchOnePath(benchSide *side G_GNUC_UNUSED, virStorageVolPtr vol)
{
    char *path = virStorageVolGetPath(vol);
    bool ok = path != NULL;

    free(path);
    return ok;
}

static gint64
benchPath(benchSide *side, unsigned int calls)
{
    return benchSample(side, calls, benchOnePath);
}

static bool
benchOneName(benchSide *side, virStorageVolPtr vol)
{
    g_autoptr(virStorageVol)
        found = virStorageVolLookupByName(side->pool, virStorageVolGetName(vol));

    return found != NULL;
}

static gint64
benchName(benchSide *side, unsigned int calls)
{
    return benchSample(side, calls, benchOneName);
}

/* A key of a file is its path, so this is the look-up by path as well as by key */
static bool
benchOneKey(benchSide *side, virStorageVolPtr vol)
{
    g_autoptr(virStorageVol) byKey = virStorageVolLookupByKey(side->conn, virStorageVolGetKey(vol));
    g_autoptr(virStorageVol)
        byPath = virStorageVolLookupByPath(side->conn, virStorageVolGetKey(vol));

    return byKey && byPath;
}

static gint64
benchKey(benchSide *side, unsigned int calls)
{
    return benchSample(side, calls, benchOneKey);
}

/* Starts a guest and ends it.  @started is what the first takes, from the call to a guest whose QEMU has all disks
 * open, and @stopped what the second takes. */
static void
benchLife(benchSide *side, gint64 *started, gint64 *stopped)
{
    gint64 start = benchNow();
    virDomainPtr domain = virDomainCreateXML(
        side->conn, side->argument, VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY);

    *started = benchNow() - start;
    if (!domain)
        benchFail("create");
    start = benchNow();
    if (virDomainDestroy(domain) < 0)
        benchFail("destroy");
    *stopped = benchNow() - start;
    virDomainFree(domain);
}

static gint64
benchStart(benchSide *side, unsigned int calls G_GNUC_UNUSED)
{
    gint64 started;
    gint64 stopped;

    benchLife(side, &started, &stopped);
    return started;
}

static gint64
benchStop(benchSide *side, unsigned int calls G_GNUC_UNUSED)
{
    gint64 started;
    gint64 stopped;

    benchLife(side, &started, &stopped);
    return stopped;
}

/* Not for its time: @calls secrets that libvirt's refresh of LUKS volumes has to look through */
static gint64
benchSecrets(benchSide *side, unsigned int calls)
{
    gint64 start = benchNow();
    unsigned int i;

    for (i = 0; i < calls; i++) {
        g_autofree char *uuid = g_uuid_string_random();
        g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
        xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST "secret", NULL);
        g_autofree char *path = g_strdup_printf("/bench/%s", uuid);
        xmlNode *usage;
        xmlChar *text = NULL;
        virSecretPtr secret;

        xmlDocSetRootElement(doc, root);
        xmlNewProp(root, BAD_CAST "ephemeral", BAD_CAST "yes");
        xmlNewProp(root, BAD_CAST "private", BAD_CAST "yes");
        xmlNewChild(root, NULL, BAD_CAST "uuid", BAD_CAST uuid);
        usage = xmlNewChild(root, NULL, BAD_CAST "usage", NULL);
        xmlNewProp(usage, BAD_CAST "type", BAD_CAST "volume");
        xmlNewChild(usage, NULL, BAD_CAST "volume", BAD_CAST path);
        xmlDocDumpMemory(doc, &text, NULL);

        if (!(secret = virSecretDefineXML(side->conn, (const char *)text, 0)))
            benchFail("secret-define");
        virSecretFree(secret);
        xmlFree(text);
    }
    return benchNow() - start;
}

static const struct {
    const char *name;
    benchTurn turn;
    bool file;   /* the argument is a file with XML */
    bool sample; /* it is done to volumes that exist */
    bool many;   /* a turn is several */
    bool warm;   /* a turn that does not count goes before */
} benchOperations[] = {
    { "create", benchCreate, .file = true },
    { "burst", benchBurst, .file = true, .many = true },
    { "delete", benchDelete, .file = true },
    { "wipe", benchWipe, .file = true },
    { "refresh", benchRefresh },
    { "list", benchList },
    { "dumpxml", benchXML, .sample = true },
    { "changed", benchChanged, .file = true, .sample = true },
    { "path", benchPath, .sample = true },
    { "by-name", benchName, .sample = true },
    { "by-key-and-path", benchKey, .sample = true },
    { "secrets", benchSecrets, .sample = true },
    { "start", benchStart, .file = true, .warm = true },
    { "stop", benchStop, .file = true, .warm = true },
};

/* Takes @calls of the pool's volumes, from all over it */
static void
benchSideSample(benchSide *side, unsigned int calls)
{
    virStorageVolPtr *vols = NULL;
    int n = virStoragePoolListAllVolumes(side->pool, &vols, 0);
    int i;

    if (n <= 0)
        benchFail("a sample of volumes");

    side->nvols = MIN(calls, (unsigned int)n);
    side->vols = g_new0(virStorageVolPtr, side->nvols);
    for (i = 0; i < n; i++)
        virStorageVolRef(vols[i]);
    for (i = 0; i < (int)side->nvols; i++) {
        side->vols[i] = vols[(gint64)i * n / side->nvols];
        virStorageVolRef(side->vols[i]);
    }
    for (i = 0; i < n; i++) {
        virStorageVolFree(vols[i]);
        virStorageVolFree(vols[i]);
    }
    free(vols);
}

static void
benchSideOpen(benchSide *side,
              char *argv[],
              size_t operation,
              unsigned int rounds,
              unsigned int calls)
{
    g_autoptr(GError) error = NULL;

    if (!(side->conn = virConnectOpen(argv[0])) ||
        !(side->pool = virStoragePoolLookupByName(side->conn, argv[1])))
        benchFail(argv[0]);

    side->file = argv[2];
    if (benchOperations[operation].file &&
        !g_file_get_contents(argv[2], &side->argument, NULL, &error)) {
        g_printerr("bench-client: %s\n", error->message);
        exit(EXIT_FAILURE);
    }
    if (benchOperations[operation].sample)
        benchSideSample(side, calls);
    side->took = g_new0(gint64, rounds);
    if (benchOperations[operation].warm)
        benchOperations[operation].turn(side, calls);
}

static int
benchCompare(const void *a, const void *b)
{
    gint64 x = *(const gint64 *)a;
    gint64 y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

static void
benchSideClose(benchSide *side)
{
    unsigned int i;

    for (i = 0; i < side->nvols; i++)
        virStorageVolFree(side->vols[i]);
    g_free(side->vols);
    g_free(side->took);
    g_free(side->argument);
    virStoragePoolFree(side->pool);
    virConnectClose(side->conn);
}

static void
benchNoError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

static int
benchAnswers(const char *uri)
{
    gint64 until = benchNow() + 900 * G_GINT64_CONSTANT(1000000000);
    virConnectPtr conn;

    /* it is expected not to answer */
    virSetErrorFunc(NULL, benchNoError);
    while (!(conn = virConnectOpen(uri))) {
        if (benchNow() > until)
            benchFail(uri);
        g_usleep(1000);
    }
    g_print("%" G_GINT64_FORMAT "\n", g_get_real_time());
    virConnectClose(conn);
    return EXIT_SUCCESS;
}

int
main(int argc, char *argv[])
{
    unsigned int rounds = argc > 2 ? atoi(argv[2]) : 0;
    unsigned int calls = argc > 3 ? atoi(argv[3]) : 0;
    unsigned int nsides = argc > 4 ? (argc - 4) / 3 : 0;
    g_autofree benchSide *sides = g_new0(benchSide, MAX(nsides, 1));
    size_t op = 0;
    unsigned int i;
    unsigned int round;

    if (argc == 3 && g_str_equal(argv[1], "answers"))
        return benchAnswers(argv[2]);

    while (argc > 1 && op < G_N_ELEMENTS(benchOperations) &&
           g_strcmp0(argv[1], benchOperations[op].name))
        op++;
    if (!rounds || !calls || !nsides || (argc - 4) % 3 || op == G_N_ELEMENTS(benchOperations)) {
        g_printerr("Usage: %s OPERATION ROUNDS CALLS [URI POOL ARGUMENT]...\n", argv[0]);
        return EXIT_FAILURE;
    }
    if (!benchOperations[op].sample && !benchOperations[op].many)
        calls = 1;

    for (i = 0; i < nsides; i++)
        benchSideOpen(&sides[i], argv + 4 + i * 3, op, rounds, calls);

    for (round = 0; round < rounds; round++) {
        for (i = 0; i < nsides; i++)
            sides[i].took[round] = benchOperations[op].turn(&sides[i], calls);
    }

    for (i = 0; i < nsides; i++) {
        qsort(sides[i].took, rounds, sizeof(*sides[i].took), benchCompare);
        g_print("%.3f %.3f\n", sides[i].took[0] / 1000.0 / calls,
                sides[i].took[rounds / 2] / 1000.0 / calls);
        benchSideClose(&sides[i]);
    }
    return EXIT_SUCCESS;
}
