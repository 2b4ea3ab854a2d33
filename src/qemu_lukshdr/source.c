/*
 * source.c: what the QEMU half must know of libvirt's storage sources
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every measurement has one answer or fails: two candidates are as bad as none.
 */

#include "config.h"

#include "source.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "util/error.h"
#include "util/xml.h"
#include "qemu.h"
#include "client-xml.h"
#include "secret.h"

/* virStorageType in libvirt's src/conf/storage_source_conf.h, the same since 1.0.6; three
 * of the values are confirmed by lukshdrQemuSourceMeasureType */
enum {
    LUKSHDR_STORAGE_TYPE_NONE,
    LUKSHDR_STORAGE_TYPE_FILE,
    LUKSHDR_STORAGE_TYPE_BLOCK,
    LUKSHDR_STORAGE_TYPE_DIR,
    LUKSHDR_STORAGE_TYPE_NETWORK,
    LUKSHDR_STORAGE_TYPE_VOLUME,
};

/* QEMU_BLOCK_STORAGE_SOURCE_BACKEND_PROPS_TARGET_ONLY in libvirt's src/qemu/qemu_block.h: asks
 * for nothing but what identifies the image.  Without it, libvirt would return the descriptor of
 * a disk that is passed as a file descriptor. */
#define LUKSHDR_BACKEND_PROPS_TARGET_ONLY (1 << 1)

/* offsets in bytes, set by lukshdrQemuSourceMeasure */
static struct {
    size_t type;
    size_t encryption;
    size_t auth;
    size_t backing;
    size_t dataStore;    /* 0 in releases before 10.10 */
    size_t inherited[2]; /* shared and readonly, in either order; each a bool */
} lukshdrQemuSourceOffset;

static const char lukshdrQemuSourcePlainXML[] = "<source file='/x'/>";
static const char lukshdrQemuSourceAuthXML[] =
    "<source file='/x'>"
    "<auth username='x'>"
    "<secret type='ceph' uuid='00000000-0000-4000-8000-000000000000'/>"
    "</auth>"
    "</source>";
static const char lukshdrQemuSourceDataStoreXML[] =
    "<source file='/x'>"
    "<dataStore type='file'><format type='raw'/><source file='/y'/></dataStore>"
    "</source>";
static const char lukshdrQemuSourceEncryptedXML[] =
    "<source file='/x'>"
    "<encryption format='luks'>"
    "<secret type='passphrase' uuid='00000000-0000-4000-8000-000000000000'/>"
    "</encryption>"
    "</source>";

static size_t
lukshdrQemuSourceSize(virStorageSource *src)
{
    GTypeQuery query;

    g_type_query(G_TYPE_FROM_INSTANCE(src), &query);
    return query.instance_size;
}

static int
lukshdrQemuSourceInt(virStorageSource *src, size_t offset)
{
    int value;

    memcpy(&value, (char *)src + offset, sizeof(value));
    return value;
}

static void *
lukshdrQemuSourceWord(virStorageSource *src, size_t offset)
{
    void *value;

    memcpy(&value, (char *)src + offset, sizeof(value));
    return value;
}

static void
lukshdrQemuSourceSetWord(virStorageSource *src, size_t offset, void *value)
{
    memcpy((char *)src + offset, &value, sizeof(value));
}

static bool
lukshdrQemuSourceFail(GError **error, const char *what, size_t candidates)
{
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                _("member '%s' of libvirt's storage sources was not found: %zu candidates"), what,
                candidates);
    return false;
}

static virStorageSource *
lukshdrQemuSourceFromString(const char *string)
{
    virStorageSource *src = NULL;

    if (lukshdrQemu.libvirt.virStorageSourceNewFromBackingAbsolute(string, &src) < 0)
        return NULL;
    return src;
}

/* Finds the one number that is 0 in an empty source, 1 in a file, 3 in a directory and 4 in an
 * image on the network */
static bool
lukshdrQemuSourceMeasureType(GError **error)
{
    g_autoptr(virStorageSource) none = lukshdrQemu.libvirt.virStorageSourceNew();
    g_autoptr(virStorageSource) file = lukshdrQemuSourceFromString("/x");
    g_autoptr(virStorageSource) dir = lukshdrQemuSourceFromString("fat:/x");
    g_autoptr(virStorageSource) network = lukshdrQemuSourceFromString("nbd://localhost/x");
    size_t candidates = 0;
    size_t offset;

    if (!G_IS_OBJECT(none)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                            _("libvirt's storage sources are no GObjects"));
        return false;
    }

    for (offset = sizeof(GObject);
         file && dir && network && offset + sizeof(int) <= lukshdrQemuSourceSize(none);
         offset += sizeof(int)) {
        if (lukshdrQemuSourceInt(none, offset) == LUKSHDR_STORAGE_TYPE_NONE &&
            lukshdrQemuSourceInt(file, offset) == LUKSHDR_STORAGE_TYPE_FILE &&
            lukshdrQemuSourceInt(dir, offset) == LUKSHDR_STORAGE_TYPE_DIR &&
            lukshdrQemuSourceInt(network, offset) == LUKSHDR_STORAGE_TYPE_NETWORK) {
            lukshdrQemuSourceOffset.type = offset;
            candidates++;
        }
    }

    return candidates == 1 || lukshdrQemuSourceFail(error, "type", candidates);
}

static virStorageSource *
lukshdrQemuSourceFromXML(const char *xml, GError **error)
{
    g_autoptr(virStorageSource) src = lukshdrQemu.libvirt.virStorageSourceNew();
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(xml, strlen(xml), LUKSHDR_XML_SOURCE, error);
    const int type = LUKSHDR_STORAGE_TYPE_FILE;
    xmlXPathContextPtr ctxt;
    int rc;

    if (!doc)
        return NULL;

    /* the parser expects the type there, since <source> does not name it */
    memcpy((char *)src + lukshdrQemuSourceOffset.type, &type, sizeof(type));

    ctxt = xmlXPathNewContext(doc);
    rc = lukshdrQemu.libvirt.virDomainStorageSourceParse(xmlDocGetRootElement(doc), ctxt, src, 0,
                                                         NULL);
    xmlXPathFreeContext(ctxt);
    if (rc < 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                    _("libvirt cannot parse a <source>: %s"), virGetLastErrorMessage());
        return NULL;
    }
    return g_steal_pointer(&src);
}

/* Finds the one word that is NULL when the source is parsed without the element in @xml, and not
 * NULL with it.  With @optional there may be none. */
static bool
lukshdrQemuSourceMeasureElement(const char *xml,
                                const char *what,
                                bool optional,
                                size_t *found,
                                GError **error)
{
    g_autoptr(virStorageSource) plain = lukshdrQemuSourceFromXML(lukshdrQemuSourcePlainXML, error);
    g_autoptr(virStorageSource) with = plain ? lukshdrQemuSourceFromXML(xml, error) : NULL;
    size_t candidates = 0;
    size_t offset;

    if (!with)
        return false;

    for (offset = sizeof(GObject); offset + sizeof(void *) <= lukshdrQemuSourceSize(plain);
         offset += sizeof(void *)) {
        if (!lukshdrQemuSourceWord(plain, offset) && lukshdrQemuSourceWord(with, offset)) {
            *found = offset;
            candidates++;
        }
    }

    return candidates == 1 || (optional && candidates == 0) ||
           lukshdrQemuSourceFail(error, what, candidates);
}

/* Finds the one word that is the backing file: if another source is put there, libvirt sees a
 * backing file.  libvirt's function only reads, and the word is emptied again right after it. */
static bool
lukshdrQemuSourceMeasureBacking(GError **error)
{
    g_autoptr(virStorageSource) src = lukshdrQemuSourceFromString("/x");
    g_autoptr(virStorageSource) backing = lukshdrQemuSourceFromString("/y");
    size_t candidates = 0;
    size_t offset;

    for (offset = sizeof(GObject);
         src && backing && offset + sizeof(void *) <= lukshdrQemuSourceSize(src);
         offset += sizeof(void *)) {
        if (lukshdrQemuSourceWord(src, offset))
            continue;

        lukshdrQemuSourceSetWord(src, offset, backing);
        if (lukshdrQemu.libvirt.virStorageSourceHasBacking(src)) {
            lukshdrQemuSourceOffset.backing = offset;
            candidates++;
        }
        lukshdrQemuSourceSetWord(src, offset, NULL);
    }

    return candidates == 1 || lukshdrQemuSourceFail(error, "backingStore", candidates);
}

/* Finds the two bytes that libvirt copies from a disk to the images behind it.  libvirt's function
 * only copies, and this code changes one byte of the disk at a time. */
static bool
lukshdrQemuSourceMeasureInherited(GError **error)
{
    g_autoptr(virStorageSource) disk = lukshdrQemuSourceFromString("/x");
    g_autoptr(virStorageSource) image = lukshdrQemuSourceFromString("/y");
    size_t candidates = 0;
    size_t offset;

    for (offset = sizeof(GObject); disk && image && offset < lukshdrQemuSourceSize(disk);
         offset++) {
        char *from = (char *)disk + offset;
        char *to = (char *)image + offset;

        if (*from || *to)
            continue;

        *from = 1;
        lukshdrQemu.libvirt.virStorageSourceInitChainElement(image, disk, false);
        *from = 0;
        if (*to != 1)
            continue;
        *to = 0;

        if (candidates < G_N_ELEMENTS(lukshdrQemuSourceOffset.inherited))
            lukshdrQemuSourceOffset.inherited[candidates] = offset;
        candidates++;
    }

    return candidates == G_N_ELEMENTS(lukshdrQemuSourceOffset.inherited) ||
           lukshdrQemuSourceFail(error, "shared", candidates);
}

bool
lukshdrQemuSourceMeasure(GError **error)
{
    virErrorPtr saved = lukshdrQemuErrorSave();
    bool ok = lukshdrQemuSourceMeasureType(error) &&
              lukshdrQemuSourceMeasureElement(lukshdrQemuSourceEncryptedXML, "encryption", false,
                                              &lukshdrQemuSourceOffset.encryption, error) &&
              lukshdrQemuSourceMeasureElement(lukshdrQemuSourceAuthXML, "auth", false,
                                              &lukshdrQemuSourceOffset.auth, error) &&
              lukshdrQemuSourceMeasureElement(lukshdrQemuSourceDataStoreXML, "dataFileStore", true,
                                              &lukshdrQemuSourceOffset.dataStore, error) &&
              lukshdrQemuSourceMeasureBacking(error) && lukshdrQemuSourceMeasureInherited(error);

    lukshdrQemuErrorRestore(saved);
    return ok;
}

/* Returns the node that stock would make QEMU open for @src, if @src is of that type; NULL if it is
 * not, or if stock does not say.  Stock is asked about no other type: libvirt 11.3.0 would crash if
 * it were asked about a vhost-vdpa source that is not prepared. */
static JsonObject *
lukshdrQemuSourceAsk(virStorageSource *src, int type)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autofree char *text = NULL;
    virJSONValue *props;
    virErrorPtr saved;
    JsonNode *root;

    /* stock would write an error to the daemon's log for each drive without a medium */
    if (lukshdrQemuSourceInt(src, lukshdrQemuSourceOffset.type) != type ||
        lukshdrQemu.libvirt.virStorageSourceIsEmpty(src))
        return NULL;

    saved = lukshdrQemuErrorSave();
    if ((props = LUKSHDR_STOCK(qemuBlockStorageSourceGetBackendProps)(
             src, LUKSHDR_BACKEND_PROPS_TARGET_ONLY))) {
        text = lukshdrQemu.libvirt.virJSONValueToString(props, false);
        lukshdrQemu.libvirt.virJSONValueFree(props);
    }
    lukshdrQemuErrorRestore(saved);

    if (!text || !json_parser_load_from_data(parser, text, -1, NULL) ||
        !(root = json_parser_get_root(parser)) || !JSON_NODE_HOLDS_OBJECT(root))
        return NULL;
    return json_node_dup_object(root);
}

/* Returns @member of @props as an absolute path, if their driver is one of @drivers; else NULL. */
static char *
lukshdrQemuSourceMember(JsonObject *props, const char *const *drivers, const char *member)
{
    const char *driver = json_object_get_string_member_with_default(props, "driver", "");
    const char *name = json_object_get_string_member_with_default(props, member, "");

    if (!*name || !g_strv_contains(drivers, driver))
        return NULL;

    /* QEMU's working directory is the root */
    return g_path_is_absolute(name) ? g_strdup(name) : g_build_filename("/", name, NULL);
}

char *
lukshdrQemuSourcePath(virStorageSource *src)
{
    static const char *const drivers[] = { "file", "host_device", "host_cdrom", NULL };
    static const int types[] = { LUKSHDR_STORAGE_TYPE_FILE, LUKSHDR_STORAGE_TYPE_BLOCK,
                                 LUKSHDR_STORAGE_TYPE_VOLUME };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autoptr(JsonObject) props = lukshdrQemuSourceAsk(src, types[i]);

        if (props)
            return lukshdrQemuSourceMember(props, drivers, "filename");
    }
    return NULL;
}

char *
lukshdrQemuSourceDirectory(virStorageSource *src)
{
    static const char *const drivers[] = { "vvfat", NULL };
    g_autoptr(JsonObject) props = lukshdrQemuSourceAsk(src, LUKSHDR_STORAGE_TYPE_DIR);

    return props ? lukshdrQemuSourceMember(props, drivers, "dir") : NULL;
}

JsonObject *
lukshdrQemuSourceNetwork(virStorageSource *src)
{
    static const int types[] = { LUKSHDR_STORAGE_TYPE_NETWORK, LUKSHDR_STORAGE_TYPE_VOLUME };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(types); i++) {
        JsonObject *props = lukshdrQemuSourceAsk(src, types[i]);

        if (props)
            return props;
    }
    return NULL;
}

xmlDoc *
lukshdrQemuSourceXML(virStorageSource *src, lukshdrQemuSourceElement element)
{
    static const char *const names[] = {
        [LUKSHDR_QEMU_SOURCE_AUTH] = "auth",
        [LUKSHDR_QEMU_SOURCE_ENCRYPTION] = LUKSHDR_XML_ENCRYPTION,
    };
    virStorageEncryption *encryption = lukshdrQemuSourceEncryption(src);
    virStorageAuthDef *auth = lukshdrQemuSourceWord(src, lukshdrQemuSourceOffset.auth);
    g_autofree char *text = NULL;
    virBuffer buf = { 0 };
    virErrorPtr saved = lukshdrQemuErrorSave();

    if (element == LUKSHDR_QEMU_SOURCE_AUTH && auth)
        lukshdrQemu.libvirt.virStorageAuthDefFormat(&buf, auth);
    if (element == LUKSHDR_QEMU_SOURCE_ENCRYPTION && encryption)
        (void)lukshdrQemu.libvirt.virStorageEncryptionFormat(&buf, encryption);
    text = lukshdrQemu.libvirt.virBufferContentAndReset(&buf);
    lukshdrQemuErrorRestore(saved);

    return text ? lukshdrXMLParse(text, strlen(text), names[element], NULL) : NULL;
}

/* Sets user and secret of @remote from the source's <auth>.  Returns false if this code does not
 * understand the <auth>. */
static bool
lukshdrQemuSourceReadAuth(virStorageSource *src, lukshdrRemote *remote)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autofree char *usage = NULL;
    xmlNode *root;
    xmlNode *secret;

    if (!lukshdrQemuSourceWord(src, lukshdrQemuSourceOffset.auth))
        return true;
    if (!(doc = lukshdrQemuSourceXML(src, LUKSHDR_QEMU_SOURCE_AUTH)))
        return false;

    root = xmlDocGetRootElement(doc);
    remote->user = lukshdrXMLAttribute(root, "username");
    if (!(secret = lukshdrXMLChild(root, LUKSHDR_XML_SECRET)))
        return true;
    if ((remote->secretUUID = lukshdrXMLAttribute(secret, LUKSHDR_XML_UUID)))
        return true;
    usage = lukshdrXMLAttribute(secret, LUKSHDR_XML_USAGE);
    return usage && (remote->secretUUID = lukshdrQemuSecretUserByUsage(remote->kind, usage));
}

/* The monitors in @props, as lukshdrRemote has them */
static GStrv
lukshdrQemuSourceServers(JsonObject *props)
{
    JsonArray *array = json_object_has_member(props, "server")
                           ? json_object_get_array_member(props, "server")
                           : NULL;
    GPtrArray *servers = g_ptr_array_new();
    guint i;

    for (i = 0; array && i < json_array_get_length(array); i++) {
        JsonObject *server = json_array_get_object_element(array, i);
        const char *host = json_object_get_string_member_with_default(server, "host", "");
        const char *port = json_object_get_string_member_with_default(server, "port", "");

        g_ptr_array_add(servers, lukshdrRemoteServer(host, port));
    }
    g_ptr_array_add(servers, NULL);
    return (GStrv)g_ptr_array_free(servers, FALSE);
}

/* The image of a Ceph cluster that @props open */
static lukshdrRemote *
lukshdrQemuSourceImage(JsonObject *props)
{
    const char *space = json_object_get_string_member_with_default(props, "namespace", "");
    lukshdrRemote *found = g_new0(lukshdrRemote, 1);

    found->kind = LUKSHDR_LOCATION_RBD;
    found->servers = lukshdrQemuSourceServers(props);
    found->name = g_strconcat(json_object_get_string_member_with_default(props, "pool", ""), "/",
                              space, *space ? "/" : "",
                              json_object_get_string_member_with_default(props, "image", ""), NULL);
    return found;
}

/* The unit of an iSCSI target that @props open */
static lukshdrRemote *
lukshdrQemuSourceUnit(JsonObject *props)
{
    const char *portal = json_object_get_string_member_with_default(props, "portal", "");
    const char *initiator = json_object_get_string_member_with_default(props, "initiator-name",
                                                                       NULL);
    lukshdrRemote *found = g_new0(lukshdrRemote, 1);

    found->kind = LUKSHDR_LOCATION_ISCSI;
    found->servers = g_strsplit(portal, ",", 1); /* one, or none of an empty text */
    found->name = g_strdup_printf("%s/%" G_GINT64_FORMAT,
                                  json_object_get_string_member_with_default(props, "target", ""),
                                  json_object_get_int_member_with_default(props, "lun", 0));
    found->initiator = g_strdup(initiator);
    return found;
}

bool
lukshdrQemuSourceRemote(virStorageSource *src, lukshdrRemote **remote, GError **error)
{
    g_autoptr(JsonObject) props = lukshdrQemuSourceNetwork(src);
    g_autoptr(lukshdrRemote) found = NULL;
    const char *driver;

    *remote = NULL;
    driver = props ? json_object_get_string_member_with_default(props, "driver", "") : "";
    if (g_str_equal(driver, "rbd"))
        found = lukshdrQemuSourceImage(props);
    else if (g_str_equal(driver, "iscsi"))
        found = lukshdrQemuSourceUnit(props);
    else
        return true;

    if (!lukshdrQemuSourceReadAuth(src, found)) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("it is uncertain whether image '%s' belongs to a linked volume: the secret that "
              "its 'auth' names does not exist"),
            found->name);
        return false;
    }
    *remote = g_steal_pointer(&found);
    return true;
}

bool
lukshdrQemuSourceIsVolume(virStorageSource *src)
{
    return lukshdrQemuSourceInt(src, lukshdrQemuSourceOffset.type) == LUKSHDR_STORAGE_TYPE_VOLUME;
}

bool
lukshdrQemuSourceIsShared(virStorageSource *src)
{
    const char *bytes = (const char *)src;

    return bytes[lukshdrQemuSourceOffset.inherited[0]] ||
           bytes[lukshdrQemuSourceOffset.inherited[1]];
}

virStorageEncryption *
lukshdrQemuSourceEncryption(virStorageSource *src)
{
    return lukshdrQemuSourceWord(src, lukshdrQemuSourceOffset.encryption);
}

void
lukshdrQemuSourceSetEncryption(virStorageSource *src, virStorageEncryption *encryption)
{
    lukshdrQemuSourceSetWord(src, lukshdrQemuSourceOffset.encryption, encryption);
}

char *
lukshdrQemuSourceSecretUUID(virStorageSource *src)
{
    g_autoptr(xmlDoc) doc = lukshdrQemuSourceXML(src, LUKSHDR_QEMU_SOURCE_ENCRYPTION);

    return doc ? lukshdrQemuConfigXMLSecretUUID(&lukshdrQemu.host, xmlDocGetRootElement(doc))
               : NULL;
}

virStorageSource *
lukshdrQemuSourceBacking(virStorageSource *src)
{
    return lukshdrQemuSourceWord(src, lukshdrQemuSourceOffset.backing);
}

void
lukshdrQemuSourceSetBacking(virStorageSource *src, virStorageSource *backing)
{
    lukshdrQemuSourceSetWord(src, lukshdrQemuSourceOffset.backing, backing);
}

virStorageSource *
lukshdrQemuSourceDataStore(virStorageSource *src)
{
    return lukshdrQemuSourceOffset.dataStore
               ? lukshdrQemuSourceWord(src, lukshdrQemuSourceOffset.dataStore)
               : NULL;
}
