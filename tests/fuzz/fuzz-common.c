/*
 * fuzz-common.c: what the targets have in common
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "link/link.h"
#include "util/text.h"
#include "fuzz.h"

static const char fuzzLinkText[] =
    "<link state='active'><uuid>5a3d3a1c-6f0e-4b56-9d0c-3e3b7f5f2c11</uuid>"
    "<payload pool='images' volume='data.qcow2' format='qcow2'>"
    "<path>/var/lib/libvirt/images/data.qcow2</path></payload>"
    "<header pool='vault' volume='data.luks'>"
    "<path>/var/lib/libvirt/headers/data.luks</path></header>"
    "<luks uuid='0d1c8a55-7d2c-4a10-8c1d-9a4f5b6f7a33'/>"
    "<secret uuid='c4f0d4de-92f5-4f0e-8f25-6d1d5a0f3e77'/></link>";

static char *fuzzDirPath;

void
fuzzError(bool ok, const GError *error)
{
    g_autofree char *shown = NULL;
    const char *p;

    g_assert_true(ok == !error);
    if (ok)
        return;

    g_assert_true(*error->message != '\0' && g_utf8_validate(error->message, -1, NULL));
    shown = lukshdrTextShown(error->message);
    for (p = shown; *p; p = g_utf8_next_char(p))
        g_assert_false(g_unichar_iscntrl(g_utf8_get_char(p)));
}

static void
fuzzRemove(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        fuzzRemove(child);
    }
    g_remove(path);
}

static void
fuzzDirRemove(void)
{
    fuzzRemove(fuzzDirPath);
    g_clear_pointer(&fuzzDirPath, g_free);
}

const char *
fuzzDir(void)
{
    if (!fuzzDirPath) {
        const char *memory = "/dev/shm";

        fuzzDirPath = g_build_filename(g_access(memory, W_OK) == 0 ? memory : g_get_tmp_dir(),
                                       "lukshdr-fuzz-XXXXXX", NULL);
        g_assert_nonnull(g_mkdtemp(fuzzDirPath));
        atexit(fuzzDirRemove);
    }
    return fuzzDirPath;
}

void
fuzzStore(const char *path, const void *data, size_t size, bool digest)
{
    g_autoptr(GString) content = g_string_new_len(data, size);

    if (digest) {
        g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, size);

        g_string_append_printf(content, "<!-- sha256: %s -->\n", sum);
    }
    g_unlink(path);
    g_assert_true(g_file_set_contents_full(path, content->str, content->len,
                                           G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

lukshdrLink *
fuzzLink(void)
{
    lukshdrLink *link = lukshdrLinkParse(fuzzLinkText, strlen(fuzzLinkText), NULL);

    g_assert_nonnull(link);
    return link;
}
