/*
 * device.c: wrappers that show a guest the header's block device
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A guest has a /dev and a list of permitted devices of its own.  The stock
 * functions decide what that means for a header: for a regular file, nothing.
 *
 * Two functions need no wrapper.  qemuTeardownImageChainCgroup calls qemuTeardownImageCgroup for
 * each source and so comes through here.  qemuDomainNamespaceTeardownDisk does nothing in any
 * release, because another disk may use the device; that holds for headers as well.
 */

#include "config.h"

#include "qemu.h"
#include "disk.h"
#include "domain.h"
#include "guest.h"
#include "prepare.h"

/* Calls @func for the headers of @src and, with @chain, of all sources behind it. */
static int
lukshdrQemuDeviceForEach(virDomainObj *vm,
                         virStorageSource *src,
                         bool chain,
                         int (*func)(virDomainObj *vm,
                                     virStorageSource *header,
                                     const lukshdrGuestDisk *disk))
{
    g_autofree char *name = lukshdrQemuDomainName(vm);
    virStorageSource *n;

    for (n = src; n; n = chain ? lukshdrQemuSourceBacking(n) : NULL) {
        g_autoptr(lukshdrGuestDisk) disk = lukshdrQemuDiskFind(n, name);
        g_autoptr(virStorageSource) header = NULL;

        if (!disk || lukshdrQemuDiskHeaderIsRemote(disk))
            continue;
        if (!(header = lukshdrQemuDiskHeader(disk, n)) || func(vm, header, disk) < 0)
            return -1;
    }
    return 0;
}

static int
lukshdrQemuDeviceAllow(virDomainObj *vm,
                       virStorageSource *header,
                       const lukshdrGuestDisk *disk G_GNUC_UNUSED)
{
    return LUKSHDR_STOCK(qemuSetupImageCgroup)(vm, header);
}

static int
lukshdrQemuDeviceDeny(virDomainObj *vm, virStorageSource *header, const lukshdrGuestDisk *disk)
{
    g_autofree char *name = lukshdrQemuDomainName(vm);

    if (name && lukshdrQemuGuestUsesHeader(name, disk))
        return 0;
    return LUKSHDR_STOCK(qemuTeardownImageCgroup)(vm, header);
}

/* Takes a device back only from a disk that is being plugged in.  If a guest fails to
 * start, its control group goes away as a whole.  A disk that was there before keeps what
 * it had. */
static int
lukshdrQemuDeviceUndoAllow(virDomainObj *vm, virStorageSource *header, const lukshdrGuestDisk *disk)
{
    g_autofree char *name = lukshdrQemuDomainName(vm);

    if (name && lukshdrQemuGuestGranted(name, disk->nodeName) == 1)
        lukshdrQemuDeviceDeny(vm, header, disk);
    return 0;
}

static int
lukshdrQemuDeviceSetup(virDomainObj *vm, virStorageSource *src, bool chain)
{
    virErrorPtr saved;
    int rc = 0;

    if (lukshdrQemu.active)
        rc = lukshdrQemuDeviceForEach(vm, src, chain, lukshdrQemuDeviceAllow);
    if (rc == 0) {
        rc = chain ? LUKSHDR_STOCK(qemuSetupImageChainCgroup)(vm, src)
                   : LUKSHDR_STOCK(qemuSetupImageCgroup)(vm, src);
    }

    if (rc < 0 && lukshdrQemu.active) {
        saved = lukshdrQemuErrorSave();
        lukshdrQemuDeviceForEach(vm, src, chain, lukshdrQemuDeviceUndoAllow);
        lukshdrQemuErrorRestore(saved);
    }
    return rc;
}

int
qemuSetupImageCgroup(virDomainObj *vm, virStorageSource *src)
{
    return lukshdrQemuDeviceSetup(vm, src, false);
}

int
qemuSetupImageChainCgroup(virDomainObj *vm, virStorageSource *src)
{
    return lukshdrQemuDeviceSetup(vm, src, true);
}

int
qemuTeardownImageCgroup(virDomainObj *vm, virStorageSource *src)
{
    int rc = LUKSHDR_STOCK(qemuTeardownImageCgroup)(vm, src);

    if (lukshdrQemu.active && lukshdrQemuDeviceForEach(vm, src, false, lukshdrQemuDeviceDeny) < 0)
        rc = -1;
    return rc;
}

static int
lukshdrQemuDeviceShow(virDomainObj *vm,
                      virStorageSource *header,
                      const lukshdrGuestDisk *disk G_GNUC_UNUSED)
{
    bool created = false;

    return LUKSHDR_STOCK(qemuDomainNamespaceSetupDisk)(vm, header, &created);
}

/* libvirt calls this before it does anything else with the devices of a guest that starts.  If it
 * fails, QEMU has not run yet and the namespace goes away: nothing needs to be undone. */
int
qemuDomainBuildNamespace(virQEMUDriverConfig *cfg, virDomainObj *vm)
{
    g_autoptr(GPtrArray) sources = NULL;
    g_autofree char *name = NULL;
    int rc = LUKSHDR_STOCK(qemuDomainBuildNamespace)(cfg, vm);
    guint i;

    if (rc < 0 || !lukshdrQemu.active)
        return rc;

    /* each daemon numbers its guests from the start again: a record under this number is that
     * of a guest whose end no daemon noticed */
    if ((name = lukshdrQemuDomainName(vm)))
        lukshdrQemuGuestDrop(name);

    sources = lukshdrQemuDomainSources(vm);
    for (i = 0; i < sources->len; i++) {
        if (lukshdrQemuDeviceForEach(vm, g_ptr_array_index(sources, i), true,
                                     lukshdrQemuDeviceShow) < 0)
            return -1;
    }
    return rc;
}

/* *created tells callers whether they have something to take away when a hot-plug fails.  No
 * release takes anything away (see the head of this file), so *created stays what stock said. */
int
qemuDomainNamespaceSetupDisk(virDomainObj *vm, virStorageSource *src, bool *created)
{
    int rc;

    /* libvirt 9.0 calls this before any other wrapped function for a disk that it plugs in */
    if (lukshdrQemu.active && lukshdrQemuPrepareEarly(vm, src, true) < 0)
        return -1;

    rc = LUKSHDR_STOCK(qemuDomainNamespaceSetupDisk)(vm, src, created);
    if (rc == 0 && lukshdrQemu.active)
        rc = lukshdrQemuDeviceForEach(vm, src, true, lukshdrQemuDeviceShow);
    return rc;
}
