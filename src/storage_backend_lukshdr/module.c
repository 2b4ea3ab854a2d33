/*
 * module.c: the storage half's module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's daemons load this module under the name of the storage driver's module.  It
 * loads the stock module and adds a state driver behind it.  libvirt initialises that
 * after the storage driver and before it serves any client.  Then our functions are put
 * in front of some of the stock driver's: lukshdrStorageMap is the map.
 */

#include "config.h"

#include "link/auth.h"
#include "events.h"
#include "secrets.h"
#include "storage.h"

#include <glib/gi18n-lib.h>
#include <libxml/parser.h>

#include "util/error.h"
#include "util/log.h"
#include "util/module.h"
#include "util/paths.h"
#include "pool-life.h"
#include "stream.h"
#include "watch.h"

#define LUKSHDR_EXPORT __attribute__((visibility("default")))

LUKSHDR_EXPORT int
storageRegister(void);

lukshdrStorage lukshdrStorageState;

static void
lukshdrStorageStayAway(const GError *error)
{
    LUKSHDR_LOG_ERROR(_("libvirt-lukshdr stays out of the way, volumes with detached headers "
                        "cannot be managed: %s"),
                      error->message);
}

/* The map: our functions that stand in front of the stock storage driver's, entry by entry.  All
 * other entries stay stock's. */
static const lukshdrStorageOurs lukshdrStorageMap = {
    .connectGetStoragePoolCapabilities = lukshdrStorageCapabilities, /* capabilities.c */

    .connectStoragePoolEventRegisterAny = lukshdrStorageEventsRegister,     /* events.c */
    .connectStoragePoolEventDeregisterAny = lukshdrStorageEventsDeregister, /* events.c */

    .storageVolCreateXML = lukshdrStorageVolCreateXML,         /* vol-create.c */
    .storageVolCreateXMLFrom = lukshdrStorageVolCreateXMLFrom, /* vol-clone.c */
    .storageVolDelete = lukshdrStorageVolDelete,               /* vol-delete.c */
    .storageVolWipe = lukshdrStorageVolWipe,                   /* vol-wipe.c */
    .storageVolWipePattern = lukshdrStorageVolWipePattern,     /* vol-wipe.c */
    .storageVolGetXMLDesc = lukshdrStorageVolGetXMLDesc,       /* vol-show.c */
    .storageVolGetInfo = lukshdrStorageVolGetInfo,             /* vol-show.c */
    .storageVolGetInfoFlags = lukshdrStorageVolGetInfoFlags,   /* vol-show.c */
    .storageVolDownload = lukshdrStorageVolDownload,           /* vol-stream.c */
    .storageVolUpload = lukshdrStorageVolUpload,               /* vol-stream.c */
    .storageVolResize = lukshdrStorageVolResize,               /* vol-show.c */

    .storagePoolDefineXML = lukshdrStoragePoolDefineXML,   /* pool-define.c */
    .storagePoolCreateXML = lukshdrStoragePoolCreateXML,   /* pool-define.c */
    .storagePoolGetXMLDesc = lukshdrStoragePoolGetXMLDesc, /* pool-define.c */
    .storagePoolBuild = lukshdrStoragePoolBuild,           /* pool-life.c */
    .storagePoolCreate = lukshdrStoragePoolCreate,         /* pool-life.c */
    .storagePoolRefresh = lukshdrStoragePoolRefresh,       /* pool-life.c */
    .storagePoolDestroy = lukshdrStoragePoolDestroy,       /* pool-life.c */
    .storagePoolDelete = lukshdrStoragePoolDelete,         /* pool-life.c */
    .storagePoolUndefine = lukshdrStoragePoolUndefine,     /* pool-life.c */
};

static bool
lukshdrStorageActivate(GError **error)
{
    lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virConnect) conn = NULL;
    g_autofree char *links = lukshdrPathRegistry(state->privileged);
    g_autofree char *guests = lukshdrPathGuests(state->privileged);
    g_autoptr(GError) stream = NULL;
    g_autoptr(GError) watch = NULL;
    g_autofree char *notice = NULL;
    lukshdrStorageTable *table;

    conn = virConnectOpen(state->privileged ? "storage:///system" : "storage:///session");
    if (!conn) {
        lukshdrErrorFromLast(error);
        return false;
    }

    if (!(table = lukshdrStorageTableFind(state->handle, conn, error)))
        return false;

    lukshdrStorageTableStock(table, &state->client);
    state->stock = state->client;
    lukshdrStorageLookAsSystem(&state->stock);
    state->registry = lukshdrRegistryNew(links);
    state->guests = lukshdrGuestUsersNew(guests);
    state->poolsDir = lukshdrPathPools(state->privileged);
    state->prepared = lukshdrPreparedNew(LUKSHDR_PREPARED_DEPTH);
    state->decryptedDir = lukshdrPathDecrypted(state->privileged);

    if (!lukshdrStreamMeasure(&state->abi, conn, &stream))
        LUKSHDR_LOG_WARN(_("Images in clear that are uploaded into linked volumes are not refused: "
                           "%s"),
                         stream->message);

    lukshdrStorageStart(conn);
    lukshdrStorageTableTakeOver(table, &lukshdrStorageMap);
    if (!lukshdrStorageWatchStart(conn, &watch))
        LUKSHDR_LOG_ERROR(_("What becomes of linked volumes when pools are started or refreshed "
                            "is noticed at the next start of the daemon only: %s"),
                          watch->message);

    notice = g_strdup_printf(_("libvirt-lukshdr %s: volumes with detached headers can be managed "
                               "in storage pools"),
                             LUKSHDR_VERSION);
    lukshdrLogNotice(notice);
    return true;
}

/* Always returns "complete": an error would stop any daemon, "skipped" would stop a modular one. */
static int
lukshdrStorageStateInitialize(bool privileged,
                              const char *root,
                              bool monolithic G_GNUC_UNUSED,
                              void *callback G_GNUC_UNUSED,
                              void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    /* the stock storage driver does not support an embedded root either */
    if (root)
        return LUKSHDR_VIR_STATE_INIT_COMPLETE;

    lukshdrStorageState.privileged = privileged;
    if (!lukshdrStorageActivate(&error)) {
        lukshdrStorageStayAway(error);
        virResetLastError();
    }
    return LUKSHDR_VIR_STATE_INIT_COMPLETE;
}

/* libvirt calls it on SIGHUP, after the storage driver has reloaded its pools.  The storage driver
 * may have started some of them without an event. */
static int
lukshdrStorageStateReload(void)
{
    if (lukshdrStorageState.registry) {
        lukshdrStorageReload();
        lukshdrStorageWatchAll();
    }
    return 0;
}

/* libvirt calls it before the storage driver's own clean-up. */
static int
lukshdrStorageStateCleanup(void)
{
    lukshdrStorageWatchStop();
    lukshdrPreparedEnd(lukshdrStorageState.prepared);
    return 0;
}

/* libvirt keeps the pointer and writes to "initialized" */
static lukshdrVirStateDriver lukshdrStorageStateDriver = {
    .name = "lukshdr",
    .stateInitialize = lukshdrStorageStateInitialize,
    .stateReload = lukshdrStorageStateReload,
    .stateCleanup = lukshdrStorageStateCleanup,
};

static bool
lukshdrStoragePrepare(GError **error)
{
    lukshdrStorage *state = &lukshdrStorageState;

    if (!lukshdrABIVersionSupported(error) || !lukshdrABIResolveCommon(&state->common, error) ||
        !lukshdrABIResolveStorage(&state->abi, error))
        return false;

    if (state->abi.virRegisterStateDriver(&lukshdrStorageStateDriver) < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }
    return true;
}

int
storageRegister(void)
{
    lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(GError) error = NULL;

    lukshdrAuthSetSource(lukshdrStorageSecretUserKey);

    /* now, while there is one thread: later two threads might both initialise it first */
    xmlInitParser();
    bindtextdomain(GETTEXT_PACKAGE, LUKSHDR_LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");

    /* a missing function stays NULL and is noticed below; but without these no error can be
     * reported */
    lukshdrABIResolveCommon(&state->common, NULL);
    lukshdrLogInit(&state->common, "lukshdr.storage", VIR_FROM_STORAGE);

    if (!lukshdrModuleLoadStock(&state->common, "storage", &state->handle, &error)) {
        lukshdrReportError(error);
        return -1;
    }
    if (!state->handle) {
        LUKSHDR_LOG_INFO("libvirt's storage driver is not installed");
        return 0;
    }

    if (lukshdrModuleRegisterStock(state->handle, "storageRegister") < 0)
        return -1;

    if (!lukshdrStoragePrepare(&error)) {
        lukshdrStorageStayAway(error);
        virResetLastError();
    }
    return 0;
}
