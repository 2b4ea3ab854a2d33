/*
 * state.c: links, and the state they are in
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "state.h"

#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/error.h"
#include "util/io.h"
#include "link/payload.h"
#include "util/text.h"
#include "util/xml.h"
#include "pass.h"
#include "use.h"

static const struct {
    const char *name; /* in JSON; of a link's own state, in vol-dumpxml as well */
    const char *text;
} lukshdrToolStateKinds[] = {
    [LUKSHDR_TOOL_STATE_OK] = { "ok", N_("ok") },
    [LUKSHDR_TOOL_STATE_HEADER_MISSING] = { "header-missing", N_("header missing") },
    [LUKSHDR_TOOL_STATE_HEADER_DAMAGED] = { "header-damaged", N_("header damaged") },
    [LUKSHDR_TOOL_STATE_PAYLOAD_MISSING] = { "payload-missing", N_("payload missing") },
    [LUKSHDR_TOOL_STATE_ORPHANED] = { "orphaned", N_("orphaned header") },
    [LUKSHDR_TOOL_STATE_FOUND] = { "found", N_("found") },
    [LUKSHDR_TOOL_STATE_PAYLOAD_REPLACED] = { LUKSHDR_XML_STATE_REPLACED, N_("payload replaced") },
    [LUKSHDR_TOOL_STATE_PAYLOAD_MOVED] = { "payload-moved", N_("payload moved") },
    [LUKSHDR_TOOL_STATE_PAYLOAD_NAME] = { "payload-name", N_("another name") },
    [LUKSHDR_TOOL_STATE_PAYLOAD_PLAIN] = { "payload-plain", N_("payload not encrypted") },
    [LUKSHDR_TOOL_STATE_PAYLOAD_FORMAT] = { "payload-format", N_("payload of another format") },
    [LUKSHDR_TOOL_STATE_PAYLOAD_CUT] = { "payload-cut", N_("payload cut short") },
    [LUKSHDR_TOOL_STATE_SECRET_MISSING] = { "secret-missing", N_("secret missing") },
    [LUKSHDR_TOOL_STATE_SECRET_EMPTY] = { "secret-empty", N_("secret without a value") },
    [LUKSHDR_TOOL_STATE_CREATING] = { "creating", N_("being created") },
    [LUKSHDR_TOOL_STATE_DELETING] = { "deleting", N_("being deleted") },
    [LUKSHDR_TOOL_STATE_WIPING] = { "wiping", N_("being wiped") },
    [LUKSHDR_TOOL_STATE_WIPED] = { "wiped", N_("wiped") },
    [LUKSHDR_TOOL_STATE_UNLINKING] = { "unlinking", N_("being unlinked") },
};

void
lukshdrToolStateFree(lukshdrToolState *state)
{
    if (!state)
        return;

    lukshdrToolVolumeFree(state->payload);
    lukshdrToolVolumeFree(state->header);
    lukshdrToolHeaderFree(state->content);
    g_free(state->payloadName.pool);
    g_free(state->payloadName.volume);
    g_free(state->headerName.pool);
    g_free(state->headerName.volume);
    g_free(state->reason);
    g_ptr_array_unref(state->users);
    g_free(state);
}

const char *
lukshdrToolStateName(lukshdrToolStateKind kind)
{
    return lukshdrToolStateKinds[kind].name;
}

char *
lukshdrToolStateText(const lukshdrToolState *state)
{
    g_autoptr(GString) text = g_string_new(_(lukshdrToolStateKinds[state->kind].text));
    guint i;

    for (i = 0; i < state->users->len; i++) {
        if (i == 0 && state->kind == LUKSHDR_TOOL_STATE_OK)
            g_string_printf(text, _("in use by %s"), (char *)g_ptr_array_index(state->users, i));
        else if (i == 0)
            g_string_append_printf(text, _(", in use by %s"),
                                   (char *)g_ptr_array_index(state->users, i));
        else
            g_string_append_printf(text, ", %s", (char *)g_ptr_array_index(state->users, i));
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Compares paths, too: a pool may have another name here than the label says, and two pools may be
 * over one directory */
const lukshdrLink *
lukshdrToolStateLabelOf(const lukshdrToolVolume *payload, const lukshdrToolHeader *content)
{
    guint i;

    for (i = 0; content->labels && i < content->labels->len; i++) {
        const lukshdrLink *label = g_ptr_array_index(content->labels, i);

        if ((payload->remote ? label->payload.remote &&
                                   lukshdrRemoteIsOwnName(label->payload.remote, payload->remote)
                             : lukshdrTextSame(label->payload.path, payload->path)) ||
            (lukshdrTextSame(label->payload.pool, payload->pool) &&
             lukshdrTextSame(label->payload.volume, payload->name)))
            return label;
    }
    return NULL;
}

char *
lukshdrToolStateLabelNames(const lukshdrToolHeader *content)
{
    g_autoptr(GString) names = g_string_new(NULL);
    guint i;

    for (i = 0; content->labels && i < content->labels->len; i++) {
        const lukshdrLink *label = g_ptr_array_index(content->labels, i);

        g_string_append_printf(names, "%s%s/%s", i ? ", " : "", label->payload.pool,
                               label->payload.volume);
    }
    return g_string_free(g_steal_pointer(&names), FALSE);
}

/* The daemon knows the payload by what it is, and not by its name.  If label and daemon agree whose header this is, the
 * payload has another name here.  Sets @moved if no linked volume is there by its own name any more. */
static const lukshdrLink *
lukshdrToolStateOwnName(lukshdrTool *tool, const lukshdrToolState *state, bool *moved)
{
    const GPtrArray *labels = state->content->labels;
    const lukshdrLink *own = NULL;
    guint i;
    guint j;

    for (i = 0; i < labels->len; i++) {
        const lukshdrLink *label = g_ptr_array_index(labels, i);

        for (j = 0; j < state->header->others->len; j++) {
            const lukshdrToolName *name = g_ptr_array_index(state->header->others, j);
            g_autoptr(lukshdrToolVolume) there = NULL;

            if (!lukshdrTextSame(label->payload.pool, name->pool) ||
                !lukshdrTextSame(label->payload.volume, name->volume))
                continue;
            there = lukshdrToolVolumeLookup(tool, name->pool, name->volume, NULL);
            if (!there || there->role != LUKSHDR_TOOL_ROLE_PAYLOAD) {
                *moved = true;
                return label;
            }
            own = own ? own : label;
        }
    }
    return own;
}

/* Decides by the header's content what the state is, as lukshdrHeaderCheck does for guests */
static void
lukshdrToolStateJudge(lukshdrTool *tool, lukshdrToolState *state)
{
    const lukshdrToolHeader *content = state->content;
    g_autofree char *names = lukshdrToolStateLabelNames(content);
    const lukshdrLink *label;
    bool moved = false;

    state->kind = LUKSHDR_TOOL_STATE_HEADER_DAMAGED;
    if (content->damage) {
        state->reason = g_strdup(content->damage);
    } else if (content->labelDamage) {
        state->reason = g_strdup(content->labelDamage);
    } else if (!content->labels) {
        state->reason = g_strdup(
            _("the header volume has no link label, as a backup by cryptsetup has none"));
    } else if (!state->payload) {
        state->kind = LUKSHDR_TOOL_STATE_OK;
    } else if (!(label = lukshdrToolStateLabelOf(state->payload, content)) &&
               (label = lukshdrToolStateOwnName(tool, state, &moved)) && !moved) {
        state->kind = LUKSHDR_TOOL_STATE_PAYLOAD_NAME;
        state->reason = g_strdup_printf(
            _("this is linked volume %s/%s by another name; use its own"), label->payload.pool,
            label->payload.volume);
    } else if (moved) {
        g_autofree char *name = lukshdrTextShellName(state->payload->pool, state->payload->name);

        state->kind = LUKSHDR_TOOL_STATE_PAYLOAD_MOVED;
        state->reason = g_strdup_printf(
            _("it was linked as %s/%s and stands here now: virt-lukshdr link %s"),
            label->payload.pool, label->payload.volume, name);
    } else if (!label) {
        state->reason = g_strdup_printf(_("by its link label this is the header of %s"), names);
    } else if (!lukshdrTextSameUUID(label->luksUUID, content->uuid)) {
        state->reason = g_strdup_printf(_("the LUKS header has UUID %s, its link label says %s"),
                                        content->uuid, label->luksUUID ? label->luksUUID : "-");
    } else if (label->digest && !lukshdrTextSame(label->digest, content->digest)) {
        state->reason = g_strdup(
            _("the key material is not what the link label was written for: it is damaged, or its "
              "keys were changed by another tool"));
    } else {
        state->kind = LUKSHDR_TOOL_STATE_OK;
    }
}

/* Looks at the header that @state names */
static bool
lukshdrToolStateReadHeader(lukshdrTool *tool, lukshdrToolState *state, GError **error)
{
    g_autoptr(GError) local = NULL;

    state->header = lukshdrToolVolumeLookup(tool, state->headerName.pool, state->headerName.volume,
                                            &local);
    if (!state->header) {
        state->kind = LUKSHDR_TOOL_STATE_HEADER_MISSING;
        state->reason = g_strdup(local->message);
        return true;
    }

    if (!(state->content = lukshdrToolHeaderDownload(tool, state->header->vol, &local))) {
        if (g_error_matches(local, LUKSHDR_STOCK_ERROR, VIR_ERR_OPERATION_DENIED) ||
            g_error_matches(local, LUKSHDR_STOCK_ERROR, VIR_ERR_AUTH_FAILED) ||
            g_error_matches(local, LUKSHDR_STOCK_ERROR, VIR_ERR_ACCESS_DENIED)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        /* for example, the file is gone and the pool still lists it */
        state->kind = LUKSHDR_TOOL_STATE_HEADER_MISSING;
        state->reason = g_strdup(local->message);
        return true;
    }

    lukshdrToolStateJudge(tool, state);
    return true;
}

bool
lukshdrToolStatePoolActive(lukshdrTool *tool, const lukshdrToolName *name)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByName(tool->conn, name->pool);

    return pool && virStoragePoolIsActive(pool) == 1;
}

GPtrArray *
lukshdrToolStateAdvice(lukshdrTool *tool, const lukshdrToolState *state)
{
    g_autoptr(GPtrArray) advice = g_ptr_array_new_with_free_func(g_free);
    const lukshdrToolHeader *content = state->content;
    g_autofree char *name = NULL;
    g_autofree char *pool = NULL;
    g_autofree char *volume = NULL;
    const lukshdrLink *label;

    /* of a pool that is not active the reason says how to start it */
    if (!state->payload ||
        (state->kind != LUKSHDR_TOOL_STATE_HEADER_MISSING &&
         state->kind != LUKSHDR_TOOL_STATE_HEADER_DAMAGED) ||
        !lukshdrToolStatePoolActive(tool, &state->headerName))
        return g_steal_pointer(&advice);

    name = lukshdrTextShellName(state->payload->pool, state->payload->name);
    pool = lukshdrTextShellWord(state->payload->pool);
    volume = lukshdrTextShellWord(state->payload->name);
    if (content && !content->damage && !content->labelDamage && !content->labels)
        g_ptr_array_add(advice, g_strdup_printf(_("if it is the header of this volume: "
                                                  "virt-lukshdr link %s"),
                                                name));
    if (state->kind == LUKSHDR_TOOL_STATE_HEADER_MISSING) {
        g_autofree char *where = lukshdrTextShellWord(state->headerName.pool);

        g_ptr_array_add(
            advice, g_strdup_printf(_("if its disk or share is not mounted, mount it, and refresh "
                                      "the pool: virsh pool-refresh %s"),
                                    where));
    }
    g_ptr_array_add(
        advice, g_strdup_printf(_("put a backup back: virt-lukshdr header-restore %s FILE"), name));
    /* the keys may have been changed, so nothing may be lost */
    if (content && !content->damage && content->labels &&
        (label = lukshdrToolStateLabelOf(state->payload, content)) &&
        lukshdrTextSameUUID(label->luksUUID, content->uuid))
        g_ptr_array_add(advice, g_strdup_printf(_("or, if it was you who changed its keys: "
                                                  "virt-lukshdr link %s"),
                                                name));
    else if (state->payload->others->len > 1)
        g_ptr_array_add(advice, g_strdup_printf(_("or put a replica in its place: virt-lukshdr "
                                                  "check --repair %s"),
                                                name));
    else
        g_ptr_array_add(advice, g_strdup_printf(_("gone for good and without a backup, the data "
                                                  "is lost: virsh vol-delete %s %s"),
                                                volume, pool));
    return g_steal_pointer(&advice);
}

/* A lukshdrPayloadReader: of what was fetched */
static gssize
lukshdrToolStatePeek(void *buf, gsize len, guint64 offset, void *opaque)
{
    const lukshdrToolHeader *fetched = opaque;

    return offset < fetched->bytes ? lukshdrIORead(fetched->fd, buf, len, offset, NULL) : 0;
}

/* Is the volume of which @fetched is the beginning shorter than its content says, or than its label does, where that has
 * a size? */
static bool
lukshdrToolStateIsShort(const lukshdrLink *label, lukshdrToolHeader *fetched)
{
    return lukshdrPayloadIsCut(label->format, fetched->total, lukshdrToolStatePeek, fetched) ||
           (g_str_equal(label->format, "raw") && fetched->total < label->payload.identity.size);
}

static bool
lukshdrToolStateIsCut(const lukshdrToolState *state,
                      const lukshdrLink *label,
                      lukshdrToolHeader *fetched)
{
    virStorageVolInfo info;

    if (!lukshdrToolStateIsShort(label, fetched) ||
        virStorageVolGetInfoFlags(state->payload->vol, &info, VIR_STORAGE_VOL_GET_PHYSICAL) < 0)
        return false;
    /* a guest that runs may have made it longer since it was asked */
    fetched->total = info.allocation;
    return lukshdrToolStateIsShort(label, fetched);
}

/* Payload and header are there, and the header is whole: is what is in the payload ciphertext, in the format that was
 * linked?  Somebody may have uploaded an image into it. */
static void
lukshdrToolStateJudgePayload(lukshdrTool *tool, lukshdrToolState *state)
{
    const lukshdrToolVolume *payload = state->payload;
    const lukshdrLink *label = lukshdrToolStateLabelOf(payload, state->content);
    g_autofree char *name = lukshdrTextShellName(payload->pool, payload->name);
    g_autoptr(lukshdrToolHeader) fetched = NULL;
    g_autofree char *length = NULL;
    const char *plain;

    /* libvirt has no way to the bytes of a volume without a path */
    if (!label || !label->format || payload->remote ||
        !(fetched = lukshdrToolHeaderFetch(tool, payload->vol, LUKSHDR_PAYLOAD_PEEK, NULL)))
        return;

    if ((plain = lukshdrPayloadFindImage(label->format, lukshdrToolStatePeek, fetched))) {
        state->kind = LUKSHDR_TOOL_STATE_PAYLOAD_FORMAT;
        state->reason = g_strdup_printf(
            _("it was linked as %1$s, and there is %2$s in it. If it was converted (qemu-img convert), convert "
              "it back, or give up the link (virt-lukshdr forget %3$s) and link the two again, which takes the "
              "new format; if that image is not encrypted, put the payload back, and encrypt the image into a new "
              "volume (virt-lukshdr convert)"),
            label->format, plain, name);
    } else if ((plain = lukshdrPayloadFindPlain(label->format, lukshdrToolStatePeek, fetched))) {
        state->kind = LUKSHDR_TOOL_STATE_PAYLOAD_PLAIN;
        state->reason = g_strdup_printf(
            _("there is %s in it in clear, as after the upload of an image; guests see garbage. "
              "To encrypt the image, give up the link (virt-lukshdr forget %s) and make a new volume of it "
              "(virt-lukshdr convert %s POOL/NEW --header POOL)"),
            plain, name, name);
    } else if (lukshdrToolStateIsCut(state, label, fetched)) {
        state->kind = LUKSHDR_TOOL_STATE_PAYLOAD_CUT;
        length = g_strdup_printf("%" G_GUINT64_FORMAT, fetched->total);
        state->reason = g_strdup_printf(
            _("its end is not there: it has %1$s bytes and had more, so data is lost. Put it back from a "
              "backup, and take that: virt-lukshdr link %2$s; if there is none, give up the link: "
              "virt-lukshdr forget %2$s"),
            length, name);
    } else if (!lukshdrPayloadIsFormat(label->format, lukshdrToolStatePeek, fetched)) {
        state->kind = LUKSHDR_TOOL_STATE_PAYLOAD_FORMAT;
        state->reason = g_strdup_printf(
            _("it was linked as %s, and what is in it is not: it was overwritten. Put it back from a "
              "backup, or give up the link: virt-lukshdr forget %s"),
            label->format, name);
    }
}

/* Asks for all secrets, once for all volumes: the daemon logs an error when it is asked for one that is not there */
static bool
lukshdrToolStateListSecrets(lukshdrTool *tool)
{
    virSecretPtr *secrets = NULL;
    int count;
    int found = 0;
    int i;

    if (tool->secrets)
        return true;
    if ((count = virConnectListAllSecrets(tool->conn, &secrets, 0)) < 0)
        return false;
    tool->secrets = g_new0(char *, count + 1);
    for (i = 0; i < count; i++) {
        char text[VIR_UUID_STRING_BUFLEN];

        if (virSecretGetUUIDString(secrets[i], text) == 0)
            tool->secrets[found++] = g_strdup(text);
        virSecretFree(secrets[i]);
    }
    free(secrets);
    return true;
}

bool
lukshdrToolStateSecretMissing(lukshdrTool *tool, const char *uuid)
{
    int i;

    if (!lukshdrToolStateListSecrets(tool))
        return false;
    for (i = 0; tool->secrets[i] && !lukshdrTextSameUUID(tool->secrets[i], uuid);)
        i++;
    return !tool->secrets[i];
}

/* All else is in order: is there the secret? */
static void
lukshdrToolStateJudgeSecret(lukshdrTool *tool, lukshdrToolState *state)
{
    const char *uuid = state->payload->secretUUID;
    g_autoptr(lukshdrSecret) value = NULL;
    g_autoptr(GError) local = NULL;

    if (!uuid)
        return;
    if (lukshdrToolStateSecretMissing(tool, uuid)) {
        state->kind = LUKSHDR_TOOL_STATE_SECRET_MISSING;
        state->reason = g_strdup_printf(
            _("libvirt has no secret %1$s, which opens the header; put its files %1$s.* back into "
              "/etc/libvirt/secrets from a backup of this host's, and restart the daemon; or define it with that UUID (virsh "
              "secret-define), and give it the passphrase (virsh secret-set-value)"),
            uuid);
        return;
    }
    if ((value = lukshdrToolPassOf(tool, uuid, &local)) ||
        !g_error_matches(local, LUKSHDR_STOCK_ERROR, VIR_ERR_NO_SECRET))
        return;
    state->kind = LUKSHDR_TOOL_STATE_SECRET_EMPTY;
    state->reason = g_strdup_printf(
        _("secret %1$s, which opens the header, has no value; give it the passphrase: virsh "
          "secret-set-value %1$s --interactive"),
        uuid);
}

/* The daemon says that the link is not in order: then what its header looks like is not the point */
static void
lukshdrToolStateJudgeLink(lukshdrToolState *state)
{
    const lukshdrToolVolume *payload = state->payload;
    g_autofree char *name = lukshdrTextShellName(payload->pool, payload->name);
    g_autofree char *header = NULL;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrToolStateKinds); i++) {
        if (g_str_equal(lukshdrToolStateKinds[i].name, payload->linkState))
            break;
    }
    if (i == G_N_ELEMENTS(lukshdrToolStateKinds))
        return;

    header = g_steal_pointer(&state->reason);
    state->kind = i;
    switch (state->kind) {
    case LUKSHDR_TOOL_STATE_PAYLOAD_REPLACED:
        state->reason = g_strdup_printf(
            _("what stands there is another file than the one that was linked; if it was put back "
              "from a backup: virt-lukshdr link %s; if it is something else: virt-lukshdr forget "
              "%s%s%s"),
            name, name, header ? "; " : "", header ? header : "");
        break;
    case LUKSHDR_TOOL_STATE_WIPED:
        state->reason = g_strdup_printf(
            _("its key material has been destroyed, and it can only be deleted: virsh vol-delete "
              "--pool %s %s"),
            payload->pool, payload->name);
        break;
    case LUKSHDR_TOOL_STATE_CREATING:
        state->reason = g_strdup_printf(
            _("it is not whole yet; if nobody is making it any more, this removes what is left of "
              "it: virsh pool-refresh %s"),
            payload->pool);
        break;
    default:
        state->reason = g_strdup_printf(
            _("that is under way, or was interrupted; this completes it: virsh pool-refresh %s"),
            payload->pool);
    }
}

static lukshdrToolState *
lukshdrToolStateNew(void)
{
    lukshdrToolState *state = g_new0(lukshdrToolState, 1);

    state->users = g_ptr_array_new_with_free_func(g_free);
    return state;
}

static lukshdrToolState *
lukshdrToolStateOfPayload(lukshdrTool *tool,
                          lukshdrToolVolume *payload,
                          lukshdrToolUse *use,
                          GError **error)
{
    g_autoptr(lukshdrToolState) state = lukshdrToolStateNew();
    const lukshdrToolName *header = lukshdrToolVolumeOther(payload);

    state->payload = payload;
    state->payloadName.pool = g_strdup(payload->pool);
    state->payloadName.volume = g_strdup(payload->name);
    state->headerName.pool = g_strdup(header->pool);
    state->headerName.volume = g_strdup(header->volume);
    lukshdrToolUseFind(use, payload, state->users);

    if (!lukshdrToolStateReadHeader(tool, state, error))
        return NULL;
    state->headerWhole = state->kind == LUKSHDR_TOOL_STATE_OK ||
                         state->kind == LUKSHDR_TOOL_STATE_PAYLOAD_NAME ||
                         state->kind == LUKSHDR_TOOL_STATE_PAYLOAD_MOVED;
    if (payload->linkState)
        lukshdrToolStateJudgeLink(state);
    if (state->kind == LUKSHDR_TOOL_STATE_OK)
        lukshdrToolStateJudgePayload(tool, state);
    if (state->kind == LUKSHDR_TOOL_STATE_OK)
        lukshdrToolStateJudgeSecret(tool, state);
    return g_steal_pointer(&state);
}

lukshdrToolState *
lukshdrToolStateOf(lukshdrTool *tool, lukshdrToolVolume *payload, GError **error)
{
    g_autoptr(lukshdrToolUse) use = lukshdrToolUseNew(tool);

    return lukshdrToolStateOfPayload(tool, payload, use, error);
}

/* Returns the state of a header volume whose payload is gone; NULL without an error if the payload
 * exists */
static lukshdrToolState *
lukshdrToolStateOfHeader(lukshdrTool *tool, lukshdrToolVolume *header, GError **error)
{
    g_autoptr(lukshdrToolState) state = NULL;
    g_autofree char *shown = NULL;
    g_autoptr(GError) local = NULL;
    const lukshdrToolName *name = lukshdrToolVolumeOther(header);
    g_autoptr(lukshdrToolVolume)
        payload = lukshdrToolVolumeLookup(tool, name->pool, name->volume, &local);

    if (payload)
        return NULL;

    state = lukshdrToolStateNew();
    state->payloadName.pool = g_strdup(name->pool);
    state->payloadName.volume = g_strdup(name->volume);
    state->headerName.pool = g_strdup(header->pool);
    state->headerName.volume = g_strdup(header->name);
    if (!lukshdrToolStateReadHeader(tool, state, error))
        return NULL;

    state->kind = LUKSHDR_TOOL_STATE_PAYLOAD_MISSING;
    g_free(state->reason);
    /* of a pool that is not active the message says how to start it, and nothing is known of its volumes */
    if (!lukshdrToolStatePoolActive(tool, name)) {
        state->reason = g_strdup(local->message);
        return g_steal_pointer(&state);
    }
    shown = lukshdrTextShellName(name->pool, name->volume);
    state->reason = g_strdup_printf(
        _("%1$s; put it back, and refresh its pool: virsh pool-refresh %2$s; if it was moved, refresh the pool where "
          "it is, and say: virt-lukshdr link POOL/VOLUME; if it is gone for good: virt-lukshdr forget %3$s"),
        local->message, name->pool, shown);
    return g_steal_pointer(&state);
}

/* The secret that @label names, or words for it where it names none, behind --secret */
static char *
lukshdrToolStateSecretWords(const lukshdrLink *label)
{
    return g_strdup(label->secretUUID ? label->secretUUID
                                      : _("with the UUID of the secret that has its passphrase "
                                          "(virsh secret-list)"));
}

/* What is to be said of a header that nothing leads to and that @label is in */
static char *
lukshdrToolStateOrphanReason(lukshdrTool *tool,
                             const lukshdrToolState *state,
                             const lukshdrLink *label,
                             const char *names)
{
    g_autofree char *payload = lukshdrTextShellName(label->payload.pool, label->payload.volume);
    g_autofree char *header = lukshdrTextShellName(state->headerName.pool,
                                                   state->headerName.volume);
    g_autoptr(lukshdrToolVolume)
        there = lukshdrToolVolumeLookup(tool, label->payload.pool, label->payload.volume, NULL);
    g_autofree char *volume = lukshdrTextShellWord(state->headerName.volume);
    g_autofree char *pool = lukshdrTextShellWord(state->headerName.pool);
    g_autofree char *secret = lukshdrToolStateSecretWords(label);

    if (!there)
        return g_strdup_printf(
            _("no link leads here; its link label says that it is the header of %1$s, which is not "
              "here; if another volume is it: virt-lukshdr link POOL/VOLUME %2$s --secret %3$s; if "
              "no host needs it: virsh vol-delete %4$s %5$s"),
            names, header, secret, volume, pool);
    if (there->role == LUKSHDR_TOOL_ROLE_PAYLOAD)
        return g_strdup_printf(
            _("no link leads here; its link label says that it is the header of %s, which has a "
              "header: this may be a copy of that"),
            names);
    return g_strdup_printf(
        _("no link leads here; its link label says that it is the header of %1$s; refresh its pool, "
          "which links the two if they are the volumes that belong together: virsh pool-refresh %2$s; "
          "if one is a copy: virt-lukshdr link %3$s %4$s --secret %5$s"),
        names, pool, payload, header, secret);
}

/* Returns the state of a volume of a header pool that has a LUKS header and no link; NULL without
 * an error if it is something else */
static lukshdrToolState *
lukshdrToolStateOfOrphan(lukshdrTool *tool, lukshdrToolVolume *volume)
{
    g_autoptr(lukshdrToolState) state = lukshdrToolStateNew();

    state->headerName.pool = g_strdup(volume->pool);
    state->headerName.volume = g_strdup(volume->name);
    if (!lukshdrToolStateReadHeader(tool, state, NULL) || !state->content || state->content->damage)
        return NULL;

    state->kind = volume->role == LUKSHDR_TOOL_ROLE_FOUND ? LUKSHDR_TOOL_STATE_FOUND
                                                          : LUKSHDR_TOOL_STATE_ORPHANED;
    g_clear_pointer(&state->reason, g_free);
    if (state->content->labels && state->kind == LUKSHDR_TOOL_STATE_FOUND) {
        const lukshdrToolName *name = lukshdrToolVolumeOther(volume);
        g_autofree char *payload = lukshdrTextShellName(name->pool, name->volume);
        g_autofree char *header = lukshdrTextShellName(volume->pool, volume->name);
        const lukshdrLink *label = g_ptr_array_index(state->content->labels, 0);
        g_autofree char *secret = lukshdrToolStateSecretWords(label);

        state->payloadName.pool = g_strdup(name->pool);
        state->payloadName.volume = g_strdup(name->volume);
        state->reason = g_strdup_printf(
            _("its link label says that it is the header of %s/%s, which is not the volume that "
              "the label was written for; if it is nevertheless: virt-lukshdr link %s %s "
              "--secret %s"),
            name->pool, name->volume, payload, header, secret);
    } else if (state->content->labels) {
        g_autofree char *names = lukshdrToolStateLabelNames(state->content);
        const lukshdrLink *label = g_ptr_array_index(state->content->labels, 0);

        state->payloadName.pool = g_strdup(label->payload.pool);
        state->payloadName.volume = g_strdup(label->payload.volume);
        state->reason = lukshdrToolStateOrphanReason(tool, state, label, names);
    } else {
        g_autofree char *header = lukshdrTextShellName(volume->pool, volume->name);

        state->reason = g_strdup_printf(
            _("no link leads here, and it has no link label that says what it belongs to; it is LUKS "
              "header %1$s; if you know its volume: virt-lukshdr link POOL/VOLUME %2$s --secret with the "
              "UUID of the secret that has its passphrase (virsh secret-list)"),
            state->content->uuid, header);
    }
    return g_steal_pointer(&state);
}

/* Does one of the links lead to that header, as its header or a replica? */
static bool
lukshdrToolStateLeadsTo(GPtrArray *states, const lukshdrToolVolume *header)
{
    g_autofree char *where = lukshdrToolVolumeWhere(header);
    guint i;
    guint j;

    for (i = 0; i < states->len; i++) {
        const lukshdrToolState *state = g_ptr_array_index(states, i);
        g_autofree char *own = state->header ? lukshdrToolVolumeWhere(state->header) : NULL;

        if (!state->payload)
            continue;
        for (j = 0; j < state->payload->others->len; j++) {
            const lukshdrToolName *name = g_ptr_array_index(state->payload->others, j);

            if (g_str_equal(name->pool, header->pool) && g_str_equal(name->volume, header->name))
                return true;
        }
        /* a second pool over the same directory, or of the same images, may list the same header */
        if (g_strcmp0(own, where) == 0)
            return true;
    }
    return false;
}

/* Is the header of @state the one that its label calls that, and no replica? */
static bool
lukshdrToolStateIsFirst(const lukshdrToolState *state)
{
    const GPtrArray *labels = state->content ? state->content->labels : NULL;
    guint i;

    for (i = 0; labels && i < labels->len; i++) {
        const lukshdrLink *label = g_ptr_array_index(labels, i);

        if (lukshdrTextSame(label->header.pool, state->headerName.pool) &&
            lukshdrTextSame(label->header.volume, state->headerName.volume))
            return true;
    }
    return false;
}

/* Adds @state, that of a header.  Of a header and its replicas, all of which miss one payload, the header counts where it is
 * there. */
static void
lukshdrToolStateAdd(GPtrArray *states, lukshdrToolState *state)
{
    guint i;

    for (i = 0; state->kind == LUKSHDR_TOOL_STATE_PAYLOAD_MISSING && i < states->len; i++) {
        lukshdrToolState *other = g_ptr_array_index(states, i);

        if (other->kind != LUKSHDR_TOOL_STATE_PAYLOAD_MISSING ||
            !lukshdrTextSame(other->payloadName.pool, state->payloadName.pool) ||
            !lukshdrTextSame(other->payloadName.volume, state->payloadName.volume) ||
            !other->content || !state->content ||
            !lukshdrTextSameUUID(other->content->uuid, state->content->uuid))
            continue;
        if (lukshdrToolStateIsFirst(state)) {
            g_ptr_array_index(states, i) = state;
            state = other;
        }
        lukshdrToolStateFree(state);
        return;
    }
    g_ptr_array_add(states, state);
}

/* As virsh sorts volumes: by letters alike, large or small */
static int
lukshdrToolStateCompareName(const lukshdrToolName *a, const lukshdrToolName *b)
{
    const char *const pairs[][2] = { { a->pool, b->pool }, { a->volume, b->volume } };
    int order = 0;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(pairs) && !order; i++) {
        order = g_ascii_strcasecmp(pairs[i][0], pairs[i][1]);
        order = order ? order : strcmp(pairs[i][0], pairs[i][1]);
    }
    return order;
}

/* Volumes first, by their names; then the headers that no link leads to, by theirs */
static int
lukshdrToolStateCompare(const void *a, const void *b)
{
    const lukshdrToolState *one = *(lukshdrToolState *const *)a;
    const lukshdrToolState *other = *(lukshdrToolState *const *)b;
    bool stray = one->kind == LUKSHDR_TOOL_STATE_ORPHANED || one->kind == LUKSHDR_TOOL_STATE_FOUND;
    bool otherStray = other->kind == LUKSHDR_TOOL_STATE_ORPHANED ||
                      other->kind == LUKSHDR_TOOL_STATE_FOUND;
    int order = (int)stray - (int)otherStray;

    if (!order && !stray)
        order = lukshdrToolStateCompareName(&one->payloadName, &other->payloadName);
    return order ? order : lukshdrToolStateCompareName(&one->headerName, &other->headerName);
}

GPtrArray *
lukshdrToolStateList(lukshdrTool *tool, GError **error)
{
    g_autoptr(GPtrArray) volumes = lukshdrToolVolumeList(tool, NULL, error);
    g_autoptr(GPtrArray)
        states = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrToolStateFree);
    g_autoptr(GHashTable) headerPools = NULL;
    g_autoptr(lukshdrToolUse) use = NULL;
    guint i;

    if (!volumes || !(headerPools = lukshdrToolHeaderPools(tool, volumes, error)))
        return NULL;
    use = lukshdrToolUseNew(tool);

    for (i = 0; i < volumes->len; i++) {
        lukshdrToolVolume *volume = g_ptr_array_index(volumes, i);
        lukshdrToolState *state;

        if (volume->role != LUKSHDR_TOOL_ROLE_PAYLOAD)
            continue;
        /* the state owns it from now on */
        g_ptr_array_index(volumes, i) = NULL;
        if (!(state = lukshdrToolStateOfPayload(tool, volume, use, error)))
            return NULL;
        g_ptr_array_add(states, state);
    }

    for (i = 0; i < volumes->len; i++) {
        lukshdrToolVolume *volume = g_ptr_array_index(volumes, i);
        lukshdrToolState *state = NULL;
        g_autoptr(GError) local = NULL;

        if (!volume || !g_hash_table_contains(headerPools, volume->pool) ||
            lukshdrToolStateLeadsTo(states, volume))
            continue;
        if (volume->role == LUKSHDR_TOOL_ROLE_HEADER)
            state = lukshdrToolStateOfHeader(tool, volume, &local);
        else
            state = lukshdrToolStateOfOrphan(tool, volume);
        if (local) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        if (state)
            lukshdrToolStateAdd(states, state);
    }
    g_ptr_array_sort(states, lukshdrToolStateCompare);
    return g_steal_pointer(&states);
}

void
lukshdrToolStateJSONAdd(JsonBuilder *builder, const char *name, const char *value)
{
    g_autofree char *valid = value ? g_utf8_make_valid(value, -1) : NULL;

    json_builder_set_member_name(builder, name);
    if (valid)
        json_builder_add_string_value(builder, valid);
    else
        json_builder_add_null_value(builder);
}

static void
lukshdrToolStateJSONRemote(JsonBuilder *builder, const lukshdrRemote *remote)
{
    size_t i;

    json_builder_set_member_name(builder, "remote");
    json_builder_begin_object(builder);
    lukshdrToolStateJSONAdd(builder, "protocol", lukshdrRemoteProtocol(remote->kind));
    lukshdrToolStateJSONAdd(builder, "name", remote->name);
    json_builder_set_member_name(builder, "servers");
    json_builder_begin_array(builder);
    for (i = 0; remote->servers[i]; i++)
        json_builder_add_string_value(builder, remote->servers[i]);
    json_builder_end_array(builder);
    lukshdrToolStateJSONAdd(builder, "user", remote->user);
    json_builder_end_object(builder);
}

static void
lukshdrToolStateJSONVolume(JsonBuilder *builder,
                           const char *member,
                           const lukshdrToolName *name,
                           const lukshdrToolVolume *volume)
{
    json_builder_set_member_name(builder, member);
    if (!name->pool) {
        json_builder_add_null_value(builder);
        return;
    }

    json_builder_begin_object(builder);
    lukshdrToolStateJSONAdd(builder, "pool", name->pool);
    lukshdrToolStateJSONAdd(builder, "volume", name->volume);
    lukshdrToolStateJSONAdd(builder, "path", volume && !volume->remote ? volume->path : NULL);
    if (volume) {
        if (volume->remote)
            lukshdrToolStateJSONRemote(builder, volume->remote);
        lukshdrToolStateJSONAdd(builder, "format", volume->format);
        json_builder_set_member_name(builder, "capacity");
        json_builder_add_int_value(builder, volume->capacity);
        json_builder_set_member_name(builder, "allocation");
        json_builder_add_int_value(builder, volume->allocation);
    }
    json_builder_end_object(builder);
}

void
lukshdrToolStateToJSON(const lukshdrToolState *state, JsonBuilder *builder)
{
    const lukshdrToolVolume *payload = state->payload;
    guint i;

    json_builder_begin_object(builder);
    lukshdrToolStateJSONAdd(builder, "state", lukshdrToolStateName(state->kind));
    lukshdrToolStateJSONAdd(builder, "reason", state->reason);
    lukshdrToolStateJSONVolume(builder, "payload", &state->payloadName, payload);
    lukshdrToolStateJSONVolume(builder, "header", &state->headerName, state->header);

    json_builder_set_member_name(builder, "replicas");
    json_builder_begin_array(builder);
    for (i = 1; payload && i < payload->others->len; i++) {
        const lukshdrToolName *name = g_ptr_array_index(payload->others, i);

        json_builder_begin_object(builder);
        lukshdrToolStateJSONAdd(builder, "pool", name->pool);
        lukshdrToolStateJSONAdd(builder, "volume", name->volume);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);

    lukshdrToolStateJSONAdd(builder, "secret", payload ? payload->secretUUID : NULL);
    json_builder_set_member_name(builder, "shared");
    json_builder_add_boolean_value(builder, payload && payload->shared);
    json_builder_set_member_name(builder, "in-use-by");
    json_builder_begin_array(builder);
    for (i = 0; i < state->users->len; i++)
        json_builder_add_string_value(builder, g_ptr_array_index(state->users, i));
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

static void
lukshdrToolStateFillVolume(lukshdrVolume *dst, const lukshdrToolVolume *src)
{
    dst->pool = g_strdup(src->pool);
    dst->volume = g_strdup(src->name);
    dst->path = src->remote ? NULL : g_strdup(src->path);
    dst->remote = lukshdrRemoteCopy(src->remote);
    /* the chain needs to know only which kind it is */
    if (src->remote)
        dst->identity.type = src->remote->kind == LUKSHDR_LOCATION_ISCSI ? LUKSHDR_IDENTITY_ISCSI
                                                                         : LUKSHDR_IDENTITY_RBD;
    else
        dst->identity.type = src->block ? LUKSHDR_IDENTITY_BLOCK : LUKSHDR_IDENTITY_FILE;
}

lukshdrLink *
lukshdrToolStateLink(const lukshdrToolState *state)
{
    lukshdrLink *link = lukshdrLinkNew();

    link->state = LUKSHDR_LINK_STATE_ACTIVE;
    lukshdrToolStateFillVolume(&link->payload, state->payload);
    lukshdrToolStateFillVolume(&link->header, state->header);
    link->format = g_strdup(state->payload->format);
    link->luksUUID = state->content ? g_strdup(state->content->uuid) : NULL;
    link->secretUUID = g_strdup(state->payload->secretUUID);
    link->headerShared = state->payload->shared;
    return link;
}
