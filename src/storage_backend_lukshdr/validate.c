/*
 * validate.c: validating XML, as --validate asks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "validate.h"

#include <libvirt/libvirt.h>
#include <string.h>

#include "util/schema.h"
#include "util/xml.h"

/* It is enough that one of our words occurs anywhere: our schemas allow all that stock's do */

bool
lukshdrStorageValidateVolume(const char *text, unsigned int flags, xmlDoc *ours, GError **error)
{
    if (!(flags & VIR_STORAGE_VOL_CREATE_VALIDATE) || (!ours && !strstr(text, LUKSHDR_XML_HEADER)))
        return true;

    return lukshdrSchemaValidate(LUKSHDR_SCHEMA_VOLUME, LUKSHDR_XML_VOLUME, text, error);
}

bool
lukshdrStorageValidatePool(const char *text, unsigned int flags, GError **error)
{
    if (!(flags & VIR_STORAGE_POOL_DEFINE_VALIDATE) ||
        (!strstr(text, LUKSHDR_XML_ENCRYPTION) && !strstr(text, LUKSHDR_XML_HEADERS)))
        return true;

    return lukshdrSchemaValidate(LUKSHDR_SCHEMA_POOL, LUKSHDR_XML_POOL, text, error);
}
