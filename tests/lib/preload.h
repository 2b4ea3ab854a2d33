/*
 * preload.h: what crashpoint.c and swap.c have in common: functions of libc's that are ours
 * first, and the paths that they are called with
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Room for a directory's path and a name in it */
#define PATH_ROOM (2 * PATH_MAX)

static inline void *
real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* Sets @path to what /proc says of descriptor @fd, or to "".  Leaves errno alone. */
static inline void
pathOfFD(int fd, char path[PATH_ROOM])
{
    char name[64];
    int saved = errno;
    ssize_t len;

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    len = syscall(SYS_readlinkat, AT_FDCWD, name, path, PATH_MAX - 1);
    path[len < 0 ? 0 : len] = '\0';
    errno = saved;
}

/* Sets @whole to @path, which may begin at directory @fd */
static inline void
pathAt(int fd, const char *path, char whole[PATH_ROOM])
{
    whole[0] = '\0';
    if (fd != AT_FDCWD && path[0] != '/') {
        pathOfFD(fd, whole);
        strcat(whole, "/");
    }
    strncat(whole, path, PATH_ROOM - 1 - strlen(whole));
}

/* WRAP(result, name, (parameters), (arguments), what to do before) */
#define WRAP(type, name, parameters, arguments, before) \
    type name parameters; \
    type name parameters \
    { \
        type(*next) parameters = real(#name); \
        before; \
        return next arguments; \
    }

/* The functions that open files.  The variants with a number are what glibc's headers make of those
 * without a mode when they check arguments. */
#define WRAP_OPEN(name, before) \
    int name(const char *path, int flags, ...); \
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
        before; \
        return next(path, flags, mode); \
    }

#define WRAP_OPENAT(name, before) \
    int name(int fd, const char *path, int flags, ...); \
    int name(int fd, const char *path, int flags, ...) \
    { \
        int (*next)(int, const char *, int, ...) = real(#name); \
        mode_t mode = 0; \
        va_list args; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_start(args, flags); \
            mode = va_arg(args, mode_t); \
            va_end(args); \
        } \
        before; \
        return next(fd, path, flags, mode); \
    }

#define WRAP_OPENS(before, beforeAt) \
    WRAP_OPEN(open, before) \
    WRAP_OPEN(open64, before) \
    WRAP_OPEN(__open_2, before) \
    WRAP_OPEN(__open64_2, before) \
    WRAP_OPENAT(openat, beforeAt) \
    WRAP_OPENAT(openat64, beforeAt) \
    WRAP_OPENAT(__openat_2, beforeAt) \
    WRAP_OPENAT(__openat64_2, beforeAt)
