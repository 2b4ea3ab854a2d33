/*
 * identity.h: what a volume is, whatever its path is called
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A payload must be recognised through symlinks, hard links, bind mounts and a
 * second pool over the same directory, so it is identified by what the kernel
 * says of it and not by the spelling of a path.  This file asks the kernel and
 * compares; who is linked to whom is registry.h's.
 */

#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

typedef enum {
    LUKSHDR_IDENTITY_NONE,  /* not determined */
    LUKSHDR_IDENTITY_FILE,  /* regular file: device, inode, birth time */
    LUKSHDR_IDENTITY_BLOCK, /* block device: its device number */
} lukshdrIdentityType;

typedef struct _lukshdrIdentity lukshdrIdentity;
struct _lukshdrIdentity {
    lukshdrIdentityType type;
    guint64 dev;     /* FILE: st_dev of the file system; BLOCK: st_rdev */
    guint64 inode;   /* FILE only */
    gint64 birthSec; /* FILE only: statx btime; 0/0 where the file system has none */
    guint32 birthNsec;
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
 *         VIR_ERR_OPERATION_UNSUPPORTED if it is neither file nor block device
 *
 * Examines @path with statx(2) without opening it.
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
 * lukshdrIdentityCompare:
 * @recorded: identity that was stored earlier
 * @found: identity of something that exists now
 *
 * Inode numbers are reused and a file system's device number changes at a
 * remount, so the birth time decides between "same inode" and "same file":
 * same inode and birth time on another device is UNCERTAIN (a remount, or a
 * copy of the whole file system), same inode on the same device without a
 * birth time to compare is UNCERTAIN, too.  A block device's number is only
 * good until the next boot: equal numbers are UNCERTAIN by themselves, and the
 * caller compares what the recorded path resolves to now.
 *
 * Returns: the verdict.
 */
lukshdrIdentityMatch
lukshdrIdentityCompare(const lukshdrIdentity *recorded, const lukshdrIdentity *found);

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
