/*
 * cmd-list.c: virt-lukshdr list
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "util/text.h"
#include "state.h"

static char *
lukshdrToolListName(const lukshdrToolName *name)
{
    return name->pool ? g_strdup_printf("%s/%s", name->pool, name->volume) : g_strdup("-");
}

static bool
lukshdrToolListWanted(const lukshdrToolState *state, const char *pool)
{
    return !pool || g_strcmp0(state->payloadName.pool, pool) == 0 ||
           g_strcmp0(state->headerName.pool, pool) == 0;
}

static void
lukshdrToolListTable(lukshdrTool *tool, GPtrArray *states)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    g_autofree lukshdrToolColor *colors = g_new0(lukshdrToolColor, states->len + 1);
    const char *const heading[] = { _("Volume"), _("Format"), _("Size"), _("Header"),
                                    _("Secret"), _("State"),  NULL };
    guint i;

    g_ptr_array_add(rows, g_strdupv((char **)heading));
    for (i = 0; i < states->len; i++) {
        const lukshdrToolState *state = g_ptr_array_index(states, i);
        const lukshdrToolVolume *payload = state->payload;
        char **row = g_new0(char *, G_N_ELEMENTS(heading));

        row[0] = lukshdrToolListName(&state->payloadName);
        row[1] = g_strdup(payload ? payload->format : "-");
        row[2] = payload ? g_format_size_full(payload->capacity, G_FORMAT_SIZE_IEC_UNITS)
                         : g_strdup("-");
        row[3] = lukshdrToolListName(&state->headerName);
        row[4] = g_strdup(payload && payload->secretUUID ? payload->secretUUID : "-");
        row[5] = lukshdrToolStateText(state);
        g_ptr_array_add(rows, row);
        colors[i + 1] = state->kind == LUKSHDR_TOOL_STATE_OK ? LUKSHDR_TOOL_GOOD : LUKSHDR_TOOL_BAD;
    }
    lukshdrToolPrintTable(tool, rows, colors);

    for (i = 0; i < states->len; i++) {
        const lukshdrToolState *state = g_ptr_array_index(states, i);
        g_autofree char *name = NULL;
        g_autofree char *shown = NULL;
        g_autofree char *reason = NULL;
        g_autoptr(GPtrArray) advice = NULL;
        g_autoptr(GString) text = NULL;
        guint j;

        if (!state->reason)
            continue;
        text = g_string_new(state->reason);
        advice = lukshdrToolStateAdvice(tool, state);
        for (j = 0; j < advice->len; j++)
            g_string_append_printf(text, "; %s", (char *)g_ptr_array_index(advice, j));
        name = lukshdrToolListName(state->kind == LUKSHDR_TOOL_STATE_ORPHANED ||
                                           state->kind == LUKSHDR_TOOL_STATE_FOUND
                                       ? &state->headerName
                                       : &state->payloadName);
        shown = lukshdrTextShown(name);
        reason = lukshdrTextShown(text->str);
        lukshdrToolNote("%s: %s", shown, reason);
    }
}

static void
lukshdrToolListJSON(GPtrArray *states)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    guint i;

    json_builder_begin_array(builder);
    for (i = 0; i < states->len; i++)
        lukshdrToolStateToJSON(g_ptr_array_index(states, i), builder);
    json_builder_end_array(builder);
    lukshdrToolPrintJSON(json_builder_get_root(builder));
}

/* Says that there is nothing to list.  After a host was reinstalled, its headers are there, and nothing says which pool
 * has them. */
static bool
lukshdrToolListNone(lukshdrTool *tool, GError **error)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autoptr(GHashTable) headerPools = lukshdrToolHeaderPools(tool, none, error);

    if (!headerPools)
        return false;
    lukshdrToolNote(_("There are no linked volumes in active pools."));
    if (!g_hash_table_size(headerPools) && virConnectNumOfStoragePools(tool->conn) > 0)
        lukshdrToolNote(_(
            "No pool is known as one of headers: if one has headers of another host, or of this one before "
            "it was installed anew, docs/accidents.md says how to declare it."));
    return true;
}

static bool
lukshdrToolListRun(lukshdrTool *tool, char ***argv, GError **error)
{
    g_autofree char *pool = NULL;
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "pool", 'p', 0, G_OPTION_ARG_STRING, &pool,
          N_("Only links whose payload or header is in this pool"), N_("POOL") },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GPtrArray) states = NULL;
    virStoragePoolPtr found;
    guint i;

    if (!lukshdrToolParse(tool, entries, 0, 0, argv, error) || !lukshdrToolConnect(tool, error))
        return false;

    if (pool) {
        if (!(found = virStoragePoolLookupByName(tool->conn, pool))) {
            lukshdrToolSetLast(error);
            return false;
        }
        virStoragePoolFree(found);
    }

    if (!(states = lukshdrToolStateList(tool, error)))
        return false;
    for (i = states->len; i > 0; i--) {
        if (!lukshdrToolListWanted(g_ptr_array_index(states, i - 1), pool))
            g_ptr_array_remove_index(states, i - 1);
    }

    /* is there nothing to list, or does the daemon run without the plugin? */
    if (!states->len) {
        g_autoptr(GError) local = NULL;

        if (!lukshdrToolProbePlugin(tool, &local) &&
            g_error_matches(local, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_NO_PLUGIN)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
    }

    if (json)
        lukshdrToolListJSON(states);
    else if (states->len)
        lukshdrToolListTable(tool, states);
    else if (!lukshdrToolListNone(tool, error))
        return false;
    return true;
}

const lukshdrToolCommand lukshdrToolCommandList = {
    .name = "list",
    .parameters = "",
    .summary = N_(
        "List linked volumes, their headers and their state, and headers without a volume"),
    .example = "  virt-lukshdr list --pool images",
    .run = lukshdrToolListRun,
};
