/*
 * io.h: reading and writing all of something, at a place
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pread and pwrite may do less than they were asked to, and may be interrupted.  Callers of
 * these functions see only success or failure.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * lukshdrIORead:
 * @fd: open for reading, with a position (no pipe)
 * @buf: where the bytes go
 * @len: how many
 * @offset: where they are, bytes from the start
 * @error: VIR_ERR_SYSTEM_ERROR with what the kernel said, no more: callers put in front what
 *         they read
 *
 * Returns: how many bytes were read, fewer than @len only where the file or device ends; -1 with
 * @error set.
 */
gssize
lukshdrIORead(int fd, void *buf, gsize len, guint64 offset, GError **error);

/**
 * lukshdrIOReadAll:
 * @fd: as lukshdrIORead
 * @buf: as lukshdrIORead
 * @len: as lukshdrIORead
 * @offset: as lukshdrIORead
 * @error: as lukshdrIORead, and VIR_ERR_SYSTEM_ERROR if the file or device ends before
 *
 * Returns: true with all @len bytes read, or false with @error set.
 */
bool
lukshdrIOReadAll(int fd, void *buf, gsize len, guint64 offset, GError **error);

/**
 * lukshdrIOWrite:
 * @fd: open for writing, with a position (no pipe)
 * @buf: the bytes
 * @len: how many
 * @offset: where they go, bytes from the start
 * @error: VIR_ERR_SYSTEM_ERROR with what the kernel said, no more; a device that takes no more
 *         bytes is "No space left on device"
 *
 * Does not flush.
 *
 * Returns: true with all @len bytes written, or false with @error set and some of them written.
 */
bool
lukshdrIOWrite(int fd, const void *buf, gsize len, guint64 offset, GError **error);

/**
 * lukshdrIOSync:
 * @fd: a file or a block device
 * @error: VIR_ERR_SYSTEM_ERROR with what the kernel said, no more
 *
 * Returns: true with all that was written on the medium, or false with @error set.
 */
bool
lukshdrIOSync(int fd, GError **error);

/**
 * lukshdrIOMemory:
 * @name: what the kernel calls it, for a person who looks
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Makes a file in memory, empty, for code and tools that work by descriptor.  It is closed in programs that this one
 * runs, cannot be run itself (from Linux 6.3 on), and can be sealed.
 *
 * Returns: its descriptor, for reading and writing, closed by the caller; -1 with @error set.
 */
int
lukshdrIOMemory(const char *name, GError **error);

/**
 * lukshdrIOIsZero:
 * @fd: open for reading, with a position (no pipe)
 * @len: how much of it to look at, bytes
 *
 * Holes cost nothing.
 *
 * Returns: true if the first @len bytes, or all of them if there are fewer, are zero; false if any is not, or
 * if that cannot be found out.
 */
bool
lukshdrIOIsZero(int fd, guint64 len);
