/*
 * tool.c: what the commands of virt-lukshdr share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "tool.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/text.h"
#include "util/xml.h"

GQuark
lukshdrToolErrorQuark(void)
{
    return g_quark_from_static_string("lukshdr-tool-error");
}

bool
lukshdrToolParse(lukshdrTool *tool,
                 const GOptionEntry *entries,
                 guint min,
                 guint max,
                 char ***argv,
                 GError **error)
{
    /* do not translate an empty text: gettext would return the catalogue's header */
    const char *asked = *tool->command->parameters ? _(tool->command->parameters) : NULL;
    g_autofree char *parameters = g_strjoin(" ", tool->command->name, asked, NULL);
    g_autofree char *program = g_strdup_printf("virt-lukshdr %s", tool->command->name);
    g_autofree char *description = g_strdup_printf("%s\n%s\n", _("Example:"),
                                                   tool->command->example);
    g_autoptr(GOptionContext) context = g_option_context_new(asked);
    guint count;

    /* the usage line begins with it */
    g_set_prgname(program);

    g_option_context_set_summary(context, _(tool->command->summary));
    g_option_context_set_description(context, description);
    g_option_context_set_translation_domain(context, GETTEXT_PACKAGE);
    if (entries)
        g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);

    if (!g_option_context_parse_strv(context, argv, error))
        return false;

    /* parse_strv leaves the "--" that ends options */
    if ((*argv)[1] && g_str_equal((*argv)[1], "--")) {
        g_free((*argv)[1]);
        memmove(*argv + 1, *argv + 2, sizeof(char *) * (g_strv_length(*argv + 2) + 1));
    }

    count = g_strv_length(*argv) - 1;
    if (count >= min && count <= max)
        return true;

    g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
                count < min ? _("'%s' needs more arguments: %s") : _("'%s' takes no more than: %s"),
                tool->command->name, parameters);
    return false;
}

virConnectPtr
lukshdrToolConnect(lukshdrTool *tool, GError **error)
{
    const char *message;

    if (tool->conn)
        return tool->conn;

    if ((tool->conn = virConnectOpenAuth(tool->uri, virConnectAuthPtrDefault, 0)))
        return tool->conn;

    message = virGetLastErrorMessage();
    g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_NO_CONNECTION,
                _("Unable to connect to libvirt at '%s': %s"),
                tool->uri ? tool->uri : _("its default"), message);
    return NULL;
}

void
lukshdrToolSetLast(GError **error)
{
    const virError *last = virGetLastError();

    g_set_error_literal(error, LUKSHDR_STOCK_ERROR, last ? last->code : VIR_ERR_INTERNAL_ERROR,
                        last && last->message ? last->message : _("unknown error of libvirt's"));
}

bool
lukshdrToolProbePlugin(lukshdrTool *tool, GError **error)
{
    virConnectPtr conn = lukshdrToolConnect(tool, error);
    g_autofree char *xml = conn ? virConnectGetStoragePoolCapabilities(conn, 0) : NULL;
    g_autoptr(xmlDoc) doc = xml ? lukshdrXMLParse(xml, strlen(xml), NULL, NULL) : NULL;
    xmlNode *node;

    if (!conn)
        return false;
    if (!xml) {
        lukshdrToolSetLast(error);
        return false;
    }

    for (node = doc ? xmlDocGetRootElement(doc)->children : NULL; node; node = node->next) {
        if (node->ns && xmlStrEqual(node->name, BAD_CAST LUKSHDR_XML_CAPABILITIES) &&
            xmlStrEqual(node->ns->href, BAD_CAST LUKSHDR_XML_CAPABILITIES_URI))
            return true;
    }

    g_set_error_literal(
        error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_NO_PLUGIN,
        _("the daemon runs without libvirt-lukshdr (not installed, not restarted since, "
          "or passive: its log says which); without it only "
          "'chain --header' works"));
    return false;
}

char *
lukshdrToolPaint(const lukshdrTool *tool, lukshdrToolColor color, const char *text)
{
    /* ECMA-48, Select Graphic Rendition */
    static const char *const codes[] = { "", "32", "31", "1" };

    if (!tool->color || color == LUKSHDR_TOOL_PLAIN)
        return g_strdup(text);
    return g_strdup_printf("\033[%sm%s\033[0m", codes[color], text);
}

/* Returns how many columns a text takes: two for each wide character of East Asia */
static int
lukshdrToolWidth(const char *text)
{
    int width = 0;

    for (; *text; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);

        width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}

void
lukshdrToolPrintTable(const lukshdrTool *tool, GPtrArray *rows, const lukshdrToolColor *colors)
{
    guint columns = g_strv_length(g_ptr_array_index(rows, 0));
    g_autofree int *widths = g_new0(int, columns);
    guint row;
    guint col;

    for (row = 0; row < rows->len; row++) {
        char **cells = g_ptr_array_index(rows, row);

        for (col = 0; col < columns; col++) {
            char *shown = lukshdrTextShown(cells[col]);

            g_free(cells[col]);
            cells[col] = shown;
            widths[col] = MAX(widths[col], lukshdrToolWidth(shown));
        }
    }

    for (row = 0; row < rows->len; row++) {
        char **cells = g_ptr_array_index(rows, row);

        for (col = 0; col < columns; col++) {
            bool last = col == columns - 1;
            g_autofree char *cell = lukshdrToolPaint(tool,
                                                     row == 0 ? LUKSHDR_TOOL_HEAD
                                                     : last   ? colors[row]
                                                              : LUKSHDR_TOOL_PLAIN,
                                                     cells[col]);

            g_print("%s%*s", cell, last ? 0 : widths[col] - lukshdrToolWidth(cells[col]) + 2, "");
        }
        g_print("\n");
    }
}

void
lukshdrToolPrintJSON(JsonNode *node)
{
    g_autoptr(JsonNode) owned = node;
    g_autofree char *text = json_to_string(owned, TRUE);

    /* JSON is UTF-8 whatever the locale, so do not use g_print, which converts */
    fputs(text, stdout);
    fputc('\n', stdout);
}

void
lukshdrToolNote(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);

    fflush(stdout);
    g_printerr("%s\n", text);
}

bool
lukshdrToolConfirm(const char *question, bool yes, GError **error)
{
    g_autofree char *answer = NULL;
    size_t size = 0;
    ssize_t got;

    if (yes)
        return true;

    if (!isatty(STDIN_FILENO)) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                    _("this needs an answer and there is no terminal to ask at; say --yes to: %s"),
                    question);
        return false;
    }

    g_printerr(_("%s [y/N] "), question);
    got = getline(&answer, &size, stdin);
    if (got > 0) {
        /* TRANSLATORS: the letter for "yes", lower case */
        const char *letter = _("y");

        if (g_ascii_tolower(*answer) == 'y' || g_str_has_prefix(answer, letter))
            return true;
    }

    g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                        _("nothing was done, as you wish"));
    return false;
}
