/*
 * cmd-header-backup.c: virt-lukshdr header-backup and header-restore
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A backup is the first 4 MiB of the header volume as they are: LUKS header, key
 * material, link label.
 *
 * The steps of restoring, and what a crash after each leaves:
 *
 *   1 header volume made, if there is none    an empty volume; do it again
 *   2 content uploaded                        a header that guests can use if its label
 *                                             fits, or a torn one; do it again
 *   3 link renewed by the daemon              the volume with that header
 *
 * The daemon renews a link only if the volume's secret opens the header.  If it does not, the
 * tool puts back the header that was there before.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/text.h"
#include "util/io.h"
#include "cmd-link.h"
#include "state.h"

static bool
lukshdrToolBackupCopy(const lukshdrToolHeader *header, int fd, GError **error)
{
    char block[64 * 1024];
    guint64 pos;

    for (pos = 0; pos < header->bytes; pos += sizeof(block)) {
        gsize len = MIN(sizeof(block), header->bytes - pos);

        if (!lukshdrIOReadAll(header->fd, block, len, pos, error) ||
            !lukshdrIOWrite(fd, block, len, pos, error))
            return false;
    }
    return lukshdrIOSync(fd, error);
}

/* Writes the file under a temporary name until it is whole: a crash leaves the temporary file or
 * the whole file.  Flushes the directory, too. */
static bool
lukshdrToolBackupWrite(const lukshdrToolHeader *header,
                       const char *path,
                       bool force,
                       GError **error)
{
    g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
    g_autofree char *dir = g_path_get_dirname(path);
    int fd = g_mkstemp_full(temporary, O_WRONLY | O_CLOEXEC, 0600);
    int dirFD;
    bool ok;

    if (fd < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to make '%s'"), temporary);
        return false;
    }

    ok = lukshdrToolBackupCopy(header, fd, error);
    close(fd);
    if (!ok) {
        g_prefix_error(error, _("Unable to write '%s': "), temporary);
    } else if ((force ? rename(temporary, path) : link(temporary, path)) < 0) {
        /* link, unlike rename, does not replace a file */
        if (errno == EEXIST)
            g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                        _("'%s' exists already; --force replaces it"), path);
        else
            lukshdrErrorSetErrno(error, errno, _("Unable to write '%s'"), path);
        ok = false;
    }
    if (!ok || !force)
        unlink(temporary);

    if (ok && (dirFD = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
        fsync(dirFD);
        close(dirFD);
    }
    return ok;
}

static bool
lukshdrToolBackupRun(lukshdrTool *tool, char ***argv, GError **error)
{
    gboolean force = FALSE;
    const GOptionEntry entries[] = {
        { "force", 'f', 0, G_OPTION_ARG_NONE, &force, N_("Replace a file that exists"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    lukshdrToolVolume *payload;
    g_autoptr(lukshdrToolState) state = NULL;

    if (!lukshdrToolParse(tool, entries, 2, 2, argv, error) ||
        !(payload = lukshdrToolVolumeFindLinked(tool, (*argv)[1], error)) ||
        !(state = lukshdrToolStateOf(tool, payload, error)))
        return false;

    /* whatever has become of the payload or the secret: their way back needs the header */
    if (!state->headerWhole || state->kind >= LUKSHDR_TOOL_STATE_CREATING) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                    _("the header is not worth a backup: %s"), state->reason);
        return false;
    }
    return lukshdrToolBackupWrite(state->content, (*argv)[2], force, error);
}

const lukshdrToolCommand lukshdrToolCommandHeaderBackup = {
    .name = "header-backup",
    .parameters = N_("VOLUME FILE"),
    .summary = N_("Save a linked volume's header to a file, which opens it as the header does"),
    .example = "  virt-lukshdr header-backup images/data.qcow2 data.luks.backup",
    .run = lukshdrToolBackupRun,
};

typedef struct _lukshdrToolRestore lukshdrToolRestore;
struct _lukshdrToolRestore {
    lukshdrTool *tool;
    lukshdrToolState *state;
    lukshdrToolHeader *file;
    const char *path; /* of the file */
    int force;        /* how often the user gave --force */
};

/* Is the file this volume's header?  And would it replace a header that is in good order? */
static bool
lukshdrToolRestoreCheck(const lukshdrToolRestore *restore, GError **error)
{
    const lukshdrToolHeader *file = restore->file;
    const lukshdrToolState *state = restore->state;
    const lukshdrLink *label;
    g_autofree char *names = lukshdrToolStateLabelNames(file);

    if (file->damage) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED, _("'%s' opens no volume: %s"),
                    restore->path, file->damage);
        return false;
    }

    if (state->users->len) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                    _("volume '%s' is in use by domain '%s'; shut it down first"),
                    state->payload->name, (char *)g_ptr_array_index(state->users, 0));
        return false;
    }

    if (restore->force < 2) {
        const char *hint = _("it would lock you out; say --force twice if it is meant");

        label = lukshdrToolStateLabelOf(state->payload, file);
        if (!label && *names) {
            g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                        _("by its link label '%s' is the header of %s, not of '%s': %s"),
                        restore->path, names, state->payload->name, hint);
            return false;
        }
        if (!label && restore->force < 1) {
            g_set_error(
                error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                _("'%s' has no link label, as a backup by cryptsetup has none; if it is the header of "
                  "'%s', say --force: it is taken only if the volume's secret opens it"),
                restore->path, state->payload->name);
            return false;
        }
        if (label && (!lukshdrTextSameUUID(label->luksUUID, file->uuid) ||
                      (label->digest && !lukshdrTextSame(label->digest, file->digest)))) {
            g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                        _("in '%s' header and link label do not fit together: %s"), restore->path,
                        hint);
            return false;
        }
        if (state->kind == LUKSHDR_TOOL_STATE_OK &&
            !lukshdrTextSameUUID(state->content->uuid, file->uuid)) {
            g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                        _("the volume's header has LUKS UUID %s and '%s' has %s: %s"),
                        state->content->uuid, restore->path, file->uuid, hint);
            return false;
        }
    }

    if (restore->force < 1 && state->kind == LUKSHDR_TOOL_STATE_OK &&
        !g_str_equal(state->content->digest, file->digest)) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                    _("the header of '%s' is in good order and its keys were changed since this "
                      "backup; --force brings the old ones back"),
                    state->payload->name);
        return false;
    }
    return true;
}

static bool
lukshdrToolRestoreDo(lukshdrToolRestore *restore, GError **error)
{
    lukshdrToolState *state = restore->state;
    const lukshdrToolHeader *before = state->content;
    g_autoptr(GError) local = NULL;
    g_autoptr(GError) undo = NULL;

    if (!state->header || !before) {
        lukshdrToolVolumeFree(state->header);
        if (!(state->header = lukshdrToolHeaderMake(restore->tool, &state->headerName, error)))
            return false;
    }

    if (!lukshdrToolHeaderUpload(restore->tool, state->header->vol, restore->file, error))
        return false;

    if (lukshdrToolLinkAgain(state->payload, NULL, NULL, &local))
        return true;

    /* put the old header back if the secret does not open the new one, unless the user forces it */
    if (restore->force < 2 && before && !before->damage &&
        lukshdrToolHeaderUpload(restore->tool, state->header->vol, before, &undo)) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                    _("the header in '%s' cannot be taken, and that which was there is back: %s"),
                    restore->path, local->message);
    } else {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                    _("the header from '%s' is in place, but the link was not renewed: %s; "
                      "when that is mended say: virt-lukshdr link %s/%s"),
                    restore->path, local->message, state->payload->pool, state->payload->name);
    }
    return false;
}

/* GOption gives the callback of a main entry no place of its own to count in */
static int lukshdrToolRestoreForced;

static gboolean
lukshdrToolRestoreForce(const char *name G_GNUC_UNUSED,
                        const char *value G_GNUC_UNUSED,
                        gpointer opaque G_GNUC_UNUSED,
                        GError **error G_GNUC_UNUSED)
{
    lukshdrToolRestoreForced++;
    return TRUE;
}

static bool
lukshdrToolRestoreRun(lukshdrTool *tool, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        { "force", 'f', G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, lukshdrToolRestoreForce,
          N_("Replace a header that is in good order; twice: whatever the file is"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(lukshdrToolState) state = NULL;
    g_autoptr(lukshdrToolHeader) file = NULL;
    lukshdrToolVolume *payload;
    lukshdrToolRestore restore = { .tool = tool };

    if (!lukshdrToolParse(tool, entries, 2, 2, argv, error) ||
        !(file = lukshdrToolHeaderLoad((*argv)[2], error)) ||
        !(payload = lukshdrToolVolumeFindLinked(tool, (*argv)[1], error)) ||
        !(state = lukshdrToolStateOf(tool, payload, error)))
        return false;

    restore.state = state;
    restore.file = file;
    restore.path = (*argv)[2];
    restore.force = lukshdrToolRestoreForced;
    return lukshdrToolRestoreCheck(&restore, error) && lukshdrToolRestoreDo(&restore, error);
}

const lukshdrToolCommand lukshdrToolCommandHeaderRestore = {
    .name = "header-restore",
    .parameters = N_("VOLUME FILE"),
    .summary = N_("Put a header back from a file that header-backup made"),
    .example = "  virt-lukshdr header-restore images/data.qcow2 data.luks.backup",
    .run = lukshdrToolRestoreRun,
};
