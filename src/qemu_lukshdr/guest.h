/*
 * guest.h: which guest was given access to which header
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The memory of this process and the records that survive it (link/guest-record.h), kept
 * the same.  A guest is known by lukshdrQemuDomainName, a disk of it by its node
 * name.  One mutex protects the whole; it is a leaf: while it is held, only
 * memory and the records are touched.
 */

#pragma once

#include "link/guest-record.h"

/**
 * lukshdrQemuGuestsLoad:
 * @dir: directory of the records
 *
 * Takes over what the daemon before this one granted.  A record that cannot be
 * believed is reported in the log, and its guest's headers stay as they are.
 */
void
lukshdrQemuGuestsLoad(const char *dir);

/**
 * lukshdrQemuGuestGrant:
 * @name: the guest
 * @disk: the disk, copied if it is not known yet
 * @restorable: whether the security drivers are asked to remember the header's owner
 *              (they do for the top of a backing chain)
 * @added: set to whether the disk was not known yet; may be NULL
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * To be called before access is granted, so that a crash cannot leave access
 * behind that nobody knows of.
 *
 * Returns: true, or false with @error set and nothing changed.
 */
bool
lukshdrQemuGuestGrant(const char *name,
                      const lukshdrGuestDisk *disk,
                      bool restorable,
                      bool *added,
                      GError **error);

/**
 * lukshdrQemuGuestRename:
 * @nodeName: name of a disk, of whatever guest, that got access before it had its
 *            node name
 * @disk: what it turned out to be
 *
 * Does nothing if no access was granted.
 */
void
lukshdrQemuGuestRename(const char *nodeName, const lukshdrGuestDisk *disk);

/**
 * lukshdrQemuGuestUngrant:
 * @name: the guest
 * @nodeName: the disk
 * @restorable: as it was given to lukshdrQemuGuestGrant
 * @added: what that said
 *
 * Undoes a lukshdrQemuGuestGrant after which access was not granted after all.
 */
void
lukshdrQemuGuestUngrant(const char *name, const char *nodeName, bool restorable, bool added);

/**
 * lukshdrQemuGuestRevoke:
 * @name: the guest
 * @nodeName: the disk
 * @forget: whether the guest loses the disk, too
 *
 * A header that another disk, of this guest or another, still uses is not to be
 * restored, or that one would lose it: the grants that remain are then the
 * other's, and the last one restores them all.
 *
 * Returns: how often access to the header is to be restored now, so that the
 * counters of the security drivers come out even; 0 if it is in use elsewhere or
 * was never granted.
 */
unsigned int
lukshdrQemuGuestRevoke(const char *name, const char *nodeName, bool forget);

/**
 * lukshdrQemuGuestForget:
 * @name: short name of a guest
 * @nodeName: name of the luks node of a payload below the top of a chain
 *
 * Drops the record of a disk that counts no grants; another is left alone.
 */
void
lukshdrQemuGuestForget(const char *name, const char *nodeName);

/**
 * lukshdrQemuGuestMoveGrants:
 * @name: the guest
 * @from: a disk whose header's remembered owner is moved away
 * @to: the disk to whose header it is moved; NULL if it is forgotten
 *
 * A payload that is no longer the top of its chain is not restored at the end of the
 * guest (other overlays may use it), and neither is its header.
 */
void
lukshdrQemuGuestMoveGrants(const char *name, const char *from, const char *to);

/**
 * lukshdrQemuGuestDrop:
 * @name: the guest
 *
 * The guest has ended, or is about to begin under a name that was used before: forgets
 * all of its disks.
 */
void
lukshdrQemuGuestDrop(const char *name);

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
 * Returns: how many grants to the disk's header are to be restored one day.
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
 *
 * Returns: a copy of the disk whose payload is @path, freed with lukshdrGuestDiskFree, or NULL.
 */
lukshdrGuestDisk *
lukshdrQemuGuestFindPayload(const char *path, const char *guest);
