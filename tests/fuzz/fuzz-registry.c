/*
 * fuzz-registry.c: any bytes as a file of the link registry
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * If the first byte is odd, the rest is followed by a proper digest line.
 */

#include <glib/gstdio.h>

#include "link/registry.h"
#include "fuzz.h"

#define FUZZ_UUID "5a3d3a1c-6f0e-4b56-9d0c-3e3b7f5f2c11"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *dir = g_build_filename(fuzzDir(), "links", NULL);
    g_autofree char *path = g_build_filename(dir, FUZZ_UUID ".xml", NULL);
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GPtrArray) links = NULL;
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;
    /* one, since a registry follows its directory, and the kernel takes its time to forget who does */
    static lukshdrRegistry *reg;

    if (size == 0)
        return 0;
    g_mkdir(dir, 0700);
    fuzzStore(path, data + 1, size - 1, *data & 1);

    if (!reg)
        reg = lukshdrRegistryNew(dir);
    g_assert_true(lukshdrRegistryLoad(reg, &damaged, &error));
    g_assert_no_error(error);
    links = lukshdrRegistryList(reg, NULL);
    /* believed or reported, one of the two */
    g_assert_cmpuint(links->len + damaged->len, ==, 1);

    lukshdrRegistryFindPayload(reg, "/", &payload, NULL);
    g_clear_pointer(&payload, lukshdrLinkUnref);
    lukshdrRegistryFindPayload(reg, path, &payload, &error);
    g_assert_true(!payload || !error);
    g_clear_error(&error);
    lukshdrRegistryFindHeader(reg, "/proc/self/exe", &header, NULL);
    g_clear_pointer(&header, lukshdrLinkUnref);
    g_clear_pointer(&payload, lukshdrLinkUnref);
    lukshdrRegistryLookup(reg, "images", "data.qcow2", &payload, &header, NULL);

    /* what is believed can be written again */
    if (links->len) {
        g_assert_true(lukshdrRegistryStore(reg, g_ptr_array_index(links, 0), &error));
        g_assert_no_error(error);
    }
    return 0;
}
