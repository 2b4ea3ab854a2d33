/*
 * identity.h: what a volume is, whatever its path is called
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A payload must be recognised through symlinks, hard links, bind mounts and a
 * second pool over the same directory, so it is identified by what the kernel
 * says of it and not by the spelling of a path.  This file asks the kernel and
 * compares; which volumes are linked is registry.h's.
 */

#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

typedef enum {
    LUKSHDR_IDENTITY_NONE,  /* not determined */
    LUKSHDR_IDENTITY_FILE,  /* regular file: device, inode, birth time */
    LUKSHDR_IDENTITY_BLOCK, /* block device: its lasting name, its device number */
    LUKSHDR_IDENTITY_RBD,   /* image of a Ceph cluster: the ids of cluster, pool and image */
    LUKSHDR_IDENTITY_ISCSI, /* unit of an iSCSI target: what it calls itself */
} lukshdrIdentityType;

/* of lukshdrIdentity.id, its final NUL included */
#define LUKSHDR_IDENTITY_ID_LEN 160

typedef struct _lukshdrIdentity lukshdrIdentity;
struct _lukshdrIdentity {
    lukshdrIdentityType type;
    guint64 dev;     /* FILE: st_dev of the file system; BLOCK: st_rdev */
    guint64 inode;   /* FILE only */
    gint64 birthSec; /* FILE only: statx btime; 0/0 where the file system has none */
    guint32 birthNsec;
    guint64
        size; /* FILE, RBD, ISCSI: bytes, when it was examined; not part of what is compared here */
    /* FILE: what the file system is, on whatever host; BLOCK: what the device calls itself, at
     * whatever boot; "" where that is not known.  RBD: FSID:POOL-ID:NAMESPACE:IMAGE-ID.
     * Of the characters [A-Za-z0-9._:+=;@-] only. */
    char id[LUKSHDR_IDENTITY_ID_LEN];
};

typedef enum {
    LUKSHDR_IDENTITY_DIFFERENT, /* certainly two things */
    LUKSHDR_IDENTITY_UNCERTAIN, /* could be the same: a caller must not guess */
    LUKSHDR_IDENTITY_SAME,      /* certainly one thing */
} lukshdrIdentityMatch;

/**
 * lukshdrIdentityFromPath:
 * @path: absolute path; symlinks are followed
 * @identity: filled in
 * @error: VIR_ERR_SYSTEM_ERROR if it cannot be examined,
 *         VIR_ERR_OPERATION_UNSUPPORTED if it is neither file nor block device, or if @path is
 *         not absolute: nothing is looked for below the daemon's working directory
 *
 * Examines @path without opening it for reading or writing (O_PATH).
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrIdentityFromPath(const char *path, lukshdrIdentity *identity, GError **error);

/**
 * lukshdrIdentityFromFD:
 * @fd: descriptor of an open file or block device
 * @identity: filled in
 * @error: as lukshdrIdentityFromPath
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrIdentityFromFD(int fd, lukshdrIdentity *identity, GError **error);

/**
 * lukshdrIdentityExamine:
 * @fd: descriptor of a file or block device, which may be one of O_PATH
 * @what: what to call it in messages
 * @identity: filled in
 * @error: as lukshdrIdentityFromPath
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrIdentityExamine(int fd, const char *what, lukshdrIdentity *identity, GError **error);

/**
 * lukshdrIdentitySetRBD:
 * @identity: filled in
 * @id: FSID:POOL-ID:NAMESPACE:IMAGE-ID, by Ceph's own ids; the image's survives that it is renamed, and
 *      a copy has another
 * @size: the image's, bytes
 *
 * Returns: false if @id is too long or has characters that Ceph's ids do not have.
 */
bool
lukshdrIdentitySetRBD(lukshdrIdentity *identity, const char *id, guint64 size);

/**
 * lukshdrIdentitySetISCSI:
 * @identity: filled in
 * @name: name of the unit by lukshdrScsiName
 * @unique: as lukshdrScsiName says
 * @target: IQN of its target, or NULL if that is not known
 * @size: bytes
 *
 * A name that others can have as well is the unit's only together with its target's, which is unique.
 */
void
lukshdrIdentitySetISCSI(lukshdrIdentity *identity,
                        const char *name,
                        bool unique,
                        const char *target,
                        guint64 size);

/**
 * lukshdrIdentityFromUnit:
 * @dev: number of a block device of this host
 * @identity: set, to type ISCSI, if the kernel reaches a SCSI unit by it: the device is a disk, a partition of
 *            one, or what device-mapper's multipath has made of several ways to one
 *
 * The kernel does not say to what target it is logged in, so the identity is without.
 *
 * Returns: whether it was set.
 */
bool
lukshdrIdentityFromUnit(guint64 dev, lukshdrIdentity *identity);

/**
 * lukshdrIdentityIsUnit:
 * @block: an identity
 * @names: from lukshdrScsiKernelNames
 *
 * Returns: whether @block is of type BLOCK, and a SCSI disk of one of these names, a partition of such a disk, or
 * multipath over it.
 */
bool
lukshdrIdentityIsUnit(const lukshdrIdentity *block, const char *const *names);

/**
 * lukshdrIdentityMayBeUnit:
 * @identity: an identity
 *
 * Returns: whether it is one for which lukshdrIdentityIsUnit is true for some names, or of type ISCSI.
 */
bool
lukshdrIdentityMayBeUnit(const lukshdrIdentity *identity);

/**
 * lukshdrIdentityIsRemote:
 * @identity: an identity
 *
 * Returns: whether it is of something that has no path on the host.
 */
bool
lukshdrIdentityIsRemote(const lukshdrIdentity *identity);

/**
 * lukshdrIdentityCompare:
 * @recorded: identity that was stored earlier
 * @found: identity of something that exists now
 *
 * Inode numbers are reused and a file system's device number changes at a
 * remount, so the birth time decides between "same inode" and "same file":
 * same inode and birth time on another device is UNCERTAIN (a remount, or a
 * copy of the whole file system), same inode on the same device without a
 * birth time to compare is UNCERTAIN, too.  A block device that has a lasting name
 * is told by that.  Of others the number is only good until the next boot: equal numbers
 * are UNCERTAIN by themselves, and the caller compares what the recorded path
 * resolves to now.  An image of a Ceph cluster is told by its ids, for certain.
 * So is a unit of an iSCSI target by a name that is unique; one that others can have as well is UNCERTAIN
 * unless the target is the same.
 *
 * Returns: the verdict.
 */
lukshdrIdentityMatch
lukshdrIdentityCompare(const lukshdrIdentity *recorded, const lukshdrIdentity *found);

/**
 * lukshdrIdentityIsElsewhere:
 * @file: what is recorded of a file
 * @dir: absolute path of the directory that it was in
 *
 * Returns: whether @dir is certainly on another file system now than the file was, as when that is not mounted.
 */
bool
lukshdrIdentityIsElsewhere(const lukshdrIdentity *file, const char *dir);

/**
 * lukshdrIdentityClaims:
 * @claim: what a label says, maybe of another host
 * @grows: whether the file may have grown since: of every format but raw
 * @found: what exists on this host
 *
 * Device numbers mean nothing between hosts.  A file is the claimed one if it has the inode and
 * the birth time on the same file system: by its own id, or, of a network file system, by the
 * server and export that it is mounted from.  Without a birth time the size decides as well.  A block
 * device is the claimed one by its lasting name, an image of a Ceph cluster by its ids, a unit of an iSCSI
 * target by its name.  Labels of release 0.1 name no file system; then
 * the device number and the birth time must be equal, which holds on one host only.
 *
 * Returns: whether @found is certainly what @claim says.
 */
bool
lukshdrIdentityClaims(const lukshdrIdentity *claim, bool grows, const lukshdrIdentity *found);

/**
 * lukshdrIdentityCountsSize:
 * @identity: an identity
 *
 * Returns: whether it is one of a file without a birth time, which lukshdrIdentityClaims tells by its size
 * instead.
 */
bool
lukshdrIdentityCountsSize(const lukshdrIdentity *identity);

/**
 * lukshdrIdentityDescribe:
 * @identity: an identity
 *
 * Returns: words for a message, such as "inode 12 of device 8:1, born 2026-01-02 03:04:05", to be
 * freed with g_free.
 */
char *
lukshdrIdentityDescribe(const lukshdrIdentity *identity);

/**
 * lukshdrIdentityFormat:
 * @parent: element to which <identity> is added; nothing is for type NONE
 * @identity: the identity
 */
void
lukshdrIdentityFormat(xmlNode *parent, const lukshdrIdentity *identity);

/**
 * lukshdrIdentityParse:
 * @parent: element that may have one <identity>
 * @identity: filled in; type NONE if there is none
 * @error: VIR_ERR_XML_ERROR
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrIdentityParse(xmlNode *parent, lukshdrIdentity *identity, GError **error);
