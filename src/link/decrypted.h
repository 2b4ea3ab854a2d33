/*
 * decrypted.h: plain volumes that were made of linked ones
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A domain that is cloned into a plain pool (virt-clone, virt-manager) keeps the <encryption> of the
 * linked volume that its disk was, and does not start with it.  From a plain image alone nobody may
 * conclude that the <encryption> is to go: somebody else may have put the image there, in the place
 * of an encrypted one.  So this host remembers the plain volumes that it has made of linked ones: where
 * each is, which file or device it is, and with what secret the other was opened.
 */

#pragma once

#include "volume.h"

/**
 * lukshdrDecryptedStore:
 * @dir: directory of the records (lukshdrPathDecrypted)
 * @vol: a plain volume with a path, whose identity is known
 * @secret: UUID of the secret of the linked volume that it was made of
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrDecryptedStore(const char *dir,
                      const lukshdrVolume *vol,
                      const char *secret,
                      GError **error);

/**
 * lukshdrDecryptedForget:
 * @dir: as lukshdrDecryptedStore
 * @path: of a volume that is no more
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Returns: true, also if there was no record, or false with @error set.
 */
bool
lukshdrDecryptedForget(const char *dir, const char *path, GError **error);

/**
 * lukshdrDecryptedIs:
 * @dir: as lukshdrDecryptedStore
 * @path: a file or block device
 * @secret: UUID of a secret
 *
 * Returns: true only if it is certain that what stands at @path is a volume that was made here of a
 * linked one that @secret opens, and does not begin with a LUKS header by now.
 */
bool
lukshdrDecryptedIs(const char *dir, const char *path, const char *secret);
