/*
 * test-qemu-measure.c: what the QEMU half finds out about the installed libvirt at load
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Linked with the files of the QEMU half and --export-dynamic, so that this program
 * stands in front of the stock driver as the module does in the daemon.
 */

#include "config.h"

#include <dlfcn.h>
#include <glib.h>
#include <libxml/parser.h>

#include "qemu_lukshdr/qemu.h"
#include "qemu_lukshdr/bind.h"
#include "qemu_lukshdr/disk.h"
#include "qemu_lukshdr/domain.h"
#include "qemu_lukshdr/remote-header.h"
#include "qemu_lukshdr/source.h"

#define TEST_NAME(ret, name, args) #name,

static void *stock;

static virStorageSource *
testSource(const char *string)
{
    virStorageSource *src = NULL;

    g_assert_cmpint(lukshdrQemu.libvirt.virStorageSourceNewFromBackingAbsolute(string, &src), >=,
                    0);
    return src;
}

static void
testBind(void)
{
    static const char *const names[] = { LUKSHDR_ABI_QEMU_WRAPPED(TEST_NAME) NULL };
    g_autoptr(GError) error = NULL;

    lukshdrQemuBindCheck(stock, names, &error);
    g_assert_no_error(error);
}

/* those without which headers on clusters cannot be used */
static void
testBindRemote(void)
{
    static const char *const names[] = { LUKSHDR_ABI_QEMU_REMOTE(TEST_NAME) NULL };
    g_autoptr(GError) error = NULL;

    lukshdrQemuBindCheck(stock, names, &error);
    g_assert_no_error(error);
    g_assert_nonnull(lukshdrQemu.libvirt.virDomainDiskDefParseSource);
}

/* those without which linked disks cannot have checkpoints */
static void
testBindBitmaps(void)
{
    static const char *const names[] = { LUKSHDR_ABI_QEMU_BITMAPS(TEST_NAME) NULL };
    g_autoptr(GError) error = NULL;

    lukshdrQemuBindCheck(stock, names, &error);
    g_assert_no_error(error);
    g_assert_nonnull(lukshdrQemu.stock.qemuMonitorJSONArbitraryCommand);
}

/* a function that the stock driver calls, but that is its own */
static void
testBindOwn(void)
{
    static const char *const names[] = { "qemuProcessStopCPUs", NULL };
    g_autoptr(GError) error = NULL;

    g_assert_false(lukshdrQemuBindCheck(stock, names, &error));
    g_assert_nonnull(strstr(error->message, "qemuProcessStopCPUs"));
}

/* a function that the stock driver never calls by its name */
static void
testBindMissing(void)
{
    static const char *const names[] = { "qemuNoSuchFunction", NULL };
    g_autoptr(GError) error = NULL;

    g_assert_false(lukshdrQemuBindCheck(stock, names, &error));
    g_assert_nonnull(strstr(error->message, "qemuNoSuchFunction"));
}

static void
testPath(void)
{
    static const struct {
        const char *string;
        const char *path;
    } tests[] = {
        { "/some/file", "/some/file" },
        { "/with \"quote\", comma\\ and \xc3\xa4", "/with \"quote\", comma\\ and \xc3\xa4" },
        { "/dev/null", "/dev/null" },
        { "fat:/some/directory", NULL },
        { "nbd://localhost/export", NULL },
        { "json:{\"driver\":\"file\",\"filename\":\"/some/file\"}", "/some/file" },
    };
    g_autoptr(virStorageSource) empty = lukshdrQemu.libvirt.virStorageSourceNew();
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autoptr(virStorageSource) src = testSource(tests[i].string);
        g_autofree char *path = lukshdrQemuSourcePath(src);

        g_assert_cmpstr(path, ==, tests[i].path);
    }
    g_assert_null(lukshdrQemuSourcePath(empty));
    g_assert_null(virGetLastError());
}

static void
testEncryption(void)
{
    static const char xml[] = "<encryption format='luks'><secret type='passphrase' "
                              "uuid='01234567-89ab-4def-8123-456789abcdef'/></encryption>";
    g_autoptr(virStorageSource) src = testSource("/some/file");
    xmlDocPtr doc = xmlReadMemory(xml, sizeof(xml) - 1, NULL, NULL, 0);
    xmlXPathContextPtr ctxt = xmlXPathNewContext(doc);
    virStorageEncryption *encryption = lukshdrQemu.libvirt.virStorageEncryptionParseNode(
        xmlDocGetRootElement(doc), ctxt);

    g_assert_nonnull(encryption);
    g_assert_null(lukshdrQemuSourceEncryption(src));
    /* freed by @src's destructor; valgrind and ASan see to it */
    lukshdrQemuSourceSetEncryption(src, encryption);
    g_assert_true(lukshdrQemuSourceEncryption(src) == encryption);

    xmlXPathFreeContext(ctxt);
    xmlFreeDoc(doc);
}

static void
testBacking(void)
{
    g_autoptr(virStorageSource) src = testSource("/some/file");
    g_autoptr(virStorageSource) other = testSource("/some/other");

    g_assert_null(lukshdrQemuSourceBacking(src));
    g_assert_null(lukshdrQemuSourceDataStore(src));

    lukshdrQemuSourceSetBacking(src, other);
    g_assert_true(lukshdrQemuSourceBacking(src) == other);
    g_assert_true(lukshdrQemu.libvirt.virStorageSourceHasBacking(src));
    g_assert_true(lukshdrQemuRemoteHeaderBehind(other) == other);
    lukshdrQemuSourceSetBacking(src, NULL);
    g_assert_null(lukshdrQemuRemoteHeaderBehind(NULL));
}

/* the data file of a qcow2 image, where this libvirt knows of such files */
static void
testDataStore(void)
{
    static const char xml[] =
        "<disk type='file'><driver name='qemu' type='qcow2'/>"
        "<source file='/some/file'><dataStore type='file'><format type='raw'/>"
        "<source file='/some/data'/></dataStore></source></disk>";
    g_autoptr(virStorageSource) src = lukshdrQemu.libvirt.virDomainDiskDefParseSource(xml, NULL, 0);
    unsigned long version = 0;
    virStorageSource *data;

    g_assert_nonnull(src);
    g_assert_cmpint(virGetVersion(&version, NULL, NULL), ==, 0);
    data = lukshdrQemuSourceDataStore(src);
    if (version >= 10010000) {
        g_autofree char *path = NULL;

        g_assert_nonnull(data);
        path = lukshdrQemuSourcePath(data);
        g_assert_cmpstr(path, ==, "/some/data");
    } else {
        g_assert_null(data);
    }
}

static void
testDiskSource(void)
{
    virDomainDef *def = lukshdrQemu.libvirt.virDomainDefNew(NULL);
    virDomainDiskDef *disk = lukshdrQemu.libvirt.virDomainDiskDefNew(NULL);
    virStorageSource *src = lukshdrQemuDomainDiskSource(disk);

    g_assert_true(G_IS_OBJECT(src));
    g_assert_true(lukshdrQemu.libvirt.virStorageSourceIsEmpty(src));
    g_assert_null(lukshdrQemuSourceBacking(src));
    g_assert_null(lukshdrQemuDomainDiskTarget(disk));

    lukshdrQemu.libvirt.virDomainDiskInsert(def, disk);
    lukshdrQemu.libvirt.virDomainDefFree(def);
}

/* what was found about a source is with the source, and can be replaced */
static void
testDiskAttach(void)
{
    g_autoptr(virStorageSource) src = testSource("/some/file");
    g_autoptr(lukshdrGuestDisk) found = NULL;
    lukshdrGuestDisk *disk = g_new0(lukshdrGuestDisk, 1);

    disk->nodeName = g_strdup("libvirt-1-format");
    disk->headerPath = g_strdup("/some/header");

    g_assert_cmpint(lukshdrQemuDiskGetState(src), ==, LUKSHDR_QEMU_DISK_UNKNOWN);
    lukshdrQemuDiskAttach(src, disk, LUKSHDR_QEMU_DISK_EARLY);
    g_assert_cmpint(lukshdrQemuDiskGetState(src), ==, LUKSHDR_QEMU_DISK_EARLY);

    found = lukshdrQemuDiskFind(src, NULL);
    g_assert_nonnull(found);
    g_assert_true(found != disk);
    g_assert_cmpstr(found->headerPath, ==, "/some/header");

    lukshdrQemuDiskAttach(src, NULL, LUKSHDR_QEMU_DISK_PREPARED);
    g_assert_cmpint(lukshdrQemuDiskGetState(src), ==, LUKSHDR_QEMU_DISK_PREPARED);
    g_assert_null(lukshdrQemuDiskFind(src, NULL));
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int rc;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(virInitialize(), ==, 0);

    if (!(stock = dlopen(LUKSHDR_STOCK_DRIVER_DIR "/libvirt_driver_qemu.so",
                         RTLD_NOW | RTLD_GLOBAL))) {
        g_printerr("SKIP: libvirt's QEMU driver cannot be loaded: %s\n", dlerror());
        return 77;
    }

    lukshdrABIResolveCommon(&lukshdrQemu.common, &error);
    g_assert_no_error(error);
    lukshdrABIResolveQemu(&lukshdrQemu.libvirt, &error);
    g_assert_no_error(error);
    lukshdrABIResolveQemuDriver(stock, &lukshdrQemu.stock, &error);
    g_assert_no_error(error);
    lukshdrQemuSourceMeasure(&error);
    g_assert_no_error(error);
    lukshdrQemuDomainMeasure(&error);
    g_assert_no_error(error);

    g_test_add_func("/qemu-measure/bind", testBind);
    g_test_add_func("/qemu-measure/bind/remote", testBindRemote);
    g_test_add_func("/qemu-measure/bind/bitmaps", testBindBitmaps);
    g_test_add_func("/qemu-measure/bind/own", testBindOwn);
    g_test_add_func("/qemu-measure/bind/missing", testBindMissing);
    g_test_add_func("/qemu-measure/source/path", testPath);
    g_test_add_func("/qemu-measure/source/encryption", testEncryption);
    g_test_add_func("/qemu-measure/source/backing", testBacking);
    g_test_add_func("/qemu-measure/source/data-store", testDataStore);
    g_test_add_func("/qemu-measure/disk/source", testDiskSource);
    g_test_add_func("/qemu-measure/disk/attach", testDiskAttach);
    rc = g_test_run();

    xmlCleanupParser();
    return rc;
}
