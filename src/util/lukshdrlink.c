/*
 * lukshdrlink.c: the link between a payload volume and its header volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "lukshdrlink.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "lukshdrerror.h"
#include "lukshdrxml.h"

static const char *const lukshdrLinkStates[] = {
    [LUKSHDR_LINK_STATE_CREATING] = "creating", [LUKSHDR_LINK_STATE_ACTIVE] = "active",
    [LUKSHDR_LINK_STATE_DELETING] = "deleting", [LUKSHDR_LINK_STATE_WIPING] = "wiping",
    [LUKSHDR_LINK_STATE_WIPED] = "wiped",
};

lukshdrLink *
lukshdrLinkNew(void)
{
    lukshdrLink *link = g_new0(lukshdrLink, 1);

    g_atomic_ref_count_init(&link->refs);
    link->uuid = g_uuid_string_random();
    link->state = LUKSHDR_LINK_STATE_CREATING;
    return link;
}

static void
lukshdrLinkVolumeCopy(lukshdrLinkVolume *dst, const lukshdrLinkVolume *src)
{
    dst->pool = g_strdup(src->pool);
    dst->volume = g_strdup(src->volume);
    dst->path = g_strdup(src->path);
    dst->identity = src->identity;
}

lukshdrLink *
lukshdrLinkCopy(const lukshdrLink *link)
{
    lukshdrLink *copy = g_new0(lukshdrLink, 1);

    g_atomic_ref_count_init(&copy->refs);
    copy->uuid = g_strdup(link->uuid);
    copy->state = link->state;
    lukshdrLinkVolumeCopy(&copy->payload, &link->payload);
    lukshdrLinkVolumeCopy(&copy->header, &link->header);
    copy->format = g_strdup(link->format);
    copy->luksUUID = g_strdup(link->luksUUID);
    copy->secretUUID = g_strdup(link->secretUUID);
    copy->secretGenerated = link->secretGenerated;
    copy->headerShared = link->headerShared;
    return copy;
}

lukshdrLink *
lukshdrLinkRef(lukshdrLink *link)
{
    g_atomic_ref_count_inc(&link->refs);
    return link;
}

static void
lukshdrLinkVolumeClear(lukshdrLinkVolume *vol)
{
    g_free(vol->pool);
    g_free(vol->volume);
    g_free(vol->path);
}

void
lukshdrLinkUnref(lukshdrLink *link)
{
    if (!link || !g_atomic_ref_count_dec(&link->refs))
        return;

    g_free(link->uuid);
    lukshdrLinkVolumeClear(&link->payload);
    lukshdrLinkVolumeClear(&link->header);
    g_free(link->format);
    g_free(link->luksUUID);
    g_free(link->secretUUID);
    g_free(link);
}

const char *
lukshdrLinkStateToString(lukshdrLinkState state)
{
    return lukshdrLinkStates[state];
}

static void
lukshdrLinkFormatVolume(xmlNode *node, const lukshdrLinkVolume *vol)
{
    lukshdrXMLSetAttribute(node, "pool", vol->pool);
    lukshdrXMLSetAttribute(node, "volume", vol->volume);
    if (vol->path)
        lukshdrXMLAddChild(node, LUKSHDR_XML_PATH, vol->path);
    lukshdrIdentityFormat(node, &vol->identity);
}

char *
lukshdrLinkFormat(const lukshdrLink *link)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_LINK, NULL);
    xmlNode *node;

    xmlDocSetRootElement(doc, root);
    lukshdrXMLSetAttribute(root, "state", lukshdrLinkStateToString(link->state));
    lukshdrXMLAddChild(root, LUKSHDR_XML_UUID, link->uuid);

    node = lukshdrXMLAddChild(root, LUKSHDR_XML_PAYLOAD, NULL);
    lukshdrLinkFormatVolume(node, &link->payload);
    lukshdrXMLSetAttribute(node, LUKSHDR_XML_FORMAT, link->format);

    node = lukshdrXMLAddChild(root, LUKSHDR_XML_HEADER, NULL);
    lukshdrLinkFormatVolume(node, &link->header);
    if (link->headerShared)
        lukshdrXMLSetAttribute(node, "shared", "yes");

    if (link->luksUUID) {
        node = lukshdrXMLAddChild(root, LUKSHDR_XML_LUKS, NULL);
        lukshdrXMLSetAttribute(node, LUKSHDR_XML_UUID, link->luksUUID);
    }

    if (link->secretUUID) {
        node = lukshdrXMLAddChild(root, LUKSHDR_XML_SECRET, NULL);
        lukshdrXMLSetAttribute(node, LUKSHDR_XML_UUID, link->secretUUID);
        if (link->secretGenerated)
            lukshdrXMLSetAttribute(node, "generated", "yes");
    }

    return lukshdrXMLFormat(root);
}

static bool
lukshdrLinkParseFlag(xmlNode *node, const char *name, bool *flag, GError **error)
{
    g_autofree char *value = lukshdrXMLAttribute(node, name);

    if (value && !g_str_equal(value, "yes") && !g_str_equal(value, "no")) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("attribute '%s' of '%s' must be 'yes' or 'no'"), name, node->name);
        return false;
    }
    *flag = g_strcmp0(value, "yes") == 0;
    return true;
}

static bool
lukshdrLinkParseUUID(char *uuid, const char *what, char **result, GError **error)
{
    if (!uuid || !g_uuid_string_is_valid(uuid)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("malformed UUID in '%s'"), what);
        g_free(uuid);
        return false;
    }
    *result = uuid;
    return true;
}

/* A volume's name becomes part of messages and of calls to libvirt only, never
 * of a path; libvirt itself allows no '/' in either name. */
static bool
lukshdrLinkParseVolume(xmlNode *root, const char *name, lukshdrLinkVolume *vol, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_PATH, LUKSHDR_XML_IDENTITY, NULL };
    xmlNode *node = lukshdrXMLChild(root, name);
    xmlNode *child;

    if (!node || lukshdrXMLChildCount(root, name) != 1) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("a link needs exactly one '%s'"),
                    name);
        return false;
    }

    if (!lukshdrXMLOnlyChildren(node, children, error))
        return false;

    vol->pool = lukshdrXMLAttribute(node, "pool");
    vol->volume = lukshdrXMLAttribute(node, "volume");
    if (!vol->pool || !*vol->pool || strchr(vol->pool, '/') || !vol->volume || !*vol->volume ||
        strchr(vol->volume, '/')) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("'%s' needs the name of a pool and of a volume"), name);
        return false;
    }

    if ((child = lukshdrXMLChild(node, LUKSHDR_XML_PATH))) {
        vol->path = lukshdrXMLText(child);
        if (!g_path_is_absolute(vol->path)) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("path of '%s' must be absolute"),
                        name);
            return false;
        }
    }

    return lukshdrIdentityParse(node, &vol->identity, error);
}

static bool
lukshdrLinkParseState(xmlNode *root, lukshdrLinkState *state, GError **error)
{
    g_autofree char *name = lukshdrXMLAttribute(root, "state");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrLinkStates); i++) {
        if (g_strcmp0(name, lukshdrLinkStates[i]) == 0) {
            *state = i;
            return true;
        }
    }
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("unknown state of a link: '%s'"),
                name ? name : "");
    return false;
}

lukshdrLink *
lukshdrLinkParse(const char *xml, gsize len, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_UUID,   LUKSHDR_XML_PAYLOAD,
                                            LUKSHDR_XML_HEADER, LUKSHDR_XML_LUKS,
                                            LUKSHDR_XML_SECRET, NULL };
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(lukshdrLink) link = g_new0(lukshdrLink, 1);
    xmlNode *root;
    xmlNode *node;

    g_atomic_ref_count_init(&link->refs);

    if (!(doc = lukshdrXMLParse(xml, len, LUKSHDR_XML_LINK, error)))
        return NULL;
    root = xmlDocGetRootElement(doc);

    if (!lukshdrXMLOnlyChildren(root, children, error) ||
        !lukshdrLinkParseState(root, &link->state, error))
        return NULL;

    node = lukshdrXMLChild(root, LUKSHDR_XML_UUID);
    if (!lukshdrLinkParseUUID(node ? lukshdrXMLText(node) : NULL, LUKSHDR_XML_LINK, &link->uuid,
                              error))
        return NULL;

    if (!lukshdrLinkParseVolume(root, LUKSHDR_XML_PAYLOAD, &link->payload, error) ||
        !lukshdrLinkParseVolume(root, LUKSHDR_XML_HEADER, &link->header, error))
        return NULL;

    link->format = lukshdrXMLAttribute(lukshdrXMLChild(root, LUKSHDR_XML_PAYLOAD),
                                       LUKSHDR_XML_FORMAT);
    if (!link->format || !*link->format) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("the payload of a link needs a format"));
        return NULL;
    }

    if (!lukshdrLinkParseFlag(lukshdrXMLChild(root, LUKSHDR_XML_HEADER), "shared",
                              &link->headerShared, error))
        return NULL;

    if ((node = lukshdrXMLChild(root, LUKSHDR_XML_LUKS)) &&
        !lukshdrLinkParseUUID(lukshdrXMLAttribute(node, LUKSHDR_XML_UUID), LUKSHDR_XML_LUKS,
                              &link->luksUUID, error))
        return NULL;

    if ((node = lukshdrXMLChild(root, LUKSHDR_XML_SECRET)) &&
        (!lukshdrLinkParseUUID(lukshdrXMLAttribute(node, LUKSHDR_XML_UUID), LUKSHDR_XML_SECRET,
                               &link->secretUUID, error) ||
         !lukshdrLinkParseFlag(node, "generated", &link->secretGenerated, error)))
        return NULL;

    if (link->state == LUKSHDR_LINK_STATE_ACTIVE &&
        (!link->payload.path || !link->header.path || !link->luksUUID || !link->secretUUID)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("an active link needs both paths, a LUKS UUID and a secret"));
        return NULL;
    }

    return g_steal_pointer(&link);
}
