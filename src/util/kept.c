/*
 * kept.c: stock's error, kept until the entry that the client called returns
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "kept.h"

static lukshdrABICommon lukshdrKeptABI;

static void
lukshdrKeptFree(gpointer error)
{
    virFreeError(error);
}

static GPrivate lukshdrKept = G_PRIVATE_INIT(lukshdrKeptFree);

/* Returns the error that is kept, which is no longer kept then */
static virErrorPtr
lukshdrKeptSteal(void)
{
    virErrorPtr kept = g_private_get(&lukshdrKept);

    g_private_set(&lukshdrKept, NULL);
    return kept;
}

void
lukshdrKeptInit(const lukshdrABICommon *abi)
{
    lukshdrKeptABI = *abi;
}

virErrorPtr
lukshdrKeptBegin(void)
{
    return lukshdrKeptSteal();
}

void
lukshdrKeptEnd(virErrorPtr outer, bool failed)
{
    if (failed && !virGetLastError())
        lukshdrKeptRestore();
    g_private_replace(&lukshdrKept, outer);
}

void
lukshdrKeptSet(void)
{
    virErrorPtr last = NULL;

    if (lukshdrKeptABI.virErrorPreserveLast)
        lukshdrKeptABI.virErrorPreserveLast(&last);
    if (last)
        g_private_replace(&lukshdrKept, last);
}

bool
lukshdrKeptIs(int code, const char *message)
{
    const virError *kept = g_private_get(&lukshdrKept);

    return kept && kept->code == code && g_strcmp0(kept->message, message) == 0;
}

void
lukshdrKeptRestore(void)
{
    virErrorPtr kept = lukshdrKeptSteal();

    if (kept && lukshdrKeptABI.virErrorRestore)
        lukshdrKeptABI.virErrorRestore(&kept);
}
