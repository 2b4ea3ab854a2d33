/*
 * access.c: giving a guest access to a header, and taking it back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The invariant: every grant stands in the guest's record, and the record counts as
 * many grants as the security drivers remember.
 *
 * When a guest stops, (1) its record loses the grants, all with one write, (2) stock's one call restores headers together
 * with the guest's disks, (3) the other headers are restored by a call each, (4) libvirt removes the guest's state, and the
 * record goes.  After a crash in between, libvirt stops the guest again, whose record still names the disks:
 *
 *   after 1     each header is restored once.  Of one that several disks of the guest shared, libvirt remembers more users
 *               than that; it stays with QEMU's user.
 *   in 2, 3     so it is, and as stock does to the payload: what had been restored is root's then.
 *   after 4     nothing is left to do.
 */

#include "config.h"

#include "access.h"

#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util/error.h"
#include "util/log.h"
#include "qemu.h"
#include "domain.h"
#include "guest.h"
#include "left.h"
#include "remembered.h"
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

/* Gives @header back, which is @disk's: its grants are no longer in the guest's record, which counted @remembered.
 * @times is what lukshdrQemuGuestRevoke said. */
static int
lukshdrQemuAccessGiveBack(virQEMUDriver *driver,
                          virDomainObj *vm,
                          const lukshdrGuestDisk *disk,
                          virStorageSource *src,
                          virStorageSource *header,
                          unsigned int remembered,
                          unsigned int times,
                          bool migrated)
{
    int rc = 0;

    if (times == 0 || !header)
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

    if (!header && !remote)
        return -1;
    if (!name)
        return 0;
    remembered = lukshdrQemuGuestGranted(name, disk->nodeName);
    times = lukshdrQemuGuestRevoke(name, disk->nodeName, forget);
    return lukshdrQemuAccessGiveBack(driver, vm, disk, src, header, remembered, times, migrated);
}

static void
lukshdrQemuReturnFree(lukshdrQemuReturn *back)
{
    lukshdrGuestDiskFree(back->disk);
    g_clear_object(&back->header);
    g_free(back->before);
    g_free(back);
}

/* Can libvirt take its lock on the file (virSecurityManagerMetadataLock in its src/security)?  An immutable file cannot be
 * opened for that, nor a device that became read-only. */
static bool
lukshdrQemuAccessIsLockable(const char *path)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1 };
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool ok = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* May stock restore the header along with the guest's disks?  Where one file cannot be restored, stock leaves those after
 * it alone as well, and where it cannot lock one, all of them.  The guest's disks must not suffer for a header.  So it must
 * be there, on a file system of this host, and nobody but root and QEMU's user may lock it: who reads a file can do
 * that.  That who is in a device's group reads all devices is no news.
 *
 * Nor on a host with SELinux: its labels have a transaction of their own, before that of owners, which stays done if that one
 * fails.  What was not restored then could not be restored alone. */
static bool
lukshdrQemuAccessReturnsTogether(const lukshdrQemuReturn *back, bool migrated)
{
    const char *path = back->disk->headerPath;
    struct stat st;

    return back->header && back->times == 1 && !migrated && stat(path, &st) == 0 &&
           (S_ISBLK(st.st_mode) ? (st.st_mode & S_IRWXO) == 0
                                : S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0) &&
           getxattr(path, "security.selinux", NULL, 0) < 0 && !lukshdrQemuSharedHas(path) &&
           lukshdrQemuAccessIsLockable(path);
}

GPtrArray *
lukshdrQemuAccessReturnBegin(virDomainObj *vm,
                             GPtrArray *sources,
                             bool migrated,
                             GPtrArray *together)
{
    GPtrArray *returns = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrQemuReturnFree);
    g_autofree char *name = lukshdrQemuDomainName(vm);
    guint i;

    for (i = 0; name && i < sources->len; i++) {
        virStorageSource *src = g_ptr_array_index(sources, i);
        g_autoptr(lukshdrGuestDisk) disk = lukshdrQemuDiskFind(src, name);
        g_autoptr(virStorageSource) header = NULL;
        lukshdrQemuReturn *back;

        if (!disk ||
            (!lukshdrQemuDiskHeaderIsRemote(disk) && !(header = lukshdrQemuDiskHeader(disk, src))))
            continue;
        back = g_new0(lukshdrQemuReturn, 1);
        back->disk = g_steal_pointer(&disk);
        back->src = src;
        back->header = g_steal_pointer(&header);
        g_ptr_array_add(returns, back);
    }
    if (returns->len > 0)
        lukshdrQemuGuestReturn(name, returns);

    for (i = 0; i < returns->len; i++) {
        lukshdrQemuReturn *back = g_ptr_array_index(returns, i);

        if (lukshdrQemuAccessReturnsTogether(back, migrated) &&
            (back->before = lukshdrQemuRememberedState(back->disk->headerPath)))
            g_ptr_array_add(together, back->header);
    }
    return returns;
}

/* Has the stock call of which something failed restored this header?  Then a second time would give it to root. */
static bool
lukshdrQemuAccessIsReturned(const lukshdrQemuReturn *back)
{
    g_autofree char *now = lukshdrQemuRememberedState(back->disk->headerPath);

    return g_strcmp0(now, back->before) != 0;
}

void
lukshdrQemuAccessReturnEnd(virQEMUDriver *driver,
                           virDomainObj *vm,
                           GPtrArray *returns,
                           bool migrated,
                           bool all)
{
    guint i;

    for (i = 0; i < returns->len; i++) {
        const lukshdrQemuReturn *back = g_ptr_array_index(returns, i);

        if (!back->before || (!all && !lukshdrQemuAccessIsReturned(back)))
            (void)lukshdrQemuAccessGiveBack(driver, vm, back->disk, back->src, back->header,
                                            back->remembered, back->times, migrated);
    }
}
