/*
 * header.h: a header volume's content, as the daemon sends it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Downloads the content into memory that has a descriptor, so that the functions for header
 * volumes work on it.  Reads from it the LUKS1 header, the key slots and the link label.
 */

#pragma once

#include "link/link.h"
#include "link/luks.h"
#include "tool.h"

typedef struct _lukshdrToolSlot lukshdrToolSlot;
struct _lukshdrToolSlot {
    bool active;
    guint32 iterations;
};

typedef struct _lukshdrToolHeader lukshdrToolHeader;
struct _lukshdrToolHeader {
    int fd;        /* of the content in memory, for reading and writing */
    guint64 bytes; /* how many the daemon sent */
    guint64 total; /* how many there were when it was asked; 0 of a local file */

    char *damage; /* why it is not a usable header; if NULL, all members below are set */
    char *uuid;
    char *cipher; /* as "aes" */
    char *mode;   /* as "xts-plain64" */
    char *hash;
    guint32 keyBytes;
    guint32 iterations; /* of the master key's digest */
    lukshdrToolSlot slots[LUKSHDR_LUKS_SLOTS];
    guint active; /* how many slots are */

    char *digest; /* of header and key material, as labels have it */

    GPtrArray *labels; /* lukshdrLink *: what the link label says; NULL if there is none, or
                        * a damaged one */
    char *labelDamage; /* why the label cannot be read, or NULL */
};

/**
 * lukshdrToolHeaderDownload:
 * @tool: the tool
 * @vol: a volume
 * @error: libvirt's; VIR_ERR_SYSTEM_ERROR
 *
 * Fetches the first LUKSHDR_HEADER_VOLUME_SIZE bytes of @vol, or fewer if it is shorter.
 * It is no error if the content is no header: see the member damage.
 *
 * Returns: the content, freed with lukshdrToolHeaderFree, or NULL with @error set.
 */
lukshdrToolHeader *
lukshdrToolHeaderDownload(lukshdrTool *tool, virStorageVolPtr vol, GError **error);

/**
 * lukshdrToolHeaderFetch:
 * @tool: the tool
 * @vol: a volume
 * @most: how many of its first bytes are wanted, up to LUKSHDR_HEADER_VOLUME_SIZE
 * @error: as lukshdrToolHeaderDownload
 *
 * Fetches bytes that need not be a header's: sets fd, bytes and total of the result alone.
 *
 * Returns: as lukshdrToolHeaderDownload.
 */
lukshdrToolHeader *
lukshdrToolHeaderFetch(lukshdrTool *tool, virStorageVolPtr vol, guint64 most, GError **error);

/**
 * lukshdrToolHeaderLoad:
 * @path: a file
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Returns: as lukshdrToolHeaderDownload, of a local file.
 */
lukshdrToolHeader *
lukshdrToolHeaderLoad(const char *path, GError **error);

/**
 * lukshdrToolHeaderUpload:
 * @tool: the tool
 * @vol: a header volume
 * @header: its new content
 * @error: libvirt's; the daemon refuses while the volume is in use, unless keys alone change; LUKSHDR_TOOL_FAILED if the volume
 *         holds something else afterwards
 *
 * SIGINT and SIGTERM do not interrupt it.  A crash or a lost connection leaves the volume
 * with part of the new content.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrToolHeaderUpload(lukshdrTool *tool,
                        virStorageVolPtr vol,
                        const lukshdrToolHeader *header,
                        GError **error);

/**
 * lukshdrToolHeaderFree:
 * @header: what to free, or NULL
 */
void
lukshdrToolHeaderFree(lukshdrToolHeader *header);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrToolHeader, lukshdrToolHeaderFree)

/**
 * lukshdrToolHeaderExamine:
 * @header: content that was changed; all but fd and bytes is read anew
 */
void
lukshdrToolHeaderExamine(lukshdrToolHeader *header);
