/*
 * test-luks.c: what must be known of a LUKS1 header, and its destruction
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tests/golden/NAME.phdr are the first 592 bytes of what cryptsetup 2.6.1 and QEMU
 * 10.0.2 made; their passphrases are lost and protected nothing.
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../src/util/lukshdrerror.h"
#include "../src/util/lukshdrlabel.h"
#include "../src/util/lukshdrluks.h"
#include "utiltest.h"

#define PHDR_LEN 592

static int
testFile(const char *data, gssize len)
{
    int fd = memfd_create("header", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, data, len, 0), ==, len);
    return fd;
}

static char *
testLoad(const char *name)
{
    g_autofree char *file = g_strconcat(name, ".phdr", NULL);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", file, NULL);
    g_autoptr(GError) error = NULL;
    char *data;
    gsize len;

    g_assert_true(g_file_get_contents(path, &data, &len, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(len, ==, PHDR_LEN);
    return data;
}

static void
testGolden(void)
{
    /* the ends are from "cryptsetup luksDump": key material offset of slot 7 (3536 or 1800
     * sectors) and 4000 stripes of the key's length behind it */
    static const struct {
        const char *name;
        const char *uuid;
        guint64 end;
    } cases[] = {
        { "luks1-cryptsetup-xts-256", UTIL_TEST_LUKS_UUID, 1800 * 512 + 4000 * 32 },
        { "luks1-cryptsetup-xts-512", UTIL_TEST_LUKS_UUID, 3536 * 512 + 4000 * 64 },
        { "luks1-qemu-aes-256", "333ca936-aeef-4c7c-a0af-4d414f2a7575", 3536 * 512 + 4000 * 64 },
        { "luks1-qemu-serpent-128", "29349bfa-8d41-40e8-a7b0-37fbe5c34172",
          1800 * 512 + 4000 * 32 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *data = testLoad(cases[i].name);
        g_autofree char *uuid = NULL;
        g_autoptr(GError) error = NULL;
        int fd = testFile(data, PHDR_LEN);
        guint64 end;

        g_assert_true(lukshdrLuksReadUUID(fd, &uuid, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(uuid, ==, cases[i].uuid);
        g_assert_true(lukshdrLuksKeyMaterialEnd(fd, &end, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(end, ==, cases[i].end);
        g_assert_cmpuint(end, <=, LUKSHDR_LABEL_OFFSET);
        close(fd);
    }
}

static void
testRefuse(const char *data, gssize len, const char *expected, const char *expectedEnd)
{
    g_autofree char *uuid = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) endError = NULL;
    int fd = testFile(data, len);
    guint64 end;

    g_assert_false(lukshdrLuksReadUUID(fd, &uuid, &error));
    g_assert_null(uuid);
    utilTestError(error, expected);
    if (expectedEnd) {
        g_assert_false(lukshdrLuksKeyMaterialEnd(fd, &end, &endError));
        utilTestError(endError, expectedEnd);
    } else {
        g_assert_true(lukshdrLuksKeyMaterialEnd(fd, &end, &endError));
    }
    close(fd);
}

static void
testRefused(void)
{
    g_autofree char *luks2 = testLoad("luks2-cryptsetup");
    g_autofree char *data = testLoad("luks1-qemu-aes-256");
    g_autofree char *uuid = NULL;
    g_autoptr(GError) error = NULL;
    int fds[2];
    size_t i;

    testRefuse(luks2, PHDR_LEN, "OPERATION_INVALID LUKS version 2", "OPERATION_INVALID version 2");
    testRefuse("", 0, "OPERATION_INVALID there is no LUKS header", "OPERATION_INVALID no LUKS");
    for (i = 0; i < PHDR_LEN; i += 37)
        testRefuse(data, i, "OPERATION_INVALID there is no LUKS header",
                   "OPERATION_INVALID no LUKS");

    for (i = 0; i < 6; i++) {
        data[i] ^= 0x20;
        testRefuse(data, PHDR_LEN, "OPERATION_INVALID there is no LUKS header",
                   "OPERATION_INVALID no LUKS");
        data[i] ^= 0x20;
    }
    data[6] = 1;
    testRefuse(data, PHDR_LEN, "OPERATION_INVALID LUKS version 257", "OPERATION_INVALID 257");
    data[6] = 0;

    /* a UUID without an end, without a beginning, of other bytes */
    memset(data + 168 + 36, '0', 4);
    testRefuse(data, PHDR_LEN, "OPERATION_INVALID malformed UUID", NULL);
    memset(data + 168, '\xff', 40);
    testRefuse(data, PHDR_LEN, "OPERATION_INVALID malformed UUID", NULL);
    memset(data + 168, 0, 40);
    testRefuse(data, PHDR_LEN, "OPERATION_INVALID malformed UUID", NULL);

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_false(lukshdrLuksReadUUID(fds[0], &uuid, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to read the LUKS header");
    close(fds[0]);
    close(fds[1]);
}

/* Numbers that were made to overflow must not say that there is room for a label */
static void
testHugeEnd(void)
{
    g_autofree char *data = testLoad("luks1-qemu-aes-256");
    g_autoptr(GError) error = NULL;
    size_t slot;
    guint64 end;
    int fd;

    /* 2^24 sectors + (2^32 - 1) stripes of (2^32 - 1) bytes = 2^64 + 1 */
    memset(data + 108, 0xff, 4);
    for (slot = 0; slot < 8; slot++)
        memcpy(data + 208 + slot * 48 + 40, "\1\0\0\0\xff\xff\xff\xff", 8);
    fd = testFile(data, PHDR_LEN);
    if (lukshdrLuksKeyMaterialEnd(fd, &end, &error))
        g_assert_cmpuint(end, >, LUKSHDR_LABEL_OFFSET);
    else
        g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID);
    close(fd);
}

/* That eight bytes in a row are by chance what they were happens once in 4 * 10^12 runs */
static void
testErase(void)
{
    static const gsize sizes[] = { 0,
                                   1,
                                   7,
                                   4096,
                                   65536,
                                   65537,
                                   LUKSHDR_HEADER_VOLUME_SIZE - 1,
                                   LUKSHDR_HEADER_VOLUME_SIZE,
                                   LUKSHDR_HEADER_VOLUME_SIZE + 4096 };
    size_t i;
    size_t at;

    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        gsize size = sizes[i];
        gsize erased = MIN(size, LUKSHDR_HEADER_VOLUME_SIZE);
        g_autofree char *before = g_malloc(size + 1);
        g_autofree char *after = g_malloc0(size + 1);
        g_autoptr(GError) error = NULL;
        int fd;

        memset(before, 0xa5, size);
        fd = testFile(before, size);
        g_assert_true(lukshdrLuksErase(fd, &error));
        g_assert_no_error(error);
        g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, size);
        g_assert_cmpint(pread(fd, after, size, 0), ==, size);
        for (at = 0; at + 8 <= erased; at++)
            g_assert_true(memcmp(before + at, after + at, 8));
        /* nor is it one thing over and over again */
        if (erased > 65536)
            g_assert_true(memcmp(after, after + 65536, MIN(erased - 65536, 8)) ||
                          erased - 65536 < 8);
        g_assert_cmpmem(before + erased, size - erased, after + erased, size - erased);
        close(fd);
    }
}

static void
testEraseFails(void)
{
    g_autofree char *path = utilTestPath("erase");
    g_autofree char *data = g_malloc0(200000);
    g_autoptr(GError) error = NULL;
    struct rlimit before;
    struct rlimit limit;
    int fds[2];
    int fd;

    utilTestWrite(path, data, 200000);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_false(lukshdrLuksErase(fd, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to overwrite the key material");
    g_clear_error(&error);
    close(fd);

    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    limit = before;
    limit.rlim_cur = 100000;
    fd = open(path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_false(lukshdrLuksErase(fd, &error));
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    signal(SIGXFSZ, SIG_DFL);
    utilTestError(error, "SYSTEM_ERROR Unable to overwrite the key material");
    g_clear_error(&error);
    close(fd);

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_false(lukshdrLuksErase(fds[1], &error));
    utilTestError(error, "SYSTEM_ERROR Unable to find the size");
    close(fds[0]);
    close(fds[1]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/luks/golden", testGolden);
    g_test_add_func("/luks/refused", testRefused);
    g_test_add_func("/luks/huge-end", testHugeEnd);
    g_test_add_func("/luks/erase", testErase);
    g_test_add_func("/luks/erase-fails", testEraseFails);
    return g_test_run();
}
