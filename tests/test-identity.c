/*
 * test-identity.c: one thing under many names is one, two things are two
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/loop.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/xml.h"
#include "utiltest.h"

static lukshdrIdentity
testIdentity(const char *path)
{
    lukshdrIdentity identity;
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrIdentityFromPath(path, &identity, &error));
    g_assert_no_error(error);
    return identity;
}

static bool
testHasBirth(const lukshdrIdentity *identity)
{
    return identity->birthSec || identity->birthNsec;
}

/* Where the file system has no birth times, the most that can be said */
static lukshdrIdentityMatch
testSame(const lukshdrIdentity *identity)
{
    return testHasBirth(identity) ? LUKSHDR_IDENTITY_SAME : LUKSHDR_IDENTITY_UNCERTAIN;
}

static void
testNames(void)
{
    g_autofree char *path = utilTestPath("file");
    g_autofree char *other = utilTestPath("other");
    g_autofree char *soft = utilTestPath("soft");
    g_autofree char *hard = utilTestPath("hard");
    g_autofree char *dir = utilTestPath("dir");
    g_autofree char *odd = utilTestPath("dir//.././/file");
    lukshdrIdentity identity;
    lukshdrIdentity found;
    int fd;

    utilTestWrite(path, "x", 1);
    utilTestWrite(other, "x", 1);
    g_assert_cmpint(symlink("file", soft), ==, 0);
    g_assert_cmpint(link(path, hard), ==, 0);
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);

    identity = testIdentity(path);
    g_assert_cmpint(identity.type, ==, LUKSHDR_IDENTITY_FILE);

    found = testIdentity(soft);
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &found), ==, testSame(&identity));
    found = testIdentity(hard);
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &found), ==, testSame(&identity));
    found = testIdentity(odd);
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &found), ==, testSame(&identity));
    found = testIdentity(other);
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &found), ==, LUKSHDR_IDENTITY_DIFFERENT);

    /* what is written into it does not make it another */
    utilTestWrite(path, "more than before", -1);
    g_assert_cmpint(g_chmod(path, 0400), ==, 0);
    g_assert_cmpint(g_unlink(hard), ==, 0);
    found = testIdentity(path);
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &found), ==, testSame(&identity));

    fd = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_assert_true(lukshdrIdentityFromFD(fd, &found, NULL));
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &found), ==, testSame(&identity));
    close(fd);
}

/* In a child, since a mount namespace is for ever */
static void
testBindMount(void)
{
    g_autofree char *from = utilTestPath("bind-from");
    g_autofree char *to = utilTestPath("bind-to");
    g_autofree char *path = utilTestPath("bind-from/file");
    g_autofree char *again = utilTestPath("bind-to/file");
    g_autofree char *single = utilTestPath("bind-single");
    lukshdrIdentity identity;
    lukshdrIdentity found;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
        return;
    }

    g_assert_cmpint(g_mkdir(from, 0700), ==, 0);
    g_assert_cmpint(g_mkdir(to, 0700), ==, 0);
    utilTestWrite(path, "x", 1);
    utilTestWrite(single, "", 0);
    identity = testIdentity(path);

    g_assert_cmpint(unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER), ==, 0);
    g_assert_cmpint(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
    g_assert_cmpint(mount(from, to, NULL, MS_BIND, NULL), ==, 0);
    g_assert_cmpint(mount(path, single, NULL, MS_BIND, NULL), ==, 0);

    found = testIdentity(again);
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &found), ==, testSame(&identity));
    found = testIdentity(single);
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &found), ==, testSame(&identity));

    g_assert_cmpint(umount(single), ==, 0);
    g_assert_cmpint(umount(to), ==, 0);
}

static bool
testCanMount(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) == 0 &&
                      mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
                  ? 0
                  : 1);
    g_assert_cmpint(pid, >, 0);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return status == 0;
}

static void
testReuse(void)
{
    g_autofree char *path = utilTestPath("reuse");
    lukshdrIdentity first;
    lukshdrIdentity second;
    unsigned int attempt;

    utilTestWrite(path, "", 0);
    first = testIdentity(path);
    if (!testHasBirth(&first)) {
        g_test_skip("no birth times on this file system");
        return;
    }

    /* ext4 gives the lowest free inode, tmpfs never the same one: try, then pretend */
    for (attempt = 0; attempt < 20; attempt++) {
        g_assert_cmpint(g_unlink(path), ==, 0);
        g_usleep(20000);
        utilTestWrite(path, "", 0);
        second = testIdentity(path);
        g_assert_cmpint(lukshdrIdentityCompare(&first, &second), ==, LUKSHDR_IDENTITY_DIFFERENT);
        if (second.inode == first.inode) {
            g_test_message("inode %" G_GUINT64_FORMAT " was used again", first.inode);
            return;
        }
    }
    second.inode = first.inode;
    g_assert_cmpint(lukshdrIdentityCompare(&first, &second), ==, LUKSHDR_IDENTITY_DIFFERENT);
}

/* All that two records can have to do with each other.  What is not certain must
 * be called so in both directions. */
static void
testCompare(void)
{
#define FILE_ID(dev, inode, sec, nsec) \
    { \
        LUKSHDR_IDENTITY_FILE, dev, inode, sec, nsec \
    }
    static const struct {
        const char *what;
        lukshdrIdentity recorded;
        lukshdrIdentity found;
        lukshdrIdentityMatch match;
    } cases[] = {
        { "equal", FILE_ID(1, 2, 3, 4), FILE_ID(1, 2, 3, 4), LUKSHDR_IDENTITY_SAME },
        { "before 1970", FILE_ID(1, 2, -3, 4), FILE_ID(1, 2, -3, 4), LUKSHDR_IDENTITY_SAME },
        { "born at the second", FILE_ID(1, 2, 3, 0), FILE_ID(1, 2, 3, 0), LUKSHDR_IDENTITY_SAME },
        { "born in 1970", FILE_ID(1, 2, 0, 4), FILE_ID(1, 2, 0, 4), LUKSHDR_IDENTITY_SAME },
        { "inode", FILE_ID(1, 2, 3, 4), FILE_ID(1, 3, 3, 4), LUKSHDR_IDENTITY_DIFFERENT },
        { "second", FILE_ID(1, 2, 3, 4), FILE_ID(1, 2, 4, 4), LUKSHDR_IDENTITY_DIFFERENT },
        { "nanosecond", FILE_ID(1, 2, 3, 4), FILE_ID(1, 2, 3, 5), LUKSHDR_IDENTITY_DIFFERENT },
        { "device", FILE_ID(1, 2, 3, 4), FILE_ID(2, 2, 3, 4), LUKSHDR_IDENTITY_UNCERTAIN },
        { "device and birth", FILE_ID(1, 2, 3, 4), FILE_ID(2, 2, 3, 5),
          LUKSHDR_IDENTITY_DIFFERENT },
        { "no birth", FILE_ID(1, 2, 0, 0), FILE_ID(1, 2, 0, 0), LUKSHDR_IDENTITY_UNCERTAIN },
        { "birth recorded only", FILE_ID(1, 2, 3, 4), FILE_ID(1, 2, 0, 0),
          LUKSHDR_IDENTITY_UNCERTAIN },
        { "birth found only", FILE_ID(1, 2, 0, 0), FILE_ID(1, 2, 3, 4),
          LUKSHDR_IDENTITY_UNCERTAIN },
        /* NFS gets another device number at every mount, and has no birth times */
        { "device, no birth", FILE_ID(1, 2, 0, 0), FILE_ID(2, 2, 0, 0),
          LUKSHDR_IDENTITY_UNCERTAIN },
        { "device, birth recorded only", FILE_ID(1, 2, 3, 4), FILE_ID(2, 2, 0, 0),
          LUKSHDR_IDENTITY_DIFFERENT },
        { "device, birth found only", FILE_ID(1, 2, 0, 0), FILE_ID(2, 2, 3, 4),
          LUKSHDR_IDENTITY_DIFFERENT },
        { "inode, no birth", FILE_ID(1, 2, 0, 0), FILE_ID(1, 3, 0, 0), LUKSHDR_IDENTITY_DIFFERENT },
        { "block",
          { LUKSHDR_IDENTITY_BLOCK, .dev = 5 },
          { LUKSHDR_IDENTITY_BLOCK, .dev = 5 },
          LUKSHDR_IDENTITY_UNCERTAIN },
        { "other block",
          { LUKSHDR_IDENTITY_BLOCK, .dev = 5 },
          { LUKSHDR_IDENTITY_BLOCK, .dev = 6 },
          LUKSHDR_IDENTITY_DIFFERENT },
        { "block and file",
          { LUKSHDR_IDENTITY_BLOCK, .dev = 1 },
          FILE_ID(1, 2, 3, 4),
          LUKSHDR_IDENTITY_DIFFERENT },
        { "file and block",
          FILE_ID(1, 2, 3, 4),
          { LUKSHDR_IDENTITY_BLOCK, .dev = 1 },
          LUKSHDR_IDENTITY_DIFFERENT },
        { "nothing recorded",
          { LUKSHDR_IDENTITY_NONE, .dev = 1 },
          FILE_ID(1, 2, 3, 4),
          LUKSHDR_IDENTITY_DIFFERENT },
    };
#undef FILE_ID
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        lukshdrIdentityMatch match = lukshdrIdentityCompare(&cases[i].recorded, &cases[i].found);

        if (match != cases[i].match)
            g_error("%s: verdict %d instead of %d", cases[i].what, match, cases[i].match);
    }
}

static void
testRefusePath(const char *path, const char *expected)
{
    g_autoptr(GError) error = NULL;
    lukshdrIdentity identity;

    g_assert_false(lukshdrIdentityFromPath(path, &identity, &error));
    utilTestError(error, expected);
}

static void
testRefused(void)
{
    g_autofree char *fifo = utilTestPath("fifo");
    g_autofree char *missing = utilTestPath("missing");
    g_autofree char *loop = utilTestPath("loop");
    g_autofree char *dangling = utilTestPath("dangling");
    g_autofree char *relative = utilTestPath("relative");
    g_autoptr(GError) error = NULL;
    lukshdrIdentity identity;
    int fds[2];

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink("loop", loop), ==, 0);
    g_assert_cmpint(symlink("missing", dangling), ==, 0);

    testRefusePath(utilTestDir(), "OPERATION_UNSUPPORTED neither a regular file nor a block");
    testRefusePath(fifo, "OPERATION_UNSUPPORTED neither a regular file nor a block");
    testRefusePath("/dev/null", "OPERATION_UNSUPPORTED neither a regular file nor a block");
    testRefusePath(missing, "SYSTEM_ERROR Unable to examine");
    testRefusePath(loop, "SYSTEM_ERROR Unable to examine");
    testRefusePath(dangling, "SYSTEM_ERROR Unable to examine");
    testRefusePath("", "OPERATION_UNSUPPORTED no path on this host");
    /* "images/one" of a pool without host paths is not the file of that name below the
     * daemon's working directory */
    g_assert_cmpint(chdir(utilTestDir()), ==, 0);
    utilTestWrite(relative, "x", 1);
    testRefusePath("relative", "OPERATION_UNSUPPORTED no path on this host");

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_false(lukshdrIdentityFromFD(fds[0], &identity, &error));
    utilTestError(error, "OPERATION_UNSUPPORTED neither a regular file nor a block");
    g_clear_error(&error);
    close(fds[0]);
    close(fds[1]);
    g_assert_false(lukshdrIdentityFromFD(fds[0], &identity, &error));
    utilTestError(error, "SYSTEM_ERROR Unable to examine");
}

/* What a label of another host says of a file is believed only of that very file */
static void
testClaims(void)
{
    const lukshdrIdentity born = { .type = LUKSHDR_IDENTITY_FILE,
                                   .dev = 5,
                                   .inode = 7,
                                   .birthSec = 1700000000,
                                   .birthNsec = 1,
                                   .size = 100,
                                   .id = "fs-1-2" };
    const lukshdrIdentity disk = { .type = LUKSHDR_IDENTITY_BLOCK,
                                   .dev = 5,
                                   .id = "dm/uuid=LVM-x" };
    lukshdrIdentity found = born;
    lukshdrIdentity claim = born;
    const lukshdrIdentity none = { 0 };

    g_assert_true(lukshdrIdentityClaims(&claim, false, &found));
    g_assert_false(lukshdrIdentityClaims(&none, false, &found));
    g_assert_false(lukshdrIdentityClaims(&claim, false, &none));
    g_assert_false(lukshdrIdentityClaims(&none, false, &none));

    /* the device number is another on each host, and the size changes */
    found.dev = 6;
    found.size = 200;
    g_assert_true(lukshdrIdentityClaims(&claim, false, &found));
    /* another file system, such as a pool of the same name, where numbers begin again */
    g_strlcpy(found.id, "fs-1-3", sizeof(found.id));
    g_assert_false(lukshdrIdentityClaims(&claim, false, &found));
    found = born;
    found.inode = 8;
    g_assert_false(lukshdrIdentityClaims(&claim, false, &found));
    found = born;
    found.birthNsec = 2;
    g_assert_false(lukshdrIdentityClaims(&claim, false, &found));
    found.birthSec = 0;
    found.birthNsec = 0;
    g_assert_false(lukshdrIdentityClaims(&claim, false, &found));

    /* a label of release 0.1 names no file system */
    found = born;
    claim.id[0] = '\0';
    g_assert_true(lukshdrIdentityClaims(&claim, false, &found));
    found.dev = 6;
    g_assert_false(lukshdrIdentityClaims(&claim, false, &found));

    /* an NFS export without birth times */
    claim = found = born;
    claim.birthSec = found.birthSec = 0;
    claim.birthNsec = found.birthNsec = 0;
    found.dev = 6;
    g_assert_true(lukshdrIdentityClaims(&claim, false, &found));
    found.size = 101;
    g_assert_false(lukshdrIdentityClaims(&claim, false, &found));
    g_assert_true(lukshdrIdentityClaims(&claim, true, &found));
    found.size = 99;
    g_assert_false(lukshdrIdentityClaims(&claim, true, &found));
    claim.size = 0;
    g_assert_false(lukshdrIdentityClaims(&claim, true, &found));
    claim.id[0] = found.id[0] = '\0';
    claim.size = found.size = 100;
    claim.dev = found.dev;
    g_assert_false(lukshdrIdentityClaims(&claim, true, &found));

    claim = found = disk;
    found.dev = 6;
    g_assert_true(lukshdrIdentityClaims(&claim, false, &found));
    g_strlcpy(found.id, "dm/uuid=LVM-y", sizeof(found.id));
    g_assert_false(lukshdrIdentityClaims(&claim, false, &found));
    claim.id[0] = found.id[0] = '\0';
    found.dev = 5;
    g_assert_false(lukshdrIdentityClaims(&claim, false, &found));
}

/* A device's lasting name says which it is, whatever its number */
static void
testNamedBlock(void)
{
    lukshdrIdentity a = { .type = LUKSHDR_IDENTITY_BLOCK, .dev = 5, .id = "wwid=1" };
    lukshdrIdentity b = { .type = LUKSHDR_IDENTITY_BLOCK, .dev = 6, .id = "wwid=1" };

    g_assert_cmpint(lukshdrIdentityCompare(&a, &b), ==, LUKSHDR_IDENTITY_SAME);
    g_strlcpy(b.id, "wwid=2", sizeof(b.id));
    b.dev = 5;
    g_assert_cmpint(lukshdrIdentityCompare(&a, &b), ==, LUKSHDR_IDENTITY_DIFFERENT);
    b.id[0] = '\0';
    g_assert_cmpint(lukshdrIdentityCompare(&a, &b), ==, LUKSHDR_IDENTITY_UNCERTAIN);
    b.dev = 6;
    g_assert_cmpint(lukshdrIdentityCompare(&a, &b), ==, LUKSHDR_IDENTITY_DIFFERENT);
}

/* Attaches @disk to a loop device that lets go of it with the last descriptor, also
 * when the test dies.  Returns a descriptor, or -1. */
static int
testLoop(int disk, char **device)
{
    struct loop_config config = { .fd = disk, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    unsigned int attempt;
    int fd = -1;

    /* others may want one at the same time */
    for (attempt = 0; control >= 0 && fd < 0 && attempt < 20; attempt++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);

        g_free(*device);
        *device = g_strdup_printf("/dev/loop%d", number);
        fd = number >= 0 ? open(*device, O_RDWR | O_CLOEXEC) : -1;
        if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) < 0) {
            close(fd);
            fd = -1;
        }
    }
    if (control >= 0)
        close(control);
    return fd;
}

/* The number of a device node is that of the device, whatever the node is called */
static void
testBlock(void)
{
    g_autofree char *path = utilTestPath("disk");
    g_autofree char *node = utilTestPath("node");
    g_autofree char *device = NULL;
    lukshdrIdentity identity;
    lukshdrIdentity found;
    lukshdrIdentity file;
    struct stat st;
    int disk;
    int fd;

    utilTestWrite(path, "", 0);
    g_assert_cmpint(truncate(path, 1024 * 1024), ==, 0);
    disk = open(path, O_RDWR | O_CLOEXEC);
    fd = testLoop(disk, &device);
    close(disk);
    if (fd < 0) {
        g_test_skip("no loop device to be had");
        return;
    }

    identity = testIdentity(device);
    file = testIdentity(path);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpint(identity.type, ==, LUKSHDR_IDENTITY_BLOCK);
    g_assert_cmpuint(identity.dev, ==, st.st_rdev);
    g_assert_cmpuint(identity.inode, ==, 0);
    g_assert_cmpint(lukshdrIdentityCompare(&file, &identity), ==, LUKSHDR_IDENTITY_DIFFERENT);

    g_assert_true(lukshdrIdentityFromFD(fd, &found, NULL));
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &found), ==, LUKSHDR_IDENTITY_UNCERTAIN);
    g_assert_cmpint(mknod(node, S_IFBLK | 0600, st.st_rdev), ==, 0);
    found = testIdentity(node);
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &found), ==, LUKSHDR_IDENTITY_UNCERTAIN);
    close(fd);
}

/* An image of a Ceph cluster: its ids are the cluster's word, and all that there is */
static void
testRBD(void)
{
    static const char ID[] = "e3a0f9c2-5d0b-4a57-8d1f-0c7f1f6a2b11:3::10386b8b4567";
    static const char *const others[] = {
        "e3a0f9c2-5d0b-4a57-8d1f-0c7f1f6a2b12:3::10386b8b4567", /* another cluster */
        "e3a0f9c2-5d0b-4a57-8d1f-0c7f1f6a2b11:4::10386b8b4567", /* another pool */
        "e3a0f9c2-5d0b-4a57-8d1f-0c7f1f6a2b11:3:s:10386b8b4567",
        "e3a0f9c2-5d0b-4a57-8d1f-0c7f1f6a2b11:3::10386b8b4568", /* a copy */
    };
    static const char *const refused[] = { "<a><identity type='rbd'/></a>",
                                           "<a><identity type='rbd' id=''/></a>",
                                           "<a><identity type='rbd' id='nocolon'/></a>",
                                           "<a><identity type='rbd' id='a:b/c'/></a>",
                                           "<a><identity type='rbd' id='a:b c'/></a>" };
    const lukshdrIdentity file = { .type = LUKSHDR_IDENTITY_FILE, .inode = 7 };
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST "a", NULL);
    g_autofree char *text = NULL;
    g_autofree char *described = NULL;
    lukshdrIdentity identity;
    lukshdrIdentity again;
    lukshdrIdentity other;
    char longID[LUKSHDR_IDENTITY_ID_LEN + 1] = "a:";
    size_t i;

    g_assert_true(lukshdrIdentitySetRBD(&identity, ID, 5));
    g_assert_cmpint(identity.type, ==, LUKSHDR_IDENTITY_RBD);
    described = lukshdrIdentityDescribe(&identity);
    g_assert_nonnull(strstr(described, ID));

    xmlDocSetRootElement(doc, root);
    lukshdrIdentityFormat(root, &identity);
    text = lukshdrXMLFormat(root);
    g_assert_nonnull(strstr(text, "<identity type=\"rbd\" id=\""));
    g_assert_true(lukshdrIdentityParse(root, &again, NULL));
    g_assert_cmpint(lukshdrIdentityCompare(&identity, &again), ==, LUKSHDR_IDENTITY_SAME);
    g_assert_true(lukshdrIdentityClaims(&again, false, &identity));
    /* it may have grown, or shrunk */
    identity.size = 6;
    g_assert_true(lukshdrIdentityClaims(&again, false, &identity));
    g_assert_cmpint(lukshdrIdentityCompare(&file, &again), ==, LUKSHDR_IDENTITY_DIFFERENT);
    g_assert_false(lukshdrIdentityClaims(&file, false, &again));

    for (i = 0; i < G_N_ELEMENTS(others); i++) {
        g_assert_true(lukshdrIdentitySetRBD(&other, others[i], 5));
        g_assert_cmpint(lukshdrIdentityCompare(&identity, &other), ==, LUKSHDR_IDENTITY_DIFFERENT);
        g_assert_false(lukshdrIdentityClaims(&identity, false, &other));
    }
    for (i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(xmlDoc) bad = lukshdrXMLParse(refused[i], strlen(refused[i]), "a", NULL);
        g_autoptr(GError) error = NULL;

        g_assert_nonnull(bad);
        g_test_message("%s", refused[i]);
        g_assert_false(lukshdrIdentityParse(xmlDocGetRootElement(bad), &again, &error));
        g_assert_cmpint(error->code, ==, VIR_ERR_XML_ERROR);
    }

    /* half an id could be another's */
    memset(longID + 2, 'b', sizeof(longID) - 3);
    g_assert_false(lukshdrIdentitySetRBD(&other, longID, 5));
    g_assert_false(lukshdrIdentitySetRBD(&other, "a:<b>", 5));
    g_assert_false(lukshdrIdentitySetRBD(&other, "", 5));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/identity/names", testNames);
    g_test_add_func("/identity/reuse", testReuse);
    g_test_add_func("/identity/compare", testCompare);
    g_test_add_func("/identity/refused", testRefused);
    g_test_add_func("/identity/claims", testClaims);
    g_test_add_func("/identity/named-block", testNamedBlock);
    g_test_add_func("/identity/block", testBlock);
    g_test_add_func("/identity/rbd", testRBD);
    if (testCanMount())
        g_test_add_func("/identity/bind-mount", testBindMount);
    return g_test_run();
}
