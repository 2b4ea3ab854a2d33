/*
 * test-network.c: which files of this host a network leads back to
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qemu_lukshdr/network.h"
#include "utiltest.h"

static const char *const names[] = { "localhost", "here",        "here.example.org",
                                     "192.0.2.7", "2001:db8::7", NULL };

static const char mountinfo[] =
    "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "30 21 0:40 / /mnt/nas rw,relatime shared:2 - nfs4 nas.example.org:/export/vm "
    "rw,vers=4.2,addr=192.0.2.9,clientaddr=192.0.2.7\n"
    "31 21 0:41 /sub /mnt/part\\040two rw - nfs nas2:/srv rw,vers=3,addr=192.0.2.10\n"
    "32 21 0:42 / /mnt/six rw - nfs4 [2001:db8::1]:/ rw,addr=2001:db8::1\n"
    "40 21 0:50 / /mnt/gluster rw shared:3 - fuse.glusterfs one:/gv0 rw,user_id=0\n"
    "41 21 0:51 / /mnt/deep rw - fuse.glusterfs two:gv1/images rw,user_id=0\n"
    "torn 21\n"
    "\n";

static const struct {
    const char *name;
    const char *props;
    const char *paths; /* joined by blanks */
} cases[] = {
    { "ssh/here", "{'driver':'ssh','path':'/a/./b','server':{'host':'HERE','port':'22'}}", "/a/b" },
    { "ssh/address", "{'driver':'ssh','path':'/a','server':{'host':'2001:db8:0::7','port':'22'}}",
      "/a" },
    { "ssh/loopback", "{'driver':'ssh','path':'/a','server':{'host':'127.1.2.3'}}", "/a" },
    { "ssh/elsewhere", "{'driver':'ssh','path':'/a','server':{'host':'there'}}", "" },
    { "ssh/malformed", "{'driver':'ssh','path':['/a'],'server':'here'}", "" },
    { "nfs/here", "{'driver':'nfs','path':'/srv/a','server':{'type':'inet','host':'192.0.2.7'}}",
      "/srv/a" },
    { "nfs/mounted", "{'driver':'nfs','path':'/export/vm/d/a','server':{'host':'nas.example.org'}}",
      "/mnt/nas/d/a" },
    { "nfs/short", "{'driver':'nfs','path':'//export//vm/a','server':{'host':'NAS'}}",
      "/mnt/nas/a" },
    { "nfs/address", "{'driver':'nfs','path':'/export/vm/a','server':{'host':'192.0.2.9'}}",
      "/mnt/nas/a" },
    { "nfs/other-export", "{'driver':'nfs','path':'/export/vmx/a','server':{'host':'nas'}}", "" },
    { "nfs/other-server", "{'driver':'nfs','path':'/export/vm/a','server':{'host':'nasx'}}", "" },
    { "nfs/part", "{'driver':'nfs','path':'/srv/sub/a','server':{'host':'nas2'}}",
      "/mnt/part two/a" },
    { "nfs/not-that-part", "{'driver':'nfs','path':'/srv/a','server':{'host':'nas2'}}", "" },
    { "nfs/up", "{'driver':'nfs','path':'/x/../export/vm/a','server':{'host':'nas'}}",
      "/mnt/nas/a" },
    { "nfs/six", "{'driver':'nfs','path':'/a','server':{'host':'2001:db8::1'}}", "/mnt/six/a" },
    { "gluster/mounted", "{'driver':'gluster','volume':'gv0','path':'d/a','server':[]}",
      "/mnt/gluster/d/a" },
    { "gluster/deep", "{'driver':'gluster','volume':'gv1','path':'images/a','server':[]}",
      "/mnt/deep/a" },
    { "gluster/not-deep", "{'driver':'gluster','volume':'gv1','path':'a','server':[]}", "" },
    { "gluster/other", "{'driver':'gluster','volume':'gv','path':'0/a','server':[]}", "" },
    { "nbd/export",
      "{'driver':'nbd','export':'/a','server':{'type':'inet','host':'here','port':'1'}}", "/a" },
    { "nbd/name", "{'driver':'nbd','export':'a','server':{'type':'inet','host':'here','port':'1'}}",
      "" },
    { "nbd/elsewhere",
      "{'driver':'nbd','export':'/a','server':{'type':'inet','host':'there','port':'1'}}", "" },
    { "rbd", "{'driver':'rbd','pool':'images','image':'a'}", "" },
    { "nothing", "{}", "" },
};

/* @props with ' for " */
static char *
askedOf(const char *props, const lukshdrQemuNetworkHere *here)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *json = g_strdelimit(g_strdup(props), "'", '"');
    g_autoptr(GPtrArray) paths = NULL;

    g_assert_true(json_parser_load_from_data(parser, json, -1, NULL));
    paths = lukshdrQemuNetworkPaths(json_node_get_object(json_parser_get_root(parser)), here);
    g_ptr_array_add(paths, NULL);
    return g_strjoinv(" ", (char **)paths->pdata);
}

static void
testPaths(gconstpointer opaque)
{
    lukshdrQemuNetworkHere here = {
        .names = (GStrv)names, .mountinfo = mountinfo, .proc = "/nowhere", .configfs = "/nowhere"
    };
    size_t i = GPOINTER_TO_SIZE(opaque);
    g_autofree char *paths = askedOf(cases[i].props, &here);

    g_assert_cmpstr(paths, ==, cases[i].paths);
}

/* The process that listens is this one */
static void
testListener(void)
{
    g_autofree char *file = utilTestPath("exported.raw");
    g_autofree char *path = utilTestPath("s");
    g_autofree char *props = NULL;
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    lukshdrQemuNetworkHere here = {
        .names = (GStrv)names, .mountinfo = mountinfo, .proc = "/proc", .configfs = "/nowhere"
    };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_autofree char *fd = NULL;
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FILE *opened;

    g_assert_cmpuint(strlen(path), <, sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    props = g_strdup_printf("{'driver':'nbd','export':'','server':{'type':'unix','path':'%s'}}",
                            path);
    utilTestWrite(file, "x", 1);
    opened = fopen(file, "re");
    g_assert_nonnull(opened);
    fd = g_strdup_printf("/proc/%d/fd/%d", getpid(), fileno(opened));

    g_assert_cmpint(bind(sock, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    before = askedOf(props, &here);
    g_assert_cmpstr(before, ==, "");

    g_assert_cmpint(listen(sock, 1), ==, 0);
    after = askedOf(props, &here);
    g_assert_nonnull(strstr(after, fd));

    fclose(opened);
    close(sock);
    unlink(path);
}

/* The kernel's target, as its configfs shows it */
static void
testTarget(void)
{
    static const char props[] =
        "{'driver':'iscsi','portal':'localhost:1','target':'iqn.2026-01.org.example:a','lun':3}";
    static const char other[] =
        "{'driver':'iscsi','portal':'localhost:1','target':'iqn.2026-01.org.example:a','lun':4}";
    g_autofree char *configfs = utilTestPath("configfs");
    g_autofree char *unit = g_build_filename(
        configfs, "target/iscsi/iqn.2026-01.org.example:a/tpgt_1/lun/lun_3/0123abcd", NULL);
    g_autofree char *file = g_build_filename(unit, "udev_path", NULL);
    lukshdrQemuNetworkHere here = {
        .names = (GStrv)names, .mountinfo = mountinfo, .proc = "/nowhere", .configfs = configfs
    };
    g_autofree char *paths = NULL;
    g_autofree char *none = NULL;

    g_assert_cmpint(g_mkdir_with_parents(unit, 0700), ==, 0);
    utilTestWrite(file, "/some/file.raw\n", -1);
    paths = askedOf(props, &here);
    g_assert_cmpstr(paths, ==, "/some/file.raw");
    none = askedOf(other, &here);
    g_assert_cmpstr(none, ==, "");
}

int
main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("/network/%s", cases[i].name);

        g_test_add_data_func(name, GSIZE_TO_POINTER(i), testPaths);
    }
    g_test_add_func("/network/listener", testListener);
    g_test_add_func("/network/target", testTarget);
    return g_test_run();
}
