/*
 * test-stream.c: uploads that are looked at before libvirt writes them, with the installed libvirt
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "storage_backend_lukshdr/stream.h"
#include "util/error.h"
#include "util/log.h"

#define TEST_WANT 4096
#define TEST_SIZE (64 * 1024) /* of the volume, which is full of 'v' */

static lukshdrABIStorage abi;
static virConnectPtr conn;

typedef struct {
    virStreamPtr stream;
    char *path;
    GString *judged; /* what the judge was given, NULL before */
    bool refuse;
    guint freed;
} testFixture;

static bool
testJudge(const guint8 *bytes, gsize len, void *opaque, GError **error)
{
    testFixture *fix = opaque;

    g_assert_null(fix->judged);
    fix->judged = g_string_new_len((const char *)bytes, len);
    if (fix->refuse)
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID, "in clear");
    return !fix->refuse;
}

static void
testFreed(gpointer opaque)
{
    testFixture *fix = opaque;

    fix->freed++;
}

/* As the storage driver opens a volume for an upload of @length bytes, 0 for as many as come */
static void
testOpen(testFixture *fix, guint64 length)
{
    g_assert_nonnull((fix->stream = virStreamNew(conn, VIR_STREAM_NONBLOCK)));
    g_assert_cmpint(abi.virFDStreamOpenFile(fix->stream, fix->path, 0, length, O_WRONLY), ==, 0);
    lukshdrStreamExamine(fix->stream, TEST_WANT, testJudge, fix, testFreed);
}

static void
testSetUp(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *content = g_strnfill(TEST_SIZE, 'v');
    int fd = g_file_open_tmp("test-stream-XXXXXX", &fix->path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(fix->path, content, TEST_SIZE, NULL));
    testOpen(fix, 0);
}

static void
testTearDown(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    virStreamFree(fix->stream);
    g_assert_cmpuint(fix->freed, ==, 1);
    if (fix->judged)
        g_string_free(fix->judged, TRUE);
    g_unlink(fix->path);
    g_free(fix->path);
}

/* The volume holds @text, then @zeroes zeroes, then @after, and is for the rest as it was */
static void
testHolds(const testFixture *fix, const char *text, gsize zeroes, const char *after)
{
    g_autofree char *wanted = g_strnfill(TEST_SIZE, 'v');
    g_autofree char *content = NULL;
    gsize len;

    memcpy(wanted, text, strlen(text));
    memset(wanted + strlen(text), 0, zeroes);
    memcpy(wanted + strlen(text) + zeroes, after, strlen(after));
    g_assert_true(g_file_get_contents(fix->path, &content, &len, NULL));
    g_assert_cmpmem(content, len, wanted, TEST_SIZE);
}

static void
testSend(const testFixture *fix, const char *text, int wanted)
{
    g_assert_cmpint(virStreamSend(fix->stream, text, strlen(text)), ==, wanted);
}

static void
testSaid(const char *text)
{
    g_assert_nonnull(strstr(virGetLastErrorMessage(), text));
}

/* More than the judge wants, at once */
static void
testMuch(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *much = g_strnfill(TEST_SIZE / 2, 'm');

    testSend(fix, much, TEST_SIZE / 2);
    g_assert_cmpuint(fix->judged->len, ==, TEST_WANT);
    g_assert_cmpuint(fix->freed, ==, 1);
    testSend(fix, "more", 4);
    g_assert_cmpint(virStreamFinish(fix->stream), ==, 0);
    testHolds(fix, much, 0, "more");
}

static void
testPieces(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *much = g_strnfill(TEST_WANT + 100, 'a');
    gsize i;

    for (i = 0; i < TEST_WANT - 1; i++)
        testSend(fix, "a", 1);
    g_assert_null(fix->judged);
    testSend(fix, "a", 1);
    g_assert_cmpuint(fix->judged->len, ==, TEST_WANT);
    for (i = 0; i < 100; i++)
        testSend(fix, "a", 1);
    g_assert_cmpint(virStreamFinish(fix->stream), ==, 0);
    testHolds(fix, much, 0, "");
}

/* Less than the judge wants */
static void
testLittle(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    testSend(fix, "little", 6);
    g_assert_cmpint(virStreamFinish(fix->stream), ==, 0);
    g_assert_cmpstr(fix->judged->str, ==, "little");
    testHolds(fix, "little", 0, "");
}

static void
testNothing(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    g_assert_cmpint(virStreamFinish(fix->stream), ==, 0);
    testHolds(fix, "", 0, "");
}

/* Holes within what the judge wants, across its end, and behind it */
static void
testHoles(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    static const char zeroes[TEST_WANT];

    testSend(fix, "one", 3);
    g_assert_cmpint(virStreamSendHole(fix->stream, 997, 0), ==, 0);
    testSend(fix, "two", 3);
    g_assert_null(fix->judged);
    g_assert_cmpint(virStreamSendHole(fix->stream, 8997, 0), ==, 0);
    g_assert_cmpuint(fix->judged->len, ==, TEST_WANT);
    g_assert_cmpmem(fix->judged->str, 3, "one", 3);
    g_assert_cmpmem(fix->judged->str + 3, 997, zeroes, 997);
    g_assert_cmpmem(fix->judged->str + 1000, 3, "two", 3);
    g_assert_cmpmem(fix->judged->str + 1003, TEST_WANT - 1003, zeroes, TEST_WANT - 1003);
    testSend(fix, "three", 5);
    g_assert_cmpint(virStreamFinish(fix->stream), ==, 0);
}

/* The volume holds what libvirt makes of the same without us */
static void
testHolesAlike(testFixture *fix, gconstpointer data)
{
    g_autofree char *ours = NULL;
    g_autofree char *stock = NULL;
    gsize len;
    gsize stockLen;

    testHoles(fix, data);
    g_assert_true(g_file_get_contents(fix->path, &ours, &len, NULL));
    virStreamFree(fix->stream);

    g_assert_nonnull((fix->stream = virStreamNew(conn, VIR_STREAM_NONBLOCK)));
    g_assert_true(g_file_set_contents(fix->path, "", 0, NULL));
    g_assert_cmpint(abi.virFDStreamOpenFile(fix->stream, fix->path, 0, 0, O_WRONLY), ==, 0);
    testSend(fix, "one", 3);
    g_assert_cmpint(virStreamSendHole(fix->stream, 997, 0), ==, 0);
    testSend(fix, "two", 3);
    g_assert_cmpint(virStreamSendHole(fix->stream, 8997, 0), ==, 0);
    testSend(fix, "three", 5);
    g_assert_cmpint(virStreamFinish(fix->stream), ==, 0);
    g_assert_true(g_file_get_contents(fix->path, &stock, &stockLen, NULL));
    g_assert_cmpmem(ours, MIN(len, stockLen), stock, stockLen);
}

/* The client may send what it has, and hears of it at the end */
static void
testRefused(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *much = g_strnfill(TEST_WANT + 1, 'm');

    fix->refuse = true;
    testSend(fix, much, TEST_WANT + 1);
    testSend(fix, "more", 4);
    g_assert_cmpint(virStreamSendHole(fix->stream, 10, 0), ==, 0);
    testSend(fix, much, TEST_WANT + 1);
    g_assert_cmpuint(fix->judged->len, ==, TEST_WANT);
    g_assert_cmpint(virStreamFinish(fix->stream), ==, -1);
    testSaid("in clear");
    testHolds(fix, "", 0, "");
}

static void
testRefusedHole(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    fix->refuse = true;
    testSend(fix, "one", 3);
    g_assert_cmpint(virStreamSendHole(fix->stream, TEST_WANT, 0), ==, 0);
    g_assert_cmpuint(fix->judged->len, ==, TEST_WANT);
    g_assert_cmpint(virStreamFinish(fix->stream), ==, -1);
    testSaid("in clear");
    testHolds(fix, "", 0, "");
}

static void
testRefusedAborted(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *much = g_strnfill(TEST_WANT, 'm');

    fix->refuse = true;
    testSend(fix, much, TEST_WANT);
    g_assert_cmpint(virStreamAbort(fix->stream), ==, 0);
    testHolds(fix, "", 0, "");
}

/* Only when the client has sent it all */
static void
testRefusedFinish(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    fix->refuse = true;
    testSend(fix, "little", 6);
    g_assert_cmpint(virStreamFinish(fix->stream), ==, -1);
    testSaid("in clear");
    g_assert_cmpuint(fix->freed, ==, 1);
    testHolds(fix, "", 0, "");
}

static void
testAborted(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    testSend(fix, "little", 6);
    g_assert_cmpint(virStreamAbort(fix->stream), ==, 0);
    g_assert_null(fix->judged);
    testHolds(fix, "", 0, "");
}

/* More than the client has announced: libvirt takes what it has announced */
static void
testLength(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    g_assert_cmpint(virStreamAbort(fix->stream), ==, 0);
    virStreamFree(fix->stream);
    fix->freed = 0;
    testOpen(fix, TEST_WANT + 10);
    {
        g_autofree char *much = g_strnfill(TEST_WANT + 20, 'm');

        testSend(fix, much, TEST_WANT + 10);
        testSend(fix, "more", -1);
        testSaid("No space left");
        much[TEST_WANT + 10] = '\0';
        g_assert_cmpint(virStreamFinish(fix->stream), ==, 0);
        testHolds(fix, much, 0, "");
    }
}

/* A stream of another kind is left as it is */
static void
testOther(testFixture *fix, gconstpointer data G_GNUC_UNUSED)
{
    virStreamPtr other = virStreamNew(conn, 0);

    lukshdrStreamExamine(other, TEST_WANT, testJudge, fix, testFreed);
    g_assert_cmpuint(fix->freed, ==, 1);
    g_assert_cmpint(virStreamSend(other, "x", 1), ==, -1);
    virStreamFree(other);
    fix->freed = 0;
    g_assert_cmpint(virStreamAbort(fix->stream), ==, 0);
}

static void
testQuiet(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

#define TEST(name, func) \
    g_test_add("/stream/" name, testFixture, NULL, testSetUp, func, testTearDown)

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    lukshdrABICommon common;
    int rc;

    g_test_init(&argc, &argv, NULL);
    virSetErrorFunc(NULL, testQuiet);
    g_assert_nonnull((conn = virConnectOpen("test:///default")));
    g_assert_true(lukshdrABIResolveCommon(&common, &error));
    g_assert_true(lukshdrABIResolveStorage(&abi, &error));
    lukshdrLogInit(&common, "test.stream", VIR_FROM_STORAGE);
    lukshdrStreamMeasure(&abi, conn, &error);
    g_assert_no_error(error);

    TEST("much", testMuch);
    TEST("pieces", testPieces);
    TEST("little", testLittle);
    TEST("nothing", testNothing);
    TEST("holes", testHoles);
    TEST("holes-alike", testHolesAlike);
    TEST("refused", testRefused);
    TEST("refused-hole", testRefusedHole);
    TEST("refused-aborted", testRefusedAborted);
    TEST("refused-finish", testRefusedFinish);
    TEST("aborted", testAborted);
    TEST("length", testLength);
    TEST("other", testOther);
    rc = g_test_run();
    virConnectClose(conn);
    return rc;
}
