/*
 * swap.c: changes what lies at a path at the very moment at which a process is about to use it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For LD_PRELOAD into a daemon under test.  Its children inherit it: libvirt hands
 * LD_PRELOAD on, and no other variable of ours.  So the plan lies beside this library:
 * the file "plan" in the directory of the library holds "CALL N PATTERN" in its first
 * line and a shell command in its others.  Right before a process makes its N-th CALL
 * from then on with a path that contains PATTERN, it runs the command and waits for it;
 * then it makes the call.  The command runs once: the process claims the plan first, by
 * renaming it to "claimed".  When the command has ended, its status stands in "done", with
 * program, call and path.
 *
 * CALL is one of
 *   open      open, openat, openat2, creat
 *   stat      stat, lstat, fstatat, statx, access, faccessat, readlink, readlinkat
 *   rename    rename, renameat, renameat2 (the new name), link, linkat (the new name)
 *   unlink    unlink, unlinkat
 *   change    chmod, chown, lchown, truncate, fchmodat, fchownat
 *   read      pread          (a descriptor's path is what /proc says)
 *   write     pwrite, write  (the same)
 *   sync      fsync, fdatasync
 *   exec      execve, execv, execvp, posix_spawn (the program and its arguments, blanks between)
 *   any       each of them
 */

#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "preload.h"

/* where this library lies, with the slash */
static char dir[PATH_MAX];
/* what our own functions call is not looked at */
static __thread int inside;
static char current[8192];
static int left;

__attribute__((constructor)) static void
begin(void)
{
    Dl_info info;

    if (dladdr((void *)begin, &info) && info.dli_fname && strlen(info.dli_fname) < sizeof(dir)) {
        strcpy(dir, info.dli_fname);
        *(strrchr(dir, '/') + 1) = '\0';
    }
}

static char *
beside(const char *name, char *path)
{
    snprintf(path, PATH_MAX + 32, "%s%s", dir, name);
    return path;
}

/* Returns the status, as from waitpid */
static int
run(const char *command)
{
    int (*spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                 const posix_spawnattr_t *, char *const[], char *const[]) = real("posix_spawn");
    char *argv[] = { "sh", "-c", (char *)command, NULL };
    /* without LD_PRELOAD, or the command would meet itself */
    char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
    pid_t pid;
    int status = -1;

    if (spawn(&pid, "/bin/sh", NULL, NULL, argv, env) != 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void
meetPlanned(const char *call, const char *path)
{
    char plan[PATH_MAX + 32];
    char claimed[PATH_MAX + 32];
    char done[PATH_MAX + 32];
    char text[8192];
    char wanted[32];
    char pattern[1024];
    char *command;
    int nth = 0;
    size_t len;
    int status;
    FILE *file;

    if (!dir[0] || !(file = fopen(beside("plan", plan), "re")))
        return;
    len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    if (!(command = strchr(text, '\n')) ||
        sscanf(text, "%31s %d %1023[^\n]", wanted, &nth, pattern) != 3 ||
        (strcmp(wanted, "any") && strcmp(wanted, call)) || !strstr(path, pattern))
        return;

    if (strcmp(current, text)) {
        strcpy(current, text);
        __atomic_store_n(&left, nth, __ATOMIC_SEQ_CST);
    }
    if (__atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST) != 0 ||
        ((int (*)(const char *, const char *))real("rename"))(plan, beside("claimed", claimed)) < 0)
        return;

    current[0] = '\0';
    status = run(command + 1);
    if ((file = fopen(beside("done.new", claimed), "we"))) {
        fprintf(file, "%d %s %s %s\n", WIFEXITED(status) ? WEXITSTATUS(status) : 255,
                program_invocation_short_name, call, path);
        fclose(file);
        ((int (*)(const char *, const char *))real("rename"))(claimed, beside("done", done));
    }
}

static void
meet(const char *call, const char *path)
{
    int saved = errno;

    if (inside || !path)
        return;
    inside = 1;
    meetPlanned(call, path);
    inside = 0;
    errno = saved;
}

static void
meetFD(const char *call, int fd)
{
    char path[PATH_ROOM];

    if (inside)
        return;
    pathOfFD(fd, path);
    meet(call, path);
}

static void
meetAt(const char *call, int fd, const char *path)
{
    char whole[PATH_ROOM];

    if (inside || !path)
        return;
    pathAt(fd, path, whole);
    meet(call, whole);
}

static void
meetArgs(const char *path, char *const argv[])
{
    char line[8192];
    size_t len;
    int i;

    if (inside)
        return;
    snprintf(line, sizeof(line), "%s", path);
    for (i = 1; argv && argv[0] && argv[i]; i++) {
        len = strlen(line);
        snprintf(line + len, sizeof(line) - len, " %s", argv[i]);
    }
    meet("exec", line);
}

WRAP_OPENS(meet("open", path), meetAt("open", fd, path))
WRAP(int, creat, (const char *path, mode_t mode), (path, mode), meet("open", path))
WRAP(int, creat64, (const char *path, mode_t mode), (path, mode), meet("open", path))

WRAP(int, stat, (const char *path, struct stat *st), (path, st), meet("stat", path))
WRAP(int, lstat, (const char *path, struct stat *st), (path, st), meet("stat", path))
WRAP(int,
     fstatat,
     (int fd, const char *path, struct stat *st, int flags),
     (fd, path, st, flags),
     meetAt("stat", fd, path))
WRAP(int, stat64, (const char *path, struct stat64 *st), (path, st), meet("stat", path))
WRAP(int, lstat64, (const char *path, struct stat64 *st), (path, st), meet("stat", path))
WRAP(int,
     fstatat64,
     (int fd, const char *path, struct stat64 *st, int flags),
     (fd, path, st, flags),
     meetAt("stat", fd, path))
WRAP(int,
     statx,
     (int fd, const char *path, int flags, unsigned int mask, struct statx *st),
     (fd, path, flags, mask, st),
     meetAt("stat", fd, path))
WRAP(int, access, (const char *path, int mode), (path, mode), meet("stat", path))
WRAP(int,
     faccessat,
     (int fd, const char *path, int mode, int flags),
     (fd, path, mode, flags),
     meetAt("stat", fd, path))
WRAP(ssize_t,
     readlink,
     (const char *path, char *to, size_t len),
     (path, to, len),
     meet("stat", path))
WRAP(ssize_t,
     readlinkat,
     (int fd, const char *path, char *to, size_t len),
     (fd, path, to, len),
     meetAt("stat", fd, path))

WRAP(int, rename, (const char *from, const char *to), (from, to), meet("rename", to))
WRAP(int,
     renameat,
     (int fd, const char *from, int tofd, const char *to),
     (fd, from, tofd, to),
     meetAt("rename", tofd, to))
WRAP(int,
     renameat2,
     (int fd, const char *from, int tofd, const char *to, unsigned int flags),
     (fd, from, tofd, to, flags),
     meetAt("rename", tofd, to))
WRAP(int, link, (const char *from, const char *to), (from, to), meet("rename", to))
WRAP(int,
     linkat,
     (int fd, const char *from, int tofd, const char *to, int flags),
     (fd, from, tofd, to, flags),
     meetAt("rename", tofd, to))

WRAP(int, unlink, (const char *path), (path), meet("unlink", path))
WRAP(int,
     unlinkat,
     (int fd, const char *path, int flags),
     (fd, path, flags),
     meetAt("unlink", fd, path))

WRAP(int, chmod, (const char *path, mode_t mode), (path, mode), meet("change", path))
WRAP(int, chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid), meet("change", path))
WRAP(int, lchown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid), meet("change", path))
WRAP(int, truncate, (const char *path, off_t len), (path, len), meet("change", path))
WRAP(int, truncate64, (const char *path, off64_t len), (path, len), meet("change", path))
WRAP(int,
     fchmodat,
     (int fd, const char *path, mode_t mode, int flags),
     (fd, path, mode, flags),
     meetAt("change", fd, path))
WRAP(int,
     fchownat,
     (int fd, const char *path, uid_t uid, gid_t gid, int flags),
     (fd, path, uid, gid, flags),
     meetAt("change", fd, path))

WRAP(ssize_t,
     pread,
     (int fd, void *data, size_t len, off_t offset),
     (fd, data, len, offset),
     meetFD("read", fd))
WRAP(ssize_t,
     pread64,
     (int fd, void *data, size_t len, off64_t offset),
     (fd, data, len, offset),
     meetFD("read", fd))
WRAP(ssize_t,
     pwrite,
     (int fd, const void *data, size_t len, off_t offset),
     (fd, data, len, offset),
     meetFD("write", fd))
WRAP(ssize_t,
     pwrite64,
     (int fd, const void *data, size_t len, off64_t offset),
     (fd, data, len, offset),
     meetFD("write", fd))
WRAP(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len), meetFD("write", fd))
WRAP(int, fsync, (int fd), (fd), meetFD("sync", fd))
WRAP(int, fdatasync, (int fd), (fd), meetFD("sync", fd))

WRAP(int,
     execve,
     (const char *path, char *const argv[], char *const env[]),
     (path, argv, env),
     meetArgs(path, argv))
WRAP(int, execv, (const char *path, char *const argv[]), (path, argv), meetArgs(path, argv))
WRAP(int, execvp, (const char *path, char *const argv[]), (path, argv), meetArgs(path, argv))
WRAP(int,
     posix_spawn,
     (pid_t * pid,
      const char *path,
      const posix_spawn_file_actions_t *actions,
      const posix_spawnattr_t *attributes,
      char *const argv[],
      char *const env[]),
     (pid, path, actions, attributes, argv, env),
     meetArgs(path, argv))

/* glibc has no openat2 */
long
syscall(long number, ...)
{
    long (*next)(long, ...) = real("syscall");
    long a[6];
    va_list args;
    int i;

    va_start(args, number);
    for (i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_openat2)
        meetAt("open", (int)a[0], (const char *)a[1]);
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
