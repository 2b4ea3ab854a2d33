/*
 * test-headerpools.c: what is in a declared header pool is recognised, and nothing else
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "util/file.h"
#include "link/header-pools.h"
#include "utiltest.h"

#define TEST_VAULT "11111111-2222-4333-8444-555555555555"
#define TEST_IMAGES "11111111-2222-4333-8444-666666666666"

typedef struct _testHost testHost;
struct _testHost {
    char *declarations;
    char *configs;
    char *states;
    lukshdrHeaderPools *pools;
};

static void
testSetUp(testHost *host, const void *opaque G_GNUC_UNUSED)
{
    static const char *const dirs[] = { "pools", "configs",     "states",
                                        "vault", "vault/below", "images" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autofree char *path = utilTestPath(dirs[i]);

        utilTestClear(path);
        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    }
    host->declarations = utilTestPath("pools");
    host->configs = utilTestPath("configs");
    host->states = utilTestPath("states");
    host->pools = lukshdrHeaderPoolsNew(host->declarations, host->configs, host->states);
}

static void
testTearDown(testHost *host, const void *opaque G_GNUC_UNUSED)
{
    lukshdrHeaderPoolsFree(host->pools);
    g_free(host->declarations);
    g_free(host->configs);
    g_free(host->states);
}

/* A pool as libvirt's storage driver keeps it in @dir; @state: as a status file */
static void
testPool(const char *dir, const char *name, const char *uuid, const char *target, bool state)
{
    g_autofree char *path = g_strdup_printf("%s/%s.xml", dir, name);
    g_autofree char *full = utilTestPath(target);
    g_autofree char *text = g_strdup_printf("%s<pool type='dir'><name>%s</name><uuid>%s</uuid>"
                                            "<target><path>%s</path></target></pool>%s",
                                            state ? "<poolstate>" : "", name, uuid, full,
                                            state ? "</poolstate>" : "");

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
testDeclare(testHost *host, const char *owner, const char *inner)
{
    g_autofree char *path = g_strdup_printf("%s/%s.xml", host->declarations, owner);
    g_autofree char *text = g_strdup_printf("<pool>%s</pool>\n", inner);

    g_assert_true(lukshdrFileWrite(path, text, NULL));
}

/* Asserts that @name, below the test's directory, is in the header pool @wanted, or in none */
static void
testIsIn(testHost *host, const char *name, const char *wanted)
{
    g_autofree char *path = utilTestPath(name);
    g_autofree char *pool = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrHeaderPoolsFind(host->pools, path, &pool, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(pool, ==, wanted);
}

static void
testIsBelow(testHost *host, const char *name, const char *wanted)
{
    g_autofree char *path = utilTestPath(name);
    g_autofree char *pool = NULL;

    g_assert_true(lukshdrHeaderPoolsFindBelow(host->pools, path, &pool, NULL));
    g_assert_cmpstr(pool, ==, wanted);
}

static void
testFile(const char *name)
{
    g_autofree char *path = utilTestPath(name);

    utilTestWrite(path, "x", 1);
}

static void
testDeclarations(testHost *host, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *state = g_build_filename(host->states, "vault.xml", NULL);
    g_autofree char *own = g_build_filename(host->declarations, TEST_VAULT ".xml", NULL);
    g_autofree char *other = g_build_filename(host->declarations, TEST_IMAGES ".xml", NULL);
    g_autofree char *damaged = NULL;

    testFile("vault/header");
    testFile("images/disk");
    testPool(host->configs, "vault", TEST_VAULT, "vault", false);
    testPool(host->configs, "images", TEST_IMAGES, "images", false);
    testIsIn(host, "vault/header", NULL);

    testDeclare(host, TEST_VAULT, "<headers/>");
    testIsIn(host, "vault/header", "vault");
    testIsIn(host, "images/disk", NULL);
    g_assert_cmpint(g_unlink(own), ==, 0);
    testIsIn(host, "vault/header", NULL);

    testDeclare(host, TEST_IMAGES,
                "<encryption format='luks'><header type='volume'><source pool='none'/>"
                "<source pool='vault'/></header></encryption>");
    testIsIn(host, "vault/header", "vault");
    testIsIn(host, "images/disk", NULL);

    /* what can be read of a damaged one counts, and its own pool is one, to be on the safe side */
    g_assert_true(g_file_get_contents(other, &damaged, NULL, NULL));
    g_assert_cmpint(g_unlink(other), ==, 0);
    memcpy(strstr(damaged, "none"), "more", 4);
    g_assert_true(g_file_set_contents(other, damaged, -1, NULL));
    testIsIn(host, "vault/header", "vault");
    testIsIn(host, "images/disk", "images");
    g_assert_true(g_file_set_contents(other, "", 0, NULL));
    testIsIn(host, "vault/header", NULL);
    testIsIn(host, "images/disk", "images");
    g_assert_cmpint(g_unlink(other), ==, 0);

    /* a transient pool has a status file alone; where the two differ, both count */
    testDeclare(host, TEST_VAULT, "<headers/>");
    testPool(host->states, "vault", TEST_VAULT, "images", true);
    testIsIn(host, "vault/header", "vault");
    testIsIn(host, "images/disk", "vault");
    g_assert_cmpint(g_unlink(state), ==, 0);
    testIsIn(host, "images/disk", NULL);
}

static void
testNames(testHost *host, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *vault = utilTestPath("vault");
    g_autofree char *header = utilTestPath("vault/header");
    g_autofree char *hard = utilTestPath("images/hard");
    g_autofree char *soft = utilTestPath("images/soft");
    g_autofree char *dir = utilTestPath("images/dir");
    g_autofree char *out = utilTestPath("vault/out");

    testFile("vault/header");
    testFile("vault/below/disk");
    testFile("images/disk");
    testPool(host->configs, "vault", TEST_VAULT, "vault//.", false);
    testDeclare(host, TEST_VAULT, "<headers/>");
    g_assert_cmpint(symlink(header, soft), ==, 0);
    g_assert_cmpint(symlink(vault, dir), ==, 0);
    g_assert_cmpint(symlink("../images/disk", out), ==, 0);
    g_assert_cmpint(link(header, hard), ==, 0);

    testIsIn(host, "vault/header", "vault");
    testIsIn(host, "vault/not.there.yet", "vault");
    testIsIn(host, "vault//./header", "vault");
    testIsIn(host, "images/../vault/header", "vault");
    testIsIn(host, "images/soft", "vault");
    testIsIn(host, "images/hard", "vault");
    testIsIn(host, "images/dir/header", "vault");
    testIsIn(host, "images/dir/not.there.yet", "vault");
    testIsIn(host, "vault/out", "vault");

    testIsIn(host, "images/disk", NULL);
    testIsIn(host, "images/not.there.yet", NULL);
    testIsIn(host, "vault/below/disk", NULL);
    testIsIn(host, "vaulted/header", NULL);

    testIsBelow(host, "vault", "vault");
    testIsBelow(host, "images/dir", "vault");
    testIsBelow(host, ".", "vault");
    testIsBelow(host, "images", NULL);
    testIsBelow(host, "vault/below", NULL);
    testIsBelow(host, "nowhere", NULL);

    /* of an unmounted pool the path is all there is */
    utilTestClear(vault);
    testIsIn(host, "vault/header", "vault");
}

static void
testNothing(testHost *host, const void *opaque G_GNUC_UNUSED)
{
    utilTestClear(host->declarations);
    utilTestClear(host->configs);
    utilTestClear(host->states);
    testFile("images/disk");
    testIsIn(host, "images/disk", NULL);
    testIsBelow(host, ".", NULL);
}

static void
testIsRemote(testHost *host, const char *name, const char *server, const char *wanted)
{
    char *servers[] = { (char *)server, NULL };
    const lukshdrRemote remote = { .kind = LUKSHDR_LOCATION_RBD,
                                   .name = (char *)name,
                                   .servers = servers };
    g_autofree char *pool = NULL;

    g_assert_true(lukshdrHeaderPoolsFindRemote(host->pools, &remote, &pool, NULL));
    g_assert_cmpstr(pool, ==, wanted);
}

/* A pool of a cluster, by its name and its monitors */
static void
testRemote(testHost *host, const void *opaque G_GNUC_UNUSED)
{
    static const char text[] = "<pool type='rbd'><name>keys</name><uuid>" TEST_VAULT
                               "</uuid><source>"
                               "<name>ceph</name><host name='mon1' port='6789'/><host name='mon2'/>"
                               "</source></pool>";
    g_autofree char *path = g_build_filename(host->configs, "keys.xml", NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    testIsRemote(host, "ceph/one", "mon2", NULL);
    testDeclare(host, TEST_VAULT, "<headers/>");
    testIsRemote(host, "ceph/one", "mon2", "keys");
    testIsRemote(host, "ceph/one", "mon1:6789", "keys");
    /* the host's ceph.conf says which cluster */
    testIsRemote(host, "ceph/one", NULL, "keys");
    testIsRemote(host, "ceph/one", "mon3", NULL);
    testIsRemote(host, "ceph/space/one", "mon2", NULL);
    testIsRemote(host, "other/one", "mon2", NULL);
    testIsIn(host, "ceph/one", NULL);
    testIsBelow(host, ".", NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/headerpools/declarations", testHost, NULL, testSetUp, testDeclarations,
               testTearDown);
    g_test_add("/headerpools/names", testHost, NULL, testSetUp, testNames, testTearDown);
    g_test_add("/headerpools/remote", testHost, NULL, testSetUp, testRemote, testTearDown);
    g_test_add("/headerpools/nothing", testHost, NULL, testSetUp, testNothing, testTearDown);
    return g_test_run();
}
