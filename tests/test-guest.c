/*
 * test-guest.c: records of the linked disks of running guests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <libxml/parser.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"
#include "link/guest-record.h"
#include "link/guest-users.h"
#include "utiltest.h"

static lukshdrGuestDisk *
testDisk(const char *node)
{
    lukshdrGuestDisk *disk = g_new0(lukshdrGuestDisk, 1);

    disk->linkUUID = g_strdup(UTIL_TEST_UUID);
    disk->nodeName = g_strdup(node);
    disk->payloadPath = g_strdup("/p & <q>");
    disk->payloadIdentity = (lukshdrIdentity){ LUKSHDR_IDENTITY_FILE, 1, 2, -3, 4 };
    disk->headerPath = g_strdup("/dev/h");
    disk->headerIdentity = (lukshdrIdentity){ .type = LUKSHDR_IDENTITY_BLOCK, .dev = 2049 };
    disk->format = g_strdup("qcow2");
    disk->granted = 1;
    return disk;
}

static GPtrArray *
testDisks(void)
{
    GPtrArray *disks = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrGuestDiskFree);
    lukshdrGuestDisk *disk = testDisk("libvirt-2-format");

    g_ptr_array_add(disks, testDisk("libvirt-1-format"));
    disk->headerShared = disk->headerExplicit = disk->readOnly = true;
    disk->payloadIdentity.type = LUKSHDR_IDENTITY_NONE;
    disk->granted = G_MAXUINT;
    g_ptr_array_add(disks, disk);

    disk = testDisk("libvirt-3-format");
    g_free(disk->headerPath);
    disk->headerPath = g_strdup("rbd:vault/h at mon:6789");
    g_assert_true(lukshdrIdentitySetRBD(&disk->headerIdentity, "fsid:4::1", 5));
    disk->headerNode = g_strdup("libvirt-4-storage");
    g_ptr_array_add(disks, disk);
    return disks;
}

static void
testAssertIdentity(const lukshdrIdentity *a, const lukshdrIdentity *b)
{
    g_assert_cmpint(a->type, ==, b->type);
    if (a->type == LUKSHDR_IDENTITY_NONE)
        return;
    g_assert_cmpuint(a->dev, ==, b->dev);
    g_assert_cmpuint(a->inode, ==, b->inode);
    g_assert_cmpint(a->birthSec, ==, b->birthSec);
    g_assert_cmpuint(a->birthNsec, ==, b->birthNsec);
}

static void
testAssertDisk(const lukshdrGuestDisk *a, const lukshdrGuestDisk *b)
{
    g_assert_cmpstr(a->linkUUID, ==, b->linkUUID);
    g_assert_cmpstr(a->nodeName, ==, b->nodeName);
    g_assert_cmpstr(a->payloadPath, ==, b->payloadPath);
    testAssertIdentity(&a->payloadIdentity, &b->payloadIdentity);
    g_assert_cmpstr(a->headerPath, ==, b->headerPath);
    testAssertIdentity(&a->headerIdentity, &b->headerIdentity);
    g_assert_cmpstr(a->headerIdentity.id, ==, b->headerIdentity.id);
    g_assert_cmpstr(a->headerNode, ==, b->headerNode);
    g_assert_cmpstr(a->format, ==, b->format);
    g_assert_cmpint(a->headerShared, ==, b->headerShared);
    g_assert_cmpint(a->headerExplicit, ==, b->headerExplicit);
    g_assert_cmpint(a->readOnly, ==, b->readOnly);
    g_assert_cmpuint(a->granted, ==, b->granted);
}

static void
testRoundTrip(void)
{
    /* names that libvirt takes for a domain */
    static const char *const names[] = { "vm",    "a b", ".hidden", "..", "d\xc3\xa9j\xc3\xa0 <&>",
                                         "x.xml", "-rf", "a\nb" };
    g_autofree char *dir = utilTestPath("run/guests");
    g_autoptr(GPtrArray) disks = testDisks();
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    size_t i;
    guint d;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *file = g_strconcat(names[i], ".xml", NULL);
        g_autofree char *path = g_build_filename(dir, file, NULL);
        g_autoptr(GPtrArray) loaded = NULL;
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) list = NULL;
        struct stat st;

        g_assert_true(lukshdrGuestStore(dir, names[i], disks, &error));
        g_assert_no_error(error);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_mode, ==, S_IFREG | 0600);

        loaded = lukshdrGuestLoad(dir, names[i], &error);
        g_assert_no_error(error);
        g_assert_cmpuint(loaded->len, ==, disks->len);
        for (d = 0; d < disks->len; d++) {
            g_autoptr(lukshdrGuestDisk) copy = NULL;

            testAssertDisk(g_ptr_array_index(loaded, d), g_ptr_array_index(disks, d));
            copy = lukshdrGuestDiskCopy(g_ptr_array_index(loaded, d));
            testAssertDisk(copy, g_ptr_array_index(disks, d));
        }

        list = lukshdrGuestList(dir);
        g_assert_cmpuint(g_strv_length(list), ==, 1);
        g_assert_cmpstr(list[0], ==, names[i]);

        /* the last disk takes the record with it, and that again is no error */
        g_assert_true(lukshdrGuestStore(dir, names[i], none, &error));
        g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
        g_assert_true(lukshdrGuestStore(dir, names[i], none, &error));
        g_assert_no_error(error);
    }
}

static void
testNone(void)
{
    g_autofree char *dir = utilTestPath("none");
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) disks = lukshdrGuestLoad(dir, "vm", &error);
    g_auto(GStrv) list = lukshdrGuestList(dir);

    g_assert_no_error(error);
    g_assert_cmpuint(disks->len, ==, 0);
    g_assert_nonnull(list);
    g_assert_cmpuint(g_strv_length(list), ==, 0);
    lukshdrGuestDiskFree(NULL);
}

/* What a crash in a write leaves is nobody's record */
static void
testLeftover(void)
{
    g_autofree char *dir = utilTestPath("leftover");
    g_autofree char *left = utilTestPath("leftover/vm.xml.A1B2C3");
    g_autoptr(GPtrArray) disks = testDisks();
    g_auto(GStrv) list = NULL;

    g_assert_true(lukshdrGuestStore(dir, "other", disks, NULL));
    utilTestWrite(left, "half", -1);
    list = lukshdrGuestList(dir);
    g_assert_cmpuint(g_strv_length(list), ==, 1);
    g_assert_cmpstr(list[0], ==, "other");
}

static void
testRefuseText(const char *text, const char *expected)
{
    g_autofree char *dir = utilTestPath("damaged");
    g_autofree char *path = utilTestPath("damaged/vm.xml");
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrFileWrite(path, text, NULL));
    g_assert_null(lukshdrGuestLoad(dir, "vm", &error));
    utilTestError(error, expected);
}

static void
testDamaged(void)
{
    static const struct {
        const char *from;
        const char *to;
        const char *expected;
    } edits[] = {
        { " link=\"" UTIL_TEST_UUID "\"", "", "XML_ERROR incomplete" },
        { " node=\"libvirt-2-format\"", "", "XML_ERROR incomplete" },
        { " format=\"qcow2\"", "", "XML_ERROR incomplete" },
        { " granted=\"1\"", "", "XML_ERROR incomplete" },
        { " granted=\"1\"", " granted=\"-1\"", "XML_ERROR incomplete" },
        { "\"4294967295\"", "\"4294967296\"", "XML_ERROR incomplete" },
        { "<path>/dev/h</path>", "", "XML_ERROR no path in 'header'" },
        { "payload>", "payl>", "XML_ERROR malformed" },
        { "type=\"block\"", "type=\"char\"", "XML_ERROR type of an identity" },
        { "guest>", "host>", "XML_ERROR malformed" },
    };
    g_autofree char *dir = utilTestPath("damaged");
    g_autofree char *path = utilTestPath("damaged/vm.xml");
    g_autofree char *text = NULL;
    g_autofree char *content = NULL;
    g_autoptr(GPtrArray) disks = testDisks();
    g_autoptr(GError) error = NULL;
    gsize len;
    size_t i;

    g_assert_true(lukshdrGuestStore(dir, "vm", disks, NULL));
    g_assert_true(lukshdrFileRead(path, &text, NULL));
    g_assert_true(g_file_get_contents(path, &content, &len, NULL));

    for (i = 0; i < G_N_ELEMENTS(edits); i++) {
        g_auto(GStrv) parts = g_strsplit(text, edits[i].from, 2);
        g_autofree char *edited = g_strjoinv(edits[i].to, parts);

        g_assert_cmpuint(g_strv_length(parts), ==, 2);
        testRefuseText(edited, edits[i].expected);
    }
    testRefuseText("<link/>", "XML_ERROR expected an XML document with root element 'guest'");
    testRefuseText("", "XML_ERROR malformed");

    /* half of a record is not a guest with fewer disks */
    for (i = 0; i < len; i += 7) {
        g_autoptr(GError) cutError = NULL;

        utilTestWrite(path, content, i);
        g_assert_null(lukshdrGuestLoad(dir, "vm", &cutError));
        utilTestError(cutError, "OPERATION_INVALID damaged");
    }
}

#define TEST_USERS 30

/* The record "I-guest-I" of a guest with a disk on @link */
static void
testUse(const char *dir, unsigned int i, const char *link, bool readOnly)
{
    g_autoptr(GPtrArray)
        disks = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrGuestDiskFree);
    g_autofree char *record = g_strdup_printf("%u-guest-%u", i, i);
    lukshdrGuestDisk *disk = testDisk("libvirt-1-format");

    g_free(disk->linkUUID);
    disk->linkUUID = g_strdup(link);
    disk->readOnly = readOnly;
    g_ptr_array_add(disks, disk);
    /* a second one, of no link */
    disk = testDisk("libvirt-2-format");
    g_free(disk->linkUUID);
    disk->linkUUID = g_strdup(LUKSHDR_GUEST_NO_LINK);
    g_ptr_array_add(disks, disk);
    g_assert_true(lukshdrGuestStore(dir, record, disks, NULL));
}

/* @link is used by @guest, or, "", by nobody */
static void
testAssertUser(lukshdrGuestUsers *users, const char *link, bool writers, const char *guest)
{
    g_autofree char *found = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrGuestUsersFind(users, link, writers, -1, &found, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(found ? found : "", ==, guest);
}

static void
testRefuseUser(lukshdrGuestUsers *users, const char *link, const char *expected)
{
    g_autofree char *found = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(lukshdrGuestUsersFind(users, link, false, -1, &found, &error));
    utilTestError(error, expected);
    g_assert_null(found);
}

/* Which guest uses a link is known without reading any other guest's record, whatever changes */
static void
testUsers(void)
{
    g_autofree char *dir = utilTestPath("users");
    g_autofree char *path = utilTestPath("users/7-guest-7.xml");
    g_autoptr(lukshdrGuestUsers) users = lukshdrGuestUsersNew(dir);
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autofree char *content = NULL;
    char *links[TEST_USERS];
    unsigned int i;
    int fd;

    testAssertUser(users, UTIL_TEST_UUID, false, "");
    for (i = 0; i < TEST_USERS; i++) {
        links[i] = g_uuid_string_random();
        testUse(dir, i, links[i], i % 2);
    }
    fd = utilTestWatchOpens(dir);
    testAssertUser(users, links[7], false, "guest-7");
    g_free(utilTestOpened(fd));

    /* odd ones only read */
    testAssertUser(users, links[7], true, "");
    testAssertUser(users, links[8], true, "guest-8");
    testAssertUser(users, UTIL_TEST_UUID, false, "");
    testAssertUser(users, LUKSHDR_GUEST_NO_LINK, false, "");
    utilTestAssertOpened(fd, "");

    /* changed, ended, started again with a volume of another's */
    testUse(dir, 7, links[7], false);
    g_free(utilTestOpened(fd));
    testAssertUser(users, links[7], true, "guest-7");
    utilTestAssertOpened(fd, "7-guest-7.xml ");
    g_assert_true(lukshdrGuestStore(dir, "7-guest-7", none, NULL));
    g_free(utilTestOpened(fd));
    testAssertUser(users, links[7], false, "");
    testAssertUser(users, links[8], false, "guest-8");
    utilTestAssertOpened(fd, "");
    testUse(dir, 7, links[8], false);
    testUse(dir, 8, UTIL_TEST_UUID, false);
    testAssertUser(users, links[8], false, "guest-7");
    testAssertUser(users, links[7], false, "");
    testAssertUser(users, UTIL_TEST_UUID, false, "guest-8");

    /* a record that cannot be believed may be about any link but those that are known to be used */
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    utilTestWrite(path, content, strlen(content) / 2);
    testRefuseUser(users, links[8],
                   "OPERATION_INVALID uncertain which volumes domain 'guest-7' uses");
    testRefuseUser(users, links[7],
                   "OPERATION_INVALID uncertain which volumes domain 'guest-7' uses");
    testAssertUser(users, UTIL_TEST_UUID, false, "guest-8");
    g_free(utilTestOpened(fd));
    testRefuseUser(users, links[7],
                   "OPERATION_INVALID uncertain which volumes domain 'guest-7' uses");
    utilTestAssertOpened(fd, "7-guest-7.xml ");
    utilTestWrite(path, content, strlen(content));
    testAssertUser(users, links[8], false, "guest-7");
    testAssertUser(users, links[7], false, "");

    /* after a reboot none is left */
    utilTestClear(dir);
    testAssertUser(users, links[8], false, "");
    testUse(dir, 1, links[8], false);
    testAssertUser(users, links[8], false, "guest-1");

    close(fd);
    for (i = 0; i < TEST_USERS; i++)
        g_free(links[i]);
}

int
main(int argc, char **argv)
{
    xmlInitParser();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest/round-trip", testRoundTrip);
    g_test_add_func("/guest/none", testNone);
    g_test_add_func("/guest/leftover", testLeftover);
    g_test_add_func("/guest/damaged", testDamaged);
    g_test_add_func("/guest/users", testUsers);
    return g_test_run();
}
