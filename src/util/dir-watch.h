/*
 * dir-watch.h: what has changed in a directory of small files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For caches of files in one directory that other processes write, too.  The kernel queues an
 * event before the call that made the change returns (inotify(7)), so a reader that drains the queue
 * before it answers has seen whatever was finished before it was asked.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct _lukshdrDirWatch lukshdrDirWatch;

typedef enum {
    LUKSHDR_DIR_WATCH_FAILED,  /* the directory cannot be examined; errno is set */
    LUKSHDR_DIR_WATCH_MISSING, /* there is no such directory */
    LUKSHDR_DIR_WATCH_SAME,    /* nothing has changed since the last call */
    LUKSHDR_DIR_WATCH_SOME,    /* no other files than those named may have changed */
    LUKSHDR_DIR_WATCH_ALL,     /* any file may have changed: look at each */
} lukshdrDirWatchVerdict;

/**
 * lukshdrDirWatchNew:
 * @dir: absolute path of a directory; need not exist
 *
 * Returns: a watch for use by one thread at a time, freed with lukshdrDirWatchFree.  Nothing is
 * opened before the first lukshdrDirWatchNext.
 */
lukshdrDirWatch *
lukshdrDirWatchNew(const char *dir);

/**
 * lukshdrDirWatchFree:
 * @watch: a watch, or NULL
 */
void
lukshdrDirWatchFree(lukshdrDirWatch *watch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrDirWatch, lukshdrDirWatchFree)

/**
 * lukshdrDirWatchNext:
 * @watch: a watch
 * @names: a set of char * that owns its keys (GHashTable); the names of files that were made,
 *         changed, renamed or removed are added to it
 *
 * Never waits.  Says ALL at first, when the directory is another one, when the kernel's queue has
 * overflowed, and, by the directory's modification time (lukshdrFileIsRacy), whenever there can be no
 * events to rely on: without inotify, and on file systems that other hosts may write to.
 *
 * Returns: what to look at.
 */
lukshdrDirWatchVerdict
lukshdrDirWatchNext(lukshdrDirWatch *watch, GHashTable *names);

/**
 * lukshdrDirWatchForget:
 * @watch: a watch
 *
 * What the last call named could not be read: the next says ALL.
 */
void
lukshdrDirWatchForget(lukshdrDirWatch *watch);

/**
 * lukshdrDirWatchFollows:
 * @watch: a watch
 *
 * Returns: true if single changes are told, also those of files that are written to in place; false if
 * only that names in the directory have changed is noticed.
 */
bool
lukshdrDirWatchFollows(const lukshdrDirWatch *watch);
