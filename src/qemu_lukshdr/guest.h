/*
 * guest.h: which guest was given access to which header
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Keeps a list in the memory of this process and the same list in records that survive the
 * process (link/guest-record.h).  A guest is known by lukshdrQemuDomainName, a disk of it by
 * its node name.  One mutex protects the whole.  It is a leaf: a thread that holds it touches
 * only memory and the records.
 */

#pragma once

#include "link/guest-record.h"
#include "util/abi.h"

/* Access of a guest to the header of one disk */
typedef struct _lukshdrQemuGrant lukshdrQemuGrant;
struct _lukshdrQemuGrant {
    lukshdrGuestDisk *disk;
    bool
        restorable; /* the security drivers are asked to remember the header's owner, as they do for
                               * the top of a backing chain */
    bool added;     /* by lukshdrQemuGuestGrant: the guest did not have the disk before */
    bool lone;      /* by lukshdrQemuGuestGrant: no other disk had the header */
    virStorageSource *src;    /* the payload, borrowed */
    virStorageSource *header; /* owned; NULL for a header without a path */
    bool migrated;            /* the guest comes from another host */
    bool recorded;            /* it stands in the guest's record */
    bool labelled;            /* and the header is labelled, if it has a path */
};

/* Access that a guest loses to the header of one disk, since it stops */
typedef struct _lukshdrQemuReturn lukshdrQemuReturn;
struct _lukshdrQemuReturn {
    lukshdrGuestDisk *disk;
    virStorageSource *src;    /* the payload, borrowed */
    virStorageSource *header; /* owned; NULL for a header without a path */
    unsigned int remembered;  /* by lukshdrQemuGuestReturn: how many grants the record counted */
    unsigned int times;       /* by lukshdrQemuGuestReturn: as lukshdrQemuGuestRevoke */
    char *
        before; /* of a header that stock restores together with the guest's disks: lukshdrQemuRememberedState before that */
};

/**
 * lukshdrQemuGuestsLoad:
 * @dir: directory of the records
 *
 * Takes over what the daemon before this one granted.  If a record cannot be believed,
 * the log says so, and the headers of its guest stay as they are.
 */
void
lukshdrQemuGuestsLoad(const char *dir);

/**
 * lukshdrQemuGuestGrant:
 * @name: the guest
 * @grants: list of lukshdrQemuGrant *; of each, disk and restorable say what is granted, and added, lone and
 *          recorded are set
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Writes them all into the guest's record at once.  Call this before access is granted: then a crash cannot leave
 * access behind that no record names.  A disk that is not known yet is copied.
 *
 * Returns: true, or false with @error set and nothing changed.
 */
bool
lukshdrQemuGuestGrant(const char *name, GPtrArray *grants, GError **error);

/**
 * lukshdrQemuGuestRename:
 * @nodeName: name of a disk of any guest that got access before it had its node name
 * @disk: the same disk, with its node name
 *
 * Does nothing if no access was granted.
 */
void
lukshdrQemuGuestRename(const char *nodeName, const lukshdrGuestDisk *disk);

/**
 * lukshdrQemuGuestUngrant:
 * @name: the guest
 * @grant: one that lukshdrQemuGuestGrant has recorded; it is not recorded any more then
 *
 * Undoes that, if access could not be granted after it.
 */
void
lukshdrQemuGuestUngrant(const char *name, lukshdrQemuGrant *grant);

/**
 * lukshdrQemuGuestRevoke:
 * @name: the guest
 * @nodeName: the disk
 * @forget: whether the guest loses the disk, too
 *
 * If another disk, of this guest or another, still uses the header, nobody may restore
 * it now: that disk would lose it.  The grants of this disk then pass to the other
 * disk, and the last user restores them all.
 *
 * Returns: how often the caller must restore access to the header now, so that the
 * counters of the security drivers come out even; 0 if another disk uses the header or
 * access was never granted.
 */
unsigned int
lukshdrQemuGuestRevoke(const char *name, const char *nodeName, bool forget);

/**
 * lukshdrQemuGuestReturn:
 * @name: the guest
 * @returns: list of lukshdrQemuReturn *; of each, remembered and times are set
 *
 * As lukshdrQemuGuestRevoke of one after the other, which the guest does not lose.  The guest's record is written once.
 */
void
lukshdrQemuGuestReturn(const char *name, GPtrArray *returns);

/**
 * lukshdrQemuGuestForget:
 * @name: short name of a guest
 * @nodeName: name of the luks node of a payload below the top of a chain
 *
 * Drops the record of the disk if it counts no grants; does nothing if it counts some.
 */
void
lukshdrQemuGuestForget(const char *name, const char *nodeName);

/**
 * lukshdrQemuGuestMoveGrants:
 * @name: the guest
 * @from: a disk from whose header the remembered owner is moved
 * @to: the disk to whose header the owner is moved; NULL if the owner is forgotten
 *
 * When the guest ends, libvirt does not restore a payload that is no longer the top of
 * its chain, since other overlays may use it.  Its header is not restored either.
 */
void
lukshdrQemuGuestMoveGrants(const char *name, const char *from, const char *to);

/**
 * lukshdrQemuGuestDrop:
 * @name: the guest
 *
 * Forgets all disks of the guest: it has ended, or a new guest begins under a name that
 * another had before.
 */
void
lukshdrQemuGuestDrop(const char *name);

/**
 * lukshdrQemuGuestNames:
 *
 * Returns: the names of the guests that are known here, a NULL-terminated vector, freed with g_strfreev.
 */
char **
lukshdrQemuGuestNames(void);

/**
 * lukshdrQemuGuestDisks:
 * @name: the guest
 *
 * Returns: its disks as a GPtrArray of lukshdrGuestDisk *, copies, freed with the array.
 */
GPtrArray *
lukshdrQemuGuestDisks(const char *name);

/**
 * lukshdrQemuGuestGranted:
 * @name: the guest
 * @nodeName: the disk
 *
 * Returns: how many grants to the disk's header must be restored one day.
 */
unsigned int
lukshdrQemuGuestGranted(const char *name, const char *nodeName);

/**
 * lukshdrQemuGuestUsesHeader:
 * @name: the guest
 * @disk: the disk
 *
 * Returns: whether any other disk, of this guest or another, uses the same header.
 */
bool
lukshdrQemuGuestUsesHeader(const char *name, const lukshdrGuestDisk *disk);

/**
 * lukshdrQemuGuestsAny:
 *
 * Returns: whether any guest has a disk that is known here.
 */
bool
lukshdrQemuGuestsAny(void);

/**
 * lukshdrQemuGuestFindPayload:
 * @path: path of an image
 * @guest: name of the guest whose disk it is, or NULL for any
 * @nodeName: the disk's node name, or NULL for any
 *
 * Returns: a copy of the disk whose payload is @path, freed with lukshdrGuestDiskFree, or NULL.
 */
lukshdrGuestDisk *
lukshdrQemuGuestFindPayload(const char *path, const char *guest, const char *nodeName);
