/*
 * network.h: which files of this host does a network lead back to?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An image that QEMU reaches over a network protocol may be a file that this host has as well: this
 * host exports it, or has mounted the same share.  This file finds what can be found without asking
 * anybody over the network; docs/trust.md says what it cannot find.
 */

#pragma once

#include <json-glib/json-glib.h>

#include "lookup.h"

/* What is known of this host.  lukshdrQemuNetworkCheck finds it out; tests invent it. */
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
 *         nfs, gluster, iscsi; the function knows nothing of others)
 * @here: what is known of this host
 *
 * - ssh and nfs to this host: the path in @props
 * - nfs and gluster to any host: the file in the same share, where that is mounted here
 * - nbd to this host: the name of the export, if it is a path; and all files that the process that
 *   listens has open or has among its arguments (an exporter opens some files only when a client
 *   comes)
 * - iscsi to this host: the file or device that the kernel's target has behind the unit, or the
 *   files of the process that listens
 *
 * Local I/O only.  Compares host names as they are written and never resolves them.
 *
 * Returns: paths of files of this host that the image may be, as a GPtrArray of char * freed with
 * the array.  The files may not exist.
 */
GPtrArray *
lukshdrQemuNetworkPaths(JsonObject *props, const lukshdrQemuNetworkHere *here);

/**
 * lukshdrQemuNetworkCheck:
 * @host: what this host knows
 * @props: as lukshdrQemuNetworkPaths
 * @error: VIR_ERR_OPERATION_DENIED, naming the file and the volume that it is; as lukshdrQemuLookup
 *
 * Refuses a payload that QEMU would reach over a network: the guest would get it without its header
 * and overwrite the ciphertext, while other guests use it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuNetworkCheck(const lukshdrQemuHost *host, JsonObject *props, GError **error);
