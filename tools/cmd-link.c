/*
 * cmd-link.c: virt-lukshdr link, unlink and erase
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The daemon does the work; this file writes the XML that asks for it.
 */

#include "config.h"

#include "cmd-link.h"

#include <glib/gi18n.h>
#include <libxml/tree.h>

#include "util/error.h"
#include "link/label.h"
#include "util/text.h"
#include "util/xml.h"

xmlDoc *
lukshdrToolLinkXML(const char *name, const char *action, GPtrArray *headers, const char *secret)
{
    xmlDoc *doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_VOLUME, NULL);
    xmlNode *encryption;
    xmlNode *node;
    guint i;

    xmlDocSetRootElement(doc, root);
    lukshdrXMLAddChild(root, LUKSHDR_XML_NAME, name);
    node = lukshdrXMLAddChild(root, LUKSHDR_XML_TARGET, NULL);
    encryption = lukshdrXMLAddChild(node, LUKSHDR_XML_ENCRYPTION, NULL);
    lukshdrXMLSetAttribute(encryption, LUKSHDR_XML_FORMAT, "luks");

    if (secret) {
        node = lukshdrXMLAddChild(encryption, LUKSHDR_XML_SECRET, NULL);
        lukshdrXMLSetAttribute(node, "type", "passphrase");
        lukshdrXMLSetAttribute(node, g_uuid_string_is_valid(secret) ? "uuid" : "usage", secret);
    }

    node = lukshdrXMLAddChild(encryption, LUKSHDR_XML_HEADER, NULL);
    lukshdrXMLSetAttribute(node, "type", "volume");
    lukshdrXMLSetAttribute(node, LUKSHDR_XML_HEADER_LINK, action);
    for (i = 0; i < headers->len; i++) {
        const lukshdrToolName *header = g_ptr_array_index(headers, i);
        xmlNode *source = lukshdrXMLAddChild(node, LUKSHDR_XML_SOURCE, NULL);

        lukshdrXMLSetAttribute(source, "pool", header->pool);
        lukshdrXMLSetAttribute(source, "volume", header->volume);
    }
    return doc;
}

/* Calls vol-create with the action @action for volume @name of @pool, which is NULL after an error of libvirt's */
static bool
lukshdrToolLinkCall(virStoragePoolPtr pool,
                    const char *name,
                    const char *action,
                    GPtrArray *headers,
                    const char *secret,
                    GError **error)
{
    g_autoptr(xmlDoc) doc = lukshdrToolLinkXML(name, action, headers, secret);
    g_autofree char *xml = lukshdrXMLFormat(xmlDocGetRootElement(doc));
    g_autoptr(virStorageVol) vol = NULL;

    if (!pool || !(vol = virStorageVolCreateXML(pool, xml, 0))) {
        lukshdrToolSetLast(error);
        return false;
    }
    return true;
}

static bool
lukshdrToolLinkDo(const lukshdrToolVolume *payload,
                  const char *action,
                  GPtrArray *headers,
                  const char *secret,
                  GError **error)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByVolume(payload->vol);

    return lukshdrToolLinkCall(pool, payload->name, action, headers, secret, error);
}

bool
lukshdrToolForget(virStoragePoolPtr pool, const char *name, GPtrArray *headers, GError **error)
{
    return lukshdrToolLinkCall(pool, name, "unlink", headers, NULL, error);
}

bool
lukshdrToolLinkAgain(const lukshdrToolVolume *payload,
                     GPtrArray *headers,
                     const char *secret,
                     GError **error)
{
    return lukshdrToolLinkDo(payload, "existing", headers ? headers : payload->others, secret,
                             error);
}

bool
lukshdrToolLinkCheck(const lukshdrToolVolume *payload, GError **error)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();

    return lukshdrToolLinkDo(payload, "check", none, NULL, error);
}

lukshdrToolVolume *
lukshdrToolHeaderMake(lukshdrTool *tool, const lukshdrToolName *name, GError **error)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByName(tool->conn, name->pool);
    g_autoptr(virStorageVol) vol = NULL;
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_VOLUME, NULL);
    g_autofree char *size = g_strdup_printf("%d", LUKSHDR_HEADER_VOLUME_SIZE);
    g_autofree char *xml = NULL;
    xmlNode *target;

    xmlDocSetRootElement(doc, root);
    lukshdrXMLAddChild(root, LUKSHDR_XML_NAME, name->volume);
    lukshdrXMLAddChild(root, LUKSHDR_XML_CAPACITY, size);
    lukshdrXMLAddChild(root, "allocation", size);
    target = lukshdrXMLAddChild(root, LUKSHDR_XML_TARGET, NULL);
    lukshdrXMLSetAttribute(lukshdrXMLAddChild(target, LUKSHDR_XML_FORMAT, NULL), "type", "raw");
    lukshdrXMLAddChild(lukshdrXMLAddChild(target, "permissions", NULL), "mode", "0600");
    xml = lukshdrXMLFormat(root);

    /* the pool may still list a file that is gone */
    if (pool)
        virStoragePoolRefresh(pool, 0);
    if (!pool || !(vol = virStorageVolCreateXML(pool, xml, 0))) {
        lukshdrToolSetLast(error);
        return NULL;
    }
    return lukshdrToolVolumeNew(vol, error);
}

/* Puts the header in front of its replicas */
static void
lukshdrToolLinkPrimary(GPtrArray *replicas, const lukshdrToolName *header)
{
    g_autofree char *text = g_strdup_printf("%s/%s", header->pool, header->volume);

    g_ptr_array_insert(replicas, 0, lukshdrToolNameNew(text));
}

/* Says what is linked now, as the daemon has it */
static void
lukshdrToolLinkTell(lukshdrTool *tool, const lukshdrToolVolume *payload)
{
    g_autoptr(lukshdrToolVolume)
        now = lukshdrToolVolumeLookup(tool, payload->pool, payload->name, NULL);
    const lukshdrToolName *header = now ? lukshdrToolVolumeOther(now) : NULL;

    if (header && now->role == LUKSHDR_TOOL_ROLE_PAYLOAD && now->secretUUID)
        lukshdrToolNote(_("Volume %s/%s is linked to header %s/%s, which secret %s opens."),
                        now->pool, now->name, header->pool, header->volume, now->secretUUID);
}

/* Links a header that is not linked yet */
static bool
lukshdrToolLinkNew(lukshdrTool *tool,
                   const char *payloadName,
                   const char *headerName,
                   GPtrArray *replicas,
                   const char *secret,
                   GError **error)
{
    g_autoptr(lukshdrToolVolume) payload = lukshdrToolVolumeFind(tool, payloadName, error);
    g_autoptr(lukshdrToolVolume) header = NULL;

    if (!payload || !(header = lukshdrToolVolumeFind(tool, headerName, error)))
        return false;

    /* without the plugin, stock would only say that the payload exists already */
    if (!lukshdrToolProbePlugin(tool, error))
        return false;

    if (!secret) {
        g_set_error_literal(
            error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
            _("name the libvirt secret that opens the header: --secret UUID; 'virsh "
              "secret-define' makes one"));
        return false;
    }
    lukshdrToolLinkPrimary(replicas, &(lukshdrToolName){ header->pool, header->name });
    if (!lukshdrToolLinkDo(payload, "existing", replicas, secret, error))
        return false;
    lukshdrToolLinkTell(tool, payload);
    return true;
}

/* Says what would be taken, and asks */
static bool
lukshdrToolLinkConfirm(const lukshdrToolVolume *payload, bool yes, GError **error)
{
    g_autofree char *name = lukshdrTextShown(payload->name);
    const lukshdrToolName *header = lukshdrToolVolumeOther(payload);
    g_autofree char *size = g_format_size_full(payload->capacity, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *question = NULL;

    if (g_strcmp0(payload->linkState, LUKSHDR_XML_STATE_REPLACED) == 0)
        question = g_strdup_printf(
            _("Volume '%s' in pool '%s' is another file than the one that was linked to header "
              "'%s' in pool '%s', such as one from a backup. It has format %s and a size of %s. "
              "Take this file as the payload from now on? Its header must be there, and its secret must open that."),
            name, payload->pool, header->volume, header->pool, payload->format, size);
    else
        question = g_strdup_printf(
            _("Link volume '%s' in pool '%s' to header '%s' in pool '%s' anew, as both are now? If the "
              "header is an older one, passphrases that have been removed since then open the volume again."),
            name, payload->pool, header->volume, header->pool);

    return lukshdrToolConfirm(question, yes, error);
}

static bool
lukshdrToolLinkRun(lukshdrTool *tool, char ***argv, GError **error)
{
    g_autofree char *secret = NULL;
    g_auto(GStrv) replicaNames = NULL;
    gboolean noReplicas = FALSE;
    gboolean yes = FALSE;
    const GOptionEntry entries[] = {
        { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, N_("Do not ask"), NULL },
        { "secret", 0, 0, G_OPTION_ARG_STRING, &secret,
          N_("The libvirt secret that opens the header"), N_("UUID|USAGE") },
        { "replica", 0, 0, G_OPTION_ARG_STRING_ARRAY, &replicaNames,
          N_("A volume that is to be a copy of the header; may be given again"),
          N_("POOL/VOLUME") },
        { "no-replicas", 0, 0, G_OPTION_ARG_NONE, &noReplicas, N_("No replicas any more"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GPtrArray) replicas = g_ptr_array_new_with_free_func(lukshdrToolNameFree);
    g_autoptr(lukshdrToolVolume) payload = NULL;
    size_t i;

    if (!lukshdrToolParse(tool, entries, 1, 2, argv, error))
        return false;

    for (i = 0; replicaNames && replicaNames[i]; i++)
        g_ptr_array_add(replicas, lukshdrToolNameNew(replicaNames[i]));

    if ((*argv)[2])
        return lukshdrToolLinkNew(tool, (*argv)[1], (*argv)[2], replicas, secret, error);

    if (!(payload = lukshdrToolVolumeFindLinked(tool, (*argv)[1], error)) ||
        !lukshdrToolLinkConfirm(payload, yes, error))
        return false;
    if (replicas->len || noReplicas)
        lukshdrToolLinkPrimary(replicas, lukshdrToolVolumeOther(payload));
    if (!lukshdrToolLinkAgain(payload, replicas->len ? replicas : NULL, secret, error))
        return false;
    lukshdrToolLinkTell(tool, payload);
    return true;
}

const lukshdrToolCommand lukshdrToolCommandLink = {
    .name = "link",
    .parameters = N_("PAYLOAD HEADER | VOLUME"),
    .summary = N_("Make a linked volume of a payload and a header that exist, or renew a link"),
    .example = "  virt-lukshdr link images/data.qcow2 vault-headers/data.luks "
               "--secret 5d8c1a2e-0f3b-4c55-9a77-3b1f0c6d2e41",
    .run = lukshdrToolLinkRun,
};

static bool
lukshdrToolUnlinkRun(lukshdrTool *tool, char ***argv, GError **error)
{
    g_autoptr(lukshdrToolVolume) payload = NULL;

    if (!lukshdrToolParse(tool, NULL, 1, 1, argv, error) ||
        !(payload = lukshdrToolVolumeFindLinked(tool, (*argv)[1], error)) ||
        !lukshdrToolLinkDo(payload, "unlink", payload->others, NULL, error))
        return false;

    if (payload->secretUUID) {
        lukshdrToolNote(
            _("Both volumes are there as before; secret %s opens the header. A guest that gets the "
              "payload now sees encrypted bytes."),
            payload->secretUUID);
    }
    return true;
}

const lukshdrToolCommand lukshdrToolCommandUnlink = {
    .name = "unlink",
    .parameters = N_("VOLUME"),
    .summary = N_("Unlink payload and header, which both stay"),
    .example = "  virt-lukshdr unlink images/data.qcow2",
    .run = lukshdrToolUnlinkRun,
};

static bool
lukshdrToolEraseRun(lukshdrTool *tool, char ***argv, GError **error)
{
    gboolean yes = FALSE;
    const GOptionEntry entries[] = {
        { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, N_("Do not ask"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(lukshdrToolVolume) payload = NULL;
    g_autofree char *question = NULL;
    g_autofree char *name = NULL;

    if (!lukshdrToolParse(tool, entries, 1, 1, argv, error) ||
        !(payload = lukshdrToolVolumeFindLinked(tool, (*argv)[1], error)))
        return false;

    name = lukshdrTextShown(payload->name);
    question = g_strdup_printf(
        _("Destroy the key material of volume '%s' in pool '%s'? Without a backup "
          "of the header nobody will ever read it again."),
        name, payload->pool);
    if (!lukshdrToolConfirm(question, yes, error))
        return false;

    if (virStorageVolWipe(payload->vol, 0) < 0) {
        lukshdrToolSetLast(error);
        return false;
    }
    return true;
}

const lukshdrToolCommand lukshdrToolCommandErase = {
    .name = "erase",
    .parameters = N_("VOLUME"),
    .summary = N_("Destroy the key material of a linked volume, and with it the data"),
    .example = "  virt-lukshdr erase images/data.qcow2",
    .run = lukshdrToolEraseRun,
};
