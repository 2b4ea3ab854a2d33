/*
 * domain.h: what must be known of libvirt's domain objects
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Only through libvirt's own functions, and two measured members (as in
 * source.h).  All functions expect the domain to be locked by the caller
 * of the wrapper.
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
 * Returns: libvirt's short name of a running domain ("ID-NAME", fit for a file
 * name and its only one while it runs), to be freed with g_free; that of a domain
 * which the calling thread is stopping, too; NULL for every other domain.
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
 * Returns: the disk that it is, owned by it, or NULL.
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
 * lukshdrQemuDomainStopBegin:
 * @stop: filled in; lives until lukshdrQemuDomainStopEnd
 * @vm: the domain that the calling thread is about to stop
 *
 * libvirt takes a domain's number away before it restores labels; from here on
 * the thread remembers name and definition.
 */
void
lukshdrQemuDomainStopBegin(lukshdrQemuContext *stop, virDomainObj *vm);

/**
 * lukshdrQemuDomainIsStopping:
 * @vm: a domain
 *
 * Returns: whether the calling thread is between the two functions for @vm.
 */
bool
lukshdrQemuDomainIsStopping(virDomainObj *vm);

/**
 * lukshdrQemuDomainStopEnd:
 * @stop: from lukshdrQemuDomainStopBegin in the same thread
 *
 * Returns: the name of the domain if it was running and is not any more, to be freed
 * with g_free, NULL otherwise.
 */
char *
lukshdrQemuDomainStopEnd(lukshdrQemuContext *stop);
