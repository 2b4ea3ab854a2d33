/*
 * test-golden.c: files that release 0.1 wrote are read, and become today's when they are written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tests/golden/header-v1.img.gz is test-label.c's.
 */

#include <libxml/parser.h>
#include <string.h>

#include "link/guest-record.h"
#include "link/registry.h"
#include "storage_backend_lukshdr/defaults.h"
#include "util/error.h"
#include "util/schema.h"
#include "util/xml.h"
#include "utiltest.h"

#define POOL_UUID "1d642346-ad0c-40a0-b069-719bca8941b7"

/* Puts the golden file @name into directory @dir, called @as */
static char *
testPut(const char *name, const char *dir, const char *as)
{
    g_autofree char *text = utilTestLoad("golden", name, "-v1.xml");
    char *path = g_build_filename(dir, as, NULL);

    g_assert_nonnull(text);
    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    utilTestWrite(path, text, strlen(text));
    return path;
}

/* An entry without the file system's id; what is known since is written when anything is */
static void
testLink(void)
{
    g_autofree char *dir = utilTestPath("links");
    g_autofree char *path = testPut("link", dir, UTIL_TEST_UUID ".xml");
    g_autoptr(lukshdrRegistry) registry = lukshdrRegistryNew(dir);
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(lukshdrLink) changed = NULL;
    g_autoptr(lukshdrLink) again = NULL;
    g_autofree char *text = NULL;

    g_assert_true(lukshdrRegistryLoad(registry, &damaged, NULL));
    g_assert_cmpuint(damaged->len, ==, 0);
    link = lukshdrRegistryGet(registry, UTIL_TEST_UUID);
    g_assert_nonnull(link);
    g_assert_cmpint(link->state, ==, LUKSHDR_LINK_STATE_ACTIVE);
    g_assert_cmpstr(link->payload.path, ==, "/var/lib/libvirt/images/data.qcow2");
    g_assert_cmpuint(link->payload.identity.inode, ==, 131);
    g_assert_cmpint(link->payload.identity.birthSec, ==, 1700000000);
    g_assert_cmpstr(link->payload.identity.id, ==, "");
    g_assert_cmpuint(link->replicas->len, ==, 3);
    g_assert_cmpint(lukshdrLinkHeaderCopy(link, 2)->identity.type, ==, LUKSHDR_IDENTITY_BLOCK);
    g_assert_null(lukshdrLinkHeaderCopy(link, 3)->path);
    g_assert_cmpuint(link->generation, ==, G_MAXUINT32);
    g_assert_true(link->secretGenerated);

    changed = lukshdrLinkCopy(link);
    g_strlcpy(changed->payload.identity.id, "fs-ef53-1", sizeof(changed->payload.identity.id));
    g_assert_true(lukshdrRegistryStore(registry, changed, NULL));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "id=\"fs-ef53-1\""));
    again = lukshdrRegistryGet(registry, UTIL_TEST_UUID);
    g_assert_cmpstr(again->payload.identity.id, ==, "fs-ef53-1");
    g_assert_cmpuint(again->replicas->len, ==, 3);
}

/* The state that is called unlinking since: the schema takes the old word, and what is written is new */
static void
testParting(void)
{
    g_autofree char *dir = utilTestPath("links");
    g_autofree char *path = testPut("link-parting", dir, UTIL_TEST_UUID ".xml");
    g_autoptr(lukshdrRegistry) registry = lukshdrRegistryNew(dir);
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    g_autofree char *before = utilTestLoad("golden", "link-parting", "-v1.xml");
    g_autofree char *after = NULL;

    utilTestValid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, before);
    g_assert_true(lukshdrRegistryLoad(registry, &damaged, NULL));
    g_assert_cmpuint(damaged->len, ==, 0);
    link = lukshdrRegistryGet(registry, UTIL_TEST_UUID);
    g_assert_nonnull(link);
    g_assert_cmpint(link->state, ==, LUKSHDR_LINK_STATE_UNLINKING);

    g_assert_true(lukshdrRegistryStore(registry, link, NULL));
    g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
    g_assert_nonnull(strstr(after, "state=\"unlinking\""));
    g_assert_null(strstr(after, "parting"));
}

static void
testGuest(void)
{
    g_autofree char *dir = utilTestPath("guests");
    g_autofree char *path = testPut("guest", dir, "guest.xml");
    g_autoptr(GPtrArray) disks = NULL;
    g_autoptr(GPtrArray) again = NULL;
    g_autoptr(GError) error = NULL;
    const lukshdrGuestDisk *disk;

    disks = lukshdrGuestLoad(dir, "guest", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(disks->len, ==, 1);
    disk = g_ptr_array_index(disks, 0);
    g_assert_cmpstr(disk->linkUUID, ==, UTIL_TEST_UUID);
    g_assert_cmpstr(disk->payloadPath, ==, "/srv/images/data.qcow2");
    g_assert_cmpuint(disk->payloadIdentity.inode, ==, 1311);
    g_assert_cmpint(disk->headerIdentity.type, ==, LUKSHDR_IDENTITY_BLOCK);
    g_assert_cmpuint(disk->granted, ==, 1);

    g_assert_true(lukshdrGuestStore(dir, "guest", disks, NULL));
    again = lukshdrGuestLoad(dir, "guest", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again->len, ==, 1);
}

static void
testPools(void)
{
    g_autofree char *dir = utilTestPath("pools");
    g_autofree char *path = testPut("pool-default", dir, POOL_UUID ".xml");
    g_autoptr(xmlDoc) ours = NULL;
    g_autoptr(xmlDoc) again = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *headers = NULL;

    g_assert_true(lukshdrStorageDefaultLoad(dir, POOL_UUID, &ours, &error));
    g_assert_no_error(error);
    g_assert_nonnull(ours);
    g_assert_true(lukshdrStorageDefaultDeclares(dir, UTIL_TEST_UUID, "vault"));
    g_assert_true(lukshdrStorageDefaultStore(dir, POOL_UUID, ours, NULL));
    g_assert_true(lukshdrStorageDefaultLoad(dir, POOL_UUID, &again, NULL));
    g_assert_true(lukshdrStorageDefaultIsSame(ours, again));

    g_assert_false(lukshdrStorageDefaultDeclares(dir, UTIL_TEST_UUID, "other"));
    headers = testPut("pool-headers", dir, UTIL_TEST_UUID ".xml");
    g_assert_true(lukshdrStorageDefaultDeclares(dir, UTIL_TEST_UUID, "other"));
}

int
main(int argc, char **argv)
{
    xmlInitParser();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/golden/link", testLink);
    g_test_add_func("/golden/link-parting", testParting);
    g_test_add_func("/golden/guest", testGuest);
    g_test_add_func("/golden/pools", testPools);
    return g_test_run();
}
