/*
 * cmd-convert.c: virt-lukshdr convert
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The daemon does the work (virStorageVolCreateXMLFrom); the tool tells it how and watches
 * it meanwhile.  libvirt has no way to stop it.  If the user interrupts the tool, the tool
 * waits for the daemon's end and then removes the new volume.
 */

#include "config.h"

#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "cmd-link.h"
#include "util/xml.h"

/* How often the tool looks at the new volume, milliseconds */
#define LUKSHDR_TOOL_CONVERT_POLL 200
#define LUKSHDR_TOOL_CONVERT_BAR 40

typedef enum {
    LUKSHDR_TOOL_PROGRESS_NONE,
    LUKSHDR_TOOL_PROGRESS_BAR,
    LUKSHDR_TOOL_PROGRESS_JSON,
} lukshdrToolProgress;

/* Two threads share it: one waits for the daemon, the other watches.  The first writes vol and
 * error and then sets ended (atomic).  The other reads them only after that. */
typedef struct _lukshdrToolConvert lukshdrToolConvert;
struct _lukshdrToolConvert {
    virStoragePoolPtr pool;
    virStorageVolPtr source;
    char *xml;
    char *name;
    lukshdrToolProgress progress;
    guint64 total; /* how many bytes the new volume will probably have allocated */

    virStorageVolPtr vol;
    GError *error;
    gint ended;
};

static gpointer
lukshdrToolConvertThread(gpointer opaque)
{
    lukshdrToolConvert *convert = opaque;

    convert->vol = virStorageVolCreateXMLFrom(convert->pool, convert->xml, convert->source, 0);
    if (!convert->vol)
        lukshdrToolSetLast(&convert->error);
    g_atomic_int_set(&convert->ended, 1);
    return NULL;
}

/* Returns how many bytes the new volume has by now */
static guint64
lukshdrToolConvertDone(const lukshdrToolConvert *convert)
{
    g_autoptr(virStorageVol) vol = virStorageVolLookupByName(convert->pool, convert->name);
    virStorageVolInfo info;

    /* at first there is no volume */
    return vol && virStorageVolGetInfo(vol, &info) == 0 ? info.allocation : 0;
}

static void
lukshdrToolConvertShow(const lukshdrToolConvert *convert, guint64 done, bool end)
{
    /* the total is an estimate, so show 100 only when the conversion has ended */
    guint percent = end ? 100 : MIN(done * 100 / MAX(convert->total, 1), 99);

    if (convert->progress == LUKSHDR_TOOL_PROGRESS_JSON) {
        g_autoptr(JsonBuilder) builder = json_builder_new();
        g_autoptr(JsonNode) node = NULL;
        g_autofree char *text = NULL;

        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "done");
        json_builder_add_int_value(builder, done);
        json_builder_set_member_name(builder, "total");
        json_builder_add_int_value(builder, convert->total);
        json_builder_set_member_name(builder, "percent");
        json_builder_add_int_value(builder, percent);
        json_builder_end_object(builder);
        node = json_builder_get_root(builder);
        text = json_to_string(node, FALSE);
        puts(text);
        fflush(stdout);
    } else if (convert->progress == LUKSHDR_TOOL_PROGRESS_BAR) {
        g_autofree char *bar = g_strnfill(percent * LUKSHDR_TOOL_CONVERT_BAR / 100, '#');

        fprintf(stderr, "\r[%-*s] %3u%%%s", LUKSHDR_TOOL_CONVERT_BAR, bar, percent,
                end ? "\n" : "");
        fflush(stderr);
    }
}

/* How often the user has interrupted.  Only the signal handler writes it. */
static volatile sig_atomic_t lukshdrToolConvertInterrupts;

static void
lukshdrToolConvertInterrupt(int number G_GNUC_UNUSED)
{
    lukshdrToolConvertInterrupts++;
}

/* Waits for the end of the thread.  Returns false if the user does not want to wait. */
static bool
lukshdrToolConvertWatch(const lukshdrToolConvert *convert)
{
    guint64 shown = G_MAXUINT64;
    int told = 0;

    while (!g_atomic_int_get(&convert->ended)) {
        int interrupts = lukshdrToolConvertInterrupts;

        if (interrupts > 1)
            return false;
        if (interrupts > told) {
            told = interrupts;
            lukshdrToolNote(
                _("\nThe daemon cannot be stopped; when it is done the new volume is removed. "
                  "Press Ctrl-C once more to leave it alone."));
        }
        if (convert->progress && !interrupts) {
            guint64 done = lukshdrToolConvertDone(convert);

            if (done != shown && !g_atomic_int_get(&convert->ended))
                lukshdrToolConvertShow(convert, done, false);
            shown = done;
        }
        g_usleep(LUKSHDR_TOOL_CONVERT_POLL * 1000);
    }
    return true;
}

static bool
lukshdrToolConvertFinish(lukshdrToolConvert *convert, GError **error)
{
    if (lukshdrToolConvertInterrupts) {
        if (convert->vol && virStorageVolDelete(convert->vol, 0) < 0) {
            lukshdrToolSetLast(error);
            g_prefix_error(error, _("interrupted, and the new volume could not be removed: "));
            return false;
        }
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_INTERRUPTED,
                            _("interrupted; the new volume was removed"));
        return false;
    }

    if (!convert->vol) {
        if (convert->progress == LUKSHDR_TOOL_PROGRESS_BAR)
            fputc('\n', stderr);
        g_propagate_error(error, g_steal_pointer(&convert->error));
        return false;
    }
    lukshdrToolConvertShow(convert, convert->total, true);
    return true;
}

static bool
lukshdrToolConvertDo(lukshdrToolConvert *convert, GError **error)
{
    const struct sigaction interrupt = { .sa_handler = lukshdrToolConvertInterrupt,
                                         .sa_flags = SA_RESTART };
    GThread *thread;

    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    thread = g_thread_new("convert", lukshdrToolConvertThread, convert);

    if (!lukshdrToolConvertWatch(convert)) {
        /* do not join the thread, which waits for the daemon: it ends with the process */
        lukshdrToolNote(
            _("The daemon goes on making volume '%s'; virsh vol-delete removes it when it is "
              "done."),
            convert->name);
        _exit(LUKSHDR_TOOL_INTERRUPTED);
    }
    g_thread_join(thread);
    return lukshdrToolConvertFinish(convert, error);
}

/* Does the pool have an encryption default, so that volumes without <encryption> become linked? */
static bool
lukshdrToolConvertHasDefault(virStoragePoolPtr pool)
{
    char *text = virStoragePoolGetXMLDesc(pool, 0);
    g_autoptr(xmlDoc) doc = text ? lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_POOL, NULL)
                                 : NULL;
    xmlNode *target = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET) : NULL;

    free(text);
    return target && lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION);
}

typedef struct _lukshdrToolConvertOptions lukshdrToolConvertOptions;
struct _lukshdrToolConvertOptions {
    char *format;
    char *header;
    char *secret;
    gboolean plain;
    gboolean sameKey;
    gboolean quiet;
    gboolean json;
};

static void
lukshdrToolConvertOptionsClear(lukshdrToolConvertOptions *opts)
{
    g_free(opts->format);
    g_free(opts->header);
    g_free(opts->secret);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrToolConvertOptions, lukshdrToolConvertOptionsClear)

/* Returns the XML of the new volume */
static xmlDoc *
lukshdrToolConvertXML(const lukshdrToolConvertOptions *opts,
                      const lukshdrToolVolume *source,
                      const char *name,
                      bool hasDefault)
{
    g_autoptr(GPtrArray) headers = g_ptr_array_new_with_free_func(lukshdrToolNameFree);
    g_autofree char *capacity = g_strdup_printf("%" G_GUINT64_FORMAT, source->capacity);
    bool linked = source->role == LUKSHDR_TOOL_ROLE_PAYLOAD;
    xmlDoc *doc;
    xmlNode *target;
    xmlNode *node;

    if (opts->header)
        g_ptr_array_add(headers, lukshdrToolNameNew(opts->header));
    else if (linked && !opts->plain)
        g_ptr_array_add(headers, lukshdrToolNameNew(lukshdrToolVolumeOther(source)->pool));

    doc = lukshdrToolLinkXML(name, opts->sameKey ? "copy" : NULL, headers, opts->secret);
    target = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET);
    if (!headers->len) {
        node = lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION);
        xmlUnlinkNode(node);
        xmlFreeNode(node);
        /* only a pool with a default needs this word, and stock does not know it */
        if (opts->plain && hasDefault)
            lukshdrXMLSetAttribute(lukshdrXMLAddChild(target, LUKSHDR_XML_ENCRYPTION, NULL),
                                   LUKSHDR_XML_FORMAT, "none");
    }

    lukshdrXMLAddChild(xmlDocGetRootElement(doc), LUKSHDR_XML_CAPACITY, capacity);
    lukshdrXMLAddChild(xmlDocGetRootElement(doc), "allocation", "0");
    node = lukshdrXMLAddChild(target, LUKSHDR_XML_FORMAT, NULL);
    lukshdrXMLSetAttribute(node, "type", opts->format ? opts->format : source->format);
    return doc;
}

static bool
lukshdrToolConvertCheck(const lukshdrToolConvertOptions *opts, const char *target, GError **error)
{
    const char *wrong = NULL;

    if (!strchr(target, '/') || *target == '/')
        wrong = _("the new volume is named as POOL/VOLUME");
    else if (opts->plain && (opts->header || opts->secret || opts->sameKey))
        wrong = _("a plain volume has neither header nor secret");
    else if (opts->sameKey && opts->secret)
        wrong = _("a copy of the header opens with the same secret");

    if (wrong)
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_USAGE, wrong);
    return !wrong;
}

static bool
lukshdrToolConvertRun(lukshdrTool *tool, char ***argv, GError **error)
{
    g_auto(lukshdrToolConvertOptions) opts = { 0 };
    const GOptionEntry entries[] = {
        { "format", 'f', 0, G_OPTION_ARG_STRING, &opts.format,
          N_("Of the new volume (as the old one's)"), N_("FORMAT") },
        { "plain", 0, 0, G_OPTION_ARG_NONE, &opts.plain, N_("Decrypt"), NULL },
        { "header", 0, 0, G_OPTION_ARG_STRING, &opts.header,
          N_("Where the new header goes (the old one's pool)"), N_("POOL[/VOLUME]") },
        { "secret", 0, 0, G_OPTION_ARG_STRING, &opts.secret,
          N_("The libvirt secret of the new volume (one is generated)"), N_("UUID|USAGE") },
        { "same-key", 0, 0, G_OPTION_ARG_NONE, &opts.sameKey,
          N_("Copy header and ciphertext as they are, which is quicker"), NULL },
        { "quiet", 'q', 0, G_OPTION_ARG_NONE, &opts.quiet, N_("Show no progress"), NULL },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &opts.json, N_("Print progress as lines of JSON"),
          NULL },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(lukshdrToolVolume) source = NULL;
    g_autoptr(virStoragePool) pool = NULL;
    g_autoptr(virStorageVol) vol = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    g_autofree char *xml = NULL;
    lukshdrToolName *target;
    lukshdrToolConvert convert = { 0 };
    bool ok = false;

    if (!lukshdrToolParse(tool, entries, 2, 2, argv, error) ||
        !lukshdrToolConvertCheck(&opts, (*argv)[2], error) ||
        !(source = lukshdrToolVolumeFind(tool, (*argv)[1], error)))
        return false;

    target = lukshdrToolNameNew((*argv)[2]);
    if (!(pool = virStoragePoolLookupByName(tool->conn, target->pool))) {
        lukshdrToolSetLast(error);
    } else if (lukshdrToolProbePlugin(tool, error)) {
        /* stock would drop the <header> and copy ciphertext */
        doc = lukshdrToolConvertXML(&opts, source, target->volume,
                                    lukshdrToolConvertHasDefault(pool));
        xml = lukshdrXMLFormat(xmlDocGetRootElement(doc));
        convert.pool = pool;
        convert.source = source->vol;
        convert.xml = xml;
        convert.name = target->volume;
        convert.progress = opts.quiet              ? LUKSHDR_TOOL_PROGRESS_NONE
                           : opts.json             ? LUKSHDR_TOOL_PROGRESS_JSON
                           : isatty(STDERR_FILENO) ? LUKSHDR_TOOL_PROGRESS_BAR
                                                   : LUKSHDR_TOOL_PROGRESS_NONE;
        /* the daemon writes a linked volume from end to end, zeroes too */
        convert.total = opts.plain ? source->allocation : source->capacity;
        ok = lukshdrToolConvertDo(&convert, error);
        vol = convert.vol;
        g_clear_error(&convert.error);
    }
    lukshdrToolNameFree(target);
    return ok;
}

const lukshdrToolCommand lukshdrToolCommandConvert = {
    .name = "convert",
    .parameters = N_("SOURCE POOL/VOLUME"),
    .summary = N_(
        "Make a new volume of an existing one: encrypt it, give it other keys, decrypt it"),
    .example = "  virt-lukshdr convert images/plain.qcow2 images/data.qcow2 --header vault-headers",
    .run = lukshdrToolConvertRun,
};
