/*
 * test-command.c: what a child gets, and that it does not run for ever
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Children are shell scripts.  What a child of a daemon with secrets must be otherwise is in
 * test-format.c.
 */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/command.h"
#include "util/error.h"
#include "utiltest.h"

static bool
testRun(const char *script, const int *files, guint deadline, bool progress, GError **error)
{
    const char *argv[] = { "sh", "-c", script, NULL };
    const lukshdrCommand command = {
        .argv = argv, .files = files, .deadline = deadline, .progress = progress
    };

    return lukshdrCommandRun(&command, error);
}

/* The child opens the file itself, whatever has become of its name, as often as it likes and in other
 * ways than we have */
static void
testFiles(void)
{
    static const char *const names[] = { "one", "two", "three", "four" };
    g_autofree char *victim = utilTestPath("victim");
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    int fds[LUKSHDR_COMMAND_FILES_MAX + 1];
    unsigned int before = 0;
    guint round;
    size_t i;

    utilTestWrite(victim, "victim", -1);
    for (round = 0; round < 3; round++) {
        for (i = 0; i < G_N_ELEMENTS(names); i++) {
            g_autofree char *path = utilTestPath(names[i]);
            g_autofree char *moved = g_strconcat(path, ".moved", NULL);

            utilTestWrite(path, names[i], -1);
            fds[i] = open(path, O_RDONLY | O_CLOEXEC);
            g_assert_cmpint(g_rename(path, moved), ==, 0);
            g_assert_cmpint(symlink(victim, path), ==, 0);
        }
        fds[i] = -1;

        g_assert_true(
            testRun("for i in 7 8 9 10; do echo \"$i $(cat /dev/fd/$i) $(cat /dev/fd/$i)\""
                    " >/dev/fd/$i || exit 1; done",
                    fds, 60, false, &error));
        g_assert_no_error(error);

        for (i = 0; i < G_N_ELEMENTS(names); i++) {
            g_autofree char *path = utilTestPath(names[i]);
            g_autofree char *moved = g_strconcat(path, ".moved", NULL);
            g_autofree char *wanted = g_strdup_printf("%zu %s %s\n", i + 7, names[i], names[i]);
            g_autofree char *name = g_strdup_printf("/dev/fd/%zu", i + 7);
            g_autofree char *got = NULL;

            g_assert_cmpstr(lukshdrCommandFile(i), ==, name);
            g_assert_true(g_file_get_contents(moved, &got, NULL, NULL));
            g_assert_cmpstr(got, ==, wanted);
            close(fds[i]);
            g_assert_cmpint(g_unlink(path), ==, 0);
        }
        /* GLib keeps some descriptors from the first child on, and closes others when it gets to it */
        if (round == 0) {
            g_usleep(50000);
            before = utilTestOpenFDs();
        }
    }
    for (i = 0; utilTestOpenFDs() > before && i < 500; i++)
        g_usleep(10000);
    g_assert_cmpuint(utilTestOpenFDs(), <=, before);

    g_assert_true(g_file_get_contents(victim, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "victim");
}

/* A child that is gone, or not there at all */
static void
testAssertEnded(const char *path)
{
    g_autofree char *text = NULL;
    pid_t pid;
    int i;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
    g_assert_cmpint(pid, >, 1);
    /* whoever inherits what the child has left buries it in its own time */
    for (i = 0; i < 1000; i++) {
        g_autofree char *stat = g_strdup_printf("/proc/%d/stat", (int)pid);
        g_autofree char *state = NULL;

        if (!g_file_get_contents(stat, &state, NULL, NULL) || strstr(state, ") Z "))
            return;
        g_usleep(10000);
    }
    g_assert_not_reached();
}

typedef struct {
    const char *name;
    const char *script; /* %s: a file for the number of a process that must have ended */
    bool progress;
    const char *expected;
} testLate;

static const testLate testLates[] = {
    { "sleeps", "echo $$ >%s; exec sleep 1000", false,
      "OPERATION_TIMEOUT 'sh' was killed: it had not ended after 2 seconds" },
    { "has-children", "sleep 1000 & echo $! >%s; wait", false,
      "OPERATION_TIMEOUT 'sh' was killed" },
    { "is-deaf", "trap '' TERM INT HUP; echo $$ >%s; while :; do :; done", false,
      "OPERATION_TIMEOUT 'sh' was killed" },
    { "computes", "echo $$ >%s; while :; do :; done", true,
      "OPERATION_TIMEOUT 'sh' was killed: it had read and written nothing for 2 seconds" },
    { "reads-then-hangs", "echo $$ >%s; cat /proc/self/maps >/dev/null; exec sleep 1000", true,
      "OPERATION_TIMEOUT 'sh' was killed: it had read and written nothing" },
};

static void
testTooLate(gconstpointer opaque)
{
    const testLate *late = opaque;
    g_autofree char *path = utilTestPath(late->name);
    g_autoptr(GString) script = g_string_new(late->script);
    g_autoptr(GError) error = NULL;

    g_string_replace(script, "%s", path, 1);
    g_assert_false(testRun(script->str, NULL, 2, late->progress, &error));
    utilTestError(error, late->expected);
    testAssertEnded(path);
    g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1);
    g_assert_cmpint(errno, ==, ECHILD);
}

/* What goes on reading may take as long as it takes */
static void
testProgress(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(testRun("end=$(($(date +%s) + 9)); while [ $(date +%s) -lt $end ]; do :; done",
                          NULL, 4, true, &error));
    g_assert_no_error(error);
}

/* The wait for one that is left to itself ends with it, not with its deadline */
static void
testEnds(void)
{
    gint64 start = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;

    g_assert_true(testRun("exit 0", NULL, 1000, false, &error));
    g_assert_no_error(error);
    g_assert_false(testRun("echo why >&2; exit 7", NULL, 1000, true, &error));
    utilTestError(error, "OPERATION_FAILED 'sh' failed with exit status 7: why");
    g_clear_error(&error);
    g_assert_false(testRun("kill -9 $$", NULL, 1000, true, &error));
    utilTestError(error, "OPERATION_FAILED 'sh' was killed by signal 9");
    g_assert_cmpint(g_get_monotonic_time() - start, <, 900 * G_USEC_PER_SEC);
}

int
main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/command/files", testFiles);
    g_test_add_func("/command/ends", testEnds);
    g_test_add_func("/command/progress", testProgress);
    for (i = 0; i < G_N_ELEMENTS(testLates); i++) {
        g_autofree char *path = g_strconcat("/command/late/", testLates[i].name, NULL);

        g_test_add_data_func(path, &testLates[i], testTooLate);
    }
    return g_test_run();
}
