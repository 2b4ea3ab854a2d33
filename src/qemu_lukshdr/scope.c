/*
 * scope.c: wrappers that tell the preparing of disks for which domain it is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Of the functions that start a guest, plug a disk in and change a medium, a release
 * has one each; which arguments they have changed over time, so where that is not
 * certain they are words that are handed on as they are.
 */

#include "config.h"

#include "qemu.h"
#include "domain.h"
#include "explicit.h"

/* (driver, vm, flags) in 9.0.0 and 11.3.0; as with qemuProcessStop, a small number is no domain */
int
qemuProcessPrepareDomain(guintptr first, guintptr second, guintptr third)
{
    lukshdrQemuScope scope;
    int rc;

    lukshdrQemuScopeBegin(&scope, (virDomainObj *)(second < 4096 ? first : second), NULL);
    rc = lukshdrQemu.stock.qemuProcessPrepareDomain(first, second, third);
    lukshdrQemuScopeEnd(&scope);
    return rc;
}

int
qemuDomainAttachDeviceLive(virDomainObj *vm, virDomainDeviceDef *dev, virQEMUDriver *driver)
{
    lukshdrQemuScope scope;
    int rc;

    lukshdrQemuScopeBegin(&scope, vm, lukshdrQemu.active ? lukshdrQemuDomainDeviceDef(dev) : NULL);
    rc = lukshdrQemu.stock.qemuDomainAttachDeviceLive(vm, dev, driver);
    lukshdrQemuScopeEnd(&scope);
    return rc;
}

/* libvirt 9.0 */
int
qemuDomainAttachDeviceDiskLive(virQEMUDriver *driver, virDomainObj *vm, virDomainDeviceDef *dev)
{
    lukshdrQemuScope scope;
    int rc;

    lukshdrQemuScopeBegin(&scope, vm, lukshdrQemu.active ? lukshdrQemuDomainDeviceDef(dev) : NULL);
    rc = lukshdrQemu.stock.qemuDomainAttachDeviceDiskLive(driver, vm, dev);
    lukshdrQemuScopeEnd(&scope);
    return rc;
}

int
qemuDomainUpdateDeviceLive(virDomainObj *vm,
                           virDomainDeviceDef *dev,
                           virQEMUDriver *driver,
                           bool force)
{
    lukshdrQemuScope scope;
    int rc;

    lukshdrQemuScopeBegin(&scope, vm, NULL);
    rc = lukshdrQemu.stock.qemuDomainUpdateDeviceLive(vm, dev, driver, force);
    lukshdrQemuScopeEnd(&scope);
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
    lukshdrQemuScope scope;
    int rc;

    lukshdrQemuScopeBegin(&scope, vm, NULL);
    rc = lukshdrQemu.stock.qemuDomainChangeEjectableMedia(driver, vm, disk, newsrc, force);
    lukshdrQemuScopeEnd(&scope);
    return rc;
}
