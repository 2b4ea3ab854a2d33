/*
 * secret.c: what libvirt's secret driver says of the secrets that domains name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "secret.h"

#include <glib-object.h>
#include <glib/gi18n-lib.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "util/error.h"
#include "util/log.h"
#include "qemu.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSecret, virSecretFree)

/* Asks for the secret by @uuid, or by @type and @usage if @uuid is NULL.  Sets @missing if it is
 * certain that there is none. */
static char *
lukshdrQemuSecretAsk(const char *uuid, int type, const char *usage, bool *missing)
{
    g_autoptr(virConnect) conn = lukshdrQemu.libvirt.virGetConnectSecret();
    g_autoptr(virSecret) secret = NULL;
    char found[VIR_UUID_STRING_BUFLEN];

    if (!conn)
        return NULL;
    secret = uuid ? virSecretLookupByUUIDString(conn, uuid)
                  : virSecretLookupByUsage(conn, type, usage);
    if (!secret) {
        *missing = virGetLastErrorCode() == VIR_ERR_NO_SECRET;
        return NULL;
    }
    return virSecretGetUUIDString(secret, found) < 0 ? NULL : g_strdup(found);
}

/* As lukshdrQemuSecretAsk, but asks as the system, not as the client */
static char *
lukshdrQemuSecretAskAsSystem(const char *uuid, int type, const char *usage, bool *missing)
{
    const lukshdrABIQemu *abi = &lukshdrQemu.libvirt;
    virErrorPtr saved = lukshdrQemuErrorSave();
    g_autoptr(GObject) client = (GObject *)abi->virIdentityGetCurrent();
    g_autoptr(GObject) system = (GObject *)abi->virIdentityGetSystem();
    char *found = NULL;

    *missing = false;
    if (system && abi->virIdentitySetCurrent((virIdentity *)system) == 0) {
        found = lukshdrQemuSecretAsk(uuid, type, usage, missing);
        /* if this thread went on as the system, it would lend those rights to the client */
        if (abi->virIdentitySetCurrent((virIdentity *)client) < 0)
            g_error("Unable to return to the client's identity");
    }
    lukshdrQemuErrorRestore(saved);
    return found;
}

char *
lukshdrQemuSecretByUsage(const char *usage)
{
    bool missing;

    return lukshdrQemuSecretAskAsSystem(NULL, VIR_SECRET_USAGE_TYPE_VOLUME, usage, &missing);
}

/* The virSecretUsageType of the keys of users */
static int
lukshdrQemuSecretUserType(lukshdrLocationKind kind)
{
    return kind == LUKSHDR_LOCATION_ISCSI ? VIR_SECRET_USAGE_TYPE_ISCSI
                                          : VIR_SECRET_USAGE_TYPE_CEPH;
}

char *
lukshdrQemuSecretUserByUsage(lukshdrLocationKind kind, const char *usage)
{
    bool missing;

    return lukshdrQemuSecretAskAsSystem(NULL, lukshdrQemuSecretUserType(kind), usage, &missing);
}

/* Runs with the elevated identity, which may read the value of a private secret */
static lukshdrSecret *
lukshdrQemuSecretFetchKey(int type, const char *uuid, GError **error)
{
    g_autoptr(virConnect) conn = lukshdrQemu.libvirt.virGetConnectSecret();
    g_autoptr(virSecret) secret = conn ? virSecretLookupByUUIDString(conn, uuid) : NULL;
    unsigned char *value = NULL;
    lukshdrSecret *key;
    size_t len = 0;

    if (secret && virSecretGetUsageType(secret) != type) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    type == VIR_SECRET_USAGE_TYPE_VOLUME
                        ? _("secret '%s' must have usage type 'volume' to encrypt a disk")
                    : type == VIR_SECRET_USAGE_TYPE_ISCSI
                        ? _("secret '%s' must have usage type 'iscsi' to open an iSCSI target")
                        : _("secret '%s' must have usage type 'ceph' to be the key of a Ceph user"),
                    uuid);
        return NULL;
    }
    if (!secret || !(value = virSecretGetValue(secret, &len, 0))) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    key = lukshdrSecretNew(value, len);
    gnutls_memset(value, 0, len);
    free(value);
    return key;
}

static lukshdrSecret *
lukshdrQemuSecretKey(int type, const char *uuid, GError **error)
{
    const lukshdrABIQemu *abi = &lukshdrQemu.libvirt;
    virErrorPtr saved = lukshdrQemuErrorSave();
    g_autoptr(GObject) client = (GObject *)abi->virIdentityElevateCurrent();
    lukshdrSecret *key = NULL;

    if (client) {
        key = lukshdrQemuSecretFetchKey(type, uuid, error);
        /* if this thread went on with that identity, it would lend those rights to the client */
        if (abi->virIdentitySetCurrent((virIdentity *)client) < 0)
            g_error("Unable to return to the client's identity");
    } else {
        lukshdrErrorFromLast(error);
    }
    lukshdrQemuErrorRestore(saved);
    return key;
}

lukshdrSecret *
lukshdrQemuSecretUserKey(lukshdrLocationKind kind, const char *uuid, GError **error)
{
    return lukshdrQemuSecretKey(lukshdrQemuSecretUserType(kind), uuid, error);
}

lukshdrSecret *
lukshdrQemuSecretPassphrase(const char *uuid, GError **error)
{
    return lukshdrQemuSecretKey(VIR_SECRET_USAGE_TYPE_VOLUME, uuid, error);
}

bool
lukshdrQemuSecretExists(const char *uuid)
{
    bool missing;
    g_autofree char *found = lukshdrQemuSecretAskAsSystem(uuid, VIR_SECRET_USAGE_TYPE_VOLUME, NULL,
                                                          &missing);

    return found || !missing;
}
