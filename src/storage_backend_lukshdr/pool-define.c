/*
 * pool-define.c: pools and their encryption defaults
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Making a pool, in this order; what a crash after each step leaves:
 *
 *   1 the client's right asked for             nothing
 *   of a pool that exists
 *   2 stock defines it                         the new definition with the old default.  Nobody
 *                                              was told that the new default holds, and volumes
 *                                              that were encrypted still are
 *   3 our file written                         the pool as asked for
 *   of a pool that does not exist
 *   2 our file written                         a file for a pool that does not exist, which the
 *                                              next one of that UUID replaces
 *   3 stock makes it                           the pool as asked for
 *
 * So at no moment does a new pool make plain volumes although the client asked for encrypted ones.
 * If stock refuses a definition, the pool that exists does not change.  If stock refuses a new
 * pool, we put the file back as it was before.
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>

#include "util/error.h"
#include "util/log.h"
#include "storage.h"
#include "defaults.h"
#include "validate.h"
#include "watch.h"
#include "pool-life.h"
#include "util/xml.h"

bool
lukshdrStoragePoolDefault(virStoragePoolPtr pool, xmlDoc **ours, GError **error)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    if (virStoragePoolGetUUIDString(pool, uuid) < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }

    if (lukshdrStorageDefaultLoad(lukshdrStorageState.poolsDir, uuid, ours, error))
        return true;

    g_prefix_error(error,
                   _("it is uncertain what the encryption default of pool '%s' is; define it "
                     "again with virsh pool-edit: "),
                   virStoragePoolGetName(pool));
    return false;
}

/* Returns the first pool that the encryption default in @ours names and that does not exist, or
 * NULL */
static char *
lukshdrStoragePoolMissing(virConnectPtr conn, xmlDoc *ours)
{
    g_autoptr(GPtrArray) names = lukshdrStorageDefaultPools(ours);
    virIdentity *client = lukshdrStorageBecomeSystem();
    char *missing = NULL;
    guint i;

    for (i = 0; i < names->len && !missing; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autoptr(virStoragePool)
            pool = lukshdrStorageState.stock.storagePoolLookupByName(conn, name);

        if (!pool && virGetLastErrorCode() == VIR_ERR_NO_STORAGE_POOL)
            missing = g_strdup(name);
    }
    virResetLastError();
    lukshdrStorageBecomeClient(client);
    return missing;
}

/* A default may come before the pool that it names: that is no error, but nobody may have meant it */
static void
lukshdrStoragePoolWarnMissing(virStoragePoolPtr pool, xmlDoc *ours)
{
    g_autofree char *missing = lukshdrStoragePoolMissing(virStoragePoolGetConnect(pool), ours);

    if (missing)
        LUKSHDR_LOG_WARN(
            _("The encryption default of pool '%1$s' names pool '%2$s' for headers, which does not "
              "exist: until it does, no encrypted volume can be created in pool '%1$s'"),
            virStoragePoolGetName(pool), missing);
}

void
lukshdrStoragePoolExplain(virStoragePoolPtr pool, const char *xmldesc, xmlDoc *ours, GError **error)
{
    const char *name = virStoragePoolGetName(pool);
    g_autofree char *said = NULL;
    g_autofree char *missing = NULL;

    if (!*error || !lukshdrStorageDefaultGives(xmldesc, ours))
        return;

    said = g_strdup((*error)->message);
    switch (lukshdrErrorCode(*error)) {
    case VIR_ERR_NO_STORAGE_POOL:
        if (!(missing = lukshdrStoragePoolMissing(virStoragePoolGetConnect(pool), ours)))
            return;
        g_clear_error(error);
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_POOL,
                    _("the encryption default of pool '%1$s' (<encryption> in its <target>) names "
                      "pool '%2$s' for headers, which does not exist: create that pool, or change "
                      "the default"),
                    name, missing);
        return;
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_OPERATION_UNSUPPORTED:
        g_clear_error(error);
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("%1$s (volumes of pool '%2$s' are encrypted by the pool's encryption "
                      "default; for one that is not, use another pool, or put <encryption "
                      "format='none'/> into the volume's <target>)"),
                    said, name);
        return;
    default:
        return;
    }
}

/* Returns the pool with that UUID, or NULL with a libvirt error if there is none */
static virStoragePoolPtr
lukshdrStoragePoolFind(virConnectPtr conn, const char *uuid)
{
    unsigned char bytes[VIR_UUID_BUFLEN];
    size_t i;

    for (i = 0; i < sizeof(bytes); i++) {
        while (*uuid == '-')
            uuid++;
        bytes[i] = g_ascii_xdigit_value(uuid[0]) << 4 | g_ascii_xdigit_value(uuid[1]);
        uuid += 2;
    }
    return lukshdrStorageState.stock.storagePoolLookupByUUID(conn, bytes);
}

/* May the client declare that pool @name holds headers?  A client that may define pool @name may
 * also declare that in the definition of another pool, even before pool @name exists. */
static bool
lukshdrStoragePoolMayDeclare(virConnectPtr conn, const char *name, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = state->stock.storagePoolLookupByName(conn, name);
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    bool ok;

    if (pool && virStoragePoolGetUUIDString(pool, uuid) == 0 &&
        lukshdrStorageDefaultDeclares(state->poolsDir, uuid, name))
        return true;

    if (pool) {
        ok = lukshdrStorageMayPool(pool, state->abi.virStoragePoolDefineXMLEnsureACL, error);
    } else {
        g_autofree char *xml = lukshdrStorageDefaultStandIn(name);

        virResetLastError();
        ok = lukshdrStorageMayPoolXML(conn, xml, state->abi.virStoragePoolDefineXMLEnsureACL,
                                      error);
    }

    if (!ok)
        g_prefix_error(error,
                       _("storage pool '%s' would become a header pool, since an encryption "
                         "default names it; that takes the right to define the pool: "),
                       name);
    return ok;
}

/* As lukshdrStoragePoolMayDeclare, for all pools that the new default names and the old one did
 * not */
static bool
lukshdrStoragePoolMayDeclareAll(virConnectPtr conn, xmlDoc *ours, xmlDoc *before, GError **error)
{
    g_autoptr(GPtrArray) pools = lukshdrStorageDefaultPools(ours);
    g_autoptr(GPtrArray) known = lukshdrStorageDefaultPools(before);
    guint i;

    for (i = 0; i < pools->len; i++) {
        const char *name = g_ptr_array_index(pools, i);

        if (!g_ptr_array_find_with_equal_func(known, name, g_str_equal, NULL) &&
            !lukshdrStoragePoolMayDeclare(conn, name, error))
            return false;
    }
    return true;
}

/* Stores @ours for @pool, which stock has made of XML in which we read @uuid */
static bool
lukshdrStoragePoolStore(virStoragePoolPtr pool, const char *uuid, xmlDoc *ours, GError **error)
{
    char made[VIR_UUID_STRING_BUFLEN];

    if (virStoragePoolGetUUIDString(pool, made) < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }
    if (!g_str_equal(made, uuid)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("storage pool %s was meant, and libvirt has defined %s"), uuid, made);
        return false;
    }
    if (lukshdrStorageDefaultStore(lukshdrStorageState.poolsDir, uuid, ours, error))
        return true;

    g_prefix_error(error,
                   _("storage pool '%s' has been defined, but its encryption default is still the "
                     "one of before; define it again: "),
                   virStoragePoolGetName(pool));
    return false;
}

static virStoragePoolPtr
lukshdrStoragePoolMake(virConnectPtr conn,
                       const char *xmldesc,
                       unsigned int flags,
                       bool create,
                       GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virStoragePoolPtr (*func)(virConnectPtr, const char *,
                              unsigned int) = create ? state->stock.storagePoolCreateXML
                                                     : state->stock.storagePoolDefineXML;
    g_autofree char *uuid = NULL;
    g_autofree char *stock = NULL;
    g_autoptr(xmlDoc) ours = NULL;
    g_autoptr(xmlDoc) before = NULL;
    g_autoptr(lukshdrStorageDefaultHold) hold = NULL;
    g_autoptr(virStoragePool) there = NULL;
    g_autoptr(virStoragePool) pool = NULL;
    g_autoptr(GError) damage = NULL;
    g_autoptr(GError) undo = NULL;
    bool changed;

    if (!lukshdrStorageDefaultSplit(xmldesc, &uuid, &stock, &ours, error))
        return NULL;
    if (!uuid) {
        if (!(pool = func(conn, xmldesc, flags)))
            lukshdrErrorFromLast(error);
        return g_steal_pointer(&pool);
    }

    if (!lukshdrStorageMayPoolXML(conn, stock ? stock : xmldesc,
                                  create ? state->abi.virStoragePoolCreateXMLEnsureACL
                                         : state->abi.virStoragePoolDefineXMLEnsureACL,
                                  error) ||
        !(hold = lukshdrStorageDefaultTake(uuid, error)))
        return NULL;

    if (!lukshdrStorageDefaultLoad(state->poolsDir, uuid, &before, &damage))
        LUKSHDR_LOG_WARN("%s", damage->message);
    if (!lukshdrStoragePoolMayDeclareAll(conn, ours, before, error))
        return NULL;

    /* if the file is damaged, the new definition replaces it */
    changed = damage || !lukshdrStorageDefaultIsSame(ours, before);
    if (!(there = lukshdrStoragePoolFind(conn, uuid)))
        virResetLastError();

    if (there && create && changed) {
        /* when the pool stops, stock goes back to the definition that it has stored */
        if (damage || ours) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                        _("storage pool '%s' is defined with another encryption default; change "
                          "that with virsh pool-edit, or leave <encryption> and <headers> out"),
                        virStoragePoolGetName(there));
            return NULL;
        }
        changed = false;
    }

    if (!there && changed && !lukshdrStorageDefaultStore(state->poolsDir, uuid, ours, error))
        return NULL;

    if (!(pool = func(conn, stock ? stock : xmldesc, flags))) {
        lukshdrErrorFromLast(error);
        if (!there && changed && !lukshdrStorageDefaultStore(state->poolsDir, uuid, before, &undo))
            LUKSHDR_LOG_ERROR("%s", undo->message);
        return NULL;
    }
    if (there && changed && !lukshdrStoragePoolStore(pool, uuid, ours, error))
        return NULL;
    if (changed)
        lukshdrStoragePoolWarnMissing(pool, ours);
    if (changed && there && state->stock.storagePoolIsActive(pool) == 1)
        lukshdrStorageWatchPool(pool);
    return g_steal_pointer(&pool);
}

virStoragePoolPtr
lukshdrStoragePoolDefineXML(virConnectPtr conn, const char *xmldesc, unsigned int flags)
{
    g_autoptr(GError) error = NULL;
    virStoragePoolPtr pool = NULL;

    if (!lukshdrStorageValidatePool(xmldesc, flags, &error) ||
        !(pool = lukshdrStoragePoolMake(conn, xmldesc, flags, false, &error)))
        lukshdrReportError(error);
    return pool;
}

virStoragePoolPtr
lukshdrStoragePoolCreateXML(virConnectPtr conn, const char *xmldesc, unsigned int flags)
{
    g_autoptr(GError) error = NULL;
    virStoragePoolPtr pool = NULL;

    if (!lukshdrStoragePoolAllowBuildXML(conn, xmldesc, flags, &error) ||
        !(pool = lukshdrStoragePoolMake(conn, xmldesc, flags, true, &error)))
        lukshdrReportError(error);
    return pool;
}

char *
lukshdrStoragePoolGetXMLDesc(virStoragePoolPtr pool, unsigned int flags)
{
    char *xml = lukshdrStorageState.client.storagePoolGetXMLDesc(pool, flags);
    g_autoptr(xmlDoc) ours = NULL;
    g_autoptr(GError) error = NULL;
    char *shown;

    if (!xml)
        return NULL;

    /* a client that edits the pool must not lose its default because we cannot read it */
    if (!lukshdrStoragePoolDefault(pool, &ours, &error)) {
        LUKSHDR_LOG_ERROR("%s", error->message);
        return xml;
    }

    if (!ours || !(shown = lukshdrStorageDefaultShow(xml, ours)))
        return xml;
    free(xml);
    return shown;
}
