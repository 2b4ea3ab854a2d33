/*
 * fuzz-registry.c: any bytes as a file of the link registry
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * If the first byte is odd, the rest is followed by a proper digest line.
 */

#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>

#include "link/registry.h"
#include "fuzz.h"

#define FUZZ_UUID "5a3d3a1c-6f0e-4b56-9d0c-3e3b7f5f2c11"

static char *fuzzDir;
static char *fuzzPath;

static void
fuzzRemove(void)
{
    g_unlink(fuzzPath);
    g_rmdir(fuzzDir);
    g_clear_pointer(&fuzzPath, g_free);
    g_clear_pointer(&fuzzDir, g_free);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GString) content = g_string_new(NULL);
    g_autoptr(lukshdrRegistry) reg = NULL;
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GPtrArray) links = NULL;
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;

    if (!fuzzDir) {
        fuzzDir = g_dir_make_tmp("lukshdr-fuzz-XXXXXX", NULL);
        g_assert_nonnull(fuzzDir);
        fuzzPath = g_build_filename(fuzzDir, FUZZ_UUID ".xml", NULL);
        atexit(fuzzRemove);
    }
    if (size == 0)
        return 0;

    g_string_append_len(content, (const char *)data + 1, size - 1);
    if (*data & 1) {
        g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data + 1,
                                                              size - 1);

        g_string_append_printf(content, "<!-- sha256: %s -->\n", digest);
    }
    g_unlink(fuzzPath);
    g_assert_true(g_file_set_contents_full(fuzzPath, content->str, content->len,
                                           G_FILE_SET_CONTENTS_NONE, 0600, NULL));

    reg = lukshdrRegistryNew(fuzzDir);
    g_assert_true(lukshdrRegistryLoad(reg, &damaged, &error));
    g_assert_no_error(error);
    links = lukshdrRegistryList(reg, NULL);
    /* believed or reported, one of the two */
    g_assert_cmpuint(links->len + damaged->len, ==, 1);

    lukshdrRegistryFindPayload(reg, "/", &payload, NULL);
    g_clear_pointer(&payload, lukshdrLinkUnref);
    lukshdrRegistryFindPayload(reg, fuzzPath, &payload, &error);
    g_assert_true(!payload || !error);
    g_clear_error(&error);
    lukshdrRegistryFindHeader(reg, "/proc/self/exe", &header, NULL);
    g_clear_pointer(&header, lukshdrLinkUnref);
    g_clear_pointer(&payload, lukshdrLinkUnref);
    lukshdrRegistryLookup(reg, "images", "data.qcow2", &payload, &header, NULL);
    return 0;
}
