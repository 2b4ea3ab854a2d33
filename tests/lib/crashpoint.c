/*
 * crashpoint.c: a process that dies, waits, or meets a failure, at a chosen system call
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For LD_PRELOAD into a daemon under test.  The file that CRASHPOINT names is
 * read at each call of a function below; it holds "FUNCTION N [PATTERN]": the
 * N-th call from then on of which the path contains PATTERN (a descriptor's is
 * looked up in /proc) kills the process before the call is made; with "FUNCTION
 * N fail ERRNO [PATTERN]" the call fails instead; with "FUNCTION N wait [PATTERN]" it is made once
 * there is a file CRASHPOINT.go.  The file is emptied by whoever
 * acts on it, and a line in CRASHPOINT.log says so.  FUNCTION "any" is all functions below: what can
 * change something on a disk, so that a crash before each of them is a crash at every
 * moment that leaves something else.  "trace 0 [PATTERN]" notes all such calls and lets them
 * be made.  PATTERN may be several, with | between them.  Children of the daemon, which inherit
 * LD_PRELOAD or were forked from it, are left alone.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* of the daemon; 0 in other programs */
static pid_t daemonPid;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char current[512];
static int left;

static void *
real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void
begin(void)
{
    if (!strcmp(program_invocation_short_name, "libvirtd"))
        daemonPid = getpid();
}

static int
matches(const char *path, const char *pattern)
{
    char patterns[256];
    char *rest = patterns;
    char *one;

    if (!*pattern)
        return 1;
    strcpy(patterns, pattern);
    while ((one = strsep(&rest, "|"))) {
        if (*one && strstr(path, one))
            return 1;
    }
    return 0;
}

static void
note(const char *file, const char *function, const char *path, int keep)
{
    char name[4096];
    FILE *log;

    snprintf(name, sizeof(name), "%s.log", file);
    if ((log = fopen(name, "ae"))) {
        fprintf(log, "%s %s\n", function, path);
        fclose(log);
    }
    if (!keep && (log = fopen(file, "we")))
        fclose(log);
}

/* As long as a test takes at most */
static void
waitForGo(const char *file)
{
    char name[4096];
    int i;

    snprintf(name, sizeof(name), "%s.go", file);
    for (i = 0; i < 36000 && access(name, F_OK) < 0; i++)
        usleep(100000);
}

/* Returns 0 if the call is to be made, else the errno that it fails with */
static int
meet(const char *function, const char *path)
{
    const char *file = getenv("CRASHPOINT");
    char text[512] = "";
    char wanted[32] = "";
    char pattern[256] = "";
    int nth = 0;
    int fail = 0;
    int end = 0;
    int wait = 0;
    FILE *in;

    if (!file || !daemonPid || daemonPid != getpid() || !(in = fopen(file, "re")))
        return 0;
    if (!fgets(text, sizeof(text), in))
        text[0] = '\0';
    fclose(in);
    text[strcspn(text, "\n")] = '\0';

    if (sscanf(text, "%31s %d fail %d %255[^\n]", wanted, &nth, &fail, pattern) < 3) {
        fail = 0;
        if (sscanf(text, "%31s %d wait%n %255[^\n]", wanted, &nth, &end, pattern) >= 2 && end)
            wait = 1;
        else if (sscanf(text, "%31s %d %255[^\n]", wanted, &nth, pattern) < 2)
            return 0;
    }
    if (!matches(path, pattern))
        return 0;
    if (!strcmp(wanted, "trace")) {
        note(file, function, path, 1);
        return 0;
    }
    if (strcmp(wanted, "any") && strcmp(wanted, function))
        return 0;

    pthread_mutex_lock(&lock);
    if (strcmp(current, text)) {
        strcpy(current, text);
        left = nth;
    }
    left--;
    pthread_mutex_unlock(&lock);
    if (left != 0)
        return 0;

    current[0] = '\0';
    note(file, function, path, 0);
    if (wait)
        waitForGo(file);
    else if (!fail)
        raise(SIGKILL);
    return fail;
}

static int
meetFD(const char *function, int fd)
{
    char name[64];
    char path[4096];
    ssize_t len;

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    len = readlink(name, path, sizeof(path) - 1);
    path[len < 0 ? 0 : len] = '\0';
    return meet(function, path);
}

#define INSTEAD(err) \
    do { \
        int failure = err; \
        if (failure) { \
            errno = failure; \
            return -1; \
        } \
    } while (0)

int
fsync(int fd)
{
    int (*next)(int) = real("fsync");

    INSTEAD(meetFD("fsync", fd));
    return next(fd);
}

int
unlink(const char *path)
{
    int (*next)(const char *) = real("unlink");

    INSTEAD(meet("unlink", path));
    return next(path);
}

int
rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *) = real("rename");

    INSTEAD(meet("rename", to));
    return next(from, to);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    ssize_t (*next)(int, const void *, size_t, off64_t) = real("pwrite64");

    INSTEAD(meetFD("pwrite", fd));
    return next(fd, data, len, offset);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
    ssize_t (*next)(int, const void *, size_t, off_t) = real("pwrite");

    INSTEAD(meetFD("pwrite", fd));
    return next(fd, data, len, offset);
}

int
posix_fallocate64(int fd, off64_t offset, off64_t len)
{
    int (*next)(int, off64_t, off64_t) = real("posix_fallocate64");
    int failure = meetFD("posix_fallocate", fd);

    return failure ? failure : next(fd, offset, len);
}

int
posix_fallocate(int fd, off_t offset, off_t len)
{
    int (*next)(int, off_t, off_t) = real("posix_fallocate");
    int failure = meetFD("posix_fallocate", fd);

    return failure ? failure : next(fd, offset, len);
}

ssize_t
write(int fd, const void *data, size_t len)
{
    ssize_t (*next)(int, const void *, size_t) = real("write");

    INSTEAD(meetFD("write", fd));
    return next(fd, data, len);
}

int
fdatasync(int fd)
{
    int (*next)(int) = real("fdatasync");

    INSTEAD(meetFD("fdatasync", fd));
    return next(fd);
}

int
ftruncate64(int fd, off64_t len)
{
    int (*next)(int, off64_t) = real("ftruncate64");

    INSTEAD(meetFD("ftruncate", fd));
    return next(fd, len);
}

int
ftruncate(int fd, off_t len)
{
    int (*next)(int, off_t) = real("ftruncate");

    INSTEAD(meetFD("ftruncate", fd));
    return next(fd, len);
}

int
fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    int (*next)(int, int, off64_t, off64_t) = real("fallocate64");

    INSTEAD(meetFD("fallocate", fd));
    return next(fd, mode, offset, len);
}

int
fallocate(int fd, int mode, off_t offset, off_t len)
{
    int (*next)(int, int, off_t, off_t) = real("fallocate");

    INSTEAD(meetFD("fallocate", fd));
    return next(fd, mode, offset, len);
}

int
link(const char *from, const char *to)
{
    int (*next)(const char *, const char *) = real("link");

    INSTEAD(meet("link", to));
    return next(from, to);
}

int
linkat(int fromDir, const char *from, int toDir, const char *to, int flags)
{
    int (*next)(int, const char *, int, const char *, int) = real("linkat");

    INSTEAD(meet("linkat", to));
    return next(fromDir, from, toDir, to, flags);
}

int
mkdir(const char *path, mode_t mode)
{
    int (*next)(const char *, mode_t) = real("mkdir");

    INSTEAD(meet("mkdir", path));
    return next(path, mode);
}

int
fchmod(int fd, mode_t mode)
{
    int (*next)(int, mode_t) = real("fchmod");

    INSTEAD(meetFD("fchmod", fd));
    return next(fd, mode);
}

int
fchown(int fd, uid_t uid, gid_t gid)
{
    int (*next)(int, uid_t, gid_t) = real("fchown");

    INSTEAD(meetFD("fchown", fd));
    return next(fd, uid, gid);
}

/* Opening for writing.  The variants with a number are what glibc's headers make of those without a
 * mode when they check arguments. */
#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        int (*next)(const char *, int, ...) = real(#name); \
        mode_t mode = 0; \
        va_list args; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_start(args, flags); \
            mode = va_arg(args, mode_t); \
            va_end(args); \
        } \
        if ((flags & O_ACCMODE) != O_RDONLY) \
            INSTEAD(meet("open", path)); \
        return next(path, flags, mode); \
    }

OPEN(open)
OPEN(open64)
OPEN(__open_2)
OPEN(__open64_2)
