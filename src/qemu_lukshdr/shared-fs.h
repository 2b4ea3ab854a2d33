/*
 * shared-fs.h: do other hosts have a file as well?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <stdbool.h>

/**
 * lukshdrQemuSharedLoad:
 * @conf: configuration file of libvirt's QEMU driver
 *
 * Reads which directories the administrator has declared as shared (shared_filesystems), as
 * the driver does: once, at its start.  Reports no error if it cannot read the file, since
 * libvirt itself then stops.  Does nothing with a libvirt that has no such setting.
 */
void
lukshdrQemuSharedLoad(const char *conf);

/**
 * lukshdrQemuSharedHas:
 * @path: a file
 *
 * Asks as the stock security drivers do when a guest migrates (virFileIsSharedFS in
 * libvirt's virfile.c).
 *
 * Returns: whether it lies on a file system that other hosts also have; true if that
 * cannot be found out.  Leaves no trace in the thread's libvirt error.
 */
bool
lukshdrQemuSharedHas(const char *path);
