/*
 * link.c: the link between a payload volume and its header volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "link.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "util/text.h"
#include "util/xml.h"

static const char *const lukshdrLinkStates[] = {
    [LUKSHDR_LINK_STATE_CREATING] = "creating", [LUKSHDR_LINK_STATE_ACTIVE] = "active",
    [LUKSHDR_LINK_STATE_DELETING] = "deleting", [LUKSHDR_LINK_STATE_WIPING] = "wiping",
    [LUKSHDR_LINK_STATE_WIPED] = "wiped",       [LUKSHDR_LINK_STATE_UNLINKING] = "unlinking",
};

/* A link with nothing in it */
static lukshdrLink *
lukshdrLinkAlloc(void)
{
    lukshdrLink *link = g_new0(lukshdrLink, 1);

    g_atomic_ref_count_init(&link->refs);
    link->replicas = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrVolumeFree);
    return link;
}

lukshdrLink *
lukshdrLinkNew(void)
{
    lukshdrLink *link = lukshdrLinkAlloc();

    link->uuid = g_uuid_string_random();
    link->state = LUKSHDR_LINK_STATE_CREATING;
    return link;
}

lukshdrLink *
lukshdrLinkCopy(const lukshdrLink *link)
{
    lukshdrLink *copy = lukshdrLinkAlloc();
    guint i;

    copy->uuid = g_strdup(link->uuid);
    copy->state = link->state;
    lukshdrVolumeCopy(&copy->payload, &link->payload);
    lukshdrVolumeCopy(&copy->header, &link->header);
    for (i = 0; i < link->replicas->len; i++) {
        lukshdrVolume *replica = g_new0(lukshdrVolume, 1);

        lukshdrVolumeCopy(replica, g_ptr_array_index(link->replicas, i));
        g_ptr_array_add(copy->replicas, replica);
    }
    copy->format = g_strdup(link->format);
    copy->luksUUID = g_strdup(link->luksUUID);
    copy->digest = g_strdup(link->digest);
    copy->generation = link->generation;
    copy->secretUUID = g_strdup(link->secretUUID);
    copy->secretGenerated = link->secretGenerated;
    copy->headerShared = link->headerShared;
    copy->withSnapshots = link->withSnapshots;
    return copy;
}

lukshdrLink *
lukshdrLinkRef(lukshdrLink *link)
{
    g_atomic_ref_count_inc(&link->refs);
    return link;
}

void
lukshdrLinkUnref(lukshdrLink *link)
{
    if (!link || !g_atomic_ref_count_dec(&link->refs))
        return;

    g_free(link->uuid);
    lukshdrVolumeClear(&link->payload);
    lukshdrVolumeClear(&link->header);
    g_ptr_array_unref(link->replicas);
    g_free(link->format);
    g_free(link->luksUUID);
    g_free(link->digest);
    g_free(link->secretUUID);
    g_free(link);
}

void
lukshdrLinkAddReplica(lukshdrLink *link, const char *pool, const char *volume)
{
    lukshdrVolume *replica = g_new0(lukshdrVolume, 1);

    replica->pool = g_strdup(pool);
    replica->volume = g_strdup(volume);
    g_ptr_array_add(link->replicas, replica);
}

lukshdrVolume *
lukshdrLinkVolumeAt(const lukshdrLink *link, guint i)
{
    switch (lukshdrLinkRoleAt(i)) {
    case LUKSHDR_ROLE_PAYLOAD:
        return (lukshdrVolume *)&link->payload;
    case LUKSHDR_ROLE_HEADER:
        return (lukshdrVolume *)&link->header;
    case LUKSHDR_ROLE_REPLICA:
        break;
    }
    return i - 2 < link->replicas->len ? g_ptr_array_index(link->replicas, i - 2) : NULL;
}

lukshdrRole
lukshdrLinkRoleAt(guint i)
{
    return MIN(i, (guint)LUKSHDR_ROLE_REPLICA);
}

const char *
lukshdrRoleToString(lukshdrRole role)
{
    switch (role) {
    case LUKSHDR_ROLE_PAYLOAD:
        return _("payload");
    case LUKSHDR_ROLE_HEADER:
        return _("header");
    case LUKSHDR_ROLE_REPLICA:
        return _("header replica");
    }
    g_return_val_if_reached("");
}

lukshdrVolume *
lukshdrLinkHeaderCopy(const lukshdrLink *link, guint i)
{
    return i < G_MAXUINT ? lukshdrLinkVolumeAt(link, i + 1) : NULL;
}

lukshdrVolume *
lukshdrLinkHeaderCopyAt(const lukshdrLink *link, const lukshdrVolume *where)
{
    lukshdrVolume *copy;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        if (lukshdrVolumeIsSamePlace(copy, where))
            return copy;
    }
    return NULL;
}

const char *
lukshdrLinkStateToString(lukshdrLinkState state)
{
    return lukshdrLinkStates[state];
}

/* The part on the header itself: what it is, and what it must be like */
static void
lukshdrLinkFormatLuks(xmlNode *root, const lukshdrLink *link)
{
    xmlNode *node = lukshdrXMLAddChild(root, LUKSHDR_XML_LUKS, NULL);

    lukshdrXMLSetAttribute(node, LUKSHDR_XML_UUID, link->luksUUID);
    if (link->generation) {
        g_autofree char *generation = g_strdup_printf("%u", link->generation);

        lukshdrXMLSetAttribute(node, "generation", generation);
    }
    if (link->digest) {
        node = lukshdrXMLAddChild(node, LUKSHDR_XML_DIGEST, link->digest);
        lukshdrXMLSetAttribute(node, "algorithm", LUKSHDR_LINK_DIGEST_ALGORITHM);
    }
}

static void
lukshdrLinkFill(xmlNode *root, const lukshdrLink *link)
{
    xmlNode *node;
    guint i;

    lukshdrXMLSetAttribute(root, "state", lukshdrLinkStateToString(link->state));
    if (link->withSnapshots)
        lukshdrXMLSetAttribute(root, "snapshots", "yes");
    lukshdrXMLAddChild(root, LUKSHDR_XML_UUID, link->uuid);

    node = lukshdrXMLAddChild(root, LUKSHDR_XML_PAYLOAD, NULL);
    lukshdrVolumeFormat(node, &link->payload);
    lukshdrXMLSetAttribute(node, LUKSHDR_XML_FORMAT, link->format);

    node = lukshdrXMLAddChild(root, LUKSHDR_XML_HEADER, NULL);
    lukshdrVolumeFormat(node, &link->header);
    if (link->headerShared)
        lukshdrXMLSetAttribute(node, "shared", "yes");

    for (i = 0; i < link->replicas->len; i++)
        lukshdrVolumeFormat(lukshdrXMLAddChild(root, LUKSHDR_XML_REPLICA, NULL),
                            g_ptr_array_index(link->replicas, i));

    if (link->luksUUID)
        lukshdrLinkFormatLuks(root, link);

    if (link->secretUUID) {
        node = lukshdrXMLAddChild(root, LUKSHDR_XML_SECRET, NULL);
        lukshdrXMLSetAttribute(node, LUKSHDR_XML_UUID, link->secretUUID);
        if (link->secretGenerated)
            lukshdrXMLSetAttribute(node, "generated", "yes");
    }
}

char *
lukshdrLinkFormat(const lukshdrLink *link)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_LINK, NULL);

    xmlDocSetRootElement(doc, root);
    lukshdrLinkFill(root, link);
    return lukshdrXMLFormat(root);
}

char *
lukshdrLinkListFormat(GPtrArray *links)
{
    g_autoptr(xmlDoc) doc = NULL;
    xmlNode *root;
    guint i;

    if (links->len == 1)
        return lukshdrLinkFormat(g_ptr_array_index(links, 0));

    doc = xmlNewDoc(NULL);
    root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_LINKS, NULL);
    xmlDocSetRootElement(doc, root);
    for (i = 0; i < links->len; i++)
        lukshdrLinkFill(lukshdrXMLAddChild(root, LUKSHDR_XML_LINK, NULL),
                        g_ptr_array_index(links, i));
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

static bool
lukshdrLinkParseVolume(xmlNode *root, const char *name, lukshdrVolume *vol, GError **error)
{
    xmlNode *node = lukshdrXMLChild(root, name);

    if (!node || lukshdrXMLChildCount(root, name) != 1) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("a link needs exactly one '%s'"),
                    name);
        return false;
    }
    return lukshdrVolumeParse(node, vol, error);
}

static bool
lukshdrLinkParseReplicas(xmlNode *root, lukshdrLink *link, GError **error)
{
    xmlNode *node;

    for (node = lukshdrXMLChild(root, LUKSHDR_XML_REPLICA); node;
         node = lukshdrXMLNext(node, LUKSHDR_XML_REPLICA)) {
        lukshdrVolume *replica = g_new0(lukshdrVolume, 1);

        g_ptr_array_add(link->replicas, replica);
        if (!lukshdrVolumeParse(node, replica, error))
            return false;
    }
    return true;
}

static bool
lukshdrLinkParseDigest(xmlNode *node, char **digest, GError **error)
{
    g_autofree char *algorithm = lukshdrXMLAttribute(node, "algorithm");
    g_autofree char *text = NULL;

    if (!lukshdrXMLOnlyText(node, &text, error))
        return false;

    if (g_strcmp0(algorithm, LUKSHDR_LINK_DIGEST_ALGORITHM) ||
        strlen(text) != LUKSHDR_LINK_DIGEST_LEN ||
        strspn(text, "0123456789abcdef") != LUKSHDR_LINK_DIGEST_LEN) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("malformed digest of the header of a link"));
        return false;
    }
    *digest = g_steal_pointer(&text);
    return true;
}

static bool
lukshdrLinkParseLuks(xmlNode *root, lukshdrLink *link, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_DIGEST, NULL };
    xmlNode *node = lukshdrXMLChild(root, LUKSHDR_XML_LUKS);
    g_autofree char *generation = NULL;
    xmlNode *digest;
    guint64 number = 0;

    if (!node)
        return true;

    generation = lukshdrXMLAttribute(node, "generation");
    if (generation && !g_ascii_string_to_unsigned(generation, 10, 1, G_MAXUINT32, &number, NULL)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("malformed generation of the header of a link: '%s'"), generation);
        return false;
    }
    link->generation = number;

    digest = lukshdrXMLChild(node, LUKSHDR_XML_DIGEST);
    return lukshdrXMLOnlyChildren(node, children, error) &&
           lukshdrXMLAtMostOnce(node, children, error) &&
           lukshdrLinkParseUUID(lukshdrXMLAttribute(node, LUKSHDR_XML_UUID), LUKSHDR_XML_LUKS,
                                &link->luksUUID, error) &&
           (!digest || lukshdrLinkParseDigest(digest, &link->digest, error));
}

static bool
lukshdrLinkParseSecret(xmlNode *root, lukshdrLink *link, GError **error)
{
    static const char *const children[] = { NULL };
    xmlNode *node = lukshdrXMLChild(root, LUKSHDR_XML_SECRET);

    if (!node)
        return true;

    return lukshdrXMLOnlyChildren(node, children, error) &&
           lukshdrLinkParseUUID(lukshdrXMLAttribute(node, LUKSHDR_XML_UUID), LUKSHDR_XML_SECRET,
                                &link->secretUUID, error) &&
           lukshdrLinkParseFlag(node, "generated", &link->secretGenerated, error);
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
    /* release 0.1 wrote this */
    if (g_strcmp0(name, "parting") == 0) {
        *state = LUKSHDR_LINK_STATE_UNLINKING;
        return true;
    }
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("unknown state of a link: '%s'"),
                name ? name : "");
    return false;
}

static lukshdrLink *
lukshdrLinkParseNode(xmlNode *root, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_UUID,
                                            LUKSHDR_XML_PAYLOAD,
                                            LUKSHDR_XML_HEADER,
                                            LUKSHDR_XML_REPLICA,
                                            LUKSHDR_XML_LUKS,
                                            LUKSHDR_XML_SECRET,
                                            NULL };
    static const char *const once[] = { LUKSHDR_XML_UUID, LUKSHDR_XML_LUKS, LUKSHDR_XML_SECRET,
                                        NULL };
    g_autoptr(lukshdrLink) link = lukshdrLinkAlloc();
    char *uuid = NULL;
    xmlNode *node;

    if (!lukshdrXMLOnlyChildren(root, children, error) ||
        !lukshdrXMLAtMostOnce(root, once, error) ||
        !lukshdrLinkParseState(root, &link->state, error) ||
        !lukshdrLinkParseFlag(root, "snapshots", &link->withSnapshots, error))
        return NULL;

    if ((node = lukshdrXMLChild(root, LUKSHDR_XML_UUID)) && !lukshdrXMLOnlyText(node, &uuid, error))
        return NULL;
    if (!lukshdrLinkParseUUID(uuid, LUKSHDR_XML_LINK, &link->uuid, error))
        return NULL;

    if (!lukshdrLinkParseVolume(root, LUKSHDR_XML_PAYLOAD, &link->payload, error) ||
        !lukshdrLinkParseVolume(root, LUKSHDR_XML_HEADER, &link->header, error) ||
        !lukshdrLinkParseReplicas(root, link, error))
        return NULL;

    link->format = lukshdrXMLAttribute(lukshdrXMLChild(root, LUKSHDR_XML_PAYLOAD),
                                       LUKSHDR_XML_FORMAT);
    if (!link->format || !lukshdrTextIsToken(link->format)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("the payload of a link needs the name of a format"));
        return NULL;
    }

    if (!lukshdrLinkParseFlag(lukshdrXMLChild(root, LUKSHDR_XML_HEADER), "shared",
                              &link->headerShared, error))
        return NULL;

    if (!lukshdrLinkParseLuks(root, link, error) || !lukshdrLinkParseSecret(root, link, error))
        return NULL;

    if (link->state == LUKSHDR_LINK_STATE_ACTIVE &&
        (lukshdrVolumeLocation(&link->payload) == LUKSHDR_LOCATION_NONE ||
         lukshdrVolumeLocation(&link->header) == LUKSHDR_LOCATION_NONE || !link->luksUUID ||
         !link->secretUUID)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("an active link needs to say where both volumes are, a LUKS UUID and "
                              "a secret"));
        return NULL;
    }

    return g_steal_pointer(&link);
}

lukshdrLink *
lukshdrLinkParse(const char *xml, gsize len, GError **error)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(xml, len, LUKSHDR_XML_LINK, error);

    return doc ? lukshdrLinkParseNode(xmlDocGetRootElement(doc), error) : NULL;
}

GPtrArray *
lukshdrLinkListParse(const char *xml, gsize len, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_LINK, NULL };
    g_autoptr(GPtrArray) links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(xml, len, NULL, error);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    bool list = root && xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_LINKS);
    xmlNode *node;

    if (!doc || (list && !lukshdrXMLOnlyChildren(root, children, error)))
        return NULL;

    if (!list && !xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_LINK)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("a link label cannot hold element '%s'"), root->name);
        return NULL;
    }

    for (node = list ? lukshdrXMLChild(root, NULL) : root; node;
         node = list ? lukshdrXMLNext(node, NULL) : NULL) {
        lukshdrLink *link = lukshdrLinkParseNode(node, error);

        if (!link)
            return NULL;
        g_ptr_array_add(links, link);
        if (lukshdrLinkListFind(links, link->uuid) != link) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                        _("a link label cannot hold link '%s' twice"), link->uuid);
            return NULL;
        }
    }

    if (links->len == 0) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("a link label cannot be without links"));
        return NULL;
    }
    return g_steal_pointer(&links);
}

lukshdrLink *
lukshdrLinkListFind(GPtrArray *links, const char *uuid)
{
    guint i;

    for (i = 0; i < links->len; i++) {
        lukshdrLink *link = g_ptr_array_index(links, i);

        if (g_str_equal(link->uuid, uuid))
            return link;
    }
    return NULL;
}

char *
lukshdrLinkForgetCommand(const lukshdrLink *link, bool withHeader)
{
    g_autofree char *payload = lukshdrTextShellName(link->payload.pool, link->payload.volume);
    g_autofree char *header = lukshdrTextShellName(link->header.pool, link->header.volume);

    return withHeader ? g_strdup_printf("virt-lukshdr forget %s %s", payload, header)
                      : g_strdup_printf("virt-lukshdr forget %s", payload);
}
