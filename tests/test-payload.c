/*
 * test-payload.c: whether a volume's content stands alone
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The images are written here, by their specifications; what qemu-img makes is looked at where it is
 * installed.
 */

#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chain/chain.h"
#include "link/payload.h"
#include "util/command.h"
#include "util/io.h"
#include "utiltest.h"

#define LEN 16384

#define ALONE NULL
#define BACKING "OPERATION_INVALID names a backing file"

typedef struct {
    const char *name;
    const char *format;
    const char *expected; /* NULL: it stands alone */
    struct {
        size_t at;
        const char *bytes;
        size_t len;
    } pieces[4];
} testImage;

#define PIECE(at, bytes) \
    { \
        at, bytes, sizeof(bytes) - 1 \
    }

static const testImage testImages[] = {
    { "raw", "raw", ALONE, { PIECE(0, "QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\1") } },
    { "qcow2", "qcow2", ALONE, { PIECE(0, "QFI\xfb\0\0\0\3") } },
    { "qcow2-known-features",
      "qcow2",
      ALONE,
      { PIECE(0, "QFI\xfb\0\0\0\3"), PIECE(72, "\0\0\0\0\0\0\0\x1b") } },
    { "qcow2-version-2",
      "qcow2",
      ALONE,
      { PIECE(0, "QFI\xfb\0\0\0\2"), PIECE(72, "\377\377\377\377\377\377\377\377") } },
    { "qcow2-backing", "qcow2", BACKING, { PIECE(0, "QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\1") } },
    { "qcow2-backing-far", "qcow2", BACKING, { PIECE(0, "QFI\xfb\0\0\0\2\200\0\0\0\0\0\0\0") } },
    { "qcow2-data-file",
      "qcow2",
      "OPERATION_INVALID names an external data file",
      { PIECE(0, "QFI\xfb\0\0\0\3"), PIECE(72, "\0\0\0\0\0\0\0\4") } },
    { "qcow2-unknown",
      "qcow2",
      "OPERATION_INVALID names features that are not known",
      { PIECE(0, "QFI\xfb\0\0\0\3"), PIECE(72, "\0\0\0\0\0\0\0\x20") } },
    { "qcow2-no-magic", "qcow2", "OPERATION_INVALID not of format 'qcow2'", { PIECE(0, "QFI") } },
    { "qcow2-version-4",
      "qcow2",
      "OPERATION_INVALID not of format 'qcow2'",
      { PIECE(0, "QFI\xfb\0\0\0\4") } },
    { "qcow2-is-qcow",
      "qcow2",
      "OPERATION_INVALID not of format 'qcow2'",
      { PIECE(0, "QFI\xfb\0\0\0\1") } },
    { "qcow2-empty", "qcow2", "OPERATION_INVALID not of format 'qcow2'", { { 0 } } },
    { "qcow", "qcow", ALONE, { PIECE(0, "QFI\xfb\0\0\0\1") } },
    { "qcow-backing", "qcow", BACKING, { PIECE(0, "QFI\xfb\0\0\0\1\0\0\0\0\0\0\0\60") } },
    { "qcow-is-qcow2",
      "qcow",
      "OPERATION_INVALID not of format 'qcow'",
      { PIECE(0, "QFI\xfb\0\0\0\3") } },
    { "qed", "qed", ALONE, { PIECE(0, "QED\0"), PIECE(16, "\6\0\0\0\0\0\0\0") } },
    { "qed-backing", "qed", BACKING, { PIECE(0, "QED\0"), PIECE(16, "\1\0\0\0\0\0\0\0") } },
    { "qed-other", "qed", "OPERATION_INVALID not of format 'qed'", { PIECE(0, "QEDX") } },
    { "vmdk",
      "vmdk",
      ALONE,
      { PIECE(0, "KDMV\1\0\0\0\3\0\0\0\0\200\0\0\0\0\0\0"),
        PIECE(512, "# Disk DescriptorFile\nRW 32768 SPARSE \"x.vmdk\"\n") } },
    { "vmdk-parent",
      "vmdk",
      "OPERATION_INVALID names a parent",
      { PIECE(0, "KDMV\1\0\0\0\3\0\0\0\0\200\0\0\0\0\0\0"),
        PIECE(10700, "\nparentFileNameHint=\"/etc/shadow\"\n") } },
    { "vmdk-no-capacity",
      "vmdk",
      "OPERATION_INVALID names extents in other files",
      { PIECE(0, "KDMV\1\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0"),
        PIECE(512, "# Disk DescriptorFile\nRW 32768 FLAT \"/etc/shadow\" 0\n") } },
    { "vmdk-text",
      "vmdk",
      "OPERATION_INVALID names extents in other files",
      { PIECE(0, "# Disk DescriptorFile\nRW 32768 FLAT \"/etc/shadow\" 0\n") } },
    { "vmdk-3",
      "vmdk",
      "OPERATION_INVALID names extents in other files",
      { PIECE(0, "COWD\1\0\0\0\3\0\0\0\0\200\0\0") } },
    { "vdi", "vdi", ALONE, { PIECE(0, "<<< QEMU VM Virtual Disk Image >>>\n") } },
    { "vpc", "vpc", ALONE, { PIECE(0, "conectix") } },
    { "vhd", "vhd", ALONE, { PIECE(0, "vhdxfile") } },
    { "ploop", "ploop", ALONE, { PIECE(0, "WithouFreSpacExt") } },
    { "bochs",
      "bochs",
      "OPERATION_UNSUPPORTED format 'bochs' names other files is not known",
      { { 0 } } },
};

static void
testCheck(int fd, const char *format, const char *expected)
{
    const lukshdrHandle volume = { .fd = fd };
    g_autoptr(GError) error = NULL;

    if (!expected) {
        g_assert_true(lukshdrPayloadCheck(&volume, format, &error));
        g_assert_no_error(error);
    } else {
        g_assert_false(lukshdrPayloadCheck(&volume, format, &error));
        utilTestError(error, expected);
    }
}

static void
testOne(gconstpointer opaque)
{
    const testImage *image = opaque;
    char data[LEN] = { 0 };
    int fd = memfd_create("image", MFD_CLOEXEC);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(image->pieces); i++)
        memcpy(data + image->pieces[i].at, image->pieces[i].bytes ? image->pieces[i].bytes : "",
               image->pieces[i].len);
    g_assert_cmpint(write(fd, data, LEN), ==, LEN);
    testCheck(fd, image->format, image->expected);
    close(fd);
}

/* Cut short anywhere: refused, or what it was, or without the part that named something; nothing
 * else happens */
static void
testShort(void)
{
    static const char head[] = "QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\1";
    size_t len;

    for (len = 0; len < sizeof(head); len++) {
        int fd = memfd_create("image", MFD_CLOEXEC);

        g_assert_cmpint(write(fd, head, len), ==, (ssize_t)len);
        testCheck(fd, "qcow2",
                  len < 8    ? "OPERATION_INVALID not of format"
                  : len < 16 ? ALONE
                             : BACKING);
        testCheck(fd, "raw", ALONE);
        close(fd);
    }
}

static void
testUnreadable(void)
{
    int fds[2];

    g_assert_cmpint(pipe(fds), ==, 0);
    testCheck(fds[0], "qcow2", "SYSTEM_ERROR Unable to read its beginning");
    close(fds[0]);
    close(fds[1]);
}

/* All formats that can be payloads, as the installed qemu-img makes them */
static void
testReal(void)
{
    static const struct {
        const char *format;
        const char *backing;  /* what is said of it with a backing file; NULL: it cannot have one */
        const char *dataFile; /* and with a data file */
    } cases[] = {
        { "raw", NULL, NULL },
        { "qcow2", BACKING, "OPERATION_INVALID names an external data file" },
        { "qcow", BACKING, NULL },
        { "qed", BACKING, NULL },
        { "vmdk", "OPERATION_INVALID names a parent", NULL },
        { "vdi", NULL, NULL },
        { "vpc", NULL, NULL },
        { "vhd", NULL, NULL },
        { "ploop", NULL, NULL },
    };
    g_autofree char *img = g_find_program_in_path(LUKSHDR_QEMU_IMG);
    g_autofree char *base = utilTestPath("base");
    g_autofree char *path = utilTestPath("image");
    g_autofree char *data = utilTestPath("data");
    size_t i;
    guint how;

    if (!img) {
        g_test_skip("no qemu-img");
        return;
    }

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *driver = lukshdrChainFormatDriver(cases[i].format);
        /* a vmdk's parent must be one, too */
        const char *baseDriver = g_str_equal(driver, "vmdk") ? "vmdk" : "raw";
        g_autofree char *options = g_strdup_printf("data_file=%s", data);
        const char *const plain[] = { img, "create", "-q", "-f", driver, path, "4M", NULL };
        const char *const under[] = { img, "create", "-q", "-f", baseDriver, base, "4M", NULL };
        const char *const backed[] = { img,  "create", "-q",       "-f", driver, "-b",
                                       base, "-F",     baseDriver, path, NULL };
        const char *const split[] = { img,  "create", "-q", "-f", driver,
                                      "-o", options,  path, "4M", NULL };
        const char *const *commands[] = { plain, backed, split };
        const char *expected[] = { ALONE, cases[i].backing, cases[i].dataFile };

        for (how = 0; how < G_N_ELEMENTS(commands); how++) {
            const lukshdrCommand before = { .argv = under, .deadline = 600 };
            const lukshdrCommand command = { .argv = commands[how], .deadline = 600 };
            g_autoptr(GError) error = NULL;
            int fd;

            if (how > 0 && !expected[how])
                continue;
            g_assert_true(lukshdrCommandRun(&before, &error));
            g_assert_no_error(error);
            lukshdrCommandRun(&command, &error);
            g_assert_no_error(error);
            fd = open(path, O_RDONLY | O_CLOEXEC);
            testCheck(fd, cases[i].format, expected[how]);
            close(fd);
            g_unlink(path);
        }
    }
}

/* What the head of an image says of format and size; the size may be any number */
static void
testImageHead(void)
{
    static const struct {
        const char *head;
        size_t len;
        const char *format;
        guint64 capacity;
    } cases[] = {
        { "", 0, "raw", 0 },
        { "LUKS\xba\xbe\0\1", 8, NULL, 0 }, /* a header of its own: no payload */
        { "LUKS\xba", 5, "raw", 0 },
        { "QFI\xfb\0\0\0\1", 8, "raw", 0 },
        { "QFI\xfb\0\0\0\4", 8, "raw", 0 },
        { "QFI\xfb\0\0\0\2", 8, "qcow2", 0 },
        { "QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\0\0\1\0\0\2\0", 32, "qcow2",
          (G_GUINT64_CONSTANT(1) << 32) + 512 },
        { "QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\377\377\377\377\377\377\377\377", 32,
          "qcow2", G_MAXUINT64 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        int fd = memfd_create("image", MFD_CLOEXEC);
        const lukshdrHandle volume = { .fd = fd };
        g_autoptr(GError) error = NULL;
        guint64 capacity = 1;

        g_assert_true(lukshdrIOWrite(fd, cases[i].head, cases[i].len, 0, NULL));
        g_assert_cmpstr(lukshdrPayloadImageFormat(&volume, &error), ==, cases[i].format);
        if (cases[i].format)
            g_assert_no_error(error);
        else
            utilTestError(error, "OPERATION_INVALID begins with a LUKS header");
        g_clear_error(&error);
        if (g_strcmp0(cases[i].format, "qcow2") == 0) {
            g_assert_true(lukshdrPayloadCapacity(&volume, &capacity, &error));
            g_assert_no_error(error);
            g_assert_cmpuint(capacity, ==, cases[i].capacity);
        } else {
            g_assert_false(lukshdrPayloadCapacity(&volume, &capacity, &error));
            utilTestError(error, "OPERATION_INVALID not of format 'qcow2'");
        }
        close(fd);
    }
}

typedef struct {
    const guint8 *data;
    gsize len;
} testBytes;

static gssize
testRead(void *buf, gsize len, guint64 offset, void *opaque)
{
    const testBytes *bytes = opaque;
    gsize got = offset < bytes->len ? MIN(len, bytes->len - offset) : 0;

    memcpy(buf, bytes->data + MIN(offset, bytes->len), got);
    return got;
}

/* What can be told to be no ciphertext, and that ciphertext, which looks like random bytes, is not taken for that */
static void
testPlain(void)
{
    static const struct {
        gsize at;
        const char *bytes;
        gsize len;
        const char *what;
    } cases[] = {
        { 510, "\x55\xaa", 2, NULL }, /* no partition in it */
        { 446, "\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\x10\0\0", 16, NULL },
        { 512, "EFI PART", 8, "a partition table" },
        { 4096, "EFI PART", 8, "a partition table" },
        { 512, "LABELONE", 8, "a physical volume of LVM" },
        { 0, "XFSB", 4, "an XFS file system" },
        { 3, "NTFS    ", 8, "an NTFS file system" },
        { 82, "FAT32   ", 8, "a FAT file system" },
        { 1024 + 56, "\x53\xef\1\0", 4, "an ext4 file system" },
        { 4086, "SWAPSPACE2", 10, "swap space" },
        { 32769, "CD001", 5, "an image of a CD or DVD" },
        { 65600, "_BHRfS_M", 8, "a Btrfs file system" },
        { 0, "QFI\xfb", 4, "an image of format qcow2" },
        { 0, "KDMV", 4, "an image of format vmdk" },
        { 0, "vhdxfile", 8, "an image of format vhdx" },
        { 64, "\x7f\x10\xda\xbe", 4, "an image of format vdi" },
        { 0, "\3757zXZ", 6, "compressed data" },
        { 0, "LUKS\xba\xbe", 6, "a LUKS header of its own" },
    };
    static guint8 data[128 * 1024];
    testBytes bytes = { data, sizeof(data) };
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    size_t i;
    size_t j;

    g_assert_null(lukshdrPayloadFindPlain("raw", testRead, &bytes));
    g_assert_false(lukshdrPayloadIsFormat("qcow2", testRead, &bytes));
    g_assert_true(lukshdrPayloadIsFormat("raw", testRead, &bytes));
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        memset(data, 0, sizeof(data));
        memcpy(data + cases[i].at, cases[i].bytes, cases[i].len);
        g_assert_cmpstr(lukshdrPayloadFindPlain("raw", testRead, &bytes), ==, cases[i].what);
        /* what an image holds may be ciphertext */
        g_assert_cmpstr(lukshdrPayloadFindImage("raw", testRead, &bytes), ==,
                        cases[i].what && strstr(cases[i].what, "of format") ? cases[i].what : NULL);
        /* cut off before that, it cannot be told */
        bytes.len = cases[i].at + cases[i].len - 1;
        g_assert_cmpstr(lukshdrPayloadFindPlain("raw", testRead, &bytes), ==,
                        cases[i].bytes[cases[i].len - 1] ? NULL : cases[i].what);
        bytes.len = sizeof(data);
    }

    memset(data, 0, sizeof(data));
    memcpy(data + 446, "\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\x10\0\0", 16);
    memcpy(data + 510, "\x55\xaa", 2);
    g_assert_cmpstr(lukshdrPayloadFindPlain("raw", testRead, &bytes), ==, "a partition table");
    memcpy(data, "QFI\xfb\0\0\0\3", 8);
    g_assert_true(lukshdrPayloadIsFormat("qcow2", testRead, &bytes));

    /* a qcow2 image, its tables at 256 and 512, and in it an XFS file system, so it is in clear */
    memset(data, 0, sizeof(data));
    memcpy(data, "QFI\xfb\0\0\0\3", 8);
    data[23] = 12;
    data[46] = 1;
    data[256 + 6] = 2;
    data[512 + 6] = 0x10;
    g_assert_nonnull(lukshdrPayloadFindImage("raw", testRead, &bytes));
    memcpy(data + 4096, "XFSB", 4);
    g_assert_null(lukshdrPayloadFindImage("raw", testRead, &bytes));
    g_assert_cmpstr(lukshdrPayloadFindPlain("raw", testRead, &bytes), ==,
                    "an image of format qcow2");

    for (i = 0; i < 200; i++) {
        for (j = 0; j < sizeof(data); j += sizeof(guint32)) {
            guint32 word = g_rand_int(rand);

            memcpy(data + j, &word, sizeof(word));
        }
        /* as a guest's boot sector has it: the two bytes alone say nothing */
        memcpy(data + 510, "\x55\xaa", 2);
        g_assert_null(lukshdrPayloadFindPlain("raw", testRead, &bytes));
    }
}

static void
testPut(guint8 *at, guint64 value)
{
    value = GUINT64_TO_BE(value);
    memcpy(at, &value, sizeof(value));
}

/* An image of format qcow2 with clusters of 512 bytes: L1 at 1024, L2 at 2048, and a cluster of the disk at 4096 */
static void
testCut(void)
{
    static guint8 data[LUKSHDR_PAYLOAD_PEEK];
    testBytes bytes = { data, sizeof(data) };
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    size_t i;
    size_t j;

    memcpy(data, "QFI\xfb\0\0\0\3", 8);
    data[23] = 9;
    data[39] = 2;
    testPut(data + 40, 1024);
    testPut(data + 1024, 2048 | G_GUINT64_CONSTANT(1) << 63);
    testPut(data + 2048 + 8, 4096 | G_GUINT64_CONSTANT(1) << 63);

    g_assert_false(lukshdrPayloadIsCut("qcow2", sizeof(data), testRead, &bytes));
    g_assert_false(lukshdrPayloadIsCut("raw", 1, testRead, &bytes));
    g_assert_true(lukshdrPayloadIsCut("raw", 0, testRead, &bytes));
    g_assert_true(lukshdrPayloadIsCut("qcow2", 0, testRead, &bytes));
    for (i = 50; i < 5000; i++) {
        bytes.len = i;
        g_assert_cmpint(lukshdrPayloadIsCut("qcow2", i, testRead, &bytes), ==, i <= 4096);
    }

    bytes.len = sizeof(data);
    /* known to be zero, or compressed, which no ciphertext is */
    testPut(data + 2048 + 8, 4096 | 1);
    g_assert_false(lukshdrPayloadIsCut("qcow2", 4096, testRead, &bytes));
    testPut(data + 2048 + 8, 4096 | G_GUINT64_CONSTANT(1) << 62);
    g_assert_false(lukshdrPayloadIsCut("qcow2", 4096, testRead, &bytes));
    /* the second half of an entry of 16 bytes is no offset */
    testPut(data + 2048 + 8, 4096);
    g_assert_true(lukshdrPayloadIsCut("qcow2", 4096, testRead, &bytes));
    data[79] = 0x10;
    g_assert_false(lukshdrPayloadIsCut("qcow2", 4096, testRead, &bytes));

    /* whatever it says, nothing else is read */
    for (i = 0; i < 200; i++) {
        for (j = 8; j < 8192; j++)
            data[j] = g_rand_int(rand);
        data[23] = i % 24;
        if (i % 2)
            testPut(data + 40, g_rand_int_range(rand, 0, sizeof(data)));
        (void)lukshdrPayloadIsCut("qcow2", sizeof(data), testRead, &bytes);
        (void)lukshdrPayloadIsCut("qcow2", G_MAXUINT64, testRead, &bytes);
    }
}

int
main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(testImages); i++) {
        g_autofree char *path = g_strconcat("/payload/", testImages[i].name, NULL);

        g_test_add_data_func(path, &testImages[i], testOne);
    }
    g_test_add_func("/payload/short", testShort);
    g_test_add_func("/payload/image", testImageHead);
    g_test_add_func("/payload/unreadable", testUnreadable);
    g_test_add_func("/payload/real", testReal);
    g_test_add_func("/payload/plain", testPlain);
    g_test_add_func("/payload/cut", testCut);
    return g_test_run();
}
