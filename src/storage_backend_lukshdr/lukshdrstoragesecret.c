/*
 * lukshdrstoragesecret.c: the passphrase, from libvirt's secret driver
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "lukshdrerror.h"
#include "lukshdrlog.h"
#include "lukshdrstorage.h"

static virSecretPtr
lukshdrStorageSecretLookup(virConnectPtr conn, const char *uuid, const char *usage)
{
    if (uuid)
        return virSecretLookupByUUIDString(conn, uuid);
    return virSecretLookupByUsage(conn, VIR_SECRET_USAGE_TYPE_VOLUME, usage);
}

/* Runs with the elevated identity */
static lukshdrSecret *
lukshdrStorageSecretFetch(const char *uuid, const char *usage, char **foundUUID, GError **error)
{
    g_autoptr(virConnect) conn = lukshdrStorageState.abi.virGetConnectSecret();
    g_autoptr(virSecret) secret = NULL;
    char found[VIR_UUID_STRING_BUFLEN];
    lukshdrSecret *result;
    unsigned char *value;
    size_t len = 0;

    if (!conn || !(secret = lukshdrStorageSecretLookup(conn, uuid, usage)) ||
        virSecretGetUUIDString(secret, found) < 0) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    if (virSecretGetUsageType(secret) != VIR_SECRET_USAGE_TYPE_VOLUME) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    _("secret '%s' must have usage type 'volume' to open a volume"), found);
        return NULL;
    }

    if (!(value = virSecretGetValue(secret, &len, 0))) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    if (len == 0) {
        free(value);
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    _("secret '%s' has an empty value; set one with virsh secret-set-value"),
                    found);
        return NULL;
    }

    result = lukshdrSecretNew(value, len);
    gnutls_memset(value, 0, len);
    free(value);

    *foundUUID = g_strdup(found);
    return result;
}

lukshdrSecret *
lukshdrStorageSecretGet(const char *uuid, const char *usage, char **foundUUID, GError **error)
{
    const lukshdrABIStorage *abi = &lukshdrStorageState.abi;
    virIdentity *client = abi->virIdentityElevateCurrent();
    lukshdrSecret *secret;

    *foundUUID = NULL;

    if (!client) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    secret = lukshdrStorageSecretFetch(uuid, usage, foundUUID, error);

    lukshdrStorageBecomeClient(client);
    return secret;
}
