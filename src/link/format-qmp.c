/*
 * format-qmp.c: formatting a header volume with qemu-storage-daemon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * QMP over the child's stdin and stdout, one JSON object a line in either
 * direction (QEMU's docs/interop/qmp-spec): commands are answered in order by
 * an object with "return" or "error", events come in between.
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>
#include <libvirt/virterror.h>
#include <sys/stat.h>

#include "util/command.h"
#include "util/error.h"
#include "format-priv.h"

#define LUKSHDR_FORMAT_NODE "header"
#define LUKSHDR_FORMAT_JOB "format"

/* Returns @node's string member, owned by it, or NULL.  json-glib's own functions take
 * another type, or no object, for a programmer's mistake. */
static const char *
lukshdrFormatQMPString(JsonNode *node, const char *name)
{
    JsonNode *member = node && JSON_NODE_HOLDS_OBJECT(node)
                           ? json_object_get_member(json_node_get_object(node), name)
                           : NULL;

    return member && JSON_NODE_HOLDS_VALUE(member) ? json_node_get_string(member) : NULL;
}

/* Reads the next object.  NULL with @error set at the end of the stream or on
 * anything that is no object. */
static JsonNode *
lukshdrFormatQMPReceive(lukshdrFormatQMP *qmp, GError **error)
{
    g_autofree char *line = g_data_input_stream_read_line(qmp->out, NULL, qmp->cancellable, error);
    g_autoptr(JsonNode) node = NULL;

    if (!line) {
        if (error && !*error)
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED, _("'%s' ended too early"),
                        LUKSHDR_QEMU_STORAGE_DAEMON);
        return NULL;
    }

    if (!(node = json_from_string(line, NULL)) || !JSON_NODE_HOLDS_OBJECT(node)) {
        /* what talks like that may never end by itself: not waited for */
        qmp->refused = true;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("'%s' wrote something that is not QMP"), LUKSHDR_QEMU_STORAGE_DAEMON);
        return NULL;
    }
    return g_steal_pointer(&node);
}

/* Sends a command (@arguments, taken over, may be NULL) and waits for its
 * answer, which is returned: the "return" member, owned by the caller. */
static JsonNode *
lukshdrFormatQMPCommand(lukshdrFormatQMP *qmp,
                        const char *command,
                        JsonObject *arguments,
                        GError **error)
{
    g_autoptr(JsonNode) request = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;

    json_node_take_object(request, object);
    json_object_set_string_member(object, "execute", command);
    if (arguments)
        json_object_set_object_member(object, "arguments", arguments);

    text = json_to_string(request, FALSE);
    if (!g_output_stream_printf(qmp->in, NULL, qmp->cancellable, error, "%s\n", text) ||
        !g_output_stream_flush(qmp->in, qmp->cancellable, error))
        return NULL;

    for (;;) {
        g_autoptr(JsonNode) answer = lukshdrFormatQMPReceive(qmp, error);
        JsonObject *reply;

        if (!answer)
            return NULL;
        reply = json_node_get_object(answer);

        if (json_object_has_member(reply, "return"))
            return json_node_copy(json_object_get_member(reply, "return"));

        if (json_object_has_member(reply, "error")) {
            const char *desc = lukshdrFormatQMPString(json_object_get_member(reply, "error"),
                                                      "desc");

            qmp->refused = true;
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                        _("'%s' failed to run QMP command '%s': %s"), LUKSHDR_QEMU_STORAGE_DAEMON,
                        command, desc ? desc : "");
            return NULL;
        }
    }
}

static bool
lukshdrFormatQMPExecute(lukshdrFormatQMP *qmp,
                        const char *command,
                        JsonObject *arguments,
                        GError **error)
{
    g_autoptr(JsonNode) answer = lukshdrFormatQMPCommand(qmp, command, arguments, error);

    return answer != NULL;
}

/* Returns the job's state, static or owned by @jobs, and its error if it has one */
static const char *
lukshdrFormatQMPJobStatus(JsonNode *jobs, const char **failure)
{
    JsonArray *array = JSON_NODE_HOLDS_ARRAY(jobs) ? json_node_get_array(jobs) : NULL;
    JsonNode *job;
    const char *status;

    *failure = NULL;
    if (!array || json_array_get_length(array) != 1)
        return "";

    job = json_array_get_element(array, 0);
    *failure = lukshdrFormatQMPString(job, "error");
    status = lukshdrFormatQMPString(job, "status");
    return status ? status : "";
}

static bool
lukshdrFormatQMPWaitJob(lukshdrFormatQMP *qmp, GError **error)
{
    for (;;) {
        g_autoptr(JsonNode) jobs = lukshdrFormatQMPCommand(qmp, "query-jobs", NULL, error);
        g_autoptr(JsonNode) event = NULL;
        const char *failure;

        if (!jobs)
            return false;

        if (g_str_equal(lukshdrFormatQMPJobStatus(jobs, &failure), "concluded")) {
            if (!failure)
                return true;
            qmp->refused = true;
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                        _("'%s' failed to format the header: %s"), LUKSHDR_QEMU_STORAGE_DAEMON,
                        failure);
            return false;
        }

        /* An event that came before the answer above was dropped with it, but
         * its job's state is in that answer: what comes now is news. */
        if (!(event = lukshdrFormatQMPReceive(qmp, error)))
            return false;
    }
}

static JsonObject *
lukshdrFormatQMPNode(int fd)
{
    JsonObject *node = json_object_new();
    struct stat st;
    bool block = fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);

    json_object_set_string_member(node, "driver", block ? "host_device" : "file");
    json_object_set_string_member(node, "node-name", LUKSHDR_FORMAT_NODE);
    json_object_set_string_member(node, "filename", lukshdrCommandFile(0));
    return node;
}

static void
lukshdrFormatQMPOption(JsonObject *options, const char *name, const char *value)
{
    if (value)
        json_object_set_string_member(options, name, value);
}

static JsonObject *
lukshdrFormatQMPCreate(const lukshdrFormatParams *params)
{
    JsonObject *create = json_object_new();
    JsonObject *options = json_object_new();

    json_object_set_string_member(options, "driver", "luks");
    json_object_set_string_member(options, "header", LUKSHDR_FORMAT_NODE);
    json_object_set_int_member(options, "size", 0);
    json_object_set_string_member(options, "key-secret", "sec0");
    lukshdrFormatQMPOption(options, "cipher-alg", params->cipherAlg);
    lukshdrFormatQMPOption(options, "cipher-mode", params->cipherMode);
    lukshdrFormatQMPOption(options, "ivgen-alg", params->ivgenAlg);
    lukshdrFormatQMPOption(options, "ivgen-hash-alg", params->ivgenHashAlg);
    lukshdrFormatQMPOption(options, "hash-alg", params->hashAlg);
    if (params->iterTime)
        json_object_set_int_member(options, "iter-time", params->iterTime);

    json_object_set_string_member(create, "job-id", LUKSHDR_FORMAT_JOB);
    json_object_set_object_member(create, "options", options);
    return create;
}

bool
lukshdrFormatQMPSession(lukshdrFormatQMP *qmp,
                        int fd,
                        const lukshdrFormatParams *params,
                        GError **error)
{
    JsonObject *dismiss = json_object_new();

    json_object_set_string_member(dismiss, "id", LUKSHDR_FORMAT_JOB);

    if (!lukshdrFormatQMPExecute(qmp, "qmp_capabilities", NULL, error) ||
        !lukshdrFormatQMPExecute(qmp, "blockdev-add", lukshdrFormatQMPNode(fd), error) ||
        !lukshdrFormatQMPExecute(qmp, "blockdev-create", lukshdrFormatQMPCreate(params), error) ||
        !lukshdrFormatQMPWaitJob(qmp, error)) {
        json_object_unref(dismiss);
        return false;
    }

    return lukshdrFormatQMPExecute(qmp, "job-dismiss", dismiss, error) &&
           lukshdrFormatQMPExecute(qmp, "quit", NULL, error);
}

bool
lukshdrFormatWithStorageDaemon(int fd,
                               const lukshdrFormatParams *params,
                               const lukshdrSecret *secret,
                               GCancellable *background,
                               guint deadline,
                               GError **error)
{
    static const char *const argv[] = {
        LUKSHDR_QEMU_STORAGE_DAEMON,
        "--object",
        "secret,id=sec0,format=raw,file=" LUKSHDR_COMMAND_SECRET_FILE,
        "--chardev",
        "stdio,id=qmp",
        "--monitor",
        "chardev=qmp,mode=control",
        NULL,
    };
    const lukshdrSecret *secrets[] = { secret, NULL };
    const int files[] = { fd, -1 };
    const lukshdrCommand command = { .argv = argv,
                                     .secrets = secrets,
                                     .files = files,
                                     .deadline = deadline,
                                     .background = background };
    g_autoptr(lukshdrChild) child = NULL;
    g_autoptr(GDataInputStream) out = NULL;
    g_autoptr(GError) local = NULL;
    g_autofree char *complaint = NULL;
    g_autofree char *said = NULL;
    lukshdrFormatQMP qmp;

    if (!(child = lukshdrCommandSpawn(&command,
                                      G_SUBPROCESS_FLAGS_STDIN_PIPE |
                                          G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                          G_SUBPROCESS_FLAGS_STDERR_PIPE,
                                      error)))
        return false;

    out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(child->process));
    qmp = (lukshdrFormatQMP){ g_subprocess_get_stdin_pipe(child->process), out, child->cancellable,
                              false };

    lukshdrFormatQMPSession(&qmp, fd, params, &local);
    if (qmp.refused)
        g_subprocess_force_exit(child->process);

    /* what else still listens (a wrapper around the program) is to end as well */
    g_output_stream_close(qmp.in, NULL, NULL);

    /* its end closes the pipe, so this is the wait as well */
    said = lukshdrChildRead(child);
    complaint = g_utf8_make_valid(said, -1);

    /* what it answered says most */
    if (qmp.refused) {
        lukshdrChildEnd(child, NULL, NULL);
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }

    /* Then why it ended by itself (an option that it does not know, a signal, its deadline): that the
     * conversation broke off says less. */
    if (!lukshdrChildEnd(child, complaint, error))
        return false;
    if (!local)
        return true;
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                _("'%s' ended before it had formatted the header (%s): %s"),
                LUKSHDR_QEMU_STORAGE_DAEMON, local->message, complaint);
    return false;
}
