/*
 * test-io.c: reading and writing all of something, at a place
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pread and pwrite are this file's: they do part of what they are asked to, as a kernel
 * may, and fail where a test wants it.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "utiltest.h"

static size_t testMost = G_MAXSSIZE; /* bytes that one call does */
static int testInterrupted;          /* this many calls are interrupted first */
static guint64 testBadFrom = G_MAXUINT64;

static bool
testMeet(off_t offset)
{
    if (testInterrupted > 0) {
        testInterrupted--;
        errno = EINTR;
        return false;
    }
    if ((guint64)offset >= testBadFrom) {
        errno = EIO;
        return false;
    }
    return true;
}

ssize_t
pread(int fd, void *buf, size_t len, off_t offset)
{
    return testMeet(offset) ? syscall(SYS_pread64, fd, buf, MIN(len, testMost), offset) : -1;
}

ssize_t
pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    if (testMost == 0)
        return 0;
    return testMeet(offset) ? syscall(SYS_pwrite64, fd, buf, MIN(len, testMost), offset) : -1;
}

static void
testReset(void)
{
    testMost = G_MAXSSIZE;
    testInterrupted = 0;
    testBadFrom = G_MAXUINT64;
}

static void
testPieces(void)
{
    static const size_t pieces[] = { 1, 3, 99, 100, 1000 };
    g_autoptr(GError) error = NULL;
    char data[100];
    char got[101];
    size_t i;

    for (i = 0; i < sizeof(data); i++)
        data[i] = (char)(i + 1);

    for (i = 0; i < G_N_ELEMENTS(pieces); i++) {
        int fd = memfd_create("io", MFD_CLOEXEC);

        testMost = pieces[i];
        testInterrupted = 3;
        g_assert_true(lukshdrIOWrite(fd, data, sizeof(data), 7, &error));
        g_assert_no_error(error);
        g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, 107);

        testInterrupted = 3;
        g_assert_true(lukshdrIOReadAll(fd, got, sizeof(data), 7, &error));
        g_assert_no_error(error);
        g_assert_cmpmem(got, sizeof(data), data, sizeof(data));

        /* where the file ends */
        g_assert_cmpint(lukshdrIORead(fd, got, sizeof(got), 7, &error), ==, 100);
        g_assert_cmpint(lukshdrIORead(fd, got, sizeof(got), 107, &error), ==, 0);
        g_assert_cmpint(lukshdrIORead(fd, got, 0, 0, &error), ==, 0);
        g_assert_no_error(error);
        g_assert_false(lukshdrIOReadAll(fd, got, sizeof(got), 7, &error));
        utilTestError(error, "SYSTEM_ERROR it ends after 107 bytes");
        g_clear_error(&error);
        g_assert_true(lukshdrIOSync(fd, &error));
        close(fd);
        testReset();
    }
}

static void
testFailures(void)
{
    g_autoptr(GError) error = NULL;
    char data[100] = { 0 };
    int fd = memfd_create("io", MFD_CLOEXEC);
    int fds[2];

    testMost = 10;
    testBadFrom = 50;
    g_assert_false(lukshdrIOWrite(fd, data, sizeof(data), 0, &error));
    utilTestError(error, "SYSTEM_ERROR Input/output error");
    g_clear_error(&error);
    g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, 50);
    g_assert_cmpint(ftruncate(fd, 100), ==, 0);
    g_assert_cmpint(lukshdrIORead(fd, data, sizeof(data), 0, &error), ==, -1);
    utilTestError(error, "SYSTEM_ERROR Input/output error");
    g_clear_error(&error);
    g_assert_false(lukshdrIOReadAll(fd, data, sizeof(data), 0, &error));
    utilTestError(error, "SYSTEM_ERROR Input/output error");
    g_clear_error(&error);

    /* what takes nothing more and says so by 0 */
    testReset();
    testMost = 0;
    g_assert_false(lukshdrIOWrite(fd, data, 1, 0, &error));
    utilTestError(error, "SYSTEM_ERROR No space left on device");
    g_clear_error(&error);
    testReset();
    close(fd);

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_false(lukshdrIOSync(fds[1], &error));
    utilTestError(error, "SYSTEM_ERROR Invalid argument");
    close(fds[0]);
    close(fds[1]);
}

/* Empty, closed in other programs, not to be run where the kernel knows that, to be sealed; and what happens where there
 * is none */
static void
testMemory(void)
{
    g_autoptr(GError) error = NULL;
    struct rlimit before;
    struct rlimit none;
    struct stat st;
    char got = 0;
    int fd = lukshdrIOMemory("test", &error);

    g_assert_no_error(error);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, !=, 0);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_true(S_ISREG(st.st_mode));
    g_assert_cmpint(st.st_size, ==, 0);
#ifdef F_SEAL_EXEC
    if (fcntl(fd, F_GET_SEALS) & F_SEAL_EXEC)
        g_assert_cmpint(st.st_mode & 0111, ==, 0);
#endif
    g_assert_true(lukshdrIOWrite(fd, "x", 1, 0, &error));
    g_assert_true(lukshdrIOReadAll(fd, &got, 1, 0, &error));
    g_assert_cmpint(got, ==, 'x');
    g_assert_cmpint(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), ==, 0);
    close(fd);

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
    fd = lukshdrIOMemory("test", &error);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
    g_assert_cmpint(fd, ==, -1);
    utilTestError(error, "SYSTEM_ERROR Unable to make a file in memory: Too many open files");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/pieces", testPieces);
    g_test_add_func("/io/failures", testFailures);
    g_test_add_func("/io/memory", testMemory);
    return g_test_run();
}
