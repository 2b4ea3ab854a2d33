/*
 * pool-life.c: stopping, removing and building pools that links name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A link stays when one of its pools is stopped.  Guests are then refused, with the pool's name,
 * and the link is good again when the pool is back.  This file refuses operations that would remove
 * the volumes, or the pool's name by which the link finds them.
 */

#include "config.h"

#include "pool-life.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "util/log.h"
#include "link/pool-state.h"
#include "busy.h"
#include "defaults.h"
#include "util/xml.h"

/* Returns the role of the volume that @link has in pool @name, in the user's language */
static const char *
lukshdrPoolRole(const lukshdrLink *link, const char *name)
{
    const lukshdrVolume *vol;
    guint i;

    for (i = 0; (vol = lukshdrLinkVolumeAt(link, i)); i++) {
        lukshdrRole role = lukshdrLinkRoleAt(i);

        /* a replica without a place is named by a label only, and does not count */
        if (g_str_equal(vol->pool, name) &&
            (role != LUKSHDR_ROLE_REPLICA || lukshdrVolumeLocation(vol) != LUKSHDR_LOCATION_NONE ||
             link->state == LUKSHDR_LINK_STATE_CREATING))
            return lukshdrRoleToString(role);
    }
    return "";
}

/* Returns true if no link names the pool, or false with @error set */
static bool
lukshdrPoolCheckUnlinked(const char *name, GError **error)
{
    g_autoptr(GPtrArray) links = NULL;
    g_autoptr(GPtrArray) damaged = NULL;
    g_autofree char *command = NULL;
    const lukshdrLink *first;

    if (!lukshdrRegistryLoad(lukshdrStorageState.registry, &damaged, error) ||
        !(links = lukshdrRegistryListPool(lukshdrStorageState.registry, name, error)))
        return false;

    if (damaged->len > 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it is uncertain whether linked volumes need storage pool '%s', since an "
                      "entry of the link registry cannot be believed: %s"),
                    name, (const char *)g_ptr_array_index(damaged, 0));
        return false;
    }

    if (links->len == 0)
        return true;

    first = g_ptr_array_index(links, 0);
    command = lukshdrLinkForgetCommand(first, false);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("storage pool '%s' has the %s of linked volume '%s' of pool '%s' (linked volumes "
                  "that need the pool: %u); delete them first, or, what is lost for good, give up "
                  "with \"%s\""),
                name, lukshdrPoolRole(first, name), first->payload.volume, first->payload.pool,
                links->len, command);
    return false;
}

/* Takes the pool; if @unlinked, only if no link names it.  Returns NULL with a libvirt error.  Asks
 * for the client's right first: a client without it must not learn what is in the pool, and must
 * not keep others from it. */
static lukshdrStorageBusy *
lukshdrPoolTake(virStoragePoolPtr pool,
                bool unlinked,
                int (*ensure)(virConnectPtr conn, virStoragePoolDef *def))
{
    const char *name = virStoragePoolGetName(pool);
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrStorageBusy) busy = NULL;

    /* look for links only after the pool is taken: then nobody can make new ones there */
    if (lukshdrStorageMayPool(pool, ensure, &error) &&
        (busy = lukshdrStorageBusyPool(name, &error)) &&
        (!unlinked || lukshdrPoolCheckUnlinked(name, &error)))
        return g_steal_pointer(&busy);

    lukshdrReportError(error);
    return NULL;
}

/* Keeps others from defining a pool of that UUID meanwhile.  Returns NULL with a libvirt error. */
static lukshdrStorageDefaultHold *
lukshdrPoolHold(const char *uuid)
{
    g_autoptr(GError) error = NULL;
    lukshdrStorageDefaultHold *hold = lukshdrStorageDefaultTake(uuid, &error);

    if (!hold)
        lukshdrReportError(error);
    return hold;
}

/* Forgets the default of a pool that no longer exists */
static void
lukshdrPoolForget(const char *uuid)
{
    g_autoptr(GError) error = NULL;

    if (!lukshdrStorageDefaultStore(lukshdrStorageState.poolsDir, uuid, NULL, &error))
        LUKSHDR_LOG_ERROR("%s", error->message);
}

int
lukshdrStoragePoolUndefine(virStoragePoolPtr pool)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    g_autoptr(lukshdrStorageDefaultHold) hold = NULL;
    char uuid[VIR_UUID_STRING_BUFLEN];
    int rc;

    if (virStoragePoolGetUUIDString(pool, uuid) < 0 ||
        !(busy = lukshdrPoolTake(pool, true, state->abi.virStoragePoolUndefineEnsureACL)) ||
        !(hold = lukshdrPoolHold(uuid)))
        return -1;

    /* stock undefines inactive pools only, so the pool is gone then */
    rc = state->stock.storagePoolUndefine(pool);
    if (rc == 0)
        lukshdrPoolForget(uuid);
    return rc;
}

/* Records that the pool is still active: stock has no file that says so. */
static void
lukshdrPoolRecord(virStoragePoolPtr pool)
{
    g_autoptr(GError) error = NULL;

    if (!lukshdrPoolStateFound(lukshdrStorageState.privileged, virStoragePoolGetName(pool), &error))
        LUKSHDR_LOG_ERROR("%s", error->message);
}

int
lukshdrStoragePoolDestroy(virStoragePoolPtr pool)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    g_autoptr(lukshdrStorageDefaultHold) hold = NULL;
    char uuid[VIR_UUID_STRING_BUFLEN];
    int persistent;
    bool found;
    int rc;

    if (virStoragePoolGetUUIDString(pool, uuid) < 0 ||
        !(busy = lukshdrPoolTake(pool, false, state->abi.virStoragePoolDestroyEnsureACL)) ||
        !(hold = lukshdrPoolHold(uuid)) ||
        (persistent = state->stock.storagePoolIsPersistent(pool)) < 0)
        return -1;

    /* forget it first: after a crash the pool is then inactive for guests, however far stock got */
    found = lukshdrPoolStateForget(state->privileged, virStoragePoolGetName(pool));
    rc = state->stock.storagePoolDestroy(pool);
    if (rc < 0 && found)
        lukshdrPoolRecord(pool);
    if (rc == 0 && !persistent)
        lukshdrPoolForget(uuid);
    return rc;
}

int
lukshdrStoragePoolDelete(virStoragePoolPtr pool, unsigned int flags)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(lukshdrStorageBusy)
        busy = lukshdrPoolTake(pool, true, state->abi.virStoragePoolDeleteEnsureACL);

    return busy ? state->stock.storagePoolDelete(pool, flags) : -1;
}

int
lukshdrStoragePoolBuild(virStoragePoolPtr pool, unsigned int flags)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    bool overwrite = flags & VIR_STORAGE_POOL_BUILD_OVERWRITE;
    g_autoptr(lukshdrStorageBusy)
        busy = lukshdrPoolTake(pool, overwrite, state->abi.virStoragePoolBuildEnsureACL);

    return busy ? state->stock.storagePoolBuild(pool, flags) : -1;
}

int
lukshdrStoragePoolCreate(virStoragePoolPtr pool, unsigned int flags)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(lukshdrStorageBusy) busy = NULL;

    if (flags & VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE &&
        !(busy = lukshdrPoolTake(pool, true, state->abi.virStoragePoolCreateEnsureACL)))
        return -1;
    return state->stock.storagePoolCreate(pool, flags);
}

int
lukshdrStoragePoolRefresh(virStoragePoolPtr pool, unsigned int flags)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(GError) error = NULL;
    virErrorPtr saved;
    int rc;

    if (!lukshdrStorageMayPool(pool, state->abi.virStoragePoolRefreshEnsureACL, &error) ||
        !lukshdrStorageBusyCheckPool(virStoragePoolGetName(pool), &error)) {
        lukshdrReportError(error);
        return -1;
    }

    if ((rc = state->stock.storagePoolRefresh(pool, flags)) == 0)
        return 0;

    /* stock stops a pool that it cannot refresh */
    state->common.virErrorPreserveLast(&saved);
    if (state->stock.storagePoolIsActive(pool) == 0)
        lukshdrPoolStateForget(state->privileged, virStoragePoolGetName(pool));
    state->common.virErrorRestore(&saved);
    return rc;
}

/* Returns the name that stock gives the pool, or NULL */
static char *
lukshdrPoolNameOf(const char *xmldesc, GError **error)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(xmldesc, strlen(xmldesc), LUKSHDR_XML_POOL, error);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *node = root ? lukshdrXMLChild(root, LUKSHDR_XML_NAME) : NULL;

    /* for some types, a pool without a name gets the name of its source */
    if (root && !node && (node = lukshdrXMLChild(root, LUKSHDR_XML_SOURCE)))
        node = lukshdrXMLChild(node, LUKSHDR_XML_NAME);
    if (node)
        return lukshdrXMLText(node);

    if (root)
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("the pool has no name"));
    return NULL;
}

bool
lukshdrStoragePoolAllowBuildXML(virConnectPtr conn,
                                const char *xmldesc,
                                unsigned int flags,
                                GError **error)
{
    g_autoptr(GPtrArray) links = NULL;
    g_autofree char *name = NULL;

    if (!(flags & VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE))
        return true;
    if (!lukshdrStorageMayPoolXML(
            conn, xmldesc, lukshdrStorageState.abi.virStoragePoolCreateXMLEnsureACL, error) ||
        !(links = lukshdrRegistryList(lukshdrStorageState.registry, error)))
        return false;
    if (links->len == 0)
        return true; /* also for XML that our parser refuses and stock's accepts */

    return (name = lukshdrPoolNameOf(xmldesc, error)) && lukshdrPoolCheckUnlinked(name, error);
}
