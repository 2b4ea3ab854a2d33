/*
 * pass.h: passphrases, from people and from libvirt
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Never takes one from an argument or from the environment, which others can read.
 */

#pragma once

#include "util/secret.h"
#include "tool.h"

/* Where a passphrase comes from: the file or descriptor from the command line, or else a
 * terminal */
typedef struct _lukshdrToolPass lukshdrToolPass;
struct _lukshdrToolPass {
    char *file; /* or NULL */
    gint fd;    /* or -1 */
};

/**
 * lukshdrToolPassRead:
 * @pass: where from
 * @prompt: for a terminal, without a colon
 * @twice: whether to ask a second time, for a new passphrase
 * @error: VIR_ERR_SYSTEM_ERROR; VIR_ERR_INVALID_SECRET if it is empty or longer than
 *         64 KiB; LUKSHDR_TOOL_REFUSED if there is no terminal or the two differ;
 *         LUKSHDR_TOOL_INTERRUPTED
 *
 * From a file or descriptor all bytes count, also a newline at the end, as with
 * virsh secret-set-value.  A terminal does not echo, and its newline does not count.
 *
 * Returns: the passphrase, freed with lukshdrSecretFree, or NULL with @error set.
 */
lukshdrSecret *
lukshdrToolPassRead(const lukshdrToolPass *pass, const char *prompt, bool twice, GError **error);

/**
 * lukshdrToolPassOf:
 * @tool: the tool, connected
 * @uuid: UUID of a libvirt secret
 * @error: libvirt's; VIR_ERR_INVALID_SECRET for a private one, which libvirt gives to
 *         no client
 *
 * Returns: its value, freed with lukshdrSecretFree, or NULL with @error set.
 */
lukshdrSecret *
lukshdrToolPassOf(lukshdrTool *tool, const char *uuid, GError **error);
