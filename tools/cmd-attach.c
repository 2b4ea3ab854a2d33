/*
 * cmd-attach.c: virt-lukshdr attach and detach
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * These commands do what virsh attach-device and detach-device do, and write the right XML.
 */

#include "config.h"

#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "chain/forms.h"
#include "util/text.h"
#include "state.h"
#include "util/xml.h"

/* How long the tool waits for a guest to release a disk before it tells the user so, seconds.
 * Linux takes less than one. */
#define LUKSHDR_TOOL_DETACH_WAIT 10

typedef struct _lukshdrToolAffect lukshdrToolAffect;
struct _lukshdrToolAffect {
    gboolean live;
    gboolean config;
    gboolean persistent;
};

#define LUKSHDR_TOOL_AFFECT_ENTRIES(affect) \
    { "live", 0, 0, G_OPTION_ARG_NONE, &(affect).live, N_("The running domain"), NULL }, \
        { "config", \
          0, \
          0, \
          G_OPTION_ARG_NONE, \
          &(affect).config, \
          N_("The configuration, which counts from the next start on"), \
          NULL }, \
    { \
        "persistent", 0, 0, G_OPTION_ARG_NONE, &(affect).persistent, \
            N_("The configuration, and the domain if it runs"), NULL \
    }

static virDomainPtr
lukshdrToolDomainFind(lukshdrTool *tool, const char *name, GError **error)
{
    virConnectPtr conn = lukshdrToolConnect(tool, error);
    virDomainPtr domain = NULL;
    gint64 id;

    if (!conn)
        return NULL;

    if (g_ascii_string_to_signed(name, 10, 0, G_MAXINT, &id, NULL))
        domain = virDomainLookupByID(conn, (int)id);
    if (!domain && g_uuid_string_is_valid(name))
        domain = virDomainLookupByUUIDString(conn, name);
    if (!domain && !(domain = virDomainLookupByName(conn, name)))
        lukshdrToolSetLast(error);
    return domain;
}

/* As virsh: without an option, changes the domain as it is now, running or not */
static bool
lukshdrToolAffectFlags(const lukshdrToolAffect *affect,
                       virDomainPtr domain,
                       unsigned int *flags,
                       GError **error)
{
    int active = virDomainIsActive(domain);

    if (active < 0) {
        lukshdrToolSetLast(error);
        return false;
    }
    if (affect->live && !active) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                    _("domain '%s' is not running; --config changes what it starts with"),
                    virDomainGetName(domain));
        return false;
    }

    *flags = 0;
    if (affect->live || (affect->persistent && active) || (!affect->config && active))
        *flags |= VIR_DOMAIN_AFFECT_LIVE;
    if (affect->config || affect->persistent || !active)
        *flags |= VIR_DOMAIN_AFFECT_CONFIG;
    return true;
}

static const char *
lukshdrToolTargetBus(const char *target)
{
    if (g_str_has_prefix(target, "sd"))
        return "scsi";
    if (g_str_has_prefix(target, "hd"))
        return "ide";
    return "virtio";
}

static bool
lukshdrToolAttachRun(lukshdrTool *tool, char ***argv, GError **error)
{
    lukshdrToolAffect affect = { 0 };
    g_autofree char *bus = NULL;
    g_autofree char *serial = NULL;
    gboolean readOnly = FALSE;
    const GOptionEntry entries[] = {
        LUKSHDR_TOOL_AFFECT_ENTRIES(affect),
        { "read-only", 'r', 0, G_OPTION_ARG_NONE, &readOnly, N_("The guest may only read"), NULL },
        { "bus", 0, 0, G_OPTION_ARG_STRING, &bus,
          N_("The disk's bus; by default what the target's name says"), N_("BUS") },
        { "serial", 0, 0, G_OPTION_ARG_STRING, &serial, N_("The serial number that the guest sees"),
          N_("TEXT") },
        G_OPTION_ENTRY_NULL,
    };
    lukshdrToolVolume *payload;
    g_autoptr(lukshdrToolState) state = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(virDomain) domain = NULL;
    g_autofree char *xml = NULL;
    unsigned int flags;

    if (!lukshdrToolParse(tool, entries, 3, 3, argv, error) ||
        !(domain = lukshdrToolDomainFind(tool, (*argv)[1], error)) ||
        !lukshdrToolAffectFlags(&affect, domain, &flags, error) ||
        !(payload = lukshdrToolVolumeFindLinked(tool, (*argv)[2], error)) ||
        !(state = lukshdrToolStateOf(tool, payload, error)))
        return false;

    /* libvirt would refuse it, too, but cannot say so well why */
    if (state->reason) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                    _("volume '%s' cannot be opened: %s"), payload->name, state->reason);
        return false;
    }

    link = lukshdrToolStateLink(state);
    xml = lukshdrChainToDisk(link, (*argv)[3], bus ? bus : lukshdrToolTargetBus((*argv)[3]), serial,
                             readOnly);
    if (virDomainAttachDeviceFlags(domain, xml, flags) < 0) {
        lukshdrToolSetLast(error);
        return false;
    }
    return true;
}

const lukshdrToolCommand lukshdrToolCommandAttach = {
    .name = "attach",
    .parameters = N_("DOMAIN VOLUME TARGET"),
    .summary = N_("Give a linked volume to a domain as a disk"),
    .example = "  virt-lukshdr attach demo images/data.qcow2 vdb --persistent",
    .run = lukshdrToolAttachRun,
};

/* Is this the disk that the user means, by its target or by the volume? */
static bool
lukshdrToolDetachIs(xmlNode *disk, const char *name, const lukshdrToolVolume *payload)
{
    xmlNode *target = lukshdrXMLChild(disk, LUKSHDR_XML_TARGET);
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
    g_autofree char *dev = target ? lukshdrXMLAttribute(target, "dev") : NULL;

    return lukshdrTextSame(dev, name) ||
           (source && payload && lukshdrToolVolumeIsSource(payload, source));
}

/* Returns the XML of the disk in the configuration that @flags select.  Returns NULL without an
 * error if that has no such disk. */
static char *
lukshdrToolDetachXML(virDomainPtr domain,
                     unsigned int flags,
                     const char *name,
                     const lukshdrToolVolume *payload,
                     GError **error)
{
    char *text = virDomainGetXMLDesc(domain,
                                     flags & VIR_DOMAIN_AFFECT_LIVE ? 0 : VIR_DOMAIN_XML_INACTIVE);
    g_autoptr(xmlDoc) doc = NULL;
    xmlNode *node;

    if (!text) {
        lukshdrToolSetLast(error);
        return NULL;
    }
    doc = lukshdrXMLParse(text, strlen(text), "domain", error);
    free(text);
    if (!doc)
        return NULL;

    node = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_DEVICES);
    for (node = lukshdrXMLChild(node, LUKSHDR_XML_DISK); node;
         node = lukshdrXMLNext(node, LUKSHDR_XML_DISK)) {
        if (lukshdrToolDetachIs(node, name, payload))
            return lukshdrXMLFormat(node);
    }
    return NULL;
}

/* Waits until the disk is gone: libvirt has asked the guest, and the guest may take its time */
static void
lukshdrToolDetachWait(virDomainPtr domain, const char *name, const lukshdrToolVolume *payload)
{
    gint64 end = g_get_monotonic_time() + LUKSHDR_TOOL_DETACH_WAIT * G_USEC_PER_SEC;

    while (g_get_monotonic_time() < end) {
        g_autofree char *xml = lukshdrToolDetachXML(domain, VIR_DOMAIN_AFFECT_LIVE, name, payload,
                                                    NULL);

        if (!xml)
            return;
        g_usleep(G_USEC_PER_SEC / 10);
    }
    lukshdrToolNote(
        _("Domain '%s' has not let the disk go yet; it is gone when 'virsh domblklist' does "
          "not show it any more."),
        virDomainGetName(domain));
}

static bool
lukshdrToolDetachRun(lukshdrTool *tool, char ***argv, GError **error)
{
    lukshdrToolAffect affect = { 0 };
    const GOptionEntry entries[] = {
        LUKSHDR_TOOL_AFFECT_ENTRIES(affect),
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(lukshdrToolVolume) payload = NULL;
    g_autoptr(virDomain) domain = NULL;
    g_autofree char *xml = NULL;
    const char *name;
    unsigned int flags;

    if (!lukshdrToolParse(tool, entries, 2, 2, argv, error) ||
        !(domain = lukshdrToolDomainFind(tool, (*argv)[1], error)) ||
        !lukshdrToolAffectFlags(&affect, domain, &flags, error))
        return false;

    /* the name may be a target and no volume; and a damaged volume can be detached, too */
    name = (*argv)[2];
    payload = lukshdrToolVolumeFindLinked(tool, name, NULL);
    if (!(xml = lukshdrToolDetachXML(domain, flags, name, payload, error))) {
        if (error && !*error)
            g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_NOT_FOUND,
                        _("domain '%s' has no disk '%s'; 'virsh domblklist' shows what it has"),
                        virDomainGetName(domain), name);
        return false;
    }

    if (virDomainDetachDeviceFlags(domain, xml, flags) < 0) {
        lukshdrToolSetLast(error);
        return false;
    }
    if (flags & VIR_DOMAIN_AFFECT_LIVE)
        lukshdrToolDetachWait(domain, name, payload);
    return true;
}

const lukshdrToolCommand lukshdrToolCommandDetach = {
    .name = "detach",
    .parameters = N_("DOMAIN VOLUME|TARGET"),
    .summary = N_("Take a disk from a domain"),
    .example = "  virt-lukshdr detach demo vdb --persistent",
    .run = lukshdrToolDetachRun,
};
