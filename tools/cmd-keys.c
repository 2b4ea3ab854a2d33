/*
 * cmd-keys.c: virt-lukshdr key-add, key-remove and key-change
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu-img changes a copy of the header in memory on the tool's host.  Then the tool replaces the
 * header on the daemon's host.  What a crash after each step leaves:
 *
 *   1 changed header with a label that fits it uploaded   a volume that opens with the changed
 *                                                         keys, or a torn header, for which the
 *                                                         user puts back the one before; replicas
 *                                                         follow at the next start of the daemon
 *   2 link renewed by the daemon                          done
 *
 * key-change adds the new key and then removes the old one: two such rounds.  If the libvirt
 * secret has the old key's passphrase, the tool sets it in between.  After a crash between the
 * rounds both passphrases are good.
 */

#include "config.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/command.h"
#include "util/error.h"
#include "link/label.h"
#include "cmd-link.h"
#include "pass.h"
#include "state.h"
#include "use.h"

typedef struct _lukshdrToolKeys lukshdrToolKeys;
struct _lukshdrToolKeys {
    lukshdrToolPass pass;    /* opens the header now */
    lukshdrToolPass newPass; /* shall open it */
    gint slot;               /* -1 for any */
    gint iterTime;           /* ms; 0 for QEMU's default */
    lukshdrToolState *state;
};

static void
lukshdrToolKeysClear(lukshdrToolKeys *keys)
{
    g_free(keys->pass.file);
    g_free(keys->newPass.file);
    lukshdrToolStateFree(keys->state);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrToolKeys, lukshdrToolKeysClear)

#define LUKSHDR_TOOL_KEYS_INIT \
    { \
        .pass.fd = -1, .newPass.fd = -1, .slot = -1 \
    }

/* Makes qemu-img amend the header that is in memory.  @other is the secret that @options call
 * sec1, or NULL; @iterTime is how long QEMU shall stretch it, ms. */
static bool
lukshdrToolKeysAmend(const lukshdrToolHeader *header,
                     const lukshdrSecret *open,
                     const lukshdrSecret *other,
                     const char *options,
                     gint iterTime,
                     GError **error)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *luks = json_object_new();
    JsonObject *child = json_object_new();
    g_autofree char *json = NULL;
    g_autofree char *name = NULL;
    const lukshdrSecret *secrets[] = { open, other, NULL };
    const int files[] = { header->fd, -1 };
    const char *argv[] = { LUKSHDR_QEMU_IMG,
                           "amend",
                           "-q",
                           "--object",
                           "secret,id=sec0,format=raw,file=" LUKSHDR_COMMAND_SECRET_FILE,
                           "-o",
                           options,
                           NULL,
                           NULL,
                           NULL,
                           NULL };
    lukshdrCommand command = { .argv = argv, .secrets = secrets, .files = files };
    guint opening;
    int i = 7;

    /* qemu-img tries all slots to open the header, and once more to find the one to remove.  It
     * stretches a key that it adds for @iterTime of processor time. */
    if (!lukshdrLuksOpenTime(header->fd, &opening, error))
        return false;
    command.deadline = LUKSHDR_COMMAND_DEADLINE + 2 * opening + (guint)MAX(iterTime, 0) / 1000 * 20;

    /* only the header has key slots, so any payload will do */
    json_object_set_string_member(luks, "driver", "luks");
    json_object_set_string_member(luks, "key-secret", "sec0");
    json_object_set_string_member(child, "driver", "null-co");
    json_object_set_int_member(child, "size", 0);
    json_object_set_object_member(luks, "file", child);
    child = json_object_new();
    json_object_set_string_member(child, "driver", "file");
    json_object_set_string_member(child, "filename", lukshdrCommandFile(0));
    json_object_set_object_member(luks, "header", child);
    json_node_take_object(root, luks);
    json = json_to_string(root, FALSE);
    name = g_strconcat("json:", json, NULL);

    if (other) {
        argv[i++] = "--object";
        argv[i++] = "secret,id=sec1,format=raw,file=" LUKSHDR_COMMAND_SECRET_FILE2;
    }
    argv[i] = name;
    return lukshdrCommandRun(&command, error);
}

static bool
lukshdrToolKeysAdd(const lukshdrToolKeys *keys,
                   const lukshdrToolHeader *header,
                   const lukshdrSecret *open,
                   const lukshdrSecret *fresh,
                   GError **error)
{
    g_autoptr(GString) options = g_string_new("state=active,new-secret=sec1");

    if (keys->slot >= 0)
        g_string_append_printf(options, ",keyslot=%d", keys->slot);
    if (keys->iterTime > 0)
        g_string_append_printf(options, ",iter-time=%d", keys->iterTime);
    return lukshdrToolKeysAmend(header, open, fresh, options->str, keys->iterTime, error);
}

/* Makes the labels fit the changed header, one generation later */
static bool
lukshdrToolKeysRelabel(lukshdrToolHeader *header, GError **error)
{
    guint i;

    lukshdrToolHeaderExamine(header);
    if (header->damage || !header->labels) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("qemu-img left a header that cannot be used: %s"),
                    header->damage ? header->damage : _("it has no link label"));
        return false;
    }

    for (i = 0; i < header->labels->len; i++) {
        lukshdrLink *label = g_ptr_array_index(header->labels, i);

        g_free(label->digest);
        label->digest = g_strdup(header->digest);
        label->generation = MIN(label->generation, G_MAXUINT32 - 1) + 1;
    }
    return lukshdrLabelWrite(header->fd, header->labels, error);
}

/* Steps 1 and 2.  If the daemon finds that the secret does not open the header, puts @before
 * back. */
static bool
lukshdrToolKeysStore(lukshdrTool *tool,
                     const lukshdrToolState *state,
                     lukshdrToolHeader *header,
                     const lukshdrToolHeader *before,
                     GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GError) undo = NULL;

    if (!lukshdrToolKeysRelabel(header, error) ||
        !lukshdrToolHeaderUpload(tool, state->header->vol, header, error))
        return false;

    if (lukshdrToolLinkAgain(state->payload, NULL, NULL, &local))
        return true;

    if (lukshdrToolHeaderUpload(tool, state->header->vol, before, &undo)) {
        g_set_error(error, LUKSHDR_STOCK_ERROR, local->code,
                    _("the keys are as they were, since the daemon refused the change: %s"),
                    local->message);
    } else {
        g_set_error(
            error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
            _("the daemon refused the change (%s) and the header before it could not be put "
              "back: %s; header-restore puts a backup back"),
            local->message, undo->message);
    }
    return false;
}

/* Refuses unless the header is in order.  While a guest uses the volume, the daemon takes a header with other keys (rekey.h). */
static bool
lukshdrToolKeysFind(lukshdrTool *tool, lukshdrToolKeys *keys, const char *name, GError **error)
{
    lukshdrToolVolume *payload = lukshdrToolVolumeFindLinked(tool, name, error);

    if (!payload || !(keys->state = lukshdrToolStateOf(tool, payload, error)))
        return false;

    if (keys->state->reason) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                    _("keys of a header that is not in good order are not changed: %s"),
                    keys->state->reason);
        return false;
    }

    if (keys->slot >= LUKSHDR_LUKS_SLOTS) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
                    _("there are key slots 0 to %d, not %d"), LUKSHDR_LUKS_SLOTS - 1, keys->slot);
        return false;
    }
    return true;
}

/* Returns a passphrase that opens the header now: the one that the user named, or libvirt's if
 * libvirt gives it out, or one that the user types */
static lukshdrSecret *
lukshdrToolKeysOpen(lukshdrTool *tool, const lukshdrToolKeys *keys, GError **error)
{
    lukshdrSecret *secret;

    if (!keys->pass.file && keys->pass.fd < 0 && keys->state->payload->secretUUID &&
        (secret = lukshdrToolPassOf(tool, keys->state->payload->secretUUID, NULL)))
        return secret;
    return lukshdrToolPassRead(&keys->pass, _("Present passphrase"), false, error);
}

#define LUKSHDR_TOOL_KEYS_ENTRIES(keys) \
    { "passphrase-file", \
      0, \
      0, \
      G_OPTION_ARG_FILENAME, \
      &(keys).pass.file, \
      N_("A passphrase that is good now"), \
      N_("FILE") }, \
    { \
        "passphrase-fd", 0, 0, G_OPTION_ARG_INT, &(keys).pass.fd, \
            N_("The same, an open descriptor"), N_("NUMBER") \
    }

#define LUKSHDR_TOOL_KEYS_NEW_ENTRIES(keys) \
    { "new-passphrase-file",    0,         0, G_OPTION_ARG_FILENAME, &(keys).newPass.file, \
      N_("The new passphrase"), N_("FILE") }, \
        { "new-passphrase-fd", \
          0, \
          0, \
          G_OPTION_ARG_INT, \
          &(keys).newPass.fd, \
          N_("The same, an open descriptor"), \
          N_("NUMBER") }, \
    { \
        "iter-time", 0, 0, G_OPTION_ARG_INT, &(keys).iterTime, \
            N_("Time that opening with it is to take (2000)"), N_("MILLISECONDS") \
    }

/* Returns a copy of the header in memory, which qemu-img can change */
static lukshdrToolHeader *
lukshdrToolKeysCopy(const lukshdrToolHeader *header, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", header->fd);

    return lukshdrToolHeaderLoad(path, error);
}

static bool
lukshdrToolKeyAddRun(lukshdrTool *tool, char ***argv, GError **error)
{
    g_auto(lukshdrToolKeys) keys = LUKSHDR_TOOL_KEYS_INIT;
    const GOptionEntry entries[] = {
        LUKSHDR_TOOL_KEYS_ENTRIES(keys),
        LUKSHDR_TOOL_KEYS_NEW_ENTRIES(keys),
        { "slot", 0, 0, G_OPTION_ARG_INT, &keys.slot, N_("The key slot, which must be free"),
          N_("NUMBER") },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(lukshdrSecret) open = NULL;
    g_autoptr(lukshdrSecret) fresh = NULL;
    g_autoptr(lukshdrToolHeader) header = NULL;

    return lukshdrToolParse(tool, entries, 1, 1, argv, error) &&
           lukshdrToolKeysFind(tool, &keys, (*argv)[1], error) &&
           (open = lukshdrToolKeysOpen(tool, &keys, error)) &&
           (fresh = lukshdrToolPassRead(&keys.newPass, _("New passphrase"), true, error)) &&
           (header = lukshdrToolKeysCopy(keys.state->content, error)) &&
           lukshdrToolKeysAdd(&keys, header, open, fresh, error) &&
           lukshdrToolKeysStore(tool, keys.state, header, keys.state->content, error);
}

const lukshdrToolCommand lukshdrToolCommandKeyAdd = {
    .name = "key-add",
    .parameters = N_("VOLUME"),
    .summary = N_("Add a passphrase to a linked volume"),
    .example = "  virt-lukshdr key-add images/data.qcow2",
    .run = lukshdrToolKeyAddRun,
};

/* Refuses to remove the last key.  qemu-img refuses that, too, and the tool has no option to force
 * it. */
static bool
lukshdrToolKeysCheckLast(const lukshdrToolHeader *header, GError **error)
{
    if (header->active > 1)
        return true;

    g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                        _("this is the last key, without which nobody can open the volume; add "
                          "another one first, or destroy the volume with 'erase'"));
    return false;
}

static bool
lukshdrToolKeyRemoveRun(lukshdrTool *tool, char ***argv, GError **error)
{
    g_auto(lukshdrToolKeys) keys = LUKSHDR_TOOL_KEYS_INIT;
    const GOptionEntry entries[] = {
        { "passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &keys.pass.file,
          N_("The passphrase to remove; with --slot, any that is good"), N_("FILE") },
        { "passphrase-fd", 0, 0, G_OPTION_ARG_INT, &keys.pass.fd,
          N_("The same, an open descriptor"), N_("NUMBER") },
        { "slot", 0, 0, G_OPTION_ARG_INT, &keys.slot, N_("The key slot to empty"), N_("NUMBER") },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(lukshdrSecret) open = NULL;
    g_autoptr(lukshdrToolHeader) header = NULL;
    g_autofree char *options = NULL;

    if (!lukshdrToolParse(tool, entries, 1, 1, argv, error) ||
        !lukshdrToolKeysFind(tool, &keys, (*argv)[1], error) ||
        !lukshdrToolKeysCheckLast(keys.state->content, error))
        return false;

    if (keys.slot >= 0 && !keys.state->content->slots[keys.slot].active) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED, _("key slot %d is free"),
                    keys.slot);
        return false;
    }

    if (keys.slot >= 0) {
        open = lukshdrToolKeysOpen(tool, &keys, error);
        options = g_strdup_printf("state=inactive,keyslot=%d", keys.slot);
    } else {
        /* the passphrase that is removed opens the header one last time */
        open = lukshdrToolPassRead(&keys.pass, _("Passphrase to remove"), false, error);
        options = g_strdup("state=inactive,old-secret=sec0");
    }
    return open && (header = lukshdrToolKeysCopy(keys.state->content, error)) &&
           lukshdrToolKeysAmend(header, open, NULL, options, 0, error) &&
           lukshdrToolKeysStore(tool, keys.state, header, keys.state->content, error);
}

const lukshdrToolCommand lukshdrToolCommandKeyRemove = {
    .name = "key-remove",
    .parameters = N_("VOLUME"),
    .summary = N_("Remove a passphrase, or a key slot, from a linked volume; never the last"),
    .example = "  virt-lukshdr key-remove images/data.qcow2 --slot 1",
    .run = lukshdrToolKeyRemoveRun,
};

static bool
lukshdrToolKeysSetSecret(lukshdrTool *tool,
                         const char *uuid,
                         const lukshdrSecret *value,
                         GError **error)
{
    g_autoptr(virSecret) secret = virSecretLookupByUUIDString(tool->conn, uuid);

    if (secret &&
        virSecretSetValue(secret, lukshdrSecretData(value), lukshdrSecretLength(value), 0) >= 0)
        return true;
    lukshdrToolSetLast(error);
    g_prefix_error(error, _("Unable to set libvirt's secret '%s'; both passphrases are good: "),
                   uuid);
    return false;
}

static bool
lukshdrToolKeysSame(const lukshdrSecret *one, const lukshdrSecret *other)
{
    return lukshdrSecretLength(one) == lukshdrSecretLength(other) &&
           memcmp(lukshdrSecretData(one), lukshdrSecretData(other), lukshdrSecretLength(one)) == 0;
}

/* The second round of a change: removes @old.  The tool cannot see whether a private secret still
 * has that value, so the daemon checks whether the secret opens the header without it. */
static bool
lukshdrToolKeyChangeFinish(lukshdrTool *tool,
                           const lukshdrToolKeys *keys,
                           const lukshdrToolHeader *both,
                           const lukshdrSecret *old,
                           const lukshdrSecret *fresh,
                           GError **error)
{
    const char *uuid = keys->state->payload->secretUUID;
    g_autoptr(lukshdrToolHeader) header = lukshdrToolKeysCopy(both, error);
    g_autoptr(lukshdrSecret) value = uuid ? lukshdrToolPassOf(tool, uuid, NULL) : NULL;
    g_autoptr(GError) local = NULL;

    if (!header ||
        !lukshdrToolKeysAmend(header, old, NULL, "state=inactive,old-secret=sec0", 0, error))
        return false;

    if (value) {
        if (lukshdrToolKeysSame(value, old) && !lukshdrToolKeysSetSecret(tool, uuid, fresh, error))
            return false;
        return lukshdrToolKeysStore(tool, keys->state, header, both, error);
    }

    if (lukshdrToolKeysStore(tool, keys->state, header, both, &local))
        return true;
    if (!uuid || local->domain != LUKSHDR_STOCK_ERROR) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    return lukshdrToolKeysSetSecret(tool, uuid, fresh, error) &&
           lukshdrToolKeysStore(tool, keys->state, header, both, error);
}

/* The secret gets another value, and opens nothing else that it opened before */
static bool
lukshdrToolKeyChangeCheck(lukshdrTool *tool, const lukshdrToolVolume *payload, GError **error)
{
    g_autofree char *domain = NULL;
    g_autofree char *overlay = payload->secretUUID
                                   ? lukshdrToolUseFindOverlay(tool, payload->secretUUID, &domain)
                                   : NULL;

    if (!overlay)
        return true;
    g_set_error(
        error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
        _("domain '%1$s' has a snapshot whose overlay '%2$s' is opened with the secret of volume '%3$s', and "
          "could not be opened any more; delete the domain's snapshots first"),
        domain, overlay, payload->name);
    return false;
}

static bool
lukshdrToolKeyChangeRun(lukshdrTool *tool, char ***argv, GError **error)
{
    g_auto(lukshdrToolKeys) keys = LUKSHDR_TOOL_KEYS_INIT;
    const GOptionEntry entries[] = {
        { "passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &keys.pass.file,
          N_("The passphrase to replace"), N_("FILE") },
        { "passphrase-fd", 0, 0, G_OPTION_ARG_INT, &keys.pass.fd,
          N_("The same, an open descriptor"), N_("NUMBER") },
        LUKSHDR_TOOL_KEYS_NEW_ENTRIES(keys),
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(lukshdrSecret) old = NULL;
    g_autoptr(lukshdrSecret) fresh = NULL;
    g_autoptr(lukshdrToolHeader) both = NULL;

    if (!lukshdrToolParse(tool, entries, 1, 1, argv, error) ||
        !lukshdrToolKeysFind(tool, &keys, (*argv)[1], error) ||
        !lukshdrToolKeyChangeCheck(tool, keys.state->payload, error) ||
        !(old = lukshdrToolKeysOpen(tool, &keys, error)) ||
        !(fresh = lukshdrToolPassRead(&keys.newPass, _("New passphrase"), true, error)))
        return false;

    if (lukshdrToolKeysSame(old, fresh)) {
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                            _("the new passphrase is the old one"));
        return false;
    }

    return (both = lukshdrToolKeysCopy(keys.state->content, error)) &&
           lukshdrToolKeysAdd(&keys, both, old, fresh, error) &&
           lukshdrToolKeysStore(tool, keys.state, both, keys.state->content, error) &&
           lukshdrToolKeyChangeFinish(tool, &keys, both, old, fresh, error);
}

const lukshdrToolCommand lukshdrToolCommandKeyChange = {
    .name = "key-change",
    .parameters = N_("VOLUME"),
    .summary = N_(
        "Replace a passphrase of a linked volume, and the value of its secret if it is that"),
    .example = "  virt-lukshdr key-change images/data.qcow2",
    .run = lukshdrToolKeyChangeRun,
};
