/*
 * module.c: the module: what it loads, what it checks, and what it stands in front of
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt loads this module with RTLD_GLOBAL, and this module then loads the stock one.  If
 * both have a function of the same name, the stock driver calls ours (ELF symbol order).
 * That cannot be undone.  So if any check fails, the wrappers pass everything through.
 */

#include "config.h"

#include "link/auth.h"
#include "qemu.h"

#include <glib/gi18n-lib.h>
#include <libintl.h>
#include <libxml/parser.h>
#include <unistd.h>

#include "util/error.h"
#include "util/log.h"
#include "util/module.h"
#include "util/paths.h"
#include "bind.h"
#include "client.h"
#include "domain.h"
#include "guest.h"
#include "left.h"
#include "secret.h"
#include "shared-fs.h"
#include "source.h"

#define LUKSHDR_QEMU_NAME(ret, name, args) #name,

static const char *const lukshdrQemuNames[] = { LUKSHDR_ABI_QEMU_WRAPPED(LUKSHDR_QEMU_NAME) NULL };
static const char *const lukshdrQemuRemoteNames[] = { LUKSHDR_ABI_QEMU_REMOTE(LUKSHDR_QEMU_NAME)
                                                          NULL };
static const char *const lukshdrQemuBitmapNames[] = { LUKSHDR_ABI_QEMU_BITMAPS(LUKSHDR_QEMU_NAME)
                                                          NULL };

/* Where releases export one of two functions, check that the one present is bound to our
 * wrapper. */
static bool
lukshdrQemuCheckEither(void *stock, GError **error)
{
    const lukshdrABIQemuDriver *abi = &lukshdrQemu.stock;
    const char *const names[] = {
        abi->qemuBlockStorageSourceGetFormatProps ? "qemuBlockStorageSourceGetFormatProps"
                                                  : "qemuBlockStorageSourceGetBlockdevProps",
        abi->qemuDomainAttachDeviceLive ? "qemuDomainAttachDeviceLive"
                                        : "qemuDomainAttachDeviceDiskLive",
        abi->qemuDomainUpdateDeviceLive ? "qemuDomainUpdateDeviceLive"
                                        : "qemuDomainChangeEjectableMedia",
        NULL,
    };

    return lukshdrQemuBindCheck(stock, names, error);
}

/* Is everything as the wrappers need it?  Resolves the stock functions first, all of them
 * even after a failure: wrappers that pass everything through need them too. */
static bool
lukshdrQemuCheck(void *stock, GError **error)
{
    bool found = lukshdrABIResolveQemuDriver(stock, &lukshdrQemu.stock, error);

    if (!found || !lukshdrABIVersionSupported(error) ||
        !lukshdrABIResolveQemu(&lukshdrQemu.libvirt, error))
        return false;

    return lukshdrQemuBindCheck(stock, lukshdrQemuNames, error) &&
           lukshdrQemuCheckEither(stock, error) && lukshdrQemuSourceMeasure(error) &&
           lukshdrQemuDomainMeasure(error);
}

/* Can headers without a path be used? */
static bool
lukshdrQemuCheckRemote(void *stock)
{
    g_autoptr(GError) error = NULL;

    if (lukshdrQemu.libvirt.virDomainDiskDefParseSource &&
        lukshdrQemuBindCheck(stock, lukshdrQemuRemoteNames, &error))
        return true;

    LUKSHDR_LOG_WARN(_("lukshdr: headers on clusters cannot be used: %s"),
                     error ? error->message
                           : _("this libvirt has no function 'virDomainDiskDefParseSource'"));
    return false;
}

/* Can linked disks have checkpoints?  All or nothing: bitmaps that libvirt made and does not see would be
 * changes that a backup misses. */
static bool
lukshdrQemuCheckBitmaps(void *stock)
{
    g_autoptr(GError) error = NULL;

    if (lukshdrQemu.stock.qemuMonitorJSONArbitraryCommand &&
        lukshdrQemuBindCheck(stock, lukshdrQemuBitmapNames, &error))
        return true;

    LUKSHDR_LOG_WARN(_("lukshdr: disks with detached headers cannot have checkpoints: %s"),
                     error ? error->message
                           : _("this libvirt has no function 'qemuMonitorJSONArbitraryCommand'"));
    return false;
}

static void
lukshdrQemuActivate(void *stock)
{
    g_autofree char *registry = NULL;
    g_autofree char *guests = NULL;
    g_autofree char *pools = NULL;
    g_autofree char *configs = NULL;
    g_autofree char *states = NULL;
    g_autofree char *conf = NULL;
    g_autofree char *notice = NULL;
    g_autofree char *running = NULL;

    lukshdrQemu.host.privileged = geteuid() == 0;
    pools = lukshdrPathPools(lukshdrQemu.host.privileged);
    configs = lukshdrPathPoolConfigs(lukshdrQemu.host.privileged);
    states = lukshdrPathPoolStates(lukshdrQemu.host.privileged);
    registry = lukshdrPathRegistry(lukshdrQemu.host.privileged);
    guests = lukshdrPathGuests(lukshdrQemu.host.privileged);
    conf = lukshdrPathQemuConf(lukshdrQemu.host.privileged);
    running = lukshdrPathGuestStates(lukshdrQemu.host.privileged);

    lukshdrQemuSharedLoad(conf);
    lukshdrQemu.host.registry = lukshdrRegistryNew(registry);
    lukshdrQemu.host.decryptedDir = lukshdrPathDecrypted(lukshdrQemu.host.privileged);
    lukshdrQemu.host.headerPools = lukshdrHeaderPoolsNew(pools, configs, states);
    lukshdrQemu.host.secretByUsage = lukshdrQemuSecretByUsage;
    lukshdrQemu.host.secretExists = lukshdrQemuSecretExists;
    lukshdrQemuGuestsLoad(guests);
    lukshdrQemuLeftRestore(running, conf, lukshdrQemu.host.privileged);
    lukshdrQemu.remoteHeaders = lukshdrQemuCheckRemote(stock);
    lukshdrQemu.bitmaps = lukshdrQemuCheckBitmaps(stock);
    lukshdrQemu.active = true;

    notice = g_strdup_printf(_("libvirt-lukshdr %s: volumes with detached headers can be used as "
                               "disks of guests"),
                             LUKSHDR_VERSION);
    lukshdrLogNotice(notice);
}

int
qemuRegister(void)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) error = NULL;
    void *stock = NULL;
    bool common = lukshdrABIResolveCommon(&lukshdrQemu.common, &missing);

    lukshdrAuthSetSource(lukshdrQemuSecretUserKey);

    /* now, while there is one thread: later two threads might both initialise it first */
    xmlInitParser();
    bindtextdomain(GETTEXT_PACKAGE, LUKSHDR_LOCALEDIR);
    lukshdrLogInit(&lukshdrQemu.common, "lukshdr.qemu", VIR_FROM_QEMU);

    if (!lukshdrModuleLoadStock(&lukshdrQemu.common, "qemu", &stock, &error)) {
        lukshdrReportError(error);
        return -1;
    }
    if (!stock) {
        LUKSHDR_LOG_INFO(_("libvirt's QEMU driver is not installed"));
        return 0;
    }

    if (!lukshdrQemuCheck(stock, &error) || !common) {
        LUKSHDR_LOG_ERROR(_("libvirt-lukshdr stays out of the way, volumes with detached headers "
                            "cannot be used as disks: %s"),
                          common ? error->message : missing->message);
    } else {
        lukshdrQemuActivate(stock);
    }

    if (lukshdrModuleRegisterStock(stock, "qemuRegister") < 0)
        return -1;

    if (lukshdrQemu.active && !lukshdrQemuConfigRegister(stock, &error)) {
        LUKSHDR_LOG_ERROR(_("lukshdr: the configuration of domains does not get the <encryption> "
                            "of linked volumes: %s"),
                          error->message);
        virResetLastError();
    }
    return 0;
}
