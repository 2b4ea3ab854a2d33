/*
 * error.c: errors inside (GError) and at the API (libvirt errors)
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "error.h"

#include <gio/gio.h>


GQuark
lukshdrErrorQuark(void)
{
    return g_quark_from_static_string("lukshdr-error-quark");
}

GQuark
lukshdrStockErrorQuark(void)
{
    return g_quark_from_static_string("lukshdr-stock-error-quark");
}

int
lukshdrErrorCode(const GError *error)
{
    if (error->domain == LUKSHDR_ERROR || error->domain == LUKSHDR_STOCK_ERROR)
        return error->code;
    if (error->domain == G_FILE_ERROR || error->domain == G_IO_ERROR)
        return VIR_ERR_SYSTEM_ERROR;
    return VIR_ERR_INTERNAL_ERROR;
}

void
lukshdrErrorSetErrno(GError **error, int errnum, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_SYSTEM_ERROR, "%s: %s", what, g_strerror(errnum));
}
