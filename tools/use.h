/*
 * use.h: which running domains use a volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "volume.h"

typedef struct _lukshdrToolUse lukshdrToolUse;

/**
 * lukshdrToolUseNew:
 * @tool: the tool, connected
 *
 * Reads the disks of all running domains.  A connection without domains (storage: URIs)
 * has none.  Leaves out domains that end meanwhile.
 *
 * Returns: what is used, freed with lukshdrToolUseFree.
 */
lukshdrToolUse *
lukshdrToolUseNew(lukshdrTool *tool);

/**
 * lukshdrToolUseFree:
 * @use: what to free, or NULL
 */
void
lukshdrToolUseFree(lukshdrToolUse *use);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrToolUse, lukshdrToolUseFree)

/**
 * lukshdrToolUseFind:
 * @use: what is used
 * @volume: a volume
 * @users: gets the names (char *) of the domains that use it, by path or by name
 */
void
lukshdrToolUseFind(lukshdrToolUse *use, const lukshdrToolVolume *volume, GPtrArray *users);

/**
 * lukshdrToolUseFindOverlay:
 * @tool: the tool, connected
 * @uuid: UUID of a secret
 * @domain: set to the name of the domain, running or not, that has the overlay; freed with g_free
 *
 * Overlays of snapshots are encrypted with the secret of the linked volume below them, and have key slots of their own.
 *
 * Returns: the file of an overlay that is opened with the secret, freed with g_free, or NULL.
 */
char *
lukshdrToolUseFindOverlay(lukshdrTool *tool, const char *uuid, char **domain);
