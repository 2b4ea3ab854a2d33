/*
 * context.h: what this thread is doing, and for which domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's inner functions are not told for whom they work: a disk is prepared without its domain, and
 * a domain that is being stopped has lost its number when its labels are restored.  Wrappers of the
 * outer functions note it here, and wrappers of the inner ones ask.
 */

#pragma once

#include "util/abi.h"

typedef enum {
    LUKSHDR_QEMU_CONTEXT_PREPARE, /* disks of vm are prepared */
    LUKSHDR_QEMU_CONTEXT_COPY, /* a client copies a disk (blockcopy): the copy is what the guest sees */
    LUKSHDR_QEMU_CONTEXT_STOP, /* vm is stopped */
} lukshdrQemuContextKind;

typedef struct _lukshdrQemuContext lukshdrQemuContext;
struct _lukshdrQemuContext {
    lukshdrQemuContextKind kind;
    virDomainObj *vm;       /* PREPARE, STOP */
    virDomainDiskDef *disk; /* PREPARE: the one disk that is plugged in; NULL if it is not known, or
                             * all of them are prepared */
    const char *target; /* COPY: the file that the client names, or NULL if it names it in XML */
    virDomainDef *def;  /* STOP: what the domain ran on */
    char *name; /* STOP: lukshdrQemuDomainName from before; NULL if the domain did not run */
    lukshdrQemuContext *outer;
};

/**
 * lukshdrQemuContextBegin:
 * @context: filled in by the caller but for outer; lives until lukshdrQemuContextEnd
 *
 * From here on the calling thread is doing that, until lukshdrQemuContextEnd.
 */
void
lukshdrQemuContextBegin(lukshdrQemuContext *context);

/**
 * lukshdrQemuContextEnd:
 * @context: the innermost one of the calling thread
 */
void
lukshdrQemuContextEnd(lukshdrQemuContext *context);

/**
 * lukshdrQemuContextFind:
 * @kind: what the calling thread might be doing
 * @vm: the domain that it should be doing it to, or NULL for any
 *
 * Returns: the innermost such context of the calling thread, or NULL.
 */
const lukshdrQemuContext *
lukshdrQemuContextFind(lukshdrQemuContextKind kind, virDomainObj *vm);
