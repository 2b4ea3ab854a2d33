/*
 * test-header.c: is a header volume the one of a link, and is every bit of it as it was?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <fcntl.h>
#include <libxml/parser.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "link/header.h"
#include "link/label.h"
#include "utiltest.h"

/* of luks1-cryptsetup-xts-256, see test-luks.c: slot 0 is active, 1 to 7 are not */
#define PHDR "luks1-cryptsetup-xts-256"
#define SLOT0 (8 * 512)
#define SLOT7 (1800 * 512)
#define SLOT_LEN (4000 * 32)
#define END (SLOT7 + SLOT_LEN)

typedef struct {
    char *path;
    lukshdrLink *link;
    int fd;
} testFixture;

static void
testSetUp(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(GPtrArray) links = g_ptr_array_new();
    g_autofree char *phdr = utilTestPhdr(PHDR);

    fix->path = utilTestPath("data.luks");
    fix->link = utilTestLink("/images/data.qcow2", fix->path);
    g_ptr_array_add(links, fix->link);
    utilTestHeader(fix->path, phdr, END, 0, links);
    fix->fd = open(fix->path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fix->fd, >=, 0);
}

static void
testTearDown(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    close(fix->fd);
    utilTestClear(fix->path);
    g_free(fix->path);
    lukshdrLinkUnref(fix->link);
}

static void
testAssertWhole(testFixture *fix)
{
    g_autoptr(GPtrArray) labels = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrHeaderCheck(fix->link, &fix->link->header, fix->fd, &labels, &error));
    g_assert_no_error(error);
    g_assert_nonnull(lukshdrLinkListFind(labels, fix->link->uuid));
    g_assert_true(lukshdrHeaderCheck(fix->link, &fix->link->header, fix->fd, NULL, &error));
}

static void
testAssertRefused(testFixture *fix, const char *expected)
{
    g_autoptr(GPtrArray) labels = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(lukshdrHeaderCheck(fix->link, &fix->link->header, fix->fd, &labels, &error));
    g_assert_null(labels);
    utilTestError(error, expected);
    /* which it is, for whoever reads the message */
    g_assert_nonnull(strstr(error->message, fix->path));
    g_assert_nonnull(strstr(error->message, "'vault'"));
}

/* One bit anywhere, and what is behind the end is not looked at */
static void
testBits(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    static const off_t damaged[] = { UTIL_TEST_PHDR_LEN,
                                     SLOT0 - 1,
                                     SLOT0,
                                     SLOT0 + SLOT_LEN / 2,
                                     SLOT0 + SLOT_LEN - 1,
                                     SLOT7 - 1,
                                     SLOT7,
                                     SLOT7 + 12345,
                                     END - 1 };
    static const off_t ignored[] = { END, END + 1, LUKSHDR_LABEL_OFFSET - 1,
                                     LUKSHDR_HEADER_VOLUME_SIZE - 1 };
    size_t i;

    testAssertWhole(fix);
    for (i = 0; i < UTIL_TEST_PHDR_LEN; i += 7) {
        /* in words of its own where it is no header any more, or has another UUID */
        utilTestXor(fix->fd, i, 1 << (i % 8));
        testAssertRefused(fix, "OPERATION_INVALID cannot be used");
        utilTestXor(fix->fd, i, 1 << (i % 8));
    }
    for (i = 0; i < G_N_ELEMENTS(damaged); i++) {
        utilTestXor(fix->fd, damaged[i], 1 << (i % 8));
        testAssertRefused(fix, "OPERATION_INVALID key material is damaged");
        utilTestXor(fix->fd, damaged[i], 1 << (i % 8));
    }
    for (i = 0; i < G_N_ELEMENTS(ignored); i++) {
        utilTestXor(fix->fd, ignored[i], 0x10);
        testAssertWhole(fix);
    }
}

/* Who wrote the label without a digest (a release that knew none) is believed */
static void
testNoDigest(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_clear_pointer(&fix->link->digest, g_free);
    g_assert_true(lukshdrLabelWriteOne(fix->fd, fix->link, NULL));
    testAssertWhole(fix);
    utilTestXor(fix->fd, SLOT7, 1);
    testAssertWhole(fix);

    /* but where the registry knows one, it holds */
    fix->link->digest = g_strnfill(LUKSHDR_LINK_DIGEST_LEN, 'a');
    testAssertRefused(fix, "OPERATION_INVALID virt-lukshdr link images/data.qcow2");
    fix->link->generation = 1;
    g_assert_true(lukshdrLabelWriteOne(fix->fd, fix->link, NULL));
    testAssertRefused(fix, "OPERATION_INVALID virt-lukshdr link images/data.qcow2");
}

/* Keys are changed from another host: what is newer is taken, what is older is not */
static void
testGenerations(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(lukshdrLink) label = lukshdrLinkCopy(fix->link);

    label->generation = 3;
    g_assert_true(lukshdrLabelWriteOne(fix->fd, label, NULL));
    fix->link->generation = 2;
    g_free(fix->link->digest);
    fix->link->digest = g_strnfill(LUKSHDR_LINK_DIGEST_LEN, 'a');
    testAssertWhole(fix);

    fix->link->generation = 3;
    testAssertRefused(fix, "OPERATION_INVALID another header than this host knows");
    testAssertRefused(fix, "OPERATION_INVALID virt-lukshdr link images/data.qcow2");
    fix->link->generation = 4;
    testAssertRefused(fix, "OPERATION_INVALID keys are of generation 3");
    g_clear_pointer(&fix->link->digest, g_free);
    testAssertRefused(fix, "OPERATION_INVALID an older header");

    /* an entry of today that says nothing of either takes what it sees */
    fix->link->generation = 0;
    testAssertWhole(fix);

    /* and without a LUKS UUID nothing is anybody's */
    g_clear_pointer(&fix->link->luksUUID, g_free);
    testAssertRefused(fix, "OPERATION_INVALID instead of -");
}

static void
testOthers(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *upper = g_ascii_strup(UTIL_TEST_LUKS_UUID, -1);
    g_autofree char *uuid = NULL;
    g_autoptr(GError) error = NULL;
    int fds[2];

    g_free(fix->link->luksUUID);
    fix->link->luksUUID = g_steal_pointer(&upper);
    testAssertWhole(fix);
    g_free(fix->link->luksUUID);
    fix->link->luksUUID = g_strdup(UTIL_TEST_SECRET_UUID);
    testAssertRefused(fix, "OPERATION_INVALID LUKS header " UTIL_TEST_LUKS_UUID " instead of");

    uuid = g_steal_pointer(&fix->link->uuid);
    fix->link->uuid = g_strdup(UTIL_TEST_SECRET_UUID);
    testAssertRefused(
        fix, "OPERATION_INVALID label is that of volume 'data.qcow2' of pool 'images', and not "
             "that of linked volume 'data.qcow2'");

    g_assert_true(lukshdrLabelClear(fix->fd, NULL));
    testAssertRefused(
        fix, "OPERATION_INVALID it has no link label, as a backup by cryptsetup has none; if it is "
             "the header of this volume: virt-lukshdr link images/data.qcow2");
    g_assert_cmpint(ftruncate(fix->fd, END), ==, 0);
    testAssertRefused(fix, "OPERATION_INVALID it has no link label");
    g_assert_cmpint(ftruncate(fix->fd, END - 1), ==, 0);
    testAssertRefused(fix, "OPERATION_INVALID it is cut short: its key material ends at");
    testAssertRefused(
        fix,
        "OPERATION_INVALID virt-lukshdr header-restore images/data.qcow2 FILE; without a backup");
    g_assert_cmpint(ftruncate(fix->fd, 0), ==, 0);
    testAssertRefused(fix, "OPERATION_INVALID there is no LUKS header");
    testAssertRefused(fix, "OPERATION_INVALID virsh vol-delete data.qcow2 images");

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_false(lukshdrHeaderCheck(fix->link, &fix->link->header, fds[0], NULL, &error));
    g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED);
    close(fds[0]);
    close(fds[1]);
}

/* A link that does not say which LUKS header it is encrypted with is not encrypted with any one: a
 * label may have no <luks> */
static void
testNoLuks(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_clear_pointer(&fix->link->luksUUID, g_free);
    testAssertRefused(fix, "OPERATION_INVALID LUKS header " UTIL_TEST_LUKS_UUID " instead of -");
}

/* A header that is shared is that of each of the links, and nobody else's */
static void
testShared(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(GPtrArray) links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    g_autoptr(lukshdrLink) stranger = utilTestLink("/images/other", fix->path);
    g_autofree char *phdr = utilTestPhdr(PHDR);
    guint i;

    for (i = 0; i < 3; i++) {
        lukshdrLink *link = lukshdrLinkCopy(fix->link);

        if (i > 0) {
            g_free(link->uuid);
            link->uuid = g_uuid_string_random();
        }
        g_ptr_array_add(links, link);
    }
    utilTestHeader(fix->path, phdr, END, 0, links);
    for (i = 0; i < 3; i++) {
        g_autoptr(GPtrArray) labels = NULL;

        g_assert_true(lukshdrHeaderCheck(g_ptr_array_index(links, i), &fix->link->header, fix->fd,
                                         &labels, NULL));
        g_assert_cmpuint(labels->len, ==, 3);
    }
    g_free(stranger->uuid);
    stranger->uuid = g_uuid_string_random();
    g_assert_false(lukshdrHeaderCheck(stranger, &stranger->header, fix->fd, NULL, NULL));

    utilTestXor(fix->fd, END - 1, 1);
    testAssertRefused(fix, "OPERATION_INVALID key material is damaged");
}

static void
testAdd(const char *name, void (*func)(testFixture *fix, gconstpointer opaque))
{
    g_autofree char *path = g_strconcat("/header/", name, NULL);

    g_test_add(path, testFixture, NULL, testSetUp, func, testTearDown);
}

int
main(int argc, char **argv)
{
    xmlInitParser();
    g_test_init(&argc, &argv, NULL);
    testAdd("bits", testBits);
    testAdd("no-digest", testNoDigest);
    testAdd("generations", testGenerations);
    testAdd("others", testOthers);
    testAdd("no-luks", testNoLuks);
    testAdd("shared", testShared);
    return g_test_run();
}
