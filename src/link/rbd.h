/*
 * rbd.h: an image of a Ceph cluster, asked through librbd
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which image it is, who else has it open, what hangs on it, and the bytes of header volumes.
 * librbd is loaded when the first image is asked for, so that a host without Ceph need not have
 * it.  The cluster answers within a deadline or counts as not answering (LUKSHDR_RBD_TIMEOUT):
 * no function here is called with a lock held.
 */

#pragma once

#include "volume.h"

/* How long a cluster may take over one request, seconds.  Half of what libvirt's own storage driver
 * gives it (storage_backend_rbd.c), since more than one request follows the other. */
#define LUKSHDR_RBD_TIMEOUT "15"

/* What an operation has of connections; lukshdrRBDOperationBegin */
typedef struct {
    bool begun;
} lukshdrRBDOperation;

/**
 * lukshdrRBDOperationBegin:
 *
 * Until lukshdrRBDOperationEnd, all images that the calling thread opens with the same servers, user and
 * secret are opened in one connection, and once a cluster has not answered, it counts as not answering:
 * nobody waits for it a second time.  To connect takes some 20 ms, and several deadlines in a row
 * add up.  With the operation the connection ends, so that the next one asks for the key again.  Operations
 * within an operation belong to it.  No lock is needed: a thread has its own.
 *
 * Returns: what lukshdrRBDOperationEnd needs; by g_auto(lukshdrRBDOperation) that is called at the end of
 * the block.
 */
lukshdrRBDOperation
lukshdrRBDOperationBegin(void);

/**
 * lukshdrRBDOperationEnd:
 * @operation: of this thread, the innermost one
 *
 * Images may still be open; the connection ends with the last one.
 */
void
lukshdrRBDOperationEnd(lukshdrRBDOperation *operation);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrRBDOperation, lukshdrRBDOperationEnd)

typedef struct _lukshdrRBD lukshdrRBD;

/**
 * lukshdrRBDOpen:
 * @remote: where the image is; of kind RBD
 * @recorded: what it was when it was linked, or NULL: an image that has been renamed since is found
 *            by its id, where there is none of its name
 * @writable: whether it is to be written to
 * @error: VIR_ERR_NO_STORAGE_VOL if the cluster has no such image; VIR_ERR_OPERATION_TIMEOUT if it
 *         does not answer; VIR_ERR_AUTH_FAILED; VIR_ERR_OPERATION_UNSUPPORTED without librbd, for
 *         images of format 1, which have no id; VIR_ERR_OPERATION_INVALID if it is to be written to
 *         and has a lock that was set by hand; as lukshdrAuthGet
 *
 * Opens the image in the operation's connection to its cluster; outside of an operation
 * (lukshdrRBDOperationBegin) in one of its own.
 *
 * Returns: the open image, ended with lukshdrRBDClose, or NULL with @error set.
 */
lukshdrRBD *
lukshdrRBDOpen(const lukshdrRemote *remote,
               const lukshdrIdentity *recorded,
               bool writable,
               GError **error);

/**
 * lukshdrRBDClose:
 * @rbd: an open image, or NULL
 */
void
lukshdrRBDClose(lukshdrRBD *rbd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrRBD, lukshdrRBDClose)

/**
 * lukshdrRBDList:
 * @remote: where an image is, or was
 * @error: as lukshdrRBDOpen
 *
 * Asks at once which images there are in its pool and namespace; those in the trash do not count.
 *
 * Returns: a set of the ids that lukshdrRBDIdentity has for them (char *), to be unreffed; NULL with @error
 * set.
 */
GHashTable *
lukshdrRBDList(const lukshdrRemote *remote, GError **error);

/**
 * lukshdrRBDIdentity:
 * @rbd: an open image
 * @identity: set to what it is: the cluster's fsid, the pool's id, the namespace, the image's id,
 *            and its size
 */
void
lukshdrRBDIdentity(const lukshdrRBD *rbd, lukshdrIdentity *identity);

/**
 * lukshdrRBDIsUnwritten:
 * @before: an image as it was opened first
 * @now: the same image, opened after it was read
 *
 * The cluster notes when an image was last written to, but not again for a minute
 * (rbd_mtime_update_interval): a write that follows so soon on one from before is missed.
 *
 * Returns: whether nobody has written to it in between, so far as the cluster has noted.
 */
bool
lukshdrRBDIsUnwritten(const lukshdrRBD *before, const lukshdrRBD *now);

/**
 * lukshdrRBDConfig:
 * @timeout: seconds after which a cluster that does not answer has failed
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * The host's ceph.conf with that deadline, for a program that has its own librados: such a client waits
 * for ever, and talks so much meanwhile that nobody can tell by that whether it gets on.
 *
 * Returns: a descriptor of a file without a name, or -1 with @error set.
 */
int
lukshdrRBDConfig(guint timeout, GError **error);

/**
 * lukshdrRBDCheckUnused:
 * @rbd: an open image
 * @error: VIR_ERR_OPERATION_INVALID if somebody else, on any host, has the image open: the
 *         message has the address; as lukshdrRBDOpen
 *
 * Who has an image open watches it (rbd(8), "rbd status").  This process does not count: who works on a
 * volume in other threads of it is known to storage_backend_lukshdr/busy.h.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRBDCheckUnused(const lukshdrRBD *rbd, GError **error);

/**
 * lukshdrRBDFindSnapshot:
 * @rbd: an open image
 * @name: set to the name of a snapshot of it, freed with g_free; to NULL if there is none
 * @error: as lukshdrRBDOpen
 *
 * Snapshots keep what was in an image, whatever is written to it afterwards.  The cluster removes no image
 * that has some.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRBDFindSnapshot(const lukshdrRBD *rbd, char **name, GError **error);

/**
 * lukshdrRBDCheckRemovable:
 * @rbd: an image that is open for reading alone
 * @purge: whether its snapshots are to go as well
 * @error: VIR_ERR_OPERATION_INVALID, naming a snapshot, and the clone that needs it; as lukshdrRBDOpen
 *
 * Returns: true if libvirt's storage driver can remove it: it has no snapshots, or, with @purge, those that
 * a user has made and no image was cloned from; or false with @error set.
 */
bool
lukshdrRBDCheckRemovable(const lukshdrRBD *rbd, bool purge, GError **error);

/**
 * lukshdrRBDRead:
 * @rbd: an open image
 * @buf: where the bytes go
 * @len: how many
 * @offset: where they are, bytes from the start
 * @error: as lukshdrRBDOpen
 *
 * Returns: how many bytes were read, fewer than @len only where the image ends; -1 with @error set.
 */
gssize
lukshdrRBDRead(const lukshdrRBD *rbd, void *buf, gsize len, guint64 offset, GError **error);

/**
 * lukshdrRBDWrite:
 * @rbd: an image that is open for writing
 * @buf: the bytes
 * @len: how many; the image is long enough for them
 * @offset: where they go, bytes from the start
 * @error: as lukshdrRBDOpen
 *
 * Does not flush.
 *
 * Returns: true with all @len bytes written, or false with @error set and some of them written.
 */
bool
lukshdrRBDWrite(lukshdrRBD *rbd, const void *buf, gsize len, guint64 offset, GError **error);

/**
 * lukshdrRBDFlush:
 * @rbd: an image that is open for writing
 * @error: as lukshdrRBDOpen
 *
 * Returns: true with all that was written in the cluster, or false with @error set.
 */
bool
lukshdrRBDFlush(lukshdrRBD *rbd, GError **error);

/**
 * lukshdrRBDGrow:
 * @rbd: an image that is open for writing
 * @size: how long it must be at least, bytes
 * @error: as lukshdrRBDOpen
 *
 * Never makes an image shorter.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRBDGrow(lukshdrRBD *rbd, guint64 size, GError **error);

/**
 * lukshdrRBDLock:
 * @rbd: an image that is open for writing
 * @held: set to whether somebody else has it
 * @error: VIR_ERR_OPERATION_UNSUPPORTED if the image has no feature exclusive-lock; as lukshdrRBDOpen
 *
 * Takes the image's exclusive lock, and does not give it up when another client asks for it.  The cluster
 * takes it from a client that has died.  Closing @rbd gives it back.
 *
 * Returns: true with the lock taken or @held set, or false with @error set.
 */
bool
lukshdrRBDLock(lukshdrRBD *rbd, bool *held, GError **error);
