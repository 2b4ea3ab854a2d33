/*
 * security.c: wrappers that label headers along with payloads
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Security transactions do not nest, so the wrappers label a header before or after the
 * stock call.  They grant the header before it: if that fails, there is no stock part to
 * undo.  Callers would not undo it, and it must not be undone for an image to which the
 * guest had access before.
 *
 * For each transaction libvirt forks a process that goes into the guest's namespace.  When a guest starts or stops, its
 * headers are therefore disks of it for the moment of the stock call: one transaction labels all, or
 * undoes all, and one restores all.
 */

#include "config.h"

#include "util/log.h"
#include "qemu.h"
#include "access.h"
#include "apparmor.h"
#include "domain.h"
#include "guest.h"
#include "prepare.h"
#include "remembered.h"

/* Plans to grant the headers of @src and, with @backingChain, of all sources behind it. */
static int
lukshdrQemuSecurityPlanChain(virDomainObj *vm,
                             virStorageSource *src,
                             bool backingChain,
                             bool chainTop,
                             bool migrated,
                             GPtrArray *grants)
{
    virStorageSource *n;

    for (n = src; n; n = backingChain ? lukshdrQemuSourceBacking(n) : NULL) {
        if (lukshdrQemuAccessPlan(vm, n, chainTop && n == src, migrated, grants) < 0)
            return -1;
    }
    return 0;
}

int
qemuSecuritySetImageLabel(virQEMUDriver *driver,
                          virDomainObj *vm,
                          virStorageSource *src,
                          bool backingChain,
                          bool chainTop)
{
    g_autoptr(GPtrArray) grants = NULL;
    int rc;

    if (!lukshdrQemu.active) {
        return LUKSHDR_STOCK(qemuSecuritySetImageLabel)(driver, vm, src, backingChain, chainTop);
    }

    if (lukshdrQemuPrepareEarly(vm, src, backingChain) < 0)
        return -1;

    grants = lukshdrQemuGrantsNew();
    rc = lukshdrQemuSecurityPlanChain(vm, src, backingChain, chainTop, false, grants);
    if (rc == 0)
        rc = lukshdrQemuAccessGrant(driver, vm, grants, NULL);
    if (rc == 0) {
        rc = LUKSHDR_STOCK(qemuSecuritySetImageLabel)(driver, vm, src, backingChain, chainTop);
    }
    if (rc < 0)
        lukshdrQemuAccessUndo(driver, vm, grants);
    return rc;
}

int
qemuSecurityRestoreImageLabel(virQEMUDriver *driver,
                              virDomainObj *vm,
                              virStorageSource *src,
                              bool backingChain)
{
    g_autoptr(lukshdrGuestDisk) disk = NULL;
    g_autofree char *name = NULL;
    virStorageSource *n;
    int rc = LUKSHDR_STOCK(qemuSecurityRestoreImageLabel)(driver, vm, src, backingChain);

    if (!lukshdrQemu.active)
        return rc;

    /* revoke only the header of @src: no security driver restores the rest of the chain either,
     * whatever @backingChain says */
    name = lukshdrQemuDomainName(vm);
    if ((disk = lukshdrQemuDiskFind(src, name)) &&
        lukshdrQemuAccessRevoke(driver, vm, disk, src, false, true) < 0)
        rc = -1;

    /* stock leaves the files below to the guest's user; but the guest no longer has them */
    for (n = backingChain ? lukshdrQemuSourceBacking(src) : NULL; n;
         n = lukshdrQemuSourceBacking(n)) {
        g_autoptr(lukshdrGuestDisk) lower = lukshdrQemuDiskFind(n, name);

        if (!lower || !name)
            continue;
        /* a disk that counts grants was a top itself, before a snapshot put an overlay on it */
        if (lukshdrQemuGuestGranted(name, lower->nodeName) == 0)
            lukshdrQemuGuestForget(name, lower->nodeName);
        else if (lukshdrQemuAccessRevoke(driver, vm, lower, n, false, true) < 0)
            rc = -1;
    }

    lukshdrQemuAppArmorRenew(driver, vm);
    return rc;
}

int
qemuSecuritySetAllLabel(virQEMUDriver *driver,
                        virDomainObj *vm,
                        const char *incomingPath,
                        bool migrated)
{
    g_autoptr(GPtrArray) together = g_ptr_array_new();
    g_autoptr(GPtrArray) sources = NULL;
    g_autoptr(GPtrArray) grants = NULL;
    int rc = 0;
    guint i;

    if (!lukshdrQemu.active)
        return LUKSHDR_STOCK(qemuSecuritySetAllLabel)(driver, vm, incomingPath, migrated);

    sources = lukshdrQemuDomainSources(vm);
    grants = lukshdrQemuGrantsNew();
    for (i = 0; rc == 0 && i < sources->len; i++) {
        /* stock says "migrated" of a guest that comes back from a file, too: no other host has
         * it */
        rc = lukshdrQemuSecurityPlanChain(vm, g_ptr_array_index(sources, i), true, true,
                                          migrated && !incomingPath, grants);
    }
    if (rc == 0)
        rc = lukshdrQemuAccessGrant(driver, vm, grants,
                                    lukshdrQemuAppArmorIsUsed() ? NULL : together);
    if (rc == 0) {
        lukshdrQemuDomainAddDisks(vm, together);
        rc = LUKSHDR_STOCK(qemuSecuritySetAllLabel)(driver, vm, incomingPath, migrated);
        lukshdrQemuDomainRemoveDisks(vm, together);
    }
    if (rc == 0)
        lukshdrQemuAccessLabelled(grants);
    if (rc == 0 && lukshdrQemuAppArmorAddVolumes(driver, vm) < 0) {
        virErrorPtr saved = lukshdrQemuErrorSave();

        /* the caller takes a failure to mean that nothing was labelled */
        LUKSHDR_STOCK(qemuSecurityRestoreAllLabel)(driver, vm, migrated);
        lukshdrQemuErrorRestore(saved);
        rc = -1;
    }
    if (rc < 0)
        lukshdrQemuAccessUndo(driver, vm, grants);
    return rc;
}

/* Restores the headers of disks that libvirt no longer has. */
static void
lukshdrQemuSecurityRestoreRest(virQEMUDriver *driver, virDomainObj *vm, bool migrated)
{
    g_autofree char *name = lukshdrQemuDomainName(vm);
    g_autoptr(GPtrArray) disks = name ? lukshdrQemuGuestDisks(name) : NULL;
    guint i;

    for (i = 0; disks && i < disks->len; i++) {
        lukshdrGuestDisk *disk = g_ptr_array_index(disks, i);

        /* a payload further down a chain counts no grants: its header stays, as the payload does */
        if (disk->granted > 0)
            lukshdrQemuAccessRevoke(driver, vm, disk, NULL, migrated, false);
    }
}

void
qemuSecurityRestoreAllLabel(virQEMUDriver *driver, virDomainObj *vm, bool migrated)
{
    g_autoptr(GPtrArray) together = g_ptr_array_new();
    g_autoptr(GPtrArray) returns = NULL;
    g_autoptr(GPtrArray) sources = NULL;
    virErrorPtr saved;
    bool all;

    if (!lukshdrQemu.active) {
        LUKSHDR_STOCK(qemuSecurityRestoreAllLabel)(driver, vm, migrated);
        return;
    }

    saved = lukshdrQemuErrorSave();
    sources = lukshdrQemuDomainSources(vm);
    returns = lukshdrQemuAccessReturnBegin(vm, sources, migrated, together);

    lukshdrQemuDomainAddDisks(vm, together);
    virResetLastError();
    LUKSHDR_STOCK(qemuSecurityRestoreAllLabel)(driver, vm, migrated);
    /* it returns nothing, and reports whatever fails */
    all = virGetLastErrorCode() == VIR_ERR_OK;
    lukshdrQemuDomainRemoveDisks(vm, together);

    lukshdrQemuAccessReturnEnd(driver, vm, returns, migrated, all);
    lukshdrQemuSecurityRestoreRest(driver, vm, migrated);
    lukshdrQemuErrorRestore(saved);
}

/* Moves what the security drivers remember of @src's header to @dst's header.  If @dst is NULL, the
 * drivers forget it.  Callers in libvirt only warn when this fails. */
static int
lukshdrQemuSecurityMoveHeader(virQEMUDriver *driver,
                              virDomainObj *vm,
                              virStorageSource *src,
                              virStorageSource *dst)
{
    g_autofree char *name = lukshdrQemuDomainName(vm);
    g_autoptr(lukshdrGuestDisk) disk = lukshdrQemuDiskFind(src, name);
    g_autoptr(lukshdrGuestDisk) dstDisk = disk && dst ? lukshdrQemuDiskFind(dst, name) : NULL;
    g_autoptr(virStorageSource) header = NULL;
    g_autoptr(virStorageSource) dstHeader = NULL;

    /* the payload goes below an overlay, and may come back: its header stays in use */
    if (dst && !dstDisk)
        return 0;

    if (!disk || !name || (dstDisk && g_str_equal(dstDisk->headerPath, disk->headerPath)) ||
        lukshdrQemuDiskHeaderIsRemote(disk) || lukshdrQemuGuestUsesHeader(name, disk))
        return 0;

    /* nothing is remembered of a header without a path */
    if (dstDisk && lukshdrQemuDiskHeaderIsRemote(dstDisk))
        g_clear_pointer(&dstDisk, lukshdrGuestDiskFree);

    if (!(header = lukshdrQemuDiskHeader(disk, src)) ||
        (dstDisk && !(dstHeader = lukshdrQemuDiskHeader(dstDisk, dst))))
        return -1;

    lukshdrQemuGuestMoveGrants(name, disk->nodeName, dstDisk ? dstDisk->nodeName : NULL);

    /* Of each disk of a guest that stops libvirt forgets what it has not restored, since the disk is read-only or shared.
     * It forks a process for that.  The guest has no /dev of its own any more, so what is remembered is seen from
     * here. */
    if (!dst && lukshdrQemuDomainIsStopping(vm) && !lukshdrQemuRememberedAny(disk->headerPath))
        return 0;
    return LUKSHDR_STOCK(qemuSecurityMoveImageMetadata)(driver, vm, header, dstHeader);
}

int
qemuSecurityMoveImageMetadata(virQEMUDriver *driver,
                              virDomainObj *vm,
                              virStorageSource *src,
                              virStorageSource *dst)
{
    int rc = LUKSHDR_STOCK(qemuSecurityMoveImageMetadata)(driver, vm, src, dst);

    if (lukshdrQemu.active && src && lukshdrQemuSecurityMoveHeader(driver, vm, src, dst) < 0)
        rc = -1;
    return rc;
}
