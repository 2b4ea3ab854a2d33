/*
 * context.h: what this thread is doing, and for which domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt does not tell its inner functions for whom they work: it prepares a disk without its
 * domain, and takes the number from a domain that stops before it restores the domain's labels.
 * Wrappers of the outer functions note the domain here, and wrappers of the inner functions ask.
 */

#pragma once

#include "link/rbd.h"
#include "util/abi.h"
#include "header.h"

typedef enum {
    LUKSHDR_QEMU_CONTEXT_PREPARE, /* disks of vm are prepared */
    LUKSHDR_QEMU_CONTEXT_COPY,    /* a client copies a disk (blockcopy), as the guest sees it */
    LUKSHDR_QEMU_CONTEXT_REVERT,  /* a domain goes back to a snapshot; overlays may be encrypted */
    LUKSHDR_QEMU_CONTEXT_STOP,    /* vm is stopped */
} lukshdrQemuContextKind;

typedef struct _lukshdrQemuContext lukshdrQemuContext;
struct _lukshdrQemuContext {
    lukshdrQemuContextKind kind;
    virDomainObj *vm;       /* PREPARE, STOP */
    virDomainDiskDef *disk; /* PREPARE: the one disk that is plugged in; NULL if it is not known, or
                             * if all disks are prepared */
    lukshdrQemuHeaderChecks
        *checks;        /* PREPARE: where checks of headers may go on; NULL where they may not */
    const char *target; /* COPY: the file that the client names, or NULL if it names it in XML */
    virDomainDef *def;  /* STOP: what the domain ran on */
    char *name; /* STOP: lukshdrQemuDomainName from before; NULL if the domain did not run */
    lukshdrRBDOperation operation; /* all disks of a domain are looked up in one */
    lukshdrQemuContext *outer;
};

/**
 * lukshdrQemuContextBegin:
 * @context: filled in by the caller except for operation and outer; lives until lukshdrQemuContextEnd
 *
 * Notes that the calling thread does what @context says, until lukshdrQemuContextEnd.
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
 * @vm: the domain to which it would be doing that, or NULL for any
 *
 * Returns: the innermost such context of the calling thread, or NULL.
 */
const lukshdrQemuContext *
lukshdrQemuContextFind(lukshdrQemuContextKind kind, virDomainObj *vm);
