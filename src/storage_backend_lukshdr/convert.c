/*
 * convert.c: copying the content of one volume into another
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "convert.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

#include "chain/chain.h"
#include "link/header.h"
#include "link/luks.h"
#include "link/payload.h"
#include "link/rbd.h"
#include "util/command.h"
#include "util/error.h"
#include "secrets.h"

/* A conversion may take days, so what counts is that something is read or written.  Nothing is
 * while a header is opened, and while the target is flushed at the end: the page cache may hold a
 * hundred gigabytes for a disk that takes sixty megabytes a second. */
#define LUKSHDR_CONVERT_STALLED 1800 /* seconds */

void
lukshdrConvertSideClear(lukshdrConvertSide *side)
{
    lukshdrHandleClose(side->volume);
    lukshdrHandleClose(side->header);
    lukshdrSecretFree(side->userKey);
    g_free(side->name);
    *side = (lukshdrConvertSide){ 0 };
}

bool
lukshdrConvertSidePlain(lukshdrConvertSide *side,
                        const lukshdrVolume *vol,
                        const char *format,
                        unsigned int flags,
                        GError **error)
{
    if (!lukshdrChainFormatDriver(format)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("volumes of format '%s' cannot be converted"), format);
        return false;
    }

    side->format = format;
    side->where = vol;
    side->name = g_strdup_printf(_("volume '%s' of pool '%s'"), vol->volume, vol->pool);
    if (!vol->remote)
        return (side->volume = lukshdrHandleOpen(vol, flags, error));

    /* it is QEMU that writes */
    return (side->volume = lukshdrHandleOpen(vol, flags & ~LUKSHDR_HANDLE_WRITE, error)) &&
           (!vol->remote->secretUUID || (side->userKey = lukshdrStorageSecretUserKey(
                                             vol->remote->kind, vol->remote->secretUUID, error)));
}

bool
lukshdrConvertSideLinked(lukshdrConvertSide *side,
                         const lukshdrLink *link,
                         const lukshdrSecret *secret,
                         unsigned int flags,
                         GError **error)
{
    side->link = link;
    side->secret = secret;
    return lukshdrConvertSidePlain(side, &link->payload, link->format, flags, error) &&
           (side->header = lukshdrHandleOpen(
                &link->header, flags | LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER, error)) &&
           (side->header->match != LUKSHDR_IDENTITY_DIFFERENT ||
            lukshdrHeaderCheck(link, &link->header, side->header->fd, NULL, error));
}

/* What qemu-img is told */
typedef struct _lukshdrConvertCommand lukshdrConvertCommand;
struct _lukshdrConvertCommand {
    GPtrArray *argv;
    const lukshdrSecret *secrets[LUKSHDR_COMMAND_SECRETS_MAX + 1];
    int files[LUKSHDR_COMMAND_FILES_MAX + 1];
    guint secretCount;
    guint fileCount;
    guint deadline;
    int config;             /* descriptor of a ceph.conf, or -1 */
    const char *configFile; /* its name for qemu-img */
};

/* Begins "qemu-img @verb", which is killed when it makes no progress for @deadline seconds */
static void
lukshdrConvertCommandInit(lukshdrConvertCommand *command, const char *verb, guint deadline)
{
    *command = (lukshdrConvertCommand){ .argv = g_ptr_array_new_with_free_func(g_free),
                                        .deadline = deadline,
                                        .config = -1 };
    g_ptr_array_add(command->argv, g_strdup(LUKSHDR_QEMU_IMG));
    g_ptr_array_add(command->argv, g_strdup(verb));
}

static void
lukshdrConvertCommandClear(lukshdrConvertCommand *command)
{
    g_ptr_array_unref(command->argv);
    if (command->config >= 0)
        close(command->config);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrConvertCommand, lukshdrConvertCommandClear)

/* Adds a descriptor, and returns the name that qemu-img has for it */
static const char *
lukshdrConvertAddFile(lukshdrConvertCommand *command, int fd)
{
    command->files[command->fileCount] = fd;
    return lukshdrCommandFile(command->fileCount++);
}

/* Adds a secret object.  Also of a Ceph key it has the bytes: QEMU itself writes them in base64
 * (qemu_rbd_set_auth in its block/rbd.c). */
static void
lukshdrConvertAddSecret(lukshdrConvertCommand *command, const char *id, const lukshdrSecret *secret)
{
    static const char *const files[] = { LUKSHDR_COMMAND_SECRET_FILE, LUKSHDR_COMMAND_SECRET_FILE2,
                                         LUKSHDR_COMMAND_SECRET_FILE3,
                                         LUKSHDR_COMMAND_SECRET_FILE4 };

    G_STATIC_ASSERT(G_N_ELEMENTS(files) == LUKSHDR_COMMAND_SECRETS_MAX);
    g_ptr_array_add(command->argv, g_strdup("--object"));
    g_ptr_array_add(command->argv, g_strdup_printf("secret,id=%s,format=raw,file=%s", id,
                                                   files[command->secretCount]));
    command->secrets[command->secretCount++] = secret;
}

/* Adds what @side's cluster or target is asked with.  @id is of the key's secret object. */
static bool
lukshdrConvertAddRemote(lukshdrConvertCommand *command,
                        const lukshdrConvertSide *side,
                        const char *id,
                        GError **error)
{
    if (!side->volume->remote)
        return true;

    if (side->where->remote->kind == LUKSHDR_LOCATION_RBD && command->config < 0) {
        if ((command->config = lukshdrRBDConfig(LUKSHDR_CONVERT_STALLED, error)) < 0)
            return false;
        command->configFile = lukshdrConvertAddFile(command, command->config);
    }
    if (side->userKey)
        lukshdrConvertAddSecret(command, id, side->userKey);
    return true;
}

/* Adds what opens @side, and sets @file to its name for qemu-img.  @name is for its nodes and
 * its secret. */
static bool
lukshdrConvertAddSide(lukshdrConvertCommand *command,
                      const lukshdrConvertSide *side,
                      const char *name,
                      bool readOnly,
                      char **file,
                      GError **error)
{
    const char *volume = side->volume->remote ? NULL
                                              : lukshdrConvertAddFile(command, side->volume->fd);
    g_autofree char *user = g_strconcat(name, "-user", NULL);
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autoptr(lukshdrChain) chain = NULL;
    g_autofree char *text = NULL;
    guint seconds;

    /* what is raw names nothing */
    if (!g_str_equal(side->format, "raw") &&
        !lukshdrPayloadCheck(side->volume, side->format, error)) {
        g_prefix_error(error, "%s: ", side->name);
        return false;
    }
    if (!lukshdrConvertAddRemote(command, side, user, error))
        return false;

    if (side->link) {
        if (!lukshdrLuksOpenTime(side->header->fd, &seconds, error) ||
            !(chain = lukshdrChainNew(side->link, name, error)))
            return false;
        command->deadline += seconds;

        lukshdrConvertAddSecret(command, name, side->secret);
        lukshdrChainSetFiles(chain, volume, lukshdrConvertAddFile(command, side->header->fd));
        lukshdrChainSetRemote(chain, user, command->configFile);
        lukshdrChainSetKeySecret(chain, name);
        lukshdrChainSetReadOnly(chain, readOnly);
        json_node_take_object(root, lukshdrChainToJSON(chain));
    } else if (side->volume->remote) {
        json_node_take_object(root, lukshdrChainRemoteToJSON(side->format, side->where->remote,
                                                             user, command->configFile));
    } else {
        json_node_take_object(
            root, lukshdrChainVolumeToJSON(side->format, volume,
                                           side->volume->identity.type == LUKSHDR_IDENTITY_BLOCK));
    }

    text = json_to_string(root, FALSE);
    *file = g_strconcat("json:", text, NULL);
    return true;
}

/* Runs qemu-img with the arguments so far and @more of them, NULL-terminated and taken over */
static bool
lukshdrConvertRun(lukshdrConvertCommand *command, char **more, bool progress, GError **error)
{
    lukshdrCommand run = { .secrets = command->secrets,
                           .files = command->files,
                           .deadline = command->deadline,
                           .progress = progress };
    size_t i;

    for (i = 0; more[i]; i++)
        g_ptr_array_add(command->argv, more[i]);
    g_ptr_array_add(command->argv, NULL);
    run.argv = (const char *const *)command->argv->pdata;
    command->files[command->fileCount] = -1;
    return lukshdrCommandRun(&run, error);
}

static bool
lukshdrConvertCheckUnused(const lukshdrConvertSide *side, GError **error)
{
    return !side->volume->remote || lukshdrRemoteHandleCheckUnused(side->volume->remote, error);
}

/* Of an image there is no descriptor: QEMU has opened it by its name, after us.  Who may rename images in
 * that pool of the cluster can have put another one there in between, and only such a user can: it may write
 * to all of them anyway.  What was read would be that other image's, and what was written would be in
 * it: of a linked target the ciphertext of a key that goes with the failure, of a plain one the content.  Looking
 * again tells, unless the names were changed back by now. */
static bool
lukshdrConvertCheckStill(const lukshdrConvertSide *side, bool source, GError **error)
{
    g_autoptr(lukshdrVolume) named = g_new0(lukshdrVolume, 1);
    g_autoptr(lukshdrHandle) now = NULL;

    if (!side->volume->remote)
        return true;

    /* by its name alone: what has been renamed is not to be found by its id */
    lukshdrVolumeCopy(named, side->where);
    named->identity = (lukshdrIdentity){ .type = LUKSHDR_IDENTITY_NONE };
    if (!(now = lukshdrHandleOpen(named, LUKSHDR_HANDLE_NEW, error)))
        return false;

    if (lukshdrIdentityCompare(&side->volume->identity, &now->identity) ==
        LUKSHDR_IDENTITY_DIFFERENT) {
        g_autofree char *was = lukshdrIdentityDescribe(&side->volume->identity);
        g_autofree char *found = lukshdrIdentityDescribe(&now->identity);

        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("another image was put in the place of %s while its content was copied: it "
                      "was %s and is %s; see who renames images in that pool of the cluster"),
                    side->name, was, found);
        return false;
    }
    if (!source)
        return true;
    /* somebody who has come meanwhile may have written without the cluster's noting it yet */
    if (lukshdrRemoteHandleIsUnwritten(side->volume->remote, now->remote))
        return lukshdrRemoteHandleCheckUnused(now->remote, error);

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("%s was written to while its content was copied, and the copy is of no use; see "
                  "who has it open, then try again"),
                side->name);
    return false;
}

static bool
lukshdrConvertCopy(const lukshdrConvertSide *from, const lukshdrConvertSide *to, GError **error)
{
    g_auto(lukshdrConvertCommand) command = { 0 };
    g_autofree char *source = NULL;
    g_autofree char *target = NULL;

    lukshdrConvertCommandInit(&command, "convert", LUKSHDR_CONVERT_STALLED);
    g_ptr_array_add(command.argv, g_strdup("-q"));
    if (!lukshdrConvertAddSide(&command, from, "source", true, &source, error) ||
        !lukshdrConvertAddSide(&command, to, "target", false, &target, error))
        return false;

    return lukshdrConvertRun(
        &command,
        (char *[]){ /* the target exists; and by default qemu-img would not flush it */
                    g_strdup("-n"), g_strdup("-t"), g_strdup("writeback"),
                    /* what the name says as well; without it, qemu-img would insist on raw */
                    g_strdup("-O"),
                    g_strdup(to->link ? "luks" : lukshdrChainFormatDriver(to->format)),
                    g_strdup("--"), g_steal_pointer(&source), g_steal_pointer(&target), NULL },
        true, error);
}

bool
lukshdrStorageConvert(const lukshdrConvertSide *from, const lukshdrConvertSide *to, GError **error)
{
    return lukshdrConvertCheckUnused(from, error) && lukshdrConvertCheckUnused(to, error) &&
           lukshdrConvertCopy(from, to, error) && lukshdrConvertCheckStill(from, true, error) &&
           lukshdrConvertCheckStill(to, false, error);
}

/* What QEMU says if no key slot takes the passphrase (qcrypto_block_luks_find_key) */
#define LUKSHDR_CONVERT_WRONG "Invalid password"

bool
lukshdrStorageOpens(int header, const lukshdrSecret *secret, GError **error)
{
    g_auto(lukshdrConvertCommand) command = { 0 };
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *luks = json_object_new();
    JsonObject *child = json_object_new();
    g_autofree char *text = NULL;
    g_autoptr(GError) local = NULL;
    guint seconds;

    /* info would not unlock */
    lukshdrConvertCommandInit(&command, "map", LUKSHDR_COMMAND_DEADLINE);
    json_node_take_object(root, luks);
    json_object_set_string_member(luks, "driver", "luks");
    json_object_set_string_member(luks, "key-secret", "source");
    json_object_set_object_member(luks, "file", child);
    json_object_set_string_member(child, "driver", "null-co");
    json_object_set_int_member(child, "size", 0);
    child = json_object_new();
    json_object_set_object_member(luks, "header", child);
    json_object_set_string_member(child, "driver", "file");
    json_object_set_string_member(child, "filename", lukshdrConvertAddFile(&command, header));
    text = json_to_string(root, FALSE);

    if (!lukshdrLuksOpenTime(header, &seconds, error))
        return false;
    command.deadline += seconds;
    lukshdrConvertAddSecret(&command, "source", secret);
    if (lukshdrConvertRun(&command,
                          (char *[]){ g_strdup("--output"), g_strdup("json"), g_strdup("--"),
                                      g_strconcat("json:", text, NULL), NULL },
                          true, &local))
        return true;

    if (strstr(local->message, LUKSHDR_CONVERT_WRONG))
        local->code = VIR_ERR_INVALID_SECRET;
    g_propagate_error(error, g_steal_pointer(&local));
    return false;
}

bool
lukshdrStorageConvertResize(const lukshdrConvertSide *side,
                            guint64 capacity,
                            bool shrink,
                            GError **error)
{
    g_auto(lukshdrConvertCommand) command = { 0 };
    g_autofree char *target = NULL;

    lukshdrConvertCommandInit(&command, "resize", LUKSHDR_CONVERT_STALLED);
    g_ptr_array_add(command.argv, g_strdup("-q"));
    if (shrink)
        g_ptr_array_add(command.argv, g_strdup("--shrink"));

    return lukshdrConvertCheckUnused(side, error) &&
           lukshdrConvertAddSide(&command, side, "target", false, &target, error) &&
           lukshdrConvertRun(&command,
                             (char *[]){ g_strdup("--"), g_steal_pointer(&target),
                                         g_strdup_printf("%" G_GUINT64_FORMAT, capacity), NULL },
                             true, error) &&
           lukshdrConvertCheckStill(side, false, error);
}
