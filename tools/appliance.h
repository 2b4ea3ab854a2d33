/*
 * appliance.h: a domain of libguestfs that tells what is not used on a disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A guest's file systems are hostile, so no kernel of a host mounts them.  libguestfs starts a domain with a kernel of
 * its own for that, by way of libvirt, where the plugin opens the disk for it.  The tool loads libguestfs when it
 * is first needed.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct _lukshdrToolAppliance lukshdrToolAppliance;

/**
 * lukshdrToolApplianceNew:
 * @uri: of the daemon, on this host
 * @path: of the disk
 * @format: libvirt's name of its format
 * @capacity: of the disk, bytes
 * @error: LUKSHDR_TOOL_FAILED, saying what to install if libguestfs is missing
 *
 * Starts the domain, which takes seconds.  libvirt ends it if this process ends.
 *
 * Returns: the appliance, ended with lukshdrToolApplianceFree, or NULL with @error set.
 */
lukshdrToolAppliance *
lukshdrToolApplianceNew(const char *uri,
                        const char *path,
                        const char *format,
                        guint64 capacity,
                        GError **error);

/**
 * lukshdrToolApplianceTrim:
 * @appliance: from lukshdrToolApplianceNew
 * @tell: called with the name of each file system and why it was left out, NULL if it was not
 * @error: LUKSHDR_TOOL_REFUSED if the guest is hibernated; LUKSHDR_TOOL_FAILED
 *
 * Mounts one file system after the other and has it discard what it does not use.  Nothing is mounted afterwards, and
 * nothing writes to the disk any more.
 *
 * Returns: lukshdrToolRange (trace.h), what was discarded and not written to since, in ascending order; unreffed by the
 * caller.  NULL with @error set.
 */
GArray *
lukshdrToolApplianceTrim(lukshdrToolAppliance *appliance,
                         void (*tell)(const char *name, const char *reason),
                         GError **error);

/**
 * lukshdrToolApplianceFree:
 * @appliance: what to end, or NULL
 */
void
lukshdrToolApplianceFree(lukshdrToolAppliance *appliance);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrToolAppliance, lukshdrToolApplianceFree)
