/*
 * fuzz-domain.c: any bytes as the XML of a domain, a disk, a snapshot, or a domain's metadata
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is behind a NUL is a second XML: what a migration sends, or the snapshot to be made.
 */

#include <libxml/tree.h>
#include <string.h>

#include "link/registry.h"
#include "qemu_lukshdr/client-xml.h"
#include "qemu_lukshdr/metadata.h"
#include "qemu_lukshdr/migrate-xml.h"
#include "qemu_lukshdr/snapshot-xml.h"
#include "util/file.h"
#include "util/xml.h"
#include "fuzz.h"

/* no secret has a usage, and of those with an even UUID none exists */
static char *
fuzzByUsage(const char *usage G_GNUC_UNUSED)
{
    return NULL;
}

static bool
fuzzExists(const char *uuid)
{
    return *uuid && (uuid[strlen(uuid) - 1] & 1);
}

static lukshdrQemuHost host = { .secretByUsage = fuzzByUsage, .secretExists = fuzzExists };

/* A pool that has an encryption default, where the linked volumes are */
static void
fuzzPools(void)
{
    static const char uuid[] = "11111111-2222-4333-8444-666666666666";
    g_autofree char *dir = g_build_filename(fuzzDir(), "pools", NULL);
    g_autofree char *configs = g_build_filename(fuzzDir(), "configs", NULL);
    g_autofree char *ours = g_strdup_printf("%s/%s.xml", dir, uuid);
    g_autofree char *pool = g_build_filename(configs, "images.xml", NULL);
    g_autofree char *text = g_strdup_printf(
        "<pool type='dir'><name>images</name><uuid>%s</uuid><target>"
        "<path>/var/lib/libvirt/images</path></target></pool>",
        uuid);

    g_assert_true(lukshdrFileWrite(ours,
                                   "<pool><encryption format='luks'><header type='volume'>"
                                   "<source pool='vault'/></header></encryption></pool>",
                                   NULL));
    g_assert_true(lukshdrFileWrite(pool, text, NULL));
    host.headerPools = lukshdrHeaderPoolsNew(dir, configs, "/nowhere");
}

/* Three linked volumes, the second with a secret of its own that was generated for it; no pool is
 * active */
static void
fuzzRegistry(void)
{
    g_autoptr(lukshdrLink) link = fuzzLink();
    g_autofree char *dir = g_build_filename(fuzzDir(), "links", NULL);

    g_setenv("XDG_RUNTIME_DIR", fuzzDir(), TRUE);
    g_setenv("XDG_CONFIG_HOME", fuzzDir(), TRUE);
    host.registry = lukshdrRegistryNew(dir);
    fuzzPools();
    g_assert_true(lukshdrRegistryStore(host.registry, link, NULL));

    link->uuid[0] = 'a';
    link->secretUUID[0] = 'a';
    link->secretGenerated = true;
    g_free(link->payload.volume);
    link->payload.volume = g_strdup("second.qcow2");
    g_free(link->payload.path);
    link->payload.path = g_strdup("/var/lib/libvirt/images/second.qcow2");
    g_free(link->header.volume);
    link->header.volume = g_strdup("second.luks");
    g_free(link->header.path);
    link->header.path = g_strdup("/var/lib/libvirt/headers/second.luks");
    g_assert_true(lukshdrRegistryStore(host.registry, link, NULL));

    /* and a third, on a cluster */
    link->uuid[0] = 'b';
    link->payload.volume[0] = 't';
    link->header.volume[0] = 't';
    g_clear_pointer(&link->payload.path, g_free);
    link->payload.remote = g_new0(lukshdrRemote, 1);
    link->payload.remote->kind = LUKSHDR_LOCATION_RBD;
    link->payload.remote->name = g_strdup("images/third");
    link->payload.remote->servers = g_strsplit("mon", ",", -1);
    g_assert_true(lukshdrIdentitySetRBD(&link->payload.identity, "fsid:1::2", 1));
    g_assert_true(lukshdrRegistryStore(host.registry, link, NULL));
}

/* libvirt would ignore a <header>, and open the payload as what it is not */
static void
fuzzNoHeader(xmlNode *node)
{
    xmlNode *child;

    for (child = lukshdrXMLChild(node, NULL); child; child = lukshdrXMLNext(child, NULL)) {
        g_assert_false(xmlStrEqual(node->name, BAD_CAST LUKSHDR_XML_ENCRYPTION) &&
                       xmlStrEqual(child->name, BAD_CAST LUKSHDR_XML_HEADER));
        fuzzNoHeader(child);
    }
}

/* A disk whose source is a linked payload has an <encryption>, or a format that can have none */
static void
fuzzDisk(xmlNode *disk)
{
    xmlNode *driver = lukshdrXMLChild(disk, LUKSHDR_XML_DRIVER);
    g_autofree char *type = lukshdrXMLAttribute(disk, LUKSHDR_XML_TYPE);
    g_autofree char *format = driver ? lukshdrXMLAttribute(driver, LUKSHDR_XML_TYPE) : NULL;
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
    g_autoptr(lukshdrLink) link = NULL;

    fuzzNoHeader(disk);
    if (!source || (format && strcmp(format, "raw") && strcmp(format, "qcow2")))
        return;
    g_assert_true(lukshdrQemuConfigXMLFind(&host, type, source, &link, NULL, NULL));
    if (link)
        g_assert_nonnull(lukshdrQemuMigrateXMLEncryption(disk));
}

static void
fuzzCorrected(const char *text)
{
    g_autoptr(xmlDoc) doc = lukshdrQemuConfigXMLRead(text);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *disk = NULL;

    if (!root)
        return;
    if (xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_DISK))
        fuzzDisk(root);
    if (xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_DOMAIN)) {
        while ((disk = lukshdrQemuMigrateXMLNextDisk(root, disk)))
            fuzzDisk(disk);
    }
}

/* What libvirt gets instead of @text, or NULL if it gets nothing */
static char *
fuzzRewrite(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) againError = NULL;
    g_autofree char *rewritten = NULL;
    g_autofree char *again = NULL;
    bool ok = lukshdrQemuConfigXMLRewrite(&host, text, &rewritten, &error);

    fuzzError(ok, error);
    g_assert_true(ok || !rewritten);
    if (!ok)
        return NULL;

    /* what is right stays as it is */
    if (rewritten) {
        ok = lukshdrQemuConfigXMLRewrite(&host, rewritten, &again, &againError);
        g_assert_no_error(againError);
        g_assert_true(ok && !again);
    }
    fuzzCorrected(rewritten ? rewritten : text);
    return g_strdup(rewritten ? rewritten : text);
}

static void
fuzzMetadata(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) headers = lukshdrQemuMetadataParseText(text, &error);
    GHashTableIter iter;
    gpointer target;
    gpointer value;

    fuzzError(headers, error);
    if (!headers)
        return;

    g_hash_table_iter_init(&iter, headers);
    while (g_hash_table_iter_next(&iter, &target, &value)) {
        const lukshdrQemuHeaderSource *header = value;

        g_assert_true(*(const char *)target != '\0');
        if (header->type == LUKSHDR_QEMU_HEADER_VOLUME)
            g_assert_true(header->pool && header->volume);
        else
            g_assert_true(header->path && g_path_is_absolute(header->path));
    }
}

/* What was encrypted stays so, and needs nothing more */
static void
fuzzSnapshot(const char *domain, const char *snapshot, bool diskOnly)
{
    g_autoptr(GPtrArray) overlays = NULL;
    g_autoptr(GPtrArray) again = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *rewritten = NULL;
    g_autofree char *same = NULL;
    bool ok;
    guint i;

    overlays = lukshdrQemuSnapshotXMLOverlays(&host, domain, snapshot, diskOnly, true, &rewritten,
                                              &error);
    fuzzError(overlays != NULL, error);
    if (!overlays)
        return;
    ok = lukshdrQemuSnapshotXMLCheckOverlays(&host, overlays, &error);
    fuzzError(ok, error);
    g_clear_error(&error);
    if (!rewritten)
        return;

    again = lukshdrQemuSnapshotXMLOverlays(&host, domain, rewritten, diskOnly, true, &same, &error);
    g_assert_no_error(error);
    g_assert_true(again && !same && again->len == overlays->len);
    for (i = 0; i < again->len; i++) {
        const lukshdrQemuOverlay *one = g_ptr_array_index(overlays, i);
        const lukshdrQemuOverlay *other = g_ptr_array_index(again, i);

        g_assert_cmpstr(one->path, ==, other->path);
        g_assert_cmpstr(one->secret, ==, other->secret);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    size_t len = MIN(strlen(text) + 1, size);
    g_autofree char *other = g_strndup((const char *)data + len, size - len);
    g_autofree char *own = NULL;
    g_autofree char *sent = NULL;
    g_autoptr(GPtrArray) reverts = NULL;
    g_autoptr(GError) error = NULL;
    bool running;
    bool ok;

    if (!host.registry)
        fuzzRegistry();

    fuzzMetadata(text);
    if (!(own = fuzzRewrite(text)))
        return 0;

    fuzzSnapshot(own, other, size & 1);
    reverts = lukshdrQemuSnapshotXMLReverts(&host, own, &running, &error);
    fuzzError(reverts != NULL, error);
    g_clear_error(&error);
    ok = lukshdrQemuMigrateXMLCheck(&host, own, other, &error);
    fuzzError(ok, error);
    g_clear_error(&error);

    /* a second domain that is right has the disks of the first as it must */
    if ((sent = fuzzRewrite(other))) {
        ok = lukshdrQemuMigrateXMLCheck(&host, own, sent, &error);
        fuzzError(ok, error);
    }
    return 0;
}
