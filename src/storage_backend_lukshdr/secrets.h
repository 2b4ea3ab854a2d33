/*
 * secrets.h: the passphrase, from libvirt's secret driver
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A generated secret belongs to one link, or to those that share a header, and
 * goes with it.  What would borrow it gets its own of the same value.
 */

#pragma once

#include "storage.h"

/**
 * lukshdrStorageSecretCephKey:
 * @uuid: UUID of a libvirt secret of usage type ceph
 * @error: VIR_ERR_NO_SECRET; VIR_ERR_INVALID_SECRET; stock's
 *
 * A lukshdrRBDKeySource.
 *
 * Returns: the key's bytes, freed with lukshdrSecretFree, or NULL with @error set.
 */
lukshdrSecret *
lukshdrStorageSecretCephKey(const char *uuid, GError **error);

/**
 * lukshdrStorageSecretCephUUID:
 * @usage: usage of a libvirt secret of type ceph
 * @error: VIR_ERR_NO_SECRET; stock's
 *
 * Returns: its UUID, to be freed with g_free, or NULL with @error set.
 */
char *
lukshdrStorageSecretCephUUID(const char *usage, GError **error);

/**
 * lukshdrStorageSecretGenerate:
 * @link: a link whose payload has a place, and for which a secret UUID is set
 * @from: a passphrase to take the value of, or NULL
 * @error: stock's
 *
 * Makes a private libvirt secret of that UUID, with @from's value or 256 random bits, as the
 * system. Its usage, of type volume, is the payload's path, as libvirt itself names volumes there,
 * or lukshdrVolumeWhere of one without; with the UUID behind it where a secret that was left there
 * has that usage.
 *
 * Returns: the passphrase, freed with lukshdrSecretFree, or NULL with @error set.
 */
lukshdrSecret *
lukshdrStorageSecretGenerate(const lukshdrLink *link, const lukshdrSecret *from, GError **error);

/**
 * lukshdrStorageSecretOwner:
 * @uuid: UUID of a secret, as libvirt writes it
 * @link: whom it is for, or NULL
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
 * If that secret is another link's, gives @link the UUID of one of its own, which is yet to be
 * generated (lukshdrLink.secretGenerated says so).
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
 * Of a volume with attached LUKS nobody knows which secret it needs, so one that goes with a linked
 * volume is refused.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSecretCheckStock(const char *xmldesc, GError **error);

/**
 * lukshdrStorageSecretRelease:
 * @link: a link with its generated secret, that is going or is not opened with it any more; its
 *        payload is still there
 * @stays: whether the volume stays: then domains that have it count as well, as they may name the
 *         secret in what was saved of them
 * @error: stock's
 *
 * Removes the secret and its value, as the system, also a value that a crash of the daemon has left
 * without its secret.  Where another link or a domain of this host names it, or that is uncertain,
 * the secret stays, and the log says why and what removes it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageSecretRelease(const lukshdrLink *link, bool stays, GError **error);

/**
 * lukshdrStorageSecretGet:
 * @uuid: UUID of a libvirt secret, or NULL
 * @usage: its usage, of type volume, if @uuid is NULL
 * @foundUUID: set to its UUID, freed with g_free
 * @error: VIR_ERR_NO_SECRET if there is none or it has no value, stock's otherwise
 *
 * Gets the passphrase, of a private secret, too, as libvirt's own storage driver
 * does for attached LUKS; the client's rights to it are checked by libvirt.
 *
 * Returns: the passphrase, freed with lukshdrSecretFree, or NULL with @error set.
 */
lukshdrSecret *
lukshdrStorageSecretGet(const char *uuid, const char *usage, char **foundUUID, GError **error);
