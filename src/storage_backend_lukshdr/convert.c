/*
 * convert.c: copying the content of one volume into another
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "convert.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>

#include "chain/chain.h"
#include "link/header.h"
#include "link/luks.h"
#include "link/payload.h"
#include "util/command.h"
#include "util/error.h"

#define LUKSHDR_CONVERT_MAX_SECRETS 2

/* A conversion may take days, so what counts is that something is read or written.  Nothing is
 * while a header is opened, and while the target is flushed at the end: the page cache may hold a
 * hundred gigabytes for a disk that takes sixty megabytes a second. */
#define LUKSHDR_CONVERT_STALLED 1800 /* seconds */

void
lukshdrConvertSideClear(lukshdrConvertSide *side)
{
    lukshdrHandleClose(side->volume);
    lukshdrHandleClose(side->header);
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

    if (vol->remote) {
        g_autofree char *where = lukshdrVolumeWhere(vol);

        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("'%s' cannot be cloned: qemu-img is given no keys of Ceph users"), where);
        return false;
    }

    side->format = format;
    side->name = g_strdup_printf(_("volume '%s' of pool '%s'"), vol->volume, vol->pool);
    return (side->volume = lukshdrHandleOpen(vol, flags, error));
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
           (side->header = lukshdrHandleOpen(&link->header, flags | LUKSHDR_HANDLE_ANY, error)) &&
           (side->header->match != LUKSHDR_IDENTITY_DIFFERENT ||
            lukshdrHeaderCheck(link, &link->header, side->header->fd, NULL, error));
}

/* What qemu-img is told */
typedef struct _lukshdrConvertCommand lukshdrConvertCommand;
struct _lukshdrConvertCommand {
    GPtrArray *argv;
    const lukshdrSecret *secrets[LUKSHDR_CONVERT_MAX_SECRETS + 1];
    int files[LUKSHDR_COMMAND_FILES_MAX + 1];
    guint secretCount;
    guint fileCount;
    guint deadline;
};

static void
lukshdrConvertCommandClear(lukshdrConvertCommand *command)
{
    g_ptr_array_unref(command->argv);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrConvertCommand, lukshdrConvertCommandClear)

/* Adds a descriptor, and returns the name that qemu-img has for it */
static const char *
lukshdrConvertAddFile(lukshdrConvertCommand *command, const lukshdrHandle *handle)
{
    command->files[command->fileCount] = handle->fd;
    return lukshdrCommandFile(command->fileCount++);
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
    static const char *const secretFiles[] = { LUKSHDR_COMMAND_SECRET_FILE,
                                               LUKSHDR_COMMAND_SECRET_FILE2 };
    const char *volume = lukshdrConvertAddFile(command, side->volume);
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autoptr(lukshdrChain) chain = NULL;
    g_autofree char *text = NULL;
    guint seconds;

    if (!lukshdrPayloadCheck(side->volume->fd, side->format, error)) {
        g_prefix_error(error, "%s: ", side->name);
        return false;
    }

    if (side->link) {
        if (!lukshdrLuksOpenTime(side->header->fd, &seconds, error) ||
            !(chain = lukshdrChainNew(side->link, name, error)))
            return false;
        command->deadline += seconds;

        g_ptr_array_add(command->argv, g_strdup("--object"));
        g_ptr_array_add(command->argv, g_strdup_printf("secret,id=%s,format=raw,file=%s", name,
                                                       secretFiles[command->secretCount]));
        command->secrets[command->secretCount++] = side->secret;

        lukshdrChainSetFiles(chain, volume, lukshdrConvertAddFile(command, side->header));
        lukshdrChainSetKeySecret(chain, name);
        lukshdrChainSetReadOnly(chain, readOnly);
        json_node_take_object(root, lukshdrChainToJSON(chain));
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

bool
lukshdrStorageConvert(const lukshdrConvertSide *from, const lukshdrConvertSide *to, GError **error)
{
    g_auto(lukshdrConvertCommand) command = { .argv = g_ptr_array_new_with_free_func(g_free),
                                              .deadline = LUKSHDR_CONVERT_STALLED };
    g_autofree char *source = NULL;
    g_autofree char *target = NULL;

    g_ptr_array_add(command.argv, g_strdup(LUKSHDR_QEMU_IMG));
    g_ptr_array_add(command.argv, g_strdup("convert"));
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
lukshdrStorageOpens(const lukshdrConvertSide *side, GError **error)
{
    g_auto(lukshdrConvertCommand) command = { .argv = g_ptr_array_new_with_free_func(g_free),
                                              .deadline = LUKSHDR_COMMAND_DEADLINE };
    g_autofree char *source = NULL;

    /* info would not unlock */
    g_ptr_array_add(command.argv, g_strdup(LUKSHDR_QEMU_IMG));
    g_ptr_array_add(command.argv, g_strdup("map"));
    if (!lukshdrConvertAddSide(&command, side, "source", true, &source, error))
        return false;

    return lukshdrConvertRun(&command,
                             (char *[]){ g_strdup("--output"), g_strdup("json"), g_strdup("--"),
                                         g_steal_pointer(&source), NULL },
                             true, error);
}
