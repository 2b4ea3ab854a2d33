/*
 * chain.c: the chain, the QEMU block nodes of a linked volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which option belongs to which node is decided in the one table
 * lukshdrChainCommon; the rest makes the model from a link and writes it as
 * JSON.  Making it from libvirt's description is stock.c's.
 */

#include "config.h"

#include "chain-priv.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"

/* Options that every QEMU node can have, in the order in which they are written,
 * and the nodes that need them; node-name, driver and read-only are on all. */
const lukshdrChainOption lukshdrChainCommon[] = {
    /* How the files are opened: as read-only, the same for all of them. */
    { "auto-read-only", LUKSHDR_CHAIN_ALL },
    { "active", LUKSHDR_CHAIN_ALL },
    { "force-share", LUKSHDR_CHAIN_ALL },
    /* The guest's data; the header is another matter, see lukshdrChainNode. */
    { "cache", LUKSHDR_CHAIN_LUKS | LUKSHDR_CHAIN_PAYLOAD | LUKSHDR_CHAIN_STORAGE },
    /* QEMU's luks driver drops discards, so this matters only to users of the payload's node
     * itself, and to a luks driver of the future: both find what the administrator asked for.  A storage node has
     * "unmap" by itself, as libvirt's and as QEMU's inline children. */
    { "discard", LUKSHDR_CHAIN_LUKS | LUKSHDR_CHAIN_PAYLOAD },
    /* Zeroes can be seen only above the encryption: looking for them in the
     * ciphertext below would cost time and find none. */
    { "detect-zeroes", LUKSHDR_CHAIN_LUKS },
    { NULL, 0 },
};

/* Backing: whether BlockdevOptions in QEMU's qapi/block-core.json allows it.  Such
 * a payload is opened with none, or QEMU would follow whatever name the image
 * contains, and backing data under a luks node is decrypted twice. */
static const struct {
    const char *format;
    const char *driver;
    bool backing;
} lukshdrChainFormats[] = {
    { "raw", "raw", false }, { "qcow2", "qcow2", true }, { "qcow", "qcow", true },
    { "qed", "qed", true },  { "vmdk", "vmdk", true },   { "vdi", "vdi", false },
    { "vpc", "vpc", false }, { "vhd", "vhdx", false },   { "ploop", "parallels", false },
};

const char *
lukshdrChainFormatDriver(const char *format)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrChainFormats); i++) {
        if (g_str_equal(lukshdrChainFormats[i].format, format))
            return lukshdrChainFormats[i].driver;
    }
    return NULL;
}

const char *
lukshdrChainDriverFormat(const char *driver)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrChainFormats); i++) {
        if (g_str_equal(lukshdrChainFormats[i].driver, driver))
            return lukshdrChainFormats[i].format;
    }
    return NULL;
}

static bool
lukshdrChainFormatHasBacking(const char *format)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrChainFormats); i++) {
        if (g_str_equal(lukshdrChainFormats[i].format, format))
            return lukshdrChainFormats[i].backing;
    }
    return false;
}

/* json_node_copy only adds a reference to an object: what came from one caller
 * would be shared with the next. */
static JsonNode *
lukshdrChainCopyNode(JsonNode *node)
{
    g_autofree char *text = NULL;

    if (!JSON_NODE_HOLDS_OBJECT(node) && !JSON_NODE_HOLDS_ARRAY(node))
        return json_node_copy(node);

    text = json_to_string(node, FALSE);
    return json_from_string(text, NULL);
}

void
lukshdrChainAddMember(JsonObject *object G_GNUC_UNUSED,
                      const char *name,
                      JsonNode *node,
                      gpointer opaque)
{
    JsonObject *dst = opaque;

    json_object_set_member(dst, name, lukshdrChainCopyNode(node));
}

/* id_wellformed in QEMU's util/id.c; ASCII whatever the locale */
bool
lukshdrChainPrefixUsable(const char *prefix)
{
    const char *c;

    if (!g_ascii_isalpha(*prefix))
        return false;
    for (c = prefix; *c; c++) {
        if (!g_ascii_isalnum(*c) && !strchr("-._", *c))
            return false;
    }
    return (c - prefix) + strlen("-storage") <= LUKSHDR_CHAIN_NODE_NAME_MAX;
}

/* -payload, -storage and the short names of the header's nodes are equally long:
 * a prefix that has room for one has room for all. */
void
lukshdrChainSetNames(lukshdrChain *chain, const char *prefix)
{
    bool room = strlen(prefix) + strlen("-header-storage") <= LUKSHDR_CHAIN_NODE_NAME_MAX;

    chain->top = g_strconcat(prefix, "-format", NULL);
    chain->payload = g_strconcat(prefix, "-payload", NULL);
    chain->storage = g_strconcat(prefix, "-storage", NULL);
    chain->headerFormat = g_strconcat(prefix, room ? "-header-format" : "-hdr-fmt", NULL);
    chain->headerStorage = g_strconcat(prefix, room ? "-header-storage" : "-hdr-sto", NULL);
}

static bool
lukshdrChainCheckVolume(const lukshdrVolume *vol, GError **error)
{
    if (vol->remote)
        return true;

    if (!vol->path) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' of pool '%s' has no path yet"), vol->volume, vol->pool);
        return false;
    }

    /* JSON is UTF-8: any other name would reach QEMU as that of another file */
    if (!g_utf8_validate(vol->path, -1, NULL)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("path of volume '%s' of pool '%s' is not UTF-8, which QEMU needs"),
                    vol->volume, vol->pool);
        return false;
    }
    return true;
}

lukshdrChain *
lukshdrChainNewUnnamed(const lukshdrLink *link, GError **error)
{
    g_autoptr(lukshdrChain) chain = NULL;
    const char *driver = lukshdrChainFormatDriver(link->format);

    if (!driver) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("volume '%s' of pool '%s' cannot be a payload: QEMU does not write "
                      "format '%s'"),
                    link->payload.volume, link->payload.pool, link->format);
        return NULL;
    }

    if (!lukshdrChainCheckVolume(&link->payload, error) ||
        !lukshdrChainCheckVolume(&link->header, error))
        return NULL;

    chain = g_new0(lukshdrChain, 1);
    chain->link = lukshdrLinkCopy(link);
    chain->driver = driver;
    chain->common = json_object_new();
    chain->options = json_object_new();
    if (lukshdrChainFormatHasBacking(link->format))
        json_object_set_null_member(chain->options, "backing");
    return g_steal_pointer(&chain);
}

lukshdrChain *
lukshdrChainNew(const lukshdrLink *link, const char *prefix, GError **error)
{
    lukshdrChain *chain;

    if (!lukshdrChainPrefixUsable(prefix)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                    _("'%s' cannot begin the names of block nodes: needed are a letter and at "
                      "most %d more of letters, digits, '-', '.' and '_'"),
                    prefix, LUKSHDR_CHAIN_NODE_NAME_MAX - (int)strlen("-storage") - 1);
        return NULL;
    }

    if (!(chain = lukshdrChainNewUnnamed(link, error)))
        return NULL;
    lukshdrChainSetNames(chain, prefix);
    /* qemuAliasForSecret in libvirt's qemu_alias.c */
    chain->keySecret = g_strconcat(chain->top, "-encryption-secret0", NULL);
    return chain;
}

void
lukshdrChainFree(lukshdrChain *chain)
{
    if (!chain)
        return;

    lukshdrLinkUnref(chain->link);
    g_free(chain->keySecret);
    json_object_unref(chain->common);
    json_object_unref(chain->options);
    g_free(chain->payloadFile);
    g_free(chain->headerFile);
    g_free(chain->remoteSecret);
    g_free(chain->remoteConfig);
    g_free(chain->top);
    g_free(chain->payload);
    g_free(chain->storage);
    g_free(chain->headerFormat);
    g_free(chain->headerStorage);
    g_free(chain);
}

void
lukshdrChainSetReadOnly(lukshdrChain *chain, bool readOnly)
{
    chain->readOnly = readOnly;
}

void
lukshdrChainSetFiles(lukshdrChain *chain, const char *payload, const char *header)
{
    g_free(chain->payloadFile);
    g_free(chain->headerFile);
    chain->payloadFile = g_strdup(payload);
    chain->headerFile = g_strdup(header);
}

void
lukshdrChainSetRemote(lukshdrChain *chain, const char *keySecret, const char *config)
{
    g_free(chain->remoteSecret);
    g_free(chain->remoteConfig);
    chain->remoteSecret = g_strdup(keySecret);
    chain->remoteConfig = g_strdup(config);
}

void
lukshdrChainSetHeaderNode(lukshdrChain *chain, const char *node)
{
    g_free(chain->headerStorage);
    chain->headerStorage = g_strdup(node);
}

const char *
lukshdrChainGetKeySecret(const lukshdrChain *chain)
{
    return chain->keySecret;
}

void
lukshdrChainSetKeySecret(lukshdrChain *chain, const char *id)
{
    char *old = chain->keySecret;

    /* @id may be the old one itself */
    chain->keySecret = g_strdup(id);
    g_free(old);
}

/* Starts a node of kind @which, one of LUKSHDR_CHAIN_*. */
static JsonObject *
lukshdrChainNode(const lukshdrChain *chain,
                 unsigned int which,
                 const char *name,
                 const char *driver)
{
    JsonObject *node = json_object_new();
    size_t i;

    json_object_set_string_member(node, "node-name", name);
    json_object_set_string_member(node, "driver", driver);
    json_object_set_boolean_member(node, "read-only", chain->readOnly);

    for (i = 0; lukshdrChainCommon[i].name; i++) {
        JsonNode *value = json_object_get_member(chain->common, lukshdrChainCommon[i].name);

        if (value && (lukshdrChainCommon[i].nodes & which))
            json_object_set_member(node, lukshdrChainCommon[i].name, lukshdrChainCopyNode(value));
    }

    /* An inline child inherits its parent's cache mode unless it has its own.  The
     * header is read once, at open, and written when a key changes: it gains
     * nothing by O_DIRECT, which its file system may not have, and must not lose
     * key material to a guest's "unsafe". */
    if (which == LUKSHDR_CHAIN_HEADER && json_object_has_member(chain->common, "cache")) {
        JsonObject *cache = json_object_new();

        json_object_set_boolean_member(cache, "direct", FALSE);
        json_object_set_boolean_member(cache, "no-flush", FALSE);
        json_object_set_object_member(node, "cache", cache);
    }
    return node;
}

/* qemuAliasForSecret in libvirt's qemu_alias.c */
static char *
lukshdrChainAuthID(const char *name)
{
    return g_strconcat(name ? name : "", "-auth-secret0", NULL);
}

static void
lukshdrChainAuthFree(void *opaque)
{
    lukshdrChainAuth *auth = opaque;

    g_free(auth->id);
    g_free(auth->user);
    g_free(auth->secretUUID);
    g_free(auth);
}

GPtrArray *
lukshdrChainGetAuths(const lukshdrChain *chain)
{
    const struct {
        const lukshdrVolume *vol;
        const char *name;
    } nodes[] = { { &chain->link->payload, chain->storage },
                  { &chain->link->header, chain->headerStorage } };
    GPtrArray *auths = g_ptr_array_new_with_free_func(lukshdrChainAuthFree);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(nodes); i++) {
        const lukshdrRemote *remote = nodes[i].vol->remote;
        lukshdrChainAuth *auth;

        if (!remote || !remote->secretUUID)
            continue;
        auth = g_new0(lukshdrChainAuth, 1);
        auth->kind = remote->kind;
        auth->id = lukshdrChainAuthID(nodes[i].name);
        auth->user = g_strdup(remote->user);
        auth->secretUUID = g_strdup(remote->secretUUID);
        g_ptr_array_add(auths, auth);
    }
    return auths;
}

/* @server, HOST or HOST:PORT, as QEMU wants it: both, and an IPv6 address in brackets */
static char *
lukshdrChainPortal(const char *server)
{
    g_autofree char *host = NULL;
    g_autofree char *text = NULL;
    guint port;

    if (!lukshdrRemoteParseServer(server, &host, &port))
        return g_strdup(server);
    text = g_strdup_printf("%u", port ? port : lukshdrRemotePort(LUKSHDR_LOCATION_ISCSI));
    return lukshdrRemoteServer(host, text);
}

/* Adds what tells QEMU's iscsi driver which unit to open (BlockdevOptionsIscsi in its
 * qapi/block-core.json) */
static void
lukshdrChainAddUnit(JsonObject *node, const lukshdrRemote *remote, const char *passwordSecret)
{
    g_autofree char *target = lukshdrRemoteISCSI(remote->name);
    char *slash = strrchr(target, '/');
    g_autofree char *portal = lukshdrChainPortal(remote->servers[0] ? remote->servers[0] : "");

    json_object_set_string_member(node, "transport", "tcp");
    json_object_set_string_member(node, "portal", portal);
    json_object_set_int_member(node, "lun", g_ascii_strtoll(slash + 1, NULL, 10));
    *slash = '\0';
    json_object_set_string_member(node, "target", target);
    if (remote->user)
        json_object_set_string_member(node, "user", remote->user);
    if (remote->secretUUID)
        json_object_set_string_member(node, "password-secret", passwordSecret);
    if (remote->initiator)
        json_object_set_string_member(node, "initiator-name", remote->initiator);
}

/* Adds what tells QEMU's rbd driver which image to open (BlockdevOptionsRbd in its
 * qapi/block-core.json).  @config may be NULL. */
static void
lukshdrChainAddImage(JsonObject *node,
                     const lukshdrRemote *remote,
                     const char *keySecret,
                     const char *config)
{
    g_autofree char *pool = NULL;
    g_autofree char *space = NULL;
    g_autofree char *image = NULL;
    JsonArray *servers = json_array_new();
    size_t i;

    (void)lukshdrRemoteSplitRBD(remote, &pool, &space, &image);
    json_object_set_string_member(node, "pool", pool ? pool : remote->name);
    if (space && *space)
        json_object_set_string_member(node, "namespace", space);
    json_object_set_string_member(node, "image", image ? image : "");

    for (i = 0; remote->servers[i]; i++) {
        g_autofree char *host = NULL;
        g_autofree char *text = NULL;
        JsonObject *server;
        guint port;

        if (!lukshdrRemoteParseServer(remote->servers[i], &host, &port))
            continue;
        server = json_object_new();
        text = g_strdup_printf("%u", port ? port : lukshdrRemotePort(LUKSHDR_LOCATION_RBD));
        json_object_set_string_member(server, "host", host);
        json_object_set_string_member(server, "port", text);
        json_array_add_object_element(servers, server);
    }
    if (json_array_get_length(servers) > 0)
        json_object_set_array_member(node, "server", json_array_ref(servers));
    json_array_unref(servers);

    if (config)
        json_object_set_string_member(node, "conf", config);
    if (remote->user)
        json_object_set_string_member(node, "user", remote->user);
    if (remote->secretUUID)
        json_object_set_string_member(node, "key-secret", keySecret);
}

static void
lukshdrChainAddRemote(JsonObject *node,
                      const lukshdrRemote *remote,
                      const char *keySecret,
                      const char *config)
{
    if (remote->kind == LUKSHDR_LOCATION_ISCSI)
        lukshdrChainAddUnit(node, remote, keySecret);
    else
        lukshdrChainAddImage(node, remote, keySecret, config);
}

static JsonObject *
lukshdrChainStorageNode(const lukshdrChain *chain,
                        unsigned int which,
                        const char *name,
                        const lukshdrVolume *vol,
                        const char *file)
{
    bool block = vol->identity.type == LUKSHDR_IDENTITY_BLOCK;
    bool remote = vol->remote && !file;
    const char *driver = remote  ? lukshdrRemoteProtocol(vol->remote->kind)
                         : block ? "host_device"
                                 : "file";
    JsonObject *node = lukshdrChainNode(chain, which, name, driver);

    if (remote) {
        bool own = which == LUKSHDR_CHAIN_STORAGE && chain->remoteSecret;
        g_autofree char *keySecret = own ? g_strdup(chain->remoteSecret) : lukshdrChainAuthID(name);

        lukshdrChainAddRemote(node, vol->remote, keySecret, chain->remoteConfig);
        return node;
    }
    json_object_set_string_member(node, "filename", file ? file : vol->path);
    return node;
}

static JsonObject *
lukshdrChainHeaderNode(const lukshdrChain *chain)
{
    JsonObject *node = lukshdrChainNode(chain, LUKSHDR_CHAIN_HEADER, chain->headerFormat, "raw");
    JsonObject *storage = lukshdrChainStorageNode(chain, LUKSHDR_CHAIN_HEADER, chain->headerStorage,
                                                  &chain->link->header, chain->headerFile);

    /* Two disks that are written to would each lock the header they share; for
     * all other headers the lock is a protection to be kept.  QEMU locks no images. */
    if (chain->link->headerShared && !chain->link->header.remote)
        json_object_set_string_member(storage, "locking", "off");
    json_object_set_object_member(node, "file", storage);
    return node;
}

static JsonObject *
lukshdrChainWrite(const lukshdrChain *chain, bool whole)
{
    bool raw = g_str_equal(chain->driver, "raw");
    JsonObject *luks = lukshdrChainNode(chain, LUKSHDR_CHAIN_LUKS, chain->top, "luks");
    JsonObject *parent = luks; /* of the storage node */

    json_object_set_string_member(luks, "key-secret", chain->keySecret);
    if (!raw) {
        parent = lukshdrChainNode(chain, LUKSHDR_CHAIN_PAYLOAD, chain->payload, chain->driver);
        json_object_set_object_member(luks, "file", parent);
    }
    json_object_foreach_member(chain->options, lukshdrChainAddMember, parent);

    if (whole) {
        json_object_set_object_member(parent, "file",
                                      lukshdrChainStorageNode(chain, LUKSHDR_CHAIN_STORAGE,
                                                              chain->storage, &chain->link->payload,
                                                              chain->payloadFile));
    } else {
        json_object_set_string_member(parent, "file", chain->storage);
    }

    if (!whole && chain->link->header.remote)
        json_object_set_string_member(luks, "header", chain->headerStorage);
    else
        json_object_set_object_member(luks, "header", lukshdrChainHeaderNode(chain));
    return luks;
}

/* Lets @node's inline children inherit whether they may be written to.  Said of them, it would stay
 * theirs when a block job makes the chain writable, which it does by the top alone (QEMU's
 * bdrv_reopen_set_read_only): blockcommit to a linked volume that was opened below an overlay. */
static void
lukshdrChainInheritReadOnly(JsonObject *node)
{
    static const char *const children[] = { "file", "header" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(children); i++) {
        JsonNode *child = json_object_get_member(node, children[i]);

        if (!child || !JSON_NODE_HOLDS_OBJECT(child))
            continue;
        json_object_remove_member(json_node_get_object(child), "read-only");
        lukshdrChainInheritReadOnly(json_node_get_object(child));
    }
}

JsonObject *
lukshdrChainToFormat(const lukshdrChain *chain)
{
    JsonObject *luks = lukshdrChainWrite(chain, false);

    lukshdrChainInheritReadOnly(luks);
    return luks;
}

JsonObject *
lukshdrChainToJSON(const lukshdrChain *chain)
{
    return lukshdrChainWrite(chain, true);
}

/* A node of @format over @storage, which is taken over */
static JsonObject *
lukshdrChainVolumeNode(const char *format, JsonObject *storage)
{
    JsonObject *node = json_object_new();

    json_object_set_string_member(node, "driver", lukshdrChainFormatDriver(format));
    if (lukshdrChainFormatHasBacking(format))
        json_object_set_null_member(node, "backing");
    json_object_set_object_member(node, "file", storage);
    return node;
}

JsonObject *
lukshdrChainVolumeToJSON(const char *format, const char *file, bool block)
{
    JsonObject *storage = json_object_new();

    json_object_set_string_member(storage, "driver", block ? "host_device" : "file");
    json_object_set_string_member(storage, "filename", file);
    return lukshdrChainVolumeNode(format, storage);
}

JsonObject *
lukshdrChainRemoteToJSON(const char *format,
                         const lukshdrRemote *remote,
                         const char *keySecret,
                         const char *config)
{
    JsonObject *storage = json_object_new();

    json_object_set_string_member(storage, "driver", lukshdrRemoteProtocol(remote->kind));
    lukshdrChainAddRemote(storage, remote, keySecret, config);
    return lukshdrChainVolumeNode(format, storage);
}
