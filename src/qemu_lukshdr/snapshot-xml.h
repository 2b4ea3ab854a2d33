/*
 * snapshot-xml.h: how a snapshot keeps the disks of a domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "lookup.h"

/* An overlay that a snapshot puts above a disk */
typedef struct _lukshdrQemuOverlay lukshdrQemuOverlay;
struct _lukshdrQemuOverlay {
    char *target;      /* of the disk, such as "vda" */
    char *path;        /* of the overlay; NULL if it is no file, or libvirt has no name for it */
    char *base;        /* path of the image that it is put on; NULL if that has none */
    char *baseFormat;  /* of that image, libvirt's name; NULL if the XML does not say */
    bool baseIsLinked; /* the image is the payload of @link itself */
    bool qcow2;        /* the overlay's format */
    bool ownHeader;    /* the domain's metadata names a header for the disk */
    lukshdrLink
        *link;      /* of the linked volume on which it is put, or of one further below; or NULL */
    char *secret;   /* UUID of the secret that encrypts it; NULL: it is plain */
    guint64 device; /* of the file that was made here; with */
    guint64 inode;  /* 0 if none was */
};

/**
 * lukshdrQemuOverlayFree:
 * @overlay: an overlay, or NULL
 *
 * Leaves the file alone.
 */
void
lukshdrQemuOverlayFree(lukshdrQemuOverlay *overlay);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrQemuOverlay, lukshdrQemuOverlayFree)

/**
 * lukshdrQemuSnapshotXMLOverlays:
 * @host: what this host knows
 * @domain: XML of a domain: what runs, or its configuration
 * @snapshot: XML of the snapshot that a client wants to make of it
 * @diskOnly: whether disks are external unless they say otherwise (--disk-only)
 * @encrypt: whether overlays without <encryption> may get one
 * @rewritten: set to the XML that libvirt is to have instead, freed with g_free, or to NULL
 * @error: as lukshdrQemuConfigXMLFind and lukshdrHeaderPoolsFindDefault; VIR_ERR_XML_ERROR for malformed
 *         metadata; VIR_ERR_CONFIG_UNSUPPORTED if two overlays would have one name
 *
 * An overlay above a linked volume gets the <encryption> of that volume's secret, if it lies in a pool that has an
 * encryption default.  By default overlays lie beside the image below, and are called after the snapshot.
 *
 * Returns: all overlays that the snapshot makes, a GPtrArray of lukshdrQemuOverlay freed with what is in it; none
 * if a text is no XML, which is left to stock; NULL with @error set.
 */
GPtrArray *
lukshdrQemuSnapshotXMLOverlays(const lukshdrQemuHost *host,
                               const char *domain,
                               const char *snapshot,
                               bool diskOnly,
                               bool encrypt,
                               char **rewritten,
                               GError **error);

/**
 * lukshdrQemuSnapshotXMLCheckOverlays:
 * @host: what this host knows
 * @overlays: from lukshdrQemuSnapshotXMLOverlays, of a domain that does not run
 * @error: VIR_ERR_OPERATION_UNSUPPORTED, naming the disk and what works; as lukshdrQemuLookup, if an overlay
 *         shall be what no guest may have, and VIR_ERR_CONFIG_UNSUPPORTED if it is a linked volume
 *
 * libvirt makes the overlays of such a domain unencrypted, whatever the XML says, and calls nothing else that we
 * wrap.  Of a guest that runs, Prepare refuses them (prepare.c).
 *
 * Returns: true, or false with @error set if one above a linked volume would be plain.
 */
bool
lukshdrQemuSnapshotXMLCheckOverlays(const lukshdrQemuHost *host,
                                    GPtrArray *overlays,
                                    GError **error);

/**
 * lukshdrQemuSnapshotXMLCheckRunning:
 * @host: what this host knows
 * @domain: XML of a domain that runs
 * @snapshot: XML of the snapshot that a client wants to make of it
 * @diskOnly: as for lukshdrQemuSnapshotXMLOverlays
 * @error: VIR_ERR_OPERATION_UNSUPPORTED, naming the disk and what works
 *
 * QEMU's luks node has no internal snapshots, which QEMU says in words that nobody can use.  The payload's qcow2 node
 * below it has, but would keep the memory of the domain in clear, and that stays there when the snapshot is deleted.
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
 * lukshdrQemuSnapshotXMLReverts:
 * @host: what this host knows
 * @snapshot: XML of a snapshot, with the domain in it, to which a client wants to go back
 * @running: set to whether the snapshot has the domain's memory
 * @error: VIR_ERR_OPERATION_UNSUPPORTED, naming the disk and what to do, if one could not be encrypted
 *
 * libvirt goes back to an external snapshot with new overlays above all disks of the domain in it, also those
 * that the snapshot left out (virDomainSnapshotAlignDisks with force_default_location, since 9.9).  It makes
 * them unencrypted.
 *
 * Returns: the overlays that linked disks get, as lukshdrQemuSnapshotXMLOverlays, without their paths, which libvirt
 * makes of the time; NULL with @error set.
 */
GPtrArray *
lukshdrQemuSnapshotXMLReverts(const lukshdrQemuHost *host,
                              const char *snapshot,
                              bool *running,
                              GError **error);

/**
 * lukshdrQemuSnapshotXMLWays:
 * @format: of a linked volume, or NULL
 *
 * Returns: what kind of snapshot there can be of it, for a person, freed with g_free.
 */
char *
lukshdrQemuSnapshotXMLWays(const char *format);
