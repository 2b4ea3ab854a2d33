/*
 * test-file.c: files that a crash cannot tear and damage cannot hide in
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"
#include "utiltest.h"

#define TEXT "<a/>\n"
/* printf '<a/>\n' | sha256sum */
#define DIGEST "a1fd98554152adcab3c8c3f0fc3b01f7d245a5661dc459a61f92ea0a7248ed0f"

static unsigned int
testCountFiles(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned int count = 0;

    while (dir && g_dir_read_name(dir))
        count++;
    return count;
}

static void
testAssertContent(const char *path, const char *expected)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrFileRead(path, &text, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, expected);
}

/* What is in the file is what people will find there in ten years */
static void
testFormat(void)
{
    g_autofree char *path = utilTestPath("format.xml");
    g_autofree char *content = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrFileWrite(path, TEXT, &error));
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, TEXT "<!-- sha256: " DIGEST " -->\n");
    testAssertContent(path, TEXT);

    g_assert_true(lukshdrFileWrite(path, "", &error));
    testAssertContent(path, "");
}

static void
testMode(void)
{
    static const mode_t umasks[] = { 0, 0022, 0077 };
    g_autofree char *dir = utilTestPath("made/by/write");
    g_autofree char *above = utilTestPath("made");
    g_autofree char *path = g_build_filename(dir, "a.xml", NULL);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(umasks); i++) {
        mode_t old = umask(umasks[i]);
        struct stat st;
        size_t again;

        for (again = 0; again < 2; again++) {
            g_assert_true(lukshdrFileWrite(path, TEXT, NULL));
            g_assert_cmpint(stat(path, &st), ==, 0);
            g_assert_cmpint(st.st_mode, ==, S_IFREG | 0600);
            g_assert_cmpint(stat(dir, &st), ==, 0);
            g_assert_cmpint(st.st_mode, ==, S_IFDIR | 0700);
            g_assert_cmpint(stat(above, &st), ==, 0);
            g_assert_cmpint(st.st_mode, ==, S_IFDIR | 0700);
            /* what was too open is not so for longer than until the next write */
            g_assert_cmpint(chmod(path, 0666), ==, 0);
        }
        umask(old);
        utilTestClear(above);
    }
}

/* A symlink is replaced, not followed: what it points to is somebody else's */
static void
testSymlink(void)
{
    g_autofree char *path = utilTestPath("link.xml");
    g_autofree char *target = utilTestPath("target");

    utilTestWrite(target, "theirs", -1);
    g_assert_cmpint(symlink(target, path), ==, 0);
    g_assert_true(lukshdrFileWrite(path, TEXT, NULL));
    g_assert_false(g_file_test(path, G_FILE_TEST_IS_SYMLINK));
    testAssertContent(path, TEXT);
}

/* A medium that takes no more than a part of the text */
static void
testFull(void)
{
    g_autofree char *dir = utilTestPath("full");
    g_autofree char *path = g_build_filename(dir, "a.xml", NULL);
    g_autofree char *text = g_strnfill(200000, 'x');
    g_autoptr(GError) error = NULL;
    struct rlimit before;
    struct rlimit limit;
    unsigned int fds;

    g_assert_true(lukshdrFileWrite(path, "old", NULL));
    fds = utilTestOpenFDs();

    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    limit = before;
    limit.rlim_cur = 100000;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_false(lukshdrFileWrite(path, text, &error));
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    signal(SIGXFSZ, SIG_DFL);

    utilTestError(error, "SYSTEM_ERROR "
                         "a.xml");
    testAssertContent(path, "old");
    g_assert_cmpuint(testCountFiles(dir), ==, 1);
    g_assert_cmpuint(utilTestOpenFDs(), ==, fds);
}

static void
testUnwritable(void)
{
    g_autofree char *dir = utilTestPath("unwritable");
    g_autofree char *path = g_build_filename(dir, "a.xml", NULL);
    g_autofree char *below = g_build_filename(path, "b.xml", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrFileWrite(path, "old", NULL));

    /* below a file nobody can write, not even root */
    g_assert_false(lukshdrFileWrite(below, TEXT, &error));
    utilTestError(error, "SYSTEM_ERROR a.xml");
    g_clear_error(&error);
    g_assert_false(lukshdrFileRemove(below, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to remove");
    g_clear_error(&error);

    /* a directory cannot be replaced by a file */
    g_assert_false(lukshdrFileWrite(dir, TEXT, &error));
    utilTestError(error, "SYSTEM_ERROR unwritable");
    g_clear_error(&error);
    g_assert_false(lukshdrFileRemove(dir, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to remove");
    g_clear_error(&error);
    testAssertContent(path, "old");

    if (geteuid() == 0) {
        g_test_message("root may write to a directory of mode 0500: not looked at");
        return;
    }
    g_assert_cmpint(chmod(dir, 0500), ==, 0);
    g_assert_false(lukshdrFileWrite(path, TEXT, &error));
    utilTestError(error, "SYSTEM_ERROR a.xml");
    g_clear_error(&error);
    g_assert_false(lukshdrFileRemove(path, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to remove");
    g_assert_cmpint(chmod(dir, 0700), ==, 0);
    testAssertContent(path, "old");
}

/* Whatever byte is changed, added or missing: it is noticed */
static void
testDamage(void)
{
    g_autofree char *path = utilTestPath("damage.xml");
    g_autofree char *content = NULL;
    gsize len;
    gsize i;

    g_assert_true(lukshdrFileWrite(path, TEXT, NULL));
    g_assert_true(g_file_get_contents(path, &content, &len, NULL));

    for (i = 0; i < len; i++) {
        static const char flips[] = { 0x01, 0x20, (char)0x80 };
        size_t flip;
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;

        for (flip = 0; flip < G_N_ELEMENTS(flips); flip++) {
            g_autofree char *changed = NULL;
            g_autoptr(GError) changedError = NULL;

            content[i] ^= flips[flip];
            utilTestWrite(path, content, len);
            content[i] ^= flips[flip];
            g_assert_false(lukshdrFileRead(path, &changed, &changedError));
            g_assert_error(changedError, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID);
        }

        utilTestWrite(path, content, i);
        g_assert_false(lukshdrFileRead(path, &text, &error));
        utilTestError(error, "OPERATION_INVALID damaged");
    }
}

static void
testRefuseContent(const char *content, gssize len, const char *text, const char *expected)
{
    g_autofree char *path = utilTestPath("content.xml");
    g_autofree char *found = NULL;
    g_autoptr(GError) error = NULL;

    utilTestWrite(path, content, len);
    g_assert_false(lukshdrFileRead(path, &found, &error));
    utilTestError(error, expected);
    g_assert_cmpstr(found, ==, text);
}

static void
testContent(void)
{
    g_autofree char *path = utilTestPath("good.xml");
    g_autofree char *good = NULL;
    g_autofree char *more = NULL;
    g_autofree char *upper = NULL;
    g_autofree char *nul = NULL;
    gsize len;
    gsize i;

    g_assert_true(lukshdrFileWrite(path, TEXT, NULL));
    g_assert_true(g_file_get_contents(path, &good, &len, NULL));

    more = g_strconcat(good, "\n", NULL);
    g_assert_true(g_file_set_contents(path, more, -1, NULL));
    testRefuseContent(more, -1, TEXT "<", "OPERATION_INVALID digest is missing or wrong");

    upper = g_strdup(good);
    for (i = strlen(TEXT "<!-- sha256: "); upper[i] != ' '; i++)
        upper[i] = g_ascii_toupper(upper[i]);
    testRefuseContent(upper, -1, TEXT, "OPERATION_INVALID digest is missing or wrong");

    testRefuseContent("", 0, NULL, "OPERATION_INVALID cut short");
    testRefuseContent(TEXT, -1, NULL, "OPERATION_INVALID cut short");

    nul = g_memdup2(good, len);
    nul[2] = '\0';
    testRefuseContent(nul, len, NULL, "OPERATION_INVALID no text");
}

static void
testNoFile(void)
{
    g_autofree char *missing = utilTestPath("missing.xml");
    g_autofree char *nowhere = utilTestPath("nowhere/missing.xml");
    g_autofree char *fifo = utilTestPath("fifo");
    g_autofree char *huge = utilTestPath("huge");
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(lukshdrFileRead(missing, &text, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to examine");
    g_assert_null(text);
    g_clear_error(&error);

    g_assert_false(lukshdrFileRead(utilTestDir(), &text, &error));
    utilTestError(error, "OPERATION_INVALID no regular file");
    g_clear_error(&error);

    /* to open this would be to wait for ever */
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_false(lukshdrFileRead(fifo, &text, &error));
    utilTestError(error, "OPERATION_INVALID no regular file");
    g_clear_error(&error);

    utilTestWrite(huge, "", 0);
    g_assert_cmpint(truncate(huge, G_GINT64_CONSTANT(1) << 40), ==, 0);
    g_assert_false(lukshdrFileRead(huge, &text, &error));
    utilTestError(error, "OPERATION_INVALID sensible length");
    g_assert_null(text);
    g_clear_error(&error);

    g_assert_true(lukshdrFileRemove(missing, &error));
    g_assert_no_error(error);
    g_assert_true(lukshdrFileRemove(nowhere, &error));
    g_assert_no_error(error);
    g_assert_true(lukshdrFileRemove(huge, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(huge, G_FILE_TEST_EXISTS));
}

/* What a crash leaves of writing goes, and nothing that only looks like it */
static void
testTemporary(void)
{
    g_autofree char *dir = g_build_filename(utilTestDir(), "temporary", NULL);
    g_autofree char *left = g_build_filename(dir, "1-demo.xml.QW7BZ3", NULL);
    g_autofree char *record = g_build_filename(dir, "1-demo.xml", NULL);
    g_autofree char *alike = g_build_filename(dir, "1-a.xml.zz.xml", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrFileRemoveTemporary(dir, &error));
    g_assert_no_error(error);

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    utilTestWrite(left, "", 0);
    utilTestWrite(record, "", 0);
    utilTestWrite(alike, "", 0);
    g_assert_true(lukshdrFileRemoveTemporary(dir, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(record, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(alike, G_FILE_TEST_EXISTS));
}

/* Readers see the old text or the new one, never none and never half of one */
typedef struct {
    const char *path;
    gint done;
    gint reads;
} testAtomicState;

static gpointer
testAtomicReader(gpointer opaque)
{
    testAtomicState *state = opaque;

    while (!g_atomic_int_get(&state->done)) {
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_true(lukshdrFileRead(state->path, &text, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(strlen(text), ==, *text == 'a' ? 100 : 50000);
        g_atomic_int_inc(&state->reads);
    }
    return NULL;
}

static void
testAtomic(void)
{
    g_autofree char *path = utilTestPath("atomic.xml");
    g_autofree char *a = g_strnfill(100, 'a');
    g_autofree char *b = g_strnfill(50000, 'b');
    testAtomicState state = { path, 0, 0 };
    GThread *threads[2];
    size_t i;

    g_assert_true(lukshdrFileWrite(path, a, NULL));
    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("reader", testAtomicReader, &state);
    for (i = 0; i < 50; i++)
        g_assert_true(lukshdrFileWrite(path, i % 2 ? a : b, NULL));
    while (g_atomic_int_get(&state.reads) < 2)
        g_usleep(1000);
    g_atomic_int_set(&state.done, 1);
    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/file/format", testFormat);
    g_test_add_func("/file/mode", testMode);
    g_test_add_func("/file/symlink", testSymlink);
    g_test_add_func("/file/full", testFull);
    g_test_add_func("/file/unwritable", testUnwritable);
    g_test_add_func("/file/damage", testDamage);
    g_test_add_func("/file/content", testContent);
    g_test_add_func("/file/no-file", testNoFile);
    g_test_add_func("/file/temporary", testTemporary);
    g_test_add_func("/file/atomic", testAtomic);
    return g_test_run();
}
