/*
 * secrets.c: the passphrase, from libvirt's secret driver
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "secrets.h"

#include <glib/gi18n-lib.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "link/secret-use.h"
#include "util/error.h"
#include "util/log.h"
#include "util/text.h"
#include "util/xml.h"

/* The virSecretUsageType of the keys of users */
static int
lukshdrStorageSecretUserType(lukshdrLocationKind kind)
{
    return kind == LUKSHDR_LOCATION_ISCSI ? VIR_SECRET_USAGE_TYPE_ISCSI
                                          : VIR_SECRET_USAGE_TYPE_CEPH;
}

/* @type is a virSecretUsageType */
static virSecretPtr
lukshdrStorageSecretLookup(virConnectPtr conn, const char *uuid, const char *usage, int type)
{
    if (uuid)
        return virSecretLookupByUUIDString(conn, uuid);
    return virSecretLookupByUsage(conn, type, usage);
}

/* Runs with the elevated identity.  @type is a virSecretUsageType. */
static lukshdrSecret *
lukshdrStorageSecretFetch(const char *uuid,
                          const char *usage,
                          int type,
                          char **foundUUID,
                          GError **error)
{
    g_autoptr(virConnect) conn = lukshdrStorageState.abi.virGetConnectSecret();
    g_autoptr(virSecret) secret = NULL;
    char found[VIR_UUID_STRING_BUFLEN];
    lukshdrSecret *result;
    unsigned char *value;
    size_t len = 0;

    if (!conn || !(secret = lukshdrStorageSecretLookup(conn, uuid, usage, type)) ||
        virSecretGetUUIDString(secret, found) < 0) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    if (virSecretGetUsageType(secret) != type) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    type == VIR_SECRET_USAGE_TYPE_VOLUME
                        ? _("secret '%s' must have usage type 'volume' to open a volume")
                    : type == VIR_SECRET_USAGE_TYPE_ISCSI
                        ? _("secret '%s' must have usage type 'iscsi' to open an iSCSI target")
                        : _("secret '%s' must have usage type 'ceph' to be the key of a Ceph user"),
                    found);
        return NULL;
    }

    /* set already: who asked says in what words that it has no value */
    *foundUUID = g_strdup(found);
    if (!(value = virSecretGetValue(secret, &len, 0))) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    if (len == 0) {
        free(value);
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    _("secret '%1$s' has an empty value; give it one: virsh secret-set-value %1$s "
                      "--interactive"),
                    found);
        return NULL;
    }

    result = lukshdrSecretNew(value, len);
    gnutls_memset(value, 0, len);
    free(value);
    return result;
}

/* libvirt has one code for a secret that is not there and for one without a value, and says neither what it is for
 * nor what to do.  @found is its UUID, or NULL if it is not there. */
static void
lukshdrStorageSecretExplain(const lukshdrVolume *opens,
                            const char *named,
                            const char *found,
                            GError **error)
{
    g_clear_error(error);
    if (found)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SECRET,
                    _("secret '%1$s' of volume '%2$s' of pool '%3$s' has no value; give "
                      "it the passphrase: virsh secret-set-value %1$s --interactive"),
                    found, opens->volume, opens->pool);
    else
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SECRET,
                    _("there is no secret '%1$s' for volume '%2$s' of pool '%3$s'; define "
                      "it (virsh secret-define) and give it the passphrase (virsh "
                      "secret-set-value)"),
                    named, opens->volume, opens->pool);
}

lukshdrSecret *
lukshdrStorageSecretGet(const lukshdrVolume *opens,
                        const char *uuid,
                        const char *usage,
                        char **foundUUID,
                        GError **error)
{
    const lukshdrABIStorage *abi = &lukshdrStorageState.abi;
    virIdentity *client = abi->virIdentityElevateCurrent();
    g_autofree char *found = NULL;
    g_autoptr(GError) local = NULL;
    lukshdrSecret *secret;

    *foundUUID = NULL;

    if (!client) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    secret = lukshdrStorageSecretFetch(uuid, usage, VIR_SECRET_USAGE_TYPE_VOLUME, &found, &local);

    lukshdrStorageBecomeClient(client);
    if (secret) {
        *foundUUID = g_steal_pointer(&found);
    } else {
        if (g_error_matches(local, LUKSHDR_STOCK_ERROR, VIR_ERR_NO_SECRET))
            lukshdrStorageSecretExplain(opens, uuid ? uuid : usage, found, &local);
        g_propagate_error(error, g_steal_pointer(&local));
    }
    return secret;
}

lukshdrSecret *
lukshdrStorageSecretUserKey(lukshdrLocationKind kind, const char *uuid, GError **error)
{
    virIdentity *client = lukshdrStorageState.abi.virIdentityElevateCurrent();
    g_autofree char *found = NULL;
    lukshdrSecret *secret;

    if (!client) {
        lukshdrErrorFromLast(error);
        return NULL;
    }
    secret = lukshdrStorageSecretFetch(uuid, NULL, lukshdrStorageSecretUserType(kind), &found,
                                       error);
    lukshdrStorageBecomeClient(client);
    return secret;
}

/* The UUID of a secret as libvirt writes it, or NULL with @error set.  Asks as the system: that the client may
 * not read the secret is for stock to say. */
static char *
lukshdrStorageSecretFindUUID(const char *uuid, const char *usage, int type, GError **error)
{
    virIdentity *client = lukshdrStorageBecomeSystem();
    g_autoptr(virConnect) conn = lukshdrStorageState.abi.virGetConnectSecret();
    g_autoptr(virSecret) secret = conn ? lukshdrStorageSecretLookup(conn, uuid, usage, type) : NULL;
    char found[VIR_UUID_STRING_BUFLEN];
    bool ok = secret && virSecretGetUUIDString(secret, found) == 0;

    if (!ok)
        lukshdrErrorFromLast(error);
    virResetLastError();
    lukshdrStorageBecomeClient(client);
    return ok ? g_strdup(found) : NULL;
}

char *
lukshdrStorageSecretUserUUID(lukshdrLocationKind kind, const char *usage, GError **error)
{
    return lukshdrStorageSecretFindUUID(NULL, usage, lukshdrStorageSecretUserType(kind), error);
}

/* @usage may be NULL: then the secret has no usage */
static char *
lukshdrStorageSecretXML(const char *uuid, const char *usage)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_SECRET, NULL);

    xmlDocSetRootElement(doc, root);
    lukshdrXMLSetAttribute(root, "ephemeral", "no");
    lukshdrXMLSetAttribute(root, "private", "yes");
    lukshdrXMLAddChild(root, LUKSHDR_XML_UUID, uuid);
    if (usage) {
        g_autofree char *description = g_strdup_printf(
            _("Generated by libvirt-lukshdr for volume '%s'"), usage);
        xmlNode *node;

        lukshdrXMLAddChild(root, "description", description);
        node = lukshdrXMLAddChild(root, "usage", NULL);
        lukshdrXMLSetAttribute(node, "type", "volume");
        lukshdrXMLAddChild(node, LUKSHDR_XML_VOLUME, usage);
    }

    return lukshdrXMLFormat(root);
}

/* The usage of a secret for @link's payload: no two secrets may have the same.  libvirt's documents
 * have people give the path of a volume as the usage of its secret. */
static char *
lukshdrStorageSecretUsage(virConnectPtr conn, const lukshdrLink *link)
{
    g_autofree char *path = lukshdrVolumeWhere(&link->payload);
    g_autoptr(virSecret) taken = virSecretLookupByUsage(conn, VIR_SECRET_USAGE_TYPE_VOLUME, path);
    char found[VIR_UUID_STRING_BUFLEN];

    if (taken && virSecretGetUUIDString(taken, found) == 0 &&
        !lukshdrTextSameUUID(found, link->secretUUID)) {
        LUKSHDR_LOG_WARN(
            _("Linked volume '%1$s' of pool '%2$s' is opened with a generated secret, not with "
              "secret '%3$s', although that has the volume's path as its usage: a secret is used if the "
              "volume's XML names it, with <secret type='passphrase' usage='%4$s'/>"),
            link->payload.volume, link->payload.pool, found, path);
        return g_strdup_printf("%s (%s)", path, link->secretUUID);
    }
    virResetLastError();
    return g_steal_pointer(&path);
}

lukshdrSecret *
lukshdrStorageSecretGenerate(const lukshdrLink *link, const lukshdrSecret *from, GError **error)
{
    g_autoptr(lukshdrSecret)
        value = from ? lukshdrSecretNew(lukshdrSecretData(from), lukshdrSecretLength(from))
                     : lukshdrSecretGenerate(error);
    g_autofree char *usage = NULL;
    g_autofree char *xml = NULL;
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(virSecret) secret = NULL;
    virIdentity *client;
    bool ok = false;

    if (!value)
        return NULL;

    client = lukshdrStorageBecomeSystem();
    if ((conn = lukshdrStorageState.abi.virGetConnectSecret())) {
        usage = lukshdrStorageSecretUsage(conn, link);
        xml = lukshdrStorageSecretXML(link->secretUUID, usage);
        ok = (secret = virSecretDefineXML(conn, xml, 0)) &&
             virSecretSetValue(secret, lukshdrSecretData(value), lukshdrSecretLength(value), 0) ==
                 0;
    }
    if (!ok)
        lukshdrErrorFromLast(error);
    lukshdrStorageBecomeClient(client);

    return ok ? g_steal_pointer(&value) : NULL;
}

bool
lukshdrStorageSecretOwner(const char *uuid,
                          const lukshdrLink *link,
                          lukshdrLink **owner,
                          GError **error)
{
    g_autoptr(GPtrArray)
        links = lukshdrRegistryListSecret(lukshdrStorageState.registry, uuid, error);
    guint i;

    *owner = NULL;
    if (!links)
        return false;

    for (i = 0; i < links->len; i++) {
        lukshdrLink *other = g_ptr_array_index(links, i);

        if (!other->secretGenerated ||
            (link && (g_str_equal(other->uuid, link->uuid) ||
                      lukshdrVolumeIsSamePlace(&other->header, &link->header))))
            continue;
        *owner = lukshdrLinkRef(other);
        break;
    }
    return true;
}

bool
lukshdrStorageSecretOwn(lukshdrLink *link, GError **error)
{
    g_autoptr(lukshdrLink) owner = NULL;

    if (!lukshdrStorageSecretOwner(link->secretUUID, link, &owner, error))
        return false;

    if (owner) {
        g_free(link->secretUUID);
        link->secretUUID = g_uuid_string_random();
        link->secretGenerated = true;
    }
    return true;
}

bool
lukshdrStorageSecretCheckStock(const char *xmldesc, GError **error)
{
    /* text that is not XML is left to stock */
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(xmldesc, strlen(xmldesc), LUKSHDR_XML_VOLUME, NULL);
    xmlNode *target = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET) : NULL;
    xmlNode *encryption = target ? lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION) : NULL;
    xmlNode *node = encryption ? lukshdrXMLChild(encryption, LUKSHDR_XML_SECRET) : NULL;

    for (; node; node = lukshdrXMLNext(node, LUKSHDR_XML_SECRET)) {
        g_autofree char *uuid = lukshdrXMLAttribute(node, LUKSHDR_XML_UUID);
        g_autofree char *usage = lukshdrXMLAttribute(node, "usage");
        g_autofree char *found = uuid || usage
                                     ? lukshdrStorageSecretFindUUID(
                                           uuid, usage, VIR_SECRET_USAGE_TYPE_VOLUME, NULL)
                                     : NULL;
        g_autoptr(lukshdrLink) owner = NULL;

        if (!found)
            continue;
        if (!lukshdrStorageSecretOwner(found, NULL, &owner, error))
            return false;
        if (owner) {
            g_set_error(
                error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("secret '%s' was generated for linked volume '%s' of pool '%s' and is "
                  "deleted with it; define a secret for this volume (virsh secret-define) and name "
                  "that one"),
                found, owner->payload.volume, owner->payload.pool);
            return false;
        }
    }
    return true;
}

/* The secret driver removes a secret's XML first, then the file with the value.  If it is killed in
 * between, the value stays and the driver no longer knows the secret.  So this function defines the
 * secret again: the driver then owns both files and can remove both.  The secret gets no usage, so
 * it is in nobody's way. */
static virSecretPtr
lukshdrStorageSecretClaim(virConnectPtr conn, const char *uuid)
{
    g_autofree char *xml = lukshdrStorageSecretXML(uuid, NULL);

    return virSecretDefineXML(conn, xml, 0);
}

/* Removes the secret; it is no error if there is none */
static bool
lukshdrStorageSecretRemove(const char *uuid, GError **error)
{
    virIdentity *client = lukshdrStorageBecomeSystem();
    g_autoptr(virConnect) conn = lukshdrStorageState.abi.virGetConnectSecret();
    g_autoptr(virSecret) secret = conn ? virSecretLookupByUUIDString(conn, uuid) : NULL;
    bool ok;

    if (conn && !secret && virGetLastErrorCode() == VIR_ERR_NO_SECRET)
        secret = lukshdrStorageSecretClaim(conn, uuid);
    if (!(ok = secret && virSecretUndefine(secret) == 0))
        lukshdrErrorFromLast(error);
    lukshdrStorageBecomeClient(client);
    return ok;
}

/* Returns why the generated secret of @link must stay, or NULL if nothing else needs it */
static char *
lukshdrStorageSecretWhyKeep(const lukshdrLink *link, bool stays)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GPtrArray) links = NULL;
    g_autofree char *where = lukshdrVolumeWhere(&link->payload);
    g_autofree char *user = NULL;
    guint i;

    if (!lukshdrRegistryLoad(state->registry, &damaged, &error) ||
        !(links = lukshdrRegistryListSecret(state->registry, link->secretUUID, &error)) ||
        !lukshdrSecretUseFind(state->privileged, link->secretUUID, where,
                              stays ? NULL : &link->payload, stays ? NULL : state->registry, &user,
                              &error))
        return g_strdup_printf(_("it is uncertain whether something else needs it: %s"),
                               error->message);

    for (i = 0; i < links->len; i++) {
        const lukshdrLink *other = g_ptr_array_index(links, i);

        if (!g_str_equal(other->uuid, link->uuid))
            return g_strdup_printf(_("linked volume '%s' of pool '%s' is opened with it"),
                                   other->payload.volume, other->payload.pool);
    }

    if (damaged->len > 0)
        return g_strdup_printf(_("it is uncertain whether something else needs it: %s"),
                               (const char *)g_ptr_array_index(damaged, 0));
    return user ? g_strdup_printf(_("'%s' names it"), user) : NULL;
}

bool
lukshdrStorageSecretRelease(const lukshdrLink *link, bool stays, GError **error)
{
    g_autofree char *why = lukshdrStorageSecretWhyKeep(link, stays);

    if (!why)
        return lukshdrStorageSecretRemove(link->secretUUID, error);

    LUKSHDR_LOG_WARN(
        _("Secret '%s', generated for volume '%s' of pool '%s', stays although the "
          "volume needs it no more: %s; when nothing needs it any more, remove it with virsh "
          "secret-undefine"),
        link->secretUUID, link->payload.volume, link->payload.pool, why);
    return true;
}
