/*
 * client.c: what clients send of domains and their disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Our entries stand in front of those of the QEMU driver: each corrects the XML
 * (client-xml.h) and hands it on.  They run in the thread that serves the
 * client, with nothing locked.
 */

#include "config.h"

#include "client.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "util/log.h"
#include "util/xml.h"
#include "qemu.h"
#include "client-xml.h"
#include "context.h"
#include "metadata.h"
#include "migrate.h"
#include "renew.h"
#include "rights.h"
#include "snapshot.h"
#include "space.h"
#include "table.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)

static void *lukshdrQemuConfigModule;

/* Makes @xml, which a client sent and which may be NULL, the XML that libvirt shall get; @rewritten
 * owns the new text.  Returns false, with a libvirt error reported, if it must be refused. */
static bool
lukshdrQemuConfigRewrite(const char **xml, char **rewritten)
{
    g_autoptr(GError) error = NULL;

    if (!*xml)
        return true;
    if (!lukshdrQemuConfigXMLRewrite(&lukshdrQemu.host, *xml, rewritten, &error)) {
        lukshdrReportError(error);
        return false;
    }
    if (*rewritten)
        *xml = *rewritten;
    return true;
}

/* As lukshdrQemuConfigRewrite.  Only a client that may do what it asks for gets an error that says
 * something about links; stock asks for everything else.  The right is asked for @domain or, if
 * that is NULL, for the domain in @xml, which may not exist yet. */
static bool
lukshdrQemuConfigRewriteFor(virConnectPtr conn,
                            virDomainPtr domain,
                            lukshdrQemuEnsureACL ensure,
                            unsigned int flags,
                            const char **xml,
                            char **rewritten)
{
    virErrorPtr said;

    if (lukshdrQemuConfigRewrite(xml, rewritten))
        return true;

    said = lukshdrQemuErrorSave();
    if (domain ? lukshdrQemuMay(domain, ensure, flags)
               : lukshdrQemuMayXML(conn, *xml, NULL, ensure, flags))
        lukshdrQemuErrorRestore(said);
    else
        virFreeError(said);
    return false;
}

static virDomainPtr
lukshdrQemuConfigCreateXML(virConnectPtr conn, const char *xml, unsigned int flags)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuConfigRewriteFor(conn, NULL, lukshdrQemu.libvirt.virDomainCreateXMLEnsureACL,
                                     flags, &xml, &rewritten))
        return NULL;
    return lukshdrQemuTableStock.domainCreateXML(conn, xml, flags);
}

static int
lukshdrQemuConfigCreate(virDomainPtr domain)
{
    if (!lukshdrQemuMay(domain, lukshdrQemu.libvirt.virDomainCreateEnsureACL, 0))
        return -1;
    lukshdrQemuRenew(domain, lukshdrQemuTableStock.domainDefineXMLFlags);
    return lukshdrQemuTableStock.domainCreate(domain);
}

static int
lukshdrQemuConfigCreateWithFlags(virDomainPtr domain, unsigned int flags)
{
    if (!lukshdrQemuMay(domain, lukshdrQemu.libvirt.virDomainCreateWithFlagsEnsureACL, flags))
        return -1;
    lukshdrQemuRenew(domain, lukshdrQemuTableStock.domainDefineXMLFlags);
    return lukshdrQemuTableStock.domainCreateWithFlags(domain, flags);
}

static virDomainPtr
lukshdrQemuConfigDefineXML(virConnectPtr conn, const char *xml)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuConfigRewriteFor(conn, NULL, lukshdrQemu.libvirt.virDomainDefineXMLEnsureACL, 0,
                                     &xml, &rewritten))
        return NULL;
    return lukshdrQemuTableStock.domainDefineXML(conn, xml);
}

static virDomainPtr
lukshdrQemuConfigDefineXMLFlags(virConnectPtr conn, const char *xml, unsigned int flags)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuConfigRewriteFor(conn, NULL,
                                     lukshdrQemu.libvirt.virDomainDefineXMLFlagsEnsureACL, flags,
                                     &xml, &rewritten))
        return NULL;
    return lukshdrQemuTableStock.domainDefineXMLFlags(conn, xml, flags);
}

static int
lukshdrQemuConfigAttachDevice(virDomainPtr domain, const char *xml)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuConfigRewriteFor(
            NULL, domain, lukshdrQemu.libvirt.virDomainAttachDeviceEnsureACL, 0, &xml, &rewritten))
        return -1;
    return lukshdrQemuTableStock.domainAttachDevice(domain, xml);
}

static int
lukshdrQemuConfigAttachDeviceFlags(virDomainPtr domain, const char *xml, unsigned int flags)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuConfigRewriteFor(NULL, domain,
                                     lukshdrQemu.libvirt.virDomainAttachDeviceFlagsEnsureACL, flags,
                                     &xml, &rewritten))
        return -1;
    return lukshdrQemuTableStock.domainAttachDeviceFlags(domain, xml, flags);
}

static int
lukshdrQemuConfigUpdateDeviceFlags(virDomainPtr domain, const char *xml, unsigned int flags)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuConfigRewriteFor(NULL, domain,
                                     lukshdrQemu.libvirt.virDomainUpdateDeviceFlagsEnsureACL, flags,
                                     &xml, &rewritten))
        return -1;
    return lukshdrQemuTableStock.domainUpdateDeviceFlags(domain, xml, flags);
}

static int
lukshdrQemuConfigSaveFlags(virDomainPtr domain,
                           const char *to,
                           const char *dxml,
                           unsigned int flags)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuConfigRewriteFor(NULL, domain, lukshdrQemu.libvirt.virDomainSaveFlagsEnsureACL,
                                     flags, &dxml, &rewritten))
        return -1;
    return lukshdrQemuTableStock.domainSaveFlags(domain, to, dxml, flags);
}

static int
lukshdrQemuConfigRestoreFlags(virConnectPtr conn,
                              const char *from,
                              const char *dxml,
                              unsigned int flags)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuConfigRewriteFor(conn, NULL, lukshdrQemu.libvirt.virDomainRestoreFlagsEnsureACL,
                                     flags, &dxml, &rewritten))
        return -1;
    return lukshdrQemuTableStock.domainRestoreFlags(conn, from, dxml, flags);
}

/* Returns a copy of @params, to be freed with g_free.  If they hold the XML of a saved domain, the
 * copy holds the XML that libvirt shall get instead.  The caller keeps owning its strings;
 * @rewritten owns the new one.  The domain is @domain or, if that is NULL, a saved one on @conn.
 * Returns NULL, with a libvirt error reported, to refuse the XML. */
static virTypedParameterPtr
lukshdrQemuConfigParams(virConnectPtr conn,
                        virDomainPtr domain,
                        lukshdrQemuEnsureACL ensure,
                        unsigned int flags,
                        virTypedParameterPtr params,
                        int nparams,
                        char **rewritten)
{
    g_autofree virTypedParameterPtr copy = g_new0(virTypedParameter, MAX(nparams, 0) + 1);
    int i;

    for (i = 0; i < nparams; i++) {
        const char *xml = params[i].value.s;

        copy[i] = params[i];
        if (params[i].type != VIR_TYPED_PARAM_STRING ||
            !g_str_equal(params[i].field, VIR_DOMAIN_SAVE_PARAM_DXML))
            continue;

        /* libvirt refuses a second such parameter */
        g_clear_pointer(rewritten, g_free);
        if (!lukshdrQemuConfigRewriteFor(conn, domain, ensure, flags, &xml, rewritten))
            return NULL;
        if (*rewritten)
            copy[i].value.s = *rewritten;
    }
    return g_steal_pointer(&copy);
}

static int
lukshdrQemuConfigSaveParams(virDomainPtr domain,
                            virTypedParameterPtr params,
                            int nparams,
                            unsigned int flags)
{
    g_autofree char *rewritten = NULL;
    g_autofree virTypedParameterPtr copy = lukshdrQemuConfigParams(
        NULL, domain, lukshdrQemu.libvirt.virDomainSaveParamsEnsureACL, flags, params, nparams,
        &rewritten);

    if (!copy)
        return -1;
    return lukshdrQemuTableStock.domainSaveParams(domain, copy, nparams, flags);
}

static int
lukshdrQemuConfigRestoreParams(virConnectPtr conn,
                               virTypedParameterPtr params,
                               int nparams,
                               unsigned int flags)
{
    g_autofree char *rewritten = NULL;
    g_autofree virTypedParameterPtr copy = lukshdrQemuConfigParams(
        conn, NULL, lukshdrQemu.libvirt.virDomainRestoreParamsEnsureACL, flags, params, nparams,
        &rewritten);

    if (!copy)
        return -1;
    return lukshdrQemuTableStock.domainRestoreParams(conn, copy, nparams, flags);
}

static int
lukshdrQemuConfigSaveImageDefineXML(virConnectPtr conn,
                                    const char *file,
                                    const char *dxml,
                                    unsigned int flags)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuConfigRewriteFor(conn, NULL,
                                     lukshdrQemu.libvirt.virDomainSaveImageDefineXMLEnsureACL,
                                     flags, &dxml, &rewritten))
        return -1;
    return lukshdrQemuTableStock.domainSaveImageDefineXML(conn, file, dxml, flags);
}

static int
lukshdrQemuConfigManagedSaveDefineXML(virDomainPtr domain, const char *dxml, unsigned int flags)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuConfigRewriteFor(NULL, domain,
                                     lukshdrQemu.libvirt.virDomainManagedSaveDefineXMLEnsureACL,
                                     flags, &dxml, &rewritten))
        return -1;
    return lukshdrQemuTableStock.domainManagedSaveDefineXML(domain, dxml, flags);
}

static int
lukshdrQemuConfigBlockCopy(virDomainPtr domain,
                           const char *disk,
                           const char *xml,
                           virTypedParameterPtr params,
                           int nparams,
                           unsigned int flags)
{
    lukshdrQemuContext context = { .kind = LUKSHDR_QEMU_CONTEXT_COPY };
    g_autofree char *rewritten = NULL;
    int rc;

    if (!lukshdrQemuConfigRewriteFor(NULL, domain, lukshdrQemu.libvirt.virDomainBlockCopyEnsureACL,
                                     flags, &xml, &rewritten))
        return -1;

    /* libvirt prepares the target of a copy as it does an overlay */
    lukshdrQemuContextBegin(&context);
    rc = lukshdrQemuTableStock.domainBlockCopy(domain, disk, xml, params, nparams, flags);
    lukshdrQemuContextEnd(&context);
    return rc;
}

/* The older call for the same, and for pulling, which prepares no image */
static int
lukshdrQemuConfigBlockRebase(virDomainPtr domain,
                             const char *disk,
                             const char *base,
                             unsigned long bandwidth,
                             unsigned int flags)
{
    lukshdrQemuContext context = { .kind = LUKSHDR_QEMU_CONTEXT_COPY, .target = base };
    int rc;

    lukshdrQemuContextBegin(&context);
    rc = lukshdrQemuTableStock.domainBlockRebase(domain, disk, base, bandwidth, flags);
    lukshdrQemuContextEnd(&context);
    return rc;
}

/* Checks the metadata now, so that its author hears of a mistake before the guest starts. */
static int
lukshdrQemuConfigSetMetadata(virDomainPtr domain,
                             int type,
                             const char *metadata,
                             const char *key,
                             const char *uri,
                             unsigned int flags)
{
    if (type == VIR_DOMAIN_METADATA_ELEMENT && metadata &&
        g_strcmp0(uri, LUKSHDR_XML_METADATA_URI) == 0) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GHashTable) headers = lukshdrQemuMetadataParseText(metadata, &error);

        if (!headers) {
            lukshdrReportError(error);
            return -1;
        }
    }
    return lukshdrQemuTableStock.domainSetMetadata(domain, type, metadata, key, uri, flags);
}

static const lukshdrQemuTableEntries lukshdrQemuConfigEntries = {
    .domainCreateXML = lukshdrQemuConfigCreateXML,
    .domainCreate = lukshdrQemuConfigCreate,
    .domainCreateWithFlags = lukshdrQemuConfigCreateWithFlags,
    .domainDefineXML = lukshdrQemuConfigDefineXML,
    .domainDefineXMLFlags = lukshdrQemuConfigDefineXMLFlags,
    .domainAttachDevice = lukshdrQemuConfigAttachDevice,
    .domainAttachDeviceFlags = lukshdrQemuConfigAttachDeviceFlags,
    .domainUpdateDeviceFlags = lukshdrQemuConfigUpdateDeviceFlags,
    .domainSaveFlags = lukshdrQemuConfigSaveFlags,
    .domainSaveParams = lukshdrQemuConfigSaveParams,
    .domainRestoreFlags = lukshdrQemuConfigRestoreFlags,
    .domainRestoreParams = lukshdrQemuConfigRestoreParams,
    .domainSaveImageDefineXML = lukshdrQemuConfigSaveImageDefineXML,
    .domainManagedSaveDefineXML = lukshdrQemuConfigManagedSaveDefineXML,
    .domainSnapshotCreateXML = lukshdrQemuSnapshotCreateXML,
    .domainRevertToSnapshot = lukshdrQemuSnapshotRevert,
    .domainBlockCopy = lukshdrQemuConfigBlockCopy,
    .domainBlockRebase = lukshdrQemuConfigBlockRebase,
    .domainGetBlockInfo = lukshdrQemuSpaceBlockInfo,
    .connectGetAllDomainStats = lukshdrQemuSpaceStats,
    .domainSetMetadata = lukshdrQemuConfigSetMetadata,
    .domainMigrateBegin3 = lukshdrQemuMigrateBegin3,
    .domainMigrateBegin3Params = lukshdrQemuMigrateBegin3Params,
    .domainMigratePrepare3 = lukshdrQemuMigratePrepare3,
    .domainMigratePrepare3Params = lukshdrQemuMigratePrepare3Params,
    .domainMigrateFinish3 = lukshdrQemuMigrateFinish3,
    .domainMigrateFinish3Params = lukshdrQemuMigrateFinish3Params,
    .domainMigratePerform3Params = lukshdrQemuMigratePerform3Params,
};

static bool
lukshdrQemuConfigActivate(bool privileged, GError **error)
{
    g_autoptr(virConnect) conn = virConnectOpen(privileged ? "qemu:///system" : "qemu:///session");
    g_autofree lukshdrQemuTable *table = NULL;

    if (!conn) {
        lukshdrErrorFromLast(error);
        return false;
    }
    if (!(table = lukshdrQemuTableFind(lukshdrQemuConfigModule, conn, error)))
        return false;

    lukshdrQemuTableTakeOver(table, &lukshdrQemuConfigEntries);
    return true;
}

/* Always returns "complete": an error would stop any daemon, "skipped" would stop a modular one. */
static int
lukshdrQemuConfigInitialize(bool privileged,
                            const char *root,
                            bool monolithic G_GNUC_UNUSED,
                            void *callback G_GNUC_UNUSED,
                            void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    /* a driver with a root directory of its own (qemu:///embed) would have another registry */
    if (!root && !lukshdrQemuConfigActivate(privileged, &error)) {
        LUKSHDR_LOG_ERROR(
            _("lukshdr: linked volumes can be used as disks, but the configuration of "
              "domains does not get their <encryption>: %s"),
            error->message);
        virResetLastError();
    }
    return LUKSHDR_VIR_STATE_INIT_COMPLETE;
}

/* libvirt keeps the pointer and writes to "initialized" */
static lukshdrVirStateDriver lukshdrQemuConfigStateDriver = {
    .name = "lukshdr-qemu",
    .stateInitialize = lukshdrQemuConfigInitialize,
};

bool
lukshdrQemuConfigRegister(void *stock, GError **error)
{
    lukshdrQemuConfigModule = stock;
    if (lukshdrQemu.libvirt.virRegisterStateDriver(&lukshdrQemuConfigStateDriver) < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }
    return true;
}
