/*
 * test-registry.c: the link registry, as two processes see it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two registry objects on one directory stand for the storage half's and the
 * QEMU half's processes.
 */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <libxml/parser.h>
#include <linux/loop.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"
#include "link/registry-priv.h"
#include "utiltest.h"

/* How changes of the directory can be noticed; each test runs in all ways */
typedef enum {
    TEST_EVENTS,    /* by events of inotify */
    TEST_NO_EVENTS, /* there is no queue of events to be had */
    TEST_SHARED,    /* other hosts may write to the file system */
} testWay;

static testWay testHow;

/* In front of the C library's */
int
inotify_init1(int flags)
{
    if (testHow == TEST_NO_EVENTS) {
        errno = EMFILE;
        return -1;
    }
    return syscall(SYS_inotify_init1, flags);
}

int
statfs(const char *path, struct statfs *buf)
{
    int rc = syscall(SYS_statfs, path, buf);

    if (rc == 0 && testHow == TEST_SHARED)
        buf->f_type = NFS_SUPER_MAGIC;
    return rc;
}

typedef struct {
    char *root;
    char *dir; /* the registry's */
    char *payload;
    char *header;
    char *plain; /* a volume that is no part of any link */
    lukshdrRegistry *writer;
    lukshdrRegistry *reader;
} testFixture;

static char *
testPath(const testFixture *fix, const char *name)
{
    return g_build_filename(fix->root, name, NULL);
}

static void
testSetUp(testFixture *fix, gconstpointer opaque)
{
    testHow = GPOINTER_TO_INT(opaque);
    fix->root = utilTestPath("registry");
    g_assert_cmpint(g_mkdir(fix->root, 0700), ==, 0);
    fix->dir = testPath(fix, "links");
    fix->payload = testPath(fix, "data.img");
    fix->header = testPath(fix, "data.luks");
    fix->plain = testPath(fix, "plain.img");
    utilTestWrite(fix->payload, "p", 1);
    utilTestWrite(fix->header, "h", 1);
    utilTestWrite(fix->plain, "x", 1);
    fix->writer = lukshdrRegistryNew(fix->dir);
    fix->reader = lukshdrRegistryNew(fix->dir);
}

static void
testTearDown(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    lukshdrRegistryFree(fix->writer);
    lukshdrRegistryFree(fix->reader);
    utilTestClear(fix->root);
    g_free(fix->root);
    g_free(fix->dir);
    g_free(fix->payload);
    g_free(fix->header);
    g_free(fix->plain);
}

static void
testStore(lukshdrRegistry *reg, lukshdrLink *link)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrRegistryStore(reg, link, &error));
    g_assert_no_error(error);
}

static void
testStoreFixture(testFixture *fix)
{
    g_autoptr(lukshdrLink) link = utilTestLink(fix->payload, fix->header);

    testStore(fix->writer, link);
}

/* @path is @found's payload, "" for nobody's, NULL for what cannot be decided */
static void
testAssertPayload(lukshdrRegistry *reg, const char *path, const char *found)
{
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;
    bool ok = lukshdrRegistryFindPayload(reg, path, &link, &error);

    if (!found) {
        if (ok)
            g_error("'%s' was decided: %s", path, link ? link->uuid : "no payload");
        g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID);
        g_assert_nonnull(strstr(error->message, path));
        g_assert_null(link);
        return;
    }
    g_assert_no_error(error);
    g_assert_true(ok);
    if (g_strcmp0(link ? link->uuid : "", found))
        g_error("'%s' is the payload of '%s'", path, link ? link->uuid : "");
}

static void
testAssertHeader(lukshdrRegistry *reg, const char *path, const char *found)
{
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrRegistryFindHeader(reg, path, &link, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(link ? link->uuid : "", ==, found);
}

static unsigned int
testCount(lukshdrRegistry *reg)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) links = lukshdrRegistryList(reg, &error);

    g_assert_no_error(error);
    return links->len;
}

static unsigned int
testDamageCount(lukshdrRegistry *reg)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) damaged = NULL;
    guint i;

    g_assert_true(lukshdrRegistryLoad(reg, &damaged, &error));
    g_assert_no_error(error);
    for (i = 0; i < damaged->len; i++)
        g_assert_nonnull(strstr(g_ptr_array_index(damaged, i), ".xml"));
    return damaged->len;
}

static void
testStoreLookup(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(lukshdrLink) link = utilTestLink(fix->payload, fix->header);
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *file = g_build_filename(fix->dir, UTIL_TEST_UUID ".xml", NULL);
    g_autofree char *stored = NULL;
    g_autofree char *found = NULL;
    struct stat st;

    /* a directory that does not exist is an empty registry */
    testAssertPayload(fix->reader, fix->payload, "");
    g_assert_cmpuint(testCount(fix->reader), ==, 0);
    g_assert_true(lukshdrRegistryRemove(fix->writer, UTIL_TEST_UUID, &error));
    g_assert_no_error(error);

    testStore(fix->writer, link);
    g_assert_cmpint(stat(file, &st), ==, 0);
    g_assert_cmpint(st.st_mode, ==, S_IFREG | 0600);
    g_assert_cmpint(stat(fix->dir, &st), ==, 0);
    g_assert_cmpint(st.st_mode, ==, S_IFDIR | 0700);

    g_assert_true(
        lukshdrRegistryLookup(fix->reader, "images", "data.img", &payload, &header, NULL));
    g_assert_null(header);
    stored = lukshdrLinkFormat(link);
    found = lukshdrLinkFormat(payload);
    g_assert_cmpstr(stored, ==, found);
    g_clear_pointer(&payload, lukshdrLinkUnref);

    g_assert_true(
        lukshdrRegistryLookup(fix->reader, "vault", "data.luks", &payload, &header, NULL));
    g_assert_null(payload);
    g_assert_nonnull(header);
    g_clear_pointer(&header, lukshdrLinkUnref);

    g_assert_true(lukshdrRegistryLookup(fix->reader, "vault", "data.img", &payload, &header, NULL));
    g_assert_null(payload);
    g_assert_null(header);
    g_assert_true(lukshdrRegistryLookup(fix->reader, "images", "data.img", NULL, NULL, NULL));

    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);
    testAssertPayload(fix->reader, fix->header, "");
    testAssertPayload(fix->reader, fix->plain, "");
    testAssertHeader(fix->reader, fix->header, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, fix->payload, "");
    testAssertHeader(fix->reader, fix->plain, "");
    g_assert_cmpuint(testCount(fix->reader), ==, 1);

    g_assert_true(lukshdrRegistryRemove(fix->writer, UTIL_TEST_UUID, &error));
    testAssertPayload(fix->reader, fix->payload, "");
    testAssertHeader(fix->reader, fix->header, "");
    g_assert_cmpuint(testCount(fix->reader), ==, 0);
}

/* One header, two payloads */
static void
testShared(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(lukshdrLink) first = utilTestLink(fix->payload, fix->header);
    g_autoptr(lukshdrLink) second = utilTestLink(fix->plain, fix->header);
    g_autoptr(lukshdrLink) header = NULL;

    first->headerShared = second->headerShared = true;
    g_free(second->uuid);
    second->uuid = g_uuid_string_random();
    testStore(fix->writer, first);
    testStore(fix->writer, second);
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);
    testAssertPayload(fix->reader, fix->plain, second->uuid);
    g_assert_true(lukshdrRegistryFindHeader(fix->reader, fix->header, &header, NULL));
    g_assert_nonnull(header);
}

static void
testAddReplica(lukshdrLink *link, const char *pool, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    lukshdrVolume *vol;

    lukshdrLinkAddReplica(link, pool, name);
    vol = lukshdrLinkHeaderCopy(link, link->replicas->len);
    vol->path = g_strdup(path);
    g_assert_true(lukshdrIdentityFromPath(path, &vol->identity, NULL));
}

/* @links, which is taken over, holds that many */
static void
testAssertListed(GPtrArray *links, guint count)
{
    g_autoptr(GPtrArray) owned = links;

    g_assert_true(links && links->len == count);
}

/* The fixture's link with two replicas, whose paths are given */
static lukshdrLink *
testReplicated(const testFixture *fix, const char *first, const char *second)
{
    lukshdrLink *link = utilTestLink(fix->payload, fix->header);

    utilTestWrite(first, "h", 1);
    utilTestWrite(second, "h", 1);
    testAddReplica(link, "copies", first);
    testAddReplica(link, "far", second);
    return link;
}

/* FindHeader cannot decide on @path, and says which copy it may be */
static void
testAssertUndecided(lukshdrRegistry *reg, const char *path, const char *expected)
{
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;

    if (lukshdrRegistryFindHeader(reg, path, &link, &error))
        g_error("'%s' was decided: %s", path, link ? link->uuid : "no header");
    g_assert_null(link);
    utilTestError(error, expected);
}

/* A replica is a header, by whatever it is looked up */
static void
testReplicas(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *first = testPath(fix, "first.luks");
    g_autofree char *second = testPath(fix, "second.luks");
    g_autofree char *soft = testPath(fix, "soft");
    g_autofree char *hard = testPath(fix, "hard");
    g_autofree char *doubled = g_strconcat("/", fix->root, "//./second.luks", NULL);
    g_autoptr(lukshdrLink) link = testReplicated(fix, first, second);
    g_autoptr(lukshdrLink) stored = NULL;
    static const struct {
        const char *pool;
        const char *volume;
        bool header;
    } names[] = {
        { "vault", "data.luks", true },   { "copies", "first.luks", true },
        { "far", "second.luks", true },   { "far", "first.luks", false },
        { "vault", "first.luks", false }, { "copies", "data.luks", false },
    };
    size_t i;

    testStore(fix->writer, link);
    g_assert_cmpint(symlink(second, soft), ==, 0);
    g_assert_cmpint(linkat(AT_FDCWD, first, AT_FDCWD, hard, 0), ==, 0);
    testAssertHeader(fix->reader, fix->header, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, first, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, second, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, doubled, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, soft, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, hard, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, fix->plain, "");
    testAssertHeader(fix->reader, fix->payload, "");

    /* and no payload */
    testAssertPayload(fix->reader, first, "");
    testAssertPayload(fix->reader, second, "");
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(lukshdrLink) payload = NULL;
        g_autoptr(lukshdrLink) header = NULL;

        g_assert_true(lukshdrRegistryLookup(fix->reader, names[i].pool, names[i].volume, &payload,
                                            &header, NULL));
        g_assert_null(payload);
        g_assert_true(!!header == names[i].header);
        if (header) {
            g_autofree char *expected = lukshdrLinkFormat(link);
            g_autofree char *text = lukshdrLinkFormat(header);

            g_assert_cmpstr(text, ==, expected);
        }
    }

    /* one that goes is none any more, the others are still */
    stored = lukshdrLinkCopy(link);
    g_ptr_array_remove_index(stored->replicas, 0);
    testStore(fix->writer, stored);
    testAssertHeader(fix->reader, first, "");
    testAssertHeader(fix->reader, second, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, fix->header, UTIL_TEST_UUID);
    g_assert_true(lukshdrRegistryRemove(fix->writer, UTIL_TEST_UUID, NULL));
    testAssertHeader(fix->reader, second, "");
    testAssertHeader(fix->reader, fix->header, "");
}

/* What stands where a replica stood is as uncertain as it is with the header itself, and it is
 * the replica that is named */
static void
testReplicasUndecided(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *first = testPath(fix, "first.luks");
    g_autofree char *second = testPath(fix, "second.luks");
    g_autofree char *moved = testPath(fix, "moved");
    g_autofree char *hard = testPath(fix, "hard");
    g_autofree char *file = g_build_filename(fix->dir, UTIL_TEST_UUID ".xml", NULL);
    g_autofree char *content = NULL;
    g_autoptr(lukshdrLink) link = testReplicated(fix, first, second);
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;
    lukshdrVolume *vol = lukshdrLinkHeaderCopy(link, 2);
    gsize len;

    testStore(fix->writer, link);
    g_assert_cmpint(g_rename(second, moved), ==, 0);
    testAssertHeader(fix->reader, second, "");
    testAssertHeader(fix->reader, moved, UTIL_TEST_UUID);
    utilTestWrite(second, "another", -1);
    testAssertUndecided(fix->reader, second,
                        "OPERATION_INVALID the header volume 'second.luks' of pool 'far'");
    testAssertHeader(fix->reader, first, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, fix->header, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, fix->plain, "");
    g_assert_cmpint(g_rename(moved, second), ==, 0);
    testAssertHeader(fix->reader, second, UTIL_TEST_UUID);

    /* as after a remount */
    g_assert_cmpint(linkat(AT_FDCWD, second, AT_FDCWD, hard, 0), ==, 0);
    vol->identity.dev++;
    testStore(fix->writer, link);
    testAssertHeader(fix->reader, second, UTIL_TEST_UUID);
    testAssertHeader(fix->reader, hard, UTIL_TEST_UUID);
    g_assert_cmpint(g_rename(second, moved), ==, 0);
    testAssertUndecided(fix->reader, hard, "OPERATION_INVALID volume 'second.luks' of pool 'far'");
    g_assert_cmpint(g_rename(moved, second), ==, 0);
    vol->identity.dev--;

    /* recorded, but never seen (a crash while it was made) */
    vol->identity.type = LUKSHDR_IDENTITY_NONE;
    testStore(fix->writer, link);
    testAssertUndecided(fix->reader, second, "OPERATION_INVALID volume 'second.luks'");

    /* planned only: it has no path yet */
    g_clear_pointer(&vol->path, g_free);
    link->state = LUKSHDR_LINK_STATE_CREATING;
    testStore(fix->writer, link);
    testAssertHeader(fix->reader, second, "");
    g_assert_true(lukshdrRegistryLookup(fix->reader, "far", "second.luks", NULL, &header, NULL));
    g_assert_nonnull(header);
    g_clear_pointer(&header, lukshdrLinkUnref);
    testAssertListed(lukshdrRegistryListPool(fix->reader, "far", NULL), 1);

    /* later on that is a volume which a label names and nobody here has seen */
    for (link->state = LUKSHDR_LINK_STATE_ACTIVE; link->state <= LUKSHDR_LINK_STATE_UNLINKING;
         link->state++) {
        testStore(fix->writer, link);
        testAssertHeader(fix->reader, second, "");
        g_assert_true(
            lukshdrRegistryLookup(fix->reader, "far", "second.luks", NULL, &header, NULL));
        g_assert_null(header);
        testAssertListed(lukshdrRegistryListPool(fix->reader, "far", NULL), 0);
        testAssertListed(lukshdrRegistryListPool(fix->reader, "copies", NULL), 1);
    }
    link->state = LUKSHDR_LINK_STATE_ACTIVE;

    /* in a place that cannot be examined */
    vol->path = testPath(fix, "loop");
    g_assert_cmpint(symlink("loop", vol->path), ==, 0);
    testStore(fix->writer, link);
    testAssertUndecided(fix->reader, vol->path, "OPERATION_INVALID volume 'second.luks'");
    testAssertPayload(fix->reader, vol->path, "");

    /* and what an entry that is damaged says of replicas is as little believed as the rest */
    g_assert_true(g_file_get_contents(file, &content, &len, NULL));
    content[len - 10] ^= 1;
    utilTestWrite(file, content, len);
    g_assert_cmpuint(testDamageCount(fix->reader), ==, 1);
    testAssertUndecided(fix->reader, first, "OPERATION_INVALID cannot be believed");
    g_assert_false(
        lukshdrRegistryLookup(fix->reader, "copies", "first.luks", NULL, &header, &error));
    utilTestError(error, "OPERATION_INVALID cannot be believed");
}

/* Two links with one header may have other replicas each, and may name one twice */
static void
testReplicasShared(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *first = testPath(fix, "first.luks");
    g_autofree char *second = testPath(fix, "second.luks");
    g_autoptr(lukshdrLink) one = testReplicated(fix, first, second);
    g_autoptr(lukshdrLink) other = utilTestLink(fix->plain, fix->header);
    g_autoptr(lukshdrLink) found = NULL;

    g_free(other->uuid);
    other->uuid = g_uuid_string_random();
    testAddReplica(other, "far", second);
    testAddReplica(other, "far", second);
    testAddReplica(other, "vault", fix->header);
    testStore(fix->writer, one);
    testStore(fix->writer, other);

    testAssertHeader(fix->reader, first, UTIL_TEST_UUID);
    g_assert_true(lukshdrRegistryFindHeader(fix->reader, second, &found, NULL));
    g_assert_nonnull(found);
    g_clear_pointer(&found, lukshdrLinkUnref);
    g_assert_true(lukshdrRegistryFindHeader(fix->reader, fix->header, &found, NULL));
    g_assert_nonnull(found);
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);
    testAssertPayload(fix->reader, fix->plain, other->uuid);
    testAssertPayload(fix->reader, second, "");
}

/* A loop device over @path, or NULL where there can be none; freed by testLoopGone */
static char *
testLoop(const char *path, int *loop)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    char *device = NULL;
    unsigned int tries;

    *loop = -1;
    /* somebody else may take it between the two */
    for (tries = 0; control >= 0 && *loop < 0 && tries < 100; tries++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        int file = open(path, O_RDWR | O_CLOEXEC);

        g_free(device);
        device = g_strdup_printf("/dev/loop%d", number);
        *loop = number < 0 ? -1 : open(device, O_RDWR | O_CLOEXEC);
        if (*loop >= 0 && ioctl(*loop, LOOP_SET_FD, file) < 0) {
            close(*loop);
            *loop = -1;
        }
        close(file);
    }
    if (control >= 0)
        close(control);
    if (*loop < 0)
        g_clear_pointer(&device, g_free);
    return device;
}

static void
testLoopGone(char *device, int loop)
{
    g_assert_cmpint(ioctl(loop, LOOP_CLR_FD), ==, 0);
    close(loop);
    g_free(device);
}

/* A loop device over any copy of the header, or over the payload, is refused by the name of
 * what is behind it */
static void
testLoops(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *first = testPath(fix, "first.luks");
    g_autofree char *second = testPath(fix, "second.luks");
    g_autofree char *block = g_strnfill(4096, 'h');
    g_autoptr(lukshdrLink) link = testReplicated(fix, first, second);
    const struct {
        const char *path;
        const char *payload; /* what FindPayload says, or NULL */
        const char *header;
    } cases[] = {
        { fix->header, NULL, "loop device over the header volume 'data.luks' of pool 'vault'" },
        { first, NULL, "loop device over the header volume 'first.luks' of pool 'copies'" },
        { second, NULL, "loop device over the header volume 'second.luks' of pool 'far'" },
        { fix->payload, "loop device over the payload volume 'data.img' of pool 'images'", NULL },
        { fix->plain, NULL, NULL },
    };
    size_t i;

    testStore(fix->writer, link);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(lukshdrLink) payload = NULL;
        g_autoptr(lukshdrLink) header = NULL;
        g_autoptr(GError) payloadError = NULL;
        g_autoptr(GError) headerError = NULL;
        char *device;
        int loop;

        utilTestWrite(cases[i].path, block, 4096);
        if (!(device = testLoop(cases[i].path, &loop))) {
            g_test_skip("no loop device can be had here");
            return;
        }
        lukshdrRegistryFindPayload(fix->reader, device, &payload, &payloadError);
        lukshdrRegistryFindHeader(fix->reader, device, &header, &headerError);
        testLoopGone(device, loop);
        g_assert_null(payload);
        g_assert_null(header);
        if (cases[i].payload) {
            g_assert_error(payloadError, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED);
            g_assert_nonnull(strstr(payloadError->message, cases[i].payload));
        } else {
            g_assert_no_error(payloadError);
        }
        if (cases[i].header) {
            g_assert_error(headerError, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED);
            g_assert_nonnull(strstr(headerError->message, cases[i].header));
        } else {
            g_assert_no_error(headerError);
        }
    }
}

/* Two links that claim one payload: which header is its own nobody can say */
static void
testTwoClaims(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(lukshdrLink) second = utilTestLink(fix->payload, fix->plain);

    g_free(second->uuid);
    second->uuid = g_uuid_string_random();
    testStoreFixture(fix);
    testStore(fix->writer, second);
    testAssertPayload(fix->reader, fix->payload, NULL);
}

/* Changes that leave the kernel's clock no time to tick between them */
static void
testAtOnce(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    static const lukshdrLinkState states[] = { LUKSHDR_LINK_STATE_ACTIVE,
                                               LUKSHDR_LINK_STATE_CREATING,
                                               LUKSHDR_LINK_STATE_DELETING };
    g_autoptr(lukshdrLink) link = utilTestLink(fix->payload, fix->header);
    unsigned int i;

    for (i = 0; i < 300; i++) {
        g_autoptr(lukshdrLink) changed = lukshdrLinkCopy(link);
        g_autoptr(lukshdrLink) found = NULL;

        changed->state = states[i % G_N_ELEMENTS(states)];
        testStore(fix->writer, changed);
        g_assert_true(lukshdrRegistryFindPayload(fix->reader, fix->payload, &found, NULL));
        g_assert_cmpint(found->state, ==, changed->state);
        if (i % 10 == 9) {
            g_assert_true(lukshdrRegistryRemove(fix->writer, UTIL_TEST_UUID, NULL));
            testAssertPayload(fix->reader, fix->payload, "");
        }
    }
}

/* ext4 with inodes of 128 bytes counts in seconds: two changes in one second look
 * like one, and a reader that has seen the first must see the second */
static void
testWholeSeconds(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(lukshdrLink) link = utilTestLink(fix->payload, fix->header);
    struct timespec stamp[2] = { { .tv_nsec = UTIME_OMIT } };
    struct stat st;

    testStoreFixture(fix);
    g_assert_true(lukshdrRegistryRemove(fix->writer, UTIL_TEST_UUID, NULL));
    g_assert_cmpint(stat(fix->dir, &st), ==, 0);
    stamp[1].tv_sec = st.st_mtim.tv_sec;

    g_usleep(50000);
    g_assert_cmpint(utimensat(AT_FDCWD, fix->dir, stamp, 0), ==, 0);
    testAssertPayload(fix->reader, fix->payload, "");
    testStore(fix->writer, link);
    g_assert_cmpint(utimensat(AT_FDCWD, fix->dir, stamp, 0), ==, 0);
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);
}

/* A file that is replaced while the directory is read is in the directory at every
 * moment: nobody may miss it */
typedef struct {
    lukshdrRegistry *reg;
    GPtrArray *links;
    gint done;
} testRenamer;

static gpointer
testRename(gpointer opaque)
{
    testRenamer *renamer = opaque;
    guint i = 0;

    while (!g_atomic_int_get(&renamer->done)) {
        testStore(renamer->reg, g_ptr_array_index(renamer->links, i % renamer->links->len));
        i++;
    }
    return NULL;
}

static void
testScanRace(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(GPtrArray) links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    testRenamer renamer = { fix->writer, links, 0 };
    GThread *thread;
    guint i;

    for (i = 0; i < 100; i++) {
        lukshdrLink *link = utilTestLink(fix->payload, fix->header);

        g_free(link->uuid);
        link->uuid = g_uuid_string_random();
        g_ptr_array_add(links, link);
        testStore(fix->writer, link);
    }

    thread = g_thread_new("renamer", testRename, &renamer);
    for (i = 0; i < 100; i++) {
        g_autoptr(lukshdrRegistry) fresh = lukshdrRegistryNew(fix->dir);

        g_assert_cmpuint(testCount(fresh), ==, links->len);
        g_assert_cmpuint(testCount(fix->reader), ==, links->len);
    }
    g_atomic_int_set(&renamer.done, 1);
    g_thread_join(thread);
}

static void
testAliases(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *soft = testPath(fix, "soft");
    g_autofree char *hard = testPath(fix, "hard");
    g_autofree char *dirLink = testPath(fix, "second-pool");
    g_autofree char *second = testPath(fix, "second-pool/data.img");
    g_autofree char *doubled = g_strconcat("/", fix->root, "//./data.img", NULL);

    testStoreFixture(fix);
    g_assert_cmpint(symlink(fix->payload, soft), ==, 0);
    g_assert_cmpint(linkat(AT_FDCWD, fix->payload, AT_FDCWD, hard, 0), ==, 0);
    g_assert_cmpint(symlink(".", dirLink), ==, 0);
    testAssertPayload(fix->reader, soft, UTIL_TEST_UUID);
    testAssertPayload(fix->reader, hard, UTIL_TEST_UUID);
    testAssertPayload(fix->reader, second, UTIL_TEST_UUID);
    testAssertPayload(fix->reader, doubled, UTIL_TEST_UUID);

    /* where it is now, if somebody moved it, it is still what it is */
    g_assert_cmpint(g_unlink(fix->payload), ==, 0);
    testAssertPayload(fix->reader, hard, UTIL_TEST_UUID);
}

static void
testReplaced(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *moved = testPath(fix, "moved");
    g_autofree char *soft = testPath(fix, "soft");

    testStoreFixture(fix);
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);

    g_assert_cmpint(g_rename(fix->payload, moved), ==, 0);
    g_assert_cmpint(symlink(fix->payload, soft), ==, 0);
    testAssertPayload(fix->reader, fix->payload, "");
    utilTestWrite(fix->payload, "another", -1);
    testAssertPayload(fix->reader, fix->payload, NULL);
    testAssertPayload(fix->reader, soft, NULL);
    testAssertPayload(fix->reader, moved, UTIL_TEST_UUID);
    testAssertPayload(fix->reader, fix->plain, "");

    /* and when it is back, all is well */
    g_assert_cmpint(g_rename(moved, fix->payload), ==, 0);
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);

    g_assert_cmpint(g_unlink(fix->payload), ==, 0);
    testAssertPayload(fix->reader, fix->payload, "");
    testAssertPayload(fix->reader, soft, "");
    g_assert_cmpint(g_mkdir(fix->payload, 0700), ==, 0);
    testAssertPayload(fix->reader, fix->payload, NULL);
    g_assert_cmpint(g_rmdir(fix->payload), ==, 0);
}

/* What a remount, or a file system without birth times, leaves of an identity */
static void
testRemounted(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(lukshdrLink) link = utilTestLink(fix->payload, fix->header);
    g_autofree char *hard = testPath(fix, "hard");
    g_autofree char *moved = testPath(fix, "moved");

    g_assert_cmpint(linkat(AT_FDCWD, fix->payload, AT_FDCWD, hard, 0), ==, 0);

    link->payload.identity.dev++;
    testStore(fix->writer, link);
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);
    testAssertPayload(fix->reader, hard, UTIL_TEST_UUID);
    g_assert_cmpint(g_rename(fix->payload, moved), ==, 0);
    testAssertPayload(fix->reader, hard, NULL);
    g_assert_cmpint(g_rename(moved, fix->payload), ==, 0);

    link->payload.identity.dev--;
    link->payload.identity.birthSec = link->payload.identity.birthNsec = 0;
    testStore(fix->writer, link);
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);
    testAssertPayload(fix->reader, hard, UTIL_TEST_UUID);
    g_assert_cmpint(g_rename(fix->payload, moved), ==, 0);
    testAssertPayload(fix->reader, hard, NULL);
    testAssertPayload(fix->reader, fix->plain, "");
    g_assert_cmpint(g_rename(moved, fix->payload), ==, 0);

    /* recorded, but never seen (a crash in vol-create) */
    link->payload.identity.type = LUKSHDR_IDENTITY_NONE;
    link->state = LUKSHDR_LINK_STATE_CREATING;
    testStore(fix->writer, link);
    testAssertPayload(fix->reader, fix->payload, NULL);
}

static void
testUnexaminable(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *locked = testPath(fix, "locked");
    g_autofree char *path = testPath(fix, "locked/data.img");
    g_autofree char *other = testPath(fix, "locked/other.img");
    g_autofree char *doubled = testPath(fix, "locked//./data.img");
    g_autofree char *loop = testPath(fix, "loop");
    g_autoptr(lukshdrLink) link = NULL;

    g_assert_cmpint(g_mkdir(locked, 0700), ==, 0);
    utilTestWrite(path, "p", 1);
    utilTestWrite(other, "o", 1);
    link = utilTestLink(path, fix->header);
    testStore(fix->writer, link);

    if (geteuid() == 0) {
        /* root may go everywhere but round in circles */
        utilTestClear(locked);
        g_assert_cmpint(symlink("locked", locked), ==, 0);
    } else {
        g_assert_cmpint(g_chmod(locked, 0), ==, 0);
    }
    testAssertPayload(fix->reader, path, NULL);
    testAssertPayload(fix->reader, doubled, NULL);
    testAssertPayload(fix->reader, other, "");
    if (geteuid() != 0)
        g_assert_cmpint(g_chmod(locked, 0700), ==, 0);
    else
        g_assert_cmpint(g_unlink(locked), ==, 0);

    g_assert_cmpint(symlink("loop", loop), ==, 0);
    testAssertPayload(fix->reader, loop, "");
    testAssertPayload(fix->reader, "", "");
    /* an image's name is not the file below the root, nor below the working directory */
    testAssertPayload(fix->reader, path + 1, "");
    testAssertListed(lukshdrRegistryListAt(fix->reader, path + 1, NULL), 0);
    testAssertListed(lukshdrRegistryListAt(fix->reader, path, NULL), 1);
}

/* Files that are no links, put where links are */
static void
testDamaged(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    static const char *const ignored[] = {
        UTIL_TEST_LUKS_UUID ".xml.A1B2C3", "README", "a.xml", ".xml", UTIL_TEST_LUKS_UUID,
        "x" UTIL_TEST_UUID ".xml"
    };
    g_autofree char *file = g_build_filename(fix->dir, UTIL_TEST_UUID ".xml", NULL);
    g_autofree char *other = g_build_filename(fix->dir, UTIL_TEST_LUKS_UUID ".xml", NULL);
    g_autofree char *content = NULL;
    g_autofree char *text = NULL;
    gsize len;
    size_t i;

    testStoreFixture(fix);
    g_assert_true(g_file_get_contents(file, &content, &len, NULL));
    g_assert_true(lukshdrFileRead(file, &text, NULL));

    for (i = 0; i < G_N_ELEMENTS(ignored); i++) {
        g_autofree char *path = g_build_filename(fix->dir, ignored[i], NULL);

        utilTestWrite(path, content, len / 2);
    }
    g_assert_cmpuint(testDamageCount(fix->reader), ==, 0);
    g_assert_cmpuint(testCount(fix->reader), ==, 1);
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);
    testAssertPayload(fix->reader, fix->plain, "");

    /* a text that can be read, behind a digest that is wrong: may be about any file */
    content[len - 10] ^= 1;
    utilTestWrite(file, content, len);
    g_assert_cmpuint(testDamageCount(fix->reader), ==, 1);
    g_assert_cmpuint(testCount(fix->reader), ==, 0);
    testAssertPayload(fix->reader, fix->payload, NULL);
    testAssertPayload(fix->reader, fix->plain, NULL);
    content[len - 10] ^= 1;

    /* another link's file under this name: as little to be believed */
    utilTestWrite(file, content, len);
    g_assert_cmpint(g_rename(file, other), ==, 0);
    g_assert_cmpuint(testDamageCount(fix->reader), ==, 1);
    testAssertPayload(fix->reader, fix->payload, NULL);
    testAssertPayload(fix->reader, fix->plain, NULL);
    g_assert_cmpint(g_rename(other, file), ==, 0);
    g_assert_cmpuint(testDamageCount(fix->reader), ==, 0);
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);

    /* wherever it is cut, and whichever byte is wrong: what may be its payload is not
     * given away */
    for (i = 0; i < len; i++) {
        utilTestWrite(file, content, i);
        g_assert_cmpuint(testDamageCount(fix->reader), ==, 1);
        testAssertPayload(fix->reader, fix->payload, NULL);
    }
    for (i = 0; i < len; i++) {
        content[i] ^= 1;
        utilTestWrite(file, content, len);
        content[i] ^= 1;
        g_assert_cmpuint(testDamageCount(fix->reader), ==, 1);
        testAssertPayload(fix->reader, fix->payload, NULL);
    }
    g_assert_true(lukshdrFileWrite(file, "<link/>", NULL));
    g_assert_cmpuint(testDamageCount(fix->reader), ==, 1);
    testAssertPayload(fix->reader, fix->payload, NULL);
    testAssertPayload(fix->reader, fix->plain, NULL);

    /* a good one beside it is believed still */
    {
        g_autoptr(lukshdrLink) good = utilTestLink(fix->payload, fix->header);

        g_free(good->uuid);
        good->uuid = g_uuid_string_random();
        testStore(fix->writer, good);
        testAssertPayload(fix->reader, fix->payload, good->uuid);
        testAssertPayload(fix->reader, fix->plain, NULL);
    }
}

/* The image with id @id, found at @name, is @found's payload; "" and NULL as testAssertPayload */
static void
testAssertImage(lukshdrRegistry *reg, const char *name, const char *id, const char *found)
{
    lukshdrRemote remote = { .kind = LUKSHDR_LOCATION_RBD,
                             .servers = (char *[]){ (char *)"mon", NULL },
                             .name = (char *)name };
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(GError) error = NULL;
    lukshdrIdentity identity;

    g_assert_true(lukshdrIdentitySetRBD(&identity, id, 1));
    g_assert_true(lukshdrRegistryFindRemote(reg, &remote, &identity, NULL, &payload, &header,
                                            &error) == !!found);
    g_assert_true(!error == !!found);
    g_assert_null(header);
    g_assert_cmpstr(payload ? payload->uuid : "", ==, found ? found : "");
}

/* Images of Ceph clusters are told by their ids; what stands in the place of one is nobody's to guess */
static void
testImages(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    static const char FSID[] = "e3a0f9c2-5d0b-4a57-8d1f-0c7f1f6a2b11:3::1";
    static const char COPY[] = "e3a0f9c2-5d0b-4a57-8d1f-0c7f1f6a2b11:3::2";
    static const char ELSEWHERE[] = "e3a0f9c2-5d0b-4a57-8d1f-0c7f1f6a2b12:3::1";
    g_autofree char *file = g_build_filename(fix->dir, UTIL_TEST_UUID ".xml", NULL);
    g_autoptr(lukshdrLink) link = utilTestLink(fix->payload, fix->header);
    g_autofree char *content = NULL;
    gsize len;
    bool has;

    g_assert_true(lukshdrRegistryHasRemote(fix->reader, LUKSHDR_LOCATION_RBD, &has, NULL));
    g_assert_false(has);
    testStore(fix->writer, link);
    g_assert_true(lukshdrRegistryHasRemote(fix->reader, LUKSHDR_LOCATION_RBD, &has, NULL));
    g_assert_false(has);
    testAssertImage(fix->reader, "images/one", FSID, "");

    g_clear_pointer(&link->payload.path, g_free);
    link->payload.remote = g_new0(lukshdrRemote, 1);
    link->payload.remote->kind = LUKSHDR_LOCATION_RBD;
    link->payload.remote->name = g_strdup("images/one");
    link->payload.remote->servers = g_strsplit("mon", ",", -1);
    g_assert_true(lukshdrIdentitySetRBD(&link->payload.identity, FSID, 1));
    testStore(fix->writer, link);
    g_assert_true(lukshdrRegistryHasRemote(fix->reader, LUKSHDR_LOCATION_RBD, &has, NULL));
    g_assert_true(has);

    testAssertImage(fix->reader, "images/one", FSID, UTIL_TEST_UUID);
    /* renamed */
    testAssertImage(fix->reader, "images/two", FSID, UTIL_TEST_UUID);
    /* a copy beside it is a plain image, one in its place is not */
    testAssertImage(fix->reader, "images/two", COPY, "");
    testAssertImage(fix->reader, "images/one", COPY, NULL);
    /* of that name on another cluster: another image */
    testAssertImage(fix->reader, "images/one", ELSEWHERE, "");
    /* a file of the host has nothing to do with it */
    testAssertPayload(fix->reader, fix->payload, "");

    /* one that nobody has seen yet can be any of its name */
    link->payload.identity = (lukshdrIdentity){ .type = LUKSHDR_IDENTITY_NONE };
    link->state = LUKSHDR_LINK_STATE_CREATING;
    testStore(fix->writer, link);
    testAssertImage(fix->reader, "images/one", COPY, NULL);
    testAssertImage(fix->reader, "images/two", COPY, "");

    /* what a damaged entry was about nobody knows */
    g_assert_true(g_file_get_contents(file, &content, &len, NULL));
    content[len / 2] ^= 1;
    /* renamed into place: without events a change of the file alone is noticed for moments only */
    g_assert_true(g_file_set_contents(file, content, len, NULL));
    g_assert_true(lukshdrRegistryHasRemote(fix->reader, LUKSHDR_LOCATION_RBD, &has, NULL));
    g_assert_true(has);
    testAssertImage(fix->reader, "images/one", FSID, NULL);
    testAssertImage(fix->reader, "images/two", COPY, NULL);
}

static void
testUnreadable(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;

    /* a file where the directory should be */
    utilTestWrite(fix->dir, "", 0);
    g_assert_false(lukshdrRegistryFindPayload(fix->reader, fix->payload, &link, &error));
    utilTestError(error, "SYSTEM_ERROR link registry");
    g_clear_error(&error);
    g_assert_null(lukshdrRegistryList(fix->reader, &error));
    utilTestError(error, "SYSTEM_ERROR link registry");
    g_clear_error(&error);
    g_assert_false(lukshdrRegistryLookup(fix->reader, "a", "b", &link, NULL, &error));
    utilTestError(error, "SYSTEM_ERROR link registry");
    g_clear_error(&error);
    link = utilTestLink(fix->payload, fix->header);
    g_assert_false(lukshdrRegistryStore(fix->writer, link, &error));
    g_assert_cmpint(lukshdrErrorCode(error), ==, VIR_ERR_SYSTEM_ERROR);
}

/* XML has no word for these: to say so when it is stored is better than a file that
 * nobody can read afterwards, or one about another path */
static void
testUnstorable(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    static const char *const names[] = { "a\001b",
                                         "a\xff"
                                         "b",
                                         "\xef\xbf\xbf" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = testPath(fix, names[i]);
        g_autoptr(lukshdrLink) link = NULL;
        g_autoptr(GError) error = NULL;

        utilTestWrite(path, "", 0);
        link = utilTestLink(path, fix->header);
        g_assert_false(lukshdrRegistryStore(fix->writer, link, &error));
        g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED);
        g_clear_error(&error);
        g_clear_pointer(&link, lukshdrLinkUnref);

        link = utilTestLink(fix->payload, fix->header);
        testAddReplica(link, "copies", fix->plain);
        testAddReplica(link, "far", path);
        g_assert_false(lukshdrRegistryStore(fix->writer, link, &error));
        g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED);
        g_assert_cmpuint(testDamageCount(fix->reader), ==, 0);
    }
}

/* What a thread does all day: each has a link of its own that comes and goes, and all
 * look for the fixture's */
typedef struct {
    testFixture *fix;
    unsigned int number;
} testWorker;

static gpointer
testWork(gpointer opaque)
{
    const testWorker *worker = opaque;
    testFixture *fix = worker->fix;
    lukshdrRegistry *mine = worker->number % 2 ? fix->writer : fix->reader;
    g_autofree char *name = g_strdup_printf("disk%u", worker->number);
    g_autofree char *path = testPath(fix, name);
    g_autoptr(lukshdrLink) link = NULL;
    unsigned int i;

    utilTestWrite(path, "", 0);
    link = utilTestLink(path, fix->header);
    g_free(link->uuid);
    link->uuid = g_uuid_string_random();
    link->headerShared = true;

    for (i = 0; i < 30; i++) {
        g_autoptr(GPtrArray) damaged = NULL;
        g_autoptr(GPtrArray) links = NULL;
        g_autoptr(lukshdrLink) byName = NULL;

        testStore(mine, link);
        testAssertPayload(mine, path, link->uuid);
        testAssertPayload(mine, fix->payload, UTIL_TEST_UUID);
        testAssertPayload(mine, fix->plain, "");
        g_assert_true(lukshdrRegistryLookup(mine, "images", name, &byName, NULL, NULL));
        g_assert_cmpstr(byName->uuid, ==, link->uuid);
        g_assert_true(lukshdrRegistryLoad(mine, &damaged, NULL));
        g_assert_cmpuint(damaged->len, ==, 0);
        links = lukshdrRegistryList(mine, NULL);
        g_assert_cmpuint(links->len, >=, 2);
        g_assert_true(lukshdrRegistryRemove(mine, link->uuid, NULL));
        testAssertPayload(mine, path, "");
    }
    return NULL;
}

static void
testThreads(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    testWorker workers[8];
    GThread *threads[G_N_ELEMENTS(workers)];
    unsigned int fds;
    size_t i;

    testStoreFixture(fix);
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);
    testAssertPayload(fix->writer, fix->payload, UTIL_TEST_UUID);
    /* each has a queue of events now */
    fds = utilTestOpenFDs();
    for (i = 0; i < G_N_ELEMENTS(workers); i++) {
        workers[i] = (testWorker){ fix, i };
        threads[i] = g_thread_new("worker", testWork, &workers[i]);
    }
    for (i = 0; i < G_N_ELEMENTS(workers); i++)
        g_thread_join(threads[i]);
    g_assert_cmpuint(testCount(fix->reader), ==, 1);
    g_assert_cmpuint(utilTestOpenFDs(), ==, fds);
}

/* Costs are printed, not judged: machines differ */
static void
testMany(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    const unsigned int count = g_test_slow() ? 10000 : 1000;
    g_autoptr(lukshdrLink) link = utilTestLink(fix->payload, fix->header);
    g_autofree char *text = NULL;
    g_autofree char *readme = g_build_filename(fix->dir, "README", NULL);
    gint64 start;
    unsigned int i;

    testStoreFixture(fix);
    for (i = 0; i < count; i++) {
        g_autofree char *uuid = g_uuid_string_random();
        g_autofree char *file = g_strconcat(uuid, ".xml", NULL);
        g_autofree char *path = g_build_filename(fix->dir, file, NULL);
        g_autofree char *digest = NULL;
        g_autofree char *content = NULL;

        g_free(link->uuid);
        link->uuid = g_strdup(uuid);
        link->payload.identity.inode = 1000000000 + i;
        g_free(link->payload.path);
        link->payload.path = g_strdup_printf("/nowhere/%u", i);
        g_free(link->payload.volume);
        link->payload.volume = g_strdup_printf("%u", i);
        /* as lukshdrFileWrite, without its flush, which would be what is measured */
        text = lukshdrLinkFormat(link);
        digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
        content = g_strconcat(text, "<!-- sha256: ", digest, " -->\n", NULL);
        utilTestWrite(path, content, -1);
        g_clear_pointer(&text, g_free);
    }
    g_usleep(50000);

    start = g_get_monotonic_time();
    g_assert_cmpuint(testCount(fix->reader), ==, count + 1);
    g_test_message("%u links: first read %" G_GINT64_FORMAT " us", count,
                   g_get_monotonic_time() - start);

    start = g_get_monotonic_time();
    for (i = 0; i < 100; i++) {
        testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);
        testAssertPayload(fix->reader, fix->plain, "");
    }
    g_test_message("%u links: look-up %.1f us", count,
                   (double)(g_get_monotonic_time() - start) / 200);

    utilTestWrite(readme, "", 0);
    start = g_get_monotonic_time();
    testAssertPayload(fix->reader, fix->payload, UTIL_TEST_UUID);
    g_test_message("%u links: look-up after a change %" G_GINT64_FORMAT " us", count,
                   g_get_monotonic_time() - start);
}

#define TEST_FOLLOW_FILES 5
#define TEST_FOLLOW_LINKS 6

/* One change, as by another process: a link comes, changes its volumes, is damaged or goes */
static void
testFollowChange(testFixture *fix, char *files[], char *uuids[])
{
    int slot = g_test_rand_int_range(0, TEST_FOLLOW_LINKS);
    g_autofree char *name = g_strconcat(uuids[slot], ".xml", NULL);
    g_autofree char *path = g_build_filename(fix->dir, name, NULL);
    g_autoptr(lukshdrLink) link = NULL;

    switch (g_test_rand_int_range(0, 6)) {
    case 0:
        g_assert_true(lukshdrRegistryRemove(fix->writer, uuids[slot], NULL));
        return;
    case 1:
        /* renamed, as writers do: what is edited in place is noticed when the directory changes */
        g_assert_true(g_mkdir_with_parents(fix->dir, 0700) == 0 &&
                      g_file_set_contents(path, "nobody can read this", -1, NULL));
        return;
    }

    link = utilTestLink(files[g_test_rand_int_range(0, TEST_FOLLOW_FILES)],
                        files[g_test_rand_int_range(0, TEST_FOLLOW_FILES)]);
    g_free(link->uuid);
    link->uuid = g_strdup(uuids[slot]);
    g_free(link->payload.volume);
    link->payload.volume = g_strdup_printf("payload-%d", slot);
    g_free(link->header.volume);
    link->header.volume = g_strdup_printf("header-%d", slot);
    testStore(fix->writer, link);

    if (g_test_rand_int_range(0, 4) == 0) {
        g_autofree char *text = NULL;
        g_autofree char *torn = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        torn = g_strconcat(" ", text, NULL);
        g_assert_true(g_file_set_contents(path, torn, -1, NULL));
    }
}

/* The links at @path are those of all links that have a volume there, each once */
static void
testAssertListAt(lukshdrRegistry *reg, lukshdrRegistry *fresh, const char *path)
{
    g_autoptr(GPtrArray) at = lukshdrRegistryListAt(reg, path, NULL);
    g_autoptr(GPtrArray) all = lukshdrRegistryList(fresh, NULL);
    guint expected = 0;
    guint i;

    for (i = 0; i < all->len; i++) {
        const lukshdrLink *link = g_ptr_array_index(all, i);

        if (g_str_equal(link->payload.path, path) || g_str_equal(link->header.path, path))
            expected++;
    }
    for (i = 0; i < at->len; i++) {
        const lukshdrLink *link = g_ptr_array_index(at, i);

        g_assert_true(g_str_equal(link->payload.path, path) ||
                      g_str_equal(link->header.path, path));
    }
    g_assert_cmpuint(at->len, ==, expected);
}

/* What a reader that has followed all changes says is what one says that never read before */
static void
testFollow(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    char *files[TEST_FOLLOW_FILES];
    char *uuids[TEST_FOLLOW_LINKS];
    int step;
    int i;

    for (i = 0; i < TEST_FOLLOW_FILES; i++) {
        g_autofree char *name = g_strdup_printf("follow-%d", i);

        files[i] = testPath(fix, name);
        utilTestWrite(files[i], name, -1);
    }
    for (i = 0; i < TEST_FOLLOW_LINKS; i++)
        uuids[i] = g_uuid_string_random();

    for (step = 0; step < 400; step++) {
        g_autoptr(lukshdrRegistry) fresh = lukshdrRegistryNew(fix->dir);

        testFollowChange(fix, files, uuids);
        g_assert_cmpuint(testCount(fix->reader), ==, testCount(fresh));
        for (i = 0; i < TEST_FOLLOW_FILES; i++) {
            g_autoptr(lukshdrLink) payload = NULL;
            g_autoptr(lukshdrLink) payload2 = NULL;
            g_autoptr(lukshdrLink) header = NULL;
            g_autoptr(lukshdrLink) header2 = NULL;

            g_assert_cmpint(lukshdrRegistryFindPayload(fix->reader, files[i], &payload, NULL), ==,
                            lukshdrRegistryFindPayload(fresh, files[i], &payload2, NULL));
            g_assert_cmpstr(payload ? payload->uuid : "", ==, payload2 ? payload2->uuid : "");
            g_assert_cmpint(lukshdrRegistryFindHeader(fix->reader, files[i], &header, NULL), ==,
                            lukshdrRegistryFindHeader(fresh, files[i], &header2, NULL));
            /* which of the links that share it is not said */
            g_assert_cmpint(!!header, ==, !!header2);
            testAssertListAt(fix->reader, fresh, files[i]);
        }
        for (i = 0; i < TEST_FOLLOW_LINKS; i++) {
            g_autofree char *name = g_strdup_printf("payload-%d", i);
            g_autoptr(lukshdrLink) link = NULL;
            g_autoptr(lukshdrLink) link2 = NULL;

            g_assert_cmpint(lukshdrRegistryLookup(fix->reader, "images", name, &link, NULL, NULL),
                            ==, lukshdrRegistryLookup(fresh, "images", name, &link2, NULL, NULL));
            g_assert_cmpint(!!link, ==, !!link2);
            g_assert_cmpint(lukshdrRegistryIsActive(fix->reader, uuids[i]), ==,
                            lukshdrRegistryIsActive(fresh, uuids[i]));
        }
    }

    for (i = 0; i < TEST_FOLLOW_FILES; i++)
        g_free(files[i]);
    for (i = 0; i < TEST_FOLLOW_LINKS; i++)
        g_free(uuids[i]);
}

/* Enough links that reading all of them could not be overlooked */
#define TEST_SINGLE_LINKS 40

/* As many links, each with a file of its own as payload; the fixture's is one of them */
static void
testStoreMany(testFixture *fix)
{
    unsigned int i;

    testStoreFixture(fix);
    for (i = 1; i < TEST_SINGLE_LINKS; i++) {
        g_autofree char *name = g_strdup_printf("many-%u", i);
        g_autofree char *path = testPath(fix, name);
        g_autoptr(lukshdrLink) link = NULL;

        utilTestWrite(path, "", 0);
        link = utilTestLink(path, fix->header);
        g_free(link->uuid);
        link->uuid = g_uuid_string_random();
        testStore(fix->writer, link);
    }
}

/* Everything that can be asked of one volume */
static void
testAskAll(testFixture *fix, lukshdrRegistry *reg, const char *payload)
{
    g_autoptr(lukshdrLink) link = NULL;

    testAssertPayload(reg, fix->payload, payload);
    testAssertPayload(reg, fix->plain, "");
    testAssertHeader(reg, fix->plain, "");
    g_assert_true(lukshdrRegistryLookup(reg, "images", "data.img", &link, NULL, NULL));
    g_assert_cmpstr(link ? link->uuid : "", ==, payload);
    testAssertListed(lukshdrRegistryListAt(reg, fix->payload, NULL), !!link);
    g_clear_pointer(&link, lukshdrLinkUnref);
    link = lukshdrRegistryGet(reg, UTIL_TEST_UUID);
    g_assert_cmpstr(link ? link->uuid : "", ==, payload);
    g_assert_true(lukshdrRegistryIsActive(reg, UTIL_TEST_UUID) == !!link);
    g_assert_true((lukshdrRegistryWritten(reg, UTIL_TEST_UUID) != 0) == !!link);
}

/* Whatever happens to one link, no other's entry is read for it, nor the directory */
static void
testSingle(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *file = g_build_filename(fix->dir, UTIL_TEST_UUID ".xml", NULL);
    g_autoptr(lukshdrLink) link = utilTestLink(fix->payload, fix->header);
    g_autoptr(GError) error = NULL;
    g_autofree char *content = NULL;
    unsigned int i;
    gsize len;
    int fd;

    testStoreMany(fix);
    fd = utilTestWatchOpens(fix->dir);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    testAskAll(fix, fix->writer, UTIL_TEST_UUID);
    g_free(utilTestOpened(fd));

    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    testAskAll(fix, fix->writer, UTIL_TEST_UUID);
    utilTestAssertOpened(fd, "");

    /* it is stored: by somebody else, and by the registry that is asked */
    for (i = 0; i < 2; i++) {
        testStore(fix->writer, link);
        g_free(utilTestOpened(fd));
        testAskAll(fix, i == 0 ? fix->reader : fix->writer, UTIL_TEST_UUID);
        utilTestAssertOpened(fd, UTIL_TEST_UUID ".xml ");
    }

    /* removed */
    g_assert_true(lukshdrRegistryRemove(fix->writer, UTIL_TEST_UUID, &error));
    g_assert_no_error(error);
    g_free(utilTestOpened(fd));
    testAskAll(fix, fix->reader, "");
    testAskAll(fix, fix->writer, "");
    utilTestAssertOpened(fd, "");
    testStore(fix->writer, link);

    /* edited by hand, where the directory tells nothing */
    g_assert_true(g_file_get_contents(file, &content, &len, NULL));
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    content[len - 10] ^= 1;
    utilTestWrite(file, content, len);
    g_free(utilTestOpened(fd));
    testAssertPayload(fix->reader, fix->plain, NULL);
    testAssertPayload(fix->reader, fix->payload, NULL);
    g_assert_cmpuint(testDamageCount(fix->reader), ==, 1);
    utilTestAssertOpened(fd, UTIL_TEST_UUID ".xml ");
    content[len - 10] ^= 1;
    utilTestWrite(file, content, len);
    g_free(utilTestOpened(fd));
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    g_assert_cmpuint(testDamageCount(fix->reader), ==, 0);
    utilTestAssertOpened(fd, UTIL_TEST_UUID ".xml ");

    /* and something that is no link */
    g_clear_pointer(&content, g_free);
    content = g_build_filename(fix->dir, "README", NULL);
    utilTestWrite(content, "", 0);
    g_free(utilTestOpened(fd));
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    utilTestAssertOpened(fd, "");
    g_assert_cmpuint(testCount(fix->reader), ==, TEST_SINGLE_LINKS);
    close(fd);
}

static guint
testIndexed(GHashTable *indexed, const char *key)
{
    return g_list_length((GList *)lukshdrRegistryIndexFind(indexed, key));
}

/* Volumes on block devices are found by their devices' names, and those without name by themselves */
static void
testIndex(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(GHashTable) indexed = lukshdrRegistryIndexNew();
    lukshdrRegistryEntry entries[TEST_SINGLE_LINKS] = { 0 };
    lukshdrIdentity named = { .type = LUKSHDR_IDENTITY_BLOCK, .dev = 7, .id = "dm/uuid=LVM-3" };
    g_autofree char *key = lukshdrRegistryKeyIdentity(&named);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(entries); i++) {
        lukshdrVolume *vol;

        entries[i].link = utilTestLink(fix->payload, fix->header);
        vol = &entries[i].link->payload;
        g_free(vol->path);
        vol->path = g_strdup_printf("/dev/group-%zu/volume-%zu", i % 3, i);
        vol->identity = named;
        if (i % 4 == 0)
            vol->identity.id[0] = '\0';
        else
            g_snprintf(vol->identity.id, sizeof(vol->identity.id), "dm/uuid=LVM-%zu", i);
        lukshdrRegistryIndexAdd(indexed, &entries[i]);
    }
    g_assert_cmpuint(testIndexed(indexed, key), ==, 1);
    g_assert_true(lukshdrRegistryIndexFind(indexed, key)->data == &entries[3]);
    g_assert_cmpuint(testIndexed(indexed, LUKSHDR_REGISTRY_KEY_NAMELESS), ==,
                     TEST_SINGLE_LINKS / 4);
    g_assert_cmpuint(testIndexed(indexed, LUKSHDR_REGISTRY_KEY_BLOCKS), ==, TEST_SINGLE_LINKS);
    /* as few as there are directories: three of payloads, and the headers' */
    g_assert_cmpuint(testIndexed(indexed, LUKSHDR_REGISTRY_KEY_DIRECTORIES), ==, 4);

    /* in whatever order they go, nothing is left of them, and the others are where they were */
    for (i = 1; i <= G_N_ELEMENTS(entries); i++) {
        lukshdrRegistryEntry *entry = &entries[i * 7 % G_N_ELEMENTS(entries)];

        lukshdrRegistryIndexRemove(indexed, entry);
        g_assert_cmpuint(testIndexed(indexed, LUKSHDR_REGISTRY_KEY_BLOCKS), ==,
                         TEST_SINGLE_LINKS - i);
        lukshdrLinkUnref(entry->link);
    }
    g_assert_cmpuint(g_hash_table_size(indexed), ==, 0);
}

/* In which directories something is recorded, each once, whatever is in it */
static void
testDirectories(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *elsewhere = testPath(fix, "elsewhere");
    g_autofree char *first = g_build_filename(elsewhere, "first.luks", NULL);
    g_autofree char *second = g_build_filename(elsewhere, "second.luks", NULL);
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GPtrArray) dirs = NULL;
    g_autoptr(GPtrArray) left = NULL;
    g_autoptr(GPtrArray) none = NULL;

    g_assert_cmpint(g_mkdir(elsewhere, 0700), ==, 0);
    link = testReplicated(fix, first, second);
    testStore(fix->writer, link);

    dirs = lukshdrRegistryListDirectories(fix->reader, NULL);
    g_assert_cmpuint(dirs->len, ==, 2);
    g_assert_true(g_ptr_array_find_with_equal_func(dirs, fix->root, g_str_equal, NULL));
    g_assert_true(g_ptr_array_find_with_equal_func(dirs, elsewhere, g_str_equal, NULL));
    testAssertListed(lukshdrRegistryListIn(fix->reader, fix->root, NULL), 1);
    testAssertListed(lukshdrRegistryListIn(fix->reader, elsewhere, NULL), 1);
    testAssertListed(lukshdrRegistryListIn(fix->reader, "/", NULL), 0);

    /* the replicas are given up */
    g_ptr_array_set_size(link->replicas, 0);
    testStore(fix->writer, link);
    left = lukshdrRegistryListDirectories(fix->reader, NULL);
    g_assert_cmpuint(left->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(left, 0), ==, fix->root);

    g_assert_true(lukshdrRegistryRemove(fix->writer, link->uuid, NULL));
    none = lukshdrRegistryListDirectories(fix->reader, NULL);
    g_assert_cmpuint(none->len, ==, 0);
}

/* More changes than the kernel remembers */
static void
testOverflow(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *file = g_build_filename(fix->dir, UTIL_TEST_UUID ".xml", NULL);
    g_autofree char *other = g_build_filename(fix->dir, UTIL_TEST_LUKS_UUID ".xml", NULL);
    g_autofree char *limit = NULL;
    guint64 i;
    int fd;

    testStoreMany(fix);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    g_assert_true(
        g_file_get_contents("/proc/sys/fs/inotify/max_queued_events", &limit, NULL, NULL));
    /* a rename is two */
    for (i = 0; i <= g_ascii_strtoull(limit, NULL, 10) / 2; i++)
        g_assert_cmpint(i % 2 ? g_rename(other, file) : g_rename(file, other), ==, 0);
    if (i % 2)
        g_assert_cmpint(g_rename(other, file), ==, 0);
    g_assert_true(lukshdrRegistryRemove(fix->writer, UTIL_TEST_UUID, NULL));
    testAskAll(fix, fix->reader, "");
    g_assert_cmpuint(testCount(fix->reader), ==, TEST_SINGLE_LINKS - 1);
    testStoreFixture(fix);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);

    /* single changes are followed again */
    testStoreFixture(fix);
    fd = utilTestWatchOpens(fix->dir);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    utilTestAssertOpened(fd, UTIL_TEST_UUID ".xml ");
    close(fd);
}

/* The directory goes, comes, and is another one */
static void
testDirectory(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *away = testPath(fix, "away");
    g_autofree char *third = testPath(fix, "third");
    g_autofree char *copy = testPath(fix, "third/" UTIL_TEST_UUID ".xml");
    g_autofree char *file = g_build_filename(fix->dir, UTIL_TEST_UUID ".xml", NULL);
    g_autofree char *content = NULL;

    testAskAll(fix, fix->reader, "");
    testStoreFixture(fix);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    g_assert_true(g_file_get_contents(file, &content, NULL, NULL));

    /* moved away: what happens there is nothing to us */
    g_assert_cmpint(g_rename(fix->dir, away), ==, 0);
    testAskAll(fix, fix->reader, "");
    g_assert_cmpint(g_rename(away, fix->dir), ==, 0);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);

    /* another stands in its place */
    g_assert_cmpint(g_mkdir(third, 0700), ==, 0);
    g_assert_cmpint(g_rename(fix->dir, away), ==, 0);
    g_assert_cmpint(g_rename(third, fix->dir), ==, 0);
    testAskAll(fix, fix->reader, "");
    g_assert_true(g_file_set_contents(file, content, -1, NULL));
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    g_assert_cmpint(g_unlink(file), ==, 0);
    testAskAll(fix, fix->reader, "");

    /* and, exchanged for the first one, at the very next look */
    g_assert_cmpint(g_rename(fix->dir, third), ==, 0);
    g_assert_cmpint(g_rename(away, fix->dir), ==, 0);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);

    /* removed, made again, both in one */
    utilTestClear(fix->dir);
    testStoreFixture(fix);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    utilTestClear(fix->dir);
    testAskAll(fix, fix->reader, "");

    /* by way of a symbolic link, that then leads elsewhere */
    g_assert_true(g_file_set_contents(copy, content, -1, NULL));
    g_assert_cmpint(symlink(third, fix->dir), ==, 0);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    g_assert_cmpint(g_mkdir(away, 0700), ==, 0);
    g_assert_cmpint(g_unlink(fix->dir), ==, 0);
    g_assert_cmpint(symlink(away, fix->dir), ==, 0);
    testAskAll(fix, fix->reader, "");
}

/* An entry that cannot be read, for want of a descriptor, is not taken for damaged for ever */
static void
testDescriptors(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(GError) error = NULL;
    struct rlimit limit;
    struct rlimit none;

    testStoreFixture(fix);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    testStoreFixture(fix);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
    if (lukshdrRegistryLookup(fix->reader, "images", "data.img", &link, NULL, &error))
        g_assert_null(link);
    g_assert_null(lukshdrRegistryGet(fix->reader, UTIL_TEST_UUID));
    g_assert_false(lukshdrRegistryFindPayload(fix->reader, fix->plain, &link, NULL));
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
}

/* What a forked process asks takes nothing away from its parent */
static void
testForked(testFixture *fix, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    int status;
    pid_t pid;

    testStoreFixture(fix);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    g_assert_true(lukshdrRegistryRemove(fix->writer, UTIL_TEST_UUID, &error));
    if ((pid = fork()) == 0) {
        testAskAll(fix, fix->reader, "");
        testStoreFixture(fix);
        testAskAll(fix, fix->reader, UTIL_TEST_UUID);
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    testAskAll(fix, fix->reader, UTIL_TEST_UUID);
    g_assert_true(lukshdrRegistryRemove(fix->writer, UTIL_TEST_UUID, &error));
    testAskAll(fix, fix->reader, "");
}

static void
testAdd(const char *name, void (*func)(testFixture *fix, gconstpointer opaque))
{
    static const char *const ways[] = { "events", "no-events", "shared" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *path = g_strdup_printf("/registry/%s/%s", ways[i], name);

        g_test_add(path, testFixture, GINT_TO_POINTER(i), testSetUp, func, testTearDown);
    }
}

/* What is so with events only */
static void
testAddEvents(const char *name, void (*func)(testFixture *fix, gconstpointer opaque))
{
    g_autofree char *path = g_strconcat("/registry/events/", name, NULL);

    g_test_add(path, testFixture, GINT_TO_POINTER(TEST_EVENTS), testSetUp, func, testTearDown);
}

int
main(int argc, char **argv)
{
    xmlInitParser();
    g_test_init(&argc, &argv, NULL);
    testAdd("store-lookup", testStoreLookup);
    testAdd("shared", testShared);
    testAdd("replicas", testReplicas);
    testAdd("replicas-undecided", testReplicasUndecided);
    testAdd("replicas-shared", testReplicasShared);
    testAdd("loops", testLoops);
    testAdd("two-claims", testTwoClaims);
    testAdd("at-once", testAtOnce);
    testAdd("whole-seconds", testWholeSeconds);
    testAdd("scan-race", testScanRace);
    testAdd("aliases", testAliases);
    testAdd("replaced", testReplaced);
    testAdd("remounted", testRemounted);
    testAdd("unexaminable", testUnexaminable);
    testAdd("damaged", testDamaged);
    testAdd("images", testImages);
    testAdd("unreadable", testUnreadable);
    testAdd("unstorable", testUnstorable);
    testAdd("threads", testThreads);
    testAdd("follow", testFollow);
    testAdd("many", testMany);
    testAdd("directories", testDirectories);
    testAdd("directory", testDirectory);
    testAdd("forked", testForked);
    testAddEvents("descriptors", testDescriptors);
    testAddEvents("index", testIndex);
    testAddEvents("single", testSingle);
    testAddEvents("overflow", testOverflow);
    return g_test_run();
}
