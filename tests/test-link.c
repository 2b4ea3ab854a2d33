/*
 * test-link.c: a link's XML, there and back, and what of it is refused
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tests/xml/link/NAME.xml is what lukshdrLinkFormat writes and must stay readable
 * for ever; NAME.in.xml another layout of NAME.xml, or what an earlier release wrote for it.
 * tests/xml/links is the same for lukshdrLinkListFormat.
 */

#include <libxml/parser.h>
#include <string.h>

#include "util/error.h"
#include "utiltest.h"

#define LINK_DIR "xml/link"
#define LIST_DIR "xml/links"

static void
testGolden(gconstpointer opaque)
{
    const char *name = opaque;
    g_autofree char *golden = utilTestLoad(LINK_DIR, name, ".xml");
    g_autofree char *layout = utilTestLoad(LINK_DIR, name, ".in.xml");
    const char *xml = layout ? layout : golden;
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrLink) link = lukshdrLinkParse(xml, strlen(xml), &error);
    g_autoptr(lukshdrLink) copy = NULL;
    g_autofree char *text = NULL;
    g_autofree char *copyText = NULL;

    g_assert_no_error(error);
    text = lukshdrLinkFormat(link);
    utilTestGolden(LINK_DIR, name, ".xml", text);

    copy = lukshdrLinkCopy(link);
    g_clear_pointer(&link, lukshdrLinkUnref);
    copyText = lukshdrLinkFormat(copy);
    g_assert_cmpstr(copyText, ==, text);
}

static void
testGoldenList(gconstpointer opaque)
{
    const char *name = opaque;
    g_autofree char *golden = utilTestLoad(LIST_DIR, name, ".xml");
    g_autofree char *layout = utilTestLoad(LIST_DIR, name, ".in.xml");
    const char *xml = layout ? layout : golden;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) links = lukshdrLinkListParse(xml, strlen(xml), &error);
    g_autofree char *text = NULL;
    guint i;

    g_assert_no_error(error);
    text = lukshdrLinkListFormat(links);
    utilTestGolden(LIST_DIR, name, ".xml", text);

    for (i = 0; i < links->len; i++) {
        lukshdrLink *link = g_ptr_array_index(links, i);

        g_assert_true(lukshdrLinkListFind(links, link->uuid) == link);
    }
    g_assert_null(lukshdrLinkListFind(links, UTIL_TEST_SECRET_UUID));
}

/* One link is a list of one, and is written as a release that knew no lists did */
static void
testListOfOne(void)
{
    g_autoptr(lukshdrLink) link = utilTestLink("/p", "/h");
    g_autoptr(GPtrArray) links = g_ptr_array_new();
    g_autoptr(GPtrArray) parsed = NULL;
    g_autofree char *text = lukshdrLinkFormat(link);
    g_autofree char *list = NULL;

    g_ptr_array_add(links, link);
    list = lukshdrLinkListFormat(links);
    g_assert_cmpstr(list, ==, text);
    parsed = lukshdrLinkListParse(text, strlen(text), NULL);
    g_assert_cmpuint(parsed->len, ==, 1);
    g_assert_cmpstr(((lukshdrLink *)g_ptr_array_index(parsed, 0))->uuid, ==, link->uuid);
}

static void
testReplicas(void)
{
    g_autofree char *xml = utilTestLoad(LINK_DIR, "replicas", ".xml");
    g_autoptr(lukshdrLink) link = lukshdrLinkParse(xml, strlen(xml), NULL);
    g_autoptr(lukshdrLink) copy = NULL;
    const lukshdrVolume *vol;
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "first", -1);
    g_autofree char *text = NULL;

    g_assert_nonnull(link);
    g_assert_cmpuint(link->replicas->len, ==, 3);
    g_assert_cmpuint(link->generation, ==, G_MAXUINT32);
    g_assert_cmpstr(link->digest, ==, digest);

    g_assert_true(lukshdrLinkHeaderCopy(link, 0) == &link->header);
    vol = lukshdrLinkHeaderCopy(link, 1);
    g_assert_cmpstr(vol->pool, ==, "copies");
    g_assert_cmpstr(vol->path, ==, "/srv/copies/data.luks");
    g_assert_cmpint(vol->identity.type, ==, LUKSHDR_IDENTITY_FILE);
    g_assert_cmpuint(vol->identity.inode, ==, 12);
    vol = lukshdrLinkHeaderCopy(link, 2);
    g_assert_cmpstr(vol->pool, ==, "far & away");
    g_assert_cmpstr(vol->volume, ==, "other name");
    g_assert_cmpint(vol->identity.type, ==, LUKSHDR_IDENTITY_BLOCK);
    g_assert_cmpuint(vol->identity.dev, ==, 1794);
    vol = lukshdrLinkHeaderCopy(link, 3);
    g_assert_cmpstr(vol->pool, ==, "planned");
    g_assert_null(vol->path);
    g_assert_cmpint(vol->identity.type, ==, LUKSHDR_IDENTITY_NONE);
    g_assert_null(lukshdrLinkHeaderCopy(link, 4));
    g_assert_null(lukshdrLinkHeaderCopy(link, G_MAXUINT));

    /* a copy has replicas of its own */
    copy = lukshdrLinkCopy(link);
    lukshdrLinkAddReplica(copy, "more", "x");
    g_free(lukshdrLinkHeaderCopy(copy, 1)->path);
    lukshdrLinkHeaderCopy(copy, 1)->path = NULL;
    g_assert_cmpuint(link->replicas->len, ==, 3);
    text = lukshdrLinkFormat(link);
    g_assert_cmpstr(text, ==, xml);
    vol = lukshdrLinkHeaderCopy(copy, 4);
    g_assert_cmpstr(vol->pool, ==, "more");
    g_assert_cmpstr(vol->volume, ==, "x");
    g_assert_null(vol->path);
}

static void
testFields(void)
{
    g_autofree char *xml = utilTestLoad(LINK_DIR, "shared-block", ".xml");
    g_autoptr(lukshdrLink) link = lukshdrLinkParse(xml, strlen(xml), NULL);

    g_assert_nonnull(link);
    g_assert_cmpint(link->state, ==, LUKSHDR_LINK_STATE_ACTIVE);
    g_assert_cmpstr(link->uuid, ==, UTIL_TEST_UUID);
    g_assert_cmpstr(link->payload.pool, ==, "images");
    g_assert_cmpstr(link->payload.volume, ==, "data.img");
    g_assert_cmpstr(link->payload.path, ==, "/var/lib/libvirt/images/data.img");
    g_assert_cmpint(link->payload.identity.type, ==, LUKSHDR_IDENTITY_FILE);
    g_assert_cmpuint(link->payload.identity.dev, ==, G_MAXUINT64);
    g_assert_cmpuint(link->payload.identity.inode, ==, 131);
    g_assert_cmpint(link->payload.identity.birthSec, ==, -1700000000);
    g_assert_cmpuint(link->payload.identity.birthNsec, ==, 1);
    g_assert_cmpint(link->header.identity.type, ==, LUKSHDR_IDENTITY_BLOCK);
    g_assert_cmpuint(link->header.identity.dev, ==, 1793);
    g_assert_true(link->headerShared);
    g_assert_cmpstr(link->format, ==, "raw");
    g_assert_cmpstr(link->luksUUID, ==, UTIL_TEST_LUKS_UUID);
    g_assert_cmpstr(link->secretUUID, ==, UTIL_TEST_SECRET_UUID);
    g_assert_true(link->secretGenerated);
}

/* Names that somebody will have one day */
static void
testAwkward(void)
{
    static const char *const names[] = {
        "a b",
        " leading",
        "trailing ",
        "<&>\"'",
        "]]>",
        "a\tb",
        "a\nb",
        "a\rb",
        "--",
        "<!-- sha256: -->",
        "&amp;",
        "%s%n",
        "d\xc3\xa9j\xc3\xa0 vu",
        "\xf0\x9f\x94\x91",
        "..",
        ",",
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strconcat("/dir/", names[i], NULL);
        g_autoptr(lukshdrLink) link = utilTestLink(path, "/h");
        g_autoptr(lukshdrLink) parsed = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        g_autofree char *again = NULL;

        g_free(link->payload.pool);
        link->payload.pool = g_strdup(names[i]);
        text = lukshdrLinkFormat(link);
        parsed = lukshdrLinkParse(text, strlen(text), &error);
        g_assert_no_error(error);
        g_assert_cmpstr(parsed->payload.pool, ==, names[i]);
        g_assert_cmpstr(parsed->payload.volume, ==, names[i]);
        g_assert_cmpstr(parsed->payload.path, ==, path);
        again = lukshdrLinkFormat(parsed);
        g_assert_cmpstr(again, ==, text);
    }
}

static void
testLengths(void)
{
    g_autofree char *name = g_strnfill(200000, '&');
    g_autofree char *path = g_strconcat("/", name, NULL);
    g_autoptr(lukshdrLink) link = utilTestLink(path, "/h");
    g_autofree char *text = lukshdrLinkFormat(link);
    g_autoptr(lukshdrLink) parsed = lukshdrLinkParse(text, strlen(text), NULL);
    gsize len;

    g_assert_nonnull(parsed);
    g_assert_cmpstr(parsed->payload.path, ==, path);

    /* no proper beginning of a link is one, wherever the text is cut, and nothing
     * behind its end is read */
    g_clear_pointer(&link, lukshdrLinkUnref);
    g_clear_pointer(&text, g_free);
    link = utilTestLink("/p", "/h");
    text = lukshdrLinkFormat(link);
    for (len = 0; len < strlen(text) - 1; len++) {
        g_autofree char *exact = g_memdup2(text, MAX(len, 1));
        g_autoptr(GError) error = NULL;

        g_assert_null(lukshdrLinkParse(exact, len, &error));
        g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
}

/* The golden text @name with @from, which must be in it, replaced by @to, is refused, also as
 * a list of one, or of several */
static void
testRefuseEdit(const char *name, const char *from, const char *to, const char *expected)
{
    g_autofree char *xml = utilTestLoad(LINK_DIR, name, ".xml");
    g_auto(GStrv) parts = g_strsplit(xml, from, 2);
    g_autofree char *edited = g_strjoinv(to, parts);
    g_autofree char *wrapped = g_strconcat("<links>", edited, "</links>", NULL);
    const char *lists[] = { edited, wrapped };
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    size_t i;

    if (g_strv_length(parts) != 2)
        g_error("'%s' is not in the golden text", from);
    link = lukshdrLinkParse(edited, strlen(edited), &error);
    if (link)
        g_error("taken, though '%s' stands for '%s'", to, from);
    utilTestError(error, expected);

    /* text between elements is overlooked, as long as there is an element around it */
    for (i = 0; i < (*edited == '<' ? G_N_ELEMENTS(lists) : 1); i++) {
        g_autoptr(GError) listError = NULL;

        if (lukshdrLinkListParse(lists[i], strlen(lists[i]), &listError))
            g_error("taken in a list, though '%s' stands for '%s'", to, from);
        g_assert_error(listError, LUKSHDR_ERROR, VIR_ERR_XML_ERROR);
    }
}

static void
testRefused(void)
{
    static const struct {
        const char *from;
        const char *to;
        const char *expected;
    } edits[] = {
        { "<link ", "<!DOCTYPE link><link ", "XML_ERROR document type" },
        { "<link ", "<!DOCTYPE link SYSTEM 'file:///etc/passwd'><link ",
          "XML_ERROR document type" },
        { "<link ", "<!DOCTYPE link [<!ENTITY a 'qcow2'>]><link ", "XML_ERROR document type" },
        { "\"qcow2\"", "\"&a;\"", "XML_ERROR malformed" },
        { "<link ", "<!DOCTYPE link [<!ATTLIST link state CDATA 'active'>]><link ",
          "XML_ERROR document type" },
        { "</link>", "", "XML_ERROR malformed at line" },
        { "</link>", "</link><link/>", "XML_ERROR malformed" },
        { "<link ", "x<link ", "XML_ERROR malformed" },
        { "images",
          "im\xff"
          "ages",
          "XML_ERROR malformed" },
        { "images", "im&#1;ages", "XML_ERROR malformed" },
        { "<link ", "<x:link ", "XML_ERROR malformed" },
        { "state=\"active\"", "", "XML_ERROR unknown state of a link: ''" },
        { "\"active\"", "\"ACTIVE\"", "XML_ERROR unknown state of a link: 'ACTIVE'" },
        { "\"active\"", "\"active \"", "XML_ERROR unknown state" },
        { "<uuid>5a3d3a1c", "<uuid>", "XML_ERROR malformed UUID in 'link'" },
        { "<uuid>5a3d3a1c", "<uuid>5a3d3a1g", "XML_ERROR malformed UUID in 'link'" },
        { "<uuid>5a3d3a1c", "<uuid> 5a3d3a1c", "XML_ERROR malformed UUID in 'link'" },
        { "<uuid>5a3d3a1c", "<uuid>../../a1c", "XML_ERROR malformed UUID in 'link'" },
        { "<uuid>", "<id>", "XML_ERROR malformed" },
        { "<uuid>5a3d3a1c-6f0e-4b56-9d0c-3e3b7f5f2c11</uuid>", "", "XML_ERROR malformed UUID" },
        { "<uuid>", "<new/><uuid>", "XML_ERROR unexpected element 'new' in 'link'" },
        { "<path>", "<new/><path>", "XML_ERROR unexpected element 'new' in 'payload'" },
        { "pool=\"images\"", "", "XML_ERROR 'payload' needs the name of a pool" },
        { "pool=\"images\"", "pool=\"\"", "XML_ERROR 'payload' needs the name of a pool" },
        { "pool=\"images\"", "pool=\"a/b\"", "XML_ERROR 'payload' needs the name of a pool" },
        { "volume=\"data.luks\"", "", "XML_ERROR 'header' needs the name of a pool" },
        { "volume=\"data.luks\"", "volume=\"../x\"",
          "XML_ERROR 'header' needs the name of a pool" },
        { "format=\"qcow2\"", "", "XML_ERROR the payload of a link needs the name of" },
        { "format=\"qcow2\"", "format=\"\"", "XML_ERROR the payload of a link needs the name of" },
        { "\"qcow2\"", "\"qcow2&#10;\"", "XML_ERROR the payload of a link needs the name of" },
        { "\"qcow2\"", "\"a,b=c\"", "XML_ERROR the payload of a link needs the name of" },
        { "\"images\"", "\"i&#x7f;\"", "XML_ERROR 'payload' needs the name of a pool" },
        { "\"images\"", "\"i&#x9b;31m\"", "XML_ERROR 'payload' needs the name of a pool" },
        { "\"data.luks\"", "\"i&#x2028;j\"", "XML_ERROR 'header' needs the name of a pool" },
        { "<path>/var", "<path>var", "XML_ERROR path of 'payload' must be absolute" },
        { "<path>/var", "<path> /var", "XML_ERROR path of 'payload' must be absolute" },
        { "<path>/var/lib/libvirt/images/data.qcow2</path>", "<path/>",
          "XML_ERROR path of 'payload' must be absolute" },
        { "<path>/var/lib/libvirt/images/data.qcow2</path>", "", "XML_ERROR an active link needs" },
        { "<path>/var/lib/libvirt/headers/data.luks</path>", "", "XML_ERROR an active link needs" },
        { "<luks uuid=\"0d1c8a55-7d2c-4a10-8c1d-9a4f5b6f7a33\"/>", "",
          "XML_ERROR an active link needs" },
        { "<secret uuid=\"c4f0d4de-92f5-4f0e-8f25-6d1d5a0f3e77\" generated=\"yes\"/>", "",
          "XML_ERROR an active link needs" },
        { "<luks uuid", "<luks id", "XML_ERROR malformed UUID in 'luks'" },
        { "<secret uuid", "<secret id", "XML_ERROR malformed UUID in 'secret'" },
        { "generated=\"yes\"", "generated=\"true\"",
          "XML_ERROR attribute 'generated' of 'secret' must be 'yes' or 'no'" },
        { "<header ", "<header shared=\"1\" ",
          "XML_ERROR attribute 'shared' of 'header' must be 'yes' or 'no'" },
        { "<header ", "<header pool=\"b\" ", "XML_ERROR malformed" },
        { "<header ", "<payload pool='b' volume='c' format='raw'/><header ",
          "XML_ERROR a link needs exactly one 'payload'" },
        { "<luks ", "<header pool='b' volume='c'/><luks ",
          "XML_ERROR a link needs exactly one 'header'" },
        { "type=\"file\"", "type=\"socket\"", "XML_ERROR unknown type of an identity: 'socket'" },
        { "type=\"file\"", "", "XML_ERROR unknown type of an identity: ''" },
        { "dev=\"2050\"", "", "XML_ERROR attribute 'dev' of an identity must be a number" },
        { "dev=\"2050\"", "dev=\"18446744073709551616\"", "XML_ERROR attribute 'dev'" },
        { "dev=\"2050\"", "dev=\"-1\"", "XML_ERROR attribute 'dev'" },
        { "dev=\"2050\"", "dev=\"0x802\"", "XML_ERROR attribute 'dev'" },
        { "dev=\"2050\"", "dev=\"2050 \"", "XML_ERROR attribute 'dev'" },
        { "inode=\"131\"", "inode=\"\"", "XML_ERROR attribute 'inode'" },
        { "inode=\"131\"", "inode=\"99999999999999999999999999999999999\"",
          "XML_ERROR attribute 'inode'" },
        { "birth=\"1700000000.123456789\"", "", "XML_ERROR malformed birth time" },
        { "birth=\"1700000000.123456789\"", "birth=\"1700000000\"", "XML_ERROR birth time" },
        { "birth=\"1700000000.123456789\"", "birth=\"1.1234567890\"", "XML_ERROR birth time" },
        { "birth=\"1700000000.123456789\"", "birth=\"1.-23456789\"", "XML_ERROR birth time" },
        { "birth=\"1700000000.123456789\"", "birth=\"9223372036854775808.000000000\"",
          "XML_ERROR birth time" },
        { "<secret ", "<secret uuid=\"c4f0d4de-92f5-4f0e-8f25-6d1d5a0f3e77\"/><secret ",
          "XML_ERROR 'link' may have only one 'secret'" },
        { "<luks ", "<luks uuid=\"c4f0d4de-92f5-4f0e-8f25-6d1d5a0f3e77\"/><luks ",
          "XML_ERROR 'link' may have only one 'luks'" },
        { "<uuid>", "<uuid>0d1c8a55-7d2c-4a10-8c1d-9a4f5b6f7a33</uuid><uuid>",
          "XML_ERROR 'link' may have only one 'uuid'" },
        { "<path>", "<path>/other</path><path>", "XML_ERROR 'payload' may have only one 'path'" },
        { "</header>", "<identity type=\"block\" dev=\"1\"/></header>",
          "XML_ERROR 'header' may have only one 'identity'" },
        { "<path>/var", "<path><a>/x</a>/var", "XML_ERROR unexpected element 'a' in 'path'" },
        { "<uuid>5a3d", "<uuid><a>5a</a>3d", "XML_ERROR unexpected element 'a' in 'uuid'" },
        { "generated=\"yes\"/>", "generated=\"yes\"><a/></secret>",
          "XML_ERROR unexpected element 'a' in 'secret'" },
        { "<link ", "<links ", "XML_ERROR malformed" },
    };
    static const char *const others[] = {
        "",
        " ",
        "<link/>",
        "<!-- only -->",
        "<volume state='active'/>",
        "<links/>",
        "<?xml version='1.0' encoding='no-such-thing'?><link/>",
        "\xff\xfe",
        "{\"link\": 1}",
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(edits); i++)
        testRefuseEdit("file", edits[i].from, edits[i].to, edits[i].expected);

    for (i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(lukshdrLinkParse(others[i], strlen(others[i]), &error));
        g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR);
    }
}

static void
testReplicasRefused(void)
{
    static const struct {
        const char *from;
        const char *to;
        const char *expected;
    } edits[] = {
        { "generation=\"4294967295\"", "generation=\"4294967296\"",
          "XML_ERROR malformed generation of the header of a link: '4294967296'" },
        { "generation=\"4294967295\"", "generation=\"18446744073709551617\"",
          "XML_ERROR malformed generation" },
        { "generation=\"4294967295\"", "generation=\"0\"", "XML_ERROR malformed generation" },
        { "generation=\"4294967295\"", "generation=\"\"", "XML_ERROR malformed generation" },
        { "generation=\"4294967295\"", "generation=\"-1\"", "XML_ERROR malformed generation" },
        { "generation=\"4294967295\"", "generation=\"+1\"", "XML_ERROR malformed generation" },
        { "generation=\"4294967295\"", "generation=\" 1\"", "XML_ERROR malformed generation" },
        { "generation=\"4294967295\"", "generation=\"1 \"", "XML_ERROR malformed generation" },
        { "generation=\"4294967295\"", "generation=\"0x1\"", "XML_ERROR malformed generation" },
        { "\"sha256\"", "\"sha512\"", "XML_ERROR malformed digest" },
        { "\"sha256\"", "\"SHA256\"", "XML_ERROR malformed digest" },
        { " algorithm=\"sha256\"", "", "XML_ERROR malformed digest" },
        { ">a7937b64", ">a7937b6", "XML_ERROR malformed digest" },
        { ">a7937b64", ">a7937b640", "XML_ERROR malformed digest" },
        { ">a7937b64", ">A7937b64", "XML_ERROR malformed digest" },
        { ">a7937b64", ">g7937b64", "XML_ERROR malformed digest" },
        { ">a7937b64", "> 7937b64", "XML_ERROR malformed digest" },
        { ">a7937b64", "> a7937b64", "XML_ERROR malformed digest" },
        { ">a7937b64", "><b>a7937b64</b>", "XML_ERROR unexpected element 'b' in 'digest'" },
        { "</digest>", "</digest><digest/>", "XML_ERROR 'luks' may have only one 'digest'" },
        { "<digest ", "<a/><digest ", "XML_ERROR unexpected element 'a' in 'luks'" },
        { "<luks ", "<digest/><luks ", "XML_ERROR unexpected element 'digest' in 'link'" },
        { "<replica ", "<replica/><replica ", "XML_ERROR 'replica' needs the name of a pool" },
        { "\"copies\"", "\"a/b\"", "XML_ERROR 'replica' needs the name of a pool" },
        { "\"copies\"", "\"\"", "XML_ERROR 'replica' needs the name of a pool" },
        { "\"other name\"", "\"..\"/\"\"", "XML_ERROR malformed" },
        { "\"other name\"", "\"../x\"", "XML_ERROR 'replica' needs the name of a pool" },
        { "<path>/srv", "<path>srv", "XML_ERROR path of 'replica' must be absolute" },
        { "<path>/srv", "<new/><path>/srv", "XML_ERROR unexpected element 'new' in 'replica'" },
        { "<path>/srv", "<replica pool=\"a\" volume=\"b\"/><path>/srv",
          "XML_ERROR unexpected element 'replica' in 'replica'" },
        { "type=\"block\" dev=\"1794\"", "type=\"block\"", "XML_ERROR attribute 'dev'" },
        { "<payload ", "<link state=\"active\"/><payload ",
          "XML_ERROR unexpected element 'link' in 'link'" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(edits); i++)
        testRefuseEdit("replicas", edits[i].from, edits[i].to, edits[i].expected);
}

static void
testListRefused(void)
{
    g_autofree char *one = utilTestLoad(LINK_DIR, "file", ".xml");
    g_autofree char *three = utilTestLoad(LIST_DIR, "three", ".xml");
    g_autofree char *end = g_strndup(three, strlen(three) - strlen("</links>\n"));
    g_autofree char *twice = g_strconcat("<links>", one, one, "</links>", NULL);
    g_autofree char *again = g_strconcat(end, one, "</links>", NULL);
    g_autofree char *nested = g_strconcat("<links>", three, "</links>", NULL);
    g_autofree char *foreign = g_strconcat(end, "<volume/></links>", NULL);
    g_autofree char *bad = g_strconcat(end, "<link state='active'/></links>", NULL);
    g_autofree char *doctype = g_strconcat("<!DOCTYPE links>", three, NULL);
    g_autofree char *behind = g_strconcat(three, one, NULL);
    g_autofree char *junk = g_strnfill(4 * 1024 * 1024, ' ');
    g_autofree char *padded = g_strconcat(three, junk, NULL);
    const struct {
        const char *xml;
        const char *expected;
    } cases[] = {
        { "<links/>", "XML_ERROR without links" },
        { "<links> <!-- none --> </links>", "XML_ERROR without links" },
        { "<volume/>", "XML_ERROR cannot hold element 'volume'" },
        { "", "XML_ERROR malformed" },
        { twice, "XML_ERROR cannot hold link '" UTIL_TEST_UUID "' twice" },
        { again, "XML_ERROR cannot hold link '" UTIL_TEST_UUID "' twice" },
        { nested, "XML_ERROR unexpected element 'links' in 'links'" },
        { foreign, "XML_ERROR unexpected element 'volume' in 'links'" },
        { bad, "XML_ERROR malformed UUID in 'link'" },
        { end, "XML_ERROR malformed" },
        { doctype, "XML_ERROR document type" },
        { behind, "XML_ERROR malformed" },
        { padded, "XML_ERROR longer than the limit" },
    };
    g_autoptr(GError) error = NULL;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) caseError = NULL;

        g_assert_null(lukshdrLinkListParse(cases[i].xml, strlen(cases[i].xml), &caseError));
        utilTestError(caseError, cases[i].expected);
    }

    /* the registry has one link a file */
    g_assert_null(lukshdrLinkParse(three, strlen(three), &error));
    utilTestError(error, "XML_ERROR root element 'link', found 'links'");
}

/* "A billion laughs", nesting without end, and what is just too long: refused
 * in no time and without the memory that they ask for */
static void
testBombs(void)
{
    g_autoptr(GString) laughs = g_string_new("<!DOCTYPE link [<!ENTITY e0 'ha'>");
    g_autoptr(GString) deep = g_string_new(NULL);
    g_autofree char *xml = utilTestLoad(LINK_DIR, "file", ".xml");
    g_autofree char *junk = g_strnfill(4 * 1024 * 1024, ' ');
    g_autofree char *padded = g_strconcat(xml, junk, NULL);
    g_autoptr(GError) error = NULL;
    gint64 start = g_get_monotonic_time();
    size_t i;

    for (i = 1; i < 30; i++)
        g_string_append_printf(laughs, "<!ENTITY e%zu '&e%zu;&e%zu;&e%zu;&e%zu;'>", i, i - 1, i - 1,
                               i - 1, i - 1);
    g_string_append(laughs, "]><link state='&e29;'>&e29;</link>");
    g_assert_null(lukshdrLinkParse(laughs->str, laughs->len, &error));
    g_assert_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR);
    g_clear_error(&error);

    g_string_append(deep, "<link state='active'>");
    for (i = 0; i < 500000; i++)
        g_string_append(deep, "<a>");
    g_assert_null(lukshdrLinkParse(deep->str, deep->len, &error));
    utilTestError(error, "XML_ERROR malformed");
    g_clear_error(&error);

    g_assert_null(lukshdrLinkParse(padded, strlen(padded), &error));
    utilTestError(error, "XML_ERROR longer than the limit");

    /* minutes and gigabytes if a limit were missing; slow machines and valgrind fit */
    g_assert_cmpint(g_get_monotonic_time() - start, <, 60 * G_USEC_PER_SEC);
}

static void
testNew(void)
{
    g_autoptr(lukshdrLink) first = lukshdrLinkNew();
    g_autoptr(lukshdrLink) second = lukshdrLinkNew();

    g_assert_true(g_uuid_string_is_valid(first->uuid));
    g_assert_cmpstr(first->uuid, !=, second->uuid);
    g_assert_cmpint(first->state, ==, LUKSHDR_LINK_STATE_CREATING);
    g_assert_true(lukshdrLinkRef(first) == first);
    lukshdrLinkUnref(first);
    lukshdrLinkUnref(NULL);
    g_assert_cmpstr(lukshdrLinkStateToString(LUKSHDR_LINK_STATE_CREATING), ==, "creating");
    g_assert_cmpstr(lukshdrLinkStateToString(LUKSHDR_LINK_STATE_ACTIVE), ==, "active");
    g_assert_cmpstr(lukshdrLinkStateToString(LUKSHDR_LINK_STATE_DELETING), ==, "deleting");
}

int
main(int argc, char **argv)
{
    static const char *const suffixes[] = { ".in.xml", ".xml", NULL };

    xmlInitParser();
    g_test_init(&argc, &argv, NULL);
    utilTestCases(LINK_DIR, suffixes, "/link/golden/", testGolden);
    utilTestCases(LIST_DIR, suffixes, "/link/golden-list/", testGoldenList);
    g_test_add_func("/link/new", testNew);
    g_test_add_func("/link/fields", testFields);
    g_test_add_func("/link/awkward", testAwkward);
    g_test_add_func("/link/lengths", testLengths);
    g_test_add_func("/link/refused", testRefused);
    g_test_add_func("/link/replicas", testReplicas);
    g_test_add_func("/link/replicas-refused", testReplicasRefused);
    g_test_add_func("/link/list-of-one", testListOfOne);
    g_test_add_func("/link/list-refused", testListRefused);
    g_test_add_func("/link/bombs", testBombs);
    return g_test_run();
}
