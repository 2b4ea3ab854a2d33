/*
 * cmd-check.c: virt-lukshdr check
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Looks at links from both ends, and at all copies of their headers.  It repairs only what
 * has one right answer: it replaces a copy that differs by one that is whole.
 */

#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "util/error.h"
#include "util/text.h"
#include "util/xml.h"
#include "link/luks.h"
#include "cmd-link.h"
#include "state.h"

typedef struct _lukshdrToolCheck lukshdrToolCheck;
struct _lukshdrToolCheck {
    lukshdrTool *tool;
    bool repair;
    guint links;
    guint findings;
    guint repaired;
};

static void
lukshdrToolCheckFinding(lukshdrToolCheck *check,
                        const lukshdrToolName *name,
                        const char *format,
                        ...) G_GNUC_PRINTF(3, 4);

static void
lukshdrToolCheckFinding(lukshdrToolCheck *check,
                        const lukshdrToolName *name,
                        const char *format,
                        ...)
{
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    g_autofree char *shown = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);

    line = g_strdup_printf("%s/%s: %s", name->pool, name->volume, text);
    shown = lukshdrTextShown(line);
    g_print("%s\n", shown);
    check->findings++;
}

/* Prints, below the finding, what the user can do */
static void
lukshdrToolCheckAdvice(const char *format, ...) G_GNUC_PRINTF(1, 2);

static void
lukshdrToolCheckAdvice(const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *shown = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    shown = lukshdrTextShown(text);
    g_print("    %s\n", shown);
}

static void
lukshdrToolCheckOutcome(lukshdrToolCheck *check, bool ok, const GError *error)
{
    if (ok) {
        check->repaired++;
        lukshdrToolCheckAdvice(_("repaired"));
    } else {
        lukshdrToolCheckAdvice(_("not repaired: %s"), error->message);
    }
}

/* Can a copy of a header stand for the header?  Sets @why if not. */
static bool
lukshdrToolCheckCopyWhole(const lukshdrToolVolume *payload,
                          const lukshdrToolHeader *content,
                          char **why)
{
    const lukshdrLink *label;

    *why = NULL;
    if (content->damage)
        *why = g_strdup(content->damage);
    else if (content->labelDamage)
        *why = g_strdup(content->labelDamage);
    else if (!(label = lukshdrToolStateLabelOf(payload, content)))
        *why = g_strdup(_("its link label does not name this volume"));
    else if (!lukshdrTextSameUUID(label->luksUUID, content->uuid) ||
             (label->digest && !lukshdrTextSame(label->digest, content->digest)))
        *why = g_strdup(_("its key material is not what its link label was written for"));
    return !*why;
}

typedef struct _lukshdrToolCheckCopy lukshdrToolCheckCopy;
struct _lukshdrToolCheckCopy {
    const lukshdrToolName *name;
    lukshdrToolVolume *volume;
    lukshdrToolHeader *content;
    char *why; /* why it is not whole, or NULL if it is */
};

static void
lukshdrToolCheckCopyClear(lukshdrToolCheckCopy *copy)
{
    lukshdrToolVolumeFree(copy->volume);
    lukshdrToolHeaderFree(copy->content);
    g_free(copy->why);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrToolCheckCopy, lukshdrToolCheckCopyClear)

static void
lukshdrToolCheckCopyLoad(lukshdrTool *tool,
                         const lukshdrToolVolume *payload,
                         const lukshdrToolName *name,
                         lukshdrToolCheckCopy *copy)
{
    g_autoptr(GError) error = NULL;

    copy->name = name;
    if (!(copy->volume = lukshdrToolVolumeLookup(tool, name->pool, name->volume, &error)) ||
        !(copy->content = lukshdrToolHeaderDownload(tool, copy->volume->vol, &error))) {
        copy->why = g_strdup(error->message);
        return;
    }
    lukshdrToolCheckCopyWhole(payload, copy->content, &copy->why);
}

/* Makes the replicas that are gone: the daemon fills only replicas that exist and are blank or
 * copies of this header. */
static void
lukshdrToolCheckRepairReplica(lukshdrToolCheck *check,
                              const lukshdrToolState *state,
                              const lukshdrToolCheckCopy *copy)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(lukshdrToolVolume) made = NULL;
    bool ok = true;

    if (!copy->content)
        ok = (made = lukshdrToolHeaderMake(check->tool, copy->name, &error)) != NULL;
    else if (copy->why)
        ok = lukshdrToolHeaderUpload(check->tool, copy->volume->vol, state->content, &error);
    ok = ok && lukshdrToolLinkAgain(state->payload, NULL, NULL, &error);
    lukshdrToolCheckOutcome(check, ok, error);
}

static void
lukshdrToolCheckReplicas(lukshdrToolCheck *check, const lukshdrToolState *state)
{
    const GPtrArray *others = state->payload->others;
    guint i;

    for (i = 1; i < others->len; i++) {
        g_auto(lukshdrToolCheckCopy) copy = { 0 };

        lukshdrToolCheckCopyLoad(check->tool, state->payload, g_ptr_array_index(others, i), &copy);
        if (!copy.why && !g_str_equal(copy.content->digest, state->content->digest))
            copy.why = g_strdup(_("it has other keys than the header"));
        if (!copy.why)
            continue;

        lukshdrToolCheckFinding(check, &state->payloadName, _("replica '%s' of pool '%s': %s"),
                                copy.name->volume, copy.name->pool, copy.why);
        /* the finding has said how to start the pool: nothing else is advised, and nothing repaired */
        if (!lukshdrToolStatePoolActive(check->tool, copy.name))
            continue;
        if (check->repair)
            lukshdrToolCheckRepairReplica(check, state, &copy);
        else
            lukshdrToolCheckAdvice(_("--repair makes it a copy of the header"));
    }
}

/* Copies a whole replica over the header */
static void
lukshdrToolCheckRepairHeader(lukshdrToolCheck *check,
                             lukshdrToolState *state,
                             const lukshdrToolCheckCopy *copy)
{
    g_autoptr(GError) error = NULL;
    bool ok;

    if (!state->header || !state->content) {
        lukshdrToolVolumeFree(state->header);
        state->header = lukshdrToolHeaderMake(check->tool, &state->headerName, &error);
    }
    ok = state->header &&
         lukshdrToolHeaderUpload(check->tool, state->header->vol, copy->content, &error) &&
         lukshdrToolLinkAgain(state->payload, NULL, NULL, &error);
    lukshdrToolCheckOutcome(check, ok, error);
}

static void
lukshdrToolCheckHeader(lukshdrToolCheck *check, lukshdrToolState *state)
{
    const GPtrArray *others = state->payload->others;
    g_autoptr(GPtrArray) advice = NULL;
    guint i;

    lukshdrToolCheckFinding(check, &state->payloadName,
                            state->kind == LUKSHDR_TOOL_STATE_HEADER_MISSING
                                ? _("header '%s' of pool '%s' is missing: %s")
                                : _("header '%s' of pool '%s' is damaged: %s"),
                            state->headerName.volume, state->headerName.pool, state->reason);
    if (!lukshdrToolStatePoolActive(check->tool, &state->headerName))
        return;

    for (i = 1; i < others->len; i++) {
        g_auto(lukshdrToolCheckCopy) copy = { 0 };

        lukshdrToolCheckCopyLoad(check->tool, state->payload, g_ptr_array_index(others, i), &copy);
        if (copy.why)
            continue;
        /* a removed key would be back */
        if (state->content && lukshdrLuksIsRekeyed(copy.content->fd, state->content->fd))
            lukshdrToolCheckAdvice(
                _("its keys differ from those of replica '%s' of pool '%s', as if another tool "
                  "had changed them, and nothing is repaired; the reason says what to do"),
                copy.name->volume, copy.name->pool);
        else if (check->repair)
            lukshdrToolCheckRepairHeader(check, state, &copy);
        else
            lukshdrToolCheckAdvice(_("--repair puts replica '%s' of pool '%s' in its place"),
                                   copy.name->volume, copy.name->pool);
        return;
    }
    advice = lukshdrToolStateAdvice(check->tool, state);
    for (i = 0; i < advice->len; i++)
        lukshdrToolCheckAdvice("%s", (char *)g_ptr_array_index(advice, i));
}

/* Prints a state and its reason, which says what can be done */
static void
lukshdrToolCheckWrong(lukshdrToolCheck *check, const lukshdrToolState *state)
{
    g_autofree char *text = lukshdrToolStateText(state);

    lukshdrToolCheckFinding(check, &state->payloadName, "%s: %s", text, state->reason);
}

/* All that can be seen is in order: does the secret open the header?  Only the daemon can tell of a private one, and that
 * takes as long as the header's iterations do, so "list" does not ask.  The daemon also looks into a payload that no
 * client can read, such as an image of a cluster.  A guest that runs with the volume has opened it. */
static void
lukshdrToolCheckSecret(lukshdrToolCheck *check, const lukshdrToolState *state)
{
    const lukshdrToolVolume *payload = state->payload;
    g_autofree char *name = lukshdrTextShellName(payload->pool, payload->name);
    g_autoptr(GError) error = NULL;

    if (state->users->len > 0 || lukshdrToolLinkCheck(payload, &error) ||
        g_error_matches(error, LUKSHDR_STOCK_ERROR, VIR_ERR_XML_ERROR))
        return;

    if (g_error_matches(error, LUKSHDR_STOCK_ERROR, VIR_ERR_INVALID_SECRET)) {
        lukshdrToolCheckFinding(check, &state->payloadName, "%s", error->message);
        lukshdrToolCheckAdvice(
            _("give the secret the passphrase (virsh secret-set-value %s --interactive), or name "
              "another one: virt-lukshdr link %s --secret UUID"),
            payload->secretUUID, name);
    } else if (g_error_matches(error, LUKSHDR_STOCK_ERROR, VIR_ERR_NO_SECRET) ||
               g_error_matches(error, LUKSHDR_STOCK_ERROR, VIR_ERR_OPERATION_INVALID)) {
        lukshdrToolCheckFinding(check, &state->payloadName, "%s", error->message);
    } else {
        lukshdrToolNote(_("%s: unable to find out whether its secret opens its header: %s"), name,
                        error->message);
    }
}

static void
lukshdrToolCheckState(lukshdrToolCheck *check, lukshdrToolState *state)
{
    switch (state->kind) {
    case LUKSHDR_TOOL_STATE_OK:
        check->links++;
        lukshdrToolCheckReplicas(check, state);
        lukshdrToolCheckSecret(check, state);
        break;
    case LUKSHDR_TOOL_STATE_HEADER_MISSING:
    case LUKSHDR_TOOL_STATE_HEADER_DAMAGED:
        check->links++;
        lukshdrToolCheckHeader(check, state);
        break;
    case LUKSHDR_TOOL_STATE_PAYLOAD_MISSING:
        check->links++;
        lukshdrToolCheckFinding(check, &state->payloadName, _("the payload is missing: %s"),
                                state->reason);
        lukshdrToolCheckAdvice(_("header '%s' of pool '%s' is there and waits for the payload"),
                               state->headerName.volume, state->headerName.pool);
        break;
    case LUKSHDR_TOOL_STATE_FOUND:
    case LUKSHDR_TOOL_STATE_ORPHANED:
    default:
        /* nothing is wrong: it may be another host's header, in a pool that both hosts have */
        lukshdrToolCheckFinding(check, &state->headerName, "%s", state->reason);
        break;
    case LUKSHDR_TOOL_STATE_PAYLOAD_NAME:
        /* it is looked at by its own name */
        break;
    case LUKSHDR_TOOL_STATE_PAYLOAD_REPLACED:
    case LUKSHDR_TOOL_STATE_PAYLOAD_MOVED:
    case LUKSHDR_TOOL_STATE_PAYLOAD_PLAIN:
    case LUKSHDR_TOOL_STATE_PAYLOAD_FORMAT:
    case LUKSHDR_TOOL_STATE_PAYLOAD_CUT:
    case LUKSHDR_TOOL_STATE_SECRET_MISSING:
    case LUKSHDR_TOOL_STATE_SECRET_EMPTY:
    case LUKSHDR_TOOL_STATE_CREATING:
    case LUKSHDR_TOOL_STATE_DELETING:
    case LUKSHDR_TOOL_STATE_WIPING:
    case LUKSHDR_TOOL_STATE_WIPED:
    case LUKSHDR_TOOL_STATE_UNLINKING:
        check->links++;
        lukshdrToolCheckWrong(check, state);
    }
}

/* Returns all states, those of one pool, or that of one volume */
static GPtrArray *
lukshdrToolCheckStates(lukshdrTool *tool, const char *name, GError **error)
{
    g_autoptr(GPtrArray) states = NULL;
    g_autoptr(virStoragePool) pool = NULL;
    lukshdrToolVolume *payload;
    lukshdrToolState *state;
    guint i;

    if (name && !strchr(name, '/'))
        pool = virStoragePoolLookupByName(tool->conn, name);

    if (name && !pool) {
        if (!(payload = lukshdrToolVolumeFindLinked(tool, name, error)) ||
            !(state = lukshdrToolStateOf(tool, payload, error)))
            return NULL;
        states = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrToolStateFree);
        g_ptr_array_add(states, state);
        return g_steal_pointer(&states);
    }

    if (!(states = lukshdrToolStateList(tool, error)))
        return NULL;
    for (i = states->len; pool && i > 0; i--) {
        state = g_ptr_array_index(states, i - 1);
        if (g_strcmp0(state->payloadName.pool, name) && g_strcmp0(state->headerName.pool, name))
            g_ptr_array_remove_index(states, i - 1);
    }
    return g_steal_pointer(&states);
}

/* Does the header of one of the @states need the secret? */
static bool
lukshdrToolCheckSecretUsed(GPtrArray *states, const char *uuid)
{
    guint i;
    guint n;

    for (i = 0; i < states->len; i++) {
        const lukshdrToolState *state = g_ptr_array_index(states, i);
        const GPtrArray *labels = state->content ? state->content->labels : NULL;

        if (state->payload && lukshdrTextSameUUID(state->payload->secretUUID, uuid))
            return true;
        for (n = 0; labels && n < labels->len; n++) {
            const lukshdrLink *label = g_ptr_array_index(labels, n);

            if (lukshdrTextSameUUID(label->secretUUID, uuid))
                return true;
        }
    }
    return false;
}

/* Can a volume that is not seen, or a header that nothing is known of, need a secret? */
static bool
lukshdrToolCheckAnyUnseen(lukshdrTool *tool, GPtrArray *states)
{
    guint i;

    for (i = 0; i < states->len; i++) {
        const lukshdrToolState *state = g_ptr_array_index(states, i);

        if (state->kind == LUKSHDR_TOOL_STATE_ORPHANED || state->kind == LUKSHDR_TOOL_STATE_FOUND)
            return true;
    }
    /* those that are not active */
    return virConnectNumOfDefinedStoragePools(tool->conn) != 0;
}

/* A generated secret stays when its link is given up, since it opens backups of the header.  Later nothing shows what it
 * was for, so tell: that is no finding, for nothing is wrong.  This client sees what is in the pools alone: a disk
 * that is not mounted may have its volume, so nothing is advised. */
static void
lukshdrToolCheckUnusedSecrets(lukshdrTool *tool, GPtrArray *states)
{
    virSecretPtr *secrets = NULL;
    int count = lukshdrToolCheckAnyUnseen(tool, states)
                    ? 0
                    : virConnectListAllSecrets(tool->conn, &secrets,
                                               VIR_CONNECT_LIST_SECRETS_PRIVATE);
    int i;

    for (i = 0; i < count; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN];
        char *xml = virSecretGetXMLDesc(secrets[i], 0);
        g_autoptr(xmlDoc) doc = xml ? lukshdrXMLParse(xml, strlen(xml), LUKSHDR_XML_SECRET, NULL)
                                    : NULL;
        xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
        xmlNode *description = root ? lukshdrXMLChild(root, "description") : NULL;
        g_autofree char *text = description ? lukshdrXMLText(description) : NULL;

        /* the daemon that generated it wrote this in its own language */
        if (text && strstr(text, GETTEXT_PACKAGE) &&
            virSecretGetUUIDString(secrets[i], uuid) == 0 &&
            !lukshdrToolCheckSecretUsed(states, uuid)) {
            g_autofree char *shown = lukshdrTextShown(text);

            g_print(
                _("secret %1$s (%2$s): no volume that is here now needs it. Keep it as long as one may come back, "
                  "or a backup of its header is kept: nobody else knows that passphrase\n"),
                uuid, shown);
        }
        free(xml);
        virSecretFree(secrets[i]);
    }
    free(secrets);
}

static bool
lukshdrToolCheckRun(lukshdrTool *tool, char ***argv, GError **error)
{
    gboolean repair = FALSE;
    const GOptionEntry entries[] = {
        { "repair", 0, 0, G_OPTION_ARG_NONE, &repair,
          N_("Replace copies of headers that are damaged or differ"), NULL },
        G_OPTION_ENTRY_NULL,
    };
    lukshdrToolCheck check = { .tool = tool };
    g_autoptr(GPtrArray) states = NULL;
    guint i;

    if (!lukshdrToolParse(tool, entries, 0, 1, argv, error) || !lukshdrToolConnect(tool, error) ||
        !lukshdrToolProbePlugin(tool, error) ||
        !(states = lukshdrToolCheckStates(tool, (*argv)[1], error)))
        return false;

    check.repair = repair;
    for (i = 0; i < states->len; i++)
        lukshdrToolCheckState(&check, g_ptr_array_index(states, i));
    if (!(*argv)[1])
        lukshdrToolCheckUnusedSecrets(tool, states);

    g_print(_("links checked: %u, things found: %u, repaired: %u\n"), check.links, check.findings,
            check.repaired);
    if (check.findings == check.repaired)
        return true;

    /* an empty message: the findings have said all */
    g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_WRONG, "");
    return false;
}

const lukshdrToolCommand lukshdrToolCommandCheck = {
    .name = "check",
    .parameters = N_("[POOL|VOLUME]"),
    .summary = N_(
        "Verify links from both ends, headers and their replicas, and repair what can be"),
    .example = "  virt-lukshdr check --repair images",
    .run = lukshdrToolCheckRun,
};
