/*
 * command.h: running QEMU's tools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GSubprocess does the work; this file adds what a multi-threaded daemon with
 * secrets needs: passphrases and volumes come to the child as descriptors, it
 * inherits no others, makes no core dump and no file that others can read, and
 * it does not run for ever.
 *
 * A volume is opened by us, and the child opens it again by the name that its
 * descriptor has for it (lukshdrCommandFile).  The kernel follows such a name to
 * the open file itself, whatever stands at the volume's path by then: a
 * file swapped for another one or for a symbolic link changes nothing.  The child
 * has an open file description of its own, with its own flags and locks, which
 * QEMU's image locking needs.  Access is checked as if it had been opened by path:
 * AppArmor and SELinux need no rule beside those for the volume itself.
 */

#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#include "secret.h"

/* where a child finds the first passphrase or key, the second, and so on; QEMU's secret object
 * reads them as files */
#define LUKSHDR_COMMAND_SECRET_FILE "/dev/fd/3"
#define LUKSHDR_COMMAND_SECRET_FILE2 "/dev/fd/4"
#define LUKSHDR_COMMAND_SECRET_FILE3 "/dev/fd/5"
#define LUKSHDR_COMMAND_SECRET_FILE4 "/dev/fd/6"
#define LUKSHDR_COMMAND_SECRETS_MAX 4

#define LUKSHDR_COMMAND_FILES_MAX 4

/* What a tool may take beside what was asked of it, seconds: an idle machine needs one or two,
 * and this one may have twenty other things to do, over storage that is just waking up */
#define LUKSHDR_COMMAND_DEADLINE 600

typedef struct _lukshdrCommand lukshdrCommand;
struct _lukshdrCommand {
    const char *const *argv;             /* NULL-terminated; argv[0] is searched in PATH if it
                                          * has no '/' */
    const lukshdrSecret *const *secrets; /* NULL-terminated; NULL for none */
    const int *files; /* open descriptors, ended by -1, that stay the caller's; NULL for none */
    guint deadline;   /* seconds after which it is killed */
    bool progress;    /* the deadline starts anew whenever the child has read or written
                       * something */
    GCancellable *background; /* nobody waits for it: it runs when nothing else wants the processor,
                               * and cancelling this kills it; NULL for all that somebody waits for */
};

/* A command that runs */
typedef struct _lukshdrChild lukshdrChild;
struct _lukshdrChild {
    GSubprocess *process;      /* for its pipes */
    GCancellable *cancellable; /* for all that waits for it: a child that hangs in the kernel
                                * cannot be killed */
    char *program;             /* the rest is this file's */
    GPid pid;
    guint deadline;
    bool progress;
    GThread *watch;
    GMutex lock;
    GCond changed;
    bool ended;
    bool late;
    GCancellable *background;
    gulong handler; /* 0 for none */
    bool stopped;
};

/**
 * lukshdrCommandFile:
 * @index: of a descriptor in a command's files, below LUKSHDR_COMMAND_FILES_MAX
 *
 * Returns: the name by which the child can open that file, static.
 */
const char *
lukshdrCommandFile(guint index);

/**
 * lukshdrCommandSpawn:
 * @command: what to run
 * @flags: which of stdin, stdout, stderr to connect
 * @error: VIR_ERR_SYSTEM_ERROR, naming the program and what to install if it is
 *         missing
 *
 * Starts it and the watch over its deadline, which kills it and all that it has started in its
 * process group.  Its pipes end then.
 *
 * Returns: the running child, ended with lukshdrChildEnd and freed with lukshdrChildFree, or NULL
 * with @error set.
 */
lukshdrChild *
lukshdrCommandSpawn(const lukshdrCommand *command, GSubprocessFlags flags, GError **error);

/**
 * lukshdrCommandRun:
 * @command: what to run
 * @error: as lukshdrCommandSpawn and lukshdrChildEnd
 *
 * Runs a program to its end; stdin is empty, stdout is dropped.
 *
 * Returns: true if it exits with 0, or false with @error set.
 */
bool
lukshdrCommandRun(const lukshdrCommand *command, GError **error);

/**
 * lukshdrChildRead:
 * @child: a child whose stderr is connected
 *
 * Waits until the child closes its stderr, which its end does, or until its deadline.
 *
 * Returns: the beginning of what it wrote there, any bytes, for lukshdrChildEnd; freed with g_free.
 */
char *
lukshdrChildRead(lukshdrChild *child);

/**
 * lukshdrChildEnd:
 * @child: a child
 * @output: what it wrote to stderr, any bytes, or NULL
 * @error: VIR_ERR_OPERATION_TIMEOUT if it was killed at its deadline; VIR_ERR_OPERATION_ABORTED if
 *         it was killed as its background was cancelled; VIR_ERR_OPERATION_FAILED with @output if it
 *         failed or was killed by somebody else
 *
 * Waits for its end.
 *
 * Returns: true if it exited with 0, or false with @error set.
 */
bool
lukshdrChildEnd(lukshdrChild *child, const char *output, GError **error);

/**
 * lukshdrChildFree:
 * @child: a child, killed if it runs; or NULL
 */
void
lukshdrChildFree(lukshdrChild *child);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrChild, lukshdrChildFree)
