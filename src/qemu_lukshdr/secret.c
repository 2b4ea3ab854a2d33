/*
 * secret.c: what libvirt's secret driver says of the secrets that domains name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "secret.h"

#include <glib-object.h>

#include "qemu.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSecret, virSecretFree)

/* Asks for the one or the other.  Sets @missing if there certainly is none. */
static char *
lukshdrQemuSecretAsk(const char *uuid, const char *usage, bool *missing)
{
    g_autoptr(virConnect) conn = lukshdrQemu.libvirt.virGetConnectSecret();
    g_autoptr(virSecret) secret = NULL;
    char found[VIR_UUID_STRING_BUFLEN];

    if (!conn)
        return NULL;
    secret = uuid ? virSecretLookupByUUIDString(conn, uuid)
                  : virSecretLookupByUsage(conn, VIR_SECRET_USAGE_TYPE_VOLUME, usage);
    if (!secret) {
        *missing = virGetLastErrorCode() == VIR_ERR_NO_SECRET;
        return NULL;
    }
    return virSecretGetUUIDString(secret, found) < 0 ? NULL : g_strdup(found);
}

/* The same as the system */
static char *
lukshdrQemuSecretAskAsSystem(const char *uuid, const char *usage, bool *missing)
{
    const lukshdrABIQemu *abi = &lukshdrQemu.libvirt;
    virErrorPtr saved = lukshdrQemuErrorSave();
    g_autoptr(GObject) client = (GObject *)abi->virIdentityGetCurrent();
    g_autoptr(GObject) system = (GObject *)abi->virIdentityGetSystem();
    char *found = NULL;

    *missing = false;
    if (system && abi->virIdentitySetCurrent((virIdentity *)system) == 0) {
        found = lukshdrQemuSecretAsk(uuid, usage, missing);
        /* a thread that went on as the system would lend its rights to the client */
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

    return lukshdrQemuSecretAskAsSystem(NULL, usage, &missing);
}

bool
lukshdrQemuSecretExists(const char *uuid)
{
    bool missing;
    g_autofree char *found = lukshdrQemuSecretAskAsSystem(uuid, NULL, &missing);

    return found || !missing;
}
