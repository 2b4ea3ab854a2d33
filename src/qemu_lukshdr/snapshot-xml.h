/*
 * snapshot-xml.h: on which disks a snapshot would put an overlay
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "lookup.h"

/**
 * lukshdrQemuSnapshotXMLCheck:
 * @host: what this host knows
 * @domain: XML of a domain that does not run
 * @snapshot: XML of the snapshot that a client wants to make of it
 * @diskOnly: whether disks are external unless they say otherwise (--disk-only)
 * @error: VIR_ERR_OPERATION_UNSUPPORTED, naming the disk and what to do
 *
 * libvirt makes the overlays of a domain that does not run with qemu-img.  It makes them unencrypted,
 * whatever the XML says, and calls nothing else that we wrap.  Text that is not XML is left to stock.
 *
 * Returns: true, or false with @error set if a linked disk would get one.
 */
bool
lukshdrQemuSnapshotXMLCheck(const lukshdrQemuHost *host,
                            const char *domain,
                            const char *snapshot,
                            bool diskOnly,
                            GError **error);

/**
 * lukshdrQemuSnapshotXMLCheckRunning:
 * @host: what this host knows
 * @domain: XML of a domain that runs
 * @snapshot: XML of the snapshot that a client wants to make of it
 * @diskOnly: as for lukshdrQemuSnapshotXMLCheck
 * @error: VIR_ERR_OPERATION_UNSUPPORTED, naming the disk and what works
 *
 * QEMU's luks node has no internal snapshots, which QEMU says in words that nobody can use.
 *
 * Returns: true, or false with @error set if a linked disk would get one.
 */
bool
lukshdrQemuSnapshotXMLCheckRunning(const lukshdrQemuHost *host,
                                   const char *domain,
                                   const char *snapshot,
                                   bool diskOnly,
                                   GError **error);

/**
 * lukshdrQemuSnapshotXMLCheckRevert:
 * @host: what this host knows
 * @snapshot: XML of a snapshot, with the domain in it, to which a client wants to go back
 * @error: VIR_ERR_OPERATION_UNSUPPORTED, naming the disk and what to do
 *
 * libvirt goes back to an external snapshot with new overlays above all disks of the domain in it, also those
 * that the snapshot left out (virDomainSnapshotAlignDisks with force_default_location, since 9.9).  It makes
 * them unencrypted.
 *
 * Returns: true, or false with @error set if a linked disk would get one.
 */
bool
lukshdrQemuSnapshotXMLCheckRevert(const lukshdrQemuHost *host,
                                  const char *snapshot,
                                  GError **error);

/**
 * lukshdrQemuSnapshotXMLWays:
 * @format: of a linked volume, or NULL
 *
 * Returns: what kind of snapshot there can be of it, for a person, freed with g_free.
 */
char *
lukshdrQemuSnapshotXMLWays(const char *format);
