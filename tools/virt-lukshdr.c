/*
 * virt-lukshdr.c: the command-line tool's frame
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of commands, the options before the command, and how errors end the tool.
 */

#include "config.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/text.h"
#include "tool.h"

static const lukshdrToolCommand *const lukshdrToolCommands[] = {
    &lukshdrToolCommandList,    &lukshdrToolCommandInfo,         &lukshdrToolCommandChain,
    &lukshdrToolCommandKeyList, &lukshdrToolCommandAttach,       &lukshdrToolCommandDetach,
    &lukshdrToolCommandLink,    &lukshdrToolCommandUnlink,       &lukshdrToolCommandForget,
    &lukshdrToolCommandErase,   &lukshdrToolCommandHeaderBackup, &lukshdrToolCommandHeaderRestore,
    &lukshdrToolCommandKeyAdd,  &lukshdrToolCommandKeyRemove,    &lukshdrToolCommandKeyChange,
    &lukshdrToolCommandConvert, &lukshdrToolCommandTrim,         &lukshdrToolCommandCheck,
};

/* Prints nothing: libvirt's own handler would print each error, also expected ones */
static void
lukshdrToolSilence(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

static const lukshdrToolCommand *
lukshdrToolFindCommand(const char *name)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrToolCommands); i++) {
        if (g_str_equal(lukshdrToolCommands[i]->name, name))
            return lukshdrToolCommands[i];
    }
    return NULL;
}

static char *
lukshdrToolCommandHelp(void)
{
    g_autoptr(GString) text = g_string_new(_("Commands:"));
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrToolCommands); i++) {
        g_string_append_printf(text, "\n  %-16s %s", lukshdrToolCommands[i]->name,
                               _(lukshdrToolCommands[i]->summary));
    }
    g_string_append_printf(text, "\n\n%s",
                           _("'virt-lukshdr COMMAND --help' says more, with an example. VOLUME is "
                             "POOL/VOLUME, a path, or\na name that only one pool has."));
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static lukshdrToolStatus
lukshdrToolStatusOf(const GError *error)
{
    if (error->domain == LUKSHDR_TOOL_ERROR)
        return error->code;
    if (error->domain == G_OPTION_ERROR)
        return LUKSHDR_TOOL_USAGE;
    if (g_error_matches(error, LUKSHDR_STOCK_ERROR, VIR_ERR_NO_STORAGE_POOL) ||
        g_error_matches(error, LUKSHDR_STOCK_ERROR, VIR_ERR_NO_STORAGE_VOL) ||
        g_error_matches(error, LUKSHDR_STOCK_ERROR, VIR_ERR_NO_DOMAIN))
        return LUKSHDR_TOOL_NOT_FOUND;
    return LUKSHDR_TOOL_FAILED;
}

static bool
lukshdrToolUsable(const char *variable)
{
    const char *value = g_getenv(variable);

    return value && *value;
}

/* Parses the options before the command.  Leaves the command and what follows it in @argv. */
static bool
lukshdrToolParseGlobal(lukshdrTool *tool, char ***argv, GError **error)
{
    gboolean version = FALSE;
    const GOptionEntry entries[] = {
        { "connect", 'c', 0, G_OPTION_ARG_STRING, &tool->uri, N_("The libvirt daemon to use"),
          N_("URI") },
        { "version", 'V', 0, G_OPTION_ARG_NONE, &version, N_("Print the version"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new(_("COMMAND [ARGUMENT...]"));
    g_autofree char *commands = lukshdrToolCommandHelp();

    g_option_context_set_summary(
        context, _("Looks after libvirt volumes whose LUKS header is kept apart from the data."));
    g_option_context_set_description(context, commands);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_set_translation_domain(context, GETTEXT_PACKAGE);
    g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);

    if (!g_option_context_parse_strv(context, argv, error))
        return false;

    if (version) {
        printf("virt-lukshdr %s\n", LUKSHDR_VERSION);
        exit(LUKSHDR_TOOL_DONE);
    }

    /* "help" is what virsh's users type */
    if ((*argv)[1] && g_str_equal((*argv)[1], "help")) {
        g_autofree char *text = NULL;

        if ((*argv)[2] && lukshdrToolFindCommand((*argv)[2])) {
            char **asked = g_new0(char *, 4);

            asked[0] = g_strdup((*argv)[0]);
            asked[1] = g_strdup((*argv)[2]);
            asked[2] = g_strdup("--help");
            g_strfreev(*argv);
            *argv = asked;
            return true;
        }
        text = g_option_context_get_help(context, TRUE, NULL);
        g_print("%s", text);
        exit(LUKSHDR_TOOL_DONE);
    }
    return true;
}

static bool
lukshdrToolRun(lukshdrTool *tool, char ***argv, GError **error)
{
    const char *name;

    if (!lukshdrToolParseGlobal(tool, argv, error))
        return false;

    if (!(name = (*argv)[1])) {
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
                            _("no command given; 'virt-lukshdr --help' lists them"));
        return false;
    }

    if (!(tool->command = lukshdrToolFindCommand(name))) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE,
                    _("there is no command '%s'; 'virt-lukshdr --help' lists them"), name);
        return false;
    }

    /* the command gets its own arguments only, with its name in front, as GOption expects */
    g_free((*argv)[0]);
    memmove(*argv, *argv + 1, sizeof(char *) * g_strv_length(*argv));
    return tool->command->run(tool, argv, error);
}

int
main(int argc G_GNUC_UNUSED, char **args)
{
    lukshdrTool tool = { 0 };
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;
    lukshdrToolStatus status = LUKSHDR_TOOL_DONE;

    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, LUKSHDR_LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    textdomain(GETTEXT_PACKAGE);
    g_set_prgname("virt-lukshdr");

    /* When the daemon or a program of QEMU's ends early, a write to it shall fail: the tool must say what it
     * has done so far, and not end in the middle of a change of keys.  Programs that it runs do not
     * inherit this (util/command.c). */
    signal(SIGPIPE, SIG_IGN);

    virSetErrorFunc(NULL, lukshdrToolSilence);
    if (virInitialize() < 0)
        return LUKSHDR_TOOL_FAILED;
    /* The tool has no event loop, and so does not register one: libvirt would promise the daemon to answer its pings, and the
     * daemon closes the connection after some 30 seconds without an answer, such as at a prompt or while
     * qemu-img stretches a key. */

    tool.color = isatty(STDOUT_FILENO) && !lukshdrToolUsable("NO_COLOR") &&
                 lukshdrToolUsable("TERM") && g_strcmp0(g_getenv("TERM"), "dumb");
    tool.utf8 = g_get_charset(NULL);

    argv = g_strdupv(args);
    if (!lukshdrToolRun(&tool, &argv, &error)) {
        status = lukshdrToolStatusOf(error);
        /* "check" has printed its findings already, and its error has no message */
        if (*error->message) {
            g_autofree char *message = lukshdrTextShown(error->message);

            fflush(stdout);
            g_printerr(_("virt-lukshdr: %s\n"), message);
        }
    }

    if (tool.conn)
        virConnectClose(tool.conn);
    g_strfreev(tool.secrets);
    g_free(tool.uri);

    /* if stdout could not be written, for example to a full disk, the tool must fail; nobody who has had
     * enough ("| head") need hear of that */
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno != EPIPE)
            g_printerr(_("virt-lukshdr: %s\n"), _("Unable to write the output"));
        status = status ? status : LUKSHDR_TOOL_FAILED;
    }
    return status;
}
