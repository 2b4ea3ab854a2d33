/*
 * fuzz-main.c: runs a fuzzer's corpus once, where there is no libFuzzer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Arguments: files and directories of them.
 */

#include <glib.h>
#include <stdio.h>

#include "fuzz.h"

static unsigned int
fuzzFile(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *data = NULL;
    const char *name;
    unsigned int count = 0;
    gsize size;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        count += fuzzFile(child);
    }
    if (dir)
        return count;

    if (!g_file_get_contents(path, &data, &size, &error))
        g_error("%s", error->message);
    LLVMFuzzerTestOneInput((const uint8_t *)data, size);
    return 1;
}

int
main(int argc, char **argv)
{
    unsigned int count = 0;
    int i;

    for (i = 1; i < argc; i++)
        count += fuzzFile(argv[i]);
    printf("%u inputs\n", count);
    return count ? 0 : 1;
}
