/*
 * cmd-forget.c: virt-lukshdr forget
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Gives up a link of which something is lost, by the name of its payload, which need not exist.  "unlink" is for a
 * linked volume that is in order.
 */

#include "config.h"

#include <glib/gi18n.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"
#include "cmd-link.h"
#include "state.h"

/* What is known of the link that is to be given up.  The volumes are NULL where they are lost, and the header also
 * where nobody but the daemon knows which it is. */
typedef struct _lukshdrToolForgotten lukshdrToolForgotten;
struct _lukshdrToolForgotten {
    lukshdrToolName *name; /* of the payload */
    lukshdrToolVolume *payload;
    lukshdrToolVolume *header;
    GPtrArray *headers; /* as the user has named it, or empty */
};

static void
lukshdrToolForgottenClear(lukshdrToolForgotten *link)
{
    g_clear_pointer(&link->name, lukshdrToolNameFree);
    lukshdrToolVolumeFree(link->payload);
    lukshdrToolVolumeFree(link->header);
    g_clear_pointer(&link->headers, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrToolForgotten, lukshdrToolForgottenClear)

/* Finds what has @link's payload for its own: a lost payload shows in its header alone */
static bool
lukshdrToolForgetFindHeader(lukshdrTool *tool, lukshdrToolForgotten *link, GError **error)
{
    g_autoptr(GPtrArray) volumes = lukshdrToolVolumeList(tool, NULL, error);
    guint i;

    for (i = 0; volumes && i < volumes->len && !link->header; i++) {
        lukshdrToolVolume *volume = g_ptr_array_index(volumes, i);
        guint j;

        for (j = 0; volume->role == LUKSHDR_TOOL_ROLE_HEADER && j < volume->others->len; j++) {
            const lukshdrToolName *payload = g_ptr_array_index(volume->others, j);

            if (g_str_equal(payload->pool, link->name->pool) &&
                g_str_equal(payload->volume, link->name->volume))
                link->header = volume;
        }
        if (link->header)
            g_ptr_array_index(volumes, i) = NULL;
    }
    return volumes != NULL;
}

/* Finds out what @text means: POOL/VOLUME, which need not exist; a path or a name, which must; the UUID of a link whose
 * entry in the registry cannot be read */
static bool
lukshdrToolForgetFind(lukshdrTool *tool,
                      const char *text,
                      lukshdrToolForgotten *link,
                      GError **error)
{
    g_autoptr(virStoragePool) pool = NULL;
    g_autoptr(GError) local = NULL;
    lukshdrToolVolume *found;

    if (g_uuid_string_is_valid(text)) {
        virStoragePoolPtr *pools = NULL;
        int count = virConnectListAllStoragePools(tool->conn, &pools, 0);
        int i;

        /* it has no pool that anybody knows, and any will do */
        link->name = g_new0(lukshdrToolName, 1);
        link->name->pool = count > 0 ? g_strdup(virStoragePoolGetName(pools[0])) : g_strdup("");
        link->name->volume = g_strdup(text);
        for (i = 0; i < count; i++)
            virStoragePoolFree(pools[i]);
        free(pools);
        return true;
    }

    link->name = lukshdrToolNameNew(text);
    if (*text == '/' || !link->name->volume)
        g_clear_pointer(&link->name, lukshdrToolNameFree);
    else
        pool = virStoragePoolLookupByName(tool->conn, link->name->pool);

    if (!(found = lukshdrToolVolumeFind(tool, text, &local))) {
        if (link->name && pool)
            return lukshdrToolForgetFindHeader(tool, link, error);
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }

    g_clear_pointer(&link->name, lukshdrToolNameFree);
    link->name = g_new0(lukshdrToolName, 1);
    if (found->role == LUKSHDR_TOOL_ROLE_HEADER) {
        const lukshdrToolName *payload = lukshdrToolVolumeOther(found);

        link->header = found;
        link->name->pool = g_strdup(payload->pool);
        link->name->volume = g_strdup(payload->volume);
        if (found->others->len > 1) {
            g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
                        _("header '%s' of pool '%s' has more than one payload; name the one that "
                          "is meant"),
                        found->name, found->pool);
            return false;
        }
        link->payload = lukshdrToolVolumeLookup(tool, payload->pool, payload->volume, NULL);
        return true;
    }

    link->payload = found;
    link->name->pool = g_strdup(found->pool);
    link->name->volume = g_strdup(found->name);
    if (found->role == LUKSHDR_TOOL_ROLE_PAYLOAD) {
        const lukshdrToolName *header = lukshdrToolVolumeOther(found);

        link->header = lukshdrToolVolumeLookup(tool, header->pool, header->volume, NULL);
        return true;
    }
    return lukshdrToolForgetFindHeader(tool, link, error);
}

/* What opens the header, and what is to be done with it: as the daemon says, or as the header's label does */
static void
lukshdrToolForgetShowSecret(lukshdrTool *tool,
                            const lukshdrToolForgotten *link,
                            const lukshdrToolHeader *content)
{
    const char *secret = link->payload ? link->payload->secretUUID : NULL;
    g_autofree char *payload = lukshdrTextShellName(link->name->pool, link->name->volume);
    g_autofree char *header = NULL;

    if (!secret && content && content->labels)
        secret = ((const lukshdrLink *)g_ptr_array_index(content->labels, 0))->secretUUID;
    /* of a volume that was wiped, or is not whole yet, a generated secret goes with the link */
    if (!secret || lukshdrToolStateSecretMissing(tool, secret) ||
        (link->payload && (g_strcmp0(link->payload->linkState, "wiped") == 0 ||
                           g_strcmp0(link->payload->linkState, "creating") == 0)))
        return;

    if (!link->header) {
        lukshdrToolNote(
            _("Secret %1$s: it stays, and opens backups of the header; when there are none any more: "
              "virsh secret-undefine %1$s"),
            secret);
        return;
    }
    header = lukshdrTextShellName(link->header->pool, link->header->name);
    lukshdrToolNote(
        _("Secret %1$s: it stays; to link again: virt-lukshdr link %2$s %3$s --secret %1$s; when all "
          "of it is deleted: virsh secret-undefine %1$s"),
        secret, payload, header);
}

/* Says what is there and what is lost, and what that means */
static void
lukshdrToolForgetShow(lukshdrTool *tool, const lukshdrToolForgotten *link)
{
    const lukshdrToolName *header = link->payload ? lukshdrToolVolumeOther(link->payload) : NULL;
    g_autoptr(lukshdrToolHeader) content = NULL;

    /* whether there is a link, only the daemon knows, and it is not asked yet */
    if (!link->header && !header) {
        if (link->payload)
            lukshdrToolNote(_("Payload %s/%s: it stays; nothing shows that it is linked"),
                            link->name->pool, link->name->volume);
        else
            lukshdrToolNote(
                _("Payload %s/%s: it is not there, and nothing in the active pools is its header"),
                link->name->pool, link->name->volume);
        return;
    }

    if (!link->payload)
        lukshdrToolNote(_("Payload %s/%s: lost"), link->name->pool, link->name->volume);
    else
        lukshdrToolNote(_("Payload %s/%s: it stays, as a volume like any other"), link->name->pool,
                        link->name->volume);

    if (link->header)
        content = lukshdrToolHeaderDownload(tool, link->header->vol, NULL);
    if (!link->header)
        lukshdrToolNote(_("Header %s/%s: lost, so nothing opens the payload but a backup of the "
                          "header"),
                        header->pool, header->volume);
    else if (!content || content->damage)
        lukshdrToolNote(_("Header %s/%s: damaged; it stays as a volume"), link->header->pool,
                        link->header->name);
    else if (!link->payload && link->header->others->len == 1)
        lukshdrToolNote(
            _("Header %1$s/%2$s: it stays, and opens the payload with its passphrase "
              "wherever a copy of that is; if there is none, delete it, and its name is free as well: "
              "virsh vol-delete %2$s %1$s"),
            link->header->pool, link->header->name);
    else
        lukshdrToolNote(_("Header %s/%s: it stays, and opens the payload with its passphrase "
                          "wherever a copy of that is"),
                        link->header->pool, link->header->name);
    lukshdrToolForgetShowSecret(tool, link, content);
}

/* A record that could not be read did not say which header it was about, so that one has kept its label */
static void
lukshdrToolForgetShowAgain(lukshdrTool *tool, const lukshdrToolForgotten *link)
{
    g_autoptr(GPtrArray) states = link->header ? NULL : lukshdrToolStateList(tool, NULL);
    guint i;

    for (i = 0; states && i < states->len; i++) {
        const lukshdrToolState *state = g_ptr_array_index(states, i);

        if (g_strcmp0(state->payloadName.pool, link->name->pool) ||
            g_strcmp0(state->payloadName.volume, link->name->volume))
            continue;
        if (state->payload)
            lukshdrToolNote(
                _("Header %1$s/%2$s has its link label still, and that has linked the two again; if that "
                  "is not meant: virt-lukshdr unlink %3$s/%4$s"),
                state->headerName.pool, state->headerName.volume, state->payloadName.pool,
                state->payloadName.volume);
        else
            lukshdrToolNote(
                _("Header %1$s/%2$s has its link label still; that links the two again when its pool is "
                  "refreshed: virsh pool-refresh %1$s"),
                state->headerName.pool, state->headerName.volume);
    }
}

static bool
lukshdrToolForgetRun(lukshdrTool *tool, char ***argv, GError **error)
{
    gboolean yes = FALSE;
    const GOptionEntry entries[] = {
        { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, N_("Do not ask"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    g_auto(lukshdrToolForgotten) link = { 0 };
    g_autofree char *question = NULL;
    g_autofree char *name = NULL;
    g_autoptr(virStoragePool) pool = NULL;

    link.headers = g_ptr_array_new_with_free_func(lukshdrToolNameFree);
    if (!lukshdrToolParse(tool, entries, 1, 2, argv, error) || !lukshdrToolConnect(tool, error) ||
        !lukshdrToolProbePlugin(tool, error) ||
        !lukshdrToolForgetFind(tool, (*argv)[1], &link, error))
        return false;
    if ((*argv)[2])
        g_ptr_array_add(link.headers, lukshdrToolNameNew((*argv)[2]));

    name = lukshdrTextShown(link.name->volume);
    if (g_uuid_string_is_valid((*argv)[1])) {
        question = g_strdup_printf(
            _("Give up the link '%s', of which this host can read nothing any more?"), name);
    } else {
        lukshdrToolForgetShow(tool, &link);
        question = g_strdup_printf(
            _("Give up the link of volume '%s' in pool '%s'? This host then knows no more that "
              "the two belong together."),
            name, link.name->pool);
    }
    if (!lukshdrToolConfirm(question, yes, error))
        return false;

    pool = virStoragePoolLookupByName(tool->conn, link.name->pool);
    if (!lukshdrToolForget(pool, link.name->volume, link.headers, error))
        return false;
    if (!g_uuid_string_is_valid((*argv)[1]))
        lukshdrToolForgetShowAgain(tool, &link);
    else
        lukshdrToolNote(
            _("Where the header has its link label, that makes the link again: virt-lukshdr list"));
    return true;
}

const lukshdrToolCommand lukshdrToolCommandForget = {
    .name = "forget",
    .parameters = N_("VOLUME [HEADER]"),
    .summary = N_("Give up a link of which something is lost, so that its names are free"),
    .example = "  virt-lukshdr forget images/data.qcow2",
    .run = lukshdrToolForgetRun,
};
