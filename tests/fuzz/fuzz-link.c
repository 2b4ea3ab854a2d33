/*
 * fuzz-link.c: any bytes as the text of a link, or of a list of them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "link/link.h"
#include "util/text.h"
#include "fuzz.h"

/* Names and formats reach messages, and calls to libvirt and QEMU */
static void
fuzzNames(const lukshdrLink *link)
{
    const lukshdrVolume *vol;
    guint i;

    g_assert_true(lukshdrTextIsToken(link->format));
    g_assert_true(lukshdrTextIsName(link->payload.pool) && lukshdrTextIsName(link->payload.volume));
    for (i = 0; (vol = lukshdrLinkHeaderCopy(link, i)); i++) {
        g_assert_true(lukshdrTextIsName(vol->pool) && lukshdrTextIsName(vol->volume));
        g_assert_true(!vol->path || g_path_is_absolute(vol->path));
    }
}

/* What is taken can be written and is then taken as the same */
static void
fuzzList(const char *data, size_t size, const lukshdrLink *single)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) links = lukshdrLinkListParse(data, size, &error);
    g_autoptr(GPtrArray) again = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    guint i;

    fuzzError(links, error);
    if (!links) {
        /* a link is a list of one */
        g_assert_null(single);
        return;
    }

    g_assert_cmpuint(links->len, >, 0);
    for (i = 0; i < links->len; i++) {
        lukshdrLink *link = g_ptr_array_index(links, i);
        g_autoptr(lukshdrLink) copy = lukshdrLinkCopy(link);
        guint n;

        fuzzNames(link);
        g_assert_true(lukshdrLinkListFind(links, link->uuid) == link);
        for (n = 0; lukshdrLinkHeaderCopy(copy, n); n++)
            g_assert_nonnull(lukshdrLinkHeaderCopy(copy, n)->pool);
        g_assert_cmpuint(n, ==, link->replicas->len + 1);
    }

    first = lukshdrLinkListFormat(links);
    again = lukshdrLinkListParse(first, strlen(first), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again->len, ==, links->len);
    second = lukshdrLinkListFormat(again);
    g_assert_cmpstr(first, ==, second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrLink) link = lukshdrLinkParse((const char *)data, size, &error);
    g_autoptr(lukshdrLink) again = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;

    fuzzError(link, error);
    fuzzList((const char *)data, size, link);
    if (!link)
        return 0;

    /* what is taken can be written and is then taken as the same */
    first = lukshdrLinkFormat(link);
    again = lukshdrLinkParse(first, strlen(first), &error);
    g_assert_no_error(error);
    second = lukshdrLinkFormat(again);
    g_assert_cmpstr(first, ==, second);
    return 0;
}
