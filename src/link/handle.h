/*
 * handle.h: an open volume that is the recorded one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between a look at a path and the next use of it anybody who may write to the
 * directory can put something else there: a symbolic link to root's files, another
 * guest's disk, a FIFO.  So a volume is opened once, compared with what is
 * recorded of it, and then read, written, formatted, copied and erased by
 * descriptor alone.
 */

#pragma once

#include <fcntl.h>

#include "remote-handle.h"
#include "volume.h"

/* What a header volume must hold, label included (label.h) */
#define LUKSHDR_HEADER_VOLUME_SIZE (4 * 1024 * 1024)

typedef enum {
    LUKSHDR_HANDLE_READ = 0,
    /* for writing as well; without this, nothing can be changed by way of the handle */
    LUKSHDR_HANDLE_WRITE = 1 << 0,
    /* where writing is not allowed, for reading: lukshdrHandle.denied says why */
    LUKSHDR_HANDLE_PERHAPS_WRITE = 1 << 1,
    /* its identity is not recorded yet: whatever stands there, it has just been made */
    LUKSHDR_HANDLE_NEW = 1 << 2,
    /* the caller judges by the content: lukshdrHandle.match says whether it is the recorded one */
    LUKSHDR_HANDLE_ANY = 1 << 3,
    /* a header volume, whose bytes are read or written: one without a path gets a descriptor, too */
    LUKSHDR_HANDLE_HEADER = 1 << 4,
} lukshdrHandleFlags;

typedef struct _lukshdrHandle lukshdrHandle;
struct _lukshdrHandle {
    /* of the volume, and of nothing else; of one without a path: of a file in memory with its first
     * LUKSHDR_HEADER_VOLUME_SIZE bytes, which lukshdrHandleCommit brings to the volume, or -1 without
     * LUKSHDR_HANDLE_HEADER */
    int fd;
    lukshdrRemoteHandle *remote; /* of a volume without a path; else NULL */
    guint8 *stored; /* what @remote has of what is in @fd, if it may be written to; else NULL */
    gsize len;      /* of @stored, bytes */
    int denied;     /* errno of opening it for writing, or 0 */
    lukshdrIdentity identity;   /* what was opened */
    lukshdrIdentityMatch match; /* with what is recorded; DIFFERENT if nothing is */
};

/**
 * lukshdrHandleOpen:
 * @vol: a volume
 * @flags: lukshdrHandleFlags
 * @error: VIR_ERR_NO_STORAGE_VOL if there is nothing at its path; VIR_ERR_OPERATION_INVALID if
 *         something else is, naming both; VIR_ERR_OPERATION_UNSUPPORTED for a volume without
 *         a path that is to be written to and no header, and for what is neither a regular file nor a block device; VIR_ERR_SYSTEM_ERROR; as lukshdrRemoteHandleOpen
 *
 * Directories on the way may be symbolic links, which the administrator makes.  The last
 * component may not: but below /dev, in a directory that only root may write to, where it is a
 * name that udev gave a block device and must lead to one.  What stands there is looked at before it is
 * opened: a FIFO, a tape or a watchdog is not touched.  No call here waits for another process,
 * but for a Ceph cluster as long as lukshdrRemoteHandleOpen does.
 *
 * Where it is uncertain whether something is the recorded volume (a file system that was mounted
 * again, a block device without a lasting name), it is taken for it: the recorded path is the second
 * witness.
 *
 * Returns: the handle, ended with lukshdrHandleClose, or NULL with @error set and nothing touched.
 */
lukshdrHandle *
lukshdrHandleOpen(const lukshdrVolume *vol, unsigned int flags, GError **error);

/**
 * lukshdrHandleOpenPath:
 * @path: absolute path of a volume that no link has
 * @flags: LUKSHDR_HANDLE_READ, _WRITE or _PERHAPS_WRITE
 * @error: as lukshdrHandleOpen
 *
 * As lukshdrHandleOpen with LUKSHDR_HANDLE_NEW.
 *
 * Returns: as lukshdrHandleOpen.
 */
lukshdrHandle *
lukshdrHandleOpenPath(const char *path, unsigned int flags, GError **error);

/**
 * lukshdrHandleCommit:
 * @handle: a header volume, open for writing
 * @error: as lukshdrRemoteHandleWrite
 *
 * What was written to a header volume without a path, by descriptor, has changed nothing but memory until
 * this function brings it there.  It writes the blocks that differ from the last to the first, and flushes
 * each before the next.  So the label's second slot is whole before its first is touched (label.h), as with
 * a file, and a crash leaves the old label or the new one.  Of a file or a block device there is nothing to
 * do.
 *
 * Returns: true, or false with @error set, and some blocks written.
 */
bool
lukshdrHandleCommit(lukshdrHandle *handle, GError **error);

/**
 * lukshdrHandleMendMode:
 * @handle: a header volume
 * @error: VIR_ERR_SYSTEM_ERROR; callers put in front which header it is
 *
 * A header that cryptsetup saved (luksHeaderBackup) has mode 0400, and QEMU's user, who becomes the owner, opens it for
 * writing.  Lets the owner of a file read and write, and leaves all else as it is; of what is no file, all.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrHandleMendMode(const lukshdrHandle *handle, GError **error);

/**
 * lukshdrHandleGrow:
 * @handle: a header volume, open for writing
 * @error: VIR_ERR_OPERATION_INVALID if it is a block device that is too small; VIR_ERR_SYSTEM_ERROR; as
 *         lukshdrRemoteHandleGrow
 *
 * Makes a file as long as a header volume must be, and allocates all of it.  QEMU's tools and cryptsetup
 * make a file only as long as the LUKS header.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrHandleGrow(lukshdrHandle *handle, GError **error);

/**
 * lukshdrHandleTryLock:
 * @handle: a header volume, open for writing
 * @lock: what of a file shall be locked; set to who has it, if @held
 * @held: set to whether somebody else has it
 * @error: VIR_ERR_SYSTEM_ERROR; as lukshdrRemoteHandleLock
 *
 * A file's bytes are locked for this handle, an image as a whole.  Of an image, what @handle's descriptor
 * has is read anew: the holder before us may have changed it.
 *
 * Returns: true with the lock taken or @held set, or false with @error set.
 */
bool
lukshdrHandleTryLock(lukshdrHandle *handle, struct flock *lock, bool *held, GError **error);

/**
 * lukshdrHandleClose:
 * @handle: a handle, or NULL
 *
 * Closes the volume, which gives locks on it back.
 */
void
lukshdrHandleClose(lukshdrHandle *handle);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrHandle, lukshdrHandleClose)

/**
 * lukshdrHandleIsOwnName:
 * @vol: a volume of a link
 * @path: absolute path by which somebody names a file or block device
 *
 * A volume is called by its own name if @path leads through whatever directories to the very name
 * in the very directory that is recorded, and that is no symbolic link; below /dev links are followed, as by
 * lukshdrHandleOpen.  Says nothing of what stands there.
 *
 * Returns: whether @path is @vol's own name.
 */
bool
lukshdrHandleIsOwnName(const lukshdrVolume *vol, const char *path);

/**
 * lukshdrHandleIsOtherName:
 * @vol: a volume of a link
 * @path: absolute path by which somebody names it
 *
 * Is @path one name more of the file that stands at @vol's own name: a hard link, or a symbolic link to it?  If @path is
 * removed, the volume stays.  A directory that is reached by another path (a second pool over it, a bind mount) has
 * the same names in it, so that is none.
 *
 * Returns: true if both lead to the same file, and are different entries; false also if that cannot be told.
 */
bool
lukshdrHandleIsOtherName(const lukshdrVolume *vol, const char *path);
