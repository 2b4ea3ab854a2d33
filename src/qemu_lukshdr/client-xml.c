/*
 * client-xml.c: what clients' XML says of linked volumes, and what it should say
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The invariant: the XML that libvirt gets has an <encryption> for every linked payload
 * that it names, and no <header> in any <encryption> of a disk.
 *
 * The code finds elements by their names, whatever their namespace.  So it finds all that
 * libvirt finds, and maybe more.
 */

#include "config.h"

#include "client-xml.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <libxml/parser.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "link/decrypted.h"
#include "link/handle.h"
#include "util/text.h"
#include "link/pool-state.h"
#include "link/recognise.h"
#include "link/remote-xml.h"
#include "util/xml.h"
#include "metadata.h"

typedef struct _lukshdrQemuConfigXML lukshdrQemuConfigXML;
struct _lukshdrQemuConfigXML {
    const lukshdrQemuHost *host;
    GHashTable *headers; /* from metadata, by disk target; NULL if there is none */
    bool ownHeader;      /* the disk at hand is one of @headers */
    bool domain;         /* the disks at hand are those of a domain */
    bool changed;
};

/* how libvirt's XML names the format and the engine that open linked volumes */
#define LUKSHDR_QEMU_CONFIG_LUKS "luks"
#define LUKSHDR_QEMU_CONFIG_ENGINE "qemu"

xmlDoc *
lukshdrQemuConfigXMLRead(const char *xml)
{
    return xmlReadMemory(xml, (int)MIN(strlen(xml), G_MAXINT), NULL, NULL,
                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

char *
lukshdrQemuConfigXMLWrite(xmlDoc *doc)
{
    xmlChar *dumped = NULL;
    char *text;
    int len;

    xmlDocDumpMemory(doc, &dumped, &len);
    if (!dumped)
        g_error("out of memory");
    text = g_strdup((const char *)dumped);
    xmlFree(dumped);
    return text;
}

void
lukshdrQemuConfigXMLEncryption(xmlNode *encryption, const lukshdrLink *link)
{
    xmlNode *secret;

    lukshdrXMLSetAttribute(encryption, LUKSHDR_XML_FORMAT, LUKSHDR_QEMU_CONFIG_LUKS);
    lukshdrXMLSetAttribute(encryption, LUKSHDR_XML_ENGINE, LUKSHDR_QEMU_CONFIG_ENGINE);
    secret = lukshdrXMLAddChild(encryption, LUKSHDR_XML_SECRET, NULL);
    lukshdrXMLSetAttribute(secret, LUKSHDR_XML_TYPE, "passphrase");
    lukshdrXMLSetAttribute(secret, LUKSHDR_XML_UUID, link->secretUUID);
}

/* Sets @found to the payload of @link (@index 0), or its header (1) */
static void
lukshdrQemuConfigXMLFound(lukshdrRecognised *found, lukshdrLink *link, guint index)
{
    found->as = index == 0 ? LUKSHDR_RECOGNISED_PAYLOAD : LUKSHDR_RECOGNISED_HEADER;
    found->link = lukshdrLinkRef(link);
    found->vol = lukshdrLinkVolumeAt(found->link, index);
}

/* Finds the volume that @source names by pool and volume, also where another pool over the same
 * directory has it.  If the pool is not active or the volume is not there, nothing can be
 * examined.  Then the names decide; no guest can start from such a volume anyway. */
static bool
lukshdrQemuConfigXMLFindVolume(const lukshdrQemuHost *host,
                               xmlNode *source,
                               lukshdrRecognised *found,
                               char **path,
                               GError **error)
{
    g_autofree char *pool = lukshdrXMLAttribute(source, LUKSHDR_XML_POOL);
    g_autofree char *volume = lukshdrXMLAttribute(source, LUKSHDR_XML_VOLUME);
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;

    if (!pool || !volume)
        return true;

    if ((*path = lukshdrPoolStateVolumePath(host->privileged, pool, volume, NULL))) {
        if (!lukshdrRecognise(host->registry, *path, found, error))
            return false;
        if (found->link || access(*path, F_OK) == 0)
            return true;
        g_clear_pointer(path, g_free);
    }

    if (!lukshdrRegistryLookup(host->registry, pool, volume, &payload, &header, error))
        return false;
    if (!payload && !header)
        return true;
    lukshdrQemuConfigXMLFound(found, payload ? payload : header, payload ? 0 : 1);

    /* the pool is active, but of a type whose volumes' paths do not follow from their names */
    if (found->vol->path && access(found->vol->path, F_OK) == 0 &&
        lukshdrPoolStateIsActive(host->privileged, pool)) {
        *path = g_strdup(found->vol->path);
        lukshdrRecognisedClear(found);
        return lukshdrRecognise(host->registry, *path, found, error);
    }
    return true;
}

/* Finds the link of a Ceph image or iSCSI unit by the name that the registry has.  Does not ask the
 * cluster or target, since the client only writes a configuration: Prepare looks at the image before a guest gets
 * it. */
static bool
lukshdrQemuConfigXMLFindRemote(const lukshdrQemuHost *host,
                               xmlNode *source,
                               lukshdrRecognised *found,
                               GError **error)
{
    g_autoptr(lukshdrRemote) remote = lukshdrRemoteFromDisk(source);
    g_autofree char *where = remote ? lukshdrRemoteDescribe(remote) : NULL;
    g_autoptr(GPtrArray) links = NULL;
    guint i;

    if (!remote)
        return true;
    if (!(links = lukshdrRegistryListAt(host->registry, where, error)))
        return false;

    for (i = 0; i < links->len && !found->link; i++) {
        lukshdrLink *link = g_ptr_array_index(links, i);
        const lukshdrVolume *vol;
        guint n;

        /* the payload, and the header */
        for (n = 0; n < 2 && !found->link && (vol = lukshdrLinkVolumeAt(link, n)); n++) {
            if (vol->remote && lukshdrRemoteIsOwnName(vol->remote, remote))
                lukshdrQemuConfigXMLFound(found, link, n);
        }
    }
    return true;
}

bool
lukshdrQemuConfigXMLFind(const lukshdrQemuHost *host,
                         const char *type,
                         xmlNode *source,
                         lukshdrLink **link,
                         char **path,
                         GError **error)
{
    g_auto(lukshdrRecognised) found = { 0 };
    g_autofree char *named = NULL;
    g_autofree char *absolute = NULL;

    *link = NULL;

    if (!type || g_str_equal(type, "file"))
        named = lukshdrXMLAttribute(source, LUKSHDR_XML_FILE);
    else if (g_str_equal(type, "block"))
        named = lukshdrXMLAttribute(source, LUKSHDR_XML_DEV);

    if (g_strcmp0(type, "network") == 0) {
        if (!lukshdrQemuConfigXMLFindRemote(host, source, &found, error))
            return false;
    } else if (g_strcmp0(type, "volume") == 0) {
        if (!lukshdrQemuConfigXMLFindVolume(host, source, &found, &absolute, error))
            return false;
    } else if (named && *named) {
        /* QEMU's working directory is the root */
        absolute = g_path_is_absolute(named) ? g_strdup(named) : g_build_filename("/", named, NULL);
        if (!lukshdrRecognise(host->registry, absolute, &found, error))
            return false;
    }

    /* a header is refused here, too, so that a client hears of it when it adds the disk */
    if (found.as != LUKSHDR_RECOGNISED_PLAIN &&
        !lukshdrQemuLookupJudge(&found, absolute ? absolute : found.vol->volume, link, error))
        return false;
    if (path)
        *path = g_steal_pointer(&absolute);
    return true;
}

char *
lukshdrQemuConfigXMLSecretUUID(const lukshdrQemuHost *host, xmlNode *encryption)
{
    xmlNode *secret = lukshdrXMLChild(encryption, LUKSHDR_XML_SECRET);
    char *uuid = secret ? lukshdrXMLAttribute(secret, LUKSHDR_XML_UUID) : NULL;
    g_autofree char *usage = secret ? lukshdrXMLAttribute(secret, LUKSHDR_XML_USAGE) : NULL;

    return uuid || !usage ? uuid : host->secretByUsage(usage);
}

static bool
lukshdrQemuConfigXMLSameFile(const char *one, const char *other)
{
    lukshdrIdentity a;
    lukshdrIdentity b;

    return one && other && lukshdrIdentityFromPath(one, &a, NULL) &&
           lukshdrIdentityFromPath(other, &b, NULL) && a.type == b.type && a.dev == b.dev &&
           a.inode == b.inode;
}

static bool
lukshdrQemuConfigXMLIsHeaderOf(xmlNode *node, const lukshdrLink *link)
{
    g_autoptr(lukshdrQemuHeaderSource) header = lukshdrQemuHeaderSourceParse(node, NULL);
    g_autofree char *standard = NULL;

    if (!header)
        return false;
    if (header->type != LUKSHDR_QEMU_HEADER_VOLUME)
        return lukshdrQemuConfigXMLSameFile(header->path, link->header.path);

    standard = g_strdup_printf("%s.luks", link->payload.volume);
    return g_strcmp0(header->pool, link->header.pool) == 0 &&
           g_strcmp0(header->volume ? header->volume : standard, link->header.volume) == 0;
}

/* libvirt adds the engine to the disks of a domain by itself.  It forgets that (11.3.0) for the
 * target of a copy and for the overlay of a snapshot.  A raw target then has no node that could
 * decrypt it, and the domain's configuration names an overlay with which the domain cannot
 * start. */
static void
lukshdrQemuConfigXMLComplete(lukshdrQemuConfigXML *state, xmlNode *encryption)
{
    g_autofree char *format = lukshdrXMLAttribute(encryption, LUKSHDR_XML_FORMAT);
    g_autofree char *engine = lukshdrXMLAttribute(encryption, LUKSHDR_XML_ENGINE);

    if (engine || g_strcmp0(format, LUKSHDR_QEMU_CONFIG_LUKS) != 0)
        return;
    lukshdrXMLSetAttribute(encryption, LUKSHDR_XML_ENGINE, LUKSHDR_QEMU_CONFIG_ENGINE);
    state->changed = true;
}

/* Removes from @encryption each <header> that only repeats what the link says */
static void
lukshdrQemuConfigXMLStrip(lukshdrQemuConfigXML *state, xmlNode *encryption, const lukshdrLink *link)
{
    xmlNode *node;
    xmlNode *next;

    for (node = lukshdrXMLChild(encryption, LUKSHDR_XML_HEADER); node; node = next) {
        next = lukshdrXMLNext(node, LUKSHDR_XML_HEADER);
        if (lukshdrQemuConfigXMLIsHeaderOf(node, link)) {
            xmlUnlinkNode(node);
            xmlFreeNode(node);
            state->changed = true;
        }
    }
}

/* Does libvirt accept <encryption> for @format?  (virDomainStorageSourceParse takes a missing one
 * for raw.) */
static bool
lukshdrQemuConfigXMLFormatKnown(const char *format)
{
    return !format || g_str_equal(format, "raw") || g_str_equal(format, "qcow2");
}

/* Was @secret generated for the volume of a registered link other than @link?  Then it opens that
 * volume only. */
static bool
lukshdrQemuConfigXMLIsOthers(const lukshdrQemuHost *host,
                             const char *secret,
                             const lukshdrLink *link)
{
    g_autoptr(GPtrArray) links = lukshdrRegistryListSecret(host->registry, secret, NULL);
    guint i;

    for (i = 0; links && i < links->len; i++) {
        const lukshdrLink *other = g_ptr_array_index(links, i);

        if (other->secretGenerated && !g_str_equal(other->uuid, link->uuid))
            return true;
    }
    return false;
}

/* Puts @link's secret in the place of one that cannot open its payload.  A domain whose XML was
 * copied from another domain (virt-clone) names the secrets of the other domain's volumes; a domain
 * that comes from another host names secrets of that host.  A secret that somebody gave stays,
 * since it may open both volumes.  So does the secret of a disk to which the domain's metadata
 * gives a header. */
static void
lukshdrQemuConfigXMLSecret(lukshdrQemuConfigXML *state,
                           xmlNode *encryption,
                           const lukshdrLink *link)
{
    xmlNode *secret = lukshdrXMLChild(encryption, LUKSHDR_XML_SECRET);
    g_autofree char *uuid = lukshdrQemuConfigXMLSecretUUID(state->host, encryption);

    if (!secret || (!uuid && !xmlHasProp(secret, BAD_CAST LUKSHDR_XML_USAGE)) ||
        !link->secretUUID || state->ownHeader || link->state != LUKSHDR_LINK_STATE_ACTIVE ||
        lukshdrTextSameUUID(uuid, link->secretUUID) ||
        (uuid && state->host->secretExists(uuid) &&
         !lukshdrQemuConfigXMLIsOthers(state->host, uuid, link)))
        return;

    xmlUnsetProp(secret, BAD_CAST LUKSHDR_XML_USAGE);
    lukshdrXMLSetAttribute(secret, LUKSHDR_XML_UUID, link->secretUUID);
    state->changed = true;
}

/* Corrects an <encryption> of @link's payload.  @own: the XML calls the payload by its own name */
static void
lukshdrQemuConfigXMLCorrect(lukshdrQemuConfigXML *state,
                            xmlNode *encryption,
                            const lukshdrLink *link,
                            bool own)
{
    lukshdrQemuConfigXMLStrip(state, encryption, link);
    if (own)
        lukshdrQemuConfigXMLSecret(state, encryption, link);
}

/* Takes the <encryption> away that a domain has from the linked volume of which its disk at @path
 * was made, a plain volume (link/decrypted.h).  Returns true if there is none any more.  A disk that
 * is plugged in or copied to is what its client says. */
static bool
lukshdrQemuConfigXMLStripPlain(lukshdrQemuConfigXML *state,
                               const char *path,
                               xmlNode **outer,
                               xmlNode *inner)
{
    g_autofree char *secret = NULL;

    if (!state->domain || state->ownHeader || !state->host->decryptedDir || (!*outer && !inner))
        return false;
    if (!(secret = lukshdrQemuConfigXMLSecretUUID(state->host, inner ? inner : *outer)) ||
        !lukshdrDecryptedIs(state->host->decryptedDir, path, secret))
        return false;

    if (inner) {
        xmlUnlinkNode(inner);
        xmlFreeNode(inner);
    }
    if (*outer) {
        xmlUnlinkNode(*outer);
        xmlFreeNode(*outer);
        *outer = NULL;
    }
    state->changed = true;
    return true;
}

/* Says in @disk, which says nothing of it, what format @link's payload has.  libvirt looks a volume's
 * format up where the disk has no <encryption>, and refuses one that has. */
static void
lukshdrQemuConfigXMLFormat(lukshdrQemuConfigXML *state, xmlNode *disk, const lukshdrLink *link)
{
    xmlNode *driver = lukshdrXMLChild(disk, LUKSHDR_XML_DRIVER);

    if (!driver)
        driver = lukshdrXMLAddChild(disk, LUKSHDR_XML_DRIVER, NULL);
    lukshdrXMLSetAttribute(driver, LUKSHDR_XML_TYPE, link->format);
    state->changed = true;
}

/* Corrects one image: @image is a <disk> or a <backingStore>, @format the format that it declares.
 * Sets @encrypted to whether it has an <encryption> in the end. */
static bool
lukshdrQemuConfigXMLImage(lukshdrQemuConfigXML *state,
                          xmlNode *image,
                          const char *format,
                          bool *encrypted,
                          GError **error)
{
    g_autofree char *type = lukshdrXMLAttribute(image, LUKSHDR_XML_TYPE);
    xmlNode *outer = lukshdrXMLChild(image, LUKSHDR_XML_ENCRYPTION); /* its older place */
    xmlNode *source;

    *encrypted = outer != NULL;

    for (source = lukshdrXMLChild(image, LUKSHDR_XML_SOURCE); source;
         source = lukshdrXMLNext(source, LUKSHDR_XML_SOURCE)) {
        xmlNode *inner = lukshdrXMLChild(source, LUKSHDR_XML_ENCRYPTION);
        g_autoptr(lukshdrLink) link = NULL;
        g_autofree char *secret = NULL;
        g_autofree char *path = NULL;
        bool own;

        if (inner)
            *encrypted = true;
        if (!lukshdrQemuConfigXMLFind(state->host, type, source, &link, &path, error))
            return false;
        if (!link) {
            if (path && lukshdrQemuConfigXMLStripPlain(state, path, &outer, inner))
                *encrypted = false;
            continue;
        }

        if (g_strcmp0(type, "volume") == 0 &&
            lukshdrVolumeLocation(&link->payload) == LUKSHDR_LOCATION_RBD) {
            g_set_error(
                error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                _("libvirt gives guests no volumes of pools of type rbd by pool and volume: "
                  "name linked volume '%s' of pool '%s' as the image that it is, with <disk "
                  "type='network'> and <source protocol='rbd' name='%s'>, and put the "
                  "pool's <host> elements and <auth> into that"),
                link->payload.volume, link->payload.pool, link->payload.remote->name);
            return false;
        }

        /* any other type is raw to libvirt then */
        if (!format && g_strcmp0(type, "volume") == 0 &&
            xmlStrEqual(image->name, BAD_CAST LUKSHDR_XML_DISK))
            lukshdrQemuConfigXMLFormat(state, image, link);

        if (inner || outer)
            secret = lukshdrQemuConfigXMLSecretUUID(state->host, inner ? inner : outer);
        if (path && !lukshdrQemuLookupNamed(state->host, link, path, secret, error))
            return false;
        /* without a path it is the registry's name */
        own = !path || lukshdrHandleIsOwnName(&link->payload, path);

        if (outer)
            lukshdrQemuConfigXMLCorrect(state, outer, link, own);
        if (inner) {
            lukshdrQemuConfigXMLCorrect(state, inner, link, own);
            lukshdrQemuConfigXMLComplete(state, inner);
        }
        if (outer || inner || !lukshdrQemuConfigXMLFormatKnown(format) ||
            link->state != LUKSHDR_LINK_STATE_ACTIVE || !link->secretUUID)
            continue;

        lukshdrQemuConfigXMLEncryption(lukshdrXMLAddChild(source, LUKSHDR_XML_ENCRYPTION, NULL),
                                       link);
        *encrypted = true;
        state->changed = true;
    }
    return true;
}

/* Corrects the images that the XML lists behind @image. */
static bool
lukshdrQemuConfigXMLBacking(lukshdrQemuConfigXML *state, xmlNode *image, GError **error)
{
    xmlNode *backing = image;

    while ((backing = lukshdrXMLChild(backing, LUKSHDR_XML_BACKING_STORE))) {
        xmlNode *node = lukshdrXMLChild(backing, LUKSHDR_XML_FORMAT);
        g_autofree char *format = node ? lukshdrXMLAttribute(node, LUKSHDR_XML_TYPE) : NULL;
        bool encrypted;

        if (!lukshdrQemuConfigXMLImage(state, backing, format, &encrypted, error))
            return false;
    }
    return true;
}

char *
lukshdrQemuConfigXMLTarget(xmlNode *disk)
{
    xmlNode *target = lukshdrXMLChild(disk, LUKSHDR_XML_TARGET);

    return target ? lukshdrXMLAttribute(target, LUKSHDR_XML_DEV) : NULL;
}

/* Refuses a <header> that is still in some <encryption>: libvirt would ignore it. */
static bool
lukshdrQemuConfigXMLCheckRest(xmlNode *disk, xmlNode *node, GError **error)
{
    xmlNode *child;

    for (child = lukshdrXMLChild(node, NULL); child; child = lukshdrXMLNext(child, NULL)) {
        g_autofree char *target = NULL;

        if (!xmlStrEqual(child->name, BAD_CAST LUKSHDR_XML_HEADER) ||
            !xmlStrEqual(node->name, BAD_CAST LUKSHDR_XML_ENCRYPTION)) {
            if (!lukshdrQemuConfigXMLCheckRest(disk, child, error))
                return false;
            continue;
        }

        target = lukshdrQemuConfigXMLTarget(disk);
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s' has a 'header' in its 'encryption' that is not the one that its "
                      "volume is linked with; to use another header, name it in the domain's "
                      "metadata (namespace %s)"),
                    target ? target : "", LUKSHDR_XML_METADATA_URI);
        return false;
    }
    return true;
}

static bool
lukshdrQemuConfigXMLDisk(lukshdrQemuConfigXML *state, xmlNode *disk, GError **error)
{
    xmlNode *driver = lukshdrXMLChild(disk, LUKSHDR_XML_DRIVER);
    g_autofree char *format = driver ? lukshdrXMLAttribute(driver, LUKSHDR_XML_TYPE) : NULL;
    g_autofree char *target = lukshdrQemuConfigXMLTarget(disk);
    bool encrypted = false;

    state->ownHeader = state->headers && target && g_hash_table_contains(state->headers, target);
    if (!lukshdrQemuConfigXMLImage(state, disk, format, &encrypted, error) ||
        !lukshdrQemuConfigXMLBacking(state, disk, error) ||
        !lukshdrQemuConfigXMLCheckRest(disk, disk, error))
        return false;

    if (!encrypted && state->ownHeader) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("disk '%s' is given a header by the domain's metadata, but has no secret to "
                      "open it with: give it an 'encryption' with a 'secret'"),
                    target);
        return false;
    }
    return true;
}

xmlNode *
lukshdrQemuConfigXMLMetadata(xmlNode *domain)
{
    xmlNode *metadata = lukshdrXMLChild(domain, LUKSHDR_XML_METADATA);
    xmlNode *node;

    for (node = lukshdrXMLChild(metadata, NULL); node; node = lukshdrXMLNext(node, NULL)) {
        if (node->ns && xmlStrEqual(node->ns->href, BAD_CAST LUKSHDR_XML_METADATA_URI))
            return node;
    }
    return NULL;
}

static bool
lukshdrQemuConfigXMLDomain(lukshdrQemuConfigXML *state, xmlNode *domain, GError **error)
{
    xmlNode *metadata = lukshdrQemuConfigXMLMetadata(domain);
    g_autoptr(GHashTable) headers = NULL;
    xmlNode *devices;
    xmlNode *disk;
    bool ok = true;

    if (metadata && !(headers = lukshdrQemuMetadataParse(metadata, error)))
        return false;
    state->headers = headers;
    state->domain = true;

    for (devices = lukshdrXMLChild(domain, LUKSHDR_XML_DEVICES); devices;
         devices = lukshdrXMLNext(devices, LUKSHDR_XML_DEVICES)) {
        for (disk = lukshdrXMLChild(devices, LUKSHDR_XML_DISK); ok && disk;
             disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK))
            ok = lukshdrQemuConfigXMLDisk(state, disk, error);
    }

    state->headers = NULL;
    state->domain = false;
    return ok;
}

/* Corrects the definitions of the domain in a snapshot that a client defines anew.  The snapshot's
 * own disks are overlays, in which a <header> makes no sense. */
static bool
lukshdrQemuConfigXMLSnapshot(lukshdrQemuConfigXML *state, xmlNode *snapshot, GError **error)
{
    static const char *const names[] = { LUKSHDR_XML_DOMAIN, LUKSHDR_XML_INACTIVE_DOMAIN };
    xmlNode *disks = lukshdrXMLChild(snapshot, LUKSHDR_XML_DISKS);
    xmlNode *disk;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        xmlNode *domain = lukshdrXMLChild(snapshot, names[i]);

        if (domain && !lukshdrQemuConfigXMLDomain(state, domain, error))
            return false;
    }
    if (!disks)
        return true;

    for (disk = lukshdrXMLChild(disks, LUKSHDR_XML_DISK); disk;
         disk = lukshdrXMLNext(disk, LUKSHDR_XML_DISK)) {
        xmlNode *source = lukshdrXMLChild(disk, LUKSHDR_XML_SOURCE);
        xmlNode *encryption = lukshdrXMLChild(source, LUKSHDR_XML_ENCRYPTION);

        if (encryption)
            lukshdrQemuConfigXMLComplete(state, encryption);
    }
    return lukshdrQemuConfigXMLCheckRest(disks, disks, error);
}

static bool
lukshdrQemuConfigXMLRoot(lukshdrQemuConfigXML *state, xmlNode *root, GError **error)
{
    if (xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_DOMAIN))
        return lukshdrQemuConfigXMLDomain(state, root, error);
    if (xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_DISK))
        return lukshdrQemuConfigXMLDisk(state, root, error);
    if (xmlStrEqual(root->name, BAD_CAST LUKSHDR_XML_DOMAIN_SNAPSHOT))
        return lukshdrQemuConfigXMLSnapshot(state, root, error);
    return true;
}

bool
lukshdrQemuConfigXMLRewrite(const lukshdrQemuHost *host,
                            const char *xml,
                            char **rewritten,
                            GError **error)
{
    lukshdrQemuConfigXML state = { .host = host };
    g_autoptr(xmlDoc) doc = lukshdrQemuConfigXMLRead(xml);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;

    *rewritten = NULL;

    if (!root)
        return true;
    if (!lukshdrQemuConfigXMLRoot(&state, root, error))
        return false;

    if (state.changed)
        *rewritten = lukshdrQemuConfigXMLWrite(doc);
    return true;
}
