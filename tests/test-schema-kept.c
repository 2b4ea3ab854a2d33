/*
 * test-schema-kept.c: the schemas, against what we write into files and labels
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "link/guest-record.h"
#include "link/link.h"
#include "util/schema.h"
#include "util/xml.h"
#include "utiltest.h"

static void
testLinkFiles(const void *dir)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "xml", dir, NULL);
    g_autoptr(GDir) gdir = g_dir_open(path, 0, NULL);
    unsigned int seen = 0;
    const char *name;

    g_assert_nonnull(gdir);
    while ((name = g_dir_read_name(gdir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *text = NULL;

        if (!g_str_has_suffix(name, ".xml"))
            continue;
        g_test_message("%s", name);
        g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
        utilTestValid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, text);
        seen++;
    }
    g_assert_cmpuint(seen, >, 1);
}

/* What is refused in tests/xml/link/file.xml, also without a schema unless the reader takes no
 * notice of it */
static void
testLinkRefused(void)
{
    static const struct {
        const char *from;
        const char *to;
        bool parsed; /* the reader takes no notice */
    } cases[] = {
        { "state=\"active\"", "state=\"sleeping\"" },
        { "state=\"active\"", "" },
        { "<uuid>5a3d", "<uuid>zzzz" },
        { "<luks uuid", "<luks id" },
        { "<secret uuid", "<secret usage" },
        { "generated=\"yes\"", "generated=\"1\"" },
        { "pool=\"images\"", "pool=\"a/b\"" },
        { "pool=\"images\"", "pool=\"\"" },
        { "format=\"qcow2\"", "format=\"\"" },
        { "<path>/var/lib/libvirt/images", "<path>var/lib" },
        { "inode=\"131\"", "inode=\"-1\"" },
        { "birth=\"1700000000.123456789\"", "birth=\"1700000000\"" },
        { "type=\"file\"", "type=\"network\"" },
        { "<header ", "<new/><header " },
        { "<header ", "<replica pool=\"vault\"/><header " },
        { "<luks ", "<luks generation=\"0\" " },
        { "<luks ", "<luks generation=\"4294967296\" " },
        { "7a33\"/>", "7a33\"><digest algorithm=\"md5\">00</digest></luks>" },
        { "7a33\"/>", "7a33\"><digest algorithm=\"sha256\">00</digest></luks>" },
        { "dev=\"2050\" ", "dev=\" 2050\" " },
        { "state=\"active\"", "state=\"creating\" new=\"1\"", true },
        { "</link>", "<luks uuid=\"" UTIL_TEST_LUKS_UUID "\"/></link>" },
        { "<path>/var/lib/libvirt/images", "<path>/</path><path>/var/lib/libvirt/images" },
        { "<path>/var/lib/libvirt/images", "<identity type=\"block\" dev=\"0\"/><path>/images" },
        { "<path>/var/lib/libvirt/headers", "<identity type=\"block\" dev=\"0\"/><path>/headers" },
    };
    g_autofree char *file = utilTestLoad("xml/link", "file", ".xml");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) text = g_string_new(file);
        g_autoptr(lukshdrLink) link = NULL;

        g_test_message("%s", cases[i].to);
        g_assert_cmpuint(g_string_replace(text, cases[i].from, cases[i].to, 1), ==, 1);
        utilTestInvalid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, text->str);
        link = lukshdrLinkParse(text->str, text->len, NULL);
        g_assert_true(!link == !cases[i].parsed);
    }
}

/* The same of tests/xml/link/rbd.xml */
static void
testLinkRemoteRefused(void)
{
    static const struct {
        const char *from;
        const char *to;
    } cases[] = {
        { "protocol=\"rbd\"", "protocol=\"nbd\"" },
        { "protocol=\"rbd\" ", "" },
        { " name=\"rbdpool/data.qcow2\"", "" },
        { "\"rbdpool/data.qcow2\"", "\"\"" },
        { "secret=\"6f3f", "secret=\"zzzz" },
        { "<server>mon1", "<host>a</host><server>mon1" },
        { "<remote ", "<path>/a</path><remote " },
        { "type=\"rbd\" id", "type=\"rbd\" name" },
        { "e3a0f9c2-5d0b-4a57-8d1f-0c7f1f6a2b11:3::10386b8b4567", "e3a0f9c2" },
        { "::10386b8b4567", "::1038 6b8b4567" },
    };
    g_autofree char *file = utilTestLoad("xml/link", "rbd", ".xml");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) text = g_string_new(file);
        g_autoptr(lukshdrLink) link = NULL;

        g_test_message("%s", cases[i].to);
        g_assert_cmpuint(g_string_replace(text, cases[i].from, cases[i].to, 1), ==, 1);
        utilTestInvalid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, text->str);
        link = lukshdrLinkParse(text->str, text->len, NULL);
        g_assert_null(link);
    }
}

/* The same of one that is not whole, where each part may be missing: what is added to creating.xml */
static void
testLinkTwice(void)
{
#define IDENTITY "<identity type='block' dev='0'/>"
#define DIGEST \
    "<digest algorithm='sha256'>" \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef</digest>"
#define LUKS(content) "<luks uuid='" UTIL_TEST_LUKS_UUID "'>" content "</luks>"
#define REPLICA(content) "<replica pool='vault2' volume='a'>" content "</replica>"
    static const struct {
        const char *added;
        bool valid;
    } cases[] = {
        { LUKS(""), true },
        { LUKS("") LUKS(""), false },
        { LUKS(DIGEST), true },
        { LUKS(DIGEST DIGEST), false },
        { REPLICA("") REPLICA("<path>/a</path>" IDENTITY) LUKS(""), true },
        { REPLICA("<path>/a</path><path>/b</path>"), false },
        { REPLICA(IDENTITY IDENTITY), false },
        { "<secret uuid='" UTIL_TEST_SECRET_UUID "'/>", false },
    };
    g_autofree char *file = utilTestLoad("xml/link", "creating", ".xml");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *added = g_strconcat(cases[i].added, "</link>", NULL);
        g_autoptr(GString) text = g_string_new(file);

        g_test_message("%s", added);
        g_assert_cmpuint(g_string_replace(text, "</link>", added, 1), ==, 1);
        (cases[i].valid ? utilTestValid : utilTestInvalid)(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK,
                                                           text->str);
    }
}

static void
testLinkWritten(void)
{
    static const lukshdrLinkState states[] = {
        LUKSHDR_LINK_STATE_ACTIVE, LUKSHDR_LINK_STATE_CREATING, LUKSHDR_LINK_STATE_DELETING,
        LUKSHDR_LINK_STATE_WIPING, LUKSHDR_LINK_STATE_WIPED,    LUKSHDR_LINK_STATE_UNLINKING
    };
    g_autofree char *payload = utilTestPath("payload\n&");
    g_autofree char *header = utilTestPath("header");
    g_autoptr(GPtrArray) links = g_ptr_array_new();
    g_autoptr(lukshdrLink) link = NULL;
    g_autofree char *list = NULL;
    g_autofree char *bare = NULL;
    size_t i;

    utilTestWrite(payload, "p", -1);
    utilTestWrite(header, "h", -1);
    link = utilTestLink(payload, header);
    link->headerShared = link->withSnapshots = link->secretGenerated = true;
    link->digest = g_strnfill(LUKSHDR_LINK_DIGEST_LEN, 'a');
    link->generation = G_MAXUINT32;
    lukshdrLinkAddReplica(link, "vault2", "header");
    lukshdrLinkAddReplica(link, "vault3", "header");

    for (i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autofree char *text = NULL;

        link->state = states[i];
        text = lukshdrLinkFormat(link);
        utilTestValid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, text);
    }

    /* a label of several */
    g_ptr_array_add(links, link);
    g_ptr_array_add(links, link);
    list = lukshdrLinkListFormat(links);
    utilTestValid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINKS, list);
    utilTestInvalid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINKS, "<links/>");

    g_clear_pointer(&link, lukshdrLinkUnref);
    link = utilTestLink(NULL, NULL);
    link->state = LUKSHDR_LINK_STATE_CREATING;
    g_clear_pointer(&link->luksUUID, g_free);
    g_clear_pointer(&link->secretUUID, g_free);
    bare = lukshdrLinkFormat(link);
    utilTestValid(LUKSHDR_SCHEMA_LINK, LUKSHDR_XML_LINK, bare);
}

static void
testGuestWritten(void)
{
    static const struct {
        const char *from;
        const char *to;
    } refused[] = {
        { " granted=", " given=" },
        { " granted=\"", " granted=\" " },
        { "<identity ", "<identity type=\"block\" dev=\"0\"/><identity " },
        { "<name>", "<new/><name>" },
    };
    lukshdrGuestDisk disk = { .linkUUID = (char *)UTIL_TEST_UUID,
                              .nodeName = (char *)"libvirt-2-format",
                              .payloadPath = (char *)"/p/a",
                              .payloadIdentity = { .type = LUKSHDR_IDENTITY_FILE, .birthSec = -1 },
                              .headerPath = (char *)"/dev/x",
                              .headerIdentity = { .type = LUKSHDR_IDENTITY_BLOCK },
                              .format = (char *)"qcow2",
                              .headerShared = true,
                              .readOnly = true,
                              .granted = G_MAXUINT };
    lukshdrGuestDisk plain = disk;
    g_autoptr(GPtrArray) disks = g_ptr_array_new();
    g_autofree char *dir = utilTestPath("guests");
    g_autofree char *file = utilTestPath("guests/a <guest>.xml");
    g_autofree char *text = NULL;
    size_t i;

    plain.headerShared = plain.readOnly = false;
    plain.headerIdentity = plain.payloadIdentity = (lukshdrIdentity){ 0 };
    g_ptr_array_add(disks, &disk);
    g_ptr_array_add(disks, &plain);
    g_assert_true(lukshdrGuestStore(dir, "a <guest>", disks, NULL));
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    utilTestValid(LUKSHDR_SCHEMA_GUEST, LUKSHDR_XML_GUEST, text);

    for (i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GString) bad = g_string_new(text);

        g_test_message("%s", refused[i].to);
        g_assert_cmpuint(g_string_replace(bad, refused[i].from, refused[i].to, 1), ==, 1);
        utilTestInvalid(LUKSHDR_SCHEMA_GUEST, LUKSHDR_XML_GUEST, bad->str);
    }
    utilTestInvalid(LUKSHDR_SCHEMA_GUEST, LUKSHDR_XML_GUEST, "<guest><name>a</name></guest>");
}

/* A payload that is an image of a Ceph cluster has no path, and is told by its ids */
static void
testGuestImage(void)
{
    lukshdrGuestDisk disk = { .linkUUID = (char *)UTIL_TEST_UUID,
                              .nodeName = (char *)"libvirt-1-format",
                              .payloadPath = (char *)"images/one",
                              .headerPath = (char *)"/srv/one.luks",
                              .format = (char *)"raw",
                              .granted = 1 };
    g_autoptr(GPtrArray) disks = g_ptr_array_new();
    g_autoptr(GPtrArray) loaded = NULL;
    g_autofree char *dir = utilTestPath("images");
    g_autofree char *file = utilTestPath("images/vm.xml");
    g_autofree char *text = NULL;
    g_autofree char *nothing = NULL;
    g_autofree char *both = NULL;
    const lukshdrGuestDisk *again;

    g_assert_true(lukshdrIdentitySetRBD(&disk.payloadIdentity, "fsid:3::1", 5));
    g_ptr_array_add(disks, &disk);
    g_assert_true(lukshdrGuestStore(dir, "vm", disks, NULL));
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    utilTestValid(LUKSHDR_SCHEMA_GUEST, LUKSHDR_XML_GUEST, text);

    g_assert_nonnull((loaded = lukshdrGuestLoad(dir, "vm", NULL)));
    again = g_ptr_array_index(loaded, 0);
    g_assert_cmpstr(again->payloadPath, ==, "images/one");
    g_assert_cmpint(lukshdrIdentityCompare(&disk.payloadIdentity, &again->payloadIdentity), ==,
                    LUKSHDR_IDENTITY_SAME);

    /* so has a header, which QEMU has as a node of its own */
    disk.headerPath = (char *)"rbd:vault/one.luks at mon";
    disk.headerNode = (char *)"libvirt-2-storage";
    g_assert_true(lukshdrIdentitySetRBD(&disk.headerIdentity, "fsid:4::1", 5));
    g_assert_true(lukshdrGuestStore(dir, "vm", disks, NULL));
    g_assert_true(g_file_get_contents(file, &both, NULL, NULL));
    utilTestValid(LUKSHDR_SCHEMA_GUEST, LUKSHDR_XML_GUEST, both);

    /* without its ids it is no file either */
    disk.payloadIdentity = (lukshdrIdentity){ .type = LUKSHDR_IDENTITY_NONE };
    g_assert_true(lukshdrGuestStore(dir, "vm", disks, NULL));
    g_assert_true(g_file_get_contents(file, &nothing, NULL, NULL));
    utilTestInvalid(LUKSHDR_SCHEMA_GUEST, LUKSHDR_XML_GUEST, nothing);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_data_func("/schema-kept/link/files", "link", testLinkFiles);
    g_test_add_data_func("/schema-kept/link/chains", "chain", testLinkFiles);
    g_test_add_func("/schema-kept/link/refused", testLinkRefused);
    g_test_add_func("/schema-kept/link/remote-refused", testLinkRemoteRefused);
    g_test_add_func("/schema-kept/link/twice", testLinkTwice);
    g_test_add_func("/schema-kept/link/written", testLinkWritten);
    g_test_add_func("/schema-kept/guest/written", testGuestWritten);
    g_test_add_func("/schema-kept/guest/image", testGuestImage);

    return g_test_run();
}
