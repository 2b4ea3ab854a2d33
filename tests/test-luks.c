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

#include "util/error.h"
#include "link/label.h"
#include "link/luks.h"
#include "utiltest.h"

#define PHDR_LEN UTIL_TEST_PHDR_LEN

static int
testFile(const char *data, gssize len)
{
    int fd = memfd_create("header", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, data, len, 0), ==, len);
    return fd;
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
        g_autofree char *data = utilTestPhdr(cases[i].name);
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
    g_autofree char *luks2 = utilTestPhdr("luks2-cryptsetup");
    g_autofree char *data = utilTestPhdr("luks1-qemu-aes-256");
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
    g_autofree char *data = utilTestPhdr("luks1-qemu-aes-256");
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
        g_assert_true(lukshdrLuksErase(fd, false, &error));
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
    g_assert_false(lukshdrLuksErase(fd, false, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to overwrite the key material");
    g_clear_error(&error);
    close(fd);

    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    limit = before;
    limit.rlim_cur = 100000;
    fd = open(path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_false(lukshdrLuksErase(fd, false, &error));
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    signal(SIGXFSZ, SIG_DFL);
    utilTestError(error, "SYSTEM_ERROR Unable to overwrite the key material");
    g_clear_error(&error);
    close(fd);

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_false(lukshdrLuksErase(fds[1], false, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to find the size");
    close(fds[0]);
    close(fds[1]);
}

/* As much of a header volume as the golden @name says there is, and @more bytes behind it; the
 * key material is the numbers from 0 to 250, over and over again */
static int
testVolume(const char *name, gsize end, gsize more)
{
    g_autofree char *phdr = utilTestPhdr(name);
    g_autofree char *data = g_malloc(end + more);
    gsize at;

    memcpy(data, phdr, PHDR_LEN);
    for (at = PHDR_LEN; at < end; at++)
        data[at] = (char)(at % 251);
    memset(data + end, 'x', more);
    return testFile(data, end + more);
}

static void
testAssertDigest(int fd, const char *expected)
{
    g_autofree char *digest = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrLuksDigest(fd, &digest, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(digest, ==, expected);
}

static void
testDigest(void)
{
    /* (cat NAME.phdr; python3 -c "import sys; sys.stdout.buffer.write(bytes(i % 251 for i in
     * range(592, END)))") | sha256sum */
    static const struct {
        const char *name;
        gsize end;
        const char *digest;
    } cases[] = {
        { "luks1-cryptsetup-xts-256", 1800 * 512 + 4000 * 32,
          "004a97c406a89c4d05fafef06b79bd28004a510b4ad389b7da066bd645e2ed9a" },
        { "luks1-cryptsetup-xts-512", 3536 * 512 + 4000 * 64,
          "4bd281e250563943e893b85accd0b0eb6401d8557ee99df056537d0794a97bc2" },
        { "luks1-qemu-aes-256", 3536 * 512 + 4000 * 64,
          "d0f01e14dd34a5e4ed559a3a209f84ef54c6301965f2b78d6b3a8f97882e96e4" },
        { "luks1-qemu-serpent-128", 1800 * 512 + 4000 * 32,
          "11073c22db044af0b9d5275e98bef78c694242ec5dbb2d99f88187653e67a381" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const gsize more[] = { 0, 1, 12345 };
        g_autofree char *digest = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *said = NULL;
        size_t j;
        int fd;

        for (j = 0; j < G_N_ELEMENTS(more); j++) {
            fd = testVolume(cases[i].name, cases[i].end, more[j]);
            testAssertDigest(fd, cases[i].digest);
            /* wherever the descriptor stands */
            g_assert_cmpint(lseek(fd, 1000, SEEK_SET), ==, 1000);
            testAssertDigest(fd, cases[i].digest);
            close(fd);
        }

        fd = testVolume(cases[i].name, cases[i].end, 0);
        g_assert_cmpint(ftruncate(fd, cases[i].end - 1), ==, 0);
        g_assert_false(lukshdrLuksDigest(fd, &digest, &error));
        g_assert_null(digest);
        said = g_strdup_printf(
            "OPERATION_INVALID the LUKS header is cut short: its key material ends at "
            "%llu bytes, and there are %llu",
            (unsigned long long)cases[i].end, (unsigned long long)cases[i].end - 1);
        utilTestError(error, said);
        close(fd);
    }
}

/* Key material that is said to end just where the label begins, behind it, far away */
static void
testDigestHostile(void)
{
    static const struct {
        guint32 keyBytes;
        guint32 sector;
        guint32 sectors;
        guint32 stripes;
        gsize end;
        const char *expected;
    } cases[] = {
        { 512, 4095, 0, 1, LUKSHDR_LABEL_OFFSET, NULL },
        { 1, 4095, 0, 512, LUKSHDR_LABEL_OFFSET, NULL },
        { 64, 4088, 1, 8, LUKSHDR_LABEL_OFFSET, NULL },
        { 513, 4095, 0, 1, 0, "OPERATION_INVALID claims to be 2097153 bytes" },
        { 64, 4089, 1, 8, 0, "OPERATION_INVALID claims to be 2097664 bytes" },
        { 64, G_MAXUINT32, 0, 4000, 0, "OPERATION_INVALID claims to be 2199023511040 bytes" },
        { G_MAXUINT32, 8, 0, G_MAXUINT32, 0, "OPERATION_INVALID claims to be 1844674406511" },
        { G_MAXUINT32, G_MAXUINT32, 0, G_MAXUINT32, 0, "OPERATION_INVALID claims to be" },
        { G_MAXUINT32, 0x1000000, 0, G_MAXUINT32, 0, "OPERATION_INVALID claims to be" },
        /* it is said that there is nothing at all: then the header is what is hashed */
        { 0, 0, 0, 0, PHDR_LEN, NULL },
        { 0, 1, 0, G_MAXUINT32, PHDR_LEN, NULL },
        { 16, 0, 0, 10, PHDR_LEN, NULL },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *data = g_malloc(LUKSHDR_HEADER_VOLUME_SIZE);
        g_autofree char *phdr = utilTestPhdr("luks1-qemu-aes-256");
        g_autofree char *digest = NULL;
        g_autoptr(GError) error = NULL;
        int fd;

        memset(data, 'k', LUKSHDR_HEADER_VOLUME_SIZE);
        utilTestKeySlots(phdr, cases[i].keyBytes, cases[i].sector, cases[i].sectors,
                         cases[i].stripes);
        memcpy(data, phdr, PHDR_LEN);
        fd = testFile(data, LUKSHDR_HEADER_VOLUME_SIZE);
        if (cases[i].expected) {
            g_assert_false(lukshdrLuksDigest(fd, &digest, &error));
            g_assert_null(digest);
            utilTestError(error, cases[i].expected);
        } else {
            digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)data, cases[i].end);
            testAssertDigest(fd, digest);
        }
        close(fd);
    }
}

/* One slot that reaches further than the others decides, whichever it is and be it inactive */
static void
testDigestSlots(void)
{
    size_t slot;

    for (slot = 0; slot < 8; slot++) {
        g_autofree char *phdr = utilTestPhdr("luks1-qemu-aes-256");
        g_autofree char *data = g_malloc0(40000);
        g_autofree char *digest = NULL;
        int fd;

        utilTestKeySlots(phdr, 16, 8, 1, 32);
        /* sector 64, 100 stripes of 16 bytes */
        memcpy(phdr + 208 + slot * 48 + 40, "\0\0\0\100\0\0\0\144", 8);
        memcpy(data, phdr, PHDR_LEN);
        fd = testFile(data, 40000);
        digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)data, 64 * 512 + 1600);
        testAssertDigest(fd, digest);
        close(fd);
    }
}

static void
testDigestFails(void)
{
    g_autofree char *luks2 = utilTestPhdr("luks2-cryptsetup");
    g_autofree char *path = utilTestPath("digest");
    g_autofree char *digest = NULL;
    g_autoptr(GError) error = NULL;
    int fd = testFile(luks2, PHDR_LEN);

    g_assert_false(lukshdrLuksDigest(fd, &digest, &error));
    utilTestError(error, "OPERATION_INVALID LUKS version 2");
    g_clear_error(&error);
    close(fd);

    utilTestWrite(path, "", 0);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    g_assert_false(lukshdrLuksDigest(fd, &digest, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to read the LUKS header");
    g_assert_null(digest);
    close(fd);
}

static void
testSetUUID(void)
{
    static const char *const bad[] = { "", "x", UTIL_TEST_SECRET_UUID "0",
                                       "c4f0d4de-92f5-4f0e-8f25-6d1d5a0f3e7",
                                       "c4f0d4de-92f5-4f0e-8f25-6d1d5a0f3e7g" };
    g_autofree char *before = g_malloc(5000);
    g_autofree char *after = g_malloc(5000);
    g_autofree char *uuid = NULL;
    g_autofree char *luks2 = utilTestPhdr("luks2-cryptsetup");
    g_autofree char *path = utilTestPath("set-uuid");
    g_autofree char *phdr = utilTestPhdr("luks1-qemu-aes-256");
    g_autoptr(GError) error = NULL;
    int fd = testVolume("luks1-qemu-aes-256", 5000, 0);
    size_t i;

    /* what was behind the end of the old one goes, too */
    g_assert_cmpint(pwrite(fd, "junk", 4, 168 + 36), ==, 4);
    g_assert_cmpint(pread(fd, before, 5000, 0), ==, 5000);
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(lukshdrLuksSetUUID(fd, bad[i], &error));
        utilTestError(error, "OPERATION_INVALID is no UUID");
        g_clear_error(&error);
    }
    g_assert_cmpint(pread(fd, after, 5000, 0), ==, 5000);
    g_assert_cmpmem(before, 5000, after, 5000);

    g_assert_true(lukshdrLuksSetUUID(fd, UTIL_TEST_SECRET_UUID, &error));
    g_assert_no_error(error);
    g_assert_true(lukshdrLuksReadUUID(fd, &uuid, &error));
    g_assert_cmpstr(uuid, ==, UTIL_TEST_SECRET_UUID);
    g_assert_cmpint(pread(fd, after, 5000, 0), ==, 5000);
    memset(before + 168, 0, 40);
    memcpy(before + 168, UTIL_TEST_SECRET_UUID, 36);
    g_assert_cmpmem(before, 5000, after, 5000);
    g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, 5000);
    close(fd);

    fd = testFile(luks2, PHDR_LEN);
    g_assert_false(lukshdrLuksSetUUID(fd, UTIL_TEST_SECRET_UUID, &error));
    utilTestError(error, "OPERATION_INVALID LUKS version 2");
    g_clear_error(&error);
    close(fd);

    utilTestWrite(path, phdr, PHDR_LEN);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_false(lukshdrLuksSetUUID(fd, UTIL_TEST_SECRET_UUID, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to write the UUID");
    close(fd);
}

static void
testPayloadOffset(void)
{
    /* "Payload offset" of cryptsetup luksDump: none of these was detached, where it is 0 */
    static const struct {
        const char *name;
        guint32 sectors;
    } cases[] = {
        { "luks1-cryptsetup-xts-256", 4096 },
        { "luks1-cryptsetup-xts-512", 4096 },
        { "luks1-qemu-aes-256", 4040 },
        { "luks1-qemu-serpent-128", 2056 },
    };
    g_autofree char *data = utilTestPhdr("luks1-qemu-aes-256");
    g_autoptr(GError) error = NULL;
    guint32 sectors;
    size_t i;
    int fd;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *phdr = utilTestPhdr(cases[i].name);

        fd = testFile(phdr, PHDR_LEN);
        g_assert_true(lukshdrLuksPayloadOffset(fd, &sectors, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(sectors, ==, cases[i].sectors);
        close(fd);
    }

    memset(data + 104, 0, 4);
    fd = testFile(data, PHDR_LEN);
    g_assert_true(lukshdrLuksPayloadOffset(fd, &sectors, &error));
    g_assert_cmpuint(sectors, ==, 0);
    close(fd);

    memcpy(data + 104, "\x81\2\3\4", 4);
    fd = testFile(data, PHDR_LEN);
    g_assert_true(lukshdrLuksPayloadOffset(fd, &sectors, &error));
    g_assert_cmpuint(sectors, ==, 0x81020304);
    g_assert_cmpint(ftruncate(fd, PHDR_LEN - 1), ==, 0);
    g_assert_false(lukshdrLuksPayloadOffset(fd, &sectors, &error));
    utilTestError(error, "OPERATION_INVALID there is no LUKS header");
    close(fd);
}

/* Makes all key slots of @phdr active or not, with @iterations, and its digest's @digestIterations */
static void
testSetIterations(char *phdr, guint active, guint32 iterations, guint32 digestIterations)
{
    guint32 numbers[3] = { GUINT32_TO_BE(iterations), GUINT32_TO_BE(digestIterations) };
    guint slot;

    memcpy(phdr + 164, &numbers[1], 4);
    for (slot = 0; slot < 8; slot++) {
        numbers[2] = GUINT32_TO_BE(slot < active ? LUKSHDR_LUKS_SLOT_ACTIVE
                                                 : LUKSHDR_LUKS_SLOT_INACTIVE);
        memcpy(phdr + 208 + slot * 48, &numbers[2], 4);
        memcpy(phdr + 208 + slot * 48 + 4, &numbers[0], 4);
    }
}

static void
testOpenTime(void)
{
    static const char *const golden[] = { "luks1-cryptsetup-xts-256", "luks1-cryptsetup-xts-512",
                                          "luks1-qemu-aes-256", "luks1-qemu-serpent-128" };
    /* 64 bytes of key are two blocks of sha256, the digest of 20 is one.  50,000 rounds are a
     * second; 6 hours are 1,080,000,000 rounds. */
    static const struct {
        guint active;
        guint32 iterations;
        guint32 digestIterations;
        guint32 keyBytes;
        const char *hash;
        guint seconds; /* 0: refused */
    } cases[] = {
        { 1, 1000000, 100000, 64, "sha256", 42 + 1 },
        { 2, 1000000, 100000, 64, "sha256", 84 + 1 },
        { 1, 1000000, 100000, 64, "sha512", 22 + 1 },
        { 1, 1000000, 100000, 64, "sha1", 82 + 1 },
        { 1, 1000000, 100000, 65, "SHA256", 62 + 1 },
        { 1, 1000000, 100000, 64, "unheard-of", 84 + 1 },
        { 1, 540000000, 0, 64, "sha256", 21600 + 1 },
        { 1, 540000001, 0, 64, "sha256", 0 },
        { 1, 0, 1080000000, 64, "sha256", 21600 + 1 },
        { 1, 0, 1080000001, 64, "sha256", 0 },
        { 8, 67500000, 0, 64, "sha256", 21600 + 1 },
        { 8, 67500001, 0, 64, "sha256", 0 },
        { 1, G_MAXUINT32, 1000, 32, "sha256", 0 },
        { 1, 1000, G_MAXUINT32, 32, "sha256", 0 },
        { 1, 1000, 1000, G_MAXUINT32, "sha256", 0 },
        { 8, G_MAXUINT32, G_MAXUINT32, G_MAXUINT32, "", 0 },
        /* nothing is tried that is not in use */
        { 0, G_MAXUINT32, G_MAXUINT32, G_MAXUINT32, "sha256", 0 + 1 },
    };
    g_autoptr(GError) error = NULL;
    guint seconds;
    size_t i;
    int fd;

    for (i = 0; i < G_N_ELEMENTS(golden); i++) {
        g_autofree char *phdr = utilTestPhdr(golden[i]);

        fd = testFile(phdr, PHDR_LEN);
        g_assert_true(lukshdrLuksOpenTime(fd, &seconds, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(seconds, <, 600);
        g_assert_true(lukshdrLuksCheckCost(fd, &error));
        close(fd);
    }

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *phdr = utilTestPhdr("luks1-qemu-aes-256");
        guint32 keyBytes = GUINT32_TO_BE(cases[i].keyBytes);

        testSetIterations(phdr, cases[i].active, cases[i].iterations, cases[i].digestIterations);
        memset(phdr + 72, 0, 32);
        memcpy(phdr + 72, cases[i].hash, strlen(cases[i].hash));
        memcpy(phdr + 108, &keyBytes, 4);
        fd = testFile(phdr, PHDR_LEN);
        if (cases[i].seconds) {
            g_assert_true(lukshdrLuksOpenTime(fd, &seconds, &error));
            g_assert_no_error(error);
            g_assert_cmpuint(seconds, ==, cases[i].seconds);
        } else {
            g_autofree char *expected = g_strdup_printf(
                "OPERATION_INVALID hours of computing before it opens (%u iterations in a key "
                "slot, %u for",
                cases[i].iterations, cases[i].digestIterations);

            g_assert_false(lukshdrLuksOpenTime(fd, &seconds, &error));
            utilTestError(error, expected);
            g_clear_error(&error);
            g_assert_false(lukshdrLuksCheckCost(fd, &error));
            g_clear_error(&error);
        }
        close(fd);
    }

    fd = testFile("", 0);
    g_assert_false(lukshdrLuksCheckCost(fd, &error));
    utilTestError(error, "OPERATION_INVALID there is no LUKS header");
    close(fd);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/luks/golden", testGolden);
    g_test_add_func("/luks/refused", testRefused);
    g_test_add_func("/luks/huge-end", testHugeEnd);
    g_test_add_func("/luks/digest", testDigest);
    g_test_add_func("/luks/digest-hostile", testDigestHostile);
    g_test_add_func("/luks/digest-slots", testDigestSlots);
    g_test_add_func("/luks/digest-fails", testDigestFails);
    g_test_add_func("/luks/set-uuid", testSetUUID);
    g_test_add_func("/luks/payload-offset", testPayloadOffset);
    g_test_add_func("/luks/open-time", testOpenTime);
    g_test_add_func("/luks/erase", testErase);
    g_test_add_func("/luks/erase-fails", testEraseFails);
    return g_test_run();
}
