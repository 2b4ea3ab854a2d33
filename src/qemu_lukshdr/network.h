/*
 * network.h: which files of this host does a network lead back to?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A guest's image that QEMU reaches over a protocol may be a file that this host has as well: its
 * own export, or a share that is mounted here.  What can be told without asking anybody over
 * the network is told; docs/security.md says what cannot.
 */

#pragma once

#include <json-glib/json-glib.h>

#include "lookup.h"

/* What is known of this host; lukshdrQemuNetworkCheck finds it out, tests make it up */
typedef struct _lukshdrQemuNetworkHere lukshdrQemuNetworkHere;
struct _lukshdrQemuNetworkHere {
    GStrv names;           /* of this host: names and numerical addresses */
    const char *mountinfo; /* text of mountinfo (proc_pid_mountinfo(5)) */
    const char *proc;      /* where the proc file system is */
    const char *configfs;  /* where the kernel's targets are described (LIO) */
};

/**
 * lukshdrQemuNetworkPaths:
 * @props: what QEMU would open, as the options of a block node of a network protocol (ssh, nbd,
 *         nfs, gluster, iscsi; of others nothing is known)
 * @here: what is known of this host
 *
 * - ssh and nfs to this host: the path that is asked for
 * - nfs and gluster to anywhere: where the same share is mounted here
 * - nbd to this host: an export that is called by a path; and all files that the process which listens
 *   has open, or was given as an argument (an exporter opens some files only when a client comes)
 * - iscsi to this host: what the kernel's target says is behind the unit, or the files of the process that
 *   listens
 *
 * Local I/O only; a name is compared as it is written, and never resolved.
 *
 * Returns: paths of files of this host that the image may be, which need not exist, as a GPtrArray of char *
 * freed with the array.
 */
GPtrArray *
lukshdrQemuNetworkPaths(JsonObject *props, const lukshdrQemuNetworkHere *here);

/**
 * lukshdrQemuNetworkCheck:
 * @host: what this host knows
 * @props: as lukshdrQemuNetworkPaths
 * @error: VIR_ERR_OPERATION_DENIED, naming the file and the volume that it is; as lukshdrQemuLookup
 *
 * A payload over a network has no header, so a guest would overwrite it, while others use it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuNetworkCheck(const lukshdrQemuHost *host, JsonObject *props, GError **error);
