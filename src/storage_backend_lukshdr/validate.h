/*
 * validate.h: validating XML, as --validate asks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stock's schemas do not know our elements and refuse them.  So XML that has some is validated here
 * as the client sent it, by our schemas, which include stock's.  Stock then validates once more the
 * XML that we hand to it.  XML without our elements is validated by stock alone.
 */

#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

/**
 * lukshdrStorageValidateVolume:
 * @text: volume XML as a client sent it
 * @flags: as sent to vol-create or vol-create-from; validates with VIR_STORAGE_VOL_CREATE_VALIDATE
 * @ours: what is kept of the pool (lukshdrStoragePoolDefault), or NULL
 * @error: as lukshdrSchemaValidate
 *
 * Returns: true if nothing is wrong or nothing is to be validated here, or false with @error set.
 */
bool
lukshdrStorageValidateVolume(const char *text, unsigned int flags, xmlDoc *ours, GError **error);

/**
 * lukshdrStorageValidatePool:
 * @text: pool XML as a client sent it
 * @flags: as sent to pool-define; validates with VIR_STORAGE_POOL_DEFINE_VALIDATE. Not those of
 *         pool-create: libvirt has no such flag there, and the same bit means another
 * @error: as lukshdrSchemaValidate
 *
 * Returns: as lukshdrStorageValidateVolume.
 */
bool
lukshdrStorageValidatePool(const char *text, unsigned int flags, GError **error);
