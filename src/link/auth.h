/*
 * auth.h: with what a cluster or a target is opened
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "volume.h"
#include "util/secret.h"

/**
 * lukshdrAuthSource:
 * @kind: RBD or ISCSI, which decides what usage type the secret must have: ceph or iscsi
 * @uuid: UUID of a libvirt secret
 * @error: VIR_ERR_NO_SECRET; VIR_ERR_INVALID_SECRET; of whoever keeps the secrets
 *
 * How the process that this code runs in gets a user's key, as the system.
 *
 * Returns: the key's bytes, to be freed with lukshdrSecretFree, or NULL with @error set.
 */
typedef lukshdrSecret *(*lukshdrAuthSource)(lukshdrLocationKind kind,
                                            const char *uuid,
                                            GError **error);

/**
 * lukshdrAuthSetSource:
 * @source: asked for keys from now on
 *
 * Called once, before there are other threads.
 */
void
lukshdrAuthSetSource(lukshdrAuthSource source);

/**
 * lukshdrAuthGet:
 * @remote: where a volume is
 * @key: set to the key of its user, to be freed with lukshdrSecretFree; to NULL if it has none
 * @error: VIR_ERR_OPERATION_UNSUPPORTED where there is no source; of the source
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrAuthGet(const lukshdrRemote *remote, lukshdrSecret **key, GError **error);
