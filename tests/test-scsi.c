/*
 * test-scsi.c: what a SCSI unit calls itself, and which of these names are nobody else's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <string.h>

#include "link/identity.h"
#include "link/scsi.h"
#include "utiltest.h"

/* Bytes of pages, in hexadecimal, as SPC-4 has them: page head, then descriptors */
#define PAGE(len) "0083" len
#define NAA6 \
    "01030010" \
    "60014051234567890123456789abcdef"
#define NAA6_NO_MAKER \
    "01030010" \
    "60000000000000000000000000010001"
#define NAA5 \
    "01030008" \
    "5001405123456789"
#define NAA3 \
    "01030008" \
    "3000000000000001"
#define EUI \
    "01020008" \
    "0014051234567890"
#define T10 \
    "02010010" \
    "49455420202020203030303130303031" /* "IET     00010001" */
#define NAME \
    "03080014" \
    "6e61612e3630303134303531323334353637383930" /* a length that is one too short */
#define PORT_NAA6 \
    "01130010" \
    "6fffffffffffffffffffffffffffffff" /* of the port */

static GBytes *
testBytes(const char *hex)
{
    gsize len = strlen(hex) / 2;
    guint8 *data = g_malloc0(len);
    gsize i;

    for (i = 0; i < len; i++)
        data[i] = g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]);
    return g_bytes_new_take(data, len);
}

static void
testNames(void)
{
    static const struct {
        const char *page;
        const char *serial;
        const char *name;
        bool unique;
    } cases[] = {
        { PAGE("0014") NAA6, NULL, "naa.60014051234567890123456789abcdef", true },
        /* the one that says most, wherever it stands */
        { PAGE("0034") T10 NAA5 EUI, NULL, "naa.5001405123456789", true },
        { PAGE("0020") EUI T10, NULL, "eui.0014051234567890", true },
        /* what a maker did not give is not unique; then the T10 name, which can be set */
        { PAGE("0028") NAA6_NO_MAKER T10, NULL, "t10.IET     00010001", false },
        { PAGE("0014") NAA6_NO_MAKER, NULL, "naa.60000000000000000000000000010001", false },
        { PAGE("000c") NAA3, NULL, "naa.3000000000000001", false },
        /* a port's name is not the unit's */
        { PAGE("0028") PORT_NAA6 T10, NULL, "t10.IET     00010001", false },
        { PAGE("0014") PORT_NAA6, "008000064142432020200a", "serial.ACME.DISK.ABC", false },
        { NULL, "0080000431323334", "serial.ACME.DISK.1234", false },
        /* without any, nothing is made up */
        { NULL, NULL, NULL, false },
        { NULL, "0080000420202020", NULL, false },
        { PAGE("0000"), NULL, NULL, false },
        { "00", NULL, NULL, false },
        /* descriptors that are cut off, or longer than the page says */
        { PAGE("0014") "01030010"
                       "6001405123",
          NULL, NULL, false },
        { PAGE("0010") NAA6, NULL, NULL, false },
        { PAGE("ffff") NAA5, NULL, "naa.5001405123456789", true },
        { PAGE("0004") "01030000", NULL, NULL, false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(lukshdrScsiPages) pages = { .vendor = "ACME", .product = "DISK" };
        g_autofree char *name = NULL;
        bool unique;

        pages.identification = cases[i].page ? testBytes(cases[i].page) : NULL;
        pages.serial = cases[i].serial ? testBytes(cases[i].serial) : NULL;
        name = lukshdrScsiName(&pages, &unique);
        g_assert_cmpstr(name, ==, cases[i].name);
        g_assert_true(unique == cases[i].unique);
    }
}

/* As the kernel shows them */
static void
testSysfs(void)
{
    static const char *const files[] = { "vendor", "model", "vpd_pg83" };
    g_autofree char *dir = utilTestPath("device");
    g_autoptr(GBytes) page = testBytes(PAGE("0028") NAA6 T10);
    g_auto(lukshdrScsiPages) pages = { 0 };
    g_auto(GStrv) names = NULL;
    g_autofree char *name = NULL;
    bool unique;
    size_t i;

    g_assert_false(lukshdrScsiPagesFromSysfs(dir, &pages));
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    for (i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i], NULL);
        gsize len;
        const char *data = g_bytes_get_data(page, &len);

        utilTestWrite(path, i < 2 ? "ACME    \n" : data, i < 2 ? 9 : len);
    }
    g_assert_true(lukshdrScsiPagesFromSysfs(dir, &pages));
    g_assert_cmpstr(pages.vendor, ==, "ACME");
    name = lukshdrScsiName(&pages, &unique);
    g_assert_cmpstr(name, ==, "naa.60014051234567890123456789abcdef");

    names = lukshdrScsiKernelNames(&pages);
    g_assert_cmpuint(g_strv_length(names), ==, 2);
    g_assert_cmpstr(names[0], ==, "naa.60014051234567890123456789abcdef");
    g_assert_cmpstr(names[1], ==, "t10.IET     00010001");
}

static lukshdrIdentity
testUnit(const char *name, bool unique, const char *target)
{
    lukshdrIdentity identity;

    lukshdrIdentitySetISCSI(&identity, name, unique, target, 1);
    return identity;
}

static void
testCompare(void)
{
    lukshdrIdentity one = testUnit("naa.6001", true, "iqn.a:one");
    lukshdrIdentity elsewhere = testUnit("naa.6001", true, "iqn.b:one");
    lukshdrIdentity two = testUnit("naa.6002", true, "iqn.a:one");
    lukshdrIdentity weak = testUnit("t10.IET     00010001", false, "iqn.a:one");
    lukshdrIdentity upper = testUnit("t10.IET     00010001", false, "IQN.a:ONE");
    lukshdrIdentity other = testUnit("t10.IET     00010001", false, "iqn.b:one");
    lukshdrIdentity kernel = testUnit("t10.IET     00010001", false, NULL);
    lukshdrIdentity next = testUnit("t10.IET     00010002", false, "iqn.a:one");
    g_autofree char *iqn = g_strnfill(223, 'q');
    lukshdrIdentity longest = testUnit(iqn, false, iqn);
    g_autofree char *described = lukshdrIdentityDescribe(&weak);

    g_assert_cmpint(lukshdrIdentityCompare(&one, &elsewhere), ==, LUKSHDR_IDENTITY_SAME);
    g_assert_cmpint(lukshdrIdentityCompare(&one, &two), ==, LUKSHDR_IDENTITY_DIFFERENT);
    g_assert_cmpint(lukshdrIdentityCompare(&weak, &upper), ==, LUKSHDR_IDENTITY_SAME);
    g_assert_cmpint(lukshdrIdentityCompare(&weak, &other), ==, LUKSHDR_IDENTITY_UNCERTAIN);
    g_assert_cmpint(lukshdrIdentityCompare(&weak, &kernel), ==, LUKSHDR_IDENTITY_UNCERTAIN);
    g_assert_cmpint(lukshdrIdentityCompare(&weak, &next), ==, LUKSHDR_IDENTITY_DIFFERENT);
    g_assert_cmpint(lukshdrIdentityCompare(&weak, &one), ==, LUKSHDR_IDENTITY_DIFFERENT);
    g_assert_true(lukshdrIdentityClaims(&one, false, &elsewhere));
    g_assert_false(lukshdrIdentityClaims(&weak, false, &other));
    g_assert_cmpstr(weak.id, ==, "t10.IET_____00010001;target=iqn.a:one");
    g_assert_cmpstr(described, ==, "iSCSI unit 't10.IET_____00010001;target=iqn.a:one'");
    /* whatever its length, there is a name */
    g_assert_cmpuint(strlen(longest.id), >, 64);
}

/* What is recorded of the kernel's disks, and what it may call them */
static void
testKernel(void)
{
    static const char *const names[] = { "naa.6001405", "t10.IET     00010001", NULL };
    static const struct {
        const char *id;
        bool is;
        bool may;
    } cases[] = {
        { "device_wwid=naa.6001405", true, true },
        { "device_wwid=naa.6001405;start=2048", true, true },
        { "device_wwid=t10.IET_____00010001", true, true },
        { "device_wwid=naa.60014055", false, true },
        { "device_wwid=naa.6001", false, true },
        { "dm_uuid=mpath-36001405", true, true },
        { "dm_uuid=part1-mpath-36001405", true, true },
        { "dm_uuid=mpath-36001406", false, true },
        { "dm_uuid=mpath-", false, true },
        { "dm_uuid=LVM-6001405", false, false },
        { "wwid=naa.6001405", false, false },
        { "", false, false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        lukshdrIdentity block = { .type = LUKSHDR_IDENTITY_BLOCK };

        g_strlcpy(block.id, cases[i].id, sizeof(block.id));
        g_assert_true(lukshdrIdentityIsUnit(&block, names) == cases[i].is);
        g_assert_true(lukshdrIdentityMayBeUnit(&block) == cases[i].may);
        block.type = LUKSHDR_IDENTITY_FILE;
        g_assert_false(lukshdrIdentityIsUnit(&block, names));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scsi/names", testNames);
    g_test_add_func("/scsi/sysfs", testSysfs);
    g_test_add_func("/scsi/compare", testCompare);
    g_test_add_func("/scsi/kernel", testKernel);
    return g_test_run();
}
