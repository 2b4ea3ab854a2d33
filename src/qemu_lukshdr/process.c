/*
 * process.c: wrappers that note for which domain libvirt prepares disks, and which one stops
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Each release has one function that starts a guest, one that plugs a disk in, and one that
 * changes a medium.  Their arguments have changed over time.  Where it is not certain which
 * arguments a function has, the wrapper takes them as plain words and hands them on.
 */

#include "config.h"

#include "util/error.h"
#include "util/log.h"
#include "qemu.h"
#include "context.h"
#include "domain.h"
#include "explain.h"
#include "guest.h"

/* Some releases give the driver first, others the domain: the second word tells, a domain's address
 * or a small number. */
static virDomainObj *
lukshdrQemuProcessDomain(guintptr first, guintptr second)
{
    return (virDomainObj *)(second < 4096 ? first : second);
}

/* (driver, vm, reason, asyncJob, flags) in 9.0.0 and 11.3.0, (vm, reason, asyncJob, flags)
 * in 12.8.0; in which release it changed is not known.
 *
 * libvirt also calls it to clean up after a start that failed, and for a guest that a daemon
 * finds gone when it starts itself.  Inside it, the wrappers of security.c restore labels
 * when the domain no longer has its number. */
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
    /* libvirt keeps the error of a start that failed over what follows */
    lukshdrQemuExplainStart(stop.vm);
    LUKSHDR_STOCK(qemuProcessStop)(first, second, third, fourth, fifth);
    if ((name = lukshdrQemuDomainStopEnd(&stop)))
        lukshdrQemuGuestDrop(name);
}

/* (driver, vm, flags) in 9.0.0 and 11.3.0
 *
 * Headers are read side by side, and while libvirt prepares the next disk.  All must be right before
 * libvirt goes on: it labels them then, and starts QEMU. */
int
qemuProcessPrepareDomain(guintptr first, guintptr second, guintptr third)
{
    lukshdrQemuHeaderChecks checks = { 0 };
    lukshdrQemuContext context = { .kind = LUKSHDR_QEMU_CONTEXT_PREPARE,
                                   .vm = lukshdrQemuProcessDomain(first, second),
                                   .checks = &checks };
    g_autoptr(GError) error = NULL;
    int rc;

    lukshdrQemuContextBegin(&context);
    rc = LUKSHDR_STOCK(qemuProcessPrepareDomain)(first, second, third);
    if (!lukshdrQemuHeaderChecksEnd(&checks, lukshdrQemu.host.privileged, &error) && rc >= 0) {
        lukshdrReportError(error);
        rc = -1;
    }
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
    if (rc < 0)
        lukshdrQemuExplainPlug(vm, context.disk);
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
    if (rc < 0)
        lukshdrQemuExplainPlug(vm, context.disk);
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
