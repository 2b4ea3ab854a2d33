/*
 * tool.h: what the commands of virt-lukshdr share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The connection, errors and exit statuses, options, and how things are shown.
 * volume.h has what the tool knows of volumes.
 */

#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStoragePool, virStoragePoolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStorageVol, virStorageVolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStream, virStreamFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSecret, virSecretFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

/* Exit statuses, documented in docs/manpages/virt-lukshdr.rst; also the codes
 * of LUKSHDR_TOOL_ERROR */
typedef enum {
    LUKSHDR_TOOL_DONE = 0,
    LUKSHDR_TOOL_FAILED = 1,
    LUKSHDR_TOOL_USAGE = 2,
    LUKSHDR_TOOL_NO_CONNECTION = 3,
    LUKSHDR_TOOL_NOT_FOUND = 4, /* or ambiguous */
    LUKSHDR_TOOL_NO_PLUGIN = 5,
    LUKSHDR_TOOL_REFUSED = 6, /* it would do harm, or the user answered a question with no */
    LUKSHDR_TOOL_WRONG = 7,   /* "check" found something */
    LUKSHDR_TOOL_INTERRUPTED = 130,
} lukshdrToolStatus;

/**
 * LUKSHDR_TOOL_ERROR:
 *
 * GError domain of errors that have an exit status of their own; codes are
 * lukshdrToolStatus values.  All other errors end the tool with LUKSHDR_TOOL_FAILED,
 * except libvirt's errors that say that something does not exist.
 */
#define LUKSHDR_TOOL_ERROR lukshdrToolErrorQuark()

/**
 * lukshdrToolErrorQuark:
 *
 * Returns: the quark behind LUKSHDR_TOOL_ERROR.
 */
GQuark
lukshdrToolErrorQuark(void);

typedef struct _lukshdrTool lukshdrTool;
typedef struct _lukshdrToolCommand lukshdrToolCommand;

struct _lukshdrTool {
    char *uri;          /* NULL for libvirt's default */
    virConnectPtr conn; /* NULL until lukshdrToolConnect */
    bool color;         /* whether stdout shows colours */
    bool utf8;          /* whether it shows more than ASCII */
    char **secrets;     /* UUIDs of libvirt's secrets; NULL until state.c asks for them */
    const lukshdrToolCommand *command;
};

struct _lukshdrToolCommand {
    const char *name;
    const char *parameters; /* for the usage line; translated when shown */
    const char *summary;    /* one line; translated when shown */
    const char *example;    /* of use */

    /* Returns: true, or false with @error set.  @argv: the command's own options
     * and arguments, its name first; NULL-terminated. */
    bool (*run)(lukshdrTool *tool, char ***argv, GError **error);
};

/**
 * lukshdrToolParse:
 * @tool: the tool; its command is the one whose arguments are parsed
 * @entries: the command's options, ended by G_OPTION_ENTRY_NULL; or NULL
 * @min: fewest arguments beside the options
 * @max: most of them
 * @argv: the command's name and all that follows; the function takes options out
 * @error: G_OPTION_ERROR; LUKSHDR_TOOL_USAGE for a wrong number of arguments
 *
 * If the arguments ask for help, prints the command's help and ends the process.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrToolParse(lukshdrTool *tool,
                 const GOptionEntry *entries,
                 guint min,
                 guint max,
                 char ***argv,
                 GError **error);

/**
 * lukshdrToolConnect:
 * @tool: the tool
 * @error: LUKSHDR_TOOL_NO_CONNECTION
 *
 * Returns: the connection, made at the first call and owned by the tool; NULL with @error set.
 */
virConnectPtr
lukshdrToolConnect(lukshdrTool *tool, GError **error);

/**
 * lukshdrToolSetLast:
 * @error: set to the thread's last libvirt error: LUKSHDR_STOCK_ERROR, the code
 *         being its virErrorNumber
 */
void
lukshdrToolSetLast(GError **error);

/**
 * lukshdrToolProbePlugin:
 * @tool: the tool
 * @error: LUKSHDR_TOOL_NO_PLUGIN if the daemon runs without the plugin, or with
 *         one that stays passive; libvirt's own
 *
 * A volume that shows no link may simply have none.  So the tool asks for the storage driver's capabilities, to which
 * the plugin adds an element of its own.  The daemon's log says nothing of that.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrToolProbePlugin(lukshdrTool *tool, GError **error);

typedef enum {
    LUKSHDR_TOOL_PLAIN,
    LUKSHDR_TOOL_GOOD, /* green */
    LUKSHDR_TOOL_BAD,  /* red */
    LUKSHDR_TOOL_HEAD, /* bold */
} lukshdrToolColor;

/**
 * lukshdrToolPaint:
 * @tool: the tool
 * @color: the colour
 * @text: the text
 *
 * Returns: @text in that colour if stdout shows any, freed with g_free.
 */
char *
lukshdrToolPaint(const lukshdrTool *tool, lukshdrToolColor color, const char *text);

/**
 * lukshdrToolPrintTable:
 * @tool: the tool
 * @rows: of char ** (GStrv), all equally long; the first is the heading
 * @colors: of the last column in each row; as many as rows
 *
 * Prints columns, the last in colours.  Escapes the content of the cells.
 */
void
lukshdrToolPrintTable(const lukshdrTool *tool, GPtrArray *rows, const lukshdrToolColor *colors);

/**
 * lukshdrToolPrintJSON:
 * @node: what to print, indented; taken over
 */
void
lukshdrToolPrintJSON(JsonNode *node);

/**
 * lukshdrToolNote:
 * @format: printf format of a translated remark
 *
 * Prints the remark on stderr, so that a program that reads stdout does not get it.
 */
void
lukshdrToolNote(const char *format, ...) G_GNUC_PRINTF(1, 2);

/**
 * lukshdrToolConfirm:
 * @question: translated, without the choices
 * @yes: whether the answer was given on the command line
 * @error: LUKSHDR_TOOL_REFUSED if the answer is no or if there is no terminal to ask
 *         at; LUKSHDR_TOOL_INTERRUPTED
 *
 * Returns: true if the answer is yes, or false with @error set.
 */
bool
lukshdrToolConfirm(const char *question, bool yes, GError **error);

/* The commands, each in a file of its name */
extern const lukshdrToolCommand lukshdrToolCommandAttach;
extern const lukshdrToolCommand lukshdrToolCommandChain;
extern const lukshdrToolCommand lukshdrToolCommandCheck;
extern const lukshdrToolCommand lukshdrToolCommandConvert;
extern const lukshdrToolCommand lukshdrToolCommandDetach;
extern const lukshdrToolCommand lukshdrToolCommandErase;
extern const lukshdrToolCommand lukshdrToolCommandForget;
extern const lukshdrToolCommand lukshdrToolCommandHeaderBackup;
extern const lukshdrToolCommand lukshdrToolCommandHeaderRestore;
extern const lukshdrToolCommand lukshdrToolCommandInfo;
extern const lukshdrToolCommand lukshdrToolCommandKeyAdd;
extern const lukshdrToolCommand lukshdrToolCommandKeyChange;
extern const lukshdrToolCommand lukshdrToolCommandKeyList;
extern const lukshdrToolCommand lukshdrToolCommandKeyRemove;
extern const lukshdrToolCommand lukshdrToolCommandLink;
extern const lukshdrToolCommand lukshdrToolCommandList;
extern const lukshdrToolCommand lukshdrToolCommandTrim;
extern const lukshdrToolCommand lukshdrToolCommandUnlink;
