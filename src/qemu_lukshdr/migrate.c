/*
 * migrate.c: domains that go to another host, and come from one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A host does not send its links; the other host has links of its own, or none.  Of all that
 * is sent, only the <encryption> of a disk keeps the other QEMU from opening the ciphertext
 * as plain data.  So no linked disk is sent without one.
 */

#include "config.h"

#include "migrate.h"

#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "link/handle.h"
#include "util/error.h"
#include "util/log.h"
#include "util/xml.h"
#include "qemu.h"
#include "rights.h"
#include "client-xml.h"
#include "migrate-xml.h"
#include "table.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStoragePool, virStoragePoolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStorageVol, virStorageVolFree)

static bool
lukshdrQemuMigrateCheckOne(virDomainPtr domain, unsigned int which, const char *sent)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *own = lukshdrQemuLook(domain, which);

    if (!own)
        return false;

    if (lukshdrQemuMigrateXMLCheck(&lukshdrQemu.host, own, sent ? sent : own, &error))
        return true;
    lukshdrReportError(error);
    return false;
}

/* Checks the XML with which the guest goes on: its own, or the client's if the client sent some.
 * In the XML of a guest that runs, Prepare has given each linked disk an <encryption>.  The stored
 * configuration, which the other host may get as well, can be older than the link: so check it
 * too. */
static bool
lukshdrQemuMigrateCheck(virDomainPtr domain,
                        lukshdrQemuEnsureACL ensure,
                        const char *xmlin,
                        const char *persistent,
                        unsigned long flags)
{
    int kept;

    if (!lukshdrQemuMay(domain, ensure, flags) || !lukshdrQemuMigrateCheckOne(domain, 0, xmlin))
        return false;
    if (!(flags & VIR_MIGRATE_PERSIST_DEST))
        return true;
    if ((kept = lukshdrQemuLookState(domain, virDomainIsPersistent)) < 0)
        return false;
    if (kept)
        return lukshdrQemuMigrateCheckOne(domain, VIR_DOMAIN_XML_INACTIVE, persistent);
    return !persistent || lukshdrQemuMigrateCheckOne(domain, 0, persistent);
}

/* Returns NULL for a missing parameter, and for one of another type, which stock refuses. */
static const char *
lukshdrQemuMigrateParam(virTypedParameterPtr params, int nparams, const char *field)
{
    int i;

    for (i = 0; i < nparams; i++) {
        if (params[i].type == VIR_TYPED_PARAM_STRING && g_str_equal(params[i].field, field))
            return params[i].value.s;
    }
    return NULL;
}

char *
lukshdrQemuMigrateBegin3(virDomainPtr domain,
                         const char *xmlin,
                         char **cookieout,
                         int *cookieoutlen,
                         unsigned long flags,
                         const char *dname,
                         unsigned long bandwidth)
{
    if (!lukshdrQemuMigrateCheck(domain, lukshdrQemu.libvirt.virDomainMigrateBegin3EnsureACL, xmlin,
                                 NULL, flags))
        return NULL;
    return lukshdrQemuTableStock.domainMigrateBegin3(domain, xmlin, cookieout, cookieoutlen, flags,
                                                     dname, bandwidth);
}

char *
lukshdrQemuMigrateBegin3Params(virDomainPtr domain,
                               virTypedParameterPtr params,
                               int nparams,
                               char **cookieout,
                               int *cookieoutlen,
                               unsigned int flags)
{
    if (!lukshdrQemuMigrateCheck(
            domain, lukshdrQemu.libvirt.virDomainMigrateBegin3ParamsEnsureACL,
            lukshdrQemuMigrateParam(params, nparams, VIR_MIGRATE_PARAM_DEST_XML),
            lukshdrQemuMigrateParam(params, nparams, VIR_MIGRATE_PARAM_PERSIST_XML), flags))
        return NULL;
    return lukshdrQemuTableStock.domainMigrateBegin3Params(domain, params, nparams, cookieout,
                                                           cookieoutlen, flags);
}

int
lukshdrQemuMigratePerform3Params(virDomainPtr domain,
                                 const char *dconnuri,
                                 virTypedParameterPtr params,
                                 int nparams,
                                 const char *cookiein,
                                 int cookieinlen,
                                 char **cookieout,
                                 int *cookieoutlen,
                                 unsigned int flags)
{
    /* without this flag the client called Begin3 before, and the other host waits already */
    if ((flags & VIR_MIGRATE_PEER2PEER) &&
        !lukshdrQemuMigrateCheck(
            domain, lukshdrQemu.libvirt.virDomainMigratePerform3ParamsEnsureACL,
            lukshdrQemuMigrateParam(params, nparams, VIR_MIGRATE_PARAM_DEST_XML),
            lukshdrQemuMigrateParam(params, nparams, VIR_MIGRATE_PARAM_PERSIST_XML), flags))
        return -1;
    return lukshdrQemuTableStock.domainMigratePerform3Params(
        domain, dconnuri, params, nparams, cookiein, cookieinlen, cookieout, cookieoutlen, flags);
}

/* The secret that @encryption names by its UUID, to be freed with g_free, or NULL */
static char *
lukshdrQemuMigrateSecret(xmlNode *encryption)
{
    xmlNode *secret = lukshdrXMLChild(encryption, LUKSHDR_XML_SECRET);

    return secret ? lukshdrXMLAttribute(secret, LUKSHDR_XML_UUID) : NULL;
}

/* Returns the pool in which libvirt would make the missing volume of @disk.  Returns NULL if the
 * volume exists, or if there is no such pool: then libvirt refuses by itself. */
static virStoragePoolPtr
lukshdrQemuMigrateFindPool(virConnectPtr conn, xmlNode *disk)
{
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
    g_autofree char *path = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_FILE) : NULL;
    g_autofree char *poolName = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_POOL) : NULL;
    g_autofree char *volume = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_VOLUME) : NULL;
    g_autoptr(virStoragePool) pool = NULL;
    g_autoptr(virStorageVol) vol = NULL;

    if (path) {
        g_autofree char *dir = g_path_get_dirname(path);

        if (access(path, F_OK) == 0)
            return NULL;
        g_free(volume);
        volume = g_path_get_basename(path);
        pool = virStoragePoolLookupByTargetPath(conn, dir);
    } else if (poolName && volume) {
        pool = virStoragePoolLookupByName(conn, poolName);
    }

    if (!pool || (vol = virStorageVolLookupByName(pool, volume)))
        return NULL;
    return g_steal_pointer(&pool);
}

/* Would a volume that is made in @pool without an <encryption> of its own get the secret @uuid? */
static bool
lukshdrQemuMigratePoolGives(virStoragePoolPtr pool, const char *uuid)
{
    g_autofree char *text = virStoragePoolGetXMLDesc(pool, 0);
    g_autoptr(xmlDoc) doc = text ? lukshdrQemuConfigXMLRead(text) : NULL;
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *target = root ? lukshdrXMLChild(root, LUKSHDR_XML_TARGET) : NULL;
    xmlNode *encryption = target ? lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION) : NULL;
    g_autofree char *given = encryption ? lukshdrQemuMigrateSecret(encryption) : NULL;

    return given && uuid && g_str_equal(given, uuid);
}

/* If a disk is to be copied and its volume is missing here, libvirt makes a volume without any
 * encryption.  QEMU would then refuse to open that plain volume, and the volume would stay. */
static bool
lukshdrQemuMigrateCheckVolume(xmlNode *disk, xmlNode *encryption, GError **error)
{
    virErrorPtr saved = lukshdrQemuErrorSave();
    g_autoptr(virConnect) conn = lukshdrQemu.libvirt.virGetConnectStorage();
    g_autoptr(virStoragePool) pool = conn ? lukshdrQemuMigrateFindPool(conn, disk) : NULL;
    g_autofree char *uuid = lukshdrQemuMigrateSecret(encryption);
    bool ok = !pool || lukshdrQemuMigratePoolGives(pool, uuid);

    if (!ok) {
        g_autofree char *target = lukshdrQemuConfigXMLTarget(disk);

        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("disk '%s' is encrypted, and pool '%s' of host '%s' has no volume to copy it "
                      "to: libvirt would make one that is not, or has another secret. Create a "
                      "linked volume of that name and capacity there first (virsh vol-create), or "
                      "give the pool an encryption default with secret '%s'"),
                    target, virStoragePoolGetName(pool), g_get_host_name(), uuid ? uuid : "");
    }
    lukshdrQemuErrorRestore(saved);
    return ok;
}

/* Sets @changed if @disk, which is to be copied to a volume of this host, got that one's secret.
 * @running if it is a disk of the guest, not only of the configuration. */
static bool
lukshdrQemuMigrateCopied(xmlNode *disk, bool running, bool *changed, GError **error)
{
    g_autofree char *type = lukshdrXMLAttribute(disk, LUKSHDR_XML_TYPE);
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
    xmlNode *encryption = lukshdrQemuMigrateXMLEncryption(disk);
    g_autofree char *path = NULL;
    g_autofree char *uuid = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    xmlNode *secret;

    /* libvirt does not copy a disk that is read-only */
    if (!source || !encryption || lukshdrXMLChild(disk, "readonly"))
        return true;

    if (!lukshdrQemuConfigXMLFind(&lukshdrQemu.host, type, source, &link, &path, error))
        return false;
    if (!link)
        return !running || lukshdrQemuMigrateCheckVolume(disk, encryption, error);

    if (path && !lukshdrHandleIsOwnName(&link->payload, path))
        return true; /* the XML names it by its secret (lukshdrQemuConfigXMLRewrite) */

    uuid = lukshdrQemuMigrateSecret(encryption);
    if (!link->secretUUID || g_strcmp0(uuid, link->secretUUID) == 0 ||
        !(secret = lukshdrXMLChild(encryption, LUKSHDR_XML_SECRET)))
        return true;

    xmlUnsetProp(secret, BAD_CAST LUKSHDR_XML_USAGE);
    lukshdrXMLSetAttribute(secret, LUKSHDR_XML_UUID, link->secretUUID);
    *changed = true;
    return true;
}

/* Makes @xml the XML that libvirt shall get; @rewritten owns the new text.  Returns false, with a
 * libvirt error reported, if it must be refused. */
static bool
lukshdrQemuMigrateIncoming(const char **xml, char **rewritten, bool running, unsigned long flags)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GError) error = NULL;
    xmlNode *root;
    xmlNode *disk = NULL;
    bool changed = false;

    if (!*xml)
        return true;
    if (!lukshdrQemuConfigXMLRewrite(&lukshdrQemu.host, *xml, rewritten, &error)) {
        lukshdrReportError(error);
        return false;
    }
    if (*rewritten)
        *xml = *rewritten;
    if (!(flags & (VIR_MIGRATE_NON_SHARED_DISK | VIR_MIGRATE_NON_SHARED_INC)) ||
        !(doc = lukshdrQemuConfigXMLRead(*xml)) || !(root = xmlDocGetRootElement(doc)))
        return true;

    while ((disk = lukshdrQemuMigrateXMLNextDisk(root, disk))) {
        if (!lukshdrQemuMigrateCopied(disk, running, &changed, &error)) {
            lukshdrReportError(error);
            return false;
        }
    }

    if (changed) {
        g_free(*rewritten);
        *xml = *rewritten = lukshdrQemuConfigXMLWrite(doc);
    }
    return true;
}

/* lukshdrQemuMigrateIncoming of what a client sent: what that says is told only to one that may do
 * what it asks for, to a domain that is called @dname, if that is not NULL */
static bool
lukshdrQemuMigrateComes(virConnectPtr dconn,
                        const char *dname,
                        lukshdrQemuEnsureACL ensure,
                        unsigned long flags,
                        const char **xml,
                        char **rewritten)
{
    const char *sent = *xml;
    virErrorPtr said;

    if (lukshdrQemuMigrateIncoming(xml, rewritten, true, flags))
        return true;

    said = lukshdrQemuErrorSave();
    if (lukshdrQemuMayXML(dconn, sent, dname, ensure, flags))
        lukshdrQemuErrorRestore(said);
    else
        virFreeError(said);
    return false;
}

int
lukshdrQemuMigratePrepare3(virConnectPtr dconn,
                           const char *cookiein,
                           int cookieinlen,
                           char **cookieout,
                           int *cookieoutlen,
                           const char *uri_in,
                           char **uri_out,
                           unsigned long flags,
                           const char *dname,
                           unsigned long bandwidth,
                           const char *dom_xml)
{
    g_autofree char *rewritten = NULL;

    if (!lukshdrQemuMigrateComes(dconn, dname,
                                 lukshdrQemu.libvirt.virDomainMigratePrepare3EnsureACL, flags,
                                 &dom_xml, &rewritten))
        return -1;
    return lukshdrQemuTableStock.domainMigratePrepare3(dconn, cookiein, cookieinlen, cookieout,
                                                       cookieoutlen, uri_in, uri_out, flags, dname,
                                                       bandwidth, dom_xml);
}

int
lukshdrQemuMigratePrepare3Params(virConnectPtr dconn,
                                 virTypedParameterPtr params,
                                 int nparams,
                                 const char *cookiein,
                                 int cookieinlen,
                                 char **cookieout,
                                 int *cookieoutlen,
                                 char **uri_out,
                                 unsigned int flags)
{
    g_autofree char *rewritten = NULL;
    g_autofree virTypedParameterPtr copy = g_new0(virTypedParameter, MAX(nparams, 0) + 1);
    int i;

    for (i = 0; i < nparams; i++) {
        const char *xml = params[i].value.s;

        copy[i] = params[i];
        /* libvirt refuses a second one */
        if (rewritten || params[i].type != VIR_TYPED_PARAM_STRING ||
            !g_str_equal(params[i].field, VIR_MIGRATE_PARAM_DEST_XML))
            continue;
        if (!lukshdrQemuMigrateComes(
                dconn, lukshdrQemuMigrateParam(params, nparams, VIR_MIGRATE_PARAM_DEST_NAME),
                lukshdrQemu.libvirt.virDomainMigratePrepare3ParamsEnsureACL, flags, &xml,
                &rewritten))
            return -1;
        copy[i].value.s = (char *)xml;
    }
    return lukshdrQemuTableStock.domainMigratePrepare3Params(
        dconn, copy, nparams, cookiein, cookieinlen, cookieout, cookieoutlen, uri_out, flags);
}

/* Corrects the stored configuration that came with @domain, if @flags say that one came.  @domain
 * may be NULL. */
static void
lukshdrQemuMigrateConfigure(virConnectPtr dconn, virDomainPtr domain, unsigned long flags)
{
    g_autofree char *rewritten = NULL;
    virErrorPtr saved;
    virDomainPtr defined;
    g_autofree char *text = NULL;
    const char *xml;

    if (!domain || !(flags & VIR_MIGRATE_PERSIST_DEST))
        return;

    saved = lukshdrQemuErrorSave();
    xml = text = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    if (text && lukshdrQemuMigrateIncoming(&xml, &rewritten, false, flags) && rewritten &&
        (defined = lukshdrQemuTableStock.domainDefineXML(dconn, rewritten))) {
        virDomainFree(defined);
        virResetLastError();
        g_clear_pointer(&rewritten, g_free);
    }
    if (!text || rewritten || virGetLastErrorCode() != VIR_ERR_OK) {
        LUKSHDR_LOG_WARN(
            _("The configuration that domain '%s' came with does not say how its linked "
              "disks are opened on this host, define it anew (virsh define): %s"),
            virDomainGetName(domain), virGetLastErrorMessage());
    }
    lukshdrQemuErrorRestore(saved);
}

virDomainPtr
lukshdrQemuMigrateFinish3(virConnectPtr dconn,
                          const char *dname,
                          const char *cookiein,
                          int cookieinlen,
                          char **cookieout,
                          int *cookieoutlen,
                          const char *dconnuri,
                          const char *uri,
                          unsigned long flags,
                          int cancelled)
{
    virDomainPtr domain = lukshdrQemuTableStock.domainMigrateFinish3(
        dconn, dname, cookiein, cookieinlen, cookieout, cookieoutlen, dconnuri, uri, flags,
        cancelled);

    lukshdrQemuMigrateConfigure(dconn, domain, flags);
    return domain;
}

virDomainPtr
lukshdrQemuMigrateFinish3Params(virConnectPtr dconn,
                                virTypedParameterPtr params,
                                int nparams,
                                const char *cookiein,
                                int cookieinlen,
                                char **cookieout,
                                int *cookieoutlen,
                                unsigned int flags,
                                int cancelled)
{
    virDomainPtr domain = lukshdrQemuTableStock.domainMigrateFinish3Params(
        dconn, params, nparams, cookiein, cookieinlen, cookieout, cookieoutlen, flags, cancelled);

    lukshdrQemuMigrateConfigure(dconn, domain, flags);
    return domain;
}
