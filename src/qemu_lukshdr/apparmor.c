/*
 * apparmor.c: rules for linked volumes in a guest's AppArmor profile
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stock functions wrapped here are those that reach a Restore callback of
 * libvirt's security_apparmor.c while a guest runs; disks are in security.c.
 */

#include "config.h"

#include "apparmor.h"

#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "util/log.h"
#include "qemu.h"
#include "disk.h"
#include "domain.h"
#include "guest.h"

/* where libvirt's own AppArmor driver looks to see whether it can be used */
#define LUKSHDR_APPARMOR_PROFILES "/sys/kernel/security/apparmor/profiles"

/* A daemon has one QEMU driver.  All wrapped functions but qemuSecurityRestoreInputLabel
 * get it as an argument; for that one it is kept here. */
static virQEMUDriver *lukshdrQemuAppArmorDriver;

/* Returns the source of the disk with node name @nodeName, from any chain of @guest's disks */
static virStorageSource *
lukshdrQemuAppArmorFindSource(GPtrArray *sources, const char *guest, const char *nodeName)
{
    guint i;

    for (i = 0; i < sources->len; i++) {
        virStorageSource *n;

        for (n = g_ptr_array_index(sources, i); n; n = lukshdrQemuSourceBacking(n)) {
            g_autoptr(lukshdrGuestDisk) disk = lukshdrQemuDiskFind(n, guest);

            if (disk && g_str_equal(disk->nodeName, nodeName))
                return n;
        }
    }
    return NULL;
}

/* Adds the rule of the file that @src is.  Not as the top of a chain: the drivers remember the owner
 * already, and those that count grants must not count this call. */
static int
lukshdrQemuAppArmorAdd(virQEMUDriver *driver, virDomainObj *vm, virStorageSource *src)
{
    return LUKSHDR_STOCK(qemuSecuritySetImageLabel)(driver, vm, src, false, false);
}

bool
lukshdrQemuAppArmorIsUsed(void)
{
    return access(LUKSHDR_APPARMOR_PROFILES, R_OK) == 0;
}

int
lukshdrQemuAppArmorAddVolumes(virQEMUDriver *driver, virDomainObj *vm)
{
    g_autofree char *name = NULL;
    g_autoptr(GPtrArray) sources = NULL;
    guint i;

    if (!lukshdrQemuAppArmorIsUsed())
        return 0;

    name = lukshdrQemuDomainName(vm);
    sources = lukshdrQemuDomainSources(vm);
    for (i = 0; i < sources->len; i++) {
        virStorageSource *n;

        for (n = g_ptr_array_index(sources, i); n; n = lukshdrQemuSourceBacking(n)) {
            g_autoptr(lukshdrGuestDisk) disk = NULL;

            if (lukshdrQemuSourceIsVolume(n) && (disk = lukshdrQemuDiskFind(n, name)) &&
                lukshdrQemuAppArmorAdd(driver, vm, n) < 0)
                return -1;
        }
    }
    return 0;
}

void
lukshdrQemuAppArmorRenew(virQEMUDriver *driver, virDomainObj *vm)
{
    g_autofree char *name = NULL;
    g_autoptr(GPtrArray) disks = NULL;
    g_autoptr(GPtrArray) sources = NULL;
    virErrorPtr saved;
    guint i;

    if (driver)
        g_atomic_pointer_set(&lukshdrQemuAppArmorDriver, driver);

    /* a guest that is being stopped must not get back what was just taken from it */
    if (!lukshdrQemu.active || !lukshdrQemuGuestsAny() || lukshdrQemuDomainIsStopping(vm) ||
        !lukshdrQemuAppArmorIsUsed() || !(name = lukshdrQemuDomainName(vm)))
        return;

    disks = lukshdrQemuGuestDisks(name);
    if (disks->len == 0)
        return;

    if (!driver && !(driver = g_atomic_pointer_get(&lukshdrQemuAppArmorDriver))) {
        LUKSHDR_LOG_WARN(_("AppArmor may now deny guest '%s' the header volumes of its disks"),
                         name);
        return;
    }

    saved = lukshdrQemuErrorSave();
    sources = lukshdrQemuDomainSources(vm);
    for (i = 0; i < disks->len; i++) {
        lukshdrGuestDisk *disk = g_ptr_array_index(disks, i);
        virStorageSource *src = lukshdrQemuAppArmorFindSource(sources, name, disk->nodeName);
        g_autoptr(virStorageSource) header = NULL;

        if (src && lukshdrQemuSourceIsVolume(src) && lukshdrQemuAppArmorAdd(driver, vm, src) < 0) {
            LUKSHDR_LOG_WARN(_("AppArmor may now deny guest '%s' the payload volume '%s': %s"),
                             name, disk->payloadPath, virGetLastErrorMessage());
        }

        if (lukshdrQemuDiskHeaderIsRemote(disk))
            continue;
        if (!(header = lukshdrQemuDiskHeader(disk, src)) ||
            lukshdrQemuAppArmorAdd(driver, vm, header) < 0) {
            LUKSHDR_LOG_WARN(_("AppArmor may now deny guest '%s' the header volume '%s': %s"), name,
                             disk->headerPath, virGetLastErrorMessage());
        }
    }
    lukshdrQemuErrorRestore(saved);
}

int
qemuSecurityRestoreHostdevLabel(virQEMUDriver *driver,
                                virDomainObj *vm,
                                virDomainHostdevDef *hostdev)
{
    int rc = LUKSHDR_STOCK(qemuSecurityRestoreHostdevLabel)(driver, vm, hostdev);

    lukshdrQemuAppArmorRenew(driver, vm);
    return rc;
}

int
qemuSecurityRestoreMemoryLabel(virQEMUDriver *driver, virDomainObj *vm, virDomainMemoryDef *mem)
{
    int rc = LUKSHDR_STOCK(qemuSecurityRestoreMemoryLabel)(driver, vm, mem);

    lukshdrQemuAppArmorRenew(driver, vm);
    return rc;
}

int
qemuSecurityRestoreInputLabel(virDomainObj *vm, virDomainInputDef *input)
{
    int rc = LUKSHDR_STOCK(qemuSecurityRestoreInputLabel)(vm, input);

    lukshdrQemuAppArmorRenew(NULL, vm);
    return rc;
}

int
qemuSecurityRestoreChardevLabel(virQEMUDriver *driver, virDomainObj *vm, virDomainChrDef *chr)
{
    int rc = LUKSHDR_STOCK(qemuSecurityRestoreChardevLabel)(driver, vm, chr);

    lukshdrQemuAppArmorRenew(driver, vm);
    return rc;
}

int
qemuSecurityRestoreNetdevLabel(virQEMUDriver *driver, virDomainObj *vm, virDomainNetDef *net)
{
    int rc = LUKSHDR_STOCK(qemuSecurityRestoreNetdevLabel)(driver, vm, net);

    lukshdrQemuAppArmorRenew(driver, vm);
    return rc;
}

int
qemuSecurityDomainRestorePathLabel(virQEMUDriver *driver, virDomainObj *vm, const char *path)
{
    int rc = LUKSHDR_STOCK(qemuSecurityDomainRestorePathLabel)(driver, vm, path);

    lukshdrQemuAppArmorRenew(driver, vm);
    return rc;
}
