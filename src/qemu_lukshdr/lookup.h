/*
 * lookup.h: whose is what a guest is about to get, and may it have that?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one place where the QEMU half asks the link registry and the header pools.  It is asked
 * twice: for the XML that clients send (client-xml.h), and, as the last word, for every image of
 * every disk before a guest gets it (prepare.c).  Does not call libvirt, but by the two functions that
 * its caller lends it.
 */

#pragma once

#include "link/header-pools.h"
#include "link/registry.h"

/* What this host knows of links and secrets */
typedef struct _lukshdrQemuHost lukshdrQemuHost;
struct _lukshdrQemuHost {
    bool privileged; /* the daemon runs as root */
    lukshdrRegistry *registry;
    lukshdrHeaderPools *headerPools;
    /* UUID of the secret of that usage (type 'volume'), freed with g_free; NULL if there is none */
    char *(*secretByUsage)(const char *usage);
    /* false only if there certainly is no secret of that UUID */
    bool (*secretExists)(const char *uuid);
};

/**
 * lukshdrQemuLookup:
 * @host: what this host knows
 * @path: file or block device that a guest is about to open
 * @link: set to the link (a reference) if it is a payload, to NULL if it is nothing to us
 * @error: as lukshdrRecognise and lukshdrHeaderPoolsFind; VIR_ERR_OPERATION_DENIED if it
 *         is a header volume, or in a declared header pool
 *
 * A header volume is nobody's disk: the guest could read and replace the key material.  Nor is
 * anything else in a declared header pool but the payloads of links.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuLookup(const lukshdrQemuHost *host,
                  const char *path,
                  lukshdrLink **link,
                  GError **error);

/**
 * lukshdrQemuLookupRemote:
 * @host: what this host knows
 * @remote: where the image of a cluster is that a guest is about to get
 * @link: as lukshdrQemuLookup
 * @error: as lukshdrQemuLookup
 *
 * As lukshdrQemuLookup.  May ask the cluster, which has a deadline.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuLookupRemote(const lukshdrQemuHost *host,
                        const lukshdrRemote *remote,
                        lukshdrLink **link,
                        GError **error);

/**
 * lukshdrQemuLookupRemoteNamed:
 * @link: the link of a payload
 * @remote: how a domain names it
 * @secret: UUID of the secret that the domain names for it, or NULL
 * @error: VIR_ERR_OPERATION_DENIED, naming the volume and what to do
 *
 * As lukshdrQemuLookupNamed.  The ids that a cluster gives its images are the cluster's word: by other
 * servers than those recorded they can lead to a copy that somebody else made.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuLookupRemoteNamed(const lukshdrLink *link,
                             const lukshdrRemote *remote,
                             const char *secret,
                             GError **error);

/**
 * lukshdrQemuLookupNamed:
 * @host: what this host knows
 * @link: the link of a payload
 * @path: how a domain names it
 * @secret: UUID of the secret that the domain names for it, or NULL
 * @error: VIR_ERR_OPERATION_DENIED, naming the volume and what to do
 *
 * Anybody who may write to a directory of disks can lay a link to another guest's payload there, or
 * exchange two files.  So a payload is unlocked only for who means it: @path is its own
 * name (lukshdrHandleIsOwnName), or @secret is its secret.  Where @path is the own name of another linked
 * volume, the files were exchanged, and the secret, which both may have, says nothing.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuLookupNamed(const lukshdrQemuHost *host,
                       const lukshdrLink *link,
                       const char *path,
                       const char *secret,
                       GError **error);

/**
 * lukshdrQemuLookupDirectory:
 * @host: what this host knows
 * @dir: path of a directory that a guest is about to get as a FAT file system (vvfat)
 * @error: VIR_ERR_OPERATION_DENIED, VIR_ERR_OPERATION_INVALID
 *
 * The guest would read every file below it, and might write to them.  Files that symbolic links in
 * it lead to elsewhere are not looked for.
 *
 * Returns: true if it holds no volume of a link (payload, header, replica) and no header pool; false
 * with @error set.
 */
bool
lukshdrQemuLookupDirectory(const lukshdrQemuHost *host, const char *dir, GError **error);
