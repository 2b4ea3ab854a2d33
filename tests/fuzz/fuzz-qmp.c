/*
 * fuzz-qmp.c: any bytes as what qemu-storage-daemon answers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "link/format-priv.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const lukshdrFormatParams params = { .cipherAlg = (char *)"aes-256", .iterTime = 10 };
    g_autoptr(GInputStream) out = g_memory_input_stream_new_from_data(data, (gssize)size, NULL);
    g_autoptr(GDataInputStream) lines = g_data_input_stream_new(out);
    g_autoptr(GOutputStream) in = g_memory_output_stream_new_resizable();
    g_autofree char *said = NULL;
    g_autoptr(GError) error = NULL;
    lukshdrFormatQMP qmp = { .in = in, .out = lines };
    bool ok = lukshdrFormatQMPSession(&qmp, -1, &params, &error);

    fuzzError(ok, error);
    g_assert_false(ok && qmp.refused);

    /* what is asked is the same whatever is answered, as far as it gets */
    said = g_strndup(g_memory_output_stream_get_data(G_MEMORY_OUTPUT_STREAM(in)),
                     g_memory_output_stream_get_data_size(G_MEMORY_OUTPUT_STREAM(in)));
    g_assert_true(g_str_has_prefix(said, "{\"execute\":\"qmp_capabilities\"}\n"));
    g_assert_true(!ok || g_str_has_suffix(said, "{\"execute\":\"quit\"}\n"));
    /* there are six commands, and each that succeeded was answered */
    g_assert_true(!ok || size >= 6 * strlen("{\"return\":1}"));
    return 0;
}
