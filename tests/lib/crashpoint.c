/*
 * crashpoint.c: a process that dies, waits, or meets a failure, at a chosen system call
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For LD_PRELOAD into a daemon under test.  The file that CRASHPOINT names is read at each call of a
 * function below; it holds "FUNCTION N [PATTERN]": the N-th call from then on of which the path
 * contains PATTERN (a descriptor's is looked up in /proc) kills the process before the call is made;
 * with "FUNCTION N fail ERRNO [PATTERN]" the call fails instead; with "FUNCTION N wait [PATTERN]" it
 * is made once there is a file CRASHPOINT.go.  Who acts on the file empties it, and a line in
 * CRASHPOINT.log says so.  FUNCTION "any" is all functions below: what can change something on a
 * disk, so that a crash before each of them is a crash at every moment that leaves something else.
 * "trace 0 [PATTERN]" notes all such calls and lets them be made.  PATTERN may be several, with |
 * between them.  A command for QEMU's monitor may change something as well: the write that sends
 * one that does not only look has the path "qmp:COMMAND".  Children of the daemon, which inherit LD_PRELOAD or were forked from
 * it, are left alone.
 */

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "preload.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* of the daemon; 0 in other programs */
static pid_t daemonPid;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char current[512];
static int left;

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
    char path[PATH_ROOM];

    pathOfFD(fd, path);
    return meet(function, path);
}

static int
meetAt(const char *function, int fd, const char *name)
{
    char path[PATH_ROOM];

    pathAt(fd, name, path);
    return meet(function, path);
}

static int
meetWrite(int fd, const char *data, size_t len)
{
    static const char begin[] = "{\"execute\":\"";
    char path[64];

    if (len < sizeof(begin) || memcmp(data, begin, sizeof(begin) - 1))
        return meetFD("write", fd);
    snprintf(path, sizeof(path), "qmp:%.*s", (int)MIN(len - sizeof(begin) + 1, 50),
             data + sizeof(begin) - 1);
    path[strcspn(path, "\"")] = '\0';
    /* looks, and changes nothing */
    if (!strncmp(path, "qmp:query-", 10) || !strcmp(path, "qmp:qom-list") ||
        !strcmp(path, "qmp:qom-get"))
        return 0;
    return meet("write", path);
}

static int
isForWriting(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY;
}

#define INSTEAD(err) \
    do { \
        int failure = err; \
        if (failure) { \
            errno = failure; \
            return -1; \
        } \
    } while (0)

WRAP(int, fsync, (int fd), (fd), INSTEAD(meetFD("fsync", fd)))
WRAP(int, fdatasync, (int fd), (fd), INSTEAD(meetFD("fdatasync", fd)))
WRAP(int, unlink, (const char *path), (path), INSTEAD(meet("unlink", path)))
WRAP(int,
     unlinkat,
     (int fd, const char *path, int flags),
     (fd, path, flags),
     INSTEAD(meetAt("unlink", fd, path)))
WRAP(int, rename, (const char *from, const char *to), (from, to), INSTEAD(meet("rename", to)))
WRAP(int, link, (const char *from, const char *to), (from, to), INSTEAD(meet("link", to)))
WRAP(int,
     linkat,
     (int fd, const char *from, int tofd, const char *to, int flags),
     (fd, from, tofd, to, flags),
     INSTEAD(meetAt("linkat", tofd, to)))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), INSTEAD(meet("mkdir", path)))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), INSTEAD(meetFD("fchmod", fd)))
WRAP(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), INSTEAD(meetFD("fchown", fd)))

WRAP(ssize_t,
     pwrite,
     (int fd, const void *data, size_t len, off_t offset),
     (fd, data, len, offset),
     INSTEAD(meetFD("pwrite", fd)))
WRAP(ssize_t,
     pwrite64,
     (int fd, const void *data, size_t len, off64_t offset),
     (fd, data, len, offset),
     INSTEAD(meetFD("pwrite", fd)))
WRAP(ssize_t,
     write,
     (int fd, const void *data, size_t len),
     (fd, data, len),
     INSTEAD(meetWrite(fd, data, len)))
WRAP(int, ftruncate, (int fd, off_t len), (fd, len), INSTEAD(meetFD("ftruncate", fd)))
WRAP(int, ftruncate64, (int fd, off64_t len), (fd, len), INSTEAD(meetFD("ftruncate", fd)))
WRAP(int,
     fallocate,
     (int fd, int mode, off_t offset, off_t len),
     (fd, mode, offset, len),
     INSTEAD(meetFD("fallocate", fd)))
WRAP(int,
     fallocate64,
     (int fd, int mode, off64_t offset, off64_t len),
     (fd, mode, offset, len),
     INSTEAD(meetFD("fallocate", fd)))

/* these return the error */
#define RETURNED(err) \
    do { \
        int failure = err; \
        if (failure) \
            return failure; \
    } while (0)

WRAP(int,
     posix_fallocate,
     (int fd, off_t offset, off_t len),
     (fd, offset, len),
     RETURNED(meetFD("posix_fallocate", fd)))
WRAP(int,
     posix_fallocate64,
     (int fd, off64_t offset, off64_t len),
     (fd, offset, len),
     RETURNED(meetFD("posix_fallocate", fd)))

WRAP_OPENS(INSTEAD(isForWriting(flags) ? meet("open", path) : 0),
           INSTEAD(isForWriting(flags) ? meetAt("open", fd, path) : 0))
