/*
 * test-remote.c: volumes without a path on the host: what they are called, and by whose name
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <string.h>

#include "link/auth.h"
#include "link/rbd.h"
#include "link/remote-xml.h"
#include "link/secret-use.h"
#include "util/error.h"
#include "util/xml.h"
#include "utiltest.h"

#define SECRET "6f3f1c1e-1e0c-4c63-9d8e-7d0f3a6b9c21"

/* @servers: with a comma between two */
static lukshdrRemote *
testRemote(const char *name, const char *servers)
{
    lukshdrRemote *remote = g_new0(lukshdrRemote, 1);

    remote->kind = LUKSHDR_LOCATION_RBD;
    remote->name = g_strdup(name);
    remote->servers = *servers ? g_strsplit(servers, ",", -1) : g_new0(char *, 1);
    return remote;
}

static void
testOwnName(void)
{
    static const struct {
        const char *name;
        const char *servers;
        bool own;
    } cases[] = {
        { "images/one", "mon1:6789,mon2", true },
        { "images/one", "mon2,mon1", true },
        /* one that is left out is asked for nothing */
        { "images/one", "mon2:6789", true },
        { "images/one", "MON1", true },
        /* the same ids can be another cluster's bytes, if another server says so */
        { "images/one", "mon1,other", false },
        { "images/one", "other", false },
        { "images/one", "mon1:3300", false },
        { "images/one", "", false },
        { "images/two", "mon1", false },
        { "images/space/one", "mon1", false },
        { "Images/one", "mon1", false },
    };
    g_autoptr(lukshdrRemote) recorded = testRemote("images/one", "mon1,mon2:6789");
    g_autoptr(lukshdrRemote) bare = testRemote("images/one", "");
    g_autoptr(lukshdrRemote) iscsi = lukshdrRemoteCopy(recorded);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(lukshdrRemote) given = testRemote(cases[i].name, cases[i].servers);

        g_test_message("%s at %s", cases[i].name, cases[i].servers);
        g_assert_true(lukshdrRemoteIsOwnName(recorded, given) == cases[i].own);
    }
    /* where the host's own ceph.conf names the servers */
    g_assert_true(lukshdrRemoteIsOwnName(bare, bare));
    g_assert_false(lukshdrRemoteIsOwnName(bare, recorded));
    iscsi->kind = LUKSHDR_LOCATION_ISCSI;
    g_assert_false(lukshdrRemoteIsOwnName(recorded, iscsi));
}

static void
testNames(void)
{
    g_autoptr(lukshdrRemote) remote = testRemote("images/one", "mon1:6789,[::1]:3300");
    g_autoptr(lukshdrRemote) bare = testRemote("images/one", "");
    g_autofree char *where = lukshdrRemoteDescribe(remote);
    g_autofree char *key = lukshdrRemoteKey(remote);
    g_autofree char *other = lukshdrRemoteKey(bare);

    g_assert_cmpstr(where, ==, "rbd:images/one");
    g_assert_cmpstr(key, ==, "rbd:images/one at mon1:6789,[::1]:3300");
    g_assert_cmpstr(key, !=, other);
    g_assert_null(lukshdrRemoteCopy(NULL));
    lukshdrRemoteFree(NULL);
}

#define POOL(auth) \
    "<pool type='rbd'><name>p</name><source><name>images</name><host name='mon1' port='6789'/>" \
    "<host name='::1'/><host name='[::2]' port='1'/><host/>" auth "</source></pool>"

static void
testPool(void)
{
    static const struct {
        const char *text;
        const char *user;
        const char *secret;
        const char *usage;
    } cases[] = {
        { POOL(""), NULL, NULL, NULL },
        { POOL("<auth type='ceph' username='u'/>"), "u", NULL, NULL },
        { POOL("<auth username='u'><secret uuid='" SECRET "'/></auth>"), "u", SECRET, NULL },
        { POOL("<auth username='u'><secret usage='k'/></auth>"), "u", NULL, "k" },
        { POOL("<auth username='u'><secret/></auth>"), "u", NULL, "" },
    };
    g_autoptr(lukshdrRemote) none = NULL;
    g_autofree char *unused = NULL;
    g_autoptr(GError) error = NULL;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(lukshdrRemote) remote = NULL;
        g_autofree char *usage = NULL;
        g_autofree char *servers = NULL;

        g_assert_true(lukshdrRemoteFromPool(cases[i].text, "p", "one", &remote, &usage, NULL));
        g_assert_nonnull(remote);
        g_assert_cmpint(remote->kind, ==, LUKSHDR_LOCATION_RBD);
        g_assert_cmpstr(remote->name, ==, "images/one");
        servers = g_strjoinv(" ", remote->servers);
        g_assert_cmpstr(servers, ==, "mon1:6789 [::1] [::2]:1");
        g_assert_cmpstr(remote->user, ==, cases[i].user);
        g_assert_cmpstr(remote->secretUUID, ==, cases[i].secret);
        g_assert_cmpstr(usage, ==, cases[i].usage);
    }

    g_assert_true(lukshdrRemoteFromPool("<pool type='dir'><name>p</name></pool>", "p", "one", &none,
                                        &unused, NULL));
    g_assert_null(none);
    g_assert_false(lukshdrRemoteFromPool("<pool type='rbd'><source/></pool>", "p", "one", &none,
                                         &unused, &error));
    utilTestError(error, "XML_ERROR 'p' does not say which pool of the Ceph cluster it is");
}

/* What <source> names, as "NAME at SERVERS"; NULL for what is none of ours */
static char *
testDiskKey(const char *text)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), "source", NULL);
    g_autoptr(lukshdrRemote) remote = NULL;

    g_assert_nonnull(doc);
    remote = lukshdrRemoteFromDisk(xmlDocGetRootElement(doc));
    return remote ? lukshdrRemoteKey(remote) : NULL;
}

static void
testDisk(void)
{
    g_autofree char *image = testDiskKey(
        "<source protocol='rbd' name='images/one'><host name='m' port='7'/></source>");
    g_autofree char *bare = testDiskKey("<source protocol='rbd' name='images/one'/>");

    g_assert_cmpstr(image, ==, "rbd:images/one at m:7");
    g_assert_cmpstr(bare, ==, "rbd:images/one at ");
    g_assert_null(testDiskKey("<source protocol='nbd' name='images/one'/>"));
    g_assert_null(testDiskKey("<source protocol='rbd'/>"));
    g_assert_null(testDiskKey("<source file='/images/one'/>"));
}

/* A domain's disk with the secret: whether it is the payload's own, so that the secret may go with that */
static void
testSecretUse(void)
{
#define DISK(source) \
    "<domain><devices><disk>" source "<encryption><secret uuid='" UTIL_TEST_SECRET_UUID \
    "'/></encryption></source></disk></devices></domain>"
    static const struct {
        const char *text;
        bool used;
    } cases[] = {
        { "<domain/>", false },
        { DISK("<source protocol='rbd' name='images/one'><host name='mon1' port='6789'/>"), false },
        { DISK("<source pool='ceph' volume='one'>"), false },
        { DISK("<source protocol='rbd' name='images/one'><host name='other'/>"), true },
        { DISK("<source protocol='rbd' name='images/one'>"), true },
        { DISK("<source protocol='rbd' name='images/two'><host name='mon1'/>"), true },
        { DISK("<source protocol='nbd' name='images/one'><host name='mon1'/>"), true },
        { DISK("<source file='images/one'>"), true },
    };
    g_autofree char *dir = g_build_filename(g_get_user_config_dir(), "libvirt", "qemu", NULL);
    g_autofree char *file = g_build_filename(dir, "vm.xml", NULL);
    lukshdrVolume payload = { .pool = g_strdup("ceph"),
                              .volume = g_strdup("one"),
                              .remote = testRemote("images/one", "mon1") };
    size_t i;

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *user = NULL;
        g_autoptr(GError) error = NULL;

        g_test_message("%s", cases[i].text);
        utilTestWrite(file, cases[i].text, -1);
        g_assert_true(
            lukshdrSecretUseFind(false, UTIL_TEST_SECRET_UUID, "u", &payload, NULL, &user, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(user, ==, cases[i].used ? file : NULL);
    }
    lukshdrVolumeClear(&payload);
}

static void
testServers(void)
{
    static const struct {
        const char *server;
        const char *host;
        guint port;
    } cases[] = {
        { "mon1", "mon1", 0 },
        { "mon1:6789", "mon1", 6789 },
        { "192.0.2.1:3300", "192.0.2.1", 3300 },
        { "[::1]:3300", "::1", 3300 },
        { "[2001:db8::1]", "2001:db8::1", 0 },
        { "mon1:", NULL, 0 },
        { "mon1:port", NULL, 0 },
        { "mon1:65536", NULL, 0 },
        { "[::1", NULL, 0 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *host = NULL;
        guint port = 0;

        g_test_message("%s", cases[i].server);
        g_assert_true(lukshdrRemoteParseServer(cases[i].server, &host, &port) ==
                      (cases[i].host != NULL));
        g_assert_cmpstr(host, ==, cases[i].host);
        g_assert_cmpuint(port, ==, cases[i].port);
        if (host) {
            g_autofree char *text = port ? g_strdup_printf("%u", port) : NULL;
            g_autofree char *again = lukshdrRemoteServer(host, text);

            g_assert_cmpstr(again, ==, cases[i].server);
        }
    }
}

static void
testSplit(void)
{
    static const struct {
        const char *name;
        const char *pool; /* NULL: it is refused */
        const char *space;
        const char *image;
    } cases[] = {
        { "images/one", "images", "", "one" },
        { "images/tenant/one", "images", "tenant", "one" },
        { "images//one", "images", "", "one" },
        { "images/tenant/one/two", "images", "tenant", "one/two" },
        { "images/", "images", "", "" },
        { "images", NULL, NULL, NULL },
        { "", NULL, NULL, NULL },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(lukshdrRemote) remote = testRemote(cases[i].name, "mon1");
        g_autofree char *pool = NULL;
        g_autofree char *space = NULL;
        g_autofree char *image = NULL;

        g_test_message("'%s'", cases[i].name);
        g_assert_true(lukshdrRemoteSplitRBD(remote, &pool, &space, &image) ==
                      (cases[i].pool != NULL));
        g_assert_cmpstr(pool, ==, cases[i].pool);
        g_assert_cmpstr(space, ==, cases[i].space);
        g_assert_cmpstr(image, ==, cases[i].image);
    }
}

/* Nobody in this process can tell a key */
static void
testNoKeys(void)
{
    g_autoptr(lukshdrRemote) remote = testRemote("images/one", "127.0.0.1:1");
    g_autoptr(GError) error = NULL;

    remote->user = g_strdup("u");
    remote->secretUUID = g_strdup(SECRET);
    g_assert_null(lukshdrRBDOpen(remote, NULL, false, &error));
    utilTestError(error, "OPERATION_UNSUPPORTED 'images/one' cannot be looked at from here");
}

static guint testKeysAsked;

/* A lukshdrAuthSource */
static lukshdrSecret *
testKey(lukshdrLocationKind kind, const char *uuid, GError **error G_GNUC_UNUSED)
{
    /* as Ceph has it: type, time, length, key */
    guint8 key[28] = { 1, [10] = 16, [12] = 'k' };

    g_assert_cmpint(kind, ==, LUKSHDR_LOCATION_RBD);
    g_assert_cmpstr(uuid, ==, SECRET);
    testKeysAsked++;
    return lukshdrSecretNew(key, sizeof(key));
}

static void
testSilentOpen(const char *name, const char *server)
{
    g_autoptr(lukshdrRemote) remote = testRemote(name, server);
    g_autoptr(GError) error = NULL;

    remote->user = g_strdup("u");
    remote->secretUUID = g_strdup(SECRET);
    g_assert_null(lukshdrRBDOpen(remote, NULL, false, &error));
    utilTestError(error, "OPERATION_TIMEOUT has not answered within");
}

/* Nobody listens there: a client of Ceph's tries until its deadline.  An operation asks one cluster once. */
static void
testSilent(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrRemote) none = testRemote("nothing", "127.0.0.1:1");

    g_assert_null(lukshdrRBDOpen(none, NULL, false, &error));
    if (g_error_matches(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED)) {
        g_test_skip(error->message);
        return;
    }

    lukshdrAuthSetSource(testKey);
    {
        g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();

        testSilentOpen("images/one", "127.0.0.1:1");
        g_assert_cmpuint(testKeysAsked, ==, 1);
        {
            g_auto(lukshdrRBDOperation) inner = lukshdrRBDOperationBegin();

            testSilentOpen("images/tenant/two", "127.0.0.1:1");
        }
        testSilentOpen("other/two", "127.0.0.1:1");
        g_assert_cmpuint(testKeysAsked, ==, 1);
    }
}

#define ISCSI(volume) \
    "<pool type='iscsi-direct'><name>p</name><source><host name='h' port='3261'/>" \
    "<device path='iqn.x:y'/><initiator><iqn name='iqn.x:c'/></initiator>" \
    "<auth type='chap' username='u'><secret usage='san'/></auth></source></pool>", \
        "p", volume

/* Units of iSCSI targets: in pools, and as disks */
static void
testUnits(void)
{
    g_autoptr(lukshdrRemote) remote = NULL;
    g_autoptr(lukshdrRemote) none = NULL;
    g_autofree char *usage = NULL;
    g_autofree char *unused = NULL;
    g_autofree char *key = NULL;
    g_autofree char *disk = testDiskKey(
        "<source protocol='iscsi' name='iqn.x:y'><host name='h'/></source>");
    g_autofree char *lun = testDiskKey("<source protocol='iscsi' name='iqn.x:y/2'/>");
    g_autoptr(GError) error = NULL;
    lukshdrRemote given = { .kind = LUKSHDR_LOCATION_ISCSI,
                            .servers = (char *[]){ (char *)"h:3261", NULL },
                            .name = (char *)"iqn.x:y/7" };

    g_assert_true(lukshdrRemoteFromPool(ISCSI("unit:0:0:7"), &remote, &usage, &error));
    g_assert_no_error(error);
    key = lukshdrRemoteKey(remote);
    g_assert_cmpstr(key, ==, "iscsi:iqn.x:y/7 at h:3261");
    g_assert_cmpstr(remote->initiator, ==, "iqn.x:c");
    g_assert_cmpstr(remote->user, ==, "u");
    g_assert_cmpstr(usage, ==, "san");
    g_assert_cmpstr(disk, ==, "iscsi:iqn.x:y/0 at h");
    g_assert_cmpstr(lun, ==, "iscsi:iqn.x:y/2 at ");

    g_assert_true(lukshdrRemoteIsOwnName(remote, &given));
    given.servers = (char *[]){ (char *)"h", NULL }; /* port 3260 */
    g_assert_false(lukshdrRemoteIsOwnName(remote, &given));
    given.kind = LUKSHDR_LOCATION_RBD;
    g_assert_false(lukshdrRemoteIsOwnName(remote, &given));

    g_assert_false(lukshdrRemoteFromPool(ISCSI("seven"), &none, &unused, &error));
    utilTestError(error, "NO_STORAGE_VOL such as 'unit:0:0:1'");
    g_assert_null(none);
}

/* Before anything is made */
static void
testPoolTypes(void)
{
    static const struct {
        const char *type;
        bool made;
        bool named;
    } types[] = {
        { "dir", true, true },           { "netfs", true, true },     { "logical", true, true },
        { "rbd", true, true },           { "zfs", true, true },       { "vstorage", true, true },
        { "iscsi", false, true },        { "scsi", false, true },     { "mpath", false, true },
        { "iscsi-direct", false, true }, { "gluster", false, false }, { "sheepdog", false, false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *text = g_strdup_printf("<pool type='%s'/>", types[i].type);
        g_autoptr(GError) made = NULL;
        g_autoptr(GError) named = NULL;

        g_assert_true(lukshdrRemoteCheckPool(text, "p", true, &made) == types[i].made);
        g_assert_true(lukshdrRemoteCheckPool(text, "p", false, &named) == types[i].named);
        if (!types[i].named)
            utilTestError(named, "CONFIG_UNSUPPORTED not supported in pools of type");
        else if (!types[i].made)
            utilTestError(made, "CONFIG_UNSUPPORTED link='existing'");
    }
}

int
main(int argc, char **argv)
{
    /* before GLib looks */
    g_setenv("XDG_CONFIG_HOME", utilTestDir(), true);
    g_setenv("XDG_RUNTIME_DIR", utilTestDir(), true);
    xmlInitParser();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/remote/own-name", testOwnName);
    g_test_add_func("/remote/names", testNames);
    g_test_add_func("/remote/units", testUnits);
    g_test_add_func("/remote/pool-types", testPoolTypes);
    g_test_add_func("/remote/pool", testPool);
    g_test_add_func("/remote/disk", testDisk);
    g_test_add_func("/remote/secret-use", testSecretUse);
    g_test_add_func("/remote/servers", testServers);
    g_test_add_func("/remote/split", testSplit);
    g_test_add_func("/remote/no-keys", testNoKeys);
    g_test_add_func("/remote/silent", testSilent);
    return g_test_run();
}
