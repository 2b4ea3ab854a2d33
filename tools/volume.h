/*
 * volume.h: what a daemon says of its volumes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Finds volumes by the names that people type, and reads what their XML says of links.
 */

#pragma once

#include "link/volume.h"
#include "tool.h"

typedef enum {
    LUKSHDR_TOOL_ROLE_NONE,
    LUKSHDR_TOOL_ROLE_PAYLOAD,
    LUKSHDR_TOOL_ROLE_HEADER,
    LUKSHDR_TOOL_ROLE_FOUND, /* its label says that it is a header, and the daemon does not follow it */
} lukshdrToolRole;

typedef struct _lukshdrToolName lukshdrToolName;
struct _lukshdrToolName {
    char *pool;
    char *volume;
};

/**
 * lukshdrToolNameNew:
 * @text: POOL/VOLUME, or POOL
 *
 * Returns: the two names, the volume's NULL if @text has none; freed with lukshdrToolNameFree.
 */
lukshdrToolName *
lukshdrToolNameNew(const char *text);

/**
 * lukshdrToolNameFree:
 * @opaque: a lukshdrToolName; a GDestroyNotify
 */
void
lukshdrToolNameFree(void *opaque);

typedef struct _lukshdrToolVolume lukshdrToolVolume;
struct _lukshdrToolVolume {
    virStorageVolPtr vol;
    char *pool;
    char *name;
    char *path;            /* as libvirt has it; not a path on the host where remote is set */
    lukshdrRemote *remote; /* of a volume in an rbd pool: where it is; else NULL */
    char *format;          /* libvirt's name; "raw" for block devices */
    char *backing;         /* path of its backing store, or NULL */
    bool block;
    guint64 capacity;   /* bytes */
    guint64 allocation; /* bytes */
    lukshdrToolRole role;
    char *linkState;   /* of a payload: its link's state where that is not in order, or NULL */
    char *secretUUID;  /* NULL if there is none */
    bool shared;       /* it is a payload, and other payloads use its header, too */
    GPtrArray *others; /* lukshdrToolName *: for a payload, its header and then the replicas;
                        * for a header, its payloads; for FOUND, those that its label names */
};

/**
 * lukshdrToolVolumeNew:
 * @vol: a volume; the function takes a reference
 * @error: libvirt's; VIR_ERR_XML_ERROR
 *
 * Returns: what the daemon says of it now, freed with lukshdrToolVolumeFree, or NULL
 * with @error set.
 */
lukshdrToolVolume *
lukshdrToolVolumeNew(virStorageVolPtr vol, GError **error);

/**
 * lukshdrToolVolumeFree:
 * @volume: what to free, or NULL
 */
void
lukshdrToolVolumeFree(lukshdrToolVolume *volume);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrToolVolume, lukshdrToolVolumeFree)

/**
 * lukshdrToolVolumeWhere:
 * @volume: a volume
 *
 * Returns: its path, or, for an image of a cluster, what lukshdrRemoteKey returns; freed with
 * g_free.
 */
char *
lukshdrToolVolumeWhere(const lukshdrToolVolume *volume);

/**
 * lukshdrToolVolumeIsSource:
 * @volume: a volume
 * @source: <source> of a domain's disk, not NULL
 *
 * Returns: whether the disk is that volume, by pool and name, by path, or by image and servers.
 */
bool
lukshdrToolVolumeIsSource(const lukshdrToolVolume *volume, xmlNode *source);

/**
 * lukshdrToolVolumeOther:
 * @volume: a payload or a header
 *
 * Returns: the first of @volume's others, or NULL.
 */
const lukshdrToolName *
lukshdrToolVolumeOther(const lukshdrToolVolume *volume);

/**
 * lukshdrToolVolumeLookup:
 * @tool: the tool
 * @pool: name of a pool
 * @name: name of a volume
 * @error: libvirt's; LUKSHDR_TOOL_NOT_FOUND if the pool is not active
 *
 * Returns: the volume, freed with lukshdrToolVolumeFree, or NULL with @error set.
 */
lukshdrToolVolume *
lukshdrToolVolumeLookup(lukshdrTool *tool, const char *pool, const char *name, GError **error);

/**
 * lukshdrToolVolumeFind:
 * @tool: the tool
 * @text: POOL/VOLUME, an absolute path where the daemon runs, or the name of a
 *        volume that only one active pool has
 * @error: LUKSHDR_TOOL_NOT_FOUND, for ambiguous names with the candidates; libvirt's
 *
 * Returns: the volume, freed with lukshdrToolVolumeFree, or NULL with @error set.
 */
lukshdrToolVolume *
lukshdrToolVolumeFind(lukshdrTool *tool, const char *text, GError **error);

/**
 * lukshdrToolVolumeFindLinked:
 * @tool: the tool
 * @text: as lukshdrToolVolumeFind; the payload's or the header's name
 * @error: as there; LUKSHDR_TOOL_NO_PLUGIN if the daemon does not know links;
 *         LUKSHDR_TOOL_FAILED if the volume is not linked
 *
 * Returns: the payload of a linked volume, freed with lukshdrToolVolumeFree, or NULL
 * with @error set.
 */
lukshdrToolVolume *
lukshdrToolVolumeFindLinked(lukshdrTool *tool, const char *text, GError **error);

/**
 * lukshdrToolVolumeList:
 * @tool: the tool
 * @pool: name of a pool, or NULL for all that are active
 * @error: libvirt's; LUKSHDR_TOOL_NOT_FOUND
 *
 * Leaves out volumes that vanish meanwhile, and volumes for which the daemon returns no XML.
 *
 * Returns: a GPtrArray of lukshdrToolVolume *, freed with it, or NULL with @error set.
 */
GPtrArray *
lukshdrToolVolumeList(lukshdrTool *tool, const char *pool, GError **error);

/**
 * lukshdrToolHeaderPools:
 * @tool: the tool
 * @volumes: of all pools, as from lukshdrToolVolumeList
 * @error: libvirt's
 *
 * Returns: a set of the names (char *) of the pools that hold headers: pools that say so in
 * their own XML, that an encryption default names, or to which a link leads; NULL with @error
 * set.
 */
GHashTable *
lukshdrToolHeaderPools(lukshdrTool *tool, GPtrArray *volumes, GError **error);
