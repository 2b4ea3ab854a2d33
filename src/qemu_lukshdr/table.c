/*
 * table.c: the stock QEMU driver's table of functions
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every measurement has one answer or fails: two candidates are as bad as none.
 */

#include "config.h"

#include "table.h"

#include <glib-object.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "util/kept.h"
#include "util/module-map.h"
#include "qemu.h"

/* Numbers of entries.  No tested libvirt has a table shorter than MIN (11.3.0 has 262).  A table
 * longer than MAX is probed as far as MAX. */
#define LUKSHDR_QEMU_TABLE_MIN 200
#define LUKSHDR_QEMU_TABLE_MAX 512

#define LUKSHDR_QEMU_TABLE_NAME(ret, name, ...) #name,

static const char *const lukshdrQemuTableNames[] = { LUKSHDR_QEMU_TABLE_ENTRIES(
    LUKSHDR_QEMU_TABLE_NAME) };

#define LUKSHDR_QEMU_TABLE_COUNT G_N_ELEMENTS(lukshdrQemuTableNames)
#define LUKSHDR_QEMU_TABLE_AT(name) (offsetof(lukshdrQemuTableEntries, name) / sizeof(void *))

G_STATIC_ASSERT(sizeof(lukshdrQemuTableEntries) == LUKSHDR_QEMU_TABLE_COUNT * sizeof(void *));

struct _lukshdrQemuTable {
    void **stock;                             /* the name, then the functions */
    size_t entries[LUKSHDR_QEMU_TABLE_COUNT]; /* where in it each of ours is */
};

static const char lukshdrQemuTableDriver[] = "QEMU";

static bool
lukshdrQemuTableIsIt(const lukshdrModuleMap *module, void *candidate)
{
    void **entries = candidate;
    size_t i;

    if ((guintptr)candidate % sizeof(void *) ||
        !lukshdrModuleMapIsData(module, candidate, LUKSHDR_QEMU_TABLE_MIN * sizeof(void *)) ||
        !lukshdrModuleMapHolds(module, entries[0], sizeof(lukshdrQemuTableDriver), PF_R) ||
        strcmp(entries[0], lukshdrQemuTableDriver) != 0)
        return false;

    for (i = 1; i < LUKSHDR_QEMU_TABLE_MIN; i++) {
        if (entries[i] && !lukshdrModuleMapHolds(module, entries[i], 1, PF_R | PF_X))
            return false;
    }
    return true;
}

/* Returns where in @conn the pointer to the table is; 0 if that is not certain */
static size_t
lukshdrQemuTableLocate(const lukshdrModuleMap *module, virConnectPtr conn, void ***table)
{
    GTypeQuery query;
    size_t found = 0;
    size_t offset;

    if (!G_IS_OBJECT(conn))
        return 0;
    g_type_query(G_OBJECT_TYPE(conn), &query);

    for (offset = sizeof(GObject); offset + sizeof(void *) <= query.instance_size;
         offset += sizeof(void *)) {
        void *word;

        memcpy(&word, (const char *)conn + offset, sizeof(word));
        if (!lukshdrQemuTableIsIt(module, word))
            continue;
        if (found)
            return 0;
        found = offset;
        *table = word;
    }
    return found;
}

/* only the thread that measures uses it */
static bool lukshdrQemuTableProbed;

/* Stands in the table in the place of an entry, and is called with that entry's arguments.  It
 * looks at none of them.  Its 0 means success, or no object. */
static guintptr
lukshdrQemuTableProbe(void)
{
    lukshdrQemuTableProbed = true;
    return 0;
}

static guintptr
lukshdrQemuTableSilent(void)
{
    return 0;
}

/* Calls the public function of entry @which.  The arguments are invented: only a probe gets
 * them. */
static void
lukshdrQemuTableCall(size_t which, virConnectPtr conn, virDomainPtr domain)
{
    static const char xml[] = "<domain/>";
    static const char file[] = "/nowhere";
    const lukshdrABIQemu *abi = &lukshdrQemu.libvirt;
    virDomainStatsRecordPtr *records = NULL;
    virDomainSnapshotPtr snapshot;
    virDomainBlockInfo info;
    char *cookie = NULL;
    char *uri = NULL;
    int len = 0;

    switch (which) {
    case LUKSHDR_QEMU_TABLE_AT(domainCreateXML):
        virDomainCreateXML(conn, xml, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainCreate):
        virDomainCreate(domain);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainCreateWithFlags):
        virDomainCreateWithFlags(domain, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainDefineXML):
        virDomainDefineXML(conn, xml);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainDefineXMLFlags):
        virDomainDefineXMLFlags(conn, xml, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainAttachDevice):
        virDomainAttachDevice(domain, xml);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainAttachDeviceFlags):
        virDomainAttachDeviceFlags(domain, xml, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainUpdateDeviceFlags):
        virDomainUpdateDeviceFlags(domain, xml, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainSaveFlags):
        virDomainSaveFlags(domain, file, NULL, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainSaveParams):
        virDomainSaveParams(domain, NULL, 0, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainRestoreFlags):
        virDomainRestoreFlags(conn, file, NULL, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainSaveImageDefineXML):
        virDomainSaveImageDefineXML(conn, file, xml, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainManagedSaveDefineXML):
        virDomainManagedSaveDefineXML(domain, xml, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainSnapshotCreateXML):
        virDomainSnapshotCreateXML(domain, xml, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainRevertToSnapshot):
        snapshot = lukshdrQemu.libvirt.virGetDomainSnapshot(domain, "lukshdr");
        if (snapshot) {
            virDomainRevertToSnapshot(snapshot, 0);
            virDomainSnapshotFree(snapshot);
        }
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainBlockCopy):
        virDomainBlockCopy(domain, "vda", xml, NULL, 0, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainBlockRebase):
        virDomainBlockRebase(domain, "vda", NULL, 0, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainGetBlockInfo):
        virDomainGetBlockInfo(domain, "vda", &info, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(connectGetAllDomainStats):
        virConnectGetAllDomainStats(conn, 0, &records, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainSetMetadata):
        virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_TITLE, NULL, NULL, NULL, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainMigrateBegin3):
        abi->virDomainMigrateBegin3(domain, NULL, &cookie, &len, 0, NULL, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainMigrateBegin3Params):
        abi->virDomainMigrateBegin3Params(domain, NULL, 0, &cookie, &len, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainMigratePrepare3):
        abi->virDomainMigratePrepare3(conn, NULL, 0, &cookie, &len, NULL, &uri, 0, NULL, 0, xml);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainMigratePrepare3Params):
        abi->virDomainMigratePrepare3Params(conn, NULL, 0, NULL, 0, &cookie, &len, &uri, 0);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainMigrateFinish3):
        abi->virDomainMigrateFinish3(conn, NULL, NULL, 0, &cookie, &len, NULL, NULL, 0, 1);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainMigrateFinish3Params):
        abi->virDomainMigrateFinish3Params(conn, NULL, 0, NULL, 0, &cookie, &len, 0, 1);
        break;
    case LUKSHDR_QEMU_TABLE_AT(domainMigratePerform3Params):
        abi->virDomainMigratePerform3Params(domain, NULL, NULL, 0, NULL, 0, &cookie, &len, 0);
        break;
    default:
        break;
    }
}

/* Expects @probes in the place of the connection's table.  Returns which of them the public
 * function of entry @which calls; 0 if that is not certain. */
static size_t
lukshdrQemuTableMeasure(size_t which, void **probes, virConnectPtr conn, virDomainPtr domain)
{
    guintptr (*const probe)(void) = lukshdrQemuTableProbe;
    guintptr (*const silent)(void) = lukshdrQemuTableSilent;
    size_t found = 0;
    size_t i;

    for (i = 1; i < LUKSHDR_QEMU_TABLE_MAX; i++) {
        memcpy(&probes[i], &probe, sizeof(probe));
        lukshdrQemuTableProbed = false;
        lukshdrQemuTableCall(which, conn, domain);
        memcpy(&probes[i], &silent, sizeof(silent));

        if (!lukshdrQemuTableProbed)
            continue;
        if (found)
            return 0;
        found = i;
    }
    return found;
}

static bool
lukshdrQemuTableFail(const char *entry, GError **error)
{
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                _("entry '%s' of the QEMU driver's table of functions was not found"), entry);
    return false;
}

/* Does not probe virDomainRestoreParams: in libvirt 11.3.0 it reports an error whatever its entry
 * returns, and that error would go to the daemon's log.  Its entry lies between two that were
 * measured. */
static bool
lukshdrQemuTableGuessRestoreParams(lukshdrQemuTable *table, GError **error)
{
    size_t before = table->entries[LUKSHDR_QEMU_TABLE_AT(domainRestoreFlags)];
    size_t behind = table->entries[LUKSHDR_QEMU_TABLE_AT(domainSaveImageDefineXML)];

    /* domainRestoreParams and domainSaveImageGetXMLDesc are between the two */
    if (behind != before + 3)
        return lukshdrQemuTableFail("domainRestoreParams", error);

    table->entries[LUKSHDR_QEMU_TABLE_AT(domainRestoreParams)] = before + 1;
    return true;
}

static bool
lukshdrQemuTableMeasureAll(lukshdrQemuTable *table,
                           const lukshdrModuleMap *module,
                           virConnectPtr conn,
                           virDomainPtr domain,
                           size_t pointer,
                           GError **error)
{
    void *probes[LUKSHDR_QEMU_TABLE_MAX] = { table->stock[0] };
    void *fake = probes;
    guintptr (*const silent)(void) = lukshdrQemuTableSilent;
    size_t i;

    for (i = 1; i < LUKSHDR_QEMU_TABLE_MAX; i++)
        memcpy(&probes[i], &silent, sizeof(silent));

    memcpy((char *)conn + pointer, &fake, sizeof(fake));
    for (i = 0; i < LUKSHDR_QEMU_TABLE_COUNT; i++)
        table->entries[i] = lukshdrQemuTableMeasure(i, probes, conn, domain);
    memcpy((char *)conn + pointer, &table->stock, sizeof(table->stock));

    if (!lukshdrQemuTableGuessRestoreParams(table, error))
        return false;

    for (i = 0; i < LUKSHDR_QEMU_TABLE_COUNT; i++) {
        void **entry = table->stock + table->entries[i];

        if (table->entries[i] == 0 || !lukshdrModuleMapIsData(module, entry, sizeof(*entry)) ||
            (*entry && !lukshdrModuleMapHolds(module, *entry, 1, PF_R | PF_X)))
            return lukshdrQemuTableFail(lukshdrQemuTableNames[i], error);
    }
    return true;
}

lukshdrQemuTable *
lukshdrQemuTableFind(void *handle, virConnectPtr conn, GError **error)
{
    static const unsigned char uuid[VIR_UUID_BUFLEN] = { 0x6c, 0x75, 0x6b, 0x73 };
    g_autofree lukshdrQemuTable *table = g_new0(lukshdrQemuTable, 1);
    lukshdrModuleMap module;
    virErrorPtr saved;
    virDomainPtr domain;
    size_t pointer;
    bool ok;

    if (!lukshdrModuleMapInit(&module, handle, error))
        return NULL;

    if (!(pointer = lukshdrQemuTableLocate(&module, conn, &table->stock))) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                            _("the QEMU driver's table of functions is not recognised"));
        return NULL;
    }

    saved = lukshdrQemuErrorSave();
    domain = lukshdrQemu.libvirt.virGetDomain(conn, "lukshdr", uuid, -1);
    ok = domain && lukshdrQemuTableMeasureAll(table, &module, conn, domain, pointer, error);
    if (domain)
        virDomainFree(domain);
    lukshdrQemuErrorRestore(saved);

    if (!domain)
        lukshdrQemuTableFail("domainAttachDevice", error);
    return ok ? g_steal_pointer(&table) : NULL;
}

/* The QEMU driver's entries, and ours */
static lukshdrQemuTableEntries lukshdrQemuTableSaved;
static lukshdrQemuTableEntries lukshdrQemuTableOurs;

#define LUKSHDR_QEMU_TABLE_DEFINE(ret, name, params, args) \
    LUKSHDR_KEPT_STOCK(lukshdrQemuTableSaved, ret, name, params, args) \
    LUKSHDR_KEPT_ENTRY(lukshdrQemuTableOurs, ret, name, params, args)

LUKSHDR_QEMU_TABLE_ENTRIES(LUKSHDR_QEMU_TABLE_DEFINE)

#define LUKSHDR_QEMU_TABLE_KEEP(ret, name, ...) .name = lukshdrStock_##name,
#define LUKSHDR_QEMU_TABLE_PUT(ret, name, ...) .name = lukshdrEntry_##name,

const lukshdrQemuTableEntries lukshdrQemuTableStock = { LUKSHDR_QEMU_TABLE_ENTRIES(
    LUKSHDR_QEMU_TABLE_KEEP) };
static const lukshdrQemuTableEntries lukshdrQemuTableFront = { LUKSHDR_QEMU_TABLE_ENTRIES(
    LUKSHDR_QEMU_TABLE_PUT) };

void
lukshdrQemuTableTakeOver(const lukshdrQemuTable *table, const lukshdrQemuTableEntries *ours)
{
    size_t i;

    lukshdrQemuTableOurs = *ours;
    for (i = 0; i < LUKSHDR_QEMU_TABLE_COUNT; i++) {
        void **entry = table->stock + table->entries[i];
        size_t at = i * sizeof(void *);

        memcpy((char *)&lukshdrQemuTableSaved + at, entry, sizeof(*entry));
        if (*entry)
            memcpy(entry, (const char *)&lukshdrQemuTableFront + at, sizeof(*entry));
    }
}
