/*
 * test-label.c: the link label, and what a crash or damage leaves of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tests/golden/header-v1.img.gz is a header volume with a label of format version
 * 1, made by hand from the layout in link/label.h; it must stay readable for ever.
 * Its label is tests/xml/link/file.xml.
 */

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <libxml/parser.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/error.h"
#include "link/label.h"
#include "link/luks.h"
#include "utiltest.h"

#define HEAD_LEN 48
#define SLOT(i) (LUKSHDR_LABEL_OFFSET + (i)*LUKSHDR_LABEL_SLOT_SIZE)

static int
testVolume(off_t size)
{
    int fd = memfd_create("header", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    return fd;
}

static lukshdrLink *
testGoldenLink(void)
{
    g_autofree char *xml = utilTestLoad("xml/link", "file", ".xml");
    lukshdrLink *link = lukshdrLinkParse(xml, strlen(xml), NULL);

    g_assert_nonnull(link);
    return link;
}

/* A link that differs from the golden one in the payload's name */
static lukshdrLink *
testOtherLink(const char *volume)
{
    lukshdrLink *link = testGoldenLink();

    g_free(link->payload.volume);
    link->payload.volume = g_strdup(volume);
    return link;
}

static void
testWrite(int fd, lukshdrLink *link)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrLabelWriteOne(fd, link, &error));
    g_assert_no_error(error);
}

/* Reads the label of a header that is not shared */
static bool
testRead(int fd, lukshdrLink **link, GError **error)
{
    g_autoptr(GPtrArray) links = NULL;
    bool ok = lukshdrLabelRead(fd, &links, error);

    g_assert_true(ok || !links);
    if (links) {
        g_assert_cmpuint(links->len, ==, 1);
        *link = lukshdrLinkRef(g_ptr_array_index(links, 0));
    }
    return ok;
}

/* The label's payload is @volume; NULL stands for no label */
static void
testAssertLabel(int fd, const char *volume)
{
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(testRead(fd, &link, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(link ? link->payload.volume : NULL, ==, volume);
}

static void
testAssertRefused(int fd, const char *expected)
{
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(testRead(fd, &link, &error));
    g_assert_null(link);
    utilTestError(error, expected);
}

static char *
testBytes(int fd, off_t at, size_t len)
{
    char *bytes = g_malloc(len);

    g_assert_cmpint(pread(fd, bytes, len, at), ==, len);
    return bytes;
}

static GBytes *
testGoldenImage(void)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "header-v1.img.gz", NULL);
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GError) error = NULL;
    g_autoptr(GFileInputStream) packed = g_file_read(file, NULL, &error);
    g_autoptr(GZlibDecompressor) gzip = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP);
    g_autoptr(GInputStream) in = NULL;
    g_autoptr(GOutputStream) out = g_memory_output_stream_new_resizable();

    g_assert_no_error(error);
    in = g_converter_input_stream_new(G_INPUT_STREAM(packed), G_CONVERTER(gzip));
    g_output_stream_splice(out, in, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, &error);
    g_assert_no_error(error);
    return g_memory_output_stream_steal_as_bytes(G_MEMORY_OUTPUT_STREAM(out));
}

static void
testGolden(void)
{
    g_autoptr(GBytes) image = testGoldenImage();
    g_autoptr(lukshdrLink) expected = testGoldenLink();
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *expectedText = lukshdrLinkFormat(expected);
    g_autofree char *text = NULL;
    g_autofree char *uuid = NULL;
    g_autofree char *written = NULL;
    gsize size;
    const char *bytes = g_bytes_get_data(image, &size);
    int fd = testVolume(0);

    g_assert_cmpuint(size, ==, LUKSHDR_HEADER_VOLUME_SIZE);
    g_assert_cmpint(pwrite(fd, bytes, size, 0), ==, size);
    g_assert_true(testRead(fd, &link, &error));
    g_assert_no_error(error);
    text = lukshdrLinkFormat(link);
    g_assert_cmpstr(text, ==, expectedText);
    g_assert_true(lukshdrLuksReadUUID(fd, &uuid, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(uuid, ==, link->luksUUID);

    /* and what is written today can be read by whoever could read that */
    utilTestXor(fd, SLOT(0), 0xff);
    utilTestXor(fd, SLOT(1) + 100, 0xff);
    testWrite(fd, link);
    written = testBytes(fd, 0, size);
    g_assert_cmpmem(written, size, bytes, size);
    close(fd);
}

static void
testRoundTrip(void)
{
    g_autoptr(lukshdrLink) link = testGoldenLink();
    g_autoptr(lukshdrLink) other = testOtherLink("b");
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);

    testAssertLabel(fd, NULL);
    before = testBytes(fd, 0, LUKSHDR_LABEL_OFFSET);
    testWrite(fd, link);
    testAssertLabel(fd, "data.qcow2");
    testWrite(fd, other);
    testAssertLabel(fd, "b");
    testWrite(fd, link);
    testAssertLabel(fd, "data.qcow2");

    /* the LUKS header in front of it is nobody's business here */
    after = testBytes(fd, 0, LUKSHDR_LABEL_OFFSET);
    g_assert_cmpmem(before, LUKSHDR_LABEL_OFFSET, after, LUKSHDR_LABEL_OFFSET);
    g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, LUKSHDR_HEADER_VOLUME_SIZE);
    close(fd);
}

/* Of the two slots the first that is whole is believed, whichever byte of the other
 * is wrong, and an error is raised if none is */
static void
testDamage(void)
{
    g_autoptr(lukshdrLink) link = testGoldenLink();
    g_autofree char *text = lukshdrLinkFormat(link);
    size_t len = HEAD_LEN + strlen(text);
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);
    size_t i;

    testWrite(fd, link);
    for (i = 0; i < len; i++) {
        g_autoptr(lukshdrLink) found = NULL;
        g_autoptr(GError) error = NULL;

        utilTestXor(fd, SLOT(0) + i, 0x10);
        testAssertLabel(fd, "data.qcow2");

        utilTestXor(fd, SLOT(1) + len - 1, 0x01);
        if (i < 8) {
            /* no label there, and a damaged one here */
            testAssertRefused(fd, "OPERATION_INVALID label is damaged");
        } else {
            g_assert_false(testRead(fd, &found, &error));
            g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID);
        }
        utilTestXor(fd, SLOT(1) + len - 1, 0x01);
        utilTestXor(fd, SLOT(0) + i, 0x10);

        utilTestXor(fd, SLOT(1) + i, 0x80);
        testAssertLabel(fd, "data.qcow2");
        utilTestXor(fd, SLOT(1) + i, 0x80);
    }
    close(fd);
}

static void
testSetNumber(int fd, unsigned int slot, size_t offset, guint32 value)
{
    guint32 number = GUINT32_TO_BE(value);

    g_assert_cmpint(pwrite(fd, &number, sizeof(number), SLOT(slot) + offset), ==, sizeof(number));
}

static void
testHead(void)
{
    static const guint32 lengths[] = { 0, LUKSHDR_LABEL_TEXT_MAX + 1, 0x7fffffff, 0x80000000,
                                       0xffffffff };
    g_autoptr(lukshdrLink) link = testGoldenLink();
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);
    size_t i;

    testWrite(fd, link);
    for (i = 0; i < G_N_ELEMENTS(lengths); i++) {
        testSetNumber(fd, 0, 12, lengths[i]);
        testAssertLabel(fd, "data.qcow2");
        testSetNumber(fd, 1, 12, lengths[i]);
        testAssertRefused(fd, "OPERATION_INVALID it claims a length of");
        testWrite(fd, link);
    }

    /* a length that is allowed and reaches into what is not the text */
    testSetNumber(fd, 0, 12, LUKSHDR_LABEL_TEXT_MAX);
    testSetNumber(fd, 1, 12, 1);
    testAssertRefused(fd, "OPERATION_INVALID label is damaged");

    testWrite(fd, link);
    testSetNumber(fd, 0, 8, 2);
    testSetNumber(fd, 1, 8, 2);
    testAssertRefused(fd, "OPERATION_INVALID knows version 1; install a newer one");
    testSetNumber(fd, 0, 8, 0);
    testSetNumber(fd, 1, 8, 0);
    testAssertRefused(fd, "OPERATION_INVALID format version 0");
    close(fd);
}

/* A text with a proper digest that is no link, though all bytes are as written */
static void
testForged(void)
{
    static const char text[] = "<link state='active'/>";
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 head[HEAD_LEN] = "LUKSHDR\n\0\0\0\1\0\0\0";
    gsize len = 32;
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);

    head[15] = strlen(text);
    g_checksum_update(sum, (const guchar *)text, strlen(text));
    g_checksum_get_digest(sum, head + 16, &len);
    g_assert_cmpint(pwrite(fd, head, sizeof(head), SLOT(0)), ==, sizeof(head));
    g_assert_cmpint(pwrite(fd, text, strlen(text), SLOT(0) + HEAD_LEN), ==, strlen(text));
    testAssertRefused(fd, "XML_ERROR malformed UUID in 'link'");
    close(fd);
}

static void
testTruncated(void)
{
    g_autoptr(lukshdrLink) link = testGoldenLink();
    g_autofree char *text = lukshdrLinkFormat(link);
    off_t len = HEAD_LEN + strlen(text);
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);
    g_autoptr(GError) error = NULL;
    off_t end;

    /* the first slot does with what comes before the second */
    testWrite(fd, link);
    g_assert_cmpint(ftruncate(fd, SLOT(0) + len), ==, 0);
    testAssertLabel(fd, "data.qcow2");
    for (end = SLOT(0) + len - 1; end >= SLOT(0) + HEAD_LEN; end -= 13) {
        g_assert_cmpint(ftruncate(fd, end), ==, 0);
        testAssertRefused(fd, "OPERATION_INVALID cut short");
    }

    /* and what is no head is no label */
    g_assert_cmpint(ftruncate(fd, SLOT(0) + HEAD_LEN - 1), ==, 0);
    testAssertLabel(fd, NULL);
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    testAssertLabel(fd, NULL);

    g_assert_cmpint(ftruncate(fd, LUKSHDR_HEADER_VOLUME_SIZE - 1), ==, 0);
    g_assert_false(lukshdrLabelWriteOne(fd, link, &error));
    utilTestError(error, "OPERATION_INVALID a header volume needs");
    testAssertLabel(fd, NULL);
    close(fd);
}

/* Whatever of the two writes a crash lets through, there is the old label or the
 * new one: all states that the medium can be in, in the order of the writes */
static void
testCrash(void)
{
    g_autoptr(lukshdrLink) old = testOtherLink("old");
    g_autoptr(lukshdrLink) new = testOtherLink("new and longer than before");
    g_autofree char *oldText = lukshdrLinkFormat(old);
    g_autofree char *newText = lukshdrLinkFormat(new);
    size_t len = HEAD_LEN + MAX(strlen(oldText), strlen(newText));
    g_autofree char *oldSlot = NULL;
    g_autofree char *newSlot = NULL;
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);
    size_t done;

    testWrite(fd, new);
    newSlot = testBytes(fd, SLOT(0), len);
    testWrite(fd, old);
    oldSlot = testBytes(fd, SLOT(0), len);

    for (done = 0; done <= len; done++) {
        g_assert_cmpint(pwrite(fd, newSlot, done, SLOT(1)), ==, done);
        testAssertLabel(fd, "old");
    }
    for (done = 0; done <= len; done++) {
        g_autoptr(lukshdrLink) link = NULL;

        g_assert_cmpint(pwrite(fd, newSlot, done, SLOT(0)), ==, done);
        g_assert_true(testRead(fd, &link, NULL));
        g_assert_nonnull(link);
        /* "old" where the bytes that differ have not been reached */
        g_assert_true(g_str_equal(link->payload.volume, new->payload.volume) ||
                      memcmp(newSlot, oldSlot, done) == 0);
    }
    testAssertLabel(fd, new->payload.volume);
    close(fd);
}

/* The order of the writes itself: one that fails leaves the other slot alone */
static void
testWriteFails(void)
{
    g_autoptr(lukshdrLink) old = testOtherLink("old");
    g_autoptr(lukshdrLink) new = testOtherLink("new");
    g_autoptr(GError) error = NULL;
    g_autofree char *path = utilTestPath("header");
    struct rlimit before;
    struct rlimit limit;
    int readOnly;
    int fd;

    utilTestWrite(path, "", 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, LUKSHDR_HEADER_VOLUME_SIZE), ==, 0);
    testWrite(fd, old);

    /* the second slot, being written first, is torn */
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    limit = before;
    limit.rlim_cur = SLOT(1) + 100;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_false(lukshdrLabelWriteOne(fd, new, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to write the link label");
    g_clear_error(&error);
    testAssertLabel(fd, "old");
    limit.rlim_cur = SLOT(0) + 100;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_false(lukshdrLabelWriteOne(fd, new, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to write the link label");
    g_clear_error(&error);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    signal(SIGXFSZ, SIG_DFL);
    testAssertLabel(fd, "old");
    testWrite(fd, new);
    testAssertLabel(fd, "new");

    readOnly = open(path, O_RDONLY | O_CLOEXEC);
    testAssertLabel(readOnly, "new");
    g_assert_false(lukshdrLabelWriteOne(readOnly, old, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to write the link label");
    close(readOnly);
    close(fd);
}

static void
testTooLong(void)
{
    g_autoptr(lukshdrLink) link = testGoldenLink();
    g_autoptr(GError) error = NULL;
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);

    /* four names of the longest that Linux knows, every character an entity */
    g_free(link->payload.path);
    g_free(link->header.path);
    link->payload.path = g_strnfill(4095, '&');
    *link->payload.path = '/';
    link->header.path = g_strdup(link->payload.path);
    testWrite(fd, link);
    testAssertLabel(fd, "data.qcow2");

    g_free(link->payload.path);
    link->payload.path = g_strnfill(LUKSHDR_LABEL_TEXT_MAX, '/');
    g_assert_false(lukshdrLabelWriteOne(fd, link, &error));
    utilTestError(error, "OPERATION_INVALID longer than the limit");
    testAssertLabel(fd, "data.qcow2");
    close(fd);
}

/* A disk that never was a header volume, and things that cannot be read at all */
static void
testNoHeader(void)
{
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *noise = g_malloc(LUKSHDR_HEADER_VOLUME_SIZE);
    int fd = testVolume(0);
    int fds[2];
    size_t i;

    for (i = 0; i < LUKSHDR_HEADER_VOLUME_SIZE; i++)
        noise[i] = g_test_rand_int();
    g_assert_cmpint(pwrite(fd, noise, LUKSHDR_HEADER_VOLUME_SIZE, 0), ==,
                    LUKSHDR_HEADER_VOLUME_SIZE);
    testAssertLabel(fd, NULL);
    close(fd);

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_false(testRead(fds[0], &link, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to read the link label");
    close(fds[0]);
    close(fds[1]);
}

/* @count links that share a header */
static GPtrArray *
testManyLinks(guint count)
{
    GPtrArray *links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    guint i;

    for (i = 0; i < count; i++) {
        g_autofree char *volume = g_strdup_printf("disk%u.qcow2", i);
        lukshdrLink *link = testOtherLink(volume);

        g_free(link->uuid);
        link->uuid = g_uuid_string_random();
        link->headerShared = true;
        link->digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "header", -1);
        link->generation = 12;
        lukshdrLinkAddReplica(link, "vault-copies", "data.luks");
        g_ptr_array_add(links, link);
    }
    return links;
}

static void
testLists(void)
{
    static const guint counts[] = { 2, 1, 3, 40, 2 };
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(GPtrArray) links = testManyLinks(counts[i]);
        g_autofree char *text = lukshdrLinkListFormat(links);
        g_autoptr(GPtrArray) found = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *foundText = NULL;

        g_assert_true(lukshdrLabelWrite(fd, links, &error));
        g_assert_no_error(error);
        g_assert_true(lukshdrLabelRead(fd, &found, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(found->len, ==, counts[i]);
        foundText = lukshdrLinkListFormat(found);
        g_assert_cmpstr(foundText, ==, text);

        /* from either slot */
        g_clear_pointer(&found, g_ptr_array_unref);
        utilTestXor(fd, SLOT(0) + HEAD_LEN + strlen(text) - 1, 1);
        g_assert_true(lukshdrLabelRead(fd, &found, &error));
        g_assert_cmpuint(found->len, ==, counts[i]);
    }
    close(fd);
}

/* One link after the other joins, until there is no room: what was there before stays */
static void
testListTooLong(void)
{
    g_autoptr(GPtrArray) links = testManyLinks(200);
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);
    g_autoptr(GPtrArray) joined = g_ptr_array_new();
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    do {
        g_assert_cmpuint(joined->len, <, links->len);
        g_ptr_array_add(joined, g_ptr_array_index(links, joined->len));
    } while (lukshdrLabelWrite(fd, joined, &error));
    utilTestError(error, "OPERATION_INVALID longer than the limit of 65536; let fewer volumes");
    g_test_message("%u links fit", joined->len - 1);
    /* what link/label.h promises */
    g_assert_cmpuint(joined->len - 1, >=, 60);

    g_assert_true(lukshdrLabelRead(fd, &found, NULL));
    g_assert_cmpuint(found->len, ==, joined->len - 1);
    text = lukshdrLinkListFormat(found);
    g_assert_cmpuint(strlen(text), <=, LUKSHDR_LABEL_TEXT_MAX);
    close(fd);
}

/* Of a list of none nothing could be made afterwards */
static void
testListOfNone(void)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autoptr(lukshdrLink) link = testGoldenLink();
    g_autoptr(GError) error = NULL;
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);

    testWrite(fd, link);
    g_assert_false(lukshdrLabelWrite(fd, none, &error));
    utilTestError(error, "INTERNAL_ERROR link label without links");
    testAssertLabel(fd, "data.qcow2");
    close(fd);
}

static void
testAssertZeroes(int fd, off_t start, off_t end)
{
    g_autofree char *bytes = testBytes(fd, start, end - start);
    off_t i;

    for (i = 0; i < end - start; i++)
        g_assert_cmpint(bytes[i], ==, 0);
}

static void
testClear(void)
{
    static const off_t sizes[] = { LUKSHDR_HEADER_VOLUME_SIZE,
                                   SLOT(2),
                                   SLOT(2) - 1,
                                   SLOT(1) + HEAD_LEN,
                                   SLOT(1),
                                   SLOT(1) - 1,
                                   SLOT(0) + 4096,
                                   SLOT(0) + 512,
                                   SLOT(0) + 511,
                                   SLOT(0) + HEAD_LEN,
                                   SLOT(0) + 1,
                                   SLOT(0),
                                   1000,
                                   0 };
    g_autoptr(lukshdrLink) link = testGoldenLink();
    g_autofree char *noise = g_strnfill(LUKSHDR_HEADER_VOLUME_SIZE, 'n');
    g_autoptr(GError) error = NULL;
    int fds[2];
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);
        off_t front = MIN(sizes[i], LUKSHDR_LABEL_OFFSET);
        g_autofree char *before = NULL;

        g_assert_cmpint(pwrite(fd, noise, LUKSHDR_HEADER_VOLUME_SIZE, 0), ==,
                        LUKSHDR_HEADER_VOLUME_SIZE);
        testWrite(fd, link);
        g_assert_cmpint(ftruncate(fd, sizes[i]), ==, 0);
        g_assert_true(lukshdrLabelClear(fd, &error));
        g_assert_no_error(error);
        testAssertLabel(fd, NULL);
        g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, sizes[i]);

        /* neither what is in front of it nor what is behind it is touched */
        before = testBytes(fd, 0, front);
        g_assert_cmpmem(before, front, noise, front);
        if (sizes[i] > front)
            testAssertZeroes(fd, front, MIN(sizes[i], SLOT(2)));
        if (sizes[i] > SLOT(2)) {
            g_autofree char *behind = testBytes(fd, SLOT(2), sizes[i] - SLOT(2));

            g_assert_cmpmem(behind, sizes[i] - SLOT(2), noise, sizes[i] - SLOT(2));
        }

        /* once more is no error */
        g_assert_true(lukshdrLabelClear(fd, &error));
        close(fd);
    }

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_false(lukshdrLabelClear(fds[1], &error));
    utilTestError(error, "SYSTEM_ERROR Unable to remove the link label");
    close(fds[0]);
    close(fds[1]);
}

/* The writes of lukshdrLabelClear, each flushed before the next: however much of one a crash
 * lets through, and in whatever order of its sectors, there is the label or none */
static void
testClearCrash(void)
{
    static const struct {
        off_t at;
        size_t len;
        const char *before; /* the label until all of it is done */
    } writes[] = {
        { SLOT(0), 512, "data.qcow2" },
        { SLOT(1), 512, "data.qcow2" },
        { SLOT(0), LUKSHDR_LABEL_SLOT_SIZE, NULL },
        { SLOT(1), LUKSHDR_LABEL_SLOT_SIZE, NULL },
    };
    static const char zeroes[LUKSHDR_LABEL_SLOT_SIZE];
    g_autofree char *path = utilTestPath("clear");
    g_autoptr(lukshdrLink) link = testGoldenLink();
    int fd = testVolume(LUKSHDR_HEADER_VOLUME_SIZE);
    struct rlimit before;
    struct rlimit limit;
    size_t i;

    testWrite(fd, link);
    for (i = 0; i < G_N_ELEMENTS(writes); i++) {
        off_t sector;

        for (sector = writes[i].len - 512; sector >= 0; sector -= 512) {
            testAssertLabel(fd, writes[i].before);
            g_assert_cmpint(pwrite(fd, zeroes, 512, writes[i].at + sector), ==, 512);
        }
    }
    testAssertLabel(fd, NULL);
    close(fd);

    /* that these are the writes: one that fails leaves what the model says */
    utilTestWrite(path, "", 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, LUKSHDR_HEADER_VOLUME_SIZE), ==, 0);
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    for (i = 0; i < 3; i++) {
        static const off_t limits[] = { SLOT(0), SLOT(1), SLOT(1) + 512 };
        static const char *const left[] = { "data.qcow2", "data.qcow2", NULL };
        g_autoptr(GError) error = NULL;
        bool ok;

        testWrite(fd, link);
        limit = before;
        limit.rlim_cur = limits[i];
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
        ok = lukshdrLabelClear(fd, &error);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
        g_assert_false(ok);
        utilTestError(error, "SYSTEM_ERROR Unable to remove the link label");
        testAssertLabel(fd, left[i]);
    }
    signal(SIGXFSZ, SIG_DFL);
    close(fd);
}

typedef struct {
    int fd;
    gint *turns;  /* changed by who holds the lock only */
    gint *inside; /* how many hold it */
} testLocker;

static gpointer
testLockThread(gpointer opaque)
{
    testLocker *locker = opaque;

    g_assert_true(lukshdrLabelLock(&(lukshdrHandle){ .fd = locker->fd }, NULL));
    g_assert_cmpint(g_atomic_int_add(locker->inside, 1), ==, 0);
    *locker->turns += 1;
    g_usleep(100);
    g_atomic_int_add(locker->inside, -1);
    close(locker->fd);
    return NULL;
}

/* Whether a lock of kind @type on @len bytes from @start can be had by way of @fd now */
static bool
testCanLock(int fd, short type, off_t start, off_t len)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

    g_assert_cmpint(fcntl(fd, F_OFD_GETLK, &lock), ==, 0);
    return lock.l_type == F_UNLCK;
}

static void
testLock(void)
{
    g_autofree char *path = utilTestPath("lock");
    g_autoptr(GError) error = NULL;
    testLocker lockers[8];
    GThread *threads[G_N_ELEMENTS(lockers)];
    gint turns = 0;
    gint inside = 0;
    int first;
    int second;
    size_t i;

    utilTestWrite(path, "", 0);
    first = open(path, O_RDWR | O_CLOEXEC);
    second = open(path, O_RDWR | O_CLOEXEC);
    g_assert_true(lukshdrLabelLock(&(lukshdrHandle){ .fd = first }, &error));
    g_assert_no_error(error);
    /* again by who has it already */
    g_assert_true(lukshdrLabelLock(&(lukshdrHandle){ .fd = first }, &error));

    /* all of the label, and nothing else: QEMU's locks, of either kind, are on bytes 100 to
     * 300 (RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE in its block/file-posix.c) */
    g_assert_false(testCanLock(second, F_RDLCK, SLOT(0), 1));
    g_assert_false(testCanLock(second, F_WRLCK, SLOT(1), 1));
    g_assert_false(testCanLock(second, F_RDLCK, SLOT(2) - 1, 1));
    g_assert_true(testCanLock(second, F_WRLCK, 100, 201));
    g_assert_true(testCanLock(second, F_WRLCK, 0, LUKSHDR_LABEL_OFFSET));
    g_assert_true(testCanLock(second, F_WRLCK, SLOT(2), 0));
    /* and QEMU's do not keep us out */
    {
        struct flock qemu = { .l_type = F_WRLCK, .l_start = 100, .l_len = 201 };
        int third = open(path, O_RDWR | O_CLOEXEC);

        g_assert_cmpint(fcntl(third, F_OFD_SETLK, &qemu), ==, 0);
        close(first);
        g_assert_true(testCanLock(second, F_WRLCK, SLOT(0), SLOT(2) - SLOT(0)));
        g_assert_true(lukshdrLabelLock(&(lukshdrHandle){ .fd = second }, &error));
        close(second);
        close(third);
    }

    /* who cannot write the label has no business with its lock */
    first = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_false(lukshdrLabelLock(&(lukshdrHandle){ .fd = first }, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to lock the link label");
    close(first);

    if (utilTestSkipLocks())
        return;

    for (i = 0; i < G_N_ELEMENTS(lockers); i++) {
        lockers[i] = (testLocker){ open(path, O_RDWR | O_CLOEXEC), &turns, &inside };
        threads[i] = g_thread_new("locker", testLockThread, &lockers[i]);
    }
    for (i = 0; i < G_N_ELEMENTS(lockers); i++)
        g_thread_join(threads[i]);
    g_assert_cmpint(turns, ==, G_N_ELEMENTS(lockers));
}

/* Whoever can read the volume can lock it; once this process is to end, nobody waits for that.  The last
 * of the tests: there is no way back */
static void
testLockEnd(void)
{
    g_autofree char *path = utilTestPath("lock-end");
    g_autoptr(GError) error = NULL;
    struct flock posix = { .l_type = F_RDLCK, .l_start = SLOT(0), .l_len = 1 };
    gint64 before;
    int reader;
    int writer;

    utilTestWrite(path, "", 0);
    reader = open(path, O_RDONLY | O_CLOEXEC);
    writer = open(path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fcntl(reader, F_OFD_SETLK, &posix), ==, 0);

    before = g_get_monotonic_time();
    g_assert_false(lukshdrLabelLock(&(lukshdrHandle){ .fd = writer }, &error));
    g_assert_cmpint(g_get_monotonic_time() - before, >=, 10 * G_USEC_PER_SEC);
    utilTestError(error, "OPERATION_TIMEOUT another process");
    g_assert_nonnull(strstr(error->message, path));
    g_clear_error(&error);

    lukshdrLabelLockEnd();
    before = g_get_monotonic_time();
    g_assert_false(lukshdrLabelLock(&(lukshdrHandle){ .fd = writer }, &error));
    g_assert_cmpint(g_get_monotonic_time() - before, <, 10 * G_USEC_PER_SEC);
    utilTestError(error, "OPERATION_TIMEOUT another process");

    /* what can be had is still had */
    close(reader);
    g_assert_true(lukshdrLabelLock(&(lukshdrHandle){ .fd = writer }, NULL));
    close(writer);
}

int
main(int argc, char **argv)
{
    xmlInitParser();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/label/golden", testGolden);
    g_test_add_func("/label/round-trip", testRoundTrip);
    g_test_add_func("/label/damage", testDamage);
    g_test_add_func("/label/head", testHead);
    g_test_add_func("/label/forged", testForged);
    g_test_add_func("/label/truncated", testTruncated);
    g_test_add_func("/label/crash", testCrash);
    g_test_add_func("/label/write-fails", testWriteFails);
    g_test_add_func("/label/too-long", testTooLong);
    g_test_add_func("/label/no-header", testNoHeader);
    g_test_add_func("/label/lists", testLists);
    g_test_add_func("/label/list-too-long", testListTooLong);
    g_test_add_func("/label/list-of-none", testListOfNone);
    g_test_add_func("/label/clear", testClear);
    g_test_add_func("/label/clear-crash", testClearCrash);
    g_test_add_func("/label/lock", testLock);
    g_test_add_func("/label/lock-end", testLockEnd);
    return g_test_run();
}
