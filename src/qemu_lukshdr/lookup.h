/*
 * lookup.h: does an image belong to a link, and may a guest have it?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * This is the one place where the QEMU half asks the link registry and the header pools.  Its
 * callers ask twice: for the XML that clients send (client-xml.h), and, as the last word, for
 * every image of every disk before a guest gets it (prepare.c).  It calls libvirt only through
 * the two functions that its caller gives it.
 */

#pragma once

#include "link/header-pools.h"
#include "link/recognise.h"
#include "link/registry.h"

/* What this host knows of links and secrets */
typedef struct _lukshdrQemuHost lukshdrQemuHost;
struct _lukshdrQemuHost {
    bool privileged; /* the daemon runs as root */
    lukshdrRegistry *registry;
    char *decryptedDir; /* link/decrypted.h; NULL: none */
    lukshdrHeaderPools *headerPools;
    /* the UUID of the secret with that usage (type 'volume'), freed with g_free; NULL if none has
     * it */
    char *(*secretByUsage)(const char *usage);
    /* false only if it is certain that no secret has that UUID */
    bool (*secretExists)(const char *uuid);
};

/**
 * lukshdrQemuLookupJudge:
 * @found: what an image is that a domain names as a disk
 * @where: how the domain names it
 * @link: set to the link (a reference) if @found is a payload
 * @error: VIR_ERR_OPERATION_DENIED if it is a header volume, with the linked volume to use
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuLookupJudge(const lukshdrRecognised *found,
                       const char *where,
                       lukshdrLink **link,
                       GError **error);

/**
 * lukshdrQemuLookup:
 * @host: what this host knows
 * @path: file or block device that a guest is about to open
 * @link: set to the link (a reference) if it is a payload, to NULL if it belongs to no link
 * @error: as lukshdrRecognise and lukshdrHeaderPoolsFind; VIR_ERR_OPERATION_DENIED if it
 *         is a header volume, or in a declared header pool
 *
 * A header volume cannot be a disk: the guest could read and replace the key material.  Of all
 * that is in a declared header pool, only payloads of links can be disks.
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
 * @remote: where the image is, in a cluster, that a guest is about to get
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
 * As lukshdrQemuLookupNamed.  Only the cluster vouches for the ids of its images.  Servers other
 * than those recorded may answer with the same ids for a copy that somebody else made.
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
 * Anybody who may write to a directory of disks can put a symbolic link to another guest's payload
 * there, or exchange two files.  So a domain gets a payload only if it means that payload: @path is
 * the payload's own name (lukshdrHandleIsOwnName), or @secret is its secret.  If @path is the own
 * name of another linked volume, somebody has exchanged the files.  Then the secret proves nothing,
 * since both volumes may have the same.
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
 * The guest would read every file below the directory, and might write to them.  The function does
 * not follow symbolic links in the directory.
 *
 * Returns: true if it holds no volume of a link (payload, header, replica) and no header pool;
 * false with @error set.
 */
bool
lukshdrQemuLookupDirectory(const lukshdrQemuHost *host, const char *dir, GError **error);
