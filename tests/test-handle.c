/*
 * test-handle.c: a volume is opened as what was recorded, or not at all
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link/handle.h"
#include "utiltest.h"

static lukshdrVolume *
testVolume(const char *path)
{
    lukshdrVolume *vol = g_new0(lukshdrVolume, 1);

    vol->pool = g_strdup("pool");
    vol->volume = g_path_get_basename(path);
    vol->path = g_strdup(path);
    if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
        g_assert_true(lukshdrIdentityFromPath(path, &vol->identity, NULL));
    return vol;
}

static void
testRefuse(const lukshdrVolume *vol, unsigned int flags, const char *expected)
{
    g_autoptr(GError) error = NULL;
    lukshdrHandle *handle = lukshdrHandleOpen(vol, flags, &error);

    g_assert_null(handle);
    utilTestError(error, expected);
}

static void
testOpen(void)
{
    g_autofree char *path = utilTestPath("open");
    g_autofree char *dir = utilTestPath("dir");
    g_autofree char *by = utilTestPath("dir/open");
    g_autoptr(lukshdrVolume) vol = NULL;
    g_autoptr(lukshdrHandle) handle = NULL;
    g_autoptr(GError) error = NULL;
    char byte;

    utilTestWrite(path, "x", 1);
    vol = testVolume(path);

    handle = lukshdrHandleOpen(vol, LUKSHDR_HANDLE_READ, &error);
    g_assert_no_error(error);
    g_assert_cmpint(pread(handle->fd, &byte, 1, 0), ==, 1);
    g_assert_cmpint(pwrite(handle->fd, "y", 1, 0), <, 0);
    g_clear_pointer(&handle, lukshdrHandleClose);

    handle = lukshdrHandleOpen(vol, LUKSHDR_HANDLE_WRITE, &error);
    g_assert_no_error(error);
    g_assert_cmpint(pwrite(handle->fd, "y", 1, 0), ==, 1);
    g_assert_cmpint(fcntl(handle->fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_clear_pointer(&handle, lukshdrHandleClose);

    /* a directory on the way may be a symbolic link */
    g_assert_cmpint(symlink(utilTestDir(), dir), ==, 0);
    g_free(vol->path);
    vol->path = g_strdup(by);
    handle = lukshdrHandleOpen(vol, LUKSHDR_HANDLE_READ, &error);
    g_assert_no_error(error);
    g_assert_true(lukshdrHandleIsOwnName(vol, path));
}

/* The owner of a header may read and write it; all else of its mode stays, and what is no file is left alone */
static void
testMode(void)
{
    static const struct {
        mode_t before;
        mode_t after;
    } cases[] = {
        { 0400, 0600 }, { 0440, 0640 }, { 0, 0600 }, { 01644, 01644 }, { 0200, 0600 },
    };
    g_autofree char *path = utilTestPath("mode");
    g_autofree char *dir = utilTestPath("mode.dir");
    lukshdrHandle handle = { 0 };
    g_autoptr(GError) error = NULL;
    struct stat st;
    size_t i;

    utilTestWrite(path, "x", 1);
    g_assert_cmpint(handle.fd = open(path, O_RDONLY | O_CLOEXEC), >=, 0);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpint(fchmod(handle.fd, cases[i].before), ==, 0);
        g_assert_true(lukshdrHandleMendMode(&handle, &error));
        g_assert_no_error(error);
        g_assert_cmpint(fstat(handle.fd, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 07777, ==, cases[i].after);
    }
    close(handle.fd);

    g_assert_cmpint(g_mkdir(dir, 0500), ==, 0);
    g_assert_cmpint(handle.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), >=, 0);
    g_assert_true(lukshdrHandleMendMode(&handle, &error));
    g_assert_cmpint(fstat(handle.fd, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0500);
    close(handle.fd);

    /* which takes no other mode */
    g_assert_cmpint(handle.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), >=, 0);
    g_assert_false(lukshdrHandleMendMode(&handle, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to let its owner read and write it: ");
    close(handle.fd);
}

/* What stands there now is another thing, and is neither opened nor changed */
static void
testReplaced(void)
{
    g_autofree char *path = utilTestPath("replaced");
    g_autofree char *victim = utilTestPath("victim");
    g_autoptr(lukshdrVolume) vol = NULL;
    g_autoptr(lukshdrHandle) handle = NULL;
    g_autoptr(GError) error = NULL;

    utilTestWrite(path, "x", 1);
    utilTestWrite(victim, "v", 1);
    vol = testVolume(path);

    /* another file, also by rename */
    g_assert_cmpint(g_rename(victim, path), ==, 0);
    testRefuse(vol, LUKSHDR_HANDLE_WRITE, "OPERATION_INVALID is not the volume 'replaced'");
    handle = lukshdrHandleOpen(vol, LUKSHDR_HANDLE_ANY, &error);
    g_assert_no_error(error);
    g_assert_cmpint(handle->match, ==, LUKSHDR_IDENTITY_DIFFERENT);

    /* a symbolic link, to whatever, even to the recorded file itself */
    g_assert_cmpint(g_rename(path, victim), ==, 0);
    g_assert_true(lukshdrIdentityFromPath(victim, &vol->identity, NULL));
    g_assert_cmpint(symlink("victim", path), ==, 0);
    testRefuse(vol, LUKSHDR_HANDLE_WRITE, "OPERATION_INVALID is a symbolic link");
    testRefuse(vol, LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_WRITE,
               "OPERATION_INVALID is a symbolic link");
    testRefuse(vol, LUKSHDR_HANDLE_NEW, "OPERATION_INVALID is a symbolic link");
    g_assert_false(lukshdrHandleIsOwnName(vol, path));

    g_assert_cmpint(g_unlink(path), ==, 0);
    testRefuse(vol, LUKSHDR_HANDLE_READ, "NO_STORAGE_VOL there is nothing at");

    /* a FIFO would wait for somebody at its other end */
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    testRefuse(vol, LUKSHDR_HANDLE_READ, "OPERATION_UNSUPPORTED neither a regular file nor");
    testRefuse(vol, LUKSHDR_HANDLE_NEW | LUKSHDR_HANDLE_WRITE,
               "OPERATION_UNSUPPORTED neither a regular file nor");
}

static void
testNowhere(void)
{
    g_autofree char *path = utilTestPath("nowhere");
    g_autoptr(lukshdrVolume) vol = NULL;

    utilTestWrite(path, "x", 1);
    vol = testVolume(path);
    g_assert_cmpint(chdir(utilTestDir()), ==, 0);

    g_free(vol->path);
    vol->path = g_strdup("nowhere");
    testRefuse(vol, LUKSHDR_HANDLE_READ, "OPERATION_UNSUPPORTED has no path on this host");
    g_clear_pointer(&vol->path, g_free);
    testRefuse(vol, LUKSHDR_HANDLE_NEW, "OPERATION_UNSUPPORTED has no path on this host");
    g_assert_false(lukshdrHandleIsOwnName(vol, path));
    vol->path = g_steal_pointer(&path);
    g_assert_false(lukshdrHandleIsOwnName(vol, "nowhere"));
}

/* Below /dev links are udev's, and lead to block devices.  /dev/shm is everybody's. */
static void
testDev(void)
{
    g_autofree char *dir = g_strdup("/dev/shm/lukshdr-test-XXXXXX");
    g_autofree char *file = NULL;
    g_autofree char *link = NULL;
    g_autoptr(lukshdrVolume) vol = NULL;

    if (!g_mkdtemp(dir)) {
        g_test_skip("no /dev/shm");
        return;
    }
    file = g_build_filename(dir, "file", NULL);
    link = g_build_filename(dir, "link", NULL);
    utilTestWrite(file, "x", 1);
    vol = testVolume(file);
    g_assert_cmpint(symlink("file", link), ==, 0);
    g_free(vol->path);
    vol->path = g_strdup(link);
    /* to a file: the directory is root's alone only where the test is root */
    testRefuse(vol, LUKSHDR_HANDLE_READ, "OPERATION_INVALID symbolic link");
    g_unlink(link);
    g_unlink(file);
    g_rmdir(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/handle/open", testOpen);
    g_test_add_func("/handle/mode", testMode);
    g_test_add_func("/handle/replaced", testReplaced);
    g_test_add_func("/handle/nowhere", testNowhere);
    g_test_add_func("/handle/dev", testDev);
    return g_test_run();
}
