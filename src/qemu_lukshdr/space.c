/*
 * space.c: how much space the payload of a guest's disk takes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * QEMU counts the space of a node and of all below it (bdrv_get_allocated_file_size), and below a luks
 * node with a detached header there are two files.  Whoever pays for a disk, or watches it grow, means
 * the payload.
 */

#include "config.h"

#include "space.h"

#include <string.h>
#include <sys/stat.h>

#include "util/xml.h"
#include "qemu.h"
#include "client-xml.h"
#include "guest.h"
#include "rights.h"
#include "table.h"

/* Bytes that the file at @path takes; 0 for a block device, as for QEMU, and for what is not there */
static guint64
lukshdrQemuSpaceOf(const char *path)
{
    struct stat st;

    return path && g_path_is_absolute(path) && stat(path, &st) == 0
               ? (guint64)st.st_blocks * 512 /* stat(2) */
               : 0;
}

/* The disk of @domain, which runs, that has the target or path @name: a copy, or NULL if it is no
 * linked one */
static lukshdrGuestDisk *
lukshdrQemuSpaceFind(virDomainPtr domain, const char *name)
{
    g_autofree char *xml = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    xmlNode *devices;
    xmlNode *disk;

    if (!lukshdrQemuGuestsAny() || lukshdrQemuLookState(domain, virDomainIsActive) <= 0)
        return NULL;
    if (g_path_is_absolute(name))
        return lukshdrQemuGuestFindPayload(name, NULL, NULL);
    if (!(xml = lukshdrQemuLook(domain, 0)) || !(doc = lukshdrQemuConfigXMLRead(xml)))
        return NULL;

    devices = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_DEVICES);
    for (disk = lukshdrXMLChild(devices, LUKSHDR_XML_DISK); disk;
         disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        g_autofree char *type = lukshdrXMLAttribute(disk, LUKSHDR_XML_TYPE);
        g_autofree char *target = lukshdrQemuConfigXMLTarget(disk);
        xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
        g_autoptr(lukshdrLink) link = NULL;
        g_autofree char *path = NULL;

        if (source && g_strcmp0(target, name) == 0)
            return lukshdrQemuConfigXMLFind(&lukshdrQemu.host, type, source, &link, &path, NULL) &&
                           path
                       ? lukshdrQemuGuestFindPayload(path, NULL, NULL)
                       : NULL;
    }
    return NULL;
}

int
lukshdrQemuSpaceBlockInfo(virDomainPtr domain,
                          const char *disk,
                          virDomainBlockInfoPtr info,
                          unsigned int flags)
{
    virErrorPtr said = lukshdrQemuErrorSave();
    g_autoptr(lukshdrGuestDisk) linked = disk ? lukshdrQemuSpaceFind(domain, disk) : NULL;
    guint64 header = linked ? lukshdrQemuSpaceOf(linked->headerPath) : 0;
    guint64 before = linked ? lukshdrQemuSpaceOf(linked->payloadPath) + header : 0;
    int rc;

    lukshdrQemuErrorRestore(said);
    rc = lukshdrQemuTableStock.domainGetBlockInfo(domain, disk, info, flags);

    /* or else it is the highest offset that the guest has written to */
    if (rc == 0 && header && info->allocation >= before &&
        info->allocation <= lukshdrQemuSpaceOf(linked->payloadPath) + header)
        info->allocation -= header;
    return rc;
}

/* Corrects "block.N.physical", of whose disk "block.N.path" is the payload */
static void
lukshdrQemuSpaceRecord(virDomainStatsRecordPtr record)
{
    int i;

    for (i = 0; i < record->nparams; i++) {
        const virTypedParameter *path = &record->params[i];
        g_autoptr(lukshdrGuestDisk) linked = NULL;
        g_autofree char *physical = NULL;
        virTypedParameterPtr param;
        guint64 header;

        if (path->type != VIR_TYPED_PARAM_STRING || !g_str_has_prefix(path->field, "block.") ||
            !g_str_has_suffix(path->field, ".path") ||
            !(linked = lukshdrQemuGuestFindPayload(path->value.s, NULL, NULL)))
            continue;

        physical = g_strdup_printf("%.*sphysical", (int)(strlen(path->field) - strlen("path")),
                                   path->field);
        header = lukshdrQemuSpaceOf(linked->headerPath);
        if ((param = virTypedParamsGet(record->params, record->nparams, physical)) &&
            param->type == VIR_TYPED_PARAM_ULLONG && param->value.ul > header)
            param->value.ul -= header;
    }
}

int
lukshdrQemuSpaceStats(virConnectPtr conn,
                      virDomainPtr *doms,
                      unsigned int ndoms,
                      unsigned int stats,
                      virDomainStatsRecordPtr **records,
                      unsigned int flags)
{
    int count = lukshdrQemuTableStock.connectGetAllDomainStats(conn, doms, ndoms, stats, records,
                                                               flags);
    int i;

    for (i = 0; i < count && lukshdrQemuGuestsAny(); i++)
        lukshdrQemuSpaceRecord((*records)[i]);
    return count;
}
