/*
 * secrets.h: the passphrase, from libvirt's secret driver
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A generated secret belongs to one link, or to the links that share a header, and is
 * removed with it.  A link that would borrow the secret of another gets its own secret
 * with the same value.
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageSecretUserKey:
 * @kind: RBD or ISCSI
 * @uuid: UUID of a libvirt secret, of usage type ceph or iscsi
 * @error: VIR_ERR_NO_SECRET; VIR_ERR_INVALID_SECRET; stock's
 *
 * A lukshdrAuthSource.
 *
 * Returns: the key's bytes, freed with lukshdrSecretFree, or NULL with @error set.
 */
lukshdrSecret *
lukshdrStorageSecretUserKey(lukshdrLocationKind kind, const char *uuid, GError **error);

/**
 * lukshdrStorageSecretUserUUID:
 * @kind: RBD or ISCSI
 * @usage: usage of a libvirt secret of type ceph or iscsi
 * @error: VIR_ERR_NO_SECRET; stock's
 *
 * Returns: its UUID, to be freed with g_free, or NULL with @error set.
 */
char *
lukshdrStorageSecretUserUUID(lukshdrLocationKind kind, const char *usage, GError **error);

/**
 * lukshdrStorageSecretGenerate:
 * @link: a link whose payload has a place, and for which a secret UUID is set
 * @from: a passphrase to take the value of, or NULL
 * @error: stock's
 *
 * Makes, as the system, a private libvirt secret with that UUID and with @from's value or 256
 * random bits.  Its usage is of type volume.  As libvirt does, it names the payload by its path,
 * or, if the payload has none, by lukshdrVolumeWhere.  If an old secret still has that usage, the
 * UUID is added behind it.
 *
 * Returns: the passphrase, freed with lukshdrSecretFree, or NULL with @error set.
 */
lukshdrSecret *
lukshdrStorageSecretGenerate(const lukshdrLink *link, const lukshdrSecret *from, GError **error);

/**
 * lukshdrStorageSecretOwner:
 * @uuid: UUID of a secret, as libvirt writes it
 * @link: the link that wants to use it, or NULL
 * @owner: set to a link for which it was generated and whose header is not @link's (a reference),
 *         or to NULL
 * @error: of the registry
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSecretOwner(const char *uuid,
                          const lukshdrLink *link,
                          lukshdrLink **owner,
                          GError **error);

/**
 * lukshdrStorageSecretOwn:
 * @link: a link that is being made, with the secret that its client named
 * @error: of the registry
 *
 * If that secret belongs to another link, gives @link the UUID of a secret of its own, which must
 * still be generated (lukshdrLink.secretGenerated says so).
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSecretOwn(lukshdrLink *link, GError **error);

/**
 * lukshdrStorageSecretCheckStock:
 * @xmldesc: XML of a volume that stock is about to make
 * @error: VIR_ERR_OPERATION_INVALID, naming the linked volume that the secret belongs to; of the
 *         registry
 *
 * Nobody records which secret a volume with attached LUKS needs.  So this function refuses a secret
 * that is removed together with a linked volume.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSecretCheckStock(const char *xmldesc, GError **error);

/**
 * lukshdrStorageSecretRelease:
 * @link: a link with a generated secret; the link is being removed, or another secret opens it now;
 *        its payload still exists
 * @stays: whether the volume stays: then domains that have the volume count as well, since their
 *         saved states may name the secret
 * @error: stock's
 *
 * Removes the secret and its value, as the system; also a value that a crash of the daemon has left
 * without its secret.  If another link or a domain of this host names the secret, or if that is
 * uncertain, the secret stays.  The log then says why, and how to remove it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSecretRelease(const lukshdrLink *link, bool stays, GError **error);

/**
 * lukshdrStorageSecretGet:
 * @opens: the volume that it opens, or is to open; for messages
 * @uuid: UUID of a libvirt secret, or NULL
 * @usage: its usage, of type volume, if @uuid is NULL
 * @foundUUID: set to its UUID, freed with g_free
 * @error: VIR_ERR_NO_SECRET if there is none or it has no value, stock's otherwise
 *
 * Gets the passphrase, also that of a private secret, as libvirt's own storage driver
 * does for attached LUKS.  libvirt checks the client's rights to it.
 *
 * Returns: the passphrase, freed with lukshdrSecretFree, or NULL with @error set.
 */
lukshdrSecret *
lukshdrStorageSecretGet(const lukshdrVolume *opens,
                        const char *uuid,
                        const char *usage,
                        char **foundUUID,
                        GError **error);
