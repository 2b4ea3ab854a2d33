/*
 * snapshot-xml.c: how a snapshot keeps the disks of a domain, and which of them in a way that does not work
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "snapshot-xml.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/error.h"
#include "util/text.h"
#include "util/xml.h"
#include "client-xml.h"
#include "metadata.h"

void
lukshdrQemuOverlayFree(lukshdrQemuOverlay *overlay)
{
    if (!overlay)
        return;

    g_free(overlay->target);
    g_free(overlay->path);
    g_free(overlay->base);
    g_free(overlay->baseFormat);
    if (overlay->link)
        lukshdrLinkUnref(overlay->link);
    g_free(overlay->secret);
    g_free(overlay);
}

/* Returns the snapshot's element for the disk with that target, or that source */
static xmlNode *
lukshdrQemuSnapshotXMLDisk(xmlNode *snapshot, const char *target, const char *file)
{
    xmlNode *disks = lukshdrXMLChild(snapshot, LUKSHDR_XML_DISKS);
    xmlNode *node;

    for (node = lukshdrXMLChild(disks, LUKSHDR_XML_DISK); node;
         node = lukshdrXMLNext(node, LUKSHDR_XML_DISK)) {
        g_autofree char *name = lukshdrXMLAttribute(node, LUKSHDR_XML_NAME);

        if (lukshdrTextSame(name, target) || lukshdrTextSame(name, file))
            return node;
    }
    return NULL;
}

/* How a snapshot keeps a disk: names of libvirt's virDomainSnapshotLocation */
#define LUKSHDR_QEMU_SNAPSHOT_EXTERNAL "external"
#define LUKSHDR_QEMU_SNAPSHOT_INTERNAL "internal"
#define LUKSHDR_QEMU_SNAPSHOT_NO "no"

/* Does the snapshot keep the domain's memory in a file?  Its name alone means that (virDomainSnapshotDefParse). */
static bool
lukshdrQemuSnapshotXMLSavesMemory(xmlNode *snapshot)
{
    xmlNode *memory = lukshdrXMLChild(snapshot, "memory");
    g_autofree char *saved = memory ? lukshdrXMLAttribute(memory, "snapshot") : NULL;

    return saved ? g_str_equal(saved, LUKSHDR_QEMU_SNAPSHOT_EXTERNAL)
                 : memory && xmlHasProp(memory, BAD_CAST LUKSHDR_XML_FILE);
}

/* How does the snapshot keep @disk?  As libvirt decides it (virDomainSnapshotAlignDisks): the
 * snapshot's XML says so, or else the disk's, or else it is @other.  Freed with g_free. */
static char *
lukshdrQemuSnapshotXMLHow(xmlNode *disk, xmlNode *asked, const char *other)
{
    char *own = lukshdrXMLAttribute(disk, "snapshot");
    char *said = asked ? lukshdrXMLAttribute(asked, "snapshot") : NULL;

    if (!said && asked && lukshdrXMLChild(asked, LUKSHDR_XML_SOURCE))
        said = g_strdup(LUKSHDR_QEMU_SNAPSHOT_EXTERNAL);
    if (said) {
        g_free(own);
        return said;
    }
    if (own)
        return own;
    return g_strdup(lukshdrXMLChild(disk, "readonly") ? LUKSHDR_QEMU_SNAPSHOT_NO : other);
}

/* Sets @link to the link of the first linked payload among the images that the XML lists for
 * @disk.  @top: only the topmost counts, which is where an internal snapshot is made. */
static bool
lukshdrQemuSnapshotXMLFind(const lukshdrQemuHost *host,
                           xmlNode *disk,
                           bool top,
                           lukshdrLink **link,
                           GError **error)
{
    xmlNode *image;

    *link = NULL;
    for (image = disk; image && !*link; image = lukshdrXMLChild(image, LUKSHDR_XML_BACKING_STORE)) {
        xmlNode *source = lukshdrXMLChild(image, LUKSHDR_XML_SOURCE);
        g_autofree char *type = lukshdrXMLAttribute(image, LUKSHDR_XML_TYPE);

        if (source && !lukshdrQemuConfigXMLFind(host, type, source, link, NULL, error))
            return false;
        if (top)
            break;
    }
    return true;
}

char *
lukshdrQemuSnapshotXMLWays(const char *format)
{
    const char
        *inside = g_strcmp0(format, "qcow2") == 0
                      ? _("an internal snapshot, while the domain is shut off, keeps the disk "
                          "encrypted")
                      : _("an internal snapshot, while the domain is shut off, keeps a disk "
                          "encrypted, but only a volume of format 'qcow2' can have one");

    return g_strdup_printf(
        _("%s; an external one does, too, if its overlay lies in a pool with an "
          "encryption default (virsh pool-edit), or has an 'encryption' in the 'source' of the "
          "snapshot's XML"),
        inside);
}

/* A snapshot that a client wants to make */
typedef struct _lukshdrQemuSnapshotXML lukshdrQemuSnapshotXML;
struct _lukshdrQemuSnapshotXML {
    const lukshdrQemuHost *host;
    xmlDoc *domain;
    xmlDoc *snapshot;
    xmlNode *root;       /* of @snapshot */
    GHashTable *headers; /* from the domain's metadata, by disk target, or NULL */
    const char *other;   /* how disks are kept if nothing says so */
    char *name;          /* of the snapshot: its overlays are called after it */
    bool changed;
};

static void
lukshdrQemuSnapshotXMLClear(lukshdrQemuSnapshotXML *state)
{
    xmlFreeDoc(state->domain);
    xmlFreeDoc(state->snapshot);
    g_clear_pointer(&state->headers, g_hash_table_unref);
    g_free(state->name);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrQemuSnapshotXML, lukshdrQemuSnapshotXMLClear)

/* Sets @disk to the first disk of the domain; to NULL if the texts are no XML, which is stock's business */
static bool
lukshdrQemuSnapshotXMLRead(lukshdrQemuSnapshotXML *state,
                           const lukshdrQemuHost *host,
                           const char *domain,
                           const char *snapshot,
                           bool diskOnly,
                           xmlNode **disk,
                           GError **error)
{
    xmlNode *metadata;
    xmlNode *root;

    *disk = NULL;
    state->host = host;
    if (!(state->domain = lukshdrQemuConfigXMLRead(domain)) ||
        !(state->snapshot = lukshdrQemuConfigXMLRead(snapshot)) ||
        !(root = xmlDocGetRootElement(state->domain)) ||
        !(state->root = xmlDocGetRootElement(state->snapshot)))
        return true;

    state->other = diskOnly || lukshdrQemuSnapshotXMLSavesMemory(state->root)
                       ? LUKSHDR_QEMU_SNAPSHOT_EXTERNAL
                       : LUKSHDR_QEMU_SNAPSHOT_INTERNAL;

    if ((metadata = lukshdrQemuConfigXMLMetadata(root)) &&
        !(state->headers = lukshdrQemuMetadataParse(metadata, error)))
        return false;
    *disk = lukshdrXMLChild(lukshdrXMLChild(root, LUKSHDR_XML_DEVICES), LUKSHDR_XML_DISK);
    return true;
}

static xmlNode *
lukshdrQemuSnapshotXMLAsked(const lukshdrQemuSnapshotXML *state, xmlNode *disk)
{
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
    g_autofree char *dev = lukshdrQemuConfigXMLTarget(disk);
    g_autofree char *file = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_FILE) : NULL;

    return lukshdrQemuSnapshotXMLDisk(state->root, dev, file);
}

/* The name of an overlay on @base, as libvirt makes it (virDomainSnapshotDefAssignExternalNames).  Returns NULL
 * where libvirt refuses to. */
static char *
lukshdrQemuSnapshotXMLPath(lukshdrQemuSnapshotXML *state, const char *base)
{
    g_autofree char *stem = g_strdup(base);
    char *suffix = stem ? strrchr(stem, '.') : NULL;

    if (!base || !g_file_test(base, G_FILE_TEST_IS_REGULAR))
        return NULL;
    if (suffix && !strchr(suffix, '/'))
        *suffix = '\0';

    /* a snapshot without a name is called after the time */
    if (!state->name) {
        xmlNode *node = lukshdrXMLChild(state->root, LUKSHDR_XML_NAME);

        state->name = node ? lukshdrXMLText(node) : NULL;
        if (!state->name || !*state->name) {
            g_free(state->name);
            state->name = g_strdup_printf("%" G_GINT64_FORMAT, g_get_real_time() / G_USEC_PER_SEC);
            if (node)
                xmlNodeSetContent(node, BAD_CAST state->name);
            else
                lukshdrXMLAddChild(state->root, LUKSHDR_XML_NAME, state->name);
            state->changed = true;
        }
    }
    return g_strdup_printf("%s.%s", stem, state->name);
}

/* Encrypts the overlay if it is above a linked volume and in a pool that has an encryption default */
static bool
lukshdrQemuSnapshotXMLEncrypt(lukshdrQemuSnapshotXML *state,
                              lukshdrQemuOverlay *overlay,
                              xmlNode *asked,
                              GError **error)
{
    const lukshdrLink *link = overlay->link;
    g_autofree char *pool = NULL;
    xmlNode *source;

    if (!link || link->state != LUKSHDR_LINK_STATE_ACTIVE || !link->secretUUID || !overlay->path ||
        !overlay->qcow2 || overlay->secret || overlay->ownHeader || !state->host->headerPools)
        return true;
    if (!lukshdrHeaderPoolsFindDefault(state->host->headerPools, overlay->path, &pool, error))
        return false;
    if (!pool)
        return true;

    if (!asked) {
        xmlNode *disks = lukshdrXMLChild(state->root, LUKSHDR_XML_DISKS);

        if (!disks)
            disks = lukshdrXMLAddChild(state->root, LUKSHDR_XML_DISKS, NULL);
        asked = lukshdrXMLAddChild(disks, LUKSHDR_XML_DISK, NULL);
        lukshdrXMLSetAttribute(asked, LUKSHDR_XML_NAME, overlay->target);
    }
    lukshdrXMLSetAttribute(asked, "snapshot", LUKSHDR_QEMU_SNAPSHOT_EXTERNAL);
    if (!(source = lukshdrXMLChild(asked, LUKSHDR_XML_SOURCE)))
        source = lukshdrXMLAddChild(asked, LUKSHDR_XML_SOURCE, NULL);
    lukshdrXMLSetAttribute(source, LUKSHDR_XML_FILE, overlay->path);
    lukshdrQemuConfigXMLEncryption(lukshdrXMLAddChild(source, LUKSHDR_XML_ENCRYPTION, NULL), link);

    overlay->secret = g_strdup(link->secretUUID);
    state->changed = true;
    return true;
}

/* Says in @overlay which disk @disk is, and what is below an overlay above it; @headers are those that the domain's
 * metadata names, or NULL */
static bool
lukshdrQemuSnapshotXMLBase(const lukshdrQemuHost *host,
                           xmlNode *disk,
                           GHashTable *headers,
                           lukshdrQemuOverlay *overlay,
                           GError **error)
{
    xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
    xmlNode *driver = lukshdrXMLChild(disk, LUKSHDR_XML_DRIVER);
    g_autofree char *type = lukshdrXMLAttribute(disk, LUKSHDR_XML_TYPE);
    g_autoptr(lukshdrLink) top = NULL;

    overlay->target = lukshdrQemuConfigXMLTarget(disk);
    if (!source || !overlay->target)
        return true;
    if (!lukshdrQemuConfigXMLFind(host, type, source, &top, &overlay->base, error) ||
        !lukshdrQemuSnapshotXMLFind(host, disk, false, &overlay->link, error))
        return false;

    overlay->baseIsLinked = top != NULL;
    overlay->baseFormat = driver ? lukshdrXMLAttribute(driver, LUKSHDR_XML_TYPE) : NULL;
    if (!overlay->baseFormat && top)
        overlay->baseFormat = g_strdup(top->format);
    overlay->ownHeader = headers && g_hash_table_contains(headers, overlay->target);
    return true;
}

/* Adds the overlay that @disk gets, if it gets one, to @overlays */
static bool
lukshdrQemuSnapshotXMLOverlay(lukshdrQemuSnapshotXML *state,
                              xmlNode *disk,
                              bool encrypt,
                              GPtrArray *overlays,
                              GError **error)
{
    xmlNode *asked = lukshdrQemuSnapshotXMLAsked(state, disk);
    g_autofree char *kept = lukshdrQemuSnapshotXMLHow(disk, asked, state->other);
    xmlNode *source = lukshdrXMLChild(asked, LUKSHDR_XML_SOURCE);
    xmlNode *format = lukshdrXMLChild(asked, LUKSHDR_XML_DRIVER);
    xmlNode *encryption = lukshdrXMLChild(source, LUKSHDR_XML_ENCRYPTION);
    g_autofree char *newType = asked ? lukshdrXMLAttribute(asked, LUKSHDR_XML_TYPE) : NULL;
    g_autofree char *newFormat = format ? lukshdrXMLAttribute(format, LUKSHDR_XML_TYPE) : NULL;
    g_autoptr(lukshdrQemuOverlay) overlay = NULL;

    /* a drive without an image gets no overlay */
    if (!g_str_equal(kept, LUKSHDR_QEMU_SNAPSHOT_EXTERNAL) ||
        !lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE))
        return true;

    overlay = g_new0(lukshdrQemuOverlay, 1);
    if (!lukshdrQemuSnapshotXMLBase(state->host, disk, state->headers, overlay, error))
        return false;
    if (!overlay->target)
        return true;
    overlay->qcow2 = !newFormat || g_str_equal(newFormat, "qcow2");
    if (!newType || g_str_equal(newType, "file"))
        overlay->path = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_FILE) : NULL;
    if (!overlay->path && (!newType || g_str_equal(newType, "file")))
        overlay->path = lukshdrQemuSnapshotXMLPath(state, overlay->base);
    if (overlay->path && !g_path_is_absolute(overlay->path))
        g_clear_pointer(&overlay->path, g_free); /* libvirt refuses it */
    if (encryption)
        overlay->secret = lukshdrQemuConfigXMLSecretUUID(state->host, encryption);

    if (encrypt && !encryption && !lukshdrQemuSnapshotXMLEncrypt(state, overlay, asked, error))
        return false;
    g_ptr_array_add(overlays, g_steal_pointer(&overlay));
    return true;
}

/* libvirt looks for two overlays of one name only where it makes up both names itself */
static bool
lukshdrQemuSnapshotXMLCheckNames(GPtrArray *overlays, GError **error)
{
    guint i;
    guint n;

    for (i = 0; i < overlays->len; i++) {
        const lukshdrQemuOverlay *one = g_ptr_array_index(overlays, i);

        for (n = 0; n < i; n++) {
            const lukshdrQemuOverlay *other = g_ptr_array_index(overlays, n);

            if (!one->path || g_strcmp0(one->path, other->path) != 0 ||
                (!one->link && !other->link))
                continue;
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                        _("disks '%1$s' and '%2$s' would get the same overlay '%3$s': name another "
                          "file for one of them in the snapshot's XML"),
                        other->target, one->target, one->path);
            return false;
        }
    }
    return true;
}

GPtrArray *
lukshdrQemuSnapshotXMLOverlays(const lukshdrQemuHost *host,
                               const char *domain,
                               const char *snapshot,
                               bool diskOnly,
                               bool encrypt,
                               char **rewritten,
                               GError **error)
{
    g_autoptr(GPtrArray)
        overlays = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrQemuOverlayFree);
    g_auto(lukshdrQemuSnapshotXML) state = { 0 };
    xmlNode *disk;

    *rewritten = NULL;
    if (!lukshdrQemuSnapshotXMLRead(&state, host, domain, snapshot, diskOnly, &disk, error))
        return NULL;

    for (; disk; disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        if (!lukshdrQemuSnapshotXMLOverlay(&state, disk, encrypt, overlays, error))
            return NULL;
    }
    if (!lukshdrQemuSnapshotXMLCheckNames(overlays, error))
        return NULL;
    if (state.changed)
        *rewritten = lukshdrQemuConfigXMLWrite(state.snapshot);
    return g_steal_pointer(&overlays);
}

/* Is the overlay what no guest may write to?  Its name was chosen by the client. */
static bool
lukshdrQemuSnapshotXMLCheckPath(const lukshdrQemuHost *host, const char *path, GError **error)
{
    g_autoptr(lukshdrLink) link = NULL;

    if (!lukshdrQemuLookup(host, path, &link, error))
        return false;
    if (!link)
        return true;
    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
        _("linked volume '%1$s' of pool '%2$s' cannot be the overlay that a snapshot puts above "
          "a disk: it cannot have a backing file"),
        link->payload.volume, link->payload.pool);
    return false;
}

bool
lukshdrQemuSnapshotXMLCheckOverlays(const lukshdrQemuHost *host,
                                    GPtrArray *overlays,
                                    GError **error)
{
    guint i;

    for (i = 0; i < overlays->len; i++) {
        const lukshdrQemuOverlay *overlay = g_ptr_array_index(overlays, i);
        g_autofree char *ways = NULL;

        if (overlay->path && host->headerPools &&
            !lukshdrQemuSnapshotXMLCheckPath(host, overlay->path, error))
            return false;

        if (overlay->ownHeader) {
            g_set_error(
                error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                _("disk '%s' is opened with a header that the domain's metadata names for it: it can "
                  "have no overlay"),
                overlay->target);
            return false;
        }
        if (!overlay->link || overlay->secret)
            continue;

        ways = lukshdrQemuSnapshotXMLWays(overlay->link->format);
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
            _("an overlay above disk '%1$s' would hold data of linked volume '%2$s' of pool '%3$s' "
              "unencrypted: %4$s"),
            overlay->target, overlay->link->payload.volume, overlay->link->payload.pool, ways);
        return false;
    }
    return true;
}

bool
lukshdrQemuSnapshotXMLCheckRunning(const lukshdrQemuHost *host,
                                   const char *domain,
                                   const char *snapshot,
                                   bool diskOnly,
                                   GError **error)
{
    g_auto(lukshdrQemuSnapshotXML) state = { 0 };
    xmlNode *disk;

    if (!lukshdrQemuSnapshotXMLRead(&state, host, domain, snapshot, diskOnly, &disk, error))
        return false;

    for (; disk; disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        xmlNode *asked = lukshdrQemuSnapshotXMLAsked(&state, disk);
        g_autofree char *dev = lukshdrQemuConfigXMLTarget(disk);
        g_autofree char *kept = lukshdrQemuSnapshotXMLHow(disk, asked, state.other);
        g_autofree char *ways = NULL;
        g_autoptr(lukshdrLink) link = NULL;

        if (!g_str_equal(kept, LUKSHDR_QEMU_SNAPSHOT_INTERNAL))
            continue;
        if (!lukshdrQemuSnapshotXMLFind(host, disk, true, &link, error))
            return false;
        if (!link)
            continue;

        ways = lukshdrQemuSnapshotXMLWays(link->format);
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
            _("the domain runs, and disk '%1$s' is linked volume '%2$s' of pool '%3$s': an internal "
              "snapshot would keep the domain's memory unencrypted in that volume; shut the guest "
              "down, then take it: %4$s"),
            dev ? dev : "", link->payload.volume, link->payload.pool, ways);
        return false;
    }
    return true;
}

/* Does the snapshot keep the domain's memory in a file, or any disk by an overlay?  As libvirt decides it
 * (virDomainSnapshotIsExternal). */
static bool
lukshdrQemuSnapshotXMLIsExternal(xmlNode *snapshot)
{
    xmlNode *disks = lukshdrXMLChild(snapshot, LUKSHDR_XML_DISKS);
    xmlNode *disk;

    if (lukshdrQemuSnapshotXMLSavesMemory(snapshot))
        return true;
    for (disk = lukshdrXMLChild(disks, LUKSHDR_XML_DISK); disk;
         disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        g_autofree char *how = lukshdrXMLAttribute(disk, "snapshot");

        if (lukshdrTextSame(how, LUKSHDR_QEMU_SNAPSHOT_EXTERNAL))
            return true;
    }
    return false;
}

/* Can @overlay, of which libvirt makes up the name, be encrypted?  @running: the snapshot has the domain's memory */
static bool
lukshdrQemuSnapshotXMLCheckRevert(const lukshdrQemuHost *host,
                                  const lukshdrQemuOverlay *overlay,
                                  bool running,
                                  GError **error)
{
    const lukshdrLink *link = overlay->link;
    g_autofree char *pool = NULL;

    if (overlay->base && host->headerPools &&
        !lukshdrHeaderPoolsFindDefault(host->headerPools, overlay->base, &pool, error))
        return false;
    if (pool && overlay->secret && !overlay->ownHeader && overlay->baseFormat &&
        (running || overlay->baseIsLinked))
        return true;

    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
        pool && !overlay->baseIsLinked && !running
            ? _("libvirt would go back to this snapshot with an overlay above disk '%1$s' that holds "
                "data of linked volume '%2$s' of pool '%3$s' unencrypted, since the disk had an "
                "overlay before it; delete the snapshots before this one, or go back to the first")
            : _("libvirt would go back to this snapshot with an overlay above disk '%1$s' that holds "
                "data of linked volume '%2$s' of pool '%3$s' unencrypted; give the pool in which "
                "the disk's image lies an encryption default (virsh pool-edit)"),
        overlay->target, link->payload.volume, link->payload.pool);
    return false;
}

GPtrArray *
lukshdrQemuSnapshotXMLReverts(const lukshdrQemuHost *host,
                              const char *snapshot,
                              bool *running,
                              GError **error)
{
    g_autoptr(GPtrArray)
        overlays = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrQemuOverlayFree);
    g_autoptr(xmlDoc) doc = lukshdrQemuConfigXMLRead(snapshot);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *state = lukshdrXMLChild(root, LUKSHDR_XML_STATE);
    xmlNode *domain = lukshdrXMLChild(root, LUKSHDR_XML_DOMAIN);
    xmlNode *metadata = lukshdrQemuConfigXMLMetadata(domain);
    g_autofree char *said = state ? lukshdrXMLText(state) : NULL;
    g_autoptr(GHashTable) headers = NULL;
    xmlNode *disk;

    *running = g_strcmp0(said, "running") == 0 || g_strcmp0(said, "paused") == 0;
    if (!lukshdrQemuSnapshotXMLIsExternal(root))
        return g_steal_pointer(&overlays);
    if (metadata && !(headers = lukshdrQemuMetadataParse(metadata, error)))
        return NULL;

    for (disk = lukshdrXMLChild(lukshdrXMLChild(domain, LUKSHDR_XML_DEVICES), LUKSHDR_XML_DISK);
         disk; disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        g_autoptr(lukshdrQemuOverlay) overlay = g_new0(lukshdrQemuOverlay, 1);

        /* what cannot be written to gets no overlay */
        if (lukshdrXMLChild(disk, "readonly"))
            continue;
        if (!lukshdrQemuSnapshotXMLBase(host, disk, headers, overlay, error))
            return NULL;
        if (!overlay->link)
            continue;
        if (overlay->link->state == LUKSHDR_LINK_STATE_ACTIVE)
            overlay->secret = g_strdup(overlay->link->secretUUID);
        overlay->qcow2 = true;
        if (!lukshdrQemuSnapshotXMLCheckRevert(host, overlay, *running, error))
            return NULL;
        g_ptr_array_add(overlays, g_steal_pointer(&overlay));
    }
    return g_steal_pointer(&overlays);
}
