/*
 * process.c: wrappers that note for which domain disks are prepared, and which one stops
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Of the functions that start a guest, plug a disk in and change a medium, a release
 * has one each.  Which arguments they have changed over time, so where that is not
 * certain they are words that are handed on as they are.
 */

#include "config.h"

#include "qemu.h"
#include "context.h"
#include "domain.h"
#include "guest.h"

/* Some releases give the driver first, others the domain: the second word tells, a domain's address or
 * a small number. */
static virDomainObj *
lukshdrQemuProcessDomain(guintptr first, guintptr second)
{
    return (virDomainObj *)(second < 4096 ? first : second);
}

/* (driver, vm, reason, asyncJob, flags) in 9.0.0 and 11.3.0, (vm, reason, asyncJob, flags)
 * in 12.8.0; in which release it changed is not known.
 *
 * Also how a start that fails is cleaned up, and what a daemon calls that finds a guest
 * gone at its own start.  Labels are restored in there, by the wrappers of
 * security.c, when the domain has its number no more. */
void
qemuProcessStop(guintptr first, guintptr second, guintptr third, guintptr fourth, guintptr fifth)
{
    g_autofree char *name = NULL;
    lukshdrQemuContext stop;

    if (!lukshdrQemu.active) {
        LUKSHDR_STOCK(qemuProcessStop)(first, second, third, fourth, fifth);
        return;
    }

    lukshdrQemuDomainStopBegin(&stop, lukshdrQemuProcessDomain(first, second));
    LUKSHDR_STOCK(qemuProcessStop)(first, second, third, fourth, fifth);
    if ((name = lukshdrQemuDomainStopEnd(&stop)))
        lukshdrQemuGuestDrop(name);
}

/* (driver, vm, flags) in 9.0.0 and 11.3.0 */
int
qemuProcessPrepareDomain(guintptr first, guintptr second, guintptr third)
{
    lukshdrQemuContext context = { .kind = LUKSHDR_QEMU_CONTEXT_PREPARE,
                                   .vm = lukshdrQemuProcessDomain(first, second) };
    int rc;

    lukshdrQemuContextBegin(&context);
    rc = LUKSHDR_STOCK(qemuProcessPrepareDomain)(first, second, third);
    lukshdrQemuContextEnd(&context);
    return rc;
}

int
qemuDomainAttachDeviceLive(virDomainObj *vm, virDomainDeviceDef *dev, virQEMUDriver *driver)
{
    lukshdrQemuContext context = { .kind = LUKSHDR_QEMU_CONTEXT_PREPARE,
                                   .vm = vm,
                                   .disk = lukshdrQemu.active ? lukshdrQemuDomainDeviceDef(dev)
                                                              : NULL };
    int rc;

    lukshdrQemuContextBegin(&context);
    rc = LUKSHDR_STOCK(qemuDomainAttachDeviceLive)(vm, dev, driver);
    lukshdrQemuContextEnd(&context);
    return rc;
}

/* libvirt 9.0 */
int
qemuDomainAttachDeviceDiskLive(virQEMUDriver *driver, virDomainObj *vm, virDomainDeviceDef *dev)
{
    lukshdrQemuContext context = { .kind = LUKSHDR_QEMU_CONTEXT_PREPARE,
                                   .vm = vm,
                                   .disk = lukshdrQemu.active ? lukshdrQemuDomainDeviceDef(dev)
                                                              : NULL };
    int rc;

    lukshdrQemuContextBegin(&context);
    rc = LUKSHDR_STOCK(qemuDomainAttachDeviceDiskLive)(driver, vm, dev);
    lukshdrQemuContextEnd(&context);
    return rc;
}

int
qemuDomainUpdateDeviceLive(virDomainObj *vm,
                           virDomainDeviceDef *dev,
                           virQEMUDriver *driver,
                           bool force)
{
    lukshdrQemuContext context = { .kind = LUKSHDR_QEMU_CONTEXT_PREPARE, .vm = vm };
    int rc;

    lukshdrQemuContextBegin(&context);
    rc = LUKSHDR_STOCK(qemuDomainUpdateDeviceLive)(vm, dev, driver, force);
    lukshdrQemuContextEnd(&context);
    return rc;
}

/* libvirt 9.0 */
int
qemuDomainChangeEjectableMedia(virQEMUDriver *driver,
                               virDomainObj *vm,
                               virDomainDiskDef *disk,
                               virStorageSource *newsrc,
                               bool force)
{
    lukshdrQemuContext context = { .kind = LUKSHDR_QEMU_CONTEXT_PREPARE, .vm = vm };
    int rc;

    lukshdrQemuContextBegin(&context);
    rc = LUKSHDR_STOCK(qemuDomainChangeEjectableMedia)(driver, vm, disk, newsrc, force);
    lukshdrQemuContextEnd(&context);
    return rc;
}
