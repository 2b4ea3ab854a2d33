/*
 * state.c: the state that all files of the QEMU half use
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "qemu.h"

lukshdrQemuState lukshdrQemu;

virErrorPtr
lukshdrQemuErrorSave(void)
{
    virErrorPtr saved = NULL;

    lukshdrQemu.common.virErrorPreserveLast(&saved);
    return saved;
}

void
lukshdrQemuErrorRestore(virErrorPtr saved)
{
    if (saved)
        lukshdrQemu.common.virErrorRestore(&saved);
    else
        virResetLastError();
}
