/*
 * cmd-trim.c: virt-lukshdr trim
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An appliance (appliance.h) finds out what the volume's file systems do not use.  While it still has the disk open, the
 * daemon is asked to free that, and locks the volume against everybody else.  Then the appliance ends, and the daemon
 * goes on.  What a crash of the tool leaves: a volume whose file systems have been mounted and unmounted, freed or not.
 */

#include "config.h"

#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/text.h"
#include "util/xml.h"
#include "appliance.h"
#include "cmd-link.h"
#include "state.h"
#include "trace.h"

/* How often the tool looks whether the daemon has the volume, microseconds */
#define LUKSHDR_TOOL_TRIM_POLL (100 * 1000)

/* What the thread that waits for the daemon and the one that started it share.  The first writes vol and error, and
 * then sets ended (atomic).  The other reads them only after that. */
typedef struct _lukshdrToolTrim lukshdrToolTrim;
struct _lukshdrToolTrim {
    virStoragePoolPtr pool;
    char *xml;
    virStorageVolPtr vol;
    GError *error;
    gint ended;
};

static gpointer
lukshdrToolTrimThread(gpointer opaque)
{
    lukshdrToolTrim *trim = opaque;

    trim->vol = virStorageVolCreateXML(trim->pool, trim->xml, 0);
    if (!trim->vol)
        lukshdrToolSetLast(&trim->error);
    g_atomic_int_set(&trim->ended, 1);
    return NULL;
}

/* Is the file at @path the payload?  It may have several names: a pool's directory can be a symbolic link. */
static bool
lukshdrToolTrimIsFile(const lukshdrToolVolume *payload, const char *path)
{
    struct stat one;
    struct stat other;

    return path && (g_str_equal(path, payload->path) ||
                    (stat(path, &one) == 0 && stat(payload->path, &other) == 0 &&
                     one.st_dev == other.st_dev && one.st_ino == other.st_ino));
}

/* Is the volume @source of a disk, or of something below one? */
static bool
lukshdrToolTrimIsSource(const lukshdrToolVolume *payload, xmlNode *source)
{
    g_autofree char *path = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_FILE) : NULL;

    return source &&
           (lukshdrToolVolumeIsSource(payload, source) || lukshdrToolTrimIsFile(payload, path));
}

typedef enum {
    LUKSHDR_TOOL_TRIM_NONE,
    LUKSHDR_TOOL_TRIM_DISK,  /* the volume is one */
    LUKSHDR_TOOL_TRIM_BELOW, /* the volume is below an overlay that is one */
} lukshdrToolTrimPlace;

/* Where is the volume in the disks of @xml, a domain's?  Takes @xml over.  Returns false with @error set if that cannot be
 * told. */
static bool
lukshdrToolTrimLook(const lukshdrToolVolume *payload,
                    char *xml,
                    lukshdrToolTrimPlace *place,
                    GError **error)
{
    g_autoptr(xmlDoc) doc = xml ? lukshdrXMLParse(xml, strlen(xml), LUKSHDR_XML_DOMAIN, error)
                                : NULL;
    xmlNode *devices = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_DEVICES) : NULL;
    xmlNode *disk;

    *place = LUKSHDR_TOOL_TRIM_NONE;
    if (!xml)
        lukshdrToolSetLast(error);
    free(xml);
    for (disk = lukshdrXMLChild(devices, LUKSHDR_XML_DISK); disk;
         disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        xmlNode *below = disk;

        if (lukshdrToolTrimIsSource(payload, lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE)))
            *place = LUKSHDR_TOOL_TRIM_DISK;
        while ((below = lukshdrXMLChild(below, LUKSHDR_XML_BACKING_STORE))) {
            if (!lukshdrToolTrimIsSource(payload, lukshdrXMLChild(below, LUKSHDR_XML_SOURCE)))
                continue;
            *place = LUKSHDR_TOOL_TRIM_BELOW;
            return true;
        }
    }
    return doc != NULL;
}

/* Refuses if the volume is below an overlay of @domain, or if @domain was saved with it: its memory has file systems in it that
 * are mounted */
static bool
lukshdrToolTrimCheckDomain(virDomainPtr domain, const lukshdrToolVolume *payload, GError **error)
{
    int saved = virDomainHasManagedSaveImage(domain, 0);
    lukshdrToolTrimPlace place;

    if (saved < 0) {
        lukshdrToolSetLast(error);
        return false;
    }
    if (!lukshdrToolTrimLook(payload, virDomainGetXMLDesc(domain, 0), &place, error))
        return false;
    if (place == LUKSHDR_TOOL_TRIM_BELOW) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                    _("domain '%s' has an overlay, such as a snapshot's, that stands on volume "
                      "'%s', which nobody may change then; delete the snapshot first"),
                    virDomainGetName(domain), payload->name);
        return false;
    }
    /* what was saved may have other disks than the configuration */
    if (!saved)
        return true;
    if (!lukshdrToolTrimLook(payload, virDomainManagedSaveGetXMLDesc(domain, 0), &place, error))
        return false;
    if (place == LUKSHDR_TOOL_TRIM_NONE)
        return true;
    g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                _("domain '%s' was saved with volume '%s' mounted in it; start it and shut it down "
                  "first"),
                virDomainGetName(domain), payload->name);
    return false;
}

static bool
lukshdrToolTrimCheckDomains(lukshdrTool *tool, const lukshdrToolVolume *payload, GError **error)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(tool->conn, &domains, 0);
    bool ok = count >= 0;
    int i;

    if (!ok)
        lukshdrToolSetLast(error);
    for (i = 0; i < count; i++) {
        ok = ok && lukshdrToolTrimCheckDomain(domains[i], payload, error);
        virDomainFree(domains[i]);
    }
    free(domains);
    return ok;
}

/* Refuses if another volume of a pool is an overlay of the volume, whether a domain has it or not */
static bool
lukshdrToolTrimCheckOverlays(lukshdrTool *tool, const lukshdrToolVolume *payload, GError **error)
{
    g_autoptr(GPtrArray) volumes = lukshdrToolVolumeList(tool, NULL, error);
    guint i;

    for (i = 0; volumes && i < volumes->len; i++) {
        const lukshdrToolVolume *volume = g_ptr_array_index(volumes, i);

        if (!lukshdrToolTrimIsFile(payload, volume->backing))
            continue;
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                    _("volume '%1$s' of pool '%2$s' is an overlay that stands on volume '%3$s', "
                      "which nobody may change then"),
                    volume->name, volume->pool, payload->name);
        return false;
    }
    return volumes != NULL;
}

/* Refuses where what would be found out is wrong a moment later, or was never true */
static bool
lukshdrToolTrimCheck(lukshdrTool *tool, const lukshdrToolState *state, GError **error)
{
    const lukshdrToolVolume *payload = state->payload;

    if (state->reason) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                    _("volume '%s' is not in good order: %s"), payload->name, state->reason);
        return false;
    }
    if (payload->remote || payload->block) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                    _("volume '%s' is not in a file, and cannot be trimmed"), payload->name);
        return false;
    }
    if (state->users->len) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                    _("volume '%s' is in use by domain '%s'; shut the domain down first"),
                    payload->name, (char *)g_ptr_array_index(state->users, 0));
        return false;
    }
    return lukshdrToolTrimCheckDomains(tool, payload, error) &&
           lukshdrToolTrimCheckOverlays(tool, payload, error);
}

/* The appliance opens the disk by its path here */
static bool
lukshdrToolTrimCheckLocal(lukshdrTool *tool, char **uri, GError **error)
{
    g_autoptr(GUri) parsed = NULL;
    const char *host;

    *uri = virConnectGetURI(tool->conn);
    parsed = *uri ? g_uri_parse(*uri, G_URI_FLAGS_NONE, NULL) : NULL;
    host = parsed ? g_uri_get_host(parsed) : NULL;
    if (parsed && (!host || !*host))
        return true;
    g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                        _("a volume can be trimmed only on the daemon's own host; run virt-lukshdr "
                          "there"));
    return false;
}

static void
lukshdrToolTrimTell(const char *name, const char *reason)
{
    g_autofree char *shown = lukshdrTextShown(name);
    g_autofree char *why = reason ? lukshdrTextShown(reason) : NULL;

    if (why)
        lukshdrToolNote(_("%s: left out (%s)"), shown, why);
    else
        lukshdrToolNote(_("%s: looked at"), shown);
}

/* How libguestfs names its domains (launch-libvirt.c) */
#define LUKSHDR_TOOL_TRIM_GUESTFS "guestfs-"

/* Returns the id of the domain that the appliance is; 0 with @error set.  A domain that comes and goes meanwhile has
 * another id. */
static guint
lukshdrToolTrimFindDomain(lukshdrTool *tool, const lukshdrToolVolume *payload, GError **error)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(tool->conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    guint users = 0;
    guint id = 0;
    int i;

    for (i = 0; i < count; i++) {
        lukshdrToolTrimPlace place;

        /* one that has ended meanwhile has no XML */
        if (lukshdrToolTrimLook(payload, virDomainGetXMLDesc(domains[i], 0), &place, NULL) &&
            place != LUKSHDR_TOOL_TRIM_NONE) {
            users++;
            if (g_str_has_prefix(virDomainGetName(domains[i]), LUKSHDR_TOOL_TRIM_GUESTFS))
                id = virDomainGetID(domains[i]);
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    if (users == 1 && id > 0 && id <= G_MAXINT)
        return id;
    g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                _("libvirt does not show libguestfs' domain as the only one that uses volume '%s'; "
                  "nothing was changed"),
                payload->name);
    return 0;
}

/* Returns the XML that asks the daemon to free @ranges, freed with g_free */
static char *
lukshdrToolTrimXML(const lukshdrToolVolume *payload, guint domain, GArray *ranges)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autoptr(xmlDoc) doc = lukshdrToolLinkXML(payload->name, "trim", none, NULL);
    g_autofree char *id = g_strdup_printf("%u", domain);
    xmlNode *node = xmlDocGetRootElement(doc);
    guint i;

    node = lukshdrXMLChild(node, LUKSHDR_XML_TARGET);
    node = lukshdrXMLChild(node, LUKSHDR_XML_ENCRYPTION);
    node = lukshdrXMLChild(node, LUKSHDR_XML_HEADER);
    node = lukshdrXMLAddChild(node, LUKSHDR_XML_UNUSED, NULL);
    lukshdrXMLSetAttribute(node, "domain", id);
    for (i = 0; i < ranges->len; i++) {
        const lukshdrToolRange *range = &g_array_index(ranges, lukshdrToolRange, i);
        xmlNode *child = lukshdrXMLAddChild(node, LUKSHDR_XML_RANGE, NULL);
        g_autofree char *offset = g_strdup_printf("%" G_GUINT64_FORMAT, range->offset);
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, range->size);

        lukshdrXMLSetAttribute(child, "offset", offset);
        lukshdrXMLSetAttribute(child, "size", size);
    }
    return lukshdrXMLFormat(xmlDocGetRootElement(doc));
}

/* Does the daemon keep everybody else from the volume by now? */
static bool
lukshdrToolTrimIsHeld(const lukshdrToolVolume *payload)
{
    g_autoptr(lukshdrToolVolume) now = lukshdrToolVolumeNew(payload->vol, NULL);

    return now && g_strcmp0(now->linkState, LUKSHDR_XML_STATE_TRIMMING) == 0;
}

/* Has the daemon free @ranges.  Ends @appliance, which is taken over, when the daemon holds the volume, or does not want to. */
static bool
lukshdrToolTrimFree(const lukshdrToolVolume *payload,
                    guint domain,
                    GArray *ranges,
                    lukshdrToolAppliance *appliance,
                    GError **error)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByVolume(payload->vol);
    g_autofree char *xml = lukshdrToolTrimXML(payload, domain, ranges);
    lukshdrToolTrim trim = { .pool = pool, .xml = xml };
    GThread *thread;

    if (!pool) {
        lukshdrToolSetLast(error);
        lukshdrToolApplianceFree(appliance);
        return false;
    }
    thread = g_thread_new("trim", lukshdrToolTrimThread, &trim);
    while (!g_atomic_int_get(&trim.ended) && !lukshdrToolTrimIsHeld(payload))
        g_usleep(LUKSHDR_TOOL_TRIM_POLL);
    lukshdrToolApplianceFree(appliance);
    g_thread_join(thread);

    if (trim.vol) {
        virStorageVolFree(trim.vol);
        return true;
    }
    g_propagate_error(error, trim.error);
    return false;
}

/* Says how much smaller the volume is than @before */
static void
lukshdrToolTrimReport(const lukshdrToolVolume *before)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByVolume(before->vol);
    g_autofree char *was = g_format_size_full(before->allocation, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *is = NULL;
    virStorageVolInfo info;

    if (!pool || virStoragePoolRefresh(pool, 0) < 0 || virStorageVolGetInfo(before->vol, &info) < 0)
        return;
    is = g_format_size_full(info.allocation, G_FORMAT_SIZE_IEC_UNITS);
    lukshdrToolNote(_("Volume %s/%s has %s allocated, %s before."), before->pool, before->name, is,
                    was);
}

static bool
lukshdrToolTrimRun(lukshdrTool *tool, char ***argv, GError **error)
{
    gboolean yes = FALSE;
    const GOptionEntry entries[] = {
        { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, N_("Do not ask"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(lukshdrToolState) state = NULL;
    g_autoptr(lukshdrToolAppliance) appliance = NULL;
    g_autoptr(GArray) ranges = NULL;
    g_autofree char *question = NULL;
    g_autofree char *name = NULL;
    lukshdrToolVolume *payload;
    char *uri = NULL;
    guint domain;
    bool ok;

    if (!lukshdrToolParse(tool, entries, 1, 1, argv, error) ||
        !(payload = lukshdrToolVolumeFindLinked(tool, (*argv)[1], error)) ||
        !(state = lukshdrToolStateOf(tool, payload, error)) ||
        !lukshdrToolTrimCheck(tool, state, error))
        return false;

    name = lukshdrTextShown(payload->name);
    question = g_strdup_printf(
        _("Free what the file systems in volume '%s' of pool '%s' do not use? They are mounted for "
          "that in a domain of libguestfs. Who reads the payload learns afterwards which parts of the disk are not "
          "used. If the guest was saved (virsh save), or is hibernated with its memory on another disk or in a swap file, this destroys its data."),
        name, payload->pool);
    ok = lukshdrToolTrimCheckLocal(tool, &uri, error) && lukshdrToolConfirm(question, yes, error);
    if (ok)
        lukshdrToolNote(_("Starting a domain of libguestfs, which takes some seconds."));
    ok = ok &&
         (appliance = lukshdrToolApplianceNew(uri, payload->path, payload->format,
                                              payload->capacity, error)) &&
         (domain = lukshdrToolTrimFindDomain(tool, payload, error)) &&
         (ranges = lukshdrToolApplianceTrim(appliance, lukshdrToolTrimTell, error)) &&
         lukshdrToolTrimFree(payload, domain, ranges, g_steal_pointer(&appliance), error);
    free(uri);
    if (ok)
        lukshdrToolTrimReport(payload);
    return ok;
}

const lukshdrToolCommand lukshdrToolCommandTrim = {
    .name = "trim",
    .parameters = N_("VOLUME"),
    .summary = N_("Free what the file systems in a linked volume do not use"),
    .example = "  virt-lukshdr trim images/data.qcow2",
    .run = lukshdrToolTrimRun,
};
