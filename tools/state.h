/*
 * state.h: links, and the state they are in
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Puts together what a daemon says of volumes, what headers hold, and which
 * domains use which volumes.
 */

#pragma once

#include "header.h"
#include "volume.h"

typedef enum {
    LUKSHDR_TOOL_STATE_OK,
    LUKSHDR_TOOL_STATE_HEADER_MISSING, /* or its pool is not active */
    LUKSHDR_TOOL_STATE_HEADER_DAMAGED, /* or it is another volume's header */
    LUKSHDR_TOOL_STATE_PAYLOAD_MISSING,
    LUKSHDR_TOOL_STATE_ORPHANED, /* a header that no link leads to */
    LUKSHDR_TOOL_STATE_FOUND,    /* as ORPHANED, but the volume that its label names is here */
    LUKSHDR_TOOL_STATE_PAYLOAD_REPLACED, /* by another file, such as one from a backup */
    LUKSHDR_TOOL_STATE_PAYLOAD_MOVED,    /* the file that was linked stands in another place */
    LUKSHDR_TOOL_STATE_PAYLOAD_NAME,     /* one more name of a payload; nothing is wrong */
    LUKSHDR_TOOL_STATE_PAYLOAD_PLAIN,    /* something in it is in clear */
    LUKSHDR_TOOL_STATE_PAYLOAD_FORMAT,   /* it is not of the link's format */
    LUKSHDR_TOOL_STATE_PAYLOAD_CUT,      /* its end is not there */
    LUKSHDR_TOOL_STATE_SECRET_MISSING,
    LUKSHDR_TOOL_STATE_SECRET_EMPTY, /* it has no value; of a private one, the daemon alone can tell */
    LUKSHDR_TOOL_STATE_CREATING,     /* from here: the link's own state, as the daemon says */
    LUKSHDR_TOOL_STATE_DELETING,
    LUKSHDR_TOOL_STATE_WIPING,
    LUKSHDR_TOOL_STATE_WIPED,
    LUKSHDR_TOOL_STATE_UNLINKING,
} lukshdrToolStateKind;

typedef struct _lukshdrToolState lukshdrToolState;
struct _lukshdrToolState {
    lukshdrToolStateKind kind;
    char *reason; /* for a person; NULL if all is well */

    bool headerWhole; /* whatever the state is: the header is there, whole, and this link's */

    lukshdrToolVolume *payload;  /* NULL if it is missing, or for an orphan or found */
    lukshdrToolName payloadName; /* for ORPHANED and FOUND: as the label says, or NULL */
    lukshdrToolName headerName;
    lukshdrToolVolume *header;  /* NULL if it is missing */
    lukshdrToolHeader *content; /* NULL if it could not be read */
    GPtrArray *users;           /* char *: names of the running domains that use the payload */
};

/**
 * lukshdrToolStateFree:
 * @state: what to free, or NULL
 */
void
lukshdrToolStateFree(lukshdrToolState *state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrToolState, lukshdrToolStateFree)

/**
 * lukshdrToolStateName:
 * @kind: a state
 *
 * Returns: its name in JSON, static.
 */
const char *
lukshdrToolStateName(lukshdrToolStateKind kind);

/**
 * lukshdrToolStateText:
 * @state: a state
 *
 * Returns: the state in words, with its users, translated; freed with g_free.
 */
char *
lukshdrToolStateText(const lukshdrToolState *state);

/**
 * lukshdrToolStateOf:
 * @tool: the tool
 * @payload: a payload; the state owns it from now on
 * @error: libvirt's
 *
 * Returns: its state, freed with lukshdrToolStateFree, or NULL with @error set.
 */
lukshdrToolState *
lukshdrToolStateOf(lukshdrTool *tool, lukshdrToolVolume *payload, GError **error);

/**
 * lukshdrToolStateLabelOf:
 * @payload: a volume
 * @content: what a header volume holds
 *
 * Returns: what the link label says of @payload, by name or by path, or NULL if it does
 * not name it; owned by @content.
 */
const lukshdrLink *
lukshdrToolStateLabelOf(const lukshdrToolVolume *payload, const lukshdrToolHeader *content);

/**
 * lukshdrToolStateLabelNames:
 * @content: what a header volume holds
 *
 * Returns: the volumes that its link label names, for a person; freed with g_free.
 */
char *
lukshdrToolStateLabelNames(const lukshdrToolHeader *content);

/**
 * lukshdrToolStateSecretMissing:
 * @tool: the tool
 * @uuid: of a secret
 *
 * Returns: whether libvirt has no such secret; false also if it lists none to this client.
 */
bool
lukshdrToolStateSecretMissing(lukshdrTool *tool, const char *uuid);

/**
 * lukshdrToolStatePoolActive:
 * @tool: the tool
 * @name: a volume
 *
 * Of a pool that is not active nobody knows that its volumes are wrong.
 *
 * Returns: whether the volume's pool is active.
 */
bool
lukshdrToolStatePoolActive(lukshdrTool *tool, const lukshdrToolName *name);

/**
 * lukshdrToolStateAdvice:
 * @tool: the tool
 * @state: the state of a link
 *
 * Returns: what can be done about a header that is missing or damaged, char * for a person, none if the state is another
 * or the reason says it; to be unreffed.
 */
GPtrArray *
lukshdrToolStateAdvice(lukshdrTool *tool, const lukshdrToolState *state);

/**
 * lukshdrToolStateList:
 * @tool: the tool
 * @error: libvirt's
 *
 * A payload that is missing shows in its header and in each replica, and is listed once.
 *
 * Returns: all links that show in the active pools, in the order of their payloads' names, then the orphaned headers
 * in that of their own, as a GPtrArray of lukshdrToolState *, freed with it; NULL with @error set.
 */
GPtrArray *
lukshdrToolStateList(lukshdrTool *tool, GError **error);

/**
 * lukshdrToolStateToJSON:
 * @state: a state
 * @builder: gets an object with all members of the state
 */
void
lukshdrToolStateToJSON(const lukshdrToolState *state, JsonBuilder *builder);

/**
 * lukshdrToolStateJSONAdd:
 * @builder: inside an object
 * @name: name of the member
 * @value: a text of any bytes, or NULL for null
 */
void
lukshdrToolStateJSONAdd(JsonBuilder *builder, const char *name, const char *value);

/**
 * lukshdrToolStateLink:
 * @state: the state of a link whose two volumes exist
 *
 * Returns: the link as src/chain expects it; unreffed by the caller.
 */
lukshdrLink *
lukshdrToolStateLink(const lukshdrToolState *state);
