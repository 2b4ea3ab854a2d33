/*
 * file.h: text files that a crash cannot tear and damage cannot hide in
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Registry files and guest records are XML followed by a line
 * "<!-- sha256: HEX -->" over all bytes before it, so that they stay readable
 * and a torn or edited one is noticed.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>
#include <time.h>

/**
 * lukshdrFileWrite:
 * @path: absolute path; its directory is made (0700) if missing
 * @text: content without the digest line
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Temporary file of mode 0600 in the same directory, write, fsync, rename,
 * fsync of the directory: a crash leaves the old content or the new.
 *
 * Returns: true, or false with @error set and the old file in place.
 */
bool
lukshdrFileWrite(const char *path, const char *text, GError **error);

/**
 * lukshdrFileRead:
 * @path: absolute path
 * @text: set to the content without the digest line, freed with g_free; set
 *        also where the digest is wrong (for what can still be learned of it)
 * @error: VIR_ERR_SYSTEM_ERROR (VIR_ERR_OPERATION_INVALID for a digest that is
 *         missing or wrong, or a file longer than LUKSHDR_FILE_MAX)
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrFileRead(const char *path, char **text, GError **error);

/* a link's text is below 64 KiB; a guest has at most some hundred disks */
#define LUKSHDR_FILE_MAX (16 * 1024 * 1024)

/**
 * lukshdrFileRemove:
 * @path: absolute path; that it does not exist is no error
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Removes the file and flushes its directory.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrFileRemove(const char *path, GError **error);

/**
 * lukshdrFileRemoveTemporary:
 * @dir: a directory of files called *.xml; need not be there
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Removes what a crash has left of lukshdrFileWrite. Nobody may be writing in @dir.
 *
 * Returns: true, or false with @error set if one could not be removed.
 */
bool
lukshdrFileRemoveTemporary(const char *dir, GError **error);

/**
 * lukshdrFileSyncDirectory:
 * @dir: path of a directory
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Flushes the names in it: what was made, renamed or removed there stays so after a crash.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrFileSyncDirectory(const char *dir, GError **error);

/**
 * lukshdrFileTime:
 * @ts: a time stamp, as stat(2) gives it
 *
 * Returns: the same in ns since 1970.
 */
gint64
lukshdrFileTime(const struct timespec *ts);

/**
 * lukshdrFileNow:
 *
 * Returns: the time that files made now would bear, or a little later; ns since 1970.
 */
gint64
lukshdrFileNow(void);

/**
 * lukshdrFileIsRacy:
 * @stamp: modification time of a file or directory, ns since 1970
 * @seen: when it was read (lukshdrFileNow)
 *
 * The kernel stamps files with a clock that ticks every 1 to 10 ms, and some file systems store
 * seconds alone (ext4 with inodes of 128 bytes) or two (FAT), so what changed shortly before it
 * was read may change again without a new time stamp (git calls such an index entry "racily
 * clean").
 *
 * Returns: true if what was read must not be taken for all that has this time stamp.
 */
bool
lukshdrFileIsRacy(gint64 stamp, gint64 seen);
