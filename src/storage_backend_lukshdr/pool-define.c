/*
 * pool-define.c: pools and their encryption defaults
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Defining a pool: our file is written before stock defines the pool, so that at no
 * moment is there a pool that makes plain volumes where encrypted ones were
 * asked for.  A crash in between leaves a file for a pool that does not exist, or, for
 * one that does, the new default with the old definition.  If stock refuses, the old
 * file is put back.
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>

#include "util/error.h"
#include "util/log.h"
#include "storage.h"
#include "defaults.h"
#include "validate.h"
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

/* @func is stock's way to define or create a pool */
static virStoragePoolPtr
lukshdrStoragePoolMake(virConnectPtr conn,
                       const char *xmldesc,
                       unsigned int flags,
                       virStoragePoolPtr (*func)(virConnectPtr conn,
                                                 const char *xmldesc,
                                                 unsigned int flags))
{
    const char *dir = lukshdrStorageState.poolsDir;
    g_autofree char *uuid = NULL;
    g_autofree char *stock = NULL;
    g_autoptr(xmlDoc) ours = NULL;
    g_autoptr(xmlDoc) before = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) undo = NULL;
    virStoragePoolPtr pool;

    if (!lukshdrStorageDefaultSplit(xmldesc, &uuid, &stock, &ours, &error)) {
        lukshdrReportError(error);
        return NULL;
    }
    if (!uuid)
        return func(conn, xmldesc, flags);

    /* a damaged file is what a new definition replaces */
    if (!lukshdrStorageDefaultLoad(dir, uuid, &before, &error)) {
        LUKSHDR_LOG_WARN("%s", error->message);
        g_clear_error(&error);
    }

    if ((ours || before) && !lukshdrStorageDefaultStore(dir, uuid, ours, &error)) {
        lukshdrReportError(error);
        return NULL;
    }

    pool = func(conn, stock ? stock : xmldesc, flags);
    if (!pool && (ours || before) && !lukshdrStorageDefaultStore(dir, uuid, before, &undo))
        LUKSHDR_LOG_ERROR("%s", undo->message);
    return pool;
}

virStoragePoolPtr
lukshdrStoragePoolDefineXML(virConnectPtr conn, const char *xmldesc, unsigned int flags)
{
    g_autoptr(GError) error = NULL;

    if (!lukshdrStorageValidatePool(xmldesc, flags, &error)) {
        lukshdrReportError(error);
        return NULL;
    }
    return lukshdrStoragePoolMake(conn, xmldesc, flags,
                                  lukshdrStorageState.stock.storagePoolDefineXML);
}

virStoragePoolPtr
lukshdrStoragePoolCreateXML(virConnectPtr conn, const char *xmldesc, unsigned int flags)
{
    g_autoptr(GError) error = NULL;

    if (!lukshdrStoragePoolAllowBuildXML(conn, xmldesc, flags, &error)) {
        lukshdrReportError(error);
        return NULL;
    }
    return lukshdrStoragePoolMake(conn, xmldesc, flags,
                                  lukshdrStorageState.stock.storagePoolCreateXML);
}

char *
lukshdrStoragePoolGetXMLDesc(virStoragePoolPtr pool, unsigned int flags)
{
    char *xml = lukshdrStorageState.stock.storagePoolGetXMLDesc(pool, flags);
    g_autoptr(xmlDoc) ours = NULL;
    g_autoptr(GError) error = NULL;
    char *shown;

    if (!xml)
        return NULL;

    /* who edits a pool must not lose its default because we cannot read it */
    if (!lukshdrStoragePoolDefault(pool, &ours, &error)) {
        LUKSHDR_LOG_ERROR("%s", error->message);
        return xml;
    }

    if (!ours || !(shown = lukshdrStorageDefaultShow(xml, ours)))
        return xml;
    free(xml);
    return shown;
}
