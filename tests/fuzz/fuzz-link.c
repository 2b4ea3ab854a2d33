/*
 * fuzz-link.c: any bytes as the text of a link
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>
#include <string.h>

#include "../../src/util/lukshdrlink.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrLink) link = lukshdrLinkParse((const char *)data, size, &error);
    g_autoptr(lukshdrLink) again = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;

    g_assert_true(!link == !!error);
    if (!link) {
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        return 0;
    }

    /* what is taken can be written and is then taken as the same */
    first = lukshdrLinkFormat(link);
    again = lukshdrLinkParse(first, strlen(first), &error);
    g_assert_no_error(error);
    second = lukshdrLinkFormat(again);
    g_assert_cmpstr(first, ==, second);
    return 0;
}
