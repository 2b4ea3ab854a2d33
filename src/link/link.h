/*
 * link.h: the link between a payload volume and its header volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One link in memory, and its XML, which is the text of both the registry file
 * and the link label.  Where the text is kept is registry.h's and
 * label.h's.
 */

#pragma once

#include "volume.h"

/* of lukshdrLink.digest, and how many hexadecimal digits it has */
#define LUKSHDR_LINK_DIGEST_ALGORITHM "sha256"
#define LUKSHDR_LINK_DIGEST_LEN 64

typedef enum {
    /* vol-create is under way: what exists of it is removed at the next start */
    LUKSHDR_LINK_STATE_CREATING,
    /* both volumes exist and belong together */
    LUKSHDR_LINK_STATE_ACTIVE,
    /* vol-delete is under way: the key material may be gone, the deletion is
     * completed at the next start */
    LUKSHDR_LINK_STATE_DELETING,
    /* vol-wipe is under way: as above, it is completed at the next start */
    LUKSHDR_LINK_STATE_WIPING,
    /* the key material was destroyed by vol-wipe; the volume can only be deleted */
    LUKSHDR_LINK_STATE_WIPED,
    /* payload and header are being unlinked: both stay, the link goes at the next start */
    LUKSHDR_LINK_STATE_UNLINKING,
} lukshdrLinkState;

typedef struct _lukshdrLink lukshdrLink;
struct _lukshdrLink {
    gatomicrefcount refs;
    char *uuid; /* the link's own, 36 characters; names the registry file */
    lukshdrLinkState state;
    lukshdrVolume payload;
    lukshdrVolume header;
    GPtrArray *replicas;  /* of lukshdrVolume *: further copies of the header; never NULL */
    char *format;         /* of the payload, libvirt's name: raw, qcow2, ... */
    char *luksUUID;       /* of the LUKS header; NULL until it is formatted */
    char *digest;         /* of header and key material (lukshdrLuksDigest), or NULL */
    guint32 generation;   /* how often the key material was changed: of two copies that are
                           * whole, the higher is the current one */
    char *secretUUID;     /* of the libvirt secret with the passphrase */
    bool secretGenerated; /* the secret was made for, and dies with, the volume */
    bool headerShared;    /* other payloads use the header, too */
    bool withSnapshots;   /* in state DELETING: snapshots of images on a cluster go as well */
};

/**
 * lukshdrLinkNew:
 *
 * Returns: a link with a fresh random UUID, state CREATING and nothing else.
 * A link is filled in by the one thread that makes it and is immutable from
 * then on (to change one: lukshdrLinkCopy); references may be shared freely.
 */
lukshdrLink *
lukshdrLinkNew(void);

/**
 * lukshdrLinkCopy:
 * @link: a link
 *
 * Returns: a copy with one reference, to be changed and stored again.
 */
lukshdrLink *
lukshdrLinkCopy(const lukshdrLink *link);

/**
 * lukshdrLinkRef:
 * @link: a link
 *
 * Returns: @link, with one more reference (atomic).
 */
lukshdrLink *
lukshdrLinkRef(lukshdrLink *link);

/**
 * lukshdrLinkUnref:
 * @link: a link, or NULL
 *
 * Drops a reference; frees @link with the last.
 */
void
lukshdrLinkUnref(lukshdrLink *link);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrLink, lukshdrLinkUnref)

/**
 * lukshdrLinkAddReplica:
 * @link: a link that is being made
 * @pool: libvirt's name of the pool
 * @volume: libvirt's name of the volume
 *
 * Adds a replica of the header, without path and identity.
 */
void
lukshdrLinkAddReplica(lukshdrLink *link, const char *pool, const char *volume);

/* What a volume is to its link */
typedef enum {
    LUKSHDR_ROLE_PAYLOAD,
    LUKSHDR_ROLE_HEADER,
    LUKSHDR_ROLE_REPLICA,
} lukshdrRole;

/**
 * lukshdrLinkVolumeAt:
 * @link: a link
 * @i: which of its volumes: 0 for the payload, 1 for the header, then the replicas
 *
 * The one way to go through all volumes of a link.
 *
 * Returns: that volume, owned by @link, or NULL behind the last.
 */
lukshdrVolume *
lukshdrLinkVolumeAt(const lukshdrLink *link, guint i);

/**
 * lukshdrLinkRoleAt:
 * @i: as lukshdrLinkVolumeAt
 *
 * Returns: what that volume is to its link.
 */
lukshdrRole
lukshdrLinkRoleAt(guint i);

/**
 * lukshdrRoleToString:
 * @role: a role
 *
 * Returns: its name in the user's language, static.
 */
const char *
lukshdrRoleToString(lukshdrRole role);

/**
 * lukshdrLinkHeaderCopy:
 * @link: a link
 * @i: which copy of the header: 0 for the header itself, then the replicas
 *
 * Returns: that copy, owned by @link, or NULL behind the last.
 */
lukshdrVolume *
lukshdrLinkHeaderCopy(const lukshdrLink *link, guint i);

/**
 * lukshdrLinkHeaderCopyAt:
 * @link: a link
 * @where: says where something is; its names and identity do not matter
 *
 * Returns: the copy of the header (the header itself first) that is recorded there, owned by
 * @link, or NULL if there is none.
 */
lukshdrVolume *
lukshdrLinkHeaderCopyAt(const lukshdrLink *link, const lukshdrVolume *where);

/**
 * lukshdrLinkFormat:
 * @link: a link
 *
 * Returns: @link as XML text, to be freed with g_free.
 */
char *
lukshdrLinkFormat(const lukshdrLink *link);

/**
 * lukshdrLinkParse:
 * @xml: text of a link; hostile until proven otherwise
 * @len: its length in bytes, not counting a final NUL
 * @error: VIR_ERR_XML_ERROR, saying what is wrong with the text
 *
 * Accepts exactly what lukshdrLinkFormat writes, in any layout: unknown
 * elements, bad UUIDs, names with '/' and relative paths are errors.
 *
 * Returns: a new link, or NULL with @error set.
 */
lukshdrLink *
lukshdrLinkParse(const char *xml, gsize len, GError **error);

/**
 * lukshdrLinkListFormat:
 * @links: lukshdrLink *, at least one
 *
 * Returns: the text of a link label, to be freed with g_free: of one link as lukshdrLinkFormat
 * writes it, of several that share a header, one <links>.
 */
char *
lukshdrLinkListFormat(GPtrArray *links);

/**
 * lukshdrLinkListParse:
 * @xml: what lukshdrLinkListFormat wrote; hostile until proven otherwise
 * @len: its length in bytes
 * @error: as lukshdrLinkParse
 *
 * Returns: GPtrArray of lukshdrLink * (with references, freed with the array), at least one, or
 * NULL with @error set.
 */
GPtrArray *
lukshdrLinkListParse(const char *xml, gsize len, GError **error);

/**
 * lukshdrLinkListFind:
 * @links: lukshdrLink *
 * @uuid: UUID of a link
 *
 * Returns: the link of that UUID, owned by @links, or NULL.
 */
lukshdrLink *
lukshdrLinkListFind(GPtrArray *links, const char *uuid);

/**
 * lukshdrLinkForgetCommand:
 * @link: a link
 * @withHeader: whether the command names the header as well: more than one link has a payload of that name
 *
 * The way out of every state: link='unlink', for what is lost as well.
 *
 * Returns: the command for a shell that gives @link up, to be freed with g_free.
 */
char *
lukshdrLinkForgetCommand(const lukshdrLink *link, bool withHeader);

/**
 * lukshdrLinkStateToString:
 * @state: a state
 *
 * Returns: its name in XML, static.
 */
const char *
lukshdrLinkStateToString(lukshdrLinkState state);
