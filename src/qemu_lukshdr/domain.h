/*
 * domain.h: what the QEMU half must know of libvirt's domain objects
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The code uses libvirt's own functions and three members whose places it measures (as in
 * source.h).  All functions expect that the caller of the wrapper has locked the domain.
 */

#pragma once

#include <glib.h>

#include "context.h"

/**
 * lukshdrQemuDomainMeasure:
 * @error: VIR_ERR_NO_SUPPORT, saying what could not be found
 *
 * Finds where a disk keeps its source and its target; needs lukshdrQemu.libvirt.  Leaves no
 * trace in the thread's libvirt error.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuDomainMeasure(GError **error);

/**
 * lukshdrQemuDomainName:
 * @vm: a domain
 *
 * Returns: libvirt's short name of @vm, to be freed with g_free, if it runs or the
 * calling thread is stopping it; NULL for every other domain.  The short name is
 * "ID-NAME", fits into a file name, and stays the same while the domain runs.
 */
char *
lukshdrQemuDomainName(virDomainObj *vm);

/**
 * lukshdrQemuDomainDiskSource:
 * @disk: a disk
 *
 * Returns: its top source, owned by the disk.
 */
virStorageSource *
lukshdrQemuDomainDiskSource(virDomainDiskDef *disk);

/**
 * lukshdrQemuDomainDiskTarget:
 * @disk: a disk
 *
 * Returns: its target, such as "vda", owned by the disk.
 */
const char *
lukshdrQemuDomainDiskTarget(virDomainDiskDef *disk);

/**
 * lukshdrQemuDomainDeviceDef:
 * @dev: a device
 *
 * Returns: the disk, owned by @dev, or NULL if @dev is no disk.
 */
virDomainDiskDef *
lukshdrQemuDomainDeviceDef(virDomainDeviceDef *dev);

/**
 * lukshdrQemuDomainMetadata:
 * @vm: a domain
 * @metadata: set to the project's element of the running domain's metadata, without its namespace,
 *            to be freed with g_free; NULL if there is none or the domain does not run
 * @error: VIR_ERR_INTERNAL_ERROR with libvirt's words
 *
 * Leaves no trace in the thread's libvirt error.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuDomainMetadata(virDomainObj *vm, char **metadata, GError **error);

/**
 * lukshdrQemuDomainSources:
 * @vm: a running domain, or one that the calling thread is stopping
 *
 * Returns: the top sources of its disks (virStorageSource *, owned by the domain),
 * in a new array to be unreffed; empty for every other domain.
 */
GPtrArray *
lukshdrQemuDomainSources(virDomainObj *vm);

/**
 * lukshdrQemuDomainAddDisks:
 * @vm: a running domain, or one that the calling thread is stopping
 * @sources: sources, each of which becomes the source of a disk of its own
 *
 * Adds disks to the definition of @vm, so that a function of libvirt's that does something to all disks of
 * a domain does it to @sources as well.  They must be gone before the domain is unlocked, and before
 * anything else looks at its disks.
 */
void
lukshdrQemuDomainAddDisks(virDomainObj *vm, GPtrArray *sources);

/**
 * lukshdrQemuDomainRemoveDisks:
 * @vm: the domain
 * @sources: as they were given to lukshdrQemuDomainAddDisks
 *
 * Takes the disks away again.
 */
void
lukshdrQemuDomainRemoveDisks(virDomainObj *vm, GPtrArray *sources);

/**
 * lukshdrQemuDomainStopBegin:
 * @stop: filled in; lives until lukshdrQemuDomainStopEnd
 * @vm: the domain that the calling thread is about to stop
 *
 * libvirt takes a domain's number away before it restores labels.  So from here on
 * the thread remembers the domain's name and definition.
 */
void
lukshdrQemuDomainStopBegin(lukshdrQemuContext *stop, virDomainObj *vm);

/**
 * lukshdrQemuDomainIsStopping:
 * @vm: a domain
 *
 * Returns: whether the calling thread is between lukshdrQemuDomainStopBegin and
 * lukshdrQemuDomainStopEnd for @vm.
 */
bool
lukshdrQemuDomainIsStopping(virDomainObj *vm);

/**
 * lukshdrQemuDomainStopEnd:
 * @stop: from lukshdrQemuDomainStopBegin in the same thread
 *
 * Returns: the name of the domain, to be freed with g_free, if it was running and no
 * longer is; NULL otherwise.
 */
char *
lukshdrQemuDomainStopEnd(lukshdrQemuContext *stop);
