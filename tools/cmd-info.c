/*
 * cmd-info.c: virt-lukshdr info, and key-list
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gi18n.h>

#include "util/text.h"
#include "state.h"

static void
lukshdrToolInfoLine(const char *name, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
lukshdrToolInfoLine(const char *name, const char *format, ...)
{
    g_autofree char *value = NULL;
    g_autofree char *shown = NULL;
    va_list args;

    va_start(args, format);
    value = g_strdup_vprintf(format, args);
    va_end(args);

    shown = lukshdrTextShown(value);
    g_print("%-14s %s\n", name, shown);
}

static void
lukshdrToolInfoSlots(const lukshdrToolHeader *content)
{
    guint i;

    for (i = 0; i < LUKSHDR_LUKS_SLOTS; i++) {
        g_autofree char *name = g_strdup_printf(_("Key slot %u:"), i);

        if (content->slots[i].active)
            lukshdrToolInfoLine(name, _("in use, %u iterations"), content->slots[i].iterations);
        else
            lukshdrToolInfoLine(name, _("free"));
    }
}

static void
lukshdrToolInfoText(lukshdrTool *tool, const lukshdrToolState *state)
{
    const lukshdrToolVolume *payload = state->payload;
    const lukshdrToolHeader *content = state->content;
    g_autofree char *text = lukshdrToolStateText(state);
    g_autofree char *shown = lukshdrTextShown(text);
    g_autofree char *painted = lukshdrToolPaint(
        tool, state->kind == LUKSHDR_TOOL_STATE_OK ? LUKSHDR_TOOL_GOOD : LUKSHDR_TOOL_BAD, shown);
    g_autofree char *where = lukshdrToolVolumeWhere(payload);
    g_autofree char *size = g_format_size_full(payload->capacity, G_FORMAT_SIZE_IEC_UNITS);
    guint i;

    lukshdrToolInfoLine(_("Volume:"), "%s/%s", payload->pool, payload->name);
    lukshdrToolInfoLine(_("Payload:"), "%s", where);
    lukshdrToolInfoLine(_("Format:"), "%s", payload->format);
    lukshdrToolInfoLine(_("Size:"), "%s", size);
    g_print("%-14s %s\n", _("State:"), painted);
    if (state->reason)
        lukshdrToolInfoLine("", "%s", state->reason);
    lukshdrToolInfoLine(_("Secret:"), "%s", payload->secretUUID ? payload->secretUUID : "-");
    lukshdrToolInfoLine(_("Header:"), "%s/%s%s", state->headerName.pool, state->headerName.volume,
                        payload->shared ? _(" (shared with other volumes)") : "");
    if (state->header) {
        g_autofree char *header = lukshdrToolVolumeWhere(state->header);

        lukshdrToolInfoLine("", "%s", header);
    }
    for (i = 1; i < payload->others->len; i++) {
        const lukshdrToolName *name = g_ptr_array_index(payload->others, i);

        lukshdrToolInfoLine(i == 1 ? _("Replicas:") : "", "%s/%s", name->pool, name->volume);
    }

    if (content && !content->damage) {
        lukshdrToolInfoLine(_("LUKS UUID:"), "%s", content->uuid);
        lukshdrToolInfoLine(_("Cipher:"), _("%s-%s, %u bits"), content->cipher, content->mode,
                            content->keyBytes * 8);
        lukshdrToolInfoLine(_("Hash:"), _("%s, %u iterations"), content->hash, content->iterations);
        lukshdrToolInfoSlots(content);
    }

    /* what somebody sees who has only the payload; a format's own header does not mention LUKS */
    if (g_str_equal(payload->format, "raw"))
        lukshdrToolInfoLine(_("Without it:"),
                            _("random bytes: nothing shows that they are a disk"));
    else
        lukshdrToolInfoLine(_("Without it:"),
                            _("a %s image of %s with random bytes in it: what is allocated shows, "
                              "nothing else"),
                            payload->format, size);
}

static void
lukshdrToolInfoJSONSlots(JsonBuilder *builder, const lukshdrToolHeader *content)
{
    guint i;

    json_builder_begin_array(builder);
    for (i = 0; i < LUKSHDR_LUKS_SLOTS; i++) {
        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "slot");
        json_builder_add_int_value(builder, i);
        json_builder_set_member_name(builder, "active");
        json_builder_add_boolean_value(builder, content->slots[i].active);
        json_builder_set_member_name(builder, "iterations");
        json_builder_add_int_value(builder, content->slots[i].iterations);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
lukshdrToolInfoJSON(const lukshdrToolState *state)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    const lukshdrToolHeader *content = state->content;

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "link");
    lukshdrToolStateToJSON(state, builder);
    json_builder_set_member_name(builder, "luks");
    if (content && !content->damage) {
        json_builder_begin_object(builder);
        lukshdrToolStateJSONAdd(builder, "uuid", content->uuid);
        lukshdrToolStateJSONAdd(builder, "cipher", content->cipher);
        lukshdrToolStateJSONAdd(builder, "mode", content->mode);
        lukshdrToolStateJSONAdd(builder, "hash", content->hash);
        json_builder_set_member_name(builder, "key-bits");
        json_builder_add_int_value(builder, (gint64)content->keyBytes * 8);
        json_builder_set_member_name(builder, "iterations");
        json_builder_add_int_value(builder, content->iterations);
        json_builder_set_member_name(builder, "slots");
        lukshdrToolInfoJSONSlots(builder, content);
        json_builder_end_object(builder);
    } else {
        json_builder_add_null_value(builder);
    }
    json_builder_end_object(builder);
    lukshdrToolPrintJSON(json_builder_get_root(builder));
}

static bool
lukshdrToolInfoRun(lukshdrTool *tool, char ***argv, GError **error)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "json", 'j', 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    lukshdrToolVolume *payload;
    g_autoptr(lukshdrToolState) state = NULL;

    if (!lukshdrToolParse(tool, entries, 1, 1, argv, error) ||
        !(payload = lukshdrToolVolumeFindLinked(tool, (*argv)[1], error)) ||
        !(state = lukshdrToolStateOf(tool, payload, error)))
        return false;

    if (json)
        lukshdrToolInfoJSON(state);
    else
        lukshdrToolInfoText(tool, state);
    return true;
}

const lukshdrToolCommand lukshdrToolCommandInfo = {
    .name = "info",
    .parameters = N_("VOLUME"),
    .summary = N_("Show a linked volume, its LUKS header and who uses it"),
    .example = "  virt-lukshdr info images/data.qcow2",
    .run = lukshdrToolInfoRun,
};

static bool
lukshdrToolKeyListRun(lukshdrTool *tool, char ***argv, GError **error)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "json", 'j', 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    lukshdrToolVolume *payload;
    g_autoptr(lukshdrToolState) state = NULL;

    if (!lukshdrToolParse(tool, entries, 1, 1, argv, error) ||
        !(payload = lukshdrToolVolumeFindLinked(tool, (*argv)[1], error)) ||
        !(state = lukshdrToolStateOf(tool, payload, error)))
        return false;

    if (!state->content || state->content->damage) {
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED, state->reason);
        return false;
    }

    if (json) {
        g_autoptr(JsonBuilder) builder = json_builder_new();

        lukshdrToolInfoJSONSlots(builder, state->content);
        lukshdrToolPrintJSON(json_builder_get_root(builder));
    } else {
        lukshdrToolInfoSlots(state->content);
    }
    return true;
}

const lukshdrToolCommand lukshdrToolCommandKeyList = {
    .name = "key-list",
    .parameters = N_("VOLUME"),
    .summary = N_("List the key slots of a linked volume's header"),
    .example = "  virt-lukshdr key-list images/data.qcow2",
    .run = lukshdrToolKeyListRun,
};
