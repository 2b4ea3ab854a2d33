/*
 * access.h: giving a guest access to a header, and taking it back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A header is labelled by the stock functions, as if it were one more image of the
 * disk, so every security driver and every setting (dynamic_ownership,
 * remember_owner, relabel='no' ...) counts for it as for the payload.
 */

#pragma once

#include "disk.h"
#include "guest.h"

/**
 * lukshdrQemuGrantsNew:
 *
 * Returns: an empty list of lukshdrQemuGrant *, to be unreffed as a GPtrArray.  Borrows the
 * sources, which live as long as the domain is locked.
 */
GPtrArray *
lukshdrQemuGrantsNew(void);

/**
 * lukshdrQemuAccessPlan:
 * @vm: a running domain
 * @src: a source of it
 * @chainTop: whether @src is the top of a backing chain: only then do the security
 *            drivers remember the header's owner
 * @migrated: whether the guest comes in by migration: the security drivers then do not
 *            remember the owner of a header on a shared file system, since that is the
 *            other host's user
 * @grants: gets an entry if @src is a payload
 *
 * Says what lukshdrQemuAccessGrant shall grant; grants nothing.
 *
 * Returns: 0, or -1 with a libvirt error reported.
 */
int
lukshdrQemuAccessPlan(virDomainObj *vm,
                      virStorageSource *src,
                      bool chainTop,
                      bool migrated,
                      GPtrArray *grants);

/**
 * lukshdrQemuAccessGrant:
 * @driver: the QEMU driver
 * @vm: a running domain
 * @grants: from lukshdrQemuAccessPlan
 * @together: gets the sources of headers, borrowed from @grants, that the caller labels, all of them
 *            with one call of the stock driver; NULL if nothing shall be left to the caller
 *
 * Notes all @grants in the guest's record and labels the headers.  A header without a path is noted only.  For
 * each call the stock driver forks a process of its own, so those that can be are left to @together.
 *
 * Returns: 0; -1 with a libvirt error reported, and lukshdrQemuAccessUndo must be called.
 */
int
lukshdrQemuAccessGrant(virQEMUDriver *driver,
                       virDomainObj *vm,
                       GPtrArray *grants,
                       GPtrArray *together);

/**
 * lukshdrQemuAccessLabelled:
 * @grants: what lukshdrQemuAccessGrant has granted
 *
 * Notes that the caller has labelled what it was given to label.
 */
void
lukshdrQemuAccessLabelled(GPtrArray *grants);

/**
 * lukshdrQemuAccessUndo:
 * @driver: the QEMU driver
 * @vm: the domain
 * @grants: what was granted, or is granted in part
 *
 * Takes access back, the last grant first, from the disks that had none before.  A
 * disk that had access keeps it: where the security drivers remember no owners, a
 * restore would take the header from a running guest.  Keeps the thread's libvirt
 * error.
 */
void
lukshdrQemuAccessUndo(virQEMUDriver *driver, virDomainObj *vm, GPtrArray *grants);

/**
 * lukshdrQemuAccessReturnBegin:
 * @vm: a domain that is being stopped
 * @sources: the top sources of its disks
 * @migrated: as lukshdrQemuAccessRevoke
 * @together: gets the sources of headers, borrowed from what is returned, that the caller restores, all of them with one
 *            call of the stock driver, the one that restores all labels of @vm
 *
 * Notes in the guest's record that it has the headers of @sources no more.
 *
 * Returns: what lukshdrQemuAccessReturnEnd must be given after that call, to be unreffed.
 */
GPtrArray *
lukshdrQemuAccessReturnBegin(virDomainObj *vm,
                             GPtrArray *sources,
                             bool migrated,
                             GPtrArray *together);

/**
 * lukshdrQemuAccessReturnEnd:
 * @driver: the QEMU driver
 * @vm: the domain
 * @returns: from lukshdrQemuAccessReturnBegin
 * @migrated: as there
 * @all: whether the caller's call has restored all that it should
 *
 * Restores those headers that are not restored yet, each by a call of its own.
 */
void
lukshdrQemuAccessReturnEnd(virQEMUDriver *driver,
                           virDomainObj *vm,
                           GPtrArray *returns,
                           bool migrated,
                           bool all);

/**
 * lukshdrQemuAccessRevoke:
 * @driver: the QEMU driver
 * @vm: a domain that runs or is being stopped
 * @disk: the linked disk
 * @src: its payload, or NULL if libvirt no longer has it
 * @migrated: whether the guest goes on elsewhere: a header on a shared file system
 *            then stays as it is, for the other host to use
 * @forget: whether the guest loses the disk
 *
 * Returns: 0, or -1 with a libvirt error reported.
 */
int
lukshdrQemuAccessRevoke(virQEMUDriver *driver,
                        virDomainObj *vm,
                        const lukshdrGuestDisk *disk,
                        virStorageSource *src,
                        bool migrated,
                        bool forget);
