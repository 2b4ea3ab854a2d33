/*
 * rbd.h: an image of a Ceph cluster, asked through librbd
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Nothing is written here: which image it is, who else has it open, what hangs on it.
 * librbd is loaded when the first image is asked for, so that a host without Ceph need not have
 * it.  The cluster answers within a deadline or counts as not answering (LUKSHDR_RBD_TIMEOUT):
 * no function here is called with a lock held.
 */

#pragma once

#include "volume.h"
#include "util/secret.h"

/* How long a cluster may take over one request, seconds.  Half of what libvirt's own storage driver
 * gives it (storage_backend_rbd.c), since more than one request follows the other. */
#define LUKSHDR_RBD_TIMEOUT "15"

/**
 * lukshdrRBDKeySource:
 * @uuid: UUID of a libvirt secret of usage type ceph
 * @error: VIR_ERR_NO_SECRET; of whoever keeps the secrets
 *
 * How the process that this code runs in gets the key of a Ceph user, as the system.
 *
 * Returns: the key's bytes, to be freed with lukshdrSecretFree, or NULL with @error set.
 */
typedef lukshdrSecret *(*lukshdrRBDKeySource)(const char *uuid, GError **error);

/**
 * lukshdrRBDSetKeySource:
 * @source: asked for keys from now on
 *
 * Called once, before there are other threads.
 */
void
lukshdrRBDSetKeySource(lukshdrRBDKeySource source);

typedef struct _lukshdrRBD lukshdrRBD;

/**
 * lukshdrRBDOpen:
 * @remote: where the image is; of kind RBD
 * @recorded: what it was when it was linked, or NULL: an image that has been renamed since is found
 *            by its id, where there is none of its name
 * @error: VIR_ERR_NO_STORAGE_VOL if the cluster has no such image; VIR_ERR_OPERATION_TIMEOUT if it
 *         does not answer; VIR_ERR_AUTH_FAILED; VIR_ERR_OPERATION_UNSUPPORTED without librbd, for
 *         images of format 1, which have no id, and for a user with a key where there is no key source; of
 *         the key source
 *
 * Opens the image for reading alone, in a connection of its own.
 *
 * Returns: the open image, ended with lukshdrRBDClose, or NULL with @error set.
 */
lukshdrRBD *
lukshdrRBDOpen(const lukshdrRemote *remote, const lukshdrIdentity *recorded, GError **error);

/**
 * lukshdrRBDClose:
 * @rbd: an open image, or NULL
 */
void
lukshdrRBDClose(lukshdrRBD *rbd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrRBD, lukshdrRBDClose)

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
 * Who has an image open watches it (rbd(8), "rbd status").
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRBDCheckUnused(const lukshdrRBD *rbd, GError **error);

/**
 * lukshdrRBDCheckRemovable:
 * @rbd: an open image
 * @error: VIR_ERR_OPERATION_INVALID if it has snapshots: the message names one; as
 *         lukshdrRBDOpen
 *
 * The cluster removes no image that has snapshots, and they keep what was in it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRBDCheckRemovable(const lukshdrRBD *rbd, GError **error);
