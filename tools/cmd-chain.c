/*
 * cmd-chain.c: virt-lukshdr chain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Finds out which volumes belong together and asks src/chain to write their chain.  With
 * --header it needs no plugin in the daemon.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <gnutls/crypto.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chain/forms.h"
#include "util/error.h"
#include "util/text.h"
#include "pass.h"
#include "state.h"

/* libvirt's own master key, which its QEMU has already (qemuDomainGetMasterKeyAlias in its
 * qemu_domain.c) */
#define LUKSHDR_TOOL_LIBVIRT_KEY "masterKey0"

typedef struct _lukshdrToolChain lukshdrToolChain;
struct _lukshdrToolChain {
    char *format;
    gboolean unplug;
    gboolean readOnly;
    char *prefix;
    char *header;
    char *secret;
    char *secretFile;
    char **authFiles; /* FILE, or USER=FILE */
    gboolean withSecret;
    gboolean clear;
    char *masterKey;
    char *masterKeyID;
    lukshdrToolPass pass;
    char *device;
    char *deviceID;
    char *bus;
    char *addr;
    char *serial;
    char *target;
};

static void
lukshdrToolChainClear(lukshdrToolChain *opts)
{
    g_free(opts->format);
    g_free(opts->prefix);
    g_free(opts->header);
    g_free(opts->secret);
    g_free(opts->secretFile);
    g_strfreev(opts->authFiles);
    g_free(opts->masterKey);
    g_free(opts->masterKeyID);
    g_free(opts->pass.file);
    g_free(opts->device);
    g_free(opts->deviceID);
    g_free(opts->bus);
    g_free(opts->addr);
    g_free(opts->serial);
    g_free(opts->target);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrToolChain, lukshdrToolChainClear)

typedef enum {
    LUKSHDR_TOOL_FORM_TREE,
    LUKSHDR_TOOL_FORM_DOT,
    LUKSHDR_TOOL_FORM_JSON,
    LUKSHDR_TOOL_FORM_DOMAIN,
    /* the forms from here on have a secret object */
    LUKSHDR_TOOL_FORM_ARGS,
    LUKSHDR_TOOL_FORM_QMP,
    LUKSHDR_TOOL_FORM_COMMANDLINE,
} lukshdrToolForm;

static const char *const lukshdrToolForms[] = { "tree", "dot", "json",       "domain",
                                                "args", "qmp", "commandline" };

static bool
lukshdrToolChainForm(const lukshdrToolChain *opts, lukshdrToolForm *form, GError **error)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrToolForms); i++) {
        if (g_str_equal(opts->format ? opts->format : "tree", lukshdrToolForms[i]))
            break;
    }
    *form = i;

    if (i == G_N_ELEMENTS(lukshdrToolForms))
        g_set_error(
            error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
            _("there is no form '%s'; there are: args, qmp, json, domain, commandline, dot, "
              "tree"),
            opts->format);
    else if (opts->unplug && i != LUKSHDR_TOOL_FORM_QMP)
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
                            _("--unplug goes with --format qmp alone"));
    else if ((opts->withSecret || opts->clear) && i < LUKSHDR_TOOL_FORM_ARGS)
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
                    _("the form '%s' contains no secret"), lukshdrToolForms[i]);
    else if (opts->withSecret && opts->clear)
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
                            _("--with-secret and --secret-in-clear exclude each other"));
    else if (opts->withSecret && !opts->masterKey)
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
                            _("--with-secret needs --master-key FILE, made if it does not exist"));
    else
        return true;
    return false;
}

/* For daemons without the plugin: takes the two volumes as the user names them.  Refuses if the
 * label says that they do not belong together. */
static lukshdrToolState *
lukshdrToolChainByHand(lukshdrTool *tool,
                       const lukshdrToolChain *opts,
                       const char *name,
                       GError **error)
{
    g_autoptr(lukshdrToolState) state = g_new0(lukshdrToolState, 1);
    const lukshdrLink *label;

    state->users = g_ptr_array_new_with_free_func(g_free);
    if (!(state->payload = lukshdrToolVolumeFind(tool, name, error)) ||
        !(state->header = lukshdrToolVolumeFind(tool, opts->header, error)) ||
        !(state->content = lukshdrToolHeaderDownload(tool, state->header->vol, error)))
        return NULL;

    if (state->content->damage) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                    _("volume '%s' is no header: %s"), state->header->name, state->content->damage);
        return NULL;
    }

    if (!state->content->labels) {
        lukshdrToolNote(_("The header has no link label: nothing shows that it belongs to '%s'."),
                        state->payload->name);
        return g_steal_pointer(&state);
    }
    if (!(label = lukshdrToolStateLabelOf(state->payload, state->content))) {
        g_autofree char *names = lukshdrToolStateLabelNames(state->content);

        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                    _("by its link label '%s' is the header of %s"), state->header->name, names);
        return NULL;
    }
    /* stock cannot recognise the format of a payload that holds ciphertext */
    g_free(state->payload->format);
    state->payload->format = g_strdup(label->format);
    if (!state->payload->secretUUID)
        state->payload->secretUUID = g_strdup(label->secretUUID);
    state->payload->shared = label->headerShared;
    return g_steal_pointer(&state);
}

static lukshdrToolState *
lukshdrToolChainFind(lukshdrTool *tool,
                     const lukshdrToolChain *opts,
                     const char *name,
                     GError **error)
{
    lukshdrToolVolume *payload;
    lukshdrToolState *state;

    if (opts->header)
        return lukshdrToolChainByHand(tool, opts, name, error);

    if (!(payload = lukshdrToolVolumeFindLinked(tool, name, error)) ||
        !(state = lukshdrToolStateOf(tool, payload, error)))
        return NULL;

    if (!state->header) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED, _("the header is missing: %s"),
                    state->reason);
        lukshdrToolStateFree(state);
        return NULL;
    }
    if (state->reason)
        lukshdrToolNote(_("Note: %s"), state->reason);
    return state;
}

/* Returns the value of the secret: from libvirt, or from the user if libvirt's secret is private */
static lukshdrSecret *
lukshdrToolChainValue(lukshdrTool *tool,
                      const lukshdrToolChain *opts,
                      const char *uuid,
                      GError **error)
{
    g_autoptr(GError) local = NULL;
    lukshdrSecret *value;

    if (!opts->pass.file && opts->pass.fd < 0 && uuid) {
        if ((value = lukshdrToolPassOf(tool, uuid, &local)))
            return value;
        if (!g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        lukshdrToolNote("%s", local->message);
    }
    return lukshdrToolPassRead(&opts->pass, _("Passphrase of the volume"), false, error);
}

/* Returns the master key from the file; makes a new one if there is no such file */
static lukshdrSecret *
lukshdrToolChainMasterKey(const char *path, GError **error)
{
    guint8 key[LUKSHDR_CHAIN_MASTER_KEY_LEN + 1];
    lukshdrSecret *secret = NULL;
    bool made = true;
    ssize_t done;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST) {
        made = false;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to open '%s'"), path);
        return NULL;
    }

    if (made && gnutls_rnd(GNUTLS_RND_KEY, key, LUKSHDR_CHAIN_MASTER_KEY_LEN) < 0)
        done = -1;
    else if (made)
        done = TEMP_FAILURE_RETRY(write(fd, key, LUKSHDR_CHAIN_MASTER_KEY_LEN));
    else
        done = TEMP_FAILURE_RETRY(read(fd, key, sizeof(key)));

    if (done == LUKSHDR_CHAIN_MASTER_KEY_LEN)
        secret = lukshdrSecretNew(key, LUKSHDR_CHAIN_MASTER_KEY_LEN);
    else if (made)
        lukshdrErrorSetErrno(error, errno, _("Unable to write '%s'"), path);
    else
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    _("'%s' is no master key of QEMU's: it must have %d bytes"), path,
                    LUKSHDR_CHAIN_MASTER_KEY_LEN);
    close(fd);
    gnutls_memset(key, 0, sizeof(key));
    return secret;
}

/* Returns the file that the tool's user has named for the key of @auth's user, or NULL.  "="
 * before the first "/" ends the name of a user. */
static const char *
lukshdrToolChainAuthFile(const lukshdrToolChain *opts, const lukshdrChainAuth *auth)
{
    const char *any = NULL;
    size_t i;

    for (i = 0; opts->authFiles && opts->authFiles[i]; i++) {
        const char *file = opts->authFiles[i];
        size_t len = strcspn(file, "=/");

        if (file[len] != '=')
            any = file;
        else if (auth->user && strlen(auth->user) == len && strncmp(file, auth->user, len) == 0)
            return file + len + 1;
    }
    return any;
}

/* Refuses one file for the keys of two users */
static bool
lukshdrToolChainCheckAuthFiles(const lukshdrToolChain *opts, GPtrArray *auths, GError **error)
{
    guint i;

    for (i = 1; i < auths->len; i++) {
        const lukshdrChainAuth *one = g_ptr_array_index(auths, i - 1);
        const lukshdrChainAuth *other = g_ptr_array_index(auths, i);
        const char *file = lukshdrToolChainAuthFile(opts, one);

        if (!file || g_strcmp0(one->user, other->user) == 0 ||
            g_strcmp0(file, lukshdrToolChainAuthFile(opts, other)) != 0)
            continue;
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
                    _("payload and header need the keys of two users: name a file for each, "
                      "--auth-secret-file %s=FILE --auth-secret-file %s=FILE"),
                    one->user, other->user);
        return false;
    }
    return true;
}

/* Returns the key of a Ceph user, or the password of an iSCSI target's: from the file that the tool's user named,
 * or from libvirt */
static lukshdrSecret *
lukshdrToolChainKey(lukshdrTool *tool,
                    const lukshdrToolChain *opts,
                    const lukshdrChainAuth *auth,
                    GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(lukshdrSecret) text = NULL;
    const char *file = lukshdrToolChainAuthFile(opts, auth);
    lukshdrSecret *key;
    guint8 *bytes;
    char *copy;
    gsize len;

    if (!file) {
        if ((key = lukshdrToolPassOf(tool, auth->secretUUID, &local)))
            return key;
        if (!g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        g_set_error(
            error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
            auth->kind == LUKSHDR_LOCATION_ISCSI
                ? _("secret %s, which holds the password of iSCSI user '%s', is private: libvirt "
                    "gives its value to no client; name a file with it: --auth-secret-file %s=FILE")
                : _("secret %s, which holds the key of Ceph user '%s', is private: libvirt gives "
                    "its value to no client; name a file with the key: --auth-secret-file %s=FILE"),
            auth->secretUUID, auth->user, auth->user);
        return NULL;
    }

    if (!(text = lukshdrToolPassRead(&(lukshdrToolPass){ .file = (char *)file, .fd = -1 }, "",
                                     false, error)))
        return NULL;
    if (auth->kind == LUKSHDR_LOCATION_ISCSI)
        return g_steal_pointer(&text);

    copy = g_strndup((const char *)lukshdrSecretData(text), lukshdrSecretLength(text));
    bytes = g_base64_decode(copy, &len);
    key = len ? lukshdrSecretNew(bytes, len) : NULL;
    gnutls_memset(copy, 0, lukshdrSecretLength(text));
    gnutls_memset(bytes, 0, len);
    g_free(copy);
    g_free(bytes);
    if (!key)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    _("'%s' holds no key as Ceph writes it (ceph auth print-key)"), file);
    return key;
}

/* Adds the secret object with the key of a Ceph user, or the password of an iSCSI target's */
static bool
lukshdrToolChainAddAuth(lukshdrTool *tool,
                        const lukshdrToolChain *opts,
                        const lukshdrChainAuth *auth,
                        const char *masterKeyID,
                        const lukshdrSecret *masterKey,
                        GPtrArray *secrets,
                        GError **error)
{
    const char *file = lukshdrToolChainAuthFile(opts, auth);
    g_autoptr(lukshdrSecret) value = NULL;
    g_autofree char *path = NULL;
    bool isISCSI = auth->kind == LUKSHDR_LOCATION_ISCSI;
    JsonObject *object;

    if (!opts->unplug && (opts->withSecret || opts->clear)) {
        if (!(value = lukshdrToolChainKey(tool, opts, auth, error)))
            return false;
        object = opts->clear
                     ? lukshdrChainSecretClear(auth->id, value)
                     : lukshdrChainSecretEncrypted(auth->id, value, masterKeyID, masterKey, error);
        if (!object)
            return false;
        g_ptr_array_add(secrets, object);
        return true;
    }

    path = file ? g_strdup(file)
                : g_strdup_printf("/run/%s.%s", auth->secretUUID,
                                  isISCSI ? "iscsi-password" : "ceph-key");
    g_ptr_array_add(secrets, isISCSI ? lukshdrChainSecretFile(auth->id, path)
                                     : lukshdrChainSecretKeyFile(auth->id, path));
    if (!file && !opts->unplug && isISCSI) {
        lukshdrToolNote(_("QEMU reads the password of iSCSI user '%s' from '%s': put it there, for "
                          "QEMU's user alone and without a line break, or name another file with "
                          "--auth-secret-file."),
                        auth->user, path);
    } else if (!file && !opts->unplug) {
        lukshdrToolNote(
            _("QEMU reads the key of Ceph user '%s' from '%s': put there what 'ceph auth print-key "
              "client.%s' prints, for QEMU's user alone, or name another file with "
              "--auth-secret-file %s=FILE."),
            auth->user, path, auth->user, auth->user);
    }
    return true;
}

/* Fills in the secret objects, except those of a cluster.  Sets @key if values are encrypted with
 * it. */
static bool
lukshdrToolChainSecrets(lukshdrTool *tool,
                        const lukshdrToolChain *opts,
                        const char *id,
                        const char *uuid,
                        const char *keyID,
                        lukshdrSecret **key,
                        GPtrArray *secrets,
                        GError **error)
{
    g_autoptr(lukshdrSecret) value = NULL;
    g_autofree char *path = NULL;
    JsonObject *object;

    /* to remove a secret object takes no value */
    if (opts->unplug && opts->clear) {
        g_ptr_array_add(secrets, lukshdrChainSecretFile(id, ""));
        return true;
    }

    if (!opts->withSecret && !opts->clear) {
        path = opts->secretFile ? g_strdup(opts->secretFile)
                                : g_strdup_printf("/run/%s.passphrase", uuid ? uuid : "volume");
        g_ptr_array_add(secrets, lukshdrChainSecretFile(id, path));
        if (!opts->secretFile && !opts->unplug) {
            lukshdrToolNote(
                _("QEMU reads the passphrase from '%s': put it there, for QEMU's user alone, "
                  "or name another file with --secret-file."),
                path);
        }
        return true;
    }

    if (opts->withSecret && !g_str_equal(keyID, LUKSHDR_TOOL_LIBVIRT_KEY)) {
        path = g_canonicalize_filename(opts->masterKey, NULL);
        g_ptr_array_add(secrets, lukshdrChainSecretFile(keyID, path));
    }
    if (opts->unplug) {
        g_ptr_array_add(secrets, lukshdrChainSecretFile(id, ""));
        return true;
    }

    if (!(value = lukshdrToolChainValue(tool, opts, uuid, error)))
        return false;
    if (opts->clear) {
        object = lukshdrChainSecretClear(id, value);
    } else if (!(*key = lukshdrToolChainMasterKey(opts->masterKey, error)) ||
               !(object = lukshdrChainSecretEncrypted(id, value, keyID, *key, error))) {
        return false;
    }
    g_ptr_array_add(secrets, object);
    return true;
}

static void
lukshdrToolChainPrintLines(char **lines)
{
    size_t i;

    for (i = 0; lines[i]; i++)
        puts(lines[i]);
}

/* Writes an option and its value on each line, quoted for a shell.  All lines but the last end in a
 * backslash. */
static void
lukshdrToolChainPrintArgs(char **args)
{
    size_t i;

    for (i = 0; args[i]; i += 2) {
        g_autofree char *quoted = g_shell_quote(args[i + 1]);

        printf("%s %s%s\n", args[i], quoted, args[i + 2] ? " \\" : "");
    }
}

static void
lukshdrToolChainPrintText(char *text)
{
    fputs(text, stdout);
    if (!g_str_has_suffix(text, "\n"))
        putchar('\n');
    g_free(text);
}

static void
lukshdrToolChainPrintPlug(lukshdrToolForm form,
                          const lukshdrToolChain *opts,
                          const lukshdrChain *chain,
                          const lukshdrChainPlug *plug)
{
    g_auto(GStrv) lines = NULL;

    switch (form) {
    case LUKSHDR_TOOL_FORM_ARGS:
        lines = lukshdrChainToArgs(chain, plug);
        lukshdrToolChainPrintArgs(lines);
        break;
    case LUKSHDR_TOOL_FORM_QMP:
        lines = opts->unplug ? lukshdrChainToUnplug(chain, plug) : lukshdrChainToQMP(chain, plug);
        lukshdrToolChainPrintLines(lines);
        if (opts->unplug)
            lukshdrToolNote(_("After device_del wait for the event DEVICE_DELETED."));
        break;
    default:
        lukshdrToolChainPrintText(lukshdrChainToCommandline(chain, plug));
        lukshdrToolNote(
            _("It goes below <domain>. libvirt knows nothing of these files: QEMU's user must "
              "be able to open them and the file with the passphrase."));
    }
}

static void
lukshdrToolChainPrintJSON(const lukshdrChain *chain)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autoptr(GPtrArray) auths = lukshdrChainGetAuths(chain);
    g_autofree char *text = NULL;
    guint i;

    json_node_take_object(node, lukshdrChainToJSON(chain));
    text = json_to_string(node, FALSE);
    printf("json:%s\n", text);
    lukshdrToolNote(_("QEMU's tools need beside it: --object secret,id=%s,file=FILE"),
                    lukshdrChainGetKeySecret(chain));
    for (i = 0; i < auths->len; i++) {
        const lukshdrChainAuth *auth = g_ptr_array_index(auths, i);

        if (auth->kind == LUKSHDR_LOCATION_ISCSI)
            lukshdrToolNote(_("and, with the password of iSCSI user '%s', without a line break: "
                              "--object secret,id=%s,file=FILE"),
                            auth->user, auth->id);
        else
            lukshdrToolNote(
                _("and, with the key of Ceph user '%s' as 'ceph auth print-key' prints it: "
                  "--object secret,id=%s,format=base64,file=FILE"),
                auth->user, auth->id);
    }
}

static bool
lukshdrToolChainPrint(lukshdrTool *tool,
                      const lukshdrToolChain *opts,
                      lukshdrToolForm form,
                      const lukshdrToolState *state,
                      GError **error)
{
    g_autoptr(lukshdrLink) link = lukshdrToolStateLink(state);
    const char *prefix = opts->prefix ? opts->prefix : "lukshdr-1";
    g_autoptr(lukshdrChain) chain = lukshdrChainNew(link, prefix, error);
    g_autoptr(GPtrArray)
        secrets = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
    g_autofree char *id = g_strconcat(prefix, "-disk", NULL);
    const char *keyID = opts->masterKeyID ? opts->masterKeyID : "lukshdrMasterKey0";
    g_autoptr(lukshdrSecret) key = NULL;
    g_autoptr(GPtrArray) auths = NULL;
    lukshdrChainPlug plug = { .secrets = secrets,
                              .driver = opts->device ? opts->device : "virtio-blk-pci",
                              .id = opts->deviceID ? opts->deviceID : id,
                              .bus = opts->bus,
                              .addr = opts->addr,
                              .serial = opts->serial };
    guint i;

    if (!chain)
        return false;
    lukshdrChainSetReadOnly(chain, opts->readOnly);

    switch (form) {
    case LUKSHDR_TOOL_FORM_TREE:
        lukshdrToolChainPrintText(lukshdrChainToTree(chain, tool->utf8));
        return true;
    case LUKSHDR_TOOL_FORM_DOT:
        lukshdrToolChainPrintText(lukshdrChainToDot(chain));
        return true;
    case LUKSHDR_TOOL_FORM_JSON:
        lukshdrToolChainPrintJSON(chain);
        return true;
    case LUKSHDR_TOOL_FORM_DOMAIN:
        lukshdrToolChainPrintText(lukshdrChainToDisk(link, opts->target ? opts->target : "vdb",
                                                     opts->bus ? opts->bus : "virtio", opts->serial,
                                                     opts->readOnly));
        return true;
    case LUKSHDR_TOOL_FORM_ARGS:
    case LUKSHDR_TOOL_FORM_QMP:
    case LUKSHDR_TOOL_FORM_COMMANDLINE:
    default:
        break;
    }

    if (!lukshdrToolChainSecrets(tool, opts, lukshdrChainGetKeySecret(chain), link->secretUUID,
                                 keyID, &key, secrets, error))
        return false;
    auths = lukshdrChainGetAuths(chain);
    if (!lukshdrToolChainCheckAuthFiles(opts, auths, error))
        return false;
    for (i = 0; i < auths->len; i++) {
        if (!lukshdrToolChainAddAuth(tool, opts, g_ptr_array_index(auths, i), keyID, key, secrets,
                                     error))
            return false;
    }
    lukshdrToolChainPrintPlug(form, opts, chain, &plug);
    return true;
}

static bool
lukshdrToolChainRun(lukshdrTool *tool, char ***argv, GError **error)
{
    g_auto(lukshdrToolChain) opts = { .pass.fd = -1 };
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &opts.format,
          N_("args, qmp, json, domain, commandline, dot or tree (default)"), N_("FORM") },
        { "unplug", 0, 0, G_OPTION_ARG_NONE, &opts.unplug, N_("With qmp: what takes the disk back"),
          NULL },
        { "read-only", 'r', 0, G_OPTION_ARG_NONE, &opts.readOnly, N_("Nothing can be written"),
          NULL },
        { "header", 0, 0, G_OPTION_ARG_STRING, &opts.header,
          N_("The header's volume, for a daemon that knows no links"), N_("VOLUME") },
        { "secret", 0, 0, G_OPTION_ARG_STRING, &opts.secret,
          N_("The libvirt secret, instead of the link's"), N_("UUID") },
        { "secret-file", 0, 0, G_OPTION_ARG_FILENAME, &opts.secretFile,
          N_("The file that QEMU is to read the passphrase from"), N_("FILE") },
        { "auth-secret-file", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &opts.authFiles,
          N_("The file with the key of a Ceph cluster's user, in base64, if not libvirt's secret"),
          N_("[USER=]FILE") },
        { "with-secret", 0, 0, G_OPTION_ARG_NONE, &opts.withSecret,
          N_("The passphrase itself, encrypted with a master key"), NULL },
        { "master-key", 0, 0, G_OPTION_ARG_FILENAME, &opts.masterKey,
          N_("The master key, 32 bytes; made if the file does not exist"), N_("FILE") },
        { "master-key-id", 0, 0, G_OPTION_ARG_STRING, &opts.masterKeyID,
          N_("Its id in QEMU; masterKey0 is libvirt's own, which is there already"), N_("ID") },
        { "secret-in-clear", 0, 0, G_OPTION_ARG_NONE, &opts.clear,
          N_("The passphrase itself, for everybody to read"), NULL },
        { "passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &opts.pass.file,
          N_("Where to read it, if not from libvirt"), N_("FILE") },
        { "passphrase-fd", 0, 0, G_OPTION_ARG_INT, &opts.pass.fd,
          N_("The same, an open descriptor"), N_("NUMBER") },
        { "prefix", 0, 0, G_OPTION_ARG_STRING, &opts.prefix,
          N_("What names of nodes begin with (lukshdr-1)"), N_("NAME") },
        { "device", 0, 0, G_OPTION_ARG_STRING, &opts.device, N_("QEMU's device (virtio-blk-pci)"),
          N_("DRIVER") },
        { "device-id", 0, 0, G_OPTION_ARG_STRING, &opts.deviceID, N_("Its id (PREFIX-disk)"),
          N_("ID") },
        { "bus", 0, 0, G_OPTION_ARG_STRING, &opts.bus,
          N_("Its bus; with domain libvirt's word for it (virtio)"), N_("BUS") },
        { "addr", 0, 0, G_OPTION_ARG_STRING, &opts.addr, N_("Its address on the bus"),
          N_("ADDRESS") },
        { "serial", 0, 0, G_OPTION_ARG_STRING, &opts.serial,
          N_("The serial number that the guest sees"), N_("TEXT") },
        { "target", 0, 0, G_OPTION_ARG_STRING, &opts.target,
          N_("With domain: the disk's target (vdb)"), N_("NAME") },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(lukshdrToolState) state = NULL;
    lukshdrToolForm form;

    if (!lukshdrToolParse(tool, entries, 1, 1, argv, error) ||
        !lukshdrToolChainForm(&opts, &form, error) || !lukshdrToolConnect(tool, error))
        return false;

    if (opts.secret && !g_uuid_string_is_valid(opts.secret)) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE, _("'%s' is no UUID of a secret"),
                    opts.secret);
        return false;
    }

    if (!(state = lukshdrToolChainFind(tool, &opts, (*argv)[1], error)))
        return false;
    if (opts.secret) {
        g_free(state->payload->secretUUID);
        state->payload->secretUUID = g_strdup(opts.secret);
    }
    return lukshdrToolChainPrint(tool, &opts, form, state, error);
}

const lukshdrToolCommand lukshdrToolCommandChain = {
    .name = "chain",
    .parameters = N_("VOLUME"),
    .summary = N_(
        "Write what opens a linked volume: for QEMU, its monitor and tools, libvirt, the eye"),
    .example = "  virt-lukshdr chain --format args --secret-file /run/key images/data.qcow2\n"
               "  virt-lukshdr chain --format dot images/data.qcow2 | dot -Tsvg >chain.svg",
    .run = lukshdrToolChainRun,
};
