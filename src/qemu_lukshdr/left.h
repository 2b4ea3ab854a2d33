/*
 * left.h: what guests have left that ended under a daemon without the plugin, or with the host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <stdbool.h>

#include "link/guest-record.h"

/**
 * lukshdrQemuLeftRestore:
 * @states: directory where libvirt's QEMU driver keeps the state of the guests that run
 * @conf: configuration file of that driver
 * @privileged: whether the daemon runs as root; another one has given no header away
 *
 * A daemon without the plugin stops a guest, or unplugs a disk, and gives back the payload alone.  This function
 * gives back the headers of all disks in the guests' records that no guest has any more, as stock would have done it, and
 * removes them from the records.  The header of a disk on a file system that other hosts also have stays as it is:
 * the guest may have gone to one of them.
 *
 * Call it once, after the records were loaded and before the QEMU driver looks for guests: a guest that starts may
 * get the number of one that ended.
 */
void
lukshdrQemuLeftRestore(const char *states, const char *conf, bool privileged);

/**
 * lukshdrQemuLeftReclaim:
 * @disk: a disk whose header a guest is about to get; nobody else has that header
 *
 * A host that goes down while a guest runs leaves the guest's headers to QEMU's user.  Stock does not believe what it
 * remembered before a boot, and takes QEMU's user for the owner when the next guest starts; so nobody would ever give them
 * back.  This function gives the header back to the owner that was remembered, before stock looks.  If it cannot, the log
 * says so.
 */
void
lukshdrQemuLeftReclaim(const lukshdrGuestDisk *disk);
