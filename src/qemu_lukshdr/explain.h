/*
 * explain.h: what a secret that is missing, or the wrong one, means for a linked volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt and QEMU name no volume, and do not say what to do.
 */

#pragma once

#include "link/link.h"
#include "util/abi.h"

/**
 * lukshdrQemuExplainMissing:
 * @link: the link of the disk that stock could not prepare, with a libvirt error reported
 *
 * If stock could not get the value of a secret, reports which volume needs it, and how the secret comes back, instead of
 * libvirt's words.
 */
void
lukshdrQemuExplainMissing(const lukshdrLink *link);

/**
 * lukshdrQemuExplainUnknown:
 * @disk: the disk that stock could not prepare, with a libvirt error reported
 * @src: its source, which no link of this host has
 * @path: the path of @src
 *
 * As lukshdrQemuExplainMissing, if the header of @src must be a volume apart, as on a host that was installed anew and does
 * not know the link yet.
 */
void
lukshdrQemuExplainUnknown(virDomainDiskDef *disk, virStorageSource *src, const char *path);

/**
 * lukshdrQemuExplainStart:
 * @vm: a domain that is being stopped, perhaps because QEMU did not start
 *
 * If the thread's libvirt error is that QEMU could not open a linked disk of @vm with its secret, reports which volume
 * and which secret that is, instead of QEMU's words.  Call it while lukshdrQemuDomainSources knows the disks.
 */
void
lukshdrQemuExplainStart(virDomainObj *vm);

/**
 * lukshdrQemuExplainPlug:
 * @vm: a domain
 * @disk: the disk that it did not get, with a libvirt error reported; or NULL
 *
 * As lukshdrQemuExplainStart, for the one disk that is plugged in: QEMU does not say of which it speaks.
 */
void
lukshdrQemuExplainPlug(virDomainObj *vm, virDomainDiskDef *disk);
