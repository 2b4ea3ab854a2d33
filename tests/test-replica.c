/*
 * test-replica.c: what becomes of the copies of a header, whatever has become of them before
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the test runs as root, copies are looked after as "nobody": root may write to all.
 */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <libxml/parser.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/error.h"
#include "link/label.h"
#include "link/luks.h"
#include "util/log.h"
#include "util/paths.h"
#include "link/replica.h"
#include "utiltest.h"

#define NOBODY 65534

/* a LUKS header with key slots of one sector, so that its digest costs nothing */
#define END ((8 + 8) * 512)

/* what can have become of a copy, and its letter */
#define STATES "WMDLONFUI"
enum {
    WHOLE,      /* of generation 2 */
    MISSING,    /* no file */
    DAMAGED,    /* a bit of its key material */
    LABEL,      /* its label */
    OLDER,      /* generation 1, other key material */
    NEWER,      /* generation 3 */
    FIFO,       /* in its place */
    UNWRITABLE, /* whole, of generation 2 */
    INACTIVE,   /* newest of all, in a pool that is not active */
    N_STATES
};

static const char *const testPools[] = { "vault", "copies", "far" };
static char *testTop;
static gint testWarnings; /* a copy was replaced */
static gint testErrors;   /* a copy could not be replaced */

static void
testLog(lukshdrVirLogSource *source G_GNUC_UNUSED,
        int priority,
        const char *filename G_GNUC_UNUSED,
        int linenr G_GNUC_UNUSED,
        const char *funcname G_GNUC_UNUSED,
        void *metadata G_GNUC_UNUSED,
        const char *fmt G_GNUC_UNUSED,
        ...)
{
    g_atomic_int_add(priority == LUKSHDR_VIR_LOG_WARN ? &testWarnings : &testErrors, 1);
}

static char *
testPath(guint copy)
{
    return g_build_filename(testTop, testPools[copy], "data.luks", NULL);
}

static GStrv
testAllPaths(void)
{
    GStrv paths = g_new0(char *, G_N_ELEMENTS(testPools) + 1);
    guint i;

    for (i = 0; i < G_N_ELEMENTS(testPools); i++)
        paths[i] = testPath(i);
    return paths;
}

static void
testPoolActive(guint copy, bool active)
{
    g_autofree char *state = lukshdrPathPoolState(false, testPools[copy]);

    if (active)
        utilTestWrite(state, "", 0);
    else
        g_unlink(state);
}

/* Empty pools, all active */
static void
testReset(void)
{
    guint i;

    for (i = 0; i < G_N_ELEMENTS(testPools); i++) {
        g_autofree char *pool = g_build_filename(testTop, testPools[i], NULL);

        utilTestClear(pool);
        g_assert_cmpint(g_mkdir(pool, 0700), ==, 0);
        if (geteuid() == 0)
            g_assert_cmpint(chown(pool, NOBODY, NOBODY), ==, 0);
        testPoolActive(i, true);
    }
    testWarnings = testErrors = 0;
}

static lukshdrLink *
testLink(guint replicas)
{
    /* not with its path, or its identity would be in some labels and not in others */
    lukshdrLink *link = utilTestLink("/images/data.qcow2", NULL);
    guint i;

    g_free(link->header.volume);
    link->header.volume = g_strdup("data.luks");
    link->header.path = testPath(0);
    for (i = 1; i <= replicas; i++) {
        lukshdrLinkAddReplica(link, testPools[i], "data.luks");
        lukshdrLinkHeaderCopy(link, i)->path = testPath(i);
    }
    return link;
}

static lukshdrLink *
testLinkOf(guint replicas, guint32 generation)
{
    lukshdrLink *link = testLink(replicas);

    link->generation = generation;
    return link;
}

/* Key material differs from one generation to the next */
static void
testMakeShared(const char *path, guint32 generation, GPtrArray *links)
{
    g_autofree char *phdr = utilTestPhdr("luks1-cryptsetup-xts-256");

    utilTestKeySlots(phdr, 16, 8, 1, 32);
    utilTestHeader(path, phdr, END, (int)generation, links);
    if (geteuid() == 0)
        g_assert_cmpint(chown(path, NOBODY, NOBODY), ==, 0);
}

static void
testMake(const char *path, guint32 generation)
{
    g_autoptr(lukshdrLink) link = testLinkOf(2, generation);
    g_autoptr(GPtrArray) links = g_ptr_array_new();

    g_ptr_array_add(links, link);
    testMakeShared(path, generation, links);
}

static void
testDamage(const char *path, off_t at)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    utilTestXor(fd, at, 4);
    close(fd);
}

static void
testPut(guint copy, int state)
{
    g_autofree char *path = testPath(copy);

    g_unlink(path);
    switch (state) {
    case MISSING:
        return;
    case FIFO:
        g_assert_cmpint(mkfifo(path, 0600), ==, 0);
        if (geteuid() == 0)
            g_assert_cmpint(chown(path, NOBODY, NOBODY), ==, 0);
        return;
    case OLDER:
        testMake(path, 1);
        return;
    case NEWER:
        testMake(path, 3);
        return;
    case INACTIVE:
        testMake(path, 9);
        testPoolActive(copy, false);
        return;
    default:
        testMake(path, 2);
    }
    if (state == DAMAGED)
        testDamage(path, END - 1);
    if (state == UNWRITABLE)
        g_assert_cmpint(g_chmod(path, 0400), ==, 0);
    if (state == LABEL) {
        testDamage(path, LUKSHDR_LABEL_OFFSET + 60);
        testDamage(path, LUKSHDR_LABEL_OFFSET + LUKSHDR_LABEL_SLOT_SIZE + 60);
    }
}

/* What is at @path: a digest of where the tests write to, or what it is instead */
static char *
testContent(const char *path)
{
    static const struct {
        off_t at;
        gsize len;
    } places[] = { { 0, END + 512 },
                   { LUKSHDR_LABEL_OFFSET, 8192 },
                   { LUKSHDR_LABEL_OFFSET + LUKSHDR_LABEL_SLOT_SIZE, 8192 } };
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    struct stat st;
    size_t i;
    int fd;

    if (g_lstat(path, &st) < 0)
        return g_strdup(g_strerror(errno));
    if (!S_ISREG(st.st_mode))
        return g_strdup_printf("mode %o", st.st_mode);

    fd = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(st.st_size, ==, LUKSHDR_HEADER_VOLUME_SIZE);
    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        guchar buf[MAX(END + 512, 8192)];

        g_assert_cmpint(pread(fd, buf, places[i].len, places[i].at), ==, places[i].len);
        g_checksum_update(sum, buf, places[i].len);
    }
    close(fd);
    return g_strdup(g_checksum_get_string(sum));
}

/* What stands at the paths is what @link has recorded; of what is missing, that there was a file */
static void
testRecord(lukshdrLink *link)
{
    lukshdrVolume *copy;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        if (copy->path && copy->identity.type == LUKSHDR_IDENTITY_NONE &&
            !lukshdrIdentityFromPath(copy->path, &copy->identity, NULL))
            copy->identity = (lukshdrIdentity){ .type = LUKSHDR_IDENTITY_FILE, .inode = 1 };
    }
}

static bool
testSync(lukshdrLink *link, GError **error)
{
    bool root = geteuid() == 0;
    bool ok;

    testRecord(link);

    if (root)
        g_assert_cmpint(seteuid(NOBODY), ==, 0);
    ok = lukshdrReplicaSync(link, false, error);
    if (root)
        g_assert_cmpint(seteuid(0), ==, 0);
    return ok;
}

/* Nothing but the copies is in the pools */
static void
testAssertTidy(void)
{
    guint i;

    for (i = 0; i < G_N_ELEMENTS(testPools); i++) {
        g_autofree char *pool = g_build_filename(testTop, testPools[i], NULL);
        g_autoptr(GDir) dir = g_dir_open(pool, 0, NULL);
        const char *name;

        g_assert_nonnull(dir);
        while ((name = g_dir_read_name(dir)))
            g_assert_cmpstr(name, ==, "data.luks");
    }
}

/* Puts copies into @states, as many as it has, looks after them, and compares: those of which
 * @replaced has the bit have become what copy @source was, all others are as they were */
static void
testCase(const int *states, guint n, bool expected, unsigned int replaced, guint source, int errors)
{
    g_autoptr(lukshdrLink) link = testLink(n - 1);
    g_autofree char *name = g_strnfill(n, ' ');
    g_autoptr(GError) error = NULL;
    char *before[G_N_ELEMENTS(testPools)];
    int warnings = 0;
    guint i;
    bool ok;

    testReset();
    for (i = 0; i < n; i++) {
        g_autofree char *path = testPath(i);

        name[i] = STATES[states[i]];
        testPut(i, states[i]);
        before[i] = testContent(path);
    }

    ok = testSync(link, &error);
    if (ok != expected || ok != !error)
        g_error("%s: %s", name, ok ? "taken" : error ? error->message : "no error");

    for (i = 0; i < n; i++) {
        g_autofree char *path = testPath(i);
        g_autofree char *after = testContent(path);
        bool changed = replaced & (1U << i);

        if (g_strcmp0(after, before[changed ? source : i]))
            g_error("%s: copy %u is not as expected", name, i);
        warnings += changed;
        if (changed && states[i] == MISSING) {
            struct stat st;

            g_assert_cmpint(stat(path, &st), ==, 0);
            g_assert_cmpint(st.st_mode, ==, S_IFREG | 0600);
        }
    }
    for (i = 0; i < n; i++)
        g_free(before[i]);
    testAssertTidy();
    if (testWarnings != warnings || (errors >= 0 && testErrors != errors))
        g_error("%s: %d warnings, %d errors in the log", name, testWarnings, testErrors);

    /* once is enough: what could be done has been */
    testWarnings = 0;
    g_assert_true(testSync(link, NULL) == expected);
    g_assert_cmpint(testWarnings, ==, 0);
}

/* Another tool, which knows nothing of the label, changes what a slot of the header says: fills it, empties it, fills it
 * anew */
static void
testChangeSlot(guint copy, guint slot, bool active, guint8 salt)
{
    g_autofree char *path = testPath(copy);
    guint32 state = GUINT32_TO_BE(active ? LUKSHDR_LUKS_SLOT_ACTIVE : LUKSHDR_LUKS_SLOT_INACTIVE);
    guint8 bytes[LUKSHDR_LUKS_SALT_LEN];
    int fd = open(path, O_RDWR | O_CLOEXEC);

    memset(bytes, salt, sizeof(bytes));
    g_assert_cmpint(pwrite(fd, &state, 4, 208 + slot * 48), ==, 4);
    if (salt)
        g_assert_cmpint(pwrite(fd, bytes, sizeof(bytes), 208 + slot * 48 + 8), ==, sizeof(bytes));
    close(fd);
}

/* A header whose keys another tool changed is not overwritten: that would give a removed key back.  What else can become of a
 * header is mended, also together with such a change. */
static void
testRekeyed(void)
{
    static const struct {
        const char *name;
        guint slot; /* of eight, the first in use */
        bool active;
        guint8 salt;  /* 0: as it was */
        off_t damage; /* as well; 0: none */
        bool kept;
    } cases[] = {
        { "filled", 1, true, 7, 0, true },
        { "emptied", 0, false, 0, 0, true },
        { "filled anew", 0, true, 7, 0, true },
        { "nothing", 0, true, 0, 0, true },
        { "free slot", 1, false, 7, 0, false },
        { "salt", 0, true, 0, 208 + 10, false },
        { "iterations", 0, true, 0, 208 + 5, false },
        { "cipher", 1, true, 7, 10, false },
        { "state", 1, true, 7, 208 + 2 * 48, false },
        { "material", 1, true, 7, 16 * 512 / 2 + 5, false },
        { "label", 1, true, 7, LUKSHDR_LABEL_OFFSET + 60, true },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(lukshdrLink) link = testLink(1);
        g_autofree char *path = testPath(0);
        g_autofree char *before = NULL;
        g_autofree char *after = NULL;
        g_autofree char *whole = NULL;
        g_autoptr(GError) error = NULL;
        bool whole_is = g_str_equal(cases[i].name, "nothing");
        bool ok;

        testReset();
        testPut(0, WHOLE);
        testPut(1, WHOLE);
        whole = testContent(path);
        testChangeSlot(0, cases[i].slot, cases[i].active, cases[i].salt);
        if (cases[i].damage)
            testDamage(path, cases[i].damage);
        before = testContent(path);

        ok = testSync(link, &error);
        after = testContent(path);
        if (ok != (whole_is || !cases[i].kept) || g_strcmp0(after, cases[i].kept ? before : whole))
            g_error("%s: %s", cases[i].name, error ? error->message : "taken");
        if (!ok && !strstr(error->message, "another tool changed its keys; if it was you"))
            g_error("%s: %s", cases[i].name, error->message);
    }

    /* of a replica nobody said that it is to be changed */
    {
        g_autoptr(lukshdrLink) link = testLink(1);
        g_autofree char *path = testPath(1);
        g_autofree char *whole = NULL;
        g_autofree char *after = NULL;

        testReset();
        testPut(0, WHOLE);
        testPut(1, WHOLE);
        whole = testContent(path);
        testChangeSlot(1, 1, true, 7);
        g_assert_true(testSync(link, NULL));
        after = testContent(path);
        g_assert_cmpstr(after, ==, whole);
    }
}

/* The expected outcome of all pairs of a header (line) and one replica (column):
 * . nothing is written, p the header is replaced, r the replica is;
 * x is refused, the header not being whole, being out of date or unreachable */
static void
testPairs(void)
{
    static const char *const outcomes[N_STATES] = {
        /*              WMDLONFUI */
        [WHOLE] = "     .rrrrp...", [MISSING] = "   pxxxppxpx", [DAMAGED] = "   pxxxppxpx",
        [LABEL] = "     pxxxppxpx", [OLDER] = "     prrr.p.p.", [NEWER] = "     rrrrr....",
        [FIFO] = "      xxxxxxxxx", [UNWRITABLE] = ".rrrrx...", [INACTIVE] = "  xxxxxxxxx",
    };
    int states[2];

    for (states[0] = 0; states[0] < N_STATES; states[0]++) {
        const char *line = outcomes[states[0]] + strspn(outcomes[states[0]], " ");

        g_assert_cmpuint(strlen(line), ==, N_STATES);
        for (states[1] = 0; states[1] < N_STATES; states[1]++) {
            char outcome = line[states[1]];

            testCase(states, 2, outcome != 'x',
                     outcome == 'p'   ? 1
                     : outcome == 'r' ? 2
                                      : 0,
                     outcome == 'p' ? 1 : 0, -1);
        }
    }
}

/* All triples of a header and two replicas, by what each state means */
static void
testTriples(void)
{
    static const struct {
        int generation; /* it can replace others; 0: it cannot */
        bool fixed;     /* it cannot be replaced */
        bool active;
    } meaning[N_STATES] = {
        [WHOLE] = { 2, false, true },    [MISSING] = { 0, false, true },
        [DAMAGED] = { 0, false, true },  [LABEL] = { 0, false, true },
        [OLDER] = { 1, false, true },    [NEWER] = { 3, false, true },
        [FIFO] = { 0, true, true },      [UNWRITABLE] = { 2, true, true },
        [INACTIVE] = { 0, true, false },
    };
    int states[3];

    for (states[0] = 0; states[0] < N_STATES; states[0]++) {
        for (states[1] = 0; states[1] < N_STATES; states[1]++) {
            /* of two replicas it does not matter which is which */
            for (states[2] = g_test_slow() ? 0 : states[1]; states[2] < N_STATES; states[2]++) {
                int best = 0;
                guint source = 0;
                unsigned int replaced = 0;
                int errors = 0;
                bool ok;
                guint i;

                for (i = 0; i < 3; i++) {
                    if (meaning[states[i]].generation > best) {
                        best = meaning[states[i]].generation;
                        source = i;
                    }
                }
                for (i = 0; best && i < 3; i++) {
                    if (meaning[states[i]].generation == best || !meaning[states[i]].active)
                        continue;
                    if (meaning[states[i]].fixed)
                        errors++;
                    else
                        replaced |= 1U << i;
                }
                ok = best && meaning[states[0]].active &&
                     (meaning[states[0]].generation == best || (replaced & 1));
                testCase(states, 3, ok, replaced, source, errors);
            }
        }
    }
}

/* What is said where there is nothing to be done */
static void
testRefused(void)
{
    static const struct {
        int states[2];
        const char *expected;
    } cases[] = {
        { { MISSING, DAMAGED }, "OPERATION_INVALID no header that is whole" },
        { { MISSING, DAMAGED }, "OPERATION_INVALID there is nothing at" },
        { { DAMAGED, MISSING }, "OPERATION_INVALID key material is damaged" },
        { { LABEL, FIFO }, "OPERATION_INVALID label is damaged" },
        { { FIFO, WHOLE },
          "OPERATION_UNSUPPORTED header volume 'data.luks' of pool 'vault' cannot be replaced" },
        { { UNWRITABLE, NEWER }, "SYSTEM_ERROR for writing" },
        { { INACTIVE, WHOLE }, "OPERATION_INVALID pool 'vault' is not active; start it first" },
        { { INACTIVE, MISSING }, "OPERATION_INVALID pool 'vault' is not active; start it first" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(lukshdrLink) link = testLink(1);
        g_autoptr(GError) error = NULL;

        testReset();
        testPut(0, cases[i].states[0]);
        testPut(1, cases[i].states[1]);
        g_assert_false(testSync(link, &error));
        utilTestError(error, cases[i].expected);
        /* who does not want to know gets the same */
        g_assert_false(testSync(link, NULL));
    }
}

/* Byte for byte, and at its place: into the file that is there, not into a new one */
static void
testBytes(void)
{
    g_autoptr(lukshdrLink) link = testLink(2);
    g_auto(GStrv) paths = testAllPaths();
    g_autofree char *first = NULL;
    struct stat before;
    struct stat after;
    gsize size;
    guint i;

    testReset();
    testPut(0, WHOLE);
    testPut(1, OLDER);
    /* one that is cut short, and open to all */
    testPut(2, WHOLE);
    g_assert_cmpint(truncate(paths[2], END - 1), ==, 0);
    g_assert_cmpint(g_chmod(paths[2], 0644), ==, 0);
    g_assert_cmpint(stat(paths[2], &before), ==, 0);
    testDamage(paths[0], LUKSHDR_HEADER_VOLUME_SIZE - 1);
    testDamage(paths[0], END);

    g_assert_true(testSync(link, NULL));
    g_assert_true(g_file_get_contents(paths[0], &first, &size, NULL));
    g_assert_cmpuint(size, ==, LUKSHDR_HEADER_VOLUME_SIZE);
    for (i = 1; i < 3; i++) {
        g_autofree char *copy = NULL;
        gsize copySize;

        g_assert_true(g_file_get_contents(paths[i], &copy, &copySize, NULL));
        g_assert_cmpmem(first, size, copy, copySize);
    }
    g_assert_cmpint(stat(paths[2], &after), ==, 0);
    g_assert_cmpint(after.st_ino, ==, before.st_ino);
    g_assert_cmpint(after.st_mode, ==, before.st_mode);

    /* a volume that is longer keeps what else is in it */
    testDamage(paths[1], END - 1);
    g_assert_cmpint(truncate(paths[1], LUKSHDR_HEADER_VOLUME_SIZE + 5), ==, 0);
    g_assert_true(testSync(link, NULL));
    g_assert_cmpint(stat(paths[1], &after), ==, 0);
    g_assert_cmpint(after.st_size, ==, LUKSHDR_HEADER_VOLUME_SIZE + 5);
}

/* Nothing is made where a block device should be, in a place that is no directory, or of a
 * copy whose path is not known */
static void
testNotMade(void)
{
    g_autofree char *path = testPath(1);
    g_autofree char *inside = g_build_filename(path, "data.luks", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrLink) device = testLink(1);
    g_autoptr(lukshdrLink) nowhere = testLink(1);
    g_autoptr(lukshdrLink) dangling = testLink(1);
    g_autoptr(lukshdrLink) primary = testLink(1);

    testReset();
    testPut(0, WHOLE);
    lukshdrLinkHeaderCopy(device, 1)->identity.type = LUKSHDR_IDENTITY_BLOCK;
    lukshdrLinkHeaderCopy(device, 1)->identity.dev = 1793;
    g_assert_true(testSync(device, &error));
    g_assert_cmpint(testErrors, ==, 1);
    g_assert_cmpint(access(path, F_OK), <, 0);

    g_clear_pointer(&lukshdrLinkHeaderCopy(nowhere, 1)->path, g_free);
    g_assert_true(testSync(nowhere, &error));
    g_assert_cmpint(testErrors, ==, 1);

    g_assert_cmpint(symlink("/nowhere/data.luks", path), ==, 0);
    g_assert_true(testSync(dangling, &error));
    g_assert_cmpint(testErrors, ==, 2);
    g_assert_cmpint(g_unlink(path), ==, 0);

    g_free(lukshdrLinkHeaderCopy(nowhere, 1)->path);
    lukshdrLinkHeaderCopy(nowhere, 1)->path = g_steal_pointer(&inside);
    g_assert_true(testSync(nowhere, &error));
    g_assert_cmpint(testErrors, ==, 3);
    g_assert_no_error(error);
    testAssertTidy();

    /* and of the header itself it is said */
    testPut(1, WHOLE);
    testPut(0, MISSING);
    primary->header.identity.type = LUKSHDR_IDENTITY_BLOCK;
    g_assert_false(testSync(primary, &error));
    utilTestError(error, "OPERATION_INVALID block device");
}

/* Nothing is overwritten because it stands at a path, and nothing is made where this host has not seen
 * anything before */
static void
testForeign(void)
{
    g_autofree char *path = testPath(1);
    g_autofree char *target = g_build_filename(testTop, "somebody-else", NULL);
    guint i;

    for (i = 0; i < 4; i++) {
        g_autoptr(lukshdrLink) link = testLink(1);
        g_autoptr(lukshdrLink) stranger = testLink(1);
        g_autofree char *before = NULL;
        g_autofree char *after = NULL;

        testReset();
        g_unlink(target);
        testPut(0, WHOLE);
        testPut(1, WHOLE);
        if (i < 3)
            testRecord(link);

        switch (i) {
        case 0: /* a symbolic link to what would otherwise do */
            testPut(1, DAMAGED);
            g_assert_cmpint(g_rename(path, target), ==, 0);
            g_assert_cmpint(symlink(target, path), ==, 0);
            break;
        case 1: /* another file */
            utilTestWrite(target, "", 0);
            g_assert_cmpint(truncate(target, LUKSHDR_HEADER_VOLUME_SIZE), ==, 0);
            g_assert_cmpint(g_rename(target, path), ==, 0);
            break;
        case 2: { /* another link's header */
            g_autoptr(GPtrArray) links = g_ptr_array_new();

            g_free(stranger->uuid);
            stranger->uuid = g_uuid_string_random();
            g_ptr_array_add(links, stranger);
            testMakeShared(target, 9, links);
            g_assert_cmpint(g_rename(target, path), ==, 0);
            break;
        }
        default: /* what only a label has named */
            g_assert_cmpint(g_unlink(path), ==, 0);
            g_assert_true(lukshdrIdentityFromPath(link->header.path, &link->header.identity, NULL));
            before = g_strdup(g_strerror(ENOENT));
            g_assert_true(lukshdrReplicaSync(link, false, NULL));
            g_assert_cmpint(access(path, F_OK), <, 0);
        }
        if (i < 3) {
            const char *at = i == 0 ? target : path;

            before = testContent(at);
            g_assert_true(testSync(link, NULL));
            after = testContent(at);
            g_assert_cmpstr(after, ==, before);
        }
        g_assert_cmpint(testErrors, ==, 1);
        g_assert_cmpint(testWarnings, ==, 0);
        g_unlink(path);
    }
    g_unlink(target);

    /* a copy that was put back in another file is one, damaged as it may be */
    {
        g_autoptr(lukshdrLink) link = testLink(1);

        testReset();
        testPut(0, WHOLE);
        testPut(1, WHOLE);
        testRecord(link);
        testMake(target, 1);
        testDamage(target, END - 1);
        g_assert_cmpint(g_rename(target, path), ==, 0);
        g_assert_true(testSync(link, NULL));
        g_assert_cmpint(testWarnings, ==, 1);
        g_assert_cmpint(testErrors, ==, 0);
    }
}

/* Copies that are older than what the registry knows are not current, however many they are */
static void
testRolledBack(void)
{
    g_autoptr(lukshdrLink) link = testLinkOf(1, 3);
    g_autoptr(GError) error = NULL;

    testReset();
    testPut(0, WHOLE);
    testPut(1, WHOLE);
    g_assert_false(testSync(link, &error));
    utilTestError(error, "OPERATION_INVALID an older header");
    testPut(1, NEWER);
    g_assert_true(testSync(link, NULL));
    g_assert_cmpint(testWarnings, ==, 1);
}

static bool
testSyncLimited(lukshdrLink *link, rlim_t limit, GError **error)
{
    struct rlimit before;
    struct rlimit during;
    bool ok;

    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    during = before;
    during.rlim_cur = limit;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &during), ==, 0);
    ok = testSync(link, error);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    signal(SIGXFSZ, SIG_DFL);
    return ok;
}

/* Wherever writing ends, the good copy is as it was, and where nothing was there is nothing */
static void
testWriteFails(void)
{
    static const rlim_t limits[] = {
        0, 1, END - 1, END, LUKSHDR_LABEL_OFFSET + 100, LUKSHDR_HEADER_VOLUME_SIZE - 1
    };
    g_autoptr(lukshdrLink) link = testLink(1);
    g_autofree char *header = testPath(0);
    g_autofree char *replica = testPath(1);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(limits); i++) {
        g_autofree char *good = NULL;
        g_autofree char *after = NULL;
        g_autofree char *whole = NULL;
        g_autoptr(GError) error = NULL;

        testReset();
        testPut(0, MISSING);
        testPut(1, WHOLE);
        good = testContent(replica);

        g_assert_false(testSyncLimited(link, limits[i], &error));
        utilTestError(error, "SYSTEM_ERROR Unable to write the header volume");
        g_clear_error(&error);
        g_assert_cmpint(access(header, F_OK), <, 0);
        testAssertTidy();

        testPut(0, DAMAGED);
        g_assert_false(testSyncLimited(link, limits[i], &error));
        utilTestError(error, "SYSTEM_ERROR Unable to write the header volume");
        g_clear_error(&error);
        after = testContent(replica);
        g_assert_cmpstr(after, ==, good);

        /* and the next time it is completed */
        g_assert_true(testSync(link, &error));
        g_assert_no_error(error);
        whole = testContent(header);
        g_assert_cmpstr(whole, ==, good);
    }
}

/* The label of a shared header goes with it, all links of it, and of two headers of one
 * generation the first is right */
static void
testShared(void)
{
    g_autoptr(GPtrArray) links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    g_autofree char *header = testPath(0);
    g_autofree char *replica = testPath(1);
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    g_autoptr(GPtrArray) found = NULL;
    guint i;
    int fd;

    testReset();
    for (i = 0; i < 3; i++) {
        lukshdrLink *link = testLinkOf(1, 2);

        g_free(link->uuid);
        link->uuid = g_uuid_string_random();
        link->headerShared = true;
        g_ptr_array_add(links, link);
    }
    testMakeShared(header, 2, links);
    before = testContent(header);
    for (i = 0; i < 3; i++) {
        g_autoptr(GPtrArray) fewer = g_ptr_array_new();

        /* the replica does not know it yet, or is not there at all */
        if (i > 0) {
            g_ptr_array_add(fewer, g_ptr_array_index(links, i == 1 ? 1 : 0));
            testMakeShared(replica, 2, fewer);
        }
        g_assert_true(testSync(g_ptr_array_index(links, i), NULL));
        g_clear_pointer(&after, g_free);
        after = testContent(replica);
        g_assert_cmpstr(after, ==, before);
    }
    g_assert_cmpint(testWarnings, ==, 3);

    /* from a replica to the header, too */
    testDamage(header, 600);
    g_assert_true(testSync(g_ptr_array_index(links, 2), NULL));
    fd = open(header, O_RDONLY | O_CLOEXEC);
    g_assert_true(lukshdrLabelRead(fd, &found, NULL));
    close(fd);
    g_assert_cmpuint(found->len, ==, 3);
    for (i = 0; i < 3; i++)
        g_assert_nonnull(
            lukshdrLinkListFind(found, ((lukshdrLink *)g_ptr_array_index(links, i))->uuid));
}

typedef struct {
    const lukshdrLink *link;
    gint tid; /* of the thread, once it runs */
} testSyncing;

static gpointer
testSyncThread(gpointer opaque)
{
    testSyncing *syncing = opaque;

    g_atomic_int_set(&syncing->tid, gettid());
    return GINT_TO_POINTER(lukshdrReplicaSync(syncing->link, false, NULL));
}

/* Whether the thread sleeps, as it does between two attempts to get a lock: the number of the system
 * call that it is in stands first in /proc/PID/task/TID/syscall */
static bool
testIsAsleep(testSyncing *syncing)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/syscall",
                                            g_atomic_int_get(&syncing->tid));
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) &&
           g_ascii_strtoll(text, NULL, 10) == SYS_clock_nanosleep;
}

/* Keys are changed, under the lock, while we wait to replace what was out of date before */
static void
testOvertaken(void)
{
    g_autoptr(lukshdrLink) link = testLink(1);
    g_autofree char *header = testPath(0);
    g_autofree char *replica = testPath(1);
    g_autofree char *newer = NULL;
    g_autofree char *after = NULL;
    testSyncing syncing = { .link = link };
    GThread *thread;
    int fd;

    if (utilTestSkipLocks())
        return;

    testReset();
    testPut(0, WHOLE);
    testPut(1, OLDER);
    testRecord(link);
    fd = open(replica, O_RDWR | O_CLOEXEC);
    g_assert_true(lukshdrLabelLock(&(lukshdrHandle){ .fd = fd }, NULL));
    thread = g_thread_new("sync", testSyncThread, &syncing);
    while (!testIsAsleep(&syncing))
        g_usleep(1000);

    testMake(replica, 3);
    newer = testContent(replica);
    close(fd);
    g_assert_true(GPOINTER_TO_INT(g_thread_join(thread)));
    after = testContent(replica);
    g_assert_cmpstr(after, ==, newer);
    g_assert_cmpint(testWarnings, ==, 0);

    /* the next one brings it to the other */
    g_assert_true(testSync(link, NULL));
    g_clear_pointer(&after, g_free);
    after = testContent(header);
    g_assert_cmpstr(after, ==, newer);
}

/* Many at once, of two links that share a header and name its replicas in two orders: none
 * waits for ever, and all see it whole */
static void
testThreads(void)
{
    g_autoptr(GPtrArray) links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    g_auto(GStrv) paths = testAllPaths();
    g_autofree char *good = NULL;
    lukshdrLink *second;
    unsigned int fds;
    guint round;
    guint i;

    if (utilTestSkipLocks())
        return;

    g_ptr_array_add(links, testLinkOf(2, 2));
    second = testLinkOf(0, 2);
    g_free(second->uuid);
    second->uuid = g_uuid_string_random();
    for (i = 2; i >= 1; i--) {
        lukshdrLinkAddReplica(second, testPools[i], "data.luks");
        lukshdrLinkHeaderCopy(second, 3 - i)->path = testPath(i);
    }
    g_ptr_array_add(links, second);

    testReset();
    testMakeShared(paths[0], 2, links);
    /* what is recorded stands in labels, too */
    testRecord(g_ptr_array_index(links, 0));
    testRecord(second);
    testMakeShared(paths[0], 2, links);
    good = testContent(paths[0]);
    fds = utilTestOpenFDs();
    for (round = 0; round < 20; round++) {
        GThread *threads[6];
        testSyncing syncing[G_N_ELEMENTS(threads)] = { 0 };

        for (i = 0; i < 3; i++) {
            if (i == round % 3)
                continue;
            testMakeShared(paths[i], 2, links);
            testDamage(paths[i], END - 1);
        }
        for (i = 0; i < G_N_ELEMENTS(threads); i++) {
            syncing[i].link = g_ptr_array_index(links, i % 2);
            threads[i] = g_thread_new("sync", testSyncThread, &syncing[i]);
        }
        for (i = 0; i < G_N_ELEMENTS(threads); i++)
            g_assert_true(GPOINTER_TO_INT(g_thread_join(threads[i])));
        for (i = 0; i < 3; i++) {
            g_autofree char *after = testContent(paths[i]);

            g_assert_cmpstr(after, ==, good);
        }
        if (round % 3 == 0) {
            g_unlink(paths[1]);
            g_assert_true(testSync(g_ptr_array_index(links, 0), NULL));
        }
    }
    g_assert_cmpuint(utilTestOpenFDs(), ==, fds);
    testAssertTidy();
}

/* lukshdrReplicaCopy itself: of a volume that is too short nothing is copied */
static void
testCopy(void)
{
    g_autofree char *header = testPath(0);
    g_autofree char *replica = testPath(1);
    g_autoptr(GError) error = NULL;
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;
    struct stat st;
    int fds[2];

    testReset();
    testPut(0, WHOLE);
    utilTestWrite(replica, "", 0);
    fds[0] = open(header, O_RDWR | O_CLOEXEC);
    fds[1] = open(replica, O_RDWR | O_CLOEXEC);
    g_assert_true(lukshdrReplicaCopy(fds[0], &(lukshdrHandle){ .fd = fds[1] }, &error));
    g_assert_no_error(error);
    from = testContent(header);
    to = testContent(replica);
    g_assert_cmpstr(from, ==, to);

    g_assert_cmpint(ftruncate(fds[1], 0), ==, 0);
    g_assert_cmpint(ftruncate(fds[0], LUKSHDR_HEADER_VOLUME_SIZE - 1), ==, 0);
    g_assert_false(lukshdrReplicaCopy(fds[0], &(lukshdrHandle){ .fd = fds[1] }, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to read the header volume");
    g_clear_error(&error);
    g_assert_cmpint(fstat(fds[1], &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 0);
    g_assert_cmpint(ftruncate(fds[0], LUKSHDR_HEADER_VOLUME_SIZE), ==, 0);
    close(fds[1]);
    fds[1] = open(replica, O_RDONLY | O_CLOEXEC);
    g_assert_false(lukshdrReplicaCopy(fds[0], &(lukshdrHandle){ .fd = fds[1] }, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to write the header volume");
    close(fds[0]);
    close(fds[1]);
}

int
main(int argc, char **argv)
{
    lukshdrABICommon abi = { .virLogMessage = testLog };
    g_autofree char *states = NULL;
    int rc;

    /* thousands of copies of 4 MiB, each flushed: not on a disk, if that can be helped */
    if (access("/dev/shm", W_OK) == 0)
        g_setenv("TMPDIR", "/dev/shm", FALSE);
    testTop = utilTestPath("replica");
    g_setenv("XDG_RUNTIME_DIR", testTop, TRUE);
    xmlInitParser();
    g_test_init(&argc, &argv, NULL);
    lukshdrLogInit(&abi, "lukshdr.test", VIR_FROM_NONE);

    states = g_build_filename(testTop, "libvirt", "storage", "run", NULL);
    g_assert_cmpint(g_mkdir_with_parents(states, 0755), ==, 0);
    g_assert_cmpint(g_chmod(utilTestDir(), 0755), ==, 0);

    g_test_add_func("/replica/pairs", testPairs);
    g_test_add_func("/replica/triples", testTriples);
    g_test_add_func("/replica/rekeyed", testRekeyed);
    g_test_add_func("/replica/refused", testRefused);
    g_test_add_func("/replica/bytes", testBytes);
    g_test_add_func("/replica/not-made", testNotMade);
    g_test_add_func("/replica/foreign", testForeign);
    g_test_add_func("/replica/rolled-back", testRolledBack);
    g_test_add_func("/replica/write-fails", testWriteFails);
    g_test_add_func("/replica/shared", testShared);
    g_test_add_func("/replica/overtaken", testOvertaken);
    g_test_add_func("/replica/threads", testThreads);
    g_test_add_func("/replica/copy", testCopy);
    rc = g_test_run();

    /* a change of user takes from the leak sanitizer what it needs to look at us */
    prctl(PR_SET_DUMPABLE, 1);
    g_free(testTop);
    return rc;
}
