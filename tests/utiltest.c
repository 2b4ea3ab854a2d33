/*
 * utiltest.c: what the tests of src/util have in common
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "utiltest.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "util/error.h"
#include "link/label.h"
#include "util/schema.h"

static char *utilTestDirectory;
static pid_t utilTestOwner;

void
utilTestClear(const char *path)
{
    g_autoptr(GDir) dir = NULL;
    const char *name;

    if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK) && g_file_test(path, G_FILE_TEST_IS_DIR)) {
        g_chmod(path, 0700);
        dir = g_dir_open(path, 0, NULL);
    }
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        utilTestClear(child);
    }
    g_remove(path);
}

static void
utilTestRemove(void)
{
    if (getpid() == utilTestOwner)
        utilTestClear(utilTestDirectory);
    g_clear_pointer(&utilTestDirectory, g_free);
}

const char *
utilTestDir(void)
{
    if (!utilTestDirectory) {
        g_autoptr(GError) error = NULL;
        g_autofree char *dir = g_dir_make_tmp("lukshdr-test-XXXXXX", &error);

        g_assert_no_error(error);
        /* what the registry finds by realpath must be what the test says */
        utilTestDirectory = realpath(dir, NULL);
        g_assert_nonnull(utilTestDirectory);
        utilTestOwner = getpid();
        atexit(utilTestRemove);
    }
    return utilTestDirectory;
}

char *
utilTestPath(const char *name)
{
    return g_build_filename(utilTestDir(), name, NULL);
}

void
utilTestWrite(const char *path, const char *data, gssize len)
{
    /* in place, unlike g_file_set_contents: no new inode if there is a file */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    gssize bytes = len < 0 ? (gssize)strlen(data) : len;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, data, bytes), ==, bytes);
    g_assert_cmpint(close(fd), ==, 0);
}

static void
utilTestVolume(lukshdrVolume *vol, const char *pool, const char *path)
{
    vol->pool = g_strdup(pool);
    vol->volume = path ? g_path_get_basename(path) : g_strdup("nowhere");
    vol->path = g_strdup(path);
    if (path && g_file_test(path, G_FILE_TEST_EXISTS))
        g_assert_true(lukshdrIdentityFromPath(path, &vol->identity, NULL));
}

lukshdrLink *
utilTestLink(const char *payload, const char *header)
{
    lukshdrLink *link = lukshdrLinkNew();

    g_free(link->uuid);
    link->uuid = g_strdup(UTIL_TEST_UUID);
    link->state = LUKSHDR_LINK_STATE_ACTIVE;
    utilTestVolume(&link->payload, "images", payload);
    utilTestVolume(&link->header, "vault", header);
    link->format = g_strdup("qcow2");
    link->luksUUID = g_strdup(UTIL_TEST_LUKS_UUID);
    link->secretUUID = g_strdup(UTIL_TEST_SECRET_UUID);
    return link;
}

static char *
utilTestFile(const char *dir, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);

    return g_test_build_filename(G_TEST_DIST, dir, file, NULL);
}

char *
utilTestLoad(const char *dir, const char *name, const char *suffix)
{
    g_autofree char *path = utilTestFile(dir, name, suffix);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

void
utilTestGolden(const char *dir, const char *name, const char *suffix, const char *text)
{
    g_autofree char *path = utilTestFile(dir, name, suffix);
    g_autofree char *expected = utilTestLoad(dir, name, suffix);

    if (g_strcmp0(g_getenv("LUKSHDR_TEST_REGENERATE"), "1") == 0) {
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        return;
    }
    g_assert_cmpstr(text, ==, expected);
}

void
utilTestCases(const char *dir, const char *const *suffixes, const char *prefix, GTestDataFunc func)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, dir, NULL);
    g_autoptr(GDir) files = g_dir_open(path, 0, &error);
    g_autoptr(GList) sorted = NULL;
    const char *file;
    GList *item;

    g_assert_no_error(error);
    while ((file = g_dir_read_name(files))) {
        size_t i;

        for (i = 0; suffixes[i] && !g_str_has_suffix(file, suffixes[i]); i++)
            continue;
        if (!suffixes[i])
            g_error("no case has a file '%s'", file);
        g_hash_table_add(names, g_strndup(file, strlen(file) - strlen(suffixes[i])));
    }
    g_assert_cmpuint(g_hash_table_size(names), >, 0);

    sorted = g_list_sort(g_hash_table_get_keys(names), (GCompareFunc)strcmp);
    for (item = sorted; item; item = item->next) {
        g_autofree char *test = g_strconcat(prefix, item->data, NULL);

        g_test_add_data_func_full(test, g_strdup(item->data), func, g_free);
    }
}

void
utilTestError(const GError *error, const char *expected)
{
    static const struct {
        const char *name;
        int code;
    } codes[] = {
        { "CONFIG_UNSUPPORTED ", VIR_ERR_CONFIG_UNSUPPORTED },
        { "INTERNAL_ERROR ", VIR_ERR_INTERNAL_ERROR },
        { "INVALID_SECRET ", VIR_ERR_INVALID_SECRET },
        { "OPERATION_DENIED ", VIR_ERR_OPERATION_DENIED },
        { "OPERATION_FAILED ", VIR_ERR_OPERATION_FAILED },
        { "OPERATION_INVALID ", VIR_ERR_OPERATION_INVALID },
        { "OPERATION_TIMEOUT ", VIR_ERR_OPERATION_TIMEOUT },
        { "OPERATION_UNSUPPORTED ", VIR_ERR_OPERATION_UNSUPPORTED },
        { "NO_STORAGE_VOL ", VIR_ERR_NO_STORAGE_VOL },
        { "SYSTEM_ERROR ", VIR_ERR_SYSTEM_ERROR },
        { "XML_ERROR ", VIR_ERR_XML_ERROR },
        { "XML_INVALID_SCHEMA ", VIR_ERR_XML_INVALID_SCHEMA },
    };
    g_autofree char *line = g_strchomp(g_strdup(expected));
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(codes); i++) {
        const char *fragment;

        if (!g_str_has_prefix(line, codes[i].name))
            continue;
        fragment = line + strlen(codes[i].name);
        if (!error)
            g_error("no error where '%s' was expected", line);
        g_assert_cmpstr(fragment, !=, "");
        if (!strstr(error->message, fragment))
            g_error("'%s' is not in '%s'", fragment, error->message);
        if (lukshdrErrorCode(error) != codes[i].code)
            g_error("'%s' has the code %d", error->message, lukshdrErrorCode(error));
        return;
    }
    g_error("unknown code in '%s'", line);
}

char *
utilTestPhdr(const char *name)
{
    g_autofree char *path = utilTestFile("golden", name, ".phdr");
    g_autoptr(GError) error = NULL;
    char *data;
    gsize len;

    g_assert_true(g_file_get_contents(path, &data, &len, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(len, ==, UTIL_TEST_PHDR_LEN);
    return data;
}

void
utilTestKeySlots(char *phdr, guint32 keyBytes, guint32 sector, guint32 sectors, guint32 stripes)
{
    guint32 numbers[2] = { GUINT32_TO_BE(keyBytes), GUINT32_TO_BE(stripes) };
    size_t slot;

    memcpy(phdr + 108, &numbers[0], 4);
    for (slot = 0; slot < 8; slot++) {
        guint32 start = GUINT32_TO_BE(sector + (guint32)slot * sectors);

        memcpy(phdr + 208 + slot * 48 + 40, &start, 4);
        memcpy(phdr + 208 + slot * 48 + 44, &numbers[1], 4);
    }
}

void
utilTestHeader(const char *path, const char *phdr, gsize end, int seed, GPtrArray *links)
{
    g_autofree char *data = g_malloc(end);
    g_autofree char *digest = NULL;
    g_autoptr(GError) error = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    gsize at;
    guint i;

    memcpy(data, phdr, UTIL_TEST_PHDR_LEN);
    for (at = UTIL_TEST_PHDR_LEN; at < end; at++)
        data[at] = (char)(at * 31 + at / 251 + seed);
    digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)data, end);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, LUKSHDR_HEADER_VOLUME_SIZE), ==, 0);
    g_assert_cmpint(pwrite(fd, data, end, 0), ==, end);

    for (i = 0; i < links->len; i++) {
        lukshdrLink *link = g_ptr_array_index(links, i);

        g_free(link->digest);
        link->digest = g_strdup(digest);
    }
    g_assert_true(lukshdrLabelWrite(fd, links, &error));
    g_assert_no_error(error);
    g_assert_cmpint(close(fd), ==, 0);
}

void
utilTestXor(int fd, off_t at, guint8 bits)
{
    guint8 byte;

    g_assert_cmpint(pread(fd, &byte, 1, at), ==, 1);
    byte ^= bits;
    g_assert_cmpint(pwrite(fd, &byte, 1, at), ==, 1);
}

bool
utilTestSkipLocks(void)
{
    const char *preload = g_getenv("LD_PRELOAD");

    if (!preload || !strstr(preload, "vgpreload"))
        return false;
    g_test_skip("valgrind stops all threads while one waits for an open file description lock");
    return true;
}

unsigned int
utilTestOpenFDs(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned int count = 0;

    while (dir && g_dir_read_name(dir))
        count++;
    return count;
}

void
utilTestValid(const char *schema, const char *root, const char *text)
{
    g_autoptr(GError) error = NULL;
    bool ok = lukshdrSchemaValidate(schema, root, text, &error);

    if (!ok)
        g_test_message("%s", text);
    g_assert_no_error(error);
    g_assert_true(ok);
}

void
utilTestInvalid(const char *schema, const char *root, const char *text)
{
    g_autoptr(GError) error = NULL;

    if (lukshdrSchemaValidate(schema, root, text, &error))
        g_error("is valid by %s:\n%s", schema, text);
    if (!g_error_matches(error, LUKSHDR_ERROR, VIR_ERR_XML_INVALID_SCHEMA) &&
        !g_error_matches(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR))
        g_assert_no_error(error);
}

char *
utilTestLibvirtSchema(const char *name)
{
    g_autofree char *path = g_build_filename(g_getenv("TEST_LIBVIRT_SCHEMA_DIR"), name, NULL);

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_error("no '%s': install what libvirt's daemons need, or set libvirt_schema_dir", path);
    return g_steal_pointer(&path);
}

int
utilTestWatchOpens(const char *dir)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    g_assert_cmpint(inotify_add_watch(fd, dir, IN_OPEN), >=, 0);
    return fd;
}

char *
utilTestOpened(int fd)
{
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    GString *opened = g_string_new(NULL);
    ssize_t len;

    while ((len = read(fd, buf, sizeof(buf))) > 0) {
        const char *at = buf;

        while (at < buf + len) {
            const struct inotify_event *event = (const void *)at;

            g_assert_false(event->mask & IN_Q_OVERFLOW);
            g_string_append_printf(opened, "%s ", event->len > 0 ? event->name : ".");
            at += sizeof(*event) + event->len;
        }
    }
    return g_string_free(opened, FALSE);
}

void
utilTestAssertOpened(int fd, const char *expected)
{
    g_autofree char *opened = utilTestOpened(fd);

    g_assert_cmpstr(opened, ==, expected);
}
