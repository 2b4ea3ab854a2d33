/*
 * access.c: giving a guest access to a header, and taking it back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The invariant: every grant stands in the guest's record, and the record counts as
 * many grants as the security drivers remember.
 */

#include "config.h"

#include "access.h"

#include <glib/gi18n-lib.h>

#include "util/error.h"
#include "util/log.h"
#include "qemu.h"
#include "domain.h"
#include "guest.h"
#include "left.h"
#include "shared-fs.h"

static void
lukshdrQemuGrantFree(lukshdrQemuGrant *grant)
{
    lukshdrGuestDiskFree(grant->disk);
    g_clear_object(&grant->header);
    g_free(grant);
}

GPtrArray *
lukshdrQemuGrantsNew(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrQemuGrantFree);
}

int
lukshdrQemuAccessPlan(virDomainObj *vm,
                      virStorageSource *src,
                      bool chainTop,
                      bool migrated,
                      GPtrArray *grants)
{
    g_autofree char *name = lukshdrQemuDomainName(vm);
    g_autoptr(lukshdrGuestDisk) disk = lukshdrQemuDiskFind(src, name);
    g_autoptr(virStorageSource) header = NULL;
    g_autoptr(GError) error = NULL;
    lukshdrQemuGrant *grant;
    bool remember = chainTop;
    bool remote;

    if (!disk)
        return 0;

    /* it has no owner here, so none is remembered */
    if ((remote = lukshdrQemuDiskHeaderIsRemote(disk)))
        remember = false;

    /* The header still belongs to the user of the guest on the other host.  So the drivers do not
     * remember its owner here, and must not forget it here later: the other host may keep its own
     * memory of the owner on the same file. */
    if (migrated && !remote && lukshdrQemuSharedHas(disk->headerPath))
        remember = false;

    if (!name) {
        error = g_error_new(LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("header volume '%s' cannot be given to a domain that is not running"),
                            disk->headerPath);
        lukshdrReportError(error);
        return -1;
    }

    if (!remote && !(header = lukshdrQemuDiskHeader(disk, src)))
        return -1;

    grant = g_new0(lukshdrQemuGrant, 1);
    grant->disk = g_steal_pointer(&disk);
    grant->restorable = remember;
    grant->src = src;
    grant->header = g_steal_pointer(&header);
    grant->migrated = migrated;
    g_ptr_array_add(grants, grant);
    return 0;
}

/* A thread that deletes or wipes the volume writes that into the link first and then looks for
 * our record.  We have written our record and now look at the link: one sees the other. */
static bool
lukshdrQemuAccessIsActive(const lukshdrQemuGrant *grant)
{
    g_autoptr(GError) error = NULL;

    if (!grant->added || g_str_equal(grant->disk->linkUUID, LUKSHDR_GUEST_NO_LINK) ||
        lukshdrRegistryIsActive(lukshdrQemu.host.registry, grant->disk->linkUUID))
        return true;

    error = g_error_new(LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("the linked volume with payload '%s' is just being deleted or wiped"),
                        grant->disk->payloadPath);
    lukshdrReportError(error);
    return false;
}

/* May stock label the header along with the guest's disks?  If that fails, stock restores what it has labelled, and
 * asks nobody.  It must not do so to a header that another disk uses, and would not do so with
 * lukshdrQemuAccessRevoke to one that is read-only or shared. */
static bool
lukshdrQemuAccessIsPlain(const lukshdrQemuGrant *grant)
{
    return grant->restorable && grant->added && grant->lone &&
           !lukshdrQemuSourceIsShared(grant->header);
}

int
lukshdrQemuAccessGrant(virQEMUDriver *driver,
                       virDomainObj *vm,
                       GPtrArray *grants,
                       GPtrArray *together)
{
    g_autofree char *name = lukshdrQemuDomainName(vm);
    g_autoptr(GError) error = NULL;
    guint i;

    if (grants->len == 0)
        return 0;
    if (!lukshdrQemuGuestGrant(name, grants, &error)) {
        lukshdrReportError(error);
        return -1;
    }

    for (i = 0; i < grants->len; i++) {
        if (!lukshdrQemuAccessIsActive(g_ptr_array_index(grants, i)))
            return -1;
    }

    for (i = 0; i < grants->len; i++) {
        lukshdrQemuGrant *grant = g_ptr_array_index(grants, i);

        if (grant->restorable && grant->added && grant->lone)
            lukshdrQemuLeftReclaim(grant->disk);

        if (together && grant->header && lukshdrQemuAccessIsPlain(grant)) {
            g_ptr_array_add(together, grant->header);
            continue;
        }

        /* if the stock function fails, it has undone its own part: nothing is to be restored */
        if (grant->header && LUKSHDR_STOCK(qemuSecuritySetImageLabel)(driver, vm, grant->header,
                                                                      false, grant->restorable) < 0)
            return -1;
        grant->labelled = true;
    }
    return 0;
}

void
lukshdrQemuAccessLabelled(GPtrArray *grants)
{
    guint i;

    for (i = 0; i < grants->len; i++)
        ((lukshdrQemuGrant *)g_ptr_array_index(grants, i))->labelled = true;
}

void
lukshdrQemuAccessUndo(virQEMUDriver *driver, virDomainObj *vm, GPtrArray *grants)
{
    g_autofree char *name = lukshdrQemuDomainName(vm);
    virErrorPtr saved = lukshdrQemuErrorSave();
    guint i;

    /* first those that have no label: no other disk shall take them for users of its header */
    for (i = grants->len; i > 0; i--) {
        lukshdrQemuGrant *grant = g_ptr_array_index(grants, i - 1);

        if (grant->recorded && !grant->labelled)
            lukshdrQemuGuestUngrant(name, grant);
    }

    for (i = grants->len; i > 0; i--) {
        lukshdrQemuGrant *grant = g_ptr_array_index(grants, i - 1);

        if (grant->labelled && grant->added &&
            lukshdrQemuAccessRevoke(driver, vm, grant->disk, grant->src, grant->migrated, true) <
                0) {
            LUKSHDR_LOG_WARN(_("Header volume '%s' could not be given back: %s"),
                             grant->disk->headerPath, virGetLastErrorMessage());
        }
    }
    lukshdrQemuErrorRestore(saved);
}

int
lukshdrQemuAccessRevoke(virQEMUDriver *driver,
                        virDomainObj *vm,
                        const lukshdrGuestDisk *disk,
                        virStorageSource *src,
                        bool migrated,
                        bool forget)
{
    bool remote = lukshdrQemuDiskHeaderIsRemote(disk);
    g_autoptr(virStorageSource) header = remote ? NULL : lukshdrQemuDiskHeader(disk, src);
    g_autofree char *name = lukshdrQemuDomainName(vm);
    unsigned int remembered;
    unsigned int times;
    int rc = 0;

    if (!header && !remote)
        return -1;
    remembered = name ? lukshdrQemuGuestGranted(name, disk->nodeName) : 0;
    if (!name || (times = lukshdrQemuGuestRevoke(name, disk->nodeName, forget)) == 0 || remote)
        return 0;

    /* As stock does: leave the label to the other host and forget the owner on this one.  For a
     * guest that came in and failed, no owner was remembered here, and the guest goes on at the
     * other host. */
    if (migrated && lukshdrQemuSharedHas(disk->headerPath)) {
        if (remembered == 0)
            return 0;
        return LUKSHDR_STOCK(qemuSecurityMoveImageMetadata)(driver, vm, header, NULL);
    }

    /* stock does not restore a read-only disk; without @src only @disk says that this is one */
    if (!src && disk->readOnly)
        return 0;

    for (; times > 0; times--) {
        if (LUKSHDR_STOCK(qemuSecurityRestoreImageLabel)(driver, vm, header, false) < 0)
            rc = -1;
    }
    return rc;
}
