/*
 * secret.h: what libvirt's secret driver says of the secrets that domains name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * These functions ask for names of secrets, and for the values of keys of users of Ceph clusters and iSCSI targets,
 * and of overlays that are about to be made.  They ask as the system: if the answer depended on the client, a client could turn "may not see it"
 * into "there is none".  They leave no trace in the thread's libvirt error.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

#include "link/volume.h"
#include "util/secret.h"

/**
 * lukshdrQemuSecretByUsage:
 * @usage: usage of a secret of type 'volume'
 *
 * Returns: its UUID, freed with g_free; NULL if there is no such secret, or the driver cannot be
 * asked.
 */
char *
lukshdrQemuSecretByUsage(const char *usage);

/**
 * lukshdrQemuSecretUserByUsage:
 * @kind: RBD or ISCSI
 * @usage: usage of a secret of type 'ceph' or 'iscsi'
 *
 * Returns: as lukshdrQemuSecretByUsage.
 */
char *
lukshdrQemuSecretUserByUsage(lukshdrLocationKind kind, const char *usage);

/**
 * lukshdrQemuSecretUserKey:
 * @kind: RBD or ISCSI
 * @uuid: UUID of a secret of type 'ceph' or 'iscsi'
 * @error: VIR_ERR_NO_SECRET; VIR_ERR_INVALID_SECRET; the secret driver's
 *
 * A lukshdrAuthSource.
 *
 * Returns: the key's bytes, freed with lukshdrSecretFree, or NULL with @error set.
 */
lukshdrSecret *
lukshdrQemuSecretUserKey(lukshdrLocationKind kind, const char *uuid, GError **error);

/**
 * lukshdrQemuSecretPassphrase:
 * @uuid: UUID of a secret of type 'volume'
 * @error: as lukshdrQemuSecretUserKey
 *
 * As libvirt does when a domain gets a disk: the client names the secret, and needs no right to its value.
 *
 * Returns: the passphrase, freed with lukshdrSecretFree, or NULL with @error set.
 */
lukshdrSecret *
lukshdrQemuSecretPassphrase(const char *uuid, GError **error);

/**
 * lukshdrQemuSecretExists:
 * @uuid: UUID of a secret
 *
 * Returns: false if there is no such secret; true also if the driver cannot be asked.
 */
bool
lukshdrQemuSecretExists(const char *uuid);
