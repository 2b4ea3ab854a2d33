/*
 * guest-record.h: records of the linked disks of running guests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A daemon that restarts while guests run neither prepares nor labels their
 * disks again, so what the QEMU half granted to each guest is kept in a file a
 * guest in the daemon's state directory, which does not survive a reboot (nor
 * do guests).  The storage half reads the records to see what is in use.
 */

#pragma once

#include "identity.h"

/* the link of a disk whose payload is not linked, but opened with a header that the domain's
 * metadata names: none has this UUID, which is not a random one */
#define LUKSHDR_GUEST_NO_LINK "00000000-0000-0000-0000-000000000000"

typedef struct _lukshdrGuestDisk lukshdrGuestDisk;
struct _lukshdrGuestDisk {
    char *linkUUID; /* the link as of Prepare, or LUKSHDR_GUEST_NO_LINK */
    char *nodeName; /* of the luks node, e.g. libvirt-2-format */
    char *payloadPath;
    lukshdrIdentity payloadIdentity; /* as of Prepare */
    char *headerPath;                /* of one without a path, lukshdrRemoteKey */
    lukshdrIdentity headerIdentity;
    char *headerNode; /* of a header without a path: its node in QEMU, NULL before Prepare */
    char *format;     /* of the payload */
    bool headerShared;
    bool headerExplicit;  /* the domain's metadata names it */
    bool readOnly;        /* the header was granted for reading only */
    unsigned int granted; /* how often access was granted and not yet restored */
    bool revoked;         /* in memory only: access was taken back, since the guest is stopping */
};

/**
 * lukshdrGuestDiskFree:
 * @disk: a record, or NULL
 */
void
lukshdrGuestDiskFree(lukshdrGuestDisk *disk);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrGuestDisk, lukshdrGuestDiskFree)

/**
 * lukshdrGuestDiskCopy:
 * @disk: a record
 *
 * Returns: a deep copy, freed with lukshdrGuestDiskFree.
 */
lukshdrGuestDisk *
lukshdrGuestDiskCopy(const lukshdrGuestDisk *disk);

/**
 * lukshdrGuestStore:
 * @dir: directory of the records; made (0700) if missing
 * @name: libvirt's name of the domain (never contains '/')
 * @disks: GPtrArray of lukshdrGuestDisk *; empty removes the record
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Writes atomically, mode 0600.
 *
 * Returns: true, or false with @error set and the old record in place.
 */
bool
lukshdrGuestStore(const char *dir, const char *name, GPtrArray *disks, GError **error);

/**
 * lukshdrGuestLoad:
 * @dir: directory of the records
 * @name: libvirt's name of the domain
 * @error: VIR_ERR_SYSTEM_ERROR, VIR_ERR_XML_ERROR if the record is damaged
 *
 * Returns: GPtrArray of lukshdrGuestDisk * (freed with the array), empty if
 * there is no record, or NULL with @error set.
 */
GPtrArray *
lukshdrGuestLoad(const char *dir, const char *name, GError **error);

/**
 * lukshdrGuestList:
 * @dir: directory of the records
 *
 * Returns: names of the domains that have a record, a NULL-terminated vector
 * to be freed with g_strfreev; empty if the directory is missing or unreadable.
 */
char **
lukshdrGuestList(const char *dir);

/**
 * lukshdrGuestRecordOf:
 * @file: name of a file in the directory of the records
 *
 * Returns: the name that lukshdrGuestLoad takes for that record, freed with g_free; NULL if the file is
 * no record, such as a temporary one.
 */
char *
lukshdrGuestRecordOf(const char *file);
