/*
 * volume.h: a volume of a link: where it is, what libvirt calls it, which it is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names and paths say where to look, and prove nothing: anybody who may write to
 * a directory can put something else there.  The identity says which volume it
 * is.  What is read or written is opened by handle.h, which compares the two.
 */

#pragma once

#include "identity.h"

/* How a volume is reached */
typedef enum {
    LUKSHDR_LOCATION_NONE,  /* it does not exist yet, or nobody here has seen it */
    LUKSHDR_LOCATION_PATH,  /* a file or a block device of this host */
    LUKSHDR_LOCATION_RBD,   /* an image of a Ceph cluster */
    LUKSHDR_LOCATION_ISCSI, /* a unit of an iSCSI target, which QEMU opens by itself */
} lukshdrLocationKind;

/* Where a volume is that has no path on this host */
typedef struct _lukshdrRemote lukshdrRemote;
struct _lukshdrRemote {
    lukshdrLocationKind kind; /* RBD or ISCSI */
    GStrv servers;    /* "HOST:PORT" or "HOST", in libvirt's order; may be empty, not NULL */
    char *name;       /* as libvirt's <source name=''>: POOL/IMAGE, IQN/LUN */
    char *user;       /* name to authenticate with, or NULL */
    char *secretUUID; /* of the libvirt secret with that user's key, or NULL */
    char *initiator;  /* ISCSI: IQN by which this host calls itself, or NULL for QEMU's own */
};

/**
 * lukshdrRemoteCopy:
 * @src: where a volume is, or NULL
 *
 * Returns: a copy, freed with lukshdrRemoteFree, or NULL.
 */
lukshdrRemote *
lukshdrRemoteCopy(const lukshdrRemote *src);

/**
 * lukshdrRemoteFree:
 * @remote: where a volume is, or NULL
 */
void
lukshdrRemoteFree(lukshdrRemote *remote);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrRemote, lukshdrRemoteFree)

/**
 * lukshdrRemoteProtocol:
 * @kind: RBD or ISCSI
 *
 * Returns: libvirt's and QEMU's word for it, "rbd" or "iscsi"; "" for other kinds.
 */
const char *
lukshdrRemoteProtocol(lukshdrLocationKind kind);

/**
 * lukshdrRemotePort:
 * @kind: RBD or ISCSI
 *
 * Returns: the port that is meant where none is named, by libvirt and QEMU: 6789 or 3260.
 */
guint16
lukshdrRemotePort(lukshdrLocationKind kind);

/**
 * lukshdrRemoteISCSI:
 * @name: as libvirt's <source name=''>: IQN or IQN/LUN
 *
 * Returns: the name with the LUN, which is 0 where none is named; to be freed with g_free.
 */
char *
lukshdrRemoteISCSI(const char *name);

/**
 * lukshdrRemoteDescribe:
 * @remote: where a volume is
 *
 * Returns: what a message calls it, such as "rbd:images/one", to be freed with g_free.
 */
char *
lukshdrRemoteDescribe(const lukshdrRemote *remote);

/**
 * lukshdrRemoteKey:
 * @remote: where a volume is
 *
 * Returns: the same with its servers, which tells it from one of that name elsewhere, such as
 * "rbd:images/one at mon1:6789,mon2:6789"; to be freed with g_free.
 */
char *
lukshdrRemoteKey(const lukshdrRemote *remote);

/**
 * lukshdrRemoteServer:
 * @host: name or address of a server, as libvirt's XML has it
 * @port: its port, or NULL
 *
 * Returns: HOST or HOST:PORT, an IPv6 address in brackets, to be freed with g_free.
 */
char *
lukshdrRemoteServer(const char *host, const char *port);

/**
 * lukshdrRemoteParseServer:
 * @server: one of lukshdrRemote.servers
 * @host: set to its name or address, without brackets, freed with g_free
 * @port: set to its port; 0 if @server names none
 *
 * Takes apart what lukshdrRemoteServer has made.
 *
 * Returns: false, with nothing set, if it is no server.
 */
bool
lukshdrRemoteParseServer(const char *server, char **host, guint *port);

/**
 * lukshdrRemoteSplitRBD:
 * @remote: where an image of a Ceph cluster is
 * @pool: set to the cluster's pool, freed with g_free
 * @space: set to the namespace in the pool, "" if its name has none, freed with g_free
 * @image: set to the image's name, freed with g_free
 *
 * Takes apart POOL/IMAGE or POOL/NAMESPACE/IMAGE, as libvirt has it in <source name=''>.
 *
 * Returns: false, with nothing set, if the name is neither.
 */
bool
lukshdrRemoteSplitRBD(const lukshdrRemote *remote, char **pool, char **space, char **image);

/**
 * lukshdrRemoteIsOwnName:
 * @recorded: where a volume of a link is, by the registry
 * @given: where somebody says that it is
 *
 * It is called by its own name if the protocol and the name are the recorded ones, and all servers
 * given are among those recorded.  By other servers a name can lead to other bytes under the same ids.
 *
 * Returns: whether that is so.
 */
bool
lukshdrRemoteIsOwnName(const lukshdrRemote *recorded, const lukshdrRemote *given);

typedef struct _lukshdrVolume lukshdrVolume;
struct _lukshdrVolume {
    char *pool;               /* libvirt's name of the pool */
    char *volume;             /* libvirt's name of the volume */
    char *path;               /* target path, absolute; NULL for a volume that has none (yet) */
    lukshdrRemote *remote;    /* where it is instead, or NULL */
    lukshdrIdentity identity; /* type NONE until the volume exists */
};

/**
 * lukshdrVolumeClear:
 * @vol: a volume
 *
 * Frees what is in it, and leaves an empty one.
 */
void
lukshdrVolumeClear(lukshdrVolume *vol);

/**
 * lukshdrVolumeFree:
 * @vol: a volume that was allocated by itself, or NULL
 */
void
lukshdrVolumeFree(lukshdrVolume *vol);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrVolume, lukshdrVolumeFree)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrVolume, lukshdrVolumeClear)

/**
 * lukshdrVolumeCopy:
 * @dst: an empty volume, filled in
 * @src: the volume to copy
 */
void
lukshdrVolumeCopy(lukshdrVolume *dst, const lukshdrVolume *src);

/**
 * lukshdrVolumeLocation:
 * @vol: a volume
 *
 * Returns: how it is reached.
 */
lukshdrLocationKind
lukshdrVolumeLocation(const lukshdrVolume *vol);

/**
 * lukshdrVolumeIsGone:
 * @vol: a volume
 *
 * Returns: whether it has a path on this host, and nothing is there any more.  What cannot be looked at is not gone.
 */
bool
lukshdrVolumeIsGone(const lukshdrVolume *vol);

/**
 * lukshdrVolumeIsUnmounted:
 * @vol: a volume
 *
 * Returns: whether it is gone, and its directory is on another file system than it was: most likely that is not mounted,
 * and the volume is whole.
 */
bool
lukshdrVolumeIsUnmounted(const lukshdrVolume *vol);

/**
 * lukshdrVolumeWhere:
 * @vol: a volume
 *
 * Returns: what a message calls the place where it is: its path, "rbd:images/one", or nothing ("");
 * to be freed with g_free.
 */
char *
lukshdrVolumeWhere(const lukshdrVolume *vol);

/**
 * lukshdrVolumeIsSamePlace:
 * @a: a volume
 * @b: a volume
 *
 * Says nothing of what is there.
 *
 * Returns: whether both are recorded at the same place; false if one of them is recorded nowhere.
 */
bool
lukshdrVolumeIsSamePlace(const lukshdrVolume *a, const lukshdrVolume *b);

/**
 * lukshdrVolumeSetPlace:
 * @vol: a volume that is recorded nowhere yet; keeps its names
 * @from: says where it is, and which it is
 */
void
lukshdrVolumeSetPlace(lukshdrVolume *vol, const lukshdrVolume *from);

/**
 * lukshdrVolumeFormat:
 * @node: element of the volume (<payload>, <header>, <replica>): gets attributes and children
 * @vol: a volume
 */
void
lukshdrVolumeFormat(xmlNode *node, const lukshdrVolume *vol);

/**
 * lukshdrVolumeParse:
 * @node: an element that lukshdrVolumeFormat has filled; hostile until proven otherwise
 * @vol: an empty volume, filled in; to be cleared also after a failure
 * @error: VIR_ERR_XML_ERROR
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrVolumeParse(xmlNode *node, lukshdrVolume *vol, GError **error);
